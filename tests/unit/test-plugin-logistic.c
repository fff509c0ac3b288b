/* test-plugin-logistic: the weights file and the numbers that come of it. */
#include "test-plugin.h"

#include <math.h>

#define LOGISTIC "plugins/logistic.so"

static char directory[] = "/tmp/test-logistic-XXXXXX";

/* Writes the weights; the option that names them, relative to the configuration file. */
static void
weights_add(struct fixture *f, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/weights.json", directory);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	f->conf.file = arena_cstr(f->a, arena_printf(f->a, "%s/test.conf", directory));
	fixture_add(f, "logistic", LOGISTIC, 5000, "file=weights.json", NULL);
}

static double
score_of(struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->out.nscores; i++) {
		if (str_eq(f->out.scores[i].name, str_of(name)))
			return f->out.scores[i].value;
	}
	fail_msg("no score %s: %s", name, note_text(f, "logistic"));
	return NAN;
}

static double
sigmoid(double z)
{
	return 1 / (1 + exp(-z));
}

static void
check_near(double got, double want)
{
	if (!(fabs(got - want) < 1e-12))
		fail_msg("%.17g, wanted %.17g", got, want);
}

static void
scores(void **state)
{
	struct fixture *f = fixture_new();
	(void)state;
	weights_add(f, "[{\"score\":\"click\",\"intercept\":-2,\"features\":["
		       "{\"name\":\"profile.orders\",\"weight\":0.5,\"mean\":4,\"scale\":2},"
		       "{\"name\":\"profile.age\",\"weight\":1,\"mean\":40,\"scale\":10,\"missing\":30},"
		       "{\"name\":\"profile.country=DE\",\"weight\":0.25}]},"
		       "{\"score\":\"churn\",\"features\":[{\"name\":\"hour\",\"weight\":-0.1},"
		       "{\"name\":\"profile.orders\",\"weight\":-0.2}]}]");
	fixture_must_load(f);
	struct plugin_request rq = fixture_request(f, "{\"orders\":8,\"age\":50,\"country\":\"DE\"}", "en");
	fixture_run(f, &rq);
	check_near(score_of(f, "click"), sigmoid(-2 + 0.5 * 2 + 1 + 0.25));
	check_near(score_of(f, "churn"), sigmoid(-0.1 * 9 - 0.2 * 8));
	/* Missing: the value that the file says, else the mean. */
	rq = fixture_request(f, "{\"country\":\"FR\"}", "en");
	fixture_run(f, &rq);
	check_near(score_of(f, "click"), sigmoid(-2 - 1));
	check_near(score_of(f, "churn"), sigmoid(-0.9));
	/* Huge values saturate, they do not become NAN. */
	rq = fixture_request(f, "{\"orders\":1e308,\"age\":-1e308}", "en");
	fixture_run(f, &rq);
	assert_int_equal(f->out.nscores, 2);
	assert_true(score_of(f, "churn") >= 0 && score_of(f, "churn") < 1e-9);
	fixture_free(f);
}

static void
mistakes(void **state)
{
#define FEATURE "{\"name\":\"a\",\"weight\":1}"
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "weights.json: " },
		{ "{", "line 1" },
		{ "[]", "weights: score 1: the list is empty" },
		{ "7", "weights: score 1: must be an object" },
		{ "{\"score\":\"x\"}", "\"features\" must be a list" },
		{ "{\"score\":\"\",\"features\":[" FEATURE "]}", "\"score\" must be a name" },
		{ "{\"features\":[" FEATURE "]}", "\"score\" must be a name" },
		{ "{\"score\":\"x y\",\"features\":[" FEATURE "]}", "declares a bad name for score 1" },
		{ "{\"score\":\"x\",\"features\":[]}", "\"features\" must be a list" },
		{ "{\"score\":\"x\",\"features\":[" FEATURE "],\"bias\":1}", "unknown key \"bias\"" },
		{ "{\"score\":\"x\",\"intercept\":\"1\",\"features\":[" FEATURE "]}",
		  "\"intercept\" must be a number" },
		{ "{\"score\":\"x\",\"features\":[" FEATURE ",{\"name\":\"b\",\"weigth\":1}]}",
		  "weights: score 1, feature 2: unknown key \"weigth\"" },
		{ "{\"score\":\"x\",\"features\":[{\"name\":\"b\"}]}", "\"weight\" must be a number" },
		{ "{\"score\":\"x\",\"features\":[{\"weight\":1}]}", "\"name\" must be a name" },
		{ "{\"score\":\"x\",\"features\":[{\"name\":\"b\",\"weight\":1,\"scale\":0}]}",
		  "\"scale\" must be above 0" },
		{ "{\"score\":\"x\",\"features\":[{\"name\":\"b\",\"weight\":1,\"scale\":1e-300,\"missing\":"
		  "1e300}]}",
		  "\"missing\" is out of range" },
		{ "[{\"score\":\"x\",\"features\":[" FEATURE "]},{\"score\":\"x\",\"features\":[" FEATURE
		  "]}]",
		  "declares the score x twice" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fixture_new();
		weights_add(f, cases[i].text);
		assert_false(fixture_load(f));
		if (!strstr(f->reports, cases[i].want))
			fail_msg("%s: got %s", cases[i].text, f->reports);
		fixture_free(f);
	}
	struct fixture *f = fixture_new();
	fixture_add(f, "logistic", LOGISTIC, 50, NULL);
	assert_false(fixture_load(f));
	assert_non_null(strstr(f->reports, "option \"file\" is missing"));
	fixture_free(f);
	f = fixture_new();
	fixture_add(f, "logistic", LOGISTIC, 50, "file=/dev/zero", NULL);
	assert_false(fixture_load(f));
	assert_non_null(strstr(f->reports, "/dev/zero: is not a regular file"));
	fixture_free(f);
	f = fixture_new();
	fixture_add(f, "logistic", LOGISTIC, 50, "fiel=x", NULL);
	assert_false(fixture_load(f));
	assert_non_null(strstr(f->reports, "unknown option \"fiel\""));
	fixture_free(f);
}

static int
directory_make(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int
directory_remove(void **state)
{
	char path[128];
	(void)state;
	snprintf(path, sizeof(path), "%s/weights.json", directory);
	unlink(path);
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scores),
		cmocka_unit_test(mistakes),
	};
	return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
