/* metric: single figures (see metric.h). */
#include "learn/metric.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "learn/metric-private.h"

struct key {
	double p;
	size_t row;
};

void *
metric_alloc(size_t n)
{
	void *p = malloc(n ? n : 1);
	if (!p) {
		fputs("mailtailor: out of memory\n", stderr);
		abort();
	}
	return p;
}

static int
key_compare(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	if (x->p != y->p)
		return x->p < y->p ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

size_t *
metric_order(const double *p, size_t n)
{
	struct key *keys = metric_alloc(n * sizeof(*keys));
	size_t *order = metric_alloc(n * sizeof(*order));
	for (size_t i = 0; i < n; i++)
		keys[i] = (struct key){ p[i], i };
	qsort(keys, n, sizeof(*keys), key_compare);
	for (size_t i = 0; i < n; i++)
		order[i] = keys[i].row;
	free(keys);
	return order;
}

/* ---- ranks ---- */

/* Weights of labels 1 and 0 among rows with one p. */
struct tie {
	double pos, neg;
};

static void
tie_add(struct tie *t, const struct metric_data *d, const double *c, size_t row)
{
	double w = (d->w ? d->w[row] : 1) * (c ? c[row] : 1);
	t->pos += w * d->y[row];
	t->neg += w * (1 - d->y[row]);
}

double
metric_sorted_auc(const struct metric_data *d, const size_t *order, const double *c)
{
	struct tie below = { 0, 0 };
	double pairs = 0;
	for (size_t i = 0; i < d->n;) {
		struct tie t = { 0, 0 };
		double p = d->p[order[i]];
		for (; i < d->n && d->p[order[i]] == p; i++)
			tie_add(&t, d, c, order[i]);
		pairs += t.pos * (below.neg + t.neg / 2);
		below.pos += t.pos;
		below.neg += t.neg;
	}
	return below.pos > 0 && below.neg > 0 ? pairs / (below.pos * below.neg) : NAN;
}

double
metric_sorted_precision(const struct metric_data *d, const size_t *order, const double *c)
{
	struct tie above = { 0, 0 };
	double sum = 0;
	for (size_t i = d->n; i > 0;) {
		struct tie t = { 0, 0 };
		double p = d->p[order[i - 1]];
		for (; i > 0 && d->p[order[i - 1]] == p; i--)
			tie_add(&t, d, c, order[i - 1]);
		above.pos += t.pos;
		above.neg += t.neg;
		if (t.pos > 0)
			sum += t.pos * above.pos / (above.pos + above.neg);
	}
	return above.pos > 0 ? sum / above.pos : NAN;
}

double
metric_auc(const struct metric_data *d)
{
	size_t *order = metric_order(d->p, d->n);
	double v = metric_sorted_auc(d, order, NULL);
	free(order);
	return v;
}

double
metric_precision(const struct metric_data *d)
{
	size_t *order = metric_order(d->p, d->n);
	double v = metric_sorted_precision(d, order, NULL);
	free(order);
	return v;
}

/* ---- means ---- */

double
metric_row_logloss(double p, double y)
{
	p = p < DBL_EPSILON ? DBL_EPSILON : p > 1 - DBL_EPSILON ? 1 - DBL_EPSILON : p;
	return -(y * log(p) + (1 - y) * log1p(-p));
}

double
metric_row_brier(double p, double y)
{
	return (p - y) * (p - y);
}

static double
mean_of(const struct metric_data *d, double (*f)(double p, double y))
{
	double sum = 0, weight = 0;
	for (size_t i = 0; i < d->n; i++) {
		double w = d->w ? d->w[i] : 1;
		sum += w * f(d->p[i], d->y[i]);
		weight += w;
	}
	return weight > 0 ? sum / weight : NAN;
}

double
metric_logloss(const struct metric_data *d)
{
	return mean_of(d, metric_row_logloss);
}

double
metric_brier(const struct metric_data *d)
{
	return mean_of(d, metric_row_brier);
}

struct metrics
metric_all(const struct metric_data *d)
{
	size_t *order = metric_order(d->p, d->n);
	struct metrics m = {
		.auc = metric_sorted_auc(d, order, NULL),
		.precision = metric_sorted_precision(d, order, NULL),
		.logloss = metric_logloss(d),
		.brier = metric_brier(d),
		.ece = metric_ece(d, 10),
	};
	for (size_t i = 0; i < d->n; i++) {
		double w = d->w ? d->w[i] : 1;
		m.rows += w;
		m.positives += w * d->y[i];
	}
	free(order);
	return m;
}
