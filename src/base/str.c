/* str: see str.h. */
#include "base/str.h"

#include <utf8proc.h>

bool
str_caseeq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_make(s.p, prefix.n), prefix);
}

bool
str_casestarts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_caseeq(str_make(s.p, prefix.n), prefix);
}

bool
str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_make(s.p + s.n - suffix.n, suffix.n), suffix);
}

size_t
str_find(struct str s, struct str needle)
{
	if (needle.n == 0)
		return 0;
	if (s.n < needle.n)
		return s.n;
	const char *hit = memmem(s.p, s.n, needle.p, needle.n);
	return hit ? (size_t)(hit - s.p) : s.n;
}

size_t
str_find_char(struct str s, char c)
{
	const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;
	return hit ? (size_t)(hit - s.p) : s.n;
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && ascii_isspace(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && ascii_isspace(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str
str_sub(struct str s, size_t a, size_t b)
{
	if (b > s.n)
		b = s.n;
	if (a > b)
		a = b;
	return str_make(s.p ? s.p + a : NULL, b - a);
}

struct str
str_cut(struct str s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max > 0 && ((uint8_t)s.p[max] & 0xc0) == 0x80)
		max--;
	return str_sub(s, 0, max);
}

bool
str_split(struct str *rest, char c, struct str *token)
{
	if (rest->p == NULL)
		return false;
	size_t at = str_find_char(*rest, c);
	*token = str_make(rest->p, at);
	*rest = at == rest->n ? STR_NULL : str_make(rest->p + at + 1, rest->n - at - 1);
	return true;
}

bool
str_is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

bool
str_is_utf8(struct str s)
{
	size_t i = 0;
	while (i < s.n) {
		if ((unsigned char)s.p[i] < 0x80) {
			i++;
			continue;
		}
		utf8proc_int32_t cp;
		utf8proc_ssize_t len =
		    utf8proc_iterate((const utf8proc_uint8_t *)s.p + i, (utf8proc_ssize_t)(s.n - i), &cp);
		if (len <= 0)
			return false;
		i += (size_t)len;
	}
	return true;
}

void
str_tame(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i], next = i + 1 < n ? (unsigned char)p[i + 1] : 0;
		if (c < 0x20 || c == 0x7f)
			p[i] = '?';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			p[i] = p[i + 1] = '?';
	}
}
