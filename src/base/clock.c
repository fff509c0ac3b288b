/* clock: see clock.h. */
#include "base/clock.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t
read_clock(clockid_t id, int64_t per_second)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * per_second + ts.tv_nsec / (1000000000 / per_second);
}

int64_t
clock_now_ms(void)
{
	return read_clock(CLOCK_REALTIME, 1000);
}

int64_t
clock_mono_us(void)
{
	return read_clock(CLOCK_MONOTONIC, 1000000);
}

int64_t
clock_cpu_us(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID, 1000000);
}

int64_t
clock_thread_cpu_us(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID, 1000000);
}

void
clock_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

struct timespec
clock_mono_timespec(int64_t mono_us)
{
	return (struct timespec){ (time_t)(mono_us / 1000000), (long)(mono_us % 1000000) * 1000 };
}

/* Howard Hinnant's civil_from_days: a 400-year cycle has 146,097 days; years begin on the 1st of March. */
void
clock_date_of(int64_t seconds, struct clock_date *out)
{
	int64_t days = seconds / 86400 - (seconds % 86400 < 0);
	int64_t rest = seconds - days * 86400;
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	out->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	out->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	out->year = yoe + era * 400 + (out->month <= 2);
	out->hour = (int)(rest / 3600);
	out->minute = (int)(rest / 60 % 60);
	out->second = (int)(rest % 60);
	out->weekday = (int)(((days + 3) % 7 + 7) % 7 + 1); /* 1970-01-01 was a Thursday */
}

/* n digits at *p → *out; moves *p. */
static bool
digits(const char **p, const char *end, int n, int *out)
{
	int v = 0;
	if (end - *p < n)
		return false;
	for (int i = 0; i < n; i++) {
		if (!ascii_isdigit((*p)[i]))
			return false;
		v = v * 10 + ((*p)[i] - '0');
	}
	*p += n;
	*out = v;
	return true;
}

static bool
expect(const char **p, const char *end, const char *any)
{
	if (*p == end || strchr(any, **p) == NULL || **p == '\0')
		return false;
	(*p)++;
	return true;
}

static bool
parse_offset(const char **p, const char *end, int *minutes)
{
	int h, m;
	*minutes = 0;
	if (expect(p, end, "Zz"))
		return true;
	if (*p == end)
		return false;
	char sign = **p;
	if (!expect(p, end, "+-") || !digits(p, end, 2, &h) || !expect(p, end, ":") || !digits(p, end, 2, &m))
		return false;
	if (h > 23 || m > 59)
		return false;
	*minutes = (h * 60 + m) * (sign == '-' ? -1 : 1);
	return true;
}

static bool
parse_date(const char **p, const char *end, struct tm *tm)
{
	static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int y, mo, d;
	if (!digits(p, end, 4, &y) || !expect(p, end, "-") || !digits(p, end, 2, &mo) ||
	    !expect(p, end, "-") || !digits(p, end, 2, &d))
		return false;
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	if (mo < 1 || mo > 12 || d < 1 || d > month_days[mo - 1] + (mo == 2 && leap))
		return false;
	tm->tm_year = y - 1900;
	tm->tm_mon = mo - 1;
	tm->tm_mday = d;
	return true;
}

/* short_form: the seconds may be left out. */
static bool
parse_time(const char **p, const char *end, bool short_form, struct tm *tm, int *ms)
{
	*ms = 0;
	tm->tm_sec = 0;
	if (!digits(p, end, 2, &tm->tm_hour) || !expect(p, end, ":") || !digits(p, end, 2, &tm->tm_min))
		return false;
	bool seconds = expect(p, end, ":");
	if (seconds ? !digits(p, end, 2, &tm->tm_sec) : !short_form)
		return false;
	if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
		return false;
	if (seconds && *p < end && **p == '.') {
		(*p)++;
		int scale = 100, n = 0;
		for (; *p < end && ascii_isdigit(**p); (*p)++, n++, scale /= 10)
			*ms += (**p - '0') * scale;
		if (n == 0)
			return false;
	}
	return true;
}

int
clock_parse_rfc3339(struct str s, int64_t *ms, struct err *e)
{
	const char *p = s.p, *end = s.p + s.n;
	struct tm tm = { 0 };
	int frac, offset;
	if (s.n == 0 || !parse_date(&p, end, &tm) || !expect(&p, end, "Tt ") ||
	    !parse_time(&p, end, false, &tm, &frac) || !parse_offset(&p, end, &offset) || p != end)
		return err_set(
		    e, ERR_INPUT,
		    "\"%.*s\" is no instant; write it as 2026-03-29T09:00:00Z or with an offset like +02:00",
		    (int)(s.n > 60 ? 60 : s.n), s.p ? s.p : "");
	*ms = ((int64_t)timegm(&tm) - (int64_t)offset * 60) * 1000 + frac;
	return 0;
}

int
clock_parse_moment(struct str s, int64_t *ms, bool *local, struct err *e)
{
	const char *p = s.p, *end = s.p + s.n;
	struct tm tm = { 0 };
	int frac, offset = 0;
	bool ok = s.n > 0 && parse_date(&p, end, &tm) && expect(&p, end, "Tt ") &&
		  parse_time(&p, end, true, &tm, &frac);
	*local = ok && p == end;
	if (!ok || (!*local && (!parse_offset(&p, end, &offset) || p != end)))
		return err_set(e, ERR_INPUT,
			       "\"%.*s\" is no time; write it as 2026-03-29T09:00:00+02:00, or without an "
			       "offset for each recipient's own time",
			       (int)(s.n > 60 ? 60 : s.n), s.p ? s.p : "");
	*ms = ((int64_t)timegm(&tm) - (int64_t)offset * 60) * 1000 + frac;
	return 0;
}

const char *
clock_format_rfc3339(int64_t ms, char out[40])
{
	int64_t sec = ms / 1000;
	int rest = (int)(ms % 1000);
	if (rest < 0) {
		rest += 1000;
		sec--;
	}
	time_t t = (time_t)sec;
	struct tm tm;
	gmtime_r(&t, &tm);
	size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest != 0)
		snprintf(out + n, 40 - n, ".%03dZ", rest);
	else
		snprintf(out + n, 40 - n, "Z");
	return out;
}

struct unit {
	const char *name;
	int64_t scale;
};

/* Digits and one unit name; scale from the table. */
static int
parse_scaled(struct str s, const struct unit *units, size_t n, int64_t *out)
{
	size_t i = 0;
	int64_t v = 0;
	for (; i < s.n && ascii_isdigit(s.p[i]); i++) {
		if (v > (INT64_MAX - 9) / 10)
			return -1;
		v = v * 10 + (s.p[i] - '0');
	}
	if (i == 0)
		return -1;
	struct str name = str_sub(s, i, s.n);
	for (size_t k = 0; k < n; k++)
		if (str_eq(name, str_of(units[k].name)) || (name.n == 0 && v == 0)) {
			if (v > INT64_MAX / units[k].scale)
				return -1;
			*out = v * units[k].scale;
			return 0;
		}
	return -1;
}

static const struct unit durations[] = {
	{ "y", 365LL * 86400000 },
	{ "w", 7LL * 86400000 },
	{ "d", 86400000 },
	{ "h", 3600000 },
	{ "m", 60000 },
	{ "s", 1000 },
	{ "ms", 1 },
};

int
clock_parse_duration(struct str s, int64_t *ms, struct err *e)
{
	if (parse_scaled(s, durations, sizeof(durations) / sizeof(durations[0]), ms) != 0)
		return err_set(e, ERR_INPUT,
			       "\"%.*s\" is no duration; write a whole number and a unit: 250ms, 30s, 15m, "
			       "12h, 7d, 2w, 2y",
			       (int)(s.n > 60 ? 60 : s.n), s.p ? s.p : "");
	return 0;
}

const char *
clock_format_duration(int64_t ms, char out[40])
{
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
		/* weeks are read but not written: "7d" is what people say of a cap */
		if (durations[i].name[0] != 'w' && ms % durations[i].scale == 0 &&
		    (ms != 0 || durations[i].scale == 1)) {
			snprintf(out, 40, "%lld%s", (long long)(ms / durations[i].scale), durations[i].name);
			return out;
		}
	return out;
}

int
size_parse(struct str s, int64_t *bytes, struct err *e)
{
	static const struct unit sizes[] = {
		{ "", 1 }, { "K", 1024 }, { "M", 1048576 }, { "G", 1LL << 30 }, { "T", 1LL << 40 }
	};
	if (parse_scaled(s, sizes, sizeof(sizes) / sizeof(sizes[0]), bytes) != 0)
		return err_set(e, ERR_INPUT,
			       "\"%.*s\" is no size; write bytes, or a number with K, M, G or T",
			       (int)(s.n > 60 ? 60 : s.n), s.p ? s.p : "");
	return 0;
}
