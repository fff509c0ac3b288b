/*
 * dataset: the event log as data to learn from. A row is a decision that led to a copy (`injected`): the
 * features kept with it, its arm and the probability of that, and what came of it.
 *
 * Outcome. An event of a type asked for, of that copy, by anybody but a proxy or a machine, within the
 * window after the decision, less what was taken back (`reclassified`). One without a copy id (a purchase in
 * the shop) counts for the recipient's latest decision before it.
 *
 * Delay. A decision younger than the window has no outcome yet, which is not the same as none: it is left
 * out. (Keeping those that have theirs already makes rates look higher than they are; see early.)
 *
 * Privacy. Addresses are not in the event log. Rows of one recipient have the same group, a keyed hash that
 * is good for nothing else; it tells no more than who was the same. Erased recipients have no row.
 *
 * Threads: a dataset belongs to one thread at a time.
 */
#ifndef MT_LEARN_DATASET_H
#define MT_LEARN_DATASET_H

#include "learn/set.h"
#include "score/column.h"
#include "store/event.h"
#include "token/token.h"

#define DATASET_MAX_CELLS ((size_t)1 << 28) /* 2 GiB as doubles */
#define DATASET_GROUP_LEN 8

struct dataset_request {
	const char *const *campaigns; /* ncampaigns; 0: all */
	size_t ncampaigns;
	/*
	 * Rows are those that were kept of exactly these columns; decisions with others are counted and left
	 * out. NULL: no features; every decision counts.
	 */
	const struct score_columns *columns;
	uint32_t outcomes; /* EVENT_BIT of opened, clicked, converted, purchased, unsubscribed … */
	bool own_copy;	   /* outcomes that do not say of which copy they came do not count */
	int64_t window_ms, now_ms;
	int64_t since_ms, until_ms; /* decisions in [since, until); 0: all */
	bool early;		    /* decisions younger than the window count when they have their outcome */
	const struct keyring *keys; /* for groups */
	void (*progress)(void *ctx, uint64_t event); /* now and then; or NULL */
	void *ctx;
};

struct dataset_row {
	int64_t at_ms;
	uint8_t group[DATASET_GROUP_LEN];
	const char *campaign, *arm; /* equal ones are one pointer */
	double propensity;	    /* of the arm; 1 where none was chosen; NAN: it is not known */
	bool outcome;
	double value; /* of the outcome's events, in currency units */
	double score; /* the first that was kept; NAN: none */
};

struct dataset {
	struct arena *arena;
	const struct score_columns *columns; /* the request's */
	size_t cols;
	struct dataset_row *rows; /* n, by time */
	double *x;		  /* n × cols, row-major */
	size_t n;
	/* Decisions that have no row. */
	uint64_t young, other_columns, erased, damaged;
};

/* NULL with e: ERR_LIMIT (more than DATASET_MAX_CELLS), or the database's. */
struct dataset *dataset_read(struct store *s, const struct dataset_request *rq, struct err *e);
/* Takes NULL; leaves NULL. */
void dataset_free(struct dataset **d);

/*
 * For trainers: the latest rows are the test, those before them validation, the earlier ones for training;
 * rows of one moment stay together. Labels are outcomes, or values. `quantile` columns are completed; those
 * that read the arm are left out, for scorers are asked before it is decided.
 * ERR_INPUT: no rows.
 */
struct learn_set *dataset_set(const struct dataset *d, double valid, double test, bool values, struct err *e);

/* CSV with a header: at, campaign, arm, propensity, group, outcome, value, score, then the columns by their
 * texts; missing is empty. Appends the header, or row i. */
void dataset_csv_head(const struct dataset *d, struct buf *out);
void dataset_csv_row(const struct dataset *d, size_t i, struct buf *out);

#endif
