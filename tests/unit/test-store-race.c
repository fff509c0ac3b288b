/*
 * test-store-race: promises 3 and 4 under load. Many threads, two processes,
 * and a writer that is killed in the middle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/store-private.h"

#define DAY ((int64_t)86400000)
#define NOW ((int64_t)1760000000000)
#define THREADS 64
#define ROUNDS 100
#define LIMIT 3

static void
directory_make(char dir[64])
{
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, 64, "%s/mt-race-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
}

static void
directory_remove(const char *dir)
{
	char path[512];
	DIR *d = opendir(dir);
	for (struct dirent *x; (x = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", dir, x->d_name);
		unlink(path);
	}
	closedir(d);
	rmdir(dir);
}

static struct store *
open_store(const char *dir)
{
	struct err e = { 0 };
	struct store_options o = { .directory = dir, .map_size = (int64_t)64 << 20, .create = true };
	struct store *s = store_open(&o, &e);
	if (!s)
		fail_msg("%s", e.text);
	assert_int_equal(store_writer_start(s, &e), 0);
	return s;
}

static void
key_make(uint8_t out[16], const char *kind, uint32_t a, uint32_t b)
{
	memset(out, 0, 16);
	memcpy(out, kind, strlen(kind));
	be64_put(out + 8, (uint64_t)a << 32 | b);
}

/* 0 placed, 1 again, 2 capped, -1 error */
static int
reserve(struct store *s, struct arena *a, uint32_t cap, uint32_t copy, int64_t limit, struct err *e)
{
	struct cap_request c = { .limit = limit, .window_ms = DAY };
	struct reserve_request rq = { .now_ms = NOW, .caps = &c, .ncaps = 1, .decision_keep_ms = DAY };
	struct reserve_result out;
	key_make(c.id, "cap", cap, 0);
	key_make(rq.rk, "rk", cap, 0);
	key_make(rq.idem, "idem", cap, copy);
	rq.decision = STR("decision");
	if (store_reserve(s, &rq, a, &out, e) != 0)
		return -1;
	return (int)out.status;
}

static int64_t
cap_used(struct store *s, uint32_t cap)
{
	struct cap_request c = { .limit = LIMIT, .window_ms = DAY };
	int64_t used = -1, oldest;
	key_make(c.id, "cap", cap, 0);
	assert_int_equal(store_cap_count(s, &c, NOW, &used, &oldest, NULL), 0);
	return used;
}

/* ---- threads ---- */

struct racer {
	struct store *s;
	pthread_barrier_t *line;
	uint32_t number;
	int placed[ROUNDS];
	int errors;
	pthread_t thread;
};

static void *
race(void *arg)
{
	struct racer *r = arg;
	struct arena *a = arena_new(4096);
	struct err e = { 0 };
	for (uint32_t round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(r->line);
		int got = reserve(r->s, a, round, r->number, LIMIT, &e);
		r->placed[round] = got == RESERVE_OK;
		r->errors += got < 0;
		/* A client's retry takes no second place. */
		if (got == RESERVE_OK && r->number % 2 == 0)
			r->errors += reserve(r->s, a, round, r->number, LIMIT, &e) != RESERVE_AGAIN;
		arena_reset(a);
	}
	arena_free(&a);
	return NULL;
}

static void
test_threads_race_for_a_cap(void **state)
{
	char dir[64];
	static struct racer racers[THREADS];
	pthread_barrier_t line;
	struct store_stats st;
	(void)state;
	directory_make(dir);
	struct store *s = open_store(dir);
	pthread_barrier_init(&line, NULL, THREADS);
	for (uint32_t i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){ .s = s, .line = &line, .number = i };
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(racers[i].thread, NULL);
		assert_int_equal(racers[i].errors, 0);
	}
	for (uint32_t round = 0; round < ROUNDS; round++) {
		int placed = 0;
		for (uint32_t i = 0; i < THREADS; i++)
			placed += racers[i].placed[round];
		assert_int_equal(placed, LIMIT);
		assert_int_equal(cap_used(s, round), LIMIT);
	}
	assert_int_equal(store_stats(s, &st, NULL), 0);
	assert_int_equal(st.places, LIMIT * ROUNDS);
	assert_true(st.requests >= THREADS * ROUNDS);
	assert_true(st.commits <= LIMIT * ROUNDS);
	pthread_barrier_destroy(&line);
	store_close(&s);
	directory_remove(dir);
}

/* ---- processes ---- */

static void
child_race(const char *dir, int fd, uint32_t number)
{
	struct store *s = open_store(dir);
	struct arena *a = arena_new(4096);
	uint8_t placed[ROUNDS] = { 0 };
	for (uint32_t round = 0; round < ROUNDS; round++)
		for (uint32_t i = 0; i < 4; i++) {
			int got = reserve(s, a, round, number * 100 + i, LIMIT, NULL);
			if (got < 0)
				_exit(1);
			placed[round] = (uint8_t)(placed[round] + (got == RESERVE_OK));
		}
	ssize_t n = write(fd, placed, sizeof placed);
	store_close(&s);
	arena_free(&a);
	_exit(n == (ssize_t)sizeof placed ? 0 : 1);
}

static void
test_processes_race_for_a_cap(void **state)
{
	char dir[64];
	int total[ROUNDS] = { 0 }, pipes[2][2];
	pid_t pid[2];
	(void)state;
	directory_make(dir);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(pipe(pipes[i]), 0);
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			child_race(dir, pipes[i][1], i);
		close(pipes[i][1]);
	}
	for (int i = 0; i < 2; i++) {
		uint8_t placed[ROUNDS];
		int status;
		assert_int_equal(read(pipes[i][0], placed, sizeof placed), sizeof placed);
		waitpid(pid[i], &status, 0);
		assert_int_equal(status, 0);
		close(pipes[i][0]);
		for (int r = 0; r < ROUNDS; r++)
			total[r] += placed[r];
	}
	struct store *s = open_store(dir);
	for (uint32_t r = 0; r < ROUNDS; r++) {
		assert_int_equal(total[r], LIMIT);
		assert_int_equal(cap_used(s, r), LIMIT);
	}
	store_close(&s);
	directory_remove(dir);
}

/* ---- a writer that is killed ---- */

#define KILL_ROUNDS 20
#define KILL_THREADS 8

struct report {
	uint32_t thread, copy;
};

struct loader {
	struct store *s;
	int fd;
	uint32_t round, number;
};

static void *
load(void *arg)
{
	const struct loader *l = arg;
	struct arena *a = arena_new(4096);
	for (uint32_t copy = 0;; copy++) {
		struct report r = { l->number, copy };
		if (reserve(l->s, a, l->round * 100 + l->number, copy, 1000000, NULL) != RESERVE_OK)
			_exit(1);
		/* Smaller than PIPE_BUF: whole or not at all. */
		if (write(l->fd, &r, sizeof r) != (ssize_t)sizeof r)
			_exit(1);
		arena_reset(a);
	}
	return NULL;
}

static void
child_load(const char *dir, int fd, uint32_t round)
{
	struct loader l[KILL_THREADS];
	pthread_t t;
	struct store *s = open_store(dir);
	for (uint32_t i = 0; i < KILL_THREADS; i++) {
		l[i] = (struct loader){ s, fd, round, i };
		if (pthread_create(&t, NULL, load, &l[i]) != 0)
			_exit(1);
	}
	for (;;)
		pause();
}

/* Every copy whose call returned is there; at most one per thread more, counters exact. */
static void
check_reported(const char *dir, uint32_t round, const uint32_t reported[KILL_THREADS])
{
	struct store *s = open_store(dir);
	struct arena *a = arena_new(4096);
	int64_t places = 0;
	struct store_stats st;
	for (uint32_t t = 0; t < KILL_THREADS; t++) {
		int64_t used = cap_used(s, round * 100 + t);
		assert_in_range(used, reported[t], reported[t] + 1);
		for (uint32_t copy = 0; copy < reported[t]; copy++)
			assert_int_equal(reserve(s, a, round * 100 + t, copy, 1000000, NULL), RESERVE_AGAIN);
	}
	assert_int_equal(store_stats(s, &st, NULL), 0);
	for (uint32_t r = 0; r <= round; r++)
		for (uint32_t t = 0; t < KILL_THREADS; t++)
			places += cap_used(s, r * 100 + t);
	assert_int_equal(st.places, places);
	assert_int_equal(st.decisions, places);
	arena_free(&a);
	store_close(&s);
}

static void
test_kill_loses_nothing(void **state)
{
	char dir[64];
	unsigned total = 0;
	(void)state;
	directory_make(dir);
	for (uint32_t round = 0; round < KILL_ROUNDS; round++) {
		int fd[2], status;
		uint32_t reported[KILL_THREADS] = { 0 };
		struct report r;
		assert_int_equal(pipe(fd), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			child_load(dir, fd[1], round);
		close(fd[1]);
		/* Reading goes on until the child's end is closed by its death. */
		for (unsigned n = 0; read(fd[0], &r, sizeof r) == (ssize_t)sizeof r; n++) {
			assert_in_range(r.thread, 0, KILL_THREADS - 1);
			assert_int_equal(r.copy, reported[r.thread]);
			reported[r.thread]++;
			total++;
			if (n == 20 + round * 7)
				kill(pid, SIGKILL);
		}
		close(fd[0]);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		check_reported(dir, round, reported);
	}
	print_message("%u reservations were reported before %d kills; all are there\n", total, KILL_ROUNDS);
	directory_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_processes_race_for_a_cap),
		cmocka_unit_test(test_kill_loses_nothing),
		cmocka_unit_test(test_threads_race_for_a_cap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
