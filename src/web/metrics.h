/*
 * metrics: counters of a process, as Prometheus text (exposition format 0.0.4).
 * Threads: counters are atomic.
 */
#ifndef MT_WEB_METRICS_H
#define MT_WEB_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/metric.h"
#include "store/event.h"
#include "web/route.h"

struct metrics {
	atomic_llong requests[ROUTE_KINDS][6]; /* by hundreds of the status: [2] is 2xx */
	atomic_llong events[EVENT_TYPES][EVENT_CLASSES];
	atomic_llong limited;	     /* answered 429 */
	atomic_llong bad_tokens;     /* and expired */
	atomic_llong queued;	     /* events written to the queue file */
	atomic_llong lost;	     /* opens and clicks that could be written nowhere */
	atomic_llong failures;	     /* the database said no */
	atomic_llong waiting;	     /* now: events in arrivals.mdb that are not in the log yet */
	atomic_llong connections;    /* now */
	struct metric_times latency; /* from request to answer */
};

/* What the store says of itself is added when it is there. */
void metrics_print(const struct metrics *m, const struct event_stats *stats, struct buf *out);

#endif
