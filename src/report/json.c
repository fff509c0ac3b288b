/* json: the figures for programs. */
#include "report/report-private.h"

#include <math.h>

#include "base/clock.h"
#include "base/json.h"

/* Digits that bring the same number back are more than anybody needs; ten tell any two apart that matter. */
static void
real_add(struct buf *b, double x)
{
	if (isfinite(x))
		buf_printf(b, "%.10g", x);
	else
		buf_adds(b, STR("null"));
}

static void
text_add(struct buf *b, const char *name, struct str s)
{
	buf_printf(b, "\"%s\": ", name);
	if (s.p)
		json_print_string(b, s);
	else
		buf_adds(b, STR("null"));
}

static void
time_add(struct buf *b, const char *name, int64_t ms, bool known)
{
	char text[40];
	text_add(b, name, known ? str_of(clock_format_rfc3339(ms, text)) : STR_NULL);
}

static void
interval_add(struct buf *b, const char *value, struct stats_interval i)
{
	buf_printf(b, "\"%s\": ", value);
	real_add(b, i.value);
	buf_adds(b, STR(", \"low\": "));
	real_add(b, i.low);
	buf_adds(b, STR(", \"high\": "));
	real_add(b, i.high);
}

static void
rates_add(struct buf *b, const struct report_group *g)
{
	buf_adds(b, STR("\"rates\": {"));
	for (int i = 0; i < REPORT_RATES; i++) {
		struct stats_interval rate = report_rate_of(g, (enum report_rate)i);
		buf_printf(b, "%s\"%s\": ", i > 0 ? ", " : "", report_rate_name((enum report_rate)i));
		if (rate.value < 0) {
			buf_adds(b, STR("null"));
			continue;
		}
		buf_addc(b, '{');
		interval_add(b, "rate", rate);
		buf_addc(b, '}');
	}
	buf_addc(b, '}');
}

static void
figures_add(struct buf *b, const struct report_group *g)
{
	char converted[FORMAT_MAX], purchased[FORMAT_MAX];
	for (int f = 0; f < REPORT_FIGURES; f++)
		buf_printf(b, "\"%s\": {\"copies\": %lld, \"events\": %lld}, ",
			   report_figure_name((enum report_figure)f), (long long)g->figures[f].copies,
			   (long long)g->figures[f].events);
	rates_add(b, g);
	buf_adds(b, STR(", \"revenue\": ["));
	for (const struct report_money *m = g->money; m; m = m->next) {
		buf_addc(b, '{');
		text_add(b, "currency", m->currency);
		buf_printf(b, ", \"converted\": %s, \"purchased\": %s}%s",
			   show_micros(m->converted, converted), show_micros(m->purchased, purchased),
			   m->next ? ", " : "");
	}
	buf_addc(b, ']');
}

static void
group_add_json(struct buf *b, const struct report_group *g, enum report_by by)
{
	buf_adds(b, STR("      {"));
	if (by == REPORT_BY_LINK) {
		buf_printf(b, "\"link\": %llu, ", (unsigned long long)g->key);
		text_add(b, "url", g->url);
		buf_printf(b, ", \"urls\": %lld, ", (long long)g->urls);
	} else {
		text_add(b, report_by_name(by), g->name.n > 0 ? g->name : STR_NULL);
		buf_adds(b, STR(", "));
	}
	figures_add(b, g);
	buf_addc(b, '}');
}

static void
lists_add(struct buf *b, const struct report *r)
{
	const char *before = "\n";
	buf_adds(b, STR("  \"by\": {"));
	for (int by = 0; by < REPORT_BYS; by++) {
		const struct report_list *l = &r->lists[by];
		if ((r->by & 1u << by) == 0)
			continue;
		buf_printf(b, "%s    \"%s\": [", before, report_by_name((enum report_by)by));
		for (size_t i = 0; i < l->n; i++) {
			buf_adds(b, i > 0 ? STR(",\n") : STR("\n"));
			group_add_json(b, &l->v[i], (enum report_by)by);
		}
		buf_adds(b, l->n > 0 ? STR("\n    ]") : STR("]"));
		before = ",\n";
	}
	buf_adds(b, STR("\n  }"));
}

static void
reasons_add(struct buf *b, const struct report *r)
{
	buf_adds(b, STR("  \"reasons\": ["));
	for (size_t i = 0; i < r->nreasons; i++) {
		const struct report_reason *x = &r->reasons[i];
		buf_printf(b, "%s\n    {\"type\": \"%s\", \"class\": \"%s\", ", i > 0 ? "," : "",
			   event_type_name(x->type), event_class_name(x->class));
		text_add(b, "reason", x->reason);
		buf_printf(b, ", \"copies\": %lld, \"events\": %lld}", (long long)x->count.copies,
			   (long long)x->count.events);
	}
	buf_adds(b, r->nreasons > 0 ? STR("\n  ],\n") : STR("],\n"));
}

static void
compare_add(struct buf *b, const struct report_compare *x)
{
	if (!x->possible) {
		buf_adds(b, STR("null"));
		return;
	}
	buf_addc(b, '{');
	interval_add(b, "difference", x->difference);
	buf_printf(b, ", \"test\": \"%s\", \"statistic\": ", x->test.name);
	real_add(b, x->test.statistic);
	buf_adds(b, STR(", \"p\": "));
	real_add(b, x->test.p);
	buf_adds(b, STR(", \"holm\": "));
	real_add(b, x->holm);
	buf_adds(b, STR(", \"superior\": "));
	real_add(b, x->superior);
	buf_addc(b, '}');
}

static void
arm_add(struct buf *b, const struct report_arm *arm)
{
	buf_adds(b, STR("      {"));
	text_add(b, "arm", arm->group->name);
	buf_adds(b, STR(", \"share\": "));
	real_add(b, arm->share);
	buf_printf(b, ", \"sent\": %lld", (long long)arm->group->figures[FIGURE_SENT].copies);
	for (size_t m = 0; m < REPORT_NCOMPARED && !arm->control; m++) {
		buf_printf(b, ", \"%s\": ", report_rate_name(REPORT_COMPARED[m]));
		compare_add(b, &arm->compare[m]);
	}
	buf_addc(b, '}');
}

static void
comparison_add(struct buf *b, const struct report *r)
{
	if (r->narms == 0) {
		buf_adds(b, STR("  \"comparison\": null,\n"));
		return;
	}
	buf_adds(b, STR("  \"comparison\": {\n    "));
	text_add(b, "control", r->arms[0].group->name);
	buf_adds(b, STR(",\n    \"sample_ratio\": "));
	if (r->ratio_tested) {
		buf_adds(b, STR("{\"chi2\": "));
		real_add(b, r->ratio_chi2);
		buf_printf(b, ", \"df\": %d, \"p\": ", r->ratio_df);
		real_add(b, r->ratio_p);
		buf_printf(b, ", \"mismatch\": %s}", r->ratio_mismatch ? "true" : "false");
	} else {
		buf_adds(b, STR("null"));
	}
	buf_adds(b, STR(",\n    \"arms\": [\n"));
	for (size_t i = 0; i < r->narms; i++) {
		buf_adds(b, i > 0 ? STR(",\n") : STR(""));
		arm_add(b, &r->arms[i]);
	}
	buf_adds(b, STR("\n    ]\n  },\n"));
}

void
report_print_json(const struct report *r, struct buf *out)
{
	buf_printf(out, "{\n  \"version\": %d,\n  ", REPORT_VERSION);
	text_add(out, "campaign", r->campaign);
	buf_adds(out, STR(",\n  "));
	time_add(out, "generated", r->now_ms, true);
	buf_adds(out, STR(",\n  "));
	time_add(out, "since", r->since_ms, r->since_ms > 0);
	buf_adds(out, STR(",\n  "));
	time_add(out, "first_hour", r->first_ms, r->first_ms >= 0);
	buf_adds(out, STR(",\n  "));
	time_add(out, "last_hour", r->last_ms, r->first_ms >= 0);
	buf_adds(out, STR(",\n  \"totals\": {"));
	figures_add(out, &r->total);
	buf_adds(out, STR("},\n"));
	reasons_add(out, r);
	comparison_add(out, r);
	lists_add(out, r);
	buf_adds(out, STR("\n}\n"));
}
