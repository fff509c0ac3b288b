/*
 * json: text ↔ value (RFC 8259), through jansson unless it is plain (json-plain.h). Duplicate keys, NUL in
 * strings, ill-formed UTF-8, depth over `max_depth` and size over `max_bytes`
 * are errors that name the line and column.
 * Threads: safe.
 */
#ifndef MT_BASE_JSON_H
#define MT_BASE_JSON_H

#include "base/err.h"
#include "base/value.h"

struct json_limits {
	size_t max_bytes; /* 0: 16 MiB */
	int max_depth;	  /* 0: 32 */
	int line, column; /* of the text's first byte in what it was cut from, for errors; 0: 1, 1 */
};

/* Any JSON value at top level. The text is copied; *out lives in a. */
int json_parse(struct arena *a, struct str text, const struct json_limits *lim, const struct value **out,
	       struct err *e);
/* Compact, keys in insertion order. */
void json_print(struct buf *b, const struct value *v);
/* Two-space indented, for people. */
void json_print_pretty(struct buf *b, const struct value *v);
/* A quoted, escaped JSON string. Ill-formed UTF-8 becomes U+FFFD. */
void json_print_string(struct buf *b, struct str s);

#endif
