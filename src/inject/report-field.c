/*
 * report-field: values as the fields of a report may hold them.
 */
#include "inject/report-private.h"
#include "base/clock.h"
#include "inject/smtp-private.h"

#define MAX_ADDRESS 400
#define MAX_EXPANDED 900 /* fits a line */

void
report_date(struct buf *out, int64_t ms)
{
	static const char days[] = "MonTueWedThuFriSatSun", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct clock_date d;

	clock_date_of(ms / 1000, &d);
	buf_printf(out, "%.3s, %d %.3s %04lld %02d:%02d:%02d +0000", days + 3 * (d.weekday - 1), d.day,
		   months + 3 * (d.month - 1), (long long)d.year, d.hour, d.minute, d.second);
}

void
report_address(struct buf *out, struct str s, bool utf8)
{
	s.n = s.n < MAX_ADDRESS ? s.n : MAX_ADDRESS;
	utf8 = utf8 && str_is_utf8(s);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool c1 =
		    c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0; /* a control, in UTF-8 */

		if (c1)
			i++;
		buf_addc(out, c <= ' ' || c == 0x7f || c == '<' || c == '>' || (c > 0x7f && (!utf8 || c1))
				  ? '?'
				  : (char)c);
	}
}

void
report_ascii(struct buf *out, struct str s, size_t max)
{
	s.n = s.n < max ? s.n : max;
	for (size_t i = 0; i < s.n; i++)
		buf_addc(out, s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?');
}

static int
hex(char c)
{
	return ascii_isdigit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void
report_xtext(struct buf *out, struct str s)
{
	size_t start = out->n;

	s.n = s.n < MAX_EXPANDED ? s.n : MAX_EXPANDED;
	for (size_t i = 0; i < s.n; i++) {
		int c = s.p[i];

		if (c == '+' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0) {
			c = hex(s.p[i + 1]) * 16 + hex(s.p[i + 2]);
			i += 2;
		}
		if (c < ' ' || c > '~') {
			out->n = start;
			report_ascii(out, s, s.n);
			return;
		}
		buf_addc(out, (char)c);
	}
}

/* RFC 6533, 3: utf-8-addr-xtext, for a place where only ASCII may stand. s is UTF-8. */
static void
utf8_address(struct buf *out, struct str s)
{
	size_t start = out->n;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		uint32_t point = c;

		if (c > ' ' && c < 0x7f && c != '+' && c != '=' && c != '\\') {
			buf_addc(out, (char)c);
			continue;
		}
		if (c >= 0xc0) { /* well-formed: the caller has looked */
			int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;

			for (point = c & (0x3fu >> more); more > 0; more--)
				point = point << 6 | ((unsigned char)s.p[++i] & 0x3f);
		}
		buf_printf(out, "\\x{%02X}", (unsigned)point);
	}
	if (out->n - start > MAX_EXPANDED) {
		out->n = start;
		report_ascii(out, s, MAX_ADDRESS);
	}
}

void
report_typed_address(struct buf *out, struct str address)
{
	struct buf clean = { 0 };

	report_address(&clean, address, true);
	if (str_is_ascii(buf_str(&clean))) {
		buf_adds(out, STR("rfc822;"));
		buf_adds(out, buf_str(&clean));
	} else {
		buf_adds(out, STR("utf-8;"));
		utf8_address(out, buf_str(&clean));
	}
	buf_free(&clean);
}

void
report_orcpt(struct buf *out, struct str orcpt)
{
	size_t semi = str_find_char(orcpt, ';');
	struct str address = str_sub(orcpt, semi + 1, orcpt.n);

	report_ascii(out, str_sub(orcpt, 0, semi), 32);
	buf_addc(out, ';');
	if (!str_caseeq(str_sub(orcpt, 0, semi), STR("utf-8")))
		report_xtext(out, address);
	else if (str_is_ascii(address) || !str_is_utf8(address))
		report_ascii(out, address, MAX_EXPANDED);
	else
		utf8_address(out, address);
}

const char *
report_status(const struct report *r)
{
	struct str s = str_of(r->status);

	if (s.n > 0 && s.n <= 9 && smtp_enhanced_length(s) == s.n && s.p[0] != '2')
		return r->status;
	return r->expired ? "4.4.7" : "5.0.0";
}
