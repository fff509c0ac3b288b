/* policy: see policy.h. */
#include "score/policy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct policy *
policy_new(const struct policy_shape *shape, struct err *e)
{
	if (shape->narms == 0 || shape->narms > POLICY_MAX_ARMS || shape->dim > POLICY_MAX_COLUMNS + 1) {
		err_set(e, ERR_LIMIT, "a policy has 1 to %d arms and at most %d columns", POLICY_MAX_ARMS,
			POLICY_MAX_COLUMNS);
		return NULL;
	}
	struct arena *a = arena_new(4096);
	struct policy *p = ARENA_NEW(a, struct policy);
	*p = (struct policy){
		.arena = a,
		.campaign = arena_str(a, shape->campaign),
		.reward = arena_str(a, shape->reward),
		.columns = arena_str(a, shape->columns),
		.window_ms = shape->window_ms,
		.dim = shape->dim,
		.ridge = shape->ridge,
		.arms = ARENA_ARRAY(a, struct policy_arm, shape->narms),
		.narms = shape->narms,
	};
	for (size_t i = 0; i < p->narms; i++) {
		p->arms[i].name = arena_str(a, shape->arms[i]);
		if (p->dim == 0)
			continue;
		p->arms[i].a = ARENA_ARRAY(a, double, p->dim * p->dim);
		p->arms[i].b = ARENA_ARRAY(a, double, p->dim);
	}
	return p;
}

void
policy_free(struct policy **pp)
{
	struct policy *p = *pp;
	*pp = NULL;
	if (p != NULL)
		arena_free(&(struct arena *){ p->arena });
}

const struct policy_arm *
policy_arm_find(const struct policy *p, struct str name)
{
	for (size_t i = 0; i < p->narms; i++)
		if (str_eq(p->arms[i].name, name))
			return &p->arms[i];
	return NULL;
}

/* x: the constant, then the row. */
static void
row_extend(const double *row, size_t dim, double *x)
{
	x[0] = 1;
	for (size_t i = 1; i < dim; i++)
		x[i] = isnan(row[i - 1]) ? 0 : row[i - 1];
}

void
policy_add(struct policy *p, size_t arm, const double *row, bool reward)
{
	struct policy_arm *to = &p->arms[arm];
	double x[POLICY_MAX_COLUMNS + 1];
	to->decisions++;
	to->rewards += reward;
	if (p->dim == 0)
		return;
	row_extend(row, p->dim, x);
	for (size_t i = 0; i < p->dim; i++) {
		for (size_t j = 0; j < p->dim; j++)
			to->a[i * p->dim + j] += x[i] * x[j];
		to->b[i] += reward ? x[i] : 0;
	}
}

/* Solves L Lᵀ theta = b. */
static void
solve(const double *l, size_t n, const double *b, double *theta)
{
	for (size_t i = 0; i < n; i++) {
		double s = b[i];
		for (size_t k = 0; k < i; k++)
			s -= l[i * n + k] * theta[k];
		theta[i] = s / l[i * n + i];
	}
	for (size_t i = n; i-- > 0;) {
		double s = theta[i];
		for (size_t k = i + 1; k < n; k++)
			s -= l[k * n + i] * theta[k];
		theta[i] = s / l[i * n + i];
	}
}

int
policy_finish(struct policy *p, struct err *e)
{
	const size_t n = p->dim;
	for (size_t k = 0; k < p->narms && n > 0; k++) {
		struct policy_arm *arm = &p->arms[k];
		arm->factor = ARENA_ARRAY(p->arena, double, n *n);
		arm->theta = ARENA_ARRAY(p->arena, double, n);
		memcpy(arm->factor, arm->a, n * n * sizeof(double));
		for (size_t i = 0; i < n; i++)
			arm->factor[i * n + i] += p->ridge;
		if (policy_cholesky(arm->factor, n) != 0)
			return err_set(
			    e, ERR_INPUT,
			    "arm \"%.*s\": its matrix is singular; set ridge above 0 in policy { }",
			    STR_ARG(arm->name));
		solve(arm->factor, n, arm->b, arm->theta);
	}
	return 0;
}

/* ---- choices ---- */

static void
posterior(const struct policy *p, const struct policy_arm_ask *ask, double *a, double *b)
{
	const struct policy_arm *arm = policy_arm_find(p, ask->name);
	*a = ask->prior_successes + (arm ? (double)arm->rewards : 0);
	*b = ask->prior_failures + (arm ? (double)(arm->decisions - arm->rewards) : 0);
	/* A prior of 0 is one that says nothing, as near as there is one. */
	*a = *a > 1e-3 ? *a : 1e-3;
	*b = *b > 1e-3 ? *b : 1e-3;
}

static void
highest_takes_all(const double *v, size_t n, double *p)
{
	size_t best = 0;
	for (size_t i = 0; i < n; i++) {
		p[i] = 0;
		if (v[i] > v[best])
			best = i;
	}
	p[best] = 1;
}

static void
by_rates(const struct policy *p, const struct policy_ask *ask, double *probability)
{
	double a[POLICY_MAX_ARMS], b[POLICY_MAX_ARMS], mean[POLICY_MAX_ARMS];
	for (size_t i = 0; i < ask->narms; i++) {
		posterior(p, &ask->arms[i], &a[i], &b[i]);
		mean[i] = a[i] / (a[i] + b[i]);
	}
	if (ask->kind == POLICY_THOMPSON) {
		policy_best_beta(a, b, ask->narms, probability);
		return;
	}
	highest_takes_all(mean, ask->narms, probability);
	for (size_t i = 0; i < ask->narms; i++)
		probability[i] = (1 - ask->epsilon) * probability[i] + ask->epsilon * ask->arms[i].share;
}

static bool
by_row(const struct policy *p, const struct policy_ask *ask, double *probability)
{
	double x[POLICY_MAX_COLUMNS + 1], y[POLICY_MAX_COLUMNS + 1];
	double mean[POLICY_MAX_ARMS], deviation[POLICY_MAX_ARMS], bound[POLICY_MAX_ARMS], square = 0;
	if (p->dim == 0 || ask->nrow != p->dim - 1 || (ask->row == NULL && p->dim > 1))
		return false;
	row_extend(ask->row, p->dim, x);
	for (size_t i = 0; i < p->dim; i++)
		square += x[i] * x[i];
	for (size_t k = 0; k < ask->narms; k++) {
		const struct policy_arm *arm = policy_arm_find(p, ask->arms[k].name);
		mean[k] = 0;
		/* Of a new arm nothing is known but the prior. */
		double form = arm ? policy_form(arm->factor, p->dim, x, y) : square / p->ridge;
		for (size_t i = 0; arm && i < p->dim; i++)
			mean[k] += x[i] * arm->theta[i];
		deviation[k] = ask->alpha * sqrt(form);
		bound[k] = mean[k] + deviation[k];
		if (!isfinite(bound[k]))
			return false;
	}
	if (ask->kind == POLICY_LINUCB)
		highest_takes_all(bound, ask->narms, probability);
	else
		policy_best_normal(mean, deviation, ask->narms, probability);
	return true;
}

bool
policy_probabilities(const struct policy *p, const struct policy_ask *ask, double *probability)
{
	if (ask->narms == 0 || ask->narms > POLICY_MAX_ARMS)
		return false;
	if (ask->kind == POLICY_LINEAR_THOMPSON || ask->kind == POLICY_LINUCB)
		return by_row(p, ask, probability);
	by_rates(p, ask, probability);
	return true;
}
