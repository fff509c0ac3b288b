/* api: see api.h. */
#include "token/api.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "token/hex.h"

void
api_secret(const struct keyring *k, struct str shop, int64_t generation, char out[API_SECRET_LEN + 1])
{
	/* Two halves of 16 bytes each; the number keeps them apart. */
	for (int half = 0; half < 2; half++) {
		char text[32];
		uint8_t id[16];
		snprintf(text, sizeof(text), "%lld/%d", (long long)generation, half);
		const struct str parts[] = { shop, str_of(text) };
		keyed_id(k, "api secret", parts, 2, id);
		for (size_t i = 0; i < sizeof(id); i++)
			snprintf(out + 32 * half + 2 * i, 3, "%02x", id[i]);
	}
}

void
api_sign(const char secret[API_SECRET_LEN + 1], struct str time, struct str body, uint8_t out[32])
{
	struct buf text = { 0 };
	unsigned n = 32;
	buf_adds(&text, time);
	buf_addc(&text, '\n');
	buf_adds(&text, body);
	if (HMAC(EVP_sha256(), secret, API_SECRET_LEN, (const unsigned char *)text.p, text.n, out, &n) ==
	    NULL) {
		log_error("HMAC-SHA-256 failed inside OpenSSL: out of memory");
		abort();
	}
	buf_free(&text);
}

bool
api_verify(const char secret[API_SECRET_LEN + 1], struct str time, struct str body, struct str signature)
{
	uint8_t want[32], got[32];
	api_sign(secret, time, body, want);
	return hex_parse(signature, got, sizeof(got)) == 0 && CRYPTO_memcmp(want, got, sizeof(want)) == 0;
}
