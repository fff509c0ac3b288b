/*
 * test-tailor-part: what values become inside parts, and that everything
 * else keeps its bytes: places in HTML, charsets and transfer encodings, line
 * lengths, line ends, odd structure, parts that are never touched.
 */
#include "test-tailor.h"

#define QUIET NO_TRACKING "list_unsubscribe = no\n"

static bool
count_scripts(void *ctx, const struct html_token *t)
{
	*(int *)ctx += t->type == HTML_START_TAG && t->name_end - t->name_start == 6;
	return true;
}

static void
test_places(void **state)
{
	static const char profile[] =
	    "{\"x\":\"\\\"'><script>alert(1)</script>\\r\\n --> javascript:a\",\"n\":5}";
	static const char *const bodies[] = {
		"{{x}}",
		"<p title=\"{{x}}\">",
		"<p title='{{x}}'>",
		"<p title={{x}}>",
		"<p {{x}}>",
		"<p{{x}}>",
		"<p title=\"{{{x}}}\">",
		"<p title={{{x}}}>",
		"<p {{{x}}}>",
		"<style>a{color:{{x}}}</style>",
		"<style>{{{x}}}</style>",
		"<p style=\"color:{{x}}\">",
		"<p style={{{x}}}>",
		"<script>var a=\"{{x}}\"</script>",
		"<script>{{{x}}}</script>",
		"<p onclick=\"f('{{x}}')\">",
		"<p onclick={{{x}}}>",
		"<!-- {{x}} -->",
		"<!-- {{{x}}} -->",
		"<!--[if mso]><p title='{{x}}'>{{x}}<![endif]-->",
		"<title>{{x}}</title>",
		"<textarea>{{x}}</textarea>",
		"<a href=\"{{x}}\">",
		"<a href={{{x}}}>",
		"<img src='{{{x}}}'>",
		"<a href=\"https://x.test/{{x}}\">",
		"<a href='https://x.test/?{{{x}}}'>",
		"<!doctype {{x}}>",
		"<p title=\"{{#if n}}{{x}}{{/if}}\">",
		"<p title=\"{{default y x}}\">",
		"{{#with x}}{{this}}{{/with}}",
	};
	struct fixture *f = fixture_new(QUIET);
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		const char *got = html_in(f, bodies[i], profile);
		int scripts = 0;
		html_tokenize(str_of(got), NULL, 0, count_scripts, &scripts);
		if (scripts != (strncmp(bodies[i], "<script>", 8) == 0) ||
		    !urls_harmless(f->a, str_of(got)) ||
		    (bodies[i][2] == '-' && bodies[i][4] != '[' && strstr(got, "-->")[3] != '\0'))
			fail_msg("%s: %s", bodies[i], got);
	}
	HTML(f, "{{x}}", "{\"x\":\"<b>&\\\"'`=\"}", "&lt;b&gt;&amp;&quot;&#x27;&#x60;&#x3D;");
	HTML(f, "<p a=\"{{x}}\" b={{x}}>", "{\"x\":\"a b&\\\"\"}",
	     "<p a=\"a b&amp;&quot;\" b=a&#x20;b&#x26;&#x22;>");
	HTML(f, "{{{x}}}", "{\"x\":\"<b>b</b>\"}", "<b>b</b>");
	PLAIN(f, "{{x}}{{{x}}}", "{\"x\":\"<b>\\u0007&\"}", "<b>&<b>&");
	fixture_free(f);
}

static void
test_space(void **state)
{
	struct fixture *f = fixture_new(QUIET);
	(void)state;
	PLAIN(f, "Hi {{n}},", "{}", "Hi,");
	PLAIN(f, "Hi {{n}},", "{\"n\":\" \"}", "Hi,");
	PLAIN(f, "Hi {{n}},", "{\"n\":null}", "Hi,");
	PLAIN(f, "Hi {{n}},", "{\"n\":\"Ann\"}", "Hi Ann,");
	PLAIN(f, "Hi {{{n}}}! {{n}}. {{n}}", "{}", "Hi!. ");
	PLAIN(f, "Hi {{f}} {{l}},", "{}", "Hi,");
	PLAIN(f, "Hi {{f}} {{l}},", "{\"l\":\"Lee\"}", "Hi Lee,");
	PLAIN(f, "Hi {{f}} {{l}},", "{\"f\":\"Ann\"}", "Hi Ann,");
	PLAIN(f, "Hi {{f}} {{l}},", "{\"f\":\"Ann\",\"l\":\"Lee\"}", "Hi Ann Lee,");
	PLAIN(f, "Hi {{#if n}}{{n}}{{/if}}, {{#n}}x {{.}}{{/n}}.", "{}", "Hi,.");
	PLAIN(f, "Hi {{#if n}}{{n}}{{/if}}, {{#n}}x {{.}}{{/n}}.", "{\"n\":\"Ann\"}", "Hi Ann, x Ann.");
	PLAIN(f, "Hi {{#if n}}{{n}}{{else}}you{{/if}}!", "{}", "Hi you!");
	PLAIN(f, "Hi\xC2\xA0{{n}}, a {{n}} b: {{n}}: c", "{}", "Hi, a  b:: c");
	PLAIN(f, "a\n{{n}},\n b {{#if n}}\nx{{/if}},", "{}", "a\n,\n b ,");
	PLAIN(f, " {{n}}", "{}", " ");
	PLAIN(f, "{{n}}, {{default n \"there\"}}!", "{}", ", there!");
	HTML(f, "<p>Hi {{n}},</p>", "{}", "<p>Hi,</p>");
	HTML(f, "<p>Hi <b>{{n}}</b>,</p>", "{}", "<p>Hi<b></b>,</p>");
	HTML(f, "<p>Hi <b style='x'><i>{{n}}</i></b>,</p>", "{\"n\":\"A\"}",
	     "<p>Hi <b style='x'><i>A</i></b>,</p>");
	HTML(f, "<p>Hi <b style='x'><i>{{n}}</i></b>,</p>", "{}", "<p>Hi<b style='x'><i></i></b>,</p>");
	HTML(f, "<p>Hi&nbsp;{{n}}, a\n  {{n}}. <a>{{n}}</a>,</p>", "{}", "<p>Hi, a. <a></a>,</p>");
	HTML(f, "Hi {{{n}}},", "{\"n\":\"<i></i>\"}", "Hi<i></i>,");
	HTML(f, "Hi {{n}},", "{\"n\":\"<i>\"}", "Hi &lt;i&gt;,");
	HTML(f, "<p title=' {{n}},'> <{{n}}, >", "{}", "<p title=' ,'> <, >");
	HTML(f, "{{=<% %>=}}Hi <% n %>,", "{}", "Hi,");
	fixture_free(f);
}

/* The same charset out when the value fits; UTF-8 and a changed header when not. */
static void
test_charsets(void **state)
{
	static const struct {
		const char *charset, *hello, *fits, *fits_raw;
	} c[] = {
		{ "iso-8859-1", "Gr\xfc\xdf", "Ærø", "\xc6r\xf8" },
		{ "iso-8859-15", "\xa4 5", "Š", "\xa6" },
		{ "windows-1252", "\x80 5", "Š", "\x8a" },
		{ "shift_jis", "\x82\xb1\x82\xf1", "山田", "\x8eR\x93\x63" },
		{ "iso-2022-jp", "\033$B$3$s\033(B", "山田", "\033$B;3ED\033(B" },
		{ "euc-jp", "\xa4\xb3", "山田", "\xbb\xb3\xc5\xc4" },
		{ "koi8-r", "\xf0\xd2\xc9", "Иван", "\xe9\xd7\xc1\xce" },
		{ "gb18030", "\xc4\xe3\xba\xc3", "王伟", "\xcd\xf5\xce\xb0" },
		{ "gb2312", "\xc4\xe3\xba\xc3", "王伟", "\xcd\xf5\xce\xb0" },
		{ "big5", "\xa7\x41", "王", "\xa4\xfd" },
		{ "utf-8", "Grüß", "Ærø", "Ærø" },
	};
	struct fixture *f = fixture_new(QUIET);
	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct str fits = arena_printf(f->a, "{\"n\":\"%s\"}", c[i].fits);
		struct str head = arena_printf(f->a,
					       TEST_HEAD "MIME-Version: 1.0\nContent-Type: text/plain; "
							 "charset=%s\nContent-Transfer-Encoding: 8bit\n\n",
					       c[i].charset);
		struct str m = arena_printf(f->a, "%s%s [{{n}}]\n", head.p, c[i].hello);
		struct str expected = arena_printf(f->a, "%s%s [%s]\n", head.p, c[i].hello, c[i].fits_raw);
		assert_string_equal(copy_of(f, m.p, fits.p), expected.p);
		/* a character outside: header and body follow together */
		copy_of(f, m.p, "{\"n\":\"€ ß я 山 😀\"}");
		struct str text = str_of(text_of(f, "1"));
		assert_true(str_ends(text, STR(" [€ ß я 山 😀]\n")));
		if (strcmp(c[i].charset, "utf-8") != 0 && strcmp(c[i].charset, "gb18030") != 0) {
			assert_string_equal(header_of(f, "Content-Type"), "text/plain; charset=utf-8");
			assert_string_not_equal(header_of(f, "Content-Transfer-Encoding"), "8bit");
		}
		assert_int_equal(header_count(f, "Content-Transfer-Encoding"), 1);
	}
	fixture_free(f);
}

static const char nested[] = TEST_HEAD
    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"o\"\n\npreamble {{n}}\n"
    "--o\nContent-Type: multipart/alternative;\n boundary=i\n\n"
    "--i\nContent-Type: text/plain;\n charset=\"iso-8859-1\"; format=flowed\nX-A: 1\n"
    "Content-Transfer-Encoding: 8bit\n\nGr\xfc\xdf {{n}} -\n"
    "--i\ncontent-transfer-encoding: base64\ncontent-type: text/html; charset=koi8-r\nContent-ID: <h>\n\n"
    "8NLJ\n IHt7bn19\n\n--i--\ninner epilogue {{n}}\n"
    "--o\nContent-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nHi {{n}}\n"
    "--o\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR {{n}}\n"
    "--o\nContent-Type: message/rfc822\n\nSubject: {{n}}\n\n{{n}}\n"
    "--o\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\ne3tufX0=\n--o--\nepilogue {{n}}\n";

static void
test_nested(void **state)
{
	struct fixture *f = fixture_new(QUIET);
	struct str before, behind, copy;
	(void)state;
	copy_of(f, nested, "{\"n\":\"\xC3\xA6\"}");
	assert_string_equal(text_of(f, "1.1"), "Grüß æ -");
	assert_string_equal(text_of(f, "1.2"), "При æ");
	/* part 1.1 as it was but for the value; of part 1.2 the two header fields and the body */
	assert_non_null(strstr(
	    f->out.p, "format=flowed\nX-A: 1\nContent-Transfer-Encoding: 8bit\n\nGr\xfc\xdf \xe6 -\n--i\n"));
	assert_non_null(strstr(f->out.p, "--i\ncontent-transfer-encoding: "));
	assert_non_null(strstr(f->out.p, "\ncontent-type: text/html; charset=utf-8\nContent-ID: <h>\n\n"));
	for (int wide = 0; wide < 2; wide++) {
		copy_of(f, nested, wide ? "{\"n\":\"山\"}" : "{\"n\":\"Ann\"}");
		copy = buf_str(&f->out);
		assert_string_equal(text_of(f, "1.1"), wide ? "Grüß 山 -" : "Grüß Ann -");
		before = str_sub(f->source, 0, str_find(f->source, STR("--i\n")));
		behind = str_sub(f->source, str_find(f->source, STR("\n--i--")), f->source.n);
		assert_true(str_starts(copy, before));
		assert_true(str_ends(copy, behind));
		assert_true((strstr(f->out.p, "charset=\"iso-8859-1\"; format=flowed\nX-A: "
					      "1\nContent-Transfer-Encoding: 8bit\n\n") != NULL) == !wide);
	}
	fixture_free(f);
}

static void
test_protected(void **state)
{
	static const char signed_mail[] =
	    TEST_HEAD "MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s; "
		      "protocol=\"application/pgp-signature\"\n\n"
		      "--s\nContent-Type: text/html\n\n<a href=\"https://x.test/\">{{n}}</a></body>\n"
		      "--s\nContent-Type: application/pgp-signature\n\nx\n--s--\n";
	static const char encrypted[] =
	    TEST_HEAD "MIME-Version: 1.0\nContent-Type: multipart/encrypted; "
		      "boundary=s\n\n--s\nContent-Type: text/plain\n\n{{n}}\n--s--\n";
	static const char armour[] = TEST_HEAD "\n-----BEGIN PGP SIGNED MESSAGE-----\n{{n}}\n";
	static const char amp[] =
	    TEST_HEAD "Content-Type: text/x-amp-html\n\n<a href=\"https://x.test/{{n}}\">{{n}}";
	struct fixture *f = fixture_new("list_unsubscribe = no\n");
	(void)state;
	assert_string_equal(copy_of(f, signed_mail, "{\"n\":1}"), signed_mail);
	assert_string_equal(copy_of(f, encrypted, "{\"n\":1}"), encrypted);
	assert_string_equal(copy_of(f, armour, "{\"n\":1}"), armour);
	assert_string_equal(copy_of(f, amp, "{\"n\":1}"), amp);
	fixture_free(f);
	f = fixture_new("list_unsubscribe = no\ntemplates_amp = yes\n");
	assert_non_null(strstr(copy_of(f, amp, "{\"n\":1}"), "\n\n<a href=\"https://x.test/1\">1"));
	fixture_free(f);
}

static void
test_odd_structure(void **state)
{
	static const char *const messages[] = {
		TEST_HEAD,
		TEST_HEAD "\n",
		"",
		"\n",
		"\n\n",
		"x",
		"Subject: x",
		TEST_HEAD "Content-Type: text/html\n\n",
		TEST_HEAD "Content-Type: text/html; charset=utf-8\n",
		TEST_HEAD "Content-Type: multipart/mixed; boundary=b\n\n",
		TEST_HEAD "Content-Type: multipart/mixed; boundary=b\n\n--b\n",
		TEST_HEAD "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b\n\n\n--b--",
		TEST_HEAD
		"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n--b--\n",
		TEST_HEAD "Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n",
		TEST_HEAD "Content-Type: text/plain; charset=\n\nx",
		TEST_HEAD "Content-Type: /\n\nx",
		TEST_HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!!",
	};
	struct fixture *f = fixture_new(QUIET "rewrite_to = no\n");
	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		const char *copy = copy_of(f, messages[i], "{\"n\":1}");
		size_t n = strlen(messages[i]);
		/* an empty line may be added behind a header that has none */
		if (strncmp(copy, messages[i], n) != 0 && n > 6)
			fail_msg("%zu: %s", i, copy);
	}
	copy_of(f, TEST_HEAD "\nHi {{n}}\n", "{\"n\":1}");
	assert_string_equal(strstr(f->out.p, "\n\n"), "\n\nHi 1\n");
	copy_of(f, TEST_HEAD "\nHi {{n}}", "{\"n\":\"ä\"}");
	assert_string_equal(header_of(f, "MIME-Version"), "1.0");
	assert_string_equal(header_of(f, "Content-Type"), "text/plain; charset=utf-8");
	assert_string_equal(text_of(f, "1"), "Hi ä");
	copy_of(f, TEST_HEAD "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n{{n}}\n--b--\n",
		"{\"n\":1}");
	assert_non_null(strstr(f->out.p, "--b\n\n1\n--b--\n"));
	fixture_free(f);
}

/* A value that holds the boundary ends no part. */
static void
test_boundary(void **state)
{
	static const char *const ctes[] = { "7bit", "8bit", "quoted-printable", "base64" };
	static const char *const bodies[] = { "Hi {{n}}",     "{{n}}\nb", "{{x}}--in\nb",
					      "--in{{x}}\nb", "-{{d}}",	  "a\n{{n}}{{n}}" };
	struct fixture *f = fixture_new(QUIET);
	(void)state;
	for (size_t i = 0; i < sizeof(ctes) / sizeof(ctes[0]); i++)
		for (size_t k = 0; k < sizeof(bodies) / sizeof(bodies[0]) && (i < 3 || k == 0); k++) {
			struct str m = arena_printf(
			    f->a,
			    TEST_HEAD
			    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=out\n\n--out\n"
			    "Content-Type: multipart/alternative; boundary=in\n\n--in\nContent-Type: "
			    "text/plain; charset=utf-8\n"
			    "Content-Transfer-Encoding: %s\n\n%s\n--in--\n--out--\n",
			    ctes[i], i == 3 ? "SGkge3tufX0=" : bodies[k]);
			copy_of(f, m.p,
				"{\"n\":\"x\\n--in\\nContent-Type: "
				"text/html\\n\\n<b>\\n--out--\\n\",\"d\":\"-in\\n\"}");
			const char *text = text_of(f, "1.1");
			assert_true(strstr(text, k == 2 || k == 3 ? "--in\nb" : "--") != NULL);
			if (strstr(bodies[k], "{{n}}") != NULL)
				assert_non_null(
				    strstr(text, "x\n--in\nContent-Type: text/html\n\n<b>\n--out--\n"));
			struct mail mail;
			assert_int_equal(mail_parse(f->a, buf_str(&f->out), NULL, &mail, &f->e), 0);
			assert_int_equal(mail.nparts, 3);
		}
	fixture_free(f);
}

static void
test_line_ends(void **state)
{
	struct fixture *f = fixture_new(NO_TRACKING);
	struct buf crlf = { 0 };
	(void)state;
	for (const char *p = nested; *p; p++) {
		if (*p == '\n')
			buf_addc(&crlf, '\r');
		buf_addc(&crlf, *p);
	}
	assert_int_equal(prepare(f, buf_str(&crlf)), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(render(f, i == 0   ? "{\"n\":\"Ann\"}"
					   : i == 1 ? "{\"n\":\"山\"}"
						    : "{\"n\":\"a\\nb\\r\\nc\"}"),
				 0);
		for (size_t k = 0; k < f->out.n; k++) {
			if (f->out.p[k] == '\n')
				assert_true(k > 0 && f->out.p[k - 1] == '\r');
			if (f->out.p[k] == '\r')
				assert_true(f->out.p[k + 1] == '\n');
		}
	}
	assert_string_equal(text_of(f, "1.1"), "Grüß a\nb\nc -");
	/* a part of one line says nothing of line ends: the message does */
	for (int i = 0; i < 2; i++) {
		copy_of(f, i == 0 ? "X: y\n\n{{n}}" : "X: y\r\n\r\n{{n}}", "{\"n\":\"a\\nb山\"}");
		assert_true((strchr(f->out.p, '\r') != NULL) == (i == 1));
	}
	buf_free(&crlf);
	fixture_free(f);
}

static size_t
longest_line(struct str s)
{
	size_t longest = 0;
	struct str line;
	while (str_split(&s, '\n', &line))
		longest = line.n > longest ? line.n : longest;
	return longest;
}

static void
test_line_lengths(void **state)
{
	static const char *const types[] = {
		"text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit",
		"text/plain; charset=us-ascii\nContent-Transfer-Encoding: 7bit",
		"text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
		"text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable",
	};
	struct fixture *f = fixture_new("");
	struct buf p = { 0 }, body = { 0 };
	(void)state;
	for (int i = 0; i < 3000; i++)
		buf_adds(&p, i % 7 ? STR("x") : STR("ß"));
	for (int i = 0; i < 12; i++)
		buf_adds(&body, i % 5 ? STR("0123456{{s}}") : STR("<a href=https://x.test/{{s}}>{{s}}</a>"));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct str m = arena_printf(f->a, TEST_HEAD "Content-Type: %s\n\n%s\n", types[i], body.p);
		struct str big = arena_printf(f->a, "{\"s\":\"%s\"}", p.p);
		copy_of(f, m.p, big.p);
		size_t longest = longest_line(buf_str(&f->out));
		assert_true(longest <= 998);
		if (i >= 2)
			assert_true(
			    longest_line(str_sub(buf_str(&f->out), str_find(buf_str(&f->out), STR("\n\n")),
						 f->out.n)) <= 76);
		assert_non_null(strstr(text_of(f, "1"), arena_cstr(f->a, buf_str(&p))));
		copy_of(f, m.p, "{\"s\":\"ab\"}");
	}
	buf_free(&p);
	buf_free(&body);
	fixture_free(f);
}

static void
test_large_value(void **state)
{
	struct fixture *f = fixture_new(QUIET);
	size_t n = (size_t)10 << 20;
	char *big = malloc(n);
	(void)state;
	assert_non_null(big);
	memset(big, '<', n);
	struct value *p = value_map_new(f->a);
	value_map_set(f->a, p, STR("x"), value_string(f->a, str_make(big, n)));
	/* as text 10 MB go; escaped they pass 16 MB, and nothing leaves */
	assert_int_equal(prepare(f, str_of("Subject: {{x}}\n" TEST_HEAD "\n{{x}}")), 0);
	f->recipient.profile = p;
	assert_int_equal(render(f, NULL), 0);
	assert_true(f->out.n > n);
	assert_true(longest_line(buf_str(&f->out)) <= 998);
	assert_int_equal(prepare(f, str_of(TEST_HEAD "Content-Type: text/html\n\n{{x}}")), 0);
	assert_int_equal(render(f, NULL), -1);
	assert_non_null(strstr(f->e.text, "part 1: line 1, column 1: "));
	/* and all parts together stay under what a message may have */
	struct buf many = { 0 };
	buf_adds(&many, STR(TEST_HEAD "Content-Type: multipart/mixed; boundary=b\n\n"));
	for (int i = 0; i < 9; i++)
		buf_adds(&many, STR("--b\nContent-Type: text/plain; charset=utf-8\n\n{{x}}\n"));
	f->conf->milter.max_message = 50 << 20;
	assert_int_equal(prepare(f, buf_str(&many)), 0);
	assert_int_equal(render(f, NULL), -1);
	assert_int_equal(f->e.kind, ERR_LIMIT);
	assert_non_null(strstr(f->e.text, "larger than max_message"));
	buf_free(&many);
	free(big);
	fixture_free(f);
}

static void
test_no_templates(void **state)
{
	static const char message[] =
	    "Subject: {{x}}\n" TEST_HEAD "Content-Type: text/html\n\n{{x}} {{{y}}} {{#bad";
	struct fixture *f = fixture_new("templates = no\nlist_unsubscribe = no\n");
	(void)state;
	copy_of(f, message, "{\"x\":1}");
	assert_string_equal(text_of(f, "1"), "{{x}} {{{y}}} {{#bad[pixel]");
	assert_string_equal(header_of(f, "Subject"), "{{x}}");
	fixture_free(f);
	f = fixture_new("templates = no\n" QUIET);
	assert_string_equal(copy_of(f, message, "{\"x\":1}"), message);
	fixture_free(f);
}

static void
test_errors(void **state)
{
	static const char message[] =
	    TEST_HEAD "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nok\n"
		      "--b\nContent-Type: text/html\n\n<p>\n\n<b>{{#if x}}\n--b--\n";
	struct fixture *f = fixture_new(QUIET "missing = hold\n");
	(void)state;
	assert_int_equal(prepare(f, str_of(message)), -1);
	assert_int_equal(f->e.kind, ERR_INPUT);
	assert_true(str_starts(str_of(f->e.text), STR("part 2 (text/html): line 3, column 4: ")));
	assert_int_equal(prepare(f, str_of("Subject: a {{#x}}\n" TEST_HEAD "\n")), -1);
	assert_true(str_starts(str_of(f->e.text), STR("header Subject: line 1, column 3: ")));
	assert_int_equal(prepare(f, str_of(TEST_HEAD "Content-Type: text/html\n\n<a href='{{#x}}'>{{/x}}")),
			 -1);
	assert_non_null(strstr(f->e.text, "opens inside"));
	/* what would leave half-rendered is refused */
	assert_int_equal(prepare(f, str_of(TEST_HEAD "Content-Type: text/html; charset=x-none\n\n{{x}}")),
			 -1);
	assert_string_equal(f->e.text,
			    "part 1 (text/html): its templates cannot be read in charset x-none and this "
			    "transfer encoding; send it as UTF-8");
	/* … also where its encoding hides it: UTF-16LE "{{n}}", and braces in quoted-printable */
	static const char *const hidden[] = {
		"utf-16\nContent-Transfer-Encoding: base64\n\n//57AHsAbgB9AH0A\n",
		"x-none\nContent-Transfer-Encoding: base64\n\ne3tufX0K\n",
		"x-none\nContent-Transfer-Encoding: quoted-printable\n\n=7B=7Bn}}\n",
		"utf-8\nContent-Transfer-Encoding: base64\n\ne3tufX0K=QQ=\n",
		"utf-8\nContent-Transfer-Encoding: base64\n\n{{n}} is base64?\n",
	};
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		struct str m =
		    arena_printf(f->a, TEST_HEAD "Content-Type: text/plain; charset=%s", hidden[i]);
		assert_int_equal(prepare(f, m), -1);
		assert_non_null(strstr(f->e.text, "its templates cannot be read"));
	}
	assert_int_equal(
	    prepare(f, str_of(TEST_HEAD "Content-Type: text/plain\nContent-Type: text/plain\n\n{{n}}\n")),
	    -1);
	assert_non_null(strstr(f->e.text, "under this header"));
	static const char *const types[] = { "text", "html", "", "multipart/alternative" };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct str m = arena_printf(f->a, TEST_HEAD "Content-Type: %s\n\n{{n}}\n", types[i]);
		assert_int_equal(prepare(f, m), -1);
		assert_non_null(strstr(f->e.text, "under this header"));
	}
	/* what people do not see as text may hold any bytes */
	assert_int_equal(prepare(f, str_of(TEST_HEAD "Content-Type: application/pdf\n\n{{n}}\n")), 0);
	assert_int_equal(
	    prepare(f,
		    str_of(TEST_HEAD "Content-Type: text/css\nContent-Disposition: attachment\n\n{{n}}\n")),
	    0);
	/* a name makes no attachment of the message itself */
	assert_int_equal(prepare(f, str_of(TEST_HEAD "Content-Type: text/html; name=m.html\n\n{{#n}}\n")),
			 -1);
	assert_int_equal(
	    prepare(f, str_of(TEST_HEAD "Content-Type: text/plain\nContent-Type: text/plain\n\nn\n")), 0);
	assert_int_equal(prepare(f, str_of(TEST_HEAD "Content-Type: text/plain; charset=utf-16\n"
						     "Content-Transfer-Encoding: base64\n\n//5uAA==\n")),
			 0);
	assert_int_equal(prepare(f, str_of("List-Unsubscribe: <https://x.test/{{id}}>\n" TEST_HEAD "\nx")),
			 -1);
	assert_non_null(strstr(f->e.text, "header List-Unsubscribe: cannot be a template"));
	/* hold: a verdict, not an error */
	assert_int_equal(prepare(f, str_of(TEST_HEAD "\nHi {{name}},\n")), 0);
	assert_int_equal(render(f, "{}"), 0);
	assert_int_equal(f->plan.decision.verdict, TAILOR_REFUSE);
	assert_string_equal(f->plan.decision.reason, "missing");
	assert_string_equal(f->plan.decision.text.p, "part 1: missing variable \"name\" (line 1, column 4)");
	assert_int_equal(prepare(f, str_of("Subject: {{a.b}}\n" TEST_HEAD "\nHi\n")), 0);
	assert_int_equal(render(f, "{\"a\":{}}"), 0);
	assert_string_equal(f->plan.decision.text.p,
			    "header Subject: missing variable \"a.b\" (line 1, column 1)");
	assert_int_equal(prepare(f, str_of("From: a@x.test\nTo: \"{{t}}\" <a@x.test>\n\nHi\n")), 0);
	assert_int_equal(render(f, "{}"), 0);
	assert_string_equal(f->plan.decision.text.p, "header To: missing variable \"t\" (line 1, column 1)");
	assert_string_equal(plain_in(f, "{{default n \"you\"}}{{#if n}}{{n}}{{/if}}", "{}"), "you");
	fixture_free(f);
}

/* The campaign's defaults come last, mailtailor's own words first. */
static void
test_layers(void **state)
{
	static const char message[] = "X-Mailtailor-Data: {\"a\":\"message\",\"b\":\"message\"}\n" TEST_HEAD
				      "\n{{a}} {{b}} {{c}} {{d}} {{recipient.email}} {{campaign.category}}";
	struct fixture *f = fixture_new(
	    QUIET "defaults {\na = \"default\"\nb = \"default\"\nc = \"default\"\nd = \"default\"\n}\n");
	(void)state;
	f->in.plugin_vars = json(f, "{\"a\":\"plugin\",\"recipient\":{\"email\":\"x\"}}");
	copy_of(f, message, "{\"a\":\"profile\",\"b\":\"profile\",\"c\":\"profile\"}");
	assert_string_equal(text_of(f, "1"), "plugin message profile default ann@example.test marketing");
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),	     cmocka_unit_test(test_space),
		cmocka_unit_test(test_charsets),     cmocka_unit_test(test_nested),
		cmocka_unit_test(test_protected),    cmocka_unit_test(test_odd_structure),
		cmocka_unit_test(test_boundary),     cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_line_lengths), cmocka_unit_test(test_large_value),
		cmocka_unit_test(test_no_templates), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_layers),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
