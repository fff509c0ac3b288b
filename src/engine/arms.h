/* arms: the arm of each copy of a batch, before and after plugins were asked; see tailor/arm.h. */
#ifndef MT_ENGINE_ARMS_H
#define MT_ENGINE_ARMS_H

#include "engine/engine.h"

/* What hashes alone decide, above all who is control: into out[i].arm. */
void arms_early(const struct engine_request *rq, size_t n, struct engine_copy *out, const struct err *e);
/* The rest, with scores and what was learned. */
void arms_choose(const struct engine_request *rq, size_t n, struct engine_copy *out, const struct err *e);

#endif
