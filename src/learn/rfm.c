/* rfm: see rfm.h. */
#include "learn/rfm.h"

#include <math.h>
#include <stdlib.h>

#define FIFTHS 5

struct ranked {
	double v; /* more is better */
	size_t who;
};

static int
ranked_compare(const void *a, const void *b)
{
	const struct ranked *p = a, *q = b;
	return p->v < q->v ? -1 : p->v > q->v;
}

/* The fifth in which those of rank [from, to) of n stand, by their middle. */
static uint8_t
fifth(size_t from, size_t to, size_t n)
{
	double middle = ((double)from + (double)to) / 2 / (double)n;
	return (uint8_t)(1 + fmin(FIFTHS - 1, floor(middle * FIFTHS)));
}

static void
score(struct ranked *r, size_t n, struct rfm_score *out, size_t offset)
{
	qsort(r, n, sizeof(*r), ranked_compare);
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && r[to].v == r[from].v; to++)
			;
		for (size_t i = from; i < to; i++)
			((uint8_t *)&out[r[i].who])[offset] = fifth(from, to, n);
	}
}

int
rfm_scores(const struct rfm_customer *c, size_t n, struct rfm_score *out, struct err *e)
{
	size_t buyers = 0;
	for (size_t i = 0; i < n; i++) {
		out[i] = (struct rfm_score){ 0 };
		if (!(c[i].frequency >= 0 && c[i].frequency < INFINITY) ||
		    (c[i].frequency > 0 &&
		     !(c[i].recency >= 0 && c[i].recency < INFINITY && isfinite(c[i].monetary))))
			return err_set(e, ERR_INPUT,
				       "customer %zu: recency %g, frequency %g, monetary %g cannot be", i + 1,
				       c[i].recency, c[i].frequency, c[i].monetary);
		buyers += c[i].frequency > 0;
	}
	struct ranked *r = calloc(buyers + 1, sizeof(*r));
	if (!r)
		abort();
	for (size_t offset = 0; offset < 3; offset++) {
		size_t k = 0;
		for (size_t i = 0; i < n; i++)
			if (c[i].frequency > 0)
				r[k++] = (struct ranked){ (const double[]){ -c[i].recency, c[i].frequency,
									    c[i].monetary }[offset],
							  i };
		score(r, buyers, out, offset);
	}
	free(r);
	return 0;
}

const char *
rfm_segment(struct rfm_score s)
{
	double worth = (s.f + s.m) / 2.0;
	if (s.r == 0)
		return "never-bought";
	if (s.r >= 4)
		return worth >= 4 ? "champion" : worth >= 2.5 ? "loyal" : s.r == 5 ? "new" : "promising";
	if (s.r == 3)
		return worth >= 3.5 ? "loyal" : "needs-attention";
	return worth >= 4 ? "cannot-lose" : worth >= 2.5 ? "at-risk" : "hibernating";
}
