/*
 * src/inject/smtp: the first byte chooses:
 *   r  the rest as what a server says: read by libetpan over our driver, then taken apart
 *   m  the rest as a message: no dot ends it early
 *   e  the rest as an envelope, fields ended by NUL: what passes the check fits commands of one line each
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "inject/smtp-private.h"

int mailsmtp_read_response(mailsmtp *session); /* see smtp.c */

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
fuzz_reply(struct str said)
{
	struct smtp_net net = { .deadline_us = clock_mono_us() + 5000000, .budget = 65536 };
	mailsmtp *session = mailsmtp_new(0, NULL);
	struct smtp_result r = { 0 };
	uint64_t size;
	int fd[2];

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	check(said.n == 0 || write(fd[1], said.p, said.n) == (ssize_t)said.n);
	close(fd[1]);
	net.fd = fd[0];
	session->stream = smtp_net_stream(&net);
	for (int i = 0; i < 100 && net.fault == NET_OK; i++) {
		int code = mailsmtp_read_response(session);
		struct str text = str_of(session->response);

		if (net.fault != NET_OK || code < 200 || code > 599)
			continue;
		smtp_ehlo_parse(text, &size);
		smtp_reply_describe(code, text, &r);
		check(str_is_utf8(str_of(r.text)) && atoi(r.text) == code &&
		      smtp_enhanced_length(str_of(r.enhanced)) > 0);
		for (const char *p = r.text; *p; p++)
			check((unsigned char)*p >= ' ' && *p != 0x7f);
	}
	mailstream_close(session->stream);
	session->stream = NULL;
	mailsmtp_free(session);
}

static void
fuzz_message(struct str m)
{
	struct buf out = { 0 };
	struct str rest, line;

	smtp_data_put(&out, m);
	rest = buf_str(&out);
	while (rest.n > 0) {
		size_t n = str_find(rest, STR("\r\n"));

		check(n + 2 <= rest.n);
		line = str_sub(rest, 0, n);
		rest = str_sub(rest, n + 2, rest.n);
		check(str_find_char(line, '\r') == n && str_find_char(line, '\n') == n);
		check(str_eq(line, STR(".")) == (rest.n == 0));
		check(n < 2 || line.p[0] != '.' || line.p[1] == '.');
	}
	buf_free(&out);
}

static void
fuzz_envelope(struct str text)
{
	struct smtp_envelope e = { .eightbit = true, .smtputf8 = text.n & 1 };
	struct str *fields[] = { &e.mail_from, &e.rcpt, &e.ret, &e.envid, &e.notify, &e.orcpt };
	struct smtp_result r;
	struct buf out = { 0 };

	for (size_t i = 0; i < 6; i++)
		if (!str_split(&text, '\0', fields[i]))
			break;
	if (!smtp_envelope_check(&e, &r))
		return;
	smtp_command_mail(&out, &e, ~0u, 1);
	check(out.n <= 600 && str_find_char(buf_str(&out), '\n') == out.n - 1);
	buf_reset(&out);
	smtp_command_rcpt(&out, &e, ~0u);
	check(out.n <= 1000 && str_find_char(buf_str(&out), '\n') == out.n - 1);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str rest;

	if (n == 0 || n > 70000)
		return 0;
	rest = str_make((const char *)data + 1, n - 1);
	switch (data[0]) {
	case 'r':
		fuzz_reply(rest);
		break;
	case 'm':
		fuzz_message(rest);
		break;
	case 'e':
		fuzz_envelope(rest);
		break;
	}
	return 0;
}
