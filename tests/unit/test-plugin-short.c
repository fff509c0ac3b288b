/* test-plugin-short: plugins that declare MT_SHORT run on the caller's thread, as long as they keep their
 * word. */
#include "test-plugin.h"

#include <pthread.h>

#define PROBE "tests/plugins/probe.so"
#define SHORT "tests/plugins/probe-short.so"
#define SHORT_SCORE "tests/plugins/probe-short-score.so"

/* A probe of mode "thread" says on which thread it ran. */
static bool
was_here(struct fixture *f, const char *name)
{
	const struct value *v = value_path(f->out.vars, str_of(name));
	assert_non_null(v);
	return v->i == (int64_t)(uintptr_t)pthread_self();
}

static void
runs_here(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	f->campaign.defaults = fixture_json(f, "{\"from\":\"defaults\"}");
	fixture_add(f, "s", SHORT_SCORE, 500, NULL);
	fixture_add(f, "a", SHORT, 500, "mode=thread", "name=a", NULL);
	fixture_add(f, "r", SHORT, 500, "mode=read", NULL);
	fixture_add(f, "rule", SHORT, 500, "mode=rule", "name=rule", "rule=click == 0.7 and hour == 9", NULL);
	fixture_add(f, "t", PROBE, 500, "mode=thread", "name=t", NULL);
	fixture_add(f, "score", PROBE, 500, "mode=rule", "name=score", "rule=click == 0.7", NULL);
	fixture_add(f, "b", SHORT, 500, "mode=thread", "name=b", NULL);
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(f, "{\"orders\":7,\"tags\":[\"a\",\"b\"]}", "de");
	rq.message = fixture_json(f, "{\"first_name\":\"Eva\"}");
	fixture_run(f, &rq);
	assert_int_equal(f->out.nnotes, 0);
	assert_true(was_here(f, "a"));
	assert_false(was_here(f, "t"));
	assert_false(was_here(f, "b")); /* goes along with the one before it */
	assert_string_equal(var_text(f, "seen.first_name"), "Eva");
	assert_string_equal(var_text(f, "seen.from"), "defaults");
	assert_string_equal(var_text(f, "seen.language"), "de");
	assert_string_equal(var_text(f, "seen.tag1"), "b");
	assert_string_equal(var_text(f, "rule"), "1");
	assert_string_equal(var_text(f, "score"), "1"); /* what was scored here, on the other thread */
	assert_int_equal(f->out.nscores, 2);
	assert_true(str_eq(value_map_get(f->out.sources, STR("rule"))->s, STR("rule")));
	assert_int_equal(counters_of(f, "a").calls, 1);
	assert_int_equal(counters_of(f, "b").calls, 1);
	fixture_free(f);
}

/* Built before there were flags: whatever stands there is none. */
static void
old_plugins(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	fixture_add(f, "old", "tests/plugins/old-minor.so", 500, NULL);
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(f, "{}", "en");
	fixture_run(f, &rq);
	assert_false(was_here(f, "thread"));
	fixture_free(f);
}

/* All or nothing here, too; and five failures in a row switch it off. */
static void
failures(void **state)
{
	static const struct {
		const char *path, *mode, *want;
	} cases[] = {
		{ SHORT, "mode=fail", "failed: the parrot is dead" },
		{ SHORT, "mode=thread-fail", "failed: no thread for you" },
		{ SHORT, "mode=big", "bad output: variable big has 10485760 bytes" },
		{ SHORT, "mode=many", "bad output: more than 1000 variables" },
		{ SHORT_SCORE, "mode=nan", "bad output: score click is not a finite number" },
		{ SHORT_SCORE, "mode=fail", "failed: no model" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fixture_new();
		fixture_add(f, "bad", cases[i].path, 2000, cases[i].mode, NULL);
		fixture_add(f, "good", SHORT, 2000, "mode=thread", "name=after", NULL);
		fixture_must_load(f);
		struct plugin_request rq = fixture_request(f, "{\"orders\":1}", "en");
		for (int k = 0; k < PLUGIN_BREAKER; k++) {
			fixture_run(f, &rq);
			if (strncmp(note_text(f, "bad"), cases[i].want, strlen(cases[i].want)) != 0)
				fail_msg("%s: got %s", cases[i].mode, note_text(f, "bad"));
			assert_int_equal(value_map_count(f->out.vars), 1);
			assert_int_equal(f->out.nscores, 0);
			assert_true(was_here(f, "after"));
		}
		fixture_run(f, &rq);
		assert_string_equal(note_text(f, "bad"), "switched off until reload");
		struct plugin_counters c = counters_of(f, "bad");
		assert_int_equal(c.failed + c.rejected, PLUGIN_BREAKER);
		fixture_free(f);
	}
}

static int64_t
timed_run(struct fixture *f, const struct plugin_request *rq)
{
	int64_t start = clock_mono_us();
	fixture_run(f, rq);
	return clock_mono_us() - start;
}

/* Says it is short and sleeps: that costs one mail its time, and no later one. */
static void
liar(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	fixture_add(f, "liar", SHORT, 30, "mode=sleep", "ms=900", NULL);
	fixture_add(f, "honest", SHORT, 500, "mode=thread", "name=honest", NULL);
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(f, "{}", "en");
	assert_true(timed_run(f, &rq) >= 890000);
	assert_string_equal(note_text(f, "liar"), "late (30ms)");
	assert_string_equal(var_text(f, "probe"), ""); /* what came late is dropped */
	assert_true(was_here(f, "honest"));

	int64_t took = timed_run(f, &rq);
	assert_true(took >= 29000 && took < 600000);
	assert_string_equal(note_text(f, "liar"), "late (30ms)");
	assert_true(was_here(f, "honest")); /* it keeps its word, and its place */
	assert_int_equal(counters_of(f, "liar").late, 2);

	/* A reload starts afresh. */
	plugin_set_free(&f->set);
	fixture_must_load(f);
	assert_true(timed_run(f, &rq) >= 890000);
	usleep(950000); /* the thread that was left frees the old set */
	fixture_free(f);
}

/* What a late scorer gave is not seen by those behind it. */
static void
late_scores(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	fixture_add(f, "late", SHORT_SCORE, 20, "mode=sleep", NULL);
	fixture_add(f, "in-time", SHORT_SCORE, 500, "mode=ok", NULL);
	fixture_add(f, "rule", SHORT, 500, "mode=rule", "name=rule", "rule=click == 0.7", NULL);
	f->campaign.scorers.n = 1;
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(f, "{\"orders\":7}", "en");
	fixture_run(f, &rq);
	assert_string_equal(note_text(f, "late"), "late (20ms)");
	assert_int_equal(f->out.nscores, 0);
	assert_string_equal(var_text(f, "rule"), "-1");
	f->campaign.scorers.n = 2;
	plugin_set_free(&f->set);
	fixture_must_load(f);
	fixture_run(f, &rq);
	assert_int_equal(f->out.nscores, 2);
	assert_string_equal(var_text(f, "rule"), "1");
	fixture_free(f);
}

struct caller {
	pthread_t thread;
	struct fixture *f;
	struct plugin_request rq;
	int good;
};

static void *
caller_main(void *arg)
{
	struct caller *c = arg;
	struct arena *a = arena_new(4096);
	struct plugin_result out;
	for (int i = 0; i < 500; i++) {
		arena_reset(a);
		plugin_run(c->f->set, &c->rq, 1, a, &out);
		c->good += out.nnotes == 0 && out.nscores == 2;
	}
	arena_free(&a);
	return NULL;
}

/* Seats go from thread to thread, and are gone when the set is. */
static void
parallel(void **state)
{
	int finished = 0;
	char address[64];
	struct fixture *f = fixture_new();
	struct caller callers[8] = { 0 };
	(void)state;
	snprintf(address, sizeof(address), "finished=%p", (void *)&finished);
	fixture_add(f, "s", SHORT_SCORE, 5000, NULL);
	fixture_add(f, "r", SHORT, 5000, "mode=read", address, NULL);
	fixture_must_load(f);
	for (size_t i = 0; i < 8; i++) {
		callers[i] = (struct caller){ .f = f, .rq = fixture_request(f, "{\"orders\":3}", "en") };
		assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), 0);
	}
	for (size_t i = 0; i < 8; i++) {
		pthread_join(callers[i].thread, NULL);
		assert_int_equal(callers[i].good, 500);
	}
	assert_int_equal(counters_of(f, "r").calls, 4000);
	plugin_set_free(&f->set);
	assert_true(finished > 0 && finished <= 8);
	fixture_free(f);
}

/* CPU of two cheap plugins here; printed, to set beside test-plugin's. */
static void
cost(void **state)
{
	enum { ROUNDS = 5000 };
	struct fixture *f = fixture_new();
	struct arena *a = arena_new(4096);
	struct plugin_result out;
	(void)state;
	fixture_add(f, "a", SHORT, 5000, "name=a", NULL);
	fixture_add(f, "b", SHORT, 5000, "name=b", NULL);
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(f,
						   "{\"first_name\":\"Maria\",\"last_name\":\"Weber\","
						   "\"country\":\"DE\",\"orders\":7,\"tags\":[\"a\",\"b\"]}",
						   "de");
	int64_t cpu = clock_cpu_us();
	for (int i = 0; i < ROUNDS; i++) {
		arena_reset(a);
		plugin_run(f->set, &rq, 1, a, &out);
		assert_int_equal(out.nnotes, 0);
	}
	print_message("two short plugins: %.1f us CPU per message\n",
		      (double)(clock_cpu_us() - cpu) / ROUNDS);
	arena_free(&a);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_here), cmocka_unit_test(old_plugins), cmocka_unit_test(failures),
		cmocka_unit_test(liar),	     cmocka_unit_test(late_scores), cmocka_unit_test(parallel),
		cmocka_unit_test(cost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
