/* contest: which policies a specification names, what is recommended, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learn/contest.h"
#include "learn/random.h"

static ssize_t
text_read(void *ctx, char *p, size_t n)
{
	struct str *rest = ctx;
	n = n < rest->n ? n : rest->n;
	memcpy(p, rest->p, n);
	*rest = str_sub(*rest, n, rest->n);
	return (ssize_t)n;
}

/* Of two arms b is better where x is 1, by strength, and worse by it where x is 0. */
static struct buf
table_make(size_t rows, double strength)
{
	struct buf b = { 0 };
	uint64_t random = 12;
	buf_adds(&b, STR("x,arm,y,pa,pb\n"));
	for (size_t i = 0; i < rows; i++) {
		int x = random_unit(&random) < 0.5, arm = random_unit(&random) < 0.5;
		double rate = 0.3 + (arm == x ? strength : -strength) + (arm ? 0.02 : 0);
		buf_printf(&b, "%d,%s,%d,%s\n", x, arm ? "b" : "a", random_unit(&random) < rate,
			   x ? "0,1" : "1,0");
	}
	return b;
}

#define SPEC(policies, more)                                                                  \
	"{\"label\": \"y == 1\", \"columns\": [\"profile.x\"], \"propensity\": \"uniform\", " \
	"\"arm\": {\"field\": \"arm\", \"arms\": [\"a\", \"b\"]}" policies more "}"

/* Takes the specification through to the result. NULL: e says why. */
static struct contest *
run(struct arena *a, const char *text, struct str table, struct err *e)
{
	struct trial_spec s;
	struct contest *c = ARENA_NEW(a, struct contest);
	struct csv_source source = { .read = text_read, .ctx = &table };
	if (contest_spec(a, str_of(text), &s, c, e) != 0)
		return NULL;
	struct trial *t = trial_read(&source, &s, e);
	int rc = t ? contest_run(c, t, s.spec.kind, s.spec.model, NULL, e) : -1;
	trial_free(&t);
	return rc == 0 ? c : NULL;
}

static void
test_winner(void **state)
{
	(void)state;
	struct arena *a = arena_new(1 << 16);
	struct err e = { 0 };
	struct buf strong = table_make(8000, 0.1), none = table_make(8000, 0);
	static const char spec[] = SPEC(", \"policies\": [{\"name\": \"model\", \"greedy\": true}, "
					"{\"name\": \"fields\", \"probabilities\": [\"pa\", \"pb\"]}, "
					"{\"name\": \"thirds\", \"shares\": [1, 2]}, "
					"{\"name\": \"only a\", \"greedy\": true, \"arms\": [\"a\"]}, "
					"{\"name\": \"ucb\", \"replay\": \"linucb\", \"alpha\": 1}]",
					"");
	struct contest *c = run(a, spec, buf_str(&strong), &e);
	if (!c)
		fail_msg("%s", e.text);
	assert_int_equal(c->n, 7);
	assert_string_equal(c->best_constant->name, "always b");
	assert_true(c->recommended->kind == CONTEST_GREEDY || c->recommended->kind == CONTEST_FIELDS);
	/* The model finds the arms that the fields name. */
	assert_true(fabs(c->all[2].result.of[OPE_DR].value - 0.41) < 0.03);
	assert_true(c->all[2].result.of[OPE_IPS].value == c->all[3].result.of[OPE_IPS].value);
	assert_true(c->all[5].result.of[OPE_IPS].value == c->all[0].result.of[OPE_IPS].value);
	double mixed = c->all[0].result.of[OPE_DR].value / 3 + c->all[1].result.of[OPE_DR].value * 2 / 3;
	assert_true(fabs(c->all[4].result.of[OPE_DR].value - mixed) < 1e-9);
	assert_true(!c->all[6].refused && c->all[6].replayed.value.value > 0.36);

	/* Where all are alike nobody is told to personalise. */
	c = run(a, spec, buf_str(&none), &e);
	assert_true(c && c->recommended == c->best_constant);
	/* And of too little nothing is said. */
	c = run(a, spec, str_cut(buf_str(&none), 14 + 100 * 10), &e);
	assert_true(c && !c->recommended && !c->best_constant);
	buf_free(&strong);
	buf_free(&none);
	arena_free(&a);
}

static void
test_refused(void **state)
{
	(void)state;
	struct arena *a = arena_new(1 << 16);
	struct buf table = table_make(500, 0.1);
	static const char *const bad[] = {
		SPEC(", \"policies\": 1", ""),
		SPEC(", \"policies\": [1]", ""),
		SPEC(", \"policies\": [{\"name\": \"x\"}]", ""),
		SPEC(", \"policies\": [{\"shares\": [1, 1]}]", ""),
		SPEC(", \"policies\": [{\"name\": \"x\", \"shares\": [1]}]", ""),
		SPEC(", \"policies\": [{\"name\": \"x\", \"shares\": [1, -1]}]", ""),
		SPEC(", \"policies\": [{\"name\": \"x\", \"shares\": [0, 0]}]", ""),
		SPEC(", \"policies\": [{\"name\": \"x\", \"shares\": [1, 1], \"alpha\": 1}]", ""),
		SPEC(", \"policies\": [{\"name\": \"x\", \"greedy\": false}]", ""),
		SPEC(", \"policies\": [{\"name\": \"x\", \"greedy\": true, \"arms\": [\"c\"]}]", ""),
		SPEC(", \"policies\": [{\"name\": \"x\", \"probabilities\": [\"pa\"]}]", ""),
		SPEC(", \"policies\": [{\"name\": \"x\", \"probabilities\": [\"pa\", \"pa\"]}]", ""),
		SPEC(", \"policies\": [{\"name\": \"x\", \"replay\": \"greedy\"}]", ""),
		SPEC(", \"policies\": [{\"name\": \"x\", \"replay\": \"linucb\", \"lambda\": 0}]", ""),
		SPEC("", ", \"min_ess\": \"many\""),
		SPEC("", ", \"treshold\": 1"),
		SPEC("", ", \"model\": {\"kind\": \"mean\", \"prior\": -1}"),
		"{\"label\": \"y == 1\", \"columns\": [\"profile.x\"], \"arm\": {\"field\": \"arm\", "
		"\"arms\": "
		"[\"a\", \"b\"]}}", /* no propensity */
		"[]",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = { 0 };
		if (run(a, bad[i], buf_str(&table), &e) || !e.text[0])
			fail_msg("taken: %s", bad[i]);
	}
	buf_free(&table);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_winner),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
