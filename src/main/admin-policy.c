/* mailtailor policy: which arm whom; what was learned of it. */
#include "main/admin-policy.h"

#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} SUBS[] = {
	{ "learn", policy_learn, policy_learn_help },
	{ "show", policy_show, policy_show_help },
	{ "evaluate", policy_evaluate, policy_evaluate_help },
};
#define NSUBS (sizeof(SUBS) / sizeof(SUBS[0]))

void
policy_report(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
}

static const struct conf_campaign *
campaign_named(const struct conf *conf, const char *name)
{
	const struct conf_campaign *c = conf_campaign_find(conf, str_of(name));
	if (c != NULL && c->narms > 0)
		return c;
	if (c != NULL) {
		admin_misuse("campaign \"%s\" has no arms; add arm NAME { … } (mailtailor.conf(5))", name);
		return NULL;
	}
	admin_no_campaign(conf, name);
	return NULL;
}

int
policy_campaigns(const struct conf *conf, bool all, int n, char **names, const struct conf_campaign **v,
		 size_t *count)
{
	int rc = EX_OK;
	*count = 0;
	if (all == (n > 0))
		return admin_misuse("which campaigns? give names, or --all");
	for (size_t i = 0; all && i < conf->ncampaigns; i++)
		if (conf_policy_learns(&conf->campaigns[i]))
			v[(*count)++] = &conf->campaigns[i];
	for (int i = 0; i < n; i++) {
		const struct conf_campaign *c = campaign_named(conf, names[i]);
		bool twice = false;
		for (size_t k = 0; k < *count; k++)
			twice = twice || v[k] == c;
		if (c == NULL)
			rc = EX_USAGE;
		else if (!twice)
			v[(*count)++] = c;
	}
	return rc;
}

static int
usage(FILE *out)
{
	for (size_t i = 0; i < NSUBS; i++) {
		if (i > 0)
			fputc('\n', out);
		fputs(SUBS[i].help, out);
	}
	return out == stderr ? EX_USAGE : EX_OK;
}

static int
run(int argc, char **argv)
{
	const char *names[NSUBS];
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return usage(stdout);
	if (argc < 2 || argv[1][0] == '-')
		return admin_misuse("say what to do: `mailtailor policy --help` lists it");
	for (size_t i = 0; i < NSUBS; i++) {
		if (strcmp(argv[1], SUBS[i].name) == 0)
			return SUBS[i].run(argc - 1, argv + 1);
		names[i] = SUBS[i].name;
	}
	return admin_no_sub("policy", argv[1], names, NSUBS);
}

const struct admin_verb admin_policy_verb = { "policy",
					      "learn which arm does best, show it, evaluate other policies",
					      run };
