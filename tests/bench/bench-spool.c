/*
 * bench-spool: does a full spool take new jobs as fast as an empty one?
 *
 *     bench-spool [--json] DIRECTORY [JOBS]
 *
 * Adds JOBS jobs (1,000,000) of one message of 50 KB in an empty DIRECTORY, as a campaign's client does that
 * sends the same message again and again, each time to 1000 other recipients: all have one message key. Each
 * commit is timed; prints the median time and CPU per job for each tenth of the jobs, and the last tenth
 * against the first: as they came, and against an empty spool that is filled in turns with the last tenth
 * (DIRECTORY/empty), in the same weather. Then what a lookup of a job by its key and of a key that is not
 * there costs at the end, and the memory that is this program's own (RssAnon: without the pages of the spool
 * that it has mapped). DIRECTORY must lie on the disk in question and have 1 KB free for each job.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/spool-private.h"

#define NOW ((int64_t)1760000000000)
#define KEEP ((int64_t)30 * 86400000)
#define BATCH 1000
#define TENTHS 10
#define MESSAGE ((size_t)50 << 10)
#define PAYLOAD 160 /* address, DSN parameters and a few merge fields, sealed */
#define LOOKS 20000
#define UPDATES 64 /* as the injector's recorder commits them */

struct bench {
	struct store *s, *empty;
	struct spool_job jobs[BATCH];
	bool added[BATCH];
	char message[MESSAGE], payload[PAYLOAD];
	uint8_t content[16];
};

struct figures {
	int64_t jobs;
	double us[TENTHS], cpu_us[TENTHS], empty_us, empty_cpu_us, slowest_ms;
	double found_us, absent_us, update_us;
	int64_t anon_kb, file_kb;
};

/* splitmix64: keys spread like the keyed hashes of real recipients. */
static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void
key_of(uint64_t recipient, struct spool_key *key)
{
	memset(key->message, 'm', sizeof key->message);
	be64_put(key->rk, mix(recipient));
	be64_put(key->rk + 8, mix(~recipient));
}

static void
fail(const struct err *e)
{
	fprintf(stderr, "bench-spool: %s\n", e->text);
	exit(1);
}

static void
batch_add(struct bench *b, struct store *s, int64_t first)
{
	struct err e = { 0 };
	struct spool_add rq = { .content = b->content,
				.message = str_make(b->message, sizeof b->message),
				.jobs = b->jobs,
				.njobs = BATCH,
				.keep_ms = KEEP,
				.added = b->added };
	for (int i = 0; i < BATCH; i++) {
		struct spool_job *j = &b->jobs[i];
		*j = (struct spool_job){ .campaign = STR("newsletter"),
					 .accepted_ms = NOW + first,
					 .first_due_ms = NOW + first,
					 .due_ms = NOW + first,
					 .reason = STR("send-at"),
					 .payload = str_make(b->payload, sizeof b->payload) };
		spool_campaign_id(j->campaign, j->campaign_id);
		key_of((uint64_t)(first + i), &j->key);
	}
	if (spool_add(s, &rq, &e) != 0)
		fail(&e);
	for (int i = 0; i < BATCH; i++)
		if (!b->added[i]) {
			fprintf(stderr, "bench-spool: job %lld was not added\n", (long long)first + i);
			exit(1);
		}
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static double
median(int64_t *v, int64_t n)
{
	qsort(v, (size_t)n, sizeof *v, by_size);
	return (double)v[n / 2];
}

/* The commits of one tenth. */
struct times {
	int64_t n, *wall, *cpu;
};

static struct times
times_new(int64_t n)
{
	struct times t = { .wall = calloc((size_t)n, sizeof *t.wall),
			   .cpu = calloc((size_t)n, sizeof *t.cpu) };
	if (!t.wall || !t.cpu)
		exit(1);
	return t;
}

static void
batch_time(struct bench *b, struct store *s, int64_t first, struct times *t)
{
	int64_t from = clock_mono_us(), used = clock_cpu_us();
	batch_add(b, s, first);
	t->wall[t->n] = clock_mono_us() - from;
	t->cpu[t->n++] = clock_cpu_us() - used;
}

static void
fill(struct bench *b, struct figures *f)
{
	const int64_t each = f->jobs / BATCH / TENTHS;
	struct times full = times_new(each), empty = times_new(each);
	for (int64_t t = 0, first = 0; t < TENTHS; t++) {
		full.n = 0;
		for (int64_t i = 0; i < each; i++, first += BATCH) {
			batch_time(b, b->s, first, &full);
			if ((double)full.wall[i] / 1000 > f->slowest_ms)
				f->slowest_ms = (double)full.wall[i] / 1000;
			if (t == TENTHS - 1)
				batch_time(b, b->empty, first, &empty);
		}
		f->us[t] = median(full.wall, each) / BATCH;
		f->cpu_us[t] = median(full.cpu, each) / BATCH;
	}
	f->empty_us = median(empty.wall, each) / BATCH;
	f->empty_cpu_us = median(empty.cpu, each) / BATCH;
	free(full.wall);
	free(full.cpu);
	free(empty.wall);
	free(empty.cpu);
}

/* Microseconds of one lookup of a random recipient from `from` on, which must (or must not) be there. */
static double
look(struct bench *b, int64_t from, int64_t n, int expected)
{
	struct arena *a = arena_new(4096);
	struct spool_job j;
	struct err e = { 0 };
	struct spool_key key;
	int64_t start = clock_mono_us();
	for (uint64_t i = 0; i < LOOKS; i++) {
		key_of((uint64_t)from + mix(i) % (uint64_t)n, &key);
		int r = spool_get(b->s, &key, a, &j, &e);
		if (r < 0)
			fail(&e);
		if (r != expected) {
			fprintf(stderr, "bench-spool: a recipient is %s\n", r ? "there twice" : "lost");
			exit(1);
		}
		arena_reset(a);
	}
	double us = (double)(clock_mono_us() - start) / LOOKS;
	arena_free(&a);
	return us;
}

/* CPU of a job's end, the earliest first, as the injector writes it. */
static double
update(struct bench *b, int64_t n)
{
	struct spool_update u[UPDATES];
	struct err e = { 0 };
	int64_t used = clock_cpu_us(), done = 0;
	for (; done + UPDATES <= n && done < LOOKS; done += UPDATES) {
		for (int i = 0; i < UPDATES; i++) {
			u[i] = (struct spool_update){
				.state = SPOOL_SENT, .due_ms = NOW, .attempted = true, .reason = "sent"
			};
			key_of((uint64_t)(done + i), &u[i].key);
		}
		if (spool_update(b->s, u, UPDATES, KEEP, &e) != 0)
			fail(&e);
	}
	return done > 0 ? (double)(clock_cpu_us() - used) / (double)done : 0;
}

static int64_t
status_kb(const char *name)
{
	char line[256];
	int64_t kb = -1;
	FILE *f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, name, strlen(name)) == 0)
			kb = atoll(line + strlen(name));
	if (f)
		fclose(f);
	return kb;
}

static void
print_json(const struct figures *f)
{
	printf("{\"jobs\": %lld, \"us_per_job\": [", (long long)f->jobs);
	for (int i = 0; i < TENTHS; i++)
		printf("%s%.2f", i ? ", " : "", f->us[i]);
	printf("], \"cpu_us_per_job\": [");
	for (int i = 0; i < TENTHS; i++)
		printf("%s%.2f", i ? ", " : "", f->cpu_us[i]);
	printf(
	    "], \"ratio\": %.3f, \"cpu_ratio\": %.3f, \"ratio_to_empty\": %.3f, \"cpu_ratio_to_empty\": "
	    "%.3f, \"slowest_commit_ms\": %.1f, \"found_us\": %.2f, "
	    "\"absent_us\": %.2f, \"update_cpu_us\": %.2f, \"rss_anon_kb\": %lld, \"rss_file_kb\": %lld}\n",
	    f->us[TENTHS - 1] / f->us[0], f->cpu_us[TENTHS - 1] / f->cpu_us[0],
	    f->us[TENTHS - 1] / f->empty_us, f->cpu_us[TENTHS - 1] / f->empty_cpu_us, f->slowest_ms,
	    f->found_us, f->absent_us, f->update_us, (long long)f->anon_kb, (long long)f->file_kb);
}

static void
print_text(const struct figures *f)
{
	for (int i = 0; i < TENTHS; i++)
		printf("%10lld jobs: %6.1f us/job  CPU %6.1f us/job\n",
		       (long long)(f->jobs / TENTHS * (i + 1)), f->us[i], f->cpu_us[i]);
	printf("last tenth / first: %.2f  CPU %.2f  slowest commit %.0f ms\n", f->us[TENTHS - 1] / f->us[0],
	       f->cpu_us[TENTHS - 1] / f->cpu_us[0], f->slowest_ms);
	printf("last tenth / an empty spool meanwhile: %.2f  CPU %.2f\n", f->us[TENTHS - 1] / f->empty_us,
	       f->cpu_us[TENTHS - 1] / f->empty_cpu_us);
	printf("by key: found %.2f us, not there %.2f us; a job's end: CPU %.1f us\n", f->found_us,
	       f->absent_us, f->update_us);
	printf("memory of its own %lld KB, pages of files %lld KB\n", (long long)f->anon_kb,
	       (long long)f->file_kb);
}

static struct store *
spool_open(const char *directory)
{
	struct err e = { 0 };
	struct store_options o = { .directory = directory, .create = true };
	struct store *s = store_open(&o, &e);
	if (!s || store_writer_start(s, &e) != 0)
		fail(&e);
	return s;
}

int
main(int argc, char **argv)
{
	char empty[4096];
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	argc -= json;
	argv += json;
	struct figures f = { .jobs = argc > 2 ? atoll(argv[2]) : 1000000 };
	if (argc < 2 || argc > 3 || f.jobs < BATCH * TENTHS) {
		fprintf(stderr, "usage: bench-spool [--json] DIRECTORY [JOBS]   (at least %d jobs)\n",
			BATCH * TENTHS);
		return 64;
	}
	f.jobs -= f.jobs % (BATCH * TENTHS);
	struct bench *b = calloc(1, sizeof *b);
	if (!b)
		return 1;
	memset(b->message, 'x', sizeof b->message);
	memset(b->payload, 'p', sizeof b->payload);
	memset(b->content, 'c', sizeof b->content);
	snprintf(empty, sizeof empty, "%s/empty", argv[1]);
	b->s = spool_open(argv[1]);
	b->empty = spool_open(empty);
	fill(b, &f);
	f.anon_kb = status_kb("RssAnon:");
	f.file_kb = status_kb("RssFile:");
	f.found_us = look(b, 0, f.jobs, 1);
	f.absent_us = look(b, f.jobs, f.jobs, 0);
	f.update_us = update(b, f.jobs);
	json ? print_json(&f) : print_text(&f);
	store_close(&b->s);
	store_close(&b->empty);
	free(b);
	return 0;
}
