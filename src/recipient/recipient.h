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
#include "store/store.h"
#include "tailor/snapshot.h"
#include "token/token.h"

/* What recipient_read needs beside the address; all borrowed. */
struct recipient_source {
	struct store *store;
	const struct keyring *keys;
	struct sealer *sealer;
	const struct conf *conf;
	const struct conf_campaign *campaign;
};

/*
 * Reads profile, consent, suppressions and cap fill for address in one read
 * transaction. message_id: for the idempotency key. ERR_INPUT: address is none.
 * A profile that does not open or parse: ERR_CORRUPT.
 */
int recipient_read(const struct recipient_source *src, struct str address, struct str message_id, int64_t now_ms,
		   struct arena *a, struct recipient_snapshot **out, struct err *e);
/* The same without a store: profile given as JSON text (render --profile). Consent and suppression fields as documented
 * in mailtailor-render(1): "_consent": {"tracking": "denied", "mail": …}, "_suppressed": "reason". */
int recipient_from_json(const struct recipient_source *src, struct str address, struct str message_id, struct str json,
			int64_t now_ms, struct arena *a, struct recipient_snapshot **out, struct err *e);

/* Takes the places (durably) and stores the decision (sealed). See store_reserve. */
int recipient_reserve(const struct recipient_source *src, const struct recipient_snapshot *r, struct str decision_json,
		      int64_t now_ms, struct arena *a, struct reserve_result *out, struct err *e);
int recipient_release(const struct recipient_source *src, const struct recipient_snapshot *r, struct err *e);

/* ---- profile records (admin, import) ---- */
/* Validates (a JSON object, at most 1 MiB, no NUL) and writes. */
int recipient_profile_put(const struct recipient_source *src, struct str address, const struct value *profile,
			  struct err *e);
/* 1 found, 0 not, -1. */
int recipient_profile_get(const struct recipient_source *src, struct str address, struct arena *a,
			  const struct value **profile, struct err *e);

#endif
