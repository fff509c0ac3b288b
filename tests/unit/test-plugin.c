/* test-plugin: loading, calling, deadlines, checks of output, breaker, epochs. */
#include "test-plugin.h"

#include <pthread.h>
#include <sys/stat.h>

#define PROBE "tests/plugins/probe.so"
#define SCORE "tests/plugins/probe-score.so"

/* ---- loading ---- */

static void
load_errors(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{ "tests/plugins/absent.so",
		  "No such file or directory; correct the section's name, or write path" },
		{ "tests/plugins", "is not a regular file" },
		{ "tests/plugins/wrong-magic.so", "wrong magic number" },
		{ "tests/plugins/wrong-major.so", "was built for plugin ABI 2.0, this mailtailor has 1.2" },
		{ "tests/plugins/newer-minor.so", "was built for plugin ABI 1.3, this mailtailor has 1.2" },
		{ "tests/plugins/wrong-size.so", "struct mt_str of 24 bytes, this mailtailor has 16" },
		{ "tests/plugins/no-magic.so", "has no symbol mailtailor_plugin_magic" },
		{ "tests/plugins/no-describe.so", "has no symbol mailtailor_plugin;" },
		{ "tests/plugins/unknown-flag.so", "has unknown flags (0x11)" },
		{ "tests/plugins/unresolved.so", "mailtailor_test_symbol_that_is_nowhere" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fixture_new();
		fixture_add(f, "x", cases[i].path, 50, NULL);
		assert_false(fixture_load(f));
		if (!strstr(f->reports, cases[i].want) ||
		    strncmp(f->reports, "/etc/mailtailor/test.conf:10: plugin \"x\": ", 42) != 0)
			fail_msg("%s: got %s", cases[i].path, f->reports);
		assert_int_equal(f->nreports, 1);
		fixture_free(f);
	}
}

/* Every mistake is reported, not only the first. */
static void
load_reports_all(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	fixture_add(f, "a", "tests/plugins/absent.so", 50, NULL);
	fixture_add(f, "b", PROBE, 50, "create=fail", NULL);
	fixture_add(f, "c", SCORE, 50, "mode=noshape", NULL);
	fixture_add(f, "d", SCORE, 50, "mode=twice", NULL);
	fixture_add(f, "e", PROBE, 50, "rule=click >", NULL);
	fixture_add(f, "good", PROBE, 50, NULL);
	f->scorers[f->campaign.scorers.n++] = "good";		    /* wrong kind */
	f->personalizers[f->campaign.personalizers.n++] = "nobody"; /* unknown */
	assert_false(fixture_load(f));
	assert_int_equal(f->nreports, 7);
	assert_non_null(
	    strstr(f->reports, ":20: plugin \"b\": refuses to start: no parrot in the cage; buy one"));
	assert_non_null(strstr(f->reports, ":30: plugin \"c\": declares 0 features"));
	assert_non_null(strstr(f->reports, ":40: plugin \"d\": declares the score click twice"));
	assert_non_null(strstr(f->reports, ":50: plugin \"e\": refuses to start: column 8:"));
	assert_non_null(
	    strstr(f->reports, ":100: campaign \"c\": plugin \"good\" is a personalizer; name it under"));
	assert_non_null(strstr(f->reports, ":100: campaign \"c\": there is no plugin \"nobody\""));
	fixture_free(f);
}

static void
copy_file(const char *from, const char *to)
{
	char bytes[65536];
	size_t n;
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
		assert_int_equal(fwrite(bytes, 1, n, out), n);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

static void
load_permissions(void **state)
{
	char dir[] = "/tmp/test-plugin-XXXXXX", path[64], from[4200];
	struct fixture *f = fixture_new();
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/p.so", dir);
	snprintf(from, sizeof(from), "%s/%s", build_directory(), PROBE);
	copy_file(from, path);
	fixture_add(f, "p", path, 50, NULL);

	chmod(path, 0664);
	assert_false(fixture_load(f));
	assert_non_null(strstr(f->reports, "is writable by group or others; run chmod go-w on it"));
	chmod(path, 0644);
	chmod(dir, 0777);
	assert_false(fixture_load(f));
	assert_non_null(strstr(f->reports, "the directory /tmp/test-plugin-"));
	chmod(dir, 0755);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_false(fixture_load(f));
		assert_non_null(strstr(f->reports, "belongs to uid 12345; give it to root"));
		assert_int_equal(chown(path, 0, 0), 0);
	}
	fixture_must_load(f);
	fixture_free(f);
	unlink(path);
	rmdir(dir);
}

/* ---- calls ---- */

static void
run_reads_and_sets(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	f->campaign.defaults = fixture_json(f, "{\"from\":\"defaults\",\"first_name\":\"friend\"}");
	fixture_add(f, "s", SCORE, 500, NULL);
	fixture_add(f, "r", PROBE, 500, "mode=read", NULL);
	fixture_add(f, "h", PROBE, 500, "mode=html", "name=block.x", NULL);
	fixture_add(f, "o", PROBE, 500, "name=seen.first_name", "value=overridden", NULL);
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(
	    f, "{\"orders\":7,\"address\":{\"city\":\"Bonn\"},\"nothing\":null,\"tags\":[\"a\",\"b\"]}",
	    "de");
	rq.message = fixture_json(f, "{\"first_name\":null,\"orders\":\"12\"}");
	fixture_run(f, &rq);
	assert_int_equal(f->out.nnotes, 0);
	assert_string_equal(var_text(f, "seen.orders"), "12"); /* the message before the profile */
	assert_string_equal(var_text(f, "seen.orders_text"), "12");
	assert_string_equal(var_text(f, "seen.first_name"), "overridden"); /* later plugins over earlier */
	assert_string_equal(var_text(f, "seen.exists"), "true");
	assert_string_equal(var_text(f, "seen.absent"), "false");
	assert_string_equal(var_text(f, "seen.from"), "defaults");
	assert_string_equal(var_text(f, "seen.click"), "0.7");
	assert_string_equal(var_text(f, "seen.random_same"), "true");
	assert_string_equal(var_text(f, "seen.random_differs"), "true");
	assert_string_equal(var_text(f, "seen.hour"), "9"); /* Berlin */
	assert_string_equal(var_text(f, "seen.weekday"), "1");
	assert_string_equal(var_text(f, "seen.language"), "de");
	assert_string_equal(var_text(f, "seen.tags"), "2");
	assert_string_equal(var_text(f, "seen.tag1"), "b");
	assert_true(value_path(f->out.vars, STR("block.x"))->safe_html);
	assert_int_equal(f->out.nscores, 2);
	assert_true(str_eq(f->out.scores[1].name, STR("open")));
	assert_true(f->out.scores[1].value == 9);
	const struct value *src = value_map_get(f->out.sources, STR("seen.first_name"));
	assert_true(str_eq(src->s, STR("o")));
	assert_true(str_eq(value_map_get(f->out.sources, STR("block.x"))->s, STR("h")));
	assert_int_equal(counters_of(f, "r").calls, 1);
	fixture_free(f);
}

static void
run_rules(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	fixture_add(f, "s", SCORE, 500, NULL);
	fixture_add(f, "t", PROBE, 500, "mode=rule", "name=t",
		    "rule=click >= 0.7 and hour == 9 and country in ('DE')", NULL);
	fixture_add(f, "n", PROBE, 500, "mode=rule", "name=n", "rule=click > 0.7 or not known", NULL);
	fixture_add(f, "u", PROBE, 500, "mode=rule", "name=u", "rule=nowhere == 1", NULL);
	fixture_must_load(f);
	/* A field of the message cannot stand in for a score. */
	struct plugin_request rq = fixture_request(f, "{\"orders\":7,\"country\":\"DE\"}", "de");
	rq.message = fixture_json(f, "{\"click\":1}");
	fixture_run(f, &rq);
	assert_string_equal(var_text(f, "t"), "1");
	assert_string_equal(var_text(f, "n"), "0");
	assert_string_equal(var_text(f, "u"), "-1");
	fixture_free(f);
}

/* What is wrong costs the plugin's whole contribution, and nobody else's. */
static void
run_bad_output(void **state)
{
	static const struct {
		const char *path, *mode, *name, *want;
	} cases[] = {
		{ PROBE, "mode=fail", "name=x", "failed: the parrot is dead" },
		{ PROBE, "mode=thread-fail", "name=x", "failed: no thread for you" },
		{ PROBE, "mode=big", "name=x", "bad output: variable big has 10485760 bytes" },
		{ PROBE, "mode=utf8", "name=x", "bad output: variable bad is not well-formed UTF-8" },
		{ PROBE, "mode=nul", "name=x",
		  "bad output: variable bad is not well-formed UTF-8 or has NUL" },
		{ PROBE, "mode=json", "value=[1,", "bad output: variable probe is no JSON" },
		{ PROBE, "mode=json", "value=[[[[[[[[[[1]]]]]]]]]]",
		  "bad output: variable probe is no JSON" },
		{ PROBE, "mode=nan", "name=x", "bad output: variable bad is not a finite number" },
		{ PROBE, "mode=many", "name=x", "bad output: more than 1000 variables" },
		{ PROBE, "mode=badname", "name=", "bad output: variable name \"\" is malformed" },
		{ PROBE, "mode=badname", "name=a..b", "bad output: variable name \"a..b\" is malformed" },
		{ PROBE, "mode=badname", "name=a b", "bad output: variable name" },
		{ PROBE, "mode=badname", "name=.a", "bad output: variable name" },
		{ PROBE, "mode=badname", "name=a.", "bad output: variable name" },
		{ PROBE, "mode=badname", "name=a.b.c.d.e.f.g.h.i", "bad output: variable name" },
		{ SCORE, "mode=nan", "x=", "bad output: score click is not a finite number" },
		{ SCORE, "mode=inf", "x=", "bad output: score click is not a finite number" },
		{ SCORE, "mode=unset", "x=", "bad output: score click is not a finite number" },
		{ SCORE, "mode=fail", "x=", "failed: no model" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fixture_new();
		fixture_add(f, "bad", cases[i].path, 2000, cases[i].mode, cases[i].name, NULL);
		fixture_add(f, "good", PROBE, 2000, "name=after", NULL);
		fixture_must_load(f);
		struct plugin_request rq = fixture_request(f, "{\"orders\":1}", "en");
		fixture_run(f, &rq);
		if (strncmp(note_text(f, "bad"), cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("%s: got %s", cases[i].mode, note_text(f, "bad"));
		assert_int_equal(value_map_count(f->out.vars), 1);
		assert_string_equal(var_text(f, "after"), "was here");
		assert_int_equal(f->out.nscores, 0);
		struct plugin_counters c = counters_of(f, "bad");
		assert_int_equal(c.calls, 1);
		assert_int_equal(c.failed + c.rejected, 1);
		fixture_free(f);
	}
}

/* ---- deadlines ---- */

static void
run_late(void **state)
{
	int destroyed = 0;
	char address[64];
	struct fixture *f = fixture_new();
	(void)state;
	snprintf(address, sizeof(address), "destroyed=%p", (void *)&destroyed);
	fixture_add(f, "s", SCORE, 500, NULL);
	fixture_add(f, "first", PROBE, 500, "name=first", NULL);
	fixture_add(f, "slow", PROBE, 30, "mode=sleep", "ms=600", "name=slow", NULL);
	fixture_add(f, "rule", PROBE, 500, "mode=rule", "name=rule", "rule=click == 0.1", address, NULL);
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(f, "{\"orders\":1}", "en");
	int64_t start = clock_mono_us();
	fixture_run(f, &rq);
	int64_t took = clock_mono_us() - start;
	assert_true(took >= 29000 && took < 500000);
	assert_string_equal(note_text(f, "slow"), "late (30ms)");
	assert_int_equal(f->out.nnotes, 1);
	assert_string_equal(var_text(f, "first"), "was here");
	assert_string_equal(var_text(f, "slow"), "");
	assert_string_equal(var_text(f, "rule"), "1"); /* on another thread, with the scores of the first */
	assert_int_equal(f->out.nscores, 2);
	assert_int_equal(counters_of(f, "slow").late, 1);
	assert_int_equal(counters_of(f, "first").calls, 1);

	/* Freeing waits for nobody; the late thread frees the set when it comes back. */
	start = clock_mono_us();
	plugin_set_free(&f->set);
	assert_true(clock_mono_us() - start < 500000);
	assert_int_equal(__atomic_load_n(&destroyed, __ATOMIC_SEQ_CST), 0);
	for (int i = 0; i < 200 && !__atomic_load_n(&destroyed, __ATOMIC_SEQ_CST); i++)
		usleep(10000);
	assert_int_equal(__atomic_load_n(&destroyed, __ATOMIC_SEQ_CST), 1);
	usleep(20000);
	fixture_free(f);
}

static void
run_breaker(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	fixture_add(f, "bad", PROBE, 500, "mode=fail", NULL);
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(f, "{}", "en");
	for (int i = 0; i < PLUGIN_BREAKER; i++) {
		fixture_run(f, &rq);
		assert_string_equal(note_text(f, "bad"), "failed: the parrot is dead");
	}
	fixture_run(f, &rq);
	assert_string_equal(note_text(f, "bad"), "switched off until reload");
	assert_true(counters_of(f, "bad").off);
	assert_int_equal(counters_of(f, "bad").failed, PLUGIN_BREAKER);
	/* The next epoch starts afresh, while the old one lives. */
	struct plugin_set *old = f->set;
	fixture_must_load(f);
	fixture_run(f, &rq);
	assert_string_equal(note_text(f, "bad"), "failed: the parrot is dead");
	plugin_set_free(&old);
	fixture_free(f);
}

struct caller {
	pthread_t thread;
	struct fixture *f;
	struct plugin_request rq;
	int rounds, late, paused, good;
};

static void *
caller_main(void *arg)
{
	struct caller *c = arg;
	struct arena *a = arena_new(4096);
	struct plugin_result out;
	for (int i = 0; i < c->rounds; i++) {
		arena_reset(a);
		plugin_run(c->f->set, &c->rq, 1, a, &out);
		c->good += out.nnotes == 0;
		for (size_t k = 0; k < out.nnotes; k++) {
			c->late += str_starts(out.notes[k].text, STR("late"));
			c->paused += str_starts(out.notes[k].text, STR("paused"));
		}
	}
	arena_free(&a);
	return NULL;
}

static void
callers_run(struct caller *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pthread_create(&c[i].thread, NULL, caller_main, &c[i]), 0);
	for (size_t i = 0; i < n; i++)
		pthread_join(c[i].thread, NULL);
}

/* Four hanging plugins × six callers: threads stay bounded, plugins pause, and come back. */
static void
run_stuck(void **state)
{
	struct fixture *f = fixture_new();
	struct caller callers[6] = { 0 };
	int late = 0, paused = 0;
	(void)state;
	fixture_add(f, "a", PROBE, 5, "mode=sleep", "ms=700", NULL);
	fixture_add(f, "b", PROBE, 5, "mode=sleep", "ms=700", NULL);
	fixture_add(f, "c", PROBE, 5, "mode=sleep", "ms=700", NULL);
	fixture_add(f, "d", PROBE, 5, "mode=sleep", "ms=700", NULL);
	fixture_add(f, "short", "tests/plugins/probe-short.so", 500, "name=short", NULL);
	fixture_must_load(f);
	for (size_t i = 0; i < 6; i++)
		callers[i] = (struct caller){ .f = f, .rq = fixture_request(f, "{}", "en"), .rounds = 1 };
	callers_run(callers, 6);
	struct plugin_request rq = fixture_request(f, "{}", "en");
	fixture_run(f, &rq);
	for (size_t i = 0; i < 6; i++) {
		late += callers[i].late;
		paused += callers[i].paused;
	}
	/* Whoever was not late found the plugin off or all plugins paused. */
	assert_true(late >= PLUGIN_MAX_STUCK);
	assert_int_equal(late + paused <= 24, 1);
	assert_int_equal(f->out.nnotes, 4);
	assert_string_equal(var_text(f, "short"), "was here"); /* needs no thread */
	usleep(900000);
	fixture_free(f);
}

/* Many callers at once; also what the thread sanitizer looks at. */
static void
run_parallel(void **state)
{
	int finished = 0;
	char address[64];
	struct fixture *f = fixture_new();
	struct caller callers[8] = { 0 };
	(void)state;
	snprintf(address, sizeof(address), "finished=%p", (void *)&finished);
	fixture_add(f, "s", SCORE, 5000, NULL);
	fixture_add(f, "r", PROBE, 5000, "mode=read", address, NULL);
	fixture_must_load(f);
	for (size_t i = 0; i < 8; i++)
		callers[i] = (struct caller){ .f = f,
					      .rq = fixture_request(f, "{\"orders\":3}", "en"),
					      .rounds = 500 };
	callers_run(callers, 8);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(callers[i].good, 500);
	assert_int_equal(counters_of(f, "r").calls, 4000);
	plugin_set_free(&f->set);
	assert_true(finished > 0); /* every thread's context is gone when free returns */
	fixture_free(f);
}

static void
set_free(void **state)
{
	int destroyed = 0;
	char address[64];
	struct fixture *f = fixture_new();
	(void)state;
	snprintf(address, sizeof(address), "destroyed=%p", (void *)&destroyed);
	fixture_add(f, "p", PROBE, 500, address, NULL);
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(f, "{}", "en");
	fixture_run(f, &rq);
	assert_int_equal(destroyed, 0);
	plugin_set_free(&f->set);
	assert_null(f->set);
	assert_int_equal(destroyed, 1);
	plugin_set_free(&f->set);
	fixture_free(f);
}

/* Two are late in turn, and the second reads on when the caller has long freed its memory. */
static void
run_late_reads(void **state)
{
	int finished = 0;
	char address[64];
	struct fixture *f = fixture_new();
	(void)state;
	snprintf(address, sizeof(address), "finished=%p", (void *)&finished);
	fixture_add(f, "s", SCORE, 500, NULL);
	fixture_add(f, "slow", PROBE, 10, "mode=sleep", "ms=30", NULL);
	fixture_add(f, "later", PROBE, 10, "mode=late-read", "ms=200", address, NULL);
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(f, "{\"orders\":1,\"tags\":[\"a\",\"b\"]}", "en");
	struct caller c = { .f = f, .rq = rq, .rounds = 1 };
	caller_main(&c);
	assert_int_equal(c.late, 2);
	plugin_set_free(&f->set);
	for (int i = 0; i < 200 && __atomic_load_n(&finished, __ATOMIC_SEQ_CST) < 1; i++)
		usleep(10000);
	usleep(20000);
	fixture_free(f);
}

/* CPU of one hand-over with two cheap plugins; printed, and checked loosely (sanitizers are slow). */
static void
run_cost(void **state)
{
	enum { ROUNDS = 5000 };
	struct fixture *f = fixture_new();
	(void)state;
	fixture_add(f, "a", PROBE, 5000, "name=a", NULL);
	fixture_add(f, "b", PROBE, 5000, "name=b", NULL);
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(f,
						   "{\"first_name\":\"Maria\",\"last_name\":\"Weber\","
						   "\"country\":\"DE\",\"orders\":7,\"tags\":[\"a\",\"b\"]}",
						   "de");
	struct caller c = { .f = f, .rq = rq, .rounds = 100 };
	caller_main(&c);
	c.rounds = ROUNDS;
	int64_t cpu = clock_cpu_us(), wall = clock_mono_us();
	caller_main(&c);
	cpu = clock_cpu_us() - cpu;
	wall = clock_mono_us() - wall;
	print_message("two cheap plugins: %.1f us CPU, %.1f us wall per message\n", (double)cpu / ROUNDS,
		      (double)wall / ROUNDS);
	assert_int_equal(c.good, ROUNDS + 100);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_errors),	    cmocka_unit_test(load_reports_all),
		cmocka_unit_test(load_permissions), cmocka_unit_test(run_reads_and_sets),
		cmocka_unit_test(run_rules),	    cmocka_unit_test(run_bad_output),
		cmocka_unit_test(run_late),	    cmocka_unit_test(run_breaker),
		cmocka_unit_test(run_stuck),	    cmocka_unit_test(run_parallel),
		cmocka_unit_test(set_free),	    cmocka_unit_test(run_late_reads),
		cmocka_unit_test(run_cost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
