/*
 * admin: what the verbs of the admin tool share. `mailtailor VERB [SUB] …`:
 * admin.c finds the verb, the verb does the rest.
 *
 * A verb's run() gets its own name as argv[0], so the first thing a person
 * typed behind it is argv[1] (a sub-verb, perhaps). Options are read with
 * admin_option, which is getopt_long, and since main() has used it before:
 *
 *     optind = 0;   // glibc: start over, and forget the order of the last argv
 *     while ((c = admin_option(argc, argv, "+c:h", longopts)) != -1) …
 *
 * A verb with sub-verbs does the same with (argc - 1, argv + 1).
 * admin_option has then said what is wrong: return EX_USAGE on '?'.
 * `-c FILE` names the configuration everywhere, `--json` asks for JSON,
 * `--help` (and -h) prints the verb's text to stdout and returns EX_OK.
 * Data goes to stdout, everything else to stderr; exit codes are sysexits.h's.
 * Threads: the admin tool is single-threaded.
 */
#ifndef MT_MAIN_ADMIN_H
#define MT_MAIN_ADMIN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sysexits.h>

#include "audit/audit.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "conf/conf.h"

struct store;
struct keyring;

struct admin_verb {
	const char *name, *summary; /* summary: one line for the list of verbs */
	int (*run)(int argc, char **argv);
};

extern const struct admin_verb admin_config_verb;
extern const struct admin_verb admin_campaign_verb;
extern const struct admin_verb admin_key_verb;
extern const struct admin_verb admin_token_verb;
extern const struct admin_verb admin_profile_verb;
extern const struct admin_verb admin_suppress_verb;
extern const struct admin_verb admin_caps_verb;
extern const struct admin_verb admin_queue_verb;
extern const struct admin_verb admin_render_verb;
extern const struct admin_verb admin_template_verb;
extern const struct admin_verb admin_feedback_verb;
extern const struct admin_verb admin_events_verb;
extern const struct admin_verb admin_audit_verb;
extern const struct admin_verb admin_report_verb;
extern const struct admin_verb admin_catalog_verb;
extern const struct admin_verb admin_policy_verb;
extern const struct admin_verb admin_segments_verb;
extern const struct admin_verb admin_uplift_verb;
extern const struct admin_verb admin_fatigue_verb;
extern const struct admin_verb admin_model_verb;

/* ---- errors and usage ---- */

/* Prints a usage text as it is; returns EX_USAGE when out is stderr, else EX_OK: `return admin_usage(stdout,
 * help);` */
int admin_usage(FILE *out, const char *text);
/* Prints "mailtailor: TEXT" to stderr; returns err_exit_code(e->kind), or EX_SOFTWARE when that is 0. */
int admin_fail(const struct err *e);
/* "mailtailor: …" to stderr, one line, without control characters: what it says may be foreign text. */
void admin_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same and EX_USAGE, for a command line that makes no sense. */
int admin_misuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
struct option;
/* getopt_long; of '?' it has said which option it is about, and which one was probably meant. */
int admin_option(int argc, char **argv, const char *letters, const struct option *options);
/* The one of names[0..n) that typed was probably meant to be; NULL when none is near. */
const char *admin_nearest(const char *typed, const char *const *names, size_t n);
/* Says that the verb has no such sub-verb, and which of names is near; EX_USAGE. */
int admin_no_sub(const char *verb, const char *typed, const char *const *names, size_t n);
/* The same of an array of structs whose first member is the name of a sub-verb. */
#define ADMIN_NO_SUB(verb, typed, subs) \
	admin_no_sub_of((verb), (typed), (subs), sizeof(subs) / sizeof((subs)[0]), sizeof((subs)[0]))
int admin_no_sub_of(const char *verb, const char *typed, const void *subs, size_t n, size_t size);
/* Says that no such campaign is configured, and which is near; EX_USAGE. */
int admin_no_campaign(const struct conf *conf, const char *typed);
/*
 * For what looks back: EX_OK for a campaign that is configured, or that events name, for what was sent under
 * a name that was taken out is still in the log. Else it says so, and which is near: EX_USAGE.
 */
int admin_campaign_known(const struct conf *conf, struct store *s, const char *name);
/* -1 with ERR_USAGE: the configuration has no such category; the text says which is near. */
int admin_category(const struct conf *conf, struct str name, struct err *e);

/* ---- what most verbs open first ---- */

/* path (from -c), else $MAILTAILOR_CONF, else the installed one (paths.h). Never NULL. */
const char *admin_conf_path(const char *path_or_null);
/* Loads it and prints every mistake to stderr; NULL when there was one (return EX_CONFIG). Free with
 * conf_free. */
struct conf *admin_conf(const char *path_or_null);
/*
 * The store of conf->state. create: make what is missing; otherwise a store
 * that is not there is an error that says so. On NULL the reason was printed
 * and *exit_code (may be NULL) holds what to return. Close with store_close.
 */
struct store *admin_store(const struct conf *conf, bool read_only, bool create, int *exit_code);
/*
 * Root opens what lies in the state directory as that directory's owner, the daemon's user: what is made
 * belongs to the daemon then, and a link that this user put there leads root nowhere. True: admin_owner_leave
 * is due, with the group that was in force before.
 */
bool admin_owner_enter(const char *directory);
void admin_owner_leave(gid_t group);
/* The key ring of conf->keys; as above. Free with keyring_free. */
struct keyring *admin_keys(const struct conf *conf, int *exit_code);

/* Command line of the verbs about a key ring: -c, --file, --json, --help. optind is behind the options. */
struct ring_options {
	const char *conf_path, *file;
	bool json, help;
};
/* EX_OK or EX_USAGE. */
int admin_ring_options(struct ring_options *o, int argc, char **argv);

/* ---- the audit log ---- */

/*
 * Writes down what is about to be done, before it is done: subject (a recipient's key) and campaign may be
 * NULL, the text has no address in it. EX_OK, or an exit code when it could not be written (the reason was
 * printed): then nothing may be done. Where the state directory does not exist yet there is nothing to watch
 * over either.
 */
int admin_audit(const struct conf *conf, enum audit_action action, const uint8_t *subject,
		const char *campaign, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/*
 * The same of a file that is about to be replaced, for verbs that can do without a configuration: where there
 * is none (conf_path: from -c, or NULL) there is no audit log either.
 */
int admin_audit_file(const char *conf_path, enum audit_action action, const char *file);
/* And afterwards, when rc, what it came to, says that it failed. Returns rc. */
int admin_audit_end(const struct conf *conf, enum audit_action action, const uint8_t *subject, int rc);

/* ---- columns of files that are imported ---- */

#define ADMIN_COLUMN_ALSO 4
struct admin_column_name {
	const char *name, *also[ADMIN_COLUMN_ALSO]; /* also: what others call it */
};
struct admin_columns;
struct value;
/* known are kept by reference. Never NULL. */
struct admin_columns *admin_columns_new(const struct admin_column_name *known, size_t n);
/* Takes NULL; leaves NULL. */
void admin_columns_free(struct admin_columns **c);
/* Looks at the names of a row, a map: which of them are not known. The first 1000 names of a file count. */
void admin_columns_see(struct admin_columns *c, const struct value *row);
/*
 * All rows were seen: nothing can be meant to be a column that is in the file as well. near_only: what comes
 * close to none that is known is forgotten.
 */
void admin_columns_end(struct admin_columns *c, bool near_only);
/* Names those that are not known on stderr, "FILE: column "NAME" WHAT", with the known one that comes close;
 * without FILE when it is NULL: what was typed is no column. */
void admin_columns_say(const struct admin_columns *c, const char *file, const char *what);
/* [{"column": NAME, "did_you_mean": NAME or null}, …] */
void admin_columns_json(const struct admin_columns *c, struct buf *out);

/* ---- cells of tables that are read ---- */

/* A time as shops write it: "2026-03-29", "2026-03-29 12:00:00" (UTC), RFC 3339. 0, or -1 with ERR_INPUT. */
int admin_moment(struct str s, int64_t *ms, struct err *e);

/* ---- progress, on stderr, and only when that is a terminal ---- */

struct progress;
/* label is kept by reference. total 0: unknown, only the count and the rate are shown. Never NULL. */
struct progress *progress_start(const char *label, uint64_t total);
/* Cheap: draws at most ten times a second. */
void progress_update(struct progress *p, uint64_t done);
/* The same for work that flows: the whole changes, too, and the caller knows the rate (a second). */
void progress_flow(struct progress *p, uint64_t done, uint64_t total, double rate);
/* Wipes the line. Takes NULL; leaves NULL. */
void progress_end(struct progress **p);

/* ---- tables: for people, or as JSON ---- */

enum admin_column_kind {
	ADMIN_COL_TEXT,
	ADMIN_COL_NUMBER, /* right-aligned; a JSON number when the cell reads as one, null when it is empty */
	ADMIN_COL_BOOL,	  /* "yes" or "no"; JSON true or false */
};

struct admin_column {
	const char *title; /* "LAST SEEN" in the table, "last_seen" in JSON */
	enum admin_column_kind kind;
};

struct admin_table;
/* columns are kept by reference. Never NULL. */
struct admin_table *admin_table_new(const struct admin_column *columns, size_t ncolumns);
/* cells[0..ncolumns) are copied; a NULL cell is "-" in the table and null in JSON. */
void admin_table_row(struct admin_table *t, const char *const *cells);
size_t admin_table_rows(const struct admin_table *t);
/* A table with headings, or (json) an array of objects. Control characters in cells are shown as '?'. */
void admin_table_print(struct admin_table *t, FILE *out, bool json);
void admin_table_free(struct admin_table **t);

/* First of all: no thread of OpenBLAS takes this program's signals. */
void admin_blas_alone(void);

#endif
