/* recipient-private: what the files of src/recipient share. */
#ifndef MT_RECIPIENT_RECIPIENT_PRIVATE_H
#define MT_RECIPIENT_RECIPIENT_PRIVATE_H

#include "recipient/recipient.h"

#define PROFILE_PURPOSE "profile"
#define DECISION_PURPOSE "decision"

/* The part of a snapshot that needs no store: address, keys, idem, and the caps with their ids. */
int snapshot_begin(const struct recipient_source *src, struct str address, struct str message_id,
		   struct arena *a, struct recipient_snapshot **out, struct err *e);
/* Of the recipient's own caps wish stays (NULL: none); the others go. */
void snapshot_wish(struct recipient_snapshot *r, const struct conf_cap *wish);
/* Language and time zone: the profile's when well-formed, else the campaign's. */
void snapshot_locale(const struct recipient_source *src, struct arena *a, struct recipient_snapshot *r);
/* Applies one consent to the snapshot when its topic concerns the campaign. */
void snapshot_consent(const struct recipient_source *src, struct recipient_snapshot *r, struct str topic,
		      enum consent_state state);
/* The arm of a decision as it was stored. One that cannot be read is no decision. */
void snapshot_arm(const struct recipient_source *src, struct recipient_snapshot *r, struct str sealed,
		  struct arena *a);
/*
 * What the store gives back is sealed. One that does not open is no reason not to send: the copy has its
 * places, and the others of its batch nothing to do with it; then it is absent.
 */
struct str decision_open(const struct recipient_source *src, const struct recipient_snapshot *r,
			 struct arena *a, struct str sealed);
/* "granted", "denied", "unknown" → 0 and *state. */
int consent_state_parse(struct str word, enum consent_state *state);

/* Fills r[i]->behaviour, NULL for who cannot be read. One read transaction. */
void behaviour_read(struct store *s, struct recipient_snapshot *const *r, size_t n, struct arena *a);

/* Opens sealed bytes and parses them: a map, or ERR_CORRUPT. */
int profile_open(const struct recipient_source *src, const struct recipient_key *rk, struct str sealed,
		 struct arena *a, const struct value **out, struct err *e);

#endif
