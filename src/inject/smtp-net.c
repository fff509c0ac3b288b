/*
 * smtp-net: connecting, and a driver for libetpan's mailstream_low. libetpan 1.9.4's own socket driver waits
 * anew for every byte, raises SIGPIPE, takes the end of a connection for the end of a line, and calls FD_SET
 * on any descriptor.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "inject/smtp-private.h"

/* Waits until the deadline; 1 ready, 0 time-out, -1 errno. */
static int
net_wait(int fd, short events, int64_t deadline_us)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline_us - clock_mono_us();
		int r;

		if (left < 0)
			left = 0;
		left = (left + 999) / 1000;
		r = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (r > 0)
			return 1;
		if (r == 0 && clock_mono_us() >= deadline_us)
			return 0;
		if (r < 0 && errno != EINTR)
			return -1;
	}
}

static ssize_t
net_fail(struct smtp_net *n, enum net_fault fault)
{
	n->fault = fault;
	n->error = fault == NET_ERROR ? errno : 0;
	return -1;
}

static ssize_t
net_read(mailstream_low *low, void *p, size_t size)
{
	struct smtp_net *n = low->data;

	if (n->fault != NET_OK)
		return -1;
	if (n->budget == 0)
		return net_fail(n, NET_LONG);
	if (size > n->budget)
		size = n->budget;
	for (;;) {
		int ready = net_wait(n->fd, POLLIN, n->deadline_us);
		ssize_t got;

		if (ready <= 0)
			return net_fail(n, ready == 0 ? NET_TIMEOUT : NET_ERROR);
		got = recv(n->fd, p, size, MSG_DONTWAIT);
		if (got > 0) {
			n->budget -= (size_t)got;
			return got;
		}
		/* Not 0, which libetpan takes for the end of a line: half a reply would count as one. */
		if (got == 0)
			return net_fail(n, NET_CLOSED);
		if (errno != EAGAIN && errno != EINTR)
			return net_fail(n, errno == ECONNRESET ? NET_CLOSED : NET_ERROR);
	}
}

static ssize_t
net_write(mailstream_low *low, const void *p, size_t size)
{
	struct smtp_net *n = low->data;

	if (n->fault != NET_OK)
		return -1;
	for (;;) {
		ssize_t put = send(n->fd, p, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		int ready;

		if (put >= 0)
			return put;
		if (errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return net_fail(n, NET_CLOSED);
		if (errno != EAGAIN)
			return net_fail(n, NET_ERROR);
		ready = net_wait(n->fd, POLLOUT, n->deadline_us);
		if (ready <= 0)
			return net_fail(n, ready == 0 ? NET_TIMEOUT : NET_ERROR);
	}
}

static int
net_close(mailstream_low *low)
{
	smtp_net_close(low->data);
	return 0;
}

static int
net_fd(mailstream_low *low)
{
	return ((struct smtp_net *)low->data)->fd;
}

static void
net_free(mailstream_low *low)
{
	free(low);
}

mailstream *
smtp_net_stream(struct smtp_net *n)
{
	/* libetpan takes it without const. */
	static mailstream_low_driver driver = { .mailstream_read = net_read,
						.mailstream_write = net_write,
						.mailstream_close = net_close,
						.mailstream_get_fd = net_fd,
						.mailstream_free = net_free };
	mailstream_low *low = mailstream_low_new(n, &driver);
	mailstream *s = low ? mailstream_new(low, 4096) : NULL;

	if (!s)
		free(low);
	return s;
}

void
smtp_net_close(struct smtp_net *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

bool
smtp_net_readable(const struct smtp_net *n)
{
	struct pollfd p = { .fd = n->fd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

/* ---- connecting ---- */

static bool
connect_unix(struct smtp_net *n, const char *path, char *text, size_t size)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int64_t left = n->deadline_us - clock_mono_us();
	struct timeval wait = { .tv_sec = left / 1000000, .tv_usec = left % 1000000 };
	int r;

	if (strlen(path) >= sizeof a.sun_path) {
		snprintf(text, size, "unix:%s: longer than %zu bytes", path, sizeof a.sun_path - 1);
		return false;
	}
	memcpy(a.sun_path, path, strlen(path));
	if (left <= 0)
		wait = (struct timeval){ 0, 1 }; /* 0 would be without end */
	/* Blocking: when the backlog is full, a non-blocking socket gives EAGAIN and nothing to poll for. */
	n->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (n->fd >= 0 && setsockopt(n->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0) {
		do
			r = connect(n->fd, (struct sockaddr *)&a, sizeof a);
		while (r != 0 && errno == EINTR);
		if (r == 0)
			return true;
	}
	snprintf(text, size, "unix:%s: %s", path, errno == EAGAIN ? "time-out" : strerror(errno));
	smtp_net_close(n);
	return false;
}

/* 0, or an errno. */
static int
connect_address(struct smtp_net *n, const struct addrinfo *a)
{
	int error = 0, on = 1;
	socklen_t size = sizeof error;

	n->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd < 0)
		return errno;
	/* Without it a command waits for the acknowledgement of the one before: 23 copies/s instead of 2,000.
	 */
	setsockopt(n->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(n->fd, a->ai_addr, a->ai_addrlen) == 0)
		return 0;
	error = errno;
	if (error == EINPROGRESS) {
		int ready = net_wait(n->fd, POLLOUT, n->deadline_us);

		if (ready <= 0)
			error = ready == 0 ? ETIMEDOUT : errno;
		else if (getsockopt(n->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
			error = errno;
	}
	if (error != 0)
		smtp_net_close(n);
	return error;
}

static bool
connect_tcp(struct smtp_net *n, const struct smtp_target *t, char *text, size_t size)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICSERV },
			*list;
	char port[12];
	int r, error = EADDRNOTAVAIL;

	snprintf(port, sizeof port, "%d", t->port);
	r = getaddrinfo(t->host, port, &hints, &list);
	if (r != 0) {
		snprintf(text, size, "%s: %s", t->host, gai_strerror(r));
		return false;
	}
	for (const struct addrinfo *a = list; a && error != 0; a = a->ai_next)
		error = connect_address(n, a);
	freeaddrinfo(list);
	if (error != 0)
		snprintf(text, size, "%s:%d: %s", t->host, t->port,
			 error == ETIMEDOUT ? "time-out" : strerror(error));
	return error == 0;
}

bool
smtp_net_connect(struct smtp_net *n, const struct smtp_target *t, char *text, size_t size)
{
	n->fd = -1;
	n->fault = NET_OK;
	return t->unix_path ? connect_unix(n, t->unix_path, text, size) : connect_tcp(n, t, text, size);
}
