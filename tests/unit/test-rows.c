/*
 * test-rows: CSV and NDJSON, row by row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "recipient/rows.h"

/* A file in memory, handed out in pieces of `piece` bytes. */
struct source {
	const char *p;
	size_t n, piece;
};

static ssize_t
read_source(void *ctx, char *p, size_t n)
{
	struct source *s = ctx;
	size_t k = s->n < s->piece ? s->n : s->piece;
	k = k < n ? k : n;
	if (k > 0)
		memcpy(p, s->p, k);
	s->p += k;
	s->n -= k;
	return (ssize_t)k;
}

/* All rows as text: "LINE ADDRESS JSON\n", "LINE ! reason\n", "fatal reason\n". */
static char *
all_rows(enum rows_format format, char separator, struct str file, size_t piece)
{
	struct source s = { file.p, file.n, piece };
	struct rows_options o = { .format = format,
				  .address_column = STR("email"),
				  .separator = separator,
				  .separates = separator != 0,
				  .read = read_source,
				  .ctx = &s };
	struct rows *r = rows_new(&o);
	struct arena *a = arena_new(4096);
	struct buf b = { 0 };
	buf_addc(&b, '\n');
	for (;;) {
		struct row row;
		struct err e = { 0 };
		enum rows_result res = rows_next(r, a, &row, &e);
		if (res == ROWS_END)
			break;
		if (res == ROWS_FATAL) {
			buf_printf(&b, "fatal %s\n", e.text);
			break;
		}
		if (res == ROWS_BAD) {
			buf_printf(&b, "%d ! %s\n", (int)row.line, e.text);
		} else {
			buf_printf(&b, "%d %.*s ", (int)row.line, STR_ARG(row.address));
			json_print(&b, row.profile);
			buf_addc(&b, '\n');
		}
		arena_reset(a);
	}
	rows_free(&r);
	arena_free(&a);
	return b.p;
}

/* Whole, and byte by byte: how the file arrives changes nothing. */
static void
check(enum rows_format format, char separator, struct str file, const char *want)
{
	char *whole = all_rows(format, separator, file, 1 << 20),
	     *bytes = all_rows(format, separator, file, 1);
	assert_string_equal(whole, want);
	assert_string_equal(bytes, want);
	free(whole);
	free(bytes);
}

#define CSV(file, want) check(ROWS_CSV, 0, STR(file), "\n" want)
#define NDJSON(file, want) check(ROWS_NDJSON, 0, STR(file), "\n" want)

static void
test_csv(void **state)
{
	(void)state;
	CSV("email,name\na@b.c,Ann\n", "2 a@b.c {\"name\":\"Ann\"}\n");
	CSV("email,name\na@b.c,Ann", "2 a@b.c {\"name\":\"Ann\"}\n");
	CSV("\xef\xbb\xbf"
	    "Email,name\r\n a@b.c ,Ann\r\n\r\nb@b.c,Bob\r\n",
	    "2 a@b.c {\"name\":\"Ann\"}\n4 b@b.c {\"name\":\"Bob\"}\n");
	CSV("email,name\r\na@b.c,Ann\r", "2 a@b.c {\"name\":\"Ann\"}\n");
	CSV("name,email\n\"Ann, \"\"A\"\"\",a@b.c\n", "2 a@b.c {\"name\":\"Ann, \\\"A\\\"\"}\n");
	CSV("name,email\n\"two\r\nlines\",\"a@b.c\"\r\nx,b@b.c\n",
	    "2 a@b.c {\"name\":\"two\\u000d\\nlines\"}\n4 b@b.c {\"name\":\"x\"}\n");
	CSV("email,a,b\na@b.c,,\"\"\nb@b.c, ,x\n", "2 a@b.c {}\n3 b@b.c {\"a\":\" \",\"b\":\"x\"}\n");
	CSV("email\na@b.c\n\nb@b.c\n", "2 a@b.c {}\n4 b@b.c {}\n");
	check(ROWS_CSV, ';', STR("email;n\na@b.c;1,5\n"), "\n2 a@b.c {\"n\":\"1,5\"}\n");
	check(ROWS_CSV, '\t', STR("email\tn\na@b.c\t1\n"), "\n2 a@b.c {\"n\":\"1\"}\n");
}

/* What spreadsheets write in place of commas. */
static void
test_separators(void **state)
{
	(void)state;
	CSV("email;n:number;x\na@b.c;1;2\n", "fatal header: it is one column, \"email;n:number;x\": cells "
					     "seem to be separated by \";\", not by "
					     "\",\"; write commas between them\n");
	check(ROWS_CSV, '|', STR("email\tn\n"),
	      "\nfatal header: it is one column, \"email?n\": cells seem to be separated by \"\\t\", not by "
	      "\"|\"; say --separator '\\t'\n");
	check(ROWS_CSV, '\t', STR("email,n\n"),
	      "\nfatal header: it is one column, \"email,n\": cells seem to be separated by \",\", not by "
	      "\"\\t\"; say --separator ','\n");
	CSV("email,a;b\na@b.c,x\n", "2 a@b.c {\"a;b\":\"x\"}\n");
}

static void
test_csv_types(void **state)
{
	(void)state;
	CSV("email,n:number,v:bool,s:string\na@b.c,-12,Yes,7\nb@b.c,1.5e3,0,\n",
	    "2 a@b.c {\"n\":-12,\"v\":true,\"s\":\"7\"}\n3 b@b.c {\"n\":1500,\"v\":false}\n");
	CSV("email,n:number\na@b.c,9223372036854775807\n", "2 a@b.c {\"n\":9223372036854775807}\n");
	CSV("email,n:number\na@b.c,01\nb@b.c,1.\nc@b.c,0x1\nd@b.c,nan\ne@b.c,9223372036854775808\nf@b.c,"
	    "1e999\n",
	    "2 ! column \"n\": \"01\" is not a number\n"
	    "3 ! column \"n\": \"1.\" is not a number\n"
	    "4 ! column \"n\": \"0x1\" is not a number\n"
	    "5 ! column \"n\": \"nan\" is not a number\n"
	    "6 ! column \"n\": 9223372036854775808 does not fit into 64 bits\n"
	    "7 ! column \"n\": 1e999 is too large\n");
	CSV("email,v:bool\na@b.c,maybe\n",
	    "2 ! column \"v\": \"maybe\" is none of true, false, yes, no, 1, 0\n");
	CSV("email,o.n:number,o.t.x\na@b.c,1,y\nb@b.c,,z\n",
	    "2 a@b.c {\"o\":{\"n\":1,\"t\":{\"x\":\"y\"}}}\n3 b@b.c {\"o\":{\"t\":{\"x\":\"z\"}}}\n");
}

static void
test_csv_header(void **state)
{
	(void)state;
	CSV("", "fatal the file is empty; its first line must name the columns\n");
	CSV("address,n\n",
	    "fatal header: no column \"email\"; name the column of addresses with --address-column\n");
	CSV("n,E-Mail\n", "fatal header: no column \"email\"; name the column of addresses with "
			  "--address-column (perhaps \"E-Mail\")\n");
	CSV("email,n:date\n", "fatal header: column \"n\": type \"date\" is none of string, number, bool\n");
	CSV("email,n,n\n", "fatal header: column \"n\" is there twice, or is also the parent of another\n");
	CSV("email,o.x,o\n", "fatal header: column \"o\" is there twice, or is also the parent of another\n");
	CSV("email,o,o.x\n", "fatal header: \"o.x\": \"o\" is a value, not a group\n");
	CSV("email,o..x\n", "fatal header: \"o..x\": an empty name between dots\n");
	CSV("email,\n", "fatal header: a column's name has 1 to 128 bytes\n");
	CSV("email,a.b.c.d.e.f.g.h.i\n", "fatal header: \"a.b.c.d.e.f.g.h.i\": more than 8 names\n");
	CSV("email,\xff\n", "fatal header: it is not UTF-8 (convert the file: iconv -f … -t UTF-8)\n");
	CSV("email,\"n\n", "fatal header: the quote that opens on line 1 is never closed\n");
}

static void
test_csv_bad_rows(void **state)
{
	(void)state;
	CSV("email,n\na@b.c\nb@b.c,1,2\nc@b.c,3\n", "2 ! it has 1 columns, the header 2\n3 ! it has 3 "
						    "columns, the header 2\n4 c@b.c {\"n\":\"3\"}\n");
	CSV("email,n\n,1\nc@b.c,3\n", "2 ! no address in column \"email\"\n3 c@b.c {\"n\":\"3\"}\n");
	CSV("email,n\na@b.c,x\"y\nc@b.c,3\n", "2 ! a quote stands inside a cell that does not begin with one "
					      "(quote the cell, and double the quote)\n"
					      "3 c@b.c {\"n\":\"3\"}\n");
	CSV("email,n\na@b.c,\"x\"y\nc@b.c,3\n",
	    "2 ! there is text behind a closing quote\n3 c@b.c {\"n\":\"3\"}\n");
	CSV("email,n\na@b.c,\xc3\nc@b.c,3\n",
	    "2 ! it is not UTF-8 (convert the file: iconv -f … -t UTF-8)\n3 c@b.c {\"n\":\"3\"}\n");
	CSV("email,n\na@b.c\xc3,\xa4\nc@b.c,3\n",
	    "2 ! it is not UTF-8 (convert the file: iconv -f … -t UTF-8)\n3 c@b.c {\"n\":\"3\"}\n");
	CSV("email,n\na@b.c,\0\nc@b.c,3\n", "2 ! it holds a NUL byte\n3 c@b.c {\"n\":\"3\"}\n");
	/* Nothing inside an unclosed quote is taken for a row. */
	CSV("email,n\na@b.c,\"x\nevil@b.c,3\n", "2 ! the quote that opens on line 2 is never closed\n");
}

static void
test_long_rows(void **state)
{
	struct buf b = { 0 };
	(void)state;
	buf_adds(&b, STR("email,n\na@b.c,1\nb@b.c,\""));
	while (b.n < 10 * ROWS_MAX_ROW)
		buf_adds(&b, STR("evil@b.c,\"\"x\"\"\n"));
	buf_adds(&b, STR("\"\nc@b.c,3\n"));
	char *got = all_rows(ROWS_CSV, 0, buf_str(&b), 1 << 16);
	assert_non_null(strstr(got, "3 ! it has more than 1 MiB\n"));
	assert_null(strstr(got, "evil"));
	assert_non_null(strstr(got, " c@b.c {\"n\":\"3\"}\n"));
	free(got);
	buf_reset(&b);
	buf_adds(&b, STR("{\"email\":\"a@b.c\"}\n{\"email\":\""));
	while (b.n < 2 * ROWS_MAX_ROW)
		buf_addc(&b, 'x');
	buf_adds(&b, STR("\"}\n{\"email\":\"c@b.c\"}\n"));
	got = all_rows(ROWS_NDJSON, 0, buf_str(&b), 1 << 16);
	assert_string_equal(got, "\n1 a@b.c {}\n2 ! it has more than 1 MiB\n3 c@b.c {}\n");
	free(got);
	buf_reset(&b);
	buf_adds(&b, STR("email"));
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, ",c%d", i);
	got = all_rows(ROWS_CSV, 0, buf_str(&b), 1 << 16);
	assert_string_equal(got, "\nfatal header: it has more than 1000 columns\n");
	free(got);
	buf_free(&b);
}

static void
test_ndjson(void **state)
{
	(void)state;
	NDJSON("{\"email\":\" a@b.c \",\"n\":1,\"o\":{\"x\":[1,null]}}\r\n\n{\"Email\":\"b@b.c\"}",
	       "1 a@b.c {\"n\":1,\"o\":{\"x\":[1,null]}}\n3 b@b.c {}\n");
	NDJSON("\xef\xbb\xbf{\"email\":\"a@b.c\"}\n", "1 a@b.c {}\n");
	NDJSON("[1]\n{\"n\":1}\n{\"email\":5}\n{\"email\":\"\"}\n{\"email\":\"z@b.c\"}\n",
	       "1 ! not a JSON object\n2 ! no address under \"email\"\n3 ! no address under \"email\"\n"
	       "4 ! no address under \"email\"\n5 z@b.c {}\n");
	char *got = all_rows(ROWS_NDJSON, 0, STR("{\"email\":\"a@b.c\",\"x\":\"\\u0000\"}\n"), 99);
	assert_non_null(strstr(got, "1 ! JSON, line 1, column "));
	free(got);
	NDJSON("", "");
}

static ssize_t
read_fails(void *ctx, char *p, size_t n)
{
	(void)ctx;
	(void)p;
	(void)n;
	errno = EIO;
	return -1;
}

static void
test_read_error(void **state)
{
	struct rows_options o = { .address_column = STR("email"), .read = read_fails };
	struct rows *r = rows_new(&o);
	struct arena *a = arena_new(256);
	struct row row;
	struct err e = { 0 };
	(void)state;
	assert_int_equal(rows_next(r, a, &row, &e), ROWS_FATAL);
	assert_int_equal(e.kind, ERR_IO);
	rows_free(&r);
	rows_free(&r);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv),	     cmocka_unit_test(test_separators),
		cmocka_unit_test(test_csv_types),    cmocka_unit_test(test_csv_header),
		cmocka_unit_test(test_csv_bad_rows), cmocka_unit_test(test_long_rows),
		cmocka_unit_test(test_ndjson),	     cmocka_unit_test(test_read_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
