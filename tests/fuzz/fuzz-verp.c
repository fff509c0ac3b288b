/*
 * Return paths and job marks. The first byte chooses:
 *   a  the rest as the address of a bounce, and as a bare token
 *   r  the rest as a return path that a campaign would have
 *   s  the rest as recipient key and copy id, then bits that say which characters an MTA folds
 *   j  the rest as the value of X-Mailtailor-Job
 *   b  the rest as base32, and as bytes to write in it
 * The corpus has a token and a mark under the key ring used here.
 */
#include <stdlib.h>

#include "token/base32.h"
#include "token/job.h"
#include "token/verp.h"

static void
check(bool ok)
{
	if (!ok)
		abort();
}

/* One text per token, but for its case. */
static void
fuzz_address(struct sealer *s, struct str text)
{
	struct verp v, bare;
	uint8_t copy[8] = { 0 };
	struct buf b = { 0 };
	size_t at;

	if (verp_open(s, text, &bare, NULL) == 0) {
		memcpy(copy, bare.copy, VERP_COPY_LEN);
		check(verp_seal(s, &bare.recipient, copy, &b) == 0 && str_caseeq(buf_str(&b), text));
	}
	if (verp_find(s, text, &v, NULL) == 0) {
		memcpy(copy, v.copy, VERP_COPY_LEN);
		buf_reset(&b);
		check(verp_seal(s, &v.recipient, copy, &b) == 0);
		for (at = text.n; text.p[at - 1] != '@'; at--)
			check(at > 1);
		check(at > b.n + 2 && text.p[at - b.n - 2] == '+');
		check(str_caseeq(str_sub(text, at - 1 - b.n, at - 1), buf_str(&b)));
	}
	buf_free(&b);
}

static void
fuzz_return_path(struct sealer *s, struct str text)
{
	static const struct recipient_key rk = { { 1, 2, 3 } };
	static const uint8_t copy[8] = { 4, 5 };
	struct buf path = { 0 }, b = { 0 };
	struct verp v;
	struct err e = { 0 };

	buf_adds(&path, text);
	/* As a C string it ends at the first NUL. */
	if (verp_address(s, path.p, &rk, copy, &b, &e) == 0) {
		check(verp_return_path_valid(str_of(path.p)));
		check(b.n <= 254 && str_find_char(buf_str(&b), '@') <= 64 && str_is_ascii(buf_str(&b)));
		for (size_t i = 0; i < b.n; i++)
			check(b.p[i] > ' ' && b.p[i] != 0x7f && !strchr("<>\",;:()[]\\", b.p[i]));
		check(verp_find(s, buf_str(&b), &v, NULL) == 0);
		check(memcmp(v.recipient.b, rk.b, RECIPIENT_KEY_LEN) == 0 && v.copy[1] == copy[1]);
	} else {
		check(b.n == 0 && e.kind == ERR_CONFIG && !verp_return_path_valid(str_of(path.p)));
	}
	if (memchr(text.p, '\0', text.n))
		check(!verp_return_path_valid(text));
	buf_free(&path);
	buf_free(&b);
}

static void
fuzz_seal(struct sealer *s, struct str data)
{
	struct recipient_key rk = { { 0 } };
	uint8_t copy[8] = { 0 };
	struct buf b = { 0 };
	struct verp v;
	struct str fold = str_sub(data, 24, data.n);

	if (data.n < 24)
		return;
	memcpy(rk.b, data.p, RECIPIENT_KEY_LEN);
	memcpy(copy, data.p + RECIPIENT_KEY_LEN, 8);
	check(verp_seal(s, &rk, copy, &b) == 0 && b.n == VERP_TOKEN_LEN);
	for (size_t i = 0; i < b.n && i / 8 < fold.n; i++)
		if ((fold.p[i / 8] >> i % 8 & 1) && ascii_isalpha(b.p[i]))
			b.p[i] = (char)(b.p[i] - 32);
	check(verp_open(s, buf_str(&b), &v, NULL) == 0);
	check(memcmp(v.recipient.b, rk.b, RECIPIENT_KEY_LEN) == 0);
	check(memcmp(v.copy, copy, VERP_COPY_LEN) == 0);
	buf_free(&b);
}

/* What verifies is what was sealed, but for white space. */
static void
fuzz_mark(const struct keyring *k, struct str value)
{
	uint8_t idem[16];
	int64_t at = -1;
	struct buf b = { 0 };
	size_t n = 0;

	if (!job_mark_verify(k, value, idem, &at))
		return;
	check(job_mark_seal(k, idem, at * 1000, &b) == 0);
	for (size_t i = 0; i < value.n; i++) {
		if (ascii_isspace(value.p[i]))
			continue;
		while (n < b.n && b.p[n] == ' ')
			n++;
		check(n < b.n && b.p[n++] == value.p[i]);
	}
	check(n == b.n);
	buf_free(&b);
}

static void
fuzz_base32(struct str text)
{
	unsigned char *raw = malloc(text.n * 8 / 5 + 8);
	struct buf b = { 0 };
	size_t n = 0;

	check(raw != NULL);
	base32_encode(&b, text.p, text.n);
	check(b.n == BASE32_LENGTH(text.n));
	check(base32_decode(buf_str(&b), raw, &n) == 0);
	check(str_eq(str_make((char *)raw, n), text));
	free(raw);
	raw = malloc(text.n * 5 / 8 + 1); /* exactly: the sanitizer sees a byte too many */
	check(raw != NULL);
	if (base32_decode(text, raw, &n) == 0) {
		buf_reset(&b);
		base32_encode(&b, raw, n);
		check(str_caseeq(buf_str(&b), text));
	}
	free(raw);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t seed[32] = { 'f', 'u', 'z', 'z' };
	static struct keyring *ring;
	static struct sealer *sealer;
	struct str rest;

	if (n == 0 || n > 4096)
		return 0;
	if (!ring) {
		ring = keyring_ephemeral(seed);
		sealer = sealer_new(ring);
	}
	rest = str_make((const char *)data + 1, n - 1);
	switch (data[0]) {
	case 'a':
		fuzz_address(sealer, rest);
		break;
	case 'r':
		fuzz_return_path(sealer, rest);
		break;
	case 's':
		fuzz_seal(sealer, rest);
		break;
	case 'j':
		fuzz_mark(ring, rest);
		break;
	case 'b':
		fuzz_base32(rest);
		break;
	}
	return 0;
}
