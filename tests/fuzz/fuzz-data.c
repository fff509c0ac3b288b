/*
 * fuzz-data: any bytes as a data part, or as the body around one. The first byte says which: 0 JSON as it is,
 * 1 base64, 2 quoted-printable, 3 packed, 4 (LF) and 5 (CRLF) the body of a multipart/mixed with boundary b.
 * What must hold, whatever came in:
 * - a message, or an error with a text;
 * - JSON as it is gives what the JSON parser makes of it: the same entries, and every mistake is seen;
 * - the message without the part prepares again and makes the same copy, and there is nothing more to take
 * out.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "tailor/tailor.h"

#define MUST(x) ((x) ? (void)0 : abort())
#define HEAD                                                                                            \
	"From: a@shop.test\nTo: ann@x.test\nMessage-ID: <1@shop.test>\nContent-Type: multipart/mixed; " \
	"boundary=b\n"
#define PART                                                               \
	"\n--b\nContent-Type: text/plain\n\nHi {{n}}\n--b\nContent-Type: " \
	"application/vnd.mailtailor.data+json\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made once: the process's own. */
static struct world {
	struct conf *conf;
	struct keyring *keys;
	struct sealer *sealer;
	struct tailor_cache *cache;
	struct tailor_scratch *scratch;
	struct arena *a;
	struct buf source, copy, again;
} w;

static void
report(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
	abort();
}

static void
world_open(void)
{
	static const uint8_t seed[32] = "fuzz";
	mail_init();
	w.conf = conf_load_text("fuzz.conf", STR("track { host = \"https://t.test\" }\ncampaign c { }\n"),
				"/nowhere", report, NULL);
	w.keys = keyring_ephemeral(seed);
	w.sealer = sealer_new(w.keys);
	w.cache = tailor_cache_new(w.conf, report, NULL);
	w.scratch = tailor_scratch_new();
	w.a = arena_new(1 << 20);
}

static bool
prepared(struct str source, struct tailor_message **m)
{
	struct err e = { 0 };
	if (tailor_prepare(w.cache, w.conf, &w.conf->campaigns[0], source, m, &e) == 0)
		return true;
	MUST((e.kind == ERR_INPUT || e.kind == ERR_LIMIT) && e.text[0] != '\0');
	return false;
}

static bool
copied(const struct tailor_message *m, const struct value *data, struct buf *out)
{
	struct recipient_snapshot r = { .address = STR("ann@x.test"),
					.domain = STR("x.test"),
					.profile = value_map_new(w.a),
					.language = "en",
					.time_zone = "UTC" };
	struct tailor_input in = {
		.recipient = &r, .data = data, .sealer = w.sealer, .now_ms = 1774774800000
	};
	struct tailor_plan plan;
	struct err e = { 0 };
	buf_reset(out);
	recipient_key_of(w.keys, r.address, &r.key);
	if (tailor_render(m, &in, w.scratch, w.a, &plan, &e) != 0 || plan.decision.verdict != TAILOR_SEND)
		return false;
	tailor_write(m, &plan, out);
	return true;
}

static void
check_strip(const struct tailor_message *m)
{
	const struct value *data = tailor_message_recipient_data(m, STR("ann@x.test"), w.a);
	struct tailor_message *n = NULL;
	struct buf strip = { 0 }, twice = { 0 };
	bool sent = copied(m, data, &w.copy);
	tailor_message_strip(m, &strip);
	MUST(prepared(buf_str(&strip), &n));
	MUST(tailor_message_recipient_json(n, STR("ann@x.test")).p == NULL);
	MUST(copied(n, data, &w.again) == sent);
	MUST(!sent || str_eq(buf_str(&w.copy), buf_str(&w.again)));
	tailor_message_strip(n, &twice);
	MUST(str_eq(buf_str(&strip), buf_str(&twice)));
	tailor_message_free(&n);
	buf_free(&strip);
	buf_free(&twice);
}

/* Is it what a data part should be, by the parser of whole texts? */
static bool
plain_ok(struct str json, const struct tailor_message *m)
{
	const struct json_limits lim = { .max_bytes = 64 << 20, .max_depth = 33 };
	const struct value *all, *v;
	struct buf mine = { 0 }, theirs = { 0 };
	struct str key, address, seen[64];
	size_t n = 0;
	if (json_parse(w.a, json, &lim, &all, NULL) != 0 || all->type != VALUE_MAP)
		return false;
	for (size_t i = 0; i < value_map_count(all); i++) {
		value_map_entry(all, i, &key, &v);
		if (v->type != VALUE_MAP || address_normalize(w.a, key, &address, NULL) != 0)
			return false;
		for (size_t k = 0; k < n; k++)
			if (str_eq(seen[k], address))
				return false;
		if (n < 64)
			seen[n++] = address;
	}
	for (size_t i = 0; m && i < value_map_count(all); i++) {
		value_map_entry(all, i, &key, &v);
		MUST(address_normalize(w.a, key, &address, NULL) == 0);
		buf_reset(&mine);
		buf_reset(&theirs);
		const struct value *got = tailor_message_recipient_data(m, address, w.a);
		MUST(got != NULL);
		json_print(&mine, got);
		json_print(&theirs, v);
		MUST(str_eq(buf_str(&mine), buf_str(&theirs)));
	}
	buf_free(&mine);
	buf_free(&theirs);
	return true;
}

static void
source_make(unsigned mode, struct str s)
{
	static const char *const ctes[] = { "8bit", "base64", "quoted-printable", "binary" };
	buf_reset(&w.source);
	buf_adds(&w.source, STR(HEAD));
	if (mode >= 4) {
		buf_addc(&w.source, '\n');
		for (size_t i = 0; i < s.n; i++) {
			if (mode == 5 && s.p[i] == '\n')
				buf_addc(&w.source, '\r');
			buf_addc(&w.source, s.p[i]);
		}
		return;
	}
	buf_printf(&w.source, PART "Content-Transfer-Encoding: %s\n\n", ctes[mode]);
	buf_adds(&w.source, s);
	buf_adds(&w.source, STR("\n--b--\n"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tailor_message *m = NULL;
	if (w.conf == NULL)
		world_open();
	if (size == 0)
		return 0;
	arena_reset(w.a);
	struct str s = str_make((const char *)data + 1, size - 1);
	unsigned mode = data[0] % 6;
	source_make(mode, s);
	bool ok = prepared(buf_str(&w.source), &m);
	if (ok)
		check_strip(m);
	/* what would end the part, is packed, or begins with a BOM is another matter */
	if (mode == 0 && str_find(s, STR("--b")) == s.n && !mail_is_packed(s) &&
	    !str_starts(s, STR("\xef\xbb\xbf")) && (s.n == 0 || s.p[s.n - 1] != '\r'))
		MUST(plain_ok(s, m) == ok);
	tailor_message_free(&m);
	return 0;
}
