/*
 * hours: times of day and days of the week: quiet hours, send windows, and whether any minute of a week is
 * left.
 */
#include "conf/conf-private.h"

#include <string.h>

#include "base/clock.h"

#define DAY_MINUTES 1440

static const char *const DAYS[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

/* "09:30" → 570, "24:00" → 1440; -1 otherwise. */
static int
minute_of(struct str s)
{
	if (s.n != 5 || s.p[2] != ':')
		return -1;
	for (size_t i = 0; i < 5; i++)
		if (i != 2 && !ascii_isdigit(s.p[i]))
			return -1;
	int hour = (s.p[0] - '0') * 10 + (s.p[1] - '0'), minute = (s.p[3] - '0') * 10 + (s.p[4] - '0');
	int v = hour * 60 + minute;
	return minute > 59 || v > DAY_MINUTES ? -1 : v;
}

int
conf_hours_parse(struct arena *a, struct str s, struct conf_hours *out, const char **why)
{
	const char *shown = arena_cstr(a, str_sub(s, 0, 60));
	size_t dash = str_find_char(s, '-');
	out->from = minute_of(str_sub(s, 0, dash));
	out->to = dash < s.n ? minute_of(str_sub(s, dash + 1, s.n)) : -1;
	if (out->from < 0 || out->to < 0 || out->from == DAY_MINUTES)
		*why =
		    arena_printf(a, "\"%s\" is no time of day; write one such as \"22:00-08:00\"", shown).p;
	else if (out->from == out->to)
		*why = arena_printf(a,
				    "\"%s\" begins when it ends; write \"00:00-24:00\" for the whole day, or "
				    "take it out",
				    shown)
			   .p;
	else
		return 0;
	return -1;
}

/* "mon-fri", "sat", "mon,wed" → bits; 0 when it is none. */
static unsigned
days_of(struct str s)
{
	unsigned bits = 0;
	struct str rest = s, item;
	while (str_split(&rest, ',', &item)) {
		size_t dash = str_find_char(item, '-');
		struct str from = str_sub(item, 0, dash),
			   to = dash < item.n ? str_sub(item, dash + 1, item.n) : from;
		size_t first = 7, last = 7;
		for (size_t i = 0; i < 7; i++) {
			first = str_caseeq(from, str_of(DAYS[i])) ? i : first;
			last = str_caseeq(to, str_of(DAYS[i])) ? i : last;
		}
		if (first == 7 || last == 7)
			return 0;
		for (size_t i = first;; i = (i + 1) % 7) { /* sat-mon goes over the week's end */
			bits |= 1u << i;
			if (i == last)
				break;
		}
	}
	return bits;
}

int
conf_window_parse(struct arena *a, struct str s, struct conf_window *out, const char **why)
{
	struct str days = STR_NULL, hours = s;
	size_t space = str_find_char(s, ' ');
	if (s.n > 0 && ascii_isalpha(s.p[0])) {
		days = str_sub(s, 0, space);
		hours = str_trim(str_sub(s, space, s.n));
	}
	unsigned bits = days.p ? days_of(days) : 0x7f;
	out->days = (uint8_t)bits;
	if (bits == 0) {
		*why = arena_printf(a,
				    "\"%s\" names no days of the week; write one such as "
				    "\"mon-fri 09:00-17:30\" or \"sat,sun 10:00-14:00\"",
				    arena_cstr(a, str_sub(s, 0, 60)))
			   .p;
		return -1;
	}
	if (days.p && hours.n == 0) {
		out->hours = (struct conf_hours){ 0, DAY_MINUTES };
		return 0;
	}
	return conf_hours_parse(a, hours, &out->hours, why);
}

void
conf_hours_print(struct buf *b, const struct conf_hours *h)
{
	buf_printf(b, "%02d:%02d-%02d:%02d", h->from / 60, h->from % 60, h->to / 60, h->to % 60);
}

void
conf_window_print(struct buf *b, const struct conf_window *w)
{
	const char *comma = "";
	for (int i = 0; i < 7; i++) {
		int last = i;
		if (!(w->days >> i & 1))
			continue;
		while (last < 6 && w->days >> (last + 1) & 1)
			last++;
		buf_printf(b, last > i ? "%s%s-%s" : "%s%s", comma, DAYS[i], DAYS[last]);
		comma = ",";
		i = last;
	}
	buf_addc(b, ' ');
	conf_hours_print(b, &w->hours);
}

static bool
hours_hold(const struct conf_hours *h, int minute)
{
	return h->from < h->to ? minute >= h->from && minute < h->to : minute >= h->from || minute < h->to;
}

bool
conf_campaign_open(const struct conf_campaign *c, int weekday, int minute)
{
	if (c->has_quiet_hours && hours_hold(&c->quiet_hours, minute))
		return false;
	for (size_t i = 0; i < c->nsend_windows; i++) {
		const struct conf_hours *h = &c->send_windows[i].hours;
		bool yesterday = h->from > h->to && minute < h->from; /* what is left of the night before */
		if (hours_hold(h, minute) &&
		    c->send_windows[i].days >> (yesterday ? (weekday + 6) % 7 : weekday) & 1)
			return true;
	}
	return c->nsend_windows == 0;
}

bool
conf_campaign_ever_open(const struct conf_campaign *c)
{
	static const struct conf_hours ALL = { 0, DAY_MINUTES };
	size_t i = 0;
	do { /* quiet hours are the same on all days, so the day of a window plays no part */
		const struct conf_hours *h = c->nsend_windows ? &c->send_windows[i].hours : &ALL;
		for (int minute = 0; minute < DAY_MINUTES; minute++)
			if (hours_hold(h, minute) &&
			    !(c->has_quiet_hours && hours_hold(&c->quiet_hours, minute)))
				return true;
	} while (++i < c->nsend_windows);
	return false;
}
