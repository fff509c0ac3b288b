/* score: what a model says of all items for one history (see model.h). */
#include <math.h>
#include <string.h>

#include "recommend/private.h"

static const char *const KINDS[RECOMMEND_KINDS] = { "popular", "ease", "knn", "als" };

const char *
recommend_kind_name(enum recommend_kind k)
{
	return (unsigned)k < RECOMMEND_KINDS ? KINDS[k] : NULL;
}

int
recommend_kind_find(struct str name)
{
	for (int k = 0; k < RECOMMEND_KINDS; k++)
		if (str_eq(name, str_of(KINDS[k])))
			return k;
	return -1;
}

struct str
recommend_id(const struct recommend_model *m, size_t item)
{
	size_t from = item == 0 ? 0 : (size_t)m->id_end[item - 1];
	return str_make(m->id_text + from, (size_t)m->id_end[item] - from);
}

long
recommend_find(const struct recommend_model *m, struct str id)
{
	size_t low = 0, high = m->items;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = id_compare(recommend_id(m, mid), id);
		if (c == 0)
			return (long)mid;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

size_t
recommend_scratch(const struct recommend_model *m)
{
	return (m->factors * m->factors + m->factors + 1) * sizeof(double);
}

/* ---- als ---- */

/* a = L·Lᵀ in the lower triangle, then L·Lᵀ·x = x. a is positive definite: λ > 0 stands on its diagonal. */
static void
cholesky_solve(double *a, double *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j <= i; j++) {
			double s = a[i * n + j];
			for (size_t k = 0; k < j; k++)
				s -= a[i * n + k] * a[j * n + k];
			/* Rounding may take a tiny pivot below 0. */
			a[i * n + j] = i == j ? sqrt(fmax(s, 1e-12)) : s / a[j * n + j];
		}
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < i; k++)
			x[i] -= a[i * n + k] * x[k];
		x[i] /= a[i * n + i];
	}
	for (size_t i = n; i-- > 0;) {
		for (size_t k = i + 1; k < n; k++)
			x[i] -= a[k * n + i] * x[k];
		x[i] /= a[i * n + i];
	}
}

void
recommend_fold(const struct recommend_model *m, const struct recommend_taken *history, size_t n, double *work,
	       double *x)
{
	size_t f = m->factors;
	for (size_t i = 0; i < f * f; i++)
		work[i] = (double)m->gram[i];
	for (size_t i = 0; i < f; i++) {
		work[i * f + i] += m->regularization;
		x[i] = 0;
	}
	for (size_t h = 0; h < n; h++) {
		const float *y = m->factor + history[h].item * f;
		double c = m->alpha * (double)history[h].count;
		for (size_t i = 0; i < f; i++) {
			x[i] += (1 + c) * (double)y[i];
			for (size_t j = 0; j <= i; j++)
				work[i * f + j] += c * (double)y[i] * (double)y[j];
		}
	}
	cholesky_solve(work, x, f);
}

static void
score_factors(const struct recommend_model *m, const struct recommend_taken *history, size_t n, double *work,
	      float *scores)
{
	size_t f = m->factors;
	double *x = work + f * f;
	recommend_fold(m, history, n, work, x);
	for (size_t j = 0; j < m->items; j++) {
		const float *y = m->factor + j * f;
		double s = 0;
		for (size_t k = 0; k < f; k++)
			s += (double)y[k] * x[k];
		/* Files may hold any finite factors. */
		scores[j] = isfinite((float)s) ? (float)s : 0;
	}
}

/* ---- ease, knn ---- */

static void
score_rows(const struct recommend_model *m, const struct recommend_taken *history, size_t n, float *scores)
{
	memset(scores, 0, m->items * sizeof(*scores));
	for (size_t h = 0; h < n; h++) {
		size_t i = history[h].item, end = (size_t)m->row_end[i];
		for (size_t k = i == 0 ? 0 : (size_t)m->row_end[i - 1]; k < end; k++)
			scores[m->row_item[k]] += m->row_weight[k];
	}
}

void
recommend_score(const struct recommend_model *m, const struct recommend_taken *history, size_t n,
		void *scratch, float *scores)
{
	if (n == 0 || m->kind == RECOMMEND_POPULAR)
		memcpy(scores, m->popularity, m->items * sizeof(*scores));
	else if (m->kind == RECOMMEND_ALS)
		score_factors(m, history, n, scratch, scores);
	else
		score_rows(m, history, n, scores);
}
