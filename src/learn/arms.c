/* arms: see arms.h. */
#include "learn/arms.h"

#include <math.h>

#include "base/json.h"

struct learning {
	const struct learn_arms_request *rq;
	const struct learn_rewards *rewards;
	struct learn_arms_found *found;
	struct policy *policy;
	struct arena *scratch;
	double row[POLICY_MAX_COLUMNS];
};

/* details: {"features":{HASH:[1,null,0.5]}} */
static bool
row_read(struct learning *l, struct str details)
{
	const struct value *v = NULL;
	struct err e = { 0 };
	arena_reset(l->scratch);
	if (details.n == 0 || json_parse(l->scratch, details, NULL, &v, &e) != 0)
		return false;
	v = value_map_get(value_map_get(v, STR("features")), str_of(l->rq->hash));
	if (v == NULL || v->type != VALUE_LIST || v->list.n != l->rq->ncolumns)
		return false;
	for (size_t i = 0; i < l->rq->ncolumns; i++) {
		bool ok = false;
		double x = value_number(v->list.items[i], &ok);
		l->row[i] = ok && isfinite(x) ? x : NAN;
	}
	return true;
}

static bool
on_decision(void *ctx, const struct event_record *r)
{
	struct learning *l = ctx;
	const struct conf_campaign *c = l->rq->campaign;
	const struct event *ev = &r->event;
	if (l->rq->progress)
		l->rq->progress(l->rq->ctx, r->number);
	/* A copy is handed over once; of who was erased nothing is known any more. */
	if (r->forgotten || !r->unique || ev->arm.n == 0)
		return true;
	const struct conf_arm *arm = conf_arm_find(c, ev->arm);
	if (arm == NULL) {
		l->found->unknown_arm++;
		return true;
	}
	l->found->decisions++;
	if (l->rq->now_ms - ev->at_ms < c->policy.window_ms) {
		l->policy->pending++;
		return true;
	}
	if (l->rq->hash != NULL && !row_read(l, ev->details)) {
		l->found->no_row++;
		return true;
	}
	policy_add(l->policy, (size_t)(arm - c->arms), l->rq->hash ? l->row : NULL,
		   learn_rewarded(l->rewards, ev->copy, ev->at_ms, c->policy.window_ms));
	return true;
}

static struct policy *
state_new(const struct learn_arms_request *rq, struct err *e)
{
	struct str names[CONF_MAX_ARMS];
	const struct conf_campaign *c = rq->campaign;
	for (size_t i = 0; i < c->narms; i++)
		names[i] = str_of(c->arms[i].name);
	const struct policy_shape shape = {
		.campaign = str_of(c->name),
		.reward = str_of(conf_reward_name(c->policy.reward)),
		.columns = str_of(rq->hash),
		.window_ms = c->policy.window_ms,
		.dim = rq->hash ? rq->ncolumns + 1 : 0,
		.ridge = c->policy.ridge,
		.arms = names,
		.narms = c->narms,
	};
	struct policy *p = policy_new(&shape, e);
	if (p != NULL)
		p->made_ms = rq->now_ms;
	return p;
}

struct policy *
learn_arms(struct store *s, const struct learn_arms_request *rq, struct learn_arms_found *found,
	   struct err *e)
{
	const struct event_filter f = { .campaign = str_of(rq->campaign->name),
					.types = EVENT_BIT(EVENT_INJECTED) };
	struct learn_rewards *rewards = NULL;
	struct policy *p = state_new(rq, e);
	uint64_t skipped = 0;
	*found = (struct learn_arms_found){ 0 };
	if (p == NULL)
		return NULL;
	struct learning l = { .rq = rq, .found = found, .policy = p, .scratch = arena_new(65536) };
	rewards = learn_rewards_read(s, rq->campaign, rq->progress, rq->ctx, e);
	l.rewards = rewards;
	if (rewards == NULL || event_each(s, &f, on_decision, &l, NULL, &skipped, e) != 0 ||
	    policy_finish(p, e) != 0)
		policy_free(&p);
	found->skipped = (int64_t)skipped;
	learn_rewards_free(&rewards);
	arena_free(&l.scratch);
	return p;
}
