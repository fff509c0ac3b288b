/*
 * test-html-url: kinds and hosts of URLs, and URLs in plain text.
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

#define KIND(url, kind) assert_int_equal(html_url_classify(STR(url)), kind)

static void
test_classify(void **state)
{
	(void)state;
	KIND("https://example.com/", HTML_URL_WEB);
	KIND(" \n HTTP://Example.com?x ", HTML_URL_WEB);
	KIND("https://example.com/a\n  b", HTML_URL_WEB);
	KIND("http://[::1]:80/", HTML_URL_WEB);
	KIND("http://", HTML_URL_OTHER_OK);
	KIND("https:///x", HTML_URL_OTHER_OK);
	KIND("http:x", HTML_URL_OTHER_OK);
	KIND("", HTML_URL_OTHER_OK);
	KIND("#top", HTML_URL_OTHER_OK);
	KIND("a/b?c:d", HTML_URL_OTHER_OK);
	KIND("//example.com/x", HTML_URL_OTHER_OK);
	KIND("mailto:a@example.com", HTML_URL_OTHER_OK);
	KIND("tel:+49", HTML_URL_OTHER_OK);
	KIND("cid:x@y", HTML_URL_OTHER_OK);
	KIND("myapp://open", HTML_URL_OTHER_OK);
	KIND("a-very-long-scheme-of-somebody:x", HTML_URL_OTHER_OK);
	KIND("data:image/png;base64,x", HTML_URL_OTHER_OK);
	KIND("DATA:IMAGE/JPEG,x", HTML_URL_OTHER_OK);
	KIND("data:image/svg+xml,x", HTML_URL_UNSAFE);
	KIND("data:image/png", HTML_URL_UNSAFE);
	KIND("data:text/html,x", HTML_URL_UNSAFE);
	KIND("data:,x", HTML_URL_UNSAFE);
	KIND("javascript:x", HTML_URL_UNSAFE);
	KIND("JavaScript:x", HTML_URL_UNSAFE);
	KIND("java\nscript:x", HTML_URL_UNSAFE);
	KIND("\x01\t javascript:x", HTML_URL_UNSAFE);
	KIND("java\x01script:x", HTML_URL_UNSAFE);
	KIND("javascript\t:x", HTML_URL_UNSAFE);
	KIND("java\0script:x", HTML_URL_UNSAFE);
	KIND("vbscript:x", HTML_URL_UNSAFE);
	KIND("file:///etc/passwd", HTML_URL_UNSAFE);
	KIND("view-source:http://x", HTML_URL_UNSAFE);
	KIND("blob:https://x/y", HTML_URL_UNSAFE);
	KIND("javascript", HTML_URL_OTHER_OK);
	KIND("/javascript:x", HTML_URL_OTHER_OK);
	KIND("1javascript:x", HTML_URL_OTHER_OK);
	assert_int_equal(html_url_classify(STR_NULL), HTML_URL_OTHER_OK);
}

static void
expect_host(struct str url, const char *want)
{
	struct str host = html_url_host(url);
	if (!want) {
		assert_null(host.p);
		return;
	}
	assert_int_equal(host.n, strlen(want));
	assert_memory_equal(host.p, want, host.n);
}

static void
test_host(void **state)
{
	(void)state;
	expect_host(STR("https://Example.com/x"), "Example.com");
	expect_host(STR(" http://a.b:8080?x"), "a.b");
	expect_host(STR("http://user:pw@host:1/"), "host");
	expect_host(STR("http://a@b@c/"), "c");
	expect_host(STR("http://a/@b"), "a");
	expect_host(STR("http://good\\@evil/"), "good");
	expect_host(STR("http://a#@b"), "a");
	expect_host(STR("http://[2001:db8::1]:443/"), "[2001:db8::1]");
	expect_host(STR("http://bücher.example/"), "bücher.example");
	expect_host(STR("http://[::1/"), NULL);
	expect_host(STR("http:///x"), NULL);
	expect_host(STR("http://:80/"), NULL);
	expect_host(STR("http://user@/"), NULL);
	expect_host(STR("http://a\nb/"), NULL);
	expect_host(STR("mailto:a@b"), NULL);
	expect_host(STR("//a/"), NULL);
	expect_host(STR_NULL, NULL);
}

static void
test_clean(void **state)
{
	struct buf b = { 0 };
	(void)state;
	html_url_clean(&b, STR(" \n\x01ht\ntp://a/\r\n\t b \x1f"));
	assert_string_equal(b.p, "http://a/ b");
	buf_free(&b);
}

/* ---- plain text ---- */

static void
expect_urls(const char *text, const char *want)
{
	struct html_range tags[16], *urls;
	struct arena *a = arena_new(4096);
	struct buf b = { 0 };
	size_t ntags = 0;

	for (const char *p = text; (p = strstr(p, "{{"));) {
		const char *end = strstr(p, "}}") + 2;
		tags[ntags++] = (struct html_range){ (uint32_t)(p - text), (uint32_t)(end - text) };
		p = end;
	}
	size_t n = html_text_urls(a, str_of(text), tags, ntags, &urls);
	for (size_t i = 0; i < n; i++) {
		buf_adds(&b, i ? STR(" ") : STR(""));
		buf_add(&b, text + urls[i].start, urls[i].end - urls[i].start);
	}
	assert_string_equal(b.p ? b.p : "", want);
	buf_free(&b);
	arena_free(&a);
}

static void
test_text_urls(void **state)
{
	(void)state;
	expect_urls("", "");
	expect_urls("see https://a.example/b?c=d&e#f now", "https://a.example/b?c=d&e#f");
	expect_urls("HTTP://A.example\r\nhttps://b", "HTTP://A.example https://b");
	expect_urls("end http://a/b. Or http://c/d, http://e/f; http://g! http://h? 'http://i' http://j:",
		    "http://a/b http://c/d http://e/f http://g http://h http://i http://j");
	expect_urls("http://a/b...", "http://a/b");
	expect_urls("http://a/b_c- http://a/b/ http://a/?b= http://a/x_",
		    "http://a/b_c- http://a/b/ http://a/?b= http://a/x_");
	expect_urls("<http://a/b> \"http://c\" (http://d) (see http://e/f.) [http://g]",
		    "http://a/b http://c http://d http://e/f http://g");
	expect_urls("[text](http://a/b) [x](http://c)[y](http://d).", "http://a/b http://c http://d");
	expect_urls("http://a/wiki/B_(c) (http://a/B_(c)) http://a/?f[0]=1 http://[::1]/x http://a/(",
		    "http://a/wiki/B_(c) http://a/B_(c) http://a/?f[0]=1 http://[::1]/x http://a/");
	expect_urls("http:// https://. http://) xhttp://a 9https://b ftp://c http:/d mailto:x", "");
	expect_urls("-http://a =https://b _http://c", "http://a https://b http://c");
	expect_urls("**http://a/b** `http://c`", "http://a/b http://c");
	expect_urls("https://r/?u=http://x/y", "https://r/?u=http://x/y");
}

static void
test_text_urls_utf8(void **state)
{
	(void)state;
	expect_urls("http://bücher.example/ä ok", "http://bücher.example/ä");
	expect_urls("“http://a/b”, «http://c» http://d… http://e–f", "http://a/b http://c http://d http://e");
	expect_urls("请看http://a/b。或http://c/d，谢谢（http://e）", "http://a/b http://c/d http://e");
	expect_urls("http://a/b\u00A0c http://d\u2028e http://f\u3000g", "http://a/b http://d http://f");
	expect_urls("http://a/\xE4x http://b/\xC3", "http://a/\xE4x http://b/\xC3");
}

static void
test_text_urls_opaque(void **state)
{
	(void)state;
	expect_urls("https://a/{{id}}?b={{c \"x y\"}}. z", "https://a/{{id}}?b={{c \"x y\"}}");
	expect_urls("https://{{host}}/x https://{{host}}", "https://{{host}}/x https://{{host}}");
	expect_urls("{{#if \"http://a\"}}x{{/if}}", "");
	expect_urls("{{x}}http://a", "http://a");
	expect_urls("{{#if a}}http://x{{else}}https://y{{/if}}", "http://x https://y{{/if}}");
	expect_urls("{{http}}://x ht{{a}}tp://y", "");
}

static void
test_text_urls_linear(void **state)
{
	const char *const unit[] = { "http://",	   "http://a(", "http://a)", ":",
				     "http://a,,", "http:",	"\xE3\x80" };

	(void)state;
	for (size_t u = 0; u < sizeof(unit) / sizeof(unit[0]); u++) {
		struct arena *a = arena_new(1 << 16);
		struct html_range *urls;
		struct buf b = { 0 };
		while (b.n < (2 << 20))
			buf_adds(&b, str_of(unit[u]));
		int64_t begin = clock_thread_cpu_us();
		html_text_urls(a, buf_str(&b), NULL, 0, &urls);
		if (clock_thread_cpu_us() - begin > 5000000)
			fail_msg("%s: %lld us", unit[u], (long long)(clock_thread_cpu_us() - begin));
		buf_free(&b);
		arena_free(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classify),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_text_urls),
		cmocka_unit_test(test_text_urls_utf8),
		cmocka_unit_test(test_text_urls_opaque),
		cmocka_unit_test(test_text_urls_linear),
	};
	return cmocka_run_group_tests_name("html-url", tests, NULL, NULL);
}
