/* policy-math: which of several uncertain quantities is the largest, and with what probability; Cholesky. */
#include <math.h>
#include <string.h>

#include "score/policy.h"

/* ---- Beta ---- */

static double
log_beta(double a, double b)
{
	int sign;
	return lgamma_r(a, &sign) + lgamma_r(b, &sign) - lgamma_r(a + b, &sign);
}

/* The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method. */
static double
beta_fraction(double x, double a, double b)
{
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1), h;
	d = 1 / (fabs(d) < tiny ? tiny : d);
	h = d;
	for (int m = 1; m < 10000; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		d = 1 + even * d;
		c = 1 + even / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		h *= d * c;
		d = 1 + odd * d;
		c = 1 + odd / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		h *= d * c;
		if (fabs(d * c - 1) < 1e-12)
			break;
	}
	return h;
}

/* P(Beta(a, b) <= x). */
static double
beta_below(double x, double a, double b, double log_b)
{
	if (x <= 0 || x >= 1)
		return x >= 1;
	double front = exp(a * log(x) + b * log1p(-x) - log_b);
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(x, a, b) / a;
	return 1 - front * beta_fraction(1 - x, b, a) / b;
}

static void
normalise(double *p, size_t n)
{
	double all = 0;
	for (size_t i = 0; i < n; i++)
		all += p[i];
	for (size_t i = 0; i < n; i++)
		p[i] = all > 0 ? p[i] / all : 1.0 / (double)n;
}

#define POINTS 400
#define DEVIATIONS 9.0 /* where a normal tail is 0 for our purposes */
#define DECADES 40.0   /* and an exponential one: e^-40 */

/*
 * Variable i against the others, by the trapezoidal rule over its log odds u: there its density is e^(a u) /
 * (1 + e^u)^(a + b), smooth whatever a and b, like a normal one near the mode and with tails e^(a u), e^(-b
 * u). u = mode + deviation · sinh t lays the points closely near the mode and reaches far.
 */
static double
beta_wins(const double *a, const double *b, const double *log_b, size_t n, size_t i)
{
	double mode = log(a[i] / b[i]), deviation = sqrt(1 / a[i] + 1 / b[i]);
	double from = -asinh(fmax(DEVIATIONS, DECADES / (a[i] * deviation)));
	double to = asinh(fmax(DEVIATIONS, DECADES / (b[i] * deviation)));
	double wins = 0, all = 0,
	       peak = a[i] * log(a[i]) + b[i] * log(b[i]) - (a[i] + b[i]) * log(a[i] + b[i]);
	for (int k = 0; k <= POINTS; k++) {
		double t = from + (to - from) * k / POINTS, u = mode + deviation * sinh(t);
		double log1pe = u > 0 ? u + log1p(exp(-u)) : log1p(exp(u));
		double weight = cosh(t) * exp(a[i] * u - (a[i] + b[i]) * log1pe - peak);
		double x = 1 / (1 + exp(-u)), product = 1;
		if (weight < 1e-18)
			continue;
		for (size_t j = 0; j < n && product > 1e-12; j++)
			product *= j == i ? 1 : beta_below(x, a[j], b[j], log_b[j]);
		wins += weight * product;
		all += weight;
	}
	return all > 0 ? wins / all : 0;
}

void
policy_best_beta(const double *a, const double *b, size_t n, double *p)
{
	double log_b[POLICY_MAX_ARMS];
	for (size_t i = 0; i < n; i++)
		log_b[i] = log_beta(a[i], b[i]);
	for (size_t i = 0; i < n; i++)
		p[i] = beta_wins(a, b, log_b, n, i);
	normalise(p, n);
}

/* ---- normal ---- */

#define NORMAL_POINTS 96
#define NORMAL_WIDTH 7.0

static double
normal_below(double x)
{
	return 0.5 * erfc(-x / 1.4142135623730951);
}

void
policy_best_normal(const double *mean, const double *deviation, size_t n, double *p)
{
	for (size_t i = 0; i < n; i++) {
		p[i] = 0;
		for (int k = 0; k <= NORMAL_POINTS; k++) {
			double z = NORMAL_WIDTH * (2.0 * k / NORMAL_POINTS - 1),
			       x = mean[i] + deviation[i] * z;
			double product = exp(-0.5 * z * z);
			for (size_t j = 0; j < n && product > 1e-14; j++) {
				if (j == i)
					continue;
				/* Without deviation the larger wins, and of equals the first. */
				product *= deviation[j] > 0
					       ? normal_below((x - mean[j]) / deviation[j])
					       : (double)(x > mean[j] || (x == mean[j] && i < j));
			}
			p[i] += product;
		}
	}
	normalise(p, n);
}

/* ---- matrices ---- */

int
policy_cholesky(double *m, size_t n)
{
	for (size_t j = 0; j < n; j++) {
		double *row = m + j * n, d = row[j];
		for (size_t k = 0; k < j; k++)
			d -= row[k] * row[k];
		if (!(d > 0) || !isfinite(d))
			return -1;
		row[j] = sqrt(d);
		for (size_t i = j + 1; i < n; i++) {
			double *below = m + i * n, s = below[j];
			for (size_t k = 0; k < j; k++)
				s -= below[k] * row[k];
			below[j] = s / row[j];
		}
		memset(row + j + 1, 0, (n - j - 1) * sizeof(*row));
	}
	return 0;
}

double
policy_form(const double *factor, size_t n, const double *x, double *y)
{
	double form = 0;
	for (size_t i = 0; i < n; i++) {
		double s = x[i];
		for (size_t k = 0; k < i; k++)
			s -= factor[i * n + k] * y[k];
		y[i] = s / factor[i * n + i];
		form += y[i] * y[i];
	}
	return form;
}
