/* metric: see metric.h. */
#include "base/metric.h"

static const int64_t EDGES_US[METRIC_BUCKETS] = { 500,	 1000,	 2500,	 5000,	  10000,   25000,
						  50000, 100000, 250000, 1000000, 2500000, 10000000 };

void
metric_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void
metric_one(struct buf *out, const char *name, const char *type, const char *help, long long v)
{
	metric_head(out, name, type, help);
	buf_printf(out, "%s %lld\n", name, v);
}

void
metric_times_add(struct metric_times *t, int64_t us)
{
	size_t i = 0;
	while (i < METRIC_BUCKETS && us > EDGES_US[i])
		i++;
	atomic_fetch_add(&t->buckets[i], 1);
	atomic_fetch_add(&t->us, us);
}

void
metric_times_print(struct buf *out, const char *name, const char *help, const struct metric_times *t)
{
	long long sum = 0;
	metric_head(out, name, "histogram", help);
	for (size_t i = 0; i < METRIC_BUCKETS; i++) {
		sum += atomic_load(&t->buckets[i]);
		buf_printf(out, "%s_bucket{le=\"%g\"} %lld\n", name, (double)EDGES_US[i] / 1e6, sum);
	}
	sum += atomic_load(&t->buckets[METRIC_BUCKETS]);
	buf_printf(out, "%s_bucket{le=\"+Inf\"} %lld\n", name, sum);
	buf_printf(out, "%s_sum %.6f\n", name, (double)atomic_load(&t->us) / 1e6);
	buf_printf(out, "%s_count %lld\n", name, sum);
}
