/* export: all that is held about one address, opened, and how full its caps are. */
#include "base/clock.h"
#include "base/json.h"
#include "recipient/event-text.h"
#include "recipient/recipient-private.h"
#include "recipient/text.h"

struct subject {
	const struct recipient_source *src;
	struct arena *arena;
	struct str address;
	struct recipient_key key, domain_key;
};

static int
subject_of(const struct recipient_source *src, struct str address, struct arena *a, struct subject *out,
	   struct err *e)
{
	*out = (struct subject){ .src = src, .arena = a };
	if (address_normalize(a, address, &out->address, e) != 0)
		return -1;
	recipient_key_of(src->keys, out->address, &out->key);
	domain_key_of(src->keys, recipient_domain(out->address), &out->domain_key);
	return 0;
}

/* Records of unknown number become a list at the end. */
struct items {
	const struct subject *s;
	struct buf pointers; /* const struct value * … */
	size_t max;	     /* 0: all */
	bool cut;
	struct err e;
};

static void
items_add(struct items *i, const struct value *v)
{
	buf_add(&i->pointers, &v, sizeof v);
}

static const struct value *
items_list(struct items *i)
{
	size_t n = i->pointers.n / sizeof(const struct value *);
	struct value *list = value_list(i->s->arena, n);
	if (n > 0)
		memcpy(list->list.items, i->pointers.p, i->pointers.n);
	buf_free(&i->pointers);
	return list;
}

/* ---- consents, suppressions ---- */

const char *
consent_word(enum consent_state s)
{
	return s == CONSENT_GRANTED ? "granted" : s == CONSENT_DENIED ? "denied" : "unknown";
}

static const struct value *
consents_value(struct arena *a, const struct store_view *view)
{
	struct value *list = value_list(a, view->nconsents);
	for (size_t i = 0; i < view->nconsents; i++) {
		const struct consent_record *c = &view->consents[i];
		struct value *v = value_map_new(a);
		text_set(a, v, "topic", c->topic);
		text_set(a, v, "state", str_of(consent_word(c->state)));
		text_set_time(a, v, "at", c->at_ms);
		text_set(a, v, "source", c->source);
		list->list.items[i] = v;
	}
	return list;
}

static const struct value *
suppressions_value(struct arena *a, const struct store_view *view)
{
	struct value *list = value_list(a, view->nsuppressions);
	for (size_t i = 0; i < view->nsuppressions; i++) {
		const struct suppression_record *r = &view->suppressions[i];
		struct value *v = value_map_new(a);
		text_set(a, v, "of", i < view->nsuppressions_own ? STR("recipient") : STR("domain"));
		text_set(a, v, "category", r->category);
		text_set(a, v, "reason", str_of(suppression_reason_name(r->reason)));
		text_set_time(a, v, "at", r->at_ms);
		if (r->until_ms)
			text_set_time(a, v, "until", r->until_ms);
		text_set(a, v, "note", r->note);
		list->list.items[i] = v;
	}
	return list;
}

/* ---- caps ---- */

static const struct value *
cap_value(const struct subject *s, const struct conf_cap *cap, int64_t now, struct err *e)
{
	struct arena *a = s->arena;
	struct cap_request rq = { .limit = cap->limit, .window_ms = cap->window_ms };
	struct value *v = value_map_new(a);
	int64_t used, oldest;
	char window[40];
	recipient_cap_id(s->src->keys, cap, &s->key, &s->domain_key, rq.id);
	if (store_cap_count(s->src->store, &rq, now, &used, &oldest, e) != 0)
		return NULL;
	text_set(a, v, "cap", str_of(cap->name));
	text_set(a, v, "scope", cap->scope == CONF_SCOPE_DOMAIN ? STR("domain") : STR("recipient"));
	text_set_int(a, v, "used", used);
	text_set_int(a, v, "limit", cap->limit);
	text_set(a, v, "window", str_of(clock_format_duration(cap->window_ms, window)));
	value_map_set(a, v, STR("full"), value_bool(used >= cap->limit));
	text_set_time(a, v, "next_leaves", oldest == 0 ? 0 : oldest + cap->window_ms);
	return v;
}

static const struct value *
caps_of(const struct subject *s, const struct conf_cap *wish, const char *category, struct err *e)
{
	const struct conf *c = s->src->conf;
	struct items items = { .s = s };
	int64_t now = clock_now_ms();
	for (size_t i = 0; i <= c->ncaps; i++) {
		const struct conf_cap *cap = i < c->ncaps ? &c->caps[i] : wish;
		const struct value *v;
		if (cap == NULL || cap->limit <= 0 || (category && !conf_cap_covers(cap, category)))
			continue;
		if (!(v = cap_value(s, cap, now, e))) {
			buf_free(&items.pointers);
			return NULL;
		}
		items_add(&items, v);
	}
	return items_list(&items);
}

static int
view_of(const struct subject *s, struct store_view *view, struct err *e)
{
	const struct store_view_request rq = { .rk = s->key.b,
					       .dk = s->domain_key.b,
					       .now_ms = clock_now_ms() };
	return store_view(s->src->store, &rq, s->arena, view, e);
}

const struct value *
recipient_caps(const struct recipient_source *src, struct str address, const char *category, struct arena *a,
	       struct err *e)
{
	struct subject s;
	struct store_view view;
	if (subject_of(src, address, a, &s, e) != 0 || view_of(&s, &view, e) != 0)
		return NULL;
	return caps_of(&s, recipient_wish_of(view.consents, view.nconsents), category, e);
}

/* ---- decisions ---- */

static bool
add_decision(void *ctx, const uint8_t idem[16], int64_t at_ms, struct str sealed)
{
	struct items *items = ctx;
	const struct subject *s = items->s;
	struct value *v = value_map_new(s->arena);
	struct buf plain = { 0 };
	const struct value *decision;
	text_set_hex(s->arena, v, "copy", idem, 16);
	text_set_time(s->arena, v, "at", at_ms);
	int rc = sealer_open_data(s->src->sealer, DECISION_PURPOSE, &s->key, sealed, &plain, &items->e);
	if (rc == 0)
		rc = json_parse(s->arena, buf_str(&plain), NULL, &decision, &items->e);
	if (rc == 0)
		value_map_set(s->arena, v, STR("decision"), decision);
	buf_free(&plain);
	items_add(items, v);
	return rc == 0;
}

/* ---- jobs: the copies that wait, and what is still known of those that ended ---- */

static bool
add_job(void *ctx, const struct spool_job *j)
{
	struct items *items = ctx;
	struct arena *a = items->s->arena;
	struct value *v = value_map_new(a);
	struct job_payload payload;
	bool has = j->payload.n > 0 && !j->report;
	if (has && job_payload_open(items->s->src->sealer, &j->key, j->payload, a, &payload, &items->e) != 0)
		return false;
	text_set_job(a, v, j, has ? &payload : NULL);
	items_add(items, v);
	return true;
}

static bool
add_bad_job(void *ctx, const struct spool_key *key, struct str reason, int64_t at_ms)
{
	struct items *items = ctx;
	struct arena *a = items->s->arena;
	char id[26];
	if (memcmp(key->rk, items->s->key.b, sizeof(key->rk)) != 0)
		return true;
	struct value *v = value_map_new(a);
	spool_id(key, id);
	text_set(a, v, "id", str_of(id));
	text_set(a, v, "state", STR("bad"));
	text_set_time(a, v, "ended", at_ms);
	text_set(a, v, "reason", reason);
	items_add(items, v);
	return true;
}

/* ---- events ---- */

static bool
add_event(void *ctx, const struct event_record *r)
{
	struct items *items = ctx;
	struct buf line = { 0 };
	const struct value *v;
	items->cut = items->max > 0 && items->pointers.n / sizeof v == items->max;
	if (items->cut)
		return false;
	event_text_json(&line, r);
	int rc = json_parse(items->s->arena, buf_str(&line), NULL, &v, &items->e);
	buf_free(&line);
	if (rc == 0)
		items_add(items, v);
	return rc == 0;
}

/* ---- all of it ---- */

enum list { DECISIONS, JOBS, EVENTS };

static int
walk(const struct subject *s, enum list which, struct items *items, struct err *e)
{
	const struct spool_filter jobs = { .state = -1, .rk = s->key.b };
	const struct event_filter events = { .rk = s->key.b };
	struct store *store = s->src->store;
	if (which == DECISIONS)
		return store_decision_each(store, s->key.b, add_decision, items, e);
	if (which == EVENTS)
		return event_each(store, &events, add_event, items, NULL, NULL, e);
	if (spool_each(store, &jobs, add_job, items, e) != 0)
		return -1;
	return items->e.kind != ERR_NONE ? 0 : spool_bad_each(store, add_bad_job, items, e);
}

/* NULL with *e. */
static const struct value *
records(const struct subject *s, enum list which, size_t max, bool *cut, struct err *e)
{
	struct items items = { .s = s, .max = max };
	int rc = walk(s, which, &items, e);
	if (rc == 0 && items.e.kind != ERR_NONE) {
		*e = items.e;
		rc = -1;
	}
	*cut = items.cut;
	if (rc == 0)
		return items_list(&items);
	buf_free(&items.pointers);
	return NULL;
}

const struct value *
recipient_export(const struct recipient_source *src, struct str address, size_t max_events, struct arena *a,
		 struct err *e)
{
	struct subject s;
	struct store_view view;
	const struct value *profile, *caps, *decisions, *jobs, *events;
	struct value *v = value_map_new(a);
	char hex[33];
	bool cut;
	if (subject_of(src, address, a, &s, e) != 0)
		return NULL;
	int found = recipient_profile_get(src, s.address, a, &profile, e);
	if (found < 0 || view_of(&s, &view, e) != 0 ||
	    !(caps = caps_of(&s, recipient_wish_of(view.consents, view.nconsents), NULL, e)) ||
	    !(decisions = records(&s, DECISIONS, 0, &cut, e)) || !(jobs = records(&s, JOBS, 0, &cut, e)) ||
	    !(events = records(&s, EVENTS, max_events, &cut, e)))
		return NULL;
	recipient_key_hex(&s.key, hex);
	text_set(a, v, "address", s.address);
	text_set(a, v, "hash", str_of(hex));
	value_map_set(a, v, STR("profile"), found ? profile : &VALUE_NULL_V);
	value_map_set(a, v, STR("consents"), consents_value(a, &view));
	value_map_set(a, v, STR("suppressions"), suppressions_value(a, &view));
	value_map_set(a, v, STR("caps"), caps);
	value_map_set(a, v, STR("decisions"), decisions);
	value_map_set(a, v, STR("jobs"), jobs);
	value_map_set(a, v, STR("events"), events);
	if (cut)
		value_map_set(a, v, STR("older_events_left_out"), value_bool(true));
	return v;
}
