/* mailtailor model: models are trained, judged, put in use and taken back. The command line. */
#include "main/admin-model.h"

#include <getopt.h>
#include <string.h>

static const char usage[] =
    "usage: mailtailor model train ROWS --out MODEL [--kind KIND] [--set NAME=VALUE]…\n"
    "       mailtailor model evaluate MODEL ROWS [--against MODEL] [--part PART]\n"
    "       mailtailor model show MODEL\n"
    "       mailtailor model export MODEL --format FORMAT --out FILE\n"
    "       mailtailor model promote MODEL --to FILE ROWS [--metric METRIC]\n"
    "       mailtailor model rollback FILE\n"
    "       mailtailor model features --recipient ADDRESS --campaign NAME [--arm ARM]\n"
    "       mailtailor model dataset [--campaign NAME] [--outcome TYPE] [--window TIME] [--since TIME]\n"
    "       mailtailor model fairness --by FIELD [--campaign NAME] [--since TIME]\n"
    "ROWS:  --csv TABLE --spec SPEC | --events --outcome TYPE [--campaign NAME] [--features NAME]\n"
    "\n"
    "  train     learns a model and judges it on rows that it did not see\n"
    "  evaluate  figures, calibration and lift of a model, perhaps against another one\n"
    "  show      what a model uses, and what it was trained on\n"
    "  export    the model for another program\n"
    "  promote   puts a model in the place of the one in use, if it is better on held-out rows\n"
    "  rollback  puts the one before back in its place\n"
    "  features  what a campaign's features section and scorers would read of a recipient\n"
    "  dataset   decisions, the features kept with them and what came of them, as CSV\n"
    "  fairness  who is mailed, gets which arm and is scored how, by groups of recipients\n"
    "\n"
    "      --csv TABLE       a table with a header; - is standard input\n"
    "      --spec SPEC       what to learn from it (mailtailor-model(1))\n"
    "      --events          decisions of the event log, and what came of them\n"
    "      --outcome TYPE    clicked, converted, unsubscribed …: the label\n"
    "      --value           predict the value of the outcome's events instead\n"
    "      --window TIME     in which an outcome counts; 7d\n"
    "      --campaign NAME   only decisions of this campaign\n"
    "      --features NAME   the features section whose columns were kept; the campaign's\n"
    "      --since TIME      only decisions from then on: 2026-03-29, 90d (ago)\n"
    "      --test SHARE      the latest decisions, held out; 0.2\n"
    "      --valid SHARE     those before them, for early stopping and calibration; 0\n"
    "      --score NAME      what rules call it; the outcome\n"
    "      --calibrate HOW   none, platt or isotonic\n"
    "      --out FILE        where to write\n"
    "      --kind KIND       another kind than the specification names\n"
    "      --set NAME=VALUE  another option of the kind; several are possible\n"
    "      --against MODEL   the model to compare with; else the mean label\n"
    "      --part PART       test (default), valid, train or all\n"
    "      --metric METRIC   logloss (default), auc, precision or brier\n"
    "      --to FILE         the file that the plugin's configuration names\n"
    "      --format FORMAT   json: weights for plugin logistic; safetensors: a copy that was checked\n"
    "      --html FILE       also write the judgement as one page with charts\n"
    "      --recipient ADDRESS  whose columns\n"
    "      --arm ARM         as if this arm had been chosen\n"
    "      --by FIELD        the field of profiles that says who is in which group\n"
    "      --json            print JSON\n"
    "  -c, --config CONF     the configuration\n"
    "  -h, --help            print this text\n";

#define TABLE "ts"
#define EVENTS "EOQWCFSTVNK"

/* takes: the short forms of the options that it knows, beside -c and -h. */
static const struct sub {
	const char *name, *takes, *needs;
	bool rows;
	int args;
	const char *arg;
	int (*run)(const struct model_request *rq);
} SUBS[] = {
	{ "train", TABLE EVENTS "okvHj", "o", true, 0, "", model_train },
	{ "evaluate", TABLE EVENTS "apHj", "", true, 1, "MODEL", model_evaluate },
	{ "show", "j", "", false, 1, "MODEL", model_show },
	{ "export", "of", "of", false, 1, "MODEL", model_export },
	{ "promote", TABLE EVENTS "umHj", "u", true, 1, "MODEL", model_promote },
	{ "rollback", "j", "", false, 1, "FILE", model_rollback },
	{ "features", "RCAj", "RC", false, 0, "", model_features },
	{ "dataset", "COWS", "", false, 0, "", model_dataset },
	{ "fairness", "BCSj", "B", false, 0, "", model_fairness },
};
#define NSUBS (sizeof(SUBS) / sizeof(SUBS[0]))

static const struct option OPTIONS[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "csv", required_argument, NULL, 't' },
	{ "spec", required_argument, NULL, 's' },
	{ "out", required_argument, NULL, 'o' },
	{ "kind", required_argument, NULL, 'k' },
	{ "set", required_argument, NULL, 'v' },
	{ "against", required_argument, NULL, 'a' },
	{ "part", required_argument, NULL, 'p' },
	{ "metric", required_argument, NULL, 'm' },
	{ "to", required_argument, NULL, 'u' },
	{ "format", required_argument, NULL, 'f' },
	{ "html", required_argument, NULL, 'H' },
	{ "events", no_argument, NULL, 'E' },
	{ "outcome", required_argument, NULL, 'O' },
	{ "value", no_argument, NULL, 'Q' },
	{ "window", required_argument, NULL, 'W' },
	{ "campaign", required_argument, NULL, 'C' },
	{ "features", required_argument, NULL, 'F' },
	{ "since", required_argument, NULL, 'S' },
	{ "test", required_argument, NULL, 'T' },
	{ "valid", required_argument, NULL, 'V' },
	{ "score", required_argument, NULL, 'N' },
	{ "calibrate", required_argument, NULL, 'K' },
	{ "recipient", required_argument, NULL, 'R' },
	{ "arm", required_argument, NULL, 'A' },
	{ "by", required_argument, NULL, 'B' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* -1: go on; else an exit code. */
static int
setting_add(struct model_request *r, const char *arg)
{
	if (!strchr(arg, '=') || arg[0] == '=')
		return admin_misuse("--set %s: must be NAME=VALUE", arg);
	if (r->nsettings == MODEL_SETTINGS)
		return admin_misuse("--set: more than %d times", MODEL_SETTINGS);
	r->settings[r->nsettings++] = arg;
	return -1;
}

static int
option_read(struct model_request *r, int c, const char *arg)
{
	const char **texts[128] = {
		['c'] = &r->conf_path, ['t'] = &r->csv,	     ['s'] = &r->spec,	   ['o'] = &r->out,
		['k'] = &r->kind,      ['a'] = &r->against,  ['p'] = &r->part,	   ['m'] = &r->metric,
		['u'] = &r->to,	       ['f'] = &r->format,   ['H'] = &r->html,	   ['O'] = &r->outcome,
		['W'] = &r->window,    ['C'] = &r->campaign, ['F'] = &r->features, ['S'] = &r->since,
		['T'] = &r->test,      ['V'] = &r->valid,    ['N'] = &r->score,	   ['K'] = &r->calibrate,
		['R'] = &r->recipient, ['A'] = &r->arm,	     ['B'] = &r->by,
	};
	bool *flags[128] = { ['j'] = &r->json, ['E'] = &r->events, ['Q'] = &r->value };
	if (c == 'h')
		return admin_usage(stdout, usage);
	if (c == 'v')
		return setting_add(r, arg);
	if (c <= 0 || c > 127 || (!texts[c] && !flags[c]))
		return EX_USAGE;
	if (flags[c])
		*flags[c] = true;
	else
		*texts[c] = arg;
	return -1;
}

static const struct sub *
sub_find(const char *name, int *rc)
{
	const char *names[NSUBS];
	for (size_t i = 0; i < NSUBS; i++) {
		if (strcmp(SUBS[i].name, name) == 0)
			return &SUBS[i];
		names[i] = SUBS[i].name;
	}
	*rc = admin_no_sub("model", name, names, NSUBS);
	return NULL;
}

static const char *
long_name(char c)
{
	const struct option *o = OPTIONS;
	while (o->name && o->val != c)
		o++;
	return o->name;
}

/* "--to FILE (what that is)" */
static int
need_say(const struct sub *sub, char c, const char * or)
{
	static const struct {
		char c;
		const char *what;
	} whats[] = { { 'o', "FILE, where to write" },
		      { 'u', "FILE, the model in use: the file that the plugin's configuration names" },
		      { 'f', "json or safetensors" },
		      { 'R', "ADDRESS, whose columns" },
		      { 'C', "NAME, of a campaign" },
		      { 'B', "FIELD, of profiles, that says who is in which group" },
		      { 't', "TABLE, a CSV file with a header" },
		      { 's', "SPEC, what to learn from the table" },
		      { 'O', "TYPE, the events that are the label" } };
	size_t i = 0;
	while (whats[i].c != c)
		i++;
	return admin_misuse("model %s needs --%s %s%s", sub->name, long_name(c), whats[i].what, or);
}

static int
sub_check(const struct sub *sub, const struct model_request *r, const char *given)
{
	for (const char *g = given; *g; g++)
		if (*g != 'c' && !strchr(sub->takes, *g))
			return admin_misuse("model %s takes no --%s", sub->name, long_name(*g));
	const char *other = r->events ? TABLE : EVENTS;
	for (const char *g = given; sub->rows && *g; g++)
		if (strchr(other, *g))
			return admin_misuse("model %s: --%s goes %s --events", sub->name, long_name(*g),
					    r->events ? "without" : "with");
	for (const char *n = sub->needs; *n; n++)
		if (!strchr(given, *n))
			return need_say(sub, *n, "");
	for (const char *n = sub->rows ? r->events ? "O" : TABLE : ""; *n; n++)
		if (!strchr(given, *n))
			return need_say(sub, *n, r->events ? "" : "; or --events");
	if (r->nargs < sub->args)
		return admin_misuse("model %s: which %s?", sub->name, sub->arg);
	if (r->nargs > sub->args)
		return admin_misuse("model %s: \"%s\" is too much", sub->name, r->args[sub->args]);
	return -1;
}

static int
run(int argc, char **argv)
{
	struct model_request r = { 0 };
	const struct sub *sub;
	char given[sizeof(OPTIONS) / sizeof(OPTIONS[0])] = "";
	size_t ngiven = 0;
	int c, rc = -1;
	optind = 0;
	while (rc < 0 && (c = admin_option(argc, argv, "c:h", OPTIONS)) != -1) {
		rc = option_read(&r, c, optarg);
		if (!strchr(given, c) && ngiven < sizeof(given) - 1)
			given[ngiven++] = (char)c;
	}
	if (rc >= 0)
		return rc;
	if (optind >= argc)
		return admin_usage(stderr, usage);
	if (!(sub = sub_find(argv[optind++], &rc)))
		return rc;
	r.args = argv + optind;
	r.nargs = argc - optind;
	rc = sub_check(sub, &r, given);
	return rc >= 0 ? rc : sub->run(&r);
}

const struct admin_verb admin_model_verb = { "model", "train, judge and promote models", run };
