/*
 * csv: the figures as a table for spreadsheets. What a cell of foreign text begins with may make it a formula
 * there: such cells get an apostrophe in front (OWASP, CSV injection). Numbers are numbers.
 */
#include "report/report-private.h"

static void
cell_add(struct buf *b, struct str s)
{
	bool formula = s.n > 0 && memchr("=+-@\t\r", s.p[0], 6) != NULL;
	buf_adds(b, formula ? STR("\"'") : STR("\""));
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_addc(b, '"');
		buf_addc(b, s.p[i]);
	}
	buf_addc(b, '"');
}

static void
head_add(const struct report *r, enum report_by by, struct buf *b)
{
	buf_adds(b, str_of(by == REPORT_BYS ? "campaign" : report_by_name(by)));
	if (by == REPORT_BY_LINK)
		buf_adds(b, STR(",url"));
	for (int f = 0; f < REPORT_FIGURES; f++)
		buf_printf(b, ",%s,%s_events", report_figure_name((enum report_figure)f),
			   report_figure_name((enum report_figure)f));
	for (int i = 0; i < REPORT_RATES; i++)
		for (int part = 0; part < 3; part++)
			buf_printf(b, ",%s_%s", report_rate_name((enum report_rate)i),
				   (const char *[]){ "rate", "low", "high" }[part]);
	/* Currencies are three capital letters: event.h. */
	for (const struct report_money *m = r->total.money; m; m = m->next)
		buf_printf(b, ",converted_%.*s,purchased_%.*s", STR_ARG(m->currency), STR_ARG(m->currency));
	buf_adds(b, STR("\r\n"));
}

static void
money_add(const struct report *r, const struct report_group *g, struct buf *b)
{
	char text[FORMAT_MAX];
	for (const struct report_money *m = r->total.money; m; m = m->next) {
		const struct report_money *mine = g->money;
		while (mine && !str_eq(mine->currency, m->currency))
			mine = mine->next;
		buf_printf(b, ",%s", show_micros(mine ? mine->converted : 0, text));
		buf_printf(b, ",%s", show_micros(mine ? mine->purchased : 0, text));
	}
}

static void
row_add(const struct report *r, enum report_by by, const struct report_group *g, struct str name,
	struct buf *b)
{
	cell_add(b, name);
	if (by == REPORT_BY_LINK) {
		buf_addc(b, ',');
		cell_add(b, g->url);
	}
	for (int f = 0; f < REPORT_FIGURES; f++)
		buf_printf(b, ",%lld,%lld", (long long)g->figures[f].copies, (long long)g->figures[f].events);
	for (int i = 0; i < REPORT_RATES; i++) {
		struct stats_interval x = report_rate_of(g, (enum report_rate)i);
		if (x.value < 0)
			buf_adds(b, STR(",,,"));
		else
			buf_printf(b, ",%.10g,%.10g,%.10g", x.value, x.low, x.high);
	}
	money_add(r, g, b);
	buf_adds(b, STR("\r\n"));
}

void
report_print_csv(const struct report *r, enum report_by by, struct buf *out)
{
	head_add(r, by, out);
	if (by == REPORT_BYS) {
		row_add(r, by, &r->total, r->campaign, out);
		return;
	}
	for (size_t i = 0; i < r->lists[by].n; i++)
		row_add(r, by, &r->lists[by].v[i], r->lists[by].v[i].name, out);
}
