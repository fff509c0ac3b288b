/* Return paths, their base32, and the mark of a job: round trips, forgeries, bounds, the manual's vectors. */
#include "test-token.h"
#include "token/base32.h"
#include "token/base64url.h"
#include "token/job.h"
#include "token/verp.h"

static const struct recipient_key somebody = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
static const uint8_t copy[8] = { 0xf0, 0xe1, 0xd2, 0xc3, 0xb4, 0xa5, 0x96, 0x87 };

static void
fold_upper(char *p, size_t n, size_t step)
{
	for (size_t i = 0; i < n; i += step)
		if (p[i] >= 'a' && p[i] <= 'z')
			p[i] = (char)(p[i] - 32);
}

static void
expect_verp(const struct verp *v, uint32_t key_id)
{
	assert_memory_equal(v->recipient.b, somebody.b, RECIPIENT_KEY_LEN);
	assert_memory_equal(v->copy, copy, VERP_COPY_LEN);
	assert_int_equal(v->key_id, key_id);
}

static void
expect_no_verp(struct sealer *s, struct str text)
{
	static const struct verp nobody;
	struct verp v;
	struct err e = { 0 };

	memset(&v, 0xff, sizeof(v));
	assert_int_equal(verp_open(s, text, &v, &e), -1);
	assert_int_equal(e.kind, ERR_INPUT);
	assert_string_equal(e.text, "this return path is not valid");
	assert_memory_equal(v.recipient.b, nobody.recipient.b, RECIPIENT_KEY_LEN);
	assert_int_equal(v.key_id, 0);
}

static void
expect_no_address(struct sealer *s, struct str address)
{
	struct verp v;
	struct err e = { 0 };

	assert_int_equal(verp_find(s, address, &v, &e), -1);
	assert_int_equal(e.kind, ERR_INPUT);
	assert_string_equal(e.text, "this return path is not valid");
	assert_int_equal(v.key_id, 0);
}

/* RFC 4648, 10, without the padding. */
static void
base32_texts(void **state)
{
	static const char *const vectors[][2] = {
		{ "", "" },
		{ "f", "my" },
		{ "fo", "mzxq" },
		{ "foo", "mzxw6" },
		{ "foob", "mzxw6yq" },
		{ "fooba", "mzxw6ytb" },
		{ "foobar", "mzxw6ytboi" },
	};
	static const char *const bad[] = { "m",	       "mzx",	   "mzxw6y",   "mzxw6ytbo",
					   "mz",       "my======", "mzxw6yt1", "mzxw6yt8",
					   "mzxw6yt0", "mzxw6yt-", "mzxw6yt ", "\xc5\xbfy" };
	uint8_t raw[64];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct str plain = str_of(vectors[i][0]);
		struct buf b = { 0 };

		base32_encode(&b, plain.p, plain.n);
		assert_string_equal(b.p, vectors[i][1]);
		assert_int_equal(b.n, BASE32_LENGTH(plain.n));
		fold_upper(b.p, b.n, 2);
		assert_int_equal(base32_decode(buf_str(&b), raw, &n), 0);
		assert_true(str_eq(str_make((char *)raw, n), plain));
		buf_free(&b);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(base32_decode(str_of(bad[i]), raw, &n), -1);
	assert_int_equal(base32_decode(str_make("my\0", 3), raw, &n), -1);
}

static void
round_trip(void **state)
{
	struct keyring *k = keyring_ephemeral((const uint8_t[32]){ 1 });
	struct sealer *s = sealer_new(k), *s2 = sealer_new(k);
	struct buf b = { 0 }, again = { 0 };
	struct verp v;
	struct recipient_key other = somebody;

	(void)state;
	buf_adds(&b, STR("before "));
	assert_int_equal(verp_seal(s, &somebody, copy, &b), 0);
	assert_int_equal(b.n, 7 + VERP_TOKEN_LEN);
	assert_int_equal(verp_seal(s2, &somebody, copy, &again), 0);
	assert_string_equal(b.p + 7, again.p); /* deterministic, appended */
	for (size_t i = 0; i < again.n; i++)
		assert_non_null(strchr("abcdefghijklmnopqrstuvwxyz234567", again.p[i]));
	assert_int_equal(verp_open(s, buf_str(&again), &v, NULL), 0);
	expect_verp(&v, 1);
	for (size_t step = 1; step < 4; step++) { /* an MTA that folds, or half folds */
		fold_upper(again.p, again.n, step);
		assert_int_equal(verp_open(s2, buf_str(&again), &v, NULL), 0);
		expect_verp(&v, 1);
	}
	/* Another recipient, another copy: another token throughout. */
	buf_reset(&again);
	other.b[15]++;
	assert_int_equal(verp_seal(s, &other, copy, &again), 0);
	assert_memory_not_equal(again.p + 2, b.p + 9, 24);
	buf_reset(&again);
	assert_int_equal(verp_seal(s, &somebody, (const uint8_t[8]){ 0xf0, 0xe2 }, &again), 0);
	assert_memory_not_equal(again.p + 2, b.p + 9, 24);
	buf_free(&b);
	buf_free(&again);
	sealer_free(&s);
	sealer_free(&s2);
	keyring_free(&k);
}

static void
tampering(void **state)
{
	struct keyring *k = ring("key 1 sealing " AT(01));
	struct sealer *s = sealer_new(k);
	struct buf b = { 0 };
	char text[128];
	struct verp v;

	(void)state;
	assert_int_equal(verp_seal(s, &somebody, copy, &b), 0);
	for (size_t i = 0; i < b.n; i++)
		for (int c = 0; c < 256; c++) {
			char was = b.p[i];

			if (ascii_lower((char)c) == was)
				continue;
			b.p[i] = (char)c;
			expect_no_verp(s, buf_str(&b));
			b.p[i] = was;
		}
	for (size_t n = 0; n < b.n; n++)
		expect_no_verp(s, str_make(b.p, n));
	for (const char *c = "a7=+@ "; *c; c++) {
		snprintf(text, sizeof(text), "%s%c", b.p, *c);
		expect_no_verp(s, str_of(text));
		snprintf(text, sizeof(text), "%c%s", *c, b.p);
		expect_no_verp(s, str_of(text));
	}
	expect_no_verp(s, STR_NULL);
	assert_int_equal(verp_open(s, buf_str(&b), &v, NULL), 0);
	buf_free(&b);
	sealer_free(&s);
	keyring_free(&k);
}

/* Neither opens as the other, whatever the alphabet they are written in. */
static void
apart_from_links(void **state)
{
	static const enum token_purpose purposes[] = { TOKEN_CLICK, TOKEN_OPEN, TOKEN_UNSUBSCRIBE,
						       TOKEN_PREFERENCES };
	struct keyring *k = keyring_ephemeral((const uint8_t[32]){ 3 });
	struct sealer *s = sealer_new(k);
	struct arena *a = arena_new(4096);
	struct buf b = { 0 }, text = { 0 };
	uint8_t raw[64];
	struct token t = { .recipient = somebody, .campaign = STR("x") }, back;
	size_t n = 0;

	(void)state;
	assert_int_equal(verp_seal(s, &somebody, copy, &b), 0);
	assert_int_equal(base32_decode(buf_str(&b), raw, &n), 0);
	base64url_encode(&text, raw, n);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(token_open(s, purposes[i], buf_str(&b), a, &back, NULL), -1);
		assert_int_equal(token_open(s, purposes[i], buf_str(&text), a, &back, NULL), -1);
		struct buf link = { 0 };

		t.purpose = purposes[i];
		t.url = t.purpose == TOKEN_CLICK ? STR("http://x.example/") : STR_NULL;
		assert_int_equal(token_seal(s, &t, &link, NULL), 0);
		expect_no_verp(s, buf_str(&link));
		expect_no_verp(s, str_make(link.p, VERP_TOKEN_LEN));
		buf_free(&link);
	}
	/* The keys differ, not only the layout. */
	assert_memory_not_equal(k->keys[0].verp, k->keys[0].link, KEYRING_SIV_KEY_LEN);
	assert_memory_not_equal(k->keys[0].verp, k->keys[0].data, KEYRING_SIV_KEY_LEN);
	buf_free(&b);
	buf_free(&text);
	arena_free(&a);
	sealer_free(&s);
	keyring_free(&k);
}

/* 1, 257 and 513 look alike in a token's first byte. */
static void
rotation(void **state)
{
	struct keyring *rings[] = {
		ring("key 1 sealing " AT(01)),
		ring("key 513 opening " AT(03) "\nkey 1 opening " AT(01) "\nkey 257 sealing " AT(02)),
		ring("key 1 retired " AT(01) " retired 2026-02-01T00:00:00Z\nkey 257 sealing " AT(02)),
		ring("key 1 sealing " AT(03)),	 /* the id, not the secret */
		ring("key 257 sealing " AT(01)), /* the secret, not the id */
	};
	struct sealer *s[5];
	struct buf first = { 0 }, second = { 0 };
	struct verp v;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		s[i] = sealer_new(rings[i]);
	assert_int_equal(verp_seal(s[0], &somebody, copy, &first), 0);
	assert_int_equal(verp_seal(s[1], &somebody, copy, &second), 0);
	assert_string_not_equal(first.p, second.p);
	assert_int_equal(verp_open(s[1], buf_str(&first), &v, NULL), 0);
	expect_verp(&v, 1);
	assert_int_equal(verp_open(s[1], buf_str(&second), &v, NULL), 0);
	expect_verp(&v, 257);
	expect_no_verp(s[2], buf_str(&first));
	assert_int_equal(verp_open(s[2], buf_str(&second), &v, NULL), 0);
	expect_no_verp(s[0], buf_str(&second));
	expect_no_verp(s[3], buf_str(&first));
	expect_no_verp(s[4], buf_str(&first));
	for (size_t i = 0; i < 5; i++) {
		sealer_free(&s[i]);
		keyring_free(&rings[i]);
	}
	buf_free(&first);
	buf_free(&second);
}

/* ---- addresses ---- */

static void
return_paths(void **state)
{
	static const char *const good[] = { "bounces@shop.example", "b@x",
					    "a.b-c_d@sub.xn--bcher-kva.example", "B=1@SHOP.example",
					    "{}~!#$%@a_b.example" };
	static const char *const bad[] = {
		"",
		"@",
		"bounces",
		"bounces@",
		"@shop.example",
		"bouncess@x.test",
		"b+x@shop.example",
		".b@x.test",
		"b.@x.test",
		"a..b@x.test",
		"b@x..test",
		"b@.x",
		"b@x.",
		"b@-x.test",
		"b@x-.test",
		"b@[192.0.2.1]",
		"b@b\xc3\xbc.test",
		"\xc3\xbc@x.test",
		"<bounces@x.test>",
		"b@@x.test",
		"b b@x.test",
		"\"b\"@x.test",
		"b@x.test\r\nX: y",
		"b@x test",
		"b@x.test ",
	};
	char longest[512];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!verp_return_path_valid(str_of(good[i])))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (verp_return_path_valid(str_of(bad[i])))
			fail_msg("accepted: %s", bad[i]);
	assert_false(verp_return_path_valid(STR_NULL));
	assert_false(verp_return_path_valid(str_make("b\0@x", 4)));
	assert_false(verp_return_path_valid(str_make("b@x\0", 4)));
	/* 63 characters a label; 197 in all, and one more. */
	snprintf(longest, sizeof(longest), "bounces@%0*d.%0*d.%0*d", 63, 0, 63, 0, 61, 0);
	assert_int_equal(strlen(longest), 254 - 57);
	assert_true(verp_return_path_valid(str_of(longest)));
	snprintf(longest, sizeof(longest), "bounces@%0*d.%0*d.%0*d", 63, 0, 63, 0, 62, 0);
	assert_false(verp_return_path_valid(str_of(longest)));
	snprintf(longest, sizeof(longest), "bounces@%0*d.example", 64, 0);
	assert_false(verp_return_path_valid(str_of(longest)));
}

static void
addresses(void **state)
{
	struct keyring *k = keyring_ephemeral((const uint8_t[32]){ 4 });
	struct sealer *s = sealer_new(k);
	struct buf b = { 0 }, token = { 0 };
	struct err e = { 0 };
	struct verp v;
	struct str whole;

	(void)state;
	assert_int_equal(verp_seal(s, &somebody, copy, &token), 0);
	buf_addc(&b, '<');
	assert_int_equal(verp_address(s, "bounces@shop.example", &somebody, copy, &b, &e), 0);
	buf_addc(&b, '>');
	assert_int_equal(str_find_char(buf_str(&b), '@'), 1 + 64); /* all that a local part may have */
	assert_memory_equal(b.p, "<bounces+", 9);
	assert_memory_equal(b.p + 9, token.p, VERP_TOKEN_LEN);
	assert_string_equal(b.p + 65, "@shop.example>");
	whole = buf_str(&b);
	assert_int_equal(verp_find(s, whole, &v, &e), 0);
	expect_verp(&v, 1);
	assert_int_equal(verp_find(s, str_sub(whole, 1, whole.n - 1), &v, &e), 0);
	fold_upper(b.p, b.n, 1);
	assert_int_equal(verp_find(s, whole, &v, &e), 0);
	expect_verp(&v, 1);
	/* Refused: nothing is appended. */
	buf_reset(&b);
	assert_int_equal(verp_address(s, "bouncing@shop.example", &somebody, copy, &b, &e), -1);
	assert_int_equal(e.kind, ERR_CONFIG);
	assert_non_null(strstr(e.text, "at most 7 characters before the @"));
	assert_int_equal(verp_address(s, NULL, &somebody, copy, &b, &e), -1);
	assert_int_equal(e.kind, ERR_CONFIG);
	assert_int_equal(b.n, 0);
	buf_free(&b);
	buf_free(&token);
	sealer_free(&s);
	keyring_free(&k);
}

static void
finding(void **state)
{
	/* %s is the token. */
	static const char *const good[] = {
		"b+%s@x",
		"  <b+%s@x>\r\n",
		"<b+%s@[192.0.2.1]>",
		"<b+%s@x",
		"a+b+%s@x.test",
		"SRS0=Hy=t=shop.example=b+%s@x",
		"<@relay.example:b+%s@x>",
	};
	static const char *const bad[] = {
		"%s",	   "%s@x",     "+%s@x",	     "b+%s",	  "b+%s@",  "b-%s@x", "b+%s@x@y",
		"b+a%s@x", "b+%s.a@x", "\"b+%s\"@x", "b+%.55s@x", "b %s@x", "+%s@",
	};
	struct keyring *k = keyring_ephemeral((const uint8_t[32]){ 5 });
	struct sealer *s = sealer_new(k);
	struct buf token = { 0 };
	struct verp v;

	(void)state;
	assert_int_equal(verp_seal(s, &somebody, copy, &token), 0);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]) + sizeof(bad) / sizeof(bad[0]); i++) {
		bool want = i < sizeof(good) / sizeof(good[0]);
		struct buf b = { 0 };
		const char *form = want ? good[i] : bad[i - sizeof(good) / sizeof(good[0])];
		const char *at = strstr(form, "%s") ? strstr(form, "%s") : strstr(form, "%.55s");

		buf_add(&b, form, (size_t)(at - form));
		buf_add(&b, token.p, at[1] == 's' ? token.n : 55);
		buf_adds(&b, str_of(strchr(at, 's') + 1));
		if ((verp_find(s, buf_str(&b), &v, NULL) == 0) != want)
			fail_msg("%s: %s", form, want ? "refused" : "accepted");
		if (want)
			expect_verp(&v, 1);
		buf_free(&b);
	}
	expect_no_address(s, STR_NULL);
	expect_no_address(s, STR("@"));
	expect_no_address(s, STR("<>"));
	expect_no_address(s, STR("<"));
	expect_no_address(s, STR("bounces@shop.example"));
	buf_free(&token);
	sealer_free(&s);
	keyring_free(&k);
}

/* ---- the mark of a job ---- */

static const uint8_t idem[16] = { 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

static void
expect_mark(const struct keyring *k, struct str value, bool want)
{
	uint8_t id[16] = { 0 };
	int64_t at = -1;

	if (job_mark_verify(k, value, id, &at) != want)
		fail_msg("\"%.*s\": %s", STR_ARG(value), want ? "refused" : "accepted");
	if (want) {
		assert_memory_equal(id, idem, 16);
		assert_int_equal(at, 1767225600);
	} else {
		assert_int_equal(at, -1);
		assert_int_equal(id[0], 0);
	}
	assert_int_equal(job_mark_verify(k, value, NULL, NULL), want);
}

static void
marks(void **state)
{
	struct keyring *k = ring("key 1 sealing " AT(01)), *rotated = ring("key 2 sealing " AT(02)),
		       *other = keyring_ephemeral((const uint8_t[32]){ 6 });
	struct buf b = { 0 }, changed = { 0 };

	(void)state;
	assert_int_equal(job_mark_seal(k, idem, 1767225600999, &b), 0);
	assert_int_equal(b.n, 1 + 1 + 32 + 1 + 10 + 1 + 32);
	assert_memory_equal(b.p, "1 deadbeef0102030405060708090a0b0c 1767225600 ", 46);
	expect_mark(k, buf_str(&b), true);
	expect_mark(rotated, buf_str(&b), true); /* the site key stays */
	expect_mark(other, buf_str(&b), false);
	/* Any other byte anywhere, and any other length. */
	for (size_t i = 0; i < b.n; i++)
		for (int c = 1; c < 256; c++) {
			char was = b.p[i];

			if (c == was || (was == ' ' && ascii_isspace((char)c)))
				continue;
			b.p[i] = (char)c;
			assert_false(job_mark_verify(k, buf_str(&b), NULL, NULL));
			b.p[i] = was;
		}
	for (size_t n = 0; n < b.n; n++)
		expect_mark(k, str_make(b.p, n), false);
	for (size_t i = 0; i <= b.n; i++) {
		static const char *const extra[] = { " ", "\r\n ", "\n\t", "0", "\"", "x" };

		for (size_t j = 0; j < 6; j++) {
			bool blank = i == 0 || i == b.n || b.p[i] == ' ' || b.p[i - 1] == ' ';

			buf_reset(&changed);
			buf_add(&changed, b.p, i);
			buf_adds(&changed, str_of(extra[j]));
			buf_add(&changed, b.p + i, b.n - i);
			expect_mark(k, buf_str(&changed), blank && j < 3);
		}
	}
	buf_free(&b);
	buf_free(&changed);
	keyring_free(&k);
	keyring_free(&rotated);
	keyring_free(&other);
}

static void
mark_times(void **state)
{
	static const int64_t times[] = { 0, 999, 1000, 1767225600000, 99999999999999 };
	struct keyring *k = keyring_ephemeral((const uint8_t[32]){ 7 });
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		uint8_t id[16];
		int64_t at = -1;

		buf_reset(&b);
		assert_int_equal(job_mark_seal(k, idem, times[i], &b), 0);
		assert_true(job_mark_verify(k, buf_str(&b), id, &at));
		assert_int_equal(at, times[i] / 1000);
	}
	buf_reset(&b);
	assert_int_equal(job_mark_seal(k, idem, -1, &b), -1);
	assert_int_equal(job_mark_seal(k, idem, 100000000000000, &b), -1);
	assert_int_equal(job_mark_seal(k, idem, INT64_MAX, &b), -1);
	assert_int_equal(b.n, 0);
	buf_free(&b);
	keyring_free(&k);
}

/* ---- the vectors of the manual ---- */

static void
check_verp(const struct keyring *k, struct sealer *s, struct arena *a, const struct value *v)
{
	struct str address, token = field(v, "token");
	struct recipient_key rk;
	uint8_t want[RECIPIENT_KEY_LEN], id[8];
	struct buf b = { 0 };
	struct verp back;
	struct err e = { 0 };

	assert_int_equal(address_normalize(a, field(v, "address"), &address, &e), 0);
	recipient_key_of(k, address, &rk);
	unhex(field(v, "recipient"), want, sizeof(want));
	assert_memory_equal(want, rk.b, RECIPIENT_KEY_LEN);
	unhex(field(v, "copy"), id, sizeof(id));
	assert_int_equal(verp_open(s, token, &back, &e), 0);
	assert_memory_equal(back.recipient.b, rk.b, RECIPIENT_KEY_LEN);
	assert_memory_equal(back.copy, id, VERP_COPY_LEN);
	assert_int_equal(back.key_id, number(v, "key"));
	if (back.key_id == 2) { /* the sealing key of that ring */
		assert_int_equal(verp_seal(s, &rk, id, &b), 0);
		assert_true(str_eq(buf_str(&b), token));
	}
	buf_free(&b);
}

static void
check_mark(const struct keyring *k, const struct value *v)
{
	uint8_t id[16], back[16];
	int64_t at = -1;
	struct buf b = { 0 };

	unhex(field(v, "idem"), id, sizeof(id));
	assert_int_equal(job_mark_seal(k, id, number(v, "seconds") * 1000, &b), 0);
	assert_true(str_eq(buf_str(&b), field(v, "value")));
	assert_true(job_mark_verify(k, field(v, "value"), back, &at));
	assert_memory_equal(id, back, 16);
	assert_int_equal(at, number(v, "seconds"));
	buf_free(&b);
}

static void
manual_vectors(void **state)
{
	char *text = read_manual();
	struct arena *a = arena_new(65536);
	struct err e = { 0 };
	struct keyring *k = keyring_parse(fenced(text, "```keys\n"), "TOKENS.md", &e);
	struct sealer *s;
	const struct value *v;

	(void)state;
	if (!k)
		fail_msg("%s", e.text);
	s = sealer_new(k);
	if (json_parse(a, fenced(text, "```json return-paths\n"), NULL, &v, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(v->type == VALUE_LIST && v->list.n >= 3);
	for (size_t i = 0; i < v->list.n; i++)
		check_verp(k, s, a, v->list.items[i]);
	if (json_parse(a, fenced(text, "```json marks\n"), NULL, &v, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(v->type == VALUE_LIST && v->list.n >= 2);
	for (size_t i = 0; i < v->list.n; i++)
		check_mark(k, v->list.items[i]);
	sealer_free(&s);
	keyring_free(&k);
	arena_free(&a);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base32_texts),	  cmocka_unit_test(round_trip),
		cmocka_unit_test(tampering),	  cmocka_unit_test(apart_from_links),
		cmocka_unit_test(rotation),	  cmocka_unit_test(return_paths),
		cmocka_unit_test(addresses),	  cmocka_unit_test(finding),
		cmocka_unit_test(marks),	  cmocka_unit_test(mark_times),
		cmocka_unit_test(manual_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
