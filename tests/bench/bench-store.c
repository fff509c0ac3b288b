/*
 * bench-store: what one durable reservation costs.
 *
 *     bench-store DIRECTORY [THREADS [REQUESTS [RECIPIENTS [CAPS]]]]
 *
 * Fills the ledger as four weekly mails to each recipient leave it, then lets THREADS threads (0: 1, 4 and
 * 64) reserve the fifth for random recipients: CAPS caps each (the first two are the recipient's, the third
 * its domain's), a sealed decision of 300 bytes, one expired decision to be dropped. Prints requests/s, CPU
 * and latency per request, and how many requests shared a commit. DIRECTORY must lie on the disk in question.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/store-private.h"

#define DAY ((int64_t)86400000)
#define NOW ((int64_t)1760000000000)
#define KEEP (28 * DAY)
#define WEEKS 4
#define DOMAINS 1000
#define FILL_BATCH 64 /* as a busy daemon groups */

struct bench {
	struct store *s;
	size_t caps;
	int64_t recipients, requests; /* requests: of each thread */
	uint64_t seed;
	pthread_t thread;
	int64_t *latency_us;
	int failed;
};

/* A well-mixed 64-bit hash (splitmix64): keys spread like the keyed hashes of real recipients. */
static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void
key_of(uint8_t out[16], uint64_t n)
{
	be64_put(out, mix(n));
	be64_put(out + 8, mix(~n));
}

static int
reserve(struct store *s, struct arena *a, size_t caps, uint64_t recipient, uint64_t copy, int64_t now)
{
	static char decision[300];
	struct cap_request c[3] = { { .limit = 1000, .window_ms = DAY },
				    { .limit = 5000, .window_ms = 7 * DAY },
				    { .limit = 1000000, .window_ms = DAY } };
	struct reserve_request rq = { .now_ms = now, .caps = c, .ncaps = caps, .decision_keep_ms = KEEP };
	struct reserve_result out;
	key_of(rq.rk, recipient);
	key_of(rq.idem, mix(copy) + 77);
	for (int i = 0; i < 3; i++) {
		key_of(c[i].id, i < 2 ? recipient : mix(recipient) % DOMAINS + 1000000007);
		c[i].id[15] = (uint8_t)(c[i].id[15] ^ (unsigned)(i + 1));
	}
	rq.decision = str_make(decision, sizeof decision);
	return store_reserve(s, &rq, a, &out, NULL) == 0 && out.status == RESERVE_OK ? 0 : -1;
}

static void
fill(struct store *s, size_t caps, int64_t recipients)
{
	struct arena *a = arena_new(4096);
	store_batch_begin(s, NULL);
	for (int64_t i = 0; i < recipients * WEEKS; i++) {
		int64_t week = i / recipients, now = NOW - (WEEKS - week) * 7 * DAY + i % recipients;
		if (reserve(s, a, caps, (uint64_t)(i % recipients), (uint64_t)i, now - DAY) != 0)
			exit(1);
		if (i % FILL_BATCH == FILL_BATCH - 1) {
			store_batch_end(s, true, NULL);
			store_batch_begin(s, NULL);
		}
	}
	store_batch_end(s, true, NULL);
	arena_free(&a);
}

static void *
work(void *arg)
{
	struct bench *b = arg;
	struct arena *a = arena_new(4096);
	for (int64_t i = 0; i < b->requests; i++) {
		uint64_t r = mix(b->seed << 32 | (uint64_t)i);
		int64_t from = clock_mono_us();
		b->failed += reserve(b->s, a, b->caps, r % (uint64_t)b->recipients, r, NOW + i) != 0;
		b->latency_us[i] = clock_mono_us() - from;
		arena_reset(a);
	}
	arena_free(&a);
	return NULL;
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void
run(struct store *s, size_t threads, int64_t requests, int64_t recipients, size_t caps, uint64_t seed)
{
	struct bench *b = calloc(threads, sizeof *b);
	int64_t each = requests / (int64_t)threads, total = each * (int64_t)threads, failed = 0;
	int64_t *latency = calloc((size_t)total, sizeof *latency);
	struct store_stats before, after;
	store_stats(s, &before, NULL);
	int64_t wall = clock_mono_us(), cpu = clock_cpu_us();
	for (size_t i = 0; i < threads; i++) {
		b[i] = (struct bench){ .s = s,
				       .caps = caps,
				       .recipients = recipients,
				       .requests = each,
				       .seed = seed + i,
				       .latency_us = latency + each * (int64_t)i };
		if (pthread_create(&b[i].thread, NULL, work, &b[i]) != 0)
			exit(1);
	}
	for (size_t i = 0; i < threads; i++) {
		pthread_join(b[i].thread, NULL);
		failed += b[i].failed;
	}
	wall = clock_mono_us() - wall;
	cpu = clock_cpu_us() - cpu;
	store_stats(s, &after, NULL);
	qsort(latency, (size_t)total, sizeof *latency, by_size);
	printf("%3zu threads: %7.0f/s  CPU %6.1f us/request  latency p50 %5lld us  p99 %6lld us  %.1f "
	       "requests/commit%s\n",
	       threads, (double)total * 1e6 / (double)wall, (double)cpu / (double)total,
	       (long long)latency[total / 2], (long long)latency[total * 99 / 100],
	       (double)(after.requests - before.requests) / (double)(after.commits - before.commits),
	       failed ? "  FAILED REQUESTS" : "");
	free(latency);
	free(b);
}

int
main(int argc, char **argv)
{
	struct err e = { 0 };
	if (argc < 2) {
		fprintf(stderr, "usage: bench-store DIRECTORY [THREADS [REQUESTS [RECIPIENTS [CAPS]]]]\n");
		return 64;
	}
	size_t threads = argc > 2 ? (size_t)atoll(argv[2]) : 0;
	int64_t requests = argc > 3 ? atoll(argv[3]) : 5000, recipients = argc > 4 ? atoll(argv[4]) : 50000;
	size_t caps = argc > 5 && atoll(argv[5]) < 3 ? (size_t)atoll(argv[5]) : 3;
	struct store_options o = { .directory = argv[1], .create = true };
	struct store *s = store_open(&o, &e);
	struct store_stats st;
	if (!s || store_writer_start(s, &e) != 0 || store_stats(s, &st, &e) != 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	if (st.decisions == 0)
		fill(s, caps, recipients);
	uint64_t seed = (uint64_t)clock_mono_us();
	if (threads > 0) {
		run(s, threads, requests, recipients, caps, seed);
	} else {
		run(s, 1, requests, recipients, caps, seed);
		run(s, 4, requests, recipients, caps, seed + 1000);
		run(s, 64, requests * 4, recipients, caps, seed + 2000);
	}
	store_stats(s, &st, NULL);
	printf("%lld decisions, %lld places, %lld MiB in use\n", (long long)st.decisions,
	       (long long)st.places, (long long)(st.map_used >> 20));
	store_close(&s);
	return 0;
}
