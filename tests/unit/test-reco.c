/* Recommendation models: trainers by hand-made figures, the file, and what is wrong in one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learn/reco.h"

/* Who took what: customers a..d, items p..s. */
static const char *const LOG[][2] = {
	{ "a", "p" }, { "a", "q" }, { "b", "p" }, { "b", "q" }, { "b", "r" },
	{ "c", "q" }, { "c", "r" }, { "d", "s" }, { "d", "p" },
};
#define NLOG (sizeof(LOG) / sizeof(LOG[0]))
static const double X[4][4] = { { 1, 1, 0, 0 }, { 1, 1, 1, 0 }, { 0, 1, 1, 0 }, { 1, 0, 0, 1 } };

struct fixture {
	struct arena *a;
	struct reco_log *log;
	struct reco_data d;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct reco_split all = { .at_ms = INT64_MAX };
	f->a = arena_new(4096);
	f->log = reco_log_new();
	for (size_t i = 0; i < NLOG; i++)
		assert_int_equal(reco_log_add(f->log, str_of(LOG[i][0]), str_of(LOG[i][1]), 0, NULL), 0);
	assert_int_equal(reco_log_matrix(f->log, &all, f->a, &f->d, NULL, NULL), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	reco_log_free(&f->log);
	arena_free(&f->a);
	free(f);
	return 0;
}

/* The model's weight of j for who took i alone. */
static double
weight(const struct recommend_model *m, uint32_t i, size_t j)
{
	float scores[16];
	double scratch[64];
	assert_true(m->items <= 16 && recommend_scratch(m) <= sizeof(scratch));
	recommend_score(m, &(struct recommend_taken){ i, 1 }, 1, scratch, scores);
	return (double)scores[j];
}

static void
test_matrix(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(f->d.users, 4);
	assert_int_equal(f->d.items, 4);
	for (size_t u = 0, k = 0; u < 4; u++)
		for (uint32_t i = 0; i < 4; i++)
			if (X[u][i] > 0) {
				assert_int_equal(f->d.item[k++], i);
				assert_true(k <= f->d.end[u]);
			}
	assert_int_equal(f->d.end[3], NLOG);
}

/* Rare items and the surplus go; days are counted, not lines; what comes after the split is apart. */
static void
test_split(void **state)
{
	struct fixture *f = *state;
	const int64_t day = 86400000;
	const struct reco_split split = { .at_ms = 10 * day, .min_customers = 2 };
	struct reco_data train, test;
	for (int i = 0; i < 3; i++)
		assert_int_equal(reco_log_add(f->log, STR("a"), STR("p"), i == 2 ? day : 5, NULL), 0);
	assert_int_equal(reco_log_add(f->log, STR("c"), STR("p"), 10 * day, NULL), 0);
	assert_int_equal(reco_log_matrix(f->log, &split, f->a, &train, &test, NULL), 0);
	assert_int_equal(train.items, 3); /* s has one customer */
	assert_int_equal(train.item[0], 0);
	assert_true(train.count[0] == 2);
	assert_int_equal(test.end[3], 1);
	assert_int_equal(test.end[1], 0);
	assert_int_equal(test.item[0], 0);
	const struct reco_split few = { .at_ms = INT64_MAX, .max_items = 2 };
	assert_int_equal(reco_log_matrix(f->log, &few, f->a, &train, NULL, NULL), 0);
	assert_int_equal(train.items, 2);
	assert_memory_equal(train.id_text, "pq", 2);
	const struct reco_split none = { .at_ms = INT64_MAX, .min_customers = 9 };
	struct err e = { 0 };
	assert_int_equal(reco_log_matrix(f->log, &none, f->a, &train, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_INPUT);
}

static int
by_weight(const void *pa, const void *pb)
{
	const struct reco_entry *a = pa, *b = pb;
	float x = fabsf(a->weight), y = fabsf(b->weight);
	return x != y ? (x < y) - (x > y) : (a->item > b->item) - (a->item < b->item);
}

/* What is cut off is what sorting all would cut off, with many that are equal, too. */
static void
test_cut(void **state)
{
	(void)state;
	srand(3);
	for (int round = 0; round < 2000; round++) {
		struct reco_entry v[60], all[60];
		size_t n = 1 + (size_t)(rand() % 60), keep = (size_t)(rand() % 62);
		int kinds = 1 + rand() % 40;
		for (size_t i = 0; i < n; i++)
			v[i] = all[i] =
			    (struct reco_entry){ (uint32_t)i, (float)(rand() % kinds - kinds / 2) };
		size_t left = reco_cut(v, n, keep);
		assert_int_equal(left, keep == 0 || keep > n ? n : keep);
		qsort(all, n, sizeof(*all), by_weight);
		qsort(all, left, sizeof(*all), reco_by_item);
		for (size_t i = 0; i < left; i++)
			assert_int_equal(v[i].item, all[i].item);
	}
}

/* Gauss and Jordan, of a positive definite matrix. */
static void
invert(double a[4][4], double out[4][4])
{
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++)
			out[i][j] = i == j;
	for (int k = 0; k < 4; k++) {
		double pivot = a[k][k];
		for (int j = 0; j < 4; j++) {
			a[k][j] /= pivot;
			out[k][j] /= pivot;
		}
		for (int i = 0; i < 4; i++) {
			double by = i == k ? 0 : a[i][k];
			for (int j = 0; j < 4; j++) {
				a[i][j] -= by * a[k][j];
				out[i][j] -= by * out[k][j];
			}
		}
	}
}

static void
gram_of(double lambda, double g[4][4])
{
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++) {
			g[i][j] = i == j ? lambda : 0;
			for (int u = 0; u < 4; u++)
				g[i][j] += X[u][i] * X[u][j];
		}
}

static void
test_ease(void **state)
{
	struct fixture *f = *state;
	struct reco_options o = reco_defaults(RECOMMEND_EASE);
	struct recommend_model m;
	double g[4][4], p[4][4];
	o.lambda = 0.5;
	gram_of(o.lambda, g);
	invert(g, p);
	assert_int_equal(reco_train(&f->d, &o, NULL, f->a, &m, NULL), 0);
	for (uint32_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 4; j++)
			assert_true(fabs(weight(&m, i, j) - (i == j ? 0 : -p[i][j] / p[j][j])) < 1e-6);
	/* One weight of each item: the largest. */
	o.keep = 1;
	assert_int_equal(reco_train(&f->d, &o, NULL, f->a, &m, NULL), 0);
	for (int32_t i = 0; i < 4; i++)
		assert_int_equal(m.row_end[i], i + 1);
	assert_int_equal(m.row_item[0], fabs(p[0][1] / p[1][1]) > fabs(p[0][3] / p[3][3]) ? 1 : 3);
	o.lambda = 0;
	assert_int_equal(reco_train(&f->d, &o, NULL, f->a, &m, NULL), -1);
}

/* p and q were taken by 3 each, 2 of them the same; q and r by 3 and 2, 2 the same. */
static void
test_knn(void **state)
{
	struct fixture *f = *state;
	struct reco_options o = reco_defaults(RECOMMEND_KNN);
	struct recommend_model m;
	o.shrink = 1;
	assert_int_equal(reco_train(&f->d, &o, NULL, f->a, &m, NULL), 0);
	assert_true(fabs(weight(&m, 0, 1) - 2.0 / (3 + 1)) < 1e-6);
	assert_true(fabs(weight(&m, 2, 1) - 2.0 / (sqrt(6) + 1)) < 1e-6);
	assert_true(fabs(weight(&m, 1, 2) - 2.0 / (sqrt(6) + 1)) < 1e-6);
	assert_true(weight(&m, 1, 3) == 0 && weight(&m, 1, 1) == 0);
	/* q's nearest is r: who took p hears of q no more. */
	o.neighbours = 1;
	assert_int_equal(reco_train(&f->d, &o, NULL, f->a, &m, NULL), 0);
	assert_true(weight(&m, 0, 1) == 0 && weight(&m, 2, 1) > 0);
}

static void
step_keep(void *ctx, const struct learn_step *s)
{
	double *loss = ctx;
	assert_true(s->done >= 1 && s->done <= 20);
	loss[s->done - 1] = s->train_loss;
}

static void
test_als(void **state)
{
	struct fixture *f = *state;
	struct reco_options o = reco_defaults(RECOMMEND_ALS);
	struct recommend_model m, again;
	double loss[20];
	const struct learn_progress p = { step_keep, loss };
	o.factors = 3;
	o.iterations = 20;
	o.regularization = 0.1;
	o.alpha = 4;
	assert_int_equal(reco_train(&f->d, &o, &p, f->a, &m, NULL), 0);
	for (int i = 1; i < 20; i++)
		assert_true(loss[i] <= loss[i - 1] + 1e-9);
	assert_true(loss[19] < loss[0]);
	/* Who took r hears of q, which goes with it, rather than of s. */
	assert_true(weight(&m, 2, 1) > weight(&m, 2, 3));
	assert_int_equal(reco_train(&f->d, &o, NULL, f->a, &again, NULL), 0);
	assert_memory_equal(m.factor, again.factor, m.items * m.factors * sizeof(float));
	/* The factors of a customer, folded in, solve the system they are of. */
	const struct recommend_taken h[2] = { { 0, 1 }, { 1, 2 } };
	double work[9], x[3];
	recommend_fold(&m, h, 2, work, x);
	for (size_t i = 0; i < 3; i++) {
		double left = m.regularization * x[i], right = 0;
		for (size_t j = 0; j < 3; j++)
			left += (double)m.gram[i * 3 + j] * x[j];
		for (size_t k = 0; k < 2; k++) {
			const float *y = m.factor + h[k].item * 3;
			double dot = 0, c = m.alpha * (double)h[k].count;
			for (size_t j = 0; j < 3; j++)
				dot += (double)y[j] * x[j];
			left += c * (double)y[i] * dot;
			right += (1 + c) * (double)y[i];
		}
		assert_true(fabs(left - right) < 1e-9);
	}
}

/* One customer, tests at places 2 and 4 of four: DCG = 1/log2(3) + 1/log2(5). */
static void
test_evaluate(void **state)
{
	(void)state;
	size_t end[1] = { 1 }, test_end[1] = { 2 };
	uint32_t taken[1] = { 0 }, tests[2] = { 2, 4 };
	float one[2] = { 1, 1 }, popularity[5] = { 9, 4, 3, 2, 1 };
	int32_t id_end[5] = { 1, 2, 3, 4, 5 };
	struct reco_data train = { 1, 5, end, taken, one, id_end, NULL },
			 test = { 1, 5, test_end, tests, one, id_end, NULL };
	struct recommend_model m = { .kind = RECOMMEND_POPULAR, .items = 5, .popularity = popularity };
	struct reco_figures f;
	assert_int_equal(reco_evaluate(&m, &train, &test, RECO_NEW, 10, &f, NULL), 0);
	double ideal = 1 + 1 / log2(3), got = 1 / log2(3) + 1 / log2(5);
	assert_int_equal(f.users, 1);
	assert_true(fabs(f.ndcg - got / ideal) < 1e-12);
	assert_true(f.recall == 1 && f.hit == 1);
	assert_int_equal(reco_evaluate(&m, &train, &test, RECO_NEW, 2, &f, NULL), 0);
	assert_true(f.recall == 0.5 && fabs(f.ndcg - 1 / log2(3) / ideal) < 1e-12);
	assert_int_equal(reco_evaluate(&m, &train, &test, RECO_ANY, 10, &f, NULL), 0);
	got = 1 / log2(4) + 1 / log2(6);
	assert_true(fabs(f.ndcg - got / ideal) < 1e-12);
	/* Nothing new was taken. */
	tests[0] = 0;
	test_end[0] = 1;
	assert_int_equal(reco_evaluate(&m, &train, &test, RECO_NEW, 10, &f, NULL), -1);
}

static void
test_file(void **state)
{
	struct fixture *f = *state;
	for (int kind = 0; kind < RECOMMEND_KINDS; kind++) {
		struct reco_options o = reco_defaults((enum recommend_kind)kind);
		struct recommend_model m, back;
		struct buf b = { 0 };
		float scores[2][4];
		void *scratch = malloc(65536), *bytes = NULL;
		o.lambda = o.regularization = 0.5;
		assert_int_equal(reco_train(&f->d, &o, NULL, f->a, &m, NULL), 0);
		m.training = STR("{\"x\":1}");
		recommend_print(&m, &b);
		assert_int_equal(posix_memalign(&bytes, 64, b.n), 0);
		memcpy(bytes, b.p, b.n);
		struct err e = { 0 };
		if (recommend_parse(f->a, str_make(bytes, b.n), &back, &e) != 0)
			fail_msg("%s", e.text);
		assert_int_equal(back.kind, kind);
		assert_true(str_eq(back.training, m.training));
		assert_int_equal(recommend_find(&back, STR("r")), 2);
		assert_int_equal(recommend_find(&back, STR("rr")), -1);
		const struct recommend_taken h[2] = { { 1, 1 }, { 3, 2 } };
		recommend_score(&m, h, 2, scratch, scores[0]);
		recommend_score(&back, h, 2, scratch, scores[1]);
		assert_memory_equal(scores[0], scores[1], sizeof(scores[0]));
		/* Nobody's history: what is popular. */
		recommend_score(&back, NULL, 0, scratch, scores[0]);
		assert_memory_equal(scores[0], m.popularity, sizeof(scores[0]));
		/* A byte that is another, or missing. */
		for (size_t i = 0; i < b.n; i += 7) {
			((char *)bytes)[i] ^= 1;
			assert_int_equal(recommend_parse(f->a, str_make(bytes, b.n), &back, &e), -1);
			((char *)bytes)[i] ^= 1;
			assert_int_equal(recommend_parse(f->a, str_make(bytes, i), &back, &e), -1);
		}
		free(bytes);
		free(scratch);
		buf_free(&b);
	}
}

/* Files that are whole, but say what cannot be. */
static int
parse_again(struct arena *a, const struct recommend_model *m)
{
	struct buf b = { 0 };
	void *bytes;
	struct recommend_model back;
	recommend_print(m, &b);
	assert_int_equal(posix_memalign(&bytes, 64, b.n), 0);
	memcpy(bytes, b.p, b.n);
	int rc = recommend_parse(a, str_make(bytes, b.n), &back, NULL);
	free(bytes);
	buf_free(&b);
	return rc;
}

static void
test_foreign(void **state)
{
	struct fixture *f = *state;
	struct reco_options o = reco_defaults(RECOMMEND_EASE);
	struct recommend_model m;
	assert_int_equal(reco_train(&f->d, &o, NULL, f->a, &m, NULL), 0);
	assert_int_equal(parse_again(f->a, &m), 0);
	int32_t *item = (int32_t *)(uintptr_t)m.row_item, *end = (int32_t *)(uintptr_t)m.row_end;
	float *w = (float *)(uintptr_t)m.row_weight, *popularity = (float *)(uintptr_t)m.popularity;
#define WRONG(place, value)                                  \
	do {                                                 \
		__typeof__(place) was_ = (place);            \
		(place) = (value);                           \
		assert_int_equal(parse_again(f->a, &m), -1); \
		(place) = was_;                              \
	} while (0)
	WRONG(item[0], 4);
	WRONG(item[0], -1);
	WRONG(end[1], -1);
	WRONG(end[0], end[3] + 1);
	WRONG(w[1], NAN);
	WRONG(w[1], INFINITY);
	WRONG(popularity[0], -1);
	WRONG(f->d.id_text[0], 'q'); /* not unique */
	WRONG(f->d.id_text[0], 'z'); /* not in order */
	WRONG(f->d.id_end[0], 0);    /* empty */
	assert_int_equal(parse_again(f->a, &m), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_matrix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_split, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ease, setup, teardown),
		cmocka_unit_test_setup_teardown(test_knn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_als, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
		cmocka_unit_test(test_evaluate),
		cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
