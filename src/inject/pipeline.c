/* pipeline: see pipeline.h. */
#include "inject/pipeline.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <uthash.h>

#include "base/clock.h"

/*
 * Ready copies: at least so many for each connection, unless the rate lets fewer leave, and no more than
 * leave within READY_US. The cutter fills up when half are gone: its own commits must not keep the senders
 * waiting, and nobody's consent should be older than it has to be when his copy leaves.
 */
#define READY_PER_CONNECTION 16
#define READY_US 250000
#define READY_MAX 512
#define READY_BYTES ((size_t)32 << 20)
/* Ended jobs (dropped ones take no sender's time) that wait for the recorder, whose disk may stand still. */
#define DONE_MAX 1024
#define COLLECT_MAX 2048
/*
 * Ends are written when half of the slots wait for it, when no more are to come, or after so long: a commit
 * costs the disk as much as a message costs the MTA beside it.
 */
#define RECORD_US 100000
#define DOWN_MIN_MS 1000
#define DOWN_MAX_MS 60000
static_assert(COLLECT_MAX <= SPOOL_MAX_BATCH, "one call of spool_update takes no more");

struct claim {
	struct spool_key key;
	bool dropped; /* let go since the cutter's last look began */
	struct claim *next_dropped;
	UT_hash_handle hh;
};

struct pipeline {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t cutter, sender, slot, recorder;
	struct item *ready, **ready_tail;
	size_t nready, ready_bytes;
	struct item *done, **done_tail;
	size_t ndone;
	struct claim *claims, *dropped;
	size_t min_ready, max_ready, slots, min_record;
	size_t under_way;	      /* taken, and neither done nor released */
	size_t taken;		      /* since taken_us */
	int64_t taken_us, done_us;    /* done_us: when the first of `done` was done */
	int64_t interval_us, next_us; /* rate: between two copies, when the next may go; 0: no bound */
	int64_t down_until_us; /* by clock_mono_us: a wall clock that is set back must not keep it down */
	int64_t down_ms;       /* the target's last pause; 0: it works */
	bool stirred;	       /* something changed since the cutter last looked */
	bool stopping, senders_ended;
};

struct item *
item_new(const struct spool_job *job)
{
	struct arena *a = arena_new(2048);
	struct item *it = ARENA_NEW(a, struct item);
	struct recipient_key rk;
	it->arena = a;
	it->job = *job;
	it->job.campaign = arena_str(a, job->campaign);
	it->job.reason = arena_str(a, job->reason);
	it->job.note = arena_str(a, job->note); /* it may say which arm the copy has */
	it->job.payload = STR_NULL;
	it->update.key = job->key;
	spool_id(&job->key, it->id);
	memcpy(rk.b, job->key.rk, sizeof(rk.b));
	recipient_key_hex(&rk, it->hash);
	return it;
}

void
item_free(struct item **ip)
{
	if (*ip == NULL)
		return;
	struct arena *a = (*ip)->arena;
	*ip = NULL;
	arena_free(&a);
}

struct pipeline *
pipeline_new(size_t connections, double rate)
{
	struct pipeline *p = calloc(1, sizeof(*p));
	if (p == NULL)
		abort();
	pthread_mutex_init(&p->lock, NULL);
	clock_cond_init(&p->cutter);
	clock_cond_init(&p->sender);
	clock_cond_init(&p->slot);
	clock_cond_init(&p->recorder);
	p->ready_tail = &p->ready;
	p->done_tail = &p->done;
	const size_t paced = rate > 0 ? (size_t)(rate * READY_US / 1e6) + 1 : SIZE_MAX,
		     each = connections * READY_PER_CONNECTION;
	p->min_ready = p->max_ready = each < paced ? each : paced;
	p->slots = connections * INJECT_UNRECORDED;
	p->min_record = p->slots / 2;
	p->interval_us = rate > 0 ? (int64_t)(1e6 / rate) : 0;
	return p;
}

/* It counts until the cutter looks anew: see pipeline_look. */
static void
claim_drop(struct pipeline *p, const struct spool_key *key)
{
	struct claim *c;
	HASH_FIND(hh, p->claims, key, sizeof(*key), c);
	if (c == NULL || c->dropped)
		return;
	c->dropped = true;
	c->next_dropped = p->dropped;
	p->dropped = c;
}

void
pipeline_look(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->dropped != NULL) {
		struct claim *c = p->dropped;
		p->dropped = c->next_dropped;
		HASH_DEL(p->claims, c);
		free(c);
	}
	pthread_mutex_unlock(&p->lock);
}

void
pipeline_free(struct pipeline **pp)
{
	struct pipeline *p = *pp;
	struct claim *c, *next;
	if (p == NULL)
		return;
	while (p->ready != NULL) {
		struct item *it = p->ready;
		p->ready = it->next;
		item_free(&it);
	}
	HASH_ITER(hh, p->claims, c, next)
	{
		HASH_DEL(p->claims, c);
		free(c);
	}
	pthread_cond_destroy(&p->cutter);
	pthread_cond_destroy(&p->sender);
	pthread_cond_destroy(&p->slot);
	pthread_cond_destroy(&p->recorder);
	pthread_mutex_destroy(&p->lock);
	free(p);
	*pp = NULL;
}

/* ---- cutter ---- */

size_t
pipeline_room(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	while (!p->stopping &&
	       (p->nready > p->max_ready / 2 || p->ready_bytes >= READY_BYTES || p->ndone >= DONE_MAX))
		pthread_cond_wait(&p->cutter, &p->lock);
	size_t room = p->stopping ? 0 : p->max_ready - p->nready;
	pthread_mutex_unlock(&p->lock);
	return room;
}

void
pipeline_claim(struct pipeline *p, const struct spool_key *key)
{
	struct claim *c = calloc(1, sizeof(*c));
	if (c == NULL)
		abort();
	c->key = *key;
	pthread_mutex_lock(&p->lock);
	HASH_ADD(hh, p->claims, key, sizeof(c->key), c);
	pthread_mutex_unlock(&p->lock);
}

bool
pipeline_claimed(void *ctx, const struct spool_key *key)
{
	struct pipeline *p = ctx;
	struct claim *c;
	pthread_mutex_lock(&p->lock);
	HASH_FIND(hh, p->claims, key, sizeof(*key), c);
	pthread_mutex_unlock(&p->lock);
	return c != NULL;
}

/* Lock held. */
static bool
is_down(const struct pipeline *p)
{
	return p->down_ms > 0 && clock_mono_us() < p->down_until_us;
}

void
pipeline_put(struct pipeline *p, struct item *it)
{
	pthread_mutex_lock(&p->lock);
	while (!p->stopping && p->ready_bytes >= READY_BYTES)
		pthread_cond_wait(&p->cutter, &p->lock);
	if (is_down(p)) {
		claim_drop(p, &it->job.key);
		pthread_mutex_unlock(&p->lock);
		item_free(&it);
		return;
	}
	it->next = NULL;
	*p->ready_tail = it;
	p->ready_tail = &it->next;
	p->nready++;
	p->ready_bytes += it->copy.n;
	pthread_cond_signal(&p->sender);
	pthread_mutex_unlock(&p->lock);
}

void
pipeline_wait(struct pipeline *p, int64_t until_ms)
{
	int64_t wait_ms = until_ms - clock_now_ms();
	/* Other processes add jobs and the clock may be set: look again at least so often. */
	wait_ms = wait_ms > 1000 ? 1000 : wait_ms < 0 ? 0 : wait_ms;
	struct timespec ts = clock_mono_timespec(clock_mono_us() + wait_ms * 1000);
	pthread_mutex_lock(&p->lock);
	while (!p->stopping && !p->stirred)
		if (pthread_cond_timedwait(&p->cutter, &p->lock, &ts) != 0)
			break;
	p->stirred = false;
	pthread_mutex_unlock(&p->lock);
}

int64_t
pipeline_down_until(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	int64_t left_us = p->down_until_us - clock_mono_us();
	pthread_mutex_unlock(&p->lock);
	return left_us > 0 ? clock_now_ms() + left_us / 1000 + 1 : 0;
}

/* Lock held. */
static void
stir(struct pipeline *p)
{
	p->stirred = true;
	pthread_cond_signal(&p->cutter);
}

/* Lock held. Is it time to write down what is done? */
static bool
collect_now(const struct pipeline *p)
{
	return p->senders_ended ||
	       (p->done != NULL && (p->ndone >= p->min_record || (p->under_way == 0 && p->nready == 0)));
}

/* Lock held. The sender has no more to do with it. */
static void
way_end(struct pipeline *p, struct item *it)
{
	p->under_way -= it->taken;
	it->taken = false;
	if (collect_now(p))
		pthread_cond_signal(&p->recorder);
}

void
pipeline_release(struct pipeline *p, struct item **it)
{
	pthread_mutex_lock(&p->lock);
	claim_drop(p, &(*it)->job.key);
	if ((*it)->handed_over) {
		p->slots++;
		pthread_cond_signal(&p->slot);
	}
	way_end(p, *it);
	stir(p);
	pthread_mutex_unlock(&p->lock);
	item_free(it);
}

/* ---- senders ---- */

/* Lock held. How long the rate still wants the next copy to wait, in microseconds; takes the turn when 0. */
static int64_t
rate_wait(struct pipeline *p)
{
	if (p->interval_us == 0)
		return 0;
	int64_t now = clock_mono_us();
	if (p->next_us > now)
		return p->next_us - now;
	p->next_us = (p->next_us > now - p->interval_us ? p->next_us : now) + p->interval_us;
	return 0;
}

/* Lock held. One more is taken: how many leave within READY_US? */
static void
ready_fit(struct pipeline *p)
{
	int64_t now = clock_mono_us(), us = now - p->taken_us;
	p->taken++;
	if (us < READY_US)
		return;
	size_t n = (size_t)((int64_t)p->taken * READY_US / us);
	n = n < READY_MAX ? n : READY_MAX;
	p->max_ready = n > p->min_ready ? n : p->min_ready;
	p->taken = 0;
	p->taken_us = now;
}

/* Lock held. The first ready one. */
static struct item *
ready_take(struct pipeline *p)
{
	struct item *it = p->ready;
	p->ready = it->next;
	if (p->ready == NULL)
		p->ready_tail = &p->ready;
	p->nready--;
	p->ready_bytes -= it->copy.n;
	it->taken = true;
	p->under_way++;
	ready_fit(p);
	if (p->nready <= p->max_ready / 2)
		pthread_cond_signal(&p->cutter);
	return it;
}

struct item *
pipeline_take(struct pipeline *p)
{
	struct item *it = NULL;
	struct timespec ts;
	pthread_mutex_lock(&p->lock);
	while (!p->stopping && it == NULL) {
		int64_t wait = p->ready == NULL ? -1 : rate_wait(p);
		if (wait < 0) {
			pthread_cond_wait(&p->sender, &p->lock);
		} else if (wait > 0) {
			ts = clock_mono_timespec(clock_mono_us() + wait);
			pthread_cond_timedwait(&p->sender, &p->lock, &ts);
		} else {
			it = ready_take(p);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return it;
}

bool
pipeline_slot(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	while (!p->stopping && p->slots == 0)
		pthread_cond_wait(&p->slot, &p->lock);
	bool go = !p->stopping;
	if (go)
		p->slots--;
	pthread_mutex_unlock(&p->lock);
	return go;
}

void
pipeline_done(struct pipeline *p, struct item *it)
{
	pthread_mutex_lock(&p->lock);
	if (p->done == NULL) {
		p->done_us = clock_mono_us();
		pthread_cond_signal(&p->recorder);
	}
	it->next = NULL;
	*p->done_tail = it;
	p->done_tail = &it->next;
	p->ndone++;
	way_end(p, it);
	pthread_mutex_unlock(&p->lock);
}

int64_t
pipeline_down(struct pipeline *p)
{
	struct item *list = NULL;
	int64_t pause_ms = 0;
	pthread_mutex_lock(&p->lock);
	if (!is_down(p)) {
		p->down_ms = p->down_ms == 0 ? DOWN_MIN_MS : p->down_ms * 2;
		p->down_ms = pause_ms = p->down_ms < DOWN_MAX_MS ? p->down_ms : DOWN_MAX_MS;
		p->down_until_us = clock_mono_us() + pause_ms * 1000;
		list = p->ready;
		for (struct item *it = list; it != NULL; it = it->next)
			claim_drop(p, &it->job.key);
		p->ready = NULL;
		p->ready_tail = &p->ready;
		p->nready = p->ready_bytes = 0;
		stir(p);
	}
	pthread_mutex_unlock(&p->lock);
	while (list != NULL) {
		struct item *it = list;
		list = it->next;
		item_free(&it);
	}
	return pause_ms;
}

bool
pipeline_up(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	bool was_down = p->down_ms > 0;
	p->down_ms = p->down_until_us = 0;
	if (was_down)
		stir(p);
	pthread_mutex_unlock(&p->lock);
	return was_down;
}

/* ---- recorder ---- */

struct item *
pipeline_collect(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	while (!collect_now(p)) {
		struct timespec ts = clock_mono_timespec(p->done_us + RECORD_US);
		if (p->done == NULL)
			pthread_cond_wait(&p->recorder, &p->lock);
		else if (pthread_cond_timedwait(&p->recorder, &p->lock, &ts) != 0)
			break;
	}
	struct item *list = p->done, **end = &list;
	for (size_t n = 0; *end != NULL && n < COLLECT_MAX; n++, p->ndone--)
		end = &(*end)->next;
	p->done = *end;
	*end = NULL;
	if (p->done == NULL)
		p->done_tail = &p->done;
	pthread_cond_signal(&p->cutter);
	pthread_mutex_unlock(&p->lock);
	return list;
}

void
pipeline_recorded(struct pipeline *p, struct item *list)
{
	pthread_mutex_lock(&p->lock);
	for (const struct item *it = list; it != NULL; it = it->next) {
		claim_drop(p, &it->job.key);
		p->slots += it->handed_over;
	}
	pthread_cond_broadcast(&p->slot);
	stir(p);
	pthread_mutex_unlock(&p->lock);
	while (list != NULL) {
		struct item *it = list;
		list = it->next;
		item_free(&it);
	}
}

/* ---- steering ---- */

void
pipeline_wake(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	stir(p);
	pthread_mutex_unlock(&p->lock);
}

void
pipeline_stop(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->cutter);
	pthread_cond_broadcast(&p->sender);
	pthread_cond_broadcast(&p->slot);
	pthread_mutex_unlock(&p->lock);
}

void
pipeline_senders_ended(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	p->senders_ended = true;
	pthread_cond_signal(&p->recorder);
	pthread_mutex_unlock(&p->lock);
}
