/*
 * siv: AES-SIV (RFC 5297) with the key kept scheduled, for the sealer. siv_seal and siv_open of token.h are
 * the same functions with a context that lives for one call.
 *
 * OpenSSL 3.0's own SIV cipher takes one message per keying, refuses an empty plaintext and costs a context
 * copy per message; this one is S2V and CTR out of two block cipher contexts that are keyed once (a token
 * costs two calls).
 *
 * Threads: a struct siv belongs to one thread at a time.
 */
#ifndef MT_TOKEN_SIV_H
#define MT_TOKEN_SIV_H

#include <openssl/evp.h>

#include "token/token.h"

#define SIV_TAG_LEN 16
/* RFC 5297, 2.6: S2V takes at most 127 strings, one of which is the plaintext. */
#define SIV_MAX_AD 126
#define SIV_MAX_LEN ((size_t)1 << 30)

struct siv {
	EVP_CIPHER_CTX *mac; /* AES-CBC under the first half of the key; its chaining value is never reset */
	EVP_CIPHER_CTX *ctr; /* AES-ECB under the second half */
	uint8_t chain[16];   /* the chaining value that mac is at */
	uint8_t k1[16], k2[16]; /* CMAC subkeys (RFC 4493, 2.3) */
	uint8_t zero_mac[16];	/* CMAC of sixteen zero bytes, where S2V begins */
	bool broken;		/* OpenSSL failed in mid chain: refuse everything from then on */
};

/* S2V after all the associated data: computed once, used for any number of plaintexts. */
struct siv_ad {
	uint8_t d[16];
};

/* key as in siv_seal. 0, or -1 (bad length, or OpenSSL refused); siv_clear is right after either. */
int siv_init(struct siv *s, const uint8_t *key, size_t key_len);
/* Frees and wipes. A zeroed struct siv is fine. */
void siv_clear(struct siv *s);
/* 0, or -1: too many components, or OpenSSL failed. */
int siv_absorb(struct siv *s, const struct str *ad, size_t nad, struct siv_ad *out);
/* As siv_seal and siv_open; out and the input do not overlap. */
int siv_seal_keyed(struct siv *s, const struct siv_ad *ad, struct str plain, uint8_t *out);
int siv_open_keyed(struct siv *s, const struct siv_ad *ad, struct str sealed, uint8_t *out);

#endif
