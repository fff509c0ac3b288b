/*
 * smtp-reply: what a server says, in our words.
 */
#include <stdarg.h>
#include <stdio.h>

#include "inject/smtp-private.h"

/* ---- EHLO ---- */

static bool
keyword(struct str line, struct str name)
{
	return str_casestarts(line, name) && (line.n == name.n || line.p[name.n] == ' ' ||
					      line.p[name.n] == '\t' || line.p[name.n] == '\r');
}

/* RFC 1870: SIZE alone, and SIZE 0, set no limit. */
static uint64_t
size_limit(struct str digits)
{
	uint64_t v = 0;

	for (size_t i = 0; i < digits.n && ascii_isdigit(digits.p[i]); i++) {
		if (v > UINT64_MAX / 10 - 1)
			return 0;
		v = v * 10 + (uint64_t)(digits.p[i] - '0');
	}
	return v;
}

unsigned
smtp_ehlo_parse(struct str lines, uint64_t *max_size)
{
	static const struct {
		struct str name;
		unsigned bit;
	} known[] = { { { "PIPELINING", 10 }, EHLO_PIPELINING },
		      { { "8BITMIME", 8 }, EHLO_8BITMIME },
		      { { "SMTPUTF8", 8 }, EHLO_SMTPUTF8 },
		      { { "SIZE", 4 }, EHLO_SIZE },
		      { { "DSN", 3 }, EHLO_DSN } };
	unsigned offered = 0;
	struct str line;

	*max_size = 0;
	str_split(&lines, '\n', &line); /* the server's name */
	while (str_split(&lines, '\n', &line))
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			if (keyword(line, known[i].name)) {
				offered |= known[i].bit;
				if (known[i].bit == EHLO_SIZE)
					*max_size = size_limit(str_trim(str_sub(line, 4, line.n)));
			}
	return offered;
}

/* ---- replies ---- */

size_t
smtp_enhanced_length(struct str text)
{
	size_t i = 1;

	if (text.n < 5 || (text.p[0] != '2' && text.p[0] != '4' && text.p[0] != '5'))
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t start = i + 1;

		if (i >= text.n || text.p[i] != '.')
			return 0;
		for (i = start; i < text.n && i < start + 3 && ascii_isdigit(text.p[i]); i++)
			;
		if (i == start)
			return 0;
	}
	return i == text.n || ascii_isspace(text.p[i]) ? i : 0;
}

/* RFC 3463; where a code has several meanings, the one that claims least. */
static const char *
enhanced_of(int code)
{
	static const struct {
		int code;
		char enhanced[6];
	} map[] = { { 421, "4.3.2" }, { 451, "4.3.0" }, { 452, "4.3.1" }, { 500, "5.5.2" }, { 501, "5.5.4" },
		    { 502, "5.5.1" }, { 503, "5.5.1" }, { 504, "5.5.4" }, { 550, "5.1.0" }, { 551, "5.1.6" },
		    { 552, "5.3.4" }, { 553, "5.1.3" }, { 555, "5.5.4" } };

	for (size_t i = 0; i < sizeof map / sizeof *map; i++)
		if (map[i].code == code)
			return map[i].enhanced;
	return code < 400 ? "2.0.0" : code < 500 ? "4.0.0" : "5.0.0";
}

/* Without controls, and UTF-8: a character that was cut at the end goes, other encodings become '?'. */
static void
text_clean(struct smtp_result *out)
{
	char *p = out->text;
	size_t n = strlen(p);

	str_tame(p, n);
	if (n + 1 == sizeof out->text)
		for (int cut = 0; cut < 3 && !str_is_utf8(str_make(p, n)); cut++)
			p[--n] = '\0';
	if (!str_is_utf8(str_make(p, n)))
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)p[i] > 0x7f)
				p[i] = '?';
}

void
smtp_reply_describe(int code, struct str lines, struct smtp_result *out)
{
	size_t enhanced = smtp_enhanced_length(lines), at;
	struct str line, own = str_sub(lines, 0, enhanced);
	bool first = true;

	if (enhanced > 0 && enhanced < sizeof out->enhanced && own.p[0] - '0' == code / 100)
		snprintf(out->enhanced, sizeof out->enhanced, "%.*s", STR_ARG(own));
	else
		snprintf(out->enhanced, sizeof out->enhanced, "%s", enhanced_of(code));
	out->code = code;
	at = (size_t)snprintf(out->text, sizeof out->text, "%d", code);
	while (str_split(&lines, '\n', &line)) {
		if (!first && enhanced > 0 && smtp_enhanced_length(line) == enhanced && str_starts(line, own))
			line = str_sub(line, enhanced, line.n);
		first = false;
		line = str_trim(line);
		if (line.n == 0 || at + 1 >= sizeof out->text)
			continue;
		out->text[at++] = ' ';
		if (line.n > sizeof out->text - 1 - at)
			line.n = sizeof out->text - 1 - at;
		memcpy(out->text + at, line.p, line.n);
		at += line.n;
	}
	out->text[at] = '\0';
	text_clean(out);
}

void
smtp_result_set(struct smtp_result *out, enum smtp_status status, const char *step, const char *enhanced,
		const char *fmt, ...)
{
	va_list ap;

	out->status = status;
	out->step = step;
	out->code = 0;
	snprintf(out->enhanced, sizeof out->enhanced, "%s", enhanced);
	va_start(ap, fmt);
	vsnprintf(out->text, sizeof out->text, fmt, ap);
	va_end(ap);
	text_clean(out);
}
