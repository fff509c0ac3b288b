/*
 * call: one call of one plugin, on the worker's thread, and the checks of
 * what it hands over.
 */
#include <math.h>

#include "plugin/set.h"

static enum step_state
step_fail(struct job *j, struct job_step *s, struct mt_error *pe)
{
	pe->text[sizeof(pe->text) - 1] = '\0';
	struct str text = str_of(pe->text);
	if (text.n == 0 || !str_is_utf8(text))
		text = STR("no reason given");
	s->text = arena_str(j->arena, text);
	return STEP_FAILED;
}

static enum step_state
call_personalizer(struct plugin *p, void *thread, struct job *j, struct job_step *s)
{
	struct mt_error pe = { "" };
	struct call c = { .request = j->request, .job = j, .step = s };
	c.request.host = &p->host;
	int rc = p->api->run(p->instance, thread, &c.request, &pe);
	if (s->text.p)
		return STEP_REJECTED;
	return rc != 0 ? step_fail(j, s, &pe) : STEP_DONE;
}

static enum step_state
call_scorer(struct plugin *p, void *thread, struct job *j, struct job_step *s)
{
	const struct mt_shape *sh = &p->shape;
	struct mt_error pe = { "" };
	struct score_facts facts = { j->profile, j->message, j->request.now_ms, j->request.time_zone };
	double *row = ARENA_ARRAY(j->arena, double, sh->nfeatures);
	double *scores = ARENA_ARRAY(j->arena, double, sh->nscores);
	score_row(&facts, sh->features, sh->nfeatures, row);
	for (size_t i = 0; i < sh->nscores; i++)
		scores[i] = NAN;

	if (p->api->score(p->instance, thread, row, 1, sh->nfeatures, scores, &pe) != 0)
		return step_fail(j, s, &pe);
	for (size_t i = 0; i < sh->nscores; i++) {
		if (!isfinite(scores[i])) {
			s->text = arena_printf(j->arena, "score %s is not a finite number", sh->scores[i]);
			return STEP_REJECTED;
		}
	}
	s->nscores = sh->nscores;
	s->scores = ARENA_ARRAY(j->arena, struct plugin_score, sh->nscores);
	for (size_t i = 0; i < sh->nscores; i++) {
		s->scores[i] = (struct plugin_score){ str_of(sh->scores[i]), scores[i] };
		j->scores[j->nscores++] = s->scores[i];
	}
	return STEP_DONE;
}

enum step_state
call_step(struct worker *w, struct job *j, size_t i)
{
	struct job_step *s = &j->steps[i];
	struct plugin *p = s->plugin;
	struct worker_context *ctx = &w->contexts[p->index];
	if (!ctx->ready) {
		struct mt_error pe = { "" };
		ctx->thread = NULL;
		if (p->api->thread_init && p->api->thread_init(p->instance, &ctx->thread, &pe) != 0)
			return step_fail(j, s, &pe);
		ctx->ready = true;
	}
	if (p->api->kind == MT_KIND_SCORER)
		return call_scorer(p, ctx->thread, j, s);
	return call_personalizer(p, ctx->thread, j, s);
}
