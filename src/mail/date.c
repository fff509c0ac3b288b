/* date: the Date field (RFC 5322, 3.3) → milliseconds; GMime reads it. */
#include "mail/mail.h"

#include <gmime/gmime.h>

int64_t
mail_date(struct str value)
{
	/* A campaign's messages come many in a second, and reading one takes 10 us. */
	static _Thread_local char text[128];
	static _Thread_local int64_t ms;
	struct str s = str_trim(value);
	if (s.n == 0 || s.n >= sizeof(text))
		return 0;
	if (str_eq(s, str_of(text)))
		return ms;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	ms = 0;
	GDateTime *d = g_mime_utils_header_decode_date(text);
	if (d == NULL)
		return 0;
	ms = g_date_time_to_unix(d) * 1000;
	g_date_time_unref(d);
	return ms;
}
