/*
 * view: all that a message needs to know of its recipients: one read
 * transaction of each environment. What caps say is a hint; store_reserve decides.
 */
#include "store/store-private.h"

static int
view_profile(struct store *s, MDB_txn *txn, const uint8_t *rk, struct arena *a, struct store_view *out,
	     struct err *e)
{
	MDB_val k = { STORE_KEY_LEN, (void *)(uintptr_t)rk }, v;
	struct str sealed;
	int rc = mdb_get(txn, s->profile, &k, &v);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc != 0)
		return store_err(s, e, rc, "cannot read a profile");
	if (profile_decode(str_of_val(v), &sealed) != 0)
		return store_corrupt(s, e, "profile");
	out->known = true;
	out->profile = arena_str(a, sealed);
	return 0;
}

/* Calls fn for every record under key in a table; returns how many, or -1. */
static int
under_key(struct store *s, MDB_txn *txn, MDB_dbi dbi, const uint8_t *key16,
	  bool (*fn)(struct arena *a, struct str word, struct str val, void *list), struct arena *a,
	  void *list, const char *table, struct err *e)
{
	MDB_cursor *c = NULL;
	struct str prefix = str_of_key(key16, STORE_KEY_LEN), key, val;
	int r, n = 0;
	int rc = mdb_cursor_open(txn, dbi, &c);
	if (rc != 0)
		return store_err(s, e, rc, "cannot read");
	for (r = cursor_seek(s, c, prefix, &key, &val, e); r == 1;
	     r = cursor_next(s, c, prefix, &key, &val, e)) {
		if (!fn(a, str_sub(key, STORE_KEY_LEN, key.n), val, list)) {
			r = store_corrupt(s, e, table);
			break;
		}
		n++;
	}
	mdb_cursor_close(c);
	return r < 0 ? -1 : n;
}

/* Records of unknown number: linked while reading, an array when their number is known. */
struct consent_node {
	struct consent_record r;
	struct consent_node *next;
};

struct suppression_node {
	struct suppression_record r;
	struct suppression_node *next;
};

static bool
add_consent(struct arena *a, struct str topic, struct str val, void *list)
{
	struct consent_node ***tail = list, *n = ARENA_NEW(a, struct consent_node);
	if (consent_decode(val, &n->r) != 0)
		return false;
	n->r.topic = arena_str(a, topic);
	n->r.source = arena_str(a, n->r.source);
	**tail = n;
	*tail = &n->next;
	return true;
}

static bool
add_suppression(struct arena *a, struct str word, struct str val, void *list)
{
	struct suppression_node ***tail = list, *n = ARENA_NEW(a, struct suppression_node);
	if (suppression_decode(val, &n->r) != 0)
		return false;
	n->r.category = arena_str(a, suppression_category(word));
	n->r.note = arena_str(a, n->r.note);
	**tail = n;
	*tail = &n->next;
	return true;
}

static int
view_consents(struct store *s, MDB_txn *txn, const uint8_t *rk, struct arena *a, struct store_view *out,
	      struct err *e)
{
	struct consent_node *list = NULL, **tail = &list;
	int n = under_key(s, txn, s->consent, rk, add_consent, a, &tail, "consent", e);
	if (n < 0)
		return -1;
	out->consents = ARENA_ARRAY(a, struct consent_record, (size_t)n);
	for (struct consent_node *l = list; l; l = l->next)
		out->consents[out->nconsents++] = l->r;
	return 0;
}

static int
view_suppressions(struct store *s, MDB_txn *txn, const uint8_t *rk, const uint8_t *dk, struct arena *a,
		  struct store_view *out, struct err *e)
{
	struct suppression_node *list = NULL, **tail = &list;
	int own = under_key(s, txn, s->suppression, rk, add_suppression, a, &tail, "suppression", e);
	int domain = own < 0 || !dk
			 ? 0
			 : under_key(s, txn, s->suppression, dk, add_suppression, a, &tail, "suppression", e);
	if (own < 0 || domain < 0)
		return -1;
	out->suppressions = ARENA_ARRAY(a, struct suppression_record, (size_t)(own + domain));
	out->nsuppressions_own = (size_t)own;
	for (struct suppression_node *l = list; l; l = l->next)
		out->suppressions[out->nsuppressions++] = l->r;
	return 0;
}

static int
view_caps(struct store *s, MDB_txn *txn, const struct store_view_request *rq, struct arena *a,
	  struct store_view *out, struct err *e)
{
	out->cap_used = ARENA_ARRAY(a, int64_t, rq->ncaps);
	out->cap_oldest_ms = ARENA_ARRAY(a, int64_t, rq->ncaps);
	for (size_t i = 0; i < rq->ncaps; i++) {
		struct cap_fill f;
		if (cap_look(s, txn, &rq->caps[i], rq->now_ms, 0, &f, e) != 0)
			return -1;
		out->cap_used[i] = f.stored - f.expired;
		out->cap_oldest_ms[i] = f.oldest_ms;
	}
	return 0;
}

static int
view_reserved(struct store *s, MDB_txn *txn, const struct store_view_request *rq, struct arena *a,
	      struct store_view *out, struct err *e)
{
	uint8_t key[STORE_LEDGER_DECISION_KEY];
	struct decision_record d;
	if (!rq->idem)
		return 0;
	decision_key(key, rq->rk, rq->idem);
	MDB_val k = { sizeof key, key }, v;
	int rc = mdb_get(txn, s->ledger, &k, &v);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc != 0)
		return store_err(s, e, rc, "cannot read a decision");
	if (decision_decode(str_of_val(v), &d) != 0)
		return store_corrupt(s, e, "ledger");
	out->reserved = d.expires_ms > rq->now_ms;
	if (out->reserved)
		out->decision = arena_str(a, d.decision);
	return 0;
}

/* ---- one file after the other ---- */

struct viewing {
	struct store *s;
	const struct store_view_request *rq;
	size_t n;
	struct arena *a;
	struct store_view *out;
	struct err *e; /* of each; kind is set: it is given up */
};

static void
view_failed(struct viewing *v, const struct err *why)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->e[i].kind == ERR_NONE)
			v->e[i] = *why;
}

static void
view_records(struct viewing *v)
{
	MDB_txn *txn;
	struct err why = { 0 };
	if (read_begin(v->s, &v->s->records, &txn, &why) != 0) {
		view_failed(v, &why);
		return;
	}
	for (size_t i = 0; i < v->n; i++) {
		const struct store_view_request *rq = &v->rq[i];
		struct store_view *out = &v->out[i];
		if (view_profile(v->s, txn, rq->rk, v->a, out, &v->e[i]) == 0 &&
		    view_consents(v->s, txn, rq->rk, v->a, out, &v->e[i]) == 0)
			view_suppressions(v->s, txn, rq->rk, rq->dk, v->a, out, &v->e[i]);
	}
	read_end(v->s, &v->s->records, txn);
}

static void
view_books(struct viewing *v)
{
	MDB_txn *txn = NULL;
	struct err why = { 0 };
	for (size_t i = 0; i < v->n; i++) {
		const struct store_view_request *rq = &v->rq[i];
		if (v->e[i].kind != ERR_NONE || (rq->ncaps == 0 && !rq->idem))
			continue;
		if (!txn && read_begin(v->s, &v->s->books, &txn, &why) != 0) {
			view_failed(v, &why);
			return;
		}
		if (view_caps(v->s, txn, rq, v->a, &v->out[i], &v->e[i]) == 0)
			view_reserved(v->s, txn, rq, v->a, &v->out[i], &v->e[i]);
	}
	if (txn)
		read_end(v->s, &v->s->books, txn);
}

int
store_view_many(struct store *s, const struct store_view_request *rq, size_t n, struct arena *a,
		struct store_view *out, struct err *e)
{
	struct viewing v = { s, rq, n, a, out, e };
	int rc = 0;
	for (size_t i = 0; i < n; i++) {
		out[i] = (struct store_view){ 0 };
		e[i].kind = ERR_NONE;
	}
	view_records(&v);
	view_books(&v);
	for (size_t i = 0; i < n; i++)
		if (e[i].kind != ERR_NONE)
			rc = -1;
	return rc;
}

int
store_view(struct store *s, const struct store_view_request *rq, struct arena *a, struct store_view *out,
	   struct err *e)
{
	struct err own;
	*out = (struct store_view){ 0 };
	return store_view_many(s, rq, 1, a, out, e ? e : &own);
}
