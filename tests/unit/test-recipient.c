/*
 * test-recipient: snapshots from the store and from JSON, reservations, profile records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "recipient/recipient.h"

#define DAY ((int64_t)86400000)
#define NOW ((int64_t)1760000000000)

struct fixture {
	char dir[64];
	struct arena *a;
	struct err e;
	struct keyring *keys;
	struct conf conf;
	struct conf_cap caps[4];
	struct conf_campaign promo, transactional;
	struct recipient_source src;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");
	uint8_t seed[32] = { 7 };
	struct store_options o = { .directory = f->dir, .map_size = (int64_t)32 << 20, .create = true };
	snprintf(f->dir, sizeof f->dir, "%s/mt-recipient-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->a = arena_new(4096);
	f->keys = keyring_ephemeral(seed);
	static const char *only_digest[] = { "digest" };
	f->caps[0] = (struct conf_cap){ .name = "weekly", .limit = 2, .window_ms = 7 * DAY };
	f->caps[1] = (struct conf_cap){ .name = "off", .limit = 0, .window_ms = DAY };
	f->caps[2] =
	    (struct conf_cap){ .name = "domain", .limit = 100, .window_ms = DAY, .scope = CONF_SCOPE_DOMAIN };
	f->caps[3] = (struct conf_cap){
		.name = "digests", .categories = { only_digest, 1 }, .limit = 1, .window_ms = DAY
	};
	f->promo = (struct conf_campaign){
		.name = "spring", .category = "promo", .language = "de", .time_zone = "Europe/Berlin"
	};
	f->transactional = f->promo;
	f->transactional.name = "receipts";
	f->transactional.category = "transactional";
	f->conf.caps = f->caps;
	f->conf.ncaps = 4;
	f->src = (struct recipient_source){
		.store = store_open(&o, &f->e),
		.keys = f->keys,
		.sealer = sealer_new(f->keys),
		.conf = &f->conf,
		.campaign = &f->promo,
	};
	if (!f->src.store)
		fail_msg("%s", f->e.text);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char path[512];
	store_close(&f->src.store);
	sealer_free(&f->src.sealer);
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

static struct recipient_snapshot *
read_copy(struct fixture *f, const char *address, const char *message_id, int64_t now)
{
	struct recipient_snapshot *r = NULL;
	if (recipient_read(&f->src, str_of(address), str_of(message_id), now, f->a, &r, &f->e) != 0)
		fail_msg("%s", f->e.text);
	return r;
}

static const struct value *
parse(struct fixture *f, const char *json)
{
	const struct value *v;
	if (json_parse(f->a, str_of(json), NULL, &v, &f->e) != 0)
		fail_msg("%s", f->e.text);
	return v;
}

static void
test_unknown_recipient(void **state)
{
	struct fixture *f = *state;
	struct recipient_snapshot *r = read_copy(f, "<Ann@Example.ORG>", "<1@x>", NOW);
	assert_true(str_eq(r->address, STR("Ann@example.org")));
	assert_true(str_eq(r->domain, STR("example.org")));
	assert_false(r->known || r->suppressed || r->mail_denied || r->mail_granted || r->reserved);
	assert_int_equal(r->tracking, TRACKING_UNKNOWN);
	assert_int_equal(value_map_count(r->profile), 0);
	assert_string_equal(r->language, "de");
	assert_string_equal(r->time_zone, "Europe/Berlin");
	assert_int_equal(r->ncaps, 2);
	assert_string_equal(r->caps[0].cap->name, "weekly");
	assert_string_equal(r->caps[1].cap->name, "domain");
	assert_int_equal(recipient_read(&f->src, STR("nobody"), STR("<1@x>"), NOW, f->a, &r, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_INPUT);
}

static void
test_identity(void **state)
{
	struct fixture *f = *state;
	struct recipient_snapshot *a = read_copy(f, "ann@example.org", "<1@x>", NOW);
	struct recipient_snapshot *same = read_copy(f, "ann@EXAMPLE.org", "<1@x>", NOW + 5);
	struct recipient_snapshot *other = read_copy(f, "bob@example.org", "<1@x>", NOW);
	struct recipient_snapshot *later = read_copy(f, "ann@example.org", "<2@x>", NOW);
	assert_memory_equal(a->idem, same->idem, 16);
	assert_memory_not_equal(a->idem, other->idem, 16);
	assert_memory_not_equal(a->idem, later->idem, 16);
	/* A domain's cap is shared by its recipients, a recipient's is not. */
	assert_memory_equal(a->caps[1].id, other->caps[1].id, 16);
	assert_memory_not_equal(a->caps[0].id, other->caps[0].id, 16);
	assert_memory_equal(a->caps[0].id, later->caps[0].id, 16);
	/* Without a Message-ID no two copies are the same. */
	a = read_copy(f, "ann@example.org", NULL, NOW);
	same = read_copy(f, "ann@example.org", NULL, NOW);
	assert_memory_not_equal(a->idem, same->idem, 16);
}

static void
test_profile_round_trip(void **state)
{
	struct fixture *f = *state;
	const struct value *v;
	assert_int_equal(recipient_profile_get(&f->src, STR("ann@example.org"), f->a, &v, &f->e), 0);
	assert_int_equal(value_map_count(v), 0);
	v = parse(f, "{\"name\":\"Änn\",\"language\":\"pt-BR\",\"time_zone\":\"America/"
		     "Sao_Paulo\",\"n\":9007199254740993}");
	assert_int_equal(recipient_profile_put(&f->src, STR("ann@example.org"), v, &f->e), 0);
	assert_int_equal(recipient_profile_get(&f->src, STR("ann@EXAMPLE.org"), f->a, &v, &f->e), 1);
	assert_true(value_map_get(v, STR("n"))->i == 9007199254740993);
	struct recipient_snapshot *r = read_copy(f, "ann@example.org", "<1@x>", NOW);
	assert_true(r->known);
	assert_true(str_eq(value_map_get(r->profile, STR("name"))->s, STR("Änn")));
	assert_string_equal(r->language, "pt-BR");
	assert_string_equal(r->time_zone, "America/Sao_Paulo");
	/* Nothing readable lies in the file. */
	struct str sealed;
	assert_int_equal(store_profile_get(f->src.store, r->key.b, f->a, &sealed, &f->e), 1);
	assert_int_equal(str_find(sealed, STR("name")), sealed.n);
	/* A profile moved under another key does not open. */
	struct recipient_snapshot *bob = read_copy(f, "bob@example.org", "<1@x>", NOW);
	assert_int_equal(store_profile_put(f->src.store, bob->key.b, sealed, &f->e), 0);
	assert_int_equal(recipient_read(&f->src, STR("bob@example.org"), STR("<1@x>"), NOW, f->a, &r, &f->e),
			 -1);
	assert_int_equal(f->e.kind, ERR_CORRUPT);
}

static void
test_profile_is_validated(void **state)
{
	struct fixture *f = *state;
	struct value *v = value_map_new(f->a), *deep;
	static char big[RECIPIENT_MAX_PROFILE];
	assert_int_equal(recipient_profile_put(&f->src, STR("a@b.example"), &VALUE_TRUE_V, &f->e), -1);
	value_map_set(f->a, v, STR("x"), value_string(f->a, str_make("a\0b", 3)));
	assert_int_equal(recipient_profile_put(&f->src, STR("a@b.example"), v, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_INPUT);
	value_map_set(f->a, v, STR("x"), value_string(f->a, STR("\xff")));
	assert_int_equal(recipient_profile_put(&f->src, STR("a@b.example"), v, &f->e), -1);
	memset(big, 'x', sizeof big);
	value_map_set(f->a, v, STR("x"), value_string(f->a, str_make(big, sizeof big)));
	assert_int_equal(recipient_profile_put(&f->src, STR("a@b.example"), v, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_LIMIT);
	deep = v = value_map_new(f->a);
	for (int i = 0; i < 40; i++) {
		struct value *next = value_map_new(f->a);
		value_map_set(f->a, deep, STR("d"), next);
		deep = next;
	}
	assert_int_equal(recipient_profile_put(&f->src, STR("a@b.example"), v, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_LIMIT);
	/* Words that are none fall back to the campaign's. */
	v = value_map_new(f->a);
	value_map_set(f->a, v, STR("language"), value_string(f->a, STR("d\r\ne")));
	value_map_set(f->a, v, STR("time_zone"), value_int(f->a, 5));
	assert_int_equal(recipient_profile_put(&f->src, STR("a@b.example"), v, &f->e), 0);
	struct recipient_snapshot *r = read_copy(f, "a@b.example", "<1@x>", NOW);
	assert_string_equal(r->language, "de");
	assert_string_equal(r->time_zone, "Europe/Berlin");
}

static void
consent(struct fixture *f, const struct recipient_snapshot *r, const char *topic, enum consent_state state)
{
	struct consent_record c = { str_of(topic), state, NOW, STR("test") };
	assert_int_equal(store_consent_put(f->src.store, r->key.b, &c, &f->e), 0);
}

static void
test_consent(void **state)
{
	struct fixture *f = *state;
	struct recipient_snapshot *r = read_copy(f, "ann@example.org", "<1@x>", NOW);
	consent(f, r, "tracking", CONSENT_DENIED);
	consent(f, r, "mail:digest", CONSENT_DENIED);
	r = read_copy(f, "ann@example.org", "<1@x>", NOW);
	assert_int_equal(r->tracking, TRACKING_DENIED);
	assert_false(r->mail_denied || r->mail_granted);
	consent(f, r, "mail:promo", CONSENT_GRANTED);
	r = read_copy(f, "ann@example.org", "<1@x>", NOW);
	assert_true(r->mail_granted && !r->mail_denied);
	consent(f, r, "mail", CONSENT_DENIED);
	r = read_copy(f, "ann@example.org", "<1@x>", NOW);
	assert_true(r->mail_denied);
	/* "mail" does not stop receipts. */
	f->src.campaign = &f->transactional;
	r = read_copy(f, "ann@example.org", "<1@x>", NOW);
	assert_false(r->mail_denied);
	consent(f, r, "mail:transactional", CONSENT_DENIED);
	r = read_copy(f, "ann@example.org", "<1@x>", NOW);
	assert_true(r->mail_denied);
}

static void
test_suppression(void **state)
{
	static const struct {
		const char *category;
		bool promo, transactional;
	} cases[] = { { "", true, false },
		      { "*", true, true },
		      { "promo", true, false },
		      { "digest", false, false },
		      { "transactional", false, true } };
	struct fixture *f = *state;
	for (size_t i = 0; i < 5; i++)
		for (int domain = 0; domain < 2; domain++) {
			struct recipient_snapshot *r = read_copy(f, "ann@example.org", "<1@x>", NOW);
			const uint8_t *key = domain ? r->domain_key.b : r->key.b;
			struct suppression_record s = { str_of(cases[i].category), SUPPRESS_HARD_BOUNCE, NOW,
							STR(""), 0 };
			assert_int_equal(store_suppression_put(f->src.store, key, &s, &f->e), 0);
			f->src.campaign = &f->promo;
			r = read_copy(f, "ann@example.org", "<1@x>", NOW);
			assert_int_equal(r->suppressed, cases[i].promo);
			if (r->suppressed)
				assert_string_equal(r->suppressed_reason, "hard-bounce");
			f->src.campaign = &f->transactional;
			r = read_copy(f, "ann@example.org", "<1@x>", NOW);
			assert_int_equal(r->suppressed, cases[i].transactional);
			assert_int_equal(
			    store_suppression_remove(f->src.store, key, s.category, s.reason, &f->e), 1);
		}
}

/* One that ends stands until then, and not a millisecond longer. */
static void
test_suppression_ends(void **state)
{
	struct fixture *f = *state;
	struct recipient_snapshot *r = read_copy(f, "ann@example.org", "<1@x>", NOW);
	const struct suppression_record s = { STR("*"), SUPPRESS_SOFT_BOUNCE, NOW, STR("mailbox full"),
					      NOW + DAY };
	assert_int_equal(store_suppression_put(f->src.store, r->key.b, &s, &f->e), 0);
	assert_true(read_copy(f, "ann@example.org", "<1@x>", NOW + DAY - 1)->suppressed);
	assert_false(read_copy(f, "ann@example.org", "<1@x>", NOW + DAY)->suppressed);
}

static void
test_reserve(void **state)
{
	struct fixture *f = *state;
	struct reserve_result out;
	struct recipient_snapshot *first = read_copy(f, "ann@example.org", "<1@x>", NOW);
	assert_int_equal(recipient_reserve(&f->src, first, STR("{\"arm\":1}"), NOW, f->a, &out, &f->e), 0);
	assert_int_equal(out.status, RESERVE_OK);
	assert_int_equal(recipient_reserve(&f->src, first, STR("{\"arm\":2}"), NOW + 1, f->a, &out, &f->e),
			 0);
	assert_int_equal(out.status, RESERVE_AGAIN);
	assert_true(str_eq(out.decision, STR("{\"arm\":1}")));
	struct recipient_snapshot *r = read_copy(f, "ann@example.org", "<1@x>", NOW + 1);
	assert_true(r->reserved);
	assert_int_equal(r->caps[0].used, 1);
	r = read_copy(f, "ann@example.org", "<2@x>", NOW + 1);
	assert_false(r->reserved);
	assert_int_equal(recipient_reserve(&f->src, r, STR("{}"), NOW + 1, f->a, &out, &f->e), 0);
	r = read_copy(f, "ann@example.org", "<3@x>", NOW + 2);
	assert_int_equal(r->caps[0].used, 2);
	assert_int_equal(recipient_reserve(&f->src, r, STR("{}"), NOW + 2, f->a, &out, &f->e), 0);
	assert_int_equal(out.status, RESERVE_CAPPED);
	assert_int_equal(out.capped, 0);
	assert_int_equal(out.capped_until_ms, NOW + 7 * DAY);
	assert_int_equal(recipient_release(&f->src, first, &f->e), 1);
	assert_int_equal(recipient_reserve(&f->src, r, STR("{}"), NOW + 2, f->a, &out, &f->e), 0);
	assert_int_equal(out.status, RESERVE_OK);
	/* A decision that does not open keeps nobody from his copy, nor who is in one batch with him. */
	const struct recipient_snapshot *both[2] = { read_copy(f, "bob@example.org", "<1@x>", NOW),
						     read_copy(f, "cyd@example.org", "<1@x>", NOW) };
	const struct str decisions[2] = { STR("{}"), STR("{}") };
	struct reserve_request damaged = { .now_ms = NOW,
					   .decision = STR("not sealed"),
					   .decision_keep_ms = DAY };
	struct reserve_result outs[2];
	memcpy(damaged.idem, both[0]->idem, sizeof damaged.idem);
	memcpy(damaged.rk, both[0]->key.b, sizeof damaged.rk);
	assert_int_equal(store_reserve(f->src.store, &damaged, f->a, &out, &f->e), 0);
	assert_int_equal(recipient_reserve_many(&f->src, both, decisions, NULL, 2, NOW, f->a, outs, &f->e),
			 0);
	assert_int_equal(outs[0].status, RESERVE_AGAIN);
	assert_null(outs[0].decision.p);
	assert_int_equal(outs[1].status, RESERVE_OK);
	/* Transactional mail meets no cap. */
	f->src.campaign = &f->transactional;
	r = read_copy(f, "ann@example.org", "<4@x>", NOW + 3);
	assert_int_equal(r->ncaps, 0);
	assert_int_equal(recipient_reserve(&f->src, r, STR("{}"), NOW + 3, f->a, &out, &f->e), 0);
	assert_int_equal(out.status, RESERVE_OK);
}

static void
item_report(struct fixture *f, const struct recipient_key *rk, enum event_type type, enum event_class class,
	    const char *details)
{
	struct event ev = {
		.at_ms = NOW, .type = type, .class = class, .link = EVENT_NO_LINK, .details = str_of(details)
	};
	memcpy(ev.rk, rk->b, sizeof ev.rk);
	assert_int_equal(event_add(f->src.store, &ev, 1, NULL, &f->e), 0);
}

/* What shops told, newest first; nothing of machines, nothing of others. */
static void
test_history(void **state)
{
	struct fixture *f = *state;
	struct recipient_key ann, bob;
	const struct value *h, *list;
	recipient_key_of(f->src.keys, STR("ann@example.org"), &ann);
	recipient_key_of(f->src.keys, STR("bob@example.org"), &bob);
	assert_int_equal(recipient_history(&f->src, &ann, f->a, &h, &f->e), 0);
	assert_null(h);
	item_report(f, &ann, EVENT_PURCHASED, EVENT_HUMAN, "{\"item\":\"old\"}");
	item_report(f, &ann, EVENT_PURCHASED, EVENT_HUMAN, "{\"items\":[\"b\",\"c\",\"b\"]}");
	item_report(f, &ann, EVENT_VIEWED, EVENT_MACHINE, "{\"item\":\"robot\"}");
	item_report(f, &ann, EVENT_VIEWED, EVENT_HUMAN, "{\"item\":\"seen\"}");
	item_report(f, &ann, EVENT_OPENED, EVENT_HUMAN, "{\"item\":\"opened\"}");
	item_report(f, &ann, EVENT_PURCHASED, EVENT_HUMAN, "{\"item\":7,\"items\":\"x\"}");
	item_report(f, &bob, EVENT_PURCHASED, EVENT_HUMAN, "{\"item\":\"bobs\"}");
	assert_int_equal(recipient_history(&f->src, &ann, f->a, &h, &f->e), 0);
	list = value_map_get(h, STR("purchased"));
	assert_int_equal(list->list.n, 4);
	assert_true(str_eq(list->list.items[0]->s, STR("b")) && str_eq(list->list.items[3]->s, STR("old")));
	list = value_map_get(h, STR("viewed"));
	assert_int_equal(list->list.n, 1);
	assert_true(str_eq(list->list.items[0]->s, STR("seen")));
	for (int i = 0; i < 300; i++)
		item_report(f, &bob, EVENT_PURCHASED, EVENT_HUMAN, "{\"item\":\"again\"}");
	assert_int_equal(recipient_history(&f->src, &bob, f->a, &h, &f->e), 0);
	assert_int_equal(value_map_get(h, STR("purchased"))->list.n, RECIPIENT_MAX_HISTORY);
	/* Erased: gone. */
	size_t removed;
	assert_int_equal(event_forget(f->src.store, ann.b, &removed, &f->e), 0);
	assert_int_equal(recipient_history(&f->src, &ann, f->a, &h, &f->e), 0);
	assert_null(h);
}

static int
from_json(struct fixture *f, const char *json, struct recipient_snapshot **r)
{
	return recipient_from_json(&f->src, STR("ann@example.org"), STR("<1@x>"), str_of(json), NOW, f->a, r,
				   &f->e);
}

static void
test_from_json(void **state)
{
	struct fixture *f = *state;
	struct recipient_snapshot *r;
	assert_int_equal(
	    from_json(f,
		      "{\"name\":\"Ann\",\"language\":\"fr\",\"_consent\":{\"tracking\":\"denied\","
		      "\"mail\":\"granted\"},\"_suppressed\":\"complaint\",\"_caps\":{\"weekly\":2}}",
		      &r),
	    0);
	assert_true(r->known && r->suppressed && r->mail_granted && !r->mail_denied);
	assert_string_equal(r->suppressed_reason, "complaint");
	assert_string_equal(r->language, "fr");
	assert_int_equal(r->tracking, TRACKING_DENIED);
	assert_int_equal(r->caps[0].used, 2);
	assert_int_equal(value_map_count(r->profile), 2);
	/* The same identity as from the store. */
	assert_memory_equal(r->idem, read_copy(f, "ann@example.org", "<1@x>", NOW)->idem, 16);
	assert_int_equal(from_json(f, "{\"_suppressed\":false}", &r), 0);
	assert_false(r->suppressed);
	assert_null(r->history);
	assert_int_equal(from_json(f, "{\"_history\":{\"viewed\":[\"a\"]}}", &r), 0);
	assert_int_equal(value_map_get(r->history, STR("viewed"))->list.n, 1);
	assert_int_equal(value_map_count(r->profile), 0);
	static const char *const bad[] = { "",
					   "[]",
					   "{\"a\":",
					   "{\"_consent\":{\"mail\":\"yes\"}}",
					   "{\"_consent\":1}",
					   "{\"_suppressed\":1}",
					   "{\"_caps\":{\"weekly\":-1}}",
					   "{\"_caps\":{\"wekly\":1}}",
					   "{\"_history\":[]}",
					   "{\"_consents\":{\"tracking\":\"denied\"}}",
					   "{\"_supressed\":true}",
					   "{\"_consent\":{\"traking\":\"denied\"}}",
					   "{\"_history\":{\"purchased\":[1]}}",
					   "{\"a\":1,\"a\":2}" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(from_json(f, bad[i], &r), -1);
		assert_int_equal(f->e.kind, ERR_INPUT);
	}
	assert_int_equal(from_json(f, "{\"_caps\":{\"wekly\":1}}", &r), -1);
	assert_non_null(strstr(f->e.text, "no cap \"wekly\"; did you mean \"weekly\"?"));
	assert_int_equal(from_json(f, "{\"_supressed\":true}", &r), -1);
	assert_non_null(strstr(f->e.text, "did you mean \"_suppressed\"?"));
	assert_int_equal(from_json(f, "{\"_note\":true}", &r), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_unknown_recipient),
		T(test_identity),
		T(test_profile_round_trip),
		T(test_profile_is_validated),
		T(test_consent),
		T(test_suppression),
		T(test_suppression_ends),
		T(test_reserve),
		T(test_from_json),
		T(test_history),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
