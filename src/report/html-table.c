/* html-table: groups, reasons and links as tables with bars. */
#include "report/html.h"

#define SHOWN_GROUPS 15
#define SHOWN_REASONS 40
#define SHOWN_LINKS 200

void
html_section(struct buf *out, const char *id, const char *title, const char *says)
{
	buf_printf(out, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", id, id, title);
	if (says)
		buf_printf(out, "<p class=\"soft\">%s</p>\n", says);
}

void
html_section_end(struct buf *out)
{
	buf_adds(out, STR("</section>\n"));
}

void
html_count_cell(struct buf *out, int64_t n)
{
	char text[FORMAT_MAX];
	buf_printf(out, "<td>%s</td>", show_count(n, text));
}

void
html_rate_cell(struct buf *out, const struct report_group *g, enum report_rate rate)
{
	char text[FORMAT_MAX];
	double share = report_rate_of(g, rate).value;
	buf_printf(out, "<td>%s</td>", share < 0 ? "–" : show_percent(share, text));
}

void
html_money(struct buf *out, const struct report_group *g)
{
	char text[FORMAT_MAX];
	bool any = false;
	for (const struct report_money *m = g->money; m; m = m->next) {
		if (m->converted == 0)
			continue;
		buf_printf(out, "%s%s ", any ? "<br>" : "", show_money(m->converted, true, text));
		html_text(out, m->currency);
		any = true;
	}
	if (!any)
		buf_adds(out, STR("–"));
}

/* ---- domains, segments, campaigns ---- */

static void
group_row(struct buf *out, const struct report_group *g, int64_t most)
{
	static const enum report_rate rates[] = { RATE_DELIVERED, RATE_BOUNCED,	  RATE_OPENED,
						  RATE_CLICKED,	  RATE_CONVERTED, RATE_UNSUBSCRIBED,
						  RATE_COMPLAINED };
	int64_t sent = g->figures[FIGURE_SENT].copies;
	html_count_cell(out, sent);
	chart_bar(out, most > 0 ? (double)sent / (double)most : 0, "blue");
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
		html_rate_cell(out, g, rates[i]);
	buf_adds(out, STR("<td>"));
	html_money(out, g);
	buf_adds(out, STR("</td></tr>\n"));
}

void
html_groups(struct buf *out, const struct report *r, enum report_by by, const char *id, const char *title,
	    const char *says)
{
	const struct report_list *l = &r->lists[by];
	size_t shown = l->n > SHOWN_GROUPS + 1 ? SHOWN_GROUPS : l->n;
	struct report_group others = { 0 };
	if (l->n == 0 || (l->n == 1 && l->v[0].name.n == 0))
		return;
	html_section(out, id, title, says);
	buf_printf(
	    out,
	    "<div class=\"scroll\" tabindex=\"0\" role=\"group\" "
	    "aria-labelledby=\"%s\"><table class=\"groups\"><thead><tr><th "
	    "scope=\"col\">%c%s</th><th scope=\"col\">Sent</th><td></td><th scope=\"col\">Delivered</th><th "
	    "scope=\"col\">Bounced</th><th scope=\"col\">Opened</th><th scope=\"col\">Clicked</th><th "
	    "scope=\"col\">Converted</th><th scope=\"col\">Unsub&shy;scribed</th><th "
	    "scope=\"col\">Complained</th><th scope=\"col\">Revenue</th></tr></thead><tbody>\n",
	    id, report_by_name(by)[0] - 32, report_by_name(by) + 1);
	for (size_t i = shown; i < l->n; i++)
		group_add(&others, r->arena, &l->v[i]);
	int64_t most = l->v[0].figures[FIGURE_SENT].copies;
	if (others.figures[FIGURE_SENT].copies > most)
		most = others.figures[FIGURE_SENT].copies;
	for (size_t i = 0; i < shown; i++) {
		buf_adds(out, STR("<tr><th scope=\"row\">"));
		html_name(out, l->v[i].name);
		buf_adds(out, STR("</th>"));
		group_row(out, &l->v[i], most);
	}
	if (shown < l->n) {
		char text[FORMAT_MAX];
		buf_printf(out, "<tr><th scope=\"row\" class=\"soft\">%s others</th>",
			   show_count((int64_t)(l->n - shown), text));
		group_row(out, &others, most);
	}
	buf_adds(out, STR("</tbody></table></div>\n"));
	html_section_end(out);
}

/* ---- reasons ---- */

struct reason_kind {
	enum event_type type;
	const char *title, *colour;
};

static void
reason_kind(struct buf *out, const struct report *r, const struct reason_kind *kind)
{
	int64_t most = 0;
	size_t shown = 0, more = 0;
	for (size_t i = 0; i < r->nreasons; i++)
		if (r->reasons[i].type == kind->type && r->reasons[i].count.copies > most)
			most = r->reasons[i].count.copies;
	for (size_t i = 0; i < r->nreasons; i++) {
		const struct report_reason *x = &r->reasons[i];
		if (x->type != kind->type)
			continue;
		if (shown++ >= SHOWN_REASONS) {
			more++;
			continue;
		}
		if (shown == 1)
			buf_printf(
			    out,
			    "<tbody class=\"group\"><tr><th scope=\"rowgroup\" colspan=\"4\">%s</th></tr>\n",
			    kind->title);
		buf_adds(out, STR("<tr><th scope=\"row\">"));
		html_name(out, x->reason);
		if (x->class != EVENT_UNKNOWN)
			buf_printf(out, " <span class=\"soft\">(%s)</span>", event_class_name(x->class));
		buf_adds(out, STR("</th>"));
		html_count_cell(out, x->count.copies);
		html_count_cell(out, x->count.events);
		chart_bar(out, most > 0 ? (double)x->count.copies / (double)most : 0, kind->colour);
		buf_adds(out, STR("</tr>\n"));
	}
	if (more > 0)
		buf_printf(out, "<tr><th scope=\"row\" class=\"soft\">and %zu more</th></tr>\n", more);
	if (shown > 0)
		buf_adds(out, STR("</tbody>\n"));
}

void
html_reasons(struct buf *out, const struct report *r)
{
	static const struct reason_kind kinds[] = {
		{ EVENT_SUPPRESSED, "Suppressed: no copy was made", "amber" },
		{ EVENT_HELD, "Held: the copy waited", "blue" },
		{ EVENT_FAILED, "Failed", "red" },
		{ EVENT_BOUNCED, "Bounced", "red" },
		{ EVENT_DEFERRED, "Deferred by the recipient's server", "amber" },
		{ EVENT_OPENED, "Opened: taken for that because of", "grey" },
		{ EVENT_CLICKED, "Clicked: taken for that because of", "grey" },
		{ EVENT_RECLASSIFIED, "Taken for people at first, and then for machines", "grey" },
		{ EVENT_UNSUBSCRIBED, "Unsubscribed", "violet" },
		{ EVENT_COMPLAINED, "Complained", "red" },
	};
	if (r->nreasons == 0)
		return;
	html_section(out, "reasons", "Why", NULL);
	buf_adds(out,
		 STR("<div class=\"scroll\" tabindex=\"0\" role=\"group\" "
		     "aria-labelledby=\"reasons\"><table><thead><tr>"
		     "<th scope=\"col\">Reason</th><th scope=\"col\">Copies</th><th scope=\"col\">Events</th>"
		     "<td></td></tr></thead>\n"));
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		reason_kind(out, r, &kinds[i]);
	buf_adds(out, STR("</table></div>\n"));
	html_section_end(out);
}

/* ---- the click map ---- */

static void
link_row(struct buf *out, const struct report_group *g, int64_t most, int64_t sent)
{
	char text[FORMAT_MAX];
	int64_t people = report_rate_copies(g, RATE_CLICKED),
		clicks = g->figures[FIGURE_CLICKED_HUMAN].events;
	sum_add(&clicks, g->figures[FIGURE_CLICKED_UNKNOWN].events);
	buf_adds(out, STR("<tr><th scope=\"row\" class=\"number\">"));
	html_text(out, g->name);
	buf_adds(out, STR("</th><td class=\"url\">"));
	/* No anchor: what a campaign linked to is not ours to open. */
	if (g->urls > 1)
		buf_printf(out, "<span class=\"soft\">%s different, such as</span> ",
			   show_count(g->urls, text));
	if (g->url.n > 0)
		html_name(out, g->url);
	else
		buf_adds(out, STR("<span class=\"soft\">(not kept)</span>"));
	buf_adds(out, STR("</td>"));
	html_count_cell(out, people);
	chart_bar(out, most > 0 ? (double)people / (double)most : 0, "violet");
	buf_printf(out, "<td>%s</td>",
		   sent > 0 && people <= sent ? show_percent((double)people / (double)sent, text) : "–");
	html_count_cell(out, clicks);
	html_count_cell(out, g->figures[FIGURE_CLICKED_MACHINE].copies);
	buf_adds(out, STR("</tr>\n"));
}

void
html_links(struct buf *out, const struct report *r)
{
	const struct report_list *l = &r->lists[REPORT_BY_LINK];
	int64_t most = 0;
	if (l->n == 0)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (report_rate_copies(&l->v[i], RATE_CLICKED) > most)
			most = report_rate_copies(&l->v[i], RATE_CLICKED);
	html_section(out, "links", "Click map", "Links in the order in which they stand in the message.");
	buf_adds(
	    out,
	    STR("<div class=\"scroll\" tabindex=\"0\" role=\"group\" "
		"aria-labelledby=\"links\"><table><thead><tr>"
		"<th scope=\"col\">Link</th><th scope=\"col\" class=\"left\">Leads to</th><th "
		"scope=\"col\">People</th><td></td><th scope=\"col\">Of sent</th><th scope=\"col\">Their "
		"clicks</th><th scope=\"col\">Machines</th></tr></thead><tbody>\n"));
	for (size_t i = 0; i < l->n && i < SHOWN_LINKS; i++)
		link_row(out, &l->v[i], most, r->total.figures[FIGURE_SENT].copies);
	if (l->n > SHOWN_LINKS)
		buf_printf(
		    out,
		    "<tr><th scope=\"row\" colspan=\"7\" class=\"soft\">and %zu more: mailtailor report --by "
		    "link</th></tr>\n",
		    l->n - SHOWN_LINKS);
	buf_adds(out, STR("</tbody></table></div>\n"));
	html_section_end(out);
}
