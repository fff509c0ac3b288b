/*
 * contest: policies beside each other on one trial (trial.h): every constant arm, and those of the
 * specification's key
 *
 *     "policies": [
 *       {"name": "split", "shares": [1, 1, 2]},           each arm by its share
 *       {"name": "by model", "greedy": true},             the arm with the highest expected reward
 *       {"name": "mail", "greedy": true, "arms": ["A"]},  of these arms
 *       {"name": "ours", "probabilities": ["pA", "pB"]},  fields of the table, one for each arm
 *       {"name": "LinUCB", "replay": "linucb", "alpha": 1, "lambda": 1, "epsilon": 0.1, "seed": 1}
 *     ]                                                   an algorithm (bandit.h) by replay
 *
 * (absent: an even split, and by model). The model of the reward is the specification's "model", or {"kind":
 * "mean", "prior": 100} (ope.h); "min_ess", "min_events", "max_width", "clip" and "shrink" are those of
 * struct ope_options.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_CONTEST_H
#define MT_LEARN_CONTEST_H

#include "learn/ope.h"
#include "learn/trial.h"

#define CONTEST_MAX 64 /* policies beside the constant ones */

enum contestant_kind {
	CONTEST_CONSTANT,
	CONTEST_SHARES,
	CONTEST_GREEDY,
	CONTEST_FIELDS,
	CONTEST_REPLAY,
};

struct contestant {
	enum contestant_kind kind;
	const char *name;
	size_t arm;		    /* constant */
	const double *shares;	    /* narms, sum 1 */
	const bool *only;	    /* greedy: narms, or NULL */
	size_t field;		    /* of trial.more: narms from here */
	struct bandit_shape replay; /* narms and dim are filled in */
	uint64_t seed;

	struct ope_result result;   /* all but replay */
	struct ope_estimate versus; /* less the best constant arm, paired; NAN: there is none */
	struct ope_replay replayed;
	const char *refused; /* replay: why not; else NULL */
};

struct contest {
	struct arena *arena;
	struct ope_options options;
	struct contestant *all; /* the constant arms first */
	size_t n;
	/* After contest_run: */
	const struct contestant *best_constant, *recommended; /* NULL: none can be named */
	const char *why;
};

/* Parses the specification, completes s with the fields that policies need. Memory from a. */
int contest_spec(struct arena *a, struct str text, struct trial_spec *s, struct contest *out, struct err *e);
/* For trials without a specification (from events): an even split, and by model. */
void contest_defaults(struct arena *a, const char *const *arms, size_t narms, struct contest *out);
/*
 * Evaluates all. kind and options: of the model of the reward. ERR_INPUT: no propensities, fields that are no
 * probabilities, or what the model says.
 */
int contest_run(struct contest *c, const struct trial *t, struct str kind, const struct value *options,
		const struct learn_progress *p, struct err *e);

#endif
