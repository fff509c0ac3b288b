/*
 * part: a text part compiled once: its text decoded, its template parsed, its
 * links found, every literal stretch ready to be copied as it stood.
 *
 * The order matters: tags are found first, so that the HTML tokenizer can
 * treat them as opaque; what the tokenizer learns (links, attribute values,
 * script, style) becomes regions, which tell the template how to escape and
 * what to hand back whole.
 */
#include "tailor/private.h"

#include <stdlib.h>

/* Growing list of regions while compiling; capture entries have a part_region beside them. */
struct region_list {
	struct tpl_region *v;
	struct part_region *info; /* same index; kind meaningless where !capture */
	size_t n, cap;
	struct arena *a;
};

bool
part_editable(const struct conf_campaign *c, enum mail_role role)
{
	switch (role) {
	case MAIL_ROLE_TEXT:
	case MAIL_ROLE_HTML:
		return true;
	case MAIL_ROLE_AMP:
		return c->templates && c->templates_amp;
	default:
		return false;
	}
}

static void
region_add(struct region_list *l, uint32_t start, uint32_t end, enum tpl_escape escape,
	   const struct part_region *info)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct tpl_region *v = ARENA_ARRAY(l->a, struct tpl_region, cap);
		struct part_region *p = ARENA_ARRAY(l->a, struct part_region, cap);
		if (l->n > 0) {
			memcpy(v, l->v, l->n * sizeof(*v));
			memcpy(p, l->info, l->n * sizeof(*p));
		}
		l->v = v;
		l->info = p;
		l->cap = cap;
	}
	l->v[l->n] =
	    (struct tpl_region){ .start = start, .end = end, .escape = escape, .capture = info != NULL };
	if (info != NULL)
		l->info[l->n] = *info;
	l->n++;
}

static bool
host_excluded(const struct conf_campaign *c, struct str host)
{
	for (size_t i = 0; i < c->exclude_hosts.n; i++) {
		struct str x = str_of(c->exclude_hosts.v[i]);
		if (str_caseeq(host, x))
			return true;
		if (host.n > x.n && host.p[host.n - x.n - 1] == '.' &&
		    str_caseeq(str_sub(host, host.n - x.n, host.n), x))
			return true;
	}
	return false;
}

bool
part_link_wraps(const struct conf_campaign *c, struct str url)
{
	return html_url_classify(url) == HTML_URL_WEB && url.n <= 8000 &&
	       !host_excluded(c, html_url_host(url));
}

/* Index of the first tag that starts at or behind offset. */
static size_t
tag_from(const struct tpl_range *tags, size_t n, uint32_t offset)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (tags[mid].start < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
has_tags(const struct tpl_range *tags, size_t n, uint32_t start, uint32_t end)
{
	size_t i = tag_from(tags, n, start);
	return i < n && tags[i].start < end;
}

/*
 * Where a URL in running text really ends: a section tag that does not balance
 * inside it belongs to the text around it ("{{#if a}}http://x{{/if}}").
 */
static uint32_t
balanced_end(const struct tpl_range *tags, size_t n, uint32_t start, uint32_t end)
{
	uint32_t open_at = end;
	int depth = 0;
	for (size_t i = tag_from(tags, n, start); i < n && tags[i].start < end; i++) {
		if (tags[i].kind == TPL_TAG_OPEN && depth++ == 0)
			open_at = tags[i].start;
		if (tags[i].kind == TPL_TAG_ELSE && depth == 0)
			return tags[i].start;
		if (tags[i].kind == TPL_TAG_CLOSE && --depth < 0)
			return tags[i].start;
		if (tags[i].kind == TPL_TAG_OTHER && depth == 0)
			return tags[i].start;
	}
	return depth > 0 ? open_at : end;
}

static enum tpl_escape
place_escape(enum html_place place)
{
	switch (place) {
	case HTML_IN_TEXT:
		return TPL_ESC_HTML;
	case HTML_IN_ATTR:
		return TPL_ESC_ATTR;
	case HTML_IN_UNQUOTED:
		return TPL_ESC_UNQUOTED;
	case HTML_IN_URL:
		return TPL_ESC_URL;
	case HTML_IN_TAG:
		return TPL_ESC_TAG;
	case HTML_IN_STYLE:
		return TPL_ESC_STYLE;
	case HTML_IN_SCRIPT:
		return TPL_ESC_SCRIPT;
	case HTML_IN_COMMENT:
		return TPL_ESC_COMMENT;
	}
	return TPL_ESC_HTML;
}

static void
add_html_links(struct region_list *l, const struct conf_campaign *c, const struct html_doc *doc, struct str s,
	       const struct tpl_range *tags, size_t ntags, bool amp)
{
	struct buf url = { 0 }, clean = { 0 };
	for (size_t i = 0; i < doc->nlinks; i++) {
		const struct html_link *h = &doc->links[i];
		struct part_region r = { .kind = REGION_LINK };
		if (h->start == h->end)
			continue;
		r.literal = !has_tags(tags, ntags, h->start, h->end);
		r.wrap = !amp && c->track_clicks && !h->notrack;
		if (r.literal) {
			buf_reset(&url);
			html_attr_decode(&url, str_sub(s, h->start, h->end));
			/* A token carries the URL as a client would ask for it: no line end may reach a
			 * redirect, nor hide a host. */
			buf_reset(&clean);
			html_url_clean(&clean, buf_str(&url));
			if (!r.wrap || !part_link_wraps(c, buf_str(&clean)))
				continue;
			r.url = arena_str(l->a, buf_str(&clean));
		}
		region_add(l, h->start, h->end, TPL_ESC_URL, &r);
	}
	for (size_t i = 0; i < doc->nurls; i++) {
		const struct html_url *h = &doc->urls[i];
		struct part_region r = { .kind = REGION_URL };
		if (has_tags(tags, ntags, h->start, h->end))
			region_add(l, h->start, h->end, TPL_ESC_URL, &r);
	}
	buf_free(&url);
	buf_free(&clean);
}

static int
region_compare(const void *a, const void *b)
{
	const struct tpl_region *x = a, *y = b;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* Sorts both arrays together; only the id ties them. */
static void
regions_sort(struct region_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		l->v[i].id = (uint32_t)i;
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), region_compare);
}

/* The run of tags that begins at i as one region, when there is one and all of it is text. */
static bool
add_space(struct region_list *l, struct str s, const struct tpl_range *tags, size_t ntags, size_t *i,
	  uint32_t behind, const struct html_doc *doc, enum tpl_escape escape, bool wrap)
{
	struct part_region r = { .kind = REGION_SPACE };
	struct space_run run;
	if (!space_find(s, tags, ntags, *i, doc != NULL, &run) || run.start < behind)
		return false;
	for (size_t k = *i; doc != NULL && k <= run.last; k++)
		if (doc->places[k] != HTML_IN_TEXT)
			return false;
	r.wrap = doc != NULL ? run.raw : wrap;
	region_add(l, run.start, run.end, escape, &r);
	*i = run.last;
	return true;
}

/* Tags outside links: regions for where they stand. The regions in l are in order. */
static void
add_html_tags(struct region_list *l, const struct html_doc *doc, struct str s, const struct tpl_range *tags,
	      size_t ntags)
{
	size_t big = 0, nbig = l->n;
	for (size_t i = 0; i < ntags; i++) {
		const struct tpl_range *t = &tags[i];
		while (big < nbig && l->v[big].end <= t->start)
			big++;
		if (big < nbig && l->v[big].start < t->end)
			continue; /* inside a link or URL */
		if (doc->places[i] == HTML_IN_TEXT)
			add_space(l, s, tags, ntags, &i, big > 0 ? l->v[big - 1].end : 0, doc, TPL_ESC_HTML,
				  false);
		else if (t->kind == TPL_TAG_VARIABLE || t->kind == TPL_TAG_RAW || t->kind == TPL_TAG_PARTIAL)
			region_add(l, t->start, t->end, place_escape(doc->places[i]), NULL);
	}
}

static void
compile_html(struct part *p, struct region_list *l, const struct conf_campaign *c,
	     const struct tpl_range *tags, size_t ntags)
{
	struct str s = p->text.utf8;
	struct html_range *opaque = ARENA_ARRAY(p->arena, struct html_range, ntags);
	struct html_doc doc;
	for (size_t i = 0; i < ntags; i++)
		opaque[i] = (struct html_range){ tags[i].start, tags[i].end };
	html_scan(p->arena, s, opaque, ntags, &doc);
	add_html_links(l, c, &doc, s, tags, ntags, !p->html);
	p->has_links = l->n > 0;
	/* Never inside a tag of the template, or what was left open at the end. */
	if (p->html && c->track_opens && doc.body_end < s.n &&
	    !has_tags(tags, ntags, doc.body_end, doc.body_end + 1)) {
		struct part_region r = { .kind = REGION_PIXEL, .literal = true };
		region_add(l, doc.body_end, doc.body_end + 1, TPL_ESC_HTML, &r);
	}
	/* add_html_tags walks the regions so far in order. */
	regions_sort(l);
	struct part_region *sorted = ARENA_ARRAY(p->arena, struct part_region, l->cap);
	for (size_t i = 0; i < l->n; i++)
		sorted[i] = l->info[l->v[i].id];
	l->info = sorted;
	add_html_tags(l, &doc, s, tags, ntags);
}

static bool
url_value_before(char ch)
{
	return ascii_isspace(ch) || strchr("<([\"'", ch) != NULL;
}

static bool
url_value_after(char ch)
{
	return ascii_isspace(ch) || strchr(">)]\"',.;!?", ch) != NULL;
}

/* Does tag i stand alone, so that a URL in its value is whole? Block tags right around it count as nothing.
 */
static bool
stands_alone(struct str s, const struct tpl_range *tags, size_t ntags, size_t i)
{
	size_t first = i, last = i;
	while (first > 0 && tags[first - 1].end == tags[first].start && tags[first - 1].kind == TPL_TAG_OPEN)
		first--;
	while (last + 1 < ntags && tags[last + 1].start == tags[last].end &&
	       tags[last + 1].kind == TPL_TAG_CLOSE)
		last++;
	uint32_t start = tags[first].start, end = tags[last].end;
	bool before = start == 0 || url_value_before(s.p[start - 1]) ||
		      (first > 0 && tags[first - 1].end == start && tags[first - 1].kind == TPL_TAG_ELSE);
	bool behind =
	    end == s.n || url_value_after(s.p[end]) ||
	    (last + 1 < ntags && tags[last + 1].start == end && tags[last + 1].kind == TPL_TAG_ELSE);
	return before && behind;
}

static void
add_text_tags(struct region_list *l, const struct conf_campaign *c, struct str s,
	      const struct tpl_range *tags, size_t ntags)
{
	size_t big = 0, nbig = l->n;
	for (size_t i = 0; i < ntags; i++) {
		const struct tpl_range *t = &tags[i];
		struct part_region value = { .kind = REGION_TEXT_VALUE, .wrap = true };
		while (big < nbig && l->v[big].end <= t->start)
			big++;
		if (big < nbig && l->v[big].start < t->end)
			continue;
		uint32_t behind = big > 0 ? l->v[big - 1].end : 0;
		if (!add_space(l, s, tags, ntags, &i, behind, NULL, TPL_ESC_TEXT, c->track_clicks) &&
		    (t->kind == TPL_TAG_VARIABLE || t->kind == TPL_TAG_RAW) && c->track_clicks &&
		    stands_alone(s, tags, ntags, i))
			region_add(l, t->start, t->end, TPL_ESC_TEXT, &value);
	}
}

/* With DelSp a URL may go on in the next line (RFC 3676, 4.1). */
static bool
flows_on(const struct part *p, uint32_t end)
{
	struct str rest = str_sub(p->text.utf8, end, p->text.utf8.n);
	return p->delsp && (str_starts(rest, STR(" \n")) || str_starts(rest, STR(" \r\n")));
}

static void
compile_text(struct part *p, struct region_list *l, const struct conf_campaign *c,
	     const struct tpl_range *tags, size_t ntags)
{
	struct str s = p->text.utf8;
	struct html_range *opaque = ARENA_ARRAY(p->arena, struct html_range, ntags), *urls = NULL;
	for (size_t i = 0; i < ntags; i++)
		opaque[i] = (struct html_range){ tags[i].start, tags[i].end };
	size_t n = html_text_urls(p->arena, s, opaque, ntags, &urls);
	for (size_t i = 0; i < n; i++) {
		struct part_region r = { .kind = REGION_TEXT_LINK };
		uint32_t end = balanced_end(tags, ntags, urls[i].start, urls[i].end);
		r.literal = !has_tags(tags, ntags, urls[i].start, end);
		r.wrap = c->track_clicks && !flows_on(p, end); /* half a URL leads nowhere */
		r.url = str_sub(s, urls[i].start, end);
		if (r.literal && (!r.wrap || !part_link_wraps(c, r.url)))
			continue;
		region_add(l, urls[i].start, end, TPL_ESC_URL_TEXT, &r);
		p->has_links = true;
	}
	add_text_tags(l, c, s, tags, ntags);
}

/* Moves the regions into the part in source order, renumbered: ids are indexes of the captured ones. */
static void
regions_finish(struct part *p, struct region_list *l)
{
	regions_sort(l);
	p->regions = ARENA_ARRAY(p->arena, struct part_region, l->n);
	for (size_t i = 0; i < l->n; i++) {
		if (!l->v[i].capture)
			continue;
		struct part_region *r = &p->regions[p->nregions];
		*r = l->info[l->v[i].id];
		mail_chunk_cut(&p->text, l->v[i].start, l->v[i].end, &r->chunk);
		r->link = (uint16_t)(p->nregions < 0xfff ? p->nregions : 0xfff);
		l->v[i].id = (uint32_t)p->nregions++;
	}
}

static bool
template_uses(const struct part *p, struct str name)
{
	struct str *names;
	size_t n = tpl_variables(p->tpl, p->arena, &names);
	for (size_t i = 0; i < n; i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

static int
template_error(const struct tpl_error *te, struct err *e)
{
	return err_set(e, ERR_INPUT, "line %d, column %d: %s", te->line, te->column, te->text);
}

static void
chunks_cut(struct part *p)
{
	size_t n = tpl_literal_count(p->tpl);
	p->chunks = ARENA_ARRAY(p->arena, struct mail_chunk, n);
	for (size_t i = 0; i < n; i++) {
		uint32_t start, end;
		tpl_literal(p->tpl, i, &start, &end);
		mail_chunk_cut(&p->text, start, end, &p->chunks[i]);
	}
}

static int
compile_template(struct part *p, const struct conf_campaign *c, const struct part_partials *partials,
		 struct err *e)
{
	struct region_list l = { .a = p->arena };
	struct tpl_range *tags = NULL;
	struct tpl_error te = { 0 };
	size_t ntags = 0;
	bool templates = c->templates && (p->role != MAIL_ROLE_AMP || c->templates_amp);
	if (templates && tpl_scan(p->arena, p->text.utf8, &tags, &ntags, &te) != 0)
		return template_error(&te, e);
	if (p->plain)
		compile_text(p, &l, c, tags, ntags);
	else
		compile_html(p, &l, c, tags, ntags);
	regions_finish(p, &l);
	struct tpl_options o = {
		.escape = p->plain ? TPL_ESC_TEXT : TPL_ESC_HTML,
		.regions = l.v,
		.nregions = l.n,
		.plain = !templates,
		.compat = true,
		.partial = partials ? partials->find : NULL,
		.partial_ctx = partials ? partials->ctx : NULL,
	};
	p->tpl = tpl_compile(p->arena, p->text.utf8, &o, &te);
	if (p->tpl == NULL)
		return template_error(&te, e);
	chunks_cut(p);
	p->has_tags = ntags > 0;
	p->constant = !p->has_tags && !p->has_links;
	p->uses_preferences = template_uses(p, STR("preferences_url"));
	return 0;
}

static struct part *
part_new(size_t first_block)
{
	struct arena *a = arena_new(first_block);
	struct part *p = ARENA_NEW(a, struct part);
	p->arena = a;
	return p;
}

int
part_compile(const struct conf_campaign *c, const struct mail_part *mp, struct str raw_body,
	     const struct part_partials *partials, struct part **out, struct err *e)
{
	struct part *p = part_new(raw_body.n * 8 + 4096);
	struct str raw = arena_str(p->arena, raw_body);
	int rc = 1;
	p->role = mp->role;
	p->html = mp->role == MAIL_ROLE_HTML;
	p->plain = mp->role == MAIL_ROLE_TEXT;
	p->delsp = mp->delsp;
	if (mail_text_decode(p->arena, mp, raw, &p->text, e) != 0)
		goto fail;
	rc = compile_template(p, c, partials, e);
	if (rc != 0)
		goto fail;
	*out = p;
	return 0;
fail:
	part_free(&p);
	return rc;
}

int
part_compile_header(struct str utf8, struct part **out, struct err *e)
{
	static const struct mail_part plain = { .cte = MAIL_CTE_8BIT, .charset = { "utf-8", 5 } };
	struct part *p = part_new(utf8.n * 8 + 1024);
	struct region_list l = { .a = p->arena };
	struct tpl_options o = { .escape = TPL_ESC_HEADER, .compat = true };
	struct tpl_range *tags = NULL;
	struct tpl_error te = { 0 };
	size_t ntags = 0;
	p->role = MAIL_ROLE_DATA;
	if (mail_text_decode(p->arena, &plain, arena_str(p->arena, utf8), &p->text, e) != 0)
		goto fail;
	if (tpl_scan(p->arena, p->text.utf8, &tags, &ntags, &te) != 0)
		goto bad;
	for (size_t i = 0; i < ntags; i++)
		add_space(&l, p->text.utf8, tags, ntags, &i, 0, NULL, TPL_ESC_HEADER, false);
	regions_finish(p, &l);
	o.regions = l.v;
	o.nregions = l.n;
	if ((p->tpl = tpl_compile(p->arena, p->text.utf8, &o, &te)) == NULL)
		goto bad;
	chunks_cut(p);
	p->uses_preferences = template_uses(p, STR("preferences_url"));
	*out = p;
	return 0;
bad:
	template_error(&te, e);
fail:
	part_free(&p);
	return -1;
}

void
part_free(struct part **p)
{
	if (*p == NULL)
		return;
	struct arena *a = (*p)->arena;
	*p = NULL;
	arena_free(&a);
}
