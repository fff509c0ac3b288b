/*
 * gbdt-bin: cells into bins. Most columns of a shop have few values (yes or no, counts): those get a bin for
 * each value, found through a small table; others are cut where the bins get about as many rows each, and
 * values that fill a bin alone have one of their own.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/gbdt-private.h"

/* Columns that are read at a time: a cache line of each row. */
#define BLOCK 8
/* Slots of the table of values: four for each that may be in it. */
#define SLOTS 1024
/* Rows that quantiles are taken of, at most. */
#define SAMPLE ((size_t)200000)

/* ---- numbers ---- */

struct values {
	size_t n;
	double value[SLOTS]; /* by slot */
	size_t count[SLOTS]; /* 0: free */
	uint8_t bin[SLOTS];
};

static size_t
slot_of(const struct values *v, double x)
{
	union {
		double d;
		uint64_t u;
	} bits = { .d = x };
	size_t slot = (size_t)(bits.u * 0x9E3779B97F4A7C15u >> 54);
	while (v->count[slot] > 0 && v->value[slot] != x)
		slot = (slot + 1) % SLOTS;
	return slot;
}

/* The different values of a column, if they are at most max. -0 is 0 here and everywhere below. */
static bool
values_find(struct values *v, const double *x, size_t n, size_t max)
{
	v->n = 0;
	memset(v->count, 0, sizeof(v->count));
	for (size_t i = 0; i < n; i++) {
		if (isnan(x[i]))
			continue;
		size_t slot = slot_of(v, x[i]);
		if (v->count[slot]++ > 0)
			continue;
		if (v->n == max)
			return false;
		v->value[slot] = x[i];
		v->n++;
	}
	return true;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Between a and b, a < b: not below a, below b. */
static double
between(double a, double b)
{
	double m = a / 2 + b / 2;
	return m >= a && m < b ? m : a;
}

/* Sorted and different values with their counts: the index of the last one of each bin but the last bin. */
static size_t
cuts_find(const size_t *count, size_t n, size_t rows, size_t max, size_t *cut)
{
	size_t bins = max, rest = rows, small = max, cuts = 0, filled = 0;
	double mean = (double)rows / (double)max;
	/* Values that would fill a bin have one; the others share what is left. */
	for (size_t i = 0; i < n; i++) {
		if ((double)count[i] >= mean) {
			small -= small > 1;
			rest -= count[i];
		}
	}
	double share = (double)rest / (double)small;
	for (size_t i = 0; i + 1 < n && cuts + 1 < bins; i++) {
		bool big = (double)count[i] >= mean, next = (double)count[i + 1] >= mean;
		filled += count[i];
		if (!big && (double)filled < share && !(next && (double)filled >= share / 2))
			continue;
		cut[cuts++] = i;
		filled = 0;
	}
	return cuts;
}

/* Thresholds of a column of many values. */
static void
quantiles(struct arena *a, const double *x, size_t n, size_t max, struct gbdt_column *c)
{
	struct arena *own = arena_new(4096);
	size_t step = n / SAMPLE + 1, m = 0, distinct = 0, cut[BINS_ALL];
	double *v = arena_alloc(own, (n / step + 1) * sizeof(*v));
	size_t *count = arena_alloc(own, (n / step + 1) * sizeof(*count));
	for (size_t i = 0; i < n; i += step)
		if (!isnan(x[i]))
			v[m++] = x[i];
	qsort(v, m, sizeof(*v), by_value);
	for (size_t i = 0; i < m; i++) {
		if (distinct > 0 && v[i] == v[distinct - 1]) {
			count[distinct - 1]++;
			continue;
		}
		v[distinct] = v[i];
		count[distinct++] = 1;
	}
	size_t cuts = distinct ? cuts_find(count, distinct, m, max, cut) : 0;
	c->n = cuts + 1;
	c->threshold = ARENA_ARRAY(a, double, cuts + 1);
	for (size_t k = 0; k < cuts; k++)
		c->threshold[k] = between(v[cut[k]], v[cut[k] + 1]);
	arena_free(&own);
}

static uint8_t
bin_search(const struct gbdt_column *c, double x)
{
	size_t at = 0, n = c->n - 1; /* thresholds below x stand before `at` */
	while (n > 0) {
		size_t half = n / 2;
		bool above = x > c->threshold[at + half];
		at = above ? at + half + 1 : at;
		n = above ? n - half - 1 : half;
	}
	return (uint8_t)(at + 1);
}

/* A bin for each value. */
static void
values_bins(struct arena *a, struct values *v, struct gbdt_column *c)
{
	double sorted[BINS_ALL] = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < SLOTS; i++)
		if (v->count[i] > 0)
			sorted[n++] = v->value[i];
	qsort(sorted, n, sizeof(*sorted), by_value);
	c->n = n > 0 ? n : 1;
	c->threshold = ARENA_ARRAY(a, double, c->n);
	for (size_t k = 0; k + 1 < n; k++)
		c->threshold[k] = between(sorted[k], sorted[k + 1]);
	for (size_t i = 0; i < SLOTS; i++)
		if (v->count[i] > 0)
			v->bin[i] = bin_search(c, v->value[i]);
}

static void
column_numbers(struct arena *a, struct values *v, const double *x, size_t n, size_t max,
	       struct gbdt_column *c, uint8_t *of, size_t stride)
{
	if (values_find(v, x, n, max)) {
		values_bins(a, v, c);
		for (size_t i = 0; i < n; i++)
			of[i * stride] = isnan(x[i]) ? BIN_MISSING : v->bin[slot_of(v, x[i])];
		return;
	}
	quantiles(a, x, n, max, c);
	for (size_t i = 0; i < n; i++)
		of[i * stride] = isnan(x[i]) ? BIN_MISSING : bin_search(c, x[i]);
}

/* ---- category codes ---- */

static int32_t
code_of(double x)
{
	int32_t code = x >= 0 && x <= GBDT_MAX_CODE ? (int32_t)x : -1;
	return (double)code == x ? code : -1;
}

struct category {
	uint32_t rows;
	int32_t code;
};

/* Frequent ones first. */
static int
by_rows(const void *a, const void *b)
{
	const struct category *x = a, *y = b;
	return x->rows != y->rows ? (x->rows < y->rows ? 1 : -1) : x->code - y->code;
}

static int
by_code(const void *a, const void *b)
{
	return ((const struct category *)a)->code - ((const struct category *)b)->code;
}

/* The most frequent codes get a bin each; others count as missing. */
static void
column_codes(struct arena *a, const double *x, size_t n, size_t max, struct gbdt_column *c, uint8_t *of,
	     size_t stride)
{
	struct arena *own = arena_new(4096);
	struct category *all = ARENA_ARRAY(own, struct category, GBDT_MAX_CODE + 1);
	uint8_t *bin = ARENA_ARRAY(own, uint8_t, GBDT_MAX_CODE + 1);
	size_t kinds = 0;
	for (int32_t k = 0; k <= GBDT_MAX_CODE; k++)
		all[k].code = k;
	for (size_t i = 0; i < n; i++)
		if (code_of(x[i]) >= 0)
			all[code_of(x[i])].rows++;
	for (size_t k = 0; k <= GBDT_MAX_CODE; k++)
		if (all[k].rows > 0)
			all[kinds++] = all[k];
	qsort(all, kinds, sizeof(*all), by_rows);
	kinds = kinds < max ? kinds : max;
	qsort(all, kinds, sizeof(*all), by_code);
	c->n = kinds > 0 ? kinds : 1;
	c->code = ARENA_ARRAY(a, int32_t, c->n);
	for (size_t k = 0; k < kinds; k++) {
		c->code[k] = all[k].code;
		bin[all[k].code] = (uint8_t)(k + 1);
	}
	for (size_t i = 0; i < n; i++)
		of[i * stride] = code_of(x[i]) < 0 ? BIN_MISSING : bin[code_of(x[i])];
	arena_free(&own);
}

/* ---- all ---- */

void
gbdt_bins_make(struct arena *a, const struct learn_data *d, size_t max, struct gbdt_bins *out)
{
	struct arena *own = arena_new(4096);
	struct values *v = ARENA_NEW(own, struct values);
	double *x = arena_alloc(own, d->rows * BLOCK * sizeof(*x));
	*out = (struct gbdt_bins){ .rows = d->rows, .cols = d->cols };
	out->columns = ARENA_ARRAY(a, struct gbdt_column, d->cols);
	out->of = arena_alloc(a, d->rows * d->cols);
	for (size_t k = 0; k < d->cols; k++) {
		struct gbdt_column *c = &out->columns[k];
		size_t block = d->cols - k / BLOCK * BLOCK;
		block = block < BLOCK ? block : BLOCK;
		for (size_t i = 0; k % BLOCK == 0 && i < d->rows; i++)
			for (size_t j = 0; j < block; j++)
				x[j * d->rows + i] = d->x[i * d->cols + k + j] + 0.0; /* -0 → 0 */
		if (d->categorical && d->categorical[k])
			column_codes(a, x + k % BLOCK * d->rows, d->rows, max, c, out->of + k, d->cols);
		else
			column_numbers(a, v, x + k % BLOCK * d->rows, d->rows, max, c, out->of + k, d->cols);
		c->first = out->total;
		out->total += c->n + 1;
	}
	arena_free(&own);
}
