/* Address normalisation and the keyed hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>

#include "token/token.h"

static const uint8_t seed[32] = { 1, 2, 3 };

static void
spellings(void **state)
{
	static const char *const good[][2] = {
		{ "john@example.com", "john@example.com" },
		{ "<john@example.com>", "john@example.com" },
		{ " \t<John.Doe@EXAMPLE.Com>\r\n", "John.Doe@example.com" },
		{ "< a@b >", "a@b" },
		{ "j+tag@x.example.", "j+tag@x.example" },
		{ "a..b.@docomo.example", "a..b.@docomo.example" },
		{ "\"john\"@example.com", "john@example.com" },
		{ "\"j\\ohn\"@example.com", "john@example.com" },
		{ "\"john doe\"@example.com", "\"john doe\"@example.com" },
		{ "\"john\\ doe\"@example.com", "\"john doe\"@example.com" },
		{ "\"a@b\"@c.example", "\"a@b\"@c.example" },
		{ "\"a\\\"b\\\\\"@c.example", "\"a\\\"b\\\\\"@c.example" },
		{ "\"\"@c.example", "\"\"@c.example" },
		{ "user@[192.0.2.1]", "user@[192.0.2.1]" },
		{ "user@[IPv6:2001:DB8::1]", "user@[ipv6:2001:db8::1]" },
		{ "a@_dmarc.x-y.example", "a@_dmarc.x-y.example" },
		{ "j\xc3\xb6rg@example.com", "j\xc3\xb6rg@example.com" },
		{ "a@B\xc3\x9c"
		  "CHER.example",
		  "a@xn--bcher-kva.example" },
		{ "a@bu\xcc\x88"
		  "cher.example",
		  "a@xn--bcher-kva.example" },
		{ "a@stra\xc3\x9f"
		  "e.example",
		  "a@xn--strae-oqa.example" },
		{ "a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example" },
		{ "a@\xe4\xbe\x8b\xe3\x81\x88\xe3\x80\x82\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88",
		  "a@xn--r8jz45g.xn--zckzah" },
	};
	struct arena *a = arena_new(4096);

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct str out = STR_NULL, again;
		struct err e = { 0 };

		if (address_normalize(a, str_of(good[i][0]), &out, &e) < 0)
			fail_msg("%s: %s", good[i][0], e.text);
		assert_string_equal(arena_cstr(a, out), good[i][1]);
		/* What came out goes in again and stays. */
		assert_int_equal(address_normalize(a, out, &again, &e), 0);
		assert_true(str_eq(out, again));
	}
	arena_free(&a);
}

static void
refusals(void **state)
{
	static const char *const bad[] = {
		"",
		"<>",
		" ",
		"john",
		"@example.com",
		"john@",
		"john@.",
		"<john@x",
		"jo hn@x",
		"john @x",
		"john@x y",
		"john@a..b",
		"john@.a",
		"john@-a",
		"john@a-",
		"john@a-.b",
		"jo\nhn@x",
		"jo\x7fhn@x",
		"jo\xc2\x85hn@x",
		"jo\xffhn@x",
		"john@b\xff.x",
		"\"john@x",
		"\"jo\"hn\"@x",
		"\"john\\\"@x",
		"\"@x",
		"jo\"hn@x",
		"a,b@x",
		"a(b)@x",
		"<a@b>@c",
		"@a,@b:user@c",
		"a@b>",
		"a@b@c",
		"a@[1.2.3.4",
		"a@[]",
		"a@[a b]",
		"a@[a[b]",
		"a@b,c",
		"a@b\"c",
		"a@b\xc3\xbc..c",
		"a@\xef\xbc\xa0",
		"a@x\xe2\x80\xa8y",
		"\"a\nb\"@x",
		"\"a@b\"",
		"john@a..",
	};
	struct arena *a = arena_new(4096);
	char text[400];
	struct str out;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = { 0 };

		if (address_normalize(a, str_of(bad[i]), &out, &e) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(e.kind, ERR_INPUT);
	}
	assert_int_equal(address_normalize(a, str_make("a\0b@x", 5), &out, NULL), -1);
	assert_int_equal(address_normalize(a, str_make("a@x\0b", 5), &out, NULL), -1);
	assert_int_equal(address_normalize(a, STR_NULL, &out, NULL), -1);
	/* 255 and 256 bytes of local part; 63 and 64 of a label; 255 and 256 of a domain. */
	snprintf(text, sizeof(text), "%0255d@x", 0);
	assert_int_equal(address_normalize(a, str_of(text), &out, NULL), 0);
	snprintf(text, sizeof(text), "%0256d@x", 0);
	assert_int_equal(address_normalize(a, str_of(text), &out, NULL), -1);
	snprintf(text, sizeof(text), "a@%063d", 0);
	assert_int_equal(address_normalize(a, str_of(text), &out, NULL), 0);
	snprintf(text, sizeof(text), "a@%064d", 0);
	assert_int_equal(address_normalize(a, str_of(text), &out, NULL), -1);
	snprintf(text, sizeof(text), "a@%063d.%063d.%063d.%063d", 0, 0, 0, 0);
	assert_int_equal(address_normalize(a, str_of(text), &out, NULL), 0);
	assert_int_equal(out.n, 2 + 255);
	snprintf(text, sizeof(text), "a@%063d.%063d.%063d.%062d.x", 0, 0, 0, 0);
	assert_int_equal(address_normalize(a, str_of(text), &out, NULL), -1);
	arena_free(&a);
}

static void
hashes(void **state)
{
	struct keyring *k = keyring_ephemeral(seed), *k2 = keyring_ephemeral((const uint8_t[32]){ 9 });
	struct recipient_key a, b, c, d;
	char hex[33];

	(void)state;
	recipient_key_of(k, STR("john@example.com"), &a);
	recipient_key_of(k, STR("john@example.com"), &b);
	recipient_key_of(k, STR("John@example.com"), &c);
	recipient_key_of(k2, STR("john@example.com"), &d);
	assert_memory_equal(a.b, b.b, RECIPIENT_KEY_LEN);
	assert_memory_not_equal(a.b, c.b, RECIPIENT_KEY_LEN);
	assert_memory_not_equal(a.b, d.b, RECIPIENT_KEY_LEN);
	domain_key_of(k, STR("john@example.com"), &b);
	assert_memory_not_equal(a.b, b.b, RECIPIENT_KEY_LEN);
	recipient_key_hex(&a, hex);
	assert_int_equal(strlen(hex), 16);
	recipient_key_hex(&(struct recipient_key){ { 0x01, 0xab, 0xcd, 0xef, 0, 0x10, 0xff, 0x9a } }, hex);
	assert_string_equal(hex, "01abcdef0010ff9a");
	keyring_free(&k);
	keyring_free(&k2);
	assert_null(k);
	keyring_free(&k);
}

static void
keyed_ids(void **state)
{
	struct keyring *k = keyring_ephemeral(seed);
	struct str ab_c[2] = { STR("ab"), STR("c") }, a_bc[2] = { STR("a"), STR("bc") }, abc = STR("abc");
	char big[3000];
	struct str large = str_make(big, sizeof(big));
	uint8_t x[16], y[16];

	(void)state;
	memset(big, 'b', sizeof(big));
	keyed_id(k, "copy", ab_c, 2, x);
	keyed_id(k, "copy", ab_c, 2, y);
	assert_memory_equal(x, y, 16);
	keyed_id(k, "copy", a_bc, 2, y);
	assert_memory_not_equal(x, y, 16);
	keyed_id(k, "copy", &abc, 1, y);
	assert_memory_not_equal(x, y, 16);
	keyed_id(k, "arm", ab_c, 2, y);
	assert_memory_not_equal(x, y, 16);
	keyed_id(k, "copy", NULL, 0, y);
	keyed_id(k, "copy", &large, 1, x);
	assert_memory_not_equal(x, y, 16);
	/* Around the size of the buffer on the stack. */
	for (large.n = 480; large.n < 530; large.n++) {
		keyed_id(k, "copy", &large, 1, x);
		assert_memory_not_equal(x, y, 16);
	}
	keyring_free(&k);
}

static void *
hash_many(void *ctx)
{
	struct recipient_key first, k;

	recipient_key_of(ctx, STR("a@b"), &first);
	for (int i = 0; i < 2000; i++) {
		recipient_key_of(ctx, STR("a@b"), &k);
		if (memcmp(k.b, first.b, sizeof(k.b)) != 0)
			return ctx;
	}
	return NULL;
}

static void
threads(void **state)
{
	struct keyring *k = keyring_ephemeral(seed);
	pthread_t t[20];
	void *wrong;

	(void)state;
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hash_many, k), 0);
	for (size_t i = 0; i < 20; i++) {
		pthread_join(t[i], &wrong);
		assert_null(wrong);
	}
	keyring_free(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spellings), cmocka_unit_test(refusals), cmocka_unit_test(hashes),
		cmocka_unit_test(keyed_ids), cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
