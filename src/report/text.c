/* text: the figures for a person at a terminal. */
#include "report/report-private.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"

#define INDENT 2

static struct str
count_cell(struct arena *a, int64_t n)
{
	char text[FORMAT_MAX];
	return arena_str(a, str_of(show_count(n, text)));
}

static struct str
percent_cell(struct arena *a, double share)
{
	char text[FORMAT_MAX];
	return arena_str(a, str_of(show_percent(share, text)));
}

static struct str
range_cell(struct arena *a, struct stats_interval i)
{
	char low[FORMAT_MAX], high[FORMAT_MAX];
	if (i.value < 0)
		return STR_NULL;
	return arena_printf(a, "%s to %s", show_percent(i.low, low), show_percent(i.high, high));
}

static struct str
money_cell(struct arena *a, const struct report_group *g, bool purchased)
{
	struct str out = STR_NULL;
	char text[FORMAT_MAX];
	for (const struct report_money *m = g->money; m; m = m->next) {
		int64_t sum = purchased ? m->purchased : m->converted;
		if (sum != 0)
			out = arena_printf(a, "%.*s%s%s %.*s", STR_ARG(out), out.n > 0 ? ", " : "",
					   show_money(sum, true, text), STR_ARG(m->currency));
	}
	return out;
}

static void
heading(struct buf *out, const char *text)
{
	buf_printf(out, "\n%s\n", text);
}

static void
title(const struct report *r, struct buf *out)
{
	char from[FORMAT_MAX], to[FORMAT_MAX];
	struct arena *a = r->arena;
	if (r->campaign.p) {
		char *name = arena_cstr(a, r->campaign);
		str_tame(name, r->campaign.n);
		buf_printf(out, "Campaign %s", name);
	} else {
		buf_adds(out, STR("All campaigns"));
	}
	if (r->first_ms >= 0)
		buf_printf(out, ", %s to %s UTC\n", show_time(r->first_ms, from),
			   show_time(r->last_ms + HOUR_MS, to));
	else if (r->since_ms > 0)
		buf_printf(out, ": no events since %s UTC\n", show_time(r->since_ms, from));
	else
		buf_adds(out, STR(": no events yet\n"));
}

/* ---- totals ---- */

static const struct {
	const char *title;
	enum report_figure figure;
	int rate;    /* or -1 */
	bool always; /* shown as zero, too */
} LINES[] = {
	{ "sent", FIGURE_SENT, -1, true },
	{ "held at some time", FIGURE_HELD, -1, true },
	{ "suppressed", FIGURE_SUPPRESSED, -1, true },
	{ "failed", FIGURE_FAILED, -1, false },
	{ "delivered", FIGURE_DELIVERED, RATE_DELIVERED, true },
	{ "deferred", FIGURE_DEFERRED, -1, false },
	{ "bounced", FIGURE_BOUNCED, RATE_BOUNCED, true },
	{ "  hard", FIGURE_BOUNCED_HARD, -1, false },
	{ "  soft", FIGURE_BOUNCED_SOFT, -1, false },
	{ "opened by people", FIGURE_OPENED_HUMAN, RATE_OPENED, true },
	{ "  by whom cannot be told", FIGURE_OPENED_UNKNOWN, -1, false },
	{ "opened by proxies", FIGURE_OPENED_PROXY, -1, true },
	{ "opened by machines", FIGURE_OPENED_MACHINE, -1, true },
	{ "clicked by people", FIGURE_CLICKED_HUMAN, RATE_CLICKED, true },
	{ "  by whom cannot be told", FIGURE_CLICKED_UNKNOWN, -1, false },
	{ "clicked by proxies", FIGURE_CLICKED_PROXY, -1, false },
	{ "clicked by machines", FIGURE_CLICKED_MACHINE, -1, true },
	{ "converted", FIGURE_CONVERTED, RATE_CONVERTED, true },
	{ "purchased", FIGURE_PURCHASED, -1, false },
	{ "viewed in the shop", FIGURE_VIEWED, -1, false },
	{ "unsubscribed", FIGURE_UNSUBSCRIBED, RATE_UNSUBSCRIBED, true },
	{ "complained", FIGURE_COMPLAINED, RATE_COMPLAINED, true },
	{ "replied automatically", FIGURE_AUTO_REPLIED, -1, false },
};

/* Nought delivered is then no finding. */
static bool
deliveries_untold(const struct report_group *g)
{
	return g->figures[FIGURE_SENT].copies > 0 && g->figures[FIGURE_DELIVERED].events == 0 &&
	       g->figures[FIGURE_DEFERRED].events == 0;
}

static void
totals(const struct report *r, struct buf *out)
{
	static const char *const heads[] = { "", "copies", "events", "of sent", "95% interval" };
	struct table *t = table_new(heads, 5, 1u << 1 | 1u << 2 | 1u << 3);
	struct arena *a = r->arena;
	for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
		struct report_count n = r->total.figures[LINES[i].figure];
		struct str cells[5] = { str_of(LINES[i].title) };
		if (!LINES[i].always && n.events == 0)
			continue;
		/* A line with a rate says of how many copies: people are two classes. */
		if (LINES[i].rate >= 0) {
			enum report_rate rate = (enum report_rate)LINES[i].rate;
			struct stats_interval x = report_rate_of(&r->total, rate);
			n.copies = report_rate_copies(&r->total, rate);
			cells[3] = percent_cell(a, x.value);
			cells[4] = range_cell(a, x);
		}
		if (LINES[i].figure == FIGURE_OPENED_HUMAN)
			sum_add(&n.events, r->total.figures[FIGURE_OPENED_UNKNOWN].events);
		if (LINES[i].figure == FIGURE_CLICKED_HUMAN)
			sum_add(&n.events, r->total.figures[FIGURE_CLICKED_UNKNOWN].events);
		cells[1] = count_cell(a, n.copies);
		cells[2] = count_cell(a, n.events);
		table_row(t, cells);
	}
	buf_addc(out, '\n');
	table_print(t, INDENT, out);
	table_free(&t);
	if (deliveries_untold(&r->total))
		buf_adds(out, STR("\n  What was delivered is not known: Postfix's log tells, read by "
				  "mailtailor-maillog (mailtailor-feedback(1))\n"));
	struct str converted = money_cell(a, &r->total, false), purchased = money_cell(a, &r->total, true);
	if (converted.n > 0)
		buf_printf(out, "\n  Revenue of conversions: %.*s\n", STR_ARG(converted));
	if (purchased.n > 0)
		buf_printf(out, "%s  Value of purchases: %.*s\n", converted.n > 0 ? "" : "\n",
			   STR_ARG(purchased));
}

static void
reasons(const struct report *r, struct buf *out)
{
	static const char *const heads[] = { "", "class", "reason", "copies", "events" };
	struct table *t;
	if (r->nreasons == 0)
		return;
	t = table_new(heads, 5, 1u << 3 | 1u << 4);
	for (size_t i = 0; i < r->nreasons; i++) {
		const struct report_reason *x = &r->reasons[i];
		table_row(t, (const struct str[]){
				 str_of(event_type_name(x->type)),
				 x->class == EVENT_UNKNOWN ? STR_NULL : str_of(event_class_name(x->class)),
				 x->reason, count_cell(r->arena, x->count.copies),
				 count_cell(r->arena, x->count.events) });
	}
	heading(out, "Why");
	table_print(t, INDENT, out);
	table_free(&t);
}

/* ---- groups ---- */

static struct str
revenue_cell(struct arena *a, const struct report_group *g)
{
	struct str money = money_cell(a, g, false);
	return money.n > 0 ? money : STR("-");
}

static void
groups(const struct report *r, enum report_by by, struct buf *out)
{
	static const enum report_rate rates[] = { RATE_DELIVERED, RATE_BOUNCED,	  RATE_OPENED,
						  RATE_CLICKED,	  RATE_CONVERTED, RATE_UNSUBSCRIBED,
						  RATE_COMPLAINED };
	const char *const heads[] = { report_by_name(by), "sent",  "deliv", "bounce", "open", "click",
				      "convert",	  "unsub", "compl", "revenue" };
	const struct report_list *l = &r->lists[by];
	struct table *t = table_new(heads, 10, 0x1fe);
	struct arena *a = r->arena;
	for (size_t i = 0; i < l->n; i++) {
		char time[FORMAT_MAX];
		const struct report_group *g = &l->v[i];
		struct str cells[10] = { by == REPORT_BY_HOUR ? str_of(show_time((int64_t)g->key, time))
							      : group_label(g),
					 count_cell(a, g->figures[FIGURE_SENT].copies) };
		for (size_t m = 0; m < sizeof rates / sizeof rates[0]; m++)
			cells[2 + m] = percent_cell(a, report_rate_of(g, rates[m]).value);
		cells[9] = revenue_cell(a, g);
		table_row(t, cells);
	}
	table_print(t, INDENT, out);
	table_free(&t);
}

/* An hour's opens are seldom those of the hour's copies: numbers, not rates. */
static void
hours(const struct report *r, struct buf *out)
{
	static const char *const heads[] = { "hour (UTC)", "sent",	"delivered", "bounced", "opened",
					     "clicked",	   "converted", "unsub",     "revenue" };
	static const enum report_rate counts[] = { RATE_DELIVERED, RATE_BOUNCED,   RATE_OPENED,
						   RATE_CLICKED,   RATE_CONVERTED, RATE_UNSUBSCRIBED };
	const struct report_list *l = &r->lists[REPORT_BY_HOUR];
	struct table *t = table_new(heads, 9, 0xfe);
	for (size_t i = 0; i < l->n; i++) {
		char time[FORMAT_MAX];
		const struct report_group *g = &l->v[i];
		struct str cells[9] = { str_of(show_time((int64_t)g->key, time)),
					count_cell(r->arena, g->figures[FIGURE_SENT].copies) };
		for (size_t m = 0; m < sizeof counts / sizeof counts[0]; m++)
			cells[2 + m] = count_cell(r->arena, report_rate_copies(g, counts[m]));
		cells[8] = revenue_cell(r->arena, g);
		table_row(t, cells);
	}
	table_print(t, INDENT, out);
	table_free(&t);
}

static void
links(const struct report *r, struct buf *out)
{
	static const char *const heads[] = { "link", "people", "clicks", "of sent", "machines", "URL" };
	const struct report_list *l = &r->lists[REPORT_BY_LINK];
	struct arena *a = r->arena;
	int64_t sent = r->total.figures[FIGURE_SENT].copies;
	struct table *t = table_new(heads, 6, 0x1f);
	for (size_t i = 0; i < l->n; i++) {
		const struct report_group *g = &l->v[i];
		int64_t people = report_rate_copies(g, RATE_CLICKED);
		int64_t clicks = g->figures[FIGURE_CLICKED_HUMAN].events;
		sum_add(&clicks, g->figures[FIGURE_CLICKED_UNKNOWN].events);
		struct str url = g->urls > 1 ? arena_printf(a, "%lld different, such as %.*s",
							    (long long)g->urls, STR_ARG(g->url))
					     : g->url;
		table_row(t, (const struct str[]){
				 g->name, count_cell(a, people), count_cell(a, clicks),
				 percent_cell(a, sent > 0 && people <= sent ? (double)people / (double)sent
									    : REPORT_NO_RATE),
				 count_cell(a, g->figures[FIGURE_CLICKED_MACHINE].copies), url });
	}
	table_print(t, INDENT, out);
	table_free(&t);
}

/* ---- arms ---- */

static void
ratio(const struct report *r, struct buf *out)
{
	char p[FORMAT_MAX], share[FORMAT_MAX];
	if (!r->ratio_mismatch)
		return;
	buf_printf(
	    out,
	    "\n  WARNING: the arms are not as large as their shares say (sample ratio: chi-square %.1f,"
	    "\n  %d degree%s of freedom, p %s). Something sends or counts one arm differently; find out"
	    "\n  what before you believe a comparison.\n",
	    r->ratio_chi2, r->ratio_df, r->ratio_df == 1 ? "" : "s", show_p(r->ratio_p, p));
	for (size_t i = 0; i < r->narms; i++) {
		const struct report_group *g = r->arms[i].group;
		double is =
		    (double)g->figures[FIGURE_SENT].copies / (double)r->total.figures[FIGURE_SENT].copies;
		struct str name = arena_str(r->arena, g->name);
		str_tame((char *)(uintptr_t)name.p, name.n);
		buf_printf(out, "    %.*s: %s of copies", STR_ARG(name), show_percent(is, share));
		buf_printf(out, ", should be %s\n", show_percent(r->arms[i].share, share));
	}
}

static void
comparison(const struct report *r, struct buf *out)
{
	static const char *const heads[] = { "arm",  "rate", "difference", "95% interval (points)",
					     "test", "p",    "p (Holm)",   "P(arm > control)" };
	struct arena *a = r->arena;
	char low[FORMAT_MAX], high[FORMAT_MAX], text[FORMAT_MAX];
	struct table *t = table_new(heads, 8, 1u << 2 | 1u << 5 | 1u << 6 | 1u << 7);
	for (size_t i = 1; i < r->narms; i++)
		for (size_t m = 0; m < REPORT_NCOMPARED; m++) {
			const struct report_compare *x = &r->arms[i].compare[m];
			struct str cells[8] = { m == 0 ? r->arms[i].group->name : STR_NULL,
						str_of(report_rate_name(REPORT_COMPARED[m])) };
			if (x->possible) {
				cells[2] = arena_str(a, str_of(show_points(x->difference.value, text)));
				cells[3] = arena_printf(a, "%s to %s", show_points(x->difference.low, low),
							show_points(x->difference.high, high));
				cells[4] = str_of(x->test.name);
				cells[5] = arena_str(a, str_of(show_p(x->test.p, text)));
				cells[6] = arena_str(a, str_of(show_p(x->holm, text)));
				cells[7] = percent_cell(a, x->superior);
			}
			table_row(t, cells);
		}
	struct str control = arena_str(a, r->arms[0].group->name);
	str_tame((char *)(uintptr_t)control.p, control.n);
	buf_printf(out, "\nArms against %.*s\n", STR_ARG(control));
	if (r->control_missing.n > 0)
		buf_printf(out, "  which is not the control: of that, %.*s, no copy is counted yet\n",
			   STR_ARG(r->control_missing));
	table_print(t, INDENT, out);
	table_free(&t);
	ratio(r, out);
}

static void
arms(const struct report *r, struct buf *out)
{
	heading(out, "By arm");
	groups(r, REPORT_BY_ARM, out);
	if (r->narms > 0)
		comparison(r, out);
}

static void
list_text(const struct report *r, enum report_by by, struct buf *out)
{
	if (by == REPORT_BY_ARM) {
		arms(r, out);
		return;
	}
	buf_printf(out, "\nBy %s\n", report_by_name(by));
	if (r->lists[by].n == 0)
		buf_adds(out, STR("  (nothing)\n"));
	else if (by == REPORT_BY_HOUR)
		hours(r, out);
	else if (by == REPORT_BY_LINK)
		links(r, out);
	else
		groups(r, by, out);
}

void
report_print_text(const struct report *r, enum report_by by, struct buf *out)
{
	title(r, out);
	if (r->first_ms < 0)
		return;
	if (by != REPORT_BYS) {
		list_text(r, by, out);
		return;
	}
	totals(r, out);
	reasons(r, out);
	if (!r->campaign.p)
		list_text(r, REPORT_BY_CAMPAIGN, out);
	if (r->narms > 0)
		arms(r, out);
	if (r->lists[REPORT_BY_LINK].n > 0)
		list_text(r, REPORT_BY_LINK, out);
}
