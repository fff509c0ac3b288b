/*
 * maillog: what Postfix's log says of copies of ours, as events.
 *
 * A line names a message by its queue id and a recipient by his address. The event log knows whose copy had
 * which queue id; ids are used again, aliases and always_bcc add recipients: so a line counts only when its
 * to= or orig_to= is the recipient that the copy was made for.
 *
 *   sent, by a host that is not in ignore_relays    delivered, at the time that the line says
 *   deferred                                        deferred
 *   bounced                                         what policy.h makes of a bounce
 *   expired (qmgr)                                  a soft bounce, when from= is our return path of that copy
 *
 * One copy has one event of each kind: to read lines again adds nothing.
 *
 * The log may be faster than the event that tells the queue id. A line of the last MAILLOG_WAIT_MS whose
 * queue id nobody knows waits as long, without its address. Who remembers how far a log was read has to
 * remember a place before the oldest line that waits.
 *
 * Threads: as the sealer.
 */
#ifndef MT_FEEDBACK_MAILLOG_H
#define MT_FEEDBACK_MAILLOG_H

#include "feedback/policy.h"
#include "store/event.h"

#define MAILLOG_WAIT_MS 60000
#define MAILLOG_WAITING_MAX 65536 /* beyond, the oldest wait no longer */

/* What became of a copy; strings live during the call that shows it. */
struct maillog_event {
	enum event_type type; /* delivered, deferred, bounced */
	int64_t at_ms;
	struct str queue_id, status;
	struct recipient_key recipient;
	uint8_t copy[EVENT_COPY_LEN];
	bool hard;
	enum feedback_reason reason; /* of bounced and deferred */
	bool known;		     /* it was on record (delivered, deferred) */
	enum policy_outcome outcome; /* bounced */
};
typedef void maillog_fn(void *ctx, const struct maillog_event *ev);

struct maillog;
/* src and what it points to stay the caller's. */
struct maillog *maillog_new(const struct policy_source *src, maillog_fn *fn, void *ctx);
void maillog_free(struct maillog **m);

/* newest_ms: the line is not later (logfile_changed_ms). 0, or -1: the store's errors. */
int maillog_line(struct maillog *m, struct str line, int64_t newest_ms, int64_t now_ms, struct err *e);
/* Puts on disk what was found, after asking again for what waits (every second, or when `all`). */
int maillog_flush(struct maillog *m, bool all, struct err *e);

/* Lines that wait are numbered: the oldest's number, and that of the next one. Equal: none waits. */
uint64_t maillog_oldest(const struct maillog *m);
uint64_t maillog_next(const struct maillog *m);

#endif
