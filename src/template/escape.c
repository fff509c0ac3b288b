/*
 * escape: one function per kind of place. Bytes are taken as UTF-8; where a
 * place needs code points, ill-formed bytes become U+FFFD.
 */
#include "template/escape.h"

static bool
is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static const char *
html_entity(char c, bool raw)
{
	switch (c) {
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#x27;";
	case '&':
		return raw ? NULL : "&amp;";
	case '`':
		return raw ? NULL : "&#x60;";
	case '=':
		return raw ? NULL : "&#x3D;";
	default:
		return NULL;
	}
}

/* raw: quotes and brackets only, for {{{x}}} in an attribute. */
static void
add_html(struct buf *out, struct str s, bool raw)
{
	size_t from = 0;
	for (size_t i = 0; i < s.n; i++) {
		const char *e = html_entity(s.p[i], raw);
		if (!e && s.p[i] != '\0')
			continue;
		buf_add(out, s.p + from, i - from);
		if (e)
			buf_add(out, e, strlen(e));
		from = i + 1;
	}
	buf_add(out, s.p + from, s.n - from);
}

/* The code point at s.p[*i], which moves on. */
static uint32_t
next_point(struct str s, size_t *i)
{
	unsigned char c = (unsigned char)s.p[*i];
	size_t n = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
	if (c < 0x80) {
		(*i)++;
		return c;
	}
	if (c < 0xC2 || c > 0xF4 || s.n - *i < n || !str_is_utf8(str_make(s.p + *i, n))) {
		(*i)++;
		return 0xFFFD;
	}
	uint32_t u = c & (0x7Fu >> n);
	for (size_t k = 1; k < n; k++)
		u = u << 6 | ((unsigned char)s.p[*i + k] & 0x3Fu);
	*i += n;
	return u;
}

static void
add_unquoted(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n;) {
		uint32_t u = next_point(s, &i);
		if (u < 0x80 && (is_alnum((unsigned char)u) || strchr("._-", (int)u)) && u != 0)
			buf_addc(out, (char)u);
		else if (u != 0)
			buf_printf(out, "&#x%X;", u);
	}
}

/* A control character at s.p[i]: its length, else 0. C1 too, which terminals and old mail readers obey. */
static size_t
control_at(struct str s, size_t i)
{
	unsigned char c = (unsigned char)s.p[i];
	if (c < 0x20 || c == 0x7F)
		return 1;
	if (c == 0xC2 && i + 1 < s.n && (unsigned char)s.p[i + 1] >= 0x80 && (unsigned char)s.p[i + 1] < 0xA0)
		return 2;
	return 0;
}

static void
add_text(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n;) {
		size_t n = control_at(s, i);
		if (n == 0 || s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\r')
			buf_addc(out, s.p[i++]);
		else
			i += n;
	}
}

/* A run of controls and line separators becomes one space. */
static void
add_header(struct buf *out, struct str s)
{
	bool run = false;
	for (size_t i = 0; i < s.n;) {
		size_t n = control_at(s, i);
		if (n == 0 && s.n - i >= 3 &&
		    (memcmp(s.p + i, "\xE2\x80\xA8", 3) == 0 || memcmp(s.p + i, "\xE2\x80\xA9", 3) == 0))
			n = 3;
		if (n == 0) {
			buf_addc(out, s.p[i++]);
			run = false;
			continue;
		}
		if (!run)
			buf_addc(out, ' ');
		run = true;
		i += n;
	}
}

static bool
is_hex(char c)
{
	return ascii_isdigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Does the byte stay in a URL? whole: the value brings its own structure. */
static bool
url_keeps(struct str s, size_t i, bool whole, enum url_place place)
{
	char c = s.p[i];
	if (is_alnum((unsigned char)c) || c == '-' || c == '.' || c == '_' || c == '~')
		return true;
	if (c == '\0')
		return false;
	if (whole)
		return strchr(":/?#[]@!$&()*+,;=", c) ||
		       (c == '%' && s.n - i >= 3 && is_hex(s.p[i + 1]) && is_hex(s.p[i + 2]));
	return place == URL_PATH && c == '/';
}

static void
add_url(struct buf *out, struct str s, bool raw, enum url_place place, bool html)
{
	static const char hex[] = "0123456789ABCDEF";
	bool whole = raw || place == URL_START;
	if (place == URL_START)
		s = str_trim(s);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (!url_keeps(s, i, whole, place)) {
			char code[3] = { '%', hex[c >> 4], hex[c & 15] };
			buf_add(out, code, sizeof code);
		} else if (c == '&' && html && !raw) {
			buf_add(out, "&amp;", 5);
		} else {
			buf_addc(out, (char)c);
		}
	}
}

enum url_place
escape_url_after(enum url_place before, struct str text)
{
	if (before == URL_QUERY)
		return before;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		/* "&#x27;" is a quote and no fragment. */
		if (c == '?' || (c == '#' && (i == 0 || text.p[i - 1] != '&')))
			return URL_QUERY;
		if (!ascii_isspace(c))
			before = URL_PATH;
	}
	return before;
}

/* Only letters, digits and `more` pass. */
static void
add_only(struct buf *out, struct str s, const char *more)
{
	for (size_t i = 0; i < s.n; i++) {
		if (is_alnum((unsigned char)s.p[i]) || (s.p[i] != '\0' && strchr(more, s.p[i])))
			buf_addc(out, s.p[i]);
	}
}

/*
 * The inside of a JSON or JavaScript string, whichever quotes it has. '$' goes
 * too: in a `template literal` ${…} would run.
 */
static void
add_script(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n;) {
		size_t from = i;
		uint32_t u = next_point(s, &i);
		switch (u) {
		case '\n':
			buf_add(out, "\\n", 2);
			break;
		case '\r':
			buf_add(out, "\\r", 2);
			break;
		case '\t':
			buf_add(out, "\\t", 2);
			break;
		case '\\':
			buf_add(out, "\\\\", 2);
			break;
		case '"':
			buf_add(out, "\\\"", 2);
			break;
		default:
			if (u < 0x20 || u == 0x7F || u == 0x2028 || u == 0x2029 || u == 0xFFFD ||
			    (u < 0x80 && strchr("<>&'`$", (int)u)))
				buf_printf(out, "\\u%04X", u);
			else
				buf_add(out, s.p + from, i - from);
		}
	}
}

/* No "--", no ">", and no "-" at the ends, where the author's own could complete it. */
static void
add_comment(struct buf *out, struct str s)
{
	while (s.n > 0 && s.p[0] == '-')
		s = str_sub(s, 1, s.n);
	while (s.n > 0 && (s.p[s.n - 1] == '-' || s.p[s.n - 1] == '>' || s.p[s.n - 1] == '\0'))
		s.n--;
	char before = '-';
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '>' || c == '\0' || (c == '-' && before == '-'))
			continue;
		buf_addc(out, c);
		before = c;
	}
}

bool
escape_is_clean(enum tpl_escape escape, bool raw, struct str s)
{
	if (escape == TPL_ESC_NONE || (escape == TPL_ESC_HTML && raw))
		return true;
	if (escape == TPL_ESC_HTML || escape == TPL_ESC_ATTR) {
		for (size_t i = 0; i < s.n; i++) {
			if (html_entity(s.p[i], raw) || s.p[i] == '\0')
				return false;
		}
		return true;
	}
	if (escape == TPL_ESC_TEXT) {
		for (size_t i = 0; i < s.n; i++) {
			unsigned char c = (unsigned char)s.p[i];
			if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7F || c == 0xC2)
				return false;
		}
		return true;
	}
	return false;
}

void
escape_add(struct buf *out, enum tpl_escape escape, bool raw, enum url_place url, struct str s)
{
	if (s.n == 0)
		return;
	buf_reserve(out, s.n);
	switch (escape) {
	case TPL_ESC_NONE:
		buf_adds(out, s);
		break;
	case TPL_ESC_TEXT:
		add_text(out, s);
		break;
	case TPL_ESC_HEADER:
		add_header(out, s);
		break;
	case TPL_ESC_HTML:
		if (raw)
			buf_adds(out, s);
		else
			add_html(out, s, false);
		break;
	case TPL_ESC_ATTR:
		add_html(out, s, raw);
		break;
	case TPL_ESC_UNQUOTED:
		add_unquoted(out, s);
		break;
	case TPL_ESC_URL:
		add_url(out, s, raw, url, true);
		break;
	case TPL_ESC_URL_TEXT:
		add_url(out, s, raw, url, false);
		break;
	case TPL_ESC_STYLE:
		add_only(out, s, " #%.,_-");
		break;
	case TPL_ESC_SCRIPT:
		add_script(out, s);
		break;
	case TPL_ESC_TAG:
		add_only(out, s, "_-");
		break;
	case TPL_ESC_COMMENT:
		add_comment(out, s);
		break;
	}
}
