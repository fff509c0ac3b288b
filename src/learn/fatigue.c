/* fatigue: fitted Q-iteration; see fatigue.h. */
#include "learn/fatigue.h"

#include <stdlib.h>
#include <math.h>
#include <string.h>

#include "learn/linear.h"

enum { WAIT, SEND, ACTIONS };

/* The steps of one action. */
struct side {
	size_t n;
	double *x, *next, *reward, *target;
	uint8_t *ended;
};

struct iteration {
	const struct fatigue_log *log;
	const struct fatigue_options *o;
	struct arena *a;
	struct side side[ACTIONS];
	double *b[ACTIONS];	    /* cols + 1: the linear Q */
	struct model *net[ACTIONS]; /* or, when there are, these */
	double *sum;		    /* of what sending was worth beside waiting, in the last iterations */
	void *scratch;
	double *z[ACTIONS]; /* values of the next states of the side at work */
	double low, high;   /* what a sum of discounted rewards can be: regression must not run off */
	double change;
};

static int
log_check(const struct fatigue_log *log, const struct fatigue_options *o, struct err *e)
{
	if (!(o->discount >= 0 && o->discount <= 0.999))
		return err_set(e, ERR_INPUT, "discount must be 0 to 0.999");
	if (o->iterations < 1 || o->iterations > 10000)
		return err_set(e, ERR_INPUT, "iterations must be 1 to 10000");
	if (log->rows == 0 || log->cols == 0 || log->cols > MODEL_MAX_COLUMNS)
		return err_set(e, ERR_INPUT, "there are no steps to learn from");
	for (size_t i = 0; i < log->rows; i++) {
		bool fine = isfinite(log->reward[i]) && fabs(log->reward[i]) <= 1e12 && log->sent[i] <= 1;
		for (size_t k = 0; k < log->cols && fine; k++)
			fine = isfinite(log->state[i * log->cols + k]) &&
			       (log->ended[i] || isfinite(log->next[i * log->cols + k]));
		if (!fine)
			return err_set(e, ERR_INPUT, "step %zu holds what is no number", i + 1);
	}
	return 0;
}

static void
side_fill(struct iteration *it, int action)
{
	const struct fatigue_log *log = it->log;
	struct side *s = &it->side[action];
	size_t cols = log->cols, n = 0;
	for (size_t i = 0; i < log->rows; i++)
		s->n += log->sent[i] == action;
	s->x = ARENA_ARRAY(it->a, double, s->n *cols);
	s->next = ARENA_ARRAY(it->a, double, s->n *cols);
	s->reward = ARENA_ARRAY(it->a, double, s->n);
	s->target = ARENA_ARRAY(it->a, double, s->n);
	s->ended = ARENA_ARRAY(it->a, uint8_t, s->n);
	for (size_t i = 0; i < log->rows; i++) {
		if (log->sent[i] != action)
			continue;
		memcpy(s->x + n * cols, log->state + i * cols, cols * sizeof(double));
		if (!log->ended[i])
			memcpy(s->next + n * cols, log->next + i * cols, cols * sizeof(double));
		s->reward[n] = log->reward[i];
		s->ended[n++] = log->ended[i];
	}
}

static void
bounds_set(struct iteration *it)
{
	double ahead = 1 / (1 - it->o->discount);
	for (size_t i = 0; i < it->log->rows; i++) {
		it->low = fmin(it->low, it->log->reward[i] * ahead);
		it->high = fmax(it->high, it->log->reward[i] * ahead);
	}
}

/* Q of n states for one action, as it is now. */
static void
q_apply(const struct iteration *it, int action, const double *x, size_t n, double *z)
{
	if (it->net[action])
		model_apply(it->net[action], x, n, it->scratch, z, 1);
	else
		learn_linear_apply(it->b[action], NULL, x, n, it->log->cols, z);
}

/* target = r + discount · max Q(next), by Q as it is. */
static void
targets_set(struct iteration *it, struct side *s)
{
	for (int action = 0; action < ACTIONS; action++)
		q_apply(it, action, s->next, s->n, it->z[action]);
	for (size_t i = 0; i < s->n; i++) {
		double best = fmin(fmax(fmax(it->z[WAIT][i], it->z[SEND][i]), it->low), it->high);
		double target = s->reward[i] + (s->ended[i] ? 0 : it->o->discount * best);
		it->change = fmax(it->change, fabs(target - s->target[i]));
		s->target[i] = target;
	}
}

static int
iterate(struct iteration *it, struct err *e)
{
	it->change = 0;
	for (int action = 0; action < ACTIONS; action++)
		targets_set(it, &it->side[action]);
	for (int action = 0; action < ACTIONS; action++) {
		const struct side *s = &it->side[action];
		const struct learn_data d = {
			.rows = s->n, .cols = it->log->cols, .x = s->x, .y = s->target
		};
		if (learn_ridge_fit(&d, it->o->l2, it->b[action], NULL, e) != 0)
			return -1;
	}
	return 0;
}

static int
learn(struct iteration *it, const struct learn_progress *p, struct err *e)
{
	const struct fatigue_log *log = it->log;
	for (int action = 0; action < ACTIONS; action++) {
		side_fill(it, action);
		it->b[action] = ARENA_ARRAY(it->a, double, log->cols + 1);
		it->z[action] = ARENA_ARRAY(it->a, double, log->rows);
		if (it->side[action].n == 0)
			return err_set(e, ERR_INPUT,
				       "the log has no steps %s a mail: what that is worth cannot be known",
				       action == SEND ? "with" : "without");
	}
	bounds_set(it);
	for (size_t k = 0; k < it->o->iterations; k++) {
		if (iterate(it, e) != 0)
			return -1;
		learn_report(p, &(struct learn_step){ k + 1, it->o->iterations, it->change, NAN });
	}
	return 0;
}

struct model *
fatigue_linear(const struct fatigue_log *log, const struct learn_names *names,
	       const struct fatigue_options *o, const struct learn_progress *p, struct fatigue_fit *fit,
	       struct err *e)
{
	struct iteration it = { .log = log, .o = o };
	struct model *m = NULL;
	if (log_check(log, o, e) != 0)
		return NULL;
	it.a = arena_new(65536);
	if (learn(&it, p, e) == 0) {
		double *missing = ARENA_ARRAY(it.a, double, log->cols);
		for (size_t k = 0; k <= log->cols; k++)
			it.b[SEND][k] -= it.b[WAIT][k];
		m = linear_model(names, log->cols, MODEL_IDENTITY, it.b[SEND], missing, e);
		*fit = (struct fatigue_fit){ it.change, it.side[SEND].n, it.side[WAIT].n };
	}
	arena_free(&it.a);
	return m;
}

/* ---- networks ---- */

static int
nets_train(struct iteration *it, const struct learn_names *names, const struct learn_mlp *net, struct err *e)
{
	struct model *fresh[ACTIONS] = { NULL };
	it->change = 0;
	for (int action = 0; action < ACTIONS; action++)
		targets_set(it, &it->side[action]);
	for (int action = 0; action < ACTIONS; action++) {
		const struct side *s = &it->side[action];
		const struct learn_data d = {
			.rows = s->n, .cols = it->log->cols, .x = s->x, .y = s->target
		};
		fresh[action] = learn_mlp(&d, names, net, NULL, e);
	}
	for (int action = 0; action < ACTIONS; action++) {
		model_free(&it->net[action]);
		it->net[action] = fresh[action];
	}
	return fresh[WAIT] && fresh[SEND] ? 0 : -1;
}

/*
 * Each network errs a little in its own way, and where sending and waiting are worth nearly the same that
 * decides; what is taught is the mean over the second half of the iterations.
 */
static void
advantage_add(struct iteration *it, size_t iterations)
{
	const struct fatigue_log *log = it->log;
	for (int action = 0; action < ACTIONS; action++)
		q_apply(it, action, log->state, log->rows, it->z[action]);
	for (size_t i = 0; i < log->rows; i++)
		it->sum[i] += (it->z[SEND][i] - it->z[WAIT][i]) / (double)iterations;
}

static struct model *
advantage_teach(struct iteration *it, const struct learn_names *names, const struct learn_mlp *net,
		struct err *e)
{
	const struct fatigue_log *log = it->log;
	const struct learn_data d = { .rows = log->rows, .cols = log->cols, .x = log->state, .y = it->sum };
	/* Here is no noise to be averaged out, so it pays to look closely. */
	struct learn_mlp close = *net;
	close.epochs *= 4;
	return learn_mlp(&d, names, &close, NULL, e);
}

static int
nets_iterate(struct iteration *it, const struct learn_names *names, const struct learn_mlp *net,
	     size_t iterations, const struct learn_progress *p, struct err *e)
{
	struct learn_mlp options = *net;
	size_t last = (iterations + 1) / 2;
	for (size_t k = 0; k < iterations; k++) {
		options.seed = net->seed + k;
		if (nets_train(it, names, &options, e) != 0)
			return -1;
		if (!it->scratch && !(it->scratch = malloc(model_scratch(it->net[SEND], it->log->rows))))
			abort();
		if (k + last >= iterations)
			advantage_add(it, last);
		learn_report(p, &(struct learn_step){ k + 1, iterations, it->change, NAN });
	}
	return 0;
}

struct model *
fatigue_mlp(const struct fatigue_log *log, const struct learn_names *names, const struct fatigue_options *o,
	    const struct learn_mlp *net, size_t iterations, const struct learn_progress *p,
	    struct fatigue_fit *fit, struct err *e)
{
	struct iteration it = { .log = log, .o = o };
	struct learn_mlp options = *net;
	struct model *m = NULL;
	options.link = MODEL_IDENTITY;
	options.validation = 0;
	options.valid = NULL;
	options.patience = 0;
	if (log_check(log, o, e) != 0)
		return NULL;
	if (iterations < 1 || iterations > 10000) {
		err_set(e, ERR_INPUT, "iterations must be 1 to 10000");
		return NULL;
	}
	it.a = arena_new(65536);
	it.sum = ARENA_ARRAY(it.a, double, log->rows);
	if (learn(&it, NULL, e) == 0 && nets_iterate(&it, names, &options, iterations, p, e) == 0)
		m = advantage_teach(&it, names, &options, e);
	*fit = (struct fatigue_fit){ it.change, it.side[SEND].n, it.side[WAIT].n };
	for (int action = 0; action < ACTIONS; action++)
		model_free(&it.net[action]);
	free(it.scratch);
	arena_free(&it.a);
	return m;
}

/* ---- tables ---- */

int
fatigue_table(const struct fatigue_table_log *log, double discount, size_t passes, double *q, struct err *e)
{
	for (size_t i = 0; i < log->rows; i++)
		if (log->state[i] >= log->states || (!log->ended[i] && log->next[i] >= log->states) ||
		    log->sent[i] > 1 || !isfinite(log->reward[i]))
			return err_set(e, ERR_INPUT, "step %zu: there is no such state or action", i + 1);
	struct arena *a = arena_new(4096);
	double *visits = ARENA_ARRAY(a, double, log->states *ACTIONS);
	memset(q, 0, log->states * ACTIONS * sizeof(*q));
	for (size_t k = 0; k < passes * log->rows; k++) {
		size_t i = k % log->rows, at = log->state[i] * (size_t)ACTIONS + log->sent[i];
		const double *then = q + log->next[i] * (size_t)ACTIONS;
		double target =
		    log->reward[i] + (log->ended[i] ? 0 : discount * fmax(then[WAIT], then[SEND]));
		q[at] += (target - q[at]) / pow(++visits[at], 0.7);
	}
	arena_free(&a);
	return 0;
}
