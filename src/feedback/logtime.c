/* logtime: see logtime.h. */
#include "feedback/logtime.h"

#include <time.h>

#include "base/clock.h"

#define SLACK_MS INT64_C(86400000)
/* 29 February is up to eight years back (1896 to 1904, 2096 to 2104). */
#define YEARS_BACK 9

/* ---- reading ---- */

/* min to max digits; -1 when there are fewer. */
static int
digits_take(struct str *s, size_t min, size_t max)
{
	int v = 0;
	size_t n = 0;
	while (n < max && n < s->n && ascii_isdigit(s->p[n]))
		v = v * 10 + (s->p[n++] - '0');
	if (n < min)
		return -1;
	*s = str_sub(*s, n, s->n);
	return v;
}

static bool
char_take(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_sub(*s, 1, s->n);
	return true;
}

static int
month_take(struct str *s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	for (int m = 0; m < 12; m++)
		if (str_starts(*s, str_make(names + m * 3L, 3))) {
			*s = str_sub(*s, 3, s->n);
			return m + 1;
		}
	return -1;
}

static bool
clock_take(struct str *s, struct logtime *t)
{
	t->hour = digits_take(s, 2, 2);
	if (!char_take(s, ':'))
		return false;
	t->minute = digits_take(s, 2, 2);
	if (!char_take(s, ':'))
		return false;
	t->second = digits_take(s, 2, 2);
	if (char_take(s, '.')) {
		size_t before = s->n;
		int v = digits_take(s, 1, 3), places = (int)(before - s->n);
		while (s->n > 0 && ascii_isdigit(s->p[0]))
			*s = str_sub(*s, 1, s->n);
		t->ms = places == 1 ? v * 100 : places == 2 ? v * 10 : v;
	}
	return t->hour >= 0 && t->hour < 24 && t->minute >= 0 && t->minute < 60 && t->second >= 0 &&
	       t->second <= 60 && t->ms >= 0;
}

static bool
traditional(struct str *s, struct logtime *t)
{
	if (s->n > 4 && ascii_isdigit(s->p[0])) {
		t->year = digits_take(s, 4, 4);
		if (t->year < 1970 || !char_take(s, ' '))
			return false;
	}
	if ((t->month = month_take(s)) < 0 || !char_take(s, ' '))
		return false;
	(void)char_take(s, ' ');
	if ((t->day = digits_take(s, 1, 2)) < 1 || t->day > 31 || !char_take(s, ' '))
		return false;
	if (t->year == 0 && s->n > 4 && s->p[4] == ' ') {
		t->year = digits_take(s, 4, 4);
		if (t->year < 1970 || !char_take(s, ' '))
			return false;
	}
	return clock_take(s, t) && char_take(s, ' ');
}

static bool
fields_of(int64_t ms, struct logtime *t)
{
	struct clock_date d;
	clock_date_of(ms / 1000, &d);
	*t = (struct logtime){ .year = (int)d.year,
			       .month = d.month,
			       .day = d.day,
			       .hour = d.hour,
			       .minute = d.minute,
			       .second = d.second,
			       .ms = (int)(ms % 1000) };
	return d.year >= 1970;
}

static bool
rfc3339(struct str *s, struct logtime *t)
{
	size_t n = str_find_char(*s, ' ');
	char text[48];
	bool local;
	if (n < 19 || n == s->n || n >= sizeof text - 1)
		return false;
	memcpy(text, s->p, n);
	/* "+0100" is what date(1) and journalctl write */
	if ((text[n - 5] == '+' || text[n - 5] == '-') && n > 20) {
		memmove(text + n - 1, text + n - 2, 2);
		text[n - 2] = ':';
		*s = str_sub(*s, n + 1, s->n);
		n++;
	} else {
		*s = str_sub(*s, n + 1, s->n);
	}
	if (clock_parse_moment(str_make(text, n), &t->at_ms, &local, NULL) != 0 || t->at_ms < 0)
		return false;
	t->absolute = !local;
	return t->absolute || fields_of(t->at_ms, t);
}

bool
logtime_read(struct str *rest, struct logtime *out)
{
	struct str s = *rest;
	*out = (struct logtime){ 0 };
	bool dashed = s.n > 5 && ascii_isdigit(s.p[0]) && s.p[4] == '-';
	if (!(dashed ? rfc3339(&s, out) : traditional(&s, out)))
		return false;
	while (char_take(&s, ' '))
		;
	*rest = s;
	return true;
}

/* ---- meaning ---- */

/* That second is told as t says, in local time. */
static bool
is_told(const struct logtime *t, int year, time_t s)
{
	struct tm tm;
	return localtime_r(&s, &tm) && tm.tm_min == t->minute && tm.tm_hour == t->hour &&
	       tm.tm_mday == t->day && tm.tm_mon == t->month - 1 && tm.tm_year == year - 1900;
}

/* -1: local time knows no such day. */
static int64_t
in_year(const struct logtime *t, int year, int64_t before_ms)
{
	/* by how much clocks are set back: an hour, on Lord Howe half of one */
	static const int shifts[] = { 3600, 1800 };
	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = t->month - 1,
			 .tm_mday = t->day,
			 .tm_hour = t->hour,
			 .tm_min = t->minute,
			 .tm_sec = t->second,
			 .tm_isdst = -1 };
	time_t first = mktime(&tm), second;
	if (first < 0 || tm.tm_mday != t->day || tm.tm_mon != t->month - 1)
		return -1;
	second = first;
	for (size_t i = 0; i < sizeof shifts / sizeof shifts[0] && first == second; i++) {
		if (is_told(t, year, first - shifts[i]))
			first -= shifts[i];
		else if (is_told(t, year, first + shifts[i]))
			second += shifts[i];
	}
	/* An hour that came twice: its first time, unless the log has gone past it. */
	if (before_ms > (int64_t)first * 1000 + 300000)
		first = second;
	return (int64_t)first * 1000 + t->ms;
}

int64_t
logtime_ms(const struct logtime *t, int64_t newest_ms, int64_t before_ms)
{
	time_t newest = (time_t)((newest_ms + SLACK_MS) / 1000);
	struct tm tm;
	if (t->absolute)
		return t->at_ms;
	if (t->year != 0)
		return in_year(t, t->year, before_ms);
	if (!localtime_r(&newest, &tm))
		return -1;
	for (int back = 0; back < YEARS_BACK; back++) {
		int64_t ms = in_year(t, tm.tm_year + 1900 - back, before_ms);
		if (ms >= 0 && ms <= newest_ms + SLACK_MS)
			return ms;
	}
	return -1;
}
