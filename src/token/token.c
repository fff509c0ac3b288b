/* Tokens: the payload's layout, sealed. contrib/TOKENS.md says the same for other languages. */
#include "base/log.h"
#include "token/base64url.h"
#include "token/sealer.h"

/* recipient, copy, sent, expires, link */
#define FIXED_LEN (RECIPIENT_KEY_LEN + 8 + 4 + 4 + 2)
#define MAX_PAYLOAD (FIXED_LEN + 3 * (1 + TOKEN_MAX_NAME) + TOKEN_MAX_URL)
#define MAX_SEALED (SEALED_OVERHEAD + MAX_PAYLOAD)

static int
link_index(enum token_purpose p)
{
	switch (p) {
	case TOKEN_CLICK:
		return LINK_CLICK;
	case TOKEN_OPEN:
		return LINK_OPEN;
	case TOKEN_UNSUBSCRIBE:
		return LINK_UNSUBSCRIBE;
	case TOKEN_PREFERENCES:
		return LINK_PREFERENCES;
	case TOKEN_CLICK_ID:
		return LINK_CLICK_ID;
	}
	return -1;
}

/* ---- payload ---- */

static uint8_t *
put_be(uint8_t *p, uint32_t v, int bytes)
{
	for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
		*p++ = (uint8_t)(v >> shift);
	return p;
}

static uint8_t *
put_bytes(uint8_t *p, const void *from, size_t n)
{
	if (n > 0)
		memcpy(p, from, n);
	return p + n;
}

static uint8_t *
put_name(uint8_t *p, struct str s)
{
	*p++ = (uint8_t)s.n;
	return put_bytes(p, s.p, s.n);
}

static int
check_bounds(const struct token *t, struct err *e)
{
	if (link_index(t->purpose) < 0)
		return err_set(e, ERR_BUG, "a token of unknown purpose");
	if (t->campaign.n > TOKEN_MAX_NAME || t->category.n > TOKEN_MAX_NAME || t->arm.n > TOKEN_MAX_NAME)
		return err_set(e, ERR_LIMIT,
			       "a campaign, category or arm name of more than %d bytes fits no token",
			       TOKEN_MAX_NAME);
	if (t->url.n > TOKEN_MAX_URL)
		return err_set(e, ERR_LIMIT,
			       "a link of %zu bytes fits no token (%d at most); exclude its host from "
			       "tracking or shorten it",
			       t->url.n, TOKEN_MAX_URL);
	if ((t->purpose == TOKEN_CLICK) != (t->url.n > 0))
		return err_set(e, ERR_BUG, "a click token has a target URL, and no other token has");
	return 0;
}

static size_t
payload_length(const struct token *t)
{
	return FIXED_LEN + 3 + t->campaign.n + t->category.n + t->arm.n + t->url.n;
}

static void
payload_write(const struct token *t, uint8_t *p)
{
	p = put_bytes(p, t->recipient.b, RECIPIENT_KEY_LEN);
	p = put_bytes(p, t->copy, sizeof(t->copy));
	p = put_be(p, t->sent, 4);
	p = put_be(p, t->expires, 4);
	p = put_be(p, t->link, 2);
	p = put_name(p, t->campaign);
	p = put_name(p, t->category);
	p = put_name(p, t->arm);
	put_bytes(p, t->url.p, t->url.n);
}

static uint32_t
get_be(const uint8_t *p, int bytes)
{
	uint32_t v = 0;

	for (int i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

static bool
get_name(struct str *rest, struct str *out)
{
	size_t n = rest->n > 0 ? (unsigned char)rest->p[0] : 0;

	if (rest->n == 0 || n > TOKEN_MAX_NAME || n > rest->n - 1)
		return false;
	*out = str_make(rest->p + 1, n);
	*rest = str_sub(*rest, 1 + n, rest->n);
	return true;
}

/* t's strings borrow from payload. False: not the layout. */
static bool
payload_read(struct str payload, enum token_purpose purpose, struct token *t)
{
	const uint8_t *p = (const uint8_t *)payload.p;
	struct str rest;

	if (payload.n < FIXED_LEN)
		return false;
	memcpy(t->recipient.b, p, RECIPIENT_KEY_LEN);
	p += RECIPIENT_KEY_LEN;
	memcpy(t->copy, p, sizeof(t->copy));
	p += sizeof(t->copy);
	t->sent = get_be(p, 4);
	t->expires = get_be(p + 4, 4);
	t->link = (uint16_t)get_be(p + 8, 2);
	rest = str_sub(payload, FIXED_LEN, payload.n);
	if (!get_name(&rest, &t->campaign) || !get_name(&rest, &t->category) || !get_name(&rest, &t->arm))
		return false;
	t->url = rest;
	return rest.n <= TOKEN_MAX_URL && (purpose == TOKEN_CLICK) == (rest.n > 0);
}

/* ---- seal, open ---- */

int
token_seal(struct sealer *s, const struct token *t, struct buf *out, struct err *e)
{
	struct sealer_key *k = s->sealing;
	uint8_t *head;
	size_t n;

	if (check_bounds(t, e) < 0)
		return -1;
	n = payload_length(t);
	buf_reset(&s->plain);
	buf_reset(&s->sealed);
	buf_reserve(&s->plain, n);
	buf_reserve(&s->sealed, SEALED_OVERHEAD + n);
	payload_write(t, (uint8_t *)s->plain.p);
	head = (uint8_t *)s->sealed.p;
	sealed_header(head, k->ring->info.id);
	if (sealer_key_link(k) < 0 || siv_seal_keyed(&k->link, &k->link_ad[link_index(t->purpose)],
						     str_make(s->plain.p, n), head + SEALED_HEADER_LEN) < 0)
		return err_set(e, ERR_BUG, "OpenSSL refuses AES; check its configuration (openssl.cnf)");
	base64url_encode(out, head, SEALED_OVERHEAD + n);
	return 0;
}

/* The reasons are for the debug log only. */
static const char *
open_reason(struct sealer *s, enum token_purpose purpose, struct str text, struct arena *a, struct token *t)
{
	struct sealer_key *k;
	struct str sealed;
	size_t n = 0;
	uint8_t *plain;
	int link = link_index(purpose);

	if (link < 0)
		return "unknown purpose";
	if (text.n > base64url_length(MAX_SEALED))
		return "too long";
	buf_reset(&s->sealed);
	buf_reserve(&s->sealed, text.n);
	if (base64url_decode(text, (unsigned char *)s->sealed.p, &n) < 0)
		return "not canonical base64url";
	sealed = str_make(s->sealed.p, n);
	k = sealer_key_of(s, sealed);
	if (!k || k->ring->info.state == KEY_RETIRED)
		return "too short, of another version, or under an unknown or retired key";
	if (sealer_key_link(k) < 0)
		return "OpenSSL refuses AES";
	plain = arena_alloc(a, n - SEALED_OVERHEAD + 1);
	if (siv_open_keyed(&k->link, &k->link_ad[link], str_sub(sealed, SEALED_HEADER_LEN, n), plain) < 0)
		return "not authentic for this purpose";
	if (!payload_read(str_make((char *)plain, n - SEALED_OVERHEAD), purpose, t))
		return "authentic, but its payload is malformed";
	t->purpose = purpose;
	t->key_id = k->ring->info.id;
	return NULL;
}

int
token_open(struct sealer *s, enum token_purpose purpose, struct str text, struct arena *a, struct token *t,
	   struct err *e)
{
	const char *why;

	*t = (struct token){ 0 };
	why = open_reason(s, purpose, text, a, t);
	if (!why)
		return 0;
	*t = (struct token){ 0 };
	log_debug("token refused: %s", why);
	return err_set(e, ERR_INPUT, "this link is not valid");
}
