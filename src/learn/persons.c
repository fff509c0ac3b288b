/* persons: see persons.h. */
#include "learn/persons.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/reco-words.h"
#include "score/score.h"

#define DAY_MS 86400000

struct purchase {
	uint32_t person;
	int32_t day;
};

struct persons {
	struct words ids, zones;
	struct person *v;     /* as many as ids */
	uint32_t *zone;	      /* number + 1; 0: none of his own. In the end: where he is in v, + 1 */
	size_t cap, finished; /* so many were there then */
	struct buf purchases;
};

struct persons *
persons_new(void)
{
	struct persons *p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	return p;
}

void
persons_free(struct persons **pp)
{
	struct persons *p = *pp;
	if (!p)
		return;
	words_free(&p->ids);
	words_free(&p->zones);
	free(p->v);
	free(p->zone);
	buf_free(&p->purchases);
	free(p);
	*pp = NULL;
}

static uint32_t
person_of(struct persons *p, struct str id)
{
	uint32_t i = words_add(&p->ids, id);
	if (i >= p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 1024;
		p->v = reallocarray(p->v, cap, sizeof(*p->v));
		p->zone = reallocarray(p->zone, cap, sizeof(*p->zone));
		if (!p->v || !p->zone)
			abort();
		memset(p->v + p->cap, 0, (cap - p->cap) * sizeof(*p->v));
		memset(p->zone + p->cap, 0, (cap - p->cap) * sizeof(*p->zone));
		p->cap = cap;
	}
	p->v[i].id = p->ids.text[i];
	return i;
}

static struct str
key_str(const uint8_t rk[STORE_KEY_LEN])
{
	return (struct str){ (const char *)rk, STORE_KEY_LEN };
}

void
persons_zone(struct persons *p, const uint8_t rk[STORE_KEY_LEN], const char *zone)
{
	struct score_time t;
	uint32_t i = person_of(p, key_str(rk));
	if (score_local_time(0, zone, &t)) /* with its NUL: handed on as it is */
		p->zone[i] = words_add(&p->zones, (struct str){ zone, strlen(zone) + 1 }) + 1;
}

static void
seen(struct person *v, int64_t at_ms)
{
	if (v->last_ms == 0 || at_ms < v->first_ms)
		v->first_ms = at_ms;
	if (v->last_ms == 0 || at_ms > v->last_ms)
		v->last_ms = at_ms;
}

static void
bought(struct persons *p, uint32_t i, int64_t at_ms, double value)
{
	const struct purchase line = { i, (int32_t)(at_ms / DAY_MS - (at_ms % DAY_MS < 0)) };
	buf_add(&p->purchases, &line, sizeof(line));
	p->v[i].value += value;
}

static int
hour_of(const struct persons *p, uint32_t i, int64_t at_ms, const char *zone)
{
	struct score_time t;
	if (p->zone[i])
		zone = p->zones.text[p->zone[i] - 1].p;
	score_local_time(at_ms, zone, &t);
	return t.hour;
}

void
persons_event(struct persons *p, const struct event_record *r, const char *zone)
{
	static const uint8_t nobody[STORE_KEY_LEN];
	const struct event *ev = &r->event;
	if (r->forgotten || memcmp(ev->rk, nobody, sizeof(nobody)) == 0 ||
	    (ev->type != EVENT_RECLASSIFIED && !event_by_person(ev->class)))
		return;
	uint32_t i = person_of(p, key_str(ev->rk));
	struct person *v = &p->v[i];
	switch (ev->type) {
	case EVENT_INJECTED:
		v->sent++;
		break;
	case EVENT_OPENED:
		v->opened++;
		break;
	case EVENT_CLICKED:
		v->clicked++;
		hours_add(v->hours, hour_of(p, i, ev->at_ms, zone), 1);
		break;
	case EVENT_PURCHASED:
		bought(p, i, ev->at_ms, (double)ev->value_micros / 1e6);
		hours_add(v->hours, hour_of(p, i, ev->at_ms, zone), 1);
		break;
	case EVENT_VIEWED:
		v->viewed++;
		break;
	case EVENT_RECLASSIFIED:
		if (ev->link != EVENT_NO_LINK) {
			v->clicked = fmax(v->clicked - 1, 0);
			hours_add(v->hours, hour_of(p, i, ev->at_ms, zone), -1);
		} else {
			v->opened = fmax(v->opened - 1, 0);
		}
		return;
	default:
		return;
	}
	seen(v, ev->at_ms);
}

int
persons_purchase(struct persons *p, struct str customer, int64_t at_ms, double value, struct err *e)
{
	if (customer.n == 0 || customer.n > 255)
		return err_set(e, ERR_INPUT, "a customer's name has 1 to 255 bytes");
	if (at_ms < 0 || at_ms > EVENT_MAX_TIME || !(fabs(value) <= 1e12))
		return err_set(e, ERR_INPUT, "a time before 1970 or after 9999, or a value that cannot be");
	uint32_t i = person_of(p, customer);
	bought(p, i, at_ms, value);
	seen(&p->v[i], at_ms);
	return 0;
}

static int
by_person_and_day(const void *pa, const void *pb)
{
	const struct purchase *a = pa, *b = pb;
	if (a->person != b->person)
		return a->person < b->person ? -1 : 1;
	return (a->day > b->day) - (a->day < b->day);
}

const struct person *
persons_finish(struct persons *p, size_t *n)
{
	struct purchase *line = (struct purchase *)(void *)p->purchases.p;
	size_t lines = p->purchases.n / sizeof(*line);
	if (lines > 0)
		qsort(line, lines, sizeof(*line), by_person_and_day);
	for (size_t i = 0; i < lines; i++) {
		struct person *v = &p->v[line[i].person];
		if (v->purchases == 0)
			v->first_day = line[i].day;
		v->purchases += v->purchases == 0 || line[i].day != v->last_day;
		v->last_day = line[i].day;
	}
	*n = 0;
	p->finished = p->ids.n;
	for (size_t i = 0; i < p->ids.n; i++) {
		p->zone[i] = 0;
		if (p->v[i].last_ms != 0) {
			p->v[(*n)++] = p->v[i];
			p->zone[i] = (uint32_t)*n;
		}
	}
	return p->v;
}

const struct person *
persons_find(struct persons *p, const uint8_t rk[STORE_KEY_LEN])
{
	uint32_t i = words_add(&p->ids, key_str(rk));
	return i < p->finished && p->zone[i] ? &p->v[p->zone[i] - 1] : NULL;
}
