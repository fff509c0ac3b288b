/* set: for those that fill one. */
#ifndef MT_LEARN_SET_PRIVATE_H
#define MT_LEARN_SET_PRIVATE_H

#include "base/buf.h"
#include "learn/set.h"
#include "score/column.h"

/* An empty one; never NULL. */
struct learn_set *set_new(void);
/* A buffer's bytes become the set's, without a copy; it is empty afterwards. */
const void *set_keep(struct learn_set *s, struct buf *b);

/*
 * Columns with a `quantile` step get edges from the n rows of x that are for training, and all cells become
 * what then follows; *columns and s->columns are those that say so. x is n × the columns.
 */
int set_complete(struct learn_set *s, struct score_columns **columns, double *x, const uint8_t *part,
		 size_t n, struct err *e);
/* For struct learn_data. In s->arena. */
const uint8_t *set_categorical(struct learn_set *s, const struct score_columns *columns);

#endif
