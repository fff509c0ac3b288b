/* reco-als: implicit alternating least squares (see reco.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/blas.h"
#include "learn/reco.h"

/* One side of the matrix: rows of n entries; and its factors. */
struct side {
	size_t rows;
	const size_t *end;
	const uint32_t *other;
	const float *count;
	double *y; /* rows × f */
};

struct als {
	size_t f;
	double alpha, lambda;
	double *gram, *a; /* f × f */
};

/* splitmix64; the same numbers on every machine. */
static double
random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void
gram_make(const struct side *s, size_t f, double *gram)
{
	cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)f, (int)f, (int)s->rows, 1, s->y, (int)f,
		    s->y, (int)f, 0, gram, (int)f);
}

/* The best factors of one row, the other side being what it is. -1: the matrix is not positive definite. */
static int
row_solve(const struct als *als, const struct side *s, size_t row, const double *other)
{
	size_t f = als->f;
	double *x = s->y + row * f;
	memcpy(als->a, als->gram, f * f * sizeof(double));
	memset(x, 0, f * sizeof(double));
	for (size_t i = 0; i < f; i++)
		als->a[i * f + i] += als->lambda;
	for (size_t k = row == 0 ? 0 : s->end[row - 1]; k < s->end[row]; k++) {
		const double *y = other + s->other[k] * f;
		double c = als->alpha * (double)s->count[k];
		cblas_dsyr(CblasRowMajor, CblasLower, (int)f, c, y, 1, als->a, (int)f);
		cblas_daxpy((int)f, 1 + c, y, 1, x, 1);
	}
	/* The lower triangle in rows is the upper one in columns. */
	return LAPACKE_dposv(LAPACK_COL_MAJOR, 'U', (lapack_int)f, 1, als->a, (lapack_int)f, x,
			     (lapack_int)f) == 0
		   ? 0
		   : -1;
}

static int
side_solve(const struct als *als, struct side *s, const struct side *other)
{
	gram_make(other, als->f, als->gram);
	for (size_t i = 0; i < s->rows; i++)
		if (row_solve(als, s, i, other->y) != 0)
			return -1;
	return 0;
}

/*
 * Σ over all pairs of c·(p - x·y)² + λ(Σ‖x‖² + Σ‖y‖²), c = 1 + α·count and p = 1 where there is an entry,
 * else 1 and 0; the pairs without one through the Gram matrices: Σ (x·y)² = tr(XᵀX·YᵀY).
 */
static double
loss(const struct als *als, const struct side *users, const struct side *items)
{
	size_t f = als->f;
	double sum = 0;
	gram_make(users, f, als->gram);
	gram_make(items, f, als->a);
	for (size_t i = 0; i < f * f; i++)
		sum += als->gram[i] * als->a[i];
	for (size_t i = 0; i < f; i++)
		sum += als->lambda * (als->gram[i * f + i] + als->a[i * f + i]);
	for (size_t u = 0; u < users->rows; u++)
		for (size_t k = u == 0 ? 0 : users->end[u - 1]; k < users->end[u]; k++) {
			double s = cblas_ddot((int)f, users->y + u * f, 1, items->y + users->other[k] * f, 1);
			double c = 1 + als->alpha * (double)users->count[k];
			sum += c * (1 - s) * (1 - s) - s * s;
		}
	return sum;
}

/* The same entries by item. */
static void
items_side(const struct reco_data *d, struct arena *a, struct side *s)
{
	size_t n = d->end[d->users - 1];
	size_t *at = ARENA_ARRAY(a, size_t, d->items + 1);
	uint32_t *user = ARENA_ARRAY(a, uint32_t, n);
	float *count = ARENA_ARRAY(a, float, n);
	for (size_t k = 0; k < n; k++)
		at[d->item[k] + 1]++;
	for (size_t i = 0; i < d->items; i++)
		at[i + 1] += at[i];
	for (size_t u = 0; u < d->users; u++)
		for (size_t k = u == 0 ? 0 : d->end[u - 1]; k < d->end[u]; k++) {
			size_t to = at[d->item[k]]++;
			user[to] = (uint32_t)u;
			count[to] = d->count[k];
		}
	/* Each beginning has moved to its end. */
	*s = (struct side){ .rows = d->items, .end = at, .other = user, .count = count };
}

static void
model_fill(const struct als *als, const struct side *items, struct arena *a, struct recommend_model *out)
{
	size_t f = als->f;
	float *factor = ARENA_ARRAY(a, float, items->rows *f), *gram = ARENA_ARRAY(a, float, f *f);
	gram_make(items, f, als->gram);
	for (size_t i = 0; i < items->rows * f; i++)
		factor[i] = (float)items->y[i];
	for (size_t i = 0; i < f * f; i++)
		gram[i] = (float)als->gram[i];
	out->factors = f;
	out->factor = factor;
	out->gram = gram;
	out->alpha = als->alpha;
	out->regularization = als->lambda;
}

int
reco_als(const struct reco_data *d, const struct reco_options *o, const struct learn_progress *p,
	 struct arena *a, struct recommend_model *out, struct err *e)
{
	size_t f = o->factors;
	uint64_t state = o->seed;
	int rc = 0;
	if (f == 0 || f > RECOMMEND_MAX_FACTORS || !(o->regularization >= 1e-6) || !(o->alpha > 0))
		return err_set(e, ERR_INPUT,
			       "als needs 1 to %d factors, a regularization and an alpha above 0",
			       RECOMMEND_MAX_FACTORS);
	struct arena *own = arena_new(65536);
	struct als als = { .f = f, .alpha = o->alpha, .lambda = o->regularization };
	als.gram = ARENA_ARRAY(own, double, f *f);
	als.a = ARENA_ARRAY(own, double, f *f);
	struct side users = { .rows = d->users, .end = d->end, .other = d->item, .count = d->count }, items;
	items_side(d, own, &items);
	users.y = ARENA_ARRAY(own, double, d->users *f);
	items.y = ARENA_ARRAY(own, double, d->items *f);
	for (size_t i = 0; i < d->items * f; i++)
		items.y[i] = (random_next(&state) - 0.5) * 0.1;
	openblas_set_num_threads(1);
	for (size_t i = 0; i < o->iterations && rc == 0; i++) {
		rc = side_solve(&als, &users, &items) == 0 && side_solve(&als, &items, &users) == 0
			 ? 0
			 : err_set(e, ERR_INPUT, "als does not converge: take a larger regularization");
		if (rc == 0 && p && p->step)
			learn_report(
			    p, &(struct learn_step){ i + 1, o->iterations, loss(&als, &users, &items), NAN });
	}
	if (rc == 0)
		model_fill(&als, &items, a, out);
	arena_free(&own);
	return rc;
}
