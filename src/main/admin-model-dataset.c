/* mailtailor model dataset: decisions and what came of them, as CSV. */
#include <string.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "learn/dataset.h"
#include "main/admin-events.h"
#include "main/admin-model.h"
#include "main/paths.h"

int
model_since(const struct model_request *rq, int64_t now_ms, int64_t *ms)
{
	*ms = 0;
	if (rq->since && events_time(rq->since, now_ms, ms) != 0)
		return admin_misuse("--since %s: a time like 2026-03-29T12:00:00Z, or 90d", rq->since);
	return EX_OK;
}

static int
window_read(const char *text, int64_t *ms)
{
	struct err e = { 0 };
	if (clock_parse_duration(str_of(text ? text : "7d"), ms, &e) != 0)
		return admin_misuse("--window %s: %s", text, e.text);
	return EX_OK;
}

static void
report(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
}

/* Those that are kept with the decisions of a campaign; of one that was taken out, or of all, none. */
static const struct score_columns *
log_columns(const struct model_log *l, const char *campaign)
{
	const struct conf_campaign *c = campaign ? conf_campaign_find(l->conf, str_of(campaign)) : NULL;
	const struct features *f = features_find(l->features, c ? c->features : NULL);
	return f ? f->columns : NULL;
}

int
model_log_open(struct model_log *l, const char *conf_path, const char *campaign)
{
	struct err e = { 0 };
	struct event_stats stats = { 0 };
	int rc = EX_CONFIG;
	*l = (struct model_log){ .conf = admin_conf(conf_path) };
	if (!l->conf || !(l->features = features_load(l->conf, report, NULL)))
		return EX_CONFIG;
	l->columns = log_columns(l, campaign);
	if (!(l->keys = admin_keys(l->conf, &rc)) || !(l->store = admin_store(l->conf, true, false, &rc)))
		return rc;
	if (campaign && (rc = admin_campaign_known(l->conf, l->store, campaign)) != EX_OK)
		return rc;
	if (event_stats(l->store, &stats, &e) != 0)
		return admin_fail(&e);
	l->events = stats.next;
	return EX_OK;
}

void
model_log_close(struct model_log *l)
{
	store_close(&l->store);
	keyring_free(&l->keys);
	features_free(&l->features);
	conf_free(&l->conf);
}

/* Two walks: what the first one did, and what this one has done. */
static void
on_progress(void *ctx, uint64_t number)
{
	struct model_log *l = ctx;
	if (number < l->last)
		l->walked += l->last;
	l->last = number;
	progress_update(l->progress, l->walked + number);
}

static int
outcome_of(const char *name, uint32_t *out)
{
	int type = event_type_find(str_of(name ? name : "clicked"));
	const uint32_t possible = EVENT_BIT(EVENT_OPENED) | EVENT_BIT(EVENT_CLICKED) |
				  EVENT_BIT(EVENT_CONVERTED) | EVENT_BIT(EVENT_PURCHASED) |
				  EVENT_BIT(EVENT_VIEWED) | EVENT_BIT(EVENT_UNSUBSCRIBED) |
				  EVENT_BIT(EVENT_COMPLAINED) | EVENT_BIT(EVENT_BOUNCED);
	if (type < 0 || !(possible & EVENT_BIT(type)))
		return admin_misuse("--outcome %s: one of opened, clicked, converted, purchased, viewed, "
				    "unsubscribed, complained, bounced",
				    name);
	*out = EVENT_BIT(type);
	return EX_OK;
}

struct dataset *
model_log_read(struct model_log *l, const struct model_request *rq, int *code)
{
	struct err e = { 0 };
	struct dataset_request ask = { .campaigns = &rq->campaign,
				       .ncampaigns = rq->campaign != NULL,
				       .columns = l->columns,
				       .now_ms = clock_now_ms(),
				       .keys = l->keys,
				       .progress = on_progress,
				       .ctx = l };
	if ((*code = outcome_of(rq->outcome, &ask.outcomes)) != EX_OK ||
	    (*code = window_read(rq->window, &ask.window_ms)) != EX_OK ||
	    (*code = model_since(rq, ask.now_ms, &ask.since_ms)) != EX_OK)
		return NULL;
	l->progress = progress_start("events", 2 * l->events);
	struct dataset *d = dataset_read(l->store, &ask, &e);
	progress_end(&l->progress);
	if (!d) {
		*code = admin_fail(&e);
		return NULL;
	}
	if (d->young + d->other_columns + d->erased + d->damaged > 0)
		admin_say("left out: %llu decisions younger than the window, %llu kept with other columns, "
			  "%llu of erased recipients, %llu damaged",
			  (unsigned long long)d->young, (unsigned long long)d->other_columns,
			  (unsigned long long)d->erased, (unsigned long long)d->damaged);
	return d;
}

/* In pieces: the whole may be larger than memory likes. */
static int
csv_write(const struct dataset *d, FILE *out)
{
	struct buf b = { 0 };
	struct err e = { 0 };
	bool ok = true;
	dataset_csv_head(d, &b);
	for (size_t i = 0; i < d->n && ok; i++) {
		dataset_csv_row(d, i, &b);
		if (b.n < 65536)
			continue;
		ok = fwrite(b.p, 1, b.n, out) == b.n;
		buf_reset(&b);
	}
	ok = ok && fwrite(b.p, 1, b.n, out) == b.n && fflush(out) == 0;
	buf_free(&b);
	if (ok)
		return EX_OK;
	err_set(&e, ERR_IO, "cannot write the table: %m");
	return admin_fail(&e);
}

int
model_dataset(const struct model_request *rq)
{
	struct model_log l;
	struct dataset *d = NULL;
	int rc = model_log_open(&l, rq->conf_path, rq->campaign);
	if (rc == EX_OK && (d = model_log_read(&l, rq, &rc)) != NULL)
		rc = csv_write(d, stdout);
	dataset_free(&d);
	model_log_close(&l);
	return rc;
}
