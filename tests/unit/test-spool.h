/* test-spool: what the spool's tests share: a directory, jobs made of numbers, and a look at all tables at
 * once. */
#ifndef MT_TEST_SPOOL_H
#define MT_TEST_SPOOL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/spool-private.h"

#define DAY ((int64_t)86400000)
#define NOW ((int64_t)1760000000000)
#define KEEP (30 * DAY)

struct fixture {
	char dir[64];
	struct store *s;
	struct arena *a;
	struct err e;
};

static inline struct store *
reopen(struct fixture *f, int64_t map_size)
{
	struct store_options o = { .directory = f->dir, .map_size = map_size, .create = true };
	store_close(&f->s);
	f->s = store_open(&o, &f->e);
	if (!f->s)
		fail_msg("%s", f->e.text);
	return f->s;
}

static inline void
directory_make(char dir[64])
{
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, 64, "%s/mt-spool-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
}

static inline void
directory_remove(const char *dir)
{
	char path[512];
	DIR *d = opendir(dir);
	for (struct dirent *x; d && (x = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", dir, x->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

static inline int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	directory_make(f->dir);
	f->a = arena_new(4096);
	reopen(f, (int64_t)64 << 20);
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;
	store_close(&f->s);
	arena_free(&f->a);
	directory_remove(f->dir);
	free(f);
	return 0;
}

/* ---- jobs made of numbers ---- */

/* A recipient's number spreads over its key, as hashes do. */
static inline struct spool_key
key_of(uint32_t message, uint32_t recipient)
{
	struct spool_key k = { { 0 }, { 0 } };
	uint64_t x = recipient * 0x9e3779b97f4a7c15u;
	memcpy(k.message, "message", 7);
	be64_put(k.message + 8, message);
	be64_put(k.rk, x ^ x >> 29);
	be64_put(k.rk + 8, recipient);
	return k;
}

static inline void
content_of(uint32_t n, uint8_t out[16])
{
	memset(out, 'c', 16);
	be64_put(out + 8, n);
}

static inline struct spool_job
job_of(uint32_t message, uint32_t recipient, const char *campaign, int64_t due_ms)
{
	struct spool_job j = { .state = SPOOL_QUEUED,
			       .key = key_of(message, recipient),
			       .campaign = str_of(campaign),
			       .accepted_ms = NOW - 5000,
			       .first_due_ms = due_ms,
			       .due_ms = due_ms,
			       .reason = STR("now"),
			       .payload = STR("sealed payload") };
	spool_campaign_id(j.campaign, j.campaign_id);
	return j;
}

/* Returns how many were added. */
static inline size_t
add_jobs(struct fixture *f, uint32_t content, struct spool_job *jobs, size_t n)
{
	uint8_t c[16];
	size_t count = 0;
	content_of(content, c);
	struct spool_add rq = { .content = c,
				.message = arena_printf(f->a, "sealed message %u", content),
				.jobs = jobs,
				.njobs = n,
				.keep_ms = KEEP,
				.added = ARENA_ARRAY(f->a, bool, n) };
	if (spool_add(f->s, &rq, &f->e) != 0)
		fail_msg("%s", f->e.text);
	for (size_t i = 0; i < n; i++)
		count += rq.added[i];
	return count;
}

static inline size_t
add1(struct fixture *f, uint32_t message, uint32_t recipient, const char *campaign, int64_t due_ms)
{
	struct spool_job j = job_of(message, recipient, campaign, due_ms);
	return add_jobs(f, message, &j, 1);
}

static inline int
update1(struct fixture *f, struct spool_key key, enum spool_state state, int64_t due_ms, const char *reason)
{
	struct spool_update u = { .key = key,
				  .state = state,
				  .due_ms = due_ms,
				  .attempted = true,
				  .reason = reason,
				  .note = STR("250 ok") };
	if (spool_update(f->s, &u, 1, KEEP, &f->e) != 0)
		fail_msg("%s", f->e.text);
	return u.found;
}

static inline bool
has_message(struct fixture *f, uint32_t content)
{
	uint8_t c[16];
	struct buf b = { 0 };
	content_of(content, c);
	int r = spool_message(f->s, c, &b, &f->e);
	assert_in_range(r, 0, 1);
	if (r == 1)
		assert_true(str_eq(buf_str(&b), arena_printf(f->a, "sealed message %u", content)));
	buf_free(&b);
	return r == 1;
}

/* ---- all tables at once ---- */

struct sums {
	uint8_t id[8];
	int64_t count[SPOOL_STATES];
};
struct ref_sum {
	uint8_t content[16];
	int64_t n;
};
struct check {
	struct store *s;
	MDB_txn *txn;
	struct sums c[64];
	size_t nc;
	struct ref_sum *r;
	size_t nr, cap;
	size_t jobs;
};

static inline void
check_ref(struct check *k, const uint8_t content[16])
{
	for (size_t i = 0; i < k->nr; i++)
		if (memcmp(k->r[i].content, content, 16) == 0) {
			k->r[i].n++;
			return;
		}
	if (k->nr == k->cap) {
		k->cap = k->cap ? 2 * k->cap : 64;
		k->r = realloc(k->r, k->cap * sizeof *k->r);
		assert_non_null(k->r);
	}
	memcpy(k->r[k->nr].content, content, 16);
	k->r[k->nr++].n = 1;
}

static inline struct sums *
check_sums(struct check *k, const uint8_t id[8])
{
	for (size_t i = 0; i < k->nc; i++)
		if (memcmp(k->c[i].id, id, 8) == 0)
			return &k->c[i];
	assert_true(k->nc < 64);
	memcpy(k->c[k->nc].id, id, 8);
	return &k->c[k->nc++];
}

/* Every entry of `due` has its job and its key, and they agree. */
static inline void
check_due(struct check *k)
{
	struct spool_walk w = { 0 };
	for (int rc = spool_walk_from(&w, k->txn, k->s->sp.due, STR(""), STR("")); rc == 0;
	     rc = spool_walk_next(&w, STR(""))) {
		struct spool_due_key dk;
		struct spool_due_value dv;
		struct spool_found f;
		struct spool_found by_key;
		assert_int_equal(spool_due_key_decode(w.key, &dk), 0);
		assert_int_equal(spool_due_value_decode(w.val, &dv), 0);
		assert_int_equal(spool_find_number(k->s, k->txn, dk.number, &f), 0);
		assert_true(f.found && !f.damaged);
		assert_int_equal(f.job.state, dv.state);
		assert_int_equal(spool_class_of(f.job.state), dk.class);
		assert_int_equal(f.index_ms, dk.at_ms);
		assert_memory_equal(f.job.campaign_id, dk.campaign, 8);
		assert_memory_equal(&f.job.key, &dv.key, SPOOL_KEY_LEN);
		assert_memory_equal(f.job.content, dv.content, 16);
		assert_int_equal(spool_find(k->s, k->txn, &dv.key, &by_key), 0);
		assert_true(by_key.found);
		assert_int_equal(by_key.number, dk.number);
		check_sums(k, dk.campaign)->count[dv.state]++;
		if (spool_live(dv.state))
			check_ref(k, dv.content);
		k->jobs++;
	}
	spool_walk_end(&w);
}

static inline size_t
check_entries(struct check *k, MDB_dbi dbi)
{
	MDB_stat st;
	assert_int_equal(mdb_stat(k->txn, dbi, &st), 0);
	return st.ms_entries;
}

static inline void
check_bad(struct check *k)
{
	struct spool_walk w = { 0 };
	struct spool_bad_record b;
	for (int rc = spool_walk_from(&w, k->txn, k->s->sp.bad, STR(""), STR("")); rc == 0;
	     rc = spool_walk_next(&w, STR(""))) {
		assert_int_equal(spool_bad_decode(w.val, &b), 0);
		check_ref(k, b.content);
	}
	spool_walk_end(&w);
}

static inline void
check_refs(struct check *k)
{
	MDB_val v;
	int64_t n;
	for (size_t i = 0; i < k->nr; i++) {
		MDB_val key = { 16, k->r[i].content };
		assert_int_equal(mdb_get(k->txn, k->s->sp.refs, &key, &v), 0);
		assert_int_equal(count_decode(str_of_val(v), &n), 0);
		assert_int_equal(n, k->r[i].n);
		assert_int_equal(mdb_get(k->txn, k->s->sp.message, &key, &v), 0);
	}
	assert_int_equal(check_entries(k, k->s->sp.refs), k->nr);
	assert_int_equal(check_entries(k, k->s->sp.message), k->nr);
}

static inline void
check_campaigns(struct check *k)
{
	struct spool_walk w = { 0 };
	struct spool_campaign_record rec;
	size_t n = 0;
	for (int rc = spool_walk_from(&w, k->txn, k->s->sp.campaign, STR(""), STR("")); rc == 0;
	     rc = spool_walk_next(&w, STR(""))) {
		assert_int_equal(spool_campaign_decode(w.val, &rec), 0);
		const struct sums *c = check_sums(k, (const uint8_t *)w.key.p);
		int64_t all = 0;
		for (int i = 0; i < SPOOL_STATES; i++) {
			assert_int_equal(rec.count[i], c->count[i]);
			all += rec.count[i];
		}
		assert_true(all > 0 || rec.paused);
		n++;
	}
	spool_walk_end(&w);
	assert_int_equal(n, k->nc);
}

/* Everything that must hold between any two calls. Returns the number of jobs. */
static inline size_t
spool_check(struct store *s)
{
	struct check k = { .s = s };
	assert_int_equal(mdb_txn_begin(s->spool.env, NULL, MDB_RDONLY, &k.txn), 0);
	check_due(&k);
	check_bad(&k);
	assert_int_equal(check_entries(&k, s->sp.job), k.jobs);
	assert_int_equal(check_entries(&k, s->sp.due), k.jobs);
	assert_int_equal(check_entries(&k, s->sp.key), k.jobs);
	check_refs(&k);
	check_campaigns(&k);
	mdb_txn_abort(k.txn);
	free(k.r);
	return k.jobs;
}

#endif
