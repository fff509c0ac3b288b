/*
 * tokenize: the WHATWG tokenizer states (HTML Living Standard, 13.2.5) over
 * byte ranges. Text is searched for '<' with memchr; a tag is read once; a
 * construct that never ends is read to the end once and is over.
 */
#include <stdlib.h>

#include "html/html-private.h"

/* An attribute name is compared with this many others before a hash table is made. */
#define FEW_ATTRS 16
/* Slots looked at in the table: bounds the work when a sender builds collisions. */
#define MAX_PROBES 64

struct tokenizer {
	struct html_cursor c;
	struct html_foreign foreign;
	html_token_fn *fn;
	void *ctx;
	bool flat;
	uint32_t text; /* where the pending text begins */
	uint32_t complete;
	struct buf attrs; /* of struct html_attr */
	uint32_t nattrs;
	uint32_t scope;	  /* duplicates are sought from this attribute on */
	struct buf slots; /* uint32_t: attribute index + 1, or 0 */
	uint32_t nslots;
};

/* ---- attributes ---- */

enum { ENDS_TAG_NAME = 1, ENDS_ATTR_NAME = 2, ENDS_UNQUOTED = 4 };

static const uint8_t char_class[256] = {
	['\t'] = 7, ['\n'] = 7, ['\f'] = 7, ['\r'] = 7, [' '] = 7, ['/'] = 3, ['>'] = 7, ['='] = 2,
};

static struct html_attr *
attr_at(const struct tokenizer *t, uint32_t i)
{
	return (struct html_attr *)(void *)t->attrs.p + i;
}

static bool
attr_same_name(const struct tokenizer *t, const struct html_attr *a, const struct html_attr *b)
{
	uint32_t n = a->name_end - a->name_start;
	const char *p = t->c.p + a->name_start, *q = t->c.p + b->name_start;

	if (n != b->name_end - b->name_start)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (ascii_lower(p[i]) != ascii_lower(q[i]))
			return false;
	return true;
}

/* FNV-1a over the lower-case name. */
static uint32_t
attr_hash(const struct tokenizer *t, const struct html_attr *a)
{
	uint32_t h = 2166136261u;

	for (uint32_t i = a->name_start; i < a->name_end; i++)
		h = (h ^ (unsigned char)ascii_lower(t->c.p[i])) * 16777619u;
	return h ^ (h >> 15);
}

/* True when an attribute of the same name is in the table; otherwise enters this one. */
static bool
slots_enter(struct tokenizer *t, uint32_t index)
{
	uint32_t *slot = (uint32_t *)(void *)t->slots.p;
	uint32_t h = attr_hash(t, attr_at(t, index));

	for (uint32_t probe = 0; probe < MAX_PROBES; probe++) {
		uint32_t *s = &slot[(h + probe) & (t->nslots - 1)];
		if (*s == 0) {
			*s = index + 1;
			return false;
		}
		if (attr_same_name(t, attr_at(t, *s - 1), attr_at(t, index)))
			return true;
	}
	return false;
}

static void
slots_grow(struct tokenizer *t, uint32_t upto)
{
	size_t n = 64;

	while (n < (size_t)(upto - t->scope) * 4)
		n *= 2;
	buf_reset(&t->slots);
	buf_reserve(&t->slots, n * sizeof(uint32_t));
	memset(t->slots.p, 0, n * sizeof(uint32_t));
	t->nslots = (uint32_t)n;
	for (uint32_t i = t->scope; i < upto; i++)
		if (!attr_at(t, i)->duplicate)
			slots_enter(t, i);
}

static bool
attr_is_duplicate(struct tokenizer *t, uint32_t index)
{
	uint32_t before = index - t->scope;

	if (before < FEW_ATTRS) {
		for (uint32_t i = t->scope; i < index; i++)
			if (attr_same_name(t, attr_at(t, i), attr_at(t, index)))
				return true;
		return false;
	}
	if (before == FEW_ATTRS || before * 2 >= t->nslots)
		slots_grow(t, index);
	return slots_enter(t, index);
}

/*
 * Reads a name up to a byte of the class. Opaque ranges count as letters, but those at the front (lead) and
 * at the back (trail) are told apart, unless the name is nothing else. Returns whether there were any.
 */
static bool
read_name(struct html_cursor *c, int class, uint32_t *lead, uint32_t *trail)
{
	uint32_t first = c->pos, back = c->pos, back_end = c->pos;
	bool any = false;

	for (;;) {
		while (c->pos < c->limit && !(char_class[(unsigned char)c->p[c->pos]] & class))
			c->pos++;
		if (!cursor_at_opaque(c))
			break;
		uint32_t at = c->pos;
		cursor_skip_opaque(c);
		any = true;
		if (at == first)
			first = c->pos;
		else if (at != back_end)
			back = at;
		back_end = c->pos;
	}
	if (first < c->pos) {
		*lead = first;
		*trail = any && back_end == c->pos && back > first ? back : c->pos;
	} else {
		*trail = c->pos; /* nothing but opaque ranges: that is the name */
	}
	return any;
}

/* Behind the '=': false when the input ends. *opaque: an unquoted value holds an opaque range. */
static bool
read_value(struct html_cursor *c, struct html_attr *a, bool *opaque)
{
	int ch;

	while (html_is_space(ch = cursor_peek(c)))
		c->pos++;
	a->quote = 0;
	a->value_start = a->value_end = c->pos;
	if (ch == '"' || ch == '\'') {
		c->pos++;
		a->quote = (char)ch;
		a->value_start = c->pos;
		if (!cursor_find(c, (char)ch))
			return false;
		a->value_end = c->pos++;
		return true;
	}
	for (;;) {
		while (c->pos < c->limit && !(char_class[(unsigned char)c->p[c->pos]] & ENDS_UNQUOTED))
			c->pos++;
		if (!cursor_at_opaque(c))
			break;
		cursor_skip_opaque(c);
		*opaque = true;
	}
	a->value_end = c->pos;
	return c->pos < c->end;
}

/* At the first byte of a name: false when the input ends. */
static bool
read_attr(struct tokenizer *t)
{
	struct html_cursor *c = &t->c;
	struct html_attr a = { .name_start = c->pos, .quote = '-' };
	uint32_t trail;

	if (cursor_peek(c) == '=')
		c->pos++; /* a '=' in front is the first letter of the name */
	uint32_t lead = a.name_start;
	bool opaque = read_name(c, ENDS_ATTR_NAME, &lead, &trail);
	a.name_end = c->pos;
	while (html_is_space(cursor_peek(c)))
		c->pos++;
	a.value_start = a.value_end = c->pos;
	int ch = cursor_peek(c);
	if (ch == CURSOR_EOF)
		return false;
	bool has_value = ch == '=';
	bool block = false; /* href=a{{else}} href=b */
	if (has_value) {
		c->pos++;
		if (!read_value(c, &a, &block))
			return false;
	}
	if (opaque) {
		a.name_start = lead;
		if (!has_value)
			a.name_end = trail;
		t->scope = t->nattrs;
	}
	buf_add(&t->attrs, &a, sizeof(a));
	uint32_t index = t->nattrs++;
	attr_at(t, index)->duplicate = index > t->scope && attr_is_duplicate(t, index);
	if (block)
		t->scope = t->nattrs;
	return true;
}

/* ---- tokens ---- */

static bool
emit(struct tokenizer *t, const struct html_token *tok)
{
	t->text = tok->end;
	return t->fn(t->ctx, tok);
}

static bool
flush_text(struct tokenizer *t, uint32_t upto, enum html_text_kind kind)
{
	if (t->text >= upto)
		return true;
	struct html_token tok = { .type = HTML_TEXT,
				  .start = t->text,
				  .end = upto,
				  .text_kind = kind,
				  .foreign = foreign_inside(&t->foreign) };
	return emit(t, &tok);
}

/* Behind the start tag of a raw text element, to its end tag. */
static bool
raw_text(struct tokenizer *t, const struct html_token *tag, enum html_text_kind kind)
{
	struct str name = str_make(t->c.p + tag->name_start, tag->name_end - tag->name_start);

	if (!rawtext_skip(&t->c, name, kind))
		t->complete = tag->start;
	return flush_text(t, t->c.pos, kind);
}

/* A tag is complete: raw text and foreign content follow from its name. */
static bool
finish_tag(struct tokenizer *t, struct html_token *tok)
{
	struct str name = str_make(t->c.p + tok->name_start, tok->name_end - tok->name_start);
	enum html_text_kind kind;
	bool start = tok->type == HTML_START_TAG;

	tok->end = t->c.pos;
	tok->attrs = t->nattrs > 0 ? attr_at(t, 0) : NULL;
	tok->nattrs = t->nattrs;
	if (t->flat)
		return emit(t, tok);
	if (start) {
		tok->foreign = foreign_start_tag(&t->foreign, name, tok->self_closing);
	} else {
		tok->foreign = foreign_inside(&t->foreign);
		foreign_end_tag(&t->foreign, name);
	}
	if (!emit(t, tok))
		return false;
	if (start && !tok->foreign && rawtext_switches(name, &kind))
		return raw_text(t, tok, kind);
	return true;
}

/* pos at the first letter of the name; lt is the offset of '<'. */
static bool
read_tag(struct tokenizer *t, uint32_t lt, enum html_token_type type)
{
	struct html_cursor *c = &t->c;
	struct html_token tok = { .type = type, .start = lt, .name_start = c->pos };
	uint32_t ignored = c->pos;

	if (!flush_text(t, lt, HTML_TEXT_DATA))
		return false;
	read_name(c, ENDS_TAG_NAME, &ignored, &tok.name_end);
	t->nattrs = t->scope = 0;
	t->nslots = 0;
	buf_reset(&t->attrs);
	for (;;) {
		int ch = cursor_peek(c);
		if (html_is_space(ch)) {
			c->pos++;
		} else if (ch == '>') {
			c->pos++;
			return finish_tag(t, &tok);
		} else if (ch == '/') {
			c->pos++;
			tok.self_closing = cursor_peek(c) == '>';
		} else if (ch == CURSOR_EOF || !read_attr(t)) {
			break;
		}
	}
	c->pos = t->text = c->end; /* the input ends in a tag: it is dropped */
	t->complete = lt;
	return true;
}

/* What is not closed reaches to the end. */
static bool
read_to_gt(struct tokenizer *t, uint32_t lt, enum html_token_type type)
{
	struct html_cursor *c = &t->c;
	struct html_token tok = { .type = type, .start = lt, .data_start = c->pos };

	if (!flush_text(t, lt, HTML_TEXT_DATA))
		return false;
	if (cursor_find(c, '>')) {
		tok.data_end = c->pos++;
	} else {
		tok.data_end = c->pos;
		t->complete = lt;
	}
	tok.end = c->pos;
	return emit(t, &tok);
}

/* How many of the n bytes before q belong to the end of a comment, when a '>' or the end of the input
 * follows. */
static uint32_t
comment_end_length(const char *q, uint32_t n, bool at_end)
{
	if (n >= 3 && memcmp(q - 3, "--!", 3) == 0)
		return 3;
	if (n >= 2 && memcmp(q - 2, "--", 2) == 0)
		return 2;
	return at_end && n >= 1 && q[-1] == '-' ? 1 : 0;
}

/*
 * Behind "<!--": ends at "-->" or "--!>", or at once at ">" or "->" (13.2.5.43 ff.).
 * Where the input ends first, dashes that might have begun the end are not data.
 */
static bool
read_comment(struct tokenizer *t, uint32_t lt)
{
	struct html_cursor *c = &t->c;
	uint32_t from = c->pos, literal = from, cut = 0;
	struct html_token tok = { .type = HTML_COMMENT, .start = lt, .data_start = from, .data_end = from };
	bool closed, abrupt = false;

	if (!flush_text(t, lt, HTML_TEXT_DATA))
		return false;
	for (;; c->pos++) {
		closed = cursor_find_since(c, '>', &literal);
		uint32_t n = c->pos - literal;
		const char *q = c->p + c->pos;
		cut = comment_end_length(q, n, !closed);
		abrupt = closed && (c->pos == from || (c->pos == from + 1 && n == 1 && q[-1] == '-'));
		if (!closed || abrupt || cut > 0)
			break;
	}
	if (!abrupt)
		tok.data_end = c->pos - cut;
	if (closed)
		c->pos++;
	else
		t->complete = lt;
	tok.end = c->pos;
	return emit(t, &tok);
}

/* <![CDATA[ in foreign content; elsewhere that is a bogus comment. */
static bool
read_cdata(struct tokenizer *t, uint32_t lt)
{
	struct html_cursor *c = &t->c;
	struct html_token tok = { .type = HTML_CDATA, .start = lt, .foreign = true };

	if (!flush_text(t, lt, HTML_TEXT_DATA))
		return false;
	c->pos += 9;
	tok.data_start = c->pos;
	while (cursor_find(c, ']') && !cursor_spells(c, 1, "]>", 2))
		c->pos++;
	tok.data_end = c->pos;
	if (c->pos >= c->end)
		t->complete = lt;
	else
		c->pos += 3;
	tok.end = c->pos;
	return emit(t, &tok);
}

/* At '<' and behind it '!'. */
static bool
read_declaration(struct tokenizer *t, uint32_t lt)
{
	struct html_cursor *c = &t->c;

	if (cursor_spells(c, 2, "--", 2)) {
		c->pos += 4;
		return read_comment(t, lt);
	}
	if (cursor_spells(c, 2, "doctype", 7)) {
		c->pos += 9;
		return read_to_gt(t, lt, HTML_DOCTYPE);
	}
	if (foreign_inside(&t->foreign) && c->limit - c->pos >= 9 &&
	    memcmp(c->p + c->pos, "<![CDATA[", 9) == 0)
		return read_cdata(t, lt);
	c->pos += 2;
	return read_to_gt(t, lt, HTML_COMMENT);
}

/* At '<' and behind it '/'. */
static bool
read_end(struct tokenizer *t, uint32_t lt)
{
	struct html_cursor *c = &t->c;
	int ch = cursor_peek_at(c, 2);

	c->pos += 2;
	if (ch == CURSOR_OPAQUE || (ch >= 0 && ascii_isalpha((char)ch)))
		return read_tag(t, lt, HTML_END_TAG);
	if (ch == '>') { /* "</>" is nothing at all */
		bool more = flush_text(t, lt, HTML_TEXT_DATA);
		t->text = ++c->pos;
		return more;
	}
	if (ch == CURSOR_EOF) {
		t->complete = lt; /* text, but what would be added behind it would not be */
		return true;
	}
	return read_to_gt(t, lt, HTML_COMMENT);
}

uint32_t
html_run(const char *src, uint32_t from, uint32_t to, const struct html_range *opaque, size_t nopaque,
	 bool flat, html_token_fn *fn, void *ctx)
{
	struct tokenizer t = { .fn = fn, .ctx = ctx, .flat = flat, .text = from, .complete = to };
	bool more = true;

	cursor_init(&t.c, src, from, to, opaque, nopaque);
	while (more && cursor_find(&t.c, '<')) {
		uint32_t lt = t.c.pos;
		int ch = cursor_peek_at(&t.c, 1);
		if (ch == '/') {
			more = read_end(&t, lt);
		} else if (ch == '!') {
			more = read_declaration(&t, lt);
		} else if (ch == CURSOR_OPAQUE || (ch >= 0 && ascii_isalpha((char)ch))) {
			t.c.pos++;
			more = read_tag(&t, lt, HTML_START_TAG);
		} else {
			t.c.pos++;
			if (ch == '?')
				more = read_to_gt(&t, lt, HTML_COMMENT);
		}
	}
	if (more)
		flush_text(&t, to, HTML_TEXT_DATA);
	buf_free(&t.attrs);
	buf_free(&t.slots);
	return t.complete;
}

static uint32_t
bounded(struct str src)
{
	return src.n < UINT32_MAX ? (uint32_t)src.n : UINT32_MAX - 1;
}

void
html_tokenize(struct str src, const struct html_range *opaque, size_t nopaque, html_token_fn *fn, void *ctx)
{
	html_run(src.p ? src.p : "", 0, bounded(src), opaque, nopaque, false, fn, ctx);
}

void
html_tokenize_flat(struct str src, const struct html_range *opaque, size_t nopaque, html_token_fn *fn,
		   void *ctx)
{
	html_run(src.p ? src.p : "", 0, bounded(src), opaque, nopaque, true, fn, ctx);
}
