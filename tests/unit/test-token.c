/* Tokens and data at rest: round trips, tampering, rotation, bounds, and the vectors of contrib/TOKENS.md. */
#include "token/base64url.h"
#include "test-token.h"

static const enum token_purpose purposes[] = { TOKEN_CLICK, TOKEN_OPEN, TOKEN_UNSUBSCRIBE,
					       TOKEN_PREFERENCES };

static struct token
sample(enum token_purpose p)
{
	struct token t = {
		.purpose = p,
		.recipient = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
		.copy = { 0xf0, 0xe1, 0xd2, 0xc3, 0xb4, 0xa5, 0x96, 0x87 },
		.sent = 1767225600,
		.expires = 1830297600,
		.campaign = STR("spring-2026"),
		.category = STR("promo"),
		.arm = STR("b"),
		.link = p == TOKEN_CLICK ? 7 : 0,
		.url = p == TOKEN_CLICK ? STR("https://shop.example/p?id=42&utm_source=mail") : STR_NULL,
	};

	return t;
}

static void
assert_same(const struct token *a, const struct token *b)
{
	assert_int_equal(a->purpose, b->purpose);
	assert_memory_equal(a->recipient.b, b->recipient.b, RECIPIENT_KEY_LEN);
	assert_memory_equal(a->copy, b->copy, sizeof(a->copy));
	assert_int_equal(a->sent, b->sent);
	assert_int_equal(a->expires, b->expires);
	assert_int_equal(a->link, b->link);
	assert_true(str_eq(a->campaign, b->campaign));
	assert_true(str_eq(a->category, b->category));
	assert_true(str_eq(a->arm, b->arm));
	assert_true(str_eq(a->url, b->url));
}

static void
expect_refused(struct sealer *s, enum token_purpose p, struct str text, struct arena *a)
{
	struct token t;
	struct err e = { 0 };

	assert_int_equal(token_open(s, p, text, a, &t, &e), -1);
	assert_int_equal(e.kind, ERR_INPUT);
	assert_string_equal(e.text, "this link is not valid");
	assert_null(t.campaign.p);
}

static void
round_trips(void **state)
{
	struct keyring *k = keyring_ephemeral((const uint8_t[32]){ 1 });
	struct sealer *s = sealer_new(k), *s2 = sealer_new(k);
	struct arena *a = arena_new(4096);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct token t = sample(purposes[i]), back;
		struct buf b = { 0 }, again = { 0 };
		struct err e = { 0 };

		buf_adds(&b, STR("before "));
		assert_int_equal(token_seal(s, &t, &b, &e), 0);
		assert_int_equal(token_seal(s2, &t, &again, &e), 0);
		assert_string_equal(b.p + 7, again.p); /* deterministic, appended */
		assert_int_equal(token_open(s, purposes[i], buf_str(&again), a, &back, &e), 0);
		assert_same(&t, &back);
		assert_int_equal(back.key_id, 1);
		for (size_t j = 0; j < 4; j++)
			if (j != i)
				expect_refused(s, purposes[j], buf_str(&again), a);
		buf_free(&b);
		buf_free(&again);
	}
	arena_free(&a);
	sealer_free(&s);
	sealer_free(&s2);
	keyring_free(&k);
	assert_null(s);
	sealer_free(&s);
}

static void
tampering(void **state)
{
	struct keyring *k = ring("key 1 sealing " AT(01));
	struct sealer *s = sealer_new(k);
	struct arena *a = arena_new(4096);
	struct token t = sample(TOKEN_CLICK), back;
	struct buf b = { 0 };
	char extra[512];

	(void)state;
	assert_int_equal(token_seal(s, &t, &b, NULL), 0);
	for (size_t bit = 0; bit < b.n * 8; bit++) {
		b.p[bit / 8] = (char)(b.p[bit / 8] ^ 1 << bit % 8);
		expect_refused(s, TOKEN_CLICK, buf_str(&b), a);
		b.p[bit / 8] = (char)(b.p[bit / 8] ^ 1 << bit % 8);
		arena_reset(a);
	}
	for (size_t n = 0; n < b.n; n++)
		expect_refused(s, TOKEN_CLICK, str_make(b.p, n), a);
	for (const char *tail = "A=.-/ \n"; *tail; tail++) {
		snprintf(extra, sizeof(extra), "%s%c", b.p, *tail);
		expect_refused(s, TOKEN_CLICK, str_of(extra), a);
		snprintf(extra, sizeof(extra), "%c%s", *tail, b.p);
		expect_refused(s, TOKEN_CLICK, str_of(extra), a);
	}
	expect_refused(s, TOKEN_CLICK, STR_NULL, a);
	expect_refused(s, (enum token_purpose)'x', buf_str(&b), a);
	assert_int_equal(token_open(s, TOKEN_CLICK, buf_str(&b), a, &back, NULL), 0);
	buf_free(&b);
	arena_free(&a);
	sealer_free(&s);
	keyring_free(&k);
}

/* A link outlives a rotation, not the retirement of its key; a foreign ring opens nothing. */
static void
rotation(void **state)
{
	struct keyring *rings[] = {
		ring("key 1 sealing " AT(01)),
		ring("key 1 opening " AT(01) "\nkey 2 sealing " AT(02)),
		ring("key 1 retired " AT(01) " retired 2026-02-01T00:00:00Z\nkey 2 sealing " AT(02)),
		ring("key 1 sealing " AT(03)),
	};
	struct arena *a = arena_new(4096);
	struct token t = sample(TOKEN_CLICK), back;
	struct buf first = { 0 }, second = { 0 };
	struct sealer *s[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		s[i] = sealer_new(rings[i]);
	assert_int_equal(token_seal(s[0], &t, &first, NULL), 0);
	assert_int_equal(token_seal(s[1], &t, &second, NULL), 0);
	assert_string_not_equal(first.p, second.p);
	assert_int_equal(token_open(s[1], TOKEN_CLICK, buf_str(&first), a, &back, NULL), 0);
	assert_int_equal(back.key_id, 1);
	assert_int_equal(token_open(s[1], TOKEN_CLICK, buf_str(&second), a, &back, NULL), 0);
	assert_int_equal(back.key_id, 2);
	expect_refused(s[2], TOKEN_CLICK, buf_str(&first), a);
	assert_int_equal(token_open(s[2], TOKEN_CLICK, buf_str(&second), a, &back, NULL), 0);
	expect_refused(s[0], TOKEN_CLICK, buf_str(&second), a);
	expect_refused(s[3], TOKEN_CLICK, buf_str(&first), a);
	for (size_t i = 0; i < 4; i++) {
		sealer_free(&s[i]);
		keyring_free(&rings[i]);
	}
	buf_free(&first);
	buf_free(&second);
	arena_free(&a);
}

static void
bounds(void **state)
{
	struct keyring *k = keyring_ephemeral((const uint8_t[32]){ 2 });
	struct sealer *s = sealer_new(k);
	struct arena *a = arena_new(4096);
	struct token t = sample(TOKEN_CLICK), back;
	struct buf b = { 0 };
	struct err e = { 0 };
	char *big = malloc(TOKEN_MAX_URL + 1);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', TOKEN_MAX_URL + 1);
	t.campaign = t.category = t.arm = str_make(big, TOKEN_MAX_NAME);
	t.url = str_make(big, TOKEN_MAX_URL);
	t.link = UINT16_MAX;
	t.sent = t.expires = UINT32_MAX;
	assert_int_equal(token_seal(s, &t, &b, &e), 0);
	assert_int_equal(token_open(s, TOKEN_CLICK, buf_str(&b), a, &back, &e), 0);
	assert_same(&t, &back);
	/* One more of anything: refused, and nothing appended. */
	buf_reset(&b);
	t.url.n++;
	assert_int_equal(token_seal(s, &t, &b, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	t.url.n = 1;
	for (int i = 0; i < 3; i++) {
		struct str *names[3] = { &t.campaign, &t.category, &t.arm };

		names[i]->n++;
		assert_int_equal(token_seal(s, &t, &b, &e), -1);
		assert_int_equal(e.kind, ERR_LIMIT);
		names[i]->n--;
	}
	t.url.n = 0;
	assert_int_equal(token_seal(s, &t, &b, &e), -1);
	t = sample(TOKEN_OPEN);
	t.url = STR("https://x.example/");
	assert_int_equal(token_seal(s, &t, &b, &e), -1);
	t.url = STR_NULL;
	t.purpose = (enum token_purpose)'z';
	assert_int_equal(token_seal(s, &t, &b, &e), -1);
	assert_int_equal(b.n, 0);
	/* Empty names, and the smallest click. */
	t = (struct token){ .purpose = TOKEN_CLICK, .url = STR("x") };
	assert_int_equal(token_seal(s, &t, &b, &e), 0);
	assert_int_equal(token_open(s, TOKEN_CLICK, buf_str(&b), a, &back, &e), 0);
	assert_same(&t, &back);
	/* A long text is refused unread. */
	buf_reset(&b);
	for (int i = 0; i < 20000; i++)
		buf_addc(&b, 'A');
	expect_refused(s, TOKEN_CLICK, buf_str(&b), a);
	buf_free(&b);
	free(big);
	arena_free(&a);
	sealer_free(&s);
	keyring_free(&k);
}

static void
data_at_rest(void **state)
{
	struct keyring *old = ring("key 1 sealing " AT(01)),
		       *both = ring("key 1 opening " AT(01) "\nkey 2 sealing " AT(02)),
		       *retired = ring(
			   "key 1 retired " AT(01) " retired 2026-02-01T00:00:00Z\nkey 2 sealing " AT(02));
	struct sealer *s = sealer_new(old), *s2 = sealer_new(both), *s3 = sealer_new(retired);
	struct recipient_key rk = { { 1 } }, other = { { 2 } };
	struct buf sealed = { 0 }, plain = { 0 };
	struct err e = { 0 };
	struct str text = STR("{\"name\":\"John\"}");

	(void)state;
	buf_addc(&sealed, '>');
	assert_int_equal(sealer_seal_data(s, "profile", &rk, text, &sealed), 0);
	assert_int_equal(sealed.n, 1 + 21 + text.n);
	buf_addc(&plain, '<');
	assert_int_equal(
	    sealer_open_data(s, "profile", &rk, str_make(sealed.p + 1, sealed.n - 1), &plain, &e), 0);
	assert_string_equal(plain.p, "<{\"name\":\"John\"}");
	assert_int_equal(
	    sealer_open_data(s2, "profile", &rk, str_make(sealed.p + 1, sealed.n - 1), &plain, &e), 0);
	buf_reset(&plain);
	assert_int_equal(
	    sealer_open_data(s3, "profile", &rk, str_make(sealed.p + 1, sealed.n - 1), &plain, &e), 0);
	buf_reset(&plain); /* a retired key opens no token, but nobody loses his profile to it */
	assert_int_equal(
	    sealer_open_data(s, "profile", &other, str_make(sealed.p + 1, sealed.n - 1), &plain, &e), -1);
	assert_int_equal(sealer_open_data(s, "profil", &rk, str_make(sealed.p + 1, sealed.n - 1), &plain, &e),
			 -1);
	for (size_t bit = 8; bit < sealed.n * 8; bit++) {
		sealed.p[bit / 8] = (char)(sealed.p[bit / 8] ^ 1 << bit % 8);
		assert_int_equal(
		    sealer_open_data(s, "profile", &rk, str_make(sealed.p + 1, sealed.n - 1), &plain, &e),
		    -1);
		assert_true(e.kind == ERR_CORRUPT || e.kind == ERR_MISSING); /* a bit of the key's number */
		sealed.p[bit / 8] = (char)(sealed.p[bit / 8] ^ 1 << bit % 8);
	}
	for (size_t n = 0; n < sealed.n - 1; n++)
		assert_int_equal(sealer_open_data(s, "profile", &rk, str_make(sealed.p + 1, n), &plain, &e),
				 -1);
	assert_int_equal(plain.n, 0);
	/* Nothing is data too. */
	buf_reset(&sealed);
	assert_int_equal(sealer_seal_data(s, "profile", &rk, STR_NULL, &sealed), 0);
	assert_int_equal(sealer_open_data(s, "profile", &rk, buf_str(&sealed), &plain, &e), 0);
	assert_int_equal(plain.n, 0);
	buf_free(&sealed);
	buf_free(&plain);
	sealer_free(&s);
	sealer_free(&s2);
	sealer_free(&s3);
	keyring_free(&old);
	keyring_free(&both);
	keyring_free(&retired);
}

/* ---- the vectors of the manual ---- */

static void
check_vector(const struct keyring *k, struct sealer *s, struct arena *a, const struct value *v)
{
	struct token t = { 0 }, back;
	struct buf b = { 0 };
	struct str address;
	struct err e = { 0 };

	t.purpose = (enum token_purpose)field(v, "purpose").p[0];
	assert_int_equal(address_normalize(a, field(v, "address"), &address, &e), 0);
	recipient_key_of(k, address, &t.recipient);
	unhex(field(v, "recipient"), back.recipient.b, RECIPIENT_KEY_LEN);
	assert_memory_equal(back.recipient.b, t.recipient.b, RECIPIENT_KEY_LEN);
	unhex(field(v, "copy"), t.copy, sizeof(t.copy));
	t.sent = (uint32_t)number(v, "sent");
	t.expires = (uint32_t)number(v, "expires");
	t.link = (uint16_t)number(v, "link");
	t.campaign = field(v, "campaign");
	t.category = field(v, "category");
	t.arm = field(v, "arm");
	t.url = field(v, "url");
	if (token_open(s, t.purpose, field(v, "token"), a, &back, &e) < 0) {
		token_seal(s, &t, &b, NULL);
		fail_msg("TOKENS.md: a vector does not open; as sealed here: %s", b.p);
	}
	assert_same(&t, &back);
	assert_int_equal(back.key_id, number(v, "key"));
	if (back.key_id == 2) { /* the sealing key of that ring */
		assert_int_equal(token_seal(s, &t, &b, &e), 0);
		assert_true(str_eq(buf_str(&b), field(v, "token")));
	}
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
	if (json_parse(a, fenced(text, "```json\n"), NULL, &v, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(v->type, VALUE_LIST);
	assert_true(v->list.n >= 5);
	for (size_t i = 0; i < v->list.n; i++)
		check_vector(k, s, a, v->list.items[i]);
	sealer_free(&s);
	keyring_free(&k);
	arena_free(&a);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips),	cmocka_unit_test(tampering),
		cmocka_unit_test(rotation),	cmocka_unit_test(bounds),
		cmocka_unit_test(data_at_rest), cmocka_unit_test(manual_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
