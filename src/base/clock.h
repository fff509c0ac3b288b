/*
 * clock: the only place that reads the time. Wall time is milliseconds since
 * the epoch (UTC); monotonic time is microseconds from an arbitrary origin.
 * Nothing in the environment moves it: decisions take "now" as an argument, and
 * `mailtailor render --now` and tests hand in another.
 * Threads: safe.
 */
#ifndef MT_BASE_CLOCK_H
#define MT_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/str.h"

int64_t clock_now_ms(void);
int64_t clock_mono_us(void);
/* CPU time of the process / calling thread, microseconds. */
int64_t clock_cpu_us(void);
int64_t clock_thread_cpu_us(void);

/* A condition whose timed waits go by clock_mono_us: setting the wall clock does not touch them. */
void clock_cond_init(pthread_cond_t *c);
/* For pthread_cond_timedwait. */
struct timespec clock_mono_timespec(int64_t mono_us);

/* A day and time of day, in the proleptic Gregorian calendar. */
struct clock_date {
	int64_t year;
	int month, day;		  /* 1..12, 1..31 */
	int hour, minute, second; /* 0..23, 0..59, 0..59 */
	int weekday;		  /* 1..7, Monday is 1 */
};
/* Of seconds since the epoch, in UTC; |seconds| below 2^62. */
void clock_date_of(int64_t seconds, struct clock_date *out);

/* "2026-03-29T02:30:00Z", "…+02:00", fractions allowed (RFC 3339). */
int clock_parse_rfc3339(struct str s, int64_t *ms, struct err *e);
/*
 * The same, or a local time without an offset ("2026-03-29T09:00:00", and without seconds): then *local is
 * true and *ms counts as if it were UTC.
 */
int clock_parse_moment(struct str s, int64_t *ms, bool *local, struct err *e);
/* Writes "2026-03-29T02:30:00.123Z" (no fraction when it is 0) and returns out. */
const char *clock_format_rfc3339(int64_t ms, char out[40]);
/* "250ms" "30s" "15m" "12h" "7d" "2w" "2y" (365 days); a bare number other than 0 is refused. */
int clock_parse_duration(struct str s, int64_t *ms, struct err *e);
/* In the largest unit that divides it, weeks aside: 604800000 → "7d". Reads back to the same. Returns out. */
const char *clock_format_duration(int64_t ms, char out[40]);
/* "64M" "1G" "1048576" bytes (powers of 1024). */
int size_parse(struct str s, int64_t *bytes, struct err *e);

#endif
