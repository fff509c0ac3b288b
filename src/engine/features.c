/* features: see features.h. */
#include "engine/features.h"

#include <stdio.h>
#include <stdlib.h>

static int
section_compile(const struct conf *conf, const struct conf_features *cf, struct arena *a, struct features *f,
		struct err *e)
{
	const struct conf_list *sensitive = &conf->privacy.sensitive;
	const char **texts = NULL, *field;
	size_t n = 0;
	f->conf = cf;
	for (size_t i = 0; i < cf->columns.n; i++)
		if (score_columns_expand(a, cf->columns.v[i], &texts, &n, e) != 0)
			return -1;
	if (n > CONF_MAX_FEATURES)
		return err_set(
		    e, ERR_LIMIT,
		    "%zu columns when all are written out; a decision keeps at most %d (hash to fewer "
		    "buckets, or one code column)",
		    n, CONF_MAX_FEATURES);
	if (score_columns_compile(a, texts, n, &f->columns, e) != 0)
		return -1;
	ptrdiff_t k = score_columns_find_field(f->columns, sensitive->v, sensitive->n, &field);
	if (k >= 0)
		return err_set(e, ERR_CONFIG,
			       "column \"%s\" reads \"%s\", which privacy marks as sensitive; take it out",
			       texts[k], field);
	score_columns_hash(f->columns, f->hash);
	return 0;
}

struct features_set *
features_load(const struct conf *conf, conf_report_fn *report, void *ctx)
{
	struct features_set *s = calloc(1, sizeof(*s));
	size_t mistakes = 0;
	if (!s)
		abort();
	s->arena = arena_new(4096);
	s->n = conf->nfeatures;
	s->v = ARENA_ARRAY(s->arena, struct features, s->n);
	for (size_t i = 0; i < s->n; i++) {
		const struct conf_features *cf = &conf->features[i];
		struct err e = { 0 };
		char text[sizeof(e.text) + 400];
		if (section_compile(conf, cf, s->arena, &s->v[i], &e) == 0)
			continue;
		snprintf(text, sizeof(text), "%s:%d: features \"%s\": %s", cf->pos.file, cf->pos.line,
			 cf->name, e.text);
		report(ctx, text);
		mistakes++;
	}
	if (mistakes > 0)
		features_free(&s);
	return s;
}

void
features_free(struct features_set **s)
{
	if (!*s)
		return;
	arena_free(&(*s)->arena);
	free(*s);
	*s = NULL;
}

const struct features *
features_find(const struct features_set *s, const char *name)
{
	for (size_t i = 0; s && name && i < s->n; i++)
		if (strcmp(s->v[i].conf->name, name) == 0)
			return &s->v[i];
	return NULL;
}
