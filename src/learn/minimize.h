/*
 * minimize: the least value of a smooth function of a few variables, without derivatives: Nelder and Mead
 * (1965) with the steps that adapt to the number of variables (Gao and Han 2012), begun anew from where it
 * ended until that gains nothing.
 */
#ifndef MT_LEARN_MINIMIZE_H
#define MT_LEARN_MINIMIZE_H

#include <stdbool.h>
#include <stddef.h>

#define MINIMIZE_MAX 16 /* variables */

struct minimize {
	size_t n;
	double (*f)(void *ctx, const double *x); /* NAN counts as infinite */
	void *ctx;
	double step;	  /* of the first simplex */
	double tolerance; /* of values: ends when the simplex' values differ by no more */
	size_t max;	  /* evaluations */
};
/* x[0..n): start, and result. *evaluations is how many were made; false: max was reached before it settled.
 */
bool minimize(const struct minimize *m, double *x, double *value, size_t *evaluations);

#endif
