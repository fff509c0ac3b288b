/*
 * test-engine-batch: copies that are made together are the copies that are made one by one, to the last bit,
 * whatever is wrong with some of them; and each scorer is called once.
 */
#include "test-engine.h"

#include "base/json.h"

#define N 64
#define CONF                                                                                                 \
	"track {\n host = \"https://t.test\"\n}\ninject {\n target = \"localhost:25\"\n}\n"                  \
	"cap day {\n limit = 1\n window = 1d\n action = defer\n}\n"                                          \
	"plugin model {\n path = \"%s/plugins/logistic.so\"\n options {\n file = \"%s\"\n }\n deadline = "   \
	"60s\n}\n"                                                                                           \
	"plugin probe {\n path = \"%s/tests/plugins/probe-score.so\"\n options {\n mode = \"odd\"\n }\n "    \
	"deadline "                                                                                          \
	"= 60s\n}\n"                                                                                         \
	"plugin read {\n path = \"%s/tests/plugins/probe.so\"\n options {\n mode = \"read\"\n }\n deadline " \
	"= 60s\n}\n"                                                                                         \
	"campaign c {\n category = promo\n scorers = { model, probe }\n personalizers = { read }\n"          \
	" send_if = \"propensity >= 0.5 or click >= 3\"\n}\n"
#define MESSAGE                                                                                      \
	"From: a@x.test\nMessage-ID: <1@x>\nSubject: {{default first_name \"you\"}}\nContent-Type: " \
	"text/html\n\n<p>{{default first_name \"you\"}} {{seen.random}} {{scores.propensity}} "      \
	"{{scores.click}}</p><a href=\"https://shop.test/{{seen.orders}}\">x</a>\n"

struct together {
	struct fixture f;
	struct store *store;
	struct recipient_source src;
	char dir[64], weights[64];
	struct engine_request rq[N];
	struct engine_copy copies[N];
	struct err errors[N];
	char address[N][64];
};

static void
weights_write(struct together *t)
{
	unsigned seed = 7;
	strcpy(t->weights, "/tmp/test-engine-weights.XXXXXX");
	int fd = mkstemp(t->weights);
	assert_true(fd >= 0);
	FILE *out = fdopen(fd, "w");
	fputs("{\"score\":\"propensity\",\"features\":[{\"name\":\"hour\",\"weight\":0.01}", out);
	for (int k = 0; k < 21; k++)
		fprintf(out, ",{\"name\":\"f%d\",\"weight\":%.17g,\"mean\":0.1,\"scale\":3,\"missing\":0.7}",
			k, rand_r(&seed) / 1e9 - 1);
	fputs("]}", out);
	fclose(out);
}

/* A random profile: any field may be missing, be no number, or lie. */
static void
profile_put(struct together *t, size_t i, unsigned *seed)
{
	struct buf b = { 0 };
	const struct value *v;
	buf_printf(&b, "{\"orders\":%zu,\"time_zone\":\"%s\"", i, i % 3 ? "Asia/Tokyo" : "Europe/Berlin");
	for (int k = 0; k < 21; k++) {
		unsigned r = (unsigned)rand_r(seed);
		if (r % 8 == 0)
			buf_printf(&b, ",\"f%d\":\"no number\"", k);
		else if (r % 8 > 1)
			buf_printf(&b, ",\"f%d\":%.17g", k, rand_r(seed) / 3e8);
	}
	buf_adds(&b, i % 4 ? STR(",\"first_name\":\"<Ann>\"}") : STR("}"));
	assert_int_equal(json_parse(t->f.worker->arena, buf_str(&b), NULL, &v, &t->f.e), 0);
	assert_int_equal(recipient_profile_put(&t->src, str_of(t->address[i]), v, &t->f.e), 0);
	buf_free(&b);
}

static void
key_of(struct together *t, size_t i, struct recipient_key *rk)
{
	struct str address;
	assert_int_equal(address_normalize(t->f.worker->arena, str_of(t->address[i]), &address, &t->f.e), 0);
	recipient_key_of(t->f.epoch->keys, address, rk);
}

/* Number 3 is no address, 9 has a profile that does not open, 17 unsubscribed, 23 denied mail, 31 has none.
 */
static void
recipients_make(struct together *t)
{
	static const struct suppression_record gone = { STR("promo"), SUPPRESS_UNSUBSCRIBE, NOW, STR(""), 0 };
	static const struct consent_record denied = { STR("mail"), CONSENT_DENIED, NOW, STR("test") };
	struct recipient_key rk;
	unsigned seed = 20260329;
	for (size_t i = 0; i < N; i++) {
		snprintf(t->address[i], sizeof(t->address[i]), i == 3 ? "nobody%zu" : "<r%zu@Example.TEST>",
			 i);
		if (i != 3 && i != 31)
			profile_put(t, i, &seed);
	}
	key_of(t, 9, &rk);
	assert_int_equal(store_profile_put(t->store, rk.b, STR("no such thing as a profile"), &t->f.e), 0);
	key_of(t, 17, &rk);
	assert_int_equal(store_suppression_put(t->store, rk.b, &gone, &t->f.e), 0);
	key_of(t, 23, &rk);
	assert_int_equal(store_consent_put(t->store, rk.b, &denied, &t->f.e), 0);
}

static struct together *
together_new(struct fixture *f)
{
	struct together *t = calloc(1, sizeof(*t));
	char conf[4096];
	const char *build = build_directory();
	weights_write(t);
	snprintf(conf, sizeof(conf), CONF, build, t->weights, build, build);
	f->epoch = load(f, conf, true);
	unlink(t->weights);
	if (f->epoch == NULL)
		fail_msg("%s", f->reports);
	f->worker = engine_worker_get(f->epoch);
	strcpy(t->dir, "/tmp/test-engine-state.XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	struct store_options o = { .directory = t->dir, .create = true, .map_size = 64 << 20 };
	t->store = store_open(&o, &f->e);
	assert_non_null(t->store);
	const struct conf_campaign *c = &f->epoch->conf->campaigns[0];
	assert_int_equal(tailor_prepare(f->epoch->cache, f->epoch->conf, c, STR(MESSAGE), &f->message, &f->e),
			 0);
	t->f = *f;
	t->src = (struct recipient_source){ .store = t->store,
					    .keys = f->epoch->keys,
					    .sealer = f->worker->sealer,
					    .conf = f->epoch->conf,
					    .campaign = c };
	recipients_make(t);
	for (size_t i = 0; i < N; i++)
		t->rq[i] = (struct engine_request){ f->epoch,
						    f->worker,
						    t->store,
						    f->message,
						    c,
						    .address = str_of(t->address[i]),
						    .accepted_ms = NOW,
						    .own_copy = true,
						    .now_ms = NOW };
	return t;
}

static void
together_free(struct together *t)
{
	store_close(&t->store);
	state_remove(t->dir);
	free(t);
}

/* All that a copy is, as text: the outcome, the very bits of its scores, its bytes. */
static const char *
print(struct together *t, const struct engine_copy *c, int rc, const struct err *e)
{
	struct buf b = { 0 };
	if (rc != 0) {
		buf_printf(&b, "error %d %s", (int)e->kind, e->text);
	} else {
		const struct tailor_decision *d = &c->plan.decision;
		buf_printf(&b, "%d %s %lld %.*s", (int)d->verdict, d->reason, (long long)d->due_ms,
			   STR_ARG(d->text));
		for (size_t i = 0; i < c->plugins.nscores; i++)
			buf_printf(&b, " %.*s=%a", STR_ARG(c->plugins.scores[i].name),
				   c->plugins.scores[i].value);
		for (size_t i = 0; i < c->plugins.nnotes; i++)
			buf_printf(&b, " %.*s", STR_ARG(c->plugins.notes[i].text));
		buf_addc(&b, '\n');
		if (d->verdict == TAILOR_SEND)
			tailor_write(t->f.message, &c->plan, &b);
	}
	const char *s = arena_cstr(t->f.worker->arena, buf_str(&b));
	buf_free(&b);
	return s;
}

static int64_t
calls_of(const struct epoch *e, const char *name)
{
	struct plugin_counters c[4];
	size_t n = plugin_set_counters(e->plugins, c, 4);
	for (size_t i = 0; i < n; i++)
		if (strcmp(c[i].name, name) == 0)
			return c[i].calls;
	fail_msg("no plugin %s", name);
	return 0;
}

static void
test_same(void **state)
{
	struct together *t = together_new(*state);
	size_t verdicts[TAILOR_REFUSE + 1] = { 0 }, errors = 0;
	const char *batch[N];
	assert_int_equal(engine_gather(t->rq, N, t->copies, t->errors), -1);
	assert_int_equal(calls_of(t->f.epoch, "model"), 1);
	assert_int_equal(calls_of(t->f.epoch, "probe"), 1);
	assert_int_equal(calls_of(t->f.epoch, "read"), N - 4);
	for (size_t i = 0; i < N; i++) {
		int rc = t->errors[i].kind != ERR_NONE
			     ? -1
			     : engine_render(&t->rq[i], &t->copies[i], &t->errors[i]);
		batch[i] = print(t, &t->copies[i], rc, &t->errors[i]);
		errors += rc != 0;
		if (rc == 0)
			verdicts[t->copies[i].plan.decision.verdict]++;
	}
	for (size_t i = 0; i < N; i++) {
		struct engine_copy alone;
		struct err e = { 0 };
		int rc = engine_make(&t->rq[i], &alone, &e);
		const char *want = print(t, &alone, rc, &e);
		if (strcmp(batch[i], want) != 0)
			fail_msg("%s: in a batch\n%s\nalone\n%s", t->address[i], batch[i], want);
	}
	assert_int_equal(errors, 2);
	assert_int_equal(t->errors[3].kind, ERR_INPUT);
	assert_int_equal(t->errors[9].kind, ERR_CORRUPT);
	/* scores decide for some and against others, or this compares nothing */
	assert_true(verdicts[TAILOR_SEND] > N / 4 && verdicts[TAILOR_DROP] > N / 8);
	assert_string_equal(t->copies[17].plan.decision.reason, "suppressed");
	assert_string_equal(t->copies[23].plan.decision.reason, "consent");
	together_free(t);
}

/* Two of one recipient: who is second waits, and no longer than its own request lets it. */
static void
test_reserve(void **state)
{
	struct together *t = together_new(*state);
	size_t n = 3;
	for (size_t i = 0; i < n; i++) {
		t->rq[i].address = STR("r31@example.test");
		t->rq[i].message_id = arena_printf(t->f.worker->arena, "<%zu@x>", i);
	}
	t->rq[2].accepted_ms = NOW - 3 * 86400000LL; /* max_delay is 3d by default */
	assert_int_equal(engine_gather(t->rq, n, t->copies, t->errors), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(engine_render(&t->rq[i], &t->copies[i], &t->errors[i]), 0);
		assert_int_equal(t->copies[i].plan.decision.verdict, TAILOR_SEND);
	}
	assert_int_equal(engine_reserve_many(t->rq, t->copies, n, &t->f.e), 0);
	assert_int_equal(t->copies[0].plan.decision.verdict, TAILOR_SEND);
	assert_int_equal(t->copies[1].plan.decision.verdict, TAILOR_LATER);
	assert_int_equal(t->copies[1].plan.decision.due_ms, NOW + 86400000LL);
	assert_int_equal(t->copies[2].plan.decision.verdict, TAILOR_DROP);
	together_free(t);
}

static void
test_profiles_given(void **state)
{
	struct together *t = together_new(*state);
	for (size_t i = 0; i < 3; i++) {
		t->rq[i].store = NULL;
		t->rq[i].profile_json = i == 1 ? "[]" : "{\"f1\":2,\"orders\":40}";
	}
	assert_int_equal(engine_gather(t->rq, 3, t->copies, t->errors), -1);
	assert_int_equal(t->errors[0].kind, ERR_NONE);
	assert_int_equal(t->errors[1].kind, ERR_INPUT);
	assert_int_equal(t->errors[2].kind, ERR_NONE);
	assert_int_equal(t->copies[2].plugins.nscores, 3);
	assert_int_equal(engine_gather(t->rq, 0, t->copies, t->errors), 0);
	together_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reserve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_profiles_given, setup, teardown),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
