/*
 * bench-render: what one copy costs on one core: tailor_render with a warm
 * cache, tailor_prepare with a warm cache (GMime and look-up), and the first
 * prepare of a message, which compiles. The message is 20 KB of
 * multipart/alternative in quoted-printable with 20 links, 40 values, tracking
 * on; the profile has 30 fields.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tailor/tailor.h"

struct bench {
	struct arena *a;
	struct conf *conf;
	struct keyring *keys;
	struct sealer *sealer;
	struct tailor_cache *cache;
	struct tailor_scratch *scratch;
	struct recipient_snapshot recipient;
	struct str message;
	struct err e;
};

static void
report(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
}

static void
html_part(struct buf *b)
{
	for (int i = 0; i < 15; i++) {
		buf_printf(b,
			   "<tr><td style=3D\"padding:12px;font:15px Arial\"><p class=3D\"lead\">Dear "
			   "{{first_name}}, "
			   "offer\n %d for {{city}} ends on {{field%d}}.</p>\n",
			   i, i);
		for (int k = 0; k < 9; k++)
			buf_adds(b,
				 STR("<p style=3D\"margin:0 0 8px\">Fresh from the farms around, packed the "
				     "day=\n before, paid for fairly: gr=C3=BCn.</p>\n"));
		if (i % 3 == 0)
			buf_printf(
			    b, "<a href=3D\"https://shop.example/p/%d?c=3D{{city}}&amp;n=3D1\">See</a>", i);
		else
			buf_printf(
			    b,
			    "<a "
			    "href=3D\"https://shop.example/product/%d?utm_source=3Dmail&amp;x=3D%d\">See</a>",
			    i, i);
		buf_adds(b, STR("</td></tr>\n"));
	}
}

static void
message_build(struct bench *b)
{
	struct buf m = { 0 };
	buf_adds(
	    &m,
	    STR("From: \"{{brand}} news\" <news@shop.example>\nTo: list@shop.example\n"
		"Subject: {{first_name}}, your week in {{city}}\nMessage-ID: <1@shop.example>\n"
		"Date: Sun, 29 Mar 2026 09:00:00 +0000\nMIME-Version: 1.0\nX-Mailtailor-Campaign: c\n"
		"Content-Type: multipart/alternative; boundary=\"=_0f3a77c1b2\"\n\n--=_0f3a77c1b2\n"
		"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"));
	for (int i = 0; i < 5; i++)
		buf_printf(
		    &m,
		    "Hello {{first_name}},\n\nyour box for {{city}} is packed and will be with you soon, "
		    "gr=C3=BCn and fresh.\nhttps://shop.example/box/%d\n\n",
		    i);
	buf_adds(&m, STR("--=_0f3a77c1b2\nContent-Type: text/html; charset=utf-8\n"
			 "Content-Transfer-Encoding: quoted-printable\n\n<html><body><table>\n"));
	html_part(&m);
	buf_adds(&m, STR("</table><a "
			 "href=3D\"{{unsubscribe_url}}\">Unsubscribe</a></body></html>\n--=_0f3a77c1b2--\n"));
	b->message = arena_str(b->a, buf_str(&m));
	buf_free(&m);
}

static void
recipient_build(struct bench *b)
{
	struct recipient_snapshot *r = &b->recipient;
	struct value *p = value_map_new(b->a);
	static const char *const named[][2] = { { "first_name", "Ann" },
						{ "last_name", "Lee" },
						{ "city", "Malm\xC3\xB6" },
						{ "brand", "Shop" } };
	for (int i = 0; i < 26; i++)
		value_map_set(b->a, p, arena_printf(b->a, "field%d", i),
			      value_string(b->a, arena_printf(b->a, "value %d & more", i)));
	for (size_t i = 0; i < 4; i++)
		value_map_set(b->a, p, str_of(named[i][0]), value_string(b->a, str_of(named[i][1])));
	*r = (struct recipient_snapshot){ .address = STR("ann@example.net"), .domain = STR("example.net") };
	recipient_key_of(b->keys, r->address, &r->key);
	r->known = true;
	r->profile = p;
	r->language = "en";
	r->time_zone = "Europe/Stockholm";
	r->tracking = TRACKING_GRANTED;
}

static void
bench_open(struct bench *b)
{
	static const uint8_t seed[32] = "benchmark";
	*b = (struct bench){ .a = arena_new(65536) };
	b->conf = conf_load_text("bench.conf",
				 STR("track { host = \"https://t.shop.example\" }\ncampaign c {\n}\n"),
				 "/nowhere", report, NULL);
	if (b->conf == NULL || (b->cache = tailor_cache_new(b->conf, report, NULL)) == NULL)
		exit(78);
	b->keys = keyring_ephemeral(seed);
	b->sealer = sealer_new(b->keys);
	b->scratch = tailor_scratch_new();
	message_build(b);
	recipient_build(b);
}

static void
bench_close(struct bench *b)
{
	tailor_scratch_free(&b->scratch);
	tailor_cache_free(&b->cache);
	sealer_free(&b->sealer);
	keyring_free(&b->keys);
	conf_free(&b->conf);
	arena_free(&b->a);
}

static struct tailor_message *
prepare(struct bench *b)
{
	struct tailor_message *m;
	if (tailor_prepare(b->cache, b->conf, &b->conf->campaigns[0], b->message, &m, &b->e) == 0)
		return m;
	fprintf(stderr, "%s\n", b->e.text);
	exit(70);
}

/* Microseconds of CPU per copy; *size: bytes of its body. */
static double
render_cost(struct bench *b, int rounds, size_t *size)
{
	struct tailor_input in = { .recipient = &b->recipient, .sealer = b->sealer, .now_ms = 1774774800000 };
	struct tailor_message *m = prepare(b);
	struct arena *a = arena_new(32768);
	struct tailor_plan plan;
	int64_t start = 0;
	for (int i = -rounds / 10; i < rounds; i++) {
		if (i == 0)
			start = clock_thread_cpu_us();
		b->recipient.idem[0] = (uint8_t)i;
		arena_reset(a);
		if (tailor_render(m, &in, b->scratch, a, &plan, &b->e) != 0 || !plan.body_changed) {
			fprintf(stderr, "%s\n", b->e.text);
			exit(70);
		}
	}
	double us = (double)(clock_thread_cpu_us() - start) / rounds;
	*size = plan.body.n;
	arena_free(&a);
	tailor_message_free(&m);
	return us;
}

static double
prepare_cost(struct bench *b, int rounds)
{
	int64_t start = clock_thread_cpu_us();
	for (int i = 0; i < rounds; i++) {
		struct tailor_message *m = prepare(b);
		tailor_message_free(&m);
	}
	return (double)(clock_thread_cpu_us() - start) / rounds;
}

static double
compile_cost(struct bench *b, int rounds)
{
	int64_t us = 0;
	for (int i = 0; i < rounds; i++) {
		tailor_cache_free(&b->cache);
		b->cache = tailor_cache_new(b->conf, report, NULL);
		int64_t start = clock_thread_cpu_us();
		struct tailor_message *m = prepare(b);
		us += clock_thread_cpu_us() - start;
		tailor_message_free(&m);
	}
	return (double)us / rounds;
}

int
main(int argc, char **argv)
{
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	struct bench b;
	size_t size;
	mail_init();
	bench_open(&b);
	double first = compile_cost(&b, 200), warm = prepare_cost(&b, 5000),
	       render = render_cost(&b, 20000, &size);
	if (json)
		printf(
		    "{\"message_bytes\":%zu,\"copy_bytes\":%zu,\"render_us\":%.2f,\"copies_per_second\":%.0f,"
		    "\"prepare_warm_us\":%.2f,\"prepare_cold_us\":%.2f}\n",
		    b.message.n, size, render, 1e6 / render, warm, first);
	else
		printf("render: %.0f copies/s per core (%.1f us)\nprepare: %.1f us with a warm cache, %.1f "
		       "us when "
		       "parts are compiled\nmessage %zu bytes, copy %zu bytes\n",
		       1e6 / render, render, warm, first, b.message.n, size);
	bench_close(&b);
	return 0;
}
