/* mailtailor policy evaluate: what other policies would have brought, out of a log; or that it cannot be
 * said. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "engine/policies.h"
#include "learn/arms.h"
#include "learn/train.h"
#include "main/admin-policy.h"
#include "main/admin-trial.h"
#include "main/files.h"

const char policy_evaluate_help[] =
    "usage: mailtailor policy evaluate [-c FILE] [--json] [--kind KIND] CAMPAIGN\n"
    "       mailtailor policy evaluate [--json] --csv TABLE --spec SPEC\n"
    "\n"
    "Says what each arm for everybody, and other policies, would have brought, by the\n"
    "decisions of a campaign or the rows of a table: IPS, SNIPS and doubly robust\n"
    "estimates with standard errors and effective sample size, and where the data cannot\n"
    "carry an answer, why. Recommends the best constant arm, or a policy that beats it.\n"
    "\n"
    "      --csv TABLE        rows with a header line (\"-\": standard input)\n"
    "      --spec SPEC        what its columns are, and which policies to compare (JSON)\n"
    "      --kind KIND        from events: the model of the reward (logistic; mean: none)\n"
    "      --json             print JSON\n"
    "  -c, --config FILE      the configuration (else $MAILTAILOR_CONF, else the installed one)\n"
    "  -h, --help             this text\n";

struct evaluating {
	const char *conf_path, *csv, *spec, *kind, *campaign;
	bool json;
	struct arena *arena;
	struct progress *progress;
	struct trial_spec read;
	struct contest contest;
	struct trial *trial;
	struct str model; /* kind of the model of the reward */
	const struct value *options;
	uint64_t left_out; /* decisions without a row */
};

/* ---- where rows come from ---- */

static int
table_open(struct evaluating *v)
{
	struct buf text = { 0 };
	struct err e = { 0 };
	int rc = file_read(v->spec, SPEC_MAX_BYTES, &text, &e);
	if (rc == 0 && (rc = contest_spec(v->arena, buf_str(&text), &v->read, &v->contest, &e)) != 0)
		err_prefix(&e, "%s", v->spec);
	buf_free(&text);
	if (rc != 0)
		return admin_fail(&e);
	v->model = v->read.spec.kind;
	v->options = v->read.spec.model;
	return trial_table(v->csv, &v->read, &v->trial);
}

static void
on_event(void *ctx, uint64_t number)
{
	progress_update(ctx, number);
}

/* The campaign's decisions, by the features that its policy goes by, if it does. */
static int
dataset_open(struct evaluating *v, const struct conf *conf, const struct conf_campaign *c,
	     const struct features *features, struct store *s)
{
	struct err e = { 0 };
	int code = EX_OK;
	const char **arms = ARENA_ARRAY(v->arena, const char *, c->narms);
	struct keyring *keys = admin_keys(conf, &code);
	for (size_t i = 0; i < c->narms; i++)
		arms[i] = c->arms[i].name;
	if (!keys)
		return code;
	v->progress = progress_start("reading events", 0);
	const struct dataset_request rq = { .campaigns = &c->name,
					    .ncampaigns = 1,
					    .columns = features ? features->columns : NULL,
					    .outcomes = learn_reward_types(c->policy.reward),
					    .own_copy = true,
					    .window_ms = c->policy.window_ms,
					    .now_ms = clock_now_ms(),
					    .keys = keys,
					    .progress = on_event,
					    .ctx = v->progress };
	struct dataset *d = dataset_read(s, &rq, &e);
	progress_end(&v->progress);
	if (d) {
		v->left_out = d->young + d->other_columns + d->erased + d->damaged;
		v->trial = trial_of_dataset(d, arms, c->narms, false, &e);
	}
	dataset_free(&d);
	keyring_free(&keys);
	if (!v->trial) {
		err_prefix(&e, "campaign \"%s\"", c->name);
		return admin_fail(&e);
	}
	contest_defaults(v->arena, arms, c->narms, &v->contest);
	if (v->kind && strcmp(v->kind, "mean") != 0 && !features)
		admin_say("warning: --kind %s is passed over: the policy of campaign \"%s\" goes by no "
			  "features, so the model of the reward is the mean",
			  v->kind, c->name);
	v->model = features ? str_of(v->kind ? v->kind : "logistic") : STR("mean");
	v->options = value_map_new(v->arena);
	return EX_OK;
}

static int
events_open(struct evaluating *v)
{
	struct conf *conf = admin_conf(v->conf_path);
	const struct conf_campaign *campaign = NULL;
	struct features_set *features = NULL;
	struct store *s = NULL;
	size_t n = 0;
	if (!conf)
		return EX_CONFIG;
	char *name = arena_cstr(v->arena, str_of(v->campaign));
	int code = policy_campaigns(conf, false, 1, &name, &campaign, &n);
	features = features_load(conf, policy_report, NULL);
	if (code == EX_OK && !features)
		code = EX_CONFIG;
	if (code == EX_OK && (s = admin_store(conf, true, false, &code)) != NULL)
		code = dataset_open(v, conf, campaign, policies_features(features, campaign), s);
	store_close(&s);
	features_free(&features);
	conf_free(&conf);
	return code;
}

/* ---- JSON ---- */

static void
put(struct arena *a, struct value *map, const char *key, const struct value *v)
{
	value_map_set(a, map, str_of(key), v);
}

static const struct value *
number(struct arena *a, double v)
{
	return isfinite(v) ? value_real(a, v) : &VALUE_NULL_V;
}

static const struct value *
estimate(struct arena *a, const struct ope_estimate *e)
{
	struct value *map = value_map_new(a);
	put(a, map, "value", number(a, e->value));
	put(a, map, "se", number(a, e->se));
	return map;
}

static const struct value *
text(struct arena *a, const char *s)
{
	return s ? value_string(a, str_of(s)) : &VALUE_NULL_V;
}

static const struct value *
replay_value(const struct evaluating *v, const struct contestant *p)
{
	struct arena *a = v->arena;
	struct value *map = value_map_new(a), *arms = value_list(a, v->trial->narms);
	put(a, map, "policy", text(a, p->name));
	put(a, map, "refused", text(a, p->refused));
	if (p->refused)
		return map;
	put(a, map, "kept", value_int(a, (int64_t)p->replayed.kept));
	put(a, map, "reward", number(a, p->replayed.reward));
	put(a, map, "estimate", estimate(a, &p->replayed.value));
	for (size_t k = 0; k < v->trial->narms; k++) {
		struct value *arm = value_map_new(a);
		put(a, arm, "arm", text(a, v->trial->arms[k]));
		put(a, arm, "kept", value_int(a, (int64_t)p->replayed.kept_of[k]));
		put(a, arm, "reward", number(a, p->replayed.reward_of[k]));
		arms->list.items[k] = arm;
	}
	put(a, map, "arms", arms);
	return map;
}

static const struct value *
policy_value(const struct evaluating *v, const struct contestant *p)
{
	struct arena *a = v->arena;
	const struct ope_result *r = &p->result;
	struct value *map = value_map_new(a), *of = value_map_new(a);
	put(a, map, "policy", text(a, p->name));
	put(a, map, "constant", value_bool(p->kind == CONTEST_CONSTANT));
	for (int k = 0; k < OPE_ESTIMATORS; k++)
		put(a, of, ope_name((enum ope_estimator)k), estimate(a, &r->of[k]));
	put(a, of, "naive", estimate(a, &r->naive));
	put(a, map, "estimates", of);
	put(a, map, "by", text(a, ope_name(r->best)));
	put(a, map, "ess", number(a, r->ess));
	put(a, map, "effective_rewards", number(a, r->events));
	put(a, map, "max_weight", number(a, r->max_weight));
	put(a, map, "mean_weight", number(a, r->mean_weight));
	put(a, map, "concluded", value_bool(r->concluded));
	put(a, map, "reason", text(a, r->concluded ? NULL : r->reason));
	put(a, map, "over_best_constant", estimate(a, &p->versus));
	return map;
}

static void
json_show(const struct evaluating *v)
{
	struct arena *a = v->arena;
	const struct contest *c = &v->contest;
	struct value *map = value_map_new(a), *policies = value_list(a, c->n), *replays = value_list(a, c->n);
	struct buf b = { 0 };
	policies->list.n = replays->list.n = 0;
	for (size_t i = 0; i < c->n; i++)
		if (c->all[i].kind == CONTEST_REPLAY)
			replays->list.items[replays->list.n++] =
			    (void *)(uintptr_t)replay_value(v, &c->all[i]);
		else
			policies->list.items[policies->list.n++] =
			    (void *)(uintptr_t)policy_value(v, &c->all[i]);
	put(a, map, "rows", value_int(a, (int64_t)v->trial->data.rows));
	put(a, map, "left_out", value_int(a, (int64_t)(v->left_out + v->trial->skipped)));
	put(a, map, "other_arms", value_int(a, (int64_t)v->trial->other));
	put(a, map, "no_propensity", value_int(a, (int64_t)v->trial->no_propensity));
	put(a, map, "logged", estimate(a, &c->all[0].result.logged));
	put(a, map, "policies", policies);
	put(a, map, "replays", replays);
	put(a, map, "best_constant", text(a, c->best_constant ? c->best_constant->name : NULL));
	put(a, map, "recommended", text(a, c->recommended ? c->recommended->name : NULL));
	put(a, map, "why", text(a, c->why));
	json_print_pretty(&b, map);
	printf("%s\n", b.p);
	buf_free(&b);
}

/* ---- for people ---- */

static void
table_show(const struct evaluating *v)
{
	static const struct admin_column COLUMNS[] = {
		{ "POLICY", ADMIN_COL_TEXT },	   { "VALUE", ADMIN_COL_NUMBER },
		{ "SE", ADMIN_COL_NUMBER },	   { "IPS", ADMIN_COL_NUMBER },
		{ "SNIPS", ADMIN_COL_NUMBER },	   { "ESS", ADMIN_COL_NUMBER },
		{ "OVER BEST", ADMIN_COL_NUMBER }, { "ITS SE", ADMIN_COL_NUMBER },
	};
	enum { N = sizeof(COLUMNS) / sizeof(COLUMNS[0]) };
	struct admin_table *t = admin_table_new(COLUMNS, N);
	for (size_t i = 0; i < v->contest.n; i++) {
		const struct contestant *p = &v->contest.all[i];
		const struct ope_result *r = &p->result;
		const double of[N] = { 0,
				       r->of[r->best].value,
				       r->of[r->best].se,
				       r->of[OPE_IPS].value,
				       r->of[OPE_SNIPS].value,
				       r->ess,
				       p->versus.value,
				       p->versus.se };
		char cell[N][32];
		const char *cells[N] = { p->name };
		if (p->kind == CONTEST_REPLAY)
			continue;
		for (size_t k = 1; k < N; k++) {
			snprintf(cell[k], sizeof(cell[k]), k == 5 ? "%.0f" : "%.6f", of[k]);
			/* Of what is refused no figure is shown that somebody could take for an answer. */
			cells[k] = isfinite(of[k]) && (r->concluded || k == 5) ? cell[k] : NULL;
		}
		admin_table_row(t, cells);
	}
	admin_table_print(t, stdout, false);
	admin_table_free(&t);
}

static void
text_show(const struct evaluating *v)
{
	const struct contest *c = &v->contest;
	const struct ope_estimate *logged = &c->all[0].result.logged;
	printf("%zu rows, mean reward %.6f (SE %.6f)", v->trial->data.rows, logged->value, logged->se);
	if (v->left_out + v->trial->skipped + v->trial->other + v->trial->no_propensity > 0)
		printf("; left out: %llu without a reward or a row, %llu with another arm, %llu without a "
		       "propensity",
		       (unsigned long long)(v->left_out + v->trial->skipped),
		       (unsigned long long)v->trial->other, (unsigned long long)v->trial->no_propensity);
	printf("\n\n");
	table_show(v);
	for (size_t i = 0; i < c->n; i++)
		if (c->all[i].kind != CONTEST_REPLAY && !c->all[i].result.concluded)
			printf("%s: no conclusion: %s\n", c->all[i].name, c->all[i].result.reason);
	for (size_t i = 0; i < c->n; i++) {
		const struct contestant *p = &c->all[i];
		if (p->kind != CONTEST_REPLAY)
			continue;
		if (p->refused)
			printf("%s: %s\n", p->name, p->refused);
		else
			printf("%s, replayed: %zu of %zu rows kept, reward %g, mean %.6f (SE %.6f)\n",
			       p->name, p->replayed.kept, v->trial->data.rows, p->replayed.reward,
			       p->replayed.value.value, p->replayed.value.se);
	}
	printf("\nrecommended: %s (%s)\n", c->recommended ? c->recommended->name : "nothing", c->why);
}

/* ---- the command line ---- */

static void
on_step(void *ctx, const struct learn_step *s)
{
	progress_flow(ctx, s->done, s->total, -1);
}

static int
evaluate(struct evaluating *v)
{
	struct err e = { 0 };
	int code = v->csv ? table_open(v) : events_open(v);
	if (code != EX_OK)
		return code;
	v->progress = progress_start("models of the reward", 0);
	const struct learn_progress progress = { on_step, v->progress };
	v->contest.arena = v->arena;
	int rc = contest_run(&v->contest, v->trial, v->model, v->options, &progress, &e);
	progress_end(&v->progress);
	if (rc != 0)
		return admin_fail(&e);
	if (v->json)
		json_show(v);
	else
		text_show(v);
	return EX_OK;
}

int
policy_evaluate(int argc, char **argv)
{
	static const struct option LONG[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "csv", required_argument, NULL, 'V' },
		{ "spec", required_argument, NULL, 's' },
		{ "kind", required_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct evaluating v = { 0 };
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "c:h", LONG)) != -1)
		switch (c) {
		case 'c':
			v.conf_path = optarg;
			break;
		case 'j':
			v.json = true;
			break;
		case 'V':
			v.csv = optarg;
			break;
		case 's':
			v.spec = optarg;
			break;
		case 'k':
			v.kind = optarg;
			break;
		case 'h':
			return admin_usage(stdout, policy_evaluate_help);
		default:
			return EX_USAGE;
		}
	if (!v.csv != !v.spec || (v.csv && v.kind))
		return admin_misuse(
		    "--csv and --spec go together, and without --kind: the table, and what is in it");
	if (argc - optind != (v.csv ? 0 : 1))
		return admin_misuse(v.csv ? "with --csv no campaign is named"
					  : "name one campaign, or a table with --csv");
	struct err e = { 0 };
	if (v.kind && strcmp(v.kind, "mean") != 0 && !trainer_find(str_of(v.kind), &e))
		return admin_misuse("--kind: %s, and mean", e.text);
	v.campaign = v.csv ? NULL : argv[optind];
	v.arena = arena_new((size_t)1 << 20);
	int code = evaluate(&v);
	trial_free(&v.trial);
	arena_free(&v.arena);
	return code;
}
