/* AES-SIV by RFC 5297; CMAC by RFC 4493. */
#include "token/siv.h"

#include <endian.h>
#include <openssl/crypto.h>
#include <string.h>

#define BLOCK 16
/* Bytes handled per call into OpenSSL; a usual token fits in one. */
#define CHUNK 512

/* Words rather than bytes: gcc 12 at -O2 leaves byte loops as they are, and these are half of a token's time.
 */
static void
xor_word(uint8_t *dst, const uint8_t *a, const uint8_t *b)
{
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	x ^= y;
	memcpy(dst, &x, 8);
}

static void
xor_block(uint8_t *dst, const uint8_t *src)
{
	xor_word(dst, dst, src);
	xor_word(dst + 8, dst + 8, src + 8);
}

/* Doubling in GF(2^128) (RFC 5297, 2.3), without a branch on the secret. */
static void
double_block(uint8_t b[BLOCK])
{
	uint8_t carry = (uint8_t)(b[0] >> 7);

	for (int i = 0; i < BLOCK - 1; i++)
		b[i] = (uint8_t)(b[i] << 1 | b[i + 1] >> 7);
	b[BLOCK - 1] = (uint8_t)(b[BLOCK - 1] << 1 ^ (0x87 & -carry));
}

/*
 * One run of CBC over n bytes in place, n a multiple of 16. A fresh MAC needs an all-zero chaining value: the
 * first block is XORed with the value the context is at, which cancels out and saves a re-init per MAC.
 */
static int
mac_run(struct siv *s, uint8_t *buf, size_t n, bool fresh)
{
	int got = 0;

	if (s->broken)
		return -1;
	if (fresh)
		xor_block(buf, s->chain);
	if (EVP_EncryptUpdate(s->mac, buf, &got, buf, (int)n) != 1 || (size_t)got != n) {
		s->broken = true;
		return -1;
	}
	memcpy(s->chain, buf + n - BLOCK, BLOCK);
	return 0;
}

/* CMAC of p; with xorend, the last 16 bytes of p (which then has at least 16) are XORed with it first. */
static int
mac(struct siv *s, const uint8_t *p, size_t n, const uint8_t *xorend, uint8_t out[BLOCK])
{
	uint8_t buf[CHUNK + 2 * BLOCK];
	bool fresh = true;

	for (; n >= CHUNK + 2 * BLOCK; p += CHUNK, n -= CHUNK) {
		memcpy(buf, p, CHUNK);
		if (mac_run(s, buf, CHUNK, fresh) < 0)
			return -1;
		fresh = false;
	}
	if (n > 0)
		memcpy(buf, p, n);
	/* The loop left n below the size of buf, which cppcheck does not see. */
	if (xorend && n >= BLOCK)
		xor_block(buf + n - BLOCK, xorend); /* cppcheck-suppress pointerOutOfBoundsCond */
	if (n > 0 && n % BLOCK == 0) {
		xor_block(buf + n - BLOCK, s->k1); /* cppcheck-suppress pointerOutOfBoundsCond */
	} else {
		size_t pad = BLOCK - n % BLOCK;

		memset(buf + n, 0, pad);
		buf[n] = 0x80;
		n += pad;
		xor_block(buf + n - BLOCK, s->k2);
	}
	if (mac_run(s, buf, n, fresh) < 0)
		return -1;
	memcpy(out, s->chain, BLOCK);
	return 0;
}

static uint64_t
load_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return be64toh(v);
}

static void
store_be64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, 8);
}

/* CTR mode by encrypting the counter blocks in one call: cheaper than re-initialising a CTR context per
 * message. */
static int
ctr(struct siv *s, const uint8_t tag[SIV_TAG_LEN], const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t stream[CHUNK];
	/* RFC 5297, 2.6: bits 31 and 63 of the tag are cleared. */
	uint64_t hi = load_be64(tag), lo = load_be64(tag + 8) & ~((uint64_t)1 << 63 | (uint64_t)1 << 31);

	for (size_t done = 0; done < n;) {
		size_t take = n - done < CHUNK ? n - done : CHUNK, blocks = (take + BLOCK - 1) / BLOCK;
		int got = 0;

		for (size_t i = 0; i < blocks; i++) {
			store_be64(stream + i * BLOCK, hi);
			store_be64(stream + i * BLOCK + 8, lo);
			if (++lo == 0)
				hi++;
		}
		if (EVP_EncryptUpdate(s->ctr, stream, &got, stream, (int)(blocks * BLOCK)) != 1 ||
		    (size_t)got != blocks * BLOCK) {
			s->broken = true;
			return -1;
		}
		size_t i = 0;

		for (; i + 8 <= take; i += 8)
			xor_word(out + done + i, in + done + i, stream + i);
		for (; i < take; i++)
			out[done + i] = in[done + i] ^ stream[i];
		done += take;
	}
	return 0;
}

/* The end of S2V (RFC 5297, 2.4): the plaintext into the state of the associated data. */
static int
s2v_finish(struct siv *s, const struct siv_ad *ad, const uint8_t *p, size_t n, uint8_t tag[SIV_TAG_LEN])
{
	uint8_t t[BLOCK];

	if (n >= BLOCK)
		return mac(s, p, n, ad->d, tag);
	memcpy(t, ad->d, BLOCK);
	double_block(t);
	for (size_t i = 0; i < n; i++)
		t[i] ^= p[i];
	t[n] ^= 0x80;
	return mac(s, t, BLOCK, NULL, tag);
}

static EVP_CIPHER_CTX *
keyed_context(const EVP_CIPHER *cipher, const uint8_t *key)
{
	static const uint8_t zero_iv[BLOCK];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (!c)
		return NULL;
	if (EVP_EncryptInit_ex2(c, cipher, key, EVP_CIPHER_get_iv_length(cipher) > 0 ? zero_iv : NULL,
				NULL) != 1 ||
	    EVP_CIPHER_CTX_set_padding(c, 0) != 1) {
		EVP_CIPHER_CTX_free(c);
		return NULL;
	}
	return c;
}

int
siv_init(struct siv *s, const uint8_t *key, size_t key_len)
{
	static const uint8_t zero[BLOCK];
	const EVP_CIPHER *cbc, *ecb;

	memset(s, 0, sizeof(*s));
	switch (key_len) {
	case 32:
		cbc = EVP_aes_128_cbc();
		ecb = EVP_aes_128_ecb();
		break;
	case 48:
		cbc = EVP_aes_192_cbc();
		ecb = EVP_aes_192_ecb();
		break;
	case 64:
		cbc = EVP_aes_256_cbc();
		ecb = EVP_aes_256_ecb();
		break;
	default:
		return -1;
	}
	s->mac = keyed_context(cbc, key);
	s->ctr = keyed_context(ecb, key + key_len / 2);
	if (!s->mac || !s->ctr)
		return -1;
	/* The subkeys are multiples of the encryption of zero (RFC 4493, 2.3). */
	if (mac_run(s, s->k1, BLOCK, true) < 0)
		return -1;
	double_block(s->k1);
	memcpy(s->k2, s->k1, BLOCK);
	double_block(s->k2);
	return mac(s, zero, BLOCK, NULL, s->zero_mac);
}

void
siv_clear(struct siv *s)
{
	EVP_CIPHER_CTX_free(s->mac);
	EVP_CIPHER_CTX_free(s->ctr);
	OPENSSL_cleanse(s, sizeof(*s));
}

int
siv_absorb(struct siv *s, const struct str *ad, size_t nad, struct siv_ad *out)
{
	uint8_t m[BLOCK];

	if (nad > SIV_MAX_AD)
		return -1;
	memcpy(out->d, s->zero_mac, BLOCK);
	for (size_t i = 0; i < nad; i++) {
		if (ad[i].n > SIV_MAX_LEN || mac(s, (const uint8_t *)ad[i].p, ad[i].n, NULL, m) < 0)
			return -1;
		double_block(out->d);
		xor_block(out->d, m);
	}
	return 0;
}

int
siv_seal_keyed(struct siv *s, const struct siv_ad *ad, struct str plain, uint8_t *out)
{
	const uint8_t *p = (const uint8_t *)plain.p;

	if (s->broken || plain.n > SIV_MAX_LEN || s2v_finish(s, ad, p, plain.n, out) < 0)
		return -1;
	return ctr(s, out, p, plain.n, out + SIV_TAG_LEN);
}

int
siv_open_keyed(struct siv *s, const struct siv_ad *ad, struct str sealed, uint8_t *out)
{
	const uint8_t *p = (const uint8_t *)sealed.p;
	uint8_t tag[SIV_TAG_LEN];
	size_t n;

	if (s->broken || sealed.n < SIV_TAG_LEN || sealed.n > SIV_MAX_LEN)
		return -1;
	n = sealed.n - SIV_TAG_LEN;
	if (ctr(s, p, p + SIV_TAG_LEN, n, out) < 0 || s2v_finish(s, ad, out, n, tag) < 0 ||
	    CRYPTO_memcmp(tag, p, SIV_TAG_LEN) != 0) {
		if (n > 0)
			OPENSSL_cleanse(out, n);
		return -1;
	}
	return 0;
}

int
siv_seal(const uint8_t *key, size_t key_len, const struct str *ad, size_t nad, struct str plain, uint8_t *out)
{
	struct siv s;
	struct siv_ad d;
	int rc = -1;

	if (siv_init(&s, key, key_len) == 0 && siv_absorb(&s, ad, nad, &d) == 0)
		rc = siv_seal_keyed(&s, &d, plain, out);
	siv_clear(&s);
	return rc;
}

int
siv_open(const uint8_t *key, size_t key_len, const struct str *ad, size_t nad, struct str sealed,
	 uint8_t *out)
{
	struct siv s;
	struct siv_ad d;
	int rc = -1;

	if (siv_init(&s, key, key_len) == 0 && siv_absorb(&s, ad, nad, &d) == 0)
		rc = siv_open_keyed(&s, &d, sealed, out);
	siv_clear(&s);
	return rc;
}
