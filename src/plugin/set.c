/*
 * set: an epoch's plugins, which campaign runs which, references, counters.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "plugin/set.h"

/* ---- plans ---- */

static struct plugin *
set_find(struct plugin_set *s, const char *name)
{
	for (size_t i = 0; i < s->nplugins; i++) {
		if (strcmp(s->plugins[i].name, name) == 0)
			return &s->plugins[i];
	}
	return NULL;
}

struct loading {
	struct plugin_set *set;
	conf_report_fn *report;
	void *ctx;
	size_t mistakes;
};

static void loading_report(struct loading *l, const struct conf_pos *pos, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
loading_report(struct loading *l, const struct conf_pos *pos, const char *fmt, ...)
{
	struct err e = { 0 };
	char text[sizeof(e.text) - 64];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&e, ERR_CONFIG, "%s:%d: %s", pos->file ? pos->file : "-", pos->line, text);
	l->mistakes++;
	if (l->report)
		l->report(l->ctx, e.text);
}

/* Adds the plugins of one list, which must all be of one kind. */
static void
plan_add(struct loading *l, struct plugin_plan *plan, const struct conf_campaign *cc,
	 const struct conf_list *list, enum mt_kind kind)
{
	for (size_t i = 0; i < list->n; i++) {
		struct plugin *p = set_find(l->set, list->v[i]);
		if (!p) {
			loading_report(l, &cc->pos, "campaign \"%s\": there is no plugin \"%s\"", cc->name,
				       list->v[i]);
			continue;
		}
		if (!p->created)
			continue; /* its own mistake is reported already */
		if (p->api->kind != (uint32_t)kind) {
			loading_report(l, &cc->pos,
				       "campaign \"%s\": plugin \"%s\" is a %s; name it under %s", cc->name,
				       p->name, kind == MT_KIND_SCORER ? "personalizer" : "scorer",
				       kind == MT_KIND_SCORER ? "personalizers" : "scorers");
			continue;
		}
		plan->steps[plan->nsteps++] = p;
		plan->nscores += p->shape.nscores;
		plan->needs_events |= p->columns && score_columns_need_events(p->columns);
		plan->history |= p->history;
	}
}

static void
set_plan_all(struct loading *l, const struct conf *c)
{
	struct plugin_set *s = l->set;
	s->conf_campaigns = c->campaigns;
	s->nplans = c->ncampaigns;
	s->plans = ARENA_ARRAY(s->arena, struct plugin_plan, c->ncampaigns);
	for (size_t i = 0; i < c->ncampaigns; i++) {
		const struct conf_campaign *cc = &c->campaigns[i];
		struct plugin_plan *plan = &s->plans[i];
		plan->campaign = arena_cstr(s->arena, str_of(cc->name));
		plan->steps = ARENA_ARRAY(s->arena, struct plugin *, cc->scorers.n + cc->personalizers.n);
		plan->conf_defaults = cc->defaults;
		plan->defaults = value_copy(s->arena, cc->defaults);
		plan_add(l, plan, cc, &cc->scorers, MT_KIND_SCORER);
		plan_add(l, plan, cc, &cc->personalizers, MT_KIND_PERSONALIZER);
	}
}

const struct plugin_plan *
set_plan_find(const struct plugin_set *s, const struct conf_campaign *campaign)
{
	for (size_t i = 0; i < s->nplans; i++) {
		if (&s->conf_campaigns[i] == campaign)
			return &s->plans[i];
	}
	for (size_t i = 0; i < s->nplans; i++) {
		if (strcmp(s->plans[i].campaign, campaign->name) == 0)
			return &s->plans[i];
	}
	return NULL;
}

bool
plugin_wants_history(const struct plugin_set *s, const struct conf_campaign *campaign)
{
	const struct plugin_plan *plan = set_plan_find(s, campaign);
	return plan && plan->history;
}

/* ---- load and free ---- */

static struct plugin_set *
set_new(const struct conf *c)
{
	struct arena *a = arena_new(4096);
	struct plugin_set *s = ARENA_NEW(a, struct plugin_set);
	s->arena = a;
	s->refs = 1;
	s->queue_end = &s->queue_first;
	pthread_mutex_init(&s->lock, NULL);
	clock_cond_init(&s->left);

	const char *slash = c->file ? strrchr(c->file, '/') : NULL;
	s->directory = slash ? arena_cstr(a, str_make(c->file, (size_t)(slash - c->file) + 1)) : "";
	s->plugins = ARENA_ARRAY(a, struct plugin, c->nplugins);
	return s;
}

static void
set_destroy(struct plugin_set *s)
{
	struct arena *a = s->arena;
	while (s->spare) {
		struct job *j = s->spare;
		s->spare = j->next;
		arena_free(&j->arena);
		pthread_mutex_destroy(&j->lock);
		pthread_cond_destroy(&j->wake);
		free(j);
	}
	seats_free(s);
	for (size_t i = 0; i < s->nplugins; i++)
		plugin_close(&s->plugins[i]);
	pthread_cond_destroy(&s->left);
	pthread_mutex_destroy(&s->lock);
	arena_free(&a);
}

void
set_unref_locked(struct plugin_set *s)
{
	bool last = --s->refs == 0;
	pthread_mutex_unlock(&s->lock);
	if (last)
		set_destroy(s);
}

struct plugin_set *
plugin_set_load(const struct conf *c, conf_report_fn *report, void *ctx)
{
	struct plugin_set *s = set_new(c);
	struct loading l = { s, report, ctx, 0 };
	for (size_t i = 0; i < c->nplugins; i++) {
		const struct conf_plugin *cp = &c->plugins[i];
		struct plugin *p = &s->plugins[s->nplugins];
		struct err e = { 0 };
		p->set = s;
		p->index = s->nplugins++;
		p->name = arena_cstr(s->arena, str_of(cp->name));
		p->deadline_us = (cp->deadline_ms > 0 ? cp->deadline_ms : 50) * 1000;
		if (plugin_open(p, c, cp, &e) != 0)
			loading_report(&l, &cp->pos, "plugin \"%s\": %s", cp->name, e.text);
	}
	set_plan_all(&l, c);
	if (l.mistakes > 0)
		plugin_set_free(&s);
	return s;
}

void
plugin_set_free(struct plugin_set **set)
{
	struct plugin_set *s = *set;
	*set = NULL;
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	workers_dismiss(s);
	struct timespec ts = clock_mono_timespec(clock_mono_us() + 1000000);
	while (s->nworkers > (size_t)atomic_load(&s->nstuck)) {
		if (pthread_cond_timedwait(&s->left, &s->lock, &ts) != 0)
			break;
	}
	set_unref_locked(s);
}

const struct score_columns *
plugin_set_columns(const struct plugin_set *s, const char *plugin)
{
	for (size_t i = 0; i < s->nplugins; i++)
		if (strcmp(s->plugins[i].name, plugin) == 0)
			return s->plugins[i].columns;
	return NULL;
}

bool
plugin_set_needs_events(const struct plugin_set *s, const struct conf_campaign *campaign)
{
	const struct plugin_plan *plan = set_plan_find(s, campaign);
	return plan && plan->needs_events;
}

/* ---- breaker and counters ---- */

void
plugin_call_good(struct plugin *p)
{
	atomic_store_explicit(&p->failures_in_row, 0, memory_order_relaxed);
}

void
plugin_call_bad(struct plugin *p, const char *why)
{
	if (atomic_fetch_add(&p->failures_in_row, 1) + 1 >= PLUGIN_BREAKER && !atomic_exchange(&p->off, true))
		log_error(
		    "plugin %s is switched off until the next reload: %d calls in a row were late or failed, "
		    "the last one: %s",
		    p->name, PLUGIN_BREAKER, why);
}

size_t
plugin_set_counters(const struct plugin_set *s, struct plugin_counters *out, size_t max)
{
	size_t n = s->nplugins < max ? s->nplugins : max;
	for (size_t i = 0; i < n; i++) {
		const struct plugin *p = &s->plugins[i];
		out[i] = (struct plugin_counters){
			.name = p->name,
			.calls = atomic_load(&p->calls),
			.late = atomic_load(&p->late),
			.failed = atomic_load(&p->failed),
			.rejected = atomic_load(&p->rejected),
			.off = atomic_load(&p->off),
		};
	}
	return n;
}
