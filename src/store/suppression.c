/*
 * suppression: key (recipient or domain), category, NUL, reason → reason, when, note. One who has
 * unsubscribed may bounce as well: each reason stands for itself, so that taking one back leaves the others.
 * Records of before had no NUL and no reason in their key, and thus one for each category: they are read, and
 * taken out, too.
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

struct str
suppression_category(struct str word)
{
	return str_sub(word, 0, str_find_char(word, '\0'));
}

static void
key_put(struct buf *k, const uint8_t key[16], struct str category)
{
	buf_add(k, key, STORE_KEY_LEN);
	buf_adds(k, category);
}

static void
reason_put(struct buf *k, enum suppression_reason reason)
{
	buf_addc(k, '\0');
	buf_addc(k, (char)reason);
}

struct change {
	const uint8_t *key;
	struct str category, record; /* record: put */
	enum suppression_reason reason;
	bool put, removed;
};

/*
 * The record of before, if it is of that reason. One that cannot be read gives way to one that is put: else
 * nobody's unsubscribe could be stored behind it (src/web/recorder.c).
 */
static enum op_result
old_remove(struct store_txn *t, struct change *c, struct str key, struct err *e)
{
	struct suppression_record r;
	struct str val;
	bool there;
	enum op_result res = txn_get(t, t->s->suppression, key, &val, &there);
	if (res != OP_OK || !there)
		return res;
	const bool readable = suppression_decode(val, &r) == 0;
	if (!readable && !c->put) {
		store_corrupt(t->s, e, "suppression");
		return OP_FAIL;
	}
	return !readable || r.reason == c->reason ? txn_del(t, t->s->suppression, key, &c->removed) : OP_OK;
}

static enum op_result
op_remove(struct store_txn *t, void *arg, struct err *e)
{
	struct change *c = arg;
	struct buf k = { 0 };
	bool there = false;
	c->removed = false;
	key_put(&k, c->key, c->category);
	enum op_result res = old_remove(t, c, buf_str(&k), e);
	reason_put(&k, c->reason);
	if (res == OP_OK)
		res = txn_del(t, t->s->suppression, buf_str(&k), &there);
	c->removed = c->removed || there;
	buf_free(&k);
	return res;
}

static enum op_result
op_put(struct store_txn *t, void *arg, struct err *e)
{
	struct change *c = arg;
	struct buf k = { 0 };
	key_put(&k, c->key, c->category);
	enum op_result res = old_remove(t, c, buf_str(&k), e);
	reason_put(&k, c->reason);
	if (res == OP_OK)
		res = txn_raise_schema(t);
	if (res == OP_OK)
		res = txn_put(t, t->s->suppression, buf_str(&k), c->record);
	buf_free(&k);
	return res;
}

int
store_suppression_put(struct store *s, const uint8_t key[16], const struct suppression_record *r,
		      struct err *e)
{
	struct buf record = { 0 };
	if (r->category.n > STORE_MAX_WORD || r->note.n > STORE_MAX_NOTE)
		return err_set(e, ERR_LIMIT, "suppression: a category has at most %d bytes, a note %d",
			       STORE_MAX_WORD, STORE_MAX_NOTE);
	if (suppression_category(r->category).n != r->category.n)
		return err_set(e, ERR_INPUT, "suppression: a category has no NUL");
	if (r->reason < SUPPRESS_MANUAL || r->reason > SUPPRESS_IMPORT || r->at_ms < 0 || r->until_ms < 0)
		return err_set(e, ERR_BUG, "suppression: no such reason or time");
	suppression_encode(r, &record);
	struct change c = { .key = key,
			    .category = r->category,
			    .record = buf_str(&record),
			    .reason = r->reason,
			    .put = true };
	int res = store_submit(s, &s->records, op_put, &c, e);
	buf_free(&record);
	return res;
}

int
store_suppression_remove(struct store *s, const uint8_t key[16], struct str category,
			 enum suppression_reason reason, struct err *e)
{
	struct change c = { .key = key, .category = category, .reason = reason };
	if (category.n > STORE_MAX_WORD || suppression_category(category).n != category.n)
		return 0;
	return store_submit(s, &s->records, op_remove, &c, e) != 0 ? -1 : c.removed;
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
	r.category = suppression_category(str_sub(key, STORE_KEY_LEN, key.n));
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
