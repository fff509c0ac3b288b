/*
 * metric: how good predictions are. p are probabilities (or any scores, for auc and precision), y labels 0 or
 * 1, w weights or NULL (all 1); n of each.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_METRIC_H
#define MT_LEARN_METRIC_H

#include <stddef.h>
#include <stdint.h>

struct metric_data {
	const double *p, *y, *w;
	size_t n;
};

/* NAN where there is nothing to measure: no rows, or (auc, precision) labels of one kind only. */
struct metrics {
	double auc;	  /* area under the ROC curve; ties count half (Mann and Whitney) */
	double precision; /* average precision: Σ (R_k - R_k-1)·P_k over distinct scores, no interpolation */
	double logloss;	  /* mean; p is kept 2^-52 away from 0 and 1, as scikit-learn does */
	double brier;
	double ece;		/* expected calibration error over 10 bins of equal numbers of rows */
	double positives, rows; /* weights of the labels 1, and of all */
};
struct metrics metric_all(const struct metric_data *d);

double metric_auc(const struct metric_data *d);
double metric_precision(const struct metric_data *d);
double metric_logloss(const struct metric_data *d);
double metric_brier(const struct metric_data *d);
/* Rows in the order of p (ties by row) in `bins` parts of equal numbers, the first ones larger by one. */
double metric_ece(const struct metric_data *d, size_t bins);

/* ---- tables for charts ---- */

struct metric_bin {
	double rows;	  /* weight */
	double predicted; /* mean p */
	double observed;  /* mean y */
	double low, high; /* 95 % interval of observed (Wilson) */
};
/* bins as of metric_ece, lowest p first; out[0..bins). Returns how many are not empty (the first ones). */
size_t metric_calibration(const struct metric_data *d, size_t bins, struct metric_bin *out);

struct metric_lift {
	double share;	 /* of the rows, those with the highest p: 0.1, 0.2, … 1 */
	double captured; /* share of the positives that are among them */
	double lift;	 /* captured / share */
};
/* steps of equal share; rows with the same p are taken in part: which of them cannot be told apart. */
size_t metric_lift(const struct metric_data *d, size_t steps, struct metric_lift *out);

/* ---- is one better than the other? ---- */

enum metric_kind { METRIC_AUC, METRIC_PRECISION, METRIC_LOGLOSS, METRIC_BRIER };
#define METRIC_KINDS 4
const char *metric_name(enum metric_kind kind);
/* 1: more is better, -1: less is. */
int metric_direction(enum metric_kind kind);

/*
 * a against b on the same rows: difference a - b, its standard error over `draws` bootstrap samples of rows
 * (both judged on the same sample: paired), and the 95 % percentile interval. "Ahead" is only said above two
 * standard errors.
 */
struct metric_difference {
	double a, b, difference, se, low, high;
	int verdict; /* 1: a is better by more than 2 SE, -1: b is, 0: neither can be said */
};
/* The same seed gives the same draws for every kind and pair. */
struct metric_difference metric_compare(const double *a, const double *b, const double *y, const double *w,
					size_t n, enum metric_kind kind, size_t draws, uint64_t seed);

#endif
