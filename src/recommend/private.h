/* recommend/private: what the readers of models and catalogs share. */
#ifndef MT_RECOMMEND_PRIVATE_H
#define MT_RECOMMEND_PRIVATE_H

#include "recommend/model.h"

/* Byte by byte, the shorter first: the order of ids. */
int id_compare(struct str a, struct str b);

/*
 * A tensor of that type and shape (see safetensors_need), used where it lies in the file: it has to be
 * aligned. NULL with ERR_INPUT.
 */
const void *tensor_in_place(const struct safetensors *st, const char *name, enum safetensors_type type,
			    size_t ndim, size_t *shape, struct err *e);
/* end[0..items) rise from at least 0 to n. 0, or ERR_INPUT. */
int ends_check(const char *name, const int32_t *end, size_t items, size_t n, struct err *e);

#endif
