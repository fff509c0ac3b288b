/*
 * test-smtp-data: the bytes that go to the server, and what is refused before any byte does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "inject/smtp-private.h"
#include "test-smtp.h"

#define L64 "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll"
#define L64_1 "lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll" /* 63 */
#define D250 L64 L64 L64 "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define E100                                                                                                 \
	"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee" \
	"ee"

/* ---- the envelope ---- */

static void
envelope_check(struct smtp_envelope e, const char *enhanced, const char *what)
{
	struct smtp_result r = { .status = SMTP_SENT };
	bool ok = smtp_envelope_check(&e, &r);

	if (ok != !enhanced)
		fail_msg("\"%s\" is %s", what, ok ? "accepted" : r.text);
	if (ok)
		return;
	assert_int_equal(r.status, SMTP_PERMFAIL);
	assert_string_equal(r.enhanced, enhanced);
	assert_string_equal(r.step, "envelope");
	assert_false(r.connection_lost);
}

static void
test_addresses(void **state)
{
	static const char *const good[] = {
		"a@b.example",	   "a+b=c@b.example", "\"a.b\"@b.example",	"postmaster",
		L64 "@" D250,	   "a@[127.0.0.1]",   "a@b@c.example",		"a@b-.",
		"o'x&y@b.exam",	   "{}|~@b.example",  "\"john doe\"@b.example", "\"<a>@\\\"b\"@c.example",
		"\"only quoted\"", "x" L64 "@b",      L64 L64 L64 L64_1 "@b"
	};
	static const char *const bad[] = { "@b.example",
					   "a@",
					   "@",
					   "a b@c.example",
					   "a\tb@c",
					   "a\r\nRCPT TO:<x@y>@c",
					   "a@b\r\n",
					   "a@b\n",
					   "a@b>",
					   "<a@b",
					   "a\x7f@b",
					   "a\x01@b",
					   L64 L64 L64 L64 "@b",
					   "\"a b@c.example",
					   "\"a\\\"@c.example",
					   "\"a b\"c d@e.example",
					   "\"a b\"@c d",
					   "\"a b\"> x@c",
					   "a\"b c\"@d",
					   "\"a\r\nb\"@c",
					   "\"a b\"@",
					   "a@" D250 "123456",
					   "a@b> NOTIFY=NEVER" };
	static const char *const utf8[] = { "gr\xc3\xbc\xc3\x9f@b.example", "a@b\xc3\xbc"
									    "cher.example" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		for (int u = 0; u < 2; u++) {
			struct smtp_envelope e = { .rcpt = str_of(good[i]), .smtputf8 = u };
			envelope_check(e, NULL, good[i]);
			e.mail_from = e.rcpt;
			envelope_check(e, NULL, good[i]);
		}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		for (int u = 0; u < 2; u++) {
			struct smtp_envelope e = { .rcpt = str_of(bad[i]), .smtputf8 = u };
			envelope_check(e, "5.1.3", bad[i]);
			e.mail_from = e.rcpt;
			e.rcpt = STR("a@b");
			envelope_check(e, "5.1.7", bad[i]);
		}
	for (size_t i = 0; i < sizeof utf8 / sizeof *utf8; i++) {
		struct smtp_envelope e = { .rcpt = str_of(utf8[i]) };
		envelope_check(e, "5.1.3", utf8[i]);
		e.smtputf8 = true;
		envelope_check(e, NULL, utf8[i]);
		e.rcpt.n = str_find_char(e.rcpt, '\xc3') + 1; /* half a character */
		envelope_check(e, "5.1.3", "half a character");
	}
	envelope_check((struct smtp_envelope){ .rcpt = str_make("a\0b@c", 5) }, "5.1.3", "NUL");
	envelope_check((struct smtp_envelope){ 0 }, "5.1.3", "no recipient");
}

static void
test_parameters(void **state)
{
	static const struct {
		const char *ret, *envid, *notify, *orcpt;
		bool ok;
	} v[] = {
		{ "FULL", "QQ+3D314159", "SUCCESS,FAILURE,DELAY", "rfc822;a+2Bb@c.example", true },
		{ "hdrs", NULL, "never", "x400;anything", true },
		{ NULL, E100, "FAILURE", NULL, true },
		{ NULL, E100 "e", NULL, NULL, false },
		{ NULL, "a b", NULL, NULL, false },
		{ NULL, "a\r\nb", NULL, NULL, false },
		{ NULL, "a=b", NULL, NULL, false },
		{ NULL, "a+", NULL, NULL, false },
		{ NULL, "a+3", NULL, NULL, false },
		{ NULL, "a+3d", NULL, NULL, false },
		{ NULL, "a+3g", NULL, NULL, false },
		{ NULL, "\xc3\xbc", NULL, NULL, false },
		{ "BODY", NULL, NULL, NULL, false },
		{ "FULL BODY=8BITMIME", NULL, NULL, NULL, false },
		{ NULL, NULL, "NEVER,FAILURE", NULL, false },
		{ NULL, NULL, "FAILURE,FAILURE", NULL, false },
		{ NULL, NULL, "FAILURE,", NULL, false },
		{ NULL, NULL, ",", NULL, false },
		{ NULL, NULL, "FAILURE DELAY", NULL, false },
		{ NULL, NULL, NULL, "rfc822", false },
		{ NULL, NULL, NULL, "rfc822;", false },
		{ NULL, NULL, NULL, ";a@b", false },
		{ NULL, NULL, NULL, "rfc822;a b", false },
		{ NULL, NULL, NULL, "rfc 822;a@b", false },
		{ NULL, NULL, NULL, "rfc822;" E100 E100 E100 E100 E100, false },
		{ NULL, NULL, NULL, "utf-8;gr\\x{FC}n@c.example", true },
		{ NULL, NULL, NULL, "utf-8;gr\\x{FC}n =@c.example", false },
		{ NULL, NULL, NULL, "utf-8;gr\xc3\xbcn@c.example", false },
		{ NULL, NULL, NULL, "utf-8;a\r\nb", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++)
		envelope_check((struct smtp_envelope){ .rcpt = STR("a@b"),
						       .ret = str_of(v[i].ret),
						       .envid = str_of(v[i].envid),
						       .notify = str_of(v[i].notify),
						       .orcpt = str_of(v[i].orcpt) },
			       v[i].ok ? NULL : "5.5.4", "parameters");
	envelope_check((struct smtp_envelope){ .rcpt = STR("a@b"),
					       .orcpt = STR("utf-8;gr\xc3\xbcn@c.example"),
					       .smtputf8 = true },
		       NULL, "utf-8");
}

/* What an MTA lets pass, and copies must not bounce for. */
static void
test_mend(void **state)
{
	const struct str utf8 = STR("gr\xc3\xbcn@c.example");
	struct smtp_envelope e = { .rcpt = STR("a@b"),
				   .ret = STR("BODY"),
				   .envid = STR(E100 "e"),
				   .notify = STR("FAILURE,FAILURE"),
				   .orcpt = STR("rfc822;" E100 E100 E100 E100 E100) };

	(void)state;
	smtp_envelope_mend(&e);
	envelope_check(e, NULL, "mended");
	assert_int_equal(e.ret.n + e.envid.n + e.notify.n + e.orcpt.n, 0);
	assert_false(e.smtputf8);
	e = (struct smtp_envelope){
		.rcpt = utf8, .ret = STR("HDRS"), .envid = STR("a+2Bb"), .notify = STR("NEVER")
	};
	e.orcpt = STR("utf-8;gr\xc3\xbcn@c.example");
	smtp_envelope_mend(&e);
	envelope_check(e, NULL, "a recipient in UTF-8");
	assert_true(e.smtputf8);
	assert_int_equal(e.ret.n + e.envid.n + e.notify.n, 4 + 5 + 5);
	assert_true(e.orcpt.n > 0);
	e = (struct smtp_envelope){ .rcpt = STR("a@b"), .mail_from = utf8 };
	smtp_envelope_mend(&e);
	envelope_check(e, NULL, "a sender in UTF-8");
	e = (struct smtp_envelope){ .rcpt = STR("a@b"), .orcpt = STR("utf-8;gr\xc3\xbcn@c.example") };
	smtp_envelope_mend(&e);
	envelope_check(e, NULL, "UTF-8 in ORCPT alone");
	assert_false(e.smtputf8);
	e = (struct smtp_envelope){ .rcpt = STR("a@b\r\nDATA") };
	smtp_envelope_mend(&e);
	envelope_check(e, "5.1.3", "it mends no address");
}

/* Nothing of a bad envelope reaches the wire. */
static void
test_bad_envelope_silent(void **state)
{
	struct server s = { 0 };
	struct smtp_envelope e = { .rcpt = STR("a@b\r\nDATA") };
	struct smtp_result r;
	struct smtp_conn *c;

	(void)state;
	server_start(&s);
	c = client_new(&s, 20000);
	smtp_send(c, &e, STR("x\r\n"), &r);
	assert_int_equal(r.status, SMTP_PERMFAIL);
	smtp_conn_close(&c);
	server_stop(&s);
	assert_int_equal(s.connections, 0);
	server_free(&s);
}

/* ---- commands, by what the server offers ---- */

static void
commands(const char *ehlo, const struct smtp_envelope *e, enum smtp_status status, const char *enhanced,
	 const char *log)
{
	struct server s = { .ehlo = ehlo };
	struct smtp_result r;
	struct smtp_conn *c;

	server_start(&s);
	c = client_new(&s, 20000);
	smtp_send(c, e, STR("x\r\n"), &r);
	assert_int_equal(r.status, status);
	assert_string_equal(r.enhanced, enhanced);
	smtp_conn_close(&c);
	server_stop(&s);
	assert_string_equal(s.log.p, log);
	server_free(&s);
}

static void
test_commands(void **state)
{
	static const struct smtp_envelope full = { .mail_from = { "f@a.example", 11 },
						   .rcpt = { "t@b.example", 11 },
						   .ret = { "HDRS", 4 },
						   .envid = { "id-7", 4 },
						   .notify = { "FAILURE,DELAY", 13 },
						   .orcpt = { "rfc822;T@b.example", 18 },
						   .eightbit = true };
	struct smtp_envelope e = full;
	const char *bare =
	    "EHLO client.example\r\nMAIL FROM:<f@a.example>\r\nRCPT TO:<t@b.example>\r\nDATA\r\nQUIT\r\n";

	(void)state;
	commands("250-PIPELINING\n250-SIZE\n250-8bitmime\n250-DSN\n250 SMTPUTF8\n", &full, SMTP_SENT, "2.0.0",
		 "EHLO client.example\r\n"
		 "MAIL FROM:<f@a.example> SIZE=3 BODY=8BITMIME RET=HDRS ENVID=id-7\r\n"
		 "RCPT TO:<t@b.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;T@b.example\r\nDATA\r\nQUIT\r\n");
	commands("", &full, SMTP_SENT, "2.0.0", bare);
	commands("250-XDSN\n250-DSNX\n250-8BITMIMES\n250 AUTH \tx\n", &full, SMTP_SENT, "2.0.0", bare);
	commands("250 DSN\n", &full, SMTP_SENT, "2.0.0",
		 "EHLO client.example\r\nMAIL FROM:<f@a.example> RET=HDRS ENVID=id-7\r\n"
		 "RCPT TO:<t@b.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;T@b.example\r\nDATA\r\nQUIT\r\n");
	e = (struct smtp_envelope){ .rcpt = full.rcpt };
	commands(FULL, &e, SMTP_SENT, "2.0.0",
		 "EHLO client.example\r\nMAIL FROM:<> SIZE=3\r\nRCPT TO:<t@b.example>\r\nDATA\r\nQUIT\r\n");
	e.smtputf8 = true;
	e.rcpt = STR("gr\xc3\xbcn@b.example");
	commands("250 SMTPUTF8\n", &e, SMTP_SENT, "2.0.0",
		 "EHLO client.example\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT "
		 "TO:<gr\xc3\xbcn@b.example>\r\nDATA\r\nQUIT\r\n");
	commands("250 8BITMIME\n", &e, SMTP_PERMFAIL, "5.6.7", "EHLO client.example\r\nQUIT\r\n");
	/* Nothing of it is UTF-8. */
	e.rcpt = full.rcpt;
	commands("250 8BITMIME\n", &e, SMTP_SENT, "2.0.0",
		 "EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<t@b.example>\r\nDATA\r\nQUIT\r\n");
	e.mail_from = STR("gr\xc3\xbcn@b.example");
	commands("250 8BITMIME\n", &e, SMTP_PERMFAIL, "5.6.7", "EHLO client.example\r\nQUIT\r\n");
	e = full;
	commands("250-SIZE 2\n250 DSN\n", &e, SMTP_PERMFAIL, "5.3.4", "EHLO client.example\r\nQUIT\r\n");
	commands("250 SIZE 0\n", &(struct smtp_envelope){ .rcpt = full.rcpt }, SMTP_SENT, "2.0.0",
		 "EHLO client.example\r\nMAIL FROM:<> SIZE=3\r\nRCPT TO:<t@b.example>\r\nDATA\r\nQUIT\r\n");
}

static void
test_ehlo(void **state)
{
	uint64_t size;

	(void)state;
	assert_int_equal(smtp_ehlo_parse(STR("mx DSN\nsize 12\nPipelining\r\n8BITMIME x\n"), &size),
			 EHLO_SIZE | EHLO_PIPELINING | EHLO_8BITMIME);
	assert_int_equal(size, 12);
	assert_int_equal(smtp_ehlo_parse(STR("DSN"), &size), 0);
	assert_int_equal(smtp_ehlo_parse(STR_NULL, &size), 0);
	assert_int_equal(smtp_ehlo_parse(STR("x\nSIZE 99999999999999999999999"), &size), EHLO_SIZE);
	assert_int_equal(size, 0);
	assert_int_equal(smtp_ehlo_parse(STR("x\nSIZE 12k\nDSN"), &size), EHLO_SIZE | EHLO_DSN);
	assert_int_equal(size, 12);
}

static void
test_enhanced(void **state)
{
	(void)state;
	assert_int_equal(smtp_enhanced_length(STR("5.1.1 x")), 5);
	assert_int_equal(smtp_enhanced_length(STR("2.100.999")), 9);
	assert_int_equal(smtp_enhanced_length(STR("4.0.0\nx")), 5);
	assert_int_equal(smtp_enhanced_length(STR("3.0.0 x")), 0);
	assert_int_equal(smtp_enhanced_length(STR("5.1.1000 x")), 0);
	assert_int_equal(smtp_enhanced_length(STR("5..1 x")), 0);
	assert_int_equal(smtp_enhanced_length(STR("5.1. x")), 0);
	assert_int_equal(smtp_enhanced_length(STR("5.1.1x")), 0);
	assert_int_equal(smtp_enhanced_length(STR("5.1.1.1")), 0);
	assert_int_equal(smtp_enhanced_length(STR("55.1.1 ")), 0);
	assert_int_equal(smtp_enhanced_length(STR_NULL), 0);
}

/* ---- the message ---- */

/* What a server makes of the bytes behind 354. */
static void
unstuff(struct str wire, struct buf *out)
{
	struct str line;

	assert_true(str_ends(wire, STR(".\r\n")));
	wire.n -= 3;
	while (wire.n > 0) {
		size_t n = str_find(wire, STR("\r\n"));

		assert_true(n + 2 <= wire.n);
		line = str_sub(wire, 0, n + 2);
		assert_true(str_find_char(str_sub(line, 0, n), '\n') == n &&
			    str_find_char(str_sub(line, 0, n), '\r') == n);
		wire = str_sub(wire, n + 2, wire.n);
		if (line.p[0] == '.') {
			assert_int_equal(line.p[1], '.'); /* no end in the middle */
			line = str_sub(line, 1, line.n);
		}
		buf_adds(out, line);
	}
}

static void
test_data(void **state)
{
	static const struct {
		struct str in, out;
	} v[] = {
#define CASE(a, b)                       \
	{                                \
		{ a, sizeof(a) - 1 },    \
		{                        \
			b, sizeof(b) - 1 \
		}                        \
	}
		CASE("", ".\r\n"),
		CASE("a\r\n", "a\r\n.\r\n"),
		CASE("a", "a\r\n.\r\n"),
		CASE(".", "..\r\n.\r\n"),
		CASE(".\r\n", "..\r\n.\r\n"),
		CASE("..a\r\n.b\r\n.\r\n", "...a\r\n..b\r\n..\r\n.\r\n"),
		CASE("a\r\n\r\n", "a\r\n\r\n.\r\n"),
		CASE("\r\n", "\r\n.\r\n"),
		CASE("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
		CASE("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"),
		CASE("a\r\r\n.b\n\r", "a\r\n\r\n..b\r\n\r\n.\r\n"),
		CASE("\n\n.", "\r\n\r\n..\r\n.\r\n"),
		CASE("\r", "\r\n.\r\n"),
		CASE("a\r", "a\r\n.\r\n"),
		CASE("a\0b\r\n.\0\r\n", "a\0b\r\n..\0\r\n.\r\n"),
		CASE("x\n.\r\nMAIL FROM:<>\r\n", "x\r\n..\r\nMAIL FROM:<>\r\n.\r\n"),
		CASE("x\r.\r\nMAIL FROM:<>\r\n", "x\r\n..\r\nMAIL FROM:<>\r\n.\r\n"),
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		buf_reset(&b);
		smtp_data_put(&b, v[i].in);
		if (!str_eq(buf_str(&b), v[i].out))
			fail_msg("case %zu: \"%s\"", i, b.p);
	}
	buf_free(&b);
}

/* Of all texts over . CR LF x up to eight bytes: no dot ends it early, CRLF texts come out as they were. */
static void
test_data_all(void **state)
{
	struct buf wire = { 0 }, back = { 0 };

	(void)state;
	for (int n = 0; n <= 8; n++)
		for (unsigned k = 0; k < 1u << 2 * n; k++) {
			char text[8];
			bool sound =
			    n == 0 || (n > 1 && (k >> 2 * (n - 1) & 3) == 2 && (k >> 2 * (n - 2) & 3) == 1);

			for (int i = 0; i < n; i++)
				text[i] = ".\r\nx"[k >> 2 * i & 3];
			for (int i = 0; i < n; i++)
				sound = sound && (text[i] == '\n') == (i > 0 && text[i - 1] == '\r') &&
					(text[i] != '\r' || (i + 1 < n && text[i + 1] == '\n'));
			buf_reset(&wire);
			buf_reset(&back);
			smtp_data_put(&wire, str_make(text, (size_t)n));
			unstuff(buf_str(&wire), &back);
			if (sound)
				assert_true(str_eq(buf_str(&back), str_make(text, (size_t)n)));
		}
	buf_free(&wire);
	buf_free(&back);
}

/* A million lone CRs, or LFs, or dots: linear. */
static void
test_data_linear(void **state)
{
	static const char *const units[] = { "\r", "\n", ".", "\r.", "\n.", "\r\n.", "\r\r\n" };
	struct buf in = { 0 }, out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		buf_reset(&in);
		buf_reset(&out);
		while (in.n < 4000000)
			buf_adds(&in, str_of(units[i]));
		smtp_data_put(&out, buf_str(&in));
		assert_true(out.n >= in.n && out.n <= 3 * in.n + 5);
	}
	buf_free(&in);
	buf_free(&out);
}

/* Through the socket: what arrives is what was given. */
static void
test_exact(void **state)
{
	struct smtp_envelope e = { .rcpt = STR("t@b.example"), .eightbit = true };
	struct server s = { 0 };
	struct smtp_result r;
	struct smtp_conn *c;
	struct buf m = { 0 }, wire = { 0 };

	(void)state;
	buf_adds(&m, STR("Subject: x\r\n\r\n.\r\n..\r\n...x\r\n\r\n"));
	for (int i = 0; i < 256; i++)
		if (i != '\r' && i != '\n')
			buf_addc(&m, (char)i);
	buf_adds(&m, STR("\r\n.\r\n"));
	buf_reserve(&m, 8 * m.n); /* the copies come from itself */
	for (int i = 0; i < 3; i++)
		buf_adds(&m, buf_str(&m));
	server_start(&s);
	c = client_new(&s, 20000);
	smtp_send(c, &e, buf_str(&m), &r);
	assert_int_equal(r.status, SMTP_SENT);
	smtp_conn_close(&c);
	server_stop(&s);
	buf_adds(&s.last, STR(".\r\n"));
	unstuff(buf_str(&s.last), &wire);
	assert_true(str_eq(buf_str(&wire), buf_str(&m)));
	buf_free(&m);
	buf_free(&wire);
	server_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_mend),	  cmocka_unit_test(test_bad_envelope_silent),
		cmocka_unit_test(test_commands),  cmocka_unit_test(test_ehlo),
		cmocka_unit_test(test_enhanced),  cmocka_unit_test(test_data),
		cmocka_unit_test(test_data_all),  cmocka_unit_test(test_data_linear),
		cmocka_unit_test(test_exact),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
