/*
 * row: feature rows by name (see score.h). Each name is taken apart once for all rows.
 */
#include <math.h>

#include "base/buf.h"
#include "score/score.h"

enum source { FROM_CLOCK, FROM_PROFILE, FROM_MESSAGE, FROM_EITHER };

/* A name, taken apart. */
struct feature {
	enum source source;
	struct str path;
	size_t hand; /* FROM_CLOCK: which of clock_names */
	bool one_hot;
	struct str text; /* NAME=TEXT */
};

struct matrix_state {
	const struct score_facts *facts;
	size_t nrows;
	struct arena *a;
	struct score_time *local; /* of each row; NULL: nobody asked yet */
	struct buf text;	  /* printed values for one-hot features */
};

#define HANDS 5
static const char *const clock_names[HANDS] = { "hour", "minute", "weekday", "day", "month" };

static size_t
hand_find(struct str name)
{
	size_t i = 0;
	while (i < HANDS && !str_eq(name, str_of(clock_names[i])))
		i++;
	return i;
}

static void
feature_parse(struct str s, struct feature *f)
{
	size_t eq = str_find_char(s, '=');
	struct str name = str_sub(s, 0, eq);
	*f = (struct feature){
		.source = FROM_EITHER, .path = name, .hand = hand_find(name), .one_hot = eq < s.n
	};
	if (f->one_hot)
		f->text = str_sub(s, eq + 1, s.n);
	if (f->hand < HANDS) {
		f->source = FROM_CLOCK;
	} else if (str_starts(name, STR("profile."))) {
		f->source = FROM_PROFILE;
		f->path = str_sub(name, 8, name.n);
	} else if (str_starts(name, STR("message."))) {
		f->source = FROM_MESSAGE;
		f->path = str_sub(name, 8, name.n);
	}
}

static int64_t
clock_field(struct matrix_state *st, size_t row, size_t hand)
{
	if (!st->local) {
		st->local = ARENA_ARRAY(st->a, struct score_time, st->nrows);
		for (size_t i = 0; i < st->nrows; i++)
			score_local_time(st->facts[i].now_ms, st->facts[i].time_zone, &st->local[i]);
	}
	const struct score_time *t = &st->local[row];
	return (const int[HANDS]){ t->hour, t->minute, t->weekday, t->day, t->month }[hand];
}

static const struct value *
field_find(const struct score_facts *f, const struct feature *ft)
{
	const struct value *v = NULL;
	if (ft->source != FROM_PROFILE)
		v = value_path(f->message, ft->path);
	if (ft->source == FROM_PROFILE || (ft->source == FROM_EITHER && (!v || v->type == VALUE_NULL)))
		v = value_path(f->profile, ft->path);
	return v;
}

static double
cell(struct matrix_state *st, size_t row, const struct feature *ft)
{
	struct value shown;
	const struct value *v;
	bool ok;
	if (ft->source == FROM_CLOCK) {
		shown = (struct value){ .type = VALUE_INT, .i = clock_field(st, row, ft->hand) };
		v = &shown;
	} else {
		v = field_find(&st->facts[row], ft);
	}
	if (!v || v->type == VALUE_NULL)
		return NAN;
	if (ft->one_hot) {
		buf_reset(&st->text);
		value_print(&st->text, v);
		return str_eq(buf_str(&st->text), ft->text) ? 1.0 : 0.0;
	}
	double out = value_number(v, &ok);
	return ok && isfinite(out) ? out : NAN;
}

void
score_matrix(const struct score_facts *facts, size_t nrows, const char *const *names, size_t n,
	     struct arena *a, double *rows)
{
	struct matrix_state st = { .facts = facts, .nrows = nrows, .a = a };
	struct feature ft;
	for (size_t k = 0; k < n; k++) {
		feature_parse(str_of(names[k]), &ft);
		for (size_t i = 0; i < nrows; i++)
			rows[i * n + k] = cell(&st, i, &ft);
	}
	buf_free(&st.text);
}
