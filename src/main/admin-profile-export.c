/*
 * admin-profile-export: all that is held about one address, as JSON
 * (a data subject's right of access, GDPR article 15).
 */
#include "base/json.h"
#include "main/admin-profile.h"
#include "main/admin-queue.h"

/* Records of unknown number become a list at the end. */
struct items {
	struct desk *d;
	const struct subject *s;
	struct buf pointers; /* const struct value * … */
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
	struct value *list = value_list(i->d->arena, n);
	if (n > 0)
		memcpy(list->list.items, i->pointers.p, i->pointers.n);
	buf_free(&i->pointers);
	return list;
}

static const struct value *
consents_value(struct desk *d, const struct store_view *view)
{
	struct value *list = value_list(d->arena, view->nconsents);
	for (size_t i = 0; i < view->nconsents; i++) {
		const struct consent_record *c = &view->consents[i];
		struct value *v = value_map_new(d->arena);
		desk_set(d, v, "topic", c->topic);
		desk_set(d, v, "state", str_of(consent_word(c->state)));
		desk_set(d, v, "at", desk_time(d, c->at_ms));
		desk_set(d, v, "source", c->source);
		list->list.items[i] = v;
	}
	return list;
}

static const struct value *
suppressions_value(struct desk *d, const struct store_view *view)
{
	struct value *list = value_list(d->arena, view->nsuppressions);
	for (size_t i = 0; i < view->nsuppressions; i++) {
		const struct suppression_record *r = &view->suppressions[i];
		struct value *v = value_map_new(d->arena);
		desk_set(d, v, "of", i < view->nsuppressions_own ? STR("recipient") : STR("domain"));
		desk_set(d, v, "category", r->category);
		desk_set(d, v, "reason", str_of(suppression_reason_name(r->reason)));
		desk_set(d, v, "at", desk_time(d, r->at_ms));
		if (r->until_ms)
			desk_set(d, v, "until", desk_time(d, r->until_ms));
		desk_set(d, v, "note", r->note);
		list->list.items[i] = v;
	}
	return list;
}

static bool
add_decision(void *ctx, const uint8_t idem[16], int64_t at_ms, struct str sealed)
{
	struct items *items = ctx;
	struct desk *d = items->d;
	struct value *v = value_map_new(d->arena);
	struct buf plain = { 0 };
	char hex[33];
	const struct value *decision;
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", idem[i]);
	desk_set(d, v, "copy", arena_str(d->arena, str_of(hex)));
	desk_set(d, v, "at", desk_time(d, at_ms));
	int rc = sealer_open_data(d->sealer, "decision", &items->s->key, sealed, &plain, &items->e);
	if (rc == 0)
		rc = json_parse(d->arena, buf_str(&plain), NULL, &decision, &items->e);
	if (rc == 0)
		value_map_set(d->arena, v, STR("decision"), decision);
	buf_free(&plain);
	items_add(items, v);
	return rc == 0;
}

/* The copies that wait, and what is still known of those that ended. */
static bool
add_job(void *ctx, const struct spool_job *j)
{
	struct items *items = ctx;
	struct desk *d = items->d;
	struct value *v = value_map_new(d->arena);
	struct job_payload payload;
	bool has = j->payload.n > 0 && !j->report;
	if (has && job_payload_open(d->sealer, &j->key, j->payload, d->arena, &payload, &items->e) != 0)
		return false;
	queue_set_job(d->arena, v, j, has ? &payload : NULL);
	items_add(items, v);
	return true;
}

static bool
add_bad_job(void *ctx, const struct spool_key *key, struct str reason, int64_t at_ms)
{
	struct items *items = ctx;
	struct arena *a = items->d->arena;
	char id[26];
	if (memcmp(key->rk, items->s->key.b, sizeof(key->rk)) != 0)
		return true;
	struct value *v = value_map_new(a);
	spool_id(key, id);
	queue_set(a, v, "id", str_of(id));
	queue_set(a, v, "state", STR("bad"));
	queue_set_time(a, v, "ended", at_ms);
	queue_set(a, v, "reason", reason);
	items_add(items, v);
	return true;
}

/* NULL with *e. */
static const struct value *
jobs_value(struct desk *d, const struct subject *s, struct err *e)
{
	struct items jobs = { .d = d, .s = s };
	const struct spool_filter f = { .state = -1, .rk = s->key.b };
	if (spool_each(d->store, &f, add_job, &jobs, e) != 0 || jobs.e.kind != ERR_NONE ||
	    spool_bad_each(d->store, add_bad_job, &jobs, e) != 0) {
		if (jobs.e.kind != ERR_NONE)
			*e = jobs.e;
		buf_free(&jobs.pointers);
		return NULL;
	}
	return items_list(&jobs);
}

int
profile_export(struct desk *d, const struct subject *s)
{
	struct err e = { 0 };
	struct store_view view;
	struct items decisions = { .d = d, .s = s };
	const struct value *profile, *caps, *jobs;
	const struct store_view_request rq = { .rk = s->key.b, .dk = s->domain_key.b };
	struct value *v = value_map_new(d->arena);
	char hex[33];
	int found = recipient_profile_get(&d->src, s->address, d->arena, &profile, &e);
	if (found < 0 || store_view(d->store, &rq, d->arena, &view, &e) != 0 ||
	    !(caps = caps_value(d, s, NULL, &e)) || !(jobs = jobs_value(d, s, &e)) ||
	    store_decision_each(d->store, s->key.b, add_decision, &decisions, &e) != 0)
		return admin_fail(&e);
	if (decisions.e.kind != ERR_NONE)
		return admin_fail(&decisions.e);
	recipient_key_hex(&s->key, hex);
	desk_set(d, v, "address", s->address);
	desk_set(d, v, "hash", str_of(hex));
	value_map_set(d->arena, v, STR("profile"), found ? profile : &VALUE_NULL_V);
	value_map_set(d->arena, v, STR("consents"), consents_value(d, &view));
	value_map_set(d->arena, v, STR("suppressions"), suppressions_value(d, &view));
	value_map_set(d->arena, v, STR("caps"), caps);
	value_map_set(d->arena, v, STR("decisions"), items_list(&decisions));
	value_map_set(d->arena, v, STR("jobs"), jobs);
	desk_print_json(v);
	return EX_OK;
}
