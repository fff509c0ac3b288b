/* report-private: what gather and the renderers share. */
#ifndef MT_REPORT_REPORT_PRIVATE_H
#define MT_REPORT_REPORT_PRIVATE_H

#include "report/report.h"

/* ---- group.c ---- */

#define HOUR_MS INT64_C(3600000)
#define DAY_MS INT64_C(86400000)

/* The group of that key, made when it is new; valid until the next call. name is copied into a. */
struct report_group *list_group(struct report_list *l, struct arena *a, uint64_t key, struct str name);
/* First by what was sent, then by name. */
void list_sort_by_size(struct report_list *l);
void list_sort_by_key(struct report_list *l);
void list_free(struct report_list *l);
/* c's figures and values; by link: what is unique for the link. */
void group_count(struct report_group *g, struct arena *a, const struct event_counter *c, bool by_link);
/* When all is counted: what was taken back in another hour than it was counted in leaves none below zero. */
void group_settle(struct report_group *g);
/* Adds the figures and values of another. */
void group_add(struct report_group *g, struct arena *a, const struct report_group *other);
/* The empty word shown: "(none)". */
struct str group_label(const struct report_group *g);
/* sum stops at the ends of int64_t. */
void sum_add(int64_t *sum, int64_t more);

/* ---- arms.c ---- */

/* Fills arms and the check of their ratio. 0, or -1 with ERR_INPUT. */
int arms_compare(struct report *r, const struct report_request *rq, struct err *e);

/* ---- show.c: for people ---- */

#define FORMAT_MAX 64
const char *show_count(int64_t n, char out[FORMAT_MAX]);		  /* 1,234,567 */
const char *show_percent(double share, char out[FORMAT_MAX]);		  /* 12.3%, 0.12%; "-" for no rate */
const char *show_points(double difference, char out[FORMAT_MAX]);	  /* +1.2 */
const char *show_p(double p, char out[FORMAT_MAX]);			  /* 0.012, < 0.0001 */
const char *show_money(int64_t micros, bool group, char out[FORMAT_MAX]); /* 1,234.50 */
const char *show_time(int64_t ms, char out[FORMAT_MAX]);		  /* 2026-03-29 12:00 */
/* What may be written as a number: all digits that are kept, without zeros at the end. */
const char *show_micros(int64_t micros, char out[FORMAT_MAX]);

/* ---- table.c: columns for a terminal ---- */

struct table;
/* heads: n titles, at most 32; right: bit i set when column i is right-aligned. Both are kept by reference.
 */
struct table *table_new(const char *const *heads, size_t n, uint32_t right);
/* n cells, copied, control characters as ?; what is wider than 44 columns is cut, with an ellipsis. */
void table_row(struct table *t, const struct str *cells);
void table_print(const struct table *t, size_t indent, struct buf *out);
void table_free(struct table **t);

#endif
