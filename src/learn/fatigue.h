/*
 * fatigue: when to leave a recipient alone. Each day (or whatever a step is) a mail is sent to him or not;
 * what comes of it is the day's reward: clicks and purchases, less what it costs when he complains or
 * unsubscribes, after which nothing more comes of him. Sending today makes tomorrow's mail worth less, so
 * what counts is the sum of all rewards to come, discounted: Q(state, send) and Q(state, wait). It is learned
 * from a log of what was done, whoever decided it, by fitted Q-iteration: Q₀ = 0, Q_k+1 = regression of r +
 * discount · max over actions of Q_k(next state, action), for each action on the steps that took it.
 *
 * Source: Ernst, Geurts and Wehenkel, Tree-Based Batch Mode Reinforcement Learning, JMLR 6 (2005).
 *
 * What comes out is a model (score/model.h, identity) of Q(state, send) - Q(state, wait): at or below 0 it is
 * better to wait. It is used as one more reason not to send, so it can tighten caps, never widen them.
 *
 * Threads: safe, as learn.h.
 */
#ifndef MT_LEARN_FATIGUE_H
#define MT_LEARN_FATIGUE_H

#include "learn/mlp.h"

/* Steps of many recipients, in any order. Borrowed. */
struct fatigue_log {
	size_t rows, cols;
	const double *state, *next; /* rows × cols, row-major, finite; next is not looked at where ended */
	const uint8_t *sent;	    /* 1: a mail was sent in this step */
	const double *reward;	    /* of this step, finite */
	const uint8_t *ended;	    /* 1: he is gone; nothing comes after this step */
};

struct fatigue_options {
	double discount;   /* of a step's worth against the one before it; in 0 … 0.999 */
	size_t iterations; /* 1 … 10000; how far it looks ahead */
	double l2;	   /* of the regressions */
};

struct fatigue_fit {
	double change; /* largest change of a target in the last iteration */
	size_t sends, waits;
};

/* Q linear in the state's columns (which may be squares and products). NULL: ERR_INPUT. */
struct model *fatigue_linear(const struct fatigue_log *log, const struct learn_names *names,
			     const struct fatigue_options *o, const struct learn_progress *p,
			     struct fatigue_fit *fit, struct err *e);

/*
 * Q by neural networks, one for each action, trained anew in each iteration with net's options (its link, its
 * validation split and its patience are set here). It begins where fatigue_linear with o ends, so that a few
 * iterations do; the advantage of sending is then taught to one more network, which is the model.
 */
struct model *fatigue_mlp(const struct fatigue_log *log, const struct learn_names *names,
			  const struct fatigue_options *o, const struct learn_mlp *net, size_t iterations,
			  const struct learn_progress *p, struct fatigue_fit *fit, struct err *e);

/* ---- tables ---- */

/*
 * The reference for a few numbered states: Watkins' Q-learning over the log, many times in its order, with
 * steps that fall as 1 / (visits of the state and action)^0.7. state[i] and next[i] < states; q[2 · states]:
 * wait and send of each state.
 */
struct fatigue_table_log {
	size_t rows, states;
	const uint32_t *state, *next;
	const uint8_t *sent, *ended;
	const double *reward;
};
int
fatigue_table(const struct fatigue_table_log *log, double discount, size_t passes, double *q, struct err *e);

#endif
