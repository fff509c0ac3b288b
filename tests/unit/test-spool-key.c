/*
 * test-spool-key: one message to so many recipients that their keys need several generations and sieves:
 * nobody twice, nobody lost, whatever is removed, damaged, or added by two processes at once.
 */
#include "test-spool.h"

#include <sys/wait.h>

#define MANY 140000 /* a full group of generations, and what begins the next */
#define FEW 40000   /* two full generations and a part */
#define BATCH 4000

/* Recipients first, first + step …; how many were added. */
static size_t
add_many(struct fixture *f, uint32_t message, uint32_t first, uint32_t n, uint32_t step)
{
	static struct spool_job jobs[BATCH];
	size_t added = 0;
	for (uint32_t i = 0; i < n;) {
		uint32_t k = 0;
		for (; k < BATCH && i < n; k++, i++) {
			jobs[k] = job_of(message, first + i * step, "spring", NOW + i);
			jobs[k].payload = STR("p");
		}
		added += add_jobs(f, message, jobs, k);
		arena_reset(f->a);
	}
	return added;
}

static size_t
entries(struct fixture *f, MDB_dbi dbi)
{
	MDB_txn *txn;
	MDB_stat st;
	assert_int_equal(mdb_txn_begin(f->s->spool.env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_stat(txn, dbi, &st), 0);
	mdb_txn_abort(txn);
	return st.ms_entries;
}

static void
sieve_key(uint32_t message, uint32_t group, uint8_t at[SPOOL_GENERATION_KEY])
{
	struct spool_key key = key_of(message, 0);
	memset(at, 0, SPOOL_GENERATION_KEY);
	memcpy(at, key.message, sizeof key.message);
	at[SPOOL_GENERATION_KEY - 1] = (uint8_t)group;
}

/* Appends a sieve as it is on disk; false when there is none. */
static bool
sieve_get(struct fixture *f, uint32_t message, uint32_t group, struct buf *out)
{
	uint8_t at[SPOOL_GENERATION_KEY];
	MDB_txn *txn;
	sieve_key(message, group, at);
	MDB_val k = { sizeof at, at }, v;
	assert_int_equal(mdb_txn_begin(f->s->spool.env, NULL, MDB_RDONLY, &txn), 0);
	int rc = mdb_get(txn, f->s->sp.sieve, &k, &v);
	if (rc == 0)
		buf_adds(out, str_of_val(v));
	mdb_txn_abort(txn);
	return rc == 0;
}

static void
sieve_set(struct fixture *f, uint32_t message, uint32_t group, struct str bytes)
{
	uint8_t at[SPOOL_GENERATION_KEY];
	MDB_txn *txn;
	sieve_key(message, group, at);
	MDB_val k = { sizeof at, at }, v = val_of(bytes);
	assert_int_equal(mdb_txn_begin(f->s->spool.env, NULL, 0, &txn), 0);
	assert_int_equal(
	    bytes.p ? mdb_put(txn, f->s->sp.sieve, &k, &v, 0) : mdb_del(txn, f->s->sp.sieve, &k, NULL), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
}

static bool
there(struct fixture *f, uint32_t message, uint32_t recipient)
{
	struct spool_key key = key_of(message, recipient);
	struct spool_job j;
	int r = spool_get(f->s, &key, f->a, &j, &f->e);
	assert_in_range(r, 0, 1);
	if (r == 1)
		assert_memory_equal(&j.key, &key, SPOOL_KEY_LEN);
	arena_reset(f->a);
	return r == 1;
}

static bool
count_one(void *ctx, const struct spool_job *j)
{
	(void)j;
	++*(size_t *)ctx;
	return true;
}

/* ---- generations ---- */

static void
test_nobody_twice(void **state)
{
	struct fixture *f = *state;
	reopen(f, (int64_t)512 << 20);
	assert_int_equal(add_many(f, 1, 0, MANY, 1), MANY);
	/* Neighbours in the table are not touched. */
	assert_int_equal(add_many(f, 0, 0, 10, 1), 10);
	assert_int_equal(add_many(f, 2, 0, 10, 1), 10);
	assert_int_equal(spool_check(f->s), MANY + 20);
	/* Again, in other batches; the second half is new. */
	assert_int_equal(add_many(f, 1, 3, MANY / 7, 7), 0);
	assert_int_equal(add_many(f, 1, MANY - 2000, 4000, 1), 2000);
	assert_int_equal(add_many(f, 1, 0, MANY + 2000, 1), 0);
	/* Two sieves, for all generations but the last. */
	struct buf b = { 0 };
	assert_int_equal(entries(f, f->s->sp.sieve), 1);
	assert_true(sieve_get(f, 1, 0, &b));
	assert_int_equal(spool_sieve_end(buf_str(&b)), SPOOL_SIEVE_GENERATIONS);
	assert_int_equal(add_many(f, 1, MANY + 2000, 6000, 1), 6000);
	assert_int_equal(add_many(f, 1, MANY + 8000, 1, 1), 1);
	assert_int_equal(entries(f, f->s->sp.sieve), 2);
	buf_reset(&b);
	assert_true(sieve_get(f, 1, SPOOL_SIEVE_GENERATIONS, &b));
	assert_int_equal(spool_sieve_end(buf_str(&b)), SPOOL_SIEVE_GENERATIONS + 1);
	buf_free(&b);
	assert_int_equal(spool_check(f->s), MANY + 8021);
	assert_false(there(f, 1, MANY + 8001));
	assert_true(there(f, 1, MANY + 8000));
}

static void
test_by_id(void **state)
{
	struct fixture *f = *state;
	struct spool_key key;
	char id[26];
	assert_int_equal(add_many(f, 1, 0, FEW, 1), FEW);
	for (uint32_t i = 0; i < FEW; i += 3001) {
		size_t n = 0;
		key = key_of(1, i);
		spool_id(&key, id);
		const struct spool_filter one = { .state = -1, .id = str_of(id) };
		assert_int_equal(spool_each(f->s, &one, count_one, &n, &f->e), 0);
		assert_int_equal(n, 1);
	}
	/* Every one, over many stretches and the ends of generations. */
	size_t n = 0;
	const struct spool_filter all = { .state = -1, .id = str_make(id, 13) };
	assert_int_equal(spool_each(f->s, &all, count_one, &n, &f->e), 0);
	assert_int_equal(n, FEW);
}

static void
test_removal(void **state)
{
	struct fixture *f = *state;
	struct spool_key keys[100];
	assert_int_equal(add_many(f, 1, 0, FEW, 1), FEW);
	assert_int_equal(entries(f, f->s->sp.sieve), 1);
	/* Some of the first generation end and are forgotten, and come again: into the last. */
	for (uint32_t i = 0; i < 100; i++)
		keys[i] = key_of(1, i * 5);
	assert_int_equal(spool_steer(f->s, SPOOL_DROP, keys, 100, NOW, KEEP, &f->e), 100);
	assert_int_equal(add_many(f, 1, 0, 100, 5), 0);
	assert_int_equal(spool_sweep(f->s, NOW + KEEP, 1000, &f->e), 100);
	assert_int_equal(spool_check(f->s), FEW - 100);
	assert_false(there(f, 1, 5));
	assert_int_equal(add_many(f, 1, 0, 100, 5), 100);
	assert_int_equal(add_many(f, 1, 0, FEW, 1), 0);
	assert_int_equal(spool_check(f->s), FEW);
	/* A bad one keeps its key. */
	assert_int_equal(spool_set_bad(f->s, &keys[7], "broken", &f->e), 0);
	assert_int_equal(add_many(f, 1, 35, 1, 1), 0);
	assert_int_equal(spool_steer(f->s, SPOOL_RETRY, &keys[7], 1, NOW, KEEP, &f->e), 1);
	assert_int_equal(add_many(f, 1, 35, 1, 1), 0);
	/* Somebody is erased, and is a stranger afterwards. */
	size_t removed;
	assert_int_equal(store_forget(f->s, keys[3].rk, &removed, &f->e), 0);
	assert_int_equal(removed, 1);
	assert_false(there(f, 1, 15));
	assert_int_equal(spool_check(f->s), FEW - 1);
	/* All: nothing is left behind, of the sieve neither. */
	for (uint32_t i = 0; i < FEW; i += 100) {
		for (uint32_t k = 0; k < 100; k++)
			keys[k] = key_of(1, i + k);
		assert_in_range(spool_steer(f->s, SPOOL_DROP, keys, 100, NOW, KEEP, &f->e), 99, 100);
	}
	while (spool_sweep(f->s, NOW + KEEP, SPOOL_MAX_BATCH, &f->e) > 0)
		;
	assert_int_equal(spool_check(f->s), 0);
	assert_int_equal(entries(f, f->s->sp.sieve), 0);
	assert_int_equal(add_many(f, 1, 0, 10, 1), 10);
}

/* The last generation goes before the full ones, whose sieve knows nothing of those who come then. */
static void
test_last_generation_goes(void **state)
{
	struct fixture *f = *state;
	struct spool_key keys[100];
	const uint32_t left = 32000; /* of the second generation some go, too, so that it is full no more */
	assert_int_equal(add_many(f, 1, 0, FEW, 1), FEW);
	for (uint32_t i = left; i < FEW; i += 100) {
		for (uint32_t k = 0; k < 100; k++)
			keys[k] = key_of(1, i + k);
		assert_int_equal(spool_steer(f->s, SPOOL_DROP, keys, 100, NOW, KEEP, &f->e), 100);
	}
	while (spool_sweep(f->s, NOW + KEEP, SPOOL_MAX_BATCH, &f->e) > 0)
		;
	assert_int_equal(spool_check(f->s), left);
	assert_int_equal(entries(f, f->s->sp.sieve), 1);
	assert_int_equal(add_many(f, 1, FEW, 500, 1), 500);
	for (uint32_t i = FEW; i < FEW + 500; i++)
		assert_true(there(f, 1, i));
	assert_int_equal(add_many(f, 1, FEW, 500, 1), 0);
	assert_int_equal(update1(f, key_of(1, FEW), SPOOL_SENT, NOW, "sent"), 1);
	assert_int_equal(spool_check(f->s), left + 500);
}

/* Damages the one block of a sieve that is asked for this key. */
static void
sieve_harm(struct fixture *f, uint32_t message, const uint8_t rk[16])
{
	struct buf b = { 0 };
	assert_true(sieve_get(f, message, 0, &b));
	for (size_t at = 48; at < b.n; at += 64) {
		b.p[at] = (char)(b.p[at] ^ 0x10);
		if (spool_sieve_look(buf_str(&b), rk) == SPOOL_SIEVE_DAMAGED)
			break;
		b.p[at] = (char)(b.p[at] ^ 0x10);
	}
	assert_int_equal(spool_sieve_look(buf_str(&b), rk), SPOOL_SIEVE_DAMAGED);
	sieve_set(f, message, 0, buf_str(&b));
	buf_free(&b);
}

/* The same, and a part of the sieve is damaged: one by one, so that few ask for that part. */
static void
test_last_generation_goes_damaged(void **state)
{
	struct fixture *f = *state;
	struct spool_key keys[100];
	const uint32_t left = 32000;
	assert_int_equal(add_many(f, 1, 0, FEW, 1), FEW);
	for (uint32_t i = left; i < FEW; i += 100) {
		for (uint32_t k = 0; k < 100; k++)
			keys[k] = key_of(1, i + k);
		assert_int_equal(spool_steer(f->s, SPOOL_DROP, keys, 100, NOW, KEEP, &f->e), 100);
	}
	while (spool_sweep(f->s, NOW + KEEP, SPOOL_MAX_BATCH, &f->e) > 0)
		;
	for (uint32_t i = FEW; i < FEW + 20; i++) {
		keys[0] = key_of(1, i);
		if (i < FEW + 10 && entries(f, f->s->sp.sieve) > 0)
			sieve_harm(f, 1, keys[0].message);
		assert_int_equal(add_many(f, 1, i, 1, 1), 1);
		assert_true(there(f, 1, i));
		assert_int_equal(add_many(f, 1, i, 1, 1), 0);
	}
	assert_int_equal(add_many(f, 1, 0, left, 1), 0);
	assert_int_equal(spool_check(f->s), left + 20);
}

/* The entry of a job that is gone hides nobody. */
static void
test_stale_entry(void **state)
{
	struct fixture *f = *state;
	uint8_t entry[SPOOL_ENTRY_LEN], at[SPOOL_GENERATION_KEY];
	struct spool_key key = key_of(1, 7);
	MDB_txn *txn;
	add1(f, 1, 1, "spring", NOW);
	memcpy(entry, key.rk, sizeof key.rk);
	be64_put(entry + 16, 5000);
	sieve_key(1, 0, at);
	MDB_val k = { sizeof at, at }, v = { sizeof entry, entry };
	assert_int_equal(mdb_txn_begin(f->s->spool.env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_put(txn, f->s->sp.key, &k, &v, 0), 0);
	/* One that points at somebody else's job. */
	be64_put(entry + 16, 0);
	assert_int_equal(mdb_put(txn, f->s->sp.key, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	assert_false(there(f, 1, 7));
	assert_int_equal(add1(f, 1, 7, "spring", NOW), 1);
	assert_true(there(f, 1, 7));
	assert_int_equal(add1(f, 1, 7, "spring", NOW), 0);
	assert_int_equal(update1(f, key, SPOOL_SENT, NOW, "sent"), 1);
}

/* ---- damage ---- */

/* Whatever the sieve says, those who are there are not added, and strangers are. */
static void
still_right(struct fixture *f, uint32_t *strangers)
{
	for (uint32_t i = 0; i < FEW; i += 997)
		assert_true(there(f, 1, i));
	assert_false(there(f, 1, *strangers));
	assert_int_equal(add_many(f, 1, 0, FEW, 1), 0);
	assert_int_equal(add_many(f, 1, *strangers, 1, 1), 1);
	++*strangers;
}

static void
test_damaged_sieve(void **state)
{
	struct fixture *f = *state;
	struct buf good = { 0 }, b = { 0 };
	uint32_t strangers = FEW;
	assert_int_equal(add_many(f, 1, 0, FEW, 1), FEW);
	assert_true(sieve_get(f, 1, 0, &good));
	/* Every bit of it lost; ends before its time, or behind; too long, too short, empty; not there. */
	const size_t head = 48;
	for (int way = 0; way < 8; way++) {
		buf_reset(&b);
		buf_adds(&b, buf_str(&good));
		if (way == 0)
			memset(b.p + head, 0, b.n - head);
		else if (way < 4)
			b.p[3] = (char)(way == 1 ? 1 : way == 2 ? SPOOL_SIEVE_GENERATIONS : 200);
		else if (way < 6)
			b.n -= way == 4 ? 64 : 1;
		else if (way == 6)
			b.n = 0;
		sieve_set(f, 1, 0, way == 7 ? STR_NULL : buf_str(&b));
		still_right(f, &strangers);
		buf_reset(&b);
		assert_true(sieve_get(f, 1, 0, &b));
		assert_true(str_eq(buf_str(&b), buf_str(&good))); /* made again */
	}
	assert_int_equal(spool_check(f->s), strangers);
	buf_free(&good);
	buf_free(&b);
}

/* One byte changed anywhere: nobody who is a member passes for a stranger. */
static void
test_sieve(void **state)
{
	struct spool_sieve v;
	struct spool_key key;
	size_t strangers = 0;
	(void)state;
	assert_true(spool_sieve_begin(&v, 5000));
	for (uint32_t i = 0; i < 5000; i++)
		key = key_of(1, i), spool_sieve_add(&v, key.rk);
	spool_sieve_close(&v, 3);
	const struct str bytes = str_make((char *)v.p, v.n);
	assert_int_equal(spool_sieve_end(bytes), 3);
	for (uint32_t i = 0; i < 5000; i++) {
		key = key_of(1, i);
		assert_int_equal(spool_sieve_look(bytes, key.rk), SPOOL_SIEVE_MAYBE);
	}
	for (uint32_t i = 5000; i < 105000; i++) {
		key = key_of(1, i);
		strangers += spool_sieve_look(bytes, key.rk) != SPOOL_SIEVE_NO;
	}
	assert_in_range(strangers, 0, 300);
	for (size_t at = 0; at < v.n; at += at < 64 ? 1 : 7) {
		v.p[at] ^= 0x10;
		for (uint32_t i = 0; i < 5000; i += 11) {
			key = key_of(1, i);
			assert_int_not_equal(spool_sieve_look(bytes, key.rk), SPOOL_SIEVE_NO);
		}
		v.p[at] ^= 0x10;
	}
	free(v.p);
}

/* ---- a spool of an earlier version ---- */

/* Its keys lie otherwise: it is refused, and told why, before anything is read as what it is not. */
static void
test_earlier_version(void **state)
{
	struct fixture *f = *state;
	struct store_options o = { .directory = f->dir, .create = true };
	uint8_t rec[COUNT_RECORD_LEN];
	MDB_val k = val_of(STR("schema")), v = { sizeof rec, rec };
	MDB_txn *txn;
	count_encode(SPOOL_SCHEMA_VERSION - 1, rec);
	assert_int_equal(mdb_txn_begin(f->s->spool.env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_put(txn, f->s->spool.main, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	store_close(&f->s);
	assert_null(store_open(&o, &f->e));
	assert_int_equal(f->e.kind, ERR_CONFIG);
	assert_non_null(strstr(f->e.text, "spool.mdb has version 1, this program speaks version 2"));
}

/* ---- two processes ---- */

#define RACERS 2

static void
racer(struct fixture *f, uint32_t number, int fd)
{
	struct store_options o = { .directory = f->dir, .map_size = (int64_t)256 << 20 };
	struct store *s = store_open(&o, &f->e);
	struct fixture own = { .s = s, .a = arena_new(4096) };
	/* Each in an order of its own, so that both meet what the other added in all generations. */
	uint32_t added = s ? (uint32_t)(number == 0 ? add_many(&own, 1, 0, FEW, 1)
						    : add_many(&own, 1, FEW - 1, FEW, UINT32_MAX))
			   : 0;
	bool told = write(fd, &added, sizeof added) == (ssize_t)sizeof added;
	store_close(&own.s);
	arena_free(&own.a);
	_exit(s && told ? 0 : 1);
}

static void
test_processes_race(void **state)
{
	struct fixture *f = *state;
	int pipes[RACERS][2], status;
	pid_t pid[RACERS];
	uint32_t sum = 0, added[RACERS];
	reopen(f, (int64_t)256 << 20);
	store_close(&f->s); /* an environment is not carried over a fork */
	for (uint32_t i = 0; i < RACERS; i++) {
		assert_int_equal(pipe(pipes[i]), 0);
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			racer(f, i, pipes[i][1]);
		close(pipes[i][1]);
	}
	for (int i = 0; i < RACERS; i++) {
		assert_int_equal(read(pipes[i][0], &added[i], sizeof added[i]), sizeof added[i]);
		waitpid(pid[i], &status, 0);
		assert_int_equal(status, 0);
		close(pipes[i][0]);
		sum += added[i];
	}
	assert_int_equal(sum, FEW);
	reopen(f, (int64_t)256 << 20);
	assert_int_equal(spool_check(f->s), FEW);
	assert_int_equal(add_many(f, 1, 0, FEW, 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nobody_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_by_id, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_generation_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_generation_goes_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_sieve, setup, teardown),
		cmocka_unit_test(test_sieve),
		cmocka_unit_test_setup_teardown(test_earlier_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_processes_race, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
