/* row: compiled columns and what is known of recipients → matrices of doubles (see column.h). */
#include <math.h>

#include "base/buf.h"
#include "score/column-private.h"
#include "score/score.h"

#define DAY_MS INT64_C(86400000)
#define MICROS 1e6
#define JOINT '\x1f' /* between the two texts of a cross: the unit separator of ASCII */

struct matrix_state {
	const struct score_facts *facts;
	size_t nrows;
	struct arena *a;
	struct score_time *local; /* of each row; NULL: nobody asked yet */
	struct buf text;	  /* printed values */
};

/* What goes through a column's steps: one of the three, or missing. */
struct cell {
	enum { CELL_MISSING, CELL_NUMBER, CELL_VALUE, CELL_TEXT } is;
	double number;
	const struct value *value;
	struct str text;
};

static struct cell
cell_number(double d)
{
	return isfinite(d) ? (struct cell){ .is = CELL_NUMBER, .number = d }
			   : (struct cell){ .is = CELL_MISSING };
}

static struct cell
cell_value(const struct value *v)
{
	return v && v->type != VALUE_NULL ? (struct cell){ .is = CELL_VALUE, .value = v }
					  : (struct cell){ .is = CELL_MISSING };
}

static struct cell
cell_text(struct str s)
{
	return s.n > 0 ? (struct cell){ .is = CELL_TEXT, .text = s } : (struct cell){ .is = CELL_MISSING };
}

/* NAN: none. */
static double
number_of(const struct cell *c)
{
	bool ok = false;
	double d = c->number;
	const struct value text = { .type = VALUE_STRING, .s = c->text };
	if (c->is == CELL_NUMBER)
		return d;
	if (c->is != CELL_MISSING)
		d = value_number(c->is == CELL_TEXT ? &text : c->value, &ok);
	return ok && isfinite(d) ? d : NAN;
}

/* As a template prints it; c is not missing. Lives until the next call with b. */
static struct str
text_of(struct buf *b, const struct cell *c)
{
	const struct value number = { .type = VALUE_REAL, .r = c->number };
	if (c->is == CELL_TEXT)
		return c->text;
	buf_reset(b);
	value_print(b, c->is == CELL_NUMBER ? &number : c->value);
	return buf_str(b);
}

/* ---- sources ---- */

static double
clock_field(struct matrix_state *st, size_t row, enum column_hand hand)
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
field_find(const struct score_facts *f, const struct column *c)
{
	const struct value *v = NULL;
	if (c->source != FROM_PROFILE)
		v = value_path(f->message, c->path);
	if (c->source == FROM_PROFILE || (c->source == FROM_EITHER && (!v || v->type == VALUE_NULL)))
		v = value_path(f->profile, c->path);
	return v;
}

static int64_t
day_of(int64_t ms)
{
	return ms >= 0 ? ms / DAY_MS : -((-ms + DAY_MS - 1) / DAY_MS);
}

/* Over the days of one kind and category: how many, what value, which was the last. */
static void
days_gather(const struct score_facts *f, const struct column *c, double *count, double *micros, int64_t *last)
{
	int64_t today = day_of(f->now_ms);
	int days = c->measure == MEASURE_RECENCY ? 91 : c->days;
	struct str category = c->own_category ? f->category : c->category;
	*count = *micros = 0;
	*last = INT64_MIN;
	for (size_t i = 0; i < f->events->ndays; i++) {
		const struct score_day *d = &f->events->days[i];
		if (d->kind != c->kind || d->day > today || d->day <= today - days ||
		    (c->category.n > 0 && !str_eq(d->category, category)))
			continue;
		/* Doubles do not overflow, whatever a shop reports; up to 2^53 they are exact. */
		*count += (double)d->count;
		*micros += (double)d->micros;
		*last = d->day > *last ? d->day : *last;
	}
}

static double
events_field(const struct score_facts *f, const struct column *c)
{
	double count, micros;
	int64_t last, last_ms;
	if (!f->events)
		return NAN;
	if (c->measure == MEASURE_SINCE_CLICK)
		return (double)f->events->sent_since_click;
	if (c->measure == MEASURE_COUNT && c->days == 0)
		return (double)f->events->count[c->kind];
	if (c->measure == MEASURE_RECENCY && c->category.n == 0) {
		last_ms = f->events->last_ms[c->kind];
		/* A clock that went back makes nobody's event come. */
		return last_ms == 0	     ? NAN
		       : last_ms > f->now_ms ? 0
					     : (double)(f->now_ms - last_ms) / (double)DAY_MS;
	}
	days_gather(f, c, &count, &micros, &last);
	if (c->measure == MEASURE_RECENCY)
		return last == INT64_MIN ? NAN : (double)(day_of(f->now_ms) - last);
	return c->measure == MEASURE_COUNT ? count : micros / MICROS;
}

static struct cell column_cell(struct matrix_state *st, size_t row, const struct column *c, size_t nsteps);

static struct cell
cross_cell(struct matrix_state *st, size_t row, const struct column *c)
{
	struct cell left = column_cell(st, row, c->left, c->left->nsteps);
	struct cell right = column_cell(st, row, c->right, c->right->nsteps);
	if (c->source == FROM_PRODUCT)
		return cell_number(number_of(&left) * number_of(&right));
	if (left.is == CELL_MISSING || right.is == CELL_MISSING)
		return (struct cell){ .is = CELL_MISSING };
	struct str l = arena_str(st->a, text_of(&st->text, &left)), r = text_of(&st->text, &right);
	char *both = arena_alloc(st->a, l.n + r.n + 1);
	memcpy(both, l.p, l.n);
	both[l.n] = JOINT;
	if (r.n > 0)
		memcpy(both + l.n + 1, r.p, r.n);
	return cell_text(str_make(both, l.n + r.n + 1));
}

static struct cell
source_cell(struct matrix_state *st, size_t row, const struct column *c)
{
	const struct score_facts *f = &st->facts[row];
	switch (c->source) {
	case FROM_CLOCK:
		return cell_number(clock_field(st, row, c->hand));
	case FROM_DECISION:
		return cell_text(c->fact == FACT_CAMPAIGN   ? f->campaign
				 : c->fact == FACT_CATEGORY ? f->category
							    : f->arm);
	case FROM_EVENTS:
		return cell_number(events_field(f, c));
	case FROM_JOIN:
	case FROM_PRODUCT:
		return cross_cell(st, row, c);
	default:
		return cell_value(field_find(f, c));
	}
}

/* ---- steps ---- */

/* FNV-1a, then the finalizer of MurmurHash3, for the low bits of FNV know little of the text's end. */
static uint64_t
text_hash(struct str s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ (h >> 33);
}

static double
number_step(const struct column_step *s, double v)
{
	const double *x = s->numbers;
	size_t i = 0;
	switch (s->op) {
	case OP_ADD:
		return v + x[0];
	case OP_MUL:
		return v * x[0];
	case OP_DIV:
		return v / x[0];
	case OP_LOG:
		return v > 0 ? log(v) : NAN;
	case OP_LOG1P:
		return v > -1 ? log1p(v) : NAN;
	case OP_CLIP:
		return v < x[0] ? x[0] : v > x[1] ? x[1] : v;
	case OP_EQ:
		return v == x[0] ? 1 : 0;
	case OP_BIN:
		while (i < s->n && x[i] <= v)
			i++;
		return (double)i;
	default:
		return v;
	}
}

static double
text_step(const struct column_step *s, struct str text)
{
	size_t i = 0;
	if (s->op == OP_HASH)
		return (double)(text_hash(text) % (uint64_t)s->numbers[0]);
	while (i < s->n && !str_eq(s->words[i], text))
		i++;
	return s->op == OP_CODE ? (double)i : i < s->n ? 1 : 0;
}

static struct cell
step_cell(struct buf *text, const struct column_step *s, const struct cell *c)
{
	double v;
	switch (s->op) {
	case OP_IS_MISSING:
		return cell_number(c->is == CELL_MISSING ? 1 : 0);
	case OP_MISSING:
		v = number_of(c);
		return cell_number(isnan(v) ? s->numbers[0] : v);
	case OP_IS:
	case OP_CODE:
	case OP_HASH:
		if (c->is == CELL_MISSING)
			return *c;
		return cell_number(text_step(s, text_of(text, c)));
	default:
		v = number_of(c);
		/* NAN compares false with every edge: no bin, and no bound of a clip. */
		return cell_number(isnan(v) ? v : number_step(s, v));
	}
}

static struct cell
column_cell(struct matrix_state *st, size_t row, const struct column *c, size_t nsteps)
{
	struct cell cell = source_cell(st, row, c);
	if (c->one_hot && cell.is != CELL_MISSING)
		cell = cell_number(str_eq(text_of(&st->text, &cell), c->text) ? 1 : 0);
	for (size_t i = 0; i < nsteps; i++)
		cell = step_cell(&st->text, &c->steps[i], &cell);
	return cell;
}

void
score_matrix(const struct score_columns *c, const struct score_facts *facts, size_t nrows, struct arena *a,
	     double *rows)
{
	struct matrix_state st = { .facts = facts, .nrows = nrows, .a = a };
	for (size_t k = 0; k < c->n; k++)
		for (size_t i = 0; i < nrows; i++) {
			struct cell cell = column_cell(&st, i, c->columns[k], c->columns[k]->open);
			/* Adding 0 makes a negative zero a plain one. */
			rows[i * c->n + k] = number_of(&cell) + 0.0;
		}
	buf_free(&st.text);
}

double
score_column_finish(const struct score_columns *c, size_t k, const struct score_columns *to, size_t j,
		    double v)
{
	const struct column *col = to->columns[j];
	struct buf text = { 0 };
	struct cell cell = cell_number(v);
	for (size_t i = c->columns[k]->open; i < col->open; i++)
		cell = step_cell(&text, &col->steps[i], &cell);
	buf_free(&text);
	return number_of(&cell) + 0.0;
}

/* ---- behaviour ---- */

const struct score_behaviour *
score_behaviour_copy(struct arena *a, const struct score_behaviour *b)
{
	if (!b)
		return NULL;
	struct score_behaviour *out = ARENA_NEW(a, struct score_behaviour);
	struct score_day *days = ARENA_ARRAY(a, struct score_day, b->ndays);
	*out = *b;
	for (size_t i = 0; i < b->ndays; i++) {
		days[i] = b->days[i];
		days[i].category = arena_str(a, days[i].category);
	}
	out->days = days;
	return out;
}
