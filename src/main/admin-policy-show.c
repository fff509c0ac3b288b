/* mailtailor policy show: what a policy chooses by, and with what probability. */
#include <getopt.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "engine/policies.h"
#include "main/admin-policy.h"
#include "report/stats.h"

const char policy_show_help[] =
    "usage: mailtailor policy show [-c FILE] [--json] CAMPAIGN…|--all\n"
    "\n"
    "Shows what is in force for campaigns: of each arm how many decisions count, how many\n"
    "had a reward, the rate with its 95 % interval, and the share of all copies that get\n"
    "it. Where that depends on the recipient's features there is no share to show.\n"
    "\n"
    "      --all           all campaigns with a policy that learns\n"
    "      --json          print JSON\n"
    "  -c, --config FILE   the configuration (else $MAILTAILOR_CONF, else the installed one)\n"
    "  -h, --help          this text\n";

/* Shares of all copies; false: they hang on each copy. */
static bool
shares_of(const struct conf_campaign *c, const struct policy *p, double *share)
{
	struct tailor_arm_ask ask = { .campaign = c, .policy = p };
	double control = (double)c->control_share / CONF_SHARE_ALL;
	bool fixed = c->policy.kind == CONF_POLICY_FIXED || p == NULL;
	if (!fixed && (c->policy.kind == CONF_POLICY_GREEDY || conf_policy_is_linear(c)))
		return false;
	tailor_arm_probabilities(&ask, share);
	for (size_t i = 0; i < c->narms; i++)
		share[i] = c->arms[i].control ? control : (1 - control) * share[i];
	return true;
}

/* ---- for people ---- */

static void
percent(char out[24], double v)
{
	snprintf(out, 24, "%.2f%%", 100 * v);
}

static void
arm_row(struct admin_table *t, const struct conf_arm *arm, const struct policy_arm *learned,
	const double *share)
{
	char decisions[24] = "0", rewards[24] = "0", rate[24], low[24], high[24], chosen[24];
	int64_t n = learned ? learned->decisions : 0;
	if (learned) {
		snprintf(decisions, sizeof(decisions), "%lld", (long long)n);
		snprintf(rewards, sizeof(rewards), "%lld", (long long)learned->rewards);
	}
	if (n > 0) {
		struct stats_interval x = stats_wilson(learned->rewards, n, STATS_Z95);
		percent(rate, x.value);
		percent(low, x.low);
		percent(high, x.high);
	}
	if (share)
		percent(chosen, *share);
	const char *cells[] = { arm->name,	     arm->control ? "yes" : "no",
				decisions,	     rewards,
				n > 0 ? rate : NULL, n > 0 ? low : NULL,
				n > 0 ? high : NULL, share ? chosen : NULL };
	admin_table_row(t, cells);
}

static void
show_text(const struct conf_campaign *c, const struct policy *p, const double *share)
{
	static const struct admin_column COLUMNS[] = {
		{ "ARM", ADMIN_COL_TEXT },	   { "CONTROL", ADMIN_COL_BOOL },
		{ "DECISIONS", ADMIN_COL_NUMBER }, { "REWARDS", ADMIN_COL_NUMBER },
		{ "RATE", ADMIN_COL_NUMBER },	   { "LOW", ADMIN_COL_NUMBER },
		{ "HIGH", ADMIN_COL_NUMBER },	   { "SHARE", ADMIN_COL_NUMBER },
	};
	char window[40], made[40];
	printf("%s: %s, %s within %s", c->name, conf_policy_name(c->policy.kind),
	       conf_reward_name(c->policy.reward), clock_format_duration(c->policy.window_ms, window));
	if (p)
		printf("; learned %s, %lld too young to count\n", clock_format_rfc3339(p->made_ms, made),
		       (long long)p->pending);
	else
		printf("; %s\n",
		       conf_policy_learns(c) ? "nothing learned yet: the split is fixed" : "not learned");
	struct admin_table *t = admin_table_new(COLUMNS, sizeof(COLUMNS) / sizeof(COLUMNS[0]));
	for (size_t i = 0; i < c->narms; i++)
		arm_row(t, &c->arms[i], p ? policy_arm_find(p, str_of(c->arms[i].name)) : NULL,
			share ? &share[i] : NULL);
	admin_table_print(t, stdout, false);
	admin_table_free(&t);
}

/* ---- JSON ---- */

static void
real_set(struct arena *a, struct value *map, const char *key, bool there, double v)
{
	value_map_set(a, map, str_of(key), there ? value_real(a, v) : &VALUE_NULL_V);
}

static const struct value *
arm_value(struct arena *a, const struct conf_arm *arm, const struct policy_arm *learned, const double *share)
{
	struct value *v = value_map_new(a);
	int64_t n = learned ? learned->decisions : 0;
	struct stats_interval x = { 0 };
	if (n > 0)
		x = stats_wilson(learned->rewards, n, STATS_Z95);
	value_map_set(a, v, STR("arm"), value_string(a, str_of(arm->name)));
	value_map_set(a, v, STR("control"), value_bool(arm->control));
	value_map_set(a, v, STR("decisions"), value_int(a, n));
	value_map_set(a, v, STR("rewards"), value_int(a, learned ? learned->rewards : 0));
	real_set(a, v, "rate", n > 0, x.value);
	real_set(a, v, "low", n > 0, x.low);
	real_set(a, v, "high", n > 0, x.high);
	real_set(a, v, "share", share != NULL, share ? *share : 0);
	return v;
}

static const struct value *
campaign_value(struct arena *a, const struct conf_campaign *c, const struct policy *p, const double *share)
{
	struct value *v = value_map_new(a), *arms = value_list(a, c->narms);
	char made[40];
	for (size_t i = 0; i < c->narms; i++)
		arms->list.items[i] =
		    arm_value(a, &c->arms[i], p ? policy_arm_find(p, str_of(c->arms[i].name)) : NULL,
			      share ? &share[i] : NULL);
	value_map_set(a, v, STR("campaign"), value_string(a, str_of(c->name)));
	value_map_set(a, v, STR("kind"), value_string(a, str_of(conf_policy_name(c->policy.kind))));
	value_map_set(a, v, STR("reward"), value_string(a, str_of(conf_reward_name(c->policy.reward))));
	value_map_set(a, v, STR("window_ms"), value_int(a, c->policy.window_ms));
	value_map_set(a, v, STR("learned"),
		      p ? value_string(a, arena_str(a, str_of(clock_format_rfc3339(p->made_ms, made))))
			: &VALUE_NULL_V);
	value_map_set(a, v, STR("pending"), p ? value_int(a, p->pending) : &VALUE_NULL_V);
	value_map_set(a, v, STR("arms"), arms);
	return v;
}

/* ---- the command ---- */

static int
show(const struct conf *conf, const struct features_set *features, const struct conf_campaign *const *v,
     size_t n, bool json)
{
	struct arena *a = arena_new(4096);
	struct value *list = value_list(a, n);
	int rc = EX_OK;
	for (size_t i = 0; i < n; i++) {
		double share[CONF_MAX_ARMS];
		struct err e = { 0 };
		struct policy *p = policies_read(conf, features, v[i], &e);
		if (p == NULL && e.kind != ERR_MISSING)
			rc = admin_fail(&e);
		const double *shares = shares_of(v[i], p, share) ? share : NULL;
		if (json)
			list->list.items[i] = campaign_value(a, v[i], p, shares);
		else
			show_text(v[i], p, shares);
		policy_free(&p);
	}
	if (json) {
		struct buf b = { 0 };
		json_print_pretty(&b, list);
		printf("%s\n", b.p);
		buf_free(&b);
	}
	arena_free(&a);
	return rc;
}

int
policy_show(int argc, char **argv)
{
	static const struct option LONG[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "all", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *conf_path = NULL;
	bool json = false, all = false;
	size_t n;
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "c:h", LONG)) != -1)
		switch (c) {
		case 'c':
			conf_path = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'a':
			all = true;
			break;
		case 'h':
			return admin_usage(stdout, policy_show_help);
		default:
			return EX_USAGE;
		}
	struct conf *conf = admin_conf(conf_path);
	if (conf == NULL)
		return EX_CONFIG;
	const struct conf_campaign **v =
	    arena_zalloc_array(conf->arena, sizeof(*v), conf->ncampaigns + (size_t)argc);
	int rc = policy_campaigns(conf, all, argc - optind, argv + optind, v, &n);
	struct features_set *features = features_load(conf, policy_report, NULL);
	if (features == NULL)
		rc = EX_CONFIG;
	if (rc == EX_OK)
		rc = show(conf, features, v, n, json);
	features_free(&features);
	conf_free(&conf);
	return rc;
}
