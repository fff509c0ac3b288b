/*
 * event-look: reading the log and the counters.
 */
#include "store/event-private.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"

/* A walk starts afresh this often, so that it does not hold back the pages that others free meanwhile. */
#define WALK_RENEW 2000
/* After so many counters (a few megabytes) their pages are let go of. */
#define WALK_PAGES 20000

struct looking {
	struct store *s;
	const struct event_filter *f;
	event_fn *fn;
	void *ctx;
	struct event_words words;
	uint32_t campaign; /* of the filter; 0: all */
	uint64_t at, skipped;
	bool stop;
};

/* Word 0 is none: a name that the log does not know fits no event, not those without a campaign. */
static bool
row_fits(const struct looking *l, const struct event_row *r)
{
	const struct event_filter *f = l->f;
	return r->at_ms >= f->since_ms && (f->until_ms == 0 || r->at_ms < f->until_ms) &&
	       (f->types == 0 || (f->types & EVENT_BIT(r->type)) != 0) &&
	       (!f->campaign.p ||
		(r->word[WORD_CAMPAIGN] == l->campaign && (l->campaign != 0 || f->campaign.n == 0)));
}

static void
row_show(struct event_words *w, MDB_txn *txn, uint64_t number, const struct event_row *r,
	 struct event_record *out)
{
	struct event *ev = &out->event;
	struct str *const words[EVENT_WORDS] = { &ev->campaign, &ev->arm,    &ev->domain, &ev->segment,
						 &ev->category, &ev->reason, &ev->source, &ev->currency };
	*out = (struct event_record){
		.number = number,
		.unique = r->unique,
		.unique_link = r->unique_link,
		.forgotten = r->forgotten,
		.event = { .at_ms = r->at_ms,
			   .type = r->type,
			   .class = r->class,
			   .link = r->link,
			   .value_micros = r->micros,
			   .queue_id = r->queue_id,
			   .details = r->details },
	};
	memcpy(ev->rk, r->rk, sizeof ev->rk);
	memcpy(ev->copy, r->copy, sizeof ev->copy);
	memcpy(ev->idem, r->idem, sizeof ev->idem);
	memcpy(ev->url_hash, r->url_hash, sizeof ev->url_hash);
	for (int i = 0; i < EVENT_WORDS; i++)
		*words[i] = event_word_get(w, txn, r->word[i]);
}

/* One record; false when the caller has seen enough. */
static bool
record_show(struct looking *l, MDB_txn *txn, uint64_t number, struct str val)
{
	struct event_row row;
	struct event_record out;
	if (event_row_decode(val, &row) != 0) {
		l->skipped++;
		return true;
	}
	if (!row_fits(l, &row))
		return true;
	row_show(&l->words, txn, number, &row, &out);
	return l->fn(l->ctx, &out);
}

/* From l->at on. 1: there is more; 0: the end; -1. */
static int
log_stretch(struct looking *l, struct err *e)
{
	uint8_t from[EVENT_NUMBER_LEN];
	struct store *s = l->s;
	MDB_txn *txn;
	MDB_cursor *c = NULL;
	MDB_val k = { sizeof from, from }, v;
	int n = 0;
	if (read_begin(s, &s->events, &txn, e) != 0)
		return -1;
	be64_put(from, l->at);
	int rc = l->f->campaign.p ? event_word_find(s, txn, l->f->campaign, &l->campaign) : 0;
	if (rc == 0)
		rc = mdb_cursor_open(txn, s->ev.log, &c);
	if (rc == 0)
		rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	for (; rc == 0 && n < WALK_RENEW && !l->stop; n++) {
		if (k.mv_size == EVENT_NUMBER_LEN) {
			uint64_t number = be64_get(k.mv_data);
			l->stop = !record_show(l, txn, number, str_of_val(v));
			l->at = number + 1;
		} else {
			l->skipped++;
		}
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	}
	if (c)
		mdb_cursor_close(c);
	read_end(s, &s->events, txn);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return store_err(s, e, rc, "cannot read events");
	return rc == 0 && !l->stop;
}

/* ---- one recipient's, newest first ---- */

/* 1 + the number of his last event; 0: none. */
static int
chain_begin(struct store *s, MDB_txn *txn, const uint8_t *rk, uint64_t *last)
{
	MDB_val k = { STORE_KEY_LEN, (void *)(uintptr_t)rk }, v;
	struct person p = { 0 };
	int rc = mdb_get(txn, s->ev.person, &k, &v);
	*last = 0;
	if (rc == 0 && person_decode(str_of_val(v), &p) == 0)
		*last = p.last;
	person_free(&p);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
chain_walk(struct looking *l, MDB_txn *txn)
{
	uint64_t last, number;
	int rc = chain_begin(l->s, txn, l->f->rk, &last);
	if (rc == 0 && l->f->campaign.p)
		rc = event_word_find(l->s, txn, l->f->campaign, &l->campaign);
	for (; rc == 0 && last > l->f->from && !l->stop;) {
		uint8_t key[EVENT_NUMBER_LEN];
		MDB_val k = { sizeof key, key }, v;
		struct event_row row;
		number = last - 1;
		be64_put(key, number);
		rc = mdb_get(txn, l->s->ev.log, &k, &v);
		if (rc != 0)
			break;
		if (event_row_decode(str_of_val(v), &row) != 0 ||
		    memcmp(row.rk, l->f->rk, STORE_KEY_LEN) != 0 || row.prev > number) {
			l->skipped++;
			break;
		}
		l->stop = !record_show(l, txn, number, str_of_val(v));
		last = row.prev;
	}
	/* The rest has been dropped by retention. */
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
chain_each(struct looking *l, struct err *e)
{
	MDB_txn *txn;
	if (read_begin(l->s, &l->s->events, &txn, e) != 0)
		return -1;
	int rc = chain_walk(l, txn);
	read_end(l->s, &l->s->events, txn);
	return rc == 0 ? 0 : store_err(l->s, e, rc, "cannot read events");
}

int
event_each(struct store *s, const struct event_filter *f, event_fn *fn, void *ctx, uint64_t *next,
	   uint64_t *skipped, struct err *e)
{
	struct looking l = { .s = s, .f = f, .fn = fn, .ctx = ctx, .at = f->from };
	int r = 0;
	if (s->events.env) {
		event_words_open(&l.words, s);
		if (f->rk)
			r = chain_each(&l, e);
		else
			while ((r = log_stretch(&l, e)) == 1)
				;
		event_words_close(&l.words);
	}
	if (l.skipped > 0)
		log_warn("state %s: %llu events cannot be read; they were left out", s->directory,
			 (unsigned long long)l.skipped);
	if (next)
		*next = l.at;
	if (skipped)
		*skipped = l.skipped;
	return r;
}

/* ---- counters ---- */

struct counting {
	struct store *s;
	struct event_words words;
	int64_t since_ms, until_ms;
	bool (*fn)(void *ctx, const struct event_counter *c);
	void *ctx;
	uint64_t skipped;
	/* where the records lie that were shown since pages were let go */
	uintptr_t low, high;
	int shown;
};

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void
put32(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

void
event_counter_names(struct event_words *w, MDB_txn *txn, const uint8_t p[EVENT_COUNTER_KEY_LEN],
		    struct event_counter *c)
{
	*c = (struct event_counter){
		.campaign_id = get32(p),
		.hour_ms = (int64_t)get32(p + 4) * 3600000,
		.arm_id = get32(p + 8),
		.domain_id = get32(p + 12),
		.segment_id = get32(p + 16),
		.reason_id = get32(p + 20),
		.link = (p[24] << 8 | p[25]) - 1,
		.type = (enum event_type)p[26],
		.class = (enum event_class)p[27],
	};
	c->campaign = event_word_get(w, txn, c->campaign_id);
	c->arm = event_word_get(w, txn, c->arm_id);
	c->domain = event_word_get(w, txn, c->domain_id);
	c->segment = event_word_get(w, txn, c->segment_id);
	c->reason = event_word_get(w, txn, c->reason_id);
}

static int
counter_decode(struct counting *g, MDB_txn *txn, struct str key, struct str val, struct event_counter *c)
{
	struct event_tally t;
	if (key.n != EVENT_COUNTER_KEY_LEN || event_tally_decode(val, &t) != 0)
		return -1;
	event_counter_names(&g->words, txn, (const uint8_t *)key.p, c);
	if (!event_type_name(c->type) || !event_class_name(c->class))
		return -1;
	c->count = t.count;
	c->unique = t.unique;
	c->unique_link = t.unique_link;
	c->nvalues = t.nvalues;
	for (size_t i = 0; i < t.nvalues; i++) {
		c->values[i].currency = event_word_get(&g->words, txn, t.values[i].currency);
		c->values[i].micros = t.values[i].micros;
	}
	return 0;
}

/*
 * A walk over millions of counters touches as many pages as they fill, and all of the map would stay with
 * this process. It needs no page twice: what was read is let go of, and is in the system's cache still.
 */
static void
pages_let_go(struct counting *g, struct str key)
{
	uintptr_t at = (uintptr_t)key.p;
	g->low = g->shown == 0 || at < g->low ? at : g->low;
	g->high = g->shown == 0 || at > g->high ? at : g->high;
	if (++g->shown < WALK_PAGES)
		return;
	uintptr_t from = g->low & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
	madvise((void *)from, g->high - from + 1, MADV_DONTNEED);
	g->shown = 0;
}

/* One snapshot for the whole walk: the counters shown belong together. */
static int
counters_walk(struct counting *g, MDB_txn *txn, struct str campaign, struct err *e)
{
	uint8_t from[8] = { 0 };
	uint32_t id = 0;
	MDB_cursor *c = NULL;
	struct str key = STR_NULL, val, prefix = str_of_key(from, campaign.p ? 4 : 0);
	int rc = event_word_find(g->s, txn, campaign, &id);
	if (rc == 0 && campaign.p && campaign.n > 0 && id == 0)
		return 0;
	if (rc == 0)
		rc = mdb_cursor_open(txn, g->s->ev.counter, &c);
	if (rc != 0)
		return store_err(g->s, e, rc, "cannot read counters");
	put32(from, id);
	put32(from + 4, (uint32_t)((g->since_ms + 3599999) / 3600000));
	/* With a campaign the walk begins at its first hour. */
	int r = cursor_seek(g->s, c, campaign.p ? str_of_key(from, 8) : STR(""), &key, &val, e);
	if (r >= 0 && campaign.p)
		r = key.n >= 4 && str_starts(key, prefix);
	for (; r == 1; r = cursor_next(g->s, c, prefix, &key, &val, e)) {
		struct event_counter out;
		pages_let_go(g, key);
		if (counter_decode(g, txn, key, val, &out) != 0) {
			g->skipped++;
			continue;
		}
		if (out.hour_ms < g->since_ms)
			continue;
		if (g->until_ms != 0 && out.hour_ms >= g->until_ms) {
			if (campaign.p)
				break;
			continue;
		}
		if (!g->fn(g->ctx, &out))
			break;
	}
	mdb_cursor_close(c);
	return r < 0 ? -1 : 0;
}

int
event_counter_each(struct store *s, struct str campaign, int64_t since_ms, int64_t until_ms,
		   bool (*fn)(void *ctx, const struct event_counter *c), void *ctx, struct err *e)
{
	struct counting g = { .s = s, .since_ms = since_ms, .until_ms = until_ms, .fn = fn, .ctx = ctx };
	MDB_txn *txn;
	if (!s->events.env)
		return 0;
	if (read_begin(s, &s->events, &txn, e) != 0)
		return -1;
	event_words_open(&g.words, s);
	int r = counters_walk(&g, txn, campaign, e);
	event_words_close(&g.words);
	read_end(s, &s->events, txn);
	if (g.skipped > 0)
		log_warn("state %s: %llu counters of events cannot be read; they were left out", s->directory,
			 (unsigned long long)g.skipped);
	return r;
}

/* ---- statistics ---- */

static int64_t
entries(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_stat st;
	return mdb_stat(txn, dbi, &st) == 0 ? (int64_t)st.ms_entries : 0;
}

int
event_stats(struct store *s, struct event_stats *out, struct err *e)
{
	MDB_txn *txn;
	MDB_envinfo info;
	MDB_stat st;
	MDB_val k = val_of(STR("next")), v;
	int64_t next = 0;
	*out = (struct event_stats){ 0 };
	if (!s->events.env)
		return 0;
	if (read_begin(s, &s->events, &txn, e) != 0)
		return -1;
	out->events = entries(txn, s->ev.log);
	out->counters = entries(txn, s->ev.counter);
	out->persons_and_copies = entries(txn, s->ev.person);
	out->links = entries(txn, s->ev.link);
	out->once = entries(txn, s->ev.once);
	if (mdb_get(txn, s->events.main, &k, &v) == 0 && count_decode(str_of_val(v), &next) == 0)
		out->next = (uint64_t)next;
	read_end(s, &s->events, txn);
	mdb_env_info(s->events.env, &info);
	mdb_env_stat(s->events.env, &st);
	out->map_used = (int64_t)(info.me_last_pgno + 1) * (int64_t)st.ms_psize;
	out->map_size = (int64_t)info.me_mapsize;
	return 0;
}
