/* admin-columns: columns of an imported file that nothing reads, and which they were probably meant to be. */
#include "main/admin.h"

#include "base/json.h"
#include "base/value.h"

/* A file of objects may have any number of keys. */
#define MAX_SEEN 1000
#define MAX_SHOWN 20

struct unread {
	const char *name, *near; /* near: NULL, none comes close */
};

struct admin_columns {
	struct arena *arena;
	const struct admin_column_name *known;
	size_t nknown;
	struct value *seen; /* each name is looked at once */
	struct unread unread[MAX_SEEN];
	size_t n;
};

struct admin_columns *
admin_columns_new(const struct admin_column_name *known, size_t n)
{
	struct arena *a = arena_new(4096);
	struct admin_columns *c = ARENA_NEW(a, struct admin_columns);
	*c = (struct admin_columns){ .arena = a, .known = known, .nknown = n, .seen = value_map_new(a) };
	return c;
}

void
admin_columns_free(struct admin_columns **c)
{
	struct arena *a = *c ? (*c)->arena : NULL;
	arena_free(&a);
	*c = NULL;
}

/* By another name that it goes by, else by its spelling. */
static const char *
near_find(const struct admin_columns *c, struct str name)
{
	const char **names = ARENA_ARRAY(c->arena, const char *, c->nknown);
	for (size_t i = 0; i < c->nknown; i++) {
		const struct admin_column_name *k = &c->known[i];
		names[i] = k->name;
		for (size_t j = 0; j < ADMIN_COLUMN_ALSO && k->also[j]; j++)
			if (str_caseeq(name, str_of(k->also[j])))
				return k->name;
	}
	return conf_nearest(name, names, c->nknown);
}

static void
name_see(struct admin_columns *c, struct str key)
{
	struct str name = arena_str(c->arena, key);
	value_map_set(c->arena, c->seen, name, &VALUE_TRUE_V);
	for (size_t i = 0; i < c->nknown; i++)
		if (str_eq(name, str_of(c->known[i].name)))
			return;
	c->unread[c->n++] = (struct unread){ arena_cstr(c->arena, name), near_find(c, name) };
}

void
admin_columns_see(struct admin_columns *c, const struct value *row)
{
	for (size_t i = 0; i < value_map_count(row) && value_map_count(c->seen) < MAX_SEEN; i++) {
		struct str key;
		const struct value *v;
		value_map_entry(row, i, &key, &v);
		if (!value_map_get(c->seen, key))
			name_see(c, key);
	}
}

void
admin_columns_end(struct admin_columns *c, bool near_only)
{
	size_t kept = 0;
	for (size_t i = 0; i < c->n; i++) {
		struct unread u = c->unread[i];
		if (u.near && value_map_get(c->seen, str_of(u.near)))
			u.near = NULL;
		if (u.near || !near_only)
			c->unread[kept++] = u;
	}
	c->n = kept;
}

void
admin_columns_say(const struct admin_columns *c, const char *file, const char *what)
{
	const char *in = file ? file : "", *column = file ? ": column " : "", *more = file ? ": " : "";
	for (size_t i = 0; i < c->n && i < MAX_SHOWN; i++) {
		const struct unread *u = &c->unread[i];
		if (u->near)
			admin_say("%s%s\"%.64s\" %s; did you mean \"%s\"?", in, column, u->name, what,
				  u->near);
		else
			admin_say("%s%s\"%.64s\" %s", in, column, u->name, what);
	}
	if (c->n > MAX_SHOWN)
		admin_say("%s%sso do %zu more", in, more, c->n - MAX_SHOWN);
}

void
admin_columns_json(const struct admin_columns *c, struct buf *out)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < c->n; i++) {
		buf_adds(out, i > 0 ? STR(", {\"column\": ") : STR("{\"column\": "));
		json_print_string(out, str_of(c->unread[i].name));
		buf_adds(out, STR(", \"did_you_mean\": "));
		if (c->unread[i].near)
			json_print_string(out, str_of(c->unread[i].near));
		else
			buf_adds(out, STR("null"));
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}
