/* notice: text that a program wrote for people, and where in it the returned message begins. */
#include "feedback/private.h"

#include "html/html.h"

/* ---- HTML ---- */

struct text_sink {
	struct str src;
	struct buf *out;
};

static bool
breaks_line(struct str name)
{
	static const char *const names[] = { "br", "p",	 "div", "tr",  "table", "li", "ul",   "h1",
					     "h2", "h3", "h4",	"pre", "hr",	"td", "title" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (str_caseeq(name, str_of(names[i])))
			return true;
	return false;
}

static bool
text_token(void *ctx, const struct html_token *t)
{
	struct text_sink *s = ctx;
	if (t->type == HTML_TEXT && t->text_kind <= HTML_TEXT_RCDATA) {
		struct buf b = { 0 };
		html_text_decode(&b, str_sub(s->src, t->start, t->end));
		for (size_t i = 0; i < b.n; i++)
			buf_addc(s->out, b.p[i] == '\r' || b.p[i] == '\0' ? ' ' : b.p[i]);
		buf_free(&b);
	} else if ((t->type == HTML_START_TAG || t->type == HTML_END_TAG) &&
		   breaks_line(str_sub(s->src, t->name_start, t->name_end))) {
		buf_addc(s->out, '\n');
	}
	return s->out->n < NOTICE_MAX;
}

void
notice_from_html(struct buf *out, struct str html)
{
	struct text_sink s = { .src = html, .out = out };
	html_tokenize(html, NULL, 0, text_token, &s);
	buf_addc(out, '\n');
}

/* ---- the returned message ---- */

static struct str
line_at(struct str text, size_t at)
{
	struct str rest = str_sub(text, at, text.n);
	return str_sub(rest, 0, str_find_char(rest, '\n'));
}

/* The name of a header field that begins this line; n 0: none does. */
static struct str
field_name(struct str line)
{
	size_t colon = str_find_char(line, ':');
	if (colon == 0 || colon >= line.n || colon > 60)
		return STR_NULL;
	for (size_t i = 0; i < colon; i++)
		if (line.p[i] <= ' ' || (unsigned char)line.p[i] >= 0x7f)
			return STR_NULL;
	return str_sub(line, 0, colon);
}

static bool
is_one_of(struct str name, const char *list)
{
	struct str rest = str_of(list), one;
	while (name.n > 0 && str_split(&rest, '|', &one))
		if (str_caseeq(name, one))
			return true;
	return false;
}

/* Is it the header of a message that begins at offset at? Fields as mail has them, and trace fields in front.
 */
static bool
is_header(struct str text, size_t at)
{
	size_t known = 0, trace = 0, lines = 0;
	while (at < text.n && lines < 200) {
		struct str line = line_at(text, at);
		struct str name = field_name(line);
		bool fold = lines > 0 && line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
		if (!fold && name.n == 0)
			break;
		if (is_one_of(name, "Final-Recipient|Reporting-MTA|Original-Recipient|Remote-MTA|Action"))
			return false;
		trace +=
		    is_one_of(name, "Received|Return-Path|X-Received|DKIM-Signature|ARC-Seal|Delivered-To|"
				    "X-Originating-IP|X-Envelope-From|DomainKey-Signature");
		known += is_one_of(
		    name, "From|To|Subject|Date|Message-ID|MIME-Version|Content-Type|Reply-To|Sender");
		lines++;
		at += line.n + 1;
	}
	return known >= 3 || (trace > 0 && (trace + known >= 2 || lines >= 2));
}

static bool
has(struct str line, const char *lower_words)
{
	struct str rest = str_of(lower_words), one;
	while (str_split(&rest, '|', &one))
		for (size_t i = 0; i + one.n <= line.n; i++)
			if (str_caseeq(str_sub(line, i, i + one.n), one))
				return true;
	return false;
}

/* A line that says that the returned message follows. */
static bool
is_separator(struct str line)
{
	line = str_trim(line);
	if (line.n < 12 || line.n > 120)
		return false;
	bool ruled = strchr("-=*|_", line.p[0]) != NULL;
	bool announces = line.p[line.n - 1] == ':' || has(line, "follow|below|enclosed");
	if (!ruled && !announces)
		return false;
	return has(line,
		   "original message|original mail|copy of the message|copy of your message|returned message|"
		   "message text|message header|copy of the original|unsent message|message body");
}

/* Has the text up to there said anything yet? Some begin with what looks like a header. */
static bool
has_said(struct str text, size_t at)
{
	struct codes c;
	struct str before = str_sub(text, 0, at);
	if (str_find_char(before, '@') < before.n)
		return true;
	codes_find(before, &c);
	return c.reply > 0 || c.status[0];
}

size_t
notice_cut(struct str text, size_t *returned)
{
	size_t end = text.n, doubtful = text.n;
	struct codes c;
	*returned = text.n;
	for (size_t at = 0; at < text.n;) {
		struct str line = line_at(text, at);
		bool header = field_name(line).n > 0 && is_header(text, at);
		if (header && has_said(text, at)) {
			*returned = at;
			return end < at ? end : at;
		}
		if (header && doubtful == text.n)
			doubtful = at;
		if (end == text.n && at > 0 && is_separator(line) && has_said(text, at))
			end = at;
		at += line.n + 1;
	}
	codes_find(str_sub(text, doubtful, text.n), &c);
	if (end == text.n && c.reply == 0)
		*returned = end = doubtful;
	return end;
}

/* ---- about one recipient ---- */

static bool
begins_line(struct str text, size_t at)
{
	while (at > 0 && strchr(" \t*>-", text.p[at - 1]))
		at--;
	return at == 0 || text.p[at - 1] == '\n';
}

/* Where the lines about an address begin: where it begins a line, else where it stands first. */
static size_t
about_begin(struct str text, struct str wanted, size_t *end)
{
	size_t at = 0, from, to, first = text.n;
	struct str addr;
	while (address_next(text, &at, &addr, &from, &to)) {
		if (!str_caseeq(addr, wanted))
			continue;
		if (begins_line(text, from) || first == text.n)
			*end = to;
		if (begins_line(text, from))
			return from;
		if (first == text.n)
			first = from;
	}
	return first;
}

struct str
notice_about(struct str notice, struct str wanted)
{
	size_t end = 0, from, to, start = about_begin(notice, wanted, &end);
	struct str addr;
	if (start >= notice.n)
		return notice;
	for (size_t at = end; address_next(notice, &at, &addr, &from, &to);)
		if (!str_caseeq(addr, wanted) && begins_line(notice, from))
			return str_sub(notice, start, from);
	return str_sub(notice, start, notice.n);
}
