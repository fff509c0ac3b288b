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
