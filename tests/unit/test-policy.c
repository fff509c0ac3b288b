/* policy: states, their file, and the probabilities they give. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "score/policy.h"

static struct policy *
state_new(size_t dim, double ridge)
{
	const struct str arms[] = { STR("a"), STR("b"), STR("c") };
	const struct policy_shape shape = {
		.campaign = STR("spring"),
		.reward = STR("clicked"),
		.columns = dim ? STR("0123456789abcdef") : STR(""),
		.window_ms = 86400000,
		.dim = dim,
		.ridge = ridge,
		.arms = arms,
		.narms = 3,
	};
	struct err e = { 0 };
	struct policy *p = policy_new(&shape, &e);
	assert_non_null(p);
	return p;
}

/* A fixed sequence in [0, 1). */
static double
chance(uint64_t *s)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return (double)(*s >> 11) / 9007199254740992.0;
}

/* ---- probabilities ---- */

static void
test_beta(void **state)
{
	double p[4];
	(void)state;
	/* Alike: alike. */
	policy_best_beta((double[]){ 3, 3, 3 }, (double[]){ 9, 9, 9 }, 3, p);
	for (int i = 0; i < 3; i++)
		assert_true(fabs(p[i] - 1.0 / 3) < 1e-9);
	/* P(Beta(a, 1) > Beta(b, 1)) = a / (a + b), since they are maxima of uniforms. */
	policy_best_beta((double[]){ 5, 2 }, (double[]){ 1, 1 }, 2, p);
	assert_true(fabs(p[0] - 5.0 / 7) < 1e-6);
	policy_best_beta((double[]){ 5, 2, 1 }, (double[]){ 1, 1, 1 }, 3, p);
	assert_true(fabs(p[0] - 5.0 / 8) < 1e-6 && fabs(p[2] - 1.0 / 8) < 1e-6);
	/* P(Beta(2, 3) > Beta(3, 2)), the integral of 12 x (1 - x)² (4x³ - 3x⁴). */
	policy_best_beta((double[]){ 2, 3 }, (double[]){ 3, 2 }, 2, p);
	assert_true(fabs(p[0] - 17.0 / 70) < 1e-6);
	/* Many decisions; hardly any; and no prior to speak of. */
	policy_best_beta((double[]){ 20000, 20300 }, (double[]){ 980000, 979700 }, 2, p);
	assert_true(p[1] > 0.93 && p[1] < 0.94); /* z = 1.52 */
	policy_best_beta((double[]){ 1e-3, 1e-3 }, (double[]){ 1e-3, 5 }, 2, p);
	assert_true(isfinite(p[0]) && fabs(p[0] + p[1] - 1) < 1e-12 && p[0] > p[1]);
}

static void
test_normal(void **state)
{
	double p[3];
	(void)state;
	policy_best_normal((double[]){ 1, 0 }, (double[]){ 3, 4 }, 2, p);
	assert_true(fabs(p[0] - 0.5 * erfc(-0.2 / sqrt(2))) < 1e-6);
	policy_best_normal((double[]){ 0, 0, 0 }, (double[]){ 1, 1, 1 }, 3, p);
	assert_true(fabs(p[2] - 1.0 / 3) < 1e-9);
	policy_best_normal((double[]){ 0, 2, 2 }, (double[]){ 0, 0, 0 }, 3, p);
	assert_true(p[0] == 0 && p[1] == 1 && p[2] == 0);
}

/* By drawing, as Thompson does it: the quadrature stays within 4 standard errors. */
static double
normal_draw(uint64_t *s)
{
	return sqrt(-2 * log(chance(s) + 1e-300)) * cos(6.283185307179586 * chance(s));
}

static void
test_against_draws(void **state)
{
	const double mean[3] = { 0.1, 0.12, 0.05 }, deviation[3] = { 0.02, 0.01, 0.08 };
	const int draws = 200000;
	double p[3];
	int won[3] = { 0 };
	uint64_t s = 7;
	(void)state;
	for (int k = 0; k < draws; k++) {
		double v[3];
		for (int i = 0; i < 3; i++)
			v[i] = mean[i] + deviation[i] * normal_draw(&s);
		won[v[0] > v[1] ? (v[0] > v[2] ? 0 : 2) : v[1] > v[2] ? 1 : 2]++;
	}
	policy_best_normal(mean, deviation, 3, p);
	for (int i = 0; i < 3; i++) {
		double share = (double)won[i] / draws;
		assert_true(fabs(share - p[i]) < 4 * sqrt(p[i] * (1 - p[i]) / draws));
	}
}

/* ---- kinds ---- */

static const struct policy_arm_ask ARMS[] = {
	{ .name = STR("a"), .share = 0.25, .prior_successes = 1, .prior_failures = 1 },
	{ .name = STR("b"), .share = 0.25, .prior_successes = 1, .prior_failures = 1 },
	{ .name = STR("new"), .share = 0.5, .prior_successes = 1, .prior_failures = 99 },
};

static void
test_rates(void **state)
{
	struct policy *p = state_new(0, 1);
	struct policy_ask ask = { .kind = POLICY_EPSILON, .epsilon = 0.2, .arms = ARMS, .narms = 3 };
	struct err e = { 0 };
	double got[3];
	(void)state;
	for (int i = 0; i < 1000; i++) {
		policy_add(p, 0, NULL, i % 50 == 0);
		policy_add(p, 1, NULL, i % 20 == 0);
	}
	assert_int_equal(policy_finish(p, &e), 0);
	assert_true(policy_probabilities(p, &ask, got));
	assert_true(fabs(got[0] - 0.05) < 1e-12 && fabs(got[1] - 0.85) < 1e-12 && fabs(got[2] - 0.1) < 1e-12);
	ask.kind = POLICY_THOMPSON;
	assert_true(policy_probabilities(p, &ask, got));
	assert_true(got[1] > got[2] && got[2] > got[0] && fabs(got[0] + got[1] + got[2] - 1) < 1e-12);
	/* A state without rows is of no use to the linear kinds. */
	ask.kind = POLICY_LINUCB;
	assert_false(policy_probabilities(p, &ask, got));
	policy_free(&p);
	assert_null(p);
}

/* Rewards of a come with the feature, those of b without: either is best where it should be. */
static void
test_linear(void **state)
{
	struct policy *p = state_new(2, 1);
	struct policy_ask ask = { .kind = POLICY_LINUCB, .alpha = 0.1, .arms = ARMS, .narms = 2, .nrow = 1 };
	struct err e = { 0 };
	uint64_t s = 1;
	double got[2], on = 1, off = 0, nothing = NAN;
	(void)state;
	for (int i = 0; i < 4000; i++) {
		double x = chance(&s) < 0.5;
		size_t arm = chance(&s) < 0.5;
		policy_add(p, arm, &x, chance(&s) < ((x == 1) == (arm == 0) ? 0.3 : 0.1));
	}
	assert_int_equal(policy_finish(p, &e), 0);
	ask.row = &on;
	assert_true(policy_probabilities(p, &ask, got) && got[0] == 1 && got[1] == 0);
	ask.row = &off;
	assert_true(policy_probabilities(p, &ask, got) && got[0] == 0 && got[1] == 1);
	ask.kind = POLICY_LINEAR_THOMPSON;
	assert_true(policy_probabilities(p, &ask, got) && got[0] < 0.01 && fabs(got[0] + got[1] - 1) < 1e-12);
	/* The more the uncertainty counts, the nearer to chance. */
	ask.alpha = 100;
	assert_true(policy_probabilities(p, &ask, got) && got[0] > 0.4 && got[0] < 0.5);
	ask.row = &nothing;
	assert_true(policy_probabilities(p, &ask, got) && got[0] > 0.4 && got[0] < 0.5);
	ask.nrow = 2;
	assert_false(policy_probabilities(p, &ask, got));
	policy_free(&p);
}

/* θ and the confidence against a system solved by hand: A + I = [[3, 1], [1, 2]], b = (1, 1). */
static void
test_solution(void **state)
{
	struct policy *p = state_new(2, 1);
	struct err e = { 0 };
	double y[2], one = 1, zero = 0;
	(void)state;
	policy_add(p, 0, &one, true);
	policy_add(p, 0, &zero, false);
	assert_int_equal(policy_finish(p, &e), 0);
	assert_true(fabs(p->arms[0].theta[0] - 0.2) < 1e-15 && fabs(p->arms[0].theta[1] - 0.4) < 1e-15);
	assert_true(fabs(policy_form(p->arms[0].factor, 2, (double[]){ 1, 1 }, y) - 0.6) < 1e-15);
	policy_free(&p);
	/* Without a prior nothing is known of an arm that was never tried. */
	p = state_new(2, 0);
	assert_int_equal(policy_finish(p, &e), -1);
	assert_int_equal(e.kind, ERR_INPUT);
	policy_free(&p);
}

/* ---- files ---- */

static void
test_file(void **state)
{
	struct policy *p = state_new(3, 0.5), *q;
	struct buf b = { 0 }, again = { 0 };
	struct err e = { 0 };
	uint64_t s = 3;
	(void)state;
	for (int i = 0; i < 100; i++)
		policy_add(p, (size_t)i % 3, (double[]){ chance(&s), chance(&s) * 1e-7 }, i % 7 == 0);
	p->made_ms = 1774774800000;
	p->pending = 5;
	assert_int_equal(policy_finish(p, &e), 0);
	policy_print(p, &b);
	q = policy_parse(buf_str(&b), &e);
	if (q == NULL)
		fail_msg("%s", e.text);
	policy_print(q, &again);
	assert_true(str_eq(buf_str(&b), buf_str(&again)));
	for (size_t k = 0; k < 3; k++) {
		assert_int_equal(q->arms[k].decisions, p->arms[k].decisions);
		assert_memory_equal(q->arms[k].a, p->arms[k].a, 9 * sizeof(double));
		assert_memory_equal(q->arms[k].theta, p->arms[k].theta, 3 * sizeof(double));
	}
	policy_free(&q);
	/* Cut off anywhere, or one bit changed anywhere: refused. */
	for (size_t n = 0; n < b.n; n += 13) {
		assert_null(policy_parse(str_make(b.p, n), &e));
		assert_int_equal(e.kind, ERR_CORRUPT);
	}
	for (size_t i = 0; i < b.n; i += 7) {
		b.p[i] ^= 1;
		assert_null(policy_parse(buf_str(&b), &e));
		b.p[i] ^= 1;
	}
	policy_free(&p);
	buf_free(&b);
	buf_free(&again);
}

static void
test_bounds(void **state)
{
	struct str many[POLICY_MAX_ARMS + 1];
	struct policy_shape shape = { .arms = many, .narms = POLICY_MAX_ARMS + 1 };
	struct err e = { 0 };
	(void)state;
	for (size_t i = 0; i < POLICY_MAX_ARMS + 1; i++)
		many[i] = STR("x");
	assert_null(policy_new(&shape, &e));
	assert_int_equal(e.kind, ERR_LIMIT);
	shape.narms = 1;
	shape.dim = POLICY_MAX_COLUMNS + 2;
	assert_null(policy_new(&shape, &e));
	shape.narms = 0;
	shape.dim = 0;
	assert_null(policy_new(&shape, &e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beta),	      cmocka_unit_test(test_normal),
		cmocka_unit_test(test_against_draws), cmocka_unit_test(test_rates),
		cmocka_unit_test(test_linear),	      cmocka_unit_test(test_solution),
		cmocka_unit_test(test_file),	      cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
