/*
 * spool-table: finding jobs, writing them and their places in the index by time,
 * walking tables.
 */
#include "store/spool-private.h"

int
spool_find_number(struct store *s, MDB_txn *txn, uint64_t number, struct spool_found *out)
{
	uint8_t b[SPOOL_NUMBER_LEN];
	MDB_val k = { sizeof b, b }, v;
	*out = (struct spool_found){ .number = number };
	be64_put(b, number);
	int rc = mdb_get(txn, s->sp.job, &k, &v);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc != 0)
		return rc;
	out->found = true;
	out->damaged = spool_job_decode(str_of_val(v), &out->job, &out->index_ms) != 0;
	return 0;
}

void
spool_job_copy(struct arena *a, const struct spool_job *from, struct spool_job *to)
{
	*to = *from;
	to->campaign = arena_str(a, from->campaign);
	to->reason = arena_str(a, from->reason);
	to->note = arena_str(a, from->note);
	to->payload = arena_str(a, from->payload);
}

int
spool_job_put(struct store_txn *t, uint64_t number, struct str record, bool append)
{
	uint8_t b[SPOOL_NUMBER_LEN];
	MDB_val k = { sizeof b, b }, v = val_of(record);
	be64_put(b, number);
	t->dirty = true;
	return mdb_put(t->txn, t->s->sp.job, &k, &v, append ? MDB_APPEND : 0);
}

int
spool_due_put(struct store_txn *t, uint64_t number, const struct spool_job *j, int64_t index_ms)
{
	uint8_t key[SPOOL_DUE_KEY_LEN], value[SPOOL_DUE_VALUE_LEN];
	struct spool_due_key k = { .class = spool_class_of(j->state), .at_ms = index_ms, .number = number };
	struct spool_due_value v = { .state = j->state, .key = j->key };
	memcpy(k.campaign, j->campaign_id, sizeof k.campaign);
	memcpy(v.content, j->content, sizeof v.content);
	spool_due_key_encode(&k, key);
	spool_due_value_encode(&v, value);
	MDB_val mk = { sizeof key, key }, mv = { sizeof value, value };
	t->dirty = true;
	return mdb_put(t->txn, t->s->sp.due, &mk, &mv, 0);
}

int
spool_due_del(struct store_txn *t, const struct spool_due_key *k)
{
	uint8_t key[SPOOL_DUE_KEY_LEN];
	MDB_val mk = { sizeof key, key };
	spool_due_key_encode(k, key);
	t->dirty = true;
	int rc = mdb_del(t->txn, t->s->sp.due, &mk, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int
spool_due_get(struct store *s, MDB_txn *txn, const struct spool_due_key *due, struct str *value)
{
	uint8_t key[SPOOL_DUE_KEY_LEN];
	MDB_val k = { sizeof key, key }, v = { 0, NULL };
	spool_due_key_encode(due, key);
	int rc = mdb_get(txn, s->sp.due, &k, &v);
	*value = rc == 0 ? str_of_val(v) : STR_NULL;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- walking ---- */

static int
walk_result(struct spool_walk *w, int rc, MDB_val k, MDB_val v, struct str prefix)
{
	if (rc != 0)
		return rc;
	w->key = str_of_val(k);
	w->val = str_of_val(v);
	return str_starts(w->key, prefix) ? 0 : MDB_NOTFOUND;
}

int
spool_walk_from(struct spool_walk *w, MDB_txn *txn, MDB_dbi dbi, struct str from, struct str prefix)
{
	MDB_val k = val_of(from), v = { 0, NULL };
	int rc = w->c ? 0 : mdb_cursor_open(txn, dbi, &w->c);
	if (rc == 0)
		rc = mdb_cursor_get(w->c, &k, &v, from.n > 0 ? MDB_SET_RANGE : MDB_FIRST);
	return walk_result(w, rc, k, v, prefix);
}

int
spool_walk_next(struct spool_walk *w, struct str prefix)
{
	MDB_val k, v;
	int rc = mdb_cursor_get(w->c, &k, &v, MDB_NEXT);
	return walk_result(w, rc, k, v, prefix);
}

void
spool_walk_end(struct spool_walk *w)
{
	if (w->c)
		mdb_cursor_close(w->c);
	w->c = NULL;
}

int
spool_campaign_seek(struct store *s, MDB_txn *txn, struct spool_walk *w, enum spool_class class,
		    const uint8_t id[8], struct spool_due_key *k)
{
	uint8_t from[9] = { (uint8_t) class };
	struct str prefix = str_of_key(from, 1);
	memcpy(from + 1, id, 8);
	int rc = spool_walk_from(w, txn, s->sp.due, str_of_key(from, sizeof from), prefix);
	while (rc == 0 && spool_due_key_decode(w->key, k) != 0)
		rc = spool_walk_next(w, prefix);
	return rc;
}

bool
spool_campaign_after(uint8_t id[8])
{
	for (int i = 8; i-- > 0;)
		if (++id[i] != 0)
			return true;
	return false;
}

int
spool_campaign_paused(struct store *s, MDB_txn *txn, const uint8_t id[8], bool *paused)
{
	MDB_val k = { 8, (void *)(uintptr_t)id }, v = { 0, NULL };
	int rc = mdb_get(txn, s->sp.campaign, &k, &v);
	/* A pause holds as long as these two bytes do, whatever became of the others. */
	const uint8_t *p = v.mv_data;
	*paused = rc == 0 && v.mv_size >= 2 && p[0] == RECORD_VERSION && p[1] == 1;
	return rc == MDB_NOTFOUND ? 0 : rc;
}
