/* ope-fit: models of the reward by cross-fitting (see ope.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/ope.h"
#include "learn/train.h"

#define PRIOR 100.0

/* ---- kind "mean" ---- */

static int
row_compare(const void *a, const void *b, void *ctx)
{
	const struct learn_data *d = ctx;
	size_t i = *(const size_t *)a, j = *(const size_t *)b;
	int c = memcmp(d->x + i * d->cols, d->x + j * d->cols, d->cols * sizeof(double));
	return c ? c : (i > j) - (i < j);
}

/* cell[row]: rows with the same x, to the last bit, have the same. Returns how many. */
static size_t
cells_number(struct arena *a, const struct learn_data *d, size_t *cell)
{
	size_t *order = ARENA_ARRAY(a, size_t, d->rows), n = 0;
	for (size_t i = 0; i < d->rows; i++)
		order[i] = i;
	qsort_r(order, d->rows, sizeof(*order), row_compare, (void *)(uintptr_t)d);
	for (size_t i = 0; i < d->rows; i++) {
		const double *x = d->x + order[i] * d->cols;
		if (i > 0 && memcmp(x, d->x + order[i - 1] * d->cols, d->cols * sizeof(double)) != 0)
			n++;
		cell[order[i]] = n;
	}
	return n + 1;
}

/* Sums over all rows but the fold's. */
static void
cells_sum(const struct ope_fit *f, const size_t *cell, uint8_t fold, double *count, double *reward,
	  double *mean)
{
	double rows = 0, all = 0;
	for (size_t i = 0; i < f->data->rows; i++) {
		if (f->fold[i] == fold)
			continue;
		size_t at = cell[i] * f->arms + f->arm[i];
		count[at]++;
		reward[at] += f->data->y[i];
		rows++;
		all += f->data->y[i];
	}
	*mean = rows > 0 ? all / rows : 0;
}

static int
fit_mean(const struct ope_fit *f, double *q, struct err *e)
{
	const struct train_job job = { .options = f->options };
	double prior = PRIOR, mean = 0;
	if (train_number(&job, "prior", 0, 1e9, &prior, e) != 0)
		return -1;
	struct arena *a = arena_new((size_t)1 << 16);
	size_t *cell = ARENA_ARRAY(a, size_t, f->data->rows);
	size_t n = cells_number(a, f->data, cell) * f->arms;
	double *count = ARENA_ARRAY(a, double, n), *reward = ARENA_ARRAY(a, double, n);
	for (uint8_t fold = 0; fold < OPE_FOLDS; fold++) {
		memset(count, 0, n * sizeof(*count));
		memset(reward, 0, n * sizeof(*reward));
		cells_sum(f, cell, fold, count, reward, &mean);
		for (size_t i = 0; i < f->data->rows; i++) {
			for (size_t k = 0; f->fold[i] == fold && k < f->arms; k++) {
				size_t at = cell[i] * f->arms + k;
				double of = count[at] + prior;
				q[i * f->arms + k] = of > 0 ? (reward[at] + prior * mean) / of : mean;
			}
		}
	}
	arena_free(&a);
	return 0;
}

/* ---- kinds of train.h ---- */

static bool
one_reward(const struct learn_data *d)
{
	for (size_t i = 1; i < d->rows; i++)
		if (d->y[i] != d->y[0])
			return false;
	return true;
}

/* Rows of a fold, or of all others with an arm (arm < arms). */
static struct learn_data
rows_pick(const struct ope_fit *f, struct arena *a, size_t *rows, uint8_t fold, size_t arm)
{
	size_t n = 0;
	for (size_t i = 0; i < f->data->rows; i++)
		if (arm == f->arms ? f->fold[i] == fold : f->fold[i] != fold && f->arm[i] == arm)
			rows[n++] = i;
	return learn_pick(a, f->data, rows, n);
}

static int
arm_fit(const struct ope_fit *f, const struct learn_data *train_rows, const struct learn_data *rows,
	struct arena *a, double *scores, struct err *e)
{
	const char **texts = ARENA_ARRAY(a, const char *, f->data->cols);
	const struct learn_names names = { "q", texts };
	const struct train_job job = {
		.train = train_rows, .names = &names, .link = f->link, .options = f->options
	};
	for (size_t i = 0; i < f->data->cols; i++)
		texts[i] = arena_printf(a, "x%zu", i).p;
	if (train_rows->rows == 0 || one_reward(train_rows)) {
		for (size_t i = 0; i < rows->rows; i++)
			scores[i] = train_rows->rows ? train_rows->y[0] : 0;
		return 0;
	}
	struct model *m = train(f->kind, &job, e);
	if (!m)
		return -1;
	model_apply(m, rows->x, rows->rows, arena_alloc(a, model_scratch(m, rows->rows)), scores, 1);
	model_free(&m);
	return 0;
}

static int
fold_fit(const struct ope_fit *f, uint8_t fold, double *q, struct err *e)
{
	struct arena *a = arena_new((size_t)1 << 20);
	size_t *own = ARENA_ARRAY(a, size_t, f->data->rows), *rows = ARENA_ARRAY(a, size_t, f->data->rows);
	double *scores = ARENA_ARRAY(a, double, f->data->rows);
	struct learn_data apply = rows_pick(f, a, own, fold, f->arms);
	int rc = 0;
	for (size_t k = 0; k < f->arms && rc == 0; k++) {
		struct learn_data fit = rows_pick(f, a, rows, fold, k);
		rc = arm_fit(f, &fit, &apply, a, scores, e);
		for (size_t i = 0; i < apply.rows; i++)
			q[own[i] * f->arms + k] = scores[i];
		const struct learn_step step = { .done = fold * f->arms + k + 1,
						 .total = OPE_FOLDS * f->arms,
						 .train_loss = NAN,
						 .valid_loss = NAN };
		learn_report(f->progress, &step);
		if (rc != 0)
			err_prefix(e, "model of the reward, arm %zu", k);
	}
	arena_free(&a);
	return rc;
}

int
ope_crossfit(const struct ope_fit *f, double *q, struct err *e)
{
	int rc = 0;
	if (str_eq(f->kind, STR("mean")))
		return fit_mean(f, q, e);
	for (uint8_t fold = 0; fold < OPE_FOLDS && rc == 0; fold++)
		rc = fold_fit(f, fold, q, e);
	return rc;
}
