/*
 * rows: profiles out of a CSV or NDJSON file, one row at a time, in memory
 * that does not grow with the file.
 *
 * CSV is RFC 4180: quotes, doubled quotes, line ends inside quotes; LF or CRLF;
 * a byte-order mark is skipped; the first row names the columns:
 *     email,first_name,age:number,vip:bool,order.total:number
 * Cells are strings unless the column says number (an integer or decimal as
 * JSON spells it) or bool (true false yes no 1 0). "order.total" becomes
 * {"order": {"total": …}}. An empty cell sets nothing.
 * NDJSON is one JSON object per line; blank lines are skipped.
 *
 * A row that is malformed, not UTF-8, holds a NUL or has more than ROWS_MAX_ROW
 * bytes is reported and passed over; its bytes are not kept. A quote that is
 * never closed runs to the end of the file: nothing inside it is taken for a
 * row.
 *
 * Threads: a struct rows belongs to one thread.
 */
#ifndef MT_RECIPIENT_ROWS_H
#define MT_RECIPIENT_ROWS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/value.h"

#define ROWS_MAX_ROW ((size_t)1 << 20)
#define ROWS_MAX_COLUMNS 1000
#define ROWS_MAX_NAME 128
#define ROWS_MAX_DEPTH 8

enum rows_format { ROWS_CSV, ROWS_NDJSON };

struct rows_options {
	enum rows_format format;
	struct str address_column; /* compared without regard to ASCII case; absent: rows have no address */
	char separator;		   /* 0: comma */
	bool separates;		   /* whoever runs this can name another one, with --separator */
	/* Like read(2): bytes, 0 at the end, -1 with errno. */
	ssize_t (*read)(void *ctx, char *p, size_t n);
	void *ctx;
};

struct row {
	uint64_t line;		     /* where it begins; 1 is the first line of the file */
	struct str address;	     /* as it stands, trimmed; never empty when they have one */
	const struct value *profile; /* a map, without the address */
};

enum rows_result {
	ROWS_ROW, /* *out is filled; its memory is in the arena given */
	ROWS_BAD, /* out->line and *e say what was passed over; go on */
	ROWS_END,
	ROWS_FATAL, /* *e: the file cannot be read, or its header makes no sense */
};

struct rows;
/* Never NULL; the header is read by the first rows_next. */
struct rows *rows_new(const struct rows_options *o);
void rows_free(struct rows **r);
enum rows_result rows_next(struct rows *r, struct arena *a, struct row *out, struct err *e);
/*
 * Reads the header if it was not, and says whether rows can have a field: a column of that name, or columns
 * below it ("order" where there is "order.total"). ERR_INPUT names what there is, and what comes close; as
 * rows_next otherwise. Rows of NDJSON may have any.
 */
int rows_need(struct rows *r, struct str name, struct err *e);
/* Bytes of the file read so far, for progress. */
uint64_t rows_bytes(const struct rows *r);

/* A cell as a typed value, as a column "NAME:TYPE" has it; -1: no such type, or the text is none. */
int rows_cell(struct arena *a, struct str type, struct str text, const struct value **out, struct err *e);
/* Sets "a.b.c" in map, making the maps between. -1: an empty step, too deep, or a step that is no map. */
int rows_set_path(struct arena *a, struct value *map, struct str path, const struct value *v, struct err *e);

#endif
