/*
 * store-private: what the files of src/store share. Nothing outside includes it
 * but the store's own tests and fuzz target.
 *
 * Four LMDB environments, so that an import of a million profiles never keeps a
 * reservation waiting, and so that the pages it frees do not lengthen the list
 * of free pages that every reservation rewrites a part of:
 *
 *   records.mdb   profile      rk                  → profile record
 *                 consent      rk topic            → consent record
 *                 suppression  key category NUL reason → suppression record
 *   ledger.mdb    ledger       rk idem             → decision record (see record.h)
 *                              cap id              → number of places below, kept exact
 *                              cap id, time, idem  → nothing: a place
 *   spool.mdb     see spool.h and spool-private.h
 *   events.mdb    see event.h and event-private.h
 *   arrivals.mdb  events on their way there (event_arrive)
 *
 * and in each unnamed database, whose one leaf every commit rewrites anyway:
 * "schema" → version; in the ledger's "places", "decisions" → how many there are.
 *
 * Decisions and places share one tree because a reservation writes both: each
 * tree it touches costs a path of copied pages. Kinds are told apart by key
 * length (16, 32, 40). src/recipient makes cap ids begin with the scope key, so
 * that a recipient's decisions, counters and places are neighbours.
 *
 * Every place belongs to a decision that names its cap; a decision lives at
 * least as long as its places count. So no place is orphaned, and forget,
 * release and expiry find all of them. The tree has no index by time; see
 * decision.c.
 */
#ifndef MT_STORE_STORE_PRIVATE_H
#define MT_STORE_STORE_PRIVATE_H

#include <lmdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "store/record.h"
#include "store/event.h"
#include "store/spool.h"

#define STORE_LEDGER_CAP_KEY 16
#define STORE_LEDGER_DECISION_KEY 32
#define STORE_LEDGER_PLACE_KEY 40

struct store_txn {
	struct store *s;
	struct lane *lane;
	MDB_txn *txn;
	int rc;	    /* LMDB's code when an operation returned OP_DB */
	bool dirty; /* something was put or deleted */
	int64_t places_delta, decisions_delta;
	int64_t promised_bytes, promised_pages; /* by room_take */
};

/* One environment with its queue of writers. */
struct lane {
	const char *file; /* within the directory */
	int schema;	  /* the version this program writes */
	int schema_read;  /* the oldest that it reads */
	int schema_found; /* at opening; less than schema: raised by what writes what the older cannot read */
	MDB_env *env;	  /* NULL: a spool or event log that is not there */
	MDB_dbi main;
	MDB_dbi outbox;	      /* of books, spool, arrivals: events to be moved; 0: an earlier version's */
	pthread_mutex_t lock; /* guards what follows */
	bool leading;
	struct request *head, **tail;
	int64_t commits, requests;
	struct store_txn batch; /* txn NULL: nothing written in this batch yet */
	int64_t blocks_to;	/* room.c: the file has its blocks up to here; guarded by LMDB's write lock */
};

struct spool_tables {
	MDB_dbi message, refs, job, key, sieve, due, campaign, bad;
};

struct event_tables {
	MDB_dbi log, word, counter, person, once, link, queue;
};

#define STORE_LANES 5
struct store {
	union {
		struct lane lanes[STORE_LANES];
		struct {
			struct lane records, books, spool, events, arrivals;
		};
	};
	MDB_dbi profile, consent, suppression; /* of records */
	MDB_dbi ledger;			       /* of books */
	struct spool_tables sp;		       /* of spool */
	struct event_tables ev;		       /* of events */
	char *directory;
	int64_t map_size;
	bool read_only;
	bool grouping; /* set before threads start */

	/* decision.c: where its sweep goes on, and after how many reservations. Guarded by the ledger's write
	 * lock. */
	uint8_t sweep_at[STORE_LEDGER_DECISION_KEY];
	int sweep_wait;

	/* spool-due.c: the campaign that was served last. */
	pthread_mutex_t turn_lock;
	uint8_t turn[8];

	/* event-sweep.c: where it goes on. Guarded by the events' write lock. */
	uint8_t person_at[STORE_KEY_LEN + 8], once_at[STORE_KEY_LEN], queue_at[EVENT_MAX_QUEUE_ID];

	/* The admin's batch; used by the thread that began it only. */
	atomic_bool in_batch;
	pthread_t batch_owner;
};

/* ---- operations inside a write transaction ---- */

enum op_result {
	OP_OK = 0,
	OP_FAIL = -1, /* the request's own fault; *e is filled and nothing was written */
	OP_DB = -2,   /* LMDB failed (t->rc): the transaction must be aborted */
};
/* May run twice (a group that failed is run again one by one): sets its results from scratch each time. */
typedef enum op_result store_op(struct store_txn *t, void *arg, struct err *e);

/* Runs op and returns when its commit is on disk; 0 or -1. */
int store_submit(struct store *s, struct lane *lane, store_op *op, void *arg, struct err *e);
/* The same for a request as large as `weight` ordinary ones: a group holds fewer of them. */
int
store_submit_heavy(struct store *s, struct lane *lane, store_op *op, void *arg, size_t weight, struct err *e);

/* What older programs would not understand goes into the lane. */
enum op_result txn_raise_schema(struct store_txn *t);
enum op_result txn_put(struct store_txn *t, MDB_dbi dbi, struct str key, struct str val);
/* A missing key is no error; *found may be NULL. */
enum op_result txn_del(struct store_txn *t, MDB_dbi dbi, struct str key, bool *found);
/* OP_OK with *found. */
enum op_result txn_get(struct store_txn *t, MDB_dbi dbi, struct str key, struct str *val, bool *found);

/* LMDB's code as the result of an operation. */
enum op_result op_end(struct store_txn *t, int rc);
/*
 * n numbers from *number on, higher than that of any record of dbi, whose keys they are; name: where the lane
 * keeps the next one. 0 or LMDB's code.
 */
int number_take(struct store_txn *t, MDB_dbi dbi, struct str name, size_t n, uint64_t *number);

/* ---- room.c: a reserve for what is owed ---- */

enum room_for {
	ROOM_NEW,  /* leaves the whole reserve, and part of the disk */
	ROOM_OWED, /* what was accepted asks for it: leaves half of the reserve */
};
/* Before the first put of an operation that adds so many bytes and changes so many pages here and there:
 * OP_OK, or OP_FAIL with ERR_FULL. */
enum op_result
room_take(struct store_txn *t, int64_t bytes, int64_t touched, enum room_for what, struct err *e);
/* Before the environment is opened. 0, or errno when the disk is full. */
int room_lock_file(const char *path, int64_t readers, bool create);

/* ---- event-outbox.c ---- */

/* Bytes that it takes, for room_take. */
int64_t outbox_bytes(const struct event *ev);
/* Queues an event in the operation's own environment. */
enum op_result outbox_put(struct store_txn *t, const struct event *ev);

/* ---- read transactions ---- */

/* Inside a batch the batch's own transaction, so that an import reads what it wrote. */
int read_begin(struct store *s, struct lane *lane, MDB_txn **txn, struct err *e);
void read_end(struct store *s, struct lane *lane, MDB_txn *txn);
/* Positions c on the first key >= prefix and says whether it has that prefix: 1, 0, -1 with *e. */
int cursor_seek(struct store *s, MDB_cursor *c, struct str prefix, struct str *key, struct str *val,
		struct err *e);
int cursor_next(struct store *s, MDB_cursor *c, struct str prefix, struct str *key, struct str *val,
		struct err *e);
/* Every record of a table in key order; a long walk renews its snapshot, so that it does not hold pages back.
 */
typedef bool table_fn(void *ctx, struct str key, struct str val, struct err *e);
/* fn returns false to stop; when it has filled e->kind the walk fails. */
int table_each(struct store *s, struct lane *lane, MDB_dbi dbi, table_fn *fn, void *ctx, struct err *e);

/* Fills e from an LMDB code: "state DIRECTORY: what: reason; what to do". Returns -1. */
int store_err(const struct store *s, struct err *e, int rc, const char *what);
int store_corrupt(const struct store *s, struct err *e, const char *table);

static inline MDB_val
val_of(struct str s)
{
	return (MDB_val){ s.n, (void *)(uintptr_t)s.p };
}

static inline struct str
str_of_val(MDB_val v)
{
	return (struct str){ v.mv_data, v.mv_size };
}

static inline struct str
str_of_key(const uint8_t *key, size_t n)
{
	return (struct str){ (const char *)key, n };
}

/* ---- cap.c ---- */

struct cap_fill {
	int64_t stored;	   /* places on disk */
	int64_t expired;   /* of these, counted from the oldest: out of the window */
	int64_t oldest_ms; /* of the first place in the window; 0: none, or not looked for */
};
/*
 * Walks the expired head of a cap. With enough_below > 0 it may stop when fewer live places than that are
 * certain and CAP_PRUNE_STEP expired ones were seen: the rest is left to later calls. 0 or -1.
 */
int cap_look(struct store *s, MDB_txn *txn, const struct cap_request *c, int64_t now_ms, int64_t enough_below,
	     struct cap_fill *out, struct err *e);
/* Places idem in a cap, drops its `drop` oldest places and keeps the count exact. stored: as cap_look found
 * it. */
enum op_result cap_take(struct store_txn *t, const uint8_t id[16], int64_t now_ms, const uint8_t idem[16],
			int64_t stored, int64_t drop);
/* Only drops. */
enum op_result cap_prune(struct store_txn *t, const uint8_t id[16], int64_t stored, int64_t drop);
/* A place that is gone already (pruned) is no error. */
enum op_result
cap_give_back(struct store_txn *t, const uint8_t id[16], int64_t at_ms, const uint8_t idem[16], bool *found);
#define CAP_PRUNE_STEP 16

/* ---- decision.c ---- */

void decision_key(uint8_t out[STORE_LEDGER_DECISION_KEY], const uint8_t rk[16], const uint8_t idem[16]);
/* Deletes a decision and its places; adds what it deleted to *removed (may be NULL). */
enum op_result decision_delete(struct store_txn *t, const uint8_t rk[16], const uint8_t idem[16],
			       const struct decision_record *d, size_t *removed);

#endif
