/* limit: see limit.h. */
#include "web/limit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SETS 16384 /* of WAYS buckets each: 64k addresses at a time, 1.5 MiB */
#define WAYS 4
#define LOCKS 64
#define MINUTE_US 60e6

struct bucket {
	uint64_t tag; /* 0: unused */
	int64_t at_us;
	double left;
};

struct limiter {
	uint64_t key[2];
	pthread_mutex_t locks[LOCKS];
	struct bucket sets[SETS][WAYS];
};

struct limiter *
limiter_new(void)
{
	struct limiter *l = calloc(1, sizeof(*l));
	if (l == NULL || getrandom(l->key, sizeof(l->key), 0) != sizeof(l->key))
		abort();
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_init(&l->locks[i], NULL);
	return l;
}

void
limiter_free(struct limiter **lp)
{
	struct limiter *l = *lp;
	if (l == NULL)
		return;
	*lp = NULL;
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&l->locks[i]);
	free(l);
}

/* Two rounds of a 64-bit mixer (Stafford's variant 13 of the murmur3 finalizer) under secret keys. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t
address_tag(const struct limiter *l, const uint8_t addr[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint64_t high, low = 0;
	memcpy(&high, addr, 8);
	if (memcmp(addr, mapped, sizeof(mapped)) == 0)
		memcpy(&low, addr + 8, 8);
	uint64_t tag = mix(mix(high ^ l->key[0]) + (low ^ l->key[1]));
	return tag != 0 ? tag : 1;
}

/* The bucket of tag, or the one that has waited longest, made new. */
static struct bucket *
bucket_find(struct bucket *set, uint64_t tag, double burst, int64_t now_us)
{
	struct bucket *oldest = &set[0];
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].tag == tag)
			return &set[i];
		if (set[i].tag == 0 || (oldest->tag != 0 && set[i].at_us < oldest->at_us))
			oldest = &set[i];
	}
	*oldest = (struct bucket){ tag, now_us, burst };
	return oldest;
}

static bool
take(struct limiter *l, uint64_t tag, double burst, double per_us, int64_t now_us, int *retry_s)
{
	size_t set = (size_t)(tag % SETS);
	pthread_mutex_lock(&l->locks[set % LOCKS]);
	struct bucket *b = bucket_find(l->sets[set], tag, burst, now_us);
	b->left += (double)(now_us - b->at_us) * per_us;
	b->left = b->left < burst ? b->left : burst;
	b->at_us = now_us;
	bool ok = b->left >= 1;
	if (ok)
		b->left -= 1;
	else
		*retry_s = (int)((1 - b->left) / per_us / 1e6) + 1;
	pthread_mutex_unlock(&l->locks[set % LOCKS]);
	return ok;
}

bool
limiter_take(struct limiter *l, const uint8_t addr[16], int64_t rate, int64_t now_us, int *retry_s)
{
	if (rate <= 0)
		return true;
	double burst = rate >= 4 ? (double)rate / 4 : 1;
	return take(l, address_tag(l, addr), burst, (double)rate / MINUTE_US, now_us, retry_s);
}

bool
limiter_try(struct limiter *l, const uint8_t key[16], int burst, int64_t each_us, int64_t now_us,
	    int *retry_s)
{
	return take(l, address_tag(l, key), burst, 1 / (double)each_us, now_us, retry_s);
}
