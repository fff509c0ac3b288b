/*
 * suppression: key (recipient or domain) category → reason, when, note.
 */
#include "store/store-private.h"

const char *
suppression_reason_name(enum suppression_reason r)
{
	static const char *const names[] = {
		[SUPPRESS_MANUAL] = "manual",		[SUPPRESS_UNSUBSCRIBE] = "unsubscribe",
		[SUPPRESS_COMPLAINT] = "complaint",	[SUPPRESS_HARD_BOUNCE] = "hard-bounce",
		[SUPPRESS_SOFT_BOUNCE] = "soft-bounce", [SUPPRESS_IMPORT] = "import",
	};
	return r >= SUPPRESS_MANUAL && r <= SUPPRESS_IMPORT ? names[r] : "unknown";
}

struct change {
	struct str key, record;
	enum suppression_reason reason;
	bool found;
};

static enum op_result
op_put(struct store_txn *t, void *arg, struct err *e)
{
	const struct change *c = arg;
	(void)e;
	return txn_put(t, t->s->suppression, c->key, c->record);
}

/* What another put there in the meantime stays. */
static enum op_result
op_lift(struct store_txn *t, void *arg, struct err *e)
{
	struct change *c = arg;
	struct suppression_record r;
	struct str val;
	bool there;
	enum op_result res = txn_get(t, t->s->suppression, c->key, &val, &there);
	c->found = false;
	if (res != OP_OK || !there)
		return res;
	if (suppression_decode(val, &r) != 0) {
		store_corrupt(t->s, e, "suppression");
		return OP_FAIL;
	}
	return r.reason == c->reason ? txn_del(t, t->s->suppression, c->key, &c->found) : OP_OK;
}

static enum op_result
op_remove(struct store_txn *t, void *arg, struct err *e)
{
	struct change *c = arg;
	(void)e;
	return txn_del(t, t->s->suppression, c->key, &c->found);
}

int
store_suppression_put(struct store *s, const uint8_t key[16], const struct suppression_record *r,
		      struct err *e)
{
	struct buf k = { 0 }, record = { 0 };
	if (r->category.n > STORE_MAX_WORD || r->note.n > STORE_MAX_NOTE)
		return err_set(e, ERR_LIMIT, "suppression: a category has at most %d bytes, a note %d",
			       STORE_MAX_WORD, STORE_MAX_NOTE);
	if (r->reason < SUPPRESS_MANUAL || r->reason > SUPPRESS_IMPORT || r->at_ms < 0 || r->until_ms < 0)
		return err_set(e, ERR_BUG, "suppression: no such reason or time");
	buf_add(&k, key, STORE_KEY_LEN);
	buf_adds(&k, r->category);
	suppression_encode(r, &record);
	struct change c = { .key = buf_str(&k), .record = buf_str(&record) };
	int res = store_submit(s, &s->records, op_put, &c, e);
	buf_free(&k);
	buf_free(&record);
	return res;
}

static int
take_out(struct store *s, const uint8_t key[16], struct str category, store_op *op,
	 enum suppression_reason reason, struct err *e)
{
	struct buf k = { 0 };
	if (category.n > STORE_MAX_WORD)
		return 0;
	buf_add(&k, key, STORE_KEY_LEN);
	buf_adds(&k, category);
	struct change c = { .key = buf_str(&k), .reason = reason };
	int r = store_submit(s, &s->records, op, &c, e);
	buf_free(&k);
	return r != 0 ? -1 : c.found;
}

int
store_suppression_remove(struct store *s, const uint8_t key[16], struct str category, struct err *e)
{
	return take_out(s, key, category, op_remove, SUPPRESS_MANUAL, e);
}

int
store_suppression_lift(struct store *s, const uint8_t key[16], struct str category,
		       enum suppression_reason reason, struct err *e)
{
	return take_out(s, key, category, op_lift, reason, e);
}

struct each_suppression {
	struct store *s;
	bool (*fn)(void *ctx, const uint8_t key[16], const struct suppression_record *r);
	void *ctx;
};

static bool
each_suppression(void *ctx, struct str key, struct str val, struct err *e)
{
	struct each_suppression *w = ctx;
	struct suppression_record r;
	if (key.n < STORE_KEY_LEN || suppression_decode(val, &r) != 0) {
		store_corrupt(w->s, e, "suppression");
		return false;
	}
	r.category = str_sub(key, STORE_KEY_LEN, key.n);
	return w->fn(w->ctx, (const uint8_t *)key.p, &r);
}

int
store_suppression_each(struct store *s,
		       bool (*fn)(void *ctx, const uint8_t key[16], const struct suppression_record *r),
		       void *ctx, struct err *e)
{
	struct each_suppression w = { s, fn, ctx };
	return table_each(s, &s->records, s->suppression, each_suppression, &w, e);
}
