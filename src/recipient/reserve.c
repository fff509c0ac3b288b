/* reserve: a copy's places and its sealed decision, taken and given back. */
#include "recipient/recipient-private.h"

/* What the store gives back is sealed; who asks for "again" wants the decision itself. */
static int
decision_open(const struct recipient_source *src, const struct recipient_snapshot *r, struct arena *a,
	      struct reserve_result *out, struct err *e)
{
	struct buf plain = { 0 };
	int rc = sealer_open_data(src->sealer, DECISION_PURPOSE, &r->key, out->decision, &plain, e);
	if (rc == 0)
		out->decision = arena_str(a, buf_str(&plain));
	buf_free(&plain);
	return rc;
}

int
recipient_reserve(const struct recipient_source *src, const struct recipient_snapshot *r,
		  struct str decision_json, int64_t now_ms, struct arena *a, struct reserve_result *out,
		  struct err *e)
{
	struct cap_request *caps = ARENA_ARRAY(a, struct cap_request, r->ncaps);
	struct buf sealed = { 0 };
	struct reserve_request rq = {
		.now_ms = now_ms,
		.caps = caps,
		.ncaps = r->ncaps,
		.decision_keep_ms = RECIPIENT_DECISION_KEEP_MS,
	};
	int rc = -1;
	memcpy(rq.idem, r->idem, sizeof rq.idem);
	memcpy(rq.rk, r->key.b, sizeof rq.rk);
	for (size_t i = 0; i < r->ncaps; i++) {
		memcpy(caps[i].id, r->caps[i].id, sizeof caps[i].id);
		caps[i].limit = r->caps[i].cap->limit;
		caps[i].window_ms = r->caps[i].cap->window_ms;
	}
	if (sealer_seal_data(src->sealer, DECISION_PURPOSE, &r->key, decision_json, &sealed) != 0) {
		err_set(e, ERR_BUG, "a decision cannot be sealed");
		goto out;
	}
	rq.decision = buf_str(&sealed);
	rc = store_reserve(src->store, &rq, a, out, e);
	if (rc != 0)
		goto out;
	if (out->status == RESERVE_AGAIN)
		rc = decision_open(src, r, a, out, e);
	else if (out->status == RESERVE_OK)
		out->decision = decision_json;
out:
	buf_free(&sealed);
	return rc;
}

int
recipient_release(const struct recipient_source *src, const struct recipient_snapshot *r, struct err *e)
{
	return store_release(src->store, r->key.b, r->idem, e);
}
