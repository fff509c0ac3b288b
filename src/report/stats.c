/* stats: intervals, tests, posteriors of proportions. */
#include "report/stats.h"

#include <math.h>
#include <stdbool.h>

static double
clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

/* The sign that lgamma leaves in a global is not wanted: all arguments are positive. */
static double
lgam(double x)
{
	int sign;
	return lgamma_r(x, &sign);
}

static double
lbeta(double a, double b)
{
	return lgam(a) + lgam(b) - lgam(a + b);
}

/* ---- intervals ---- */

struct stats_interval
stats_wilson(int64_t k, int64_t n, double z)
{
	double m = (double)n, p = (double)k / m, z2 = z * z;
	double middle = (p + z2 / (2 * m)) / (1 + z2 / m);
	double half = z / (1 + z2 / m) * sqrt(p * (1 - p) / m + z2 / (4 * m * m));
	/* At the ends the bound is exact; rounding shall not say otherwise. */
	return (struct stats_interval){ p, k == 0 ? 0 : clamp(middle - half, 0, 1),
					k == n ? 1 : clamp(middle + half, 0, 1) };
}

struct stats_interval
stats_newcombe(int64_t k1, int64_t n1, int64_t k2, int64_t n2, double z)
{
	struct stats_interval a = stats_wilson(k1, n1, z), b = stats_wilson(k2, n2, z);
	double d = a.value - b.value;
	return (struct stats_interval){
		.value = d,
		.low = d - hypot(a.value - a.low, b.high - b.value),
		.high = d + hypot(a.high - a.value, b.value - b.low),
	};
}

/* ---- two proportions ---- */

double
stats_two_z(int64_t k1, int64_t n1, int64_t k2, int64_t n2)
{
	double a = (double)n1, b = (double)n2, pooled = (double)(k1 + k2) / (a + b);
	double variance = pooled * (1 - pooled) * (1 / a + 1 / b);
	return variance > 0 ? ((double)k1 / a - (double)k2 / b) / sqrt(variance) : 0;
}

static double
lchoose(double n, double k)
{
	return lgam(n + 1) - lgam(k + 1) - lgam(n - k + 1);
}

double
stats_fisher(int64_t k1, int64_t n1, int64_t k2, int64_t n2)
{
	int64_t k = k1 + k2, low = k > n2 ? k - n2 : 0, high = k < n1 ? k : n1;
	double all = lchoose((double)(n1 + n2), (double)k), p = 0;
	double mine = lchoose((double)n1, (double)k1) + lchoose((double)n2, (double)k2) - all;
	/* Tables as likely as this one count, too, whatever their logarithm was rounded to. */
	for (int64_t i = low; i <= high; i++) {
		double l = lchoose((double)n1, (double)i) + lchoose((double)n2, (double)(k - i)) - all;
		if (l <= mine + 1e-7)
			p += exp(l);
	}
	return clamp(p, 0, 1);
}

struct stats_test
stats_two(int64_t k1, int64_t n1, int64_t k2, int64_t n2)
{
	double n = (double)n1 + (double)n2, k = (double)(k1 + k2);
	double rows = (double)(n1 < n2 ? n1 : n2), columns = k < n - k ? k : n - k;
	if (rows * columns / n < 5)
		return (struct stats_test){ "fisher", 0, stats_fisher(k1, n1, k2, n2) };
	double z = stats_two_z(k1, n1, k2, n2);
	return (struct stats_test){ "z", z, erfc(fabs(z) / sqrt(2)) };
}

/* ---- posteriors ---- */

/* P(X1 > X2) with a1 a whole number: the sum has that many terms. */
static double
above_by_a1(double a1, double b1, double a2, double b2)
{
	double sum = 0, base = lbeta(a2, b2);
	for (double i = 0; i < a1; i++)
		sum += exp(lbeta(a2 + i, b1 + b2) - log(b1 + i) - lbeta(1 + i, b1) - base);
	return sum;
}

/*
 * Any of the four parameters may be the one that is counted up: P(X1 > X2) = 1 - P(X2 > X1), and 1 - X of
 * Beta(a, b) is Beta(b, a).
 */
double
stats_beta_above_sum(double a1, double b1, double a2, double b2)
{
	double least = fmin(fmin(a1, b1), fmin(a2, b2)), p;
	if (a1 == least)
		p = above_by_a1(a1, b1, a2, b2);
	else if (a2 == least)
		p = 1 - above_by_a1(a2, b2, a1, b1);
	else if (b2 == least)
		p = above_by_a1(b2, a2, b1, a1);
	else
		p = 1 - above_by_a1(b1, a1, b2, a2);
	return clamp(p, 0, 1);
}

static void
beta_moments(double a, double b, double *mean, double *deviation)
{
	*mean = a / (a + b);
	*deviation = sqrt(a * b / (a + b + 1)) / (a + b);
}

static double
beta_density(double x, double a, double b, double base)
{
	return exp((a - 1) * log(x) + (b - 1) * log1p(-x) - base);
}

#define GRID 20000 /* steps: over 20 deviations of the wider one, which may be 100 times the other's */
double
stats_beta_above_grid(double a1, double b1, double a2, double b2)
{
	double m1, d1, m2, d2, base1 = lbeta(a1, b1), base2 = lbeta(a2, b2);
	beta_moments(a1, b1, &m1, &d1);
	beta_moments(a2, b2, &m2, &d2);
	if (fabs(m1 - m2) > 20 * (d1 + d2))
		return m1 > m2;
	/* Where the first has its mass; the second's distribution function is summed up along the way. */
	double low = fmax(fmin(m1 - 10 * d1, m2 - 10 * d2), 1e-300);
	double high = fmin(fmax(m1 + 10 * d1, m2 + 10 * d2), 1 - 1e-16);
	double step = (high - low) / GRID, below = 0, sum = 0, all1 = 0, all2 = 0;
	double f1 = beta_density(low, a1, b1, base1), f2 = beta_density(low, a2, b2, base2);
	for (int i = 1; i <= GRID; i++) {
		double x = low + step * i, x1 = x < high ? x : high;
		double g1 = beta_density(x1, a1, b1, base1), g2 = beta_density(x1, a2, b2, base2);
		double slice = (f2 + g2) / 2;
		sum += (f1 * below + g1 * (below + slice)) / 2;
		below += slice;
		all1 += (f1 + g1) / 2;
		f1 = g1;
		f2 = g2;
	}
	all2 = below;
	return all1 > 0 && all2 > 0 ? clamp(sum / (all1 * all2), 0, 1) : m1 > m2;
}

double
stats_superior(int64_t k1, int64_t n1, int64_t k2, int64_t n2)
{
	double a1 = 1 + (double)k1, b1 = 1 + (double)(n1 - k1), a2 = 1 + (double)k2,
	       b2 = 1 + (double)(n2 - k2);
	/* Differences of large logarithms of gamma lose digits; and thousands of them take their time. */
	if (fmin(fmin(a1, b1), fmin(a2, b2)) <= 500)
		return stats_beta_above_sum(a1, b1, a2, b2);
	return stats_beta_above_grid(a1, b1, a2, b2);
}

/* ---- chi-square ---- */

static double
gamma_series(double a, double x)
{
	double term = 1 / a, sum = term;
	for (int i = 1; i < 10000 && term > sum * 1e-16; i++) {
		term *= x / (a + i);
		sum += term;
	}
	return sum * exp(a * log(x) - x - lgam(a));
}

/* The continued fraction by Lentz's method. */
static double
gamma_fraction(double a, double x)
{
	const double tiny = 1e-300;
	double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
	for (int i = 1; i < 10000; i++) {
		double an = -i * (i - a);
		b += 2;
		d = an * d + b;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = b + an / c;
		c = fabs(c) < tiny ? tiny : c;
		h *= d * c;
		if (fabs(d * c - 1) < 1e-15)
			break;
	}
	return h * exp(a * log(x) - x - lgam(a));
}

double
stats_chi2_tail(double x, int df)
{
	double a = df / 2.0, half = x / 2;
	if (half <= 0)
		return 1;
	return clamp(half < a + 1 ? 1 - gamma_series(a, half) : gamma_fraction(a, half), 0, 1);
}

double
stats_ratio(const int64_t *counts, const double *shares, size_t n, double *chi2)
{
	double all = 0;
	*chi2 = 0;
	for (size_t i = 0; i < n; i++)
		all += (double)counts[i];
	for (size_t i = 0; i < n; i++) {
		double expected = all * shares[i], off = (double)counts[i] - expected;
		*chi2 += off * off / expected;
	}
	return stats_chi2_tail(*chi2, (int)n - 1);
}

/* ---- many tests ---- */

void
stats_holm(double *p, size_t n)
{
	bool done[STATS_MAX_HOLM] = { false };
	double before = 0;
	if (n > STATS_MAX_HOLM) {
		for (size_t i = 0; i < n; i++)
			p[i] = clamp(p[i] * (double)n, 0, 1);
		return;
	}
	for (size_t left = n; left > 0; left--) {
		size_t least = n;
		for (size_t i = 0; i < n; i++)
			if (!done[i] && (least == n || p[i] < p[least]))
				least = i;
		done[least] = true;
		before = fmax(before, clamp(p[least] * (double)left, 0, 1));
		p[least] = before;
	}
}
