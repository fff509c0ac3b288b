/* mailtailor policy learn: the state of policies, made anew out of the event log. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/policies.h"
#include "learn/arms.h"
#include "main/admin-policy.h"

const char policy_learn_help[] =
    "usage: mailtailor policy learn [-c FILE] [--json] [--watch INTERVAL] CAMPAIGN…|--all\n"
    "\n"
    "Counts the decisions of campaigns' arms, and the rewards they had, out of the event\n"
    "log, and writes what policies choose by into the state directory. The daemons take it\n"
    "up within seconds. Decisions younger than the policy's window do not count yet.\n"
    "\n"
    "      --all              all campaigns with a policy that learns\n"
    "      --watch INTERVAL   again and again, such as 10m, until it is told to end\n"
    "      --json             print JSON, one object a line for each campaign\n"
    "  -c, --config FILE      the configuration (else $MAILTAILOR_CONF, else the installed one)\n"
    "  -h, --help             this text\n";

struct learning {
	const char *conf_path;
	bool json, all, help;
	int64_t watch_ms;
	struct conf *conf;
	struct features_set *features;
	struct store *store;
	const struct conf_campaign **campaigns;
	size_t ncampaigns;
	struct progress *progress;
	uint64_t walked, last;
};

static volatile sig_atomic_t ended;

static void
on_signal(int sig)
{
	(void)sig;
	ended = 1;
}

static void
on_progress(void *ctx, uint64_t number)
{
	struct learning *l = ctx;
	/* Two walks: what the first one did, and what this one has done. */
	if (number < l->last)
		l->walked += l->last;
	l->last = number;
	progress_update(l->progress, l->walked + number);
}

static void
said(const struct learning *l, const struct conf_campaign *c, const struct policy *p,
     const struct learn_arms_found *found)
{
	int64_t decisions = 0, rewards = 0;
	struct buf b = { 0 };
	for (size_t i = 0; i < p->narms; i++) {
		decisions += p->arms[i].decisions;
		rewards += p->arms[i].rewards;
	}
	if (l->json) {
		buf_adds(&b, STR("{\"campaign\": "));
		json_print_string(&b, str_of(c->name));
		buf_printf(&b,
			   ", \"arms\": %zu, \"decisions\": %lld, \"rewards\": %lld, \"pending\": %lld, "
			   "\"without_row\": %lld, \"unknown_arm\": %lld, \"unreadable\": %lld}\n",
			   p->narms, (long long)decisions, (long long)rewards, (long long)p->pending,
			   (long long)found->no_row, (long long)found->unknown_arm,
			   (long long)found->skipped);
	} else {
		buf_printf(&b, "%s: %lld decisions of %zu arms, %lld %s; %lld too young to count", c->name,
			   (long long)decisions, p->narms, (long long)rewards,
			   conf_reward_name(c->policy.reward), (long long)p->pending);
		if (found->no_row > 0)
			buf_printf(&b, "; %lld without a row of its features", (long long)found->no_row);
		if (found->unknown_arm > 0)
			buf_printf(&b, "; %lld of arms that are not configured",
				   (long long)found->unknown_arm);
		buf_addc(&b, '\n');
	}
	fwrite(b.p, 1, b.n, stdout);
	fflush(stdout);
	buf_free(&b);
}

/* As the state directory's owner, so that the daemon can read it. */
static int
state_write(const struct learning *l, const struct conf_campaign *c, const struct policy *p, struct err *e)
{
	struct arena *a = arena_new(512);
	struct buf b = { 0 };
	gid_t group = getegid();
	policy_print(p, &b);
	bool entered = admin_owner_enter(l->conf->state.directory);
	int rc = file_replace(policies_path(a, l->conf, c).p, buf_str(&b), FILE_PRIVATE, e);
	if (entered)
		admin_owner_leave(group);
	buf_free(&b);
	arena_free(&a);
	return rc;
}

static int
learn_one(struct learning *l, const struct conf_campaign *c)
{
	struct err e = { 0 };
	struct learn_arms_found found;
	struct event_stats stats = { 0 };
	if (event_stats(l->store, &stats, &e) != 0)
		return admin_fail(&e);
	l->walked = l->last = 0;
	l->progress = progress_start(c->name, 2 * stats.next);
	const struct features *features = policies_features(l->features, c);
	const struct learn_arms_request rq = {
		.campaign = c,
		.hash = features ? features->hash : NULL,
		.ncolumns = features ? score_columns_count(features->columns) : 0,
		.now_ms = clock_now_ms(),
		.progress = on_progress,
		.ctx = l,
	};
	struct policy *p = learn_arms(l->store, &rq, &found, &e);
	progress_end(&l->progress);
	if (p == NULL || state_write(l, c, p, &e) != 0) {
		err_prefix(&e, "campaign \"%s\"", c->name);
		policy_free(&p);
		return admin_fail(&e);
	}
	said(l, c, p, &found);
	policy_free(&p);
	return EX_OK;
}

static int
learn_all(struct learning *l)
{
	int rc = EX_OK;
	for (size_t i = 0; i < l->ncampaigns && !ended; i++) {
		int one = learn_one(l, l->campaigns[i]);
		rc = rc == EX_OK ? one : rc;
	}
	return rc;
}

/* With the configuration as it is now: once. */
static int
learn_round(struct learning *l, int n, char **names)
{
	int rc;
	if ((l->conf = admin_conf(l->conf_path)) == NULL)
		return EX_CONFIG;
	l->campaigns =
	    arena_zalloc_array(l->conf->arena, sizeof(*l->campaigns), l->conf->ncampaigns + (size_t)n);
	rc = policy_campaigns(l->conf, l->all, n, names, l->campaigns, &l->ncampaigns);
	l->features = features_load(l->conf, policy_report, NULL);
	if (rc == EX_OK &&
	    (l->features == NULL || !policies_check(l->conf, l->features, policy_report, NULL)))
		rc = EX_CONFIG;
	if (rc == EX_OK && l->ncampaigns == 0)
		admin_say("no campaign has a policy that learns");
	else if (rc == EX_OK && (l->store = admin_store(l->conf, true, false, &rc)) != NULL)
		rc = learn_all(l);
	store_close(&l->store);
	features_free(&l->features);
	conf_free(&l->conf);
	return rc;
}

/* What goes wrong once may go well the next time: it is said, and the watch goes on. */
static int
watch(struct learning *l, int n, char **names)
{
	const struct sigaction end = { .sa_handler = on_signal };
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	while (!ended) {
		struct timespec pause = { l->watch_ms / 1000, l->watch_ms % 1000 * 1000000 };
		if (learn_round(l, n, names) == EX_USAGE)
			return EX_USAGE;
		while (!ended && nanosleep(&pause, &pause) != 0 && errno == EINTR)
			;
	}
	return EX_OK;
}

/* -1 to go on, else an exit code. */
static int
options_read(struct learning *l, int argc, char **argv)
{
	static const struct option LONG[] = {
		{ "config", required_argument, NULL, 'c' }, { "json", no_argument, NULL, 'j' },
		{ "all", no_argument, NULL, 'a' },	    { "watch", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	struct err e = { 0 };
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "c:h", LONG)) != -1)
		switch (c) {
		case 'c':
			l->conf_path = optarg;
			break;
		case 'j':
			l->json = true;
			break;
		case 'a':
			l->all = true;
			break;
		case 'w':
			if (clock_parse_duration(str_of(optarg), &l->watch_ms, &e) != 0 || l->watch_ms < 1000)
				return admin_misuse("--watch %s: an interval of a second or more, like 10m",
						    optarg);
			break;
		case 'h':
			return admin_usage(stdout, policy_learn_help);
		default:
			return EX_USAGE;
		}
	return -1;
}

int
policy_learn(int argc, char **argv)
{
	struct learning l = { 0 };
	int rc = options_read(&l, argc, argv);
	if (rc >= 0)
		return rc;
	return l.watch_ms > 0 ? watch(&l, argc - optind, argv + optind)
			      : learn_round(&l, argc - optind, argv + optind);
}
