/*
 * record: the bytes of records on disk. Each begins with a version byte;
 * integers are big-endian. Decoders check every bound and borrow from the
 * bytes given: 0, or -1 when the bytes are no such record.
 */
#ifndef MT_STORE_RECORD_H
#define MT_STORE_RECORD_H

#include "base/buf.h"
#include "store/store.h"

#define RECORD_VERSION 1

static inline void
be64_put(uint8_t *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static inline uint64_t
be64_get(const uint8_t *p)
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

/* version, sealed bytes */
void profile_encode(struct str sealed, struct buf *out);
int profile_decode(struct str bytes, struct str *sealed);

/* version, state, at, source. The topic is in the key. */
void consent_encode(const struct consent_record *c, struct buf *out);
int consent_decode(struct str bytes, struct consent_record *c);

/* version, reason, at, note; of one that ends: version 2, reason, at, until, note. The category is in the
 * key. */
void suppression_encode(const struct suppression_record *r, struct buf *out);
int suppression_decode(struct str bytes, struct suppression_record *r);
/* Of what follows the recipient's or domain's key in the key of a suppression: the category. */
struct str suppression_category(struct str word);

/* version, at, expires, number of caps (1 byte), cap ids, decision */
struct decision_record {
	int64_t at_ms, expires_ms;
	const uint8_t *caps; /* ncaps ids of 16 bytes */
	size_t ncaps;
	struct str decision;
};
void decision_encode(const struct decision_record *d, struct buf *out);
int decision_decode(struct str bytes, struct decision_record *d);

/* version, count */
#define COUNT_RECORD_LEN 9
void count_encode(int64_t n, uint8_t out[COUNT_RECORD_LEN]);
int count_decode(struct str bytes, int64_t *n);

#endif
