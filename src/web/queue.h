/*
 * queue: a file that takes events and changes while the database does not, and gives them back when it does.
 *
 * One JSON object a line; a batch is appended and flushed to disk (fdatasync) before its requests are
 * answered. A line that was cut off by a crash belongs to a request that nobody answered: it is left out.
 * Each event has an idempotency key, so moving them over twice (a crash in between) adds them once.
 *
 * Threads: one thread at a time (the recorder). One process at a time: the file is locked.
 */
#ifndef MT_WEB_QUEUE_H
#define MT_WEB_QUEUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "store/event.h"

/* An event, or a change of what is known of a recipient. */
struct queue_entry {
	bool has_event;
	struct event event;
	/* else: */
	uint8_t rk[STORE_KEY_LEN];
	int64_t at_ms;
	bool erase;    /* all that is held, before what follows */
	bool suppress; /* unsubscribed from category */
	struct str category;
	const struct consent_record *consents;
	size_t nconsents;
	const struct str *lifted; /* suppressions taken away: the recipient subscribed again */
	size_t nlifted;
};
#define QUEUE_MAX_LIST 64 /* consents, lifted */

struct queue;
/* NULL with *e: cannot be made or locked. */
struct queue *queue_open(const char *path, struct err *e);
void queue_close(struct queue **q);
/* Appends as JSON and flushes: 0, or -1 and the file is as it was. */
int queue_write(struct queue *q, const struct queue_entry *v, size_t n, struct err *e);
bool queue_empty(const struct queue *q);
/*
 * Calls fn with up to `max` entries at a time, changes only or events only, oldest first, until it fails or
 * all are handed over. What fn took is not handed over again by this process, and lies in the file until
 * queue_clear: who comes after a crash begins anew. Lines that make no sense are logged and left out. 0, or
 * -1: what fn said, or the file cannot be read; nothing is lost then.
 */
typedef int queue_fn(void *ctx, const struct queue_entry *v, size_t n, struct err *e);
enum queue_kind { QUEUE_CHANGES, QUEUE_EVENTS };
int queue_drain(struct queue *q, enum queue_kind kind, size_t max, queue_fn *fn, void *ctx, struct err *e);
/* Empties the file, if all of it was handed over. */
int queue_clear(struct queue *q, struct err *e);

/* ---- one line, for tests and fuzzing ---- */
void queue_entry_print(const struct queue_entry *v, struct buf *out);
/* Strings live in a. ERR_CORRUPT. */
int queue_entry_parse(struct str line, struct arena *a, struct queue_entry *out, struct err *e);

#endif
