/* uplift: figures of a ranking by uplift, and their bootstrap (see uplift.h). */
#include "learn/uplift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/random.h"

struct ranked {
	double score;
	size_t row;
};

static int
by_score(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

static struct ranked *
rank(const struct uplift_data *d)
{
	struct ranked *r = calloc(d->n, sizeof(*r));
	if (!r)
		abort();
	for (size_t i = 0; i < d->n; i++)
		r[i] = (struct ranked){ d->score[i], i };
	qsort(r, d->n, sizeof(*r), by_score);
	return r;
}

/* Sums over the rows so far. */
struct sums {
	double yt, yc, nt, nc;
};

static void
sums_add(struct sums *s, const struct uplift_data *d, size_t row)
{
	if (d->treated[row]) {
		s->nt++;
		s->yt += d->y[row];
	} else {
		s->nc++;
		s->yc += d->y[row];
	}
}

/* Gain of treating them; before the first control row there is nothing to take off. */
static double
gain(const struct sums *s)
{
	return s->nc > 0 ? s->yt - s->yc * s->nt / s->nc : s->yt;
}

/* Difference of the means; NAN-free: 0 until both sides have a row. */
static double
lift(const struct sums *s)
{
	return s->nt > 0 && s->nc > 0 ? s->yt / s->nt - s->yc / s->nc : 0;
}

enum { QINI, AUUC, TOP, EFFECT, FIGURES };

/* times[i]: how often the i-th of the ranking is in the sample, NULL: once each. */
static void
measure(const struct uplift_data *d, const struct ranked *order, const uint32_t *times, double share,
	double *out)
{
	struct sums s = { 0 };
	double n = (double)d->n, all = 0, mean = 0, k = 0, top = floor(share * n);
	top = top < 1 ? 1 : top;
	for (size_t i = 0; i < d->n; i++) {
		for (uint32_t t = times ? times[i] : 1; t > 0; t--) {
			sums_add(&s, d, order[i].row);
			k++;
			all += gain(&s);
			mean += lift(&s) * k;
			if (k == top)
				out[TOP] = lift(&s);
		}
	}
	out[QINI] = (all - (n + 1) / 2 * gain(&s)) / (n * n);
	out[AUUC] = mean / (n * n);
	out[EFFECT] = lift(&s);
}

/* ---- the bootstrap ---- */

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double
quantile(const double *v, size_t n, double p)
{
	double at = p * (double)(n - 1);
	size_t i = (size_t)at;
	return i + 1 < n ? v[i] + (at - (double)i) * (v[i + 1] - v[i]) : v[i];
}

/* v is sorted. */
static struct uplift_figure
figure(double value, double *v, size_t n)
{
	double mean = 0, square = 0;
	for (size_t i = 0; i < n; i++)
		mean += v[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		square += (v[i] - mean) * (v[i] - mean);
	qsort(v, n, sizeof(*v), ascending);
	return (struct uplift_figure){ value, sqrt(square / (double)(n - 1)), quantile(v, n, 0.025),
				       quantile(v, n, 0.975) };
}

static void
draw(uint64_t *random, uint32_t *times, size_t n)
{
	memset(times, 0, n * sizeof(*times));
	for (size_t i = 0; i < n; i++)
		times[random_below(random, n)]++;
}

int
uplift_evaluate(const struct uplift_data *d, double share, size_t draws, uint64_t seed,
		struct uplift_figures *out, struct err *e)
{
	double value[FIGURES] = { 0 }, one[FIGURES];
	*out = (struct uplift_figures){ 0 };
	for (size_t i = 0; i < d->n; i++)
		out->treated += d->treated[i] != 0;
	out->control = d->n - out->treated;
	if (out->treated == 0 || out->control == 0 || d->n > UINT32_MAX)
		return err_set(e, ERR_INPUT, "there must be treated rows and control rows to compare");
	struct ranked *order = rank(d);
	double *sample = calloc(draws * FIGURES, sizeof(*sample));
	uint32_t *times = calloc(d->n, sizeof(*times));
	if (!sample || !times)
		abort();
	measure(d, order, NULL, share, value);
	for (size_t i = 0; i < draws; i++) {
		draw(&seed, times, d->n);
		measure(d, order, times, share, one);
		for (size_t k = 0; k < FIGURES; k++)
			sample[k * draws + i] = one[k];
	}
	out->qini = figure(value[QINI], sample + QINI * draws, draws);
	out->auuc = figure(value[AUUC], sample + AUUC * draws, draws);
	out->top = figure(value[TOP], sample + TOP * draws, draws);
	out->effect = figure(value[EFFECT], sample + EFFECT * draws, draws);
	out->heterogeneous = out->qini.low > 0;
	free(order);
	free(sample);
	free(times);
	return 0;
}

void
uplift_curve(const struct uplift_data *d, size_t steps, double *out)
{
	struct ranked *order = rank(d);
	struct sums s = { 0 };
	size_t done = 0;
	for (size_t k = 0; k <= steps; k++) {
		for (size_t until = d->n * k / steps; done < until; done++)
			sums_add(&s, d, order[done].row);
		out[k] = d->n ? gain(&s) / (double)d->n : 0;
	}
	free(order);
}
