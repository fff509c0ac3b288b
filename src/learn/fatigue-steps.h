/*
 * fatigue-steps: the event log as steps that fatigue.h learns from. A step is a day (UTC) of a recipient,
 * from the first mail he got on: what was known of him when it began (columns over the event log's counters,
 * score/column.h, as at sending time), whether mail was sent to him in it, and what he did in it. The last
 * step is the one in which he unsubscribed or complained, or the day before the log ends.
 *
 * What follows days after a mail is the reward of the day on which it came; the discounted sum over days
 * gives it to the mail.
 *
 * Threads: one.
 */
#ifndef MT_LEARN_FATIGUE_STEPS_H
#define MT_LEARN_FATIGUE_STEPS_H

#include "learn/fatigue.h"
#include "store/event.h"

/* What each of them is worth; costs are positive. */
struct fatigue_worth {
	double click, purchase; /* each */
	double send;		/* cost of each copy */
	double leave;		/* cost of an unsubscription or complaint */
};

#define FATIGUE_TYPES                                                                     \
	(EVENT_BIT(EVENT_INJECTED) | EVENT_BIT(EVENT_OPENED) | EVENT_BIT(EVENT_CLICKED) | \
	 EVENT_BIT(EVENT_PURCHASED) | EVENT_BIT(EVENT_UNSUBSCRIBED) | EVENT_BIT(EVENT_COMPLAINED))
#define FATIGUE_COLUMNS 10
extern const char *const fatigue_columns[FATIGUE_COLUMNS];

struct fatigue_steps;
struct fatigue_steps *fatigue_steps_new(void);
void fatigue_steps_free(struct fatigue_steps **s); /* takes NULL; leaves NULL */
/* One record of event_each. */
void fatigue_steps_event(struct fatigue_steps *s, const struct event_record *r);
/*
 * Up to the day in which end_ms lies, which is not one any more. At most max_steps: then of whole recipients
 * some, by their keys. Memory of the log from a. ERR_INPUT: nobody got mail on a day that is over.
 */
int fatigue_steps_finish(struct fatigue_steps *s, const struct fatigue_worth *w, int64_t end_ms,
			 size_t max_steps, struct arena *a, struct fatigue_log *out, struct err *e);

#endif
