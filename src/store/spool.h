/*
 * spool: messages and jobs, in an LMDB environment of their own (spool.mdb). A
 * message is stored once, whatever number of jobs refer to it; a job is one
 * recipient's copy that is to be made and sent. Part of src/store: the rules of
 * store.h about writers, threads, errors and durability hold here too.
 *
 *   message    content                             → sealed bytes, as the caller gave them
 *   refs       content                             → number of its live and bad jobs
 *   job        number                              → job record
 *   key        message key, generation             → recipient key, number
 *   sieve      message key, generation             → which recipients it, and those behind it, do not hold
 *   due        class, campaign id, time, number    → state, key, content
 *   campaign   campaign id                         → paused, counts by state, name
 *   bad        message key, recipient key          → reason, when, and the job record as it was
 *
 * class is 'q' (queued, by due time), 'h' (held, by due time) or 'e' (ended, by the time when it is
 * forgotten). Numbers rise from job to job. spool-private.h says why it is so.
 *
 * States. Live: queued, held. Ended: sent, dropped, failed; these keep their key for keep_ms, so that a
 * client's retry within that time adds nothing, but no payload: nothing personal remains beyond the keyed
 * hash. A live job whose payload or message cannot be read is moved to `bad` by spool_set_bad, one whose
 * record is damaged by whatever call meets it; it no longer stands in anybody's way and `mailtailor queue`
 * shows it. A bad job keeps its key (a client's retry adds nothing) and its message until it is dropped, so
 * that it can be sent when what was wrong (a key missing from the ring, say) has been mended.
 *
 * A message is stored with its first live job and removed with the last one that is live or bad.
 *
 * Without spool.mdb (a directory of an earlier version, opened without create) the spool is empty: what reads
 * finds nothing, what writes gives ERR_MISSING, or ERR_PERM when opened for reading only. The spool has a
 * schema version of its own.
 *
 * Several processes may add, drain and steer at once. Nothing tells one of them that another has changed
 * something: a call sees what was committed before it began.
 *
 * Cost. Adding a thousand jobs to a spool of a million costs about what it costs in an empty one, also when
 * all are of one message (bench-spool).
 */
#ifndef MT_STORE_SPOOL_H
#define MT_STORE_SPOOL_H

#include "store/event.h"

#define SPOOL_KEY_LEN 32
#define SPOOL_MAX_NAME 64 /* campaign */
#define SPOOL_MAX_REASON 32
#define SPOOL_MAX_NOTE 500
#define SPOOL_MAX_PAYLOAD ((size_t)1 << 20)
#define SPOOL_MAX_BATCH 4096 /* jobs of one call */

struct spool_key {
	uint8_t message[16]; /* keyed_id("message", campaign, Message-ID) */
	uint8_t rk[16];	     /* recipient key */
};

/* A campaign's id. FNV-1a, 64 bits: names come from the configuration, not from outside. */
static inline void
spool_campaign_id(struct str name, uint8_t id[8])
{
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (uint8_t)name.p[i]) * 1099511628211u;
	for (int i = 7; i >= 0; i--, h >>= 8)
		id[i] = (uint8_t)h;
}

enum spool_state { SPOOL_QUEUED, SPOOL_HELD, SPOOL_SENT, SPOOL_DROPPED, SPOOL_FAILED };
#define SPOOL_STATES 5
const char *spool_state_name(enum spool_state s); /* "queued" … */
static inline bool
spool_live(enum spool_state s)
{
	return s <= SPOOL_HELD;
}

struct spool_job {
	struct spool_key key;
	enum spool_state state;
	bool report; /* a delivery report: sent as it is, not tailored */
	uint8_t campaign_id[8];
	struct str campaign;  /* its name */
	uint8_t content[16];  /* of its message; spool_add takes its own for all */
	int64_t accepted_ms;  /* when its message was accepted */
	int64_t first_due_ms; /* when it was due first; from its first attempt on: when that was, its lifetime
				 counts from here */
	int64_t due_ms;	      /* live: not before; ended: when it ended */
	uint32_t attempts;    /* made so far */
	struct str reason;    /* stable word for due_ms, or for how it ended: "now", "quiet-hours", "retry",
				 "uncertain", "sent", "suppressed", "expired" … */
	struct str note;      /* for people: the last reply, without addresses; cut at SPOOL_MAX_NOTE */
	struct str payload;   /* sealed; empty once it has ended */
};

/* ---- adding ---- */

struct spool_add {
	const uint8_t *content; /* 16 bytes */
	struct str message;	/* sealed; stored when no live job refers to that content yet */
	struct spool_job *jobs; /* queued, held, or ended already (a recipient who must not be mailed) */
	size_t njobs;
	int64_t keep_ms;
	bool *added; /* njobs; false: the key is there already (a retry), and stays as it is */
	bool owed; /* what was accepted before asks for it (a delivery report): may use half of the reserve */
	const struct event *const *events; /* event.h: njobs, queued with those that are added; or NULL */
};
/*
 * One durable commit for all. 0; or -1, then nothing was added: ERR_LIMIT (more than SPOOL_MAX_BATCH jobs, a
 * payload over SPOOL_MAX_PAYLOAD), ERR_FULL (what the functions below need is left, see room.c: they go on)
 * beside store.h's. Of a key that is there twice the first is added.
 */
int spool_add(struct store *s, const struct spool_add *rq, struct err *e);

/* ---- draining ---- */

/*
 * Up to max due jobs (due_ms <= now_ms) of campaigns that are not paused, in turns by campaign, earliest
 * first within one; jobs for which skip says true (in flight) are passed over. Turns are runs of eight jobs;
 * the next call of this process goes on with the next campaign. All that points anywhere lives in a. Returns
 * how many, or -1 (then none). *next_ms: when the next job that was neither returned nor passed over is due
 * (INT64_MAX: there is none); not after now_ms when there are more than max. A record that cannot be read is
 * moved to `bad` and logged, and the others go on. skip must not call the store. Costs a seek for each
 * campaign that has queued jobs, paused or not, and a read for each job returned or passed over.
 */
typedef bool spool_skip_fn(void *ctx, const struct spool_key *key);
int spool_due(struct store *s, int64_t now_ms, spool_skip_fn *skip, void *ctx, size_t max, struct arena *a,
	      struct spool_job *out, int64_t *next_ms, struct err *e);
/* Appends the sealed message. 1 found, 0 not there, -1. */
int spool_message(struct store *s, const uint8_t content[16], struct buf *out, struct err *e);

/* What became of jobs: new state, due time, reason, note, attempts. */
struct spool_update {
	struct spool_key key;
	enum spool_state state;
	int64_t due_ms; /* live: not before; ended: now */
	bool attempted; /* counts one attempt */
	const char *reason;
	struct str note;	   /* cut at SPOOL_MAX_NOTE */
	const struct event *event; /* event.h: queued in the same commit, whatever is found (of a job that is
				      not there at all: without his name); or NULL */
	bool
	    found; /* out: false when the job was not live any more (dropped by an administrator meanwhile) */
};
/*
 * One durable commit of up to SPOOL_MAX_BATCH (several when there is little room). Jobs that are not live are
 * left as they are (SENT overrides DROPPED: it did leave; found is false then too), and a held one is not
 * queued by it, nor held for another reason. 0; -1: nothing was changed, or after ERR_FULL perhaps some.
 */
int spool_update(struct store *s, struct spool_update *v, size_t n, int64_t keep_ms, struct err *e);
/* 0 also when it is gone or has ended. */
int spool_set_bad(struct store *s, const struct spool_key *key, const char *reason, struct err *e);
/* Forgets ended jobs whose time has come, up to max a call (fewer when there is little room); returns how
 * many, or -1. */
int spool_sweep(struct store *s, int64_t now_ms, size_t max, struct err *e);

/* ---- looking and steering ---- */

struct spool_campaign {
	uint8_t id[8];
	struct str name;
	bool paused;
	int64_t paused_ms; /* since when; 0: not paused */
	int64_t count[SPOOL_STATES];
	int64_t oldest_due_ms;	    /* of its queued jobs; 0: none */
	int64_t oldest_accepted_ms; /* of the job that is due first; 0: none */
};
/* Calls fn for each campaign that has jobs (bad ones aside) or is paused; false stops. */
int spool_campaigns(struct store *s, bool (*fn)(void *ctx, const struct spool_campaign *c), void *ctx,
		    struct err *e);
int64_t spool_bad_count(struct store *s, struct err *e); /* or -1 */
/* How many jobs of all campaigns ended with SPOOL_SENT from since_ms to until_ms, looking at no more than
 * max; or -1. */
int64_t spool_sent_since(struct store *s, int64_t since_ms, int64_t until_ms, int64_t keep_ms, int64_t max,
			 struct err *e);
/* How many queued jobs of a campaign are due (due_ms <= now_ms), paused or not; counts to max. Or -1. A
 * million take a twentieth of a second. */
int64_t
spool_due_count(struct store *s, const uint8_t campaign_id[8], int64_t now_ms, int64_t max, struct err *e);
/* 1 when it changed, 0 when it was so already or the spool does not know the campaign and paused is false;
 * -1. Pausing a campaign that has no jobs yet is remembered, also over the end of its jobs. */
int spool_pause(struct store *s, const uint8_t campaign_id[8], struct str name, bool paused, int64_t now_ms,
		struct err *e);
/* 1, 0, -1. */
int spool_paused(struct store *s, const uint8_t campaign_id[8], struct err *e);

struct spool_filter {
	const uint8_t *campaign_id; /* NULL: all */
	int state;		    /* enum spool_state, or -1: all */
	struct str id; /* job id or a beginning of one ("3fa9…-77c0…" as spool_id prints it), or absent */
	const uint8_t *rk; /* recipient key, or NULL: all */
};
/*
 * Calls fn for each job that fits, queued, held and ended ones in this order, by campaign and time within, or
 * with id by message; false stops. Works in short read transactions, none of which is open while fn
 * is called: fn may call the store, and what changes meanwhile may be missed or seen twice. Damaged jobs are
 * left out. rk is looked for in the whole spool (a million jobs: a tenth of a second); id is found at once.
 */
int spool_each(struct store *s, const struct spool_filter *f,
	       bool (*fn)(void *ctx, const struct spool_job *j), void *ctx, struct err *e);
int spool_bad_each(struct store *s,
		   bool (*fn)(void *ctx, const struct spool_key *key, struct str reason, int64_t at_ms),
		   void *ctx, struct err *e);
/* 1, 0 not there (a bad job is not), -1; ERR_CORRUPT: damaged. */
int spool_get(struct store *s, const struct spool_key *key, struct arena *a, struct spool_job *out,
	      struct err *e);

/* Whether there is such a job, in whatever state, or a bad one: spool_add would add nothing. 1, 0, -1. */
int spool_known(struct store *s, const struct spool_key *key, struct err *e);

enum spool_verb { SPOOL_HOLD, SPOOL_RELEASE, SPOOL_RETURN, SPOOL_RETRY, SPOOL_DROP };
/*
 * Up to SPOOL_MAX_BATCH keys in one commit: hold queued jobs, release held ones (their due time stays),
 * return: as release, when what the injector held them for is over (their reason is then "now"),
 * retry: queued (held ones too) and due at now_ms, drop: ended; the last two with reason "admin", but what is
 * retried keeps the reason "retry", since no attempt may have left it. Returns how many it fitted, or -1.
 * Also takes keys of `bad`: drop removes them, retry puts the record back as queued when it can be read
 * again.
 */
int spool_steer(struct store *s, enum spool_verb verb, const struct spool_key *keys, size_t n, int64_t now_ms,
		int64_t keep_ms, struct err *e);

/* "0f3a9c2b77c1-5e0d…": 12 hex digits of each half, enough to tell jobs apart. */
void spool_id(const struct spool_key *key, char out[26]);

#endif
