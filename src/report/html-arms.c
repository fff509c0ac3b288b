/* html-arms: the arms, each rate beside the control's, and a warning when they cannot be compared. */
#include "report/html.h"

static const char *const TITLES[REPORT_NCOMPARED] = { "Opened", "Clicked", "Converted", "Unsubscribed" };

/* Told apart, whatever else was compared. */
static bool
is_clear(const struct report_compare *x)
{
	return x->possible && x->holm < 0.05 && (x->difference.low > 0 || x->difference.high < 0);
}

static void
control_name(struct buf *out, const struct report *r)
{
	struct str name = r->arms[0].group->name;
	bool missing = r->control_missing.n > 0;
	buf_adds(out, missing ? STR("the arm") : STR("the control"));
	if (!missing && str_eq(name, STR("control")))
		return;
	buf_adds(out, missing ? STR(" <strong>") : STR(", <strong>"));
	html_name(out, name);
	buf_adds(out, STR("</strong>"));
	if (!missing)
		return;
	buf_adds(out, STR(" (no copy of the control, "));
	html_name(out, r->control_missing);
	buf_adds(out, STR(", is counted yet)"));
}

void
html_arms_lead(struct buf *out, const struct report *r)
{
	char points[FORMAT_MAX], low[FORMAT_MAX], high[FORMAT_MAX];
	const struct report_arm *best = NULL;
	size_t clicks = 1;
	if (r->ratio_mismatch || r->narms < 2)
		return;
	for (size_t i = 1; i < r->narms; i++) {
		const struct report_compare *x = &r->arms[i].compare[clicks];
		if (is_clear(x) && (!best || x->difference.value > best->compare[clicks].difference.value))
			best = &r->arms[i];
	}
	buf_adds(out, STR("<p class=\"lead\">"));
	if (!best) {
		buf_adds(out, STR("No arm’s clicks can be told from those of "));
		control_name(out, r);
		buf_adds(out, STR(".</p>\n"));
		return;
	}
	struct stats_interval d = best->compare[clicks].difference;
	buf_adds(out, STR("<strong>"));
	html_name(out, best->group->name);
	/* Without the sign, which "more" or "less" says. */
	buf_printf(out, "</strong> was clicked by %s percentage points %s of its recipients than ",
		   show_points(d.value, points) + 1, d.value > 0 ? "more" : "less");
	control_name(out, r);
	buf_printf(out, " (95%% interval: %s to %s).</p>\n", show_points(d.low, low),
		   show_points(d.high, high));
}

void
html_arms_warning(struct buf *out, const struct report *r)
{
	char p[FORMAT_MAX], is[FORMAT_MAX], should[FORMAT_MAX];
	if (!r->ratio_mismatch)
		return;
	buf_printf(
	    out,
	    "<div class=\"warning\" role=\"note\"><strong>Do not trust the comparison of arms yet.</strong>\n"
	    "<p>The arms are not as large as their shares say: chance does that in fewer than one of 1,000 "
	    "campaigns (sample ratio: χ² = %.1f, %d degree%s of freedom, p ",
	    r->ratio_chi2, r->ratio_df, r->ratio_df == 1 ? "" : "s");
	html_text(out, str_of(show_p(r->ratio_p, p)));
	buf_adds(out, STR("). Something sends or counts one arm differently.</p>\n<p>"));
	for (size_t i = 0; i < r->narms; i++) {
		const struct report_group *g = r->arms[i].group;
		int64_t sent = r->total.figures[FIGURE_SENT].copies;
		html_name(out, g->name);
		buf_printf(out, ": %s, should be %s%s",
			   show_percent((double)g->figures[FIGURE_SENT].copies / (double)sent, is),
			   show_percent(r->arms[i].share, should), i + 1 < r->narms ? "; " : ".");
	}
	buf_adds(out, STR("</p></div>\n"));
}

/* ---- rates ---- */

static void
rates_table(struct buf *out, const struct report *r, size_t m)
{
	char text[FORMAT_MAX], low[FORMAT_MAX], high[FORMAT_MAX];
	/* What differs fills the scale: rates of arms lie close together. */
	double from = 1, to = 0;
	for (size_t i = 0; i < r->narms; i++) {
		struct stats_interval x = report_rate_of(r->arms[i].group, REPORT_COMPARED[m]);
		from = x.value >= 0 && x.low < from ? x.low : from;
		to = x.high > to ? x.high : to;
	}
	buf_printf(out, "<tbody class=\"group\"><tr><th scope=\"rowgroup\" colspan=\"5\">%s</th></tr>\n",
		   TITLES[m]);
	for (size_t i = 0; i < r->narms; i++) {
		const struct report_group *g = r->arms[i].group;
		struct stats_interval x = report_rate_of(g, REPORT_COMPARED[m]);
		buf_adds(out, STR("<tr><th scope=\"row\">"));
		html_name(out, g->name);
		bool told =
		    r->arms[i].control && r->control_missing.n == 0 && !str_eq(g->name, STR("control"));
		buf_adds(out, told ? STR(" <span class=\"soft\">(control)</span></th>") : STR("</th>"));
		html_count_cell(out, report_rate_copies(g, REPORT_COMPARED[m]));
		if (x.value < 0) {
			buf_adds(out, STR("<td>–</td><td></td><td class=\"plot\"></td></tr>\n"));
			continue;
		}
		buf_printf(out, "<td>%s</td><td class=\"soft\">%s to %s</td>", show_percent(x.value, text),
			   show_percent(x.low, low), show_percent(x.high, high));
		chart_rate(out, x, from, to, r->arms[i].control ? "grey" : "blue");
		buf_adds(out, STR("</tr>\n"));
	}
	buf_adds(out, STR("</tbody>\n"));
}

static void
rates(struct buf *out, const struct report *r)
{
	buf_adds(
	    out,
	    STR("<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Rates by arm\"><table>"
		"<caption>Each arm's rates, of copies sent</caption><thead><tr><th scope=\"col\">Arm</th><th "
		"scope=\"col\">Copies</th><th scope=\"col\">Rate</th><th scope=\"col\">95% interval</th>"
		"<td></td></tr></thead>\n"));
	for (size_t m = 0; m < REPORT_NCOMPARED; m++)
		rates_table(out, r, m);
	buf_adds(out, STR("</table></div>\n"));
}

/* ---- differences ---- */

static double
widest(const struct report *r, size_t m)
{
	double most = 0;
	for (size_t i = 1; i < r->narms; i++) {
		const struct report_compare *x = &r->arms[i].compare[m];
		if (!x->possible)
			continue;
		most = x->difference.high > most ? x->difference.high : most;
		most = -x->difference.low > most ? -x->difference.low : most;
	}
	return most > 0 ? most * 1.05 : 1;
}

static void
difference_row(struct buf *out, const struct report_arm *arm, size_t m, double most)
{
	const struct report_compare *x = &arm->compare[m];
	char value[FORMAT_MAX], low[FORMAT_MAX], high[FORMAT_MAX], p[FORMAT_MAX];
	buf_adds(out, STR("<tr><th scope=\"row\">"));
	html_name(out, arm->group->name);
	buf_adds(out, STR("</th>"));
	if (!x->possible) {
		buf_adds(
		    out,
		    STR("<td>–</td><td></td><td class=\"plot\"></td><td>–</td><td>–</td><td></td></tr>\n"));
		return;
	}
	buf_printf(out, "<td>%s</td><td class=\"soft\">%s to %s</td>",
		   show_points(x->difference.value, value), show_points(x->difference.low, low),
		   show_points(x->difference.high, high));
	bool higher = x->difference.value > 0, better = higher != (REPORT_COMPARED[m] == RATE_UNSUBSCRIBED);
	chart_difference(out, x->difference, most, !is_clear(x) ? "grey" : better ? "teal" : "amber");
	buf_adds(out, STR("<td>"));
	html_text(out, str_of(show_p(x->holm, p)));
	buf_adds(out, STR("</td>"));
	if (x->superior > 0.999)
		buf_adds(out, STR("<td>&gt;99.9%</td>"));
	else if (x->superior < 0.001)
		buf_adds(out, STR("<td>&lt;0.1%</td>"));
	else
		buf_printf(out, "<td>%.1f%%</td>", x->superior * 100);
	buf_printf(out, "<td class=\"left\"><span class=\"tag %s\">%s</span></td></tr>\n",
		   !is_clear(x) ? "none"
		   : better	? "better"
				: "worse",
		   !is_clear(x) ? "no clear difference"
		   : higher	? "▲ higher"
				: "▼ lower");
}

static void
differences(struct buf *out, const struct report *r)
{
	buf_adds(out, STR("<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Arms against the "
			  "control\"><table><caption>Difference from the control, in percentage "
			  "points</caption><thead><tr>"
			  "<th scope=\"col\">Arm</th><th scope=\"col\">Points</th><th scope=\"col\">95% "
			  "interval</th><th "
			  "scope=\"col\" class=\"axis\">lower · <strong>the same</strong> · higher</th><th "
			  "scope=\"col\">p (Holm)</th><th scope=\"col\">P(arm &gt; "
			  "control)</th><td></td></tr></thead>\n"));
	for (size_t m = 0; m < REPORT_NCOMPARED; m++) {
		double most = widest(r, m);
		buf_printf(out,
			   "<tbody class=\"group\"><tr><th scope=\"rowgroup\" colspan=\"7\">%s</th></tr>\n",
			   TITLES[m]);
		for (size_t i = 1; i < r->narms; i++)
			difference_row(out, &r->arms[i], m, most);
		buf_adds(out, STR("</tbody>\n"));
	}
	buf_adds(out, STR("</table></div>\n"));
}

void
html_arms(struct buf *out, const struct report *r)
{
	if (r->narms < 2)
		return;
	html_section(out, "arms", "Arms", NULL);
	differences(out, r);
	buf_adds(out, STR("<h3>Rates</h3>\n"));
	rates(out, r);
	html_section_end(out);
}
