/*
 * milter-wire: the MTA's side of the milter protocol, version 6, over a unix
 * socket: packets, negotiation, answers. For milter-client and whoever drives
 * a filter in tests. A connection belongs to one thread.
 */
#ifndef MT_TESTS_MILTER_WIRE_H
#define MT_TESTS_MILTER_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

#include "base/buf.h"
#include "base/err.h"

/* Every step may go without an answer. */
#define WIRE_NR_ALL                                                                                      \
	(SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_DATA | SMFIP_NR_UNKN | \
	 SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY)
#define WIRE_TIMEOUT_S 60
#define WIRE_MAX_PACKET (1 << 20)

struct wire {
	int fd;
	uint32_t steps; /* what the filter chose of SMFIP_* */
	struct buf out; /* packets not yet sent */
	struct buf in;	/* read ahead */
	size_t in_at;
};

static inline void
wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	buf_free(&w->out);
	buf_free(&w->in);
	w->in_at = 0;
}

static inline void
wire_u32(struct buf *b, uint32_t v)
{
	uint32_t be = htonl(v);
	buf_add(b, &be, sizeof(be));
}

/* Adds a packet; it leaves with the next wire_flush. */
static inline void
wire_put(struct wire *w, char command, struct str data)
{
	wire_u32(&w->out, (uint32_t)data.n + 1);
	buf_addc(&w->out, command);
	buf_adds(&w->out, data);
}

static inline int
wire_flush(struct wire *w, struct err *e)
{
	for (size_t at = 0; at < w->out.n;) {
		ssize_t n = send(w->fd, w->out.p + at, w->out.n - at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, ERR_IO, "the filter takes nothing: %m");
		at += (size_t)n;
	}
	buf_reset(&w->out);
	return 0;
}

static inline int
wire_fill(struct wire *w, size_t need, struct err *e)
{
	if (w->in_at > 0 && w->in_at == w->in.n) {
		buf_reset(&w->in);
		w->in_at = 0;
	}
	while (w->in.n - w->in_at < need) {
		buf_reserve(&w->in, 65536);
		ssize_t n = recv(w->fd, w->in.p + w->in.n, w->in.cap - w->in.n - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_IO, "no answer from the filter: %m");
		if (n == 0)
			return err_set(e, ERR_IO, "the filter hung up");
		w->in.n += (size_t)n;
	}
	return 0;
}

/* Sends what waits and reads one packet; *data stands until the next call. */
static inline int
wire_get(struct wire *w, char *command, struct str *data, struct err *e)
{
	uint32_t len;
	if (wire_flush(w, e) != 0 || wire_fill(w, 4, e) != 0)
		return -1;
	memcpy(&len, w->in.p + w->in_at, 4);
	len = ntohl(len);
	if (len == 0 || len > WIRE_MAX_PACKET)
		return err_set(e, ERR_INPUT, "the filter sent a packet of %u bytes", len);
	if (wire_fill(w, 4 + (size_t)len, e) != 0)
		return -1;
	*command = w->in.p[w->in_at + 4];
	*data = str_make(w->in.p + w->in_at + 5, len - 1);
	w->in_at += 4 + (size_t)len;
	return 0;
}

/* steps: the SMFIP_* offered. */
static inline int
wire_open(struct wire *w, const char *path, uint32_t steps, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = WIRE_TIMEOUT_S };
	struct buf offer = { 0 };
	struct str answer;
	uint32_t v[3];
	char command;
	*w = (struct wire){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(w->fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		return err_set(e, ERR_IO, "%s: %m", path);
	wire_u32(&offer, 6);
	wire_u32(&offer, SMFI_CURR_ACTS);
	wire_u32(&offer, steps);
	wire_put(w, SMFIC_OPTNEG, buf_str(&offer));
	buf_free(&offer);
	if (wire_get(w, &command, &answer, e) != 0)
		return -1;
	if (command != SMFIC_OPTNEG || answer.n < sizeof(v))
		return err_set(e, ERR_INPUT, "the filter does not negotiate (%c)", command);
	memcpy(v, answer.p, sizeof(v));
	w->steps = ntohl(v[2]);
	if (w->steps & ~steps)
		return err_set(e, ERR_INPUT, "the filter wants steps %#x that were not offered",
			       w->steps & ~steps);
	return 0;
}

/*
 * One step: macros ("name\0value\0…", may be empty), then the command unless the filter skips it (no), then
 * the answer unless it gives none (nr). *answer is SMFIR_CONTINUE when none is due.
 */
static inline int
wire_step(struct wire *w, char command, struct str data, struct str macros, uint32_t no, uint32_t nr,
	  char *answer, struct str *text, struct err *e)
{
	*answer = SMFIR_CONTINUE;
	*text = STR_NULL;
	if (w->steps & no)
		return 0;
	if (macros.n > 0) {
		wire_u32(&w->out, (uint32_t)macros.n + 2);
		buf_addc(&w->out, SMFIC_MACRO);
		buf_addc(&w->out, command);
		buf_adds(&w->out, macros);
	}
	wire_put(w, command, data);
	return w->steps & nr ? 0 : wire_get(w, answer, text, e);
}

#endif
