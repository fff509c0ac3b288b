/* learn-arms: what counts as a decision and as a reward when a policy's state is made of the event log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "learn/arms.h"
#include "test-event.h"

#define WINDOW ((int64_t)3 * DAY)
/* When it is learned: what was sent at NOW is old enough. */
#define LATER (NOW + 10 * DAY)

static struct conf *
conf_of(const char *policy)
{
	char text[512];
	snprintf(
	    text, sizeof(text),
	    "features s { columns = { \"profile.x\" } }\n"
	    "campaign c { features = s policy { %s window = 3d } arm control { } arm a { } arm b { } }\n",
	    policy);
	struct conf *c = conf_load_text("t.conf", str_of(text), "/p", NULL, NULL);
	assert_non_null(c);
	return c;
}

static uint32_t last_copy;

static uint32_t
sent(struct fixture *f, const char *campaign, const char *arm, int64_t at_ms, const char *details)
{
	last_copy++;
	struct event ev = event_of(EVENT_INJECTED, last_copy, last_copy);
	ev.at_ms = at_ms;
	ev.once = true;
	ev.campaign = str_of(campaign);
	ev.arm = str_of(arm);
	ev.details = str_of(details);
	add(f, &ev, 1);
	return last_copy;
}

static void
did(struct fixture *f, uint32_t copy, enum event_type type, enum event_class class, int64_t at_ms, int link)
{
	struct event ev = event_of(type, copy, copy);
	ev.class = class;
	ev.at_ms = at_ms;
	ev.link = link;
	if (type == EVENT_RECLASSIFIED)
		ev.details = link >= 0 ? STR("{\"type\":\"clicked\"}") : STR("{\"type\":\"opened\"}");
	add(f, &ev, 1);
}

static struct policy *
learn(struct fixture *f, const struct conf *c, const char *hash, size_t ncolumns,
      struct learn_arms_found *found)
{
	const struct learn_arms_request rq = {
		.campaign = &c->campaigns[0], .now_ms = LATER, .hash = hash, .ncolumns = ncolumns
	};
	struct policy *p = learn_arms(f->s, &rq, found, &f->e);
	if (p == NULL)
		fail_msg("%s", f->e.text);
	return p;
}

static void
assert_arm(const struct policy *p, const char *name, int64_t decisions, int64_t rewards)
{
	const struct policy_arm *arm = policy_arm_find(p, str_of(name));
	assert_non_null(arm);
	if (arm->decisions != decisions || arm->rewards != rewards)
		fail_msg("%s: %lld of %lld", name, (long long)arm->rewards, (long long)arm->decisions);
}

static void
test_rewards(void **state)
{
	struct fixture *f = *state;
	struct conf *c = conf_of("kind = thompson");
	struct learn_arms_found found;
	uint32_t x;
	sent(f, "c", "a", NOW, "");
	did(f, sent(f, "c", "a", NOW, ""), EVENT_CLICKED, EVENT_HUMAN, NOW + DAY, 1);
	/* The last moment counts, the one after it does not. */
	did(f, sent(f, "c", "a", NOW, ""), EVENT_CLICKED, EVENT_HUMAN, NOW + WINDOW, 1);
	did(f, sent(f, "c", "a", NOW, ""), EVENT_CLICKED, EVENT_HUMAN, NOW + WINDOW + 1, 1);
	/* Opens, scanners and what was taken back are none; who clicks after a scanner counts. */
	did(f, sent(f, "c", "b", NOW, ""), EVENT_OPENED, EVENT_HUMAN, NOW + DAY, EVENT_NO_LINK);
	did(f, sent(f, "c", "b", NOW, ""), EVENT_CLICKED, EVENT_MACHINE, NOW + DAY, 1);
	did(f, x = sent(f, "c", "b", NOW, ""), EVENT_CLICKED, EVENT_HUMAN, NOW + DAY, 1);
	did(f, x, EVENT_RECLASSIFIED, EVENT_MACHINE, NOW + DAY + 1, 1);
	did(f, x = sent(f, "c", "b", NOW, ""), EVENT_CLICKED, EVENT_HUMAN, NOW + DAY, 1);
	did(f, x, EVENT_RECLASSIFIED, EVENT_MACHINE, NOW + DAY + 1, 1);
	did(f, x, EVENT_CLICKED, EVENT_HUMAN, NOW + DAY + 70000, 1);
	/* Twice is once. */
	did(f, x = sent(f, "c", "control", NOW, ""), EVENT_CLICKED, EVENT_HUMAN, NOW + 1, 1);
	did(f, x, EVENT_CLICKED, EVENT_HUMAN, NOW + 2, 2);
	/* Too young, with a reward and without; another campaign; arms that are not there; none. */
	did(f, sent(f, "c", "a", LATER - DAY, ""), EVENT_CLICKED, EVENT_HUMAN, LATER - 1, 1);
	sent(f, "c", "b", LATER - WINDOW + 1, "");
	sent(f, "other", "a", NOW, "");
	sent(f, "c", "gone", NOW, "");
	sent(f, "c", "", NOW, "");
	struct policy *p = learn(f, c, NULL, 0, &found);
	assert_arm(p, "a", 4, 2);
	assert_arm(p, "b", 4, 1);
	assert_arm(p, "control", 1, 1);
	assert_int_equal(p->pending, 2);
	assert_int_equal(found.decisions, 11);
	assert_int_equal(found.unknown_arm, 1);
	policy_free(&p);
	conf_free(&c);
}

static void
test_kinds_of_rewards(void **state)
{
	struct fixture *f = *state;
	struct conf *opened = conf_of("reward = opened"), *converted = conf_of("reward = converted");
	struct learn_arms_found found;
	uint32_t x = sent(f, "c", "a", NOW, "");
	did(f, x, EVENT_OPENED, EVENT_UNKNOWN, NOW + 1, EVENT_NO_LINK);
	did(f, x = sent(f, "c", "a", NOW, ""), EVENT_OPENED, EVENT_HUMAN, NOW + 1, EVENT_NO_LINK);
	did(f, x, EVENT_RECLASSIFIED, EVENT_MACHINE, NOW + 2, EVENT_NO_LINK);
	did(f, sent(f, "c", "b", NOW, ""), EVENT_CONVERTED, EVENT_UNKNOWN, NOW + 1, EVENT_NO_LINK);
	did(f, sent(f, "c", "b", NOW, ""), EVENT_PURCHASED, EVENT_UNKNOWN, NOW + 1, EVENT_NO_LINK);
	did(f, sent(f, "c", "b", NOW, ""), EVENT_CLICKED, EVENT_HUMAN, NOW + 1, 3);
	struct policy *p = learn(f, opened, NULL, 0, &found);
	assert_arm(p, "a", 2, 1);
	assert_arm(p, "b", 3, 0);
	policy_free(&p);
	p = learn(f, converted, NULL, 0, &found);
	assert_arm(p, "a", 2, 0);
	assert_arm(p, "b", 3, 2);
	policy_free(&p);
	conf_free(&opened);
	conf_free(&converted);
}

static void
test_rows(void **state)
{
	struct fixture *f = *state;
	struct conf *c = conf_of("kind = linucb");
	struct learn_arms_found found;
	did(f, sent(f, "c", "a", NOW, "{\"features\":{\"h\":[2,3]}}"), EVENT_CLICKED, EVENT_HUMAN, NOW + 1,
	    1);
	sent(f, "c", "a", NOW, "{\"propensity\":0.5,\"features\":{\"other\":[9],\"h\":[null,1]}}");
	/* Of other features, of another length, damaged, none. */
	sent(f, "c", "a", NOW, "{\"features\":{\"other\":[2,3]}}");
	sent(f, "c", "a", NOW, "{\"features\":{\"h\":[2]}}");
	sent(f, "c", "a", NOW, "{}");
	sent(f, "c", "a", NOW, "");
	struct policy *p = learn(f, c, "h", 2, &found);
	assert_arm(p, "a", 2, 1);
	assert_int_equal(found.no_row, 4);
	const double a[9] = { 2, 2, 4, 2, 4, 6, 4, 6, 10 }, b[3] = { 1, 2, 3 };
	const struct policy_arm *arm = policy_arm_find(p, STR("a"));
	assert_memory_equal(arm->a, a, sizeof(a));
	assert_memory_equal(arm->b, b, sizeof(b));
	assert_true(str_eq(p->columns, STR("h")));
	policy_free(&p);
	conf_free(&c);
}

/* More rewards than a table begins with; and who was erased counts no more. */
static void
test_many(void **state)
{
	struct fixture *f = *state;
	struct conf *c = conf_of("kind = epsilon-greedy");
	struct learn_arms_found found;
	size_t removed;
	enum { N = 3000 };
	struct event *v = calloc(2 * N, sizeof(*v));
	for (uint32_t i = 0; i < N; i++) {
		v[i] = event_of(EVENT_INJECTED, i + 1, i + 1);
		v[i].campaign = STR("c");
		v[i].arm = i % 3 ? STR("a") : STR("b");
		v[N + i] = event_of(EVENT_CLICKED, i + 1, i + 1);
		v[N + i].class = EVENT_HUMAN;
		v[N + i].link = 1;
		v[N + i].at_ms = NOW + (i % 2 ? 1 : WINDOW + 1);
	}
	add(f, v, 2 * N);
	assert_int_equal(event_forget(f->s, v[1].rk, &removed, &f->e), 0);
	struct policy *p = learn(f, c, NULL, 0, &found);
	assert_arm(p, "a", 1999, 999);
	assert_arm(p, "b", 1000, 500);
	policy_free(&p);
	free(v);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EVENT_TEST(test_rewards),
		EVENT_TEST(test_kinds_of_rewards),
		EVENT_TEST(test_rows),
		EVENT_TEST(test_many),
	};
	return cmocka_run_group_tests_name("learn-arms", tests, NULL, NULL);
}
