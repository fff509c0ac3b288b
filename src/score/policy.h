/*
 * policy: what was learned of a campaign's arms, as a file, and the probability it gives each arm.
 *
 * The state is sums alone, so that it can be made anew from the event log at any time: of each arm how many
 * decisions count and how many rewards they had, and for the linear kinds, over the rows x of these decisions
 * (a constant 1 in front), A = Σ x xᵀ and b = Σ r x.
 *
 * Kinds
 *   epsilon           the arm with the highest mean of its Beta posterior; epsilon of all by the arms' shares
 *   thompson          P(arm has the highest rate) under Beta posteriors (Thompson 1933)
 *   linear-thompson   P(arm has the highest reward at x) where rewards are x·θ and θ is N(Â, alpha² (A +
 * ridge I)⁻¹) (Agrawal and Goyal 2013) linucb            the highest x·θ + alpha √(xᵀ (A + ridge I)⁻¹ x) (Li,
 * Chu, Langford and Schapire 2010, algorithm 1) Thompson's probabilities are computed by quadrature rather
 * than by drawing parameters: that draws the same arms, and what is logged as propensity is exact (to about
 * 1e-6).
 *
 * Threads: a state is immutable once it is read or finished; any number of threads may ask it.
 */
#ifndef MT_SCORE_POLICY_H
#define MT_SCORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define POLICY_MAX_ARMS 64
#define POLICY_MAX_COLUMNS 256 /* of the linear kinds */
#define POLICY_MAX_FILE ((size_t)64 << 20)
#define POLICY_MAX_NAME 64

enum policy_kind { POLICY_EPSILON, POLICY_THOMPSON, POLICY_LINEAR_THOMPSON, POLICY_LINUCB, POLICY_KINDS };

struct policy_arm {
	struct str name;
	int64_t decisions, rewards; /* 0 <= rewards <= decisions */
	/* dim × dim, row-major and symmetric, and dim; NULL when dim is 0. */
	double *a, *b;
	/* Of policy_finish: the Cholesky factor of A + ridge I, and its solution for b. */
	double *factor, *theta;
};

struct policy {
	struct arena *arena;
	struct str campaign, reward; /* "clicked" … */
	struct str columns;	     /* which features: score_columns_hash; empty: none */
	int64_t made_ms, window_ms;
	int64_t pending; /* decisions that did not count: too young for "no reward" to be one */
	size_t dim;	 /* columns + 1 of the linear kinds; 0: no rows were looked at */
	double ridge;
	struct policy_arm *arms;
	size_t narms;
};

/* An empty state; strings are copied. dim as above. NULL: ERR_LIMIT. */
struct policy_shape {
	struct str campaign, reward, columns;
	int64_t window_ms;
	size_t dim;
	double ridge;
	const struct str *arms;
	size_t narms;
};
struct policy *policy_new(const struct policy_shape *shape, struct err *e);
void policy_free(struct policy **p);
/* Adds one decision of arms[arm]; row: dim - 1 values, or NULL when dim is 0. NAN counts as 0. */
void policy_add(struct policy *p, size_t arm, const double *row, bool reward);
/* After the last decision: what choices are made by. -1: ERR_INPUT (ridge 0 and too little is known). */
int policy_finish(struct policy *p, struct err *e);

/* ---- files ---- */

/* "mailtailor-policy 1 SHA-256\n" and JSON. Appends. */
void policy_print(const struct policy *p, struct buf *out);
/*
 * Reads one, finished. NULL: ERR_CORRUPT (cut off, changed, not ours), ERR_LIMIT. Whatever the bytes: what
 * comes back keeps all that is said above, with finite numbers.
 */
struct policy *policy_parse(struct str bytes, struct err *e);

/* ---- choices ---- */

struct policy_arm_ask {
	struct str name;
	double share; /* of the fixed split, for epsilon */
	double prior_successes, prior_failures;
};
struct policy_ask {
	enum policy_kind kind;
	double epsilon, alpha;
	const struct policy_arm_ask *arms; /* those to choose from; the state may know others, or not these */
	size_t narms;
	const double *row; /* linear kinds: p->dim - 1 values */
	size_t nrow;
};
/* p[i] of arm i, sum 1. False: the state is of no use for this (a linear kind without a row that fits). */
bool policy_probabilities(const struct policy *p, const struct policy_ask *ask, double *probability);

const struct policy_arm *policy_arm_find(const struct policy *p, struct str name);

/* ---- the numbers behind it (policy-math.c) ---- */

/* P(variable i is the largest) of n independent Beta(a[i], b[i]), a and b > 0. */
void policy_best_beta(const double *a, const double *b, size_t n, double *p);
/* The same of normal ones; deviations >= 0. */
void policy_best_normal(const double *mean, const double *deviation, size_t n, double *p);
/* Lower triangle of the Cholesky factor of the symmetric m (n × n), in place. -1: not positive definite. */
int policy_cholesky(double *m, size_t n);
/* xᵀ m⁻¹ x with that factor; y: n scratch. */
double policy_form(const double *factor, size_t n, const double *x, double *y);

#endif
