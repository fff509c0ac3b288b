/*
 * str: a borrowed byte string, pointer and length. Never owned, never
 * NUL-terminated by contract; lives as long as what it points into
 * (usually an arena). A str with p == NULL and n == 0 is "absent".
 * Threads: plain data, no state.
 */
#ifndef MT_BASE_STR_H
#define MT_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

/* A string literal as str, without counting at run time. */
#define STR(lit) ((struct str){ (lit), sizeof(lit) - 1 })
#define STR_NULL ((struct str){ NULL, 0 })
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).n, ((s).p ? (s).p : "")

static inline struct str
str_of(const char *cstr)
{
	return cstr ? (struct str){ cstr, strlen(cstr) } : STR_NULL;
}

static inline struct str
str_make(const char *p, size_t n)
{
	return (struct str){ p, n };
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case only, whatever the locale: field names, hosts, tag names. */
bool str_caseeq(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_casestarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Offset of the first needle, or s.n when there is none. */
size_t str_find(struct str s, struct str needle);
size_t str_find_char(struct str s, char c);
/* Without leading and trailing space, tab, CR, LF. */
struct str str_trim(struct str s);
/* s from offset a to b (b is cut to s.n, a to b). */
struct str str_sub(struct str s, size_t a, size_t b);
/* s cut to at most max bytes, not within a UTF-8 character. */
struct str str_cut(struct str s, size_t max);
/* Takes the next token up to c off *rest; false when *rest was absent. The last token leaves *rest absent. */
bool str_split(struct str *rest, char c, struct str *token);
/* True when s is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_is_utf8(struct str s);
bool str_is_ascii(struct str s);
/*
 * In place: control characters (C0, DEL, and C1 in its UTF-8 form) become '?', so that foreign text neither
 * moves a terminal's cursor nor begins a line of a log.
 */
void str_tame(char *p, size_t n);

static inline char
ascii_lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static inline bool
ascii_isalpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
ascii_isdigit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
ascii_isspace(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

#endif
