/* Decisions about time: later, too late, and caps that wait. */
#include "test-tailor.h"

#define TARGET "inject { target = \"localhost:25\" }\n"
#define HOUR 3600000LL
#define DAY (24 * HOUR)

static void
decide(struct fixture *f, struct tailor_decision *d)
{
	tailor_decide(f->m, &f->in, f->a, d);
}

static void
expect_later(struct fixture *f, const char *reason, int64_t due_ms, const char *text)
{
	struct tailor_decision d;
	decide(f, &d);
	assert_int_equal(d.verdict, TAILOR_LATER);
	assert_string_equal(d.reason, reason);
	assert_int_equal(d.due_ms, due_ms);
	assert_string_equal(d.text.p, text);
}

static void
expect(struct fixture *f, enum tailor_verdict verdict, const char *reason, const char *text)
{
	struct tailor_decision d;
	decide(f, &d);
	assert_int_equal(d.verdict, verdict);
	assert_string_equal(d.reason, reason);
	assert_int_equal(d.due_ms, 0);
	assert_string_equal(d.text.p, text);
}

static struct fixture *
fixture_target(const char *settings)
{
	struct fixture *f = fixture_try(settings, TARGET);
	assert_non_null(f->cache);
	return f;
}

/* TEST_NOW is 2026-03-29T09:00:00Z, 18:00 in Tokyo. */
static void
test_schedule(void **state)
{
	struct fixture *f = fixture_target("quiet_hours = \"17:00-08:00\"\nrequire_consent = yes\n");
	struct recipient_snapshot *r = &f->recipient;
	(void)state;
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nx")), 0);
	r->time_zone = "Asia/Tokyo";
	/* what the recipient said comes first */
	expect(f, TAILOR_DROP, "consent", "no consent is recorded and the campaign requires it");
	r->mail_granted = true;
	expect_later(f, "quiet-hours", TEST_NOW + 14 * HOUR, "due 2026-03-29T23:00:00Z, 08:00 in Asia/Tokyo");
	r->time_zone = "Europe/Berlin"; /* 11:00, since this morning in summer time */
	expect(f, TAILOR_SEND, "send", "");
	/* what waits is not rendered, and explained */
	r->time_zone = "Asia/Tokyo";
	f->in.explain = true;
	assert_int_equal(render(f, "{}"), 0);
	assert_int_equal(f->plan.decision.verdict, TAILOR_LATER);
	assert_int_equal(f->out.n, 0);
	assert_true(str_eq(value_map_get(f->plan.explain, STR("verdict"))->s, STR("later")));
	assert_true(str_eq(value_map_get(f->plan.explain, STR("due"))->s, STR("2026-03-29T23:00:00Z")));
	fixture_free(f);
}

static void
test_send_at(void **state)
{
	static const struct {
		const char *field, *zone;
		int64_t after; /* TEST_NOW; 0: now */
	} V[] = {
		{ "2026-03-29T12:00:00+02:00", "Asia/Tokyo", HOUR },
		{ "2026-03-29T12:00:00Z", "Asia/Tokyo", 3 * HOUR },
		{ "2026-03-30T09:00", "Asia/Tokyo", 15 * HOUR },
		{ "2026-03-30T09:00:00", "America/New_York", 28 * HOUR },
		{ "2026-03-30 09:00", "UTC", DAY },
		{ "\n 2026-03-30 09:00 ", "UTC", DAY },
		{ "2026-03-29T08:59:59Z", "UTC", 0 },
		{ "1999-01-01T00:00:00Z", "UTC", 0 },
	};
	static const char *const bad[] = { "",
					   "tomorrow",
					   "09:00",
					   "2026-03-30",
					   "2026-03-30T09:00 Europe/Berlin",
					   "Mon, 30 Mar 2026 09:00:00 +0200",
					   "2026-02-29T09:00:00Z" };
	struct fixture *f = fixture_target("");
	struct buf b = { 0 };
	struct tailor_decision d;
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		buf_reset(&b);
		buf_printf(&b, "X-Mailtailor-Send-At: %s\n" TEST_HEAD "\nx", V[i].field);
		assert_int_equal(prepare(f, buf_str(&b)), 0);
		f->recipient.time_zone = V[i].zone;
		decide(f, &d);
		if (d.verdict != (V[i].after ? TAILOR_LATER : TAILOR_SEND) ||
		    (V[i].after && (d.due_ms != TEST_NOW + V[i].after || strcmp(d.reason, "send-at") != 0)))
			fail_msg("%s: %s %lld", V[i].field, d.reason, (long long)(d.due_ms - TEST_NOW));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_reset(&b);
		buf_printf(&b, "X-Mailtailor-Send-At: %s\n" TEST_HEAD "\nx", bad[i]);
		assert_int_equal(prepare(f, buf_str(&b)), -1);
		assert_int_equal(f->e.kind, ERR_INPUT);
		assert_non_null(strstr(f->e.text, "X-Mailtailor-Send-At: \""));
		assert_non_null(strstr(f->e.text, "is no time; write it as 2026-03-29T09:00:00+02:00"));
	}
	assert_int_equal(prepare(f, str_of("X-Mailtailor-Send-At: 2026-03-30 09:00\nx-mailtailor-send-at: "
					   "2026-03-30 09:00\n" TEST_HEAD "\nx")),
			 -1);
	assert_non_null(strstr(f->e.text, "there are two"));
	fixture_free(f);
	/* nothing to send it to later */
	f = fixture_new("");
	assert_int_equal(prepare(f, str_of("X-Mailtailor-Send-At: 2026-03-30 09:00\n" TEST_HEAD "\nx")), -1);
	assert_int_equal(f->e.kind, ERR_CONFIG);
	fixture_free(f);
	buf_free(&b);
}

/* A copy that would wait for years waits for a year that nobody meant; and who prepares it later, by whatever
 * clock, does not ask. */
static void
test_send_at_ahead(void **state)
{
	static const struct {
		const char *field;
		int rc;
	} V[] = {
		{ "2027-03-30T09:00:00Z", 0 }, /* TEST_NOW and 366 days */
		{ "2027-03-30T09:00:01Z", -1 }, { "2036-03-30T09:00", -1 },
		{ "9999-12-31T23:59:59Z", -1 }, { "1999-01-01T00:00:00Z", 0 },
	};
	struct fixture *f = fixture_target("");
	struct buf b = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		struct err e = { 0 };
		buf_reset(&b);
		buf_printf(&b, "X-Mailtailor-Send-At: %s\n" TEST_HEAD "\nx", V[i].field);
		assert_int_equal(prepare(f, buf_str(&b)), 0);
		if (tailor_message_timely(f->m, TEST_NOW, &e) != V[i].rc)
			fail_msg("%s: %s", V[i].field, e.text);
		assert_int_equal(e.kind, V[i].rc ? ERR_INPUT : ERR_NONE);
	}
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nx")), 0);
	assert_int_equal(tailor_message_timely(f->m, TEST_NOW, NULL), 0);
	fixture_free(f);
	buf_free(&b);
}

/* The field is in no copy, and a message with another time is another message. */
static void
test_send_at_field(void **state)
{
	struct fixture *f = fixture_target(NO_TRACKING "list_unsubscribe = no\n");
	struct str one[2], two[2];
	(void)state;
	assert_int_equal(prepare(f, str_of("X-Mailtailor-Send-At: 2026-03-28 09:00\n" TEST_HEAD "\nx")), 0);
	tailor_message_content(f->m, f->a, one);
	assert_int_equal(render(f, "{}"), 0);
	assert_null(header_of(f, "X-Mailtailor-Send-At"));
	assert_int_equal(prepare(f, str_of("X-Mailtailor-Send-At: 2026-03-29 09:00\n" TEST_HEAD "\nx")), 0);
	tailor_message_content(f->m, f->a, two);
	assert_false(str_eq(one[0], two[0]));
	fixture_free(f);
}

static void
test_too_late(void **state)
{
	struct fixture *f = fixture_target("send_window = { \"mon 09:00-10:00\" }\nmax_delay = 2d\n");
	(void)state;
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nx")), 0);
	/* a Sunday: Monday will do, the Monday after would not */
	expect_later(f, "send-window", TEST_NOW + DAY, "due 2026-03-30T09:00:00Z, 09:00 in UTC");
	f->in.now_ms = f->in.accepted_ms = TEST_NOW + DAY + 2 * HOUR;
	expect(f, TAILOR_DROP, "too-late",
	       "it could leave 2026-04-06T09:00:00Z, more than max_delay (2d) after it was wanted "
	       "(2026-03-30T11:00:00Z)");
	/* open now, but wanted long ago: mailtailord was down, say */
	f->in.now_ms = TEST_NOW + DAY;
	f->in.accepted_ms = f->in.now_ms - 2 * DAY;
	expect(f, TAILOR_SEND, "send", "");
	f->in.accepted_ms--;
	expect(f, TAILOR_DROP, "too-late",
	       "it could leave 2026-03-30T09:00:00Z, more than max_delay (2d) after it was wanted "
	       "(2026-03-28T08:59:59.999Z)");
	/* that the MTA did not take it is another matter */
	f->in.attempted = true;
	expect(f, TAILOR_SEND, "send", "");
	f->in.now_ms += HOUR;
	expect_later(f, "send-window", TEST_NOW + 8 * DAY, "due 2026-04-06T09:00:00Z, 09:00 in UTC");
	fixture_free(f);
}

/* Two years ahead is not late when that is what was wanted. */
static void
test_wanted(void **state)
{
	struct fixture *f = fixture_target("start = \"2028-02-29T09:00\"\nmax_delay = 0s\n");
	(void)state;
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nx")), 0);
	expect_later(f, "start", TEST_NOW + (365 + 337) * DAY, "due 2028-02-29T09:00:00Z, 09:00 in UTC");
	fixture_free(f);
}

static void
test_caps(void **state)
{
	struct fixture *f = fixture_target("quiet_hours = \"22:00-08:00\"\n");
	struct conf_cap caps[3] = {
		{ .name = "week", .limit = 2, .window_ms = 7 * DAY, .action = CONF_CAP_DEFER },
		{ .name = "day", .limit = 1, .window_ms = DAY, .action = CONF_CAP_DEFER },
		{ .name = "hour", .limit = 1, .window_ms = HOUR },
	};
	struct snapshot_cap used[3] = { { .cap = &caps[0], .used = 2, .room_ms = TEST_NOW + 20 * HOUR },
					{ .cap = &caps[1], .used = 1, .room_ms = TEST_NOW + 24 * HOUR },
					{ .cap = &caps[2], .used = 1, .room_ms = TEST_NOW + HOUR } };
	struct recipient_snapshot *r = &f->recipient;
	(void)state;
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nx")), 0);
	r->caps = used;
	r->ncaps = 3;
	/* waiting for what will be dropped would be in vain */
	expect(f, TAILOR_DROP, "cap", "cap \"hour\" is full: 1 of 1 in 1h");
	/* of those that wait the one that has room last */
	r->ncaps = 2;
	expect_later(f, "cap", TEST_NOW + DAY,
		     "cap \"day\" is full: 1 of 1 in 1d; due 2026-03-30T09:00:00Z, 09:00 in UTC");
	/* room at 05:00: not in quiet hours */
	r->ncaps = 1;
	expect_later(f, "cap", TEST_NOW + 23 * HOUR,
		     "cap \"week\" is full: 2 of 2 in 7d; due 2026-03-30T08:00:00Z, 08:00 in UTC");
	/* up to max_delay, by default 3d, and no longer */
	used[0].room_ms = TEST_NOW + 3 * DAY;
	expect_later(f, "cap", TEST_NOW + 3 * DAY,
		     "cap \"week\" is full: 2 of 2 in 7d; due 2026-04-01T09:00:00Z, 09:00 in UTC");
	used[0].room_ms++;
	expect(
	    f, TAILOR_DROP, "cap",
	    "cap \"week\" is full: 2 of 2 in 7d, and has room 2026-04-01T09:00:00.001Z, more than max_delay "
	    "(3d) after it was wanted (2026-03-29T09:00:00Z)");
	r->reserved = true;
	expect(f, TAILOR_SEND, "send", "");
	fixture_free(f);
}

/* Who has waited long asks again after a sixteenth of that time, and in time. */
static void
test_patience(void **state)
{
	struct fixture *f = fixture_target("max_delay = 10h\n");
	struct conf_cap cap = { .name = "domain", .limit = 1, .window_ms = DAY, .action = CONF_CAP_DEFER };
	struct tailor_decision d;
	int64_t now = TEST_NOW, last = TEST_NOW + 10 * HOUR;
	int asked = 0;
	(void)state;
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nx")), 0);
	f->in.accepted_ms = TEST_NOW;
	for (; now < last; now = d.due_ms, asked++) { /* every millisecond a place that another gets */
		f->in.now_ms = now;
		tailor_decide_cap(f->m, &f->in, &cap, 1, now, f->a, &d);
		assert_int_equal(d.verdict, TAILOR_LATER);
		assert_true(d.due_ms > now && d.due_ms <= last);
	}
	assert_int_equal(now, last);
	assert_in_range(asked, 20, 300);
	f->in.now_ms = last;
	tailor_decide_cap(f->m, &f->in, &cap, 1, last, f->a, &d);
	assert_int_equal(d.verdict, TAILOR_DROP);
	/* the MTA was asked before: max_delay has no say */
	f->in.attempted = true;
	tailor_decide_cap(f->m, &f->in, &cap, 1, last + HOUR, f->a, &d);
	assert_int_equal(d.verdict, TAILOR_LATER);
	assert_int_equal(d.due_ms, last + HOUR);
	fixture_free(f);
}

/* An arm that is not drawn yet may have an hour: neither the campaign's nor max_delay comes before it. */
static void
test_arm_hours(void **state)
{
	struct fixture *f = fixture_target("send_hour = 20\nmax_delay = 1h\nquiet_hours = \"08:00-11:00\"\n"
					   "policy { kind = epsilon-greedy }\n"
					   "arm soon { }\narm dawn { send_hour = 5 }\n");
	struct conf_cap cap = { .name = "day", .limit = 1, .window_ms = DAY, .action = CONF_CAP_DEFER };
	const struct conf_arm *arms = f->conf->campaigns[0].arms;
	struct tailor_decision d;
	(void)state;
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nx")), 0);
	/* 09:00, quiet until 11:00: that is too late for no arm that wants 05:00 */
	expect_later(f, "quiet-hours", TEST_NOW + 2 * HOUR, "due 2026-03-29T11:00:00Z, 11:00 in UTC");
	f->in.accepted_ms = TEST_NOW;
	f->in.now_ms = TEST_NOW + 2 * HOUR;
	expect(f, TAILOR_SEND, "send", "");
	f->in.arm = (struct tailor_arm){ .arm = &arms[1], .propensity = 0.5 };
	expect_later(f, "send-hour", TEST_NOW + 20 * HOUR,
		     "arm dawn 0.5: due 2026-03-30T05:00:00Z, 05:00 in UTC");
	f->in.arm.arm = &arms[0];
	expect_later(f, "send-hour", TEST_NOW + 11 * HOUR,
		     "arm soon 0.5: due 2026-03-29T20:00:00Z, 20:00 in UTC");
	/* At its hour another copy takes the last place before this one is reserved. */
	f->in.now_ms = TEST_NOW + 11 * HOUR;
	tailor_decide_cap(f->m, &f->in, &cap, 1, f->in.now_ms + HOUR / 2, f->a, &d);
	assert_int_equal(d.verdict, TAILOR_LATER);
	assert_true(str_starts(d.text, STR("arm soon 0.5: cap \"day\" is full")));
	/* Nor does one that is not drawn wait for ever: max_delay counts from the last hour that it could
	 * want. */
	f->in.arm.arm = NULL;
	tailor_decide_cap(f->m, &f->in, &cap, 1, TEST_NOW + 3 * DAY, f->a, &d);
	assert_int_equal(d.verdict, TAILOR_DROP);
	fixture_free(f);
}

int
main(void)
{
	mail_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedule),      cmocka_unit_test(test_send_at),
		cmocka_unit_test(test_send_at_ahead), cmocka_unit_test(test_send_at_field),
		cmocka_unit_test(test_too_late),      cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_caps),	      cmocka_unit_test(test_patience),
		cmocka_unit_test(test_arm_hours),
	};
	return cmocka_run_group_tests_name("tailor-later", tests, NULL, NULL);
}
