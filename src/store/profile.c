/*
 * profile: rk → sealed profile.
 */
#include "store/store-private.h"

struct put_profile {
	const uint8_t *rk;
	struct str record;
};

static enum op_result
op_put(struct store_txn *t, void *arg, struct err *e)
{
	const struct put_profile *p = arg;
	enum op_result res = room_take(t, (int64_t)p->record.n, 1, ROOM_NEW, e);
	return res != OP_OK ? res : txn_put(t, t->s->profile, str_of_key(p->rk, STORE_KEY_LEN), p->record);
}

int
store_profile_put(struct store *s, const uint8_t rk[16], struct str sealed, struct err *e)
{
	struct buf b = { 0 };
	struct put_profile p = { .rk = rk };
	if (sealed.n > STORE_MAX_PROFILE)
		return err_set(e, ERR_LIMIT, "profile: %zu bytes, more than the %zu allowed", sealed.n,
			       STORE_MAX_PROFILE);
	profile_encode(sealed, &b);
	p.record = buf_str(&b);
	int r = store_submit(s, &s->records, op_put, &p, e);
	buf_free(&b);
	return r;
}

int
store_profile_get(struct store *s, const uint8_t rk[16], struct arena *a, struct str *sealed, struct err *e)
{
	MDB_txn *txn;
	MDB_val k = { STORE_KEY_LEN, (void *)(uintptr_t)rk }, v;
	struct str found;
	int r;
	*sealed = STR_NULL;
	if (read_begin(s, &s->records, &txn, e) != 0)
		return -1;
	int rc = mdb_get(txn, s->profile, &k, &v);
	if (rc == MDB_NOTFOUND)
		r = 0;
	else if (rc != 0)
		r = store_err(s, e, rc, "cannot read a profile");
	else if (profile_decode(str_of_val(v), &found) != 0)
		r = store_corrupt(s, e, "profile");
	else {
		*sealed = arena_str(a, found);
		r = 1;
	}
	read_end(s, &s->records, txn);
	return r;
}

struct each_profile {
	struct store *s;
	bool (*fn)(void *ctx, const uint8_t rk[16], struct str sealed);
	void *ctx;
};

static bool
each_profile(void *ctx, struct str key, struct str val, struct err *e)
{
	struct each_profile *w = ctx;
	struct str sealed;
	if (key.n != STORE_KEY_LEN || profile_decode(val, &sealed) != 0) {
		store_corrupt(w->s, e, "profile");
		return false;
	}
	return w->fn(w->ctx, (const uint8_t *)key.p, sealed);
}

int
store_profile_each(struct store *s, bool (*fn)(void *ctx, const uint8_t rk[16], struct str sealed), void *ctx,
		   struct err *e)
{
	struct each_profile w = { s, fn, ctx };
	return table_each(s, &s->records, s->profile, each_profile, &w, e);
}
