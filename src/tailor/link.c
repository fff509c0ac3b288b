/*
 * link: what becomes of URLs. A link is wrapped when this recipient's consent
 * and the campaign allow it; a URL that a value turned into a script is
 * refused whatever they allow.
 */
#include "tailor/private.h"

/* What an unsafe URL becomes: a link that goes nowhere. */
#define REFUSED_URL STR("#")

/* Our own URLs are never wrapped: an unsubscribe link must not pass through a redirect. */
static bool
is_own_url(const struct copy *c, struct str url)
{
	return (c->unsubscribe_url.n > 0 && str_starts(url, c->unsubscribe_url)) ||
	       (c->preferences_url.n > 0 && str_starts(url, c->preferences_url));
}

static int
wrap(struct copy *c, uint16_t number, struct str url, struct buf *out, struct err *e)
{
	c->links_wrapped++;
	explain_link(c, number, url, "wrapped");
	return copy_token_url(c, TOKEN_CLICK, number, url, out, e);
}

/*
 * An attribute's rendered value (still escaped as in the source). *kept: it stays as it is, nothing was
 * appended.
 */
static int
attr_url(struct copy *c, bool may_wrap, uint16_t number, struct str value, struct buf *out, bool *kept,
	 struct err *e)
{
	struct buf *raw = &c->scratch->token, *url = &c->scratch->url;
	*kept = false;
	buf_reset(raw);
	buf_reset(url);
	html_attr_decode(raw, value);
	html_url_clean(url, buf_str(raw));
	struct str u = buf_str(url);
	if (html_url_classify(u) == HTML_URL_UNSAFE) {
		c->urls_refused++;
		explain_link(c, number, u, "refused: unsafe scheme");
		buf_adds(out, REFUSED_URL);
		return 0;
	}
	if (may_wrap && c->track_clicks && !is_own_url(c, u) && part_link_wraps(c->m->campaign, u))
		return wrap(c, number, u, out, e);
	explain_link(c, number, u, "as it is");
	*kept = true;
	return 0;
}

/* A URL in a text part: no escapes around it. */
static int
text_url(struct copy *c, const struct part_region *r, uint16_t number, struct str bytes, struct buf *out,
	 bool *as_it_stood, struct err *e)
{
	if (r->wrap && c->track_clicks && !is_own_url(c, bytes) && part_link_wraps(c->m->campaign, bytes))
		return wrap(c, number, bytes, out, e);
	*as_it_stood = r->literal;
	if (!r->literal)
		buf_adds(out, bytes);
	return 0;
}

/* A value in a text part: every URL inside is whole, since the region stands alone. */
static int
text_value(struct copy *c, uint16_t number, struct str bytes, struct buf *out, struct err *e)
{
	struct html_range *urls;
	size_t at = 0, n = 0;
	if (c->track_clicks && memmem(bytes.p, bytes.n, "://", 3) != NULL) {
		arena_reset(c->scratch->arena);
		n = html_text_urls(c->scratch->arena, bytes, NULL, 0, &urls);
	}
	for (size_t i = 0; i < n; i++) {
		struct str url = str_sub(bytes, urls[i].start, urls[i].end);
		if (is_own_url(c, url) || !part_link_wraps(c->m->campaign, url))
			continue;
		buf_adds(out, str_sub(bytes, at, urls[i].start));
		if (wrap(c, number, url, out, e) != 0)
			return -1;
		at = urls[i].end;
	}
	buf_adds(out, str_sub(bytes, at, bytes.n));
	return 0;
}

/* A run that may have come out empty before punctuation: see space.c. */
static int
space(struct copy *c, const struct part *p, const struct part_region *r, uint16_t number, struct str bytes,
      struct buf *out, struct err *e)
{
	bool html = !p->plain && p->role != MAIL_ROLE_DATA;
	size_t lead = space_lead(r->chunk.utf8, html);
	if (space_drop(bytes, html, out))
		return 0;
	/* One name of two is empty: no second space before the other, none behind it. */
	buf_adds(out, str_sub(bytes, 0, lead));
	struct str rest = str_trim(str_sub(bytes, lead, bytes.n));
	if (r->wrap && html && p->html)
		return link_block(c, rest, out, e);
	if (r->wrap && p->plain)
		return text_value(c, number, rest, out, e);
	buf_adds(out, rest);
	return 0;
}

int
link_region(struct copy *c, const struct part *p, const struct part_region *r, struct str bytes,
	    struct buf *out, bool *as_it_stood, struct err *e)
{
	uint16_t number = (uint16_t)(c->link_base | r->link);
	bool kept = false;
	*as_it_stood = false;
	switch (r->kind) {
	case REGION_LINK:
		if (r->literal && r->wrap && c->track_clicks)
			return wrap(c, number, r->url, out, e);
		if (r->literal) {
			*as_it_stood = true;
			return 0;
		}
		/* fall through */
	case REGION_URL:
		if (attr_url(c, r->kind == REGION_LINK && r->wrap, number, bytes, out, &kept, e) != 0)
			return -1;
		if (kept)
			buf_adds(out, bytes);
		return 0;
	case REGION_TEXT_LINK:
		return text_url(c, r, number, bytes, out, as_it_stood, e);
	case REGION_TEXT_VALUE:
		return text_value(c, number, bytes, out, e);
	case REGION_SPACE:
		return space(c, p, r, number, bytes, out, e);
	case REGION_PIXEL:
		*as_it_stood = true;
		return 0;
	}
	return 0;
}

int
link_block(struct copy *c, struct str html, struct buf *out, struct err *e)
{
	struct html_doc doc;
	size_t at = 0, u = 0;
	/* Most raw values hold no markup with links at all. */
	if (memchr(html.p, '<', html.n) == NULL) {
		buf_adds(out, html);
		return 0;
	}
	arena_reset(c->scratch->arena);
	html_scan(c->scratch->arena, html, NULL, 0, &doc);
	for (size_t i = 0; i < doc.nlinks || u < doc.nurls;) {
		bool link = u >= doc.nurls || (i < doc.nlinks && doc.links[i].start < doc.urls[u].start);
		uint32_t start = link ? doc.links[i].start : doc.urls[u].start;
		uint32_t end = link ? doc.links[i].end : doc.urls[u].end;
		bool may_wrap = link && !doc.links[i].notrack && start < end;
		bool kept;
		uint16_t number = (uint16_t)(0x8000 | (c->block_links & 0x7fff));
		buf_adds(out, str_sub(html, at, start));
		if (attr_url(c, may_wrap, number, str_sub(html, start, end), out, &kept, e) != 0)
			return -1;
		c->block_links = (uint16_t)(c->block_links + link);
		at = kept ? start : end;
		if (link)
			i++;
		else
			u++;
	}
	buf_adds(out, str_sub(html, at, html.n));
	return 0;
}

/* Without content there is nothing to see or to tap; neither keyboard nor screen reader stops at it. */
static int
honeypot(struct copy *c, struct buf *out, struct err *e)
{
	struct str target = arena_printf(c->scratch->arena, "%s/robots.txt", c->m->track_host);
	buf_adds(out, STR("<a href=\""));
	if (copy_token_url(c, TOKEN_CLICK, TOKEN_HONEYPOT_LINK, target, out, e) != 0)
		return -1;
	buf_adds(out, STR("\" rel=\"nofollow\" tabindex=\"-1\" aria-hidden=\"true\"></a>"));
	return 0;
}

int
link_pixel(struct copy *c, struct buf *out, struct err *e)
{
	if (c->m->campaign->honeypot && c->track_clicks && honeypot(c, out, e) != 0)
		return -1;
	buf_adds(out, STR("<img src=\""));
	if (copy_token_url(c, TOKEN_OPEN, 0, STR_NULL, out, e) != 0)
		return -1;
	/* alt="" keeps screen readers silent; no display:none, which some filters score as spam. */
	buf_adds(out, STR("\" width=\"1\" height=\"1\" alt=\"\" border=\"0\" "
			  "style=\"height:1px;width:1px;border:0\">"));
	return 0;
}
