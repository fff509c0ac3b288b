/*
 * report-text: the part of a report that people read: what failed, for whom, why, and what to do.
 */
#include "inject/report-private.h"

#define WIDTH 72
#define MAX_REASON 600

/* s in lines of about WIDTH, each behind indent. A word that is longer has a line of its own. */
static void
paragraph(struct buf *out, const char *indent, struct str s)
{
	size_t column = 0, width = WIDTH - strlen(indent);
	struct str word;

	while (str_split(&s, ' ', &word)) {
		if (word.n == 0)
			continue;
		if (column > 0 && column + 1 + word.n > width) {
			buf_adds(out, STR("\r\n"));
			column = 0;
		}
		if (column > 0) {
			buf_addc(out, ' ');
			column++;
		} else {
			buf_adds(out, str_of(indent));
		}
		buf_adds(out, word);
		column += word.n;
	}
	buf_adds(out, STR("\r\n"));
}

/* By the subject of the status code (RFC 3463, 3). */
static const char *
advice(const struct report *r)
{
	switch (report_status(r)[2]) {
	case '1':
		return "The address is the cause: correct it, or take it off your list.";
	case '2':
		return "The recipient's mailbox is the cause (full, closed, or not taking this message). If "
		       "it goes on, "
		       "take the address off your list.";
	case '3':
	case '4':
	case '5':
		return "The mail server is the cause, not the address: ask its administrator, who finds this "
		       "copy in "
		       "the logs of mailtailor and of the server behind it. Send the message again when that "
		       "is mended.";
	case '6':
		return "The message's content is the cause: it cannot be passed on as it is. Change it "
		       "before you send it "
		       "again.";
	case '7':
		return "A rule of the mail server forbids this message. The text above may say which; if "
		       "not, ask the server's administrator before you send it again.";
	default:
		return "The text above is all that is known. If it does not help, ask the mail server's "
		       "administrator.";
	}
}

static void
attempts(struct buf *out, const struct report *r)
{
	struct buf b = { 0 };

	if (r->attempts == 0 || r->last_attempt_ms == 0) {
		buf_adds(&b, STR("No delivery was tried."));
	} else {
		if (r->attempts == 1)
			buf_adds(&b, STR("It was tried once, on "));
		else
			buf_printf(&b, "It was tried %u times, last on ", r->attempts);
		report_date(&b, r->last_attempt_ms);
		buf_addc(&b, '.');
	}
	buf_adds(&b, r->expired ? STR(" Its time is over, and it is not tried again.")
				: STR(" It is not tried again."));
	paragraph(out, "", buf_str(&b));
	buf_free(&b);
}

void
report_text(struct buf *out, const struct report *r)
{
	struct buf reason = { 0 }, intro = { 0 };

	buf_adds(&intro, STR("This is mailtailor at "));
	report_address(&intro, str_of(r->reporting_mta), false);
	buf_adds(
	    &intro,
	    STR(". The copy of your message for the recipient below could not be delivered. Copies for other "
		"recipients are not concerned."));
	paragraph(out, "", buf_str(&intro));
	buf_adds(out, STR("\r\n    <"));
	report_address(out, r->recipient, true);
	buf_adds(out, STR(">\r\n\r\n"));
	buf_adds(out, r->expired ? STR("The last reason was:\r\n\r\n")
		      : r->smtp	 ? STR("The mail server refused it:\r\n\r\n")
				 : STR("The reason:\r\n\r\n"));
	report_ascii(&reason, r->diagnostic.n > 0 ? r->diagnostic : STR("none was given"), MAX_REASON);
	paragraph(out, "    ", buf_str(&reason));
	buf_adds(out, STR("\r\n"));
	attempts(out, r);
	buf_adds(out, STR("\r\n"));
	paragraph(out, "", str_of(advice(r)));
	buf_free(&reason);
	buf_free(&intro);
}
