/* read: one recipient's snapshot out of the store. */
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

static int
snapshot_fill(const struct recipient_source *src, const struct store_view *v, struct arena *a,
	      struct recipient_snapshot *r, struct err *e)
{
	r->known = v->known;
	r->reserved = v->reserved;
	if (v->known && profile_open(src, &r->key, v->profile, a, &r->profile, e) != 0)
		return -1;
	snapshot_locale(src, a, r);
	for (size_t i = 0; i < v->nconsents; i++)
		snapshot_consent(src, r, v->consents[i].topic, v->consents[i].state);
	for (size_t i = 0; i < v->nsuppressions && !r->suppressed; i++)
		if (suppression_covers(v->suppressions[i].category, src->campaign->category)) {
			r->suppressed = true;
			r->suppressed_reason = suppression_reason_name(v->suppressions[i].reason);
		}
	for (size_t i = 0; i < r->ncaps; i++) {
		const struct conf_cap *cap = r->caps[i].cap;
		r->caps[i].used = v->cap_used[i];
		if (v->cap_used[i] >= cap->limit)
			r->caps[i].room_ms = v->cap_oldest_ms[i] + cap->window_ms;
	}
	return 0;
}

int
recipient_read(const struct recipient_source *src, struct str address, struct str message_id, int64_t now_ms,
	       struct arena *a, struct recipient_snapshot **out, struct err *e)
{
	struct recipient_snapshot *r;
	struct store_view view;
	if (snapshot_begin(src, address, message_id, a, &r, e) != 0)
		return -1;
	struct cap_request *caps = ARENA_ARRAY(a, struct cap_request, r->ncaps);
	for (size_t i = 0; i < r->ncaps; i++) {
		memcpy(caps[i].id, r->caps[i].id, sizeof caps[i].id);
		caps[i].limit = r->caps[i].cap->limit;
		caps[i].window_ms = r->caps[i].cap->window_ms;
	}
	const struct store_view_request rq = {
		.rk = r->key.b,
		.dk = r->domain_key.b,
		.idem = r->idem,
		.caps = caps,
		.ncaps = r->ncaps,
		.now_ms = now_ms,
	};
	if (store_view(src->store, &rq, a, &view, e) != 0 || snapshot_fill(src, &view, a, r, e) != 0)
		return -1;
	*out = r;
	return 0;
}
