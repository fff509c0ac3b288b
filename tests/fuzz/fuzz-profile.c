/*
 * fuzz-profile: everything that reads foreign bytes on the way to a profile.
 * The first byte chooses: CSV rows, NDJSON rows, a preview's JSON, records on disk.
 */
#include <assert.h>
#include <stdlib.h>

#include "recipient/recipient.h"
#include "recipient/rows.h"
#include "store/record.h"

struct source {
	const char *p;
	size_t n, piece;
};

static ssize_t
read_source(void *ctx, char *p, size_t n)
{
	struct source *s = ctx;
	size_t k = s->n < s->piece ? s->n : s->piece;
	k = k < n ? k : n;
	if (k > 0)
		memcpy(p, s->p, k);
	s->p += k;
	s->n -= k;
	return (ssize_t)k;
}

static struct recipient_source *
source(void)
{
	static struct conf conf;
	static struct conf_cap cap = { .name = "weekly", .limit = 3, .window_ms = 1000 };
	static struct conf_campaign campaign = { .name = "spring", .category = "promo" };
	static struct recipient_source src;
	if (!src.keys) {
		const uint8_t seed[32] = { 1 };
		conf.caps = &cap;
		conf.ncaps = 1;
		src.keys = keyring_ephemeral(seed);
		src.sealer = sealer_new(src.keys);
		src.conf = &conf;
		src.campaign = &campaign;
	}
	return &src;
}

/* Rows end, go forward, and hold valid UTF-8; the file's piecewise arrival changes nothing. */
static void
rows(struct str in, enum rows_format format)
{
	struct arena *a = arena_new(4096);
	uint64_t count[2] = { 0, 0 };
	for (int pass = 0; pass < 2; pass++) {
		struct source s = { in.p, in.n, pass ? 1 : 4096 };
		struct rows_options o = {
			.format = format, .address_column = STR("email"), .read = read_source, .ctx = &s
		};
		struct rows *r = rows_new(&o);
		uint64_t last = 0;
		for (;;) {
			struct row row;
			struct err e = { 0 };
			enum rows_result res = rows_next(r, a, &row, &e);
			if (res == ROWS_END || res == ROWS_FATAL)
				break;
			assert(row.line >= last);
			last = row.line;
			if (res == ROWS_ROW) {
				count[pass]++;
				assert(row.address.n > 0 && str_is_utf8(row.address));
				assert(row.profile->type == VALUE_MAP);
			} else {
				assert(e.text[0]);
			}
			arena_reset(a);
		}
		rows_free(&r);
	}
	assert(count[0] == count[1]);
	arena_free(&a);
}

static void
preview(struct str in)
{
	struct arena *a = arena_new(4096);
	struct recipient_snapshot *r;
	struct err e = { 0 };
	if (recipient_from_json(source(), STR("ann@example.org"), STR("<1@x>"), in, 1, a, &r, &e) == 0) {
		assert(r->profile->type == VALUE_MAP && r->language && r->time_zone);
		assert(!r->suppressed || r->suppressed_reason);
	} else {
		assert(e.kind != ERR_NONE);
	}
	arena_free(&a);
}

/* What decodes encodes to the same bytes. */
static void
records(struct str in)
{
	struct str sealed;
	struct consent_record c = { 0 };
	struct suppression_record s = { 0 };
	struct decision_record d;
	struct buf b = { 0 };
	int64_t n;
	if (profile_decode(in, &sealed) == 0) {
		profile_encode(sealed, &b);
		assert(str_eq(buf_str(&b), in));
	}
	buf_reset(&b);
	if (consent_decode(in, &c) == 0) {
		consent_encode(&c, &b);
		assert(str_eq(buf_str(&b), in));
	}
	buf_reset(&b);
	if (suppression_decode(in, &s) == 0) {
		suppression_encode(&s, &b);
		assert(str_eq(buf_str(&b), in));
	}
	buf_reset(&b);
	if (decision_decode(in, &d) == 0) {
		decision_encode(&d, &b);
		assert(str_eq(buf_str(&b), in));
	}
	if (count_decode(in, &n) == 0) {
		uint8_t rec[COUNT_RECORD_LEN];
		count_encode(n, rec);
		assert(in.n == sizeof rec && memcmp(in.p, rec, sizeof rec) == 0);
	}
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct str in = { (const char *)data + 1, size - 1 };
	switch (data[0] & 3) {
	case 0:
		rows(in, ROWS_CSV);
		break;
	case 1:
		rows(in, ROWS_NDJSON);
		break;
	case 2:
		preview(in);
		break;
	default:
		records(in);
	}
	return 0;
}
