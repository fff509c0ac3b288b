/*
 * mint: links of copies that were never mailed, for tests and benchmarks of the endpoint: N recipients with
 * one copy each, as the key ring in FILE would seal them.
 *
 *     mint FILE CAMPAIGN CATEGORY DOMAIN FIRST N
 *
 * A line each, numbered from FIRST: recipient hash, copy id, and the paths of open, click, unsubscribe and
 * preferences, then the click id. The recipients' addresses are NUMBER@DOMAIN.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "token/hex.h"
#include "token/token.h"

static void
seal(struct sealer *s, struct token *t, enum token_purpose purpose, struct buf *out)
{
	struct err e = { 0 };
	t->purpose = purpose;
	t->url = purpose == TOKEN_CLICK ? STR("https://shop.example/sale?a=1&b=2") : STR_NULL;
	if (purpose == TOKEN_CLICK_ID)
		buf_addc(out, ' ');
	else
		buf_printf(out, " /%c/", purpose);
	if (token_seal(s, t, out, &e) != 0) {
		fprintf(stderr, "mint: %s\n", e.text);
		exit(1);
	}
}

static void
line(const struct keyring *k, struct sealer *s, const char *domain, struct token *t, unsigned long number)
{
	char address[128];
	uint8_t id[16];
	struct buf out = { 0 };
	snprintf(address, sizeof(address), "%lu@%s", number, domain);
	const struct str whole = str_of(address);
	recipient_key_of(k, whole, &t->recipient);
	keyed_id(k, "mint", &whole, 1, id);
	memcpy(t->copy, id, sizeof(t->copy));
	hex_print(&out, t->recipient.b, sizeof(t->recipient.b));
	buf_addc(&out, ' ');
	hex_print(&out, t->copy, sizeof(t->copy));
	seal(s, t, TOKEN_OPEN, &out);
	seal(s, t, TOKEN_CLICK, &out);
	seal(s, t, TOKEN_UNSUBSCRIBE, &out);
	seal(s, t, TOKEN_PREFERENCES, &out);
	seal(s, t, TOKEN_CLICK_ID, &out);
	printf("%.*s\n", (int)out.n, out.p);
	buf_free(&out);
}

int
main(int argc, char **argv)
{
	struct err e = { 0 };
	if (argc != 7) {
		fputs("usage: mint FILE CAMPAIGN CATEGORY DOMAIN FIRST N\n", stderr);
		return 64;
	}
	struct keyring *k = keyring_load(argv[1], &e);
	if (k == NULL) {
		fprintf(stderr, "mint: %s\n", e.text);
		return 1;
	}
	struct sealer *s = sealer_new(k);
	struct token t = {
		.sent = (uint32_t)time(NULL),
		.campaign = str_of(argv[2]),
		.category = str_of(argv[3]),
		.arm = STR("tailored"),
	};
	unsigned long first = strtoul(argv[5], NULL, 10), n = strtoul(argv[6], NULL, 10);
	for (unsigned long i = 0; i < n; i++)
		line(k, s, argv[4], &t, first + i);
	sealer_free(&s);
	keyring_free(&k);
	return fflush(stdout) == 0 ? 0 : 1;
}
