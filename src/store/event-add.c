/*
 * event-add: events come in, with all that is counted, in one commit.
 *
 * The steps of one call, each in the order of the keys it touches, so that a batch of many thousands goes
 * through every tree from left to right and writes a page once: idempotency keys, copies (what is unique,
 * what was there already), numbers, recipients, counters, and at last the log, which is appended to.
 *
 * All that can be wrong with an event is found before the transaction.
 */
#include "store/event-private.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

/* What an event takes besides its details: its record, its part of recipient, copy, counter and key. */
#define EVENT_BYTES 300
/* So many events count as one ordinary request. */
#define WEIGHT_EVENTS 4
/* Words remembered during one call. */
#define WORD_SLOTS 1024

struct item {
	const struct event *ev;
	struct event_row row;
	uint64_t number;
	uint8_t counter[EVENT_COUNTER_KEY_LEN];
	bool skip;
};

struct word_slot {
	struct str word;
	uint32_t id;
};

struct adding {
	struct item *items;
	size_t n;
	size_t *order;
	struct word_slot *slots; /* NULL: for few it does not pay */
	bool *added;
	struct lane *lane;	 /* NULL, or in whose queue they lie */
	const uint64_t *numbers; /* there */
	int64_t now_ms;
	int64_t bytes; /* that it writes */
	/* kept from one record to the next */
	struct person person;
	struct copy copy;
	struct buf buf;
};

static void
damaged(const struct store *s, const char *table)
{
	log_warn("state %s: a record of table %s of events.mdb is damaged; it is begun afresh: `mailtailor "
		 "events verify` says what that changes",
		 s->directory, table);
}

/* ---- order ---- */

static int
by_idem(const void *pa, const void *pb, void *items)
{
	const struct item *v = items;
	size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
	int c = memcmp(v[a].ev->idem, v[b].ev->idem, STORE_KEY_LEN);
	return c != 0 ? c : a < b ? -1 : a > b;
}

static int
by_copy(const void *pa, const void *pb, void *items)
{
	const struct item *v = items;
	size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
	int c = memcmp(v[a].ev->rk, v[b].ev->rk, STORE_KEY_LEN);
	if (c == 0)
		c = memcmp(v[a].ev->copy, v[b].ev->copy, EVENT_COPY_LEN);
	return c != 0 ? c : a < b ? -1 : a > b;
}

static int
by_person(const void *pa, const void *pb, void *items)
{
	const struct item *v = items;
	size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
	int c = memcmp(v[a].ev->rk, v[b].ev->rk, STORE_KEY_LEN);
	return c != 0 ? c : a < b ? -1 : a > b;
}

static int
by_counter(const void *pa, const void *pb, void *items)
{
	const struct item *v = items;
	size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
	int c = memcmp(v[a].counter, v[b].counter, EVENT_COUNTER_KEY_LEN);
	return c != 0 ? c : a < b ? -1 : a > b;
}

static void
order_by(struct adding *a, int (*cmp)(const void *, const void *, void *))
{
	if (a->n > 1)
		qsort_r(a->order, a->n, sizeof *a->order, cmp, a->items);
}

/* ---- words ---- */

static int
word_put(struct store_txn *t, struct adding *a, struct str word, uint32_t *id)
{
	if (word.n == 0 || !a->slots)
		return event_word_put(t, word, id);
	struct word_slot *slot = &a->slots[event_checksum(word) % WORD_SLOTS];
	if (str_eq(slot->word, word)) {
		*id = slot->id;
		return 0;
	}
	int rc = event_word_put(t, word, id);
	if (rc == 0)
		*slot = (struct word_slot){ word, *id };
	return rc;
}

static int
row_begin(struct store_txn *t, struct adding *a, struct item *it)
{
	const struct event *ev = it->ev;
	const struct str words[EVENT_WORDS] = { ev->campaign, ev->arm,	  ev->domain, ev->segment,
						ev->category, ev->reason, ev->source, ev->currency };
	int rc = 0;
	it->row = (struct event_row){
		.at_ms = ev->at_ms,
		.type = ev->type,
		.class = ev->class,
		.link = ev->link,
		.micros = ev->value_micros,
		.details = ev->details,
		.queue_id = ev->queue_id,
		.unique = true,
		.unique_link = true,
	};
	memcpy(it->row.rk, ev->rk, sizeof ev->rk);
	memcpy(it->row.copy, ev->copy, sizeof ev->copy);
	memcpy(it->row.idem, ev->idem, sizeof ev->idem);
	memcpy(it->row.url_hash, ev->url_hash, sizeof ev->url_hash);
	it->skip = false;
	if (ev->url.n > 0)
		event_url_hash(ev->url, it->row.url_hash);
	for (int i = 0; i < EVENT_WORDS && rc == 0; i++)
		rc = word_put(t, a, words[i], &it->row.word[i]);
	return rc;
}

/* ---- what was queued ---- */

/* Who takes them out has added them: they are not missed, and may have been forgotten since. */
static int
step_queued(struct store *s, struct adding *a, struct err *e)
{
	uint64_t first = 0;
	if (a->lane && outbox_first(s, a->lane, &first, e) != 0)
		return -1;
	for (size_t i = 0; i < a->n && a->lane; i++)
		a->items[i].skip = a->numbers[i] < first;
	return 0;
}

/* ---- idempotency ---- */

static int64_t
once_keep_ms(const struct event *ev)
{
	return str_starts(ev->source, STR("shop:")) ? EVENT_IDEM_SHOP_KEEP_MS : EVENT_IDEM_KEEP_MS;
}

static int
once_check(struct store_txn *t, struct adding *a, struct item *it)
{
	uint8_t rec[COUNT_RECORD_LEN];
	MDB_val k = { STORE_KEY_LEN, it->row.idem }, v;
	int64_t until_ms;
	int rc = mdb_get(t->txn, t->s->ev.once, &k, &v);
	if (rc == 0 && count_decode(str_of_val(v), &until_ms) == 0 && until_ms > a->now_ms) {
		it->skip = true;
		return 0;
	}
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	count_encode(a->now_ms + once_keep_ms(it->ev), rec);
	v = (MDB_val){ sizeof rec, rec };
	t->dirty = true;
	return mdb_put(t->txn, t->s->ev.once, &k, &v, 0);
}

static int
step_once(struct store_txn *t, struct adding *a)
{
	int rc = 0;
	order_by(a, by_idem);
	for (size_t i = 0; i < a->n && rc == 0; i++) {
		struct item *it = &a->items[a->order[i]];
		if (!it->skip && !event_zero(it->row.idem, STORE_KEY_LEN))
			rc = once_check(t, a, it);
	}
	return rc;
}

/* ---- copies ---- */

static int
copy_load(struct store_txn *t, struct adding *a, uint8_t key[EVENT_PERSON_COPY_KEY_LEN])
{
	MDB_val k = { EVENT_PERSON_COPY_KEY_LEN, key }, v;
	int rc = mdb_get(t->txn, t->s->ev.person, &k, &v);
	copy_reset(&a->copy);
	if (rc == 0 && copy_decode(str_of_val(v), &a->copy) != 0)
		damaged(t->s, "person");
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
copy_store(struct store_txn *t, struct adding *a, uint8_t key[EVENT_PERSON_COPY_KEY_LEN])
{
	buf_reset(&a->buf);
	copy_encode(&a->copy, &a->buf);
	MDB_val k = { EVENT_PERSON_COPY_KEY_LEN, key }, v = val_of(buf_str(&a->buf));
	t->dirty = true;
	return mdb_put(t->txn, t->s->ev.person, &k, &v, 0);
}

/* The events of one copy, from order[i] on; *next: behind them. */
static int
copy_events(struct store_txn *t, struct adding *a, size_t i, size_t *next)
{
	const struct event_row *first = &a->items[a->order[i]].row;
	uint8_t key[EVENT_PERSON_COPY_KEY_LEN], other[EVENT_PERSON_COPY_KEY_LEN];
	bool changed = false;
	event_copy_key(first->rk, first->copy, key);
	int rc = copy_load(t, a, key);
	for (; i < a->n && rc == 0; i++) {
		struct item *it = &a->items[a->order[i]];
		event_copy_key(it->row.rk, it->row.copy, other);
		if (memcmp(key, other, sizeof key) != 0)
			break;
		if (it->ev->once && copy_has(&a->copy, it->row.type, it->row.class, it->row.link))
			it->skip = true;
		if (it->skip)
			continue;
		copy_add(&a->copy, &it->row);
		changed = true;
	}
	*next = i;
	return rc == 0 && changed ? copy_store(t, a, key) : rc;
}

static int
step_copies(struct store_txn *t, struct adding *a)
{
	int rc = 0;
	order_by(a, by_copy);
	for (size_t i = 0; i < a->n && rc == 0;) {
		if (event_zero(a->items[a->order[i]].row.copy, EVENT_COPY_LEN))
			i++;
		else
			rc = copy_events(t, a, i, &i);
	}
	return rc;
}

/* ---- numbers ---- */

static int
step_numbers(struct store_txn *t, struct adding *a, size_t *n)
{
	uint64_t number;
	*n = 0;
	for (size_t i = 0; i < a->n; i++)
		*n += !a->items[i].skip;
	if (*n == 0)
		return 0;
	int rc = number_take(t, t->s->ev.log, STR("next"), *n, &number);
	for (size_t i = 0; i < a->n && rc == 0; i++)
		if (!a->items[i].skip)
			a->items[i].number = number++;
	return rc;
}

/* ---- recipients ---- */

static int
person_load(struct store_txn *t, struct adding *a, uint8_t rk[STORE_KEY_LEN])
{
	MDB_val k = { STORE_KEY_LEN, rk }, v;
	int rc = mdb_get(t->txn, t->s->ev.person, &k, &v);
	person_reset(&a->person);
	if (rc == 0 && person_decode(str_of_val(v), &a->person) != 0)
		damaged(t->s, "person");
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
person_events(struct store_txn *t, struct adding *a, size_t i, size_t *next)
{
	uint8_t rk[STORE_KEY_LEN];
	bool changed = false;
	memcpy(rk, a->items[a->order[i]].row.rk, sizeof rk);
	int rc = person_load(t, a, rk);
	for (; i < a->n && rc == 0; i++) {
		struct item *it = &a->items[a->order[i]];
		if (memcmp(rk, it->row.rk, sizeof rk) != 0)
			break;
		if (it->skip)
			continue;
		it->row.prev = a->person.last;
		a->person.last = it->number + 1;
		person_add(&a->person, &it->row);
		changed = true;
	}
	*next = i;
	if (rc != 0 || !changed)
		return rc;
	buf_reset(&a->buf);
	person_encode(&a->person, &a->buf);
	MDB_val k = { sizeof rk, rk }, v = val_of(buf_str(&a->buf));
	t->dirty = true;
	return mdb_put(t->txn, t->s->ev.person, &k, &v, 0);
}

static int
step_persons(struct store_txn *t, struct adding *a)
{
	int rc = 0;
	order_by(a, by_person);
	for (size_t i = 0; i < a->n && rc == 0;) {
		if (event_zero(a->items[a->order[i]].row.rk, STORE_KEY_LEN))
			i++;
		else
			rc = person_events(t, a, i, &i);
	}
	return rc;
}

/* ---- counters ---- */

static int
counter_events(struct store_txn *t, struct adding *a, size_t i, size_t *next)
{
	uint8_t *key = a->items[a->order[i]].counter;
	MDB_val k = { EVENT_COUNTER_KEY_LEN, key }, v;
	struct event_tally tally = { 0 };
	bool changed = false;
	int rc = mdb_get(t->txn, t->s->ev.counter, &k, &v);
	if (rc == 0 && event_tally_decode(str_of_val(v), &tally) != 0)
		damaged(t->s, "counter");
	if (rc == MDB_NOTFOUND)
		rc = 0;
	for (; i < a->n && memcmp(key, a->items[a->order[i]].counter, EVENT_COUNTER_KEY_LEN) == 0; i++) {
		const struct item *it = &a->items[a->order[i]];
		if (it->skip)
			continue;
		event_tally_add(&tally, &it->row);
		changed = true;
	}
	*next = i;
	if (rc != 0 || !changed)
		return rc;
	buf_reset(&a->buf);
	event_tally_encode(&tally, &a->buf);
	v = val_of(buf_str(&a->buf));
	t->dirty = true;
	return mdb_put(t->txn, t->s->ev.counter, &k, &v, 0);
}

static int
step_counters(struct store_txn *t, struct adding *a)
{
	int rc = 0;
	for (size_t i = 0; i < a->n; i++)
		event_counter_key(&a->items[i].row, a->items[i].counter);
	order_by(a, by_counter);
	for (size_t i = 0; i < a->n && rc == 0;)
		rc = counter_events(t, a, i, &i);
	return rc;
}

/* ---- the log ---- */

static int
step_log(struct store_txn *t, struct adding *a)
{
	uint8_t key[EVENT_NUMBER_LEN];
	MDB_cursor *c = NULL;
	int rc = mdb_cursor_open(t->txn, t->s->ev.log, &c);
	t->dirty = true;
	for (size_t i = 0; i < a->n && rc == 0; i++) {
		struct item *it = &a->items[i];
		if (it->skip)
			continue;
		be64_put(key, it->number);
		buf_reset(&a->buf);
		event_row_encode(&it->row, &a->buf);
		MDB_val k = { sizeof key, key }, v = val_of(buf_str(&a->buf));
		rc = mdb_cursor_put(c, &k, &v, MDB_APPEND);
		if (rc == 0 && it->ev->url.n > 0)
			rc = event_link_put(t, &it->row, it->ev->url);
		if (rc == 0 && it->row.queue_id.n > 0)
			rc = event_queue_put(t, &it->row);
	}
	if (c)
		mdb_cursor_close(c);
	return rc;
}

static enum op_result
op_add(struct store_txn *t, void *arg, struct err *e)
{
	struct adding *a = arg;
	size_t n = 0;
	int rc = 0;
	/* One page each of recipients, counters, keys. */
	if (room_take(t, a->bytes, (int64_t)a->n * 3, ROOM_NEW, e) != OP_OK)
		return OP_FAIL;
	if (a->slots)
		memset(a->slots, 0, WORD_SLOTS * sizeof *a->slots);
	for (size_t i = 0; i < a->n && rc == 0; i++)
		rc = row_begin(t, a, &a->items[i]);
	if (rc == 0 && step_queued(t->s, a, e) != 0)
		return OP_FAIL;
	if (rc == 0)
		rc = step_once(t, a);
	if (rc == 0)
		rc = step_copies(t, a);
	if (rc == 0)
		rc = step_numbers(t, a, &n);
	if (rc == 0 && n > 0)
		rc = step_persons(t, a);
	if (rc == 0 && n > 0)
		rc = step_counters(t, a);
	if (rc == 0 && n > 0)
		rc = step_log(t, a);
	for (size_t i = 0; i < a->n && a->added; i++)
		a->added[i] = !a->items[i].skip;
	return op_end(t, rc);
}

/* ---- what an event may be ---- */

static int
word_check(struct str w, const char *what, struct err *e)
{
	if (w.n > EVENT_MAX_WORD)
		return err_set(e, ERR_LIMIT, "event: %s has %zu bytes, more than the %d allowed", what, w.n,
			       EVENT_MAX_WORD);
	for (size_t i = 0; i < w.n; i++)
		if ((uint8_t)w.p[i] < 0x20 || w.p[i] == 0x7f)
			return err_set(e, ERR_INPUT, "event: %s holds a control character", what);
	if (!str_is_utf8(w))
		return err_set(e, ERR_INPUT, "event: %s is not UTF-8", what);
	return 0;
}

static int
value_check(const struct event *ev, struct err *e)
{
	bool code = ev->currency.n == 3;
	for (size_t i = 0; i < ev->currency.n && code; i++)
		code = ev->currency.p[i] >= 'A' && ev->currency.p[i] <= 'Z';
	if (ev->currency.n > 0 && !code)
		return err_set(e, ERR_INPUT, "event: a currency is three capital letters, like EUR");
	if (ev->currency.n == 0 && ev->value_micros != 0)
		return err_set(e, ERR_INPUT, "event: a value without its currency");
	if (ev->value_micros > EVENT_MAX_MICROS || ev->value_micros < -EVENT_MAX_MICROS)
		return err_set(e, ERR_LIMIT, "event: a value beyond 9 billion");
	return 0;
}

int
event_valid(const struct event *ev, struct err *e)
{
	const struct {
		struct str word;
		const char *what;
	} words[] = {
		{ ev->campaign, "campaign" }, { ev->arm, "arm" },	    { ev->domain, "domain" },
		{ ev->segment, "segment" },   { ev->category, "category" }, { ev->reason, "reason" },
		{ ev->source, "source" },     { ev->queue_id, "queue id" },
	};
	if (!event_type_name(ev->type) || !event_class_name(ev->class))
		return err_set(e, ERR_INPUT, "event: no such type or class");
	if (ev->at_ms < 0 || ev->at_ms > EVENT_MAX_TIME)
		return err_set(e, ERR_INPUT, "event: no time between 1970 and 9999");
	if (ev->link < EVENT_NO_LINK || ev->link > EVENT_MAX_LINK)
		return err_set(e, ERR_INPUT, "event: no link has the number %d", ev->link);
	if (ev->details.n > EVENT_MAX_DETAILS)
		return err_set(e, ERR_LIMIT, "event: %zu bytes of details, more than the %zu allowed",
			       ev->details.n, EVENT_MAX_DETAILS);
	if (ev->queue_id.n > EVENT_MAX_QUEUE_ID)
		return err_set(e, ERR_LIMIT, "event: a queue id of %zu bytes", ev->queue_id.n);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (word_check(words[i].word, words[i].what, e) != 0)
			return -1;
	return value_check(ev, e);
}

static int
add(struct store *s, struct adding a, const struct event *v, struct err *e)
{
	const size_t n = a.n;
	if (n > EVENT_MAX_BATCH)
		return err_set(e, ERR_LIMIT, "event: %zu at once, more than the %zu allowed", n,
			       EVENT_MAX_BATCH);
	for (size_t i = 0; i < n; i++)
		if (event_valid(&v[i], e) != 0)
			return n > 1 ? err_prefix(e, "number %zu", i + 1) : -1;
	if (n == 0)
		return 0;
	a.items = calloc(n, sizeof *a.items);
	a.order = malloc(n * sizeof *a.order);
	a.slots = n >= 64 ? malloc(WORD_SLOTS * sizeof *a.slots) : NULL;
	int r = -1;
	if (!a.items || !a.order || (n >= 64 && !a.slots)) {
		err_set(e, ERR_TEMP, "event: out of memory");
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		a.items[i].ev = &v[i];
		a.order[i] = i;
		a.bytes += EVENT_BYTES + (int64_t)v[i].details.n;
	}
	r = store_submit_heavy(s, &s->events, op_add, &a, 1 + n / WEIGHT_EVENTS, e);
out:
	person_free(&a.person);
	copy_free(&a.copy);
	buf_free(&a.buf);
	free(a.items);
	free(a.order);
	free(a.slots);
	return r;
}

int
event_add(struct store *s, const struct event *v, size_t n, bool *added, struct err *e)
{
	const struct adding a = { .n = n, .added = added, .now_ms = clock_now_ms() };
	return add(s, a, v, e);
}

int
event_add_moved(struct store *s, const struct moving *m, size_t from, size_t n, struct err *e)
{
	const struct adding a = {
		.n = n, .lane = m->lane, .numbers = m->numbers + from, .now_ms = clock_now_ms()
	};
	return add(s, a, m->v + from, e);
}
