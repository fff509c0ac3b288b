/*
 * consent: rk topic → state, when and whence.
 */
#include "store/store-private.h"

struct put_consent {
	struct str key, record;
};

static enum op_result
op_put(struct store_txn *t, void *arg, struct err *e)
{
	const struct put_consent *p = arg;
	(void)e;
	return txn_put(t, t->s->consent, p->key, p->record);
}

int
store_consent_put(struct store *s, const uint8_t rk[16], const struct consent_record *c, struct err *e)
{
	struct buf key = { 0 }, record = { 0 };
	if (c->topic.n == 0 || c->topic.n > STORE_MAX_WORD || c->source.n > STORE_MAX_WORD)
		return err_set(e, ERR_LIMIT, "consent: topic and source have 1 to %d bytes", STORE_MAX_WORD);
	if (c->state < CONSENT_UNKNOWN || c->state > CONSENT_DENIED || c->at_ms < 0)
		return err_set(e, ERR_BUG, "consent: no such state or time");
	buf_add(&key, rk, STORE_KEY_LEN);
	buf_adds(&key, c->topic);
	consent_encode(c, &record);
	struct put_consent p = { buf_str(&key), buf_str(&record) };
	int r = store_submit(s, &s->records, op_put, &p, e);
	buf_free(&key);
	buf_free(&record);
	return r;
}

int
store_consent_get(struct store *s, const uint8_t rk[16], struct str topic, struct arena *a,
		  struct consent_record *out, struct err *e)
{
	uint8_t key[STORE_KEY_LEN + STORE_MAX_WORD];
	MDB_txn *txn;
	MDB_val k = { STORE_KEY_LEN + topic.n, key }, v;
	if (topic.n == 0 || topic.n > STORE_MAX_WORD)
		return err_set(e, ERR_LIMIT, "consent: a topic has 1 to %d bytes", STORE_MAX_WORD);
	memcpy(key, rk, STORE_KEY_LEN);
	memcpy(key + STORE_KEY_LEN, topic.p, topic.n);
	if (read_begin(s, &s->records, &txn, e) != 0)
		return -1;
	int r = 1, rc = mdb_get(txn, s->consent, &k, &v);
	if (rc == MDB_NOTFOUND)
		r = 0;
	else if (rc != 0)
		r = store_err(s, e, rc, "cannot read a consent");
	else if (consent_decode(str_of_val(v), out) != 0)
		r = store_corrupt(s, e, "consent");
	else {
		out->topic = arena_str(a, topic);
		out->source = arena_str(a, out->source);
	}
	read_end(s, &s->records, txn);
	return r;
}
