/*
 * status: SMTP reply codes (RFC 5321, 4.2) and enhanced status codes (RFC 3463) in text. A code that stands
 * behind a reply code was said by a server, and counts for more than one that stands alone; of several of one
 * rank the first counts: what follows in a transcript is what became of it ("503 5.5.1 Need RCPT").
 */
#include "feedback/private.h"

#include <stdio.h>

static size_t
digits(struct str s, size_t at)
{
	size_t n = 0;
	while (at + n < s.n && n < 4 && ascii_isdigit(s.p[at + n]))
		n++;
	return n;
}

/* An enhanced code at offset at: its length, or 0. */
static size_t
enhanced_at(struct str s, size_t at)
{
	if (at + 5 > s.n || s.p[at] < '2' || s.p[at] > '5' || s.p[at] == '3' || s.p[at + 1] != '.')
		return 0;
	size_t subject = digits(s, at + 2), dot = at + 2 + subject;
	if (subject == 0 || subject > 3 || dot >= s.n || s.p[dot] != '.')
		return 0;
	size_t detail = digits(s, dot + 1), end = dot + 1 + detail;
	if (detail == 0 || detail > 3)
		return 0;
	/* not the beginning of an address of four numbers, or of a word */
	if (end < s.n && (ascii_isalpha(s.p[end]) || s.p[end] == '_'))
		return 0;
	if (end + 1 < s.n && (s.p[end] == '.' || s.p[end] == '-') && ascii_isdigit(s.p[end + 1]))
		return 0;
	return end - at;
}

/* Does what stands before offset at let a code begin there? */
static bool
code_may_begin(struct str s, size_t at)
{
	return at == 0 || ascii_isspace(s.p[at - 1]) || strchr("(#[:;'\"=<,|", s.p[at - 1]);
}

static bool
after_version(struct str s, size_t at)
{
	struct str before = str_sub(s, at > 10 ? at - 10 : 0, at);
	static const char *const words[] = { "version ", "Version ", "Exim ", "Sendmail ", "qmail " };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (str_ends(before, str_of(words[i])))
			return true;
	return false;
}

/* A reply code at offset at that says an error. */
static bool
reply_at(struct str s, size_t at)
{
	if (at + 3 > s.n || (s.p[at] != '4' && s.p[at] != '5') || digits(s, at) != 3)
		return false;
	/* RFC 5321, 4.2.1: the second digit is 0 to 5; behind it blank or hyphen, here also what quotes it */
	if (s.p[at + 1] > '5')
		return false;
	return at + 3 == s.n || ascii_isspace(s.p[at + 3]) || strchr("-:'\"#,.)]", s.p[at + 3]);
}

/* The code behind a reply code: "550 5.1.1", "550-'5.7.1", "550: 5.2.2", "550 #5.1.0". */
static size_t
behind_reply(struct str s, size_t at)
{
	size_t p = at + 3;
	while (p < s.n && p < at + 8 && strchr(" -:'\"#(", s.p[p]))
		p++;
	return p;
}

/* How much a status says: "X.0.0" no more than its class. */
static int
rank_of(const struct codes *c)
{
	if (c->status[0] == '\0')
		return c->reply > 0;
	return 2 + 2 * c->joined + (strcmp(c->status + 1, ".0.0") != 0);
}

/* The code at offset i, when one begins there: how many bytes it has. */
static size_t
code_at(struct str s, size_t i, struct codes *out)
{
	size_t p = i, n;
	*out = (struct codes){ .at = i };
	if (reply_at(s, i)) {
		out->reply = (s.p[i] - '0') * 100 + (s.p[i + 1] - '0') * 10 + (s.p[i + 2] - '0');
		out->joined = true;
		p = behind_reply(s, i);
		if ((n = enhanced_at(s, p)) == 0)
			return 3;
	} else if ((s.p[i] != '4' && s.p[i] != '5') || after_version(s, i) || (n = enhanced_at(s, i)) == 0) {
		return 0;
	}
	memcpy(out->status, s.p + p, n);
	return p + n - i;
}

void
codes_find(struct str s, struct codes *out)
{
	struct codes c;
	*out = (struct codes){ .at = s.n };
	for (size_t i = 0; i < s.n; i++) {
		size_t n = ascii_isdigit(s.p[i]) && code_may_begin(s, i) ? code_at(s, i, &c) : 0;
		if (n == 0)
			continue;
		if (rank_of(&c) > rank_of(out))
			*out = c;
		i += n - 1;
	}
}

bool
status_parse(struct str value, char out[16])
{
	value = str_trim(value);
	size_t n = enhanced_at(value, 0);
	if (n == 0 || n >= 16)
		return false;
	memcpy(out, value.p, n);
	out[n] = '\0';
	return true;
}

struct str
reply_of(struct str context)
{
	struct codes c;
	codes_find(context, &c);
	if (c.reply == 0)
		return STR_NULL;
	struct str s = str_sub(context, c.at, context.n);
	size_t end = str_find(s, STR("\n\n"));
	return str_sub(s, 0, end < 1000 ? end : 1000);
}
