/* when: see when.h. A zone's offset is constant between its changes, so each stretch is plain arithmetic. */
#include "tailor/when.h"

#include <string.h>

#include "score/score.h"

#define DAY_S 86400
/* A step leads to the next edge, the next midnight or a change of clocks: this is two months. */
#define MAX_STEPS 64

/* Rounded down, also before 1970. */
static int64_t
seconds_of(int64_t ms)
{
	return ms / 1000 - (ms % 1000 < 0);
}

static int
offset_at(int64_t s, const char *zone)
{
	struct score_time t;
	score_local_time(s * 1000, zone, &t);
	return t.offset_s;
}

/* The first second of (from, to] whose offset is not that of from; that of to is another. */
static int64_t
change_after(int64_t from, int64_t to, const char *zone)
{
	int before = offset_at(from, zone);
	while (to - from > 1) {
		int64_t middle = from + (to - from) / 2;
		if (offset_at(middle, zone) == before)
			from = middle;
		else
			to = middle;
	}
	return to;
}

int64_t
when_local(int64_t wall_ms, const char *zone)
{
	int64_t wall = seconds_of(wall_ms), rest = wall_ms - wall * 1000;
	/* No offset is larger than a day, and no zone changes twice in three. */
	int before = offset_at(wall - DAY_S, zone), after = offset_at(wall + DAY_S, zone);
	int64_t first = wall - before, second = wall - after;
	if (offset_at(first, zone) == before)
		return first * 1000 + rest;
	if (offset_at(second, zone) == after || second >= first)
		return second * 1000 + rest;
	return change_after(second, first, zone) * 1000; /* skipped */
}

/* The first open minute of a day (0 Monday) from `from` on, or -1. Only an edge can open what was closed. */
static int
minute_open(const struct conf_campaign *c, int weekday, int from)
{
	int best = -1;
	if (conf_campaign_open(c, weekday, from))
		return from;
	for (size_t i = 0; i <= c->nsend_windows; i++) {
		int edge = i < c->nsend_windows ? c->send_windows[i].hours.from : c->quiet_hours.to;
		if (edge > from && edge < 1440 && (best < 0 || edge < best) &&
		    conf_campaign_open(c, weekday, edge))
			best = edge;
	}
	return best;
}

int64_t
when_open(const struct conf_campaign *c, const char *zone, int64_t from_ms)
{
	int64_t at = seconds_of(from_ms);
	if (!c->has_quiet_hours && c->nsend_windows == 0)
		return from_ms;
	for (int i = 0; i < MAX_STEPS; i++) {
		struct score_time t;
		score_local_time(at * 1000, zone, &t);
		int64_t second = ((at + t.offset_s) % DAY_S + DAY_S) % DAY_S;
		int now = (int)(second / 60), open = minute_open(c, t.weekday - 1, now);
		if (open == now)
			return i == 0 ? from_ms : at * 1000;
		int64_t next = at - second + (open < 0 ? DAY_S : open * 60);
		at = offset_at(next, zone) == t.offset_s ? next : change_after(at, next, zone);
	}
	return WHEN_NEVER;
}

/* The first moment from from_ms on in that hour of the day; when it is that hour, from_ms itself. */
static int64_t
hour_next(int hour, const char *zone, int64_t from_ms)
{
	struct score_time t;
	score_local_time(from_ms, zone, &t);
	if (t.hour == hour)
		return from_ms;
	int64_t wall = seconds_of(from_ms) + t.offset_s, midnight = wall - ((wall % DAY_S) + DAY_S) % DAY_S;
	for (int day = 0; day < 3; day++) {
		int64_t at = when_local((midnight + day * DAY_S + hour * 3600) * 1000, zone);
		score_local_time(at, zone, &t);
		if (at >= from_ms && t.hour == hour)
			return at;
	}
	return from_ms;
}

/* What kept the copy until due, which is an edge: quiet hours, or no window. */
static const char *
kept_by(const struct conf_campaign *c, const char *zone, int64_t due_ms)
{
	const struct conf_campaign quiet = { .has_quiet_hours = c->has_quiet_hours,
					     .quiet_hours = c->quiet_hours };
	struct score_time t;
	if (due_ms == WHEN_NEVER)
		return "send-window";
	score_local_time(due_ms - 1, zone, &t);
	return conf_campaign_open(&quiet, t.weekday - 1, t.hour * 60 + t.minute) ? "send-window"
										 : "quiet-hours";
}

static const char *
zone_known(const struct when_ask *ask)
{
	struct score_time t;
	if (score_local_time(0, ask->time_zone, &t))
		return ask->time_zone;
	return score_local_time(0, ask->campaign->time_zone, &t) ? ask->campaign->time_zone : "UTC";
}

void
when_due(const struct when_ask *ask, struct when *out)
{
	const struct conf_campaign *c = ask->campaign;
	int64_t from = ask->now_ms;
	*out = (struct when){ .wanted_ms = ask->accepted_ms, .due_ms = ask->now_ms, .zone = "UTC" };
	if (!c->has_quiet_hours && c->nsend_windows == 0 && c->start == NULL && !ask->has_send_at &&
	    ask->send_hour == CONF_ANY_HOUR)
		return;
	out->zone = zone_known(ask);
	int64_t start = c->start_local ? when_local(c->start_ms, out->zone) : c->start_ms,
		send_at = ask->send_at_local ? when_local(ask->send_at_ms, out->zone) : ask->send_at_ms;
	if (c->start != NULL && start > out->wanted_ms) {
		out->wanted_ms = start;
		out->reason = "start";
	}
	if (ask->has_send_at && send_at > out->wanted_ms) {
		out->wanted_ms = send_at;
		out->reason = "send-at";
	}
	if (ask->send_hour != CONF_ANY_HOUR) {
		int64_t hour = hour_next((int)ask->send_hour - 1, out->zone, out->wanted_ms);
		if (hour > out->wanted_ms)
			out->reason = "send-hour";
		out->wanted_ms = hour;
	}
	if (out->reason != NULL && out->wanted_ms > from)
		from = out->wanted_ms;
	else
		out->reason = NULL;
	out->due_ms = when_open(c, out->zone, from);
	if (out->due_ms > from)
		out->reason = kept_by(c, out->zone, out->due_ms);
}
