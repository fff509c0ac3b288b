/* reco-ease: EASE by one inverse (see reco.h). */
#include <math.h>
#include <stdlib.h>

#include "learn/blas.h"
#include "learn/reco.h"

/* Both triangles of XᵀX + λI would be the same: the lower one in rows is LAPACK's upper one in columns. */
static void
gram(const struct reco_data *d, double lambda, double *g)
{
	size_t n = d->items;
	for (size_t u = 0; u < d->users; u++) {
		size_t from = u == 0 ? 0 : d->end[u - 1];
		for (size_t i = from; i < d->end[u]; i++)
			for (size_t j = from; j <= i; j++)
				g[d->item[i] * n + d->item[j]]++;
	}
	for (size_t i = 0; i < n; i++)
		g[i * n + i] += lambda;
}

#define BLOCK 64

/* The upper triangle becomes what the lower one is, block by block, so that rows can be walked. */
static void
mirror(double *p, size_t n)
{
	for (size_t bi = 0; bi < n; bi += BLOCK)
		for (size_t bj = 0; bj <= bi; bj += BLOCK)
			for (size_t i = bi; i < bi + BLOCK && i < n; i++)
				for (size_t j = bj; j < bj + BLOCK && j < i; j++)
					p[j * n + i] = p[i * n + j];
}

/* Row i of the weights out of the inverse p. */
static size_t
weights(const double *p, const double *diagonal, size_t n, size_t i, size_t keep, struct reco_entry *v)
{
	size_t k = 0;
	for (size_t j = 0; j < n; j++) {
		float w = (float)(-p[i * n + j] / diagonal[j]);
		if (j != i && w != 0)
			v[k++] = (struct reco_entry){ (uint32_t)j, w };
	}
	return reco_cut(v, k, keep);
}

int
reco_ease(const struct reco_data *d, const struct reco_options *o, const struct learn_progress *p,
	  struct arena *a, struct recommend_model *out, struct err *e)
{
	size_t n = d->items;
	int rc = 0;
	if (n > RECO_MAX_DENSE)
		return err_set(e, ERR_LIMIT,
			       "ease inverts a matrix of items by items, and there are %zu; %d are allowed: "
			       "leave out rare ones, or take knn or als",
			       n, RECO_MAX_DENSE);
	if (!(o->lambda > 0))
		return err_set(e, ERR_INPUT, "lambda must be above 0");
	double *g = calloc(n * n, sizeof(*g));
	struct reco_entry *v = malloc(n * sizeof(*v));
	double *diagonal = ARENA_ARRAY(a, double, n);
	struct reco_rows rows = { .end = ARENA_ARRAY(a, int32_t, n) };
	if (!g || !v) {
		rc = err_set(e, ERR_TEMP, "there is no memory for %zu by %zu items", n, n);
		goto out;
	}
	openblas_set_num_threads(1);
	gram(d, o->lambda, g);
	learn_report(p, &(struct learn_step){ 1, 3, NAN, NAN });
	if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (lapack_int)n, g, (lapack_int)n) != 0 ||
	    LAPACKE_dpotri(LAPACK_COL_MAJOR, 'U', (lapack_int)n, g, (lapack_int)n) != 0) {
		rc = err_set(e, ERR_INPUT, "the matrix cannot be inverted: take a larger lambda");
		goto out;
	}
	learn_report(p, &(struct learn_step){ 2, 3, NAN, NAN });
	mirror(g, n);
	for (size_t i = 0; i < n; i++)
		diagonal[i] = g[i * n + i];
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = reco_rows_add(&rows, i, v, weights(g, diagonal, n, i, o->keep, v), e);
	if (rc == 0)
		rc = reco_rows_take(&rows, a, out, e);
	learn_report(p, &(struct learn_step){ 3, 3, NAN, NAN });
out:
	buf_free(&rows.item);
	buf_free(&rows.weight);
	free(v);
	free(g);
	return rc;
}
