/*
 * test-html-scan: links, URLs, places of template tags, the body's end.
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

/* Links as "quote value flags" joined by ' | ', flags: c conditional, n notrack; then URLs behind " # ". */
static void
expect(const char *src, const char *want)
{
	struct html_range tags[32];
	struct arena *a = arena_new(4096);
	struct html_doc d;
	struct buf b = { 0 };

	html_scan(a, str_of(src), tags, find_tags(src, tags, 32), &d);
	for (size_t i = 0; i < d.nlinks; i++) {
		const struct html_link *l = &d.links[i];
		buf_adds(&b, i ? STR(" | ") : STR(""));
		buf_addc(&b, l->quote ? l->quote : '.');
		buf_add(&b, src + l->start, l->end - l->start);
		buf_printf(&b, "%s%s", l->conditional ? " c" : "", l->notrack ? " n" : "");
	}
	for (size_t i = 0; i < d.nurls; i++) {
		buf_adds(&b, i ? STR(" | ") : STR(" # "));
		buf_addc(&b, d.urls[i].quote ? d.urls[i].quote : '.');
		buf_add(&b, src + d.urls[i].start, d.urls[i].end - d.urls[i].start);
	}
	assert_string_equal(b.p ? b.p : "", want);
	buf_free(&b);
	arena_free(&a);
}

static void
test_links(void **state)
{
	(void)state;
	expect("<a href=\"x\">y</a>", "\"x");
	expect("<A HREF='x'><AREA href = y >", "'x | .y");
	expect("<a\nhref\n=\n\"x\ny\">", "\"x\ny");
	expect("<a href>", "-");
	expect("<a href=''><a href=>", "' | .");
	expect("<a href=1 href=2 HREF=3>", ".1");
	expect("<a name=x><b href=y><abbr href=z>", " # .y | .z");
	expect("<a href=\"https://x/?f[0]=1&amp;f[1]=2&href=3\">", "\"https://x/?f[0]=1&amp;f[1]=2&href=3");
	expect("<a title=\"<a href='no'>\" href=\"yes\">", "\"yes");
	expect("<a data-href=no href=yes>", ".yes");
	expect("<!-- <a href=no> --><a href=yes>", ".yes");
	expect("<script>'<a href=no>'</script><style><a href=no></style><textarea><a href=no></textarea>"
	       "<title><a href=no></title><a href=yes>",
	       ".yes");
	expect("<noscript><a href=a></noscript><template><a href=b></template>", ".a | .b");
	expect("<svg><a href=a><a xlink:href=b><a xlink:href=c href=d></svg><a xlink:href=e>",
	       ".a | .b | .d # .c | .e");
	expect("<a href=\"{{url}}\"><a href={{url}}><a href='https://x/{{d \"'\"}}'>",
	       "\"{{url}} | .{{url}} | 'https://x/{{d \"'\"}}");
	expect("<a {{#if a}}href=\"x\"{{else}}href=\"y\"{{/if}}>", "\"x | \"y");
	expect("<a{{#if a}} class=b{{/if}} href=c>", ".c");
	expect("<a href=\"unclosed", "");
}

static void
test_conditional_comments(void **state)
{
	(void)state;
	expect("<!--[if mso]><a href=a><![endif]--><a href=b>", ".a c | .b");
	expect("<!--[if (gte mso 9)|(IE)]><a href=a><![endif]-->", ".a c");
	expect("<!--[IF mso]><a href=a><![endif]-->", ".a c");
	expect("<!--[if !mso]><!--><a href=a><!--<![endif]-->", ".a");
	expect("<!--[if !mso]> --><a href=a><!-- <![endif]-->", ".a");
	expect("<![if !mso]><a href=a><![endif]>", ".a");
	expect("<!--[iffy]><a href=a>--><!--[if mso]--><!--[if mso><a href=b>--><!-- [if mso]><a href=c>-->",
	       "");
	expect(
	    "<!--[if mso]><v:roundrect xmlns:v=\"urn\" href=\"a\" style=\"x\"><v:fill src=b /></v:roundrect>"
	    "<v:rect HREF='c'><v:shape href=d><![endif]--><v:rect href=e>",
	    "\"a c | 'c c | .d c # .b | .e");
	expect("<!--[if a]><!--[if b]><a href=x><![endif]--><a href=y>", ".y");
	expect("<!--[if mso]><style><a href=a></style><a href=b><a href=\"cut<![endif]--><a href=c>",
	       ".b c | .c");
	expect("<style><!--[if mso]><a href=a><![endif]--></style>", "");
	expect("<!--[if mso]><a href=a>", ".a c");
	expect("<!--[if mso]></td><td background=a><![endif]-->", " # .a");
}

static void
test_urls(void **state)
{
	(void)state;
	expect("<img src=a><img SRC='b' alt=c><table background=\"d\"><form action=e><link href=f><video "
	       "poster=g>",
	       " # .a | 'b | \"d | .e | .f | .g");
	expect("<img srcset=\"a 1x, b 2x\"><img srcset='c,d , e,'><img srcset=''>",
	       " # \"a | \"b | 'c,d | 'e");
	expect("<object data=a><p data=b><blockquote cite=c><button formaction=d><base href=e>",
	       " # .a | .c | .d | .e");
	expect("<img src=a src=b>", " # .a");
	expect("<svg><image xlink:href=a><use href=b></svg>", " # .a | .b");
}

static void
test_opt_outs(void **state)
{
	(void)state;
	expect("<a href=a data-notrack><a data-notrack=\"\" href=b><a href=c DATA-NOTRACK=true>",
	       ".a n | .b n | .c n");
	expect("<a href=a clicktracking=off><a href=b clicktracking=\"OFF\"><a href=c clicktracking=on>",
	       ".a n | .b n | .c");
	expect("<a href=a data-msys-clicktrack=\"0\"><a href=b data-msys-clicktrack=1>", ".a n | .b");
	expect("<a ses:no-track href=a><a href=b mautic:disable-tracking=\"true\"><a href=c "
	       "mautic:disable-tracking=false>",
	       ".a n | .b n | .c");
	expect("<a href=a data-pm-no-track><a href=b mc:disable-tracking><a href=c disable-tracking=true>",
	       ".a n | .b n | .c n");
	expect("<a href=a {{#if x}}data-notrack{{/if}}>", ".a n");
	expect("<a href=a title=\"data-notrack\" x-data-notrack>", ".a");
}

/* ---- places ---- */

static void
expect_places(const char *src, const char *want)
{
	static const char letter[] = {
		[HTML_IN_TEXT] = 't', [HTML_IN_ATTR] = 'a',  [HTML_IN_UNQUOTED] = 'q', [HTML_IN_URL] = 'u',
		[HTML_IN_TAG] = 'g',  [HTML_IN_STYLE] = 's', [HTML_IN_SCRIPT] = 'j',   [HTML_IN_COMMENT] = 'c'
	};
	struct html_range tags[64];
	struct arena *a = arena_new(4096);
	struct html_doc d;
	char got[65] = "";
	size_t n = find_tags(src, tags, 64);

	html_scan(a, str_of(src), tags, n, &d);
	for (size_t i = 0; i < n; i++)
		got[i] = letter[d.places[i]];
	assert_string_equal(got, want);
	arena_free(&a);
}

static void
test_places(void **state)
{
	(void)state;
	expect_places("{{a}}<p>{{b}}</p>{{c}}", "ttt");
	expect_places(
	    "<title>{{a}}</title><textarea>{{b}}</textarea><style>{{c}}</style><script>{{d}}</script>",
	    "ttsj");
	expect_places("<p title=\"{{a}}\" id={{b}} class='x {{c}} y' {{d}} e{{f}}=g {{h}}=\"{{i}}\">",
		      "aqaggga");
	expect_places("<a href=\"{{a}}\"><a href={{b}}><img src='x{{c}}' srcset=\"{{d}} 2x\">", "uuuu");
	expect_places("<p style=\"{{a}}\" onclick='{{b}}' STYLE={{c}} onload={{d}}>", "sjgg");
	expect_places("<iframe srcdoc=\"{{a}}\">{{b}}</iframe>", "jt");
	expect_places("<!-- {{a}} --><!{{b}}><?{{c}}?></ {{d}}>", "cccc");
	expect_places("<!doctype {{a}}>", "g");
	expect_places("<td {{#if a}}class=\"{{b}}\"{{/if}}>", "gag");
	expect_places("<{{a}}></{{b}}><h{{c}}></p {{d}}>", "gggg");
	expect_places("<svg><style>{{a}}</style><![CDATA[{{b}}]]></svg>", "tt");
	expect_places("<p {{a}} title=\"{{b}}", "gg");
	expect_places("<style>{{a}}", "s");
	expect_places("</p title=\"{{a}}\">", "a");
}

static void
test_places_in_conditional_comments(void **state)
{
	(void)state;
	expect_places("<!--[if {{a}}]>{{b}}<a href=\"{{c}}\" {{d}}><![endif {{e}}]-->{{f}}", "ctugct");
	expect_places("<!--[if mso]><v:rect href='{{a}}' style=\"{{b}}\" {{c}} fill=d{{d}}><![endif]-->{{e}}",
		      "usgqt");
	expect_places("<!--[if mso]><!-- {{a}} <![endif]-->{{b}}", "ct");
	expect_places("<!--[if mso]><p title=\"{{a}}<![endif]-->{{b}}", "gt");
	expect_places("<!--[if mso]>{{a}}", "t");
	expect_places("<!--[if !mso]><!-->{{a}}<!--<![endif]-->", "t");
}

/* ---- body end ---- */

static void
expect_body(const char *src, long offset, bool has)
{
	struct arena *a = arena_new(4096);
	struct html_doc d;

	html_scan(a, str_of(src), NULL, 0, &d);
	if (d.body_end != offset || d.has_body_end != has)
		fail_msg("%s: %u %d", src, d.body_end, d.has_body_end);
	arena_free(&a);
}

static void
test_body_end(void **state)
{
	(void)state;
	expect_body("<body>x</body></html>", 7, true);
	expect_body("<body>x</BODY ></html>", 7, true);
	expect_body("<body>x</body>y</body></html>", 15, true);
	expect_body("<p></body><!-- </body> --><!--[if mso]></body><![endif]-->", 3, true);
	expect_body("<p></body><script>'</body>'</script>", 3, true);
	expect_body("<p></body><p title='</body>'>", 3, true);
	expect_body("<p>x</html>\n", 4, false);
	expect_body("<p>x</p>\n", 9, false);
	expect_body("", 0, false);
	/* the end is inside something: in front of it */
	expect_body("<p>x<img src=\"y", 4, false);
	expect_body("<p>x<!-- y", 4, false);
	expect_body("<p>x<style>y", 4, false);
	expect_body("<p>x</", 4, false);
	expect_body("<p>x<!", 4, false);
	expect_body("<p>x<", 5, false);
	expect_body("<svg><![CDATA[x", 5, false);
	expect_body("<plaintext>x", 0, false);
}

/* 2 MB of each, alone and with an opaque range every few bytes. */
static void
test_hostile_is_linear(void **state)
{
	const char *const unit[] = { "<a href=x>",	  "<a ",
				     "<!--[if a]>",	  "<!--[if a]><a href=x>--><",
				     "<img srcset=\"a,b", ",",
				     "<!--[if a]>--",	  "<a href=x data-notrack a a a>" };

	(void)state;
	for (size_t u = 0; u < 2 * sizeof(unit) / sizeof(unit[0]); u++) {
		const char *what = unit[u / 2];
		struct arena *a = arena_new(1 << 20);
		struct buf b = { 0 };
		struct html_doc d;
		if (strcmp(what, ",") == 0)
			buf_adds(&b, STR("<img srcset=\""));
		while (b.n < (2 << 20))
			buf_adds(&b, str_of(what));
		buf_adds(&b, STR("\">"));
		size_t n = u % 2 ? b.n / 8 : 0;
		struct html_range *r = ARENA_ARRAY(a, struct html_range, n + 1);
		for (size_t i = 0; i < n; i++)
			r[i] = (struct html_range){ (uint32_t)(i * 8 + 6), (uint32_t)(i * 8 + 7) };
		int64_t begin = clock_thread_cpu_us();
		html_scan(a, buf_str(&b), r, n, &d);
		if (clock_thread_cpu_us() - begin > 5000000)
			fail_msg("%s: %lld us", what, (long long)(clock_thread_cpu_us() - begin));
		buf_free(&b);
		arena_free(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),	 cmocka_unit_test(test_conditional_comments),
		cmocka_unit_test(test_urls),	 cmocka_unit_test(test_opt_outs),
		cmocka_unit_test(test_places),	 cmocka_unit_test(test_places_in_conditional_comments),
		cmocka_unit_test(test_body_end), cmocka_unit_test(test_hostile_is_linear),
	};
	return cmocka_run_group_tests_name("html-scan", tests, NULL, NULL);
}
