/* fatigue: what is learned from 200,000 steps of a random policy, against the best that can be done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "learn/fatigue.h"
#include "score/column.h"
#include "test-fatigue.h"

#define STEPS 200000
#define COLS 11

struct logged {
	double *state, *next, *reward;
	uint8_t *sent, *ended;
	uint32_t *from, *to;
	struct fatigue_log log;
	struct fatigue_table_log table;
};

/* Lines that bend where he is tired by 1, 2 and 4, each for every interest: what the column texts say. */
static const char *const columns[COLS] = {
	"tired",
	"tired | add -1 | clip 0 8",
	"tired | add -2 | clip 0 8",
	"tired | add -4 | clip 0 8",
	"interested",
	"interested * interested",
	"tired * interested",
	"(tired | add -1 | clip 0 8) * interested",
	"(tired | add -2 | clip 0 8) * interested",
	"(tired | add -4 | clip 0 8) * interested",
	"(tired * tired) * (interested * interested)",
};

static void
features(int state, double *x)
{
	double tired = state / INTERESTED, interested = state % INTERESTED;
	x[0] = tired;
	x[1] = fmax(0, tired - 1);
	x[2] = fmax(0, tired - 2);
	x[3] = fmax(0, tired - 4);
	x[4] = interested;
	x[5] = interested * interested;
	for (int k = 0; k < 4; k++)
		x[6 + k] = x[k] * interested;
	x[10] = tired * tired * interested * interested;
}

static int
setup(void **state)
{
	struct logged *l = calloc(1, sizeof(*l));
	assert_non_null(l);
	uint64_t seed = 20261126;
	l->state = calloc(STEPS * COLS, sizeof(double));
	l->next = calloc(STEPS * COLS, sizeof(double));
	l->reward = calloc(STEPS, sizeof(double));
	l->sent = calloc(STEPS, 1);
	l->ended = calloc(STEPS, 1);
	l->from = calloc(STEPS, sizeof(uint32_t));
	l->to = calloc(STEPS, sizeof(uint32_t));
	for (int i = 0, at = 0; i < STEPS; i++) {
		int send, then = step_random(&seed, at, &send, &l->reward[i]);
		features(at, l->state + i * COLS);
		l->from[i] = (uint32_t)at;
		l->sent[i] = (uint8_t)send;
		l->ended[i] = then < 0;
		at = then >= 0 ? then : (int)random_below(&seed, INTERESTED);
		features(at, l->next + i * COLS);
		l->to[i] = (uint32_t)at;
	}
	l->log = (struct fatigue_log){ STEPS, COLS, l->state, l->next, l->sent, l->reward, l->ended };
	l->table = (struct fatigue_table_log){ STEPS, STATES, l->from, l->to, l->sent, l->ended, l->reward };
	*state = l;
	return 0;
}

static int
teardown(void **state)
{
	struct logged *l = *state;
	free(l->state);
	free(l->next);
	free(l->reward);
	free(l->sent);
	free(l->ended);
	free(l->from);
	free(l->to);
	free(l);
	return 0;
}

/* How much of the best a policy gets, and how much of what is between a coin and the best. */
static void
assert_near_best(const char *what, const double *policy)
{
	double best[STATES], got[STATES], coin[STATES], half[STATES];
	for (int s = 0; s < STATES; s++)
		half[s] = 0.5;
	worth(NULL, best);
	worth(policy, got);
	worth(half, coin);
	double part = start_worth(got) / start_worth(best);
	double gain = (start_worth(got) - start_worth(coin)) / (start_worth(best) - start_worth(coin));
	print_message("%s: %.4f of %.4f, %.2f %% of the best (a coin: %.4f; of the gain over it %.2f %%)\n",
		      what, start_worth(got), start_worth(best), 100 * part, start_worth(coin), 100 * gain);
	assert_true(part >= 0.97);
	assert_true(gain >= 0.95);
}

static void
policy_of(const struct model *m, double policy[STATES])
{
	void *scratch = malloc(model_scratch(m, 1));
	double x[COLS], advantage;
	assert_non_null(scratch);
	for (int s = 0; s < STATES; s++) {
		features(s, x);
		model_apply(m, x, 1, scratch, &advantage, 1);
		policy[s] = advantage > 0;
	}
	free(scratch);
}

static const struct learn_names names = { "fatigue", columns };
static const struct fatigue_options options = { DISCOUNT, 150, 1e-3 };

static void
test_linear(void **state)
{
	const struct logged *l = *state;
	struct fatigue_fit fit;
	struct err e = { 0 };
	double policy[STATES];
	struct model *m = fatigue_linear(&l->log, &names, &options, NULL, &fit, &e);
	assert_non_null(m);
	policy_of(m, policy);
	assert_near_best("linear", policy);
	assert_true(fit.change < 0.01);
	assert_int_equal(fit.sends + fit.waits, STEPS);
	model_free(&m);
}

/* A sanitizer's build trains a tenth as fast: it looks for other mistakes than bad policies. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NETS 2
#else
#define NETS 12
#endif

static void
test_mlp(void **state)
{
	const struct logged *l = *state;
	struct learn_mlp net = learn_mlp_defaults();
	struct fatigue_fit fit;
	struct err e = { 0 };
	double policy[STATES];
	net.nhidden = 2;
	net.hidden[0] = net.hidden[1] = 32;
	net.batch = 256;
	net.epochs = 2;
	net.standardize = true;
	net.seed = 4;
	struct model *m = fatigue_mlp(&l->log, &names, &options, &net, NETS, NULL, &fit, &e);
	assert_non_null(m);
	policy_of(m, policy);
	if (NETS > 2)
		assert_near_best("network", policy);
	model_free(&m);
	assert_null(fatigue_mlp(&l->log, &names, &options, &net, 0, NULL, &fit, &e));
}

static void
test_table(void **state)
{
	const struct logged *l = *state;
	struct err e = { 0 };
	double q[2 * STATES], policy[STATES];
	assert_int_equal(fatigue_table(&l->table, DISCOUNT, 20, q, &e), 0);
	for (int s = 0; s < STATES; s++)
		policy[s] = q[2 * s + 1] > q[2 * s];
	assert_near_best("table", policy);
}

/* The states as rows are what the column texts make of a recipient. */
static void
test_columns(void **state)
{
	(void)state;
	struct arena *a = arena_new(65536);
	struct score_columns *c;
	struct err e = { 0 };
	assert_int_equal(score_columns_compile(a, columns, COLS, &c, &e), 0);
	for (int s = 0; s < STATES; s++) {
		struct value *profile = value_map_new(a);
		double want[COLS], got[COLS];
		value_map_set(a, profile, STR("tired"), value_int(a, s / INTERESTED));
		value_map_set(a, profile, STR("interested"), value_int(a, s % INTERESTED));
		const struct score_facts facts = { .profile = profile };
		features(s, want);
		score_matrix(c, &facts, 1, a, got);
		for (int k = 0; k < COLS; k++)
			assert_true(got[k] == want[k]);
	}
	arena_free(&a);
}

static void
test_refused(void **state)
{
	const struct logged *l = *state;
	struct fatigue_fit fit;
	struct err e = { 0 };
	struct fatigue_log log = l->log;
	struct fatigue_options o = options;
	uint8_t never[8] = { 0 };
	double odd[8 * COLS] = { 0 };
	log.rows = 8;
	log.sent = never;
	assert_null(fatigue_linear(&log, &names, &o, NULL, &fit, &e));
	assert_non_null(strstr(e.text, "no steps with a mail"));
	log.sent = l->log.sent;
	log.state = odd;
	odd[3] = NAN;
	assert_null(fatigue_linear(&log, &names, &o, NULL, &fit, &e));
	log = l->log;
	o.discount = 1;
	assert_null(fatigue_linear(&log, &names, &o, NULL, &fit, &e));
	log.rows = 0;
	o = options;
	assert_null(fatigue_linear(&log, &names, &o, NULL, &fit, &e));
	struct fatigue_table_log table = l->table;
	double q[2 * STATES];
	table.states = 3;
	assert_int_equal(fatigue_table(&table, DISCOUNT, 1, q, &e), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linear),	cmocka_unit_test(test_mlp),	cmocka_unit_test(test_table),
		cmocka_unit_test(test_columns), cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
