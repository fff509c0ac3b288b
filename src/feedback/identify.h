/*
 * identify: whose copy a message that came back is about. Only what we sealed is proof: the token of a return
 * path (token/verp.h), the token of an unsubscribe link, the mark of a job together with a decision of ours
 * for the recipient that the report names. Everything else in it anybody can write.
 *
 * Threads: as the sealer.
 */
#ifndef MT_FEEDBACK_IDENTIFY_H
#define MT_FEEDBACK_IDENTIFY_H

#include "feedback/feedback.h"
#include "store/store.h"
#include "token/token.h"

/* What it is found out with. store may be NULL: then campaigns of return paths are not known. */
struct identify_source {
	struct store *store;
	const struct keyring *keys;
	struct sealer *sealer;
};

enum identity_proof { PROOF_NONE, PROOF_RETURN_PATH, PROOF_UNSUBSCRIBE, PROOF_JOB, PROOF_QUEUE };
/* "none", "return-path", "unsubscribe-link", "job"; "queue-id": the MTA's own log says it (maillog.h). */
const char *identity_proof_name(enum identity_proof p);

struct identity {
	enum identity_proof proof;
	struct recipient_key recipient; /* with a proof */
	uint8_t copy[8];		/* copy id; when only its beginning is known (a return path whose copy
					   is not on record any more) the rest is zero and whole is false */
	bool whole;
	struct str campaign, category, arm; /* absent: not known */
};

/*
 * to: where the envelope says that the message was addressed to (may hold a return path of ours); n of them.
 * 0: *out is filled, with PROOF_NONE when nothing proves anything. -1: the store cannot be read.
 */
int identify(const struct identify_source *src, const struct str *to, size_t n, const struct feedback *f,
	     struct arena *a, struct identity *out, struct err *e);
/* The copy of recipient that a return path's token tells of by its first bytes. As identify. */
int identify_copy(const struct identify_source *src, const struct recipient_key *rk, const uint8_t begin[2],
		  struct arena *a, struct identity *out, struct err *e);

#endif
