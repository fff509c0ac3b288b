/* fatigue-steps: what an event log makes of days, worked out by hand; then recipients who tire are left
 * alone by what is learned of such a log. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "learn/fatigue-steps.h"
#include "learn/random.h"

#define DAY INT64_C(86400000)
#define START INT64_C(20000)

static const struct fatigue_worth worth = { .click = 1, .purchase = 10, .send = 0.5, .leave = 20 };

static void
happen(struct fatigue_steps *s, uint32_t who, enum event_type type, enum event_class class, int64_t at_ms)
{
	struct event_record r = { .event = { .at_ms = at_ms, .type = type, .class = class } };
	memcpy(r.event.rk, &who, sizeof(who));
	r.event.rk[8] = who != 0;
	fatigue_steps_event(s, &r);
}

static void
near(double got, double want)
{
	if (!(fabs(got - want) <= 1e-9))
		fail_msg("%.12g, not %.12g", got, want);
}

static void
test_steps(void **state)
{
	(void)state;
	struct fatigue_steps *s = fatigue_steps_new();
	struct arena *a = arena_new(4096);
	struct fatigue_log log;
	struct err e = { 0 };
	int64_t d = START * DAY;
	assert_int_equal(fatigue_steps_finish(s, &worth, d, 100, a, &log, &e), -1);
	assert_int_equal(e.kind, ERR_INPUT);
	happen(s, 1, EVENT_PURCHASED, EVENT_UNKNOWN, d - 3 * DAY); /* before his first mail */
	happen(s, 1, EVENT_INJECTED, EVENT_UNKNOWN, d + 9 * 3600000);
	happen(s, 1, EVENT_CLICKED, EVENT_HUMAN, d + DAY + 1); /* a day later */
	happen(s, 1, EVENT_CLICKED, EVENT_MACHINE, d + DAY + 2);
	happen(s, 1, EVENT_INJECTED, EVENT_UNKNOWN, d + 2 * DAY);
	happen(s, 1, EVENT_UNSUBSCRIBED, EVENT_HUMAN, d + 2 * DAY + 5);
	happen(s, 1, EVENT_COMPLAINED, EVENT_UNKNOWN, d + 2 * DAY + 6); /* he leaves once */
	happen(s, 1, EVENT_CLICKED, EVENT_HUMAN, d + 3 * DAY);		/* and is gone */
	happen(s, 2, EVENT_INJECTED, EVENT_UNKNOWN, d + 3 * DAY);	/* one day, the last */
	happen(s, 3, EVENT_INJECTED, EVENT_UNKNOWN, d + 4 * DAY);	/* today: not over */
	happen(s, 4, EVENT_CLICKED, EVENT_HUMAN, d);			/* no mail */
	happen(s, 0, EVENT_INJECTED, EVENT_UNKNOWN, d);			/* nobody */
	assert_int_equal(fatigue_steps_finish(s, &worth, d + 4 * DAY + 3600000, 100, a, &log, &e), 0);
	assert_int_equal(log.rows, 4);
	assert_int_equal(log.cols, FATIGUE_COLUMNS);
	static const uint8_t sent[] = { 1, 0, 1, 1 }, ended[] = { 0, 0, 1, 0 };
	static const double reward[] = { -0.5, 1, -20.5, -0.5 };
	static const double in7[] = { 0, 1, 1, 0 }, clicks[] = { 0, 0, 1, 0 }, bought[] = { 1, 1, 1, 0 },
			    since[] = { 0, 1, 0, 0 };
	for (size_t i = 0; i < 4; i++) {
		const double *x = log.state + i * log.cols;
		assert_int_equal(log.sent[i], sent[i]);
		assert_int_equal(log.ended[i], ended[i]);
		near(log.reward[i], reward[i]);
		near(x[1], in7[i]);
		near(x[5], since[i]);
		near(x[7], clicks[i]);
		near(x[8], bought[i]);
	}
	near(log.state[4], 90);			  /* never got mail before */
	near(log.state[log.cols + 4], 15.0 / 24); /* at 09:00 the day before */
	assert_memory_equal(log.next, log.state + log.cols, log.cols * sizeof(double));
	near(log.next[3 * log.cols + 1], 1); /* what the last step led to */
	/* Of more steps than wanted whole recipients stay. */
	assert_int_equal(fatigue_steps_finish(s, &worth, d + 4 * DAY, 2, a, &log, &e), 0);
	assert_true(log.rows == 1 || log.rows == 3);
	fatigue_steps_free(&s);
	assert_null(s);
	arena_free(&a);
}

/*
 * Days of 400 recipients to whom a coin sends: who got no mail for three days clicks half of the mail; who
 * got more than two in the last week never does, and leaves one time in eight.
 */
static struct fatigue_steps *
simulated(void)
{
	struct fatigue_steps *s = fatigue_steps_new();
	uint64_t seed = 7;
	for (uint32_t who = 1; who <= 400; who++) {
		bool mail[68] = { false };
		mail[7] = true;
		happen(s, who, EVENT_INJECTED, EVENT_UNKNOWN, START * DAY);
		for (int d = 8; d < 68; d++) {
			int week = 0, at = (d - 7);
			int64_t now = (START + at) * DAY + 3600000;
			for (int k = 1; k <= 6; k++)
				week += mail[d - k];
			mail[d] = random_unit(&seed) < (who % 2 ? 0.5 : 0.15);
			if (!mail[d])
				continue;
			happen(s, who, EVENT_INJECTED, EVENT_UNKNOWN, now);
			if (week > 2 && random_below(&seed, 8) == 0) {
				happen(s, who, EVENT_UNSUBSCRIBED, EVENT_HUMAN, now + 60000);
				break;
			}
			if (week == 0 && random_unit(&seed) < 0.5)
				happen(s, who, EVENT_CLICKED, EVENT_HUMAN, now + 60000);
		}
	}
	return s;
}

static double
score(const struct model *m, double two, double week, double month, double recency)
{
	const double x[FATIGUE_COLUMNS] = { two, week, month, week * week, recency, 3, 0, 1, 0, week };
	double out;
	void *scratch = malloc(model_scratch(m, 1));
	assert_non_null(scratch);
	model_apply(m, x, 1, scratch, &out, 1);
	free(scratch);
	return out;
}

static void
test_learned(void **state)
{
	(void)state;
	struct fatigue_steps *s = simulated();
	struct arena *a = arena_new(4096);
	const struct learn_names names = { .score = "fatigue", .columns = fatigue_columns };
	const struct fatigue_options o = { .discount = 0.9, .iterations = 40, .l2 = 1 };
	const struct fatigue_worth w = { .click = 1, .purchase = 10, .send = 0.01, .leave = 20 };
	struct fatigue_log log;
	struct fatigue_fit fit;
	struct err e = { 0 };
	assert_int_equal(fatigue_steps_finish(s, &w, (START + 61) * DAY, 200000, a, &log, &e), 0);
	struct model *m = fatigue_linear(&log, &names, &o, NULL, &fit, &e);
	assert_non_null(m);
	assert_true(score(m, 0, 0, 4, 9) > 0);	/* rested */
	assert_true(score(m, 1, 4, 14, 1) < 0); /* tired */
	/* As a file, and from there the same; cut or changed it is refused. */
	struct buf file = { 0 };
	model_print(m, &file);
	struct model *back = model_parse(buf_str(&file), &e);
	assert_non_null(back);
	near(score(back, 1, 4, 14, 1), score(m, 1, 4, 14, 1));
	model_free(&back);
	assert_null(model_parse(str_sub(buf_str(&file), 0, file.n - 9), &e));
	file.p[file.n - 3] ^= 1;
	assert_null(model_parse(buf_str(&file), &e));
	buf_free(&file);
	model_free(&m);
	fatigue_steps_free(&s);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_steps), cmocka_unit_test(test_learned) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
