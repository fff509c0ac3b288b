/* metrics: see metrics.h. */
#include "web/metrics.h"

static void
print_requests(const struct metrics *m, struct buf *out)
{
	metric_head(out, "mailtailor_http_requests_total", "counter",
		    "Requests answered, by route and status.");
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
	metric_head(out, "mailtailor_events_total", "counter", "Events recorded, by type and class.");
	for (int t = 0; t < EVENT_TYPES; t++)
		for (int c = 0; c < EVENT_CLASSES; c++) {
			long long n = atomic_load(&m->events[t][c]);
			if (n > 0)
				buf_printf(out, "mailtailor_events_total{type=\"%s\",class=\"%s\"} %lld\n",
					   event_type_name((enum event_type)t),
					   event_class_name((enum event_class)c), n);
		}
}

void
metrics_print(const struct metrics *m, const struct event_stats *stats, struct buf *out)
{
	print_requests(m, out);
	print_events(m, out);
	metric_times_print(out, "mailtailor_http_request_seconds", "From a request to its answer.",
			   &m->latency);
	metric_one(out, "mailtailor_http_limited_total", "counter", "Requests answered 429.",
		   atomic_load(&m->limited));
	metric_one(out, "mailtailor_http_bad_tokens_total", "counter", "Links that are none, or are too old.",
		   atomic_load(&m->bad_tokens));
	metric_one(out, "mailtailor_http_connections", "gauge", "Connections now.",
		   atomic_load(&m->connections));
	metric_one(out, "mailtailor_events_queued_total", "counter",
		   "Events written to the queue file, because the database took none.",
		   atomic_load(&m->queued));
	metric_one(out, "mailtailor_events_waiting", "gauge",
		   "Events on disk, in arrivals.mdb, that are not in the log yet.", atomic_load(&m->waiting));
	metric_one(out, "mailtailor_events_lost_total", "counter", "Events that could be written nowhere.",
		   atomic_load(&m->lost));
	metric_one(out, "mailtailor_store_failures_total", "counter", "Commits of events that failed.",
		   atomic_load(&m->failures));
	if (stats == NULL)
		return;
	metric_one(out, "mailtailor_event_log_records", "gauge", "Events in the log.", stats->events);
	metric_one(out, "mailtailor_event_map_used_bytes", "gauge", "Bytes of events.mdb in use.",
		   stats->map_used);
	metric_one(out, "mailtailor_event_map_size_bytes", "gauge",
		   "Bytes that events.mdb may have (state.map_size).", stats->map_size);
}
