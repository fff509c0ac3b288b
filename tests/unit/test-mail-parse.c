/* mail_parse, mail_fields_split: the part tree and its byte ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mail/mail.h"

static struct arena *arena;

static struct mail
parse(const char *text)
{
	struct mail m;
	struct err e = { 0 };

	assert_int_equal(mail_parse(arena, str_of(text), NULL, &m, &e), 0);
	return m;
}

static void
assert_body(const struct mail *m, const struct mail_part *p, const char *want)
{
	struct str got = str_sub(m->bytes, p->body_start, p->body_end);

	if (!str_eq(got, str_of(want)))
		fail_msg("part %s: body \"%.*s\", not \"%s\"", p->path, STR_ARG(got), want);
}

static void
assert_head(const struct mail *m, const struct mail_part *p, const char *want)
{
	struct str got = str_sub(m->bytes, p->head_start, p->head_end);

	if (!str_eq(got, str_of(want)))
		fail_msg("part %s: head \"%.*s\", not \"%s\"", p->path, STR_ARG(got), want);
}

static void
test_plain(void **state)
{
	struct mail m = parse("Subject: x\nTo: a@b\n\nHello\r\nthere\r\n");

	(void)state;
	assert_int_equal(m.nparts, 1);
	assert_int_equal(m.root->role, MAIL_ROLE_TEXT);
	assert_true(str_eq(m.root->charset, STR("us-ascii")));
	assert_int_equal(m.root->cte, MAIL_CTE_7BIT);
	assert_string_equal(m.root->path, "1");
	assert_head(&m, m.root, "Subject: x\nTo: a@b\n");
	assert_body(&m, m.root, "Hello\r\nthere\r\n");
}

static void
test_alternative(void **state)
{
	struct mail m = parse("MIME-Version: 1.0\n"
			      "Content-Type: multipart/alternative;\n\tboundary=\"b1\"\n\n"
			      "preamble\r\n--b1\r\n"
			      "Content-Type: text/plain; charset=UTF-8; format=flowed; delsp=yes\r\n"
			      "Content-Transfer-Encoding:\r\n quoted-printable\r\n\r\n"
			      "one\r\n\r\n--b1 \t\r\n"
			      "Content-Type: TEXT/HTML; charset*=us-ascii'en'koi8-r\r\n\r\n"
			      "<p>two</p>\r\n--b1--\r\nepilogue\r\n");
	struct mail_part *p = m.root->child;

	(void)state;
	assert_int_equal(m.nparts, 3);
	assert_int_equal(m.root->role, MAIL_ROLE_MULTIPART);
	assert_string_equal(m.root->path, "0");
	assert_int_equal(m.root->body_end, m.bytes.n);
	assert_int_equal(p->role, MAIL_ROLE_TEXT);
	assert_int_equal(p->cte, MAIL_CTE_QP);
	assert_true(p->format_flowed && p->delsp);
	assert_string_equal(p->path, "1");
	assert_true(str_eq(p->charset, STR("utf-8")));
	assert_body(&m, p, "one\r\n");
	p = p->next;
	assert_int_equal(p->role, MAIL_ROLE_HTML);
	assert_true(str_eq(p->type, STR("text")) && str_eq(p->subtype, STR("html")));
	assert_true(str_eq(p->charset, STR("koi8-r")));
	assert_string_equal(p->path, "2");
	assert_body(&m, p, "<p>two</p>");
	assert_null(p->next);
}

/* GMime judges the line end before a boundary by the boundary's own: the ranges must not. */
static void
test_mixed_line_ends(void **state)
{
	struct mail m = parse("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
			      "--b\n\none\r\n--b\n\ntwo\n--b\r\n\r\nthree\n--b\r\nX: y\n\n\r\n--b\n\n--b--");
	struct mail_part *p = m.root->child;

	(void)state;
	assert_int_equal(m.nparts, 6);
	assert_body(&m, p, "one");
	assert_body(&m, p->next, "two");
	assert_body(&m, p->next->next, "three");
	assert_body(&m, p->next->next->next, "");
	assert_body(&m, p->next->next->next->next, "");
	assert_head(&m, p->next->next->next, "X: y\n");
}

static void
test_nested_and_unclosed(void **state)
{
	struct mail m = parse("Content-Type: multipart/mixed; boundary=out\n\n"
			      "--out\nContent-Type: multipart/related; boundary=in\n\n"
			      "--in\nContent-Type: text/html\n\n<b>\n--in--\nafter\n"
			      "--out\nContent-Type: multipart/related; boundary=in2\n\n"
			      "--in2\n\nlost close\n--out\n\nlast");
	struct mail_part *p = m.root->child;

	(void)state;
	assert_int_equal(m.nparts, 6);
	assert_string_equal(p->child->path, "1.1");
	assert_body(&m, p->child, "<b>");
	assert_body(&m, p, "--in\nContent-Type: text/html\n\n<b>\n--in--\nafter");
	assert_body(&m, p->next->child, "lost close");
	assert_body(&m, p->next->next, "last");
}

static void
test_protected(void **state)
{
	struct mail m =
	    parse("Content-Type: multipart/mixed; boundary=o\n\n"
		  "--o\nContent-Type: multipart/signed; boundary=s; micalg=sha256\n\n"
		  "--s\nContent-Type: text/plain\n\nsigned\n--s\n"
		  "Content-Type: application/pgp-signature\n\nsig\n--s--\n"
		  "--o\nContent-Type: text/plain\n\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\nx\n"
		  "--o\nContent-Transfer-Encoding: quoted-printable\n\n=2D----BEGIN PGP MESSAGE-----\n"
		  "--o\nContent-Transfer-Encoding: base64\n\n"
		  "LS0tLS1CRUdJTiBQR1AgTUVTU0FHRS0tLS0tCg==\n"
		  "--o\nContent-Type: application/pkcs7-mime; smime-type=signed-data\n\nx\n"
		  "--o\n\nfree\n--o--\n");
	struct mail_part *p = m.root->child;

	(void)state;
	assert_int_equal(p->role, MAIL_ROLE_PROTECTED);
	assert_int_equal(p->child->role, MAIL_ROLE_PROTECTED);
	assert_int_equal(p->child->next->role, MAIL_ROLE_PROTECTED);
	for (int i = 0; i < 4; i++) {
		p = p->next;
		assert_int_equal(p->role, MAIL_ROLE_PROTECTED);
	}
	assert_int_equal(p->next->role, MAIL_ROLE_TEXT);
}

static void
test_data(void **state)
{
	static const char *const heads[] = {
		"Content-Type: text/plain\nContent-Disposition: attachment",
		"Content-Type: text/plain; name=\"a.txt\"",
		"Content-Type: text/calendar",
		"Content-Type: image/gif",
		"Content-Type: message/delivery-status",
		"Content-Type: text/plain\nContent-Type: text/html",
		"Content-Type: text",
	};
	struct buf b = { 0 };

	(void)state;
	buf_printf(&b, "Content-Type: multipart/mixed; boundary=b\n\n");
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		buf_printf(&b, "--b\n%s\n\nx\n", heads[i]);
	buf_printf(&b, "--b\nContent-Type: message/rfc822\n\nSubject: x\n"
		       "Content-Type: multipart/mixed; boundary=i\n\n--i\n\nx\n--i--\n"
		       "--b\nContent-Disposition: inline; filename=x.txt\n\nx\n"
		       "--b\nContent-Type: text/x-amp-html\n\nx\n--b--\n");
	{
		struct mail m = parse(b.p);
		struct mail_part *p = m.root->child;

		for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]) + 1; i++, p = p->next)
			assert_int_equal(p->role, MAIL_ROLE_DATA);
		assert_int_equal(p->role, MAIL_ROLE_TEXT);
		assert_body(&m, p, "x");
		assert_int_equal(p->next->role, MAIL_ROLE_AMP);
		assert_true(m.root->child->attachment && m.root->child->next->attachment);
		/* nothing behind its header, not even the empty line: nothing can be added */
		m = parse("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n");
		assert_int_equal(m.root->child->role, MAIL_ROLE_DATA);
	}
	buf_free(&b);
}

static void
test_limits(void **state)
{
	struct mail_limits lim = { .max_depth = 2, .max_parts = 3 };
	struct mail m;
	struct err e = { 0 };
	const char *deep =
	    "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n"
	    "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n";
	const char *wide = "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n--a\n\n--a\n\n--a--\n";

	(void)state;
	assert_int_equal(mail_parse(arena, str_of(deep), &lim, &m, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_int_equal(mail_parse(arena, str_of(wide), &lim, &m, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_int_equal(mail_parse(arena, str_of(deep), NULL, &m, &e), 0);
}

/* Depth and boundaries that an attacker chooses: bounded time, never a crash. */
static void
test_hostile(void **state)
{
	struct buf b = { 0 };
	struct mail m;
	struct err e;

	(void)state;
	for (int i = 0; i < 30000; i++)
		buf_printf(&b, "Content-Type: message/rfc822\n\n");
	assert_int_equal(mail_parse(arena, buf_str(&b), NULL, &m, &e), 0);
	buf_reset(&b);
	for (int i = 0; i < 3000; i++)
		buf_printf(&b, "Content-Type: multipart/mixed; boundary=\"%d\"\n\n--%d\n", i, i);
	assert_int_equal(mail_parse(arena, buf_str(&b), NULL, &m, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	/* what GMime would take seconds over is not given to it */
	buf_reset(&b);
	buf_printf(&b, "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain");
	for (int i = 0; i < 100000; i++)
		buf_printf(&b, "; a%d=b", i);
	assert_int_equal(mail_parse(arena, buf_str(&b), NULL, &m, &e), 0);
	assert_int_equal(m.root->role, MAIL_ROLE_DATA);
	buf_reset(&b);
	buf_printf(&b, "Content-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < 500000; i++)
		buf_printf(&b, "--b\n\n");
	assert_int_equal(mail_parse(arena, buf_str(&b), NULL, &m, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	buf_reset(&b);
	for (int i = 0; i < 100000; i++)
		buf_printf(&b, "a:\n");
	assert_int_equal(mail_parse(arena, buf_str(&b), NULL, &m, &e), 0);
	assert_int_equal(m.root->fields.v[99999].index, 100000);
	assert_int_equal(mail_parse(arena, STR(""), NULL, &m, &e), 0);
	assert_int_equal(mail_parse(arena, STR("\n"), NULL, &m, &e), 0);
	assert_int_equal(mail_parse(arena, STR("x"), NULL, &m, &e), 0);
	assert_int_equal(mail_parse(arena,
				    STR("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n--\n"),
				    NULL, &m, &e),
			 0);
	buf_free(&b);
}

static void
test_fields(void **state)
{
	struct mail_fields f;

	(void)state;
	mail_fields_split(arena,
			  STR("From nobody\nSubject:  one \r\n two\r\nX-a: 1\nx-A : 2\nnot a field\n folded\n"
			      "Subject:\nEmpty"),
			  &f);
	assert_int_equal(f.n, 4);
	assert_true(str_eq(f.v[0].value, STR("  one \r\n two")));
	assert_true(str_eq(f.v[2].name, STR("x-A")));
	assert_int_equal(f.v[2].index, 2);
	assert_int_equal(f.v[3].index, 2);
	assert_true(str_eq(f.v[3].value, STR("")));
	assert_ptr_equal(mail_fields_find(&f, STR("SUBJECT")), &f.v[0]);
	assert_null(mail_fields_find(&f, STR("To")));
	mail_fields_split(arena, STR_NULL, &f);
	assert_int_equal(f.n, 0);
}

static int
teardown(void **state)
{
	(void)state;
	arena_reset(arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_plain, teardown),
		cmocka_unit_test_teardown(test_alternative, teardown),
		cmocka_unit_test_teardown(test_mixed_line_ends, teardown),
		cmocka_unit_test_teardown(test_nested_and_unclosed, teardown),
		cmocka_unit_test_teardown(test_protected, teardown),
		cmocka_unit_test_teardown(test_data, teardown),
		cmocka_unit_test_teardown(test_limits, teardown),
		cmocka_unit_test_teardown(test_hostile, teardown),
		cmocka_unit_test_teardown(test_fields, teardown),
	};
	int rc;

	mail_init();
	arena = arena_new(1 << 16);
	rc = cmocka_run_group_tests_name("mail-parse", tests, NULL, NULL);
	arena_free(&arena);
	return rc;
}
