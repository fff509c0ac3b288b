/* bgnbd: the BG/NBD model; see bgnbd.h. */
#include "learn/bgnbd.h"

#include <math.h>

#include "learn/minimize.h"

#define LOW 1e-6
#define HIGH 1e6
#define MAX_TERMS 100000 /* of the hypergeometric series */

static double
log_sum(double a, double b)
{
	double high = a > b ? a : b;
	return high + log1p(exp(-fabs(a - b)));
}

static double
log_gamma(double x)
{
	int sign;
	return lgamma_r(x, &sign); /* lgamma sets a global */
}

/* Formula (6). */
static double
loglik_one(const struct bgnbd *m, const struct bgnbd_customer *c)
{
	double x = c->repeats;
	double rate = log_gamma(m->r + x) - log_gamma(m->r) + m->r * log(m->alpha);
	double stay =
	    log_gamma(m->a + m->b) + log_gamma(m->b + x) - log_gamma(m->b) - log_gamma(m->a + m->b + x);
	double alive = -(m->r + x) * log(m->alpha + c->age);
	if (x == 0)
		return rate + stay + alive;
	double gone = log(m->a) - log(m->b + x - 1) - (m->r + x) * log(m->alpha + c->recency);
	return rate + stay + log_sum(alive, gone);
}

double
bgnbd_loglik(const struct bgnbd *m, const struct bgnbd_customer *c, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += c[i].count * loglik_one(m, &c[i]);
	return sum;
}

/* ---- fitting ---- */

struct fitting {
	const struct bgnbd_customer *c;
	size_t n;
	double unit; /* mean age: parameters are looked for as if it were 1 */
};

static double
bounded(double logarithm)
{
	return fmin(fmax(exp(logarithm), LOW), HIGH);
}

static struct bgnbd
parameters(const struct fitting *f, const double *x)
{
	return (struct bgnbd){
		.r = bounded(x[0]), .alpha = bounded(x[1]) * f->unit, .a = bounded(x[2]), .b = bounded(x[3])
	};
}

static double
cost(void *ctx, const double *x)
{
	const struct fitting *f = ctx;
	const struct bgnbd m = parameters(f, x);
	return -bgnbd_loglik(&m, f->c, f->n);
}

static int
customers_check(const struct bgnbd_customer *c, size_t n, double *unit, struct err *e)
{
	double repeats = 0, age = 0, all = 0;
	for (size_t i = 0; i < n; i++) {
		bool fine = c[i].repeats >= 0 && c[i].recency >= 0 && c[i].age >= c[i].recency &&
			    c[i].count > 0 && (c[i].repeats == 0) == (c[i].recency == 0) &&
			    isfinite(c[i].age) && isfinite(c[i].repeats) && isfinite(c[i].count);
		if (!fine)
			return err_set(e, ERR_INPUT,
				       "customer %zu: repeats %g, recency %g, age %g, count %g cannot be",
				       i + 1, c[i].repeats, c[i].recency, c[i].age, c[i].count);
		repeats += c[i].repeats * c[i].count;
		age += c[i].age * c[i].count;
		all += c[i].count;
	}
	if (repeats <= 0 || age <= 0)
		return err_set(e, ERR_INPUT, "nobody has bought again: there is nothing to learn from");
	*unit = age / all;
	return 0;
}

int
bgnbd_fit(const struct bgnbd_customer *c, size_t n, struct bgnbd *out, struct err *e)
{
	struct fitting f = { .c = c, .n = n };
	double x[4] = { 0, 0, 0, 0 }, value;
	size_t evaluations;
	if (customers_check(c, n, &f.unit, e) != 0)
		return -1;
	const struct minimize m = {
		.n = 4, .f = cost, .ctx = &f, .step = 0.5, .tolerance = 1e-9, .max = 20000
	};
	bool converged = minimize(&m, x, &value, &evaluations);
	*out = parameters(&f, x);
	out->loglik = -value;
	out->evaluations = evaluations;
	out->converged = converged;
	return 0;
}

/* ---- what follows ---- */

/* Odds that he is gone: the fraction in the denominator of (10). */
static double
gone_odds(const struct bgnbd *m, const struct bgnbd_customer *c)
{
	if (c->repeats == 0)
		return 0;
	double power = (m->r + c->repeats) * log((m->alpha + c->age) / (m->alpha + c->recency));
	return m->a / (m->b + c->repeats - 1) * exp(power);
}

double
bgnbd_alive(const struct bgnbd *m, const struct bgnbd_customer *c)
{
	return 1 / (1 + gone_odds(m, c));
}

/*
 * 2F1(p, q; s; z) for 0 <= z < 1. The transformed series (Euler: (1-z)^(s-p-q) 2F1(s-p, s-q; s; z)) is the
 * shorter one when s < p + q.
 */
static double
hypergeometric(double p, double q, double s, double z)
{
	double sum = 1, term = 1, front = 1;
	if (s < p + q && s - p > 0 && s - q > 0) {
		front = pow(1 - z, s - p - q);
		p = s - p;
		q = s - q;
	}
	for (int k = 0; k < MAX_TERMS && fabs(term) > 1e-15 * fabs(sum); k++) {
		term *= (p + k) * (q + k) / ((s + k) * (k + 1)) * z;
		sum += term;
	}
	return front * sum;
}

double
bgnbd_expected(const struct bgnbd *m, const struct bgnbd_customer *c, double t)
{
	double x = c->repeats;
	/* (a + b + x - 1) / (a - 1) has a pole that the rest cancels; beside it the formula is as good. */
	double a = fabs(m->a - 1) < 1e-6 ? m->a + 2e-6 : m->a;
	double now = m->alpha + c->age;
	double left = pow(now / (now + t), m->r + x) *
		      hypergeometric(m->r + x, m->b + x, a + m->b + x - 1, t / (now + t));
	double out = (a + m->b + x - 1) / (a - 1) * (1 - left) / (1 + gone_odds(m, c));
	return t > 0 && out > 0 ? out : 0;
}
