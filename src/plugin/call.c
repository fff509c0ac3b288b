/*
 * call: one call of one plugin, on the worker's thread, and the checks of
 * what it hands over.
 */
#include <math.h>

#include "plugin/set.h"

static enum call_state
call_fail(struct job *j, struct job_call *c, struct mt_error *pe)
{
	pe->text[sizeof(pe->text) - 1] = '\0';
	struct str text = str_of(pe->text);
	if (text.n == 0 || !str_is_utf8(text))
		text = STR("no reason given");
	c->text = arena_str(j->arena, text);
	return CALL_FAILED;
}

static enum call_state
call_personalizer(struct plugin *p, void *thread, struct job *j, struct job_call *result)
{
	const struct job_row *row = &j->rows[result->row];
	struct mt_error pe = { "" };
	struct call c = { .request = row->request, .job = j, .row = row, .result = result };
	c.request.host = &p->host;
	int rc = p->api->run(p->instance, thread, &c.request, &pe);
	if (result->text.p)
		return CALL_REJECTED;
	return rc != 0 ? call_fail(j, result, &pe) : CALL_DONE;
}

/* ---- scorers ---- */

static double *
matrix_make(const struct plugin *p, struct job *j)
{
	const struct mt_shape *sh = &p->shape;
	double *rows = ARENA_ARRAY(j->arena, double, j->nrows * sh->nfeatures);
	struct score_facts *facts = ARENA_ARRAY(j->arena, struct score_facts, j->nrows);
	for (size_t i = 0; i < j->nrows; i++) {
		const struct job_row *r = &j->rows[i];
		facts[i] = (struct score_facts){
			.profile = r->profile,
			.message = r->message,
			.now_ms = r->request.now_ms,
			.time_zone = r->request.time_zone,
			.events = r->events,
			.campaign = str_of(r->request.campaign),
			.category = r->category,
		};
	}
	score_matrix(p->columns, facts, j->nrows, j->arena, rows);
	return rows;
}

static enum call_state
call_scorer(struct plugin *p, void *thread, struct job *j, struct job_call *result)
{
	const struct mt_shape *sh = &p->shape;
	struct mt_error pe = { "" };
	size_t n = j->nrows * sh->nscores;
	double *rows = matrix_make(p, j), *scores = ARENA_ARRAY(j->arena, double, n);
	for (size_t i = 0; i < n; i++)
		scores[i] = NAN;
	if (p->api->score(p->instance, thread, rows, j->nrows, sh->nfeatures, scores, &pe) != 0)
		return call_fail(j, result, &pe);
	result->matrix = rows;
	result->scores = scores;
	return CALL_DONE;
}

const char *
scores_bad(const struct job_call *c, size_t row)
{
	const struct mt_shape *sh = &c->plugin->shape;
	for (size_t k = 0; k < sh->nscores; k++)
		if (!isfinite(c->scores[row * sh->nscores + k]))
			return sh->scores[k];
	return NULL;
}

void
scores_add(const struct job_call *c, struct job_row *rows, size_t nrows, struct arena *a)
{
	const struct mt_shape *sh = &c->plugin->shape;
	struct str names[PLUGIN_MAX_SCORES];
	if (!c->scores)
		return;
	for (size_t k = 0; k < sh->nscores; k++)
		names[k] = arena_str(a, str_of(sh->scores[k]));
	for (size_t i = 0; i < nrows; i++) {
		if (scores_bad(c, i))
			continue;
		for (size_t k = 0; k < sh->nscores; k++)
			rows[i].scores[rows[i].nscores++] =
			    (struct plugin_score){ names[k], c->scores[i * sh->nscores + k] };
	}
}

enum call_state
call_make(struct worker *w, struct job *j, size_t i)
{
	struct job_call *c = &j->calls[i];
	struct plugin *p = c->plugin;
	struct worker_context *ctx = &w->contexts[p->index];
	if (!ctx->ready) {
		struct mt_error pe = { "" };
		ctx->thread = NULL;
		if (p->api->thread_init && p->api->thread_init(p->instance, &ctx->thread, &pe) != 0)
			return call_fail(j, c, &pe);
		ctx->ready = true;
	}
	if (p->api->kind == MT_KIND_SCORER)
		return call_scorer(p, ctx->thread, j, c);
	return call_personalizer(p, ctx->thread, j, c);
}
