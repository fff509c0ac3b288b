/*
 * bgnbd: how often customers buy again, and whether they still do: the BG/NBD model. While a customer is
 * alive he buys at a rate of his own (Gamma(r, alpha) over customers); after each purchase he may be gone for
 * good, with a probability of his own (Beta(a, b)).
 *
 * Source: Fader, Hardie and Lee, "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD
 * Model, Marketing Science 24 (2005); formulas (6) to (10) there.
 *
 * Time has any unit (weeks, say); alpha has it, too. Threads: safe.
 */
#ifndef MT_LEARN_BGNBD_H
#define MT_LEARN_BGNBD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* One customer, or `count` who are the same. */
struct bgnbd_customer {
	double repeats; /* purchases after the first; those of one day are one */
	double recency; /* from the first purchase to the last; 0 without repeats */
	double age;	/* from the first purchase to the end of what was looked at; >= recency */
	double count;
};

struct bgnbd {
	double r, alpha, a, b;
	double loglik; /* of the customers it was fitted to */
	size_t evaluations;
	bool converged;
};

/*
 * Maximum likelihood. ERR_INPUT: no customers, times that cannot be, nobody who ever came back. Parameters
 * are kept within 1e-6 and 1e6: customers who are all the same have no finite maximum.
 */
int bgnbd_fit(const struct bgnbd_customer *c, size_t n, struct bgnbd *out, struct err *e);
double bgnbd_loglik(const struct bgnbd *m, const struct bgnbd_customer *c, size_t n);

/* The probability that he will ever buy again. (Without repeats: 1, for the model lets nobody go before.) */
double bgnbd_alive(const struct bgnbd *m, const struct bgnbd_customer *c);
/* How many purchases are expected of him within t from now on. */
double bgnbd_expected(const struct bgnbd *m, const struct bgnbd_customer *c, double t);

#endif
