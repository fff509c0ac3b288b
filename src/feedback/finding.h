/*
 * finding: what was found in a message, as JSON, out of the sandbox into the process that holds the keys. Who
 * reads it trusts nothing: what read the message may have been taken over by it.
 *
 * Threads: safe.
 */
#ifndef MT_FEEDBACK_FINDING_H
#define MT_FEEDBACK_FINDING_H

#include "base/err.h"
#include "feedback/feedback.h"

#define FINDING_MAX ((size_t)1 << 20)

/* Appends one JSON object. Strings that are no UTF-8 come back with U+FFFD where they are not. */
void finding_write(const struct feedback *f, struct buf *out);
/*
 * 0: every value is within its bounds: kinds and reasons are known, a status is one of RFC 3463, addresses
 * are addresses, texts are single lines; strings live in a. -1 with ERR_INPUT: something is not; *out is then
 * empty.
 */
int finding_read(struct arena *a, struct str text, struct feedback *out, struct err *e);

#endif
