/*
 * runner: worker threads and the hand-over of jobs; seats for the jobs that
 * run where the caller is.
 *
 * A caller hands its job straight to an idle worker (one wake-up) and is woken
 * once, when the job is finished; calls in between only store a number. When
 * no worker is idle another is made, up to PLUGIN_MAX_WORKERS that are not
 * stuck, then jobs queue. Workers are detached: nobody can join a thread that
 * is stuck in foreign code; set->refs counts them instead.
 */
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "plugin/set.h"

/* Spare jobs keep their memory for the next message, unless a large profile has blown them up. */
#define MAX_SPARE 64
#define SPARE_BYTES (256u * 1024)

/* ---- jobs ---- */

struct job *
job_take(struct plugin_set *s)
{
	pthread_mutex_lock(&s->lock);
	struct job *j = s->spare;
	if (j) {
		s->spare = j->next;
		s->nspare--;
	}
	pthread_mutex_unlock(&s->lock);
	if (!j) {
		j = calloc(1, sizeof(*j));
		if (!j) {
			log_error("out of memory for a plugin call; stopping, the MTA will try again");
			abort();
		}
		j->arena = arena_new(16 * 1024);
		pthread_mutex_init(&j->lock, NULL);
		clock_cond_init(&j->wake);
	}
	j->next = NULL;
	j->refs = 2;
	j->started = j->finished = j->abandoned = j->stuck = false;
	j->current = 0;
	return j;
}

static void
job_recycle(struct plugin_set *s, struct job *j)
{
	bool keep = arena_size(j->arena) <= SPARE_BYTES;
	if (keep)
		arena_reset(j->arena);
	pthread_mutex_lock(&s->lock);
	keep = keep && s->nspare < MAX_SPARE;
	if (keep) {
		j->next = s->spare;
		s->spare = j;
		s->nspare++;
	}
	pthread_mutex_unlock(&s->lock);
	if (keep)
		return;
	arena_free(&j->arena);
	pthread_mutex_destroy(&j->lock);
	pthread_cond_destroy(&j->wake);
	free(j);
}

void
job_unref(struct plugin_set *s, struct job *j)
{
	pthread_mutex_lock(&j->lock);
	bool last = --j->refs == 0;
	pthread_mutex_unlock(&j->lock);
	if (last)
		job_recycle(s, j);
}

/* Makes the calls one by one until the end or until the caller has left. */
static void
job_run(struct worker *w, struct job *j)
{
	pthread_mutex_lock(&j->lock);
	j->started = true;
	j->call_started = clock_mono_us();
	while (j->current < j->ncalls && !j->abandoned) {
		size_t i = j->current;
		pthread_mutex_unlock(&j->lock);
		enum call_state state = call_make(w, j, i);
		if (state == CALL_DONE)
			scores_add(&j->calls[i], j->rows, j->nrows, j->arena);
		pthread_mutex_lock(&j->lock);
		j->calls[i].state = state;
		j->current = i + 1;
		j->call_started = clock_mono_us();
	}
	j->finished = true;
	if (j->stuck)
		atomic_fetch_sub(&w->set->nstuck, 1);
	pthread_mutex_unlock(&j->lock);
	/* Outside the lock, so that the caller does not wake only to wait for it; our reference keeps the
	 * job. */
	pthread_cond_signal(&j->wake);
	job_unref(w->set, j);
}

/* ---- workers ---- */

/* The next job, or NULL when it is time to go. */
static struct job *
worker_wait(struct worker *w)
{
	struct plugin_set *s = w->set;
	struct job *j = NULL;
	pthread_mutex_lock(&s->lock);
	if (s->queue_first) {
		j = s->queue_first;
		s->queue_first = j->next;
		if (!s->queue_first)
			s->queue_end = &s->queue_first;
	} else if (!s->closing) {
		w->next = s->idle;
		s->idle = w;
		/* Whoever takes a worker off the list hands it a job or says closing. */
		while (!w->job && !s->closing)
			pthread_cond_wait(&w->wake, &s->lock);
		j = w->job;
		w->job = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	return j;
}

static struct worker *
worker_new(struct plugin_set *s)
{
	struct worker *w = calloc(1, sizeof(*w));
	if (w)
		w->contexts = calloc(s->nplugins ? s->nplugins : 1, sizeof(*w->contexts));
	if (w && !w->contexts) {
		free(w);
		return NULL;
	}
	if (w) {
		w->set = s;
		pthread_cond_init(&w->wake, NULL);
	}
	return w;
}

static void
worker_free(struct worker *w)
{
	struct plugin_set *s = w->set;
	for (size_t i = 0; i < s->nplugins; i++) {
		struct plugin *p = &s->plugins[i];
		if (w->contexts[i].ready && p->api->thread_fini)
			p->api->thread_fini(p->instance, w->contexts[i].thread);
	}
	pthread_cond_destroy(&w->wake);
	free(w->contexts);
	free(w);
}

static void
worker_leave(struct worker *w)
{
	struct plugin_set *s = w->set;
	worker_free(w);
	pthread_mutex_lock(&s->lock);
	s->nworkers--;
	pthread_cond_signal(&s->left);
	set_unref_locked(s);
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	struct job *j = w->job;
	w->job = NULL;
	while (j) {
		job_run(w, j);
		j = worker_wait(w);
	}
	worker_leave(w);
	return NULL;
}

/* Counted by the caller (set->nworkers, set->refs) before the thread exists. */
static int
worker_start(struct plugin_set *s, struct job *j)
{
	struct worker *w = worker_new(s);
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int rc = -1;
	if (!w)
		return -1;
	w->job = j;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Signals are for the daemon's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, &attr, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		return 0;
	worker_free(w);
	return -1;
}

/* set->lock held. */
static void
queue_add(struct plugin_set *s, struct job *j)
{
	j->next = NULL;
	*s->queue_end = j;
	s->queue_end = &j->next;
}

int
job_submit(struct plugin_set *s, struct job *j)
{
	pthread_mutex_lock(&s->lock);
	struct worker *w = s->idle;
	if (w) {
		s->idle = w->next;
		w->job = j;
		pthread_mutex_unlock(&s->lock);
		pthread_cond_signal(&w->wake);
		return 0;
	}
	if (s->nworkers >= PLUGIN_MAX_WORKERS + (size_t)atomic_load(&s->nstuck)) {
		queue_add(s, j);
		pthread_mutex_unlock(&s->lock);
		return 0;
	}
	s->nworkers++;
	s->refs++;
	pthread_mutex_unlock(&s->lock);
	if (worker_start(s, j) == 0)
		return 0;

	/* No thread to be had: another worker takes the job when it is done with its own, if there is one. */
	int rc = -1;
	pthread_mutex_lock(&s->lock);
	s->nworkers--;
	s->refs--;
	if (s->nworkers > (size_t)atomic_load(&s->nstuck)) {
		queue_add(s, j);
		rc = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* ---- seats ---- */

struct worker *
seat_take(struct plugin_set *s)
{
	pthread_mutex_lock(&s->lock);
	struct worker *w = s->seats;
	if (w)
		s->seats = w->next;
	pthread_mutex_unlock(&s->lock);
	return w ? w : worker_new(s);
}

void
seat_put(struct plugin_set *s, struct worker *seat)
{
	pthread_mutex_lock(&s->lock);
	seat->next = s->seats;
	s->seats = seat;
	pthread_mutex_unlock(&s->lock);
}

void
seats_free(struct plugin_set *s)
{
	while (s->seats) {
		struct worker *w = s->seats;
		s->seats = w->next;
		worker_free(w);
	}
}

void
workers_dismiss(struct plugin_set *s)
{
	while (s->idle) {
		struct worker *w = s->idle;
		s->idle = w->next;
		pthread_cond_signal(&w->wake);
	}
}
