/*
 * url: what a URL in mail is, read as browsers read it (WHATWG URL, 4.4):
 * controls and spaces around it, and tabs and line ends anywhere in it, are
 * not there.
 */
#include "html/html.h"

static bool
is_c0_or_space(char c)
{
	return (unsigned char)c <= 0x20;
}

static bool
is_tab_or_eol(char c)
{
	return c == '\t' || c == '\n' || c == '\r';
}

static struct str
strip_ends(struct str s)
{
	while (s.n > 0 && is_c0_or_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_c0_or_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

void
html_url_clean(struct buf *out, struct str url)
{
	struct str s = strip_ends(url);

	for (size_t i = 0; i < s.n; i++)
		if (!is_tab_or_eol(s.p[i]))
			buf_addc(out, s.p[i]);
}

#define SCHEME_MAX 16

/*
 * The scheme in lower case, without ':'. Other controls and spaces are left out too: no browser should take
 * "java\1script:" for a scheme, but nobody honest writes it. 0: none, or one too long to be of interest.
 */
static size_t
read_scheme(struct str s, char scheme[SCHEME_MAX], size_t *behind)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = ascii_lower(s.p[i]);
		if (is_c0_or_space(c) || c == 0x7F)
			continue;
		if (c == ':') {
			*behind = i + 1;
			return n;
		}
		bool ok =
		    ascii_isalpha(c) || (n > 0 && (ascii_isdigit(c) || c == '+' || c == '-' || c == '.'));
		if (!ok || n == SCHEME_MAX)
			return 0;
		scheme[n++] = c;
	}
	return 0;
}

/* data: URLs of bitmap images: "image/png" then ';' or ','. */
static bool
is_image_data(struct str rest)
{
	static const struct str types[] = { STR("image/png"), STR("image/gif"), STR("image/jpeg"),
					    STR("image/jpg"), STR("image/webp") };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_casestarts(rest, types[i]) && rest.n > types[i].n &&
		    (rest.p[types[i].n] == ';' || rest.p[types[i].n] == ','))
			return true;
	return false;
}

enum html_url_kind
html_url_classify(struct str url)
{
	static const struct str unsafe[] = {
		STR("javascript"),  STR("vbscript"), STR("livescript"), STR("mocha"), STR("file"),
		STR("view-source"), STR("blob"),     STR("filesystem"), STR("mhtml"), STR("jar"),
	};
	char name[SCHEME_MAX];
	size_t behind = 0;
	struct str s = strip_ends(url);
	struct str scheme = str_make(name, read_scheme(s, name, &behind));

	if (scheme.n == 0)
		return HTML_URL_OTHER_OK;
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
		if (str_eq(scheme, unsafe[i]))
			return HTML_URL_UNSAFE;
	if (str_eq(scheme, STR("data")))
		return is_image_data(str_sub(s, behind, s.n)) ? HTML_URL_OTHER_OK : HTML_URL_UNSAFE;
	if (html_url_host(s).n > 0)
		return HTML_URL_WEB;
	return HTML_URL_OTHER_OK;
}

struct str
html_url_host(struct str url)
{
	struct str s = strip_ends(url);
	size_t from, end;

	if (str_casestarts(s, STR("http://")))
		from = 7;
	else if (str_casestarts(s, STR("https://")))
		from = 8;
	else
		return STR_NULL;
	/* '\' ends the authority as '/' does: "http://good\@evil" goes to good. */
	for (end = from; end < s.n && !memchr("/\\?#", s.p[end], 4); end++) {
		if (s.p[end] == '@')
			from = end + 1;
		if (is_c0_or_space(s.p[end]) || s.p[end] == 0x7F)
			return STR_NULL;
	}
	struct str host = str_sub(s, from, end);
	size_t n = host.n;
	if (n > 0 && host.p[0] == '[') {
		size_t close = str_find_char(host, ']');
		n = close < host.n ? close + 1 : 0;
	} else {
		n = str_find_char(host, ':');
	}
	return n > 0 ? str_sub(host, 0, n) : STR_NULL;
}
