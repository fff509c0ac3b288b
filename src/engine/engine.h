/*
 * engine: one epoch of everything that is configured, and the one way from a
 * prepared message and an address to a plan. The milter, the injector and
 * `mailtailor render` all come through here, so what is previewed is what is
 * sent.
 *
 * Epoch: configuration, key ring, plugins and compiled parts that belong
 * together. A reload makes a new one; running messages finish on the old.
 *
 * Threads: epochs are shared (counted references); a worker belongs to one
 * thread from engine_worker_get to engine_worker_put. Workers are pooled by the
 * epoch because a milter connection moves between libmilter's threads.
 */
#ifndef MT_ENGINE_ENGINE_H
#define MT_ENGINE_ENGINE_H

#include "conf/conf.h"
#include "engine/features.h"
#include "plugin/plugin.h"
#include "recipient/recipient.h"
#include "tailor/tailor.h"

struct epoch {
	struct conf *conf;
	struct keyring *keys; /* NULL: none configured and not required */
	struct plugin_set *plugins;
	struct features_set *features;
	struct tailor_cache *cache;
	struct epoch_private *priv;
};

struct epoch_options {
	const char *conf_file;
	const char *plugin_directory; /* default when the file names none */
	bool ephemeral_keys;	      /* preview without a key ring: links open nowhere */
	bool links_only; /* no plugins and no compiled parts (NULL): for who opens tokens and makes no copies
			  */
};

/* NULL when anything is wrong; every mistake went to report as "FILE:LINE: …". One reference, the caller's.
 */
struct epoch *epoch_load(const struct epoch_options *o, conf_report_fn *report, void *ctx);
struct epoch *epoch_ref(struct epoch *e);
/* Takes NULL, leaves NULL; the last reference frees. */
void epoch_unref(struct epoch **e);

/* What one thread needs to make copies: sealer, scratch, memory. */
struct worker {
	struct sealer *sealer;
	struct tailor_scratch *scratch;
	struct arena *arena; /* reset by engine_worker_put */
	struct worker *next;
};
struct worker *engine_worker_get(struct epoch *e);
void engine_worker_put(struct epoch *e, struct worker **w);

struct engine_request {
	struct epoch *epoch;
	struct worker *worker;
	struct store *store; /* NULL: profile_json must be given */
	const struct tailor_message *message;
	const struct conf_campaign *campaign;
	struct str address; /* the envelope recipient, with or without <> */
	const struct value
	    *data;	     /* this recipient's own merge data; NULL: what the message's data part says */
	int64_t accepted_ms; /* when the message was accepted; 0: now */
	bool attempted;	     /* see struct tailor_input */
	const char *profile_json; /* instead of the store's */
	struct str queue_id;	  /* the MTA's, when there is one; see tailor_message_id */
	struct str message_id;	  /* what engine_message_id said at acceptance; absent: ask it now */
	bool own_copy;		  /* one of several made of one message: it gets a Message-ID of its own */
	struct str arm;		  /* the arm that was decided when it had to wait; absent: none */
	double propensity;	  /* of it */
	bool arm_forced;	  /* whatever was or would be decided (preview) */
	int64_t now_ms;
	bool explain;
	/* The reservation queues an `injected` event that this says; NULL: none */
	const char *event_source;
};

struct engine_copy {
	struct recipient_snapshot *recipient;
	const struct value *data; /* this recipient's own merge data, or NULL */
	struct tailor_arm arm;	  /* of control copies nothing was asked of plugins */
	struct plugin_result plugins;
	struct tailor_plan plan; /* valid until the worker makes its next copy */
};

/*
 * snapshot → control or not → plugins → arm → tailor. 0 with *out filled (also for DROP and REFUSE); -1:
 * ERR_INPUT (no address), ERR_CONFIG, ERR_TEMP, ERR_IO, ERR_CORRUPT …: the message is to be tried again
 * later. e is not NULL.
 */
int engine_make(const struct engine_request *rq, struct engine_copy *out, struct err *e);
/*
 * The same in two steps, for a batch of n copies: rq[i] → out[i], errors in e[i]. All n are of one epoch,
 * worker, store, message and campaign, and all or none have a profile_json. engine_gather reads their
 * snapshots in one transaction of each database, scores them as one matrix, and runs the personalizers; then
 * engine_render decides and renders those that have no error, one after the other. Each copy is what
 * engine_make would make of it. engine_gather: 0, or -1 when any e[i].kind is set: that copy is not to be
 * rendered.
 */
int engine_gather(const struct engine_request *rq, size_t n, struct engine_copy *out, struct err *e);
int engine_render(const struct engine_request *rq, struct engine_copy *copy, struct err *e);
/*
 * The row of the campaign's features section for a copy that engine_gather read, were it of that arm (NULL:
 * of none); NULL when the campaign names no section. In the worker's arena. What is kept with the decision is
 * this row for the arm that was decided on.
 */
const double *engine_row(const struct engine_request *rq, const struct engine_copy *copy, const char *arm);
/*
 * What stands for the message in idempotency keys: its Message-ID, or when it has none of its own a hash of
 * what stays the same when a client submits it again. Lives in the worker's arena or the message.
 */
struct str engine_message_id(const struct engine_request *rq);
/* Only whether and why, before anything is rendered and without plugins: for acceptance into the spool. An
 * arm that hangs on what was learned is not decided then. */
int engine_decide(const struct engine_request *rq, struct engine_copy *out, struct err *e);
/*
 * Takes the caps' places for a copy whose plan says SEND; it may leave when this returns 0 and the plan still
 * says so: then the reservation is on disk. When another message was faster the plan's decision becomes that
 * of the full cap. Comes last, when all else is done that can fail, so that a copy that cannot leave takes no
 * place. Needs rq->store.
 */
int engine_reserve(const struct engine_request *rq, struct engine_copy *copy, struct err *e);
/* The same for a batch as of engine_gather, in one commit; rq[i] belongs to copies[i]. -1: no place was
 * taken. */
int engine_reserve_many(const struct engine_request *rq, struct engine_copy *copies, size_t n, struct err *e);
/*
 * What is known of a copy as an event: when, whose, which campaign, arm, domain, why it is not sent; with the
 * decision for `injected`. once is set. Strings live in a; source borrows.
 */
void engine_event(const struct engine_request *rq, const struct engine_copy *copy, enum event_type type,
		  const char *source, struct arena *a, struct event *out);

#endif
