/*
 * random: numbers that are the same for the same seed, everywhere: splitmix64 (Steele, Lea, Flood 2014,
 * "Fast splittable pseudorandom number generators"). Not for secrets.
 */
#ifndef MT_LEARN_RANDOM_H
#define MT_LEARN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t
random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

/* In 0 … n - 1, n below 2^32: by multiplication (Lemire 2019), whose bias of n / 2^32 nobody sees here. */
static inline size_t
random_below(uint64_t *state, size_t n)
{
	return (size_t)((random_next(state) >> 32) * n >> 32);
}

/* In [0, 1). */
static inline double
random_unit(uint64_t *state)
{
	return (double)(random_next(state) >> 11) * 0x1p-53;
}

#endif
