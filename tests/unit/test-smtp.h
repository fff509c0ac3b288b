/*
 * test-smtp: an SMTP server in a thread, that does at one step what the test says and at all others what a
 * server should. It takes one connection after the other.
 */
#ifndef MT_TEST_SMTP_H
#define MT_TEST_SMTP_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "inject/smtp.h"

enum at { AT_GREETING, AT_EHLO, AT_MAIL, AT_RCPT, AT_DATA, AT_MESSAGE, AT_RSET, AT_QUIT, AT_COUNT };
enum act {
	ACT_REPLY,	 /* with text */
	ACT_REPLY_CLOSE, /* and gone */
	ACT_CLOSE,	 /* instead of a reply */
	ACT_HANG,	 /* no reply until the client goes */
	ACT_TRICKLE,	 /* text over and over, a byte at a time, until the client goes */
	ACT_FLOOD,	 /* text over and over, as fast as it goes */
	ACT_STALL, /* at AT_DATA: 354, then reads `stall` bytes of the message and no more; then text, close
		    */
	ACT_SIP,   /* at AT_DATA: 354, then a byte every few milliseconds is all it reads */
};

struct server {
	/* to be set before server_start */
	const char *unix_path; /* or NULL: TCP */
	const char *ehlo;      /* keywords, one a line, "\n" behind each */
	enum act act;
	enum at at;
	const char *text; /* of the act */
	int times;	  /* how often; afterwards it behaves */
	size_t stall;
	/* results, to be read after server_stop, the counters at any time */
	atomic_int connections, messages, acted;
	struct buf log;	 /* all commands */
	struct buf last; /* the last message, as it came, without the final ".\r\n" */
	/* its own */
	int listener, port, wake[2];
	pthread_t thread;
	struct buf in;
	size_t eaten;
};

#define FULL "250-PIPELINING\n250-SIZE 10000000\n250-8BITMIME\n250-SMTPUTF8\n250 DSN\n"
#define FULL_NO_PIPELINING "250-SIZE 10000000\n250-8BITMIME\n250-SMTPUTF8\n250 DSN\n"

/* False: the client is gone, or the server is to stop. */
static inline bool
server_wait(struct server *s, int fd, int ms)
{
	struct pollfd p[2] = { { .fd = s->wake[0], .events = POLLIN }, { .fd = fd, .events = POLLIN } };

	poll(p, 2, ms);
	return !(p[0].revents & POLLIN);
}

static inline bool
server_put(int fd, const char *text)
{
	struct buf b = { 0 };
	bool ok;

	for (const char *p = text; *p; p++)
		buf_add(&b, *p == '\n' ? "\r\n" : p, *p == '\n' ? 2 : 1);
	ok = b.n == 0 || send(fd, b.p, b.n, MSG_NOSIGNAL) == (ssize_t)b.n;
	buf_free(&b);
	return ok;
}

/* The next line with its LF; false at the end. */
static inline bool
server_line(struct server *s, int fd, struct str *line)
{
	for (;;) {
		struct str rest = str_sub(buf_str(&s->in), s->eaten, s->in.n);
		size_t lf = str_find_char(rest, '\n');
		ssize_t got;

		if (lf < rest.n) {
			*line = str_sub(rest, 0, lf + 1);
			s->eaten += lf + 1;
			return true;
		}
		buf_reserve(&s->in, 65536);
		memmove(s->in.p, s->in.p + s->eaten, rest.n);
		s->in.n = rest.n;
		s->eaten = 0;
		if (!server_wait(s, fd, -1))
			return false;
		got = recv(fd, s->in.p + s->in.n, 65536, 0);
		if (got <= 0)
			return false;
		s->in.n += (size_t)got;
	}
}

/* False: the connection is over. */
static inline bool
server_act(struct server *s, int fd)
{
	atomic_fetch_add(&s->acted, 1);
	switch (s->act) {
	case ACT_REPLY:
		return server_put(fd, s->text);
	case ACT_REPLY_CLOSE:
		server_put(fd, s->text);
		return false;
	case ACT_CLOSE:
		return false;
	case ACT_HANG:
		while (server_wait(s, fd, -1) && recv(fd, (char[4096]){ 0 }, 4096, 0) > 0)
			;
		return false;
	case ACT_TRICKLE:
		for (const char *p = s->text;; p = p[1] ? p + 1 : s->text)
			if (!server_wait(s, -1, 20) || send(fd, p, 1, MSG_NOSIGNAL) < 0)
				return false;
	case ACT_FLOOD:
		while (send(fd, s->text, strlen(s->text), MSG_NOSIGNAL) > 0)
			;
		return false;
	case ACT_STALL:
		server_put(fd, "354 go\n");
		for (size_t n = 0; n < s->stall && server_wait(s, fd, -1);) {
			ssize_t got = recv(fd, (char[4096]){ 0 }, 4096, 0);
			if (got <= 0)
				return false;
			n += (size_t)got;
		}
		if (s->text)
			server_put(fd, s->text);
		else
			server_wait(s, -1, -1);
		return false;
	case ACT_SIP:
		server_put(fd, "354 go\n");
		while (server_wait(s, -1, 5) && recv(fd, (char[1]){ 0 }, 1, 0) > 0)
			;
		return false;
	}
	return false;
}

/* What stands between DATA and the final dot. */
static inline bool
server_message(struct server *s, int fd)
{
	struct str line;

	buf_reset(&s->last);
	while (server_line(s, fd, &line)) {
		if (str_eq(line, STR(".\r\n"))) {
			atomic_fetch_add(&s->messages, 1);
			return true;
		}
		buf_adds(&s->last, line);
	}
	return false;
}

static inline bool
acting(struct server *s, enum at step)
{
	return step == s->at && atomic_load(&s->acted) < s->times;
}

/* Says at step what a server says, or does what the test says. */
static inline bool
server_step(struct server *s, int fd, enum at step)
{
	static const char *const good[] = { "220 here\n",     NULL,
					    "250 2.1.0 Ok\n", "250 2.1.5 Ok\n",
					    "354 go\n",	      "250 2.0.0 Ok: queued\n",
					    "250 2.0.0 Ok\n", "221 2.0.0 Bye\n" };

	if (acting(s, step))
		return server_act(s, fd);
	if (step == AT_EHLO)
		return server_put(fd, *s->ehlo ? "250-here\n" : "250 here\n") && server_put(fd, s->ehlo);
	return server_put(fd, good[step]) && step != AT_QUIT;
}

static inline void
server_talk(struct server *s, int fd)
{
	static const char *const verbs[] = { "",	 "EHLO ", "MAIL FROM:<", "RCPT TO:<",
					     "DATA\r\n", "",	  "RSET\r\n",	 "QUIT\r\n" };
	bool sender = false, recipient = false;
	struct str line;

	s->in.n = s->eaten = 0;
	if (!server_step(s, fd, AT_GREETING))
		return;
	while (server_line(s, fd, &line)) {
		enum at step = AT_COUNT;
		int acted = atomic_load(&s->acted);
		bool said;

		buf_adds(&s->log, line);
		for (enum at i = 0; i < AT_COUNT; i++)
			if (*verbs[i] && str_starts(line, str_of(verbs[i])))
				step = i;
		if (step == AT_COUNT)
			said = server_put(fd, "500 5.5.2 what?\n");
		else if (!acting(s, step) &&
			 ((step == AT_RCPT && !sender) || (step == AT_DATA && !recipient)))
			said = server_put(fd, "503 5.5.1 bad sequence\n");
		else
			said = server_step(s, fd, step);
		if (!said)
			return;
		if (atomic_load(&s->acted) != acted)
			continue;
		sender |= step == AT_MAIL;
		recipient |= step == AT_RCPT && sender;
		if (step == AT_DATA && recipient &&
		    (!server_message(s, fd) || !server_step(s, fd, AT_MESSAGE)))
			return;
		if (step == AT_DATA || step == AT_RSET)
			sender = recipient = false;
	}
}

static inline void *
server_main(void *arg)
{
	struct server *s = arg;

	while (server_wait(s, s->listener, -1)) {
		int fd = accept(s->listener, NULL, NULL);

		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		atomic_fetch_add(&s->connections, 1);
		server_talk(s, fd);
		close(fd);
	}
	return NULL;
}

static inline void
server_listen(struct server *s)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t n = sizeof in;

	s->listener = socket(s->unix_path ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
	if (s->unix_path) {
		snprintf(un.sun_path, sizeof un.sun_path, "%s", s->unix_path);
		unlink(s->unix_path);
		assert_int_equal(bind(s->listener, (struct sockaddr *)&un, sizeof un), 0);
	} else {
		assert_int_equal(bind(s->listener, (struct sockaddr *)&in, sizeof in), 0);
		assert_int_equal(getsockname(s->listener, (struct sockaddr *)&in, &n), 0);
		s->port = ntohs(in.sin_port);
	}
	assert_int_equal(listen(s->listener, 16), 0);
}

static inline void
server_start(struct server *s)
{
	if (!s->ehlo)
		s->ehlo = FULL;
	server_listen(s);
	assert_int_equal(pipe(s->wake), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static inline void
server_stop(struct server *s)
{
	assert_int_equal(write(s->wake[1], "x", 1), 1);
	pthread_join(s->thread, NULL);
	close(s->listener);
	close(s->wake[0]);
	close(s->wake[1]);
	if (s->unix_path)
		unlink(s->unix_path);
	buf_free(&s->in);
}

static inline void
server_free(struct server *s)
{
	buf_free(&s->log);
	buf_free(&s->last);
}

static inline struct smtp_conn *
client_new(const struct server *s, int64_t timeout_ms)
{
	struct smtp_target t = { .host = "127.0.0.1",
				 .port = s->port,
				 .unix_path = s->unix_path,
				 .helo = "client.example",
				 .connect_timeout_ms = timeout_ms,
				 .command_timeout_ms = timeout_ms,
				 .data_timeout_ms = timeout_ms };
	return smtp_conn_new(&t);
}

#endif
