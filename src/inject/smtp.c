/*
 * smtp: one connection, one copy after the other. The manual is in smtp.h.
 *
 * libetpan holds the session, the stream and its buffers, and reads the replies. Its mailsmtp_mail and
 * friends are not used: they know neither BODY= nor SMTPUTF8, cut what exceeds 512 bytes, and wait for each
 * reply before the next command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "inject/smtp-private.h"

/* Exported by libetpan.so.20, but their header (mailsmtp_private.h) is not installed. */
int mailsmtp_read_response(mailsmtp *session);
int mailsmtp_send_command(mailsmtp *session, char *command);

#define MAX_REPLY ((size_t)64 << 10)
#define QUIT_MS 2000
#define IDLE_US 1000000		     /* a connection that rested so long is looked at before it is used */
#define KEEP_BYTES ((size_t)1 << 20) /* what one large message may leave in the buffer */

enum step { STEP_CONNECT, STEP_GREETING, STEP_EHLO, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_MESSAGE };
static const struct {
	const char *name;
	int expect; /* first digit of the reply that lets it go on */
} steps[] = { { "connect", 0 }, { "greeting", 2 }, { "EHLO", 2 },   { "MAIL", 2 },
	      { "RCPT", 2 },	{ "DATA", 3 },	   { "message", 2 } };

struct smtp_conn {
	struct smtp_target target; /* strings are ours */
	struct smtp_net net;
	mailsmtp *session; /* its stream is NULL while there is no connection */
	unsigned offered;
	uint64_t max_size; /* the server's; 0: none */
	bool used;	   /* has carried a transaction */
	bool dirty;	   /* a transaction failed half way: RSET before the next */
	int64_t used_us;   /* when it was last spoken to */
	struct buf out;	   /* commands, or the message as it is sent */
};

static char *
copied(const char *s)
{
	char *p = s ? strdup(s) : NULL;

	if (s && !p)
		abort(); /* as arena.h says */
	return p;
}

static bool
helo_ok(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	for (size_t i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return n > 0 && n <= 255;
}

struct smtp_conn *
smtp_conn_new(const struct smtp_target *t)
{
	struct smtp_conn *c = calloc(1, sizeof *c);
	char machine[256] = "";

	if (!c || !(c->session = mailsmtp_new(0, NULL)))
		abort();
	c->target = *t;
	c->target.host = copied(t->host ? t->host : "");
	c->target.unix_path = copied(t->unix_path);
	if (!t->helo || !*t->helo)
		gethostname(machine, sizeof machine - 1);
	c->target.helo = copied(helo_ok(t->helo) ? t->helo : helo_ok(machine) ? machine : "localhost");
	c->net.fd = -1;
	return c;
}

/* No word of farewell. */
static void
conn_drop(struct smtp_conn *c)
{
	if (c->session->stream)
		mailstream_close(c->session->stream); /* and the descriptor */
	c->session->stream = NULL;
	c->used = c->dirty = false;
}

/* The reply is awaited, so that the server does not log a lost connection. */
static void
conn_quit(struct smtp_conn *c)
{
	char quit[] = "QUIT\r\n";
	int64_t ms = c->target.command_timeout_ms;

	if (!c->session->stream)
		return;
	c->net.deadline_us = clock_mono_us() + (ms < QUIT_MS ? ms : QUIT_MS) * 1000;
	c->net.budget = MAX_REPLY;
	if (mailsmtp_send_command(c->session, quit) == 0)
		mailsmtp_read_response(c->session);
	conn_drop(c);
}

void
smtp_conn_close(struct smtp_conn **cp)
{
	struct smtp_conn *c = *cp;

	if (!c)
		return;
	conn_quit(c);
	mailsmtp_free(c->session);
	buf_free(&c->out);
	free((char *)c->target.host);
	free((char *)c->target.unix_path);
	free((char *)c->target.helo);
	free(c);
	*cp = NULL;
}

/* ---- steps and their outcome ---- */

static void
step_begin(struct smtp_conn *c, int64_t timeout_ms)
{
	c->net.deadline_us = clock_mono_us() + timeout_ms * 1000;
	c->net.budget = MAX_REPLY;
}

/* Everything in c->out; false: c->net.fault. */
static bool
out_send(struct smtp_conn *c)
{
	mailstream *s = c->session->stream;

	if (mailstream_write(s, c->out.p, c->out.n) == (ssize_t)c->out.n && mailstream_flush(s) == 0)
		return true;
	if (c->net.fault == NET_OK)
		c->net.fault = NET_ERROR; /* cannot be: libetpan fails only when the driver does */
	return false;
}

/* The reply's code; 0: none that can be read (net.fault tells why, or nonsense). Its text: session->response.
 */
static int
reply_read(struct smtp_conn *c)
{
	int code = mailsmtp_read_response(c->session);

	return c->net.fault == NET_OK && code >= 200 && code <= 599 ? code : 0;
}

/* No reply that means anything at this step. The connection is of no more use. */
static void
outcome_broken(struct smtp_conn *c, enum step step, int code, struct smtp_result *out)
{
	const char *name = steps[step].name, *what, *enhanced = "4.4.2", *more = "";
	char digits[16] = "";

	switch (c->net.fault) {
	case NET_CLOSED:
		what = "the server closed the connection";
		break;
	case NET_TIMEOUT:
		what = "the server did not answer in time";
		break;
	case NET_ERROR:
		what = "the connection failed: ";
		more = strerror(c->net.error);
		break;
	case NET_LONG:
		what = "the server's reply has no end";
		enhanced = "4.5.0";
		break;
	default:
		what = "the server's reply makes no sense here: ";
		more = c->session->response;
		enhanced = "4.5.0";
	}
	if (code > 0)
		snprintf(digits, sizeof digits, "%d ", code);
	smtp_result_set(out, SMTP_TEMPFAIL, name, enhanced, "%s: %s%s%.200s", name, what, digits,
			more ? more : "");
	out->code = code;
	out->connection_lost = true;
	conn_drop(c);
}

/* code is the reply to step (0: see reply_read), and not what it hopes for. */
static void
outcome_set(struct smtp_conn *c, enum step step, int code, struct smtp_result *out)
{
	if (code < 400) {
		outcome_broken(c, step, code, out);
		return;
	}
	out->status = code >= 500 ? SMTP_PERMFAIL : SMTP_TEMPFAIL;
	out->step = steps[step].name;
	smtp_reply_describe(code, str_of(c->session->response), out);
	if (code == 421) {
		out->connection_lost = true;
		conn_drop(c);
	}
}

/* ---- opening ---- */

/* The opening failed at step with this code: the port is out of order, whatever the copy is. */
static bool
open_failed(struct smtp_conn *c, enum step step, int code, struct smtp_result *out)
{
	outcome_set(c, step, code, out);
	out->status = SMTP_TEMPFAIL;
	if (out->enhanced[0] == '5')
		out->enhanced[0] = '4';
	out->connection_lost = true;
	conn_drop(c);
	return false;
}

static bool
open_ehlo(struct smtp_conn *c, struct smtp_result *out)
{
	int code = 0;

	buf_reset(&c->out);
	buf_printf(&c->out, "EHLO %s\r\n", c->target.helo);
	step_begin(c, c->target.command_timeout_ms);
	if (out_send(c))
		code = reply_read(c);
	if (code / 100 != 2)
		return open_failed(c, STEP_EHLO, code, out);
	c->offered = smtp_ehlo_parse(str_of(c->session->response), &c->max_size);
	return true;
}

bool
smtp_conn_open(struct smtp_conn *c, struct smtp_result *out)
{
	char text[400];
	mailstream *s;
	int r, code;

	if (c->session->stream)
		return true;
	*out = (struct smtp_result){ .status = SMTP_TEMPFAIL };
	step_begin(c, c->target.connect_timeout_ms);
	if (!smtp_net_connect(&c->net, &c->target, text, sizeof text)) {
		smtp_result_set(out, SMTP_TEMPFAIL, steps[STEP_CONNECT].name, "4.4.1", "cannot connect to %s",
				text);
		out->connection_lost = true;
		return false;
	}
	s = smtp_net_stream(&c->net);
	if (!s)
		abort();
	step_begin(c, c->target.command_timeout_ms);
	r = mailsmtp_connect(c->session, s); /* closes s unless the greeting is 220 */
	if (r != MAILSMTP_NO_ERROR) {
		code = c->session->response_code;
		code = c->net.fault == NET_OK && code >= 400 && code <= 599 ? code : 0;
		return open_failed(c, STEP_GREETING, code, out);
	}
	return open_ehlo(c, out);
}

/* A connection at rest may have been closed, or hold a 421 that nobody asked for: then it is not used. */
static void
conn_look(struct smtp_conn *c)
{
	if (!c->session->stream)
		return;
	if (c->session->stream->read_buffer_len > 0 ||
	    (clock_mono_us() - c->used_us > IDLE_US && smtp_net_readable(&c->net)))
		conn_drop(c);
}

/* ---- a copy ---- */

/* The failed transaction's rest is forgotten, or the connection is. */
static void
transaction_reset(struct smtp_conn *c)
{
	step_begin(c, c->target.command_timeout_ms);
	if (mailsmtp_reset(c->session) != MAILSMTP_NO_ERROR || c->session->response_code != 250)
		conn_drop(c);
	c->dirty = false;
}

/* The text of step's command, appended to c->out. */
static void
command_put(struct smtp_conn *c, enum step step, const struct smtp_envelope *env, size_t size)
{
	if (step == STEP_MAIL)
		smtp_command_mail(&c->out, env, c->offered, size);
	else if (step == STEP_RCPT)
		smtp_command_rcpt(&c->out, env, c->offered);
	else
		buf_adds(&c->out, STR("DATA\r\n"));
}

/*
 * The replies to commands that were sent together with one that failed: they must be read, and say nothing
 * new. A server that accepts DATA without a recipient waits for a message; none is sent.
 */
static void
replies_drain(struct smtp_conn *c, enum step failed)
{
	for (enum step step = failed + 1; step <= STEP_DATA && c->session->stream; step++) {
		int code;

		step_begin(c, c->target.command_timeout_ms);
		code = reply_read(c);
		if (code == 0 || code == 421 || (step == STEP_DATA && code < 400))
			conn_drop(c);
	}
}

/* MAIL, RCPT, DATA. False: *out says why. */
static bool
envelope_send(struct smtp_conn *c, const struct smtp_envelope *env, size_t size, struct smtp_result *out)
{
	bool together = c->offered & EHLO_PIPELINING;

	buf_reset(&c->out);
	for (enum step step = STEP_MAIL; together && step <= STEP_DATA; step++)
		command_put(c, step, env, size);
	for (enum step step = STEP_MAIL; step <= STEP_DATA; step++) {
		int code = 0;
		bool sent = true;

		step_begin(c, c->target.command_timeout_ms);
		if (!together) {
			buf_reset(&c->out);
			command_put(c, step, env, size);
		}
		if (!together || step == STEP_MAIL)
			sent = out_send(c);
		if (sent)
			code = reply_read(c);
		if (code / 100 == steps[step].expect)
			continue;
		c->dirty = true;
		outcome_set(c, step, code, out);
		if (together)
			replies_drain(c, step);
		/* Perhaps it is the session that is refused: once a milter has failed in it, Postfix (3.7)
		 * answers 451 to whatever follows, although the milter works again. */
		if (step == STEP_MAIL && out->status == SMTP_TEMPFAIL)
			conn_quit(c);
		out->connection_lost = !c->session->stream;
		return false;
	}
	return true;
}

/* The message could not be written to its end. Perhaps the server said why before it closed. */
static void
message_cut(struct smtp_conn *c, struct smtp_result *out)
{
	enum net_fault fault = c->net.fault;
	int error = c->net.error, code = 0;

	if (fault == NET_CLOSED) {
		c->net.fault = NET_OK;
		step_begin(c, 0);
		code = reply_read(c);
	}
	c->net.fault = fault;
	c->net.error = error;
	outcome_set(c, STEP_MESSAGE, code < 400 ? 0 : code, out);
	out->connection_lost = true;
	conn_drop(c);
}

static void
message_send(struct smtp_conn *c, struct str message, struct smtp_result *out)
{
	int code;

	step_begin(c, c->target.data_timeout_ms);
	buf_reset(&c->out);
	smtp_data_put(&c->out, message);
	if (!out_send(c)) {
		message_cut(c, out);
		return;
	}
	code = reply_read(c);
	if (code / 100 == 2) {
		out->status = SMTP_SENT;
		out->step = steps[STEP_MESSAGE].name;
		smtp_reply_describe(code, str_of(c->session->response), out);
	} else {
		outcome_set(c, STEP_MESSAGE, code, out);
		if (code < 400) {
			size_t n = strlen(out->text);

			out->status = SMTP_UNCERTAIN;
			snprintf(out->text + n, sizeof out->text - n,
				 " (the server may have taken the message)");
		}
	}
	if (c->out.cap > KEEP_BYTES)
		buf_free(&c->out);
}

/* Who submitted it may have said SMTPUTF8 to be safe, or for another recipient (RFC 6531, 3.2). */
static bool
needs_utf8(const struct smtp_envelope *env, struct str message)
{
	return !str_is_ascii(env->mail_from) || !str_is_ascii(env->rcpt) || !str_is_ascii(env->orcpt) ||
	       !str_is_ascii(str_sub(message, 0, str_find(message, STR("\r\n\r\n"))));
}

/* What this server cannot take, whatever it would say. */
static bool
server_fits(struct smtp_conn *c, const struct smtp_envelope *env, struct str message, struct smtp_result *out)
{
	const size_t size = message.n;

	if (env->smtputf8 && !(c->offered & EHLO_SMTPUTF8) && needs_utf8(env, message))
		smtp_result_set(out, SMTP_PERMFAIL, steps[STEP_MAIL].name, "5.6.7",
				"the server does not offer SMTPUTF8, which this address or header needs");
	else if (c->max_size > 0 && size > c->max_size)
		smtp_result_set(out, SMTP_PERMFAIL, steps[STEP_MAIL].name, "5.3.4",
				"the message has %zu bytes, the server takes %llu", size,
				(unsigned long long)c->max_size);
	else
		return true;
	return false;
}

/* Whether all that was said of this copy may have been about the connection. */
static bool
connection_failed(const struct smtp_conn *c, const struct smtp_result *out)
{
	if (out->step != steps[STEP_MAIL].name)
		return false;
	return out->code == 0 ? c->net.fault == NET_CLOSED : out->code / 100 == 4;
}

/* False: the kept connection had been closed, or is refused, before any of this copy was heard. */
static bool
transaction(struct smtp_conn *c, const struct smtp_envelope *env, struct str message, struct smtp_result *out)
{
	bool kept = c->used;

	if (!server_fits(c, env, message, out))
		return true;
	c->used = true;
	if (!envelope_send(c, env, message.n, out))
		return !(kept && connection_failed(c, out));
	message_send(c, message, out);
	return true;
}

void
smtp_send(struct smtp_conn *c, const struct smtp_envelope *env, struct str message, struct smtp_result *out)
{
	*out = (struct smtp_result){ .status = SMTP_TEMPFAIL };
	if (!smtp_envelope_check(env, out))
		return;
	conn_look(c);
	if (c->dirty)
		transaction_reset(c);
	for (int try = 0; try < 2; try++) {
		if (!smtp_conn_open(c, out))
			break;
		*out = (struct smtp_result){ .status = SMTP_TEMPFAIL };
		if (transaction(c, env, message, out))
			break;
	}
	c->used_us = clock_mono_us();
}
