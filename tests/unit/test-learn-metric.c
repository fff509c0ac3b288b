/* test-learn-metric: figures against their definitions, tables, the bootstrap, calibration. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "learn/calibrate.h"
#include "learn/metric.h"
#include "learn/random.h"

#define N 400
static double p[N], y[N], w[N];
static const struct metric_data plain = { p, y, NULL, N }, weighted = { p, y, w, N };

/* Probabilities in steps of 1/32 (many ties), labels that follow them. */
static int
setup(void **state)
{
	uint64_t seed = 7;
	(void)state;
	for (size_t i = 0; i < N; i++) {
		p[i] = (double)(random_below(&seed, 31) + 1) / 32;
		y[i] = random_unit(&seed) < p[i];
		w[i] = (double)random_below(&seed, 4);
	}
	return 0;
}

static void
near(double got, double want)
{
	if (!(fabs(got - want) < 1e-12))
		fail_msg("%.17g, wanted %.17g", got, want);
}

/* Pairs, one by one. */
static void
auc_is_pairs(void **state)
{
	const struct metric_data *sets[] = { &plain, &weighted };
	(void)state;
	for (size_t s = 0; s < 2; s++) {
		double won = 0, all = 0;
		for (size_t i = 0; i < N; i++)
			for (size_t j = 0; j < N; j++) {
				if (y[i] != 1 || y[j] != 0)
					continue;
				double pair = s ? w[i] * w[j] : 1;
				won += pair * (p[i] > p[j] ? 1 : p[i] == p[j] ? .5 : 0);
				all += pair;
			}
		near(metric_auc(sets[s]), won / all);
	}
	const double one[] = { 1, 1 }, two[] = { .3, .4 };
	assert_true(isnan(metric_auc(&(struct metric_data){ two, one, NULL, 2 })));
	assert_true(isnan(metric_auc(&(struct metric_data){ two, one, NULL, 0 })));
}

/* scikit-learn's documentation of average_precision_score, and a tie. */
static void
precision(void **state)
{
	const double s[] = { .1, .4, .35, .8 }, l[] = { 0, 0, 1, 1 }, tie[] = { .5, .5, .5, .5 };
	(void)state;
	near(metric_precision(&(struct metric_data){ s, l, NULL, 4 }), 5.0 / 6);
	near(metric_precision(&(struct metric_data){ tie, l, NULL, 4 }), .5);
}

static void
means(void **state)
{
	const double s[] = { .25, 0, 1, .5 }, l[] = { 0, 0, 1, 1 }, wrong[] = { 1 }, zero[] = { 0 };
	(void)state;
	near(metric_logloss(&(struct metric_data){ s, l, NULL, 4 }), -(log(.75) + log(.5)) / 4);
	near(metric_brier(&(struct metric_data){ s, l, NULL, 4 }), (.0625 + .25) / 4);
	near(metric_logloss(&(struct metric_data){ wrong, zero, NULL, 1 }), 52 * log(2));
	struct metrics m = metric_all(&weighted);
	double rows = 0, pos = 0;
	for (size_t i = 0; i < N; i++) {
		rows += w[i];
		pos += w[i] * y[i];
	}
	near(m.rows, rows);
	near(m.positives, pos);
}

static void
tables(void **state)
{
	struct metric_bin bins[10];
	struct metric_lift lift[10];
	const double s[] = { .1, .2, .3, .4, .5 }, l[] = { 0, 1, 0, 1, 1 }, same[] = { .3, .3, .3, .3, .3 };
	(void)state;
	/* 5 rows in 2 bins: 3 and 2. */
	assert_int_equal(metric_calibration(&(struct metric_data){ s, l, NULL, 5 }, 2, bins), 2);
	near(bins[0].predicted, .2);
	near(bins[0].observed, 1.0 / 3);
	near(bins[1].observed, 1);
	assert_true(bins[1].high == 1 && bins[1].low > .3 && bins[1].low < 1);
	near(metric_ece(&(struct metric_data){ s, l, NULL, 5 }, 2), .6 * (1.0 / 3 - .2) + .4 * .55);
	assert_int_equal(metric_calibration(&(struct metric_data){ s, l, NULL, 5 }, 10, bins), 5);
	assert_int_equal(metric_lift(&(struct metric_data){ s, l, NULL, 5 }, 5, lift), 5);
	near(lift[0].captured, 1.0 / 3);
	near(lift[1].captured, 2.0 / 3);
	near(lift[2].captured, 2.0 / 3);
	near(lift[1].lift, 2.0 / 3 / .4);
	near(lift[4].captured, 1);
	/* What cannot be told apart is no lift. */
	assert_int_equal(metric_lift(&(struct metric_data){ same, l, NULL, 5 }, 10, lift), 10);
	for (size_t i = 0; i < 10; i++)
		near(lift[i].lift, 1);
}

static void
comparison(void **state)
{
	double noisy[N], same[N];
	uint64_t seed = 3;
	(void)state;
	for (size_t i = 0; i < N; i++) {
		noisy[i] = random_unit(&seed);
		same[i] = p[i];
	}
	for (int k = 0; k < METRIC_KINDS; k++) {
		enum metric_kind kind = (enum metric_kind)k;
		struct metric_difference d = metric_compare(p, noisy, y, NULL, N, kind, 200, 1);
		assert_int_equal(d.verdict, 1);
		assert_true(d.low <= d.difference && d.difference <= d.high && d.se > 0);
		struct metric_difference again = metric_compare(p, noisy, y, NULL, N, kind, 200, 1);
		assert_true(d.se == again.se && d.low == again.low);
		d = metric_compare(noisy, p, y, NULL, N, kind, 200, 1);
		assert_int_equal(d.verdict, -1);
		/* Equal models: no difference, no error, no verdict. */
		d = metric_compare(p, same, y, NULL, N, kind, 50, 1);
		assert_true(d.difference == 0 && d.se == 0 && d.verdict == 0);
	}
	/* The bootstrap's standard error of a mean is the textbook's. */
	struct metric_difference d = metric_compare(p, noisy, y, NULL, N, METRIC_BRIER, 2000, 5);
	double mean = 0, square = 0;
	for (size_t i = 0; i < N; i++)
		mean += ((p[i] - y[i]) * (p[i] - y[i]) - (noisy[i] - y[i]) * (noisy[i] - y[i])) / N;
	for (size_t i = 0; i < N; i++) {
		double v = (p[i] - y[i]) * (p[i] - y[i]) - (noisy[i] - y[i]) * (noisy[i] - y[i]) - mean;
		square += v * v;
	}
	near(d.difference, mean);
	assert_true(fabs(d.se / sqrt(square / N / N) - 1) < .08);
}

static void
calibration(void **state)
{
	static const char *const columns[] = { "a" };
	struct err e = { 0 };
	struct model *m = model_new("logistic", "s", columns, 1, MODEL_LOGIT, &e);
	double z[N], raw[N], platt[N], steps[N];
	(void)state;
	/* Margins that are twice too sure, and off. */
	for (size_t i = 0; i < N; i++) {
		z[i] = 2 * log(p[i] / (1 - p[i])) + 1;
		raw[i] = platt[i] = steps[i] = z[i];
	}
	model_link_apply(m, raw, N);
	assert_int_equal(calibrate_platt(m, z, y, NULL, N, &e), 0);
	assert_true(fabs(m->calibration.a - .5) < .1 && fabs(m->calibration.b + .5) < .3);
	model_link_apply(m, platt, N);
	assert_int_equal(calibrate_isotonic(m, z, y, NULL, N, &e), 0);
	model_link_apply(m, steps, N);
	double before = metric_logloss(&(struct metric_data){ raw, y, NULL, N });
	assert_true(metric_logloss(&(struct metric_data){ platt, y, NULL, N }) < before - .02);
	assert_true(metric_brier(&(struct metric_data){ steps, y, NULL, N }) <
		    metric_brier(&(struct metric_data){ platt, y, NULL, N }));
	for (size_t i = 1; i < m->calibration.npoints; i++)
		assert_true(m->calibration.x[i] > m->calibration.x[i - 1] &&
			    m->calibration.y[i] > m->calibration.y[i - 1]);
	for (size_t i = 0; i < N; i++)
		y[i] = 1;
	assert_int_equal(calibrate_platt(m, z, y, NULL, N, &e), -1);
	m->link = MODEL_IDENTITY;
	assert_int_equal(calibrate_isotonic(m, z, y, NULL, N, &e), -1);
	model_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(auc_is_pairs, setup), cmocka_unit_test_setup(precision, setup),
		cmocka_unit_test_setup(means, setup),	     cmocka_unit_test_setup(tables, setup),
		cmocka_unit_test_setup(comparison, setup),   cmocka_unit_test_setup(calibration, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
