/*
 * corpus-tailor OUTDIR: reads names of messages from standard input, one a
 * line, and makes copies of each as campaign mail, in three ways:
 *
 *	plain      templates off, tracking granted
 *	templates  templates on, tracking granted
 *	denied     templates off, tracking denied: the body must stay as it is
 *
 * Each copy becomes OUTDIR/NUMBER.WAY.eml and a JSON line: {"file", "way",
 * "copy": name or null, "body_changed", "kind" and "error" when there is no
 * copy}. The key ring is the one that copy-compare knows. Exit status: 0, or
 * 1 when the same copy made twice is not the same, or a file cannot be read.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tailor/tailor.h"

#define NOW_MS ((int64_t)1760000000000)

enum way { WAY_PLAIN, WAY_TEMPLATES, WAY_DENIED, WAYS };
static const char *const way_names[WAYS] = { "plain", "templates", "denied" };
static const char conf_text[] = "track { host = \"https://t.shop.example\" }\n"
				"campaign \"plain\" { templates = no feedback_id = \"orchard\" }\n"
				"campaign \"templates\" { unsubscribe_mailto = \"u@shop.example\" }\n";

struct desk {
	struct arena *arena; /* of the whole run */
	struct conf *conf;
	struct tailor_cache *cache;
	struct keyring *keys;
	struct sealer *sealer;
	struct tailor_scratch *scratch;
	struct recipient_snapshot recipient;
	const char *outdir;
	long number;
	int status;
};

static void
report(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "corpus-tailor: %s\n", text);
}

static void
recipient_fill(struct desk *d)
{
	struct recipient_snapshot *r = &d->recipient;
	struct value *profile = value_map_new(d->arena);
	value_map_set(d->arena, profile, STR("first_name"), value_string(d->arena, STR("Zoë")));
	value_map_set(d->arena, profile, STR("name"), value_string(d->arena, STR("Zoë <script> \"Quote\"")));
	r->address = STR("zoe@customers.example");
	r->domain = STR("customers.example");
	recipient_key_of(d->keys, r->address, &r->key);
	domain_key_of(d->keys, r->domain, &r->domain_key);
	memset(r->idem, 0x5a, sizeof(r->idem));
	r->known = true;
	r->profile = profile;
	r->language = "en";
	r->time_zone = "Europe/Berlin";
}

static int
desk_open(struct desk *d)
{
	const uint8_t seed[32] = { 1 };
	mail_init();
	d->arena = arena_new(4096);
	d->conf = conf_load_text("corpus-tailor", STR(conf_text), "/nonexistent", report, NULL);
	d->cache = d->conf ? tailor_cache_new(d->conf, report, NULL) : NULL;
	d->keys = keyring_ephemeral(seed);
	d->sealer = d->keys ? sealer_new(d->keys) : NULL;
	d->scratch = tailor_scratch_new();
	if (d->cache == NULL || d->sealer == NULL)
		return -1;
	recipient_fill(d);
	return 0;
}

static void
desk_close(struct desk *d)
{
	tailor_scratch_free(&d->scratch);
	sealer_free(&d->sealer);
	keyring_free(&d->keys);
	tailor_cache_free(&d->cache);
	conf_free(&d->conf);
	arena_free(&d->arena);
}

static int
read_file(const char *path, struct buf *out)
{
	char chunk[65536];
	size_t n;
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return -1;
	buf_reset(out);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(out, chunk, n);
	int rc = ferror(f) ? -1 : 0;
	fclose(f);
	return rc;
}

static int
write_file(const char *path, struct str s)
{
	FILE *f = fopen(path, "wb");
	if (f == NULL)
		return -1;
	size_t n = fwrite(s.p, 1, s.n, f);
	return fclose(f) == 0 && n == s.n ? 0 : -1;
}

/* 0 with *out filled, or -1 with e. */
static int
copy_make(struct desk *d, enum way way, struct str bytes, struct arena *a, struct buf *out, bool *changed,
	  struct err *e)
{
	const struct conf_campaign *c =
	    conf_campaign_find(d->conf, way == WAY_TEMPLATES ? STR("templates") : STR("plain"));
	struct tailor_message *m = NULL;
	struct tailor_plan plan = { 0 };
	struct tailor_input in = { .recipient = &d->recipient, .sealer = d->sealer, .now_ms = NOW_MS };
	int rc;
	d->recipient.tracking = way == WAY_DENIED ? TRACKING_DENIED : TRACKING_GRANTED;
	buf_reset(out);
	if (tailor_prepare(d->cache, d->conf, c, bytes, &m, e) != 0)
		return -1;
	rc = tailor_render(m, &in, d->scratch, a, &plan, e);
	if (rc == 0 && plan.decision.verdict != TAILOR_SEND)
		rc = err_set(e, ERR_INPUT, "%s: %.*s", plan.decision.reason, STR_ARG(plan.decision.text));
	if (rc == 0) {
		*changed = plan.body_changed;
		tailor_write(m, &plan, out);
	}
	tailor_message_free(&m);
	return rc;
}

static void
way_run(struct desk *d, const char *file, enum way way, struct str bytes)
{
	struct arena *a = arena_new(4096);
	struct buf copy = { 0 }, again = { 0 };
	struct err e = { 0 };
	bool changed = false;
	char path[4096];
	int rc = copy_make(d, way, bytes, a, &copy, &changed, &e);
	json_t *o = json_pack("{s:s,s:s}", "file", file, "way", way_names[way]);
	if (rc == 0) {
		/* once more, with what the cache and the buffers now hold */
		if (copy_make(d, way, bytes, a, &again, &changed, &e) != 0 ||
		    !str_eq(buf_str(&copy), buf_str(&again))) {
			fprintf(stderr, "corpus-tailor: %s (%s): the second copy is not the first\n", file,
				way_names[way]);
			d->status = 1;
		}
		snprintf(path, sizeof(path), "%s/%ld.%s.eml", d->outdir, d->number, way_names[way]);
		if (write_file(path, buf_str(&copy)) != 0) {
			perror(path);
			d->status = 1;
		}
		json_object_set_new(o, "copy", json_string(path));
		json_object_set_new(o, "body_changed", json_boolean(changed));
	} else {
		json_object_set_new(o, "copy", json_null());
		json_object_set_new(o, "kind", json_integer(e.kind));
		json_object_set_new(o, "error", json_stringn(e.text, strlen(e.text)));
		if (json_object_get(o, "error") == NULL)
			json_object_set_new(o, "error", json_string("(not UTF-8)"));
	}
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
	buf_free(&copy);
	buf_free(&again);
	arena_free(&a);
}

int
main(int argc, char **argv)
{
	struct desk d = { .outdir = argv[1] };
	struct buf bytes = { 0 };
	char line[4096];
	if (argc != 2) {
		fprintf(stderr, "usage: corpus-tailor OUTDIR <LIST\n");
		return 64;
	}
	if (desk_open(&d) != 0)
		return 1;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (read_file(line, &bytes) != 0) {
			perror(line);
			d.status = 1;
			continue;
		}
		for (enum way w = 0; w < WAYS; w++)
			way_run(&d, line, w, buf_str(&bytes));
		d.number++;
	}
	buf_free(&bytes);
	desk_close(&d);
	return d.status;
}
