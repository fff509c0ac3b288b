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

int
set_complete(struct learn_set *s, struct score_columns **columns, double *x, const uint8_t *part, size_t n,
	     struct err *e)
{
	struct score_columns *open = *columns, *fitted;
	size_t cols = score_columns_count(open), nopen = 0;
	double *values = NULL;
	const char **texts = ARENA_ARRAY(s->arena, const char *, cols);
	s->columns = texts;
	for (size_t k = 0; k < cols; k++) {
		texts[k] = score_columns_texts(open)[k];
		if (!score_column_is_open(open, k))
			continue;
		size_t used = 0;
		values = values ? values : ARENA_ARRAY(s->arena, double, n);
		for (size_t i = 0; i < n; i++)
			if (part[i] == LEARN_TRAIN)
				values[used++] = x[i * cols + k];
		if (score_column_fit(s->arena, open, k, values, used, &texts[k], e) != 0)
			return -1;
		nopen++;
	}
	if (nopen == 0)
		return 0;
	if (score_columns_compile(s->arena, texts, cols, &fitted, e) != 0)
		return -1;
	for (size_t k = 0; k < cols; k++)
		if (score_column_is_open(open, k))
			for (size_t i = 0; i < n; i++)
				x[i * cols + k] = score_column_finish(open, k, fitted, k, x[i * cols + k]);
	*columns = fitted;
	return 0;
}

const uint8_t *
set_categorical(struct learn_set *s, const struct score_columns *columns)
{
	size_t cols = score_columns_count(columns);
	uint8_t *out = ARENA_ARRAY(s->arena, uint8_t, cols);
	for (size_t k = 0; k < cols; k++)
		out[k] = score_column_is_category(columns, k);
	return out;
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
