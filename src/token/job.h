/*
 * job: the mark that copies carry in their field X-Mailtailor-Job, so that a copy that meets mailtailor
 * again is recognised and passed on as it is. Value:
 *
 *   1 IDEM SECONDS MAC
 *
 * version; the copy's idempotency key, 32 hex digits; when the mark was made, seconds since 1970; the first
 * 16 bytes of an HMAC over the three under the site key, 32 hex digits. It says nothing about the recipient
 * to those who have no key, and holds no secret; a mark copied into another message verifies too, so a caller
 * may trust it with no more than leaving that message alone. contrib/TOKENS.md has test vectors.
 *
 * Threads: safe.
 */
#ifndef MT_TOKEN_JOB_H
#define MT_TOKEN_JOB_H

#include "token/token.h"

#define JOB_MARK_FIELD "X-Mailtailor-Job"

/* Appends the value, one line. -1: now_ms is before 1970; out is then as it was. */
int job_mark_seal(const struct keyring *k, const uint8_t idem[16], int64_t now_ms, struct buf *out);
/*
 * value as a relay may have left it: white space around it, and a fold (RFC 5322, 2.2.3) or more than one
 * blank where one stood between two words; nothing else may differ. False: no mark of this site key; idem and
 * *at_s are then untouched. Compares in constant time. idem and at_s may be NULL.
 */
bool job_mark_verify(const struct keyring *k, struct str value, uint8_t idem[16], int64_t *at_s);

#endif
