/*
 * format: {{formatDate date "YYYY-MM-DD" [zone]}} with the tokens that
 * SendGrid documents (those of moment.js): YYYY YY MMMM MMM MM M DD D Do dddd
 * ddd HH H hh h mm m ss s A a ZZ Z and [plain text]. Days without a time
 * are not moved between zones.
 */
#include "template/format.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "template/locale.h"

#define MAX_FORMAT 256

/* What a date argument says. */
struct moment {
	int64_t seconds; /* since the epoch; with `local`, as if the zone were UTC */
	bool local;
};

struct civil {
	int64_t year;
	int month, day, hour, minute, second;
	int weekday; /* 0..6, Sunday is 0, as locales list them */
	int offset;  /* seconds east */
};

/* The inverse of clock_date_of, for a day. */
static int64_t
days_from_civil(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

static struct civil
civil_from_seconds(int64_t t, int offset)
{
	struct clock_date d;
	clock_date_of(t + offset, &d);
	return (struct civil){ d.year, d.month, d.day, d.hour, d.minute, d.second, d.weekday % 7, offset };
}

/* ---- reading ---- */

/* n digits at *s. */
static bool
take_digits(struct str *s, size_t n, int *out)
{
	if (s->n < n)
		return false;
	*out = 0;
	for (size_t i = 0; i < n; i++) {
		if (!ascii_isdigit(s->p[i]))
			return false;
		*out = *out * 10 + (s->p[i] - '0');
	}
	*s = str_sub(*s, n, s->n);
	return true;
}

static bool
take_char(struct str *s, const char *any)
{
	if (s->n == 0 || !strchr(any, s->p[0]))
		return false;
	*s = str_sub(*s, 1, s->n);
	return true;
}

/* Z, +02:00, +0200, +02 */
static bool
take_offset(struct str *s, int *seconds)
{
	int h, m = 0;
	*seconds = 0;
	if (take_char(s, "Zz"))
		return true;
	bool west = s->n > 0 && s->p[0] == '-';
	if (!take_char(s, "+-") || !take_digits(s, 2, &h))
		return false;
	bool colon = take_char(s, ":");
	if ((colon || s->n > 0) && !take_digits(s, 2, &m))
		return false;
	*seconds = (h * 60 + m) * (west ? -60 : 60);
	return h <= 23 && m <= 59;
}

static int
days_in_month(int y, int m)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return days[m - 1] + (m == 2 && ((y % 4 == 0 && y % 100 != 0) || y % 400 == 0));
}

/* RFC 3339, the same without offset (local), or the day alone. */
static bool
parse_iso(struct str s, struct moment *out)
{
	int y, mon, d, h = 0, min = 0, sec = 0, offset = 0;
	if (!take_digits(&s, 4, &y) || !take_char(&s, "-") || !take_digits(&s, 2, &mon) ||
	    !take_char(&s, "-") || !take_digits(&s, 2, &d) || mon < 1 || mon > 12 || d < 1 ||
	    d > days_in_month(y, mon))
		return false;
	out->local = true;
	if (s.n > 0) {
		if (!take_char(&s, "Tt ") || !take_digits(&s, 2, &h) || !take_char(&s, ":") ||
		    !take_digits(&s, 2, &min))
			return false;
		if (take_char(&s, ":") && !take_digits(&s, 2, &sec))
			return false;
		if (take_char(&s, ".,")) {
			size_t n = 0;
			while (n < s.n && ascii_isdigit(s.p[n]))
				n++;
			s = str_sub(s, n, s.n);
		}
		if (h > 23 || min > 59 || sec > 60)
			return false;
		out->local = s.n == 0;
		if (s.n > 0 && (!take_offset(&s, &offset) || s.n > 0))
			return false;
	}
	out->seconds = days_from_civil(y, mon, d) * 86400 + h * 3600 + min * 60 + sec - offset;
	return true;
}

/* Seconds, or milliseconds when it is too large for this and the next centuries. */
static bool
parse_epoch(double n, struct moment *out)
{
	if (!(n >= -1e15 && n <= 1e15))
		return false;
	out->local = false;
	out->seconds = (int64_t)(n >= 1e11 || n <= -1e11 ? n / 1000 : n);
	return true;
}

static bool
parse_moment(struct render *r, const struct value *v, struct moment *out)
{
	if (v->type == VALUE_INT || v->type == VALUE_REAL)
		return parse_epoch(v->type == VALUE_INT ? (double)v->i : v->r, out);
	if (v->type != VALUE_STRING)
		return false;
	struct str s = str_trim(v->s);
	if (str_caseeq(s, STR("now"))) {
		out->local = false;
		out->seconds = r->env->now_ms / 1000;
		return true;
	}
	if (parse_iso(s, out))
		return true;
	bool ok;
	double n = value_number(v, &ok);
	return ok && s.n >= 9 && parse_epoch(n, out);
}

/* ---- zones ---- */

/* The zone stays in scratch: one campaign asks for few. NULL when unknown. */
static GTimeZone *
zone_named(struct render *r, struct str name)
{
	struct tpl_scratch *s = r->scratch;
	if (name.n == 0 || name.n >= sizeof s->zone_name)
		return NULL;
	if (s->zone && str_eq(str_of(s->zone_name), name))
		return s->zone;
	char text[sizeof s->zone_name];
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	/* An absolute path or ".." would read any file of the host. */
	if (text[0] == '/' || strstr(text, "..") || strlen(text) != name.n)
		return NULL;
	GTimeZone *zone = g_time_zone_new_identifier(text);
	if (!zone)
		return NULL;
	if (s->zone)
		g_time_zone_unref(s->zone);
	s->zone = zone;
	memcpy(s->zone_name, text, name.n + 1);
	return zone;
}

static int
offset_in(struct render *r, uint32_t at, struct str zone, const struct moment *m, int *offset)
{
	struct str rest = zone;
	*offset = 0;
	if (zone.n == 0 || str_eq(zone, STR("UTC")) || (take_offset(&rest, offset) && rest.n == 0))
		return 0;
	GTimeZone *z = zone_named(r, zone);
	if (!z)
		return render_fail(
		    r, at, "formatDate: unknown time zone \"%.*s\"; write one like Europe/Berlin or +01:00",
		    STR_ARG(str_sub(zone, 0, 60)));
	gint64 t = m->seconds; /* an hour that the clocks skip is moved behind the gap */
	gint i = g_time_zone_adjust_time(z, m->local ? G_TIME_TYPE_STANDARD : G_TIME_TYPE_UNIVERSAL, &t);
	*offset = g_time_zone_get_offset(z, i);
	return 0;
}

/* ---- writing ---- */

static void
add_ordinal(struct buf *b, const struct locale *l, int day)
{
	const char *sign = l->ordinals;
	if (strcmp(sign, "en") == 0) {
		int ten = day / 10 % 10, one = day % 10;
		sign = ten == 1 || one == 0 || one > 3 ? "th" : one == 1 ? "st" : one == 2 ? "nd" : "rd";
	} else if (strcmp(sign, "fr") == 0) {
		sign = day == 1 ? "er" : "";
	}
	buf_printf(b, "%d%s", day, sign);
}

static void
add_offset(struct buf *b, int offset, const char *colon)
{
	int minutes = abs(offset) / 60;
	buf_printf(b, "%c%02d%s%02d", offset < 0 ? '-' : '+', minutes / 60, colon, minutes % 60);
}

static void
add_year(struct buf *b, const struct civil *c, size_t n)
{
	long long year = (long long)c->year;
	if (n >= 4)
		buf_printf(b, "%04lld", year);
	else
		buf_printf(b, "%02lld", (year % 100 + 100) % 100);
}

static void
add_month(struct buf *b, const struct civil *c, const struct locale *l, size_t n)
{
	if (n >= 4)
		buf_adds(b, str_of(l->months[c->month - 1]));
	else if (n == 3)
		buf_adds(b, str_of(l->months_short[c->month - 1]));
	else
		buf_printf(b, "%0*d", (int)n, c->month);
}

/* One token of n equal letters; false when the letter means nothing. */
static bool
add_token(struct buf *b, const struct civil *c, const struct locale *l, char letter, size_t n)
{
	int width = n >= 2 ? 2 : 1;
	int hour12 = c->hour % 12 ? c->hour % 12 : 12;
	switch (letter) {
	case 'Y':
		add_year(b, c, n);
		return true;
	case 'M':
		add_month(b, c, l, n);
		return true;
	case 'D':
		buf_printf(b, "%0*d", width, c->day);
		return true;
	case 'd':
		buf_adds(b, str_of(n >= 4 ? l->days[c->weekday] : l->days_short[c->weekday]));
		return true;
	case 'H':
		buf_printf(b, "%0*d", width, c->hour);
		return true;
	case 'h':
		buf_printf(b, "%0*d", width, hour12);
		return true;
	case 'm':
		buf_printf(b, "%0*d", width, c->minute);
		return true;
	case 's':
		buf_printf(b, "%0*d", width, c->second);
		return true;
	case 'A':
		buf_adds(b, str_of(c->hour < 12 ? l->am : l->pm));
		return true;
	case 'a':
		for (const char *p = c->hour < 12 ? l->am : l->pm; *p; p++)
			buf_addc(b, ascii_lower(*p));
		return true;
	case 'Z':
		add_offset(b, c->offset, n >= 2 ? "" : ":");
		return true;
	default:
		return false;
	}
}

/* The most letters one token has: "YYYYMM" is two. */
static size_t
token_length(struct str f, size_t i)
{
	size_t most = strchr("YMd", f.p[i]) ? 4 : 2, n = 1;
	while (n < most && i + n < f.n && f.p[i + n] == f.p[i])
		n++;
	return n;
}

static void
format_civil(struct buf *b, const struct civil *c, const struct locale *l, struct str f)
{
	for (size_t i = 0; i < f.n;) {
		if (f.p[i] == '[') {
			size_t end = i + str_find_char(str_sub(f, i, f.n), ']');
			buf_adds(b, str_sub(f, i + 1, end));
			i = end + 1;
			continue;
		}
		size_t n = f.p[i] ? token_length(f, i) : 1;
		if (f.p[i] == 'D' && n == 1 && i + 1 < f.n && f.p[i + 1] == 'o') {
			add_ordinal(b, l, c->day);
			i += 2;
		} else if (f.p[i] == 'd' && n < 3) {
			buf_printf(b, "%d", c->weekday);
			i += n;
		} else {
			if (!add_token(b, c, l, f.p[i], n))
				buf_add(b, f.p + i, n);
			i += n;
		}
	}
}

static bool
is_empty(const struct value *v)
{
	return !v || v->type == VALUE_NULL || (v->type == VALUE_STRING && str_trim(v->s).n == 0);
}

int
format_date(struct render *r, const struct helper_args *a, const struct value **out)
{
	struct moment m;
	int offset;
	const struct value *v = a->v[0], *f = a->v[1],
			   *zone = a->n > 2	    ? a->v[2]
				   : a->call->nhash ? a->hash[0]
						    : NULL;
	*out = NULL;
	if (is_empty(v))
		return 0;
	if (!parse_moment(r, v, &m)) {
		buf_reset(&r->scratch->print);
		print_value(&r->scratch->print, v);
		return render_fail(
		    r, a->at,
		    "formatDate: \"%.*s\" is no date; write 2026-03-29, 2026-03-29T14:30:00Z or seconds "
		    "since 1970",
		    STR_ARG(str_sub(buf_str(&r->scratch->print), 0, 40)));
	}
	if (!f || f->type != VALUE_STRING || f->s.n > MAX_FORMAT)
		return render_fail(r, a->at,
				   "formatDate: the format is a text like \"YYYY-MM-DD\" of at most %d bytes",
				   MAX_FORMAT);
	struct str name = zone && zone->type == VALUE_STRING ? zone->s : str_of(r->env->time_zone);
	if (offset_in(r, a->at, name, &m, &offset) < 0)
		return -1;
	struct civil c = civil_from_seconds(m.local ? m.seconds - offset : m.seconds, offset);
	buf_reset(&r->scratch->print);
	format_civil(&r->scratch->print, &c, locale_find(r->env->language), f->s);
	*out = temp_string(r->scratch->temp, buf_str(&r->scratch->print));
	return 0;
}
