/* mailtailor model features: a recipient's row, column by column. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "main/admin-model.h"
#include "main/paths.h"

struct showing {
	const struct model_request *rq;
	struct epoch *epoch;
	struct worker *worker;
	struct store *store;
	const struct conf_campaign *campaign;
	struct score_facts facts;
	struct admin_table *table;
};

static void
report(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s\n", text);
}

/* A list of columns: who reads them, their texts, their values in full. */
static void
columns_show(struct showing *s, const char *reader, const struct score_columns *c)
{
	struct arena *a = s->worker->arena;
	size_t n = score_columns_count(c);
	double *row = ARENA_ARRAY(a, double, n);
	struct buf b = { 0 };
	score_matrix(c, &s->facts, 1, a, row);
	for (size_t k = 0; k < n; k++) {
		buf_reset(&b);
		if (!isnan(row[k]))
			value_print(&b, &(struct value){ .type = VALUE_REAL, .r = row[k] });
		const char *cells[] = { reader, score_columns_texts(c)[k], b.n > 0 ? b.p : NULL };
		admin_table_row(s->table, cells);
	}
	buf_free(&b);
}

static int
facts_read(struct showing *s, struct err *e)
{
	const struct recipient_source src = {
		.store = s->store,
		.keys = s->epoch->keys,
		.sealer = s->worker->sealer,
		.conf = s->epoch->conf,
		.campaign = s->campaign,
		.behaviour = true,
	};
	struct recipient_snapshot *r;
	int64_t now = clock_now_ms();
	if (recipient_read(&src, str_of(s->rq->recipient), STR_NULL, now, s->worker->arena, &r, e) != 0)
		return -1;
	if (!r->known)
		admin_say("nothing is known of this recipient: there is no profile");
	s->facts = (struct score_facts){
		.profile = r->profile,
		.now_ms = now,
		.time_zone = r->time_zone,
		.events = r->behaviour,
		.campaign = str_of(s->campaign->name),
		.category = str_of(s->campaign->category),
		.arm = str_of(s->rq->arm),
	};
	return 0;
}

static int
campaign_find(struct showing *s)
{
	const struct conf *c = s->epoch->conf;
	s->campaign = conf_campaign_find(c, str_of(s->rq->campaign));
	return s->campaign ? EX_OK : admin_no_campaign(c, s->rq->campaign);
}

static int
show(struct showing *s)
{
	static const struct admin_column COLUMNS[] = {
		{ "READ BY", ADMIN_COL_TEXT },
		{ "COLUMN", ADMIN_COL_TEXT },
		{ "VALUE", ADMIN_COL_NUMBER },
	};
	struct err e = { 0 };
	int rc = campaign_find(s);
	if (rc != EX_OK || (s->store = admin_store(s->epoch->conf, true, false, &rc)) == NULL)
		return rc;
	if (facts_read(s, &e) != 0)
		return admin_fail(&e);
	const struct features *f = features_find(s->epoch->features, s->campaign->features);
	s->table = admin_table_new(COLUMNS, 3);
	if (f)
		columns_show(s, f->conf->name, f->columns);
	for (size_t i = 0; i < s->campaign->scorers.n; i++) {
		const char *name = s->campaign->scorers.v[i];
		const struct score_columns *c = plugin_set_columns(s->epoch->plugins, name);
		if (c)
			columns_show(s, name, c);
	}
	if (admin_table_rows(s->table) == 0 && !s->rq->json)
		admin_say("campaign \"%s\" names no features and no scorers", s->campaign->name);
	else
		admin_table_print(s->table, stdout, s->rq->json);
	admin_table_free(&s->table);
	return EX_OK;
}

int
model_features(const struct model_request *rq)
{
	struct showing s = { .rq = rq };
	const struct epoch_options o = { .conf_file = admin_conf_path(rq->conf_path),
					 .plugin_directory = paths_plugins() };
	if ((s.epoch = epoch_load(&o, report, NULL)) == NULL)
		return EX_CONFIG;
	s.worker = engine_worker_get(s.epoch);
	int rc = show(&s);
	store_close(&s.store);
	engine_worker_put(s.epoch, &s.worker);
	epoch_unref(&s.epoch);
	return rc;
}
