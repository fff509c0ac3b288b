/*
 * reaper: cuts off clients that take too long over one request. libmicrohttpd's own time-out starts anew with
 * every byte, so one byte every few seconds would hold a connection for ever.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "web/private.h"

/* From the end of one request (or the connection's begin) to the next one being complete: the idle time-out
 * and this. */
#define REQUEST_MS 20000

struct guarded {
	int fd;
	int64_t deadline_us;
	struct guarded *next, *prev;
};

struct reaper {
	struct web *web;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	struct guarded *all;
	int64_t allowed_us;
	bool stopping;
	pthread_t thread;
};

/* Callbacks of libmicrohttpd that have no context for it; one per process. */
static struct reaper reaper = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct guarded *
guarded_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return i != NULL ? i->socket_context : NULL;
}

void
reaper_connection(void *cls, struct MHD_Connection *c, void **socket_context,
		  enum MHD_ConnectionNotificationCode code)
{
	struct web *w = cls;
	struct guarded *g = *socket_context;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		g = calloc(1, sizeof(*g));
		if (g == NULL)
			abort();
		g->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		*socket_context = g;
		atomic_fetch_add(&w->metrics.connections, 1);
		pthread_mutex_lock(&reaper.lock);
		g->deadline_us = clock_mono_us() + reaper.allowed_us;
		g->next = reaper.all;
		if (g->next != NULL)
			g->next->prev = g;
		reaper.all = g;
		pthread_mutex_unlock(&reaper.lock);
		return;
	}
	/* libmicrohttpd closes the descriptor after this, so it is never shut down when it is another's. */
	atomic_fetch_sub(&w->metrics.connections, 1);
	pthread_mutex_lock(&reaper.lock);
	if (g->prev != NULL)
		g->prev->next = g->next;
	else
		reaper.all = g->next;
	if (g->next != NULL)
		g->next->prev = g->prev;
	pthread_mutex_unlock(&reaper.lock);
	free(g);
}

void
reaper_touch(struct MHD_Connection *c, int64_t deadline_us)
{
	struct guarded *g = guarded_of(c);
	if (g == NULL)
		return;
	pthread_mutex_lock(&reaper.lock);
	g->deadline_us = deadline_us > 0 ? deadline_us : clock_mono_us() + reaper.allowed_us;
	pthread_mutex_unlock(&reaper.lock);
}

static void *
reaper_main(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&reaper.lock);
	while (!reaper.stopping) {
		const struct timespec until = clock_mono_timespec(clock_mono_us() + 1000000);
		pthread_cond_timedwait(&reaper.stop, &reaper.lock, &until);
		int64_t now = clock_mono_us();
		for (struct guarded *g = reaper.all; g != NULL; g = g->next)
			if (now > g->deadline_us)
				shutdown(g->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&reaper.lock);
	return NULL;
}

int
reaper_start(int64_t idle_ms, struct err *e)
{
	reaper.allowed_us = (idle_ms + REQUEST_MS) * 1000;
	reaper.stopping = false;
	clock_cond_init(&reaper.stop);
	if (pthread_create(&reaper.thread, NULL, reaper_main, NULL) != 0)
		return err_set(e, ERR_TEMP, "cannot start a thread");
	return 0;
}

void
reaper_stop(void)
{
	pthread_mutex_lock(&reaper.lock);
	reaper.stopping = true;
	pthread_cond_signal(&reaper.stop);
	pthread_mutex_unlock(&reaper.lock);
	pthread_join(reaper.thread, NULL);
}
