/*
 * when: PURE. When a copy may leave: campaign start, the message's own send time, quiet hours and send
 * windows, all in the recipient's local time. Private to src/tailor.
 *
 * Local times and the change of clocks. A moment is open when the local time it has is outside quiet hours
 * and inside a send window; so hours end by the clock on the wall, whatever the night was long:
 * - quiet hours 22:00-08:00 last 9 hours when the clock goes forward in that night, 11 when it goes back;
 * - hours that begin or end at a time that is skipped do so when the clock jumps: with 02:00 → 03:00, a
 * window 02:30-05:00 opens at 03:00; one of 02:15-02:45 is not that day;
 * - hours at times that come twice are there twice: with 02:00 → 01:00, a window 01:30-02:00 opens again.
 * - an hour that is skipped (send_hour) is that of the next day; one that comes twice the first.
 * A start or send time without an offset stands for the first moment at which the clock shows it or a later
 * time: the first of two, and for a time that is skipped the moment of the jump.
 *
 * Threads: safe.
 */
#ifndef MT_TAILOR_WHEN_H
#define MT_TAILOR_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

#define WHEN_NEVER INT64_MAX

struct when_ask {
	const struct conf_campaign *campaign;
	const char *time_zone; /* the recipient's, IANA; one that is not known: the campaign's, then UTC */
	int64_t accepted_ms;   /* when the message was accepted */
	int64_t now_ms;
	bool has_send_at; /* X-Mailtailor-Send-At */
	bool send_at_local;
	int64_t send_at_ms; /* as clock_parse_moment gives it */
	unsigned
	    send_hour; /* as struct conf_arm: the first time since it was wanted that this hour is there */
};

struct when {
	int64_t wanted_ms;  /* the latest of acceptance, start and send time: delays count from here */
	int64_t due_ms;	    /* the earliest moment, not before now; WHEN_NEVER: none within two months */
	const char *reason; /* what it waits for last: "start", "send-at", "send-hour", "quiet-hours",
			       "send-window"; NULL: now */
	const char *zone;   /* the one that counts */
};

void when_due(const struct when_ask *ask, struct when *out);
/* The first moment from from_ms on that is open; WHEN_NEVER as above. zone has to be known. */
int64_t when_open(const struct conf_campaign *c, const char *zone, int64_t from_ms);
/* The instant of a local time given as if it were UTC, by the rule above. zone has to be known. */
int64_t when_local(int64_t wall_ms, const char *zone);

#endif
