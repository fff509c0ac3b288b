/* metrics: see metrics.h. */
#include "web/metrics.h"

static const int64_t EDGES_US[METRICS_BUCKETS] = { 500,	  1000,	 2500,	 5000,	 10000,
						   25000, 50000, 100000, 250000, 1000000 };

void
metrics_latency(struct metrics *m, int64_t us)
{
	size_t i = 0;
	while (i < METRICS_BUCKETS && us > EDGES_US[i])
		i++;
	atomic_fetch_add(&m->latency[i], 1);
	atomic_fetch_add(&m->latency_us, us);
	atomic_fetch_add(&m->latency_count, 1);
}

static void
head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
one(struct buf *out, const char *name, const char *type, const char *help, long long v)
{
	head(out, name, type, help);
	buf_printf(out, "%s %lld\n", name, v);
}

static void
print_requests(const struct metrics *m, struct buf *out)
{
	head(out, "mailtailor_http_requests_total", "counter", "Requests answered, by route and status.");
	for (int k = 0; k < ROUTE_KINDS; k++)
		for (int s = 1; s < 6; s++) {
			long long n = atomic_load(&m->requests[k][s]);
			if (n > 0)
				buf_printf(
				    out,
				    "mailtailor_http_requests_total{route=\"%s\",status=\"%dxx\"} %lld\n",
				    route_name((enum route_kind)k), s, n);
		}
}

static void
print_events(const struct metrics *m, struct buf *out)
{
	head(out, "mailtailor_events_total", "counter", "Events recorded, by type and class.");
	for (int t = 0; t < EVENT_TYPES; t++)
		for (int c = 0; c < EVENT_CLASSES; c++) {
			long long n = atomic_load(&m->events[t][c]);
			if (n > 0)
				buf_printf(out, "mailtailor_events_total{type=\"%s\",class=\"%s\"} %lld\n",
					   event_type_name((enum event_type)t),
					   event_class_name((enum event_class)c), n);
		}
}

static void
print_latency(const struct metrics *m, struct buf *out)
{
	long long sum = 0;
	head(out, "mailtailor_http_request_seconds", "histogram", "From a request to its answer.");
	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		sum += atomic_load(&m->latency[i]);
		buf_printf(out, "mailtailor_http_request_seconds_bucket{le=\"%g\"} %lld\n",
			   (double)EDGES_US[i] / 1e6, sum);
	}
	sum += atomic_load(&m->latency[METRICS_BUCKETS]);
	buf_printf(out, "mailtailor_http_request_seconds_bucket{le=\"+Inf\"} %lld\n", sum);
	buf_printf(out, "mailtailor_http_request_seconds_sum %.6f\n",
		   (double)atomic_load(&m->latency_us) / 1e6);
	buf_printf(out, "mailtailor_http_request_seconds_count %lld\n", sum);
}

void
metrics_print(const struct metrics *m, const struct event_stats *stats, struct buf *out)
{
	print_requests(m, out);
	print_events(m, out);
	print_latency(m, out);
	one(out, "mailtailor_http_limited_total", "counter", "Requests answered 429.",
	    atomic_load(&m->limited));
	one(out, "mailtailor_http_bad_tokens_total", "counter", "Links that are none, or are too old.",
	    atomic_load(&m->bad_tokens));
	one(out, "mailtailor_http_connections", "gauge", "Connections now.", atomic_load(&m->connections));
	one(out, "mailtailor_events_queued_total", "counter",
	    "Events written to the queue file, because the database took none.", atomic_load(&m->queued));
	one(out, "mailtailor_events_lost_total", "counter", "Events that could be written nowhere.",
	    atomic_load(&m->lost));
	one(out, "mailtailor_store_failures_total", "counter", "Commits of events that failed.",
	    atomic_load(&m->failures));
	if (stats == NULL)
		return;
	one(out, "mailtailor_event_log_records", "gauge", "Events in the log.", stats->events);
	one(out, "mailtailor_event_map_used_bytes", "gauge", "Bytes of events.mdb in use.", stats->map_used);
	one(out, "mailtailor_event_map_size_bytes", "gauge",
	    "Bytes that events.mdb may have (state.map_size).", stats->map_size);
}
