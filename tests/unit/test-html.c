/*
 * test-html: the tokenizer's states, opaque ranges in every position, and
 * character references.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "html/html.h"

/* Every {{…}} of the text as an opaque range. */
static size_t
find_tags(const char *src, struct html_range *out, size_t max)
{
	size_t n = 0;
	for (const char *p = src; n < max && (p = strstr(p, "{{"));) {
		const char *end = strstr(p, "}}") + 2;
		out[n++] = (struct html_range){ (uint32_t)(p - src), (uint32_t)(end - src) };
		p = end;
	}
	return n;
}

struct printer {
	const char *src;
	struct buf out;
};

static void
print_range(struct buf *b, const char *src, uint32_t start, uint32_t end)
{
	buf_add(b, src + start, end - start);
}

/* One token as: text | <name attr=value*> | </name> | !comment! | ?doctype? ; '*' marks a duplicate. */
static bool
print_token(void *ctx, const struct html_token *t)
{
	struct printer *p = ctx;
	struct buf *b = &p->out;

	if (b->n > 0)
		buf_addc(b, '|');
	switch (t->type) {
	case HTML_TEXT:
		print_range(b, p->src, t->start, t->end);
		break;
	case HTML_START_TAG:
	case HTML_END_TAG:
		buf_adds(b, t->type == HTML_END_TAG ? STR("</") : STR("<"));
		print_range(b, p->src, t->name_start, t->name_end);
		for (uint32_t i = 0; i < t->nattrs; i++) {
			const struct html_attr *a = &t->attrs[i];
			buf_addc(b, ' ');
			print_range(b, p->src, a->name_start, a->name_end);
			if (a->quote != '-') {
				buf_addc(b, '=');
				if (a->quote)
					buf_addc(b, a->quote);
				print_range(b, p->src, a->value_start, a->value_end);
			}
			if (a->duplicate)
				buf_addc(b, '*');
		}
		buf_adds(b, t->self_closing ? STR("/>") : STR(">"));
		break;
	case HTML_COMMENT:
		buf_addc(b, '!');
		print_range(b, p->src, t->data_start, t->data_end);
		buf_addc(b, '!');
		break;
	case HTML_DOCTYPE:
		buf_addc(b, '?');
		print_range(b, p->src, t->data_start, t->data_end);
		break;
	case HTML_CDATA:
		buf_addc(b, '#');
		print_range(b, p->src, t->data_start, t->data_end);
		break;
	}
	return true;
}

static void
expect(const char *src, const char *want)
{
	struct html_range tags[32];
	struct printer p = { .src = src };

	html_tokenize(str_of(src), tags, find_tags(src, tags, 32), print_token, &p);
	assert_string_equal(p.out.p ? p.out.p : "", want);
	buf_free(&p.out);
}

static void
test_tags(void **state)
{
	(void)state;
	expect("", "");
	expect("a<b>c</b >d", "a|<b>|c|</b>|d");
	expect("<A HREF=x>", "<A HREF=x>");
	expect("<a href = \"x\" id='y' z>", "<a href=\"x id='y z>");
	expect("<a\nhref\n=\n\"x\ny\"\n>", "<a href=\"x\ny>");
	expect("<a href=x/y>", "<a href=x/y>");
	expect("<br/>", "<br/>");
	expect("<br / >", "<br>");
	expect("<a/b=c/>", "<a b=c/>");
	expect("<a b='c'd=\"e\">", "<a b='c d=\"e>");
	expect("<a =b==c>", "<a =b==c>");
	expect("<a b=>", "<a b=>");
	expect("<a b c>", "<a b c>");
	expect("<a b=1 B=2 c=3 b>", "<a b=1 B=2* c=3 b*>");
	expect("1 < 2 <3 <= <", "1 < 2 <3 <= <");
	expect("x</>y", "x|y");
	expect("x</", "x</");
	expect("a <b", "a ");
	expect("<a href=\"x>y", "");
	expect("<a href=x", "");
	expect("<a\">", "<a\">");
}

static void
test_markup_declarations(void **state)
{
	(void)state;
	expect("<!DOCTYPE html>x", "? html|x");
	expect("<!doctype", "?");
	expect("<?xml version=\"1.0\"?>x", "!?xml version=\"1.0\"?!|x");
	expect("</ a>x", "! a!|x");
	expect("<!x>y", "!x!|y");
	expect("<![endif]>y", "![endif]!|y");
	expect("<![CDATA[x]]>y", "![CDATA[x]]!|y");
	expect("<svg><![CDATA[<a>]]]></svg>", "<svg>|#<a>]|</svg>");
	expect("<svg><desc><![CDATA[x]]></desc></svg>", "<svg>|<desc>|![CDATA[x]]!|</desc>|</svg>");
	expect("<svg><![CDATA[x", "<svg>|#x");
}

static void
test_comments(void **state)
{
	(void)state;
	expect("<!--a-->b", "!a!|b");
	expect("<!---->b", "!!|b");
	expect("<!-->b-->", "!!|b-->");
	expect("<!--->b-->", "!!|b-->");
	expect("<!--a--!>b", "!a!|b");
	expect("<!----!>b", "!!|b");
	expect("<!---!>-->b", "!-!>!|b");
	expect("<!--a--->b", "!a-!|b");
	expect("<!--a>b->c-- >d-->e", "!a>b->c-- >d!|e");
	expect("<!--a<!--b-->c", "!a<!--b!|c");
	expect("<!--a--!-->b", "!a--!!|b");
	expect("<!--a", "!a!");
	expect("<!--a-", "!a!");
	expect("<!--a--", "!a!");
	expect("<!--a--!", "!a!");
	expect("<!--a---", "!a-!");
	expect("<!--", "!!");
	expect("<!--a{{x}}>b-->c", "!a{{x}}>b!|c");
	expect("<!--a-{{x}}->b-->c", "!a-{{x}}->b!|c");
	expect("<!--{{#if a --> b}}x-->y", "!{{#if a --> b}}x!|y");
}

static void
test_raw_text(void **state)
{
	(void)state;
	expect("<style>a<b></style>c", "<style>|a<b>|</style>|c");
	expect("<STYLE>a</sTyLe >c", "<STYLE>|a|</sTyLe>|c");
	expect("<title></titlex></title/>c", "<title>|</titlex>|</title/>|c");
	expect("<textarea><a href=x></textarea>", "<textarea>|<a href=x>|</textarea>");
	expect("<xmp><!--</xmp>-->", "<xmp>|<!--|</xmp>|-->");
	expect("<plaintext><a></plaintext>", "<plaintext>|<a></plaintext>");
	expect("<noscript><a>", "<noscript>|<a>");
	expect("<style>a<", "<style>|a<");
	expect("<style/>a</style>", "<style/>|a|</style>");
	expect("<title>a{{#if </title> }}b</title>", "<title>|a{{#if </title> }}b|</title>");
	/* in SVG they are ordinary */
	expect("<svg><style><a></style><title><b></title></svg><style><a>",
	       "<svg>|<style>|<a>|</style>|<title>|<b>|</title>|</svg>|<style>|<a>");
	expect("<svg><p><style><a></style>", "<svg>|<p>|<style>|<a>|</style>");
	expect("<svg><foreignObject><style><a></style></foreignObject><style><b>",
	       "<svg>|<foreignObject>|<style>|<a>|</style>|</foreignObject>|<style>|<b>");
	expect("<div><svg></div><style><b>", "<div>|<svg>|</div>|<style>|<b>");
	expect("<svg/><style><b>", "<svg/>|<style>|<b>");
	expect("<math><mi><style><b></style></mi></math>", "<math>|<mi>|<style>|<b>|</style>|</mi>|</math>");
}

static void
test_script(void **state)
{
	(void)state;
	expect("<script>a</script>b", "<script>|a|</script>|b");
	expect("<script>'<a></scrip>'</script>b", "<script>|'<a></scrip>'|</script>|b");
	expect("<script><!--</script>b", "<script>|<!--|</script>|b");
	expect("<script><!--<script></script>--></script>b", "<script>|<!--<script></script>-->|</script>|b");
	expect("<script><!--<script>--></script>b", "<script>|<!--<script>-->|</script>|b");
	expect("<script><!--><script></script>b", "<script>|<!--><script>|</script>|b");
	expect("<script><!---><script></script>b", "<script>|<!---><script>|</script>|b");
	expect("<script><!--<scripty></script>b", "<script>|<!--<scripty>|</script>|b");
	expect("<script><!--<script></script></script>b", "<script>|<!--<script></script>|</script>|b");
	expect("<script>{{a}}</script>{{b}}", "<script>|{{a}}|</script>|{{b}}");
	expect("<script><!--{{a}}", "<script>|<!--{{a}}");
}

static void
test_opaque(void **state)
{
	(void)state;
	expect("a{{#if a<b}}c", "a{{#if a<b}}c");
	expect("<a href={{x y}}>", "<a href={{x y}}>");
	expect("<a href=\"{{d \"x\"}}\" b>", "<a href=\"{{d \"x\"}} b>");
	expect("<td {{#if a}}class=\"b\"{{/if}}>x", "<td class=\"b {{/if}}>|x");
	expect("<td {{#if a}}nowrap{{/if}} b>", "<td nowrap b>");
	expect("<a{{#if x}} b=c{{/if}}>", "<a b=c{{/if}}>");
	expect("<h{{n}} x></h{{n}}>", "<h x>|</h>");
	expect("<{{t}}>x</{{t}}>", "<{{t}}>|x|</{{t}}>");
	expect("<a data-{{x}}=1 {{y}}=2>", "<a data-{{x}}=1 {{y}}=2>");
	expect("<a {{a}}{{b}}c{{d}}e{{f}}{{g}}>", "<a c{{d}}e>");
	expect("<a href{{#if a}}='b'{{/if}}>", "<a href{{#if a}}='b {{/if}}>");
	/* either may be sent: no duplicate */
	expect("<a {{#if x}}href=a{{else}} href=b{{/if}}>", "<a href=a{{else}} href=b{{/if}}>");
	expect("<a {{#if x}}href=\"a\"{{else}}href=\"b\"{{/if}} href=c>",
	       "<a href=\"a href=\"b {{/if}} href=c>");
	expect("<a b=1 b=2 {{x}} b=3 b=4>", "<a b=1 b=2* {{x}} b=3 b=4*>");
	expect("<a{{x}}", "");
	expect("<{{x}}", "");
	expect("<a b={{x}}", "");
	expect("</{{x}}", "");
	expect("<!{{x}}>y", "!{{x}}!|y");
}

/* NUL is a letter of names, never their end. */
static void
test_nul(void **state)
{
	static const char src[] = "<svg></s\0><a\0 b\0=\"\0\"></a\0>";
	static const char want[] = "<svg>|</s\0>|<a\0 b\0=\"\0>|</a\0>";
	struct printer p = { .src = src };

	(void)state;
	html_tokenize(str_make(src, sizeof(src) - 1), NULL, 0, print_token, &p);
	assert_int_equal(p.out.n, sizeof(want) - 1);
	assert_memory_equal(p.out.p, want, sizeof(want));
	buf_free(&p.out);
}

/* Ranges that no template scanner would give: nothing may be read outside. */
static void
test_ill_formed_ranges(void **state)
{
	const struct html_range bad[] = { { 5, 5 }, { 9, 3 },	 { 2, 4 },	{ 3, 8 },
					  { 1, 2 }, { 9, 4000 }, { 5000, 6000 } };
	const char *src = "<a href=x>y</a><b>";
	struct printer p = { .src = src };

	(void)state;
	html_tokenize(str_of(src), bad, sizeof(bad) / sizeof(bad[0]), print_token, &p);
	buf_free(&p.out);
	html_tokenize(STR_NULL, bad, 7, print_token, &p);
	assert_int_equal(p.out.n, 0);
}

static bool
stop_at_second(void *ctx, const struct html_token *t)
{
	(void)t;
	return ++*(int *)ctx < 2;
}

static void
test_stop(void **state)
{
	int n = 0;
	(void)state;
	html_tokenize(STR("a<b>c<style>d</style>"), NULL, 0, stop_at_second, &n);
	assert_int_equal(n, 2);
	n = 1;
	html_tokenize(STR("<style>d</style>"), NULL, 0, stop_at_second, &n);
	assert_int_equal(n, 2);
}

static void
test_flat(void **state)
{
	struct printer p = { .src = "<style><a></style>" };
	(void)state;
	html_tokenize_flat(str_of(p.src), NULL, 0, print_token, &p);
	assert_string_equal(p.out.p, "<style>|<a>|</style>");
	buf_free(&p.out);
}

/* Many attributes: the table takes over, and still finds duplicates. */
static void
test_many_attributes(void **state)
{
	struct buf src = { 0 }, want = { 0 };

	(void)state;
	buf_adds(&src, STR("<a"));
	buf_adds(&want, STR("<a"));
	for (int i = 0; i < 3000; i++) {
		buf_printf(&src, " a%d", i % 1000);
		buf_printf(&want, " a%d%s", i % 1000, i >= 1000 ? "*" : "");
	}
	buf_addc(&src, '>');
	buf_addc(&want, '>');
	expect(src.p, want.p);
	buf_free(&src);
	buf_free(&want);
}

static bool
count_token(void *ctx, const struct html_token *t)
{
	(void)t;
	++*(long *)ctx;
	return true;
}

/* 2 MB of each; a quadratic step would take minutes. */
static void
test_hostile_is_linear(void **state)
{
	const char *const unit[] = { "<a ",	      "<!--",  "<!--[if ",
				     "<!--[if a]>",   "&&&&",  "<a href=\"",
				     "<a href='x' ",  "</",    "<script><!--<script",
				     "<style></styl", "<svg>", "<svg></div>",
				     "<![CDATA[",     "<",     "a=",
				     "<!-",	      "--!",   "<a b=c d=e>",
				     "<title></titl", "\r",    "<a/",
				     "<p a a a a a>" };

	(void)state;
	for (size_t u = 0; u < sizeof(unit) / sizeof(unit[0]); u++) {
		struct buf b = { 0 }, out = { 0 };
		long n = 0;
		while (b.n < (2 << 20))
			buf_adds(&b, str_of(unit[u]));
		int64_t begin = clock_thread_cpu_us();
		html_tokenize(buf_str(&b), NULL, 0, count_token, &n);
		html_attr_decode(&out, buf_str(&b));
		if (clock_thread_cpu_us() - begin > 5000000)
			fail_msg("%s: %lld us", unit[u], (long long)(clock_thread_cpu_us() - begin));
		buf_free(&b);
		buf_free(&out);
	}
}

/* ---- character references ---- */

static void
expect_decoded(struct str in, struct str attr, struct str text)
{
	struct buf b = { 0 };
	html_attr_decode(&b, in);
	assert_int_equal(b.n, attr.n);
	assert_memory_equal(b.p ? b.p : "", attr.p, attr.n);
	buf_reset(&b);
	html_text_decode(&b, in);
	assert_int_equal(b.n, text.n);
	assert_memory_equal(b.p ? b.p : "", text.p, text.n);
	buf_free(&b);
}

#define DECODED(in, attr, text) expect_decoded(STR(in), STR(attr), STR(text))
#define DECODED_SAME(in, out) DECODED(in, out, out)

static void
test_references(void **state)
{
	(void)state;
	DECODED_SAME("", "");
	DECODED_SAME("a&amp;b", "a&b");
	DECODED("a&ampb", "a&ampb", "a&b");
	DECODED("?a=1&copy=2", "?a=1&copy=2", "?a=1©=2");
	DECODED("&copy", "©", "©");
	DECODED("&copy1", "&copy1", "©1");
	DECODED("&copy;=1", "©=1", "©=1");
	DECODED("&notit; &notin;", "&notit; ∉", "¬it; ∉");
	DECODED("&not;&no", "¬&no", "¬&no");
	DECODED_SAME("&CounterClockwiseContourIntegral;", "∳");
	DECODED_SAME("&NotEqualTilde;", "≂̸");
	DECODED_SAME("&nosuch; & &; &&amp;", "&nosuch; & &; &&");
	DECODED_SAME("&#106;avascript&#58", "javascript:");
	DECODED_SAME("&#x6A;&#X6a;&#106", "jjj");
	DECODED_SAME("&#;&#x;&#xg;&#-1;&#", "&#;&#x;&#xg;&#-1;&#");
	DECODED_SAME("&#0;&#xD800;&#x110000;&#99999999999999999999;", "\uFFFD\uFFFD\uFFFD\uFFFD");
	DECODED_SAME("&#128;&#x9f;&#129;", "€Ÿ\xC2\x81");
	DECODED_SAME("&#13;&#10;", "\r\n");
	DECODED_SAME("a\r\nb\rc\r", "a\nb\nc\n");
	DECODED("a\0b", "a\uFFFDb", "a\0b");
	DECODED("&am\0p;x&\xFF", "&am\uFFFDp;x&\xFF", "&am\0p;x&\xFF");
}

static void
test_escape(void **state)
{
	struct buf b = { 0 }, back = { 0 };
	(void)state;
	html_escape(&b, STR("a<b>&\"'c"));
	assert_string_equal(b.p, "a&lt;b&gt;&amp;&quot;&#39;c");
	html_attr_decode(&back, buf_str(&b));
	assert_string_equal(back.p, "a<b>&\"'c");
	buf_free(&b);
	buf_free(&back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_markup_declarations),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_raw_text),
		cmocka_unit_test(test_script),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_ill_formed_ranges),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_many_attributes),
		cmocka_unit_test(test_hostile_is_linear),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_escape),
	};
	return cmocka_run_group_tests_name("html", tests, NULL, NULL);
}
