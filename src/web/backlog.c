/*
 * backlog: what could not be stored and waits in the queue file, and how it gets into the database.
 *
 * Changes and events go their own ways: a full event log keeps no unsubscribe waiting. A change that cannot
 * be stored now is set aside, and of all others only those of the same recipient wait behind it; one that
 * never can (it says what cannot be) is left out. The file is emptied when everything in it is stored; who is
 * killed before does it again: keys of events and the order of changes make that harmless.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "web/private.h"

#define DRAIN_ENTRIES 1000 /* events of one commit */
#define ASIDE_MAX 64	   /* changes; with more it is the database that is at fault, and all wait */

struct aside {
	uint8_t rk[STORE_KEY_LEN];
	struct buf line;
};

struct backlog {
	struct web *web;
	char *directory;     /* of the state: where the audit log is */
	struct queue *queue; /* NULL: there is none */
	struct event *events;
	atomic_bool changes;  /* some may lie in the file and not be stored yet */
	pthread_mutex_t lock; /* guards what follows; only the recorder's thread writes it */
	struct aside aside[ASIDE_MAX];
	size_t naside;
	bool aside_said;
};

struct backlog *
backlog_open(struct web *w)
{
	const struct conf *conf = w->site->epoch->conf;
	struct err e = { 0 };
	struct backlog *b = calloc(1, sizeof(*b));
	if (b == NULL || (b->events = calloc(DRAIN_ENTRIES, sizeof(*b->events))) == NULL ||
	    (b->directory = strdup(conf->state.directory)) == NULL)
		abort();
	b->web = w;
	pthread_mutex_init(&b->lock, NULL);
	b->queue = queue_open(conf->track.queue, &e);
	if (b->queue == NULL)
		log_warn("track: queue: %s; while the database is gone nothing can be recorded", e.text);
	atomic_init(&b->changes, b->queue != NULL && !queue_empty(b->queue));
	return b;
}

void
backlog_close(struct backlog **bp)
{
	struct backlog *b = *bp;
	if (b == NULL)
		return;
	*bp = NULL;
	queue_close(&b->queue);
	for (size_t i = 0; i < b->naside; i++)
		buf_free(&b->aside[i].line);
	pthread_mutex_destroy(&b->lock);
	free(b->events);
	free(b->directory);
	free(b);
}

int
backlog_write(struct backlog *b, const struct queue_entry *v, size_t n, struct err *e)
{
	bool before = atomic_load(&b->changes);
	if (b->queue == NULL)
		return err_set(e, ERR_IO, "there is no queue file");
	for (size_t i = 0; i < n; i++)
		if (!v[i].has_event)
			atomic_store(&b->changes, true);
	if (queue_write(b->queue, v, n, e) == 0)
		return 0;
	atomic_store(&b->changes, before);
	return -1;
}

/* ---- changes ---- */

static bool
is_aside(struct backlog *b, const uint8_t rk[STORE_KEY_LEN], size_t n)
{
	bool yes = false;
	for (size_t i = 0; i < n && !yes; i++)
		yes = memcmp(b->aside[i].rk, rk, STORE_KEY_LEN) == 0;
	return yes;
}

bool
backlog_holds(struct backlog *b, const uint8_t rk[STORE_KEY_LEN])
{
	pthread_mutex_lock(&b->lock);
	bool yes = atomic_load(&b->changes) || is_aside(b, rk, b->naside);
	pthread_mutex_unlock(&b->lock);
	return yes;
}

static int
aside_add(struct backlog *b, const struct queue_entry *q)
{
	if (b->naside == ASIDE_MAX)
		return -1;
	pthread_mutex_lock(&b->lock);
	struct aside *to = &b->aside[b->naside++];
	memcpy(to->rk, q->rk, sizeof(to->rk));
	pthread_mutex_unlock(&b->lock);
	to->line = (struct buf){ 0 };
	queue_entry_print(q, &to->line);
	return 0;
}

/* 0: it is stored, or never can be; -1: not now. */
static int
store_one(struct backlog *b, const struct queue_entry *q, struct err *e)
{
	if (change_apply(b->directory, web_store(b->web), q->rk, q, q->at_ms, true, e) == 0)
		return 0;
	if (e->kind != ERR_INPUT && e->kind != ERR_LIMIT && e->kind != ERR_BUG)
		return -1;
	log_error("an unsubscribe or preference out of the queue was left out: %s", e->text);
	return 0;
}

static int
changes_take(void *ctx, const struct queue_entry *v, size_t n, struct err *e)
{
	struct backlog *b = ctx;
	for (size_t i = 0; i < n; i++)
		if ((is_aside(b, v[i].rk, b->naside) || store_one(b, &v[i], e) != 0) &&
		    aside_add(b, &v[i]) != 0)
			return err_set(e, ERR_TEMP, "too many unsubscribes and preferences cannot be stored");
	return 0;
}

/* Those that were set aside, in their order. */
static void
aside_retry(struct backlog *b)
{
	struct arena *a = arena_new(4096);
	struct err e = { 0 };
	size_t kept = 0;
	for (size_t i = 0; i < b->naside; i++) {
		struct queue_entry q;
		struct aside one = b->aside[i];
		if (!is_aside(b, one.rk, kept) &&
		    (queue_entry_parse(buf_str(&one.line), a, &q, &e) != 0 || store_one(b, &q, &e) == 0)) {
			buf_free(&one.line);
			continue;
		}
		pthread_mutex_lock(&b->lock);
		b->aside[kept++] = one;
		pthread_mutex_unlock(&b->lock);
	}
	pthread_mutex_lock(&b->lock);
	b->naside = kept;
	pthread_mutex_unlock(&b->lock);
	arena_free(&a);
	if (kept > 0 && !b->aside_said)
		log_error("%zu unsubscribes or preferences cannot be stored yet: %s", kept, e.text);
	b->aside_said = kept > 0;
}

/* ---- events ---- */

/*
 * When it was queued nobody could ask whether he is tracked. What was queued of somebody of whom
 * everything was erased since names nobody any more. False: it is not to be kept at all.
 */
static bool
may_keep(struct store *s, const struct conf *conf, struct event *ev)
{
	struct arena *a = arena_new(512);
	struct consent_record c;
	struct err e = { 0 };
	bool ask = ev->type == EVENT_OPENED || ev->type == EVENT_CLICKED || ev->type == EVENT_VIEWED;
	bool keep = !ask || !consent_denied(s, conf, ev->rk, ev->campaign, a);
	if (keep && store_consent_get(s, ev->rk, STR("tracking"), a, &c, &e) == 1 &&
	    c.state == CONSENT_DENIED && ev->at_ms <= c.at_ms &&
	    (str_eq(c.source, STR(CONSENT_ERASED)) || str_eq(c.source, STR(CONSENT_FORGOTTEN)))) {
		memset(ev->rk, 0, sizeof(ev->rk));
		memset(ev->copy, 0, sizeof(ev->copy));
		ev->once = false;
		ev->details = STR_NULL;
	}
	arena_free(&a);
	return keep;
}

int
events_store(struct store *s, struct event *v, size_t n, struct err *e)
{
	size_t kept = 0;
	if (n == 0 || event_add(s, v, n, NULL, e) == 0)
		return 0;
	if (e->kind != ERR_INPUT && e->kind != ERR_LIMIT)
		return -1;
	/* What one of them says must not hold up the others. */
	for (size_t i = 0; i < n; i++)
		if (event_valid(&v[i], e) == 0)
			v[kept++] = v[i];
		else
			log_error("an event was left out: %s", e->text);
	return kept > 0 && event_add(s, v, kept, NULL, e) != 0 ? -1 : 0;
}

static int
events_take(void *ctx, const struct queue_entry *v, size_t n, struct err *e)
{
	struct backlog *b = ctx;
	struct site *site = site_get(b->web);
	struct store *s = web_store(b->web);
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		b->events[kept] = v[i].event;
		kept += may_keep(s, site->epoch->conf, &b->events[kept]);
	}
	int rc = events_store(s, b->events, kept, e);
	site_put(&site);
	return rc;
}

bool
backlog_settle(struct backlog *b)
{
	struct err e = { 0 };
	if (b->queue == NULL || queue_empty(b->queue)) {
		atomic_store(&b->changes, false);
		return true;
	}
	if (web_store(b->web) == NULL)
		return false;
	aside_retry(b);
	if (queue_drain(b->queue, QUEUE_CHANGES, 1, changes_take, b, &e) == 0) {
		atomic_store(&b->changes, false);
		if (queue_drain(b->queue, QUEUE_EVENTS, DRAIN_ENTRIES, events_take, b, &e) == 0 &&
		    (b->naside > 0 || queue_clear(b->queue, &e) == 0)) {
			if (b->naside == 0)
				log_info("queued events are in the database now");
			return true;
		}
	}
	log_error("what is queued cannot be stored yet: %s", e.text);
	return false;
}
