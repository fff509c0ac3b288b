/* address: mailboxes in fields of reports and in running text. */
#include "feedback/private.h"

#include "token/token.h"

/* Octets that an unquoted local part has in practice: RFC 5322's atext and dots, and UTF-8. */
static bool
is_local(char c)
{
	return ascii_isalpha(c) || ascii_isdigit(c) || (unsigned char)c >= 0x80 ||
	       (c && strchr("!#$%&'*+/=?^_`{|}~.-", c));
}

static bool
is_domain(char c)
{
	return ascii_isalpha(c) || ascii_isdigit(c) || (unsigned char)c >= 0x80 || c == '.' || c == '-';
}

static bool
is_mailbox(struct str s)
{
	struct arena *a;
	struct str normal;
	if (s.n < 3 || s.n > FEEDBACK_MAX_ADDRESS || str_find_char(s, '@') == s.n)
		return false;
	a = arena_new(512);
	bool ok = address_normalize(a, s, &normal, NULL) == 0;
	arena_free(&a);
	return ok;
}

bool
address_bare(struct str s, struct str *out)
{
	s = str_trim(s);
	/* "rfc822; a@b", "RFC822;<a@b>", "utf-8;…" (RFC 3464, 2.1.2; RFC 6533) */
	size_t semi = str_find_char(s, ';');
	if (semi < 20 && semi < s.n)
		s = str_trim(str_sub(s, semi + 1, s.n));
	size_t open = str_find_char(s, '<');
	if (open < s.n) {
		struct str rest = str_sub(s, open + 1, s.n);
		s = str_trim(str_sub(rest, 0, str_find_char(rest, '>')));
	} else {
		s = str_sub(s, 0, str_find_char(s, ' '));
	}
	while (s.n > 0 && strchr(".,;:)", s.p[s.n - 1]))
		s.n--;
	if (!is_mailbox(s))
		return false;
	*out = s;
	return true;
}

bool
address_next(struct str text, size_t *at, struct str *addr, size_t *from, size_t *to)
{
	while (*at < text.n) {
		const char *p = memchr(text.p + *at, '@', text.n - *at);
		if (!p)
			break;
		size_t mid = (size_t)(p - text.p), a = mid, b = mid + 1;
		while (a > *at && mid - a < 128 && is_local(text.p[a - 1]))
			a--;
		while (b < text.n && b - mid < 256 && is_domain(text.p[b]))
			b++;
		while (b > mid + 1 && (text.p[b - 1] == '.' || text.p[b - 1] == '-'))
			b--;
		while (a < mid && strchr("'`.=/", text.p[a])) /* quotes, "to=", "rfc822/…" */
			a++;
		*at = b;
		*addr = str_sub(text, a, b);
		if (a == mid || b == mid + 1 || !is_mailbox(*addr))
			continue;
		bool bracket = a > 0 && b < text.n && text.p[a - 1] == '<' && text.p[b] == '>';
		*from = bracket ? a - 1 : a;
		*to = bracket ? b + 1 : b;
		return true;
	}
	*at = text.n;
	return false;
}

void
addresses_add(struct arena *a, struct feedback_addresses *l, struct str addr)
{
	if (l->n == FEEDBACK_MAX_ADDRESSES || addr.n == 0 || addr.n > FEEDBACK_MAX_ADDRESS)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (str_caseeq(l->v[i], addr))
			return;
	l->v[l->n++] = arena_str(a, addr);
}

void
addresses_of(struct arena *a, const struct mail_fields *f, const char *name, struct feedback_addresses *l)
{
	struct mail_address found[FEEDBACK_MAX_ADDRESSES];
	for (size_t i = 0; i < f->n; i++) {
		if (!str_caseeq(f->v[i].name, str_of(name)) || f->v[i].value.n > 16384)
			continue;
		size_t n = mail_addresses(a, f->v[i].value, found, FEEDBACK_MAX_ADDRESSES);
		for (size_t k = 0; k < n; k++)
			if (is_mailbox(found[k].addr))
				addresses_add(a, l, found[k].addr);
	}
}
