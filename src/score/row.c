/*
 * row: one feature row by name (see score.h).
 */
#include <math.h>

#include "base/buf.h"
#include "score/score.h"

struct row_state {
	const struct score_facts *facts;
	struct score_time local;
	bool have_local;
	struct buf text; /* printed values for one-hot features */
};

static const struct score_time *
row_local(struct row_state *st)
{
	if (!st->have_local) {
		score_local_time(st->facts->now_ms, st->facts->time_zone, &st->local);
		st->have_local = true;
	}
	return &st->local;
}

static bool
row_clock(struct row_state *st, struct str name, double *out)
{
	const struct score_time *t;
	if (str_eq(name, STR("hour"))) {
		t = row_local(st);
		*out = t->hour;
	} else if (str_eq(name, STR("minute"))) {
		t = row_local(st);
		*out = t->minute;
	} else if (str_eq(name, STR("weekday"))) {
		t = row_local(st);
		*out = t->weekday;
	} else if (str_eq(name, STR("day"))) {
		t = row_local(st);
		*out = t->day;
	} else if (str_eq(name, STR("month"))) {
		t = row_local(st);
		*out = t->month;
	} else {
		return false;
	}
	return true;
}

static const struct value *
row_field(const struct score_facts *f, struct str name)
{
	if (str_starts(name, STR("profile.")))
		return value_path(f->profile, str_sub(name, 8, name.n));
	if (str_starts(name, STR("message.")))
		return value_path(f->message, str_sub(name, 8, name.n));
	const struct value *v = value_path(f->message, name);
	if (v && v->type != VALUE_NULL)
		return v;
	return value_path(f->profile, name);
}

/* One-hot: NAME=TEXT. */
static double
row_equals(struct row_state *st, const struct value *v, struct str text)
{
	buf_reset(&st->text);
	value_print(&st->text, v);
	return str_eq(buf_str(&st->text), text) ? 1.0 : 0.0;
}

static double
row_feature(struct row_state *st, struct str feature)
{
	double out;
	bool ok;
	size_t eq = str_find_char(feature, '=');
	struct str name = str_sub(feature, 0, eq);
	if (row_clock(st, name, &out)) {
		struct value v = { .type = VALUE_INT, .i = (int64_t)out };
		return eq < feature.n ? row_equals(st, &v, str_sub(feature, eq + 1, feature.n)) : out;
	}

	const struct value *v = row_field(st->facts, name);
	if (!v || v->type == VALUE_NULL)
		return NAN;
	if (eq < feature.n)
		return row_equals(st, v, str_sub(feature, eq + 1, feature.n));
	out = value_number(v, &ok);
	return ok && isfinite(out) ? out : NAN;
}

void
score_row(const struct score_facts *f, const char *const *names, size_t n, double *row)
{
	struct row_state st = { .facts = f };
	for (size_t i = 0; i < n; i++)
		row[i] = row_feature(&st, str_of(names[i]));
	buf_free(&st.text);
}
