/*
 * features: the features sections of a configuration, compiled.
 *
 * Threads: immutable once loaded.
 */
#ifndef MT_ENGINE_FEATURES_H
#define MT_ENGINE_FEATURES_H

#include "conf/conf.h"
#include "score/column.h"

struct features {
	const struct conf_features *conf;
	struct score_columns *columns; /* written out: no text stands for several */
	char hash[SCORE_COLUMNS_HASH];
};

struct features_set {
	struct arena *arena;
	struct features *v; /* as conf->features */
	size_t n;
};

/*
 * Compiles all sections and holds them against privacy. NULL when anything is wrong; every mistake went to
 * report as "FILE:LINE: features "NAME": …". conf must outlive it.
 */
struct features_set *features_load(const struct conf *conf, conf_report_fn *report, void *ctx);
/* Takes NULL, leaves NULL. */
void features_free(struct features_set **s);
/* Of a section's name; NULL (also for name or s NULL): there is none. */
const struct features *features_find(const struct features_set *s, const char *name);

#endif
