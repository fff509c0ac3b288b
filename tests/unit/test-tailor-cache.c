/*
 * test-tailor-cache: compiled parts are shared, bounded, and live as long as
 * someone uses them; many threads at once (build with TSan to see).
 */
#include <pthread.h>

#include "test-tailor.h"

#define QUIET NO_TRACKING "list_unsubscribe = no\n"
#define THREADS 4

static struct tailor_cache_stats
stats(struct fixture *f)
{
	struct tailor_cache_stats s;
	tailor_cache_stats(f->cache, &s);
	return s;
}

static struct str
message(struct arena *a, const char *boundary, const char *body)
{
	return arena_printf(
	    a,
	    "Subject: {{s}}\n" TEST_HEAD
	    "Content-Type: multipart/alternative; boundary=%s\n\n--%s\nContent-Type: text/plain\n\n{{a}} "
	    "%s\n--%s\nContent-Type: text/html\n\n<b>{{a}} %s\n--%s--\n",
	    boundary, boundary, body, boundary, body, boundary);
}

static void
test_hits(void **state)
{
	struct fixture *f = fixture_new(QUIET);
	(void)state;
	assert_int_equal(prepare(f, message(f->a, "one", "x")), 0);
	assert_int_equal(stats(f).misses, 3);
	assert_int_equal(stats(f).entries, 3);
	/* client libraries draw a boundary for each message */
	assert_int_equal(prepare(f, message(f->a, "two", "x")), 0);
	assert_int_equal(stats(f).misses, 3);
	assert_int_equal(stats(f).hits, 3);
	assert_int_equal(prepare(f, message(f->a, "two", "y")), 0);
	assert_int_equal(stats(f).misses, 5);
	/* the same bytes as another type, charset, encoding or campaign are another part */
	static const char *const types[] = { "text/plain", "text/html", "text/plain; charset=utf-8",
					     "text/plain; format=flowed",
					     "text/plain\nContent-Transfer-Encoding: 8bit" };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct str m = arena_printf(f->a, TEST_HEAD "Content-Type: %s\n\n{{a}}", types[i]);
		int64_t before = stats(f).misses;
		assert_int_equal(prepare(f, m), 0);
		assert_int_equal(stats(f).misses, before + 1);
	}
	struct tailor_message *other;
	int64_t before = stats(f).misses;
	assert_int_equal(tailor_prepare(f->cache, f->conf, &f->conf->campaigns[1], f->source, &other, &f->e),
			 0);
	assert_int_equal(stats(f).misses, before + 1);
	tailor_message_free(&other);
	/* what cannot be edited is known too, and not tried again */
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    prepare(f, str_of(TEST_HEAD "Content-Type: text/plain; charset=x-none\n\nx")), 0);
	assert_int_equal(stats(f).misses, before + 2);
	/* errors are not kept */
	before = stats(f).entries;
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\n{{#a}}")), -1);
	assert_int_equal(stats(f).entries, before);
	fixture_free(f);
}

static struct str
text_message(struct arena *a, int i)
{
	return arena_printf(a, TEST_HEAD "\n{{a}} number %d\n", i);
}

static void
test_eviction(void **state)
{
	struct fixture *f = fixture_try(QUIET, "milter {\ntemplate_cache = 64K\n}\n");
	struct tailor_message *first;
	struct err e = { 0 };
	(void)state;
	struct str bytes = text_message(f->a, 0);
	assert_int_equal(tailor_prepare(f->cache, f->conf, &f->conf->campaigns[0], bytes, &first, &e), 0);
	for (int i = 1; i < 100; i++) {
		assert_int_equal(prepare(f, text_message(f->a, i)), 0);
		assert_true(stats(f).bytes <= 65536);
	}
	assert_true(stats(f).evictions > 50);
	/* the first is long out of the table and still works for who holds it */
	tailor_message_free(&f->m);
	f->m = first;
	f->source = bytes;
	assert_int_equal(render(f, "{\"a\":\"A\"}"), 0);
	assert_string_equal(text_of(f, "1"), "A number 0\n");
	/* used ones stay: 98 is looked at before each newcomer */
	for (int i = 100; i < 200; i++) {
		assert_int_equal(prepare(f, text_message(f->a, 98)), 0);
		assert_int_equal(prepare(f, text_message(f->a, i)), 0);
	}
	int64_t misses = stats(f).misses;
	assert_int_equal(prepare(f, text_message(f->a, 98)), 0);
	assert_int_equal(stats(f).misses, misses);
	/* larger than the whole cache: compiled, used, not kept */
	struct str big = arena_printf(f->a, TEST_HEAD "\n{{a}}%80000d", 1);
	int64_t entries = stats(f).entries;
	assert_int_equal(prepare(f, big), 0);
	assert_int_equal(stats(f).entries, entries);
	assert_int_equal(render(f, "{\"a\":\"A\"}"), 0);
	fixture_free(f);
}

struct worker {
	pthread_t thread;
	struct fixture *f;
	unsigned seed;
	size_t copies, wrong;
};

/* Prepares and renders messages of a few, beside others that do the same. */
static void *
work(void *ctx)
{
	struct worker *w = ctx;
	struct fixture *f = w->f;
	struct sealer *sealer = sealer_new(f->keys);
	struct tailor_scratch *scratch = tailor_scratch_new();
	struct arena *a = arena_new(16384);
	struct tailor_input in = f->in;
	struct buf out = { 0 };
	in.sealer = sealer;
	for (int i = 0; i < 300; i++) {
		struct tailor_message *m = NULL;
		struct tailor_plan plan;
		struct err e;
		char expected[64];
		int n = rand_r(&w->seed) % 12;
		struct str bytes = text_message(a, n);
		snprintf(expected, sizeof(expected), "\n\nAnn number %d\n", n);
		buf_reset(&out);
		if (tailor_prepare(f->cache, f->conf, &f->conf->campaigns[0], bytes, &m, &e) == 0 &&
		    tailor_render(m, &in, scratch, a, &plan, &e) == 0) {
			tailor_write(m, &plan, &out);
			w->copies++;
		}
		w->wrong += !str_ends(buf_str(&out), str_of(expected));
		tailor_message_free(&m);
		arena_reset(a);
	}
	buf_free(&out);
	arena_free(&a);
	tailor_scratch_free(&scratch);
	sealer_free(&sealer);
	return NULL;
}

static void
run_threads(const char *settings)
{
	struct fixture *f = fixture_try(QUIET, settings);
	struct worker w[THREADS];
	f->recipient.profile = json(f, "{\"a\":\"Ann\"}");
	for (size_t i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .f = f, .seed = (unsigned)i + 1 };
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].copies, 300);
		assert_int_equal(w[i].wrong, 0);
	}
	assert_int_equal(stats(f).hits + stats(f).misses, THREADS * 300);
	fixture_free(f);
}

static void
test_threads(void **state)
{
	(void)state;
	run_threads("");
	run_threads("milter {\ntemplate_cache = 64K\n}\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_threads),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
