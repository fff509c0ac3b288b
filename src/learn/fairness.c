/* fairness: see fairness.h. */
#include "learn/fairness.h"

#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"

#define PROGRESS_EVERY 8192

/* One copy, while the log is read. */
struct seen {
	uint8_t rk[STORE_KEY_LEN];
	bool selected;
	uint8_t arm;
	double score; /* NAN: none */
};

struct reading {
	const struct fairness_request *rq;
	struct fairness *f;
	struct arena *details; /* of one event */
	struct buf seen;       /* struct seen */
	size_t n;
	uint64_t walked;
};

static bool
campaign_wanted(const struct fairness_request *rq, struct str campaign)
{
	for (size_t i = 0; i < rq->ncampaigns; i++)
		if (str_eq(str_of(rq->campaigns[i]), campaign))
			return true;
	return rq->ncampaigns == 0;
}

/* The arm's number; beyond the bound the last one. */
static uint8_t
arm_number(struct fairness *f, struct str arm)
{
	size_t i = 0;
	while (i < f->narms && !str_eq(str_of(f->arms[i]), arm))
		i++;
	if (i == FAIRNESS_MAX_ARMS)
		return FAIRNESS_MAX_ARMS - 1;
	if (i == f->narms)
		f->arms[f->narms++] = arm.n > 0 ? arena_cstr(f->arena, arm) : "";
	return (uint8_t)i;
}

static double
first_score(struct arena *a, struct str details)
{
	const struct value *v = NULL, *score = NULL;
	struct str name;
	bool ok;
	arena_reset(a);
	if (details.n == 0 ||
	    json_parse(a, details, &(struct json_limits){ .max_bytes = EVENT_MAX_DETAILS }, &v, NULL) != 0)
		return NAN;
	v = value_map_get(v, STR("scores"));
	if (value_map_count(v) > 0)
		value_map_entry(v, 0, &name, &score);
	double d = value_number(score, &ok);
	return ok ? d : NAN;
}

static bool
copy_take(void *ctx, const struct event_record *r)
{
	struct reading *g = ctx;
	const struct event *ev = &r->event;
	if (g->rq->progress && g->walked++ % PROGRESS_EVERY == 0)
		g->rq->progress(g->rq->ctx, r->number);
	if (!campaign_wanted(g->rq, ev->campaign) ||
	    (ev->type == EVENT_SUPPRESSED && !str_eq(ev->reason, STR("send-if")) &&
	     !str_eq(ev->reason, STR("fatigue"))))
		return true;
	if (r->forgotten) {
		g->f->erased++;
		return true;
	}
	struct seen s = { .selected = ev->type == EVENT_INJECTED, .score = NAN };
	memcpy(s.rk, ev->rk, sizeof(s.rk));
	if (s.selected) {
		s.arm = arm_number(g->f, ev->arm);
		s.score = first_score(g->details, ev->details);
	}
	buf_add(&g->seen, &s, sizeof(s));
	g->n++;
	return true;
}

static int
seen_cmp(const void *a, const void *b)
{
	return memcmp(((const struct seen *)a)->rk, ((const struct seen *)b)->rk, STORE_KEY_LEN);
}

static struct fairness_group *
group_of(struct fairness *f, struct str name)
{
	size_t i = 0;
	if (!name.p)
		return NULL;
	while (i < f->ngroups && !str_eq(str_of(f->groups[i].name), name))
		i++;
	if (i == f->ngroups && i == FAIRNESS_MAX_GROUPS - 1)
		name = STR("(others)");
	if (i == FAIRNESS_MAX_GROUPS)
		i = FAIRNESS_MAX_GROUPS - 1;
	if (i == f->ngroups)
		f->groups[f->ngroups++].name = arena_cstr(f->arena, name);
	return &f->groups[i];
}

static void
group_add(struct fairness_group *g, const struct seen *s)
{
	g->considered++;
	g->selected += s->selected;
	g->arms[s->arm] += s->selected;
	if (isnan(s->score))
		return;
	/* Welford 1962: mean, and sum of squared deviations until the end. */
	double d = s->score - g->score_mean;
	g->scored++;
	g->score_mean += d / (double)g->scored;
	g->score_var += d * (s->score - g->score_mean);
}

static int
group_cmp(const void *a, const void *b)
{
	return strcmp(((const struct fairness_group *)a)->name, ((const struct fairness_group *)b)->name);
}

static void
groups_count(struct reading *g)
{
	struct fairness *f = g->f;
	struct seen *seen = (struct seen *)(void *)g->seen.p;
	struct fairness_group *group = NULL;
	if (g->n > 0)
		qsort(seen, g->n, sizeof(*seen), seen_cmp);
	for (size_t i = 0; i < g->n; i++) {
		if (i == 0 || seen_cmp(&seen[i], &seen[i - 1]) != 0)
			group = group_of(f, g->rq->group(g->rq->ctx, seen[i].rk));
		if (group)
			group_add(group, &seen[i]);
		else
			f->unknown++;
	}
	for (size_t i = 0; i < f->ngroups; i++)
		if (f->groups[i].scored > 1)
			f->groups[i].score_var /= (double)(f->groups[i].scored - 1);
	if (f->ngroups > 0)
		qsort(f->groups, f->ngroups, sizeof(*f->groups), group_cmp);
}

struct fairness *
fairness_read(struct store *s, const struct fairness_request *rq, struct err *e)
{
	struct arena *a = arena_new(4096);
	struct fairness *f = ARENA_NEW(a, struct fairness);
	struct reading g = { .rq = rq, .f = f, .details = arena_new(16384) };
	const struct event_filter filter = { .since_ms = rq->since_ms,
					     .until_ms = rq->until_ms,
					     .types =
						 EVENT_BIT(EVENT_INJECTED) | EVENT_BIT(EVENT_SUPPRESSED) };
	f->arena = a;
	f->groups = ARENA_ARRAY(a, struct fairness_group, FAIRNESS_MAX_GROUPS);
	if (event_each(s, &filter, copy_take, &g, NULL, NULL, e) == 0)
		groups_count(&g);
	else
		fairness_free(&f);
	arena_free(&g.details);
	buf_free(&g.seen);
	return f;
}

void
fairness_free(struct fairness **f)
{
	struct arena *a = *f ? (*f)->arena : NULL;
	arena_free(&a);
	*f = NULL;
}
