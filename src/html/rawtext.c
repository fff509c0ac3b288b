/*
 * rawtext: elements whose content is not markup (13.2.5.2 to 13.2.5.31), and
 * where they end. <noscript> is not one: mail is read without scripts.
 */
#include "html/html-private.h"

bool
rawtext_switches(struct str name, enum html_text_kind *kind)
{
	static const struct {
		struct str name;
		enum html_text_kind kind;
	} raw[] = {
		{ STR("style"), HTML_TEXT_STYLE },   { STR("title"), HTML_TEXT_RCDATA },
		{ STR("script"), HTML_TEXT_SCRIPT }, { STR("textarea"), HTML_TEXT_RCDATA },
		{ STR("xmp"), HTML_TEXT_RAW },	     { STR("iframe"), HTML_TEXT_RAW },
		{ STR("noembed"), HTML_TEXT_RAW },   { STR("noframes"), HTML_TEXT_RAW },
		{ STR("plaintext"), HTML_TEXT_RAW },
	};

	if (name.n < 3 || !strchr("stxinpSTXINP", name.p[0]))
		return false;
	for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++) {
		if (str_caseeq(name, raw[i].name)) {
			*kind = raw[i].kind;
			return true;
		}
	}
	return false;
}

static bool
ends_name(int c)
{
	return html_is_space(c) || c == '/' || c == '>';
}

/* Is the '<' at pos the begin of </name ? The name comes from the input and may hold anything but opaque
 * ranges. */
static bool
at_end_tag(const struct html_cursor *c, struct str name)
{
	if (cursor_peek_at(c, 1) != '/' || c->limit - c->pos - 2 < name.n)
		return false;
	if (!str_caseeq(str_make(c->p + c->pos + 2, name.n), name))
		return false;
	return ends_name(cursor_peek_at(c, (uint32_t)name.n + 2));
}

/*
 * Script data: behind "<!--" a "<script" hides the next "</script" (13.2.5.20 ff.), until "-->".
 * The first dashes of "<!-->" count for both ends.
 */
static bool
script_skip(struct html_cursor *c, struct str name)
{
	enum { NORMAL, ESCAPED, DOUBLE } state = NORMAL;

	for (;; c->pos++) {
		if (state == NORMAL && !cursor_find(c, '<'))
			return false;
		while (cursor_at_opaque(c))
			cursor_skip_opaque(c);
		int ch = cursor_peek(c);
		if (ch == CURSOR_EOF)
			return false;
		if (ch == '-' && state != NORMAL && cursor_spells(c, 1, "->", 2))
			state = NORMAL;
		if (ch != '<')
			continue;
		if (state == DOUBLE) {
			if (cursor_spells(c, 1, "/script", 7) && ends_name(cursor_peek_at(c, 8)))
				state = ESCAPED;
		} else if (at_end_tag(c, name)) {
			return true;
		} else if (state == NORMAL) {
			if (cursor_spells(c, 1, "!--", 3)) {
				state = ESCAPED;
				c->pos++; /* to the '!': the dashes are looked at again */
			}
		} else if (cursor_spells(c, 1, "script", 6) && ends_name(cursor_peek_at(c, 7))) {
			state = DOUBLE;
		}
	}
}

bool
rawtext_skip(struct html_cursor *c, struct str name, enum html_text_kind kind)
{
	if (str_caseeq(name, STR("plaintext"))) {
		c->pos = c->limit = c->end;
		return false;
	}
	if (kind == HTML_TEXT_SCRIPT)
		return script_skip(c, name);
	for (; cursor_find(c, '<'); c->pos++)
		if (at_end_tag(c, name))
			return true;
	return false;
}
