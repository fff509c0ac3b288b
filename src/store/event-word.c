/*
 * event-word: words and their numbers. In the table: 'w' and the word → number;
 * 'i' and the number → word. Words are never removed: campaigns, arms, domains
 * and reasons are few, and people do not appear among them.
 */
#include "store/event-private.h"

#include <stdlib.h>

#define WORD_KEY_MAX (1 + EVENT_MAX_WORD)
#define WORDS_KEPT_MAX ((size_t)1 << 22)

static struct str
word_key(struct str word, uint8_t key[WORD_KEY_MAX])
{
	key[0] = 'w';
	memcpy(key + 1, word.p, word.n);
	return str_of_key(key, 1 + word.n);
}

static struct str
id_key(uint32_t id, uint8_t key[5])
{
	key[0] = 'i';
	for (int i = 4; i >= 1; i--, id >>= 8)
		key[i] = (uint8_t)id;
	return str_of_key(key, 5);
}

int
event_word_find(struct store *s, MDB_txn *txn, struct str word, uint32_t *id)
{
	uint8_t key[WORD_KEY_MAX];
	int64_t n;
	*id = 0;
	if (word.n == 0 || word.n > EVENT_MAX_WORD)
		return 0;
	MDB_val k = val_of(word_key(word, key)), v;
	int rc = mdb_get(txn, s->ev.word, &k, &v);
	if (rc == 0 && count_decode(str_of_val(v), &n) == 0 && n <= UINT32_MAX)
		*id = (uint32_t)n;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
word_new(struct store_txn *t, struct str word, uint32_t *id)
{
	uint8_t key[WORD_KEY_MAX], ikey[5], rec[COUNT_RECORD_LEN];
	MDB_val name = val_of(STR("words")), v;
	int64_t n = 0;
	int rc = mdb_get(t->txn, t->lane->main, &name, &v);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (rc == 0 && (count_decode(str_of_val(v), &n) != 0 || n >= UINT32_MAX))
		return MDB_CORRUPTED;
	*id = (uint32_t)++n;
	count_encode(n, rec);
	v = (MDB_val){ sizeof rec, rec };
	t->dirty = true;
	rc = mdb_put(t->txn, t->lane->main, &name, &v, 0);
	MDB_val k = val_of(word_key(word, key));
	if (rc == 0)
		rc = mdb_put(t->txn, t->s->ev.word, &k, &v, 0);
	k = val_of(id_key(*id, ikey));
	v = val_of(word);
	return rc != 0 ? rc : mdb_put(t->txn, t->s->ev.word, &k, &v, MDB_NOOVERWRITE);
}

int
event_word_put(struct store_txn *t, struct str word, uint32_t *id)
{
	int rc = event_word_find(t->s, t->txn, word, id);
	return rc != 0 || *id != 0 || word.n == 0 ? rc : word_new(t, word, id);
}

/* ---- reading ---- */

void
event_words_open(struct event_words *w, struct store *s)
{
	*w = (struct event_words){ .s = s, .a = arena_new(4096) };
}

void
event_words_close(struct event_words *w)
{
	arena_free(&w->a);
	free(w->v);
	w->v = NULL;
	w->n = 0;
}

/* Room for a number; false when it is beyond what a sound database has. */
static bool
words_room(struct event_words *w, uint32_t id)
{
	size_t n = w->n > 0 ? w->n : 256;
	if (id < w->n)
		return true;
	if (id >= WORDS_KEPT_MAX)
		return false;
	while (n <= id)
		n *= 2;
	struct str *v = realloc(w->v, n * sizeof *v);
	if (!v)
		return false;
	memset(v + w->n, 0, (n - w->n) * sizeof *v);
	w->v = v;
	w->n = n;
	return true;
}

struct str
event_word_get(struct event_words *w, MDB_txn *txn, uint32_t id)
{
	uint8_t key[5];
	if (id == 0)
		return STR("");
	bool room = words_room(w, id);
	if (room && w->v[id].p)
		return w->v[id];
	MDB_val k = val_of(id_key(id, key)), v;
	struct str word = mdb_get(txn, w->s->ev.word, &k, &v) == 0 ? arena_str(w->a, str_of_val(v))
								   : arena_printf(w->a, "?%u", id);
	if (room)
		w->v[id] = word;
	return word;
}
