/*
 * recipient: one recipient's snapshot out of the store, and the reservation.
 * Written once; used by the milter, the injector and `mailtailor render`.
 * Nothing here is tailor's business: the snapshot is a value.
 *
 * Threads: a snapshot belongs to one thread; functions are safe with a sealer per thread.
 */
#ifndef MT_RECIPIENT_RECIPIENT_H
#define MT_RECIPIENT_RECIPIENT_H

#include "conf/conf.h"
#include "store/event.h"
#include "tailor/snapshot.h"
#include "token/token.h"

/* What recipient_read needs beside the address; all borrowed. */
struct recipient_source {
	struct store *store;
	const struct keyring *keys;
	struct sealer *sealer;
	const struct conf *conf;
	const struct conf_campaign *campaign;
	bool behaviour; /* snapshots are to tell what the event log counts of recipients */
};

/*
 * Reads profile, consent, suppressions and cap fill for address in one read
 * transaction. message_id: for the idempotency key; without one (n 0) nothing can tell a retry from a new
 * message, so each call makes a copy of its own. ERR_INPUT: address is none. A profile that does not open or
 * parse: ERR_CORRUPT.
 *
 * Consent "mail", like suppression category "", covers every category but transactional; "mail:transactional"
 * and suppression categories "transactional" and "*" cover that.
 */
int recipient_read(const struct recipient_source *src, struct str address, struct str message_id,
		   int64_t now_ms, struct arena *a, struct recipient_snapshot **out, struct err *e);
/*
 * The same for n recipients in one read transaction of each database; out[i] and e[i] belong to rq[i]. One
 * that cannot be read (e[i].kind is set) does not keep the others from it. 0: all could be read; -1.
 */
struct recipient_request {
	struct str address, message_id;
	int64_t now_ms;
};
int recipient_read_many(const struct recipient_source *src, const struct recipient_request *rq, size_t n,
			struct arena *a, struct recipient_snapshot **out, struct err *e);
/* The same without a store: profile given as JSON text (render --profile). Consent and suppression fields as
 * documented in mailtailor-render(1): "_consent": {"tracking": "denied", "mail": …}, "_suppressed": "reason"
 * (or true), "_caps": {"NAME": places used}; a full cap counts as filled at now_ms; "_history" as
 * recipient_history gives it. These four are not part of the profile that templates see. */
int recipient_from_json(const struct recipient_source *src, struct str address, struct str message_id,
			struct str json, int64_t now_ms, struct arena *a, struct recipient_snapshot **out,
			struct err *e);

/* "tracking", "mail", "mail:CATEGORY", "at-most:week", "at-most:month". */
bool consent_topic_valid(struct str topic);

/* What columns read of it, in a; strings borrow. */
const struct score_behaviour *recipient_behaviour(const struct event_person *p, struct arena *a);

/*
 * What shops told of a recipient, a map {"purchased": [ids], "viewed": [ids]}, newest first; at most
 * RECIPIENT_MAX_HISTORY of each, out of his last RECIPIENT_MAX_LOOKED events. NULL in *out: nothing. Machines
 * and proxies buy and see nothing. In a. What is erased is gone from here, too.
 */
#define RECIPIENT_MAX_HISTORY 256
#define RECIPIENT_MAX_LOOKED 1000
int recipient_history(const struct recipient_source *src, const struct recipient_key *rk, struct arena *a,
		      const struct value **out, struct err *e);

/* The domain of a normalised address. */
struct str recipient_domain(struct str address);

/* What the store knows a cap by. dk is looked at for caps of domain scope only. */
void recipient_cap_id(const struct keyring *keys, const struct conf_cap *cap, const struct recipient_key *rk,
		      const struct recipient_key *dk, uint8_t id[16]);

/*
 * A recipient's own caps: at most one copy in the window of wish i, of all mail but transactional. The wish
 * is a consent that is granted, to a topic "at-most:…"; the last i is the tightest, and it wins. See wish.c.
 */
#define RECIPIENT_WISHES 2
const struct conf_cap *recipient_wish_cap(size_t i);
struct str recipient_wish_topic(size_t i);
int recipient_wish_find(struct str topic); /* i, or -1 */
/* What a recipient with these consents wished; NULL: nothing. */
const struct conf_cap *recipient_wish_of(const struct consent_record *c, size_t n);

/*
 * All that is held about an address, opened (a data subject's right of access, GDPR article 15): address,
 * hash, profile, consents, suppressions, caps, decisions, jobs in the spool, events (newest first; with
 * max_events at most so many, and "older_events_left_out" when there are more: each takes some 6 KB in a). A
 * map in a, or NULL with *e. src needs no campaign.
 */
const struct value *recipient_export(const struct recipient_source *src, struct str address,
				     size_t max_events, struct arena *a, struct err *e);
/* A list of maps: how full the caps are that apply to an address, his own too; those that cover category
 * (NULL: all). NULL with *e. */
const struct value *recipient_caps(const struct recipient_source *src, struct str address,
				   const char *category, struct arena *a, struct err *e);
/* "granted", "denied", "unknown" */
const char *consent_word(enum consent_state s);

/* How long a reservation is remembered, at least: a client's retry within this time adds nothing. */
#define RECIPIENT_DECISION_KEEP_MS ((int64_t)30 * 86400000)

/* Takes the places (durably) and stores the decision (sealed). See store_reserve; a decision of RESERVE_AGAIN
 * that cannot be opened (damaged, its key gone) is absent. */
int recipient_reserve(const struct recipient_source *src, const struct recipient_snapshot *r,
		      struct str decision_json, int64_t now_ms, struct arena *a, struct reserve_result *out,
		      struct err *e);
/* The same for n copies in one commit: r[i], decisions[i], events[i] → out[i]. -1: none was placed. events
 * may be NULL: nothing is queued. */
int recipient_reserve_many(const struct recipient_source *src, const struct recipient_snapshot *const *r,
			   const struct str *decisions, const struct event *events, size_t n, int64_t now_ms,
			   struct arena *a, struct reserve_result *out, struct err *e);
int recipient_release(const struct recipient_source *src, const struct recipient_snapshot *r, struct err *e);

/* ---- profile records (admin, import) ---- */
#define RECIPIENT_MAX_PROFILE ((size_t)1 << 20)
/* Validates (a JSON object, at most 1 MiB, no NUL) and writes. */
int recipient_profile_put(const struct recipient_source *src, struct str address, const struct value *profile,
			  struct err *e);
/*
 * What is about to be written into a profile: a "language" and a "time_zone" that copies can be made by, or
 * none. -1, ERR_INPUT: they would be passed over for the campaign's, and nobody would know.
 */
int recipient_locale_check(const struct value *profile, struct err *e);
/* 1 found, 0 not (*profile is then an empty map), -1. */
int recipient_profile_get(const struct recipient_source *src, struct str address, struct arena *a,
			  const struct value **profile, struct err *e);
/* The same by key. */
int recipient_profile_of(const struct recipient_source *src, const struct recipient_key *rk, struct arena *a,
			 const struct value **profile, struct err *e);
int recipient_profile_put_of(const struct recipient_source *src, const struct recipient_key *rk,
			     const struct value *profile, struct err *e);

/*
 * What `mailtailor segments assign` found out about a recipient is the map `learned` of his profile; nothing
 * else in a profile is touched by it, and nobody else writes there.
 */
#define RECIPIENT_LEARNED "learned"

#endif
