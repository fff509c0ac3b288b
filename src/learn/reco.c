/* reco: what the trainers share (see reco.h). */
#include <stdlib.h>
#include <string.h>

#include "learn/reco.h"

struct reco_options
reco_defaults(enum recommend_kind kind)
{
	return (struct reco_options){
		.kind = kind,
		/* knn has its neighbours, and no more */
		.keep = kind == RECOMMEND_KNN ? 0 : 200,
		.lambda = 500,
		.neighbours = 200,
		.shrink = 10,
		.factors = 32,
		.iterations = 10,
		.regularization = 10,
		.alpha = 1,
		.seed = 1,
	};
}

static int
by_magnitude(const void *pa, const void *pb)
{
	const struct reco_entry *a = pa, *b = pb;
	float x = a->weight < 0 ? -a->weight : a->weight, y = b->weight < 0 ? -b->weight : b->weight;
	if (x != y)
		return x < y ? 1 : -1;
	return (a->item > b->item) - (a->item < b->item);
}

int
reco_by_item(const void *pa, const void *pb)
{
	const struct reco_entry *a = pa, *b = pb;
	return (a->item > b->item) - (a->item < b->item);
}

/* Brings the `keep` first ones by magnitude to the front, in any order (Hoare's Find; the middle of three as
 * pivot). */
static void
largest_first(struct reco_entry *v, size_t n, size_t keep)
{
	while (n > 1 && keep > 0 && keep < n) {
		struct reco_entry a = v[0], b = v[n / 2], c = v[n - 1], pivot = b;
		size_t i = 0, j = n - 1;
		if ((by_magnitude(&a, &b) < 0) == (by_magnitude(&c, &a) < 0))
			pivot = a;
		else if ((by_magnitude(&a, &c) < 0) == (by_magnitude(&c, &b) < 0))
			pivot = c;
		for (;; i++, j--) {
			while (by_magnitude(&v[i], &pivot) < 0)
				i++;
			while (by_magnitude(&pivot, &v[j]) < 0)
				j--;
			if (i >= j)
				break;
			struct reco_entry t = v[i];
			v[i] = v[j];
			v[j] = t;
		}
		/*
		 * v[0..i) come before the pivot or are it, the others after it or are it. i is 0 where the
		 * pivot came first of all and stood first.
		 */
		i = i > 0 ? i : 1;
		if (keep <= i) {
			n = i;
		} else {
			v += i;
			n -= i;
			keep -= i;
		}
	}
}

size_t
reco_cut(struct reco_entry *v, size_t n, size_t keep)
{
	if (keep == 0 || n <= keep)
		return n;
	largest_first(v, n, keep);
	qsort(v, keep, sizeof(*v), reco_by_item);
	return keep;
}

int
reco_rows_add(struct reco_rows *r, size_t row, const struct reco_entry *v, size_t n, struct err *e)
{
	if (r->n + n > SAFETENSORS_MAX_FILE / 12)
		return err_set(e, ERR_LIMIT, "the model would be larger than 256 MiB: keep fewer weights");
	for (size_t i = 0; i < n; i++) {
		int32_t item = (int32_t)v[i].item;
		buf_add(&r->item, &item, sizeof(item));
		buf_add(&r->weight, &v[i].weight, sizeof(v[i].weight));
	}
	r->n += n;
	r->end[row] = (int32_t)r->n;
	return 0;
}

/* malloc's memory becomes the arena's. */
static const void *
moved(struct arena *a, struct buf *b)
{
	void *p = arena_alloc(a, b->n);
	memcpy(p, b->p, b->n);
	buf_free(b);
	return p;
}

int
reco_rows_take(struct reco_rows *r, struct arena *a, struct recommend_model *out, struct err *e)
{
	if (r->n == 0)
		return err_set(e, ERR_INPUT,
			       "no customer took two items: there is nothing to learn from (kind popular "
			       "needs no more)");
	out->row_end = r->end;
	out->row_item = moved(a, &r->item);
	out->row_weight = moved(a, &r->weight);
	return 0;
}

int
reco_train(const struct reco_data *d, const struct reco_options *o, const struct learn_progress *p,
	   struct arena *a, struct recommend_model *out, struct err *e)
{
	float *popularity = ARENA_ARRAY(a, float, d->items);
	if (d->users == 0 || d->items == 0)
		return err_set(e, ERR_INPUT, "there are no customers or no items to learn from");
	for (size_t k = 0; k < d->end[d->users - 1]; k++)
		popularity[d->item[k]]++;
	*out = (struct recommend_model){
		.kind = o->kind,
		.items = d->items,
		.id_end = d->id_end,
		.id_text = d->id_text,
		.popularity = popularity,
	};
	switch (o->kind) {
	case RECOMMEND_EASE:
		return reco_ease(d, o, p, a, out, e);
	case RECOMMEND_KNN:
		return reco_knn(d, o, p, a, out, e);
	case RECOMMEND_ALS:
		return reco_als(d, o, p, a, out, e);
	default:
		return 0;
	}
}
