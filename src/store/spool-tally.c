/*
 * spool-tally: the counts of campaigns and the references of messages. An
 * operation sums up what it changes and writes each record once.
 *
 * A record that is damaged, or a sum below zero, is not believed: what is true is
 * counted afresh from `due`, which holds every job once. That takes a walk, and
 * happens to broken disks only.
 */
#include "store/spool-private.h"

/* ---- campaigns ---- */

static int
recount_one(struct tally *tl, const struct spool_due_key *k, struct str val,
	    struct spool_campaign_record *out)
{
	static const enum spool_state guess[] = { [SPOOL_CLASS_QUEUED] = SPOOL_QUEUED,
						  [SPOOL_CLASS_HELD] = SPOOL_HELD,
						  [SPOOL_CLASS_ENDED] = SPOOL_FAILED };
	struct spool_due_value v;
	struct spool_found f;
	bool known = spool_due_value_decode(val, &v) == 0;
	if (!known || out->name.n == 0) {
		int rc = spool_find_number(tl->t->s, tl->t->txn, k->number, &f);
		if (rc != 0)
			return rc;
		bool readable = f.found && !f.damaged;
		if (readable && out->name.n == 0) {
			buf_adds(&tl->scratch, f.job.campaign);
			out->name = buf_str(&tl->scratch);
		}
		if (!known)
			v.state = readable ? f.job.state : guess[k->class];
	}
	out->count[v.state]++;
	return 0;
}

/* Counts what stands in `due`. */
static int
campaign_recount(struct tally *tl, const struct tally_campaign *c, struct spool_campaign_record *out)
{
	static const enum spool_class classes[] = { SPOOL_CLASS_ENDED, SPOOL_CLASS_HELD, SPOOL_CLASS_QUEUED };
	int rc = 0;
	memset(out->count, 0, sizeof out->count);
	buf_reset(&tl->scratch);
	for (int i = 0; i < 3; i++) {
		struct spool_walk w = { 0 };
		struct spool_due_key k;
		uint8_t prefix[9] = { (uint8_t)classes[i] };
		memcpy(prefix + 1, c->id, sizeof c->id);
		struct str p = str_of_key(prefix, sizeof prefix);
		for (rc = spool_walk_from(&w, tl->t->txn, tl->t->s->sp.due, p, p); rc == 0;
		     rc = spool_walk_next(&w, p))
			if (spool_due_key_decode(w.key, &k) == 0 &&
			    (rc = recount_one(tl, &k, w.val, out)) != 0)
				break;
		spool_walk_end(&w);
		if (rc != MDB_NOTFOUND)
			return rc;
	}
	return 0;
}

/* Adds the sums; false when that gives nonsense. */
static bool
campaign_add(const struct tally_campaign *c, struct spool_campaign_record *rec)
{
	bool sound = !c->recount;
	for (int i = 0; i < SPOOL_STATES; i++) {
		rec->count[i] += c->delta[i];
		sound = sound && rec->count[i] >= 0;
	}
	return sound;
}

static int
campaign_write(struct tally *tl, const struct tally_campaign *c)
{
	struct store_txn *t = tl->t;
	MDB_val k = { sizeof c->id, (void *)(uintptr_t)c->id }, v;
	struct spool_campaign_record rec = { 0 };
	int64_t jobs = 0;
	int rc = mdb_get(t->txn, t->s->sp.campaign, &k, &v);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	bool sound = rc != 0 || spool_campaign_decode(str_of_val(v), &rec) == 0;
	if (!sound)
		rec = (struct spool_campaign_record){ 0 };
	if (rec.name.n == 0)
		rec.name = (struct str){ c->name, c->nname };
	if (!campaign_add(c, &rec) || !sound) {
		rc = campaign_recount(tl, c, &rec);
		if (rc != 0)
			return rc;
	}
	for (int i = 0; i < SPOOL_STATES; i++)
		jobs += rec.count[i];
	t->dirty = true;
	if (jobs == 0 && !rec.paused) {
		rc = mdb_del(t->txn, t->s->sp.campaign, &k, NULL);
		return rc == MDB_NOTFOUND ? 0 : rc;
	}
	if (rec.name.n == 0)
		rec.name = STR("?");
	buf_reset(&tl->record);
	spool_campaign_encode(&rec, &tl->record);
	v = val_of(buf_str(&tl->record));
	return mdb_put(t->txn, t->s->sp.campaign, &k, &v, 0);
}

/* ---- references ---- */

/* Counts live jobs in `due`, and bad ones. */
static int
refs_recount(struct tally *tl, const uint8_t content[16], int64_t *n)
{
	struct store *s = tl->t->s;
	struct spool_walk due = { 0 }, bad = { 0 };
	struct spool_due_value v;
	struct spool_bad_record b;
	int rc;
	*n = 0;
	for (rc = spool_walk_from(&due, tl->t->txn, s->sp.due, STR("h"), STR("")); rc == 0;
	     rc = spool_walk_next(&due, STR("")))
		*n += spool_due_value_decode(due.val, &v) == 0 && spool_live(v.state) &&
		      memcmp(v.content, content, sizeof v.content) == 0;
	spool_walk_end(&due);
	if (rc != MDB_NOTFOUND)
		return rc;
	for (rc = spool_walk_from(&bad, tl->t->txn, s->sp.bad, STR(""), STR("")); rc == 0;
	     rc = spool_walk_next(&bad, STR("")))
		*n += spool_bad_decode(bad.val, &b) == 0 && memcmp(b.content, content, sizeof b.content) == 0;
	spool_walk_end(&bad);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
refs_write(struct tally *tl, const struct tally_refs *r)
{
	struct store_txn *t = tl->t;
	MDB_val k = { sizeof r->content, (void *)(uintptr_t)r->content }, v;
	uint8_t rec[COUNT_RECORD_LEN];
	int64_t n = 0;
	int rc = mdb_get(t->txn, t->s->sp.refs, &k, &v);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	bool sound = rc != 0 || count_decode(str_of_val(v), &n) == 0;
	n += r->delta;
	if (!sound || n < 0) {
		rc = refs_recount(tl, r->content, &n);
		if (rc != 0)
			return rc;
	}
	t->dirty = true;
	if (n > 0) {
		count_encode(n, rec);
		v = (MDB_val){ sizeof rec, rec };
		return mdb_put(t->txn, t->s->sp.refs, &k, &v, 0);
	}
	rc = mdb_del(t->txn, t->s->sp.refs, &k, NULL);
	if (rc == 0 || rc == MDB_NOTFOUND)
		rc = mdb_del(t->txn, t->s->sp.message, &k, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- summing up ---- */

static int
tally_flush(struct tally *tl)
{
	int rc = 0;
	for (size_t i = 0; i < tl->nc && rc == 0; i++)
		rc = campaign_write(tl, &tl->c[i]);
	for (size_t i = 0; i < tl->nr && rc == 0; i++)
		if (tl->r[i].delta != 0)
			rc = refs_write(tl, &tl->r[i]);
	tl->nc = tl->nr = 0;
	return rc;
}

static int
campaign_slot(struct tally *tl, const uint8_t id[8], struct tally_campaign **out)
{
	int rc = 0;
	for (size_t i = tl->nc; i-- > 0;)
		if (memcmp(tl->c[i].id, id, sizeof tl->c[i].id) == 0) {
			*out = &tl->c[i];
			return 0;
		}
	if (tl->nc == TALLY_CAMPAIGNS)
		rc = tally_flush(tl);
	*out = &tl->c[tl->nc++];
	**out = (struct tally_campaign){ 0 };
	memcpy((*out)->id, id, sizeof(*out)->id);
	return rc;
}

int
tally_count(struct tally *tl, const uint8_t campaign[8], struct str name, enum spool_state s, int delta)
{
	struct tally_campaign *c;
	char copy[SPOOL_MAX_NAME];
	size_t n = name.n <= sizeof copy ? name.n : 0;
	/* It may lie on a page that making room for this campaign changes. */
	if (n > 0)
		memcpy(copy, name.p, n);
	int rc = campaign_slot(tl, campaign, &c);
	c->delta[s] += delta;
	if (c->nname == 0 && n > 0) {
		memcpy(c->name, copy, n);
		c->nname = n;
	}
	return rc;
}

int
tally_recount(struct tally *tl, const uint8_t campaign[8])
{
	struct tally_campaign *c;
	int rc = campaign_slot(tl, campaign, &c);
	c->recount = true;
	return rc;
}

int
tally_refs(struct tally *tl, const uint8_t content[16], int delta)
{
	int rc = 0;
	for (size_t i = tl->nr; i-- > 0;)
		if (memcmp(tl->r[i].content, content, sizeof tl->r[i].content) == 0) {
			tl->r[i].delta += delta;
			return 0;
		}
	if (tl->nr == TALLY_REFS)
		rc = tally_flush(tl);
	struct tally_refs *r = &tl->r[tl->nr++];
	memcpy(r->content, content, sizeof r->content);
	r->delta = delta;
	return rc;
}

int
tally_end(struct tally *tl, int rc)
{
	if (rc == 0)
		rc = tally_flush(tl);
	buf_free(&tl->scratch);
	buf_free(&tl->record);
	buf_free(&tl->job);
	return rc;
}
