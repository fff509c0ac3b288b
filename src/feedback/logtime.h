/*
 * logtime: the time at the beginning of a line of a log, as syslog daemons write it.
 *
 *   Nov  6 11:58:44            RFC 3164: local time, without a year; also with a fraction
 *   2026 Nov  6 11:58:44       the same with a year, before the month or behind the day
 *   2026-11-06T11:58:44.123+01:00   RFC 3339, RFC 5424; also "+0100", "Z", or no offset at all (local time)
 *
 * Threads: safe (local time by the process's TZ).
 */
#ifndef MT_FEEDBACK_LOGTIME_H
#define MT_FEEDBACK_LOGTIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* What the line says; what that means in milliseconds is looked up only when somebody asks. */
struct logtime {
	bool absolute; /* at_ms is all */
	int64_t at_ms;
	int year; /* 0: not said */
	int month, day, hour, minute, second, ms;
};

/* Takes the time and the spaces behind it off *rest. False: there is none; *rest is then as it was. */
bool logtime_read(struct str *rest, struct logtime *out);

/*
 * Milliseconds since the epoch, or -1: there was no such day. newest_ms: no line is later than this, a day of
 * slack aside (when the file was last written, say): that tells the year. before_ms: the time of a line
 * before it, or 0: that tells which of two equal hours it is when clocks are set back.
 */
int64_t logtime_ms(const struct logtime *t, int64_t newest_ms, int64_t before_ms);

#endif
