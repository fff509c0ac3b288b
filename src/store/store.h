/*
 * store: four LMDB environments in one directory, one for what is known of
 * recipients, one for decisions and caps, the spool (spool.h), and the event log (event.h). Each table has
 * its own file (profile.c, suppression.c, consent.c, cap.c, decision.c …) and speaks in the terms below; no
 * MDB_txn leaves src/store. State at rest holds no plain address: keys are
 * recipient keys; what is personal is sealed by the caller before it comes here.
 *
 * Writers: LMDB has one. In a daemon (store_writer_start) the writes of all
 * threads are committed in groups, many requests in one transaction; a call
 * returns when its commit is on disk (writer.c has the durability argument).
 * Without that (admin tool) each call is a transaction of its own, or part of
 * the batch between store_batch_begin and store_batch_end.
 * Other processes may write at the same time; LMDB's lock serialises. A process
 * opens a directory once only, and not across fork (LMDB's rules).
 *
 * Threads: every function may be called from any thread (batches: one thread).
 * Read transactions are opened and closed within a call (MDB_NOTLS).
 * Errors: ERR_IO (disk, LMDB), ERR_FULL (map or disk: raise state.map_size, free space; what is new is
 * refused while what ends or erases still finds room, see room.c), ERR_TEMP (too many readers: raise
 * max_readers), ERR_CORRUPT, ERR_CONFIG (schema version does not match: says both versions and what to do).
 */
#ifndef MT_STORE_STORE_H
#define MT_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define STORE_SCHEMA_VERSION 1 /* of the ledger: caps, decisions */
/* 2: suppressions by reason. Records of 1 are read; the first suppression written makes them 2. */
#define RECORD_SCHEMA_VERSION 2
#define SPOOL_SCHEMA_VERSION 2
#define STORE_KEY_LEN 16 /* recipient key, domain key, idempotency key */
/* Bounds of what is stored; beyond them ERR_LIMIT. */
#define STORE_MAX_PROFILE ((size_t)2 << 20)
#define STORE_MAX_DECISION ((size_t)64 << 10)
#define STORE_MAX_CAPS 64  /* caps of one request */
#define STORE_MAX_WORD 128 /* topic, category, source */
#define STORE_MAX_NOTE 1000

struct store;
struct event;

struct store_options {
	const char *directory;
	int64_t map_size;    /* bytes that each of the files may have, 0: 16 GiB */
	int64_t max_readers; /* 0: 1024 */
	bool read_only;	     /* refuses to create */
	/*
	 * Make directory (0700) and schema when absent. A directory that lacks spool.mdb, events.mdb or
	 * arrivals.mdb (an earlier version's) is opened without create too: they are empty, and writes to
	 * them give ERR_MISSING.
	 */
	bool create;
};

struct store *store_open(const struct store_options *o, struct err *e);
/* No call may be running. Takes NULL; leaves NULL. */
void store_close(struct store **s);
/* Turns group commit on: for processes with many writing threads. */
int store_writer_start(struct store *s, struct err *e);

/*
 * Admin imports: writes between begin and end are one transaction, and reads of the same thread see them.
 * While it is open every other writer waits: keep it short. A write that fails for the database's reasons
 * spoils the batch: end then says so, and nothing of it is kept.
 */
int store_batch_begin(struct store *s, struct err *e);
int store_batch_end(struct store *s, bool commit, struct err *e);

/* ---- profiles: opaque sealed bytes ---- */
int store_profile_put(struct store *s, const uint8_t rk[16], struct str sealed, struct err *e);
/* 1 found, 0 not, -1 error. The bytes are copied to a. */
int
store_profile_get(struct store *s, const uint8_t rk[16], struct arena *a, struct str *sealed, struct err *e);
/* Calls fn for each; false stops. The bytes are valid during the call. */
int store_profile_each(struct store *s, bool (*fn)(void *ctx, const uint8_t rk[16], struct str sealed),
		       void *ctx, struct err *e);

/* ---- consent ---- */
enum consent_state { CONSENT_UNKNOWN, CONSENT_GRANTED, CONSENT_DENIED };
/* topic: "tracking", or "mail" (all categories), or "mail:CATEGORY" */
struct consent_record {
	struct str topic;
	enum consent_state state;
	int64_t at_ms;
	struct str source; /* "import", "admin", "preferences" … */
};
int store_consent_put(struct store *s, const uint8_t rk[16], const struct consent_record *c, struct err *e);
/* 1 found (strings in a), 0 not, -1. */
int store_consent_get(struct store *s, const uint8_t rk[16], struct str topic, struct arena *a,
		      struct consent_record *out, struct err *e);

/* ---- suppression ---- */
enum suppression_reason {
	SUPPRESS_MANUAL,
	SUPPRESS_UNSUBSCRIBE,
	SUPPRESS_COMPLAINT,
	SUPPRESS_HARD_BOUNCE,
	SUPPRESS_SOFT_BOUNCE,
	SUPPRESS_IMPORT
};
const char *suppression_reason_name(enum suppression_reason r);
/* category "": all mail but transactional; "*": all mail. key: recipient key or domain key. For each key and
 * category there may be one of each reason; put replaces that of its own reason only. */
struct suppression_record {
	struct str category;
	enum suppression_reason reason;
	int64_t at_ms;
	struct str note;
	int64_t until_ms; /* from then on it holds no more; 0: for good */
};
int store_suppression_put(struct store *s, const uint8_t key[16], const struct suppression_record *r,
			  struct err *e);
/* 1 removed, 0 was not there; -1. */
int store_suppression_remove(struct store *s, const uint8_t key[16], struct str category,
			     enum suppression_reason reason, struct err *e);
int store_suppression_each(struct store *s,
			   bool (*fn)(void *ctx, const uint8_t key[16], const struct suppression_record *r),
			   void *ctx, struct err *e);

/* ---- caps and decisions ---- */

/* One cap as it applies to one request: id names cap and scope key together. */
struct cap_request {
	uint8_t id[16]; /* first 8 bytes of the scope key, then 8 of keyed_id("cap", cap name, scope key) */
	int64_t limit;	/* > 0 */
	int64_t window_ms; /* > 0 */
};

enum reserve_status {
	RESERVE_OK,	/* placed now, on disk */
	RESERVE_AGAIN,	/* this key had its place already: counted once; *decision is what was stored then */
	RESERVE_CAPPED, /* cap number *capped is full; nothing was placed in any */
};

struct reserve_request {
	uint8_t idem[16]; /* keyed_id("copy", campaign, Message-ID, recipient) */
	uint8_t rk[16];
	int64_t now_ms;
	const struct cap_request *caps;
	size_t ncaps;	     /* may be 0: then only the decision is kept */
	struct str decision; /* opaque (sealed) record, kept for `decision_keep_ms`, or longer while a place
				counts */
	int64_t decision_keep_ms;
	const struct event *event; /* event.h: queued when the place is taken (RESERVE_OK); or NULL */
};
struct reserve_result {
	enum reserve_status status;
	size_t capped;
	int64_t capped_until_ms; /* when the oldest place of that cap leaves the window */
	struct str decision;	 /* in the arena given */
};
/*
 * All caps or none, atomically. A place counts when its time > now - window (true sliding window). A place
 * from the future (the clock was set back) counts too: stepping back neither frees nor doubles places. 0 or
 * -1.
 */
int store_reserve(struct store *s, const struct reserve_request *rq, struct arena *a,
		  struct reserve_result *out, struct err *e);
/*
 * The same for many copies in one commit; out[i] belongs to rq[i]. A request that cannot be judged alone
 * (a damaged record) fails all. 0: all results hold; -1: none was placed.
 */
int store_reserve_many(struct store *s, const struct reserve_request *rq, size_t n, struct arena *a,
		       struct reserve_result *out, struct err *e);
/* Gives the places and the decision of rk's copy idem back. 1 given back, 0 there was none. */
int store_release(struct store *s, const uint8_t rk[16], const uint8_t idem[16], struct err *e);
/* How full a cap is: places in the window ending now, and when the oldest leaves (0 when empty). */
int store_cap_count(struct store *s, const struct cap_request *c, int64_t now_ms, int64_t *used,
		    int64_t *oldest_ms, struct err *e);

/* ---- everything about one recipient ---- */
struct store_view_request {
	const uint8_t *rk, *dk; /* recipient and domain key; dk may be NULL */
	const uint8_t *idem;	/* to see whether a reservation of this copy exists; may be NULL */
	const struct cap_request *caps;
	size_t ncaps;
	int64_t now_ms;
};
struct store_view {
	bool known; /* a profile exists */
	struct str profile;
	struct consent_record *consents;
	size_t nconsents;
	struct suppression_record *suppressions; /* the recipient's, then the domain's */
	size_t nsuppressions, nsuppressions_own;
	int64_t *cap_used;	/* ncaps */
	int64_t *cap_oldest_ms; /* ncaps: the oldest place in the window; 0: none */
	bool reserved;		/* idem has its place: caps do not stop it */
	struct str decision;	/* then what was stored with it */
};
int store_view(struct store *s, const struct store_view_request *rq, struct arena *a, struct store_view *out,
	       struct err *e);
/*
 * The same for many recipients, in one read transaction of each file; out[i] and e[i] belong to rq[i]. One
 * that cannot be read (e[i].kind is set) does not keep the others from it. 0: all could be read; -1.
 */
int store_view_many(struct store *s, const struct store_view_request *rq, size_t n, struct arena *a,
		    struct store_view *out, struct err *e);

/* Erases all that is held under rk (profile, consent, caps' places, decisions, jobs in the spool whether they
 * wait or have ended, his part in the event log), but keeps suppressions and refusals (consents to mail,
 * mail:… and tracking that are denied): they are what keeps mail and tracking from starting again. *removed
 * counts records. Looks through the whole spool: for administrators. */
int store_forget(struct store *s, const uint8_t rk[16], size_t *removed, struct err *e);
/* Sources of the refusal of tracking that is put before: by himself, and by an administrator. */
#define CONSENT_ERASED "erased"
#define CONSENT_FORGOTTEN "forgotten"
/* The decisions stored for rk, newest first. */
int store_decision_each(struct store *s, const uint8_t rk[16],
			bool (*fn)(void *ctx, const uint8_t idem[16], int64_t at_ms, struct str decision),
			void *ctx, struct err *e);

struct store_stats {
	int64_t profiles, suppressions, consents, places, decisions, map_used,
	    map_size;		   /* of the fullest of the files */
	int64_t commits, requests; /* of this process: transactions on disk, and the calls they served */
};
int store_stats(struct store *s, struct store_stats *out, struct err *e);

#endif
