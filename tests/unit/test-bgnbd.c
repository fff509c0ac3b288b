/* bgnbd and minimize: against sums written out, simulated customers whose parameters are known, and what
 * cannot be. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "learn/bgnbd.h"
#include "learn/minimize.h"

static void
near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		fail_msg("%.12g, not %.12g within %g", got, want, tolerance);
}

/* Rosenbrock's valley in n variables; minimum 0 at all ones. */
static double
valley(void *ctx, const double *x)
{
	double sum = 0;
	for (size_t i = 0; i + 1 < *(size_t *)ctx; i++)
		sum += 100 * pow(x[i + 1] - x[i] * x[i], 2) + pow(1 - x[i], 2);
	return sum;
}

static void
test_minimize(void **state)
{
	(void)state;
	for (size_t n = 2; n <= 6; n++) {
		double x[MINIMIZE_MAX] = { -1.2, 1, -1, 0.5, 2, -2 }, v;
		size_t evaluations;
		const struct minimize m = { n, valley, &n, 0.5, 1e-14, 200000 };
		assert_true(minimize(&m, x, &v, &evaluations));
		near(v, 0, 1e-8);
		for (size_t i = 0; i < n; i++)
			near(x[i], 1, 1e-3);
	}
}

static double
nowhere(void *ctx, const double *x)
{
	(void)ctx;
	return x[0] > 0 ? NAN : -x[0];
}

static void
test_minimize_ends(void **state)
{
	(void)state;
	double x[1] = { -3 }, v;
	size_t evaluations;
	struct minimize m = { 1, nowhere, NULL, 0.5, 1e-12, 1000 };
	minimize(&m, x, &v, &evaluations);
	near(v, 0, 1e-6);
	m.max = 5;
	x[0] = -3;
	assert_false(minimize(&m, x, &v, &evaluations));
	assert_true(evaluations < 20);
}

/* Without repeats: r (ln alpha - ln(alpha + age)). */
static void
test_loglik(void **state)
{
	(void)state;
	const struct bgnbd m = { .r = 0.5, .alpha = 2, .a = 1, .b = 3 };
	const struct bgnbd_customer none = { 0, 0, 6, 2 }, one = { 1, 4, 6, 1 };
	near(bgnbd_loglik(&m, &none, 1), 2 * 0.5 * log(2.0 / 8), 1e-12);
	/* r·alpha^r·(b/(a+b)·(alpha+age)^-(r+1) + a/(a+b)·(alpha+recency)^-(r+1)) */
	double want = 0.5 * sqrt(2) * (0.75 * pow(8, -1.5) + 0.25 * pow(6, -1.5));
	near(bgnbd_loglik(&m, &one, 1), log(want), 1e-12);
	near(bgnbd_alive(&m, &none), 1, 0);
	near(bgnbd_alive(&m, &one), 1 / (1 + 1.0 / 3 * pow(8.0 / 6, 1.5)), 1e-12);
}

/* A customer without repeats: E[X(t)] is an integral over lambda and p that is done here by a sum. */
static double
expected_by_sum(const struct bgnbd *m, const struct bgnbd_customer *c, double t)
{
	double top = 0, bottom = 0;
	const int n = 800;
	for (int i = 0; i < n; i++) {
		double p = (i + 0.5) / n, wp = pow(p, m->a - 1) * pow(1 - p, m->b - 1);
		for (int k = 0; k < n; k++) {
			double l = (k + 0.5) / n * 12; /* the rate; beyond there is next to nothing */
			double wl = pow(l, m->r - 1 + c->repeats) * exp(-l * (m->alpha + c->age));
			double w = wp * wl * pow(1 - p, c->repeats);
			top += w * (1 - exp(-l * p * t)) / p;
			bottom += w;
		}
	}
	return top / bottom * bgnbd_alive(m, c);
}

static void
test_expected(void **state)
{
	(void)state;
	const struct bgnbd_customer c[] = { { 0, 0, 3, 1 }, { 2, 2, 3, 1 }, { 5, 2.5, 3, 1 } };
	const struct bgnbd m[] = { { .r = 2, .alpha = 4, .a = 2, .b = 3 },
				   { .r = 1.5, .alpha = 3, .a = 1, .b = 2 } };
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 2; k++)
			near(bgnbd_expected(&m[k], &c[i], 5), expected_by_sum(&m[k], &c[i], 5), 5e-3);
	near(bgnbd_expected(&m[0], &c[1], 0), 0, 0);
	assert_true(bgnbd_expected(&m[0], &c[1], 1e6) > bgnbd_expected(&m[0], &c[1], 100));
}

/* ---- simulated customers ---- */

static double
uniform(uint64_t *seed)
{
	*seed += 0x9e3779b97f4a7c15;
	uint64_t z = *seed;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

/* Gamma(k, 1) of whole k. */
static double
gamma_draw(uint64_t *seed, int k)
{
	double sum = 0;
	while (k-- > 0)
		sum -= log(uniform(seed));
	return sum;
}

static struct bgnbd_customer
customer_draw(uint64_t *seed, double age)
{
	/* lambda ~ Gamma(2, 6), p ~ Beta(1, 3) */
	double lambda = gamma_draw(seed, 2) / 6, one = gamma_draw(seed, 1),
	       p = one / (one + gamma_draw(seed, 3));
	struct bgnbd_customer c = { 0, 0, age, 1 };
	for (double t = 0;;) {
		t -= log(uniform(seed)) / lambda;
		if (t > age)
			break;
		c.repeats++;
		c.recency = t;
		if (uniform(seed) < p)
			break;
	}
	return c;
}

static void
test_recovery(void **state)
{
	(void)state;
	enum { N = 20000 };
	struct bgnbd_customer *c = calloc(N, sizeof(*c));
	struct bgnbd m;
	struct err e = { 0 };
	uint64_t seed = 7;
	assert_non_null(c);
	for (int i = 0; i < N; i++)
		c[i] = customer_draw(&seed, 30 + 20 * uniform(&seed));
	assert_int_equal(bgnbd_fit(c, N, &m, &e), 0);
	assert_true(m.converged);
	near(m.r, 2, 0.15);
	near(m.alpha, 6, 0.5);
	near(m.a, 1, 0.1);
	near(m.b, 3, 0.3);
	near(m.loglik, bgnbd_loglik(&m, c, N), 1e-6);
	const struct bgnbd truth = { .r = 2, .alpha = 6, .a = 1, .b = 3 };
	assert_true(m.loglik >= bgnbd_loglik(&truth, c, N));
	free(c);
}

static void
test_refused(void **state)
{
	(void)state;
	struct bgnbd m;
	struct err e = { 0 };
	const struct bgnbd_customer bad[] = { { 1, 0, 5, 1 },  { 0, 1, 5, 1 },	      { 1, 6, 5, 1 },
					      { -1, 1, 5, 1 }, { 1, 1, INFINITY, 1 }, { NAN, 1, 5, 1 },
					      { 1, 1, 5, 0 } };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(bgnbd_fit(&bad[i], 1, &m, &e), -1);
	const struct bgnbd_customer nobody = { 0, 0, 5, 100 };
	assert_int_equal(bgnbd_fit(&nobody, 1, &m, &e), -1);
	assert_int_equal(bgnbd_fit(NULL, 0, &m, &e), -1);
	assert_int_equal(e.kind, ERR_INPUT);
	/* All the same: something finite comes out. */
	const struct bgnbd_customer same = { 3, 4, 5, 50 };
	assert_int_equal(bgnbd_fit(&same, 1, &m, &e), 0);
	assert_true(isfinite(m.loglik) && isfinite(bgnbd_expected(&m, &same, 10)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minimize), cmocka_unit_test(test_minimize_ends),
		cmocka_unit_test(test_loglik),	 cmocka_unit_test(test_expected),
		cmocka_unit_test(test_recovery), cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
