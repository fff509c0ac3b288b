/* arms: see arms.h. */
#include "engine/arms.h"

#include "engine/policies.h"

static void
ask_fill(const struct engine_request *rq, const struct engine_copy *c, struct tailor_arm_ask *ask)
{
	const struct recipient_snapshot *r = c->recipient;
	const struct str assign[2] = { { (const char *)r->key.b, sizeof(r->key.b) },
				       str_of(rq->campaign->name) };
	const struct str copy = { (const char *)r->idem, sizeof(r->idem) };
	*ask = (struct tailor_arm_ask){
		.campaign = rq->campaign,
		.kept = rq->arm,
		.kept_propensity = rq->propensity,
	};
	/* What has its place in the caps is what it was then: the MTA may have it already. */
	if (r->arm.n > 0 && !rq->arm_forced) {
		ask->kept = r->arm;
		ask->kept_propensity = r->propensity;
	}
	keyed_id(rq->epoch->keys, "arm", assign, 2, ask->assign);
	keyed_id(rq->epoch->keys, "arm draw", &copy, 1, ask->seed);
}

void
arms_early(const struct engine_request *rq, size_t n, struct engine_copy *out, const struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct tailor_arm_ask ask;
		if (e[i].kind != ERR_NONE || rq[i].campaign->narms == 0)
			continue;
		ask_fill(&rq[i], &out[i], &ask);
		tailor_arm_early(&ask, &out[i].arm);
	}
}

/* The row for a policy that learned of these very columns; else it goes by none. */
static void
ask_row(const struct engine_request *rq, const struct engine_copy *c, struct tailor_arm_ask *ask)
{
	const struct features *f = features_find(rq->epoch->features, rq->campaign->features);
	if (!f || !ask->policy || !str_eq(ask->policy->columns, str_of(f->hash)))
		return;
	ask->row = engine_row(rq, c, NULL);
	ask->nrow = score_columns_count(f->columns);
}

void
arms_choose(const struct engine_request *rq, size_t n, struct engine_copy *out, const struct err *e)
{
	const struct conf_campaign *c = rq[0].campaign;
	if (c->narms == 0 || c->policy.kind == CONF_POLICY_FIXED)
		return;
	struct policy_held *held = policies_get(epoch_policies(rq[0].epoch), c);
	for (size_t i = 0; i < n; i++) {
		const struct plugin_result *p = &out[i].plugins;
		struct tailor_arm_ask ask;
		if (e[i].kind != ERR_NONE || out[i].arm.arm != NULL)
			continue;
		ask_fill(&rq[i], &out[i], &ask);
		struct tailor_score *scores =
		    ARENA_ARRAY(rq[i].worker->arena, struct tailor_score, p->nscores);
		for (size_t k = 0; k < p->nscores; k++)
			scores[k] = (struct tailor_score){ p->scores[k].name, p->scores[k].value };
		ask.scores = scores;
		ask.nscores = p->nscores;
		ask.policy = held ? held->policy : NULL;
		ask.rates = held ? held->rates : NULL;
		ask_row(&rq[i], &out[i], &ask);
		tailor_arm_choose(&ask, &out[i].arm);
	}
	policies_put(epoch_policies(rq[0].epoch), &held);
}
