/*
 * value: see value.h. A map is an array of entries in insertion order; above
 * MAP_LINEAR entries it also has an open-addressing index, so that a profile
 * with thousands of fields stays cheap and hostile keys stay harmless (the
 * hash is seeded by the process).
 */
#include "base/value.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define MAP_LINEAR 8

struct map_entry {
	struct str key;
	const struct value *v;
};

struct value_map {
	struct map_entry *e;
	size_t n, cap;
	uint32_t *index; /* entry number + 1; 0: free. size index_mask + 1 */
	size_t index_mask;
};

const struct value VALUE_NULL_V = { .type = VALUE_NULL };
const struct value VALUE_TRUE_V = { .type = VALUE_BOOL, .b = true };
const struct value VALUE_FALSE_V = { .type = VALUE_BOOL, .b = false };
const struct value VALUE_EMPTY_STRING_V = { .type = VALUE_STRING, .s = { "", 0 } };

/* Drawn once; the seed only has to be unknown to whoever writes keys. */
static uint64_t
hash_seed(void)
{
	static _Atomic uint64_t seed;
	uint64_t s = atomic_load_explicit(&seed, memory_order_relaxed);
	if (s == 0) {
		uint64_t fresh = 0, none = 0;
		if (getrandom(&fresh, sizeof(fresh), 0) != (ssize_t)sizeof(fresh))
			fresh = (uint64_t)(uintptr_t)&fresh;
		fresh |= 1;
		s = atomic_compare_exchange_strong(&seed, &none, fresh) ? fresh : none;
	}
	return s;
}

static uint64_t
hash_key(struct str key)
{
	uint64_t h = hash_seed();
	for (size_t i = 0; i < key.n; i++) {
		h ^= (unsigned char)key.p[i];
		h *= 0x9E3779B97F4A7C15u;
		h ^= h >> 29;
	}
	return h;
}

struct value *
value_string(struct arena *a, struct str s)
{
	struct value *v = ARENA_NEW(a, struct value);
	v->type = VALUE_STRING;
	v->s = s;
	return v;
}

struct value *
value_int(struct arena *a, int64_t i)
{
	struct value *v = ARENA_NEW(a, struct value);
	v->type = VALUE_INT;
	v->i = i;
	return v;
}

struct value *
value_real(struct arena *a, double r)
{
	struct value *v = ARENA_NEW(a, struct value);
	v->type = VALUE_REAL;
	v->r = r;
	return v;
}

const struct value *
value_bool(bool b)
{
	return b ? &VALUE_TRUE_V : &VALUE_FALSE_V;
}

struct value *
value_list(struct arena *a, size_t n)
{
	struct value *v = ARENA_NEW(a, struct value);
	v->type = VALUE_LIST;
	v->list.items = ARENA_ARRAY(a, const struct value *, n);
	v->list.n = n;
	for (size_t i = 0; i < n; i++)
		v->list.items[i] = &VALUE_NULL_V;
	return v;
}

struct value *
value_map_new(struct arena *a)
{
	struct value *v = ARENA_NEW(a, struct value);
	v->type = VALUE_MAP;
	v->map = ARENA_NEW(a, struct value_map);
	return v;
}

static void
index_insert(struct value_map *m, size_t entry)
{
	size_t at = hash_key(m->e[entry].key) & m->index_mask;
	while (m->index[at] != 0)
		at = (at + 1) & m->index_mask;
	m->index[at] = (uint32_t)(entry + 1);
}

static void
index_rebuild(struct arena *a, struct value_map *m)
{
	size_t size = 32;
	while (size < m->cap * 2)
		size *= 2;
	m->index = ARENA_ARRAY(a, uint32_t, size);
	m->index_mask = size - 1;
	for (size_t i = 0; i < m->n; i++)
		index_insert(m, i);
}

static struct map_entry *
map_find(const struct value_map *m, struct str key)
{
	if (m->index == NULL) {
		for (size_t i = 0; i < m->n; i++)
			if (str_eq(m->e[i].key, key))
				return &m->e[i];
		return NULL;
	}
	for (size_t at = hash_key(key) & m->index_mask; m->index[at] != 0; at = (at + 1) & m->index_mask)
		if (str_eq(m->e[m->index[at] - 1].key, key))
			return &m->e[m->index[at] - 1];
	return NULL;
}

void
value_map_set(struct arena *a, struct value *map, struct str key, const struct value *v)
{
	struct value_map *m = map->map;
	struct map_entry *old = map_find(m, key);
	if (old != NULL) {
		old->v = v;
		return;
	}
	bool grown = m->n == m->cap;
	if (grown) {
		size_t cap = m->cap ? m->cap * 2 : MAP_LINEAR;
		struct map_entry *e = ARENA_ARRAY(a, struct map_entry, cap);
		if (m->n > 0)
			memcpy(e, m->e, m->n * sizeof(*e));
		m->e = e;
		m->cap = cap;
	}
	m->e[m->n] = (struct map_entry){ key, v };
	m->n++;
	if (m->n > MAP_LINEAR && (grown || m->index == NULL))
		index_rebuild(a, m);
	else if (m->index != NULL)
		index_insert(m, m->n - 1);
}

const struct value *
value_map_get(const struct value *v, struct str key)
{
	if (v == NULL || v->type != VALUE_MAP)
		return NULL;
	const struct map_entry *e = map_find(v->map, key);
	return e ? e->v : NULL;
}

size_t
value_map_count(const struct value *v)
{
	return v != NULL && v->type == VALUE_MAP ? v->map->n : 0;
}

void
value_map_entry(const struct value *v, size_t i, struct str *key, const struct value **val)
{
	*key = v->map->e[i].key;
	*val = v->map->e[i].v;
}

static const struct value *
value_step(const struct value *v, struct str name)
{
	if (v->type == VALUE_MAP)
		return value_map_get(v, name);
	if (v->type != VALUE_LIST || name.n == 0 || name.n > 9)
		return NULL;
	size_t i = 0;
	for (size_t k = 0; k < name.n; k++) {
		if (!ascii_isdigit(name.p[k]))
			return NULL;
		i = i * 10 + (size_t)(name.p[k] - '0');
	}
	return i < v->list.n ? v->list.items[i] : NULL;
}

const struct value *
value_path(const struct value *v, struct str dotted)
{
	struct str token, rest = dotted;
	if (v == NULL || dotted.n == 0)
		return NULL;
	while (v != NULL && str_split(&rest, '.', &token))
		v = value_step(v, token);
	return v;
}

size_t
value_length(const struct value *v)
{
	if (v == NULL)
		return 0;
	switch (v->type) {
	case VALUE_LIST:
		return v->list.n;
	case VALUE_MAP:
		return v->map->n;
	case VALUE_STRING:
		return v->s.n;
	default:
		return 0;
	}
}

/* Shortest of 15, 16, 17 significant digits that reads back. */
static void
print_real(struct buf *b, double r)
{
	char text[40];
	if (!isfinite(r))
		return; /* JSON has none; a plugin's are refused before */
	if (r == floor(r) && fabs(r) < 1e15) {
		buf_printf(b, "%.0f", r == 0 ? 0.0 : r);
		return;
	}
	for (int prec = 15; prec <= 17; prec++) {
		snprintf(text, sizeof(text), "%.*g", prec, r);
		if (strtod(text, NULL) == r)
			break;
	}
	buf_adds(b, str_of(text));
}

void
value_print(struct buf *b, const struct value *v)
{
	if (v == NULL)
		return;
	switch (v->type) {
	case VALUE_NULL:
		break;
	case VALUE_BOOL:
		buf_adds(b, v->b ? STR("true") : STR("false"));
		break;
	case VALUE_INT:
		buf_printf(b, "%lld", (long long)v->i);
		break;
	case VALUE_REAL:
		print_real(b, v->r);
		break;
	case VALUE_STRING:
		buf_adds(b, v->s);
		break;
	case VALUE_LIST:
		for (size_t i = 0; i < v->list.n; i++) {
			if (i > 0)
				buf_addc(b, ',');
			const struct value *item = v->list.items[i];
			if (item->type != VALUE_LIST && item->type != VALUE_MAP)
				value_print(b, item);
			else
				buf_adds(b,
					 item->type == VALUE_LIST ? STR("[list]") : STR("[object Object]"));
		}
		break;
	case VALUE_MAP:
		buf_adds(b, STR("[object Object]")); /* what Handlebars prints */
		break;
	}
}

double
value_number(const struct value *v, bool *ok)
{
	char text[64], *end;
	*ok = false;
	if (v == NULL)
		return 0;
	switch (v->type) {
	case VALUE_BOOL:
		*ok = true;
		return v->b ? 1 : 0;
	case VALUE_INT:
		*ok = true;
		return (double)v->i;
	case VALUE_REAL:
		*ok = true;
		return v->r;
	case VALUE_STRING:
		if (v->s.n == 0 || v->s.n >= sizeof(text))
			return 0;
		/* strtod would take " 1", "0x1p3", "inf" and "nan": only plain decimals count. */
		for (size_t i = 0; i < v->s.n; i++)
			if (!ascii_isdigit(v->s.p[i]) && memchr("+-.eE", v->s.p[i], 5) == NULL)
				return 0;
		memcpy(text, v->s.p, v->s.n);
		text[v->s.n] = '\0';
		double d = strtod(text, &end);
		*ok = *end == '\0' && isfinite(d);
		return *ok ? d : 0;
	default:
		return 0;
	}
}

const struct value *
value_copy(struct arena *a, const struct value *v)
{
	struct value *out;
	if (v == NULL)
		return NULL;
	switch (v->type) {
	case VALUE_STRING:
		out = value_string(a, arena_str(a, v->s));
		out->safe_html = v->safe_html;
		return out;
	case VALUE_LIST:
		out = value_list(a, v->list.n);
		for (size_t i = 0; i < v->list.n; i++)
			out->list.items[i] = value_copy(a, v->list.items[i]);
		return out;
	case VALUE_MAP:
		out = value_map_new(a);
		for (size_t i = 0; i < v->map->n; i++)
			value_map_set(a, out, arena_str(a, v->map->e[i].key), value_copy(a, v->map->e[i].v));
		return out;
	default:
		out = ARENA_NEW(a, struct value);
		*out = *v;
		return out;
	}
}
