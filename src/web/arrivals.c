/*
 * arrivals: where a crowd's opens and clicks go. The event log copies a page for each recipient that an event
 * is about, so it takes some 40,000 a second and keeps a disk busy with it; a queue (event_arrive) takes
 * twenty in a page. So what comes by the dozen is queued, in one commit, and answered; a thread of its own
 * moves it into the log, thousands in a commit. What comes one by one is in the log when it is answered.
 *
 * Who is killed in between finds the queue when he comes back. When more than WAIT_MAX wait, what comes
 * next waits for the log itself: nothing piles up.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/private.h"

#define CROWD 48       /* events in one commit */
#define MOVE_MAX 16384 /* in one go: the more there are, the more share a page of the log */
#define GATHER_MS 400  /* for so many */
#define WAIT_MAX 131072
#define RETRY_MS 5000

struct arrivals {
	struct web *web;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work;
	size_t waiting;	     /* queued and not moved yet, as far as this process did it */
	bool stopping, left; /* left: by an earlier process, perhaps */
	pthread_t thread;
};

/* For so long, or until enough waits. With the lock held. */
static void
rest(struct arrivals *a, int ms, size_t enough)
{
	const struct timespec until = clock_mono_timespec(clock_mono_us() + ms * INT64_C(1000));
	while (!a->stopping && a->waiting < enough &&
	       pthread_cond_timedwait(&a->work, &a->lock, &until) != ETIMEDOUT)
		;
}

/* Until there is something to do; false: no more, ever. With the lock held. */
static bool
wait_for_work(struct arrivals *a, bool failed)
{
	if (failed)
		rest(a, RETRY_MS, SIZE_MAX);
	while (a->waiting == 0 && !a->left && !a->stopping)
		pthread_cond_wait(&a->work, &a->lock);
	if (!a->left)
		rest(a, GATHER_MS, MOVE_MAX);
	/* What cannot be moved now is found at the next start. */
	return !a->stopping || (!failed && (a->waiting > 0 || a->left));
}

static void *
mover_main(void *arg)
{
	struct arrivals *a = arg;
	bool failed = false, said = false;
	pthread_mutex_lock(&a->lock);
	while (wait_for_work(a, failed)) {
		const size_t before = a->waiting;
		struct err e = { 0 };
		pthread_mutex_unlock(&a->lock);
		struct store *s = web_store(a->web);
		int n = s == NULL ? err_set(&e, ERR_IO, "the database is not open")
				  : event_move_arrived(s, MOVE_MAX, &e);
		failed = n < 0;
		if (failed && !said)
			log_error("events wait to be moved into the log: %s", e.text);
		said = failed;
		pthread_mutex_lock(&a->lock);
		/* Others may move them, too: what is not there any more does not wait. */
		if (!failed)
			a->waiting -= n == 0 || (size_t)n > before ? before : (size_t)n;
		a->left = a->left && n != 0;
		atomic_store(&a->web->metrics.waiting, (long long)a->waiting);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* As long as there is a crowd all go with it: the log is busy. */
static bool
with_the_crowd(struct arrivals *a, size_t n)
{
	pthread_mutex_lock(&a->lock);
	bool yes = n > 0 && (n >= CROWD || a->waiting > 0) && a->waiting < WAIT_MAX;
	pthread_mutex_unlock(&a->lock);
	return yes;
}

bool
arrivals_take(const struct event *ev)
{
	return ev->type == EVENT_OPENED || ev->type == EVENT_CLICKED || ev->type == EVENT_RECLASSIFIED;
}

int
arrivals_store(struct arrivals *a, struct store *s, struct event *v, size_t n, struct err *e)
{
	struct err own = { 0 };
	/* What it does not take the log may take, or says why not. */
	if (!with_the_crowd(a, n) || event_arrive(s, v, n, &own) != 0)
		return events_store(s, v, n, e);
	pthread_mutex_lock(&a->lock);
	a->waiting += n;
	atomic_store(&a->web->metrics.waiting, (long long)a->waiting);
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
	return 0;
}

struct arrivals *
arrivals_start(struct web *w)
{
	struct arrivals *a = calloc(1, sizeof(*a));
	if (a == NULL)
		abort();
	a->web = w;
	a->left = true;
	pthread_mutex_init(&a->lock, NULL);
	clock_cond_init(&a->work);
	if (pthread_create(&a->thread, NULL, mover_main, a) == 0)
		return a;
	free(a);
	return NULL;
}

void
arrivals_stop(struct arrivals **ap)
{
	struct arrivals *a = *ap;
	if (a == NULL)
		return;
	*ap = NULL;
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->work);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
