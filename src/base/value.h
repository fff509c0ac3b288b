/*
 * value: the data model that templates, profiles and plugins share: JSON's
 * types, with 64-bit integers kept apart from doubles so that long customer
 * numbers survive. All memory belongs to one arena; values are immutable once
 * built and may then be read by any number of threads.
 */
#ifndef MT_BASE_VALUE_H
#define MT_BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum value_type { VALUE_NULL, VALUE_BOOL, VALUE_INT, VALUE_REAL, VALUE_STRING, VALUE_LIST, VALUE_MAP };

struct value_map;

struct value {
	enum value_type type;
	bool safe_html; /* a string that its author vouches for as HTML (content blocks); only triple-stash
			   prints it raw */
	union {
		bool b;
		int64_t i;
		double r;
		struct str s;
		struct {
			const struct value **items;
			size_t n;
		} list;
		struct value_map *map;
	};
};

extern const struct value VALUE_NULL_V, VALUE_TRUE_V, VALUE_FALSE_V, VALUE_EMPTY_STRING_V;

struct value *value_string(struct arena *a, struct str s); /* s is not copied */
struct value *value_int(struct arena *a, int64_t i);
struct value *value_real(struct arena *a, double r);
const struct value *value_bool(bool b);
struct value *value_list(struct arena *a, size_t n); /* items zeroed: fill them */
struct value *value_map_new(struct arena *a);

/* Maps keep insertion order; keys are borrowed; setting an existing key replaces it in place. */
void value_map_set(struct arena *a, struct value *map, struct str key, const struct value *v);
/* NULL when absent or when v is no map. */
const struct value *value_map_get(const struct value *v, struct str key);
size_t value_map_count(const struct value *v);
/* The i-th entry in insertion order; i < count. */
void value_map_entry(const struct value *v, size_t i, struct str *key, const struct value **val);
/* "a.b.c" through maps (and list indexes); NULL when any step is missing. */
const struct value *value_path(const struct value *v, struct str dotted);

/* Mustache truth: false, null, empty list are false; "" and 0 are true. See template.h for Handlebars truth.
 */
size_t value_length(const struct value *v); /* list, map, string (bytes); else 0 */
/* Appends the value as a template prints it: numbers in shortest form that reads back, bool true/false, null
 * nothing. */
void value_print(struct buf *b, const struct value *v);
/* String or number or bool → double; *ok false otherwise. Numeric strings count. */
double value_number(const struct value *v, bool *ok);
/* Deep copy into another arena, strings included. */
const struct value *value_copy(struct arena *a, const struct value *v);

#endif
