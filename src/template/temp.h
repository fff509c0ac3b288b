/*
 * temp: memory that is given back in the order it was taken (mark, release),
 * kept from render to render. Private to src/template.
 */
#ifndef MT_TEMPLATE_TEMP_H
#define MT_TEMPLATE_TEMP_H

#include <stddef.h>

#include "base/value.h"

struct temp;

struct temp_mark {
	size_t chunk, used;
};

struct temp *temp_new(void);
void temp_free(struct temp **t);
/* Aligned for any type; aborts when the machine is out of memory, as arena does. */
void *temp_alloc(struct temp *t, size_t n);
struct temp_mark temp_mark(const struct temp *t);
void temp_release(struct temp *t, const struct temp_mark *m);

struct value *temp_string(struct temp *t, struct str s); /* s is copied */
struct value *temp_int(struct temp *t, int64_t i);

#endif
