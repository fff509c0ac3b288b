/*
 * admin-table: rows for people (libsmartcols) or for programs (a JSON array of objects).
 */
#include "main/admin.h"

#include <stdlib.h>
#include <string.h>

#include <libsmartcols.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/value.h"

struct admin_table {
	const struct admin_column *columns;
	size_t ncolumns, nrows, cap;
	const char **cells; /* nrows * ncolumns */
	struct arena *arena;
};

struct admin_table *
admin_table_new(const struct admin_column *columns, size_t ncolumns)
{
	struct arena *a = arena_new(16 * 1024);
	struct admin_table *t = ARENA_NEW(a, struct admin_table);
	t->arena = a;
	t->columns = columns;
	t->ncolumns = ncolumns;
	return t;
}

void
admin_table_row(struct admin_table *t, const char *const *cells)
{
	if (t->nrows == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 32;
		t->cells = reallocarray(t->cells, t->cap * t->ncolumns, sizeof(*t->cells));
		if (!t->cells)
			abort();
	}
	const char **row = t->cells + t->nrows++ * t->ncolumns;
	for (size_t i = 0; i < t->ncolumns; i++)
		row[i] = cells[i] ? arena_cstr(t->arena, str_of(cells[i])) : NULL;
}

size_t
admin_table_rows(const struct admin_table *t)
{
	return t->nrows;
}

/* ---- JSON ---- */

/* "LAST SEEN" → "last_seen" */
static struct str
json_name(struct arena *a, const char *title)
{
	char *name = arena_cstr(a, str_of(title));
	for (char *p = name; *p; p++)
		*p = *p == ' ' ? '_' : ascii_lower(*p);
	return str_of(name);
}

static const struct value *
json_cell(struct arena *a, enum admin_column_kind kind, const char *cell)
{
	char *end;
	if (!cell)
		return &VALUE_NULL_V;
	if (kind == ADMIN_COL_BOOL)
		return value_bool(strcmp(cell, "yes") == 0);
	if (kind == ADMIN_COL_NUMBER && *cell) {
		long long i = strtoll(cell, &end, 10);
		if (*end == '\0')
			return value_int(a, i);
		double r = strtod(cell, &end);
		if (*end == '\0' && r - r == 0) /* JSON knows no infinity */
			return value_real(a, r);
	}
	return kind == ADMIN_COL_NUMBER && !*cell ? &VALUE_NULL_V : value_string(a, str_of(cell));
}

static void
print_json(struct admin_table *t, FILE *out)
{
	struct buf b = { 0 };
	struct value *rows = value_list(t->arena, t->nrows);
	for (size_t r = 0; r < t->nrows; r++) {
		struct value *row = value_map_new(t->arena);
		for (size_t c = 0; c < t->ncolumns; c++)
			value_map_set(t->arena, row, json_name(t->arena, t->columns[c].title),
				      json_cell(t->arena, t->columns[c].kind, t->cells[r * t->ncolumns + c]));
		rows->list.items[r] = row;
	}
	json_print_pretty(&b, rows);
	if (b.n == 0 || b.p[b.n - 1] != '\n')
		buf_addc(&b, '\n');
	fwrite(b.p, 1, b.n, out);
	buf_free(&b);
}

/* ---- for people ---- */

/* Foreign text must not move the cursor. */
static const char *
clean_cell(struct arena *a, const char *cell)
{
	if (!cell)
		return "-";
	char *clean = arena_cstr(a, str_of(cell));
	str_tame(clean, strlen(clean));
	return clean;
}

static int
print_table(struct admin_table *t, FILE *out)
{
	struct libscols_table *s = scols_new_table();
	int rc = s ? 0 : -1;
	if (!s)
		return -1;
	scols_table_set_stream(s, out);
	for (size_t c = 0; c < t->ncolumns && rc == 0; c++)
		if (!scols_table_new_column(s, t->columns[c].title, 0,
					    t->columns[c].kind == ADMIN_COL_NUMBER ? SCOLS_FL_RIGHT : 0))
			rc = -1;
	for (size_t r = 0; r < t->nrows && rc == 0; r++) {
		struct libscols_line *line = scols_table_new_line(s, NULL);
		rc = line ? 0 : -1;
		for (size_t c = 0; c < t->ncolumns && rc == 0; c++)
			rc =
			    scols_line_set_data(line, c, clean_cell(t->arena, t->cells[r * t->ncolumns + c]));
	}
	if (rc == 0)
		rc = scols_print_table(s);
	scols_unref_table(s);
	return rc;
}

void
admin_table_print(struct admin_table *t, FILE *out, bool json)
{
	if (json)
		print_json(t, out);
	else if (t->nrows > 0 && print_table(t, out) != 0)
		fputs("mailtailor: the table could not be printed (out of memory?); try --json\n", stderr);
}

void
admin_table_free(struct admin_table **t)
{
	if (!*t)
		return;
	struct arena *a = (*t)->arena;
	free((*t)->cells);
	arena_free(&a);
	*t = NULL;
}
