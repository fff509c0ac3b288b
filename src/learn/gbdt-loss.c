/* gbdt-loss: losses, their derivatives, and these as whole numbers (see gbdt-private.h). */
#include <math.h>
#include <string.h>

#include "learn/gbdt-private.h"

/* Rows at a time, so that compilers see loops of a known length, for vectors. */
#define BLOCK 64
/* Whole numbers up to this many bits come out of a double by adding MAGIC. */
#define DOUBLE_BITS 50
#define MAGIC 0x1.8p52

/* Without branches. x in -708 … 0; relative error below 1e-14. */
static inline double
exp_down(double x)
{
	union {
		double d;
		int64_t i;
	} k = { .d = x * 0x1.71547652b82fep0 + MAGIC }, power;
	double n = k.d - MAGIC, r = (x - n * 0x1.62e42fefa38p-1) - n * 0x1.ef35793c7673p-45;
	double p = 1.0 / 39916800;
	p = p * r + 1.0 / 3628800;
	p = p * r + 1.0 / 362880;
	p = p * r + 1.0 / 40320;
	p = p * r + 1.0 / 5040;
	p = p * r + 1.0 / 720;
	p = p * r + 1.0 / 120;
	p = p * r + 1.0 / 24;
	p = p * r + 1.0 / 6;
	p = p * r + 0.5;
	p = p * r + 1;
	p = p * r + 1;
	power.i = (int64_t)(((uint64_t)k.i + 1023) << 52);
	return p * power.d;
}

/* The integer nearest to x, |x| < 2^51. */
static inline int64_t
whole(double x)
{
	static const union {
		double d;
		int64_t i;
	} magic = { .d = MAGIC };
	union {
		double d;
		int64_t i;
	} v = { .d = x + MAGIC };
	return v.i - magic.i;
}

/* Derivatives g, h of n ≤ BLOCK rows at margins f; y, w as long. */
static void
log_derivatives(const double *f, const double *y, const double *w, double *g, double *h)
{
	for (size_t i = 0; i < BLOCK; i++) {
		double a = f[i] < 0 ? f[i] : -f[i];
		double e = exp_down(a > -700 ? a : -700), q = 1 / (1 + e);
		double p = f[i] < 0 ? e * q : q;
		g[i] = w[i] * (p - y[i]);
		h[i] = w[i] * (e * q * q);
	}
}

static void
square_derivatives(const double *f, const double *y, const double *w, double *g, double *h)
{
	for (size_t i = 0; i < BLOCK; i++) {
		g[i] = w[i] * (f[i] - y[i]);
		h[i] = w[i];
	}
}

/* Bounds of |g| and h over all rows. */
static void
bounds(enum model_link link, const struct learn_data *d, const double *f, double *g, double *h)
{
	double w = d->w ? 0 : 1, max = 0;
	for (size_t i = 0; d->w && i < d->rows; i++)
		w = d->w[i] > w ? d->w[i] : w;
	for (size_t i = 0; link == MODEL_IDENTITY && i < d->rows; i++)
		max = fabs(f[i] - d->y[i]) > max ? fabs(f[i] - d->y[i]) : max;
	*g = link == MODEL_LOGIT ? w : w * max;
	*h = link == MODEL_LOGIT ? w / 4 : w;
}

/* Largest s with max·2^s ≤ 2^bits. */
static int
scale_of(double max, unsigned bits)
{
	int exponent = 0;
	if (max > 0)
		frexp(max, &exponent); /* max < 2^exponent */
	return (int)bits - exponent;
}

static void
units_make(enum model_link link, const struct learn_data *d, const double *f, struct gbdt_units *u)
{
	double g, h;
	unsigned bits = 1;
	while (d->rows >> bits > 0)
		bits++;
	bounds(link, d, f, &g, &h);
	/* Sums of all rows stay below 2^62. */
	unsigned bits_g = 62 - bits, bits_h = 62 - 2 * bits;
	u->scale_g = scale_of(g, bits_g < DOUBLE_BITS ? bits_g : DOUBLE_BITS);
	u->scale_h = scale_of(h, bits_h < DOUBLE_BITS ? bits_h : DOUBLE_BITS);
	u->bits = bits;
	u->unit_g = ldexp(1, -u->scale_g);
	u->unit_h = ldexp(1, -u->scale_h);
}

void
gbdt_loss_sums(enum model_link link, const struct learn_data *d, const double *f, struct gbdt_units *units,
	       struct gbdt_sum *sums)
{
	double margin[BLOCK] = { 0 }, y[BLOCK] = { 0 }, w[BLOCK], g[BLOCK], h[BLOCK];
	int64_t whole_g[BLOCK], whole_h[BLOCK];
	units_make(link, d, f, units);
	const double to_g = ldexp(1, units->scale_g), to_h = ldexp(1, units->scale_h);
	for (size_t i = 0; i < BLOCK; i++)
		w[i] = 1;
	for (size_t at = 0; at < d->rows; at += BLOCK) {
		size_t n = d->rows - at < BLOCK ? d->rows - at : BLOCK;
		memcpy(margin, f + at, n * sizeof(*f));
		memcpy(y, d->y + at, n * sizeof(*y));
		if (d->w)
			memcpy(w, d->w + at, n * sizeof(*w));
		if (link == MODEL_LOGIT)
			log_derivatives(margin, y, w, g, h);
		else
			square_derivatives(margin, y, w, g, h);
		for (size_t i = 0; i < BLOCK; i++) {
			whole_g[i] = whole(g[i] * to_g);
			whole_h[i] = whole(h[i] * to_h);
		}
		for (size_t i = 0; i < n; i++)
			sums[at + i] = (struct gbdt_sum){ whole_g[i], (whole_h[i] << units->bits) + 1 };
	}
}

double
gbdt_loss_base(enum model_link link, const struct learn_data *d, const uint32_t *rows, size_t n)
{
	double sum = 0, weight = 0;
	for (size_t i = 0; i < n; i++) {
		double w = d->w ? d->w[rows[i]] : 1;
		sum += w * d->y[rows[i]];
		weight += w;
	}
	double mean = weight > 0 ? sum / weight : 0;
	if (link == MODEL_IDENTITY)
		return mean;
	mean = mean < 1e-9 ? 1e-9 : mean > 1 - 1e-9 ? 1 - 1e-9 : mean;
	return log(mean / (1 - mean));
}

static double
log_loss(double f, double y)
{
	return (f > 0 ? f : 0) - y * f + log1p(exp(-fabs(f)));
}

double
gbdt_loss_mean(enum model_link link, const struct learn_data *d, const double *f, const uint32_t *rows,
	       size_t n)
{
	double sum = 0, weight = 0, product = 1;
	for (size_t i = 0; i < n; i++) {
		double m = f[rows[i]], y = d->y[rows[i]], w = d->w ? d->w[rows[i]] : 1;
		weight += w;
		if (link == MODEL_IDENTITY) {
			sum += w * (m - y) * (m - y) / 2;
		} else if (d->w) {
			sum += w * log_loss(m, y);
		} else {
			/* One logarithm for many rows: each factor is at most 2. */
			sum += (m > 0 ? m : 0) - y * m;
			product *= 1 + exp_down(m > 0 ? -fmin(m, 700) : fmax(m, -700));
			if (i % 512 == 511 || i + 1 == n) {
				sum += log(product);
				product = 1;
			}
		}
	}
	return weight > 0 ? sum / weight : NAN;
}
