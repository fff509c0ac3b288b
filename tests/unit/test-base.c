/*
 * test-base: strings, buffers, arenas, values, JSON, time, errors, log lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/value.h"

static void
test_str(void **state)
{
	struct str rest = STR("a,,b"), token, none = STR_NULL;
	(void)state;
	assert_true(str_caseeq(STR("AbC1"), STR("aBc1")));
	assert_false(str_caseeq(STR("[@"), STR("{`"))); /* letters only */
	assert_true(str_eq(none, STR("")));
	assert_true(str_starts(STR("abc"), STR("")) && str_starts(STR("abc"), STR("abc")));
	assert_false(str_starts(STR("ab"), STR("abc")) || str_casestarts(STR("ab"), STR("abc")));
	assert_true(str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")));
	assert_int_equal(str_find(STR("abcabc"), STR("ca")), 2);
	assert_int_equal(str_find(STR("abc"), STR("x")), 3);
	assert_int_equal(str_find(STR("abc"), STR("")), 0);
	assert_int_equal(str_find(none, STR("x")), 0);
	assert_int_equal(str_find_char(STR("a\0b"), '\0'), 1);
	assert_int_equal(str_find_char(none, 'x'), 0);
	assert_true(str_eq(str_trim(STR(" \t\r\n a b \n")), STR("a b")));
	assert_int_equal(str_trim(STR(" \n")).n, 0);
	assert_true(str_eq(str_sub(STR("abc"), 1, 99), STR("bc")));
	assert_int_equal(str_sub(STR("abc"), 3, 1).n, 0);
	assert_int_equal(str_sub(none, 1, 2).n, 0);
	assert_true(str_split(&rest, ',', &token) && str_eq(token, STR("a")));
	assert_true(str_split(&rest, ',', &token) && token.n == 0);
	assert_true(str_split(&rest, ',', &token) && str_eq(token, STR("b")));
	assert_false(str_split(&rest, ',', &token));
	rest = STR("");
	assert_true(str_split(&rest, ',', &token) && token.n == 0);
	assert_false(str_split(&rest, ',', &token));
}

static void
test_utf8(void **state)
{
	static const char *const bad[] = { "\x80",
					   "\xc3",
					   "\xc0\xaf",
					   "\xe0\x80\xaf",
					   "\xed\xa0\x80",
					   "\xf4\x90\x80\x80",
					   "\xf8\x88\x80\x80\x80",
					   "a\xff",
					   "\xe2\x82" };
	(void)state;
	assert_true(str_is_utf8(STR("")) && str_is_utf8(STR_NULL));
	assert_true(str_is_utf8(STR("a\0ä€😀\xf4\x8f\xbf\xbf")));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(str_is_utf8(str_of(bad[i])));
	assert_true(str_is_ascii(STR("a\x7f")) && !str_is_ascii(STR("\x80")));
}

static void
test_arena(void **state)
{
	struct arena *a = arena_new(0);
	unsigned char *p[200];
	(void)state;
	for (size_t i = 0; i < 200; i++) {
		p[i] = arena_alloc(a, i * 7);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		memset(p[i], (int)i, i * 7);
	}
	for (size_t i = 1; i < 200; i++)
		assert_true(p[i][0] == i && p[i][i * 7 - 1] == i);
	size_t before = arena_size(a);
	assert_true(before >= 199 * 200 / 2 * 7);
	arena_reset(a);
	assert_true(arena_size(a) < before);
	unsigned char *z = arena_zalloc(a, 100000);
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(z[i], 0);
	struct str s = arena_str(a, STR("a\0b"));
	assert_true(s.n == 3 && memcmp(s.p, "a\0b", 4) == 0);
	assert_string_equal(arena_cstr(a, STR_NULL), "");
	s = arena_printf(a, "%s-%d-%.*s", "x", 7, STR_ARG(STR_NULL));
	assert_true(str_eq(s, STR("x-7-")));
	arena_free(&a);
	assert_null(a);
	arena_free(&a);
}

static void
test_buf(void **state)
{
	struct buf b = { 0 };
	(void)state;
	assert_string_equal(buf_str(&b).p, "");
	buf_reset(&b);
	buf_add(&b, NULL, 0);
	assert_true(b.n == 0 && b.p[0] == '\0');
	for (int i = 0; i < 1000; i++)
		buf_addc(&b, (char)('a' + i % 26));
	assert_true(b.n == 1000 && strlen(b.p) == 1000);
	buf_printf(&b, "%0500d", 1);
	assert_int_equal(b.n, 1500);
	assert_int_equal(b.p[1500], '\0');
	char *keep = b.p;
	buf_reset(&b);
	assert_true(b.p == keep && b.p[0] == '\0');
	for (size_t n = 60; n < 70; n++) { /* the NUL at every border of a growth */
		buf_free(&b);
		for (size_t i = 0; i < n; i++)
			buf_addc(&b, 'x');
		assert_int_equal(strlen(b.p), n);
		buf_printf(&b, "%s", "");
	}
	buf_free(&b);
	assert_true(b.p == NULL && b.n == 0 && b.cap == 0);
}

static void
test_map(void **state)
{
	struct arena *a = arena_new(256);
	struct value *m = value_map_new(a);
	struct str key;
	const struct value *v;
	(void)state;
	for (int i = 0; i < 2000; i++) {
		value_map_set(a, m, arena_printf(a, "key%d", i), value_int(a, i));
		if (i < 40 || i % 100 == 0)
			for (int k = 0; k <= i; k++) {
				v = value_map_get(m, arena_printf(a, "key%d", k));
				assert_true(v != NULL && v->i == k);
			}
	}
	value_map_set(a, m, STR("key7"), value_int(a, -7)); /* in its old place */
	assert_int_equal(value_map_count(m), 2000);
	value_map_entry(m, 7, &key, &v);
	assert_true(str_eq(key, STR("key7")) && v->i == -7);
	assert_null(value_map_get(m, STR("key2000")));
	assert_null(value_map_get(NULL, STR("x")));
	assert_null(value_map_get(v, STR("x")));
	assert_int_equal(value_map_count(NULL) + value_map_count(v), 0);
	value_map_set(a, m, STR(""), &VALUE_TRUE_V);
	value_map_set(a, m, STR("a\0b"), &VALUE_FALSE_V);
	assert_true(value_map_get(m, STR(""))->b && !value_map_get(m, STR("a\0b"))->b);
	arena_free(&a);
}

static const struct value *
parsed(struct arena *a, const char *text)
{
	const struct value *v = NULL;
	struct err e = { 0 };
	if (json_parse(a, str_of(text), NULL, &v, &e) != 0)
		fail_msg("%s: %s", text, e.text);
	return v;
}

static void
test_path(void **state)
{
	struct arena *a = arena_new(256);
	const struct value *v = parsed(a, "{\"a\":{\"b\":[10,{\"c\":true}],\"\":5},\"x\":null}");
	(void)state;
	assert_int_equal(value_path(v, STR("a.b.0"))->i, 10);
	assert_true(value_path(v, STR("a.b.1.c"))->b);
	assert_int_equal(value_path(v, STR("a."))->i, 5);
	assert_int_equal(value_path(v, STR("x"))->type, VALUE_NULL);
	static const char *const none[] = { "",	   ".",	      "a.b.2", "a.b.-1", "a.b.x", "a.b.9999999999",
					    "x.y", "a.b.0.z", "a..b" };
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_null(value_path(v, str_of(none[i])));
	assert_null(value_path(NULL, STR("a")));
	arena_free(&a);
}

static void
test_print(void **state)
{
	static const struct {
		const char *json, *text;
	} c[] = {
		{ "1.0", "1" },
		{ "0.1", "0.1" },
		{ "-0.0", "0" },
		{ "1e20", "1e+20" },
		{ "1e14", "100000000000000" },
		{ "0.30000000000000004", "0.30000000000000004" },
		{ "9223372036854775807", "9223372036854775807" },
		{ "-9223372036854775808", "-9223372036854775808" },
		{ "true", "true" },
		{ "null", "" },
		{ "\"x\"", "x" },
		{ "[1,\"a\",null,[2],{}]", "1,a,,[list],[object Object]" },
		{ "{}", "[object Object]" },
		{ "4.5", "4.5" },
		{ "1e-7", "1e-07" },
		{ "123456789.125", "123456789.125" },
	};
	struct arena *a = arena_new(256);
	struct buf b = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		buf_reset(&b);
		value_print(&b, parsed(a, c[i].json));
		assert_string_equal(b.p ? b.p : "", c[i].text);
	}
	buf_reset(&b);
	value_print(&b, NULL);
	value_print(&b, value_real(a, 0.0 / 0.0 * 1));
	assert_int_equal(b.n, 0);
	buf_free(&b);
	arena_free(&a);
}

static void
test_number(void **state)
{
	static const struct {
		const char *json;
		double number;
	} good[] = { { "1", 1 },       { "1.5", 1.5 },	       { "true", 1 },	  { "false", 0 },
		     { "\"12\"", 12 }, { "\"-1.5e2\"", -150 }, { "\".5\"", 0.5 }, { "\"+3\"", 3 } };
	static const char *const bad[] = { "\"\"",    "\" 1\"",	   "\"1 \"",  "\"0x10\"", "\"inf\"",
					   "\"nan\"", "\"1e999\"", "\"1,5\"", "null",	  "[1]",
					   "{}",      "\"e\"",	   "\"1\\n\"" };
	struct arena *a = arena_new(256);
	bool ok;
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		double d = value_number(parsed(a, good[i].json), &ok);
		assert_true(ok && d >= good[i].number && d <= good[i].number);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		value_number(parsed(a, bad[i]), &ok);
		assert_false(ok);
	}
	value_number(NULL, &ok);
	assert_false(ok);
	arena_free(&a);
}

static void
test_copy(void **state)
{
	struct arena *a = arena_new(256), *b = arena_new(256);
	struct buf out = { 0 };
	const char *text = "{\"a\":[1,2.5,\"x\",null,true,{\"k\":\"v\"}],\"b\":{},\"c\":[]}";
	(void)state;
	struct value *s = value_string(a, STR("<b>"));
	s->safe_html = true;
	assert_true(value_copy(b, s)->safe_html);
	const struct value *v = value_copy(b, parsed(a, text));
	assert_null(value_copy(b, NULL));
	arena_free(&a);
	json_print(&out, v);
	assert_string_equal(out.p, text);
	assert_int_equal(value_length(value_path(v, STR("a"))), 6);
	assert_int_equal(value_length(v), 3);
	assert_int_equal(value_length(NULL), 0);
	buf_free(&out);
	arena_free(&b);
}

static void
bad_json(const char *text, size_t n, const struct json_limits *lim, enum err_kind kind, const char *says)
{
	struct arena *a = arena_new(256);
	const struct value *v;
	struct err e = { 0 };
	if (json_parse(a, str_make(text, n), lim, &v, &e) == 0 || e.kind != kind ||
	    strstr(e.text, says) == NULL)
		fail_msg("%.60s: %d %s", text, e.kind, e.text);
	arena_free(&a);
}

static void
test_json_errors(void **state)
{
	static const struct json_limits small = { .max_bytes = 10, .max_depth = 2 };
	struct buf b = { 0 };
	(void)state;
#define BAD(text, kind, says) bad_json(text, sizeof(text) - 1, NULL, kind, says)
	BAD("", ERR_INPUT, "line 1, column 0");
	BAD("{\"a\":1,\n\"a\":2}", ERR_INPUT, "line 2, column 3: duplicate object key");
	BAD("\"\\u0000\"", ERR_INPUT, "line 1");
	BAD("{\"\\u0000\":1}", ERR_INPUT, "line 1");
	BAD("\"a\0b\"", ERR_INPUT, "line 1");
	BAD("\"\xff\"", ERR_INPUT, "unable to decode");
	BAD("\"\\ud800\"", ERR_INPUT, "line 1");
	BAD("[1] x", ERR_INPUT, "end of file expected");
	BAD("9223372036854775808", ERR_INPUT, "too big");
	BAD("1e999", ERR_INPUT, "overflow");
	BAD("{a:1}", ERR_INPUT, "line 1, column 2");
	BAD("[01]", ERR_INPUT, "line 1");
	BAD("NaN", ERR_INPUT, "line 1");
	bad_json("[1,2,3,4,5,6]", 13, &small, ERR_LIMIT, "13 bytes");
	bad_json("[[[1]]]", 7, &small, ERR_LIMIT, "deeper than 2");
	for (int i = 0; i < 100000; i++)
		buf_addc(&b, '[');
	bad_json(b.p, b.n, NULL, ERR_INPUT, "depth");
	buf_reset(&b);
	for (int i = 0; i < 33; i++)
		buf_addc(&b, '[');
	for (int i = 0; i < 33; i++)
		buf_addc(&b, ']');
	bad_json(b.p, b.n, NULL, ERR_LIMIT, "deeper than 32");
	buf_free(&b);
}

static void
test_json_print(void **state)
{
	struct arena *a = arena_new(256);
	struct buf b = { 0 };
	(void)state;
	json_print_string(&b, STR("\"\\\n\t\x7f\x01\xff ä\xe2\x82"));
	assert_string_equal(b.p,
			    "\"\\\"\\\\\\n\\u0009\\u007f\\u0001\xef\xbf\xbd ä\xef\xbf\xbd\xef\xbf\xbd\"");
	buf_reset(&b);
	json_print_string(&b, STR("\xc2\x9b"
				  "31m\xc2\xa0"));
	assert_string_equal(b.p, "\"\\u009b31m\xc2\xa0\"");
	buf_reset(&b);
	json_print_pretty(&b, parsed(a, "{\"a\":[1,{}],\"b\":[],\"c\":{\"d\":null}}"));
	assert_string_equal(
	    b.p, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": [],\n  \"c\": {\n    \"d\": null\n  }\n}");
	buf_reset(&b);
	json_print(&b, value_real(a, 1e300 * 1e10));
	assert_string_equal(b.p, "null");
	buf_reset(&b);
	json_print(&b, parsed(a, "[\"\\u00e4\\ud83d\\ude00\",-0.5,1e3,9007199254740993]"));
	assert_string_equal(b.p, "[\"ä😀\",-0.5,1000,9007199254740993]");
	buf_free(&b);
	arena_free(&a);
}

static void
test_rfc3339(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
		const char *back;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0, NULL },
		{ "2026-03-29T09:00:00Z", 1774774800000, NULL },
		{ "2026-03-29T11:00:00+02:00", 1774774800000, "2026-03-29T09:00:00Z" },
		{ "2026-03-29t09:00:00.5z", 1774774800500, "2026-03-29T09:00:00.500Z" },
		{ "2026-03-29 09:00:00.123456Z", 1774774800123, "2026-03-29T09:00:00.123Z" },
		{ "2024-02-29T00:00:00-00:30", 1709166600000, "2024-02-29T00:30:00Z" },
		{ "1969-12-31T23:59:59.999Z", -1, NULL },
		{ "2016-12-31T23:59:60Z", 1483228800000, "2017-01-01T00:00:00Z" },
		{ "9999-12-31T23:59:59Z", 253402300799000, NULL },
	};
	static const char *const bad[] = {
		"",
		"2026-03-29",
		"2026-03-29T09:00Z",
		"2026-03-29T09:00:00",
		"2026-3-29T09:00:00Z",
		"2026-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z",
		"2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00+02",
		"2026-01-01T00:00:00Zx",
		" 2026-01-01T00:00:00Z",
		"2026-01-01X00:00:00Z",
		"+026-01-01T00:00:00Z",
	};
	char out[40];
	int64_t ms;
	struct err e;
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(clock_parse_rfc3339(str_of(good[i].text), &ms, &e), 0);
		assert_int_equal(ms, good[i].ms);
		assert_string_equal(clock_format_rfc3339(ms, out),
				    good[i].back ? good[i].back : good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (clock_parse_rfc3339(str_of(bad[i]), &ms, &e) == 0 || e.kind != ERR_INPUT)
			fail_msg("%s", bad[i]);
	assert_int_equal(clock_parse_rfc3339(STR("2026-01-01T00:00:00Z\0"), &ms, NULL), -1);
	clock_format_rfc3339(INT64_MAX, out);
	clock_format_rfc3339(INT64_MIN, out);
}

static void
test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = { { "0", 0 },	  { "0s", 0 },		{ "250ms", 250 },
		     { "30s", 30000 },	  { "15m", 900000 },	{ "12h", 43200000 },
		     { "7d", 604800000 }, { "2w", 1209600000 }, { "2y", 63072000000 },
		     { "007s", 7000 } };
	static const char *const bad[] = { "",
					   "5",
					   "s",
					   "-5s",
					   "1.5h",
					   "5 s",
					   "5S",
					   "5min",
					   "5s ",
					   "+5s",
					   "1h30m",
					   "99999999999999999999s",
					   "9223372036854775807y",
					   "0x5s" };
	char out[40];
	int64_t ms, back;
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(clock_parse_duration(str_of(good[i].text), &ms, NULL), 0);
		assert_int_equal(ms, good[i].ms);
		clock_format_duration(ms, out);
		assert_int_equal(clock_parse_duration(str_of(out), &back, NULL), 0);
		assert_int_equal(back, ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (clock_parse_duration(str_of(bad[i]), &ms, NULL) == 0)
			fail_msg("%s", bad[i]);
	assert_string_equal(clock_format_duration(1500, out), "1500ms");
	assert_int_equal(size_parse(STR("64M"), &ms, NULL), 0);
	assert_int_equal(ms, 64 << 20);
	assert_int_equal(size_parse(STR("1048576"), &ms, NULL), 0);
	assert_int_equal(ms, 1048576);
	assert_int_equal(size_parse(STR("8388608T"), &ms, NULL), -1);
	assert_int_equal(size_parse(STR("1.5G"), &ms, NULL), -1);
	assert_int_equal(size_parse(STR("M"), &ms, NULL), -1);
}

static void
test_clock(void **state)
{
	static const struct {
		int64_t seconds, date;
		int time, weekday;
	} dates[] = { { 0, 19700101, 0, 4 },
		      { -1, 19691231, 235959, 3 },
		      { 951782400, 20000229, 0, 2 },
		      { 1774746000, 20260329, 10000, 7 },
		      { 253402300799, 99991231, 235959, 5 },
		      { -62167219200, 101, 0, 6 } };
	struct clock_date d;
	(void)state;
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		clock_date_of(dates[i].seconds, &d);
		assert_int_equal(d.year * 10000 + d.month * 100 + d.day, dates[i].date);
		assert_int_equal(d.hour * 10000 + d.minute * 100 + d.second, dates[i].time);
		assert_int_equal(d.weekday, dates[i].weekday);
	}
	assert_true(clock_now_ms() > 1700000000000);
	int64_t before = clock_mono_us();
	assert_true(clock_mono_us() >= before);
	assert_true(clock_cpu_us() >= 0 && clock_thread_cpu_us() >= 0);
}

static void
test_err(void **state)
{
	struct err e = { 0 };
	char longer[3000];
	(void)state;
	assert_int_equal(err_set(NULL, ERR_IO, "x"), -1);
	assert_int_equal(err_prefix(NULL, "x"), -1);
	err_set(&e, ERR_INPUT, "line %d", 3);
	err_set(&e, ERR_LIMIT, "%s again", e.text); /* its own text as argument */
	assert_string_equal(e.text, "line 3 again");
	err_prefix(&e, "part %s", "1.2");
	assert_string_equal(e.text, "part 1.2: line 3 again");
	assert_int_equal(e.kind, ERR_LIMIT);
	err_set(&e, ERR_INPUT, "\"%s\" is no number",
		"\x1b[31m\n\x7f\xc2\x9b"
		"m\xc3\x9b");
	err_prefix(&e, "\r%s", "name\t");
	assert_string_equal(e.text, "?name?: \"?[31m???"
				    "?m\xc3\x9b\" is no number");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_set(&e, ERR_IO, "%s", longer);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	err_prefix(&e, "here");
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_memory_equal(e.text, "here: xxx", 9);
	for (size_t n = sizeof(e.text) - 4; n < sizeof(e.text) + 3; n++) {
		err_set(&e, ERR_IO, "tail");
		err_prefix(&e, "%.*s", (int)n, longer);
		assert_true(strlen(e.text) < sizeof(e.text));
	}
	assert_int_equal(err_exit_code(ERR_NONE), 0);
	for (int k = ERR_USAGE; k <= ERR_BUG; k++)
		assert_in_range(err_exit_code((enum err_kind)k), 64, 78);
}

/* What a log call writes to stderr. */
static size_t
logged(char *out, size_t room, const char *text)
{
	int fd[2], keep = dup(2);
	assert_int_equal(pipe(fd), 0);
	dup2(fd[1], 2);
	log_info("%s", text);
	log_debug("hidden %s", text);
	dup2(keep, 2);
	close(keep);
	close(fd[1]);
	ssize_t n = read(fd[0], out, room - 1);
	close(fd[0]);
	assert_true(n >= 0);
	out[n] = '\0';
	return (size_t)n;
}

static void
test_log(void **state)
{
	char out[4096], longer[3000];
	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_open("unit", LOG_TO_STDERR, LOG_LVL_INFO);
	size_t n = logged(out, sizeof(out), "a\r\nunit[1]: error: forged\x1b[31m\x7f\t");
	assert_non_null(strstr(out, ": info: a??unit[1]: error: forged?[31m??\n"));
	assert_ptr_equal(strchr(out, '\n'), out + n - 1);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	n = logged(out, sizeof(out), longer);
	assert_true(n < 2200 && out[n - 1] == '\n');
}

static void
test_moment(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
		bool local;
	} good[] = {
		{ "2026-12-01T09:00:00+01:00", 1796112000000, false },
		{ "2026-12-01T08:00:00Z", 1796112000000, false },
		{ "2026-12-01T09:00+01:00", 1796112000000, false },
		{ "2026-12-01T08:00:00", 1796112000000, true },
		{ "2026-12-01 08:00", 1796112000000, true },
		{ "2026-12-01t08:00:00.25", 1796112000250, true },
	};
	static const char *const bad[] = { "",
					   "2026-12-01",
					   "2026-12-01T",
					   "2026-12-01T08",
					   "2026-12-01T8:00",
					   "2026-12-01T08:00:",
					   "2026-12-01T08:00.5",
					   "2026-12-01T24:00",
					   "2026-13-01T08:00",
					   "2026-02-29T08:00",
					   "2026-12-01T08:00 ",
					   "2026-12-01T08:00+1:00",
					   "2026-12-01T08:00:00+",
					   "2026-12-01T08:00:00ZZ",
					   "20261201T080000",
					   "tomorrow" };
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t ms = 0;
		bool local = false;
		if (clock_parse_moment(str_of(good[i].text), &ms, &local, NULL) != 0 || ms != good[i].ms ||
		    local != good[i].local)
			fail_msg("%s → %lld", good[i].text, (long long)ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = { 0 };
		int64_t ms;
		bool local;
		if (clock_parse_moment(str_of(bad[i]), &ms, &local, &e) == 0 || e.kind != ERR_INPUT)
			fail_msg("accepted: %s", bad[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str),	   cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_arena),	   cmocka_unit_test(test_buf),
		cmocka_unit_test(test_map),	   cmocka_unit_test(test_path),
		cmocka_unit_test(test_print),	   cmocka_unit_test(test_number),
		cmocka_unit_test(test_copy),	   cmocka_unit_test(test_json_errors),
		cmocka_unit_test(test_json_print), cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_moment),	   cmocka_unit_test(test_durations),
		cmocka_unit_test(test_clock),	   cmocka_unit_test(test_err),
		cmocka_unit_test(test_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
