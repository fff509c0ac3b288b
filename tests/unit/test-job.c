/* job: what is sealed comes back, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recipient/job.h"

struct fixture {
	struct keyring *keys;
	struct sealer *sealer;
	struct arena *a;
	struct err e;
};

static const uint8_t seed[32] = "a ring for jobs";

static int
setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	f->keys = keyring_ephemeral(seed);
	f->sealer = sealer_new(f->keys);
	f->a = arena_new(1024);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	sealer_free(&f->sealer);
	keyring_free(&f->keys);
	arena_free(&f->a);
	test_free(f);
	return 0;
}

static const struct job_message message = {
	.sender = { "news@shop.example", 17 },
	.ret = { "HDRS", 4 },
	.envid = { "", 0 },
	.smtputf8 = true,
	.id = { "<1@shop.example>", 16 },
	.bytes = { "Subject: {{x}}\r\n\r\nhello\0world\r\n", 31 },
};

static void
test_message(void **state)
{
	struct fixture *f = *state;
	struct buf sealed = { 0 }, again = { 0 }, plain = { 0 };
	uint8_t content[16], same[16];
	struct job_message m;
	assert_int_equal(job_message_seal(f->sealer, f->keys, &message, content, &sealed, &f->e), 0);
	assert_int_equal(job_message_open(f->sealer, content, buf_str(&sealed), &plain, &m, &f->e), 0);
	assert_true(str_eq(m.sender, message.sender) && str_eq(m.ret, message.ret) && m.envid.n == 0);
	assert_true(str_eq(m.id, message.id) && str_eq(m.bytes, message.bytes));
	assert_true(m.smtputf8 && !m.eightbit);
	assert_int_equal(str_find(buf_str(&sealed), STR("shop.example")), sealed.n);

	/* Equal messages are kept once; another sender makes another. */
	assert_int_equal(job_message_seal(f->sealer, f->keys, &message, same, &again, &f->e), 0);
	assert_memory_equal(content, same, sizeof(same));
	struct job_message other = message;
	other.sender = STR("promo@shop.example");
	assert_int_equal(job_message_seal(f->sealer, f->keys, &other, same, &again, &f->e), 0);
	assert_memory_not_equal(content, same, sizeof(same));

	/* Under another key of the spool, or with a byte changed, it does not open. */
	assert_int_equal(job_message_open(f->sealer, same, buf_str(&sealed), &plain, &m, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_CORRUPT);
	sealed.p[sealed.n / 2] ^= 1;
	assert_int_equal(job_message_open(f->sealer, content, buf_str(&sealed), &plain, &m, &f->e), -1);
	buf_free(&sealed);
	buf_free(&again);
	buf_free(&plain);
}

static void
test_payload(void **state)
{
	struct fixture *f = *state;
	const struct job_payload p = { STR("<Anna@customers.example>"), STR("FAILURE"),
				       STR("rfc822;a@b.example"), STR("{\"x\":1}") };
	struct spool_key key = { "message", "recipient" }, swapped = { "recipient", "message" }, other = key;
	struct buf sealed = { 0 };
	struct job_payload out;
	assert_int_equal(job_payload_seal(f->sealer, &key, &p, &sealed, &f->e), 0);
	assert_int_equal(job_payload_open(f->sealer, &key, buf_str(&sealed), f->a, &out, &f->e), 0);
	assert_true(str_eq(out.address, p.address) && str_eq(out.notify, p.notify) &&
		    str_eq(out.orcpt, p.orcpt) && str_eq(out.data, p.data));

	/* A payload moved to another job is no payload. */
	other.rk[3] ^= 1;
	assert_int_equal(job_payload_open(f->sealer, &other, buf_str(&sealed), f->a, &out, &f->e), -1);
	assert_int_equal(job_payload_open(f->sealer, &swapped, buf_str(&sealed), f->a, &out, &f->e), -1);
	other = key;
	other.message[0] ^= 1;
	other.rk[0] ^= 1; /* both halves changed alike */
	assert_int_equal(job_payload_open(f->sealer, &other, buf_str(&sealed), f->a, &out, &f->e), -1);
	assert_int_equal(job_payload_open(f->sealer, &key, STR(""), f->a, &out, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_CORRUPT);
	buf_free(&sealed);
}

static void
test_too_large(void **state)
{
	struct fixture *f = *state;
	char *big = test_calloc(1, SPOOL_MAX_PAYLOAD);
	const struct job_payload p = { .address = STR("a@b.example"), .data = { big, SPOOL_MAX_PAYLOAD } };
	struct spool_key key = { "m", "r" };
	struct buf sealed = { 0 };
	struct job_message m = message;
	uint8_t content[16];
	assert_int_equal(job_payload_seal(f->sealer, &key, &p, &sealed, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_LIMIT);
	m.envid = str_make(big, 70000);
	assert_int_equal(job_message_seal(f->sealer, f->keys, &m, content, &sealed, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_LIMIT);
	assert_int_equal(sealed.n, 0);
	test_free(big);
	buf_free(&sealed);
}

static void
test_message_key(void **state)
{
	struct fixture *f = *state;
	uint8_t a[16], b[16];
	job_message_key(f->keys, "spring", STR("<1@x>"), a);
	job_message_key(f->keys, "spring", STR("<1@x>"), b);
	assert_memory_equal(a, b, 16);
	job_message_key(f->keys, "summer", STR("<1@x>"), b);
	assert_memory_not_equal(a, b, 16);
	job_message_key(f->keys, "spring<", STR("1@x>"), b);
	assert_memory_not_equal(a, b, 16);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_payload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message_key, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
