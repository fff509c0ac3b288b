/*
 * event-copy: what was sent in one copy, and the first time of everything that
 * happened to it.
 */
#include "store/event-private.h"

#include <stdlib.h>

#include "store/reader.h"

void
event_copy_key(const uint8_t rk[STORE_KEY_LEN], const uint8_t copy[EVENT_COPY_LEN],
	       uint8_t out[EVENT_PERSON_COPY_KEY_LEN])
{
	memcpy(out, rk, STORE_KEY_LEN);
	memcpy(out + STORE_KEY_LEN, copy, EVENT_COPY_LEN);
}

void
copy_reset(struct copy *c)
{
	struct copy_first *firsts = c->firsts;
	size_t cap = c->cap;
	*c = (struct copy){ .firsts = firsts, .cap = cap };
}

void
copy_free(struct copy *c)
{
	free(c->firsts);
	*c = (struct copy){ 0 };
}

static void
firsts_add(struct copy *c, const struct copy_first *f)
{
	if (c->nfirsts == c->cap) {
		c->cap = c->cap > 0 ? c->cap * 2 : 16;
		c->firsts = realloc(c->firsts, c->cap * sizeof *c->firsts);
		if (!c->firsts)
			abort();
	}
	c->firsts[c->nfirsts++] = *f;
}

bool
copy_has(const struct copy *c, enum event_type type, enum event_class class, int link)
{
	for (size_t i = 0; i < c->nfirsts; i++)
		if (c->firsts[i].type == type && c->firsts[i].class == class && c->firsts[i].link == link)
			return true;
	return false;
}

static bool
has_any_link(const struct copy *c, enum event_type type, enum event_class class)
{
	for (size_t i = 0; i < c->nfirsts; i++)
		if (c->firsts[i].type == type && c->firsts[i].class == class)
			return true;
	return false;
}

/* The first that r speaks of is none any more. */
static void
take_back(struct copy *c, struct event_row *r)
{
	enum event_type type = copy_taken_type(r->link);
	r->unique = r->unique_link = false;
	for (size_t i = 0; i < c->nfirsts; i++) {
		struct copy_first *f = &c->firsts[i];
		if (f->type != type || f->class != EVENT_HUMAN || f->link != r->link ||
		    !copy_taken_near(f->at_s, r->at_ms))
			continue;
		memmove(f, f + 1, (c->nfirsts - i - 1) * sizeof *f);
		c->nfirsts--;
		r->unique_link = true;
		r->unique = !has_any_link(c, type, EVENT_HUMAN);
		return;
	}
}

void
copy_add(struct copy *c, struct event_row *r)
{
	const struct copy_first f = { (uint8_t)r->type, (uint8_t)r->class, r->link, r->at_ms / 1000 };
	for (int i = 0; i < COPY_WORDS; i++) {
		if (r->word[i] == 0)
			r->word[i] = c->word[i];
		if (c->word[i] == 0)
			c->word[i] = r->word[i];
	}
	if (f.at_s > c->last_s)
		c->last_s = f.at_s;
	if (r->type == EVENT_RECLASSIFIED) {
		take_back(c, r);
		return;
	}
	/* A copy with more links than that is none of ours; what is beyond counts, but not as unique. */
	bool room = c->nfirsts < COPY_MAX_FIRSTS;
	r->unique = room && !has_any_link(c, r->type, r->class);
	r->unique_link = room && !copy_has(c, r->type, r->class, r->link);
	if (r->unique_link)
		firsts_add(c, &f);
}

/* ---- on disk ---- */

void
copy_encode(const struct copy *c, struct buf *out)
{
	size_t from = out->n;
	add_u8(out, RECORD_VERSION);
	add_varint(out, (uint64_t)c->last_s);
	for (int i = 0; i < COPY_WORDS; i++)
		add_varint(out, c->word[i]);
	for (size_t i = 0; i < c->nfirsts; i++) {
		const struct copy_first *f = &c->firsts[i];
		add_u8(out, f->type);
		add_u8(out, f->class);
		add_varint(out, (uint64_t)(f->link + 1));
		add_varint(out, (uint64_t)f->at_s);
	}
	event_checksum_add(out, from);
}

int
copy_decode(struct str bytes, struct copy *c)
{
	copy_reset(c);
	if (event_checksum_take(&bytes) != 0)
		return -1;
	struct reader r = reader_open(bytes);
	c->last_s = reader_bounded(&r, EVENT_MAX_TIME / 1000);
	for (int i = 0; i < COPY_WORDS; i++)
		c->word[i] = (uint32_t)reader_bounded(&r, UINT32_MAX);
	while (!r.bad && r.left > 0) {
		struct copy_first f = { .type = reader_u8(&r), .class = reader_u8(&r) };
		f.link = (int)reader_bounded(&r, EVENT_MAX_LINK + 1) - 1;
		f.at_s = reader_bounded(&r, EVENT_MAX_TIME / 1000);
		if (f.type == 0 || f.type >= EVENT_TYPES || f.class >= EVENT_CLASSES ||
		    c->nfirsts == COPY_MAX_FIRSTS)
			r.bad = true;
		if (!r.bad)
			firsts_add(c, &f);
	}
	if (!r.bad)
		return 0;
	copy_reset(c);
	return -1;
}

int
copy_last_s(struct str bytes, int64_t *last_s)
{
	if (event_checksum_take(&bytes) != 0)
		return -1;
	struct reader r = reader_open(bytes);
	*last_s = reader_bounded(&r, EVENT_MAX_TIME / 1000);
	return r.bad ? -1 : 0;
}

/* ---- for those who ask ---- */

static void
copy_show(const struct copy *c, struct event_words *w, MDB_txn *txn, struct arena *a, struct event_copy *out)
{
	struct str *const words[COPY_WORDS] = { &out->campaign, &out->arm, &out->domain, &out->segment,
						&out->category };
	for (int i = 0; i < COPY_WORDS; i++)
		*words[i] = arena_str(a, event_word_get(w, txn, c->word[i]));
	out->firsts = ARENA_ARRAY(a, struct event_first, c->nfirsts);
	for (size_t i = 0; i < c->nfirsts; i++)
		out->firsts[out->nfirsts++] = (struct event_first){
			.type = (enum event_type)c->firsts[i].type,
			.class = (enum event_class)c->firsts[i].class,
			.link = c->firsts[i].link,
			.at_ms = c->firsts[i].at_s * 1000,
		};
}

int
event_copy_get(struct store *s, const uint8_t rk[16], const uint8_t copy[EVENT_COPY_LEN], struct arena *a,
	       struct event_copy *out, struct err *e)
{
	uint8_t key[EVENT_PERSON_COPY_KEY_LEN];
	MDB_txn *txn;
	MDB_val k = { sizeof key, key }, v;
	struct copy c = { 0 };
	struct event_words w;
	int r = 0;
	*out = (struct event_copy){ 0 };
	if (!s->events.env)
		return 0;
	if (read_begin(s, &s->events, &txn, e) != 0)
		return -1;
	event_copy_key(rk, copy, key);
	int rc = mdb_get(txn, s->ev.person, &k, &v);
	if (rc != 0 && rc != MDB_NOTFOUND) {
		r = store_err(s, e, rc, "cannot read a copy's events");
	} else if (rc == 0 && copy_decode(str_of_val(v), &c) != 0) {
		r = store_corrupt(s, e, "person");
	} else if (rc == 0) {
		event_words_open(&w, s);
		copy_show(&c, &w, txn, a, out);
		event_words_close(&w);
		r = 1;
	}
	read_end(s, &s->events, txn);
	copy_free(&c);
	return r;
}
