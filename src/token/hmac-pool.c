#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "token/keyring.h"

/* More threads than this hash at the same instant only now and then; they pay for a copy. */
#define SLOTS 16

struct hmac_pool {
	EVP_MAC_CTX *keyed; /* only ever copied */
	_Atomic(EVP_MAC_CTX *) slot[SLOTS];
};

struct hmac_pool *
hmac_pool_new(const uint8_t key[32])
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
				OSSL_PARAM_construct_end() };
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	struct hmac_pool *p = calloc(1, sizeof(*p));

	if (p && mac)
		p->keyed = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	if (!p || !p->keyed || EVP_MAC_init(p->keyed, key, 32, params) != 1)
		hmac_pool_free(&p);
	return p;
}

void
hmac_pool_free(struct hmac_pool **p)
{
	if (!*p)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		EVP_MAC_CTX_free(atomic_load(&(*p)->slot[i]));
	EVP_MAC_CTX_free((*p)->keyed);
	free(*p);
	*p = NULL;
}

static EVP_MAC_CTX *
take(struct hmac_pool *p)
{
	for (size_t i = 0; i < SLOTS; i++) {
		EVP_MAC_CTX *c = atomic_load_explicit(&p->slot[i], memory_order_relaxed);

		if (c && (c = atomic_exchange_explicit(&p->slot[i], NULL, memory_order_acquire)) != NULL)
			return c;
	}
	return EVP_MAC_CTX_dup(p->keyed);
}

static void
give_back(struct hmac_pool *p, EVP_MAC_CTX *c)
{
	for (size_t i = 0; i < SLOTS; i++) {
		EVP_MAC_CTX *none = NULL;

		if (atomic_compare_exchange_strong_explicit(&p->slot[i], &none, c, memory_order_release,
							    memory_order_relaxed))
			return;
	}
	EVP_MAC_CTX_free(c);
}

void
hmac_pool_sum(struct hmac_pool *p, const struct str *parts, size_t nparts, uint8_t out[32])
{
	EVP_MAC_CTX *c = take(p);
	size_t n = 0;
	int ok = c && EVP_MAC_init(c, NULL, 0, NULL) == 1; /* the kept key */

	for (size_t i = 0; ok && i < nparts; i++)
		ok = parts[i].n == 0 || EVP_MAC_update(c, (const unsigned char *)parts[i].p, parts[i].n) == 1;
	if (!ok || EVP_MAC_final(c, out, &n, 32) != 1 || n != 32) {
		log_error("HMAC-SHA-256 failed inside OpenSSL: out of memory");
		abort();
	}
	give_back(p, c);
}
