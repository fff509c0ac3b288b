/*
 * kmeans: groups of rows that are near each other. Lloyd's algorithm, begun from k-means++ (Arthur and
 * Vassilvitskii 2007), several times; the start with the least inertia is kept. The same data and seed give
 * the same groups; group 0 is the largest, and so on (ties by centre).
 *
 * Columns should be of like scale: distances are Euclidean. Threads: safe.
 */
#ifndef MT_LEARN_KMEANS_H
#define MT_LEARN_KMEANS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

#define KMEANS_MAX 256 /* groups */

struct kmeans_options {
	size_t k;	   /* 1 … KMEANS_MAX; at most as many as there are different rows */
	size_t starts;	   /* 0: 8 */
	size_t iterations; /* of each start; 0: 100 */
	uint64_t seed;
};
struct kmeans {
	size_t k, cols;	 /* k: groups that there are; fewer than asked for when rows are alike */
	double *centres; /* k × cols, row-major */
	size_t *sizes;	 /* k */
	double inertia;	 /* Σ of squared distances to the centres */
};
/*
 * rows × cols, row-major, finite. Memory from a. group[0..rows) may be NULL. ERR_INPUT: no rows, k out of
 * bounds, what is no number.
 */
int kmeans_fit(const double *x, size_t rows, size_t cols, const struct kmeans_options *o, struct arena *a,
	       struct kmeans *out, size_t *group, struct err *e);
/* The nearest centre; of equally near ones the first. */
size_t kmeans_assign(const struct kmeans *m, const double *row);

#endif
