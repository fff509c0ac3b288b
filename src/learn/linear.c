/* linear: missing cells, and coefficients as a model (see linear.h). */
#include "learn/linear.h"

#include <math.h>
#include <string.h>

#include "score/logistic.h"

static bool
any_missing(const struct learn_data *d)
{
	size_t n = d->rows * d->cols, i = 0;
	double sum[4] = { 0, 0, 0, 0 };
	for (; i + 4 <= n; i += 4)
		for (size_t j = 0; j < 4; j++)
			sum[j] += d->x[i + j] * 0;
	for (; i < n; i++)
		sum[0] += d->x[i] * 0;
	return isnan(sum[0] + sum[1] + sum[2] + sum[3]);
}

const double *
linear_fill(struct arena *a, const struct learn_data *d, double *missing)
{
	size_t cols = d->cols;
	memset(missing, 0, cols * sizeof(*missing));
	if (!any_missing(d))
		return d->x;
	double *x = arena_alloc(a, d->rows * cols * sizeof(*x));
	for (size_t k = 0; k < cols; k++) {
		double sum = 0, weight = 0;
		bool holes = false;
		for (size_t i = 0; i < d->rows; i++) {
			double v = d->x[i * cols + k], w = d->w ? d->w[i] : 1;
			holes |= isnan(v);
			if (!isnan(v)) {
				sum += w * v;
				weight += w;
			}
		}
		if (holes && weight > 0)
			missing[k] = sum / weight;
		for (size_t i = 0; i < d->rows; i++) {
			double v = d->x[i * cols + k];
			x[i * cols + k] = isnan(v) ? missing[k] : v;
		}
	}
	return x;
}

struct model *
linear_model(const struct learn_names *names, size_t cols, enum model_link link, const double *b,
	     const double *missing, struct err *e)
{
	struct model *m = model_new("logistic", names->score, names->columns, cols, link, e);
	if (!m)
		return NULL;
	struct logistic_state *s = logistic_state_new(m);
	s->intercept = b[0];
	memcpy(s->weights, b + 1, cols * sizeof(*b));
	memcpy(s->missing, missing, cols * sizeof(*missing));
	return m;
}

void
learn_linear_apply(const double *b, const double *missing, const double *x, size_t rows, size_t cols,
		   double *z)
{
	for (size_t i = 0; i < rows; i++) {
		double sum = b[0];
		for (size_t k = 0; k < cols; k++) {
			double v = x[i * cols + k];
			sum += b[k + 1] * (isnan(v) && missing ? missing[k] : v);
		}
		z[i] = sum;
	}
}
