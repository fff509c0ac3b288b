/*
 * events: a thread of mailtailord that moves the events which reservations and ended jobs have queued into
 * the event log, many in one commit, and drops what has had its time. The log is a database of its own, so
 * that nobody waits for it; and as this takes a processor, the more the larger the log is, it gives way as
 * long as messages with many recipients come in. When the log is full, or broken, the queues wait.
 */
#include "milter/private.h"

#include <errno.h>
#include <pthread.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/log.h"

#define MOVE_MAX 4096
#define EVERY_MS 1000
/* Giving way: after each full step so many times what it took, and for so long in one go. */
#define REST_TIMES 3
#define GIVE_WAY_US INT64_C(60000000)
#define SWEEP_MAX 1000
/* After a failure; said again so often only. */
#define TROUBLE_MS 5000
#define SAY_EVERY_MS 60000

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	int64_t said_ms;
} mover = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
trouble(const struct err *e)
{
	int64_t now = clock_now_ms();
	if (mover.said_ms != 0 && now - mover.said_ms < SAY_EVERY_MS)
		return;
	mover.said_ms = now;
	log_error("events wait in their queues: %s", e->text);
}

static void
sweep(void)
{
	struct err e = { 0 };
	struct epoch *ep = service_epoch();
	if (event_sweep(milter_service.store, clock_now_ms(), ep->conf->state.events_keep_ms, SWEEP_MAX, &e) <
	    0)
		trouble(&e);
	epoch_unref(&ep);
}

/* False: the end has come. */
static bool
sleep_ms(int64_t ms)
{
	const struct timespec until = clock_mono_timespec(clock_mono_us() + ms * 1000);
	pthread_mutex_lock(&mover.lock);
	while (!mover.stopping && pthread_cond_timedwait(&mover.wake, &mover.lock, &until) != ETIMEDOUT)
		;
	bool goes_on = !mover.stopping;
	pthread_mutex_unlock(&mover.lock);
	return goes_on;
}

/* Everything that is queued. False: trouble. */
static bool
move_all(void)
{
	struct err e = { 0 };
	const int64_t begun = clock_mono_us();
	int n;
	for (;;) {
		const int64_t step = clock_mono_us();
		const long long jobs = stats_jobs();
		n = event_move(milter_service.store, MOVE_MAX, &e);
		if (n < MOVE_MAX)
			break;
		const int64_t now = clock_mono_us();
		if (jobs != stats_jobs() && now - begun < GIVE_WAY_US)
			sleep_ms((now - step) * REST_TIMES / 1000);
	}
	if (n < 0)
		trouble(&e);
	return n >= 0;
}

static void *
mover_main(void *arg)
{
	int64_t pause = 0;
	(void)arg;
	while (sleep_ms(pause)) {
		pause = move_all() ? EVERY_MS : TROUBLE_MS;
		sweep();
	}
	move_all();
	return NULL;
}

int
events_start(void)
{
	clock_cond_init(&mover.wake);
	mover.stopping = false;
	int rc = pthread_create(&mover.thread, NULL, mover_main, NULL);
	if (rc == 0)
		return 0;
	log_error("cannot start a thread: %s", strerror(rc));
	return EX_OSERR;
}

void
events_stop(void)
{
	pthread_mutex_lock(&mover.lock);
	mover.stopping = true;
	pthread_cond_signal(&mover.wake);
	pthread_mutex_unlock(&mover.lock);
	pthread_join(mover.thread, NULL);
	pthread_cond_destroy(&mover.wake);
}
