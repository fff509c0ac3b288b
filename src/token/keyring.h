/*
 * keyring: what a key ring is inside, for the files of this directory. The text form:
 *
 *   mailtailor-keys 1
 *   # comments and blank lines may stand anywhere below the first line
 *   site SECRET created TIME
 *   key ID STATE SECRET created TIME [retired TIME]
 *
 * SECRET is 32 bytes in hex, ID a decimal number from 1 to 4294967295, STATE sealing, opening or retired,
 * TIME an RFC 3339 instant. Exactly one site line, exactly one sealing key; "retired TIME" exactly when STATE
 * is retired. A retired key keeps its secret, so that a mistaken retirement can be undone by hand; deleting
 * its line destroys it.
 *
 * No secret of the file is used directly: HKDF-SHA-256 (RFC 5869, no salt) with the labels below gives one
 * key per use.
 */
#ifndef MT_TOKEN_KEYRING_H
#define MT_TOKEN_KEYRING_H

#include "token/token.h"

#define KEYRING_SECRET_LEN 32
#define KEYRING_MAX_KEYS 64
#define KEYRING_MAX_FILE 65536
#define KEYRING_SIV_KEY_LEN 64

#define KEYRING_LABEL_ID "mailtailor 1 recipient id"   /* from the site secret, 32 bytes */
#define KEYRING_LABEL_LINK "mailtailor 1 link token"   /* from a key's secret, 64 bytes */
#define KEYRING_LABEL_VERP "mailtailor 1 verp token"   /* from a key's secret, 64 bytes */
#define KEYRING_LABEL_DATA "mailtailor 1 data at rest" /* from a key's secret, 64 bytes */

struct ring_key {
	struct key_info info;
	uint8_t secret[KEYRING_SECRET_LEN];
	uint8_t link[KEYRING_SIV_KEY_LEN]; /* derived; zero for a retired key */
	uint8_t verp[KEYRING_SIV_KEY_LEN]; /* the same */
	uint8_t data[KEYRING_SIV_KEY_LEN];
};

struct hmac_pool;

struct keyring {
	uint8_t site[KEYRING_SECRET_LEN];
	int64_t site_created_ms;
	struct ring_key keys[KEYRING_MAX_KEYS];
	size_t nkeys;
	struct hmac_pool *ids; /* made by keyring_derive */
};

/* An empty ring without derived keys. */
struct keyring *keyring_new(void);
/*
 * Strict; errors read "NAME:LINE: what; what to do". NULL: ERR_CONFIG. keyring_derive has been called on the
 * result.
 */
struct keyring *keyring_parse(struct str text, const char *name, struct err *e);
/* The text that parses back to k. It holds secrets: wipe it. */
void keyring_print(const struct keyring *k, struct buf *out);
/* Fills the derived keys. -1: ERR_BUG, OpenSSL refused. */
int keyring_derive(struct keyring *k, struct err *e);
/* "sealing" … */
const char *key_state_name(enum key_state s);
const struct ring_key *keyring_sealing(const struct keyring *k);

/* Wipes, then frees as buf_free. */
void buf_wipe(struct buf *b);

/*
 * HMAC-SHA-256 under one key for any number of threads: a context is taken from a small lock-free pool, or
 * copied from the keyed template when all are out.
 */
struct hmac_pool *hmac_pool_new(const uint8_t key[32]);
void hmac_pool_free(struct hmac_pool **p);
/* Of the concatenated parts. Failure inside OpenSSL is out-of-memory: ends the process, as base/arena.h does.
 */
void hmac_pool_sum(struct hmac_pool *p, const struct str *parts, size_t nparts, uint8_t out[32]);

#endif
