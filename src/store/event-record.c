/*
 * event-record: the bytes of events and counters on disk, and the names of types
 * and classes.
 */
#include "store/event-private.h"

#include "store/reader.h"

/* ---- names ---- */

static const char *const type_names[EVENT_TYPES] = {
	NULL,	      "injected", "delivered",	  "opened",  "clicked",	 "converted",
	"purchased",  "viewed",	  "unsubscribed", "consent", "bounced",	 "complained",
	"auto-reply", "held",	  "suppressed",	  "failed",  "deferred", "reclassified",
};
static const char *const class_names[EVENT_CLASSES] = { "unknown", "human", "proxy", "machine" };

const char *
event_type_name(enum event_type t)
{
	return t > 0 && t < EVENT_TYPES ? type_names[t] : NULL;
}

const char *
event_class_name(enum event_class c)
{
	return c >= 0 && c < EVENT_CLASSES ? class_names[c] : NULL;
}

int
event_type_find(struct str name)
{
	for (int i = 1; i < EVENT_TYPES; i++)
		if (str_eq(name, str_of(type_names[i])))
			return i;
	return -1;
}

int
event_class_find(struct str name)
{
	for (int i = 0; i < EVENT_CLASSES; i++)
		if (str_eq(name, str_of(class_names[i])))
			return i;
	return -1;
}

/* ---- checksums: FNV-1a; against damage, not against people ---- */

uint32_t
event_checksum(struct str bytes)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < bytes.n; i++)
		h = (h ^ (uint8_t)bytes.p[i]) * 16777619u;
	return h;
}

void
event_checksum_add(struct buf *out, size_t from)
{
	uint32_t h = event_checksum(str_sub(buf_str(out), from, out->n));
	const uint8_t b[4] = { (uint8_t)(h >> 24), (uint8_t)(h >> 16), (uint8_t)(h >> 8), (uint8_t)h };
	buf_add(out, b, sizeof b);
}

int
event_checksum_take(struct str *bytes)
{
	if (bytes->n < 4)
		return -1;
	const uint8_t *b = (const uint8_t *)bytes->p + bytes->n - 4;
	uint32_t h = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	bytes->n -= 4;
	return event_checksum(*bytes) == h ? 0 : -1;
}

/* ---- events ---- */

enum {
	HAS_RK = 1,
	HAS_COPY = 2,
	HAS_IDEM = 4,
	HAS_URL = 8,
	IS_UNIQUE = 16,
	IS_UNIQUE_LINK = 32,
	IS_FORGOTTEN = 64,
	FLAGS = 127
};

static void
add_given(struct buf *out, const uint8_t *p, size_t n, bool given)
{
	if (given)
		buf_add(out, p, n);
}

void
event_row_encode(const struct event_row *r, struct buf *out)
{
	size_t from = out->n;
	bool rk = !event_zero(r->rk, sizeof r->rk), copy = !event_zero(r->copy, sizeof r->copy),
	     idem = !event_zero(r->idem, sizeof r->idem), url = !event_zero(r->url_hash, sizeof r->url_hash);
	add_u8(out, RECORD_VERSION);
	add_u8(out, (uint8_t)r->type);
	add_u8(out, (uint8_t)r->class);
	add_u8(out, (uint8_t)((rk ? HAS_RK : 0) | (copy ? HAS_COPY : 0) | (idem ? HAS_IDEM : 0) |
			      (url ? HAS_URL : 0) | (r->unique ? IS_UNIQUE : 0) |
			      (r->unique_link ? IS_UNIQUE_LINK : 0) | (r->forgotten ? IS_FORGOTTEN : 0)));
	add_varint(out, (uint64_t)r->at_ms);
	add_varint(out, r->prev);
	add_given(out, r->rk, sizeof r->rk, rk);
	add_given(out, r->copy, sizeof r->copy, copy);
	add_given(out, r->idem, sizeof r->idem, idem);
	add_given(out, r->url_hash, sizeof r->url_hash, url);
	for (int i = 0; i < EVENT_WORDS; i++)
		add_varint(out, r->word[i]);
	add_varint(out, (uint64_t)(r->link + 1));
	if (r->word[WORD_CURRENCY] != 0)
		add_signed(out, r->micros);
	add_u8(out, (uint8_t)r->queue_id.n);
	buf_adds(out, r->queue_id);
	buf_adds(out, r->details);
	event_checksum_add(out, from);
}

static void
reader_given(struct reader *r, uint8_t *out, size_t n, bool given)
{
	const uint8_t *p = given ? reader_take(r, n) : NULL;
	if (p)
		memcpy(out, p, n);
}

int
event_row_decode(struct str bytes, struct event_row *row)
{
	*row = (struct event_row){ 0 };
	if (event_checksum_take(&bytes) != 0)
		return -1;
	struct reader r = reader_open(bytes);
	uint8_t type = reader_u8(&r), class = reader_u8(&r), flags = reader_u8(&r);
	if (type == 0 || type >= EVENT_TYPES || class >= EVENT_CLASSES || flags > FLAGS)
		return -1;
	row->type = (enum event_type)type;
	row->class = (enum event_class) class;
	row->unique = (flags & IS_UNIQUE) != 0;
	row->unique_link = (flags & IS_UNIQUE_LINK) != 0;
	row->forgotten = (flags & IS_FORGOTTEN) != 0;
	row->at_ms = reader_bounded(&r, EVENT_MAX_TIME);
	row->prev = (uint64_t)reader_bounded(&r, INT64_MAX);
	reader_given(&r, row->rk, sizeof row->rk, flags & HAS_RK);
	reader_given(&r, row->copy, sizeof row->copy, flags & HAS_COPY);
	reader_given(&r, row->idem, sizeof row->idem, flags & HAS_IDEM);
	reader_given(&r, row->url_hash, sizeof row->url_hash, flags & HAS_URL);
	for (int i = 0; i < EVENT_WORDS; i++)
		row->word[i] = (uint32_t)reader_bounded(&r, UINT32_MAX);
	row->link = (int)reader_bounded(&r, EVENT_MAX_LINK + 1) - 1;
	if (row->word[WORD_CURRENCY] != 0)
		row->micros = reader_signed(&r);
	size_t n = reader_u8(&r);
	const uint8_t *queue_id = reader_take(&r, n);
	row->queue_id = queue_id ? str_of_key(queue_id, n) : STR_NULL;
	row->details = reader_rest(&r);
	return r.bad || row->micros > EVENT_MAX_MICROS || row->micros < -EVENT_MAX_MICROS ? -1 : 0;
}

/* ---- counters ---- */

static uint8_t *
put32(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
	return p + 4;
}

void
event_counter_key(const struct event_row *r, uint8_t out[EVENT_COUNTER_KEY_LEN])
{
	uint8_t *p = put32(out, r->word[WORD_CAMPAIGN]);
	p = put32(p, event_hour_of(r->at_ms));
	p = put32(p, r->word[WORD_ARM]);
	p = put32(p, r->word[WORD_DOMAIN]);
	p = put32(p, r->word[WORD_SEGMENT]);
	p = put32(p, r->word[WORD_REASON]);
	*p++ = (uint8_t)((r->link + 1) >> 8);
	*p++ = (uint8_t)(r->link + 1);
	*p++ = (uint8_t)r->type;
	*p++ = (uint8_t)r->class;
}

static int64_t
sum_capped(int64_t a, int64_t b)
{
	int64_t sum;
	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return b > 0 ? INT64_MAX : INT64_MIN;
}

void
event_tally_add(struct event_tally *t, const struct event_row *r)
{
	uint32_t currency = r->word[WORD_CURRENCY];
	size_t i = 0;
	t->count++;
	t->unique += r->unique;
	t->unique_link += r->unique_link;
	if (currency == 0)
		return;
	while (i < t->nvalues && t->values[i].currency != currency)
		i++;
	if (i == EVENT_MAX_CURRENCIES)
		return;
	if (i == t->nvalues)
		t->values[t->nvalues++].currency = currency;
	t->values[i].micros = sum_capped(t->values[i].micros, r->micros);
}

void
event_tally_encode(const struct event_tally *t, struct buf *out)
{
	size_t from = out->n;
	add_u8(out, RECORD_VERSION);
	add_varint(out, (uint64_t)t->count);
	add_varint(out, (uint64_t)t->unique);
	add_varint(out, (uint64_t)t->unique_link);
	for (size_t i = 0; i < t->nvalues; i++) {
		add_varint(out, t->values[i].currency);
		add_signed(out, t->values[i].micros);
	}
	event_checksum_add(out, from);
}

int
event_tally_decode(struct str bytes, struct event_tally *t)
{
	*t = (struct event_tally){ 0 };
	if (event_checksum_take(&bytes) != 0)
		return -1;
	struct reader r = reader_open(bytes);
	t->count = reader_bounded(&r, INT64_MAX);
	t->unique = reader_bounded(&r, t->count);
	t->unique_link = reader_bounded(&r, t->count);
	while (!r.bad && r.left > 0 && t->nvalues < EVENT_MAX_CURRENCIES) {
		t->values[t->nvalues].currency = (uint32_t)reader_bounded(&r, UINT32_MAX);
		t->values[t->nvalues++].micros = reader_signed(&r);
	}
	return r.bad || r.left > 0 ? -1 : 0;
}
