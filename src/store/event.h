/*
 * event: what happened to copies and what recipients did, an append-only log in an LMDB environment of its
 * own (events.mdb), with counters that are kept in the same transaction. Part of src/store: the rules of
 * store.h about writers, threads, errors and durability hold here too. Several processes may add and read at
 * once; none of them makes the milter's or the spool's writer wait.
 *
 *   log       number                                      → event record, appended
 *   word      'w' word → id; 'i' id → word                  (campaigns, arms, domains, reasons …)
 *   counter   campaign, hour, arm, domain, segment, reason, link, type, class → counts, values
 *   person    recipient key                               → totals, last times, counts by day (90 days)
 *             recipient key, copy id                      → what was sent, and what happened to it so far
 *   once      idempotency key                             → until when
 *   link      campaign, hash of URL                       → link number, URL without query
 *   queue     the MTA's queue id                          → when, recipient key, copy id
 *
 * Numbers rise from event to event in the order of commits; they are never used again.
 *
 * What a copy was (campaign, arm, domain, segment, category) is said by its first event, `injected`; an event
 * with the same recipient and copy that leaves any of them empty gets them from there.
 *
 * Unique. Of all events of one type and class of a copy the first is its unique one; and the first with a
 * link number is unique for that link. Without a copy id every event counts as unique.
 *
 * Taken back. `reclassified` says that a person's click (it has a link number) or open (it has none) was a
 * machine's after all. It is itself unique for its link when it takes back what was the copy's first by a
 * person, and unique when of that type nothing by a person is left then; whoever comes later is the first
 * again. So the copies that persons opened are the unique opens of class human less the unique reclassified
 * ones without a link; clicks, and links, likewise. (Who follows a link within the minute in which a scanner
 * does is not told from it.)
 *
 * Without events.mdb (a directory of an earlier version, opened without create) the log is empty: what reads
 * finds nothing, what writes gives ERR_MISSING. Records that cannot be read (damage, a later version) are
 * left out, counted and logged; they never stop a walk.
 */
#ifndef MT_STORE_EVENT_H
#define MT_STORE_EVENT_H

#include "store/store.h"

#define EVENT_SCHEMA_VERSION 1
#define ARRIVAL_SCHEMA_VERSION 1 /* of arrivals.mdb */
#define EVENT_COPY_LEN 8
#define EVENT_MAX_WORD 255 /* campaign, arm, domain … */
#define EVENT_MAX_QUEUE_ID 64
#define EVENT_MAX_DETAILS ((size_t)16 << 10)	/* a decision with the features as scored */
#define EVENT_MAX_URL 2000			/* longer ones are kept by hash only */
#define EVENT_MAX_LINKS 4096			/* URLs kept for one campaign */
#define EVENT_MAX_BATCH ((size_t)1 << 20)	/* events of one call */
#define EVENT_MAX_TIME INT64_C(253402300799999) /* the end of year 9999 */
#define EVENT_QUEUE_KEEP_MS (INT64_C(30) * 86400000)
#define EVENT_IDEM_KEEP_MS (INT64_C(30) * 86400000)
/* Of a source "shop:NAME": longer than a report may be late (src/web/shop.c), for it may be sent again as
 * late. */
#define EVENT_IDEM_SHOP_KEEP_MS (INT64_C(100) * 86400000)

/* Stored: numbers never change, new ones are added at the end. */
enum event_type {
	EVENT_INJECTED = 1, /* a copy was handed to the MTA; details: the decision */
	EVENT_DELIVERED,    /* the recipient's server took it */
	EVENT_OPENED,
	EVENT_CLICKED,
	EVENT_CONVERTED, /* value */
	EVENT_PURCHASED, /* value */
	EVENT_VIEWED,	 /* a page or product */
	EVENT_UNSUBSCRIBED,
	EVENT_CONSENT, /* details: topic and state */
	EVENT_BOUNCED, /* reason: "hard" or "soft"; details: the status */
	EVENT_COMPLAINED,
	EVENT_AUTO_REPLY,
	EVENT_HELD,	    /* a copy waits; reason: why */
	EVENT_SUPPRESSED,   /* no copy was made; reason: why */
	EVENT_FAILED,	    /* a copy could not be made or handed over, and never will be; reason: why */
	EVENT_DEFERRED,	    /* the recipient's server said: later */
	EVENT_RECLASSIFIED, /* an earlier open or click (details: its type; link) of class human was a
			       machine's */
	EVENT_TYPES
};
/* It takes back what came at most so long before it (or after it, by an unsteady clock). */
#define EVENT_RECLASSIFY_MS 60000
/* Who did it. Unknown: nobody could tell, or it does not apply. */
enum event_class { EVENT_UNKNOWN, EVENT_HUMAN, EVENT_PROXY, EVENT_MACHINE, EVENT_CLASSES };
/* As reports count people: also those of whom nobody could tell; not what an image proxy or a machine did. */
static inline bool
event_by_person(enum event_class c)
{
	return c != EVENT_PROXY && c != EVENT_MACHINE;
}

const char *event_type_name(enum event_type t);	  /* "injected" …; NULL: no such type */
const char *event_class_name(enum event_class c); /* "unknown", "human", "proxy", "machine"; or NULL */
int event_type_find(struct str name);		  /* or -1 */
int event_class_find(struct str name);		  /* or -1 */

#define EVENT_NO_LINK (-1)
#define EVENT_MAX_LINK 65534

/* One event. Strings borrow; empty: does not apply, or as the copy's `injected` says. */
struct event {
	int64_t at_ms;
	enum event_type type;
	enum event_class class;
	struct str reason;	      /* a word: why that class, why held, why suppressed … */
	uint8_t rk[STORE_KEY_LEN];    /* recipient key; zero: not known */
	uint8_t copy[EVENT_COPY_LEN]; /* as in the token; zero: no copy */
	uint8_t idem[STORE_KEY_LEN];  /* idempotency key (keyed_id("event", …)); zero: none */
	bool once;		      /* at most one event of this type, class and link for this copy */
	struct str campaign, arm, domain, segment, category;
	struct str source;   /* who says so: "milter", "injector", "trackd", "shop:NAME", "maillog" … */
	int link;	     /* number of the link in the copy; EVENT_NO_LINK */
	struct str url;	     /* clicked: the link table keeps it without query, and only its hash lies here */
	uint8_t url_hash[8]; /* in what is read; may be given instead of url; zero: none */
	struct str currency; /* ISO 4217, "EUR"; empty: there is no value */
	int64_t value_micros; /* millionths of the currency's unit */
	struct str queue_id;  /* injected: the MTA's, at most EVENT_MAX_QUEUE_ID bytes; or empty */
	struct str details;   /* a JSON object, or empty. No addresses. */
};

/*
 * Adds n events in one durable commit, shared with other callers. 0: all are on disk; added[i] (added may be
 * NULL) is false for one that was there already, by its idempotency key or by `once`. -1: none was added:
 * ERR_INPUT (a word, currency, time … that cannot be; says which), ERR_LIMIT, or the database's errors.
 * Within one call they are taken in the order given.
 */
int event_add(struct store *s, const struct event *v, size_t n, bool *added, struct err *e);

/*
 * Where adding would cost a commit of its own, or must not fail because the event log is full: queues of
 * events in ledger.mdb and spool.mdb, written in the transaction of what they tell of (struct
 * reserve_request, struct spool_add, struct spool_update), and one in arrivals.mdb. They have to say `once`,
 * or carry an idempotency key: who is killed while he moves them moves them again.
 */
/* One that nothing else is written with: queued in ledger.mdb. As event_add. */
int event_post(struct store *s, const struct event *ev, struct err *e);
/* Many at once, queued in arrivals.mdb, in one durable commit. As event_add, which costs several times as
 * much; but the log has them only when they are moved. */
int event_arrive(struct store *s, const struct event *v, size_t n, struct err *e);
/* Moves up to max of each queue into the log, oldest first. How many, or -1. One that cannot be added is
 * logged and dropped. Several may move at once. */
int event_move(struct store *s, size_t max, struct err *e);
int event_move_arrived(struct store *s, size_t max, struct err *e); /* of arrivals.mdb alone */
/* Moves all that was queued when it began. 0 or -1. */
int event_settle(struct store *s, struct err *e);

/* An event as bytes, for other queues on disk. Appends; of an event that event_add would take. */
void event_encode(const struct event *ev, struct buf *out);
/* Strings point into bytes. -1: they are damaged, or a later version's. */
int event_decode(struct str bytes, struct event *ev);

/* What event_add would say of it by itself: 0, ERR_INPUT, ERR_LIMIT. */
int event_valid(const struct event *ev, struct err *e);

/* ---- reading the log ---- */

/* As stored; strings live during the call that shows it. */
struct event_record {
	uint64_t number;
	struct event event;	  /* url is empty, url_hash is set */
	bool unique, unique_link; /* as counted */
	bool
	    forgotten; /* its recipient was erased: no rk, copy, idem, url_hash, details; at_ms is the hour */
};

struct event_filter {
	uint64_t from;	     /* the first number to look at; 0: the beginning */
	int64_t since_ms;    /* at_ms >= ; 0: all */
	int64_t until_ms;    /* at_ms < ; 0: all */
	struct str campaign; /* absent: all */
	uint32_t types;	     /* bit 1 << type; 0: all */
	const uint8_t *rk;   /* NULL: all. Costs what that recipient's events cost, not the whole log */
};
#define EVENT_BIT(type) (UINT32_C(1) << (type))

/*
 * Calls fn in the order of numbers (with rk: from the newest back); false stops. Works in short read
 * transactions; fn must not call the store. *next (may be NULL): the number to go on with, for a follower.
 * *skipped (may be NULL): records that could not be read.
 */
typedef bool event_fn(void *ctx, const struct event_record *r);
int event_each(struct store *s, const struct event_filter *f, event_fn *fn, void *ctx, uint64_t *next,
	       uint64_t *skipped, struct err *e);

/* ---- counters ---- */

#define EVENT_MAX_CURRENCIES 8 /* of one counter; values in further ones are counted, not added */
struct event_sum {
	struct str currency;
	int64_t micros;
};
/* Strings live as long as the walk; equal words have equal ids, 0: empty. */
struct event_counter {
	struct str campaign, arm, domain, segment, reason;
	uint32_t campaign_id, arm_id, domain_id, segment_id, reason_id;
	int64_t hour_ms; /* its beginning */
	int link;
	enum event_type type;
	enum event_class class;
	int64_t count, unique, unique_link;
	struct event_sum values[EVENT_MAX_CURRENCIES];
	size_t nvalues;
};
/* campaign absent: all. Hours that begin in [since_ms, until_ms) (until 0: all), by campaign and hour. */
int event_counter_each(struct store *s, struct str campaign, int64_t since_ms, int64_t until_ms,
		       bool (*fn)(void *ctx, const struct event_counter *c), void *ctx, struct err *e);

/* The URLs of a campaign's links, as far as they are kept (EVENT_MAX_LINKS). */
int event_link_each(struct store *s, struct str campaign,
		    bool (*fn)(void *ctx, int link, const uint8_t hash[8], struct str url), void *ctx,
		    struct err *e);

/* ---- one recipient ---- */

#define EVENT_DAYS 91 /* today and the ninety days before it (UTC) */
/* All events of a type and class. */
struct event_total {
	enum event_type type;
	enum event_class class;
	int64_t count, last_ms;
};
/* Those of one day: injected, opened, clicked, converted, purchased, viewed, bounced, complained and
 * unsubscribed by anything but proxies and machines, less what was taken back that day. */
struct event_day {
	int64_t day; /* since the epoch */
	enum event_type type;
	enum event_class class;
	struct str category, currency;
	int64_t count, micros;
};
struct event_person {
	struct event_total *totals;
	size_t ntotals;
	struct event_day *days; /* oldest first */
	size_t ndays;
	int64_t sent_since_click; /* injected since the last click that did not look like a machine's then */
};
/* 1 found, 0 nothing is known (*out is empty), -1. Lives in a. */
int event_person_get(struct store *s, const uint8_t rk[16], struct arena *a, struct event_person *out,
		     struct err *e);
/* The same for n recipients in one read transaction; out[i], errors[i] (kind ERR_NONE: read) belong to
 * rks[i]. */
void event_person_get_many(struct store *s, const uint8_t *const *rks, size_t n, struct arena *a,
			   struct event_person *out, struct err *errors);
/* The total of a type and class, or NULL. */
const struct event_total *
event_person_total(const struct event_person *p, enum event_type type, enum event_class class);
/* Events and value of the last `days` days up to now; category absent: all. Values of all currencies. */
void event_person_window(const struct event_person *p, enum event_type type, struct str category, int days,
			 int64_t now_ms, int64_t *count, int64_t *micros);

/* What happened to one copy: the first time of each type, class and link. */
struct event_first {
	enum event_type type;
	enum event_class class;
	int link;
	int64_t at_ms; /* whole seconds */
};
struct event_copy {
	struct str campaign, arm, domain, segment, category;
	struct event_first *firsts; /* in the order in which they came */
	size_t nfirsts;
};
/* 1 found, 0 not, -1. */
int event_copy_get(struct store *s, const uint8_t rk[16], const uint8_t copy[EVENT_COPY_LEN], struct arena *a,
		   struct event_copy *out, struct err *e);

/* Whose copy the MTA had under that queue id, in the last EVENT_QUEUE_KEEP_MS. 1 found, 0 not, -1. */
int event_queue_find(struct store *s, struct str queue_id, uint8_t rk[16], uint8_t copy[EVENT_COPY_LEN],
		     struct err *e);

/*
 * Erases a recipient: his totals and copies go, his events stay in the log as forgotten ones. Counters of
 * campaigns stay. In bounded commits: who is interrupted forgets again. *removed counts records. store_forget
 * calls it.
 */
int event_forget(struct store *s, const uint8_t rk[16], size_t *removed, struct err *e);

/* ---- upkeep ---- */

struct event_stats {
	int64_t events, counters, persons_and_copies, links, once;
	uint64_t next; /* number of the next event */
	int64_t map_used, map_size;
};
int event_stats(struct store *s, struct event_stats *out, struct err *e);

/*
 * Retention, in bounded steps: drops events from the beginning of the log as long as they are older than
 * keep_ms (counters stay; those that lie in the future are stepped over), copies' records as old as that,
 * idempotency keys and queue ids whose time has come; looks at up to max records of each. Returns how many it
 * dropped, or -1.
 */
int event_sweep(struct store *s, int64_t now_ms, int64_t keep_ms, size_t max, struct err *e);

/* Counts everything again, within one snapshot. */
struct event_verify_request {
	size_t memory; /* bytes, about; 0: 96 MiB */
	void (*progress)(void *ctx, uint64_t events);
	void (*report)(void *ctx, const char *what, struct str detail); /* for each thing that is wrong */
	void *ctx;
};
struct event_verify_result {
	int64_t events, forgotten, counters, persons; /* looked at */
	int64_t
	    uncountable; /* counters of hours before horizon_ms: events of these were dropped by retention */
	int64_t horizon_ms; /* 0: the whole log is there */
	int64_t damaged_events, damaged_counters, damaged_persons;
	int64_t wrong_counters, wrong_unique, wrong_persons;
};
int event_verify(struct store *s, const struct event_verify_request *rq, struct event_verify_result *out,
		 struct err *e);

#endif
