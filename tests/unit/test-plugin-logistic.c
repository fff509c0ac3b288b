/* test-plugin-logistic: the weights file and the numbers that come of it. */
#include "test-plugin.h"

#include <math.h>
#include <unistd.h>

#include "score/logistic.h"

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

/* A score does not hang on who else is in the batch, to the last bit: a preview decides as the batch does. */
static void
batch_bits(void **state)
{
	enum { ROWS = 300 };
	static struct plugin_request rq[ROWS];
	static struct plugin_result out[ROWS];
	static const int widths[] = { 1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 40, 129 };
	unsigned seed = 20260329;
	(void)state;
	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
		struct fixture *f = fixture_new();
		struct buf text = { 0 };
		buf_adds(&text, STR("{\"score\":\"click\",\"features\":["));
		for (int k = 0; k < widths[w]; k++)
			buf_printf(&text,
				   "%s{\"name\":\"profile.f%d\",\"weight\":%.17g,\"mean\":%d,\"scale\":3}",
				   k ? "," : "", k, rand_r(&seed) / 1e9 - 1, k);
		buf_adds(&text, STR("]}"));
		weights_add(f, arena_cstr(f->a, buf_str(&text)));
		fixture_must_load(f);
		for (size_t i = 0; i < ROWS; i++) {
			buf_reset(&text);
			for (int k = 0; k < widths[w]; k++)
				if (rand_r(&seed) % 4 > 0)
					buf_printf(&text, "%s\"f%d\":%.17g", text.n ? "," : "", k,
						   rand_r(&seed) / 1e8);
			rq[i] =
			    fixture_request(f, arena_printf(f->a, "{%.*s}", STR_ARG(buf_str(&text))).p, "en");
		}
		plugin_run(f->set, rq, ROWS, f->a, out);
		for (size_t i = 0; i < ROWS; i++) {
			struct plugin_result alone;
			plugin_run(f->set, &rq[i], 1, f->a, &alone);
			assert_int_equal(out[i].nscores, 1);
			assert_int_equal(alone.nscores, 1);
			if (memcmp(&out[i].scores[0].value, &alone.scores[0].value, sizeof(double)) != 0)
				fail_msg("%d features, row %zu: %.17g, alone %.17g", widths[w], i,
					 out[i].scores[0].value, alone.scores[0].value);
		}
		assert_int_equal(counters_of(f, "logistic").calls, ROWS + 1);
		buf_free(&text);
		fixture_free(f);
	}
}

/* A model that was trained: the same score in the plugin as by itself; one with a byte changed is refused. */
static void
model_file(void **state)
{
	static const char *const columns[] = { "profile.orders | log1p", "profile.country=DE", "hour" };
	struct err e = { 0 };
	struct buf bytes = { 0 };
	char path[128];
	const double row[] = { log1p(8), 1, 9 };
	double want;
	(void)state;
	struct model *m = model_new("logistic", "buy", columns, 3, MODEL_LOGIT, &e);
	struct logistic_state *s = logistic_state_new(m);
	s->intercept = -1;
	s->weights[0] = .25;
	s->weights[1] = .5;
	s->weights[2] = .125;
	void *scratch = malloc(model_scratch(m, 1));
	model_apply(m, row, 1, scratch, &want, 1);
	free(scratch);
	model_print(m, &bytes);
	snprintf(path, sizeof(path), "%s/buy.safetensors", directory);
	for (int damaged = 0; damaged < 2; damaged++) {
		FILE *out = fopen(path, "w");
		assert_non_null(out);
		bytes.p[bytes.n - 40] ^= (char)damaged;
		fwrite(bytes.p, 1, bytes.n, out);
		fclose(out);
		struct fixture *f = fixture_new();
		f->conf.file = arena_cstr(f->a, arena_printf(f->a, "%s/test.conf", directory));
		fixture_add(f, "logistic", LOGISTIC, 5000, "file=buy.safetensors", NULL);
		if (damaged) {
			assert_false(fixture_load(f));
			assert_non_null(strstr(f->reports, "buy.safetensors: it is damaged"));
		} else {
			fixture_must_load(f);
			struct plugin_request rq =
			    fixture_request(f, "{\"orders\":8,\"country\":\"DE\"}", "en");
			fixture_run(f, &rq);
			assert_true(score_of(f, "buy") == want);
		}
		fixture_free(f);
	}
	unlink(path);
	buf_free(&bytes);
	model_free(&m);
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
		cmocka_unit_test(batch_bits),
		cmocka_unit_test(model_file),
	};
	return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
