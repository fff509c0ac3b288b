/*
 * items: which items personalizers chose for a copy (see engine-private.h). A purchase can then be held
 * against what was shown, and a recommender be judged by what it did, not by what it would do now.
 */
#include "engine/engine-private.h"

#include "base/json.h"

#define ITEMS_MAX 2048 /* bytes of them in a decision's details */

/* An item's id, when v is one: a map with a text "id". */
static struct str
item_id(const struct value *v)
{
	const struct value *id = value_map_get(v, STR("id"));
	return id != NULL && id->type == VALUE_STRING ? id->s : STR_NULL;
}

/* Appends ["a","b"], as many as there is room for; false, and nothing, when there is none. */
static bool
ids_print(struct buf *b, const struct value *list, size_t end)
{
	size_t before = b->n;
	bool any = false;
	for (size_t i = 0; list->type == VALUE_LIST && i < list->list.n; i++) {
		struct str id = item_id(list->list.items[i]);
		size_t at = b->n;
		if (id.n == 0)
			continue;
		buf_addc(b, any ? ',' : '[');
		json_print_string(b, id);
		if (b->n + 1 > end) {
			b->n = at;
			break;
		}
		any = true;
	}
	if (any)
		buf_addc(b, ']');
	else
		b->n = before;
	return any;
}

void
engine_items_print(const struct engine_copy *c, struct buf *b)
{
	const struct value *vars = c->plugins.vars, *v;
	size_t end = b->n + ITEMS_MAX - 1;
	bool any = false;
	struct str name;
	for (size_t i = 0; vars != NULL && i < value_map_count(vars); i++) {
		size_t before = b->n;
		value_map_entry(vars, i, &name, &v);
		buf_adds(b, any ? STR(",") : STR(",\"items\":{"));
		json_print_string(b, name);
		buf_addc(b, ':');
		if (ids_print(b, v, end))
			any = true;
		else
			b->n = before;
	}
	if (any)
		buf_addc(b, '}');
	b->p[b->n] = '\0';
}
