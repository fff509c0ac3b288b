/*
 * test-smtp: the client against a server that misbehaves at one step, in every way, with and without
 * PIPELINING; and that the copy after it goes through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>

#include "base/clock.h"
#include "test-smtp.h"

#define PATIENT 20000 /* ms: a step that works takes no time-out, on the slowest machine */
#define SHORT 250     /* ms: a step that hangs */

static const char *const step_names[] = { "greeting", "EHLO", "MAIL", "RCPT", "DATA", "message" };
static const struct smtp_envelope plain = { .mail_from = { "from@a.example", 14 },
					    .rcpt = { "to@b.example", 12 } };
#define MESSAGE STR("Subject: x\r\n\r\nbody\r\n")

/* ---- one fault ---- */

struct fault {
	enum act act;
	const char *text;
	enum {
		BROKEN,
		LATER,
		NEVER,
		ENDS
	} kind;		/* what the client shall make of it; ENDS: later, and closed */
	unsigned steps; /* bits: at which steps; 0: all */
	const char *enhanced;
};

#define BIT(x) (1u << (x))
#define ENVELOPE (BIT(AT_MAIL) | BIT(AT_RCPT))

static const struct fault faults[] = {
	{ ACT_REPLY, "450 4.2.0 come again\n", LATER, 0, "4.2.0" },
	{ ACT_REPLY, "452 full\n", LATER, 0, "4.3.1" },
	{ ACT_REPLY, "499-\n499 odd but four\n", LATER, 0, "4.0.0" },
	{ ACT_REPLY, "550 5.1.1 <to@b.example>: unknown\n", NEVER, 0, "5.1.1" },
	{ ACT_REPLY, "554-5.7.1 first\n554-5.7.1 second\n554 5.7.1 third\n", NEVER, 0, "5.7.1" },
	{ ACT_REPLY, "599 \xe9trange\n", NEVER, 0, "5.0.0" },
	{ ACT_REPLY, "421 4.3.2 going down\n", ENDS, 0, "4.3.2" },
	{ ACT_REPLY_CLOSE, "421 4.3.2 going down\n", ENDS, 0, "4.3.2" },
	{ ACT_REPLY, "354 go\n", BROKEN, ENVELOPE | BIT(AT_GREETING) | BIT(AT_EHLO) | BIT(AT_MESSAGE),
	  "4.5.0" },
	{ ACT_REPLY, "250 ok\n", BROKEN, BIT(AT_DATA), "4.5.0" },
	{ ACT_REPLY, "150 wait\n", BROKEN, 0, "4.5.0" },
	{ ACT_REPLY, "600 more\n", BROKEN, 0, "4.5.0" },
	{ ACT_REPLY, "hello\n", BROKEN, 0, "4.5.0" },
	{ ACT_REPLY, "\n", BROKEN, 0, "4.5.0" },
	{ ACT_REPLY, "HTTP/1.1 400 Bad Request\n", BROKEN, 0, "4.5.0" },
	{ ACT_CLOSE, NULL, BROKEN, 0, "4.4.2" },
	{ ACT_REPLY_CLOSE, "2", BROKEN, 0, "4.4.2" },
	{ ACT_REPLY_CLOSE, "250", BROKEN, 0, "4.4.2" },
	{ ACT_REPLY_CLOSE, "550-never\n550-", BROKEN, 0, "4.4.2" },
	{ ACT_FLOOD, "250 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", BROKEN, 0,
	  "4.5.0" },
	{ ACT_FLOOD, "250-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n", BROKEN, 0,
	  "4.5.0" },
	{ ACT_HANG, NULL, BROKEN, 0, "4.4.2" },
	{ ACT_TRICKLE, "250-ok\r\n", BROKEN, 0, "4.4.2" },
};

static enum smtp_status
expected(const struct fault *f, enum at at)
{
	if (f->kind == BROKEN)
		return at == AT_MESSAGE ? SMTP_UNCERTAIN : SMTP_TEMPFAIL;
	return f->kind == NEVER && at >= AT_MAIL ? SMTP_PERMFAIL : SMTP_TEMPFAIL;
}

/* Whether the next copy needs another connection: this one is gone, or was refused as a whole, perhaps. */
static bool
connection_ends(const struct fault *f, enum at at)
{
	return f->kind == BROKEN || f->kind == ENDS || at < AT_MAIL || (f->kind == LATER && at == AT_MAIL);
}

static void
fault_check(const struct fault *f, enum at at, const struct smtp_result *r)
{
	char enhanced[16];

	snprintf(enhanced, sizeof enhanced, "%s", f->enhanced);
	if (at < AT_MAIL)
		enhanced[0] = '4';
	if (r->status != expected(f, at) || strcmp(r->step, step_names[at]) != 0 ||
	    strcmp(r->enhanced, enhanced) != 0)
		fail_msg("%s, act %d \"%s\": status %d at %s, %s, \"%s\"", step_names[at], (int)f->act,
			 f->text ? f->text : "", (int)r->status, r->step, r->enhanced, r->text);
	assert_true(str_is_utf8(str_of(r->text)));
	assert_true(*r->text && !strpbrk(r->text, "\r\n"));
	assert_int_equal(r->connection_lost, connection_ends(f, at));
	if (f->kind != BROKEN)
		assert_true(r->code == atoi(f->text) && atoi(r->text) == r->code);
}

static void
fault_run(const struct fault *f, enum at at, const char *ehlo)
{
	bool slow = f->act == ACT_HANG || f->act == ACT_TRICKLE;
	struct server s = { .ehlo = ehlo, .act = f->act, .at = at, .text = f->text, .times = 1 };
	struct smtp_result r;
	struct smtp_conn *c;
	int64_t began = clock_mono_us();

	server_start(&s);
	c = client_new(&s, slow ? SHORT : PATIENT);
	smtp_send(c, &plain, MESSAGE, &r);
	fault_check(f, at, &r);
	if (slow)
		assert_in_range(clock_mono_us() - began, SHORT * 1000, SHORT * 1000 * 20);
	else
		assert_true(clock_mono_us() - began < PATIENT * 500);
	/* The next copy goes through; on the same connection where it is sound. */
	smtp_send(c, &plain, MESSAGE, &r);
	if (r.status != SMTP_SENT)
		fail_msg("after %s, act %d: %s", step_names[at], (int)f->act, r.text);
	assert_string_equal(r.text, "250 2.0.0 Ok: queued");
	assert_string_equal(r.enhanced, "2.0.0");
	assert_int_equal(r.code, 250);
	assert_string_equal(r.step, "message");
	assert_false(r.connection_lost);
	smtp_conn_close(&c);
	server_stop(&s);
	assert_int_equal(s.connections, connection_ends(f, at) ? 2 : 1);
	assert_int_equal(s.messages, at == AT_MESSAGE ? 2 : 1);
	assert_true(str_eq(buf_str(&s.last), MESSAGE));
	server_free(&s);
}

static void
faults_run(const char *ehlo)
{
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		for (enum at at = AT_GREETING; at <= AT_MESSAGE; at++)
			if (!faults[i].steps || (faults[i].steps & BIT(at)))
				fault_run(&faults[i], at, ehlo);
}

static void
test_faults_pipelining(void **state)
{
	(void)state;
	faults_run(FULL);
}

static void
test_faults_lockstep(void **state)
{
	(void)state;
	faults_run(FULL_NO_PIPELINING);
}

static void
test_reply_text(void **state)
{
	static const struct {
		const char *reply, *text;
	} v[] = {
		{ "554-5.7.1 first\n554-5.7.1  second\n554 5.7.1 third\n", "554 5.7.1 first second third" },
		{ "550-one\n550-\n550 two\n", "550 one two" },
		{ "550 5.1.10 a\n", "550 5.1.10 a" },
		{ "550-5.1.1 a\n550 5.1.10 b\n", "550 5.1.1 a 5.1.10 b" },
		{ "550 bell \a and \xc2\x9b"
		  "1m\n",
		  "550 bell ? and ??1m" },
		{ "550 gr\xc3\xbc\xc3\x9f dich\n", "550 gr\xc3\xbc\xc3\x9f dich" },
		{ "550 \xfc"
		  "ber\n",
		  "550 ?ber" },
		{ "550\n", "550" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct server s = { .at = AT_RCPT, .act = ACT_REPLY, .text = v[i].reply, .times = 1 };
		struct smtp_result r;
		struct smtp_conn *c;

		server_start(&s);
		c = client_new(&s, PATIENT);
		smtp_send(c, &plain, MESSAGE, &r);
		assert_string_equal(r.text, v[i].text);
		smtp_conn_close(&c);
		server_stop(&s);
		server_free(&s);
	}
}

/* ---- the connection ---- */

static void
test_thousand(void **state)
{
	struct server s = { 0 };
	struct smtp_result r;
	struct smtp_conn *c;

	(void)state;
	server_start(&s);
	c = client_new(&s, PATIENT);
	assert_true(smtp_conn_open(c, &r));
	assert_true(smtp_conn_open(c, &r));
	for (int i = 0; i < 1000; i++) {
		char text[64];
		int n = snprintf(text, sizeof text, "Subject: %d\r\n\r\n.%d\r\n", i, i);
		struct buf sent = { 0 };

		smtp_send(c, &plain, str_make(text, (size_t)n), &r);
		assert_int_equal(r.status, SMTP_SENT);
		buf_free(&sent);
	}
	smtp_conn_close(&c);
	assert_null(c);
	smtp_conn_close(&c);
	server_stop(&s);
	assert_int_equal(s.connections, 1);
	assert_int_equal(s.messages, 1000);
	assert_true(str_eq(buf_str(&s.last), STR("Subject: 999\r\n\r\n..999\r\n")));
	assert_true(str_ends(buf_str(&s.log), STR("DATA\r\nQUIT\r\n")));
	server_free(&s);
}

/* The kept connection is closed between two copies: nobody is told, nothing is lost. */
static void
closed_between(const char *parting, useconds_t rest_us)
{
	struct server s = { .at = AT_MESSAGE, .act = ACT_REPLY_CLOSE, .text = parting, .times = 2 };
	struct smtp_result r;
	struct smtp_conn *c;

	server_start(&s);
	c = client_new(&s, PATIENT);
	for (int i = 0; i < 4; i++) {
		smtp_send(c, &plain, MESSAGE, &r);
		if (r.status != SMTP_SENT)
			fail_msg("copy %d: %s", i, r.text);
		usleep(rest_us);
	}
	smtp_conn_close(&c);
	server_stop(&s);
	assert_int_equal(s.connections, 3);
	assert_int_equal(s.messages, 4);
	server_free(&s);
}

static void
test_closed_between(void **state)
{
	(void)state;
	closed_between("250 ok\n", 0);
	closed_between("250 ok\n", 20000);
	closed_between("250 ok\n421 4.4.2 idle\n", 150000);
}

/*
 * Postfix, once a milter has failed in a session: 451 to each MAIL until the session ends. The copy goes over
 * another one at once; where that is refused, too, it has to wait.
 */
static void
session_refused(const char *ehlo, int times, enum smtp_status then)
{
	struct server s = { .ehlo = ehlo,
			    .at = AT_MAIL,
			    .act = ACT_REPLY,
			    .text = "451 4.7.1 Service unavailable - try again later\n",
			    .times = times,
			    .acted = times };
	struct smtp_result r;
	struct smtp_conn *c;

	server_start(&s);
	c = client_new(&s, PATIENT);
	smtp_send(c, &plain, MESSAGE, &r);
	assert_int_equal(r.status, SMTP_SENT);
	atomic_store(&s.acted, 0);
	smtp_send(c, &plain, MESSAGE, &r);
	assert_int_equal(r.status, then);
	smtp_send(c, &plain, MESSAGE, &r);
	assert_int_equal(r.status, SMTP_SENT);
	smtp_conn_close(&c);
	server_stop(&s);
	assert_int_equal(s.connections, 1 + times);
	assert_int_equal(s.messages, then == SMTP_SENT ? 3 : 2);
	server_free(&s);
}

static void
test_session_refused(void **state)
{
	(void)state;
	session_refused(FULL, 1, SMTP_SENT);
	session_refused(FULL, 2, SMTP_TEMPFAIL);
	session_refused(FULL_NO_PIPELINING, 1, SMTP_SENT);
	session_refused(FULL_NO_PIPELINING, 2, SMTP_TEMPFAIL);
}

/* A server that goes away before it ever answers gets two tries, not more. */
static void
test_closed_always(void **state)
{
	struct server s = { .at = AT_MAIL, .act = ACT_CLOSE, .times = 1000 };
	struct smtp_result r;
	struct smtp_conn *c;

	(void)state;
	server_start(&s);
	c = client_new(&s, PATIENT);
	smtp_send(c, &plain, MESSAGE, &r);
	assert_int_equal(r.status, SMTP_TEMPFAIL);
	smtp_send(c, &plain, MESSAGE, &r);
	assert_int_equal(r.status, SMTP_TEMPFAIL);
	smtp_conn_close(&c);
	server_stop(&s);
	assert_int_equal(s.connections, 2);
	server_free(&s);
}

static void
test_unix_socket(void **state)
{
	char path[64];
	struct server s = { .unix_path = path };
	struct smtp_result r;
	struct smtp_conn *c;

	(void)state;
	snprintf(path, sizeof path, "/tmp/mt-smtp-%d", (int)getpid());
	server_start(&s);
	c = client_new(&s, PATIENT);
	for (int i = 0; i < 3; i++) {
		smtp_send(c, &plain, MESSAGE, &r);
		assert_int_equal(r.status, SMTP_SENT);
	}
	smtp_conn_close(&c);
	server_stop(&s);
	assert_int_equal(s.connections, 1);
	server_free(&s);
}

static void
connect_fails(const struct smtp_target *t, const char *text)
{
	struct smtp_conn *c = smtp_conn_new(t);
	struct smtp_result r;

	assert_false(smtp_conn_open(c, &r));
	assert_int_equal(r.status, SMTP_TEMPFAIL);
	assert_string_equal(r.step, "connect");
	assert_string_equal(r.enhanced, "4.4.1");
	if (!strstr(r.text, text))
		fail_msg("\"%s\" says not \"%s\"", r.text, text);
	smtp_send(c, &plain, MESSAGE, &r);
	assert_int_equal(r.status, SMTP_TEMPFAIL);
	assert_string_equal(r.step, "connect");
	smtp_conn_close(&c);
}

static void
test_connect(void **state)
{
	struct server full = { 0 };
	struct smtp_target t = { .host = "127.0.0.1",
				 .port = 1,
				 .connect_timeout_ms = SHORT,
				 .command_timeout_ms = SHORT,
				 .data_timeout_ms = SHORT };
	char path[200];
	int64_t began;
	int fd[8];

	(void)state;
	connect_fails(&t, "127.0.0.1:1: Connection refused");
	t.host = "no.such.host.invalid";
	connect_fails(&t, "no.such.host.invalid: ");
	t.unix_path = "/nonexistent/socket";
	connect_fails(&t, "unix:/nonexistent/socket: No such file");
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	t.unix_path = path;
	connect_fails(&t, "longer than 107 bytes");
	/* A queue that is full, TCP and unix. */
	for (int i = 0; i < 2; i++) {
		char name[64];

		snprintf(name, sizeof name, "/tmp/mt-smtp-full-%d", (int)getpid());
		full.unix_path = i ? name : NULL;
		server_listen(&full);
		listen(full.listener, 0);
		t.host = "127.0.0.1";
		t.port = full.port;
		t.unix_path = full.unix_path;
		for (size_t k = 0; k < 8; k++) {
			struct sockaddr_storage a;
			socklen_t n = sizeof a;

			assert_int_equal(getsockname(full.listener, (struct sockaddr *)&a, &n), 0);
			fd[k] = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
			(void)!connect(fd[k], (struct sockaddr *)&a, n);
		}
		began = clock_mono_us();
		connect_fails(&t, "time-out");
		assert_in_range(clock_mono_us() - began, 2 * SHORT * 1000, 2 * SHORT * 1000 * 20);
		for (size_t k = 0; k < 8; k++)
			close(fd[k]);
		close(full.listener);
		unlink(name);
	}
}

/* libetpan's own socket layer aborts here. */
static void
test_high_descriptor(void **state)
{
	struct rlimit old, more;
	struct server s = { 0 };
	struct smtp_result r;
	struct smtp_conn *c;
	int fd[1100], n = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	more = old;
	more.rlim_cur = 2048;
	if (more.rlim_max < 2048 || setrlimit(RLIMIT_NOFILE, &more) != 0)
		skip();
	server_start(&s);
	while (n < 1100 && (fd[n] = dup(0)) >= 0)
		n++;
	assert_true(fd[n - 1] > 1024);
	c = client_new(&s, PATIENT);
	smtp_send(c, &plain, MESSAGE, &r);
	assert_int_equal(r.status, SMTP_SENT);
	smtp_conn_close(&c);
	while (n > 0)
		close(fd[--n]);
	setrlimit(RLIMIT_NOFILE, &old);
	server_stop(&s);
	server_free(&s);
}

/* ---- the message on its way ---- */

/* The server stops reading, reads a byte now and then, or says no in the middle: the dot was never sent. */
static void
test_message_cut(void **state)
{
	static const struct {
		enum act act;
		const char *text;
		enum smtp_status status;
		const char *enhanced;
	} v[] = { { ACT_STALL, NULL, SMTP_TEMPFAIL, "4.4.2" },
		  { ACT_STALL, "", SMTP_TEMPFAIL, "4.4.2" },
		  { ACT_STALL, "452 4.3.1 disk full\n", SMTP_TEMPFAIL, "4.3.1" },
		  { ACT_STALL, "552 5.3.4 too big\n", SMTP_PERMFAIL, "5.3.4" },
		  { ACT_STALL, "250 2.0.0 taken, who knows what\n", SMTP_TEMPFAIL, "4.4.2" },
		  { ACT_SIP, NULL, SMTP_TEMPFAIL, "4.4.2" } };
	size_t n = 9000000;
	char *big = calloc(1, n);

	(void)state;
	memset(big, 'x', n);
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct server s = {
			.at = AT_DATA, .act = v[i].act, .text = v[i].text, .times = 1, .stall = 100000
		};
		struct smtp_conn *c;
		struct smtp_result r;

		server_start(&s);
		c = client_new(&s, v[i].text ? PATIENT : SHORT);
		smtp_send(c, &plain, str_make(big, n), &r);
		if (r.status != v[i].status || strcmp(r.enhanced, v[i].enhanced) != 0)
			fail_msg("case %zu: %d %s %s", i, (int)r.status, r.enhanced, r.text);
		assert_string_equal(r.step, "message");
		assert_true(r.connection_lost);
		smtp_conn_close(&c);
		server_stop(&s);
		server_free(&s);
	}
	free(big);
}

static void
test_large(void **state)
{
	struct server s = { 0 };
	struct smtp_result r;
	struct smtp_conn *c;
	struct buf m = { 0 };

	(void)state;
	buf_adds(&m, STR("Subject: large\r\n\r\n"));
	while (m.n < 9900000)
		buf_printf(&m, "%zu and some more text to fill the line\r\n", m.n);
	server_start(&s);
	c = client_new(&s, PATIENT);
	for (int i = 0; i < 2; i++) {
		smtp_send(c, &plain, buf_str(&m), &r);
		assert_int_equal(r.status, SMTP_SENT);
	}
	while (m.n < 10000001)
		buf_adds(&m, STR("more\r\n"));
	smtp_send(c, &plain, buf_str(&m), &r);
	assert_int_equal(r.status, SMTP_PERMFAIL);
	assert_string_equal(r.enhanced, "5.3.4");
	assert_false(r.connection_lost);
	smtp_conn_close(&c);
	server_stop(&s);
	assert_int_equal(s.connections, 1);
	assert_int_equal(s.messages, 2);
	assert_true(s.last.n > 9900000 && str_starts(buf_str(&m), buf_str(&s.last)));
	buf_free(&m);
	server_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults_pipelining), cmocka_unit_test(test_faults_lockstep),
		cmocka_unit_test(test_reply_text),	  cmocka_unit_test(test_thousand),
		cmocka_unit_test(test_closed_between),	  cmocka_unit_test(test_session_refused),
		cmocka_unit_test(test_closed_always),	  cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_connect),		  cmocka_unit_test(test_high_descriptor),
		cmocka_unit_test(test_message_cut),	  cmocka_unit_test(test_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
