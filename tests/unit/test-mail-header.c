/* RFC 2047 both ways, addresses, and the recoding of a part's header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <gmime/gmime.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mail/mail.h"

static struct arena *arena;
static uint64_t seed = 0x9e3779b97f4a7c15u;

static unsigned
rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static void
assert_str(struct str got, const char *want)
{
	if (!str_eq(got, str_of(want)))
		fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(got), want);
}

static void
test_decode(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "  plain text", "plain text" },
		{ "folded\r\n line\n\ttoo", "folded line too" },
		{ "=?utf-8?Q?caf=C3=A9_=3F?=", "café ?" },
		{ "=?UTF-8*en?b?w6k=?= =?utf-8?q?=C3?=\r\n =?utf-8?q?=A9?= x", "éé x" },
		{ "a =?iso-8859-1?q?=e9?= =?koi8-r?b?8NLJ18XU?= b", "a éПривет b" },
		{ "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本" },
		{ "=?utf-8?q?a b?= =?x?=", "=?utf-8?q?a b?= =?x?=" },
		{ "=?nonesuch?q?a?= =?utf-8?q?b?=", "=?nonesuch?q?a?= b" },
		{ "a  =?utf-8?q?b?=  c", "a  b  c" },
		{ "\xe9 caf\xc3\xa9", "\xef\xbf\xbd café" },
		{ "=?utf-8?q?a=0D=0Ab=00c?=", "a  b c" },
		{ "=?", "=?" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_str(mail_header_decode(arena, str_of(cases[i].in)), cases[i].want);
}

static void
test_decode_hostile(void **state)
{
	static const char *const runs[] = { "=?", "=?utf-8?q?", "=?x?q?a?= ", "=?iso-2022-jp?b?GyRC?= ",
					    " ",  "=?utf-8?b?=" };
	struct buf b = { 0 };

	(void)state;
	for (size_t k = 0; k < sizeof(runs) / sizeof(runs[0]); k++) {
		buf_reset(&b);
		while (b.n < 100000)
			buf_adds(&b, str_of(runs[k]));
		mail_header_decode(arena, buf_str(&b));
	}
	buf_free(&b);
}

static void
assert_value(struct str v, size_t name_len, size_t max)
{
	size_t col = name_len;

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c == '\n') {
			assert_true(i + 1 < v.n && (v.p[i + 1] == ' ' || v.p[i + 1] == '\t'));
			col = 0;
			continue;
		}
		if (c < 0x20 || c >= 0x7f)
			fail_msg("byte %02x in \"%.*s\"", c, STR_ARG(v));
		if (++col > max)
			fail_msg("a line over %zu in \"%.*s\"", max, STR_ARG(v));
	}
}

static void
test_encode(void **state)
{
	static const char *const words[] = { "Hello",
					     "é",
					     "日本語",
					     "=?",
					     "?=",
					     "😀😀😀😀😀😀",
					     " ",
					     "  ",
					     "x",
					     "{{name}}",
					     "supercalifragilistic",
					     "=?utf-8?q?x?=",
					     "_",
					     "\"q\"" };
	struct buf in = { 0 }, out = { 0 };
	struct str got;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		char *theirs, *value;

		buf_reset(&in);
		buf_reset(&out);
		for (unsigned n = rnd(40); n > 0; n--)
			buf_adds(&in, str_of(words[rnd(sizeof(words) / sizeof(words[0]))]));
		mail_header_encode(&out, buf_str(&in), 9);
		assert_value(buf_str(&out), 9, 998);
		got = mail_header_decode(arena, buf_str(&out));
		if (!str_eq(got, str_trim(buf_str(&in))))
			fail_msg("\"%.*s\" comes back as \"%.*s\" from \"%.*s\"", STR_ARG(buf_str(&in)),
				 STR_ARG(got), STR_ARG(buf_str(&out)));
		/* the second opinion; GMime unfolds first */
		value = g_mime_utils_header_unfold(out.p ? out.p : "");
		theirs = g_mime_utils_header_decode_text(NULL, value);
		assert_str(str_trim(buf_str(&in)), theirs);
		g_free(theirs);
		g_free(value);
		arena_reset(arena);
	}
	buf_reset(&out);
	mail_header_encode(&out, STR("a\r\nBcc: x\0y\tz\r\n"), 9);
	assert_string_equal(out.p, "a Bcc: x y z");
	buf_reset(&in);
	buf_reset(&out);
	for (int i = 0; i < 5000; i++)
		buf_addc(&in, i % 2500 < 1200 ? 'a' : ' ');
	mail_header_encode(&out, buf_str(&in), 9);
	assert_value(buf_str(&out), 9, 998);
	assert_true(str_eq(mail_header_decode(arena, buf_str(&out)), str_trim(buf_str(&in))));
	buf_free(&in);
	buf_free(&out);
}

static void
test_encode_lines(void **state)
{
	struct buf in = { 0 }, out = { 0 };

	(void)state;
	for (int i = 0; i < 40; i++)
		buf_adds(&in, i % 3 ? STR("words and ") : STR("größer 日本 "));
	mail_header_encode(&out, buf_str(&in), 9);
	assert_value(buf_str(&out), 9, 76);
	buf_free(&in);
	buf_free(&out);
}

static void
test_addresses(void **state)
{
	struct mail_address m[8];
	size_t n;

	(void)state;
	n = mail_addresses(
	    arena,
	    STR("\"Doe, Jane\" <jane@Example.com>, (c) bare@x.y,\n =?utf-8?q?J=C3=BCrgen?= <j@z>, "
		"Team: a@b, C D <c@d>;, empty:;"),
	    m, 8);
	assert_int_equal(n, 5);
	assert_str(m[0].display, "Doe, Jane");
	assert_str(m[0].addr, "jane@Example.com");
	assert_str(m[1].addr, "bare@x.y");
	assert_str(m[2].display, "Jürgen");
	assert_str(m[3].addr, "a@b");
	assert_str(m[4].display, "C D");
	assert_int_equal(mail_addresses(arena, STR("a@b, c@d"), m, 1), 1);
	assert_int_equal(mail_addresses(arena, STR(""), m, 8), 0);
	assert_str(mail_address_domain(arena, STR("x@Example.COM.")), "example.com");
	assert_str(mail_address_domain(arena, STR("x@\"@Bücher.example")), "xn--bcher-kva.example");
	assert_null(mail_address_domain(arena, STR("nobody")).p);
	assert_null(mail_address_domain(arena, STR("x@")).p);
}

/* The forms that need no parser, and their neighbours that do: nothing may differ but the time. */
static void
test_addresses_plain(void **state)
{
	static const struct {
		const char *value, *display, *addr;
	} cases[] = {
		{ "a@b.example", "", "a@b.example" },
		{ " <a.b+c@b-d.example> ", "", "a.b+c@b-d.example" },
		{ "Ann Bee <a@b.example>", "Ann Bee", "a@b.example" },
		{ "\"Bee, Ann & Sons\" <a@b.example>", "Bee, Ann & Sons", "a@b.example" },
		{ "\"\" <a@b.example>", "", "a@b.example" },
		{ "Ann  Bee <a@b.example>", "Ann  Bee", "a@b.example" },
		{ "Ann (her list) <a@b.example>", "Ann", "a@b.example" },
		{ "\"Ann \\\"Bee\\\"\" <a@b.example>", "Ann \"Bee\"", "a@b.example" },
		{ "\"a b\"@c.example", "", "\"a b\"@c.example" },
		{ "Ann <a@xn--bcher-kva.example>", "Ann", "a@b\u00fccher.example" },
	};
	struct mail_address m[2];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(mail_addresses(arena, str_of(cases[i].value), m, 2), 1);
		assert_true(str_eq(m[0].display, str_of(cases[i].display)));
		assert_str(m[0].addr, cases[i].addr);
	}
}

static void
test_addresses_hostile(void **state)
{
	static const char *const runs[] = { "(",  "<", "\"",	   "a,", ":", "a:", "@",
					    "\\", ",", "a@b c@d ", "=?", "[", "(()" };
	struct mail_address m[4];
	struct buf b = { 0 };

	(void)state;
	for (size_t k = 0; k < sizeof(runs) / sizeof(runs[0]); k++) {
		buf_reset(&b);
		while (b.n < 100000)
			buf_adds(&b, str_of(runs[k]));
		mail_addresses(arena, buf_str(&b), m, 4);
	}
	buf_free(&b);
}

static void
test_address_format(void **state)
{
	static const struct {
		const char *display, *addr, *want;
	} cases[] = {
		{ "", "a@b", "a@b" },
		{ "Jane Doe", "a@b", "Jane Doe <a@b>" },
		{ "Doe, Jane \"J\"", "a@b", "\"Doe, Jane \\\"J\\\"\" <a@b>" },
		{ "Jürgen", "a@b", "=?UTF-8?Q?J=C3=BCrgen?= <a@b>" },
		{ "x\r\nBcc: y", "a\r\n@b", "\"x Bcc: y\" <a@b>" },
		{ "a  b", "a@b", "\"a  b\" <a@b>" },
	};
	struct buf out = { 0 };
	struct mail_address m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&out);
		mail_address_format(&out, str_of(cases[i].display), str_of(cases[i].addr), 4);
		assert_string_equal(out.p, cases[i].want);
	}
	for (int i = 0; i < 500; i++) {
		static const char *const words[] = {
			"Jane", "Doe,", "é", "(x)", "\"", "\\", "日本", " ", "=?"
		};
		struct buf in = { 0 };

		buf_addc(&in, 'x');
		for (unsigned n = rnd(25); n > 0; n--)
			buf_adds(&in, str_of(words[rnd(9)]));
		buf_addc(&in, 'y');
		buf_reset(&out);
		mail_address_format(&out, buf_str(&in), STR("a@b.example"), 4);
		assert_value(buf_str(&out), 4, 998);
		assert_int_equal(mail_addresses(arena, buf_str(&out), &m, 1), 1);
		assert_str(m.display, in.p);
		assert_str(m.addr, "a@b.example");
		buf_free(&in);
	}
	buf_free(&out);
}

static void
assert_recoded(const char *head, const char *want)
{
	struct buf out = { 0 };

	mail_part_header_recode(&out, str_of(head), "utf-8", MAIL_CTE_QP, "\r\n");
	assert_string_equal(out.p, want);
	buf_free(&out);
}

static void
test_recode(void **state)
{
	(void)state;
	assert_recoded("X: y\n", "X: y\r\nContent-Type: text/plain; charset=utf-8\r\n"
				 "Content-Transfer-Encoding: quoted-printable\r\n");
	assert_recoded("Content-Transfer-Encoding:\n 7bit\nContent-Type: "
		       "text/html;\n\tcharset=\"us-ascii\";\n format=flowed\nX:\n y",
		       "Content-Transfer-Encoding: quoted-printable\r\n"
		       "Content-Type: text/html;\r\n\tcharset=utf-8;\r\n format=flowed\r\nX:\r\n y\r\n");
	assert_recoded(
	    "content-type: text/plain (a; b); x=\"c;d\\\"\"; charset*0*=iso'';charset*1=x; name=n\n"
	    "CONTENT-TRANSFER-ENCODING: 8bit\n",
	    "content-type: text/plain (a; b); x=\"c;d\\\"\"; charset=utf-8; name=n\r\n"
	    "CONTENT-TRANSFER-ENCODING: quoted-printable\r\n");
	assert_recoded(
	    "Content-Type: text/html; \nContent-Transfer-Encoding: x\n",
	    "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n");
	assert_recoded(
	    "Content-Type: text/html; a=b\nContent-Transfer-Encoding: x\n",
	    "Content-Type: text/html; a=b; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_hostile),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_encode_lines),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_addresses_plain),
		cmocka_unit_test(test_addresses_hostile),
		cmocka_unit_test(test_address_format),
		cmocka_unit_test(test_recode),
	};
	int rc;

	mail_init();
	arena = arena_new(1 << 16);
	rc = cmocka_run_group_tests_name("mail-header", tests, NULL, NULL);
	arena_free(&arena);
	return rc;
}
