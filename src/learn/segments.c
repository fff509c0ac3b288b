/* segments: see segments.h. */
#include "learn/segments.h"

#include <math.h>
#include <stdlib.h>

#define DAY_MS 86400000.0

const char *const segments_columns[SEGMENTS_COLUMNS] = { "tenure", "recency",	"frequency",  "value",
							 "sent",   "open-rate", "click-rate", "views" };

static double
days_between(double from_ms, int64_t now_ms)
{
	return fmax(((double)now_ms - from_ms) / DAY_MS, 0);
}

/* Of so many copies: half when nothing is known. */
static double
rate(double answers, double sent)
{
	return fmin((answers + 1) / (sent + 2), 1);
}

void
segments_row(const struct person *v, int64_t now_ms, double row[SEGMENTS_COLUMNS])
{
	double tenure = days_between((double)v->first_ms, now_ms);
	row[0] = log1p(tenure);
	row[1] = log1p(v->purchases > 0 ? days_between(v->last_day * DAY_MS, now_ms) : tenure);
	row[2] = log1p(v->purchases);
	row[3] = log1p(fmax(v->value, 0));
	row[4] = log1p(v->sent);
	row[5] = rate(v->opened, v->sent);
	row[6] = rate(v->clicked, v->sent);
	row[7] = log1p(v->viewed);
}

/* In weeks, to the end of the day before now: today's purchases are not all in. */
static struct bgnbd_customer
customer_of(const struct person *v, int64_t now_ms)
{
	double today = floor((double)now_ms / DAY_MS);
	double end = fmax(today, v->last_day);
	return (struct bgnbd_customer){ .repeats = v->purchases - 1.0,
					.recency = (v->last_day - v->first_day) / 7.0,
					.age = (end - v->first_day) / 7.0,
					.count = 1 };
}

static int
customer_compare(const void *pa, const void *pb)
{
	const struct bgnbd_customer *a = pa, *b = pb;
	if (a->repeats != b->repeats)
		return a->repeats < b->repeats ? -1 : 1;
	if (a->recency != b->recency)
		return a->recency < b->recency ? -1 : 1;
	return (a->age > b->age) - (a->age < b->age);
}

/* Customers who are the same count as one, several times. No repeats at all: there is nothing to fit. */
static void
value_fit(const struct person *v, size_t n, int64_t now_ms, struct segments *out)
{
	struct arena *own = arena_new(4096);
	struct bgnbd_customer *c = ARENA_ARRAY(own, struct bgnbd_customer, n);
	size_t m = 0, kept = 0;
	struct err e = { 0 };
	for (size_t i = 0; i < n; i++)
		if (v[i].purchases > 0)
			c[m++] = customer_of(&v[i], now_ms);
	out->buyers = m;
	if (m > 0)
		qsort(c, m, sizeof(*c), customer_compare);
	for (size_t i = 0; i < m; i++)
		if (kept > 0 && customer_compare(&c[kept - 1], &c[i]) == 0)
			c[kept - 1].count++;
		else
			c[kept++] = c[i];
	out->has_value = bgnbd_fit(c, kept, &out->value, &e) == 0;
	arena_free(&own);
}

static void
segment_add(struct segment *s, const struct person *v, int64_t now_ms)
{
	s->size++;
	s->purchases += v->purchases;
	s->value += v->value;
	s->sent += v->sent;
	s->opened += v->opened;
	s->clicked += v->clicked;
	if (v->purchases > 0)
		s->recency_days += days_between(v->last_day * DAY_MS, now_ms);
	for (int h = 0; h < HOURS; h++)
		s->hours[h] += v->hours[h];
}

static void
segments_describe(const struct person *v, size_t n, const size_t *group, int64_t now_ms, struct segments *out)
{
	size_t *buyers = calloc(out->groups.k, sizeof(*buyers));
	if (!buyers)
		abort();
	for (size_t i = 0; i < n; i++) {
		segment_add(&out->segment[group[i]], &v[i], now_ms);
		buyers[group[i]] += v[i].purchases > 0;
		for (int h = 0; h < HOURS; h++)
			out->hours[h] += v[i].hours[h];
	}
	for (int h = 0; h < HOURS; h++)
		out->answers += out->hours[h];
	hours_blend(out->hours, out->hour_weight, NULL, out->hours);
	for (size_t g = 0; g < out->groups.k; g++) {
		struct segment *s = &out->segment[g];
		double size = fmax((double)s->size, 1);
		s->purchases /= size;
		s->value /= size;
		s->sent /= size;
		s->opened /= size;
		s->clicked /= size;
		s->recency_days /= fmax((double)buyers[g], 1);
		hours_blend(s->hours, out->hour_weight, out->hours, s->hours);
	}
	free(buyers);
}

static void
row_scale(const struct pca *p, double row[SEGMENTS_COLUMNS])
{
	for (size_t k = 0; k < SEGMENTS_COLUMNS; k++)
		row[k] = (row[k] - p->mean[k]) / p->scale[k];
}

int
segments_train(const struct person *v, size_t n, const struct segments_options *o, struct arena *a,
	       struct segments *out, struct err *e)
{
	const struct kmeans_options km = { .k = o->k, .seed = o->seed };
	if (n < 2)
		return err_set(e, ERR_INPUT, "segments need two recipients or more who did something");
	if (o->k < 2 || o->k > SEGMENTS_MAX)
		return err_set(e, ERR_INPUT, "there can be 2 to %d segments", SEGMENTS_MAX);
	*out = (struct segments){ .trained_ms = o->now_ms,
				  .horizon_days = o->horizon_days,
				  .persons = n,
				  .hour_weight = o->hour_weight };
	struct arena *own = arena_new(65536);
	double *x = ARENA_ARRAY(own, double, n *SEGMENTS_COLUMNS);
	size_t *group = ARENA_ARRAY(own, size_t, n);
	for (size_t i = 0; i < n; i++)
		segments_row(&v[i], o->now_ms, x + i * SEGMENTS_COLUMNS);
	int rc = pca_fit(x, n, SEGMENTS_COLUMNS, SEGMENTS_AXES, true, a, &out->axes, e);
	for (size_t i = 0; i < n && rc == 0; i++)
		row_scale(&out->axes, x + i * SEGMENTS_COLUMNS);
	if (rc == 0)
		rc = kmeans_fit(x, n, SEGMENTS_COLUMNS, &km, a, &out->groups, group, e);
	if (rc == 0) {
		out->segment = ARENA_ARRAY(a, struct segment, out->groups.k);
		segments_describe(v, n, group, o->now_ms, out);
		value_fit(v, n, o->now_ms, out);
	}
	arena_free(&own);
	return rc;
}

void
segments_apply(const struct segments *s, const struct person *v, int64_t now_ms, struct segments_one *out)
{
	double row[SEGMENTS_COLUMNS], p[HOURS];
	*out = (struct segments_one){ .has_value = s->has_value && v->purchases > 0 };
	segments_row(v, now_ms, row);
	pca_project(&s->axes, row, out->axis);
	row_scale(&s->axes, row);
	out->segment = kmeans_assign(&s->groups, row);
	hours_blend(v->hours, s->hour_weight, s->segment[out->segment].hours, p);
	out->hour = hours_best(p, &out->gain);
	if (out->has_value) {
		const struct bgnbd_customer c = customer_of(v, now_ms);
		out->expected = bgnbd_expected(&s->value, &c, (double)s->horizon_days / 7);
		out->alive = bgnbd_alive(&s->value, &c);
	}
}

int
segments_rfm(const struct person *v, size_t n, int64_t now_ms, struct rfm_score *out, struct err *e)
{
	struct arena *own = arena_new(4096);
	struct rfm_customer *c = ARENA_ARRAY(own, struct rfm_customer, n);
	for (size_t i = 0; i < n; i++)
		c[i] = (struct rfm_customer){ .recency = days_between(v[i].last_day * DAY_MS, now_ms),
					      .frequency = v[i].purchases,
					      .monetary = v[i].value };
	int rc = rfm_scores(c, n, out, e);
	arena_free(&own);
	return rc;
}
