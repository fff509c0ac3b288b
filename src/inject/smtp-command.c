/*
 * smtp-command: an envelope, checked, and as commands; a message as what stands between DATA and its reply.
 */
#include "inject/smtp-private.h"

/* RFC 5321, 4.5.3.1.1 says 64. Who took the message has judged already, and there are senders that are
 * longer. */
#define MAX_LOCAL 255
#define MAX_DOMAIN 255	 /* 4.5.3.1.2 */
#define MAX_ENVID 100	 /* RFC 3461, 4.4 */
#define MAX_ORCPT 500	 /* RFC 3461, 4.2 */
#define MAX_ADDR_TYPE 32 /* ours; the registered ones have 6 at most */

/* ---- checks ---- */

/* Behind a quoted local part (RFC 5321, 4.1.2), which may hold blanks, < and >; 0 when it does not end. */
static size_t
quoted_end(struct str a)
{
	for (size_t i = 1; i < a.n; i++) {
		if (a.p[i] == '"')
			return i + 1;
		if (a.p[i] == '\\')
			i++;
	}
	return 0;
}

static bool
plain_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == ' ' || s.p[i] == '<' || s.p[i] == '>')
			return false;
	return true;
}

static bool
address_ok(struct str a, bool utf8)
{
	bool quoted = a.n > 0 && a.p[0] == '"';
	size_t quotes = quoted ? quoted_end(a) : 0, at = a.n;

	if (quoted && (quotes == 0 || (quotes < a.n && a.p[quotes] != '@')))
		return false;
	for (size_t i = 0; i < a.n; i++) {
		unsigned char c = (unsigned char)a.p[i];

		if (c < ' ' || c == 0x7f || (c > 0x7f && !utf8))
			return false;
		if (c == '@' && (i == quotes || (!quoted && i > 0)))
			at = i;
	}
	if (!plain_ok(str_sub(a, quotes, a.n)) || !str_is_utf8(a))
		return false;
	return at > 0 && at <= MAX_LOCAL && (at == a.n || (at + 1 < a.n && a.n - at - 1 <= MAX_DOMAIN));
}

/* RFC 3461, 4: printable ASCII; "+" only before two upper-case hexadecimal digits; no "=". */
static bool
xtext_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '!' || s.p[i] > '~' || s.p[i] == '=')
			return false;
		if (s.p[i] != '+')
			continue;
		for (size_t k = i + 1; k <= i + 2; k++)
			if (k >= s.n || !(ascii_isdigit(s.p[k]) || (s.p[k] >= 'A' && s.p[k] <= 'F')))
				return false;
	}
	return true;
}

/* RFC 6533, 3: utf-8-addr-xtext is xtext too, or \x{…} sequences, or UTF-8 itself with SMTPUTF8. */
static bool
utf8_xtext_ok(struct str s, bool utf8)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == 0x7f || c == '=' || (c > 0x7f && !utf8))
			return false;
	}
	return str_is_utf8(s);
}

static bool
orcpt_ok(struct str s, bool utf8)
{
	size_t semi = str_find_char(s, ';');

	if (semi == 0 || semi + 1 >= s.n || semi > MAX_ADDR_TYPE || s.n > MAX_ORCPT)
		return false;
	for (size_t i = 0; i < semi; i++)
		if (!ascii_isalpha(s.p[i]) && !ascii_isdigit(s.p[i]) && s.p[i] != '-')
			return false;
	if (str_caseeq(str_sub(s, 0, semi), STR("utf-8")))
		return utf8_xtext_ok(str_sub(s, semi + 1, s.n), utf8);
	return xtext_ok(str_sub(s, semi + 1, s.n));
}

static bool
notify_ok(struct str list)
{
	static const struct str words[] = { { "SUCCESS", 7 }, { "FAILURE", 7 }, { "DELAY", 5 } };
	unsigned seen = 0;
	struct str word;

	if (str_caseeq(list, STR("NEVER")))
		return true;
	while (str_split(&list, ',', &word)) {
		unsigned bit = 0;

		for (unsigned i = 0; i < 3; i++)
			if (str_caseeq(word, words[i]))
				bit = 1u << i;
		if (bit == 0 || (seen & bit))
			return false;
		seen |= bit;
	}
	return true;
}

static bool
ret_ok(struct str s)
{
	return str_caseeq(s, STR("FULL")) || str_caseeq(s, STR("HDRS"));
}

static bool
envid_ok(struct str s)
{
	return s.n <= MAX_ENVID && xtext_ok(s);
}

bool
smtp_envelope_check(const struct smtp_envelope *e, struct smtp_result *out)
{
	const char *what = NULL, *enhanced = "5.5.4";

	if (e->mail_from.n > 0 && !address_ok(e->mail_from, e->smtputf8)) {
		what = "the envelope sender is no valid address";
		enhanced = "5.1.7";
	} else if (e->rcpt.n == 0 || !address_ok(e->rcpt, e->smtputf8)) {
		what = "the recipient is no valid address";
		enhanced = "5.1.3";
	} else if (e->ret.n > 0 && !ret_ok(e->ret)) {
		what = "RET is neither FULL nor HDRS";
	} else if (!envid_ok(e->envid)) {
		what = "ENVID is no xtext of at most 100 characters";
	} else if (e->notify.n > 0 && !notify_ok(e->notify)) {
		what = "NOTIFY is neither NEVER nor a list of SUCCESS, FAILURE, DELAY";
	} else if (e->orcpt.n > 0 && !orcpt_ok(e->orcpt, e->smtputf8)) {
		what = "ORCPT is no type;xtext of at most 500 characters";
	}
	if (what) {
		*out = (struct smtp_result){ 0 };
		smtp_result_set(out, SMTP_PERMFAIL, "envelope", enhanced, "%s", what);
	}
	return !what;
}

void
smtp_envelope_mend(struct smtp_envelope *e)
{
	/* Postfix takes UTF-8 addresses without SMTPUTF8, too, unless strict_smtputf8 is set. */
	e->smtputf8 = e->smtputf8 || !str_is_ascii(e->mail_from) || !str_is_ascii(e->rcpt);
	if (!ret_ok(e->ret))
		e->ret = STR("");
	if (!envid_ok(e->envid))
		e->envid = STR("");
	if (!notify_ok(e->notify))
		e->notify = STR("");
	if (!orcpt_ok(e->orcpt, e->smtputf8))
		e->orcpt = STR("");
}

/* ---- commands ---- */

void
smtp_command_mail(struct buf *out, const struct smtp_envelope *e, unsigned offered, size_t size)
{
	buf_printf(out, "MAIL FROM:<%.*s>", STR_ARG(e->mail_from));
	if (offered & EHLO_SIZE)
		buf_printf(out, " SIZE=%zu", size);
	if (e->eightbit && (offered & EHLO_8BITMIME))
		buf_adds(out, STR(" BODY=8BITMIME"));
	if (e->smtputf8 && (offered & EHLO_SMTPUTF8))
		buf_adds(out, STR(" SMTPUTF8"));
	if (e->ret.n > 0 && (offered & EHLO_DSN))
		buf_printf(out, " RET=%.*s", STR_ARG(e->ret));
	if (e->envid.n > 0 && (offered & EHLO_DSN))
		buf_printf(out, " ENVID=%.*s", STR_ARG(e->envid));
	buf_adds(out, STR("\r\n"));
}

void
smtp_command_rcpt(struct buf *out, const struct smtp_envelope *e, unsigned offered)
{
	buf_printf(out, "RCPT TO:<%.*s>", STR_ARG(e->rcpt));
	if (e->notify.n > 0 && (offered & EHLO_DSN))
		buf_printf(out, " NOTIFY=%.*s", STR_ARG(e->notify));
	if (e->orcpt.n > 0 && (offered & EHLO_DSN))
		buf_printf(out, " ORCPT=%.*s", STR_ARG(e->orcpt));
	buf_adds(out, STR("\r\n"));
}

/* ---- the message ---- */

void
smtp_data_put(struct buf *out, struct str m)
{
	const char *p = m.p, *end = m.p + m.n, *from = m.p; /* from: what is not copied yet */
	const char *lf = p;				    /* the next LF at or behind p, or end */

	buf_reserve(out, m.n + m.n / 64 + 16);
	while (p < end) {
		const char *cr, *eol;

		if (*p == '.') {
			buf_add(out, from, (size_t)(p - from));
			buf_addc(out, '.');
			from = p;
		}
		if (lf < p || lf == m.p) {
			lf = memchr(p, '\n', (size_t)(end - p));
			lf = lf ? lf : end;
		}
		cr = memchr(p, '\r', (size_t)(lf - p));
		p = cr && cr + 1 != lf ? cr + 1 : lf < end ? lf + 1 : end;
		if (cr && cr + 1 == lf && lf < end)
			continue;
		/* A CR or LF alone, or no line end at the end. */
		eol = cr ? cr : lf;
		buf_add(out, from, (size_t)(eol - from));
		buf_adds(out, STR("\r\n"));
		from = p;
	}
	buf_add(out, from, (size_t)(end - from));
	buf_adds(out, STR(".\r\n"));
}
