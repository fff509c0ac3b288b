/* data: what trainers are given, checked and picked (see learn.h). */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "learn/learn.h"

void
learn_report(const struct learn_progress *p, const struct learn_step *s)
{
	if (p && p->step)
		p->step(p->ctx, s);
}

int
learn_check(const struct learn_data *d, bool binary, struct err *e)
{
	double sum = 0;
	if (d->rows == 0 || d->cols == 0)
		return err_set(e, ERR_INPUT, "there are no rows or no columns to learn from");
	if (d->rows > INT_MAX || d->cols > MODEL_MAX_COLUMNS)
		return err_set(e, ERR_LIMIT, "there are more than %d rows or %d columns", INT_MAX,
			       MODEL_MAX_COLUMNS);
	for (size_t i = 0; i < d->rows; i++) {
		if (binary && d->y[i] != 0 && d->y[i] != 1)
			return err_set(e, ERR_INPUT, "row %zu: the label is neither 0 nor 1", i);
		if (!isfinite(d->y[i]))
			return err_set(e, ERR_INPUT, "row %zu: the label is no number", i);
		if (d->w && !(d->w[i] >= 0 && isfinite(d->w[i])))
			return err_set(e, ERR_INPUT, "row %zu: the weight is no number, or below 0", i);
		sum += d->w ? d->w[i] : 1;
	}
	if (!(sum > 0))
		return err_set(e, ERR_INPUT, "all weights are 0");
	return 0;
}

int
learn_labels_check(const struct learn_data *d, const char *what, struct err *e)
{
	size_t of[2] = { 0, 0 };
	for (size_t i = 0; i < d->rows; i++)
		of[d->y[i] > 0] += !d->w || d->w[i] > 0;
	if (of[0] + of[1] < LEARN_FEWEST)
		return err_set(e, ERR_INPUT, "%zu %s are too few: %d or more are needed", of[0] + of[1], what,
			       LEARN_FEWEST);
	if (of[0] == 0 || of[1] == 0)
		return err_set(e, ERR_INPUT, "all %zu %s have the label %d, and both are needed",
			       of[0] + of[1], what, of[0] == 0);
	return 0;
}

struct learn_data
learn_pick(struct arena *a, const struct learn_data *d, const size_t *rows, size_t n)
{
	double *x = arena_alloc(a, n * d->cols * sizeof(*x)), *y = arena_alloc(a, n * sizeof(*y));
	double *w = d->w ? arena_alloc(a, n * sizeof(*w)) : NULL;
	for (size_t i = 0; i < n; i++) {
		memcpy(x + i * d->cols, d->x + rows[i] * d->cols, d->cols * sizeof(*x));
		y[i] = d->y[rows[i]];
		if (w)
			w[i] = d->w[rows[i]];
	}
	return (struct learn_data){
		.rows = n, .cols = d->cols, .x = x, .y = y, .w = w, .categorical = d->categorical
	};
}
