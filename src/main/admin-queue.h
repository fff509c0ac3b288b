/* admin-queue: what the sub-verbs of `mailtailor queue`, and `campaign pause`, share. */
#ifndef MT_MAIN_ADMIN_QUEUE_H
#define MT_MAIN_ADMIN_QUEUE_H

#include "base/arena.h"
#include "base/value.h"
#include "main/admin.h"
#include "recipient/job.h"
#include "recipient/text.h"

#define QUEUE_STATE(s) (1u << (s))
#define QUEUE_BAD QUEUE_STATE(SPOOL_STATES)
#define QUEUE_ALL_STATES (QUEUE_STATE(SPOOL_STATES + 1) - 1)

/* The command line. */
struct queue_request {
	const char *conf_path, *campaign;
	unsigned states; /* QUEUE_STATE bits; 0: none were named */
	int64_t limit;	 /* 0: none */
	bool json, watch, addresses, message, all, yes;
	char **ids;
	int nids;
};

/* What is open. */
struct queue {
	struct arena *arena;
	struct conf *conf;
	struct keyring *keys;
	struct sealer *sealer; /* keys and sealer: with QUEUE_KEYS only */
	struct store *store;   /* NULL: the state directory has no spool yet; the queue is empty */
};

#define QUEUE_WRITE 1u
#define QUEUE_KEYS 2u
#define QUEUE_CREATE 4u	 /* make what is missing */
#define QUEUE_LENIENT 8u /* a state directory that is not there holds an empty queue, too */
/* EX_OK, or the exit code of what was printed. queue_close in either case. */
int queue_open(struct queue *q, const char *conf_path, unsigned access);
void queue_close(struct queue *q);

/* EX_OK when the campaign is configured or the spool knows it; else EX_USAGE, and says which is near. */
int queue_campaign_check(const struct queue *q, const char *name);

/* Of one campaign; zero when the spool does not know it (then 0 is returned), or cannot be read (-1). */
struct queue_counts {
	bool paused;
	int64_t queued, held;
};
int queue_counts(const struct queue *q, const char *campaign, struct queue_counts *out, struct err *e);

/* Calls fn for each job of campaign (NULL: all) in one of states, bad ones aside; false stops. */
int queue_each(const struct queue *q, const char *campaign, unsigned states,
	       bool (*fn)(void *ctx, const struct spool_job *j), void *ctx, struct err *e);

/* Jobs to be changed: chosen in one walk, so that a change does not bring them before it again. */
struct queue_keys {
	struct spool_key *v;
	size_t n, cap;
};
void queue_keys_add(struct queue_keys *k, const struct spool_key *key);
void queue_keys_free(struct queue_keys *k);
/* Adds those that queue_each would be called for, then the bad ones, which belong to no campaign. */
int queue_select(const struct queue *q, const char *campaign, unsigned states, struct queue_keys *out,
		 struct err *e);
/*
 * The one job that id, or a beginning of an id, names. *bad: it lies in the side table. -1: ERR_USAGE (no id,
 * or several fit: says which), ERR_MISSING, and what reading the spool can give.
 */
int queue_find(const struct queue *q, const char *id, struct spool_key *key, bool *bad, struct err *e);

/* Why a bad job is bad, and since when. 1, 0 no such bad job, -1. The reason lives in q's arena. */
int
queue_bad(struct queue *q, const struct spool_key *key, struct str *reason, int64_t *at_ms, struct err *e);

/* NUL-terminated, without control characters; "-" when empty. */
const char *queue_text(struct arena *a, struct str s);

/* `campaign pause` or resume: prints what it did; an exit code. */
int campaign_pause(const char *conf_path, int n, char **names, bool pause);

/* The sub-verbs; exit codes. */
int queue_status(struct queue *q, const struct queue_request *r);
int queue_list(struct queue *q, const struct queue_request *r);
int queue_show(struct queue *q, const struct queue_request *r);
int queue_hold(struct queue *q, const struct queue_request *r);
int queue_release(struct queue *q, const struct queue_request *r);
int queue_retry(struct queue *q, const struct queue_request *r);
int queue_drop(struct queue *q, const struct queue_request *r);

#endif
