/* metric: what its files share. */
#ifndef MT_LEARN_METRIC_PRIVATE_H
#define MT_LEARN_METRIC_PRIVATE_H

#include "learn/metric.h"

/* Rows by p, lowest first, ties by row. From malloc; free it. */
size_t *metric_order(const double *p, size_t n);
/* Over rows in that order; c, or NULL: how often each row counts (beside w). */
double metric_sorted_auc(const struct metric_data *d, const size_t *order, const double *c);
double metric_sorted_precision(const struct metric_data *d, const size_t *order, const double *c);
/* A row's own part of log-loss and Brier's score. */
double metric_row_logloss(double p, double y);
double metric_row_brier(double p, double y);
/* Memory that was asked for by our own sizes is there, or the program ends, as with arenas. */
void *metric_alloc(size_t n);

#endif
