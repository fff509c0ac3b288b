/* csv: see csv.h. */
#include "learn/csv.h"

#include <math.h>
#include <stdlib.h>

#include "learn/random.h"
#include "learn/set-private.h"
#include "recipient/rows.h"
#include "score/column.h"

#define PROGRESS_ROWS 1024
/* Longest text of a field that rows are ordered by. */
#define MAX_TIME 64

struct reading {
	const struct spec *spec;
	struct learn_set *set;
	struct score_columns *columns;
	struct buf x, y, w, part, number, time; /* of rows that are taken; time: struct moment */
	struct arena *row_arena;
	struct rows *rows;
	uint64_t random;
};

/* What a row is ordered by: numbers before texts. */
struct moment {
	bool number;
	double v;
	struct str text;
	size_t row;
};

static bool
look(void *ctx, struct str name, const struct value **v)
{
	*v = value_path(ctx, name);
	return *v != NULL;
}

static int
rule_is(const struct score_rule *rule, const struct value *profile)
{
	struct str missing;
	return score_rule_eval(rule, look, (void *)(uintptr_t)profile, &missing);
}

static double
field_number(const struct value *profile, struct str field)
{
	const struct value *v = value_path(profile, field);
	bool ok = false;
	double out = v ? value_number(v, &ok) : NAN;
	return ok ? out : NAN;
}

/* 1: y is the label; 0: there is none, leave the row out. */
static int
label_read(const struct spec *s, const struct value *profile, double *y, struct err *e)
{
	const struct value *v;
	if (s->label) {
		int truth = rule_is(s->label, profile);
		*y = truth;
		return truth >= 0;
	}
	v = value_path(profile, s->value);
	if (!v || v->type == VALUE_NULL)
		return 0;
	*y = field_number(profile, s->value);
	if (!isfinite(*y))
		return err_set(e, ERR_INPUT, "field \"%.*s\" is no number", STR_ARG(s->value));
	return 1;
}

static enum learn_part
part_of(struct reading *r, uint64_t index, const struct value *profile)
{
	const struct spec *s = r->spec;
	unsigned bucket = spec_bucket(index);
	double u = 1;
	bool test = false, valid = false;
	switch (s->split) {
	case SPEC_HASH:
		test = s->test_bucket[bucket];
		valid = s->valid_bucket[bucket];
		break;
	case SPEC_RANDOM:
		u = random_unit(&r->random);
		test = u < s->test_share;
		valid = u < s->test_share + s->valid_share;
		break;
	case SPEC_RULE:
		test = rule_is(s->test_rule, profile) == 1;
		valid = s->valid_rule && rule_is(s->valid_rule, profile) == 1;
		break;
	case SPEC_TIME:
		break; /* when all rows are known */
	}
	return test ? LEARN_TEST : valid ? LEARN_VALID : LEARN_TRAIN;
}

static int
moment_add(struct reading *r, const struct value *profile, struct err *e)
{
	const struct value *v = value_path(profile, r->spec->time);
	struct moment m = { .row = r->part.n };
	struct buf text = { 0 };
	if (!v || v->type == VALUE_NULL)
		return err_set(e, ERR_INPUT, "field \"%.*s\", the row's time, is missing",
			       STR_ARG(r->spec->time));
	m.v = field_number(profile, r->spec->time);
	m.number = !isnan(m.v);
	if (!m.number) {
		value_print(&text, v);
		m.text = arena_str(r->set->arena, str_cut(buf_str(&text), MAX_TIME));
		buf_free(&text);
	}
	buf_add(&r->time, &m, sizeof(m));
	return 0;
}

/* ---- what the header must have ---- */

struct needing {
	struct rows *rows;
	struct err *e;
};

static int
need(void *ctx, struct str name)
{
	struct needing *n = ctx;
	return rows_need(n->rows, name, n->e);
}

/* A name that no row can have is a slip of the pen: all of it would be missing, and nobody would know. */
static int
header_check(struct reading *r, struct err *e)
{
	const struct spec *s = r->spec;
	const struct score_rule *rules[] = { s->label, s->where, s->split == SPEC_RULE ? s->test_rule : NULL,
					     s->split == SPEC_RULE ? s->valid_rule : NULL };
	const struct str fields[] = { s->value, s->weight, s->split == SPEC_TIME ? s->time : STR_NULL };
	struct needing n = { r->rows, e };
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i] && score_rule_names(rules[i], need, &n) != 0)
			return -1;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].p && need(&n, fields[i]) != 0)
			return -1;
	return score_columns_profile_fields(r->columns, need, &n);
}

/* ---- rows ---- */

/* Takes a row, or leaves it out. */
static int
row_take(struct reading *r, uint64_t index, const struct value *profile, struct err *e)
{
	const struct spec *s = r->spec;
	const struct score_facts facts = { .profile = profile };
	size_t cols = score_columns_count(r->columns);
	double y = NAN, w = 1;
	/* Drawn for each row of the file, so that `where` does not change what falls where. */
	uint8_t part = (uint8_t)part_of(r, index, profile);
	if (s->where && rule_is(s->where, profile) != 1)
		return 0;
	int labelled = label_read(s, profile, &y, e);
	if (labelled <= 0) {
		r->set->skipped += labelled == 0 ? 1 : 0;
		return labelled;
	}
	if (s->weight.p) {
		w = field_number(profile, s->weight);
		if (!(w >= 0 && isfinite(w)))
			return err_set(e, ERR_INPUT, "field \"%.*s\", the weight, is no number from 0 on",
				       STR_ARG(s->weight));
		buf_add(&r->w, &w, sizeof(w));
	}
	if (r->part.n >= CSV_MAX_ROWS || (r->part.n + 1) * cols > CSV_MAX_CELLS)
		return err_set(e, ERR_LIMIT, "there are more than %zu rows or %zu cells", CSV_MAX_ROWS,
			       CSV_MAX_CELLS);
	if (s->split == SPEC_TIME && moment_add(r, profile, e) != 0)
		return -1;
	buf_reserve(&r->x, cols * sizeof(double));
	score_matrix(r->columns, &facts, 1, r->row_arena, (double *)(void *)(r->x.p + r->x.n));
	r->x.n += cols * sizeof(double);
	buf_add(&r->y, &y, sizeof(y));
	buf_add(&r->part, &part, 1);
	buf_add(&r->number, &index, sizeof(index));
	return 0;
}

static int
rows_read(struct reading *r, const struct csv_source *source, struct err *e)
{
	struct row row = { 0 };
	enum rows_result res;
	uint64_t index = 0;
	while ((res = rows_next(r->rows, r->row_arena, &row, e)) == ROWS_ROW) {
		if (row_take(r, index++, row.profile, e) != 0)
			break;
		arena_reset(r->row_arena);
		if (source->progress && index % PROGRESS_ROWS == 0)
			source->progress(source->ctx, rows_bytes(r->rows));
	}
	if (res == ROWS_END && r->part.n == 0)
		return err_set(e, ERR_INPUT, "no row has a label and is taken");
	if (res == ROWS_END)
		return 0;
	return res == ROWS_FATAL ? -1 : err_prefix(e, "line %llu", (unsigned long long)row.line);
}

/* ---- when all rows are known ---- */

static int
moment_compare(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;
	int c = 0;
	if (x->number != y->number)
		return x->number ? -1 : 1;
	if (x->number) {
		c = x->v < y->v ? -1 : x->v > y->v;
	} else {
		size_t n = x->text.n < y->text.n ? x->text.n : y->text.n;
		c = memcmp(x->text.p, y->text.p, n);
		c = c ? c : (x->text.n > n) - (y->text.n > n);
	}
	return c ? c : x->row < y->row ? -1 : x->row > y->row;
}

static void
split_by_time(struct reading *r)
{
	struct moment *m = (struct moment *)(void *)r->time.p;
	size_t n = r->part.n;
	size_t test = (size_t)(r->spec->test_share * (double)n);
	size_t valid = (size_t)(r->spec->valid_share * (double)n);
	qsort(m, n, sizeof(*m), moment_compare);
	for (size_t i = 0; i < n; i++)
		r->part.p[m[i].row] = (char)(i >= n - test	     ? LEARN_TEST
					     : i >= n - test - valid ? LEARN_VALID
								     : LEARN_TRAIN);
}

/* What was gathered becomes the set's. */
static void
set_fill(struct reading *r)
{
	struct learn_set *s = r->set;
	size_t cols = score_columns_count(r->columns);
	s->data = (struct learn_data){
		.rows = r->part.n,
		.cols = cols,
		.x = set_keep(s, &r->x),
		.y = set_keep(s, &r->y),
		.w = r->spec->weight.p ? set_keep(s, &r->w) : NULL,
		.categorical = set_categorical(s, r->columns),
	};
	s->part = set_keep(s, &r->part);
	s->row = set_keep(s, &r->number);
}

struct learn_set *
csv_read(const struct csv_source *source, const struct spec *spec, struct err *e)
{
	const struct rows_options options = { .format = ROWS_CSV, .read = source->read, .ctx = source->ctx };
	struct reading r = {
		.spec = spec, .set = set_new(), .row_arena = arena_new(65536), .random = spec->seed
	};
	int rc = score_columns_compile(r.set->arena, spec->columns, spec->ncolumns, &r.columns, e);
	r.rows = rows_new(&options);
	if (rc == 0)
		rc = header_check(&r, e);
	if (rc == 0)
		rc = rows_read(&r, source, e);
	if (rc == 0 && spec->split == SPEC_TIME)
		split_by_time(&r);
	if (rc == 0)
		rc = set_complete(r.set, &r.columns, (double *)(void *)r.x.p, (const uint8_t *)r.part.p,
				  r.part.n, e);
	if (rc == 0)
		set_fill(&r);
	else
		learn_set_free(&r.set);
	rows_free(&r.rows);
	arena_free(&r.row_arena);
	buf_free(&r.x);
	buf_free(&r.y);
	buf_free(&r.w);
	buf_free(&r.part);
	buf_free(&r.number);
	buf_free(&r.time);
	return r.set;
}
