/*
 * admin-report: what became of a campaign, in figures.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "main/admin-events.h"
#include "report/report.h"

#define MAX_SHARES 64

static const char usage[] =
    "usage: mailtailor report [CAMPAIGN] [OPTION…]\n"
    "\n"
    "What became of a campaign's copies and what its recipients did: sent, held, suppressed and why,\n"
    "delivered, bounced, opened, clicked, converted, revenue, unsubscribed, complained; rates with 95%\n"
    "intervals, arms against the control, clicks by link. Without CAMPAIGN: of all campaigns.\n"
    "\n"
    "      --by WHAT          arm, domain, segment, hour, link or campaign: that table\n"
    "      --since TIME       from that hour on: 2026-03-29, 2026-03-29T12:00:00Z, or 7d (ago)\n"
    "      --control ARM      what arms are compared with; default: the configured control,\n"
    "                         else \"control\", else the first by name\n"
    "      --shares ARM=N,…   how large arms should be, like control=1,a=2; default: as configured,\n"
    "                         else all the same\n"
    "      --json             print JSON; all tables but domains and hours, or the one of --by\n"
    "      --csv              print CSV: the totals, or the table of --by\n"
    "      --html FILE        write one page with charts to FILE (-: standard output)\n"
    "  -c, --config CONF      the configuration\n"
    "  -h, --help             print this text\n";

struct reporting {
	const char *conf_path, *html;
	bool json, csv;
	int by; /* REPORT_BYS: none was given */
	struct report_request rq;
	struct report_share shares[MAX_SHARES];
	char *shares_text;
};

/* ---- output ---- */

/* Who looks meanwhile sees the old page or the new one. */
static int
page_write(const char *path, struct str page)
{
	struct err e = { 0 };
	if (strcmp(path, "-") == 0)
		return fwrite(page.p, 1, page.n, stdout) == page.n ? EX_OK : EX_IOERR;
	if (file_replace(path, page, FILE_PUBLIC, &e) == 0)
		return EX_OK;
	int code = admin_fail(&e);
	return e.kind == ERR_MISSING || e.kind == ERR_PERM ? EX_CANTCREAT : code;
}

static uint32_t
lists_wanted(const struct reporting *p)
{
	const uint32_t all = (1u << REPORT_BYS) - 1;
	const uint32_t few = all & ~(1u << REPORT_BY_DOMAIN) & ~(1u << REPORT_BY_HOUR);
	if (p->html)
		return p->rq.campaign.p ? all & ~(1u << REPORT_BY_CAMPAIGN) : all;
	if (p->by != REPORT_BYS)
		return 1u << p->by;
	if (p->csv)
		return 0;
	return p->rq.campaign.p ? few & ~(1u << REPORT_BY_CAMPAIGN) : few;
}

static int
report_show(const struct reporting *p, const struct report *r)
{
	struct buf out = { 0 };
	int code = EX_OK;
	if (p->html)
		report_print_html(r, &out);
	else if (p->json)
		report_print_json(r, &out);
	else if (p->csv)
		report_print_csv(r, (enum report_by)p->by, &out);
	else
		report_print_text(r, (enum report_by)p->by, &out);
	if (p->html)
		code = page_write(p->html, buf_str(&out));
	else
		fwrite(out.p, 1, out.n, stdout);
	if (r->ratio_mismatch && (p->html || p->json || p->csv))
		admin_say("warning: the arms are not as large as their shares say (sample ratio, p %.2g)",
			  r->ratio_p);
	buf_free(&out);
	return code;
}

/*
 * Control and shares as the campaign has them. Of a policy's arms only the control's share is known; and
 * where send_if holds back copies of all arms but the control, none is.
 */
static void
arms_configured(struct reporting *p, const struct conf_campaign *c)
{
	if (c == NULL || c->narms == 0)
		return;
	double control = (double)c->control_share / CONF_SHARE_ALL, weight = 0;
	p->rq.configured = true;
	p->rq.control = str_of(c->control ? c->control->name : NULL);
	if ((c->send_if != NULL || c->fatigue != NULL) && c->control != NULL)
		return;
	if (c->policy.kind != CONF_POLICY_FIXED) {
		p->rq.control_share = control;
		return;
	}
	p->rq.shares = p->shares;
	for (size_t i = 0; i < c->narms; i++)
		weight += c->arms[i].control ? 0 : c->arms[i].weight;
	for (size_t i = 0; i < c->narms; i++) {
		double share = c->arms[i].control ? control : (1 - control) * c->arms[i].weight / weight;
		if (share > 0)
			p->shares[p->rq.nshares++] = (struct report_share){ str_of(c->arms[i].name), share };
	}
}

static int
report_run(struct reporting *p)
{
	struct err e = { 0 };
	int code = EX_CONFIG;
	struct store *s = NULL;
	struct report *r = NULL;
	struct conf *conf = admin_conf(p->conf_path);
	if (!conf)
		return EX_CONFIG;
	if (!(s = admin_store(conf, true, false, &code)))
		goto out;
	if (p->rq.campaign.p && (code = admin_campaign_known(conf, s, p->rq.campaign.p)) != EX_OK)
		goto out;
	if (p->rq.campaign.p && !p->rq.control.p && p->rq.nshares == 0)
		arms_configured(p, conf_campaign_find(conf, p->rq.campaign));
	p->rq.by = lists_wanted(p);
	r = report_gather(s, &p->rq, &e);
	code = r ? report_show(p, r) : admin_fail(&e);
	report_free(&r);
out:
	store_close(&s);
	conf_free(&conf);
	return code;
}

/* ---- the command line ---- */

/* "control=1,a=2.5" */
static int
shares_read(struct reporting *p, const char *arg)
{
	char *end;
	free(p->shares_text);
	p->shares_text = strdup(arg);
	if (!p->shares_text)
		abort();
	struct str rest = str_of(p->shares_text), token;
	p->rq.shares = p->shares;
	p->rq.nshares = 0;
	while (str_split(&rest, ',', &token)) {
		size_t eq = str_find_char(token, '=');
		double weight = eq < token.n ? strtod(token.p + eq + 1, &end) : 0;
		if (eq == 0 || eq >= token.n || end != token.p + token.n || !(weight > 0) || weight > 1e9)
			return admin_misuse("--shares %s: arms and numbers above 0, like control=1,a=2", arg);
		if (p->rq.nshares == MAX_SHARES)
			return admin_misuse("--shares: more than %d arms", MAX_SHARES);
		p->shares[p->rq.nshares++] = (struct report_share){ str_sub(token, 0, eq), weight };
	}
	return -1;
}

static int
by_read(struct reporting *p, const char *arg)
{
	const char *names[REPORT_BYS];
	p->by = report_by_find(str_of(arg));
	if (p->by >= 0)
		return -1;
	for (int i = 0; i < REPORT_BYS; i++)
		names[i] = report_by_name((enum report_by)i);
	const char *near = admin_nearest(arg, names, REPORT_BYS);
	return near ? admin_misuse("--by %s: did you mean %s?", arg, near)
		    : admin_misuse("--by %s: arm, domain, segment, hour, link or campaign", arg);
}

/* -1 to go on, else an exit code. */
static int
option_read(struct reporting *p, int c, const char *arg)
{
	switch (c) {
	case 'c':
		p->conf_path = arg;
		return -1;
	case 'b':
		return by_read(p, arg);
	case 'S':
		return events_time(arg, p->rq.now_ms, &p->rq.since_ms) == 0
			   ? -1
			   : admin_misuse("--since %s: a time like 2026-03-29T12:00:00Z, or 7d", arg);
	case 'C':
		p->rq.control = str_of(arg);
		return -1;
	case 's':
		return shares_read(p, arg);
	case 'j':
		p->json = true;
		return -1;
	case 'v':
		p->csv = true;
		return -1;
	case 'H':
		p->html = arg;
		return -1;
	case 'h':
		return admin_usage(stdout, usage);
	default:
		return EX_USAGE;
	}
}

/* -1 to go on, else an exit code. */
static int
options_read(struct reporting *p, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "by", required_argument, NULL, 'b' },
		{ "since", required_argument, NULL, 'S' },  { "control", required_argument, NULL, 'C' },
		{ "shares", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
		{ "csv", no_argument, NULL, 'v' },	    { "html", required_argument, NULL, 'H' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	int c, code = -1;
	optind = 0;
	while (code < 0 && (c = admin_option(argc, argv, "c:h", options)) != -1)
		code = option_read(p, c, optarg);
	if (code >= 0)
		return code;
	if (argc - optind > 1)
		return admin_misuse("report takes one campaign, not \"%s\" as well", argv[optind + 1]);
	if (optind < argc && *argv[optind])
		p->rq.campaign = str_of(argv[optind]);
	if (p->json + p->csv + (p->html != NULL) > 1)
		return admin_misuse("one of --json, --csv and --html");
	if (p->html && p->by != REPORT_BYS)
		return admin_misuse("the page of --html shows everything; --by is for the other formats");
	if (p->by == REPORT_BY_LINK && !p->rq.campaign.p)
		return admin_misuse("--by link needs a campaign: links have numbers within one");
	return -1;
}

static int
run(int argc, char **argv)
{
	struct reporting p = { .by = REPORT_BYS, .rq.now_ms = clock_now_ms() };
	int code = options_read(&p, argc, argv);
	if (code < 0)
		code = report_run(&p);
	free(p.shares_text);
	return code;
}

const struct admin_verb admin_report_verb = {
	"report",
	"what became of a campaign: figures, arms, links; a page with charts",
	run,
};
