/* VERP tokens and the addresses around them. contrib/TOKENS.md says the same for other languages. */
#include "token/verp.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "token/base32.h"
#include "token/sealer.h"

#define PLAIN_LEN (RECIPIENT_KEY_LEN + VERP_COPY_LEN)
#define SEALED_LEN (1 + SIV_TAG_LEN + PLAIN_LEN)
static_assert(BASE32_LENGTH(SEALED_LEN) == VERP_TOKEN_LEN, "the length that others count with");

/* RFC 5321, 4.5.3.1.3: 256 with the angle brackets. */
#define MAX_PATH 254
#define MAX_LABEL 63

/* ---- the token ---- */

int
verp_seal(struct sealer *s, const struct recipient_key *rk, const uint8_t copy[8], struct buf *out)
{
	struct sealer_key *k = s->sealing;
	char plain[PLAIN_LEN];
	uint8_t sealed[SEALED_LEN];

	memcpy(plain, rk->b, RECIPIENT_KEY_LEN);
	memcpy(plain + RECIPIENT_KEY_LEN, copy, VERP_COPY_LEN);
	sealed[0] = (uint8_t)k->ring->info.id;
	if (sealer_key_verp(k) < 0 ||
	    siv_seal_keyed(&k->verp, &k->verp_ad, str_make(plain, sizeof(plain)), sealed + 1) < 0)
		return -1;
	base32_encode(out, sealed, sizeof(sealed));
	return 0;
}

/* Ids that differ in their low byte only are told apart by trying: there are seldom two of them. */
static const char *
open_reason(struct sealer *s, struct str text, struct verp *out)
{
	uint8_t sealed[SEALED_LEN], plain[PLAIN_LEN];
	size_t n = 0;

	if (text.n != VERP_TOKEN_LEN || base32_decode(text, sealed, &n) < 0)
		return "not 56 characters of base32";
	for (size_t i = 0; i < s->nkeys; i++) {
		struct sealer_key *k = &s->keys[i];
		const struct key_info *info = &k->ring->info;

		if (info->state == KEY_RETIRED || (uint8_t)info->id != sealed[0])
			continue;
		if (sealer_key_verp(k) < 0)
			return "OpenSSL refuses AES";
		if (siv_open_keyed(&k->verp, &k->verp_ad, str_make((char *)sealed + 1, n - 1), plain) < 0)
			continue;
		memcpy(out->recipient.b, plain, RECIPIENT_KEY_LEN);
		memcpy(out->copy, plain + RECIPIENT_KEY_LEN, VERP_COPY_LEN);
		out->key_id = info->id;
		return NULL;
	}
	return "not authentic under any opening key";
}

static int
refuse(const char *why, struct err *e)
{
	log_debug("return path refused: %s", why);
	return err_set(e, ERR_INPUT, "this return path is not valid");
}

int
verp_open(struct sealer *s, struct str text, struct verp *out, struct err *e)
{
	const char *why;

	*out = (struct verp){ 0 };
	why = open_reason(s, text, out);
	return why ? refuse(why, e) : 0;
}

/* ---- the address ---- */

static bool
user_valid(struct str user)
{
	if (user.n == 0 || user.n > VERP_MAX_USER || user.p[0] == '.' || user.p[user.n - 1] == '.')
		return false;
	for (size_t i = 0; i < user.n; i++) {
		char c = user.p[i];

		if (c == '.' && user.p[i + 1] == '.')
			return false;
		if (!ascii_isalpha(c) && !ascii_isdigit(c) &&
		    (c == '\0' || !strchr("!#$%&'*-/=?^_`{|}~.", c)))
			return false;
	}
	return true;
}

static bool
domain_valid(struct str domain)
{
	struct str label;

	while (str_split(&domain, '.', &label)) {
		if (label.n == 0 || label.n > MAX_LABEL || label.p[0] == '-' || label.p[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++) {
			char c = label.p[i];

			if (!ascii_isalpha(c) && !ascii_isdigit(c) && c != '-' && c != '_')
				return false;
		}
	}
	return true;
}

bool
verp_return_path_valid(struct str return_path)
{
	size_t at = str_find_char(return_path, '@');

	return at + 1 < return_path.n && return_path.n + 1 + VERP_TOKEN_LEN <= MAX_PATH &&
	       user_valid(str_sub(return_path, 0, at)) &&
	       domain_valid(str_sub(return_path, at + 1, return_path.n));
}

int
verp_address(struct sealer *s, const char *return_path, const struct recipient_key *rk, const uint8_t copy[8],
	     struct buf *out, struct err *e)
{
	struct str path = str_of(return_path);
	size_t at = str_find_char(path, '@'), before = out->n;

	if (!verp_return_path_valid(path))
		return err_set(
		    e, ERR_CONFIG,
		    "return_path \"%s\" leaves no room for +TOKEN in the 64 octets before the @, or "
		    "is no mail address; write one with at most %d characters before the @ and no "
		    "+, such as bounces@shop.example",
		    return_path ? return_path : "", VERP_MAX_USER);
	buf_reserve(out, path.n + 1 + VERP_TOKEN_LEN);
	buf_adds(out, str_sub(path, 0, at));
	buf_addc(out, '+');
	if (verp_seal(s, rk, copy, out) < 0) {
		out->n = before;
		out->p[before] = '\0';
		return err_set(e, ERR_BUG, "OpenSSL refuses AES; check its configuration (openssl.cnf)");
	}
	buf_adds(out, str_sub(path, at, path.n));
	return 0;
}

int
verp_find(struct sealer *s, struct str address, struct verp *out, struct err *e)
{
	size_t at;

	*out = (struct verp){ 0 };
	address = str_trim(address);
	if (address.n > 1 && address.p[0] == '<' && address.p[address.n - 1] == '>')
		address = str_sub(address, 1, address.n - 1);
	for (at = address.n; at > 0 && address.p[at - 1] != '@'; at--)
		;
	/* at is behind the @: something, "+", the token, "@", something. */
	if (at == address.n || at < 1 + 1 + VERP_TOKEN_LEN + 1 ||
	    address.p[at - 1 - VERP_TOKEN_LEN - 1] != '+')
		return refuse("no +TOKEN@", e);
	return verp_open(s, str_sub(address, at - 1 - VERP_TOKEN_LEN, at - 1), out, e);
}
