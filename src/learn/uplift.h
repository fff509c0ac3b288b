/*
 * uplift: whom a mail moves: the reward with it less the reward without it, by row, from data in which chance
 * decided who got it.
 *
 * Learners
 *   UPLIFT_T      two models, of the treated and of the control rows; uplift is their difference
 *   UPLIFT_CLASS  one model of z = y where treated, 1 - y in control; uplift is 2 P(z) - 1 (Jaskowski and
 *                 Jaroszewicz 2012), rows weighted so that treated and control count alike; y is 0 or 1
 * over any kind of train.h. The model that comes out is of kind "uplift" (score/uplift.h), whose score is the
 * uplift: rules can ask for it.
 *
 * Judgement. Rows sorted by score, the highest first (ties in the order of rows); over the first k of them
 * with Yt, Yc rewards of Nt treated and Nc control rows
 *   Q(k)   = Yt - Yc Nt / Nc                          (Radcliffe 2007)
 *   Qini   = Σ_k (Q(k) - k/n Q(n)) / n²               0: as good as chance
 *   AUUC   = mean of (Yt/Nt - Yc/Nc) k/n
 *   up(s)  = Yt/Nt - Yc/Nc over the best share s
 * with standard errors and 95 % percentile intervals by the bootstrap of rows. There is detectable
 * heterogeneity where Qini's interval lies above zero; else the answer is that there is none to be seen, and
 * one treatment for everybody is as good.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_UPLIFT_H
#define MT_LEARN_UPLIFT_H

#include "learn/learn.h"

#define UPLIFT_FOLDS 5

enum uplift_learner { UPLIFT_T, UPLIFT_CLASS };

struct uplift_fit {
	const struct learn_data *data;
	const uint8_t *treated; /* rows: 0 or 1 */
	enum uplift_learner learner;
	struct str kind; /* of train.h */
	const struct value *options;
	enum model_link link; /* of the models; UPLIFT_CLASS: MODEL_LOGIT */
	const struct learn_names *names;
	const struct learn_progress *progress; /* or NULL */
};

/* Over all rows. NULL with e: ERR_INPUT (no treated or no control rows, …), or what the trainer says. */
struct model *uplift_train(const struct uplift_fit *f, struct err *e);
/* scores[0..rows): of each fold (fold[i] below UPLIFT_FOLDS) by a model of the others. */
int uplift_crossfit(const struct uplift_fit *f, const uint8_t *fold, double *scores, struct err *e);

struct uplift_figure {
	double value, se, low, high;
};
struct uplift_figures {
	size_t treated, control;
	struct uplift_figure effect; /* of treatment on all: mean reward of treated less that of control */
	struct uplift_figure qini, auuc, top; /* top: of the best share */
	bool heterogeneous;		      /* qini.low > 0 */
};
struct uplift_data {
	const double *score, *y;
	const uint8_t *treated;
	size_t n;
};
/* share: in (0, 1], 0.3 for "uplift at 30 %". draws: at least 2. ERR_INPUT: one side has no rows. */
int uplift_evaluate(const struct uplift_data *d, double share, size_t draws, uint64_t seed,
		    struct uplift_figures *out, struct err *e);

/* For charts: gain per row Q(k)/n after the best i/steps of the rows, out[0..steps], out[0] = 0. */
void uplift_curve(const struct uplift_data *d, size_t steps, double *out);

#endif
