/*
 * record: encoders and decoders of what lies on disk.
 */
#include "store/record.h"

/* A reader of fixed fields that never leaves its bytes: after a short read every further read fails too. */
struct reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static const uint8_t *
reader_take(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;
	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

static uint8_t
reader_u8(struct reader *r)
{
	const uint8_t *p = reader_take(r, 1);
	return p ? *p : 0;
}

/* Times and counts are never negative: a set top bit is corruption. */
static int64_t
reader_i64(struct reader *r)
{
	const uint8_t *p = reader_take(r, 8);
	uint64_t v = p ? be64_get(p) : 0;
	if (v > INT64_MAX) {
		r->bad = true;
		return 0;
	}
	return (int64_t)v;
}

static struct reader
reader_open(struct str bytes)
{
	struct reader r = { (const uint8_t *)bytes.p, bytes.n, false };
	if (reader_u8(&r) != RECORD_VERSION)
		r.bad = true;
	return r;
}

static struct str
reader_rest(const struct reader *r)
{
	return r->bad ? STR_NULL : (struct str){ (const char *)r->p, r->left };
}

static void
add_u8(struct buf *out, uint8_t v)
{
	buf_add(out, &v, 1);
}

static void
add_i64(struct buf *out, int64_t v)
{
	uint8_t b[8];
	be64_put(b, (uint64_t)v);
	buf_add(out, b, sizeof b);
}

void
profile_encode(struct str sealed, struct buf *out)
{
	add_u8(out, RECORD_VERSION);
	buf_adds(out, sealed);
}

int
profile_decode(struct str bytes, struct str *sealed)
{
	struct reader r = reader_open(bytes);
	*sealed = reader_rest(&r);
	return r.bad ? -1 : 0;
}

void
consent_encode(const struct consent_record *c, struct buf *out)
{
	add_u8(out, RECORD_VERSION);
	add_u8(out, (uint8_t)c->state);
	add_i64(out, c->at_ms);
	buf_adds(out, c->source);
}

int
consent_decode(struct str bytes, struct consent_record *c)
{
	struct reader r = reader_open(bytes);
	uint8_t state = reader_u8(&r);
	if (state > CONSENT_DENIED)
		return -1;
	c->state = (enum consent_state)state;
	c->at_ms = reader_i64(&r);
	c->source = reader_rest(&r);
	return r.bad ? -1 : 0;
}

void
suppression_encode(const struct suppression_record *s, struct buf *out)
{
	add_u8(out, RECORD_VERSION);
	add_u8(out, (uint8_t)s->reason);
	add_i64(out, s->at_ms);
	buf_adds(out, s->note);
}

int
suppression_decode(struct str bytes, struct suppression_record *s)
{
	struct reader r = reader_open(bytes);
	uint8_t reason = reader_u8(&r);
	if (reason > SUPPRESS_IMPORT)
		return -1;
	s->reason = (enum suppression_reason)reason;
	s->at_ms = reader_i64(&r);
	s->note = reader_rest(&r);
	return r.bad ? -1 : 0;
}

void
decision_encode(const struct decision_record *d, struct buf *out)
{
	add_u8(out, RECORD_VERSION);
	add_i64(out, d->at_ms);
	add_i64(out, d->expires_ms);
	add_u8(out, (uint8_t)d->ncaps);
	buf_add(out, d->caps, d->ncaps * STORE_KEY_LEN);
	buf_adds(out, d->decision);
}

int
decision_decode(struct str bytes, struct decision_record *d)
{
	struct reader r = reader_open(bytes);
	d->at_ms = reader_i64(&r);
	d->expires_ms = reader_i64(&r);
	d->ncaps = reader_u8(&r);
	d->caps = reader_take(&r, d->ncaps * STORE_KEY_LEN);
	d->decision = reader_rest(&r);
	return r.bad || d->ncaps > STORE_MAX_CAPS ? -1 : 0;
}

void
count_encode(int64_t n, uint8_t out[COUNT_RECORD_LEN])
{
	out[0] = RECORD_VERSION;
	be64_put(out + 1, (uint64_t)n);
}

int
count_decode(struct str bytes, int64_t *n)
{
	struct reader r = reader_open(bytes);
	*n = reader_i64(&r);
	return r.bad || r.left != 0 ? -1 : 0;
}
