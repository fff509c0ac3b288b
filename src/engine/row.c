/* row: a recipient's feature row, and how rows go into a decision's event (see engine.h). */
#include "engine/engine-private.h"

#include "base/json.h"

const double *
engine_row(const struct engine_request *rq, const struct engine_copy *c, const char *arm)
{
	const struct features *f = features_find(rq->epoch->features, rq->campaign->features);
	struct arena *a = rq->worker->arena;
	if (!f)
		return NULL;
	const struct score_facts facts = {
		.profile = c->recipient->profile,
		.message = engine_message_data(rq, c),
		.now_ms = rq->now_ms,
		.time_zone = c->recipient->time_zone,
		.events = c->recipient->behaviour,
		.campaign = str_of(rq->campaign->name),
		.category = str_of(rq->campaign->category),
		.arm = str_of(arm),
	};
	double *row = ARENA_ARRAY(a, double, score_columns_count(f->columns));
	score_matrix(f->columns, &facts, 1, a, row);
	return row;
}

/* "HASH":[1,null,0.5]: every value as short as reads back to the same bits, null where it is missing. */
static void
row_print(struct buf *b, const char *hash, const double *values, size_t n)
{
	buf_printf(b, "\"%s\":[", hash);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(b, ',');
		if (values[i] == values[i])
			value_print(b, &(struct value){ .type = VALUE_REAL, .r = values[i] });
		else
			buf_adds(b, STR("null"));
	}
	buf_addc(b, ']');
}

/* Appends ",one" or its first form, unless the details would grow beyond what an event holds. */
static void
row_add(struct buf *b, bool *any, const struct score_columns *columns, const double *values)
{
	size_t before = b->n;
	char hash[SCORE_COLUMNS_HASH];
	score_columns_hash(columns, hash);
	/* Two scorers may read the same columns. */
	if (*any && str_find(buf_str(b), str_of(hash)) < b->n)
		return;
	buf_adds(b, *any ? STR(",") : STR(",\"features\":{"));
	row_print(b, hash, values, score_columns_count(columns));
	if (b->n + 2 > EVENT_MAX_DETAILS) {
		b->n = before;
		b->p[b->n] = '\0';
		return;
	}
	*any = true;
}

void
engine_rows_print(const struct engine_request *rq, const struct engine_copy *c, struct buf *b)
{
	const struct features *f = features_find(rq->epoch->features, rq->campaign->features);
	bool any = false;
	if (f)
		row_add(b, &any, f->columns, engine_row(rq, c, c->plan.decision.arm));
	for (size_t i = 0; i < c->plugins.nrows; i++)
		row_add(b, &any, c->plugins.rows[i].columns, c->plugins.rows[i].values);
	if (any)
		buf_addc(b, '}');
}
