/*
 * test-template-escape: values where they stand, regions, and the sink.
 */
#include "test-template.h"

static const char *
escaped(struct fixture *f, enum tpl_escape escape, const char *source, const char *json)
{
	f->options.escape = escape;
	return render(f, source, json);
}

#define ESCAPES(f, escape, source, json, expected) \
	assert_string_equal(escaped(f, escape, source, "{\"x\":" json "}"), expected)

static void
test_html(void **state)
{
	struct fixture *f = *state;
	ESCAPES(f, TPL_ESC_HTML, "{{x}}|{{{x}}}", "\"<a b='\\\"&`=\"",
		"&lt;a b&#x3D;&#x27;&quot;&amp;&#x60;&#x3D;|<a b='\"&`=");
	ESCAPES(f, TPL_ESC_ATTR, "{{x}}|{{{x}}}", "\"<'\\\"&=\"",
		"&lt;&#x27;&quot;&amp;&#x3D;|&lt;&#x27;&quot;&=");
	ESCAPES(f, TPL_ESC_UNQUOTED, "{{x}}|{{{x}}}", "\"a b>ä\"",
		"a&#x20;b&#x3E;&#xE4;|a&#x20;b&#x3E;&#xE4;");
	ESCAPES(f, TPL_ESC_NONE, "{{x}}", "\"<\\r\\n\"", "<\r\n");
}

static void
test_text_and_header(void **state)
{
	struct fixture *f = *state;
	ESCAPES(f, TPL_ESC_HEADER, "{{x}}|{{{x}}}", "\"a\\r\\n\\r\\nBcc: b\\tc\\u2028d\\u0085e<&\"",
		"a Bcc: b c d e<&|a Bcc: b c d e<&");
	ESCAPES(f, TPL_ESC_TEXT, "{{x}}|{{{x}}}", "\"a\\u0007b\\t\\n<\\u009b\\u007fé\"", "ab\t\n<é|ab\t\n<é");
}

static void
test_code(void **state)
{
	struct fixture *f = *state;
	ESCAPES(f, TPL_ESC_STYLE, "{{x}}|{{{x}}}", "\"#fff; x:url(a) 5%\"", "#fff xurla 5%|#fff xurla 5%");
	ESCAPES(f, TPL_ESC_TAG, "{{x}}|{{{x}}}", "\"a b=c onload_-\"", "abconload_-|abconload_-");
	ESCAPES(f, TPL_ESC_COMMENT, "{{x}}", "\"--a--b>c->-\"", "a-bc");
	ESCAPES(f, TPL_ESC_SCRIPT, "{{x}}|{{{x}}}", "\"</s>&\\\"'\\\\\\n`${a}\\u2028é\"",
		"\\u003C/s\\u003E\\u0026\\\"\\u0027\\\\\\n\\u0060\\u0024{a}\\u2028é|\\u003C/"
		"s\\u003E\\u0026\\\"\\u0027\\\\\\n\\u0060"
		"\\u0024{a}\\u2028é");
}

static void
test_url(void **state)
{
	struct fixture *f = *state;
	ESCAPES(f, TPL_ESC_URL, "{{x}}", "\"https://a.b/c d?e=%20%zz&f='<>\\\"é#g\"",
		"https://a.b/c%20d?e=%20%25zz&amp;f=%27%3C%3E%22%C3%A9#g");
	ESCAPES(f, TPL_ESC_URL, "https://a/{{x}}", "\"b/c?d&e\"", "https://a/b/c%3Fd%26e");
	ESCAPES(f, TPL_ESC_URL, "https://a/?q={{x}}", "\"b/c&d é\"", "https://a/?q=b%2Fc%26d%20%C3%A9");
	ESCAPES(f, TPL_ESC_URL, "https://a/#{{x}}", "\"b/c\"", "https://a/#b%2Fc");
	ESCAPES(f, TPL_ESC_URL, "{{x}}{{x}}", "\"/a/b\"", "/a/b/a/b");
	ESCAPES(f, TPL_ESC_URL, " {{x}}{{x}}", "\"/a?b/\"", " /a?b/%2Fa%3Fb%2F");
	ESCAPES(f, TPL_ESC_URL, "http://a/{{{x}}}", "\"?b=c&d=%41 '\"", "http://a/?b=c&d=%41%20%27");
	ESCAPES(f, TPL_ESC_URL, "{{#if x}}http://a/?{{/if}}{{x}}", "\"/\"", "http://a/?%2F");
	ESCAPES(f, TPL_ESC_URL_TEXT, "{{x}}", "\"http://a/?b&c d\"", "http://a/?b&c%20d");
	ESCAPES(f, TPL_ESC_URL, "{{x}}", "\"java\\nscript:x\"", "java%0Ascript:x");
}

/* ---- regions ---- */

struct sink {
	struct tpl_sink sink;
	const struct tpl *tpl;
	struct buf seen;
	int stop_after;
};

static int
note(struct sink *s)
{
	return s->stop_after > 0 && --s->stop_after == 0 ? -1 : 0;
}

static int
sink_literal(struct tpl_sink *sink, uint32_t index)
{
	struct sink *s = (struct sink *)sink;
	buf_printf(&s->seen, "L%u ", index);
	return note(s);
}

static int
sink_text(struct tpl_sink *sink, struct str bytes, bool raw)
{
	struct sink *s = (struct sink *)sink;
	buf_printf(&s->seen, "%s(%.*s) ", raw ? "R" : "T", STR_ARG(bytes));
	return note(s);
}

static int
sink_region(struct tpl_sink *sink, uint32_t id, struct str bytes)
{
	struct sink *s = (struct sink *)sink;
	buf_printf(&s->seen, "#%u[%.*s] ", id, STR_ARG(bytes));
	return note(s);
}

/* Regions are marked in the source: « begins, » ends a captured URL, ‹ › an uncaptured attribute. */
static struct str
cut_regions(struct fixture *f, const char *marked, struct tpl_region *regions, size_t *n)
{
	static const char *const marks[] = { "«", "»", "‹", "›" };
	struct buf *b = &f->out;
	buf_reset(b);
	*n = 0;
	for (const char *p = marked; *p;) {
		size_t k = 0;
		while (k < 4 && strncmp(p, marks[k], strlen(marks[k])) != 0)
			k++;
		if (k == 4) {
			buf_addc(b, *p++);
			continue;
		}
		p += strlen(marks[k]);
		if (k % 2 == 1)
			regions[(*n)++].end = (uint32_t)b->n;
		else
			regions[*n] = (struct tpl_region){ .start = (uint32_t)b->n,
							   .escape = k == 0 ? TPL_ESC_URL : TPL_ESC_ATTR,
							   .capture = k == 0,
							   .id = (uint32_t)(10 + *n) };
	}
	return arena_str(f->arena, buf_str(b));
}

static struct sink seen;

static const char *
render_regions(struct fixture *f, const char *marked, const char *json)
{
	static struct tpl_region regions[8];
	seen.sink = (struct tpl_sink){ sink_literal, sink_text, sink_region };
	buf_reset(&seen.seen);
	buf_add(&seen.seen, "", 0);
	struct str source = cut_regions(f, marked, regions, &f->options.nregions);
	f->options.regions = regions;
	f->options.partial = find_partial;
	f->options.partial_ctx = f;
	f->env.root = parse_data(f, json);
	f->tpl = tpl_compile(f->arena, source, &f->options, &f->te);
	if (!f->tpl || tpl_render(f->tpl, &f->env, &seen.sink, f->scratch, &f->te) != 0)
		buf_printf(&seen.seen, "ERROR %s", f->te.text);
	return seen.seen.p;
}

#define SINKS(f, source, json, expected) assert_string_equal(render_regions(f, source, json), expected)

static void
test_regions(void **state)
{
	struct fixture *f = *state;
	SINKS(f, "a {{x}} {{{x}}} b", "{\"x\":\"<\"}", "L0 T(&lt;) L1 R(<) L2 ");
	SINKS(f, "a«http://h/?{{x}}&y»b", "{\"x\":\"/\"}", "L0 #10[http://h/?%2F&y] L1 ");
	SINKS(f, "«http://h/»{{x}}«{{x}}»", "{\"x\":\"/\"}", "#10[http://h/] T(/) #11[/] ");
	assert_true(tpl_region_is_literal(f->tpl, 10));
	assert_false(tpl_region_is_literal(f->tpl, 11));
	assert_false(tpl_region_is_literal(f->tpl, 12));
	SINKS(f, "‹{{x}}›‹{{{x}}}›{{{x}}}", "{\"x\":\"<&\"}", "T(&lt;&amp;) T(&lt;&) R(<&) ");
	SINKS(f, "{{#l}}<«u/{{.}}»>{{/l}}", "{\"l\":[1,2]}", "L0 #10[u/1] L1 L0 #10[u/2] L1 ");
	SINKS(f, "«{{#if x}}a{{else}}b{{/if}}»", "{\"x\":1}", "#10[a] ");
	SINKS(f, "«a{{! no }}b»", "{}", "#10[ab] ");
	assert_false(tpl_region_is_literal(f->tpl, 10));
}

static void
test_literals(void **state)
{
	struct fixture *f = *state;
	static const char *const wanted[] = { "a", "b\n", "d", "f" };
	SINKS(f, "a  {{~x~}}  b\n  {{#x}}  \nd«e»f{{/x}}", "{\"x\":1}", "L0 T(1) L1 L2 #10[e] L3 ");
	assert_int_equal(tpl_literal_count(f->tpl), 4);
	for (size_t i = 0; i < 4; i++) {
		uint32_t start, end;
		tpl_literal(f->tpl, i, &start, &end);
		struct str source = STR("a  {{~x~}}  b\n  {{#x}}  \ndef{{/x}}");
		assert_true(str_eq(str_sub(source, start, end), str_of(wanted[i])));
	}
}

static void
test_borders(void **state)
{
	struct fixture *f = *state;
	SINKS(f, "«{{#a}}x»{{/a}}", "{}",
	      "ERROR {{#a}} opens inside an attribute, link or other unit and is not closed there; "
	      "close it inside, or put the whole unit into the block");
	assert_non_null(strstr(render_regions(f, "{{#a}}«x{{/a}}»", "{}"), "opened outside"));
	assert_non_null(strstr(render_regions(f, "{{#a}}«x{{else}}»{{/a}}", "{}"), "opened outside"));
	assert_non_null(strstr(render_regions(f, "«x{{a»}}", "{}"), "crosses the border"));
	assert_non_null(strstr(render_regions(f, "{{a«}}»", "{}"), "crosses the border"));
	SINKS(f, "{{#a}}«x»{{/a}}", "{\"a\":1}", "#10[x] ");
}

static void
test_partials_in_places(void **state)
{
	struct fixture *f = *state;
	f->partials = (const char *const[]){ "p", "<b>{{x}}</b>", NULL };
	SINKS(f, "{{> p}}", "{\"x\":\"<\"}", "R(<b>) T(&lt;) R(</b>) ");
	SINKS(f, "«/{{> p}}»", "{\"x\":\"<\"}", "#10[/<b>%3C</b>] ");
	SINKS(f, "‹{{> p}}›", "{\"x\":\"<\"}", "T(<b>) T(&lt;) T(</b>) ");
	SINKS(f, "{{#*inline \"i\"}}a{{x}}{{/inline}}{{> i}}", "{\"x\":1}", "L0 T(1) ");
	assert_non_null(strstr(render_regions(f, "{{#*inline \"i\"}}{{x}}{{/inline}}«{{> i}}»", "{\"x\":1}"),
			       "another kind of place"));
}

static void
test_stop(void **state)
{
	struct fixture *f = *state;
	for (int i = 1; i <= 4; i++) {
		seen.stop_after = i;
		const char *got = render_regions(f, "a{{x}}«{{x}}»«lit»", "{\"x\":1}");
		assert_string_equal(got + strlen(got) - 6, "ERROR ");
	}
	seen.stop_after = 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	buf_free(&seen.seen);
	return 0;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
	const struct CMUnitTest tests[] = {
		TEST(test_html),    TEST(test_text_and_header),
		TEST(test_code),    TEST(test_url),
		TEST(test_regions), TEST(test_literals),
		TEST(test_borders), TEST(test_partials_in_places),
		TEST(test_stop),
	};
	return cmocka_run_group_tests(tests, NULL, group_teardown);
}
