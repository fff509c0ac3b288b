/*
 * spool-key: from a job's key to its number.
 *
 * Recipients' keys are hashes: a thousand new ones among a million fall on as
 * many pages, and each commit writes every page that it touches. So the
 * recipients of one message are kept in generations. New ones come into the last
 * until it is full, whose hundred pages are all that a commit can touch, however
 * many came before. A search would have to go through all of them; it is spared
 * that by sieves (spool-sieve.c), each of which knows the members of up to eight
 * full generations. A message of fewer recipients than a generation holds has
 * one, and no sieve.
 *
 * A sieve is only a help: generations without one, or whose sieve is damaged, are
 * searched, and the next call that adds jobs to this message makes it (again).
 * Nothing has to be merged: a generation goes with its last entry, a sieve with
 * the last of its generations.
 */
#include "store/spool-private.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

static void
generation_key(const uint8_t message[16], uint32_t number, uint8_t out[SPOOL_GENERATION_KEY])
{
	memcpy(out, message, 16);
	for (int i = 0; i < 4; i++)
		out[16 + i] = (uint8_t)(number >> (24 - 8 * i));
}

/* Of a key that a cursor gave: whether it is of this message, and which generation it says. */
static bool
generation_read(MDB_val k, const uint8_t message[16], uint32_t *number)
{
	const uint8_t *p = k.mv_data;
	if (k.mv_size != SPOOL_GENERATION_KEY || memcmp(p, message, 16) != 0)
		return false;
	*number = (uint32_t)p[16] << 24 | (uint32_t)p[17] << 16 | (uint32_t)p[18] << 8 | p[19];
	return true;
}

static uint32_t
group_of(uint32_t generation)
{
	return generation - generation % SPOOL_SIEVE_GENERATIONS;
}

static void
entry_encode(const uint8_t rk[16], uint64_t number, uint8_t out[SPOOL_ENTRY_LEN])
{
	memcpy(out, rk, 16);
	be64_put(out + 16, number);
}

/* ---- searching ---- */

/* For keys of one message, in their order. */
struct search {
	struct store *s;
	MDB_txn *txn;
	const struct spool_key *const *keys;
	size_t n;
	bool *found, *pass;	 /* n; pass: by the sieve at hand */
	uint64_t number;	 /* not SPOOL_ANY: only the entry of that job; with one key */
	struct spool_found *job; /* what was found; of the last key */
	uint32_t generation;	 /* where */
	struct spool_mend mend;
	MDB_cursor *entry, *walk, *sieve;
};
#define SPOOL_ANY UINT64_MAX

#define SIEVE_AHEAD 8 /* keys whose block is fetched meanwhile */

/* The job of keys[i], when this generation knows it. Entries of jobs that are gone are passed over. */
static int
entry_find(struct search *q, uint32_t generation, size_t i)
{
	const struct spool_key *key = q->keys[i];
	uint8_t at[SPOOL_GENERATION_KEY], from[SPOOL_ENTRY_LEN];
	MDB_val k = { sizeof at, at }, v = { sizeof from, from };
	const bool any = q->number == SPOOL_ANY;
	generation_key(key->message, generation, at);
	entry_encode(key->rk, any ? 0 : q->number, from);
	int rc = mdb_cursor_get(q->entry, &k, &v, any ? MDB_GET_BOTH_RANGE : MDB_GET_BOTH);
	q->generation = generation;
	if (!any)
		q->found[i] = rc == 0;
	while (any && rc == 0 && v.mv_size == SPOOL_ENTRY_LEN && memcmp(v.mv_data, key->rk, 16) == 0) {
		rc = spool_find_number(q->s, q->txn, be64_get((const uint8_t *)v.mv_data + 16), q->job);
		if (rc != 0)
			return rc;
		q->found[i] =
		    q->job->found && (q->job->damaged || memcmp(&q->job->job.key, key, SPOOL_KEY_LEN) == 0);
		if (q->found[i])
			break;
		rc = mdb_cursor_get(q->entry, &k, &v, MDB_NEXT_DUP);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
generation_search(struct search *q, uint32_t generation, bool sifted)
{
	int rc = 0;
	for (size_t i = 0; i < q->n && rc == 0; i++)
		if (!q->found[i] && (!sifted || q->pass[i]))
			rc = entry_find(q, generation, i);
	return rc;
}

static void
mend_want(struct search *q, uint32_t generation, bool damaged)
{
	if (q->mend.wanted)
		return;
	q->mend = (struct spool_mend){ .wanted = true, .damaged = damaged, .group = group_of(generation) };
	memcpy(q->mend.message, q->keys[0]->message, sizeof q->mend.message);
}

/* Generations that no sieve knows. Of those that are full one should. */
static int
bare_search(struct search *q, uint32_t from, uint32_t end)
{
	uint8_t at[SPOOL_GENERATION_KEY];
	MDB_val k = { sizeof at, at }, v;
	uint32_t g, before = UINT32_MAX;
	generation_key(q->keys[0]->message, from, at);
	int rc = mdb_cursor_get(q->walk, &k, &v, MDB_SET_RANGE);
	while (rc == 0 && generation_read(k, q->keys[0]->message, &g)) {
		if (before != UINT32_MAX)
			mend_want(q, before, false);
		if (g >= end)
			break;
		rc = generation_search(q, g, false);
		before = g;
		if (rc == 0)
			rc = mdb_cursor_get(q->walk, &k, &v, MDB_NEXT_NODUP);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
sieve_search(struct search *q, struct str sieve, uint32_t first, uint32_t end)
{
	bool any = false;
	int rc = 0;
	for (size_t i = 0; i < q->n; i++) {
		if (i + SIEVE_AHEAD < q->n)
			spool_sieve_fetch(sieve, q->keys[i + SIEVE_AHEAD]->rk);
		enum spool_sifted r = q->found[i] ? SPOOL_SIEVE_NO : spool_sieve_look(sieve, q->keys[i]->rk);
		q->pass[i] = r != SPOOL_SIEVE_NO;
		any = any || q->pass[i];
		if (r == SPOOL_SIEVE_DAMAGED)
			mend_want(q, first, true);
	}
	for (uint32_t g = first; any && g < end && rc == 0; g++)
		rc = generation_search(q, g, true);
	return rc;
}

static bool
search_over(const struct search *q)
{
	return q->n == 1 && q->found[0];
}

/* Sieve by sieve, and what is bare before, between and behind them. */
static int
sieves_walk(struct search *q)
{
	uint8_t at[SPOOL_GENERATION_KEY];
	MDB_val k = { sizeof at, at }, v;
	uint32_t next = 0, first, end;
	generation_key(q->keys[0]->message, 0, at);
	int rc = mdb_cursor_get(q->sieve, &k, &v, MDB_SET_RANGE);
	while (rc == 0 && generation_read(k, q->keys[0]->message, &first)) {
		end = spool_sieve_end(str_of_val(v));
		if (end <= first || end - first > SPOOL_SIEVE_GENERATIONS || first != group_of(first)) {
			mend_want(q, first, true);
		} else {
			rc = first > next ? bare_search(q, next, first) : 0;
			if (rc == 0 && !search_over(q))
				rc = sieve_search(q, str_of_val(v), first, end);
			next = end;
		}
		if (rc != 0 || search_over(q))
			return rc;
		rc = mdb_cursor_get(q->sieve, &k, &v, MDB_NEXT);
	}
	return rc == 0 || rc == MDB_NOTFOUND ? bare_search(q, next, UINT32_MAX) : rc;
}

static int
search(struct search *q)
{
	int rc = mdb_cursor_open(q->txn, q->s->sp.key, &q->entry);
	if (rc == 0)
		rc = mdb_cursor_open(q->txn, q->s->sp.key, &q->walk);
	if (rc == 0)
		rc = mdb_cursor_open(q->txn, q->s->sp.sieve, &q->sieve);
	if (rc == 0)
		rc = sieves_walk(q);
	if (q->entry)
		mdb_cursor_close(q->entry);
	if (q->walk)
		mdb_cursor_close(q->walk);
	if (q->sieve)
		mdb_cursor_close(q->sieve);
	return rc;
}

int
spool_find(struct store *s, MDB_txn *txn, const struct spool_key *key, struct spool_found *out)
{
	bool found = false, pass;
	struct search q = { .s = s,
			    .txn = txn,
			    .keys = &key,
			    .n = 1,
			    .found = &found,
			    .pass = &pass,
			    .number = SPOOL_ANY,
			    .job = out };
	*out = (struct spool_found){ 0 };
	int rc = search(&q);
	if (rc != 0 || !found)
		*out = (struct spool_found){ 0 };
	return rc;
}

int
spool_keys_known(struct store *s, MDB_txn *txn, const struct spool_key *const *keys, bool *known,
		 bool *scratch, size_t n, struct spool_mend *mend)
{
	struct spool_found f;
	struct search q = { .s = s,
			    .txn = txn,
			    .keys = keys,
			    .n = n,
			    .found = known,
			    .pass = scratch,
			    .number = SPOOL_ANY,
			    .job = &f };
	memset(known, 0, n * sizeof *known);
	int rc = search(&q);
	*mend = q.mend;
	return rc;
}

/* ---- sieves ---- */

/* Counts the entries of the full generations of a group, or puts them into a sieve; *end: behind the last. */
static int
group_sift(struct store_txn *t, const struct spool_mend *m, struct spool_sieve *sieve, size_t *n,
	   uint32_t *end)
{
	MDB_cursor *c = NULL;
	uint8_t at[SPOOL_GENERATION_KEY];
	MDB_val k = { sizeof at, at }, v;
	uint32_t g;
	size_t count;
	*n = 0;
	*end = m->group;
	generation_key(m->message, m->group, at);
	int rc = mdb_cursor_open(t->txn, t->s->sp.key, &c);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	for (; rc == 0 && generation_read(k, m->message, &g) && group_of(g) == m->group;
	     rc = mdb_cursor_get(c, &k, &v, MDB_NEXT_NODUP)) {
		if (g >= m->last)
			break;
		*end = g + 1;
		if (!sieve) {
			rc = mdb_cursor_count(c, &count);
			*n += count;
			continue;
		}
		do
			if (v.mv_size == SPOOL_ENTRY_LEN)
				spool_sieve_add(sieve, v.mv_data);
		while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT_DUP)) == 0);
		if (rc != MDB_NOTFOUND)
			break;
	}
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
sieve_put(struct store_txn *t, const struct spool_mend *m, struct spool_sieve *sieve, uint32_t end)
{
	uint8_t at[SPOOL_GENERATION_KEY];
	MDB_val k = { sizeof at, at }, v = { sieve->n, sieve->p };
	generation_key(m->message, m->group, at);
	spool_sieve_close(sieve, end);
	t->dirty = true;
	return mdb_put(t->txn, t->s->sp.sieve, &k, &v, 0);
}

int
spool_sieve_mend(struct store_txn *t, struct spool_mend *m)
{
	struct spool_sieve sieve;
	struct spool_place place = { 0 };
	size_t n;
	uint32_t end;
	int rc = spool_place_find(t, &place, m->message);
	m->last = place.number;
	if (rc == 0)
		rc = group_sift(t, m, NULL, &n, &end);
	if (rc != 0 || n == 0)
		return rc;
	if (m->damaged)
		log_warn("spool: a sieve of recipients was damaged on disk, and is made again");
	if (!spool_sieve_begin(&sieve, n))
		return ENOMEM;
	rc = group_sift(t, m, &sieve, &n, &end);
	if (rc == 0)
		rc = sieve_put(t, m, &sieve, end);
	free(sieve.p);
	return rc;
}

/* ---- adding ---- */

/*
 * When the last generation went with its entries, the one before is the last, and a sieve may know it:
 * whoever was put into it now would be a stranger to that sieve. Where a part of it is damaged, its end is
 * not believed, but its other parts would still deny him: it goes, and the next call that adds jobs makes it
 * again.
 */
static int
place_behind_sieve(struct store_txn *t, struct spool_place *p)
{
	uint8_t at[SPOOL_GENERATION_KEY];
	MDB_val k = { sizeof at, at }, v;
	const uint32_t first = group_of(p->number);
	generation_key(p->message, first, at);
	int rc = mdb_get(t->txn, t->s->sp.sieve, &k, &v);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	const uint32_t end = spool_sieve_end(str_of_val(v));
	if (end <= p->number)
		return 0;
	if (end - first > SPOOL_SIEVE_GENERATIONS ||
	    spool_sieve_look(str_of_val(v), p->message) == SPOOL_SIEVE_DAMAGED) {
		log_warn("spool: a sieve of recipients was damaged on disk, and is removed");
		t->dirty = true;
		return mdb_del(t->txn, t->s->sp.sieve, &k, NULL);
	}
	p->number = end;
	p->n = 0;
	return 0;
}

int
spool_place_find(struct store_txn *t, struct spool_place *p, const uint8_t message[16])
{
	MDB_cursor *c = NULL;
	uint8_t behind[SPOOL_GENERATION_KEY];
	MDB_val k = { sizeof behind, behind }, v;
	*p = (struct spool_place){ 0 };
	memcpy(p->message, message, sizeof p->message);
	generation_key(message, UINT32_MAX, behind);
	int rc = mdb_cursor_open(t->txn, t->s->sp.key, &c);
	if (rc != 0)
		return rc;
	/* The last before the next message's. */
	rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	if (rc == 0 || rc == MDB_NOTFOUND)
		rc = mdb_cursor_get(c, &k, &v, rc == 0 ? MDB_PREV_NODUP : MDB_LAST);
	if (rc == 0 && generation_read(k, message, &p->number))
		rc = mdb_cursor_count(c, &p->n);
	mdb_cursor_close(c);
	rc = rc == MDB_NOTFOUND ? 0 : rc;
	if (rc == 0)
		rc = place_behind_sieve(t, p);
	p->set = rc == 0;
	return rc;
}

int
spool_key_put(struct store_txn *t, struct spool_place *p, const struct spool_key *key, uint64_t number)
{
	uint8_t at[SPOOL_GENERATION_KEY], entry[SPOOL_ENTRY_LEN];
	MDB_val k = { sizeof at, at }, v = { sizeof entry, entry };
	int rc = 0;
	if (!p->set || memcmp(p->message, key->message, sizeof p->message) != 0)
		rc = spool_place_find(t, p, key->message);
	if (rc != 0)
		return rc;
	if (p->n >= SPOOL_GENERATION && p->number < UINT32_MAX - 1) {
		p->number++;
		p->n = 0;
	}
	generation_key(key->message, p->number, at);
	entry_encode(key->rk, number, entry);
	t->dirty = true;
	p->n++;
	return mdb_put(t->txn, t->s->sp.key, &k, &v, 0);
}

/* ---- removing ---- */

/* A sieve goes with the last of its generations. */
static int
sieve_drop(struct store_txn *t, const uint8_t message[16], uint32_t group)
{
	MDB_cursor *c = NULL;
	uint8_t at[SPOOL_GENERATION_KEY];
	MDB_val k = { sizeof at, at }, v;
	uint32_t g;
	generation_key(message, group, at);
	int rc = mdb_cursor_open(t->txn, t->s->sp.key, &c);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	bool left = rc == 0 && generation_read(k, message, &g) && group_of(g) == group;
	mdb_cursor_close(c);
	if (left || (rc != 0 && rc != MDB_NOTFOUND))
		return rc;
	k = (MDB_val){ sizeof at, at };
	rc = mdb_del(t->txn, t->s->sp.sieve, &k, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int
spool_key_del(struct store_txn *t, const struct spool_key *key, uint64_t number)
{
	uint8_t at[SPOOL_GENERATION_KEY], entry[SPOOL_ENTRY_LEN];
	bool found = false, pass;
	struct search q = { .s = t->s,
			    .txn = t->txn,
			    .keys = &key,
			    .n = 1,
			    .found = &found,
			    .pass = &pass,
			    .number = number };
	int rc = search(&q);
	if (rc != 0 || !found)
		return rc;
	MDB_val k = { sizeof at, at }, v = { sizeof entry, entry };
	generation_key(key->message, q.generation, at);
	entry_encode(key->rk, number, entry);
	t->dirty = true;
	rc = mdb_del(t->txn, t->s->sp.key, &k, &v);
	if (rc == 0 && mdb_get(t->txn, t->s->sp.key, &k, &v) == MDB_NOTFOUND)
		rc = sieve_drop(t, key->message, group_of(q.generation));
	return rc;
}
