/*
 * report: the message and its parts. The manual is in report.h.
 */
#include <stdio.h>

#include "inject/report-private.h"
#include "base/arena.h"
#include "mail/mail.h"

#define MAX_LINE 990 /* without its line end; RFC 5322 allows 998 */
#define FOLD_AT 72
#define MAX_ID 250
#define MAX_DIAGNOSTIC 600

bool
report_wanted(struct str sender, struct str notify)
{
	struct str word;

	if (sender.n == 0 || str_eq(sender, STR("<>")))
		return false;
	if (notify.n == 0)
		return true;
	while (str_split(&notify, ',', &word))
		if (str_caseeq(str_trim(word), STR("FAILURE")))
			return true;
	return false;
}

/* ---- delivery status ---- */

/* "Name: value", folded before blanks that lie beyond FOLD_AT; value is printable. */
static void
field(struct buf *out, const char *name, struct str value)
{
	size_t column = strlen(name) + 2;
	struct str word;
	bool first = true;

	buf_printf(out, "%s: ", name);
	while (str_split(&value, ' ', &word)) {
		if (word.n == 0)
			continue;
		if (!first && column + 1 + word.n > FOLD_AT) {
			buf_adds(out, STR("\r\n"));
			column = 0;
		}
		if (!first)
			buf_addc(out, ' ');
		buf_adds(out, word);
		column += 1 + word.n;
		first = false;
	}
	buf_adds(out, STR("\r\n"));
}

static void
date_field(struct buf *out, const char *name, int64_t ms)
{
	if (ms == 0)
		return;
	buf_printf(out, "%s: ", name);
	report_date(out, ms);
	buf_adds(out, STR("\r\n"));
}

/* RFC 3464, 2.2 and 2.3 */
static void
delivery_status(struct buf *out, const struct report *r)
{
	struct buf v = { 0 };

	buf_adds(&v, STR("dns;"));
	report_address(&v, str_of(r->reporting_mta), false);
	field(out, "Reporting-MTA", buf_str(&v));
	if (r->envid.n > 0) {
		buf_reset(&v);
		report_xtext(&v, r->envid);
		field(out, "Original-Envelope-Id", buf_str(&v));
	}
	date_field(out, "Arrival-Date", r->arrival_ms);
	buf_adds(out, STR("\r\n"));
	if (r->orcpt.n > 0) {
		buf_reset(&v);
		report_orcpt(&v, r->orcpt);
		field(out, "Original-Recipient", buf_str(&v));
	}
	buf_reset(&v);
	report_typed_address(&v, r->recipient);
	field(out, "Final-Recipient", buf_str(&v));
	buf_printf(out, "Action: failed\r\nStatus: %s\r\n", report_status(r));
	if (r->diagnostic.n > 0) {
		buf_reset(&v);
		buf_adds(&v, r->smtp ? STR("smtp; ") : STR("X-mailtailor; "));
		report_ascii(&v, r->diagnostic, MAX_DIAGNOSTIC);
		field(out, "Diagnostic-Code", buf_str(&v));
	}
	date_field(out, "Last-Attempt-Date", r->last_attempt_ms);
	buf_free(&v);
}

/* ---- the original ---- */

/* One line of the original, without its line end, as lines of a sound header: a CR LF behind it, no controls.
 */
static void
header_line(struct buf *out, struct str line)
{
	size_t column = 0;

	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		/* Too long is broken into a folded line, but not within a character. */
		if (column >= MAX_LINE && (c & 0xc0) != 0x80) {
			buf_adds(out, STR("\r\n "));
			column = 1;
		} else if (column >= MAX_LINE + 4) {
			continue;
		}
		buf_addc(out, (c < ' ' && c != '\t') || c == 0x7f ? '?' : (char)c);
		column++;
	}
	buf_adds(out, STR("\r\n"));
}

/* Field by field, our own left out, up to an empty line or the bound. */
static void
header_part(struct buf *out, struct str header)
{
	bool ours = false;

	if (header.n > REPORT_MAX_HEADER) {
		const char *lf = memrchr(header.p, '\n', REPORT_MAX_HEADER);

		header.n = lf ? (size_t)(lf - header.p) : 0;
	}
	while (header.n > 0) {
		size_t n = str_find_char(header, '\n');
		struct str line = str_sub(header, 0, n);

		header = str_sub(header, n + 1, header.n);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			break;
		if (line.p[0] != ' ' && line.p[0] != '\t')
			ours = str_casestarts(line, STR("X-Mailtailor-"));
		if (!ours)
			header_line(out, line);
	}
}

/* Sound enough to be shown as it is: lines of at most MAX_LINE, no NUL, no lone CR. */
static bool
full_fits(const struct report *r)
{
	struct str rest = r->full, line;

	if (!str_caseeq(r->ret, STR("FULL")) || rest.n == 0 || rest.n > REPORT_MAX_FULL ||
	    memchr(rest.p, '\0', rest.n))
		return false;
	while (str_split(&rest, '\n', &line)) {
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n > MAX_LINE || str_find_char(line, '\r') < line.n)
			return false;
	}
	return true;
}

static void
full_part(struct buf *out, struct str full)
{
	size_t body = str_find(full, STR("\r\n\r\n")), lf = str_find(full, STR("\n\n"));
	struct str line;

	if (lf < body)
		body = lf;
	header_part(out, str_sub(full, 0, body));
	full = str_sub(full, body, full.n);
	str_split(&full, '\n', &line); /* of the header's last line */
	while (str_split(&full, '\n', &line)) {
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0 && full.n == 0 && !full.p)
			break;
		buf_adds(out, line);
		buf_adds(out, STR("\r\n"));
	}
}

/* ---- the whole ---- */

/* A boundary that no line of the parts begins with. */
static void
boundary_choose(char out[40], const struct buf *const *parts, size_t n)
{
	for (unsigned k = 0;; k++) {
		bool taken = false;

		snprintf(out, 40, "--=_mailtailor-report-%u", k);
		for (size_t i = 0; i < n && !taken; i++)
			taken = str_find(buf_str(parts[i]), str_of(out)) < parts[i]->n;
		if (!taken)
			return;
	}
}

/* The original's Message-ID, for threads; appended with its brackets, or nothing. */
static void
original_id(struct buf *out, struct str header)
{
	struct arena *a = arena_new(4096);
	struct mail_fields f;
	const struct mail_field *id;
	struct str v;

	mail_fields_split(a, str_sub(header, 0, REPORT_MAX_HEADER), &f);
	id = mail_fields_find(&f, STR("Message-ID"));
	v = id ? str_trim(id->value) : STR_NULL;
	if (v.n > 2 && v.n <= MAX_ID && v.p[0] == '<' && v.p[v.n - 1] == '>' && str_is_ascii(v)) {
		buf_addc(out, '<');
		report_address(out, str_sub(v, 1, v.n - 1), false);
		buf_addc(out, '>');
	}
	arena_free(&a);
}

/* From: To: Subject: and the like, up to the empty line. */
static void
head(struct buf *out, const struct report *r, const char *boundary, bool eightbit)
{
	struct str id = r->message_id;
	struct buf original = { 0 };

	buf_adds(out, STR("Date: "));
	report_date(out, r->now_ms);
	buf_adds(out, STR("\r\nFrom: Mail Delivery System <"));
	report_address(out, str_of(r->from), false);
	buf_adds(out, STR(">\r\nTo: <"));
	report_address(out, r->to, true);
	buf_adds(out, STR(">\r\nSubject: Undelivered mail returned to sender\r\n"));
	if (id.n > 2 && id.n <= MAX_ID && id.p[0] == '<' && id.p[id.n - 1] == '>') {
		buf_adds(out, STR("Message-ID: <"));
		report_address(out, str_sub(id, 1, id.n - 1), false);
		buf_adds(out, STR(">\r\n"));
	}
	original_id(&original, r->header);
	if (original.n > 0)
		buf_printf(out, "In-Reply-To: %s\r\nReferences: %s\r\n", original.p, original.p);
	buf_free(&original);
	buf_printf(out,
		   "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		   "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"%s\"\r\n"
		   "Content-Transfer-Encoding: %s\r\n\r\n",
		   boundary + 2, eightbit ? "8bit" : "7bit");
}

static void
part(struct buf *out, const char *boundary, const char *type, const char *description, struct str body)
{
	bool ascii = str_is_ascii(body);
	const char *charset = "";

	if (str_casestarts(str_of(type), STR("text/")))
		charset = ascii		      ? "; charset=us-ascii"
			  : str_is_utf8(body) ? "; charset=utf-8"
					      : "; charset=unknown-8bit";
	buf_printf(
	    out,
	    "%s\r\nContent-Type: %s%s\r\nContent-Description: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
	    boundary, type, charset, description, ascii ? "7bit" : "8bit");
	buf_adds(out, body);
	buf_adds(out, STR("\r\n"));
}

unsigned
report_make(struct buf *out, const struct report *r)
{
	struct buf text = { 0 }, status = { 0 }, original = { 0 }, to = { 0 };
	const struct buf *const parts[] = { &text, &status, &original };
	bool full = full_fits(r);
	char boundary[40];
	unsigned needs = 0;

	report_text(&text, r);
	delivery_status(&status, r);
	if (full)
		full_part(&original, r->full);
	else
		header_part(&original, r->header);
	for (size_t i = 0; i < 3; i++)
		if (!str_is_ascii(buf_str(parts[i])))
			needs |= REPORT_EIGHTBIT;
	report_address(&to, r->to, true);
	if (!str_is_ascii(buf_str(&to)))
		needs |= REPORT_SMTPUTF8 | REPORT_EIGHTBIT;
	boundary_choose(boundary, parts, 3);
	head(out, r, boundary, needs & REPORT_EIGHTBIT);
	part(out, boundary, "text/plain", "Notification", buf_str(&text));
	part(out, boundary, "message/delivery-status", "Delivery report", buf_str(&status));
	if (full)
		part(out, boundary, "message/rfc822", "Undelivered message", buf_str(&original));
	else
		part(out, boundary, "text/rfc822-headers", "Undelivered message header", buf_str(&original));
	buf_printf(out, "%s--\r\n", boundary);
	for (size_t i = 0; i < 3; i++)
		buf_free((struct buf *)parts[i]);
	buf_free(&to);
	return needs;
}
