/* arena: a chain of blocks, the newest in front; see arena.h. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define ARENA_ALIGN 16u

struct block {
	struct block *next;
	size_t size, used; /* of data */
	_Alignas(16) unsigned char data[];
};

struct arena {
	struct block *head;
	struct block *first; /* kept by reset */
	size_t total;
};

static void
arena_die(size_t n)
{
	log_error("out of memory (asked for %zu bytes); stopping, the MTA will try again", n);
	abort();
}

static struct block *
block_new(struct arena *a, size_t size)
{
	struct block *b = malloc(sizeof(*b) + size);
	if (b == NULL)
		arena_die(size);
	b->next = NULL;
	b->size = size;
	b->used = 0;
	a->total += sizeof(*b) + size;
	return b;
}

struct arena *
arena_new(size_t first_block)
{
	struct arena *a = calloc(1, sizeof(*a));
	if (a == NULL)
		arena_die(sizeof(*a));
	a->head = a->first = block_new(a, first_block < 256 ? 256 : first_block);
	return a;
}

static void
blocks_free(struct arena *a, const struct block *keep)
{
	for (struct block *b = a->head, *next; b != NULL; b = next) {
		next = b->next; /* cppcheck-suppress nullPointerRedundantCheck ; only keep may be NULL */
		if (b != keep) {
			a->total -= sizeof(*b) + b->size;
			free(b);
		}
	}
}

void
arena_free(struct arena **a)
{
	if (*a == NULL)
		return;
	blocks_free(*a, NULL);
	free(*a);
	*a = NULL;
}

void
arena_reset(struct arena *a)
{
	blocks_free(a, a->first);
	a->head = a->first;
	a->first->next = NULL;
	a->first->used = 0;
}

size_t
arena_size(const struct arena *a)
{
	return a->total;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	if (n > SIZE_MAX / 2)
		arena_die(n);
	size_t need = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	struct block *b = a->head;
	if (b->size - b->used < need) {
		size_t size = b->size < (1u << 20) ? b->size * 2 : b->size;
		b = block_new(a, size < need ? need : size);
		b->next = a->head;
		a->head = b;
	}
	void *p = b->data + b->used;
	b->used += need;
	return p;
}

void *
arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);
	memset(p, 0, n);
	return p;
}

void *
arena_zalloc_array(struct arena *a, size_t size, size_t n)
{
	if (size != 0 && n > SIZE_MAX / size)
		arena_die(SIZE_MAX);
	return arena_zalloc(a, size * n);
}

char *
arena_cstr(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

struct str
arena_str(struct arena *a, struct str s)
{
	return str_make(arena_cstr(a, s), s.n);
}

struct str
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, ap2;
	va_start(ap, fmt);
	va_copy(ap2, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	char *p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, ap2);
	va_end(ap2);
	return str_make(p, (size_t)n);
}
