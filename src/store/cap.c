/*
 * cap: sliding windows in the ledger.
 *
 * A cap is a counter record and one key per place, in the order of time:
 *     id                → number of places that follow
 *     id, time, idem    → nothing
 * so a cap with 100,000 places costs the same few pages per change as one with
 * three. Places that left the window are dropped as they are met, from the
 * oldest on; the count of those in the window is counter minus that head.
 */
#include "store/store-private.h"

static void
place_key(uint8_t out[STORE_LEDGER_PLACE_KEY], const uint8_t id[16], int64_t at_ms, const uint8_t idem[16])
{
	memcpy(out, id, STORE_KEY_LEN);
	be64_put(out + 16, (uint64_t)at_ms);
	memcpy(out + 24, idem, STORE_KEY_LEN);
}

/* Moves to the next place of the cap; 1, 0 when there is none, -1. */
static int
place_next(struct store *s, MDB_cursor *c, struct str id, int64_t *at_ms, struct err *e)
{
	struct str key, val;
	int r = cursor_next(s, c, id, &key, &val, e);
	if (r != 1)
		return r;
	if (key.n != STORE_LEDGER_PLACE_KEY)
		return store_corrupt(s, e, "ledger");
	*at_ms = (int64_t)(be64_get((const uint8_t *)key.p + 16) & INT64_MAX);
	return 1;
}

int
cap_look(struct store *s, MDB_txn *txn, const struct cap_request *cap, int64_t now_ms, int64_t enough_below,
	 struct cap_fill *out, struct err *e)
{
	struct str id = str_of_key(cap->id, STORE_KEY_LEN), key, val;
	MDB_cursor *c = NULL;
	int64_t at = 0;
	*out = (struct cap_fill){ 0 };
	int rc = mdb_cursor_open(txn, s->ledger, &c);
	if (rc != 0)
		return store_err(s, e, rc, "cannot read a cap");
	int r = cursor_seek(s, c, id, &key, &val, e);
	if (r == 1 && (key.n != STORE_LEDGER_CAP_KEY || count_decode(val, &out->stored) != 0))
		r = store_corrupt(s, e, "ledger");
	while (r == 1) {
		if (out->expired >= CAP_PRUNE_STEP && out->stored - out->expired < enough_below)
			break;
		r = place_next(s, c, id, &at, e);
		if (r != 1)
			break;
		if (at > now_ms - cap->window_ms) {
			out->oldest_ms = at;
			break;
		}
		out->expired++;
	}
	mdb_cursor_close(c);
	return r < 0 ? -1 : 0;
}

/* Deletes the n oldest places; *dropped says how many there were. */
static enum op_result
places_drop(struct store_txn *t, const uint8_t id[16], int64_t n, int64_t *dropped)
{
	MDB_cursor *c = NULL;
	MDB_val k = { STORE_KEY_LEN, (void *)(uintptr_t)id }, v;
	*dropped = 0;
	if (n <= 0)
		return OP_OK;
	t->rc = mdb_cursor_open(t->txn, t->s->ledger, &c);
	if (t->rc != 0)
		return OP_DB;
	int rc = mdb_cursor_get(c, &k, &v, MDB_SET); /* the counter; the oldest place is next */
	while (rc == 0 && *dropped < n) {
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
		if (rc != 0 || k.mv_size != STORE_LEDGER_PLACE_KEY ||
		    memcmp(k.mv_data, id, STORE_KEY_LEN) != 0)
			break;
		rc = mdb_cursor_del(c, 0);
		if (rc == 0) {
			++*dropped;
			t->dirty = true;
		}
	}
	mdb_cursor_close(c);
	t->rc = rc == MDB_NOTFOUND ? 0 : rc;
	return t->rc != 0 ? OP_DB : OP_OK;
}

static enum op_result
counter_set(struct store_txn *t, const uint8_t id[16], int64_t before, int64_t after)
{
	uint8_t rec[COUNT_RECORD_LEN];
	if (before == after)
		return OP_OK;
	t->places_delta += after - before;
	if (after <= 0)
		return txn_del(t, t->s->ledger, str_of_key(id, STORE_KEY_LEN), NULL);
	count_encode(after, rec);
	return txn_put(t, t->s->ledger, str_of_key(id, STORE_KEY_LEN), str_of_key(rec, sizeof rec));
}

enum op_result
cap_take(struct store_txn *t, const uint8_t id[16], int64_t now_ms, const uint8_t idem[16], int64_t stored,
	 int64_t drop)
{
	uint8_t key[STORE_LEDGER_PLACE_KEY];
	int64_t dropped;
	enum op_result res = places_drop(t, id, drop, &dropped);
	if (res != OP_OK)
		return res;
	place_key(key, id, now_ms, idem);
	MDB_val k = { sizeof key, key }, v = { 0, NULL };
	int rc = mdb_put(t->txn, t->s->ledger, &k, &v, MDB_NOOVERWRITE);
	if (rc != 0 && rc != MDB_KEYEXIST) {
		t->rc = rc;
		return OP_DB;
	}
	t->dirty = true;
	return counter_set(t, id, stored, stored - dropped + (rc == 0));
}

enum op_result
cap_prune(struct store_txn *t, const uint8_t id[16], int64_t stored, int64_t drop)
{
	int64_t dropped;
	enum op_result res = places_drop(t, id, drop, &dropped);
	return res != OP_OK ? res : counter_set(t, id, stored, stored - dropped);
}

enum op_result
cap_give_back(struct store_txn *t, const uint8_t id[16], int64_t at_ms, const uint8_t idem[16], bool *found)
{
	uint8_t key[STORE_LEDGER_PLACE_KEY];
	struct str val;
	bool counted;
	int64_t stored = 0;
	place_key(key, id, at_ms, idem);
	enum op_result res = txn_del(t, t->s->ledger, str_of_key(key, sizeof key), found);
	if (res != OP_OK || !*found)
		return res;
	res = txn_get(t, t->s->ledger, str_of_key(id, STORE_KEY_LEN), &val, &counted);
	if (res != OP_OK)
		return res;
	if (!counted || count_decode(val, &stored) != 0) {
		t->rc = MDB_CORRUPTED; /* something was deleted already: the transaction must not stand */
		return OP_DB;
	}
	return counter_set(t, id, stored, stored - 1);
}

int
store_cap_count(struct store *s, const struct cap_request *c, int64_t now_ms, int64_t *used,
		int64_t *oldest_ms, struct err *e)
{
	MDB_txn *txn;
	struct cap_fill f;
	if (read_begin(s, &s->books, &txn, e) != 0)
		return -1;
	int r = cap_look(s, txn, c, now_ms, 0, &f, e);
	read_end(s, &s->books, txn);
	*used = f.stored - f.expired;
	*oldest_ms = f.oldest_ms;
	return r;
}
