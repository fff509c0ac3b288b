#include "token/base64url.h"

#include <stdbool.h>
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

#define NONE 64 /* no character of the alphabet */
/* A table, since where branches go would cost more than the rest: tokens are random. */
static const uint8_t sextets[256] = {
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64, 64, 0,	1,  2,	3,  4,	5,  6,
	7,  8,	9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63,
	64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
	49, 50, 51, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
};

int
base64url_decode(struct str text, unsigned char *out, size_t *n)
{
	const uint8_t *p = (const uint8_t *)text.p;
	size_t i = 0, w = 0;
	uint32_t bad = 0;

	if (text.n % 4 == 1)
		return -1;
	for (; i + 4 <= text.n; i += 4) {
		uint32_t a = sextets[p[i]], b = sextets[p[i + 1]], c = sextets[p[i + 2]],
			 d = sextets[p[i + 3]];
		uint32_t v = a << 18 | b << 12 | c << 6 | d;

		bad |= a | b | c | d;
		out[w++] = (unsigned char)(v >> 16);
		out[w++] = (unsigned char)(v >> 8);
		out[w++] = (unsigned char)v;
	}
	if (i < text.n) { /* two or three are left, and the bits that fill the last are zero */
		bool three = text.n - i == 3;
		uint32_t a = sextets[p[i]], b = sextets[p[i + 1]], c = three ? sextets[p[i + 2]] : 0;
		uint32_t v = a << 18 | b << 12 | c << 6;

		bad |= a | b | c;
		out[w++] = (unsigned char)(v >> 16);
		if (three)
			out[w++] = (unsigned char)(v >> 8);
		if ((three ? v & 0xff : v & 0xffff) != 0)
			return -1;
	}
	if ((bad & NONE) != 0)
		return -1;
	*n = w;
	return 0;
}
