/* test-plugin-uplift: send_if by a model of uplift: a copy for whom the mail moves, none for others. */
#include <math.h>

#include "test-engine.h"

#include "base/json.h"
#include "learn/random.h"
#include "learn/uplift.h"
#include "mail/mail.h"

#define CONF                                                                                             \
	"track {\n host = \"https://t.test\"\n}\ninject {\n target = \"localhost:25\"\n}\n"              \
	"plugin moves {\n path = \"%s/plugins/uplift.so\"\n options {\n file = \"%s\"\n }\n deadline = " \
	"60s\n}\n"                                                                                       \
	"campaign c {\n scorers = { moves }\n send_if = \"gain > 0.05\"\n}\n"
#define MESSAGE "From: a@x.test\nMessage-ID: <1@x>\nSubject: x\nContent-Type: text/plain\n\nx\n"
#define ROWS 8000

static const char *const columns[] = { "profile.new", "profile.orders" };

/* The mail moves new customers alone; orders come anyway. */
static struct model *
trained(enum uplift_learner learner)
{
	static double x[2 * ROWS], y[ROWS];
	static uint8_t treated[ROWS];
	struct learn_data d = { .rows = ROWS, .cols = 2, .x = x, .y = y };
	struct err e = { 0 };
	struct arena *a = arena_new(1024);
	uint64_t seed = 1;
	for (size_t i = 0; i < ROWS; i++) {
		x[2 * i] = (double)random_below(&seed, 2);
		x[2 * i + 1] = (double)random_below(&seed, 6);
		treated[i] = random_below(&seed, 2) == 1;
		y[i] = random_unit(&seed) < .1 + .05 * x[2 * i + 1] + (treated[i] ? .3 * x[2 * i] : 0);
	}
	const struct learn_names names = { "gain", columns };
	const struct uplift_fit fit = { .data = &d,
					.treated = treated,
					.learner = learner,
					.kind = STR("logistic"),
					.options = value_map_new(a),
					.link = MODEL_LOGIT,
					.names = &names };
	struct model *m = uplift_train(&fit, &e);
	if (!m)
		fail_msg("%s", e.text);
	arena_free(&a);
	return m;
}

static enum tailor_verdict
verdict(struct fixture *f, struct store *store, const char *profile, double *score)
{
	copy_for_profile(f, store, MESSAGE, profile);
	assert_int_equal(f->copy.plugins.nscores, 1);
	*score = f->copy.plugins.scores[0].value;
	return f->copy.plan.decision.verdict;
}

static void
decides(struct fixture *f, enum uplift_learner learner)
{
	char path[] = "/tmp/test-plugin-uplift.XXXXXX", dir[] = "/tmp/test-plugin-uplift-state.XXXXXX",
	     conf[2048];
	struct model *m = trained(learner);
	struct buf b = { 0 };
	double moved, not_moved;
	int fd = mkstemp(path);
	assert_true(fd >= 0 && mkdtemp(dir));
	model_print(m, &b);
	assert_int_equal(write(fd, b.p, b.n), b.n);
	close(fd);
	snprintf(conf, sizeof(conf), CONF, build_directory(), path);
	f->epoch = load(f, conf, true);
	if (!f->epoch)
		fail_msg("%s", f->reports);
	f->worker = engine_worker_get(f->epoch);
	struct store_options so = { .directory = dir, .create = true, .map_size = 64 << 20 };
	struct store *store = store_open(&so, &f->e);
	assert_non_null(store);
	assert_int_equal(verdict(f, store, "{\"new\":1,\"orders\":0}", &moved), TAILOR_SEND);
	/* He is the likelier one to answer, and would without the mail. */
	assert_int_equal(verdict(f, store, "{\"new\":0,\"orders\":5}", &not_moved), TAILOR_DROP);
	assert_true(fabs(moved - .3) < .1 && fabs(not_moved) < .05);
	store_close(&store);
	state_remove(dir);
	unlink(path);
	buf_free(&b);
	model_free(&m);
}

static void
two_models(void **state)
{
	decides(*state, UPLIFT_T);
}

static void
transformed(void **state)
{
	decides(*state, UPLIFT_CLASS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_models, setup, teardown),
		cmocka_unit_test_setup_teardown(transformed, setup, teardown),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
