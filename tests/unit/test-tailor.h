/*
 * test-tailor.h: what the tailor tests share: a campaign from a few lines of
 * configuration, a recipient made by hand, and ways to look at the copy.
 */
#ifndef TEST_TAILOR_H
#define TEST_TAILOR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "html/html.h"
#include "mail/mail.h"
#include "tailor/tailor.h"

/* 2026-03-29T09:00:00Z, and as the messages' Date. */
#define TEST_NOW 1774774800000LL
#define TEST_DATE "Date: Sun, 29 Mar 2026 09:00:00 +0000\n"
#define TEST_HEAD "From: Shop <news@shop.test>\nTo: ann@example.test\nMessage-ID: <1@shop.test>\n" TEST_DATE

struct fixture {
	struct arena *a;
	struct conf *conf;
	struct keyring *keys;
	struct sealer *sealer;
	struct tailor_cache *cache;
	struct tailor_scratch *scratch;
	struct recipient_snapshot recipient;
	struct tailor_input in;
	struct tailor_message *m;
	struct tailor_plan plan;
	struct err e;
	struct str source;
	struct buf out;
};

static inline void
test_report(void *ctx, const char *text)
{
	struct fixture *f = ctx;
	snprintf(f->e.text, sizeof(f->e.text), "%s", text);
}

static inline void
recipient_fill(struct fixture *f)
{
	struct recipient_snapshot *r = &f->recipient;
	*r = (struct recipient_snapshot){ .address = STR("ann@example.test"), .domain = STR("example.test") };
	recipient_key_of(f->keys, r->address, &r->key);
	domain_key_of(f->keys, r->domain, &r->domain_key);
	memcpy(r->idem, "0123456789abcdef", sizeof(r->idem));
	r->known = true;
	r->profile = value_map_new(f->a);
	r->language = "en";
	r->time_zone = "UTC";
}

/* settings: lines of campaign "c"; NULL cache in the result when they do not load, with the mistake in
 * e.text. */
static inline struct fixture *
fixture_try(const char *settings, const char *more)
{
	static const uint8_t seed[32] = "a fixed seed for tests";
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->a = arena_new(65536);
	struct str text = arena_printf(
	    f->a, "track { host = \"https://t.test\" }\n%s\ncampaign c {\n%s\n}\ncampaign other {\n}\n", more,
	    settings);
	f->conf = conf_load_text("test.conf", text, "/nowhere", test_report, f);
	if (f->conf == NULL)
		fail_msg("%s", f->e.text);
	f->keys = keyring_ephemeral(seed);
	f->sealer = sealer_new(f->keys);
	f->cache = tailor_cache_new(f->conf, test_report, f);
	f->scratch = tailor_scratch_new();
	recipient_fill(f);
	f->in = (struct tailor_input){ .recipient = &f->recipient, .sealer = f->sealer, .now_ms = TEST_NOW };
	return f;
}

static inline struct fixture *
fixture_new(const char *settings)
{
	struct fixture *f = fixture_try(settings, "");
	if (f->cache == NULL)
		fail_msg("%s", f->e.text);
	return f;
}

static inline void
fixture_free(struct fixture *f)
{
	tailor_message_free(&f->m);
	tailor_scratch_free(&f->scratch);
	tailor_cache_free(&f->cache);
	sealer_free(&f->sealer);
	keyring_free(&f->keys);
	conf_free(&f->conf);
	buf_free(&f->out);
	arena_free(&f->a);
	free(f);
}

static inline const struct value *
json(struct fixture *f, const char *text)
{
	const struct value *v = NULL;
	struct err e = { 0 };
	if (json_parse(f->a, str_of(text), NULL, &v, &e) != 0)
		fail_msg("%s: %s", text, e.text);
	return v;
}

/* 0 or -1 with f->e. */
static inline int
prepare(struct fixture *f, struct str message)
{
	tailor_message_free(&f->m);
	f->source = arena_str(f->a, message);
	f->e = (struct err){ 0 };
	return tailor_prepare(f->cache, f->conf, &f->conf->campaigns[0], f->source, &f->m, &f->e);
}

/* 0 or -1 with f->e; the copy, when there is one, is in f->out. */
static inline int
render(struct fixture *f, const char *profile)
{
	if (profile != NULL)
		f->recipient.profile = json(f, profile);
	f->e = (struct err){ 0 };
	buf_reset(&f->out);
	if (tailor_render(f->m, &f->in, f->scratch, f->a, &f->plan, &f->e) != 0)
		return -1;
	if (f->plan.decision.verdict == TAILOR_SEND)
		tailor_write(f->m, &f->plan, &f->out);
	return 0;
}

/* The whole copy as bytes; fails the test when there is none. */
static inline const char *
copy_of(struct fixture *f, const char *message, const char *profile)
{
	if (prepare(f, str_of(message)) != 0 || render(f, profile) != 0)
		fail_msg("%s", f->e.text);
	if (f->plan.decision.verdict != TAILOR_SEND)
		fail_msg("%s: %.*s", f->plan.decision.reason, STR_ARG(f->plan.decision.text));
	return f->out.p;
}

/* Token links opened: https://t.test/c/TOKEN becomes "<c URL>", the others "<o>", "<u>", "<p>". */
static inline struct str
links_opened(struct fixture *f, struct str s)
{
	struct buf b = { 0 };
	struct str host = STR("https://t.test/");
	for (size_t i = 0; i < s.n;) {
		size_t at = i + str_find(str_sub(s, i, s.n), host), n;
		struct token t;
		struct err e;
		buf_adds(&b, str_sub(s, i, at));
		if (at == s.n)
			break;
		enum token_purpose purpose = (enum token_purpose)s.p[at + host.n];
		size_t from = at + host.n + 2;
		for (n = from; n < s.n && (ascii_isalpha(s.p[n]) || ascii_isdigit(s.p[n]) || s.p[n] == '-' ||
					   s.p[n] == '_');)
			n++;
		if (token_open(f->sealer, purpose, str_sub(s, from, n), f->a, &t, &e) != 0)
			fail_msg("no token: %.*s", STR_ARG(str_sub(s, at, n)));
		assert_memory_equal(t.recipient.b, f->recipient.key.b, sizeof(t.recipient.b));
		assert_memory_equal(t.copy, f->recipient.idem, 8);
		assert_true(str_eq(t.campaign, STR("c")));
		assert_int_equal(t.sent, f->in.now_ms / 1000);
		if (purpose == TOKEN_CLICK)
			buf_printf(&b, "<c %.*s>", STR_ARG(t.url));
		else
			buf_printf(&b, "<%c>", purpose);
		i = n;
	}
	struct str out = arena_str(f->a, buf_str(&b));
	buf_free(&b);
	return out;
}

static inline const struct mail_part *
part_find(const struct mail_part *p, const char *path)
{
	for (; p != NULL; p = p->next) {
		if (strcmp(p->path, path) == 0)
			return p;
		const struct mail_part *hit = part_find(p->child, path);
		if (hit != NULL)
			return hit;
	}
	return NULL;
}

/* The text of a part of the copy, decoded, links opened, the pixel shown as "[pixel]", CRLF as LF. */
static inline const char *
text_of(struct fixture *f, const char *path)
{
	struct mail mail;
	struct mail_text t;
	struct err e = { 0 };
	struct buf b = { 0 };
	assert_int_equal(mail_parse(f->a, arena_str(f->a, buf_str(&f->out)), NULL, &mail, &e), 0);
	const struct mail_part *p = part_find(mail.root, path);
	if (p == NULL)
		fail_msg("no part %s in:\n%s", path, f->out.p);
	struct str raw = str_sub(mail.bytes, p->body_start, p->body_end);
	if (mail_text_decode(f->a, p, raw, &t, &e) != 0)
		fail_msg("part %s: %s", path, e.text);
	struct str s = links_opened(f, t.utf8);
	static const char pixel[] = "<img src=\"<o>\" width=\"1\" height=\"1\" alt=\"\" border=\"0\" "
				    "style=\"height:1px;width:1px;border:0\">";
	for (size_t i = 0; i < s.n; i++) {
		if (str_starts(str_sub(s, i, s.n), str_of(pixel))) {
			buf_adds(&b, STR("[pixel]"));
			i += sizeof(pixel) - 2;
		} else if (s.p[i] != '\r' || i + 1 == s.n || s.p[i + 1] != '\n') {
			buf_addc(&b, s.p[i]);
		}
	}
	const char *out = arena_cstr(f->a, buf_str(&b));
	buf_free(&b);
	return out;
}

/* True when no link or other URL of the document would run a script. */
static inline bool
urls_harmless(struct arena *a, struct str html)
{
	struct html_doc doc;
	struct buf b = { 0 };
	bool ok = true;
	html_scan(a, html, NULL, 0, &doc);
	for (size_t i = 0; i < doc.nlinks + doc.nurls; i++) {
		bool link = i < doc.nlinks;
		const struct html_url *u = link ? NULL : &doc.urls[i - doc.nlinks];
		buf_reset(&b);
		html_attr_decode(&b, str_sub(html, link ? doc.links[i].start : u->start,
					     link ? doc.links[i].end : u->end));
		ok &= html_url_classify(buf_str(&b)) != HTML_URL_UNSAFE;
	}
	buf_free(&b);
	return ok;
}

/* One header field of the copy as it is written (folds kept), or NULL. */
static inline const char *
header_of(struct fixture *f, const char *name)
{
	struct mail mail;
	struct err e = { 0 };
	assert_int_equal(mail_parse(f->a, arena_str(f->a, buf_str(&f->out)), NULL, &mail, &e), 0);
	const struct mail_field *field = mail_fields_find(&mail.root->fields, str_of(name));
	return field ? arena_cstr(f->a, str_trim(field->value)) : NULL;
}

static inline size_t
header_count(struct fixture *f, const char *name)
{
	struct mail mail;
	struct err e = { 0 };
	size_t n = 0;
	assert_int_equal(mail_parse(f->a, arena_str(f->a, buf_str(&f->out)), NULL, &mail, &e), 0);
	for (size_t i = 0; i < mail.root->fields.n; i++)
		n += str_caseeq(mail.root->fields.v[i].name, str_of(name));
	return n;
}

/* A single-part message with this body, rendered; its text. */
static inline const char *
body_in(struct fixture *f, const char *type, const char *body, const char *profile)
{
	struct str m = arena_printf(f->a, TEST_HEAD "MIME-Version: 1.0\nContent-Type: %s\n\n%s", type, body);
	copy_of(f, m.p, profile);
	return text_of(f, "1");
}

static inline const char *
html_in(struct fixture *f, const char *body, const char *profile)
{
	return body_in(f, "text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit", body, profile);
}

static inline const char *
plain_in(struct fixture *f, const char *body, const char *profile)
{
	return body_in(f, "text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit", body, profile);
}

#define HTML(f, body, profile, expected) assert_string_equal(html_in(f, body, profile), expected)
#define PLAIN(f, body, profile, expected) assert_string_equal(plain_in(f, body, profile), expected)
#define NO_TRACKING "track_opens = no\ntrack_clicks = no\n"

#endif
