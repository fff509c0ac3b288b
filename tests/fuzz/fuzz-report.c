/*
 * src/inject/report: eight fields, each ended by NUL, the last is the original. Whatever they hold, the
 * report is one of three parts, of lines that fit, 8-bit only where it says so.
 */
#include <stdlib.h>

#include "inject/report.h"
#include "mail/mail.h"

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
wire_check(struct str m, bool eightbit)
{
	size_t line = 0;

	for (size_t i = 0; i < m.n; i++) {
		unsigned char c = (unsigned char)m.p[i];

		check(c != '\n' || m.p[i - 1] == '\r');
		check(c != '\r' || m.p[i + 1] == '\n');
		check(c < 0x80 || eightbit);
		line = c == '\n' ? 0 : line + 1;
		check(line <= 999);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;
	struct str rest = str_make((const char *)data, n), status = STR_NULL;
	struct report r = { .reporting_mta = "mx.example",
			    .from = "mailer-daemon@mx.example",
			    .now_ms = 1764104666000 };
	struct str *fields[] = { &r.to,	  &r.recipient,	 &r.orcpt,     &r.envid,
				 &status, &r.diagnostic, &r.message_id };
	struct arena *a = arena_new(65536);
	struct buf b = { 0 };
	struct mail m;
	unsigned needs, parts = 0;

	if (!ready)
		mail_init();
	ready = true;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (!str_split(&rest, '\0', fields[i]))
			break;
	r.status = arena_cstr(a, status);
	r.smtp = n & 1;
	r.expired = n & 2;
	r.attempts = (uint32_t)n & 7;
	r.header = r.full = rest;
	r.ret = n & 4 ? STR("FULL") : STR_NULL;
	needs = report_make(&b, &r);
	wire_check(buf_str(&b), needs & REPORT_EIGHTBIT);
	check(mail_parse(a, buf_str(&b), NULL, &m, NULL) == 0);
	for (const struct mail_part *p = m.root->child; p; p = p->next)
		parts++;
	check(parts == 3 || m.root->role == MAIL_ROLE_DATA); /* GMime is kept away from odd ones */
	report_wanted(r.to, r.diagnostic);
	buf_free(&b);
	arena_free(&a);
	return 0;
}
