/* AES-SIV: the RFC's examples, every length around the block and chunk borders, tampering; and strict
 * base64url. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "token/base64url.h"
#include "token/siv.h"

static size_t
unhex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		out[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

static void
rfc5297_a1(void **state)
{
	uint8_t key[32], ad[64], pt[64], want[64], out[64];
	struct str comp = str_make((char *)ad, 0);
	size_t n;

	(void)state;
	unhex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", key);
	comp.n = unhex("101112131415161718191a1b1c1d1e1f2021222324252627", ad);
	n = unhex("112233445566778899aabbccddee", pt);
	unhex("85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c", want);
	assert_int_equal(siv_seal(key, 32, &comp, 1, str_make((char *)pt, n), out), 0);
	assert_memory_equal(out, want, n + 16);
	assert_int_equal(siv_open(key, 32, &comp, 1, str_make((char *)want, n + 16), out), 0);
	assert_memory_equal(out, pt, n);
}

/* Lengths 0 to 1200 with every key size; one kept context must do what a fresh one does, in any order. */
static void
lengths(void **state)
{
	static const size_t key_lens[] = { 32, 48, 64 };
	uint8_t key[64], pt[1200], a[1216], b[1216], back[1200];
	struct str ads[2] = { STR("first"), STR_NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < sizeof(pt); i++)
		pt[i] = (uint8_t)(i * 31 + 5);
	for (size_t l = 0; l < 3; l++) {
		struct siv s;
		struct siv_ad ad;

		assert_int_equal(siv_init(&s, key, key_lens[l]), 0);
		for (size_t n = 0; n <= sizeof(pt); n++) {
			struct str plain = str_make((char *)pt, n);

			assert_int_equal(siv_absorb(&s, ads, 2, &ad), 0);
			assert_int_equal(siv_seal_keyed(&s, &ad, plain, a), 0);
			assert_int_equal(siv_open_keyed(&s, &ad, str_make((char *)a, n + 16), back), 0);
			assert_memory_equal(back, pt, n);
			if (n % 37 != 0)
				continue;
			assert_int_equal(siv_seal(key, key_lens[l], ads, 2, plain, b), 0);
			assert_memory_equal(a, b, n + 16);
		}
		siv_clear(&s);
	}
}

/* OpenSSL's own SIV as the oracle, for plaintexts it accepts. */
static void
agrees_with_openssl(void **state)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-SIV", NULL);
	uint8_t key[64], pt[700], ours[716], theirs[716];

	(void)state;
	assert_non_null(cipher);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(200 - i);
	memset(pt, 0x5a, sizeof(pt));
	for (size_t n = 1; n <= sizeof(pt); n++) {
		EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
		struct str ad = str_make((char *)pt, n / 2 + 1);
		int got = 0;

		assert_int_equal(EVP_EncryptInit_ex2(c, cipher, key, NULL, NULL), 1);
		assert_int_equal(EVP_EncryptUpdate(c, NULL, &got, pt, (int)ad.n), 1);
		assert_int_equal(EVP_EncryptUpdate(c, theirs + 16, &got, pt, (int)n), 1);
		assert_int_equal(got, (int)n);
		assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, theirs), 1);
		EVP_CIPHER_CTX_free(c);
		assert_int_equal(siv_seal(key, 64, &ad, 1, str_make((char *)pt, n), ours), 0);
		assert_memory_equal(ours, theirs, n + 16);
	}
	EVP_CIPHER_free(cipher);
}

static void
tampering(void **state)
{
	uint8_t key[64] = { 1 }, out[64], back[64], zero[64] = { 0 };
	struct str ad = STR("data"), other = STR("dat"),
		   text = STR("some forty bytes of text to be sealed...");
	size_t n = text.n + 16;

	(void)state;
	assert_int_equal(siv_seal(key, 64, &ad, 1, text, out), 0);
	for (size_t bit = 0; bit < n * 8; bit++) {
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		memset(back, 0xaa, sizeof(back));
		assert_int_equal(siv_open(key, 64, &ad, 1, str_make((char *)out, n), back), -1);
		assert_memory_equal(back, zero, text.n);
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(siv_open(key, 64, &ad, 1, str_make((char *)out, cut), back), -1);
	assert_int_equal(siv_open(key, 64, &other, 1, str_make((char *)out, n), back), -1);
	assert_int_equal(siv_open(key, 64, &ad, 0, str_make((char *)out, n), back), -1);
	assert_int_equal(siv_open(key, 64, &ad, 1, str_make((char *)out, n), back), 0);
}

static void
bounds(void **state)
{
	uint8_t key[64] = { 1 }, out[64];
	struct str many[SIV_MAX_AD + 1] = { STR_NULL };

	(void)state;
	for (size_t n = 0; n < 70; n++)
		assert_int_equal(siv_seal(key, n, NULL, 0, STR("x"), out),
				 n == 32 || n == 48 || n == 64 ? 0 : -1);
	assert_int_equal(siv_seal(key, 64, many, SIV_MAX_AD, STR("x"), out), 0);
	assert_int_equal(siv_seal(key, 64, many, SIV_MAX_AD + 1, STR("x"), out), -1);
}

static void
base64url(void **state)
{
	static const char *const good[][2] = { { "", "" },
					       { "f", "Zg" },
					       { "fo", "Zm8" },
					       { "foo", "Zm9v" },
					       { "foob", "Zm9vYg" },
					       { "fooba", "Zm9vYmE" },
					       { "foobar", "Zm9vYmFy" },
					       { "\xfb\xff\xfe", "-__-" } };
	static const char *const bad[] = { "Z",	   "Zg==",   "Zh",  "Zm9",   "Zm9vY", "Zm+v", "Zm/v",
					   "Zm 9", "Zm9v\n", "Zg=", "Z\x80", "Zm9v=", ".",    "Zm8=" };
	unsigned char out[16];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct buf b = { 0 };

		base64url_encode(&b, good[i][0], strlen(good[i][0]));
		assert_string_equal(b.p, good[i][1]);
		assert_int_equal(b.n, base64url_length(strlen(good[i][0])));
		assert_int_equal(base64url_decode(buf_str(&b), out, &n), 0);
		assert_int_equal(n, strlen(good[i][0]));
		assert_memory_equal(out, good[i][0], n);
		buf_free(&b);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(base64url_decode(str_of(bad[i]), out, &n), -1);
	assert_int_equal(base64url_decode(str_make("Zm\0v", 4), out, &n), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc5297_a1),
		cmocka_unit_test(lengths),
		cmocka_unit_test(agrees_with_openssl),
		cmocka_unit_test(tampering),
		cmocka_unit_test(bounds),
		cmocka_unit_test(base64url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
