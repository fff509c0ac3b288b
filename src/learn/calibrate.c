/* calibrate: see calibrate.h. */
#include "learn/calibrate.h"

#include <math.h>
#include <stdlib.h>

#include "learn/metric-private.h"

#define MAX_STEPS 100

static int
labels_check(const struct model *m, const double *y, const double *w, size_t n, double *pos, double *neg,
	     struct err *e)
{
	*pos = *neg = 0;
	if (m->link != MODEL_LOGIT)
		return err_set(e, ERR_INPUT, "only probabilities can be calibrated");
	for (size_t i = 0; i < n; i++)
		*(y[i] > 0.5 ? pos : neg) += w ? w[i] : 1;
	if (!(*pos > 0 && *neg > 0))
		return err_set(e, ERR_INPUT, "calibration needs rows with either label");
	return 0;
}

/* ---- Platt ---- */

struct platt {
	const double *z, *y, *w;
	size_t n;
	double high, low; /* targets of labels 1 and 0 */
};

/* Loss at (a, b), its gradient and Hessian (aa, ab, bb). */
static double
platt_loss(const struct platt *t, double a, double b, double g[2], double h[3])
{
	double loss = 0;
	g[0] = g[1] = h[0] = h[1] = h[2] = 0;
	for (size_t i = 0; i < t->n; i++) {
		double v = a * t->z[i] + b, w = t->w ? t->w[i] : 1, q = exp(-fabs(v));
		double p = v >= 0 ? 1 / (1 + q) : q / (1 + q), want = t->y[i] > 0.5 ? t->high : t->low;
		double r = w * (p - want), s = w * p * (1 - p);
		loss += w * ((v > 0 ? v : 0) - want * v + log1p(q));
		g[0] += r * t->z[i];
		g[1] += r;
		h[0] += s * t->z[i] * t->z[i];
		h[1] += s * t->z[i];
		h[2] += s;
	}
	return loss;
}

int
calibrate_platt(struct model *m, const double *z, const double *y, const double *w, size_t n, struct err *e)
{
	double pos, neg, a = 1, b = 0, g[2], h[3];
	if (labels_check(m, y, w, n, &pos, &neg, e) != 0)
		return -1;
	const struct platt t = { z, y, w, n, (pos + 1) / (pos + 2), 1 / (neg + 2) };
	double loss = platt_loss(&t, a, b, g, h);
	for (int i = 0; i < MAX_STEPS && fabs(g[0]) + fabs(g[1]) > 1e-9 * (pos + neg); i++) {
		/* A little on the diagonal, for margins that are all alike. */
		double aa = h[0] + 1e-9 * (h[0] + 1), bb = h[2] + 1e-9 * (h[2] + 1),
		       det = aa * bb - h[1] * h[1];
		double da = (bb * g[0] - h[1] * g[1]) / det, db = (aa * g[1] - h[1] * g[0]) / det, scale = 1;
		double next = platt_loss(&t, a - da, b - db, g, h);
		while (!(next <= loss + 1e-12 * fabs(loss)) && scale > 1e-9) {
			scale /= 2;
			next = platt_loss(&t, a - scale * da, b - scale * db, g, h);
		}
		a -= scale * da;
		b -= scale * db;
		loss = next;
	}
	if (!(fabs(a) <= MODEL_MAX_INPUT && fabs(b) <= MODEL_MAX_INPUT))
		return err_set(e, ERR_INPUT, "calibration found no curve");
	m->calibration = (struct model_calibration){ .platt = true, .a = a, .b = b };
	return 0;
}

/* ---- isotonic ---- */

/* Rows that are pooled: they get one probability. */
struct pool {
	double w, wy, wz;
};

static size_t
pools_make(struct pool *pools, const double *z, const double *y, const double *w, size_t n)
{
	size_t *order = metric_order(z, n), used = 0;
	for (size_t i = 0; i < n;) {
		struct pool p = { 0 };
		double at = z[order[i]];
		for (; i < n && z[order[i]] == at; i++) { /* rows that cannot be told apart */
			double wi = w ? w[order[i]] : 1;
			p.w += wi;
			p.wy += wi * (y[order[i]] > 0.5);
			p.wz += wi * at;
		}
		if (!(p.w > 0))
			continue;
		while (used > 0 && pools[used - 1].wy * p.w >= p.wy * pools[used - 1].w) {
			used--;
			p.w += pools[used].w;
			p.wy += pools[used].wy;
			p.wz += pools[used].wz;
		}
		pools[used++] = p;
	}
	free(order);
	return used;
}

int
calibrate_isotonic(struct model *m, const double *z, const double *y, const double *w, size_t n,
		   struct err *e)
{
	double pos, neg;
	if (labels_check(m, y, w, n, &pos, &neg, e) != 0)
		return -1;
	struct pool *pools = metric_alloc(n * sizeof(*pools));
	size_t used = pools_make(pools, z, y, w, n), points = 0;
	/* Never 0 or 1: no number of rows proves that something cannot happen. Platt's targets, of all rows.
	 */
	double low = 1 / (pos + neg + 2);
	size_t every = used / MODEL_MAX_POINTS + 1; /* more are thinned out evenly; they still ascend */
	struct model_calibration c = { .x = ARENA_ARRAY(m->arena, double, used),
				       .y = ARENA_ARRAY(m->arena, double, used) };
	for (size_t i = 0; i < used; i += every) {
		double x = pools[i].wz / pools[i].w,
		       share = fmin(1 - low, fmax(low, pools[i].wy / pools[i].w));
		/* Means of neighbours can round to one number. */
		if (points > 0 && (x <= c.x[points - 1] || share < c.y[points - 1]))
			continue;
		c.x[points] = x;
		c.y[points++] = share;
	}
	free(pools);
	c.npoints = points;
	m->calibration = c;
	return 0;
}
