/* kmeans: see kmeans.h. */
#include "learn/kmeans.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "learn/random.h"

struct fitting {
	const double *x;
	size_t rows, cols, k;
	double *centres, *sums, *distance;
	size_t *group, *sizes;
};

static double
distance2(const double *a, const double *b, size_t cols)
{
	double sum = 0;
	for (size_t k = 0; k < cols; k++)
		sum += (a[k] - b[k]) * (a[k] - b[k]);
	return sum;
}

/* The next centre, drawn by its squared distance from those there are. False: every row is one already. */
static bool
centre_draw(struct fitting *f, size_t n, uint64_t *seed)
{
	double total = 0;
	for (size_t i = 0; i < f->rows; i++)
		total += f->distance[i];
	if (!(total > 0))
		return false;
	double u = random_unit(seed) * total;
	size_t at = f->rows;
	for (size_t i = 0; i < f->rows && (at == f->rows || u >= 0); i++) {
		u -= f->distance[i];
		if (f->distance[i] > 0)
			at = i;
	}
	memcpy(f->centres + n * f->cols, f->x + at * f->cols, f->cols * sizeof(double));
	return true;
}

static void
centres_begin(struct fitting *f, size_t k, uint64_t *seed)
{
	memcpy(f->centres, f->x + random_below(seed, f->rows) * f->cols, f->cols * sizeof(double));
	for (size_t i = 0; i < f->rows; i++)
		f->distance[i] = INFINITY;
	for (f->k = 1; f->k <= k; f->k++) {
		const double *last = f->centres + (f->k - 1) * f->cols;
		for (size_t i = 0; i < f->rows; i++)
			f->distance[i] = fmin(f->distance[i], distance2(f->x + i * f->cols, last, f->cols));
		if (f->k == k || !centre_draw(f, f->k, seed))
			return;
	}
}

static size_t
nearest(const double *centres, size_t k, size_t cols, const double *row, double *d2)
{
	size_t best = 0;
	*d2 = INFINITY;
	for (size_t c = 0; c < k; c++) {
		double d = distance2(centres + c * cols, row, cols);
		if (d < *d2) {
			*d2 = d;
			best = c;
		}
	}
	return best;
}

/* Inertia; *moved says whether any row changed its group. */
static double
assign(struct fitting *f, bool *moved)
{
	double sum = 0;
	*moved = false;
	for (size_t i = 0; i < f->rows; i++) {
		size_t g = nearest(f->centres, f->k, f->cols, f->x + i * f->cols, &f->distance[i]);
		*moved |= g != f->group[i];
		f->group[i] = g;
		sum += f->distance[i];
	}
	return sum;
}

/* An emptied group takes the row that is farthest from its own centre. */
static void
refill(struct fitting *f, size_t g)
{
	size_t far = 0;
	for (size_t i = 1; i < f->rows; i++)
		if (f->distance[i] > f->distance[far])
			far = i;
	memcpy(f->centres + g * f->cols, f->x + far * f->cols, f->cols * sizeof(double));
	f->distance[far] = 0;
}

static void
centres_move(struct fitting *f)
{
	memset(f->sums, 0, f->k * f->cols * sizeof(double));
	memset(f->sizes, 0, f->k * sizeof(*f->sizes));
	for (size_t i = 0; i < f->rows; i++) {
		f->sizes[f->group[i]]++;
		for (size_t c = 0; c < f->cols; c++)
			f->sums[f->group[i] * f->cols + c] += f->x[i * f->cols + c];
	}
	for (size_t g = 0; g < f->k; g++) {
		for (size_t c = 0; c < f->cols && f->sizes[g] > 0; c++)
			f->centres[g * f->cols + c] = f->sums[g * f->cols + c] / (double)f->sizes[g];
		if (f->sizes[g] == 0)
			refill(f, g);
	}
}

static double
start_run(struct fitting *f, const struct kmeans_options *o, uint64_t *seed)
{
	bool moved;
	memset(f->group, 0xff, f->rows * sizeof(*f->group));
	centres_begin(f, o->k, seed);
	double inertia = assign(f, &moved);
	for (size_t i = 0; i < (o->iterations ? o->iterations : 100) && moved; i++) {
		centres_move(f);
		inertia = assign(f, &moved);
	}
	return inertia;
}

/* ---- what is kept ---- */

struct order {
	size_t group, size;
	const double *centre;
	size_t cols;
};

static int
order_compare(const void *a, const void *b)
{
	const struct order *p = a, *q = b;
	if (p->size != q->size)
		return p->size < q->size ? 1 : -1;
	for (size_t k = 0; k < p->cols; k++)
		if (p->centre[k] != q->centre[k])
			return p->centre[k] < q->centre[k] ? -1 : 1;
	return 0;
}

static void
keep(const struct fitting *f, double inertia, struct kmeans *out)
{
	struct order order[KMEANS_MAX] = { 0 };
	memset(f->sizes, 0, f->k * sizeof(*f->sizes));
	for (size_t i = 0; i < f->rows; i++)
		f->sizes[f->group[i]]++;
	for (size_t g = 0; g < f->k; g++)
		order[g] = (struct order){ g, f->sizes[g], f->centres + g * f->cols, f->cols };
	qsort(order, f->k, sizeof(*order), order_compare);
	out->k = f->k;
	out->inertia = inertia;
	for (size_t g = 0; g < f->k; g++) {
		memcpy(out->centres + g * f->cols, order[g].centre, f->cols * sizeof(double));
		out->sizes[g] = order[g].size;
	}
}

static int
input_check(const double *x, size_t rows, size_t cols, size_t k, struct err *e)
{
	if (rows == 0 || cols == 0)
		return err_set(e, ERR_INPUT, "there is nobody to put into groups");
	if (k < 1 || k > KMEANS_MAX)
		return err_set(e, ERR_INPUT, "there can be 1 to %d groups", KMEANS_MAX);
	for (size_t i = 0; i < rows * cols; i++)
		if (!(fabs(x[i]) <= 1e100))
			return err_set(e, ERR_INPUT, "row %zu, column %zu is no number", i / cols + 1,
				       i % cols + 1);
	return 0;
}

int
kmeans_fit(const double *x, size_t rows, size_t cols, const struct kmeans_options *o, struct arena *a,
	   struct kmeans *out, size_t *group, struct err *e)
{
	uint64_t seed = o->seed;
	double inertia, least = INFINITY;
	if (input_check(x, rows, cols, o->k, e) != 0)
		return -1;
	struct arena *own = arena_new(65536);
	struct fitting f = { .x = x, .rows = rows, .cols = cols };
	f.centres = ARENA_ARRAY(own, double, o->k *cols);
	f.sums = ARENA_ARRAY(own, double, o->k *cols);
	f.distance = ARENA_ARRAY(own, double, rows);
	f.group = ARENA_ARRAY(own, size_t, rows);
	f.sizes = ARENA_ARRAY(own, size_t, o->k);
	*out = (struct kmeans){ .cols = cols };
	out->centres = ARENA_ARRAY(a, double, o->k *cols);
	out->sizes = ARENA_ARRAY(a, size_t, o->k);
	for (size_t i = 0; i < (o->starts ? o->starts : 8); i++) {
		inertia = start_run(&f, o, &seed);
		if (inertia < least) {
			least = inertia;
			keep(&f, inertia, out);
		}
	}
	for (size_t i = 0; i < rows && group; i++)
		group[i] = kmeans_assign(out, x + i * cols);
	arena_free(&own);
	return 0;
}

size_t
kmeans_assign(const struct kmeans *m, const double *row)
{
	double d2;
	return nearest(m->centres, m->k, m->cols, row, &d2);
}
