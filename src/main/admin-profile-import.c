/*
 * admin-profile-import: profiles out of a CSV or NDJSON file.
 *
 * Rows are read and checked first, BATCH at a time, and only then written in
 * one transaction: the daemon's reservations wait for a batch at most, never
 * for the file (which may be a slow pipe). Memory is that of one batch.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "main/admin-profile.h"
#include "recipient/rows.h"

#define BATCH 1000
#define BATCH_BYTES ((size_t)16 << 20)
#define MAX_CONSENT_COLUMNS 16
#define MAX_TOPICS 64 /* of one row's _consent */
#define SHOWN_ERRORS 20

static const char usage[] =
    "usage: mailtailor profile import FILE|- [OPTION…]\n"
    "\n"
    "Imports profiles from a CSV file (RFC 4180, UTF-8, with a header row) or from NDJSON (one object per "
    "line).\n"
    "\n"
    "  -c, --config CONF            the configuration\n"
    "      --format csv|ndjson      default: by the file's name (.ndjson, .jsonl), else csv\n"
    "      --separator C            CSV: between cells; default \",\" (\"\\t\" is a tab)\n"
    "      --address-column NAME    where the address is; default email\n"
    "      --consent-column TOPIC=NAME\n"
    "                               a column of granted, denied, unknown (or yes, no); TOPIC is tracking,\n"
    "                               mail or mail:CATEGORY; may be repeated\n"
    "      --merge                  add to what is there already (default): groups are merged, other values\n"
    "                               replaced, an empty cell changes nothing, a JSON null removes\n"
    "      --replace                forget the profile that is there already\n"
    "      --on-error fail|skip     what a bad row does: stop the import (default; the rows before it are\n"
    "                               kept), or be passed over (what it refuses is kept)\n"
    "      --errors FILE            write all bad rows' line numbers and reasons there\n"
    "      --dry-run                check everything, write nothing\n"
    "      --json                   print the summary as JSON\n"
    "  -h, --help                   print this text\n"
    "\n"
    "Cells are text, unless the header says NAME:number or NAME:bool. GROUP.NAME makes a group.\n"
    "A \"_consent\" object (CSV: _consent.tracking, _consent.mail …) is taken as consents.\n";

struct consent_column {
	struct str topic, column;
};

struct import {
	/* options */
	const char *conf_path, *file, *format, *errors_path, *address_column;
	struct consent_column consent_columns[MAX_CONSENT_COLUMNS];
	size_t nconsent_columns;
	char separator;
	bool replace, skip, dry_run, json;

	struct desk desk;
	struct rows *rows;
	int fd;
	FILE *errors;
	struct progress *progress;

	struct arena *arena; /* of the batch */
	struct row *batch[BATCH];
	size_t nbatch;

	struct admin_columns *columns; /* those that are more than a field of somebody's */
	uint64_t imported, bad, consents;
	int64_t now_ms;
	bool stopped; /* a bad row under --on-error fail */
};

const struct admin_column_name profile_columns[PROFILE_COLUMNS] = {
	{ "language", { "lang", "locale" } },
	{ "time_zone", { "zone", "tz" } },
	{ "_consent", { NULL } },
};

/* ---- bad rows ---- */

static void
row_bad(struct import *m, uint64_t line, const struct err *e)
{
	m->bad++;
	if (m->errors)
		fprintf(m->errors, "%llu\t%s\n", (unsigned long long)line, e->text);
	if (!m->skip || (!m->errors && m->bad <= SHOWN_ERRORS))
		fprintf(stderr, "%smailtailor: %s: line %llu: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
			m->file, (unsigned long long)line, e->text);
	else if (!m->errors && m->bad == SHOWN_ERRORS + 1)
		fprintf(stderr, "mailtailor: more bad rows follow; --errors FILE keeps them all\n");
	if (!m->skip)
		m->stopped = true;
}

/* ---- consents ---- */

static int
consent_write(struct import *m, const struct recipient_key *rk, struct str topic, struct str word,
	      struct err *e)
{
	struct consent_record c = { .topic = topic, .at_ms = m->now_ms, .source = STR("import") };
	if (!consent_topic_valid(topic))
		return err_set(e, ERR_INPUT, "no consent topic \"%.*s\": tracking, mail or mail:CATEGORY",
			       STR_ARG(str_sub(topic, 0, 80)));
	if (consent_word_parse(word, &c.state) != 0)
		return err_set(e, ERR_INPUT, "consent \"%.*s\" for %.*s: granted, denied or unknown",
			       STR_ARG(str_sub(word, 0, 40)), STR_ARG(topic));
	m->consents += rk != NULL || m->dry_run;
	if (!rk)
		return consent_category_check(m->desk.conf, &c, e); /* only checked */
	return store_consent_put(m->desk.store, rk->b, &c, e);
}

/* What a consent cell says; never valid when it is no word at all. */
static struct str
word_of(const struct value *v)
{
	if (v->type == VALUE_STRING)
		return str_trim(v->s);
	if (v->type == VALUE_BOOL)
		return v->b ? STR("granted") : STR("denied");
	return STR("?");
}

/* Every consent of a row; with rk NULL they are only checked. */
static int
consents_apply(struct import *m, const struct value *profile, const struct recipient_key *rk, struct err *e)
{
	const struct value *own = value_map_get(profile, STR("_consent"));
	if (own && own->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "\"_consent\" is not an object of topics");
	if (own && value_map_count(own) > MAX_TOPICS)
		return err_set(e, ERR_LIMIT, "\"_consent\" has more than %d topics", MAX_TOPICS);
	for (size_t i = 0; own && i < value_map_count(own); i++) {
		struct str topic;
		const struct value *v;
		value_map_entry(own, i, &topic, &v);
		if (consent_write(m, rk, topic, word_of(v), e) != 0)
			return -1;
	}
	for (size_t i = 0; i < m->nconsent_columns; i++) {
		const struct value *v = value_path(profile, m->consent_columns[i].column);
		if (v && v->type != VALUE_NULL &&
		    consent_write(m, rk, m->consent_columns[i].topic, word_of(v), e) != 0)
			return -1;
	}
	return 0;
}

static int batch_write(struct import *m);

/*
 * A row that is passed over for its language, say, may hold what somebody has refused: that is kept, behind
 * the rows before it, for who looks at the row again does so later. An exit code.
 */
static int
refusals_keep(struct import *m, const struct row *row)
{
	struct err e = { 0 };
	const struct value *own = value_map_get(row->profile, STR("_consent"));
	struct recipient_key rk;
	struct str normal, topic;
	const struct value *v;
	size_t n = own && own->type == VALUE_MAP ? value_map_count(own) : 0;
	if (!m->skip || m->dry_run || address_normalize(m->arena, row->address, &normal, NULL) != 0)
		return EX_OK;
	recipient_key_of(m->desk.keys, normal, &rk);
	int rc = EX_OK;
	for (size_t i = 0; i < n + m->nconsent_columns && rc == EX_OK; i++) {
		struct consent_record c = { .state = CONSENT_UNKNOWN };
		if (i < n) {
			value_map_entry(own, i, &topic, &v);
		} else {
			topic = m->consent_columns[i - n].topic;
			v = value_path(row->profile, m->consent_columns[i - n].column);
		}
		if (v && consent_topic_valid(topic) && consent_word_parse(word_of(v), &c.state) == 0 &&
		    c.state == CONSENT_DENIED && (rc = batch_write(m)) == EX_OK &&
		    consent_write(m, &rk, topic, word_of(v), &e) != 0)
			rc = admin_fail(&e);
	}
	return rc;
}

static bool
is_consent_column(const struct import *m, struct str name)
{
	for (size_t i = 0; i < m->nconsent_columns; i++)
		if (str_eq(m->consent_columns[i].column, name))
			return true;
	return false;
}

/* The row's profile without what is consent. */
static struct value *
profile_of(struct import *m, const struct value *all)
{
	struct value *map = value_map_new(m->arena);
	for (size_t i = 0; i < value_map_count(all); i++) {
		struct str key;
		const struct value *v;
		value_map_entry(all, i, &key, &v);
		if (!str_eq(key, STR("_consent")) && !is_consent_column(m, key))
			value_map_set(m->arena, map, key, v);
	}
	return map;
}

/* ---- merging: RFC 7396 ---- */

static const struct value *
merge(struct arena *a, const struct value *old, const struct value *patch)
{
	if (patch->type != VALUE_MAP)
		return patch;
	struct value *out = value_map_new(a);
	/* Depth is bounded: both come out of the JSON reader or the row reader. */
	for (size_t i = 0; old && old->type == VALUE_MAP && i < value_map_count(old); i++) {
		struct str key;
		const struct value *v;
		value_map_entry(old, i, &key, &v);
		const struct value *p = value_map_get(patch, key);
		if (!p)
			value_map_set(a, out, key, v);
		else if (p->type != VALUE_NULL)
			value_map_set(a, out, key, merge(a, v, p));
	}
	for (size_t i = 0; i < value_map_count(patch); i++) {
		struct str key;
		const struct value *v;
		value_map_entry(patch, i, &key, &v);
		if (v->type != VALUE_NULL && !value_map_get(out, key))
			value_map_set(a, out, key, merge(a, NULL, v));
	}
	return out;
}

/* ---- a batch ---- */

/* 0, -1: the row is bad, -2: the database failed. */
static int
row_write(struct import *m, const struct row *row, struct err *e)
{
	struct desk *d = &m->desk;
	struct str normal;
	struct recipient_key rk;
	const struct value *profile = profile_of(m, row->profile), *old;
	if (address_normalize(m->arena, row->address, &normal, e) != 0)
		return -1;
	recipient_key_of(d->keys, normal, &rk);
	if (!m->replace) {
		if (recipient_profile_get(&d->src, normal, m->arena, &old, e) < 0)
			return e->kind == ERR_CORRUPT || e->kind == ERR_MISSING ? -1 : -2;
		profile = merge(m->arena, old, profile);
	}
	if (recipient_profile_put(&d->src, normal, profile, e) != 0)
		return e->kind == ERR_INPUT || e->kind == ERR_LIMIT ? -1 : -2;
	return consents_apply(m, row->profile, &rk, e) == 0 ? 0 : -2;
}

/* Writes what is in the batch; 0, or an exit code. */
static int
batch_write(struct import *m)
{
	struct err e = { 0 };
	uint64_t imported = 0, first = m->nbatch > 0 ? m->batch[0]->line : 0, consents = m->consents;
	bool failed = false;
	if (m->nbatch == 0 || m->dry_run) {
		m->imported += m->nbatch;
		m->nbatch = 0;
		return EX_OK;
	}
	if (store_batch_begin(m->desk.store, &e) != 0)
		return admin_fail(&e);
	for (size_t i = 0; i < m->nbatch; i++) {
		int rc = row_write(m, m->batch[i], &e);
		if (rc == -1)
			row_bad(m, m->batch[i]->line, &e);
		imported += rc == 0;
		failed = rc == -2;
		if (failed || m->stopped)
			break;
	}
	if (store_batch_end(m->desk.store, !failed, failed ? NULL : &e) != 0 || failed) {
		m->consents = consents;
		fprintf(stderr, "mailtailor: %s: the rows before line %llu are kept, none from there on\n",
			m->file, (unsigned long long)first);
		return admin_fail(&e);
	}
	m->imported += imported;
	m->nbatch = 0;
	return EX_OK;
}

/* ---- reading ---- */

static ssize_t
read_fd(void *ctx, char *p, size_t n)
{
	return read(*(int *)ctx, p, n);
}

/* What can be known to be wrong before the database is asked. */
static int
row_check(struct import *m, const struct row *row, struct err *e)
{
	struct str normal;
	uint64_t consents = m->consents;
	if (address_normalize(m->arena, row->address, &normal, e) != 0 ||
	    recipient_locale_check(row->profile, e) != 0)
		return -1;
	if (consents_apply(m, row->profile, NULL, e) == 0)
		return 0;
	m->consents = consents; /* a dry run counts those of good rows */
	return -1;
}

static int
import_rows(struct import *m)
{
	int rc = EX_OK;
	while (rc == EX_OK && !m->stopped) {
		struct err e = { 0 };
		struct row *row = ARENA_NEW(m->arena, struct row);
		enum rows_result res = rows_next(m->rows, m->arena, row, &e);
		if (res == ROWS_END)
			break;
		if (res == ROWS_FATAL) {
			int flushed = batch_write(m);
			err_prefix(&e, "%s", m->file);
			rc = admin_fail(&e);
			return flushed != EX_OK ? flushed : rc;
		}
		if (res == ROWS_ROW)
			admin_columns_see(m->columns, row->profile);
		if (res == ROWS_BAD || row_check(m, row, &e) != 0) {
			row_bad(m, row->line, &e);
			if (res == ROWS_ROW)
				rc = refusals_keep(m, row);
		} else {
			m->batch[m->nbatch++] = row;
		}
		if (rc == EX_OK && (m->nbatch == BATCH || arena_size(m->arena) > BATCH_BYTES)) {
			rc = batch_write(m);
			arena_reset(m->arena);
		}
		progress_update(m->progress, rows_bytes(m->rows));
	}
	if (rc == EX_OK) {
		/* A bad row found here is behind those of the batch: they are kept. */
		bool stopped = m->stopped;
		m->stopped = false;
		rc = batch_write(m);
		m->stopped |= stopped;
	}
	return rc;
}

static void
summary(const struct import *m, double seconds)
{
	double rate = seconds > 0 ? (double)m->imported / seconds : 0;
	admin_columns_end(m->columns, true);
	admin_columns_say(m->columns, m->file, "is an ordinary field");
	if (m->json) {
		struct buf b = { 0 };
		admin_columns_json(m->columns, &b);
		printf("{\"imported\": %llu, \"bad\": %llu, \"consents\": %llu, \"dry_run\": %s, "
		       "\"complete\": %s, \"doubtful\": %s, \"seconds\": %.3f}\n",
		       (unsigned long long)m->imported, (unsigned long long)m->bad,
		       (unsigned long long)m->consents, m->dry_run ? "true" : "false",
		       m->stopped ? "false" : "true", b.p, seconds);
		buf_free(&b);
		return;
	}
	printf("%llu row%s %s in %.1f s (%.0f/s)", (unsigned long long)m->imported,
	       m->imported == 1 ? "" : "s", m->dry_run ? "would be imported" : "imported", seconds, rate);
	if (m->consents > 0)
		printf(", %llu consent%s", (unsigned long long)m->consents, m->consents == 1 ? "" : "s");
	if (m->bad > 0 && m->skip)
		printf("; %llu bad row%s passed over", (unsigned long long)m->bad, m->bad == 1 ? "" : "s");
	printf(m->stopped ? "; stopped at the bad row, nothing behind it was read\n" : "\n");
}

static int
consent_columns_need(struct import *m)
{
	struct err e = { 0 };
	for (size_t i = 0; i < m->nconsent_columns; i++) {
		const struct consent_column *x = &m->consent_columns[i];
		if (rows_need(m->rows, x->column, &e) != 0) {
			err_prefix(&e, "%s: --consent-column", m->file);
			return admin_fail(&e);
		}
	}
	return EX_OK;
}

static int
import_run(struct import *m)
{
	struct stat st;
	struct rows_options o = {
		.format = strcmp(m->format, "ndjson") == 0 ? ROWS_NDJSON : ROWS_CSV,
		.address_column = str_of(m->address_column),
		.separator = m->separator,
		.separates = true,
		.read = read_fd,
		.ctx = &m->fd,
	};
	int64_t from = clock_mono_us();
	uint64_t size = fstat(m->fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	m->now_ms = clock_now_ms();
	m->arena = arena_new((size_t)1 << 20);
	m->rows = rows_new(&o);
	m->columns = admin_columns_new(profile_columns, PROFILE_COLUMNS);
	int rc = consent_columns_need(m);
	m->progress = progress_start("importing (bytes)", size);
	if (rc == EX_OK)
		rc = import_rows(m);
	progress_end(&m->progress);
	summary(m, (double)(clock_mono_us() - from) / 1e6);
	rows_free(&m->rows);
	admin_columns_free(&m->columns);
	arena_free(&m->arena);
	return rc != EX_OK ? rc : m->stopped ? EX_DATAERR : EX_OK;
}

/* ---- command line ---- */

static int
consent_column_read(struct import *m, const char *arg)
{
	struct str column = str_of(arg), topic;
	if (m->nconsent_columns == MAX_CONSENT_COLUMNS)
		return admin_misuse("at most %d --consent-column", MAX_CONSENT_COLUMNS);
	if (!strchr(arg, '=') || !str_split(&column, '=', &topic) || column.n == 0 ||
	    !consent_topic_valid(topic))
		return admin_misuse(
		    "--consent-column %s: write TOPIC=COLUMN, where TOPIC is tracking, mail or "
		    "mail:CATEGORY",
		    arg);
	m->consent_columns[m->nconsent_columns++] = (struct consent_column){ topic, column };
	return -1;
}

enum {
	OPT_FORMAT = 256,
	OPT_SEPARATOR,
	OPT_ADDRESS,
	OPT_CONSENT,
	OPT_MERGE,
	OPT_REPLACE,
	OPT_ON_ERROR,
	OPT_ERRORS,
	OPT_DRY_RUN,
	OPT_JSON
};

/* -1 to go on, else an exit code. */
static int
option_read(struct import *m, int c, const char *arg)
{
	switch (c) {
	case 'c':
		m->conf_path = arg;
		return -1;
	case OPT_FORMAT:
		m->format = arg;
		if (strcmp(arg, "csv") != 0 && strcmp(arg, "ndjson") != 0)
			return admin_misuse("--format %s: csv or ndjson", arg);
		return -1;
	case OPT_SEPARATOR:
		m->separator = strcmp(arg, "\\t") == 0 ? '\t' : arg[0];
		if ((arg[0] != '\\' && strlen(arg) != 1) || strchr("\"\r\n", m->separator))
			return admin_misuse("--separator takes one character, no quote or line end");
		return -1;
	case OPT_ADDRESS:
		m->address_column = arg;
		return -1;
	case OPT_CONSENT:
		return consent_column_read(m, arg);
	case OPT_MERGE:
		m->replace = false;
		return -1;
	case OPT_REPLACE:
		m->replace = true;
		return -1;
	case OPT_ON_ERROR:
		m->skip = strcmp(arg, "skip") == 0;
		if (!m->skip && strcmp(arg, "fail") != 0)
			return admin_misuse("--on-error %s: skip or fail", arg);
		return -1;
	case OPT_ERRORS:
		m->errors_path = arg;
		return -1;
	case OPT_DRY_RUN:
		m->dry_run = true;
		return -1;
	case OPT_JSON:
		m->json = true;
		return -1;
	case 'h':
		return admin_usage(stdout, usage);
	default:
		return EX_USAGE;
	}
}

static int
options_read(struct import *m, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "format", required_argument, NULL, OPT_FORMAT },
		{ "separator", required_argument, NULL, OPT_SEPARATOR },
		{ "address-column", required_argument, NULL, OPT_ADDRESS },
		{ "consent-column", required_argument, NULL, OPT_CONSENT },
		{ "merge", no_argument, NULL, OPT_MERGE },
		{ "replace", no_argument, NULL, OPT_REPLACE },
		{ "on-error", required_argument, NULL, OPT_ON_ERROR },
		{ "errors", required_argument, NULL, OPT_ERRORS },
		{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c, rc = -1;
	optind = 0;
	while (rc < 0 && (c = admin_option(argc, argv, "c:h", options)) != -1)
		rc = option_read(m, c, optarg);
	if (rc >= 0)
		return rc;
	if (argc - optind != 1)
		return admin_usage(stderr, usage);
	m->file = argv[optind];
	if (!m->format) {
		struct str name = str_of(m->file);
		m->format =
		    str_ends(name, STR(".ndjson")) || str_ends(name, STR(".jsonl")) ? "ndjson" : "csv";
	}
	return -1;
}

/* For its owner only: reasons quote what stood in the row. */
static FILE *
private_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (fd >= 0 && !f)
		close(fd);
	return f;
}

static int
files_open(struct import *m)
{
	m->fd = strcmp(m->file, "-") == 0 ? STDIN_FILENO : open(m->file, O_RDONLY | O_CLOEXEC);
	if (m->fd < 0) {
		fprintf(stderr, "mailtailor: %s: %s\n", m->file, strerror(errno));
		return EX_NOINPUT;
	}
	if (m->errors_path && !(m->errors = private_open(m->errors_path))) {
		fprintf(stderr, "mailtailor: %s: %s\n", m->errors_path, strerror(errno));
		return EX_CANTCREAT;
	}
	return EX_OK;
}

int
profile_import(int argc, char **argv)
{
	struct import *m = calloc(1, sizeof *m);
	if (!m)
		abort();
	m->address_column = "email";
	m->fd = -1;
	int rc = options_read(m, argc, argv);
	if (rc < 0 && (rc = files_open(m)) == EX_OK &&
	    (rc = desk_open(&m->desk, m->conf_path, DESK_WRITE)) == EX_OK &&
	    (m->dry_run || (rc = admin_audit(m->desk.conf, AUDIT_PROFILE_IMPORT, NULL, NULL, "%s",
					     m->replace ? "replacing" : "merging")) == EX_OK)) {
		rc = import_run(m);
		if (!m->dry_run)
			admin_audit_end(m->desk.conf, AUDIT_PROFILE_IMPORT, NULL, rc);
	}
	if (m->errors && fclose(m->errors) != 0 && rc == EX_OK) {
		fprintf(stderr, "mailtailor: %s: %s\n", m->errors_path, strerror(errno));
		rc = EX_IOERR;
	}
	if (m->fd > STDIN_FILENO)
		close(m->fd);
	desk_close(&m->desk);
	free(m);
	return rc;
}
