/* gbdt-split: a node's best split, out of its histogram (see gbdt.h). */
#include <stdlib.h>
#include <string.h>

#include "learn/gbdt-private.h"

/* Sides whose second derivatives sum to less have values that mean nothing (as scikit-learn has it). */
#define MIN_H 1e-3
/* Gains below this share of the node's own term are rounding. */
#define ROUNDING 1e-12

/* A node while its best split is looked for. */
struct search {
	const struct learn_gbdt *o;
	const struct gbdt_units *u;
	struct gbdt_sum all;
	size_t rows;
	double own; /* G²/(H + l2) of the node: what both sides must be more than */
	struct gbdt_split *best;
};

static double
term(const struct search *s, struct gbdt_sum sum)
{
	double g = sum_g(s->u, sum);
	return g * g / (sum_h(s->u, sum) + s->o->l2);
}

/* Whether this left side gains more than the best so far; then it is the best, and the caller says which. */
static bool
try(struct search *s, struct gbdt_sum left)
{
	struct gbdt_sum right = sum_less(s->all, left);
	size_t n = sum_rows(s->u, left);
	if (n < s->o->min_rows || s->rows - n < s->o->min_rows || sum_h(s->u, left) < MIN_H ||
	    sum_h(s->u, right) < MIN_H)
		return false;
	double gain = term(s, left) + term(s, right) - s->own;
	if (!(gain > s->best->gain && gain > s->o->min_gain && gain > ROUNDING * s->own))
		return false;
	s->best->gain = gain;
	s->best->left = left;
	return true;
}

/* Bins up to one of them left, with what is missing or without. */
static void
numbers_scan(struct search *s, const struct gbdt_column *c, size_t column, const struct gbdt_sum *h,
	     bool missing_left)
{
	struct gbdt_sum left = { 0, 0 };
	if (missing_left)
		left = h[BIN_MISSING];
	for (size_t b = 1; b <= c->n; b++) {
		if (sum_rows(s->u, h[b]) == 0)
			continue;
		left = sum_plus(left, h[b]);
		if (s->rows - sum_rows(s->u, left) < s->o->min_rows)
			break;
		if (!try(s, left))
			continue;
		s->best->column = column;
		s->best->bin = b;
		/* What was never missing here goes with the majority. */
		s->best->missing_left =
		    sum_rows(s->u, h[BIN_MISSING]) > 0 ? missing_left : 2 * sum_rows(s->u, left) > s->rows;
	}
}

/* A bin of category codes, or of what is missing. */
struct kind {
	double value; /* what categories are ordered by */
	size_t bin;
};

static int
by_kind(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return (x->bin > y->bin) - (x->bin < y->bin);
}

/* The first k kinds go left; which bins those are, in terms of where missing values go. */
static void
set_keep(struct search *s, size_t column, const struct kind *kinds, size_t k, const struct gbdt_sum *h)
{
	struct gbdt_split *best = s->best;
	memset(best->set, 0, sizeof(best->set));
	for (size_t i = 0; i < k; i++)
		best->set[kinds[i].bin / 64] |= (uint64_t)1 << kinds[i].bin % 64;
	best->column = column;
	best->missing_left =
	    sum_rows(s->u, h[BIN_MISSING]) > 0 ? best->set[0] & 1 : 2 * sum_rows(s->u, best->left) > s->rows;
}

static void
kinds_scan(struct search *s, size_t column, const struct kind *kinds, size_t n, const struct gbdt_sum *h)
{
	struct gbdt_sum left = { 0, 0 };
	for (size_t k = 0; k < n; k++) {
		left = sum_plus(left, h[kinds[k].bin]);
		if (s->rows - sum_rows(s->u, left) < s->o->min_rows)
			break;
		if (try(s, left))
			set_keep(s, column, kinds, k + 1, h);
	}
}

/* Along the order of the kinds' own values; those with few rows stay with the other side, so that both ends
 * of the order must be tried where there are some. */
static void
categories_scan(struct search *s, const struct gbdt_column *c, size_t column, const struct gbdt_sum *h)
{
	struct kind kinds[BINS_ALL];
	size_t n = 0, rows = 0;
	for (size_t b = 0; b <= c->n; b++) {
		size_t here = sum_rows(s->u, h[b]);
		double weight = sum_h(s->u, h[b]) + s->o->category_smooth;
		if (here == 0 || here < s->o->category_rows || !(weight > 0))
			continue;
		kinds[n++] = (struct kind){ sum_g(s->u, h[b]) / weight, b };
		rows += here;
	}
	qsort(kinds, n, sizeof(*kinds), by_kind);
	kinds_scan(s, column, kinds, n, h);
	if (rows == s->rows)
		return;
	for (size_t i = 0; i < n / 2; i++) {
		struct kind swap = kinds[i];
		kinds[i] = kinds[n - 1 - i];
		kinds[n - 1 - i] = swap;
	}
	kinds_scan(s, column, kinds, n, h);
}

void
gbdt_split_find(const struct gbdt_bins *b, const struct gbdt_pick *pick, const struct learn_gbdt *o,
		const struct gbdt_units *u, const struct gbdt_sum *h, struct gbdt_sum all,
		struct gbdt_split *best)
{
	struct search s = { .o = o, .u = u, .all = all, .rows = sum_rows(u, all), .best = best };
	best->gain = 0;
	if (s.rows < 2 * o->min_rows || sum_h(u, all) < 2 * MIN_H)
		return;
	s.own = term(&s, all);
	for (size_t k = 0; k < pick->n; k++) {
		const struct gbdt_column *c = &b->columns[pick->columns[k]];
		const struct gbdt_sum *own = h + c->first;
		if (c->code) {
			categories_scan(&s, c, pick->columns[k], own);
			continue;
		}
		numbers_scan(&s, c, pick->columns[k], own, false);
		if (sum_rows(u, own[BIN_MISSING]) > 0)
			numbers_scan(&s, c, pick->columns[k], own, true);
	}
}

/*
 * Categories that the node has no rows of go where missing values go: so does a code that no row at all had,
 * and applying the model cannot tell the two apart.
 */
bool
gbdt_split_left(const struct gbdt_bins *b, const struct gbdt_split *s, const struct gbdt_sum *h, size_t bin)
{
	const struct gbdt_column *c = &b->columns[s->column];
	if (bin == BIN_MISSING)
		return s->missing_left;
	if (!c->code)
		return bin <= s->bin;
	if (h[c->first + bin].hn == 0)
		return s->missing_left;
	return s->set[bin / 64] >> bin % 64 & 1;
}
