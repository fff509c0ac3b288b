/* mailtailor suppress: addresses and domains that get no mail. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/admin-profile.h"

#define MAX_LINE 1000
#define BATCH 1000
#define SHOWN_ERRORS 20

static const char usage[] =
    "usage: mailtailor suppress add ADDRESS|@DOMAIN [--category C] [--reason R] [--note TEXT]\n"
    "       mailtailor suppress remove ADDRESS|@DOMAIN [--category C] [--reason R]\n"
    "       mailtailor suppress check ADDRESS [--category C] [--json]\n"
    "       mailtailor suppress list [ADDRESS|@DOMAIN] [--json]\n"
    "       mailtailor suppress import FILE|- [--category C] [--reason R] [--on-error fail|skip]\n"
    "\n"
    "Without --category all mail but transactional is suppressed; \"*\" means all mail.\n"
    "\n"
    "  remove    takes out the one there is; of several, which have different reasons, that of\n"
    "            --reason: one who bounced may have unsubscribed as well\n"
    "  check     exit code 0: may be mailed; 1: suppressed or refused, and says why\n"
    "  list      shows hashes: no plain address is stored. With ADDRESS, what concerns it\n"
    "  import    one address or @domain per line, as CSV: what follows the first comma is\n"
    "            ignored, so are blank lines, lines that begin with # and a header \"email\"\n"
    "\n"
    "  -c, --config CONF     the configuration\n"
    "      --category C      a campaign category, or \"*\"\n"
    "      --reason R        manual (default), unsubscribe, complaint, hard-bounce, soft-bounce,\n"
    "                        import (default of import)\n"
    "      --note TEXT       kept as it is, and readable: no address in it\n"
    "      --on-error W      import: what a bad line does: fail (default; the lines before it are\n"
    "                        kept) or skip\n"
    "      --json            print JSON\n"
    "  -h, --help            print this text\n";

struct request {
	const char *conf_path, *category, *note, *arg;
	enum suppression_reason reason;
	bool reason_given, json, skip;
};

/* ---- keys ---- */

/* "@domain" or an address. */
static int
key_of(struct desk *d, struct arena *a, struct str what, struct recipient_key *key, struct err *e)
{
	struct str normal;
	if (what.n > 0 && what.p[0] == '@') {
		/* The address rules normalise the domain: any local part will do. */
		struct str probe = arena_printf(a, "x%.*s", STR_ARG(what));
		if (address_normalize(a, probe, &normal, e) != 0)
			return err_set(e, ERR_INPUT, "not a domain");
		domain_key_of(d->keys, str_sub(normal, 2, normal.n), key);
		return 0;
	}
	if (address_normalize(a, what, &normal, e) != 0)
		return -1;
	recipient_key_of(d->keys, normal, key);
	return 0;
}

static struct suppression_record
record_of(const struct request *r, enum suppression_reason fallback)
{
	return (struct suppression_record){
		.category = str_of(r->category ? r->category : ""),
		.reason = r->reason_given ? r->reason : fallback,
		.at_ms = clock_now_ms(),
		.note = str_of(r->note ? r->note : ""),
	};
}

/* ---- add, remove, check ---- */

static int
add(struct desk *d, const struct request *r)
{
	struct err e = { 0 };
	struct recipient_key key;
	const struct suppression_record rec = record_of(r, SUPPRESS_MANUAL);
	if (key_of(d, d->arena, str_of(r->arg), &key, &e) != 0)
		return admin_fail(&e);
	int rc = admin_audit(d->conf, AUDIT_SUPPRESSION_ADD, key.b, NULL, "%s%s%s",
			     suppression_reason_name(rec.reason), rec.category.n ? ", category " : "",
			     r->category ? r->category : "");
	if (rc != EX_OK)
		return rc;
	rc = store_suppression_put(d->store, key.b, &rec, &e) == 0 ? EX_OK : admin_fail(&e);
	return admin_audit_end(d->conf, AUDIT_SUPPRESSION_ADD, key.b, rc);
}

/* The reason of the one that is meant; -1 when that is not clear, or nothing is there, which is said. */
static int
reason_meant(struct desk *d, const struct request *r, const struct recipient_key *key, int *rc)
{
	struct err e = { 0 };
	struct store_view v;
	const struct store_view_request rq = { .rk = key->b };
	const struct str category = str_of(r->category ? r->category : "");
	char names[160] = "";
	int n = 0, reason = -1;
	if (store_view(d->store, &rq, d->arena, &v, &e) != 0) {
		*rc = admin_fail(&e);
		return -1;
	}
	for (size_t i = 0; i < v.nsuppressions_own; i++) {
		const struct suppression_record *s = &v.suppressions[i];
		if (!str_eq(s->category, category) || (r->reason_given && s->reason != r->reason))
			continue;
		size_t len = strlen(names);
		snprintf(names + len, sizeof names - len, "%s%s", n++ > 0 ? ", " : "",
			 suppression_reason_name(s->reason));
		reason = (int)s->reason;
	}
	if (n == 1)
		return reason;
	*rc = n == 0 ? EX_NOINPUT : EX_DATAERR;
	if (n == 0)
		fprintf(
		    stderr,
		    "mailtailor: no such suppression; `mailtailor suppress list %s` shows what there is\n",
		    r->arg);
	else
		fprintf(stderr,
			"mailtailor: suppressed for %d reasons (%s): say which one is to be removed with "
			"--reason\n",
			n, names);
	return -1;
}

static int
remove_one(struct desk *d, const struct request *r)
{
	struct err e = { 0 };
	struct recipient_key key;
	int rc = EX_OK, reason;
	if (key_of(d, d->arena, str_of(r->arg), &key, &e) != 0)
		return admin_fail(&e);
	if ((reason = reason_meant(d, r, &key, &rc)) < 0)
		return rc;
	rc = admin_audit(d->conf, AUDIT_SUPPRESSION_REMOVE, key.b, NULL, "%s%s%s",
			 suppression_reason_name((enum suppression_reason)reason),
			 r->category ? ", category " : "", r->category ? r->category : "");
	if (rc != EX_OK)
		return rc;
	int found = store_suppression_remove(d->store, key.b, str_of(r->category ? r->category : ""),
					     (enum suppression_reason)reason, &e);
	return admin_audit_end(d->conf, AUDIT_SUPPRESSION_REMOVE, key.b, found < 0 ? admin_fail(&e) : EX_OK);
}

/* Reads it as a campaign of that category would. */
static int
check(struct desk *d, const struct request *r)
{
	struct err e = { 0 };
	struct conf_campaign campaign = { .name = "check",
					  .category = r->category ? r->category : "marketing" };
	struct recipient_source src = d->src;
	struct recipient_snapshot *s;
	src.campaign = &campaign;
	if (recipient_read(&src, str_of(r->arg), STR("<check>"), clock_now_ms(), d->arena, &s, &e) != 0)
		return admin_fail(&e);
	if (r->json)
		printf("{\"suppressed\": %s, \"reason\": %s%s%s, \"refused\": %s}\n",
		       s->suppressed ? "true" : "false", s->suppressed ? "\"" : "",
		       s->suppressed ? s->suppressed_reason : "null", s->suppressed ? "\"" : "",
		       s->mail_denied ? "true" : "false");
	else if (s->suppressed)
		printf("suppressed: %s\n", s->suppressed_reason);
	else if (s->mail_denied)
		printf("refused: consent to this mail is denied; `mailtailor profile export %s` shows it\n",
		       r->arg);
	else
		printf("not suppressed\n");
	return s->suppressed || s->mail_denied ? 1 : EX_OK;
}

/* ---- list ---- */

struct listing {
	struct desk *d;
	struct admin_table *table;
};

static const struct admin_column columns[] = {
	{ "HASH", ADMIN_COL_TEXT },  { "CATEGORY", ADMIN_COL_TEXT }, { "REASON", ADMIN_COL_TEXT },
	{ "SINCE", ADMIN_COL_TEXT }, { "UNTIL", ADMIN_COL_TEXT },    { "NOTE", ADMIN_COL_TEXT },
};

static bool
list_one(void *ctx, const uint8_t key[16], const struct suppression_record *r)
{
	struct listing *l = ctx;
	struct arena *a = arena_new(512);
	struct recipient_key k;
	char hex[33], since[40], until[40];
	memcpy(k.b, key, sizeof k.b);
	recipient_key_hex(&k, hex);
	const char *cells[] = { hex,
				r->category.n ? arena_cstr(a, r->category) : NULL,
				suppression_reason_name(r->reason),
				clock_format_rfc3339(r->at_ms, since),
				r->until_ms ? clock_format_rfc3339(r->until_ms, until) : NULL,
				r->note.n ? arena_cstr(a, r->note) : NULL };
	admin_table_row(l->table, cells);
	arena_free(&a);
	return true;
}

static int
list_of(struct desk *d, const struct request *r, struct listing *l, struct err *e)
{
	struct recipient_key key, domain;
	struct store_view view;
	struct subject s;
	bool is_domain = r->arg[0] == '@';
	if (is_domain) {
		if (key_of(d, d->arena, str_of(r->arg), &key, e) != 0)
			return -1;
	} else {
		if (subject_of(d, r->arg, &s, e) != 0)
			return -1;
		key = s.key;
		domain = s.domain_key;
	}
	const struct store_view_request rq = { .rk = key.b, .dk = is_domain ? NULL : domain.b };
	if (store_view(d->store, &rq, d->arena, &view, e) != 0)
		return -1;
	for (size_t i = 0; i < view.nsuppressions; i++)
		list_one(l, i < view.nsuppressions_own ? key.b : domain.b, &view.suppressions[i]);
	return 0;
}

static int
list(struct desk *d, const struct request *r)
{
	struct err e = { 0 };
	struct listing l = { d, admin_table_new(columns, sizeof columns / sizeof columns[0]) };
	int rc = r->arg ? list_of(d, r, &l, &e) : store_suppression_each(d->store, list_one, &l, &e);
	if (rc == 0 && (r->json || admin_table_rows(l.table) > 0))
		admin_table_print(l.table, stdout, r->json);
	else if (rc == 0)
		fprintf(stderr, "mailtailor: nothing is suppressed\n");
	admin_table_free(&l.table);
	return rc == 0 ? EX_OK : admin_fail(&e);
}

/* ---- import ---- */

struct line_import {
	struct desk *d;
	const struct request *r;
	struct suppression_record record;
	struct recipient_key keys[BATCH]; /* read first, written together: the file may be a slow pipe */
	size_t nkeys;
	uint64_t line, done, bad;
};

static int
keys_write(struct line_import *m)
{
	struct err e = { 0 };
	if (m->nkeys == 0)
		return EX_OK;
	if (store_batch_begin(m->d->store, &e) != 0)
		return admin_fail(&e);
	bool failed = false;
	for (size_t i = 0; i < m->nkeys && !failed; i++)
		failed = store_suppression_put(m->d->store, m->keys[i].b, &m->record, &e) != 0;
	if (store_batch_end(m->d->store, !failed, failed ? NULL : &e) != 0 || failed) {
		fprintf(stderr, "mailtailor: %llu entries before line %llu are kept\n",
			(unsigned long long)m->done, (unsigned long long)m->line);
		return admin_fail(&e);
	}
	m->done += m->nkeys;
	m->nkeys = 0;
	return EX_OK;
}

/* 1: a key was added, 0: nothing on this line, -1: bad. */
static int
line_read(struct line_import *m, struct str line, struct arena *a, struct err *e)
{
	struct str rest = str_trim(line), what;
	if (m->line == 1 && str_starts(rest, STR("\xef\xbb\xbf")))
		rest = str_sub(rest, 3, rest.n);
	if (rest.n == 0 || rest.p[0] == '#')
		return 0;
	str_split(&rest, ',', &what);
	what = str_trim(what);
	if (what.n >= 2 && what.p[0] == '"' && what.p[what.n - 1] == '"' && str_find_char(what, '@') < what.n)
		what = str_sub(what, 1, what.n - 1);
	if (m->line == 1 && (str_caseeq(what, STR("email")) || str_caseeq(what, STR("address"))))
		return 0;
	if (key_of(m->d, a, what, &m->keys[m->nkeys], e) != 0)
		return -1;
	m->nkeys++;
	return 1;
}

static int
lines_import(struct line_import *m, FILE *in)
{
	char text[MAX_LINE + 2];
	struct arena *a = arena_new(4096);
	int rc = EX_OK;
	while (rc == EX_OK && fgets(text, sizeof text, in)) {
		struct err e = { 0 };
		struct str line = str_of(text);
		int got;
		m->line++;
		if (line.n == sizeof text - 1 && line.p[line.n - 1] != '\n') {
			for (int c = 0; c != '\n' && c != EOF;)
				c = fgetc(in);
			got = err_set(&e, ERR_LIMIT, "a line of more than %d bytes", MAX_LINE);
		} else {
			got = line_read(m, line, a, &e);
		}
		arena_reset(a);
		if (got < 0 && (++m->bad <= SHOWN_ERRORS || !m->r->skip))
			fprintf(stderr, "mailtailor: %s: line %llu: %s\n", m->r->arg,
				(unsigned long long)m->line, e.text);
		if (got < 0 && !m->r->skip)
			rc = EX_DATAERR;
		if (rc == EX_OK && m->nkeys == BATCH)
			rc = keys_write(m);
	}
	if (rc == EX_OK && ferror(in)) {
		fprintf(stderr, "mailtailor: %s: %s\n", m->r->arg, strerror(errno));
		rc = EX_IOERR;
	}
	if (rc == EX_OK || rc == EX_DATAERR) {
		int flushed = keys_write(m);
		rc = flushed != EX_OK ? flushed : rc;
	}
	arena_free(&a);
	return rc;
}

static int
import(struct desk *d, const struct request *r)
{
	struct line_import *m = calloc(1, sizeof *m);
	bool is_stdin = strcmp(r->arg, "-") == 0;
	FILE *in = is_stdin ? stdin : fopen(r->arg, "re");
	int rc;
	if (!m)
		abort();
	if (!in) {
		fprintf(stderr, "mailtailor: %s: %s\n", r->arg, strerror(errno));
		free(m);
		return EX_NOINPUT;
	}
	m->d = d;
	m->r = r;
	m->record = record_of(r, SUPPRESS_IMPORT);
	rc = admin_audit(d->conf, AUDIT_SUPPRESSION_IMPORT, NULL, NULL, "%s",
			 suppression_reason_name(m->record.reason));
	if (rc == EX_OK) {
		rc = lines_import(m, in);
		admin_audit_end(d->conf, AUDIT_SUPPRESSION_IMPORT, NULL, rc);
	}
	if (r->json)
		printf("{\"imported\": %llu, \"bad\": %llu}\n", (unsigned long long)m->done,
		       (unsigned long long)m->bad);
	else
		printf("%llu suppressed, %llu bad line%s\n", (unsigned long long)m->done,
		       (unsigned long long)m->bad, m->bad == 1 ? "" : "s");
	if (!is_stdin)
		fclose(in);
	free(m);
	return rc;
}

/* ---- command line ---- */

static int
reason_read(struct request *r, const char *word)
{
	for (int i = SUPPRESS_MANUAL; i <= SUPPRESS_IMPORT; i++)
		if (strcmp(word, suppression_reason_name((enum suppression_reason)i)) == 0) {
			r->reason = (enum suppression_reason)i;
			r->reason_given = true;
			return -1;
		}
	return admin_misuse("--reason %s: there is no such reason; it is manual, unsubscribe, complaint, "
			    "hard-bounce, soft-bounce or import (--note takes any text)",
			    word);
}

static int
option_read(struct request *r, int c, const char *arg)
{
	switch (c) {
	case 'c':
		r->conf_path = arg;
		return -1;
	case 'k':
		r->category = arg;
		return -1;
	case 'r':
		return reason_read(r, arg);
	case 'n':
		r->note = arg;
		return -1;
	case 'e':
		r->skip = strcmp(arg, "skip") == 0;
		return r->skip || strcmp(arg, "fail") == 0 ? -1
							   : admin_misuse("--on-error %s: skip or fail", arg);
	case 'j':
		r->json = true;
		return -1;
	case 'h':
		return admin_usage(stdout, usage);
	default:
		return EX_USAGE;
	}
}

/*
 * What stands there may be of a category that was taken out: that can be removed. So may be a list of those
 * who left it, who count on being left alone when it comes back.
 */
static int
category_check(const struct desk *d, const struct request *r,
	       int (*run)(struct desk *, const struct request *))
{
	struct err e = { 0 };
	if (!r->category || run == remove_one || strcmp(r->category, "*") == 0 ||
	    admin_category(d->conf, str_of(r->category), &e) == 0)
		return EX_OK;
	if (run != import)
		return admin_fail(&e);
	fprintf(stderr, "mailtailor: %s; the list is kept for it all the same\n", e.text);
	return EX_OK;
}

static const struct sub {
	const char *name;
	enum desk_access access;
	int min, max;
	int (*run)(struct desk *d, const struct request *r);
} SUBS[] = {
	{ "add", DESK_WRITE, 1, 1, add },	{ "remove", DESK_WRITE, 1, 1, remove_one },
	{ "check", DESK_READ, 1, 1, check },	{ "list", DESK_READ, 0, 1, list },
	{ "import", DESK_WRITE, 1, 1, import },
};

static int
run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },   { "category", required_argument, NULL, 'k' },
		{ "reason", required_argument, NULL, 'r' },   { "note", required_argument, NULL, 'n' },
		{ "on-error", required_argument, NULL, 'e' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },	      { NULL, 0, NULL, 0 },
	};
	struct request r = { 0 };
	struct desk d;
	int c, rc = -1;
	optind = 0;
	while (rc < 0 && (c = admin_option(argc, argv, "c:h", options)) != -1)
		rc = option_read(&r, c, optarg);
	if (rc >= 0)
		return rc;
	argc -= optind;
	argv += optind;
	for (size_t i = 0; argc > 0 && i < sizeof SUBS / sizeof SUBS[0]; i++) {
		const struct sub *sub = &SUBS[i];
		if (strcmp(argv[0], sub->name) != 0)
			continue;
		if (argc - 1 < sub->min || argc - 1 > sub->max)
			return admin_usage(stderr, usage);
		r.arg = argc > 1 ? argv[1] : NULL;
		rc = desk_open(&d, r.conf_path, sub->access);
		if (rc == EX_OK && (rc = category_check(&d, &r, sub->run)) == EX_OK)
			rc = sub->run(&d, &r);
		desk_close(&d);
		return rc;
	}
	return argc > 0 ? ADMIN_NO_SUB("suppress", argv[0], SUBS) : admin_usage(stderr, usage);
}

const struct admin_verb admin_suppress_verb = { "suppress", "keep addresses and domains from being mailed",
						run };
