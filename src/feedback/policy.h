/*
 * policy: what follows from findings: events, and suppressions.
 *
 *   hard bounce                             suppressed at once
 *   soft bounce                             suppressed after soft_limit of them within soft_window
 *   full mailbox                            for full_pause, after full_limit of them within full_window
 *   complaint, unsubscription by mail       suppressed at once
 *   delayed                                 an event, nothing else: what follows is still to come
 *   automatic reply                         an event
 *
 * One copy counts once, however often and by whatever way it is told: by its report, by the MTA's log, by a
 * report that the MTA hands over again. Without a proof (identify.h) trust_untokened says what holds.
 *
 * Suppressions are those of `mailtailor suppress`: category "", all mail but transactional. One that is there
 * for good already, whoever set it, stays as it is.
 *
 * Threads: as the sealer.
 */
#ifndef MT_FEEDBACK_POLICY_H
#define MT_FEEDBACK_POLICY_H

#include "conf/conf.h"
#include "feedback/identify.h"

struct policy_source {
	struct identify_source id; /* store: open for writing */
	const struct conf_feedback *conf;
	const char *source; /* who says so, for events: "feedback", "maillog" */
	/* NULL, or told of each suppression that was put (not of one that stood already). */
	void (*told)(void *ctx, const struct recipient_key *rk, enum suppression_reason reason,
		     const struct feedback_item *it, const struct identity *who);
	void *ctx;
};

enum policy_outcome {
	POLICY_NOTHING,	   /* says nothing about a recipient */
	POLICY_UNPROVED,   /* not acted on: nothing proves it */
	POLICY_RECORDED,   /* an event, new or known */
	POLICY_SUPPRESSED, /* and the recipient is suppressed now */
};
const char *policy_outcome_name(enum policy_outcome o);

/*
 * Acts on all findings of one message. out[i] belongs to f->items[i]; with a proof one finding at most is
 * acted on, since a copy has one recipient. 0: events and suppressions are on disk; -1: the store's errors;
 * to be done again as a whole.
 */
int policy_apply(const struct policy_source *src, const struct feedback *f, const struct identity *who,
		 int64_t now_ms, struct arena *a, enum policy_outcome *out, struct err *e);

/* The one finding that is about the copy that was identified; FEEDBACK_MAX_ITEMS: none is. */
size_t policy_pick(const struct feedback *f, const struct identity *who, const struct keyring *keys,
		   struct arena *a);

#endif
