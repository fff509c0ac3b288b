/*
 * test-milter-session: who may name campaigns, and which campaign a message
 * is; without a milter connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/clock.h"
#include "milter/private.h"
#include "token/job.h"

static const char settings[] =
    "milter {\n trusted_networks = { 127.0.0.0/8, 192.0.2.0/24, \"2001:db8::/32\" }\n max_message = 1K\n}\n"
    "track { host = \"https://t.test\" }\n"
    "campaign sender { match_sender = { \"news@shop.test\", \"@list.test\" } }\n"
    "campaign listener { match_listener = { 10026, campaigns } }\n"
    "campaign from { match_from_domain = { shop.test, \"xn--mnchen-3ya.test\" } }\n"
    "campaign named { }\n";

struct fixture {
	struct epoch epoch;
	struct session *s;
};

static void
report(void *ctx, const char *text)
{
	(void)ctx;
	print_message("%s\n", text);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->epoch.conf = conf_load_text("test.conf", str_of(settings), "/nowhere", report, NULL);
	assert_non_null(f->epoch.conf);
	f->s = session_new();
	f->s->tx.epoch = &f->epoch;
	f->s->tx.arena = arena_new(1024);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	arena_free(&f->s->tx.arena);
	f->s->tx.epoch = NULL; /* not a counted one */
	session_free(&f->s);
	conf_free(&f->epoch.conf);
	free(f);
	return 0;
}

static bool
trusted_from(struct fixture *f, int family, const char *text)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	if (family == AF_INET6)
		assert_int_equal(inet_pton(family, text, &six.sin6_addr), 1);
	else
		assert_int_equal(inet_pton(family, text, &four.sin_addr), 1);
	session_client(f->s, "mx.example", family == AF_INET6 ? (void *)&six : (void *)&four);
	return session_trusted(f->s, f->epoch.conf);
}

static void
test_trust(void **state)
{
	struct fixture *f = *state;
	struct sockaddr local = { .sa_family = AF_UNIX };
	assert_true(session_trusted(f->s, f->epoch.conf));
	assert_true(trusted_from(f, AF_INET, "192.0.2.255"));
	assert_false(trusted_from(f, AF_INET, "192.0.3.0"));
	assert_true(trusted_from(f, AF_INET6, "2001:db8:ffff::1"));
	assert_false(trusted_from(f, AF_INET6, "2001:db9::1"));
	assert_true(trusted_from(f, AF_INET6, "::ffff:192.0.2.1"));
	assert_false(trusted_from(f, AF_INET6, "::ffff:198.51.100.1"));
	f->s->authenticated = true;
	assert_true(session_trusted(f->s, f->epoch.conf));
	f->epoch.conf->milter.trust_authenticated = false;
	assert_false(session_trusted(f->s, f->epoch.conf));
	session_client(f->s, "localhost", &local); /* a local submission */
	assert_true(session_trusted(f->s, f->epoch.conf));
	session_client(f->s, "localhost", NULL);
	assert_true(session_trusted(f->s, f->epoch.conf));
	session_client(f->s, "unknown", NULL); /* XCLIENT ADDR=[UNAVAILABLE] */
	assert_false(session_trusted(f->s, f->epoch.conf));
	session_client(f->s, "client.example", NULL); /* XCLIENT NAME=client.example ADDR=[UNAVAILABLE] */
	assert_false(session_trusted(f->s, f->epoch.conf));
}

static const char *
by_sender(struct fixture *f, const char *sender)
{
	f->s->tx.sender = str_of(sender);
	const struct conf_campaign *c = tx_match_envelope(f->s, &f->s->tx);
	return c ? c->name : "none";
}

static void
test_envelope(void **state)
{
	struct fixture *f = *state;
	assert_string_equal(by_sender(f, "news@shop.test"), "sender");
	assert_string_equal(by_sender(f, "news@SHOP.Test"), "sender");
	assert_string_equal(by_sender(f, "News@shop.test"), "none");
	assert_string_equal(by_sender(f, "xnews@shop.test"), "none");
	assert_string_equal(by_sender(f, "any@LIST.test"), "sender");
	assert_string_equal(by_sender(f, "a@b@list.test"), "sender");
	assert_string_equal(by_sender(f, "any@sub.list.test"), "none");
	assert_string_equal(by_sender(f, "@list.test"), "sender");
	assert_string_equal(by_sender(f, "list.test"), "none");
	assert_string_equal(by_sender(f, ""), "none");
	f->s->daemon_port = STR("10026");
	assert_string_equal(by_sender(f, ""), "listener");
	f->s->daemon_port = STR("1002");
	assert_string_equal(by_sender(f, ""), "none");
	f->s->daemon_name = STR("Campaigns");
	assert_string_equal(by_sender(f, ""), "listener");
	trusted_from(f, AF_INET, "198.51.100.1");
	assert_string_equal(by_sender(f, "news@shop.test"), "none");
}

static const char *
by_header(struct fixture *f, const char *header)
{
	struct tx *tx = &f->s->tx;
	tx->campaign = NULL;
	tx->bad_campaign = NULL;
	tx->strip_only = false;
	buf_reset(&tx->bytes);
	buf_adds(&tx->bytes, str_of(header));
	tx_match_header(f->s, tx);
	return tx->own_copy	  ? "own"
	       : tx->campaign	  ? tx->campaign->name
	       : tx->bad_campaign ? "bad"
	       : tx->strip_only	  ? "strip"
				  : "none";
}

static void
test_header(void **state)
{
	struct fixture *f = *state;
	assert_string_equal(by_header(f, "From: MAILER-DAEMON@shop.test\r\n"), "none"); /* sender <> */
	f->s->tx.sender = STR("bounce@shop.test");
	assert_string_equal(by_header(f, "From: a@shop.test\r\n"), "from");
	assert_string_equal(by_header(f, "From: \"x@evil.test\" <a@SHOP.TEST>\r\n"), "from");
	assert_string_equal(by_header(f, "From: a@m\xc3\xbcnchen.test\r\n"), "from");
	assert_string_equal(by_header(f, "From: a@sub.shop.test\r\n"), "none");
	assert_string_equal(by_header(f, "From: shop.test\r\n"), "none");
	assert_string_equal(by_header(f, "X-From: a@shop.test\r\n"), "none");
	assert_string_equal(by_header(f, ""), "none");
	assert_string_equal(by_header(f, "X-Mailtailor-Campaign: named\r\nFrom: a@shop.test\r\n"), "named");
	assert_string_equal(by_header(f, "x-MAILTAILOR-campaign:\tnamed \r\n"), "named");
	assert_string_equal(by_header(f, "X-Mailtailor-Campaign: nam\r\n"), "bad");
	assert_string_equal(by_header(f, "X-Mailtailor-Campaign:\r\n"), "bad");
	assert_string_equal(by_header(f, "X-Mailtailor-Campaign: named\r\nX-MAILTAILOR-CAMPAIGN: from\r\n"),
			    "bad");
	assert_string_equal(by_header(f, "X-Mailtailor-Campaign: nam\r\nX-Mailtailor-Campaign: named\r\n"),
			    "bad");
	assert_string_equal(by_header(f, "X-Mailtailor-Campaign: named\r\nX-Mailtailor-Campaign:  named\r\n"),
			    "named");
	/* what is for a campaign, and none fits */
	assert_string_equal(by_header(f, "x-mailtailor-data: {}\r\nFrom: a@else.test\r\n"), "bad");
	assert_non_null(strstr(f->s->tx.bad_campaign, "X-Mailtailor-Data is for campaign mail"));
	assert_string_equal(by_header(f, "X-Mailtailor-Send-At: 2026-12-01T09:00\r\n"), "bad");
	assert_non_null(strstr(f->s->tx.bad_campaign, "X-Mailtailor-Send-At is for campaign mail"));
	assert_string_equal(by_header(f, "X-Mailtailor-Data: {}\r\nFrom: a@shop.test\r\n"), "from");
	f->s->tx.sender = STR("");
	assert_string_equal(by_header(f, "X-Mailtailor-Data: {}\r\n"), "strip");
	f->s->tx.sender = STR("bounce@shop.test");
	/* one that comes close was meant, and what it says must not be lost in silence */
	assert_string_equal(by_header(f, "X-Mailtailor-Campain: named\r\n"), "bad");
	assert_string_equal(f->s->tx.bad_campaign,
			    "X-Mailtailor-Campain: there is no such field; did you mean "
			    "X-Mailtailor-Campaign?");
	assert_string_equal(by_header(f, "X-Mailtailor-Campaign: named\r\nx-mailtailor-SENDAT: x\r\n"),
			    "bad");
	assert_non_null(strstr(f->s->tx.bad_campaign, "did you mean X-Mailtailor-Send-At?"));
	assert_string_equal(by_header(f, "From: a@shop.test\r\nX-Mailtailor-Date: {}\r\n"), "bad");
	assert_string_equal(by_header(f, "From: a@shop.test\r\nX-Mailtailor-Anything: x\r\n"), "from");
	assert_string_equal(by_header(f, "X-Mailtailor-Jobs: x\r\n"), "strip");
	/* from others: whatever it says, our fields are only taken out */
	trusted_from(f, AF_INET, "198.51.100.1");
	assert_string_equal(by_header(f, "X-Mailtailor-Campain: named\r\n"), "strip");
	assert_string_equal(by_header(f, "X-Mailtailor-Campaign: named\r\nFrom: a@shop.test\r\n"), "strip");
	assert_string_equal(by_header(f, "X-Mailtailor-Data: {}\r\n"), "strip");
	assert_string_equal(by_header(f, "From: a@shop.test\r\n"), "none");
}

/* A mark, with other fields behind it. */
static const char *
marked(struct fixture *f, int64_t age_ms, const char *rest)
{
	struct buf b = { 0 };
	const uint8_t idem[16] = { 1 };
	buf_adds(&b, STR(JOB_MARK_FIELD ": "));
	assert_int_equal(job_mark_seal(f->epoch.keys, idem, clock_now_ms() - age_ms, &b), 0);
	buf_printf(&b, "\r\n%s", rest);
	const char *campaign = by_header(f, b.p);
	buf_free(&b);
	return campaign;
}

static void
test_mark(void **state)
{
	static const int64_t day = 86400000;
	struct fixture *f = *state;
	const uint8_t seed[32] = { 7 };
	f->epoch.keys = keyring_ephemeral(seed);
	f->s->tx.sender = STR("bounce@shop.test");
	assert_string_equal(marked(f, 0, "From: a@shop.test\r\n"), "own");
	assert_string_equal(marked(f, 29 * day, "From: a@shop.test\r\n"), "own");
	assert_string_equal(marked(f, 31 * day, "From: a@shop.test\r\n"), "from");
	assert_string_equal(by_header(f, "X-Mailtailor-Job: 1 2 3 4\r\nFrom: a@shop.test\r\n"), "from");
	/* A copy of ours has no other field of ours. */
	assert_string_equal(marked(f, 0, "X-Mailtailor-Campaign: named\r\n"), "named");
	assert_string_equal(marked(f, 0, "X-Mailtailor-Data: {}\r\n"), "bad");
	trusted_from(f, AF_INET, "198.51.100.1");
	assert_string_equal(marked(f, 0, "From: a@shop.test\r\n"), "own");
	assert_string_equal(marked(f, 31 * day, "From: a@shop.test\r\n"), "strip");
	assert_string_equal(marked(f, 0, "X-Mailtailor-Campaign: named\r\n"), "strip");
	assert_string_equal(marked(f, 0, "x-mailtailor-job: 1 2 3 4\r\n"), "strip");
	keyring_free(&f->epoch.keys);
}

static void
test_bound(void **state)
{
	struct fixture *f = *state;
	char block[600] = { 0 };
	assert_true(tx_add(&f->s->tx, block, sizeof(block)));
	assert_true(tx_add(&f->s->tx, block, 424));
	assert_false(tx_add(&f->s->tx, block, 1));
	assert_true(f->s->tx.too_large);
	assert_false(tx_add(&f->s->tx, block, 0));
	assert_int_equal(f->s->tx.bytes.n, 1024);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_trust, setup, teardown),
		cmocka_unit_test_setup_teardown(test_envelope, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mark, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
	};
	mail_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
