/* set: for those that fill one. */
#ifndef MT_LEARN_SET_PRIVATE_H
#define MT_LEARN_SET_PRIVATE_H

#include "base/buf.h"
#include "learn/set.h"

/* An empty one; never NULL. */
struct learn_set *set_new(void);
/* A buffer's bytes become the set's, without a copy; it is empty afterwards. */
const void *set_keep(struct learn_set *s, struct buf *b);

#endif
