/*
 * server: libmicrohttpd's side. A request is read, answered in memory, suspended while its events go to disk,
 * and sent when they are there. The threads that read and answer (loop.c) never wait for a disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/listener.h"
#include "web/private.h"

/* Of one connection: the longest token, and what browsers and proxies put around it. */
#define CONNECTION_MEMORY ((size_t)24 << 10)
#define PRIVATE_CONNECTIONS 32U

/* ---- one request ---- */

/* One that an earlier request had: blocks of this size are slow to get and to give back. */
static struct arena *
arena_take(struct web *w)
{
	pthread_mutex_lock(&w->spare_lock);
	struct arena *a = w->nspares > 0 ? w->spares[--w->nspares] : NULL;
	pthread_mutex_unlock(&w->spare_lock);
	return a != NULL ? a : arena_new(4096);
}

static void
arena_give(struct web *w, struct arena *a)
{
	arena_reset(a);
	pthread_mutex_lock(&w->spare_lock);
	if (w->nspares < WEB_SPARES) {
		w->spares[w->nspares++] = a;
		a = NULL;
	}
	pthread_mutex_unlock(&w->spare_lock);
	arena_free(&a);
}

static struct request *
request_new(struct loop *l, struct MHD_Connection *c, const char *url, const char *method, bool private)
{
	struct web *w = l->web;
	struct arena *a = arena_take(w);
	struct request *rq = ARENA_NEW(a, struct request);
	rq->arena = a;
	rq->web = w;
	rq->loop = l;
	rq->site = site_get(w);
	rq->connection = c;
	rq->began_us = clock_mono_us();
	rq->now_ms = clock_now_ms();
	/* libmicrohttpd keeps url and method only as long as the request lives; so does this. */
	route_find(str_of(method), str_of(url), private, &rq->route);
	return rq;
}

static void
on_completed(void *cls, struct MHD_Connection *c, void **con_cls, enum MHD_RequestTerminationCode why)
{
	struct request *rq = *con_cls;
	(void)cls;
	(void)why;
	reaper_touch(c, 0);
	if (rq == NULL)
		return;
	*con_cls = NULL;
	if (rq->form != NULL)
		form_end(rq->form);
	buf_free(&rq->raw);
	respond_drop(rq);
	site_put(&rq->site);
	arena_give(rq->web, rq->arena);
}

static enum MHD_Result
finish(struct request *rq)
{
	struct metrics *m = &rq->web->metrics;
	/* At a stop: what is not recorded is not answered; a browser asks again. */
	if (rq->refused && !rq->must_record)
		return MHD_NO;
	if (rq->response == NULL || (rq->waiting && rq->must_record && !rq->recorded))
		respond_unavailable(rq);
	if (rq->route.kind != ROUTE_NONE && !rq->route.allowed)
		respond_header(rq, MHD_HTTP_HEADER_ALLOW, rq->route.allow);
	atomic_fetch_add(&m->requests[rq->route.kind][rq->status / 100], 1);
	metric_times_add(&m->latency, clock_mono_us() - rq->began_us);
	return MHD_queue_response(rq->connection, rq->status, rq->response);
}

/* Is the client to be sent away? */
static bool
limited(struct request *rq)
{
	uint8_t addr[16];
	char seconds[16];
	int retry_s = 1;
	request_client(rq, addr);
	if (limiter_take(rq->web->limiter, addr, rq->site->epoch->conf->track.rate, rq->began_us, &retry_s))
		return false;
	atomic_fetch_add(&rq->web->metrics.limited, 1);
	respond_text(rq, MHD_HTTP_TOO_MANY_REQUESTS, STR("Too many requests.\n"));
	snprintf(seconds, sizeof(seconds), "%d", retry_s);
	respond_header(rq, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	return true;
}

static void
dispatch(struct request *rq)
{
	if (rq->route.kind == ROUTE_NONE)
		respond_page(rq, MHD_HTTP_NOT_FOUND, PAGE_NOT_FOUND, NULL);
	else if (!rq->route.allowed)
		respond_text(rq, MHD_HTTP_METHOD_NOT_ALLOWED, STR("This method is not for this address.\n"));
	else if (rq->form != NULL && form_too_large(rq->form))
		respond_text(rq, MHD_HTTP_CONTENT_TOO_LARGE, STR("The form is too large.\n"));
	else
		switch (rq->route.kind) {
		case ROUTE_OPEN:
		case ROUTE_CLICK:
			track_handle(rq);
			break;
		case ROUTE_UNSUBSCRIBE:
			optout_handle(rq);
			break;
		case ROUTE_PREFERENCES:
			preferences_handle(rq);
			break;
		case ROUTE_EVENTS:
			shop_handle(rq);
			break;
		case ROUTE_ROBOTS:
			respond_text(rq, MHD_HTTP_OK, STR("User-agent: *\nDisallow: /\n"));
			break;
		default:
			status_handle(rq);
		}
}

static enum MHD_Result
answer(struct request *rq)
{
	if (rq->response == NULL)
		dispatch(rq);
	if (rq->nevents == 0 && rq->later == NULL)
		return finish(rq);
	rq->waiting = true;
	reaper_touch(rq->connection, INT64_MAX);
	/* First: the recorder may be done before recorder_add returns. */
	MHD_suspend_connection(rq->connection);
	if (!recorder_add(rq->web->recorder, rq)) {
		rq->refused = true;
		loop_resume_here(rq->loop, rq->connection);
	}
	return MHD_YES;
}

/* A request's headers are there. */
static enum MHD_Result
begin(struct request *rq, bool private)
{
	struct str length = request_header(rq, MHD_HTTP_HEADER_CONTENT_LENGTH);
	if (!private && !optout_counted(rq) && limited(rq))
		return MHD_YES;
	if (rq->route.method != METHOD_POST || !rq->route.allowed)
		return MHD_YES;
	if (length.n > (rq->route.kind == ROUTE_EVENTS ? 7U : 5U)) {
		/* A body that is not wanted is not read. */
		respond_text(rq, MHD_HTTP_CONTENT_TOO_LARGE, STR("The body is too large.\n"));
		return finish(rq);
	}
	if (rq->route.kind != ROUTE_EVENTS)
		rq->form = form_begin(rq->arena, rq->connection);
	return MHD_YES;
}

static enum MHD_Result
handle(struct loop *l, bool private, struct MHD_Connection *c, const char *url, const char *method,
       const char *data, size_t *n, void **con_cls)
{
	struct request *rq = *con_cls;
	if (rq == NULL) {
		*con_cls = rq = request_new(l, c, url, method, private);
		return begin(rq, private);
	}
	if (*n > 0) {
		bool shop = rq->route.kind == ROUTE_EVENTS && rq->response == NULL;
		if (rq->form != NULL)
			form_feed(rq->form, data, *n);
		else if (shop && rq->raw.n <= SHOP_MAX_BODY)
			buf_add(&rq->raw, data, *n);
		/* Who goes on sending what nobody wants is cut off. */
		rq->body += *n;
		*n = 0;
		return rq->body <= (shop ? 2 * SHOP_MAX_BODY : 4 * FORM_MAX_BODY) ? MHD_YES : MHD_NO;
	}
	return rq->waiting ? finish(rq) : answer(rq);
}

static enum MHD_Result
on_public(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
	  const char *data, size_t *n, void **con_cls)
{
	(void)version;
	return handle(cls, false, c, url, method, data, n, con_cls);
}

static enum MHD_Result
on_private(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
	   const char *data, size_t *n, void **con_cls)
{
	(void)version;
	return handle(cls, true, c, url, method, data, n, con_cls);
}

/* ---- daemons ---- */

__attribute__((format(printf, 2, 0))) static void
on_log(void *cls, const char *format, va_list ap)
{
	char text[512];
	(void)cls;
	vsnprintf(text, sizeof(text), format, ap);
	log_debug("http: %s", text);
}

/* A thread that answers whoever connects to fd, which is its own then. */
static int
loop_add(struct web *w, int fd, MHD_AccessHandlerCallback handler, unsigned connections, int64_t idle_ms,
	 struct err *e)
{
	struct loop *l = loop_new(w);
	l->daemon =
	    MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
			     handler, l, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET,
			     fd, MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT,
			     (unsigned)((idle_ms + 999) / 1000), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
			     CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
			     MHD_OPTION_NOTIFY_CONNECTION, reaper_connection, w, MHD_OPTION_END);
	if (l->daemon == NULL)
		close(fd);
	return loop_start(l, e);
}

/* As many threads as the configuration says share the socket, and the connections. */
static int
public_start(struct web *w, const struct conf_track *t, struct err *e)
{
	const int64_t threads = t->threads < t->connections ? t->threads : t->connections;
	int listener = listener_open(&t->listen, t->socket_mode, e), rc = listener < 0 ? -1 : 0;
	for (int64_t i = 0; i < threads && rc == 0; i++) {
		const int64_t share = t->connections / threads + (i < t->connections % threads);
		int fd = fcntl(listener, F_DUPFD_CLOEXEC, 0);
		rc = fd < 0 ? err_set(e, ERR_IO, "cannot start the HTTP server: %s", strerror(errno))
			    : loop_add(w, fd, on_public, (unsigned)share, t->idle_timeout_ms, e);
	}
	if (listener >= 0)
		close(listener);
	return rc;
}

static void
descriptors(int64_t connections)
{
	struct rlimit l;
	rlim_t want = (rlim_t)connections + PRIVATE_CONNECTIONS + 128;
	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= want)
		return;
	l.rlim_cur = l.rlim_max == RLIM_INFINITY || l.rlim_max >= want ? want : l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur < want)
		log_warn(
		    "track: connections = %lld needs %llu open files, and only %llu are allowed (ulimit -n, "
		    "LimitNOFILE)",
		    (long long)connections, (unsigned long long)want, (unsigned long long)l.rlim_cur);
}

int
server_start(struct web *w, struct err *e)
{
	const struct conf_track *t = &w->site->epoch->conf->track;
	descriptors(t->connections);
	if (public_start(w, t, e) != 0)
		return -1;
	int fd = listener_open(&t->private, t->socket_mode, e);
	return fd < 0 ? -1 : loop_add(w, fd, on_private, PRIVATE_CONNECTIONS, t->idle_timeout_ms, e);
}

void
server_stop(struct web *w, struct site *first)
{
	const struct conf_track *t = &first->epoch->conf->track;
	/* libmicrohttpd does not stop while a connection is suspended. */
	recorder_refuse(w->recorder);
	loops_stop(w);
	if (t->listen.unix_path != NULL)
		unlink(t->listen.unix_path);
	if (t->private.unix_path != NULL)
		unlink(t->private.unix_path);
}
