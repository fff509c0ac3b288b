/*
 * logline: one line of Postfix's log, if it tells what became of a message for one recipient.
 *
 * In a log anybody can have something written: addresses, subjects, the texts of strange servers, other
 * programs. So a line counts only when it has the form that a delivery agent writes, from its beginning on:
 *
 *   [<PRI>[1 ]]TIME [HOST] [FACILITY.PRIORITY] NAME/…/AGENT[PID]: [[ID n f.p] ]
 *       QUEUEID: to=<ADDRESS>[, orig_to=<ADDRESS>][, KEY=VALUE]…, status=WORD (TEXT)
 *   … NAME/…/qmgr[PID]: QUEUEID: from=<ADDRESS>, status=expired, returned to sender
 *
 * or those of RFC 5424 (HOST NAME/…/AGENT PID - -). AGENT is smtp, lmtp, local, virtual, pipe or error. NAME
 * is syslog_name, whatever it is: "postfix", "postfix-out", "postfix/copies".
 *
 * Pure. Threads: safe.
 */
#ifndef MT_FEEDBACK_LOGLINE_H
#define MT_FEEDBACK_LOGLINE_H

#include "feedback/logtime.h"

#define LOGLINE_MAX 16384 /* bytes; longer ones are none of ours */

enum logline_kind {
	LOGLINE_SENT,	  /* taken by relay, or delivered here */
	LOGLINE_BOUNCED,  /* refused for good */
	LOGLINE_DEFERRED, /* will be tried again */
	LOGLINE_EXPIRED,  /* was tried too long; says from, and no recipient */
};

/* Strings point into the line; absent when they are not there. */
struct logline {
	enum logline_kind kind;
	struct logtime at;
	struct str agent, queue_id;
	struct str to, orig_to, from;
	struct str relay; /* "mx.example[192.0.2.1]:25", "none", "local" … */
	struct str dsn;	  /* "5.1.1"; Postfix before 2.3 has none */
	struct str text;  /* what stands in parentheses at the end, without them */
};

/* line: without its end. False: it tells nothing of that kind. */
bool logline_parse(struct str line, struct logline *out);

/* relay is that host, by its name or its address, whatever the port. */
bool logline_relay_is(struct str relay, struct str host);

#endif
