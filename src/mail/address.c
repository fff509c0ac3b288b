/*
 * address: mailboxes of a field value (GMime's parser), and one written.
 */
#include <stdlib.h>

#include <gmime/gmime.h>
#include <idn2.h>

#include "mail/header.h"

#define VALUE_MAX ((size_t)64 * 1024)
#define PIECE_MAX 4096

struct collect {
	struct arena *a;
	char mark; /* stands for the '?' of each "=?" */
	struct mail_address *out;
	size_t n, max;
};

/*
 * Encoded words pass GMime as plain atoms and are decoded here, because GMime
 * 3.2 loses text behind padded base64 words. The '?' of each "=?" becomes a
 * character that follows no '=' in the value.
 */
static char
words_hide(char *s)
{
	static const char marks[] = "|~^`{}*!#$%&";

	for (const char *m = marks; *m; m++) {
		char seen[3] = { '=', *m, '\0' };

		if (strstr(s, seen))
			continue;
		for (char *p = s; (p = strstr(p, "=?")) != NULL; p += 2)
			p[1] = *m;
		return *m;
	}
	return '\0';
}

static struct str
words_show(struct collect *c, const char *name)
{
	char *copy = arena_cstr(c->a, str_of(name));
	char seen[3] = { '=', c->mark, '\0' };

	for (char *p = copy; c->mark && (p = strstr(p, seen)) != NULL; p += 2)
		p[1] = '?';
	return str_of(copy);
}

/*
 * One mailbox's stretch of a list: up to the next ',' or ';' outside quotes,
 * comments and brackets; a group's "name:" is left out. GMime gets one at a
 * time, because its time for a whole list of bare words grows with the square.
 */
static struct str
piece_next(struct str v, size_t *at)
{
	size_t i = *at, start = i, comment = 0, bracket = 0;
	bool quoted = false;

	for (; i < v.n; i++) {
		char c = v.p[i];

		if (c == '\\')
			i++;
		else if (c == '"' && comment == 0)
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == '(')
			comment++;
		else if (c == ')' && comment > 0)
			comment--;
		else if (comment > 0)
			continue;
		else if (c == '<' || c == '[')
			bracket++;
		else if ((c == '>' || c == ']') && bracket > 0)
			bracket--;
		else if (bracket == 0 && c == ':')
			start = i + 1;
		else if (bracket == 0 && (c == ',' || c == ';'))
			break;
	}
	i = i < v.n ? i : v.n;
	*at = i + 1;
	return str_sub(v, start, i);
}

static bool
is_word_char(char c)
{
	return ascii_isalpha(c) || ascii_isdigit(c) || c == '-' || c == '_' || c == '+';
}

/* Words with one dot between each two. */
static bool
is_dotted(struct str s)
{
	bool dot = true; /* one now would be wrong */

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' ? dot : !is_word_char(s.p[i]))
			return false;
		dot = s.p[i] == '.';
	}
	return !dot;
}

/* A display name that means what it says: words, or quoted printable ASCII; one space between words. */
static bool
display_plain(struct str s, struct str *name)
{
	bool quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"', space = true;

	*name = quoted ? str_sub(s, 1, s.n - 1) : s;
	for (size_t i = 0; i < name->n; i++) {
		char c = name->p[i];

		if (c == ' ' ? space : !(is_word_char(c) || (quoted && c != '\0' && strchr("&,.'!:;@()", c))))
			return false;
		space = c == ' ';
	}
	return s.n == 0 || !space;
}

/*
 * What almost every mailbox looks like needs no parser: "x@y", "<x@y>", "A B <x@y>", "\"A, B\" <x@y>". Asking
 * GMime costs ten times as much. False: ask it.
 */
static bool
piece_plain(struct collect *c, struct str piece)
{
	struct str s = str_trim(piece), addr = s, name = STR_NULL;
	size_t open = str_find_char(s, '<'), at;

	if (s.n > 0 && s.p[s.n - 1] == '>' && open < s.n) {
		addr = str_sub(s, open + 1, s.n - 1);
		if (open > 0 && s.p[open - 1] != ' ')
			return false;
		if (!display_plain(str_trim(str_sub(s, 0, open)), &name))
			return false;
	}
	at = str_find_char(addr, '@');
	if (at >= addr.n || !is_dotted(str_sub(addr, 0, at)) || !is_dotted(str_sub(addr, at + 1, addr.n)))
		return false;
	for (size_t i = at + 1; i < addr.n; i++) /* GMime shows A-labels as what they stand for */
		if (addr.p[i] == '-' && addr.p[i - 1] == '-')
			return false;
	c->out[c->n++] = (struct mail_address){ .display = name.n > 0 ? arena_str(c->a, name) : STR_NULL,
						.addr = arena_str(c->a, addr) };
	return true;
}

static void
piece_collect(struct collect *c, struct str piece)
{
	InternetAddressList *list;
	int n;

	if (piece.n > PIECE_MAX || str_trim(piece).n == 0 || piece_plain(c, piece))
		return;
	list = internet_address_list_parse(NULL, arena_cstr(c->a, piece));
	if (!list)
		return;
	n = internet_address_list_length(list);
	for (int i = 0; i < n && c->n < c->max; i++) {
		InternetAddress *ia = internet_address_list_get_address(list, i);
		struct mail_address *m = &c->out[c->n];
		const char *name, *addr;

		if (!INTERNET_ADDRESS_IS_MAILBOX(ia))
			continue;
		name = internet_address_get_name(ia);
		addr = internet_address_mailbox_get_addr((InternetAddressMailbox *)ia);
		if (!addr || !*addr)
			continue;
		memset(m, 0, sizeof(*m));
		m->addr = words_show(c, addr);
		if (name && *name)
			m->display = mail_header_decode(c->a, words_show(c, name));
		c->n++;
	}
	g_object_unref(list);
}

size_t
mail_addresses(struct arena *a, struct str value, struct mail_address *out, size_t max)
{
	struct collect c = { .a = a, .out = out, .max = max };
	size_t at = 0;
	char *copy;

	if (value.n > VALUE_MAX)
		value.n = VALUE_MAX;
	copy = arena_cstr(a, value);
	for (size_t i = 0; i < value.n; i++)
		if (copy[i] == '\0')
			copy[i] = ' ';
	c.mark = words_hide(copy);
	while (at < value.n && c.n < max)
		piece_collect(&c, piece_next(str_make(copy, value.n), &at));
	return c.n;
}

static bool
is_atext_or_space(char c)
{
	return ascii_isalpha(c) || ascii_isdigit(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~ ", c));
}

/* "…" with \ before what needs it (RFC 5322 3.2.4); folds fall between words, inside the quotes. */
static void
quoted_add(struct mail_fold *f, struct str s)
{
	struct buf q = { 0 };
	size_t i = 0;

	buf_addc(&q, '"');
	for (size_t k = 0; k < s.n; k++) {
		if (s.p[k] == '"' || s.p[k] == '\\')
			buf_addc(&q, '\\');
		buf_addc(&q, s.p[k]);
	}
	buf_addc(&q, '"');
	while (i < q.n) {
		size_t j = i, k;

		while (j < q.n && q.p[j] == ' ')
			j++;
		for (k = j; k < q.n && q.p[k] != ' '; k++)
			;
		mail_fold_token(f, str_make(q.p + i, j - i), str_make(q.p + j, k - j));
		i = k;
	}
	buf_free(&q);
}

/* One word over the limit cannot be folded inside quotes. */
static bool
has_long_word(struct str s)
{
	size_t start = 0;

	for (size_t i = 0; i <= s.n; i++)
		if (i == s.n || s.p[i] == ' ') {
			if (i - start > 400)
				return true;
			start = i + 1;
		}
	return false;
}

/* The address without controls; a caller has refused those already, but no CR or LF ever passes. */
static struct str
addr_clean(struct buf *b, struct str addr)
{
	for (size_t i = 0; i < addr.n; i++)
		if ((unsigned char)addr.p[i] >= 0x20 && addr.p[i] != 0x7f)
			buf_addc(b, addr.p[i]);
	return buf_str(b);
}

void
mail_address_format(struct buf *out, struct str display, struct str addr, size_t name_len)
{
	struct mail_fold f = { .out = out, .start = out->n, .col = name_len };
	struct buf name = { 0 }, spec = { 0 };
	bool atoms = true;
	struct str s;

	mail_header_clean(&name, display);
	s = buf_str(&name);
	if (s.n == 0) {
		mail_fold_token(&f, STR_NULL, addr_clean(&spec, addr));
		goto out;
	}
	for (size_t i = 0; i < s.n; i++)
		atoms = atoms && is_atext_or_space(s.p[i]) && !(s.p[i] == ' ' && s.p[i + 1] == ' ');
	if (mail_needs_words(s) || has_long_word(s)) {
		mail_fold_words(&f, STR_NULL, s);
	} else if (atoms) {
		struct str rest = s, word;

		while (str_split(&rest, ' ', &word))
			mail_fold_token(&f, word.p == s.p ? STR_NULL : STR(" "), word);
	} else {
		quoted_add(&f, s);
	}
	buf_addc(&spec, '<');
	addr_clean(&spec, addr);
	buf_addc(&spec, '>');
	mail_fold_token(&f, STR(" "), buf_str(&spec));
out:
	buf_free(&name);
	buf_free(&spec);
}

struct str
mail_address_domain(struct arena *a, struct str addr)
{
	const char *at = addr.n > 0 ? memrchr(addr.p, '@', addr.n) : NULL;
	struct str d, out;
	char *ascii = NULL;

	if (!at)
		return STR_NULL;
	d = str_trim(str_sub(addr, (size_t)(at + 1 - addr.p), addr.n));
	if (d.n > 1 && d.p[d.n - 1] == '.')
		d.n--;
	if (d.n == 0 || d.n > 1024 || memchr(d.p, '\0', d.n))
		return STR_NULL;
	out = arena_str(a, d);
	if (!str_is_ascii(d)) {
		if (idn2_to_ascii_8z(out.p, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
			return STR_NULL;
		out = arena_str(a, str_of(ascii));
		idn2_free(ascii);
	}
	for (size_t i = 0; i < out.n; i++)
		((char *)out.p)[i] = ascii_lower(out.p[i]);
	return out;
}
