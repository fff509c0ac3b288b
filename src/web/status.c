/* status: what the private listener answers. */
#include "base/log.h"
#include "web/private.h"

static void
metrics(struct request *rq)
{
	struct buf out = { 0 };
	struct event_stats stats;
	struct err e = { 0 };
	struct store *s = web_store(rq->web);
	bool known = s != NULL && event_stats(s, &stats, &e) == 0;
	if (s != NULL && !known)
		log_error("metrics: %s", e.text);
	metrics_print(&rq->web->metrics, known ? &stats : NULL, &out);
	respond_text(rq, MHD_HTTP_OK, buf_str(&out));
	buf_free(&out);
}

/* Health: the process answers. Ready: what comes in is kept, in the database or in the queue. */
void
status_handle(struct request *rq)
{
	if (rq->route.kind == ROUTE_METRICS)
		metrics(rq);
	else if (rq->route.kind == ROUTE_HEALTH)
		respond_text(rq, MHD_HTTP_OK, STR("ok\n"));
	else if (web_store(rq->web) != NULL)
		respond_text(rq, MHD_HTTP_OK, STR("ready\n"));
	else
		respond_text(rq, MHD_HTTP_SERVICE_UNAVAILABLE, STR("the database cannot be opened\n"));
}
