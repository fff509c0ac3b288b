#include "token/base64url.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void
base64url_encode(struct buf *out, const void *data, size_t n)
{
	const uint8_t *p = data;
	char *q;

	buf_reserve(out, base64url_length(n));
	q = out->p + out->n;
	for (; n >= 3; p += 3, n -= 3) {
		uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

		*q++ = alphabet[v >> 18];
		*q++ = alphabet[v >> 12 & 63];
		*q++ = alphabet[v >> 6 & 63];
		*q++ = alphabet[v & 63];
	}
	if (n > 0) {
		uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0);

		*q++ = alphabet[v >> 18];
		*q++ = alphabet[v >> 12 & 63];
		if (n > 1)
			*q++ = alphabet[v >> 6 & 63];
	}
	*q = '\0';
	out->n = (size_t)(q - out->p);
}

/* The value of a character, or -1. */
static int
sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int
base64url_decode(struct str text, unsigned char *out, size_t *n)
{
	uint32_t acc = 0;
	int bits = 0;
	size_t w = 0;

	if (text.n % 4 == 1)
		return -1;
	for (size_t i = 0; i < text.n; i++) {
		int v = sextet(text.p[i]);

		if (v < 0)
			return -1;
		acc = (acc << 6 | (uint32_t)v) & 0xffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[w++] = (unsigned char)(acc >> bits);
		}
	}
	if ((acc & ((1u << bits) - 1)) != 0)
		return -1;
	*n = w;
	return 0;
}
