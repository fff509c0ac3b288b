/*
 * cursor: walking a table, or the keys with one prefix.
 */
#include "store/store-private.h"

/* A walk over a whole table holds back the pages that others free meanwhile: so it starts afresh this often.
 */
#define WALK_RENEW 1000
#define MAX_KEY 511

static int
cursor_result(struct store *s, int rc, MDB_val k, MDB_val v, struct str prefix, struct str *key,
	      struct str *val, struct err *e)
{
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc != 0)
		return store_err(s, e, rc, "cannot read");
	*key = str_of_val(k);
	*val = str_of_val(v);
	return str_starts(*key, prefix) ? 1 : 0;
}

int
cursor_seek(struct store *s, MDB_cursor *c, struct str prefix, struct str *key, struct str *val,
	    struct err *e)
{
	MDB_val k = val_of(prefix), v;
	int rc =
	    prefix.n > 0 ? mdb_cursor_get(c, &k, &v, MDB_SET_RANGE) : mdb_cursor_get(c, &k, &v, MDB_FIRST);
	return cursor_result(s, rc, k, v, prefix, key, val, e);
}

int
cursor_next(struct store *s, MDB_cursor *c, struct str prefix, struct str *key, struct str *val,
	    struct err *e)
{
	MDB_val k, v;
	int rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	return cursor_result(s, rc, k, v, prefix, key, val, e);
}

/* One stretch of a walk, from behind *last (n 0: the beginning). 1: there is more; 0: the end; -1. */
static int
walk_stretch(struct store *s, struct lane *lane, MDB_dbi dbi, table_fn *fn, void *ctx, uint8_t last[MAX_KEY],
	     size_t *nlast, struct err *e)
{
	MDB_txn *txn;
	MDB_cursor *c = NULL;
	struct str key, val, from = str_of_key(last, *nlast);
	int r = -1;
	if (read_begin(s, lane, &txn, e) != 0)
		return -1;
	int rc = mdb_cursor_open(txn, dbi, &c);
	if (rc != 0) {
		store_err(s, e, rc, "cannot read");
		goto out;
	}
	MDB_val k = val_of(from), v;
	rc = from.n > 0 ? mdb_cursor_get(c, &k, &v, MDB_SET_RANGE) : mdb_cursor_get(c, &k, &v, MDB_FIRST);
	r = cursor_result(s, rc, k, v, STR(""), &key, &val, e);
	if (r == 1 && from.n > 0 && str_eq(key, from))
		r = cursor_next(s, c, STR(""), &key, &val, e);
	for (int n = 0; r == 1; n++) {
		struct err own = { 0 };
		if (n == WALK_RENEW && !s->in_batch)
			break;
		if (!fn(ctx, key, val, &own)) {
			if (own.kind != ERR_NONE && e)
				*e = own;
			r = own.kind != ERR_NONE ? -1 : 0;
			goto out;
		}
		*nlast = key.n < MAX_KEY ? key.n : MAX_KEY;
		memcpy(last, key.p, *nlast);
		r = cursor_next(s, c, STR(""), &key, &val, e);
	}
out:
	if (c)
		mdb_cursor_close(c);
	read_end(s, lane, txn);
	return r;
}

int
table_each(struct store *s, struct lane *lane, MDB_dbi dbi, table_fn *fn, void *ctx, struct err *e)
{
	uint8_t last[MAX_KEY];
	size_t nlast = 0;
	int r;
	do
		r = walk_stretch(s, lane, dbi, fn, ctx, last, &nlast, e);
	while (r == 1);
	return r;
}
