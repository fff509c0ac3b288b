/* language: which of the languages there are a reader wants most. Pure. */
#ifndef MT_WEB_LANGUAGE_H
#define MT_WEB_LANGUAGE_H

#include "base/str.h"

/*
 * Accept-Language (RFC 9110 12.5.4) against tags[0..n): the index of the one with the highest quality, the
 * first named among equals, compared by primary subtag ("de-AT" fits "de"); fallback when none fits.
 */
size_t language_choose(struct str accept, const struct str *tags, size_t n, size_t fallback);

#endif
