/*
 * feedback: what one message that came back says: a bounce (RFC 3464, and the bodies without one), a
 * complaint (RFC 5965), an automatic reply (RFC 3834), or none of them.
 *
 * feedback_read is pure: bytes in, findings out. It believes nothing: whose copy it was is found out by
 * identify.h with the key ring, and what follows from it by policy.h. The bytes come from anyone, so programs
 * call it through sandbox.h, and take what comes back from there as hostile again (finding.h).
 *
 * Threads: feedback_read is safe, an arena per thread. Messages are read up to FEEDBACK_MAX_MESSAGE bytes:
 * a report stands at the beginning, what is behind belongs to the returned message.
 */
#ifndef MT_FEEDBACK_FEEDBACK_H
#define MT_FEEDBACK_FEEDBACK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#define FEEDBACK_MAX_MESSAGE ((size_t)8 << 20)
#define FEEDBACK_MAX_ITEMS 100	 /* recipients of one report; further ones are left out */
#define FEEDBACK_MAX_ADDRESSES 8 /* of each kind in struct feedback_origin */
#define FEEDBACK_MAX_ADDRESS 320 /* bytes */
#define FEEDBACK_MAX_URL 9000

enum feedback_kind { FEEDBACK_NONE, FEEDBACK_BOUNCE, FEEDBACK_COMPLAINT, FEEDBACK_AUTO_REPLY };

/* Why a bounce bounced, as far as it can be told. The first four are what is hard. */
enum feedback_reason {
	FEEDBACK_UNKNOWN_USER, /* no such mailbox, at this domain */
	FEEDBACK_UNKNOWN_HOST, /* no such domain, or none that can be routed to */
	FEEDBACK_MOVED,	       /* the mailbox has moved, and nothing is forwarded (RFC 3463, X.1.6) */
	FEEDBACK_NO_MAIL,      /* the host or domain takes no mail at all (RFC 7504, RFC 7505) */
	FEEDBACK_FULL,	       /* mailbox full, over quota */
	FEEDBACK_DISABLED,     /* the mailbox is locked, suspended, inactive */
	FEEDBACK_DELAYED,      /* not given up yet: will be tried again */
	FEEDBACK_OTHER,	       /* content, policy, network, anything else */
};

struct feedback_item {
	enum feedback_kind kind;
	struct str recipient; /* as the report says; absent when it does not */
	bool hard;	      /* bounce: nothing can ever be delivered to this address */
	enum feedback_reason reason;
	char status[16]; /* RFC 3463 "5.1.1"; "5.0.0" where only the class is known; "" when nothing is */
	char type[16];	 /* complaint: RFC 5965 Feedback-Type, lower case: "abuse", "opt-out" … */
};

/* Addresses, each in its own memory of the arena. */
struct feedback_addresses {
	struct str v[FEEDBACK_MAX_ADDRESSES];
	size_t n;
};

/* What may say whose copy it was. Nothing of it is proof by itself; tokens in it are. */
struct feedback_origin {
	struct feedback_addresses
	    to; /* where this message was addressed to: X-Original-To, Delivered-To, To */
	struct feedback_addresses path;	     /* return path of the returned message, Original-Mail-From … */
	struct feedback_addresses recipient; /* To of the returned message */
	struct str unsubscribe;		     /* https URI of its List-Unsubscribe; "/u/TOKEN" of an
						unsubscription by mail; absent */
	struct str job;			     /* its X-Mailtailor-Job; absent */
	struct str message_id;		     /* its Message-ID; absent */
	struct str feedback_id;		     /* its Feedback-ID; absent */
};

struct feedback {
	struct feedback_item *items; /* at least one; of kind none when there is nothing */
	size_t n;
	struct feedback_origin origin;
};

/* message: as it came, CRLF or LF. Strings of *out live in a. Never fails: what cannot be read says nothing.
 */
void feedback_read(struct arena *a, struct str message, struct feedback *out);

/* "bounce" … "none"; "unknown-user" … "other". The parse functions: -1 for another word. */
const char *feedback_kind_name(enum feedback_kind k);
const char *feedback_reason_name(enum feedback_reason r);
int feedback_kind_parse(struct str word, enum feedback_kind *out);
int feedback_reason_parse(struct str word, enum feedback_reason *out);

#endif
