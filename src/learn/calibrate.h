/*
 * calibrate: bends a model's margins so that its probabilities are what happens (score/model.h,
 * struct model_calibration). Fit on rows that the model was not trained on. z: margins (model_margins),
 * y: labels 0 or 1, w: weights or NULL. The model's calibration is replaced; memory of m->arena.
 *
 * ERR_INPUT: labels of one kind only, or a model whose link is not MODEL_LOGIT.
 */
#ifndef MT_LEARN_CALIBRATE_H
#define MT_LEARN_CALIBRATE_H

#include "score/model.h"

/* Platt (1999): a logistic curve over z, with his targets in place of 0 and 1. */
int
calibrate_platt(struct model *m, const double *z, const double *y, const double *w, size_t n, struct err *e);
/*
 * Isotonic regression by pooling adjacent violators (Ayer and others, 1955): the best ascending steps; at
 * most MODEL_MAX_POINTS of them, none at 0 or 1, straight lines between the middles of their margins.
 */
int calibrate_isotonic(struct model *m, const double *z, const double *y, const double *w, size_t n,
		       struct err *e);

#endif
