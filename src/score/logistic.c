/* logistic: applying linear models (see logistic.h). */
#include "score/logistic.h"

#include <math.h>

struct logistic_state *
logistic_state_new(struct model *m)
{
	struct logistic_state *s = ARENA_NEW(m->arena, struct logistic_state);
	s->weights = ARENA_ARRAY(m->arena, double, m->ncolumns);
	s->missing = ARENA_ARRAY(m->arena, double, m->ncolumns);
	m->state = s;
	return s;
}

static int
vector_read(const struct safetensors *st, const char *name, size_t n, double *out, struct err *e)
{
	const struct safetensor *t = safetensors_need(st, name, 1, &n, e);
	if (!t || safetensors_doubles(t, out, e) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (fabs(out[i]) > MODEL_MAX_INPUT)
			return err_set(e, ERR_INPUT, "tensor \"%s\": element %zu is out of range", name, i);
	return 0;
}

static int
logistic_parse(struct model *m, const struct safetensors *st, struct err *e)
{
	struct logistic_state *s = logistic_state_new(m);
	if (vector_read(st, "weights", m->ncolumns, s->weights, e) != 0 ||
	    vector_read(st, "intercept", 1, &s->intercept, e) != 0)
		return -1;
	return safetensors_find(st, "missing") ? vector_read(st, "missing", m->ncolumns, s->missing, e) : 0;
}

static double
input(double x, double missing)
{
	if (isnan(x))
		return missing;
	return x > MODEL_MAX_INPUT ? MODEL_MAX_INPUT : x < -MODEL_MAX_INPUT ? -MODEL_MAX_INPUT : x;
}

/*
 * Four sums side by side, in an order that nothing but the number of columns decides: BLAS would take the
 * rows of a batch several at a time, and those left over by another kernel with other last bits.
 */
static void
logistic_apply(const struct model *m, const double *rows, size_t nrows, void *scratch, double *z)
{
	const struct logistic_state *s = m->state;
	size_t n = m->ncolumns, four = n / 4 * 4;
	(void)scratch;
	for (size_t i = 0; i < nrows; i++) {
		const double *x = rows + i * n;
		double sum[4] = { s->intercept, 0, 0, 0 };
		for (size_t k = 0; k < four; k += 4)
			for (size_t j = 0; j < 4; j++)
				sum[j] += s->weights[k + j] * input(x[k + j], s->missing[k + j]);
		for (size_t k = four; k < n; k++)
			sum[k - four] += s->weights[k] * input(x[k], s->missing[k]);
		z[i] = (sum[0] + sum[2]) + (sum[1] + sum[3]);
	}
}

static size_t
logistic_tensors(const struct model *m, struct arena *a, struct safetensor **out)
{
	const struct logistic_state *s = m->state;
	const struct safetensor t = {
		.type = SAFETENSORS_F64, .ndim = 1, .shape = { m->ncolumns }, .n = m->ncolumns
	};
	struct safetensor *all = ARENA_ARRAY(a, struct safetensor, 3);
	all[0] = all[1] = all[2] = t;
	all[0].name = STR("weights");
	all[0].data = s->weights;
	all[1].name = STR("intercept");
	all[1].n = all[1].shape[0] = 1;
	all[1].data = &s->intercept;
	all[2].name = STR("missing");
	all[2].data = s->missing;
	*out = all;
	return 3;
}

static void
logistic_importance(const struct model *m, double *out)
{
	const struct logistic_state *s = m->state;
	for (size_t i = 0; i < m->ncolumns; i++)
		out[i] = s->weights[i];
}

const struct model_kind model_logistic = {
	.name = "logistic",
	.parse = logistic_parse,
	.apply = logistic_apply,
	.tensors = logistic_tensors,
	.importance = logistic_importance,
};
