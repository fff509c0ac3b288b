/*
 * event-verify: are the counters what the log says? Everything is counted again,
 * within one snapshot and in bounded memory: the log is walked once for each part
 * of the keys that fits, then the table is compared with what was found.
 *
 * When retention has dropped the beginning of the log, hours up to the last one
 * dropped cannot be counted again and are left out.
 */
#include "store/event-private.h"

#include <errno.h>
#include <stdlib.h>

/* Memory of one pass. */
#define VERIFY_BYTES ((size_t)96 << 20)

/* ---- a set of keys with what was counted under each: open addressing ---- */

struct slot {
	uint8_t key[EVENT_COUNTER_KEY_LEN];
	bool used, met;
	struct event_tally tally;
};

struct counted {
	struct slot *v;
	size_t cap, n; /* cap: a power of two */
};

static uint64_t
hash_of(const uint8_t *p, size_t n, uint64_t h)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211u;
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static struct slot *
slot_of(const struct counted *c, const uint8_t key[EVENT_COUNTER_KEY_LEN], uint64_t hash)
{
	size_t i = (size_t)hash & (c->cap - 1);
	while (c->v[i].used && memcmp(c->v[i].key, key, EVENT_COUNTER_KEY_LEN) != 0)
		i = (i + 1) & (c->cap - 1);
	return &c->v[i];
}

/* Hashes with a number each. */
struct hashes {
	uint64_t *v; /* 0: free */
	uint32_t *numbers;
	size_t cap, n;
};

static void
hashes_alloc(struct hashes *h, size_t cap)
{
	h->cap = cap;
	h->v = malloc(cap * sizeof *h->v);
	h->numbers = malloc(cap * sizeof *h->numbers);
}

static void
hashes_free(struct hashes *h)
{
	free(h->v);
	free(h->numbers);
}

static void
hashes_clear(struct hashes *h)
{
	memset(h->v, 0, h->cap * sizeof *h->v);
	h->n = 0;
}

/* 0 at first. */
static uint32_t *
hash_number(struct hashes *h, uint64_t x)
{
	size_t i = (size_t)(x >> 8) & (h->cap - 1);
	x = x ? x : 1;
	while (h->v[i] != 0 && h->v[i] != x)
		i = (i + 1) & (h->cap - 1);
	if (h->v[i] == 0) {
		h->v[i] = x;
		h->numbers[i] = 0;
		h->n++;
	}
	return &h->numbers[i];
}

static size_t
power_of_two(size_t n)
{
	size_t p = 1024;
	while (p < n)
		p *= 2;
	return p;
}

/* ---- the walk ---- */

struct verify {
	struct store *s;
	MDB_txn *txn;
	struct event_words words;
	const struct event_verify_request *rq;
	struct event_verify_result *out;
	int64_t horizon; /* the first hour that can be counted again */
	size_t parts, part;
	struct counted counted;
	struct hashes seen, seen_link; /* how many links; when: see first_stamp */
	bool full;		       /* a part did not fit: more parts are needed */
};

static int
log_walk(struct verify *y, void (*fn)(struct verify *y, uint64_t number, const struct event_row *r))
{
	MDB_cursor *c = NULL;
	MDB_val k, v;
	struct event_row row;
	uint64_t n = 0;
	int rc = mdb_cursor_open(y->txn, y->s->ev.log, &c);
	if (rc == 0)
		rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
	for (; rc == 0 && !y->full; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		if (k.mv_size == EVENT_NUMBER_LEN && event_row_decode(str_of_val(v), &row) == 0)
			fn(y, be64_get(k.mv_data), &row);
		if (y->rq->progress && (++n & 0xffff) == 0)
			y->rq->progress(y->rq->ctx, n);
	}
	if (c)
		mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static void
wrong(struct verify *y, const char *what, struct str detail)
{
	if (y->rq->report)
		y->rq->report(y->rq->ctx, what, detail);
}

/* ---- counters ---- */

static void
count_row(struct verify *y, uint64_t number, const struct event_row *r)
{
	uint8_t key[EVENT_COUNTER_KEY_LEN];
	(void)number;
	if (event_hour_of(r->at_ms) < y->horizon)
		return;
	event_counter_key(r, key);
	uint64_t h = hash_of(key, sizeof key, 1);
	if ((h >> 40) % y->parts != y->part)
		return;
	struct slot *s = slot_of(&y->counted, key, h);
	if (!s->used) {
		if (y->counted.n + 1 > y->counted.cap / 4 * 3) {
			y->full = true;
			return;
		}
		y->counted.n++;
		s->used = true;
		memcpy(s->key, key, sizeof key);
	}
	event_tally_add(&s->tally, r);
}

static bool
same_values(const struct event_tally *a, const struct event_tally *b)
{
	if (a->nvalues != b->nvalues)
		return false;
	for (size_t i = 0; i < a->nvalues; i++) {
		size_t j = 0;
		while (j < b->nvalues && b->values[j].currency != a->values[i].currency)
			j++;
		if (j == b->nvalues || b->values[j].micros != a->values[i].micros)
			return false;
	}
	return true;
}

static void
counter_wrong(struct verify *y, const uint8_t *key, const struct event_tally *is,
	      const struct event_tally *should)
{
	struct event_counter c;
	struct buf b = { 0 };
	event_counter_names(&y->words, y->txn, key, &c);
	buf_printf(
	    &b,
	    "campaign \"%.*s\" arm \"%.*s\" domain \"%.*s\" hour %lld link %d %s %s: %lld counted, %lld of "
	    "them unique; the log has %lld, %lld",
	    STR_ARG(c.campaign), STR_ARG(c.arm), STR_ARG(c.domain), (long long)(c.hour_ms / 1000), c.link,
	    event_type_name(c.type) ? event_type_name(c.type) : "?",
	    event_class_name(c.class) ? event_class_name(c.class) : "?", (long long)is->count,
	    (long long)is->unique, (long long)should->count, (long long)should->unique);
	y->out->wrong_counters++;
	wrong(y, "counter", buf_str(&b));
	buf_free(&b);
}

static void
counter_compare(struct verify *y, struct str key, struct str val)
{
	static const struct event_tally none;
	const uint8_t *p = (const uint8_t *)key.p;
	struct event_tally is;
	if (key.n != EVENT_COUNTER_KEY_LEN) {
		y->out->damaged_counters += y->part == 0;
		return;
	}
	uint64_t h = hash_of(p, key.n, 1);
	if ((h >> 40) % y->parts != y->part)
		return;
	if (event_tally_decode(val, &is) != 0) {
		y->out->damaged_counters++;
		is = none;
	}
	int64_t hour = (int64_t)p[4] << 24 | (int64_t)p[5] << 16 | (int64_t)p[6] << 8 | p[7];
	if (hour < y->horizon) {
		y->out->uncountable++;
		return;
	}
	struct slot *s = slot_of(&y->counted, p, h);
	const struct event_tally *should = s->used ? &s->tally : &none;
	s->met = s->used;
	y->out->counters++;
	if (is.count != should->count || is.unique != should->unique ||
	    is.unique_link != should->unique_link || !same_values(&is, should))
		counter_wrong(y, p, &is, should);
}

static int
counters_compare(struct verify *y)
{
	static const struct event_tally none;
	MDB_cursor *c = NULL;
	MDB_val k, v;
	int rc = mdb_cursor_open(y->txn, y->s->ev.counter, &c);
	if (rc == 0)
		rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
	for (; rc == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT))
		counter_compare(y, str_of_val(k), str_of_val(v));
	if (c)
		mdb_cursor_close(c);
	for (size_t i = 0; i < y->counted.cap; i++)
		if (y->counted.v[i].used && !y->counted.v[i].met)
			counter_wrong(y, y->counted.v[i].key, &none, &y->counted.v[i].tally);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* One pass over a part of the keys; y->full: it did not fit. */
static int
counters_part(struct verify *y)
{
	memset(y->counted.v, 0, y->counted.cap * sizeof *y->counted.v);
	y->counted.n = 0;
	y->full = false;
	int rc = log_walk(y, count_row);
	return rc == 0 && !y->full ? counters_compare(y) : rc;
}

static int
verify_counters(struct verify *y)
{
	int64_t guess = (int64_t)(y->counted.cap / 2);
	int rc = 0;
	MDB_stat st = { 0 };
	mdb_stat(y->txn, y->s->ev.counter, &st);
	y->parts = 1 + (size_t)((int64_t)st.ms_entries / guess);
	do {
		y->out->counters = y->out->wrong_counters = y->out->damaged_counters = y->out->uncountable =
		    0;
		for (y->part = 0; y->part < y->parts && rc == 0; y->part++) {
			rc = counters_part(y);
			if (y->full)
				break;
		}
		y->parts *= 2;
	} while (rc == 0 && y->full);
	return rc;
}

/* ---- what is unique ---- */

/* When the first was, in seconds; 0: there is none (any more). Differences are what counts: 32 bits do. */
static uint32_t
first_stamp(const struct event_row *r)
{
	uint32_t s = (uint32_t)(r->at_ms / 1000);
	return s ? s : 1;
}

/* As copy_add says it. h: of copy, type, class. */
static bool
unique_same(struct verify *y, const struct event_row *r, uint64_t h)
{
	const uint8_t link[2] = { (uint8_t)((r->link + 1) >> 8), (uint8_t)(r->link + 1) };
	uint32_t *links = hash_number(&y->seen, h), *at = hash_number(&y->seen_link, hash_of(link, 2, h));
	/* The first may have been dropped, or have had more than is remembered of a copy. */
	bool early = y->horizon > 0;
	if (r->type == EVENT_RECLASSIFIED) {
		int64_t first_s = r->at_ms / 1000 - (int32_t)(first_stamp(r) - *at);
		bool taken = *at != 0 && (early ? r->unique_link : copy_taken_near(first_s, r->at_ms));
		bool last = taken && *links == 1;
		if (taken) {
			*at = 0;
			--*links;
		}
		return early || (r->unique_link == taken && r->unique == last);
	}
	bool again = *links > 0, again_link = *at != 0;
	if (!again_link) {
		*at = first_stamp(r);
		++*links;
	}
	return !(r->unique && again) && !(r->unique_link && again_link) && (early || r->unique == !again) &&
	       (early || r->unique_link == !again_link);
}

static void
unique_row(struct verify *y, uint64_t number, const struct event_row *r)
{
	uint8_t key[EVENT_PERSON_COPY_KEY_LEN + 2];
	struct buf b = { 0 };
	if (event_zero(r->copy, sizeof r->copy)) {
		/* Each is its own; of a forgotten recipient's nothing more is known. */
		if (y->part != 0 || r->forgotten || (r->unique && r->unique_link))
			return;
	} else {
		bool back = r->type == EVENT_RECLASSIFIED;
		event_copy_key(r->rk, r->copy, key);
		key[sizeof key - 2] = (uint8_t)(back ? copy_taken_type(r->link) : r->type);
		key[sizeof key - 1] = (uint8_t)(back ? EVENT_HUMAN : r->class);
		uint64_t h = hash_of(key, sizeof key, 1);
		if ((h >> 40) % y->parts != y->part)
			return;
		if (y->seen_link.n + 1 > y->seen_link.cap / 4 * 3) {
			y->full = true;
			return;
		}
		if (unique_same(y, r, h))
			return;
	}
	y->out->wrong_unique++;
	buf_printf(&b, "event %llu", (unsigned long long)number);
	wrong(y, "unique", buf_str(&b));
	buf_free(&b);
}

static int
verify_unique(struct verify *y)
{
	MDB_stat st = { 0 };
	int rc = 0;
	mdb_stat(y->txn, y->s->ev.log, &st);
	y->parts = 1 + st.ms_entries / (y->seen_link.cap / 2);
	do {
		y->out->wrong_unique = 0;
		y->full = false;
		for (y->part = 0; y->part < y->parts && rc == 0 && !y->full; y->part++) {
			hashes_clear(&y->seen);
			hashes_clear(&y->seen_link);
			rc = log_walk(y, unique_row);
		}
		y->parts *= 2;
	} while (rc == 0 && y->full);
	return rc;
}

/* ---- recipients ---- */

/* His chain has as many events as his totals say; fewer when retention has dropped some. */
static int
person_check(struct verify *y, struct str key, struct str val)
{
	struct person p = { 0 };
	int64_t n = 0, found = 0;
	int rc = 0;
	if (person_decode(val, &p) != 0) {
		y->out->damaged_persons++;
		person_free(&p);
		return 0;
	}
	for (size_t i = 0; i < PERSON_TOTALS; i++)
		n += p.totals[i].count;
	for (uint64_t last = p.last; last > 0 && rc == 0; found++) {
		uint8_t number[EVENT_NUMBER_LEN];
		MDB_val k = { sizeof number, number }, v;
		struct event_row row;
		be64_put(number, last - 1);
		rc = mdb_get(y->txn, y->s->ev.log, &k, &v);
		if (rc != 0)
			break;
		if (event_row_decode(str_of_val(v), &row) != 0 || memcmp(row.rk, key.p, STORE_KEY_LEN) != 0 ||
		    row.prev >= last)
			break;
		last = row.prev;
	}
	y->out->persons++;
	if (found > n || (found < n && y->horizon == 0)) {
		y->out->wrong_persons++;
		wrong(y, "recipient", STR("the events found are not those counted"));
	}
	person_free(&p);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
verify_persons(struct verify *y)
{
	MDB_cursor *c = NULL;
	MDB_val k, v;
	struct copy copy = { 0 };
	int rc = mdb_cursor_open(y->txn, y->s->ev.person, &c);
	if (rc == 0)
		rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
	while (rc == 0) {
		if (k.mv_size == STORE_KEY_LEN)
			rc = person_check(y, str_of_val(k), str_of_val(v));
		else if (copy_decode(str_of_val(v), &copy) != 0)
			y->out->damaged_persons++;
		if (rc == 0)
			rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	}
	if (c)
		mdb_cursor_close(c);
	copy_free(&copy);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- all ---- */

static void
log_row(struct verify *y, uint64_t number, const struct event_row *r)
{
	(void)number;
	y->out->events++;
	y->out->forgotten += r->forgotten;
}

static int
verify_all(struct verify *y)
{
	MDB_val k = val_of(STR("horizon")), v;
	MDB_stat st = { 0 };
	int64_t horizon = 0;
	int rc = mdb_get(y->txn, y->s->events.main, &k, &v);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (rc == 0 && count_decode(str_of_val(v), &horizon) == 0)
		y->horizon = horizon;
	y->out->horizon_ms = y->horizon * 3600000;
	mdb_stat(y->txn, y->s->ev.log, &st);
	rc = log_walk(y, log_row);
	y->out->damaged_events = (int64_t)st.ms_entries - y->out->events;
	if (rc == 0)
		rc = verify_counters(y);
	if (rc == 0)
		rc = verify_unique(y);
	return rc != 0 ? rc : verify_persons(y);
}

int
event_verify(struct store *s, const struct event_verify_request *rq, struct event_verify_result *out,
	     struct err *e)
{
	struct verify y = { .s = s, .rq = rq, .out = out };
	int rc = -1;
	*out = (struct event_verify_result){ 0 };
	if (!s->events.env)
		return 0;
	size_t memory = rq->memory > 0 ? rq->memory : VERIFY_BYTES;
	y.counted.cap = power_of_two(memory / sizeof(struct slot) / 2);
	if (read_begin(s, &s->events, &y.txn, e) != 0)
		return -1;
	event_words_open(&y.words, s);
	y.counted.v = malloc(y.counted.cap * sizeof *y.counted.v);
	hashes_alloc(&y.seen, power_of_two(memory / 64));
	hashes_alloc(&y.seen_link, power_of_two(memory / 64));
	if (y.counted.v && y.seen.v && y.seen.numbers && y.seen_link.v && y.seen_link.numbers)
		rc = verify_all(&y);
	else
		rc = ENOMEM;
	free(y.counted.v);
	hashes_free(&y.seen);
	hashes_free(&y.seen_link);
	event_words_close(&y.words);
	read_end(s, &s->events, y.txn);
	return rc == 0 ? 0 : store_err(s, e, rc, "cannot count events again");
}
