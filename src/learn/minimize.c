/* minimize: Nelder and Mead; see minimize.h. */
#include "learn/minimize.h"

#include <math.h>
#include <string.h>

struct point {
	double x[MINIMIZE_MAX], v;
};

struct state {
	const struct minimize *m;
	struct point p[MINIMIZE_MAX + 1]; /* best first */
	double centre[MINIMIZE_MAX];	  /* of all but the worst */
	size_t evaluations;
};

static double
value_at(struct state *s, const double *x)
{
	double v = s->m->f(s->m->ctx, x);
	s->evaluations++;
	return isnan(v) ? INFINITY : v;
}

/* Puts p[i] where it belongs among those before it. */
static void
sink(struct state *s, size_t i)
{
	struct point p = s->p[i];
	for (; i > 0 && p.v < s->p[i - 1].v; i--)
		s->p[i] = s->p[i - 1];
	s->p[i] = p;
}

static void
begin(struct state *s, const double *x)
{
	size_t n = s->m->n;
	for (size_t i = 0; i <= n; i++) {
		memcpy(s->p[i].x, x, n * sizeof(*x));
		if (i > 0)
			s->p[i].x[i - 1] += s->m->step;
		s->p[i].v = value_at(s, s->p[i].x);
		sink(s, i);
	}
}

static void
centre_find(struct state *s)
{
	size_t n = s->m->n;
	for (size_t k = 0; k < n; k++) {
		s->centre[k] = 0;
		for (size_t i = 0; i < n; i++)
			s->centre[k] += s->p[i].x[k] / (double)n;
	}
}

/* The point at centre + t · (centre - worst). */
static struct point
along(struct state *s, double t)
{
	struct point out;
	size_t n = s->m->n;
	for (size_t k = 0; k < n; k++)
		out.x[k] = s->centre[k] + t * (s->centre[k] - s->p[n].x[k]);
	out.v = value_at(s, out.x);
	return out;
}

static void
take(struct state *s, const struct point *p)
{
	s->p[s->m->n] = *p;
	sink(s, s->m->n);
}

static void
shrink(struct state *s, double factor)
{
	size_t n = s->m->n;
	const struct point best = s->p[0];
	for (size_t i = 1; i <= n; i++) {
		for (size_t k = 0; k < n; k++)
			s->p[i].x[k] = best.x[k] + factor * (s->p[i].x[k] - best.x[k]);
		s->p[i].v = value_at(s, s->p[i].x);
		sink(s, i);
	}
}

static void
step(struct state *s)
{
	size_t n = s->m->n;
	double d = (double)n, outside = 0.75 - 1 / (2 * d);
	centre_find(s);
	struct point mirrored = along(s, 1), other;
	if (mirrored.v < s->p[0].v) {
		other = along(s, 1 + 2 / d);
		take(s, other.v < mirrored.v ? &other : &mirrored);
	} else if (mirrored.v < s->p[n - 1].v) {
		take(s, &mirrored);
	} else {
		bool better = mirrored.v < s->p[n].v;
		other = along(s, better ? outside : -outside);
		if (other.v < (better ? mirrored.v : s->p[n].v))
			take(s, &other);
		else
			shrink(s, 1 - 1 / d);
	}
}

bool
minimize(const struct minimize *m, double *x, double *value, size_t *evaluations)
{
	struct state s = { .m = m };
	double before;
	*value = INFINITY;
	do {
		before = *value;
		begin(&s, x);
		/* !(a <= b): also while values are infinite */
		while (!(s.p[m->n].v - s.p[0].v <= m->tolerance) && s.evaluations < m->max)
			step(&s);
		memcpy(x, s.p[0].x, m->n * sizeof(*x));
		*value = s.p[0].v;
	} while (!(before - *value <= m->tolerance) && s.evaluations < m->max);
	*evaluations = s.evaluations;
	return s.evaluations < m->max;
}
