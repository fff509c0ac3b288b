/*
 * mailtailor render: the copy that one recipient would get, by the same code
 * that sends it.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/engine.h"
#include "main/admin.h"
#include "main/files.h"
#include "main/paths.h"

static const char usage[] =
    "usage: mailtailor render [-c FILE] --recipient ADDR [options] [MESSAGE]\n"
    "\n"
    "Prints exactly the copy of MESSAGE (a file, or standard input) that ADDR would\n"
    "get; or says why there would be none, or when, and exits 1. Takes no cap's\n"
    "place and writes nothing to the database.\n"
    "\n"
    "  -r, --recipient ADDR   whom the copy is for\n"
    "  -k, --campaign NAME    instead of X-Mailtailor-Campaign or the From rule\n"
    "  -p, --profile FILE     profile as JSON instead of the database's; no database\n"
    "                         is needed, and without a key ring its links open nowhere\n"
    "  -a, --arm NAME         as of this arm of the campaign, whichever ADDR would get\n"
    "  -n, --now INSTANT      as if it were 2026-03-29T09:00:00Z\n"
    "  -x, --explain FILE     every variable with its source, scores, caps, links, as\n"
    "                         JSON (\"-\": to standard output instead of the copy)\n"
    "  -c, --config FILE\n"
    "  -h, --help\n";

struct render {
	const char *conf, *campaign, *recipient, *profile, *explain, *message, *arm;
	int64_t now_ms;
};

static void
report_stderr(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
}

/* 0, or an exit code; -1: go on. */
static int
options_read(struct render *r, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "recipient", required_argument, NULL, 'r' },
		{ "campaign", required_argument, NULL, 'k' },
		{ "profile", required_argument, NULL, 'p' },
		{ "arm", required_argument, NULL, 'a' },
		{ "now", required_argument, NULL, 'n' },
		{ "explain", required_argument, NULL, 'x' },
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct err e = { 0 };
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "r:k:p:a:n:x:c:h", longopts)) != -1) {
		switch (c) {
		case 'r':
			r->recipient = optarg;
			break;
		case 'k':
			r->campaign = optarg;
			break;
		case 'p':
			r->profile = optarg;
			break;
		case 'a':
			r->arm = optarg;
			break;
		case 'n':
			if (clock_parse_rfc3339(str_of(optarg), &r->now_ms, &e) != 0)
				return admin_misuse("--now: %s", e.text);
			break;
		case 'x':
			r->explain = optarg;
			break;
		case 'c':
			r->conf = optarg;
			break;
		case 'h':
			return admin_usage(stdout, usage);
		default:
			return EX_USAGE;
		}
	}
	if (r->recipient == NULL)
		return admin_misuse("render: whose copy? give --recipient ADDR");
	if (optind + 1 < argc)
		return admin_misuse("render: one message at a time; \"%s\" is too much", argv[optind + 1]);
	r->message = optind < argc ? argv[optind] : "-";
	return -1;
}

/* A preview from a profile file needs no key ring; say so when there is none. */
static bool
keys_absent(const struct render *r)
{
	struct conf *c = admin_conf(r->conf);
	bool absent =
	    c != NULL && r->profile != NULL && (c->keys.file == NULL || access(c->keys.file, R_OK) != 0);
	conf_free(&c);
	if (absent)
		fprintf(stderr, "mailtailor: no readable key ring: the links of this preview open nowhere\n");
	return absent;
}

static const struct conf_campaign *
campaign_of(const struct render *r, const struct conf *c, struct str bytes, struct err *e)
{
	struct arena *a = arena_new(4096);
	const struct conf_campaign *k = NULL;
	struct mail mail;
	struct mail_address from;
	struct str name = str_of(r->campaign), domain = STR_NULL;
	if (mail_parse(a, bytes, NULL, &mail, e) != 0)
		goto out;
	const char *doubtful = tailor_fields_doubtful(a, &mail.root->fields);
	if (doubtful != NULL) {
		err_set(e, ERR_INPUT, "%s", doubtful);
		goto out;
	}
	const struct mail_field *named = mail_fields_find(&mail.root->fields, STR("X-Mailtailor-Campaign"));
	const struct mail_field *f = mail_fields_find(&mail.root->fields, STR("From"));
	if (r->campaign == NULL && named != NULL)
		name = str_trim(named->value);
	if (f != NULL && mail_addresses(a, f->value, &from, 1) == 1)
		domain = mail_address_domain(a, from.addr);
	if (name.n > 0)
		k = conf_campaign_find(c, name);
	for (size_t i = 0; name.n == 0 && domain.n > 0 && k == NULL && i < c->ncampaigns; i++)
		for (size_t d = 0; d < c->campaigns[i].match_from_domain.n; d++)
			if (str_caseeq(str_of(c->campaigns[i].match_from_domain.v[d]), domain))
				k = &c->campaigns[i];
	const char *near = k == NULL && name.n > 0 ? conf_campaign_nearest(c, name) : NULL;
	if (near)
		err_set(e, ERR_USAGE, "there is no campaign \"%.*s\"; did you mean \"%s\"?", STR_ARG(name),
			near);
	else if (k == NULL && name.n > 0)
		err_set(e, ERR_USAGE, "there is no campaign \"%.*s\"; `mailtailor campaign list` shows them",
			STR_ARG(name));
	else if (k == NULL)
		err_set(
		    e, ERR_USAGE,
		    "which campaign? The message has no X-Mailtailor-Campaign and no From rule fits; give "
		    "--campaign NAME");
out:
	arena_free(&a);
	return k;
}

static int
explain_write(const struct render *r, const struct engine_copy *copy, struct err *e)
{
	struct buf b = { 0 };
	int rc = 0;
	if (r->explain == NULL || copy->plan.explain == NULL)
		return 0;
	json_print_pretty(&b, copy->plan.explain);
	buf_addc(&b, '\n');
	if (strcmp(r->explain, "-") == 0)
		fwrite(b.p, 1, b.n, stdout);
	else
		rc = file_replace(r->explain, buf_str(&b), FILE_PRIVATE, e);
	buf_free(&b);
	return rc;
}

static int
copy_print(const struct render *r, const struct tailor_message *m, const struct engine_copy *copy)
{
	struct err e = { 0 };
	struct buf b = { 0 };
	for (size_t i = 0; i < copy->plugins.nnotes; i++)
		admin_say("plugin %.*s: %.*s", STR_ARG(copy->plugins.notes[i].plugin),
			  STR_ARG(copy->plugins.notes[i].text));
	if (explain_write(r, copy, &e) != 0)
		return admin_fail(&e);
	if (copy->plan.decision.verdict == TAILOR_LATER) {
		admin_say("copy for %s later: %s: %.*s; --now TIME shows the copy of another time",
			  r->recipient, copy->plan.decision.reason, STR_ARG(copy->plan.decision.text));
		return 1;
	}
	if (copy->plan.decision.verdict != TAILOR_SEND) {
		admin_say("no copy for %s: %s: %.*s", r->recipient, copy->plan.decision.reason,
			  STR_ARG(copy->plan.decision.text));
		return 1;
	}
	if (r->explain != NULL && strcmp(r->explain, "-") == 0)
		return EX_OK;
	tailor_write(m, &copy->plan, &b);
	bool ok = fwrite(b.p, 1, b.n, stdout) == b.n && fflush(stdout) == 0;
	buf_free(&b);
	return ok ? EX_OK : EX_IOERR;
}

static int
arm_absent(const struct render *r, const struct conf_campaign *k)
{
	const char *names[CONF_MAX_ARMS];
	struct buf all = { 0 };
	int rc;
	for (size_t i = 0; i < k->narms; i++) {
		names[i] = k->arms[i].name;
		buf_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
	}
	const char *near = admin_nearest(r->arm, names, k->narms);
	if (near != NULL)
		rc = admin_misuse("--arm %s: campaign \"%s\" has no such arm; did you mean \"%s\"?", r->arm,
				  k->name, near);
	else if (k->narms > 0)
		rc = admin_misuse("--arm %s: campaign \"%s\" has no such arm; there are: %s", r->arm, k->name,
				  all.p);
	else
		rc = admin_misuse("--arm %s: campaign \"%s\" has no arms", r->arm, k->name);
	buf_free(&all);
	return rc;
}

/* With everything loaded: one copy. */
static int
render_with(const struct render *r, struct epoch *ep, struct store *store, struct str bytes,
	    const char *profile)
{
	struct err e = { 0 };
	struct tailor_message *m = NULL;
	struct engine_copy copy;
	struct worker *w = engine_worker_get(ep);
	int rc;
	const int64_t now_ms = r->now_ms ? r->now_ms : clock_now_ms();
	const struct conf_campaign *k = campaign_of(r, ep->conf, bytes, &e);
	if (k == NULL || tailor_prepare(ep->cache, ep->conf, k, bytes, &m, &e) != 0 ||
	    tailor_message_timely(m, now_ms, &e) != 0) {
		rc = admin_fail(&e);
		goto out;
	}
	struct engine_request rq = {
		.epoch = ep,
		.worker = w,
		.store = store,
		.message = m,
		.campaign = k,
		.address = str_of(r->recipient),
		.profile_json = profile,
		.now_ms = now_ms,
		.explain = r->explain != NULL,
		.arm = str_of(r->arm),
		.propensity = 1,
		.arm_forced = r->arm != NULL,
	};
	if (r->arm != NULL && conf_arm_find(k, str_of(r->arm)) == NULL) {
		rc = arm_absent(r, k);
		goto out;
	}
	rc = engine_make(&rq, &copy, &e) == 0 ? copy_print(r, m, &copy) : admin_fail(&e);
out:
	tailor_message_free(&m);
	engine_worker_put(ep, &w);
	return rc;
}

static int
run(int argc, char **argv)
{
	struct render r = { 0 };
	struct buf message = { 0 }, profile = { 0 };
	struct err e = { 0 };
	struct store *store = NULL;
	struct epoch *ep = NULL;
	int rc = options_read(&r, argc, argv);
	if (rc >= 0)
		return rc;
	struct epoch_options o = {
		.conf_file = admin_conf_path(r.conf),
		.plugin_directory = paths_plugins(),
		.ephemeral_keys = keys_absent(&r),
	};
	mail_init();
	rc = EX_CONFIG;
	if ((ep = epoch_load(&o, report_stderr, NULL)) == NULL)
		goto out;
	if (r.profile == NULL && (store = admin_store(ep->conf, true, false, &rc)) == NULL)
		goto out;
	if (file_read(r.message, (size_t)ep->conf->milter.max_message, &message, &e) != 0 ||
	    (r.profile != NULL && file_read(r.profile, 2u << 20, &profile, &e) != 0))
		rc = admin_fail(&e);
	else
		rc = render_with(&r, ep, store, buf_str(&message), r.profile ? profile.p : NULL);
out:
	store_close(&store);
	epoch_unref(&ep);
	buf_free(&message);
	buf_free(&profile);
	return rc;
}

const struct admin_verb admin_render_verb = { "render", "show the copy that one recipient would get", run };
