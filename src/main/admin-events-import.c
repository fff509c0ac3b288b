/*
 * admin-events-import: events out of a CSV or NDJSON file.
 *
 * Rows are read BATCH at a time, and a batch is one commit, in the order of the keys it touches: so the trees
 * are written from left to right, and memory is that of one batch whatever the file's size is.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/admin-events.h"
#include "recipient/event-text.h"
#include "recipient/rows.h"

#define BATCH 100000
#define BATCH_BYTES ((size_t)32 << 20)
#define SHOWN_ERRORS 20

static const char usage[] =
    "usage: mailtailor events import FILE|- [OPTION…]\n"
    "\n"
    "Imports events from NDJSON (one object a line) or from a CSV file (RFC 4180, UTF-8, with a header\n"
    "row), with the columns that export writes; a recipient may be given as email instead.\n"
    "An event with an id is added once, however often it is imported (within 30 days).\n"
    "\n"
    "      --format csv|ndjson      default: by the file's name (.csv), else ndjson\n"
    "      --source NAME            of events that name no source of their own; default import\n"
    "      --on-error fail|skip     what a bad row does: stop the import (default; the rows before it are\n"
    "                               kept), or be passed over\n"
    "      --dry-run                check everything, write nothing\n"
    "      --json                   print the summary as JSON\n"
    "  -c, --config CONF            the configuration\n"
    "  -h, --help                   print this text\n";

struct import {
	const char *conf_path, *file, *format, *source;
	bool skip, dry_run, json;

	struct conf *conf;
	struct keyring *keys;
	struct store *store;
	struct rows *rows;
	int fd;
	struct progress *progress;

	struct arena *arena, *row_arena; /* of the batch, of one row */
	struct event *batch;
	bool *added;
	size_t nbatch;
	uint64_t imported, again, bad;
	bool stopped; /* a bad row under --on-error fail */
};

static void
row_bad(struct import *m, uint64_t line, const struct err *e)
{
	if (m->bad++ < SHOWN_ERRORS)
		admin_say("%s:%llu: %s", m->file, (unsigned long long)line, e->text);
	else if (m->bad == SHOWN_ERRORS + 1)
		admin_say("%s: further bad rows are counted only", m->file);
	m->stopped = m->stopped || !m->skip;
}

/* With its strings in the batch's memory. Most words are those of the row before. */
static void
batch_add(struct import *m, const struct event *ev)
{
	struct event *to = &m->batch[m->nbatch], *before = m->nbatch > 0 ? to - 1 : NULL;
	static const size_t words[] = {
		offsetof(struct event, reason),	  offsetof(struct event, campaign),
		offsetof(struct event, arm),	  offsetof(struct event, domain),
		offsetof(struct event, segment),  offsetof(struct event, category),
		offsetof(struct event, source),	  offsetof(struct event, url),
		offsetof(struct event, currency), offsetof(struct event, queue_id),
		offsetof(struct event, details),
	};
	*to = *ev;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct str *s = (struct str *)(void *)((char *)to + words[i]);
		const struct str *old = before ? (struct str *)(void *)((char *)before + words[i]) : NULL;
		*s = old && str_eq(*s, *old) ? *old : arena_str(m->arena, *s);
	}
	if (to->source.n == 0)
		to->source = str_of(m->source);
	m->nbatch++;
}

/* Writes what is in the batch; an exit code. */
static int
batch_write(struct import *m)
{
	struct err e = { 0 };
	if (m->nbatch == 0)
		return EX_OK;
	if (!m->dry_run && event_add(m->store, m->batch, m->nbatch, m->added, &e) != 0) {
		admin_say("%s: the %llu events before are kept, none from there on", m->file,
			  (unsigned long long)m->imported);
		return admin_fail(&e);
	}
	for (size_t i = 0; i < m->nbatch; i++) {
		m->imported += m->dry_run || m->added[i];
		m->again += !m->dry_run && !m->added[i];
	}
	m->nbatch = 0;
	arena_reset(m->arena);
	return EX_OK;
}

static ssize_t
read_fd(void *ctx, char *p, size_t n)
{
	return read(*(int *)ctx, p, n);
}

static int
import_rows(struct import *m)
{
	int rc = EX_OK;
	while (rc == EX_OK && !m->stopped) {
		struct err e = { 0 };
		struct event ev;
		struct row row;
		arena_reset(m->row_arena);
		enum rows_result res = rows_next(m->rows, m->row_arena, &row, &e);
		if (res == ROWS_END)
			break;
		if (res == ROWS_FATAL) {
			int flushed = batch_write(m);
			err_prefix(&e, "%s", m->file);
			rc = admin_fail(&e);
			return flushed != EX_OK ? flushed : rc;
		}
		if (res == ROWS_BAD || event_text_parse(m->keys, row.profile, m->row_arena, &ev, &e) != 0 ||
		    event_valid(&ev, &e) != 0)
			row_bad(m, row.line, &e);
		else
			batch_add(m, &ev);
		if (m->nbatch == BATCH || arena_size(m->arena) > BATCH_BYTES)
			rc = batch_write(m);
		progress_update(m->progress, rows_bytes(m->rows));
	}
	return rc == EX_OK ? batch_write(m) : rc;
}

static void
summary(const struct import *m, double seconds)
{
	double rate = seconds > 0 ? (double)m->imported / seconds : 0;
	if (m->json) {
		printf(
		    "{\"imported\": %llu, \"again\": %llu, \"bad\": %llu, \"dry_run\": %s, \"complete\": %s, "
		    "\"seconds\": %.3f}\n",
		    (unsigned long long)m->imported, (unsigned long long)m->again, (unsigned long long)m->bad,
		    m->dry_run ? "true" : "false", m->stopped ? "false" : "true", seconds);
		return;
	}
	printf("%llu event%s %s in %.1f s (%.0f/s)", (unsigned long long)m->imported,
	       m->imported == 1 ? "" : "s", m->dry_run ? "would be imported" : "imported", seconds, rate);
	if (m->again > 0)
		printf("; %llu were there already", (unsigned long long)m->again);
	if (m->bad > 0 && m->skip)
		printf("; %llu bad row%s passed over", (unsigned long long)m->bad, m->bad == 1 ? "" : "s");
	printf(m->stopped ? "; stopped at the bad row, nothing behind it was read\n" : "\n");
}

static int
import_run(struct import *m)
{
	struct stat st;
	const struct rows_options o = {
		.format = strcmp(m->format, "csv") == 0 ? ROWS_CSV : ROWS_NDJSON,
		.read = read_fd,
		.ctx = &m->fd,
	};
	int64_t from = clock_mono_us();
	m->arena = arena_new((size_t)1 << 20);
	m->row_arena = arena_new((size_t)16 << 10);
	m->batch = calloc(BATCH, sizeof(*m->batch));
	m->added = calloc(BATCH, sizeof(*m->added));
	if (!m->batch || !m->added)
		abort();
	m->rows = rows_new(&o);
	m->progress = progress_start(
	    "importing (bytes)", fstat(m->fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
	int rc = import_rows(m);
	progress_end(&m->progress);
	summary(m, (double)(clock_mono_us() - from) / 1e6);
	rows_free(&m->rows);
	arena_free(&m->arena);
	arena_free(&m->row_arena);
	free(m->batch);
	free(m->added);
	return rc != EX_OK ? rc : m->stopped ? EX_DATAERR : EX_OK;
}

/* -1 to go on, else an exit code. */
static int
option_read(struct import *m, int c, const char *arg)
{
	switch (c) {
	case 'c':
		m->conf_path = arg;
		return -1;
	case 'f':
		m->format = arg;
		return strcmp(arg, "csv") == 0 || strcmp(arg, "ndjson") == 0
			   ? -1
			   : admin_misuse("--format is csv or ndjson, not \"%s\"", arg);
	case 's':
		m->source = arg;
		return *arg ? -1 : admin_misuse("--source is empty");
	case 'e':
		m->skip = strcmp(arg, "skip") == 0;
		return m->skip || strcmp(arg, "fail") == 0
			   ? -1
			   : admin_misuse("--on-error is fail or skip, not \"%s\"", arg);
	case 'd':
		m->dry_run = true;
		return -1;
	case 'j':
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
		{ "config", required_argument, NULL, 'c' }, { "format", required_argument, NULL, 'f' },
		{ "source", required_argument, NULL, 's' }, { "on-error", required_argument, NULL, 'e' },
		{ "dry-run", no_argument, NULL, 'd' },	    { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	int c, code = -1;
	optind = 0;
	while (code < 0 && (c = admin_option(argc, argv, "c:h", options)) != -1)
		code = option_read(m, c, optarg);
	if (code >= 0)
		return code;
	if (argc - optind != 1)
		return admin_usage(stderr, usage);
	m->file = argv[optind];
	if (!m->format)
		m->format = str_ends(str_of(m->file), STR(".csv")) ? "csv" : "ndjson";
	return -1;
}

int
events_import(int argc, char **argv)
{
	struct import m = { .source = "import", .fd = -1 };
	int code = options_read(&m, argc, argv);
	if (code >= 0)
		return code;
	m.fd = strcmp(m.file, "-") == 0 ? STDIN_FILENO : open(m.file, O_RDONLY | O_CLOEXEC);
	if (m.fd < 0) {
		admin_say("%s: %s", m.file, strerror(errno));
		return EX_NOINPUT;
	}
	code = EX_CONFIG;
	if ((m.conf = admin_conf(m.conf_path)) && (m.keys = admin_keys(m.conf, &code)) &&
	    (m.store = admin_store(m.conf, false, true, &code)))
		code = admin_audit(m.conf, AUDIT_EVENTS_IMPORT, NULL, NULL, "source %s", m.source);
	if (m.store && code == EX_OK)
		code = admin_audit_end(m.conf, AUDIT_EVENTS_IMPORT, NULL, import_run(&m));
	if (m.fd > STDIN_FILENO)
		close(m.fd);
	store_close(&m.store);
	keyring_free(&m.keys);
	conf_free(&m.conf);
	return code;
}
