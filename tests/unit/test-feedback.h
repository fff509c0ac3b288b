/* test-feedback: what the tests of feedback share: a store with keys, copies that were decided, messages. */
#ifndef MT_TEST_FEEDBACK_H
#define MT_TEST_FEEDBACK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "feedback/policy.h"
#include "feedback/private.h"
#include "store/event.h"
#include "token/verp.h"

#define DAY ((int64_t)86400000)
#define NOW ((int64_t)1760000000000)

struct fixture {
	char dir[64];
	struct arena *a;
	struct err e;
	struct keyring *keys;
	struct conf_feedback conf;
	struct policy_source src;
};

static inline int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");
	const uint8_t seed[32] = { 5 };
	struct store_options o = { .directory = f->dir, .map_size = (int64_t)64 << 20, .create = true };
	snprintf(f->dir, sizeof f->dir, "%s/mt-feedback-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->a = arena_new(4096);
	f->keys = keyring_ephemeral(seed);
	f->conf = (struct conf_feedback){ .soft_limit = 3,
					  .soft_window_ms = 10 * DAY,
					  .full_limit = 2,
					  .full_window_ms = 20 * DAY,
					  .full_pause_ms = 30 * DAY };
	f->src = (struct policy_source){
		.id = { .store = store_open(&o, &f->e), .keys = f->keys, .sealer = sealer_new(f->keys) },
		.conf = &f->conf,
		.source = "test",
	};
	if (!f->src.id.store)
		fail_msg("%s", f->e.text);
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;
	char path[512];
	store_close(&f->src.id.store);
	sealer_free(&f->src.id.sealer);
	keyring_free(&f->keys);
	arena_free(&f->a);
	DIR *d = opendir(f->dir);
	for (struct dirent *x; (x = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", f->dir, x->d_name);
		unlink(path);
	}
	closedir(d);
	rmdir(f->dir);
	free(f);
	return 0;
}

static inline struct recipient_key
key_of(struct fixture *f, const char *address)
{
	struct recipient_key rk;
	struct str normal;
	if (address_normalize(f->a, str_of(address), &normal, &f->e) != 0)
		fail_msg("%s", f->e.text);
	recipient_key_of(f->keys, normal, &rk);
	return rk;
}

/* A copy number n of campaign "spring" for address, decided as the milter does; its return path. */
static inline struct str
copy_make(struct fixture *f, const char *address, uint8_t n, uint8_t idem[16])
{
	struct recipient_key rk = key_of(f, address);
	struct buf sealed = { 0 }, path = { 0 };
	struct reserve_result res;
	struct reserve_request rq = { .now_ms = NOW, .decision_keep_ms = 90 * DAY };
	memset(idem, n, 16);
	memcpy(rq.idem, idem, 16);
	memcpy(rq.rk, rk.b, 16);
	assert_int_equal(
	    sealer_seal_data(f->src.id.sealer, "decision", &rk,
			     STR("{\"campaign\":\"spring\",\"category\":\"promo\",\"arm\":\"b\"}"), &sealed),
	    0);
	rq.decision = buf_str(&sealed);
	assert_int_equal(store_reserve(f->src.id.store, &rq, f->a, &res, &f->e), 0);
	assert_int_equal(verp_address(f->src.id.sealer, "bounces@shop.example", &rk, idem, &path, &f->e), 0);
	struct str out = arena_str(f->a, buf_str(&path));
	buf_free(&sealed);
	buf_free(&path);
	return out;
}

/* A finding about address. */
static inline struct feedback
finding(struct fixture *f, enum feedback_kind kind, const char *address, enum feedback_reason reason,
	const char *status)
{
	struct feedback out = { .items = ARENA_NEW(f->a, struct feedback_item), .n = 1 };
	out.items->kind = kind;
	out.items->recipient = str_of(address);
	out.items->reason = reason;
	out.items->hard = kind == FEEDBACK_BOUNCE && reason <= FEEDBACK_NO_MAIL;
	snprintf(out.items->status, sizeof out.items->status, "%s", status);
	return out;
}

/* The suppression of address of category "", or false. */
static inline bool
suppressed(struct fixture *f, const char *address, struct suppression_record *out)
{
	struct recipient_key rk = key_of(f, address);
	const struct store_view_request rq = { .rk = rk.b, .now_ms = NOW };
	struct store_view v;
	assert_int_equal(store_view(f->src.id.store, &rq, f->a, &v, &f->e), 0);
	for (size_t i = 0; i < v.nsuppressions_own; i++)
		if (v.suppressions[i].category.n == 0) {
			*out = v.suppressions[i];
			return true;
		}
	return false;
}

struct events {
	struct arena *a;
	struct event v[64];
	size_t n;
};

static inline bool
event_keep(void *ctx, const struct event_record *r)
{
	struct events *l = ctx;
	assert_true(l->n < 64);
	l->v[l->n] = r->event;
	l->v[l->n].reason = arena_str(l->a, r->event.reason);
	l->v[l->n].campaign = arena_str(l->a, r->event.campaign);
	l->v[l->n].details = arena_str(l->a, r->event.details);
	l->n++;
	return true;
}

/* All that was recorded, in order. */
static inline struct events
events_of(struct fixture *f)
{
	struct events l = { .a = f->a };
	const struct event_filter all = { 0 };
	assert_int_equal(event_each(f->src.id.store, &all, event_keep, &l, NULL, NULL, &f->e), 0);
	return l;
}

#endif
