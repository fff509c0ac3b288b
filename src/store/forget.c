/*
 * forget: erases what is held under one recipient key. Suppressions stay, and what
 * he has refused: they are what keeps mail and tracking from starting again.
 *
 * LMDB frees the pages but does not wipe them; they are reused by later
 * writes. What was personal in them is sealed, and the places and times left
 * behind name nobody without the site key.
 */
#include "store/event.h"
#include "store/spool-private.h"

struct forget {
	const uint8_t *rk;
	size_t removed;
};

/* The first key with that prefix, copied; *found false when there is none (left). */
static enum op_result
first_under(struct store_txn *t, MDB_dbi dbi, struct str prefix, uint8_t *key, size_t max, size_t *n,
	    struct str *val)
{
	MDB_cursor *c = NULL;
	MDB_val k = val_of(prefix), v;
	*n = 0;
	t->rc = mdb_cursor_open(t->txn, dbi, &c);
	if (t->rc != 0)
		return OP_DB;
	int rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	mdb_cursor_close(c);
	if (rc != 0 && rc != MDB_NOTFOUND) {
		t->rc = rc;
		return OP_DB;
	}
	if (rc == MDB_NOTFOUND || k.mv_size > max || !str_starts(str_of_val(k), prefix))
		return OP_OK;
	memcpy(key, k.mv_data, k.mv_size);
	*n = k.mv_size;
	*val = str_of_val(v);
	return OP_OK;
}

/* Mail or tracking refused. A wish that does not hold ("at-most:week" denied) refuses nothing. */
static bool
is_refusal(struct str topic, struct str val)
{
	struct consent_record c;
	return consent_decode(val, &c) == 0 && c.state == CONSENT_DENIED &&
	       (str_eq(topic, STR("tracking")) || str_eq(topic, STR("mail")) ||
		str_starts(topic, STR("mail:")));
}

static enum op_result
forget_consents(struct store_txn *t, struct forget *f)
{
	const struct str rk = str_of_key(f->rk, STORE_KEY_LEN);
	MDB_cursor *c = NULL;
	MDB_val k = val_of(rk), v;
	int rc = mdb_cursor_open(t->txn, t->s->consent, &c);
	if (rc != 0)
		return op_end(t, rc);
	rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	while (rc == 0 && str_starts(str_of_val(k), rk)) {
		if (!is_refusal(str_sub(str_of_val(k), STORE_KEY_LEN, k.mv_size), str_of_val(v))) {
			t->dirty = true;
			f->removed++;
			rc = mdb_cursor_del(c, 0);
		}
		if (rc == 0)
			rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	}
	mdb_cursor_close(c);
	return op_end(t, rc == MDB_NOTFOUND ? 0 : rc);
}

static enum op_result
forget_decisions(struct store_txn *t, struct forget *f)
{
	uint8_t key[STORE_LEDGER_DECISION_KEY];
	size_t n;
	struct str val;
	for (;;) {
		struct decision_record d;
		enum op_result res =
		    first_under(t, t->s->ledger, str_of_key(f->rk, STORE_KEY_LEN), key, sizeof key, &n, &val);
		if (res != OP_OK || n == 0)
			return res;
		if (n == sizeof key && decision_decode(val, &d) == 0) {
			res = decision_delete(t, f->rk, key + STORE_KEY_LEN, &d, &f->removed);
		} else { /* damaged: erased all the same */
			res = txn_del(t, t->s->ledger, str_of_key(key, n), NULL);
			f->removed++;
		}
		if (res != OP_OK)
			return res;
	}
}

static enum op_result
op_forget_records(struct store_txn *t, void *arg, struct err *e)
{
	struct forget *f = arg;
	bool found;
	(void)e;
	f->removed = 0;
	enum op_result res = txn_del(t, t->s->profile, str_of_key(f->rk, STORE_KEY_LEN), &found);
	if (res != OP_OK)
		return res;
	f->removed += found;
	return forget_consents(t, f);
}

static enum op_result
op_forget_books(struct store_txn *t, void *arg, struct err *e)
{
	struct forget *f = arg;
	(void)e;
	f->removed = 0;
	return forget_decisions(t, f);
}

int
store_forget(struct store *s, const uint8_t rk[16], size_t *removed, struct err *e)
{
	struct forget records = { .rk = rk }, books = { .rk = rk };
	size_t jobs, events;
	if (removed)
		*removed = 0;
	/* Several commits. Whoever is interrupted between them forgets again, and finds the rest. The spool
	 * is first: nothing is to be made of its jobs with half a profile. Events are taken out of the queues
	 * behind those: what was reserved until then has its event there. */
	if (spool_forget(s, rk, &jobs, e) != 0 ||
	    store_submit(s, &s->books, op_forget_books, &books, e) != 0 || event_settle(s, e) != 0 ||
	    event_forget(s, rk, &events, e) != 0 ||
	    store_submit(s, &s->records, op_forget_records, &records, e) != 0)
		return -1;
	if (removed)
		*removed = jobs + events + books.removed + records.removed;
	return 0;
}
