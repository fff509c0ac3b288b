/* pick: see pick.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recommend/pick.h"
#include "recommend/private.h"

#define NONE UINT32_MAX

struct picker {
	const struct recommend_model *model;
	const struct catalog *catalog;
	struct pick_rules rules;
	uint32_t *item_of;  /* of the model's items: the catalog's number, or NONE */
	uint32_t *model_of; /* the other way */
	uint32_t *popular;  /* allowed items, the most popular first */
	size_t npopular, nknown;
	uint32_t *rank;	    /* of the catalog's items: place in popular, or NONE: not allowed */
	uint32_t *category; /* 0: none */
};

struct pick_scratch {
	void *model;	 /* recommend_scratch */
	float *scores;	 /* of the model's items */
	uint8_t *bought; /* of the catalog's items */
	struct recommend_taken taken[RECOMMEND_MAX_HISTORY];
	size_t ntaken;
};

/* ---- once ---- */

static bool
allowed(const struct catalog *c, const struct pick_rules *r, size_t i)
{
	double price = c->price[i];
	if (r->in_stock && c->stock[i] == 0)
		return false;
	return price < 0 ? r->min_price <= 0 && isinf(r->max_price)
			 : price >= r->min_price && price <= r->max_price;
}

static int
by_category(const void *pa, const void *pb, void *ctx)
{
	const struct catalog *c = ctx;
	struct str a = catalog_text(c, *(const uint32_t *)pa, CATALOG_CATEGORY);
	struct str b = catalog_text(c, *(const uint32_t *)pb, CATALOG_CATEGORY);
	return id_compare(a, b);
}

/* Equal texts get equal numbers. */
static void
categories_number(struct picker *p, struct arena *a)
{
	const struct catalog *c = p->catalog;
	uint32_t *order = ARENA_ARRAY(a, uint32_t, c->n), number = 0;
	p->category = ARENA_ARRAY(a, uint32_t, c->n);
	for (size_t i = 0; i < c->n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, c->n, sizeof(*order), by_category, (void *)(uintptr_t)c);
	for (size_t i = 0; i < c->n; i++) {
		struct str s = catalog_text(c, order[i], CATALOG_CATEGORY);
		if (s.n > 0 && (i == 0 || !str_eq(s, catalog_text(c, order[i - 1], CATALOG_CATEGORY))))
			number++;
		p->category[order[i]] = s.n > 0 ? number : 0;
	}
}

static float
popularity(const struct picker *p, uint32_t item)
{
	return p->model_of[item] == NONE ? 0 : p->model->popularity[p->model_of[item]];
}

static int
by_popularity(const void *pa, const void *pb, void *ctx)
{
	const struct picker *p = ctx;
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
	float x = popularity(p, a), y = popularity(p, b);
	if (x != y)
		return x < y ? 1 : -1;
	return (a > b) - (a < b);
}

static void
numbers_join(struct picker *p, struct arena *a)
{
	size_t items = p->model ? p->model->items : 0;
	p->item_of = ARENA_ARRAY(a, uint32_t, items);
	p->model_of = ARENA_ARRAY(a, uint32_t, p->catalog->n);
	for (size_t i = 0; i < p->catalog->n; i++)
		p->model_of[i] = NONE;
	for (size_t i = 0; i < items; i++) {
		long at = catalog_find(p->catalog, recommend_id(p->model, i));
		p->item_of[i] = at < 0 ? NONE : (uint32_t)at;
		if (at >= 0)
			p->model_of[at] = (uint32_t)i;
	}
}

struct picker *
picker_new(struct arena *a, const struct recommend_model *model, const struct catalog *catalog,
	   const struct pick_rules *rules, struct err *e)
{
	struct picker *p = ARENA_NEW(a, struct picker);
	*p = (struct picker){ .model = model, .catalog = catalog, .rules = *rules };
	numbers_join(p, a);
	categories_number(p, a);
	p->popular = ARENA_ARRAY(a, uint32_t, catalog->n);
	p->rank = ARENA_ARRAY(a, uint32_t, catalog->n);
	for (size_t i = 0; i < catalog->n; i++) {
		p->rank[i] = NONE;
		if (!allowed(catalog, rules, i))
			continue;
		p->popular[p->npopular++] = (uint32_t)i;
		p->nknown += p->model_of[i] != NONE;
	}
	if (p->npopular == 0) {
		err_set(
		    e, ERR_INPUT,
		    "of the %zu items of the catalog the rules (stock, price) let none through: there would "
		    "be nothing to recommend",
		    catalog->n);
		return NULL;
	}
	qsort_r(p->popular, p->npopular, sizeof(*p->popular), by_popularity, p);
	for (size_t i = 0; i < p->npopular; i++)
		p->rank[p->popular[i]] = (uint32_t)i;
	return p;
}

size_t
picker_items(const struct picker *p, size_t *known)
{
	*known = p->nknown;
	return p->npopular;
}

struct pick_scratch *
pick_scratch_new(const struct picker *p)
{
	struct pick_scratch *s = calloc(1, sizeof(*s));
	size_t items = p->model ? p->model->items : 0;
	if (!s)
		return NULL;
	s->model = malloc(p->model ? recommend_scratch(p->model) : 1);
	s->scores = malloc((items + 1) * sizeof(*s->scores));
	s->bought = calloc(p->catalog->n, 1);
	if (!s->model || !s->scores || !s->bought)
		pick_scratch_free(&s);
	return s;
}

void
pick_scratch_free(struct pick_scratch **sp)
{
	struct pick_scratch *s = *sp;
	if (!s)
		return;
	free(s->model);
	free(s->scores);
	free(s->bought);
	free(s);
	*sp = NULL;
}

/* ---- for each recipient ---- */

static void
taken_add(const struct picker *p, struct pick_scratch *s, struct str id)
{
	long item = p->model ? recommend_find(p->model, id) : -1;
	if (item < 0)
		return;
	for (size_t i = 0; i < s->ntaken; i++)
		if (s->taken[i].item == (uint32_t)item) {
			s->taken[i].count++;
			return;
		}
	if (s->ntaken < RECOMMEND_MAX_HISTORY)
		s->taken[s->ntaken++] = (struct recommend_taken){ (uint32_t)item, 1 };
}

static void
bought_mark(const struct picker *p, const struct pick_history *h, struct pick_scratch *s, bool on)
{
	for (size_t i = 0; i < h->nbought; i++) {
		long at = catalog_find(p->catalog, h->bought[i]);
		if (at < 0)
			continue;
		uint8_t was = s->bought[at];
		s->bought[at] = !on ? 0 : was < UINT8_MAX ? (uint8_t)(was + 1) : was;
	}
}

/* The best so far, best first. */
struct list {
	const struct picker *p;
	uint32_t item[PICK_MAX];
	float score[PICK_MAX];
	size_t n, fixed; /* the first `fixed` stay where they are */
};

/* Where the worst of a category that is full stands; the list's end when there is room. */
static size_t
category_worst(const struct list *l, uint32_t category)
{
	size_t same = 0, worst = l->n;
	if (l->p->rules.per_category == 0 || category == 0)
		return l->n;
	for (size_t i = 0; i < l->n; i++)
		if (l->p->category[l->item[i]] == category) {
			same++;
			worst = i;
		}
	return same < l->p->rules.per_category ? l->n : worst;
}

static bool
better(const struct list *l, uint32_t item, float score, size_t than)
{
	if (than < l->fixed || score != l->score[than])
		return than >= l->fixed && score > l->score[than];
	return l->p->rank[item] < l->p->rank[l->item[than]];
}

static void
list_offer(struct list *l, uint32_t item, float score)
{
	size_t out = category_worst(l, l->p->category[item]);
	for (size_t i = 0; i < l->fixed; i++)
		if (l->item[i] == item)
			return;
	if (out == l->n && l->n == l->p->rules.count)
		out = l->n - 1;
	if (out < l->n && !better(l, item, score, out))
		return;
	if (out == l->n)
		l->n++;
	for (; out > 0 && better(l, item, score, out - 1); out--) {
		l->item[out] = l->item[out - 1];
		l->score[out] = l->score[out - 1];
	}
	l->item[out] = item;
	l->score[out] = score;
}

/* What he bought, by how often; equal ones by popularity. */
static void
offer_bought(struct list *l, const struct pick_history *h, const struct pick_scratch *s)
{
	const struct picker *p = l->p;
	for (size_t i = 0; i < h->nbought; i++) {
		long at = catalog_find(p->catalog, h->bought[i]);
		bool there = at < 0 || p->rank[at] == NONE;
		for (size_t k = 0; !there && k < l->n; k++)
			there = l->item[k] == (uint32_t)at;
		if (!there)
			list_offer(l, (uint32_t)at, s->bought[at]);
	}
}

static void
offer_scores(struct list *l, struct pick_scratch *s)
{
	const struct picker *p = l->p;
	recommend_score(p->model, s->taken, s->ntaken, s->model, s->scores);
	for (size_t i = 0; i < p->model->items; i++) {
		uint32_t item = p->item_of[i];
		/* 0 says nothing, less speaks against it: popular ones are better then. */
		if (!(s->scores[i] > 0) || item == NONE || p->rank[item] == NONE ||
		    (p->rules.bought == PICK_EXCLUDE && s->bought[item]))
			continue;
		if (l->n < p->rules.count || s->scores[i] >= l->score[l->n - 1] || p->rules.per_category > 0)
			list_offer(l, item, s->scores[i]);
	}
}

static void
fill_popular(struct list *l, const struct pick_scratch *s, bool bought)
{
	const struct picker *p = l->p;
	for (size_t i = 0; i < p->npopular && l->n < p->rules.count; i++) {
		uint32_t item = p->popular[i];
		bool there = !bought && p->rules.bought == PICK_EXCLUDE && s->bought[item];
		for (size_t k = 0; !there && k < l->n; k++)
			there = l->item[k] == item;
		if (there || category_worst(l, p->category[item]) != l->n)
			continue;
		l->item[l->n] = item;
		l->score[l->n++] = 0;
	}
}

size_t
pick(const struct picker *p, const struct pick_history *h, struct pick_scratch *s, uint32_t *out,
     size_t *personal)
{
	struct list l = { .p = p };
	s->ntaken = 0;
	for (size_t i = 0; i < h->nbought; i++)
		taken_add(p, s, h->bought[i]);
	for (size_t i = 0; p->rules.views && i < h->nviewed; i++)
		taken_add(p, s, h->viewed[i]);
	bought_mark(p, h, s, true);
	if (p->rules.bought == PICK_FIRST) {
		offer_bought(&l, h, s);
		l.fixed = l.n;
	}
	if (s->ntaken > 0 && l.n < p->rules.count)
		offer_scores(&l, s);
	*personal = l.n;
	fill_popular(&l, s, false);
	if (l.n == 0)
		fill_popular(&l, s, true);
	bought_mark(p, h, s, false);
	memcpy(out, l.item, l.n * sizeof(*out));
	return l.n;
}
