/*
 * A recipient who tires: his state is how tired he is (0 … 8) and how interested (0 … 2). A mail may be
 * clicked, the less the more tired he is, and tires him; he may be gone for good, the sooner the more tired.
 * Waiting lets him rest. Known to the last probability, so what is best can be computed.
 */
#ifndef MT_TEST_FATIGUE_H
#define MT_TEST_FATIGUE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "learn/random.h"

#define TIRED 9
#define INTERESTED 3
#define STATES (TIRED * INTERESTED)
#define DISCOUNT 0.95
#define GONE (-5.0) /* what it costs to lose him */

static inline double
p_click(int tired, int interested)
{
	return (double[]){ 0.15, 0.3, 0.6 }[interested] * exp(-0.2 * tired);
}

static inline double
p_gone(int tired)
{
	return fmin(0.5, 0.001 + 0.002 * tired * tired);
}

/* What may follow: probability and next state; the last one is that he is gone (with a mail), at a reward of
 * its own. */
struct outcome {
	double p, reward;
	int next; /* -1: gone */
};
#define OUTCOMES 6

static inline size_t
outcomes(int state, int send, struct outcome out[OUTCOMES])
{
	int tired = state / INTERESTED, interested = state % INTERESTED;
	size_t n = 0;
	if (!send) {
		int rested = tired > 0 ? tired - 1 : 0, cooler = interested > 0 ? interested - 1 : 0;
		int warmer = interested < INTERESTED - 1 ? interested + 1 : interested;
		out[n++] = (struct outcome){ 0.8, 0, rested * INTERESTED + interested };
		out[n++] = (struct outcome){ 0.1, 0, rested * INTERESTED + cooler };
		out[n++] = (struct outcome){ 0.1, 0, rested * INTERESTED + warmer };
		return n;
	}
	double gone = p_gone(tired), click = p_click(tired, interested);
	int more = tired + 1 < TIRED ? tired + 1 : TIRED - 1;
	int warmer = interested < INTERESTED - 1 ? interested + 1 : interested;
	int cooler = interested > 0 ? interested - 1 : 0;
	out[n++] = (struct outcome){ gone, GONE, -1 };
	out[n++] = (struct outcome){ (1 - gone) * click * 0.5, 1, more * INTERESTED + warmer };
	out[n++] = (struct outcome){ (1 - gone) * click * 0.5, 1, more * INTERESTED + interested };
	out[n++] = (struct outcome){ (1 - gone) * (1 - click) * 0.3, 0, more * INTERESTED + cooler };
	out[n++] = (struct outcome){ (1 - gone) * (1 - click) * 0.7, 0, more * INTERESTED + interested };
	return n;
}

static inline double
q_exact(const double *v, int state, int send)
{
	struct outcome o[OUTCOMES];
	size_t n = outcomes(state, send, o);
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += o[i].p * (o[i].reward + (o[i].next < 0 ? 0 : DISCOUNT * v[o[i].next]));
	return sum;
}

/* The worth of each state when policy[s] is how likely a mail is sent; policy NULL: when the best is done. */
static inline void
worth(const double *policy, double v[STATES])
{
	memset(v, 0, STATES * sizeof(*v));
	for (int k = 0; k < 3000; k++)
		for (int s = 0; s < STATES; s++) {
			double send = q_exact(v, s, 1), wait = q_exact(v, s, 0);
			v[s] = policy ? policy[s] * send + (1 - policy[s]) * wait : fmax(send, wait);
		}
}

/* Over recipients who begin rested. */
static inline double
start_worth(const double v[STATES])
{
	return (v[0] + v[1] + v[2]) / 3;
}

/* One step that a coin decided; who is gone is followed by a new recipient. Returns the next state, -1: gone.
 */
static inline int
step_random(uint64_t *seed, int state, int *send, double *reward)
{
	struct outcome o[OUTCOMES];
	*send = random_unit(seed) < 0.5;
	size_t n = outcomes(state, *send, o), i = 0;
	double u = random_unit(seed);
	while (i + 1 < n && u >= o[i].p)
		u -= o[i++].p;
	*reward = o[i].reward;
	return o[i].next;
}

#endif
