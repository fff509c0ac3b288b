/* html: one page for those who sent the campaign. */
#include "report/html.h"

#include "base/clock.h"

/* ---- text ---- */

/* Length of the well-formed UTF-8 character that s begins with; 0: it begins with none. */
static size_t
utf8_length(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	return n <= s.n && str_is_utf8(str_make(s.p, n)) ? n : 0;
}

void
html_text(struct buf *out, struct str s)
{
	for (size_t i = 0, n; i < s.n; i += n ? n : 1) {
		struct str rest = str_sub(s, i, s.n);
		unsigned char c = (unsigned char)s.p[i];
		n = utf8_length(rest);
		if (n == 0)
			buf_adds(out, STR("\xef\xbf\xbd"));
		else if (c == '&')
			buf_adds(out, STR("&amp;"));
		else if (c == '<')
			buf_adds(out, STR("&lt;"));
		else if (c == '>')
			buf_adds(out, STR("&gt;"));
		else if (c == '"')
			buf_adds(out, STR("&quot;"));
		else if (c == '\'')
			buf_adds(out, STR("&#39;"));
		else if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0))
			buf_addc(out, '?');
		else
			buf_add(out, rest.p, n);
	}
}

void
html_name(struct buf *out, struct str s)
{
	buf_adds(out, STR("<bdi>"));
	html_text(out, s.n > 0 ? s : STR("(none)"));
	buf_adds(out, STR("</bdi>"));
}

/* ---- the top ---- */

static void
head(struct buf *out, const struct report *r)
{
	char from[FORMAT_MAX], to[FORMAT_MAX], now[FORMAT_MAX];
	buf_adds(out, STR("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
			  "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
			  "'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width, "
			  "initial-scale=1\">\n<meta "
			  "name=\"robots\" content=\"noindex\">\n<title>"));
	html_text(out, r->campaign.p ? r->campaign : STR("All campaigns"));
	buf_adds(out, STR(" – campaign report</title>\n<style>\n"));
	buf_adds(out, str_of(html_style));
	buf_adds(out, STR("</style>\n</head>\n<body>\n<header>\n<h1><small>Campaign report</small>"));
	html_name(out, r->campaign.p ? r->campaign : STR("All campaigns"));
	buf_adds(out, STR("</h1>\n<p class=\"soft\">"));
	if (r->first_ms >= 0)
		buf_printf(out, "%s to %s UTC. ", show_time(r->first_ms, from),
			   show_time(r->last_ms + HOUR_MS, to));
	if (r->since_ms > 0)
		buf_printf(out, "Counted from %s UTC on. ", show_time(r->since_ms, from));
	buf_printf(out, "As of %s UTC.</p>\n", show_time(r->now_ms, now));
}

static void
card(struct buf *out, const struct report *r, const char *what, enum report_rate rate)
{
	char text[FORMAT_MAX], low[FORMAT_MAX], high[FORMAT_MAX];
	struct stats_interval x = report_rate_of(&r->total, rate);
	int64_t n = report_rate_copies(&r->total, rate);
	buf_printf(out, "<li><div class=\"what\">%s</div>", what);
	if (x.value < 0) {
		buf_printf(out, "<div class=\"big\">%s</div></li>\n", show_count(n, text));
		return;
	}
	buf_printf(out, "<div class=\"big\">%s</div>", show_percent(x.value, text));
	buf_printf(out, "<div class=\"small\">%s copies · 95%% interval %s to %s</div></li>\n",
		   show_count(n, text), show_percent(x.low, low), show_percent(x.high, high));
}

static void
card_sent(struct buf *out, const struct report *r)
{
	char sent[FORMAT_MAX], held[FORMAT_MAX], suppressed[FORMAT_MAX];
	const struct report_count *f = r->total.figures;
	buf_printf(out,
		   "<li><div class=\"what\">Copies sent</div><div class=\"big\">%s</div><div "
		   "class=\"small\">%s held for "
		   "a while · %s suppressed</div></li>\n",
		   show_count(f[FIGURE_SENT].copies, sent), show_count(f[FIGURE_HELD].copies, held),
		   show_count(f[FIGURE_SUPPRESSED].copies, suppressed));
}

static void
card_revenue(struct buf *out, const struct report *r)
{
	char text[FORMAT_MAX];
	bool any = false, bought = false;
	buf_adds(out, STR("<li><div class=\"what\">Revenue of conversions</div>"));
	for (const struct report_money *m = r->total.money; m; m = m->next) {
		bought = bought || m->purchased != 0;
		if (m->converted == 0)
			continue;
		buf_printf(out, "<div class=\"big%s\">%s ", r->total.money->next ? " money" : "",
			   show_money(m->converted, true, text));
		html_text(out, m->currency);
		buf_adds(out, STR("</div>"));
		any = true;
	}
	if (!any)
		buf_adds(out, STR("<div class=\"big\">–</div>"));
	for (const struct report_money *m = r->total.money; m && bought; m = m->next)
		if (m->purchased != 0) {
			buf_printf(out, "<div class=\"small\">purchases: %s ",
				   show_money(m->purchased, true, text));
			html_text(out, m->currency);
			buf_adds(out, STR("</div>"));
		}
	buf_adds(out, STR("</li>\n"));
}

static void
cards(struct buf *out, const struct report *r)
{
	buf_adds(out, STR("<ul class=\"cards\" aria-label=\"Key figures\">\n"));
	card_sent(out, r);
	card(out, r, "Delivered", RATE_DELIVERED);
	card(out, r, "Opened by people", RATE_OPENED);
	card(out, r, "Clicked by people", RATE_CLICKED);
	card_revenue(out, r);
	card(out, r, "Converted", RATE_CONVERTED);
	card(out, r, "Unsubscribed", RATE_UNSUBSCRIBED);
	card(out, r, "Bounced", RATE_BOUNCED);
	buf_adds(out, STR("</ul>\n"));
}

/* ---- funnel, and who it was ---- */

static void
bar_row(struct buf *out, const char *name, int64_t n, int64_t of, const char *colour)
{
	char text[FORMAT_MAX];
	buf_printf(out, "<tr><th scope=\"row\">%s</th>", name);
	html_count_cell(out, n);
	double part = of > 0 && n <= of ? (double)n / (double)of : REPORT_NO_RATE;
	buf_printf(out, "<td>%s</td>", part < 0 ? "–" : show_percent(part, text));
	chart_bar(out, part, colour);
	buf_adds(out, STR("</tr>\n"));
}

static void
bar_table(struct buf *out)
{
	buf_adds(out,
		 STR("<table><thead><tr><td></td><th scope=\"col\">Copies</th><th scope=\"col\">Of sent</th>"
		     "<td></td></tr></thead><tbody>\n"));
}

static void
funnel(struct buf *out, const struct report *r)
{
	int64_t sent = r->total.figures[FIGURE_SENT].copies;
	html_section(out, "funnel", "From sent to converted", NULL);
	bar_table(out);
	bar_row(out, "Sent", sent, sent, "grey");
	bar_row(out, "Delivered", report_rate_copies(&r->total, RATE_DELIVERED), sent, "blue");
	bar_row(out, "Opened by people", report_rate_copies(&r->total, RATE_OPENED), sent, "blue");
	bar_row(out, "Clicked by people", report_rate_copies(&r->total, RATE_CLICKED), sent, "violet");
	bar_row(out, "Converted", report_rate_copies(&r->total, RATE_CONVERTED), sent, "teal");
	buf_adds(out, STR("</tbody></table>\n"));
	html_section_end(out);
}

static void
who(struct buf *out, const struct report *r)
{
	const struct report_count *f = r->total.figures;
	int64_t sent = f[FIGURE_SENT].copies;
	html_section(out, "who", "Who it was", NULL);
	bar_table(out);
	bar_row(out, "Opened by people", report_rate_copies(&r->total, RATE_OPENED), sent, "blue");
	bar_row(out, "… by image proxies", f[FIGURE_OPENED_PROXY].copies, sent, "grey");
	bar_row(out, "… by machines", f[FIGURE_OPENED_MACHINE].copies, sent, "grey");
	bar_row(out, "Clicked by people", report_rate_copies(&r->total, RATE_CLICKED), sent, "violet");
	bar_row(out, "… by machines", f[FIGURE_CLICKED_MACHINE].copies, sent, "grey");
	buf_adds(out, STR("</tbody></table>\n"));
	html_section_end(out);
}

static void
notes(struct buf *out)
{
	html_section(out, "notes", "How to read this", NULL);
	buf_adds(out,
		 STR("<dl>\n"
		     "<dt>Copies</dt><dd>A copy counts once for each thing that happened to it, however "
		     "often it did. Rates "
		     "are copies of those sent; “–”: more than were sent in this time, so no rate.</dd>\n"
		     "<dt>People</dt><dd>Opens and clicks of mail clients and browsers. Image proxies load "
		     "pictures whether or "
		     "not a person looks; security scanners follow links. They are counted, apart. Who reads "
		     "without "
		     "pictures is not counted as a reader.</dd>\n"
		     "<dt>95% interval</dt><dd>A range that, made in this way, holds the true rate in 95 of "
		     "100 cases: "
		     "chance alone moves what is measured about so far (Wilson’s score interval; for "
		     "differences Newcombe’s).</dd>\n"
		     "<dt>p (Holm)</dt><dd>How often chance alone would make a difference this large (z "
		     "test, or Fisher’s "
		     "exact test for few), corrected for comparing several arms. Below 0.05 it is called "
		     "clear.</dd>\n"
		     "<dt>P(arm &gt; control)</dt><dd>The probability that the arm’s true rate is the higher "
		     "one, if every "
		     "rate was as likely as any other before.</dd>\n"
		     "<dt>Revenue</dt><dd>As shops reported it with conversions, by currency; currencies are "
		     "never "
		     "added.</dd>\n"
		     "</dl>\n"));
	html_section_end(out);
}

static void
body(struct buf *out, const struct report *r)
{
	cards(out, r);
	html_arms_warning(out, r);
	buf_adds(out, STR("<div class=\"two\">\n"));
	funnel(out, r);
	who(out, r);
	buf_adds(out, STR("</div>\n"));
	html_section(out, "time", "Over time", "What happened when, in UTC.");
	chart_time(out, r);
	html_section_end(out);
	html_groups(out, r, REPORT_BY_CAMPAIGN, "campaigns", "Campaigns", NULL);
	html_arms(out, r);
	html_links(out, r);
	html_groups(out, r, REPORT_BY_SEGMENT, "segments", "Segments", NULL);
	html_groups(out, r, REPORT_BY_DOMAIN, "domains", "Recipients’ domains",
		    "A large domain that stands out from the others may be one whose server does not like "
		    "this mail.");
	html_reasons(out, r);
	notes(out);
}

void
report_print_html(const struct report *r, struct buf *out)
{
	head(out, r);
	if (r->first_ms >= 0)
		html_arms_lead(out, r);
	buf_adds(out, STR("</header>\n<main>\n"));
	if (r->first_ms >= 0)
		body(out, r);
	else
		buf_adds(out,
			 STR("<section><h2>Nothing has happened yet</h2>\n<p class=\"soft\">No event was "
			     "counted. Figures appear here once copies are sent.</p></section>\n"));
	buf_adds(out, STR("</main>\n<footer>mailtailor " MT_VERSION "</footer>\n</body>\n</html>\n"));
}
