/*
 * spool-steer: what an administrator does to jobs and campaigns.
 */
#include "store/spool-private.h"

struct steering {
	struct spool_part part;
	enum spool_verb verb;
	const struct spool_key *keys;
	int64_t now_ms, keep_ms;
};

/* ---- jobs ---- */

/*
 * Why a job is due that is tried at once. "retry" stays: it says that no attempt so far may have left it with
 * the MTA, which decides on its places in caps when it is refused for good.
 */
static struct str
retried(const struct spool_job *j)
{
	return str_eq(j->reason, STR("retry")) ? j->reason : STR("admin");
}

/* Whether the verb means a job in that state; *to is what it becomes. */
static bool
steer_to(const struct steering *st, struct spool_job *to)
{
	switch (st->verb) {
	case SPOOL_HOLD:
		if (to->state != SPOOL_QUEUED)
			return false;
		to->state = SPOOL_HELD;
		return true;
	case SPOOL_RELEASE:
		if (to->state != SPOOL_HELD)
			return false;
		to->state = SPOOL_QUEUED;
		return true;
	case SPOOL_RETURN:
		if (to->state != SPOOL_HELD)
			return false;
		to->state = SPOOL_QUEUED;
		to->reason = STR("now");
		return true;
	case SPOOL_RETRY:
		to->state = SPOOL_QUEUED;
		to->reason = retried(to);
		break;
	case SPOOL_DROP:
		to->state = SPOOL_DROPPED;
		to->reason = STR("admin");
		to->payload = STR("");
		break;
	}
	to->due_ms = st->now_ms;
	return true;
}

/* ---- bad jobs ---- */

static int
bad_del(struct store_txn *t, const struct spool_key *key)
{
	MDB_val k = { SPOOL_KEY_LEN, (void *)(uintptr_t)key };
	t->dirty = true;
	return mdb_del(t->txn, t->s->sp.bad, &k, NULL);
}

int
spool_bad_drop(struct tally *tl, const struct spool_key *key, bool *removed)
{
	MDB_val k = { SPOOL_KEY_LEN, (void *)(uintptr_t)key }, v;
	struct spool_bad_record b;
	int rc = mdb_get(tl->t->txn, tl->t->s->sp.bad, &k, &v);
	*removed = rc == 0;
	if (rc == 0 && spool_bad_decode(str_of_val(v), &b) == 0)
		rc = tally_refs(tl, b.content, -1);
	if (rc == 0)
		rc = bad_del(tl->t, key);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Its reference is its own already. */
static int
bad_retry(struct tally *tl, const struct steering *st, const struct spool_key *key, const struct str record,
	  bool *fitted)
{
	struct spool_job j;
	int64_t index_ms;
	uint64_t number;
	struct spool_place place = { 0 };
	*fitted = spool_job_decode(record, &j, &index_ms) == 0 && spool_live(j.state) &&
		  memcmp(&j.key, key, SPOOL_KEY_LEN) == 0;
	if (!*fitted)
		return 0;
	j.state = SPOOL_QUEUED;
	j.due_ms = st->now_ms;
	j.reason = retried(&j);
	buf_reset(&tl->job);
	spool_job_encode(&j, j.due_ms, &tl->job);
	int rc = tally_count(tl, j.campaign_id, j.campaign, j.state, 1);
	if (rc == 0)
		rc = bad_del(tl->t, key);
	if (rc == 0)
		rc = number_take(tl->t, tl->t->s->sp.job, STR("next"), 1, &number);
	if (rc == 0)
		rc = spool_job_put(tl->t, number, buf_str(&tl->job), true);
	if (rc == 0)
		rc = spool_key_put(tl->t, &place, key, number);
	return rc != 0 ? rc : spool_due_put(tl->t, number, &j, j.due_ms);
}

static int
steer_bad(struct tally *tl, const struct steering *st, const struct spool_key *key, bool *fitted)
{
	MDB_val k = { SPOOL_KEY_LEN, (void *)(uintptr_t)key }, v;
	struct spool_bad_record b;
	*fitted = false;
	if (st->verb == SPOOL_DROP)
		return spool_bad_drop(tl, key, fitted);
	if (st->verb != SPOOL_RETRY)
		return 0;
	int rc = mdb_get(tl->t->txn, tl->t->s->sp.bad, &k, &v);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	return spool_bad_decode(str_of_val(v), &b) == 0 ? bad_retry(tl, st, key, b.record, fitted) : 0;
}

static int
steer_one(struct tally *tl, const struct steering *st, const struct spool_key *key, bool *fitted)
{
	struct spool_found f;
	int rc = spool_find(tl->t->s, tl->t->txn, key, &f);
	*fitted = false;
	if (rc != 0)
		return rc;
	if (!f.found)
		return steer_bad(tl, st, key, fitted);
	if (f.damaged) {
		rc = spool_move_bad(tl, f.number, NULL, "damaged");
		return rc != 0 ? rc : steer_bad(tl, st, key, fitted);
	}
	struct spool_job to = f.job;
	*fitted = spool_live(to.state) && steer_to(st, &to);
	return *fitted ? spool_change(tl, &f, &to, st->keep_ms) : 0;
}

static enum op_result
op_steer(struct store_txn *t, void *arg, struct err *e)
{
	struct steering *st = arg;
	struct tally tl = { .t = t };
	bool fitted;
	int rc = 0;
	(void)e;
	st->part.done = 0;
	for (size_t i = st->part.from; i < st->part.from + st->part.n && rc == 0; i++) {
		rc = steer_one(&tl, st, &st->keys[i], &fitted);
		st->part.done += fitted;
	}
	return op_end(t, tally_end(&tl, rc));
}

int
spool_steer(struct store *s, enum spool_verb verb, const struct spool_key *keys, size_t n, int64_t now_ms,
	    int64_t keep_ms, struct err *e)
{
	struct steering st = {
		.verb = verb, .part.n = n, .keys = keys, .now_ms = now_ms, .keep_ms = keep_ms
	};
	if (n > SPOOL_MAX_BATCH)
		return err_set(e, ERR_BUG, "spool: %zu jobs in one call", n);
	if (now_ms < 0 || keep_ms < 0)
		return err_set(e, ERR_BUG, "spool: negative time");
	return spool_submit_parts(s, op_steer, &st.part, e) != 0 ? -1 : (int)st.part.total;
}

/* ---- campaigns ---- */

struct pausing {
	const uint8_t *id;
	struct str name;
	bool paused;
	int64_t now_ms;
	bool changed;
};

static enum op_result
op_pause(struct store_txn *t, void *arg, struct err *e)
{
	struct pausing *p = arg;
	struct spool_campaign_record rec = { 0 };
	MDB_val k = { 8, (void *)(uintptr_t)p->id }, v;
	struct buf b = { 0 };
	int64_t jobs = 0;
	(void)e;
	p->changed = false;
	int rc = mdb_get(t->txn, t->s->sp.campaign, &k, &v);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return op_end(t, rc);
	bool damaged = rc == 0 && spool_campaign_decode(str_of_val(v), &rec) != 0;
	if (damaged)
		rec = (struct spool_campaign_record){ 0 };
	if (rec.paused == p->paused && !damaged)
		return OP_OK;
	p->changed = true;
	rec.paused = p->paused;
	rec.paused_ms = p->now_ms;
	if (rec.name.n == 0)
		rec.name = p->name;
	for (int i = 0; i < SPOOL_STATES; i++)
		jobs += rec.count[i];
	t->dirty = true;
	spool_campaign_encode(&rec, &b);
	v = val_of(buf_str(&b));
	rc = jobs == 0 && !rec.paused && !damaged ? mdb_del(t->txn, t->s->sp.campaign, &k, NULL)
						  : mdb_put(t->txn, t->s->sp.campaign, &k, &v, 0);
	buf_free(&b);
	struct tally tl = { .t = t };
	if (rc == 0 && damaged)
		rc = tally_recount(&tl, p->id);
	return op_end(t, tally_end(&tl, rc));
}

int
spool_pause(struct store *s, const uint8_t campaign_id[8], struct str name, bool paused, int64_t now_ms,
	    struct err *e)
{
	struct pausing p = { campaign_id, name, paused, now_ms, false };
	if (name.n == 0 || name.n > SPOOL_MAX_NAME || now_ms < 0)
		return err_set(e, ERR_BUG, "spool: no such campaign or time");
	return store_submit(s, &s->spool, op_pause, &p, e) != 0 ? -1 : p.changed;
}

int
spool_paused(struct store *s, const uint8_t campaign_id[8], struct err *e)
{
	MDB_txn *txn;
	bool paused;
	if (!s->spool.env)
		return 0;
	if (read_begin(s, &s->spool, &txn, e) != 0)
		return -1;
	int rc = spool_campaign_paused(s, txn, campaign_id, &paused);
	read_end(s, &s->spool, txn);
	return rc == 0 ? paused : store_err(s, e, rc, "cannot read a campaign");
}
