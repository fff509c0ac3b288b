/*
 * Base32 without padding (RFC 4648, 6), written in lower case and read in any: for local parts of mail
 * addresses, which some MTAs fold. Strict otherwise: one text per value, but for its case.
 * Threads: safe.
 */
#ifndef MT_TOKEN_BASE32_H
#define MT_TOKEN_BASE32_H

#include "base/buf.h"
#include "base/str.h"

/* Characters that n bytes take. */
#define BASE32_LENGTH(n) (((n)*8 + 4) / 5)

void base32_encode(struct buf *out, const void *p, size_t n);
/*
 * out has room for text.n * 5 / 8 bytes. 0 and *n, or -1: a character outside the alphabet (padding too), a
 * length no encoder makes, or unused bits that are not zero.
 */
int base32_decode(struct str text, unsigned char *out, size_t *n);

#endif
