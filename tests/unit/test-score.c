/* test-score: rules, local time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/json.h"
#include "score/score.h"

static const struct value *
json(struct arena *a, const char *text)
{
	const struct value *v = NULL;
	struct err e = { 0 };
	if (json_parse(a, str_of(text), NULL, &v, &e) != 0)
		fail_msg("%s: %s", text, e.text);
	return v;
}

static bool
look(void *ctx, struct str name, const struct value **v)
{
	*v = value_path(ctx, name);
	return *v != NULL;
}

/* ---- rules ---- */

static const char facts[] =
    "{\"click\":0.05,\"churn\":0.4,\"country\":\"DE\",\"vip\":true,\"no\":false,\"empty\":\"\","
    "\"zip\":\"01099\",\"age\":\"42\",\"tags\":[\"shoes\",7],\"nul\":null,\"none\":[],"
    "\"long\":9007199254740993,\"since\":\"2026-01-15\",\"a\":{\"b-c\":1},\"名\":\"x\",\"yes\":\"true\","
    "\"quote\":\"a\\\"b\\\\c\"}";

static void
rule_outcomes(void **state)
{
	static const struct {
		const char *rule;
		int want;
	} cases[] = {
		{ "click >= 0.02", 1 },
		{ "click > 0.1 and churn < 0.5", 0 },
		{ "click > 0.1 or churn < 0.5", 1 },
		{ "not click > 0.1", 1 },
		{ "not (click > 0.1 or churn < 0.5)", 0 },
		{ "click > 0.1 and churn < 0.5 or vip", 1 }, /* and binds closer */
		{ "vip or click > 0.1 and no", 1 },
		{ "country == \"DE\"", 1 },
		{ "country == 'DE'", 1 },
		{ "'DE' == country", 1 },
		{ "country != \"DE\"", 0 },
		{ "country in (\"AT\", \"DE\")", 1 },
		{ "country not in (\"AT\", \"DE\")", 0 },
		{ "country in ('FR')", 0 },
		{ "age in (41, 42)", 1 },
		{ "\"shoes\" in tags", 1 },
		{ "7 in tags", 1 },
		{ "\"hats\" in tags", 0 },
		{ "\"hats\" not in tags", 1 },
		{ "country in country", 1 },
		{ "age == 42", 1 },
		{ "age > 41.5", 1 },
		{ "country > 5", 0 }, /* no number: neither less nor greater, and unequal */
		{ "country < 5", 0 },
		{ "country != 5", 1 },
		{ "zip == '01099'", 1 },
		{ "zip == 1099", 1 },
		{ "click == '0.05'", 1 },
		{ "long == 9007199254740993", 1 },
		{ "long == 9007199254740992", 0 },
		{ "since > '2026-01-01'", 1 },
		{ "since < '2026-01-15T00'", 1 },
		{ "vip == true", 1 },
		{ "vip != false", 1 },
		{ "yes == true", 1 },
		{ "vip", 1 },
		{ "no", 0 },
		{ "empty", 0 },
		{ "none", 0 },
		{ "tags", 1 },
		{ "nul", 0 },
		{ "nul == ''", 0 },
		{ "nul != ''", 1 },
		{ "tags == tags", 0 }, /* lists have no order and no equality */
		{ "a.b-c == 1", 1 },
		{ "名 == 'x'", 1 },
		{ "exists(click)", 1 },
		{ "exists(nul)", 0 },
		{ "exists(gone)", 0 },
		{ "not exists(gone.deeper)", 1 },
		{ "true", 1 },
		{ "true and false", 0 },
		{ "quote == \"a\\\"b\\\\c\"", 1 },
		{ "1 < 2", 1 },
		{ "-1.5e1 == -15", 1 },
		{ "((((vip))))", 1 },
		{ "not not vip", 1 },
		/* Kleene */
		{ "gone == 1", -1 },
		{ "gone", -1 },
		{ "not gone", -1 },
		{ "gone == 1 and no", 0 },
		{ "no and gone == 1", 0 },
		{ "gone == 1 or vip", 1 },
		{ "gone == 1 or no", -1 },
		{ "gone in (1, 2)", -1 },
		{ "1 in gone", -1 },
		{ "gone == gone", -1 },
		{ "exists(gone) and gone == 1", 0 },
	};
	struct arena *a = arena_new(4096);
	const struct value *v = json(a, facts);
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = { 0 };
		struct str missing;
		struct score_rule *r = score_rule_compile(a, str_of(cases[i].rule), &e);
		if (!r)
			fail_msg("%s: %s", cases[i].rule, e.text);
		int got = score_rule_eval(r, look, (void *)(uintptr_t)v, &missing);
		if (got != cases[i].want)
			fail_msg("%s: %d, wanted %d", cases[i].rule, got, cases[i].want);
		assert_true(got == -1 ? str_eq(missing, STR("gone")) : missing.p == NULL);
	}
	arena_free(&a);
}

static void
rule_errors(void **state)
{
	static const struct {
		const char *rule, *want;
	} cases[] = {
		{ "", "column 1: expected a name" },
		{ "click >", "column 8: expected a name, a number or a string" },
		{ "click = 1", "column 7: use == to compare" },
		{ "click == \"x", "column 10: this string has no closing quote" },
		{ "click == 'a\\n'", "column 13: only" },
		{ "click == 1 2", "column 12: expected \"and\", \"or\" or the end" },
		{ "(click == 1", "column 12: expected \"and\", \"or\" or a closing parenthesis" },
		{ "click == 1)", "column 11: expected" },
		{ "5", "column 1: a value alone is no test" },
		{ "'x'", "column 1: a value alone is no test" },
		{ "and", "column 1: expected a name" },
		{ "not", "column 4: expected a name" },
		{ "a and", "column 6: expected a name" },
		{ "a in", "column 5: after \"in\" goes a list" },
		{ "a in (", "column 7: expected a number or a string" },
		{ "a in ()", "column 7: expected a number or a string" },
		{ "a in (b)", "column 7: expected a number or a string" },
		{ "a in (1", "column 8: expected , or )" },
		{ "a not b", "column 7: expected \"in\" after \"not\"" },
		{ "exists a", "column 8: write exists(name)" },
		{ "exists(1)", "column 8: exists() takes a name" },
		{ "exists(true)", "column 12: write exists(name)" },
		{ "exists(a", "column 9: write exists(name)" },
		{ "a..b", "column 1: a name has an empty step" },
		{ "a.", "column 1: a name has an empty step" },
		{ "1a == 2", "column 1: a name cannot start with a digit" },
		{ "a == 1e999", "column 6: this is no number" },
		{ "a == -", "column 6: this is no number" },
		{ "a == 1.2.3", "column 6: this is no number" },
		{ "a & b", "column 3: expected a name, a value or a comparison" },
		{ "a == \"\xff\"", "column 1: the rule is not well-formed UTF-8" },
	};
	struct arena *a = arena_new(4096);
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = { 0 };
		assert_null(score_rule_compile(a, str_of(cases[i].rule), &e));
		if (strncmp(e.text, cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("%s: got \"%s\"", cases[i].rule, e.text);
		assert_int_equal(e.kind, ERR_INPUT);
	}
	assert_null(score_rule_compile(a, STR("x ="), NULL));
	arena_free(&a);
}

/* text repeated n times behind head and before tail. */
static struct score_rule *
compile_repeated(struct arena *a, const char *head, const char *text, int n, const char *tail, struct err *e)
{
	struct buf b = { 0 };
	buf_adds(&b, str_of(head));
	for (int i = 0; i < n; i++)
		buf_adds(&b, str_of(text));
	buf_adds(&b, str_of(tail));
	struct score_rule *r = score_rule_compile(a, buf_str(&b), e);
	buf_free(&b);
	return r;
}

static void
rule_bounds(void **state)
{
	struct arena *a = arena_new(4096);
	const struct value *v = json(a, "{\"x\":1}");
	struct err e = { 0 };
	(void)state;
	assert_non_null(compile_repeated(a, "", "(", 32, "x))))))))))))))))))))))))))))))))", &e));
	assert_null(compile_repeated(a, "", "(", 33, "x)))))))))))))))))))))))))))))))))", &e));
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_null(compile_repeated(a, "", "not ", 33, "x", &e));
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_null(compile_repeated(a, "", "(", 4000, "x", &e));
	assert_null(compile_repeated(a, "x", " or x", 512, "", &e));
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_null(compile_repeated(a, "x", "          ", 1000, "", &e));
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_null(compile_repeated(a, "x in (1", ",2", 256, ")", &e));
	assert_int_equal(e.kind, ERR_LIMIT);
	struct score_rule *r = compile_repeated(a, "x", " and x or x", 255, "", &e);
	assert_non_null(r);
	assert_int_equal(score_rule_eval(r, look, (void *)(uintptr_t)v, NULL), 1);
	/* The deepest stack there is: every level has an `or` and an `and` half done. */
	r = compile_repeated(a, "", "x or x and (", 32, "x))))))))))))))))))))))))))))))))", &e);
	assert_non_null(r);
	assert_int_equal(score_rule_eval(r, look, (void *)(uintptr_t)v, NULL), 1);
	arena_free(&a);
}

/* ---- local time ---- */

static void
time_zones(void **state)
{
	struct score_time t;
	(void)state;
	/* Europe/Berlin springs forward at 01:00 UTC on 2026-03-29, from 02:00 to 03:00. */
	assert_true(score_local_time(INT64_C(1774745999000), "Europe/Berlin", &t));
	assert_int_equal(t.hour * 100 + t.minute, 159);
	assert_true(score_local_time(INT64_C(1774746000000), "Europe/Berlin", &t));
	assert_int_equal(t.hour * 100 + t.minute, 300);
	assert_int_equal(t.weekday, 7);
	assert_int_equal(t.offset_s, 7200);
	/* A zone with a quarter of an hour, and the day before. */
	assert_true(score_local_time(0, "Asia/Kathmandu", &t));
	assert_int_equal(t.hour * 100 + t.minute, 530); /* +05:30 until 1986 */
	assert_true(score_local_time(0, "America/New_York", &t));
	assert_int_equal(t.year * 10000 + t.month * 100 + t.day, 19691231);
	assert_int_equal(t.weekday, 3);
	assert_true(score_local_time(INT64_C(1709164800000), "UTC", &t));
	assert_int_equal(t.year * 10000 + t.month * 100 + t.day, 20240229);
	assert_int_equal(t.weekday, 4);
	/* Far out. */
	score_local_time(INT64_MAX, "Europe/Berlin", &t);
	score_local_time(INT64_MIN, "Europe/Berlin", &t);
	score_local_time(-1, NULL, &t);
	assert_int_equal(t.year * 10000 + t.month * 100 + t.day, 19691231);
	assert_int_equal(t.hour * 100 + t.minute, 2359);

	static const char *const bad[] = {
		"",
		"Nowhere/Town",
		"/etc/passwd",
		"../../etc/passwd",
		"Europe/../Europe/Berlin",
		"Europe/Berlin ",
		"\xff",
		"Europe",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(score_local_time(INT64_C(1772440200000), bad[i], &t));
		assert_int_equal(t.hour, 8);
	}
}

/* Any number of names that are no zones leave room for those that are. */
static void
time_zones_many(void **state)
{
	struct score_time t;
	char name[32];
	(void)state;
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "Nowhere/Town-%d", i);
		assert_false(score_local_time(0, name, &t));
	}
	assert_true(score_local_time(0, "Asia/Tokyo", &t));
	assert_int_equal(t.hour, 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_outcomes),   cmocka_unit_test(rule_errors),
		cmocka_unit_test(rule_bounds),	   cmocka_unit_test(time_zones),
		cmocka_unit_test(time_zones_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
