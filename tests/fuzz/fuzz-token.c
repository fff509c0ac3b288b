/*
 * The parsers of src/token/. The first byte chooses:
 *   t  the rest as a token's text, for each purpose
 *   p  the rest as a payload, sealed properly first, so that what stands behind the authentication is reached
 *   k  the rest as a key ring
 *   a  the rest as a mail address
 */
#include <stdlib.h>

#include "token/base64url.h"
#include "token/sealer.h"

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
fuzz_text(struct sealer *s, struct str text, struct arena *a)
{
	static const enum token_purpose purposes[] = { TOKEN_CLICK, TOKEN_OPEN, TOKEN_UNSUBSCRIBE,
						       TOKEN_PREFERENCES };
	struct token t;

	for (size_t i = 0; i < 4; i++)
		if (token_open(s, purposes[i], text, a, &t, NULL) == 0) {
			struct buf b = { 0 };

			/* One text per token. */
			check(token_seal(s, &t, &b, NULL) == 0 && str_eq(buf_str(&b), text));
			buf_free(&b);
		}
}

static void
fuzz_payload(struct sealer *s, struct str payload, struct arena *a)
{
	struct sealer_key *k = s->sealing;
	struct buf sealed = { 0 }, text = { 0 };

	check(sealer_key_link(k) == 0);
	buf_reserve(&sealed, SEALED_OVERHEAD + payload.n);
	for (int i = 0; i < LINK_PURPOSES; i++) {
		sealed_header((uint8_t *)sealed.p, k->ring->info.id);
		check(siv_seal_keyed(&k->link, &k->link_ad[i], payload,
				     (uint8_t *)sealed.p + SEALED_HEADER_LEN) == 0);
		buf_reset(&text);
		base64url_encode(&text, sealed.p, SEALED_OVERHEAD + payload.n);
		fuzz_text(s, buf_str(&text), a);
	}
	buf_free(&sealed);
	buf_free(&text);
}

static void
fuzz_ring(struct str text)
{
	struct keyring *k = keyring_parse(text, "fuzz", NULL), *again;
	struct buf b = { 0 };

	if (!k)
		return;
	keyring_print(k, &b);
	again = keyring_parse(buf_str(&b), "fuzz", NULL);
	check(again && again->nkeys == k->nkeys);
	buf_wipe(&b);
	keyring_free(&k);
	keyring_free(&again);
}

static void
fuzz_address(struct str text, struct arena *a)
{
	struct str once, twice;

	if (address_normalize(a, text, &once, NULL) == 0) {
		check(address_normalize(a, once, &twice, NULL) == 0 && str_eq(once, twice));
		for (size_t i = 0; i < once.n; i++)
			check((unsigned char)once.p[i] >= 0x20 && once.p[i] != 0x7f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t seed[32] = { 'f', 'u', 'z', 'z' };
	static struct keyring *ring;
	static struct sealer *sealer;
	struct arena *a;
	struct str rest;

	if (n == 0 || n > 70000)
		return 0;
	if (!ring) {
		ring = keyring_ephemeral(seed);
		sealer = sealer_new(ring);
	}
	a = arena_new(4096);
	rest = str_make((const char *)data + 1, n - 1);
	switch (data[0]) {
	case 't':
		fuzz_text(sealer, rest, a);
		break;
	case 'p':
		fuzz_payload(sealer, rest, a);
		break;
	case 'k':
		fuzz_ring(rest);
		break;
	case 'a':
		fuzz_address(rest, a);
		break;
	}
	arena_free(&a);
	return 0;
}
