/* reco-data: from a log of who took what to matrices (see reco.h). */
#include <stdlib.h>
#include <string.h>

#include "learn/reco-words.h"
#include "learn/reco.h"

#define NONE UINT32_MAX

struct line {
	uint32_t customer, item;
	int64_t at_ms;
};

struct reco_log {
	struct words customers, items;
	struct buf lines;
};

struct reco_log *
reco_log_new(void)
{
	struct reco_log *l = calloc(1, sizeof(*l));
	if (!l)
		abort();
	return l;
}

void
reco_log_free(struct reco_log **lp)
{
	struct reco_log *l = *lp;
	if (!l)
		return;
	words_free(&l->customers);
	words_free(&l->items);
	buf_free(&l->lines);
	free(l);
	*lp = NULL;
}

size_t
reco_log_size(const struct reco_log *l)
{
	return l->lines.n / sizeof(struct line);
}

int
reco_log_add(struct reco_log *l, struct str customer, struct str item, int64_t at_ms, struct err *e)
{
	if (customer.n == 0 || item.n == 0)
		return err_set(e, ERR_INPUT, "the %s is empty", customer.n == 0 ? "customer" : "item");
	if (customer.n > RECOMMEND_MAX_ID || item.n > RECOMMEND_MAX_ID)
		return err_set(e, ERR_LIMIT, "the %s has more than %d bytes",
			       item.n > RECOMMEND_MAX_ID ? "item" : "customer", RECOMMEND_MAX_ID);
	if (reco_log_size(l) >= RECO_MAX_PAIRS || l->items.n >= RECOMMEND_MAX_ITEMS)
		return err_set(e, ERR_LIMIT, "there are more than %zu lines or %d items", RECO_MAX_PAIRS,
			       RECOMMEND_MAX_ITEMS);
	const struct line line = { words_add(&l->customers, customer), words_add(&l->items, item), at_ms };
	buf_add(&l->lines, &line, sizeof(line));
	return 0;
}

static int
by_pair(const void *pa, const void *pb)
{
	const struct line *a = pa, *b = pb;
	if (a->customer != b->customer)
		return a->customer < b->customer ? -1 : 1;
	return (a->item > b->item) - (a->item < b->item);
}

static int
by_pair_and_time(const void *pa, const void *pb)
{
	const struct line *a = pa, *b = pb;
	int c = by_pair(pa, pb);
	return c != 0 ? c : (a->at_ms > b->at_ms) - (a->at_ms < b->at_ms);
}

/* The lines of one side, customers and items by their places, sorted. */
static struct line *
lines_sort(const struct reco_log *l, const struct reco_split *split, bool train, struct arena *a, size_t *n)
{
	const struct line *all = (const struct line *)l->lines.p;
	size_t total = reco_log_size(l);
	uint32_t *customer = words_places(&l->customers, a), *item = words_places(&l->items, a);
	struct line *v = arena_alloc(a, total * sizeof(*v));
	*n = 0;
	for (size_t i = 0; i < total; i++)
		if ((all[i].at_ms < split->at_ms) == train)
			v[(*n)++] =
			    (struct line){ customer[all[i].customer], item[all[i].item], all[i].at_ms };
	if (*n > 0)
		qsort(v, *n, sizeof(*v), by_pair_and_time);
	return v;
}

struct ranked {
	uint32_t item, customers;
};

static int
by_customers(const void *pa, const void *pb)
{
	const struct ranked *a = pa, *b = pb;
	if (a->customers != b->customers)
		return a->customers < b->customers ? 1 : -1;
	return (a->item > b->item) - (a->item < b->item);
}

/* The new number of each place of an item, or NONE. Returns how many are left. */
static size_t
items_pick(const struct line *v, size_t n, size_t items, const struct reco_split *split, struct arena *a,
	   uint32_t *number)
{
	struct ranked *r = ARENA_ARRAY(a, struct ranked, items);
	size_t least = split->min_customers ? split->min_customers : 1, kept = 0, out = 0;
	size_t most = split->max_items ? split->max_items : RECOMMEND_MAX_ITEMS;
	for (size_t i = 0; i < items; i++) {
		r[i].item = (uint32_t)i;
		number[i] = NONE;
	}
	for (size_t i = 0; i < n; i++)
		if (i == 0 || by_pair(&v[i - 1], &v[i]) != 0)
			r[v[i].item].customers++;
	qsort(r, items, sizeof(*r), by_customers);
	while (kept < items && kept < most && r[kept].customers >= least)
		kept++;
	for (size_t i = 0; i < kept; i++)
		number[r[i].item] = 0;
	for (size_t i = 0; i < items; i++)
		if (number[i] != NONE)
			number[i] = (uint32_t)out++;
	return kept;
}

static int64_t
day_of(int64_t ms)
{
	int64_t day = ms / 86400000;
	return ms % 86400000 < 0 ? day - 1 : day;
}

static void
matrix_fill(const struct line *v, size_t n, const uint32_t *number, struct arena *a, struct reco_data *d)
{
	size_t k = 0, user = 0;
	d->end = ARENA_ARRAY(a, size_t, d->users);
	d->item = ARENA_ARRAY(a, uint32_t, n);
	d->count = ARENA_ARRAY(a, float, n);
	for (size_t i = 0; i < n; i++) {
		if (number[v[i].item] == NONE)
			continue;
		while (user < v[i].customer)
			d->end[user++] = k;
		if (i == 0 || by_pair(&v[i - 1], &v[i]) != 0) {
			d->item[k] = number[v[i].item];
			d->count[k++] = 1;
		} else {
			d->count[k - 1] += day_of(v[i].at_ms) != day_of(v[i - 1].at_ms);
		}
	}
	while (user < d->users)
		d->end[user++] = k;
}

static void
ids_fill(const struct reco_log *l, const uint32_t *number, struct arena *a, struct reco_data *d)
{
	const uint32_t *place = words_places(&l->items, a);
	struct str *ids = ARENA_ARRAY(a, struct str, d->items);
	size_t bytes = 0;
	for (size_t i = 0; i < l->items.n; i++)
		if (number[place[i]] != NONE) {
			ids[number[place[i]]] = l->items.text[i];
			bytes += l->items.text[i].n;
		}
	d->id_end = ARENA_ARRAY(a, int32_t, d->items);
	d->id_text = arena_alloc(a, bytes);
	bytes = 0;
	for (size_t i = 0; i < d->items; i++) {
		memcpy(d->id_text + bytes, ids[i].p, ids[i].n);
		bytes += ids[i].n;
		d->id_end[i] = (int32_t)bytes;
	}
}

int
reco_log_matrix(struct reco_log *l, const struct reco_split *split, struct arena *a, struct reco_data *train,
		struct reco_data *test, struct err *e)
{
	size_t n, ntest;
	struct arena *own = arena_new(65536);
	struct line *v = lines_sort(l, split, true, own, &n);
	uint32_t *number = ARENA_ARRAY(own, uint32_t, l->items.n);
	*train = (struct reco_data){ .users = l->customers.n };
	train->items = items_pick(v, n, l->items.n, split, own, number);
	if (train->items > 0) {
		matrix_fill(v, n, number, a, train);
		ids_fill(l, number, a, train);
	}
	if (train->items > 0 && test) {
		*test = *train;
		v = lines_sort(l, split, false, own, &ntest);
		matrix_fill(v, ntest, number, a, test);
	}
	arena_free(&own);
	return train->items > 0
		   ? 0
		   : err_set(e, ERR_INPUT,
			     "no item was taken by at least %zu customers: nothing to learn from",
			     split->min_customers ? split->min_customers : 1);
}
