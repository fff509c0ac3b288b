/*
 * mlp: a scorer that applies a neural network from a model file (see mlp.md).
 */
#include "score/model-scorer.h"

static void *
mlp_create(const struct mt_host *host, const struct mt_option *options, size_t noptions,
	   struct mt_error *error)
{
	return model_scorer_create(host, options, noptions, "mlp", error);
}

MT_SHORT_SCORER("mlp", "1.0", mlp_create, model_scorer_destroy, model_scorer_thread_init,
		model_scorer_thread_fini, model_scorer_shape, model_scorer_score)
