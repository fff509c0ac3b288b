/*
 * loop: a thread that drives one daemon of libmicrohttpd. Its own threads must not: they ask epoll_wait for
 * 128 events at a time, and when there are just that many, or twice as many, they wait for more before they
 * look at those (daemon.c, MHD_epoll, of 0.9.75: the second call has the first one's timeout). With 128
 * connections busy in one thread nobody was answered until a new client came, or for idle_timeout. Here the
 * waiting is poll's, and libmicrohttpd only takes what is there (MHD_run: a timeout of 0).
 *
 * It also wrote to a descriptor for each request that was resumed. Here that is done once for all of them.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "web/private.h"

/* At the end: whose event is on disk is answered, as long as that is at once. */
#define LAST_ROUNDS 64

/* Milliseconds until there is something to do, whatever the descriptors say; -1: there is not. */
static int
timeout_of(const struct loop *l)
{
	MHD_UNSIGNED_LONG_LONG ms;
	if (l->again)
		return 0;
	if (MHD_get_timeout(l->daemon, &ms) != MHD_YES)
		return -1;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static unsigned
connections_of(const struct loop *l)
{
	return MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

/* What there is to do, after at most so long. True: there was something. */
static bool
turn(struct loop *l, int timeout_ms)
{
	struct pollfd on[] = { { .fd = l->events, .events = POLLIN }, { .fd = l->wake, .events = POLLIN } };
	eventfd_t n;
	const bool some = poll(on, 2, timeout_ms) > 0;
	const unsigned before = connections_of(l);
	/* What is resumed after this wakes it again. */
	if (on[1].revents != 0)
		eventfd_read(l->wake, &n);
	l->again = false;
	MHD_run(l->daemon);
	/* At its limit libmicrohttpd leaves the listener alone, and it forgets who has left only after it has
	 * thought about that: without another run nobody might be let in any more. */
	if (connections_of(l) < before)
		l->again = true;
	return some;
}

static void *
loop_main(void *arg)
{
	struct loop *l = arg;
	while (!atomic_load(&l->stopping))
		turn(l, timeout_of(l));
	for (int i = 0; i < LAST_ROUNDS && (turn(l, 0) || timeout_of(l) == 0); i++)
		;
	return NULL;
}

static void
wake(const struct loop *l)
{
	/* It fails only when it is awake already. */
	(void)eventfd_write(l->wake, 1);
}

void
loop_resume(struct loop *l, struct MHD_Connection *c)
{
	MHD_resume_connection(c);
	atomic_store(&l->resumed, true);
}

void
loop_resume_here(struct loop *l, struct MHD_Connection *c)
{
	MHD_resume_connection(c);
	l->again = true;
}

void
loops_wake(struct web *w)
{
	const size_t n = atomic_load(&w->nloops);
	for (size_t i = 0; i < n; i++)
		if (atomic_exchange(&w->loops[i]->resumed, false))
			wake(w->loops[i]);
}

static void
loop_free(struct loop *l)
{
	if (l->daemon != NULL)
		MHD_stop_daemon(l->daemon);
	if (l->wake >= 0)
		close(l->wake);
	free(l);
}

struct loop *
loop_new(struct web *w)
{
	struct loop *l = calloc(1, sizeof(*l));
	if (l == NULL)
		abort();
	l->web = w;
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return l;
}

int
loop_start(struct loop *l, struct err *e)
{
	const union MHD_DaemonInfo *i =
	    l->daemon != NULL ? MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	l->events = i != NULL ? i->epoll_fd : -1;
	const size_t n = atomic_load(&l->web->nloops);
	const bool made = l->wake >= 0 && l->events >= 0;
	const int rc = made ? pthread_create(&l->thread, NULL, loop_main, l) : errno;
	if (!made || rc != 0) {
		loop_free(l);
		return err_set(e, ERR_TEMP, "cannot start the HTTP server: %s", strerror(rc));
	}
	l->web->loops[n] = l;
	atomic_store(&l->web->nloops, n + 1);
	return 0;
}

void
loops_stop(struct web *w)
{
	for (size_t n = atomic_load(&w->nloops); n > 0; n--) {
		struct loop *l = w->loops[n - 1];
		atomic_store(&w->nloops, n - 1);
		atomic_store(&l->stopping, true);
		wake(l);
		pthread_join(l->thread, NULL);
		loop_free(l);
	}
}
