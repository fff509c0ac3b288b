/*
 * guard: keeps messages away from GMime whose structure it would take seconds
 * over. Not for other libraries.
 */
#ifndef MT_MAIL_GUARD_H
#define MT_MAIL_GUARD_H

#include "mail/mail.h"

enum guard_verdict {
	GUARD_OK,
	GUARD_ODD,   /* no structure that anybody sends: treat the body as opaque */
	GUARD_PARTS, /* more than a few times max_parts */
};

/* One linear pass over bytes; short messages are always GUARD_OK. */
enum guard_verdict mail_guard(struct str bytes, size_t max_parts);

#endif
