/*
 * Messages, bodies and header values of any shape. The first byte says which:
 * h header values, t a body (then encoding and charset), else a message.
 * Ranges must nest, unedited text must come out as it was, edited text must
 * read as it was written.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mail/mail.h"

static struct arena *arena;
static struct mail_writer *writer;
static struct buf out;

static enum mail_status
put(const struct mail_text *t, size_t from, size_t to)
{
	struct mail_chunk c;

	mail_chunk_cut(t, from, to, &c);
	return mail_writer_chunk(writer, &c);
}

static void
assert_short_lines(struct str s)
{
	size_t col = 0;

	for (size_t i = 0; i < s.n; i++) {
		col = s.p[i] == '\n' ? 0 : col + 1;
		assert(col <= 999); /* one CR */
	}
}

static void
edited(const struct mail_part *p, const struct mail_text *t, const char *text)
{
	struct mail_text again;
	size_t cut = t->utf8.n / 2, n = strlen(text);

	/* to a character that is one byte in UTF-8, as template tags are */
	while (cut > 0 && cut < t->utf8.n && (unsigned char)t->utf8.p[cut] >= 0x80)
		cut--;
	/* not between CR and LF; and behind a CR nothing that a reader could take for the LF */
	while (cut > 0 && t->utf8.p[cut - 1] == '\r')
		cut--;
	buf_reset(&out);
	mail_writer_begin(writer, &out, t);
	if (put(t, 0, cut) != MAIL_OK || mail_writer_text(writer, str_of(text)) != MAIL_OK ||
	    put(t, cut, t->utf8.n) != MAIL_OK || mail_writer_end(writer) != MAIL_OK)
		return;
	if (p->cte != MAIL_CTE_BASE64)
		assert_short_lines(buf_str(&out));
	if (mail_text_decode(arena, p, buf_str(&out), &again, NULL) < 0)
		abort();
	assert(again.utf8.n == t->utf8.n + n);
	assert(memcmp(again.utf8.p, t->utf8.p, cut) == 0);
	assert(memcmp(again.utf8.p + cut, text, n) == 0);
	assert(memcmp(again.utf8.p + cut + n, t->utf8.p + cut, t->utf8.n - cut) == 0);
}

static void
body(const struct mail_part *p, struct str raw)
{
	struct mail_text t;
	enum mail_cte cte;

	if (mail_text_decode(arena, p, raw, &t, NULL) < 0)
		return;
	assert(t.utf8.n == 0 || t.raw_at[t.utf8.n] == t.wire.n);
	for (size_t i = 0; i < t.utf8.n; i++)
		assert(t.raw_at[i] <= t.raw_at[i + 1]);
	buf_reset(&out);
	mail_writer_begin(writer, &out, &t);
	if (put(&t, 0, t.utf8.n) == MAIL_OK && mail_writer_end(writer) == MAIL_OK)
		assert(str_eq(buf_str(&out), raw));
	edited(p, &t, "x ");
	edited(p, &t, "=41. ");
	edited(p, &t,
	       "a rather long text that has to go over to the next line somewhere in the middle of it all");
	buf_reset(&out);
	mail_encode_whole(&out, t.utf8, "\r\n", &cte);
	assert_short_lines(buf_str(&out));
}

static void
part(const struct mail *m, const struct mail_part *p, size_t from, size_t to)
{
	size_t at = p->body_start;

	assert(from <= p->head_start && p->head_start <= p->head_end && p->head_end <= p->body_start);
	assert(p->body_start <= p->body_end && p->body_end <= to);
	for (const struct mail_part *c = p->child; c; c = c->next) {
		assert(c->head_start >= at);
		part(m, c, p->body_start, p->body_end);
		at = c->body_end;
	}
	if (p->role == MAIL_ROLE_TEXT || p->role == MAIL_ROLE_HTML || p->role == MAIL_ROLE_AMP) {
		body(p, str_sub(m->bytes, p->body_start, p->body_end));
		buf_reset(&out);
		mail_part_header_recode(&out, str_sub(m->bytes, p->head_start, p->head_end), "utf-8",
					MAIL_CTE_QP, "\r\n");
	}
}

static void
headers(struct str s)
{
	struct mail_address m[4];
	struct str decoded = mail_header_decode(arena, s), again;
	size_t n;

	assert(str_is_utf8(decoded));
	buf_reset(&out);
	mail_header_encode(&out, s, 9);
	for (size_t i = 0; i < out.n; i++)
		assert(out.p[i] == '\n' ? out.p[i + 1] == ' ' : out.p[i] >= 0x20 && out.p[i] < 0x7f);
	assert_short_lines(buf_str(&out));
	buf_reset(&out);
	mail_header_encode(&out, decoded, 9);
	again = mail_header_decode(arena, buf_str(&out));
	assert(str_eq(str_trim(again), str_trim(decoded)));
	n = mail_addresses(arena, s, m, 4);
	for (size_t i = 0; i < n; i++) {
		buf_reset(&out);
		mail_address_format(&out, m[i].display, m[i].addr, 4);
		assert(!memchr(out.p, '\r', out.n));
		mail_address_domain(arena, m[i].addr);
	}
	buf_reset(&out);
	mail_part_header_recode(&out, s, "utf-8", MAIL_CTE_BASE64, "\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const charsets[] = { "utf-8",   "us-ascii",	  "iso-8859-1", "shift_jis",
						"gb18030", "iso-2022-jp", "koi8-r",	"big5" };
	struct str s = { (const char *)data, size };
	struct mail_limits lim = { .max_depth = 10, .max_parts = 50 };
	struct mail m;

	if (!arena) {
		mail_init();
		arena = arena_new(1 << 16);
		writer = mail_writer_new();
	}
	if (size > 0 && data[0] == 'h') {
		headers(str_sub(s, 1, size));
	} else if (size > 2 && data[0] == 't') {
		struct mail_part p = { .cte = (enum mail_cte)(data[1] % 5),
				       .charset = str_of(charsets[data[2] % 8]) };

		body(&p, str_sub(s, 3, size));
	} else if (mail_parse(arena, s, &lim, &m, NULL) == 0) {
		part(&m, m.root, 0, size);
	}
	arena_reset(arena);
	return 0;
}
