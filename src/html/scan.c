/*
 * scan: one pass over a document for what mail needs: links, other URLs,
 * where template tags stand, and the place for the pixel. The data of
 * conditional comments (<!--[if …]> … <![endif]-->, read as HTML by Outlook)
 * is scanned in turn, one level deep: comments do not nest.
 */
#include "html/html-private.h"

struct scan {
	struct arena *a;
	const char *src;
	const struct html_range *opaque;
	size_t nopaque;
	size_t next; /* the first opaque range not yet placed */
	bool conditional;
	struct html_doc *doc;
	size_t cap_links, cap_urls;
	uint32_t html_end;
	bool has_html_end;
};

static struct str
token_name(const struct scan *s, const struct html_token *t)
{
	return str_make(s->src + t->name_start, t->name_end - t->name_start);
}

/* Room for one more of n entries; what is outgrown stays in the arena, at most as much again. */
static void *
grow(struct arena *a, void *old, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return old;
	*cap = *cap ? *cap * 2 : 32;
	void *p = arena_zalloc_array(a, size, *cap);
	if (n > 0)
		memcpy(p, old, n * size);
	return p;
}

/* ---- places ---- */

/* All ranges that begin before `upto` and have no place yet. */
static void
place_upto(struct scan *s, uint32_t upto, enum html_place place)
{
	while (s->next < s->nopaque && s->opaque[s->next].start < upto)
		s->doc->places[s->next++] = place;
}

static enum html_place
value_place(enum html_attr_kind kind, char quote)
{
	bool quoted = quote == '"' || quote == '\'';

	switch (kind) {
	case ATTR_URL:
	case ATTR_SRCSET:
	case ATTR_HREF:
	case ATTR_XLINK_HREF:
		return HTML_IN_URL;
	case ATTR_STYLE:
		return quoted ? HTML_IN_STYLE : HTML_IN_TAG;
	case ATTR_SCRIPT:
		return quoted ? HTML_IN_SCRIPT : HTML_IN_TAG;
	case ATTR_PLAIN:
		break;
	}
	return quoted ? HTML_IN_ATTR : HTML_IN_UNQUOTED;
}

static void
place_tag(struct scan *s, const struct html_token *t)
{
	struct str element = token_name(s, t);

	for (uint32_t i = 0; i < t->nattrs && s->next < s->nopaque && s->opaque[s->next].start < t->end;
	     i++) {
		const struct html_attr *a = &t->attrs[i];
		struct str name = str_make(s->src + a->name_start, a->name_end - a->name_start);
		place_upto(s, a->value_start, HTML_IN_TAG);
		place_upto(s, a->value_end, value_place(attr_kind(element, name), a->quote));
	}
	place_upto(s, t->end, HTML_IN_TAG);
}

static enum html_place
text_place(const struct html_token *t)
{
	switch (t->text_kind) {
	case HTML_TEXT_STYLE:
		return HTML_IN_STYLE;
	case HTML_TEXT_SCRIPT:
		return HTML_IN_SCRIPT;
	case HTML_TEXT_DATA:
	case HTML_TEXT_RCDATA:
	case HTML_TEXT_RAW:
		break;
	}
	return HTML_IN_TEXT;
}

/* ---- links and URLs ---- */

static void
add_link(struct scan *s, const struct html_token *t, const struct html_attr *a)
{
	struct html_doc *d = s->doc;

	d->links = grow(s->a, d->links, d->nlinks, &s->cap_links, sizeof(*d->links));
	d->links[d->nlinks++] = (struct html_link){
		.start = a->value_start,
		.end = a->value_end,
		.quote = a->quote,
		.conditional = s->conditional,
		.notrack = attrs_opt_out(s->src, t->attrs, t->nattrs),
	};
}

static void
add_url(struct scan *s, uint32_t start, uint32_t end, char quote)
{
	struct html_doc *d = s->doc;

	d->urls = grow(s->a, d->urls, d->nurls, &s->cap_urls, sizeof(*d->urls));
	d->urls[d->nurls++] = (struct html_url){ start, end, quote };
}

/* "url descriptor, url descriptor": commas inside an URL are its own, those at its end are not (4.8.4.2.2).
 */
static void
add_srcset(struct scan *s, const struct html_attr *a)
{
	const char *p = s->src;
	uint32_t i = a->value_start, end = a->value_end;

	while (i < end) {
		while (i < end && (html_is_space((unsigned char)p[i]) || p[i] == ','))
			i++;
		uint32_t from = i;
		while (i < end && !html_is_space((unsigned char)p[i]))
			i++;
		uint32_t to = i;
		while (to > from && p[to - 1] == ',')
			to--;
		if (to > from)
			add_url(s, from, to, a->quote);
		if (to < i)
			continue;
		while (i < end && p[i] != ',')
			i++;
	}
}

static bool
is_link_element(const struct scan *s, struct str name)
{
	if (name.n == 1)
		return ascii_lower(name.p[0]) == 'a';
	if (name.n == 4 && str_caseeq(name, STR("area")))
		return true;
	return s->conditional && name.n > 2 && str_casestarts(name, STR("v:"));
}

static void
scan_attrs(struct scan *s, const struct html_token *t)
{
	struct str element = token_name(s, t);
	bool is_link = is_link_element(s, element);
	bool has_href = false;

	for (uint32_t i = 0; is_link && t->foreign && i < t->nattrs; i++) {
		const struct html_attr *a = &t->attrs[i];
		has_href |=
		    str_caseeq(str_make(s->src + a->name_start, a->name_end - a->name_start), STR("href"));
	}
	for (uint32_t i = 0; i < t->nattrs; i++) {
		const struct html_attr *a = &t->attrs[i];
		struct str name = str_make(s->src + a->name_start, a->name_end - a->name_start);
		enum html_attr_kind kind = a->duplicate ? ATTR_PLAIN : attr_kind(element, name);
		if (is_link && (kind == ATTR_HREF || (kind == ATTR_XLINK_HREF && t->foreign && !has_href)))
			add_link(s, t, a);
		else if (kind == ATTR_SRCSET)
			add_srcset(s, a);
		else if (kind == ATTR_HREF || kind == ATTR_XLINK_HREF || kind == ATTR_URL)
			add_url(s, a->value_start, a->value_end, a->quote);
	}
}

/* ---- tokens ---- */

static bool scan_token(void *ctx, const struct html_token *t);

/* Where the HTML of a conditional comment begins, or end: "[if" … "]>". */
static uint32_t
conditional_start(const struct scan *s, const struct html_token *t)
{
	const char *p = s->src + t->data_start;
	size_t n = t->data_end - t->data_start;

	if (n < 5 || !str_casestarts(str_make(p, n), STR("[if")) ||
	    !(html_is_space((unsigned char)p[3]) || p[3] == '('))
		return t->data_end;
	const char *gt = memchr(p, '>', n);
	return gt && gt[-1] == ']' ? t->data_start + (uint32_t)(gt + 1 - p) : t->data_end;
}

static void
scan_comment(struct scan *s, const struct html_token *t)
{
	uint32_t from = s->conditional ? t->data_end : conditional_start(s, t);

	if (from < t->data_end) {
		place_upto(s, from, HTML_IN_COMMENT);
		s->conditional = true;
		html_run(s->src, from, t->data_end, s->opaque ? s->opaque + s->next : NULL,
			 s->nopaque - s->next, false, scan_token, s);
		s->conditional = false;
		place_upto(s, t->data_end, HTML_IN_TAG); /* in a tag that the comment's end cuts off */
	}
	place_upto(s, t->end, HTML_IN_COMMENT);
}

static void
scan_end_tag(struct scan *s, const struct html_token *t)
{
	struct str name = token_name(s, t);

	if (s->conditional || name.n != 4)
		return;
	if (str_caseeq(name, STR("body"))) {
		s->doc->has_body_end = true;
		s->doc->body_end = t->start;
	} else if (str_caseeq(name, STR("html"))) {
		s->has_html_end = true;
		s->html_end = t->start;
	}
}

static bool
scan_token(void *ctx, const struct html_token *t)
{
	struct scan *s = ctx;
	bool opaque = s->next < s->nopaque && s->opaque[s->next].start < t->end;

	switch (t->type) {
	case HTML_START_TAG:
		if (t->nattrs > 0)
			scan_attrs(s, t);
		if (opaque)
			place_tag(s, t);
		break;
	case HTML_END_TAG:
		scan_end_tag(s, t);
		if (opaque)
			place_tag(s, t);
		break;
	case HTML_COMMENT:
		scan_comment(s, t);
		break;
	case HTML_TEXT:
		place_upto(s, t->end, text_place(t));
		break;
	case HTML_CDATA:
		place_upto(s, t->end, HTML_IN_TEXT);
		break;
	case HTML_DOCTYPE:
		place_upto(s, t->end, HTML_IN_TAG);
		break;
	}
	return true;
}

void
html_scan(struct arena *a, struct str src, const struct html_range *opaque, size_t nopaque,
	  struct html_doc *out)
{
	struct scan s = {
		.a = a, .src = src.p ? src.p : "", .opaque = opaque, .nopaque = nopaque, .doc = out
	};
	uint32_t n = src.n < UINT32_MAX ? (uint32_t)src.n : UINT32_MAX - 1;

	*out = (struct html_doc){ .places = ARENA_ARRAY(a, enum html_place, nopaque) };
	uint32_t complete = html_run(s.src, 0, n, opaque, nopaque, false, scan_token, &s);
	place_upto(&s, UINT32_MAX, HTML_IN_TAG); /* in a tag that never ends */
	if (!out->has_body_end)
		out->body_end = s.has_html_end ? s.html_end : complete;
}
