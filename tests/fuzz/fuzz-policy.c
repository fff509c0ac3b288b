/*
 * fuzz-policy: a policy's state file. The first byte: 'f' the file as it is; else the body of one, given the
 * right first line, so that what lies behind the checksum is reached, too.
 */
#include <assert.h>
#include <math.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "score/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
sealed(struct str body, struct buf *out)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256((const unsigned char *)body.p, body.n, digest);
	buf_adds(out, STR("mailtailor-policy 1 "));
	for (size_t i = 0; i < sizeof(digest); i++)
		buf_printf(out, "%02x", digest[i]);
	buf_addc(out, '\n');
	buf_adds(out, body);
}

/* Whatever is in force, each choice is one: probabilities that add up to 1. */
static void
choose(const struct policy *p)
{
	struct policy_arm_ask arms[3] = { { STR("a"), 0.5, 1, 1 },
					  { STR("b"), 0.25, 0, 1e6 },
					  { STR("never heard of"), 0.25, 0, 0 } };
	double row[POLICY_MAX_COLUMNS], probability[3];
	for (size_t i = 0; i < POLICY_MAX_COLUMNS; i++)
		row[i] = i % 3 ? (double)i : NAN;
	if (p->narms > 0)
		arms[0].name = p->arms[0].name;
	for (enum policy_kind kind = 0; kind < POLICY_KINDS; kind++) {
		const struct policy_ask ask = { .kind = kind,
						.epsilon = 0.1,
						.alpha = 1,
						.arms = arms,
						.narms = 3,
						.row = row,
						.nrow = p->dim > 0 ? p->dim - 1 : 0 };
		double sum = 0;
		if (!policy_probabilities(p, &ask, probability))
			continue;
		for (size_t i = 0; i < 3; i++) {
			assert(probability[i] >= 0 && probability[i] <= 1);
			sum += probability[i];
		}
		assert(fabs(sum - 1) < 1e-9);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file = { 0 }, again = { 0 };
	struct err e = { 0 };
	if (size < 1)
		return 0;
	struct str body = str_make((const char *)data + 1, size - 1);
	if (data[0] == 'f')
		buf_adds(&file, body);
	else
		sealed(body, &file);
	struct policy *p = policy_parse(buf_str(&file), &e), *q;
	if (p != NULL) {
		choose(p);
		policy_print(p, &again);
		q = policy_parse(buf_str(&again), &e);
		assert(q != NULL && q->narms == p->narms && q->dim == p->dim);
		policy_free(&q);
	} else {
		assert(e.kind != ERR_NONE && e.text[0] != '\0');
	}
	policy_free(&p);
	buf_free(&file);
	buf_free(&again);
	return 0;
}
