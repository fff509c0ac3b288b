/*
 * milter, inside: session, transaction and service, shared by this directory.
 */
#ifndef MT_MILTER_PRIVATE_H
#define MT_MILTER_PRIVATE_H

#include <libmilter/mfapi.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "milter/milter.h"
#include "store/spool.h"

/* One RCPT; parameters as RFC 3461 has them, empty when absent. */
struct tx_recipient {
	struct str address; /* as it came, with its <> */
	struct str notify, orcpt;
};

/* More would not fit one commit of the spool; the MTA's own bound is 1000. */
#define TX_MAX_RECIPIENTS SPOOL_MAX_BATCH

/* One message on its way in. */
struct tx {
	bool open;	     /* MAIL was seen and no end yet: counts in service.running */
	struct epoch *epoch; /* the one that was current at MAIL */
	struct arena *arena;
	const struct conf_campaign *campaign; /* as known so far; NULL: none, or not yet */
	bool by_envelope; /* campaign came from sender or listener, before the header was seen */
	bool strip_only;  /* ordinary mail whose X-Mailtailor fields are to be removed */
	bool too_large;
	struct str sender; /* without <> */
	struct str ret, envid;
	bool eightbit, smtputf8;
	struct tx_recipient *to; /* the first TX_MAX_RECIPIENTS */
	size_t nrecipients, room;
	bool own_copy;		  /* carries our job mark: a copy of ours that came round again */
	struct buf bytes;	  /* header block, empty line, body */
	const char *bad_campaign; /* what is wrong with the campaign or field that the header names */
	const char *bad_name;	  /* how that one reads, in part */
};

struct session {
	unsigned long nr; /* SMFIP_NR_* that were granted: these callbacks must not answer */
	bool leadspace;
	uint8_t client[16]; /* v4-mapped; loopback for a local submission */
	struct str daemon_name, daemon_port;
	struct arena *arena;
	bool authenticated;
	bool refused; /* the service stops: this MAIL opened no transaction */
	struct tx tx;
};

/*
 * The process's one milter. libmilter hands callbacks nothing but its own
 * context, so this is a static; the other one is wire.c's, for the same reason.
 */
struct milter_service {
	struct milter_options options;
	pthread_mutex_t lock; /* epoch */
	struct epoch *epoch;
	struct store *store;
	atomic_long running; /* open transactions */
	atomic_long sessions;
	atomic_bool stopping; /* no transaction begins any more */
	atomic_bool ended;    /* libmilter's main loop is over */
};
extern struct milter_service milter_service;

/* The current epoch, referenced. */
struct epoch *service_epoch(void);

/* events.c: the thread that moves queued events into the log and keeps the log short. 0 or an exit code. */
int events_start(void);
/* Moves what is there, and ends it. */
void events_stop(void);

struct session *session_new(void);
void session_free(struct session **s);
/* As xxfi_connect has them; both may be NULL. */
void session_client(struct session *s, const char *hostname, const void *sockaddr);
/* True when this session may name campaigns. */
bool session_trusted(const struct session *s, const struct conf *c);

/* Of a MAIL or RCPT argument: without its <>. Points into s. */
struct str without_brackets(struct str s);

/* False when the service stops: the transaction is not opened. */
bool tx_begin(struct session *s, SMFICTX *ctx, char **argv);
/* Frees what the transaction holds; idempotent (a dropped client gives two aborts). */
void tx_reset(struct tx *tx);
/* False when the message has grown past its bound; then nothing more is kept. */
bool tx_add(struct tx *tx, const void *p, size_t n);
/* The campaign that sender or listener name, or NULL. */
const struct conf_campaign *tx_match_envelope(const struct session *s, const struct tx *tx);
/* At end of header: campaign by header field or From domain; sets strip_only, bad_campaign. */
void tx_match_header(const struct session *s, struct tx *tx);

/* Notes a further RCPT; beyond TX_MAX_RECIPIENTS only their number. */
void tx_recipient_add(struct tx *tx, char **argv);

/* One message's end. */
struct finish {
	SMFICTX *ctx;
	struct session *s;
	struct tx *tx;
	const char *queue_id; /* for the log */
	const char *mta_id;   /* NULL: unknown */
};
/* End of message: makes the copy and says what to answer. */
sfsistat message_finish(SMFICTX *ctx, struct session *s);
/* An error of ours or the message's becomes the SMTP answer that fits; logged here. */
sfsistat answer_error(const struct finish *f, const struct err *e);
/*
 * Every recipient's copy becomes a job in the spool, in one durable commit; the answer is SMFIS_DISCARD.
 * Those who must not be mailed are recorded as ended. Serves one recipient too, whose copy has to wait.
 */
sfsistat message_spool(const struct finish *f, const struct tailor_message *m, struct worker *w);

/* Removes every X-Mailtailor field and nothing else. 0, or -1 when the MTA is gone. */
int apply_strip(SMFICTX *ctx, const struct tx *tx);
/* Body first, whole, then header edits in order and the copy's mark, then the envelope sender; the last two
 * unless they are NULL. 0, or -1. */
int apply_plan(SMFICTX *ctx, const struct tailor_plan *plan, const char *sender, const char *mark);
/* smfi_setreply with text made safe for SMTP; returns the status that goes with code. */
sfsistat reply(SMFICTX *ctx, const char *code, const char *xcode, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

sfsistat
milter_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2, unsigned long f3,
		 unsigned long *pf0, unsigned long *pf1, unsigned long *pf2, unsigned long *pf3);
extern struct smfiDesc milter_callbacks;

/* ---- stats.c: counted for milter_metrics ---- */
void stats_message(sfsistat answer, int64_t took_us); /* the end of a campaign message */
void stats_reply(const char *code);
void stats_decision(const struct tailor_decision *d);
void stats_spooled(size_t recipients);
long long stats_jobs(void); /* recipients that went into the spool so far */

#endif
