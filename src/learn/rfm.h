/*
 * rfm: recency, frequency and monetary value of customers as scores 1 … 5 against each other: fifths of those
 * who have bought (Hughes, Strategic Database Marketing, 1994). Who is alike gets the same score, that of the
 * middle of where he and his like stand; 5 is best: bought last, most often, for most.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_RFM_H
#define MT_LEARN_RFM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct rfm_customer {
	double recency;	  /* time since the last purchase */
	double frequency; /* purchases; 0: none, then the others do not count */
	double monetary;  /* spent in all */
};
struct rfm_score {
	uint8_t r, f, m; /* 1 … 5; all 0 for who never bought */
};
/* ERR_INPUT: what is no number, or below 0. */
int rfm_scores(const struct rfm_customer *c, size_t n, struct rfm_score *out, struct err *e);
/*
 * What such customers are usually called, by recency and by the mean of the other two: champion, loyal,
 * promising, new, needs-attention, at-risk, cannot-lose, hibernating; never-bought.
 */
const char *rfm_segment(struct rfm_score s);

#endif
