/*
 * event-private: what the files of the event log share.
 *
 * Words (campaigns, arms, domains …) are stored once and numbered, from 1 on; everything else refers to their
 * numbers. Raw events are short then, and counters have keys of one length.
 *
 * Two kinds of records share `person`, told apart by key length: a recipient's, and those of his copies,
 * which lie beside it; an event that comes in writes both, and finds them on one page. A recipient's events
 * are a chain: his record says which is the last, each says which came before. So there is no index by
 * recipient to be kept, and none to be erased.
 *
 * Records end with a checksum, so that damage is seen and not counted.
 *
 * Functions below that return int give 0 or LMDB's code unless they say otherwise.
 */
#ifndef MT_STORE_EVENT_PRIVATE_H
#define MT_STORE_EVENT_PRIVATE_H

#include "store/event.h"
#include "store/store-private.h"

#define EVENT_NUMBER_LEN 8
#define EVENT_COUNTER_KEY_LEN 28
#define EVENT_PERSON_COPY_KEY_LEN (STORE_KEY_LEN + EVENT_COPY_LEN)
#define EVENT_MAX_MICROS (INT64_C(1) << 53) /* of one event: what every reader of numbers can hold */

/* ---- event-word.c ---- */

enum event_word {
	WORD_CAMPAIGN,
	WORD_ARM,
	WORD_DOMAIN,
	WORD_SEGMENT,
	WORD_CATEGORY,
	WORD_REASON,
	WORD_SOURCE,
	WORD_CURRENCY,
	EVENT_WORDS
};

/* The number of a word; an unknown one gets the next. Absent or empty: 0. */
int event_word_put(struct store_txn *t, struct str word, uint32_t *id);
/* *id is 0 when nobody has used that word yet. */
int event_word_find(struct store *s, MDB_txn *txn, struct str word, uint32_t *id);

/* Words by number, kept while a walk lasts. */
struct event_words {
	struct store *s;
	struct arena *a;
	struct str *v;
	size_t n;
};
void event_words_open(struct event_words *w, struct store *s);
void event_words_close(struct event_words *w);
/* "?ID" when the word is gone. */
struct str event_word_get(struct event_words *w, MDB_txn *txn, uint32_t id);

/* ---- event-record.c: decoders give 0, or -1 when the bytes are no such record ---- */

/* An event as it lies in the log. */
struct event_row {
	uint64_t prev; /* 1 + the number of the recipient's event before it; 0: there is none */
	int64_t at_ms;
	enum event_type type;
	enum event_class class;
	bool unique, unique_link, forgotten;
	uint8_t rk[STORE_KEY_LEN], copy[EVENT_COPY_LEN], idem[STORE_KEY_LEN], url_hash[8];
	uint32_t word[EVENT_WORDS]; /* 0: empty */
	int link;
	int64_t micros; /* when there is a currency */
	struct str queue_id, details;
};
void event_row_encode(const struct event_row *r, struct buf *out);
int event_row_decode(struct str bytes, struct event_row *r);

/* campaign, hour, arm, domain, segment, reason, link + 1, type, class */
void event_counter_key(const struct event_row *r, uint8_t out[EVENT_COUNTER_KEY_LEN]);

struct event_tally {
	int64_t count, unique, unique_link;
	struct {
		uint32_t currency;
		int64_t micros;
	} values[EVENT_MAX_CURRENCIES];
	size_t nvalues;
};
void event_tally_add(struct event_tally *t, const struct event_row *r);
void event_tally_encode(const struct event_tally *t, struct buf *out);
int event_tally_decode(struct str bytes, struct event_tally *t);

/* ---- event-outbox.c: the steps of event_move, and event-add.c's part of it ---- */

struct moving {
	struct arena *a;
	struct lane *lane;
	struct event *v;
	uint64_t *numbers; /* in the queue, rising */
	size_t n, max;
	uint64_t last; /* number of the last one read */
	bool any;
};
/* v and numbers have room for max. 0, -1 */
int outbox_read(struct store *s, struct lane *lane, struct moving *m, struct err *e);
int outbox_add(struct store *s, struct moving *m, struct err *e);
/* The lowest number in the queue; UINT64_MAX: it is empty. 0, -1 */
int outbox_first(struct store *s, struct lane *lane, uint64_t *number, struct err *e);
/* event_add of n of them from `from` on, but for those that have been taken out of the queue meanwhile. */
int event_add_moved(struct store *s, const struct moving *m, size_t from, size_t n, struct err *e);

/* ---- event-look.c ---- */

/* What a counter's key says. */
void event_counter_names(struct event_words *w, MDB_txn *txn, const uint8_t key[EVENT_COUNTER_KEY_LEN],
			 struct event_counter *c);

/* ---- event-link.c ---- */

/* Of what is kept of a URL. */
void event_url_hash(struct str url, uint8_t out[8]);
int event_link_put(struct store_txn *t, const struct event_row *r, struct str url);

/* ---- event-queue.c ---- */

int event_queue_put(struct store_txn *t, const struct event_row *r);
/* When that record's event was; -1: it is none. */
int event_queue_at(struct str bytes, int64_t *at_ms);
/* Whose copy it tells of; -1: it is none. */
int event_queue_rk(struct str bytes, uint8_t rk[STORE_KEY_LEN]);

/* ---- event-person.c ---- */

#define PERSON_TOTALS ((EVENT_TYPES - 1) * EVENT_CLASSES)
#define PERSON_MAX_DAYS 2000 /* entries; beyond, the oldest go */

struct person_day {
	int64_t day;
	uint8_t type, class;
	uint32_t category, currency;
	int64_t count, micros;
};
/* A recipient's record. Zero is empty; the array is kept from one to the next. */
struct person {
	uint64_t last; /* 1 + the number of his last event; 0: none */
	int64_t sent_since_click;
	struct {
		int64_t count, last_ms;
	} totals[PERSON_TOTALS];
	struct person_day *days;
	size_t ndays, cap;
};
void person_reset(struct person *p);
void person_free(struct person *p);
void person_add(struct person *p, const struct event_row *r);
void person_encode(const struct person *p, struct buf *out);
int person_decode(struct str bytes, struct person *p);

/* ---- event-copy.c ---- */

#define COPY_MAX_FIRSTS 2000
/* The words that events of a copy take over from it, in the order of enum event_word. */
#define COPY_WORDS (WORD_CATEGORY + 1)
struct copy_first {
	uint8_t type, class;
	int link;
	int64_t at_s;
};
struct copy {
	int64_t last_s;
	uint32_t word[COPY_WORDS];
	struct copy_first *firsts;
	size_t nfirsts, cap;
};
void copy_reset(struct copy *c);
void copy_free(struct copy *c);
/* Fills the row's empty words from the copy and the copy's from the row, and says what is unique. */
void copy_add(struct copy *c, struct event_row *r);
bool copy_has(const struct copy *c, enum event_type type, enum event_class class, int link);
void copy_encode(const struct copy *c, struct buf *out);
int copy_decode(struct str bytes, struct copy *c);
/* What a reclassified event with that link takes back. */
static inline enum event_type
copy_taken_type(int link)
{
	return link >= 0 ? EVENT_CLICKED : EVENT_OPENED;
}
/* Whether it can be that which came at at_s. */
static inline bool
copy_taken_near(int64_t at_s, int64_t reclassified_ms)
{
	int64_t off = reclassified_ms / 1000 - at_s;
	return off >= -EVENT_RECLASSIFY_MS / 1000 && off <= EVENT_RECLASSIFY_MS / 1000;
}
/* Of the record only: for the sweep. */
int copy_last_s(struct str bytes, int64_t *last_s);

void event_copy_key(const uint8_t rk[STORE_KEY_LEN], const uint8_t copy[EVENT_COPY_LEN],
		    uint8_t out[EVENT_PERSON_COPY_KEY_LEN]);

/* ---- checksums ---- */

uint32_t event_checksum(struct str bytes);
void event_checksum_add(struct buf *out, size_t from);
/* Takes the checksum off the end; -1 when it does not fit. */
int event_checksum_take(struct str *bytes);

static inline bool
event_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static inline int64_t
event_day_of(int64_t at_ms)
{
	return at_ms / 86400000;
}

static inline uint32_t
event_hour_of(int64_t at_ms)
{
	return (uint32_t)(at_ms / 3600000);
}

#endif
