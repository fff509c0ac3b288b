/* json: jansson ↔ value; see json.h. */
#include "base/json.h"

#include "base/json-plain.h"

#include <jansson.h>
#include <math.h>

#define JSON_DEFAULT_BYTES (16u << 20)
#define JSON_DEFAULT_DEPTH 32

struct convert {
	struct arena *a;
	int max_depth;
	bool too_deep;
};

static const struct value *convert(struct convert *c, const json_t *j, int depth);

static const struct value *
convert_object(struct convert *c, const json_t *j, int depth)
{
	struct value *map = value_map_new(c->a);
	const char *key;
	json_t *item;
	/* jansson's macro wants a non-const object; it does not change it. */
	void *it = json_object_iter((json_t *)(uintptr_t)j);
	for (; it != NULL; it = json_object_iter_next((json_t *)(uintptr_t)j, it)) {
		key = json_object_iter_key(it);
		item = json_object_iter_value(it);
		value_map_set(c->a, map, arena_str(c->a, str_of(key)), convert(c, item, depth + 1));
	}
	return map;
}

static const struct value *
convert(struct convert *c, const json_t *j, int depth)
{
	if (depth > c->max_depth) {
		c->too_deep = true;
		return &VALUE_NULL_V;
	}
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return convert_object(c, j, depth);
	case JSON_ARRAY: {
		struct value *list = value_list(c->a, json_array_size(j));
		for (size_t i = 0; i < list->list.n; i++)
			list->list.items[i] = convert(c, json_array_get(j, i), depth + 1);
		return list;
	}
	case JSON_STRING:
		return value_string(c->a,
				    arena_str(c->a, str_make(json_string_value(j), json_string_length(j))));
	case JSON_INTEGER:
		return value_int(c->a, json_integer_value(j));
	case JSON_REAL:
		return value_real(c->a, json_real_value(j));
	case JSON_TRUE:
		return &VALUE_TRUE_V;
	case JSON_FALSE:
		return &VALUE_FALSE_V;
	case JSON_NULL:
		break;
	}
	return &VALUE_NULL_V;
}

static int
json_wrong(const struct json_limits *lim, const json_error_t *je, struct err *e)
{
	int line = je->line, column = je->column;
	if (lim && lim->column > 1 && line == 1)
		column += lim->column - 1;
	if (lim && lim->line > 1)
		line += lim->line - 1;
	return err_set(e, ERR_INPUT, "JSON, line %d, column %d: %s", line, column, je->text);
}

int
json_parse(struct arena *a, struct str text, const struct json_limits *lim, const struct value **out,
	   struct err *e)
{
	size_t max = lim && lim->max_bytes ? lim->max_bytes : JSON_DEFAULT_BYTES;
	struct convert c = { .a = a,
			     .max_depth = lim && lim->max_depth ? lim->max_depth : JSON_DEFAULT_DEPTH };
	json_error_t je;
	if (text.n > max)
		return err_set(e, ERR_LIMIT, "JSON of %zu bytes; at most %zu are allowed", text.n, max);
	if ((*out = json_plain(a, text, c.max_depth)) != NULL)
		return 0;
	json_t *j = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
	if (j == NULL)
		return json_wrong(lim, &je, e);
	*out = convert(&c, j, 1);
	json_decref(j);
	if (c.too_deep)
		return err_set(e, ERR_LIMIT, "JSON nested deeper than %d levels", c.max_depth);
	return 0;
}

/* Length of the well-formed UTF-8 character at p, or 0. */
static size_t
utf8_length(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80   ? 1
		     : p[0] < 0xc2 ? 0
		     : p[0] < 0xe0 ? 2
		     : p[0] < 0xf0 ? 3
		     : p[0] < 0xf5 ? 4
				   : 0;
	if (len == 0 || len > n || !str_is_utf8(str_make((const char *)p, len)))
		return 0;
	return len;
}

void
json_print_string(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= 0x80) {
			size_t len = utf8_length((const unsigned char *)s.p + i, s.n - i);
			if (len == 0)
				buf_adds(b, STR("\xef\xbf\xbd"));
			else if (c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0) /* C1: terminals obey them */
				buf_printf(b, "\\u%04x", (unsigned char)s.p[i + 1]);
			else
				buf_add(b, s.p + i, len);
			i += len ? len : 1;
			continue;
		}
		if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c == '\n')
			buf_adds(b, STR("\\n"));
		else if (c < 0x20 || c == 0x7f)
			buf_printf(b, "\\u%04x", c);
		else
			buf_addc(b, (char)c);
		i++;
	}
	buf_addc(b, '"');
}

static void
newline(struct buf *b, int indent)
{
	if (indent < 0)
		return;
	buf_addc(b, '\n');
	for (int i = 0; i < indent; i++)
		buf_adds(b, STR("  "));
}

/* indent < 0: compact */
static void
print(struct buf *b, const struct value *v, int indent)
{
	int inner = indent < 0 ? -1 : indent + 1;
	size_t n = v->type == VALUE_LIST || v->type == VALUE_MAP ? value_length(v) : 0;
	switch (v->type) {
	case VALUE_NULL:
		buf_adds(b, STR("null"));
		break;
	case VALUE_STRING:
		json_print_string(b, v->s);
		break;
	case VALUE_REAL:
		if (!isfinite(v->r))
			buf_adds(b, STR("null"));
		else
			value_print(b, v);
		break;
	case VALUE_LIST:
		buf_addc(b, '[');
		for (size_t i = 0; i < n; i++) {
			if (i > 0)
				buf_addc(b, ',');
			newline(b, inner);
			print(b, v->list.items[i], inner);
		}
		if (n > 0)
			newline(b, indent);
		buf_addc(b, ']');
		break;
	case VALUE_MAP:
		buf_addc(b, '{');
		for (size_t i = 0; i < n; i++) {
			struct str key;
			const struct value *item;
			value_map_entry(v, i, &key, &item);
			if (i > 0)
				buf_addc(b, ',');
			newline(b, inner);
			json_print_string(b, key);
			buf_adds(b, indent < 0 ? STR(":") : STR(": "));
			print(b, item, inner);
		}
		if (n > 0)
			newline(b, indent);
		buf_addc(b, '}');
		break;
	default:
		value_print(b, v);
	}
}

void
json_print(struct buf *b, const struct value *v)
{
	print(b, v, -1);
}

void
json_print_pretty(struct buf *b, const struct value *v)
{
	print(b, v, 0);
}
