/* pca: see pca.h. */
#include "learn/pca.h"

#include <math.h>

#include "learn/blas.h"

#define BLOCK 256

static int
input_check(const double *x, size_t rows, size_t cols, size_t n, struct err *e)
{
	if (rows < 2 || cols == 0 || cols > 4096)
		return err_set(e, ERR_INPUT,
			       "principal components need two rows or more, and 1 to 4096 columns");
	if (n < 1 || n > cols)
		return err_set(e, ERR_INPUT, "there can be 1 to %zu components", cols);
	for (size_t i = 0; i < rows * cols; i++)
		if (!(fabs(x[i]) <= 1e100))
			return err_set(e, ERR_INPUT, "row %zu, column %zu is no number", i / cols + 1,
				       i % cols + 1);
	return 0;
}

static void
moments(const double *x, size_t rows, bool scale, struct pca *p)
{
	for (size_t k = 0; k < p->cols; k++) {
		double mean = 0, square = 0;
		for (size_t i = 0; i < rows; i++)
			mean += x[i * p->cols + k] / (double)rows;
		for (size_t i = 0; i < rows; i++)
			square += (x[i * p->cols + k] - mean) * (x[i * p->cols + k] - mean);
		double deviation = sqrt(square / (double)(rows - 1));
		p->mean[k] = mean;
		/* Rounding leaves something of a column that never differs. */
		p->scale[k] = scale && deviation > 1e-12 * (1 + fabs(mean)) ? deviation : 1;
	}
}

static void
row_centre(const struct pca *p, const double *row, double *out)
{
	for (size_t k = 0; k < p->cols; k++)
		out[k] = (row[k] - p->mean[k]) / p->scale[k];
}

/* c += ZᵀZ / (rows - 1) of the centred rows, lower triangle. */
static void
covariance(const double *x, size_t rows, const struct pca *p, double *z, double *c)
{
	for (size_t at = 0; at < rows; at += BLOCK) {
		size_t n = rows - at < BLOCK ? rows - at : BLOCK;
		for (size_t i = 0; i < n; i++)
			row_centre(p, x + (at + i) * p->cols, z + i * p->cols);
		cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, (int)p->cols, (int)n,
			    1.0 / (double)(rows - 1), z, (int)p->cols, 1.0, c, (int)p->cols);
	}
}

static void
component_keep(struct pca *p, size_t i, const double *vector, double variance)
{
	size_t largest = 0;
	for (size_t k = 1; k < p->cols; k++)
		if (fabs(vector[k]) > fabs(vector[largest]) * (1 + 1e-9))
			largest = k;
	for (size_t k = 0; k < p->cols; k++)
		p->components[i * p->cols + k] = vector[largest] < 0 ? -vector[k] : vector[k];
	p->variance[i] = fmax(0, variance);
}

int
pca_fit(const double *x, size_t rows, size_t cols, size_t n, bool scale, struct arena *a, struct pca *out,
	struct err *e)
{
	if (input_check(x, rows, cols, n, e) != 0)
		return -1;
	openblas_set_num_threads(1);
	struct arena *own = arena_new(65536);
	double *c = ARENA_ARRAY(own, double, cols *cols), *values = ARENA_ARRAY(own, double, cols);
	*out = (struct pca){ .cols = cols, .n = n };
	out->mean = ARENA_ARRAY(a, double, cols);
	out->scale = ARENA_ARRAY(a, double, cols);
	out->components = ARENA_ARRAY(a, double, n *cols);
	out->variance = ARENA_ARRAY(a, double, n);
	moments(x, rows, scale, out);
	covariance(x, rows, out, ARENA_ARRAY(own, double, BLOCK *cols), c);
	int rc = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', (int)cols, c, (int)cols, values);
	for (size_t i = 0; i < cols && rc == 0; i++) {
		out->total += fmax(0, values[i]);
		if (i < n) /* eigenvalues ascend */
			component_keep(out, i, c + (cols - 1 - i) * cols, values[cols - 1 - i]);
	}
	arena_free(&own);
	return rc == 0 ? 0
		       : err_set(e, ERR_INPUT, "the covariances have no eigenvectors that could be found");
}

void
pca_project(const struct pca *p, const double *row, double *out)
{
	for (size_t i = 0; i < p->n; i++) {
		out[i] = 0;
		for (size_t k = 0; k < p->cols; k++)
			out[i] += (row[k] - p->mean[k]) / p->scale[k] * p->components[i * p->cols + k];
	}
}
