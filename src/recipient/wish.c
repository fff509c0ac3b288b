/*
 * wish: how often a recipient wants mail at most, in his own words: a cap beside the sender's, which can only
 * stop what would have been sent. It is kept as consent under a topic of its own, and counted as any cap is;
 * what is transactional is never held back.
 */
#include "recipient/recipient-private.h"

/* No cap of a configuration has such a name. One name, one count: who changes from a week to a month has not
 * lost count. The tightest is last. */
#define NAME "recipient's wish"
static const struct {
	struct str topic;
	struct conf_cap cap;
} WISHES[] = {
	{ STR("at-most:week"), { .name = NAME, .limit = 1, .window_ms = INT64_C(7) * 86400000 } },
	{ STR("at-most:month"), { .name = NAME, .limit = 1, .window_ms = INT64_C(30) * 86400000 } },
};
_Static_assert(sizeof(WISHES) / sizeof(WISHES[0]) == RECIPIENT_WISHES, "all of them");

const struct conf_cap *
recipient_wish_cap(size_t i)
{
	return &WISHES[i].cap;
}

struct str
recipient_wish_topic(size_t i)
{
	return WISHES[i].topic;
}

int
recipient_wish_find(struct str topic)
{
	for (int i = 0; i < RECIPIENT_WISHES; i++)
		if (str_eq(topic, WISHES[i].topic))
			return i;
	return -1;
}

const struct conf_cap *
recipient_wish_of(const struct consent_record *c, size_t n)
{
	int found = -1;
	for (size_t i = 0; i < n; i++) {
		int w = c[i].state == CONSENT_GRANTED ? recipient_wish_find(c[i].topic) : -1;
		found = w > found ? w : found;
	}
	return found >= 0 ? &WISHES[found].cap : NULL;
}
