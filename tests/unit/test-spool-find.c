/* The spool's jobs by the beginning of an id, and how many are due. */
#include "test-spool.h"

static bool
collect(void *ctx, const struct spool_job *j)
{
	struct buf *b = ctx;
	char id[26];
	spool_id(&j->key, id);
	buf_printf(b, "%s %s\n", id, spool_state_name(j->state));
	return true;
}

static bool
first_only(void *ctx, const struct spool_job *j)
{
	(void)j;
	++*(int *)ctx;
	return false;
}

static size_t
count_lines(struct fixture *f, const struct spool_filter *filter)
{
	struct buf b = { 0 };
	size_t n = 0;
	assert_int_equal(spool_each(f->s, filter, collect, &b, &f->e), 0);
	for (size_t i = 0; i < b.n; i++)
		n += b.p[i] == '\n';
	buf_free(&b);
	return n;
}

/* As many as need several stretches. */
static void
test_id(void **state)
{
	struct fixture *f = *state;
	struct spool_job jobs[1000];
	for (uint32_t i = 0; i < 1000; i++)
		jobs[i] = job_of(1, i, i % 2 ? "alpha" : "beta", NOW + i);
	assert_int_equal(add_jobs(f, 1, jobs, 1000), 1000);
	add1(f, 2, 7, "alpha", NOW);
	assert_int_equal(update1(f, jobs[5].key, SPOOL_SENT, NOW, "sent"), 1);
	/* The first halves of all ids of this test are the same. */
	char id[26], upper[26];
	spool_id(&jobs[5].key, id);
	for (int i = 0; i < 26; i++)
		upper[i] = (char)(id[i] >= 'a' && id[i] <= 'f' ? id[i] - 32 : id[i]);
	assert_int_equal(count_lines(f, &(struct spool_filter){ .state = -1, .id = str_of(id) }), 1);
	assert_int_equal(count_lines(f, &(struct spool_filter){ .state = -1, .id = str_of(upper) }), 1);
	assert_int_equal(count_lines(f, &(struct spool_filter){ .state = SPOOL_SENT, .id = str_of(id) }), 1);
	assert_int_equal(count_lines(f, &(struct spool_filter){ .state = SPOOL_QUEUED, .id = str_of(id) }),
			 0);
	assert_int_equal(count_lines(f, &(struct spool_filter){ .state = -1, .id = str_make(id, 17) }), 1);
	for (size_t n = 1; n <= 13; n++)
		assert_int_equal(count_lines(f, &(struct spool_filter){ .state = -1, .id = str_make(id, n) }),
				 1001);
	assert_int_equal(count_lines(f, &(struct spool_filter){ .state = -1,
								.id = str_make(id, 3),
								.campaign_id = jobs[1].campaign_id }),
			 501);
	/* Messages whose keys differ behind what an id shows, and the recipient is the same. */
	add1(f, 0, 5, "alpha", NOW);
	add1(f, UINT32_MAX, 5, "alpha", NOW);
	assert_int_equal(count_lines(f, &(struct spool_filter){ .state = -1, .id = str_of(id) }), 3);
	assert_int_equal(count_lines(f, &(struct spool_filter){ .state = -1, .id = str_make(id, 20) }), 3);
	static const char *const nothing[] = { "ffffffffffff-",
					       "6d6573736168",
					       " 6",
					       "0x",
					       "+f",
					       "--",
					       "6d6573736167-zz",
					       "6d6573736167-000000000000-" };
	for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
		assert_int_equal(
		    count_lines(f, &(struct spool_filter){ .state = -1, .id = str_of(nothing[i]) }), 0);
	int calls = 0;
	assert_int_equal(spool_each(f->s, &(struct spool_filter){ .state = -1, .id = str_make(id, 4) },
				    first_only, &calls, &f->e),
			 0);
	assert_int_equal(calls, 1);
}

static void
test_id_of_bad(void **state)
{
	struct fixture *f = *state;
	struct spool_key key = key_of(1, 1);
	char id[26];
	add1(f, 1, 1, "alpha", NOW);
	spool_id(&key, id);
	assert_int_equal(spool_set_bad(f->s, &key, "broken", &f->e), 0);
	assert_int_equal(count_lines(f, &(struct spool_filter){ .state = -1, .id = str_of(id) }), 0);
}

static void
test_due_count(void **state)
{
	struct fixture *f = *state;
	uint8_t alpha[8], beta[8];
	spool_campaign_id(STR("alpha"), alpha);
	spool_campaign_id(STR("beta"), beta);
	assert_int_equal(spool_due_count(f->s, alpha, NOW, 100, &f->e), 0);
	for (uint32_t i = 0; i < 10; i++)
		add1(f, 1, i, "alpha", NOW + i);
	add1(f, 2, 1, "beta", NOW);
	assert_int_equal(spool_due_count(f->s, alpha, NOW - 1, 100, &f->e), 0);
	assert_int_equal(spool_due_count(f->s, alpha, NOW, 100, &f->e), 1);
	assert_int_equal(spool_due_count(f->s, alpha, NOW + 4, 100, &f->e), 5);
	assert_int_equal(spool_due_count(f->s, alpha, INT64_MAX, 100, &f->e), 10);
	assert_int_equal(spool_due_count(f->s, alpha, INT64_MAX, 3, &f->e), 3);
	assert_int_equal(spool_due_count(f->s, beta, NOW, 100, &f->e), 1);
	/* Held and ended ones are not; those of a paused campaign are. */
	struct spool_key key = key_of(1, 0);
	assert_int_equal(spool_steer(f->s, SPOOL_HOLD, &key, 1, NOW, KEEP, &f->e), 1);
	assert_int_equal(update1(f, key_of(1, 1), SPOOL_SENT, NOW, "sent"), 1);
	assert_int_equal(spool_pause(f->s, alpha, STR("alpha"), true, NOW, &f->e), 1);
	assert_int_equal(spool_due_count(f->s, alpha, NOW + 9, 100, &f->e), 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_id, setup, teardown),
		cmocka_unit_test_setup_teardown(test_id_of_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_due_count, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
