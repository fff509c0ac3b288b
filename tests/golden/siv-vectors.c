/*
 * siv-vectors WYCHEPROOF.json RFC.json: runs Project Wycheproof's AES-SIV-CMAC file and the vectors of RFC
 * 5297 through siv_seal and siv_open. Prints every case that fails and, last, "AES-SIV 442/442, RFC 5297
 * N/N"; exit 1 unless all pass.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "token/token.h"

#define MAX_BYTES 65536
#define MAX_AD 16

struct bytes {
	uint8_t *p;
	size_t n;
};

struct score {
	size_t passed, all;
};

static struct bytes
unhex(const char *hex)
{
	size_t n = hex ? strlen(hex) / 2 : 0;
	struct bytes b = { malloc(n + 1), n };

	if (!b.p || n > MAX_BYTES)
		exit(2);
	for (size_t i = 0; i < n; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		b.p[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return b;
}

static struct bytes
unhex_field(const json_t *o, const char *name)
{
	return unhex(json_string_value(json_object_get(o, name)));
}

static struct str
as_str(struct bytes b)
{
	return str_make((const char *)b.p, b.n);
}

/* A valid case seals to ct and opens to msg; an invalid one does not open and leaves nothing behind. */
static int
case_holds(struct bytes key, const struct str *ad, size_t nad, struct bytes msg, struct bytes ct, int valid)
{
	uint8_t *out = calloc(1, msg.n + ct.n + 32);
	int ok;

	if (!out)
		exit(2);
	if (valid) {
		ok = siv_seal(key.p, key.n, ad, nad, as_str(msg), out) == 0 && msg.n + 16 == ct.n &&
		     memcmp(out, ct.p, ct.n) == 0;
		memset(out, 0xaa, msg.n + 16);
		ok = ok && siv_open(key.p, key.n, ad, nad, as_str(ct), out) == 0 &&
		     memcmp(out, msg.p, msg.n) == 0;
	} else {
		memset(out, 0xaa, ct.n);
		ok = siv_open(key.p, key.n, ad, nad, as_str(ct), out) < 0;
		for (size_t i = 0; ok && i + 16 < ct.n; i++)
			ok = out[i] == 0;
	}
	free(out);
	return ok;
}

static void
run_wycheproof_case(const json_t *t, struct score *score)
{
	struct bytes key = unhex_field(t, "key"), aad = unhex_field(t, "aad"), msg = unhex_field(t, "msg"),
		     ct = unhex_field(t, "ct");
	struct str ad = as_str(aad);
	const char *result = json_string_value(json_object_get(t, "result"));

	score->all++;
	if (result && case_holds(key, &ad, 1, msg, ct, strcmp(result, "valid") == 0))
		score->passed++;
	else
		printf("Wycheproof case %d (%s): wrong\n",
		       (int)json_integer_value(json_object_get(t, "tcId")),
		       json_string_value(json_object_get(t, "comment")));
	free(key.p);
	free(aad.p);
	free(msg.p);
	free(ct.p);
}

static void
run_rfc_case(const json_t *t, struct score *score)
{
	struct bytes key = unhex_field(t, "key"), pt = unhex_field(t, "pt"), siv = unhex_field(t, "siv"),
		     ct = unhex_field(t, "ct"), comp[MAX_AD], sealed;
	const json_t *ads = json_object_get(t, "ad");
	size_t nad = json_array_size(ads);
	struct str ad[MAX_AD];

	if (nad > MAX_AD)
		exit(2);
	for (size_t i = 0; i < nad; i++) {
		comp[i] = unhex(json_string_value(json_array_get(ads, i)));
		ad[i] = as_str(comp[i]);
	}
	sealed.n = siv.n + ct.n;
	sealed.p = malloc(sealed.n + 1);
	if (!sealed.p)
		exit(2);
	memcpy(sealed.p, siv.p, siv.n);
	memcpy(sealed.p + siv.n, ct.p, ct.n);
	score->all++;
	if (case_holds(key, ad, nad, pt, sealed, 1))
		score->passed++;
	else
		printf("RFC 5297 %s: wrong\n", json_string_value(json_object_get(t, "name")));
	for (size_t i = 0; i < nad; i++)
		free(comp[i].p);
	free(sealed.p);
	free(key.p);
	free(pt.p);
	free(siv.p);
	free(ct.p);
}

static json_t *
load(const char *file)
{
	json_error_t e;
	json_t *root = json_load_file(file, 0, &e);

	if (!root) {
		fprintf(stderr, "siv-vectors: %s:%d: %s\n", file, e.line, e.text);
		exit(2);
	}
	return root;
}

int
main(int argc, char **argv)
{
	struct score wycheproof = { 0, 0 }, rfc = { 0, 0 };
	json_t *root, *group, *t;
	size_t i, j;

	if (argc != 3) {
		fprintf(stderr, "usage: siv-vectors WYCHEPROOF.json RFC.json\n");
		return 2;
	}
	root = load(argv[1]);
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
	    json_array_foreach(json_object_get(group, "tests"), j, t) run_wycheproof_case(t, &wycheproof);
	json_decref(root);
	root = load(argv[2]);
	json_array_foreach(json_object_get(root, "vectors"), i, t) run_rfc_case(t, &rfc);
	json_decref(root);
	printf("AES-SIV %zu/%zu, RFC 5297 %zu/%zu\n", wycheproof.passed, wycheproof.all, rfc.passed, rfc.all);
	return wycheproof.passed == wycheproof.all && rfc.passed == rfc.all && wycheproof.all > 0 &&
		       rfc.all > 0
		   ? 0
		   : 1;
}
