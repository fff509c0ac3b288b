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

/* ---- when ends are collected ---- */

static struct item *
item_number(uint32_t n)
{
	struct spool_job job = job_of(1, n, "spring", NOW);
	return item_new(&job);
}

static void
ends_are_collected_while_others_are_under_way(void **state)
{
	struct pipeline *p = pipeline_new(1, 0);
	struct item *taken[INJECT_UNRECORDED], *list;
	(void)state;
	for (uint32_t i = 0; i < INJECT_UNRECORDED; i++)
		pipeline_put(p, item_number(i));
	for (size_t i = 0; i < INJECT_UNRECORDED; i++)
		taken[i] = pipeline_take(p);
	/* Half of the slots are full. */
	for (size_t i = 0; i < INJECT_UNRECORDED / 2; i++)
		pipeline_done(p, taken[i]);
	list = pipeline_collect(p);
	assert_int_equal(length(list), INJECT_UNRECORDED / 2);
	pipeline_recorded(p, list);
	/* One alone, and no other comes: after a while. */
	pipeline_done(p, taken[INJECT_UNRECORDED / 2]);
	list = pipeline_collect(p);
	assert_int_equal(length(list), 1);
	pipeline_recorded(p, list);
	for (size_t i = INJECT_UNRECORDED / 2 + 1; i < INJECT_UNRECORDED; i++)
		pipeline_release(p, &taken[i]);
	pipeline_senders_ended(p);
	assert_null(pipeline_collect(p));
	pipeline_free(&p);
}

/* ---- who waits for what ---- */

struct waiter {
	struct pipeline *p;
	struct item *it;
	atomic_bool had;
};

static void *
wait_to_put(void *arg)
{
	struct waiter *w = arg;
	pipeline_put(w->p, w->it);
	atomic_store(&w->had, true);
	return NULL;
}

static void
large_copies_wait_for_room(void **state)
{
	struct waiter w = { .p = pipeline_new(1, 0), .it = item_number(2) };
	struct item *first = item_number(1);
	pthread_t t;
	(void)state;
	first->copy = w.it->copy = str_make("", (size_t)40 << 20); /* nobody reads them */
	pipeline_put(w.p, first);
	assert_int_equal(pthread_create(&t, NULL, wait_to_put, &w), 0);
	usleep(100000);
	assert_false(atomic_load(&w.had));
	assert_ptr_equal(pipeline_take(w.p), first);
	pthread_join(t, NULL);
	assert_ptr_equal(pipeline_take(w.p), w.it);
	pipeline_release(w.p, &first);
	pipeline_release(w.p, &w.it);
	pipeline_free(&w.p);
}

static void *
wait_to_take(void *arg)
{
	struct waiter *w = arg;
	w->it = pipeline_take(w->p);
	return NULL;
}

static void *
wait_for_slot(void *arg)
{
	struct waiter *w = arg;
	atomic_store(&w->had, pipeline_slot(w->p));
	return NULL;
}

static void
who_waits_for_a_slot_takes_nobodys_wake(void **state)
{
	struct waiter slot = { .p = pipeline_new(1, 0) }, take = { .p = slot.p };
	struct item *it = item_number(1);
	pthread_t ts, tt;
	(void)state;
	alarm(300);
	for (int i = 0; i < INJECT_UNRECORDED; i++)
		assert_true(pipeline_slot(slot.p));
	assert_int_equal(pthread_create(&ts, NULL, wait_for_slot, &slot), 0);
	usleep(50000);
	assert_int_equal(pthread_create(&tt, NULL, wait_to_take, &take), 0);
	usleep(50000);
	pipeline_put(slot.p, it);
	pthread_join(tt, NULL);
	assert_ptr_equal(take.it, it);
	it->handed_over = true;
	pipeline_release(slot.p, &it);
	pthread_join(ts, NULL);
	assert_true(atomic_load(&slot.had));
	alarm(0);
	pipeline_free(&slot.p);
}

/* ---- a target that does not work ---- */

/* Senders that fail together begin one pause; only who tries after it, and fails, makes the next one longer.
 */
static void
a_pause_grows_only_by_tries_after_it(void **state)
{
	struct pipeline *p = pipeline_new(4, 0);
	struct item *ready = item_number(1), *late = item_number(2);
	const struct spool_key keys[] = { ready->job.key, late->job.key };
	(void)state;
	pipeline_claim(p, &keys[0]);
	pipeline_claim(p, &keys[1]);
	pipeline_put(p, ready);
	assert_false(pipeline_up(p));
	assert_int_equal(pipeline_down_until(p), 0);
	int64_t begun_us = clock_mono_us();
	assert_int_equal(pipeline_down(p), 1000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pipeline_down(p), 0);
	assert_true(pipeline_down_until(p) > 0);
	/* What is ready is let go, and what the cutter was still making. */
	pipeline_put(p, late);
	pipeline_look(p);
	assert_false(pipeline_claimed(p, &keys[0]));
	assert_false(pipeline_claimed(p, &keys[1]));
	while (pipeline_down_until(p) > 0)
		usleep(10000);
	assert_true(clock_mono_us() - begun_us >= 1000000);
	assert_int_equal(pipeline_down(p), 2000);
	assert_true(pipeline_up(p));
	assert_int_equal(pipeline_down_until(p), 0);
	assert_false(pipeline_up(p));
	assert_int_equal(pipeline_down(p), 1000);
	pipeline_free(&p);
}

static void
room_is_had_when_half_is_used_up(void **state)
{
	struct room r = { .p = pipeline_new(1, 0) };
	size_t most = pipeline_room(r.p), half = most / 2;
	pthread_t t;
	(void)state;
	for (uint32_t i = 0; i <= half; i++)
		pipeline_put(r.p, item_number(i));
	assert_int_equal(pthread_create(&t, NULL, wait_for_room, &r), 0);
	usleep(100000);
	assert_false(atomic_load(&r.had));
	struct item *it = pipeline_take(r.p);
	pthread_join(t, NULL);
	assert_int_equal(pipeline_room(r.p), most - half);
	pipeline_release(r.p, &it);
	pipeline_stop(r.p);
	assert_int_equal(pipeline_room(r.p), 0);
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
		cmocka_unit_test(ends_are_collected_while_others_are_under_way),
		cmocka_unit_test(large_copies_wait_for_room),
		cmocka_unit_test(who_waits_for_a_slot_takes_nobodys_wake),
		cmocka_unit_test(a_pause_grows_only_by_tries_after_it),
		cmocka_unit_test(room_is_had_when_half_is_used_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
