/*
 * event-sweep: what has had its time goes, a bounded step at a time: events from
 * the beginning of the log, records of copies, idempotency keys, queue ids. Counters stay.
 *
 * These have no index by time, which every event would have to write:
 * the sweep walks their tables round and round.
 */
#include "store/event-private.h"

#include "base/log.h"

/* No clock is ahead by so much; events beyond were written by one that was wrong. */
#define AHEAD_MS INT64_C(86400000)

struct sweep {
	int64_t now_ms, keep_ms;
	size_t max, dropped;
};

/* Counters of hours up to this one cannot be recounted any more. Kept as hour + 1. */
static int
horizon_raise(struct store_txn *t, int64_t hour)
{
	uint8_t rec[COUNT_RECORD_LEN];
	MDB_val k = val_of(STR("horizon")), v;
	int64_t before = 0;
	int rc = mdb_get(t->txn, t->lane->main, &k, &v);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (rc == 0 && count_decode(str_of_val(v), &before) == 0 && before > hour)
		return 0;
	count_encode(hour + 1, rec);
	v = (MDB_val){ sizeof rec, rec };
	return mdb_put(t->txn, t->lane->main, &k, &v, 0);
}

static int
sweep_log(struct store_txn *t, struct sweep *w)
{
	MDB_cursor *c = NULL;
	MDB_val k, v;
	struct event_row row;
	int64_t hour = -1;
	size_t n = 0, ahead = 0, bad = 0;
	int rc = mdb_cursor_open(t->txn, t->s->ev.log, &c);
	if (rc != 0)
		return rc;
	for (rc = mdb_cursor_get(c, &k, &v, MDB_FIRST); rc == 0 && n + ahead < w->max;
	     rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		bool sound = event_row_decode(str_of_val(v), &row) == 0;
		/* A clock was wrong: what it wrote does not keep everything behind it for ever. */
		if (sound && row.at_ms > w->now_ms + AHEAD_MS) {
			ahead++;
			continue;
		}
		if (sound && row.at_ms > w->now_ms - w->keep_ms)
			break;
		bad += !sound;
		if (sound && (int64_t)event_hour_of(row.at_ms) > hour)
			hour = event_hour_of(row.at_ms);
		t->dirty = true;
		if ((rc = mdb_cursor_del(c, 0)) != 0)
			break;
		n++;
	}
	mdb_cursor_close(c);
	if (bad > 0)
		log_warn("state %s: %zu events that cannot be read were dropped from the log",
			 t->s->directory, bad);
	w->dropped += n;
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	return hour >= 0 ? horizon_raise(t, hour) : 0;
}

/*
 * Looks at up to max records from `at` on, deletes those whose time has come, and leaves in `at` (of len
 * bytes) the key to go on with: zero at the end.
 */
static int
sweep_table(struct store_txn *t, struct sweep *w, MDB_dbi dbi, uint8_t *at, size_t len,
	    bool (*over)(const struct sweep *w, struct str key, struct str val))
{
	MDB_cursor *c = NULL;
	MDB_val k = { len, at }, v;
	int rc = mdb_cursor_open(t->txn, dbi, &c);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	for (size_t n = 0; rc == 0 && n < w->max; n++) {
		if (over(w, str_of_val(k), str_of_val(v))) {
			t->dirty = true;
			rc = mdb_cursor_del(c, 0);
			w->dropped += rc == 0;
		}
		if (rc == 0)
			rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	}
	memset(at, 0, len);
	if (rc == 0)
		memcpy(at, k.mv_data, k.mv_size < len ? k.mv_size : len);
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static bool
copy_over(const struct sweep *w, struct str key, struct str val)
{
	int64_t last_s;
	return key.n == EVENT_PERSON_COPY_KEY_LEN && copy_last_s(val, &last_s) == 0 &&
	       last_s * 1000 <= w->now_ms - w->keep_ms;
}

static bool
key_over(const struct sweep *w, struct str key, struct str val)
{
	int64_t until_ms;
	(void)key;
	return count_decode(val, &until_ms) != 0 || until_ms <= w->now_ms;
}

static bool
queue_over(const struct sweep *w, struct str key, struct str val)
{
	int64_t at_ms;
	(void)key;
	return event_queue_at(val, &at_ms) != 0 || at_ms <= w->now_ms - EVENT_QUEUE_KEEP_MS;
}

static enum op_result
op_sweep(struct store_txn *t, void *arg, struct err *e)
{
	struct sweep *w = arg;
	struct store *s = t->s;
	(void)e;
	w->dropped = 0;
	int rc = sweep_log(t, w);
	if (rc == 0)
		rc = sweep_table(t, w, s->ev.person, s->person_at, sizeof s->person_at, copy_over);
	if (rc == 0)
		rc = sweep_table(t, w, s->ev.once, s->once_at, sizeof s->once_at, key_over);
	if (rc == 0)
		rc = sweep_table(t, w, s->ev.queue, s->queue_at, sizeof s->queue_at, queue_over);
	return op_end(t, rc);
}

int
event_sweep(struct store *s, int64_t now_ms, int64_t keep_ms, size_t max, struct err *e)
{
	struct sweep w = { .now_ms = now_ms, .keep_ms = keep_ms, .max = max };
	if (!s->events.env)
		return 0;
	if (store_submit_heavy(s, &s->events, op_sweep, &w, 1 + max / 16, e) != 0)
		return -1;
	return w.dropped < INT32_MAX ? (int)w.dropped : INT32_MAX;
}
