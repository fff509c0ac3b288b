/* test-gbdt: boosted trees: splits against all there are, what is missing, what is a category, early stop. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "learn/gbdt.h"
#include "learn/random.h"
#include "score/gbdt.h"

static const char *const names[] = { "a", "b", "c", "d", "e", "f" };
#define MAX_COLS 6
#define MAX_ROWS 2000

struct data {
	double x[MAX_ROWS * MAX_COLS], y[MAX_ROWS], w[MAX_ROWS];
	uint8_t categorical[MAX_COLS];
	struct learn_data d;
};

/* Some columns of few values, some of many, all with holes; labels that hang on the first two. */
static struct data *
data_make(size_t rows, size_t cols, bool binary, uint64_t seed)
{
	struct data *t = calloc(1, sizeof(*t));
	t->d = (struct learn_data){ .rows = rows, .cols = cols, .x = t->x, .y = t->y };
	for (size_t i = 0; i < rows; i++) {
		double *x = t->x + i * cols;
		for (size_t k = 0; k < cols; k++) {
			x[k] = k % 2 ? (double)random_below(&seed, 7) : random_unit(&seed) * 4 - 2;
			if (random_below(&seed, 5) == 0)
				x[k] = NAN;
		}
		double z = (isnan(x[0]) ? 1 : x[0]) + (isnan(x[1]) || x[1] == 3 ? 1 : -.3 * x[1]);
		t->y[i] = binary ? random_unit(&seed) < 1 / (1 + exp(-z)) : z + random_unit(&seed);
		t->w[i] = (double)(1 + random_below(&seed, 3));
	}
	return t;
}

static struct model *
train(const struct data *t, const struct learn_gbdt *o, struct learn_gbdt_fit *fit)
{
	struct err e = { 0 };
	struct model *m = learn_gbdt(&t->d, &(struct learn_names){ "s", names }, o, NULL, fit, &e);
	if (!m)
		fail_msg("%s", e.text);
	return m;
}

static const struct gbdt_state *
trees(const struct model *m)
{
	return m->state;
}

static struct buf
bytes_of(const struct model *m)
{
	struct buf b = { 0 };
	model_print(m, &b);
	return b;
}

static bool
same(const struct model *a, const struct model *b)
{
	struct buf x = bytes_of(a), y = bytes_of(b);
	bool same = str_eq(buf_str(&x), buf_str(&y));
	buf_free(&x);
	buf_free(&y);
	return same;
}

/* ---- splits against all there are ---- */

/* A way to split: a cell goes left. */
struct way {
	size_t column;
	double threshold;
	uint32_t codes; /* bits; used when the column is categorical */
	bool missing;
};

static bool
goes_left(const struct data *t, const struct way *s, size_t row)
{
	double x = t->x[row * t->d.cols + s->column];
	if (isnan(x))
		return s->missing;
	return t->categorical[s->column] ? s->codes >> (int)x & 1 : x <= s->threshold;
}

/* What it gains, for the first tree; 0: it is not allowed. */
static double
gain(const struct data *t, const struct learn_gbdt *o, const struct way *s)
{
	double g[2] = { 0 }, h[2] = { 0 }, mean = 0, weight = 0;
	size_t n[2] = { 0 };
	for (size_t i = 0; i < t->d.rows; i++) {
		mean += (t->d.w ? t->w[i] : 1) * t->y[i];
		weight += t->d.w ? t->w[i] : 1;
	}
	mean /= weight;
	for (size_t i = 0; i < t->d.rows; i++) {
		bool left = goes_left(t, s, i);
		double w = t->d.w ? t->w[i] : 1;
		g[left] += w * (mean - t->y[i]);
		h[left] += w * (o->link == MODEL_LOGIT ? mean * (1 - mean) : 1);
		n[left]++;
	}
	if (n[0] < o->min_rows || n[1] < o->min_rows)
		return 0;
	double whole = (g[0] + g[1]) * (g[0] + g[1]) / (h[0] + h[1] + o->l2);
	return g[0] * g[0] / (h[0] + o->l2) + g[1] * g[1] / (h[1] + o->l2) - whole;
}

static double
best_gain(const struct data *t, const struct learn_gbdt *o)
{
	double best = 0;
	for (size_t k = 0; k < t->d.cols; k++) {
		/* Any value may be the threshold; of codes there are seven. */
		size_t ways = t->categorical[k] ? 128 : t->d.rows;
		for (size_t i = 0; i < 2 * ways; i++) {
			struct way s = { .column = k, .missing = i % 2 };
			s.threshold = t->categorical[k] ? 0 : t->x[i / 2 * t->d.cols + k];
			s.codes = (uint32_t)(i / 2);
			if (!t->categorical[k] && isnan(s.threshold))
				s.threshold = 1e300;
			double here = gain(t, o, &s);
			best = here > best ? here : best;
		}
	}
	return best;
}

static void
best_split(void **state)
{
	struct learn_gbdt o = learn_gbdt_defaults();
	(void)state;
	o.trees = 1;
	o.leaves = 2;
	o.category_smooth = 0;
	o.category_rows = 1;
	for (uint64_t seed = 0; seed < 120; seed++) {
		o.link = seed % 2 ? MODEL_LOGIT : MODEL_IDENTITY;
		struct data *t = data_make(20 + seed, 1 + seed % 6, seed % 2, seed);
		t->d.w = seed % 3 ? t->w : NULL;
		t->d.categorical = t->categorical;
		for (size_t k = 1; k < t->d.cols; k += 2)
			t->categorical[k] = seed / 4 % 2;
		o.min_rows = 1 + seed % 7;
		o.l2 = seed % 5 == 0 && !t->categorical[1] ? 1 : 0;
		struct model *m = train(t, &o, NULL);
		double want = best_gain(t, &o), got = 0;
		for (size_t k = 0; k < t->d.cols; k++)
			got += trees(m)->gain[k];
		if (fabs(want - got) > 1e-6 * (want + 1e-3))
			fail_msg("seed %d: the best split gains %.9g, this one %.9g", (int)seed, want, got);
		model_free(&m);
		free(t);
	}
}

/* ---- scores ---- */

static double
margin(const struct model *m, const double *row)
{
	void *scratch = malloc(model_scratch(m, 1));
	double z = NAN;
	model_margins(m, row, 1, scratch, &z);
	free(scratch);
	return z;
}

/* What training thought of each row is what the model says: in a batch, alone, and out of a file. */
static void
scores_agree(void **state)
{
	struct learn_gbdt o = learn_gbdt_defaults();
	static double z[MAX_ROWS], margins[MAX_ROWS];
	(void)state;
	o.min_rows = 5;
	for (uint64_t seed = 0; seed < 6; seed++) {
		struct data *t = data_make(MAX_ROWS, MAX_COLS, seed % 2, seed);
		struct learn_gbdt_fit fit = { .margins = margins };
		struct err e = { 0 };
		t->d.categorical = t->categorical;
		t->categorical[1] = seed < 4;
		o.link = seed % 2 ? MODEL_LOGIT : MODEL_IDENTITY;
		o.trees = 20 + seed; /* none is left over by the ones walked side by side, or some are */
		o.rows = seed % 3 == 1 ? .5 : 1;
		o.columns = seed % 3 == 2 ? .5 : 1;
		struct model *m = train(t, &o, &fit);
		assert_int_equal(fit.trees, o.trees);
		assert_int_equal(trees(m)->set != NULL, seed < 4);
		struct buf b = bytes_of(m);
		struct model *back = model_parse(buf_str(&b), &e);
		if (!back)
			fail_msg("%s", e.text);
		assert_true(same(m, back));
		void *scratch = malloc(model_scratch(m, t->d.rows));
		model_margins(back, t->x, t->d.rows, scratch, z);
		for (size_t i = 0; i < t->d.rows; i++) {
			double alone;
			model_margins(m, t->x + i * t->d.cols, 1, scratch, &alone);
			assert_true(z[i] == margins[i] && alone == z[i]);
		}
		free(scratch);
		buf_free(&b);
		model_free(&back);
		model_free(&m);
		free(t);
	}
}

/* Who has no cell goes the way of those who had none; a code that nobody had, too. */
static void
unknown_codes(void **state)
{
	struct learn_gbdt o = learn_gbdt_defaults();
	const double strange[] = { 6.5, -1, 77, 65535, 65536, 1e300, -1e300 };
	(void)state;
	o.min_rows = 5;
	for (int missing = 0; missing < 2; missing++) {
		struct data *t = data_make(MAX_ROWS, 2, true, 5);
		t->d.categorical = t->categorical;
		t->categorical[1] = 1;
		for (size_t i = 0; i < t->d.rows; i++)
			if (isnan(t->x[i * 2 + 1]) && !missing)
				t->x[i * 2 + 1] = 2;
		struct model *m = train(t, &o, NULL);
		double want = margin(m, (double[]){ .5, NAN });
		int known = 0;
		for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
			assert_true(margin(m, (double[]){ .5, strange[i] }) == want);
		for (int code = 0; code < 7; code++)
			known += margin(m, (double[]){ .5, code }) != want;
		assert_true(known >= 5);
		model_free(&m);
		free(t);
	}
}

/* More codes than bins: the rare ones are told from nothing, the frequent ones are. */
static void
many_codes(void **state)
{
	struct learn_gbdt o = learn_gbdt_defaults();
	struct data *t = data_make(MAX_ROWS, 1, false, 1);
	(void)state;
	o.min_rows = 1;
	o.bins = 3;
	o.rate = 1;
	o.trees = 30;
	o.category_smooth = 0;
	t->d.categorical = t->categorical;
	t->categorical[0] = 1;
	for (size_t i = 0; i < t->d.rows; i++) {
		/* 10, 20, 30 are half of the rows, all others are seldom. */
		t->x[i] = i % 2 ? 10 * (double)(1 + i / 2 % 3) : (double)(1000 + i);
		t->y[i] = i % 2 ? t->x[i] : 5;
	}
	o.link = MODEL_IDENTITY;
	struct model *m = train(t, &o, NULL);
	for (size_t i = 0; i < 8; i++)
		assert_true(fabs(margin(m, t->x + i) - t->y[i]) < 1e-6);
	model_free(&m);
	free(t);
}

/* ---- training ---- */

static void
weights_are_rows(void **state)
{
	struct learn_gbdt o = learn_gbdt_defaults();
	struct data *t = data_make(250, 4, true, 9) /* a bin for each value */, *u = calloc(1, sizeof(*u));
	size_t n = 0;
	(void)state;
	o.min_rows = 1;
	o.trees = 20;
	t->d.w = t->w;
	for (size_t i = 0; i < t->d.rows; i++) {
		for (size_t k = 0; k < (size_t)t->w[i]; k++, n++) {
			memcpy(u->x + n * 4, t->x + i * 4, 4 * sizeof(double));
			u->y[n] = t->y[i];
		}
	}
	u->d = (struct learn_data){ .rows = n, .cols = 4, .x = u->x, .y = u->y };
	struct model *a = train(t, &o, NULL), *b = train(u, &o, NULL);
	for (size_t i = 0; i < t->d.rows; i++)
		assert_true(fabs(margin(a, t->x + i * 4) - margin(b, t->x + i * 4)) < 1e-4);
	model_free(&a);
	model_free(&b);
	free(t);
	free(u);
}

static void
same_seed(void **state)
{
	struct learn_gbdt o = learn_gbdt_defaults();
	struct data *t = data_make(MAX_ROWS, MAX_COLS, true, 3);
	(void)state;
	o.trees = 30;
	o.rows = .5;
	o.columns = .7;
	o.validation = .2;
	struct model *a = train(t, &o, NULL), *b = train(t, &o, NULL);
	o.seed = 2;
	struct model *c = train(t, &o, NULL);
	assert_true(same(a, b));
	assert_false(same(a, c));
	model_free(&a);
	model_free(&b);
	model_free(&c);
	free(t);
}

struct watch {
	size_t steps, best;
	double valid, train;
	double best_valid;
};

static void
watch_step(void *ctx, const struct learn_step *s)
{
	struct watch *w = ctx;
	assert_int_equal(s->done, ++w->steps);
	if (w->steps == 1 || s->valid_loss < w->best_valid) {
		w->best = s->done;
		w->best_valid = s->valid_loss;
		w->train = s->train_loss;
	}
}

/* Trees that only learn the noise make it worse for those held out; they are dropped. */
static void
early_stop(void **state)
{
	struct learn_gbdt o = learn_gbdt_defaults();
	struct data *t = data_make(MAX_ROWS, MAX_COLS, true, 4);
	struct watch w = { 0 };
	struct learn_gbdt_fit fit = { 0 };
	struct err e = { 0 };
	(void)state;
	o.trees = 1000;
	o.min_rows = 3;
	o.rate = .2;
	o.validation = .3;
	o.patience = 12;
	struct model *m = learn_gbdt(&t->d, &(struct learn_names){ "s", names }, &o,
				     &(struct learn_progress){ watch_step, &w }, &fit, &e);
	assert_non_null(m);
	assert_true(w.steps < 200 && w.steps == w.best + o.patience);
	assert_int_equal(fit.trees, w.best);
	assert_int_equal(trees(m)->ntrees, w.best);
	assert_true(fit.valid_loss == w.best_valid && fit.train_loss == w.train);
	assert_true(fit.train_loss < fit.valid_loss && fit.valid_loss < .69);
	model_free(&m);
	free(t);
}

/* Rows of one's own to stop by: as good as any, and none of them is learned from. */
static void
own_validation(void **state)
{
	struct learn_gbdt o = learn_gbdt_defaults();
	struct data *t = data_make(1000, 4, true, 4), *v = data_make(500, 4, true, 5);
	struct watch w = { 0 };
	struct learn_gbdt_fit fit = { 0 };
	struct err e = { 0 };
	double loss = 0;
	(void)state;
	o.trees = 300;
	o.min_rows = 3;
	o.rate = .2;
	o.valid = &v->d;
	struct model *m = learn_gbdt(&t->d, &(struct learn_names){ "s", names }, &o,
				     &(struct learn_progress){ watch_step, &w }, &fit, &e);
	assert_non_null(m);
	assert_int_equal(w.steps, w.best + o.patience);
	for (size_t i = 0; i < v->d.rows; i++)
		loss += log1p(exp((v->y[i] == 1 ? -1 : 1) * margin(m, v->x + i * 4))) / (double)v->d.rows;
	assert_true(fabs(loss - fit.valid_loss) < 1e-9);
	/* No patience, no stop. */
	o.patience = 0;
	o.trees = 60;
	struct model *all = train(t, &o, &fit);
	assert_int_equal(fit.trees, 60);
	/* Their labels are of no account, then. */
	for (size_t i = 0; i < v->d.rows; i++)
		v->y[i] = 1 - v->y[i];
	struct model *again = train(t, &o, NULL);
	assert_true(same(all, again));
	v->d.cols = 3;
	assert_null(learn_gbdt(&t->d, &(struct learn_names){ "s", names }, &o, NULL, NULL, &e));
	assert_non_null(strstr(e.text, "held out"));
	model_free(&m);
	model_free(&again);
	model_free(&all);
	free(t);
	free(v);
}

/* Nothing to learn from is learned: labels of one kind, columns of one value. */
static void
nothing_to_split(void **state)
{
	struct learn_gbdt o = learn_gbdt_defaults();
	struct data *t = data_make(300, 3, true, 6);
	struct learn_gbdt_fit fit = { 0 };
	(void)state;
	for (size_t i = 0; i < 300; i++) {
		t->x[i * 3] = NAN;
		t->x[i * 3 + 1] = t->x[i * 3 + 2] = 7;
	}
	struct model *m = train(t, &o, &fit);
	assert_int_equal(fit.trees, 1);
	assert_int_equal(trees(m)->nnodes, 1);
	double z = margin(m, t->x), mean = 0;
	for (size_t i = 0; i < 300; i++)
		mean += t->y[i] / 300;
	assert_true(fabs(z - log(mean / (1 - mean))) < 1e-6);
	model_free(&m);
	free(t);
	t = data_make(300, 3, true, 6);
	for (size_t i = 0; i < 300; i++)
		t->y[i] = 1;
	m = train(t, &o, &fit);
	z = margin(m, t->x);
	assert_true(z > 15 && isfinite(z));
	model_free(&m);
	free(t);
}

static void
options_refused(void **state)
{
	struct data *t = data_make(50, 2, true, 6);
	(void)state;
#define REFUSED(field, value)                                                                            \
	do {                                                                                             \
		struct learn_gbdt o = learn_gbdt_defaults();                                             \
		struct err e = { 0 };                                                                    \
		o.field = value;                                                                         \
		assert_null(learn_gbdt(&t->d, &(struct learn_names){ "s", names }, &o, NULL, NULL, &e)); \
		assert_true(e.text[0] != '\0');                                                          \
	} while (0)
	REFUSED(trees, 0);
	REFUSED(trees, 100000);
	REFUSED(leaves, 1);
	REFUSED(leaves, 5000);
	REFUSED(min_rows, 0);
	REFUSED(bins, 1);
	REFUSED(bins, 256);
	REFUSED(rate, 0);
	REFUSED(rate, NAN);
	REFUSED(l2, -1);
	REFUSED(l2, INFINITY);
	REFUSED(min_gain, NAN);
	REFUSED(category_smooth, -1);
	REFUSED(rows, 0);
	REFUSED(columns, 1.5);
	REFUSED(validation, 1);
	REFUSED(validation, 1e-9);
	t->y[7] = .5;
	REFUSED(seed, 1);
	free(t);
}

/* ---- foreign trees ---- */

/* Three splits, one of them by codes: 0 (1 2 (3 4)), the second tree 5 (6 7). */
struct foreign {
	double gains[2], value[8];
	int32_t first[2], column[8], left[8], set[8], sets[1], codes[3];
	uint8_t missing[8];
	struct gbdt_parts p;
};

static void
foreign_init(struct foreign *t)
{
	*t = (struct foreign){
		.gains = { 1, 2 },
		.value = { 0.5, 1, 0, 3, 4, 7, -1, 1 },
		.first = { 0, 5 },
		.column = { 0, -1, 1, -1, -1, 0, -1, -1 },
		.left = { 1, 0, 3, 0, 0, 6, 0, 0 },
		.set = { -1, -1, 0, -1, -1, -1, -1, -1 },
		.codes = { 3, 9, 70 },
		.missing = { 1, 0, 0, 0, 0, 1, 0, 0 },
	};
	t->p = (struct gbdt_parts){ 0.25,     t->gains, t->first,   t->column, t->left, t->set, t->sets,
				    t->codes, t->value, t->missing, 2,	       8,	1,	3 };
}

/* refusal NULL: it is taken. */
static void
foreign_check(const struct foreign *t, const char *change, const char *refusal)
{
	struct err e = { 0 };
	struct model *m = model_new("gbdt", "s", names, 2, MODEL_LOGIT, &e);
	bool taken = gbdt_build(m, &t->p, &e) == 0;
	if (taken != !refusal || (refusal && !strstr(e.text, refusal)))
		fail_msg("%s: %s", change, taken ? "is taken" : e.text);
	if (taken) {
		assert_true(margin(m, (double[]){ NAN, 5 }) == .25 + 1 - 1);
		assert_true(margin(m, (double[]){ 1, 70 }) == .25 + 3 - 1);
		assert_true(margin(m, (double[]){ 8, 71 }) == .25 + 4 + 1);
	}
	model_free(&m);
}

#define FOREIGN(change, refusal)                     \
	do {                                         \
		struct foreign t;                    \
		foreign_init(&t);                    \
		change;                              \
		foreign_check(&t, #change, refusal); \
	} while (0)

static void
foreign_trees(void **state)
{
	(void)state;
	FOREIGN((void)0, NULL);
	FOREIGN(t.left[0] = 0, "must stand behind");
	FOREIGN(t.left[0] = -1, "must stand behind");
	FOREIGN(t.left[2] = 2, "must stand behind");
	FOREIGN(t.left[2] = 1, "must stand behind");
	FOREIGN(t.left[2] = 4, "must stand behind"); /* in the next tree */
	FOREIGN(t.left[5] = 7, "must stand behind");
	FOREIGN(t.left[5] = INT32_MAX, "must stand behind");
	FOREIGN(t.left[0] = 3, "nobody's child");
	FOREIGN((t.left[0] = 2, t.column[1] = 0), "must stand behind");
	FOREIGN((t.column[1] = 0, t.left[1] = 2), "child of two");
	FOREIGN(t.left[1] = 3, "a leaf has a child");
	FOREIGN(t.set[1] = 0, "a leaf has a child");
	FOREIGN(t.column[0] = 2, "no such column");
	FOREIGN(t.column[0] = -2, "no such column");
	FOREIGN(t.value[1] = NAN, "out of range");
	FOREIGN(t.value[1] = 1e31, "out of range");
	FOREIGN(t.value[0] = INFINITY, "out of range");
	FOREIGN(t.value[2] = 1, "both a threshold and a set");
	FOREIGN(t.missing[0] = 2, "must be 0 or 1");
	FOREIGN(t.set[2] = 1, "no such set");
	FOREIGN(t.set[2] = -2, "no such set");
	FOREIGN(t.sets[0] = 1, "set 0");
	FOREIGN(t.sets[0] = -1, "set 0");
	FOREIGN(t.codes[1] = 3, "set 0");
	FOREIGN(t.codes[2] = 65536, "set 0");
	FOREIGN(t.codes[0] = -1, "set 0");
	FOREIGN(t.p.ncodes = 0, "set 0");
	FOREIGN(t.first[0] = 1, "out of order");
	FOREIGN(t.first[1] = 0, "out of order");
	FOREIGN(t.first[1] = 8, "nobody's child");
	FOREIGN(t.first[1] = -5, "out of order");
	FOREIGN(t.first[1] = 4, "must stand behind");
	FOREIGN(t.p.ntrees = 0, "1 to");
	FOREIGN(t.p.base = INFINITY, "base");
	FOREIGN(t.gains[1] = -1, "gain");
	FOREIGN(t.gains[0] = INFINITY, "gain");
}

/* A chain of nodes is a tree; one that is too deep costs too much. */
static void
deep_trees(void **state)
{
	(void)state;
	for (size_t depth = GBDT_MAX_DEPTH; depth <= GBDT_MAX_DEPTH + 1; depth++) {
		size_t n = 2 * depth + 1;
		int32_t first = 0, *column = calloc(n, sizeof(*column)), *left = calloc(n, sizeof(*left));
		double *value = calloc(n, sizeof(*value)), zero = 0;
		uint8_t *missing = calloc(n, 1);
		struct err e = { 0 };
		for (size_t i = 0; i < n; i++) {
			bool inner = i + 1 < n && i % 2 == 0;
			column[i] = inner ? 0 : -1;
			left[i] = inner ? (int32_t)i + 1 : 0;
			value[i] = inner ? -(double)i : (double)i;
		}
		struct gbdt_parts p = { .gain = &zero,
					.trees = &first,
					.column = column,
					.left = left,
					.value = value,
					.missing = missing,
					.ntrees = 1,
					.nnodes = n };
		struct model *m = model_new("gbdt", "s", names, 1, MODEL_IDENTITY, &e);
		assert_int_equal(gbdt_build(m, &p, &e) == 0, depth == GBDT_MAX_DEPTH);
		if (depth == GBDT_MAX_DEPTH)
			assert_true(margin(m, &(double){ 1 }) == (double)n - 1);
		model_free(&m);
		free(column);
		free(left);
		free(value);
		free(missing);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(best_split),	    cmocka_unit_test(scores_agree),
		cmocka_unit_test(unknown_codes),    cmocka_unit_test(many_codes),
		cmocka_unit_test(weights_are_rows), cmocka_unit_test(same_seed),
		cmocka_unit_test(early_stop),	    cmocka_unit_test(nothing_to_split),
		cmocka_unit_test(options_refused),  cmocka_unit_test(foreign_trees),
		cmocka_unit_test(deep_trees),	    cmocka_unit_test(own_validation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
