/* inject, inside: the process and its threads. */
#ifndef MT_INJECT_PRIVATE_H
#define MT_INJECT_PRIVATE_H

#include <pthread.h>

#include "inject/pipeline.h"

#define MAX_CONNECTIONS 100
/* What the configuration or the database stands in the way of is tried again after this. */
#define TROUBLE_MS 60000
/*
 * Why jobs are held whose campaign was taken out of the configuration. Only a reload can bring it back, and
 * with it another injector, which releases them as it starts.
 */
#define NO_CAMPAIGN "no-campaign"

struct inject {
	struct epoch *epoch;
	const struct conf_inject *conf;
	struct store *store;
	struct pipeline *pipe;
	struct counts *counts; /* NULL: nobody wants to know */
	char host[256];	       /* of this machine */
	int lock;	       /* INJECT_LOCK, open */
	pthread_mutex_t said;  /* what stands there is what was found last */
	pthread_t cutter, recorder, senders[MAX_CONNECTIONS];
	size_t nsenders;
};

/* inject.c: whether mailtailord wants this process to end, be it that no thread has been told yet. */
bool inject_ending(void);

/* lock.c: NULL: the target works. */
void inject_say(int lock, const struct inject_trouble *t);

/* ---- threads; arg is a struct inject ---- */
void *cutter_main(void *arg);
void *sender_main(void *arg);
void *recorder_main(void *arg);

/* ---- make.c: one message's due jobs become items ---- */

/* What the cutter keeps of the last messages, so that a fan-out of thousands prepares its message once. */
struct makers;
struct makers *makers_new(struct inject *in);
void makers_free(struct makers **m);
/* Jobs of one message and campaign, claimed; every one of them reaches the pipeline or is released. */
void makers_make(struct makers *m, const struct spool_job *jobs, size_t n);

/* ---- what becomes of an item ---- */

/* Says what the item's update means as an event: fills it->event and points the update at it. */
void item_event(struct item *it);

/* Live again: due_ms, reason. note without the recipient's address. */
void item_later(struct item *it, int64_t due_ms, bool attempted, const char *reason, struct str note);
void item_hold(struct item *it, const char *reason, struct str note);
/* Ended. */
void item_end(struct item *it, enum spool_state state, bool attempted, const char *reason, struct str note);
/* Ended as failed, and its sender is told unless he does not want to know. status like "5.7.1". */
void item_fail(struct item *it, bool attempted, const char *reason, const char *status, struct str note);
/* The wait before attempt number `attempts` + 1, in ms: doubles from retry_min to retry_max, with a tenth of
 * jitter. */
int64_t retry_delay(const struct conf_inject *c, uint32_t attempts);

/* ---- count.c ---- */
#define COUNT_FD 3
struct counts;
int count_open(void); /* a descriptor, or -1 */
/* NULL: fd is none of these. Stays until the process ends. */
struct counts *count_map(int fd);
void count_updates(struct counts *c, const struct spool_update *v, size_t n);
void count_print(const struct counts *c, struct buf *out);

#endif
