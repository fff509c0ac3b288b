/*
 * report: what became of copies and what recipients did, out of the counters of the event log: gather reads
 * them once, within one snapshot, into figures; renderers show the figures as text, JSON, CSV or HTML. The
 * log itself is not read.
 *
 * Copies. A figure has two numbers: `copies`, of how many copies that is true (what event.h calls unique: the
 * first event of its type and class), and `events`, how often it happened. Rates are copies / sent. Whoever
 * opened as a person and behind a proxy counts in both; a bounce's copies are told apart by their first
 * bounce. `people` opened or clicked: human, or of a class that nobody could tell.
 *
 * Taken back. What looked like a person's and was `reclassified` is no person's in any figure, in the hour in
 * which that came out. It is among the machines' events; their copies are those where a machine was seen as
 * such at once.
 *
 * Time is counted by the hour (UTC): `since` is taken back to the hour that holds it. A report that begins
 * later than its campaign may count opens of copies that were sent before: a rate over one is no rate
 * (REPORT_NO_RATE).
 *
 * Sources of the statistics: report/stats.h.
 * Threads: a report belongs to one thread at a time.
 */
#ifndef MT_REPORT_REPORT_H
#define MT_REPORT_REPORT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "report/stats.h"
#include "store/event.h"

#define REPORT_VERSION 1 /* of the JSON: rises when a field changes its meaning or goes */

enum report_figure {
	FIGURE_SENT,
	FIGURE_HELD, /* waited at some time */
	FIGURE_SUPPRESSED,
	FIGURE_FAILED,
	FIGURE_DELIVERED,
	FIGURE_DEFERRED,
	FIGURE_BOUNCED,
	FIGURE_BOUNCED_HARD, /* part of the former */
	FIGURE_BOUNCED_SOFT, /* likewise */
	FIGURE_OPENED_HUMAN,
	FIGURE_OPENED_PROXY,
	FIGURE_OPENED_MACHINE,
	FIGURE_OPENED_UNKNOWN,
	FIGURE_CLICKED_HUMAN,
	FIGURE_CLICKED_PROXY,
	FIGURE_CLICKED_MACHINE,
	FIGURE_CLICKED_UNKNOWN,
	FIGURE_CONVERTED,
	FIGURE_PURCHASED,
	FIGURE_VIEWED,
	FIGURE_UNSUBSCRIBED,
	FIGURE_COMPLAINED,
	FIGURE_AUTO_REPLIED,
	REPORT_FIGURES
};
const char *report_figure_name(enum report_figure f); /* "sent", "opened_human" … */

struct report_count {
	int64_t copies, events;
};

/* Rates of sent copies. */
enum report_rate {
	RATE_DELIVERED,
	RATE_BOUNCED,
	RATE_OPENED,  /* by people */
	RATE_CLICKED, /* by people */
	RATE_CONVERTED,
	RATE_UNSUBSCRIBED,
	RATE_COMPLAINED,
	REPORT_RATES
};
const char *report_rate_name(enum report_rate r); /* "delivered" … */

/* Money is never added across currencies. Millionths; sums stop at the ends of int64_t. */
struct report_money {
	struct str currency;
	int64_t converted, purchased; /* reported as the one or the other, by shops */
	struct report_money *next;    /* by code */
};

enum report_by {
	REPORT_BY_CAMPAIGN,
	REPORT_BY_ARM,
	REPORT_BY_DOMAIN,
	REPORT_BY_SEGMENT,
	REPORT_BY_HOUR,
	REPORT_BY_LINK,
	REPORT_BYS
};
const char *report_by_name(enum report_by by);
/* Or -1. */
int report_by_find(struct str name);

/* All that was counted of one arm, domain … */
struct report_group {
	uint64_t key;	 /* hour: since the epoch; link: its number; else the word's number, 0: none */
	struct str name; /* hour: RFC 3339; link: its number; else the word, or empty */
	struct str url;	 /* link: one that it stands for; absent: not kept */
	int64_t urls;	 /* link: how many it stands for, when recipients get different ones */
	struct report_count figures[REPORT_FIGURES];
	struct report_money *money;
};
struct report_list {
	struct report_group *v;
	size_t n, cap;
	uint32_t *slots; /* gather's index */
	size_t nslots;
};

/* Why: suppressed, held, failed, bounced, deferred; opens and clicks: why that class. */
struct report_reason {
	enum event_type type;
	enum event_class class;
	struct str reason; /* never empty */
	uint32_t reason_id;
	struct report_count count;
};

/* An arm beside the control, for one rate. */
struct report_compare {
	bool possible;			  /* both have copies, and none has more than it sent */
	struct stats_interval difference; /* arm - control, by Newcombe */
	struct stats_test test;
	double holm;	 /* the test's p, corrected for all of the rate's comparisons */
	double superior; /* P(arm's rate > control's), uniform priors */
};
/* The rates arms are compared in. */
static const enum report_rate REPORT_COMPARED[] = { RATE_OPENED, RATE_CLICKED, RATE_CONVERTED,
						    RATE_UNSUBSCRIBED };
#define REPORT_NCOMPARED (sizeof REPORT_COMPARED / sizeof REPORT_COMPARED[0])
struct report_arm {
	const struct report_group *group; /* in lists[REPORT_BY_ARM] */
	double share;			  /* as it should be, of all arms */
	bool control;
	struct report_compare compare[REPORT_NCOMPARED]; /* not of the control */
};

struct report_share {
	struct str arm;
	double weight; /* > 0 */
};
struct report_request {
	struct str campaign; /* absent: all */
	int64_t since_ms;    /* 0: all */
	int64_t now_ms;
	uint32_t by;	    /* bit 1 << REPORT_BY_…: the lists that are wanted; arms are always there */
	struct str control; /* absent: "control", else the first by name */
	struct report_share *shares; /* none: equal ones */
	size_t nshares;
	/*
	 * control and shares are as the configuration has them: arms of other times may be there, and some
	 * not yet. Then shares are not tested unless there is one for each arm that was sent something; and
	 * control_share > 0 says that of a policy's arms this is the only share that is known.
	 */
	bool configured;
	double control_share;
};

struct report {
	struct arena *arena; /* holds everything but the lists */
	struct str campaign; /* absent: all */
	int64_t since_ms, now_ms;
	int64_t first_ms, last_ms; /* hours of the first and last event counted; -1: nothing was */
	uint32_t by;
	struct report_group total;
	struct report_list lists[REPORT_BYS]; /* hours and links by number, others by sent, then by name */
	struct report_reason *reasons;	      /* by type, most first */
	size_t nreasons;
	struct report_arm *arms; /* named ones, the control first; empty when there are less than two */
	size_t narms;
	struct str control_missing; /* the configured control, of which no copy is counted: another is in its
				       place */
	/* Are arms as large as their shares say? */
	bool ratio_tested, ratio_mismatch; /* mismatch: p < STATS_RATIO_ALPHA */
	double ratio_chi2, ratio_p;
	int ratio_df;
};

/*
 * NULL: ERR_INPUT (a control or a share of an arm that does not exist), or the database's errors. What was
 * never counted is a report without figures, not an error: first_ms is -1.
 */
struct report *report_gather(struct store *s, const struct report_request *rq, struct err *e);
/* Takes NULL; leaves NULL. */
void report_free(struct report **r);

/* The figure behind a rate. */
int64_t report_rate_copies(const struct report_group *g, enum report_rate r);
#define REPORT_NO_RATE (-1.0)
/* Share of sent copies, with its 95 % interval; REPORT_NO_RATE in all three when there is none. */
struct stats_interval report_rate_of(const struct report_group *g, enum report_rate r);

/* ---- renderers: append to out ---- */

/* by: the list to show; REPORT_BYS: totals, reasons, arms and links. */
void report_print_text(const struct report *r, enum report_by by, struct buf *out);
/* The lists that were asked for. One line per object of a list. (mailtailor-report(1) describes the fields.)
 */
void report_print_json(const struct report *r, struct buf *out);
/* One row per group with a header (RFC 4180); REPORT_BYS: the total. No cell begins a formula. */
void report_print_csv(const struct report *r, enum report_by by, struct buf *out);
/* One page that needs nothing else: no script, no outside reference. */
void report_print_html(const struct report *r, struct buf *out);

#endif
