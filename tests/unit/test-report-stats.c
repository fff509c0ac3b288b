/*
 * test-report-stats: the statistics of reports against what was published.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "report/stats.h"

#define NEAR(is, want, by)                                                         \
	do {                                                                       \
		double is_ = (is), want_ = (want);                                 \
		if (!(fabs(is_ - want_) <= (by)))                                  \
			fail_msg("%s is %.12g, should be %.12g", #is, is_, want_); \
	} while (0)

/* R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998),
 * 857-872, table I, method 3. */
static void
test_wilson(void **state)
{
	(void)state;
	static const struct {
		int64_t k, n;
		double low, high;
	} cases[] = {
		{ 81, 263, 0.2553, 0.3662 },
		{ 15, 148, 0.0624, 0.1605 },
		{ 0, 20, 0.0000, 0.1611 },
		{ 1, 29, 0.0061, 0.1718 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stats_interval x = stats_wilson(cases[i].k, cases[i].n, STATS_Z95);
		NEAR(x.value, (double)cases[i].k / (double)cases[i].n, 1e-15);
		NEAR(x.low, cases[i].low, 5e-5);
		NEAR(x.high, cases[i].high, 5e-5);
		/* Failures are successes seen from the other side. */
		struct stats_interval y = stats_wilson(cases[i].n - cases[i].k, cases[i].n, STATS_Z95);
		NEAR(y.low, 1 - x.high, 1e-12);
		NEAR(y.high, 1 - x.low, 1e-12);
	}
	assert_true(stats_wilson(0, 20, STATS_Z95).low == 0 && stats_wilson(20, 20, STATS_Z95).high == 1);
}

/* The same author's second paper (stats.h), table II, method 10. */
static void
test_newcombe(void **state)
{
	(void)state;
	static const struct {
		int64_t k1, n1, k2, n2;
		double low, high;
	} cases[] = {
		{ 56, 70, 48, 80, 0.0524, 0.3339 }, { 9, 10, 3, 10, 0.1705, 0.8090 },
		{ 6, 7, 2, 7, 0.0582, 0.8062 },	    { 5, 56, 0, 29, -0.0381, 0.1926 },
		{ 0, 10, 0, 20, -0.1611, 0.2775 },  { 10, 10, 0, 20, 0.6791, 1.0000 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stats_interval x =
		    stats_newcombe(cases[i].k1, cases[i].n1, cases[i].k2, cases[i].n2, STATS_Z95);
		NEAR(x.low, cases[i].low, 5e-5);
		NEAR(x.high, cases[i].high, 5e-5);
	}
}

static void
test_two_proportions(void **state)
{
	(void)state;
	/* The lady tasting tea: 3 of 4 told right, (16 + 1 + 1 + 16) / 70. */
	NEAR(stats_fisher(3, 4, 1, 4), 34.0 / 70, 1e-9);
	NEAR(stats_fisher(4, 4, 0, 4), 2.0 / 70, 1e-9);
	/* scipy.stats.fisher_exact's own example */
	NEAR(stats_fisher(8, 10, 1, 6), 0.034965034965, 1e-9);
	assert_string_equal(stats_two(8, 10, 1, 6).name, "fisher");
	NEAR(stats_two(8, 10, 1, 6).p, 0.034965034965, 1e-9);
	/* Heart attacks under placebo and aspirin (Physicians' Health Study): X2 = 25.01, Agresti,
	 * Categorical Data Analysis. */
	struct stats_test t = stats_two(189, 11034, 104, 11037);
	assert_string_equal(t.name, "z");
	NEAR(t.statistic * t.statistic, 25.01, 0.01);
	NEAR(t.p, 5.7e-7, 0.1e-7);
	NEAR(stats_two(104, 11037, 189, 11034).statistic, -t.statistic, 1e-12);
	/* Nothing happened, or to all: no difference. */
	NEAR(stats_two(0, 1000, 0, 2000).p, 1, 1e-9);
	NEAR(stats_two(1000, 1000, 2000, 2000).p, 1, 1e-9);
	/* Long tables end, too. */
	double p = stats_two(1, 5000000, 2, 5000000).p;
	NEAR(p, 1, 1e-6);
	p = stats_two(3, 5, 3000000, 5000000).p;
	assert_true(p > 0.99 && p <= 1);
}

static void
test_superior(void **state)
{
	(void)state;
	NEAR(stats_superior(0, 0, 0, 0), 0.5, 1e-12);
	NEAR(stats_superior(10, 100, 10, 100), 0.5, 1e-9);
	NEAR(stats_superior(70000, 1000000, 70000, 1000000), 0.5, 1e-9);
	/* Beta(a, 1) is the a-th root of a uniform number: P = a / (a + b). */
	for (int64_t a = 0; a < 40; a += 3)
		for (int64_t b = 0; b < 40; b += 7)
			NEAR(stats_superior(a, a, b, b), (double)(a + 1) / (double)(a + b + 2), 1e-9);
	/* Both ways agree, on both sides, whichever parameter is least. */
	static const double v[][4] = {
		{ 501, 9501, 551, 9451 }, { 9501, 501, 9451, 551 },    { 600, 700, 5000, 6100 },
		{ 5000, 6100, 600, 700 }, { 505, 100000, 600, 99000 }, { 510, 520, 1000000, 1010000 },
	};
	for (size_t i = 0; i < sizeof v / sizeof v[0]; i++) {
		double sum = stats_beta_above_sum(v[i][0], v[i][1], v[i][2], v[i][3]);
		NEAR(stats_beta_above_grid(v[i][0], v[i][1], v[i][2], v[i][3]), sum, 1e-6);
		NEAR(stats_beta_above_sum(v[i][2], v[i][3], v[i][0], v[i][1]), 1 - sum, 1e-8);
	}
	/* Laplace (1786): that boys are born more often in London than in Paris, 410,458 to one by his
	 * approximation. */
	double paris = stats_superior(251527, 251527 + 241945, 737629, 737629 + 698958);
	assert_true(paris > 1.0 / 500000 && paris < 1.0 / 300000);
	/* Worlds apart */
	NEAR(stats_superior(900000, 1000000, 100000, 1000000), 1, 0);
	NEAR(stats_superior(100000, 1000000, 900000, 1000000), 0, 0);
}

static void
test_chi_square(void **state)
{
	(void)state;
	/* Critical values, NIST/SEMATECH e-Handbook 1.3.6.7.4. */
	static const struct {
		double x;
		int df;
		double p;
	} cases[] = {
		{ 3.841, 1, 0.05 },    { 5.991, 2, 0.05 },     { 18.307, 10, 0.05 }, { 10.828, 1, 0.001 },
		{ 29.588, 10, 0.001 }, { 124.342, 100, 0.05 }, { 0, 5, 1 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		NEAR(stats_chi2_tail(cases[i].x, cases[i].df), cases[i].p, cases[i].p * 1e-3);
	/* With two degrees of freedom it is exp(-x / 2), on both sides of the two ways it is computed. */
	for (double x = 0.1; x < 100; x *= 1.7)
		NEAR(stats_chi2_tail(x, 2) / exp(-x / 2), 1, 1e-11);
}

/* Kohavi, Tang, Xu, Trustworthy Online Controlled Experiments (2020), chapter 21: p = 1.8e-6. */
static void
test_sample_ratio(void **state)
{
	(void)state;
	double chi2,
	    p = stats_ratio((const int64_t[]){ 821588, 815482 }, (const double[]){ 0.5, 0.5 }, 2, &chi2);
	NEAR(p, 1.8e-6, 0.05e-6);
	NEAR(chi2, 22.774, 0.01);
	p = stats_ratio((const int64_t[]){ 250, 500, 250 }, (const double[]){ 0.25, 0.5, 0.25 }, 3, &chi2);
	NEAR(p, 1, 0);
	NEAR(chi2, 0, 0);
}

static void
test_holm(void **state)
{
	(void)state;
	double p[] = { 0.01, 0.04, 0.03, 0.005 }, want[] = { 0.03, 0.06, 0.06, 0.02 };
	stats_holm(p, 4);
	for (int i = 0; i < 4; i++)
		NEAR(p[i], want[i], 1e-12);
	double high[] = { 0.9, 0.6 };
	stats_holm(high, 2);
	NEAR(high[0], 1, 0);
	NEAR(high[1], 1, 0);
	double many[STATS_MAX_HOLM + 1];
	for (int i = 0; i <= STATS_MAX_HOLM; i++)
		many[i] = 1e-4;
	stats_holm(many, STATS_MAX_HOLM + 1);
	NEAR(many[7], 1e-4 * (STATS_MAX_HOLM + 1), 1e-12);
	stats_holm(many, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wilson),
		cmocka_unit_test(test_newcombe),
		cmocka_unit_test(test_two_proportions),
		cmocka_unit_test(test_superior),
		cmocka_unit_test(test_chi_square),
		cmocka_unit_test(test_sample_ratio),
		cmocka_unit_test(test_holm),
	};
	return cmocka_run_group_tests_name("report statistics", tests, NULL, NULL);
}
