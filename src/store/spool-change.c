/*
 * spool-change: a job goes from one state to another, is removed, or is moved to
 * `bad`. Whatever is read of the old record is read before the first write.
 */
#include "store/spool-private.h"

#include "base/clock.h"

static struct spool_due_key
due_key_of(uint64_t number, const struct spool_job *j, int64_t index_ms)
{
	struct spool_due_key k = { .class = spool_class_of(j->state), .at_ms = index_ms, .number = number };
	memcpy(k.campaign, j->campaign_id, sizeof k.campaign);
	return k;
}

int
spool_change(struct tally *tl, const struct spool_found *f, const struct spool_job *to, int64_t keep_ms)
{
	const struct spool_job *from = &f->job;
	int64_t index_ms = spool_live(to->state) ? to->due_ms : spool_time_add(to->due_ms, keep_ms);
	const struct spool_due_key old = due_key_of(f->number, from, f->index_ms);
	int rc = 0;
	buf_reset(&tl->job);
	spool_job_encode(to, index_ms, &tl->job);
	if (from->state != to->state) {
		rc = tally_count(tl, from->campaign_id, from->campaign, from->state, -1);
		if (rc == 0)
			rc = tally_count(tl, from->campaign_id, STR_NULL, to->state, 1);
	}
	if (rc == 0 && spool_live(from->state) && !spool_live(to->state))
		rc = tally_refs(tl, from->content, -1);
	if (rc == 0)
		rc = spool_due_del(tl->t, &old);
	if (rc == 0)
		rc = spool_job_put(tl->t, f->number, buf_str(&tl->job), false);
	return rc != 0 ? rc : spool_due_put(tl->t, f->number, to, index_ms);
}

static int
job_del(struct store_txn *t, uint64_t number)
{
	uint8_t b[SPOOL_NUMBER_LEN];
	MDB_val k = { sizeof b, b };
	be64_put(b, number);
	t->dirty = true;
	int rc = mdb_del(t->txn, t->s->sp.job, &k, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* What is known of the job that stands at due: from the index or, when that is damaged, from the record. */
static int
known_of(struct store_txn *t, const struct spool_due_key *due, struct str due_value,
	 struct spool_due_value *v, bool *known)
{
	struct spool_found f;
	int rc = 0;
	*known = spool_due_value_decode(due_value, v) == 0;
	if (*known)
		return 0;
	rc = spool_find_number(t->s, t->txn, due->number, &f);
	*known = rc == 0 && f.found && !f.damaged;
	if (*known) {
		v->state = f.job.state;
		v->key = f.job.key;
		memcpy(v->content, f.job.content, sizeof v->content);
	}
	return rc;
}

int
spool_remove(struct tally *tl, const struct spool_due_key *due, struct str due_value)
{
	struct spool_due_value v;
	bool known;
	int rc = known_of(tl->t, due, due_value, &v, &known);
	if (rc != 0)
		return rc;
	rc = known ? tally_count(tl, due->campaign, STR_NULL, v.state, -1) : tally_recount(tl, due->campaign);
	if (rc == 0 && known && spool_live(v.state))
		rc = tally_refs(tl, v.content, -1);
	if (rc == 0 && known)
		rc = spool_key_del(tl->t, &v.key, due->number);
	if (rc == 0)
		rc = job_del(tl->t, due->number);
	return rc != 0 ? rc : spool_due_del(tl->t, due);
}

/* ---- bad jobs ---- */

/* Looks through the whole index. MDB_NOTFOUND when the number does not stand in it. */
static int
due_search(struct store_txn *t, uint64_t number, struct spool_due_key *due)
{
	struct spool_walk w = { 0 };
	int rc;
	for (rc = spool_walk_from(&w, t->txn, t->s->sp.due, STR(""), STR("")); rc == 0;
	     rc = spool_walk_next(&w, STR("")))
		if (spool_due_key_decode(w.key, due) == 0 && due->number == number)
			break;
	spool_walk_end(&w);
	return rc;
}

/* The bad record goes to tl->job. */
static int
bad_encode(struct tally *tl, uint64_t number, const struct spool_due_value *v, const char *reason)
{
	uint8_t b[SPOOL_NUMBER_LEN];
	MDB_val k = { sizeof b, b }, raw = { 0, NULL };
	be64_put(b, number);
	int rc = mdb_get(tl->t->txn, tl->t->s->sp.job, &k, &raw);
	struct spool_bad_record bad = { .at_ms = clock_now_ms(),
					.reason = str_cut(str_of(reason), SPOOL_MAX_REASON),
					.record = str_of_val(raw) };
	memcpy(bad.content, v->content, sizeof bad.content);
	buf_reset(&tl->job);
	spool_bad_encode(&bad, &tl->job);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Of a job of which nothing can be read. */
static void
key_make_up(uint64_t number, struct spool_key *key)
{
	memset(key, 0, sizeof *key);
	memcpy(key->rk, "damaged", 7);
	be64_put(key->rk + 8, number);
}

static int
bad_write(struct tally *tl, const struct spool_due_key *due, const struct spool_key *key)
{
	struct store_txn *t = tl->t;
	MDB_val k = { SPOOL_KEY_LEN, (void *)(uintptr_t)key }, v = val_of(buf_str(&tl->job));
	t->dirty = true;
	int rc = mdb_put(t->txn, t->s->sp.bad, &k, &v, 0);
	if (rc == 0)
		rc = spool_key_del(t, key, due->number);
	if (rc == 0)
		rc = job_del(t, due->number);
	return rc != 0 ? rc : spool_due_del(t, due);
}

int
spool_move_bad(struct tally *tl, uint64_t number, const struct spool_due_key *at, const char *reason)
{
	struct spool_due_key due;
	struct spool_due_value v = { 0 };
	struct spool_found f;
	struct str value;
	bool known;
	int rc = spool_find_number(tl->t->s, tl->t->txn, number, &f);
	if (rc == 0 && at)
		due = *at;
	else if (rc == 0 && f.found && !f.damaged)
		due = due_key_of(number, &f.job, f.index_ms);
	else if (rc == 0)
		rc = due_search(tl->t, number, &due);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	rc = spool_due_get(tl->t->s, tl->t->txn, &due, &value);
	if (rc == 0 && !f.found)
		return spool_remove(tl, &due, value); /* nothing is left to be kept */
	if (rc == 0)
		rc = known_of(tl->t, &due, value, &v, &known);
	if (rc != 0)
		return rc;
	if (!known)
		key_make_up(number, &v.key);
	rc = bad_encode(tl, number, &v, reason);
	if (rc == 0)
		rc = known ? tally_count(tl, due.campaign, STR_NULL, v.state, -1)
			   : tally_recount(tl, due.campaign);
	return rc != 0 ? rc : bad_write(tl, &due, &v.key);
}
