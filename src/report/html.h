/* html: what the files of the page share. Everything foreign goes through html_text. */
#ifndef MT_REPORT_HTML_H
#define MT_REPORT_HTML_H

#include "report/report-private.h"

/* Escaped, for text and for attributes in double quotes; control characters as '?', ill-formed UTF-8 as
 * U+FFFD. */
void html_text(struct buf *out, struct str s);
/* The same in <bdi>: a name does not turn the line it stands in. Empty: "(none)". */
void html_name(struct buf *out, struct str s);

/* ---- html-style.c ---- */

extern const char html_style[];

/* ---- html-chart.c ---- */

/* A cell with a bar, 0 <= part <= 1, in a colour: a class of html_style. What it says stands beside it in
 * text. */
void chart_bar(struct buf *out, double part, const char *class);
/* A rate with its interval on a scale. */
void chart_rate(struct buf *out, struct stats_interval x, double from, double to, const char *class);
/* A difference with its interval on a scale from -most to most, most > 0. */
void chart_difference(struct buf *out, struct stats_interval x, double most, const char *class);
/* What was sent, opened, clicked and converted over time. */
void chart_time(struct buf *out, const struct report *r);

/* ---- html-arms.c ---- */

/* The one sentence that matters, if there is one; as a paragraph. */
void html_arms_lead(struct buf *out, const struct report *r);
void html_arms_warning(struct buf *out, const struct report *r);
void html_arms(struct buf *out, const struct report *r);

/* ---- html-table.c ---- */

void html_groups(struct buf *out, const struct report *r, enum report_by by, const char *id,
		 const char *title, const char *says);
void html_reasons(struct buf *out, const struct report *r);
void html_links(struct buf *out, const struct report *r);
void html_money(struct buf *out, const struct report_group *g);

/* <section> with its heading; says may be NULL. */
void html_section(struct buf *out, const char *id, const char *title, const char *says);
void html_section_end(struct buf *out);
void html_count_cell(struct buf *out, int64_t n);
void html_rate_cell(struct buf *out, const struct report_group *g, enum report_rate rate);

#endif
