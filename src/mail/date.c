/* date: the Date field (RFC 5322, 3.3) → milliseconds; GMime reads it. */
#include "mail/mail.h"

#include <gmime/gmime.h>

int64_t
mail_date(struct str value)
{
	char text[128];
	struct str s = str_trim(value);
	if (s.n == 0 || s.n >= sizeof(text))
		return 0;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	GDateTime *d = g_mime_utils_header_decode_date(text);
	if (d == NULL)
		return 0;
	int64_t ms = g_date_time_to_unix(d) * 1000;
	g_date_time_unref(d);
	return ms;
}
