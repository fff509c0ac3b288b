/*
 * spool-look: what is in the spool. Whoever looks is called while no transaction
 * is open: what he does with it may take its time.
 */
#include "store/spool-private.h"

#include <stdlib.h>

int
spool_get(struct store *s, const struct spool_key *key, struct arena *a, struct spool_job *out, struct err *e)
{
	MDB_txn *txn;
	struct spool_found f;
	if (!s->spool.env)
		return 0;
	if (read_begin(s, &s->spool, &txn, e) != 0)
		return -1;
	int rc = spool_find(s, txn, key, &f);
	if (rc == 0 && f.found && !f.damaged)
		spool_job_copy(a, &f.job, out);
	read_end(s, &s->spool, txn);
	if (rc != 0)
		return store_err(s, e, rc, "cannot read a job");
	if (f.damaged)
		return store_corrupt(s, e, "job");
	return f.found;
}

int
spool_bad_known(struct store *s, MDB_txn *txn, const struct spool_key *key, bool *known)
{
	MDB_val k = { SPOOL_KEY_LEN, (void *)(uintptr_t)key }, v;
	int rc = mdb_get(txn, s->sp.bad, &k, &v);
	*known = rc == 0;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int
spool_known(struct store *s, const struct spool_key *key, struct err *e)
{
	MDB_txn *txn;
	struct spool_found f;
	if (!s->spool.env)
		return 0;
	if (read_begin(s, &s->spool, &txn, e) != 0)
		return -1;
	int rc = spool_find(s, txn, key, &f);
	bool known = rc == 0 && f.found;
	if (rc == 0 && !known)
		rc = spool_bad_known(s, txn, key, &known);
	read_end(s, &s->spool, txn);
	return rc == 0 ? known : store_err(s, e, rc, "cannot look for a job");
}

/* ---- campaigns ---- */

struct campaign_list {
	struct spool_campaign c;
	struct campaign_list *next;
};

static int
campaign_oldest(struct store *s, MDB_txn *txn, struct spool_walk *w, struct spool_campaign *c)
{
	struct spool_due_key k;
	struct spool_found f;
	int rc = spool_campaign_seek(s, txn, w, SPOOL_CLASS_QUEUED, c->id, &k);
	if (rc != 0 || memcmp(k.campaign, c->id, sizeof c->id) != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	c->oldest_due_ms = k.at_ms;
	rc = spool_find_number(s, txn, k.number, &f);
	if (rc == 0 && f.found && !f.damaged)
		c->oldest_accepted_ms = f.job.accepted_ms;
	return rc;
}

static void
campaign_fill(struct arena *a, struct str key, struct str val, struct spool_campaign *c)
{
	struct spool_campaign_record rec;
	memcpy(c->id, key.p, key.n < sizeof c->id ? key.n : sizeof c->id);
	c->name = STR("?"); /* damaged: the next change of a job of it puts it right */
	if (spool_campaign_decode(val, &rec) != 0)
		return;
	c->name = arena_str(a, rec.name);
	c->paused = rec.paused;
	c->paused_ms = rec.paused ? rec.paused_ms : 0;
	memcpy(c->count, rec.count, sizeof c->count);
}

static int
campaigns_read(struct store *s, MDB_txn *txn, struct arena *a, struct campaign_list **tail)
{
	struct spool_walk w = { 0 }, due = { 0 };
	int rc = spool_walk_from(&w, txn, s->sp.campaign, STR(""), STR(""));
	while (rc == 0) {
		struct campaign_list *l = ARENA_NEW(a, struct campaign_list);
		campaign_fill(a, w.key, w.val, &l->c);
		*tail = l;
		tail = &l->next;
		rc = campaign_oldest(s, txn, &due, &l->c);
		if (rc == 0)
			rc = spool_walk_next(&w, STR(""));
	}
	spool_walk_end(&w);
	spool_walk_end(&due);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int
spool_campaigns(struct store *s, bool (*fn)(void *ctx, const struct spool_campaign *c), void *ctx,
		struct err *e)
{
	MDB_txn *txn;
	struct campaign_list *list = NULL;
	if (!s->spool.env)
		return 0;
	if (read_begin(s, &s->spool, &txn, e) != 0)
		return -1;
	struct arena *a = arena_new(4096);
	int rc = campaigns_read(s, txn, a, &list);
	read_end(s, &s->spool, txn);
	for (struct campaign_list *l = list; rc == 0 && l; l = l->next)
		if (!fn(ctx, &l->c))
			break;
	arena_free(&a);
	return rc == 0 ? 0 : store_err(s, e, rc, "cannot read campaigns");
}

/* ---- rate ---- */

static int
sent_count(struct store *s, MDB_txn *txn, int64_t from_ms, int64_t to_ms, int64_t max, int64_t *n)
{
	struct spool_walk w = { 0 };
	struct spool_due_key k;
	struct spool_due_value v;
	uint8_t id[8] = { 0 }, from[17] = { SPOOL_CLASS_ENDED };
	int64_t looked = 0;
	int rc;
	do {
		rc = spool_campaign_seek(s, txn, &w, SPOOL_CLASS_ENDED, id, &k);
		if (rc != 0)
			break;
		memcpy(id, k.campaign, sizeof id);
		memcpy(from + 1, id, sizeof id);
		be64_put(from + 9, (uint64_t)from_ms);
		const struct str prefix = str_of_key(from, 9);
		for (rc = spool_walk_from(&w, txn, s->sp.due, str_of_key(from, sizeof from), prefix);
		     rc == 0 && looked < max; rc = spool_walk_next(&w, prefix), looked++) {
			if (spool_due_key_decode(w.key, &k) == 0 && k.at_ms > to_ms)
				break;
			*n += spool_due_value_decode(w.val, &v) == 0 && v.state == SPOOL_SENT;
		}
		rc = rc == MDB_NOTFOUND ? 0 : rc;
	} while (rc == 0 && looked < max && spool_campaign_after(id));
	spool_walk_end(&w);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int64_t
spool_sent_since(struct store *s, int64_t since_ms, int64_t until_ms, int64_t keep_ms, int64_t max,
		 struct err *e)
{
	MDB_txn *txn;
	int64_t n = 0;
	if (!s->spool.env)
		return 0;
	if (read_begin(s, &s->spool, &txn, e) != 0)
		return -1;
	int64_t from_ms = spool_time_add(since_ms > 0 ? since_ms : 0, keep_ms);
	/* What ended long ago, when it was kept for longer, is forgotten later than what ends now. */
	int rc = sent_count(s, txn, from_ms, spool_time_add(until_ms, keep_ms), max, &n);
	read_end(s, &s->spool, txn);
	return rc == 0 ? n : store_err(s, e, rc, "cannot read ended jobs");
}

int64_t
spool_due_count(struct store *s, const uint8_t campaign_id[8], int64_t now_ms, int64_t max, struct err *e)
{
	MDB_txn *txn;
	struct spool_walk w = { 0 };
	struct spool_due_key k;
	uint8_t prefix[9] = { SPOOL_CLASS_QUEUED };
	int64_t n = 0;
	if (!s->spool.env)
		return 0;
	if (read_begin(s, &s->spool, &txn, e) != 0)
		return -1;
	memcpy(prefix + 1, campaign_id, 8);
	const struct str p = str_of_key(prefix, sizeof prefix);
	int rc = spool_walk_from(&w, txn, s->sp.due, p, p);
	for (; rc == 0 && n < max; rc = spool_walk_next(&w, p)) {
		if (spool_due_key_decode(w.key, &k) == 0 && k.at_ms > now_ms)
			break;
		n++;
	}
	spool_walk_end(&w);
	read_end(s, &s->spool, txn);
	return rc == 0 || rc == MDB_NOTFOUND ? n : store_err(s, e, rc, "cannot count due jobs");
}

/* ---- jobs ---- */

/* Where a walk over one class of jobs goes on, and what it found in this stretch. */
struct looking {
	const struct spool_filter *f;
	struct str prefix;
	uint8_t at[SPOOL_DUE_KEY_LEN]; /* the last entry seen */
	size_t nat;		       /* 0: none yet */
	struct arena *a;
	struct spool_job found[SPOOL_STRETCH_FOUND];
	size_t nfound;
};

bool
spool_filter_fits(const struct spool_filter *f, const struct spool_due_value *v)
{
	char id[26];
	if (f->state >= 0 && f->state != (int)v->state)
		return false;
	if (f->rk && memcmp(f->rk, v->key.rk, sizeof v->key.rk) != 0)
		return false;
	if (f->id.n == 0)
		return true;
	spool_id(&v->key, id);
	return str_casestarts(str_of(id), f->id);
}

static int
look_one(struct store *s, MDB_txn *txn, struct looking *l, struct str key, struct str val)
{
	struct spool_due_key k;
	struct spool_due_value v;
	struct spool_found f;
	if (spool_due_key_decode(key, &k) != 0 || spool_due_value_decode(val, &v) != 0 ||
	    !spool_filter_fits(l->f, &v))
		return 0;
	int rc = spool_find_number(s, txn, k.number, &f);
	/* Damaged ones come to `bad` when it is their turn. */
	if (rc == 0 && f.found && !f.damaged)
		spool_job_copy(l->a, &f.job, &l->found[l->nfound++]);
	return rc;
}

/* MDB_NOTFOUND at the end. */
static int
look_stretch(struct store *s, MDB_txn *txn, struct looking *l)
{
	struct spool_walk w = { 0 };
	struct str at = str_of_key(l->at, l->nat);
	int rc = spool_walk_from(&w, txn, s->sp.due, at.n > 0 ? at : l->prefix, l->prefix);
	if (rc == 0 && at.n > 0 && str_eq(w.key, at))
		rc = spool_walk_next(&w, l->prefix);
	for (int i = 0; rc == 0 && i < SPOOL_STRETCH_LOOK && l->nfound < SPOOL_STRETCH_FOUND; i++) {
		rc = look_one(s, txn, l, w.key, w.val);
		if (w.key.n <= sizeof l->at) {
			l->nat = w.key.n;
			memcpy(l->at, w.key.p, l->nat);
		}
		if (rc == 0)
			rc = spool_walk_next(&w, l->prefix);
	}
	spool_walk_end(&w);
	return rc;
}

/* All that begins with the prefix. 1: go on; 0: stopped; -1. */
static int
look_all(struct store *s, struct looking *l, bool (*fn)(void *ctx, const struct spool_job *j), void *ctx,
	 struct err *e)
{
	MDB_txn *txn;
	int rc = 0;
	l->nat = 0;
	while (rc == 0) {
		arena_reset(l->a);
		l->nfound = 0;
		if (read_begin(s, &s->spool, &txn, e) != 0)
			return -1;
		rc = look_stretch(s, txn, l);
		read_end(s, &s->spool, txn);
		if (rc != 0 && rc != MDB_NOTFOUND)
			return store_err(s, e, rc, "cannot read jobs");
		for (size_t i = 0; i < l->nfound; i++)
			if (!fn(ctx, &l->found[i]))
				return 0;
	}
	return 1;
}

int
spool_each(struct store *s, const struct spool_filter *f, bool (*fn)(void *ctx, const struct spool_job *j),
	   void *ctx, struct err *e)
{
	static const enum spool_class classes[] = { SPOOL_CLASS_QUEUED, SPOOL_CLASS_HELD, SPOOL_CLASS_ENDED };
	struct looking *l;
	uint8_t prefix[9];
	int r = 1;
	if (!s->spool.env)
		return 0;
	if (f->id.n > 0)
		return spool_each_id(s, f, fn, ctx, e);
	struct arena *own = arena_new(4096);
	l = ARENA_NEW(own, struct looking);
	*l = (struct looking){ .f = f, .a = arena_new(65536) };
	for (int i = 0; i < 3 && r == 1; i++) {
		if (f->state >= 0 && spool_class_of((enum spool_state)f->state) != classes[i])
			continue;
		prefix[0] = (uint8_t)classes[i];
		if (f->campaign_id)
			memcpy(prefix + 1, f->campaign_id, 8);
		l->prefix = str_of_key(prefix, f->campaign_id ? 9 : 1);
		r = look_all(s, l, fn, ctx, e);
	}
	arena_free(&l->a);
	arena_free(&own);
	return r < 0 ? -1 : 0;
}

/* ---- bad jobs ---- */

int64_t
spool_bad_count(struct store *s, struct err *e)
{
	MDB_txn *txn;
	MDB_stat st;
	if (!s->spool.env)
		return 0;
	if (read_begin(s, &s->spool, &txn, e) != 0)
		return -1;
	int rc = mdb_stat(txn, s->sp.bad, &st);
	read_end(s, &s->spool, txn);
	return rc == 0 ? (int64_t)st.ms_entries : store_err(s, e, rc, "cannot count bad jobs");
}

struct bad_list {
	struct spool_key key;
	struct str reason;
	int64_t at_ms;
};

/* Up to SPOOL_STRETCH_FOUND entries behind *after (when begun); returns how many, or -1. */
static int
bad_stretch(struct store *s, const struct spool_key *after, bool begun, struct arena *a, struct bad_list *out,
	    struct err *e)
{
	MDB_txn *txn;
	struct spool_walk w = { 0 };
	struct spool_bad_record b;
	struct str at = str_of_key((const uint8_t *)after, SPOOL_KEY_LEN);
	int n = 0;
	if (read_begin(s, &s->spool, &txn, e) != 0)
		return -1;
	int rc = spool_walk_from(&w, txn, s->sp.bad, begun ? at : STR(""), STR(""));
	if (rc == 0 && begun && str_eq(w.key, at))
		rc = spool_walk_next(&w, STR(""));
	for (; rc == 0 && n < SPOOL_STRETCH_FOUND; rc = spool_walk_next(&w, STR(""))) {
		if (w.key.n != SPOOL_KEY_LEN)
			continue;
		memcpy(&out[n].key, w.key.p, SPOOL_KEY_LEN);
		bool sound = spool_bad_decode(w.val, &b) == 0;
		out[n].reason = sound ? arena_str(a, b.reason) : STR("damaged");
		out[n++].at_ms = sound ? b.at_ms : 0;
	}
	spool_walk_end(&w);
	read_end(s, &s->spool, txn);
	return rc == 0 || rc == MDB_NOTFOUND ? n : store_err(s, e, rc, "cannot read bad jobs");
}

int
spool_bad_each(struct store *s,
	       bool (*fn)(void *ctx, const struct spool_key *key, struct str reason, int64_t at_ms),
	       void *ctx, struct err *e)
{
	struct spool_key last;
	int n = 0;
	bool begun = false, going = true;
	if (!s->spool.env)
		return 0;
	struct arena *a = arena_new(32768);
	do {
		arena_reset(a);
		struct bad_list *list = ARENA_ARRAY(a, struct bad_list, SPOOL_STRETCH_FOUND);
		n = bad_stretch(s, &last, begun, a, list, e);
		for (int i = 0; i < n && going; i++)
			going = fn(ctx, &list[i].key, list[i].reason, list[i].at_ms);
		if (n > 0)
			last = list[n - 1].key;
		begun = true;
	} while (going && n == SPOOL_STRETCH_FOUND);
	arena_free(&a);
	return n < 0 ? -1 : 0;
}
