#include "token/job.h"

#include <openssl/crypto.h>
#include <string.h>

#include "token/hex.h"

#define IDEM_LEN 16
#define MAC_LEN 16
/* Digits of a time: until the year 5138. */
#define MAX_DIGITS 11
#define VERSION "1"
#define WORDS 4

/* Over the texts as they stand in the value, each with its length. */
static void
mark_mac(const struct keyring *k, struct str idem_hex, struct str seconds, uint8_t mac[MAC_LEN])
{
	const struct str parts[] = { STR(VERSION), idem_hex, seconds };

	keyed_id(k, "job mark", parts, 3, mac);
}

int
job_mark_seal(const struct keyring *k, const uint8_t idem[16], int64_t now_ms, struct buf *out)
{
	const size_t idem_at = out->n + sizeof(VERSION " ") - 1, idem_end = idem_at + 2 * IDEM_LEN;
	uint8_t mac[MAC_LEN];

	if (now_ms < 0 || now_ms / 1000 > 99999999999)
		return -1;
	buf_adds(out, STR(VERSION " "));
	hex_print(out, idem, IDEM_LEN);
	buf_printf(out, " %lld", (long long)(now_ms / 1000));
	mark_mac(k, str_sub(buf_str(out), idem_at, idem_end), str_sub(buf_str(out), idem_end + 1, out->n),
		 mac);
	buf_addc(out, ' ');
	hex_print(out, mac, sizeof(mac));
	return 0;
}

/* Exactly WORDS words, parted by white space. */
static bool
split_words(struct str value, struct str w[WORDS])
{
	size_t n = 0, i = 0;

	for (value = str_trim(value); i < value.n;) {
		size_t from = i;

		while (i < value.n && !ascii_isspace(value.p[i]))
			i++;
		if (n == WORDS)
			return false;
		w[n++] = str_sub(value, from, i);
		while (i < value.n && ascii_isspace(value.p[i]))
			i++;
	}
	return n == WORDS;
}

/* As job_mark_seal prints it: no sign, no leading zero. */
static bool
read_seconds(struct str w, int64_t *out)
{
	int64_t v = 0;

	if (w.n > MAX_DIGITS || (w.n > 1 && w.p[0] == '0'))
		return false;
	for (size_t i = 0; i < w.n; i++) {
		if (!ascii_isdigit(w.p[i]))
			return false;
		v = v * 10 + (w.p[i] - '0');
	}
	*out = v;
	return true;
}

bool
job_mark_verify(const struct keyring *k, struct str value, uint8_t idem[16], int64_t *at_s)
{
	struct str w[WORDS];
	uint8_t id[IDEM_LEN], mac[MAC_LEN], want[MAC_LEN];
	int64_t at = 0;

	if (!split_words(value, w) || !str_eq(w[0], STR(VERSION)) || hex_parse(w[1], id, IDEM_LEN) < 0 ||
	    !read_seconds(w[2], &at) || hex_parse(w[3], mac, MAC_LEN) < 0)
		return false;
	for (size_t i = 0; i < 2 * MAC_LEN; i++)
		if (w[3].p[i] != ascii_lower(w[3].p[i])) /* the MAC covers the case of all but itself */
			return false;
	mark_mac(k, w[1], w[2], want);
	if (CRYPTO_memcmp(mac, want, MAC_LEN) != 0)
		return false;
	if (idem)
		memcpy(idem, id, IDEM_LEN);
	if (at_s)
		*at_s = at;
	return true;
}
