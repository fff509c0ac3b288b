/*
 * job: the plain form is a version byte, then fields of a 32-bit big-endian length and their bytes. It is
 * authenticated, so what opens was written here; the lengths are checked all the same.
 */
#include "recipient/job.h"

#define JOB_VERSION 1
#define MAX_PARAMETER 65535
#define FLAG_8BIT 1
#define FLAG_UTF8 2

static void
field_add(struct buf *b, struct str s)
{
	uint8_t n[4] = { (uint8_t)(s.n >> 24), (uint8_t)(s.n >> 16), (uint8_t)(s.n >> 8), (uint8_t)s.n };
	buf_add(b, n, sizeof(n));
	buf_adds(b, s);
}

static bool
field_take(struct str *rest, struct str *out)
{
	if (rest->n < 4)
		return false;
	const uint8_t *p = (const uint8_t *)rest->p;
	size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if (rest->n - 4 < n)
		return false;
	*out = str_sub(*rest, 4, 4 + n);
	*rest = str_sub(*rest, 4 + n, rest->n);
	return true;
}

void
job_message_key(const struct keyring *k, const char *campaign, struct str id, uint8_t out[16])
{
	const struct str parts[2] = { str_of(campaign), id };
	keyed_id(k, "message", parts, 2, out);
}

static int
damaged(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "the stored %s is damaged, or its key is no longer in the ring", what);
}

int
job_message_seal(struct sealer *s, const struct keyring *k, const struct job_message *m, uint8_t content[16],
		 struct buf *out, struct err *e)
{
	const struct str parameters[] = { m->sender, m->ret, m->envid, m->id };
	struct recipient_key ad;
	struct buf plain = { 0 };
	int rc = -1;
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		if (parameters[i].n > MAX_PARAMETER)
			return err_set(e, ERR_LIMIT, "an envelope parameter is over %d bytes", MAX_PARAMETER);
	if (m->bytes.n > ((size_t)1 << 30) - 8 * MAX_PARAMETER)
		return err_set(e, ERR_LIMIT, "the message is over 1 GiB");
	buf_addc(&plain, JOB_VERSION);
	buf_addc(&plain, (char)((m->eightbit ? FLAG_8BIT : 0) | (m->smtputf8 ? FLAG_UTF8 : 0)));
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		field_add(&plain, parameters[i]);
	field_add(&plain, m->bytes);
	const struct str whole = buf_str(&plain);
	keyed_id(k, "spooled message", &whole, 1, content);
	memcpy(ad.b, content, sizeof(ad.b));
	rc = sealer_seal_data(s, "message", &ad, whole, out);
	if (rc != 0)
		err_set(e, ERR_BUG, "a message cannot be sealed");
	buf_free(&plain);
	return rc;
}

int
job_message_open(struct sealer *s, const uint8_t content[16], struct str sealed, struct buf *plain,
		 struct job_message *out, struct err *e)
{
	struct recipient_key ad;
	memcpy(ad.b, content, sizeof(ad.b));
	*out = (struct job_message){ 0 };
	buf_reset(plain);
	if (sealer_open_data(s, "message", &ad, sealed, plain, e) != 0)
		return damaged(e, "message");
	struct str rest = buf_str(plain);
	struct str *const fields[] = { &out->sender, &out->ret, &out->envid, &out->id, &out->bytes };
	if (rest.n < 2 || rest.p[0] != JOB_VERSION)
		return damaged(e, "message");
	out->eightbit = (rest.p[1] & FLAG_8BIT) != 0;
	out->smtputf8 = (rest.p[1] & FLAG_UTF8) != 0;
	rest = str_sub(rest, 2, rest.n);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!field_take(&rest, fields[i]))
			return damaged(e, "message");
	return rest.n == 0 ? 0 : damaged(e, "message");
}

/*
 * A payload belongs to one recipient of one message. The associated data is the recipient key; the message
 * key stands inside, where moving the record would betray it.
 */
static void
payload_ad(const struct spool_key *key, struct recipient_key *ad)
{
	memcpy(ad->b, key->rk, sizeof(ad->b));
}

int
job_payload_seal(struct sealer *s, const struct spool_key *key, const struct job_payload *p, struct buf *out,
		 struct err *e)
{
	const struct str fields[] = { p->address, p->notify, p->orcpt, p->data };
	struct recipient_key ad;
	struct buf plain = { 0 };
	buf_addc(&plain, JOB_VERSION);
	buf_add(&plain, key->message, sizeof(key->message));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].n > SPOOL_MAX_PAYLOAD / 2) {
			buf_free(&plain);
			return err_set(e, ERR_LIMIT, "merge data of one recipient is over %zu KiB",
				       SPOOL_MAX_PAYLOAD / 2048);
		}
		field_add(&plain, fields[i]);
	}
	payload_ad(key, &ad);
	int rc = sealer_seal_data(s, "job", &ad, buf_str(&plain), out);
	if (rc != 0)
		err_set(e, ERR_BUG, "a job cannot be sealed");
	buf_free(&plain);
	return rc;
}

int
job_payload_open(struct sealer *s, const struct spool_key *key, struct str sealed, struct arena *a,
		 struct job_payload *out, struct err *e)
{
	struct recipient_key ad;
	struct buf plain = { 0 };
	*out = (struct job_payload){ 0 };
	payload_ad(key, &ad);
	int rc = sealer_open_data(s, "job", &ad, sealed, &plain, e);
	struct str rest = arena_str(a, buf_str(&plain));
	buf_free(&plain);
	if (rc != 0 || rest.n < 1 + sizeof(key->message) || rest.p[0] != JOB_VERSION ||
	    memcmp(rest.p + 1, key->message, sizeof(key->message)) != 0)
		return damaged(e, "job");
	rest = str_sub(rest, 1 + sizeof(key->message), rest.n);
	struct str *const fields[] = { &out->address, &out->notify, &out->orcpt, &out->data };
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!field_take(&rest, fields[i]))
			return damaged(e, "job");
	return rest.n == 0 ? 0 : damaged(e, "job");
}
