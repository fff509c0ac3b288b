/* The data part: found, unpacked, checked, cut out; what a recipient's entry does to his copy. */
#include "test-tailor.h"

#include <glib.h>
#include <zlib.h>
#include <zstd.h>

#define PLAIN_CAMPAIGN NO_TRACKING "list_unsubscribe = no\nrewrite_to = no\n"
#define MIXED "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"
#define TYPE "Content-Type: application/vnd.mailtailor.data+json\n"
#define TEXT_PART "--b\nContent-Type: text/plain\n\nHi {{n}}\n"
#define ANN "{\"ann@example.test\":{\"n\":\"Ann\"},\"bob@example.test\":{\"n\":\"Bob\"}}"

static const struct value *
data_for(struct fixture *f, const char *address)
{
	return tailor_message_recipient_data(f->m, str_of(address), f->a);
}

static const char *
name_for(struct fixture *f, const char *address)
{
	const struct value *n = value_map_get(data_for(f, address), STR("n"));
	return n ? arena_cstr(f->a, n->s) : NULL;
}

/* The copy of the fixture's recipient, given his entry as the engine does. */
static const char *
copy_with_data(struct fixture *f, struct str message)
{
	if (prepare(f, message) != 0)
		fail_msg("%s", f->e.text);
	f->in.data = data_for(f, "ann@example.test");
	if (render(f, NULL) != 0 || f->plan.decision.verdict != TAILOR_SEND)
		fail_msg("%s", f->e.text);
	return f->out.p;
}

static const char *
stripped(struct fixture *f)
{
	struct buf b = { 0 };
	tailor_message_strip(f->m, &b);
	const char *out = arena_cstr(f->a, buf_str(&b));
	buf_free(&b);
	return out;
}

/* ---- where it stands ---- */

struct cut {
	const char *with, *without; /* behind MIXED and an empty line */
};

static const struct cut CUTS[] = {
	/* last, first, in the middle */
	{ TEXT_PART "--b\n" TYPE "\n" ANN "\n--b--\n", TEXT_PART "--b--\n" },
	{ "--b\n" TYPE "\n" ANN "\n" TEXT_PART "--b--\n", TEXT_PART "--b--\n" },
	{ TEXT_PART "--b\n" TYPE "\n" ANN "\n--b\nContent-Type: image/png\n\nx\n--b--\n",
	  TEXT_PART "--b\nContent-Type: image/png\n\nx\n--b--\n" },
	/* preamble and epilogue stay */
	{ "for old readers\n--b\n" TYPE "\n" ANN "\n" TEXT_PART "--b--\nbye\n",
	  "for old readers\n" TEXT_PART "--b--\nbye\n" },
	/* white space behind the boundary, an own last line end */
	{ TEXT_PART "--b  \n" TYPE "\n" ANN "\n\n--b--\n", TEXT_PART "--b--\n" },
	/* the only one: an empty part remains */
	{ "--b\n" TYPE "\n" ANN "\n--b--\n", "--b\n\n\n--b--\n" },
	/* nested: beside the text, and alone */
	{ "--b\nContent-Type: multipart/related; boundary=c\n\n--c\nContent-Type: text/plain\n\nHi "
	  "{{n}}\n--c\n" TYPE "\n" ANN "\n--c--\n--b--\n",
	  "--b\nContent-Type: multipart/related; boundary=c\n\n--c\nContent-Type: text/plain\n\nHi "
	  "{{n}}\n--c--\n--b--\n" },
	{ TEXT_PART "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n" TYPE "\n" ANN
		    "\n--c--\n--b--\n",
	  TEXT_PART "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\n\n--c--\n--b--\n" },
	/* of an inner multipart that its outer one ends */
	{ "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: text/plain\n\nHi "
	  "{{n}}\n--c\n" TYPE "\n" ANN "\n--b--\n",
	  "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: text/plain\n\nHi "
	  "{{n}}\n--b--\n" },
	/* no closing boundary; no line end either */
	{ TEXT_PART "--b\n" TYPE "\n" ANN "\n", "--b\nContent-Type: text/plain\n\nHi {{n}}" },
	{ TEXT_PART "--b\n" TYPE "\n" ANN, "--b\nContent-Type: text/plain\n\nHi {{n}}" },
	{ "--b\nContent-Type: text/plain\n\n--b\n" TYPE "\n" ANN, "--b\nContent-Type: text/plain\n\n" },
	{ "--b\n" TYPE "\n" ANN "\n", "--b\n\n" },
	/* a name, a disposition, another case */
	{ TEXT_PART "--b\ncontent-type: Application/VND.Mailtailor.Data+JSON;\n name=\"data.json\"\n"
		    "Content-Disposition: attachment\n\n" ANN "\n--b--\n",
	  TEXT_PART "--b--\n" },
};

static struct str
crlf(struct fixture *f, struct str s)
{
	struct buf b = { 0 };
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n')
			buf_addc(&b, '\r');
		buf_addc(&b, s.p[i]);
	}
	struct str out = arena_str(f->a, buf_str(&b));
	buf_free(&b);
	return out;
}

static void
test_cut(void **state)
{
	struct fixture *f = fixture_new(PLAIN_CAMPAIGN);
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(CUTS) / sizeof(CUTS[0]); i++) {
		const struct cut *c = &CUTS[i / 2];
		struct str with = arena_printf(f->a, TEST_HEAD MIXED "\n%s", c->with),
			   without = arena_printf(f->a, TEST_HEAD MIXED "\n%s", c->without);
		if (i % 2) {
			with = crlf(f, with);
			without = crlf(f, without);
		}
		const char *copy = arena_cstr(f->a, str_of(copy_with_data(f, with)));
		assert_string_equal(name_for(f, "ann@example.test"), "Ann");
		assert_string_equal(name_for(f, "bob@example.test"), "Bob");
		assert_null(data_for(f, "eve@example.test"));
		assert_null(tailor_message_recipient_json(f->m, STR("eve@example.test")).p);
		assert_string_equal(stripped(f), without.p);
		/* prepared again without the part, and given the data: the same copy */
		const struct value *data = f->in.data;
		assert_int_equal(prepare(f, without), 0);
		f->in.data = data;
		assert_int_equal(render(f, NULL), 0);
		assert_string_equal(f->out.p, copy);
		assert_null(strstr(copy, "bob@"));
		assert_string_equal(stripped(f), without.p);
	}
	fixture_free(f);
}

/* What vouched for the bytes goes with them, when it comes to the same copy in two ways. */
static void
test_stale(void **state)
{
	struct fixture *f = fixture_new(PLAIN_CAMPAIGN);
	(void)state;
	copy_with_data(
	    f,
	    STR("DKIM-Signature: v=1;\n b=x\nX-Mailtailor-Data: {\"k\":1}\nContent-MD5: x\n" TEST_HEAD MIXED
		"Content-Length: 5\n\n" TEXT_PART "--b\n" TYPE "\n" ANN "\n--b--\n"));
	assert_string_equal(f->out.p, TEST_HEAD MIXED "\n--b\nContent-Type: text/plain\n\nHi Ann\n--b--\n");
	assert_string_equal(stripped(f),
			    "X-Mailtailor-Data: {\"k\":1}\n" TEST_HEAD MIXED "\n" TEXT_PART "--b--\n");
	/* without such a part every byte stays */
	assert_int_equal(prepare(f, STR("DKIM-Signature: v=1\n" TEST_HEAD "\nx")), 0);
	assert_string_equal(stripped(f), "DKIM-Signature: v=1\n" TEST_HEAD "\nx");
	fixture_free(f);
}

static void
test_precedence(void **state)
{
	struct fixture *f = fixture_new(PLAIN_CAMPAIGN "defaults {\na = d\nb = d\nc = d\nd = d\n}\n");
	(void)state;
	f->in.plugin_vars = json(f, "{\"z\":\"plugin\"}");
	f->recipient.profile = json(f, "{\"a\":\"p\",\"b\":\"p\",\"c\":\"p\"}");
	f->in.explain = true;
	copy_with_data(
	    f,
	    STR("X-Mailtailor-Data: {\"a\":\"m\",\"b\":\"m\",\"e\":\"m\"}\n" TEST_HEAD MIXED
		"\n--b\nContent-Type: text/plain\n\n{{a}}{{b}}{{c}}{{d}}{{e}}{{z}}\n--b\n" TYPE
		"\n{\"Ann@example.test\":{\"a\":1},\"ann@EXAMPLE.test\":{\"a\":\"r\",\"e\":\"\",\"z\":0}}\n"
		"--b--\n"));
	assert_non_null(strstr(f->out.p, "\n\nrmpdmplugin\n"));
	const struct value *a = value_map_get(value_map_get(f->plan.explain, STR("variables")), STR("a"));
	assert_true(str_eq(value_map_get(a, STR("source"))->s, STR("recipient data")));
	fixture_free(f);
}

/* ---- how it is packed ---- */

static struct str
gzip(struct fixture *f, struct str s)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)s.p, .avail_in = (uInt)s.n };
	struct buf b = { 0 };
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	buf_reserve(&b, deflateBound(&z, s.n));
	z.next_out = (Bytef *)b.p;
	z.avail_out = (uInt)b.cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	struct str out = arena_str(f->a, str_make(b.p, z.total_out));
	deflateEnd(&z);
	buf_free(&b);
	return out;
}

static struct str
zstd(struct fixture *f, struct str s)
{
	struct buf b = { 0 };
	buf_reserve(&b, ZSTD_compressBound(s.n));
	size_t n = ZSTD_compress(b.p, b.cap, s.p, s.n, 3);
	assert_false(ZSTD_isError(n));
	struct str out = arena_str(f->a, str_make(b.p, n));
	buf_free(&b);
	return out;
}

/* In lines, and of bytes: the mail library's own is for text. */
static void
base64_add(struct buf *b, struct str s)
{
	char *text = g_base64_encode((const guchar *)s.p, s.n);
	struct str rest = str_of(text);
	for (; rest.n > 76; rest = str_sub(rest, 76, rest.n)) {
		buf_adds(b, str_sub(rest, 0, 76));
		buf_addc(b, '\n');
	}
	buf_adds(b, rest);
	g_free(text);
}

/* 0 or -1 with f->e. */
static int
prepare_body(struct fixture *f, const char *cte, struct str body)
{
	struct buf b = { 0 };
	buf_printf(&b, TEST_HEAD MIXED "\n" TEXT_PART "--b\n" TYPE "Content-Transfer-Encoding: %s\n\n", cte);
	if (strcmp(cte, "base64") == 0)
		base64_add(&b, body);
	else
		buf_adds(&b, body);
	buf_adds(&b, STR("\n--b--\n"));
	int rc = prepare(f, buf_str(&b));
	buf_free(&b);
	return rc;
}

static struct str
joined(struct fixture *f, struct str a, struct str b)
{
	struct buf both = { 0 };
	buf_adds(&both, a);
	buf_adds(&both, b);
	struct str out = arena_str(f->a, buf_str(&both));
	buf_free(&both);
	return out;
}

static void
test_encodings(void **state)
{
	struct fixture *f = fixture_new(PLAIN_CAMPAIGN);
	struct str ann = STR(ANN), cut = str_sub(ann, 0, 20), rest = str_sub(ann, 20, ann.n);
	struct {
		const char *cte;
		struct str body;
	} v[] = {
		{ "7bit", ann },
		{ "8bit", STR("\xef\xbb\xbf" ANN) },
		{ "binary", gzip(f, ann) },
		{ "binary", zstd(f, ann) },
		{ "base64", ann },
		{ "base64", gzip(f, ann) },
		{ "base64", zstd(f, ann) },
		{ "base64", joined(f, gzip(f, cut), gzip(f, rest)) },
		{ "base64", joined(f, zstd(f, cut), zstd(f, rest)) },
		{ "quoted-printable", STR("{\"ann@example.te=\nst\":{\"n\":\"=41nn\"}, "
					  "=20\n\"bob@example.test\":{\"n\":\"Bob\"}}") },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		if (prepare_body(f, v[i].cte, v[i].body) != 0)
			fail_msg("%zu: %s", i, f->e.text);
		assert_string_equal(name_for(f, "ann@example.test"), "Ann");
		assert_string_equal(name_for(f, "bob@example.test"), "Bob");
	}
	/* quoted-printable in more than one piece */
	struct buf b = { 0 };
	buf_adds(&b, STR("{\"ann@example.test\":{\"n\":\""));
	for (int i = 0; i < 200000; i++)
		buf_adds(&b, i % 20 ? STR("=41=\n") : STR("BBBB"));
	buf_adds(&b, STR("\"}}"));
	assert_int_equal(prepare_body(f, "quoted-printable", buf_str(&b)), 0);
	const char *long_name = name_for(f, "ann@example.test");
	assert_int_equal(strlen(long_name), 190000 + 40000);
	assert_int_equal(strspn(long_name, "AB"), strlen(long_name));
	buf_free(&b);
	fixture_free(f);
}

static void
wrong(struct fixture *f, const char *cte, struct str body, enum err_kind kind, const char *text)
{
	assert_int_equal(prepare_body(f, cte, body), -1);
	assert_int_equal(f->e.kind, kind);
	if (strstr(f->e.text, text) == NULL)
		fail_msg("want \"%s\" in \"%s\"", text, f->e.text);
	assert_non_null(strstr(f->e.text, "part 2 (application/vnd.mailtailor.data+json): "));
}

static void
test_packed_wrong(void **state)
{
	struct fixture *f = fixture_new(PLAIN_CAMPAIGN);
	struct str ann = STR(ANN), g = gzip(f, ann), z = zstd(f, ann), spaces;
	struct buf b = { 0 };
	(void)state;
	for (size_t n = 2; n < g.n; n++)
		wrong(f, "base64", str_sub(g, 0, n), ERR_INPUT, "its gzip is cut or damaged; pack it anew");
	for (size_t n = 4; n < z.n; n++)
		wrong(f, "base64", str_sub(z, 0, n), ERR_INPUT, "its zstd is cut or damaged; pack it anew");
	wrong(f, "base64", joined(f, g, STR("x")), ERR_INPUT, "its gzip is cut or damaged");
	wrong(f, "base64", joined(f, z, STR("x")), ERR_INPUT, "its zstd is cut or damaged");
	wrong(f, "base64", joined(f, g, STR("\x1f\x8b")), ERR_INPUT, "its gzip is cut or damaged");
	char *flipped = arena_cstr(f->a, g);
	flipped[g.n / 2] ^= 0x10;
	wrong(f, "base64", str_make(flipped, g.n), ERR_INPUT, "its gzip is cut or damaged");
	wrong(f, "x-uuencode", ann, ERR_INPUT, "Content-Transfer-Encoding is not known");
	/* bombs: 70 MB of white space around an object that would do */
	buf_reserve(&b, 70u << 20);
	memset(b.p, ' ', 70u << 20);
	b.n = 70u << 20;
	spaces = buf_str(&b);
	wrong(f, "base64", gzip(f, spaces), ERR_LIMIT, "unpacked it is over 64 MB");
	wrong(f, "base64", zstd(f, spaces), ERR_LIMIT, "unpacked it is over 64 MB");
	wrong(f, "8bit", spaces, ERR_LIMIT, "it is over 64 MB");
	/* and what is just allowed */
	b.n = (64u << 20) - ann.n;
	spaces = joined(f, buf_str(&b), ann);
	assert_int_equal(prepare_body(f, "base64", gzip(f, spaces)), 0);
	assert_string_equal(name_for(f, "bob@example.test"), "Bob");
	assert_int_equal(prepare_body(f, "base64", zstd(f, spaces)), 0);
	assert_string_equal(name_for(f, "bob@example.test"), "Bob");
	buf_free(&b);
	fixture_free(f);
}

/* ---- what it says ---- */

static void
test_json_wrong(void **state)
{
	static const struct {
		const char *json, *text;
	} V[] = {
		{ "", "JSON, line 1, column 1: an object like {\"ann@example.com\": {\"first_name\": "
		      "\"Ann\"}} is expected" },
		{ "[]", "JSON, line 1, column 1: an object like" },
		{ "{", "JSON, line 1, column 2: a mail address in quotes is expected here" },
		{ "{\n  ann@x: {} }", "JSON, line 2, column 3: a mail address in quotes" },
		{ "{\n  \"ann\": {} }", "JSON, line 2, column 3: this is no mail address; write one like" },
		{ "{\"a@b\" {} }", "JSON, line 1, column 8: a : is expected here" },
		{ "{\"a@b\": 1 }",
		  "JSON, line 1, column 9: an object like {\"first_name\": \"Ann\"} is expected" },
		{ "{\"a@b\": [] }", "JSON, line 1, column 9: an object like" },
		{ "{\"a@b\": {}\n,\n}", "JSON, line 3, column 1: a mail address in quotes" },
		{ "{\"a@b\": {} \"c@d\": {} }", "JSON, line 1, column 12: a , or } is expected here" },
		{ "{\"a@b\": {}} x", "JSON, line 1, column 13: there is more behind the object's end" },
		{ "{\"a@b", "JSON, line 1, column 6: the text ends within a string" },
		{ "{\"a@b\": {\"x\": \"y", "the text ends within an object" },
		{ "{\"a@b\": {\"x\": [{}", "the text ends within an object" },
		/* within an entry, by jansson, where it stands in the whole text */
		{ "{\"a@b\": {\"x\": nope}}", "JSON, line 1, column 18: invalid token near 'nope'" },
		{ "{\"ä@b\": {},\n\"c@d\": {\n  \"x\": 1,\n  \"x\": 2 }}",
		  "JSON, line 4, column 5: duplicate object key" },
		{ "{\"a@b\": {\"x\": 01}}", "JSON, line 1, column 15: " },
		{ "{\"a@b\": {\"x\": [}]}}", "JSON, line 1, column 16: " },
		{ "{\"a@b\": {\"x\": \"\xff\"}}", "JSON, line 1, column " },
		{ "{\"a@b\": {\"x\": \"\\u0000\"}}", "JSON, line 1, column " },
		{ "{\"a\\q@b\": {}}", "JSON, line 1, column " },
		{ "{\"a@b\": {}, \"a@b\": {}}", "JSON: one address is there twice" },
		{ "{\"a@b\": {}, \"a@B\": {}}", "JSON: one address is there twice" },
	};
	struct fixture *f = fixture_new(PLAIN_CAMPAIGN);
	struct buf deep = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++)
		wrong(f, "8bit", str_of(V[i].json), ERR_INPUT, V[i].text);
	buf_adds(&deep, STR("{\"a@b\": {\"x\":"));
	for (int i = 0; i < 100000; i++)
		buf_addc(&deep, '[');
	wrong(f, "8bit", buf_str(&deep), ERR_INPUT, "the text ends within an object");
	for (int i = 0; i < 100000; i++)
		buf_addc(&deep, ']');
	buf_adds(&deep, STR("}}"));
	assert_int_equal(prepare_body(f, "8bit", buf_str(&deep)), -1);
	buf_free(&deep);
	fixture_free(f);
}

static void
test_json_odd(void **state)
{
	struct fixture *f = fixture_new(PLAIN_CAMPAIGN);
	(void)state;
	assert_int_equal(prepare_body(f, "8bit", STR(" \r\n{ } \n")), 0);
	assert_null(data_for(f, "ann@example.test"));
	assert_int_equal(
	    prepare_body(
		f, "8bit",
		STR("{\"a\\u0062@X.test\" :\t{\"n\": \"}\\\"{\", \"m\": {\"k\": [1, {}, \"]\"]}}\r\n,"
		    "\"<c@d>\":{},\"\\\"john\\\"@x\":{\"n\":\"j\"},\"m@bücher.example\":{\"n\":\"b\"}}")),
	    0);
	assert_string_equal(name_for(f, "ab@x.test"), "}\"{");
	assert_true(str_eq(tailor_message_recipient_json(f->m, STR("ab@x.test")),
			   STR("{\"n\": \"}\\\"{\", \"m\": {\"k\": [1, {}, \"]\"]}}")));
	assert_non_null(data_for(f, "c@d"));
	assert_string_equal(name_for(f, "john@x"), "j");
	assert_string_equal(name_for(f, "m@xn--bcher-kva.example"), "b");
	fixture_free(f);
}

/* A thousand recipients, and more than that; a long text in one line is not counted again and again. */
static void
test_many(void **state)
{
	struct fixture *f = fixture_new(PLAIN_CAMPAIGN);
	struct buf b = { 0 };
	char address[40], want[16];
	(void)state;
	for (int round = 0; round < 2; round++) {
		int n = round == 0 ? 1000 : 200001;
		buf_reset(&b);
		for (int i = 0; i < n; i++)
			buf_printf(&b, "%c\"r%d@x.test\":{\"n\":\"%d\"}", i ? ',' : '{', i, i);
		buf_addc(&b, '}');
		int rc = prepare_body(f, "base64", zstd(f, buf_str(&b)));
		assert_int_equal(rc, round == 0 ? 0 : -1);
		for (int i = 0; rc == 0 && i < n; i++) {
			snprintf(address, sizeof(address), "r%d@x.test", i);
			snprintf(want, sizeof(want), "%d", i);
			assert_string_equal(name_for(f, address), want);
		}
	}
	if (f->e.kind != ERR_LIMIT)
		fail_msg("%s", f->e.text);
	assert_non_null(strstr(f->e.text, "there are more than 200000 entries"));
	buf_free(&b);
	fixture_free(f);
}

/* ---- where it must not be ---- */

static void
test_misplaced(void **state)
{
	static const struct {
		const char *message, *text;
	} V[] = {
		{ TEST_HEAD "MIME-Version: 1.0\n" TYPE "\n" ANN, "the message is nothing but" },
		{ TEST_HEAD MIXED "\n" TEXT_PART "--b\n" TYPE "\n{}\n--b\n" TYPE "\n{}\n--b--\n",
		  "parts 2 and 3 are both application/vnd.mailtailor.data+json; put all data in one" },
		{ TEST_HEAD
		  "MIME-Version: 1.0\nContent-Type: multipart/signed; protocol=\"application/pgp-signature\";"
		  " boundary=b\n\n--b\n" TYPE
		  "\n{}\n--b\nContent-Type: application/pgp-signature\n\nx\n--b--\n",
		  "part 1 (application/vnd.mailtailor.data+json) is signed or encrypted, so it cannot be "
		  "taken out" },
		/* no boundary to tell parts apart by, in the whole message and in a part */
		{ TEST_HEAD "MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n" TEXT_PART "--b\n" TYPE
			    "\n{}\n--b--\n",
		  "cannot be told apart into parts" },
		{ TEST_HEAD MIXED "\n" TEXT_PART "--b\nContent-Type: multipart/mixed\n\n--c\n" TYPE
				  "\n{}\n--c--\n--b--\n",
		  "part 2 holds application/vnd.mailtailor.data+json and cannot be told apart" },
		{ TEST_HEAD MIXED "\n" TEXT_PART "--b\nContent-Type: message/rfc822\n\nSubject: x\n" TYPE
				  "\n{}\n--b--\n",
		  "part 2 holds application/vnd.mailtailor.data+json and cannot be told apart" },
		/* two types: nobody knows which one counts */
		{ TEST_HEAD MIXED "\n" TEXT_PART "--b\nContent-Type: text/csv\n" TYPE "\n{]\n--b--\n",
		  "part 2 (application/vnd.mailtailor.data+json): JSON, line 1, column 2" },
	};
	struct fixture *f = fixture_new(PLAIN_CAMPAIGN);
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		if (prepare(f, str_of(V[i].message)) == 0)
			fail_msg("accepted: %s", V[i].message);
		assert_int_equal(f->e.kind, ERR_INPUT);
		if (strstr(f->e.text, V[i].text) == NULL)
			fail_msg("want \"%s\" in \"%s\"", V[i].text, f->e.text);
	}
	/* who writes about it in a text is not meant */
	assert_int_equal(prepare(f, STR(TEST_HEAD "\nUse application/vnd.mailtailor.data+json for this.\n")),
			 0);
	fixture_free(f);
}

int
main(void)
{
	mail_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),	     cmocka_unit_test(test_stale),
		cmocka_unit_test(test_precedence),   cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_packed_wrong), cmocka_unit_test(test_json_wrong),
		cmocka_unit_test(test_json_odd),     cmocka_unit_test(test_many),
		cmocka_unit_test(test_misplaced),
	};
	return cmocka_run_group_tests_name("tailor-data", tests, NULL, NULL);
}
