/*
 * train: one way to every trainer, by the kind's name, with options out of a specification or a command line.
 *
 *     logistic   l2 (1)       labels: logistic regression; values: ridge, least squares with l2 0
 *     mlp        hidden ([64, 64]), rate (.001), l2 (0), dropout (0), batch (64), epochs (10), validation
 * (0), patience (0), prune (0), prune_epochs (0), standardize (0 or 1; 0), seed (1): see mlp.h
 *     gbdt       trees (150), leaves (8), depth (0), min_rows (100), bins (255), rate (.05), l2 (0),
 *                min_gain (0), category_smooth (10), category_rows (10), rows (1), columns (1),
 *                validation (0), patience (10), seed (1): see gbdt.h
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_TRAIN_H
#define MT_LEARN_TRAIN_H

#include "learn/learn.h"

struct train_job {
	const struct learn_data *train;
	const struct learn_data
	    *valid; /* for early stopping; NULL or no rows: the trainer takes its own part */
	const struct learn_names *names;
	enum model_link link;		       /* MODEL_LOGIT: labels, MODEL_IDENTITY: values */
	const struct value *options;	       /* a map; "kind" in it is passed over */
	const struct learn_progress *progress; /* or NULL */
};

struct trainer {
	const char *kind, *summary;
	/* Names of its options, NULL behind the last; others are refused. */
	const char *const *options;
	struct model *(*train)(const struct train_job *job, struct err *e);
};

/* The i-th, NULL behind the last. */
const struct trainer *trainer_at(size_t i);
/* NULL with e, ERR_INPUT: an unknown kind; the text names those there are, and the one that comes close. */
const struct trainer *trainer_find(struct str kind, struct err *e);
/* NULL with e: an unknown kind or option, or what the trainer says. */
struct model *train(struct str kind, const struct train_job *job, struct err *e);

/* For trainers: an option as a number in low … high, or its default. -1 with e. */
int train_number(const struct train_job *job, const char *name, double low, double high, double *v,
		 struct err *e);
int
train_count(const struct train_job *job, const char *name, size_t low, size_t high, size_t *v, struct err *e);

#endif
