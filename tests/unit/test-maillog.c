/* What a log says becomes events: of copies of ours, of their recipients, once; and what waits for its copy.
 */
#include "test-feedback.h"

#include "base/clock.h"
#include "feedback/maillog.h"

struct seen {
	size_t delivered, deferred, bounced, known;
	enum policy_outcome outcome;
};

static void
count(void *ctx, const struct maillog_event *ev)
{
	struct seen *s = ctx;
	s->delivered += ev->type == EVENT_DELIVERED;
	s->deferred += ev->type == EVENT_DEFERRED;
	s->bounced += ev->type == EVENT_BOUNCED;
	s->known += ev->known;
	s->outcome = ev->outcome;
}

/* The MTA has taken that copy under queue_id. */
static void
inject(struct fixture *f, const char *address, const uint8_t idem[16], const char *queue_id)
{
	struct recipient_key rk = key_of(f, address);
	struct event ev = { .at_ms = NOW,
			    .type = EVENT_INJECTED,
			    .once = true,
			    .link = EVENT_NO_LINK,
			    .campaign = STR("spring"),
			    .category = STR("promo"),
			    .source = STR("injector"),
			    .queue_id = str_of(queue_id) };
	memcpy(ev.rk, rk.b, sizeof ev.rk);
	memcpy(ev.copy, idem, sizeof ev.copy);
	ev.at_ms = clock_now_ms();
	assert_int_equal(event_add(f->src.id.store, &ev, 1, NULL, &f->e), 0);
}

static void
feed(struct fixture *f, struct maillog *m, const char *rest)
{
	char line[2048], at[40];
	int64_t now = clock_now_ms();
	snprintf(line, sizeof line, "%s mail postfix/%s", clock_format_rfc3339(now - 1000, at), rest);
	if (maillog_line(m, str_of(line), now, now, &f->e) != 0)
		fail_msg("%s", f->e.text);
}

static void
flush(struct fixture *f, struct maillog *m)
{
	if (maillog_flush(m, true, &f->e) != 0)
		fail_msg("%s", f->e.text);
}

#define SENT "relay=mx.a.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"
#define GONE                                                                                          \
	"relay=mx.a.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host " \
	"mx.a.example[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command))"

static void
test_delivered(void **state)
{
	struct fixture *f = *state;
	struct seen s = { 0 };
	uint8_t idem[16];
	struct maillog *m = maillog_new(&f->src, count, &s);
	copy_make(f, "ann@a.example", 1, idem);
	inject(f, "ann@a.example", idem, "4bXyZw1Q2Rz9");
	for (int i = 0; i < 3; i++) {
		feed(f, m, "smtp[1]: 4bXyZw1Q2Rz9: to=<ann@A.example>, " SENT);
		flush(f, m);
	}
	feed(f, m,
	     "smtp[1]: 4bXyZw1Q2Rz9: to=<ann@a.example>, relay=none, dsn=4.4.1, status=deferred (timed out)");
	flush(f, m);
	assert_int_equal(s.delivered, 3);
	assert_int_equal(s.known, 2);
	assert_int_equal(s.deferred, 1);
	struct events l = events_of(f);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.v[1].type, EVENT_DELIVERED);
	assert_true(str_eq(l.v[1].campaign, STR("spring")));
	assert_memory_equal(l.v[1].copy, idem, 8);
	assert_true(str_eq(l.v[1].details, STR("{\"status\":\"2.0.0\"}")));
	assert_int_equal(l.v[2].type, EVENT_DEFERRED);
	assert_int_equal(maillog_oldest(m), maillog_next(m));
	maillog_free(&m);
}

/* Of the same message, but somebody else; of another message under an id that was used before. */
static void
test_others(void **state)
{
	struct fixture *f = *state;
	struct seen s = { 0 };
	uint8_t idem[16];
	const char *hosts[] = { "127.0.0.1", "filter.example" };
	struct maillog *m = maillog_new(&f->src, count, &s);
	f->conf.ignore_relays = (struct conf_list){ hosts, 2 };
	copy_make(f, "ann@a.example", 1, idem);
	inject(f, "ann@a.example", idem, "ABCDEF12");
	feed(f, m, "smtp[1]: ABCDEF12: to=<archive@a.example>, " SENT);
	feed(f, m, "smtp[1]: ABCDEF12: to=<eve@a.example>, orig_to=<bob@a.example>, " GONE);
	feed(f, m, "smtp[1]: ABCDEF12: to=<no address>, " GONE);
	feed(f, m,
	     "smtp[1]: ABCDEF12: to=<ann@a.example>, relay=127.0.0.1[127.0.0.1]:10024, status=sent (250 ok)");
	feed(f, m,
	     "smtp[1]: ABCDEF12: to=<ann@a.example>, relay=FILTER.example[192.0.2.7]:25, status=sent (250 "
	     "ok)");
	feed(f, m, "local[1]: ABCDEF12: to=<ann@a.example>, relay=local, status=sent (forwarded as 12345)");
	flush(f, m);
	assert_int_equal(s.delivered + s.bounced + s.deferred, 0);
	assert_int_equal(events_of(f).n, 1);
	/* rewritten by a virtual alias */
	feed(f, m, "smtp[1]: ABCDEF12: to=<box17@store.example>, orig_to=<ann@a.example>, " SENT);
	flush(f, m);
	assert_int_equal(s.delivered, 1);
	maillog_free(&m);
}

static void
test_bounced(void **state)
{
	struct fixture *f = *state;
	struct seen s = { 0 };
	struct suppression_record r;
	uint8_t idem[16];
	struct maillog *m = maillog_new(&f->src, count, &s);
	struct str path = copy_make(f, "ann@a.example", 1, idem);
	inject(f, "ann@a.example", idem, "ABCDEF12");
	for (int i = 0; i < 2; i++)
		feed(f, m, "smtp[1]: ABCDEF12: to=<ann@a.example>, " GONE);
	flush(f, m);
	assert_int_equal(s.outcome, POLICY_SUPPRESSED);
	assert_true(suppressed(f, "ann@a.example", &r));
	assert_int_equal(r.reason, SUPPRESS_HARD_BOUNCE);
	struct events l = events_of(f);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.v[1].type, EVENT_BOUNCED);
	assert_true(str_eq(l.v[1].reason, STR("hard")));
	assert_true(str_eq(l.v[1].details,
			   STR("{\"proof\":\"queue-id\",\"why\":\"unknown-user\",\"status\":\"5.1.1\"}")));
	/* the report that comes by mail says the same of the same copy */
	const struct feedback fb =
	    finding(f, FEEDBACK_BOUNCE, "ann@a.example", FEEDBACK_UNKNOWN_USER, "5.1.1");
	struct identity who;
	enum policy_outcome out[FEEDBACK_MAX_ITEMS];
	assert_int_equal(identify(&f->src.id, &path, 1, &fb, f->a, &who, &f->e), 0);
	assert_int_equal(policy_apply(&f->src, &fb, &who, clock_now_ms(), f->a, out, &f->e), 0);
	assert_int_equal(events_of(f).n, 2);
	maillog_free(&m);
}

/* Soft ones of several copies, and those that were tried too long. */
static void
test_soft(void **state)
{
	struct fixture *f = *state;
	struct seen s = { 0 };
	struct suppression_record r;
	uint8_t idem[16];
	char line[1024];
	struct maillog *m = maillog_new(&f->src, count, &s);
	for (uint8_t i = 1; i <= 3; i++) {
		struct str path = copy_make(f, "ann@a.example", i, idem);
		snprintf(line, sizeof line, "ABCDEF%d", i);
		inject(f, "ann@a.example", idem, line);
		assert_false(suppressed(f, "ann@a.example", &r));
		/* somebody else's message has expired under that id */
		snprintf(line, sizeof line,
			 "qmgr[1]: ABCDEF%d: from=<eve@b.example>, status=expired, returned to sender", i);
		feed(f, m, line);
		if (i == 1)
			snprintf(
			    line, sizeof line,
			    "smtp[1]: ABCDEF%d: to=<ann@a.example>, relay=mx[192.0.2.1]:25, dsn=5.7.1, "
			    "status=bounced (host mx said: 550 5.7.1 spam (in reply to end of DATA command))",
			    i);
		else
			snprintf(line, sizeof line,
				 "qmgr[1]: ABCDEF%d: from=<%.*s>, status=expired, returned to sender", i,
				 STR_ARG(path));
		feed(f, m, line);
		flush(f, m);
		assert_int_equal(s.bounced, i);
	}
	assert_true(suppressed(f, "ann@a.example", &r));
	assert_int_equal(r.reason, SUPPRESS_SOFT_BOUNCE);
	maillog_free(&m);
}

/* The log was faster; and most of a log is about other mail. */
static void
test_waiting(void **state)
{
	struct fixture *f = *state;
	struct seen s = { 0 };
	uint8_t idem[16];
	struct maillog *m = maillog_new(&f->src, count, &s);
	copy_make(f, "ann@a.example", 1, idem);
	feed(f, m, "smtp[1]: EEEEEE1: to=<x@b.example>, " SENT);
	feed(f, m, "smtp[1]: ABCDEF12: to=<ann@a.example>, " SENT);
	feed(f, m, "smtp[1]: EEEEEE2: to=<y@b.example>, " SENT);
	flush(f, m);
	assert_int_equal(s.delivered, 0);
	assert_int_equal(maillog_oldest(m), 0);
	assert_int_equal(maillog_next(m), 3);
	inject(f, "ann@a.example", idem, "ABCDEF12");
	flush(f, m);
	assert_int_equal(s.delivered, 1);
	assert_int_equal(maillog_oldest(m), 0);
	/* what is old does not wait */
	char line[512], at[40];
	int64_t now = clock_now_ms();
	snprintf(line, sizeof line, "%s mail postfix/smtp[1]: EEEEEE3: to=<x@b.example>, " SENT,
		 clock_format_rfc3339(now - MAILLOG_WAIT_MS - 1000, at));
	assert_int_equal(maillog_line(m, str_of(line), now, now, &f->e), 0);
	assert_int_equal(maillog_next(m), 3);
	/* and there is an end to how many do */
	for (int i = 0; i < MAILLOG_WAITING_MAX + 10; i++) {
		snprintf(line, sizeof line, "smtp[1]: E%08X: to=<x@b.example>, " SENT, (unsigned)i);
		feed(f, m, line);
	}
	assert_true(maillog_next(m) - maillog_oldest(m) <= MAILLOG_WAITING_MAX);
	assert_true(maillog_oldest(m) > 0);
	maillog_free(&m);
}

/* The time is the log's, but for a clock that is ahead. */
static void
test_time(void **state)
{
	struct fixture *f = *state;
	struct seen s = { 0 };
	uint8_t idem[16];
	int64_t now = clock_now_ms();
	struct maillog *m = maillog_new(&f->src, count, &s);
	for (uint8_t i = 1; i <= 2; i++) {
		char line[512], at[40], id[16];
		int64_t when = i == 1 ? now - 3600000 : now + 7000;
		copy_make(f, "ann@a.example", i, idem);
		snprintf(id, sizeof id, "ABCDEF%d", i);
		inject(f, "ann@a.example", idem, id);
		snprintf(line, sizeof line, "%s mail postfix/smtp[1]: %s: to=<ann@a.example>, " SENT,
			 clock_format_rfc3339(when, at), id);
		assert_int_equal(maillog_line(m, str_of(line), now + 7000, now, &f->e), 0);
	}
	flush(f, m);
	struct events l = events_of(f);
	assert_int_equal(l.n, 4);
	for (size_t i = 0, k = 0; i < l.n; i++)
		if (l.v[i].type == EVENT_DELIVERED)
			assert_int_equal(l.v[i].at_ms, k++ == 0 ? now - 3600000 : now);
	maillog_free(&m);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(test_delivered), T(test_others),  T(test_bounced),
		T(test_soft),	   T(test_waiting), T(test_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
