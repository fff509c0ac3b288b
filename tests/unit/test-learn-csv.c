/* test-learn-csv: specifications, and tables that become sets by them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "learn/csv.h"
#include "learn/train.h"

struct text {
	const char *p;
	size_t n;
};

static ssize_t
text_read(void *ctx, char *p, size_t n)
{
	struct text *t = ctx;
	n = n < t->n ? n : t->n;
	memcpy(p, t->p, n);
	t->p += n;
	t->n -= n;
	return (ssize_t)n;
}

static struct learn_set *
set_of(const char *spec, const char *table, struct err *e)
{
	struct arena *a = arena_new(4096);
	struct spec s;
	struct text t = { table, strlen(table) };
	struct csv_source source = { .read = text_read, .ctx = &t };
	struct learn_set *set = NULL;
	if (spec_parse(a, str_of(spec), &s, e) == 0)
		set = csv_read(&source, &s, e);
	arena_free(&a);
	return set;
}

static const char table[] = "id,age,city,bought,spend,day,times\n"
			    "1,30,Rome,yes,2.5,2026-01-03,1\n"
			    "2,,Oslo,no,0,2026-01-01,2\n"
			    "3,50,,yes,7,2026-01-02,1\n"
			    "4,20,Rome,,1,2026-01-05,3\n"
			    "5,70,Oslo,no,,2026-01-04,1\n";

static void
rows_and_labels(void **state)
{
	static const double want[] = { 30, 1, NAN, 0, 50, NAN, 70, 0 };
	struct err e = { 0 };
	struct learn_set *s = set_of(
	    "{\"score\":\"b\",\"label\":\"bought == \\\"yes\\\"\",\"weight\":\"times\",\"columns\":"
	    "[\"profile.age\",\"profile.city=Rome\"],\"split\":{\"by\":\"rule\",\"test\":\"id >= 4\"}}",
	    table, &e);
	(void)state;
	if (!s)
		fail_msg("%s", e.text);
	assert_int_equal(s->data.rows, 4);
	assert_int_equal(s->skipped, 1);
	for (size_t i = 0; i < 8; i++)
		assert_true(isnan(want[i]) ? isnan(s->data.x[i]) : s->data.x[i] == want[i]);
	assert_true(s->data.y[0] == 1 && s->data.y[1] == 0 && s->data.y[2] == 1 && s->data.y[3] == 0);
	assert_true(s->data.w[1] == 2);
	assert_int_equal(s->part[2], LEARN_TRAIN);
	assert_int_equal(s->part[3], LEARN_TEST);
	struct learn_data test = learn_set_part(s, LEARN_TEST);
	assert_int_equal(test.rows, 1);
	assert_true(test.x[0] == 70);
	learn_set_free(&s);
	assert_null(s);
	/* A value, and rows that are not taken. */
	s = set_of("{\"score\":\"b\",\"value\":\"spend\",\"where\":\"city == "
		   "'Rome'\",\"columns\":[\"profile.age\"]}",
		   table, &e);
	assert_non_null(s);
	assert_int_equal(s->data.rows, 2);
	assert_true(s->data.y[0] == 2.5 && s->data.y[1] == 1);
	learn_set_free(&s);
}

static void
splits(void **state)
{
	struct err e = { 0 };
	struct buf b = { 0 };
	size_t parts[3] = { 0 };
	(void)state;
	/* The latest fifth, and the fifth before it. */
	struct learn_set *s =
	    set_of("{\"score\":\"b\",\"value\":\"times\",\"columns\":[\"profile.age\"],\"split\":"
		   "{\"by\":\"time\",\"field\":\"day\",\"test\":0.2,\"valid\":0.2}}",
		   table, &e);
	if (!s)
		fail_msg("%s", e.text);
	static const uint8_t want[] = { LEARN_TRAIN, LEARN_TRAIN, LEARN_TRAIN, LEARN_TEST, LEARN_VALID };
	assert_memory_equal(s->part, want, 5);
	learn_set_free(&s);
	buf_adds(&b, STR("v\n"));
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "%d\n", i);
	s = set_of("{\"score\":\"b\",\"value\":\"v\",\"columns\":[\"profile.v\"],\"split\":"
		   "{\"by\":\"hash\",\"test\":[0,1],\"valid\":[9]}}",
		   b.p, &e);
	assert_non_null(s);
	for (size_t i = 0; i < 5000; i++) {
		unsigned bucket = ((uint32_t)(i * 2654435761u) >> 16) % 10;
		assert_int_equal(s->part[i], bucket < 2	   ? LEARN_TEST
					     : bucket == 9 ? LEARN_VALID
							   : LEARN_TRAIN);
	}
	learn_set_free(&s);
	s = set_of("{\"score\":\"b\",\"value\":\"v\",\"columns\":[\"profile.v | quantile 4\"],\"split\":"
		   "{\"by\":\"random\",\"test\":0.3,\"valid\":0.1,\"seed\":5}}",
		   b.p, &e);
	if (!s)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < 5000; i++)
		parts[s->part[i]]++;
	assert_true(parts[LEARN_TEST] > 1400 && parts[LEARN_TEST] < 1600);
	assert_true(parts[LEARN_VALID] > 420 && parts[LEARN_VALID] < 580);
	/* Edges are in the text now, and cells are bins. */
	assert_true(str_starts(str_of(s->columns[0]), STR("profile.v | ")));
	assert_null(strstr(s->columns[0], "quantile 4"));
	assert_true(s->data.x[0] == 0 && s->data.x[4999] == 3);
	assert_int_equal(s->data.categorical[0], 1);
	learn_set_free(&s);
	buf_free(&b);
}

#define SPEC(more) "{\"score\":\"b\",\"columns\":[\"profile.age\"]" more "}"

static void
mistakes(void **state)
{
	static const struct {
		const char *spec, *table, *want;
	} cases[] = {
		{ "", table, "line 1" },
		{ "[]", table, "must be an object" },
		{ "{}", table, "\"score\" must be a text" },
		{ SPEC(""), table, "a \"label\" or a \"value\"" },
		{ SPEC(",\"label\":\"a\",\"value\":\"b\""), table, "and not both" },
		{ SPEC(",\"label\":\"age >\""), table, "\"label\": column" },
		{ SPEC(",\"labl\":\"a\""), table, "\"labl\" is not known; did you mean \"label\"?" },
		{ "{\"score\":\"b\",\"value\":\"age\",\"columns\":[]}", table, "list of column texts" },
		{ "{\"score\":\"b\",\"value\":\"age\",\"columns\":[\"profile.age | lgo\"]}", table, "lgo" },
		{ "{\"score\":\"b\",\"value\":\"age\",\"columns\":[1]}", table, "item 1 is no text" },
		{ SPEC(",\"value\":\"age\",\"split\":{\"by\":\"moon\"}"), table, "\"by\" must be" },
		{ SPEC(",\"value\":\"age\",\"split\":{\"by\":\"hash\"}"), table, "list of buckets" },
		{ SPEC(",\"value\":\"age\",\"split\":{\"by\":\"hash\",\"test\":[10]}"), table, "0 to 9" },
		{ SPEC(",\"value\":\"age\",\"split\":{\"by\":\"hash\",\"test\":[1],\"valid\":[1]}"), table,
		  "in test and valid" },
		{ SPEC(",\"value\":\"age\",\"split\":{\"by\":\"random\",\"test\":0.6,\"valid\":0.4}"), table,
		  "nothing is left" },
		{ SPEC(",\"value\":\"age\",\"split\":{\"by\":\"random\",\"test\":\"1\"}"), table, "share" },
		{ SPEC(",\"value\":\"age\",\"split\":{\"by\":\"time\",\"test\":0.2}"), table, "\"field\"" },
		{ SPEC(",\"value\":\"age\",\"calibrate\":\"yes\""), table, "\"calibrate\" must be" },
		{ SPEC(",\"value\":\"age\",\"model\":[]"), table, "\"model\" must be" },
		{ SPEC(",\"value\":\"city\""), table, "line 2: field \"city\" is no number" },
		{ SPEC(",\"value\":\"times\",\"weight\":\"age\""), table,
		  "line 3: field \"age\", the weight" },
		{ SPEC(",\"value\":\"age\",\"where\":\"age > 100\""), table, "no row has a label" },
		/* Names that the header has not. */
		{ SPEC(",\"value\":\"nothing\""), table,
		  "no column \"nothing\"; it has: id, age, city, bought, spend, day, times" },
		{ SPEC(",\"value\":\"spent\""), table, "no column \"spent\" (did you mean \"spend\"?); it" },
		{ SPEC(",\"value\":\"age\",\"weight\":\"time\""), table, "no column \"time\" (did" },
		{ SPEC(",\"label\":\"bougth == 'yes'\""), table, "no column \"bougth\" (did" },
		{ SPEC(",\"value\":\"age\",\"where\":\"id > 0 or exists(tow)\""), table,
		  "no column \"tow\"" },
		{ SPEC(",\"value\":\"age\",\"split\":{\"by\":\"time\",\"test\":0.2,\"field\":\"dya\"}"),
		  table, "no column \"dya\"" },
		{ SPEC(",\"value\":\"age\",\"split\":{\"by\":\"rule\",\"test\":\"tset\"}"), table,
		  "no column \"tset\"" },
		{ "{\"score\":\"b\",\"value\":\"age\",\"columns\":[\"profile.age\",\"profile.ctiy=Rome\"]}",
		  table, "no column \"ctiy\" (did you mean \"city\"?)" },
		{ "{\"score\":\"b\",\"value\":\"age\",\"columns\":[\"times * vist\"]}", table,
		  "no column \"vist\"" },
		{ SPEC(",\"value\":\"age\""), "age\n1\n\"2\n3\n", "line 3" },
		{ SPEC(",\"value\":\"age\""), "age\n1\n2,3\n", "line 3" },
		{ SPEC(",\"value\":\"age\""), "", "empty" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = { 0 };
		struct learn_set *s = set_of(cases[i].spec, cases[i].table, &e);
		if (s || !strstr(e.text, cases[i].want))
			fail_msg("%s: %s", cases[i].spec, s ? "is taken" : e.text);
	}
}

static void
trainers(void **state)
{
	static const char *const columns[] = { "a" };
	static const double x[] = { 1, 2, 3, 4 }, y[] = { 0, 1, 0, 1 };
	const struct learn_data d = { .rows = 4, .cols = 1, .x = x, .y = y };
	const struct learn_names names = { "s", columns };
	struct arena *a = arena_new(1024);
	struct value *options = value_map_new(a);
	struct train_job job = { .train = &d, .names = &names, .options = options };
	struct err e = { 0 };
	(void)state;
	assert_null(train(STR("svm"), &job, &e));
	assert_non_null(strstr(e.text, "there are: logistic"));
	value_map_set(a, options, STR("l2"), value_real(a, .5));
	struct model *m = train(STR("logistic"), &job, &e);
	assert_non_null(m);
	assert_int_equal(m->link, MODEL_LOGIT);
	model_free(&m);
	job.link = MODEL_IDENTITY;
	m = train(STR("logistic"), &job, &e);
	assert_non_null(m);
	assert_int_equal(m->link, MODEL_IDENTITY);
	model_free(&m);
	value_map_set(a, options, STR("l2"), value_real(a, -1));
	assert_null(train(STR("logistic"), &job, &e));
	assert_non_null(strstr(e.text, "option \"l2\" must be"));
	value_map_set(a, options, STR("depth"), value_int(a, 1));
	assert_null(train(STR("logistic"), &job, &e));
	assert_non_null(strstr(e.text, "no option \"depth\""));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_and_labels),
		cmocka_unit_test(splits),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(trainers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
