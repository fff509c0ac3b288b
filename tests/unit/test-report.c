/*
 * test-report: delivery reports against their golden files, their structure as our own parser sees it, and
 * inputs that try to be more than values.
 *
 *     UPDATE=1 build/tests/test-report    writes the golden files anew: read the diff
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "inject/report-private.h"
#include "mail/mail.h"

#define T0 ((int64_t)1764104666000) /* 2025-11-25 21:04:26 UTC */

#define HEADER                                                                                             \
	"Received: from app (localhost [127.0.0.1])\r\n\tby mail.shop.example; Tue, 25 Nov 2025 21:04:26 " \
	"+0000\r\n"                                                                                        \
	"From: Shop <shop@shop.example>\r\nTo: ann+news@example.test\r\nSubject: Hello {{name}}\r\n"       \
	"X-Mailtailor-Data: {\"name\":\"Ann\",\r\n \"age\":33}\r\n"                                        \
	"Message-ID: <1@shop.example>\r\nDate: Tue, 25 Nov 2025 21:04:25 +0000\r\n"
#define DIAGNOSTIC                                                                                        \
	"550 5.1.1 <ann+news@example.test>: Recipient address rejected: User unknown in virtual mailbox " \
	"table"

static const struct report refused = {
	.reporting_mta = "mail.shop.example",
	.from = "mailer-daemon@mail.shop.example",
	.message_id = { "<report.77c0@mail.shop.example>", 31 },
	.now_ms = T0 + 60000,
	.to = { "bounces@shop.example", 20 },
	.recipient = { "ann+news@example.test", 21 },
	.orcpt = { "rfc822;ann+2Bnews@example.test", 30 },
	.envid = { "campaign-7+3Da", 14 },
	.status = "5.1.1",
	.diagnostic = { DIAGNOSTIC, sizeof DIAGNOSTIC - 1 },
	.smtp = true,
	.arrival_ms = T0,
	.last_attempt_ms = T0 + 59000,
	.attempts = 1,
	.header = { HEADER, sizeof HEADER - 1 },
};

/* 7bit or declared 8bit, CRLF only, lines that fit. */
static void
wire_check(struct str m, bool eightbit)
{
	size_t line = 0;

	assert_true(str_ends(m, STR("--\r\n")));
	for (size_t i = 0; i < m.n; i++) {
		unsigned char c = (unsigned char)m.p[i];

		assert_true(c != '\n' || m.p[i - 1] == '\r');
		assert_true(c != '\r' || m.p[i + 1] == '\n');
		assert_true(c >= ' ' || c == '\t' || c == '\r' || c == '\n');
		assert_true(c < 0x80 || eightbit);
		line = c == '\n' ? 0 : line + 1;
		assert_true(line <= 999);
	}
}

struct parsed {
	struct arena *a;
	struct mail m;
	const struct mail_part *text, *status, *original;
};

static struct str
body(const struct parsed *p, const struct mail_part *part)
{
	return str_sub(p->m.bytes, part->body_start, part->body_end);
}

static void
parse(struct parsed *p, struct str message)
{
	struct err e;
	const struct mail_field *type;

	p->a = arena_new(65536);
	assert_int_equal(mail_parse(p->a, message, NULL, &p->m, &e), 0);
	assert_true(str_eq(p->m.root->type, STR("multipart")) && str_eq(p->m.root->subtype, STR("report")));
	type = mail_fields_find(&p->m.root->fields, STR("Content-Type"));
	assert_true(str_find(type->value, STR("report-type=delivery-status")) < type->value.n);
	p->text = p->m.root->child;
	p->status = p->text->next;
	p->original = p->status->next;
	assert_null(p->original->next);
	assert_true(str_eq(p->text->type, STR("text")) && str_eq(p->text->subtype, STR("plain")));
	assert_true(str_eq(p->status->type, STR("message")) &&
		    str_eq(p->status->subtype, STR("delivery-status")));
}

/* The value of a field of the delivery status; group 0 is per message, 1 per recipient. Unfolded. */
static struct str
status_field(const struct parsed *p, int group, const char *name)
{
	struct str all = body(p, p->status);
	size_t cut = str_find(all, STR("\r\n\r\n"));
	struct mail_fields f;
	const struct mail_field *v;

	assert_true(cut < all.n);
	mail_fields_split(p->a, group == 0 ? str_sub(all, 0, cut + 2) : str_sub(all, cut + 4, all.n), &f);
	v = mail_fields_find(&f, str_of(name));
	return v ? mail_header_decode(p->a, v->value) : STR_NULL;
}

static void
expect(struct str got, const char *want)
{
	if (!str_eq(got, str_of(want)))
		fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(got), want);
}

/* ---- golden ---- */

static void
golden(const struct report *r, const char *name, unsigned needs)
{
	struct buf got = { 0 }, want = { 0 };
	char path[100], block[4096];
	size_t n;
	FILE *f;

	assert_int_equal(report_make(&got, r), needs);
	wire_check(buf_str(&got), needs & REPORT_EIGHTBIT);
	snprintf(path, sizeof path, "tests/golden/report/%s.eml", name);
	if (getenv("UPDATE")) {
		f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(got.p, 1, got.n, f), got.n);
		fclose(f);
	}
	f = fopen(path, "r");
	if (!f)
		fail_msg("cannot read %s: run from the top of the source tree", path);
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(&want, block, n);
	fclose(f);
	if (!str_eq(buf_str(&got), buf_str(&want)))
		fail_msg("%s is not what comes out now:\n%s", path, got.p);
	buf_free(&got);
	buf_free(&want);
}

static void
test_golden(void **state)
{
	struct report r = refused;

	(void)state;
	golden(&r, "refused", 0);
	r.recipient = STR("gr\xc3\xbc\xc3\x9f+e@b\xc3\xbc"
			  "cher.example");
	r.to = STR("ann\xc3\xa9@shop.example");
	r.orcpt = STR("utf-8;gr\\x{FC}\\x{DF}\\x{2B}e@b\\x{FC}cher.example");
	r.envid = STR_NULL;
	r.status = NULL;
	r.smtp = false;
	r.expired = true;
	r.attempts = 14;
	r.diagnostic = STR("connect: cannot connect to 127.0.0.1:10026: Connection refused");
	golden(&r, "expired-utf8", REPORT_EIGHTBIT | REPORT_SMTPUTF8);
	r = refused;
	r.ret = STR("FULL");
	r.full =
	    STR("From: Shop <shop@shop.example>\nX-Mailtailor-Campaign: spring\nSubject: Gr\xc3\xbc\xc3\x9f"
		"e\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\nSch\xc3\xb6n.\n.\n");
	r.status = "5.7.1";
	r.diagnostic = STR("554 5.7.1 Message rejected as spam");
	golden(&r, "full", REPORT_EIGHTBIT);
}

/* ---- structure ---- */

static void
test_structure(void **state)
{
	struct buf b = { 0 };
	struct parsed p;
	struct str v;

	(void)state;
	assert_int_equal(report_make(&b, &refused), 0);
	parse(&p, buf_str(&b));
	expect(status_field(&p, 0, "Reporting-MTA"), "dns;mail.shop.example");
	expect(status_field(&p, 0, "Original-Envelope-Id"), "campaign-7=a");
	expect(status_field(&p, 0, "Arrival-Date"), "Tue, 25 Nov 2025 21:04:26 +0000");
	expect(status_field(&p, 1, "Original-Recipient"), "rfc822;ann+news@example.test");
	expect(status_field(&p, 1, "Final-Recipient"), "rfc822;ann+news@example.test");
	expect(status_field(&p, 1, "Action"), "failed");
	expect(status_field(&p, 1, "Status"), "5.1.1");
	v = status_field(&p, 1, "Diagnostic-Code");
	assert_true(str_starts(v, STR("smtp; 550 5.1.1 <ann+news@example.test>: ")) &&
		    str_ends(v, STR("mailbox table")));
	expect(status_field(&p, 1, "Last-Attempt-Date"), "Tue, 25 Nov 2025 21:05:25 +0000");
	assert_true(str_eq(p.original->subtype, STR("rfc822-headers")));
	v = body(&p, p.original);
	assert_true(str_starts(v, STR("Received: from app")) && str_find(v, STR("\r\nDate: ")) < v.n);
	assert_int_equal(str_find(v, STR("ailor-Data")), v.n);
	assert_int_equal(str_find(v, STR("33}")), v.n);
	expect(str_trim(mail_fields_find(&p.m.root->fields, STR("In-Reply-To"))->value), "<1@shop.example>");
	expect(str_trim(mail_fields_find(&p.m.root->fields, STR("To"))->value), "<bounces@shop.example>");
	expect(str_trim(mail_fields_find(&p.m.root->fields, STR("Auto-Submitted"))->value), "auto-replied");
	assert_int_equal(mail_date(mail_fields_find(&p.m.root->fields, STR("Date"))->value), T0 + 60000);
	arena_free(&p.a);
	buf_free(&b);
}

static void
status_is(const struct report *r, int group, const char *name, const char *want)
{
	struct buf b = { 0 };
	struct parsed p;
	unsigned needs = report_make(&b, r);

	wire_check(buf_str(&b), needs & REPORT_EIGHTBIT);
	parse(&p, buf_str(&b));
	expect(status_field(&p, group, name), want);
	arena_free(&p.a);
	buf_free(&b);
}

static void
test_status(void **state)
{
	static const struct {
		const char *status;
		bool expired;
		const char *want;
	} v[] = { { "5.1.1", false, "5.1.1" }, { "4.4.1", true, "4.4.1" },
		  { NULL, false, "5.0.0" },    { NULL, true, "4.4.7" },
		  { "2.0.0", false, "5.0.0" }, { "5.1", false, "5.0.0" },
		  { "", false, "5.0.0" },      { "5.1.1\r\nX: y", false, "5.0.0" },
		  { "5.1.1 ", false, "5.0.0" } };
	struct report r = refused;

	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		r.status = v[i].status;
		r.expired = v[i].expired;
		status_is(&r, 1, "Status", v[i].want);
	}
}

static void
test_recipients(void **state)
{
	static const char *const orcpt[][2] = {
		{ "rfc822;a+2Bb@c.example", "rfc822;a+b@c.example" },
		{ "rfc822;a+0D+0AX:y@c.example", "rfc822;a+0D+0AX:y@c.example" },
		{ "rfc822;a+2", "rfc822;a+2" },
		{ "rfc822;a\r\nX: y", "rfc822;a??X: y" },
		{ "x400;/c=us/", "x400;/c=us/" },
		{ "none", "none;" },
		{ "UTF-8;gr\xc3\xbc@c", "UTF-8;gr\\x{FC}@c" },
		{ "utf-8;\xf0\x9f\x98\x80\xe2\x82\xac@c", "utf-8;\\x{1F600}\\x{20AC}@c" },
		{ "utf-8;\xff@c", "utf-8;?@c" },
	};
	struct report r = refused;
	char longest[400];

	(void)state;
	for (size_t i = 0; i < sizeof orcpt / sizeof *orcpt; i++) {
		r.orcpt = str_of(orcpt[i][0]);
		status_is(&r, 1, "Original-Recipient", orcpt[i][1]);
	}
	r.orcpt = STR_NULL;
	status_is(&r, 1, "Original-Recipient", "");
	r.recipient = STR("a\\b=c+\xc3\xbc@d.example");
	status_is(&r, 1, "Final-Recipient", "utf-8;a\\x{5C}b\\x{3D}c\\x{2B}\\x{FC}@d.example");
	r.recipient = STR("a\r\nBcc: x@y <b> c@d");
	status_is(&r, 1, "Final-Recipient", "rfc822;a??Bcc:?x@y??b??c@d");
	for (size_t i = 0; i < sizeof longest; i++)
		longest[i] = i & 1 ? '\xbc' : '\xc3';
	r.recipient = str_make(longest, sizeof longest);
	r.to = r.recipient;
	r.orcpt = STR("utf-8;\xc3\xbc");
	status_is(&r, 1, "Action", "failed");
	r.envid = STR("a+0Ab");
	status_is(&r, 0, "Original-Envelope-Id", "a+0Ab");
}

/* ---- values that want to be more ---- */

static void
test_injection(void **state)
{
	struct report r = refused;
	struct buf b = { 0 };
	struct parsed p;
	struct str v;

	(void)state;
	r.reporting_mta = "host\r\nX-Evil: 1";
	r.from = "a@b>\r\nX-Evil: 1\r\n\r\nbody";
	r.to = STR("a@b>\r\nX-Evil: 1");
	r.message_id = STR("<a\r\nX-Evil: 1>");
	r.recipient = STR("x\r\n--=_mailtailor-report-0\r\nX-Evil: 1");
	r.envid = STR("a\r\nX-Evil: 1");
	r.orcpt = STR("rfc822\r\nX-Evil: 1;a\r\nX-Evil: 1");
	r.diagnostic = STR("550 a\r\n\r\nX-Evil: 1\r\n--=_mailtailor-report-0--\r\n\x1b[1m\xff");
	r.header = STR("Subject: x\r\n--=_mailtailor-report-0\r\nX-Evil: 1\r\n--=_mailtailor-report-1--\r\n"
		       "Message-ID: <a b>\r\nlone\rcr\0nul\r\n\r\nX-Body: 1\r\n");
	wire_check((report_make(&b, &r), buf_str(&b)), false);
	parse(&p, buf_str(&b));
	assert_null(mail_fields_find(&p.m.root->fields, STR("X-Evil")));
	assert_int_equal(status_field(&p, 0, "X-Evil").n, 0);
	assert_int_equal(status_field(&p, 1, "X-Evil").n, 0);
	v = body(&p, p.original);
	assert_true(str_ends(v, STR("lone?cr?nul\r\n")));
	assert_true(str_find(v, STR("X-Evil: 1\r\n--=_mailtailor-report-1--")) < v.n);
	arena_free(&p.a);
	buf_free(&b);
}

static void
test_original(void **state)
{
	struct report r = refused;
	struct buf b = { 0 }, big = { 0 };
	struct parsed p;

	(void)state;
	/* Lines that are too long, in bytes and in characters; more than fits. */
	buf_adds(&big, STR("Subject: "));
	for (int i = 0; i < 2000; i++)
		buf_adds(&big, STR("\xe2\x82\xac"));
	for (int i = 0; i < 10000; i++)
		buf_printf(&big, "\r\nX-%d: y", i);
	r.header = buf_str(&big);
	assert_int_equal(report_make(&b, &r), REPORT_EIGHTBIT);
	wire_check(buf_str(&b), true);
	parse(&p, buf_str(&b));
	assert_true(str_eq(p.original->charset, STR("utf-8")) && str_is_utf8(body(&p, p.original)));
	assert_true(body(&p, p.original).n > 60000 && b.n < 70000);
	arena_free(&p.a);
	/* RET=FULL: too large, or not fit to be shown: the header. */
	r.ret = STR("full");
	static const char *const unfit[] = { "A: b\r\n\r\nlone\rcr\r\n", NULL };
	for (size_t i = 0; i < 2; i++) {
		r.full = unfit[i] ? str_of(unfit[i]) : buf_str(&big);
		buf_reset(&b);
		report_make(&b, &r);
		parse(&p, buf_str(&b));
		assert_true(str_eq(p.original->subtype, STR("rfc822-headers")));
		arena_free(&p.a);
	}
	/* No original at all, odd ones. */
	static const char *const odd[] = {
		"", "\r\n", "A: b", "A: b\r\n", "A: b\r\n\r\n", "\r\n\r\nbody", " x\r\nA: b\n\nc"
	};
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		r.full = r.header = str_of(odd[i]);
		buf_reset(&b);
		report_make(&b, &r);
		wire_check(buf_str(&b), false);
		parse(&p, buf_str(&b));
		arena_free(&p.a);
	}
	buf_free(&b);
	buf_free(&big);
}

static void
test_wanted(void **state)
{
	(void)state;
	assert_true(report_wanted(STR("a@b"), STR_NULL));
	assert_true(report_wanted(STR("a@b"), STR("FAILURE")));
	assert_true(report_wanted(STR("a@b"), STR("SUCCESS,failure,DELAY")));
	assert_false(report_wanted(STR("a@b"), STR("NEVER")));
	assert_false(report_wanted(STR("a@b"), STR("SUCCESS,DELAY")));
	assert_false(report_wanted(STR("a@b"), STR("FAILURES")));
	assert_false(report_wanted(STR_NULL, STR("FAILURE")));
	assert_false(report_wanted(STR("<>"), STR_NULL));
}

/* What to do depends on the subject of the status. */
static void
test_advice(void **state)
{
	static const char *const v[][2] = {
		{ "5.1.1", "off your list" },		{ "5.2.2", "mailbox is the cause" },
		{ "4.3.2", "administrator" },		{ "5.6.7", "content is the cause" },
		{ "5.7.1", "rule of the mail server" }, { "5.0.0", "all that is known" }
	};
	struct report r = refused;
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		r.status = v[i][0];
		buf_reset(&b);
		report_text(&b, &r);
		for (size_t k = 0; k < b.n; k++)
			if (b.p[k] == '\r' || b.p[k] == '\n')
				b.p[k] = ' ';
		while (str_find(buf_str(&b), STR("  ")) < b.n) {
			size_t at = str_find(buf_str(&b), STR("  "));
			memmove(b.p + at, b.p + at + 1, b.n - at);
			b.n--;
		}
		if (!strstr(b.p, v[i][1]))
			fail_msg("%s: %s", v[i][0], b.p);
	}
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),	  cmocka_unit_test(test_structure),
		cmocka_unit_test(test_status),	  cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_injection), cmocka_unit_test(test_original),
		cmocka_unit_test(test_wanted),	  cmocka_unit_test(test_advice),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
