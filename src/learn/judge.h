/*
 * judge: a model on rows that it was not trained on: figures, tables, charts, and whether it is better than
 * another one; as text, JSON or one HTML page.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_JUDGE_H
#define MT_LEARN_JUDGE_H

#include "base/buf.h"
#include "learn/metric.h"
#include "learn/set.h"

#define JUDGE_BINS 10
#define JUDGE_LIFTS 10
#define JUDGE_DRAWS 1000

/* Predictions of a model; for values metrics.brier is the mean squared error. */
struct judge_side {
	const char *name; /* a path, or "constant" */
	const double *p;
	struct metrics metrics;
	double mean; /* of p */
};

struct judgement {
	struct arena *arena;
	const struct model *model;
	const char *part; /* "test rows", "last 14 days" */
	bool value;	  /* values, not labels: of metrics only brier */
	size_t rows;
	const double *y, *w;
	double base;				/* mean of y */
	struct judge_side own, constant, other; /* other.p NULL: none */
	size_t nbins, nlifts;
	struct metric_bin bins[JUDGE_BINS];
	struct metric_lift lifts[JUDGE_LIFTS];
	/* own against other, or against the constant when there is no other; by metric kind. */
	struct metric_difference against[METRIC_KINDS];
};

/*
 * m on the rows of d (its columns), beside other on the rows of other_d, which must be the same rows by its
 * columns; other NULL: none. The constant predicts the mean of y. Free with judge_free.
 */
struct judgement *
judge_make(const struct model *m, const char *name, const struct learn_data *d, const struct model *other,
	   const char *other_name, const struct learn_data *other_d, const char *part, uint64_t seed);
/* Takes NULL; leaves NULL. */
void judge_free(struct judgement **j);

/* Is a metric measured for this judgement? */
bool judge_has(const struct judgement *j, enum metric_kind kind);
/* "log-loss"; for values "mean squared error" */
const char *judge_metric_name(const struct judgement *j, enum metric_kind kind);

void judge_print_text(const struct judgement *j, struct buf *out);
void judge_print_json(const struct judgement *j, struct buf *out);
/* With calibration, lift and, when the model's training figures have one, the loss curve as SVG. */
void judge_print_html(const struct judgement *j, struct buf *out);

/* The figures as they go into a model's training figures; memory of a. */
const struct value *judge_figures(const struct judgement *j, struct arena *a);
/* The judgement as JSON value (what judge_print_json prints); memory of a. */
const struct value *judge_value(const struct judgement *j, struct arena *a);

#endif
