/*
 * test-tailor-link: links and the pixel: what is wrapped, what is left alone,
 * what a token opens to, and that URLs from values are never scripts.
 */
#include "test-tailor.h"

#define CLICKS "track_opens = no\n"

static void
test_literal_links(void **state)
{
	struct fixture *f = fixture_new(CLICKS);
	(void)state;
	HTML(f, "<a href=\"https://x.test/a\">A</a>", "{}", "<a href=\"<c https://x.test/a>\">A</a>");
	HTML(f, "<area href='http://x.test/a'>", "{}", "<area href='<c http://x.test/a>'>");
	HTML(f, "<a href=\"https://x.test/?a=1&amp;b=2&amp;amp\">", "{}",
	     "<a href=\"<c https://x.test/?a=1&b=2&amp>\">");
	HTML(f, "<a href=https://x.test/a>A</a>", "{}", "<a href=<c https://x.test/a>>A</a>");
	HTML(f, "<A HREF = \"https://x.test/a\" >", "{}", "<A HREF = \"<c https://x.test/a>\" >");
	HTML(f, "<a href=\"  https://x.test/a\n \">", "{}", "<a href=\"<c https://x.test/a>\">");
	HTML(f, "<a href=\"https://x.test/f[0]=1?u=https://y.test/\">", "{}",
	     "<a href=\"<c https://x.test/f[0]=1?u=https://y.test/>\">");
	HTML(f, "<a\nclass=x\nhref\n=\n'https://x.test/a'>", "{}",
	     "<a\nclass=x\nhref\n=\n'<c https://x.test/a>'>");
	fixture_free(f);
}

static void
test_left_alone(void **state)
{
	static const char *const bodies[] = {
		"<a href=\"mailto:a@x.test\">",
		"<a href=\"tel:+491\">",
		"<a href=\"sms:1\">",
		"<a href=\"#top\">",
		"<a href=\"\">",
		"<a href>",
		"<a name=x>",
		"<a href=\"cid:1\">",
		"<a href=\"/path\">",
		"<a href=\"//x.test/\">",
		"<a data-notrack href=\"https://x.test/\">",
		"<a href=\"https://x.test/\" clicktracking=off>",
		"<a href='https://x.test/' data-msys-clicktrack=\"0\">",
		"<a href='https://x.test/' ses:no-track>",
		"<a href='https://x.test/' mautic:disable-tracking=\"true\">",
		"<a href=\"https://ok.test/a\">",
		"<a href=\"https://a.b.ok.test:8080/a\">",
		"<a href=\"HTTPS://OK.TEST\">",
		"<a href=\"https://u@ok.test/\">",
		"<img src=\"https://x.test/i.png\">",
		"<link href=\"https://x.test/s.css\">",
		"<!-- <a href=\"https://x.test/\"> -->",
		"<script>\"<a href='https://x.test/'>\"</script>",
		"<a href=\"https:///x\">",
		"<a title=\"href='https://x.test/'\">",
		"https://x.test/ in the text",
	};
	struct fixture *f = fixture_new(CLICKS "exclude_hosts = { ok.test }\n");
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		HTML(f, bodies[i], "{}", bodies[i]);
	HTML(f, "<a href=\"https://notok.test/\">", "{}", "<a href=\"<c https://notok.test/>\">");
	HTML(f, "<a href=\"https://ok.test.evil.test/\">", "{}",
	     "<a href=\"<c https://ok.test.evil.test/>\">");
	fixture_free(f);
}

static void
test_personalised(void **state)
{
	struct fixture *f = fixture_new(CLICKS);
	(void)state;
	HTML(f, "<a href=\"https://x.test/?q={{city}}&amp;z=1\">", "{\"city\":\"Køln & Co/ä\"}",
	     "<a href=\"<c https://x.test/?q=K%C3%B8ln%20%26%20Co%2F%C3%A4&z=1>\">");
	HTML(f, "<a href=\"{{url}}\">", "{\"url\":\"https://y.test/a?b=1&c=2\"}",
	     "<a href=\"<c https://y.test/a?b=1&c=2>\">");
	HTML(f, "<a href=\"{{{url}}}\">", "{\"url\":\"https://y.test/a?b=1&c=2\"}",
	     "<a href=\"<c https://y.test/a?b=1&c=2>\">");
	HTML(f, "<a href={{url}}>", "{\"url\":\"https://y.test/a\"}", "<a href=<c https://y.test/a>>");
	HTML(f, "<a href=\"{{base}}/path\">", "{\"base\":\"https://b.test\"}",
	     "<a href=\"<c https://b.test/path>\">");
	HTML(f, "<a href=\"{{base}}/path\">", "{}", "<a href=\"/path\">");
	HTML(f, "<a href=\"{{url}}\">", "{\"url\":\"mailto:x@y.test\"}", "<a href=\"mailto:x@y.test\">");
	HTML(f, "<a href=\"https://x.test/{{#if v}}vip{{else}}all{{/if}}\">", "{\"v\":true}",
	     "<a href=\"<c https://x.test/vip>\">");
	HTML(f, "<a {{#if v}}href=\"https://x.test/1\"{{else}}href='https://x.test/2'{{/if}}>", "{}",
	     "<a href='<c https://x.test/2>'>");
	HTML(f, "{{#each l}}<a href=\"https://x.test/{{this}}\">{{this}}</a>{{/each}}", "{\"l\":[1,2]}",
	     "<a href=\"<c https://x.test/1>\">1</a><a href=\"<c https://x.test/2>\">2</a>");
	HTML(f, "{{#if v}}<a href=\"https://x.test/1\">{{/if}}", "{}", "");
	fixture_free(f);
}

static void
test_conditional(void **state)
{
	struct fixture *f = fixture_new(CLICKS);
	(void)state;
	HTML(f,
	     "<!--[if mso]><a href=\"https://x.test/{{a}}\">x</a><v:rect "
	     "href=\"https://x.test/v\"><![endif]-->",
	     "{\"a\":\"m\"}",
	     "<!--[if mso]><a href=\"<c https://x.test/m>\">x</a><v:rect href=\"<c "
	     "https://x.test/v>\"><![endif]-->");
	HTML(f, "<!--[if !mso]><!--><a href=\"https://x.test/\">x</a><!--<![endif]-->", "{}",
	     "<!--[if !mso]><!--><a href=\"<c https://x.test/>\">x</a><!--<![endif]-->");
	fixture_free(f);
}

static void
test_unsafe(void **state)
{
	static const char *const urls[] = {
		"javascript:alert(1)",
		" JaVaScRiPt:alert(1)",
		"java\\nscript:alert(1)",
		"\\u0001javascript:alert(1)",
		"vbscript:x",
		"data:text/html,<script>alert(1)</script>",
		"data:text/html;base64,PHNjcmlwdD4=",
		"data:image/svg+xml,<svg onload=alert(1)>",
		"file:///etc/passwd",
	};
	static const char *const bodies[] = {
		"<a href=\"{{u}}\">",
		"<a href='{{u}}'>",
		"<a href={{u}}>",
		"<a href=\"{{{u}}}\">",
		"<a href={{{u}}}>",
		"<img src=\"{{u}}\">",
		"<form action='{{{u}}}'>",
		"<iframe src={{u}}>",
		"<img srcset=\"{{u}} 2x\">",
		"<a data-notrack href=\"{{u}}\">",
		"<svg><a xlink:href=\"{{u}}\">",
		"<button formaction=\"{{u}}\">",
		"<table background=\"{{u}}\">",
		"<a href=\"{{#if u}}{{u}}{{/if}}\">",
	};
	struct fixture *f = fixture_new(CLICKS);
	(void)state;
	for (int tracking = 0; tracking < 2; tracking++) {
		f->recipient.tracking = tracking ? TRACKING_GRANTED : TRACKING_DENIED;
		for (size_t b = 0; b < sizeof(bodies) / sizeof(bodies[0]); b++)
			for (size_t u = 0; u < sizeof(urls) / sizeof(urls[0]); u++) {
				struct str p = arena_printf(f->a, "{\"u\":\"%s\"}", urls[u]);
				const char *got = html_in(f, bodies[b], p.p);
				/* what is no scheme any more ("java%0Ascript:") is a path */
				if (!urls_harmless(f->a, str_of(got)) ||
				    (strchr(got, '#') == NULL && strchr(got, '%') == NULL) ||
				    strcasestr(got, "<script"))
					fail_msg("%s with %s: %s", bodies[b], urls[u], got);
			}
	}
	HTML(f, "<a href=\"java{{x}}\">", "{\"x\":\"script:alert(1)\"}",
	     "<a href=\"javascript%3Aalert%281%29\">");
	HTML(f, "<a href=\"{{x}}{{y}}\">", "{\"x\":\"java\",\"y\":\"script:alert(1)\"}",
	     "<a href=\"javascript%3Aalert%281%29\">");
	HTML(f, "<a href=\"{{{x}}}{{{y}}}\">", "{\"x\":\"java\",\"y\":\"script:alert(1)\"}",
	     "<a href=\"#\">");
	HTML(f, "<img src=\"{{u}}\">", "{\"u\":\"data:image/png;base64,AAAA\"}",
	     "<img src=\"data:image/png;base64,AAAA\">");
	HTML(f, "{{{b}}}", "{\"b\":\"<a href='javascript:alert(1)'>x</a><img src=vbscript:y>\"}",
	     "<a href='#'>x</a><img src=#>");
	fixture_free(f);
}

static void
test_blocks(void **state)
{
	struct fixture *f = fixture_new(CLICKS "exclude_hosts = { ok.test }\n");
	(void)state;
	HTML(f, "<div>{{{b}}}</div>",
	     "{\"b\":\"<p>Hi</p><a href=\\\"https://x.test/?a=1&amp;b=2\\\">x</a><a "
	     "href=https://ok.test/>y</a>"
	     "<a data-notrack href='https://x.test/'>z</a>\"}",
	     "<div><p>Hi</p><a href=\"<c https://x.test/?a=1&b=2>\">x</a><a href=https://ok.test/>y</a>"
	     "<a data-notrack href='https://x.test/'>z</a></div>");
	HTML(f, "{{&b}}{{b}}", "{\"b\":\"<a href=x>\"}", "<a href=x>&lt;a href&#x3D;x&gt;");
	/* a plugin's content block counts as the sender's text, in a text part too */
	f->in.plugin_vars = json(
	    f,
	    "{\"content\":{\"hero\":\"<a href='https://x.test/h'>h</a>\",\"t\":\"see https://x.test/t.\"}}");
	HTML(f, "{{{content.hero}}}", "{}", "<a href='<c https://x.test/h>'>h</a>");
	PLAIN(f, "{{{content.t}}}", "{}", "see <c https://x.test/t>.");
	f->recipient.tracking = TRACKING_DENIED;
	HTML(f, "{{{content.hero}}}", "{}", "<a href='https://x.test/h'>h</a>");
	fixture_free(f);
}

static void
test_text_urls(void **state)
{
	struct fixture *f = fixture_new("exclude_hosts = { ok.test }\n");
	(void)state;
	PLAIN(f, "See https://x.test/a. Or (http://x.test/b), <https://x.test/c>!", "{}",
	      "See <c https://x.test/a>. Or (<c http://x.test/b>), <<c https://x.test/c>>!");
	PLAIN(f, "https://x.test/w_(x) https://ok.test/ ftp://x.test www.x.test a@x.test", "{}",
	      "<c https://x.test/w_(x)> https://ok.test/ ftp://x.test www.x.test a@x.test");
	PLAIN(f, "{{#if a}}http://x.test{{/if}} end", "{\"a\":1}", "<c http://x.test> end");
	PLAIN(f, "{{#if a}}http://x.test/1{{else}}http://x.test/2{{/if}}.", "{}", "<c http://x.test/2>.");
	PLAIN(f, "{{#if a}}{{u}}{{/if}}", "{\"a\":1,\"u\":\"http://x.test/1\"}", "<c http://x.test/1>");
	PLAIN(f, "http://x.test/{{#if a}}1{{else}}2{{/if}}/z {{u}}", "{\"u\":\"http://x.test/q?a=1&b=2\"}",
	      "<c http://x.test/2/z> <c http://x.test/q?a=1&b=2>");
	PLAIN(f, "http://x.test/?q={{q}}&b", "{\"q\":\"a b&c\\r\\nX: y\"}",
	      "<c http://x.test/?q=a%20b%26c%0D%0AX%3A%20y&b>");
	PLAIN(f, "Link: {{u}}, {{{u}}}", "{\"u\":\"https://x.test/?a&b\"}",
	      "Link: <c https://x.test/?a&b>, <c https://x.test/?a&b>");
	PLAIN(f, "{{u}}/more a{{u}}", "{\"u\":\"https://x.test\"}", "https://x.test/more ahttps://x.test");
	/* a URL that goes on in the next line (RFC 3676) is not cut in two */
	static const char split[] = "Go https://x.test/a/ \nb?c or https://x.test/d\nnow\n";
	assert_string_equal(body_in(f, "text/plain; format=flowed; delsp=yes", split, "{}"),
			    "Go https://x.test/a/ \nb?c or <c https://x.test/d>\nnow\n");
	assert_string_equal(body_in(f, "text/plain; format=flowed", split, "{}"),
			    "Go <c https://x.test/a/> \nb?c or <c https://x.test/d>\nnow\n");
	fixture_free(f);
}

static void
test_own_links(void **state)
{
	struct fixture *f = fixture_new("");
	(void)state;
	HTML(f, "<a href=\"{{unsubscribe_url}}\">out</a> <a href={{{preferences_url}}}>p</a>", "{}",
	     "<a href=\"<u>\">out</a> <a href=<p>>p</a>[pixel]");
	PLAIN(f, "{{unsubscribe_url}} {{preferences_url}}", "{}", "<u> <p>");
	HTML(f, "{{unsubscribe_url}}", "{\"unsubscribe_url\":\"https://evil.test\"}", "<u>[pixel]");
	HTML(f, "<p>{{{b}}}", "{\"b\":\"<a href='https://x.test'>\"}",
	     "<p><a href='<c https://x.test>'>[pixel]");
	fixture_free(f);
}

static void
test_pixel(void **state)
{
	struct fixture *f = fixture_new("track_clicks = no\n");
	(void)state;
	HTML(f, "<html><body>x</body></html>\n", "{}", "<html><body>x[pixel]</body></html>\n");
	HTML(f, "<p>x", "{}", "<p>x[pixel]");
	HTML(f, "<html>x</html>", "{}", "<html>x[pixel]</html>");
	HTML(f, "<!-- </body> --><p>x</p><!-- open", "{}", "<!-- </body> --><p>x</p>[pixel]<!-- open");
	HTML(f, "<body>x<script>'</body>'</script>y</BODY >", "{}",
	     "<body>x<script>'</body>'</script>y[pixel]</BODY >");
	HTML(f, "<body>a</body>b</body>", "{}", "<body>a</body>b[pixel]</body>");
	HTML(f, "{{#if a}}x</body>{{else}}y</body>{{/if}}z", "{}", "y[pixel]</body>z");
	HTML(f, "<p>x</p><a href=\"{{x}}", "{}", "<p>x</p>[pixel]<a href=\"");
	HTML(f, "<p>x</p><{{x}}", "{}", "<p>x</p>[pixel]<");
	PLAIN(f, "</body>", "{}", "</body>");
	f->recipient.tracking = TRACKING_DENIED;
	HTML(f, "<body>x</body>", "{}", "<body>x</body>");
	f->recipient.tracking = TRACKING_UNKNOWN;
	fixture_free(f);
	f = fixture_new("tracking_unknown = deny\n");
	HTML(f, "<body><a href='https://x.test/'>x</body>", "{}", "<body><a href='https://x.test/'>x</body>");
	f->recipient.tracking = TRACKING_GRANTED;
	HTML(f, "<body><a href='https://x.test/'>x</body>", "{}",
	     "<body><a href='<c https://x.test/>'>x[pixel]</body>");
	fixture_free(f);
}

static void
test_one_pixel(void **state)
{
	static const char message[] =
	    TEST_HEAD "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
		      "--b\nContent-Type: text/html; charset=x-unknown\n\n<p>left alone\n"
		      "--b\nContent-Type: text/html; charset=utf-8\n\n<p>one</p>\n"
		      "--b\nContent-Type: text/html; charset=utf-8\n\n<p>two</p>\n--b--\n";
	struct fixture *f = fixture_new("track_clicks = no\n");
	(void)state;
	const char *copy = copy_of(f, message, "{}");
	assert_string_equal(text_of(f, "2"), "<p>one</p>[pixel]");
	assert_string_equal(text_of(f, "3"), "<p>two</p>");
	assert_non_null(strstr(copy, "charset=x-unknown\n\n<p>left alone\n--b"));
	/* an empty part whose boundary follows at once */
	copy = copy_of(f,
		       TEST_HEAD
		       "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
		       "--b\nContent-Type: text/html\n\n--b\nContent-Type: text/plain\n\n{{x}}\n--b--\n",
		       "{\"x\":\"X\"}");
	assert_string_equal(text_of(f, "1"), "[pixel]");
	assert_string_equal(text_of(f, "2"), "X");
	fixture_free(f);
}

static void
test_numbers(void **state)
{
	static const char body[] =
	    "<a href='https://x.test/1'><a href='https://x.test/1'>{{{b}}}<a href='{{u}}'>";
	struct fixture *f = fixture_new(CLICKS);
	uint16_t seen[8];
	size_t n = 0;
	(void)state;
	struct str m = arena_printf(f->a, TEST_HEAD "Content-Type: text/html\n\n%s", body);
	copy_of(f, m.p,
		"{\"b\":\"<a href=https://x.test/1><a href=https://x.test/1>\",\"u\":\"https://x.test/1\"}");
	struct str s = buf_str(&f->out), mark = STR("https://t.test/c/");
	for (size_t at = str_find(s, mark); at < s.n && n < 8; at = str_find(s, mark)) {
		struct token t;
		size_t end = at + mark.n;
		while (end < s.n &&
		       (ascii_isalpha(s.p[end]) || ascii_isdigit(s.p[end]) || strchr("-_", s.p[end])))
			end++;
		assert_int_equal(
		    token_open(f->sealer, TOKEN_CLICK, str_sub(s, at + mark.n, end), f->a, &t, &f->e), 0);
		assert_true(str_eq(t.url, STR("https://x.test/1")));
		assert_int_equal(t.expires, t.sent + 2 * 365 * 86400);
		for (size_t i = 0; i < n; i++)
			assert_int_not_equal(seen[i], t.link);
		seen[n++] = t.link;
		s = str_sub(s, end, s.n);
	}
	assert_int_equal(n, 5);
	fixture_free(f);
}

/* The same message again, for the same recipient: the same bytes. */
static void
test_retry(void **state)
{
	static const char message[] =
	    "Subject: Hi {{name}}\n" TEST_HEAD
	    "Content-Type: text/html; charset=utf-8\n\n<a href='https://x.test/{{name}}'>ä</a>{{name}}";
	struct fixture *f = fixture_new("");
	(void)state;
	struct str first = arena_str(f->a, str_of(copy_of(f, message, "{\"name\":\"Ann\"}")));
	f->in.now_ms += 3600000;
	assert_string_equal(copy_of(f, message, "{\"name\":\"Ann\"}"), first.p);
	f->recipient.idem[0] ^= 1;
	assert_string_not_equal(copy_of(f, message, "{\"name\":\"Ann\"}"), first.p);
	fixture_free(f);
}

/* Denied tracking: only templates differ. */
static void
test_denied_identity(void **state)
{
	static const char message[] = TEST_HEAD
	    "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=\"b\"\n\npreamble\n"
	    "--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
	    "K=C3=B6ln =\nhttps://x.test/=3Fa  \nlast=20\n--b\nContent-Type: "
	    "text/html\nContent-Transfer-Encoding: base64\n\n"
	    "PGEgaHJl\nZj0iaHR0cHM6Ly94LnRlc3Qi\nPng8L2E+\n--b--\nepilogue";
	struct fixture *f = fixture_new("list_unsubscribe = no\n");
	(void)state;
	f->recipient.tracking = TRACKING_DENIED;
	assert_string_equal(copy_of(f, message, "{}"), message);
	f->recipient.tracking = TRACKING_GRANTED;
	copy_of(f, message, "{}");
	assert_string_equal(text_of(f, "1"), "Köln <c https://x.test/?a>\nlast ");
	assert_string_equal(text_of(f, "2"), "<a href=\"<c https://x.test>\">x</a>[pixel]");
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_literal_links),	cmocka_unit_test(test_left_alone),
		cmocka_unit_test(test_personalised),	cmocka_unit_test(test_conditional),
		cmocka_unit_test(test_unsafe),		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_text_urls),	cmocka_unit_test(test_own_links),
		cmocka_unit_test(test_pixel),		cmocka_unit_test(test_one_pixel),
		cmocka_unit_test(test_numbers),		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_denied_identity),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
