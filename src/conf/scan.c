/*
 * scan: the bytes of one configuration file → tokens.
 *
 * libConfuse's lexical rules, made strict: comments are #, // and C's at the start of a token; "…" knows the
 * escapes
 * \" \\ \n \t \r \' \xHH \ooo, '…' knows \\ and \'; a string ends on its own line, which lets a missing quote
 * be reported where it is; everything else up to white space or one of # " ' = { } ( ) , is a word. ${NAME}
 * has no meaning: campaign texts may hold it.
 */
#include "conf/conf-private.h"

#include <stdlib.h>
#include <string.h>

struct scan {
	struct conf_work *w;
	uint32_t file;
	struct str text;
	size_t at;
	int line;
	struct tok_list *out;
	bool full; /* said that there is too much */
};

static struct tok *
tok_add(struct scan *s, enum tok_kind kind, struct str text)
{
	if (s->w->ntoks + s->out->n >= CONF_MAX_TOKENS) {
		if (!s->full)
			conf_wrong(s->w, s->file, s->line,
				   "the configuration is too large; "
				   "at most %d words are read in all files together",
				   CONF_MAX_TOKENS);
		s->full = true;
		s->at = s->text.n;
		return NULL;
	}
	struct tok *t = conf_grow(&s->out->v, &s->out->n, &s->out->cap, sizeof(*t));
	t->kind = kind;
	t->file = s->file;
	t->line = s->line;
	t->stmt = STMT_NONE;
	t->text = text;
	return t;
}

static int
hex_digit(char c)
{
	if (ascii_isdigit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The escape at s->at (behind the backslash) → one byte; -1 when there is no such escape. */
static int
scan_escape(struct scan *s)
{
	const char *p = s->text.p;
	size_t n = s->text.n;
	char c = p[s->at++];
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case '"':
	case '\'':
	case '\\':
		return c;
	case 'x': {
		int hi = s->at < n ? hex_digit(p[s->at]) : -1,
		    lo = s->at + 1 < n ? hex_digit(p[s->at + 1]) : -1;
		if (hi < 0 || lo < 0)
			return -1;
		s->at += 2;
		return hi * 16 + lo;
	}
	default:
		if (c < '0' || c > '7')
			return -1;
		int v = c - '0';
		for (int i = 0; i < 2 && s->at < n && p[s->at] >= '0' && p[s->at] <= '7'; i++)
			v = v * 8 + (p[s->at++] - '0');
		return v <= 0xff ? v : -1;
	}
}

/* One backslash sequence of a string; s->at stands on the backslash. False: reported. */
static bool
scan_backslash(struct scan *s, char quote, struct buf *b)
{
	size_t from = s->at++;
	char c = s->text.p[s->at];
	if (quote == '\'') { /* only \\ and \' mean something */
		if (c != '\\' && c != '\'')
			buf_addc(b, '\\');
		buf_addc(b, c);
		s->at++;
		return true;
	}
	int v = scan_escape(s);
	if (v > 0) {
		buf_addc(b, (char)v);
		return true;
	}
	struct str what = str_make(s->text.p + from, s->at - from);
	conf_wrong(s->w, s->file, s->line,
		   v == 0 ? "\"%s\": a value cannot hold a NUL byte; take it out"
			  : "unknown escape \"%s\" in a string; write \\\\ for a backslash",
		   conf_quote(s->w, what));
	return false;
}

static void
scan_string(struct scan *s, char quote)
{
	struct buf b = { 0 };
	bool closed = false;
	size_t start = s->at++;
	while (s->at < s->text.n && s->text.p[s->at] != '\n') {
		char c = s->text.p[s->at];
		if (c == quote) {
			s->at++;
			closed = true;
			break;
		}
		if (c == '\\' && s->at + 1 < s->text.n && s->text.p[s->at + 1] != '\n') {
			scan_backslash(s, quote, &b);
			continue;
		}
		buf_addc(&b, c);
		s->at++;
	}
	if (!closed)
		conf_wrong(s->w, s->file, s->line,
			   "the string that begins with %s is not closed on its line; "
			   "add the missing %c",
			   conf_quote(s->w, str_sub(str_make(s->text.p + start, s->at - start), 0, 30)),
			   quote);
	tok_add(s, TOK_STRING, arena_str(s->w->scratch, buf_str(&b)));
	buf_free(&b);
}

static bool
word_end(const struct scan *s, size_t i)
{
	char c = s->text.p[i];
	if (c == '+')
		return i + 1 < s->text.n && s->text.p[i + 1] == '=';
	return (unsigned char)c <= ' ' || c == 0x7f || strchr("#\"'={}(),", c) != NULL;
}

static void
scan_word(struct scan *s)
{
	size_t i = s->at;
	while (i < s->text.n && !word_end(s, i))
		i++;
	struct str word = str_make(s->text.p + s->at, i - s->at);
	s->at = i;
	tok_add(s, TOK_WORD, arena_str(s->w->scratch, word));
}

/* True when a comment was skipped. A newline behind a line comment is left to the caller. */
static bool
scan_comment(struct scan *s)
{
	struct str rest = str_sub(s->text, s->at, s->text.n);
	if (rest.p[0] == '#' || str_starts(rest, STR("//"))) {
		s->at += str_find_char(rest, '\n');
		return true;
	}
	if (!str_starts(rest, STR("/*")))
		return false;
	size_t len = str_find(str_sub(rest, 2, rest.n), STR("*/"));
	size_t end = len + 4;
	if (end > rest.n) {
		conf_wrong(s->w, s->file, s->line, "the comment that begins here is not closed; add */");
		end = rest.n;
	}
	for (size_t i = 0; i < end; i++)
		s->line += rest.p[i] == '\n';
	s->at += end;
	return true;
}

static void
scan_sign(struct scan *s)
{
	static const struct {
		char c;
		enum tok_kind kind;
	} SIGNS[] = {
		{ '{', TOK_OPEN },  { '}', TOK_CLOSE }, { '=', TOK_ASSIGN },
		{ ',', TOK_COMMA }, { '(', TOK_OTHER }, { ')', TOK_OTHER },
	};
	struct str rest = str_sub(s->text, s->at, s->text.n);
	if (str_starts(rest, STR("+="))) {
		s->at += 2;
		tok_add(s, TOK_APPEND, STR("+="));
		return;
	}
	for (size_t i = 0; i < sizeof(SIGNS) / sizeof(SIGNS[0]); i++)
		if (rest.p[0] == SIGNS[i].c) {
			s->at++;
			tok_add(s, SIGNS[i].kind, arena_str(s->w->scratch, str_make(rest.p, 1)));
			return;
		}
	conf_wrong(s->w, s->file, s->line, "control character 0x%02x; take it out", (unsigned char)rest.p[0]);
	s->at++;
}

/* Names the first lines that are not text: values go into mail as UTF-8, and end at a NUL byte. */
static void
check_text(struct conf_work *w, uint32_t file, struct str text)
{
	struct str rest = text, line;
	int said = 0;
	if (str_is_utf8(text) && str_find_char(text, '\0') == text.n)
		return;
	for (int n = 1; said < 5 && str_split(&rest, '\n', &line); n++) {
		bool nul = str_find_char(line, '\0') < line.n;
		if (nul)
			conf_wrong(w, file, n, "this line holds a NUL byte; take it out");
		else if (!str_is_utf8(line))
			conf_wrong(w, file, n, "this line is not UTF-8; save the file in that encoding");
		else
			continue;
		said++;
	}
}

void
conf_scan(struct conf_work *w, uint32_t file, struct str text, struct tok_list *out)
{
	struct scan s = { .w = w, .file = file, .text = text, .line = 1, .out = out };
	check_text(w, file, text);
	if (str_starts(text, STR("\xef\xbb\xbf"))) /* byte order mark: some editors leave one */
		s.at = 3;
	while (s.at < text.n) {
		char c = text.p[s.at];
		if (c == '\n') {
			s.line++;
			s.at++;
		} else if (ascii_isspace(c)) {
			s.at++;
		} else if (scan_comment(&s)) {
			continue;
		} else if (c == '"' || c == '\'') {
			scan_string(&s, c);
		} else if (word_end(&s, s.at)) {
			scan_sign(&s);
		} else {
			scan_word(&s);
		}
	}
}
