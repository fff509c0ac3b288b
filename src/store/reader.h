/*
 * reader: how the bytes of a record are read and written, for the files that
 * know what is in them (record.c, spool-record.c).
 */
#ifndef MT_STORE_READER_H
#define MT_STORE_READER_H

#include "store/record.h"

/* A reader of fixed fields that never leaves its bytes: after a short read every further read fails too. */
struct reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static inline const uint8_t *
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

static inline uint8_t
reader_u8(struct reader *r)
{
	const uint8_t *p = reader_take(r, 1);
	return p ? *p : 0;
}

/* Times and counts are never negative: a set top bit is corruption. */
static inline int64_t
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

static inline struct reader
reader_open(struct str bytes)
{
	struct reader r = { (const uint8_t *)bytes.p, bytes.n, false };
	if (reader_u8(&r) != RECORD_VERSION)
		r.bad = true;
	return r;
}

static inline struct str
reader_rest(const struct reader *r)
{
	return r->bad ? STR_NULL : (struct str){ (const char *)r->p, r->left };
}

/* Seven bits a byte, low ones first; the top bit says that more follow. */
static inline uint64_t
reader_varint(struct reader *r)
{
	uint64_t v = 0;
	for (int shift = 0; shift < 64; shift += 7) {
		uint8_t b = reader_u8(r);
		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	r->bad = true;
	return 0;
}

/* What is never negative, nor above max. */
static inline int64_t
reader_bounded(struct reader *r, int64_t max)
{
	uint64_t v = reader_varint(r);
	if (v > (uint64_t)max)
		r->bad = true;
	return r->bad ? 0 : (int64_t)v;
}

/* Small numbers of either sign are short. */
static inline int64_t
reader_signed(struct reader *r)
{
	uint64_t v = reader_varint(r);
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static inline void
add_u8(struct buf *out, uint8_t v)
{
	buf_add(out, &v, 1);
}

static inline void
add_i64(struct buf *out, int64_t v)
{
	uint8_t b[8];
	be64_put(b, (uint64_t)v);
	buf_add(out, b, sizeof b);
}

static inline void
add_varint(struct buf *out, uint64_t v)
{
	uint8_t b[10];
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		b[n++] = (uint8_t)(v | 0x80);
	b[n++] = (uint8_t)v;
	buf_add(out, b, n);
}

static inline void
add_signed(struct buf *out, int64_t v)
{
	add_varint(out, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

#endif
