/* uplift: figures by hand, heterogeneity that is there and that is not, models of it and their files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learn/random.h"
#include "learn/uplift.h"
#include "score/uplift.h"

static void
test_by_hand(void **state)
{
	(void)state;
	/* By score: treated 1, control 0, treated 0, control 1 (rows 2, 0, 1, 3; 0 and 1 tie, by row). */
	const double score[4] = { 0.4, 0.4, 0.9, -1 }, y[4] = { 0, 0, 1, 1 };
	const uint8_t treated[4] = { 0, 1, 1, 0 };
	const struct uplift_data d = { score, y, treated, 4 };
	struct uplift_figures f;
	struct err e = { 0 };
	double curve[5];
	assert_int_equal(uplift_evaluate(&d, 0.5, 50, 1, &f, &e), 0);
	/* Q = 1, 1, 1, 1 - 1·2/2 = 0; Q(n) = 0 */
	assert_true(fabs(f.qini.value - 3.0 / 16) < 1e-12);
	/* lifts 0, 1, 1/2, 0 */
	assert_true(fabs(f.auuc.value - (1 * 0.5 + 0.5 * 0.75) / 4) < 1e-12);
	assert_true(f.top.value == 1 && f.effect.value == 0 && f.treated == 2 && f.control == 2);
	uplift_curve(&d, 4, curve);
	assert_true(curve[0] == 0 && curve[1] == 0.25 && curve[3] == 0.25 && curve[4] == 0);
	const uint8_t all[4] = { 1, 1, 1, 1 };
	assert_int_equal(uplift_evaluate(&(struct uplift_data){ score, y, all, 4 }, 0.5, 50, 1, &f, &e), -1);
}

/* Rows whose treatment helps by x, or (strength 0) helps all alike. */
struct made {
	struct arena *a;
	struct learn_data data;
	uint8_t *treated, *fold;
};

static struct made
make(size_t n, double strength, uint64_t seed)
{
	struct made m = { .a = arena_new(1 << 20) };
	double *x = ARENA_ARRAY(m.a, double, 2 * n), *y = ARENA_ARRAY(m.a, double, n);
	m.treated = ARENA_ARRAY(m.a, uint8_t, n);
	m.fold = ARENA_ARRAY(m.a, uint8_t, n);
	for (size_t i = 0; i < n; i++) {
		x[2 * i] = random_unit(&seed) - 0.5;
		x[2 * i + 1] = random_unit(&seed) - 0.5;
		m.treated[i] = random_unit(&seed) < 0.4;
		m.fold[i] = (uint8_t)(i % UPLIFT_FOLDS);
		y[i] = random_unit(&seed) <
		       0.3 + 0.2 * x[2 * i + 1] + (m.treated[i] ? 0.05 + strength * x[2 * i] : 0);
	}
	m.data = (struct learn_data){ .rows = n, .cols = 2, .x = x, .y = y };
	return m;
}

static const char *const COLUMNS[] = { "profile.a", "profile.b" };
static const struct learn_names NAMES = { "gain", COLUMNS };

static struct uplift_fit
fit_of(const struct made *m, enum uplift_learner learner)
{
	return (struct uplift_fit){ .data = &m->data,
				    .treated = m->treated,
				    .learner = learner,
				    .kind = STR("logistic"),
				    .options = value_map_new(m->a),
				    .link = MODEL_LOGIT,
				    .names = &NAMES };
}

static struct uplift_figures
judge(const struct made *m, enum uplift_learner learner)
{
	struct uplift_fit fit = fit_of(m, learner);
	struct uplift_figures f;
	struct err e = { 0 };
	double *scores = ARENA_ARRAY(m->a, double, m->data.rows);
	assert_int_equal(uplift_crossfit(&fit, m->fold, scores, &e), 0);
	const struct uplift_data d = { scores, m->data.y, m->treated, m->data.rows };
	assert_int_equal(uplift_evaluate(&d, 0.3, 200, 1, &f, &e), 0);
	assert_true(f.qini.low < f.qini.high && f.qini.se > 0);
	assert_true(fabs(f.effect.value - 0.05) < 4 * f.effect.se);
	return f;
}

static void
test_heterogeneity(void **state)
{
	(void)state;
	for (int learner = UPLIFT_T; learner <= UPLIFT_CLASS; learner++) {
		struct made m = make(20000, 0.3, 5);
		struct uplift_figures f = judge(&m, (enum uplift_learner)learner);
		assert_true(f.heterogeneous && f.top.value > f.effect.value + 2 * f.top.se);
		arena_free(&m.a);
		/* Alike for all: found in at most a few of many sets, by chance. */
		int found = 0;
		for (uint64_t seed = 100; seed < 120; seed++) {
			m = make(4000, 0, seed);
			found += judge(&m, (enum uplift_learner)learner).heterogeneous;
			arena_free(&m.a);
		}
		assert_true(found <= 3);
	}
}

static double
score_of(const struct model *m, double a, double b)
{
	double out;
	const double x[2] = { a, b };
	void *scratch = malloc(model_scratch(m, 1));
	model_apply(m, x, 1, scratch, &out, 1);
	free(scratch);
	return out;
}

static void
test_model(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct made m = make(60000, 0.3, 8);
	for (int learner = UPLIFT_T; learner <= UPLIFT_CLASS; learner++) {
		struct uplift_fit fit = fit_of(&m, (enum uplift_learner)learner);
		struct model *model = uplift_train(&fit, &e);
		if (!model)
			fail_msg("%s", e.text);
		assert_string_equal(model->score, "gain");
		/* 0.05 + 0.3 a, whatever b is. */
		assert_true(fabs(score_of(model, 0.4, 0) - 0.17) < 0.03);
		assert_true(fabs(score_of(model, -0.4, 0.2) + 0.07) < 0.04);
		assert_true(isfinite(score_of(model, NAN, 1e300)));
		struct buf once = { 0 }, twice = { 0 };
		model_print(model, &once);
		struct model *back = model_parse(buf_str(&once), &e);
		if (!back)
			fail_msg("%s", e.text);
		assert_true(score_of(back, 0.3, 0.1) == score_of(model, 0.3, 0.1));
		model_print(back, &twice);
		assert_true(str_eq(buf_str(&once), buf_str(&twice)));
		/* Nothing nests. */
		assert_null(uplift_model("deep", back, back, &e));
		assert_non_null(strstr(e.text, "kind uplift itself"));
		model_free(&back);
		for (size_t n = 0; n < once.n; n += 211)
			assert_null(model_parse(str_make(once.p, n), &e));
		model_free(&model);
		buf_free(&once);
		buf_free(&twice);
	}
	/* One side alone. */
	struct uplift_fit fit = fit_of(&m, UPLIFT_T);
	memset(m.treated, 1, m.data.rows);
	assert_null(uplift_train(&fit, &e));
	assert_non_null(strstr(e.text, "control"));
	arena_free(&m.a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_heterogeneity),
		cmocka_unit_test(test_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
