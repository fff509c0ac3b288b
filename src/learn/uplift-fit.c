/* uplift-fit: learners of uplift over the trainers there are (see uplift.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/train.h"
#include "learn/uplift.h"
#include "score/uplift.h"

/* Rows that are not in `without` (fold NULL: all), and on one side (side < 2). */
static struct learn_data
side_pick(const struct uplift_fit *f, const uint8_t *fold, uint8_t without, unsigned side, struct arena *a)
{
	size_t n = 0, *rows = ARENA_ARRAY(a, size_t, f->data->rows);
	for (size_t i = 0; i < f->data->rows; i++)
		if ((!fold || fold[i] != without) && (side == 2 || f->treated[i] == side))
			rows[n++] = i;
	return learn_pick(a, f->data, rows, n);
}

static struct model *
one(const struct uplift_fit *f, const struct learn_data *d, enum model_link link, const char *which,
    struct err *e)
{
	const struct train_job job = {
		.train = d, .names = f->names, .link = link, .options = f->options, .progress = f->progress
	};
	struct model *m = train(f->kind, &job, e);
	if (!m)
		err_prefix(e, "%s", which);
	return m;
}

/* Labels as Jaskowski and Jaroszewicz have them, and weights that make both sides weigh the same. */
static void
transform(const struct uplift_fit *f, const uint8_t *fold, uint8_t without, struct learn_data *d,
	  struct arena *a)
{
	double *z = ARENA_ARRAY(a, double, d->rows), *w = ARENA_ARRAY(a, double, d->rows), sum[2] = { 0, 0 };
	uint8_t *side = ARENA_ARRAY(a, uint8_t, d->rows);
	for (size_t i = 0, k = 0; i < f->data->rows; i++)
		if (!fold || fold[i] != without)
			side[k++] = f->treated[i];
	for (size_t k = 0; k < d->rows; k++) {
		z[k] = side[k] ? d->y[k] : 1 - d->y[k];
		w[k] = d->w ? d->w[k] : 1;
		sum[side[k]] += w[k];
	}
	for (size_t k = 0; k < d->rows; k++)
		w[k] *= (sum[0] + sum[1]) / 2 / sum[side[k]];
	d->y = z;
	d->w = w;
}

static struct model *
fit(const struct uplift_fit *f, const uint8_t *fold, uint8_t without, struct err *e)
{
	struct arena *a = arena_new((size_t)1 << 20);
	struct learn_data treated = side_pick(f, fold, without, 1, a);
	struct learn_data control = side_pick(f, fold, without, 0, a);
	struct model *m = NULL, *first = NULL, *second = NULL;
	if (treated.rows == 0 || control.rows == 0) {
		err_set(e, ERR_INPUT, "there must be treated rows and control rows to learn from");
	} else if (f->learner == UPLIFT_CLASS) {
		struct learn_data all = side_pick(f, fold, without, 2, a);
		if (learn_check(&all, true, e) == 0) {
			transform(f, fold, without, &all, a);
			first = one(f, &all, MODEL_LOGIT, "transformed labels", e);
		}
	} else {
		first = one(f, &treated, f->link, "treated rows", e);
		second = first ? one(f, &control, f->link, "control rows", e) : NULL;
	}
	if (first && (second || f->learner == UPLIFT_CLASS))
		m = uplift_model(f->names->score, first, second, e);
	model_free(&first);
	model_free(&second);
	arena_free(&a);
	return m;
}

struct model *
uplift_train(const struct uplift_fit *f, struct err *e)
{
	return fit(f, NULL, 0, e);
}

static int
fold_score(const struct uplift_fit *f, const uint8_t *fold, uint8_t which, double *scores, struct err *e)
{
	struct arena *a = arena_new((size_t)1 << 20);
	size_t n = 0, *rows = ARENA_ARRAY(a, size_t, f->data->rows);
	for (size_t i = 0; i < f->data->rows; i++)
		if (fold[i] == which)
			rows[n++] = i;
	struct model *m = fit(f, fold, which, e);
	if (m && n > 0) {
		struct learn_data d = learn_pick(a, f->data, rows, n);
		double *z = ARENA_ARRAY(a, double, n);
		model_apply(m, d.x, n, arena_alloc(a, model_scratch(m, n)), z, 1);
		for (size_t i = 0; i < n; i++)
			scores[rows[i]] = z[i];
	}
	int rc = m ? 0 : -1;
	model_free(&m);
	arena_free(&a);
	return rc;
}

int
uplift_crossfit(const struct uplift_fit *f, const uint8_t *fold, double *scores, struct err *e)
{
	for (uint8_t k = 0; k < UPLIFT_FOLDS; k++)
		if (fold_score(f, fold, k, scores, e) != 0)
			return -1;
	return 0;
}
