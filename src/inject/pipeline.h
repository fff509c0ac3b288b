/*
 * pipeline: what the injector's threads share. The cutter makes items and puts them in; senders take them,
 * hand them over and pass them on; the recorder writes down what became of them and lets go of their keys.
 *
 *   cutter ─ pipeline_put ─→ ready ─ pipeline_take ─→ senders ─ pipeline_done ─→ done ─ pipeline_collect ─→
 * recorder └────────────────────── pipeline_done (no copy: dropped, later, held) ────────↗
 *
 * A key is claimed from the moment the cutter has read it until its end is on disk: spool_due passes it over.
 * What the process did not finish is simply still queued when it starts again.
 *
 * Bounds: ready copies, by number and bytes; copies handed over whose end is not on disk (pipeline_slot);
 * what waits for the recorder. Threads: all functions are safe.
 */
#ifndef MT_INJECT_PIPELINE_H
#define MT_INJECT_PIPELINE_H

#include "inject/inject.h"
#include "inject/smtp.h"
#include "recipient/job.h"
#include "store/spool.h"

/* One job on its way. Everything it points to lives in its arena. */
struct item {
	struct arena *arena;
	struct spool_job job; /* as it was read */
	char id[26];	      /* spool_id of it */
	char hash[33];	      /* recipient_key_hex of it */
	/* For the sender and for reports: */
	struct str sender; /* of the submission: reports go there */
	struct job_payload payload;
	struct smtp_envelope envelope;
	struct str copy;  /* the whole message */
	uint8_t idem[16]; /* the copy's, under which its places in caps are known; a report has none */
	/* What became of it: */
	bool taken;	  /* by a sender */
	bool handed_over; /* a slot is held */
	struct smtp_result result;
	struct spool_update update;
	struct event event; /* what is known of the copy; type 0: nothing is to be told */
	bool fail_report;   /* its sender is to be told */
	bool give_back;	    /* it has certainly not left, and never will: its places are free again */
	const char *status; /* for the report: "5.7.1" */
	struct item *next;
};

struct item *item_new(const struct spool_job *job);
void item_free(struct item **it);

struct pipeline;
struct pipeline *pipeline_new(size_t connections, double rate);
/* All threads must have ended. */
void pipeline_free(struct pipeline **p);

/* ---- cutter ---- */
/* Waits until there is room for copies, and for ends. Returns for how many copies; 0: the process stops. */
size_t pipeline_room(struct pipeline *p);
/*
 * Before each look at the spool. Keys that were let go before it are claimed no more. Those that are let go
 * while the cutter looks stay claimed until the next one: what it reads is the spool as it was when it began,
 * in which their jobs are still queued, and they would be sent twice.
 */
void pipeline_look(struct pipeline *p);
void pipeline_claim(struct pipeline *p, const struct spool_key *key);
bool pipeline_claimed(void *p, const struct spool_key *key);
/* Waits for room by bytes: large copies of one batch do not all fit. While the target rests, it is let go. */
void pipeline_put(struct pipeline *p, struct item *it);
/* Sleeps until something changes (jobs were added, a job was let go, the target may be tried again), or
 * until_ms. */
void pipeline_wait(struct pipeline *p, int64_t until_ms);
/* When the target may be tried again; 0: now. */
int64_t pipeline_down_until(struct pipeline *p);
/* Lets go of a key without a word: it stays as it is in the spool. */
void pipeline_release(struct pipeline *p, struct item **it);

/* ---- senders ---- */
/* NULL: the process stops. Takes its time when a rate is set. */
struct item *pipeline_take(struct pipeline *p);
/* Takes a slot for one copy that is handed over; waits. False: the process stops. */
bool pipeline_slot(struct pipeline *p);
void pipeline_done(struct pipeline *p, struct item *it);
/*
 * The target does not work: what is ready is let go and nothing is read until a pause has passed. It is a
 * second long, and twice as long, up to a minute, each time that the target is tried after one and fails
 * again: senders that fail together begin one. Returns its length in ms; 0: one is under way.
 */
int64_t pipeline_down(struct pipeline *p);
/* The target works. True: it did not before. */
bool pipeline_up(struct pipeline *p);

/* ---- recorder ---- */
/* What is done, no more than one call of spool_update takes; waits for the first, and a moment for more.
 * NULL: the process stops and everything is recorded. */
struct item *pipeline_collect(struct pipeline *p);
/* The end of these is on disk (or will not be asked for): lets go of keys and slots, frees them. */
void pipeline_recorded(struct pipeline *p, struct item *list);

/* ---- whoever steers ---- */
void pipeline_wake(struct pipeline *p); /* jobs were added */
/* Cutter first, then senders, then the recorder come to an end; see inject.c. */
void pipeline_stop(struct pipeline *p);
/* No further item comes from a sender: the recorder may end. */
void pipeline_senders_ended(struct pipeline *p);

#endif
