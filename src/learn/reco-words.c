/* reco-words: see reco-words.h. */
#include <stdlib.h>
#include <string.h>

#include "learn/reco-words.h"

void
words_free(struct words *w)
{
	arena_free(&w->arena);
	free(w->text);
	free(w->slot);
	*w = (struct words){ 0 };
}

static void *
grown(void *p, size_t bytes)
{
	void *q = realloc(p, bytes);
	if (!q)
		abort(); /* as arenas do */
	return q;
}

/* FNV-1a, and splitmix64's last step so that the low bits hang on all. */
static uint64_t
hash(struct str s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
	return h ^ (h >> 31);
}

static size_t
slot_find(const struct words *w, struct str s)
{
	size_t i = hash(s) & (w->nslots - 1);
	while (w->slot[i] != 0 && !str_eq(w->text[w->slot[i] - 1], s))
		i = (i + 1) & (w->nslots - 1);
	return i;
}

static void
rehash(struct words *w)
{
	w->nslots = w->nslots ? 2 * w->nslots : 1024;
	free(w->slot);
	w->slot = grown(NULL, w->nslots * sizeof(*w->slot));
	memset(w->slot, 0, w->nslots * sizeof(*w->slot));
	for (size_t i = 0; i < w->n; i++)
		w->slot[slot_find(w, w->text[i])] = (uint32_t)i + 1;
}

uint32_t
words_add(struct words *w, struct str s)
{
	if (!w->arena)
		w->arena = arena_new(65536);
	if (2 * w->n >= w->nslots)
		rehash(w);
	size_t at = slot_find(w, s);
	if (w->slot[at] == 0) {
		if (w->n == w->cap) {
			w->cap = w->cap ? 2 * w->cap : 1024;
			w->text = grown(w->text, w->cap * sizeof(*w->text));
		}
		w->text[w->n++] = arena_str(w->arena, s);
		w->slot[at] = (uint32_t)w->n;
	}
	return w->slot[at] - 1;
}

static int
compare(const void *pa, const void *pb, void *texts)
{
	const struct str *t = texts, a = t[*(const uint32_t *)pa], b = t[*(const uint32_t *)pb];
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

uint32_t *
words_places(const struct words *w, struct arena *a)
{
	uint32_t *order = ARENA_ARRAY(a, uint32_t, w->n), *place = ARENA_ARRAY(a, uint32_t, w->n);
	for (size_t i = 0; i < w->n; i++)
		order[i] = (uint32_t)i;
	if (w->n > 0)
		qsort_r(order, w->n, sizeof(*order), compare, w->text);
	for (size_t i = 0; i < w->n; i++)
		place[order[i]] = (uint32_t)i;
	return place;
}
