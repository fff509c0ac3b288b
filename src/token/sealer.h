/* sealer: the keyed contexts of one thread, for sealer.c, token.c and verp.c. */
#ifndef MT_TOKEN_SEALER_H
#define MT_TOKEN_SEALER_H

#include "token/keyring.h"
#include "token/siv.h"

/* Version byte of tokens and of data at rest. */
#define SEALED_VERSION 1
/* Version, key id, SIV. */
#define SEALED_HEADER_LEN 5
#define SEALED_OVERHEAD (SEALED_HEADER_LEN + SIV_TAG_LEN)

enum { LINK_CLICK, LINK_OPEN, LINK_UNSUBSCRIBE, LINK_PREFERENCES, LINK_CLICK_ID, LINK_PURPOSES };

struct sealer_key {
	const struct ring_key *ring;
	bool link_ready, verp_ready,
	    data_ready; /* contexts are made when first needed: old keys seldom are */
	struct siv link, verp, data;
	struct siv_ad link_ad[LINK_PURPOSES], verp_ad;
};

struct sealer {
	const struct keyring *ring;
	struct sealer_key *sealing;
	struct sealer_key keys[KEYRING_MAX_KEYS]; /* retired ones too: they open stored data, no tokens */
	size_t nkeys;
	struct buf plain, sealed; /* kept scratch of token.c */
};

void sealed_header(uint8_t out[SEALED_HEADER_LEN], uint32_t key_id);
/*
 * The key that a text sealed by sealed_header names, or NULL: too short, another version, unknown or retired
 * key.
 */
struct sealer_key *sealer_key_of(struct sealer *s, struct str sealed);
/* Keys the contexts on first use. -1: OpenSSL refused; tried afresh next time. */
int sealer_key_link(struct sealer_key *k);
int sealer_key_verp(struct sealer_key *k);

#endif
