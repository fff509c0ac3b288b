/*
 * temp: a stack of chunks. Chunks stay after release, but those beyond the
 * first megabyte go back to malloc, so that one large render leaves no weight.
 */
#include "template/temp.h"

#include <stdlib.h>

#define FIRST_CHUNK ((size_t)16 << 10)
#define KEEP ((size_t)1 << 20)
#define MAX_CHUNKS 40

struct chunk {
	char *p;
	size_t size;
};

struct temp {
	struct chunk chunks[MAX_CHUNKS];
	size_t n, current, used;
};

static void *
must(void *p)
{
	if (!p)
		abort(); /* as in arena.h: the MTA's retry is the safe answer */
	return p;
}

struct temp *
temp_new(void)
{
	struct temp *t = must(calloc(1, sizeof *t));
	t->chunks[0] = (struct chunk){ must(malloc(FIRST_CHUNK)), FIRST_CHUNK };
	t->n = 1;
	return t;
}

void
temp_free(struct temp **t)
{
	if (!*t)
		return;
	for (size_t i = 0; i < (*t)->n; i++)
		free((*t)->chunks[i].p);
	free(*t);
	*t = NULL;
}

void *
temp_alloc(struct temp *t, size_t n)
{
	n = (n + 15) & ~(size_t)15;
	while (t->chunks[t->current].size - t->used < n) {
		if (t->current + 1 < t->n) {
			t->current++;
			t->used = 0;
			continue;
		}
		/* Sizes double, so MAX_CHUNKS is more than memory. */
		if (t->n == MAX_CHUNKS)
			abort();
		size_t size = t->chunks[t->n - 1].size * 2;
		while (size < n)
			size *= 2;
		t->chunks[t->n] = (struct chunk){ must(malloc(size)), size };
		t->current = t->n++;
		t->used = 0;
	}
	void *p = t->chunks[t->current].p + t->used;
	t->used += n;
	return p;
}

struct temp_mark
temp_mark(const struct temp *t)
{
	return (struct temp_mark){ t->current, t->used };
}

void
temp_release(struct temp *t, const struct temp_mark *m)
{
	/* Most steps of a render take nothing. */
	if (t->used == m->used && t->current == m->chunk)
		return;
	t->current = m->chunk;
	t->used = m->used;
	while (t->n > m->chunk + 1 && t->chunks[t->n - 1].size > KEEP)
		free(t->chunks[--t->n].p);
}

struct value *
temp_string(struct temp *t, struct str s)
{
	struct value *v = temp_alloc(t, sizeof *v);
	char *p = temp_alloc(t, s.n + 1);
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	*v = (struct value){ .type = VALUE_STRING };
	v->s = str_make(p, s.n);
	return v;
}

struct value *
temp_int(struct temp *t, int64_t i)
{
	struct value *v = temp_alloc(t, sizeof *v);
	*v = (struct value){ .type = VALUE_INT };
	v->i = i;
	return v;
}
