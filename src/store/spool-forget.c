/*
 * spool-forget: takes all jobs of one recipient out of the spool.
 *
 * Jobs have no order by recipient: the index by time, which holds every key, is
 * looked through (a million jobs: a tenth of a second), in short read
 * transactions; only what is found is written. That is repeated until nothing is
 * found, since a job may change its place meanwhile. A copy that the injector is
 * about to hand over at that moment may still leave.
 */
#include "store/spool-private.h"

#include <stdlib.h>

struct forgetting {
	struct spool_part part; /* of the jobs, then of the bad ones */
	const uint8_t *rk;
	struct spool_due_key jobs[SPOOL_MAX_BATCH];
	struct spool_key bad[SPOOL_MAX_BATCH];
	size_t njobs, nbad;
};

static bool
find_job(void *ctx, struct str key, struct str val, struct err *e)
{
	struct forgetting *w = ctx;
	struct spool_due_value v;
	(void)e;
	if (spool_due_key_decode(key, &w->jobs[w->njobs]) == 0 && spool_due_value_decode(val, &v) == 0 &&
	    memcmp(v.key.rk, w->rk, sizeof v.key.rk) == 0)
		w->njobs++;
	return w->njobs < SPOOL_MAX_BATCH;
}

static bool
find_bad(void *ctx, struct str key, struct str val, struct err *e)
{
	struct forgetting *w = ctx;
	struct spool_key *k = &w->bad[w->nbad];
	(void)val;
	(void)e;
	if (key.n == SPOOL_KEY_LEN) {
		memcpy(k, key.p, SPOOL_KEY_LEN);
		w->nbad += memcmp(k->rk, w->rk, sizeof k->rk) == 0;
	}
	return w->nbad < SPOOL_MAX_BATCH;
}

static enum op_result
op_forget(struct store_txn *t, void *arg, struct err *e)
{
	struct forgetting *w = arg;
	struct tally tl = { .t = t };
	struct str value;
	bool removed;
	int rc = 0;
	(void)e;
	w->part.done = 0;
	for (size_t i = w->part.from; i < w->part.from + w->part.n && rc == 0; i++) {
		removed = false;
		if (i >= w->njobs)
			rc = spool_bad_drop(&tl, &w->bad[i - w->njobs], &removed);
		else
			rc = spool_due_get(t->s, t->txn, &w->jobs[i], &value);
		if (rc == 0 && i < w->njobs && value.p) {
			rc = spool_remove(&tl, &w->jobs[i], value);
			removed = true;
		}
		w->part.done += removed;
	}
	return op_end(t, tally_end(&tl, rc));
}

int
spool_forget(struct store *s, const uint8_t rk[16], size_t *removed, struct err *e)
{
	int r = 0;
	*removed = 0;
	if (!s->spool.env)
		return 0;
	struct forgetting *w = calloc(1, sizeof *w);
	if (!w)
		return err_set(e, ERR_TEMP, "spool: out of memory");
	w->rk = rk;
	while (r == 0) {
		w->njobs = w->nbad = 0;
		r = table_each(s, &s->spool, s->sp.due, find_job, w, e);
		if (r == 0)
			r = table_each(s, &s->spool, s->sp.bad, find_bad, w, e);
		if (r != 0 || w->njobs + w->nbad == 0)
			break;
		w->part.from = 0;
		w->part.n = w->njobs + w->nbad;
		r = spool_submit_parts(s, op_forget, &w->part, e);
	}
	*removed = w->part.total;
	free(w);
	return r;
}
