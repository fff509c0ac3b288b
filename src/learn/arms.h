/*
 * arms: what the event log says of a campaign's arms, as a policy's state (score/policy.h).
 *
 * Decisions are the campaign's `injected` events with an arm; their reward is a later event of the same copy,
 * by a person, within the window, and not taken back (a click that was a scanner's after all). Delayed
 * rewards: a decision counts when its window has passed, with a reward or without. To count the rewards of
 * younger ones, and not yet their failures, would make of every new arm a good one.
 *
 * Two walks of the log, in the order of its numbers; memory by the number of rewards, not of decisions.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_ARMS_H
#define MT_LEARN_ARMS_H

#include "conf/conf.h"
#include "score/policy.h"
#include "store/event.h"

struct learn_arms_request {
	const struct conf_campaign *campaign;
	int64_t now_ms;
	/* Of the linear kinds: the features of the campaign, as decisions name them; ncolumns without the
	 * constant. hash NULL: no rows are looked at. */
	const char *hash;
	size_t ncolumns;
	void (*progress)(void *ctx, uint64_t number); /* events; may be NULL */
	void *ctx;
};
struct learn_arms_found {
	int64_t decisions;	      /* with an arm that is configured */
	int64_t no_row;		      /* of these left out: their row is missing or of other features */
	int64_t unknown_arm, skipped; /* decisions of arms that are not configured; records not readable */
};
/* Finished, with all arms of the configuration, control too. NULL: the database's errors, ERR_LIMIT,
 * ERR_INPUT.
 */
struct policy *learn_arms(struct store *s, const struct learn_arms_request *rq,
			  struct learn_arms_found *found, struct err *e);

/* ---- what policies, and evaluation, take for a reward ---- */

/* EVENT_BIT of the types that are one. */
uint32_t learn_reward_types(enum conf_reward reward);
/* Which copies had a reward first at what time. */
struct learn_rewards;
struct learn_rewards *
learn_rewards_read(struct store *s, const struct conf_campaign *c,
		   void (*progress)(void *ctx, uint64_t number), void *ctx, struct err *e);
void learn_rewards_free(struct learn_rewards **r);
/* True when the copy that was sent at at_ms had one within the window. */
bool learn_rewarded(const struct learn_rewards *r, const uint8_t copy[EVENT_COPY_LEN], int64_t at_ms,
		    int64_t window_ms);

#endif
