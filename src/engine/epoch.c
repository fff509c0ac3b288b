/* epoch: see engine.h. */
#include "engine/policies.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct epoch_private {
	atomic_int refs;
	pthread_mutex_t lock; /* of the pool */
	struct worker *idle;
	struct policies *policies; /* NULL with links_only */
};

struct policies *
epoch_policies(const struct epoch *e)
{
	return e->priv->policies;
}

static void
epoch_free(struct epoch *e)
{
	while (e->priv->idle != NULL) {
		struct worker *w = e->priv->idle;
		e->priv->idle = w->next;
		sealer_free(&w->sealer);
		tailor_scratch_free(&w->scratch);
		arena_free(&w->arena);
		free(w);
	}
	policies_free(&e->priv->policies);
	tailor_cache_free(&e->cache);
	plugin_set_free(&e->plugins);
	features_free(&e->features);
	keyring_free(&e->keys);
	conf_free(&e->conf);
	pthread_mutex_destroy(&e->priv->lock);
	free(e->priv);
	free(e);
}

/* The ring, or false with its mistake reported where the configuration names it. */
static bool
keys_load(struct epoch *e, const struct epoch_options *o, conf_report_fn *report, void *ctx)
{
	const struct conf_keys *k = &e->conf->keys;
	static const uint8_t seed[32] = "preview keys open nothing";
	struct err err = { 0 };
	char text[1400];
	if (o->ephemeral_keys) {
		e->keys = keyring_ephemeral(seed);
		return true;
	}
	if (k->file == NULL) {
		snprintf(
		    text, sizeof(text),
		    "%s: no key ring; add keys { file = \"…\" } and make it with `mailtailor key generate`",
		    e->conf->file);
		report(ctx, text);
		return false;
	}
	e->keys = keyring_load(k->file, &err);
	if (e->keys == NULL) {
		/* The default stands on no line. */
		if (k->pos.line > 0)
			snprintf(text, sizeof(text), "%s:%d: keys: %s", k->pos.file, k->pos.line, err.text);
		else
			snprintf(text, sizeof(text), "%s: keys: %s", e->conf->file, err.text);
		report(ctx, text);
	}
	return e->keys != NULL;
}

struct epoch *
epoch_load(const struct epoch_options *o, conf_report_fn *report, void *ctx)
{
	struct epoch *e = calloc(1, sizeof(*e));
	if (e == NULL || (e->priv = calloc(1, sizeof(*e->priv))) == NULL)
		abort();
	atomic_init(&e->priv->refs, 1);
	pthread_mutex_init(&e->priv->lock, NULL);
	e->conf = conf_load(o->conf_file, o->plugin_directory, report, ctx);
	if (e->conf != NULL) {
		/* All of them, so that one run shows every mistake. */
		bool ok = keys_load(e, o, report, ctx);
		if (!o->links_only) {
			ok &= (e->plugins = plugin_set_load(e->conf, report, ctx)) != NULL;
			ok &= (e->features = features_load(e->conf, report, ctx)) != NULL &&
			      policies_check(e->conf, e->features, report, ctx);
			ok &= (e->cache = tailor_cache_new(e->conf, report, ctx)) != NULL;
		}
		if (ok && !o->links_only)
			e->priv->policies = policies_new(e->conf, e->features);
		if (ok)
			return e;
	}
	epoch_free(e);
	return NULL;
}

struct epoch *
epoch_ref(struct epoch *e)
{
	atomic_fetch_add(&e->priv->refs, 1);
	return e;
}

void
epoch_unref(struct epoch **ep)
{
	struct epoch *e = *ep;
	if (e == NULL)
		return;
	*ep = NULL;
	if (atomic_fetch_sub(&e->priv->refs, 1) == 1)
		epoch_free(e);
}

struct worker *
engine_worker_get(struct epoch *e)
{
	pthread_mutex_lock(&e->priv->lock);
	struct worker *w = e->priv->idle;
	if (w != NULL)
		e->priv->idle = w->next;
	pthread_mutex_unlock(&e->priv->lock);
	if (w != NULL)
		return w;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		abort();
	w->sealer = e->keys ? sealer_new(e->keys) : NULL;
	w->scratch = tailor_scratch_new();
	w->arena = arena_new(32768);
	return w;
}

void
engine_worker_put(struct epoch *e, struct worker **wp)
{
	struct worker *w = *wp;
	if (w == NULL)
		return;
	*wp = NULL;
	arena_reset(w->arena);
	pthread_mutex_lock(&e->priv->lock);
	w->next = e->priv->idle;
	e->priv->idle = w;
	pthread_mutex_unlock(&e->priv->lock);
}
