/*
 * report: tells the sender of a campaign message that one copy of it could not be delivered. A complete
 * message (RFC 3464 in an RFC 6522 multipart/report; RFC 3461 for what ORCPT, ENVID, RET and NOTIFY ask for;
 * RFC 6533 for addresses that are not ASCII; RFC 3834) of three parts: a text for people, the
 * machine's message/delivery-status, and the original's header, or the original.
 *
 * All inputs are taken as hostile: controls become '?', nothing starts a field or a part of its own, lines
 * end in CRLF and stay under 998 bytes. X-Mailtailor-* fields of the original, which may hold merge data, are
 * left out.
 *
 * Threads: safe.
 */
#ifndef MT_INJECT_REPORT_H
#define MT_INJECT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define REPORT_MAX_HEADER ((size_t)64 << 10) /* of the original: more is cut off at a line */
#define REPORT_MAX_FULL ((size_t)64 << 10)   /* an original over it comes as its header, whatever RET says */

struct report {
	const char *reporting_mta; /* this machine's name */
	const char *from;	   /* From: "mailer-daemon@host", address only */
	struct str
	    message_id; /* the report's own, with <>; the same for the same copy, so that it counts once */
	int64_t now_ms; /* Date: */
	struct str to;	/* the envelope sender, without <> */
	struct str recipient;	 /* without <> */
	struct str orcpt, envid; /* as in RCPT and MAIL: "rfc822;xtext", xtext; or empty */
	const char *status;	 /* "5.1.1"; anything else counts as 5.0.0 (4.4.7 when expired) */
	struct str diagnostic;	 /* "550 5.1.1 unknown": the reply, or another text that says why */
	bool smtp;		 /* diagnostic is an SMTP reply */
	bool expired;		 /* given up after its lifetime; otherwise refused for good */
	int64_t arrival_ms;	 /* when the message was accepted; 0: not said */
	int64_t last_attempt_ms; /* 0: there was none */
	uint32_t attempts;
	struct str header; /* the original's, up to its empty line, line ends CRLF or LF */
	struct str full;   /* the original as a whole, for RET=FULL; or empty */
	struct str ret;	   /* "FULL", "HDRS" or empty, which is HDRS */
};

/* What the envelope of a report needs (BODY=8BITMIME, SMTPUTF8). */
#define REPORT_EIGHTBIT 1u
#define REPORT_SMTPUTF8 2u

/* Appends the message; send it from <> to r->to. Returns what its envelope needs; 0: nothing. */
unsigned report_make(struct buf *out, const struct report *r);

/*
 * Whether the sender is to be told of a failure: not when it is empty (or "<>"), nor when NOTIFY (as in RCPT;
 * empty: not given) is NEVER or lacks FAILURE.
 */
bool report_wanted(struct str sender, struct str notify);

#endif
