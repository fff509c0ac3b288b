/* test-plugin-mlp: a neural network's file as a scorer: the scores, and which files are refused. */
#include "test-plugin.h"

#include <math.h>

#include "score/logistic.h"
#include "score/mlp.h"

#define MLP "plugins/mlp.so"

static char directory[] = "/tmp/test-mlp-XXXXXX";
static const char *const columns[] = { "profile.orders | log1p", "profile.country=DE", "hour",
				       "profile.age" };
#define COLUMNS 4

static struct model *
model_make(void)
{
	static const size_t hidden[] = { 64, 64 };
	struct err e = { 0 };
	unsigned seed = 1;
	struct model *m = model_new("mlp", "buy", columns, COLUMNS, MODEL_LOGIT, &e);
	assert_non_null(m);
	struct mlp_state *s = mlp_state_new(m, hidden, 2);
	s->missing[3] = 40;
	for (size_t l = 0; l < 3; l++)
		for (size_t o = 0; o < s->layers[l].outputs; o++)
			for (size_t k = 0; k < s->layers[l].inputs; k++)
				*mlp_weight(s, l, k, o) = (float)rand_r(&seed) / (float)RAND_MAX * .2f - .1f;
	return m;
}

static void
file_write(const char *name, const char *bytes, size_t n)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	fclose(out);
}

static struct fixture *
fixture_of(const char *option)
{
	struct fixture *f = fixture_new();
	f->conf.file = arena_cstr(f->a, arena_printf(f->a, "%s/test.conf", directory));
	fixture_add(f, "mlp", MLP, 5000, option, NULL);
	return f;
}

/* As the model by itself; and each of a batch as alone. */
static void
scores(void **state)
{
	enum { ROWS = 70 };
	static struct plugin_request rq[ROWS];
	static struct plugin_result out[ROWS];
	struct model *m = model_make();
	struct buf bytes = { 0 };
	(void)state;
	model_print(m, &bytes);
	file_write("buy.safetensors", bytes.p, bytes.n);
	struct fixture *f = fixture_of("file=buy.safetensors");
	fixture_must_load(f);
	void *scratch = malloc(model_scratch(m, 1));
	for (int i = 0; i < ROWS; i++) {
		double row[COLUMNS] = { log1p(i), i % 3 == 0, 9, i % 5 ? (double)i : (double)NAN }, want;
		struct str profile =
		    arena_printf(f->a, "{\"orders\":%d,\"country\":\"%s\"", i, i % 3 == 0 ? "DE" : "FR");
		profile = i % 5 ? arena_printf(f->a, "%s,\"age\":%d}", profile.p, i)
				: arena_printf(f->a, "%s}", profile.p);
		rq[i] = fixture_request(f, profile.p, "en");
		plugin_run(f->set, &rq[i], 1, f->a, &out[i]);
		model_apply(m, row, 1, scratch, &want, 1);
		assert_int_equal(out[i].nscores, 1);
		assert_true(str_eq(out[i].scores[0].name, STR("buy")));
		if (out[i].scores[0].value != want)
			fail_msg("row %d: %.17g, wanted %.17g", i, out[i].scores[0].value, want);
	}
	struct plugin_result all[ROWS];
	plugin_run(f->set, rq, ROWS, f->a, all);
	for (int i = 0; i < ROWS; i++)
		assert_true(all[i].scores[0].value == out[i].scores[0].value);
	assert_true(out[1].scores[0].value != out[2].scores[0].value);
	free(scratch);
	fixture_free(f);
	buf_free(&bytes);
	model_free(&m);
}

static void
refused(const char *option, const char *want)
{
	struct fixture *f = fixture_of(option);
	assert_false(fixture_load(f));
	if (!strstr(f->reports, want))
		fail_msg("%s: %s", option, f->reports);
	fixture_free(f);
}

static void
hostile_files(void **state)
{
	struct model *m = model_make();
	struct buf bytes = { 0 };
	(void)state;
	model_print(m, &bytes);
	file_write("buy.safetensors", bytes.p, bytes.n / 2);
	refused("file=buy.safetensors", "cut off");
	bytes.p[bytes.n - 9] ^= 4;
	file_write("buy.safetensors", bytes.p, bytes.n);
	refused("file=buy.safetensors", "damaged");
	file_write("buy.safetensors", "\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10);
	refused("file=buy.safetensors", "buy.safetensors: ");
	file_write("buy.safetensors", "", 0);
	refused("file=buy.safetensors", "buy.safetensors: ");
	model_free(&m);
	struct err e = { 0 };
	m = model_new("logistic", "buy", columns, COLUMNS, MODEL_LOGIT, &e);
	logistic_state_new(m);
	buf_reset(&bytes);
	model_print(m, &bytes);
	file_write("buy.safetensors", bytes.p, bytes.n);
	refused("file=buy.safetensors", "it is of kind logistic");
	refused("file=none.safetensors", "none.safetensors: ");
	refused("file=/dev/zero", "/dev/zero: ");
	refused("fiel=buy.safetensors", "unknown option \"fiel\"");
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
	snprintf(path, sizeof(path), "%s/buy.safetensors", directory);
	unlink(path);
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scores),
		cmocka_unit_test(hostile_files),
	};
	return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
