#include "token/sealer.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/log.h"

/* Purpose words of data at rest are program constants. */
#define MAX_PURPOSE 64

struct sealer *
sealer_new(const struct keyring *k)
{
	struct sealer *s = calloc(1, sizeof(*s));

	if (!s) {
		log_error("out of memory for a sealer");
		abort();
	}
	s->ring = k;
	for (size_t i = 0; i < k->nkeys; i++) {
		struct sealer_key *sk = &s->keys[s->nkeys];

		sk->ring = &k->keys[i];
		if (k->keys[i].info.state == KEY_SEALING)
			s->sealing = sk;
		s->nkeys++;
	}
	return s;
}

void
sealer_free(struct sealer **s)
{
	if (!*s)
		return;
	for (size_t i = 0; i < (*s)->nkeys; i++) {
		siv_clear(&(*s)->keys[i].link);
		siv_clear(&(*s)->keys[i].verp);
		siv_clear(&(*s)->keys[i].data);
	}
	buf_wipe(&(*s)->plain);
	buf_free(&(*s)->sealed);
	free(*s);
	*s = NULL;
}

void
sealed_header(uint8_t out[SEALED_HEADER_LEN], uint32_t key_id)
{
	out[0] = SEALED_VERSION;
	out[1] = (uint8_t)(key_id >> 24);
	out[2] = (uint8_t)(key_id >> 16);
	out[3] = (uint8_t)(key_id >> 8);
	out[4] = (uint8_t)key_id;
}

static bool
is_sealed(struct str s)
{
	return s.n >= SEALED_OVERHEAD && (uint8_t)s.p[0] == SEALED_VERSION;
}

struct sealer_key *
sealer_key_of(struct sealer *s, struct str sealed)
{
	const uint8_t *p = (const uint8_t *)sealed.p;
	uint32_t id;

	if (!is_sealed(sealed))
		return NULL;
	id = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	for (size_t i = 0; i < s->nkeys; i++)
		if (s->keys[i].ring->info.id == id)
			return &s->keys[i];
	return NULL;
}

int
sealer_key_link(struct sealer_key *k)
{
	static const char purposes[LINK_PURPOSES] = { TOKEN_CLICK, TOKEN_OPEN, TOKEN_UNSUBSCRIBE,
						      TOKEN_PREFERENCES, TOKEN_CLICK_ID };
	uint8_t head[SEALED_HEADER_LEN];

	if (k->link_ready && !k->link.broken)
		return 0;
	siv_clear(&k->link);
	k->link_ready = false;
	if (siv_init(&k->link, k->ring->link, sizeof(k->ring->link)) < 0)
		return -1;
	sealed_header(head, k->ring->info.id);
	for (int i = 0; i < LINK_PURPOSES; i++) {
		/* version, purpose, key id */
		char text[6] = { (char)head[0], purposes[i],   (char)head[1],
				 (char)head[2], (char)head[3], (char)head[4] };
		struct str ad = str_make(text, sizeof(text));

		if (siv_absorb(&k->link, &ad, 1, &k->link_ad[i]) < 0)
			return -1;
	}
	k->link_ready = true;
	return 0;
}

int
sealer_key_verp(struct sealer_key *k)
{
	/* The whole key id, of which the token itself shows one byte. */
	uint32_t id = k->ring->info.id;
	char text[] = { 'v',	 'e', 'r', 'p', ' ', '1', (char)(id >> 24), (char)(id >> 16), (char)(id >> 8),
			(char)id };
	struct str ad = str_make(text, sizeof(text));

	if (k->verp_ready && !k->verp.broken)
		return 0;
	siv_clear(&k->verp);
	k->verp_ready = siv_init(&k->verp, k->ring->verp, sizeof(k->ring->verp)) == 0 &&
			siv_absorb(&k->verp, &ad, 1, &k->verp_ad) == 0;
	return k->verp_ready ? 0 : -1;
}

/* ---- data at rest ---- */

static int
key_data(struct sealer_key *k)
{
	if (k->data_ready && !k->data.broken)
		return 0;
	siv_clear(&k->data);
	k->data_ready = siv_init(&k->data, k->ring->data, sizeof(k->ring->data)) == 0;
	return k->data_ready ? 0 : -1;
}

/* Associated data: version, key id, recipient key, purpose word: all but the last of fixed length. */
static int
data_ad(struct sealer_key *k, const char *purpose, const struct recipient_key *rk, struct siv_ad *out)
{
	char text[SEALED_HEADER_LEN + RECIPIENT_KEY_LEN + MAX_PURPOSE];
	size_t n = strlen(purpose);
	struct str ad = str_make(text, SEALED_HEADER_LEN + RECIPIENT_KEY_LEN + n);

	if (n > MAX_PURPOSE)
		return -1;
	sealed_header((uint8_t *)text, k->ring->info.id);
	memcpy(text + SEALED_HEADER_LEN, rk->b, RECIPIENT_KEY_LEN);
	memcpy(text + SEALED_HEADER_LEN + RECIPIENT_KEY_LEN, purpose, n);
	return siv_absorb(&k->data, &ad, 1, out);
}

int
sealer_seal_data(struct sealer *s, const char *purpose, const struct recipient_key *rk, struct str plain,
		 struct buf *out)
{
	struct sealer_key *k = s->sealing;
	struct siv_ad ad;
	uint8_t *at;

	if (plain.n > SIV_MAX_LEN || key_data(k) < 0 || data_ad(k, purpose, rk, &ad) < 0)
		return -1;
	buf_reserve(out, SEALED_OVERHEAD + plain.n);
	at = (uint8_t *)out->p + out->n;
	sealed_header(at, k->ring->info.id);
	if (siv_seal_keyed(&k->data, &ad, plain, at + SEALED_HEADER_LEN) < 0)
		return -1;
	out->n += SEALED_OVERHEAD + plain.n;
	out->p[out->n] = '\0';
	return 0;
}

int
sealer_open_data(struct sealer *s, const char *purpose, const struct recipient_key *rk, struct str sealed,
		 struct buf *out, struct err *e)
{
	struct sealer_key *k = sealer_key_of(s, sealed);
	struct siv_ad ad;

	if (!is_sealed(sealed))
		return err_set(e, ERR_CORRUPT, "stored %s data: the record is damaged", purpose);
	if (!k)
		return err_set(
		    e, ERR_MISSING,
		    "stored %s data: its key is not in the key ring; restore the ring it was written with",
		    purpose);
	if (key_data(k) < 0 || data_ad(k, purpose, rk, &ad) < 0)
		return err_set(e, ERR_BUG, "stored %s data: OpenSSL refuses AES", purpose);
	buf_reserve(out, sealed.n - SEALED_OVERHEAD);
	if (siv_open_keyed(&k->data, &ad, str_sub(sealed, SEALED_HEADER_LEN, sealed.n),
			   (uint8_t *)out->p + out->n) < 0) {
		out->p[out->n] = '\0';
		return err_set(
		    e, ERR_CORRUPT,
		    "stored %s data does not verify under key %u: the record or the key ring is damaged",
		    purpose, k->ring->info.id);
	}
	out->n += sealed.n - SEALED_OVERHEAD;
	out->p[out->n] = '\0';
	return 0;
}
