/* test-column: column texts and the rows that they make. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/json.h"
#include "score/column.h"

#define NOW INT64_C(1772440200000) /* Monday 2026-03-02 08:30 UTC */
#define TODAY 20514		   /* its day */

static const struct value *
json(struct arena *a, const char *text)
{
	const struct value *v = NULL;
	struct err e = { 0 };
	if (json_parse(a, str_of(text), NULL, &v, &e) != 0)
		fail_msg("%s: %s", text, e.text);
	return v;
}

static struct score_columns *
columns(struct arena *a, const char *const *texts, size_t n)
{
	struct score_columns *c = NULL;
	struct err e = { 0 };
	if (score_columns_compile(a, texts, n, &c, &e) != 0)
		fail_msg("%s", e.text);
	return c;
}

static void
row_features(void **state)
{
	static const struct {
		const char *name;
		double want; /* -1: NAN */
	} cases[] = {
		{ "profile.orders", 7 },
		{ "profile.spent", 12.5 },
		{ "profile.age", 42 },
		{ "profile.vip", 1 },
		{ "profile.country", -1 },
		{ "profile.gone", -1 },
		{ "profile.nul", -1 },
		{ "profile.nul=x", -1 },
		{ "profile.gone=x", -1 },
		{ "profile.country=DE", 1 },
		{ "profile.country=FR", 0 },
		{ "profile.a.b", 3 },
		{ "message.discount", 20 },
		{ "discount", 20 },
		{ "orders", 7 },
		{ "hour", 9 },
		{ "minute", 30 },
		{ "weekday", 1 },
		{ "weekday=1", 1 },
		{ "weekday=2", 0 },
		{ "day", 2 },
		{ "month", 3 },
		{ "profile.tags", -1 },
	};
	enum { N = sizeof(cases) / sizeof(cases[0]) };
	struct arena *a = arena_new(4096);
	const char *names[N];
	double row[N];
	struct score_facts f = {
		.profile = json(a, "{\"orders\":7,\"spent\":12.5,\"age\":\"42\",\"vip\":true,\"country\":"
				   "\"DE\",\"nul\":null,"
				   "\"a\":{\"b\":3},\"tags\":[1]}"),
		.message = json(a, "{\"discount\":20,\"orders\":null}"),
		.now_ms = INT64_C(1772440200000), /* Monday 2026-03-02 08:30 UTC */
		.time_zone = "Europe/Berlin",
	};
	(void)state;
	for (size_t i = 0; i < N; i++)
		names[i] = cases[i].name;
	struct score_columns *all = columns(a, names, N);
	score_matrix(all, &f, 1, a, row);
	for (size_t i = 0; i < N; i++) {
		if (cases[i].want < 0 ? !isnan(row[i]) : row[i] != cases[i].want)
			fail_msg("%s: %g, wanted %g", names[i], row[i], cases[i].want);
	}
	f.message = NULL;
	f.profile = NULL;
	score_matrix(all, &f, 1, a, row);
	assert_true(isnan(row[0]));
	score_matrix(all, &f, 0, a, NULL);
	arena_free(&a);
}

/* Row-major, a row for each in their order, each by its own facts. */
static void
matrix(void **state)
{
	static const char *const names[] = { "orders", "hour", "profile.country=DE" };
	struct arena *a = arena_new(4096);
	const struct value *de = json(a, "{\"orders\":1,\"country\":\"DE\"}"),
			   *fr = json(a, "{\"country\":\"FR\"}");
	const struct score_facts who[3] = {
		{ .profile = de, .now_ms = INT64_C(1772440200000), .time_zone = "Europe/Berlin" },
		{ .profile = fr,
		  .message = json(a, "{\"orders\":2}"),
		  .now_ms = INT64_C(1772440200000),
		  .time_zone = "Asia/Tokyo" },
		{ .profile = de, .now_ms = INT64_C(1772440200000) + 3600000, .time_zone = "no/zone" },
	};
	static const double want[9] = { 1, 9, 1, 2, 17, 0, 1, 9, 1 };
	double rows[9];
	(void)state;
	score_matrix(columns(a, names, 3), who, 3, a, rows);
	for (size_t i = 0; i < 9; i++)
		if (rows[i] != want[i])
			fail_msg("row %zu, %s: %g, wanted %g", i / 3, names[i % 3], rows[i], want[i]);
	arena_free(&a);
}

/* Everybody's facts for the tests below. */
static struct score_facts
facts_make(struct arena *a)
{
	static const struct score_day days[] = {
		{ TODAY - 90, SCORE_CLICKED, { "promo", 5 }, 8, 0 },
		{ TODAY - 89, SCORE_CLICKED, { "promo", 5 }, 4, 0 },
		{ TODAY - 30, SCORE_PURCHASED, { "news", 4 }, 1, 99990000 },
		{ TODAY - 29, SCORE_PURCHASED, { "news", 4 }, 1, 10000000 },
		{ TODAY - 6, SCORE_CLICKED, { "news", 4 }, 2, 0 },
		{ TODAY, SCORE_CLICKED, { "promo", 5 }, 1, 0 },
		{ TODAY, SCORE_PURCHASED, { "promo", 5 }, 1, 500000 },
	};
	static const struct score_behaviour did = {
		.count = { [SCORE_CLICKED] = 70, [SCORE_INJECTED] = 200 },
		.last_ms = { [SCORE_CLICKED] = NOW - 3600000 * 6 },
		.sent_since_click = 3,
		.days = days,
		.ndays = sizeof(days) / sizeof(days[0]),
	};
	return (struct score_facts){
		.profile = json(a, "{\"age\":41,\"history\":100.5,\"zip\":\"Rural\",\"city\":\"São Paulo\","
				   "\"q\":\"a \\\"b\\\" | c\",\"zero\":0,\"neg\":-3,\"text\":\"12.5\"}"),
		.now_ms = NOW,
		.time_zone = "Europe/Berlin",
		.events = &did,
		.campaign = STR("spring"),
		.category = STR("promo"),
		.arm = STR("B"),
	};
}

static void
steps(void **state)
{
	static const struct {
		const char *text;
		double want; /* -1: NAN */
	} cases[] = {
		{ "profile.age | add 1", 42 },
		{ "profile.age | mul 2 | div 4", 20.5 },
		{ "profile.text", 12.5 },
		{ "profile.age|div 2", -1 }, /* no step without spaces: a field of that name */
		{ "profile.zero | log", -1 },
		{ "profile.neg | log1p", -1 },
		{ "profile.zero | log1p", 0 },
		{ "profile.neg | clip 0 10", 0 },
		{ "profile.age | clip 0 10", 10 },
		{ "profile.gone | clip 0 10", -1 },
		{ "profile.gone | missing 7 | add 1", 8 },
		{ "profile.zip | missing 7", 7 },
		{ "profile.gone | is-missing", 1 },
		{ "profile.zip | is-missing", 0 },
		{ "profile.zip | number | is-missing", 1 },
		{ "profile.zip | is Rural", 1 },
		{ "profile.zip | is Urban", 0 },
		{ "profile.city | is \"São Paulo\"", 1 },
		{ "profile.q | is \"a \\\"b\\\" | c\"", 1 },
		{ "profile.q=\"x\" | missing 2", 0 },
		{ "profile.gone=x | missing 2", 2 },
		{ "profile.zip | code Urban Rural", 1 },
		{ "profile.city | code Urban Rural", 2 },
		{ "profile.gone | code Urban Rural", -1 },
		{ "profile.age | bin 20 41 60", 2 },
		{ "profile.age | bin 20 42 60", 1 },
		{ "profile.age | bin 20 41 60 | eq 2", 1 },
		{ "profile.gone | bin 20 41 60", -1 },
		{ "hour | is 9", 1 },
		{ "decision.arm=B", 1 },
		{ "decision.campaign | is spring", 1 },
		{ "decision.category=promo", 1 },
		{ "decision.arm", -1 },
		{ "profile.age * hour", 369 },
		{ "(profile.age | div 41) * decision.arm=\"B\"", 1 },
		{ "profile.age * decision.arm=A", 0 },
		{ "profile.age * profile.gone", -1 },
		{ "profile.zip & decision.arm | is \"Rural\x1f"
		  "B\"",
		  1 },
		{ "(profile.age | bin 30 50) & weekday | is \"1\x1f"
		  "1\"",
		  1 },
		{ "profile.zip & profile.gone | hash 64", -1 },
		{ "((profile.age | add 1) | add 1)", 43 },
		{ "events.clicked.1d.count", 1 },
		{ "events.clicked.7d.count", 3 },
		{ "events.clicked.90d.count", 7 },
		{ "events.clicked.count", 70 },
		{ "events.opened.count", 0 },
		{ "events.injected.count", 200 },
		{ "events.clicked.90d.count@promo", 5 },
		{ "events.clicked.90d.count@campaign", 5 },
		{ "events.clicked.90d.count@none", 0 },
		{ "events.purchased.30d.value", 10.5 },
		{ "events.purchased.90d.value@news", 109.99 },
		{ "events.clicked.recency", 0.25 },
		{ "events.clicked.recency@news", 6 },
		{ "events.clicked.recency@none", -1 },
		{ "events.opened.recency", -1 },
		{ "events.sent-since-click | log1p", 1.3862943611198906 },
	};
	enum { N = sizeof(cases) / sizeof(cases[0]) };
	struct arena *a = arena_new(4096);
	struct score_facts f = facts_make(a);
	(void)state;
	for (size_t i = 0; i < N; i++) {
		double got;
		score_matrix(columns(a, &cases[i].text, 1), &f, 1, a, &got);
		if (cases[i].want < 0 ? !isnan(got) : got != cases[i].want)
			fail_msg("%s: %.17g, wanted %.17g", cases[i].text, got, cases[i].want);
	}
	/* Nothing is known of behaviour: that is not the same as nothing done. */
	static const char *const counter = "events.clicked.90d.count";
	double got;
	f.events = NULL;
	score_matrix(columns(a, &counter, 1), &f, 1, a, &got);
	assert_true(isnan(got));
	arena_free(&a);
}

/* Buckets are for ever: a model that was trained on them must find them again. */
static void
buckets(void **state)
{
	static const char *const texts[] = { "profile.zip | hash 64", "profile.age | hash 64",
					     "profile.zip & decision.arm | hash 1000",
					     "profile.zip | hash 1" };
	static const double want[] = { 60, 46, 874, 0 };
	struct arena *a = arena_new(4096);
	struct score_facts f = facts_make(a);
	double row[4];
	(void)state;
	score_matrix(columns(a, texts, 4), &f, 1, a, row);
	for (size_t i = 0; i < 4; i++)
		if (row[i] != want[i])
			fail_msg("%s: %g, wanted %g", texts[i], row[i], want[i]);
	arena_free(&a);
}

static void
mistakes(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "a source is missing" },
		{ "profile.age | frob", "\"frob\" is no step" },
		{ "profile.age | ", "a step is missing" },
		{ "profile.age | div 0", "div by 0" },
		{ "profile.age | div x", "\"x\" is no number" },
		{ "profile.age | div", "div takes 1 number, not 0" },
		{ "profile.age | is New York", "texts with spaces go in" },
		{ "profile.age | clip 2 1", "lower bound" },
		{ "profile.age | bin 1 1", "edges ascend" },
		{ "profile.age | hash 0", "whole number" },
		{ "profile.age | hash 1.5", "whole number" },
		{ "profile.age | quantile 1", "whole number" },
		{ "profile.age | quantile 4 | quantile 4", "quantile comes once" },
		{ "(profile.age | quantile 4) * hour", "quantile comes once" },
		{ "profile.age | one-hot A B", "stands for several" },
		{ "profile.age | one-hot A | missing 0", "come last" },
		{ "(profile.age", "parenthesis is not closed" },
		{ "(profile.age) x", "is too much" },
		{ "profile.age & hour & minute", "is too much" },
		{ "((((((((((profile.age", "nested more than" },
		{ "profile.age | is \"x", "quotation mark" },
		{ "decision.weather", "nothing else of a decision" },
		{ "events.clicked", "counts nothing" },
		{ "events.clicked.91d.count", "counts nothing" },
		{ "events.clicked.30d.recency", "counts nothing" },
		{ "events.clicked.30d.count@", "counts nothing" },
		{ "events.clicked.count@promo", "counts nothing" },
		{ "events.walked.30d.count", "counts nothing" },
		{ "profile.age * ", "a source is missing" },
		{ "a\nb", "one line" },
		{ "a\xff", "UTF-8" },
	};
	struct arena *a = arena_new(4096);
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct score_columns *c = NULL;
		struct err e = { 0 };
		assert_int_equal(score_columns_compile(a, &cases[i].text, 1, &c, &e), -1);
		assert_null(c);
		if (!strstr(e.text, cases[i].why) || strncmp(e.text, "column \"", 8) != 0)
			fail_msg("%s: \"%s\", wanted \"%s\"", cases[i].text, e.text, cases[i].why);
	}
	arena_free(&a);
}

static void
several(void **state)
{
	static const char *const in[] = { "profile.zip | one-hot Rural \"New York\"",
					  "profile.age | log | bins 1 2.5", "profile.city | hashes 2",
					  "hour" };
	static const char *const want[] = {
		"profile.zip | is \"Rural\"",		"profile.zip | is \"New York\"",
		"profile.age | log | bin 1 2.5 | eq 0", "profile.age | log | bin 1 2.5 | eq 1",
		"profile.age | log | bin 1 2.5 | eq 2", "profile.city | hash 2 | eq 0",
		"profile.city | hash 2 | eq 1",		"hour",
	};
	struct arena *a = arena_new(4096);
	const char **texts = NULL;
	size_t n = 0;
	struct err e = { 0 };
	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(score_columns_expand(a, in[i], &texts, &n, &e), 0);
	assert_int_equal(n, 8);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(texts[i], want[i]);
	assert_int_equal(score_columns_count(columns(a, texts, n)), 8);
	arena_free(&a);
}

/* What training finds, and that a value that went in before gets the same bin as one that goes in after. */
static void
quantiles(void **state)
{
	static const char *const open = "profile.age | add 0.1 | quantile 4 | mul 10";
	struct arena *a = arena_new(4096);
	struct score_columns *c = columns(a, &open, 1), *done;
	double values[1000], raw, got;
	const char *text;
	struct err e = { 0 };
	size_t counts[4] = { 0 };
	(void)state;
	assert_true(score_column_is_open(c, 0));
	for (int i = 0; i < 1000; i++)
		values[i] = i % 10 == 9 ? NAN : (i * 7 % 1000) / 7.0;
	assert_int_equal(score_column_fit(a, c, 0, values, 1000, &text, &e), 0);
	done = columns(a, &text, 1);
	assert_false(score_column_is_open(done, 0));
	for (int i = 0; i < 1000; i++) {
		double v = score_column_finish(c, 0, done, 0, values[i]);
		if (!isnan(v))
			counts[(size_t)v / 10]++;
		assert_int_equal(isnan(v), i % 10 == 9);
	}
	for (size_t i = 0; i < 4; i++)
		assert_in_range(counts[i], 222, 228);
	struct score_facts f = facts_make(a);
	score_matrix(c, &f, 1, a, &raw);
	score_matrix(done, &f, 1, a, &got);
	assert_true(got == score_column_finish(c, 0, done, 0, raw));
	for (int i = 0; i < 1000; i++)
		values[i] = NAN;
	assert_int_equal(score_column_fit(a, c, 0, values, 1000, &text, &e), -1);
	arena_free(&a);
}

/* What was kept of one column can be gone on with, where nothing was lost: then it is as if made at once. */
static void
leads(void **state)
{
	static const struct {
		const char *from, *to;
		bool leads;
	} cases[] = {
		{ "profile.age", "profile.age", true },
		{ "profile.age", "profile.age | log | div 8 | missing 3", true },
		{ "profile.age | log", "profile.age | log | div 8 | is-missing", true },
		{ "profile.zip", "profile.zip | missing 3", true },
		{ "profile.zip", "profile.zip | is Rural", false }, /* its text was not kept */
		{ "profile.zip", "profile.zip | is-missing", false },
		{ "profile.zip", "profile.zip | number | is-missing", true },
		{ "hour", "hour | is 9", true },
		{ "hour", "hour | code 8 9", true },
		{ "profile.zip=Rural", "profile.zip=Rural | missing 2 | eq 1", true },
		{ "profile.zip=Rural ", "profile.zip=Rural  | missing 2", false },
		{ "profile.zip & hour | hash 64", "profile.zip & hour | hash 64 | bin 3 9 30", true },
		{ "profile.age | add 1 | quantile 4", "profile.age | add 1 | bin 3 50 | eq 1", true },
		{ "profile.age | add 1 | quantile 4", "profile.age | add 1", true },
		{ "profile.age | quantile 4", "profile.age | mul 2 | quantile 9", true },
		{ "profile.age | add 1 | quantile 4", "profile.age | bin 3 50", false },
		{ "profile.age", "profile.ages", false },
		{ "profile.age | add 1", "profile.age | add 12", false },
		{ "profile.age", "profile.age * hour", false },
		{ "events.clicked.30d.count", "events.clicked.30d.count@promo", false },
		{ "events.clicked.recency", "events.clicked.recency | hash 5", true },
	};
	struct arena *a = arena_new(4096);
	struct score_facts f = facts_make(a);
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct score_columns *from = columns(a, &cases[i].from, 1), *to = columns(a, &cases[i].to, 1);
		double kept, want;
		if (score_column_leads(from, 0, to, 0) != cases[i].leads)
			fail_msg("%s → %s: wanted %d", cases[i].from, cases[i].to, cases[i].leads);
		if (!cases[i].leads)
			continue;
		score_matrix(from, &f, 1, a, &kept);
		score_matrix(to, &f, 1, a, &want);
		double got = score_column_finish(from, 0, to, 0, kept);
		if (isnan(want) ? !isnan(got) : memcmp(&want, &got, sizeof(got)) != 0)
			fail_msg("%s → %s: %.17g, wanted %.17g", cases[i].from, cases[i].to, got, want);
	}
	arena_free(&a);
}

static void
fields_and_hash(void **state)
{
	static const char *const texts[] = { "profile.age",
					     "(message.origin.country | hash 8) & hour | hash 9",
					     "decision.arm", "events.clicked.recency" };
	static const char *const gender[] = { "gender", "profile.country" },
				 *const origin[] = { "x", "origin" }, *const ages[] = { "message.age" },
				 *const age[] = { "profile.age" };
	struct arena *a = arena_new(4096);
	struct score_columns *c = columns(a, texts, 4);
	char h[SCORE_COLUMNS_HASH], other[SCORE_COLUMNS_HASH];
	const char *field = NULL;
	(void)state;
	assert_int_equal(score_columns_find_field(c, gender, 2, &field), -1);
	assert_int_equal(score_columns_find_field(c, ages, 1, &field), -1);
	assert_int_equal(score_columns_find_field(c, age, 1, &field), 0);
	assert_int_equal(score_columns_find_field(c, origin, 2, &field), 1);
	assert_string_equal(field, "origin");
	assert_true(score_columns_need_events(c) && score_columns_find_arm(c) == 2);
	assert_false(score_columns_need_events(columns(a, texts, 2)));
	score_columns_hash(c, h);
	score_columns_hash(columns(a, texts, 3), other);
	assert_int_equal(strlen(h), 16);
	assert_string_not_equal(h, other);
	assert_false(score_column_is_category(c, 0));
	assert_true(score_column_is_category(c, 1));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row_features),	   cmocka_unit_test(matrix),
		cmocka_unit_test(steps),	   cmocka_unit_test(buckets),
		cmocka_unit_test(mistakes),	   cmocka_unit_test(several),
		cmocka_unit_test(leads),	   cmocka_unit_test(quantiles),
		cmocka_unit_test(fields_and_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
