/*
 * logistic: linear models. Margin = intercept + Σ weights[k] · x[k], where a missing x[k] counts as
 * missing[k]. With the identity link it is least squares or ridge.
 *
 * Tensors: "weights" [columns], "intercept" [1], optional "missing" [columns] (absent: zeros).
 */
#ifndef MT_SCORE_LOGISTIC_H
#define MT_SCORE_LOGISTIC_H

#include "score/model.h"

struct logistic_state {
	double intercept;
	double *weights, *missing; /* ncolumns each, at most MODEL_MAX_INPUT in size */
};

/* State for m (kind model_logistic), zeroed, for a trainer to fill. */
struct logistic_state *logistic_state_new(struct model *m);

#endif
