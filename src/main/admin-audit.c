/* mailtailor audit: shows and checks the log of what was done. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "main/admin-events.h"
#include "main/admin-profile.h"

static const char usage[] =
    "usage: mailtailor audit verify [--expect SEQ:HASH] [-c CONF] [--json]\n"
    "       mailtailor audit show [--since TIME] [--action NAME] [--subject WHO] [-c CONF] [--json]\n"
    "\n"
    "The log of what admins did, and of what recipients asked of their own data. Each record\n"
    "holds the hash of the one before.\n"
    "\n"
    "  verify    check the whole chain; prints SEQ:HASH of the last record, which is worth keeping\n"
    "            elsewhere: with --expect a later run finds out whether that record is still there\n"
    "  show      print the records\n"
    "\n"
    "      --since TIME      from that time on: 2026-03-29, 2026-03-29T12:00:00Z, or 7d (ago)\n"
    "      --action NAME     of that kind only, like profile.forget, or all of a kind: profile\n"
    "      --subject WHO     about that recipient only: an address, or a key as show prints it\n"
    "      --json            print JSON (show: NDJSON, the records as they are)\n"
    "  -c, --config CONF     the configuration\n"
    "  -h, --help            print this text\n"
    "\n"
    "Exit codes: 65 when the chain is broken or --expect is not in it, 66 when there is no log.\n";

struct request {
	const char *conf_path, *expect, *since, *action, *subject;
	struct conf *conf;
	bool json;
};

/* ---- verify ---- */

static void
report_json(const struct audit_report *r, bool ok, bool expect)
{
	printf("{\"ok\": %s, \"records\": %" PRIu64 ", \"head\": ", ok ? "true" : "false", r->head.seq);
	if (r->head.seq > 0)
		printf("\"%" PRIu64 ":%s\"", r->head.seq, r->head.hash);
	else
		printf("null");
	printf(", \"unfinished_lines\": %" PRIu64, r->unfinished);
	if (expect)
		printf(", \"expected_found\": %s", r->expected_found ? "true" : "false");
	if (r->bad_line)
		printf(", \"bad_line\": %" PRIu64 ", \"problem\": \"%s\"", r->bad_line, r->what);
	printf("}\n");
}

static void
report_text(const struct request *r, const struct audit_report *p)
{
	if (p->bad_line)
		printf("%s/" AUDIT_FILE ": line %" PRIu64 " %s\n", r->conf->state.directory, p->bad_line,
		       p->what);
	if (r->expect && !p->expected_found)
		printf("%s/" AUDIT_FILE
		       ": record %s is not there: the end was cut off, or all was written anew\n",
		       r->conf->state.directory, r->expect);
	if (p->unfinished)
		printf("%" PRIu64 " line%s left unfinished by a crash\n", p->unfinished,
		       p->unfinished == 1 ? " was" : "s were");
	if (p->head.seq > 0)
		printf("%" PRIu64 " records %s; the last: %" PRIu64 ":%s\n", p->head.seq,
		       p->bad_line ? "before it hold" : "hold", p->head.seq, p->head.hash);
}

static int
verify(const struct request *r)
{
	struct err e = { 0 };
	struct audit_head expect;
	struct audit_report p;
	if (r->expect && audit_head_parse(str_of(r->expect), &expect) != 0)
		return admin_misuse("--expect \"%s\": write SEQ:HASH as `audit verify` prints it", r->expect);
	if (audit_verify(r->conf->state.directory, r->expect ? &expect : NULL, NULL, NULL, &p, &e) != 0)
		return admin_fail(&e);
	bool ok = p.bad_line == 0 && (!r->expect || p.expected_found);
	if (r->json)
		report_json(&p, ok, r->expect != NULL);
	else
		report_text(r, &p);
	return ok ? EX_OK : EX_DATAERR;
}

/* ---- show ---- */

struct showing {
	const struct request *r;
	int64_t since_ms;
	char subject[33];    /* empty: anybody */
	struct arena *arena; /* of one record */
	struct arena *kept;
	struct buf rows; /* struct shown */
};

enum { SEQ, AT, ACTOR, ACTION, SUBJECT, RESULT, CAMPAIGN, DETAILS, CELLS };
struct shown {
	const char *cells[CELLS];
};
/* Other programs may have written between what was begun and that it failed, but not much. */
#define FAILURE_REACH 256

static const struct admin_column columns[] = {
	{ "SEQ", ADMIN_COL_NUMBER },	{ "AT", ADMIN_COL_TEXT },      { "ACTOR", ADMIN_COL_TEXT },
	{ "ACTION", ADMIN_COL_TEXT },	{ "SUBJECT", ADMIN_COL_TEXT }, { "RESULT", ADMIN_COL_TEXT },
	{ "CAMPAIGN", ADMIN_COL_TEXT }, { "DETAILS", ADMIN_COL_TEXT },
};

static struct str
text_of(const struct value *v, const char *name)
{
	const struct value *m = value_map_get(v, str_of(name));
	return m != NULL && m->type == VALUE_STRING ? m->s : STR_NULL;
}

/* "profile.forget", or "profile" for all of them. */
static bool
action_fits(const char *wanted, struct str action)
{
	struct str w = str_of(wanted);
	return str_starts(action, w) && (action.n == w.n || action.p[w.n] == '.');
}

static bool
wanted(const struct showing *s, const struct value *v)
{
	int64_t at = 0;
	if (s->r->action && !action_fits(s->r->action, text_of(v, "action")))
		return false;
	if (s->subject[0] && !str_eq(text_of(v, "subject"), str_of(s->subject)))
		return false;
	return s->since_ms == 0 ||
	       (clock_parse_rfc3339(text_of(v, "at"), &at, NULL) == 0 && at >= s->since_ms);
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* What is done is written down before it is; one that failed has a second record, which says so. */
static void
failure_mark(struct showing *s, struct shown *failed)
{
	struct shown *rows = (struct shown *)(void *)s->rows.p;
	size_t n = s->rows.n / sizeof *rows;
	if (!failed->cells[DETAILS] || strncmp(failed->cells[DETAILS], "failed: ", 8) != 0)
		return;
	failed->cells[RESULT] = "failed";
	for (size_t back = 1; back <= n && back <= FAILURE_REACH; back++) {
		struct shown *r = &rows[n - back];
		if (!r->cells[RESULT] && same(r->cells[ACTION], failed->cells[ACTION]) &&
		    same(r->cells[ACTOR], failed->cells[ACTOR]) &&
		    same(r->cells[SUBJECT], failed->cells[SUBJECT])) {
			r->cells[RESULT] = "failed";
			return;
		}
	}
}

static void
rows_print(const struct showing *s)
{
	const struct shown *rows = (const struct shown *)(const void *)s->rows.p;
	struct admin_table *t = admin_table_new(columns, CELLS);
	for (size_t i = 0; i < s->rows.n / sizeof *rows; i++)
		admin_table_row(t, rows[i].cells);
	if (s->rows.n > 0)
		admin_table_print(t, stdout, false);
	admin_table_free(&t);
}

static bool
show_one(void *ctx, struct str line)
{
	struct showing *s = ctx;
	const struct value *v;
	struct err e;
	arena_reset(s->arena);
	if (json_parse(s->arena, line, NULL, &v, &e) != 0 || v->type != VALUE_MAP || !wanted(s, v))
		return true;
	if (s->r->json) {
		printf("%.*s\n", STR_ARG(line));
		return true;
	}
	static const char *const names[CELLS] = {
		[AT] = "at",	       [ACTOR] = "actor",	[ACTION] = "action",
		[SUBJECT] = "subject", [CAMPAIGN] = "campaign", [DETAILS] = "details"
	};
	struct shown row = { 0 };
	const struct value *number = value_map_get(v, STR("seq"));
	bool ok = true;
	row.cells[SEQ] = arena_printf(s->kept, "%.0f", number ? value_number(number, &ok) : 0).p;
	for (size_t i = 0; i < CELLS; i++) {
		struct str t = names[i] ? text_of(v, names[i]) : STR_NULL;
		if (t.n > 0)
			row.cells[i] = arena_cstr(s->kept, t);
	}
	failure_mark(s, &row);
	buf_add(&s->rows, &row, sizeof row);
	return true;
}

/* An address, or what show prints. */
static int
subject_read(const struct request *r, char out[33])
{
	struct err e = { 0 };
	struct recipient_key key;
	struct str normal, s = str_of(r->subject);
	int rc = EX_OK;
	if (str_find_char(s, '@') == s.n) {
		if (s.n != 32)
			return admin_misuse("--subject \"%s\" is no address and no key", r->subject);
		memcpy(out, r->subject, 33);
		return EX_OK;
	}
	struct keyring *keys = admin_keys(r->conf, &rc);
	if (!keys)
		return rc;
	struct arena *a = arena_new(1024);
	if (address_normalize(a, s, &normal, &e) != 0) {
		rc = admin_fail(&e);
	} else {
		recipient_key_of(keys, normal, &key);
		for (size_t i = 0; i < sizeof key.b; i++)
			snprintf(out + 2 * i, 3, "%02x", key.b[i]);
	}
	arena_free(&a);
	keyring_free(&keys);
	return rc;
}

static int
show(const struct request *r)
{
	struct err e = { 0 };
	struct audit_report p;
	struct showing s = { .r = r };
	if (r->since && events_time(r->since, clock_now_ms(), &s.since_ms) != 0)
		return admin_misuse("--since %s: a time like 2026-03-29T12:00:00Z, or 7d", r->since);
	int rc = r->subject ? subject_read(r, s.subject) : EX_OK;
	if (rc != EX_OK)
		return rc;
	s.arena = arena_new(4096);
	s.kept = arena_new(65536);
	if (audit_verify(r->conf->state.directory, NULL, show_one, &s, &p, &e) != 0)
		rc = admin_fail(&e);
	else if (!r->json)
		rows_print(&s);
	if (rc == EX_OK && p.bad_line) {
		admin_say("%s/" AUDIT_FILE ": line %" PRIu64 " %s; nothing is shown from there on",
			  r->conf->state.directory, p.bad_line, p.what);
		rc = EX_DATAERR;
	}
	buf_free(&s.rows);
	arena_free(&s.kept);
	arena_free(&s.arena);
	return rc;
}

/* ---- command line ---- */

static bool
action_known(const char *wanted)
{
	bool known = false;
	for (int i = 0; i < AUDIT_ACTIONS && !known; i++)
		known = action_fits(wanted, str_of(audit_action_name(i)));
	return known;
}

static int
action_unknown(const char *typed)
{
	const char *names[AUDIT_ACTIONS];
	for (int i = 0; i < AUDIT_ACTIONS; i++)
		names[i] = audit_action_name(i);
	const char *near = admin_nearest(typed, names, AUDIT_ACTIONS);
	if (near)
		return admin_misuse("--action %s: there is no such action; did you mean %s?", typed, near);
	return admin_misuse("--action %s: there is no such action; mailtailor-audit(1) lists them", typed);
}

static int
options_read(struct request *r, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },  { "expect", required_argument, NULL, 'e' },
		{ "since", required_argument, NULL, 's' },   { "action", required_argument, NULL, 'a' },
		{ "subject", required_argument, NULL, 'w' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },	     { NULL, 0, NULL, 0 },
	};
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "c:h", options)) != -1)
		switch (c) {
		case 'c':
			r->conf_path = optarg;
			break;
		case 'e':
			r->expect = optarg;
			break;
		case 's':
			r->since = optarg;
			break;
		case 'a':
			r->action = optarg;
			if (!action_known(optarg))
				return action_unknown(optarg);
			break;
		case 'w':
			r->subject = optarg;
			break;
		case 'j':
			r->json = true;
			break;
		case 'h':
			return admin_usage(stdout, usage);
		default:
			return EX_USAGE;
		}
	return -1;
}

static int
run(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct request *r);
	} subs[] = { { "verify", verify }, { "show", show } };
	struct request r = { 0 };
	int rc = options_read(&r, argc, argv);
	if (rc >= 0)
		return rc;
	for (size_t i = 0; optind + 1 == argc && i < sizeof subs / sizeof subs[0]; i++) {
		if (strcmp(argv[optind], subs[i].name) != 0)
			continue;
		r.conf = admin_conf(r.conf_path);
		if (!r.conf)
			return EX_CONFIG;
		rc = subs[i].run(&r);
		conf_free(&r.conf);
		return rc;
	}
	if (optind + 1 > argc)
		return admin_usage(stderr, usage);
	if (optind + 1 < argc)
		return admin_misuse("audit: \"%s\" is too much", argv[optind + 1]);
	return ADMIN_NO_SUB("audit", argv[optind], subs);
}

const struct admin_verb admin_audit_verb = { "audit", "show and check the log of what was done", run };
