/* private: what the files of src/web share. */
#ifndef MT_WEB_PRIVATE_H
#define MT_WEB_PRIVATE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "engine/engine.h"
#include "store/event.h"
#include "web/agent.h"
#include "web/form.h"
#include "web/limit.h"
#include "web/metrics.h"
#include "web/page.h"
#include "web/queue.h"
#include "web/route.h"
#include "web/watch.h"
#include "web/web.h"

/* A reload makes a new one; requests finish on theirs. */
struct site {
	struct epoch *epoch;
	struct pages *pages;
	atomic_int refs;
};

#define WEB_SPARES 512
#define WEB_LOOPS 65 /* track.threads, and one for the private listener */

struct web {
	struct web_options options;
	pthread_mutex_t lock; /* guards site and store */
	struct site *site;
	struct store *store; /* NULL: it cannot be opened now; set once, closed at the end */
	struct limiter *limiter;
	struct limiter *optouts;			/* of a recipient */
	struct limiter *tries_of_one, *tries_from_near; /* at an address: of a recipient, from a network */
	struct watch *watch;
	struct metrics metrics;
	int64_t open_at_us; /* when opening it is tried again */
	struct recorder *recorder;
	pthread_mutex_t spare_lock; /* guards what follows: arenas for requests to come */
	struct arena *spares[WEB_SPARES];
	size_t nspares;
	struct loop *loops[WEB_LOOPS];
	atomic_size_t nloops;
};

/* One thread of the HTTP server: loop.c. */
struct loop {
	struct web *web;
	struct MHD_Daemon *daemon;
	int events, wake; /* descriptors: libmicrohttpd's, and what others write to */
	bool again;	  /* there is more to do at once; of its own thread alone */
	atomic_bool resumed, stopping;
	pthread_t thread;
};

/* One HTTP request. Belongs to the thread that works on it: a loop's, or the recorder's while the
 * connection is suspended. */
struct request {
	struct web *web;
	struct loop *loop;
	struct site *site;
	struct MHD_Connection *connection;
	struct arena *arena;
	struct route route;
	bool waiting;	   /* handed to the recorder */
	bool refused;	   /* which takes no more */
	size_t body;	   /* bytes so far */
	struct form *form; /* of a POST by a recipient */
	struct buf raw;	   /* body of a POST by a shop */
	struct token token;
	int64_t now_ms;
	/* What is written before the answer. */
	struct event *events; /* in the arena */
	size_t nevents;
	struct queue_entry change; /* made before the events are written */
	bool changed;		   /* it is in the database */
	/* What sets the response and may wait for a disk: a thread of the recorder's does it. NULL: nothing.
	 */
	void (*later)(struct request *rq);
	struct str address; /* owndata: as typed in, and his */
	bool must_record;   /* without a durable record there is no success to report: 503 */
	bool recorded;
	/* The answer, made before the record and sent after it. */
	unsigned status;
	struct MHD_Response *response;
	int64_t began_us;
	struct request *next;
};

/* ---- service.c ---- */
struct site *site_get(struct web *w); /* a reference to the one in use */
void site_put(struct site **s);
/* NULL while the database cannot be opened. */
struct store *web_store(struct web *w);

/* ---- consent.c ---- */
/*
 * Is nothing of what he does to be recorded: opens, clicks, what he looks at in a shop? By his own word, else
 * by the campaign's tracking_unknown (campaign: may be empty). True also when that cannot be read; false
 * while there is no database (s is NULL): what is queued is asked for again when it is moved.
 */
bool consent_denied(struct store *s, const struct conf *conf, const uint8_t rk[16], struct str campaign,
		    struct arena *a);

/* ---- track.c: pixel and redirect; optout.c: unsubscribe; preferences.c; status.c: the private listener;
 * shop.c ---- Each fills rq->response, rq->status and, when there is something to record, events and change.
 */
void track_handle(struct request *rq);
void optout_handle(struct request *rq);
void preferences_handle(struct request *rq);
void status_handle(struct request *rq);
void shop_handle(struct request *rq);
#define SHOP_MAX_BODY ((size_t)1 << 20)

/* ---- optout.c ---- */
/* A link to another page of the same recipient. */
struct str optout_link(struct request *rq, enum token_purpose purpose);
/* A one-click POST: it comes from the servers of his mail provider, who speak for many. With an authentic
 * token it is counted for its recipient; true: it need not be for its address. */
bool optout_counted(struct request *rq);
/* The event of a change: durable, or no success. */
struct event *optout_event(struct request *rq, enum event_type type, struct str reason);

/* ---- owndata.c: the preference page's other form; true: the request was one of its ---- */
bool owndata_handle(struct request *rq);

/* ---- request.c ---- */
/* The token of the route, or false with the answer made: every token that is none looks alike. */
bool request_token(struct request *rq, enum token_purpose purpose);
/* Header of the request; STR_NULL when absent. */
struct str request_header(struct request *rq, const char *name);
/* Adds an event of the token's copy, classed by what the request shows; returns it for more. */
struct event *request_event(struct request *rq, enum event_type type);
/* The client's address, IPv4 as v4-mapped, a proxy's word taken where the configuration says so; zero: a unix
 * socket's client that names none. */
void request_client(struct request *rq, uint8_t out[16]);

/* ---- respond.c ---- */
void respond_static(void); /* once, before the daemons start */
void respond_static_free(void);
void respond_pixel(struct request *rq);
void respond_redirect(struct request *rq, struct str url);
void respond_page(struct request *rq, unsigned status, enum page page, const struct value *values);
void respond_text(struct request *rq, unsigned status, struct str text);
void respond_json(struct request *rq, unsigned status, struct str text);
/* Replaces what was made. */
void respond_drop(struct request *rq); /* with nothing */
void respond_unavailable(struct request *rq);
void respond_header(struct request *rq, const char *name, const char *value);

/* ---- change.c ---- */
bool is_change(const struct queue_entry *q);
/*
 * Stores it; the audit log in that directory is told. waited: it comes out of the queue, and what was refused
 * since holds. Safe. -1: nothing, or a part of it; to be done again as a whole.
 */
int change_apply(const char *directory, struct store *s, const uint8_t rk[16], const struct queue_entry *q,
		 int64_t at_ms, bool waited, struct err *e);
/* ---- backlog.c: the recorder's thread alone, but for backlog_holds ---- */
struct backlog *backlog_open(struct web *w); /* never NULL: without a queue file it takes nothing */
void backlog_close(struct backlog **b);
/* Is a change of that recipient to wait behind others? */
bool backlog_holds(struct backlog *b, const uint8_t rk[16]);
int backlog_write(struct backlog *b, const struct queue_entry *v, size_t n, struct err *e);
/* Moves what waits into the database. True: new events may go there directly. */
bool backlog_settle(struct backlog *b);
/* event_add, but for those of v that can never be taken: they are logged and left out. Changes v. */
int events_store(struct store *s, struct event *v, size_t n, struct err *e);

/* ---- arrivals.c ---- */
struct arrivals *arrivals_start(struct web *w); /* NULL: no thread could be started */
/* Moves what waits, if it can be, then ends. Takes NULL; leaves NULL. */
void arrivals_stop(struct arrivals **a);
/* May it wait there? Of other events it must be known at once what became of them. Those that may stay in
 * their order. */
bool arrivals_take(const struct event *ev);
/* As events_store: on disk when it returns, in the log perhaps a moment later. One thread at a time. */
int arrivals_store(struct arrivals *a, struct store *s, struct event *v, size_t n, struct err *e);

/* ---- recorder.c ---- */
struct recorder *recorder_start(struct web *w, struct err *e);
/* Takes a suspended request; resumes it when its events are on disk, or cannot be. */
bool recorder_add(struct recorder *r, struct request *rq); /* false: it takes none any more */
/* Takes no more, and returns when all it had are resumed. */
void recorder_refuse(struct recorder *r);
/* Writes what waits, then ends. Takes NULL; leaves NULL. */
void recorder_stop(struct recorder **r);

/* ---- loop.c ---- */
struct loop *loop_new(struct web *w);
/* A thread for l->daemon (NULL: it could not be made). l is w's then, or freed. 0 or -1. */
int loop_start(struct loop *l, struct err *e);
/* MHD_resume_connection, for threads that are no loop; when all are resumed, loops_wake. */
void loop_resume(struct loop *l, struct MHD_Connection *c);
/* The same for the loop's own thread, which needs no waking. */
void loop_resume_here(struct loop *l, struct MHD_Connection *c);
void loops_wake(struct web *w);
/* When nothing is suspended any more. */
void loops_stop(struct web *w);

/* ---- server.c ---- */
int server_start(struct web *w, struct err *e);
/* first: the site that it was started with. */
void server_stop(struct web *w, struct site *first);

/* ---- reaper.c ---- */
int reaper_start(int64_t idle_ms, struct err *e);
void reaper_stop(void);
/* libmicrohttpd's MHD_NotifyConnectionCallback; cls is the struct web. */
void reaper_connection(void *cls, struct MHD_Connection *c, void **socket_context,
		       enum MHD_ConnectionNotificationCode code);
/* A new deadline; 0: the usual time from now. INT64_MAX: none. */
void reaper_touch(struct MHD_Connection *c, int64_t deadline_us);

#endif
