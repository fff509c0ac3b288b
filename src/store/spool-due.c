/*
 * spool-due: which jobs are due, in turns by campaign; and their message.
 *
 * The queued part of `due` is looked at campaign by campaign, each by a seek of
 * its own: a paused campaign costs that seek, whatever waits in it. Turns are
 * runs of a few jobs, so that one page is read once; the campaign after the one
 * that was served last begins the next call.
 */
#include "store/spool-private.h"

#include "base/log.h"

#define RUN 8
/* Damaged jobs that one call takes out of the way; more are left to the next. */
#define REPAIR_MAX 64

/* A campaign with due jobs. */
struct turn {
	struct spool_walk w; /* on its next job */
	bool fresh;	     /* that has not been looked at yet */
	uint8_t prefix[9];
	bool done;
	struct turn *next;
};

struct drain {
	struct store *s;
	MDB_txn *txn;
	struct arena *a;
	int64_t now_ms, next_ms;
	spool_skip_fn *skip;
	void *ctx;
	size_t max, n;
	struct spool_job *out;
	uint8_t served[8]; /* the campaign that was served last */
	struct turn *turns;
	struct spool_due_key damaged[REPAIR_MAX];
	size_t ndamaged;
};

static void
next_note(struct drain *d, int64_t at_ms)
{
	if (at_ms < d->next_ms)
		d->next_ms = at_ms;
}

/* The job at an index entry is the one the entry means. */
static bool
job_matches(const struct spool_found *f, const struct spool_due_key *k)
{
	return f->found && !f->damaged && spool_class_of(f->job.state) == k->class &&
	       f->index_ms == k->at_ms && memcmp(f->job.campaign_id, k->campaign, sizeof k->campaign) == 0;
}

/* ---- one campaign ---- */

/* Reads its next job that may be returned; 0, MDB_NOTFOUND behind the last, or LMDB's code. */
static int
turn_next(struct drain *d, struct turn *t, struct spool_found *f)
{
	struct str prefix = str_of_key(t->prefix, sizeof t->prefix);
	struct spool_due_key k;
	struct spool_due_value v;
	for (;;) {
		int rc = t->fresh ? 0 : spool_walk_next(&t->w, prefix);
		t->fresh = false;
		if (rc != 0)
			return rc;
		if (spool_due_key_decode(t->w.key, &k) != 0)
			continue;
		if (k.at_ms > d->now_ms) {
			next_note(d, k.at_ms);
			return MDB_NOTFOUND;
		}
		bool known = spool_due_value_decode(t->w.val, &v) == 0;
		if (known && d->skip && d->skip(d->ctx, &v.key))
			continue;
		rc = spool_find_number(d->s, d->txn, k.number, f);
		if (rc != 0)
			return rc;
		if (!job_matches(f, &k)) {
			if (d->ndamaged < REPAIR_MAX)
				d->damaged[d->ndamaged++] = k;
			continue;
		}
		if (known || !d->skip || !d->skip(d->ctx, &f->job.key))
			return 0;
	}
}

/* A run of one campaign's jobs. */
static int
turn_take(struct drain *d, struct turn *t)
{
	struct spool_found f;
	for (int i = 0; i < RUN && d->n < d->max; i++) {
		int rc = turn_next(d, t, &f);
		if (rc == MDB_NOTFOUND) {
			t->done = true;
			return 0;
		}
		if (rc != 0)
			return rc;
		spool_job_copy(d->a, &f.job, &d->out[d->n++]);
		memcpy(d->served, f.job.campaign_id, sizeof d->served);
	}
	return 0;
}

/* ---- all campaigns ---- */

static int
turn_add(struct drain *d, const uint8_t campaign[8], struct turn ***tail)
{
	struct turn *t = ARENA_NEW(d->a, struct turn);
	struct str p = str_of_key(t->prefix, sizeof t->prefix);
	t->prefix[0] = SPOOL_CLASS_QUEUED;
	memcpy(t->prefix + 1, campaign, 8);
	t->fresh = true;
	**tail = t;
	*tail = &t->next;
	return spool_walk_from(&t->w, d->txn, d->s->sp.due, p, p);
}

/* Finds the campaigns that have due jobs and are not paused; those behind the one served last come first. */
static int
turns_find(struct drain *d)
{
	struct spool_walk w = { 0 };
	struct turn *before = NULL, **first = &d->turns, **rest = &before;
	struct spool_due_key k;
	uint8_t id[8] = { 0 };
	bool paused;
	int rc;
	do {
		rc = spool_campaign_seek(d->s, d->txn, &w, SPOOL_CLASS_QUEUED, id, &k);
		if (rc == 0)
			rc = spool_campaign_paused(d->s, d->txn, k.campaign, &paused);
		if (rc != 0)
			break;
		if (!paused && k.at_ms > d->now_ms)
			next_note(d, k.at_ms);
		else if (!paused)
			rc = turn_add(d, k.campaign,
				      memcmp(k.campaign, d->served, sizeof d->served) > 0 ? &first : &rest);
		memcpy(id, k.campaign, sizeof id);
	} while (rc == 0 && spool_campaign_after(id));
	spool_walk_end(&w);
	*first = before;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
drain_read(struct drain *d)
{
	struct spool_found f;
	bool open = true;
	int rc = turns_find(d);
	while (rc == 0 && open && d->n < d->max) {
		open = false;
		for (struct turn *t = d->turns; t && rc == 0 && d->n < d->max; t = t->next) {
			if (!t->done)
				rc = turn_take(d, t);
			open = open || !t->done;
		}
	}
	/* Is anything left? */
	for (struct turn *t = d->turns; t && rc == 0 && d->next_ms > d->now_ms; t = t->next) {
		if (t->done)
			continue;
		rc = turn_next(d, t, &f);
		if (rc == 0)
			d->next_ms = d->now_ms;
		rc = rc == MDB_NOTFOUND ? 0 : rc;
	}
	for (struct turn *t = d->turns; t; t = t->next)
		spool_walk_end(&t->w);
	return rc;
}

/* ---- damaged jobs ---- */

static int
repair_one(struct tally *tl, const struct spool_due_key *k)
{
	struct store_txn *t = tl->t;
	struct spool_found f;
	int rc = spool_find_number(t->s, t->txn, k->number, &f);
	if (rc != 0 || job_matches(&f, k))
		return rc;
	if (!f.found || f.damaged)
		return spool_move_bad(tl, k->number, k, "damaged");
	/* The record is right, and the index is not. */
	rc = tally_recount(tl, k->campaign);
	if (rc == 0)
		rc = tally_recount(tl, f.job.campaign_id);
	if (rc == 0)
		rc = spool_due_del(t, k);
	return rc != 0 ? rc : spool_due_put(t, k->number, &f.job, f.index_ms);
}

static enum op_result
op_repair(struct store_txn *t, void *arg, struct err *e)
{
	const struct drain *d = arg;
	struct tally tl = { .t = t };
	int rc = 0;
	(void)e;
	for (size_t i = 0; i < d->ndamaged && rc == 0; i++)
		rc = repair_one(&tl, &d->damaged[i]);
	return op_end(t, tally_end(&tl, rc));
}

/* Whether something has changed. The other jobs go on, whatever comes of it. */
static bool
repair(struct drain *d)
{
	struct err e = { 0 };
	if (d->ndamaged == 0 || d->s->read_only)
		return false;
	if (store_submit(d->s, &d->s->spool, op_repair, d, &e) != 0) {
		log_error("spool: %zu damaged jobs cannot be moved aside: %s", d->ndamaged, e.text);
		return false;
	}
	log_error("spool: %zu damaged jobs were found and moved aside; `mailtailor queue` shows them",
		  d->ndamaged);
	return true;
}

int
spool_due(struct store *s, int64_t now_ms, spool_skip_fn *skip, void *ctx, size_t max, struct arena *a,
	  struct spool_job *out, int64_t *next_ms, struct err *e)
{
	struct drain d = { .s = s,
			   .a = a,
			   .now_ms = now_ms,
			   .next_ms = INT64_MAX,
			   .skip = skip,
			   .ctx = ctx,
			   .max = max < SPOOL_MAX_BATCH ? max : SPOOL_MAX_BATCH,
			   .out = out };
	*next_ms = INT64_MAX;
	if (!s->spool.env)
		return 0;
	pthread_mutex_lock(&s->turn_lock);
	memcpy(d.served, s->turn, sizeof d.served);
	pthread_mutex_unlock(&s->turn_lock);
	if (read_begin(s, &s->spool, &d.txn, e) != 0)
		return -1;
	int rc = drain_read(&d);
	read_end(s, &s->spool, d.txn);
	if (rc != 0)
		return store_err(s, e, rc, "cannot read due jobs");
	pthread_mutex_lock(&s->turn_lock);
	memcpy(s->turn, d.served, sizeof d.served);
	pthread_mutex_unlock(&s->turn_lock);
	*next_ms = repair(&d) ? now_ms : d.next_ms;
	return (int)d.n;
}

int
spool_message(struct store *s, const uint8_t content[16], struct buf *out, struct err *e)
{
	MDB_txn *txn;
	MDB_val k = { 16, (void *)(uintptr_t)content }, v;
	if (!s->spool.env)
		return 0;
	if (read_begin(s, &s->spool, &txn, e) != 0)
		return -1;
	int rc = mdb_get(txn, s->sp.message, &k, &v);
	if (rc == 0)
		buf_add(out, v.mv_data, v.mv_size);
	read_end(s, &s->spool, txn);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return store_err(s, e, rc, "cannot read a message");
	return rc == 0;
}
