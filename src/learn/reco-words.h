/* reco-words: texts as numbers, each once (names of customers and items while a log is read). */
#ifndef MT_LEARN_RECO_WORDS_H
#define MT_LEARN_RECO_WORDS_H

#include <stdint.h>

#include "base/arena.h"

struct words {
	struct arena *arena; /* the texts */
	struct str *text;    /* n; grown by malloc */
	size_t n, cap;
	uint32_t *slot; /* open addressing: number + 1, 0: free */
	size_t nslots;	/* a power of two */
};

void words_free(struct words *w);
/* The text's number, a new one if need be. */
uint32_t words_add(struct words *w, struct str s);
/* place[number]: where each stands in the order of bytes, 0..n. In a. */
uint32_t *words_places(const struct words *w, struct arena *a);

#endif
