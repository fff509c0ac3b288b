/*
 * arena: memory that is freed all at once. One arena per message, per
 * snapshot, per configuration; nothing allocated here outlives it.
 *
 * Running out of memory ends the process (abort after a log line): sizes that
 * come from foreign bytes are bounded before they reach the allocator, so a
 * failure here means the machine is out of memory, and the MTA's retry is the
 * safe answer. That is why no function below can return NULL.
 *
 * Threads: an arena belongs to one thread at a time.
 */
#ifndef MT_BASE_ARENA_H
#define MT_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct arena;

struct arena *arena_new(size_t first_block);
/* Takes NULL; leaves NULL. */
void arena_free(struct arena **a);
/* Forgets everything but keeps the first block for reuse. */
void arena_reset(struct arena *a);
/* Bytes taken from malloc, for cache bounds. */
size_t arena_size(const struct arena *a);

/* Aligned for any type, not cleared / cleared. n may be 0. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_zalloc_array((a), sizeof(type), (n)))
/* Aborts on overflow of size * n. */
void *arena_zalloc_array(struct arena *a, size_t size, size_t n);
/* Copies, NUL-terminated behind their length. */
struct str arena_str(struct arena *a, struct str s);
char *arena_cstr(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
