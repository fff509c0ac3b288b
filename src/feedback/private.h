/* private: what the files of src/feedback share. */
#ifndef MT_FEEDBACK_PRIVATE_H
#define MT_FEEDBACK_PRIVATE_H

#include "feedback/feedback.h"
#include "mail/mail.h"

/* Bounds of what is looked at: a report is short. */
#define NOTICE_MAX ((size_t)128 << 10)
#define FIELDS_MAX ((size_t)256 << 10)
#define RETURNED_MAX ((size_t)256 << 10)

/* ---- parts.c: the message taken apart ---- */

/* Where things stand in it. All strings may be empty. */
struct parts {
	struct mail mail;
	const struct mail_fields *head; /* the message's own header */
	struct str subject;		/* decoded */
	struct str notice;   /* text for people, UTF-8 as far as it is, LF; the returned message cut off */
	struct str delivery; /* all message/delivery-status bodies, an empty line between */
	struct str feedback; /* message/feedback-report */
	struct mail_fields returned; /* header of the returned message */
	bool has_returned;	     /* a part holds it, or its header stands in the notice */
	bool report;		     /* multipart/report */
	struct str wrapped;	     /* a report that a provider put into a text of its own; mostly empty */
};
void parts_read(struct arena *a, struct str message, struct parts *out);
/* Value of the first field of that name, unfolded and trimmed; absent when there is none. */
struct str field_value(struct arena *a, const struct mail_fields *f, const char *name);

/* ---- notice.c: text for people ---- */

/* HTML as lines of text. */
void notice_from_html(struct buf *out, struct str html);
/* Offset at which the returned message begins in text (its separator line included); text.n: nowhere. */
size_t notice_cut(struct str text, size_t *returned);

/* ---- address.c ---- */

/* s is one mailbox, perhaps in <> or behind "rfc822;": *out is it without them. */
bool address_bare(struct str s, struct str *out);
/* The next address in text from *at on: its range, <> included in *from..*to. */
bool address_next(struct str text, size_t *at, struct str *addr, size_t *from, size_t *to);
/* Adds a copy unless it is there, or the list is full. */
void addresses_add(struct arena *a, struct feedback_addresses *l, struct str addr);
/* All mailboxes of every field of that name. */
void
addresses_of(struct arena *a, const struct mail_fields *f, const char *name, struct feedback_addresses *l);

/* ---- status.c ---- */

/* What a text says in codes. */
struct codes {
	char status[16]; /* best enhanced status code; "" */
	int reply;	 /* SMTP reply code that is an error; 0 */
	size_t at;	 /* where in the text */
	bool joined;	 /* the status stands behind the reply code: a server said it */
};
void codes_find(struct str text, struct codes *out);
/* The paragraph that begins with a server's reply; what is behind was written for people. Absent: no reply.
 */
struct str reply_of(struct str text);
/* A Status field's value. False when it is none. */
bool status_parse(struct str value, char out[16]);

/* ---- words.c: what a text says in words ---- */

struct words {
	struct str text; /* lower case, one space between words, one at either end; addresses are "@" */
	const char **at;
	size_t n;
};
void words_of(struct arena *a, struct str text, struct words *out);
/* One of the phrases of a ("|" between them, "*" at the end: any ending). */
bool words_have(const struct words *w, const char *a);
/* One of a and one of b, at most gap words between them, in either order; SIZE_MAX or the first's index. */
size_t words_near(const struct words *w, const char *a, const char *b, size_t gap);

/* ---- reason.c ---- */

/* What there is about one recipient. */
struct evidence {
	struct str recipient;
	struct str status;  /* Status field */
	struct str diag;    /* Diagnostic-Code, or the lines of the notice that hold the reply */
	struct str context; /* lines of the notice about this recipient */
	struct str notice;  /* all of it */
	bool delayed;	    /* Action: delayed, or the notice says so */
};
/* Fills hard, reason and status of a bounce. */
void reason_judge(struct arena *a, const struct evidence *ev, struct feedback_item *out);
/* The text says that delivery failed (or why, for an address), or is delayed. */
bool reason_failure(const struct words *w);
bool reason_delay(const struct words *w);

/* ---- what decides; each adds items and returns how many ---- */

struct reading {
	struct arena *arena;
	struct parts parts;
	struct feedback *out;
};
/* NULL when FEEDBACK_MAX_ITEMS are there. */
struct feedback_item *item_add(struct reading *r, enum feedback_kind kind);
size_t complaint_find(struct reading *r);
size_t report_find(struct reading *r); /* RFC 3464, in a part of its own or in the text */
size_t bounce_find(struct reading *r); /* no report: the text alone */
/* Says so by fields that only automatic replies have, or by its subject. */
bool reply_is_plain(struct reading *r);
size_t reply_find(struct reading *r);
/* A human's or a program's bounce? What its header says of it. */
bool sender_is_system(const struct parts *p);
/* The part of the notice about addr: from its line to the next recipient's. Whole when it is not there. */
struct str notice_about(struct str notice, struct str addr);
void origin_read(struct reading *r);

#endif
