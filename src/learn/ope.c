/* ope: estimates, and whether they can be believed (see ope.h). */
#include "learn/ope.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "learn/random.h"

static const char *const NAMES[OPE_ESTIMATORS] = { "IPS", "SNIPS", "clipped IPS", "DM", "DR", "DRos" };

const char *
ope_name(enum ope_estimator e)
{
	return NAMES[e];
}

int
ope_check(const struct ope_log *log, struct err *e)
{
	if (log->rows == 0 || log->arms == 0)
		return err_set(e, ERR_INPUT, "there are no rows or no arms");
	for (size_t i = 0; i < log->rows; i++) {
		if (log->arm[i] >= log->arms || !isfinite(log->reward[i]))
			return err_set(e, ERR_INPUT, "row %zu: its arm is not known, or its reward no number",
				       i);
		if (!(log->propensity[i] > 0 && log->propensity[i] <= 1))
			return err_set(e, ERR_INPUT, "row %zu: its propensity must be above 0, and at most 1",
				       i);
	}
	return 0;
}

/* Mean and its standard error of values that come one at a time (Welford 1962). */
struct moments {
	double n, mean, square;
};

static void
moments_add(struct moments *m, double v)
{
	double off = v - m->mean;
	m->n++;
	m->mean += off / m->n;
	m->square += off * (v - m->mean);
}

static struct ope_estimate
moments_estimate(const struct moments *m)
{
	return (struct ope_estimate){ m->mean, sqrt(m->square / m->n / m->n) };
}

/* ---- estimates ---- */

static double
weight(const struct ope_log *log, const double *policy, size_t i)
{
	return policy[i * log->arms + log->arm[i]] / log->propensity[i];
}

/* Σ_a π(a|x) q(x, a) */
static double
expected(const double *policy, const double *q, size_t arms)
{
	double sum = 0;
	for (size_t a = 0; a < arms; a++)
		sum += policy[a] * q[a];
	return sum;
}

/* Σ v r / Σ v with the standard error by the delta method. */
struct ratio {
	double v, vr, vv, vvr, vvrr;
};

static void
ratio_add(struct ratio *s, double v, double r)
{
	s->v += v;
	s->vr += v * r;
	s->vv += v * v;
	s->vvr += v * v * r;
	s->vvrr += v * v * r * r;
}

static struct ope_estimate
ratio_estimate(const struct ratio *s)
{
	double value = s->vr / s->v;
	double square = s->vvrr - 2 * value * s->vvr + value * value * s->vv;
	return (struct ope_estimate){ value, sqrt(square > 0 ? square : 0) / s->v };
}

static void
judge(const struct ope_log *log, const struct ope_options *o, double weight_se, struct ope_result *r)
{
	const struct ope_estimate *v = &r->of[r->best];
	double half = 1.96 * v->se, off = fabs(r->mean_weight - 1);
	r->concluded = false;
	if (!(r->ess > 0))
		snprintf(r->reason, sizeof(r->reason),
			 "the log has no row with an arm that the policy takes");
	else if (r->ess < o->min_ess)
		snprintf(r->reason, sizeof(r->reason),
			 "the %zu rows are worth %.0f of the policy's own (effective sample size), below %g",
			 log->rows, r->ess, o->min_ess);
	else if (off > 4 * weight_se + 1e-6)
		snprintf(r->reason, sizeof(r->reason),
			 "the weights have mean %.3f, not 1: the propensities are not those that made the "
			 "log, or the policy takes arms where the log never did",
			 r->mean_weight);
	else if (r->events < o->min_events)
		snprintf(r->reason, sizeof(r->reason),
			 "it hangs on %.1f rewards (effective number), below %g", r->events, o->min_events);
	else if (!(half <= o->max_width * fabs(v->value)))
		snprintf(r->reason, sizeof(r->reason),
			 "the 95 %% interval %.4g … %.4g is wider than %g %% of the value to either side",
			 v->value - half, v->value + half, 100 * o->max_width);
	else {
		r->concluded = true;
		r->reason[0] = '\0';
	}
}

void
ope_evaluate(const struct ope_log *log, const double *policy, const double *q, const struct ope_options *o,
	     struct ope_result *out)
{
	struct moments m[OPE_ESTIMATORS] = { 0 }, logged = { 0 }, weights = { 0 };
	struct ratio snips = { 0 }, naive = { 0 };
	*out = (struct ope_result){ .best = q ? OPE_DR : OPE_SNIPS };
	for (size_t i = 0; i < log->rows; i++) {
		const double *row = policy + i * log->arms;
		double r = log->reward[i], w = weight(log, policy, i);
		moments_add(&logged, r);
		moments_add(&weights, w);
		ratio_add(&snips, w, r);
		ratio_add(&naive, row[log->arm[i]], r);
		moments_add(&m[OPE_IPS], w * r);
		moments_add(&m[OPE_CLIPPED], fmin(w, o->clip) * r);
		out->max_weight = fmax(out->max_weight, w);
		if (!q)
			continue;
		double dm = expected(row, q + i * log->arms, log->arms),
		       miss = r - q[i * log->arms + log->arm[i]];
		moments_add(&m[OPE_DM], dm);
		moments_add(&m[OPE_DR], dm + w * miss);
		moments_add(&m[OPE_DROS], dm + o->shrink * w / (w * w + o->shrink) * miss);
	}
	for (int k = 0; k < OPE_ESTIMATORS; k++)
		out->of[k] = m[k].n > 0 ? moments_estimate(&m[k]) : (struct ope_estimate){ NAN, NAN };
	out->of[OPE_SNIPS] = ratio_estimate(&snips);
	out->naive = ratio_estimate(&naive);
	out->logged = moments_estimate(&logged);
	out->ess = snips.vv > 0 ? snips.v * snips.v / snips.vv : 0;
	out->events = snips.vvrr > 0 ? snips.vr * snips.vr / snips.vvrr : 0;
	out->mean_weight = weights.mean;
	judge(log, o, moments_estimate(&weights).se, out);
}

/*
 * What a row adds to the estimate, so that the mean of these is the value and their deviation its error: of
 * DR the term itself, of SNIPS the linear part v + w (r - v) / w̄.
 */
struct terms {
	double value, mean_weight;
};

static struct terms
terms_of(const struct ope_log *log, const double *policy)
{
	struct ratio s = { 0 };
	for (size_t i = 0; i < log->rows; i++)
		ratio_add(&s, weight(log, policy, i), log->reward[i]);
	return (struct terms){ s.vr / s.v, s.v / (double)log->rows };
}

static double
term(const struct ope_log *log, const double *policy, const double *q, const struct terms *t, size_t i)
{
	double w = weight(log, policy, i), r = log->reward[i];
	if (!q)
		return t->value + w * (r - t->value) / t->mean_weight;
	return expected(policy + i * log->arms, q + i * log->arms, log->arms) +
	       w * (r - q[i * log->arms + log->arm[i]]);
}

struct ope_estimate
ope_compare(const struct ope_log *log, const double *policy, const double *other, const double *q)
{
	struct terms a = terms_of(log, policy), b = terms_of(log, other);
	struct moments m = { 0 };
	for (size_t i = 0; i < log->rows; i++)
		moments_add(&m, term(log, policy, q, &a, i) - term(log, other, q, &b, i));
	return moments_estimate(&m);
}

void
ope_greedy(const double *q, size_t rows, size_t arms, const bool *only, double *policy)
{
	for (size_t i = 0; i < rows; i++) {
		const double *row = q + i * arms;
		size_t best = arms;
		for (size_t a = 0; a < arms; a++) {
			policy[i * arms + a] = 0;
			if ((!only || only[a]) && (best == arms || row[a] > row[best]))
				best = a;
		}
		if (best < arms)
			policy[i * arms + best] = 1;
	}
}

/* ---- replay ---- */

int
ope_replay(const struct ope_log *log, const double *x, struct bandit *b, uint64_t seed,
	   struct ope_replay *out, struct err *e)
{
	struct moments m = { 0 };
	*out = (struct ope_replay){ 0 };
	if (b->narms != log->arms)
		return err_set(e, ERR_INPUT, "replay: the algorithm has %zu arms, the log %zu", b->narms,
			       log->arms);
	for (size_t i = 0; i < log->rows; i++) {
		if (fabs(log->propensity[i] - log->propensity[0]) > 1e-9)
			return err_set(e, ERR_INPUT,
				       "replay needs a log whose arms were drawn alike; row %zu has "
				       "propensity %g, the first %g",
				       i, log->propensity[i], log->propensity[0]);
		const double *row = b->dim ? x + i * b->dim : NULL;
		struct bandit_choice c = bandit_decide(b, row, random_unit(&seed));
		if (c.arm != log->arm[i])
			continue;
		bandit_update(b, c.arm, row, log->reward[i]);
		moments_add(&m, log->reward[i]);
		out->kept++;
		out->reward += log->reward[i];
		out->kept_of[c.arm]++;
		out->reward_of[c.arm] += log->reward[i];
	}
	out->value = m.n > 0 ? moments_estimate(&m) : (struct ope_estimate){ NAN, NAN };
	return 0;
}
