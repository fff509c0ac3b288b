/* group: figures by key. */
#include "report/report-private.h"

#include <stdlib.h>
#include <string.h>

void
sum_add(int64_t *sum, int64_t more)
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = more > 0 ? INT64_MAX : INT64_MIN;
}

/* ---- the list and its index ---- */

static size_t
slot_of(const struct report_list *l, uint64_t key)
{
	uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(h >> 32) & (l->nslots - 1);
	while (l->slots[i] != 0 && l->v[l->slots[i] - 1].key != key)
		i = (i + 1) & (l->nslots - 1);
	return i;
}

static void
list_grow(struct report_list *l)
{
	l->cap = l->cap ? l->cap * 2 : 16;
	l->nslots = l->cap * 2;
	l->v = reallocarray(l->v, l->cap, sizeof *l->v);
	free(l->slots);
	l->slots = calloc(l->nslots, sizeof *l->slots);
	if (!l->v || !l->slots)
		abort();
	for (size_t i = 0; i < l->n; i++)
		l->slots[slot_of(l, l->v[i].key)] = (uint32_t)i + 1;
}

struct report_group *
list_group(struct report_list *l, struct arena *a, uint64_t key, struct str name)
{
	if (l->n == l->cap)
		list_grow(l);
	size_t slot = slot_of(l, key);
	if (l->slots[slot] != 0)
		return &l->v[l->slots[slot] - 1];
	struct report_group *g = &l->v[l->n++];
	*g = (struct report_group){ .key = key, .name = arena_str(a, name) };
	l->slots[slot] = (uint32_t)l->n;
	return g;
}

static int
name_order(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static int
order_by_size(const void *x, const void *y)
{
	const struct report_group *a = x, *b = y;
	static const enum report_figure sizes[] = { FIGURE_SENT, FIGURE_HELD, FIGURE_SUPPRESSED };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		int64_t m = a->figures[sizes[i]].copies, n = b->figures[sizes[i]].copies;
		if (m != n)
			return m > n ? -1 : 1;
	}
	return name_order(a->name, b->name);
}

static int
order_by_key(const void *x, const void *y)
{
	const struct report_group *a = x, *b = y;
	return (a->key > b->key) - (a->key < b->key);
}

/* The index is of no use then, and goes. */
static void
list_sort(struct report_list *l, int (*order)(const void *, const void *))
{
	free(l->slots);
	l->slots = NULL;
	l->nslots = 0;
	if (l->n > 1)
		qsort(l->v, l->n, sizeof *l->v, order);
}

void
list_sort_by_size(struct report_list *l)
{
	list_sort(l, order_by_size);
}

void
list_sort_by_key(struct report_list *l)
{
	list_sort(l, order_by_key);
}

void
list_free(struct report_list *l)
{
	free(l->v);
	free(l->slots);
	*l = (struct report_list){ 0 };
}

/* ---- figures ---- */

/* Which figure counts that, or -1. */
static int
figure_of(enum event_type type, enum event_class class)
{
	static const int opened[EVENT_CLASSES] = { FIGURE_OPENED_UNKNOWN, FIGURE_OPENED_HUMAN,
						   FIGURE_OPENED_PROXY, FIGURE_OPENED_MACHINE };
	static const int clicked[EVENT_CLASSES] = { FIGURE_CLICKED_UNKNOWN, FIGURE_CLICKED_HUMAN,
						    FIGURE_CLICKED_PROXY, FIGURE_CLICKED_MACHINE };
	switch (type) {
	case EVENT_INJECTED:
		return FIGURE_SENT;
	case EVENT_HELD:
		return FIGURE_HELD;
	case EVENT_SUPPRESSED:
		return FIGURE_SUPPRESSED;
	case EVENT_FAILED:
		return FIGURE_FAILED;
	case EVENT_DELIVERED:
		return FIGURE_DELIVERED;
	case EVENT_DEFERRED:
		return FIGURE_DEFERRED;
	case EVENT_BOUNCED:
		return FIGURE_BOUNCED;
	case EVENT_OPENED:
		return opened[class];
	case EVENT_CLICKED:
		return clicked[class];
	case EVENT_CONVERTED:
		return FIGURE_CONVERTED;
	case EVENT_PURCHASED:
		return FIGURE_PURCHASED;
	case EVENT_VIEWED:
		return FIGURE_VIEWED;
	case EVENT_UNSUBSCRIBED:
		return FIGURE_UNSUBSCRIBED;
	case EVENT_COMPLAINED:
		return FIGURE_COMPLAINED;
	case EVENT_AUTO_REPLY:
		return FIGURE_AUTO_REPLIED;
	default: /* consent is about the recipient, not about a copy; reclassified: see take_back */
		return -1;
	}
}

static void
figure_add(struct report_group *g, int figure, int64_t copies, int64_t events)
{
	if (figure < 0)
		return;
	sum_add(&g->figures[figure].copies, copies);
	sum_add(&g->figures[figure].events, events);
}

/* What was a person's is a machine's: see event.h. */
static void
take_back(struct report_group *g, const struct event_counter *c, int64_t copies)
{
	bool click = c->link >= 0;
	figure_add(g, click ? FIGURE_CLICKED_HUMAN : FIGURE_OPENED_HUMAN, -copies, -c->count);
	figure_add(g, click ? FIGURE_CLICKED_MACHINE : FIGURE_OPENED_MACHINE, 0, c->count);
}

static void
money_add(struct report_group *g, struct arena *a, struct str currency, int64_t converted, int64_t purchased)
{
	struct report_money **m = &g->money;
	while (*m && name_order((*m)->currency, currency) < 0)
		m = &(*m)->next;
	if (!*m || !str_eq((*m)->currency, currency)) {
		struct report_money *more = ARENA_NEW(a, struct report_money);
		more->currency = arena_str(a, currency);
		more->next = *m;
		*m = more;
	}
	sum_add(&(*m)->converted, converted);
	sum_add(&(*m)->purchased, purchased);
}

void
group_count(struct report_group *g, struct arena *a, const struct event_counter *c, bool by_link)
{
	int64_t copies = by_link ? c->unique_link : c->unique;
	figure_add(g, figure_of(c->type, c->class), copies, c->count);
	if (c->type == EVENT_RECLASSIFIED)
		take_back(g, c, copies);
	if (c->type == EVENT_BOUNCED && str_eq(c->reason, STR("hard")))
		figure_add(g, FIGURE_BOUNCED_HARD, copies, c->count);
	if (c->type == EVENT_BOUNCED && str_eq(c->reason, STR("soft")))
		figure_add(g, FIGURE_BOUNCED_SOFT, copies, c->count);
	if (c->type != EVENT_CONVERTED && c->type != EVENT_PURCHASED)
		return;
	for (size_t i = 0; i < c->nvalues; i++)
		money_add(g, a, c->values[i].currency, c->type == EVENT_CONVERTED ? c->values[i].micros : 0,
			  c->type == EVENT_PURCHASED ? c->values[i].micros : 0);
}

void
group_add(struct report_group *g, struct arena *a, const struct report_group *other)
{
	for (int f = 0; f < REPORT_FIGURES; f++)
		figure_add(g, f, other->figures[f].copies, other->figures[f].events);
	for (const struct report_money *m = other->money; m; m = m->next)
		money_add(g, a, m->currency, m->converted, m->purchased);
}

void
group_settle(struct report_group *g)
{
	for (int f = 0; f < REPORT_FIGURES; f++) {
		struct report_count *n = &g->figures[f];
		n->copies = n->copies < 0 ? 0 : n->copies;
		n->events = n->events < 0 ? 0 : n->events;
	}
}

/* ---- names and rates ---- */

const char *
report_figure_name(enum report_figure f)
{
	static const char *const names[REPORT_FIGURES] = {
		"sent",
		"held",
		"suppressed",
		"failed",
		"delivered",
		"deferred",
		"bounced",
		"bounced_hard",
		"bounced_soft",
		"opened_human",
		"opened_proxy",
		"opened_machine",
		"opened_unknown",
		"clicked_human",
		"clicked_proxy",
		"clicked_machine",
		"clicked_unknown",
		"converted",
		"purchased",
		"viewed",
		"unsubscribed",
		"complained",
		"auto_replied",
	};
	return names[f];
}

const char *
report_rate_name(enum report_rate r)
{
	static const char *const names[REPORT_RATES] = { "delivered", "bounced",      "opened",	   "clicked",
							 "converted", "unsubscribed", "complained" };
	return names[r];
}

const char *
report_by_name(enum report_by by)
{
	static const char *const names[REPORT_BYS] = {
		"campaign", "arm", "domain", "segment", "hour", "link"
	};
	return names[by];
}

int
report_by_find(struct str name)
{
	for (int by = 0; by < REPORT_BYS; by++)
		if (str_eq(name, str_of(report_by_name((enum report_by)by))))
			return by;
	return -1;
}

struct str
group_label(const struct report_group *g)
{
	return g->name.n > 0 ? g->name : STR("(none)");
}

int64_t
report_rate_copies(const struct report_group *g, enum report_rate r)
{
	static const struct {
		enum report_figure a, b; /* both are added; the same: one */
	} of[REPORT_RATES] = {
		{ FIGURE_DELIVERED, FIGURE_DELIVERED },
		{ FIGURE_BOUNCED, FIGURE_BOUNCED },
		{ FIGURE_OPENED_HUMAN, FIGURE_OPENED_UNKNOWN },
		{ FIGURE_CLICKED_HUMAN, FIGURE_CLICKED_UNKNOWN },
		{ FIGURE_CONVERTED, FIGURE_CONVERTED },
		{ FIGURE_UNSUBSCRIBED, FIGURE_UNSUBSCRIBED },
		{ FIGURE_COMPLAINED, FIGURE_COMPLAINED },
	};
	int64_t n = g->figures[of[r].a].copies;
	if (of[r].a != of[r].b)
		sum_add(&n, g->figures[of[r].b].copies);
	return n;
}

struct stats_interval
report_rate_of(const struct report_group *g, enum report_rate r)
{
	int64_t k = report_rate_copies(g, r), n = g->figures[FIGURE_SENT].copies;
	if (n <= 0 || k > n || k < 0)
		return (struct stats_interval){ REPORT_NO_RATE, REPORT_NO_RATE, REPORT_NO_RATE };
	return stats_wilson(k, n, STATS_Z95);
}
