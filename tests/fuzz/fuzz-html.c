/*
 * fuzz-html: tokenizer, scan, references and URLs on any bytes. The first
 * byte of the input says how opaque ranges are laid: every "{{" to the next
 * "}}" (0), or by a step derived from it, also ill-formed ones (odd).
 * What must hold: offsets in bounds, tokens in order and apart, attributes
 * inside their tag, links and text URLs sorted and apart, one place per range.
 */
#include <stdint.h>
#include <stdlib.h>

#include "html/html.h"

#define MUST(x) ((x) ? (void)0 : abort())
#define MAX_RANGES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct check {
	uint32_t n, behind;
	uint32_t tokens;
};

static bool
check_token(void *ctx, const struct html_token *t)
{
	struct check *c = ctx;
	uint32_t at = t->start;

	MUST(t->start >= c->behind && t->end > t->start && t->end <= c->n);
	c->behind = t->end;
	c->tokens++;
	if (t->type == HTML_START_TAG || t->type == HTML_END_TAG) {
		MUST(t->name_start > t->start && t->name_end > t->name_start && t->name_end < t->end);
		at = t->name_end;
		for (uint32_t i = 0; i < t->nattrs; i++) {
			const struct html_attr *a = &t->attrs[i];
			MUST(a->name_start >= at && a->name_end > a->name_start &&
			     a->value_start >= a->name_end);
			MUST(a->value_end >= a->value_start && a->value_end < t->end);
			at = a->value_end;
		}
	} else if (t->type == HTML_COMMENT || t->type == HTML_CDATA || t->type == HTML_DOCTYPE) {
		MUST(t->data_start >= t->start && t->data_end >= t->data_start && t->data_end <= t->end);
	}
	return c->tokens < 100000;
}

static size_t
braces(struct str s, struct html_range *r)
{
	size_t n = 0, at = 0;

	while (n < MAX_RANGES) {
		size_t open = at + str_find(str_sub(s, at, s.n), STR("{{"));
		size_t close = open + str_find(str_sub(s, open, s.n), STR("}}"));
		if (close >= s.n)
			break;
		at = close + 2;
		r[n++] = (struct html_range){ (uint32_t)open, (uint32_t)at };
	}
	return n;
}

static size_t
steps(struct str s, uint8_t seed, struct html_range *r)
{
	uint32_t x = seed, at = 0;
	size_t n = 0;

	while (n < MAX_RANGES && at < s.n) {
		x = x * 1103515245u + 12345u;
		uint32_t start = at + (x >> 16) % (seed / 4 + 2);
		uint32_t end = start + 1 + (x >> 24) % 5;
		if (seed & 1 && (x >> 8) % 7 == 0)
			end = (x >> 20) % 100;
		if (!(seed & 1) && end > s.n)
			break;
		r[n++] = (struct html_range){ start, end };
		at = seed & 1 ? start + (x >> 28) : end;
	}
	return n;
}

static void
check_scan(struct arena *a, struct str s, const struct html_range *r, size_t n)
{
	struct html_doc d;
	uint32_t at = 0;

	html_scan(a, s, r, n, &d);
	for (size_t i = 0; i < d.nlinks; i++) {
		MUST(d.links[i].start >= at && d.links[i].end >= d.links[i].start && d.links[i].end <= s.n);
		at = d.links[i].end;
	}
	at = 0;
	for (size_t i = 0; i < d.nurls; i++) {
		MUST(d.urls[i].start >= at && d.urls[i].end >= d.urls[i].start && d.urls[i].end <= s.n);
		at = d.urls[i].end;
	}
	for (size_t i = 0; i < n; i++)
		MUST(d.places[i] <= HTML_IN_COMMENT);
	MUST(d.body_end <= s.n);
}

static void
check_text_urls(struct arena *a, struct str s, const struct html_range *r, size_t n)
{
	struct html_range *urls;
	size_t count = html_text_urls(a, s, r, n, &urls);
	uint32_t at = 0;

	for (size_t i = 0; i < count; i++) {
		MUST(urls[i].start >= at && urls[i].end > urls[i].start + 7 && urls[i].end <= s.n);
		MUST(s.p[urls[i].start] == 'h' || s.p[urls[i].start] == 'H');
		at = urls[i].end;
	}
}

/* A value that was decoded, then escaped, decodes to itself; a cleaned URL is of the same kind and stays
 * clean. */
static void
check_value(struct str s)
{
	struct buf once = { 0 }, escaped = { 0 }, twice = { 0 };

	html_attr_decode(&once, s);
	html_escape(&escaped, buf_str(&once));
	html_text_decode(&twice, buf_str(&escaped));
	if (!memchr(once.p ? once.p : "", '\r', once.n)) /* from "&#13;" */
		MUST(str_eq(buf_str(&once), buf_str(&twice)));
	struct str host = html_url_host(buf_str(&once));
	MUST(host.n == 0 || (host.p >= once.p && host.p + host.n <= once.p + once.n));
	enum html_url_kind kind = html_url_classify(buf_str(&once));
	buf_reset(&twice);
	html_url_clean(&twice, buf_str(&once));
	MUST((kind == HTML_URL_UNSAFE) == (html_url_classify(buf_str(&twice)) == HTML_URL_UNSAFE));
	MUST(kind != HTML_URL_WEB || html_url_host(buf_str(&twice)).n > 0);
	buf_free(&once);
	buf_free(&escaped);
	buf_free(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct html_range r[MAX_RANGES];

	if (size == 0)
		return 0;
	struct str s = str_make((const char *)data + 1, size - 1);
	size_t n = data[0] ? steps(s, data[0], r) : braces(s, r);
	struct check c = { .n = (uint32_t)s.n };
	html_tokenize(s, r, n, check_token, &c);
	c = (struct check){ .n = (uint32_t)s.n };
	html_tokenize_flat(s, r, n, check_token, &c);
	struct arena *a = arena_new(4096);
	check_scan(a, s, r, n);
	check_text_urls(a, s, r, n);
	arena_free(&a);
	check_value(s);
	return 0;
}
