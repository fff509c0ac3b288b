/* behaviour: what the event log counts for recipients → the plain data that feature columns read. */
#include "recipient/recipient-private.h"

#include "base/log.h"

/* Kinds that have no event type of their own do not exist; types that no column reads have no kind. */
static const struct {
	enum event_type type;
	enum score_kind kind;
} kinds[SCORE_KINDS] = {
	{ EVENT_INJECTED, SCORE_INJECTED },	    { EVENT_OPENED, SCORE_OPENED },
	{ EVENT_CLICKED, SCORE_CLICKED },	    { EVENT_CONVERTED, SCORE_CONVERTED },
	{ EVENT_PURCHASED, SCORE_PURCHASED },	    { EVENT_VIEWED, SCORE_VIEWED },
	{ EVENT_BOUNCED, SCORE_BOUNCED },	    { EVENT_COMPLAINED, SCORE_COMPLAINED },
	{ EVENT_UNSUBSCRIBED, SCORE_UNSUBSCRIBED },
};

static bool
kind_of(enum event_type t, enum score_kind *k)
{
	for (size_t i = 0; i < SCORE_KINDS; i++)
		if (kinds[i].type == t) {
			*k = kinds[i].kind;
			return true;
		}
	return false;
}

const struct score_behaviour *
recipient_behaviour(const struct event_person *p, struct arena *a)
{
	struct score_behaviour *b = ARENA_NEW(a, struct score_behaviour);
	struct score_day *days = ARENA_ARRAY(a, struct score_day, p->ndays);
	enum score_kind k;
	for (size_t i = 0; i < p->ntotals; i++) {
		const struct event_total *t = &p->totals[i];
		if (!event_by_person(t->class) || !kind_of(t->type, &k))
			continue;
		b->count[k] += t->count;
		b->last_ms[k] = t->last_ms > b->last_ms[k] ? t->last_ms : b->last_ms[k];
	}
	for (size_t i = 0; i < p->ndays; i++) {
		const struct event_day *d = &p->days[i];
		if (kind_of(d->type, &k))
			days[b->ndays++] = (struct score_day){ .day = (int32_t)d->day,
							       .kind = k,
							       .category = d->category,
							       .count = d->count,
							       .micros = d->micros };
	}
	b->days = days;
	b->sent_since_click = p->sent_since_click;
	return b;
}

void
behaviour_read(struct store *s, struct recipient_snapshot *const *r, size_t n, struct arena *a)
{
	const uint8_t **keys = ARENA_ARRAY(a, const uint8_t *, n);
	struct event_person *persons = ARENA_ARRAY(a, struct event_person, n);
	struct err *errors = ARENA_ARRAY(a, struct err, n);
	for (size_t i = 0; i < n; i++)
		keys[i] = r[i]->key.b;
	event_person_get_many(s, keys, n, a, persons, errors);
	for (size_t i = 0; i < n; i++) {
		/* Mail does not wait for a counter: what cannot be read is missing, as columns know it. */
		if (errors[i].kind != ERR_NONE)
			log_warn("behaviour of a recipient is left out: %s", errors[i].text);
		else
			r[i]->behaviour = recipient_behaviour(&persons[i], a);
	}
}
