/*
 * recommend/catalog: the items that can be recommended: what mail shows of them, and what rules ask.
 *
 * The file is a safetensors file with checksum, mapped and used where it lies, like a model's:
 *
 *     metadata     mailtailor "1", kind "catalog"
 *     price        F64 [n]     -1: none
 *     stock        I32 [n]     -1: not known, which counts as in stock
 *     text.end     I32 [n, 6]  ends of id, title, url, image, currency, category in text.bytes
 *     text.bytes   U8  [bytes]
 *
 * Items rise by id, byte by byte.
 *
 * Threads: a catalog is immutable.
 */
#ifndef MT_RECOMMEND_CATALOG_H
#define MT_RECOMMEND_CATALOG_H

#include "recommend/model.h"

#define CATALOG_MAX_ITEMS RECOMMEND_MAX_ITEMS
#define CATALOG_MAX_TITLE 500
#define CATALOG_MAX_URL 2000
#define CATALOG_MAX_CATEGORY 128
#define CATALOG_MAX_PRICE 1e9

enum catalog_field {
	CATALOG_ID,
	CATALOG_TITLE,
	CATALOG_URL,
	CATALOG_IMAGE,
	CATALOG_CURRENCY,
	CATALOG_CATEGORY,
	CATALOG_FIELDS
};
/* "id", "title" … */
const char *catalog_field_name(enum catalog_field f);

struct catalog {
	size_t n;
	const double *price;
	const int32_t *stock;
	const int32_t *end;
	const char *text;
};

struct str catalog_text(const struct catalog *c, size_t item, enum catalog_field f);
/* The item's number, or -1. */
long catalog_find(const struct catalog *c, struct str id);

/* As recommend_parse. */
int catalog_parse(struct arena *a, struct str bytes, struct catalog *out, struct err *e);

/* ---- making one ---- */

struct catalog_entry {
	struct str text[CATALOG_FIELDS]; /* image, currency and category may be empty */
	double price;			 /* -1: none */
	int32_t stock;			 /* -1: not known */
	uint64_t line;			 /* where it stood, for errors */
};

/*
 * Ids and titles are there, UTF-8 and without control characters; URLs are http or https; a price has a
 * currency (ISO 4217, three capitals). ERR_INPUT, ERR_LIMIT.
 */
int catalog_entry_check(const struct catalog_entry *x, struct err *e);
/* Puts them in order; ERR_INPUT, and the line: an id is there twice. */
int catalog_sort(struct catalog_entry *v, size_t n, uint64_t *line, struct err *e);
/* The bytes of the file of sorted entries, n > 0. ERR_LIMIT: over 256 MiB. */
int catalog_print(const struct catalog_entry *v, size_t n, struct buf *out, struct err *e);

#endif
