/*
 * decision: the record of one copy's decision and the places it took; reserve,
 * release, and the removal of decisions whose time has come.
 *
 * There is no index by time: removing the oldest decision of all with each new
 * one would touch pages far apart, and doubled the cost of a commit when
 * tried. Instead a reservation looks at its neighbours, decisions of the same recipient on pages it
 * writes anyway; that suffices for recipients who still get mail. For the
 * others a sweep walks the ledger in key order, a bounded step every so many
 * reservations, and finds the expired ones of one page together. When there is
 * no room for a reservation the sweep goes several steps further at once, so
 * that a full ledger becomes usable again by itself.
 */
#include "store/store-private.h"

#include <stdlib.h>

/* Neighbours that a reservation looks at for expired decisions of its own recipient. */
#define NEIGHBOURS 8
/* Every so many reservations the sweep goes so many records further. */
#define SWEEP_EVERY 32
#define SWEEP_STEP 256
/* So many steps when there is no room. */
#define SWEEP_FULL 16

void
decision_key(uint8_t out[STORE_LEDGER_DECISION_KEY], const uint8_t rk[16], const uint8_t idem[16])
{
	memcpy(out, rk, STORE_KEY_LEN);
	memcpy(out + STORE_KEY_LEN, idem, STORE_KEY_LEN);
}

enum op_result
decision_delete(struct store_txn *t, const uint8_t rk[16], const uint8_t idem[16],
		const struct decision_record *d, size_t *removed)
{
	uint8_t key[STORE_LEDGER_DECISION_KEY], caps[STORE_MAX_CAPS][STORE_KEY_LEN];
	size_t ncaps = d->ncaps, n = 1;
	enum op_result res = OP_OK;
	bool found;
	/* d borrows from a page that the deletes below may change. */
	memcpy(caps, d->caps, ncaps * STORE_KEY_LEN);
	int64_t at_ms = d->at_ms;
	decision_key(key, rk, idem);
	for (size_t i = 0; i < ncaps && res == OP_OK; i++) {
		res = cap_give_back(t, caps[i], at_ms, idem, &found);
		n += res == OP_OK && found;
	}
	if (res == OP_OK)
		res = txn_del(t, t->s->ledger, str_of_key(key, sizeof key), &found);
	if (res == OP_OK && found)
		t->decisions_delta--;
	if (removed)
		*removed += n;
	return res;
}

/* Reads rk's decision of idem. OP_FAIL when it is damaged. */
static enum op_result
decision_find(struct store_txn *t, const uint8_t rk[16], const uint8_t idem[16], struct decision_record *d,
	      bool *found, struct err *e)
{
	uint8_t key[STORE_LEDGER_DECISION_KEY];
	struct str val;
	decision_key(key, rk, idem);
	enum op_result res = txn_get(t, t->s->ledger, str_of_key(key, sizeof key), &val, found);
	if (res == OP_OK && *found && decision_decode(val, d) != 0) {
		store_corrupt(t->s, e, "ledger");
		return OP_FAIL;
	}
	return res;
}

/* ---- expiry ---- */

/* Positions of expired decisions, collected by a cursor before anything is deleted under it. */
struct expired {
	uint8_t key[SWEEP_STEP][STORE_LEDGER_DECISION_KEY];
	size_t n;
};

static void
expired_note(struct expired *x, struct str key, struct str val, int64_t now_ms)
{
	struct decision_record d;
	/* What cannot be read is left to who asks for it and gets the error. */
	if (key.n == STORE_LEDGER_DECISION_KEY && x->n < SWEEP_STEP && decision_decode(val, &d) == 0 &&
	    d.expires_ms <= now_ms)
		memcpy(x->key[x->n++], key.p, key.n);
}

static enum op_result
expired_delete(struct store_txn *t, const struct expired *x)
{
	enum op_result res = OP_OK;
	for (size_t i = 0; i < x->n && res == OP_OK; i++) {
		const uint8_t *rk = x->key[i], *idem = rk + STORE_KEY_LEN;
		struct decision_record d;
		bool found;
		res = decision_find(t, rk, idem, &d, &found, NULL);
		if (res == OP_OK && found)
			res = decision_delete(t, rk, idem, &d, NULL);
	}
	return res;
}

/*
 * Looks at up to max records from key on; only those under prefix. The key after the last one seen
 * goes to next (may be NULL): all zero at the end of the table.
 */
static enum op_result
expired_collect(struct store_txn *t, struct str from, struct str prefix, int max, int64_t now_ms,
		struct expired *x, uint8_t next[STORE_LEDGER_DECISION_KEY])
{
	MDB_cursor *c = NULL;
	MDB_val k = val_of(from), v;
	x->n = 0;
	t->rc = mdb_cursor_open(t->txn, t->s->ledger, &c);
	if (t->rc != 0)
		return OP_DB;
	int rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	for (int i = 0; rc == 0 && i < max && str_starts(str_of_val(k), prefix); i++) {
		expired_note(x, str_of_val(k), str_of_val(v), now_ms);
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	}
	if (next) {
		memset(next, 0, STORE_LEDGER_DECISION_KEY);
		if (rc == 0)
			memcpy(next, k.mv_data,
			       k.mv_size < STORE_LEDGER_DECISION_KEY ? k.mv_size : STORE_LEDGER_DECISION_KEY);
	}
	mdb_cursor_close(c);
	t->rc = rc == MDB_NOTFOUND ? 0 : rc;
	return t->rc != 0 ? OP_DB : OP_OK;
}

/* From where idem would stand (a hash: anywhere among its recipient's) to the recipient's last. */
static enum op_result
expire_neighbours(struct store_txn *t, const struct reserve_request *rq)
{
	uint8_t key[STORE_LEDGER_DECISION_KEY];
	struct expired x;
	decision_key(key, rq->rk, rq->idem);
	struct str prefix = str_of_key(rq->rk, STORE_KEY_LEN);
	enum op_result res =
	    expired_collect(t, str_of_key(key, sizeof key), prefix, NEIGHBOURS, rq->now_ms, &x, NULL);
	if (res == OP_OK && x.n == 0)
		res = expired_collect(t, prefix, prefix, NEIGHBOURS, rq->now_ms, &x, NULL);
	return res != OP_OK ? res : expired_delete(t, &x);
}

/* sweep_at and sweep_wait belong to who holds LMDB's write lock. */
static enum op_result
expire_step(struct store_txn *t, int64_t now_ms)
{
	struct store *s = t->s;
	struct expired x;
	enum op_result res = expired_collect(t, str_of_key(s->sweep_at, sizeof s->sweep_at), STR(""),
					     SWEEP_STEP, now_ms, &x, s->sweep_at);
	return res != OP_OK ? res : expired_delete(t, &x);
}

static enum op_result
expire_sweep(struct store_txn *t, int64_t now_ms)
{
	if (t->s->sweep_wait-- > 0)
		return OP_OK;
	t->s->sweep_wait = SWEEP_EVERY;
	return expire_step(t, now_ms);
}

static enum op_result
op_expire(struct store_txn *t, void *arg, struct err *e)
{
	(void)e;
	return expire_step(t, *(int64_t *)arg);
}

/* There is no room: what has expired goes, each step in a commit of its own. The pages can be used soon
 * after. */
static void
expire_full(struct store *s, int64_t now_ms)
{
	for (int i = 0; i < SWEEP_FULL; i++)
		if (store_submit(s, &s->books, op_expire, &now_ms, NULL) != 0)
			return;
}

/* ---- reserve ---- */

struct reserve {
	const struct reserve_request *rq;
	struct reserve_result *out;
	struct arena *arena;
	int64_t expires_ms;
	struct str record; /* the decision record, encoded outside the transaction */
};

/* Is there room in every cap? Fills fills; OP_OK with *full = ncaps, or the number of a full one. */
static enum op_result
caps_check(struct store_txn *t, const struct reserve_request *rq, struct cap_fill *fills, size_t *full,
	   struct err *e)
{
	*full = rq->ncaps;
	for (size_t i = 0; i < rq->ncaps; i++) {
		const struct cap_request *c = &rq->caps[i];
		if (cap_look(t->s, t->txn, c, rq->now_ms, c->limit, &fills[i], e) != 0)
			return OP_FAIL;
		if (fills[i].stored - fills[i].expired >= c->limit) {
			*full = i;
			return OP_OK;
		}
	}
	return OP_OK;
}

static enum op_result
reserve_write(struct store_txn *t, const struct reserve *r, const struct cap_fill *fills)
{
	const struct reserve_request *rq = r->rq;
	uint8_t key[STORE_LEDGER_DECISION_KEY];
	enum op_result res = OP_OK;
	decision_key(key, rq->rk, rq->idem);
	for (size_t i = 0; i < rq->ncaps && res == OP_OK; i++)
		res = cap_take(t, rq->caps[i].id, rq->now_ms, rq->idem, fills[i].stored, fills[i].expired);
	if (res == OP_OK)
		res = txn_put(t, t->s->ledger, str_of_key(key, sizeof key), r->record);
	t->decisions_delta++;
	if (res == OP_OK && rq->event)
		res = outbox_put(t, rq->event);
	if (res == OP_OK)
		res = expire_neighbours(t, rq);
	return res != OP_OK ? res : expire_sweep(t, rq->now_ms);
}

static enum op_result
op_reserve(struct store_txn *t, void *arg, struct err *e)
{
	struct reserve *r = arg;
	const struct reserve_request *rq = r->rq;
	struct cap_fill fills[STORE_MAX_CAPS];
	struct decision_record d;
	bool found;
	size_t full;
	*r->out = (struct reserve_result){ .status = RESERVE_OK, .decision = rq->decision };
	enum op_result res = decision_find(t, rq->rk, rq->idem, &d, &found, e);
	if (res != OP_OK)
		return res;
	if (found && d.expires_ms > rq->now_ms) {
		r->out->status = RESERVE_AGAIN;
		r->out->decision = arena_str(r->arena, d.decision);
		return OP_OK;
	}
	res = caps_check(t, rq, fills, &full, e);
	if (res != OP_OK)
		return res;
	if (full < rq->ncaps) {
		const struct cap_fill *f = &fills[full];
		r->out->status = RESERVE_CAPPED;
		r->out->capped = full;
		r->out->capped_until_ms = f->oldest_ms + rq->caps[full].window_ms;
		r->out->decision = STR_NULL;
		/* Only a long dead head is worth a commit here. */
		return f->expired > CAP_PRUNE_STEP ? cap_prune(t, rq->caps[full].id, f->stored, f->expired)
						   : OP_OK;
	}
	if (found) {
		/* An expired decision of the same copy: its places go too, so the fills must be taken again.
		 */
		res = decision_delete(t, rq->rk, rq->idem, &d, NULL);
		if (res == OP_OK && caps_check(t, rq, fills, &full, e) != OP_OK) {
			t->rc = MDB_CORRUPTED;
			res = OP_DB;
		}
		if (res != OP_OK)
			return res;
	}
	return reserve_write(t, r, fills);
}

static int64_t
add_sat(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int
reserve_check(const struct reserve_request *rq, struct err *e)
{
	if (rq->ncaps > STORE_MAX_CAPS)
		return err_set(e, ERR_LIMIT, "%zu caps apply to one message, more than the %d allowed",
			       rq->ncaps, STORE_MAX_CAPS);
	if (rq->decision.n > STORE_MAX_DECISION)
		return err_set(e, ERR_LIMIT, "decision: %zu bytes, more than the %zu allowed", rq->decision.n,
			       STORE_MAX_DECISION);
	if (rq->now_ms < 0 || rq->decision_keep_ms < 0)
		return err_set(e, ERR_BUG, "reserve: negative time");
	if (rq->event && event_valid(rq->event, e) != 0)
		return -1;
	for (size_t i = 0; i < rq->ncaps; i++) {
		if (rq->caps[i].limit <= 0 || rq->caps[i].window_ms <= 0)
			return err_set(e, ERR_BUG, "reserve: a cap without limit or window");
		for (size_t j = 0; j < i; j++)
			if (memcmp(rq->caps[i].id, rq->caps[j].id, STORE_KEY_LEN) == 0)
				return err_set(e, ERR_BUG, "reserve: the same cap twice");
	}
	return 0;
}

/* When the decision is forgotten: not before its places leave their windows. */
static int64_t
reserve_expiry(const struct reserve_request *rq)
{
	int64_t expires = add_sat(rq->now_ms, rq->decision_keep_ms);
	for (size_t i = 0; i < rq->ncaps; i++) {
		int64_t end = add_sat(rq->now_ms, rq->caps[i].window_ms);
		expires = end > expires ? end : expires;
	}
	return expires;
}

static void
reserve_encode(struct reserve *r, struct buf *record)
{
	const struct reserve_request *rq = r->rq;
	uint8_t ids[STORE_MAX_CAPS * STORE_KEY_LEN];
	r->expires_ms = reserve_expiry(rq);
	for (size_t i = 0; i < rq->ncaps; i++)
		memcpy(ids + i * STORE_KEY_LEN, rq->caps[i].id, STORE_KEY_LEN);
	const struct decision_record d = { rq->now_ms, r->expires_ms, ids, rq->ncaps, rq->decision };
	decision_encode(&d, record);
	r->record = buf_str(record);
}

struct reserve_many {
	struct reserve *v;
	size_t n;
};

/* A record for the decision, for each cap's counter, for each place. */
static enum op_result
reserve_room(struct store_txn *t, const struct reserve_many *m, struct err *e)
{
	int64_t bytes = 0, records = 0;
	for (size_t i = 0; i < m->n; i++) {
		const int64_t n = 1 + 2 * (int64_t)m->v[i].rq->ncaps;
		records += n;
		bytes += (int64_t)m->v[i].record.n + 64 * n;
		bytes += m->v[i].rq->event ? outbox_bytes(m->v[i].rq->event) : 0;
	}
	return room_take(t, bytes, records, ROOM_OWED, e);
}

/* What the first ones wrote must not stand when a later one fails. */
static enum op_result
op_reserve_many(struct store_txn *t, void *arg, struct err *e)
{
	struct reserve_many *m = arg;
	if (reserve_room(t, m, e) != OP_OK)
		return OP_FAIL;
	for (size_t i = 0; i < m->n; i++) {
		enum op_result res = op_reserve(t, &m->v[i], e);
		if (res == OP_FAIL && t->dirty) {
			t->rc = MDB_CORRUPTED;
			return OP_DB;
		}
		if (res != OP_OK)
			return res;
	}
	return OP_OK;
}

int
store_reserve_many(struct store *s, const struct reserve_request *rq, size_t n, struct arena *a,
		   struct reserve_result *out, struct err *e)
{
	struct reserve_many m = { ARENA_ARRAY(a, struct reserve, n), n };
	struct buf record = { 0 };
	struct err own = { 0 };
	for (size_t i = 0; i < n; i++)
		if (reserve_check(&rq[i], e) != 0)
			return -1;
	for (size_t i = 0; i < n; i++) {
		m.v[i] = (struct reserve){ .rq = &rq[i], .out = &out[i], .arena = a };
		buf_reset(&record);
		reserve_encode(&m.v[i], &record);
		m.v[i].record = arena_str(a, m.v[i].record);
	}
	buf_free(&record);
	if (n == 0 || store_submit(s, &s->books, op_reserve_many, &m, &own) == 0)
		return 0;
	if (own.kind == ERR_FULL)
		expire_full(s, rq[0].now_ms);
	if (e)
		*e = own;
	return -1;
}

int
store_reserve(struct store *s, const struct reserve_request *rq, struct arena *a, struct reserve_result *out,
	      struct err *e)
{
	return store_reserve_many(s, rq, 1, a, out, e);
}

/* ---- release ---- */

struct release {
	const uint8_t *rk, *idem;
	bool found;
};

static enum op_result
op_release(struct store_txn *t, void *arg, struct err *e)
{
	struct release *r = arg;
	struct decision_record d;
	enum op_result res = decision_find(t, r->rk, r->idem, &d, &r->found, e);
	if (res != OP_OK || !r->found)
		return res;
	return decision_delete(t, r->rk, r->idem, &d, NULL);
}

int
store_release(struct store *s, const uint8_t rk[16], const uint8_t idem[16], struct err *e)
{
	struct release r = { rk, idem, false };
	return store_submit(s, &s->books, op_release, &r, e) != 0 ? -1 : r.found;
}

/* ---- listing ---- */

struct listed {
	uint8_t idem[STORE_KEY_LEN];
	int64_t at_ms;
	struct str decision;
	struct listed *next;
};

static int
newest_first(const void *pa, const void *pb)
{
	const struct listed *a = *(struct listed *const *)pa, *b = *(struct listed *const *)pb;
	return a->at_ms < b->at_ms ? 1 : a->at_ms > b->at_ms ? -1 : memcmp(a->idem, b->idem, STORE_KEY_LEN);
}

/* Copies rk's decisions, so that no transaction is open while the caller looks at them. */
static int
decisions_read(struct store *s, const uint8_t rk[16], struct arena *a, struct listed **list, size_t *n,
	       struct err *e)
{
	MDB_txn *txn;
	MDB_cursor *c = NULL;
	struct str prefix = str_of_key(rk, STORE_KEY_LEN), key, val;
	int r = -1;
	if (read_begin(s, &s->books, &txn, e) != 0)
		return -1;
	int rc = mdb_cursor_open(txn, s->ledger, &c);
	if (rc != 0) {
		store_err(s, e, rc, "cannot read decisions");
		goto out;
	}
	for (r = cursor_seek(s, c, prefix, &key, &val, e); r == 1;
	     r = cursor_next(s, c, prefix, &key, &val, e)) {
		struct decision_record d;
		struct listed *l = ARENA_NEW(a, struct listed);
		if (key.n != STORE_LEDGER_DECISION_KEY || decision_decode(val, &d) != 0) {
			r = store_corrupt(s, e, "ledger");
			break;
		}
		memcpy(l->idem, key.p + STORE_KEY_LEN, STORE_KEY_LEN);
		l->at_ms = d.at_ms;
		l->decision = arena_str(a, d.decision);
		l->next = *list;
		*list = l;
		++*n;
	}
out:
	if (c)
		mdb_cursor_close(c);
	read_end(s, &s->books, txn);
	return r < 0 ? -1 : 0;
}

int
store_decision_each(struct store *s, const uint8_t rk[16],
		    bool (*fn)(void *ctx, const uint8_t idem[16], int64_t at_ms, struct str decision),
		    void *ctx, struct err *e)
{
	struct arena *a = arena_new(4096);
	struct listed *list = NULL, **v;
	size_t n = 0, i = 0;
	int r = decisions_read(s, rk, a, &list, &n, e);
	v = ARENA_ARRAY(a, struct listed *, n);
	for (struct listed *l = list; l; l = l->next)
		v[i++] = l;
	qsort(v, n, sizeof(struct listed *), newest_first);
	for (i = 0; r == 0 && i < n; i++)
		if (!fn(ctx, v[i]->idem, v[i]->at_ms, v[i]->decision))
			break;
	arena_free(&a);
	return r;
}
