/*
 * snapshot: what tailor knows of a recipient; plain data, filled by src/recipient.
 * All memory belongs to the arena it was read into.
 */
#ifndef MT_TAILOR_SNAPSHOT_H
#define MT_TAILOR_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/value.h"
#include "conf/conf.h"
#include "score/column.h"
#include "token/token.h"

enum tracking_consent { TRACKING_UNKNOWN, TRACKING_GRANTED, TRACKING_DENIED };

struct snapshot_cap {
	const struct conf_cap *cap;
	uint8_t id[16];	 /* as struct cap_request */
	int64_t used;	 /* places in the window at the time of reading */
	int64_t room_ms; /* full: when its oldest place leaves the window, so not before; else 0 */
};

struct recipient_snapshot {
	struct str address; /* normalised */
	struct str domain;
	struct recipient_key key, domain_key;
	uint8_t idem[16];	     /* idempotency key of this copy; its first 8 bytes are the copy id */
	bool known;		     /* a profile exists */
	const struct value *profile; /* a map, perhaps empty, never NULL */
	const struct value *history; /* items bought and seen, where a plugin asks for them; or NULL */
	const char *language;	     /* BCP 47: profile "language", else the campaign's; never NULL */
	const char *time_zone;	     /* IANA: profile "time_zone", else the campaign's; never NULL */
	enum tracking_consent tracking;
	bool mail_denied;  /* consent "mail" or "mail:CATEGORY" is denied */
	bool mail_granted; /* … is granted (for require_consent) */
	bool suppressed;
	const char *suppressed_reason; /* "unsubscribe", "hard-bounce", … when suppressed */
	struct snapshot_cap *caps;     /* the caps that cover the campaign's category and have a limit */
	size_t ncaps;
	/* What he did before; NULL: nobody asked, or it cannot be read. */
	const struct score_behaviour *behaviour;
	bool reserved;	/* this copy has its place already (a retry): caps do not stop it */
	struct str arm; /* and then, the arm that was decided; absent: none, or not known any more */
	double propensity;
};

#endif
