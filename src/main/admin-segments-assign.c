/*
 * admin-segments-assign: what segments say of each recipient, written into his profile as the map `learned`.
 * Everything else in the profile stays as it is.
 */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "main/admin-segments.h"

#define BATCH 200 /* profiles written in one transaction, while other writers wait */

struct assigning {
	struct desk *d;
	const struct segments_request *rq;
	struct segments segments;
	struct persons *persons;
	const struct person *v;
	size_t n;
	struct rfm_score *rfm;
	struct arena *a; /* of one profile */
	size_t profiles, changed, removed, with_hour, unknown;
};

/* Six decimals are enough, and do not change with the last bits of a processor's logarithm. */
static const struct value *
number_value(struct arena *a, double v)
{
	return value_real(a, round(v * 1e6) / 1e6);
}

static const struct value *
learned_value(struct assigning *w, const struct person *v)
{
	struct arena *a = w->a;
	struct segments_one one;
	struct rfm_score rfm = w->rfm[v - w->v];
	struct value *m = value_map_new(a);
	segments_apply(&w->segments, v, w->rq->train.now_ms, &one);
	value_map_set(a, m, STR("segment"), value_string(a, arena_printf(a, "s%zu", one.segment + 1)));
	value_map_set(a, m, STR("group"), value_string(a, str_of(rfm_segment(rfm))));
	if (rfm.r > 0)
		value_map_set(a, m, STR("rfm"),
			      value_string(a, arena_printf(a, "%d%d%d", rfm.r, rfm.f, rfm.m)));
	if (one.has_value) {
		value_map_set(a, m, STR("expected_purchases"), number_value(a, one.expected));
		value_map_set(a, m, STR("alive"), number_value(a, one.alive));
	}
	value_map_set(a, m, STR("axis1"), number_value(a, one.axis[0]));
	value_map_set(a, m, STR("axis2"), number_value(a, one.axis[1]));
	if (one.gain >= w->rq->min_gain && one.gain > 0) {
		value_map_set(a, m, STR("send_hour"), value_int(a, one.hour));
		w->with_hour++;
	}
	return m;
}

static bool
same(const struct value *x, const struct value *y)
{
	struct buf a = { 0 }, b = { 0 };
	json_print(&a, x ? x : &VALUE_NULL_V);
	json_print(&b, y ? y : &VALUE_NULL_V);
	bool equal = str_eq(buf_str(&a), buf_str(&b));
	buf_free(&a);
	buf_free(&b);
	return equal;
}

static int
assign_one(struct assigning *w, const struct recipient_key *rk, struct err *e)
{
	const struct value *profile, *before, *now = NULL;
	struct str key;
	const struct value *item;
	const struct person *v = persons_find(w->persons, rk->b);
	int found = recipient_profile_of(&w->d->src, rk, w->a, &profile, e);
	if (found <= 0) /* gone since the keys were read */
		return found;
	before = value_map_get(profile, STR(RECIPIENT_LEARNED));
	w->profiles++;
	if (v)
		now = learned_value(w, v);
	if (same(before, now))
		return 0;
	struct value *out = value_map_new(w->a);
	for (size_t i = 0; i < value_map_count(profile); i++) {
		value_map_entry(profile, i, &key, &item);
		if (!str_eq(key, STR(RECIPIENT_LEARNED)))
			value_map_set(w->a, out, key, item);
	}
	if (now)
		value_map_set(w->a, out, STR(RECIPIENT_LEARNED), now);
	*(now ? &w->changed : &w->removed) += 1;
	return recipient_profile_put_of(&w->d->src, rk, out, e);
}

static int
assign_all(struct assigning *w, const struct buf *keys)
{
	struct err e = { 0 };
	int rc = 0;
	size_t n = keys->n / STORE_KEY_LEN;
	struct progress *bar = progress_start("assigning", n);
	for (size_t at = 0; at < n && rc == 0; at += BATCH) {
		rc = store_batch_begin(w->d->store, &e);
		if (rc != 0)
			break;
		for (size_t i = at; i < n && i < at + BATCH && rc == 0; i++) {
			struct recipient_key rk;
			memcpy(rk.b, keys->p + i * STORE_KEY_LEN, sizeof(rk.b));
			rc = assign_one(w, &rk, &e);
			arena_reset(w->a);
		}
		if (store_batch_end(w->d->store, rc == 0, rc == 0 ? &e : NULL) != 0)
			rc = -1;
		progress_update(bar, at);
	}
	progress_end(&bar);
	return rc == 0 ? EX_OK : admin_fail(&e);
}

static void
said(const struct assigning *w)
{
	if (w->rq->json)
		printf("{\"profiles\": %zu, \"changed\": %zu, \"removed\": %zu, \"with_hour\": %zu, "
		       "\"without_profile\": %zu}\n",
		       w->profiles, w->changed, w->removed, w->with_hour, w->unknown);
	else
		printf("%zu profiles: %zu changed, %zu lost what was learned once, %zu have a send hour of "
		       "their own; %zu recipients did something and have no profile\n",
		       w->profiles, w->changed, w->removed, w->with_hour, w->unknown);
}

/* How many of them have no profile. */
static size_t
unknown_count(struct assigning *w, const struct buf *keys)
{
	size_t known = 0;
	for (size_t at = 0; at < keys->n; at += STORE_KEY_LEN)
		known += persons_find(w->persons, (const uint8_t *)keys->p + at) != NULL;
	return w->n - known;
}

int
segments_do_assign(struct desk *d, const struct segments_request *rq)
{
	struct assigning w = { .d = d, .rq = rq, .persons = persons_new(), .a = arena_new(16384) };
	struct buf keys = { 0 };
	struct err e = { 0 };
	int code = segments_load(d, rq, &w.segments);
	if (code == EX_OK)
		code = segments_keys(d, &keys);
	if (code == EX_OK)
		code = segments_events(d, rq, &keys, w.persons);
	if (code == EX_OK) {
		w.v = persons_finish(w.persons, &w.n);
		w.rfm = ARENA_ARRAY(d->arena, struct rfm_score, w.n);
		if (segments_rfm(w.v, w.n, rq->train.now_ms, w.rfm, &e) != 0)
			code = admin_fail(&e);
	}
	if (code == EX_OK) {
		w.unknown = unknown_count(&w, &keys);
		code = admin_audit(d->conf, AUDIT_PROFILE_IMPORT, NULL, NULL, "segments assign: the field %s",
				   RECIPIENT_LEARNED);
	}
	if (code == EX_OK) {
		code = admin_audit_end(d->conf, AUDIT_PROFILE_IMPORT, NULL, assign_all(&w, &keys));
		if (code == EX_OK)
			said(&w);
	}
	buf_free(&keys);
	persons_free(&w.persons);
	arena_free(&w.a);
	return code;
}
