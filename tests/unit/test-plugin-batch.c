/*
 * test-plugin-batch: a batch of recipients gets what each would get alone, a scorer is called once for all of
 * them, and what goes wrong for one costs no other.
 */
#include "test-plugin.h"

#include <math.h>

#define PROBE "tests/plugins/probe.so"
#define SCORE "tests/plugins/probe-score.so"
#define SHORT "tests/plugins/probe-short.so"
#define SHORT_SCORE "tests/plugins/probe-short-score.so"

#define ROWS 64

struct batch {
	struct plugin_request rq[ROWS];
	struct plugin_result out[ROWS];
};

/* Recipient number i has i orders; every seventh has none, every fifth another language and data of its own.
 */
static struct batch *
batch_new(struct fixture *f)
{
	struct batch *b = ARENA_NEW(f->a, struct batch);
	for (size_t i = 0; i < ROWS; i++) {
		const char *profile =
		    i % 7 == 6 ? "{\"first_name\":\"No\"}"
			       : arena_printf(f->a, "{\"orders\":%zu,\"first_name\":\"N%zu\"}", i, i).p;
		b->rq[i] = fixture_request(f, profile, i % 5 ? "en" : "de");
		b->rq[i].recipient_key[0] = (uint8_t)i;
		if (i % 5 == 0)
			b->rq[i].message = fixture_json(f, "{\"first_name\":\"Eva\",\"tags\":[1,\"b\"]}");
	}
	return b;
}

/* All of a result, to compare: variables, where they are from, the very bits of scores, notes. */
static const char *
print(struct fixture *f, const struct plugin_result *out)
{
	struct buf b = { 0 };
	json_print(&b, out->vars);
	json_print(&b, out->sources);
	for (size_t i = 0; i < out->nscores; i++) {
		uint64_t bits;
		memcpy(&bits, &out->scores[i].value, sizeof(bits));
		buf_printf(&b, " %.*s=%016llx", STR_ARG(out->scores[i].name), (unsigned long long)bits);
	}
	for (size_t i = 0; i < out->nnotes; i++)
		buf_printf(&b, " %.*s: %.*s;", STR_ARG(out->notes[i].plugin), STR_ARG(out->notes[i].text));
	const char *s = arena_cstr(f->a, buf_str(&b));
	buf_free(&b);
	return s;
}

static const char *
note_of(struct fixture *f, const struct plugin_result *out, const char *plugin)
{
	f->out = *out;
	return note_text(f, plugin);
}

/* The same epoch twice: one batch, then one by one. */
static void
check_same(struct fixture *f)
{
	struct batch *b = batch_new(f);
	struct plugin_result alone;
	fixture_must_load(f);
	plugin_run(f->set, b->rq, ROWS, f->a, b->out);
	plugin_set_free(&f->set);
	fixture_must_load(f);
	for (size_t i = 0; i < ROWS; i++) {
		plugin_run(f->set, &b->rq[i], 1, f->a, &alone);
		const char *got = print(f, &b->out[i]), *want = print(f, &alone);
		if (strcmp(got, want) != 0)
			fail_msg("recipient %zu: in a batch\n%s\nalone\n%s", i, got, want);
	}
	fixture_free(f);
}

static void
same(void **state)
{
	static const char *const scorers[] = { SCORE, SHORT_SCORE }, *const personalizers[] = { PROBE,
												SHORT };
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const char *s = scorers[i / 2], *p = personalizers[i % 2];
		struct fixture *f = fixture_new();
		f->campaign.defaults = fixture_json(f, "{\"from\":\"defaults\"}");
		fixture_add(f, "score", s, 60000, "mode=odd", NULL);
		fixture_add(f, "more", SHORT_SCORE, 60000, "mode=ok", NULL);
		fixture_add(f, "read", p, 60000, "mode=read", NULL);
		fixture_add(f, "some", PROBE, 60000, "mode=fail-when", "rule=orders in (3, 4, 30)", NULL);
		fixture_add(f, "rule", SHORT, 60000, "mode=rule", "name=rule", "rule=click >= 2", NULL);
		fixture_add(f, "last", p, 60000, "name=seen.first_name", "value=overridden", NULL);
		check_same(f);
	}
}

/* Those before the fifth failure note it, those behind it that the plugin is off; so it is one by one. */
static void
breaker(void **state)
{
	static const char *const paths[] = { PROBE, SHORT };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture *f = fixture_new();
		fixture_add(f, "bad", paths[i], 60000, "mode=fail-when", "rule=orders >= 10", NULL);
		fixture_add(f, "good", paths[i], 60000, NULL);
		check_same(f);
	}
}

static void
once(void **state)
{
	static const char *const paths[] = { SCORE, SHORT_SCORE };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture *f = fixture_new();
		fixture_add(f, "score", paths[i], 60000, NULL);
		fixture_add(f, "each", SHORT, 60000, NULL);
		fixture_must_load(f);
		struct batch *b = batch_new(f);
		plugin_run(f->set, b->rq, ROWS, f->a, b->out);
		assert_int_equal(counters_of(f, "score").calls, 1);
		assert_int_equal(counters_of(f, "each").calls, ROWS);
		for (size_t k = 0; k < ROWS; k++)
			assert_int_equal(b->out[k].nscores, k % 7 == 6 ? 0 : 2);
		plugin_run(f->set, b->rq, 0, f->a, b->out);
		assert_int_equal(counters_of(f, "score").calls, 1);
		fixture_free(f);
	}
}

/* A call that fails is missing for all, and only that scorer's; five of them switch it off. */
static void
scorer_fails(void **state)
{
	static const char *const paths[] = { SCORE, SHORT_SCORE };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture *f = fixture_new();
		fixture_add(f, "bad", paths[i], 60000, "mode=fail", NULL);
		fixture_add(f, "nan", paths[i], 60000, "mode=nan", NULL);
		fixture_add(f, "good", SHORT_SCORE, 60000, NULL);
		fixture_must_load(f);
		struct batch *b = batch_new(f);
		for (int round = 0; round <= PLUGIN_BREAKER; round++) {
			plugin_run(f->set, b->rq, ROWS, f->a, b->out);
			bool off = round == PLUGIN_BREAKER;
			for (size_t k = 0; k < ROWS; k++) {
				assert_string_equal(note_of(f, &b->out[k], "bad"),
						    off ? "switched off until reload" : "failed: no model");
				assert_string_equal(note_of(f, &b->out[k], "nan"),
						    off ? "switched off until reload"
							: "bad output: score click is not a finite number");
				assert_int_equal(b->out[k].nscores, k % 7 == 6 ? 0 : 2);
			}
		}
		assert_int_equal(counters_of(f, "bad").failed, PLUGIN_BREAKER);
		assert_int_equal(counters_of(f, "nan").rejected, PLUGIN_BREAKER);
		assert_false(counters_of(f, "good").off);
		fixture_free(f);
	}
}

/* A scorer has its deadline for each row: what is late for one recipient is in time for sixty-four. */
static void
scorer_late(void **state)
{
	static const char *const paths[] = { SCORE, SHORT_SCORE };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture *f = fixture_new();
		fixture_add(f, "slow", paths[i], 10, "mode=sleep", NULL);
		fixture_add(f, "read", PROBE, 60000, "mode=read", NULL);
		fixture_must_load(f);
		struct batch *b = batch_new(f);
		plugin_run(f->set, b->rq, ROWS, f->a, b->out);
		assert_int_equal(b->out[0].nnotes, 0);
		assert_int_equal(b->out[0].nscores, 2);
		plugin_run(f->set, b->rq, 2, f->a, b->out);
		for (size_t k = 0; k < 2; k++) {
			assert_string_equal(note_of(f, &b->out[k], "slow"), "late (20ms)");
			assert_int_equal(b->out[k].nscores, 0);
			assert_non_null(value_path(b->out[k].vars, STR("seen.hour")));
		}
		assert_int_equal(counters_of(f, "slow").late, 1);
		plugin_set_free(&f->set);
		usleep(150000); /* the thread that was left frees the set */
		fixture_free(f);
	}
}

/* A personalizer that hangs for some costs these its contribution and no other. */
static void
personalizer_late(void **state)
{
	static const char *const paths[] = { PROBE, SHORT };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture *f = fixture_new();
		fixture_add(f, "slow", paths[i], 300, "mode=sleep-when", "ms=900", "rule=orders in (2, 5)",
			    NULL);
		fixture_add(f, "after", paths[i], 60000, "name=after", NULL);
		fixture_must_load(f);
		struct batch *b = batch_new(f);
		plugin_run(f->set, b->rq, 8, f->a, b->out);
		for (size_t k = 0; k < 8; k++) {
			bool late = k == 2 || k == 5;
			assert_string_equal(note_of(f, &b->out[k], "slow"), late ? "late (300ms)" : "");
			assert_int_equal(value_map_get(b->out[k].vars, STR("probe")) == NULL, late);
			assert_non_null(value_map_get(b->out[k].vars, STR("after")));
		}
		assert_int_equal(counters_of(f, "slow").late, 2);
		assert_int_equal(counters_of(f, "slow").calls, 8);
		plugin_set_free(&f->set);
		usleep(950000);
		fixture_free(f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same),	       cmocka_unit_test(breaker),
		cmocka_unit_test(once),	       cmocka_unit_test(scorer_fails),
		cmocka_unit_test(scorer_late), cmocka_unit_test(personalizer_late),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
