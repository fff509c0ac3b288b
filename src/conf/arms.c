/* arms: what holds between a campaign's arms, its control and its policy. */
#include "conf/conf-private.h"

#include <string.h>

const struct conf_arm *
conf_arm_find(const struct conf_campaign *c, struct str name)
{
	for (size_t i = 0; i < c->narms; i++)
		if (str_eq(str_of(c->arms[i].name), name))
			return &c->arms[i];
	return NULL;
}

bool
conf_arms_have_hours(const struct conf_campaign *c)
{
	for (size_t i = 0; i < c->narms; i++)
		if (c->arms[i].send_hour != CONF_ANY_HOUR)
			return true;
	return false;
}

/* The word that a choice's number stands for. */
static const char *
choice_name(const char *section, const char *key, unsigned choice)
{
	const struct conf_key *k = conf_key_find(conf_section_find(str_of(section)), str_of(key));
	return choice < k->nchoices ? k->choices[choice] : "?";
}

const char *
conf_policy_name(enum conf_policy_kind kind)
{
	return choice_name("policy", "kind", kind);
}

const char *
conf_reward_name(enum conf_reward reward)
{
	return choice_name("policy", "reward", reward);
}

bool
conf_policy_is_linear(const struct conf_campaign *c)
{
	return c->policy.kind == CONF_POLICY_LINEAR_THOMPSON || c->policy.kind == CONF_POLICY_LINUCB;
}

bool
conf_policy_learns(const struct conf_campaign *c)
{
	return c->narms > 0 && c->policy.kind != CONF_POLICY_FIXED && c->policy.kind != CONF_POLICY_GREEDY;
}

bool
conf_hour_open(const struct conf_campaign *c, int hour)
{
	for (int day = 0; day < 7; day++)
		for (int minute = hour * 60; minute < (hour + 1) * 60; minute++)
			if (conf_campaign_open(c, day, minute))
				return true;
	return false;
}

static void
check_arm(struct conf_work *w, cfg_t *inject, cfg_t *sec, const struct conf_campaign *c, struct conf_arm *arm)
{
	struct value *map = value_map_new(w->arena);
	for (size_t i = 0; i < arm->nvalues; i++) {
		value_map_set(w->arena, map, str_of(arm->value_names[i]),
			      value_string(w->arena, str_of(arm->value_values[i])));
		if (strcmp(arm->value_names[i], "name") == 0)
			conf_wrong_tok(w, conf_section_tok(w, sec),
				       "arm \"%s\" has a value \"name\", and {{arm.name}} is the arm's name; "
				       "give the value another",
				       arm->name);
	}
	arm->values = map;
	arm->control = arm->control || strcmp(arm->name, "control") == 0;
	if (arm->send_hour != CONF_ANY_HOUR) {
		int hour = (int)arm->send_hour - 1;
		conf_need_target(w, inject, conf_setting_tok(w, sec, "send_hour"), "send_hour");
		if (!conf_hour_open(c, hour))
			conf_wrong_tok(w, conf_setting_tok(w, sec, "send_hour"),
				       "quiet_hours and send_window let nothing leave in hour %d; choose "
				       "another, or change them",
				       hour);
	}
	if (c->policy.kind == CONF_POLICY_GREEDY && !arm->control && !arm->score)
		conf_wrong_tok(w, conf_section_tok(w, sec),
			       "arm \"%s\" has no score, and policy \"greedy\" chooses by it; "
			       "add score = NAME of one of the scorers' scores",
			       arm->name);
}

/* The control, and at most one. */
static void
find_control(struct conf_work *w, cfg_t *sec, struct conf_campaign *c)
{
	for (size_t i = 0; i < c->narms; i++) {
		if (!c->arms[i].control)
			continue;
		if (c->control)
			conf_wrong_tok(
			    w, conf_section_tok(w, cfg_getnsec(sec, "arm", (unsigned)i)),
			    "arm \"%s\" is control, and so is arm \"%s\" (%s); there can be one",
			    c->arms[i].name, c->control->name,
			    conf_where(w, conf_section_tok(
					      w, cfg_getnsec(sec, "arm", (unsigned)(c->control - c->arms)))));
		else
			c->control = &c->arms[i];
	}
}

static void
check_shares(struct conf_work *w, cfg_t *sec, struct conf_campaign *c)
{
	uint32_t share = conf_stmt_find(w, conf_section_stmt(w, sec), "control_share");
	size_t others = 0;
	double weight = 0;
	for (size_t i = 0; i < c->narms; i++) {
		others += !c->arms[i].control;
		weight += c->arms[i].control ? 0 : c->arms[i].weight;
	}
	if (!c->control) {
		if (share != STMT_NONE)
			conf_wrong_tok(w, w->stmts[share].first,
				       "control_share is the share of an arm that is not there; add arm "
				       "control { }, or write control = yes in one");
		c->control_share = 0;
	} else if (others == 0) {
		c->control_share = CONF_SHARE_ALL;
	} else if (c->control_share >= CONF_SHARE_ALL) {
		conf_wrong_tok(w, conf_setting_tok(w, sec, "control_share"),
			       "control_share leaves the other arms nobody; make it less than 100%%");
	}
	if (others > 0 && !(weight > 0))
		conf_wrong_tok(w, conf_section_tok(w, sec),
			       "the arms of campaign \"%s\" all have weight 0; give one some", c->name);
}

static void
check_policy(struct conf_work *w, cfg_t *sec, const struct conf_campaign *c)
{
	uint32_t at = conf_stmt_find(w, conf_section_stmt(w, sec), "policy");
	if (at == STMT_NONE)
		return;
	at = w->stmts[at].first;
	if (c->narms == 0)
		conf_wrong_tok(w, at,
			       "campaign \"%s\" has a policy and no arms to choose from; add arm NAME { … }",
			       c->name);
	if (conf_policy_is_linear(c) && conf_stmt_find(w, conf_section_stmt(w, sec), "features") == STMT_NONE)
		conf_wrong_tok(w, at,
			       "policy \"%s\" goes by features and campaign \"%s\" has none; add features = "
			       "NAME of a features section",
			       conf_policy_name(c->policy.kind), c->name);
	if (c->policy.kind == CONF_POLICY_GREEDY && c->scorers.n == 0)
		conf_wrong_tok(w, at,
			       "policy \"greedy\" needs scores and campaign \"%s\" has no scorers; add "
			       "scorers = { NAME }",
			       c->name);
}

void
conf_check_arms(struct conf_work *w, cfg_t *inject, cfg_t *sec, struct conf_campaign *c)
{
	if (c->narms > CONF_MAX_ARMS)
		conf_wrong_tok(w, conf_section_tok(w, cfg_getnsec(sec, "arm", CONF_MAX_ARMS)),
			       "campaign \"%s\" has more than %d arms; there is nothing to be learned of so "
			       "many",
			       c->name, CONF_MAX_ARMS);
	for (size_t i = 0; i < c->narms; i++)
		check_arm(w, inject, cfg_getnsec(sec, "arm", (unsigned)i), c, &c->arms[i]);
	find_control(w, sec, c);
	check_shares(w, sec, c);
	check_policy(w, sec, c);
}
