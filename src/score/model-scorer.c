/* model-scorer: see model-scorer.h. */
#include "score/model-scorer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows at a time: bounds the scratch memory. */
#define BATCH 64

int
model_scorer_file(const struct mt_host *host, const struct mt_option *options, size_t noptions, char *path,
		  size_t size, struct mt_error *error)
{
	const char *file = NULL;
	for (size_t i = 0; i < noptions; i++) {
		if (strcmp(options[i].name, "file") != 0) {
			snprintf(error->text, sizeof(error->text), "unknown option \"%.64s\"; there is: file",
				 options[i].name);
			return -1;
		}
		file = options[i].value;
	}
	if (!file) {
		snprintf(error->text, sizeof(error->text), "option \"file\" is missing: the model's file");
		return -1;
	}
	if (host->file_path(host, file, path, size) != 0) {
		snprintf(error->text, sizeof(error->text), "option \"file\": the path is too long");
		return -1;
	}
	return 0;
}

void *
model_scorer_create(const struct mt_host *host, const struct mt_option *options, size_t noptions,
		    const char *kind, struct mt_error *error)
{
	char path[PATH_MAX];
	struct err e = { 0 };
	if (model_scorer_file(host, options, noptions, path, sizeof(path), error) != 0)
		return NULL;
	struct model *m = model_load(path, &e);
	if (!m) {
		snprintf(error->text, sizeof(error->text), "%.500s", e.text);
	} else if (kind && strcmp(m->kind->name, kind) != 0) {
		snprintf(error->text, sizeof(error->text), "%.400s: it is of kind %s, and needs that plugin",
			 path, m->kind->name);
		model_free(&m);
	}
	return m;
}

void
model_scorer_destroy(void *instance)
{
	struct model *m = instance;
	model_free(&m);
}

int
model_scorer_thread_init(void *instance, void **thread, struct mt_error *error)
{
	*thread = malloc(model_scratch(instance, BATCH));
	if (*thread)
		return 0;
	snprintf(error->text, sizeof(error->text), "out of memory");
	return -1;
}

void
model_scorer_thread_fini(void *instance, void *thread)
{
	(void)instance;
	free(thread);
}

int
model_scorer_shape(void *instance, struct mt_shape *shape, struct mt_error *error)
{
	struct model *m = instance;
	(void)error;
	shape->features = m->columns;
	shape->nfeatures = m->ncolumns;
	shape->scores = (const char *const *)&m->score;
	shape->nscores = 1;
	return 0;
}

int
model_scorer_score(void *instance, void *thread, const double *rows, size_t nrows, size_t nfeatures,
		   double *scores, struct mt_error *error)
{
	const struct model *m = instance;
	(void)error;
	for (size_t i = 0; i < nrows; i += BATCH)
		model_apply(m, rows + i * nfeatures, nrows - i < BATCH ? nrows - i : BATCH, thread,
			    scores + i, 1);
	return 0;
}
