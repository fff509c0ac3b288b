/*
 * buf: a growable byte buffer on malloc, kept and reused across messages
 * (buf_reset keeps the memory), so that the render loop allocates nothing
 * once warm. Always NUL-terminated behind n when p is not NULL, for printf
 * and C libraries; the NUL is not counted. Out of memory: as in arena.h.
 * Threads: belongs to one thread at a time. Zero-initialised is valid and empty.
 */
#ifndef MT_BASE_BUF_H
#define MT_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"

struct buf {
	char *p;
	size_t n, cap;
};

/* Room for `more` further bytes (and the NUL). */
void buf_reserve_slow(struct buf *b, size_t more);
void buf_free(struct buf *b); /* leaves it zeroed and usable */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static inline void
buf_reserve(struct buf *b, size_t more)
{
	if (b->cap - b->n <= more)
		buf_reserve_slow(b, more);
}

static inline void
buf_reset(struct buf *b)
{
	b->n = 0;
	if (b->p)
		b->p[0] = '\0';
}

static inline void
buf_add(struct buf *b, const void *p, size_t n)
{
	buf_reserve(b, n);
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

static inline void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

static inline void
buf_adds(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

static inline struct str
buf_str(const struct buf *b)
{
	return (struct str){ b->p ? b->p : "", b->n };
}

#endif
