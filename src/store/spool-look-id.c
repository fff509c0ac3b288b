/*
 * spool-look-id: jobs by their id, or the beginning of one.
 *
 * An id shows six bytes of each half of a key. A message may have a million
 * recipients, so the second half is sought, too, in each generation (a message
 * has one for tens of thousands of recipients) of each message (there will
 * hardly be two) that the first half fits.
 */
#include "store/spool-private.h"

#include <stdlib.h>

#define ID_HALF 6 /* bytes of each half of a key that spool_id shows */

struct seeking {
	const struct spool_filter *f;
	uint8_t message[ID_HALF], rk[ID_HALF]; /* how the keys begin */
	size_t nmessage, nrk;
	/* Where the next stretch begins. */
	uint8_t generation[SPOOL_GENERATION_KEY], entry[SPOOL_ENTRY_LEN];
	size_t looked; /* in this stretch */
	struct arena *a;
	struct spool_job found[SPOOL_STRETCH_FOUND];
	size_t nfound;
};

/* The whole bytes that hex says, at most ID_HALF; how many. */
static size_t
id_bytes(struct str hex, uint8_t out[ID_HALF])
{
	size_t n = 0;
	for (; n < ID_HALF && 2 * n + 1 < hex.n; n++) {
		char byte[3] = { hex.p[2 * n], hex.p[2 * n + 1], '\0' };
		char *end;
		out[n] = (uint8_t)strtoul(byte, &end, 16);
		if (end != byte + 2)
			break;
	}
	return n;
}

static bool
stretch_ends(const struct seeking *k)
{
	return k->looked >= SPOOL_STRETCH_LOOK || k->nfound >= SPOOL_STRETCH_FOUND;
}

static int
entry_look(struct store *s, MDB_txn *txn, struct seeking *k, const uint8_t *entry)
{
	struct spool_due_value v = { 0 };
	struct spool_found f;
	int rc = spool_find_number(s, txn, be64_get(entry + 16), &f);
	if (rc != 0 || !f.found || f.damaged)
		return rc;
	v.state = f.job.state;
	v.key = f.job.key;
	bool here = !k->f->campaign_id || memcmp(k->f->campaign_id, f.job.campaign_id, 8) == 0;
	/* It may stand here by the entry of a job that is gone. */
	here = here && memcmp(v.key.message, k->generation, 16) == 0 && memcmp(v.key.rk, entry, 16) == 0;
	if (here && spool_filter_fits(k->f, &v))
		spool_job_copy(k->a, &f.job, &k->found[k->nfound++]);
	return 0;
}

/* The entry behind that one. */
static void
entry_after(struct seeking *k, const uint8_t *entry)
{
	memcpy(k->entry, entry, sizeof k->entry);
	be64_put(k->entry + 16, be64_get(entry + 16) + 1);
}

static void
entries_begin(struct seeking *k)
{
	memset(k->entry, 0, sizeof k->entry);
	memcpy(k->entry, k->rk, k->nrk);
}

/* In k->generation from k->entry on. MDB_NOTFOUND at its end. */
static int
generation_look(struct store *s, MDB_txn *txn, struct seeking *k, MDB_cursor *c)
{
	uint8_t from[SPOOL_ENTRY_LEN];
	MDB_val gk = { sizeof k->generation, k->generation }, v = { sizeof from, from };
	memcpy(from, k->entry, sizeof from);
	int rc = mdb_cursor_get(c, &gk, &v, MDB_GET_BOTH_RANGE);
	k->looked++;
	while (rc == 0) {
		if (v.mv_size != SPOOL_ENTRY_LEN || memcmp(v.mv_data, k->rk, k->nrk) != 0)
			return MDB_NOTFOUND;
		if (stretch_ends(k))
			return 0;
		rc = entry_look(s, txn, k, v.mv_data);
		if (rc != 0)
			return rc;
		entry_after(k, v.mv_data);
		k->looked++;
		rc = mdb_cursor_get(c, &gk, &v, MDB_NEXT_DUP);
	}
	return rc;
}

/* MDB_NOTFOUND at the end. */
static int
stretch_look(struct store *s, MDB_txn *txn, struct seeking *k)
{
	MDB_cursor *walk = NULL, *c = NULL;
	MDB_val gk = { sizeof k->generation, k->generation }, v;
	k->looked = k->nfound = 0;
	int rc = mdb_cursor_open(txn, s->sp.key, &walk);
	if (rc == 0)
		rc = mdb_cursor_open(txn, s->sp.key, &c);
	if (rc == 0)
		rc = mdb_cursor_get(walk, &gk, &v, MDB_SET_RANGE);
	while (rc == 0) {
		if (gk.mv_size < k->nmessage || memcmp(gk.mv_data, k->message, k->nmessage) != 0) {
			rc = MDB_NOTFOUND;
			break;
		}
		if (gk.mv_size == sizeof k->generation) {
			if (memcmp(gk.mv_data, k->generation, sizeof k->generation) != 0)
				entries_begin(k);
			memcpy(k->generation, gk.mv_data, sizeof k->generation);
			rc = generation_look(s, txn, k, c);
			if (rc != MDB_NOTFOUND)
				break;
			/* Should the stretch end here, it goes on behind the last of this generation. */
			memset(k->entry, 0xff, sizeof k->entry);
		}
		rc = mdb_cursor_get(walk, &gk, &v, MDB_NEXT_NODUP);
		if (rc == 0 && stretch_ends(k))
			break;
	}
	if (walk)
		mdb_cursor_close(walk);
	if (c)
		mdb_cursor_close(c);
	return rc;
}

/* Reads the id; false when there is no such one. */
static bool
seeking_begin(struct seeking *k)
{
	const struct str id = k->f->id;
	k->nmessage = id_bytes(id, k->message);
	if (id.n > 2 * ID_HALF + 1) {
		if (k->nmessage < ID_HALF)
			return false;
		k->nrk = id_bytes(str_sub(id, 2 * ID_HALF + 1, id.n), k->rk);
	}
	memcpy(k->generation, k->message, k->nmessage);
	entries_begin(k);
	return true;
}

int
spool_each_id(struct store *s, const struct spool_filter *f, bool (*fn)(void *ctx, const struct spool_job *j),
	      void *ctx, struct err *e)
{
	MDB_txn *txn;
	int rc = 0, r = 0;
	struct seeking *k = calloc(1, sizeof *k);
	if (!k)
		return err_set(e, ERR_TEMP, "spool: out of memory");
	k->f = f;
	k->a = arena_new(65536);
	bool going = seeking_begin(k);
	while (going && rc == 0 && r == 0) {
		arena_reset(k->a);
		if (read_begin(s, &s->spool, &txn, e) != 0) {
			r = -1;
			break;
		}
		rc = stretch_look(s, txn, k);
		read_end(s, &s->spool, txn);
		if (rc != 0 && rc != MDB_NOTFOUND)
			r = store_err(s, e, rc, "cannot read jobs");
		for (size_t i = 0; i < k->nfound && r == 0 && going; i++)
			going = fn(ctx, &k->found[i]);
	}
	arena_free(&k->a);
	free(k);
	return r;
}
