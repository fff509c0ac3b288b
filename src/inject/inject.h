/*
 * inject: the process that drains the spool. mailtailord starts it, and starts it again when it ends; it
 * shares nothing with the milter but the database, so that neither can take the other down (libetpan, its
 * SMTP client, aborts when a descriptor exceeds 1023).
 *
 *   supervise.c  mailtailord's side: start, wake, restart, stop
 *   inject.c     the process: its lock, its threads, its end
 *   lock.c       whether one runs
 *   drain.c      due jobs become copies: the cutter
 *   make.c       one batch of jobs of one message
 *   pipeline.c   from the cutter to the senders to the recorder
 *   send.c       one sender: one kept SMTP connection
 *   record.c     what became of copies, on disk; delivery reports
 *   smtp.c       SMTP over libetpan
 *   report.c     RFC 3464
 *   count.c      what was done, for mailtailord's metrics
 *
 * Order of durable steps for one copy: caps and decision in the ledger, then SMTP, then the job's end in the
 * spool. A process that dies between the last two sends that copy again: at most INJECT_UNRECORDED copies for
 * each connection.
 */
#ifndef MT_INJECT_INJECT_H
#define MT_INJECT_INJECT_H

#include "engine/engine.h"

/* Copies that one connection may have handed over before their end is on disk. */
#define INJECT_UNRECORDED 8

/* ---- in the injector's process ---- */

struct inject_options {
	const char *conf_file, *plugin_directory;
};
/*
 * Drains until descriptor 0 reaches its end (mailtailord is gone, or wants it to end) or SIGTERM. A byte on
 * descriptor 0 says that jobs were added. Waits for the lock of the state directory first: there is one
 * injector at a time. Returns an exit code of sysexits.h. Call from main(), before other threads.
 */
int inject_serve(const struct inject_options *o);

/* ---- in any process ---- */

/* In the state directory; an injector has it flocked as long as it runs, and says in it how its target does.
 */
#define INJECT_LOCK "injector.lock"
/* 1, 0 none runs, -1 it cannot be known. */
int inject_runs(const char *directory);
/* What it says of its target in there when that does not work. */
struct inject_trouble {
	int64_t tried_ms, next_ms; /* the last try that failed, and the next */
	char text[400];		   /* why: "connect: …"; no controls, no address of a recipient */
};
/* 1 when an injector runs and its target does not work; else 0. */
int inject_target_trouble(const char *directory, struct inject_trouble *out);

/* ---- in mailtailord ---- */

struct injector;
/*
 * Starts `program --injector …` and a thread that starts it again when it ends, after a pause that grows from
 * one second to a minute while it keeps failing. Call before other threads. NULL with e when no thread could
 * be had.
 */
struct injector *
injector_start(const char *program, const struct inject_options *o, bool wanted, struct err *e);
/* Jobs were added. Any thread; never blocks. */
void injector_wake(struct injector *i);
/* What the injector has done, and whether it runs, as Prometheus text. Any thread. */
void injector_metrics(struct injector *i, struct buf *out);
/* A new configuration: it ends what it has begun and comes back with it; or ends, when no target is set. */
void injector_reload(struct injector *i, bool wanted);
/* Waits up to timeout_ms for copies under way, then kills. Takes NULL; leaves NULL. */
void injector_stop(struct injector **i, int64_t timeout_ms);

#endif
