/* mailtailor feedback: bounces, complaints and automatic replies that come back. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "feedback/policy.h"
#include "feedback/sandbox.h"
#include "main/admin-feedback.h"
#include "main/admin-profile.h"

static const char usage[] =
    "usage: mailtailor feedback [--recipient ADDRESS]… [--apply] [--json] <MESSAGE\n"
    "       mailtailor feedback --maillog FILE [--follow] [--state FILE] [--json]\n"
    "\n"
    "Reads one message from standard input and says what it is: a bounce, a complaint, an automatic\n"
    "reply, or none of them; whom it concerns, and whether anything can ever be delivered there.\n"
    "For pipe(8) of Postfix and the prog mailer of Sendmail; contrib/postfix and contrib/sendmail\n"
    "have the lines.\n"
    "\n"
    "  -r, --recipient ADDRESS   where the message was addressed to, by its envelope: the return path\n"
    "                            of the copy, whose token says whose copy it was. Without it\n"
    "                            $ORIGINAL_RECIPIENT, then what the message's header says\n"
    "      --apply               act on it: events and suppressions, as section feedback of the\n"
    "                            configuration says. What fails is 75: the MTA tries again\n"
    "      --maillog FILE        read Postfix's log instead, from where it was left, also over\n"
    "                            rotation: what was delivered, deferred and bounced becomes events\n"
    "      --follow              and then what is written to it, until SIGTERM or SIGINT\n"
    "      --state FILE          where it remembers how far it has read; default maillog_state\n"
    "  -c, --config CONF         the configuration\n"
    "      --json                print JSON\n"
    "  -h, --help                print this text\n";

#define MAX_RECIPIENTS 8

struct request {
	const char *conf_path;
	struct str to[MAX_RECIPIENTS];
	size_t nto;
	bool json, apply;
	struct maillog_request maillog; /* log NULL: a message */
};

/* ---- what is printed ---- */

static void
put(struct buf *out, const char *key, struct str s)
{
	buf_printf(out, ", \"%s\": ", key);
	if (s.n > 0)
		json_print_string(out, s);
	else
		buf_adds(out, STR("null"));
}

/* outcome: NULL when nothing was acted on. */
static void
print_json(const struct feedback *f, const struct identity *who, const enum policy_outcome *outcome)
{
	struct buf out = { 0 };
	for (size_t i = 0; i < f->n; i++) {
		const struct feedback_item *it = &f->items[i];
		buf_printf(&out, "%s{\"kind\": \"%s\"", i ? ",\n " : "[", feedback_kind_name(it->kind));
		put(&out, "recipient", it->recipient);
		buf_printf(&out, ", \"hard\": %s", it->hard ? "true" : "false");
		put(&out, "status", str_of(it->status));
		put(&out, "campaign", who->campaign);
		put(&out, "reason",
		    it->kind == FEEDBACK_BOUNCE ? str_of(feedback_reason_name(it->reason)) : STR_NULL);
		put(&out, "feedback_type", str_of(it->type));
		put(&out, "proof",
		    who->proof != PROOF_NONE ? str_of(identity_proof_name(who->proof)) : STR_NULL);
		if (outcome)
			put(&out, "applied", str_of(policy_outcome_name(outcome[i])));
		buf_addc(&out, '}');
	}
	buf_adds(&out, STR("]\n"));
	fwrite(out.p, 1, out.n, stdout);
	buf_free(&out);
}

static void
print_text(const struct feedback *f, const struct identity *who)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct feedback_item *it = &f->items[i];
		printf("%s", feedback_kind_name(it->kind));
		if (it->kind == FEEDBACK_BOUNCE)
			printf(" %s %s (%s)", it->hard ? "hard" : "soft", it->status,
			       feedback_reason_name(it->reason));
		if (it->type[0])
			printf(" %s", it->type);
		if (it->recipient.n > 0)
			printf(" %.*s", STR_ARG(it->recipient));
		if (who->campaign.n > 0)
			printf(" campaign %.*s", STR_ARG(who->campaign));
		printf("\n");
	}
}

/* ---- one message ---- */

/* No address: the log has the recipient's hash. */
static void
log_outcome(const struct feedback *f, const struct identity *who, const enum policy_outcome *outcome)
{
	char hex[33] = "-";
	if (who->proof != PROOF_NONE)
		recipient_key_hex(&who->recipient, hex);
	for (size_t i = 0; i < f->n; i++) {
		const struct feedback_item *it = &f->items[i];
		if (outcome[i] != POLICY_NOTHING)
			log_info("%s %s%s%s%s recipient %s campaign %.*s: %s", feedback_kind_name(it->kind),
				 it->kind == FEEDBACK_BOUNCE ? (it->hard ? "hard " : "soft ") : "",
				 it->status, it->status[0] ? " " : "",
				 it->kind == FEEDBACK_BOUNCE ? feedback_reason_name(it->reason) : it->type,
				 hex, STR_ARG(who->campaign.n ? who->campaign : STR("-")),
				 policy_outcome_name(outcome[i]));
	}
}

struct work {
	const struct request *r;
	struct arena *arena;
	struct desk desk;
	struct feedback f;
	struct identity who;
	enum policy_outcome outcome[FEEDBACK_MAX_ITEMS];
};

/* What he wants, as if he had said it on the page: it is done, whether the audit log can tell of it or not.
 */
static void
audit(void *ctx, const struct recipient_key *rk, enum suppression_reason reason,
      const struct feedback_item *it, const struct identity *who)
{
	const struct work *w = ctx;
	const char *directory = w->desk.conf->state.directory;
	struct err e = { 0 };
	const bool leaves = reason == SUPPRESS_UNSUBSCRIBE;
	const struct audit_entry en = {
		.action = leaves ? AUDIT_PRIVACY_UNSUBSCRIBE : AUDIT_PRIVACY_COMPLAINT,
		.at_ms = clock_now_ms(),
		.actor = STR("recipient"),
		.subject = rk->b,
		.campaign = who->campaign,
		.details = leaves ? STR("all mail, by mail") : str_of(it->type),
	};
	if (!leaves && reason != SUPPRESS_COMPLAINT)
		return;
	gid_t group = getegid();
	bool entered = admin_owner_enter(directory);
	int rc = audit_append(directory, &en, 1, NULL, &e);
	if (entered)
		admin_owner_leave(group);
	if (rc != 0)
		log_error("a recipient's %s was done, but is not in the audit log: %s",
			  audit_action_name(en.action), e.text);
}

static int
apply(struct work *w, const struct identify_source *id, struct err *e)
{
	const struct policy_source src = {
		.id = *id, .conf = &w->desk.conf->feedback, .source = "feedback", .told = audit, .ctx = w
	};
	if (policy_apply(&src, &w->f, &w->who, clock_now_ms(), w->arena, w->outcome, e) != 0)
		return -1;
	/* pipe(8) keeps what a command says to itself unless it fails */
	if (!isatty(STDERR_FILENO))
		log_open("mailtailor-feedback", LOG_TO_SYSLOG, w->desk.conf->milter.log_level);
	log_outcome(&w->f, &w->who, w->outcome);
	return 0;
}

static int
judge(struct work *w)
{
	struct err e = { 0 };
	/* Without a configuration there is nothing to open tokens with: the message is read all the same. */
	bool configured = w->r->apply || w->r->conf_path || access(admin_conf_path(NULL), F_OK) == 0;
	int rc =
	    configured ? desk_open(&w->desk, w->r->conf_path, w->r->apply ? DESK_WRITE : DESK_READ) : EX_OK;
	if (!configured || rc != EX_OK)
		return rc;
	const struct identify_source id = { w->desk.store, w->desk.keys, w->desk.sealer };
	if (identify(&id, w->r->to, w->r->nto, &w->f, w->arena, &w->who, &e) != 0 ||
	    (w->r->apply && apply(w, &id, &e) != 0))
		return admin_fail(&e);
	return EX_OK;
}

static int
message(const struct request *r)
{
	struct work w = { .r = r, .arena = arena_new(65536) };
	struct err e = { 0 };
	int rc;
	/* before keys and store are opened: the reader has neither */
	if (sandbox_read(STDIN_FILENO, w.arena, &w.f, &e) == 0)
		rc = judge(&w);
	else
		rc = admin_fail(&e);
	if (rc == EX_OK && r->json)
		print_json(&w.f, &w.who, r->apply ? w.outcome : NULL);
	else if (rc == EX_OK && !r->apply)
		print_text(&w.f, &w.who);
	desk_close(&w.desk);
	arena_free(&w.arena);
	/* MTAs give a message up for most codes; what is wrong here can be mended */
	return rc != EX_OK && r->apply ? EX_TEMPFAIL : rc;
}

/* ---- command line ---- */

static int
option_read(struct request *r, int c, const char *arg)
{
	switch (c) {
	case 'c':
		r->conf_path = arg;
		return -1;
	case 'r':
		if (r->nto == MAX_RECIPIENTS)
			return admin_misuse("--recipient may be given %d times", MAX_RECIPIENTS);
		r->to[r->nto++] = str_of(arg);
		return -1;
	case 'j':
		r->json = true;
		return -1;
	case 'a':
		r->apply = true;
		return -1;
	case 'm':
		r->maillog.log = arg;
		return -1;
	case 'f':
		r->maillog.follow = true;
		return -1;
	case 's':
		r->maillog.state = arg;
		return -1;
	case 'h':
		return admin_usage(stdout, usage);
	default:
		return EX_USAGE;
	}
}

static int
maillog(struct request *r)
{
	if (r->nto > 0)
		return admin_misuse("--recipient is about one message, not about a log");
	r->maillog.conf_path = r->conf_path;
	r->maillog.json = r->json;
	return feedback_maillog(&r->maillog);
}

static int
run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "recipient", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "apply", no_argument, NULL, 'a' },
		{ "maillog", required_argument, NULL, 'm' },
		{ "follow", no_argument, NULL, 'f' },
		{ "state", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct request r = { 0 };
	int c, rc = -1;
	optind = 0;
	while (rc < 0 && (c = admin_option(argc, argv, "c:r:h", options)) != -1)
		rc = option_read(&r, c, optarg);
	if (rc >= 0)
		return rc;
	if (optind < argc)
		return admin_misuse("feedback reads the message from standard input; \"%s\" is not wanted",
				    argv[optind]);
	if (r.maillog.log)
		return maillog(&r);
	if (r.maillog.follow || r.maillog.state)
		return admin_misuse("--follow and --state are about a log: give --maillog FILE, too");
	/* local(8) of Postfix says so; whoever runs it by hand may, too */
	const char *original = getenv("ORIGINAL_RECIPIENT");
	if (original && r.nto < MAX_RECIPIENTS)
		r.to[r.nto++] = str_of(original);
	return message(&r);
}

const struct admin_verb admin_feedback_verb = { "feedback", "read bounces, complaints and automatic replies",
						run };
