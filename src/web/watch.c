/* watch: see watch.h. */
#include "web/watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 32768 /* 6 MiB */
#define LOCKS 64

struct slot {
	uint8_t copy[8];
	int64_t first_ms, last_ms;
	uint64_t links; /* bit per link number, folded: a few of more than 64 links may count as one */
	bool burst;
	uint64_t machine; /* a client that made a sure request; 0: none */
	struct kept {
		struct watch_earlier what;
		uint64_t client;
	} kept[WATCH_KEPT];
	size_t nkept;
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

/* A burst makes all its clicks a machine's, and what else came from who clicks now. */
static void
take_back(struct slot *s, bool burst, uint64_t client, struct watch_verdict *out)
{
	size_t left = 0;
	for (size_t i = 0; i < s->nkept; i++)
		if (s->kept[i].client == client || (burst && s->kept[i].what.kind == WATCH_CLICK))
			out->earlier[out->nearlier++] = s->kept[i].what;
		else
			s->kept[left++] = s->kept[i];
	s->nkept = left;
}

static void
judge(struct slot *s, const struct watch_request *rq, struct watch_verdict *out)
{
	bool click = rq->kind == WATCH_CLICK;
	if (click)
		s->links |= UINT64_C(1) << (rq->link & 63);
	s->burst = s->burst || __builtin_popcountll(s->links) >= WATCH_LINKS;
	if (rq->sure)
		s->machine = rq->client;
	bool burst = s->burst && click;
	out->reason = burst ? "burst" : s->machine != 0 && s->machine == rq->client ? "scanner" : NULL;
	if (out->reason != NULL)
		take_back(s, burst, rq->client, out);
	else if (rq->human && s->nkept < WATCH_KEPT)
		s->kept[s->nkept++] = (struct kept){ { rq->kind, rq->link }, rq->client };
}

void
watch_look(struct watch *w, const struct watch_request *rq, struct watch_verdict *out)
{
	uint64_t hash;
	*out = (struct watch_verdict){ 0 };
	/* Copy ids are keyed hashes out of authenticated tokens: nobody chooses them. */
	memcpy(&hash, rq->copy, sizeof(hash));
	size_t at = (size_t)(hash % SLOTS);
	pthread_mutex_lock(&w->locks[at % LOCKS]);
	struct slot *s = &w->slots[at];
	int64_t since_ms = rq->now_ms - s->last_ms; /* a clock may be set back */
	bool same =
	    memcmp(s->copy, rq->copy, sizeof(s->copy)) == 0 && since_ms < WATCH_MS && since_ms > -WATCH_MS;
	if (!same || (!s->burst && s->machine == 0 && rq->now_ms - s->first_ms >= WATCH_MS)) {
		*s = (struct slot){ .first_ms = rq->now_ms };
		memcpy(s->copy, rq->copy, sizeof(s->copy));
	}
	s->last_ms = rq->now_ms;
	judge(s, rq, out);
	pthread_mutex_unlock(&w->locks[at % LOCKS]);
}
