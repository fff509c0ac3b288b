/*
 * persons: what recipients did, gathered out of the event log or a table of purchases: one record for each,
 * without an address. What segments, customer value and send hours are learned from.
 *
 * Proxies and machines are left out, and what was taken back as a machine's. Purchases of one day (UTC) are
 * one. The event log keeps what its retention leaves: who bought before that counts from his first purchase
 * that is still there.
 *
 * Threads: one.
 */
#ifndef MT_LEARN_PERSONS_H
#define MT_LEARN_PERSONS_H

#include "learn/hours.h"
#include "store/event.h"

struct person {
	struct str id;		     /* recipient key, 16 bytes; of a table: the customer as written */
	int64_t first_ms, last_ms;   /* of anything */
	int32_t first_day, last_day; /* of purchases, since the epoch */
	uint32_t purchases;	     /* days with one */
	double value;		     /* in currency units, all currencies added */
	double sent, opened, clicked, viewed;
	double hours[HOURS]; /* clicks and purchases in his local time; of a table: none */
};

struct persons;
struct persons *persons_new(void);
void persons_free(struct persons **p); /* takes NULL; leaves NULL */

/* His time zone, before his events come; else they count in `zone` of persons_event. Known names only. */
void persons_zone(struct persons *p, const uint8_t rk[STORE_KEY_LEN], const char *zone);
/* One record of event_each. zone: for who has none of his own. */
void persons_event(struct persons *p, const struct event_record *r, const char *zone);
#define PERSONS_TYPES                                                                     \
	(EVENT_BIT(EVENT_INJECTED) | EVENT_BIT(EVENT_OPENED) | EVENT_BIT(EVENT_CLICKED) | \
	 EVENT_BIT(EVENT_PURCHASED) | EVENT_BIT(EVENT_VIEWED) | EVENT_BIT(EVENT_RECLASSIFIED))
/* A line of a table. ERR_INPUT: no customer; a time or value that cannot be. */
int persons_purchase(struct persons *p, struct str customer, int64_t at_ms, double value, struct err *e);

/* Counts days. Then, in the order in which they first came, those who did anything; valid until
 * persons_free. */
const struct person *persons_finish(struct persons *p, size_t *n);
/* After that: the one with this key, or NULL. */
const struct person *persons_find(struct persons *p, const uint8_t rk[STORE_KEY_LEN]);

#endif
