/*
 * gbdt: a scorer that applies boosted trees from a model file (see gbdt.md).
 */
#include "score/model-scorer.h"

static void *
gbdt_create(const struct mt_host *host, const struct mt_option *options, size_t noptions,
	    struct mt_error *error)
{
	return model_scorer_create(host, options, noptions, "gbdt", error);
}

MT_SHORT_SCORER("gbdt", "1.0", gbdt_create, model_scorer_destroy, model_scorer_thread_init,
		model_scorer_thread_fini, model_scorer_shape, model_scorer_score)
