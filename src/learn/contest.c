/* contest: all policies on the same rows, and which one to take (see contest.h). */
#include "learn/contest.h"

#include <math.h>
#include <string.h>

/* How far the fields of a policy may sum from 1: they are rounded. */
#define SUM_OFF 0.01
/* "Ahead" is only said above this many standard errors. */
#define AHEAD 2.0

struct running {
	struct contest *c;
	const struct trial *t;
	struct ope_log log;
	double *q, *policy, *best; /* rows × arms */
	double *x;		   /* rows of replay: a constant, then the columns; made when one needs it */
};

static int
fields_fill(const struct running *r, const struct contestant *p, double *policy, struct err *e)
{
	size_t arms = r->log.arms, nmore = 0;
	for (size_t i = 0; i < r->c->n; i++)
		nmore += r->c->all[i].kind == CONTEST_FIELDS ? arms : 0;
	for (size_t i = 0; i < r->log.rows; i++) {
		const double *from = r->t->more + i * nmore + p->field;
		double all = 0;
		bool ok = true;
		for (size_t k = 0; k < arms; k++) {
			ok = ok && from[k] >= 0;
			all += from[k];
		}
		if (!ok || !(fabs(all - 1) < SUM_OFF))
			return err_set(e, ERR_INPUT,
				       "policy \"%s\": row %zu: its fields are no probabilities with sum 1",
				       p->name, i + 1);
		memcpy(policy + i * arms, from, arms * sizeof(*policy));
	}
	return 0;
}

static int
policy_fill(const struct running *r, const struct contestant *p, double *policy, struct err *e)
{
	size_t arms = r->log.arms;
	if (p->kind == CONTEST_GREEDY) {
		ope_greedy(r->q, r->log.rows, arms, p->only, policy);
		return 0;
	}
	if (p->kind == CONTEST_FIELDS)
		return fields_fill(r, p, policy, e);
	for (size_t i = 0; i < r->log.rows; i++)
		for (size_t k = 0; k < arms; k++)
			policy[i * arms + k] = p->kind == CONTEST_SHARES ? p->shares[k] : k == p->arm;
	return 0;
}

static void
rows_fill(struct running *r)
{
	const struct learn_data *d = &r->t->data;
	size_t n = d->cols + 1;
	if (r->x)
		return;
	r->x = ARENA_ARRAY(r->c->arena, double, d->rows *n);
	for (size_t i = 0; i < d->rows; i++) {
		r->x[i * n] = 1;
		for (size_t k = 0; k < d->cols; k++) {
			double v = d->x[i * d->cols + k];
			r->x[i * n + k + 1] = isnan(v) ? 0 : v;
		}
	}
}

static void
replay(struct running *r, struct contestant *p)
{
	struct err e = { 0 };
	struct bandit *b = bandit_new(&p->replay, &e);
	if (b && b->dim > 0)
		rows_fill(r);
	if (!b || ope_replay(&r->log, r->x, b, p->seed, &p->replayed, &e) != 0)
		p->refused = arena_cstr(r->c->arena, str_of(e.text));
	bandit_free(&b);
}

static double
value_of(const struct contestant *p)
{
	return p->result.of[p->result.best].value;
}

/* Of those that can be judged, the constant arm with the highest value. */
static const struct contestant *
best_constant(const struct contest *c)
{
	const struct contestant *best = NULL;
	for (size_t i = 0; i < c->n; i++) {
		const struct contestant *p = &c->all[i];
		if (p->kind == CONTEST_CONSTANT && p->result.concluded &&
		    (!best || value_of(p) > value_of(best)))
			best = p;
	}
	return best;
}

static int
compare(struct running *r, struct err *e)
{
	struct contest *c = r->c;
	c->best_constant = best_constant(c);
	if (c->best_constant)
		policy_fill(r, c->best_constant, r->best, NULL);
	for (size_t i = 0; i < c->n; i++) {
		struct contestant *p = &c->all[i];
		p->versus = (struct ope_estimate){ NAN, NAN };
		if (!c->best_constant || p->kind == CONTEST_REPLAY || !(p->result.ess > 0))
			continue;
		if (policy_fill(r, p, r->policy, e) != 0)
			return -1;
		p->versus = ope_compare(&r->log, r->policy, r->best, r->q);
	}
	return 0;
}

static void
recommend(struct contest *c)
{
	c->recommended = c->best_constant;
	if (!c->best_constant) {
		c->why = "of no constant arm can it be said what it brings; nothing is recommended";
		return;
	}
	c->why = "no policy is above the best constant arm by more than 2 standard errors";
	for (size_t i = 0; i < c->n; i++) {
		const struct contestant *p = &c->all[i];
		if (p->kind == CONTEST_CONSTANT || p->kind == CONTEST_REPLAY || !p->result.concluded ||
		    !(p->versus.value > AHEAD * p->versus.se))
			continue;
		if (c->recommended->kind == CONTEST_CONSTANT || value_of(p) > value_of(c->recommended)) {
			c->recommended = p;
			c->why = "above the best constant arm by more than 2 standard errors";
		}
	}
}

int
contest_run(struct contest *c, const struct trial *t, struct str kind, const struct value *options,
	    const struct learn_progress *progress, struct err *e)
{
	struct running r = { .c = c, .t = t };
	const struct ope_fit fit = { .data = &t->data,
				     .arm = t->arm,
				     .fold = t->fold,
				     .arms = t->narms,
				     .kind = kind,
				     .options = options,
				     .link = t->labels ? MODEL_LOGIT : MODEL_IDENTITY,
				     .progress = progress };
	size_t cells = t->data.rows * t->narms;
	if (!t->propensity)
		return err_set(e, ERR_INPUT,
			       "without \"propensity\" there is no telling what another policy would bring");
	if (cells > CSV_MAX_CELLS)
		return err_set(e, ERR_LIMIT, "rows times arms are more than %zu", CSV_MAX_CELLS);
	r.log = (struct ope_log){ t->data.rows, t->narms, t->arm, t->data.y, t->propensity };
	r.q = ARENA_ARRAY(c->arena, double, cells);
	r.policy = ARENA_ARRAY(c->arena, double, cells);
	r.best = ARENA_ARRAY(c->arena, double, cells);
	if (ope_check(&r.log, e) != 0 || ope_crossfit(&fit, r.q, e) != 0)
		return -1;
	for (size_t i = 0; i < c->n; i++) {
		if (c->all[i].kind == CONTEST_REPLAY) {
			replay(&r, &c->all[i]);
			continue;
		}
		if (policy_fill(&r, &c->all[i], r.policy, e) != 0)
			return -1;
		ope_evaluate(&r.log, r.policy, r.q, &c->options, &c->all[i].result);
	}
	if (compare(&r, e) != 0)
		return -1;
	recommend(c);
	return 0;
}
