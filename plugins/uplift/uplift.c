/*
 * uplift: a scorer whose score is by how much a mail moves somebody, from a model file (see uplift.md).
 */
#include "score/model-scorer.h"

static void *
uplift_create(const struct mt_host *host, const struct mt_option *options, size_t noptions,
	      struct mt_error *error)
{
	return model_scorer_create(host, options, noptions, "uplift", error);
}

MT_SHORT_SCORER("uplift", "1.0", uplift_create, model_scorer_destroy, model_scorer_thread_init,
		model_scorer_thread_fini, model_scorer_shape, model_scorer_score)
