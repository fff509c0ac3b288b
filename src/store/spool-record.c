/*
 * spool-record: the bytes of jobs, campaigns and bad jobs on disk, and the names
 * of states and jobs.
 */
#include "store/spool-private.h"

#include "store/reader.h"

const char *
spool_state_name(enum spool_state s)
{
	static const char *const names[SPOOL_STATES] = { "queued", "held", "sent", "dropped", "failed" };
	return s >= SPOOL_QUEUED && s <= SPOOL_FAILED ? names[s] : "unknown";
}

void
spool_id(const struct spool_key *key, char out[26])
{
	static const char hex[] = "0123456789abcdef";
	char *p = out;
	for (int i = 0; i < 12; i++) {
		uint8_t b = i < 6 ? key->message[i] : key->rk[i - 6];
		if (i == 6)
			*p++ = '-';
		*p++ = hex[b >> 4];
		*p++ = hex[b & 15];
	}
	*p = '\0';
}

enum spool_class
spool_class_of(enum spool_state s)
{
	return s == SPOOL_QUEUED ? SPOOL_CLASS_QUEUED
	       : s == SPOOL_HELD ? SPOOL_CLASS_HELD
				 : SPOOL_CLASS_ENDED;
}

int64_t
spool_time_add(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* ---- pieces ---- */

/* Length in one byte or two, then the bytes. */
static void
add_str8(struct buf *out, struct str s)
{
	add_u8(out, (uint8_t)s.n);
	buf_adds(out, s);
}

static void
add_str16(struct buf *out, struct str s)
{
	add_u8(out, (uint8_t)(s.n >> 8));
	add_str8(out, s);
}

static struct str
reader_str(struct reader *r, size_t n, size_t max)
{
	const uint8_t *p = reader_take(r, n);
	if (n > max)
		r->bad = true;
	return r->bad ? STR_NULL : str_of_key(p, n);
}

static struct str
reader_str8(struct reader *r, size_t max)
{
	size_t n = reader_u8(r);
	return reader_str(r, n, max);
}

static struct str
reader_str16(struct reader *r, size_t max)
{
	size_t n = (size_t)reader_u8(r) << 8;
	n |= reader_u8(r);
	return reader_str(r, n, max);
}

static void
reader_bytes(struct reader *r, void *to, size_t n)
{
	const uint8_t *p = reader_take(r, n);
	if (p)
		memcpy(to, p, n);
}

static bool
reader_flag(struct reader *r)
{
	uint8_t v = reader_u8(r);
	r->bad = r->bad || v > 1;
	return v == 1;
}

static enum spool_state
reader_state(struct reader *r)
{
	uint8_t v = reader_u8(r);
	r->bad = r->bad || v > SPOOL_FAILED;
	return r->bad ? SPOOL_QUEUED : (enum spool_state)v;
}

/* ---- jobs ---- */

/*
 * version, state, report, key, campaign id, content, accepted, first due, due or ended, time in the index,
 * attempts (4 bytes), campaign and reason (1 byte of length), note (2), payload
 */
void
spool_job_encode(const struct spool_job *j, int64_t index_ms, struct buf *out)
{
	uint8_t attempts[4] = { (uint8_t)(j->attempts >> 24), (uint8_t)(j->attempts >> 16),
				(uint8_t)(j->attempts >> 8), (uint8_t)j->attempts };
	add_u8(out, RECORD_VERSION);
	add_u8(out, (uint8_t)j->state);
	add_u8(out, j->report);
	buf_add(out, &j->key, SPOOL_KEY_LEN);
	buf_add(out, j->campaign_id, sizeof j->campaign_id);
	buf_add(out, j->content, sizeof j->content);
	add_i64(out, j->accepted_ms);
	add_i64(out, j->first_due_ms);
	add_i64(out, j->due_ms);
	add_i64(out, index_ms);
	buf_add(out, attempts, sizeof attempts);
	add_str8(out, j->campaign);
	add_str8(out, j->reason);
	add_str16(out, j->note);
	buf_adds(out, j->payload);
}

int
spool_job_decode(struct str bytes, struct spool_job *j, int64_t *index_ms)
{
	struct reader r = reader_open(bytes);
	uint8_t attempts[4] = { 0 };
	*j = (struct spool_job){ 0 };
	j->state = reader_state(&r);
	j->report = reader_flag(&r);
	reader_bytes(&r, &j->key, SPOOL_KEY_LEN);
	reader_bytes(&r, j->campaign_id, sizeof j->campaign_id);
	reader_bytes(&r, j->content, sizeof j->content);
	j->accepted_ms = reader_i64(&r);
	j->first_due_ms = reader_i64(&r);
	j->due_ms = reader_i64(&r);
	*index_ms = reader_i64(&r);
	reader_bytes(&r, attempts, sizeof attempts);
	j->attempts = (uint32_t)attempts[0] << 24 | (uint32_t)attempts[1] << 16 | (uint32_t)attempts[2] << 8 |
		      attempts[3];
	j->campaign = reader_str8(&r, SPOOL_MAX_NAME);
	j->reason = reader_str8(&r, SPOOL_MAX_REASON);
	j->note = reader_str16(&r, SPOOL_MAX_NOTE);
	j->payload = reader_rest(&r);
	if (r.bad || j->campaign.n == 0 || j->payload.n > SPOOL_MAX_PAYLOAD)
		return -1;
	/* A live job stands where it is due; an ended one has nothing personal. */
	return spool_live(j->state) ? (*index_ms == j->due_ms ? 0 : -1) : (j->payload.n == 0 ? 0 : -1);
}

/* ---- the index by time ---- */

void
spool_due_key_encode(const struct spool_due_key *k, uint8_t out[SPOOL_DUE_KEY_LEN])
{
	out[0] = (uint8_t)k->class;
	memcpy(out + 1, k->campaign, sizeof k->campaign);
	be64_put(out + 9, (uint64_t)k->at_ms);
	be64_put(out + 17, k->number);
}

int
spool_due_key_decode(struct str bytes, struct spool_due_key *k)
{
	const uint8_t *p = (const uint8_t *)bytes.p;
	if (bytes.n != SPOOL_DUE_KEY_LEN || p[9] > 0x7f ||
	    (p[0] != SPOOL_CLASS_ENDED && p[0] != SPOOL_CLASS_HELD && p[0] != SPOOL_CLASS_QUEUED))
		return -1;
	k->class = (enum spool_class)p[0];
	memcpy(k->campaign, p + 1, sizeof k->campaign);
	k->at_ms = (int64_t)be64_get(p + 9);
	k->number = be64_get(p + 17);
	return 0;
}

/* version, state, key, content */
void
spool_due_value_encode(const struct spool_due_value *v, uint8_t out[SPOOL_DUE_VALUE_LEN])
{
	out[0] = RECORD_VERSION;
	out[1] = (uint8_t)v->state;
	memcpy(out + 2, &v->key, SPOOL_KEY_LEN);
	memcpy(out + 2 + SPOOL_KEY_LEN, v->content, sizeof v->content);
}

int
spool_due_value_decode(struct str bytes, struct spool_due_value *v)
{
	struct reader r = reader_open(bytes);
	v->state = reader_state(&r);
	reader_bytes(&r, &v->key, SPOOL_KEY_LEN);
	reader_bytes(&r, v->content, sizeof v->content);
	return r.bad || r.left != 0 ? -1 : 0;
}

/* ---- campaigns ---- */

/* version, paused, since when, counts, name (1 byte of length) */
void
spool_campaign_encode(const struct spool_campaign_record *c, struct buf *out)
{
	add_u8(out, RECORD_VERSION);
	add_u8(out, c->paused);
	add_i64(out, c->paused_ms);
	for (int i = 0; i < SPOOL_STATES; i++)
		add_i64(out, c->count[i]);
	add_str8(out, c->name);
}

int
spool_campaign_decode(struct str bytes, struct spool_campaign_record *c)
{
	struct reader r = reader_open(bytes);
	c->paused = reader_flag(&r);
	c->paused_ms = reader_i64(&r);
	for (int i = 0; i < SPOOL_STATES; i++)
		c->count[i] = reader_i64(&r);
	c->name = reader_str8(&r, SPOOL_MAX_NAME);
	return r.bad || r.left != 0 || c->name.n == 0 ? -1 : 0;
}

/* ---- bad jobs ---- */

/* version, when, content, reason (1 byte of length), the job record */
void
spool_bad_encode(const struct spool_bad_record *b, struct buf *out)
{
	add_u8(out, RECORD_VERSION);
	add_i64(out, b->at_ms);
	buf_add(out, b->content, sizeof b->content);
	add_str8(out, b->reason);
	buf_adds(out, b->record);
}

int
spool_bad_decode(struct str bytes, struct spool_bad_record *b)
{
	struct reader r = reader_open(bytes);
	b->at_ms = reader_i64(&r);
	reader_bytes(&r, b->content, sizeof b->content);
	b->reason = reader_str8(&r, SPOOL_MAX_REASON);
	b->record = reader_rest(&r);
	return r.bad ? -1 : 0;
}
