/*
 * Arms through the engine: the control meets no plugin, a retry keeps its arm whatever was learned meanwhile,
 * batches skew nothing, and what was learned is taken up without a restart.
 */
#include "test-engine.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include "engine/policies.h"
#include "learn/arms.h"

#define N 48
#define HEAD                                                                                    \
	"state { directory = \"%s\" }\ntrack { host = \"https://t.test\" }\n"                   \
	"inject { target = \"localhost:25\" }\n"                                                \
	"plugin probe { path = \"%s/tests/plugins/probe-score.so\" options { mode = \"ok\" }\n" \
	" deadline = 60s }\nfeatures tastes { columns = { \"profile.orders\" } }\n%s"
#define BY_RATES                                                                          \
	"campaign c { scorers = { probe } send_if = \"click >= 0\" control_share = 25%\n" \
	" policy { kind = thompson explore = 2% window = 1h }\n"                          \
	" arm control { } arm a { subject = \"A\" } arm b { subject = \"B\" } }\n"
#define BY_FEATURES                                                       \
	"campaign c { features = tastes control_share = 10%\n"            \
	" policy { kind = linucb alpha = 0.1 explore = 0 window = 1h }\n" \
	" arm control { } arm a { } arm b { } }\n"
#define MESSAGE                                                                         \
	"From: a@x.test\nMessage-ID: <1@x>\nSubject: plain\nContent-Type: text/plain\n" \
	"\n{{scores.click}} {{arm.name}}\n"

struct arms {
	struct fixture f;
	struct store *store;
	char dir[64];
	struct engine_request rq[N];
	struct engine_copy copies[N];
	struct err errors[N];
	char address[N][64];
};

static struct arms *
arms_of(struct fixture *f, const char *campaign)
{
	struct arms *t = calloc(1, sizeof(*t));
	char conf[4096];
	strcpy(t->dir, "/tmp/test-engine-state.XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(conf, sizeof(conf), HEAD, t->dir, build_directory(), campaign);
	f->epoch = load(f, conf, true);
	if (f->epoch == NULL)
		fail_msg("%s", f->reports);
	f->worker = engine_worker_get(f->epoch);
	struct store_options o = { .directory = t->dir, .create = true, .map_size = 64 << 20 };
	t->store = store_open(&o, &f->e);
	assert_non_null(t->store);
	const struct conf_campaign *c = &f->epoch->conf->campaigns[0];
	assert_int_equal(tailor_prepare(f->epoch->cache, f->epoch->conf, c, STR(MESSAGE), &f->message, &f->e),
			 0);
	t->f = *f;
	const struct recipient_source src = { .store = t->store,
					      .keys = f->epoch->keys,
					      .sealer = f->worker->sealer,
					      .conf = f->epoch->conf,
					      .campaign = c };
	for (size_t i = 0; i < N; i++) {
		snprintf(t->address[i], sizeof(t->address[i]), "r%zu@example.test", i);
		struct value *profile = value_map_new(f->worker->arena);
		value_map_set(f->worker->arena, profile, STR("orders"),
			      value_int(f->worker->arena, (int64_t)(i % 2)));
		assert_int_equal(recipient_profile_put(&src, str_of(t->address[i]), profile, &f->e), 0);
		t->rq[i] = (struct engine_request){ .epoch = f->epoch,
						    .worker = f->worker,
						    .store = t->store,
						    .message = f->message,
						    .campaign = c,
						    .address = str_of(t->address[i]),
						    .own_copy = true,
						    .now_ms = NOW };
	}
	return t;
}

static struct arms *
arms_new(struct fixture *f)
{
	return arms_of(f, BY_RATES);
}

static void
arms_free(struct arms *t)
{
	char path[160];
	snprintf(path, sizeof(path), "%s/policy-c.state", t->dir);
	unlink(path);
	store_close(&t->store);
	state_remove(t->dir);
	free(t);
}

/* A state in which the arm has nearly all rewards, in its place like `policy learn` puts it there. */
static void
state_write(struct arms *t, size_t best, const char *reward, const char *damage)
{
	const struct str names[] = { STR("control"), STR("a"), STR("b") };
	const struct policy_shape shape = { .campaign = STR("c"),
					    .reward = str_of(reward),
					    .window_ms = 3600000,
					    .ridge = 1,
					    .arms = names,
					    .narms = 3 };
	char path[160], beside[160];
	struct policy *p = policy_new(&shape, &t->f.e);
	struct buf b = { 0 };
	for (int i = 0; i < 3000; i++)
		policy_add(p, (size_t)i % 3, NULL, (size_t)i % 3 == best ? i % 2 == 0 : i % 100 == 1);
	policy_print(p, &b);
	if (damage)
		memcpy(b.p + b.n / 2, damage, strlen(damage));
	snprintf(path, sizeof(path), "%s/policy-c.state", t->dir);
	snprintf(beside, sizeof(beside), "%s/beside", t->dir);
	FILE *out = fopen(beside, "w");
	assert_non_null(out);
	fwrite(b.p, 1, b.n, out);
	fclose(out);
	assert_int_equal(rename(beside, path), 0);
	buf_free(&b);
	policy_free(&p);
}

/* Makes all copies; how many of arm a. */
static size_t
make_all(struct arms *t)
{
	size_t a = 0;
	assert_int_equal(engine_gather(t->rq, N, t->copies, t->errors), 0);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(engine_render(&t->rq[i], &t->copies[i], &t->errors[i]), 0);
		assert_int_equal(t->copies[i].plan.decision.verdict, TAILOR_SEND);
		a += strcmp(t->copies[i].plan.decision.arm, "a") == 0;
	}
	return a;
}

/* Waits until the state in force is the wanted one: its best arm; 3: none; 4: any. */
static void
wait_for(struct arms *t, size_t best)
{
	const struct conf_campaign *c = &t->f.epoch->conf->campaigns[0];
	for (int i = 0; i < 400; i++) {
		struct policy_held *h = policies_get(epoch_policies(t->f.epoch), c);
		bool is = h ? best < 3 && h->rates != NULL && h->rates[best] > 0.9 : best == 3;
		bool h_any = h != NULL;
		policies_put(epoch_policies(t->f.epoch), &h);
		if (is || (h_any && best == 4))
			return;
		nanosleep(&(struct timespec){ 0, 25000000 }, NULL);
	}
	fail_msg("the state is not taken up");
}

static void
test_control(void **state)
{
	struct arms *t = arms_new(*state);
	size_t controls = 0;
	make_all(t);
	for (size_t i = 0; i < N; i++) {
		const struct engine_copy *k = &t->copies[i];
		bool control = strcmp(k->plan.decision.arm, "control") == 0;
		controls += control;
		assert_int_equal(k->plugins.nscores, control ? 0 : 2);
		assert_true(k->plan.decision.propensity == (control ? 0.25 : 0.375));
		/* One alone is what it is in the batch. */
		struct engine_copy alone;
		assert_int_equal(engine_make(&t->rq[i], &alone, &t->f.e), 0);
		assert_string_equal(alone.plan.decision.arm, k->plan.decision.arm);
	}
	assert_true(controls > 2 && controls < 24);
	arms_free(t);
}

static void
test_learned(void **state)
{
	struct arms *t = arms_new(*state);
	const char *arm[N];
	double propensity[N];
	size_t a0 = make_all(t);
	assert_true(a0 > 5 && a0 < 32);
	state_write(t, 1, "clicked", NULL);
	wait_for(t, 1);
	size_t a1 = make_all(t);
	assert_true(a1 > 25);
	for (size_t i = 0; i < N; i++) {
		arm[i] = t->copies[i].plan.decision.arm;
		propensity[i] = t->copies[i].plan.decision.propensity;
		assert_true(strcmp(arm[i], "a") != 0 || fabs(propensity[i] - 0.75 * 0.99) < 1e-6);
	}
	assert_int_equal(engine_reserve_many(t->rq, t->copies, N / 2, &t->f.e), 0);
	/* Something else is best now. Retries of what was reserved keep their arms, the others do not. */
	state_write(t, 2, "clicked", NULL);
	wait_for(t, 2);
	make_all(t);
	size_t moved = 0;
	for (size_t i = 0; i < N; i++) {
		const struct tailor_decision *d = &t->copies[i].plan.decision;
		if (i < N / 2) {
			assert_string_equal(d->arm, arm[i]);
			assert_true(d->propensity == propensity[i]);
		} else {
			moved += strcmp(d->arm, arm[i]) != 0;
		}
	}
	assert_true(moved > 5);
	/* A damaged file, and one of another reward, change nothing; none is none. */
	const struct conf_campaign *c = &t->f.epoch->conf->campaigns[0];
	struct err e = { 0 };
	state_write(t, 1, "clicked", "x");
	assert_null(policies_read(t->f.epoch->conf, t->f.epoch->features, c, &e));
	assert_int_equal(e.kind, ERR_CORRUPT);
	nanosleep(&(struct timespec){ 2, 100000000 }, NULL);
	wait_for(t, 2);
	state_write(t, 1, "opened", NULL);
	assert_null(policies_read(t->f.epoch->conf, t->f.epoch->features, c, &e));
	assert_int_equal(e.kind, ERR_INPUT);
	nanosleep(&(struct timespec){ 2, 100000000 }, NULL);
	wait_for(t, 2);
	char path[160];
	snprintf(path, sizeof(path), "%s/policy-c.state", t->dir);
	unlink(path);
	wait_for(t, 3);
	arms_free(t);
}

/* Threads ask while files come and go, and while epochs' states are read: see it under a thread sanitizer. */
struct asker {
	const struct epoch *epoch;
	atomic_bool *end;
	pthread_t thread;
	size_t held;
};

static void *
ask_on(void *ctx)
{
	struct asker *a = ctx;
	while (!atomic_load(a->end)) {
		struct policy_held *h = policies_get(epoch_policies(a->epoch), &a->epoch->conf->campaigns[0]);
		if (h != NULL)
			a->held += h->rates[1] + h->rates[2] > 0.99 && h->policy->narms == 3;
		policies_put(epoch_policies(a->epoch), &h);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	struct arms *t = arms_new(*state);
	struct asker askers[3];
	atomic_bool end = false;
	for (size_t i = 0; i < 3; i++) {
		askers[i] = (struct asker){ .epoch = t->f.epoch, .end = &end };
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_on, &askers[i]), 0);
	}
	for (size_t i = 0; i < 2; i++) {
		state_write(t, 1 + i, "clicked", NULL);
		wait_for(t, 1 + i);
	}
	atomic_store(&end, true);
	for (size_t i = 0; i < 3; i++) {
		pthread_join(askers[i].thread, NULL);
		assert_true(askers[i].held > 0);
	}
	arms_free(t);
}

/* At acceptance only what hashes decide is decided; and what was noted then holds. */
static void
test_early(void **state)
{
	struct arms *t = arms_new(*state);
	for (size_t i = 0; i < N; i++) {
		struct engine_copy early, late;
		assert_int_equal(engine_decide(&t->rq[i], &early, &t->f.e), 0);
		assert_int_equal(engine_make(&t->rq[i], &late, &t->f.e), 0);
		if (early.arm.arm != NULL)
			assert_true(early.arm.arm->control && early.arm.arm == late.arm.arm);
		else
			assert_false(late.arm.arm->control);
		struct engine_request noted = t->rq[i];
		noted.arm = STR("b");
		noted.propensity = 0.5;
		assert_int_equal(engine_make(&noted, &late, &t->f.e), 0);
		assert_string_equal(late.plan.decision.arm, "b");
		assert_true(late.plan.decision.propensity == 0.5);
	}
	arms_free(t);
}

/* ---- what is kept of a decision ---- */

static void
expect_details(struct arms *t, const struct engine_request *rq, const struct engine_copy *c, const char *part)
{
	struct event ev;
	engine_event(rq, c, EVENT_INJECTED, "test", t->f.worker->arena, &ev);
	if (str_find(ev.details, str_of(part)) >= ev.details.n)
		fail_msg("%.*s: no %s", STR_ARG(ev.details), part);
}

/* Which items were shown is kept, of lists of items only, and not without bound. */
static void
test_items(void **state)
{
	struct arms *t = arms_new(*state);
	struct arena *a = t->f.worker->arena;
	struct engine_copy copy;
	struct event ev;
	const struct value *vars;
	assert_int_equal(json_parse(a,
				    STR("{\"n\":1,\"words\":[\"x\"],\"none\":[],\"r\":[{\"id\":\"a\"},"
					"{\"title\":\"t\"},{\"id\":7},{\"id\":\"b\\\"\"}],\"id\":\"z\","
					"\"s\":[{\"id\":\"c\"}]}"),
				    NULL, &vars, &t->f.e),
			 0);
	assert_int_equal(engine_make(&t->rq[0], &copy, &t->f.e), 0);
	copy.plugins.vars = vars;
	expect_details(t, &t->rq[0], &copy, ",\"items\":{\"r\":[\"a\",\"b\\\"\"],\"s\":[\"c\"]}");
	struct value *list = value_list(a, 2000), *many = value_map_new(a);
	for (size_t i = 0; i < 2000; i++) {
		struct value *item = value_map_new(a);
		value_map_set(a, item, STR("id"), value_string(a, arena_printf(a, "item-%zu", i)));
		list->list.items[i] = item;
	}
	for (size_t i = 0; i < 3; i++)
		value_map_set(a, many, arena_printf(a, "v%zu", i), list);
	copy.plugins.vars = many;
	engine_event(&t->rq[0], &copy, EVENT_INJECTED, "test", a, &ev);
	assert_in_range(ev.details.n, 2000, 2300);
	assert_int_equal(json_parse(a, ev.details, NULL, &vars, &t->f.e), 0);
	assert_in_range(value_length(value_path(vars, STR("items.v0"))), 150, 250);
	copy.plugins.vars = NULL;
	engine_event(&t->rq[0], &copy, EVENT_INJECTED, "test", a, &ev);
	assert_true(str_find(ev.details, STR("items")) >= ev.details.n);
	arms_free(t);
}

/* ---- the whole circle, by features ---- */

/* Sends, waits, clicks: those with orders like arm a, those without like b. */
static void
live(struct arms *t)
{
	for (int wave = 0; wave < 20; wave++) {
		for (size_t i = 0; i < N; i++) {
			t->rq[i].message_id = arena_printf(t->f.worker->arena, "<%d@x>", wave);
			t->rq[i].event_source = "test";
		}
		make_all(t);
		assert_int_equal(engine_reserve_many(t->rq, t->copies, N, &t->f.e), 0);
		assert_true(event_move(t->store, 1000, &t->f.e) >= N);
		for (size_t i = 0; i < N; i++) {
			const struct recipient_snapshot *r = t->copies[i].recipient;
			const char *likes = i % 2 ? "a" : "b";
			struct event ev = {
				.at_ms = NOW + 1000, .type = EVENT_CLICKED, .class = EVENT_HUMAN, .link = 1
			};
			memcpy(ev.rk, r->key.b, sizeof(ev.rk));
			memcpy(ev.copy, r->idem, sizeof(ev.copy));
			if (strcmp(t->copies[i].plan.decision.arm, likes) == 0)
				assert_int_equal(event_add(t->store, &ev, 1, NULL, &t->f.e), 0);
		}
	}
}

static void
test_linear(void **state)
{
	struct arms *t = arms_of(*state, BY_FEATURES);
	const struct conf_campaign *c = &t->f.epoch->conf->campaigns[0];
	const struct features *features = policies_features(t->f.epoch->features, c);
	struct learn_arms_found found;
	char path[160];
	struct buf b = { 0 };
	assert_non_null(features);
	live(t);
	const struct learn_arms_request rq = { .campaign = c,
					       .now_ms = NOW + 7200000,
					       .hash = features->hash,
					       .ncolumns = score_columns_count(features->columns) };
	struct policy *p = learn_arms(t->store, &rq, &found, &t->f.e);
	if (p == NULL)
		fail_msg("%s", t->f.e.text);
	assert_int_equal(found.decisions, 20 * N);
	assert_int_equal(found.no_row, 0);
	policy_print(p, &b);
	snprintf(path, sizeof(path), "%s/policy-c.state", t->dir);
	FILE *out = fopen(path, "w");
	fwrite(b.p, 1, b.n, out);
	fclose(out);
	wait_for(t, 4);
	for (size_t i = 0; i < N; i++)
		t->rq[i].message_id = STR("<next@x>");
	make_all(t);
	for (size_t i = 0; i < N; i++) {
		const char *arm = t->copies[i].plan.decision.arm;
		if (strcmp(arm, "control") != 0)
			assert_string_equal(arm, i % 2 ? "a" : "b");
	}
	policy_free(&p);
	buf_free(&b);
	arms_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_control, setup, teardown),
		cmocka_unit_test_setup_teardown(test_learned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_items, setup, teardown),
		cmocka_unit_test_setup_teardown(test_linear, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};
	mail_init();
	return cmocka_run_group_tests_name("engine-arms", tests, NULL, NULL);
}
