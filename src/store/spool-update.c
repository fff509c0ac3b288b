/*
 * spool-update: what became of jobs; and the end of those that ended long ago.
 */
#include "store/spool-private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"

/* ---- update ---- */

struct updating {
	struct spool_part part;
	struct spool_update *v;
	int64_t keep_ms;
};

static int
update_one(struct tally *tl, struct spool_update *u, int64_t keep_ms, bool *there)
{
	struct spool_found f;
	int rc = spool_find(tl->t->s, tl->t->txn, &u->key, &f);
	u->found = false;
	*there = f.found;
	if (rc != 0 || !f.found)
		return rc;
	if (f.damaged)
		return spool_move_bad(tl, f.number, NULL, "damaged");
	u->found = spool_live(f.job.state);
	/* A copy that left while somebody dropped its job did leave. */
	if (!u->found && !(f.job.state == SPOOL_DROPPED && u->state == SPOOL_SENT))
		return 0;
	struct spool_job to = f.job;
	/* An administrator held it while it was under way: it stays held when it has to wait. */
	if (!(f.job.state == SPOOL_HELD && u->state == SPOOL_QUEUED))
		to.state = u->state;
	to.due_ms = u->due_ms;
	if (u->attempted && f.job.attempts == 0)
		to.first_due_ms = clock_now_ms();
	to.attempts += u->attempted && to.attempts < UINT32_MAX;
	/* Nor is it ours then: whoever looks for what he held himself does not find it. */
	if (!(f.job.state == SPOOL_HELD && u->state == SPOOL_HELD))
		to.reason = str_of(u->reason);
	to.note = str_cut(u->note, SPOOL_MAX_NOTE);
	if (!spool_live(to.state))
		to.payload = STR("");
	return spool_change(tl, &f, &to, keep_ms);
}

/* Events live on no reserve: when there is room for nothing but ends, they are left out, and that is said. */
static bool
events_fit(struct store_txn *t, const struct updating *u)
{
	struct err e = { 0 };
	int64_t bytes = 0, n = 0;
	for (size_t i = u->part.from; i < u->part.from + u->part.n; i++) {
		bytes += u->v[i].event ? outbox_bytes(u->v[i].event) : 0;
		n += u->v[i].event != NULL;
	}
	if (n == 0 || room_take(t, bytes, 2, ROOM_OWED, &e) == OP_OK)
		return true;
	log_error("spool: the events of %lld copies are not kept: %s", (long long)n, e.text);
	return false;
}

/*
 * A job that is not there was its recipient's who has been forgotten while the injector had it. What became
 * of it is counted, and names nobody.
 */
static enum op_result
event_queue(struct store_txn *t, const struct event *of, bool there)
{
	struct event ev = *of;
	if (!there) {
		memset(ev.rk, 0, sizeof ev.rk);
		memset(ev.copy, 0, sizeof ev.copy);
		ev.queue_id = ev.details = STR_NULL;
		ev.once = false;
		/* moved twice, it counts once */
		if (getrandom(ev.idem, sizeof ev.idem, 0) != sizeof ev.idem)
			abort();
	}
	return outbox_put(t, &ev);
}

static enum op_result
op_update(struct store_txn *t, void *arg, struct err *e)
{
	const struct updating *u = arg;
	const size_t end = u->part.from + u->part.n;
	struct tally tl = { .t = t };
	bool there;
	int rc = 0;
	(void)e;
	const bool events = events_fit(t, u);
	for (size_t i = u->part.from; i < end && rc == 0; i++) {
		rc = update_one(&tl, &u->v[i], u->keep_ms, &there);
		if (rc == 0 && events && u->v[i].event && event_queue(t, u->v[i].event, there) != OP_OK)
			rc = t->rc;
	}
	return op_end(t, tally_end(&tl, rc));
}

int
spool_update(struct store *s, struct spool_update *v, size_t n, int64_t keep_ms, struct err *e)
{
	struct updating u = { .part.n = n, .v = v, .keep_ms = keep_ms };
	if (n > SPOOL_MAX_BATCH)
		return err_set(e, ERR_BUG, "spool: %zu updates in one call", n);
	for (size_t i = 0; i < n; i++)
		if (v[i].state < SPOOL_QUEUED || v[i].state > SPOOL_FAILED || v[i].due_ms < 0 ||
		    keep_ms < 0 || str_of(v[i].reason).n > SPOOL_MAX_REASON)
			return err_set(e, ERR_BUG, "spool: no such state, time or reason");
		else if (v[i].event && event_valid(v[i].event, e) != 0)
			return -1;
	return spool_submit_parts(s, op_update, &u.part, e);
}

/* ---- bad ---- */

struct set_bad {
	const struct spool_key *key;
	const char *reason;
};

static enum op_result
op_set_bad(struct store_txn *t, void *arg, struct err *e)
{
	const struct set_bad *b = arg;
	struct tally tl = { .t = t };
	struct spool_found f;
	(void)e;
	int rc = spool_find(t->s, t->txn, b->key, &f);
	if (rc == 0 && f.found && (f.damaged || spool_live(f.job.state)))
		rc = spool_move_bad(&tl, f.number, NULL, b->reason);
	return op_end(t, tally_end(&tl, rc));
}

int
spool_set_bad(struct store *s, const struct spool_key *key, const char *reason, struct err *e)
{
	struct set_bad b = { key, reason };
	return store_submit(s, &s->spool, op_set_bad, &b, e);
}

/* ---- sweep ---- */

struct sweeping {
	struct spool_part part;
	size_t n;
	struct spool_due_key due[SPOOL_MAX_BATCH];
};

static int
expired_find(struct store *s, MDB_txn *txn, int64_t now_ms, size_t max, struct sweeping *w)
{
	struct spool_walk walk = { 0 };
	struct spool_due_key k;
	uint8_t id[8] = { 0 };
	int rc;
	do {
		rc = spool_campaign_seek(s, txn, &walk, SPOOL_CLASS_ENDED, id, &k);
		if (rc != 0)
			break;
		memcpy(id, k.campaign, sizeof id);
		while (rc == 0 && w->n < max && k.at_ms <= now_ms && memcmp(k.campaign, id, sizeof id) == 0) {
			w->due[w->n++] = k;
			rc = spool_walk_next(&walk, STR("e"));
			if (rc == 0 && spool_due_key_decode(walk.key, &k) != 0)
				break;
		}
	} while (rc == 0 && w->n < max && spool_campaign_after(id));
	spool_walk_end(&walk);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum op_result
op_sweep(struct store_txn *t, void *arg, struct err *e)
{
	struct sweeping *w = arg;
	const size_t end = w->part.from + w->part.n;
	struct tally tl = { .t = t };
	struct str value;
	int rc = 0;
	(void)e;
	w->part.done = w->part.n;
	for (size_t i = w->part.from; i < end && rc == 0; i++) {
		rc = spool_due_get(t->s, t->txn, &w->due[i], &value);
		if (rc == 0 && value.p) /* else another process was faster */
			rc = spool_remove(&tl, &w->due[i], value);
	}
	return op_end(t, tally_end(&tl, rc));
}

int
spool_sweep(struct store *s, int64_t now_ms, size_t max, struct err *e)
{
	MDB_txn *txn;
	int r = 0;
	if (!s->spool.env)
		return 0;
	struct sweeping *w = calloc(1, sizeof *w);
	if (!w)
		return err_set(e, ERR_TEMP, "spool: out of memory");
	if (read_begin(s, &s->spool, &txn, e) != 0) {
		free(w);
		return -1;
	}
	int rc = expired_find(s, txn, now_ms, max < SPOOL_MAX_BATCH ? max : SPOOL_MAX_BATCH, w);
	read_end(s, &s->spool, txn);
	if (rc != 0)
		r = store_err(s, e, rc, "cannot read ended jobs");
	w->part.n = w->n;
	if (r == 0)
		r = spool_submit_parts(s, op_sweep, &w->part, e);
	int n = r == 0 ? (int)w->n : -1;
	free(w);
	return n;
}
