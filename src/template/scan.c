/*
 * scan: tags and delimiters. Quotes matter inside a tag, so that "}}" may
 * stand in a string; a string ends on its line, which keeps one stray quote
 * from swallowing the rest of the mail.
 */
#include "template/scan.h"

void
scan_init(struct scanner *s, struct str source, struct str partial)
{
	*s = (struct scanner){ .source = source, .partial = partial, .open = STR("{{"), .close = STR("}}") };
}

static bool
starts_at(struct str source, size_t pos, struct str what)
{
	return source.n - pos >= what.n && memcmp(source.p + pos, what.p, what.n) == 0;
}

static size_t
find_from(struct str source, size_t pos, struct str what)
{
	if (pos >= source.n)
		return source.n;
	const char *hit = memmem(source.p + pos, source.n - pos, what.p, what.n);
	return hit ? (size_t)(hit - source.p) : source.n;
}

/* The end of a string that begins at pos, or pos when it does not end on its line. */
static size_t
skip_string(struct str source, size_t pos)
{
	char quote = source.p[pos];
	for (size_t i = pos + 1; i < source.n && source.p[i] != '\n'; i++) {
		if (source.p[i] == quote)
			return i + 1;
	}
	return pos;
}

/* The offset of the closing delimiter (of its "}" when triple), or n. */
static size_t
find_close(const struct scanner *s, size_t from, bool triple)
{
	struct str src = s->source;
	size_t i = from;
	while (i < src.n) {
		char c = src.p[i];
		if (triple) {
			if (c == '}' &&
			    (starts_at(src, i + 1, s->close) ||
			     (i + 1 < src.n && src.p[i + 1] == '~' && starts_at(src, i + 2, s->close))))
				return i;
		} else if (c == s->close.p[0] && starts_at(src, i, s->close)) {
			return i;
		}
		if ((c == '"' || c == '\'') && (i == from || ascii_isspace(src.p[i - 1]) ||
						src.p[i - 1] == '=' || src.p[i - 1] == '(')) {
			size_t end = skip_string(src, i);
			if (end > i) {
				i = end;
				continue;
			}
		}
		i++;
	}
	return src.n;
}

static int
unclosed(const struct scanner *s, size_t at, const char *what, struct tpl_error *te)
{
	return tpl_fail(te, s->source, s->partial, at,
			"unclosed tag: no %s follows; close it, or write \\{{ for plain braces", what);
}

static void
trim_content(const struct scanner *s, struct tag *t, size_t from, size_t to)
{
	const char *p = s->source.p;
	while (from < to && ascii_isspace(p[from]))
		from++;
	while (to > from && ascii_isspace(p[to - 1]))
		to--;
	t->content = (uint32_t)from;
	t->content_end = (uint32_t)to;
}

/* The content ends at `close`; a ~ before it strips. Sets t->end. */
static void
close_tag(struct scanner *s, struct tag *t, size_t from, size_t close)
{
	t->end = (uint32_t)(close + s->close.n);
	if (close > from && s->source.p[close - 1] == '~') {
		t->strip_right = true;
		close--;
	}
	trim_content(s, t, from, close);
}

static int
scan_comment(struct scanner *s, struct tag *t, size_t from, struct tpl_error *te)
{
	struct str src = s->source;
	t->kind = TAG_COMMENT;
	if (!s->comment_plain && starts_at(src, from, STR("--"))) {
		for (size_t i = find_from(src, from, STR("--")); i < src.n;
		     i = find_from(src, i + 1, STR("--"))) {
			size_t after = i + 2;
			bool strip = after < src.n && src.p[after] == '~';
			if (!starts_at(src, after + (strip ? 1 : 0), s->close))
				continue;
			t->strip_right = strip;
			t->end = (uint32_t)(after + (strip ? 1 : 0) + s->close.n);
			t->content = t->content_end = (uint32_t)from;
			return 1;
		}
		s->comment_plain = true;
	}
	size_t close = find_from(src, from, s->close);
	if (close == src.n)
		return unclosed(s, t->start, "}}", te);
	close_tag(s, t, from, close);
	return 1;
}

/* {{=<% %>=}} */
static int
scan_delimiters(struct scanner *s, struct tag *t, size_t from, struct tpl_error *te)
{
	struct str src = s->source;
	t->kind = TAG_DELIMITERS;
	size_t close = from;
	for (;; close++) {
		close = find_from(src, close, STR("="));
		if (close >= src.n)
			return unclosed(s, t->start, "=}}", te);
		if (starts_at(src, close + 1, s->close))
			break;
	}
	t->end = (uint32_t)(close + 1 + s->close.n);
	trim_content(s, t, from, close);
	struct str both = { src.p + t->content, t->content_end - t->content };
	size_t a = 0, b = both.n;
	while (a < both.n && !ascii_isspace(both.p[a]) && both.p[a] != '=')
		a++;
	while (b > a && !ascii_isspace(both.p[b - 1]) && both.p[b - 1] != '=')
		b--;
	struct str gap = str_trim(str_sub(both, a, b));
	if (a == 0 || b == both.n || a == both.n || gap.n > 0 || a > SCAN_MAX_DELIMITER ||
	    both.n - b > SCAN_MAX_DELIMITER)
		return tpl_fail(
		    te, src, s->partial, t->start,
		    "a change of delimiters is written {{=<%% %%>=}}: two words of 1 to %d characters",
		    SCAN_MAX_DELIMITER);
	s->open = str_sub(both, 0, a);
	s->close = str_sub(both, b, both.n);
	s->comment_plain = false;
	return 1;
}

/* {{{{raw}}}} … {{{{/raw}}}}: what lies between is text. */
static int
scan_raw_block(struct scanner *s, struct tag *t, struct tpl_error *te)
{
	struct str src = s->source;
	size_t from = t->start + 4, close = find_from(src, from, STR("}}}}"));
	if (close == src.n)
		return unclosed(s, t->start, "}}}}", te);
	t->kind = TAG_RAW_BLOCK;
	t->end = (uint32_t)(close + 4);
	trim_content(s, t, from, close);
	struct str name = { src.p + t->content, t->content_end - t->content };
	if (!str_eq(name, STR("raw")))
		return tpl_fail(te, src, s->partial, t->start,
				"unknown raw block \"%.*s\"; only {{{{raw}}}} is known",
				STR_ARG(str_sub(name, 0, 40)));
	s->raw_end = find_from(src, t->end, STR("{{{{/raw}}}}"));
	if (s->raw_end == src.n)
		return tpl_fail(te, src, s->partial, t->start,
				"{{{{raw}}}} is never closed; add {{{{/raw}}}}");
	return 1;
}

static int
scan_kind(struct scanner *s, struct tag *t, size_t from, struct tpl_error *te)
{
	struct str src = s->source;
	size_t i = from;
	while (i < src.n && ascii_isspace(src.p[i]))
		i++;
	char sigil = i < src.n ? src.p[i] : '\0';
	if (sigil == '!')
		return scan_comment(s, t, i + 1, te);
	if (sigil == '=')
		return scan_delimiters(s, t, i + 1, te);
	t->kind = TAG_PRINT;
	switch (sigil) {
	case '&':
		t->kind = TAG_RAW;
		break;
	case '#':
		t->kind = TAG_OPEN;
		if (i + 1 < src.n && src.p[i + 1] == '>')
			t->kind = TAG_PARTIAL_BLOCK;
		if (i + 1 < src.n && src.p[i + 1] == '*')
			t->kind = TAG_INLINE;
		break;
	case '^':
		t->kind = TAG_INVERSE;
		break;
	case '/':
		t->kind = TAG_CLOSE;
		break;
	case '>':
		t->kind = TAG_PARTIAL;
		break;
	default:
		break;
	}
	if (t->kind != TAG_PRINT)
		from = i + (t->kind == TAG_PARTIAL_BLOCK || t->kind == TAG_INLINE ? 2 : 1);
	size_t close = find_close(s, from, false);
	if (close == src.n)
		return unclosed(s, t->start, "}}", te);
	close_tag(s, t, from, close);
	t->extra_brace = t->end < src.n && src.p[t->end] == '}';
	return 1;
}

/* {{else}}, {{else if x}} and {{^}} are one thing. */
static void
find_else(const struct scanner *s, struct tag *t)
{
	struct str c = { s->source.p + t->content, t->content_end - t->content };
	if (t->kind == TAG_INVERSE && c.n == 0) {
		t->kind = TAG_ELSE;
	} else if (t->kind == TAG_PRINT && str_starts(c, STR("else")) &&
		   (c.n == 4 || ascii_isspace(c.p[4]))) {
		t->kind = TAG_ELSE;
		trim_content(s, t, t->content + 4, t->content_end);
	}
}

static int
scan_tag(struct scanner *s, struct tag *t, struct tpl_error *te)
{
	struct str src = s->source;
	size_t from = t->start + s->open.n;
	bool usual = str_eq(s->open, STR("{{"));
	if (usual && starts_at(src, t->start, STR("{{{{")))
		return scan_raw_block(s, t, te);
	if (from < src.n && src.p[from] == '~') {
		t->strip_left = true;
		from++;
	}
	if (from < src.n && src.p[from] == '{') {
		size_t close = find_close(s, from + 1, true);
		if (close == src.n)
			return unclosed(s, t->start, "}}}", te);
		t->kind = TAG_RAW;
		trim_content(s, t, from + 1, close);
		t->strip_right = src.p[close + 1] == '~' && !starts_at(src, close + 1, s->close);
		t->end = (uint32_t)(close + 1 + (t->strip_right ? 1 : 0) + s->close.n);
		return 1;
	}
	if (scan_kind(s, t, from, te) < 0)
		return -1;
	find_else(s, t);
	return 1;
}

/* A backslash before {{ : one makes text of it, two are one backslash before a tag. */
static bool
scan_backslash(struct scanner *s, size_t open, struct tag *t)
{
	struct str src = s->source;
	if (open == 0 || open <= s->pos || src.p[open - 1] != '\\' || !str_eq(s->open, STR("{{")))
		return false;
	*t = (struct tag){ .kind = TAG_BACKSLASH, .start = (uint32_t)(open - 1), .end = (uint32_t)open };
	s->escaped = !(open >= 2 && open - 1 > s->pos && src.p[open - 2] == '\\');
	s->pos = open;
	return true;
}

int
scan_next(struct scanner *s, struct tag *t, struct tpl_error *te)
{
	struct str src = s->source;
	if (src.n > TPL_MAX_SOURCE)
		return tpl_fail(te, src, s->partial, 0, "the template is longer than 16 MB; make it shorter");
	*t = (struct tag){ 0 };
	if (s->raw_end) {
		*t = (struct tag){ .kind = TAG_RAW_BLOCK,
				   .start = (uint32_t)s->raw_end,
				   .end = (uint32_t)(s->raw_end + sizeof "{{{{/raw}}}}" - 1) };
		s->pos = t->end;
		s->raw_end = 0;
		return 1;
	}
	size_t from = s->pos + (s->escaped ? 2 : 0);
	size_t open = find_from(src, from, s->open);
	if (open == src.n)
		return 0;
	if (s->escaped)
		s->pos = from;
	s->escaped = false;
	if (++s->ntags > TPL_MAX_TAGS)
		return tpl_fail(te, src, s->partial, open, "more than %u tags; make the template smaller",
				TPL_MAX_TAGS);
	if (scan_backslash(s, open, t))
		return 1;
	*t = (struct tag){ .start = (uint32_t)open };
	if (scan_tag(s, t, te) < 0)
		return -1;
	s->pos = t->end;
	return 1;
}

static enum tpl_tag_kind
public_kind(const struct tag *t)
{
	switch (t->kind) {
	case TAG_PRINT:
		return TPL_TAG_VARIABLE;
	case TAG_RAW:
		return TPL_TAG_RAW;
	case TAG_OPEN:
	case TAG_INVERSE:
	case TAG_PARTIAL_BLOCK:
	case TAG_INLINE:
		return TPL_TAG_OPEN;
	case TAG_ELSE:
		return TPL_TAG_ELSE;
	case TAG_CLOSE:
		return TPL_TAG_CLOSE;
	case TAG_PARTIAL:
		return TPL_TAG_PARTIAL;
	default:
		return TPL_TAG_OTHER;
	}
}

int
tpl_scan(struct arena *a, struct str source, struct tpl_range **tags, size_t *ntags, struct tpl_error *te)
{
	struct scanner s;
	struct tag t;
	int rc;
	size_t n = 0, room = 64;
	struct tpl_range *all = ARENA_ARRAY(a, struct tpl_range, room);
	scan_init(&s, source, STR_NULL);
	while ((rc = scan_next(&s, &t, te)) > 0) {
		if (t.kind == TAG_BACKSLASH)
			continue;
		if (n == room) {
			struct tpl_range *more = ARENA_ARRAY(a, struct tpl_range, room * 2);
			memcpy(more, all, n * sizeof *all);
			all = more;
			room *= 2;
		}
		all[n++] = (struct tpl_range){ t.start, t.end, public_kind(&t) };
	}
	*tags = all;
	*ntags = n;
	return rc;
}
