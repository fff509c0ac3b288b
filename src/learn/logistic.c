/*
 * logistic: L2 logistic regression by Newton's method (see learn.h). One pass over the rows, in blocks that
 * stay in the cache, gives objective, gradient and Hessian; the step is a Cholesky solve.
 *
 * Two things make it quick. It starts near the optimum of a sixteenth of the rows, which costs little and
 * spares two or three passes. And the Hessian, which is most of a pass, is kept once steps are so short that
 * it hardly changes: the steps converge to the same point, since that is where the gradient vanishes.
 */
#include <math.h>
#include <string.h>

#include "learn/blas.h"
#include "learn/linear.h"
#include "learn/rows.h"

#define BLOCK 64
#define FEWEST_ROWS ((size_t)10) /* for each coefficient; only said, where fewer do not converge */
#define MAX_ITERATIONS 100
#define MAX_HALVINGS 30
/* Every SAMPLE-th block is in the sample, when there are enough rows for each coefficient. */
#define SAMPLE 16
#define SAMPLE_ROWS 50
/* Largest component of the gradient, over the sum of weights. */
#define TOLERANCE 1e-10
/* A Newton step's promised gain, over the sum of weights, below which the Hessian is kept. */
#define KEEP 1e-5

struct newton {
	const struct learn_data *d;
	const double *x;    /* without missing cells */
	size_t p;	    /* cols + 1: the intercept stands first */
	size_t width;	    /* p as rows.h rounds it up */
	size_t every;	    /* which blocks count: each, or every SAMPLE-th */
	double l2, weight;  /* sum of the weights of the rows that count */
	double *b, *g, *h;  /* p, p, width × width (lower triangle by rows) */
	double *try, *step; /* p */
	double *s;	    /* BLOCK × width: rows times the root of their weight in the Hessian */
	double z[BLOCK], r[BLOCK], v[BLOCK];
	struct learn_fit *fit;
};

/* Sum of w·log(1 + e^-|z|): with weights 1 as one logarithm of a product, whose factors are at most 2. */
static double
log_sum(const double *e, const double *w, size_t n)
{
	double product = 1, sum = 0;
	if (!w) {
		for (size_t i = 0; i < n; i++)
			product *= 1 + e[i];
		return log(product);
	}
	for (size_t i = 0; i < n; i++)
		sum += w[i] * log1p(e[i]);
	return sum;
}

/* z becomes: r the derivative of the loss by z, v the second one. Returns the loss. */
static double
block_loss(struct newton *t, const double *y, const double *w, size_t n)
{
	double e[BLOCK], loss = 0;
	for (size_t i = 0; i < n; i++)
		e[i] = exp(-fabs(t->z[i]));
	for (size_t i = 0; i < n; i++) {
		double z = t->z[i], weight = w ? w[i] : 1, q = 1 / (1 + e[i]);
		double p = z >= 0 ? q : e[i] * q;
		loss += weight * ((z > 0 ? z : 0) - y[i] * z);
		t->r[i] = weight * (p - y[i]);
		t->v[i] = weight * e[i] * q * q;
	}
	return loss + log_sum(e, w, n);
}

static void
block_hessian(struct newton *t, const double *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		t->v[i] = sqrt(t->v[i]);
	rows_scale(x, n, t->d->cols, t->v, t->s);
	rows_square(t->s, n, t->p, t->h);
}

/* Objective at b; its gradient into t->g; and its Hessian into t->h, when asked for. */
static double
pass(struct newton *t, const double *b, bool hessian)
{
	const struct learn_data *d = t->d;
	double objective = 0;
	memset(t->g, 0, t->p * sizeof(*t->g));
	if (hessian)
		memset(t->h, 0, t->width * t->width * sizeof(*t->h));
	for (size_t at = 0; at < d->rows; at += BLOCK * t->every) {
		size_t n = d->rows - at < BLOCK ? d->rows - at : BLOCK;
		const double *x = t->x + at * d->cols;
		rows_dot(x, n, d->cols, b, t->z);
		objective += block_loss(t, d->y + at, d->w ? d->w + at : NULL, n);
		rows_add(x, n, d->cols, t->r, t->g);
		if (hessian)
			block_hessian(t, x, n);
	}
	/* Of a sample, the penalty is to weigh as much as it does beside all rows. */
	double l2 = t->l2 / (double)t->every;
	for (size_t k = 1; k < t->p; k++) {
		objective += l2 / 2 * b[k] * b[k];
		t->g[k] += l2 * b[k];
		if (hessian)
			t->h[k * t->width + k] += l2;
	}
	return objective;
}

/* Cholesky of the Hessian, in place. One that is singular (columns that depend on each other, no penalty) is
 * lifted off the ground a little: the steps become shorter, the optimum is the same. */
static int
factor(struct newton *t, double *copy)
{
	double lift = 0, trace = 0;
	memcpy(copy, t->h, t->width * t->width * sizeof(*copy));
	for (size_t k = 0; k < t->p; k++)
		trace += copy[k * t->width + k];
	for (int i = 0; i < 10; i++) {
		if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (int)t->p, t->h, (int)t->width) == 0)
			return 0;
		lift = lift > 0 ? lift * 10 : trace / (double)t->p * 1e-12;
		memcpy(t->h, copy, t->width * t->width * sizeof(*copy));
		for (size_t k = 0; k < t->p; k++)
			t->h[k * t->width + k] += lift;
	}
	return -1;
}

/* step = H⁻¹g; the gain that it promises. */
static double
solve(struct newton *t)
{
	memcpy(t->step, t->g, t->p * sizeof(*t->step));
	LAPACKE_dpotrs(LAPACK_COL_MAJOR, 'U', (int)t->p, 1, t->h, (int)t->width, t->step, (int)t->p);
	return cblas_ddot((int)t->p, t->step, 1, t->g, 1) / 2;
}

static double
gradient_size(const struct newton *t)
{
	double max = 0;
	for (size_t k = 0; k < t->p; k++)
		max = fabs(t->g[k]) > max ? fabs(t->g[k]) : max;
	return max;
}

/* Steps from b, whose objective, gradient and factored Hessian t holds, by as much of `step` as helps. */
static bool
advance(struct newton *t, bool hessian)
{
	double scale = 1, slack = 1e-12 * (fabs(t->fit->objective) + 1);
	for (int i = 0; i < MAX_HALVINGS; i++, scale /= 2) {
		for (size_t k = 0; k < t->p; k++)
			t->try[k] = t->b[k] - scale * t->step[k];
		double objective = pass(t, t->try, hessian);
		if (objective <= t->fit->objective + slack) {
			memcpy(t->b, t->try, t->p * sizeof(*t->b));
			t->fit->objective = objective;
			return true;
		}
	}
	return false;
}

static int
descend(struct newton *t, double *copy, double tolerance, const struct learn_progress *p)
{
	bool fresh = true; /* t->h is a Hessian that was just computed, not yet factored */
	t->fit->objective = pass(t, t->b, true);
	for (size_t i = 1; i <= MAX_ITERATIONS; i++) {
		t->fit->gradient = gradient_size(t);
		if (t->fit->gradient <= tolerance * t->weight)
			return 1;
		if (!isfinite(t->fit->objective) || (fresh && factor(t, copy) != 0))
			return 0;
		bool keep = solve(t) <= KEEP * t->weight;
		if (!advance(t, !keep)) {
			/* No gain to be had: rounding, or a Hessian that is too old. */
			if (fresh)
				return t->fit->gradient <= 1e4 * tolerance * t->weight;
			pass(t, t->b, true);
			keep = false;
		}
		fresh = !keep;
		t->fit->iterations++;
		learn_report(p,
			     &(struct learn_step){ i, MAX_ITERATIONS, t->fit->objective / t->weight, NAN });
	}
	return 0;
}

static double
weight_sum(const struct learn_data *d, size_t every)
{
	double sum = 0;
	for (size_t at = 0; at < d->rows; at += BLOCK * every)
		for (size_t i = at; i < at + BLOCK && i < d->rows; i++)
			sum += d->w ? d->w[i] : 1;
	return sum;
}

static void
newton_init(struct newton *t, struct arena *a)
{
	t->g = ARENA_ARRAY(a, double, t->p);
	t->h = ARENA_ARRAY(a, double, t->width * t->width);
	t->try = ARENA_ARRAY(a, double, t->p);
	t->step = ARENA_ARRAY(a, double, t->p);
	t->s = ARENA_ARRAY(a, double, BLOCK * t->width);
}

int
learn_logistic_fit(const struct learn_data *d, double l2, double *b, double *missing,
		   const struct learn_progress *p, struct learn_fit *fit, struct err *e)
{
	struct learn_fit own = { 0 };
	int rc = 0;
	fit = fit ? fit : &own;
	*fit = (struct learn_fit){ 0 };
	if (learn_check(d, true, e) != 0)
		return -1;
	if (!(l2 >= 0 && isfinite(l2)))
		return err_set(e, ERR_INPUT, "l2 must be 0 or more");
	openblas_set_num_threads(1);
	struct arena *a = arena_new(65536);
	struct newton *t = ARENA_NEW(a, struct newton);
	*t = (struct newton){
		.d = d, .p = d->cols + 1, .width = rows_width(d->cols + 1), .l2 = l2, .b = b, .fit = fit
	};
	t->x = linear_fill(a, d, missing ? missing : ARENA_ARRAY(a, double, d->cols));
	newton_init(t, a);
	double *copy = ARENA_ARRAY(a, double, t->width * t->width);
	memset(b, 0, t->p * sizeof(*b));
	if (d->rows >= SAMPLE * SAMPLE_ROWS * t->p) {
		t->every = SAMPLE;
		t->weight = weight_sum(d, SAMPLE);
		/* What a sample cannot tell is told by all rows: any outcome is a start. */
		if (t->weight > 0 && !descend(t, copy, 1e-2, NULL))
			memset(b, 0, t->p * sizeof(*b));
		fit->iterations = 0;
	}
	t->every = 1;
	t->weight = weight_sum(d, 1);
	fit->converged = descend(t, copy, TOLERANCE, p);
	if (!fit->converged && d->rows < FEWEST_ROWS * t->p)
		rc = err_set(
		    e, ERR_LIMIT,
		    "%zu rows are too few for logistic regression on %zu columns (it did not converge "
		    "in %d steps); give %zu or more, or raise l2",
		    d->rows, d->cols, MAX_ITERATIONS, FEWEST_ROWS * t->p);
	else if (!fit->converged)
		rc = err_set(
		    e, ERR_LIMIT,
		    "logistic regression did not converge in %d steps: columns may separate the labels "
		    "or be of very different sizes; scale them, or raise l2",
		    MAX_ITERATIONS);
	arena_free(&a);
	return rc;
}

struct model *
learn_logistic(const struct learn_data *d, const struct learn_names *names, double l2,
	       const struct learn_progress *p, struct err *e)
{
	struct arena *a = arena_new(4096);
	double *b = ARENA_ARRAY(a, double, d->cols + 1), *missing = ARENA_ARRAY(a, double, d->cols);
	struct model *m = NULL;
	if (learn_logistic_fit(d, l2, b, missing, p, NULL, e) == 0)
		m = linear_model(names, d->cols, MODEL_LOGIT, b, missing, e);
	arena_free(&a);
	return m;
}
