/*
 * job: what a spooled message and a spooled copy hold. The milter writes them, the injector reads them; the
 * store keeps them sealed, so that state at rest shows no address and no content.
 *
 * Threads: a sealer per thread; else safe.
 */
#ifndef MT_RECIPIENT_JOB_H
#define MT_RECIPIENT_JOB_H

#include "store/spool.h"
#include "token/token.h"

/* What all recipients of one submission share. */
struct job_message {
	struct str sender;     /* envelope sender without <>, as it came; empty: the null sender */
	struct str ret, envid; /* DSN parameters of MAIL (RFC 3461) as they came; empty: none */
	bool eightbit, smtputf8;
	struct str id;	  /* what stands for the message in idempotency keys: engine_message_id */
	struct str bytes; /* without the data part; empty lines and line ends as they came */
};

/* What belongs to one recipient. */
struct job_payload {
	struct str address;	  /* envelope recipient without <>, as it came */
	struct str notify, orcpt; /* DSN parameters of RCPT; empty: none */
	struct str data;	  /* this recipient's merge data as JSON; empty: none */
};

/* First half of a job's key: the same for every submission of one message to one campaign. */
void job_message_key(const struct keyring *k, const char *campaign, struct str id, uint8_t out[16]);

/*
 * Seals and appends; content becomes the key under which the spool keeps it (equal messages, equal content).
 * -1: ERR_LIMIT (over 1 GiB, a parameter over 64 KiB), ERR_BUG.
 */
int job_message_seal(struct sealer *s, const struct keyring *k, const struct job_message *m,
		     uint8_t content[16], struct buf *out, struct err *e);
/* Strings of *out point into plain, which is overwritten. ERR_CORRUPT. */
int job_message_open(struct sealer *s, const uint8_t content[16], struct str sealed, struct buf *plain,
		     struct job_message *out, struct err *e);

/* Appends. -1: ERR_LIMIT (data over SPOOL_MAX_PAYLOAD), ERR_BUG. */
int job_payload_seal(struct sealer *s, const struct spool_key *key, const struct job_payload *p,
		     struct buf *out, struct err *e);
/* Strings of *out live in a. ERR_CORRUPT. */
int job_payload_open(struct sealer *s, const struct spool_key *key, struct str sealed, struct arena *a,
		     struct job_payload *out, struct err *e);

#endif
