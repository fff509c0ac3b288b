/*
 * milter: mailtailor as a mail filter; the only user of libmilter.
 *
 *   negotiate.c  what is asked of the MTA
 *   session.c    a connection: who is talking
 *   callbacks.c  what the MTA says, recorded; nothing is decided there but what must be answered at once
 *   message.c    end of message: the campaign, the copy, the answer
 *   spool.c      several recipients, or one who must wait: jobs instead of a copy
 *   apply.c      a plan becomes SMFI calls
 *   stats.c      what is counted, as Prometheus text
 *   service.c    start, reload, drain
 *
 * One session per connection owns one transaction. libmilter runs callbacks of
 * one connection one after another, though not on one thread.
 */
#ifndef MT_MILTER_MILTER_H
#define MT_MILTER_MILTER_H

#include "engine/engine.h"

struct milter_options {
	const char *conf_file;
	const char *plugin_directory;
	/* May be NULL. configured: a configuration is in use, at the start (the state is open then) and after
	 * each reload; spooled: jobs were added to the spool. Any thread, one call of configured at a time.
	 */
	void (*configured)(const struct conf *c);
	void (*spooled)(void);
	void (*ending)(void); /* the state is about to be closed; or NULL */
};

/*
 * Runs until SIGTERM (or SIGHUP, SIGINT, which libmilter takes as stop): loads the configuration, opens the
 * store, serves, reloads on SIGUSR1, drains. Returns an exit code of sysexits.h. Call from main(), before
 * other threads.
 */
int milter_serve(const struct milter_options *o);

/* From the first call of configured until milter_serve returns; any thread. */
void milter_metrics(struct buf *out);
bool milter_ready(void); /* it takes messages */

#endif
