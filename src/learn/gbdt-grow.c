/*
 * gbdt-grow: one tree, leaf by leaf. The leaf whose split gains most is split next; of its two children the
 * one with fewer rows gets a histogram of its own, the other one what that leaves of the parent's.
 */
#include <string.h>

#include "learn/gbdt-private.h"

struct gbdt_leaf {
	size_t begin, n, depth, node;
	struct gbdt_sum all;
	struct gbdt_sum *h; /* NULL: it is not to be split */
	struct gbdt_split split;
};

void
gbdt_grower_init(struct gbdt_grower *g, struct arena *a, const struct gbdt_bins *b,
		 const struct learn_gbdt *o, size_t rows)
{
	*g = (struct gbdt_grower){ .b = b, .o = o, .arena = a };
	g->spare = arena_alloc(a, rows * sizeof(*g->spare));
	g->leaves = ARENA_ARRAY(a, struct gbdt_leaf, o->leaves);
	g->histograms = ARENA_ARRAY(a, struct gbdt_sum *, o->leaves + 1);
	g->nodes = ARENA_ARRAY(a, struct gbdt_grown, 2 * o->leaves);
}

static struct gbdt_sum *
histogram_take(struct gbdt_grower *g)
{
	if (g->nhistograms > 0)
		return g->histograms[--g->nhistograms];
	return arena_alloc(g->arena, g->b->total * sizeof(struct gbdt_sum));
}

static void
histogram_give(struct gbdt_grower *g, struct gbdt_leaf *l)
{
	if (l->h)
		g->histograms[g->nhistograms++] = l->h;
	l->h = NULL;
}

/* ---- leaves ---- */

static void
leaf_value(struct gbdt_grower *g, const struct gbdt_leaf *l)
{
	double h = sum_h(g->u, l->all) + g->o->l2;
	double value = h > 0 ? -g->o->rate * sum_g(g->u, l->all) / h : 0;
	/* Without l2, a leaf of certain rows may want to go far; no sum of such values is infinite. */
	value = value > MODEL_MAX_INPUT ? MODEL_MAX_INPUT : value;
	g->nodes[l->node].value = value < -MODEL_MAX_INPUT ? -MODEL_MAX_INPUT : value;
}

static void
leaf_search(struct gbdt_grower *g, struct gbdt_leaf *l)
{
	gbdt_split_find(g->b, g->pick, g->o, g->u, l->h, l->all, &l->split);
	if (l->split.gain <= 0)
		histogram_give(g, l);
}

static bool
leaf_splits(const struct gbdt_grower *g, const struct gbdt_leaf *l)
{
	return l->n >= 2 * g->o->min_rows && (g->o->depth == 0 || l->depth < g->o->depth);
}

static size_t
node_new(struct gbdt_grower *g)
{
	g->nodes[g->nnodes].column = -1;
	return g->nnodes++;
}

/* Rows that go left come first, both sides in the order they had. Returns how many those are. */
static size_t
rows_part(struct gbdt_grower *g, const struct gbdt_leaf *l, size_t column, const uint8_t *goes)
{
	const uint8_t *bin = g->b->of + column;
	uint32_t *rows = g->rows + l->begin;
	size_t left = 0, right = 0;
	for (size_t i = 0; i < l->n; i++) {
		uint32_t row = rows[i];
		uint8_t go = goes[bin[row * g->b->cols]];
		/* Both are written, one of them stays: no branch to mispredict. */
		rows[left] = row;
		g->spare[right] = row;
		left += go;
		right += !go;
	}
	memcpy(rows + left, g->spare, right * sizeof(*rows));
	return left;
}

/* Histograms of both children and their best splits; the parent's becomes the larger child's. */
static void
children_search(struct gbdt_grower *g, struct gbdt_leaf *l, struct gbdt_leaf *r)
{
	struct gbdt_leaf *few = l->n <= r->n ? l : r, *many = l->n <= r->n ? r : l;
	struct gbdt_sum *parent = l->h;
	l->h = r->h = NULL;
	l->split.gain = r->split.gain = 0;
	many->h = parent;
	/* A tree that is full has no use for them. */
	if (g->nleaves == g->o->leaves || !leaf_splits(g, many)) {
		histogram_give(g, many);
		return;
	}
	few->h = histogram_take(g);
	gbdt_histogram(g->b, g->pick, g->sums, g->rows + few->begin, few->n, few->h);
	for (size_t i = 0; i < g->b->total; i++)
		many->h[i] = sum_less(many->h[i], few->h[i]);
	leaf_search(g, many);
	if (leaf_splits(g, few))
		leaf_search(g, few);
	else
		histogram_give(g, few);
}

static void
leaf_split(struct gbdt_grower *g, struct gbdt_leaf *l)
{
	struct gbdt_grown *node = &g->nodes[l->node];
	struct gbdt_leaf *r = &g->leaves[g->nleaves++];
	const struct gbdt_split *s = &l->split;
	node->column = (int32_t)s->column;
	node->bin = s->bin;
	node->gain = s->gain;
	for (size_t b = 0; b <= g->b->columns[s->column].n; b++)
		node->goes[b] = gbdt_split_left(g->b, s, l->h, b);
	size_t left = rows_part(g, l, s->column, node->goes);
	*r = (struct gbdt_leaf){ .begin = l->begin + left, .n = l->n - left, .depth = l->depth + 1 };
	r->all = sum_less(l->all, s->left);
	l->all = s->left;
	l->n = left;
	l->depth++;
	node->left = (uint32_t)node_new(g);
	l->node = node->left;
	r->node = node_new(g);
	children_search(g, l, r);
}

/* ---- the tree ---- */

static struct gbdt_sum
rows_sum(const struct gbdt_sum *sums, const uint32_t *rows, size_t n)
{
	struct gbdt_sum all = { 0, 0 };
	for (size_t i = 0; i < n; i++)
		all = sum_plus(all, sums[rows[i]]);
	return all;
}

void
gbdt_grow(struct gbdt_grower *g, const struct gbdt_units *u, const struct gbdt_sum *sums,
	  const struct gbdt_pick *pick, uint32_t *rows, size_t n, double *f)
{
	struct gbdt_leaf *best = &g->leaves[0];
	g->u = u;
	g->sums = sums;
	g->pick = pick;
	g->rows = rows;
	g->nnodes = 0;
	*best = (struct gbdt_leaf){ .n = n, .node = node_new(g), .all = rows_sum(sums, rows, n) };
	g->nleaves = 1;
	if (leaf_splits(g, best)) {
		best->h = histogram_take(g);
		gbdt_histogram(g->b, pick, sums, rows, n, best->h);
		leaf_search(g, best);
	}
	while (g->nleaves < g->o->leaves && best->split.gain > 0) {
		leaf_split(g, best);
		for (size_t i = 0; i < g->nleaves; i++)
			best = g->leaves[i].split.gain > best->split.gain ? &g->leaves[i] : best;
	}
	for (size_t i = 0; i < g->nleaves; i++) {
		struct gbdt_leaf *l = &g->leaves[i];
		histogram_give(g, l);
		leaf_value(g, l);
		for (size_t k = l->begin; k < l->begin + l->n; k++)
			f[rows[k]] += g->nodes[l->node].value;
	}
}

void
gbdt_grown_add(const struct gbdt_grower *g, const uint32_t *rows, size_t n, double *f)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *bin = g->b->of + rows[i] * g->b->cols;
		const struct gbdt_grown *node = g->nodes;
		while (node->column >= 0)
			node = &g->nodes[node->left + !node->goes[bin[node->column]]];
		f[rows[i]] += node->value;
	}
}
