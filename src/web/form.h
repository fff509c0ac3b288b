/*
 * form: the fields of a POSTed form, urlencoded or multipart (libmicrohttpd's parser), within bounds. What is
 * too long, too much or a file is left out. Threads: belongs to one thread at a time.
 */
#ifndef MT_WEB_FORM_H
#define MT_WEB_FORM_H

#include <stdbool.h>

#include <microhttpd.h>

#include "base/arena.h"
#include "base/str.h"

#define FORM_MAX_BODY ((size_t)16 << 10)
#define FORM_MAX_FIELDS 128
#define FORM_MAX_KEY 64
#define FORM_MAX_VALUE 1024

struct form;
/* Lives in a, but for libmicrohttpd's parser: form_end. */
struct form *form_begin(struct arena *a, struct MHD_Connection *c);
/* Some more of the body; what goes over FORM_MAX_BODY is not looked at. */
void form_feed(struct form *f, const char *bytes, size_t n);
/* No more comes. May be called again. */
void form_end(struct form *f);
bool form_too_large(const struct form *f);
/* The first value of a field; STR_NULL when it is not there. */
struct str form_get(const struct form *f, struct str key);
/* Is there a field of this key and value? */
bool form_has(const struct form *f, struct str key, struct str value);

#endif
