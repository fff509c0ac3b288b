/*
 * spool-private: what the files of the spool share.
 *
 * Tables of spool.mdb, and in its unnamed database "schema" and "next" (the number of the next job):
 *
 *   message    content                             → sealed bytes, as the caller gave them
 *   refs       content                             → number of its live and bad jobs
 *   job        number                              → job record
 *   key        message key, generation             → recipient key, number (many, in their order)
 *   sieve      message key, generation             → which recipients it, and those behind it, do not hold
 *   due        class, campaign id, time, number    → state, key, content
 *   campaign   campaign id                         → paused, counts by state, name
 *   bad        message key, recipient key          → reason, when, and the job record as it was
 *
 * Numbers rise, so that jobs of one submission lie together in `job` and in `due` whatever their keys are:
 * they are appended, read and rewritten page by page. Only `key` is ordered by hashes, and its generations
 * bound how many of its pages one commit can touch (spool-key.c).
 *
 * `due` says all that keeps counts and references exact, so that a job whose record is damaged can still be
 * taken out. Every job stands in it exactly once.
 *
 * Functions below that return int give 0 or LMDB's code: op_end makes an operation's result of it. Strings
 * that they give out point into the map and hold until the next write.
 */
#ifndef MT_STORE_SPOOL_PRIVATE_H
#define MT_STORE_SPOOL_PRIVATE_H

#include "store/spool.h"
#include "store/store-private.h"

/* spool-forget.c: all jobs of a recipient, in whatever state. */
int spool_forget(struct store *s, const uint8_t rk[16], size_t *removed, struct err *e);

#define SPOOL_NUMBER_LEN 8
#define SPOOL_DUE_KEY_LEN 25

enum spool_class { SPOOL_CLASS_ENDED = 'e', SPOOL_CLASS_HELD = 'h', SPOOL_CLASS_QUEUED = 'q' };

/* ---- spool-record.c: 0, or -1 when the bytes are no such record ---- */

/* index_ms: the time under which the job stands in `due`: when it is due, or when it is forgotten. */
void spool_job_encode(const struct spool_job *j, int64_t index_ms, struct buf *out);
int spool_job_decode(struct str bytes, struct spool_job *j, int64_t *index_ms);

struct spool_due_key {
	enum spool_class class;
	uint8_t campaign[8];
	int64_t at_ms;
	uint64_t number;
};
void spool_due_key_encode(const struct spool_due_key *k, uint8_t out[SPOOL_DUE_KEY_LEN]);
int spool_due_key_decode(struct str bytes, struct spool_due_key *k);

struct spool_due_value {
	enum spool_state state;
	struct spool_key key;
	uint8_t content[16];
};
#define SPOOL_DUE_VALUE_LEN 50
void spool_due_value_encode(const struct spool_due_value *v, uint8_t out[SPOOL_DUE_VALUE_LEN]);
int spool_due_value_decode(struct str bytes, struct spool_due_value *v);

struct spool_campaign_record {
	bool paused;
	int64_t paused_ms; /* when that was last changed */
	int64_t count[SPOOL_STATES];
	struct str name;
};
void spool_campaign_encode(const struct spool_campaign_record *c, struct buf *out);
int spool_campaign_decode(struct str bytes, struct spool_campaign_record *c);

struct spool_bad_record {
	int64_t at_ms;
	uint8_t content[16];
	struct str reason;
	struct str record;
};
void spool_bad_encode(const struct spool_bad_record *b, struct buf *out);
int spool_bad_decode(struct str bytes, struct spool_bad_record *b);

/* spool-look.c: whether there is a bad job of that key. */
int spool_bad_known(struct store *s, MDB_txn *txn, const struct spool_key *key, bool *known);

/* Where a job of that state stands. */
enum spool_class spool_class_of(enum spool_state s);
int64_t spool_time_add(int64_t a, int64_t b);

/* ---- spool-key.c ---- */

#define SPOOL_GENERATION 16384	/* recipients in one */
#define SPOOL_GENERATION_KEY 20 /* message key, number of the generation */
#define SPOOL_ENTRY_LEN 24	/* recipient key, number of the job */

struct spool_found;
int spool_find(struct store *s, MDB_txn *txn, const struct spool_key *key, struct spool_found *out);

/* The last generation of a message, where new keys go; of one operation. */
struct spool_place {
	bool set;
	uint8_t message[16];
	uint32_t number;
	size_t n; /* that it holds */
};
int spool_place_find(struct store_txn *t, struct spool_place *p, const uint8_t message[16]);
/* For a key that is not there yet. */
int spool_key_put(struct store_txn *t, struct spool_place *p, const struct spool_key *key, uint64_t number);
/* Only when it stands for that number. */
int spool_key_del(struct store_txn *t, const struct spool_key *key, uint64_t number);

/* Full generations whose sieve is missing or damaged. */
struct spool_mend {
	bool wanted, damaged;
	uint8_t message[16];
	uint32_t group; /* its first generation */
	uint32_t last;	/* that message's, which is not full yet */
};
/* known[i]: whether there is a job of keys[i]; n > 0 keys of one message, in their order. scratch: n. */
int spool_keys_known(struct store *s, MDB_txn *txn, const struct spool_key *const *keys, bool *known,
		     bool *scratch, size_t n, struct spool_mend *mend);
/* Writes at most SPOOL_SIEVE_MAX bytes. */
int spool_sieve_mend(struct store_txn *t, struct spool_mend *m);

/* ---- spool-sieve.c ---- */

#define SPOOL_SIEVE_GENERATIONS 8 /* that one knows */
#define SPOOL_SIEVE_MAX ((int64_t)SPOOL_GENERATION * SPOOL_SIEVE_GENERATIONS * 3 + 4096)

struct spool_sieve {
	uint8_t *p; /* malloc */
	size_t n;
};
/* false: out of memory. Then all members are added, and it is closed: p[0..n) may go to disk. */
bool spool_sieve_begin(struct spool_sieve *v, size_t members);
void spool_sieve_add(struct spool_sieve *v, const uint8_t rk[16]);
void spool_sieve_close(struct spool_sieve *v, uint32_t end);
/* What it was closed with; 0: it is damaged. */
uint32_t spool_sieve_end(struct str bytes);

/* That key will be looked for soon. */
void spool_sieve_fetch(struct str bytes, const uint8_t rk[16]);
enum spool_sifted { SPOOL_SIEVE_NO, SPOOL_SIEVE_MAYBE, SPOOL_SIEVE_DAMAGED };
/* Any bytes may be given. NO is certain; where bytes were changed since it was closed, it says DAMAGED. */
enum spool_sifted spool_sieve_look(struct str bytes, const uint8_t rk[16]);

/* ---- spool-table.c ---- */

struct spool_found {
	bool found;
	bool damaged; /* there, but cannot be read: only number holds */
	uint64_t number;
	struct spool_job job;
	int64_t index_ms;
};
int spool_find_number(struct store *s, MDB_txn *txn, uint64_t number, struct spool_found *out);
/* With its strings in a. */
void spool_job_copy(struct arena *a, const struct spool_job *from, struct spool_job *to);
int spool_job_put(struct store_txn *t, uint64_t number, struct str record, bool append);
int spool_due_put(struct store_txn *t, uint64_t number, const struct spool_job *j, int64_t index_ms);
int spool_due_del(struct store_txn *t, const struct spool_due_key *k);
/* 0 with an absent value when nothing stands there. */
int spool_due_get(struct store *s, MDB_txn *txn, const struct spool_due_key *due, struct str *value);
#define SPOOL_WEIGHT_JOBS 16 /* so many count as one ordinary request */

/* Where the walk of a table stands: a cursor and the entry it is on. */
struct spool_walk {
	MDB_cursor *c;
	struct str key, val;
};
/* Both: MDB_NOTFOUND behind the last key that begins with prefix. */
int spool_walk_from(struct spool_walk *w, MDB_txn *txn, MDB_dbi dbi, struct str from, struct str prefix);
int spool_walk_next(struct spool_walk *w, struct str prefix);
void spool_walk_end(struct spool_walk *w);
/* From campaign to campaign: the first job in a class of the first campaign from id on; MDB_NOTFOUND behind
 * the last. */
int spool_campaign_seek(struct store *s, MDB_txn *txn, struct spool_walk *w, enum spool_class class,
			const uint8_t id[8], struct spool_due_key *k);
int spool_campaign_paused(struct store *s, MDB_txn *txn, const uint8_t id[8], bool *paused);
/* The next id in the order of bytes; false behind the last. */
bool spool_campaign_after(uint8_t id[8]);

/* ---- spool-tally.c: counts and references of one operation, written at its end ---- */

#define TALLY_CAMPAIGNS 8
#define TALLY_REFS 32
struct tally_campaign {
	uint8_t id[8];
	char name[SPOOL_MAX_NAME];
	size_t nname;
	int64_t delta[SPOOL_STATES];
	bool recount;
};
struct tally_refs {
	uint8_t content[16];
	int64_t delta;
};
struct tally {
	struct store_txn *t;
	struct tally_campaign c[TALLY_CAMPAIGNS];
	size_t nc;
	struct tally_refs r[TALLY_REFS];
	size_t nr;
	struct buf scratch, record; /* of spool-tally.c */
	struct buf job;		    /* of the others */
};
/* To be called before the change itself is written: what is counted afresh meanwhile must not see it. name
 * may be absent. */
int tally_count(struct tally *tl, const uint8_t campaign[8], struct str name, enum spool_state s, int delta);
/* When it is not known which count is wrong. */
int tally_recount(struct tally *tl, const uint8_t campaign[8]);
int tally_refs(struct tally *tl, const uint8_t content[16], int delta);
/* Writes what was counted; a message goes with its last reference, a campaign with its last job unless it is
 * paused. Frees. rc: of the operation so far; returns it, or what failed here. */
int tally_end(struct tally *tl, int rc);

/* ---- spool-change.c: a job from one state to another ---- */

/* What happens to the job f: the record becomes *to (same key, campaign and content). */
int spool_change(struct tally *tl, const struct spool_found *f, const struct spool_job *to, int64_t keep_ms);
/* Removes job and key. due is where it stands. */
int spool_remove(struct tally *tl, const struct spool_due_key *due, struct str due_value);
/* Moves a live job to `bad`. due: where it stands, or NULL when that is to be found out. */
int spool_move_bad(struct tally *tl, uint64_t number, const struct spool_due_key *due, const char *reason);

/* ---- spool-look.c, spool-look-id.c ---- */

/* Entries of one read transaction, and of these the jobs that are handed on before the next. */
#define SPOOL_STRETCH_LOOK 20000
#define SPOOL_STRETCH_FOUND 256
/* State, recipient and id; the campaign aside. */
bool spool_filter_fits(const struct spool_filter *f, const struct spool_due_value *v);
/* spool_each with an id. */
int spool_each_id(struct store *s, const struct spool_filter *f,
		  bool (*fn)(void *ctx, const struct spool_job *j), void *ctx, struct err *e);

/* ---- spool-part.c ---- */

/* The first member of an operation's argument: which of its jobs are meant. */
struct spool_part {
	size_t from, n;
	size_t done;  /* by the operation; set from scratch each time */
	size_t total; /* of the commits so far */
};
/* One commit for all, or as many as there must be for want of room. -1: not all is done. */
int spool_submit_parts(struct store *s, store_op *op, struct spool_part *p, struct err *e);

/* spool-steer.c: takes a job out of `bad`, with its reference. */
int spool_bad_drop(struct tally *tl, const struct spool_key *key, bool *removed);

#endif
