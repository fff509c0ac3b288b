/*
 * rows-csv: RFC 4180, byte by byte. A record is passed over by the same state
 * machine that reads it, so that no text inside quotes can pose as a row.
 */
#include "conf/conf.h"
#include "recipient/rows-private.h"

enum csv_state {
	CELL_START, /* nothing of the cell yet */
	PLAIN,
	QUOTED,
	QUOTE, /* a quote inside quotes: its end, or the first of two */
};

struct record {
	struct rows *r;
	enum csv_state state;
	bool any;	   /* a byte of this record was seen */
	size_t size;	   /* bytes of it, kept or not */
	const char *wrong; /* the first thing that is wrong; the rest is read, not kept */
	uint64_t quote_line;
};

static void
cell_close(struct record *c)
{
	struct rows *r = c->r;
	if (r->ncells == ROWS_MAX_COLUMNS)
		c->wrong = c->wrong ? c->wrong : "it has more than 1000 columns";
	else
		r->cell_end[r->ncells++] = r->text.n;
	c->state = CELL_START;
}

/* The end of a line, or of the file. The CR of a CRLF behind a plain cell was kept. */
static void
record_close(struct record *c)
{
	struct buf *t = &c->r->text;
	if (c->state == PLAIN && t->n > 0 && t->p[t->n - 1] == '\r' && !c->wrong)
		t->n--;
	cell_close(c);
}

static void
keep(struct record *c, char byte)
{
	if (!c->wrong)
		buf_addc(&c->r->text, byte);
}

/* One byte of a record; true when the record ends with it. */
static bool
record_byte(struct record *c, char byte)
{
	struct rows *r = c->r;
	char separator = r->o.separator ? r->o.separator : ',';
	if (++c->size > ROWS_MAX_ROW && !c->wrong)
		c->wrong = "it has more than 1 MiB";
	if (c->state == QUOTED) {
		if (byte == '"')
			c->state = QUOTE;
		else
			keep(c, byte);
		return false;
	}
	if (c->state == QUOTE && byte == '"') {
		keep(c, byte);
		c->state = QUOTED;
		return false;
	}
	if (byte == '\n') {
		record_close(c);
		return true;
	}
	if (byte == separator) {
		cell_close(c);
		return false;
	}
	if (c->state == QUOTE) {
		if (byte != '\r' && !c->wrong)
			c->wrong = "there is text behind a closing quote";
		return false;
	}
	if (byte == '"') {
		if (c->state == CELL_START) {
			c->state = QUOTED;
			c->quote_line = r->line;
			return false;
		}
		if (!c->wrong)
			c->wrong =
			    "a quote stands inside a cell that does not begin with one (quote the cell, and "
			    "double the quote)";
		return false;
	}
	c->state = PLAIN;
	keep(c, byte);
	return false;
}

enum rows_result
csv_record(struct rows *r, uint64_t *line, struct err *e)
{
	struct record c = { .r = r };
	bool end = false;
	int byte = 0;
	buf_reset(&r->text);
	r->ncells = 0;
	*line = r->line;
	while (!end && (byte = rows_byte(r, e)) >= 0) {
		end = record_byte(&c, (char)byte);
		c.any = true;
	}
	if (byte == -2)
		return ROWS_FATAL;
	if (!c.any)
		return ROWS_END;
	if (!end && c.state == QUOTED) {
		err_set(e, ERR_INPUT, "the quote that opens on line %llu is never closed",
			(unsigned long long)c.quote_line);
		return ROWS_BAD;
	}
	if (!end)
		record_close(&c);
	if (c.wrong) {
		err_set(e, c.size > ROWS_MAX_ROW ? ERR_LIMIT : ERR_INPUT, "%s", c.wrong);
		return ROWS_BAD;
	}
	return ROWS_ROW;
}

struct str
csv_cell(const struct rows *r, size_t i)
{
	size_t from = i == 0 ? 0 : r->cell_end[i - 1];
	return str_sub(buf_str(&r->text), from, r->cell_end[i]);
}

/* ---- the header ---- */

static bool
type_known(struct str type)
{
	return type.n == 0 || str_eq(type, STR("string")) || str_eq(type, STR("number")) ||
	       str_eq(type, STR("bool"));
}

static int
column_parse(struct rows *r, struct str cell, struct column *c, struct err *e)
{
	struct str name = str_trim(cell), type = STR("");
	if (rows_text_check(cell, e) != 0)
		return err_prefix(e, "header");
	for (size_t i = name.n; i > 0; i--)
		if (name.p[i - 1] == ':') {
			type = str_sub(name, i, name.n);
			name = str_sub(name, 0, i - 1);
			break;
		}
	if (name.n == 0 || name.n > ROWS_MAX_NAME)
		return err_set(e, ERR_INPUT, "header: a column's name has 1 to %d bytes", ROWS_MAX_NAME);
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < 0x20)
			return err_set(e, ERR_INPUT, "header: a control character in a column's name");
	if (!type_known(type))
		return err_set(e, ERR_INPUT,
			       "header: column \"%.*s\": type \"%.*s\" is none of string, number, bool",
			       STR_ARG(name), STR_ARG(str_sub(type, 0, 64)));
	c->name = arena_str(r->arena, name);
	c->type = arena_str(r->arena, type);
	return 0;
}

/* Sets every column once: finds columns named twice, and one that is also the parent of another. */
static int
columns_check(struct rows *r, struct err *e)
{
	r->fields = value_map_new(r->arena);
	for (size_t i = 0; i < r->ncolumns; i++) {
		if (i == r->address)
			continue;
		if (value_path(r->fields, r->columns[i].name))
			return err_set(e, ERR_INPUT,
				       "header: column \"%.*s\" is there twice, or is also the parent of "
				       "another",
				       STR_ARG(r->columns[i].name));
		if (rows_set_path(r->arena, r->fields, r->columns[i].name, &VALUE_TRUE_V, e) != 0)
			return err_prefix(e, "header");
	}
	return 0;
}

static const char *
column_nearest(const struct rows *r, struct str name)
{
	const char **names = ARENA_ARRAY(r->arena, const char *, r->ncolumns);
	for (size_t i = 0; i < r->ncolumns; i++)
		names[i] = arena_cstr(r->arena, r->columns[i].name);
	return conf_nearest(name, names, r->ncolumns);
}

/* A header that is one cell, which holds what spreadsheets separate cells by in its place. */
static int
separator_check(const struct rows *r, struct err *e)
{
	char used = r->o.separator ? r->o.separator : ',';
	struct str cell = csv_cell(r, 0);
	for (const char *other = ",;\t|"; r->ncells == 1 && *other; other++) {
		if (*other == used || str_find_char(cell, *other) >= cell.n)
			continue;
		const char *shown = *other == '\t' ? "\\t" : (const char[]){ *other, '\0' };
		return err_set(
		    e, ERR_INPUT,
		    "header: it is one column, \"%.*s\": cells seem to be separated by \"%s\", not "
		    "by \"%s\"; %s",
		    STR_ARG(str_cut(cell, 40)), shown, used == '\t' ? "\\t" : (const char[]){ used, '\0' },
		    r->o.separates ? arena_printf(r->arena, "say --separator '%s'", shown).p
				   : "write commas between them");
	}
	return 0;
}

int
csv_header(struct rows *r, struct err *e)
{
	uint64_t line;
	r->cell_end = ARENA_ARRAY(r->arena, size_t, ROWS_MAX_COLUMNS);
	switch (csv_record(r, &line, e)) {
	case ROWS_ROW:
		break;
	case ROWS_END:
		return err_set(e, ERR_INPUT, "the file is empty; its first line must name the columns");
	default:
		return err_prefix(e, "header");
	}
	if (separator_check(r, e) != 0)
		return -1;
	r->columns = ARENA_ARRAY(r->arena, struct column, r->ncells);
	r->address = r->ncells;
	for (size_t i = 0; i < r->ncells; i++) {
		struct str cell = csv_cell(r, i);
		if (column_parse(r, cell, &r->columns[i], e) != 0)
			return -1;
		if (r->o.address_column.p && r->address == r->ncells &&
		    str_caseeq(r->columns[i].name, r->o.address_column))
			r->address = i;
	}
	r->ncolumns = r->ncells;
	if (r->o.address_column.p && r->address == r->ncolumns) {
		const char *near = column_nearest(r, r->o.address_column);
		return err_set(e, ERR_INPUT,
			       "header: no column \"%.*s\"; name the column of addresses with "
			       "--address-column%s%s%s",
			       STR_ARG(r->o.address_column), near ? " (perhaps \"" : "", near ? near : "",
			       near ? "\")" : "");
	}
	return columns_check(r, e);
}

/* More names would push what comes before them out of the message. */
#define NAMED_MAX 700

int
csv_need(const struct rows *r, struct str name, struct err *e)
{
	if (value_path(r->fields, name))
		return 0;
	struct arena *a = arena_new(1024);
	const char **names = ARENA_ARRAY(a, const char *, r->ncolumns);
	struct buf list = { 0 };
	size_t n = 0, shown = 0;
	for (size_t i = 0; i < r->ncolumns; i++)
		if (i != r->address)
			names[n++] = arena_cstr(a, r->columns[i].name);
	for (; shown < n && list.n + strlen(names[shown]) < NAMED_MAX; shown++)
		buf_printf(&list, "%s%s", shown > 0 ? ", " : "", names[shown]);
	if (shown < n)
		buf_printf(&list, " and %zu more", n - shown);
	const char *near = conf_nearest(name, names, n);
	err_set(e, ERR_INPUT, "no column \"%.*s\"%s%s%s; it has: %.*s", STR_ARG(str_cut(name, 64)),
		near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "",
		STR_ARG(buf_str(&list)));
	buf_free(&list);
	arena_free(&a);
	return -1;
}

/* ---- rows ---- */

static int
row_fill(struct rows *r, struct arena *a, struct row *out, struct err *e)
{
	struct value *map = value_map_new(a);
	/* Cell by cell: halves of a character in two cells are none. */
	for (size_t i = 0; i < r->ncells; i++)
		if (rows_text_check(csv_cell(r, i), e) != 0)
			return -1;
	if (r->ncells != r->ncolumns)
		return err_set(e, ERR_INPUT, "it has %zu columns, the header %zu", r->ncells, r->ncolumns);
	if (r->o.address_column.p)
		out->address = arena_str(a, str_trim(csv_cell(r, r->address)));
	if (r->o.address_column.p && out->address.n == 0)
		return err_set(e, ERR_INPUT, "no address in column \"%.*s\"", STR_ARG(r->o.address_column));
	for (size_t i = 0; i < r->ncells; i++) {
		const struct column *c = &r->columns[i];
		struct str cell = csv_cell(r, i);
		const struct value *v;
		if (i == r->address || cell.n == 0)
			continue;
		if (rows_cell(a, c->type, cell, &v, e) != 0)
			return err_prefix(e, "column \"%.*s\"", STR_ARG(c->name));
		if (rows_set_path(a, map, c->name, v, e) != 0)
			return -1;
	}
	out->profile = map;
	return 0;
}

enum rows_result
csv_row(struct rows *r, struct arena *a, struct row *out, struct err *e)
{
	for (;;) {
		enum rows_result res = csv_record(r, &out->line, e);
		if (res != ROWS_ROW)
			return res;
		if (r->ncells == 1 && csv_cell(r, 0).n == 0)
			continue; /* a blank line */
		return row_fill(r, a, out, e) == 0 ? ROWS_ROW : ROWS_BAD;
	}
}
