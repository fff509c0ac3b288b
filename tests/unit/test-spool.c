/*
 * test-spool: adding, draining, ending; turns and pauses; references and counts; steering; damage.
 */
#include "test-spool.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/stat.h>

/* ---- adding ---- */

static void
test_add_and_read(void **state)
{
	struct fixture *f = *state;
	struct spool_job got, out[4];
	int64_t next;
	struct spool_job j[3] = { job_of(1, 1, "spring", NOW), job_of(1, 2, "spring", NOW + 1000),
				  job_of(1, 3, "spring", NOW) };
	j[1].report = true;
	j[1].attempts = 7;
	j[1].note = STR("451 later");
	j[2].state = SPOOL_DROPPED;
	j[2].reason = STR("suppressed");
	assert_int_equal(add_jobs(f, 1, j, 3), 3);
	assert_int_equal(spool_check(f->s), 3);
	assert_int_equal(spool_get(f->s, &j[1].key, f->a, &got, &f->e), 1);
	assert_memory_equal(&got.key, &j[1].key, sizeof got.key);
	assert_int_equal(got.state, SPOOL_QUEUED);
	assert_true(got.report);
	assert_int_equal(got.attempts, 7);
	assert_int_equal(got.accepted_ms, NOW - 5000);
	assert_int_equal(got.first_due_ms, NOW + 1000);
	assert_int_equal(got.due_ms, NOW + 1000);
	assert_true(str_eq(got.campaign, STR("spring")) && str_eq(got.reason, STR("now")));
	assert_true(str_eq(got.note, STR("451 later")) && str_eq(got.payload, STR("sealed payload")));
	/* Ended already: nothing personal is kept. */
	assert_int_equal(spool_get(f->s, &j[2].key, f->a, &got, &f->e), 1);
	assert_int_equal(got.state, SPOOL_DROPPED);
	assert_int_equal(got.payload.n, 0);
	assert_true(has_message(f, 1));
	struct spool_key other = key_of(1, 4);
	assert_int_equal(spool_get(f->s, &other, f->a, &got, &f->e), 0);
	reopen(f, (int64_t)64 << 20);
	assert_int_equal(spool_due(f->s, NOW, NULL, NULL, 4, f->a, out, &next, &f->e), 1);
	assert_memory_equal(&out[0].key, &j[0].key, sizeof got.key);
	assert_int_equal(next, NOW + 1000);
}

/* What a client does that lost our answer. */
static void
test_add_again(void **state)
{
	struct fixture *f = *state;
	struct spool_job j[3] = { job_of(1, 1, "spring", NOW), job_of(1, 2, "spring", NOW),
				  job_of(1, 1, "spring", NOW + 5) };
	bool added[3];
	uint8_t c[16];
	content_of(1, c);
	struct spool_add rq = { c, STR("sealed message 1"), j, 3, KEEP, added, false, NULL };
	struct store_stats before, after;
	assert_int_equal(spool_add(f->s, &rq, &f->e), 0);
	assert_true(added[0] && added[1] && !added[2]);
	assert_int_equal(update1(f, j[0].key, SPOOL_SENT, NOW, "sent"), 1);
	assert_int_equal(store_stats(f->s, &before, &f->e), 0);
	assert_int_equal(spool_add(f->s, &rq, &f->e), 0);
	assert_true(!added[0] && !added[1] && !added[2]);
	assert_int_equal(store_stats(f->s, &after, &f->e), 0);
	assert_int_equal(before.commits, after.commits);
	assert_int_equal(spool_check(f->s), 2);
	/* Only its own key is forgotten. */
	assert_int_equal(spool_sweep(f->s, NOW + KEEP - 1, 100, &f->e), 0);
	assert_int_equal(spool_sweep(f->s, NOW + KEEP, 100, &f->e), 1);
	assert_int_equal(spool_add(f->s, &rq, &f->e), 0);
	assert_true(added[0] && !added[1] && !added[2]);
	assert_int_equal(spool_check(f->s), 2);
	/* Nobody to be mailed: no message is kept. */
	struct spool_job none = job_of(2, 1, "spring", NOW);
	none.state = SPOOL_DROPPED;
	assert_int_equal(add_jobs(f, 2, &none, 1), 1);
	assert_false(has_message(f, 2));
	spool_check(f->s);
}

static void
test_add_bounds(void **state)
{
	struct fixture *f = *state;
	struct spool_job j = job_of(1, 1, "spring", NOW);
	bool added;
	uint8_t c[16] = { 0 };
	struct spool_add rq = { c, STR("m"), &j, SPOOL_MAX_BATCH + 1, KEEP, &added, false, NULL };
	assert_int_equal(spool_add(f->s, &rq, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_LIMIT);
	rq.njobs = 0;
	assert_int_equal(spool_add(f->s, &rq, &f->e), 0);
	rq.njobs = 1;
	char *big = malloc(SPOOL_MAX_PAYLOAD + 1);
	memset(big, 'x', SPOOL_MAX_PAYLOAD + 1);
	j.payload = str_make(big, SPOOL_MAX_PAYLOAD + 1);
	assert_int_equal(spool_add(f->s, &rq, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_LIMIT);
	j.payload.n--;
	/* Two-byte characters, so that the cut falls into one. */
	j.note = str_make("", 0);
	struct buf note = { 0 };
	buf_addc(&note, 'n');
	for (int i = 0; i < 300; i++)
		buf_adds(&note, STR("\xc3\xa9"));
	j.note = buf_str(&note);
	assert_int_equal(spool_add(f->s, &rq, &f->e), 0);
	struct spool_job got;
	assert_int_equal(spool_get(f->s, &j.key, f->a, &got, &f->e), 1);
	assert_int_equal(got.payload.n, SPOOL_MAX_PAYLOAD);
	assert_int_equal(got.note.n, SPOOL_MAX_NOTE - 1);
	assert_true(str_is_utf8(got.note));
	j.campaign = STR("");
	assert_int_equal(spool_add(f->s, &rq, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_BUG);
	j.campaign = STR("spring");
	j.due_ms = -1;
	assert_int_equal(spool_add(f->s, &rq, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_BUG);
	buf_free(&note);
	free(big);
	spool_check(f->s);
}

/* ---- draining ---- */

struct flying {
	struct spool_key keys[64];
	size_t n;
};

static bool
in_flight(void *ctx, const struct spool_key *key)
{
	const struct flying *fl = ctx;
	for (size_t i = 0; i < fl->n; i++)
		if (memcmp(&fl->keys[i], key, sizeof *key) == 0)
			return true;
	return false;
}

static int
due(struct fixture *f, int64_t now, struct flying *fl, size_t max, struct spool_job *out, int64_t *next)
{
	int n = spool_due(f->s, now, fl ? in_flight : NULL, fl, max, f->a, out, next, &f->e);
	if (n < 0)
		fail_msg("%s", f->e.text);
	return n;
}

static void
test_due_order_and_next(void **state)
{
	struct fixture *f = *state;
	struct spool_job out[16];
	struct flying fl = { .n = 0 };
	int64_t next;
	assert_int_equal(due(f, NOW, NULL, 16, out, &next), 0);
	assert_int_equal(next, INT64_MAX);
	for (uint32_t i = 0; i < 10; i++)
		add1(f, 1, i, "spring", NOW + 10 - i);
	assert_int_equal(due(f, NOW, NULL, 16, out, &next), 0);
	assert_int_equal(next, NOW + 1);
	assert_int_equal(due(f, NOW + 5, NULL, 16, out, &next), 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(out[i].due_ms, NOW + 1 + i);
	assert_int_equal(next, NOW + 6);
	/* More than fit, and just as many as fit. */
	assert_int_equal(due(f, NOW + 5, NULL, 4, out, &next), 4);
	assert_true(next <= NOW + 5);
	assert_int_equal(due(f, NOW + 4, NULL, 4, out, &next), 4);
	assert_int_equal(next, NOW + 5);
	/* What is in flight is passed over, and is not what is due next. */
	for (int i = 0; i < 4; i++)
		fl.keys[fl.n++] = out[i].key;
	assert_int_equal(due(f, NOW + 5, &fl, 4, out, &next), 1);
	assert_int_equal(out[0].due_ms, NOW + 5);
	assert_int_equal(next, NOW + 6);
	for (uint32_t i = 0; i < 10; i++)
		fl.keys[i] = key_of(1, i);
	fl.n = 10;
	assert_int_equal(due(f, NOW + 100, &fl, 4, out, &next), 0);
	assert_int_equal(next, INT64_MAX);
	assert_int_equal(due(f, NOW + 100, &fl, 0, out, &next), 0);
	assert_int_equal(due(f, NOW + 100, NULL, 0, out, &next), 0);
	assert_true(next <= NOW + 100);
}

/* Nobody waits behind another campaign's million. */
static void
test_turns(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "alpha", "beta", "gamma", "delta" };
	static struct spool_job jobs[1000], out[64];
	int64_t next;
	for (uint32_t i = 0; i < 1000; i++)
		jobs[i] = job_of(1, i, "alpha", NOW - 1000);
	add_jobs(f, 1, jobs, 1000);
	for (uint32_t c = 1; c < 4; c++)
		for (uint32_t i = 0; i < 40; i++)
			jobs[i] = job_of(c + 1, i, names[c], NOW), add_jobs(f, c + 1, &jobs[i], 1);
	assert_int_equal(due(f, NOW, NULL, 64, out, &next), 64);
	int got[4] = { 0 };
	for (int i = 0; i < 64; i++)
		for (int c = 0; c < 4; c++)
			got[c] += str_eq(out[i].campaign, str_of(names[c]));
	for (int c = 0; c < 4; c++)
		assert_int_equal(got[c], 16);
	/* Calls of one job each serve all campaigns in turn. */
	int seen[4] = { 0 };
	for (int i = 0; i < 8; i++) {
		assert_int_equal(due(f, NOW, NULL, 1, out, &next), 1);
		assert_int_equal(next, NOW);
		for (int c = 0; c < 4; c++)
			seen[c] += str_eq(out[0].campaign, str_of(names[c]));
	}
	for (int c = 0; c < 4; c++)
		assert_int_equal(seen[c], 2);
	spool_check(f->s);
}

static void
test_pause(void **state)
{
	struct fixture *f = *state;
	static struct spool_job jobs[2000], out[64];
	struct spool_job quiet = job_of(9, 9, "quiet", NOW);
	int64_t next;
	for (uint32_t i = 0; i < 2000; i++)
		jobs[i] = job_of(1, i, "alpha", NOW);
	add_jobs(f, 1, jobs, 2000);
	assert_int_equal(spool_paused(f->s, jobs[0].campaign_id, &f->e), 0);
	assert_int_equal(spool_pause(f->s, jobs[0].campaign_id, STR("alpha"), true, NOW, &f->e), 1);
	assert_int_equal(spool_pause(f->s, jobs[0].campaign_id, STR("alpha"), true, NOW, &f->e), 0);
	assert_int_equal(spool_paused(f->s, jobs[0].campaign_id, &f->e), 1);
	assert_int_equal(spool_paused(f->s, quiet.campaign_id, &f->e), 0);
	assert_int_equal(due(f, NOW + 1, NULL, 64, out, &next), 0);
	assert_int_equal(next, INT64_MAX);
	add1(f, 2, 1, "beta", NOW + 7);
	assert_int_equal(due(f, NOW + 1, NULL, 64, out, &next), 0);
	assert_int_equal(next, NOW + 7);
	assert_int_equal(due(f, NOW + 7, NULL, 64, out, &next), 1);
	assert_int_equal(next, INT64_MAX);
	/* One that has no jobs yet. */
	assert_int_equal(spool_pause(f->s, quiet.campaign_id, STR("quiet"), false, NOW, &f->e), 0);
	assert_int_equal(spool_pause(f->s, quiet.campaign_id, STR("quiet"), true, NOW, &f->e), 1);
	spool_check(f->s);
	add_jobs(f, 9, &quiet, 1);
	assert_int_equal(due(f, NOW + 7, NULL, 64, out, &next), 1);
	update1(f, quiet.key, SPOOL_DROPPED, NOW, "expired");
	assert_int_equal(spool_sweep(f->s, NOW + KEEP, 10, &f->e), 1);
	spool_check(f->s);
	assert_int_equal(spool_pause(f->s, quiet.campaign_id, STR("quiet"), false, NOW, &f->e), 1);
	assert_int_equal(spool_pause(f->s, quiet.campaign_id, STR("quiet"), false, NOW, &f->e), 0);
	assert_int_equal(spool_pause(f->s, jobs[0].campaign_id, STR("alpha"), false, NOW, &f->e), 1);
	assert_int_equal(due(f, NOW + 7, NULL, 64, out, &next), 64);
	spool_check(f->s);
}

static void
test_update(void **state)
{
	struct fixture *f = *state;
	struct spool_job got, out[8];
	int64_t next;
	struct spool_job j[3] = { job_of(1, 1, "spring", NOW), job_of(1, 2, "spring", NOW),
				  job_of(1, 3, "spring", NOW) };
	add_jobs(f, 1, j, 3);
	const int64_t before = clock_now_ms();
	assert_int_equal(update1(f, j[0].key, SPOOL_QUEUED, NOW + 60000, "retry"), 1);
	assert_int_equal(spool_get(f->s, &j[0].key, f->a, &got, &f->e), 1);
	assert_int_equal(got.attempts, 1);
	assert_int_equal(got.due_ms, NOW + 60000);
	/* Its first attempt was now, and stays that. */
	const int64_t first = got.first_due_ms;
	assert_true(first >= before && first <= clock_now_ms());
	usleep(2000);
	assert_int_equal(update1(f, j[0].key, SPOOL_QUEUED, NOW + 60000, "retry"), 1);
	assert_int_equal(spool_get(f->s, &j[0].key, f->a, &got, &f->e), 1);
	assert_int_equal(got.attempts, 2);
	assert_int_equal(got.first_due_ms, first);
	assert_true(str_eq(got.reason, STR("retry")) && str_eq(got.note, STR("250 ok")));
	assert_true(str_eq(got.payload, STR("sealed payload")));
	assert_int_equal(due(f, NOW, NULL, 8, out, &next), 2);
	assert_int_equal(next, NOW + 60000);
	spool_check(f->s);
	/* The message goes with its last live job, whatever way that ends. */
	assert_int_equal(update1(f, j[0].key, SPOOL_SENT, NOW + 60001, "sent"), 1);
	assert_int_equal(update1(f, j[1].key, SPOOL_FAILED, NOW + 60001, "refused"), 1);
	assert_true(has_message(f, 1));
	assert_int_equal(update1(f, j[2].key, SPOOL_HELD, NOW, "missing"), 1);
	assert_true(has_message(f, 1));
	spool_check(f->s);
	assert_int_equal(update1(f, j[2].key, SPOOL_DROPPED, NOW, "consent"), 1);
	assert_false(has_message(f, 1));
	spool_check(f->s);
	/* It did leave. */
	assert_int_equal(update1(f, j[2].key, SPOOL_SENT, NOW + 3, "sent"), 0);
	assert_int_equal(spool_get(f->s, &j[2].key, f->a, &got, &f->e), 1);
	assert_int_equal(got.state, SPOOL_SENT);
	assert_int_equal(got.due_ms, NOW + 3);
	/* But what was sent or failed stays so. */
	assert_int_equal(update1(f, j[1].key, SPOOL_SENT, NOW, "sent"), 0);
	assert_int_equal(update1(f, j[0].key, SPOOL_QUEUED, NOW, "retry"), 0);
	assert_int_equal(spool_get(f->s, &j[1].key, f->a, &got, &f->e), 1);
	assert_int_equal(got.state, SPOOL_FAILED);
	struct spool_key gone = key_of(5, 5);
	assert_int_equal(update1(f, gone, SPOOL_SENT, NOW, "sent"), 0);
	spool_check(f->s);
	struct spool_update wrong = { .key = j[0].key, .state = SPOOL_SENT, .due_ms = -1, .reason = "sent" };
	assert_int_equal(spool_update(f->s, &wrong, 1, KEEP, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_BUG);
	assert_int_equal(spool_update(f->s, &wrong, 0, KEEP, &f->e), 0);
}

/* What an administrator does to a job that is under way is not undone when it has to wait. */
static void
test_held_under_way(void **state)
{
	struct fixture *f = *state;
	struct spool_job got, out[8], j = job_of(1, 1, "spring", NOW);
	int64_t next;
	add_jobs(f, 1, &j, 1);
	assert_int_equal(due(f, NOW, NULL, 8, out, &next), 1);
	assert_int_equal(spool_steer(f->s, SPOOL_HOLD, &j.key, 1, NOW, KEEP, &f->e), 1);
	assert_int_equal(update1(f, j.key, SPOOL_QUEUED, NOW + 60000, "retry"), 1);
	assert_int_equal(spool_get(f->s, &j.key, f->a, &got, &f->e), 1);
	assert_int_equal(got.state, SPOOL_HELD);
	assert_int_equal(got.due_ms, NOW + 60000);
	assert_int_equal(got.attempts, 1);
	assert_int_equal(due(f, NOW + DAY, NULL, 8, out, &next), 0);
	spool_check(f->s);
	assert_int_equal(spool_steer(f->s, SPOOL_RELEASE, &j.key, 1, NOW, KEEP, &f->e), 1);
	assert_int_equal(due(f, NOW + DAY, NULL, 8, out, &next), 1);
	/* What he held is nobody else's to release; what the injector held comes back for the time it had. */
	assert_int_equal(spool_steer(f->s, SPOOL_HOLD, &j.key, 1, NOW, KEEP, &f->e), 1);
	assert_int_equal(update1(f, j.key, SPOOL_HELD, NOW + 60000, "no-campaign"), 1);
	assert_int_equal(spool_get(f->s, &j.key, f->a, &got, &f->e), 1);
	assert_string_equal(arena_cstr(f->a, got.reason), "retry");
	assert_int_equal(spool_steer(f->s, SPOOL_RELEASE, &j.key, 1, NOW, KEEP, &f->e), 1);
	assert_int_equal(update1(f, j.key, SPOOL_HELD, NOW + 60000, "no-campaign"), 1);
	assert_int_equal(spool_steer(f->s, SPOOL_RETURN, &j.key, 1, NOW + DAY, KEEP, &f->e), 1);
	assert_int_equal(spool_get(f->s, &j.key, f->a, &got, &f->e), 1);
	assert_int_equal(got.state, SPOOL_QUEUED);
	assert_int_equal(got.due_ms, NOW + 60000);
	assert_string_equal(arena_cstr(f->a, got.reason), "now");
	assert_int_equal(spool_steer(f->s, SPOOL_RETURN, &j.key, 1, NOW + DAY, KEEP, &f->e), 0);
	/* But it did leave. */
	assert_int_equal(spool_steer(f->s, SPOOL_HOLD, &j.key, 1, NOW, KEEP, &f->e), 1);
	assert_int_equal(update1(f, j.key, SPOOL_SENT, NOW + DAY, "sent"), 1);
	assert_int_equal(spool_get(f->s, &j.key, f->a, &got, &f->e), 1);
	assert_int_equal(got.state, SPOOL_SENT);
	spool_check(f->s);
}

/* A job that is tried at once: whether it may have left is not forgotten, either way. */
static void
test_retried(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *reason, *then;
	} v[] = { { "retry", "retry" }, { "uncertain", "admin" }, { "quiet-hours", "admin" } };
	struct spool_job got, j = job_of(1, 1, "spring", NOW);
	add_jobs(f, 1, &j, 1);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(update1(f, j.key, SPOOL_QUEUED, NOW + 60000, v[i].reason), 1);
		assert_int_equal(spool_steer(f->s, SPOOL_RETRY, &j.key, 1, NOW, KEEP, &f->e), 1);
		assert_int_equal(spool_get(f->s, &j.key, f->a, &got, &f->e), 1);
		assert_int_equal(got.due_ms, NOW);
		assert_true(str_eq(got.reason, str_of(v[i].then)));
	}
	spool_check(f->s);
}

/* One message under two keys (two campaigns, say) is stored once. */
static void
test_shared_message(void **state)
{
	struct fixture *f = *state;
	struct spool_job j[2] = { job_of(1, 1, "spring", NOW), job_of(2, 1, "summer", NOW) };
	add_jobs(f, 1, &j[0], 1);
	add_jobs(f, 1, &j[1], 1);
	spool_check(f->s);
	update1(f, j[0].key, SPOOL_SENT, NOW, "sent");
	assert_true(has_message(f, 1));
	spool_check(f->s);
	update1(f, j[1].key, SPOOL_SENT, NOW, "sent");
	assert_false(has_message(f, 1));
	spool_check(f->s);
	/* It comes again. */
	add1(f, 1, 2, "spring", NOW);
	assert_true(has_message(f, 1));
	spool_check(f->s);
}

/* How long ended jobs are kept was cut: those of before are forgotten as late as they would have been. */
static void
test_sent_since(void **state)
{
	struct fixture *f = *state;
	struct spool_job j[3] = { job_of(1, 1, "spring", NOW), job_of(1, 2, "spring", NOW),
				  job_of(1, 3, "spring", NOW) };
	add_jobs(f, 1, j, 3);
	update1(f, j[0].key, SPOOL_SENT, NOW - 5 * DAY, "sent");
	update1(f, j[1].key, SPOOL_SENT, NOW - 30000, "sent");
	assert_int_equal(spool_sent_since(f->s, NOW - 60000, NOW, KEEP, 1000, &f->e), 1);
	assert_int_equal(spool_sent_since(f->s, NOW - 60000, NOW, DAY, 1000, &f->e), 0);
	struct spool_update u = { .key = j[2].key, .state = SPOOL_SENT, .due_ms = NOW, .reason = "sent" };
	assert_int_equal(spool_update(f->s, &u, 1, DAY, &f->e), 0);
	assert_int_equal(spool_sent_since(f->s, NOW - 60000, NOW, DAY, 1000, &f->e), 1);
}

static void
test_sweep(void **state)
{
	struct fixture *f = *state;
	static struct spool_job jobs[300];
	static const char *const names[] = { "alpha", "beta", "gamma" };
	for (uint32_t i = 0; i < 300; i++) {
		jobs[i] = job_of(1, i, names[i % 3], NOW + i);
		jobs[i].state = SPOOL_DROPPED;
	}
	add_jobs(f, 1, jobs, 300);
	add1(f, 2, 1, "alpha", NOW);
	assert_int_equal(spool_sweep(f->s, NOW + KEEP - 1, 1000, &f->e), 0);
	assert_int_equal(spool_sweep(f->s, NOW + KEEP + 29, 1000, &f->e), 30);
	spool_check(f->s);
	assert_int_equal(spool_sweep(f->s, NOW + KEEP + 1000, 120, &f->e), 120);
	spool_check(f->s);
	assert_int_equal(spool_sweep(f->s, NOW + KEEP + 1000, 1000, &f->e), 150);
	assert_int_equal(spool_sweep(f->s, INT64_MAX, 1000, &f->e), 0);
	assert_int_equal(spool_check(f->s), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_add_and_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_add_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_add_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_due_order_and_next, setup, teardown),
		cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(test_update, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_under_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retried, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sent_since, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
