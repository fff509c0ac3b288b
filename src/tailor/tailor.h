/*
 * tailor: PURE. Message + recipient snapshot + scores in, a plan out. No LMDB,
 * no SMFICTX, no socket, no clock of its own. The same functions serve the
 * milter, the spool and `mailtailor render`: what is previewed is what is sent.
 *
 * A message is prepared once (parts located, templates compiled, links found;
 * compiled parts come from a cache shared by all threads) and rendered for any
 * number of recipients.
 *
 * Threads: tailor_cache is shared; everything else belongs to one thread.
 */
#ifndef MT_TAILOR_TAILOR_H
#define MT_TAILOR_TAILOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"
#include "mail/mail.h"
#include "tailor/arm.h"
#include "tailor/snapshot.h"
#include "token/token.h"

/* ---- compiled parts, shared ---- */

struct tailor_cache;
/*
 * One per epoch. Bounded by milter.template_cache bytes, least recently used goes first; entries in use stay
 * until released. Also compiles every campaign's send_if and its arms' subjects: NULL when one does not, all
 * reported as "FILE:LINE: …".
 */
struct tailor_cache *tailor_cache_new(const struct conf *conf, conf_report_fn *report, void *ctx);
void tailor_cache_free(struct tailor_cache **c);
struct tailor_cache_stats {
	int64_t hits, misses, evictions, entries, bytes;
};
void tailor_cache_stats(struct tailor_cache *c, struct tailor_cache_stats *out);

/* ---- prepare ---- */

struct tailor_message;

/*
 * Locates parts and compiles what the campaign lets be edited. bytes: the whole message as submitted,
 * X-Mailtailor-* fields included; it must outlive *out. *out holds references into the cache:
 * tailor_message_free. -1: ERR_INPUT with "part 1.2, line 3, column 4: …" for template errors, bad
 * X-Mailtailor-Data, X-Mailtailor-Send-At or data part (550 5.6.0), ERR_LIMIT for what is beyond bounds (552
 * 5.3.4),  * ERR_CONFIG for a send time where there is no inject target (451 4.3.5).
 */
int tailor_prepare(struct tailor_cache *cache, const struct conf *conf, const struct conf_campaign *campaign,
		   struct str bytes, struct tailor_message **out, struct err *e);
void tailor_message_free(struct tailor_message **m);
/*
 * Whether the message may be accepted at this moment. -1: ERR_INPUT when its X-Mailtailor-Send-At lies more
 * than TAILOR_MAX_AHEAD_DAYS ahead: a mistyped year, for which its copies would wait unseen.
 */
#define TAILOR_MAX_AHEAD_DAYS 366
int tailor_message_timely(const struct tailor_message *m, int64_t now_ms, struct err *e);
/*
 * A mistyped X-Mailtailor-SendAt would be taken out like any other of these fields, and the message leave at
 * once: says of the first that is none of ours which one comes close, or NULL.
 */
const char *tailor_fields_doubtful(struct arena *a, const struct mail_fields *f);
/* Merge data of X-Mailtailor-Data: a map, or NULL. */
const struct value *tailor_message_data(const struct tailor_message *m);
/*
 * The part application/vnd.mailtailor.data+json (as it is, or gzip or zstd; at most 64 MB of text) maps
 * addresses to merge data. It is in no copy. json: the object's text as it was written, in the message's
 * memory; absent when the message has no such part or it nothing for this address (normalised). data: the
 * same as a map in a, or NULL. Entries of addresses that are no recipients are of no account.
 */
struct str tailor_message_recipient_json(const struct tailor_message *m, struct str address);
const struct value *
tailor_message_recipient_data(const struct tailor_message *m, struct str address, struct arena *a);
/*
 * The message without that part, as it is to be prepared again for a single recipient later; appended to out.
 * With the part go the header fields that vouched for it (DKIM-Signature, Content-MD5 and the like). Prepared
 * again, and given the recipient's data, it makes the same copy.
 */
void tailor_message_strip(const struct tailor_message *m, struct buf *out);
/*
 * Message-ID with its brackets; absent when there is none, or when it is the MTA's work, which shows by the
 * MTA's queue id in it: that is another one when the client submits the message again.
 */
struct str tailor_message_id(const struct tailor_message *m, struct str queue_id);
/* What is the same when a client submits a message without such an id again, in two parts: fields, body. */
void tailor_message_content(const struct tailor_message *m, struct arena *a, struct str parts[2]);
struct str tailor_message_from_domain(const struct tailor_message *m);

/* ---- decide and render ---- */

enum tailor_verdict {
	TAILOR_SEND,
	TAILOR_DROP,   /* accepted and discarded: suppression, consent, too late, cap with action discard,
			  send_if */
	TAILOR_LATER,  /* not before decision.due_ms: quiet hours, send windows, start, X-Mailtailor-Send-At,
			  cap  with action defer; needs a spool. At due_ms it is decided anew */
	TAILOR_REFUSE, /* the submitter is told: cap with action reject, missing variable under `hold` */
};

struct tailor_input {
	const struct recipient_snapshot *recipient;
	const struct value *data; /* this recipient's own merge data: map or NULL */
	int64_t accepted_ms;	  /* when the message was accepted; 0: now */
	bool attempted; /* the MTA was offered this copy before: how long it may still wait is the injector's
			   to say (inject.lifetime), not max_delay's */
	const struct value *plugin_vars;    /* map or NULL */
	const struct value *plugin_sources; /* name → plugin name, for explain; map or NULL */
	const struct tailor_score *scores;
	size_t nscores;
	struct tailor_arm
	    arm; /* what tailor_arm_choose said; arm NULL: it is not decided yet, or there are none */
	struct sealer *sealer; /* NULL: no tracking, no unsubscribe links */
	int64_t now_ms;
	bool own_copy; /* one of several made of one message: it gets a Message-ID of its own */
	bool explain;  /* fill plan->explain */
};

/* One header edit, to be applied in order (see milter/apply.c and tailor_write). */
enum tailor_edit_op { TAILOR_HEADER_CHANGE, TAILOR_HEADER_DELETE, TAILOR_HEADER_ADD };
struct tailor_edit {
	enum tailor_edit_op op;
	const char *name;
	int index;	   /* CHANGE, DELETE: 1-based per name, counted in the message as submitted */
	const char *value; /* LF folding, no leading space; NULL for DELETE */
};

struct tailor_decision {
	enum tailor_verdict verdict;
	const char *reason; /* "send", "suppressed", "consent", "cap", "fatigue", "send-if", "missing",
			       "quiet-hours", "send-window", "start", "send-at", "send-hour", "too-late":
			       stable words */
	int64_t due_ms;	    /* TAILOR_LATER: the earliest instant; else 0 */
	struct str text;    /* for people: which cap, which variable */
	const char *arm;    /* "": none */
	double propensity;  /* of the arm; 1: there was no choice */
};

struct tailor_plan {
	struct tailor_decision decision;
	/* When decision.verdict is TAILOR_SEND: */
	bool body_changed;
	struct str body; /* the whole new body; valid until the next render with the same scratch */
	struct tailor_edit *edits;
	size_t nedits;
	const struct value *explain; /* map, when asked for */
};

/* Scratch of one thread: buffers and writers kept warm. */
struct tailor_scratch;
struct tailor_scratch *tailor_scratch_new(void);
void tailor_scratch_free(struct tailor_scratch **s);

/* Only whether and why: no rendering. */
void tailor_decide(const struct tailor_message *m, const struct tailor_input *in, struct arena *a,
		   struct tailor_decision *out);
/*
 * The decision when cap is full, as far as is known until room_ms; also when the reservation finds that after
 * all (another message was faster). A copy that waits asks again at room_ms, and when it has waited long not
 * before a sixteenth of that time has passed: a thousand copies that wait for one place do not all ask at
 * each.
 */
void
tailor_decide_cap(const struct tailor_message *m, const struct tailor_input *in, const struct conf_cap *cap,
		  int64_t used, int64_t room_ms, struct arena *a, struct tailor_decision *out);
/*
 * Decides and, when it is to be sent, renders. 0 with *plan filled; -1 when the copy cannot be made (limits,
 * OpenSSL): the message is refused for now, nothing half-rendered leaves.
 */
int tailor_render(const struct tailor_message *m, const struct tailor_input *in,
		  struct tailor_scratch *scratch, struct arena *a, struct tailor_plan *plan, struct err *e);

/* ---- for template authors ---- */

enum tailor_as { TAILOR_AS_HTML, TAILOR_AS_TEXT, TAILOR_AS_HEADER };
/*
 * Renders one template by the rules of a campaign part (escaping by place, unsafe links refused), without
 * mail around it. partial may be NULL. 0; -1: ERR_INPUT with "line L, column C: …".
 */
struct tailor_template {
	enum tailor_as as;
	struct str source;
	const struct value *data; /* a map */
	const char *language, *time_zone;
	int64_t now_ms;
	bool (*partial)(void *ctx, struct str name, struct str *text);
	void *partial_ctx;
};
int tailor_render_template(const struct tailor_template *t, struct tailor_scratch *scratch, struct buf *out,
			   struct err *e);

/* The copy as a whole message, edits applied, for preview and spool. */
void tailor_write(const struct tailor_message *m, const struct tailor_plan *plan, struct buf *out);

#endif
