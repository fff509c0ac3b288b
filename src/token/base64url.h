/*
 * base64url without padding (RFC 4648, 5), strict: one text per value.
 * Threads: safe.
 */
#ifndef MT_TOKEN_BASE64URL_H
#define MT_TOKEN_BASE64URL_H

#include "base/buf.h"
#include "base/str.h"

/* Characters that n bytes take. */
static inline size_t
base64url_length(size_t n)
{
	return n / 3 * 4 + (n % 3 ? n % 3 + 1 : 0);
}

void base64url_encode(struct buf *out, const void *p, size_t n);
/*
 * out has room for text.n / 4 * 3 + 2 bytes. 0 and *n, or -1: a character outside the alphabet (padding too),
 * a length no encoder makes, or unused bits that are not zero.
 */
int base64url_decode(struct str text, unsigned char *out, size_t *n);

#endif
