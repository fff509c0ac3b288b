/*
 * mail_text_decode, mail_chunk_cut, the writer, mail_encode_whole: properties
 * over random texts, encodings and charsets. GMime's filters are the second
 * opinion on every result.
 */
#include <iconv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <gmime/gmime.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mail/mail.h"

static struct arena *arena;
static struct mail_writer *writer;
static uint64_t seed = 88172645463325252u;

static unsigned
rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static const struct charset {
	const char *name;
	const char *chars[8]; /* beyond ASCII */
} charsets[] = {
	{ "utf-8", { "é", "ß", "漢", "字", "😀", "Ж", "\xc2\xa0", "ﬁ" } },
	{ "iso-8859-1", { "é", "ß", "ü", "¿", "Ñ", "å", "\xc2\xa0", "ÿ" } },
	{ "windows-1252", { "é", "€", "“", "”", "–", "ß", "™", "ÿ" } },
	{ "koi8-r", { "П", "р", "и", "в", "е", "т", "Ё", "─" } },
	{ "shift_jis", { "日", "本", "語", "ソ", "表", "ｱ", "、", "ー" } },
	{ "iso-2022-jp", { "日", "本", "語", "ソ", "表", "あ", "、", "ー" } },
	{ "gb18030", { "中", "文", "😀", "é", "繁", "體", "€", "ß" } },
	{ "us-ascii", { "a", "b", "c", "~", "\\", "=", "{", "}" } },
};
#define NCHARSETS (sizeof(charsets) / sizeof(charsets[0]))

/* A text with everything that encoders trip over. */
static void
random_text(struct buf *b, const struct charset *cs, unsigned items, const char *eol)
{
	static const char *const words[] = { "Hello", "{{name}}", "a=b", " ",
					     "  ",    "\t",	  ".",	 "From ",
					     "x",     "=3D",	  "--",	 "https://example.com/?a=1&b=2",
					     "=" };

	for (unsigned i = 0; i < items; i++) {
		unsigned k = rnd(20);

		if (k < 6)
			buf_adds(b, str_of(cs->chars[rnd(8)]));
		else if (k < 8)
			buf_adds(b, str_of(eol));
		else
			buf_adds(b, str_of(words[rnd(sizeof(words) / sizeof(words[0]))]));
	}
}

static struct str
convert(const char *to, const char *from, struct str s)
{
	iconv_t cd = iconv_open(to, from);
	size_t room = s.n * 8 + 64, left = s.n;
	char *out = arena_alloc(arena, room), *o = out, *in = (char *)s.p;

	assert_true(cd != (iconv_t)-1);
	if (iconv(cd, &in, &left, &o, &room) == (size_t)-1)
		fail_msg("%s is not %s: %.*s", from, to, STR_ARG(s));
	iconv(cd, NULL, NULL, &o, &room);
	iconv_close(cd);
	return str_make(out, (size_t)(o - out));
}

/* GMime's transfer decoder, then iconv. */
static struct str
decode_independently(struct str raw, enum mail_cte cte, const char *charset)
{
	GMimeEncoding enc;
	struct str wire = raw;

	if (cte == MAIL_CTE_QP || cte == MAIL_CTE_BASE64) {
		char *out = arena_alloc(arena, raw.n + 16);

		g_mime_encoding_init_decode(&enc, cte == MAIL_CTE_QP ? GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE
								     : GMIME_CONTENT_ENCODING_BASE64);
		wire = str_make(out, g_mime_encoding_step(&enc, raw.p, raw.n, out));
	}
	return convert("UTF-8", charset, wire);
}

/* Encodes a source body by hand of GMime: not our own writer. */
static struct str
encode_source(struct str text, enum mail_cte cte, const char *charset, const char *eol)
{
	struct str wire = convert(charset, "UTF-8", text);
	GMimeEncoding enc;
	char *out, *fixed;
	size_t n, m = 0;

	if (cte != MAIL_CTE_QP && cte != MAIL_CTE_BASE64)
		return wire;
	g_mime_encoding_init_encode(&enc, cte == MAIL_CTE_QP ? GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE
							     : GMIME_CONTENT_ENCODING_BASE64);
	out = arena_alloc(arena, g_mime_encoding_outlen(&enc, wire.n) + 16);
	n = g_mime_encoding_flush(&enc, wire.p, wire.n, out);
	/* GMime writes bare LF; make every line end eol */
	fixed = arena_alloc(arena, n * 2 + 1);
	for (size_t i = 0; i < n; i++) {
		if (out[i] == '\n' && eol[0] == '\r' && (i == 0 || out[i - 1] != '\r'))
			fixed[m++] = '\r';
		fixed[m++] = out[i];
	}
	return str_make(fixed, m);
}

static struct mail_part
part_of(enum mail_cte cte, const char *charset)
{
	struct mail_part p = { .cte = cte, .charset = str_of(charset) };

	return p;
}

static enum mail_status
put_chunk(const struct mail_text *t, size_t from, size_t to)
{
	struct mail_chunk c;

	mail_chunk_cut(t, from, to, &c);
	return mail_writer_chunk(writer, &c);
}

static bool
is_cut(struct str s, size_t i)
{
	if (i == 0 || i >= s.n)
		return true;
	return ((unsigned char)s.p[i] & 0xc0) != 0x80 && s.p[i - 1] != '\r';
}

static size_t
random_cut(struct str s, size_t from)
{
	size_t i = from + (s.n > from ? rnd((unsigned)(s.n - from) + 1) : 0);

	while (!is_cut(s, i))
		i++;
	return i;
}

static size_t
longest_line(struct str s)
{
	size_t col = 0, max = 0;

	for (size_t i = 0; i < s.n; i++) {
		col = s.p[i] == '\n' ? 0 : col + (s.p[i] != '\r');
		max = col > max ? col : max;
	}
	return max;
}

static void
assert_lines(struct str s, size_t max)
{
	if (longest_line(s) > max)
		fail_msg("a line over %zu in: %.*s", max, STR_ARG(s));
}

/* No white space before a line end in quoted-printable. */
static void
assert_no_trailing(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] == ' ' || s.p[i] == '\t') &&
		    (i + 1 == s.n || s.p[i + 1] == '\n' || (s.p[i + 1] == '\r' && s.p[i + 2] == '\n')))
			fail_msg("white space at a line's end in: %.*s", STR_ARG(s));
}

struct tally {
	unsigned done, misfit;
};

/* Cuts, inserts, drops; then both decoders must see exactly that. */
static void
edit_once(const struct charset *cs, enum mail_cte cte, const char *eol, struct tally *tally)
{
	struct buf text = { 0 }, want = { 0 }, out = { 0 };
	struct mail_part p = part_of(cte, cs->name);
	struct mail_text t, t2;
	struct err e;
	struct str raw;
	enum mail_status st = MAIL_OK;
	size_t at = 0;

	buf_adds(&text, str_of(eol)); /* so that new text's line ends become the same */
	random_text(&text, cs, rnd(120), eol);
	raw = encode_source(buf_str(&text), cte, cs->name, eol);
	if (mail_text_decode(arena, &p, raw, &t, &e) < 0)
		fail_msg("%s: %s", cs->name, e.text);
	assert_true(str_eq(t.utf8, buf_str(&text)));
	mail_writer_begin(writer, &out, &t);
	while (st == MAIL_OK) {
		size_t to = random_cut(t.utf8, at);

		st = put_chunk(&t, at, to);
		buf_add(&want, t.utf8.p + at, to - at);
		at = to;
		if (at == t.utf8.n && rnd(2))
			break;
		if (st == MAIL_OK && rnd(4)) {
			struct buf add = { 0 };

			random_text(&add, cs, rnd(30), eol);
			st = mail_writer_text(writer, buf_str(&add));
			buf_adds(&want, buf_str(&add));
			buf_free(&add);
		}
		if (rnd(3) == 0)
			at = random_cut(t.utf8, at);
	}
	if (st == MAIL_OK)
		st = mail_writer_end(writer);
	if (st == MAIL_OK) {
		struct str got = decode_independently(buf_str(&out), cte, cs->name);

		if (!str_eq(got, buf_str(&want)))
			fail_msg("%s cte %d: \"%.*s\"\nfrom: \"%.*s\"\nis: \"%.*s\"\nnot: \"%.*s\"", cs->name,
				 cte, STR_ARG(buf_str(&out)), STR_ARG(raw), STR_ARG(got),
				 STR_ARG(buf_str(&want)));
		assert_int_equal(mail_text_decode(arena, &p, buf_str(&out), &t2, &e), 0);
		assert_true(str_eq(t2.utf8, buf_str(&want)));
		/* GMime's own encoder writes lines of 77 now and then */
		if ((cte == MAIL_CTE_QP || cte == MAIL_CTE_BASE64) && longest_line(raw) <= 76)
			assert_lines(buf_str(&out), 76);
		assert_lines(buf_str(&out), 998);
		if (cte == MAIL_CTE_QP)
			assert_no_trailing(buf_str(&out));
	}
	tally->done++;
	tally->misfit += st != MAIL_OK;
	buf_free(&text);
	buf_free(&want);
	buf_free(&out);
	arena_reset(arena);
}

static void
test_edits(void **state)
{
	static const enum mail_cte ctes[] = { MAIL_CTE_8BIT, MAIL_CTE_QP, MAIL_CTE_BASE64 };

	(void)state;
	for (size_t c = 0; c < NCHARSETS; c++)
		for (size_t k = 0; k < 3; k++) {
			struct tally tally = { 0 };
			bool jp = strcmp(charsets[c].name, "iso-2022-jp") == 0;

			if (jp && ctes[k] == MAIL_CTE_QP)
				continue;
			for (int i = 0; i < 300; i++)
				edit_once(&charsets[c], ctes[k], rnd(2) ? "\r\n" : "\n", &tally);
			/* state may stand in the way of a random cut in ISO-2022-JP only */
			if (!jp && tally.misfit > 0)
				fail_msg("%s cte %d: %u of %u misfits", charsets[c].name, ctes[k],
					 tally.misfit, tally.done);
			if (tally.misfit == tally.done)
				fail_msg("%s cte %d: nothing fits", charsets[c].name, ctes[k]);
		}
}

static void
test_unedited(void **state)
{
	(void)state;
	for (int i = 0; i < 2000; i++) {
		const struct charset *cs = &charsets[rnd(NCHARSETS)];
		enum mail_cte cte = (enum mail_cte[]){ MAIL_CTE_8BIT, MAIL_CTE_QP, MAIL_CTE_BASE64 }[rnd(3)];
		const char *eol = rnd(2) ? "\r\n" : "\n";
		struct mail_part p = part_of(cte, cs->name);
		struct buf text = { 0 }, out = { 0 };
		struct mail_text t;
		struct err e;
		struct str raw;
		size_t at = 0;
		bool jp = strcmp(cs->name, "iso-2022-jp") == 0;

		if (jp && cte == MAIL_CTE_QP)
			continue;
		random_text(&text, cs, rnd(100), eol);
		raw = encode_source(buf_str(&text), cte, cs->name, eol);
		assert_int_equal(mail_text_decode(arena, &p, raw, &t, &e), 0);
		mail_writer_begin(writer, &out, &t);
		for (int k = 0; k < 4; k++) {
			size_t to = k == 3 || jp ? t.utf8.n : random_cut(t.utf8, at);

			assert_int_equal(put_chunk(&t, at, to), MAIL_OK);
			at = to;
		}
		assert_int_equal(mail_writer_end(writer), MAIL_OK);
		if (!str_eq(buf_str(&out), raw))
			fail_msg("%s cte %d: \"%.*s\" is not \"%.*s\"", cs->name, cte, STR_ARG(buf_str(&out)),
				 STR_ARG(raw));
		buf_free(&text);
		buf_free(&out);
		arena_reset(arena);
	}
}

/* One edit by hand: everything up to tag, new text, everything behind. */
static enum mail_status
replace(enum mail_cte cte, const char *charset, struct str raw, const char *tag, const char *text,
	struct buf *out)
{
	struct mail_part p = part_of(cte, charset);
	struct mail_text t;
	struct err e = { 0 };
	size_t at;
	enum mail_status st;

	buf_reset(out);
	if (mail_text_decode(arena, &p, raw, &t, &e) < 0)
		fail_msg("%s", e.text);
	at = str_find(t.utf8, str_of(tag));
	assert_true(at < t.utf8.n);
	mail_writer_begin(writer, out, &t);
	if ((st = put_chunk(&t, 0, at)) != MAIL_OK ||
	    (st = mail_writer_text(writer, str_of(text))) != MAIL_OK ||
	    (st = put_chunk(&t, at + strlen(tag), t.utf8.n)) != MAIL_OK)
		return st;
	return mail_writer_end(writer);
}

static void
assert_replaced(enum mail_cte cte, const char *charset, const char *raw, const char *text, const char *want)
{
	struct buf out = { 0 };

	assert_int_equal(replace(cte, charset, str_of(raw), "{{x}}", text, &out), MAIL_OK);
	assert_string_equal(out.p, want);
	buf_free(&out);
}

static void
test_by_hand(void **state)
{
	(void)state;
	assert_replaced(MAIL_CTE_8BIT, "utf-8", "a {{x}} b\r\n", "1\n2", "a 1\r\n2 b\r\n");
	assert_replaced(MAIL_CTE_QP, "utf-8", "caf=c3=A9 {{x}}=\r\n!\r\n", "é=", "caf=c3=A9 =C3=A9=3D!\r\n");
	/* white space that comes to stand before a line end */
	assert_replaced(MAIL_CTE_QP, "utf-8", "Hi {{x}}\r\nyou", "", "Hi=20\r\nyou");
	assert_replaced(MAIL_CTE_QP, "utf-8", "Hi{{x}}\r\nyou", " \t", "Hi =09\r\nyou");
	assert_replaced(MAIL_CTE_QP, "utf-8", "Hi {{x}}", "", "Hi=20");
	/* transport padding is no text and must not become any */
	assert_replaced(MAIL_CTE_QP, "utf-8", "Hi{{x}}  \r\nyou", "!", "Hi!  \r\nyou");
	/* a tag across a soft break */
	assert_replaced(MAIL_CTE_QP, "utf-8", "Hi {{=\r\nx}} you", "Al", "Hi Al you");
	/* what SMTP or mbox might touch */
	assert_replaced(MAIL_CTE_QP, "utf-8", "a\r\n{{x}}", ".\nFrom me", "a\r\n=2E\r\n=46rom me");
	assert_replaced(MAIL_CTE_BASE64, "utf-8", "SGkge3t4fX0=\r\n", "Bob", "SGkgQm9i\r\n");
	assert_replaced(MAIL_CTE_BASE64, "utf-8", "SGkge3t4fX0=", "Bobby", "SGkgQm9iYnk=");
	assert_replaced(MAIL_CTE_7BIT, "iso-2022-jp", "\033$B$\"\033(B{{x}}\033$B$$\033(B", "あ",
			"\033$B$\"\033(B\033$B$\"\033(B\033$B$$\033(B");
}

static void
test_lines_kept(void **state)
{
	struct buf out = { 0 }, raw = { 0 };
	size_t tail;

	(void)state;
	/* 70 columns, then a tag: the soft break comes where it must and nothing behind it moves */
	for (int i = 0; i < 70; i++)
		buf_addc(&raw, 'a');
	buf_adds(&raw, STR("{{x}}=\r\nrest of the line=\r\nnext\r\n"));
	assert_int_equal(replace(MAIL_CTE_QP, "utf-8", buf_str(&raw), "{{x}}", "0123456789", &out), MAIL_OK);
	assert_lines(buf_str(&out), 76);
	tail = str_find(buf_str(&out), STR("rest of"));
	assert_string_equal(out.p + tail, "rest of the line=\r\nnext\r\n");
	/* base64 lines keep their width up to the change */
	buf_reset(&raw);
	buf_adds(&raw, STR("MDEyMzQ1Njc4OTAx\nMjM0NTY3ODkwMTIz\ne3t4fX0uLi4u\n"));
	assert_int_equal(replace(MAIL_CTE_BASE64, "us-ascii", buf_str(&raw), "{{x}}", "0123456789", &out),
			 MAIL_OK);
	assert_string_equal(out.p, "MDEyMzQ1Njc4OTAx\nMjM0NTY3ODkwMTIz\nMDEyMzQ1Njc4OS4u\nLi4=\n");
	buf_free(&out);
	buf_free(&raw);
}

static void
test_misfits(void **state)
{
	struct buf out = { 0 }, longer = { 0 };
	struct str tag = STR("a {{x}} b");

	(void)state;
	assert_int_equal(replace(MAIL_CTE_8BIT, "iso-8859-1", tag, "{{x}}", "€", &out), MAIL_MISFIT);
	assert_int_equal(replace(MAIL_CTE_8BIT, "us-ascii", tag, "{{x}}", "é", &out), MAIL_MISFIT);
	assert_int_equal(replace(MAIL_CTE_7BIT, "utf-8", tag, "{{x}}", "é", &out), MAIL_MISFIT);
	assert_int_equal(replace(MAIL_CTE_8BIT, "utf-8", tag, "{{x}}", "a\rb", &out), MAIL_MISFIT);
	assert_int_equal(replace(MAIL_CTE_QP, "shift_jis", tag, "{{x}}", "😀", &out), MAIL_MISFIT);
	for (int i = 0; i < 994; i++)
		buf_addc(&longer, 'x');
	assert_int_equal(replace(MAIL_CTE_8BIT, "utf-8", tag, "{{x}}", longer.p, &out), MAIL_OK);
	buf_addc(&longer, 'x');
	assert_int_equal(replace(MAIL_CTE_8BIT, "utf-8", tag, "{{x}}", longer.p, &out), MAIL_MISFIT);
	/* "=" that is no escape must not become one */
	assert_int_equal(replace(MAIL_CTE_QP, "utf-8", STR("a={{x}}"), "{{x}}", "41", &out), MAIL_MISFIT);
	assert_int_equal(replace(MAIL_CTE_QP, "utf-8", STR("a=4{{x}}"), "{{x}}", "1", &out), MAIL_MISFIT);
	/* 8-bit literals in a us-ascii part are opaque */
	assert_int_equal(replace(MAIL_CTE_8BIT, "us-ascii", STR("\xe9{{x}}\xff"), "{{x}}", "e", &out),
			 MAIL_OK);
	assert_string_equal(out.p, "\xe9"
				   "e\xff");
	buf_free(&out);
	buf_free(&longer);
}

static void
test_unsupported(void **state)
{
	static const struct {
		enum mail_cte cte;
		const char *charset, *raw;
		enum err_kind kind;
	} cases[] = {
		{ MAIL_CTE_OTHER, "utf-8", "x", ERR_UNSUPPORTED },
		{ MAIL_CTE_7BIT, "utf-7", "x", ERR_UNSUPPORTED },
		{ MAIL_CTE_BASE64, "utf-16le", "eAA=", ERR_UNSUPPORTED },
		{ MAIL_CTE_7BIT, "no-such-charset", "x", ERR_UNSUPPORTED },
		{ MAIL_CTE_7BIT, "utf-8//IGNORE", "x", ERR_UNSUPPORTED },
		{ MAIL_CTE_7BIT, "ebcdic-us", "x", ERR_UNSUPPORTED },
		{ MAIL_CTE_7BIT, "iso-2022-kr", "x", ERR_UNSUPPORTED },
		{ MAIL_CTE_8BIT, "shift_jis", "\x81", ERR_INPUT },
		{ MAIL_CTE_8BIT, "euc-kr", "a\xff\xff", ERR_INPUT },
		{ MAIL_CTE_BASE64, "utf-8", "eA==eA==", ERR_INPUT },
		{ MAIL_CTE_BASE64, "utf-8", "eAAAA", ERR_INPUT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mail_part p = part_of(cases[i].cte, cases[i].charset);
		struct mail_text t;
		struct err e = { 0 };

		if (mail_text_decode(arena, &p, str_of(cases[i].raw), &t, &e) == 0)
			fail_msg("%s \"%s\" decodes", cases[i].charset, cases[i].raw);
		assert_int_equal(e.kind, cases[i].kind);
	}
}

/* Senders say ISO-8859-1 and mean WINDOWS-1252; every reader follows them. */
static void
test_superset(void **state)
{
	struct mail_part p = part_of(MAIL_CTE_8BIT, "iso-8859-1");
	struct mail_text t;
	struct err e;

	(void)state;
	assert_int_equal(mail_text_decode(arena, &p, STR("\x93\xe9\x94"), &t, &e), 0);
	assert_true(str_eq(t.utf8, STR("“é”")));
	p = part_of(MAIL_CTE_8BIT, "gb2312");
	assert_int_equal(mail_text_decode(arena, &p, STR("\x95\xf1"), &t, &e), 0);
	assert_string_equal(t.charset, "GBK");
}

static void
test_encode_whole(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++) {
		struct buf text = { 0 }, out = { 0 };
		const char *eol = rnd(2) ? "\r\n" : "\n";
		enum mail_cte cte;

		random_text(&text, &charsets[rnd(2) ? 0 : 7], rnd(100), eol);
		mail_encode_whole(&out, buf_str(&text), eol, &cte);
		assert_true(str_eq(decode_independently(buf_str(&out), cte, "utf-8"), buf_str(&text)));
		assert_lines(buf_str(&out), 76);
		if (cte == MAIL_CTE_QP)
			assert_no_trailing(buf_str(&out));
		buf_free(&text);
		buf_free(&out);
		arena_reset(arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand),	 cmocka_unit_test(test_unedited),
		cmocka_unit_test(test_edits),	 cmocka_unit_test(test_lines_kept),
		cmocka_unit_test(test_misfits),	 cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_superset), cmocka_unit_test(test_encode_whole),
	};
	int rc;

	mail_init();
	arena = arena_new(1 << 16);
	writer = mail_writer_new();
	rc = cmocka_run_group_tests_name("mail-text", tests, NULL, NULL);
	mail_writer_free(&writer);
	arena_free(&arena);
	return rc;
}
