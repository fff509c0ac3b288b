/*
 * gbdt-histogram: where training spends its time. By rows, not by columns: a row's bins lie side by side, its
 * derivatives are read once, and sums that follow each other go to different places, so that none waits for
 * the one before (in a column of yes and no, every other row's would).
 */
#include <string.h>

#include "learn/gbdt-private.h"

/* Two sums at once, which every x86-64 and ARM64 can. */
typedef int64_t pair __attribute__((vector_size(16), may_alias));

static inline __attribute__((always_inline)) void
add(struct gbdt_sum *to, pair what)
{
	*(pair *)to += what;
}

/* All columns are seen: their bins are read in order. */
static void
histogram_all(const struct gbdt_bins *b, struct gbdt_sum *const *at, const struct gbdt_sum *sums,
	      const uint32_t *rows, size_t n)
{
	size_t cols = b->cols, four = cols / 4 * 4;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *bin = b->of + rows[i] * cols;
		const pair s = *(const pair *)&sums[rows[i]];
		for (size_t k = 0; k < four; k += 4) {
			add(at[k] + bin[k], s);
			add(at[k + 1] + bin[k + 1], s);
			add(at[k + 2] + bin[k + 2], s);
			add(at[k + 3] + bin[k + 3], s);
		}
		for (size_t k = four; k < cols; k++)
			add(at[k] + bin[k], s);
	}
}

static void
histogram_some(const struct gbdt_bins *b, const struct gbdt_pick *pick, struct gbdt_sum *const *at,
	       const struct gbdt_sum *sums, const uint32_t *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *bin = b->of + rows[i] * b->cols;
		const pair s = *(const pair *)&sums[rows[i]];
		for (size_t k = 0; k < pick->n; k++)
			add(at[k] + bin[pick->columns[k]], s);
	}
}

void
gbdt_histogram(const struct gbdt_bins *b, const struct gbdt_pick *pick, const struct gbdt_sum *sums,
	       const uint32_t *rows, size_t n, struct gbdt_sum *h)
{
	struct gbdt_sum *at[MODEL_MAX_COLUMNS]; /* each column's bin 0 */
	for (size_t k = 0; k < pick->n; k++)
		at[k] = h + b->columns[pick->columns[k]].first;
	memset(h, 0, b->total * sizeof(*h));
	if (pick->n == b->cols)
		histogram_all(b, at, sums, rows, n);
	else
		histogram_some(b, pick, at, sums, rows, n);
}
