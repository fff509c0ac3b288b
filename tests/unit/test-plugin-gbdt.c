/* test-plugin-gbdt: the scorer gbdt gives what the model that was trained gives, and refuses other files. */
#include <math.h>

#include "test-engine.h"

#include "base/json.h"
#include "learn/gbdt.h"
#include "learn/random.h"
#include "mail/mail.h"

#define CONF                                                                                           \
	"track {\n host = \"https://t.test\"\n}\ninject {\n target = \"localhost:25\"\n}\n"            \
	"plugin trees {\n path = \"%s/plugins/gbdt.so\"\n options {\n file = \"%s\"\n }\n deadline = " \
	"60s\n}\n"                                                                                     \
	"campaign c {\n scorers = { trees }\n}\n"
#define MESSAGE "From: a@x.test\nMessage-ID: <1@x>\nSubject: x\nContent-Type: text/plain\n\nx\n"
#define ROWS 600

static const char *const columns[] = { "profile.age", "profile.orders | log1p", "profile.country=AT",
				       "hour" };
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static struct model *
trained(void)
{
	static double x[ROWS * COLUMNS], y[ROWS];
	struct learn_data d = { .rows = ROWS, .cols = COLUMNS, .x = x, .y = y };
	struct learn_gbdt o = learn_gbdt_defaults();
	struct err e = { 0 };
	uint64_t seed = 1;
	for (size_t i = 0; i < ROWS; i++) {
		double *r = x + i * COLUMNS;
		r[0] = random_below(&seed, 4) ? (double)random_below(&seed, 80) : NAN;
		r[1] = log1p((double)random_below(&seed, 30));
		r[2] = (double)random_below(&seed, 2);
		r[3] = (double)random_below(&seed, 24);
		y[i] = random_unit(&seed) < (isnan(r[0]) || r[0] > 40 ? .7 : .1) + .2 * r[2];
	}
	o.min_rows = 10;
	struct model *m = learn_gbdt(&d, &(struct learn_names){ "click", columns }, &o, NULL, NULL, &e);
	if (!m)
		fail_msg("%s", e.text);
	return m;
}

static void
bytes_write(const char *path, struct str bytes)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
	fclose(f);
}

static double
own_score(const struct model *m, const double *row)
{
	void *scratch = malloc(model_scratch(m, 1));
	double p = NAN;
	model_apply(m, row, 1, scratch, &p, 1);
	free(scratch);
	return p;
}

/* A recipient's score by way of the engine. */
static double
score_of(struct fixture *f, struct store *store, const char *profile)
{
	copy_for_profile(f, store, MESSAGE, profile);
	for (size_t i = 0; i < f->copy.plugins.nscores; i++)
		if (str_eq(f->copy.plugins.scores[i].name, STR("click")))
			return f->copy.plugins.scores[i].value;
	fail_msg("there is no score");
	return NAN;
}

static void
scores(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/test-plugin-gbdt.XXXXXX", dir[] = "/tmp/test-plugin-gbdt-state.XXXXXX",
	     conf[2048];
	struct model *m = trained();
	struct buf b = { 0 };
	int fd = mkstemp(path);
	assert_true(fd >= 0 && mkdtemp(dir));
	close(fd);
	model_print(m, &b);
	bytes_write(path, buf_str(&b));
	snprintf(conf, sizeof(conf), CONF, build_directory(), path);
	f->epoch = load(f, conf, true);
	if (!f->epoch)
		fail_msg("%s", f->reports);
	f->worker = engine_worker_get(f->epoch);
	struct store_options so = { .directory = dir, .create = true, .map_size = 64 << 20 };
	struct store *store = store_open(&so, &f->e);
	assert_non_null(store);
	volatile double orders = 6; /* the compiler's log1p is not libm's to the last bit */
	/* NOW is a Sunday, 9:00 UTC. */
	double old = score_of(f, store, "{\"age\":66,\"orders\":6,\"country\":\"AT\"}");
	assert_true(old == own_score(m, (double[]){ 66, log1p(orders), 1, 9 }));
	double young = score_of(f, store, "{\"age\":30,\"orders\":6,\"country\":\"DE\"}");
	assert_true(young == own_score(m, (double[]){ 30, log1p(orders), 0, 9 }));
	double unknown = score_of(f, store, "{\"orders\":6,\"country\":\"DE\"}");
	assert_true(unknown == own_score(m, (double[]){ NAN, log1p(orders), 0, 9 }));
	assert_true(old > young + .3 && unknown > young + .3);
	store_close(&store);
	state_remove(dir);
	unlink(path);
	buf_free(&b);
	model_free(&m);
}

static void
refused_with(struct fixture *f, const char *path, const char *why)
{
	char conf[2048];
	snprintf(conf, sizeof(conf), CONF, build_directory(), path);
	assert_null(load(f, conf, true));
	if (!strstr(f->reports, why))
		fail_msg("got %s, wanted %s", f->reports, why);
}

static void
refused(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/test-plugin-gbdt.XXXXXX";
	struct model *m = trained();
	struct buf b = { 0 };
	struct err e = { 0 };
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	refused_with(f, "/nowhere/x.safetensors", "/nowhere/x.safetensors");
	refused_with(f, path, path); /* empty */
	model_print(m, &b);
	bytes_write(path, str_cut(buf_str(&b), b.n / 2));
	refused_with(f, path, "cut off");
	b.p[b.n - 9] ^= 4;
	bytes_write(path, buf_str(&b));
	refused_with(f, path, "checksum");
	model_free(&m);
	double x[4] = { 0, 1, 2, 3 }, y[4] = { 0, 1, 0, 1 };
	struct learn_data d = { .rows = 4, .cols = 1, .x = x, .y = y };
	m = learn_logistic(&d, &(struct learn_names){ "click", columns }, 1, NULL, &e);
	assert_non_null(m);
	buf_reset(&b);
	model_print(m, &b);
	bytes_write(path, buf_str(&b));
	refused_with(f, path, "it is of kind logistic");
	unlink(path);
	buf_free(&b);
	model_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(scores, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
