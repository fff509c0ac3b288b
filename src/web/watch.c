/* watch: see watch.h. */
#include "web/watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 65536 /* 2.5 MiB */
#define LOCKS 64

struct slot {
	uint8_t copy[8];
	int64_t first_ms, last_ms;
	uint64_t links; /* bit per link number, folded: a few of more than 64 links may count as one */
	bool burst;
};

struct watch {
	pthread_mutex_t locks[LOCKS];
	struct slot slots[SLOTS];
};

struct watch *
watch_new(void)
{
	struct watch *w = calloc(1, sizeof(*w));
	if (w == NULL)
		abort();
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_init(&w->locks[i], NULL);
	return w;
}

void
watch_free(struct watch **wp)
{
	struct watch *w = *wp;
	if (w == NULL)
		return;
	*wp = NULL;
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&w->locks[i]);
	free(w);
}

bool
watch_click(struct watch *w, const uint8_t copy[8], int link, int64_t now_ms)
{
	uint64_t hash;
	/* Copy ids are keyed hashes out of authenticated tokens: nobody chooses them. */
	memcpy(&hash, copy, sizeof(hash));
	size_t at = (size_t)(hash % SLOTS);
	pthread_mutex_lock(&w->locks[at % LOCKS]);
	struct slot *s = &w->slots[at];
	bool same = memcmp(s->copy, copy, sizeof(s->copy)) == 0 && now_ms - s->last_ms < WATCH_MS;
	if (!same || (!s->burst && now_ms - s->first_ms >= WATCH_MS)) {
		*s = (struct slot){ .first_ms = now_ms };
		memcpy(s->copy, copy, sizeof(s->copy));
	}
	s->last_ms = now_ms;
	s->links |= UINT64_C(1) << (link & 63);
	s->burst = s->burst || __builtin_popcountll(s->links) >= WATCH_LINKS;
	bool burst = s->burst;
	pthread_mutex_unlock(&w->locks[at % LOCKS]);
	return burst;
}
