/*
 * test-store: tables, sliding caps, views, forget, damaged records, full maps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store-private.h"

#define DAY ((int64_t)86400000)
#define NOW ((int64_t)1760000000000)

struct fixture {
	char dir[64];
	struct store *s;
	struct arena *a;
	struct err e;
};

static struct store *
reopen(struct fixture *f, int64_t map_size)
{
	struct store_options o = { .directory = f->dir, .map_size = map_size, .create = true };
	store_close(&f->s);
	f->s = store_open(&o, &f->e);
	if (!f->s)
		fail_msg("%s", f->e.text);
	return f->s;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");
	snprintf(f->dir, sizeof f->dir, "%s/mt-store-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->a = arena_new(4096);
	reopen(f, (int64_t)64 << 20);
	*state = f;
	return 0;
}

static void
remove_directory(const char *dir)
{
	char path[512];
	DIR *d = opendir(dir);
	if (!d)
		return;
	for (struct dirent *x; (x = readdir(d));) {
		snprintf(path, sizeof path, "%s/%s", dir, x->d_name);
		unlink(path);
	}
	closedir(d);
	rmdir(dir);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	store_close(&f->s);
	arena_free(&f->a);
	remove_directory(f->dir);
	free(f);
	return 0;
}

static void
key_make(uint8_t out[16], const char *kind, uint64_t n)
{
	memset(out, 0, 16);
	memcpy(out, kind, strlen(kind) < 8 ? strlen(kind) : 8);
	be64_put(out + 8, n);
}

/* One reservation with one cap. */
static struct reserve_result
reserve1(struct fixture *f, uint64_t copy, uint64_t cap, int64_t limit, int64_t window, int64_t now,
	 int64_t keep)
{
	struct cap_request c = { .limit = limit, .window_ms = window };
	struct reserve_request rq = { .now_ms = now, .caps = &c, .ncaps = 1, .decision_keep_ms = keep };
	struct reserve_result out;
	key_make(c.id, "cap", cap);
	key_make(rq.idem, "idem", copy);
	key_make(rq.rk, "rk", cap);
	rq.decision = arena_printf(f->a, "decision %llu", (unsigned long long)copy);
	if (store_reserve(f->s, &rq, f->a, &out, &f->e) != 0)
		fail_msg("%s", f->e.text);
	return out;
}

static int64_t
used(struct fixture *f, uint64_t cap, int64_t window, int64_t now, int64_t *oldest)
{
	struct cap_request c = { .limit = 1, .window_ms = window };
	int64_t n, o;
	key_make(c.id, "cap", cap);
	assert_int_equal(store_cap_count(f->s, &c, now, &n, oldest ? oldest : &o, &f->e), 0);
	return n;
}

static struct store_stats
stats(struct fixture *f)
{
	struct store_stats st;
	assert_int_equal(store_stats(f->s, &st, &f->e), 0);
	return st;
}

static void
test_profile_and_modes(void **state)
{
	struct fixture *f = *state;
	uint8_t rk[16];
	struct str got;
	struct stat st;
	char path[128];
	key_make(rk, "rk", 1);
	assert_int_equal(store_profile_get(f->s, rk, f->a, &got, &f->e), 0);
	assert_int_equal(store_profile_put(f->s, rk, STR("sealed"), &f->e), 0);
	assert_int_equal(store_profile_put(f->s, rk, STR("sealed again"), &f->e), 0);
	assert_int_equal(store_profile_get(f->s, rk, f->a, &got, &f->e), 1);
	assert_true(str_eq(got, STR("sealed again")));
	assert_int_equal(store_profile_put(f->s, rk, str_make("", STORE_MAX_PROFILE + 1), &f->e), -1);
	assert_int_equal(f->e.kind, ERR_LIMIT);
	snprintf(path, sizeof path, "%s/records.mdb", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	reopen(f, 0);
	assert_int_equal(store_profile_get(f->s, rk, f->a, &got, &f->e), 1);
}

static void
test_open_errors(void **state)
{
	struct fixture *f = *state;
	char missing[128];
	struct store_options o = { .directory = missing };
	struct stat st;
	snprintf(missing, sizeof missing, "%s/sub", f->dir);
	assert_null(store_open(&o, &f->e));
	assert_int_equal(f->e.kind, ERR_MISSING);
	o.create = true;
	struct store *s = store_open(&o, &f->e);
	assert_non_null(s);
	assert_int_equal(stat(missing, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	store_close(&s);
	o.create = false;
	o.read_only = true;
	s = store_open(&o, &f->e);
	assert_non_null(s);
	uint8_t rk[16] = { 0 };
	struct str got;
	assert_int_equal(store_profile_get(s, rk, f->a, &got, &f->e), 0);
	assert_int_equal(store_profile_put(s, rk, STR("x"), &f->e), -1);
	assert_int_equal(f->e.kind, ERR_PERM);
	store_close(&s);
	remove_directory(missing);
}

static enum op_result
op_other_schema(struct store_txn *t, void *arg, struct err *e)
{
	uint8_t rec[COUNT_RECORD_LEN];
	const int *version = arg;
	(void)e;
	count_encode(*version, rec);
	return txn_put(t, t->lane->main, STR("schema"), str_of_key(rec, sizeof rec));
}

static void
test_schema_version(void **state)
{
	struct fixture *f = *state;
	struct store_options o = { .directory = f->dir, .create = true };
	int version = STORE_SCHEMA_VERSION + 1;
	assert_int_equal(store_submit(f->s, &f->s->books, op_other_schema, &version, &f->e), 0);
	store_close(&f->s);
	assert_null(store_open(&o, &f->e));
	assert_int_equal(f->e.kind, ERR_CONFIG);
	assert_non_null(strstr(f->e.text, "version 2"));
	assert_non_null(strstr(f->e.text, "version 1"));
}

static int64_t
records_schema(struct store *s)
{
	MDB_val k = val_of(STR("schema")), v;
	MDB_txn *txn;
	int64_t version = -1;
	assert_int_equal(mdb_txn_begin(s->records.env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_get(txn, s->records.main, &k, &v), 0);
	assert_int_equal(count_decode(str_of_val(v), &version), 0);
	mdb_txn_abort(txn);
	return version;
}

/* An older program reads on what it knows, and refuses what it does not. */
static void
test_schema_raised(void **state)
{
	struct fixture *f = *state;
	struct store_options o = { .directory = f->dir, .create = true };
	const struct suppression_record r = { .reason = SUPPRESS_MANUAL, .at_ms = NOW };
	const uint8_t rk[16] = { 1 };
	int version = 1;
	assert_int_equal(store_submit(f->s, &f->s->records, op_other_schema, &version, &f->e), 0);
	store_close(&f->s);
	f->s = store_open(&o, &f->e);
	assert_non_null(f->s);
	assert_int_equal(store_profile_put(f->s, rk, STR("x"), &f->e), 0);
	assert_int_equal(records_schema(f->s), 1);
	assert_int_equal(store_suppression_put(f->s, rk, &r, &f->e), 0);
	assert_int_equal(records_schema(f->s), RECORD_SCHEMA_VERSION);
}

static void
test_cap_window(void **state)
{
	struct fixture *f = *state;
	int64_t oldest;
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(reserve1(f, i, 7, 3, DAY, NOW + (int64_t)i * 1000, 30 * DAY).status,
				 RESERVE_OK);
	struct reserve_result r = reserve1(f, 3, 7, 3, DAY, NOW + 3000, 30 * DAY);
	assert_int_equal(r.status, RESERVE_CAPPED);
	assert_int_equal(r.capped, 0);
	assert_int_equal(r.capped_until_ms, NOW + DAY);
	assert_int_equal(used(f, 7, DAY, NOW + 3000, &oldest), 3);
	assert_int_equal(oldest, NOW);
	/* A place counts while its time > now - window: at exactly one window it has left. */
	assert_int_equal(reserve1(f, 3, 7, 3, DAY, NOW + DAY - 1, 30 * DAY).status, RESERVE_CAPPED);
	assert_int_equal(reserve1(f, 3, 7, 3, DAY, NOW + DAY, 30 * DAY).status, RESERVE_OK);
	assert_int_equal(reserve1(f, 4, 7, 3, DAY, NOW + DAY, 30 * DAY).status, RESERVE_CAPPED);
	assert_int_equal(used(f, 7, DAY, NOW + DAY, NULL), 3);
	assert_int_equal(stats(f).places, 3);
	assert_int_equal(used(f, 7, DAY, NOW + 10 * DAY, &oldest), 0);
	assert_int_equal(oldest, 0);
}

static void
test_again(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(reserve1(f, 1, 1, 1, DAY, NOW, 10 * DAY).status, RESERVE_OK);
	int64_t commits = stats(f).commits;
	struct reserve_result r = reserve1(f, 1, 1, 1, DAY, NOW + 5, 10 * DAY);
	assert_int_equal(r.status, RESERVE_AGAIN);
	assert_true(str_eq(r.decision, STR("decision 1")));
	assert_int_equal(used(f, 1, DAY, NOW + 5, NULL), 1);
	/* Neither "again" nor "capped" costs a commit. */
	assert_int_equal(reserve1(f, 2, 1, 1, DAY, NOW + 5, 10 * DAY).status, RESERVE_CAPPED);
	assert_int_equal(stats(f).commits, commits);
	/* The window has passed, the record has not expired: still the same decision, no new place. */
	r = reserve1(f, 1, 1, 1, DAY, NOW + 2 * DAY, 10 * DAY);
	assert_int_equal(r.status, RESERVE_AGAIN);
	/* Expired: a fresh reservation. */
	r = reserve1(f, 1, 1, 1, DAY, NOW + 10 * DAY, 10 * DAY);
	assert_int_equal(r.status, RESERVE_OK);
	assert_int_equal(used(f, 1, DAY, NOW + 10 * DAY, NULL), 1);
	assert_int_equal(stats(f).decisions, 1);
	assert_int_equal(stats(f).places, 1);
}

static void
test_decision_outlives_its_places(void **state)
{
	struct fixture *f = *state;
	/* Kept for a second, but its place counts for a day: the record stays, and stays idempotent. */
	assert_int_equal(reserve1(f, 1, 1, 2, DAY, NOW, 1000).status, RESERVE_OK);
	assert_int_equal(reserve1(f, 1, 1, 2, DAY, NOW + DAY - 1, 1000).status, RESERVE_AGAIN);
	assert_int_equal(reserve1(f, 1, 1, 2, DAY, NOW + DAY, 1000).status, RESERVE_OK);
}

static void
test_limit_changes(void **state)
{
	struct fixture *f = *state;
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(reserve1(f, i, 1, 10, DAY, NOW + (int64_t)i, DAY).status, RESERVE_OK);
	assert_int_equal(reserve1(f, 50, 1, 3, DAY, NOW + 20, DAY).status, RESERVE_CAPPED);
	assert_int_equal(reserve1(f, 50, 1, 11, DAY, NOW + 20, DAY).status, RESERVE_OK);
	/* Lowered to 3: free only when two or fewer of the eleven are left. */
	assert_int_equal(reserve1(f, 51, 1, 3, DAY, NOW + DAY + 7, DAY).status, RESERVE_CAPPED);
	assert_int_equal(reserve1(f, 51, 1, 3, DAY, NOW + DAY + 8, DAY).status, RESERVE_OK);
	assert_int_equal(used(f, 1, DAY, NOW + DAY + 8, NULL), 3);
}

static void
test_clock_backwards(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(reserve1(f, 1, 1, 2, DAY, NOW, DAY).status, RESERVE_OK);
	assert_int_equal(reserve1(f, 2, 1, 2, DAY, NOW + 1, DAY).status, RESERVE_OK);
	assert_int_equal(reserve1(f, 3, 1, 2, DAY, NOW - 3 * DAY, DAY).status, RESERVE_CAPPED);
	assert_int_equal(reserve1(f, 1, 1, 2, DAY, NOW - 3 * DAY, DAY).status, RESERVE_AGAIN);
	assert_int_equal(used(f, 1, DAY, NOW - 3 * DAY, NULL), 2);
}

static void
test_all_or_none(void **state)
{
	struct fixture *f = *state;
	struct cap_request c[3] = { { .limit = 5, .window_ms = DAY },
				    { .limit = 1, .window_ms = DAY },
				    { .limit = 5, .window_ms = 7 * DAY } };
	struct reserve_request rq = { .now_ms = NOW, .caps = c, .ncaps = 3, .decision_keep_ms = DAY };
	struct reserve_result out;
	for (uint64_t i = 0; i < 3; i++)
		key_make(c[i].id, "cap", 100 + i);
	key_make(rq.rk, "rk", 1);
	key_make(rq.idem, "idem", 1);
	assert_int_equal(store_reserve(f->s, &rq, f->a, &out, &f->e), 0);
	assert_int_equal(out.status, RESERVE_OK);
	key_make(rq.idem, "idem", 2);
	assert_int_equal(store_reserve(f->s, &rq, f->a, &out, &f->e), 0);
	assert_int_equal(out.status, RESERVE_CAPPED);
	assert_int_equal(out.capped, 1);
	assert_int_equal(used(f, 100, DAY, NOW, NULL), 1);
	assert_int_equal(used(f, 102, DAY, NOW, NULL), 1);
	/* Release gives all of them back, once. */
	key_make(rq.idem, "idem", 1);
	assert_int_equal(store_release(f->s, rq.rk, rq.idem, &f->e), 1);
	assert_int_equal(store_release(f->s, rq.rk, rq.idem, &f->e), 0);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(used(f, 100 + i, DAY, NOW, NULL), 0);
	assert_int_equal(stats(f).decisions, 0);
	assert_int_equal(stats(f).places, 0);
	/* No caps at all: only the decision is kept. */
	rq.ncaps = 0;
	assert_int_equal(store_reserve(f->s, &rq, f->a, &out, &f->e), 0);
	assert_int_equal(out.status, RESERVE_OK);
	assert_int_equal(store_reserve(f->s, &rq, f->a, &out, &f->e), 0);
	assert_int_equal(out.status, RESERVE_AGAIN);
	c[1] = c[0];
	rq.ncaps = 2;
	assert_int_equal(store_reserve(f->s, &rq, f->a, &out, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_BUG);
}

static void
test_expiry_is_bounded_and_complete(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(store_batch_begin(f->s, &f->e), 0);
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(reserve1(f, i, 1000 + i, 1, 1000, NOW, 1000).status, RESERVE_OK);
	assert_int_equal(store_batch_end(f->s, true, &f->e), 0);
	assert_int_equal(stats(f).decisions, 300);
	assert_int_equal(stats(f).places, 300);
	/* Later reservations of other recipients sweep them away, a bounded step at a time, with their
	 * places. */
	assert_int_equal(reserve1(f, 1000, 1, 1000, DAY, NOW + DAY, DAY).status, RESERVE_OK);
	assert_true(stats(f).decisions > 1);
	for (uint64_t i = 0; i < 500; i++)
		assert_int_equal(reserve1(f, 2000 + i, 1, 1000, DAY, NOW + DAY, DAY).status, RESERVE_OK);
	assert_int_equal(stats(f).decisions, 501);
	assert_int_equal(stats(f).places, 501);
}

static void
test_neighbours_expire_at_once(void **state)
{
	struct fixture *f = *state;
	for (uint64_t day = 0; day < 100; day++) {
		f->s->sweep_wait = 1000; /* no sweep */
		assert_int_equal(
		    reserve1(f, day * 7919 % 1000, 1, 5, DAY, NOW + (int64_t)day * DAY, 5 * DAY).status,
		    RESERVE_OK);
		assert_in_range(stats(f).decisions, 1, 10);
	}
}

/* A model in memory against the store, with releases, two caps, a clock that jumps, and expiry. */
#define MODEL_COPIES 400
#define MODEL_CAPS 3
struct model {
	bool there[MODEL_COPIES];
	int64_t at[MODEL_COPIES], expires[MODEL_COPIES];
};

static int64_t
model_used(const struct model *m, unsigned cap, int64_t window, int64_t now)
{
	int64_t n = 0;
	for (unsigned i = 0; i < MODEL_COPIES; i++)
		n += m->there[i] && (i % MODEL_CAPS == cap) && m->at[i] > now - window;
	return n;
}

static void
test_against_model(void **state)
{
	struct fixture *f = *state;
	struct model m = { 0 };
	static const int64_t windows[MODEL_CAPS] = { 500, 2000, 9000 };
	unsigned seed = 4711;
	int64_t now = NOW;
	assert_int_equal(store_batch_begin(f->s, &f->e), 0);
	for (int step = 0; step < 20000; step++) {
		unsigned i = (unsigned)rand_r(&seed) % MODEL_COPIES, cap = i % MODEL_CAPS;
		int64_t limit = 1 + rand_r(&seed) % 40;
		uint8_t rk[16], idem[16];
		now += rand_r(&seed) % 20;
		key_make(rk, "rk", cap);
		key_make(idem, "idem", i);
		if (rand_r(&seed) % 8 == 0) {
			/* What has expired may be there still, or not: not asked for. */
			if (m.there[i] && m.expires[i] <= now)
				continue;
			assert_int_equal(store_release(f->s, rk, idem, &f->e), m.there[i]);
			m.there[i] = false;
			continue;
		}
		enum reserve_status want = RESERVE_OK;
		if (m.there[i] && m.expires[i] > now)
			want = RESERVE_AGAIN;
		else if (model_used(&m, cap, windows[cap], now) >= limit)
			want = RESERVE_CAPPED;
		assert_int_equal(reserve1(f, i, cap, limit, windows[cap], now, 4000).status, want);
		if (want == RESERVE_OK) {
			m.there[i] = true;
			m.at[i] = now;
			m.expires[i] = now + (windows[cap] > 4000 ? windows[cap] : 4000);
		}
		assert_int_equal(used(f, cap, windows[cap], now, NULL),
				 model_used(&m, cap, windows[cap], now));
	}
	assert_int_equal(store_batch_end(f->s, true, &f->e), 0);
}

static void
test_large_cap(void **state)
{
	struct fixture *f = *state;
	reopen(f, (int64_t)256 << 20);
	assert_int_equal(store_batch_begin(f->s, &f->e), 0);
	for (uint64_t i = 0; i < 20000; i++)
		assert_int_equal(reserve1(f, i, 1, 20000, DAY, NOW + (int64_t)(i / 100), DAY).status,
				 RESERVE_OK);
	assert_int_equal(store_batch_end(f->s, true, &f->e), 0);
	assert_int_equal(reserve1(f, 99999, 1, 20000, DAY, NOW + 500, DAY).status, RESERVE_CAPPED);
	assert_int_equal(used(f, 1, DAY, NOW + 500, NULL), 20000);
	/* All have expired: one reservation drops a few of them only, and the count is right all the same. */
	assert_int_equal(reserve1(f, 99999, 1, 20000, DAY, NOW + 2 * DAY, DAY).status, RESERVE_OK);
	assert_int_equal(used(f, 1, DAY, NOW + 2 * DAY, NULL), 1);
	assert_true(stats(f).places > 19900);
	/* With a limit of one all of the dead head is walked, and dropped. */
	assert_int_equal(reserve1(f, 99998, 1, 1, DAY, NOW + 2 * DAY, DAY).status, RESERVE_CAPPED);
	assert_int_equal(stats(f).places, 1);
}

struct seen {
	size_t n;
	int64_t last;
};

static bool
count_decision(void *ctx, const uint8_t idem[16], int64_t at_ms, struct str decision)
{
	struct seen *w = ctx;
	(void)idem;
	assert_true(decision.n > 0);
	assert_true(w->n == 0 || at_ms <= w->last);
	w->last = at_ms;
	w->n++;
	return true;
}

static void
test_view_and_forget(void **state)
{
	struct fixture *f = *state;
	uint8_t rk[16], dk[16], idem[16];
	struct cap_request c = { .limit = 3, .window_ms = DAY };
	struct store_view v;
	key_make(rk, "rk", 5);
	key_make(dk, "dk", 5);
	key_make(c.id, "cap", 5);
	key_make(idem, "idem", 1);
	struct store_view_request rq = { rk, dk, idem, &c, 1, NOW };
	assert_int_equal(store_view(f->s, &rq, f->a, &v, &f->e), 0);
	assert_false(v.known || v.reserved || v.nconsents || v.nsuppressions || v.cap_used[0] ||
		     v.cap_oldest_ms[0]);

	struct consent_record t = { STR("tracking"), CONSENT_DENIED, NOW, STR("import") };
	struct consent_record mail = { STR("mail:promo"), CONSENT_GRANTED, NOW, STR("admin") };
	struct suppression_record own = { STR("promo"), SUPPRESS_UNSUBSCRIBE, NOW, STR("note"), 0 };
	struct suppression_record domain = { STR(""), SUPPRESS_MANUAL, NOW, STR(""), NOW + 5 };
	assert_int_equal(store_profile_put(f->s, rk, STR("p"), &f->e), 0);
	assert_int_equal(store_consent_put(f->s, rk, &t, &f->e), 0);
	assert_int_equal(store_consent_put(f->s, rk, &mail, &f->e), 0);
	assert_int_equal(store_suppression_put(f->s, rk, &own, &f->e), 0);
	assert_int_equal(store_suppression_put(f->s, dk, &domain, &f->e), 0);
	for (uint64_t i = 1; i < 4; i++)
		assert_int_equal(reserve1(f, i, 5, 3, DAY, NOW + (int64_t)i, DAY).status, RESERVE_OK);
	rq.now_ms = NOW + 10;
	assert_int_equal(store_view(f->s, &rq, f->a, &v, &f->e), 0);
	assert_true(v.known && v.reserved);
	assert_int_equal(v.nconsents, 2);
	assert_true(str_eq(v.consents[0].topic, STR("mail:promo")) && v.consents[0].state == CONSENT_GRANTED);
	assert_true(str_eq(v.consents[1].source, STR("import")));
	assert_int_equal(v.nsuppressions, 2);
	assert_int_equal(v.nsuppressions_own, 1);
	assert_true(str_eq(v.suppressions[0].category, STR("promo")));
	assert_string_equal(suppression_reason_name(v.suppressions[0].reason), "unsubscribe");
	assert_int_equal(v.suppressions[0].until_ms, 0);
	assert_true(str_eq(v.suppressions[0].note, STR("note")));
	assert_int_equal(v.suppressions[1].until_ms, NOW + 5);
	assert_int_equal(v.cap_used[0], 3);
	assert_int_equal(v.cap_oldest_ms[0], NOW + 1);
	rq.now_ms = NOW + 1 + DAY; /* the first has left */
	assert_int_equal(store_view(f->s, &rq, f->a, &v, &f->e), 0);
	assert_int_equal(v.cap_used[0], 2);
	assert_int_equal(v.cap_oldest_ms[0], NOW + 2);
	rq.now_ms = NOW + 10;

	struct seen w = { 0 };
	assert_int_equal(store_decision_each(f->s, rk, count_decision, &w, &f->e), 0);
	assert_int_equal(w.n, 3);

	size_t removed;
	assert_int_equal(store_forget(f->s, rk, &removed, &f->e), 0);
	assert_int_equal(removed, 1 + 1 + 3 + 3);
	assert_int_equal(store_view(f->s, &rq, f->a, &v, &f->e), 0);
	assert_false(v.known || v.reserved || v.cap_used[0]);
	/* What he has refused stays refused. */
	assert_int_equal(v.nconsents, 1);
	assert_true(str_eq(v.consents[0].topic, STR("tracking")) && v.consents[0].state == CONSENT_DENIED);
	assert_int_equal(v.nsuppressions, 2);
	assert_int_equal(stats(f).decisions, 0);
	assert_int_equal(stats(f).places, 0);
}

/* Who has unsubscribed may bounce too: taking the one back leaves the other. */
static void
test_suppression_reasons(void **state)
{
	struct fixture *f = *state;
	uint8_t rk[16];
	struct store_view v;
	struct suppression_record left = { STR("promo"), SUPPRESS_UNSUBSCRIBE, NOW, STR("page"), 0 };
	struct suppression_record bounced = { STR("promo"), SUPPRESS_HARD_BOUNCE, NOW + 1, STR("5.1.1"), 0 };
	struct suppression_record paused = { STR("promo"), SUPPRESS_SOFT_BOUNCE, NOW + 2, STR(""),
					     NOW + DAY };
	struct suppression_record nul = { { "a\0b", 3 }, SUPPRESS_MANUAL, NOW, STR(""), 0 };
	key_make(rk, "rk", 7);
	const struct store_view_request rq = { .rk = rk, .now_ms = NOW };
	assert_int_equal(store_suppression_put(f->s, rk, &left, &f->e), 0);
	assert_int_equal(store_suppression_put(f->s, rk, &bounced, &f->e), 0);
	assert_int_equal(store_suppression_put(f->s, rk, &paused, &f->e), 0);
	bounced.at_ms = NOW + 3;
	assert_int_equal(store_suppression_put(f->s, rk, &bounced, &f->e), 0);
	assert_int_equal(store_suppression_put(f->s, rk, &nul, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_INPUT);
	assert_int_equal(store_view(f->s, &rq, f->a, &v, &f->e), 0);
	assert_int_equal(v.nsuppressions, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(str_eq(v.suppressions[i].category, STR("promo")));
	assert_int_equal(v.suppressions[0].reason, SUPPRESS_UNSUBSCRIBE);
	assert_int_equal(v.suppressions[1].reason, SUPPRESS_HARD_BOUNCE);
	assert_int_equal(v.suppressions[1].at_ms, NOW + 3);
	assert_int_equal(store_suppression_remove(f->s, rk, STR("promo"), SUPPRESS_HARD_BOUNCE, &f->e), 1);
	assert_int_equal(store_suppression_remove(f->s, rk, STR("promo"), SUPPRESS_HARD_BOUNCE, &f->e), 0);
	assert_int_equal(store_suppression_remove(f->s, rk, STR("prom"), SUPPRESS_UNSUBSCRIBE, &f->e), 0);
	assert_int_equal(store_view(f->s, &rq, f->a, &v, &f->e), 0);
	assert_int_equal(v.nsuppressions, 2);
	assert_int_equal(v.suppressions[0].reason, SUPPRESS_UNSUBSCRIBE);
	assert_true(str_eq(v.suppressions[0].note, STR("page")));
}

/* Records of before: their key ends with the category. */
static void
old_put(struct fixture *f, const uint8_t rk[16], const struct suppression_record *r)
{
	struct buf key = { 0 }, value = { 0 };
	MDB_txn *txn;
	buf_add(&key, rk, STORE_KEY_LEN);
	buf_adds(&key, r->category);
	suppression_encode(r, &value);
	MDB_val k = { key.n, key.p }, v = { value.n, value.p };
	assert_int_equal(mdb_txn_begin(f->s->records.env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_put(txn, f->s->suppression, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	buf_free(&key);
	buf_free(&value);
}

static bool
see_category(void *ctx, const uint8_t key[16], const struct suppression_record *r)
{
	(void)key;
	*(int *)ctx += str_eq(r->category, STR("promo"));
	return true;
}

static void
test_suppression_of_before(void **state)
{
	struct fixture *f = *state;
	uint8_t rk[16];
	struct store_view v;
	int seen = 0;
	struct suppression_record left = { STR("promo"), SUPPRESS_UNSUBSCRIBE, NOW, STR("page"), 0 };
	key_make(rk, "rk", 8);
	const struct store_view_request rq = { .rk = rk, .now_ms = NOW };
	old_put(f, rk, &left);
	assert_int_equal(store_view(f->s, &rq, f->a, &v, &f->e), 0);
	assert_int_equal(v.nsuppressions, 1);
	assert_true(str_eq(v.suppressions[0].category, STR("promo")));
	/* Another reason leaves it as it is, its own takes its place. */
	struct suppression_record bounced = { STR("promo"), SUPPRESS_HARD_BOUNCE, NOW, STR(""), 0 };
	assert_int_equal(store_suppression_put(f->s, rk, &bounced, &f->e), 0);
	assert_int_equal(store_suppression_put(f->s, rk, &left, &f->e), 0);
	assert_int_equal(store_suppression_each(f->s, see_category, &seen, &f->e), 0);
	assert_int_equal(seen, 2);
	assert_int_equal(store_suppression_remove(f->s, rk, STR("promo"), SUPPRESS_UNSUBSCRIBE, &f->e), 1);
	old_put(f, rk, &left);
	assert_int_equal(store_suppression_remove(f->s, rk, STR("promo"), SUPPRESS_UNSUBSCRIBE, &f->e), 1);
	assert_int_equal(store_suppression_remove(f->s, rk, STR("promo"), SUPPRESS_HARD_BOUNCE, &f->e), 1);
	assert_int_equal(store_view(f->s, &rq, f->a, &v, &f->e), 0);
	assert_int_equal(v.nsuppressions, 0);
}

static bool
count_profile(void *ctx, const uint8_t rk[16], struct str sealed)
{
	struct seen *w = ctx;
	assert_int_equal(sealed.n, 3);
	assert_true((int64_t)be64_get(rk + 8) == (int64_t)w->n);
	return ++w->n < 2500;
}

static void
test_each_over_several_stretches(void **state)
{
	struct fixture *f = *state;
	struct seen w = { 0 };
	uint8_t rk[16];
	assert_int_equal(store_batch_begin(f->s, &f->e), 0);
	for (uint64_t i = 0; i < 2100; i++) {
		key_make(rk, "rk", i);
		assert_int_equal(store_profile_put(f->s, rk, STR("abc"), &f->e), 0);
	}
	assert_int_equal(store_batch_end(f->s, true, &f->e), 0);
	assert_int_equal(store_profile_each(f->s, count_profile, &w, &f->e), 0);
	assert_int_equal(w.n, 2100);
}

static void
test_batch_abort(void **state)
{
	struct fixture *f = *state;
	struct str got;
	uint8_t rk[16];
	key_make(rk, "rk", 1);
	assert_int_equal(store_batch_begin(f->s, &f->e), 0);
	assert_int_equal(store_profile_put(f->s, rk, STR("abc"), &f->e), 0);
	assert_int_equal(store_profile_get(f->s, rk, f->a, &got, &f->e), 1);
	assert_int_equal(store_batch_end(f->s, false, &f->e), 0);
	assert_int_equal(store_profile_get(f->s, rk, f->a, &got, &f->e), 0);
}

static void
test_map_full(void **state)
{
	struct fixture *f = *state;
	uint64_t i = 0;
	static char block[3000];
	struct str got;
	uint8_t rk[16];
	reopen(f, 1 << 20);
	key_make(rk, "rk", 0);
	while (store_profile_put(f->s, rk, str_make(block, sizeof block), &f->e) == 0)
		key_make(rk, "rk", ++i);
	assert_int_equal(f->e.kind, ERR_FULL);
	assert_non_null(strstr(f->e.text, "map_size"));
	assert_int_equal(store_profile_get(f->s, rk, f->a, &got, &f->e), 0);

	/* A reservation that does not fit leaves nothing of itself. */
	int64_t limit = 100000, placed = 0;
	struct cap_request c = { .limit = limit, .window_ms = DAY };
	struct reserve_request rq = { .now_ms = NOW, .caps = &c, .ncaps = 1, .decision_keep_ms = DAY };
	struct reserve_result out;
	key_make(c.id, "cap", 1);
	rq.decision = str_make(block, 1900);
	for (;; placed++) {
		key_make(rq.rk, "rk", (uint64_t)placed);
		key_make(rq.idem, "idem", (uint64_t)placed);
		if (store_reserve(f->s, &rq, f->a, &out, &f->e) != 0)
			break;
	}
	assert_int_equal(f->e.kind, ERR_FULL);
	assert_int_equal(used(f, 1, DAY, NOW, NULL), placed);
	assert_int_equal(stats(f).decisions, placed);
	assert_int_equal(stats(f).places, placed);
	/* With a larger map all goes on. */
	reopen(f, 16 << 20);
	assert_int_equal(store_reserve(f->s, &rq, f->a, &out, &f->e), 0);
	assert_int_equal(out.status, RESERVE_OK);
	assert_int_equal(used(f, 1, DAY, NOW, NULL), placed + 1);
}

struct raw {
	struct lane *lane;
	MDB_dbi dbi;
	struct str key, val;
};

static enum op_result
op_raw(struct store_txn *t, void *arg, struct err *e)
{
	const struct raw *r = arg;
	(void)e;
	return txn_put(t, r->dbi, r->key, r->val);
}

static void
test_damaged_records(void **state)
{
	struct fixture *f = *state;
	uint8_t rk[16], lkey[32], id[16], idem[16];
	struct str got;
	struct cap_request c = { .limit = 3, .window_ms = DAY };
	struct store_view v;
	struct reserve_result out;
	key_make(rk, "rk", 1);
	key_make(id, "cap", 1);
	key_make(idem, "idem", 1);
	memcpy(c.id, id, 16);
	struct raw p = { &f->s->records, f->s->profile, str_of_key(rk, 16), STR("\x09junk") };
	assert_int_equal(store_submit(f->s, p.lane, op_raw, &p, &f->e), 0);
	assert_int_equal(store_profile_get(f->s, rk, f->a, &got, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_CORRUPT);
	struct store_view_request rq = { rk, NULL, idem, &c, 1, NOW };
	assert_int_equal(store_view(f->s, &rq, f->a, &v, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_CORRUPT);
	/* It keeps nobody else's records from being read. */
	uint8_t other[16];
	key_make(other, "rk", 2);
	assert_int_equal(store_profile_put(f->s, other, STR("other"), &f->e), 0);
	struct store_view_request many[3] = { rq, rq, rq };
	struct store_view views[3];
	struct err errors[3];
	many[0].rk = many[2].rk = other;
	assert_int_equal(store_view_many(f->s, many, 3, f->a, views, errors), -1);
	assert_int_equal(errors[1].kind, ERR_CORRUPT);
	for (size_t i = 0; i < 3; i += 2) {
		assert_int_equal(errors[i].kind, ERR_NONE);
		assert_true(str_eq(views[i].profile, STR("other")));
		assert_int_equal(views[i].cap_used[0], 0);
	}
	assert_int_equal(store_profile_put(f->s, rk, STR("fine"), &f->e), 0);
	assert_int_equal(store_view_many(f->s, many, 3, f->a, views, errors), 0);
	assert_true(str_eq(views[1].profile, STR("fine")));

	struct raw counter = { &f->s->books, f->s->ledger, str_of_key(id, 16), STR("short") };
	assert_int_equal(store_submit(f->s, counter.lane, op_raw, &counter, &f->e), 0);
	struct reserve_request r = { .now_ms = NOW, .caps = &c, .ncaps = 1, .decision_keep_ms = DAY };
	memcpy(r.rk, rk, 16);
	memcpy(r.idem, idem, 16);
	assert_int_equal(store_reserve(f->s, &r, f->a, &out, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_CORRUPT);

	decision_key(lkey, rk, idem);
	struct raw d = { &f->s->books, f->s->ledger, str_of_key(lkey, 32), STR("\x01tooshort") };
	assert_int_equal(store_submit(f->s, d.lane, op_raw, &d, &f->e), 0);
	assert_int_equal(store_release(f->s, rk, idem, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_CORRUPT);
	struct seen w = { 0 };
	assert_int_equal(store_decision_each(f->s, rk, count_decision, &w, &f->e), -1);
	/* Forgetting erases even what cannot be read. */
	size_t removed;
	assert_int_equal(store_forget(f->s, rk, &removed, &f->e), 0);
	assert_int_equal(removed, 2);
}

/* An unsubscribe is kept, whatever lay under its key before. */
static void
test_damaged_suppression_gives_way(void **state)
{
	struct fixture *f = *state;
	uint8_t rk[16], key[21];
	struct store_view v;
	struct suppression_record left = { STR("promo"), SUPPRESS_UNSUBSCRIBE, NOW, STR("page"), 0 };
	key_make(rk, "rk", 9);
	memcpy(key, rk, 16);
	memcpy(key + 16, "promo", 5);
	struct raw d = { &f->s->records, f->s->suppression, str_of_key(key, sizeof key), STR("\x01xyz") };
	assert_int_equal(store_submit(f->s, d.lane, op_raw, &d, &f->e), 0);
	assert_int_equal(store_suppression_put(f->s, rk, &left, &f->e), 0);
	const struct store_view_request rq = { .rk = rk, .now_ms = NOW };
	assert_int_equal(store_view(f->s, &rq, f->a, &v, &f->e), 0);
	assert_int_equal(v.nsuppressions, 1);
}

static void
test_record_bounds(void **state)
{
	(void)state;
	struct buf b = { 0 };
	uint8_t ids[32] = { 1 };
	struct decision_record d = { NOW, NOW + 1, ids, 2, STR("d") }, got;
	decision_encode(&d, &b);
	for (size_t n = 0; n < b.n - 1; n++)
		assert_int_equal(decision_decode(str_make(b.p, n), &got), -1);
	assert_int_equal(decision_decode(buf_str(&b), &got), 0);
	assert_int_equal(got.ncaps, 2);
	assert_true(str_eq(got.decision, STR("d")));
	b.p[1] = (char)0x80; /* a negative time */
	assert_int_equal(decision_decode(buf_str(&b), &got), -1);
	buf_free(&b);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_profile_and_modes),
		T(test_open_errors),
		T(test_schema_version),
		T(test_schema_raised),
		T(test_cap_window),
		T(test_again),
		T(test_decision_outlives_its_places),
		T(test_limit_changes),
		T(test_clock_backwards),
		T(test_all_or_none),
		T(test_expiry_is_bounded_and_complete),
		T(test_neighbours_expire_at_once),
		T(test_against_model),
		T(test_large_cap),
		T(test_view_and_forget),
		T(test_suppression_reasons),
		T(test_suppression_of_before),
		T(test_each_over_several_stretches),
		T(test_batch_abort),
		T(test_map_full),
		T(test_damaged_records),
		T(test_damaged_suppression_gives_way),
		cmocka_unit_test(test_record_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
