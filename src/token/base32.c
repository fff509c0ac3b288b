#include "token/base32.h"

#include <stdint.h>

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

void
base32_encode(struct buf *out, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t acc = 0;
	int bits = 0;
	char *q;

	buf_reserve(out, BASE32_LENGTH(n));
	q = out->p + out->n;
	for (size_t i = 0; i < n; i++) {
		acc = (acc << 8 | p[i]) & 0xffff;
		for (bits += 8; bits >= 5; bits -= 5)
			*q++ = alphabet[acc >> (bits - 5) & 31];
	}
	if (bits > 0)
		*q++ = alphabet[acc << (5 - bits) & 31];
	*q = '\0';
	out->n = (size_t)(q - out->p);
}

/* The value of a character, or -1. */
static int
quintet(char c)
{
	c = ascii_lower(c);
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

int
base32_decode(struct str text, unsigned char *out, size_t *n)
{
	uint32_t acc = 0;
	int bits = 0;
	size_t w = 0;

	for (size_t i = 0; i < text.n; i++) {
		int v = quintet(text.p[i]);

		if (v < 0)
			return -1;
		acc = (acc << 5 | (uint32_t)v) & 0xffff;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			out[w++] = (unsigned char)(acc >> bits);
		}
	}
	/* Five bits or more left over: the last character was not needed. */
	if (bits >= 5 || (acc & ((1u << bits) - 1)) != 0)
		return -1;
	*n = w;
	return 0;
}
