/*
 * event-link: which URL a link number stood for. Kept without query and fragment,
 * and up to what looks like an address: these are where people's names are.
 */
#include "store/event-private.h"

#include "store/reader.h"

#define LINK_KEY_LEN 12
#define URL_HASH_LEN 8

/* What of a URL may be kept. */
static struct str
url_plain(struct str url)
{
	size_t n = 0, slash = 0;
	for (; n < url.n && url.p[n] != '?' && url.p[n] != '#'; n++) {
		if (url.p[n] == '/')
			slash = n;
		if (url.p[n] == '@' || str_casestarts(str_sub(url, n, url.n), STR("%40")))
			return str_sub(url, 0, slash);
	}
	return str_sub(url, 0, n);
}

void
event_url_hash(struct str url, uint8_t out[8])
{
	uint64_t h = 14695981039346656037u;
	struct str plain = url_plain(url);
	for (size_t i = 0; i < plain.n; i++)
		h = (h ^ (uint8_t)plain.p[i]) * 1099511628211u;
	be64_put(out, h);
}

static void
link_key(uint32_t campaign, const uint8_t hash[8], uint8_t key[LINK_KEY_LEN])
{
	for (int i = 3; i >= 0; i--, campaign >>= 8)
		key[i] = (uint8_t)campaign;
	memcpy(key + 4, hash, URL_HASH_LEN);
}

/* One more URL of that campaign; *room says whether it may be kept. Under the hash zero stands how many. */
static int
link_count(struct store_txn *t, uint32_t campaign, bool *room)
{
	static const uint8_t none[URL_HASH_LEN];
	uint8_t key[LINK_KEY_LEN], rec[COUNT_RECORD_LEN];
	int64_t n = 0;
	link_key(campaign, none, key);
	MDB_val k = { sizeof key, key }, v;
	int rc = mdb_get(t->txn, t->s->ev.link, &k, &v);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (rc == 0 && count_decode(str_of_val(v), &n) != 0)
		n = EVENT_MAX_LINKS;
	*room = n < EVENT_MAX_LINKS;
	if (!*room)
		return 0;
	count_encode(n + 1, rec);
	v = (MDB_val){ sizeof rec, rec };
	t->dirty = true;
	return mdb_put(t->txn, t->s->ev.link, &k, &v, 0);
}

int
event_link_put(struct store_txn *t, const struct event_row *r, struct str url)
{
	uint8_t key[LINK_KEY_LEN];
	struct str plain = url_plain(url);
	bool room;
	if (r->word[WORD_CAMPAIGN] == 0 || plain.n == 0 || plain.n > EVENT_MAX_URL || !str_is_utf8(plain))
		return 0;
	link_key(r->word[WORD_CAMPAIGN], r->url_hash, key);
	MDB_val k = { sizeof key, key }, v;
	int rc = mdb_get(t->txn, t->s->ev.link, &k, &v);
	if (rc != MDB_NOTFOUND)
		return rc;
	rc = link_count(t, r->word[WORD_CAMPAIGN], &room);
	if (rc != 0 || !room)
		return rc;
	struct buf b = { 0 };
	add_u8(&b, RECORD_VERSION);
	add_varint(&b, (uint64_t)(r->link + 1));
	buf_adds(&b, plain);
	v = val_of(buf_str(&b));
	rc = mdb_put(t->txn, t->s->ev.link, &k, &v, 0);
	buf_free(&b);
	return rc;
}

struct link_walk {
	bool (*fn)(void *ctx, int link, const uint8_t hash[8], struct str url);
	void *ctx;
};

static int
links_of(struct store *s, MDB_txn *txn, struct str campaign, const struct link_walk *w, struct err *e)
{
	static const uint8_t none[URL_HASH_LEN];
	uint8_t first[LINK_KEY_LEN];
	uint32_t id;
	MDB_cursor *c = NULL;
	struct str key, val, prefix = str_of_key(first, 4);
	int rc = event_word_find(s, txn, campaign, &id);
	if (rc == 0 && id == 0)
		return 0;
	if (rc == 0)
		rc = mdb_cursor_open(txn, s->ev.link, &c);
	if (rc != 0)
		return store_err(s, e, rc, "cannot read links");
	link_key(id, none, first);
	int r = cursor_seek(s, c, prefix, &key, &val, e);
	for (; r == 1; r = cursor_next(s, c, prefix, &key, &val, e)) {
		struct reader rd = reader_open(val);
		int link = (int)reader_bounded(&rd, EVENT_MAX_LINK + 1) - 1;
		const uint8_t *hash = (const uint8_t *)key.p + 4;
		if (key.n != LINK_KEY_LEN || rd.bad || event_zero(hash, URL_HASH_LEN))
			continue;
		if (!w->fn(w->ctx, link, hash, reader_rest(&rd)))
			break;
	}
	mdb_cursor_close(c);
	return r < 0 ? -1 : 0;
}

int
event_link_each(struct store *s, struct str campaign,
		bool (*fn)(void *ctx, int link, const uint8_t hash[8], struct str url), void *ctx,
		struct err *e)
{
	const struct link_walk w = { fn, ctx };
	MDB_txn *txn;
	if (!s->events.env)
		return 0;
	if (read_begin(s, &s->events, &txn, e) != 0)
		return -1;
	int r = links_of(s, txn, campaign, &w, e);
	read_end(s, &s->events, txn);
	return r;
}
