/* gbdt: what its files share. */
#ifndef MT_LEARN_GBDT_PRIVATE_H
#define MT_LEARN_GBDT_PRIVATE_H

#include "base/buf.h"
#include "learn/gbdt.h"
#include "score/gbdt.h"

/* ---- bins (gbdt-bin.c) ---- */

#define BIN_MISSING 0
#define BINS_ALL 256 /* with the one for what is missing */

/*
 * Bins 1..n hold values: those of bin b are above threshold[b - 2] (b > 1) and at most threshold[b - 1]
 * (b < n); of a categorical column, the code code[b - 1].
 */
struct gbdt_column {
	size_t n;
	size_t first; /* its bin 0 in a histogram */
	double *threshold;
	int32_t *code; /* NULL: not categorical */
};

struct gbdt_bins {
	size_t rows, cols, total; /* total: bins of all columns */
	struct gbdt_column *columns;
	uint8_t *of; /* rows × cols, row-major: the bin of each cell */
};

void gbdt_bins_make(struct arena *a, const struct learn_data *d, size_t max, struct gbdt_bins *out);

/* ---- sums (gbdt-loss.c) ---- */

/*
 * Derivatives as whole numbers: g is the first one times 2^scale_g; hn the second times 2^scale_h, and, in
 * its lowest bits, the number of rows.
 */
struct gbdt_sum {
	_Alignas(16) int64_t g;
	int64_t hn;
};

struct gbdt_units {
	int scale_g, scale_h;
	unsigned bits;	       /* of hn that count rows */
	double unit_g, unit_h; /* 2^-scale_g, 2^-scale_h */
};

static inline size_t
sum_rows(const struct gbdt_units *u, struct gbdt_sum s)
{
	return (size_t)(s.hn & (((int64_t)1 << u->bits) - 1));
}

static inline double
sum_g(const struct gbdt_units *u, struct gbdt_sum s)
{
	return (double)s.g * u->unit_g;
}

static inline double
sum_h(const struct gbdt_units *u, struct gbdt_sum s)
{
	return (double)(s.hn >> u->bits) * u->unit_h;
}

static inline struct gbdt_sum
sum_less(struct gbdt_sum a, struct gbdt_sum b)
{
	return (struct gbdt_sum){ a.g - b.g, a.hn - b.hn };
}

static inline struct gbdt_sum
sum_plus(struct gbdt_sum a, struct gbdt_sum b)
{
	return (struct gbdt_sum){ a.g + b.g, a.hn + b.hn };
}

/* The margin that alone fits best. */
double gbdt_loss_base(enum model_link link, const struct learn_data *d, const uint32_t *rows, size_t n);
/* Derivatives of each row's loss at its margin f, and the units they are in. */
void gbdt_loss_sums(enum model_link link, const struct learn_data *d, const double *f,
		    struct gbdt_units *units, struct gbdt_sum *sums);
/* Mean loss of some rows. */
double gbdt_loss_mean(enum model_link link, const struct learn_data *d, const double *f, const uint32_t *rows,
		      size_t n);

/* ---- histograms (gbdt-histogram.c) ---- */

/* Columns that a tree sees, ascending. */
struct gbdt_pick {
	uint32_t *columns;
	size_t n;
};

/* h[0..total): sums of rows by bin, of the columns picked. */
void gbdt_histogram(const struct gbdt_bins *b, const struct gbdt_pick *pick, const struct gbdt_sum *sums,
		    const uint32_t *rows, size_t n, struct gbdt_sum *h);

/* ---- splits (gbdt-split.c) ---- */

struct gbdt_split {
	double gain; /* 0: there is none */
	size_t column;
	struct gbdt_sum left;
	size_t bin; /* bins up to this one go left; categorical: not used */
	bool missing_left;
	uint64_t set[BINS_ALL / 64]; /* categorical: bins that go left */
};

/* The best one of a node with these sums; h: its histogram. */
void gbdt_split_find(const struct gbdt_bins *b, const struct gbdt_pick *pick, const struct learn_gbdt *o,
		     const struct gbdt_units *u, const struct gbdt_sum *h, struct gbdt_sum all,
		     struct gbdt_split *best);
bool
gbdt_split_left(const struct gbdt_bins *b, const struct gbdt_split *s, const struct gbdt_sum *h, size_t bin);

/* ---- trees (gbdt-grow.c) ---- */

/* A node of the tree that grew last. */
struct gbdt_grown {
	int32_t column; /* -1: a leaf */
	uint32_t left;	/* of this tree */
	double value, gain;
	size_t bin;		/* as in struct gbdt_split */
	uint8_t goes[BINS_ALL]; /* by bin, 1: left */
};

struct gbdt_grower {
	const struct gbdt_bins *b;
	const struct learn_gbdt *o;
	struct arena *arena;
	uint32_t *spare; /* rows that go right, while a leaf is split */
	struct gbdt_leaf *leaves;
	size_t nleaves;
	struct gbdt_sum **histograms; /* that are free */
	size_t nhistograms;
	struct gbdt_grown *nodes;
	size_t nnodes;
	/* of the tree at hand */
	const struct gbdt_units *u;
	const struct gbdt_sum *sums;
	const struct gbdt_pick *pick;
	uint32_t *rows;
};

/* For trees of at most `rows` rows; everything is in a. */
void gbdt_grower_init(struct gbdt_grower *g, struct arena *a, const struct gbdt_bins *b,
		      const struct learn_gbdt *o, size_t rows);
/*
 * A tree, g->nodes[0..nnodes), grown on rows[0..n), which come out in another order; its values are added to
 * their margins f.
 */
void gbdt_grow(struct gbdt_grower *g, const struct gbdt_units *u, const struct gbdt_sum *sums,
	       const struct gbdt_pick *pick, uint32_t *rows, size_t n, double *f);
/* The tree's values to the margins of other rows. */
void gbdt_grown_add(const struct gbdt_grower *g, const uint32_t *rows, size_t n, double *f);

/* ---- all trees (gbdt-forest.c) ---- */

/* As struct gbdt_parts has them; zeroed is empty. */
struct gbdt_forest {
	struct buf trees, column, left, set, sets, codes; /* of int32_t */
	struct buf value, gain;				  /* of double, by node */
	struct buf missing;				  /* of uint8_t */
};

size_t gbdt_forest_trees(const struct gbdt_forest *f);
/* Appends what g grew. */
void gbdt_forest_add(struct gbdt_forest *f, const struct gbdt_grower *g);
/* m->state of the first n trees. */
int gbdt_forest_model(const struct gbdt_forest *f, size_t n, double base, struct model *m, struct err *e);
void gbdt_forest_free(struct gbdt_forest *f);

#endif
