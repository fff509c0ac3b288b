/* report-arms: the control and the shares that the configuration says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/report.h"
#include "test-event.h"

static void
sent(struct fixture *f, const char *arm, uint32_t n)
{
	static uint32_t copy;
	struct event *v = calloc(n, sizeof(*v));
	for (uint32_t i = 0; i < n; i++) {
		copy++;
		v[i] = event_of(EVENT_INJECTED, copy, copy);
		v[i].campaign = STR("c");
		v[i].arm = str_of(arm);
	}
	add(f, v, n);
	free(v);
}

static struct report *
gather(struct fixture *f, const struct report_request *rq)
{
	struct report_request all = *rq;
	all.campaign = STR("c");
	all.now_ms = NOW;
	all.configured = true;
	struct report *r = report_gather(f->s, &all, &f->e);
	if (r == NULL)
		fail_msg("%s", f->e.text);
	return r;
}

static void
report_text(const struct report *r, struct buf *out)
{
	report_print_text(r, REPORT_BYS, out);
}

static bool
says(const struct report *r, void (*print)(const struct report *, struct buf *), const char *what)
{
	struct buf b = { 0 };
	print(r, &b);
	bool there = str_find(buf_str(&b), str_of(what)) < b.n;
	buf_free(&b);
	return there;
}

static void
test_fixed(void **state)
{
	struct fixture *f = *state;
	struct report_share shares[] = { { STR("holdout"), 0.1 }, { STR("a"), 0.3 }, { STR("b"), 0.6 } };
	const struct report_request rq = { .control = STR("holdout"), .shares = shares, .nshares = 3 };
	sent(f, "a", 300);
	sent(f, "b", 600);
	/* Not all have been sent yet: nothing to test, no error, the first by name in the control's place. */
	struct report *r = gather(f, &rq);
	assert_false(r->ratio_tested);
	assert_int_equal(r->narms, 2);
	assert_true(
	    says(r, report_text, "Arms against a\n  which is not the control: of that, holdout, no copy"));
	assert_true(says(r, report_print_html, "no copy of the control, <bdi>holdout</bdi>, is counted yet"));
	assert_false(says(r, report_print_html, "(control)"));
	assert_true(says(r, report_text, "0.0%  -\n")); /* no revenue */
	report_free(&r);
	sent(f, "holdout", 100);
	r = gather(f, &rq);
	assert_false(says(r, report_text, "not the control"));
	assert_true(says(r, report_print_html, "(control)"));
	assert_true(r->ratio_tested && !r->ratio_mismatch && r->ratio_df == 2 && r->ratio_p > 0.99);
	assert_true(str_eq(r->arms[0].group->name, STR("holdout")) && r->arms[0].control);
	assert_true(r->arms[1].share == 0.3);
	report_free(&r);
	sent(f, "b", 200);
	r = gather(f, &rq);
	assert_true(r->ratio_mismatch);
	report_free(&r);
	/* An arm of former times. */
	sent(f, "old", 50);
	r = gather(f, &rq);
	assert_false(r->ratio_tested);
	assert_true(str_eq(r->arms[0].group->name, STR("holdout")));
	report_free(&r);
}

/* Of a policy's arms the control's share alone is known. */
static void
test_policy(void **state)
{
	struct fixture *f = *state;
	const struct report_request rq = { .control = STR("control"), .control_share = 0.1 };
	sent(f, "control", 100);
	sent(f, "a", 850);
	sent(f, "b", 50);
	struct report *r = gather(f, &rq);
	assert_true(r->ratio_tested && !r->ratio_mismatch && r->ratio_df == 1 && r->ratio_p > 0.99);
	assert_true(r->arms[1].share > 0.849 && r->arms[1].share < 0.851);
	report_free(&r);
	sent(f, "control", 60);
	r = gather(f, &rq);
	assert_true(r->ratio_mismatch);
	report_free(&r);
	/* No share is known. */
	r = gather(f, &(struct report_request){ .control = STR("control") });
	assert_false(r->ratio_tested);
	assert_int_equal(r->narms, 3);
	report_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EVENT_TEST(test_fixed),
		EVENT_TEST(test_policy),
	};
	return cmocka_run_group_tests_name("report-arms", tests, NULL, NULL);
}
