/* set: rows with labels, and which of them are for training, validation and test. */
#ifndef MT_LEARN_SET_H
#define MT_LEARN_SET_H

#include "learn/learn.h"

enum learn_part { LEARN_TRAIN, LEARN_VALID, LEARN_TEST };
#define LEARN_PARTS 3

struct learn_set {
	struct arena *arena;	    /* of all that follows */
	const char *const *columns; /* texts, as many as data has columns */
	struct learn_data data;
	const uint8_t *part; /* enum learn_part of each row */
	const uint64_t *row; /* of a table: number of each row in it, zero-based; else NULL */
	uint64_t skipped;    /* rows without a label */
};

/* The rows of one part, copied into s->arena. rows 0 when there are none. */
struct learn_data learn_set_part(const struct learn_set *s, enum learn_part part);
/* Takes NULL; leaves NULL. */
void learn_set_free(struct learn_set **s);

#endif
