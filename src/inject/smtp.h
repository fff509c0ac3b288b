/*
 * smtp: hands finished copies to one port of the MTA, over libetpan's SMTP client (RFC 5321, 2920, 3461,
 * 1870, 6152, 6531). A connection is opened at the first copy, kept for the next ones, and opened anew after
 * it was lost. Where the server offers PIPELINING, a copy costs two round trips: MAIL, RCPT and DATA go in
 * one write, the message in another.
 *
 * Bytes. The message arrives as it was given: dots are stuffed, nothing is appended, except that a last line
 * without a line end gets one. Line ends are CRLF; a CR or LF that stands alone is sent as CRLF (RFC 5321,
 * 2.3.8: a server that takes it for a line end could be led to see commands in the text).
 *
 * Time. Every step (connect, greeting, EHLO, MAIL, RCPT, DATA, message) has one deadline for all of it, also
 * against a server that trickles; only the look-up of a host *name* takes what the resolver takes, so
 * configure an address. A reply is read up to 64 KB.
 *
 * Signals, descriptors. Writing never raises SIGPIPE. The number of a descriptor may exceed 1023: libetpan's
 * own socket layer, which aborts then, is not used.
 *
 * Threads: a connection belongs to one thread at a time; any number of connections may work in parallel.
 */
#ifndef MT_INJECT_SMTP_H
#define MT_INJECT_SMTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct smtp_target {
	const char *host; /* an address, better than a name; ignored when there is a unix_path */
	int port;
	const char *unix_path; /* or NULL */
	const char *helo;      /* NULL, "", or with blanks or 8 bits: the machine's name */
	/* Milliseconds, over 0. data: the message and the reply to it, together. */
	int64_t connect_timeout_ms, command_timeout_ms, data_timeout_ms;
};

/* All strings are checked before anything is sent; see smtp_envelope_check. */
struct smtp_envelope {
	struct str mail_from; /* without <>; may be empty */
	struct str rcpt;      /* without <> */
	struct str ret;	      /* "FULL", "HDRS", or empty */
	struct str envid;     /* xtext, at most 100 bytes, or empty */
	struct str notify;    /* "NEVER", or a list of SUCCESS, FAILURE, DELAY; or empty */
	struct str orcpt;     /* "rfc822;xtext" "utf-8;…", at most 500 bytes, or empty */
	/* The content has 8-bit bytes. A server that does not offer 8BITMIME gets it all the same: it is a
	 * port of the MTA that took it in. */
	bool eightbit;
	/* An address or the header may be UTF-8: PERMFAIL 5.6.7 when one is and the server lacks SMTPUTF8. */
	bool smtputf8;
};

enum smtp_status {
	SMTP_SENT,	/* the server took it: 2xx after the final dot */
	SMTP_TEMPFAIL,	/* certainly not taken; may be tried again */
	SMTP_PERMFAIL,	/* certainly not taken, and never will be */
	SMTP_UNCERTAIN, /* the final dot was sent, no reply that can be read came: it may have been taken */
};

struct smtp_result {
	enum smtp_status status;
	int code;	   /* the reply's; 0 when there was none */
	char enhanced[16]; /* "5.1.1": the reply's own, or what its code stands for (RFC 3463) */
	char text[512]; /* one line of UTF-8 without controls: "550 5.1.1 <x@y>: unknown", or what went wrong.
			   May hold the recipient's address. */
	const char *step;     /* "envelope" (nothing was sent), "connect", "greeting", "EHLO", "MAIL", "RCPT",
				 "DATA",     "message": where it ended */
	bool connection_lost; /* the connection is gone; the next copy opens another */
};

struct smtp_conn;

/* Never NULL. The target is copied. Opens nothing yet. */
struct smtp_conn *smtp_conn_new(const struct smtp_target *t);
/*
 * Connects, reads the greeting, says EHLO; true when the connection stands (again or already). Whatever goes
 * wrong here is TEMPFAIL, 5xx included: then the port is out of order, not the copy. smtp_send calls it.
 */
bool smtp_conn_open(struct smtp_conn *c, struct smtp_result *out);
/* QUIT, at most two seconds of waiting, and gone. Takes NULL; leaves NULL. */
void smtp_conn_close(struct smtp_conn **c);

/*
 * One copy to one recipient. 4xx is TEMPFAIL, 5xx PERMFAIL, at MAIL, RCPT, DATA and message alike; 421
 * anywhere is TEMPFAIL and ends the connection. A loss, a time-out or nonsense before the final dot is
 * TEMPFAIL, after it UNCERTAIN. DSN, 8BITMIME, SMTPUTF8 and SIZE are used where offered; a message over the
 * server's SIZE is PERMFAIL 5.3.4. 4xx to MAIL ends the connection, too: it may be meant for the session. A
 * connection that was kept and answers MAIL with 4xx, or turns out to be closed before anything of this copy
 * was answered, is opened anew and the copy is sent there, once.
 */
void
smtp_send(struct smtp_conn *c, const struct smtp_envelope *env, struct str message, struct smtp_result *out);

/*
 * True when the envelope can be put into commands; else *out is PERMFAIL 5.1.7 (sender), 5.1.3 (recipient) or
 * 5.5.4 (DSN parameters). Addresses: at most 255 octets before and 255 behind the last @, no controls; no
 * blanks, < or > but in a quoted local part; ASCII unless smtputf8, then UTF-8. An address without a domain
 * is left to the server.
 */
bool smtp_envelope_check(const struct smtp_envelope *env, struct smtp_result *out);

/*
 * For what an MTA took in, which is laxer than smtp_envelope_check: the copies were promised, and shall not
 * bounce for that. SMTPUTF8 is said where an address needs it, and a DSN parameter that RFC 3461 does not
 * allow is left out. Addresses stay as they are.
 */
void smtp_envelope_mend(struct smtp_envelope *env);

#endif
