/*
 * What the spool reads from its disk. The first byte chooses:
 *   j  the rest as the record of a job
 *   d  the rest as a key of the index by time (25 bytes), then a value of it
 *   c  the rest as the record of a campaign
 *   b  the rest as the record of a bad job
 *   s  the rest as a sieve, asked for recipients made of its own bytes
 *   m  the rest as members of a sieve (16 bytes each); the last 4 bytes say which of its bytes changes, and
 * how What is read is written again as it was; a sieve never denies a member.
 */
#include <stdlib.h>

#include "store/spool-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
fuzz_job(struct str bytes)
{
	struct spool_job j;
	struct buf b = { 0 };
	int64_t index_ms;
	char id[26];
	if (spool_job_decode(bytes, &j, &index_ms) != 0)
		return;
	check(j.campaign.n > 0 && j.campaign.n <= SPOOL_MAX_NAME && j.reason.n <= SPOOL_MAX_REASON);
	check(j.note.n <= SPOOL_MAX_NOTE && j.payload.n <= SPOOL_MAX_PAYLOAD);
	check(j.accepted_ms >= 0 && j.first_due_ms >= 0 && j.due_ms >= 0 && index_ms >= 0);
	check(spool_live(j.state) ? index_ms == j.due_ms : j.payload.n == 0);
	spool_id(&j.key, id);
	check(strlen(id) == 25);
	check(str_cut(j.note, 7).n <= 7);
	spool_job_encode(&j, index_ms, &b);
	check(str_eq(buf_str(&b), bytes));
	buf_free(&b);
}

static void
fuzz_due(struct str bytes)
{
	struct spool_due_key k;
	struct spool_due_value v;
	uint8_t key[SPOOL_DUE_KEY_LEN], value[SPOOL_DUE_VALUE_LEN];
	const struct str first = str_sub(bytes, 0, SPOOL_DUE_KEY_LEN),
			 rest = str_sub(bytes, SPOOL_DUE_KEY_LEN, bytes.n);
	if (spool_due_key_decode(first, &k) == 0) {
		check(k.at_ms >= 0);
		spool_due_key_encode(&k, key);
		check(str_eq(str_of_key(key, sizeof key), first));
	}
	if (spool_due_value_decode(rest, &v) == 0) {
		check(v.state <= SPOOL_FAILED && spool_state_name(v.state) != NULL);
		spool_due_value_encode(&v, value);
		check(str_eq(str_of_key(value, sizeof value), rest));
	}
}

static void
fuzz_campaign(struct str bytes)
{
	struct spool_campaign_record c;
	struct buf b = { 0 };
	if (spool_campaign_decode(bytes, &c) != 0)
		return;
	check(c.name.n > 0 && c.name.n <= SPOOL_MAX_NAME);
	for (int i = 0; i < SPOOL_STATES; i++)
		check(c.count[i] >= 0);
	spool_campaign_encode(&c, &b);
	check(str_eq(buf_str(&b), bytes));
	buf_free(&b);
}

static void
fuzz_bad(struct str bytes)
{
	struct spool_bad_record r;
	struct buf b = { 0 };
	if (spool_bad_decode(bytes, &r) != 0)
		return;
	check(r.reason.n <= SPOOL_MAX_REASON);
	fuzz_job(r.record);
	spool_bad_encode(&r, &b);
	check(str_eq(buf_str(&b), bytes));
	buf_free(&b);
}

static void
fuzz_sieve(struct str bytes)
{
	uint8_t rk[16];
	for (size_t i = 0; i + sizeof rk <= bytes.n; i += sizeof rk) {
		memcpy(rk, bytes.p + i, sizeof rk);
		spool_sieve_fetch(bytes, rk);
		check((spool_sieve_look(bytes, rk) == SPOOL_SIEVE_DAMAGED) || spool_sieve_end(bytes) != 0);
	}
}

static void
fuzz_members(const uint8_t *p, size_t n)
{
	struct spool_sieve v;
	const size_t members = n / 16;
	if (members == 0 || n < 16 + 4)
		return;
	const uint8_t *change = p + n - 4;
	check(spool_sieve_begin(&v, members));
	for (size_t i = 0; i < members; i++)
		spool_sieve_add(&v, p + i * 16);
	spool_sieve_close(&v, 1 + change[3] % SPOOL_SIEVE_GENERATIONS);
	const struct str bytes = str_make((char *)v.p, v.n);
	for (size_t i = 0; i < members; i++)
		check(spool_sieve_look(bytes, p + i * 16) == SPOOL_SIEVE_MAYBE);
	v.p[((size_t)change[0] << 8 | change[1]) % v.n] ^= change[2];
	for (size_t i = 0; i < members; i++)
		check(spool_sieve_look(bytes, p + i * 16) != SPOOL_SIEVE_NO);
	free(v.p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	/* Exactly as long: the sanitizer sees a byte too many. */
	uint8_t *copy = malloc(n > 1 ? n - 1 : 1);
	check(copy != NULL);
	memcpy(copy, data + 1, n - 1);
	const struct str rest = str_of_key(copy, n - 1);
	switch (data[0]) {
	case 'j':
		fuzz_job(rest);
		break;
	case 'd':
		fuzz_due(rest);
		break;
	case 'c':
		fuzz_campaign(rest);
		break;
	case 'b':
		fuzz_bad(rest);
		break;
	case 's':
		fuzz_sieve(rest);
		break;
	case 'm':
		fuzz_members(copy, n - 1);
		break;
	default:
		break;
	}
	free(copy);
	return 0;
}
