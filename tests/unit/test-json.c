/* JSON: the quick way for plain text must read what jansson reads, and leave to it what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/json-plain.h"
#include "base/json.h"

static struct arena *arena;

static const struct value *
parse(struct str text)
{
	const struct value *v = NULL;
	struct err e = { 0 };
	return json_parse(arena, text, NULL, &v, &e) == 0 ? v : NULL;
}

/* The same text inside a list with an escape in front, which is not plain: jansson's answer. */
static const struct value *
parse_slowly(struct str text)
{
	struct buf b = { 0 };
	buf_adds(&b, STR("[\"\\u0041\","));
	buf_adds(&b, text);
	buf_adds(&b, STR("]"));
	assert_null(json_plain(arena, buf_str(&b), 33));
	struct json_limits lim = { .max_depth = 33 };
	const struct value *v = NULL;
	struct err e = { 0 };
	int rc = json_parse(arena, buf_str(&b), &lim, &v, &e);
	buf_free(&b);
	/* "1,2" is two values there, and none by itself */
	return rc == 0 && v->list.n == 2 ? v->list.items[1] : NULL;
}

static bool
same(const struct value *a, const struct value *b)
{
	struct buf x = { 0 }, y = { 0 };
	json_print(&x, a);
	json_print(&y, b);
	bool equal = a->type == b->type && str_eq(buf_str(&x), buf_str(&y));
	buf_free(&x);
	buf_free(&y);
	return equal;
}

/* Reads text both ways; true when it was plain. */
static bool
agree(struct str text)
{
	const struct value *quick = json_plain(arena, text, 32), *slow = parse_slowly(text),
			   *any = parse(text);
	if (quick != NULL && (slow == NULL || !same(quick, slow)))
		fail_msg("read as plain: %.*s", STR_ARG(text));
	if ((any == NULL) != (slow == NULL) || (any != NULL && !same(any, slow)))
		fail_msg("read otherwise: %.*s", STR_ARG(text));
	return quick != NULL;
}

static void
test_plain(void **state)
{
	static const char *const plain[] = {
		"{}",
		"[]",
		" { } ",
		"[ ]",
		"0",
		"-0",
		"-0.0",
		"12",
		"true",
		"false",
		"null",
		"\"\"",
		"\"a\"",
		"{\"a\":1}",
		"{\"a\": {\"b\": [1, 2.5, -3, \"x\", true, null]}}\n",
		"0.1",
		"12.5",
		"123456789012345",
		"1234567890.12345",
		"0.00000000000001",
		"{\"\":\"\"}",
		"\"gr\xc3\xbc\xc3\x9f\"",
		"[[[[[[]]]]]]",
		"\"\xf0\x9f\x8d\x8f\"",
		"\t[\r1\n]",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!agree(str_of(plain[i])))
			fail_msg("not plain: %s", plain[i]);
}

static void
test_not_plain(void **state)
{
	static const char *const other[] = {
		"",
		" ",
		"{",
		"[",
		"\"",
		"\"a",
		"[1,]",
		"[,1]",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{a:1}",
		"01",
		"-",
		"-a",
		"1.",
		".5",
		"1e3",
		"1E3",
		"1.5e3",
		"1.2.3",
		"1234567890123456",
		"+1",
		"--1",
		"\"\\n\"",
		"\"a\nb\"",
		"\"\x01\"",
		"{\"a\":1,\"a\":2}",
		"tru",
		"truex",
		"nul",
		"[1 2]",
		"{} {}",
		"\"\xff\"",
		"\"\xc0\xaf\"",
		"\"\xed\xa0\x80\"",
		"NaN",
		"Infinity",
		"'a'",
		"// x\n1",
		"[1]]",
		"00",
		"-01",
		"0x1",
		"9223372036854775807",
		"9223372036854775808",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		if (agree(str_of(other[i])))
			fail_msg("taken for plain: %s", other[i]);
	assert_false(agree(str_make("[1]\0", 4)));
	assert_false(agree(str_make("\"a\0b\"", 5)));
}

static void
test_depth(void **state)
{
	char text[80];
	struct err e = { 0 };
	const struct value *v;
	(void)state;
	for (int n = 30; n < 36; n++) {
		memset(text, '[', (size_t)n);
		memset(text + n, ']', (size_t)n);
		struct str s = str_make(text, (size_t)n * 2);
		assert_true((json_plain(arena, s, 32) != NULL) == (n <= 32));
		assert_int_equal(json_parse(arena, s, NULL, &v, &e), n <= 32 ? 0 : -1);
	}
	assert_int_equal(e.kind, ERR_LIMIT);
}

/* Pieces of JSON in any order: whatever is taken for plain is what jansson reads. */
static void
test_random(void **state)
{
	static const char *const pieces[] = {
		"{",	   "}",
		"[",	   "]",
		",",	   ":",
		"\"a\"",   "\"b\"",
		"\"\\t\"", "1",
		"-2",	   "0",
		".5",	   "3.25",
		"e2",	   "true",
		"null",	   " ",
		"\n",	   "{\"k\":1}",
		"[1,2]",   "\"\xc3\xa4\"",
		"\xff",	   "9007199254740993",
		"\"",
	};
	unsigned seed = 7;
	size_t plain = 0;
	(void)state;
	for (int i = 0; i < 60000; i++) {
		struct buf b = { 0 };
		for (int k = 0; k < 1 + i % 7; k++) {
			seed = seed * 1103515245u + 12345u;
			buf_adds(&b, str_of(pieces[seed / 65536u % (sizeof(pieces) / sizeof(pieces[0]))]));
		}
		plain += agree(buf_str(&b));
		buf_free(&b);
		arena_reset(arena);
	}
	assert_true(plain > 1000);
}

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(4096);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_not_plain),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
