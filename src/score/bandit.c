/* bandit: see bandit.h. */
#include "score/bandit.h"

#include <math.h>
#include <string.h>

static const char *const NAMES[BANDIT_KINDS] = {
	"fixed", "epsilon", "thompson", "linear-thompson", "linucb", "greedy",
};

const char *
bandit_kind_name(enum bandit_kind kind)
{
	return NAMES[kind];
}

int
bandit_kind_find(struct str name)
{
	for (int k = 0; k < BANDIT_KINDS; k++)
		if (str_eq(name, str_of(NAMES[k])))
			return k;
	return -1;
}

static bool
linear(enum bandit_kind kind)
{
	return kind == BANDIT_LINUCB || kind == BANDIT_LINEAR_THOMPSON;
}

/* ---- making one ---- */

static int
shape_check(const struct bandit_shape *s, struct err *e)
{
	if (s->narms == 0 || s->narms > POLICY_MAX_ARMS)
		return err_set(e, ERR_LIMIT, "there must be 1 to %d arms", POLICY_MAX_ARMS);
	if (linear(s->kind) ? s->dim == 0 || s->dim > POLICY_MAX_COLUMNS + 1 : s->dim != 0)
		return err_set(e, ERR_LIMIT,
			       "linear kinds have rows of 1 to %d values, and only they have rows",
			       POLICY_MAX_COLUMNS + 1);
	if (linear(s->kind) && !(s->lambda > 0 && isfinite(s->lambda) && s->alpha >= 0 && isfinite(s->alpha)))
		return err_set(e, ERR_INPUT, "lambda must be above 0, and alpha not below it");
	if (!(s->epsilon >= 0 && s->epsilon <= 1))
		return err_set(e, ERR_INPUT, "epsilon must be 0 to 1");
	for (size_t k = 0; s->prior && k < 2 * s->narms; k++)
		if (!(s->prior[k] > 0 && isfinite(s->prior[k])))
			return err_set(e, ERR_INPUT, "arm %zu: its prior must be above 0", k / 2);
	for (size_t k = 0; s->prior_theta && k < s->narms * s->dim; k++)
		if (!isfinite(s->prior_theta[k]))
			return err_set(e, ERR_INPUT, "arm %zu: its prior is no number", k / s->dim);
	return 0;
}

static int
shares_set(struct bandit *b, const double *shares, struct err *e)
{
	double all = 0;
	for (size_t k = 0; k < b->narms; k++) {
		b->share[k] = shares ? shares[k] : 1;
		if (!(b->share[k] >= 0))
			return err_set(e, ERR_INPUT, "arm %zu: its share must not be below 0", k);
		all += b->share[k];
	}
	if (!(all > 0 && isfinite(all)))
		return err_set(e, ERR_INPUT, "the shares of the arms must have a sum above 0");
	for (size_t k = 0; k < b->narms; k++)
		b->share[k] /= all;
	return 0;
}

/* Before anything is seen: A = lambda I, so that b = lambda · prior θ. */
static void
prior_set(struct bandit *b, const struct bandit_shape *s)
{
	for (size_t k = 0; k < b->narms; k++) {
		double *inverse = b->inverse + k * b->dim * b->dim;
		b->prior[2 * k] = s->prior ? s->prior[2 * k] : 1;
		b->prior[2 * k + 1] = s->prior ? s->prior[2 * k + 1] : 1;
		for (size_t i = 0; i < b->dim; i++) {
			double theta = s->prior_theta ? s->prior_theta[k * b->dim + i] : 0;
			inverse[i * b->dim + i] = 1 / b->lambda;
			b->theta[k * b->dim + i] = theta;
			b->b[k * b->dim + i] = b->lambda * theta;
		}
	}
}

struct bandit *
bandit_new(const struct bandit_shape *s, struct err *e)
{
	if (shape_check(s, e) != 0)
		return NULL;
	struct arena *a = arena_new(16384);
	struct bandit *b = ARENA_NEW(a, struct bandit);
	*b = (struct bandit){
		.kind = s->kind,
		.narms = s->narms,
		.dim = s->dim,
		.lambda = s->lambda,
		.alpha = s->alpha,
		.epsilon = s->epsilon,
		.share = ARENA_ARRAY(a, double, s->narms),
		.prior = ARENA_ARRAY(a, double, 2 * s->narms),
		.count = ARENA_ARRAY(a, double, s->narms),
		.reward = ARENA_ARRAY(a, double, s->narms),
		.inverse = ARENA_ARRAY(a, double, s->narms * s->dim * s->dim),
		.b = ARENA_ARRAY(a, double, s->narms * s->dim),
		.theta = ARENA_ARRAY(a, double, s->narms * s->dim),
		.scratch = ARENA_ARRAY(a, double, s->dim),
		.arena = a,
	};
	prior_set(b, s);
	if (shares_set(b, s->shares, e) != 0)
		bandit_free(&b);
	return b;
}

void
bandit_free(struct bandit **b)
{
	struct arena *a = *b ? (*b)->arena : NULL;
	*b = NULL;
	arena_free(&a);
}

/* ---- deciding ---- */

/* y = m x for a symmetric m: by its rows, so that the compiler may take several elements of y at a time. */
static void
multiply(const double *restrict m, const double *restrict x, size_t n, double *restrict y)
{
	for (size_t j = 0; j < n; j++)
		y[j] = x[0] * m[j];
	for (size_t i = 1; i < n; i++) {
		const double *row = m + i * n;
		double v = x[i];
		for (size_t j = 0; j < n; j++)
			y[j] += v * row[j];
	}
}

static double
dot(const double *x, const double *y, size_t n)
{
	double sum[2] = { 0, 0 };
	size_t i = 0;
	for (; i + 2 <= n; i += 2) {
		sum[0] += x[i] * y[i];
		sum[1] += x[i + 1] * y[i + 1];
	}
	return sum[0] + sum[1] + (i < n ? x[i] * y[i] : 0);
}

/* What is expected of each arm at x, and how sure that is. */
static void
linear_expect(const struct bandit *b, const double *x, double *mean, double *deviation)
{
	double y[POLICY_MAX_COLUMNS + 1];
	const size_t n = b->dim;
	for (size_t k = 0; k < b->narms; k++) {
		multiply(b->inverse + k * n * n, x, n, y);
		double form = dot(x, y, n);
		mean[k] = dot(x, b->theta + k * n, n);
		/* Rounding may leave a little less than nothing. */
		deviation[k] = b->alpha * sqrt(form > 0 ? form : 0);
	}
}

static size_t
highest(const double *v, size_t n)
{
	size_t best = 0;
	for (size_t k = 1; k < n; k++)
		if (v[k] > v[best])
			best = k;
	return best;
}

/* The arm that a kind without chance takes, or most of the time. */
static size_t
best_arm(const struct bandit *b, const double *x)
{
	double v[POLICY_MAX_ARMS], deviation[POLICY_MAX_ARMS];
	if (b->kind == BANDIT_GREEDY)
		return highest(x, b->narms);
	if (b->kind == BANDIT_LINUCB) {
		linear_expect(b, x, v, deviation);
		for (size_t k = 0; k < b->narms; k++)
			v[k] += deviation[k];
		return highest(v, b->narms);
	}
	for (size_t k = 0; k < b->narms; k++)
		v[k] =
		    (b->prior[2 * k] + b->reward[k]) / (b->prior[2 * k] + b->prior[2 * k + 1] + b->count[k]);
	return highest(v, b->narms);
}

void
bandit_probabilities(const struct bandit *b, const double *x, double *p)
{
	double v[POLICY_MAX_ARMS], w[POLICY_MAX_ARMS];
	switch (b->kind) {
	case BANDIT_THOMPSON:
		for (size_t k = 0; k < b->narms; k++) {
			v[k] = b->prior[2 * k] + b->reward[k];
			w[k] = b->prior[2 * k + 1] + (b->count[k] - b->reward[k]);
		}
		policy_best_beta(v, w, b->narms, p);
		return;
	case BANDIT_LINEAR_THOMPSON:
		linear_expect(b, x, v, w);
		policy_best_normal(v, w, b->narms, p);
		return;
	case BANDIT_FIXED:
		memcpy(p, b->share, b->narms * sizeof(*p));
		return;
	case BANDIT_EPSILON:
		for (size_t k = 0; k < b->narms; k++)
			p[k] = b->epsilon * b->share[k];
		p[best_arm(b, x)] += 1 - b->epsilon;
		return;
	default:
		memset(p, 0, b->narms * sizeof(*p));
		p[best_arm(b, x)] = 1;
	}
}

size_t
bandit_pick(const double *p, size_t n, double u)
{
	double sum = 0;
	size_t last = 0;
	for (size_t k = 0; k < n; k++) {
		if (!(p[k] > 0))
			continue;
		last = k;
		sum += p[k];
		if (u < sum)
			return k;
	}
	return last; /* rounding left the sum below u */
}

struct bandit_choice
bandit_decide(const struct bandit *b, const double *x, double u)
{
	double p[POLICY_MAX_ARMS];
	if (b->kind == BANDIT_LINUCB || b->kind == BANDIT_GREEDY)
		return (struct bandit_choice){ best_arm(b, x), 1 };
	bandit_probabilities(b, x, p);
	size_t arm = bandit_pick(p, b->narms, u);
	return (struct bandit_choice){ arm, p[arm] };
}

/* ---- learning ---- */

/* A⁻¹ - (A⁻¹x)(A⁻¹x)ᵀ / (1 + xᵀA⁻¹x), and θ with it: θ + A⁻¹x (r - xᵀθ) / (1 + xᵀA⁻¹x). */
static void
linear_update(struct bandit *b, size_t arm, const double *x, double reward)
{
	const size_t n = b->dim;
	double *inverse = b->inverse + arm * n * n, *theta = b->theta + arm * n, *sums = b->b + arm * n,
	       *y = b->scratch;
	multiply(inverse, x, n, y);
	double scale = 1 / (1 + dot(x, y, n)), miss = (reward - dot(x, theta, n)) * scale;
	for (size_t i = 0; i < n; i++) {
		double *row = inverse + i * n, v = y[i] * scale;
		for (size_t j = 0; j < n; j++)
			row[j] -= v * y[j];
		theta[i] += y[i] * miss;
		sums[i] += reward * x[i];
	}
}

void
bandit_update(struct bandit *b, size_t arm, const double *x, double reward)
{
	b->count[arm]++;
	b->reward[arm] += reward;
	if (linear(b->kind))
		linear_update(b, arm, x, reward);
}
