/*
 * event-queue: which copy the MTA has, or had, under a queue id: what its log
 * says of it is then known to belong to whom.
 */
#include "store/event-private.h"

#include "base/clock.h"
#include "store/reader.h"

int
event_queue_put(struct store_txn *t, const struct event_row *r)
{
	struct buf b = { 0 };
	add_u8(&b, RECORD_VERSION);
	add_i64(&b, r->at_ms);
	buf_add(&b, r->rk, sizeof r->rk);
	buf_add(&b, r->copy, sizeof r->copy);
	event_checksum_add(&b, 0);
	/* MTAs use an id again after a while: the newest holds. */
	MDB_val k = val_of(r->queue_id), v = val_of(buf_str(&b));
	t->dirty = true;
	int rc = mdb_put(t->txn, t->s->ev.queue, &k, &v, 0);
	buf_free(&b);
	return rc;
}

static int
queue_decode(struct str bytes, int64_t *at_ms, uint8_t rk[STORE_KEY_LEN], uint8_t copy[EVENT_COPY_LEN])
{
	if (event_checksum_take(&bytes) != 0)
		return -1;
	struct reader r = reader_open(bytes);
	*at_ms = reader_i64(&r);
	const uint8_t *p = reader_take(&r, STORE_KEY_LEN), *q = reader_take(&r, EVENT_COPY_LEN);
	if (r.bad || r.left > 0)
		return -1;
	memcpy(rk, p, STORE_KEY_LEN);
	memcpy(copy, q, EVENT_COPY_LEN);
	return 0;
}

int
event_queue_at(struct str bytes, int64_t *at_ms)
{
	uint8_t rk[STORE_KEY_LEN], copy[EVENT_COPY_LEN];
	return queue_decode(bytes, at_ms, rk, copy);
}

int
event_queue_rk(struct str bytes, uint8_t rk[STORE_KEY_LEN])
{
	uint8_t copy[EVENT_COPY_LEN];
	int64_t at_ms;
	return queue_decode(bytes, &at_ms, rk, copy);
}

int
event_queue_find(struct store *s, struct str queue_id, uint8_t rk[16], uint8_t copy[EVENT_COPY_LEN],
		 struct err *e)
{
	MDB_txn *txn;
	MDB_val k = val_of(queue_id), v;
	int64_t at_ms;
	int r = 0;
	if (!s->events.env || queue_id.n == 0 || queue_id.n > EVENT_MAX_QUEUE_ID)
		return 0;
	if (read_begin(s, &s->events, &txn, e) != 0)
		return -1;
	int rc = mdb_get(txn, s->ev.queue, &k, &v);
	if (rc == 0)
		r = queue_decode(str_of_val(v), &at_ms, rk, copy) == 0 &&
		    at_ms > clock_now_ms() - EVENT_QUEUE_KEEP_MS;
	else if (rc != MDB_NOTFOUND)
		r = store_err(s, e, rc, "cannot read a queue id");
	read_end(s, &s->events, txn);
	return r;
}
