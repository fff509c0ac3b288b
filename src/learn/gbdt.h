/*
 * gbdt: histogram gradient boosting (Friedman 2001; the layout of LightGBM, Ke et al. 2017): columns are cut
 * into at most 255 bins of about as many rows each and one for what is missing; trees grow leaf by leaf, the
 * best split first; a split's gain is G²/(H + l2) of both sides less that of the whole, of first and second
 * derivatives of the loss. Missing values learn their direction at each split. Category codes split into
 * two sets, found along the order of G/(H + category_smooth), which holds the best one (Fisher 1958).
 *
 * Derivatives are summed as whole numbers: sums come out the same in whatever order, so what a histogram
 * less that of one child leaves is the other's, to the last bit.
 */
#ifndef MT_LEARN_GBDT_H
#define MT_LEARN_GBDT_H

#include "learn/learn.h"

#define LEARN_GBDT_MAX_ROWS ((size_t)1 << 26)
#define LEARN_GBDT_MAX_LEAVES 4096

struct learn_gbdt {
	enum model_link
	    link;	 /* MODEL_LOGIT: log-loss, labels 0 and 1; MODEL_IDENTITY: half the squared error */
	size_t trees;	 /* at most GBDT_MAX_TREES */
	size_t leaves;	 /* of a tree, 2 to LEARN_GBDT_MAX_LEAVES */
	size_t depth;	 /* steps to a leaf, at most; 0: no limit of its own */
	size_t min_rows; /* of a leaf, at least 1 */
	size_t bins;	 /* of a column, 2 to 255 */
	double rate;	 /* learning rate, in (0, 1] */
	double l2;	 /* penalty on the values of leaves, 0 or more */
	double min_gain; /* of a split, 0 or more */
	double category_smooth;		/* categories with few rows are drawn to the middle, 0 or more */
	size_t category_rows;		/* a category with fewer rows at a node is not told from the rest */
	double rows, columns;		/* shares that each tree sees, in (0, 1] */
	double validation;		/* share of the rows held out to stop early, in [0, 1); 0: none */
	const struct learn_data *valid; /* rows to stop early by instead; NULL: none */
	size_t patience;		/* stops after so many trees without a gain on those; 0: never */
	uint64_t seed;			/* of rows, columns and validation */
};

/* 150 trees of 8 leaves, rate .05, 100 rows a leaf, all rows and columns, stops early (patience 10) where
 * rows are held out. */
struct learn_gbdt learn_gbdt_defaults(void);

/* How it went. */
struct learn_gbdt_fit {
	size_t trees;	   /* kept: when it stops early, up to the best */
	double train_loss; /* mean at the kept trees; NAN: not measured, since nobody watched the progress */
	double valid_loss; /* mean of the rows held out; NAN: none were */
	double *margins;   /* in: NULL, or room for the margin of each row of d after all trees that grew */
};

/*
 * Cells of categorical columns are whole numbers from 0 to GBDT_MAX_CODE; others count as missing. fit may be
 * NULL. NULL with e: ERR_INPUT, ERR_LIMIT.
 */
struct model *
learn_gbdt(const struct learn_data *d, const struct learn_names *names, const struct learn_gbdt *o,
	   const struct learn_progress *p, struct learn_gbdt_fit *fit, struct err *e);

#endif
