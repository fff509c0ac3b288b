/*
 * admin-config: `mailtailor config` and `mailtailor campaign`.
 */
#include "main/admin-queue.h"
#include "main/examples.h"

#include <getopt.h>
#include <string.h>

#include "engine/policies.h"
#include "plugin/plugin.h"
#include "score/score.h"
#include "tailor/tailor.h"
#include "token/token.h"

static const char CONFIG_HELP[] =
    "usage: mailtailor config show [-c FILE] [--json]\n"
    "\n"
    "Loads the configuration with everything it includes and prints what differs from\n"
    "the defaults, in the file's own grammar. Mistakes go to stderr, all of them.\n"
    "\n"
    "  -c, --config FILE   the configuration (else $MAILTAILOR_CONF, else the installed one)\n"
    "      --json          print JSON\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit codes: 0 loaded, 64 bad command line, 78 mistakes in the configuration.\n";

static const char CAMPAIGN_HELP[] =
    "usage: mailtailor campaign list   [-c FILE] [--json]\n"
    "       mailtailor campaign check  [-c FILE] [NAME…]\n"
    "       mailtailor campaign pause  [-c FILE] NAME…\n"
    "       mailtailor campaign resume [-c FILE] NAME…\n"
    "\n"
    "list    shows the campaigns of the configuration, and what of them is in the queue.\n"
    "check   looks for every mistake that keeps campaigns from running: the files, the\n"
    "        plugins (missing, unsafe, of another version), the key ring, the send_if\n"
    "        rules, the arms' subjects. With NAMEs, rules and subjects are checked for these\n"
    "        campaigns only.\n"
    "pause   its copies stay in the queue; new ones join them. Those that are being sent\n"
    "        at this moment still leave. Without an inject target there is no queue, and\n"
    "        new messages are refused for now (451).\n"
    "resume  what is due leaves.\n"
    "\n"
    "  -c, --config FILE   the configuration (else $MAILTAILOR_CONF, else the installed one)\n"
    "      --json          list: print JSON\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit codes: 0 all is well, 64 bad command line or no such campaign, 78 mistakes (each\n"
    "on stderr, FILE:LINE).\n";

struct options {
	const char *conf;
	bool json, help;
};

/* 0, or an exit code. argv[0] is the sub-verb; the first operand is argv[optind]. */
static int
options_read(int argc, char **argv, struct options *o)
{
	static const struct option LONG[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "c:h", LONG)) != -1)
		switch (c) {
		case 'c':
			o->conf = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			o->help = true;
			break;
		default:
			return EX_USAGE;
		}
	return 0;
}

static bool
wants_help(int argc, char **argv)
{
	return argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
}

/* "there is no …" for a sub-verb. */
static int
unknown_sub(const char *verb, int argc, char **argv, const char *const *subs, size_t n)
{
	if (argc < 2 || argv[1][0] == '-')
		return admin_misuse("say what to do: `mailtailor %s --help` lists it", verb);
	return admin_no_sub(verb, argv[1], subs, n);
}

/* ---- config ---- */

static int
config_show(int argc, char **argv)
{
	struct options o = { 0 };
	int rc = options_read(argc, argv, &o);
	if (rc != 0)
		return rc;
	if (o.help)
		return admin_usage(stdout, CONFIG_HELP);
	if (optind < argc)
		return admin_misuse("config show takes no \"%s\"; name the file with -c", argv[optind]);
	struct conf *c = admin_conf(o.conf);
	if (!c)
		return EX_CONFIG;
	if (o.json)
		conf_print_diff_json(c, stdout);
	else
		conf_print_diff(c, stdout);
	conf_free(&c);
	return EX_OK;
}

static int
config_run(int argc, char **argv)
{
	static const char *const SUBS[] = { "show" };
	if (wants_help(argc, argv))
		return admin_usage(stdout, CONFIG_HELP);
	if (argc >= 2 && strcmp(argv[1], "show") == 0)
		return config_show(argc - 1, argv + 1);
	return unknown_sub("config", argc, argv, SUBS, 1);
}

const struct admin_verb admin_config_verb = { "config", "show the configuration in force", config_run };

/* ---- campaign list ---- */

static void
add_names(struct buf *b, const struct conf_list *l, const char *label)
{
	for (size_t i = 0; i < l->n; i++)
		buf_printf(b, "%s%s%s", b->n ? ", " : "", label, l->v[i]);
}

static void
campaign_row(struct queue *q, struct admin_table *t, const struct conf_campaign *c)
{
	struct buf match = { 0 }, pers = { 0 }, scorers = { 0 };
	struct queue_counts counts;
	struct err e = { 0 };
	char line[16], queued[24], held[24];
	int known = queue_counts(q, c->name, &counts, &e);
	if (known < 0)
		admin_fail(&e);
	snprintf(queued, sizeof(queued), "%lld", (long long)counts.queued);
	snprintf(held, sizeof(held), "%lld", (long long)counts.held);
	snprintf(line, sizeof(line), "%d", c->pos.line);
	add_names(&match, &c->match_sender, "sender ");
	add_names(&match, &c->match_from_domain, "from ");
	add_names(&match, &c->match_listener, "listener ");
	add_names(&pers, &c->personalizers, "");
	add_names(&scorers, &c->scorers, "");
	const char *cells[] = { c->name,
				c->category,
				known < 0	? NULL
				: counts.paused ? "yes"
						: "no",
				known < 0 ? NULL : queued,
				known < 0 ? NULL : held,
				match.n ? match.p : NULL,
				pers.n ? pers.p : NULL,
				scorers.n ? scorers.p : NULL,
				c->send_if,
				c->track_opens ? "yes" : "no",
				c->track_clicks ? "yes" : "no",
				c->pos.file,
				line };
	admin_table_row(t, cells);
	buf_free(&match);
	buf_free(&pers);
	buf_free(&scorers);
}

/* The configuration is what it lists: a queue that cannot be read is said, and leaves its columns empty. */
static int
campaign_list(int argc, char **argv)
{
	static const struct admin_column COLUMNS[] = {
		{ "NAME", ADMIN_COL_TEXT },	     { "CATEGORY", ADMIN_COL_TEXT },
		{ "PAUSED", ADMIN_COL_BOOL },	     { "QUEUED", ADMIN_COL_NUMBER },
		{ "HELD", ADMIN_COL_NUMBER },	     { "MATCH", ADMIN_COL_TEXT },
		{ "PERSONALIZERS", ADMIN_COL_TEXT }, { "SCORERS", ADMIN_COL_TEXT },
		{ "SEND IF", ADMIN_COL_TEXT },	     { "OPENS", ADMIN_COL_BOOL },
		{ "CLICKS", ADMIN_COL_BOOL },	     { "FILE", ADMIN_COL_TEXT },
		{ "LINE", ADMIN_COL_NUMBER },
	};
	struct options o = { 0 };
	struct queue q;
	int rc = options_read(argc, argv, &o);
	if (rc != 0)
		return rc;
	if (o.help)
		return admin_usage(stdout, CAMPAIGN_HELP);
	if (optind < argc)
		return admin_misuse("campaign list takes no \"%s\"", argv[optind]);
	queue_open(&q, o.conf, QUEUE_LENIENT);
	if (!q.conf) {
		queue_close(&q);
		return EX_CONFIG;
	}
	struct admin_table *t = admin_table_new(COLUMNS, sizeof(COLUMNS) / sizeof(COLUMNS[0]));
	for (size_t i = 0; i < q.conf->ncampaigns; i++)
		campaign_row(&q, t, &q.conf->campaigns[i]);
	admin_table_print(t, stdout, o.json);
	if (q.conf->ncampaigns == 0 && !o.json)
		fputs("mailtailor: the configuration has no campaign\n", stderr);
	admin_table_free(&t);
	queue_close(&q);
	return EX_OK;
}

/* ---- campaign check ---- */

struct check {
	size_t mistakes;
};

static void
check_report(void *ctx, const char *text)
{
	struct check *k = ctx;
	k->mistakes++;
	fprintf(stderr, "%s\n", text);
}

/* True when the campaign was asked for. */
static bool
named(const struct conf_campaign *c, int n, char **names)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], c->name) == 0)
			return true;
	return n == 0;
}

/* Names that no campaign has. Returns how many. */
static int
unknown_names(const struct conf *conf, int n, char **names)
{
	int unknown = 0;
	for (int i = 0; i < n; i++) {
		if (conf_campaign_find(conf, str_of(names[i])))
			continue;
		admin_no_campaign(conf, names[i]);
		unknown++;
	}
	return unknown;
}

static void
check_subject(struct check *k, const struct conf_arm *arm)
{
	struct tailor_scratch *scratch = tailor_scratch_new();
	struct arena *a = arena_new(1024);
	struct buf out = { 0 }, b = { 0 };
	struct err e = { 0 };
	const struct tailor_template t = {
		.as = TAILOR_AS_HEADER,
		.source = str_of(arm->subject),
		.data = value_map_new(a),
		.language = "en",
		.time_zone = "UTC",
	};
	if (arm->subject != NULL && tailor_render_template(&t, scratch, &out, &e) != 0) {
		buf_printf(&b, "%s:%d: arm \"%s\": subject: %s", arm->pos.file, arm->pos.line, arm->name,
			   e.text);
		check_report(k, b.p);
	}
	buf_free(&out);
	buf_free(&b);
	arena_free(&a);
	tailor_scratch_free(&scratch);
}

static void
check_campaign(struct check *k, const struct conf *conf, const struct conf_campaign *c)
{
	struct err e = { 0 };
	struct buf b = { 0 };
	if (c->send_if && !score_rule_compile(conf->arena, str_of(c->send_if), &e)) {
		buf_printf(&b, "%s:%d: campaign \"%s\": send_if: %s", c->pos.file, c->pos.line, c->name,
			   e.text);
		check_report(k, b.p);
	}
	for (size_t i = 0; i < c->narms && c->templates; i++)
		check_subject(k, &c->arms[i]);
	bool links = c->track_opens || c->track_clicks || (c->list_unsubscribe && !c->unsubscribe_mailto);
	if (links && !c->track_host && !conf->track.host && conf->track.ndomains == 0)
		fprintf(stderr,
			"%s:%d: note: campaign \"%s\" has no tracking host: no pixel, tracked link or "
			"unsubscribe link "
			"can be made; set host in section track\n",
			c->pos.file, c->pos.line, c->name);
	if (c->narms > 0 && c->control == NULL)
		fprintf(
		    stderr,
		    "%s:%d: note: campaign \"%s\" has arms and no control: what they are worth beside mail "
		    "that is not personalised nobody will know; add arm control { }\n",
		    c->pos.file, c->pos.line, c->name);
	if (c->match_sender.n + c->match_from_domain.n + c->match_listener.n == 0)
		fprintf(
		    stderr,
		    "%s:%d: note: campaign \"%s\" has no match rule; add match_sender, match_from_domain or "
		    "match_listener if messages do not name it themselves\n",
		    c->pos.file, c->pos.line, c->name);
	buf_free(&b);
}

/* A cap of a category that no campaign has holds back nothing of it. */
static void
check_cap(const struct conf *conf, const struct conf_cap *c)
{
	struct arena *a = arena_new(1024);
	const char **names = ARENA_ARRAY(a, const char *, conf->ncampaigns + 1);
	for (size_t i = 0; i < conf->ncampaigns; i++)
		names[i] = conf->campaigns[i].category;
	for (size_t i = 0; i < c->categories.n; i++) {
		const char *category = c->categories.v[i], *near;
		size_t k = 0;
		while (k < conf->ncampaigns && strcmp(names[k], category) != 0)
			k++;
		if (k < conf->ncampaigns)
			continue;
		near = admin_nearest(category, names, conf->ncampaigns);
		fprintf(stderr, "%s:%d: note: cap \"%s\": no campaign has the category \"%s\"%s%s%s\n",
			c->pos.file, c->pos.line, c->name, category, near ? "; did you mean \"" : "",
			near ? near : "", near ? "\"?" : "");
	}
	arena_free(&a);
}

static void
check_files(struct check *k, const struct conf *conf)
{
	struct err e = { 0 };
	struct buf b = { 0 };
	struct plugin_set *set = plugin_set_load(conf, check_report, k);
	struct features_set *features = features_load(conf, check_report, k);
	if (features != NULL)
		policies_check(conf, features, check_report, k);
	plugin_set_free(&set);
	features_free(&features);
	struct keyring *keys = keyring_load(conf->keys.file, &e);
	if (!keys) {
		if (conf->keys.pos.line > 0)
			buf_printf(&b, "%s:%d: keys: %s", conf->keys.pos.file, conf->keys.pos.line, e.text);
		else
			buf_printf(&b, "%s: keys: %s", conf->file, e.text);
		check_report(k, b.p);
	}
	keyring_free(&keys);
	buf_free(&b);
}

static int
campaign_check(int argc, char **argv)
{
	struct options o = { 0 };
	struct check k = { 0 };
	size_t checked = 0;
	int rc = options_read(argc, argv, &o);
	if (rc != 0)
		return rc;
	if (o.help)
		return admin_usage(stdout, CAMPAIGN_HELP);
	struct conf *conf = admin_conf(o.conf);
	if (!conf)
		return EX_CONFIG;
	if (unknown_names(conf, argc - optind, argv + optind) > 0) {
		conf_free(&conf);
		return EX_USAGE;
	}
	check_files(&k, conf);
	for (size_t i = 0; i < conf->ncampaigns; i++)
		if (named(&conf->campaigns[i], argc - optind, argv + optind)) {
			check_campaign(&k, conf, &conf->campaigns[i]);
			checked++;
		}
	for (size_t i = 0; i < conf->ncaps && optind == argc; i++)
		check_cap(conf, &conf->caps[i]);
	examples_warn(conf);
	if (k.mistakes == 0)
		printf("ok: %zu campaign%s, %zu plugin%s, %zu cap%s\n", checked, checked == 1 ? "" : "s",
		       conf->nplugins, conf->nplugins == 1 ? "" : "s", conf->ncaps,
		       conf->ncaps == 1 ? "" : "s");
	else
		fprintf(stderr, "mailtailor: %zu mistake%s\n", k.mistakes, k.mistakes == 1 ? "" : "s");
	conf_free(&conf);
	return k.mistakes == 0 ? EX_OK : EX_CONFIG;
}

static int
campaign_steer(int argc, char **argv)
{
	struct options o = { 0 };
	const char *verb = argv[0];
	int rc = options_read(argc, argv, &o);
	if (rc != 0)
		return rc;
	if (o.help)
		return admin_usage(stdout, CAMPAIGN_HELP);
	if (optind == argc)
		return admin_misuse("campaign %s: which one?", verb);
	return campaign_pause(o.conf, argc - optind, argv + optind, strcmp(verb, "pause") == 0);
}

static int
campaign_run(int argc, char **argv)
{
	static const char *const SUBS[] = { "list", "check", "pause", "resume" };
	if (wants_help(argc, argv))
		return admin_usage(stdout, CAMPAIGN_HELP);
	if (argc >= 2 && strcmp(argv[1], "list") == 0)
		return campaign_list(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "check") == 0)
		return campaign_check(argc - 1, argv + 1);
	if (argc >= 2 && (strcmp(argv[1], "pause") == 0 || strcmp(argv[1], "resume") == 0))
		return campaign_steer(argc - 1, argv + 1);
	return unknown_sub("campaign", argc, argv, SUBS, 4);
}

const struct admin_verb admin_campaign_verb = { "campaign", "list, check, pause and resume campaigns",
						campaign_run };
