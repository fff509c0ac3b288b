/*
 * smtp-private: what the files of smtp share. Not for other libraries.
 */
#ifndef MT_INJECT_SMTP_PRIVATE_H
#define MT_INJECT_SMTP_PRIVATE_H

#include <libetpan/mailsmtp.h>

#include "base/buf.h"
#include "inject/smtp.h"

/* ---- smtp-net.c: a socket under libetpan's stream, with a deadline and a bound ---- */

enum net_fault {
	NET_OK,
	NET_CLOSED,  /* by the other side */
	NET_TIMEOUT, /* deadline_us has passed */
	NET_LONG,    /* more bytes than budget */
	NET_ERROR,   /* error: errno */
};

struct smtp_net {
	int fd;
	int64_t deadline_us;  /* clock_mono_us */
	size_t budget;	      /* bytes that may still be read */
	enum net_fault fault; /* the first one; nothing is read or written after it */
	int error;
};

/* Connects n->fd before n->deadline_us. False: text says why ("host:port: Connection refused"). */
bool smtp_net_connect(struct smtp_net *n, const struct smtp_target *t, char *text, size_t size);
/* Wraps it; n must outlive the stream, and mailstream_close closes n->fd. NULL: out of memory (fd stays). */
mailstream *smtp_net_stream(struct smtp_net *n);
void smtp_net_close(struct smtp_net *n);
/* True when there is something to read, be it an end. Does not wait. */
bool smtp_net_readable(const struct smtp_net *n);

/* ---- smtp-reply.c ---- */

#define EHLO_PIPELINING 1u
#define EHLO_8BITMIME 2u
#define EHLO_SMTPUTF8 4u
#define EHLO_SIZE 8u
#define EHLO_DSN 16u

/* Of an EHLO reply's lines, without codes, LF between them. Unknown keywords are passed over. *max_size: 0
 * when there is no limit. */
unsigned smtp_ehlo_parse(struct str lines, uint64_t *max_size);
/* "code text" in one line, tamed, an enhanced code that each line repeats only once; and the enhanced code,
 * of the text when it fits the code, else derived. code is 200..599. */
void smtp_reply_describe(int code, struct str lines, struct smtp_result *out);
/* The enhanced code at the beginning of text; its length, or 0. */
size_t smtp_enhanced_length(struct str text);

/* ---- smtp-command.c ---- */

/* Command lines with their CR LF; the envelope has been checked. */
void smtp_command_mail(struct buf *out, const struct smtp_envelope *env, unsigned offered, size_t size);
void smtp_command_rcpt(struct buf *out, const struct smtp_envelope *env, unsigned offered);
/* The message between DATA and its reply: lines ended by CR LF, dots stuffed, the final dot. Appended. */
void smtp_data_put(struct buf *out, struct str message);

/* Fills *out. fmt is cleaned and cut. */
void smtp_result_set(struct smtp_result *out, enum smtp_status status, const char *step, const char *enhanced,
		     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
