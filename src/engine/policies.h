/*
 * policies: what was learned of the campaigns' arms, as `mailtailor policy learn` wrote it into the state
 * directory, for one epoch. A file is looked at again every few seconds, by whoever happens to ask then; one
 * that is damaged, or was learned for other settings, is refused and said once, and what was in force stays.
 * One that is gone leaves the fixed split.
 *
 * Threads: safe.
 */
#ifndef MT_ENGINE_POLICIES_H
#define MT_ENGINE_POLICIES_H

#include "engine/engine.h"
#include "score/policy.h"

/* DIRECTORY/policy-CAMPAIGN.state */
struct str policies_path(struct arena *a, const struct conf *conf, const struct conf_campaign *c);
/*
 * Reads a campaign's state. NULL: there is none (ERR_MISSING), ERR_IO, ERR_CORRUPT, ERR_LIMIT, or ERR_INPUT:
 * it was learned for other settings than the campaign has.
 */
struct policy *policies_read(const struct conf *conf, const struct conf_campaign *c, struct err *e);

struct policies;
struct policies *policies_new(const struct conf *conf);
void policies_free(struct policies **p);

/* A state in force, with what it gives each arm where that hangs on no copy (NULL where it does). */
struct policy_held {
	struct policy *policy;
	const double *rates;
	int refs; /* guarded */
};
/* NULL: none; else a reference that policies_put gives back. */
struct policy_held *policies_get(struct policies *p, const struct conf_campaign *c);
void policies_put(struct policies *p, struct policy_held **held);

/* Those of an epoch; NULL with links_only. */
struct policies *epoch_policies(const struct epoch *e);

#endif
