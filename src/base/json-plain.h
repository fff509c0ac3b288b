/*
 * json-plain: the JSON that profiles and merge data are made of, read in one
 * pass and without a tree in between. It knows no escapes, no exponents and no
 * error messages: whatever is not plain, or wrong, is left to jansson, which
 * says what is wrong and where. What it does read, it reads as jansson would.
 * Threads: safe.
 */
#ifndef MT_BASE_JSON_PLAIN_H
#define MT_BASE_JSON_PLAIN_H

#include "base/value.h"

/* NULL: not plain; ask jansson. The text is copied. */
const struct value *json_plain(struct arena *a, struct str text, int max_depth);

#endif
