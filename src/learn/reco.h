/*
 * reco: training of recommendation models (recommend/model.h), and how good they are.
 *
 * Interactions are a sparse matrix of customers and items: who took what how often. Trainers look at whether,
 * als at how often, too.
 *
 * Threads: safe; each works on the caller's thread alone.
 */
#ifndef MT_LEARN_RECO_H
#define MT_LEARN_RECO_H

#include "learn/learn.h"
#include "recommend/model.h"

/* EASE inverts a dense matrix of items × items doubles. */
#define RECO_MAX_DENSE 12000
#define RECO_MAX_PAIRS ((size_t)200 << 20)

/* Rows are customers; of each the items rise. CSR. */
struct reco_data {
	size_t users, items;
	size_t *end;	 /* users: end of each one's entries */
	uint32_t *item;	 /* end[users - 1] entries */
	float *count;	 /* likewise: on how many days (UTC), at least 1 */
	int32_t *id_end; /* items: as in struct recommend_model; ids rise */
	char *id_text;
};

/* ---- gathering ---- */

/* One line of a log: this customer took this item. Texts are copied. */
struct reco_log;
struct reco_log *reco_log_new(void);
void reco_log_free(struct reco_log **l);
/* 0, or -1: ERR_INPUT (an empty or too long id), ERR_LIMIT. */
int reco_log_add(struct reco_log *l, struct str customer, struct str item, int64_t at_ms, struct err *e);
size_t reco_log_size(const struct reco_log *l);

struct reco_split {
	int64_t at_ms;	      /* lines before it train, the others test; INT64_MAX: all train */
	size_t min_customers; /* items with fewer training customers are left out; 0: 1 */
	size_t max_items;     /* of more the most popular ones; 0: RECOMMEND_MAX_ITEMS */
};
/*
 * Matrices out of it, both with the same customers and items (items by id, customers by name). test may be
 * NULL. In a. ERR_INPUT when nothing is left to learn from.
 */
int reco_log_matrix(struct reco_log *l, const struct reco_split *split, struct arena *a,
		    struct reco_data *train, struct reco_data *test, struct err *e);

/* ---- training ---- */

struct reco_options {
	enum recommend_kind kind;
	/* ease, knn: how many weights are kept of each item, the largest by magnitude; 0: all */
	size_t keep;
	double lambda;		    /* ease */
	size_t neighbours;	    /* knn: of each item */
	double shrink;		    /* knn */
	size_t factors, iterations; /* als */
	double regularization, alpha;
	uint64_t seed;
};
/* What does well on shops' data; kind decides. */
struct reco_options reco_defaults(enum recommend_kind kind);

/*
 * Trains. *out points into a and into data.
 *   popular  how many took each
 *   ease     G = XᵀX + λI, P = G⁻¹ (LAPACK dpotrf, dpotri), weight(i, j) = -Pᵢⱼ / Pⱼⱼ, 0 on the diagonal
 *            (Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019)
 *   knn      |i ∧ j| / (√|i| √|j| + shrink), of each item j the `neighbours` that are nearest
 *   als      as in recommend/model.h, customers and items in turn; loss as in the paper's equation 3
 * ERR_INPUT, ERR_LIMIT (too many items for ease), ERR_TEMP (memory).
 */
int reco_train(const struct reco_data *d, const struct reco_options *o, const struct learn_progress *p,
	       struct arena *a, struct recommend_model *out, struct err *e);

/* ---- evaluation ---- */

/* Means of fewer customers say nothing, and their standard error, which may be 0, says nothing of them. */
#define RECO_MIN_JUDGED 30

struct reco_figures {
	size_t users; /* with something in train and in test */
	double ndcg, recall, ndcg_se;
	double hit; /* share of users with a hit */
};
/* What customers may be told. */
enum reco_bought {
	RECO_NEW,   /* only what they have not taken: such pairs are the test */
	RECO_ANY,   /* anything: all pairs of the test */
	RECO_AGAIN, /* what they took most often first, then the most popular; all pairs */
};
/*
 * At `top` recommendations (1..100): NDCG (binary relevance, ideal: min(tests, top) hits) and recall (hits of
 * all tests), means over customers; equal scores: the lower item first.
 */
int
reco_evaluate(const struct recommend_model *m, const struct reco_data *train, const struct reco_data *test,
	      enum reco_bought bought, size_t top, struct reco_figures *out, struct err *e);

/* reco-NAME.c: the trainers behind reco_train; popularity and ids are there already. */
int reco_ease(const struct reco_data *d, const struct reco_options *o, const struct learn_progress *p,
	      struct arena *a, struct recommend_model *out, struct err *e);
int reco_knn(const struct reco_data *d, const struct reco_options *o, const struct learn_progress *p,
	     struct arena *a, struct recommend_model *out, struct err *e);
int reco_als(const struct reco_data *d, const struct reco_options *o, const struct learn_progress *p,
	     struct arena *a, struct recommend_model *out, struct err *e);

/* One entry of a sparse row while it is made. */
struct reco_entry {
	uint32_t item;
	float weight;
};
/* Cuts v[0..n) to the `keep` (0: all) with the largest magnitude, and puts them in the order of items;
 * returns how many are left. Equal ones: the lower item stays. */
int reco_by_item(const void *a, const void *b); /* for qsort */
size_t reco_cut(struct reco_entry *v, size_t n, size_t keep);
/* Rows [0..items) one behind the other, as struct recommend_model has them. */
struct reco_rows {
	struct buf item, weight;
	int32_t *end;
	size_t n;
};
int reco_rows_add(struct reco_rows *r, size_t row, const struct reco_entry *v, size_t n, struct err *e);
int reco_rows_take(struct reco_rows *r, struct arena *a, struct recommend_model *out, struct err *e);

#endif
