/*
 * verp: return paths that name their copy (variable envelope return path): bounces+TOKEN@shop.example. A
 * bounce comes back to the address, and the token says whose copy it was; nobody without the key ring makes
 * one, so nobody can have a stranger suppressed by forged bounces.
 *
 * TOKEN is 56 characters of base32, written in lower case and read in any case, since some MTAs fold local
 * parts. With "+" it leaves seven octets of the 64 that a local part may have (RFC 5321, 4.5.3.1.1).
 * Token = base32(low byte of the key id | SIV 16 | ciphertext 18), AES-256-SIV under a key of its own; the
 * plain bytes are the recipient key and the first two of the copy id. Deterministic: a retry of a copy has
 * the same return path. contrib/TOKENS.md has the layout and test vectors.
 *
 * Threads: as the sealer, which belongs to one thread.
 */
#ifndef MT_TOKEN_VERP_H
#define MT_TOKEN_VERP_H

#include "token/token.h"

#define VERP_TOKEN_LEN 56
/* Octets of a return path before its @. */
#define VERP_MAX_USER 7
#define VERP_COPY_LEN 2

struct verp {
	struct recipient_key recipient;
	uint8_t copy[VERP_COPY_LEN]; /* first bytes of the copy id: tells one recipient's copies apart, not
					more */
	uint32_t key_id;
};

/* Appends VERP_TOKEN_LEN characters. -1: OpenSSL failed; out is then as it was. */
int verp_seal(struct sealer *s, const struct recipient_key *rk, const uint8_t copy[8], struct buf *out);
/*
 * text is the bare token. -1: ERR_INPUT with one text for everything that is not a token of this ring (the
 * log may say more at debug level); *out is then zero. A retired key opens none.
 */
int verp_open(struct sealer *s, struct str text, struct verp *out, struct err *e);

/*
 * What a campaign may have as its return path: a local part of 1 to VERP_MAX_USER octets, an ASCII dot-atom
 * (RFC 5322, 3.2.3) without "+", which MTAs would take for the delimiter; an ASCII domain, no address
 * literal; short enough that the path with its token has no more than 254 octets (RFC 5321, 4.5.3.1.3).
 */
bool verp_return_path_valid(struct str return_path);
/*
 * Appends "bounces+TOKEN@shop.example" for the return path "bounces@shop.example". -1: ERR_CONFIG (not
 * verp_return_path_valid), ERR_BUG (OpenSSL failed); out is then as it was.
 */
int verp_address(struct sealer *s, const char *return_path, const struct recipient_key *rk,
		 const uint8_t copy[8], struct buf *out, struct err *e);
/*
 * address: "ANYTHING+TOKEN@DOMAIN", with or without <> and white space around; what stands around the
 * token is not looked at. -1 as verp_open, with the same text.
 */
int verp_find(struct sealer *s, struct str address, struct verp *out, struct err *e);

#endif
