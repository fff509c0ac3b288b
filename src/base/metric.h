/*
 * metric: Prometheus' text format 0.0.4, and a histogram of times. Names and label values are the program's
 * own words or of the characters that configuration allows for names: nothing is escaped.
 *
 * Threads: a histogram is safe to fill and print from any thread.
 */
#ifndef MT_BASE_METRIC_H
#define MT_BASE_METRIC_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

#define METRIC_BUCKETS 12

struct metric_times {
	atomic_llong buckets[METRIC_BUCKETS + 1], us;
};

/* The lines that come before the samples of a name. type: "counter", "gauge", "histogram". */
void metric_head(struct buf *out, const char *name, const char *type, const char *help);
/* Head and one sample without labels. */
void metric_one(struct buf *out, const char *name, const char *type, const char *help, long long v);

void metric_times_add(struct metric_times *t, int64_t us);
/* Head, buckets, sum and count; name in seconds, without a suffix. */
void metric_times_print(struct buf *out, const char *name, const char *help, const struct metric_times *t);

#endif
