/* rewards: which copies had one; see arms.h. A table by copy id, open addressing. */
#include <stdlib.h>
#include <string.h>

#include "learn/arms.h"

#define NEVER INT64_MAX

struct slot {
	uint64_t copy; /* 0: free */
	int64_t at_ms; /* the first; NEVER: it was taken back */
};

struct learn_rewards {
	struct slot *slots;
	size_t n, cap; /* cap a power of two */
	enum conf_reward reward;
	void (*progress)(void *ctx, uint64_t number);
	void *ctx;
};

static uint64_t
copy_word(const uint8_t copy[EVENT_COPY_LEN])
{
	uint64_t w;
	memcpy(&w, copy, sizeof(w));
	return w;
}

/* Copy ids are keyed hashes: their bits are as good as any. */
static struct slot *
slot_find(const struct learn_rewards *r, uint64_t copy)
{
	size_t i = (size_t)copy & (r->cap - 1);
	while (r->slots[i].copy != 0 && r->slots[i].copy != copy)
		i = (i + 1) & (r->cap - 1);
	return &r->slots[i];
}

static void
grow(struct learn_rewards *r)
{
	struct slot *old = r->slots;
	size_t n = r->cap;
	r->cap = n ? n * 2 : 1024;
	if ((r->slots = calloc(r->cap, sizeof(*r->slots))) == NULL)
		abort();
	for (size_t i = 0; i < n; i++)
		if (old[i].copy != 0)
			*slot_find(r, old[i].copy) = old[i];
	free(old);
}

static void
reward_put(struct learn_rewards *r, uint64_t copy, int64_t at_ms)
{
	if (r->n * 4 >= r->cap * 3)
		grow(r);
	struct slot *s = slot_find(r, copy);
	if (s->copy == 0) {
		s->copy = copy;
		s->at_ms = at_ms;
		r->n++;
	} else if (at_ms < s->at_ms) {
		s->at_ms = at_ms;
	}
}

uint32_t
learn_reward_types(enum conf_reward reward)
{
	static const uint32_t types[] = {
		[CONF_REWARD_OPENED] = EVENT_BIT(EVENT_OPENED),
		[CONF_REWARD_CLICKED] = EVENT_BIT(EVENT_CLICKED),
		[CONF_REWARD_CONVERTED] = EVENT_BIT(EVENT_CONVERTED) | EVENT_BIT(EVENT_PURCHASED),
	};
	return types[reward];
}

/* Unique: of that type nothing by a person is left. A click's has the link's number, an open's has none. */
static bool
takes_back(enum conf_reward reward, const struct event_record *r)
{
	return r->event.type == EVENT_RECLASSIFIED && r->unique &&
	       (r->event.link >= 0 ? reward == CONF_REWARD_CLICKED : reward == CONF_REWARD_OPENED);
}

static bool
on_event(void *ctx, const struct event_record *record)
{
	struct learn_rewards *r = ctx;
	uint64_t copy = copy_word(record->event.copy);
	if (r->progress)
		r->progress(r->ctx, record->number);
	if (copy == 0)
		return true;
	if ((learn_reward_types(r->reward) & EVENT_BIT(record->event.type)) &&
	    event_by_person(record->event.class))
		reward_put(r, copy, record->event.at_ms);
	else if (takes_back(r->reward, record) && r->cap > 0)
		slot_find(r, copy)->at_ms = NEVER;
	return true;
}

struct learn_rewards *
learn_rewards_read(struct store *s, const struct conf_campaign *c,
		   void (*progress)(void *ctx, uint64_t number), void *ctx, struct err *e)
{
	const struct event_filter f = {
		.campaign = str_of(c->name),
		.types = learn_reward_types(c->policy.reward) | EVENT_BIT(EVENT_RECLASSIFIED),
	};
	struct learn_rewards *r = calloc(1, sizeof(*r));
	if (r == NULL)
		abort();
	r->reward = c->policy.reward;
	r->progress = progress;
	r->ctx = ctx;
	grow(r);
	if (event_each(s, &f, on_event, r, NULL, NULL, e) != 0)
		learn_rewards_free(&r);
	return r;
}

void
learn_rewards_free(struct learn_rewards **rp)
{
	struct learn_rewards *r = *rp;
	if (r == NULL)
		return;
	*rp = NULL;
	free(r->slots);
	free(r);
}

bool
learn_rewarded(const struct learn_rewards *r, const uint8_t copy[EVENT_COPY_LEN], int64_t at_ms,
	       int64_t window_ms)
{
	uint64_t word = copy_word(copy);
	const struct slot *s = slot_find(r, word);
	return word != 0 && s->copy == word && s->at_ms != NEVER && s->at_ms - at_ms <= window_ms;
}
