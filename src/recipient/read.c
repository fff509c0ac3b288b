/* read: recipients' snapshots out of the store. */
#include "recipient/recipient-private.h"

static bool
suppression_covers(struct str category, const char *campaign_category)
{
	if (str_eq(category, STR("*")))
		return true;
	if (category.n == 0)
		return strcmp(campaign_category, "transactional") != 0;
	return str_eq(category, str_of(campaign_category));
}

static bool
suppression_holds(const struct suppression_record *s, int64_t now_ms)
{
	return s->until_ms == 0 || now_ms < s->until_ms;
}

static int
snapshot_fill(const struct recipient_source *src, const struct store_view *v, int64_t now_ms, struct arena *a,
	      struct recipient_snapshot *r, struct err *e)
{
	r->known = v->known;
	r->reserved = v->reserved;
	if (v->reserved && src->campaign->narms > 0)
		snapshot_arm(src, r, v->decision, a);
	if (v->known && profile_open(src, &r->key, v->profile, a, &r->profile, e) != 0)
		return -1;
	snapshot_locale(src, a, r);
	for (size_t i = 0; i < v->nconsents; i++)
		snapshot_consent(src, r, v->consents[i].topic, v->consents[i].state);
	for (size_t i = 0; i < v->nsuppressions && !r->suppressed; i++)
		if (suppression_holds(&v->suppressions[i], now_ms) &&
		    suppression_covers(v->suppressions[i].category, src->campaign->category)) {
			r->suppressed = true;
			r->suppressed_reason = suppression_reason_name(v->suppressions[i].reason);
		}
	for (size_t i = 0; i < r->ncaps; i++) {
		const struct conf_cap *cap = r->caps[i].cap;
		r->caps[i].used = v->cap_used[i];
		if (v->cap_used[i] >= cap->limit)
			r->caps[i].room_ms = v->cap_oldest_ms[i] + cap->window_ms;
	}
	snapshot_wish(r, recipient_wish_of(v->consents, v->nconsents));
	return 0;
}

static void
view_request_fill(const struct recipient_snapshot *r, int64_t now_ms, struct arena *a,
		  struct store_view_request *out)
{
	struct cap_request *caps = ARENA_ARRAY(a, struct cap_request, r->ncaps);
	for (size_t i = 0; i < r->ncaps; i++) {
		memcpy(caps[i].id, r->caps[i].id, sizeof caps[i].id);
		caps[i].limit = r->caps[i].cap->limit;
		caps[i].window_ms = r->caps[i].cap->window_ms;
	}
	*out = (struct store_view_request){
		.rk = r->key.b,
		.dk = r->domain_key.b,
		.idem = r->idem,
		.caps = caps,
		.ncaps = r->ncaps,
		.now_ms = now_ms,
	};
}

int
recipient_read_many(const struct recipient_source *src, const struct recipient_request *rq, size_t n,
		    struct arena *a, struct recipient_snapshot **out, struct err *e)
{
	struct store_view_request *ask = ARENA_ARRAY(a, struct store_view_request, n);
	struct store_view *views = ARENA_ARRAY(a, struct store_view, n);
	struct err *errors = ARENA_ARRAY(a, struct err, n);
	size_t *of = ARENA_ARRAY(a, size_t, n), nasked = 0; /* addresses that are none are not asked for */
	int rc = 0;
	for (size_t i = 0; i < n; i++) {
		e[i].kind = ERR_NONE;
		if (snapshot_begin(src, rq[i].address, rq[i].message_id, a, &out[i], &e[i]) != 0)
			continue;
		view_request_fill(out[i], rq[i].now_ms, a, &ask[nasked]);
		of[nasked++] = i;
	}
	store_view_many(src->store, ask, nasked, a, views, errors);
	for (size_t k = 0; k < nasked; k++) {
		size_t i = of[k];
		if (errors[k].kind != ERR_NONE)
			e[i] = errors[k];
		else
			snapshot_fill(src, &views[k], rq[i].now_ms, a, out[i], &e[i]);
	}
	struct recipient_snapshot **good = ARENA_ARRAY(a, struct recipient_snapshot *, n);
	size_t ngood = 0;
	for (size_t i = 0; i < n; i++)
		if (e[i].kind != ERR_NONE)
			rc = -1;
		else
			good[ngood++] = out[i];
	if (src->behaviour)
		behaviour_read(src->store, good, ngood, a);
	return rc;
}

int
recipient_read(const struct recipient_source *src, struct str address, struct str message_id, int64_t now_ms,
	       struct arena *a, struct recipient_snapshot **out, struct err *e)
{
	const struct recipient_request rq = { address, message_id, now_ms };
	struct err own;
	return recipient_read_many(src, &rq, 1, a, out, e ? e : &own);
}
