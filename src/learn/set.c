/* set: see set.h. */
#include "learn/set-private.h"

#include <stdlib.h>

#define BLOCKS 8

/* A set and the blocks from malloc that it owns. */
struct set_memory {
	struct learn_set set;
	void *blocks[BLOCKS];
	size_t n;
};

struct learn_set *
set_new(void)
{
	struct arena *a = arena_new(65536);
	struct set_memory *m = ARENA_NEW(a, struct set_memory);
	m->set.arena = a;
	return &m->set;
}

const void *
set_keep(struct learn_set *s, struct buf *b)
{
	struct set_memory *m = (struct set_memory *)s;
	void *p = b->p;
	if (m->n == BLOCKS)
		abort(); /* our own bug: more kinds of columns than there are */
	m->blocks[m->n++] = p;
	*b = (struct buf){ 0 };
	return p;
}

void
learn_set_free(struct learn_set **s)
{
	if (*s) {
		struct set_memory *m = (struct set_memory *)*s;
		struct arena *a = (*s)->arena;
		for (size_t i = 0; i < m->n; i++)
			free(m->blocks[i]);
		arena_free(&a);
	}
	*s = NULL;
}

struct learn_data
learn_set_part(const struct learn_set *s, enum learn_part part)
{
	size_t n = 0, *rows = calloc(s->data.rows + 1, sizeof(*rows));
	if (!rows)
		abort();
	for (size_t i = 0; i < s->data.rows; i++)
		if (s->part[i] == part)
			rows[n++] = i;
	struct learn_data d = learn_pick(s->arena, &s->data, rows, n);
	free(rows);
	return d;
}
