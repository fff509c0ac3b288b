/*
 * dataset: see dataset.h. The log is walked twice: decisions, then what came of them, for an outcome can be
 * in the log before its decision, which waits in a queue of another database.
 */
#include "learn/dataset.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "learn/set-private.h"

#define NONE SIZE_MAX
#define PROGRESS_EVERY 8192

/* A decision while it is gathered. */
struct gathered {
	struct dataset_row row;
	uint64_t number;
	size_t x; /* index of its cells */
	uint8_t rk[STORE_KEY_LEN], copy[EVENT_COPY_LEN];
	int64_t outcomes; /* less what was taken back */
	size_t older;	  /* the recipient's decision before this; NONE */
};

struct gather {
	const struct dataset_request *rq;
	struct dataset *d;
	struct arena *details; /* of one event */
	struct buf rows, x;    /* struct gathered, doubles */
	size_t n;
	size_t *by_copy, *latest, mask; /* index + 1 of decisions, by hash; 0: empty */
	const char **words;
	size_t nwords, words_cap;
	char hash[SCORE_COLUMNS_HASH];
	uint64_t seen;
	bool full;
};

static struct gathered *
row_at(const struct gather *g, size_t i)
{
	return (struct gathered *)(void *)g->rows.p + i;
}

/* Campaigns and arms are few: each text once. */
static const char *
word_of(struct gather *g, struct str s)
{
	for (size_t i = 0; i < g->nwords; i++)
		if (str_eq(str_of(g->words[i]), s))
			return g->words[i];
	if (g->nwords == g->words_cap) {
		g->words_cap = g->words_cap > 0 ? 2 * g->words_cap : 16;
		g->words = realloc(g->words, g->words_cap * sizeof(*g->words));
		if (!g->words)
			abort();
	}
	return g->words[g->nwords++] = s.n > 0 ? arena_cstr(g->d->arena, s) : "";
}

static void
progress(struct gather *g, uint64_t number)
{
	if (g->rq->progress && g->seen++ % PROGRESS_EVERY == 0)
		g->rq->progress(g->rq->ctx, number);
}

/* ---- decisions ---- */

static bool
campaign_wanted(const struct dataset_request *rq, struct str campaign)
{
	for (size_t i = 0; i < rq->ncampaigns; i++)
		if (str_eq(str_of(rq->campaigns[i]), campaign))
			return true;
	return rq->ncampaigns == 0;
}

/* The cells; false: other columns were kept. */
static bool
cells_take(struct gather *g, const struct value *details)
{
	const struct value *list = value_map_get(value_map_get(details, STR("features")), str_of(g->hash));
	if (!g->rq->columns)
		return true;
	if (!list || list->type != VALUE_LIST || list->list.n != g->d->cols)
		return false;
	for (size_t k = 0; k < g->d->cols; k++) {
		bool ok;
		double v = value_number(list->list.items[k], &ok);
		v = ok ? v : NAN;
		buf_add(&g->x, &v, sizeof(v));
	}
	return true;
}

/* Where there was a choice, only what was written down of it will do. */
static double
propensity_of(const struct event *ev, const struct value *v)
{
	bool ok;
	double p = value_number(v, &ok);
	if (ok && v->type != VALUE_BOOL && p > 0 && p <= 1)
		return p;
	return !v && ev->arm.n == 0 ? 1 : NAN;
}

static void
decision_fill(struct gather *g, const struct event *ev, const struct value *details, struct gathered *out)
{
	const struct value *scores = value_map_get(details, STR("scores")), *score = NULL;
	struct str name;
	bool ok;
	uint8_t group[16];
	const struct str rk = { (const char *)ev->rk, sizeof(ev->rk) };
	if (value_map_count(scores) > 0)
		value_map_entry(scores, 0, &name, &score);
	out->row.at_ms = ev->at_ms;
	out->row.campaign = word_of(g, ev->campaign);
	out->row.arm = word_of(g, ev->arm);
	out->row.propensity = propensity_of(ev, value_map_get(details, STR("propensity")));
	out->row.score = value_number(score, &ok);
	if (!ok)
		out->row.score = NAN;
	keyed_id(g->rq->keys, "dataset", &rk, 1, group);
	memcpy(out->row.group, group, sizeof(out->row.group));
	memcpy(out->rk, ev->rk, sizeof(out->rk));
	memcpy(out->copy, ev->copy, sizeof(out->copy));
}

static bool
decision_take(void *ctx, const struct event_record *r)
{
	struct gather *g = ctx;
	const struct event *ev = &r->event;
	const struct value *details = NULL;
	struct gathered row = { .number = r->number, .x = g->n, .older = NONE };
	progress(g, r->number);
	if (!campaign_wanted(g->rq, ev->campaign) || (g->rq->until_ms != 0 && ev->at_ms >= g->rq->until_ms))
		return true;
	if (r->forgotten) {
		g->d->erased++;
		return true;
	}
	arena_reset(g->details);
	if (ev->details.n > 0 &&
	    json_parse(g->details, ev->details, &(struct json_limits){ .max_bytes = EVENT_MAX_DETAILS },
		       &details, NULL) != 0) {
		g->d->damaged++;
		return true;
	}
	if (!cells_take(g, details)) {
		g->d->other_columns++;
		return true;
	}
	decision_fill(g, ev, details, &row);
	buf_add(&g->rows, &row, sizeof(row));
	g->n++;
	g->full = g->n * (g->d->cols + 1) > DATASET_MAX_CELLS;
	return !g->full;
}

/* ---- finding decisions again ---- */

static uint64_t
bytes_hash(uint64_t h, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

/* The slot of a recipient's copy, or (copy NULL) of his latest decision. */
static size_t *
slot_of(const struct gather *g, const uint8_t *rk, const uint8_t *copy)
{
	size_t *table = copy ? g->by_copy : g->latest;
	uint64_t h = bytes_hash(UINT64_C(0xcbf29ce484222325), rk, STORE_KEY_LEN);
	if (copy)
		h = bytes_hash(h, copy, EVENT_COPY_LEN);
	for (size_t i = h & g->mask;; i = (i + 1) & g->mask) {
		const struct gathered *r = table[i] ? row_at(g, table[i] - 1) : NULL;
		if (!r || (memcmp(r->rk, rk, STORE_KEY_LEN) == 0 &&
			   (!copy || memcmp(r->copy, copy, EVENT_COPY_LEN) == 0)))
			return &table[i];
	}
}

static int
gathered_cmp(const void *a, const void *b)
{
	const struct gathered *x = a, *y = b;
	if (x->row.at_ms != y->row.at_ms)
		return x->row.at_ms < y->row.at_ms ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static void
decisions_index(struct gather *g)
{
	size_t size = 64;
	while (size < 2 * g->n)
		size *= 2;
	g->mask = size - 1;
	g->by_copy = calloc(size, sizeof(*g->by_copy));
	g->latest = calloc(size, sizeof(*g->latest));
	if (!g->by_copy || !g->latest)
		abort();
	if (g->n > 0)
		qsort(g->rows.p, g->n, sizeof(struct gathered), gathered_cmp);
	for (size_t i = 0; i < g->n; i++) {
		struct gathered *r = row_at(g, i);
		size_t *slot = slot_of(g, r->rk, NULL);
		r->older = *slot ? *slot - 1 : NONE;
		*slot = i + 1;
		*slot_of(g, r->rk, r->copy) = i + 1;
	}
}

/* ---- outcomes ---- */

static const uint8_t no_copy[EVENT_COPY_LEN];

/* The decision that an event came of; NULL: none of ours, or too late for it. */
static struct gathered *
decision_of(const struct gather *g, const struct event *ev, int64_t window_ms)
{
	bool has_copy = memcmp(ev->copy, no_copy, sizeof(no_copy)) != 0;
	size_t i = *slot_of(g, ev->rk, has_copy ? ev->copy : NULL);
	struct gathered *r = i > 0 ? row_at(g, i - 1) : NULL;
	while (r && !has_copy && r->row.at_ms > ev->at_ms)
		r = r->older != NONE ? row_at(g, r->older) : NULL;
	/* An event may be told by a clock that is a little behind the one that decided. */
	bool late = r && ev->at_ms - r->row.at_ms > window_ms;
	return late ? NULL : r;
}

static bool
outcome_take(void *ctx, const struct event_record *r)
{
	struct gather *g = ctx;
	const struct event *ev = &r->event;
	enum event_type back = ev->link == EVENT_NO_LINK ? EVENT_OPENED : EVENT_CLICKED;
	struct gathered *row;
	progress(g, r->number);
	if (r->forgotten)
		return true;
	if (ev->type == EVENT_RECLASSIFIED) {
		row = g->rq->outcomes & EVENT_BIT(back)
			  ? decision_of(g, ev, g->rq->window_ms + EVENT_RECLASSIFY_MS)
			  : NULL;
		if (row && row->outcomes > 0)
			row->outcomes--;
		return true;
	}
	if (!event_by_person(ev->class))
		return true;
	if (g->rq->own_copy && memcmp(ev->copy, no_copy, sizeof(no_copy)) == 0)
		return true;
	row = decision_of(g, ev, g->rq->window_ms);
	if (row) {
		row->outcomes++;
		row->row.value += (double)ev->value_micros / 1e6;
	}
	return true;
}

/* ---- the whole ---- */

/* What is old enough, in the order of time. */
static void
dataset_fill(struct gather *g)
{
	struct dataset *d = g->d;
	const double *x = (const double *)(const void *)g->x.p;
	d->rows = ARENA_ARRAY(d->arena, struct dataset_row, g->n);
	d->x = ARENA_ARRAY(d->arena, double, g->n * d->cols);
	for (size_t i = 0; i < g->n; i++) {
		struct gathered *r = row_at(g, i);
		bool young = r->row.at_ms + g->rq->window_ms > g->rq->now_ms;
		r->row.outcome = r->outcomes > 0;
		if (young && !(g->rq->early && r->row.outcome)) {
			d->young++;
			continue;
		}
		if (d->cols > 0)
			memcpy(d->x + d->n * d->cols, x + r->x * d->cols, d->cols * sizeof(*x));
		d->rows[d->n++] = r->row;
	}
}

static int
log_walk(struct store *s, struct gather *g, struct err *e)
{
	const struct dataset_request *rq = g->rq;
	struct event_filter f = { .since_ms = rq->since_ms, .types = EVENT_BIT(EVENT_INJECTED) };
	uint64_t skipped = 0;
	if (event_each(s, &f, decision_take, g, NULL, &skipped, e) != 0)
		return -1;
	if (g->full)
		return err_set(e, ERR_LIMIT,
			       "the decisions have more than %zu cells; take fewer columns or a shorter time",
			       DATASET_MAX_CELLS);
	g->d->damaged += skipped;
	decisions_index(g);
	f.types = rq->outcomes | EVENT_BIT(EVENT_RECLASSIFIED);
	return event_each(s, &f, outcome_take, g, NULL, NULL, e);
}

struct dataset *
dataset_read(struct store *s, const struct dataset_request *rq, struct err *e)
{
	struct arena *a = arena_new(65536);
	struct dataset *d = ARENA_NEW(a, struct dataset);
	struct gather g = { .rq = rq, .d = d, .details = arena_new(65536) };
	d->arena = a;
	d->columns = rq->columns;
	if (rq->columns) {
		d->cols = score_columns_count(rq->columns);
		score_columns_hash(rq->columns, g.hash);
	}
	int rc = log_walk(s, &g, e);
	if (rc == 0)
		dataset_fill(&g);
	else
		dataset_free(&d);
	arena_free(&g.details);
	buf_free(&g.rows);
	buf_free(&g.x);
	free(g.by_copy);
	free(g.latest);
	free(g.words);
	return d;
}

void
dataset_free(struct dataset **d)
{
	struct arena *a = *d ? (*d)->arena : NULL;
	arena_free(&a);
	*d = NULL;
}

/* ---- for trainers ---- */

/* The first row of the last `share` of n; rows of the same moment stay before it. */
static size_t
cut_at(const struct dataset *d, size_t n, double share)
{
	size_t at = n - (size_t)(share * (double)n + 0.5);
	while (at > 0 && at < n && d->rows[at].at_ms == d->rows[at - 1].at_ms)
		at++;
	return at;
}

/* All columns but those that read the arm, and their cells. */
static int
cells_pick(const struct dataset *d, struct arena *a, struct score_columns **columns, double **x,
	   struct err *e)
{
	const char **texts = ARENA_ARRAY(a, const char *, d->cols);
	size_t *from = ARENA_ARRAY(a, size_t, d->cols), cols = 0;
	for (size_t k = 0; k < d->cols; k++) {
		if (score_column_reads_arm(d->columns, k))
			continue;
		texts[cols] = score_columns_texts(d->columns)[k];
		from[cols++] = k;
	}
	if (score_columns_compile(a, texts, cols, columns, e) != 0)
		return -1;
	*x = ARENA_ARRAY(a, double, d->n *cols);
	for (size_t i = 0; i < d->n; i++)
		for (size_t k = 0; k < cols; k++)
			(*x)[i * cols + k] = d->x[i * d->cols + from[k]];
	return 0;
}

struct learn_set *
dataset_set(const struct dataset *d, double valid, double test, bool values, struct err *e)
{
	if (d->n == 0) {
		err_set(e, ERR_INPUT,
			"no decision can be learned from: %llu are too young, %llu were kept with other "
			"columns",
			(unsigned long long)d->young, (unsigned long long)d->other_columns);
		return NULL;
	}
	struct learn_set *s = set_new();
	struct score_columns *columns = NULL;
	double *y = ARENA_ARRAY(s->arena, double, d->n), *x = NULL;
	uint8_t *part = ARENA_ARRAY(s->arena, uint8_t, d->n);
	if (d->columns && cells_pick(d, s->arena, &columns, &x, e) != 0) {
		learn_set_free(&s);
		return NULL;
	}
	size_t first_test = cut_at(d, d->n, test);
	size_t first_valid = cut_at(d, first_test, valid * (double)d->n / (double)(first_test + !first_test));
	for (size_t i = 0; i < d->n; i++) {
		y[i] = values ? d->rows[i].value : d->rows[i].outcome;
		part[i] = i >= first_test ? LEARN_TEST : i >= first_valid ? LEARN_VALID : LEARN_TRAIN;
	}
	s->part = part;
	if (columns && set_complete(s, &columns, x, part, d->n, e) != 0) {
		learn_set_free(&s);
		return NULL;
	}
	s->data = (struct learn_data){ .rows = d->n,
				       .cols = columns ? score_columns_count(columns) : 0,
				       .x = x,
				       .y = y,
				       .categorical = columns ? set_categorical(s, columns) : NULL };
	return s;
}

/* ---- CSV ---- */

/* RFC 4180; line breaks cannot be in it. */
static void
csv_text(struct buf *b, const char *s)
{
	if (!strpbrk(s, "\",\r\n")) {
		buf_adds(b, str_of(s));
		return;
	}
	buf_addc(b, '"');
	for (; *s; s++)
		buf_adds(b, *s == '"' ? STR("\"\"") : str_make(s, 1));
	buf_addc(b, '"');
}

static void
csv_number(struct buf *b, double v)
{
	buf_addc(b, ',');
	if (!isnan(v))
		value_print(b, &(struct value){ .type = VALUE_REAL, .r = v });
}

void
dataset_csv_head(const struct dataset *d, struct buf *out)
{
	buf_adds(out, STR("at,campaign,arm,propensity,group,outcome,value,score"));
	for (size_t k = 0; k < d->cols; k++) {
		buf_addc(out, ',');
		csv_text(out, score_columns_texts(d->columns)[k]);
	}
	buf_addc(out, '\n');
}

void
dataset_csv_row(const struct dataset *d, size_t i, struct buf *out)
{
	const struct dataset_row *r = &d->rows[i];
	char at[40];
	buf_adds(out, str_of(clock_format_rfc3339(r->at_ms, at)));
	buf_addc(out, ',');
	csv_text(out, r->campaign);
	buf_addc(out, ',');
	csv_text(out, r->arm);
	csv_number(out, r->propensity);
	buf_addc(out, ',');
	for (size_t k = 0; k < sizeof(r->group); k++)
		buf_printf(out, "%02x", r->group[k]);
	csv_number(out, r->outcome);
	csv_number(out, r->value);
	csv_number(out, r->score);
	for (size_t k = 0; k < d->cols; k++)
		csv_number(out, d->x[i * d->cols + k]);
	buf_addc(out, '\n');
}
