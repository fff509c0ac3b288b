/* rows-private: what the files of the row reader share. */
#ifndef MT_RECIPIENT_ROWS_PRIVATE_H
#define MT_RECIPIENT_ROWS_PRIVATE_H

#include "base/buf.h"
#include "recipient/rows.h"

#define ROWS_CHUNK 65536

struct column {
	struct str name; /* without type */
	struct str type; /* "", "number", "bool", "string" */
};

struct rows {
	struct rows_options o;
	struct arena *arena; /* the header */
	struct column *columns;
	size_t ncolumns, address; /* number of the address column */
	struct value *fields;	  /* what a row with no empty cell has, without the address */
	bool started, ended;

	char chunk[ROWS_CHUNK];
	size_t at, have;
	uint64_t bytes, line; /* line: number of the line that the next byte is on */

	struct buf text;  /* the record being read: cells one behind the other */
	size_t *cell_end; /* ncells offsets into text */
	size_t ncells;
};

/* The next byte, or -1 at the end, or -2 with *e. */
int rows_byte(struct rows *r, struct err *e);

/* csv.c: reads one record into text and cell_end. ROWS_BAD after having passed over all of it. */
enum rows_result csv_record(struct rows *r, uint64_t *line, struct err *e);
/* The i-th cell of the record. */
struct str csv_cell(const struct rows *r, size_t i);
int csv_header(struct rows *r, struct err *e);
/* -1: no such field; the error lists those there are. */
int csv_need(const struct rows *r, struct str name, struct err *e);
enum rows_result csv_row(struct rows *r, struct arena *a, struct row *out, struct err *e);

/* rows.c: UTF-8 and no NUL. */
int rows_text_check(struct str s, struct err *e);

#endif
