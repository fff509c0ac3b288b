/*
 * event-forget: a recipient is erased from the event log. What campaigns are
 * counted by stays, in the log too: type, hour, campaign, arm, domain, link and
 * value of his events, of which nothing says any more whose they were, or which
 * belong together.
 */
#include "store/event-private.h"

#include <stdlib.h>

/* Events erased, and copies removed, in one commit. */
#define FORGET_STEP 256
/* A walk through the whole log goes so far in one read transaction. */
#define SCAN_STEP 10000

struct forget {
	const uint8_t *rk;
	uint64_t numbers[FORGET_STEP]; /* to be erased whatever the chain says */
	size_t nnumbers;
	size_t removed;
	bool more, broken;
	struct buf buf;
};

static void
row_erase(struct event_row *r)
{
	memset(r->rk, 0, sizeof r->rk);
	memset(r->copy, 0, sizeof r->copy);
	memset(r->idem, 0, sizeof r->idem);
	memset(r->url_hash, 0, sizeof r->url_hash);
	r->at_ms -= r->at_ms % 3600000;
	r->prev = 0;
	r->queue_id = r->details = STR_NULL;
	r->forgotten = true;
}

/* The MTA's log would bring him back by it. */
static int
queue_id_drop(struct store_txn *t, const struct event_row *row)
{
	char id[EVENT_MAX_QUEUE_ID]; /* the row lies in a page that deleting may move */
	MDB_val k = { row->queue_id.n, id }, v;
	uint8_t rk[STORE_KEY_LEN];
	if (row->queue_id.n > sizeof id)
		return 0;
	memcpy(id, row->queue_id.p ? row->queue_id.p : "", row->queue_id.n);
	int rc = row->queue_id.n > 0 ? mdb_get(t->txn, t->s->ev.queue, &k, &v) : MDB_NOTFOUND;
	/* Used again for somebody else's copy since: then it is his. */
	if (rc == 0 && event_queue_rk(str_of_val(v), rk) == 0 && memcmp(rk, row->rk, sizeof rk) == 0)
		rc = mdb_del(t->txn, t->s->ev.queue, &k, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* *found: it is there, can be read, and is his. */
static int
event_erase(struct store_txn *t, struct forget *f, uint64_t number, uint64_t *prev, bool *found)
{
	uint8_t key[EVENT_NUMBER_LEN];
	MDB_val k = { sizeof key, key }, v;
	struct event_row row;
	*found = false;
	be64_put(key, number);
	int rc = mdb_get(t->txn, t->s->ev.log, &k, &v);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	if (event_row_decode(str_of_val(v), &row) != 0 || memcmp(row.rk, f->rk, STORE_KEY_LEN) != 0)
		return 0;
	*found = true;
	*prev = row.prev <= number ? row.prev : 0;
	rc = queue_id_drop(t, &row);
	if (rc != 0)
		return rc;
	row_erase(&row);
	buf_reset(&f->buf);
	event_row_encode(&row, &f->buf);
	v = val_of(buf_str(&f->buf));
	t->dirty = true;
	rc = mdb_put(t->txn, t->s->ev.log, &k, &v, 0);
	f->removed += rc == 0;
	return rc;
}

/* Is everything up to that number gone from the log? */
static int
dropped(struct store_txn *t, uint64_t number, bool *yes)
{
	MDB_cursor *c = NULL;
	MDB_val k, v;
	int rc = mdb_cursor_open(t->txn, t->s->ev.log, &c);
	*yes = true;
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
	if (rc == 0 && k.mv_size == EVENT_NUMBER_LEN)
		*yes = be64_get(k.mv_data) > number;
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* His events along the chain, up to FORGET_STEP; his record then points at the rest. */
static int
chain_erase(struct store_txn *t, struct forget *f)
{
	MDB_val k = { STORE_KEY_LEN, (void *)(uintptr_t)f->rk }, v;
	struct person p = { 0 };
	bool found = true, gone = false;
	int rc = mdb_get(t->txn, t->s->ev.person, &k, &v);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	f->broken = person_decode(str_of_val(v), &p) != 0;
	for (int n = 0; rc == 0 && p.last > 0 && found && n < FORGET_STEP; n++) {
		rc = event_erase(t, f, p.last - 1, &p.last, &found);
	}
	if (rc == 0 && !found) {
		rc = dropped(t, p.last - 1, &gone);
		f->broken = !gone;
		p.last = 0;
	}
	f->more = p.last > 0;
	buf_reset(&f->buf);
	person_encode(&p, &f->buf);
	v = val_of(buf_str(&f->buf));
	t->dirty = true;
	if (rc == 0)
		rc = f->more ? mdb_put(t->txn, t->s->ev.person, &k, &v, 0)
			     : mdb_del(t->txn, t->s->ev.person, &k, NULL);
	f->removed += rc == 0 && !f->more;
	person_free(&p);
	return rc;
}

static int
copies_remove(struct store_txn *t, struct forget *f)
{
	MDB_cursor *c = NULL;
	MDB_val k = { STORE_KEY_LEN, (void *)(uintptr_t)f->rk }, v;
	int n = 0, rc = mdb_cursor_open(t->txn, t->s->ev.person, &c);
	if (rc != 0)
		return rc;
	for (rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	     rc == 0 && n < FORGET_STEP && str_starts(str_of_val(k), str_of_key(f->rk, STORE_KEY_LEN));
	     rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		if (k.mv_size == STORE_KEY_LEN)
			continue; /* his own record, while there is more of the chain */
		t->dirty = true;
		rc = mdb_cursor_del(c, 0);
		if (rc != 0)
			break;
		f->removed++;
		n++;
	}
	f->more = f->more || n == FORGET_STEP;
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum op_result
op_forget(struct store_txn *t, void *arg, struct err *e)
{
	struct forget *f = arg;
	uint64_t prev;
	bool found;
	int rc = 0;
	(void)e;
	f->removed = 0;
	f->more = f->broken = false;
	for (size_t i = 0; i < f->nnumbers && rc == 0; i++)
		rc = event_erase(t, f, f->numbers[i], &prev, &found);
	if (rc == 0)
		rc = chain_erase(t, f);
	if (rc == 0)
		rc = copies_remove(t, f);
	return op_end(t, rc);
}

/* ---- when the chain is broken: the whole log ---- */

/* Collects his events from *at on; 1: there is more of the log, 0, -1. */
static int
scan_stretch(struct store *s, struct forget *f, uint64_t *at, struct err *e)
{
	uint8_t from[EVENT_NUMBER_LEN];
	MDB_txn *txn;
	MDB_cursor *c = NULL;
	MDB_val k = { sizeof from, from }, v;
	struct event_row row;
	if (read_begin(s, &s->events, &txn, e) != 0)
		return -1;
	be64_put(from, *at);
	int n = 0, rc = mdb_cursor_open(txn, s->ev.log, &c);
	if (rc == 0)
		rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	f->nnumbers = 0;
	for (; rc == 0 && n < SCAN_STEP && f->nnumbers < FORGET_STEP; n++) {
		if (k.mv_size == EVENT_NUMBER_LEN) {
			*at = be64_get(k.mv_data) + 1;
			if (event_row_decode(str_of_val(v), &row) == 0 &&
			    memcmp(row.rk, f->rk, STORE_KEY_LEN) == 0)
				f->numbers[f->nnumbers++] = *at - 1;
		}
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	}
	if (c)
		mdb_cursor_close(c);
	read_end(s, &s->events, txn);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return store_err(s, e, rc, "cannot read events");
	return rc == 0;
}

static int
forget_scan(struct store *s, struct forget *f, size_t *removed, struct err *e)
{
	uint64_t at = 0;
	int more;
	do {
		more = scan_stretch(s, f, &at, e);
		if (more < 0)
			return -1;
		if (f->nnumbers > 0 && store_submit_heavy(s, &s->events, op_forget, f, FORGET_STEP, e) != 0)
			return -1;
		*removed += f->nnumbers > 0 ? f->removed : 0;
	} while (more == 1);
	return 0;
}

int
event_forget(struct store *s, const uint8_t rk[16], size_t *removed, struct err *e)
{
	struct forget *f;
	bool broken = false;
	size_t n = 0;
	int r = 0;
	if (removed)
		*removed = 0;
	if (!s->events.env)
		return 0;
	f = calloc(1, sizeof *f);
	if (!f)
		return err_set(e, ERR_TEMP, "event: out of memory");
	f->rk = rk;
	do {
		r = store_submit_heavy(s, &s->events, op_forget, f, FORGET_STEP, e);
		n += r == 0 ? f->removed : 0;
		broken = broken || f->broken;
	} while (r == 0 && f->more);
	if (r == 0 && broken)
		r = forget_scan(s, f, &n, e);
	buf_free(&f->buf);
	free(f);
	if (removed)
		*removed = n;
	return r;
}
