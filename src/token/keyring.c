#include "token/keyring.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "token/hex.h"

#define HEADER "mailtailor-keys 1"
/* "key ID STATE SECRET created TIME retired TIME" */
#define MAX_WORDS 8

static const char *const state_names[] = { "sealing", "opening", "retired" };

const char *
key_state_name(enum key_state s)
{
	return state_names[s];
}

struct keyring *
keyring_new(void)
{
	struct keyring *k = calloc(1, sizeof(*k));

	if (!k) {
		log_error("out of memory for the key ring");
		abort();
	}
	return k;
}

void
keyring_free(struct keyring **k)
{
	if (!*k)
		return;
	hmac_pool_free(&(*k)->ids);
	OPENSSL_cleanse(*k, sizeof(**k));
	free(*k);
	*k = NULL;
}

void
buf_wipe(struct buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->cap);
	buf_free(b);
}

/* ---- derived keys ---- */

/* HKDF-SHA-256 (RFC 5869) without salt. */
static int
derive(const uint8_t secret[KEYRING_SECRET_LEN], const char *label, uint8_t *out, size_t n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *c = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, KEYRING_SECRET_LEN),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)label, strlen(label)),
		OSSL_PARAM_construct_end(),
	};
	int rc = c && EVP_KDF_derive(c, out, n, params) == 1 ? 0 : -1;

	EVP_KDF_CTX_free(c);
	EVP_KDF_free(kdf);
	return rc;
}

int
keyring_derive(struct keyring *k, struct err *e)
{
	uint8_t id[32];
	int rc = derive(k->site, KEYRING_LABEL_ID, id, sizeof(id));

	for (size_t i = 0; rc == 0 && i < k->nkeys; i++) {
		struct ring_key *r = &k->keys[i];

		/* A retired key opens no token, but what is stored under it must stay readable. */
		if (r->info.state != KEY_RETIRED)
			rc = derive(r->secret, KEYRING_LABEL_LINK, r->link, sizeof(r->link));
		if (rc == 0 && r->info.state != KEY_RETIRED)
			rc = derive(r->secret, KEYRING_LABEL_VERP, r->verp, sizeof(r->verp));
		if (rc == 0)
			rc = derive(r->secret, KEYRING_LABEL_DATA, r->data, sizeof(r->data));
	}
	if (rc == 0) {
		hmac_pool_free(&k->ids);
		k->ids = hmac_pool_new(id);
		rc = k->ids ? 0 : -1;
	}
	OPENSSL_cleanse(id, sizeof(id));
	if (rc < 0)
		return err_set(e, ERR_BUG,
			       "OpenSSL does not offer HKDF or HMAC with SHA-256; check its "
			       "configuration (openssl.cnf: the default provider must be active)");
	return 0;
}

struct keyring *
keyring_ephemeral(const uint8_t seed[32])
{
	struct keyring *k = keyring_new();

	k->nkeys = 1;
	k->keys[0].info = (struct key_info){ .id = 1, .state = KEY_SEALING };
	if (derive(seed, "mailtailor 1 ephemeral site", k->site, sizeof(k->site)) < 0 ||
	    derive(seed, "mailtailor 1 ephemeral key", k->keys[0].secret, KEYRING_SECRET_LEN) < 0 ||
	    keyring_derive(k, NULL) < 0) {
		log_error("OpenSSL does not offer HKDF or HMAC with SHA-256");
		abort();
	}
	return k;
}

const struct ring_key *
keyring_sealing(const struct keyring *k)
{
	for (size_t i = 0; i < k->nkeys; i++)
		if (k->keys[i].info.state == KEY_SEALING)
			return &k->keys[i];
	return NULL;
}

size_t
keyring_list(const struct keyring *k, struct key_info *out, size_t max)
{
	for (size_t i = 0; i < k->nkeys && i < max; i++)
		out[i] = k->keys[i].info;
	return k->nkeys;
}

/* ---- text ---- */

struct parser {
	const char *name;
	unsigned line;
	struct keyring *k;
	bool have_site;
	struct err *e;
};

#define FAIL(p, ...) \
	(err_set((p)->e, ERR_CONFIG, __VA_ARGS__), err_prefix((p)->e, "%s:%u", (p)->name, (p)->line))

static int
parse_secret(struct parser *p, struct str w, uint8_t out[KEYRING_SECRET_LEN])
{
	if (hex_parse(w, out, KEYRING_SECRET_LEN) == 0)
		return 0;
	/* The word itself is a secret: never in the message. */
	return FAIL(p, "a secret is 64 hex digits; restore the file from its backup");
}

static int
parse_time(struct parser *p, struct str word, struct str w, const char *want, int64_t *ms)
{
	if (!str_eq(word, str_of(want)))
		return FAIL(p, "\"%s TIME\" expected", want);
	/* In a damaged line the word may be a secret: never in the message. */
	if (clock_parse_rfc3339(w, ms, NULL) < 0)
		return FAIL(p, "behind \"%s\" a time like 2026-03-29T09:00:00Z expected", want);
	/* 0 would read as "not retired". */
	return *ms > 0 ? 0 : FAIL(p, "a time after 1970 expected");
}

static int
parse_site(struct parser *p, const struct str *w, size_t n)
{
	if (n != 4)
		return FAIL(p, "expected: site SECRET created TIME");
	if (p->have_site)
		return FAIL(p, "a second site line; stored hashes belong to one site key: keep the first");
	p->have_site = true;
	if (parse_secret(p, w[1], p->k->site) < 0)
		return -1;
	return parse_time(p, w[2], w[3], "created", &p->k->site_created_ms);
}

static int
parse_id(struct parser *p, struct str w, uint32_t *id)
{
	uint64_t v = 0;
	bool ok = w.n >= 1 && w.n <= 10 && w.p[0] != '0';

	for (size_t i = 0; ok && i < w.n; i++) {
		ok = ascii_isdigit(w.p[i]);
		v = v * 10 + (uint64_t)(w.p[i] - '0');
	}
	if (!ok || v > UINT32_MAX)
		return FAIL(p, "a key id is a number from 1 to 4294967295");
	*id = (uint32_t)v;
	return 0;
}

static int
parse_key(struct parser *p, const struct str *w, size_t n)
{
	struct ring_key *r = &p->k->keys[p->k->nkeys];
	int state = -1;

	if (n != 6 && n != 8)
		return FAIL(p, "expected: key ID STATE SECRET created TIME [retired TIME]");
	if (p->k->nkeys == KEYRING_MAX_KEYS)
		return FAIL(p, "more than %d keys; delete the lines of the oldest retired keys",
			    KEYRING_MAX_KEYS);
	if (parse_id(p, w[1], &r->info.id) < 0)
		return -1;
	for (size_t i = 0; i < p->k->nkeys; i++)
		if (p->k->keys[i].info.id == r->info.id)
			return FAIL(p, "a second key %u; ids are unique", r->info.id);
	for (int i = 0; i < 3; i++)
		if (str_eq(w[2], str_of(state_names[i])))
			state = i;
	if (state < 0)
		return FAIL(p, "the state of a key is sealing, opening or retired");
	r->info.state = (enum key_state)state;
	if (r->info.state == KEY_SEALING && keyring_sealing(p->k))
		return FAIL(p, "a second sealing key; make all but the newest \"opening\"");
	if (parse_secret(p, w[3], r->secret) < 0 ||
	    parse_time(p, w[4], w[5], "created", &r->info.created_ms) < 0)
		return -1;
	if ((n == 8) != (r->info.state == KEY_RETIRED))
		return FAIL(p, "\"retired TIME\" belongs to a retired key, and only to one");
	if (n == 8 && parse_time(p, w[6], w[7], "retired", &r->info.retired_ms) < 0)
		return -1;
	p->k->nkeys++;
	return 0;
}

static int
parse_line(struct parser *p, struct str line)
{
	struct str w[MAX_WORDS] = { STR_NULL }, word;
	size_t n = 0;

	line = str_trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return 0;
	while (str_split(&line, ' ', &word)) {
		if (word.n == 0)
			continue;
		if (n == MAX_WORDS)
			return FAIL(p, "too many words");
		w[n++] = word;
	}
	if (str_eq(w[0], STR("site")))
		return parse_site(p, w, n);
	if (str_eq(w[0], STR("key")))
		return parse_key(p, w, n);
	return FAIL(p, "a line begins with \"site\", \"key\" or \"#\"");
}

static int
parse_text(struct parser *p, struct str text)
{
	struct str line;

	if (text.n > KEYRING_MAX_FILE)
		return FAIL(p, "larger than %d bytes; this is no key ring", KEYRING_MAX_FILE);
	if (!str_split(&text, '\n', &line) || !str_eq(line, STR(HEADER)))
		return FAIL(p, "the first line of a key ring is \"" HEADER
			       "\"; is this the right file, and no newer "
			       "than this program?");
	while (str_split(&text, '\n', &line)) {
		p->line++;
		if (parse_line(p, line) < 0)
			return -1;
	}
	if (!p->have_site)
		return FAIL(p, "no site line; restore the file from its backup");
	if (!keyring_sealing(p->k))
		return FAIL(p, "no sealing key; restore the file from its backup");
	return keyring_derive(p->k, p->e);
}

struct keyring *
keyring_parse(struct str text, const char *name, struct err *e)
{
	struct parser p = { .name = name, .line = 1, .k = keyring_new(), .e = e };

	if (parse_text(&p, text) < 0)
		keyring_free(&p.k);
	return p.k;
}

void
keyring_print(const struct keyring *k, struct buf *out)
{
	char when[40];

	/* All at once: growing would leave copies of secrets in freed memory. */
	buf_reserve(out, 1024 + 256 * k->nkeys);
	buf_adds(
	    out,
	    STR(HEADER
		"\n"
		"# The secrets of mailtailor: whoever reads this file can forge links and read profiles.\n"
		"# Keep a backup: without it no link already mailed and no stored profile opens again.\n"
		"# Written by `mailtailor key`; other comments are not kept.\n"
		"site "));
	hex_print(out, k->site, KEYRING_SECRET_LEN);
	buf_printf(out, " created %s\n", clock_format_rfc3339(k->site_created_ms, when));
	for (size_t i = 0; i < k->nkeys; i++) {
		const struct key_info *in = &k->keys[i].info;

		buf_printf(out, "key %u %s ", in->id, key_state_name(in->state));
		hex_print(out, k->keys[i].secret, KEYRING_SECRET_LEN);
		buf_printf(out, " created %s", clock_format_rfc3339(in->created_ms, when));
		if (in->state == KEY_RETIRED)
			buf_printf(out, " retired %s", clock_format_rfc3339(in->retired_ms, when));
		buf_addc(out, '\n');
	}
}
