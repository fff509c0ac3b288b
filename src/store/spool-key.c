/*
 * spool-key: from a job's key to its number.
 */
#include "store/spool-private.h"

int
spool_key_get(struct store *s, MDB_txn *txn, const struct spool_key *key, uint64_t *number)
{
	MDB_val k = { SPOOL_KEY_LEN, (void *)(uintptr_t)key }, v;
	int rc = mdb_get(txn, s->sp.key, &k, &v);
	if (rc != 0)
		return rc;
	/* A damaged entry finds nothing: the job itself is found by its due time. */
	if (v.mv_size != SPOOL_NUMBER_LEN)
		return MDB_NOTFOUND;
	*number = be64_get(v.mv_data);
	return 0;
}

int
spool_key_put(struct store_txn *t, const struct spool_key *key, uint64_t number)
{
	uint8_t b[SPOOL_NUMBER_LEN];
	MDB_val k = { SPOOL_KEY_LEN, (void *)(uintptr_t)key }, v = { sizeof b, b };
	be64_put(b, number);
	t->dirty = true;
	return mdb_put(t->txn, t->s->sp.key, &k, &v, 0);
}

int
spool_key_del(struct store_txn *t, const struct spool_key *key, uint64_t number)
{
	MDB_val k = { SPOOL_KEY_LEN, (void *)(uintptr_t)key };
	uint64_t stored;
	int rc = spool_key_get(t->s, t->txn, key, &stored);
	if (rc == MDB_NOTFOUND || (rc == 0 && stored != number))
		return 0;
	if (rc != 0)
		return rc;
	t->dirty = true;
	return mdb_del(t->txn, t->s->sp.key, &k, NULL);
}
