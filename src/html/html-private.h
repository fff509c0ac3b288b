/*
 * html, private: a cursor that steps over opaque ranges, and the tokenizer
 * over a part of a buffer (offsets stay those of the whole buffer).
 */
#ifndef MT_HTML_PRIVATE_H
#define MT_HTML_PRIVATE_H

#include "html/html.h"

/* The byte at pos is literal as long as pos < limit; at limit an opaque range begins (or the input ends). */
struct html_cursor {
	const char *p;
	uint32_t pos, end;
	uint32_t limit;
	const struct html_range *opaque; /* the next ones */
	size_t nopaque;
};

#define CURSOR_EOF (-1)
#define CURSOR_OPAQUE 256

void cursor_init(struct html_cursor *c, const char *p, uint32_t from, uint32_t to,
		 const struct html_range *opaque, size_t nopaque);
/* At an opaque range: steps behind it. */
void cursor_skip_opaque(struct html_cursor *c);
/* To the next literal byte ch: true; or to the end: false. */
bool cursor_find(struct html_cursor *c, char ch);
/* The same; after an opaque range on the way *literal is where the literal bytes up to pos begin. */
bool cursor_find_since(struct html_cursor *c, char ch, uint32_t *literal);

static inline bool
cursor_at_opaque(const struct html_cursor *c)
{
	return c->pos == c->limit && c->pos < c->end;
}

/* A byte, CURSOR_OPAQUE or CURSOR_EOF. */
static inline int
cursor_peek(const struct html_cursor *c)
{
	if (c->pos < c->limit)
		return (unsigned char)c->p[c->pos];
	return c->pos < c->end ? CURSOR_OPAQUE : CURSOR_EOF;
}

/* The same, `ahead` literal bytes further on; CURSOR_OPAQUE when one of them is not literal. */
static inline int
cursor_peek_at(const struct html_cursor *c, uint32_t ahead)
{
	if (ahead < c->limit - c->pos)
		return (unsigned char)c->p[c->pos + ahead];
	return c->limit < c->end ? CURSOR_OPAQUE : CURSOR_EOF;
}

/* Do the literal bytes at pos + ahead spell lit (in lower case), whatever their case? */
bool cursor_spells(const struct html_cursor *c, uint32_t ahead, const char *lit, uint32_t n);

/* What cannot be told without a tree, in a small stack: whether we are in SVG or MathML. */
enum { FOREIGN_DEPTH = 32 };
struct html_foreign {
	uint8_t depth;
	uint8_t kind[FOREIGN_DEPTH];
};
bool foreign_inside(const struct html_foreign *f);
/* Returns whether the element itself is one of SVG or MathML. */
bool foreign_start_tag(struct html_foreign *f, struct str name, bool self_closing);
void foreign_end_tag(struct html_foreign *f, struct str name);

/* Whether a start tag of that name switches to raw text; kind says which. */
bool rawtext_switches(struct str name, enum html_text_kind *kind);
/* From behind the start tag to the '<' of the end tag that closes it: true; or to the end of the input:
 * false. */
bool rawtext_skip(struct html_cursor *c, struct str name, enum html_text_kind kind);

/*
 * Tokenizes src from..to. Returns the offset up to which the input is complete: to, or the start of the tag,
 * comment or raw text element that is still open there.
 */
uint32_t html_run(const char *src, uint32_t from, uint32_t to, const struct html_range *opaque,
		  size_t nopaque, bool flat, html_token_fn *fn, void *ctx);

/* What the value of an attribute is. */
enum html_attr_kind {
	ATTR_PLAIN,
	ATTR_URL,
	ATTR_SRCSET,
	ATTR_HREF,
	ATTR_XLINK_HREF,
	ATTR_STYLE,
	ATTR_SCRIPT,
};
enum html_attr_kind attr_kind(struct str element, struct str name);
/* Do the tag's attributes ask not to track its link? */
bool attrs_opt_out(const char *src, const struct html_attr *attrs, uint32_t nattrs);

static inline bool
html_is_space(int c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

#endif
