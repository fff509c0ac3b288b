/*
 * spool-sieve: which recipients full generations of keys surely do not hold.
 *
 * A Bloom filter in blocks of a cache line (Putze, Sanders, Singler, "Cache-,
 * Hash- and Space-Efficient Bloom Filters", 2007): a recipient's key chooses one
 * block and six bits in it. Blocks rise with keys, so that looking up many in
 * the order of keys goes through the sieve once, from one end to the other. With
 * 24 recipients to 448 bits about one in two thousand strangers is let
 * through, and costs a search in the trees.
 *
 * A bit lost on the disk would make a stranger of somebody who is there, and he
 * would be mailed twice. So each block has a check sum: one that is damaged lets
 * everybody through, and the sieve is made again when the next jobs come in.
 */
#include "store/spool-private.h"

#include <stdlib.h>

#define BLOCK 64
#define WORDS 7 /* of bits; the eighth is the check sum */
#define BLOCK_MEMBERS 24
#define PROBES 6

/*
 * In front: the number behind the last generation that it knows (4 bytes, big end first), then zeros; so long
 * that the blocks lie on cache lines behind the 16 bytes with which LMDB begins a page.
 */
#define HEAD 48

static uint64_t
word_get(const uint8_t *block, size_t i)
{
	uint64_t w;
	memcpy(&w, block + i * sizeof w, sizeof w);
	return w;
}

/* Odd factors, so that one word that differs always makes the sum differ; and no step waits for the one
 * before. */
static uint64_t
block_sum(const uint8_t *block, size_t number, size_t blocks, uint32_t end)
{
	static const uint64_t factor[WORDS] = { 0x9e3779b97f4a7c15u, 0xbf58476d1ce4e5b9u, 0x94d049bb133111ebu,
						0xd6e8feb86659fd93u, 0xff51afd7ed558ccdu, 0xc4ceb9fe1a85ec53u,
						0xa0761d6478bd642fu };
	uint64_t h = ((uint64_t)number << 32 ^ blocks) * 0xe7037ed1a0b428dbu + end * 0x8ebc6af09c88c6e3u;
	for (size_t i = 0; i < WORDS; i++)
		h += word_get(block, i) * factor[i];
	return h ^ h >> 32;
}

static size_t
block_of(const uint8_t rk[16], size_t blocks)
{
	return (size_t)(((be64_get(rk) >> 32) * (uint64_t)blocks) >> 32);
}

/* Six numbers below 512, from all bits of the key. */
static uint64_t
probes_of(const uint8_t rk[16])
{
	uint64_t h = (be64_get(rk) ^ be64_get(rk + 8) * 0xbf58476d1ce4e5b9u) * 0x94d049bb133111ebu;
	return h ^ h >> 32;
}

static size_t
probe_next(uint64_t *probes)
{
	size_t bit = (size_t)(*probes & 511) * (WORDS * 64) / 512;
	*probes >>= 9;
	return bit;
}

bool
spool_sieve_begin(struct spool_sieve *v, size_t members)
{
	v->n = HEAD + (members + BLOCK_MEMBERS - 1) / BLOCK_MEMBERS * BLOCK;
	v->p = calloc(1, v->n);
	return v->p != NULL;
}

void
spool_sieve_add(struct spool_sieve *v, const uint8_t rk[16])
{
	uint8_t *block = v->p + HEAD + block_of(rk, (v->n - HEAD) / BLOCK) * BLOCK;
	uint64_t probes = probes_of(rk);
	for (int i = 0; i < PROBES; i++) {
		size_t bit = probe_next(&probes);
		uint64_t w = word_get(block, bit / 64) | (uint64_t)1 << bit % 64;
		memcpy(block + bit / 64 * sizeof w, &w, sizeof w);
	}
}

void
spool_sieve_close(struct spool_sieve *v, uint32_t end)
{
	const size_t blocks = (v->n - HEAD) / BLOCK;
	for (int i = 0; i < 4; i++)
		v->p[i] = (uint8_t)(end >> (24 - 8 * i));
	for (size_t i = 0; i < blocks; i++) {
		uint8_t *block = v->p + HEAD + i * BLOCK;
		uint64_t sum = block_sum(block, i, blocks, end);
		memcpy(block + WORDS * sizeof sum, &sum, sizeof sum);
	}
}

uint32_t
spool_sieve_end(struct str bytes)
{
	const uint8_t *p = (const uint8_t *)bytes.p;
	if (bytes.n < HEAD + BLOCK || (bytes.n - HEAD) % BLOCK != 0)
		return 0;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void
spool_sieve_fetch(struct str bytes, const uint8_t rk[16])
{
	if (bytes.n >= HEAD + BLOCK)
		__builtin_prefetch(bytes.p + HEAD + block_of(rk, (bytes.n - HEAD) / BLOCK) * BLOCK);
}

enum spool_sifted
spool_sieve_look(struct str bytes, const uint8_t rk[16])
{
	const uint32_t end = spool_sieve_end(bytes);
	if (end == 0)
		return SPOOL_SIEVE_DAMAGED;
	const size_t blocks = (bytes.n - HEAD) / BLOCK, number = block_of(rk, blocks);
	const uint8_t *block = (const uint8_t *)bytes.p + HEAD + number * BLOCK;
	uint64_t probes = probes_of(rk);
	if (block_sum(block, number, blocks, end) != word_get(block, WORDS))
		return SPOOL_SIEVE_DAMAGED;
	for (int i = 0; i < PROBES; i++) {
		size_t bit = probe_next(&probes);
		if ((word_get(block, bit / 64) >> bit % 64 & 1) == 0)
			return SPOOL_SIEVE_NO;
	}
	return SPOOL_SIEVE_MAYBE;
}
