/* metric: calibration and lift (see metric.h). */
#include <math.h>
#include <stdlib.h>

#include "learn/metric-private.h"

/* 95 % of a normal distribution. */
#define Z 1.959963984540054

/* Wilson's interval for k of n (Wilson 1927). */
static void
wilson(double share, double n, double *low, double *high)
{
	double z2 = Z * Z, centre = share + z2 / (2 * n), scale = 1 + z2 / n;
	double half = Z * sqrt(share * (1 - share) / n + z2 / (4 * n * n));
	*low = fmax(0, (centre - half) / scale);
	*high = fmin(1, (centre + half) / scale);
}

size_t
metric_calibration(const struct metric_data *d, size_t bins, struct metric_bin *out)
{
	size_t *order = metric_order(d->p, d->n), at = 0, used = 0;
	for (size_t b = 0; b < bins; b++) {
		size_t n = d->n / bins + (b < d->n % bins ? 1 : 0);
		struct metric_bin bin = { 0 };
		for (size_t end = at + n; at < end; at++) {
			double w = d->w ? d->w[order[at]] : 1;
			bin.rows += w;
			bin.predicted += w * d->p[order[at]];
			bin.observed += w * d->y[order[at]];
		}
		if (!(bin.rows > 0))
			continue;
		bin.predicted /= bin.rows;
		bin.observed /= bin.rows;
		wilson(bin.observed, bin.rows, &bin.low, &bin.high);
		out[used++] = bin;
	}
	free(order);
	return used;
}

double
metric_ece(const struct metric_data *d, size_t bins)
{
	struct metric_bin *table = metric_alloc(bins * sizeof(*table));
	size_t n = metric_calibration(d, bins, table);
	double rows = 0, sum = 0;
	for (size_t i = 0; i < n; i++) {
		rows += table[i].rows;
		sum += table[i].rows * fabs(table[i].observed - table[i].predicted);
	}
	free(table);
	return rows > 0 ? sum / rows : NAN;
}

size_t
metric_lift(const struct metric_data *d, size_t steps, struct metric_lift *out)
{
	size_t *order = metric_order(d->p, d->n), step = 0;
	double rows = 0, all = 0, seen = 0, pos = 0;
	for (size_t i = 0; i < d->n; i++) {
		rows += d->w ? d->w[i] : 1;
		all += (d->w ? d->w[i] : 1) * d->y[i];
	}
	for (size_t i = d->n; i > 0 && all > 0;) {
		double p = d->p[order[i - 1]], w = 0, y = 0;
		for (; i > 0 && d->p[order[i - 1]] == p; i--) {
			double wi = d->w ? d->w[order[i - 1]] : 1;
			w += wi;
			y += wi * d->y[order[i - 1]];
		}
		/* The steps that end among these: of rows with one p, the part that is needed. */
		for (; step < steps; step++) {
			double share = (double)(step + 1) / (double)steps, want = share * rows - seen;
			if (want > w * (1 + 1e-12) && i > 0)
				break;
			double captured = (pos + (w > 0 ? y * fmin(1, want / w) : 0)) / all;
			out[step] = (struct metric_lift){ share, captured, captured / share };
		}
		seen += w;
		pos += y;
	}
	free(order);
	return step;
}
