/*
 * entity: character references (13.2.5.72 ff.) and the escape that undoes
 * them. The name is the longest one in the table that the input begins with;
 * the search narrows a sorted table letter by letter, at most 32 of them.
 */
#include "html/html-private.h"

struct entity {
	const char *name; /* without '&' */
	const char *text; /* UTF-8 */
};

static const struct entity entities[] = {
#include "html/entities.inc"
};

#define NENTITIES (sizeof(entities) / sizeof(entities[0]))
#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* The first of entities[lo..hi) whose letter at i is not less than c; all of them agree before i. */
static size_t
lower_bound(size_t lo, size_t hi, size_t i, int c)
{
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if ((unsigned char)entities[mid].name[i] < c)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The longest entity that s begins with; *n is its length. */
static const struct entity *
entity_find(struct str s, size_t *n)
{
	const struct entity *best = NULL;
	size_t lo = 0, hi = NENTITIES;

	for (size_t i = 0; i < s.n && lo < hi; i++) {
		int c = (unsigned char)s.p[i];
		if (c == 0)
			break;
		lo = lower_bound(lo, hi, i, c);
		hi = lower_bound(lo, hi, i, c + 1);
		if (lo < hi && entities[lo].name[i + 1] == '\0') {
			best = &entities[lo];
			*n = i + 1;
		}
	}
	return best;
}

static void
add_utf8(struct buf *out, uint32_t cp)
{
	if (cp < 0x80) {
		buf_addc(out, (char)cp);
	} else if (cp < 0x800) {
		buf_addc(out, (char)(0xC0 | cp >> 6));
		buf_addc(out, (char)(0x80 | (cp & 0x3F)));
	} else if (cp < 0x10000) {
		buf_addc(out, (char)(0xE0 | cp >> 12));
		buf_addc(out, (char)(0x80 | (cp >> 6 & 0x3F)));
		buf_addc(out, (char)(0x80 | (cp & 0x3F)));
	} else {
		buf_addc(out, (char)(0xF0 | cp >> 18));
		buf_addc(out, (char)(0x80 | (cp >> 12 & 0x3F)));
		buf_addc(out, (char)(0x80 | (cp >> 6 & 0x3F)));
		buf_addc(out, (char)(0x80 | (cp & 0x3F)));
	}
}

/* 13.2.5.80: what a number may not stand for, and the C1 controls, which mean Windows-1252. */
static uint32_t
numeric_character(uint32_t cp)
{
	static const uint16_t c1[32] = {
		0x20AC, 0x81,	0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
		0x2039, 0x0152, 0x8D,	0x017D, 0x8F,	0x90,	0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
		0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,	0x017E, 0x0178,
	};

	if (cp == 0 || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
		return 0xFFFD;
	return cp >= 0x80 && cp <= 0x9F ? c1[cp - 0x80] : cp;
}

/* s begins behind "&#". Returns how many bytes were used, 0: no reference. */
static size_t
numeric_decode(struct buf *out, struct str s)
{
	bool hex = s.n > 0 && (s.p[0] == 'x' || s.p[0] == 'X');
	size_t i = hex ? 1 : 0, digits = i;
	uint32_t cp = 0;

	for (; i < s.n; i++) {
		char c = ascii_lower(s.p[i]);
		uint32_t d;
		if (ascii_isdigit(c))
			d = (uint32_t)(c - '0');
		else if (hex && c >= 'a' && c <= 'f')
			d = (uint32_t)(c - 'a' + 10);
		else
			break;
		if (cp <= 0x10FFFF) /* once too large, too large */
			cp = cp * (hex ? 16 : 10) + d;
	}
	if (i == digits)
		return 0;
	add_utf8(out, numeric_character(cp));
	return i < s.n && s.p[i] == ';' ? i + 1 : i;
}

/* s begins behind '&'. Returns how many bytes were used, 0: no reference. */
static size_t
reference_decode(struct buf *out, struct str s, bool in_attr)
{
	size_t n = 0;

	if (s.n > 0 && s.p[0] == '#') {
		n = numeric_decode(out, str_sub(s, 1, s.n));
		return n > 0 ? n + 1 : 0;
	}
	const struct entity *e = entity_find(s, &n);
	if (!e)
		return 0;
	/* For historical reasons "&copy=" in a URL is no reference (13.2.5.73). */
	if (in_attr && s.p[n - 1] != ';' && n < s.n &&
	    (s.p[n] == '=' || ascii_isalpha(s.p[n]) || ascii_isdigit(s.p[n])))
		return 0;
	buf_add(out, e->text, strlen(e->text));
	return n;
}

static void
decode(struct buf *out, struct str s, bool in_attr)
{
	size_t from = 0, i = 0;

	buf_reserve(out, s.n);
	while (i < s.n) {
		char c = s.p[i];
		if (c != '&' && c != '\r' && (c != '\0' || !in_attr)) {
			i++;
			continue;
		}
		buf_add(out, s.p + from, i - from);
		i++;
		from = i;
		if (c == '\0') {
			buf_add(out, REPLACEMENT, sizeof(REPLACEMENT) - 1);
		} else if (c == '\r') {
			if (i >= s.n || s.p[i] != '\n')
				buf_addc(out, '\n');
		} else {
			size_t used = reference_decode(out, str_sub(s, i, s.n), in_attr);
			if (used == 0)
				buf_addc(out, '&');
			from = i += used;
		}
	}
	buf_add(out, s.p + from, s.n - from);
}

void
html_attr_decode(struct buf *out, struct str value)
{
	decode(out, value, true);
}

void
html_text_decode(struct buf *out, struct str text)
{
	decode(out, text, false);
}

void
html_escape(struct buf *out, struct str text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.n; i++) {
		const char *ref;
		switch (text.p[i]) {
		case '&':
			ref = "&amp;";
			break;
		case '<':
			ref = "&lt;";
			break;
		case '>':
			ref = "&gt;";
			break;
		case '"':
			ref = "&quot;";
			break;
		case '\'':
			ref = "&#39;";
			break;
		default:
			continue;
		}
		buf_add(out, text.p + from, i - from);
		buf_add(out, ref, strlen(ref));
		from = i + 1;
	}
	buf_add(out, text.p + from, text.n - from);
}
