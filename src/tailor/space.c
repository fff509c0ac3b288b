/*
 * space: "Hi ," never leaves. Where an empty variable would leave white space
 * before punctuation, the white space goes with it: "Hi {{name}},",
 * "Hi {{first}} {{last}}!", "Hi {{#if name}}{{name}}{{/if}},",
 * "Hi <b>{{name}}</b>,".
 */
#include "tailor/private.h"

/* Tags in one run, and bytes between two of them or in one inline element's tag: what a greeting has. */
#define RUN_TAGS 16
#define RUN_TEXT 200

static const char *const inline_elements[] = {
	"b", "strong", "i", "em", "u", "span", "font", "big", "small"
};

/* White space that ends at `at`: its length. HTML has more of it. */
static size_t
white_before(struct str s, size_t from, size_t at, bool html)
{
	size_t n = at - from;
	if (n >= 1 && (s.p[at - 1] == ' ' || s.p[at - 1] == '\t' || (html && ascii_isspace(s.p[at - 1]))))
		return 1;
	if (n >= 2 && memcmp(s.p + at - 2, "\xC2\xA0", 2) == 0)
		return 2;
	return html && n >= 6 && memcmp(s.p + at - 6, "&nbsp;", 6) == 0 ? 6 : 0;
}

static size_t
white_at(struct str s, size_t at, bool html)
{
	if (at < s.n && (s.p[at] == ' ' || s.p[at] == '\t' || (html && ascii_isspace(s.p[at]))))
		return 1;
	if (s.n - at >= 2 && memcmp(s.p + at, "\xC2\xA0", 2) == 0)
		return 2;
	return html && str_starts(str_sub(s, at, s.n), STR("&nbsp;")) ? 6 : 0;
}

/* Length of the inline element's tag at `at` (an end tag when end), or 0. */
static size_t
inline_at(struct str s, size_t at, bool end)
{
	struct str t = str_sub(s, at, at + RUN_TEXT);
	size_t from = end ? 2 : 1, n = from, gt = str_find_char(t, '>');
	if (gt == t.n || t.n < 3 || t.p[0] != '<' || (t.p[1] == '/') != end)
		return 0;
	while (n < gt && ascii_isalpha(t.p[n]))
		n++;
	if (n < gt && !ascii_isspace(t.p[n]))
		return 0;
	for (size_t i = 0; i < sizeof(inline_elements) / sizeof(inline_elements[0]); i++)
		if (str_caseeq(str_sub(t, from, n), str_of(inline_elements[i])))
			return gt + 1;
	return 0;
}

/* Where the white space before offset `at` begins, inline start tags stepped over; `at` when there is none.
 */
static size_t
run_start(struct str s, size_t from, size_t at, bool html)
{
	size_t p = at, n;
	while (html && p > from && s.p[p - 1] == '>') {
		const char *lt = memrchr(s.p + from, '<', p - from);
		if (lt == NULL || inline_at(s, (size_t)(lt - s.p), false) != p - (size_t)(lt - s.p))
			return at;
		p = (size_t)(lt - s.p);
	}
	size_t white = p;
	while (p - from > 0 && white - p < RUN_TEXT && (n = white_before(s, from, p, html)) > 0)
		p -= n;
	return p < white ? p : at;
}

static bool
punctuation_at(struct str s, size_t at, bool html)
{
	size_t n;
	while (html && (n = inline_at(s, at, true)) > 0)
		at += n;
	return at < s.n && s.p[at] != '\0' && strchr(",.!?;:", s.p[at]) != NULL;
}

/* Text between two tags inside a block: short, without markup, line ends and URLs. */
static bool
text_plain(struct str s)
{
	return s.n <= RUN_TEXT && str_find_char(s, '<') == s.n && str_find_char(s, '\n') == s.n &&
	       str_find(s, STR("://")) == s.n;
}

/* Depth behind a tag, or -1 when the run cannot go on over it. */
static int
depth_behind(int depth, enum tpl_tag_kind kind)
{
	switch (kind) {
	case TPL_TAG_VARIABLE:
	case TPL_TAG_RAW:
		return depth;
	case TPL_TAG_OPEN:
		return depth + 1;
	case TPL_TAG_CLOSE:
		return depth - 1;
	case TPL_TAG_ELSE:
		return depth > 0 ? depth : -1;
	default:
		return -1;
	}
}

bool
space_find(struct str s, const struct tpl_range *tags, size_t ntags, size_t i, bool html,
	   struct space_run *out)
{
	size_t from = i > 0 ? tags[i - 1].end : 0;
	int depth = 0;
	out->start = (uint32_t)run_start(s, from, tags[i].start, html);
	out->raw = false;
	if (out->start == tags[i].start)
		return false;
	for (size_t k = i; k < ntags && k < i + RUN_TAGS; k++) {
		size_t at = tags[k].end, n;
		if ((depth = depth_behind(depth, tags[k].kind)) < 0)
			return false;
		out->raw |= tags[k].kind == TPL_TAG_RAW;
		out->end = (uint32_t)at;
		out->last = k;
		if (depth == 0 && punctuation_at(s, at, html))
			return true;
		if (k + 1 == ntags)
			return false;
		while (depth == 0 && at < tags[k + 1].start && (n = white_at(s, at, html)) > 0)
			at += n;
		if (depth == 0 ? at != tags[k + 1].start : !text_plain(str_sub(s, at, tags[k + 1].start)))
			return false;
	}
	return false;
}

size_t
space_lead(struct str s, bool html)
{
	size_t at = 0, n;
	while (at < s.n && (n = white_at(s, at, html)) > 0)
		at += n;
	return at;
}

bool
space_drop(struct str s, bool html, struct buf *out)
{
	size_t before = out->n;
	for (size_t at = 0, n; at < s.n; at += n) {
		if ((n = white_at(s, at, html)) > 0)
			continue;
		if (!html || ((n = inline_at(s, at, false)) == 0 && (n = inline_at(s, at, true)) == 0)) {
			out->n = before;
			return false;
		}
		buf_adds(out, str_sub(s, at, at + n));
	}
	return true;
}
