/* model: what its files share. */
#ifndef MT_SCORE_MODEL_PRIVATE_H
#define MT_SCORE_MODEL_PRIVATE_H

#include "score/model.h"

#define MODEL_CALIBRATION_TENSORS 2

/* ERR_INPUT, ERR_LIMIT. */
int calibration_read(struct model *m, const struct safetensors *st, struct err *e);
/* Puts the tensors of m->calibration, if any; returns how many. */
size_t calibration_tensors(const struct model *m, struct arena *a, struct safetensor *out);

#endif
