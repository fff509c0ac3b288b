/* service: start, reload, stop. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/private.h"

#define OPEN_RETRY_US 5000000

/* ---- configuration, keys, pages ---- */

static void
report_log(void *ctx, const char *text)
{
	(void)ctx;
	log_error("%s", text);
}

static struct site *
site_load(const struct web_options *o)
{
	const struct epoch_options eo = {
		.conf_file = o->conf_file,
		.plugin_directory = o->plugin_directory,
		.links_only = true,
	};
	struct site *s = calloc(1, sizeof(*s));
	struct err e = { 0 };
	if (s == NULL)
		abort();
	atomic_init(&s->refs, 1);
	s->epoch = epoch_load(&eo, report_log, NULL);
	if (s->epoch != NULL) {
		const char *own = s->epoch->conf->track.pages;
		s->pages = pages_load(own != NULL ? own : o->pages, &e);
		if (s->pages != NULL)
			return s;
		log_error("pages: %s", e.text);
	}
	site_put(&s);
	return NULL;
}

struct site *
site_get(struct web *w)
{
	pthread_mutex_lock(&w->lock);
	struct site *s = w->site;
	atomic_fetch_add(&s->refs, 1);
	pthread_mutex_unlock(&w->lock);
	return s;
}

void
site_put(struct site **sp)
{
	struct site *s = *sp;
	*sp = NULL;
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	pages_free(&s->pages);
	epoch_unref(&s->epoch);
	free(s);
}

static void
reload(struct web *w)
{
	sd_notify(0, "RELOADING=1");
	struct site *fresh = site_load(&w->options);
	if (fresh == NULL) {
		log_error("reload: the new configuration has mistakes; the old one stays in use");
	} else {
		pthread_mutex_lock(&w->lock);
		struct site *old = w->site;
		w->site = fresh;
		pthread_mutex_unlock(&w->lock);
		site_put(&old);
		log_info(
		    "reload: the new configuration is in use; listeners, limits of connections and the queue "
		    "change at a restart");
	}
	sd_notify(0, "READY=1");
}

/* ---- the database: links work without it ---- */

struct store *
web_store(struct web *w)
{
	pthread_mutex_lock(&w->lock);
	if (w->store == NULL && clock_mono_us() >= w->open_at_us) {
		const struct conf *c = w->site->epoch->conf;
		const struct store_options o = {
			.directory = c->state.directory,
			.map_size = c->state.map_size,
			.max_readers = c->state.max_readers,
			.create = true,
		};
		struct err e = { 0 };
		w->store = store_open(&o, &e);
		if (w->store != NULL && store_writer_start(w->store, &e) != 0)
			store_close(&w->store);
		if (w->store == NULL)
			log_error("state: %s; links work, and what they tell goes to the queue file", e.text);
		w->open_at_us = clock_mono_us() + OPEN_RETRY_US;
	}
	struct store *s = w->store;
	pthread_mutex_unlock(&w->lock);
	return s;
}

/* ---- the process ---- */

static void
signals_block(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void
serve(struct web *w, const sigset_t *set)
{
	const struct conf_track *t = &w->site->epoch->conf->track;
	int sig;
	log_info("ready on %s, metrics on %s", t->listen.text, t->private.text);
	sd_notify(0, "READY=1");
	while (sigwait(set, &sig) == 0 && sig == SIGUSR1)
		reload(w);
	sd_notify(0, "STOPPING=1");
	log_info("stopping");
}

static int
start(struct web *w)
{
	struct err e = { 0 };
	const struct conf_track *t = &w->site->epoch->conf->track;
	web_store(w);
	if (reaper_start(t->idle_timeout_ms, &e) == 0 && (w->recorder = recorder_start(w, &e)) != NULL &&
	    server_start(w, &e) == 0)
		return 0;
	log_error("track: %s", e.text);
	return err_exit_code(e.kind);
}

int
web_serve(const struct web_options *o)
{
	struct web w = { .options = *o,
			 .lock = PTHREAD_MUTEX_INITIALIZER,
			 .spare_lock = PTHREAD_MUTEX_INITIALIZER };
	sigset_t set;
	signals_block(&set);
	w.site = site_load(o);
	if (w.site == NULL)
		return EX_CONFIG;
	/* Kept: listeners and the queue stay as they were at the start. */
	struct site *first = site_get(&w);
	const struct conf_milter *m = &first->epoch->conf->milter;
	log_open("mailtailor-trackd", m->log_target, m->log_level);
	w.limiter = limiter_new();
	w.optouts = limiter_new();
	w.tries_of_one = limiter_new();
	w.tries_from_near = limiter_new();
	w.watch = watch_new();
	respond_static();
	int rc = start(&w);
	/* What a failed start leaves behind ends with the process. */
	if (rc != 0)
		return rc;
	serve(&w, &set);
	server_stop(&w, first);
	recorder_stop(&w.recorder);
	reaper_stop();
	store_close(&w.store);
	while (w.nspares > 0)
		arena_free(&w.spares[--w.nspares]);
	respond_static_free();
	limiter_free(&w.limiter);
	limiter_free(&w.optouts);
	limiter_free(&w.tries_of_one);
	limiter_free(&w.tries_from_near);
	watch_free(&w.watch);
	site_put(&first);
	site_put(&w.site);
	return EX_OK;
}
