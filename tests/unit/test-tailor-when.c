/* When a copy may leave: local times, both changes of clocks, and a search minute by minute as judge. */
#include "test-tailor.h"

#include "score/score.h"
#include "tailor/when.h"

#define TARGET "inject { target = \"localhost:25\" }\n"

static int64_t
instant(const char *text)
{
	struct err e = { 0 };
	int64_t ms;
	if (clock_parse_rfc3339(str_of(text), &ms, &e) != 0)
		fail_msg("%s", e.text);
	return ms;
}

static struct conf *
campaign(const char *settings)
{
	struct fixture f = { 0 };
	char text[1024];
	snprintf(text, sizeof(text), TARGET "campaign c {\n%s\n}\n", settings);
	struct conf *c = conf_load_text("test.conf", str_of(text), "/nowhere", test_report, &f);
	if (c == NULL)
		fail_msg("%s", f.e.text);
	return c;
}

struct row {
	const char *settings, *zone, *now, *send_at; /* send_at: NULL: none */
	const char *due, *reason;		     /* reason NULL: now */
};

static void
check_rows(const struct row *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct conf *c = campaign(v[i].settings);
		struct when_ask ask = { .campaign = &c->campaigns[0], .time_zone = v[i].zone };
		struct when w;
		char got[40];
		ask.now_ms = ask.accepted_ms = instant(v[i].now);
		ask.has_send_at = v[i].send_at != NULL;
		if (ask.has_send_at)
			assert_int_equal(clock_parse_moment(str_of(v[i].send_at), &ask.send_at_ms,
							    &ask.send_at_local, NULL),
					 0);
		when_due(&ask, &w);
		if (w.due_ms != instant(v[i].due) || !str_eq(str_of(w.reason), str_of(v[i].reason)))
			fail_msg("row %zu: %s in %s: want %s %s, got %s %s", i, v[i].now, v[i].zone, v[i].due,
				 v[i].reason ? v[i].reason : "now", clock_format_rfc3339(w.due_ms, got),
				 w.reason ? w.reason : "now");
		conf_free(&c);
	}
}
#define CHECK(v) check_rows((v), sizeof(v) / sizeof((v)[0]))

#define NIGHT "quiet_hours = \"22:00-08:00\""
#define OFFICE "send_window = { \"mon-fri 09:00-17:30\", \"sat 10:00-14:00\" }"

static void
test_quiet(void **state)
{
	static const struct row V[] = {
		{ "", "Asia/Tokyo", "2026-03-04T12:00:00+09:00", NULL, "2026-03-04T12:00:00+09:00", NULL },
		{ NIGHT, "Asia/Tokyo", "2026-03-04T21:59:59.999+09:00", NULL, "2026-03-04T21:59:59.999+09:00",
		  NULL },
		{ NIGHT, "Asia/Tokyo", "2026-03-04T22:00:00+09:00", NULL, "2026-03-05T08:00:00+09:00",
		  "quiet-hours" },
		{ NIGHT, "Asia/Tokyo", "2026-03-05T07:59:59.999+09:00", NULL, "2026-03-05T08:00:00+09:00",
		  "quiet-hours" },
		{ NIGHT, "Asia/Tokyo", "2026-03-05T08:00:00+09:00", NULL, "2026-03-05T08:00:00+09:00", NULL },
		/* one instant, many mornings */
		{ NIGHT, "America/Los_Angeles", "2026-03-05T06:30:00Z", NULL, "2026-03-05T08:00:00-08:00",
		  "quiet-hours" },
		{ NIGHT, "Asia/Kathmandu", "2026-03-05T00:30:00Z", NULL, "2026-03-05T08:00:00+05:45",
		  "quiet-hours" },
		{ NIGHT, "Pacific/Chatham", "2026-03-05T10:00:00Z", NULL, "2026-03-06T08:00:00+13:45",
		  "quiet-hours" },
		/* at noon */
		{ "quiet_hours = \"12:00-13:00\"", "UTC", "2026-03-05T12:30:00Z", NULL,
		  "2026-03-05T13:00:00Z", "quiet-hours" },
		{ "quiet_hours = \"20:00-24:00\"", "UTC", "2026-12-31T20:30:00Z", NULL,
		  "2027-01-01T00:00:00Z", "quiet-hours" },
		/* the night of a change is 9 or 11 hours long */
		{ NIGHT, "America/New_York", "2026-03-07T22:00:00-05:00", NULL, "2026-03-08T08:00:00-04:00",
		  "quiet-hours" },
		{ NIGHT, "America/New_York", "2026-10-31T22:00:00-04:00", NULL, "2026-11-01T08:00:00-05:00",
		  "quiet-hours" },
		{ NIGHT, "Europe/Berlin", "2026-03-29T00:30:00+01:00", NULL, "2026-03-29T08:00:00+02:00",
		  "quiet-hours" },
		{ NIGHT, "Europe/Berlin", "2026-10-25T02:30:00+02:00", NULL, "2026-10-25T08:00:00+01:00",
		  "quiet-hours" },
		{ NIGHT, "Europe/Berlin", "2026-10-25T02:30:00+01:00", NULL, "2026-10-25T08:00:00+01:00",
		  "quiet-hours" },
		/* an end that is skipped: when the clock jumps */
		{ "quiet_hours = \"22:00-02:30\"", "America/New_York", "2026-03-08T01:00:00-05:00", NULL,
		  "2026-03-08T03:00:00-04:00", "quiet-hours" },
		{ "quiet_hours = \"22:00-03:00\"", "Pacific/Chatham", "2026-09-27T01:00:00+12:45", NULL,
		  "2026-09-27T03:45:00+13:45", "quiet-hours" },
		/* times that come twice: quiet twice */
		{ "quiet_hours = \"01:00-02:00\"", "America/New_York", "2026-11-01T01:10:00-04:00", NULL,
		  "2026-11-01T02:00:00-05:00", "quiet-hours" },
		{ "quiet_hours = \"22:00-01:30\"", "America/New_York", "2026-11-01T01:40:00-04:00", NULL,
		  "2026-11-01T01:40:00-04:00", NULL },
		{ "quiet_hours = \"22:00-01:30\"", "America/New_York", "2026-11-01T01:10:00-05:00", NULL,
		  "2026-11-01T01:30:00-05:00", "quiet-hours" },
		/* midnight itself is skipped */
		{ "quiet_hours = \"20:00-24:00\"", "America/Santiago", "2026-09-05T21:00:00-04:00", NULL,
		  "2026-09-06T01:00:00-03:00", "quiet-hours" },
	};
	(void)state;
	CHECK(V);
}

static void
test_windows(void **state)
{
	static const struct row V[] = {
		{ OFFICE, "Europe/Berlin", "2026-03-06T17:29:00+01:00", NULL, "2026-03-06T17:29:00+01:00",
		  NULL },
		{ OFFICE, "Europe/Berlin", "2026-03-06T17:30:00+01:00", NULL, "2026-03-07T10:00:00+01:00",
		  "send-window" },
		{ OFFICE, "Europe/Berlin", "2026-03-07T14:00:00+01:00", NULL, "2026-03-09T09:00:00+01:00",
		  "send-window" },
		{ OFFICE, "Europe/Berlin", "2026-03-06T08:00:00+01:00", NULL, "2026-03-06T09:00:00+01:00",
		  "send-window" },
		/* over the weekend of a change: 09:00 by the clock on the wall */
		{ OFFICE, "Europe/Berlin", "2026-03-28T15:00:00+01:00", NULL, "2026-03-30T09:00:00+02:00",
		  "send-window" },
		{ OFFICE, "America/New_York", "2026-03-07T15:00:00-05:00", NULL, "2026-03-09T09:00:00-04:00",
		  "send-window" },
		{ OFFICE, "America/New_York", "2026-10-31T15:00:00-04:00", NULL, "2026-11-02T09:00:00-05:00",
		  "send-window" },
		/* on the day of the change */
		{ "send_window = { \"sun 09:00-10:00\" }", "America/New_York", "2026-03-07T12:00:00-05:00",
		  NULL, "2026-03-08T09:00:00-04:00", "send-window" },
		{ "send_window = { \"sun 09:00-10:00\" }", "America/New_York", "2026-11-01T00:00:00-04:00",
		  NULL, "2026-11-01T09:00:00-05:00", "send-window" },
		/* an edge that is skipped, a window that is skipped whole, a window that comes twice */
		{ "send_window = { \"sun 02:30-05:00\" }", "America/New_York", "2026-03-07T12:00:00-05:00",
		  NULL, "2026-03-08T03:00:00-04:00", "send-window" },
		{ "send_window = { \"02:15-02:45\" }", "America/New_York", "2026-03-07T12:00:00-05:00", NULL,
		  "2026-03-09T02:15:00-04:00", "send-window" },
		{ "send_window = { \"sun 02:15-02:45\" }", "America/New_York", "2026-03-07T12:00:00-05:00",
		  NULL, "2026-03-15T02:15:00-04:00", "send-window" },
		{ "send_window = { \"sun 01:30-02:00\" }", "America/New_York", "2026-11-01T00:00:00-04:00",
		  NULL, "2026-11-01T01:30:00-04:00", "send-window" },
		{ "send_window = { \"sun 01:30-02:00\" }", "America/New_York", "2026-11-01T01:10:00-05:00",
		  NULL, "2026-11-01T01:30:00-05:00", "send-window" },
		{ "send_window = { \"sun 02:50-03:30\" }", "Pacific/Chatham", "2026-09-26T12:00:00+12:45",
		  NULL, "2026-10-04T02:50:00+13:45", "send-window" },
		/* over midnight: the night belongs to Friday */
		{ "send_window = { \"fri 22:00-02:00\" }", "Asia/Kathmandu", "2026-03-07T01:59:00+05:45",
		  NULL, "2026-03-07T01:59:00+05:45", NULL },
		{ "send_window = { \"fri 22:00-02:00\" }", "Asia/Kathmandu", "2026-03-07T02:00:00+05:45",
		  NULL, "2026-03-13T22:00:00+05:45", "send-window" },
		/* both: what kept it last is the reason */
		{ NIGHT "\nsend_window = { \"mon-fri 07:00-17:00\" }", "UTC", "2026-03-06T18:00:00Z", NULL,
		  "2026-03-09T08:00:00Z", "quiet-hours" },
		{ NIGHT "\nsend_window = { \"mon-fri 09:00-17:00\" }", "UTC", "2026-03-06T23:00:00Z", NULL,
		  "2026-03-09T09:00:00Z", "send-window" },
		/* zones that nobody knows: the campaign's, which has UTC by default */
		{ NIGHT, "Europe/Nowhere", "2026-03-06T23:00:00Z", NULL, "2026-03-07T08:00:00Z",
		  "quiet-hours" },
		{ NIGHT "\ntime_zone = \"Asia/Tokyo\"", "../../etc/passwd", "2026-03-06T14:00:00Z", NULL,
		  "2026-03-07T08:00:00+09:00", "quiet-hours" },
		{ NIGHT "\ntime_zone = \"Asia/Tokyo\"", NULL, "2026-03-06T14:00:00Z", NULL,
		  "2026-03-07T08:00:00+09:00", "quiet-hours" },
	};
	(void)state;
	CHECK(V);
}

#define START(text) "start = \"" text "\""

static void
test_start(void **state)
{
	static const struct row V[] = {
		{ START("2026-12-01T09:00:00+01:00"), "Asia/Tokyo", "2026-11-30T00:00:00Z", NULL,
		  "2026-12-01T08:00:00Z", "start" },
		{ START("2026-12-01T09:00"), "Asia/Tokyo", "2026-11-30T00:00:00Z", NULL,
		  "2026-12-01T09:00:00+09:00", "start" },
		{ START("2026-12-01T09:00"), "America/New_York", "2026-11-30T00:00:00Z", NULL,
		  "2026-12-01T09:00:00-05:00", "start" },
		{ START("2026-12-01T09:00"), "Asia/Tokyo", "2026-12-01T00:00:00Z", NULL,
		  "2026-12-01T00:00:00Z", NULL },
		/* the later of both */
		{ START("2026-12-01T09:00"), "UTC", "2026-11-30T00:00:00Z", "2026-12-02T10:00:00Z",
		  "2026-12-02T10:00:00Z", "send-at" },
		{ START("2026-12-01T09:00"), "UTC", "2026-11-30T00:00:00Z", "2026-11-30T10:00",
		  "2026-12-01T09:00:00Z", "start" },
		{ "", "UTC", "2026-11-30T00:00:00Z", "2026-11-29T10:00", "2026-11-30T00:00:00Z", NULL },
		{ "", "Pacific/Chatham", "2026-11-30T00:00:00Z", "2026-12-01T10:00:00.250",
		  "2026-12-01T10:00:00.250+13:45", "send-at" },
		/* in the night, on a Sunday */
		{ NIGHT, "Asia/Tokyo", "2026-03-01T00:00:00Z", "2026-03-04T23:00",
		  "2026-03-05T08:00:00+09:00", "quiet-hours" },
		{ OFFICE, "Asia/Tokyo", "2026-03-01T00:00:00Z", "2026-03-08T12:00",
		  "2026-03-09T09:00:00+09:00", "send-window" },
		/* on days of change; a time that is skipped, one that comes twice */
		{ "", "America/New_York", "2026-03-01T00:00:00Z", "2026-03-08T09:00",
		  "2026-03-08T09:00:00-04:00", "send-at" },
		{ "", "America/New_York", "2026-03-01T00:00:00Z", "2026-03-08T01:59:59",
		  "2026-03-08T01:59:59-05:00", "send-at" },
		{ "", "America/New_York", "2026-03-01T00:00:00Z", "2026-03-08T02:00",
		  "2026-03-08T03:00:00-04:00", "send-at" },
		{ "", "America/New_York", "2026-03-01T00:00:00Z", "2026-03-08T02:30",
		  "2026-03-08T03:00:00-04:00", "send-at" },
		{ "", "America/New_York", "2026-03-01T00:00:00Z", "2026-03-08T03:00",
		  "2026-03-08T03:00:00-04:00", "send-at" },
		{ "", "America/New_York", "2026-03-01T00:00:00Z", "2026-11-01T00:59:59",
		  "2026-11-01T00:59:59-04:00", "send-at" },
		{ "", "America/New_York", "2026-03-01T00:00:00Z", "2026-11-01T01:30",
		  "2026-11-01T01:30:00-04:00", "send-at" },
		{ "", "America/New_York", "2026-03-01T00:00:00Z", "2026-11-01T02:00",
		  "2026-11-01T02:00:00-05:00", "send-at" },
		{ "", "America/New_York", "2026-03-01T00:00:00Z", "2026-11-01T09:00",
		  "2026-11-01T09:00:00-05:00", "send-at" },
		{ "", "Europe/Berlin", "2026-03-01T00:00:00Z", "2026-03-29T02:15",
		  "2026-03-29T03:00:00+02:00", "send-at" },
		{ "", "Europe/Berlin", "2026-03-01T00:00:00Z", "2026-10-25T02:15",
		  "2026-10-25T02:15:00+02:00", "send-at" },
		{ "", "Pacific/Chatham", "2026-03-01T00:00:00Z", "2026-09-27T03:00",
		  "2026-09-27T03:45:00+13:45", "send-at" },
		{ "", "Australia/Lord_Howe", "2026-03-01T00:00:00Z", "2026-10-04T02:15",
		  "2026-10-04T02:30:00+11:00", "send-at" },
		{ "", "Pacific/Apia", "2011-12-01T00:00:00Z", "2011-12-30T12:00", "2011-12-31T00:00:00+14:00",
		  "send-at" },
	};
	(void)state;
	CHECK(V);
}

/* What is wanted counts from acceptance, also when that is past; a clock set back makes nobody wait. */
static void
test_wanted(void **state)
{
	struct conf *c = campaign(START("2026-03-04T09:00"));
	struct when_ask ask = { .campaign = &c->campaigns[0],
				.time_zone = "UTC",
				.accepted_ms = instant("2026-03-05T00:00:00Z"),
				.now_ms = instant("2026-03-09T00:00:00Z") };
	struct when w;
	(void)state;
	when_due(&ask, &w);
	assert_int_equal(w.wanted_ms, ask.accepted_ms);
	assert_int_equal(w.due_ms, ask.now_ms);
	assert_null(w.reason);
	ask.accepted_ms = instant("2026-03-03T00:00:00Z");
	when_due(&ask, &w);
	assert_int_equal(w.wanted_ms, instant("2026-03-04T09:00:00Z"));
	assert_null(w.reason);
	ask.accepted_ms = instant("2026-03-10T00:00:00Z");
	when_due(&ask, &w);
	assert_int_equal(w.due_ms, ask.now_ms);
	assert_null(w.reason);
	conf_free(&c);
}

/* ---- against a search minute by minute ---- */

static const char *const ZONES[] = { "UTC",
				     "Asia/Tokyo",
				     "America/New_York",
				     "Europe/Berlin",
				     "Asia/Kathmandu",
				     "Pacific/Chatham",
				     "America/Santiago",
				     "Africa/Cairo",
				     "Asia/Beirut",
				     "Australia/Lord_Howe",
				     "Africa/Casablanca" };

static uint32_t seed = 20260329;

static uint32_t
random_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static bool
open_at(const struct conf_campaign *c, const char *zone, int64_t ms)
{
	struct score_time t;
	score_local_time(ms, zone, &t);
	return conf_campaign_open(c, t.weekday - 1, t.hour * 60 + t.minute);
}

static void
hours_random(struct conf_hours *h)
{
	do {
		h->from = (int)random_below(96) * 15;
		h->to = (int)random_below(97) * 15;
	} while (h->from == h->to);
}

static void
test_search(void **state)
{
	(void)state;
	for (int round = 0; round < 1500; round++) {
		struct conf_window windows[3];
		struct conf_campaign c = { .send_windows = windows, .nsend_windows = random_below(4) };
		const char *zone = ZONES[random_below(sizeof(ZONES) / sizeof(ZONES[0]))];
		/* hours around both changes of some zone, or anywhere in the year */
		int64_t from = instant("2026-01-01T00:00:00Z") + (int64_t)random_below(365 * 1440) * 60000,
			at;
		if (round % 2)
			from = instant(round % 4 == 1 ? "2026-03-07T06:00:00Z" : "2026-10-24T00:00:00Z") +
			       (int64_t)random_below(9 * 1440) * 60000;
		c.has_quiet_hours = random_below(2);
		if (c.has_quiet_hours)
			hours_random(&c.quiet_hours);
		for (size_t i = 0; i < c.nsend_windows; i++) {
			windows[i].days = (uint8_t)(1 + random_below(127));
			hours_random(&windows[i].hours);
		}
		for (at = from; at < from + 30 * 86400000LL && !open_at(&c, zone, at); at += 60000)
			;
		int64_t got = when_open(&c, zone, from);
		if (at >= from + 30 * 86400000LL ? got < at : got != at)
			fail_msg("round %d, %s, from %lld: %lld, not %lld", round, zone, (long long)from,
				 (long long)got, (long long)at);
	}
}

/* The first moment at which the clock shows that time or a later one. */
static void
test_local(void **state)
{
	(void)state;
	for (int round = 0; round < 3000; round++) {
		const char *zone = ZONES[random_below(sizeof(ZONES) / sizeof(ZONES[0]))];
		int64_t wall = instant("2026-01-01T00:00:00Z") + (int64_t)random_below(365 * 96) * 900000, at;
		struct score_time t;
		if (round % 2)
			wall = instant(round % 4 == 1 ? "2026-03-08T00:00:00Z" : "2026-10-25T00:00:00Z") +
			       (int64_t)random_below(8 * 96) * 900000;
		for (at = wall - 15 * 3600000LL;; at += 900000) {
			score_local_time(at, zone, &t);
			if (at + t.offset_s * 1000LL >= wall)
				break;
		}
		int64_t got = when_local(wall, zone);
		if (got != at)
			fail_msg("%s, %lld: %lld, not %lld", zone, (long long)wall, (long long)got,
				 (long long)at);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),  cmocka_unit_test(test_windows), cmocka_unit_test(test_start),
		cmocka_unit_test(test_wanted), cmocka_unit_test(test_search),  cmocka_unit_test(test_local),
	};
	return cmocka_run_group_tests_name("tailor-when", tests, NULL, NULL);
}
