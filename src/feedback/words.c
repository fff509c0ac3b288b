/* words: text brought into one form, and phrases looked for in it. */
#include "feedback/private.h"

#define TEXT_MAX ((size_t)16 << 10)

static bool
is_word(char c)
{
	return ascii_isalpha(c) || ascii_isdigit(c) || (unsigned char)c >= 0x80 || c == '\'' || c == '@';
}

/* Addresses become "@", so that nothing in them is taken for a word of the text. */
static void
mask(struct buf *out, struct str text)
{
	size_t at = 0, last = 0, from, to;
	struct str addr;
	while (address_next(text, &at, &addr, &from, &to)) {
		buf_add(out, text.p + last, from - last);
		buf_adds(out, STR(" @ "));
		last = to;
	}
	buf_adds(out, str_sub(text, last, text.n));
}

void
words_of(struct arena *a, struct str text, struct words *out)
{
	struct buf masked = { 0 };
	text = str_sub(text, 0, TEXT_MAX);
	mask(&masked, text);
	char *p = arena_alloc(a, masked.n + 3);
	size_t n = 0, words = 0;
	p[n++] = ' ';
	for (size_t i = 0; i < masked.n; i++) {
		char c = masked.p[i] == '`' ? '\'' : masked.p[i];
		if (is_word(c)) {
			words += p[n - 1] == ' ';
			p[n++] = ascii_lower(c);
		} else if (p[n - 1] != ' ') {
			p[n++] = ' ';
		}
	}
	if (p[n - 1] != ' ')
		p[n++] = ' ';
	p[n] = '\0';
	buf_free(&masked);
	*out = (struct words){ .text = str_make(p, n), .at = ARENA_ARRAY(a, const char *, words + 1) };
	for (size_t i = 0; i + 1 < n; i++)
		if (p[i] == ' ')
			out->at[out->n++] = p + i + 1;
}

/* How many words phrase covers at word i; 0: it does not stand there. */
static size_t
phrase_at(const struct words *w, size_t i, struct str phrase)
{
	struct str rest = str_make(w->at[i], (size_t)(w->text.p + w->text.n - w->at[i]));
	bool open = phrase.n > 0 && phrase.p[phrase.n - 1] == '*';
	size_t count = 1;
	if (open)
		phrase.n--;
	if (phrase.n == 0 || !str_starts(rest, phrase) || (!open && rest.p[phrase.n] != ' '))
		return 0;
	for (size_t k = 0; k < phrase.n; k++)
		count += phrase.p[k] == ' ';
	return count;
}

static size_t
any_at(const struct words *w, size_t i, const char *alternatives)
{
	struct str rest = str_of(alternatives), one;
	size_t n;
	while (str_split(&rest, '|', &one))
		if ((n = phrase_at(w, i, one)) > 0)
			return n;
	return 0;
}

/* What is written without spaces is looked for anywhere. */
static bool
any_inside(const struct words *w, const char *alternatives)
{
	struct str rest = str_of(alternatives), one;
	while (str_split(&rest, '|', &one))
		if (one.n > 0 && (unsigned char)one.p[0] >= 0xe3 && str_find(w->text, one) < w->text.n)
			return true;
	return false;
}

bool
words_have(const struct words *w, const char *a)
{
	for (size_t i = 0; i < w->n; i++)
		if (any_at(w, i, a) > 0)
			return true;
	return any_inside(w, a);
}

size_t
words_near(const struct words *w, const char *a, const char *b, size_t gap)
{
	for (size_t i = 0; i < w->n; i++) {
		size_t n = any_at(w, i, a);
		bool swapped = n == 0;
		if (swapped && (n = any_at(w, i, b)) == 0)
			continue;
		for (size_t k = i + n; k < w->n && k <= i + n + gap; k++)
			if (any_at(w, k, swapped ? a : b) > 0)
				return i;
		/* a word may be in both lists */
		if (!swapped && any_at(w, i, b) > 0)
			for (size_t k = i + n; k < w->n && k <= i + n + gap; k++)
				if (any_at(w, k, a) > 0)
					return i;
	}
	return SIZE_MAX;
}
