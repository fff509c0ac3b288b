/* kmeans, pca, rfm: on data whose groups, directions and fifths are known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "learn/kmeans.h"
#include "learn/pca.h"
#include "learn/random.h"
#include "learn/rfm.h"

#define ROWS 600

static void
near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		fail_msg("%.12g, not %.12g within %g", got, want, tolerance);
}

/* About normal. */
static double
bell(uint64_t *seed)
{
	double sum = -6;
	for (int i = 0; i < 12; i++)
		sum += random_unit(seed);
	return sum;
}

/* Three clouds of 300, 200 and 100 rows, in no order. */
static void
clouds(double x[ROWS * 2], size_t of[ROWS])
{
	static const double at[3][2] = { { 0, 0 }, { 20, 0 }, { 0, 20 } };
	uint64_t seed = 11;
	for (size_t i = 0; i < ROWS; i++) {
		size_t turn = i % 6;
		of[i] = turn < 3 ? 0 : turn < 5 ? 1 : 2;
		for (size_t k = 0; k < 2; k++)
			x[i * 2 + k] = at[of[i]][k] + bell(&seed);
	}
}

static void
test_kmeans(void **state)
{
	(void)state;
	static double x[ROWS * 2];
	size_t of[ROWS], group[ROWS];
	struct arena *a = arena_new(4096);
	struct kmeans m, again;
	struct err e = { 0 };
	const struct kmeans_options o = { .k = 3, .seed = 5 };
	clouds(x, of);
	assert_int_equal(kmeans_fit(x, ROWS, 2, &o, a, &m, group, &e), 0);
	assert_int_equal(m.k, 3);
	assert_memory_equal(group, of, sizeof(group));
	assert_int_equal(m.sizes[0], 300);
	assert_int_equal(m.sizes[2], 100);
	double inertia = 0;
	for (size_t i = 0; i < ROWS; i++)
		for (size_t k = 0; k < 2; k++)
			inertia += pow(x[i * 2 + k] - m.centres[group[i] * 2 + k], 2);
	near(m.inertia, inertia, 1e-6);
	assert_int_equal(kmeans_fit(x, ROWS, 2, &o, a, &again, NULL, &e), 0);
	assert_memory_equal(m.centres, again.centres, 6 * sizeof(double));
	arena_free(&a);
}

static void
test_kmeans_edges(void **state)
{
	(void)state;
	struct arena *a = arena_new(4096);
	struct kmeans m;
	struct err e = { 0 };
	double x[] = { 1, 1, 1, 2, 2, 1 };
	size_t group[6];
	struct kmeans_options o = { .k = 4 };
	/* Two different rows make two groups, whatever was asked for. */
	assert_int_equal(kmeans_fit(x, 6, 1, &o, a, &m, group, &e), 0);
	assert_int_equal(m.k, 2);
	near(m.inertia, 0, 0);
	near(m.centres[0], 1, 0);
	assert_int_equal(m.sizes[0], 4);
	assert_int_equal(group[3], 1);
	o.k = 1;
	assert_int_equal(kmeans_fit(x, 6, 1, &o, a, &m, NULL, &e), 0);
	near(m.centres[0], 8.0 / 6, 1e-12);
	assert_int_equal(kmeans_fit(x, 0, 1, &o, a, &m, NULL, &e), -1);
	o.k = KMEANS_MAX + 1;
	assert_int_equal(kmeans_fit(x, 6, 1, &o, a, &m, NULL, &e), -1);
	o.k = 2;
	x[2] = NAN;
	assert_int_equal(kmeans_fit(x, 6, 1, &o, a, &m, NULL, &e), -1);
	arena_free(&a);
}

static void
test_pca(void **state)
{
	(void)state;
	static double x[ROWS * 3];
	struct arena *a = arena_new(4096);
	struct pca p;
	struct err e = { 0 };
	uint64_t seed = 3;
	/* Along (3, 4, 0) / 5 with deviation 10, across with 1; the third column never differs. */
	for (size_t i = 0; i < ROWS; i++) {
		double along = 10 * bell(&seed), across = bell(&seed);
		x[i * 3] = 7 + along * 0.6 - across * 0.8;
		x[i * 3 + 1] = along * 0.8 + across * 0.6;
		x[i * 3 + 2] = 5;
	}
	assert_int_equal(pca_fit(x, ROWS, 3, 3, false, a, &p, &e), 0);
	near(p.components[0], 0.6, 0.02);
	near(p.components[1], 0.8, 0.02);
	near(p.components[2], 0, 1e-9);
	near(sqrt(p.variance[0]), 10, 0.7);
	near(sqrt(p.variance[1]), 1, 0.1);
	near(p.variance[2], 0, 1e-9);
	near(p.total, p.variance[0] + p.variance[1], 1e-6);
	/* Projections have the variances, and are not correlated. */
	double sum[3] = { 0 }, square[3] = { 0 }, cross = 0, out[3];
	for (size_t i = 0; i < ROWS; i++) {
		pca_project(&p, x + i * 3, out);
		for (int k = 0; k < 3; k++) {
			sum[k] += out[k];
			square[k] += out[k] * out[k];
		}
		cross += out[0] * out[1];
	}
	near(sum[0] / ROWS, 0, 1e-9);
	near(square[0] / (ROWS - 1), p.variance[0], 1e-6);
	near(cross / ROWS, 0, 1e-9);
	assert_int_equal(pca_fit(x, ROWS, 3, 2, true, a, &p, &e), 0);
	near(p.total, 2, 1e-9);
	near(p.scale[2], 1, 0);
	assert_int_equal(pca_fit(x, 1, 3, 1, false, a, &p, &e), -1);
	assert_int_equal(pca_fit(x, ROWS, 3, 4, false, a, &p, &e), -1);
	x[5] = INFINITY;
	assert_int_equal(pca_fit(x, ROWS, 3, 1, false, a, &p, &e), -1);
	arena_free(&a);
}

static void
test_rfm(void **state)
{
	(void)state;
	struct rfm_customer c[11];
	struct rfm_score s[11];
	struct err e = { 0 };
	for (size_t i = 0; i < 10; i++)
		c[i] = (struct rfm_customer){ (double)i, i < 6 ? 1 : 2, 100 * (double)i };
	c[10] = (struct rfm_customer){ 0, 0, 0 };
	assert_int_equal(rfm_scores(c, 11, s, &e), 0);
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(s[i].r, 5 - i / 2);
		assert_int_equal(s[i].m, 1 + i / 2);
		/* Six with one purchase: the middle of their places is 3 of 10. */
		assert_int_equal(s[i].f, i < 6 ? 2 : 5);
	}
	assert_int_equal(s[10].r + s[10].f + s[10].m, 0);
	assert_string_equal(rfm_segment(s[10]), "never-bought");
	assert_string_equal(rfm_segment((struct rfm_score){ 5, 5, 5 }), "champion");
	assert_string_equal(rfm_segment((struct rfm_score){ 5, 1, 1 }), "new");
	assert_string_equal(rfm_segment((struct rfm_score){ 4, 1, 1 }), "promising");
	assert_string_equal(rfm_segment((struct rfm_score){ 1, 5, 5 }), "cannot-lose");
	assert_string_equal(rfm_segment((struct rfm_score){ 1, 1, 1 }), "hibernating");
	c[4].recency = NAN;
	assert_int_equal(rfm_scores(c, 11, s, &e), -1);
	assert_non_null(strstr(e.text, "customer 5"));
	assert_int_equal(rfm_scores(c, 0, s, &e), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kmeans),
		cmocka_unit_test(test_kmeans_edges),
		cmocka_unit_test(test_pca),
		cmocka_unit_test(test_rfm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
