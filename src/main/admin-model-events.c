/*
 * admin-model-events: rows out of the event log (learn/dataset.h). What was kept with each decision is the
 * row of a features section; a model that reads some of its columns, in whatever order, can be judged.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "engine/features.h"
#include "learn/dataset.h"
#include "learn/set-private.h"
#include "main/admin-events.h"
#include "main/admin-model.h"
#include "store/event.h"

#define DEFAULT_WINDOW "7d"
#define DEFAULT_TEST 0.2

struct model_events {
	struct conf *conf;
	struct store *store;
	struct keyring *keys;
	struct features_set *features;
	struct dataset_request rq;
	struct dataset *data; /* read once */
	double test, valid;
};

static void
conf_complain(void *ctx, const char *text)
{
	(void)ctx;
	admin_say("%s", text);
}

/* The section asked for, the campaign's, or the only one. */
static const struct features *
section_find(const struct model_events *v, const struct model_request *rq, int *code)
{
	const struct conf_campaign *c =
	    rq->campaign ? conf_campaign_find(v->conf, str_of(rq->campaign)) : NULL;
	const char *name = rq->features ? rq->features : c ? c->features : NULL;
	const struct features *f = features_find(v->features, name);
	if (!f && !name && v->features->n == 1)
		f = &v->features->v[0];
	if (f)
		return f;
	*code =
	    name ? admin_misuse("there is no section features \"%s\" in the configuration", name)
	    : v->features->n == 0
		? admin_misuse(
		      "which columns? the configuration has no features section, whose columns are kept "
		      "with decisions; man mailtailor-features shows one")
		: admin_misuse("which columns? name a features section of the configuration with --features");
	return NULL;
}

static int
share_read(const char *option, const char *text, double *out)
{
	char *end;
	if (!text)
		return EX_OK;
	*out = strtod(text, &end);
	if (*end || end == text || !(*out >= 0 && *out < 1))
		return admin_misuse("--%s %s: a share: at least 0, below 1", option, text);
	return EX_OK;
}

static int
times_read(struct model_events *v, const struct model_request *rq)
{
	struct err e = { 0 };
	v->rq.now_ms = clock_now_ms();
	if (clock_parse_duration(str_of(rq->window ? rq->window : DEFAULT_WINDOW), &v->rq.window_ms, &e) != 0)
		return admin_misuse("--window %s: %s", rq->window, e.text);
	if (rq->since && events_time(rq->since, v->rq.now_ms, &v->rq.since_ms) != 0)
		return admin_misuse("--since %s: a time like 2026-03-29T12:00:00Z, or 90d", rq->since);
	v->test = DEFAULT_TEST;
	int code = share_read("test", rq->test, &v->test);
	if (code == EX_OK)
		code = share_read("valid", rq->valid, &v->valid);
	if (code == EX_OK && v->test + v->valid >= 1)
		code = admin_misuse("--test and --valid leave nothing for training");
	return code;
}

static int
outcome_read(struct model_events *v, const struct model_request *rq)
{
	const char *names[EVENT_TYPES];
	size_t n = 0;
	int type = event_type_find(str_of(rq->outcome));
	if (type >= 0) {
		v->rq.outcomes = EVENT_BIT(type);
		return EX_OK;
	}
	for (int i = 0; i < EVENT_TYPES; i++)
		if (event_type_name((enum event_type)i))
			names[n++] = event_type_name((enum event_type)i);
	const char *near = admin_nearest(rq->outcome, names, n);
	return admin_misuse("--outcome %s: there is no such event%s%s", rq->outcome,
			    near ? "; did you mean " : "", near ? near : "");
}

/* What stands in a model's file of which rows are for the test: other than that, its promotion is refused. */
static const struct value *
split_value(const struct model_events *v, const struct model_request *rq, struct arena *a)
{
	struct value *map = value_map_new(a);
	value_map_set(a, map, STR("by"), value_string(a, STR("events")));
	value_map_set(a, map, STR("campaign"),
		      rq->campaign ? value_string(a, str_of(rq->campaign)) : &VALUE_NULL_V);
	value_map_set(a, map, STR("outcome"), value_string(a, str_of(rq->outcome)));
	value_map_set(a, map, STR("window_ms"), value_int(a, v->rq.window_ms));
	value_map_set(a, map, STR("test"), value_real(a, v->test));
	value_map_set(a, map, STR("valid"), value_real(a, v->valid));
	return map;
}

static int
specification(struct model_source *s)
{
	static const char *const calibrations[] = { "none", "platt", "isotonic" };
	const struct model_request *rq = s->rq;
	size_t k = 0;
	s->spec.score = rq->score ? rq->score : rq->outcome;
	s->spec.kind = STR("logistic");
	s->spec.model = value_map_new(s->arena);
	while (rq->calibrate && k < 3 && strcmp(rq->calibrate, calibrations[k]) != 0)
		k++;
	if (k == 3)
		return admin_misuse("--calibrate %s: none, platt or isotonic", rq->calibrate);
	s->spec.calibrate = (enum spec_calibrate)k;
	s->value = rq->value;
	s->split = split_value(s->events, rq, s->arena);
	return EX_OK;
}

int
model_events_open(struct model_source *s)
{
	struct model_events *v = s->events = ARENA_NEW(s->arena, struct model_events);
	const struct features *section;
	int code = EX_OK;
	if (!(v->conf = admin_conf(s->rq->conf_path)))
		return EX_CONFIG;
	if ((code = outcome_read(v, s->rq)) != EX_OK || (code = times_read(v, s->rq)) != EX_OK)
		return code;
	if (!(v->keys = admin_keys(v->conf, &code)) || !(v->store = admin_store(v->conf, true, false, &code)))
		return code;
	if (s->rq->campaign && (code = admin_campaign_known(v->conf, v->store, s->rq->campaign)) != EX_OK)
		return code;
	if (!(v->features = features_load(v->conf, conf_complain, NULL)))
		return EX_CONFIG;
	if (!(section = section_find(v, s->rq, &code)))
		return code;
	v->rq.columns = section->columns;
	v->rq.campaigns = s->rq->campaign ? &s->rq->campaign : NULL;
	v->rq.ncampaigns = s->rq->campaign ? 1 : 0;
	v->rq.keys = v->keys;
	return specification(s);
}

void
model_events_close(struct model_source *s)
{
	if (!s->events)
		return;
	dataset_free(&s->events->data);
	features_free(&s->events->features);
	if (s->events->store)
		store_close(&s->events->store);
	keyring_free(&s->events->keys);
	conf_free(&s->events->conf);
}

/* ---- rows ---- */

static void
log_progress(void *ctx, uint64_t event)
{
	progress_update(ctx, event);
}

static int
data_read(struct model_events *v)
{
	struct err e = { 0 };
	if (v->data)
		return EX_OK;
	struct progress *p = progress_start("reading events", 0);
	v->rq.progress = log_progress;
	v->rq.ctx = p;
	v->data = dataset_read(v->store, &v->rq, &e);
	progress_end(&p);
	if (!v->data)
		return admin_fail(&e);
	if (v->data->young > 0)
		admin_say("%llu decisions are younger than the window and left out",
			  (unsigned long long)v->data->young);
	if (v->data->other_columns > 0)
		admin_say("%llu decisions were kept with other columns and are left out",
			  (unsigned long long)v->data->other_columns);
	return EX_OK;
}

/* Which kept column a model's column k can be had from; the same text, if there is one. */
static ptrdiff_t
column_find(const struct score_columns *kept, const struct score_columns *own, size_t k)
{
	ptrdiff_t leads = -1;
	for (size_t i = 0; i < score_columns_count(kept); i++) {
		if (strcmp(score_columns_texts(kept)[i], score_columns_texts(own)[k]) == 0)
			return (ptrdiff_t)i;
		if (leads < 0 && score_column_leads(kept, i, own, k))
			leads = (ptrdiff_t)i;
	}
	return leads;
}

/* Cells of a model's columns out of those that were kept. */
static int
columns_pick(const struct model_events *v, struct learn_set *set, const char *const *columns, size_t n)
{
	const struct dataset *d = v->data;
	const struct score_columns *kept = d->columns;
	struct score_columns *own;
	struct err e = { 0 };
	if (score_columns_compile(set->arena, columns, n, &own, &e) != 0)
		return admin_fail(&e);
	double *x = ARENA_ARRAY(set->arena, double, d->n *n);
	for (size_t k = 0; k < n; k++) {
		ptrdiff_t at = column_find(kept, own, k);
		if (at < 0) {
			admin_say(
			    "the model reads the column \"%s\", which is not kept with the decisions of this "
			    "features section",
			    columns[k]);
			return EX_DATAERR;
		}
		for (size_t i = 0; i < d->n; i++)
			x[i * n + k] =
			    score_column_finish(kept, (size_t)at, own, k, d->x[i * d->cols + (size_t)at]);
	}
	set->data.x = x;
	set->data.cols = n;
	set->data.categorical = set_categorical(set, own);
	set->columns = columns;
	return EX_OK;
}

struct learn_set *
model_events_read(struct model_source *s, const char *const *columns, size_t ncolumns, int *code)
{
	struct model_events *v = s->events;
	struct err e = { 0 };
	struct learn_set *set = NULL;
	if ((*code = data_read(v)) != EX_OK)
		return NULL;
	set = dataset_set(v->data, v->valid, v->test, s->value, &e);
	if (!set)
		*code = admin_fail(&e);
	else if (columns && (*code = columns_pick(v, set, columns, ncolumns)) != EX_OK)
		learn_set_free(&set);
	return set;
}
