/*
 * fairness: how groups of recipients fare: who is mailed, which arm he gets, how he is scored. Counted out of
 * the event log; whoever asks says which group a recipient is in.
 *
 * Considered are copies that a score could decide on: those that were made (`injected`), and those that
 * send_if held back (`suppressed` with that reason). What consent, caps or suppressions held back is not a
 * choice of a model and is not looked at.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_FAIRNESS_H
#define MT_LEARN_FAIRNESS_H

#include "base/arena.h"
#include "store/event.h"

#define FAIRNESS_MAX_GROUPS 64 /* further ones are one group, "(others)" */
#define FAIRNESS_MAX_ARMS 64

struct fairness_group {
	const char *name;
	int64_t considered, selected;	 /* copies */
	int64_t arms[FAIRNESS_MAX_ARMS]; /* of those selected, by struct fairness's arms */
	int64_t scored;
	double score_mean, score_var; /* of the first score that was kept; variance with scored - 1 */
};

struct fairness {
	struct arena *arena;
	struct fairness_group *groups; /* in the order of their names */
	size_t ngroups;
	const char *arms[FAIRNESS_MAX_ARMS]; /* those that were drawn; "" is none */
	size_t narms;
	int64_t unknown, erased; /* copies of who is in no group; of erased recipients */
};

struct fairness_request {
	const char *const *campaigns; /* ncampaigns; 0: all */
	size_t ncampaigns;
	int64_t since_ms, until_ms; /* [since, until); 0: all */
	/* The group of a recipient; absent: he is in none. Called once for each, after the log was read. */
	struct str (*group)(void *ctx, const uint8_t rk[STORE_KEY_LEN]);
	void (*progress)(void *ctx, uint64_t event); /* or NULL */
	void *ctx;
};

/* NULL with e: the database's. */
struct fairness *fairness_read(struct store *s, const struct fairness_request *rq, struct err *e);
/* Takes NULL; leaves NULL. */
void fairness_free(struct fairness **f);

#endif
