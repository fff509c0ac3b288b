/*
 * csv: a table (CSV with a header, as recipient/rows.h reads it) and a specification (spec.h) to a set of
 * rows to learn from. The table's columns are the fields of a profile; numbers come of them by the same code
 * as of profiles at sending time (score/column.h).
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_CSV_H
#define MT_LEARN_CSV_H

#include <sys/types.h>

#include "learn/spec.h"

#define CSV_MAX_ROWS ((size_t)50 << 20)
#define CSV_MAX_CELLS ((size_t)1 << 28) /* 2 GiB as doubles */

struct csv_source {
	/* Like read(2): bytes, 0 at the end, -1 with errno. */
	ssize_t (*read)(void *ctx, char *p, size_t n);
	void *ctx;
	void (*progress)(void *ctx, uint64_t bytes); /* now and then; or NULL */
};

/*
 * NULL with e: ERR_INPUT names the line, or a column that the specification reads and the header has not. A
 * malformed row is an error here: what was left out would be missing from the figures unseen. Columns that
 * training completes (quantiles) are completed from the training rows.
 */
struct learn_set *csv_read(const struct csv_source *source, const struct spec *spec, struct err *e);

#endif
