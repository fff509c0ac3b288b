/*
 * uplift: models of kind "uplift", whose score is by how much a treatment moves the reward: of two models,
 * tensors "treated" and "control", the difference of their scores; or of one, tensor "transformed", 2 p - 1
 * (learn/uplift.h says why). The tensors hold the bytes of whole model files (model.h), of any kind but this,
 * with the same columns. The link is identity, for scores are from -1 to 1, or differences of values.
 */
#ifndef MT_SCORE_UPLIFT_H
#define MT_SCORE_UPLIFT_H

#include "score/model.h"

struct uplift_state {
	struct model *treated, *control; /* control NULL: treated is that of transformed labels */
	struct str treated_bytes, control_bytes;
};

/* Takes copies. control: or NULL. NULL: ERR_INPUT (columns that differ). */
struct model *
uplift_model(const char *score, const struct model *treated, const struct model *control, struct err *e);

#endif
