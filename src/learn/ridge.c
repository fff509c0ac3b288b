/*
 * ridge: least squares over the normal equations (see learn.h). With a penalty by Cholesky; without one by
 * the eigenvectors, of which those that belong to nothing are left out: the shortest of all solutions, also
 * when columns depend on each other (a one-hot for each of all values beside the intercept).
 */
#include <math.h>
#include <string.h>

#include "learn/blas.h"
#include "learn/linear.h"

#define BLOCK 256
/* Eigenvalues below this share of the largest are rounding. */
#define RANK 1e-12

/* g += SᵀS (lower triangle), c += Sᵀy over rows (1, x) times the root of their weight. */
static void
normal_equations(const struct learn_data *d, const double *x, double *s, double *g, double *c)
{
	size_t p = d->cols + 1;
	double y[BLOCK];
	for (size_t at = 0; at < d->rows; at += BLOCK) {
		size_t n = d->rows - at < BLOCK ? d->rows - at : BLOCK;
		for (size_t i = 0; i < n; i++) {
			double root = d->w ? sqrt(d->w[at + i]) : 1;
			y[i] = root * d->y[at + i];
			s[i * p] = root;
			for (size_t k = 0; k < d->cols; k++)
				s[i * p + k + 1] = root * x[(at + i) * d->cols + k];
		}
		cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, (int)p, (int)n, 1.0, s, (int)p, 1.0, g,
			    (int)p);
		cblas_dgemv(CblasColMajor, CblasNoTrans, (int)p, (int)n, 1.0, s, (int)p, y, 1, 1.0, c, 1);
	}
}

/* b = g⁺c; g is overwritten. */
static int
pseudo_solve(struct arena *a, double *g, const double *c, size_t p, double *b)
{
	double *values = ARENA_ARRAY(a, double, p), *t = ARENA_ARRAY(a, double, p);
	if (LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', (int)p, g, (int)p, values) != 0)
		return -1;
	cblas_dgemv(CblasColMajor, CblasTrans, (int)p, (int)p, 1.0, g, (int)p, c, 1, 0.0, t, 1);
	for (size_t k = 0; k < p; k++)
		t[k] = values[k] > RANK * values[p - 1] ? t[k] / values[k] : 0;
	cblas_dgemv(CblasColMajor, CblasNoTrans, (int)p, (int)p, 1.0, g, (int)p, t, 1, 0.0, b, 1);
	return 0;
}

int
learn_ridge_fit(const struct learn_data *d, double l2, double *b, double *missing, struct err *e)
{
	size_t p = d->cols + 1;
	int rc = 0;
	if (learn_check(d, false, e) != 0)
		return -1;
	if (!(l2 >= 0 && isfinite(l2)))
		return err_set(e, ERR_INPUT, "l2 must be 0 or more");
	openblas_set_num_threads(1);
	struct arena *a = arena_new(65536);
	double *g = ARENA_ARRAY(a, double, p *p), *c = ARENA_ARRAY(a, double, p);
	const double *x = linear_fill(a, d, missing ? missing : ARENA_ARRAY(a, double, d->cols));
	normal_equations(d, x, ARENA_ARRAY(a, double, BLOCK *p), g, c);
	memcpy(b, c, p * sizeof(*b));
	for (size_t k = 1; k < p; k++)
		g[k * p + k] += l2;
	if (l2 > 0)
		rc = LAPACKE_dposv(LAPACK_COL_MAJOR, 'L', (int)p, 1, g, (int)p, b, (int)p);
	else
		rc = pseudo_solve(a, g, c, p, b);
	for (size_t k = 0; k < p && rc == 0; k++)
		rc = isfinite(b[k]) ? 0 : -1;
	arena_free(&a);
	return rc == 0
		   ? 0
		   : err_set(e, ERR_INPUT, "least squares found no solution: scale the columns, or raise l2");
}

struct model *
learn_ridge(const struct learn_data *d, const struct learn_names *names, double l2, struct err *e)
{
	struct arena *a = arena_new(4096);
	double *b = ARENA_ARRAY(a, double, d->cols + 1), *missing = ARENA_ARRAY(a, double, d->cols);
	struct model *m = NULL;
	if (learn_ridge_fit(d, l2, b, missing, e) == 0)
		m = linear_model(names, d->cols, MODEL_IDENTITY, b, missing, e);
	arena_free(&a);
	return m;
}
