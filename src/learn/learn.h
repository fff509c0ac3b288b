/*
 * learn: training. Trainers are functions over struct learn_data; what they give is a struct model
 * (score/model.h), which scorers apply. The same data, options and seed give the same model, to the last bit,
 * on the same machine.
 *
 * Threads: safe as long as data is not changed; each trainer runs on the caller's thread alone (BLAS is held
 * to one).
 */
#ifndef MT_LEARN_LEARN_H
#define MT_LEARN_LEARN_H

#include "score/model.h"

/* A matrix with its labels. Borrowed. */
struct learn_data {
	size_t rows, cols;
	const double *x;	    /* rows × cols, row-major; NAN is missing, never infinite */
	const double *y;	    /* rows; 0 or 1 for probabilities, any finite value for values */
	const double *w;	    /* rows, not negative, or NULL: all 1 */
	const uint8_t *categorical; /* cols: 1 where a column holds category codes; or NULL: none */
};

/* What a model is called and made of; copied into it. */
struct learn_names {
	const char *score;
	const char *const *columns; /* as many as data has cols */
};

/* One step of a trainer, for progress bars and loss curves. NAN: not measured. */
struct learn_step {
	size_t done, total; /* epochs, trees, iterations; total may be an upper bound */
	double train_loss, valid_loss;
};
struct learn_progress {
	void (*step)(void *ctx, const struct learn_step *s);
	void *ctx;
};
/* Takes NULL. */
void learn_report(const struct learn_progress *p, const struct learn_step *s);

/* Data that trainers can work with: sizes, finite labels, weights that are none below 0 and sum to more.
 * binary: labels are 0 and 1. ERR_INPUT. */
int learn_check(const struct learn_data *d, bool binary, struct err *e);

/*
 * Labels of which something can be said: LEARN_FEWEST rows or more, and rows of both labels (with a weight).
 * ERR_INPUT: "3 WHAT are too few …", "all 40 WHAT have the label 0 …".
 */
#define LEARN_FEWEST 10
int learn_labels_check(const struct learn_data *d, const char *what, struct err *e);

/* Some rows of d, in their order, copied into a. */
struct learn_data learn_pick(struct arena *a, const struct learn_data *d, const size_t *rows, size_t n);

/* ---- linear models (logistic.c, ridge.c) ---- */

struct learn_fit {
	size_t iterations;
	double objective; /* at the end */
	double gradient;  /* the largest of its components at the end */
	bool converged;
};

/*
 * L2 logistic regression: min ½·l2·‖b[1..]‖² + Σ w·logloss, the intercept b[0] not penalised, by Newton
 * steps with Cholesky until the gradient vanishes. b[0..cols] is overwritten. A missing cell counts as the
 * mean of its column's other cells, missing[0..cols) (NULL: the caller does not want to know). ERR_INPUT;
 * ERR_LIMIT when it does not converge (separable data with l2 0).
 */
int learn_logistic_fit(const struct learn_data *d, double l2, double *b, double *missing,
		       const struct learn_progress *p, struct learn_fit *fit, struct err *e);
/*
 * Least squares: min ½·l2·‖b[1..]‖² + ½·Σ w·(y - b·(1,x))², the intercept not penalised. l2 0: ordinary
 * least squares, of all solutions the shortest (columns may depend on each other).
 */
int learn_ridge_fit(const struct learn_data *d, double l2, double *b, double *missing, struct err *e);

/* Both as a model of kind logistic, link MODEL_LOGIT or MODEL_IDENTITY. NULL with e. */
struct model *learn_logistic(const struct learn_data *d, const struct learn_names *names, double l2,
			     const struct learn_progress *p, struct err *e);
struct model *
learn_ridge(const struct learn_data *d, const struct learn_names *names, double l2, struct err *e);

/* b[0] + b[1..]·x for each row of x (missing cells as above; missing may be NULL when there are none). */
void learn_linear_apply(const double *b, const double *missing, const double *x, size_t rows, size_t cols,
			double *z);

#endif
