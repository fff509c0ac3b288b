/*
 * model-scorer: the functions of a scorer plugin (mailtailor_plugin.h) over a model file, for plugins that
 * are nothing but that: plugins/logistic, plugins/mlp, plugins/gbdt. The instance is a struct model.
 *
 *     options { file = "click.safetensors" }    # relative to the configuration file
 */
#ifndef MT_SCORE_MODEL_SCORER_H
#define MT_SCORE_MODEL_SCORER_H

#include "mailtailor_plugin.h"
#include "score/model.h"

/* kind: the only one that is taken; NULL: any. */
void *model_scorer_create(const struct mt_host *host, const struct mt_option *options, size_t noptions,
			  const char *kind, struct mt_error *error);
void model_scorer_destroy(void *instance);
int model_scorer_thread_init(void *instance, void **thread, struct mt_error *error);
void model_scorer_thread_fini(void *instance, void *thread);
int model_scorer_shape(void *instance, struct mt_shape *shape, struct mt_error *error);
int model_scorer_score(void *instance, void *thread, const double *rows, size_t nrows, size_t nfeatures,
		       double *scores, struct mt_error *error);

/* One option as a file's path, for those that open other files, too. -1 with error: unknown options, none. */
int model_scorer_file(const struct mt_host *host, const struct mt_option *options, size_t noptions,
		      char *path, size_t size, struct mt_error *error);

#endif
