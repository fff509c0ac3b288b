/* gbdt-forest: trees as they were grown, by bins, into a model, by values (see gbdt-private.h). */
#include <float.h>

#include "learn/gbdt-private.h"

static size_t
ints(const struct buf *b)
{
	return b->n / sizeof(int32_t);
}

static int32_t
int_at(const struct buf *b, size_t i)
{
	return ((const int32_t *)(const void *)b->p)[i];
}

static void
int_add(struct buf *b, size_t v)
{
	buf_add(b, &(int32_t){ (int32_t)v }, sizeof(int32_t));
}

size_t
gbdt_forest_trees(const struct gbdt_forest *f)
{
	return ints(&f->trees);
}

/* Codes of those bins that do not go where missing values go. */
static void
set_add(struct gbdt_forest *f, const struct gbdt_column *c, const struct gbdt_grown *n)
{
	int_add(&f->set, ints(&f->sets));
	int_add(&f->sets, ints(&f->codes));
	for (size_t b = 1; b <= c->n; b++)
		if (n->goes[b] != n->goes[BIN_MISSING])
			int_add(&f->codes, (size_t)c->code[b - 1]);
}

static void
inner_add(struct gbdt_forest *f, const struct gbdt_bins *b, const struct gbdt_grown *n, size_t first)
{
	const struct gbdt_column *c = &b->columns[n->column];
	double threshold = 0;
	int_add(&f->left, first + n->left);
	if (c->code) {
		set_add(f, c, n);
	} else {
		/* Behind the last bin: what is there from what is missing. */
		threshold = n->bin < c->n ? c->threshold[n->bin - 1] : DBL_MAX;
		buf_add(&f->set, &(int32_t){ -1 }, sizeof(int32_t));
	}
	buf_add(&f->value, &threshold, sizeof(threshold));
	buf_add(&f->gain, &n->gain, sizeof(n->gain));
	buf_addc(&f->missing, n->goes[BIN_MISSING]);
}

void
gbdt_forest_add(struct gbdt_forest *f, const struct gbdt_grower *g)
{
	size_t first = ints(&f->column);
	int_add(&f->trees, first);
	for (size_t i = 0; i < g->nnodes; i++) {
		const struct gbdt_grown *n = &g->nodes[i];
		buf_add(&f->column, &n->column, sizeof(n->column));
		if (n->column >= 0) {
			inner_add(f, g->b, n, first);
			continue;
		}
		int_add(&f->left, 0);
		buf_add(&f->set, &(int32_t){ -1 }, sizeof(int32_t));
		buf_add(&f->value, &n->value, sizeof(n->value));
		buf_add(&f->gain, &(double){ 0 }, sizeof(double));
		buf_addc(&f->missing, 0);
	}
}

int
gbdt_forest_model(const struct gbdt_forest *f, size_t n, double base, struct model *m, struct err *e)
{
	size_t nodes = n < ints(&f->trees) ? (size_t)int_at(&f->trees, n) : ints(&f->column), sets = 0;
	struct arena *a = arena_new(4096);
	double *gain = ARENA_ARRAY(a, double, m->ncolumns);
	for (size_t i = 0; i < nodes; i++) {
		sets += int_at(&f->set, i) >= 0;
		if (int_at(&f->column, i) >= 0)
			gain[int_at(&f->column, i)] += ((const double *)(const void *)f->gain.p)[i];
	}
	const struct gbdt_parts p = {
		.base = base,
		.gain = gain,
		.trees = (const void *)f->trees.p,
		.column = (const void *)f->column.p,
		.left = (const void *)f->left.p,
		.set = sets > 0 ? (const void *)f->set.p : NULL,
		.sets = (const void *)f->sets.p,
		.codes = (const void *)f->codes.p,
		.value = (const void *)f->value.p,
		.missing = (const void *)f->missing.p,
		.ntrees = n,
		.nnodes = nodes,
		.nsets = sets,
		.ncodes = sets < ints(&f->sets) ? (size_t)int_at(&f->sets, sets) : ints(&f->codes),
	};
	int rc = gbdt_build(m, &p, e);
	arena_free(&a);
	return rc;
}

void
gbdt_forest_free(struct gbdt_forest *f)
{
	struct buf *all[] = { &f->trees, &f->column, &f->left, &f->set,	   &f->sets,
			      &f->codes, &f->value,  &f->gain, &f->missing };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		buf_free(all[i]);
}
