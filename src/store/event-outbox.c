/*
 * event-outbox: events that wait in the environment of what they tell of. The
 * transaction that takes a copy's place, or writes down its end, queues its event
 * too: that costs no commit, loses nothing, and does not fail because another
 * database is full. What arrives in crowds has an environment of its own: behind
 * each other they fill a page with twenty, where the log, which keeps what is
 * known of each recipient, copies a page for each. Whoever moves them adds them to the log first and takes
 * them out afterwards; `once` and idempotency keys make it that nothing counts twice. Nor does what was read
 * come back when somebody else has moved it since and its recipient was forgotten: inside of the transaction
 * that adds, the queue is asked whether it is still there (whoever forgets moves all of it first).
 */
#include "store/event-private.h"

#include <stdlib.h>

#include "base/log.h"

/* So much is read in one go. */
#define MOVE_BYTES ((size_t)8 << 20)
#define COMMIT_MAX 2048
#define SETTLE_STEP 1000
#define RECORD_BYTES 160

int64_t
outbox_bytes(const struct event *ev)
{
	return RECORD_BYTES +
	       (int64_t)(ev->campaign.n + ev->arm.n + ev->domain.n + ev->segment.n + ev->category.n +
			 ev->reason.n + ev->source.n + ev->url.n + ev->queue_id.n + ev->details.n);
}

static enum op_result
put_many(struct store_txn *t, const struct event *v, size_t n)
{
	uint8_t key[EVENT_NUMBER_LEN];
	struct buf b = { 0 };
	MDB_cursor *c = NULL;
	uint64_t number;
	int rc = number_take(t, t->lane->outbox, STR("outbox-next"), n, &number);
	if (rc == 0)
		rc = mdb_cursor_open(t->txn, t->lane->outbox, &c);
	for (size_t i = 0; i < n && rc == 0; i++) {
		buf_reset(&b);
		event_encode(&v[i], &b);
		be64_put(key, number + i);
		MDB_val k = { sizeof key, key }, value = val_of(buf_str(&b));
		t->dirty = true;
		rc = mdb_cursor_put(c, &k, &value, MDB_APPEND);
	}
	if (c)
		mdb_cursor_close(c);
	buf_free(&b);
	return op_end(t, rc);
}

enum op_result
outbox_put(struct store_txn *t, const struct event *ev)
{
	return put_many(t, ev, 1);
}

static enum op_result
op_post(struct store_txn *t, void *arg, struct err *e)
{
	const struct event *ev = arg;
	if (room_take(t, outbox_bytes(ev), 1, ROOM_OWED, e) != OP_OK)
		return OP_FAIL;
	return outbox_put(t, ev);
}

int
event_post(struct store *s, const struct event *ev, struct err *e)
{
	struct event copy = *ev;
	if (event_valid(ev, e) != 0)
		return -1;
	return store_submit(s, &s->books, op_post, &copy, e);
}

struct arriving {
	const struct event *v;
	size_t n;
};

static enum op_result
op_arrive(struct store_txn *t, void *arg, struct err *e)
{
	const struct arriving *a = arg;
	int64_t bytes = 0;
	for (size_t i = 0; i < a->n; i++)
		bytes += outbox_bytes(&a->v[i]);
	/* They lie side by side. */
	if (room_take(t, bytes, 1, ROOM_NEW, e) != OP_OK)
		return OP_FAIL;
	return put_many(t, a->v, a->n);
}

int
event_arrive(struct store *s, const struct event *v, size_t n, struct err *e)
{
	struct arriving a = { v, n };
	for (size_t i = 0; i < n; i++)
		if (event_valid(&v[i], e) != 0)
			return -1;
	return n > 0 ? store_submit(s, &s->arrivals, op_arrive, &a, e) : 0;
}

/* ---- moving ---- */

static void
move_note(struct moving *m, struct str key, struct str val, const struct lane *lane)
{
	m->last = be64_get((const uint8_t *)key.p);
	m->any = true;
	if (event_decode(arena_str(m->a, val), &m->v[m->n]) == 0)
		m->numbers[m->n++] = m->last;
	else
		log_warn("%s: a queued event is damaged; it was dropped", lane->file);
}

int
outbox_read(struct store *s, struct lane *lane, struct moving *m, struct err *e)
{
	MDB_txn *txn;
	MDB_cursor *c = NULL;
	MDB_val k, v;
	size_t bytes = 0;
	m->lane = lane;
	if (read_begin(s, lane, &txn, e) != 0)
		return -1;
	int rc = mdb_cursor_open(txn, lane->outbox, &c);
	if (rc == 0)
		rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
	while (rc == 0 && m->n < m->max && bytes < MOVE_BYTES && k.mv_size == EVENT_NUMBER_LEN) {
		move_note(m, str_of_val(k), str_of_val(v), lane);
		bytes += v.mv_size;
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	}
	if (c)
		mdb_cursor_close(c);
	read_end(s, lane, txn);
	return rc == 0 || rc == MDB_NOTFOUND ? 0 : store_err(s, e, rc, "cannot read queued events");
}

/* The number of the first or the last one; as it was when none is queued. */
static int
number_at(struct store *s, struct lane *lane, MDB_cursor_op where, uint64_t *number, struct err *e)
{
	MDB_txn *txn;
	MDB_cursor *c = NULL;
	MDB_val k, v;
	if (read_begin(s, lane, &txn, e) != 0)
		return -1;
	int rc = mdb_cursor_open(txn, lane->outbox, &c);
	if (rc == 0)
		rc = mdb_cursor_get(c, &k, &v, where);
	if (rc == 0 && k.mv_size == EVENT_NUMBER_LEN)
		*number = be64_get(k.mv_data);
	if (c)
		mdb_cursor_close(c);
	read_end(s, lane, txn);
	return rc == 0 || rc == MDB_NOTFOUND ? 0 : store_err(s, e, rc, "cannot read queued events");
}

int
outbox_first(struct store *s, struct lane *lane, uint64_t *number, struct err *e)
{
	*number = UINT64_MAX;
	return number_at(s, lane, MDB_FIRST, number, e);
}

/* Those that the log refuses for what they say must not hold up the others. */
static int
add_some(struct store *s, const struct moving *m, size_t from, size_t n, struct err *e)
{
	struct err own = { 0 };
	int r = event_add_moved(s, m, from, n, &own);
	for (size_t i = from; r != 0 && (own.kind == ERR_INPUT || own.kind == ERR_LIMIT) && i < from + n;
	     i++) {
		struct err one = { 0 };
		if (event_add_moved(s, m, i, 1, &one) == 0)
			continue;
		if (one.kind == ERR_INPUT || one.kind == ERR_LIMIT)
			log_error("a queued event was dropped: %s", one.text);
		else
			own = one;
	}
	if (r == 0 || own.kind == ERR_INPUT || own.kind == ERR_LIMIT)
		return 0;
	if (e)
		*e = own;
	return -1;
}

/* By recipient; what happened to one of them, as it was queued. */
static int
by_recipient(const void *pa, const void *pb, void *events)
{
	const size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
	const struct event *v = events;
	int c = memcmp(v[a].rk, v[b].rk, STORE_KEY_LEN);
	return c != 0 ? c : a < b ? -1 : a > b;
}

static int
order(struct moving *m, struct err *e)
{
	size_t *at = malloc(m->n * sizeof *at);
	struct event *v = malloc(m->n * sizeof *v);
	uint64_t *numbers = malloc(m->n * sizeof *numbers);
	if (!at || !v || !numbers) {
		free(at);
		free(v);
		free(numbers);
		return err_set(e, ERR_TEMP, "event: out of memory");
	}
	for (size_t i = 0; i < m->n; i++)
		at[i] = i;
	qsort_r(at, m->n, sizeof *at, by_recipient, m->v);
	for (size_t i = 0; i < m->n; i++) {
		v[i] = m->v[at[i]];
		numbers[i] = m->numbers[at[i]];
	}
	free(at);
	free(m->v);
	free(m->numbers);
	m->v = v;
	m->numbers = numbers;
	return 0;
}

/*
 * Many are added in several commits, each of neighbours: the pages that hold what is known of recipients are
 * copied once for all of them, and yet no commit keeps the disk from others for long.
 */
int
outbox_add(struct store *s, struct moving *m, struct err *e)
{
	int r = m->n > COMMIT_MAX ? order(m, e) : 0;
	for (size_t i = 0; i < m->n && r == 0; i += COMMIT_MAX)
		r = add_some(s, m, i, m->n - i < COMMIT_MAX ? m->n - i : COMMIT_MAX, e);
	return r;
}

static enum op_result
op_moved(struct store_txn *t, void *arg, struct err *e)
{
	const struct moving *m = arg;
	MDB_cursor *c = NULL;
	MDB_val k, v;
	int rc = mdb_cursor_open(t->txn, t->lane->outbox, &c);
	(void)e;
	while (rc == 0 && (rc = mdb_cursor_get(c, &k, &v, MDB_FIRST)) == 0) {
		if (k.mv_size == EVENT_NUMBER_LEN && be64_get(k.mv_data) > m->last)
			break;
		t->dirty = true;
		rc = mdb_cursor_del(c, 0);
	}
	if (c)
		mdb_cursor_close(c);
	return op_end(t, rc == MDB_NOTFOUND ? 0 : rc);
}

static int
move_lane(struct store *s, struct lane *lane, size_t max, struct err *e)
{
	struct moving m = { .max = max };
	if (!lane->env || lane->outbox == 0 || max == 0)
		return 0;
	m.a = arena_new(65536);
	m.v = calloc(max, sizeof *m.v);
	m.numbers = calloc(max, sizeof *m.numbers);
	int r = m.v && m.numbers ? outbox_read(s, lane, &m, e) : err_set(e, ERR_TEMP, "event: out of memory");
	if (r == 0 && m.n > 0)
		r = outbox_add(s, &m, e);
	if (r == 0 && m.any)
		r = store_submit_heavy(s, lane, op_moved, &m, 1 + m.n / 64, e);
	free(m.v);
	free(m.numbers);
	arena_free(&m.a);
	return r == 0 ? (int)m.n : -1;
}

/* How many were moved does not tell: large ones end a step early, damaged ones do not count. */
static int
settle_lane(struct store *s, struct lane *lane, struct err *e)
{
	uint64_t first, last = 0;
	if (!lane->env || lane->outbox == 0)
		return 0;
	if (number_at(s, lane, MDB_LAST, &last, e) != 0)
		return -1;
	while (outbox_first(s, lane, &first, e) == 0) {
		if (first > last)
			return 0;
		if (move_lane(s, lane, SETTLE_STEP, e) < 0)
			return -1;
	}
	return -1;
}

int
event_settle(struct store *s, struct err *e)
{
	return settle_lane(s, &s->books, e) == 0 && settle_lane(s, &s->spool, e) == 0 &&
		       settle_lane(s, &s->arrivals, e) == 0
		   ? 0
		   : -1;
}

int
event_move_arrived(struct store *s, size_t max, struct err *e)
{
	return move_lane(s, &s->arrivals, max, e);
}

int
event_move(struct store *s, size_t max, struct err *e)
{
	struct lane *lanes[] = { &s->books, &s->spool, &s->arrivals };
	int sum = 0;
	for (size_t i = 0; i < sizeof lanes / sizeof lanes[0]; i++) {
		int n = move_lane(s, lanes[i], max, e);
		if (n < 0)
			return -1;
		sum += n;
	}
	return sum;
}
