/* drain: the cutter: reads due jobs, claims them, and has each message's jobs made into copies. */
#include "inject/private.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define FETCH_MIN 64 /* a look costs something, and many jobs may be dropped */
#define FETCH_MAX 256
#define SWEEP_EVERY_US 10000000
#define SWEEP_MAX 2000
#define IDLE_MS 100

static int
by_message(const void *pa, const void *pb)
{
	const struct spool_job *a = pa, *b = pb;
	int c = memcmp(a->content, b->content, sizeof(a->content));
	return c != 0 ? c : memcmp(a->campaign_id, b->campaign_id, sizeof(a->campaign_id));
}

static void
jobs_make(struct inject *in, struct makers *m, struct spool_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pipeline_claim(in->pipe, &jobs[i].key);
	qsort(jobs, n, sizeof(*jobs), by_message);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && by_message(&jobs[i], &jobs[end]) == 0;)
			end++;
		makers_make(m, jobs + i, end - i);
	}
}

/* Now and then. True: there is more to forget at once. */
static bool
sweep(struct inject *in, int64_t *next_us)
{
	struct err e = { 0 };
	int64_t now = clock_mono_us();
	if (now < *next_us)
		return false;
	int n = spool_sweep(in->store, clock_now_ms(), SWEEP_MAX, &e);
	if (n < 0)
		log_warn("spool: ended jobs cannot be forgotten: %s", e.text);
	*next_us = n == SWEEP_MAX ? now : now + SWEEP_EVERY_US;
	return n == SWEEP_MAX;
}

/* ---- campaigns that are there again ---- */

struct returned {
	struct inject *in;
	struct spool_key keys[SPOOL_MAX_BATCH];
	size_t n, released;
	struct err e;
	bool failed;
};

static bool
returned_release(struct returned *r)
{
	int n = spool_steer(r->in->store, SPOOL_RETURN, r->keys, r->n, clock_now_ms(), r->in->conf->keep_ms,
			    &r->e);
	r->n = 0;
	r->failed = n < 0;
	r->released += n > 0 ? (size_t)n : 0;
	return n >= 0;
}

static bool
returned_add(void *ctx, const struct spool_job *j)
{
	struct returned *r = ctx;
	if (!str_eq(j->reason, STR(NO_CAMPAIGN)))
		return true;
	r->keys[r->n++] = j->key;
	return r->n < SPOOL_MAX_BATCH || returned_release(r);
}

static void
returned_campaign(struct returned *r, const char *name)
{
	uint8_t id[8];
	const struct spool_filter f = { .campaign_id = id, .state = SPOOL_HELD };
	r->n = r->released = 0;
	spool_campaign_id(str_of(name), id);
	r->failed = spool_each(r->in->store, &f, returned_add, r, &r->e) != 0 || r->failed;
	if (!r->failed && r->n > 0)
		returned_release(r);
	if (r->released > 0)
		log_info("campaign %s is configured again: %zu jobs that were held for it are queued", name,
			 r->released);
}

/* Jobs that are held for want of a campaign that is there are queued again. False: try again. */
static bool
returned_jobs(struct inject *in)
{
	struct returned *r = calloc(1, sizeof(*r));
	const struct conf *c = in->epoch->conf;
	if (r == NULL)
		abort();
	r->in = in;
	for (size_t i = 0; i < c->ncampaigns && !r->failed; i++)
		returned_campaign(r, c->campaigns[i].name);
	bool done = !r->failed;
	if (!done)
		log_warn("spool: jobs of campaigns that are configured again cannot be released: %s",
			 r->e.text);
	free(r);
	return done;
}

/* ---- the thread ---- */

/* One look at the spool; returns until when there is nothing to do. */
static int64_t
drain_once(struct inject *in, struct makers *m, struct arena *a, size_t room)
{
	static const int64_t after_error_ms = 2000;
	/* Where a rate is set what is read beyond the room would wait: for a pause, or a word, to be too
	 * late. */
	const size_t least = in->conf->rate > 0 ? 1 : FETCH_MIN;
	size_t max = room < least ? least : room < FETCH_MAX ? room : FETCH_MAX;
	struct spool_job *jobs = ARENA_ARRAY(a, struct spool_job, max);
	struct err e = { 0 };
	int64_t now = clock_now_ms(), next_ms = 0, down = pipeline_down_until(in->pipe);
	if (down > 0)
		return down;
	pipeline_look(in->pipe);
	int n = spool_due(in->store, now, pipeline_claimed, in->pipe, max, a, jobs, &next_ms, &e);
	if (n < 0) {
		log_error("spool: due jobs cannot be read: %s; trying again", e.text);
		return now + after_error_ms;
	}
	jobs_make(in, m, jobs, (size_t)n);
	/* Jobs under way are due too; their end stirs the pipeline. */
	return n > 0 ? now : next_ms > now ? next_ms : now + IDLE_MS;
}

void *
cutter_main(void *arg)
{
	struct inject *in = arg;
	struct makers *m = makers_new(in);
	struct arena *a = arena_new(65536);
	int64_t next_sweep = 0, next_returned = 0;
	bool returned = false;
	for (size_t room; (room = pipeline_room(in->pipe)) > 0;) {
		if (!returned && clock_mono_us() >= next_returned) {
			returned = returned_jobs(in);
			next_returned = clock_mono_us() + SWEEP_EVERY_US;
		}
		int64_t until = drain_once(in, m, a, room);
		arena_reset(a);
		if (!sweep(in, &next_sweep) && until > clock_now_ms())
			pipeline_wait(in->pipe, until);
	}
	arena_free(&a);
	makers_free(&m);
	return NULL;
}
