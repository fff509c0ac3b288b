/* What the tests of tokens share: rings out of lines, and the vectors of contrib/TOKENS.md. */
#ifndef MT_TEST_TOKEN_H
#define MT_TEST_TOKEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "token/keyring.h"

#define SITE                                                                             \
	"site 00000000000000000000000000000000000000000000000000000000000000ff created " \
	"2026-01-01T00:00:00Z\n"
#define AT(x) #x "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f created 2026-01-01T00:00:00Z"

static inline struct keyring *
ring(const char *keys)
{
	struct buf b = { 0 };
	struct err e = { 0 };
	struct keyring *k;

	buf_printf(&b, "mailtailor-keys 1\n" SITE "%s", keys);
	k = keyring_parse(buf_str(&b), "ring", &e);
	if (!k)
		fail_msg("%s", e.text);
	buf_free(&b);
	return k;
}

/* ---- the vectors of the manual ---- */

static inline char *
read_manual(void)
{
	FILE *f = fopen("contrib/TOKENS.md", "r");
	char *text;
	size_t n;

	if (!f)
		fail_msg("contrib/TOKENS.md: not found; run the tests from the top of the tree");
	text = malloc(200000);
	assert_non_null(text);
	n = fread(text, 1, 199999, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* What stands between the first line `open` and the end of its fence. */
static inline struct str
fenced(const char *text, const char *open)
{
	const char *p = strstr(text, open), *end;

	assert_non_null(p);
	p += strlen(open);
	end = strstr(p, "```\n");
	assert_non_null(end);
	return str_make(p, (size_t)(end - p));
}

static inline struct str
field(const struct value *v, const char *name)
{
	const struct value *f = value_map_get(v, str_of(name));

	if (!f || f->type != VALUE_STRING)
		fail_msg("TOKENS.md: a vector without %s", name);
	return f->s;
}

static inline int64_t
number(const struct value *v, const char *name)
{
	const struct value *f = value_map_get(v, str_of(name));

	if (!f || f->type != VALUE_INT)
		fail_msg("TOKENS.md: a vector without %s", name);
	return f->i;
}

static inline void
unhex(struct str hex, uint8_t *out, size_t n)
{
	assert_int_equal(hex.n, 2 * n);
	for (size_t i = 0; i < n; i++) {
		char two[3] = { hex.p[2 * i], hex.p[2 * i + 1], '\0' };

		out[i] = (uint8_t)strtoul(two, NULL, 16);
	}
}

#endif
