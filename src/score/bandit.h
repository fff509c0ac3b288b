/*
 * bandit: algorithms that learn while they choose, one row at a time: what they know is kept so that deciding
 * and learning cost a few hundred multiplications, and no more when more was seen. (policy.h is the other
 * half: the same choices from sums over an event log, as the decision path makes them.)
 *
 * Kinds
 *   fixed             each arm by its share
 *   epsilon           with 1 - epsilon the arm with the highest mean reward, else one by the shares
 *   thompson          rewards 0 … 1 (fractions count as such), Beta posteriors; an arm by the probability
 *                     that its rate is the highest (Thompson 1933)
 *   linear-thompson   rewards x·θ, θ ~ N(θ̂, alpha² A⁻¹), A = lambda I + Σ x xᵀ; an arm by the probability
 *                     that its reward at x is the highest (Agrawal and Goyal 2013)
 *   linucb            the highest x·θ̂ + alpha √(xᵀ A⁻¹ x), each arm with its own A (Li, Chu, Langford and
 *                     Schapire 2010, algorithm 1: disjoint); ties go to the lowest arm
 *   greedy            the highest of scores that the caller brings; ties go to the lowest arm
 *
 * A⁻¹ is kept and brought up to date by Sherman and Morrison's formula (1950). A decision gives every arm's
 * probability; the caller brings the draw u, uniform in [0, 1): of a keyed hash, so that the same copy gets
 * the same arm however often it is made (tailor/arm.h), or of a seeded generator. Thompson's probabilities
 * are integrated (policy.h), not sampled: what is logged as propensity is exact to about 1e-6.
 *
 * Threads: one thread decides and updates at a time; several may decide while nobody updates.
 */
#ifndef MT_SCORE_BANDIT_H
#define MT_SCORE_BANDIT_H

#include "score/policy.h"

#define BANDIT_MAX_FILE ((size_t)96 << 20)

enum bandit_kind {
	BANDIT_FIXED,
	BANDIT_EPSILON,
	BANDIT_THOMPSON,
	BANDIT_LINEAR_THOMPSON,
	BANDIT_LINUCB,
	BANDIT_GREEDY,
	BANDIT_KINDS,
};
const char *bandit_kind_name(enum bandit_kind kind);
/* -1: there is no such kind. */
int bandit_kind_find(struct str name);

struct bandit_shape {
	enum bandit_kind kind;
	size_t narms; /* 1 … POLICY_MAX_ARMS */
	size_t dim; /* of x, with a constant 1 in it where one is wanted; 1 … POLICY_MAX_COLUMNS + 1; 0 for
		       kinds that look at no row */
	double lambda, alpha;	   /* linear kinds: lambda > 0, alpha >= 0 */
	double epsilon;		   /* 0 … 1 */
	const double *shares;	   /* narms, none below 0, their sum above 0; NULL: all alike */
	const double *prior;	   /* thompson: narms pairs of successes and failures, > 0; NULL: 1 and 1 */
	const double *prior_theta; /* linear kinds: narms × dim, what θ is before anything is seen; NULL: 0 */
};

/* Everything an algorithm knows, as plain arrays; of arm k the k-th piece of each. */
struct bandit {
	enum bandit_kind kind;
	size_t narms, dim;
	double lambda, alpha, epsilon;
	double *share;	 /* narms, sum 1 */
	double *prior;	 /* narms pairs */
	double *count;	 /* narms: updates */
	double *reward;	 /* narms: sums of rewards */
	double *inverse; /* narms × dim × dim, symmetric: A⁻¹ */
	double *b;	 /* narms × dim: lambda · prior θ + Σ r x */
	double *theta;	 /* narms × dim: A⁻¹ b */
	double *scratch; /* dim */
	struct arena *arena;
};

/* NULL: ERR_INPUT, ERR_LIMIT. */
struct bandit *bandit_new(const struct bandit_shape *shape, struct err *e);
/* Takes NULL; leaves NULL. */
void bandit_free(struct bandit **b);

struct bandit_choice {
	size_t arm;
	double propensity; /* of that arm, > 0 */
};

/* p[0..narms), sum 1. x: dim values (linear kinds) or narms scores (greedy), finite; else may be NULL. */
void bandit_probabilities(const struct bandit *b, const double *x, double *p);
/* u in [0, 1). */
struct bandit_choice bandit_decide(const struct bandit *b, const double *x, double u);
/* What an arm brought: 0 or 1, or (linear kinds, epsilon) any finite number. */
void bandit_update(struct bandit *b, size_t arm, const double *x, double reward);

/* An arm by its probabilities: the first whose sum exceeds u; never one with probability 0. */
size_t bandit_pick(const double *p, size_t n, double u);

/* ---- files: safetensors with a checksum ---- */

/* Appends. */
void bandit_print(const struct bandit *b, struct buf *out);
/*
 * NULL: ERR_INPUT (foreign, truncated, or numbers that no sequence of updates gives: A⁻¹ that is not positive
 * definite, counts below 0), ERR_CORRUPT, ERR_LIMIT. Whatever the bytes: what comes back keeps all that is
 * said above.
 */
struct bandit *bandit_parse(struct str bytes, struct err *e);

#endif
