/*
 * html-chart: SVG, without a script. Bars and intervals have no viewBox: their lengths are percentages, so
 * that text beside them keeps its size on a phone.
 */
#include "report/html.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"

static double
percent(double part)
{
	return part < 0 ? 0 : part > 1 ? 100 : part * 100;
}

void
chart_bar(struct buf *out, double part, const char *class)
{
	buf_printf(out,
		   "<td class=\"plot\"><svg aria-hidden=\"true\"><rect class=\"track\" width=\"100%%\" "
		   "height=\"60%%\" "
		   "y=\"20%%\" rx=\"3\"/><rect class=\"%s\" width=\"%.2f%%\" height=\"60%%\" y=\"20%%\" "
		   "rx=\"3\"/></svg></td>",
		   class, percent(part));
}

void
chart_rate(struct buf *out, struct stats_interval x, double from, double to, const char *class)
{
	double length = to > from ? to - from : 1;
	buf_printf(out,
		   "<td class=\"plot\"><svg aria-hidden=\"true\"><rect class=\"track\" width=\"100%%\" "
		   "height=\"10%%\" "
		   "y=\"45%%\"/><line class=\"%s whisker\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"50%%\" "
		   "y2=\"50%%\"/><circle class=\"%s\" cx=\"%.2f%%\" cy=\"50%%\" r=\"4.5\"/></svg></td>",
		   class, percent((x.low - from) / length), percent((x.high - from) / length), class,
		   percent((x.value - from) / length));
}

void
chart_difference(struct buf *out, struct stats_interval x, double most, const char *class)
{
	buf_printf(
	    out,
	    "<td class=\"plot\"><svg aria-hidden=\"true\"><line class=\"zero\" x1=\"50%%\" x2=\"50%%\" "
	    "y1=\"-40%%\" y2=\"140%%\"/><line class=\"%s whisker\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"50%%\" "
	    "y2=\"50%%\"/><circle class=\"%s\" cx=\"%.2f%%\" cy=\"50%%\" r=\"5\"/></svg></td>",
	    class, percent(0.5 + x.low / most / 2), percent(0.5 + x.high / most / 2), class,
	    percent(0.5 + x.value / most / 2));
}

/* ---- over time ---- */

#define LEFT 64.0
#define RIGHT 1016.0
#define HOURS_MOST (8 * 24)
#define DAYS_MOST 370

struct times {
	int64_t from_ms, step_ms;
	size_t n;
	int64_t (*v)[4]; /* sent, opened, clicked, converted */
};

static void
times_gather(struct times *t, const struct report *r)
{
	static const enum report_rate rates[] = { RATE_OPENED, RATE_CLICKED, RATE_CONVERTED };
	const struct report_list *l = &r->lists[REPORT_BY_HOUR];
	int64_t hours = (r->last_ms - r->first_ms) / HOUR_MS + 1;
	int64_t days = hours / 24 + 2;
	t->step_ms = hours <= HOURS_MOST ? HOUR_MS : DAY_MS * ((days + DAYS_MOST - 1) / DAYS_MOST);
	t->from_ms = r->first_ms - r->first_ms % (hours <= HOURS_MOST ? HOUR_MS : DAY_MS);
	t->n = (size_t)((r->last_ms - t->from_ms) / t->step_ms + 1);
	t->v = (int64_t(*)[4])arena_zalloc_array(r->arena, sizeof *t->v, t->n);
	for (size_t i = 0; i < l->n; i++) {
		int64_t *v = t->v[((int64_t)l->v[i].key - t->from_ms) / t->step_ms];
		sum_add(&v[0], l->v[i].figures[FIGURE_SENT].copies);
		for (int m = 0; m < 3; m++)
			sum_add(&v[m + 1], report_rate_copies(&l->v[i], rates[m]));
	}
}

/* The least of 1, 2, 5, 10, 20 … that is no less. */
static double
round_up(double most)
{
	double unit = pow(10, floor(log10(most)));
	for (int i = 0; i < 3; i++) {
		double nice = unit * (const double[]){ 1, 2, 5 }[i];
		if (nice >= most * 0.999999)
			return nice;
	}
	return unit * 10;
}

struct panel {
	const struct times *t;
	double top, height, most;
};

static double
x_of(const struct panel *p, double i)
{
	return LEFT + (RIGHT - LEFT) * i / (double)p->t->n;
}

static double
y_of(const struct panel *p, int64_t v)
{
	return p->top + p->height * (1 - (double)v / p->most);
}

static void
panel_frame(struct buf *out, struct panel *p, const int *series, size_t n, const char *name)
{
	char text[FORMAT_MAX];
	int64_t most = 1;
	for (size_t i = 0; i < p->t->n; i++)
		for (size_t s = 0; s < n; s++)
			if (p->t->v[i][series[s]] > most)
				most = p->t->v[i][series[s]];
	p->most = round_up((double)most);
	buf_printf(out, "<text class=\"name\" x=\"%.0f\" y=\"%.0f\">%s</text>\n", LEFT, p->top - 10, name);
	for (int i = 0; i <= 2; i++) {
		double y = p->top + p->height * (1 - i / 2.0), v = p->most * i / 2;
		buf_printf(out, "<line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>",
			   LEFT, RIGHT, y, y);
		if (v == floor(v))
			buf_printf(out, "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
				   LEFT - 8, y + 4, show_count((int64_t)v, text));
	}
}

static void
panel_bars(struct buf *out, const struct panel *p, int series, const char *class)
{
	double width = x_of(p, 1) - x_of(p, 0), gap = width > 4 ? 1 : width / 5;
	for (size_t i = 0; i < p->t->n; i++)
		if (p->t->v[i][series] > 0)
			buf_printf(
			    out, "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>",
			    class, x_of(p, (double)i) + gap / 2, y_of(p, p->t->v[i][series]), width - gap,
			    p->top + p->height - y_of(p, p->t->v[i][series]));
	buf_addc(out, '\n');
}

static void
panel_curve(struct buf *out, const struct panel *p, int series, const char *class, bool area)
{
	if (area)
		buf_printf(out, "<path class=\"%s area\" d=\"M%.2f %.2f", class, x_of(p, 0.5),
			   p->top + p->height);
	else
		buf_printf(out, "<path class=\"%s curve\" d=\"", class);
	for (size_t i = 0; i < p->t->n; i++)
		buf_printf(out, "%c%.2f %.2f", i == 0 && !area ? 'M' : 'L', x_of(p, (double)i + 0.5),
			   y_of(p, p->t->v[i][series]));
	if (!area && p->t->n == 1) /* a single hour: a dash */
		buf_adds(out, STR("m-8 0h16"));
	if (area)
		buf_printf(out, "L%.2f %.2fZ", x_of(p, (double)p->t->n - 0.5), p->top + p->height);
	buf_adds(out, STR("\"/>\n"));
}

static void
time_label(int64_t ms, bool hours, char out[FORMAT_MAX])
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct clock_date d;
	clock_date_of(ms / 1000, &d);
	if (hours)
		snprintf(out, FORMAT_MAX, "%d %s %02d:%02d", d.day, months[d.month - 1], d.hour, d.minute);
	else
		snprintf(out, FORMAT_MAX, "%d %s %d", d.day, months[d.month - 1], (int)d.year);
}

static void
time_axis(struct buf *out, const struct panel *p, double y)
{
	const struct times *t = p->t;
	static const size_t steps[] = { 1, 2, 3, 6, 12, 24, 48 };
	bool hours = t->step_ms == HOUR_MS;
	size_t step = t->n / 8 + 1;
	for (size_t i = 0; hours && i < sizeof steps / sizeof steps[0]; i++)
		if (steps[i] >= step) {
			step = steps[i];
			break;
		}
	/* Round hours: those that are a multiple of the step. */
	size_t first = hours ? (step - (size_t)(t->from_ms / HOUR_MS) % step) % step : 0;
	for (size_t i = first; i < t->n; i += step) {
		char text[FORMAT_MAX];
		double x = x_of(p, (double)i);
		time_label(t->from_ms + (int64_t)i * t->step_ms, hours, text);
		buf_printf(
		    out,
		    "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\"/><text x=\"%.1f\" "
		    "y=\"%.0f\" text-anchor=\"%s\">%s</text>\n",
		    x, x, y, y + 6, x, y + 20,
		    i == 0	     ? "start"
		    : x > RIGHT - 50 ? "end"
				     : "middle",
		    text);
	}
}

static void
time_table(struct buf *out, const struct times *t)
{
	char text[FORMAT_MAX];
	bool hours = t->step_ms == HOUR_MS;
	buf_printf(
	    out,
	    "<details><summary>The same as a table</summary><div class=\"scroll\" "
	    "tabindex=\"0\"><table><thead><tr>"
	    "<th scope=\"col\">%s from (UTC)</th><th scope=\"col\">Sent</th><th scope=\"col\">Opened</th>"
	    "<th scope=\"col\">Clicked</th><th scope=\"col\">Converted</th></tr></thead><tbody>\n",
	    hours ? "Hour" : "Day");
	for (size_t i = 0; i < t->n; i++) {
		const int64_t *v = t->v[i];
		if (v[0] == 0 && v[1] == 0 && v[2] == 0 && v[3] == 0)
			continue;
		time_label(t->from_ms + (int64_t)i * t->step_ms, hours, text);
		buf_printf(out, "<tr><th scope=\"row\">%s</th>", text);
		for (int s = 0; s < 4; s++)
			html_count_cell(out, v[s]);
		buf_adds(out, STR("</tr>\n"));
	}
	buf_adds(out, STR("</tbody></table></div></details>\n"));
}

void
chart_time(struct buf *out, const struct report *r)
{
	struct times t;
	times_gather(&t, r);
	struct panel sent = { &t, 30, 80, 1 }, read = { &t, 160, 150, 1 }, bought = { &t, 360, 60, 1 };
	const char *each = t.step_ms == HOUR_MS	 ? "each hour"
			   : t.step_ms == DAY_MS ? "each day"
						 : "each few days";
	buf_printf(
	    out,
	    "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Charts over time\"><svg "
	    "class=\"time\" viewBox=\"0 0 1024 450\" role=\"img\" aria-labelledby=\"time-chart\"><title "
	    "id=\"time-chart\">Copies sent, opened, clicked and converted %s; the table below has the "
	    "numbers.</title>\n",
	    each);
	panel_frame(out, &sent, (const int[]){ 0 }, 1, "Copies sent");
	panel_bars(out, &sent, 0, "grey");
	panel_frame(
	    out, &read, (const int[]){ 1, 2 }, 2,
	    "<tspan class=\"blue\">Opened</tspan> and <tspan class=\"violet\">clicked</tspan> by people, "
	    "for the first time");
	panel_curve(out, &read, 1, "blue", true);
	panel_curve(out, &read, 1, "blue", false);
	panel_curve(out, &read, 2, "violet", true);
	panel_curve(out, &read, 2, "violet", false);
	panel_frame(out, &bought, (const int[]){ 3 }, 1, "Converted");
	panel_bars(out, &bought, 3, "teal");
	time_axis(out, &bought, 420);
	buf_adds(out, STR("</svg></div>\n"));
	time_table(out, &t);
}
