/*
 * ope: what a policy would have brought, from a log that another one made (off-policy evaluation), and when
 * not to say so.
 *
 * With x a row, a the arm it got with probability b(a|x) (the propensity that was logged), r its reward,
 * π the policy that is asked about, q(x, a) a model of the reward and w = π(a|x) / b(a|x):
 *
 *   IPS      mean of w r                              (Horvitz and Thompson 1952)
 *   SNIPS    Σ w r / Σ w                              (Swaminathan and Joachims 2015)
 *   clipped  mean of min(w, clip) r                   (Bottou et al. 2013)
 *   DM       mean of Σ_a π(a|x) q(x, a)               the model alone: as wrong as the model
 *   DR       mean of Σ_a π(a|x) q(x, a) + w (r - q)   doubly robust (Dudík, Langford and Li 2011)
 *   DRos     DR with ŵ = λ w / (w² + λ)               optimistic shrinkage (Su et al. 2020)
 *
 * Standard errors are of the means (SNIPS: by the delta method, √Σ w² (r - v)² / Σ w). The effective sample
 * size (Σ w)² / Σ w² says how many rows of the policy itself the log is worth (Kong 1992).
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_OPE_H
#define MT_LEARN_OPE_H

#include "learn/learn.h"
#include "score/bandit.h"

struct ope_log {
	size_t rows, arms;
	const uint32_t *arm;	  /* rows, each below arms: the one that was taken */
	const double *reward;	  /* rows */
	const double *propensity; /* rows: of that arm; above 0, at most 1 */
};

enum ope_estimator { OPE_IPS, OPE_SNIPS, OPE_CLIPPED, OPE_DM, OPE_DR, OPE_DROS, OPE_ESTIMATORS };
/* "IPS", … */
const char *ope_name(enum ope_estimator e);

struct ope_estimate {
	double value, se;
};

/* When not to conclude, and how to weigh. */
struct ope_options {
	double clip;	   /* of OPE_CLIPPED */
	double shrink;	   /* λ of OPE_DROS */
	double min_ess;	   /* rows */
	double min_events; /* effective number of rows with a reward */
	double max_width;  /* half the 95 % interval, as a share of the value's size */
};
#define OPE_DEFAULTS                                                                          \
	{                                                                                     \
		.clip = 20, .shrink = 100, .min_ess = 100, .min_events = 10, .max_width = 0.5 \
	}

struct ope_result {
	struct ope_estimate of[OPE_ESTIMATORS]; /* NAN: those that need q, without it */
	struct ope_estimate naive;  /* mean reward of rows weighted by π alone: wrong when b looked at x */
	struct ope_estimate logged; /* mean reward of all rows: what the log's own policy brought */
	double ess, events, max_weight, mean_weight;
	enum ope_estimator best; /* which one to believe: DR where there is q, else SNIPS */
	bool concluded;
	char reason[256]; /* why not; empty when concluded */
};

/* Rows, arms and propensities are what ope_log says. ERR_INPUT: which row is not. */
int ope_check(const struct ope_log *log, struct err *e);
/* policy and q (or NULL): rows × arms, row-major; policy's rows sum to 1. */
void ope_evaluate(const struct ope_log *log, const double *policy, const double *q,
		  const struct ope_options *o, struct ope_result *out);
/*
 * policy less other on the same rows (paired): difference of the best estimator, its standard error.
 */
struct ope_estimate
ope_compare(const struct ope_log *log, const double *policy, const double *other, const double *q);

/* ---- models of the reward ---- */

/*
 * q (rows × arms) by cross-fitting: for each fold and arm a model of kind (train.h) on the other folds' rows
 * with that arm, applied to the fold's. data->y are the rewards. Where those rows have one reward only, it is
 * the answer. ERR_INPUT, ERR_LIMIT.
 */
struct ope_fit {
	const struct learn_data *data;
	const uint32_t *arm;
	const uint8_t *fold; /* rows, below OPE_FOLDS */
	size_t arms;
	struct str kind;	     /* or "mean" */
	const struct value *options; /* of the kind; of "mean": "prior" */
	enum model_link link;
	const struct learn_progress *progress; /* or NULL */
};
#define OPE_FOLDS 5
/*
 * Kind "mean" knows no model: the mean reward of the rows with that arm and the same x, shrunk by `prior`
 * rows (100) of the mean of all.
 */
int ope_crossfit(const struct ope_fit *fit, double *q, struct err *e);

/* π of the arm with the highest q in each row; only[arm] false: never that one; only NULL: any. */
void ope_greedy(const double *q, size_t rows, size_t arms, const bool *only, double *policy);

/* ---- replay ---- */

/*
 * What a learning algorithm would have brought (Li, Chu, Langford and Wang 2011): row by row it decides;
 * where its arm is the logged one the row is kept and learned from, else passed over. Unbiased when the log's
 * arms were drawn alike: ERR_INPUT when the propensities differ. x: rows × bandit->dim; u draws by seed.
 */
struct ope_replay {
	size_t kept;
	double reward; /* sum over the rows kept */
	struct ope_estimate value;
	size_t kept_of[POLICY_MAX_ARMS];
	double reward_of[POLICY_MAX_ARMS];
};
int ope_replay(const struct ope_log *log, const double *x, struct bandit *b, uint64_t seed,
	       struct ope_replay *out, struct err *e);

#endif
