/* test-learn-linear: logistic regression and least squares, by the conditions that their optimum fulfils. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "learn/learn.h"
#include "learn/rows.h"

/* Numbers in 0..1 that are the same everywhere. */
static double
noise(uint64_t i)
{
	i = (i + 1) * 0x9E3779B97F4A7C15u;
	i = (i ^ i >> 30) * 0xBF58476D1CE4E5B9u;
	i = (i ^ i >> 27) * 0x94D049BB133111EBu;
	return (double)((i ^ i >> 31) >> 11) * 0x1p-53;
}

struct made {
	double *x, *y, *w;
	struct learn_data d;
};

/* Labels by a logistic law of the columns; the last two columns add up to 1, as one-hots of two values do. */
static struct made
make(size_t rows, size_t cols, bool weights)
{
	struct made m = { .x = malloc(rows * cols * sizeof(double)),
			  .y = malloc(rows * sizeof(double)),
			  .w = weights ? malloc(rows * sizeof(double)) : NULL };
	for (size_t i = 0; i < rows; i++) {
		double z = -1;
		for (size_t k = 0; k < cols; k++)
			m.x[i * cols + k] = noise(i * cols + k) * 2 - 1;
		m.x[i * cols + cols - 2] = noise(i) < .3;
		m.x[i * cols + cols - 1] = 1 - m.x[i * cols + cols - 2];
		for (size_t k = 0; k < cols; k++)
			z += m.x[i * cols + k] * (k % 3 ? 1 : -.5);
		m.y[i] = noise(i + (1u << 30)) < 1 / (1 + exp(-z));
		if (weights)
			m.w[i] = i % 7 ? noise(i + 5) : 0;
	}
	m.d = (struct learn_data){ .rows = rows, .cols = cols, .x = m.x, .y = m.y, .w = m.w };
	return m;
}

static void
made_free(struct made *m)
{
	free(m->x);
	free(m->y);
	free(m->w);
}

/* The largest component of the gradient, computed row by row. */
static double
gradient(const struct learn_data *d, double l2, const double *b, bool logit)
{
	double worst = 0;
	for (size_t k = 0; k <= d->cols; k++) {
		double g = k > 0 ? l2 * b[k] : 0;
		for (size_t i = 0; i < d->rows; i++) {
			double z = b[0];
			for (size_t j = 0; j < d->cols; j++)
				z += b[j + 1] * d->x[i * d->cols + j];
			double p = logit ? 1 / (1 + exp(-z)) : z;
			g += (d->w ? d->w[i] : 1) * (p - d->y[i]) * (k > 0 ? d->x[i * d->cols + k - 1] : 1);
		}
		worst = fabs(g) > worst ? fabs(g) : worst;
	}
	return worst;
}

static void
logistic_optimum(void **state)
{
	static const struct {
		size_t rows, cols;
		bool weights;
		double l2;
	} cases[] = { { 40, 2, false, 1 },   { 500, 7, false, 1 },  { 500, 7, true, .01 },
		      { 9000, 5, false, 1 }, { 9000, 5, true, 0 },  { 20000, 9, false, 100 },
		      { 700, 150, true, 1 }, { 90000, 3, false, 0 } };
	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct made m = make(cases[c].rows, cases[c].cols, cases[c].weights);
		double b[160];
		struct learn_fit fit;
		struct err e = { 0 };
		if (learn_logistic_fit(&m.d, cases[c].l2, b, NULL, NULL, &fit, &e) != 0)
			fail_msg("case %zu: %s", c, e.text);
		assert_true(fit.converged);
		double g = gradient(&m.d, cases[c].l2, b, true);
		if (!(g <= 1e-9 * (double)cases[c].rows))
			fail_msg("case %zu: gradient %g", c, g);
		made_free(&m);
	}
}

static void
ridge_optimum(void **state)
{
	(void)state;
	for (int c = 0; c < 4; c++) {
		struct made m = make(800, 6, c % 2);
		double b[7], l2 = c / 2 ? 3 : 0;
		struct err e = { 0 };
		assert_int_equal(learn_ridge_fit(&m.d, l2, b, NULL, &e), 0);
		assert_true(gradient(&m.d, l2, b, false) < 1e-9);
		/* Of all solutions the shortest: orthogonal to (1, …, -1, -1), which changes nothing. */
		if (l2 == 0)
			assert_true(fabs(b[0] - b[5] - b[6]) < 1e-9);
		made_free(&m);
	}
}

/* A missing cell counts as the mean of its column, in training and in the model. */
static void
missing_cells(void **state)
{
	static const char *const columns[] = { "a", "b", "c", "d" };
	const struct learn_names names = { "click", columns };
	struct made m = make(600, 4, false), full = make(600, 4, false);
	double b[5], want[5], missing[4], mean = 0, row[4] = { NAN, .5, NAN, 1 }, at_mean[4], score[2];
	struct err e = { 0 };
	(void)state;
	for (size_t i = 0; i < 600; i++)
		mean += i % 3 ? m.x[i * 4] / 400 : 0;
	for (size_t i = 0; i < 600; i += 3) {
		m.x[i * 4] = NAN;
		full.x[i * 4] = mean;
	}
	assert_int_equal(learn_logistic_fit(&m.d, 1, b, missing, NULL, NULL, &e), 0);
	assert_int_equal(learn_logistic_fit(&full.d, 1, want, NULL, NULL, NULL, &e), 0);
	for (size_t k = 0; k < 5; k++)
		assert_true(fabs(b[k] - want[k]) < 1e-9);
	assert_true(fabs(missing[0] - mean) < 1e-12 && missing[1] == 0);
	struct model *model = learn_logistic(&m.d, &names, 1, NULL, &e);
	assert_non_null(model);
	void *scratch = malloc(model_scratch(model, 1));
	memcpy(at_mean, row, sizeof(row));
	at_mean[0] = missing[0];
	at_mean[2] = missing[2];
	model_apply(model, row, 1, scratch, &score[0], 1);
	model_apply(model, at_mean, 1, scratch, &score[1], 1);
	assert_true(score[0] == score[1] && score[0] > 0 && score[0] < 1);
	free(scratch);
	model_free(&model);
	made_free(&m);
	made_free(&full);
}

/* Data that make no sense are an error and not a model. */
static void
refusals(void **state)
{
	double x[] = { 1, 2, 3, 4 }, y[] = { 0, 0, 1, 1 }, b[2], w[] = { 0, 0, 0, 0 };
	struct learn_data d = { .rows = 4, .cols = 1, .x = x, .y = y };
	struct err e = { 0 };
	(void)state;
	assert_int_equal(learn_logistic_fit(&d, 1, b, NULL, NULL, NULL, &e), 0);
	assert_int_equal(learn_logistic_fit(&d, -1, b, NULL, NULL, NULL, &e), -1);
	d.w = w;
	assert_int_equal(learn_logistic_fit(&d, 1, b, NULL, NULL, NULL, &e), -1);
	assert_non_null(strstr(e.text, "all weights are 0"));
	d.w = NULL;
	y[0] = 2;
	assert_int_equal(learn_logistic_fit(&d, 1, b, NULL, NULL, NULL, &e), -1);
	assert_non_null(strstr(e.text, "neither 0 nor 1"));
	assert_int_equal(learn_ridge_fit(&d, 1, b, NULL, &e), 0);
	y[0] = NAN;
	assert_int_equal(learn_ridge_fit(&d, 1, b, NULL, &e), -1);
	d.rows = 0;
	assert_int_equal(learn_ridge_fit(&d, 1, b, NULL, &e), -1);
}

/* The kernels against plain loops, for every remainder. */
static void
kernels(void **state)
{
	(void)state;
	for (size_t cols = 1; cols <= 21; cols++) {
		size_t n = 13, p = cols + 1, width = rows_width(p);
		struct made m = make(n, cols < 2 ? 2 : cols, false);
		double *x = m.x, b[22], z[13], g[22] = { 0 }, s[13 * 24] = { 0 }, h[24 * 24] = { 0 };
		for (size_t k = 0; k < p; k++)
			b[k] = noise(k + 99);
		rows_dot(x, n, cols, b, z);
		rows_add(x, n, cols, z, g);
		rows_scale(x, n, cols, z, s);
		rows_square(s, n, p, h);
		for (size_t j = 0; j < p; j++) {
			double sum = 0;
			for (size_t i = 0; i < n; i++)
				sum += z[i] * (j ? x[i * cols + j - 1] : 1);
			assert_true(fabs(sum - g[j]) < 1e-12);
			for (size_t k = 0; k <= j; k++) {
				sum = 0;
				for (size_t i = 0; i < n; i++)
					sum += s[i * width + j] * s[i * width + k];
				assert_true(fabs(sum - h[j * width + k]) < 1e-12);
			}
		}
		for (size_t i = 0; i < n; i++) {
			double want = b[0];
			for (size_t k = 0; k < cols; k++)
				want += b[k + 1] * x[i * cols + k];
			assert_true(fabs(want - z[i]) < 1e-12);
		}
		made_free(&m);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logistic_optimum), cmocka_unit_test(ridge_optimum),
		cmocka_unit_test(missing_cells),    cmocka_unit_test(refusals),
		cmocka_unit_test(kernels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
