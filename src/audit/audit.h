/*
 * audit: who changed what, and what people asked of their own data: a log whose records are chained by
 * hashes, so that a record which was altered, left out or put in between is found.
 *
 * The file audit.log in the state directory, one record a line (NDJSON), at most AUDIT_MAX_LINE bytes:
 *
 *   {"seq":7,"prev":HASH,"at":RFC 3339,"actor":…,"action":…,"subject":HEX|null,"campaign":…|null,
 *    "details":…,"hash":HASH}
 *
 * seq counts from 1; prev is the hash of the record before (zeros for the first); hash is the SHA-256
 * (FIPS 180-4) of the line up to the comma before "hash", as 64 hexadecimal digits. So the last hash stands
 * for all records: whoever keeps it elsewhere (it is logged, and sent to syslog) finds out when the end of
 * the file was cut off, which the file itself cannot tell. No address is ever in it: a recipient is the keyed
 * hash under which the store knows him, and stays after he was forgotten, as the proof that he was.
 *
 * Durability: audit_append returns when its records are on disk. Processes take turns by flock(2). A line
 * that a crash left unfinished is ended, kept and passed over. Threads: safe.
 */
#ifndef MT_AUDIT_AUDIT_H
#define MT_AUDIT_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define AUDIT_FILE "audit.log"
#define AUDIT_MAX_LINE 8192
#define AUDIT_MAX_ACTOR 128
#define AUDIT_MAX_DETAILS 512
#define AUDIT_MAX_BATCH 1024
#define AUDIT_HASH_HEX 64

enum audit_action {
	AUDIT_KEY_GENERATE,
	AUDIT_KEY_ROTATE,
	AUDIT_KEY_RETIRE,
	AUDIT_KEY_SHOP, /* a shop's secret was shown */
	AUDIT_PROFILE_IMPORT,
	AUDIT_PROFILE_SET,
	AUDIT_PROFILE_CONSENT,
	AUDIT_PROFILE_EXPORT,
	AUDIT_PROFILE_FORGET,
	AUDIT_SUPPRESSION_ADD,
	AUDIT_SUPPRESSION_REMOVE,
	AUDIT_SUPPRESSION_IMPORT,
	AUDIT_CAMPAIGN_PAUSE,
	AUDIT_CAMPAIGN_RESUME,
	AUDIT_QUEUE_HOLD,
	AUDIT_QUEUE_RELEASE,
	AUDIT_QUEUE_RETRY,
	AUDIT_QUEUE_DROP,
	AUDIT_MODEL_PROMOTE,
	AUDIT_MODEL_ROLLBACK,
	AUDIT_EVENTS_IMPORT,
	AUDIT_CATALOG_IMPORT,
	AUDIT_CATALOG_TRAIN,
	AUDIT_PRIVACY_UNSUBSCRIBE, /* these by recipients themselves */
	AUDIT_PRIVACY_PREFERENCES,
	AUDIT_PRIVACY_EXPORT,
	AUDIT_PRIVACY_ERASE,
	AUDIT_PRIVACY_COMPLAINT,
	AUDIT_DAEMON_START,
	AUDIT_DAEMON_RELOAD,
	AUDIT_ACTIONS
};

/* "suppression.add"; never NULL. */
const char *audit_action_name(enum audit_action a);
/* -1: no such action. */
int audit_action_parse(struct str name);

struct audit_entry {
	enum audit_action action;
	int64_t at_ms;
	struct str actor;	/* "admin:root", "recipient", "daemon:mailtailord"; cut at AUDIT_MAX_ACTOR */
	const uint8_t *subject; /* recipient key, 16 bytes, or NULL */
	struct str campaign;	/* or empty */
	struct str details;	/* or empty; no addresses; cut at AUDIT_MAX_DETAILS */
};

struct audit_head {
	uint64_t seq; /* 0: no record yet */
	char hash[AUDIT_HASH_HEX + 1];
};

/*
 * Appends n <= AUDIT_MAX_BATCH records in their order, all or none. *head (or NULL): the last record then.
 * ERR_CORRUPT: the end of the file is no record, and nothing can follow it. The file is made when it is
 * missing; the directory is not.
 */
int audit_append(const char *directory, const struct audit_entry *v, size_t n, struct audit_head *head,
		 struct err *e);

/* ---- reading ---- */

struct audit_report {
	struct audit_head head; /* the last good record */
	uint64_t unfinished;	/* lines that a crash cut short */
	uint64_t bad_line;	/* the first line that is wrong, from 1; 0: none */
	const char *what;	/* is wrong with it; NULL */
	bool expected_found;	/* the record `expect` is in the chain as it was */
};

/* One record's line, without its newline. False: enough. */
typedef bool audit_each(void *ctx, struct str line);

/*
 * Reads the whole file and checks the chain up to its first break. expect (or NULL): a head of before. each
 * (or NULL) sees the good records. 0 when it could be read: *r says what was found; ERR_MISSING: there is no
 * such file. Memory: constant.
 */
int audit_verify(const char *directory, const struct audit_head *expect, audit_each *each, void *ctx,
		 struct audit_report *r, struct err *e);

/* "SEQ:HASH", as `audit verify` prints it; 0 or -1. */
int audit_head_parse(struct str s, struct audit_head *h);

/* For tests: one line (without newline) that follows `before`; NULL when it is a record of the chain and
 * *before was moved on to it, else what is wrong with it. */
const char *audit_line_check(struct str line, struct audit_head *before);

#endif
