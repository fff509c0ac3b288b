/* table: columns for a terminal. */
#include "report/report-private.h"

#include <stdlib.h>
#include <utf8proc.h>

#define CELL_MOST 44 /* columns of a terminal */

struct table {
	const char *const *heads;
	size_t n, rows, cap;
	uint32_t right;
	struct arena *arena;
	struct str *cells;
	size_t *widths; /* of columns */
};

/* Columns that s takes; *fit: how many bytes take at most `most` of them. */
static size_t
width_of(struct str s, size_t most, size_t *fit)
{
	size_t width = 0;
	*fit = s.n;
	bool cut = false;
	for (size_t i = 0; i < s.n;) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n =
		    utf8proc_iterate((const utf8proc_uint8_t *)s.p + i, (utf8proc_ssize_t)(s.n - i), &c);
		size_t w = n > 0 ? (size_t)utf8proc_charwidth(c) : 1;
		if (!cut && width + w > most) {
			*fit = i;
			cut = true;
		}
		width += w;
		i += n > 0 ? (size_t)n : 1;
	}
	return width;
}

static struct str
cell_fit(struct arena *a, struct str cell, size_t *width)
{
	size_t fit;
	char *p = arena_cstr(a, cell);
	str_tame(p, cell.n);
	*width = width_of(str_make(p, cell.n), CELL_MOST, &fit);
	if (*width <= CELL_MOST)
		return str_make(p, cell.n);
	width_of(str_make(p, cell.n), CELL_MOST - 1, &fit);
	struct str cut = arena_printf(a, "%.*s…", (int)fit, p);
	*width = width_of(cut, CELL_MOST, &fit);
	return cut;
}

struct table *
table_new(const char *const *heads, size_t n, uint32_t right)
{
	struct arena *a = arena_new(4096);
	struct table *t = ARENA_NEW(a, struct table);
	*t = (struct table){ .heads = heads, .n = n, .right = right, .arena = a };
	t->widths = ARENA_ARRAY(a, size_t, n);
	for (size_t i = 0; i < n; i++)
		t->widths[i] = strlen(heads[i]);
	return t;
}

void
table_row(struct table *t, const struct str *cells)
{
	if (t->rows == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 32;
		t->cells = reallocarray(t->cells, t->cap * t->n, sizeof *t->cells);
		if (!t->cells)
			abort();
	}
	for (size_t i = 0; i < t->n; i++) {
		size_t width;
		t->cells[t->rows * t->n + i] = cell_fit(t->arena, cells[i], &width);
		if (width > t->widths[i])
			t->widths[i] = width;
	}
	t->rows++;
}

static void
spaces(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_addc(out, ' ');
}

static void
row_print(const struct table *t, const struct str *cells, size_t indent, struct buf *out)
{
	size_t owed = indent, fit; /* spaces that are written once something follows them */
	for (size_t i = 0; i < t->n; i++) {
		size_t rest = t->widths[i] - width_of(cells[i], SIZE_MAX, &fit);
		bool right = (t->right & 1u << i) != 0;
		if (cells[i].n > 0) {
			spaces(out, owed + (right ? rest : 0));
			buf_adds(out, cells[i]);
			owed = (right ? 0 : rest) + 2;
		} else {
			owed += rest + 2;
		}
	}
	buf_addc(out, '\n');
}

void
table_print(const struct table *t, size_t indent, struct buf *out)
{
	struct str heads[32];
	for (size_t i = 0; i < t->n && i < 32; i++)
		heads[i] = str_of(t->heads[i]);
	row_print(t, heads, indent, out);
	for (size_t r = 0; r < t->rows; r++)
		row_print(t, t->cells + r * t->n, indent, out);
}

void
table_free(struct table **t)
{
	struct arena *a = (*t)->arena;
	free((*t)->cells);
	arena_free(&a);
	*t = NULL;
}
