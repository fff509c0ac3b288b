/*
 * event-person: what is counted for one recipient: totals and last times for
 * ever, counts by day for as long as features look back.
 */
#include "store/event-private.h"

#include <stdlib.h>

#include "store/reader.h"

void
person_reset(struct person *p)
{
	struct person_day *days = p->days;
	size_t cap = p->cap;
	*p = (struct person){ .days = days, .cap = cap };
}

void
person_free(struct person *p)
{
	free(p->days);
	*p = (struct person){ 0 };
}

static size_t
total_at(uint8_t type, uint8_t class)
{
	return (size_t)(type - 1) * EVENT_CLASSES + class;
}

/* Room for one more entry. */
static void
days_grow(struct person *p)
{
	if (p->ndays < p->cap)
		return;
	p->cap = p->cap > 0 ? p->cap * 2 : 64;
	p->days = realloc(p->days, p->cap * sizeof *p->days);
	if (!p->days)
		abort();
}

static int
day_cmp(const struct person_day *a, const struct person_day *b)
{
	if (a->day != b->day)
		return a->day < b->day ? -1 : 1;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	if (a->category != b->category)
		return a->category < b->category ? -1 : 1;
	return a->currency < b->currency ? -1 : a->currency > b->currency;
}

static void
days_drop(struct person *p, size_t n)
{
	memmove(p->days, p->days + n, (p->ndays - n) * sizeof *p->days);
	p->ndays -= n;
}

/* Entries that no window reaches any more. */
static void
days_prune(struct person *p)
{
	size_t n = 0;
	while (n < p->ndays && p->days[n].day + EVENT_DAYS <= p->days[p->ndays - 1].day)
		n++;
	if (p->ndays - n > PERSON_MAX_DAYS)
		n = p->ndays - PERSON_MAX_DAYS;
	if (n > 0)
		days_drop(p, n);
}

static void
days_add(struct person *p, const struct person_day *d)
{
	size_t at = p->ndays;
	int c = 1;
	while (at > 0 && (c = day_cmp(&p->days[at - 1], d)) > 0)
		at--;
	if (at > 0 && c == 0) {
		p->days[at - 1].count += d->count;
		p->days[at - 1].micros += d->micros;
		return;
	}
	days_grow(p);
	memmove(p->days + at + 1, p->days + at, (p->ndays - at) * sizeof *p->days);
	p->days[at] = *d;
	p->ndays++;
	days_prune(p);
}

/* What features look at. */
static bool
by_day(const struct event_row *r)
{
	const uint32_t types =
	    EVENT_BIT(EVENT_INJECTED) | EVENT_BIT(EVENT_OPENED) | EVENT_BIT(EVENT_CLICKED) |
	    EVENT_BIT(EVENT_CONVERTED) | EVENT_BIT(EVENT_PURCHASED) | EVENT_BIT(EVENT_VIEWED) |
	    EVENT_BIT(EVENT_BOUNCED) | EVENT_BIT(EVENT_COMPLAINED) | EVENT_BIT(EVENT_UNSUBSCRIBED);
	return (types & EVENT_BIT(r->type)) != 0 && event_by_person(r->class);
}

/* One person's event less on that day, when there is one. */
static void
days_take_back(struct person *p, const struct event_row *r)
{
	const struct person_day d = {
		.day = event_day_of(r->at_ms),
		.type = (uint8_t)copy_taken_type(r->link),
		.class = EVENT_HUMAN,
		.category = r->word[WORD_CATEGORY],
	};
	for (size_t i = p->ndays; i-- > 0 && p->days[i].day >= d.day;) {
		if (day_cmp(&p->days[i], &d) != 0)
			continue;
		if (--p->days[i].count == 0) {
			memmove(&p->days[i], &p->days[i + 1], (p->ndays - i - 1) * sizeof *p->days);
			p->ndays--;
		}
		return;
	}
}

void
person_add(struct person *p, const struct event_row *r)
{
	size_t i = total_at((uint8_t)r->type, (uint8_t)r->class);
	p->totals[i].count++;
	if (r->at_ms > p->totals[i].last_ms)
		p->totals[i].last_ms = r->at_ms;
	if (r->type == EVENT_INJECTED)
		p->sent_since_click++;
	if (r->type == EVENT_CLICKED && event_by_person(r->class))
		p->sent_since_click = 0;
	if (r->type == EVENT_RECLASSIFIED)
		days_take_back(p, r);
	if (!by_day(r))
		return;
	const struct person_day d = {
		.day = event_day_of(r->at_ms),
		.type = (uint8_t)r->type,
		.class = (uint8_t)r->class,
		.category = r->word[WORD_CATEGORY],
		.currency = r->word[WORD_CURRENCY],
		.count = 1,
		.micros = r->micros,
	};
	days_add(p, &d);
}

/* ---- on disk ---- */

void
person_encode(const struct person *p, struct buf *out)
{
	size_t from = out->n, n = 0;
	int64_t day = 0;
	for (size_t i = 0; i < PERSON_TOTALS; i++)
		n += p->totals[i].count > 0;
	add_u8(out, RECORD_VERSION);
	add_varint(out, p->last);
	add_varint(out, (uint64_t)p->sent_since_click);
	add_u8(out, (uint8_t)n);
	for (size_t i = 0; i < PERSON_TOTALS; i++) {
		if (p->totals[i].count == 0)
			continue;
		add_u8(out, (uint8_t)i);
		add_varint(out, (uint64_t)p->totals[i].count);
		add_varint(out, (uint64_t)p->totals[i].last_ms);
	}
	for (size_t i = 0; i < p->ndays; i++) {
		const struct person_day *d = &p->days[i];
		add_varint(out, (uint64_t)(d->day - day));
		day = d->day;
		add_u8(out, (uint8_t)total_at(d->type, d->class));
		add_varint(out, d->category);
		add_varint(out, d->currency);
		add_varint(out, (uint64_t)d->count);
		if (d->currency != 0)
			add_signed(out, d->micros);
	}
	event_checksum_add(out, from);
}

static void
read_day(struct reader *r, struct person *p, int64_t *day)
{
	struct person_day d = { 0 };
	*day += reader_bounded(r, EVENT_MAX_TIME);
	uint8_t at = reader_u8(r);
	d.day = *day;
	d.type = (uint8_t)(at / EVENT_CLASSES + 1);
	d.class = at % EVENT_CLASSES;
	d.category = (uint32_t)reader_bounded(r, UINT32_MAX);
	d.currency = (uint32_t)reader_bounded(r, UINT32_MAX);
	d.count = reader_bounded(r, INT64_MAX);
	if (d.currency != 0)
		d.micros = reader_signed(r);
	if (at >= PERSON_TOTALS || p->ndays > PERSON_MAX_DAYS || d.day > event_day_of(EVENT_MAX_TIME))
		r->bad = true;
	if (r->bad)
		return;
	days_grow(p);
	p->days[p->ndays++] = d;
}

int
person_decode(struct str bytes, struct person *p)
{
	int64_t day = 0;
	person_reset(p);
	if (event_checksum_take(&bytes) != 0)
		return -1;
	struct reader r = reader_open(bytes);
	p->last = (uint64_t)reader_bounded(&r, INT64_MAX);
	p->sent_since_click = reader_bounded(&r, INT64_MAX);
	for (int n = reader_u8(&r); n > 0 && !r.bad; n--) {
		uint8_t i = reader_u8(&r);
		int64_t count = reader_bounded(&r, INT64_MAX), last_ms = reader_bounded(&r, EVENT_MAX_TIME);
		if (i >= PERSON_TOTALS)
			r.bad = true;
		if (r.bad)
			break;
		p->totals[i].count = count;
		p->totals[i].last_ms = last_ms;
	}
	while (!r.bad && r.left > 0)
		read_day(&r, p, &day);
	if (!r.bad)
		return 0;
	person_reset(p);
	return -1;
}

/* ---- for those who ask ---- */

static void
person_show(const struct person *p, struct event_words *w, MDB_txn *txn, struct arena *a,
	    struct event_person *out)
{
	out->totals = ARENA_ARRAY(a, struct event_total, PERSON_TOTALS);
	out->days = ARENA_ARRAY(a, struct event_day, p->ndays);
	out->sent_since_click = p->sent_since_click;
	for (size_t i = 0; i < PERSON_TOTALS; i++)
		if (p->totals[i].count > 0)
			out->totals[out->ntotals++] = (struct event_total){
				.type = (enum event_type)(i / EVENT_CLASSES + 1),
				.class = (enum event_class)(i % EVENT_CLASSES),
				.count = p->totals[i].count,
				.last_ms = p->totals[i].last_ms,
			};
	for (size_t i = 0; i < p->ndays; i++) {
		const struct person_day *d = &p->days[i];
		out->days[out->ndays++] = (struct event_day){
			.day = d->day,
			.type = (enum event_type)d->type,
			.class = (enum event_class)d->class,
			.category = arena_str(a, event_word_get(w, txn, d->category)),
			.currency = arena_str(a, event_word_get(w, txn, d->currency)),
			.count = d->count,
			.micros = d->micros,
		};
	}
}

/* One recipient, within a transaction. */
static int
person_look(struct store *s, MDB_txn *txn, struct event_words *w, struct person *p, const uint8_t rk[16],
	    struct arena *a, struct event_person *out, struct err *e)
{
	MDB_val k = { STORE_KEY_LEN, (void *)(uintptr_t)rk }, v;
	int rc = mdb_get(txn, s->ev.person, &k, &v);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc != 0)
		return store_err(s, e, rc, "cannot read a recipient's events");
	if (person_decode(str_of_val(v), p) != 0)
		return store_corrupt(s, e, "person");
	person_show(p, w, txn, a, out);
	return 1;
}

void
event_person_get_many(struct store *s, const uint8_t *const *rks, size_t n, struct arena *a,
		      struct event_person *out, struct err *errors)
{
	MDB_txn *txn;
	struct person p = { 0 };
	struct event_words w;
	struct err e = { 0 };
	for (size_t i = 0; i < n; i++) {
		out[i] = (struct event_person){ 0 };
		errors[i].kind = ERR_NONE;
	}
	if (!s->events.env || n == 0)
		return;
	if (read_begin(s, &s->events, &txn, &e) != 0) {
		for (size_t i = 0; i < n; i++)
			errors[i] = e;
		return;
	}
	event_words_open(&w, s);
	for (size_t i = 0; i < n; i++)
		person_look(s, txn, &w, &p, rks[i], a, &out[i], &errors[i]);
	event_words_close(&w);
	read_end(s, &s->events, txn);
	person_free(&p);
}

int
event_person_get(struct store *s, const uint8_t rk[16], struct arena *a, struct event_person *out,
		 struct err *e)
{
	struct err own = { 0 };
	event_person_get_many(s, &rk, 1, a, out, &own);
	if (own.kind == ERR_NONE)
		return out->totals != NULL;
	if (e)
		*e = own;
	return -1;
}

const struct event_total *
event_person_total(const struct event_person *p, enum event_type type, enum event_class class)
{
	for (size_t i = 0; i < p->ntotals; i++)
		if (p->totals[i].type == type && p->totals[i].class == class)
			return &p->totals[i];
	return NULL;
}

void
event_person_window(const struct event_person *p, enum event_type type, struct str category, int days,
		    int64_t now_ms, int64_t *count, int64_t *micros)
{
	int64_t today = event_day_of(now_ms);
	*count = *micros = 0;
	for (size_t i = 0; i < p->ndays; i++) {
		const struct event_day *d = &p->days[i];
		if (d->type != type || d->day > today || d->day <= today - days ||
		    (category.p && !str_eq(d->category, category)))
			continue;
		*count += d->count;
		*micros += d->micros;
	}
}
