/* reco-knn: item neighbours by cosine with shrinkage (see reco.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/reco.h"

/* The transpose: who took each item. */
struct takers {
	size_t *end;
	uint32_t *user;
};

static struct takers
transpose(const struct reco_data *d, struct arena *a)
{
	size_t n = d->end[d->users - 1];
	struct takers t = { ARENA_ARRAY(a, size_t, d->items), ARENA_ARRAY(a, uint32_t, n) };
	for (size_t k = 0; k < n; k++)
		t.end[d->item[k]]++;
	for (size_t i = 1; i < d->items; i++)
		t.end[i] += t.end[i - 1];
	/* Filled from the back, so that ends become beginnings, and are put right again. */
	for (size_t u = d->users; u-- > 0;)
		for (size_t k = d->end[u]; k-- > (u == 0 ? 0 : d->end[u - 1]);)
			t.user[--t.end[d->item[k]]] = (uint32_t)u;
	for (size_t i = 0; i + 1 < d->items; i++)
		t.end[i] = t.end[i + 1];
	t.end[d->items - 1] = n;
	return t;
}

/* How many took both j and each other item; all of common is 0 before. Touched items go to seen. */
static size_t
count_common(const struct reco_data *d, const struct takers *t, size_t j, uint32_t *common, uint32_t *seen)
{
	size_t n = 0;
	for (size_t k = j == 0 ? 0 : t->end[j - 1]; k < t->end[j]; k++) {
		uint32_t u = t->user[k];
		for (size_t x = u == 0 ? 0 : d->end[u - 1]; x < d->end[u]; x++) {
			if (common[d->item[x]]++ == 0)
				seen[n++] = d->item[x];
		}
	}
	return n;
}

struct neighbourhood {
	struct reco_entry *v; /* of all items, `width` each: neighbours of j, and how near */
	size_t *n;
	size_t width;
};

static void
neighbours_find(const struct reco_data *d, const struct reco_options *o, const struct learn_progress *p,
		const float *popularity, struct arena *a, struct neighbourhood *hood)
{
	struct takers t = transpose(d, a);
	uint32_t *common = ARENA_ARRAY(a, uint32_t, d->items), *seen = ARENA_ARRAY(a, uint32_t, d->items);
	struct reco_entry *v = ARENA_ARRAY(a, struct reco_entry, d->items);
	for (size_t j = 0; j < d->items; j++) {
		size_t nseen = count_common(d, &t, j, common, seen), n = 0;
		for (size_t k = 0; k < nseen; k++) {
			uint32_t i = seen[k];
			double norm = sqrt((double)popularity[i]) * sqrt((double)popularity[j]);
			if (i != j)
				v[n++] = (struct reco_entry){ i, (float)(common[i] / (norm + o->shrink)) };
			common[i] = 0;
		}
		/* So that of equal ones the same are cut, whoever came first. */
		qsort(v, n, sizeof(*v), reco_by_item);
		hood->n[j] = reco_cut(v, n, hood->width);
		memcpy(hood->v + j * hood->width, v, hood->n[j] * sizeof(*v));
		if (j % 256 == 0)
			learn_report(p, &(struct learn_step){ j, d->items, NAN, NAN });
	}
}

/*
 * Neighbours are found item by item for the one that is recommended; a row of the model is of the one that
 * was taken.
 */
static int
rows_make(const struct neighbourhood *hood, size_t items, size_t keep, struct arena *a,
	  struct reco_rows *rows, struct err *e)
{
	size_t *end = ARENA_ARRAY(a, size_t, items), total = 0, widest = 1;
	int rc = 0;
	for (size_t j = 0; j < items; j++)
		for (size_t k = 0; k < hood->n[j]; k++)
			end[hood->v[j * hood->width + k].item]++;
	for (size_t i = 0; i < items; i++) {
		widest = end[i] > widest ? end[i] : widest;
		total += end[i];
		end[i] = total - end[i]; /* its beginning, for now */
	}
	struct reco_entry *all = ARENA_ARRAY(a, struct reco_entry, total);
	for (size_t j = 0; j < items; j++)
		for (size_t k = 0; k < hood->n[j]; k++) {
			struct reco_entry x = hood->v[j * hood->width + k];
			all[end[x.item]++] = (struct reco_entry){ (uint32_t)j, x.weight };
		}
	for (size_t i = 0; i < items && rc == 0; i++) {
		size_t from = i == 0 ? 0 : end[i - 1];
		rc = reco_rows_add(rows, i, all + from, reco_cut(all + from, end[i] - from, keep), e);
	}
	return rc;
}

int
reco_knn(const struct reco_data *d, const struct reco_options *o, const struct learn_progress *p,
	 struct arena *a, struct recommend_model *out, struct err *e)
{
	struct arena *own = arena_new(65536);
	struct reco_rows rows = { .end = ARENA_ARRAY(a, int32_t, d->items) };
	int rc;
	if (o->neighbours == 0 || !(o->shrink >= 0)) {
		rc = err_set(e, ERR_INPUT, "neighbours must be at least 1 and shrink at least 0");
	} else {
		size_t width = o->neighbours < d->items ? o->neighbours : d->items;
		struct neighbourhood hood = { .n = ARENA_ARRAY(own, size_t, d->items), .width = width };
		hood.v = ARENA_ARRAY(own, struct reco_entry, width * d->items);
		neighbours_find(d, o, p, out->popularity, own, &hood);
		rc = rows_make(&hood, d->items, o->keep, own, &rows, e);
	}
	if (rc == 0)
		rc = reco_rows_take(&rows, a, out, e);
	buf_free(&rows.item);
	buf_free(&rows.weight);
	arena_free(&own);
	return rc;
}
