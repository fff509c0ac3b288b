/*
 * token: the key ring, the recipient hash and the tokens in links.
 *
 * Cipher: AES-256-SIV (RFC 5297) by OpenSSL 3, deterministic: the same link in
 * the same copy gives the same token, so a retry changes nothing.
 * Token = base64url(version 1 | key id 4 bytes BE | SIV 16 | ciphertext), no padding; associated data:
 * version, purpose, key id. contrib/TOKENS.md has the layout and test vectors.
 *
 * Threads: a struct keyring is immutable; a struct sealer belongs to one thread (it keeps keyed contexts).
 */
#ifndef MT_TOKEN_TOKEN_H
#define MT_TOKEN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* ---- AES-SIV itself (what Wycheproof and RFC 5297 test) ---- */

/*
 * key: 32, 48 or 64 bytes (AES-128/192/256-SIV). ad: nad components (may be empty). out of seal: 16-byte SIV
 * then ciphertext; out must hold n + 16 / n - 16 bytes. 0, or -1: open failed authentication (out is then
 * zeroed), or OpenSSL refused. A zero-length plaintext works (OpenSSL 3.0's own SIV refuses it: see siv.c).
 */
int siv_seal(const uint8_t *key, size_t key_len, const struct str *ad, size_t nad, struct str plain,
	     uint8_t *out);
int siv_open(const uint8_t *key, size_t key_len, const struct str *ad, size_t nad, struct str sealed,
	     uint8_t *out);

/* ---- key ring ---- */

struct keyring;

enum key_state { KEY_SEALING, KEY_OPENING, KEY_RETIRED };
struct key_info {
	uint32_t id;
	enum key_state state;
	int64_t created_ms;
	int64_t retired_ms; /* 0: not */
};

/*
 * The file must be a regular file, owned by root or the effective user, with no access for others and no
 * write for the group (else ERR_PERM and what chmod to run). It holds the site key (recipient hash; never
 * rotated, since stored hashes depend on it) and link keys. Exactly one key seals.
 */
struct keyring *keyring_load(const char *file, struct err *e);
void keyring_free(struct keyring **k);
/* A ring in memory with one key made from seed; for tests, benchmarks and `render` without keys. */
struct keyring *keyring_ephemeral(const uint8_t seed[32]);

/*
 * Each writes a new file beside the old one, fsync, rename (and fsync of the directory). generate: mode 0600,
 * refuses to overwrite (ERR_USAGE). rotate and retire keep owner, group and mode. Two at once: ERR_TEMP.
 * retire: ERR_USAGE for the sealing key or one already retired, ERR_MISSING when there is no such key.
 */
int keyring_generate(const char *file, int64_t now_ms, struct err *e);
int keyring_rotate(const char *file, int64_t now_ms, uint32_t *new_id, struct err *e);
int keyring_retire(const char *file, uint32_t id, int64_t now_ms, struct err *e);
/* Fills up to max entries and returns how many there are. */
size_t keyring_list(const struct keyring *k, struct key_info *out, size_t max);

/* ---- recipients ---- */

#define RECIPIENT_KEY_LEN 16
struct recipient_key {
	uint8_t b[RECIPIENT_KEY_LEN];
};

/*
 * lower-case A-label domain, local part as it came (but without needless quotes: "john"@x is john@x, one
 * mailbox and so one hash). -1: no address (ERR_INPUT; the text does not hold the address). out has no <>,
 * lives in a.
 */
int address_normalize(struct arena *a, struct str addr, struct str *out, struct err *e);
/* First 16 bytes of HMAC-SHA-256(site key, "addr:" normalised). Also for domains ("domain:" prefix;
 * in the form that address_normalize gives). */
void recipient_key_of(const struct keyring *k, struct str normalized, struct recipient_key *out);
void domain_key_of(const struct keyring *k, struct str domain, struct recipient_key *out);
/* Any keyed 16-byte id: HMAC(site key, label ":" parts each with its length). For idempotency keys and arm
 * choice. */
void keyed_id(const struct keyring *k, const char *label, const struct str *parts, size_t n, uint8_t out[16]);
/* Lower-case hex for logs: 16 characters (first 8 bytes) and NUL. */
void recipient_key_hex(const struct recipient_key *k, char out[33]);

/* ---- sealing (one per thread) ---- */

/* k must outlive it. Cheap to make; each key is scheduled when it is first needed. */
struct sealer;
struct sealer *sealer_new(const struct keyring *k);
void sealer_free(struct sealer **s);

/*
 * Data at rest (profiles): associated data is the recipient key and a purpose word (64 bytes at most).
 * Appends version, key id and sealed bytes: plain.n + 21. -1: larger than 1 GiB, or OpenSSL failed; out is
 * then as it was.
 */
int sealer_seal_data(struct sealer *s, const char *purpose, const struct recipient_key *rk, struct str plain,
		     struct buf *out);
/* ERR_CORRUPT when it does not verify or its key is not in the ring (a retired key still opens stored data).
 * Appends the plain bytes. */
int sealer_open_data(struct sealer *s, const char *purpose, const struct recipient_key *rk, struct str sealed,
		     struct buf *out, struct err *e);

/* ---- tokens ---- */

enum token_purpose {
	TOKEN_CLICK = 'c',
	TOKEN_OPEN = 'o',
	TOKEN_UNSUBSCRIBE = 'u',
	TOKEN_PREFERENCES = 'p',
	TOKEN_CLICK_ID = 'k', /* in the target URL, for the shop to report back */
};

#define TOKEN_MAX_NAME 64
#define TOKEN_MAX_URL 8000
/* The number of the link that no reader sees: who follows it is no person. */
#define TOKEN_HONEYPOT_LINK UINT16_MAX

/* All that a token says. Strings borrow. */
struct token {
	enum token_purpose purpose;
	struct recipient_key recipient;
	uint8_t copy[8];     /* copy id: first 8 bytes of the idempotency key */
	uint32_t sent;	     /* seconds since the epoch: the Date of the message, if it can be believed */
	uint32_t expires;    /* seconds since the epoch; 0: never */
	struct str campaign; /* <= 64 bytes */
	struct str category; /* for unsubscribe; may be empty */
	struct str arm;	     /* <= 64 bytes, may be empty */
	uint16_t link;	     /* number of the link: of its part << 12, and in its part */
	struct str url;	     /* click only; <= 8000 bytes */
	uint32_t key_id;     /* filled by open */
};

/*
 * Appends the base64url text. -1 only when a length is over its bound (ERR_LIMIT), a click has no url or
 * another purpose has one (ERR_BUG), or OpenSSL fails (ERR_BUG); out is then as it was.
 */
int token_seal(struct sealer *s, const struct token *t, struct buf *out, struct err *e);
/*
 * Strings of *t live in a. ERR_INPUT for everything that is not a valid token of that purpose: one text for
 * all, so that nobody learns why (the log may say more at debug level). Whether it has expired is for the
 * caller to judge.
 */
int token_open(struct sealer *s, enum token_purpose purpose, struct str text, struct arena *a,
	       struct token *t, struct err *e);

#endif
