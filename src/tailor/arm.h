/*
 * arm: PURE. Which of a campaign's arms a copy gets, and how probable that was. All chance comes from keyed
 * hashes that the caller gives, so the same copy gets the same arm again, in whatever order and batches
 * copies are made.
 *
 * Control. Who is in it hangs on `assign` alone, a hash of recipient and campaign: the same people in every
 * message of the campaign, and when control_share grows the old ones stay in it.
 * Fixed split. Likewise, by weighted rendezvous hashing (highest random weight; Thaler and Ravishankar 1998,
 * with the weights of Schindelhauer and Schomaker 2005): an arm that is added takes its part from all others
 * alike, and one that is taken out gives away only its own.
 * What is learned. A policy gives each arm a probability; `seed`, a hash of the copy's id, draws. Without a
 * state, a row or a score the fixed split stands in.
 *
 * Threads: safe.
 */
#ifndef MT_TAILOR_ARM_H
#define MT_TAILOR_ARM_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "score/policy.h"

struct tailor_score {
	struct str name;
	double value;
};

struct tailor_arm {
	const struct conf_arm *arm; /* NULL: none is decided, or the campaign has none */
	double propensity; /* the probability with which it was drawn, control's share included; (0, 1] */
	bool kept;	   /* decided before */
};

struct tailor_arm_ask {
	const struct conf_campaign *campaign;
	uint8_t assign[16]; /* keyed hash of recipient and campaign */
	uint8_t seed[16];   /* keyed hash of the copy's id */
	struct str kept;    /* the arm that was decided before; absent: none. One that is not configured any
			       more is of no account */
	double kept_propensity;
	/* What policies go by; absent where it is not known. */
	const struct policy *policy; /* what was learned */
	const double *rates; /* what policy_probabilities says of each arm of the campaign, where that hangs
				on no copy: it costs more than the rest of a decision; NULL: ask */
	const double *row;   /* the campaign's features, as many as the policy's; NULL: none */
	size_t nrow;
	const struct tailor_score *scores; /* by the names of the arms' `score` */
	size_t nscores;
};

/* True when the copy is the control's, or its arm hangs on hashes alone: known before anything is scored. */
bool tailor_arm_early(const struct tailor_arm_ask *ask, struct tailor_arm *out);
void tailor_arm_choose(const struct tailor_arm_ask *ask, struct tailor_arm *out);
/*
 * The probabilities that tailor_arm_choose draws from: p[i] of arm i, 0 for the control, all others sum to 1.
 * False: nothing is known that a policy could go by, and p is that of the fixed split.
 */
bool tailor_arm_probabilities(const struct tailor_arm_ask *ask, double *p);

/* What `rates` is to hold. False: it hangs on the copy, or nothing is known. */
bool tailor_arm_rates(const struct conf_campaign *c, const struct policy *p, double *rates);

/* A copy that waits because of its arm must not be decided anew: its job's note says which it has. "arm b
 * 0.45: …" */
struct str tailor_arm_note(const struct tailor_arm *arm, struct str text, struct arena *a);
/* The note of a job that goes on waiting, for another reason: with the arm that `before` names, if it does.
 */
struct str tailor_arm_renote(struct str before, struct str text, struct arena *a);
/* False: the note names none. */
bool tailor_arm_noted(struct str note, struct str *name, double *propensity);

#endif
