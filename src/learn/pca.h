/*
 * pca: the directions in which rows differ most: the eigenvectors of the covariance matrix (with scale, of
 * the correlations), by LAPACK. Each is a vector of length 1 whose largest coefficient is positive, so that
 * the same data give the same signs.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_PCA_H
#define MT_LEARN_PCA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

struct pca {
	size_t cols, n;	    /* n: components */
	double *mean;	    /* cols */
	double *scale;	    /* cols: standard deviations, 1 for what never differs; or all 1 */
	double *components; /* n × cols, the most important first */
	double *variance;   /* n: along each */
	double total;	    /* of all there are */
};
/*
 * rows × cols, row-major, finite; at least 2 rows; n at most cols. Memory from a. ERR_INPUT.
 */
int pca_fit(const double *x, size_t rows, size_t cols, size_t n, bool scale, struct arena *a, struct pca *out,
	    struct err *e);
/* out[0..n): where a row lies along the components. */
void pca_project(const struct pca *p, const double *row, double *out);

#endif
