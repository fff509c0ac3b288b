/*
 * recorder: one thread that writes the events of many waiting requests in one commit, while the threads of
 * the HTTP server go on reading. A request is resumed, and so answered, when its events are on disk: in the
 * database (arrivals.c), or while that does not work in the queue file.
 *
 * Changes (suppression, preferences) come first and are commits of the database of recipients; they are rare,
 * and a few threads of their own make them, so that opens never wait for them; so do what only reads but
 * waits for a disk (owndata.c). While older ones lie in the queue file (backlog.c) they are left to the
 * recorder, which moves those first: the recipient's last word is the last.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/private.h"

#define BATCH 4096    /* events of one commit */
#define CHANGERS 4    /* changes under way at once */
#define RETRY_MS 5000 /* how soon a database that failed is tried again */
/*
 * Under load a commit takes half of those who are about: while the disk works on them the other half is read
 * and answered. Who was just answered asks again within GATHER_US; a half that is not complete is waited for
 * that long, instead of a small commit before each large one.
 */
#define GATHER_US 500
#define GATHER_FROM 32 /* requests in such a half */

struct list {
	struct request *head, **tail;
};

struct recorder {
	struct web *web;
	char *directory;      /* of the state: where the audit log is */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work, change_work, empty;
	struct list waiting, changes;
	size_t nwaiting; /* in waiting */
	size_t wanted;	 /* so many are worth waking the recorder for */
	size_t held;	 /* added, not yet resumed */
	bool refusing;
	size_t changing; /* taken out of changes, not yet in waiting */
	bool stopping;
	struct backlog *backlog;
	/* Of the recorder's thread alone. */
	int64_t retry_at_us; /* monotonic: whoever sets the clock back does not make unsubscribes wait */
	struct arrivals *arrivals;
	struct event *events, *others;
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
list_take(struct list *l, size_t max, size_t max_events, size_t *taken)
{
	struct request *all = l->head, **end = &l->head;
	size_t n = 0;
	*taken = 0;
	while (*end != NULL && *taken < max && (n == 0 || n + (*end)->nevents <= max_events)) {
		n += (*end)->nevents;
		++*taken;
		end = &(*end)->next;
	}
	l->head = *end;
	*end = NULL;
	if (l->head == NULL)
		l->tail = &l->head;
	return all;
}

/* ---- changes ---- */

/* Not while an older one of his waits: the recipient's last word is the last. */
static void
change_make(const struct recorder *r, struct request *rq)
{
	const uint8_t *rk = rq->token.recipient.b;
	struct store *s = backlog_holds(r->backlog, rk) ? NULL : web_store(r->web);
	struct err e = { 0 };
	rq->changed = s != NULL && change_apply(r->directory, s, rk, &rq->change, rq->now_ms, false, &e) == 0;
	if (s != NULL && !rq->changed)
		log_error("an unsubscribe or preference cannot be stored now: %s", e.text);
}

static bool
is_unmade(const struct request *rq)
{
	return is_change(&rq->change) && !rq->changed;
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
			change_make(r, rq);
		} else {
			rq->later(rq);
			loop_resume(rq->loop, rq->connection); /* now it may be answered and freed */
			loops_wake(r->web);
		}
		pthread_mutex_lock(&r->lock);
		r->changing--;
		if (change) {
			list_add(&r->waiting, rq);
			r->nwaiting++;
		} else if (--r->held == 0) {
			pthread_cond_signal(&r->empty);
		}
		pthread_cond_signal(&r->work);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- events ---- */

/* What is not in the database: changes, and with `events` these. */
static int
queue_requests(struct recorder *r, const struct request *list, bool events, struct err *e)
{
	size_t n = 0, i = 0;
	for (const struct request *rq = list; rq != NULL; rq = rq->next)
		n += rq->nevents + 1;
	struct queue_entry *v = calloc(n > 0 ? n : 1, sizeof(*v));
	if (v == NULL)
		abort();
	for (const struct request *rq = list; rq != NULL; rq = rq->next) {
		if (is_unmade(rq)) {
			v[i] = rq->change;
			v[i].at_ms = rq->now_ms;
			memcpy(v[i++].rk, rq->token.recipient.b, sizeof(v[i].rk));
		}
		for (size_t k = 0; events && k < rq->nevents; k++)
			v[i++] = (struct queue_entry){ .has_event = true, .event = rq->events[k] };
	}
	int rc = backlog_write(r->backlog, v, i, e);
	if (rc == 0)
		atomic_fetch_add(&r->web->metrics.queued, (long long)i);
	free(v);
	return rc;
}

static int
store_requests(struct recorder *r, const struct request *list, struct err *e)
{
	size_t n = 0, others = 0;
	struct store *s = web_store(r->web);
	if (s == NULL)
		return err_set(e, ERR_IO, "the database is not open");
	for (const struct request *rq = list; rq != NULL; rq = rq->next)
		for (size_t k = 0; k < rq->nevents; k++)
			if (arrivals_take(&rq->events[k]))
				r->events[n++] = rq->events[k];
			else
				r->others[others++] = rq->events[k];
	return events_store(s, r->others, others, e) == 0 ? arrivals_store(r->arrivals, s, r->events, n, e)
							  : -1;
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

/* Into the database. False: not now. */
static bool
store_all(struct recorder *r, struct request *list, struct err *e)
{
	if (clock_mono_us() < r->retry_at_us)
		return false;
	bool settled = backlog_settle(r->backlog);
	for (struct request *rq = list; rq != NULL; rq = rq->next)
		if (is_unmade(rq))
			change_make(r, rq);
	bool ok = settled && store_requests(r, list, e) == 0;
	if (!ok)
		r->retry_at_us = clock_mono_us() + RETRY_MS * INT64_C(1000);
	if (settled && !ok)
		atomic_fetch_add(&r->web->metrics.failures, 1);
	if (settled)
		said(&r->failed, !ok, "events cannot be stored, so they go to the queue file", e->text);
	return ok;
}

/* Marks what is on disk now, one way or the other. */
static void
record(struct recorder *r, struct request *list)
{
	struct err e = { 0 };
	struct metrics *m = &r->web->metrics;
	bool stored = store_all(r, list, &e), queued = true, unmade = false;
	for (const struct request *rq = list; rq != NULL; rq = rq->next)
		unmade = unmade || is_unmade(rq);
	if (!stored || unmade) {
		queued = queue_requests(r, list, !stored, &e) == 0;
		said(&r->queue_failed, !queued, "the queue file takes no events", e.text);
	}
	for (struct request *rq = list; rq != NULL; rq = rq->next) {
		bool ok = stored || queued;
		rq->recorded = ok && (queued || !is_unmade(rq));
		if (!ok)
			atomic_fetch_add(&m->lost, (long long)rq->nevents);
		for (size_t k = 0; ok && k < rq->nevents; k++)
			atomic_fetch_add(&m->events[rq->events[k].type][rq->events[k].class], 1);
	}
}

static void
resume_all(struct web *w, struct request *list)
{
	while (list != NULL) {
		/* Once resumed it may be answered and freed. */
		struct request *next = list->next;
		loop_resume(list->loop, list->connection);
		list = next;
	}
	loops_wake(w);
}

/* Waits for that many, but not long. With r->lock held. */
static void
gather(struct recorder *r, size_t half)
{
	if (r->nwaiting >= half || half < GATHER_FROM)
		return;
	const struct timespec until = clock_mono_timespec(clock_mono_us() + GATHER_US);
	r->wanted = half;
	while (r->nwaiting < half && !r->stopping && !r->refusing &&
	       pthread_cond_timedwait(&r->work, &r->lock, &until) != ETIMEDOUT)
		;
	r->wanted = 1;
}

static void *
recorder_main(void *arg)
{
	struct recorder *r = arg;
	size_t half = 0, taken;
	backlog_settle(r->backlog); /* what an earlier process left */
	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (r->waiting.head == NULL &&
		       !(r->stopping && r->changing == 0 && r->changes.head == NULL)) {
			const struct timespec until =
			    clock_mono_timespec(clock_mono_us() + RETRY_MS * INT64_C(1000));
			if (pthread_cond_timedwait(&r->work, &r->lock, &until) == 0)
				continue;
			pthread_mutex_unlock(&r->lock);
			backlog_settle(r->backlog);
			pthread_mutex_lock(&r->lock);
		}
		if (r->waiting.head == NULL)
			break;
		gather(r, half);
		struct request *list =
		    list_take(&r->waiting, half < GATHER_FROM ? SIZE_MAX : half, BATCH, &taken);
		r->nwaiting -= taken;
		pthread_mutex_unlock(&r->lock);
		record(r, list);
		resume_all(r->web, list);
		pthread_mutex_lock(&r->lock);
		half = (taken + r->nwaiting + 1) / 2;
		r->held -= taken;
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
		r->nwaiting += !change;
		if (change || r->nwaiting >= r->wanted)
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
	pthread_cond_signal(&r->work);
	while (r->held > 0)
		pthread_cond_wait(&r->empty, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

struct recorder *
recorder_start(struct web *w, struct err *e)
{
	struct recorder *r = calloc(1, sizeof(*r));
	if (r == NULL || (r->events = calloc(BATCH + 8, sizeof(*r->events))) == NULL ||
	    (r->others = calloc(BATCH + 8, sizeof(*r->others))) == NULL)
		abort();
	r->web = w;
	r->directory = strdup(w->site->epoch->conf->state.directory);
	if (r->directory == NULL)
		abort();
	pthread_mutex_init(&r->lock, NULL);
	clock_cond_init(&r->work);
	pthread_cond_init(&r->change_work, NULL);
	pthread_cond_init(&r->empty, NULL);
	r->wanted = 1;
	r->waiting.tail = &r->waiting.head;
	r->changes.tail = &r->changes.head;
	r->backlog = backlog_open(w);
	r->arrivals = arrivals_start(w);
	bool ok = r->arrivals != NULL && pthread_create(&r->thread, NULL, recorder_main, r) == 0;
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
	arrivals_stop(&r->arrivals);
	backlog_close(&r->backlog);
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->change_work);
	pthread_cond_destroy(&r->empty);
	pthread_mutex_destroy(&r->lock);
	free(r->events);
	free(r->others);
	free(r->directory);
	free(r);
}
