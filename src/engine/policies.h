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
#include "engine/features.h"
#include "score/policy.h"

/* DIRECTORY/policy-CAMPAIGN.state */
struct str policies_path(struct arena *a, const struct conf *conf, const struct conf_campaign *c);
/*
 * The features that a campaign's policy goes by; NULL: its kind goes by none.
 */
const struct features *policies_features(const struct features_set *features, const struct conf_campaign *c);
/* Holds policies against their features: at most POLICY_MAX_COLUMNS, and none that reads which arm it is.
 * Every mistake goes to report as "FILE:LINE: …". */
bool policies_check(const struct conf *conf, const struct features_set *features, conf_report_fn *report,
		    void *ctx);
/*
 * Reads a campaign's state. NULL: there is none (ERR_MISSING), ERR_IO, ERR_CORRUPT, ERR_LIMIT, or ERR_INPUT:
 * it was learned for other settings than the campaign has.
 */
struct policy *policies_read(const struct conf *conf, const struct features_set *features,
			     const struct conf_campaign *c, struct err *e);

struct policies;
/* Both outlive it. */
struct policies *policies_new(const struct conf *conf, const struct features_set *features);
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
