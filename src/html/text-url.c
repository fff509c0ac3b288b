/*
 * text-url: http(s) URLs in plain text. Where one ends is custom, not
 * grammar: RFC 3986, appendix C, plus what the common linkifiers agree on.
 */
#include "html/html-private.h"

/* Bytes that a URL holds (RFC 3986, 2.2 and 2.3, '%', and UTF-8 beyond ASCII). */
static bool
is_url_byte(int c)
{
	if (c >= 0x80)
		return c < 256;
	if (c < 0)
		return false;
	return ascii_isalpha((char)c) || ascii_isdigit((char)c) ||
	       (c != 0 && strchr("-._~:/?#[]@!$&'()*+,;=%", c));
}

/* The character at p, 0 when it is ill-formed (and then one byte long). */
static uint32_t
utf8_at(const unsigned char *p, size_t n, uint32_t *len)
{
	uint32_t need = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
	uint32_t cp = p[0] & (0xFFu >> (need + 1));

	*len = 1;
	if (p[0] < 0xC2 || p[0] > 0xF4 || n < need)
		return 0;
	for (uint32_t i = 1; i < need; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		cp = cp << 6 | (p[i] & 0x3Fu);
	}
	*len = need;
	return cp;
}

/* Spaces, quotes and East Asian punctuation, which people set right behind a URL. */
static bool
ends_url(uint32_t cp)
{
	if (cp >= 0x2000 && cp <= 0x206F)
		return cp != 0x200C && cp != 0x200D; /* the joiners are letters of some scripts */
	if ((cp >= 0x3000 && cp <= 0x3003) || (cp >= 0x3008 && cp <= 0x3011) ||
	    (cp >= 0x3014 && cp <= 0x301F))
		return true;
	switch (cp) {
	case 0x85:
	case 0xA0:
	case 0xAB: /* « */
	case 0xBB: /* » */
	case 0xFEFF:
	case 0xFF01: /* fullwidth ! ( ) , . : ; ? */
	case 0xFF08:
	case 0xFF09:
	case 0xFF0C:
	case 0xFF0E:
	case 0xFF1A:
	case 0xFF1B:
	case 0xFF1F:
	case 0xFF61: /* halfwidth full stop and comma */
	case 0xFF64:
		return true;
	default:
		return false;
	}
}

/* Behind an opaque range the next URL begins: {{#if a}}http://x{{else}}http://y{{/if}}. */
static bool
at_scheme(const struct html_cursor *c, uint32_t *len)
{
	if (cursor_spells(c, 0, "http://", 7))
		*len = 7;
	else if (cursor_spells(c, 0, "https://", 8))
		*len = 8;
	else
		return false;
	return true;
}

/*
 * From behind the scheme to the first byte that is no part: pos. *end is the end without punctuation that
 * belongs to the sentence; a closing bracket that opens before the URL ends it.
 */
static void
read_url(struct html_cursor *c, uint32_t *end)
{
	uint32_t round = 0, square = 0, len;

	*end = c->pos;
	for (;;) {
		int ch = cursor_peek(c);
		if (ch == CURSOR_OPAQUE) {
			struct html_cursor before = *c;
			cursor_skip_opaque(c);
			if (at_scheme(c, &len)) {
				*c = before;
				return;
			}
			*end = c->pos;
			continue;
		}
		if (!is_url_byte(ch))
			return;
		len = 1;
		if (ch >= 0x80) {
			const unsigned char *p = (const unsigned char *)c->p + c->pos;
			if (ends_url(utf8_at(p, c->limit - c->pos, &len)))
				return;
		}
		if ((ch == ')' && round == 0) || (ch == ']' && square == 0))
			return;
		round += (ch == '(') - (ch == ')');
		square += (ch == '[') - (ch == ']');
		c->pos += len;
		if (ch >= 0x80 || !strchr(".,;:!?'*([", ch))
			*end = c->pos;
	}
}

/* Length of the "http" or "https" that ends at the colon and begins at `from` or later; 0: none. */
static uint32_t
scheme_before(const char *p, uint32_t from, uint32_t colon)
{
	for (uint32_t len = 4; len <= 5 && len <= colon - from; len++) {
		uint32_t start = colon - len;
		if (!str_casestarts(str_make(p + start, len), len == 4 ? STR("http") : STR("https")))
			continue;
		bool in_word = start > from && (ascii_isalpha(p[start - 1]) || ascii_isdigit(p[start - 1]));
		return in_word ? 0 : len;
	}
	return 0;
}

struct url_list {
	struct arena *a;
	struct html_range *p;
	size_t n, cap;
};

static void
list_add(struct url_list *l, uint32_t start, uint32_t end)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 16;
		struct html_range *more = ARENA_ARRAY(l->a, struct html_range, l->cap);
		if (l->n > 0)
			memcpy(more, l->p, l->n * sizeof(*more));
		l->p = more;
	}
	l->p[l->n++] = (struct html_range){ start, end };
}

size_t
html_text_urls(struct arena *a, struct str text, const struct html_range *opaque, size_t nopaque,
	       struct html_range **out)
{
	struct url_list list = { .a = a };
	struct html_cursor c;
	uint32_t from = 0; /* behind the last URL or opaque range */
	const char *p = text.p ? text.p : "";

	cursor_init(&c, p, 0, text.n < UINT32_MAX ? (uint32_t)text.n : UINT32_MAX - 1, opaque, nopaque);
	while (c.pos < c.end) {
		if (cursor_at_opaque(&c)) {
			cursor_skip_opaque(&c);
			from = c.pos;
			continue;
		}
		const char *hit = memchr(p + c.pos, ':', c.limit - c.pos);
		if (!hit) {
			c.pos = c.limit;
			continue;
		}
		uint32_t colon = c.pos = (uint32_t)(hit - p), end;
		uint32_t len = cursor_spells(&c, 1, "//", 2) ? scheme_before(p, from, colon) : 0;
		c.pos++;
		if (len == 0)
			continue;
		c.pos = colon + 3;
		read_url(&c, &end);
		if (end == colon + 3)
			continue;
		list_add(&list, colon - len, end);
		from = end;
	}
	*out = list.p;
	return list.n;
}
