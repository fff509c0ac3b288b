/*
 * event-outbox: events that wait in the environment of what they tell of. The
 * transaction that takes a copy's place, or writes down its end, queues its event
 * too: that costs no commit, loses nothing, and does not fail because another
 * database is full. Whoever moves them adds them to the log first and takes them
 * out afterwards; `once` and idempotency keys make it that nothing counts twice.
 * Nor does what was read come back when somebody else has moved it since and its
 * recipient was forgotten: inside of the transaction that adds, the queue is asked
 * whether it is still there (whoever forgets moves all of it first).
 */
#include "store/event-private.h"

#include <stdlib.h>

#include "base/log.h"

/* So much is read in one go. */
#define MOVE_BYTES ((size_t)8 << 20)
#define RECORD_BYTES 160

int64_t
outbox_bytes(const struct event *ev)
{
	return RECORD_BYTES +
	       (int64_t)(ev->campaign.n + ev->arm.n + ev->domain.n + ev->segment.n + ev->category.n +
			 ev->reason.n + ev->source.n + ev->url.n + ev->queue_id.n + ev->details.n);
}

enum op_result
outbox_put(struct store_txn *t, const struct event *ev)
{
	uint8_t key[EVENT_NUMBER_LEN];
	struct buf b = { 0 };
	uint64_t number;
	int rc = number_take(t, t->lane->outbox, STR("outbox-next"), 1, &number);
	if (rc == 0) {
		event_encode(ev, &b);
		be64_put(key, number);
		MDB_val k = { sizeof key, key }, v = val_of(buf_str(&b));
		t->dirty = true;
		rc = mdb_put(t->txn, t->lane->outbox, &k, &v, MDB_APPEND);
		buf_free(&b);
	}
	return op_end(t, rc);
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

int
outbox_first(struct store *s, struct lane *lane, uint64_t *number, struct err *e)
{
	MDB_txn *txn;
	MDB_cursor *c = NULL;
	MDB_val k, v;
	*number = UINT64_MAX;
	if (read_begin(s, lane, &txn, e) != 0)
		return -1;
	int rc = mdb_cursor_open(txn, lane->outbox, &c);
	if (rc == 0)
		rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
	if (rc == 0 && k.mv_size == EVENT_NUMBER_LEN)
		*number = be64_get(k.mv_data);
	if (c)
		mdb_cursor_close(c);
	read_end(s, lane, txn);
	return rc == 0 || rc == MDB_NOTFOUND ? 0 : store_err(s, e, rc, "cannot read queued events");
}

/* Those that the log refuses for what they say must not hold up the others. */
int
outbox_add(struct store *s, struct moving *m, struct err *e)
{
	struct err own = { 0 };
	int r = event_add_moved(s, m, 0, m->n, &own);
	for (size_t i = 0; r != 0 && (own.kind == ERR_INPUT || own.kind == ERR_LIMIT) && i < m->n; i++) {
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

int
event_move(struct store *s, size_t max, struct err *e)
{
	int a = move_lane(s, &s->books, max, e), b = a < 0 ? -1 : move_lane(s, &s->spool, max, e);
	return b < 0 ? -1 : a + b;
}
