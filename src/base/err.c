/* err: see err.h. */
#include "base/err.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/str.h"

int
err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	if (e == NULL)
		return -1;
	/* The arguments may point into e->text: print aside first. */
	char text[sizeof(e->text)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_tame(text, strlen(text));
	memcpy(e->text, text, sizeof(text));
	e->kind = kind;
	return -1;
}

int
err_prefix(struct err *e, const char *fmt, ...)
{
	if (e == NULL)
		return -1;
	struct err old = *e;
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	size_t at = n < 0 ? 0 : (size_t)n < sizeof(e->text) ? (size_t)n : sizeof(e->text) - 1;
	/* Cut at the end rather than refused: the front says what and where. */
	size_t room = sizeof(e->text) - 1 - at, sep = room < 2 ? room : 2, len = strlen(old.text);
	memcpy(e->text + at, ": ", sep);
	if (len > room - sep)
		len = room - sep;
	memcpy(e->text + at + sep, old.text, len);
	e->text[at + sep + len] = '\0';
	str_tame(e->text, at);
	return -1;
}

int
err_exit_code(enum err_kind kind)
{
	switch (kind) {
	case ERR_NONE:
		return EX_OK;
	case ERR_USAGE:
		return EX_USAGE;
	case ERR_INPUT:
	case ERR_LIMIT:
	case ERR_CORRUPT:
		return EX_DATAERR;
	case ERR_MISSING:
		return EX_NOINPUT;
	case ERR_CONFIG:
		return EX_CONFIG;
	case ERR_PERM:
		return EX_NOPERM;
	case ERR_IO:
		return EX_IOERR;
	case ERR_TEMP:
	case ERR_FULL:
		return EX_TEMPFAIL;
	case ERR_UNSUPPORTED:
		return EX_UNAVAILABLE;
	case ERR_BUG:
		break;
	}
	return EX_SOFTWARE;
}
