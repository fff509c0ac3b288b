/* linear: what logistic regression and least squares share. */
#ifndef MT_LEARN_LINEAR_H
#define MT_LEARN_LINEAR_H

#include "learn/learn.h"

/*
 * The matrix without missing cells: d->x itself when there are none, else a copy in which each counts as the
 * (weighted) mean of its column's others; missing[0..cols) gets those means, zeros where nothing is missing.
 */
const double *linear_fill(struct arena *a, const struct learn_data *d, double *missing);

/* A model of kind logistic out of b and missing. */
struct model *linear_model(const struct learn_names *names, size_t cols, enum model_link link,
			   const double *b, const double *missing, struct err *e);

#endif
