/*
 * spool-add: a message and its jobs come in, in one commit.
 */
#include "store/spool-private.h"

#include <stdlib.h>

/* So much of message and payloads counts as one ordinary request. */
#define WEIGHT_BYTES ((size_t)64 << 10)

/* What a job takes besides its payload: its record, its place in `due`, its key. */
#define JOB_BYTES 400

struct adding {
	const struct spool_add *rq;
	size_t *order;		       /* of the jobs, by key */
	const struct spool_key **keys; /* in that order */
	bool *known;		       /* in that order: as jobs */
	bool *scratch;
	int64_t bytes; /* that it writes */
};

static int
job_add(struct tally *tl, const struct spool_add *rq, struct spool_place *place,
	const struct spool_job *given, uint64_t number)
{
	struct spool_job j = *given;
	bool live = spool_live(j.state);
	int64_t index_ms = live ? j.due_ms : spool_time_add(j.due_ms, rq->keep_ms);
	memcpy(j.content, rq->content, sizeof j.content);
	j.note = str_cut(j.note, SPOOL_MAX_NOTE);
	if (!live)
		j.payload = STR("");
	buf_reset(&tl->job);
	spool_job_encode(&j, index_ms, &tl->job);
	int rc = tally_count(tl, j.campaign_id, j.campaign, j.state, 1);
	if (rc == 0 && live)
		rc = tally_refs(tl, j.content, 1);
	if (rc == 0)
		rc = spool_job_put(tl->t, number, buf_str(&tl->job), true);
	if (rc == 0)
		rc = spool_key_put(tl->t, place, &j.key, number);
	return rc != 0 ? rc : spool_due_put(tl->t, number, &j, index_ms);
}

/* Also when it should be there and is not. */
static int
message_add(struct store_txn *t, const struct spool_add *rq)
{
	MDB_val k = { sizeof((struct spool_job *)0)->content, (void *)(uintptr_t)rq->content }, v;
	int rc = mdb_get(t->txn, t->s->sp.message, &k, &v);
	if (rc != MDB_NOTFOUND)
		return rc;
	v = val_of(rq->message);
	t->dirty = true;
	return mdb_put(t->txn, t->s->sp.message, &k, &v, 0);
}

/* Message by message: which keys are there as jobs. One sieve at most is made by one call. */
static int
jobs_find(struct store_txn *t, const struct adding *a, struct spool_mend *mend)
{
	struct spool_mend m;
	int rc = 0;
	*mend = (struct spool_mend){ 0 };
	for (size_t i = 0, end; i < a->rq->njobs && rc == 0; i = end) {
		for (end = i + 1; end < a->rq->njobs; end++)
			if (memcmp(a->keys[end]->message, a->keys[i]->message, 16) != 0)
				break;
		rc = spool_keys_known(t->s, t->txn, a->keys + i, a->known + i, a->scratch + i, end - i, &m);
		if (m.wanted)
			*mend = m;
	}
	return rc;
}

/* Which jobs are new; *n: how many. */
static int
new_find(struct store_txn *t, const struct adding *a, size_t *n, bool *live, struct spool_mend *mend)
{
	int rc = jobs_find(t, a, mend);
	*n = 0;
	*live = false;
	for (size_t i = 0; i < a->rq->njobs && rc == 0; i++) {
		const struct spool_job *j = &a->rq->jobs[a->order[i]];
		bool known = a->known[i] || (i > 0 && memcmp(a->keys[i - 1], a->keys[i], SPOOL_KEY_LEN) == 0);
		if (!known)
			rc = spool_bad_known(t->s, t->txn, &j->key, &known);
		a->rq->added[a->order[i]] = !known;
		*n += !known;
		*live = *live || (!known && spool_live(j->state));
	}
	return rc;
}

static int
added_write(struct tally *tl, const struct spool_add *rq, struct spool_place *place, size_t i,
	    uint64_t number)
{
	int rc = job_add(tl, rq, place, &rq->jobs[i], number);
	if (rc == 0 && rq->events && rq->events[i] && outbox_put(tl->t, rq->events[i]) != OP_OK)
		rc = tl->t->rc;
	return rc;
}

static enum op_result
op_add(struct store_txn *t, void *arg, struct err *e)
{
	const struct adding *a = arg;
	const struct spool_add *rq = a->rq;
	struct tally tl = { .t = t };
	uint64_t number;
	size_t n;
	bool live;
	struct spool_place place = { 0 };
	struct spool_mend mend;
	int rc = new_find(t, a, &n, &live, &mend);
	if (rc != 0 || n == 0)
		return op_end(t, rc);
	const int64_t bytes = a->bytes + (mend.wanted ? SPOOL_SIEVE_MAX : 0);
	if (room_take(t, bytes, (int64_t)n, rq->owed ? ROOM_OWED : ROOM_NEW, e) != OP_OK)
		return OP_FAIL;
	rc = number_take(t, t->s->sp.job, STR("next"), n, &number);
	for (size_t i = 0; i < rq->njobs && rc == 0; i++)
		if (rq->added[a->order[i]])
			rc = added_write(&tl, rq, &place, a->order[i], number++);
	if (rc == 0 && live)
		rc = message_add(t, rq);
	if (rc == 0 && mend.wanted)
		rc = spool_sieve_mend(t, &mend);
	return op_end(t, tally_end(&tl, rc));
}

static int
job_check(const struct spool_job *j, struct err *e)
{
	if (j->payload.n > SPOOL_MAX_PAYLOAD)
		return err_set(e, ERR_LIMIT, "spool: %zu bytes for one recipient, more than the %zu allowed",
			       j->payload.n, SPOOL_MAX_PAYLOAD);
	if (j->campaign.n == 0 || j->campaign.n > SPOOL_MAX_NAME || j->reason.n > SPOOL_MAX_REASON)
		return err_set(e, ERR_BUG, "spool: campaign and reason have at most %d and %d bytes",
			       SPOOL_MAX_NAME, SPOOL_MAX_REASON);
	if (j->state < SPOOL_QUEUED || j->state > SPOOL_FAILED || j->accepted_ms < 0 || j->first_due_ms < 0 ||
	    j->due_ms < 0)
		return err_set(e, ERR_BUG, "spool: no such state or time");
	return 0;
}

static int
by_key(const void *pa, const void *pb, void *jobs)
{
	const struct spool_job *j = jobs;
	size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
	int c = memcmp(&j[a].key, &j[b].key, SPOOL_KEY_LEN);
	return c != 0 ? c : a < b ? -1 : a > b; /* twice in one call: the first is added */
}

static void
order_free(struct adding *a)
{
	free(a->order);
	free(a->keys);
	free(a->known);
	free(a->scratch);
}

/* So that neighbours in the index of keys are looked for and written one after the other. */
static int
order_make(struct adding *a, struct err *e)
{
	const size_t n = a->rq->njobs;
	a->order = malloc(n * sizeof *a->order);
	a->keys = malloc(n * sizeof *a->keys);
	a->known = malloc(n * sizeof *a->known);
	a->scratch = malloc(n * sizeof *a->scratch);
	if (!a->order || !a->keys || !a->known || !a->scratch) {
		order_free(a);
		return err_set(e, ERR_TEMP, "spool: out of memory");
	}
	for (size_t i = 0; i < n; i++)
		a->order[i] = i;
	qsort_r(a->order, n, sizeof *a->order, by_key, a->rq->jobs);
	for (size_t i = 0; i < n; i++)
		a->keys[i] = &a->rq->jobs[a->order[i]].key;
	return 0;
}

int
spool_add(struct store *s, const struct spool_add *rq, struct err *e)
{
	struct adding a = { .rq = rq };
	size_t bytes = rq->message.n;
	if (rq->njobs > SPOOL_MAX_BATCH)
		return err_set(e, ERR_LIMIT,
			       "spool: %zu recipients, more than the %d that one message may have", rq->njobs,
			       SPOOL_MAX_BATCH);
	if (rq->keep_ms < 0)
		return err_set(e, ERR_BUG, "spool: negative time");
	for (size_t i = 0; i < rq->njobs; i++) {
		if (job_check(&rq->jobs[i], e) != 0)
			return -1;
		if (rq->events && rq->events[i] && event_valid(rq->events[i], e) != 0)
			return -1;
		bytes += rq->jobs[i].payload.n +
			 (size_t)(rq->events && rq->events[i] ? outbox_bytes(rq->events[i]) : 0);
	}
	if (rq->njobs == 0)
		return 0;
	a.bytes = (int64_t)(bytes + rq->njobs * JOB_BYTES);
	if (order_make(&a, e) != 0)
		return -1;
	size_t weight = 1 + rq->njobs / SPOOL_WEIGHT_JOBS + bytes / WEIGHT_BYTES;
	int r = store_submit_heavy(s, &s->spool, op_add, &a, weight, e);
	order_free(&a);
	return r;
}
