/* Part trees that are taken over are those that the parser would have made; what only looks alike is parsed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/shape.h"

#define MUTANTS 20000

static void
assert_same_part(const struct mail_part *p, const struct mail_part *q)
{
	assert_int_equal(p == NULL, q == NULL);
	if (p == NULL)
		return;
	assert_int_equal(p->role, q->role);
	assert_true(str_eq(p->type, q->type) && str_eq(p->subtype, q->subtype) &&
		    str_eq(p->charset, q->charset));
	assert_int_equal(p->cte, q->cte);
	assert_int_equal(p->attachment, q->attachment);
	assert_int_equal(p->typeless, q->typeless);
	assert_int_equal(p->format_flowed, q->format_flowed);
	assert_int_equal(p->delsp, q->delsp);
	assert_int_equal(p->lf, q->lf);
	assert_int_equal(p->head_start, q->head_start);
	assert_int_equal(p->head_end, q->head_end);
	assert_int_equal(p->body_start, q->body_start);
	assert_int_equal(p->body_end, q->body_end);
	assert_string_equal(p->path, q->path);
	assert_int_equal(p->fields.n, q->fields.n);
	for (size_t i = 0; i < p->fields.n; i++) {
		assert_true(str_eq(p->fields.v[i].name, q->fields.v[i].name));
		assert_ptr_equal(p->fields.v[i].value.p, q->fields.v[i].value.p);
		assert_int_equal(p->fields.v[i].index, q->fields.v[i].index);
	}
	assert_int_equal(p->parent == NULL, q->parent == NULL);
	assert_same_part(p->child, q->child);
	assert_same_part(p->next, q->next);
}

/* By the parser and by the shapes; true when no parser was needed. */
static bool
both(struct mail_shapes *s, struct str message)
{
	struct arena *a = arena_new(4096);
	struct mail m, n;
	struct err e = { 0 }, f = { 0 };
	long hits = mail_shapes_hits(s);
	int rc = mail_parse(a, message, NULL, &m, &e);
	assert_int_equal(mail_shapes_parse(s, a, message, &n, &f), rc);
	if (rc == 0) {
		assert_int_equal(m.nparts, n.nparts);
		assert_ptr_equal(m.bytes.p, n.bytes.p);
		assert_int_equal(m.bytes.n, n.bytes.n);
		assert_same_part(m.root, n.root);
	}
	arena_free(&a);
	return mail_shapes_hits(s) > hits;
}

/* @ and % are two boundaries; header is what comes before Content-Type. */
static struct str
fill(struct arena *a, const char *header, const char *body, const char *outer, const char *inner)
{
	struct buf b = { 0 };
	buf_adds(&b, str_of(header));
	for (const char *p = body; *p != '\0'; p++) {
		if (*p == '@' || *p == '%')
			buf_adds(&b, str_of(*p == '@' ? outer : inner));
		else
			buf_addc(&b, *p);
	}
	struct str s = arena_str(a, buf_str(&b));
	buf_free(&b);
	return s;
}

static const char *const bodies[] = {
	"Content-Type: multipart/alternative; boundary=\"@\"\r\n\r\n--@\r\nContent-Type: text/plain\r\n\r\n"
	"Hello {{name}}\r\n--@\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
	"8bit\r\n\r\n"
	"<p>Hello\r\n--@--\r\n",
	"MIME-Version: 1.0\nContent-Type: multipart/mixed;\n boundary=@\n\npreamble\n--@\nContent-Type: "
	"multipart/related; boundary=\"%\"\n\n--%\nContent-Type: text/html\n\n<b>{{x}}</b>\n-- "
	"\nsignature\n--%\n"
	"Content-Type: image/gif; name=a.gif\nContent-Transfer-Encoding: base64\n\nR0lGODlh\n\n--%--\n\n--@\n"
	"Content-Type: text/plain; name=\"b.txt\"\nContent-Disposition: inline\n\nmore\n--@--\nepilogue\n",
	"Content-Type: text/plain; format=flowed; delsp=yes\r\nContent-Transfer-Encoding: "
	"quoted-printable\r\n\r\n"
	"{{a}} =\r\nb\r\n",
	"\r\njust text\r\n",
};
#define NBODIES (sizeof(bodies) / sizeof(bodies[0]))
#define OUTER "----=_Part_0_12345.678"
#define INNER "b1_aaaaaaaaaaaa"

static void
test_hits(void **state)
{
	(void)state;
	for (size_t i = 0; i < NBODIES; i++) {
		struct mail_shapes *s = mail_shapes_new();
		struct arena *a = arena_new(4096);
		assert_false(both(s, fill(a, "Subject: x\r\n", bodies[i], OUTER, INNER)));
		assert_false(both(s, fill(a, "Subject: x\r\n", bodies[i], OUTER, INNER)));
		assert_true(both(s, fill(a, "Subject: x\r\n", bodies[i], OUTER, INNER)));
		/* another header, other boundaries */
		assert_true(both(s, fill(a, "Subject: longer\r\nX-A: b\r\nTo: c@d\r\n", bodies[i],
					 "----=_Part_9_98765.432", "b1_bbbbbbbbbbbb")));
		arena_free(&a);
		mail_shapes_free(&s);
	}
}

/* Each of these differs in something that the parser minds. */
static void
test_misses(void **state)
{
	static const char *const others[][2] = {
		{ "----=_Part_9_98765.4321", INNER }, /* longer */
		{ "----=_Part_9_98765_432", INNER },  /* another sign */
		{ "----=_Part_9_9876\".432", INNER }, { "----=_Part_9_98765.432", "b1_aaaaaaaaaaa-" },
		{ INNER "1234567", INNER }, /* one begins with the other */
	};
	struct mail_shapes *s = mail_shapes_new();
	struct arena *a = arena_new(4096);
	(void)state;
	for (int i = 0; i < 3; i++)
		both(s, fill(a, "", bodies[1], OUTER, INNER));
	assert_int_equal(mail_shapes_hits(s), 1);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(both(s, fill(a, "", bodies[1], others[i][0], others[i][1])));
	/* CRLF in a header whose body has LF: what a body without a line end goes by */
	assert_false(both(s, fill(a, "X: y\r\n", bodies[1], OUTER, INNER)));
	assert_true(both(s, fill(a, "X: y\n", bodies[1], OUTER, INNER)));
	/* no empty line behind the header */
	for (int i = 0; i < 3; i++)
		both(s, fill(a, "", "Content-Type: text/plain\r\n\r\n", "", ""));
	assert_int_equal(mail_shapes_hits(s), 3);
	assert_false(both(s, fill(a, "", "Content-Type: text/plain\r\n", "", "")));
	arena_free(&a);
	mail_shapes_free(&s);
}

/* Text that is the next message's boundary by intention. */
static void
test_foreign_boundary(void **state)
{
	static const char body[] =
	    "Content-Type: multipart/mixed; boundary=@\n\n--@\nContent-Type: text/plain\n\n"
	    "a\n--%\nContent-Type: text/html\n\n{{b}}\n--@--\n";
	struct mail_shapes *s = mail_shapes_new();
	struct arena *a = arena_new(4096);
	(void)state;
	for (int i = 0; i < 3; i++)
		both(s, fill(a, "", body, "boundaryAAAA", "boundaryBBBB"));
	assert_int_equal(mail_shapes_hits(s), 1);
	assert_false(both(s, fill(a, "", body, "boundaryBBBB", "boundaryBBBB")));
	assert_true(both(s, fill(a, "", body, "boundaryCCCC", "boundaryBBBB")));
	arena_free(&a);
	mail_shapes_free(&s);
}

/* Boundaries at places that a field may read, parts whose boundaries are not known: never kept. */
static void
test_not_kept(void **state)
{
	static const char *const odd[] = {
		"Content-Type: multipart/@; boundary=@\n\n--@\n\na\n--@--\n",
		"Content-Type: multipart/mixed; boundary=@\n\n--@\nContent-Type: "
		"message/rfc822\n\nContent-Type: "
		"multipart/mixed; boundary=%\n\n--%\n\nb\n--%--\n--@--\n",
		"Content-Type: multipart/mixed; boundary=@\n\nno part\n",
		"Content-Type: multipart/mixed; boundary=@\n\n--@\nContent-Type: multipart/mixed; "
		"boundary=@_in\n\n--@_in\n\na\n--@_in--\n--@--\n",
		"Content-Type: multipart/mixed; boundary*0=@\n\n--@\n\na\n--@--\n",
	};
	/* The field says abcdefghij in a way of its own; with others in the lines it would be another tree.
	 */
	static const char *const said[] = {
		"Content-Type: multipart/mixed; boundary*0=abcd; boundary*1=efghij\n\n--@\n\na\n--@--\n",
		"Content-Type: multipart/mixed; boundary*=us-ascii''%61bcdefghij\n\n--@\n\na\n--@--\n",
		"Content-Type: multipart/mixed; boundary=\"abcd\\efghij\"\n\n--@\n\na\n--@--\n",
		"Content-Type: multipart/mixed; x-boundary=\"@\"; "
		"boundary=\"abcd\\efghij\"\n\n--@\n\na\n--@--\n",
		"Content-Type: multipart/mixed; (boundary=@) boundary=\"abcd\\efghij\"\n\n--@\n\na\n--@--\n",
		"Content-Type: multipart/mixed; boundary==?us-ascii?q?abcdefghij?=\n\n--@\n\na\n--@--\n",
		"Content-Type: multipart/mixed; xboundary=@; boundary*0=abcd; "
		"boundary*1=efghij\n\n--@\n\na\n--@--\n",
		"Content-Type: multipart/mixed; boundary=@\nContent-Type: multipart/mixed; "
		"boundary=\"abcd\\efghij\"\n\n--@\n\na\n--@--\n",
	};
	struct arena *a = arena_new(4096);
	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct mail_shapes *s = mail_shapes_new();
		for (int k = 0; k < 4; k++)
			assert_false(both(s, fill(a, "", odd[i], "alternative", INNER)));
		mail_shapes_free(&s);
	}
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		struct mail_shapes *s = mail_shapes_new();
		for (int k = 0; k < 4; k++)
			both(s, fill(a, "", said[i], "abcdefghij", INNER));
		assert_false(both(s, fill(a, "", said[i], "abcdefghix", INNER)));
		mail_shapes_free(&s);
	}
	arena_free(&a);
}

static uint32_t
roll(uint32_t *r)
{
	*r = *r * 1664525u + 1013904223u;
	return *r >> 8;
}

/* Known messages with something changed anywhere: always what the parser says. */
static void
test_mutants(void **state)
{
	struct mail_shapes *s = mail_shapes_new();
	uint32_t r = 20261126;
	static const char signs[] = "-=_.\n\r\":;/ aZ0{";
	(void)state;
	for (int n = 0; n < MUTANTS; n++) {
		struct arena *a = arena_new(4096);
		char outer[] = OUTER, inner[] = INNER;
		outer[11 + roll(&r) % 4] = (char)('0' + roll(&r) % 10);
		inner[4 + roll(&r) % 8] = (char)('a' + roll(&r) % 3);
		struct str m = fill(a, roll(&r) % 2 ? "X: y\r\n" : "X: y\n", bodies[roll(&r) % NBODIES],
				    roll(&r) % 16 ? outer : INNER, roll(&r) % 16 ? inner : OUTER);
		for (uint32_t k = roll(&r) % 3; k > 0; k--)
			((char *)(uintptr_t)m.p)[roll(&r) % m.n] = signs[roll(&r) % (sizeof(signs) - 1)];
		both(s, m);
		arena_free(&a);
	}
	assert_in_range(mail_shapes_hits(s), MUTANTS / 10, MUTANTS);
	mail_shapes_free(&s);
}

static void *
many(void *arg)
{
	struct arena *a = arena_new(4096);
	for (int n = 0; n < 300; n++) {
		/* more lengths than there are places */
		struct str body = arena_printf(a, "X: %d\r\n%*s: z\r\n", n, 1 + n / 2 % 40, "Content-Y");
		both(arg, fill(a, arena_cstr(a, body), bodies[n % NBODIES], OUTER, INNER));
	}
	arena_free(&a);
	return NULL;
}

static void
test_threads(void **state)
{
	struct mail_shapes *s = mail_shapes_new();
	pthread_t t[4];
	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, many, s), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_true(mail_shapes_hits(s) > 0);
	mail_shapes_free(&s);
	assert_null(s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_misses),
		cmocka_unit_test(test_foreign_boundary),
		cmocka_unit_test(test_not_kept),
		cmocka_unit_test(test_mutants),
		cmocka_unit_test(test_threads),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
