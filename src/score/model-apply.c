/* model: from a row to a score: margin, calibration, link (see model.h). */
#include <math.h>

#include "score/model-private.h"

#define ALIGN ((size_t)64)

/* ---- calibration as it is stored ---- */

static int
isotonic_read(struct model *m, const struct safetensors *st, struct err *e)
{
	struct model_calibration *c = &m->calibration;
	size_t n = 0;
	const struct safetensor *x = safetensors_need(st, "calibration.x", 1, &n, e);
	const struct safetensor *y = x ? safetensors_need(st, "calibration.y", 1, &n, e) : NULL;
	if (!x || !y)
		return -1;
	if (n > MODEL_MAX_POINTS)
		return err_set(e, ERR_LIMIT, "it is calibrated by more than %d points", MODEL_MAX_POINTS);
	c->x = ARENA_ARRAY(m->arena, double, n);
	c->y = ARENA_ARRAY(m->arena, double, n);
	if (safetensors_doubles(x, c->x, e) != 0 || safetensors_doubles(y, c->y, e) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (!(c->y[i] >= 0 && c->y[i] <= 1) ||
		    (i > 0 && (c->x[i] <= c->x[i - 1] || c->y[i] < c->y[i - 1])))
			return err_set(e, ERR_INPUT, "calibration: point %zu is out of order or out of 0..1",
				       i + 1);
	}
	c->npoints = n;
	return 0;
}

int
calibration_read(struct model *m, const struct safetensors *st, struct err *e)
{
	const struct safetensor *platt = safetensors_find(st, "calibration.platt");
	bool isotonic = safetensors_find(st, "calibration.x") != NULL;
	double ab[2];
	size_t two = 2;
	if ((platt && isotonic) || (isotonic && m->link != MODEL_LOGIT))
		return err_set(e, ERR_INPUT,
			       "its calibration does not fit: one of Platt's and isotonic, the "
			       "latter for probabilities");
	if (isotonic)
		return isotonic_read(m, st, e);
	if (!platt)
		return 0;
	if (!safetensors_need(st, "calibration.platt", 1, &two, e) || safetensors_doubles(platt, ab, e) != 0)
		return -1;
	if (fabs(ab[0]) > MODEL_MAX_INPUT || fabs(ab[1]) > MODEL_MAX_INPUT)
		return err_set(e, ERR_INPUT, "tensor \"calibration.platt\" is out of range");
	m->calibration = (struct model_calibration){ .platt = true, .a = ab[0], .b = ab[1] };
	return 0;
}

size_t
calibration_tensors(const struct model *m, struct arena *a, struct safetensor *out)
{
	const struct model_calibration *c = &m->calibration;
	struct safetensor t = { .type = SAFETENSORS_F64, .ndim = 1 };
	if (c->platt) {
		double *ab = ARENA_ARRAY(a, double, 2);
		ab[0] = c->a;
		ab[1] = c->b;
		t.n = t.shape[0] = 2;
		t.name = STR("calibration.platt");
		t.data = ab;
		out[0] = t;
		return 1;
	}
	if (c->npoints == 0)
		return 0;
	t.n = t.shape[0] = c->npoints;
	t.name = STR("calibration.x");
	t.data = c->x;
	out[0] = t;
	t.name = STR("calibration.y");
	t.data = c->y;
	out[1] = t;
	return 2;
}

/* ---- scores ---- */

static double
sigmoid(double z)
{
	/* The two forms keep exp() from overflowing. */
	return z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z));
}

static double
isotonic(const struct model_calibration *c, double z)
{
	size_t lo = 0, hi = c->npoints - 1;
	if (z <= c->x[0])
		return c->y[0];
	if (z >= c->x[hi])
		return c->y[hi];
	while (hi - lo > 1) { /* x[lo] <= z < x[hi] */
		size_t mid = lo + (hi - lo) / 2;
		if (c->x[mid] <= z)
			lo = mid;
		else
			hi = mid;
	}
	return c->y[lo] + (c->y[hi] - c->y[lo]) * ((z - c->x[lo]) / (c->x[hi] - c->x[lo]));
}

void
model_link_apply(const struct model *m, double *z, size_t n)
{
	const struct model_calibration *c = &m->calibration;
	for (size_t i = 0; i < n; i++) {
		if (c->npoints > 0) {
			z[i] = isotonic(c, z[i]);
			continue;
		}
		double v = c->platt ? c->a * z[i] + c->b : z[i];
		z[i] = m->link == MODEL_LOGIT ? sigmoid(v) : v;
	}
}

/* Scratch begins with the margins, the kind's own stands behind, aligned. */
static size_t
margins_size(size_t nrows)
{
	return (nrows * sizeof(double) + ALIGN - 1) / ALIGN * ALIGN;
}

size_t
model_scratch(const struct model *m, size_t nrows)
{
	return margins_size(nrows) + (m->kind->scratch ? m->kind->scratch(m, nrows) : 0) + ALIGN;
}

static double *
scratch_align(void *scratch)
{
	return (double *)(((uintptr_t)scratch + ALIGN - 1) / ALIGN * ALIGN);
}

void
model_margins(const struct model *m, const double *rows, size_t nrows, void *scratch, double *z)
{
	m->kind->apply(m, rows, nrows, (char *)scratch_align(scratch) + margins_size(nrows), z);
}

void
model_apply(const struct model *m, const double *rows, size_t nrows, void *scratch, double *scores,
	    size_t stride)
{
	double *z = scratch_align(scratch);
	model_margins(m, rows, nrows, scratch, z);
	model_link_apply(m, z, nrows);
	for (size_t i = 0; i < nrows; i++)
		scores[i * stride] = z[i];
}
