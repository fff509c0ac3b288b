/*
 * stats: the statistics of reports. Counts are k successes of n, 0 <= k <= n.
 * Threads: safe (lgamma_r). Nothing here allocates.
 */
#ifndef MT_REPORT_STATS_H
#define MT_REPORT_STATS_H

#include <stddef.h>
#include <stdint.h>

#define STATS_Z95 1.959963984540054 /* two-sided 95 % */
#define STATS_RATIO_ALPHA 0.001	    /* below: the sample ratio is no accident */

struct stats_interval {
	double value, low, high;
};

/* E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927),
 * 209-212: the score interval, without correction for continuity. n > 0. */
struct stats_interval stats_wilson(int64_t k, int64_t n, double z);
/* k1/n1 - k2/n2. R. G. Newcombe, Interval estimation for the difference between independent proportions,
 * Statistics in Medicine 17 (1998), 873-890, method 10: from two Wilson intervals. */
struct stats_interval stats_newcombe(int64_t k1, int64_t n1, int64_t k2, int64_t n2, double z);

struct stats_test {
	const char *name; /* "z" or "fisher" */
	double statistic; /* z; 0 for fisher */
	double p;	  /* two-sided */
};
/*
 * Are two proportions the same? The z test with pooled variance (its square is K. Pearson's chi-square of the
 * 2x2 table, 1900) where all four expected counts are at least 5 (W. G. Cochran, 1954), else R. A. Fisher's
 * exact test (1935), two-sided by the probabilities of the tables. n1, n2 > 0.
 */
struct stats_test stats_two(int64_t k1, int64_t n1, int64_t k2, int64_t n2);
/* Each alone, for tests. */
double stats_two_z(int64_t k1, int64_t n1, int64_t k2, int64_t n2);
double stats_fisher(int64_t k1, int64_t n1, int64_t k2, int64_t n2);

/*
 * P(p1 > p2) after k1 of n1 and k2 of n2, with independent uniform priors: p ~ Beta(1 + k, 1 + n - k). The
 * sum over one parameter (J. D. Cook, Exact calculation of beta inequalities, 2005; E. Miller, Formulas for
 * Bayesian A/B testing, 2013) while that is short, else the integral of one density times the other's
 * distribution, on a grid.
 */
double stats_superior(int64_t k1, int64_t n1, int64_t k2, int64_t n2);
/* Each alone, for tests. Parameters of Beta distributions, >= 1. */
double stats_beta_above_sum(double a1, double b1, double a2, double b2);
double stats_beta_above_grid(double a1, double b1, double a2, double b2);

/* Upper tail of chi-square with df degrees of freedom: Q(df/2, x/2), the incomplete gamma function by its
 * series and its continued fraction (Abramowitz and Stegun, 6.5.29 and 6.5.31). x >= 0, df >= 1. */
double stats_chi2_tail(double x, int df);
/* Pearson's goodness of fit of n counts to shares that add up to 1. n >= 2, a count of more than 0. *chi2
 * gets the statistic; returns p. As a check of experiments: Fabijan et al., Diagnosing sample ratio mismatch
 * in online controlled experiments, KDD 2019. */
double stats_ratio(const int64_t *counts, const double *shares, size_t n, double *chi2);

/* S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979), 65-70:
 * p[0..n) become adjusted ones. n <= STATS_MAX_HOLM; beyond, Bonferroni's for all. */
#define STATS_MAX_HOLM 256
void stats_holm(double *p, size_t n);

#endif
