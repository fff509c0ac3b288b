/* bandit: choices and propensities, Sherman and Morrison beside a solved matrix, states that are read back.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learn/random.h"
#include "score/bandit.h"

#define DIM 7
#define ARMS 3

static struct bandit *
make(struct bandit_shape shape)
{
	struct err e = { 0 };
	struct bandit *b = bandit_new(&shape, &e);
	if (!b)
		fail_msg("%s", e.text);
	return b;
}

static void
row_draw(uint64_t *random, double *x)
{
	x[0] = 1;
	for (size_t i = 1; i < DIM; i++)
		x[i] = random_unit(random) * (double)i - 0.3;
}

/* The arm of algorithm 1, from A and b themselves, solved anew for every row. */
static size_t
arm_of_paper(const double *a, const double *b, const double *x, double alpha, double *theta)
{
	size_t best = 0;
	double high = -INFINITY;
	for (size_t k = 0; k < ARMS; k++) {
		double l[DIM * DIM], y[DIM], z[DIM], mean = 0, form = 0;
		memcpy(l, a + k * DIM * DIM, sizeof(l));
		assert_int_equal(policy_cholesky(l, DIM), 0);
		form = policy_form(l, DIM, x, y);
		policy_form(l, DIM, b + k * DIM, z);
		/* x·θ = xᵀA⁻¹b = (L⁻¹x)·(L⁻¹b) */
		for (size_t i = 0; i < DIM; i++)
			mean += y[i] * z[i];
		theta[k] = mean;
		if (mean + alpha * sqrt(form) > high) {
			high = mean + alpha * sqrt(form);
			best = k;
		}
	}
	return best;
}

static void
test_linucb(void **state)
{
	(void)state;
	struct bandit *b = make((struct bandit_shape){
	    .kind = BANDIT_LINUCB, .narms = ARMS, .dim = DIM, .lambda = 1, .alpha = 0.7 });
	double *a = calloc(ARMS * DIM * DIM, sizeof(*a)), sums[ARMS * DIM] = { 0 }, x[DIM], mean[ARMS];
	uint64_t random = 11;
	for (size_t k = 0; k < ARMS * DIM; k++)
		a[k / DIM * DIM * DIM + k % DIM * (DIM + 1)] = 1;
	for (int t = 0; t < 20000; t++) {
		row_draw(&random, x);
		struct bandit_choice c = bandit_decide(b, x, 0);
		assert_int_equal(c.arm, arm_of_paper(a, sums, x, 0.7, mean));
		assert_true(c.propensity == 1);
		double reward = random_unit(&random) < 0.1 + 0.2 * (double)c.arm * x[1];
		bandit_update(b, c.arm, x, reward);
		for (size_t i = 0; i < DIM; i++) {
			for (size_t j = 0; j < DIM; j++)
				a[c.arm * DIM * DIM + i * DIM + j] += x[i] * x[j];
			sums[c.arm * DIM + i] += reward * x[i];
		}
	}
	/* After all these updates nothing has drifted. */
	for (size_t k = 0; k < ARMS; k++) {
		double ours = 0;
		for (size_t i = 0; i < DIM; i++)
			ours += x[i] * b->theta[k * DIM + i];
		arm_of_paper(a, sums, x, 0.7, mean);
		assert_true(fabs(ours - mean[k]) < 1e-11);
		assert_memory_equal(sums + k * DIM, b->b + k * DIM, DIM * sizeof(double));
	}
	free(a);
	bandit_free(&b);
}

static void
test_ties(void **state)
{
	(void)state;
	const double x[2] = { 1, 1 }, scores[3] = { 0.1, 0.4, 0.4 };
	struct bandit *b = make(
	    (struct bandit_shape){ .kind = BANDIT_LINUCB, .narms = 3, .dim = 2, .lambda = 1, .alpha = 1 });
	assert_int_equal(bandit_decide(b, x, 0.99).arm, 0);
	bandit_update(b, 0, x, 0);
	assert_int_equal(bandit_decide(b, x, 0.99).arm, 1); /* arms 1 and 2 are alike, and less sure than 0 */
	bandit_free(&b);
	b = make((struct bandit_shape){ .kind = BANDIT_GREEDY, .narms = 3 });
	assert_int_equal(bandit_decide(b, scores, 0.5).arm, 1);
	bandit_free(&b);
}

/* Arms are drawn as often as their propensities say. */
static void
frequencies(const struct bandit *b, const double *x)
{
	enum { N = 200000 };
	double p[POLICY_MAX_ARMS], seen[POLICY_MAX_ARMS] = { 0 }, sum = 0;
	uint64_t random = 5;
	bandit_probabilities(b, x, p);
	for (int i = 0; i < N; i++) {
		struct bandit_choice c = bandit_decide(b, x, random_unit(&random));
		assert_true(c.propensity == p[c.arm] && c.propensity > 0);
		seen[c.arm]++;
	}
	for (size_t k = 0; k < b->narms; k++) {
		sum += p[k];
		assert_true(fabs(seen[k] / N - p[k]) < 4.5 * sqrt(p[k] * (1 - p[k]) / N) + 1e-9);
	}
	assert_true(fabs(sum - 1) < 1e-9);
}

static void
test_chance(void **state)
{
	(void)state;
	const double shares[3] = { 2, 0, 6 }, prior[6] = { 1, 9, 1, 9, 2, 8 }, x[2] = { 1, -0.5 };
	struct bandit *b = make((struct bandit_shape){ .kind = BANDIT_FIXED, .narms = 3, .shares = shares });
	frequencies(b, NULL);
	assert_true(b->share[0] == 0.25 && b->share[1] == 0);
	bandit_free(&b);

	b = make((struct bandit_shape){
	    .kind = BANDIT_EPSILON, .narms = 3, .epsilon = 0.2, .shares = shares, .prior = prior });
	frequencies(b, NULL);
	assert_true(bandit_decide(b, NULL, 0.9).propensity == 0.2 * 0.75 + 0.8);
	for (int i = 0; i < 20; i++)
		bandit_update(b, 1, NULL, 1);
	/* Without a share of its own the best arm has what is left. */
	assert_true(bandit_decide(b, NULL, 0.1).propensity == 0.8);
	frequencies(b, NULL);
	bandit_free(&b);

	b = make((struct bandit_shape){ .kind = BANDIT_THOMPSON, .narms = 3, .prior = prior });
	for (int i = 0; i < 30; i++)
		bandit_update(b, (size_t)i % 3, NULL, i % 5 == 0);
	frequencies(b, NULL);
	bandit_free(&b);

	b = make((struct bandit_shape){
	    .kind = BANDIT_LINEAR_THOMPSON, .narms = 3, .dim = 2, .lambda = 1, .alpha = 0.5 });
	bandit_update(b, 1, x, 1);
	frequencies(b, x);
	bandit_free(&b);
}

/* Thompson's probability of the better of two arms: known in closed form for whole numbers. */
static void
test_thompson(void **state)
{
	(void)state;
	const double prior[4] = { 1, 1, 2, 1 };
	struct bandit *b = make((struct bandit_shape){ .kind = BANDIT_THOMPSON, .narms = 2, .prior = prior });
	double p[2];
	bandit_probabilities(b, NULL, p);
	/* P(U < V), V of density 2v: ∫ v · 2v dv = 2/3. */
	assert_true(fabs(p[1] - 2.0 / 3) < 1e-6);
	bandit_free(&b);
}

static void
test_priors(void **state)
{
	(void)state;
	const double theta[4] = { 0, 0, 0.5, 0.25 }, x[2] = { 1, 2 };
	struct bandit *b = make((struct bandit_shape){
	    .kind = BANDIT_LINUCB, .narms = 2, .dim = 2, .lambda = 10, .alpha = 0, .prior_theta = theta });
	assert_int_equal(bandit_decide(b, x, 0).arm, 1);
	for (int i = 0; i < 100; i++)
		bandit_update(b, 1, x, 0);
	/* θ = A⁻¹b, A = 10 I + 100 xxᵀ, b = 10 θ₀: along x what is left is 10 / (10 + 500) of x·θ₀ = 1. */
	assert_true(fabs(b->theta[2] + 2 * b->theta[3] - 10.0 / 510) < 1e-12);
	bandit_free(&b);
}

static void
test_refused(void **state)
{
	(void)state;
	const double negative[2] = { 1, -1 }, none[2] = { 0, 0 };
	const struct bandit_shape bad[] = {
		{ .kind = BANDIT_FIXED },
		{ .kind = BANDIT_FIXED, .narms = POLICY_MAX_ARMS + 1 },
		{ .kind = BANDIT_FIXED, .narms = 2, .dim = 1 },
		{ .kind = BANDIT_FIXED, .narms = 2, .shares = negative },
		{ .kind = BANDIT_FIXED, .narms = 2, .shares = none },
		{ .kind = BANDIT_EPSILON, .narms = 2, .epsilon = 1.5 },
		{ .kind = BANDIT_THOMPSON, .narms = 1, .prior = none },
		{ .kind = BANDIT_LINUCB, .narms = 2, .dim = 2 },
		{ .kind = BANDIT_LINUCB, .narms = 2, .dim = 0, .lambda = 1 },
		{ .kind = BANDIT_LINUCB, .narms = 2, .dim = 2, .lambda = 1, .alpha = NAN },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = { 0 };
		assert_null(bandit_new(&bad[i], &e));
		assert_true(e.text[0] != '\0');
	}
}

static void
test_file(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct buf once = { 0 }, twice = { 0 };
	uint64_t random = 3;
	double x[DIM];
	struct bandit *b = make((struct bandit_shape){
	    .kind = BANDIT_LINEAR_THOMPSON, .narms = ARMS, .dim = DIM, .lambda = 2, .alpha = 0.3 });
	for (size_t t = 0; t < 500; t++) {
		row_draw(&random, x);
		bandit_update(b, t % ARMS, x, random_unit(&random));
	}
	bandit_print(b, &once);
	struct bandit *back = bandit_parse(buf_str(&once), &e);
	if (!back)
		fail_msg("%s", e.text);
	bandit_print(back, &twice);
	assert_true(str_eq(buf_str(&once), buf_str(&twice)));
	struct bandit_choice ours = bandit_decide(b, x, 0.4), theirs = bandit_decide(back, x, 0.4);
	assert_true(ours.arm == theirs.arm && ours.propensity == theirs.propensity);
	/* Cut off, or with any byte changed: refused. */
	for (size_t n = 0; n < once.n; n += 97) {
		char *bytes = malloc(once.n);
		memcpy(bytes, once.p, once.n);
		bytes[n] ^= 0x10;
		assert_null(bandit_parse(str_make(bytes, once.n), &e));
		assert_null(bandit_parse(str_make(once.p, n), &e));
		free(bytes);
	}
	/* A state that no updates give. */
	back->inverse[0] = -1;
	buf_reset(&twice);
	bandit_print(back, &twice);
	assert_null(bandit_parse(buf_str(&twice), &e));
	assert_non_null(strstr(e.text, "positive definite"));
	bandit_free(&b);
	bandit_free(&back);
	buf_free(&once);
	buf_free(&twice);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linucb), cmocka_unit_test(test_ties),
		cmocka_unit_test(test_chance), cmocka_unit_test(test_thompson),
		cmocka_unit_test(test_priors), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
