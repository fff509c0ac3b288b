/* buf: see buf.h. */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

void
buf_reserve_slow(struct buf *b, size_t more)
{
	bool absurd = more > SIZE_MAX / 4 || b->n > SIZE_MAX / 4;
	size_t want = absurd ? 0 : b->n + more + 1;
	size_t cap = b->cap < 64 ? 64 : b->cap;
	while (cap < want)
		cap *= 2;
	char *p = absurd ? NULL : realloc(b->p, cap);
	if (p == NULL) {
		log_error("out of memory (a buffer of %zu bytes); stopping, the MTA will try again", cap);
		abort();
	}
	b->p = p;
	b->cap = cap;
}

void
buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	buf_reserve(b, 64);
	int n = vsnprintf(b->p + b->n, b->cap - b->n, fmt, ap);
	if (n >= 0 && (size_t)n >= b->cap - b->n) {
		buf_reserve(b, (size_t)n + 1);
		vsnprintf(b->p + b->n, b->cap - b->n, fmt, again);
	}
	va_end(again);
	if (n > 0)
		b->n += (size_t)n;
	b->p[b->n] = '\0';
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}
