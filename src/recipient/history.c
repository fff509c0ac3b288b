/* history: what a recipient bought and looked at, out of the event log. */
#include "base/json.h"
#include "recipient/recipient.h"

struct gathering {
	struct arena *a;
	struct buf purchased, viewed; /* struct str, in a */
	size_t looked;
};

static void
item_add(struct buf *list, const struct value *v)
{
	if (v && v->type == VALUE_STRING && v->s.n > 0 && list->n < RECIPIENT_MAX_HISTORY * sizeof(v->s))
		buf_add(list, &v->s, sizeof(v->s));
}

static bool
event_look(void *ctx, const struct event_record *r)
{
	struct gathering *g = ctx;
	const struct event *ev = &r->event;
	struct buf *list = ev->type == EVENT_PURCHASED ? &g->purchased : &g->viewed;
	const struct value *v;
	bool concerns = ev->type == EVENT_PURCHASED || ev->type == EVENT_VIEWED;
	/* Details that do not parse name no item; who wrote them was told then. */
	if (event_by_person(ev->class) && concerns && ev->details.n > 0 &&
	    json_parse(g->a, ev->details, NULL, &v, NULL) == 0) {
		const struct value *items = value_map_get(v, STR("items"));
		item_add(list, value_map_get(v, STR("item")));
		for (size_t i = 0; items && items->type == VALUE_LIST && i < items->list.n; i++)
			item_add(list, items->list.items[i]);
	}
	return ++g->looked < RECIPIENT_MAX_LOOKED;
}

static struct value *
list_of(struct gathering *g, struct buf *b)
{
	const struct str *s = (const struct str *)(const void *)b->p;
	struct value *list = value_list(g->a, b->n / sizeof(*s));
	for (size_t i = 0; i < list->list.n; i++)
		list->list.items[i] = value_string(g->a, s[i]);
	buf_free(b);
	return list;
}

int
recipient_history(const struct recipient_source *src, const struct recipient_key *rk, struct arena *a,
		  const struct value **out, struct err *e)
{
	struct gathering g = { .a = a };
	const struct event_filter filter = { .rk = rk->b };
	int rc = event_each(src->store, &filter, event_look, &g, NULL, NULL, e);
	struct value *purchased = list_of(&g, &g.purchased), *viewed = list_of(&g, &g.viewed);
	*out = NULL;
	if (rc == 0 && (purchased->list.n > 0 || viewed->list.n > 0)) {
		struct value *map = value_map_new(a);
		value_map_set(a, map, STR("purchased"), purchased);
		value_map_set(a, map, STR("viewed"), viewed);
		*out = map;
	}
	return rc;
}
