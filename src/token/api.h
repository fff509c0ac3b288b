/*
 * api: how a shop's requests are signed. Each shop has a secret of its own, derived from the site key by its
 * name and generation, so none is stored: HMAC-SHA-256(site key, keyed "api secret" of both), as 64 hex
 * digits the text that the shop is given (`mailtailor key shop`). A signature is the HMAC-SHA-256, under the
 * bytes of that text, of the time in decimal, a line end (LF) and the body.
 *
 * Threads: safe.
 */
#ifndef MT_TOKEN_API_H
#define MT_TOKEN_API_H

#include "token/token.h"

#define API_SECRET_LEN 64 /* hex digits */

/* out: the digits and a NUL. */
void api_secret(const struct keyring *k, struct str shop, int64_t generation, char out[API_SECRET_LEN + 1]);
void api_sign(const char secret[API_SECRET_LEN + 1], struct str time, struct str body, uint8_t out[32]);
/* signature: 64 hex digits. Compared in constant time. */
bool
api_verify(const char secret[API_SECRET_LEN + 1], struct str time, struct str body, struct str signature);

#endif
