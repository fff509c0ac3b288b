/*
 * judge-html: a judgement as one page, in the campaign report's style, without a script. Charts are SVG with
 * the same numbers as tables beside them.
 */
#include <math.h>

#include "learn/judge.h"
#include "report/html.h"

#define SIZE 480.0
#define LEFT 52.0
#define RIGHT 470.0
#define TOP 14.0
#define BOTTOM 430.0

/* A square plot: what 0 and 1 of its axes mean. */
struct plot {
	struct buf *out;
	double x0, x1, y0, y1;
};

static double
at_x(const struct plot *p, double x)
{
	return LEFT + (RIGHT - LEFT) * (x - p->x0) / (p->x1 - p->x0);
}

static double
at_y(const struct plot *p, double y)
{
	return BOTTOM - (BOTTOM - TOP) * (y - p->y0) / (p->y1 - p->y0);
}

static void
plot_begin(struct plot *p, const char *says, const char *x_name, const char *y_name)
{
	buf_printf(p->out,
		   "<svg class=\"time\" style=\"min-width:0;max-width:32rem\" viewBox=\"0 0 %.0f %.0f\" "
		   "role=\"img\" "
		   "aria-label=\"%s\">\n",
		   SIZE, SIZE, says);
	for (int i = 0; i <= 4; i++) {
		double x = p->x0 + (p->x1 - p->x0) * i / 4, y = p->y0 + (p->y1 - p->y0) * i / 4;
		buf_printf(p->out,
			   "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
			   "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>"
			   "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.4g</text>\n",
			   LEFT, RIGHT, at_y(p, y), at_y(p, y), LEFT - 6, at_y(p, y) + 4, y, at_x(p, x),
			   BOTTOM + 18, x);
	}
	buf_printf(p->out,
		   "<text class=\"name\" x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">%s</text>"
		   "<text class=\"name\" x=\"%.0f\" y=\"%.0f\">%s</text>\n",
		   RIGHT, BOTTOM + 38, x_name, LEFT + 6, TOP + 14, y_name);
}

static void
plot_end(struct plot *p)
{
	buf_adds(p->out, STR("</svg>\n"));
}

static void
line(struct plot *p, double xa, double ya, double xb, double yb, const char *class)
{
	buf_printf(p->out, "<line class=\"%s\" x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\"/>\n", class,
		   at_x(p, xa), at_y(p, ya), at_x(p, xb), at_y(p, yb));
}

/* The least of 1, 2, 5, 10, 20 … times a power of ten that is no less. */
static double
round_up(double most)
{
	if (!(most > 0))
		return 1;
	double unit = pow(10, floor(log10(most)));
	for (int i = 0; i < 3; i++) {
		double nice = unit * (const double[]){ 1, 2, 5 }[i];
		if (nice >= most * 0.999999)
			return nice;
	}
	return unit * 10;
}

static void
calibration_chart(struct buf *out, const struct judgement *j)
{
	double most = 0;
	for (size_t i = 0; i < j->nbins; i++)
		most = fmax(most, fmax(j->bins[i].high, j->bins[i].predicted));
	most = fmin(1, round_up(most));
	struct plot p = { out, 0, most, 0, most };
	plot_begin(&p, "Calibration: observed share by predicted probability", "predicted", "observed");
	line(&p, 0, 0, most, most, "zero");
	for (size_t i = 0; i < j->nbins; i++) {
		const struct metric_bin *b = &j->bins[i];
		line(&p, b->predicted, b->low, b->predicted, b->high, "blue whisker");
		buf_printf(out, "<circle class=\"blue\" cx=\"%.2f\" cy=\"%.2f\" r=\"4.5\"/>\n",
			   at_x(&p, b->predicted), at_y(&p, b->observed));
	}
	plot_end(&p);
}

static void
lift_chart(struct buf *out, const struct judgement *j)
{
	struct plot p = { out, 0, 1, 0, 1 };
	plot_begin(&p, "Lift: share of positives among those with the highest scores", "share of rows",
		   "share of positives");
	line(&p, 0, 0, 1, 1, "zero");
	buf_printf(out, "<path class=\"teal curve\" d=\"M%.2f %.2f", at_x(&p, 0), at_y(&p, 0));
	for (size_t i = 0; i < j->nlifts; i++)
		buf_printf(out, "L%.2f %.2f", at_x(&p, j->lifts[i].share), at_y(&p, j->lifts[i].captured));
	buf_adds(out, STR("\"/>\n"));
	plot_end(&p);
}

/* One of the two curves: item `series` of each [step, training, validation]. */
static void
loss_curve(struct plot *p, const struct value *loss, size_t series, const char *class)
{
	bool pen = false, ok = false;
	buf_printf(p->out, "<path class=\"%s curve\" d=\"", class);
	for (size_t i = 0; i < loss->list.n; i++) {
		const struct value *row = loss->list.items[i];
		double y = value_number(row->list.items[series], &ok);
		if (!ok)
			continue;
		buf_printf(p->out, "%c%.2f %.2f", pen ? 'L' : 'M',
			   at_x(p, value_number(row->list.items[0], &ok)), at_y(p, y));
		pen = true;
	}
	buf_adds(p->out, STR("\"/>\n"));
}

/* The curve out of a file is foreign: a list of lists of three numbers or nulls, or there is none. */
static const struct value *
loss_find(const struct model *m)
{
	const struct value *loss = value_map_get(m->training, STR("loss"));
	if (!loss || loss->type != VALUE_LIST || loss->list.n < 2)
		return NULL;
	for (size_t i = 0; i < loss->list.n; i++) {
		const struct value *row = loss->list.items[i];
		bool ok = false;
		if (row->type != VALUE_LIST || row->list.n != 3 ||
		    !isfinite(value_number(row->list.items[0], &ok)) || !ok)
			return NULL;
	}
	return loss;
}

static void
loss_chart(struct buf *out, const struct value *loss)
{
	double low = INFINITY, high = -INFINITY, last = 1;
	bool ok = false;
	for (size_t i = 0; i < loss->list.n; i++)
		for (size_t k = 0; k < 3; k++) {
			double v = value_number(loss->list.items[i]->list.items[k], &ok);
			if (!ok || !isfinite(v))
				continue;
			if (k == 0)
				last = fmax(last, v);
			low = k ? fmin(low, v) : low;
			high = k ? fmax(high, v) : high;
		}
	if (!(high > low))
		return;
	struct plot p = { out, 0, last, low, high };
	html_section(out, "loss", "Training",
		     "Loss by step; blue on training rows, amber on validation rows.");
	plot_begin(&p, "Loss by step of training", "step", "loss");
	loss_curve(&p, loss, 1, "blue");
	loss_curve(&p, loss, 2, "amber");
	plot_end(&p);
	html_section_end(out);
}

static void
head(struct buf *out, const struct judgement *j)
{
	buf_adds(out, STR("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
			  "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
			  "'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width, "
			  "initial-scale=1\">\n<title>"));
	html_text(out, str_of(j->model->score));
	buf_adds(out, STR(" – model report</title>\n<style>\n"));
	buf_adds(out, str_of(html_style));
	buf_adds(out, STR("</style>\n</head>\n<body>\n<header>\n<h1><small>Model report</small>"));
	html_name(out, str_of(j->model->score));
	buf_printf(out, "</h1>\n<p class=\"soft\">%s, %zu columns, %zu ", j->model->kind->name,
		   j->model->ncolumns, j->rows);
	html_text(out, str_of(j->part));
	buf_printf(out, ", mean label %.5g.</p>\n</header>\n<main>\n", j->base);
}

static void
side_row(struct buf *out, const struct judgement *j, const struct judge_side *s)
{
	const struct metrics *m = &s->metrics;
	buf_adds(out, STR("<tr><th scope=\"row\">"));
	html_name(out, str_of(s->name));
	if (j->value)
		buf_printf(out, "</th><td>%.6g</td><td>%.6g</td></tr>\n", s->mean, m->brier);
	else
		buf_printf(out,
			   "</th><td>%.5f</td><td>%.5f</td><td>%.6f</td><td>%.5f</td><td>%.5f</td></tr>\n",
			   m->auc, m->precision, m->logloss, m->brier, m->ece);
}

static void
figures(struct buf *out, const struct judgement *j)
{
	html_section(out, "figures", "Figures", NULL);
	buf_adds(out, STR("<div class=\"scroll\"><table><thead><tr><td></td>"));
	buf_adds(out, j->value ? STR("<th>mean</th><th>mean squared error</th></tr></thead><tbody>\n")
			       : STR("<th>AUC</th><th>average precision</th><th>log-loss</th><th>Brier</th>"
				     "<th>calibration error</th></tr></thead><tbody>\n"));
	side_row(out, j, &j->own);
	if (j->other.p)
		side_row(out, j, &j->other);
	side_row(out, j, &j->constant);
	buf_adds(out, STR("</tbody></table></div>\n<h3>Against "));
	html_name(out, str_of(j->other.p ? j->other.name : "the constant"));
	buf_printf(
	    out,
	    "</h3><div class=\"scroll\"><table><caption>Paired bootstrap, %d draws; ahead or behind is "
	    "said above two standard errors.</caption><thead><tr><td></td><th>difference</th>"
	    "<th>SE</th><th>95&#8239;%%</th><th></th></tr></thead><tbody>\n",
	    JUDGE_DRAWS);
	for (int k = 0; k < METRIC_KINDS; k++) {
		const struct metric_difference *d = &j->against[k];
		if (!judge_has(j, (enum metric_kind)k))
			continue;
		buf_printf(out,
			   "<tr><th scope=\"row\">%s</th><td>%+.6f</td><td>%.6f</td><td>%+.6f to %+.6f</td>"
			   "<td><span class=\"tag %s\">%s</span></td></tr>\n",
			   judge_metric_name(j, (enum metric_kind)k), d->difference, d->se, d->low, d->high,
			   d->verdict > 0   ? "better"
			   : d->verdict < 0 ? "worse"
					    : "none",
			   d->verdict > 0   ? "ahead"
			   : d->verdict < 0 ? "behind"
					    : "not told apart");
	}
	buf_adds(out, STR("</tbody></table></div>\n"));
	html_section_end(out);
}

static void
tables(struct buf *out, const struct judgement *j)
{
	html_section(
	    out, "calibration", "Calibration",
	    "Rows in ten parts by score: what was predicted, and what came, with its 95&#8239;% interval.");
	calibration_chart(out, j);
	buf_adds(
	    out,
	    STR("<details><summary>As a table</summary><div class=\"scroll\"><table><thead><tr>"
		"<th>rows</th><th>predicted</th><th>observed</th><th>95&#8239;%</th></tr></thead><tbody>\n"));
	for (size_t i = 0; i < j->nbins; i++)
		buf_printf(out, "<tr><td>%.0f</td><td>%.5f</td><td>%.5f</td><td>%.5f to %.5f</td></tr>\n",
			   j->bins[i].rows, j->bins[i].predicted, j->bins[i].observed, j->bins[i].low,
			   j->bins[i].high);
	buf_adds(out, STR("</tbody></table></div></details>\n"));
	html_section_end(out);
	html_section(out, "lift", "Lift",
		     "How many of the positives are among those with the highest scores.");
	lift_chart(out, j);
	buf_adds(out, STR("<details><summary>As a table</summary><div class=\"scroll\"><table><thead><tr>"
			  "<th>of rows</th><th>of positives</th><th>lift</th></tr></thead><tbody>\n"));
	for (size_t i = 0; i < j->nlifts; i++)
		buf_printf(out, "<tr><td>%.0f&#8239;%%</td><td>%.1f&#8239;%%</td><td>%.2f</td></tr>\n",
			   100 * j->lifts[i].share, 100 * j->lifts[i].captured, j->lifts[i].lift);
	buf_adds(out, STR("</tbody></table></div></details>\n"));
	html_section_end(out);
}

void
judge_print_html(const struct judgement *j, struct buf *out)
{
	const struct value *loss = loss_find(j->model);
	head(out, j);
	figures(out, j);
	if (!j->value) {
		buf_adds(out, STR("<div class=\"two\">\n"));
		tables(out, j);
		buf_adds(out, STR("</div>\n"));
	}
	if (loss)
		loss_chart(out, loss);
	html_section(out, "columns", "Columns that it uses", NULL);
	buf_adds(out, STR("<ol>\n"));
	for (size_t k = 0; k < j->model->ncolumns; k++) {
		buf_adds(out, STR("<li><code>"));
		html_text(out, str_of(j->model->columns[k]));
		buf_adds(out, STR("</code></li>\n"));
	}
	buf_adds(out, STR("</ol>\n"));
	html_section_end(out);
	buf_adds(out, STR("</main>\n</body>\n</html>\n"));
}
