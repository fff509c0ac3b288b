/* gather: one walk over the counters, into every list that is wanted. */
#include "report/report-private.h"

#include <stdlib.h>

#include "base/clock.h"

struct gathering {
	struct report *r;
	/* of each list: counters lie by hour, arm, domain …, so the group is often that of the counter before
	 */
	struct {
		uint64_t key;
		size_t at;
		bool set;
	} last[REPORT_BYS];
	struct report_list reasons; /* counted in their first figure */
};

static uint64_t
key_of(const struct event_counter *c, enum report_by by, struct str *name)
{
	switch (by) {
	case REPORT_BY_CAMPAIGN:
		*name = c->campaign;
		return c->campaign_id;
	case REPORT_BY_ARM:
		*name = c->arm;
		return c->arm_id;
	case REPORT_BY_DOMAIN:
		*name = c->domain;
		return c->domain_id;
	case REPORT_BY_SEGMENT:
		*name = c->segment;
		return c->segment_id;
	case REPORT_BY_HOUR:
		*name = STR_NULL;
		return (uint64_t)c->hour_ms;
	default:
		*name = STR_NULL;
		return (uint64_t)c->link;
	}
}

static void
list_count(struct gathering *g, enum report_by by, const struct event_counter *c)
{
	struct report_list *l = &g->r->lists[by];
	struct str name;
	uint64_t key = key_of(c, by, &name);
	if (!g->last[by].set || g->last[by].key != key) {
		g->last[by].at = (size_t)(list_group(l, g->r->arena, key, name) - l->v);
		g->last[by].key = key;
		g->last[by].set = true;
	}
	group_count(&l->v[g->last[by].at], g->r->arena, c, by == REPORT_BY_LINK);
}

/* In a list, too: whoever imports events may have as many reasons as he likes. */
static void
reason_count(struct gathering *g, const struct event_counter *c)
{
	uint64_t key = (uint64_t)c->type << 40 | (uint64_t)c->class << 32 | c->reason_id;
	struct report_group *reason = list_group(&g->reasons, g->r->arena, key, c->reason);
	sum_add(&reason->figures[0].copies, c->unique);
	sum_add(&reason->figures[0].events, c->count);
}

static bool
counter_take(void *ctx, const struct event_counter *c)
{
	struct gathering *g = ctx;
	struct report *r = g->r;
	group_count(&r->total, r->arena, c, false);
	for (int by = 0; by < REPORT_BYS; by++)
		if ((r->by & 1u << by) != 0 && (by != REPORT_BY_LINK || c->link >= 0))
			list_count(g, (enum report_by)by, c);
	if (c->reason.n > 0)
		reason_count(g, c);
	if (r->first_ms < 0 || c->hour_ms < r->first_ms)
		r->first_ms = c->hour_ms;
	if (c->hour_ms > r->last_ms)
		r->last_ms = c->hour_ms;
	return true;
}

static bool
link_take(void *ctx, int link, const uint8_t hash[8], struct str url)
{
	struct report *r = ctx;
	struct report_list *l = &r->lists[REPORT_BY_LINK];
	(void)hash;
	if (link < 0)
		return true;
	struct report_group *g = list_group(l, r->arena, (uint64_t)link, STR_NULL);
	if (g->urls++ == 0)
		g->url = arena_str(r->arena, url);
	return true;
}

static int
reason_order(const void *x, const void *y)
{
	const struct report_reason *a = x, *b = y;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->count.copies != b->count.copies)
		return a->count.copies > b->count.copies ? -1 : 1;
	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	return (a->reason_id > b->reason_id) - (a->reason_id < b->reason_id);
}

static void
reasons_order(struct report *r, const struct report_list *l)
{
	r->reasons = ARENA_ARRAY(r->arena, struct report_reason, l->n);
	r->nreasons = l->n;
	for (size_t i = 0; i < l->n; i++)
		r->reasons[i] = (struct report_reason){
			.type = (enum event_type)(l->v[i].key >> 40),
			.class = (enum event_class)(l->v[i].key >> 32 & 0xff),
			.reason = l->v[i].name,
			.reason_id = (uint32_t)l->v[i].key,
			.count = l->v[i].figures[0],
		};
	if (r->nreasons > 1)
		qsort(r->reasons, r->nreasons, sizeof *r->reasons, reason_order);
}

static void
report_order(struct report *r)
{
	struct report_list *hours = &r->lists[REPORT_BY_HOUR], *links = &r->lists[REPORT_BY_LINK];
	char text[40];
	group_settle(&r->total);
	for (int by = 0; by < REPORT_BYS; by++)
		for (size_t i = 0; i < r->lists[by].n; i++)
			group_settle(&r->lists[by].v[i]);
	list_sort_by_key(hours);
	list_sort_by_key(links);
	for (size_t i = 0; i < hours->n; i++)
		hours->v[i].name =
		    arena_str(r->arena, str_of(clock_format_rfc3339((int64_t)hours->v[i].key, text)));
	for (size_t i = 0; i < links->n; i++)
		links->v[i].name = arena_printf(r->arena, "%llu", (unsigned long long)links->v[i].key);
	for (int by = REPORT_BY_CAMPAIGN; by < REPORT_BY_HOUR; by++)
		list_sort_by_size(&r->lists[by]);
}

struct report *
report_gather(struct store *s, const struct report_request *rq, struct err *e)
{
	struct arena *a = arena_new((size_t)64 << 10);
	struct report *r = ARENA_NEW(a, struct report);
	struct gathering g = { .r = r };
	*r = (struct report){
		.arena = a,
		.campaign = rq->campaign.p ? arena_str(a, rq->campaign) : STR_NULL,
		.since_ms = rq->since_ms - rq->since_ms % HOUR_MS,
		.now_ms = rq->now_ms,
		.first_ms = -1,
		.last_ms = -1,
		.by = rq->by | 1u << REPORT_BY_ARM,
	};
	/* Links have numbers within a campaign. */
	if (!rq->campaign.p)
		r->by &= ~(1u << REPORT_BY_LINK);
	int rc = event_counter_each(s, r->campaign, r->since_ms, 0, counter_take, &g, e);
	if (rc == 0 && (r->by & 1u << REPORT_BY_LINK) != 0)
		rc = event_link_each(s, r->campaign, link_take, r, e);
	report_order(r);
	reasons_order(r, &g.reasons);
	list_free(&g.reasons);
	if (rc == 0)
		rc = arms_compare(r, rq, e);
	if (rc != 0)
		report_free(&r);
	return r;
}

void
report_free(struct report **r)
{
	if (!*r)
		return;
	struct arena *a = (*r)->arena;
	for (int by = 0; by < REPORT_BYS; by++)
		list_free(&(*r)->lists[by]);
	arena_free(&a);
	*r = NULL;
}
