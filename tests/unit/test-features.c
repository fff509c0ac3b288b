/*
 * test-features: features sections: what is refused, what a decision keeps of its recipient, and that this is
 * what columns say, to the last bit.
 */
#include <math.h>

#include "test-engine.h"

#include "base/json.h"
#include "mail/mail.h"

#define CONF                                                                                                \
	"track {\n host = \"https://t.test\"\n}\ninject {\n target = \"localhost:25\"\n}\n"                 \
	"features shop {\n columns = {\n \"profile.age | div 7\", \"profile.age | is-missing\",\n"          \
	" \"profile.country | one-hot DE AT\",\n \"events.clicked.recency | log1p\",\n"                     \
	" \"events.clicked.30d.count\", \"events.purchased.90d.value@campaign\",\n"                         \
	" \"events.sent-since-click\", \"decision.arm & profile.country | hash 16\", \"discount\", hour\n " \
	"}\n}\n"                                                                                            \
	"features plain {\n columns = { \"profile.age\" }\n}\n"                                             \
	"campaign c {\n category = promo\n features = shop\n}\n"                                            \
	"campaign d {\n features = plain\n}\ncampaign e {\n}\n"
#define MESSAGE "From: a@x.test\nMessage-ID: <1@x>\nSubject: {{discount}}\nContent-Type: text/plain\n\nx\n"

struct shop {
	struct fixture *f;
	struct store *store;
	char dir[64];
};

static void
refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "\nfeatures a {\n columns = { \"profile.age | frob\" }\n}\n",
		  ":2: features \"a\": column \"profile.age | frob\": \"frob\" is no step" },
		{ "privacy {\n sensitive = { gender }\n}\nfeatures a {\n columns = { hour, "
		  "\"profile.gender=f\" }\n}\n",
		  ":4: features \"a\": column \"profile.gender=f\" reads \"gender\", which privacy marks" },
		{ "privacy {\n sensitive = { \"profile.address.city\" }\n}\nfeatures a {\n columns = {\n"
		  " \"(profile.address.city & hour | hash 4) * weekday\" }\n}\n",
		  ":4: features \"a\": column \"(profile.address.city & hour | hash 4) * weekday\" reads" },
		{ "features a {\n columns = { hour, \"decision.arm=b\" }\n}\ncampaign c {\n features = a\n "
		  "arm "
		  "b {\n }\n arm d {\n }\n policy {\n kind = linucb\n }\n}\n",
		  "policy \"linucb\": the columns of features \"a\" read which arm it is" },
		{ "inject {\n target = \"localhost:25\"\n}\nfeatures a {\n columns = { \"(x & weekday | hash "
		  "4) * y\" }\n}\ncampaign c {\n features = a\n arm b {\n  send_hour = 9\n }\n arm d {\n }\n "
		  "policy {\n kind = linucb\n }\n}\n",
		  ":14: policy \"linucb\": the columns of features \"a\" read the clock, and when a copy "
		  "leaves" },
		{ "features a {\n columns = { \"x | hashes 385\" }\n}\n",
		  ":1: features \"a\": 385 columns when" },
		{ "features a {\n columns = { \"x | hashes 4000\", \"y | hashes 4000\" }\n}\n",
		  ":1: features \"a\": more than 4096 columns" },
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(load(f, cases[i].text, true));
		if (!strstr(f->reports, cases[i].why))
			fail_msg("got %s, wanted %s", f->reports, cases[i].why);
	}
}

/* What a scorer reads is bound by the same word. */
static void
refused_scorer(void **state)
{
	struct fixture *f = *state;
	char weights[] = "/tmp/test-features.XXXXXX", text[2048];
	int fd = mkstemp(weights);
	assert_true(fd >= 0);
	FILE *out = fdopen(fd, "w");
	fputs("{\"score\":\"click\",\"features\":[{\"name\":\"profile.gender=f\",\"weight\":1}]}", out);
	fclose(out);
	snprintf(
	    text, sizeof(text),
	    "privacy {\n sensitive = { gender }\n}\nplugin m {\n path = \"%s/plugins/logistic.so\"\n options "
	    "{\n file = \"%s\"\n }\n}\ncampaign c {\n scorers = { m }\n}\n",
	    build_directory(), weights);
	assert_null(load(f, text, true));
	unlink(weights);
	if (!strstr(f->reports, ":4: plugin \"m\": its feature \"profile.gender=f\" reads \"gender\""))
		fail_msg("%s", f->reports);
}

/* Scorers are asked before there is an arm: one that reads it would be told something else in training. */
static void
refused_arm(void **state)
{
	struct fixture *f = *state;
	char weights[] = "/tmp/test-features.XXXXXX", text[2048];
	int fd = mkstemp(weights);
	assert_true(fd >= 0);
	FILE *out = fdopen(fd, "w");
	fputs("{\"score\":\"click\",\"features\":[{\"name\":\"decision.arm=b\",\"weight\":1}]}", out);
	fclose(out);
	snprintf(text, sizeof(text),
		 "plugin m {\n path = \"%s/plugins/logistic.so\"\n options {\n file = \"%s\"\n }\n}\n",
		 build_directory(), weights);
	assert_null(load(f, text, true));
	unlink(weights);
	if (!strstr(f->reports, ":1: plugin \"m\": its feature \"decision.arm=b\" reads the arm"))
		fail_msg("%s", f->reports);
}

static void
shop_open(struct shop *s, struct fixture *f)
{
	s->f = f;
	f->epoch = load(f, CONF, true);
	if (!f->epoch)
		fail_msg("%s", f->reports);
	f->worker = engine_worker_get(f->epoch);
	strcpy(s->dir, "/tmp/test-features-state.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	struct store_options o = { .directory = s->dir, .create = true, .map_size = 64 << 20 };
	s->store = store_open(&o, &f->e);
	assert_non_null(s->store);
}

static void
shop_close(struct shop *s)
{
	store_close(&s->store);
	state_remove(s->dir);
}

static struct engine_request
request(struct shop *s, const struct conf_campaign *c, const char *address)
{
	struct fixture *f = s->f;
	tailor_message_free(&f->message);
	assert_int_equal(tailor_prepare(f->epoch->cache, f->epoch->conf, c, STR(MESSAGE), &f->message, &f->e),
			 0);
	return (struct engine_request){ .epoch = f->epoch,
					.worker = f->worker,
					.store = s->store,
					.message = f->message,
					.campaign = c,
					.address = str_of(address),
					.accepted_ms = NOW,
					.now_ms = NOW };
}

static void
person_make(struct shop *s, const struct conf_campaign *c, const char *address, const char *profile)
{
	struct fixture *f = s->f;
	struct recipient_source src = { .store = s->store,
					.keys = f->epoch->keys,
					.sealer = f->worker->sealer,
					.conf = f->epoch->conf,
					.campaign = c };
	struct recipient_key rk;
	const struct value *v;
	struct event ev[4] = {
		{ .at_ms = NOW - 86400000LL * 3,
		  .type = EVENT_INJECTED,
		  .link = EVENT_NO_LINK,
		  .category = STR("promo") },
		{ .at_ms = NOW - 86400000LL * 2, .type = EVENT_CLICKED, .class = EVENT_HUMAN, .link = 1 },
		{ .at_ms = NOW - 86400000LL, .type = EVENT_CLICKED, .class = EVENT_MACHINE, .link = 1 },
		{ .at_ms = NOW - 1000,
		  .type = EVENT_PURCHASED,
		  .link = EVENT_NO_LINK,
		  .category = STR("promo"),
		  .currency = STR("EUR"),
		  .value_micros = 12340000 },
	};
	assert_int_equal(json_parse(f->worker->arena, str_of(profile), NULL, &v, &f->e), 0);
	assert_int_equal(recipient_profile_put(&src, str_of(address), v, &f->e), 0);
	recipient_key_of(f->epoch->keys, str_of(address), &rk);
	for (size_t i = 0; i < 4; i++) {
		ev[i].source = STR("test");
		memcpy(ev[i].rk, rk.b, sizeof(ev[i].rk));
	}
	assert_int_equal(event_add(s->store, ev, 4, NULL, &f->e), 0);
}

static void
kept(void **state)
{
	struct shop s;
	shop_open(&s, *state);
	struct fixture *f = s.f;
	const struct conf_campaign *c = &f->epoch->conf->campaigns[0];
	const struct features *shop = features_find(f->epoch->features, "shop");
	const struct value *details;
	struct event ev;
	person_make(&s, c, "ann@x.test", "{\"age\":36,\"country\":\"AT\",\"time_zone\":\"Asia/Tokyo\"}");
	struct engine_request rq = request(&s, c, "ann@x.test");
	assert_int_equal(engine_make(&rq, &f->copy, &f->e), 0);
	const double *row = engine_row(&rq, &f->copy, NULL);
	volatile double days = 2; /* the compiler's log1p is not libm's to the last bit */
	const double want[] = { 36 / 7.0, 0, 0, 1, log1p(days), 1, 12.34, 0, NAN, NAN, 18 };
	assert_int_equal(score_columns_count(shop->columns), 11);
	for (size_t i = 0; i < 11; i++)
		if (isnan(want[i]) ? !isnan(row[i]) : row[i] != want[i])
			fail_msg("%s: %.17g, wanted %.17g", score_columns_texts(shop->columns)[i], row[i],
				 want[i]);
	/* The decision keeps it, with the arm that was decided. */
	engine_event(&rq, &f->copy, EVENT_INJECTED, "test", f->worker->arena, &ev);
	assert_int_equal(json_parse(f->worker->arena, ev.details, NULL, &details, &f->e), 0);
	const struct value *list = value_map_get(value_map_get(details, STR("features")), str_of(shop->hash));
	assert_non_null(list);
	assert_int_equal(list->list.n, 11);
	row = engine_row(&rq, &f->copy, f->copy.plan.decision.arm);
	for (size_t i = 0; i < 11; i++) {
		bool ok;
		double v = value_number(list->list.items[i], &ok);
		assert_true(ok ? memcmp(&v, &row[i], sizeof(v)) == 0 : isnan(row[i]));
	}
	shop_close(&s);
}

/* Who reads nothing of behaviour does not have it read. */
static void
asked_for(void **state)
{
	struct shop s;
	shop_open(&s, *state);
	struct fixture *f = s.f;
	struct event ev;
	for (size_t i = 0; i < 3; i++) {
		const struct conf_campaign *c = &f->epoch->conf->campaigns[i];
		struct engine_request rq = request(&s, c, "bob@x.test");
		assert_int_equal(engine_make(&rq, &f->copy, &f->e), 0);
		assert_true((f->copy.recipient->behaviour != NULL) == (i == 0));
		engine_event(&rq, &f->copy, EVENT_INJECTED, "test", f->worker->arena, &ev);
		assert_true((str_find(ev.details, STR("\"features\"")) < ev.details.n) == (i < 2));
	}
	shop_close(&s);
}

/* What a scorer reads is kept, too, as long as the event has room for it. */
static void
too_large(void **state)
{
	static const struct {
		int columns;
		bool kept;
	} cases[] = { { 300, true }, { 1000, false } };
	for (size_t i = 0; i < 2; i++) {
		struct fixture *f = *state;
		char weights[] = "/tmp/test-features.XXXXXX", text[2048];
		struct event ev;
		int fd = mkstemp(weights);
		assert_true(fd >= 0);
		FILE *out = fdopen(fd, "w");
		fputs("{\"score\":\"click\",\"features\":[", out);
		for (int k = 0; k < cases[i].columns; k++)
			fprintf(out, "%s{\"name\":\"hour | add 1 | div 7 | add %d\",\"weight\":0.001}",
				k ? "," : "", k);
		fputs("]}", out);
		fclose(out);
		snprintf(
		    text, sizeof(text),
		    "track {\n host = \"https://t.test\"\n}\nplugin m {\n path = "
		    "\"%s/plugins/logistic.so\"\n "
		    "options {\n file = \"%s\"\n }\n deadline = 60s\n}\ncampaign c {\n scorers = { m }\n}\n",
		    build_directory(), weights);
		f->epoch = load(f, text, true);
		unlink(weights);
		if (!f->epoch)
			fail_msg("%s", f->reports);
		f->worker = engine_worker_get(f->epoch);
		struct shop s = { .f = f };
		struct engine_request rq = request(&s, &f->epoch->conf->campaigns[0], "ann@x.test");
		rq.profile_json = "{}";
		assert_int_equal(engine_make(&rq, &f->copy, &f->e), 0);
		engine_event(&rq, &f->copy, EVENT_INJECTED, "test", f->worker->arena, &ev);
		assert_int_equal(event_valid(&ev, &f->e), 0);
		assert_true(str_find(ev.details, STR("\"scores\":{\"click\":")) < ev.details.n);
		assert_true((str_find(ev.details, STR("\"features\":{")) < ev.details.n) == cases[i].kept);
		tailor_message_free(&f->message);
		engine_worker_put(f->epoch, &f->worker);
		epoch_unref(&f->epoch);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_scorer, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_arm, setup, teardown),
		cmocka_unit_test_setup_teardown(kept, setup, teardown),
		cmocka_unit_test_setup_teardown(asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(too_large, setup, teardown),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
