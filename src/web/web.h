/*
 * web: the tracking endpoint, mailtailor-trackd: opens, clicks, unsubscribes and preferences come in over
 * HTTP, and every one of them is on disk before it is answered.
 *
 *   server.c    libmicrohttpd: listeners, one request from its first byte to its answer
 *   loop.c      the threads in which libmicrohttpd works, and what wakes them
 *   route.c     which page a path names
 *   request.c   what requests have in common: token, client, class, event
 *   track.c     pixel and redirect
 *   optout.c    unsubscribe
 *   preferences.c  what mail, how often, tracking; owndata.c: "export my data", "erase me"
 *   agent.c     human, proxy or machine, by one request; watch.c by what several show together
 *   limit.c     requests per client address
 *   recorder.c  events and changes, many requests in one commit; change.c stores a change
 *   arrivals.c  a crowd's opens and clicks, queued and moved into the log later
 *   backlog.c   what cannot be stored now, in a file: queue.c
 *   page.c      templates of pages, in the reader's language
 *   metrics.c   Prometheus text
 *   service.c   start, reload, stop
 *
 * No plugin is loaded and no mail is parsed here.
 */
#ifndef MT_WEB_WEB_H
#define MT_WEB_WEB_H

struct web_options {
	const char *conf_file;
	const char *plugin_directory; /* the default, for paths in the configuration; nothing is loaded */
	const char *pages;	      /* directory of page templates when the configuration names none */
};

/*
 * Runs until SIGTERM or SIGINT; SIGUSR1 reads configuration, keys and pages again. Call from main(), before
 * other threads. Returns an exit code of sysexits.h.
 */
int web_serve(const struct web_options *o);

#endif
