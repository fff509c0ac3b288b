/* ope, trial: estimates by hand and beside a truth that is known, refusals, replay, tables with arms. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learn/ope.h"
#include "learn/random.h"
#include "learn/trial.h"

static const struct ope_options DEFAULTS = OPE_DEFAULTS;

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)

/* Three rows, two arms, all by hand. */
static void
test_by_hand(void **state)
{
	(void)state;
	const uint32_t arm[3] = { 0, 1, 0 };
	const double reward[3] = { 1, 0, 2 }, propensity[3] = { 0.5, 0.25, 0.8 };
	const double policy[6] = { 1, 0, 0.5, 0.5, 0.4, 0.6 }, q[6] = { 0.5, 0.25, 1, 0.5, 1, 3 };
	const struct ope_log log = { 3, 2, arm, reward, propensity };
	struct ope_result r;
	ope_evaluate(&log, policy, q, &(struct ope_options){ .clip = 1.5, .shrink = 4 }, &r);
	/* w = 2, 2, 0.5 */
	NEAR(r.of[OPE_IPS].value, (2 + 0 + 1) / 3.0);
	NEAR(r.of[OPE_SNIPS].value, 3 / 4.5);
	NEAR(r.of[OPE_CLIPPED].value, (1.5 + 0 + 1) / 3);
	NEAR(r.of[OPE_DM].value, (0.5 + 0.75 + 2.2) / 3);
	NEAR(r.of[OPE_DR].value, (0.5 + 2 * 0.5 + 0.75 - 2 * 0.5 + 2.2 + 0.5 * 1) / 3);
	/* λw/(w² + λ): 1, 1, 2/4.25 */
	NEAR(r.of[OPE_DROS].value, (0.5 + 0.5 + 0.75 - 0.5 + 2.2 + 2 / 4.25) / 3);
	NEAR(r.of[OPE_IPS].se, sqrt(((2 - 1) * (2 - 1) + 1 + 0) / 3.0 / 3));
	double v = 3 / 4.5;
	NEAR(r.of[OPE_SNIPS].se, sqrt(4 * (1 - v) * (1 - v) + 4 * v * v + 0.25 * (2 - v) * (2 - v)) / 4.5);
	NEAR(r.ess, 4.5 * 4.5 / 8.25);
	NEAR(r.events, 9.0 / (4 + 1));
	assert_true(r.max_weight == 2);
	NEAR(r.logged.value, 1);
	NEAR(r.naive.value, (1 + 0 + 0.8) / (1 + 0.5 + 0.4));
	struct ope_estimate none = ope_compare(&log, policy, policy, q);
	assert_true(none.value == 0 && none.se == 0);
	ope_evaluate(&log, policy, NULL, &DEFAULTS, &r);
	assert_true(isnan(r.of[OPE_DR].value) && r.best == OPE_SNIPS && !r.concluded);
}

/* A log whose arms hang on x as the rewards do: arm 1 is good for x = 1 and mostly goes there. */
struct made {
	struct ope_log log;
	double *x, *policy, *q;
};
#define RATE(x, arm) (0.1 + 0.3 * (x) + ((arm) ? ((x) ? 0.2 : -0.05) : 0))

static struct made
make(struct arena *a, size_t n, uint64_t *random, double often)
{
	uint32_t *arm = ARENA_ARRAY(a, uint32_t, n);
	double *reward = ARENA_ARRAY(a, double, n), *p = ARENA_ARRAY(a, double, n);
	struct made m = { .log = { n, 2, arm, reward, p } };
	m.x = ARENA_ARRAY(a, double, n);
	m.policy = ARENA_ARRAY(a, double, 2 * n);
	m.q = ARENA_ARRAY(a, double, 2 * n);
	for (size_t i = 0; i < n; i++) {
		m.x[i] = random_unit(random) < 0.4;
		double one = m.x[i] > 0 ? often : 1 - often;
		arm[i] = random_unit(random) < one;
		p[i] = arm[i] ? one : 1 - one;
		reward[i] = random_unit(random) < RATE(m.x[i], arm[i]);
		m.policy[2 * i + 1] = 1; /* always arm 1 */
		m.q[2 * i] = RATE(m.x[i], 0);
		m.q[2 * i + 1] = RATE(m.x[i], 1);
	}
	return m;
}
#define TRUTH (0.6 * 0.05 + 0.4 * 0.6)

static double
off(const struct ope_estimate *e)
{
	return fabs(e->value - TRUTH) / e->se;
}

static void
test_confounded(void **state)
{
	(void)state;
	struct arena *a = arena_new(1 << 20);
	uint64_t random = 7;
	struct made m = make(a, 40000, &random, 0.8);
	struct ope_result r;
	struct err e = { 0 };
	assert_int_equal(ope_check(&m.log, &e), 0);
	ope_evaluate(&m.log, m.policy, m.q, &DEFAULTS, &r);
	assert_true(off(&r.naive) > 10);
	for (int k = 0; k < OPE_ESTIMATORS; k++)
		assert_true(off(&r.of[k]) < 4);
	assert_true(r.concluded && r.reason[0] == '\0');
	assert_true(r.of[OPE_DR].se < r.of[OPE_IPS].se);
	/* A wrong model costs precision, not truth. */
	for (size_t i = 0; i < 80000; i++)
		m.q[i] = i % 2 ? 0.9 : 0.1;
	ope_evaluate(&m.log, m.policy, m.q, &DEFAULTS, &r);
	assert_true(off(&r.of[OPE_DM]) > 10 && off(&r.of[OPE_DR]) < 4);
	arena_free(&a);
}

/* Standard errors are what the estimates scatter by. */
static void
test_errors(void **state)
{
	(void)state;
	enum { RUNS = 400 };
	uint64_t random = 99;
	double square[OPE_ESTIMATORS] = { 0 };
	for (int run = 0; run < RUNS; run++) {
		struct arena *a = arena_new(1 << 16);
		struct made m = make(a, 1000, &random, 0.7);
		struct ope_result r;
		ope_evaluate(&m.log, m.policy, m.q, &DEFAULTS, &r);
		for (int k = 0; k < OPE_ESTIMATORS; k++)
			square[k] += pow((r.of[k].value - TRUTH) / r.of[k].se, 2) / RUNS;
		arena_free(&a);
	}
	/* χ² of 400 over 400: 1 ± 0.07. */
	for (int k = 0; k < OPE_ESTIMATORS; k++)
		if (k != OPE_DROS) /* which is biased, a little */
			assert_true(square[k] > 0.75 && square[k] < 1.3);
}

static void
test_refusals(void **state)
{
	(void)state;
	struct arena *a = arena_new(1 << 20);
	uint64_t random = 3;
	struct made m = make(a, 4000, &random, 0.7);
	struct ope_result r;
	struct ope_log few = m.log;
	few.rows = 150;
	ope_evaluate(&few, m.policy, NULL, &DEFAULTS, &r);
	assert_true(!r.concluded && strstr(r.reason, "effective sample size"));
	/* Propensities of another log. */
	double *p = ARENA_ARRAY(a, double, 4000);
	for (size_t i = 0; i < 4000; i++)
		p[i] = m.log.propensity[i] / 2;
	struct ope_log wrong = m.log;
	wrong.propensity = p;
	ope_evaluate(&wrong, m.policy, NULL, &DEFAULTS, &r);
	assert_true(!r.concluded && strstr(r.reason, "mean 2"));
	/* An arm that is never in the log. */
	uint32_t *never = ARENA_ARRAY(a, uint32_t, 4000);
	struct ope_log without = m.log;
	without.arm = never;
	ope_evaluate(&without, m.policy, NULL, &DEFAULTS, &r);
	assert_true(!r.concluded && strstr(r.reason, "no row"));
	/* Few rewards; an interval that says nothing. */
	double *rare = ARENA_ARRAY(a, double, 4000);
	struct ope_log poor = m.log;
	poor.reward = rare;
	for (size_t i = 0; i < 5; i++)
		rare[i * 700] = 1;
	ope_evaluate(&poor, m.policy, NULL, &DEFAULTS, &r);
	assert_true(!r.concluded && strstr(r.reason, "rewards"));
	for (size_t i = 0; i < 60; i++)
		rare[i * 60] = i % 2 ? 1 : -0.9;
	ope_evaluate(&poor, m.policy, NULL, &(struct ope_options){ .max_width = 0.5 }, &r);
	assert_true(!r.concluded && strstr(r.reason, "interval"));
	struct err e = { 0 };
	p[17] = 0;
	assert_int_equal(ope_check(&wrong, &e), -1);
	assert_non_null(strstr(e.text, "row 17"));
	arena_free(&a);
}

static void
test_crossfit(void **state)
{
	(void)state;
	struct arena *a = arena_new(1 << 20);
	struct err e = { 0 };
	uint64_t random = 21;
	struct made m = make(a, 20000, &random, 0.6);
	uint8_t *fold = ARENA_ARRAY(a, uint8_t, 20000);
	double *q = ARENA_ARRAY(a, double, 40000);
	for (size_t i = 0; i < 20000; i++)
		fold[i] = (uint8_t)(i % OPE_FOLDS);
	const struct learn_data data = { .rows = 20000, .cols = 1, .x = m.x, .y = m.log.reward };
	struct ope_fit fit = { .data = &data,
			       .arm = m.log.arm,
			       .fold = fold,
			       .arms = 2,
			       .options = value_map_new(a),
			       .link = MODEL_LOGIT };
	const char *const kinds[] = { "mean", "logistic" };
	for (size_t k = 0; k < 2; k++) {
		fit.kind = str_of(kinds[k]);
		assert_int_equal(ope_crossfit(&fit, q, &e), 0);
		for (size_t i = 0; i < 40000; i++)
			assert_true(fabs(q[i] - m.q[i]) < 0.035);
	}
	fit.kind = STR("gdbt");
	assert_int_equal(ope_crossfit(&fit, q, &e), -1);
	/* What a fold is told comes of the others: a reward that only it has is not known to it. */
	double *y = ARENA_ARRAY(a, double, 20000);
	for (size_t i = 0; i < 20000; i++)
		y[i] = fold[i] == 2;
	const struct learn_data own = { .rows = 20000, .cols = 1, .x = m.x, .y = y };
	fit.data = &own;
	fit.kind = STR("logistic");
	assert_int_equal(ope_crossfit(&fit, q, &e), 0);
	for (size_t i = 0; i < 20000; i++)
		assert_true(fold[i] != 2 || q[2 * i] == 0);
	arena_free(&a);
}

static void
test_greedy(void **state)
{
	(void)state;
	const double q[6] = { 1, 3, 3, 5, 2, 4 };
	const bool only[3] = { false, true, true };
	double policy[6];
	ope_greedy(q, 2, 3, NULL, policy);
	assert_true(policy[1] == 1 && policy[2] == 0 && policy[3] == 1);
	ope_greedy(q, 2, 3, only, policy);
	assert_true(policy[3] == 0 && policy[5] == 1);
}

/* Replay keeps what agrees, and values the algorithm as if it had decided. */
static void
test_replay(void **state)
{
	(void)state;
	struct arena *a = arena_new(1 << 20);
	struct err e = { 0 };
	uint64_t random = 4;
	struct made m = make(a, 20000, &random, 0.5);
	const double always[2] = { 0, 1 };
	struct ope_replay r;
	struct bandit *b =
	    bandit_new(&(struct bandit_shape){ .kind = BANDIT_FIXED, .narms = 2, .shares = always }, &e);
	assert_int_equal(ope_replay(&m.log, NULL, b, 1, &r, &e), 0);
	assert_true(off(&r.value) < 4 && r.kept_of[0] == 0 && r.kept == r.kept_of[1]);
	bandit_free(&b);
	double *x = ARENA_ARRAY(a, double, 40000);
	for (size_t i = 0; i < 20000; i++) {
		x[2 * i] = 1;
		x[2 * i + 1] = m.x[i];
	}
	b = bandit_new(
	    &(struct bandit_shape){ .kind = BANDIT_LINUCB, .narms = 2, .dim = 2, .lambda = 1, .alpha = 0.5 },
	    &e);
	assert_int_equal(ope_replay(&m.log, x, b, 1, &r, &e), 0);
	/* It finds out that arm 1 is for x = 1 alone: 0.6 · 0.1 + 0.4 · 0.6. */
	assert_true(r.value.value > 0.28 && r.value.value < 0.32);
	m = make(a, 100, &random, 0.7);
	assert_int_equal(ope_replay(&m.log, x, b, 1, &r, &e), -1);
	bandit_free(&b);
	arena_free(&a);
}

/* ---- tables ---- */

static ssize_t
text_read(void *ctx, char *p, size_t n)
{
	struct str *rest = ctx;
	n = n < rest->n ? n : rest->n;
	memcpy(p, rest->p, n);
	*rest = str_sub(*rest, n, rest->n);
	return (ssize_t)n;
}

static struct trial *
trial_make(struct arena *a, const char *extra, const char *table, struct err *e)
{
	static const char *const keys[] = { "policies" };
	static const char *const more[] = { "score" };
	struct trial_spec s;
	struct str text =
	    arena_printf(a,
			 "{\"label\": \"y == 1\", \"columns\": [\"profile.a\"], \"policies\": 1, "
			 "\"arm\": {\"field\": \"arm\", \"arms\": [\"no\", \"a \\\"b\\\" \\\\\"]}%s}",
			 extra);
	struct str bytes = str_of(table);
	struct csv_source source = { .read = text_read, .ctx = &bytes };
	if (trial_spec_parse(a, text, keys, 1, &s, e) != 0 || trial_spec_more(a, &s, more, 1, e) != 0)
		return NULL;
	return trial_read(&source, &s, e);
}

static void
test_trial(void **state)
{
	(void)state;
	struct arena *a = arena_new(1 << 16);
	struct err e = { 0 };
	static const char table[] = "a,arm,y,p,p2,score\n"
				    "1,no,1,0.5,0.25,7\n"
				    "2,other,1,0.5,0.25,7\n"
				    "3,\"a \"\"b\"\" \\\",0,0.5,0.25,8\n"
				    "4,no,,0.5,0.25,9\n"
				    "5,,1,0.5,0.25,9\n"
				    "6,no,0,0.75,0.25,\n";
	struct trial *t = trial_make(a, "", table, &e);
	if (!t)
		fail_msg("%s", e.text);
	assert_true(t->data.rows == 3 && t->data.cols == 1 && t->skipped == 1 && t->other == 2);
	assert_true(t->arm[0] == 0 && t->arm[1] == 1 && t->arm[2] == 0 && !t->propensity);
	assert_true(t->data.x[2] == 6 && t->data.y[0] == 1 && t->data.y[1] == 0);
	assert_true(t->more[0] == 7 && t->more[1] == 8 && isnan(t->more[2]));
	assert_true(t->fold[1] == spec_bucket(2) / 2 && t->fold[2] == spec_bucket(5) / 2);
	trial_free(&t);
	t = trial_make(a, ", \"propensity\": [\"p\", \"p2\"]", table, &e);
	assert_true(t && t->propensity[0] == 0.5 && t->propensity[1] == 0.25 && t->propensity[2] == 0.75);
	trial_free(&t);
	t = trial_make(a, ", \"propensity\": \"uniform\"", table, &e);
	assert_true(t && t->propensity[0] == 0.5);
	trial_free(&t);
	t = trial_make(a, ", \"propensity\": \"p2\"", table, &e);
	assert_true(t && t->propensity[0] == 0.25);
	trial_free(&t);
	static const char *const bad[] = { ", \"propensity\": 0",	", \"propensity\": 1.5",
					   ", \"propensity\": [\"p\"]", ", \"propensity\": \"score\"",
					   ", \"propensities\": 1",	", \"propensity\": [\"p\", 2]" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e.text[0] = '\0';
		assert_null(trial_make(a, bad[i], table, &e));
		assert_true(e.text[0] != '\0');
	}
	assert_null(trial_make(a, "", "a,arm,y\n1,x,1\n", &e));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand),	 cmocka_unit_test(test_confounded),
		cmocka_unit_test(test_errors),	 cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_crossfit), cmocka_unit_test(test_greedy),
		cmocka_unit_test(test_replay),	 cmocka_unit_test(test_trial),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
