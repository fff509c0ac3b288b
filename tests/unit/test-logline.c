/* Lines of Postfix's log: times, who says it, what it says; and all that others can write into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "feedback/logline.h"

#define HEAD "Nov  6 11:58:44 mail "
#define SENT                                                                            \
	"4F2A81B00C: to=<ann@a.example>, relay=mx.a.example[192.0.2.1]:25, delay=1.2, " \
	"delays=0.1/0/0.5/0.6, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F7)"

static void
expect(const char *line, enum logline_kind kind, const char *to, const char *text)
{
	struct logline l;
	if (!logline_parse(str_of(line), &l))
		fail_msg("not taken: %s", line);
	assert_int_equal(l.kind, kind);
	assert_true(str_eq(kind == LOGLINE_EXPIRED ? l.from : l.to, str_of(to)));
	if (text)
		assert_true(str_eq(l.text, str_of(text)));
}

static void
refuse(const char *line)
{
	struct logline l;
	if (logline_parse(str_of(line), &l))
		fail_msg("taken: %s", line);
}

static void
test_prefixes(void **state)
{
	static const char *const prefixes[] = {
		HEAD "postfix/smtp[123]: ",
		"Nov 16 11:58:44 mail postfix/smtp[123]: ",
		"Nov 16 11:58:44.123456 mail postfix/smtp[123]: ",
		"2026-11-06T11:58:44.123456+01:00 mail postfix/smtp[123]: ",
		"2026-11-06T11:58:44+0100 mail postfix/smtp[123]: ",
		"2026-11-06T11:58:44Z mail postfix/smtp[123]: ",
		"2026-11-06T11:58:44 mail postfix/smtp[123]: ",
		"2026 Nov  6 11:58:44 mail postfix/smtp[123]: ",
		"Nov  6 2026 11:58:44 mail postfix/smtp[123]: ",
		"<22>" HEAD "postfix/smtp[123]: ",
		"<22>1 2026-11-06T11:58:44.123456+01:00 mail postfix/smtp 123 - - ",
		"<22>1 2026-11-06T11:58:44Z mail postfix/smtp 123 - [x@1 a=\"b\\\" ] c\"][y@1] \xef\xbb\xbf",
		HEAD "postfix-out/smtp[123]: ",
		HEAD "postfix/copies/smtp[123]: ",
		HEAD "postfix/smtp: ",
		HEAD "mail.info postfix/lmtp[123]: ",
		HEAD "postfix/pipe[123]: [ID 197553 mail.info] ",
		"Nov  6 11:58:44 postfix/virtual[123]: ",
		HEAD "postfix/local[1]: ",
		HEAD "postfix/error[1]: ",
	};
	(void)state;
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		char line[1024];
		struct logline l;
		snprintf(line, sizeof line, "%s%s", prefixes[i], SENT);
		expect(line, LOGLINE_SENT, "ann@a.example", "250 2.0.0 Ok: queued as 4F7");
		assert_true(logline_parse(str_of(line), &l));
		assert_true(str_eq(l.queue_id, STR("4F2A81B00C")));
		assert_true(str_eq(l.dsn, STR("2.0.0")));
		assert_true(str_eq(l.relay, STR("mx.a.example[192.0.2.1]:25")));
	}
}

static void
test_kinds(void **state)
{
	(void)state;
	expect(HEAD "postfix/smtp[1]: 4bXyZw1Q2Rz9: to=<a@b.example>, orig_to=<x@y.example>, relay=none, "
		    "delay=0, delays=0/0/0/0, dsn=5.4.4, status=bounced (Host or domain name not found. Name "
		    "service error for name=b.example type=A: Host not found)",
	       LOGLINE_BOUNCED, "a@b.example",
	       "Host or domain name not found. Name service error for name=b.example type=A: Host not found");
	expect(HEAD "postfix/smtp[1]: ABCDEF: to=<a@b.example>, relay=none, delay=9, status=deferred (later)",
	       LOGLINE_DEFERRED, "a@b.example", "later");
	expect(HEAD "postfix/smtp[1]: ABCDEF: to=<a@b.example>, relay=none, status=SOFTBOUNCE (x)",
	       LOGLINE_DEFERRED, "a@b.example", "x");
	expect(HEAD
	       "postfix/qmgr[1]: ABCDEF: from=<bounces+x@shop.example>, status=expired, returned to sender",
	       LOGLINE_EXPIRED, "bounces+x@shop.example", NULL);
	/* cut by a syslog daemon */
	expect(HEAD "postfix/smtp[1]: ABCDEF: to=<a@b.example>, relay=none, status=bounced (host said: 55",
	       LOGLINE_BOUNCED, "a@b.example", "host said: 55");
	/* a quoted local part */
	expect(HEAD "postfix/smtp[1]: ABCDEF: to=<\"a>, status=sent (\\\" b\"@b.example>, relay=none, "
		    "status=bounced (no)",
	       LOGLINE_BOUNCED, "\"a>, status=sent (\\\" b\"@b.example", "no");
	/* What a server says is its own affair. */
	expect(HEAD "postfix/smtp[1]: ABCDEF: to=<a@b.example>, relay=mx[1.2.3.4]:25, status=bounced (host "
		    "said: 550 to=<c@d.example>, status=sent (250 ok))",
	       LOGLINE_BOUNCED, "a@b.example", "host said: 550 to=<c@d.example>, status=sent (250 ok)");
}

static void
test_foreign(void **state)
{
	static const char *const lines[] = {
		"",
		"\n",
		" ",
		HEAD,
		HEAD "postfix/smtp[1]: ",
		HEAD "postfix/smtp[1]: ABCDEF: to=<",
		/* others may write what they like into the log */
		HEAD "evil: postfix/smtp[1]: " SENT,
		HEAD "evil[1]: " SENT,
		HEAD "smtp[1]: " SENT,
		HEAD "evil text postfix/smtp[1]: " SENT,
		HEAD "x y.z w postfix/smtp[1]: " SENT,
		HEAD "postfix/cleanup[1]: 4F2A81B00C: warning: header Subject: postfix/smtp[1]: " SENT,
		HEAD "postfix/cleanup[1]: " SENT,
		HEAD "postfix/smtpd[1]: " SENT,
		HEAD "postfix/discard[1]: " SENT,
		HEAD "postfix/smtp[x]: " SENT,
		HEAD "postfix/smtp[]: " SENT,
		"Nov  6 11:58:44 " SENT,
		"Xxx  6 11:58:44 mail postfix/smtp[1]: " SENT,
		"Nov 36 11:58:44 mail postfix/smtp[1]: " SENT,
		"Nov  6 25:58:44 mail postfix/smtp[1]: " SENT,
		"2026-13-06T11:58:44Z mail postfix/smtp[1]: " SENT,
		HEAD "postfix/smtp[1]: NOQ: to=<a@b.example>, relay=none, status=sent (x)",
		HEAD "postfix/smtp[1]: ABC-DEF: to=<a@b.example>, relay=none, status=sent (x)",
		HEAD "postfix/smtp[1]: ABCDEF: to=<>, relay=none, status=sent (x)",
		HEAD "postfix/smtp[1]: ABCDEF: to=<a@b.example>, to=<c@b.example>, status=sent (x)",
		HEAD
		"postfix/smtp[1]: ABCDEF: to=<a@b.example>, orig_to=<a@b>, orig_to=<c@b>, status=sent (x)",
		HEAD "postfix/smtp[1]: ABCDEF: to=<a@b.example>, relay=none",
		HEAD "postfix/smtp[1]: ABCDEF: to=<a@b.example>, status=deliverable (250 ok)",
		HEAD "postfix/smtp[1]: ABCDEF: to=<a@b.example> status=sent (x)",
		HEAD "postfix/qmgr[1]: ABCDEF: from=<a@b.example>, status=sent (x)",
		HEAD "postfix/qmgr[1]: ABCDEF: from=<a@b.example>, size=1, nrcpt=1 (queue active)",
		HEAD "postfix/qmgr[1]: ABCDEF: removed",
	};
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		refuse(lines[i]);
	/* every beginning of a good line is harmless; none but the one that lacks the last word is taken */
	struct str good = STR(HEAD "postfix/smtp[1]: " SENT);
	struct logline l;
	size_t text = str_find(good, STR(" (250"));
	for (size_t n = 0; n < text + 2; n++)
		assert_false(logline_parse(str_sub(good, 0, n), &l));
}

static void
test_relays(void **state)
{
	(void)state;
	assert_true(logline_relay_is(STR("mx.a.example[192.0.2.1]:25"), STR("MX.a.example")));
	assert_true(logline_relay_is(STR("mx.a.example[192.0.2.1]:25"), STR("192.0.2.1")));
	assert_true(logline_relay_is(STR("127.0.0.1[127.0.0.1]:10024"), STR("127.0.0.1")));
	assert_true(logline_relay_is(STR("dovecot"), STR("dovecot")));
	assert_false(logline_relay_is(STR("mx.a.example[192.0.2.1]:25"), STR("192.0.2.10")));
	assert_false(logline_relay_is(STR("mx.a.example[192.0.2.1]:25"), STR("")));
	assert_false(logline_relay_is(STR_NULL, STR("x")));
}

/* ---- times ---- */

static int64_t
ms_of(const char *instant)
{
	int64_t ms;
	assert_int_equal(clock_parse_rfc3339(str_of(instant), &ms, NULL), 0);
	return ms;
}

static void
expect_time(const char *stamp, const char *newest, const char *before, const char *wanted)
{
	char text[64], out[40];
	struct logtime t;
	snprintf(text, sizeof text, "%s x", stamp);
	struct str rest = str_of(text);
	if (!logtime_read(&rest, &t))
		fail_msg("no time: %s", stamp);
	assert_true(str_eq(rest, STR("x")));
	int64_t ms = logtime_ms(&t, ms_of(newest), before ? ms_of(before) : 0);
	assert_string_equal(ms < 0 ? "none" : clock_format_rfc3339(ms, out), wanted);
}

static void
zone(const char *name)
{
	setenv("TZ", name, 1);
	tzset();
}

static void
test_years(void **state)
{
	(void)state;
	zone("UTC");
	expect_time("Nov  6 11:58:44", "2026-11-06T12:00:00Z", NULL, "2026-11-06T11:58:44Z");
	/* read in January */
	expect_time("Dec 31 23:59:59", "2027-01-01T00:00:05Z", NULL, "2026-12-31T23:59:59Z");
	expect_time("Jan  1 00:00:01", "2027-01-01T00:00:05Z", "2026-12-31T23:59:59Z",
		    "2027-01-01T00:00:01Z");
	/* a clock that is ahead a little */
	expect_time("Jan  1 00:00:01", "2026-12-31T23:59:00Z", NULL, "2027-01-01T00:00:01Z");
	/* the file was last written last year */
	expect_time("Nov  6 11:58:44", "2025-11-10T12:00:00Z", NULL, "2025-11-06T11:58:44Z");
	expect_time("Feb 29 12:00:00", "2027-01-01T00:00:00Z", NULL, "2024-02-29T12:00:00Z");
	expect_time("Feb 30 12:00:00", "2027-01-01T00:00:00Z", NULL, "none");
	expect_time("2024 Nov  6 11:58:44", "2026-11-06T12:00:00Z", NULL, "2024-11-06T11:58:44Z");
	expect_time("2026-11-06T11:58:44.25+05:30", "2026-11-06T12:00:00Z", NULL, "2026-11-06T06:28:44.250Z");
	expect_time("2026-11-06T11:58:44-0500", "2026-11-06T12:00:00Z", NULL, "2026-11-06T16:58:44Z");
	expect_time("Nov  6 11:58:44.5", "2026-11-06T12:00:00Z", NULL, "2026-11-06T11:58:44.500Z");
}

static void
test_zones(void **state)
{
	(void)state;
	zone("Europe/Berlin");
	expect_time("Jul  6 11:58:44", "2026-11-06T12:00:00Z", NULL, "2026-07-06T09:58:44Z");
	expect_time("Jan  6 11:58:44", "2026-11-06T12:00:00Z", NULL, "2026-01-06T10:58:44Z");
	expect_time("2026-07-06T11:58:44", "2026-11-06T12:00:00Z", NULL, "2026-07-06T09:58:44Z");
	/* 25 October 2026: three o'clock becomes two */
	expect_time("Oct 25 02:30:00", "2026-11-06T12:00:00Z", "2026-10-25T00:20:00Z",
		    "2026-10-25T00:30:00Z");
	expect_time("Oct 25 02:10:00", "2026-11-06T12:00:00Z", "2026-10-25T00:59:00Z",
		    "2026-10-25T01:10:00Z");
	expect_time("Oct 25 02:59:59", "2026-11-06T12:00:00Z", NULL, "2026-10-25T00:59:59Z");
	zone("UTC");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes), cmocka_unit_test(test_kinds), cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_relays),	 cmocka_unit_test(test_years), cmocka_unit_test(test_zones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
