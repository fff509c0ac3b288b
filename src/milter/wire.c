#include "milter/wire.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int wire_write_timeout_ms = 7210000;

struct wire {
	size_t at, end; /* read ahead and not yet asked for: in[at, end) */
	size_t nout;
	bool corked;
	atomic_bool due;
	char in[WIRE_BUFFER], out[WIRE_BUFFER];
};

/* libmilter knows its connections by descriptor alone, so this is where they are found. */
static _Atomic(struct wire *) wires[WIRE_FDS];
/* How many are due: they are new or have something to be read, and no thread has looked at that yet. */
static atomic_int ndue;
/* Good within a callback: libmilter runs it in the thread that has just read the packet. */
static _Thread_local int reading = -1;

static struct wire *
wire_of(int fd)
{
	return fd >= 0 && fd < WIRE_FDS ? atomic_load_explicit(&wires[fd], memory_order_acquire) : NULL;
}

static void
due_set(struct wire *w, bool due)
{
	if (atomic_exchange(&w->due, due) != due)
		atomic_fetch_add(&ndue, due ? 1 : -1);
}

/* w takes the place of what was there. */
static void
wire_set(int fd, struct wire *w)
{
	if (fd >= 0 && fd < WIRE_FDS)
		w = atomic_exchange(&wires[fd], w);
	if (w != NULL)
		due_set(w, false);
	free(w);
}

int
wire_accept(int listener, struct sockaddr *address, socklen_t *n)
{
	int fd = accept(listener, address, n);
	struct wire *w = fd >= 0 ? malloc(sizeof(*w)) : NULL;
	if (w != NULL) {
		w->at = w->end = w->nout = 0;
		w->corked = false;
		atomic_init(&w->due, false);
		due_set(w, true);
	}
	/* Without memory it works as libmilter does by itself. */
	wire_set(fd, w);
	return fd;
}

int
wire_close(int fd)
{
	/* First, for the number may be another connection's as soon as it is closed. */
	wire_set(fd, NULL);
	return close(fd);
}

/* ---- reading ---- */

/*
 * Before it gives a connection to its one thread that polls for all of them, libmilter looks for so long
 * whether the next packet comes. That is shorter than a busy MTA takes, and then each packet costs two thread
 * switches and often a new thread: it keeps no more than two. While a session is busy it keeps its thread,
 * but not while others are due: libmilter counts on a thread that is idle for all of those at once, and
 * starts none.
 */
#define LIBMILTER_PATIENCE_MS 1
#define PATIENCE_MS 50
#define PATIENCE_STEP_MS 5

static int
poll_patiently(struct pollfd *p)
{
	for (int left = PATIENCE_MS;;) {
		const int step = atomic_load(&ndue) == 0 ? PATIENCE_STEP_MS : LIBMILTER_PATIENCE_MS;
		int rc = poll(p, 1, step);
		left -= step;
		if (rc != 0 || left <= 0 || atomic_load(&ndue) > 0)
			return rc;
	}
}

/* For many: for libmilter's one thread. */
static int
poll_all(struct pollfd *p, nfds_t n, int timeout_ms)
{
	int rc = poll(p, n, timeout_ms);
	for (nfds_t i = 0; i < n && rc > 0; i++) {
		struct wire *w = p[i].revents != 0 ? wire_of(p[i].fd) : NULL;
		if (w != NULL)
			due_set(w, true);
	}
	return rc;
}

/* True: there is something to be read. False also at the end or after an error, which the system then tells.
 */
static bool
read_ahead(struct wire *w, int fd)
{
	if (w->at < w->end)
		return true;
	ssize_t n = recv(fd, w->in, sizeof(w->in), MSG_DONTWAIT);
	w->at = 0;
	w->end = n > 0 ? (size_t)n : 0;
	return n > 0;
}

int
wire_poll(struct pollfd *p, nfds_t n, int timeout_ms)
{
	struct wire *w = n == 1 ? wire_of(p->fd) : NULL;
	if (w == NULL)
		return poll_all(p, n, timeout_ms);
	due_set(w, false);
	/* What is written now is kept back or polls for itself. */
	if ((p->events & POLLOUT) && w->corked)
		p->revents = POLLOUT;
	else if ((p->events & POLLIN) && read_ahead(w, p->fd))
		p->revents = POLLIN;
	else if ((p->events & POLLIN) && timeout_ms == LIBMILTER_PATIENCE_MS)
		return poll_patiently(p);
	else
		return poll(p, n, timeout_ms);
	return 1;
}

/* Into `to` first, and what comes behind it is kept: a body is not copied twice. */
static ssize_t
read_more(struct wire *w, int fd, char *to, size_t n, int flags)
{
	struct iovec v[2] = { { to, n }, { w->in, sizeof(w->in) } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	ssize_t got = recvmsg(fd, &m, flags);
	w->at = 0;
	w->end = got > 0 && (size_t)got > n ? (size_t)got - n : 0;
	return got > 0 && (size_t)got > n ? (ssize_t)n : got;
}

ssize_t
wire_read(int fd, void *to, size_t n)
{
	struct wire *w = wire_of(fd);
	/* Also of one that is not known: else what this thread corks would be the connection that it read
	 * before. */
	reading = fd;
	if (w == NULL)
		return read(fd, to, n);
	size_t had = w->end - w->at < n ? w->end - w->at : n;
	memcpy(to, w->in + w->at, had);
	w->at += had;
	if (had == n)
		return (ssize_t)n;
	ssize_t got = read_more(w, fd, (char *)to + had, n - had, had > 0 ? MSG_DONTWAIT : 0);
	if (had == 0)
		return got;
	/* An end or an error shows again when it is asked for. */
	return (ssize_t)had + (got > 0 ? got : 0);
}

/* ---- as compilers call them that check the room (_FORTIFY_SOURCE) ---- */

int
wire_poll_chk(struct pollfd *p, nfds_t n, int timeout_ms, size_t room)
{
	if (n > room / sizeof(*p))
		abort();
	return wire_poll(p, n, timeout_ms);
}

ssize_t
wire_read_chk(int fd, void *to, size_t n, size_t room)
{
	if (n > room)
		abort();
	return wire_read(fd, to, n);
}

/* ---- writing ---- */

static int
writable_wait(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int rc;
	while ((rc = poll(&p, 1, wire_write_timeout_ms)) < 0 && errno == EINTR)
		;
	/* poll leaves errno as it was, and EAGAIN would have us try again. */
	if (rc == 0)
		errno = ETIMEDOUT;
	return rc > 0 ? 0 : -1;
}

static int
out_flush(struct wire *w, int fd)
{
	size_t sent = 0;
	while (sent < w->nout) {
		ssize_t n = writable_wait(fd) == 0
				? send(fd, w->out + sent, w->nout - sent, MSG_NOSIGNAL | MSG_DONTWAIT)
				: -1;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
	}
	bool all = sent == w->nout;
	w->nout = 0;
	return all ? 0 : -1;
}

ssize_t
wire_writev(int fd, const struct iovec *v, int n)
{
	struct wire *w = wire_of(fd);
	size_t total = 0;
	if (w == NULL || !w->corked)
		return writev(fd, v, n);
	for (int i = 0; i < n; i++)
		total += v[i].iov_len;
	if (w->nout + total > sizeof(w->out) && out_flush(w, fd) != 0)
		return -1;
	if (total > sizeof(w->out))
		return writable_wait(fd) == 0 ? writev(fd, v, n) : -1;
	for (int i = 0; i < n; i++) {
		if (v[i].iov_len > 0)
			memcpy(w->out + w->nout, v[i].iov_base, v[i].iov_len);
		w->nout += v[i].iov_len;
	}
	return (ssize_t)total;
}

void
wire_cork(void)
{
	struct wire *w = wire_of(reading);
	if (w != NULL)
		w->corked = true;
}

int
wire_uncork(void)
{
	struct wire *w = wire_of(reading);
	if (w == NULL)
		return 0;
	w->corked = false;
	return out_flush(w, reading);
}
