/* reserve: a copy's places and its sealed decision, taken and given back. */
#include "recipient/recipient-private.h"

struct str
decision_open(const struct recipient_source *src, const struct recipient_snapshot *r, struct arena *a,
	      struct str sealed)
{
	struct buf plain = { 0 };
	int rc = sealer_open_data(src->sealer, DECISION_PURPOSE, &r->key, sealed, &plain, NULL);
	struct str out = rc == 0 ? arena_str(a, buf_str(&plain)) : STR_NULL;
	buf_free(&plain);
	return out;
}

static int
request_make(const struct recipient_source *src, const struct recipient_snapshot *r, struct str decision_json,
	     int64_t now_ms, struct arena *a, struct reserve_request *rq, struct err *e)
{
	struct cap_request *caps = ARENA_ARRAY(a, struct cap_request, r->ncaps);
	struct buf sealed = { 0 };
	*rq = (struct reserve_request){
		.now_ms = now_ms,
		.caps = caps,
		.ncaps = r->ncaps,
		.decision_keep_ms = RECIPIENT_DECISION_KEEP_MS,
	};
	memcpy(rq->idem, r->idem, sizeof rq->idem);
	memcpy(rq->rk, r->key.b, sizeof rq->rk);
	for (size_t i = 0; i < r->ncaps; i++) {
		memcpy(caps[i].id, r->caps[i].id, sizeof caps[i].id);
		caps[i].limit = r->caps[i].cap->limit;
		caps[i].window_ms = r->caps[i].cap->window_ms;
	}
	int rc = sealer_seal_data(src->sealer, DECISION_PURPOSE, &r->key, decision_json, &sealed);
	rq->decision = arena_str(a, buf_str(&sealed));
	buf_free(&sealed);
	return rc == 0 ? 0 : err_set(e, ERR_BUG, "a decision cannot be sealed");
}

int
recipient_reserve_many(const struct recipient_source *src, const struct recipient_snapshot *const *r,
		       const struct str *decisions, const struct event *events, size_t n, int64_t now_ms,
		       struct arena *a, struct reserve_result *out, struct err *e)
{
	struct reserve_request *rq = ARENA_ARRAY(a, struct reserve_request, n);
	for (size_t i = 0; i < n; i++) {
		if (request_make(src, r[i], decisions[i], now_ms, a, &rq[i], e) != 0)
			return -1;
		rq[i].event = events ? &events[i] : NULL;
	}
	if (store_reserve_many(src->store, rq, n, a, out, e) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (out[i].status == RESERVE_AGAIN)
			out[i].decision = decision_open(src, r[i], a, out[i].decision);
		if (out[i].status == RESERVE_OK)
			out[i].decision = decisions[i];
	}
	return 0;
}

int
recipient_reserve(const struct recipient_source *src, const struct recipient_snapshot *r,
		  struct str decision_json, int64_t now_ms, struct arena *a, struct reserve_result *out,
		  struct err *e)
{
	return recipient_reserve_many(src, &r, &decision_json, NULL, 1, now_ms, a, out, e);
}

int
recipient_release(const struct recipient_source *src, const struct recipient_snapshot *r, struct err *e)
{
	return store_release(src->store, r->key.b, r->idem, e);
}
