/*
 * recorder: one thread that writes the events of all waiting requests in one commit, while libmicrohttpd's
 * threads go on reading. A request is resumed, and so answered, when its events are on disk: in the database,
 * or while that does not work in the queue file.
 *
 * Changes (suppression, preferences) come first and are commits of the database of recipients; they are rare,
 * and a few threads of their own make them, so that opens never wait for them; so do what only reads but
 * waits for a disk (owndata.c). While older ones lie in the queue file they are left to the recorder, which
 * moves those first: the recipient's last word is the last.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "web/private.h"

#define BATCH 4096	   /* events of one commit */
#define CHANGERS 4	   /* changes under way at once */
#define RETRY_MS 5000	   /* how soon a database that failed is tried again */
#define DRAIN_ENTRIES 1000 /* of the queue, in one commit */
/* Under load those who were just answered ask again within this time; who waits for them has one commit for
 * all instead of a small one before each large one. */
#define GATHER_US 500
#define GATHER_FROM 32 /* requests in the last commit */

struct list {
	struct request *head, **tail;
};

struct recorder {
	struct web *web;
	char *directory;      /* of the state: where the audit log is */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work, change_work, empty;
	struct list waiting, changes;
	size_t held; /* added, not yet resumed */
	bool refusing;
	size_t changing; /* taken out of changes, not yet in waiting */
	bool stopping;
	atomic_bool queued; /* something may lie in the queue file */
	/* Of the recorder's thread alone. */
	struct queue *queue;
	int64_t retry_at_ms;
	struct event *events;
	bool failed, queue_failed; /* said so in the log */
	pthread_t thread, changers[CHANGERS];
};

static void
list_add(struct list *l, struct request *rq)
{
	rq->next = NULL;
	*l->tail = rq;
	l->tail = &rq->next;
}

/* The first of some. */
static struct request *
list_pop(struct list *l)
{
	struct request *rq = l->head;
	l->head = rq->next;
	if (l->head == NULL)
		l->tail = &l->head;
	rq->next = NULL;
	return rq;
}

static struct request *
list_take(struct list *l, size_t max_events)
{
	struct request *all = l->head, **end = &l->head;
	size_t n = 0;
	while (*end != NULL && (n == 0 || n + (*end)->nevents <= max_events)) {
		n += (*end)->nevents;
		end = &(*end)->next;
	}
	l->head = *end;
	*end = NULL;
	if (l->head == NULL)
		l->tail = &l->head;
	return all;
}

/* ---- changes ---- */

/* A recipient's wish is law, whether the audit log can tell of it or not. */
static void
change_audit(const struct recorder *r, const uint8_t rk[16], const struct queue_entry *q, int64_t at_ms)
{
	struct err e = { 0 };
	const struct audit_entry en = {
		.action = q->erase	? AUDIT_PRIVACY_ERASE
			  : q->suppress ? AUDIT_PRIVACY_UNSUBSCRIBE
					: AUDIT_PRIVACY_PREFERENCES,
		.at_ms = at_ms,
		.actor = STR("recipient"),
		.subject = rk,
		.details = !q->suppress || q->erase ? STR("")
			   : q->category.n > 0	    ? q->category
						    : STR("all mail"),
	};
	if (audit_append(r->directory, &en, 1, NULL, &e) != 0)
		log_error("a recipient's %s was done, but is not in the audit log: %s",
			  audit_action_name(en.action), e.text);
}

/*
 * What waited in the queue may be older than what was said since, to an administrator, for example. A refusal
 * holds all the same; consent to what was refused later does not. -1: that cannot be read.
 */
static int
overtaken(struct store *s, const uint8_t rk[16], const struct consent_record *c, struct err *e)
{
	struct consent_record now;
	struct arena *a = arena_new(512);
	int found = c->state == CONSENT_GRANTED ? store_consent_get(s, rk, c->topic, a, &now, e) : 0;
	arena_free(&a);
	return found < 0 ? -1 : found == 1 && now.state == CONSENT_DENIED && now.at_ms > c->at_ms;
}

static int
consents_store(struct store *s, const uint8_t rk[16], const struct queue_entry *q, struct err *e)
{
	for (size_t i = 0; i < q->nconsents; i++) {
		int late = overtaken(s, rk, &q->consents[i], e);
		if (late < 0 || (late == 0 && store_consent_put(s, rk, &q->consents[i], e) != 0))
			return -1;
	}
	return 0;
}

static int
change_store(struct store *s, const uint8_t rk[16], const struct queue_entry *q, int64_t at_ms, struct err *e)
{
	const struct suppression_record sr = {
		.category = q->category,
		.reason = SUPPRESS_UNSUBSCRIBE,
		.at_ms = at_ms,
		.note = STR("by the recipient, over HTTP"),
	};
	/* Suppressions survive an erasure; with it first, no copy is made in between. */
	if (q->suppress && store_suppression_put(s, rk, &sr, e) != 0)
		return -1;
	if (q->erase && store_forget(s, rk, NULL, e) != 0)
		return -1;
	if (consents_store(s, rk, q, e) != 0)
		return -1;
	for (size_t i = 0; i < q->nlifted; i++)
		if (store_suppression_remove(s, rk, q->lifted[i], SUPPRESS_UNSUBSCRIBE, e) < 0)
			return -1;
	return 0;
}

/* He has unsubscribed from that already: whoever sends it again and again fills no log. */
static bool
stands(struct store *s, const uint8_t rk[16], const struct queue_entry *q, int64_t at_ms)
{
	const struct store_view_request rq = { .rk = rk, .now_ms = at_ms };
	struct arena *a = arena_new(1024);
	struct store_view v;
	struct err e = { 0 };
	bool yes = false;
	if (q->suppress && !q->erase && q->nconsents == 0 && q->nlifted == 0 &&
	    store_view(s, &rq, a, &v, &e) == 0)
		for (size_t i = 0; i < v.nsuppressions_own; i++)
			yes = yes || (v.suppressions[i].reason == SUPPRESS_UNSUBSCRIBE &&
				      v.suppressions[i].until_ms == 0 &&
				      str_eq(v.suppressions[i].category, q->category));
	arena_free(&a);
	return yes;
}

static int
change_apply(const struct recorder *r, struct store *s, const uint8_t rk[16], const struct queue_entry *q,
	     int64_t at_ms, struct err *e)
{
	if (stands(s, rk, q, at_ms))
		return 0;
	int rc = change_store(s, rk, q, at_ms, e);
	if (rc == 0)
		change_audit(r, rk, q, at_ms);
	return rc;
}

static bool
is_change(const struct queue_entry *q)
{
	return q->erase || q->suppress || q->nconsents > 0 || q->nlifted > 0;
}

static void
change_one(const struct recorder *r, struct request *rq)
{
	struct store *s = atomic_load(&r->queued) ? NULL : web_store(r->web);
	struct err e = { 0 };
	rq->changed =
	    s != NULL && change_apply(r, s, rq->token.recipient.b, &rq->change, rq->now_ms, &e) == 0;
	if (s != NULL && !rq->changed)
		log_error("an unsubscribe or preference cannot be stored now: %s", e.text);
}

static void *
changer_main(void *arg)
{
	struct recorder *r = arg;
	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (r->changes.head == NULL && !r->stopping)
			pthread_cond_wait(&r->change_work, &r->lock);
		if (r->changes.head == NULL)
			break;
		struct request *rq = list_pop(&r->changes);
		r->changing++;
		pthread_mutex_unlock(&r->lock);
		const bool change = rq->later == NULL;
		if (change) {
			change_one(r, rq);
		} else {
			rq->later(rq);
			MHD_resume_connection(rq->connection); /* now it may be answered and freed */
		}
		pthread_mutex_lock(&r->lock);
		r->changing--;
		if (change)
			list_add(&r->waiting, rq);
		else if (--r->held == 0)
			pthread_cond_signal(&r->empty);
		pthread_cond_signal(&r->work);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- the queue ---- */

static int
queue_requests(struct recorder *r, const struct request *list, struct err *e)
{
	size_t n = 0, i = 0;
	for (const struct request *rq = list; rq != NULL; rq = rq->next)
		n += rq->nevents + 1;
	struct queue_entry *v = calloc(n > 0 ? n : 1, sizeof(*v));
	if (v == NULL)
		abort();
	for (const struct request *rq = list; rq != NULL; rq = rq->next) {
		if (is_change(&rq->change) && !rq->changed) {
			v[i] = rq->change;
			v[i].at_ms = rq->now_ms;
			memcpy(v[i++].rk, rq->token.recipient.b, sizeof(v[i].rk));
		}
		for (size_t k = 0; k < rq->nevents; k++)
			v[i++] = (struct queue_entry){ .has_event = true, .event = rq->events[k] };
	}
	atomic_store(&r->queued, r->queue != NULL);
	int rc =
	    r->queue != NULL ? queue_write(r->queue, v, i, e) : err_set(e, ERR_IO, "there is no queue file");
	if (rc == 0)
		atomic_fetch_add(&r->web->metrics.queued, (long long)i);
	free(v);
	return rc;
}

/* Consent is looked at again: when these events were queued nobody could. */
static bool
may_keep(struct store *s, const struct conf *conf, const struct event *ev)
{
	struct arena *a = arena_new(512);
	bool ask = ev->type == EVENT_OPENED || ev->type == EVENT_CLICKED || ev->type == EVENT_VIEWED;
	bool keep = !ask || !consent_denied(s, conf, ev->rk, ev->campaign, a);
	arena_free(&a);
	return keep;
}

static int
drain_each(struct recorder *r, const struct conf *conf, const struct queue_entry *v, size_t n, struct err *e)
{
	struct store *s = web_store(r->web);
	size_t events = 0;
	for (size_t i = 0; i < n; i++) {
		/* What came before an erasure is to be erased with the rest. */
		if (v[i].erase && events > 0) {
			if (event_add(s, r->events, events, NULL, e) != 0)
				return -1;
			events = 0;
		}
		if (!v[i].has_event && change_apply(r, s, v[i].rk, &v[i], v[i].at_ms, e) != 0)
			return -1;
		if (v[i].has_event && may_keep(s, conf, &v[i].event))
			r->events[events++] = v[i].event;
	}
	return events > 0 ? event_add(s, r->events, events, NULL, e) : 0;
}

static int
drain_some(void *ctx, const struct queue_entry *v, size_t n, struct err *e)
{
	struct recorder *r = ctx;
	struct site *site = site_get(r->web);
	int rc = drain_each(r, site->epoch->conf, v, n, e);
	site_put(&site);
	return rc;
}

/* Moves the queue into the database when both are there. False: not yet. */
static bool
queue_to_database(struct recorder *r)
{
	struct err e = { 0 };
	if (r->queue == NULL || queue_empty(r->queue)) {
		atomic_store(&r->queued, false);
		return true;
	}
	if (web_store(r->web) == NULL)
		return false;
	if (queue_drain(r->queue, DRAIN_ENTRIES, drain_some, r, &e) != 0) {
		log_error("queued events cannot be stored yet: %s", e.text);
		return false;
	}
	atomic_store(&r->queued, false);
	log_info("queued events are in the database now");
	return true;
}

/* ---- events ---- */

static int
store_requests(struct recorder *r, struct request *list, struct err *e)
{
	size_t n = 0;
	struct store *s = web_store(r->web);
	if (s == NULL)
		return err_set(e, ERR_IO, "the database is not open");
	for (struct request *rq = list; rq != NULL; rq = rq->next) {
		if (is_change(&rq->change) && !rq->changed &&
		    change_apply(r, s, rq->token.recipient.b, &rq->change, rq->now_ms, e) != 0)
			return -1;
		rq->changed = true;
		for (size_t k = 0; k < rq->nevents; k++)
			r->events[n++] = rq->events[k];
	}
	return n > 0 ? event_add(s, r->events, n, NULL, e) : 0;
}

static void
said(bool *before, bool failed, const char *what, const char *why)
{
	if (failed && !*before)
		log_error("%s: %s", what, why);
	else if (!failed && *before)
		log_info("%s: works again", what);
	*before = failed;
}

/* Marks what is on disk now, one way or the other. */
static void
record(struct recorder *r, struct request *list)
{
	struct err e = { 0 }, qe = { 0 };
	struct metrics *m = &r->web->metrics;
	bool try_store = clock_now_ms() >= r->retry_at_ms && queue_to_database(r);
	bool ok = try_store && store_requests(r, list, &e) == 0;
	if (!ok) {
		if (try_store)
			atomic_fetch_add(&m->failures, 1);
		r->retry_at_ms =
		    try_store || r->retry_at_ms == 0 ? clock_now_ms() + RETRY_MS : r->retry_at_ms;
	}
	if (ok || try_store)
		said(&r->failed, !ok, "events cannot be stored, so they go to the queue file", e.text);
	if (!ok) {
		ok = queue_requests(r, list, &qe) == 0;
		said(&r->queue_failed, !ok, "the queue file takes no events", qe.text);
	}
	for (struct request *rq = list; rq != NULL; rq = rq->next) {
		rq->recorded = ok;
		if (!ok)
			atomic_fetch_add(&m->lost, (long long)rq->nevents);
		for (size_t k = 0; ok && k < rq->nevents; k++)
			atomic_fetch_add(&m->events[rq->events[k].type][rq->events[k].class], 1);
	}
}

static size_t
resume_all(struct request *list)
{
	size_t n = 0;
	while (list != NULL) {
		/* Once resumed it may be answered and freed. */
		struct request *next = list->next;
		MHD_resume_connection(list->connection);
		list = next;
		n++;
	}
	return n;
}

/* With r->lock held. */
static void
gather(struct recorder *r, size_t before)
{
	const struct timespec t = { .tv_nsec = GATHER_US * 1000L };
	if (before < GATHER_FROM || r->stopping || r->refusing)
		return;
	pthread_mutex_unlock(&r->lock);
	nanosleep(&t, NULL);
	pthread_mutex_lock(&r->lock);
}

static void *
recorder_main(void *arg)
{
	struct recorder *r = arg;
	size_t resumed = 0;
	queue_to_database(r); /* what an earlier process left */
	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (r->waiting.head == NULL &&
		       !(r->stopping && r->changing == 0 && r->changes.head == NULL)) {
			struct timespec until;
			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_sec += RETRY_MS / 1000;
			if (pthread_cond_timedwait(&r->work, &r->lock, &until) == 0)
				continue;
			pthread_mutex_unlock(&r->lock);
			queue_to_database(r);
			pthread_mutex_lock(&r->lock);
		}
		if (r->waiting.head == NULL)
			break;
		gather(r, resumed);
		struct request *list = list_take(&r->waiting, BATCH);
		pthread_mutex_unlock(&r->lock);
		record(r, list);
		resumed = resume_all(list);
		pthread_mutex_lock(&r->lock);
		r->held -= resumed;
		if (r->held == 0)
			pthread_cond_signal(&r->empty);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

bool
recorder_add(struct recorder *r, struct request *rq)
{
	bool change = rq->later != NULL || is_change(&rq->change);
	pthread_mutex_lock(&r->lock);
	bool ok = !r->refusing;
	if (ok) {
		r->held++;
		list_add(change ? &r->changes : &r->waiting, rq);
		pthread_cond_signal(change ? &r->change_work : &r->work);
	}
	pthread_mutex_unlock(&r->lock);
	return ok;
}

void
recorder_refuse(struct recorder *r)
{
	pthread_mutex_lock(&r->lock);
	r->refusing = true;
	while (r->held > 0)
		pthread_cond_wait(&r->empty, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

struct recorder *
recorder_start(struct web *w, struct err *e)
{
	struct recorder *r = calloc(1, sizeof(*r));
	struct err qe = { 0 };
	if (r == NULL || (r->events = calloc(BATCH + 8, sizeof(*r->events))) == NULL)
		abort();
	r->web = w;
	r->directory = strdup(w->site->epoch->conf->state.directory);
	if (r->directory == NULL)
		abort();
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	pthread_cond_init(&r->change_work, NULL);
	pthread_cond_init(&r->empty, NULL);
	r->waiting.tail = &r->waiting.head;
	r->changes.tail = &r->changes.head;
	r->queue = queue_open(w->site->epoch->conf->track.queue, &qe);
	if (r->queue == NULL)
		log_warn("track: queue: %s; while the database is gone nothing can be recorded", qe.text);
	atomic_init(&r->queued, r->queue != NULL && !queue_empty(r->queue));
	bool ok = pthread_create(&r->thread, NULL, recorder_main, r) == 0;
	for (size_t i = 0; i < CHANGERS; i++)
		ok = ok && pthread_create(&r->changers[i], NULL, changer_main, r) == 0;
	if (ok)
		return r;
	err_set(e, ERR_TEMP, "cannot start a thread");
	return NULL; /* the process ends */
}

void
recorder_stop(struct recorder **rp)
{
	struct recorder *r = *rp;
	if (r == NULL)
		return;
	*rp = NULL;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_broadcast(&r->change_work);
	pthread_cond_broadcast(&r->work);
	pthread_mutex_unlock(&r->lock);
	for (size_t i = 0; i < CHANGERS; i++)
		pthread_join(r->changers[i], NULL);
	pthread_mutex_lock(&r->lock);
	pthread_cond_broadcast(&r->work);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	queue_close(&r->queue);
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->change_work);
	pthread_cond_destroy(&r->empty);
	pthread_mutex_destroy(&r->lock);
	free(r->events);
	free(r->directory);
	free(r);
}
