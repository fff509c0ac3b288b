/*
 * record: encoders and decoders of what lies on disk.
 */
#include "store/reader.h"
#include "store/record.h"

#define SUPPRESSION_ENDS 2 /* version of suppressions that end */

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
	add_u8(out, s->until_ms ? SUPPRESSION_ENDS : RECORD_VERSION);
	add_u8(out, (uint8_t)s->reason);
	add_i64(out, s->at_ms);
	if (s->until_ms)
		add_i64(out, s->until_ms);
	buf_adds(out, s->note);
}

int
suppression_decode(struct str bytes, struct suppression_record *s)
{
	struct reader r = { (const uint8_t *)bytes.p, bytes.n, false };
	uint8_t version = reader_u8(&r), reason = reader_u8(&r);
	if ((version != RECORD_VERSION && version != SUPPRESSION_ENDS) || reason > SUPPRESS_IMPORT)
		return -1;
	s->reason = (enum suppression_reason)reason;
	s->at_ms = reader_i64(&r);
	s->until_ms = version == SUPPRESSION_ENDS ? reader_i64(&r) : 0;
	s->note = reader_rest(&r);
	return r.bad || (version == SUPPRESSION_ENDS && s->until_ms <= 0) ? -1 : 0;
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
