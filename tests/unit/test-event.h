/*
 * test-event: what the tests of the event log share: a directory, events, what is
 * read back, damage.
 */
#ifndef MT_TEST_EVENT_H
#define MT_TEST_EVENT_H

#include <dirent.h>
#include <unistd.h>

#include "store/event-private.h"

#define DAY ((int64_t)86400000)
#define NOW ((int64_t)1760000000000)

struct seen {
	struct event_record *v;
	size_t n, cap;
};

struct fixture {
	char dir[64];
	struct store *s;
	struct arena *a;
	struct err e;
	struct seen seen;
	uint64_t next, skipped;
	/* the last link shown */
	char url[200];
	int link;
	uint8_t hash[8];
};

static inline int64_t
hour(int64_t ms)
{
	return ms - ms % 3600000;
}

static inline void
reopen(struct fixture *f, int64_t map_size)
{
	struct store_options o = { .directory = f->dir, .map_size = map_size, .create = true };
	store_close(&f->s);
	f->s = store_open(&o, &f->e);
	if (!f->s)
		fail_msg("%s", f->e.text);
}

static inline void
directory_make(char dir[64])
{
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, 64, "%s/mt-event-XXXXXX", tmp ? tmp : "/tmp");
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
event_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	directory_make(f->dir);
	f->a = arena_new(4096);
	reopen(f, (int64_t)64 << 20);
	*state = f;
	return 0;
}

static inline int
event_teardown(void **state)
{
	struct fixture *f = *state;
	store_close(&f->s);
	directory_remove(f->dir);
	arena_free(&f->a);
	free(f->seen.v);
	free(f);
	return 0;
}
#define EVENT_TEST(t) cmocka_unit_test_setup_teardown(t, event_setup, event_teardown)

/* An empty directory in the place of the one before. */
static inline void
other_directory(struct fixture *f)
{
	store_close(&f->s);
	directory_remove(f->dir);
	directory_make(f->dir);
	reopen(f, (int64_t)64 << 20);
}

/* copy 0: none */
static inline struct event
event_of(enum event_type type, uint32_t recipient, uint32_t copy)
{
	struct event ev = { .at_ms = NOW, .type = type, .link = EVENT_NO_LINK };
	memcpy(ev.rk, "rk......", 8);
	be64_put(ev.rk + 8, recipient);
	if (copy != 0)
		be64_put(ev.copy, copy);
	return ev;
}

static inline void
add(struct fixture *f, const struct event *v, size_t n)
{
	if (event_add(f->s, v, n, NULL, &f->e) != 0)
		fail_msg("%s", f->e.text);
}

/* ---- what is there ---- */

static inline bool
see_one(void *ctx, const struct event_record *r)
{
	struct fixture *f = ctx;
	struct seen *s = &f->seen;
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->v = realloc(s->v, s->cap * sizeof *s->v);
	}
	struct event_record *out = &s->v[s->n++];
	*out = *r;
	struct str *const words[] = { &out->event.reason,  &out->event.campaign, &out->event.arm,
				      &out->event.domain,  &out->event.segment,	 &out->event.category,
				      &out->event.source,  &out->event.currency, &out->event.details,
				      &out->event.queue_id };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		*words[i] = arena_str(f->a, *words[i]);
	return true;
}

static inline struct seen *
see(struct fixture *f, const struct event_filter *filter)
{
	f->seen.n = 0;
	if (event_each(f->s, filter, see_one, f, &f->next, &f->skipped, &f->e) != 0)
		fail_msg("%s", f->e.text);
	return &f->seen;
}

struct sum {
	enum event_type type;
	enum event_class class;
	struct event_counter c;
	int rows;
};

static inline bool
sum_one(void *ctx, const struct event_counter *c)
{
	struct sum *s = ctx;
	s->rows++;
	if (c->type != s->type || c->class != s->class)
		return true;
	s->c.count += c->count;
	s->c.unique += c->unique;
	s->c.unique_link += c->unique_link;
	if (c->nvalues > 0)
		s->c.values[0].micros += c->values[0].micros;
	return true;
}

static inline struct event_counter
counted(struct fixture *f, struct str campaign, enum event_type type, enum event_class class)
{
	struct sum s = { .type = type, .class = class };
	assert_int_equal(event_counter_each(f->s, campaign, 0, 0, sum_one, &s, &f->e), 0);
	return s.c;
}

static inline int
count_rows(struct fixture *f, struct str campaign, int64_t since_ms, int64_t until_ms)
{
	struct sum s = { 0 };
	assert_int_equal(event_counter_each(f->s, campaign, since_ms, until_ms, sum_one, &s, &f->e), 0);
	return s.rows;
}

struct link_seen {
	struct fixture *f;
	int n;
};

static inline bool
link_one(void *ctx, int link, const uint8_t hash[8], struct str url)
{
	struct link_seen *s = ctx;
	s->n++;
	s->f->link = link;
	memcpy(s->f->hash, hash, 8);
	snprintf(s->f->url, sizeof s->f->url, "%.*s", STR_ARG(url));
	return true;
}

static inline int
links(struct fixture *f, struct str campaign)
{
	struct link_seen s = { f, 0 };
	assert_int_equal(event_link_each(f->s, campaign, link_one, &s, &f->e), 0);
	return s.n;
}

/* ---- everything, as text ---- */

static inline bool
dump_record(void *ctx, const struct event_record *r)
{
	buf_printf(ctx, "%llu %lld %d %d %d %d %d %.*s %.*s %02x%02x%02x%02x\n",
		   (unsigned long long)r->number, (long long)r->event.at_ms, (int)r->event.type,
		   (int)r->event.class, r->event.link, r->unique, r->unique_link, STR_ARG(r->event.campaign),
		   STR_ARG(r->event.domain), r->event.rk[15], r->event.copy[7], r->event.idem[6],
		   r->event.idem[7]);
	return true;
}

static inline bool
dump_counter(void *ctx, const struct event_counter *c)
{
	buf_printf(ctx, "%.*s %lld %.*s %d %d %d %lld %lld %lld\n", STR_ARG(c->campaign),
		   (long long)c->hour_ms, STR_ARG(c->domain), c->link, (int)c->type, (int)c->class,
		   (long long)c->count, (long long)c->unique, (long long)c->unique_link);
	return true;
}

static inline void
dump_person(struct fixture *f, struct buf *b, uint32_t recipient)
{
	struct event any = event_of(EVENT_OPENED, recipient, 0);
	struct event_person p;
	if (event_person_get(f->s, any.rk, f->a, &p, &f->e) != 1)
		return;
	buf_printf(b, "person %u: %lld\n", recipient, (long long)p.sent_since_click);
	for (size_t i = 0; i < p.ntotals; i++)
		buf_printf(b, " %d %d %lld %lld\n", (int)p.totals[i].type, (int)p.totals[i].class,
			   (long long)p.totals[i].count, (long long)p.totals[i].last_ms);
	for (size_t i = 0; i < p.ndays; i++)
		buf_printf(b, " day %lld %d %lld\n", (long long)p.days[i].day, (int)p.days[i].type,
			   (long long)p.days[i].count);
	struct seen *s = see(f, &(struct event_filter){ .rk = any.rk });
	for (size_t i = 0; i < s->n; i++)
		buf_printf(b, " event %llu\n", (unsigned long long)s->v[i].number);
}

static inline char *
dump(struct fixture *f)
{
	struct buf b = { 0 };
	const struct event_filter all = { 0 };
	assert_int_equal(event_each(f->s, &all, dump_record, &b, NULL, NULL, &f->e), 0);
	assert_int_equal(event_counter_each(f->s, STR("spring"), 0, 0, dump_counter, &b, &f->e), 0);
	assert_int_equal(event_counter_each(f->s, STR("autumn"), 0, 0, dump_counter, &b, &f->e), 0);
	for (uint32_t i = 1; i <= 50; i++)
		dump_person(f, &b, i);
	return b.p;
}

/* ---- damage ---- */

/* Record number i of a table, in key order, with its byte `at` (from the end when negative) changed. */
static inline void
record_change(struct fixture *f, MDB_dbi dbi, size_t i, int at, uint8_t byte)
{
	MDB_txn *txn;
	MDB_cursor *c;
	MDB_val k, v;
	uint8_t copy[4096];
	assert_int_equal(mdb_txn_begin(f->s->events.env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_cursor_open(txn, dbi, &c), 0);
	assert_int_equal(mdb_cursor_get(c, &k, &v, MDB_FIRST), 0);
	for (; i > 0; i--)
		assert_int_equal(mdb_cursor_get(c, &k, &v, MDB_NEXT), 0);
	assert_true(v.mv_size <= sizeof copy);
	memcpy(copy, v.mv_data, v.mv_size);
	copy[at < 0 ? (int)v.mv_size + at : at] = byte;
	v.mv_data = copy;
	assert_int_equal(mdb_cursor_put(c, &k, &v, MDB_CURRENT), 0);
	mdb_cursor_close(c);
	assert_int_equal(mdb_txn_commit(txn), 0);
}

static inline void
damage(struct fixture *f, MDB_dbi dbi, size_t i)
{
	record_change(f, dbi, i, 1, 0xee);
}

/* With a checksum that fits. */
static inline void
set_version(struct fixture *f, MDB_dbi dbi, size_t i, uint8_t version)
{
	uint32_t h;
	struct str rest;
	uint8_t bytes[4096];
	MDB_txn *txn;
	MDB_val k, v;
	MDB_cursor *c;
	record_change(f, dbi, i, 0, version);
	assert_int_equal(mdb_txn_begin(f->s->events.env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_cursor_open(txn, dbi, &c), 0);
	assert_int_equal(mdb_cursor_get(c, &k, &v, MDB_FIRST), 0);
	for (size_t n = i; n > 0; n--)
		assert_int_equal(mdb_cursor_get(c, &k, &v, MDB_NEXT), 0);
	memcpy(bytes, v.mv_data, v.mv_size);
	rest = (struct str){ (const char *)bytes, v.mv_size - 4 };
	mdb_cursor_close(c);
	mdb_txn_abort(txn);
	h = event_checksum(rest);
	for (int b = 0; b < 4; b++)
		record_change(f, dbi, i, -1 - b, (uint8_t)(h >> (8 * b)));
}

static inline void
set_schema(struct fixture *f, int64_t version)
{
	uint8_t rec[COUNT_RECORD_LEN];
	MDB_txn *txn;
	MDB_val k = { 6, (void *)(uintptr_t) "schema" }, v = { sizeof rec, rec };
	count_encode(version, rec);
	assert_int_equal(mdb_txn_begin(f->s->events.env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_put(txn, f->s->events.main, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
}

#endif
