/* What the injector's threads share: claims, and the bounds of what waits. */
#include "test-spool.h"

#include <pthread.h>

#include "base/clock.h"
#include "inject/pipeline.h"

/* ---- claims and looks at the spool ---- */

/* A cutter that looks while the recorder ends a job. */
struct look {
	struct fixture *f;
	struct pipeline *p;
	struct item *under_way;
	bool ended;
};

static void *
recorder(void *arg)
{
	struct look *l = arg;
	struct spool_update u = { .key = l->under_way->job.key,
				  .state = SPOOL_SENT,
				  .due_ms = NOW,
				  .attempted = true,
				  .reason = "sent" };
	struct err e = { 0 };
	assert_int_equal(spool_update(l->f->s, &u, 1, KEEP, &e), 0);
	assert_true(u.found);
	pipeline_recorded(l->p, l->under_way);
	return NULL;
}

/* The read transaction is open: the job is in it as it was. */
static bool
claimed_while_recorded(void *ctx, const struct spool_key *key)
{
	struct look *l = ctx;
	pthread_t t;
	if (!l->ended) {
		l->ended = true;
		assert_int_equal(pthread_create(&t, NULL, recorder, l), 0);
		pthread_join(t, NULL);
	}
	return pipeline_claimed(l->p, key);
}

static struct spool_job *
due(struct look *l, spool_skip_fn *skip, void *ctx, int *n)
{
	struct spool_job *out = ARENA_ARRAY(l->f->a, struct spool_job, 8);
	int64_t next;
	pipeline_look(l->p);
	*n = spool_due(l->f->s, NOW, skip, ctx, 8, l->f->a, out, &next, &l->f->e);
	return out;
}

static void
a_job_that_ends_while_the_cutter_looks_is_not_read_again(void **state)
{
	struct look l = { .f = *state, .p = pipeline_new(1, 0) };
	struct spool_job jobs[2] = { job_of(1, 1, "spring", NOW), job_of(1, 2, "spring", NOW) };
	int n;
	add_jobs(l.f, 1, jobs, 2);
	struct spool_job *first = due(&l, pipeline_claimed, l.p, &n);
	assert_int_equal(n, 2);
	pipeline_claim(l.p, &first[0].key);
	l.under_way = item_new(&first[0]);
	struct spool_job *second = due(&l, claimed_while_recorded, &l, &n);
	assert_int_equal(n, 1);
	assert_memory_equal(&second[0].key, &first[1].key, SPOOL_KEY_LEN);
	due(&l, pipeline_claimed, l.p, &n);
	assert_int_equal(n, 1);
	pipeline_free(&l.p);
}

static void
a_job_that_is_let_go_is_read_by_the_next_look(void **state)
{
	struct look l = { .f = *state, .p = pipeline_new(1, 0) };
	struct spool_job job = job_of(1, 1, "spring", NOW);
	int n;
	add_jobs(l.f, 1, &job, 1);
	pipeline_claim(l.p, &job.key);
	due(&l, pipeline_claimed, l.p, &n);
	assert_int_equal(n, 0);
	struct item *it = item_new(&job);
	pipeline_release(l.p, &it);
	due(&l, pipeline_claimed, l.p, &n);
	assert_int_equal(n, 1);
	pipeline_claim(l.p, &job.key);
	due(&l, pipeline_claimed, l.p, &n);
	assert_int_equal(n, 0);
	pipeline_free(&l.p);
}

/* ---- what waits for the recorder ---- */

#define MANY (SPOOL_MAX_BATCH + 1000) /* a campaign that is over: each is dropped as fast as it is read */

static size_t
length(const struct item *list)
{
	size_t n = 0;
	for (; list != NULL; list = list->next)
		n++;
	return n;
}

static void
the_recorder_gets_no_more_than_one_update_takes(void **state)
{
	struct pipeline *p = pipeline_new(1, 0);
	struct item *list;
	size_t all = 0;
	uint32_t last = 0;
	(void)state;
	for (uint32_t i = 1; i <= MANY; i++) {
		struct spool_job job = job_of(1, i, "spring", NOW);
		job.attempts = i;
		pipeline_done(p, item_new(&job));
	}
	pipeline_senders_ended(p);
	while ((list = pipeline_collect(p)) != NULL) {
		assert_in_range(length(list), 1, SPOOL_MAX_BATCH);
		all += length(list);
		for (const struct item *it = list; it != NULL; it = it->next)
			assert_int_equal(it->job.attempts, ++last);
		pipeline_recorded(p, list);
	}
	assert_int_equal(all, MANY);
	pipeline_free(&p);
}

struct room {
	struct pipeline *p;
	atomic_bool had;
};

static void *
wait_for_room(void *arg)
{
	struct room *r = arg;
	assert_true(pipeline_room(r->p));
	atomic_store(&r->had, true);
	return NULL;
}

static void
the_cutter_waits_for_a_recorder_whose_disk_stands_still(void **state)
{
	struct room r = { .p = pipeline_new(1, 0) };
	pthread_t t;
	(void)state;
	assert_true(pipeline_room(r.p));
	for (uint32_t i = 0; i < 2000; i++) {
		struct spool_job job = job_of(1, i, "spring", NOW);
		pipeline_done(r.p, item_new(&job));
	}
	assert_int_equal(pthread_create(&t, NULL, wait_for_room, &r), 0);
	usleep(100000);
	assert_false(atomic_load(&r.had));
	pipeline_recorded(r.p, pipeline_collect(r.p));
	pthread_join(t, NULL);
	pipeline_free(&r.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_job_that_ends_while_the_cutter_looks_is_not_read_again,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_job_that_is_let_go_is_read_by_the_next_look, setup,
						teardown),
		cmocka_unit_test(the_recorder_gets_no_more_than_one_update_takes),
		cmocka_unit_test(the_cutter_waits_for_a_recorder_whose_disk_stands_still),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
