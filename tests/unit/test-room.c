/*
 * Full maps and full disks: what is new is refused with nothing of it written; what was accepted ends, moves
 * and is erased, down to the last job; and all goes on by itself when there is room again.
 */
#include "test-spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"

#define MB ((int64_t)1 << 20)
#define BATCH 50

static char payload[700];

/* BATCH jobs of one message; what spool_add says. */
static int
add_batch(struct fixture *f, uint32_t message, bool owed)
{
	struct spool_job jobs[BATCH];
	bool added[BATCH];
	uint8_t c[16];
	for (uint32_t i = 0; i < BATCH; i++) {
		jobs[i] = job_of(message, i, "spring", NOW + message);
		jobs[i].payload = str_make(payload, sizeof payload);
	}
	content_of(message, c);
	const struct spool_add rq = { .content = c,
				      .message = arena_printf(f->a, "sealed message %u", message),
				      .jobs = jobs,
				      .njobs = BATCH,
				      .keep_ms = KEEP,
				      .owed = owed,
				      .added = added };
	return spool_add(f->s, &rq, &f->e);
}

/* Adds until there is no room; returns how many batches found some. */
static uint32_t
fill(struct fixture *f, uint32_t from, bool owed)
{
	uint32_t n = from;
	while (add_batch(f, n, owed) == 0)
		assert_true(++n < 100000);
	assert_int_equal(f->e.kind, ERR_FULL);
	return n;
}

static void
end_batch(struct fixture *f, uint32_t message, enum spool_state state, const char *note)
{
	struct spool_update v[BATCH];
	for (uint32_t i = 0; i < BATCH; i++)
		v[i] = (struct spool_update){ .key = key_of(message, i),
					      .state = state,
					      .due_ms = NOW + 1000 * (int64_t)message + i % 7,
					      .attempted = true,
					      .reason = state == SPOOL_QUEUED ? "uncertain" : "sent",
					      .note = str_of(note) };
	if (spool_update(f->s, v, BATCH, KEEP, &f->e) != 0)
		fail_msg("batch %u: %s", message, f->e.text);
	for (uint32_t i = 0; i < BATCH; i++)
		assert_true(v[i].found);
}

/* ---- the map ---- */

static void
test_map_full(void **state)
{
	struct fixture *f = *state;
	struct spool_job got;
	reopen(f, 4 * MB);
	uint32_t n = fill(f, 0, false);
	assert_true(n > 10);
	assert_non_null(strstr(f->e.text, "state.map_size"));
	assert_non_null(strstr(f->e.text, f->dir));
	/* Nothing of the message that was refused. */
	assert_int_equal(spool_check(f->s), n * BATCH);
	struct spool_key refused = key_of(n, 0);
	assert_int_equal(spool_get(f->s, &refused, f->a, &got, &f->e), 0);
	assert_false(has_message(f, n));
	/* A client that tries an accepted one again is told so. */
	assert_int_equal(add_batch(f, n - 1, false), 0);
	assert_int_equal(add_batch(f, 0, false), 0);
	/* Everything ends, in one commit each and one by one. */
	for (uint32_t i = 1; i < n; i++)
		end_batch(f, i, SPOOL_SENT, "250 2.0.0 Ok: queued as 4Xyz");
	for (uint32_t i = 0; i < BATCH; i++)
		assert_int_equal(update1(f, key_of(0, i), SPOOL_FAILED, NOW, "rejected"), 1);
	assert_int_equal(spool_check(f->s), n * BATCH);
	assert_true(spool_sweep(f->s, NOW + 2 * KEEP, BATCH * 10, &f->e) == BATCH * 10);
	assert_true(spool_sweep(f->s, NOW + 2 * KEEP, 1, &f->e) == 1);
	assert_int_equal(add_batch(f, n, false), 0);
	assert_true(has_message(f, n));
	assert_int_equal(spool_check(f->s), (n - 9) * BATCH - 1);
}

/* All at once: many more pages than the reserve has. */
static void
test_map_full_large_update(void **state)
{
	struct fixture *f = *state;
	reopen(f, 8 * MB);
	uint32_t n = fill(f, 0, false), all = n * BATCH < SPOOL_MAX_BATCH ? n * BATCH : SPOOL_MAX_BATCH;
	struct spool_update *v = calloc(all, sizeof *v);
	for (uint32_t i = 0; i < all; i++)
		v[i] = (struct spool_update){
			.key = key_of(i % n, i / n), .state = SPOOL_SENT, .due_ms = NOW, .reason = "sent"
		};
	if (spool_update(f->s, v, all, KEEP, &f->e) != 0)
		fail_msg("%s", f->e.text);
	for (uint32_t i = 0; i < all; i++)
		assert_true(v[i].found);
	spool_check(f->s);
	free(v);
}

static void
test_map_full_steer_bad_sweep(void **state)
{
	struct fixture *f = *state;
	reopen(f, 4 * MB);
	uint32_t n = fill(f, 0, false);
	struct spool_key keys[BATCH];
	for (uint32_t m = 0; m < n; m++) {
		for (uint32_t i = 0; i < BATCH; i++)
			keys[i] = key_of(m, i);
		assert_int_equal(spool_steer(f->s, SPOOL_HOLD, keys, BATCH, NOW, KEEP, &f->e), BATCH);
	}
	spool_check(f->s);
	for (uint32_t i = 0; i < BATCH; i++)
		if (spool_set_bad(f->s, &keys[i], "broken", &f->e) != 0)
			fail_msg("%s", f->e.text);
	assert_int_equal(spool_bad_count(f->s, &f->e), BATCH);
	assert_int_equal(spool_steer(f->s, SPOOL_DROP, keys, BATCH, NOW, KEEP, &f->e), BATCH);
	for (uint32_t m = 0; m < n - 1; m++) {
		for (uint32_t i = 0; i < BATCH; i++)
			keys[i] = key_of(m, i);
		assert_int_equal(spool_steer(f->s, SPOOL_DROP, keys, BATCH, NOW, KEEP, &f->e), BATCH);
	}
	spool_check(f->s);
	assert_int_equal(spool_sweep(f->s, NOW + KEEP, 4096, &f->e),
			 (n - 1) * BATCH < 4096 ? (n - 1) * BATCH : 4096);
	spool_check(f->s);
	size_t removed;
	struct spool_key anybody = key_of(0, 1);
	assert_int_equal(store_forget(f->s, anybody.rk, &removed, &f->e), 0);
	assert_int_equal(add_batch(f, n, false), 0);
}

/* A delivery report is owed, and finds room when a message does not; but not without end. */
static void
test_owed(void **state)
{
	struct fixture *f = *state;
	reopen(f, 4 * MB);
	uint32_t n = fill(f, 0, false);
	assert_int_equal(add_batch(f, n, true), 0);
	assert_int_equal(add_batch(f, n + 1, false), -1);
	uint32_t m = fill(f, n + 1, true);
	for (uint32_t i = 0; i < m; i++)
		end_batch(f, i, SPOOL_DROPPED, "");
	assert_int_equal(spool_check(f->s), m * BATCH);
}

/* With the writers of a daemon, a group of which one finds no room. */
static void *
adder(void *arg)
{
	struct fixture *f = arg, own = { .s = f->s };
	static atomic_uint next = 1000;
	own.a = arena_new(4096);
	for (;;) {
		if (add_batch(&own, atomic_fetch_add(&next, 1), false) != 0)
			break;
		arena_reset(own.a);
	}
	assert_int_equal(own.e.kind, ERR_FULL);
	arena_free(&own.a);
	return NULL;
}

static void
test_map_full_in_groups(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[4];
	reopen(f, 4 * MB);
	assert_int_equal(store_writer_start(f->s, &f->e), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, adder, f), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	size_t jobs = spool_check(f->s);
	assert_true(jobs > 0 && jobs % BATCH == 0);
	struct spool_job out[BATCH];
	struct spool_update v[BATCH];
	int64_t next;
	int n;
	size_t ended = 0;
	while ((n = spool_due(f->s, INT64_MAX, NULL, NULL, BATCH, f->a, out, &next, &f->e)) > 0) {
		for (int i = 0; i < n; i++)
			v[i] = (struct spool_update){
				.key = out[i].key, .state = SPOOL_SENT, .due_ms = NOW, .reason = "sent"
			};
		assert_int_equal(spool_update(f->s, v, (size_t)n, KEEP, &f->e), 0);
		for (int i = 0; i < n; i++)
			ended += v[i].found;
	}
	assert_int_equal(n, 0);
	assert_int_equal(ended, jobs);
	assert_int_equal(spool_check(f->s), jobs);
}

/* ---- the ledger ---- */

static int
reserve(struct fixture *f, uint32_t n, int64_t now_ms, struct reserve_result *out)
{
	static char decision[900];
	struct cap_request cap = { .limit = 1000000, .window_ms = DAY };
	struct reserve_request rq = { .now_ms = now_ms,
				      .caps = &cap,
				      .ncaps = 1,
				      .decision = str_make(decision, sizeof decision),
				      .decision_keep_ms = DAY };
	struct spool_key k = key_of(7, n);
	memcpy(cap.id, "one cap for all!", 16);
	memcpy(rq.rk, k.rk, 16);
	memcpy(rq.idem, k.rk, 16);
	return store_reserve(f->s, &rq, f->a, out, &f->e);
}

/* No copy without its place; and when decisions have expired there is room, with nobody's help. */
static void
test_ledger_full(void **state)
{
	struct fixture *f = *state;
	struct reserve_result out;
	struct store_stats st;
	uint32_t n = 0;
	reopen(f, MB);
	while (reserve(f, n, NOW, &out) == 0)
		assert_true(++n < 100000);
	assert_int_equal(f->e.kind, ERR_FULL);
	assert_int_equal(store_stats(f->s, &st, &f->e), 0);
	assert_int_equal(st.decisions, n);
	assert_int_equal(st.places, n);
	/* It is there already: found, not refused. */
	assert_int_equal(reserve(f, 5, NOW, &out), -1);
	/* Given back is given back. */
	struct spool_key k = key_of(7, 3);
	assert_int_equal(store_release(f->s, k.rk, k.rk, &f->e), 1);
	int tries = 0;
	while (reserve(f, n, NOW + 2 * DAY, &out) != 0) {
		assert_int_equal(f->e.kind, ERR_FULL);
		assert_true(++tries < 20);
	}
	assert_int_equal(out.status, RESERVE_OK);
}

static void
test_records_full(void **state)
{
	struct fixture *f = *state;
	uint32_t n = 0;
	size_t removed;
	struct spool_key k;
	static char block[3000];
	reopen(f, MB);
	do
		k = key_of(1, n++);
	while (store_profile_put(f->s, k.rk, str_make(block, sizeof block), &f->e) == 0);
	assert_int_equal(f->e.kind, ERR_FULL);
	/* Whoever does not want mail any more is heard, and whoever wants to be forgotten is. */
	const struct suppression_record s = { STR(""), SUPPRESS_UNSUBSCRIBE, NOW, STR(""), 0 };
	const struct consent_record c = { STR("mail"), CONSENT_DENIED, NOW, STR("preferences") };
	for (uint32_t i = 0; i < 150; i++) {
		k = key_of(2, 1000000 + i);
		if (store_suppression_put(f->s, k.rk, &s, &f->e) != 0 ||
		    store_consent_put(f->s, k.rk, &c, &f->e) != 0)
			fail_msg("%u: %s", i, f->e.text);
	}
	for (uint32_t i = 0; i < 20; i++) {
		k = key_of(1, i);
		assert_int_equal(store_forget(f->s, k.rk, &removed, &f->e), 0);
		assert_int_equal(removed, 1);
	}
	assert_int_equal(store_profile_put(f->s, k.rk, str_make(block, sizeof block), &f->e), 0);
}

/* ---- the disk ---- */

/* A disk of this test's own, as small as it likes. Only this process sees it. */
static int
disk_setup(void **state)
{
	static bool apart;
	struct fixture *f = calloc(1, sizeof *f);
	*state = f;
	directory_make(f->dir);
	f->a = arena_new(4096);
	if (!apart && unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		fail_msg("no mount namespace to be had (%s): run as root", strerror(errno));
	apart = true;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", f->dir, "tmpfs", 0, "size=48m") != 0)
		fail_msg("mount: %s", strerror(errno));
	reopen(f, 64 * MB);
	return 0;
}

static int
disk_teardown(void **state)
{
	struct fixture *f = *state;
	store_close(&f->s);
	arena_free(&f->a);
	umount(f->dir);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* Somebody else takes all that is left. */
static void
disk_fill(struct fixture *f)
{
	static char block[4096];
	const char *path = arena_printf(f->a, "%s/filler", f->dir).p;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(fd >= 0);
	memset(block, 'x', sizeof block);
	while (write(fd, block, sizeof block) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void
disk_free(struct fixture *f)
{
	unlink(arena_printf(f->a, "%s/filler", f->dir).p);
}

static void
test_disk_full(void **state)
{
	struct fixture *f = *state;
	struct reserve_result out;
	uint32_t n = 0;
	while (n < 40)
		assert_int_equal(add_batch(f, n++, false), 0);
	assert_int_equal(reserve(f, 0, NOW, &out), 0);
	disk_fill(f);
	/* Refused, and told why; all that was accepted goes on, with the decisions that it takes. */
	assert_int_equal(add_batch(f, n, false), -1);
	assert_int_equal(f->e.kind, ERR_FULL);
	assert_non_null(strstr(f->e.text, "free space on this disk"));
	for (uint32_t m = 0; m < n; m++)
		end_batch(f, m, SPOOL_QUEUED, "451 4.7.1 come back later");
	for (uint32_t i = 1; i < n * BATCH; i++)
		if (reserve(f, i, NOW, &out) != 0)
			fail_msg("reservation %u: %s", i, f->e.text);
	for (uint32_t m = 0; m < n; m++)
		end_batch(f, m, SPOOL_SENT, "250 2.0.0 Ok");
	assert_int_equal(spool_check(f->s), n * BATCH);
	/* The injector is started again meanwhile. */
	reopen(f, 64 * MB);
	assert_int_equal(spool_sweep(f->s, NOW + 2 * KEEP, 4096, &f->e), n * BATCH);
	assert_int_equal(spool_check(f->s), 0);
	disk_free(f);
	assert_int_equal(add_batch(f, n, false), 0);
}

/* Its own growth stops before the disk is full, so that others can go on. */
static void
test_disk_floor(void **state)
{
	struct fixture *f = *state;
	uint32_t n = fill(f, 0, false);
	struct reserve_result out;
	assert_non_null(strstr(f->e.text, "free space on this disk"));
	for (uint32_t i = 0; i < 1000; i++)
		if (reserve(f, i, NOW, &out) != 0)
			fail_msg("reservation %u: %s", i, f->e.text);
	for (uint32_t m = 0; m < n; m++)
		end_batch(f, m, SPOOL_SENT, "250 2.0.0 Ok");
	assert_int_equal(spool_check(f->s), n * BATCH);
}

static int64_t
disk_left(const struct fixture *f)
{
	struct statvfs v;
	assert_int_equal(statvfs(f->dir, &v), 0);
	return (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}

/* Its file does not shrink. Empty again, it takes what is new, and no more of the disk; but not when others
 * have taken half of what was left to them. */
static void
test_disk_floor_again(void **state)
{
	struct fixture *f = *state;
	struct reserve_result out;
	uint32_t n = fill(f, 0, false);
	for (int round = 0; round < 3; round++) {
		const uint32_t from = n;
		for (uint32_t m = round == 0 ? 0 : n - 20; m < n; m++)
			end_batch(f, m, SPOOL_SENT, "250 2.0.0 Ok");
		while (spool_sweep(f->s, NOW + 2 * KEEP, 4096, &f->e) > 0)
			;
		for (uint32_t i = 0; i < 200; i++)
			if (reserve(f, (uint32_t)round * 1000 + i, NOW, &out) != 0)
				fail_msg("reservation %u: %s", i, f->e.text);
		const int64_t left = disk_left(f);
		for (uint32_t end = n + 20; n < end; n++)
			if (add_batch(f, n, false) != 0)
				fail_msg("batch %u of round %d: %s", n - from, round, f->e.text);
		assert_int_equal(disk_left(f), left);
	}
	disk_fill(f);
	assert_int_equal(add_batch(f, n, false), -1);
	assert_int_equal(f->e.kind, ERR_FULL);
	assert_non_null(strstr(f->e.text, "free space on this disk"));
}

/* Neither a signal nor half a database. */
static void
test_disk_full_at_start(void **state)
{
	struct fixture *f = *state;
	struct store_options o = { .map_size = 64 * MB, .create = true };
	o.directory = arena_printf(f->a, "%s/other", f->dir).p;
	assert_int_equal(mkdir(o.directory, 0700), 0);
	disk_fill(f);
	struct store *s = store_open(&o, &f->e);
	assert_null(s);
	assert_int_equal(f->e.kind, ERR_FULL);
	assert_non_null(strstr(f->e.text, "free space on this disk"));
	disk_free(f);
	s = store_open(&o, &f->e);
	if (!s)
		fail_msg("%s", f->e.text);
	store_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_map_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_full_large_update, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_full_steer_bad_sweep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_full_in_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ledger_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_records_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disk_full, disk_setup, disk_teardown),
		cmocka_unit_test_setup_teardown(test_disk_floor, disk_setup, disk_teardown),
		cmocka_unit_test_setup_teardown(test_disk_floor_again, disk_setup, disk_teardown),
		cmocka_unit_test_setup_teardown(test_disk_full_at_start, disk_setup, disk_teardown),
	};
	memset(payload, 'p', sizeof payload);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
