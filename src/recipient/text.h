/*
 * text: records as maps for people and programs: what `mailtailor queue`, `profile export` and the endpoint's
 * download print. Strings are copied to a; an absent one, and a time of 0, is null. Times are RFC 3339 in
 * UTC.
 *
 * Threads: safe.
 */
#ifndef MT_RECIPIENT_TEXT_H
#define MT_RECIPIENT_TEXT_H

#include "base/value.h"
#include "recipient/job.h"

void text_set(struct arena *a, struct value *map, const char *key, struct str s);
void text_set_int(struct arena *a, struct value *map, const char *key, int64_t i);
void text_set_time(struct arena *a, struct value *map, const char *key, int64_t ms);
/* Lower-case hexadecimal. */
void text_set_hex(struct arena *a, struct value *map, const char *key, const uint8_t *p, size_t n);

/* All that a job says of itself, and what its payload says, which is NULL when it has none. */
void text_set_job(struct arena *a, struct value *map, const struct spool_job *j, const struct job_payload *p);

#endif
