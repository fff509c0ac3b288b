/*
 * metric-compare: is one model better than another on the same rows? (see metric.h). Each draw of the
 * bootstrap counts how often each row was drawn; rows are sorted once, so a draw costs one pass.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/metric-private.h"
#include "learn/random.h"

static const struct {
	const char *name;
	int direction;
} KINDS[METRIC_KINDS] = {
	[METRIC_AUC] = { "AUC", 1 },
	[METRIC_PRECISION] = { "average precision", 1 },
	[METRIC_LOGLOSS] = { "log-loss", -1 },
	[METRIC_BRIER] = { "Brier score", -1 },
};

const char *
metric_name(enum metric_kind kind)
{
	return KINDS[kind].name;
}

int
metric_direction(enum metric_kind kind)
{
	return KINDS[kind].direction;
}

/* One of the two, ready to be judged on any draw. */
struct side {
	struct metric_data d;
	size_t *order; /* kinds of ranks */
	double *part;  /* kinds of means: each row's own part */
};

static void
side_init(struct side *s, enum metric_kind kind)
{
	if (kind == METRIC_AUC || kind == METRIC_PRECISION) {
		s->order = metric_order(s->d.p, s->d.n);
		return;
	}
	s->part = metric_alloc(s->d.n * sizeof(*s->part));
	for (size_t i = 0; i < s->d.n; i++)
		s->part[i] = kind == METRIC_LOGLOSS ? metric_row_logloss(s->d.p[i], s->d.y[i])
						    : metric_row_brier(s->d.p[i], s->d.y[i]);
}

static double
side_judge(const struct side *s, enum metric_kind kind, const double *count)
{
	double sum = 0, weight = 0;
	if (kind == METRIC_AUC)
		return metric_sorted_auc(&s->d, s->order, count);
	if (kind == METRIC_PRECISION)
		return metric_sorted_precision(&s->d, s->order, count);
	for (size_t i = 0; i < s->d.n; i++) {
		double w = (s->d.w ? s->d.w[i] : 1) * (count ? count[i] : 1);
		sum += w * s->part[i];
		weight += w;
	}
	return weight > 0 ? sum / weight : NAN;
}

static int
double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* Standard error and interval of the draws that could be judged. */
static void
summarise(double *v, size_t n, struct metric_difference *out)
{
	double mean = 0, square = 0;
	out->se = out->low = out->high = NAN;
	if (n < 2)
		return;
	for (size_t i = 0; i < n; i++)
		mean += v[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		square += (v[i] - mean) * (v[i] - mean);
	qsort(v, n, sizeof(*v), double_compare);
	out->se = sqrt(square / (double)(n - 1));
	out->low = v[(size_t)(0.025 * (double)(n - 1) + 0.5)];
	out->high = v[(size_t)(0.975 * (double)(n - 1) + 0.5)];
}

struct metric_difference
metric_compare(const double *a, const double *b, const double *y, const double *w, size_t n,
	       enum metric_kind kind, size_t draws, uint64_t seed)
{
	struct side sides[2] = { { .d = { a, y, w, n } }, { .d = { b, y, w, n } } };
	double *count = metric_alloc(n * sizeof(*count)), *v = metric_alloc(draws * sizeof(*v));
	size_t judged = 0;
	side_init(&sides[0], kind);
	side_init(&sides[1], kind);
	struct metric_difference out = { .a = side_judge(&sides[0], kind, NULL),
					 .b = side_judge(&sides[1], kind, NULL) };
	for (size_t k = 0; k < draws && n > 0; k++) {
		memset(count, 0, n * sizeof(*count));
		for (size_t i = 0; i < n; i++)
			count[random_below(&seed, n)]++;
		v[judged] = side_judge(&sides[0], kind, count) - side_judge(&sides[1], kind, count);
		judged += isfinite(v[judged]) ? 1 : 0;
	}
	summarise(v, judged, &out);
	out.difference = out.a - out.b;
	double good = out.difference * KINDS[kind].direction;
	if (isfinite(out.se) && fabs(good) > 2 * out.se)
		out.verdict = good > 0 ? 1 : -1;
	for (size_t i = 0; i < 2; i++) {
		free(sides[i].order);
		free(sides[i].part);
	}
	free(count);
	free(v);
	return out;
}
