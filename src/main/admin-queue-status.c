/* mailtailor queue: how many copies of each campaign wait, were sent, were not; and how long it will take. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "inject/inject.h"
#include "main/admin-queue.h"

#define RATE_WINDOW_MS 60000
#define WATCH_TICK_MS 500
#define WATCH_JSON_TICK_MS 1000
#define RATE_MAX 1000000 /* sent copies that are looked at; more a minute are counted as so many */

struct line {
	uint8_t id[8];
	const char *name;
	bool paused, configured;
	int64_t count[SPOOL_STATES];
	int64_t due; /* of the queued */
	int64_t oldest_due_ms, oldest_accepted_ms;
};

/* The queue at one moment. */
struct picture {
	struct arena *arena;
	int64_t now_ms;
	struct line *lines;
	size_t nlines, cap;
	int64_t total[SPOOL_STATES];
	int64_t due; /* of campaigns that are not paused: what the injector has to do now */
	int64_t bad, sent;
	int injector; /* as inject_runs has it */
	bool target, down;
	struct inject_trouble trouble; /* when it is down */
	double rate;		       /* a second */
	int64_t end_ms;		       /* estimate for what is due; 0: none */
};

static bool
line_add(void *ctx, const struct spool_campaign *c)
{
	struct picture *p = ctx;
	struct line l = {
		.name = queue_text(p->arena, c->name),
		.paused = c->paused,
		.oldest_due_ms = c->oldest_due_ms,
		.oldest_accepted_ms = c->oldest_accepted_ms,
	};
	int64_t sum = 0;
	memcpy(l.id, c->id, sizeof(l.id));
	for (int i = 0; i < SPOOL_STATES; i++) {
		l.count[i] = c->count[i];
		sum += c->count[i];
	}
	if (sum == 0 && !c->paused)
		return true; /* all of it is forgotten */
	if (p->nlines == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 16;
		p->lines = reallocarray(p->lines, p->cap, sizeof(*p->lines));
		if (!p->lines)
			abort();
	}
	p->lines[p->nlines++] = l;
	return true;
}

static int
line_compare(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

static void
rate_set(struct picture *p, int64_t window_ms)
{
	p->rate = (double)p->sent * 1000 / (double)window_ms;
	if (p->due > 0 && p->rate > 0)
		p->end_ms = p->now_ms + (int64_t)((double)p->due / p->rate * 1000);
}

static int
picture_take(const struct queue *q, struct picture *p, struct err *e)
{
	p->now_ms = clock_now_ms();
	p->injector = inject_runs(q->conf->state.directory);
	p->target = q->conf->inject.target != NULL;
	p->down = inject_target_trouble(q->conf->state.directory, &p->trouble) == 1;
	if (!q->store)
		return 0;
	if (spool_campaigns(q->store, line_add, p, e) != 0)
		return -1;
	if (p->nlines > 0)
		qsort(p->lines, p->nlines, sizeof(*p->lines), line_compare);
	for (size_t i = 0; i < p->nlines; i++) {
		struct line *l = &p->lines[i];
		l->configured = conf_campaign_find(q->conf, str_of(l->name)) != NULL;
		l->due = spool_due_count(q->store, l->id, p->now_ms, INT64_MAX, e);
		if (l->due < 0)
			return -1;
		for (int s = 0; s < SPOOL_STATES; s++)
			p->total[s] += l->count[s];
		p->due += l->paused ? 0 : l->due;
	}
	p->bad = spool_bad_count(q->store, e);
	p->sent = spool_sent_since(q->store, p->now_ms - RATE_WINDOW_MS, p->now_ms, q->conf->inject.keep_ms,
				   RATE_MAX, e);
	rate_set(p, RATE_WINDOW_MS);
	return p->bad < 0 || p->sent < 0 ? -1 : 0;
}

static struct picture
picture_new(void)
{
	return (struct picture){ .arena = arena_new(4096) };
}

static void
picture_free(struct picture *p)
{
	arena_free(&p->arena);
	free(p->lines);
}

/* ---- JSON ---- */

static void
set_counts(struct arena *a, struct value *v, const int64_t count[SPOOL_STATES], int64_t due)
{
	for (int i = 0; i < SPOOL_STATES; i++) {
		text_set_int(a, v, spool_state_name((enum spool_state)i), count[i]);
		if (i == SPOOL_QUEUED)
			text_set_int(a, v, "due", due);
	}
}

static void
picture_json(const struct picture *p, bool pretty)
{
	struct arena *a = p->arena;
	struct buf b = { 0 };
	struct value *v = value_map_new(a), *campaigns = value_list(a, p->nlines), *total = value_map_new(a);
	for (size_t i = 0; i < p->nlines; i++) {
		const struct line *l = &p->lines[i];
		struct value *c = value_map_new(a);
		text_set(a, c, "campaign", str_of(l->name));
		value_map_set(a, c, STR("paused"), value_bool(l->paused));
		set_counts(a, c, l->count, l->due);
		text_set_time(a, c, "oldest_accepted", l->oldest_accepted_ms);
		text_set_time(a, c, "oldest_due", l->oldest_due_ms);
		value_map_set(a, c, STR("configured"), value_bool(l->configured));
		campaigns->list.items[i] = c;
	}
	text_set_time(a, v, "at", p->now_ms);
	value_map_set(a, v, STR("campaigns"), campaigns);
	set_counts(a, total, p->total, p->due);
	value_map_set(a, v, STR("total"), total);
	text_set_int(a, v, "bad", p->bad);
	text_set_int(a, v, "sent_last_minute", p->sent);
	value_map_set(a, v, STR("injector"), p->injector < 0 ? &VALUE_NULL_V : value_bool(p->injector > 0));
	value_map_set(a, v, STR("rate"), value_real(a, p->rate));
	text_set_time(a, v, "estimated_end", p->end_ms);
	if (p->down)
		text_set(a, v, "target_trouble", str_of(p->trouble.text));
	else
		value_map_set(a, v, STR("target_trouble"), &VALUE_NULL_V);
	if (pretty)
		json_print_pretty(&b, v);
	else
		json_print(&b, v);
	buf_addc(&b, '\n');
	fwrite(b.p, 1, b.n, stdout);
	fflush(stdout);
	buf_free(&b);
}

/* ---- for people ---- */

/* "3 h 12 min" */
static const char *
span(struct arena *a, int64_t ms)
{
	long long s = ms > 0 ? ms / 1000 : 0;
	if (s >= 2 * 86400)
		return arena_printf(a, "%lld d %lld h", s / 86400, s / 3600 % 24).p;
	if (s >= 3600)
		return arena_printf(a, "%lld h %lld min", s / 3600, s / 60 % 60).p;
	if (s >= 60)
		return arena_printf(a, "%lld min %lld s", s / 60, s % 60).p;
	return arena_printf(a, "%lld s", s).p;
}

static const char *
number(struct arena *a, int64_t n)
{
	return arena_printf(a, "%lld", (long long)n).p;
}

static void
table_print(const struct picture *p)
{
	static const struct admin_column COLUMNS[] = {
		{ "CAMPAIGN", ADMIN_COL_TEXT }, { "QUEUED", ADMIN_COL_NUMBER },
		{ "DUE", ADMIN_COL_NUMBER },	{ "HELD", ADMIN_COL_NUMBER },
		{ "SENT", ADMIN_COL_NUMBER },	{ "DROPPED", ADMIN_COL_NUMBER },
		{ "FAILED", ADMIN_COL_NUMBER }, { "PAUSED", ADMIN_COL_TEXT },
		{ "OLDEST", ADMIN_COL_TEXT },	{ "NEXT", ADMIN_COL_TEXT },
	};
	struct arena *a = p->arena;
	struct admin_table *t = admin_table_new(COLUMNS, sizeof(COLUMNS) / sizeof(COLUMNS[0]));
	for (size_t i = 0; i < p->nlines; i++) {
		const struct line *l = &p->lines[i];
		const char *cells[] = {
			l->name,
			number(a, l->count[SPOOL_QUEUED]),
			number(a, l->due),
			number(a, l->count[SPOOL_HELD]),
			number(a, l->count[SPOOL_SENT]),
			number(a, l->count[SPOOL_DROPPED]),
			number(a, l->count[SPOOL_FAILED]),
			l->paused ? "paused" : NULL,
			l->oldest_accepted_ms ? span(a, p->now_ms - l->oldest_accepted_ms) : NULL,
			NULL,
		};
		if (l->oldest_due_ms)
			cells[9] = l->oldest_due_ms <= p->now_ms
				       ? "now"
				       : arena_printf(a, "in %s", span(a, l->oldest_due_ms - p->now_ms)).p;
		admin_table_row(t, cells);
	}
	admin_table_print(t, stdout, false);
	admin_table_free(&t);
}

/* Campaigns that somebody took out of the configuration, or gave another name, while they had jobs. */
static void
gone_print(const struct picture *p)
{
	for (size_t i = 0; i < p->nlines; i++) {
		const struct line *l = &p->lines[i];
		const int64_t waiting = l->count[SPOOL_QUEUED] + l->count[SPOOL_HELD];
		if (!l->configured && waiting > 0)
			printf("campaign \"%s\" is not configured: its %lld %s until it is there again, or "
			       "`mailtailor queue drop --campaign`\n",
			       l->name, (long long)waiting, waiting == 1 ? "job waits" : "jobs wait");
	}
}

static void
picture_print(const struct picture *p)
{
	char text[40];
	if (p->nlines == 0 && p->bad == 0) {
		fputs("mailtailor: the queue is empty\n", stderr);
		return;
	}
	table_print(p);
	gone_print(p);
	if (p->bad > 0)
		printf("bad jobs: %lld; `mailtailor queue list --state bad` shows why\n", (long long)p->bad);
	if (p->injector == 0)
		printf("no injector runs: %s\n", p->target ? "nothing leaves until mailtailord runs"
							   : "the configuration has no inject target");
	if (p->down)
		printf("the inject target does not work: %s; tried %s ago, again %s%s\n", p->trouble.text,
		       span(p->arena, p->now_ms - p->trouble.tried_ms),
		       p->trouble.next_ms > p->now_ms ? "in " : "now",
		       p->trouble.next_ms > p->now_ms ? span(p->arena, p->trouble.next_ms - p->now_ms) : "");
	printf("rate: %lld sent in the last minute, %.1f a second\n", (long long)p->sent, p->rate);
	if (p->end_ms)
		printf("estimated end of what is due: %s, in %s\n",
		       clock_format_rfc3339(p->end_ms / 1000 * 1000, text),
		       span(p->arena, p->end_ms - p->now_ms));
	else if (p->due > 0)
		printf("estimated end of what is due: unknown, nothing was sent in the last minute\n");
}

/* ---- watching ---- */

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* Returns early at Ctrl-C. */
static void
rest(int64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	if (!interrupted)
		nanosleep(&t, NULL);
}

/*
 * New work may come while the bar runs: then the whole grows, and what was done stays done. Counting costs
 * time where millions are due: no more than a tenth of ours.
 */
static int
watch(struct queue *q, const struct queue_request *r)
{
	struct sigaction act = { .sa_handler = on_interrupt };
	struct progress *bar = progress_start("sending", 0);
	struct err e = { 0 };
	int64_t left = 0, whole = 0;
	int rc = -1;
	sigemptyset(&act.sa_mask);
	sigaction(SIGINT, &act, NULL);
	while (rc < 0) {
		struct picture p = picture_new();
		int64_t began = clock_mono_us(), tick = r->json ? WATCH_JSON_TICK_MS : WATCH_TICK_MS;
		if (picture_take(q, &p, &e) != 0)
			rc = admin_fail(&e);
		else if (p.due == 0 || interrupted)
			rc = p.due == 0 ? EX_OK : 1;
		if (rc <= 1 && r->json)
			picture_json(&p, false);
		if (rc < 0) {
			whole += p.due > left ? p.due - left : 0;
			left = p.due;
			progress_flow(bar, (uint64_t)(whole - left), (uint64_t)whole, p.rate);
		} else {
			progress_end(&bar);
		}
		if (rc >= 0 && rc <= 1 && !r->json)
			picture_print(&p);
		picture_free(&p);
		int64_t cost = (clock_mono_us() - began) / 100; /* ten times, in ms */
		if (rc < 0)
			rest(cost > tick ? cost : tick);
	}
	return rc;
}

int
queue_status(struct queue *q, const struct queue_request *r)
{
	struct picture p;
	struct err e = { 0 };
	if (r->watch)
		return watch(q, r);
	p = picture_new();
	int rc = picture_take(q, &p, &e) == 0 ? EX_OK : admin_fail(&e);
	if (rc == EX_OK && r->json)
		picture_json(&p, true);
	else if (rc == EX_OK)
		picture_print(&p);
	picture_free(&p);
	return rc;
}
