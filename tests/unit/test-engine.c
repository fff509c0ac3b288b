/*
 * test-engine: epochs load or say all that is wrong; the way from a message
 * and an address to a copy, with the profile given.
 */
#include "test-engine.h"

static void
test_load(void **state)
{
	struct fixture *f = *state;
	assert_null(load(f, "campaign c {\n", true));
	assert_true(f->reports[0] != '\0');
	/* every mistake in one run */
	assert_null(load(f,
			 "keys {\n file = \"/nowhere/keys\"\n}\nplugin p {\n path = \"p.so\"\n}\n"
			 "campaign c {\n scorers = { p }\n send_if = \"a >\"\n}\n",
			 false));
	assert_non_null(strstr(f->reports, ":1: keys: /nowhere/keys: "));
	assert_non_null(strstr(f->reports, "p.so"));
	assert_non_null(strstr(f->reports, "send_if: column "));
	f->epoch = load(f, "campaign c {\n}\n", true);
	assert_non_null(f->epoch);
	struct epoch *second = epoch_ref(f->epoch);
	epoch_unref(&second);
	assert_null(second);
	epoch_unref(&second);
}

static int
make(struct fixture *f, const char *address, const char *profile)
{
	struct engine_request rq = { .epoch = f->epoch,
				     .worker = f->worker,
				     .message = f->message,
				     .campaign = &f->epoch->conf->campaigns[0],
				     .address = str_of(address),
				     .profile_json = profile,
				     .now_ms = NOW };
	f->e = (struct err){ 0 };
	return engine_make(&rq, &f->copy, &f->e);
}

static void
test_make(void **state)
{
	struct fixture *f = *state;
	struct buf out = { 0 };
	f->epoch = load(f,
			"track {\n host = \"https://t.test\"\n}\ncap week {\n limit = 2\n window = 7d\n}\n"
			"campaign c {\n missing = hold\n}\n",
			true);
	assert_non_null(f->epoch);
	f->worker = engine_worker_get(f->epoch);
	struct str m = STR("From: a@x.test\nMessage-ID: <1@x>\n\nHi {{name}},\n");
	assert_int_equal(tailor_prepare(f->epoch->cache, f->epoch->conf, &f->epoch->conf->campaigns[0], m,
					&f->message, &f->e),
			 0);
	assert_int_equal(make(f, "<Ann@Example.TEST>", "{\"name\":\"Ann\"}"), 0);
	assert_int_equal(f->copy.plan.decision.verdict, TAILOR_SEND);
	assert_true(str_eq(f->copy.recipient->address, STR("Ann@example.test")));
	tailor_write(f->message, &f->copy.plan, &out);
	assert_non_null(strstr(out.p, "\n\nHi Ann,\n"));
	assert_non_null(strstr(out.p, "\nTo: Ann <Ann@example.test>\n"));
	assert_int_equal(make(f, "ann@x.test", "{}"), 0);
	assert_int_equal(f->copy.plan.decision.verdict, TAILOR_REFUSE);
	assert_int_equal(make(f, "ann@x.test", "{\"name\":\"A\",\"_suppressed\":\"hard-bounce\"}"), 0);
	assert_string_equal(f->copy.plan.decision.reason, "suppressed");
	assert_int_equal(make(f, "ann@x.test", "{\"name\":\"A\",\"_caps\":{\"week\":2}}"), 0);
	assert_string_equal(f->copy.plan.decision.reason, "cap");
	assert_int_equal(f->copy.recipient->caps[0].room_ms, NOW + 7 * 86400000LL);
	assert_int_equal(make(f, "ann@x.test", "{\"name\":\"A\",\"_caps\":{\"week\":1}}"), 0);
	assert_int_equal(f->copy.plan.decision.verdict, TAILOR_SEND);
	assert_int_equal(make(f, "not an address", "{}"), -1);
	assert_int_equal(f->e.kind, ERR_INPUT);
	assert_int_equal(make(f, "ann@x.test", "[]"), -1);
	buf_free(&out);
}

#define DATA_MESSAGE                                                                                         \
	"From: a@x.test\nMessage-ID: <1@x>\nX-Mailtailor-Data: {\"a\":\"message\",\"b\":\"message\"}\n"      \
	"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n{{a}} {{b}} "         \
	"{{content.hero.text}}\n--b\nContent-Type: application/vnd.mailtailor.data+json\n\n{\"ann@x.test\":" \
	"{\"a\":\"own\",\"b\":\"\"},\"bob@x.test\":{\"c\":\"secret\"}}\n--b--\n"

static void
check_text(struct fixture *f, const struct value *data, const char *want)
{
	struct buf out = { 0 };
	struct engine_request rq = { .epoch = f->epoch,
				     .worker = f->worker,
				     .message = f->message,
				     .campaign = &f->epoch->conf->campaigns[0],
				     .address = STR("<ann@X.test>"),
				     .data = data,
				     .profile_json = "{\"b\":\"profile\"}",
				     .now_ms = NOW };
	assert_int_equal(engine_make(&rq, &f->copy, &f->e), 0);
	assert_int_equal(f->copy.plan.decision.verdict, TAILOR_SEND);
	tailor_write(f->message, &f->copy.plan, &out);
	if (strstr(out.p, want) == NULL || strstr(out.p, "secret") != NULL)
		fail_msg("want %s in\n%s", want, out.p);
	buf_free(&out);
}

/* The recipient's entry of the data part, or what the caller has of it; plugins see it with the message's. */
static void
test_data(void **state)
{
	struct fixture *f = *state;
	char slots[80], conf[2048];
	snprintf(slots, sizeof(slots), "%s.json", f->file);
	FILE *out = fopen(slots, "w");
	assert_non_null(out);
	fputs("{\"slots\":{\"hero\":[{\"when\":\"a == \\\"own\\\" and b == "
	      "\\\"message\\\"\",\"text\":\"both\"},"
	      "{\"when\":\"a == \\\"message\\\"\",\"text\":\"one\"}]}}",
	      out);
	fclose(out);
	snprintf(
	    conf, sizeof(conf),
	    "track {\n host = \"https://t.test\"\n}\nplugin content {\n path = \"%s/plugins/content.so\"\n "
	    "options {\n file = \"%s\"\n }\n deadline = 10s\n}\ncampaign c {\n personalizers = { content "
	    "}\n}\n",
	    build_directory(), slots);
	f->epoch = load(f, conf, true);
	unlink(slots);
	if (f->epoch == NULL)
		fail_msg("%s", f->reports);
	f->worker = engine_worker_get(f->epoch);
	const struct conf_campaign *c = &f->epoch->conf->campaigns[0];
	assert_int_equal(
	    tailor_prepare(f->epoch->cache, f->epoch->conf, c, STR(DATA_MESSAGE), &f->message, &f->e), 0);
	check_text(f, NULL, "\nown message both\n");
	struct value *none = value_map_new(f->worker->arena);
	check_text(f, none, "\nmessage message one\n");
}

/* A place is taken by engine_reserve alone, once per message, and a full cap changes the decision. */
static void
test_reserve(void **state)
{
	static const char *const messages[] = { "From: a@x.test\nMessage-ID: <1@x>\n\nHi\n",
						"From: a@x.test\nMessage-ID: <2@x>\n\nHi\n" };
	struct fixture *f = *state;
	char dir[] = "/tmp/test-engine-state.XXXXXX";
	assert_non_null(mkdtemp(dir));
	struct store_options o = { .directory = dir, .create = true, .map_size = 64 << 20 };
	struct store *store = store_open(&o, &f->e);
	assert_non_null(store);
	f->epoch = load(f,
			"track {\n host = \"https://t.test\"\n}\ncap week {\n limit = 1\n window = 7d\n}\n"
			"campaign c {\n}\n",
			true);
	const struct conf_campaign *c = &f->epoch->conf->campaigns[0];
	f->worker = engine_worker_get(f->epoch);
	struct engine_request rq = {
		f->epoch, f->worker, store, .campaign = c, .address = STR("ann@x.test"), .now_ms = NOW
	};
	struct engine_copy late;
	for (size_t i = 0; i < 3; i++) { /* the first twice: a retry */
		struct str m = str_of(messages[i == 2]);
		assert_int_equal(tailor_prepare(f->epoch->cache, f->epoch->conf, c, m, &f->message, &f->e),
				 0);
		rq.message = f->message;
		assert_int_equal(engine_make(&rq, &f->copy, &f->e), 0);
		assert_int_equal(f->copy.plan.decision.verdict, i == 2 ? TAILOR_DROP : TAILOR_SEND);
		if (i == 0) { /* made before the place was taken, and taken afterwards */
			late = f->copy;
			late.recipient = ARENA_NEW(f->worker->arena, struct recipient_snapshot);
			*late.recipient = *f->copy.recipient;
			late.recipient->idem[0] ^= 1;
		}
		if (i < 2)
			assert_int_equal(engine_reserve(&rq, &f->copy, &f->e), 0);
		assert_true(str_starts(f->copy.plan.decision.text, STR("again")) == (i == 1));
		assert_int_equal(f->copy.plan.decision.verdict, i == 2 ? TAILOR_DROP : TAILOR_SEND);
		tailor_message_free(&f->message);
	}
	assert_int_equal(engine_reserve(&rq, &late, &f->e), 0);
	assert_int_equal(late.plan.decision.verdict, TAILOR_DROP);
	assert_string_equal(late.plan.decision.reason, "cap");
	store_close(&store);
	state_remove(dir);
}

/* A full cap with action = defer: the copy waits until the place that filled it leaves the window. */
static void
test_reserve_defer(void **state)
{
	static const char *const messages[] = { "From: a@x.test\nMessage-ID: <1@x>\n\nHi\n",
						"From: a@x.test\nMessage-ID: <2@x>\n\nHi\n" };
	struct fixture *f = *state;
	struct tailor_message *m[2];
	struct engine_copy copies[2];
	char dir[] = "/tmp/test-engine-state.XXXXXX";
	assert_non_null(mkdtemp(dir));
	struct store_options o = { .directory = dir, .create = true, .map_size = 64 << 20 };
	struct store *store = store_open(&o, &f->e);
	assert_non_null(store);
	f->epoch = load(f,
			"track {\n host = \"https://t.test\"\n}\ninject {\n target = \"localhost:25\"\n}\n"
			"cap day {\n limit = 1\n window = 1d\n action = defer\n}\ncampaign c {\n}\n",
			true);
	const struct conf_campaign *c = &f->epoch->conf->campaigns[0];
	f->worker = engine_worker_get(f->epoch);
	struct engine_request rq = {
		f->epoch, f->worker, store, .campaign = c, .address = STR("ann@x.test"), .now_ms = NOW
	};
	for (size_t i = 0; i < 2; i++) { /* both made before either has its place */
		assert_int_equal(
		    tailor_prepare(f->epoch->cache, f->epoch->conf, c, str_of(messages[i]), &m[i], &f->e), 0);
		rq.message = m[i];
		assert_int_equal(engine_make(&rq, &copies[i], &f->e), 0);
		assert_int_equal(copies[i].plan.decision.verdict, TAILOR_SEND);
	}
	for (size_t i = 0; i < 2; i++) {
		rq.message = m[i];
		rq.now_ms = NOW + 1000 * (int64_t)i;
		assert_int_equal(engine_reserve(&rq, &copies[i], &f->e), 0);
	}
	assert_int_equal(copies[0].plan.decision.verdict, TAILOR_SEND);
	assert_int_equal(copies[1].plan.decision.verdict, TAILOR_LATER);
	assert_int_equal(copies[1].plan.decision.due_ms, NOW + 86400000);
	/* the same by what is read before */
	assert_int_equal(engine_decide(&rq, &copies[1], &f->e), 0);
	assert_int_equal(copies[1].plan.decision.verdict, TAILOR_LATER);
	assert_string_equal(copies[1].plan.decision.reason, "cap");
	assert_int_equal(copies[1].plan.decision.due_ms, NOW + 86400000);
	rq.now_ms = NOW + 86400000;
	rq.accepted_ms = NOW;
	assert_int_equal(engine_decide(&rq, &copies[1], &f->e), 0);
	assert_int_equal(copies[1].plan.decision.verdict, TAILOR_SEND);
	assert_int_equal(engine_reserve(&rq, &copies[1], &f->e), 0);
	assert_int_equal(copies[1].plan.decision.verdict, TAILOR_SEND);
	tailor_message_free(&m[0]);
	tailor_message_free(&m[1]);
	store_close(&store);
	state_remove(dir);
}

/* The key under which a message is known: the copy's, for one recipient. */
static void
copy_key(struct fixture *f, const char *message, const char *queue_id, uint8_t key[16])
{
	const struct conf_campaign *c = &f->epoch->conf->campaigns[0];
	struct engine_request rq = { .epoch = f->epoch,
				     .worker = f->worker,
				     .campaign = c,
				     .address = STR("ann@x.test"),
				     .profile_json = "{}",
				     .queue_id = str_of(queue_id),
				     .now_ms = NOW };
	assert_int_equal(
	    tailor_prepare(f->epoch->cache, f->epoch->conf, c, str_of(message), &f->message, &f->e), 0);
	rq.message = f->message;
	assert_int_equal(engine_make(&rq, &f->copy, &f->e), 0);
	memcpy(key, f->copy.recipient->idem, 16);
	tailor_message_free(&f->message);
}

static void
assert_same_message(struct fixture *f, bool same, const char *a, const char *a_id, const char *b,
		    const char *b_id)
{
	uint8_t one[16], two[16];
	copy_key(f, a, a_id, one);
	copy_key(f, b, b_id, two);
	assert_int_equal(memcmp(one, two, 16) == 0, same);
}

/* A retry is known again, also when the MTA gave the message a Message-ID and a Date that it did not have. */
static void
test_message_key(void **state)
{
	struct fixture *f = *state;
	f->epoch = load(f, "track {\n host = \"https://t.test\"\n}\ncampaign c {\n}\n", true);
	f->worker = engine_worker_get(f->epoch);
	static const char
	    client[] = "Received: 1\nFrom: a@x.test\nMessage-ID: <A1@x>\n\nHi\n",
	    other[] = "Received: 2\nFrom: a@x.test\nMessage-ID: <A2@x>\n\nHi\n",
	    mta1[] = "Received: 1\nSubject: S\nMessage-Id: <QID1@mx>\nDate: 1\nFrom: a@x.test\n\nHi\n",
	    mta2[] = "Received: 2\nSubject: S\nMessage-Id: <2026.QID2@mx>\nDate: 2\nFrom: a@x.test\n\nHi\n",
	    mta3[] = "Received: 3\nSubject: S\nMessage-Id: <QID3@mx>\nDate: 3\nFrom: a@x.test\n\nHi!\n",
	    dated1[] = "Date: 1\nFrom: a@x.test\nMessage-Id: <QID1@mx>\n\nHi\n",
	    dated2[] = "Date: 2\nFrom: a@x.test\nMessage-Id: <QID2@mx>\n\nHi\n";
	assert_same_message(f, true, client, "QID1", client, "QID2");
	assert_same_message(f, false, client, "QID1", other, "QID2");
	assert_same_message(f, true, mta1, "QID1", mta2, "QID2");
	assert_same_message(f, false, mta1, "QID1", mta3, "QID3");
	assert_same_message(f, false, dated1, "QID1", dated2, "QID2");
	assert_same_message(f, true, dated1, "QID1", "Date: 1\nFrom: a@x.test\n\nHi\n", "");
	/* the queue id must be the whole of it */
	assert_same_message(f, false, mta1, "ID1", mta2, "ID2");
	assert_same_message(f, false, mta1, "", mta2, "");
}

/* Workers come back for the next message, memory reset. */
static void
test_workers(void **state)
{
	struct fixture *f = *state;
	f->epoch = load(f, "campaign c {\n}\n", true);
	struct worker *one = engine_worker_get(f->epoch), *two = engine_worker_get(f->epoch), *kept = one;
	assert_ptr_not_equal(one, two);
	engine_worker_put(f->epoch, &one);
	assert_null(one);
	engine_worker_put(f->epoch, &one);
	one = engine_worker_get(f->epoch);
	assert_ptr_equal(one, kept);
	engine_worker_put(f->epoch, &one);
	engine_worker_put(f->epoch, &two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_make, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reserve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reserve_defer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_workers, setup, teardown),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
