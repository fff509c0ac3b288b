/* judge: figures, as text and JSON (see judge.h). */
#include "learn/judge.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "learn/metric-private.h"

#define BATCH 256

static const double *
score_all(struct arena *a, const struct model *m, const struct learn_data *d)
{
	double *p = arena_alloc(a, (d->rows + 1) * sizeof(*p));
	void *scratch = metric_alloc(model_scratch(m, BATCH));
	for (size_t i = 0; i < d->rows; i += BATCH)
		model_apply(m, d->x + i * d->cols, d->rows - i < BATCH ? d->rows - i : BATCH, scratch, p + i,
			    1);
	free(scratch);
	return p;
}

static double
weighted_mean(const double *v, const double *w, size_t n)
{
	double sum = 0, weight = 0;
	for (size_t i = 0; i < n; i++) {
		sum += (w ? w[i] : 1) * v[i];
		weight += w ? w[i] : 1;
	}
	return weight > 0 ? sum / weight : NAN;
}

static struct judge_side
side_make(const struct judgement *j, const char *name, const double *p)
{
	const struct metric_data d = { p, j->y, j->w, j->rows };
	struct judge_side s = { .name = name, .p = p, .mean = weighted_mean(p, j->w, j->rows) };
	if (!j->value)
		s.metrics = metric_all(&d);
	s.metrics.brier = metric_brier(&d);
	return s;
}

bool
judge_has(const struct judgement *j, enum metric_kind kind)
{
	return !j->value || kind == METRIC_BRIER;
}

const char *
judge_metric_name(const struct judgement *j, enum metric_kind kind)
{
	return j->value ? "mean squared error" : metric_name(kind);
}

struct judgement *
judge_make(const struct model *m, const char *name, const struct learn_data *d, const struct model *other,
	   const char *other_name, const struct learn_data *other_d, const char *part, uint64_t seed)
{
	struct arena *a = arena_new(65536);
	struct judgement *j = ARENA_NEW(a, struct judgement);
	double *constant = arena_alloc(a, (d->rows + 1) * sizeof(*constant));
	*j = (struct judgement){ .arena = a,
				 .model = m,
				 .part = part,
				 .value = m->link == MODEL_IDENTITY,
				 .rows = d->rows,
				 .y = d->y,
				 .w = d->w };
	j->base = weighted_mean(d->y, d->w, d->rows);
	for (size_t i = 0; i < d->rows; i++)
		constant[i] = j->base;
	j->own = side_make(j, name, score_all(a, m, d));
	j->constant = side_make(j, "constant", constant);
	if (other != NULL && other_d != NULL)
		j->other = side_make(j, other_name, score_all(a, other, other_d));
	const struct metric_data own = { j->own.p, j->y, j->w, j->rows };
	if (!j->value) {
		j->nbins = metric_calibration(&own, JUDGE_BINS, j->bins);
		j->nlifts = metric_lift(&own, JUDGE_LIFTS, j->lifts);
	}
	const double *against = j->other.p != NULL ? j->other.p : constant;
	for (int k = 0; k < METRIC_KINDS; k++)
		if (judge_has(j, (enum metric_kind)k))
			j->against[k] = metric_compare(j->own.p, against, j->y, j->w, j->rows,
						       (enum metric_kind)k, JUDGE_DRAWS, seed);
	return j;
}

void
judge_free(struct judgement **j)
{
	if (*j) {
		struct arena *a = (*j)->arena;
		arena_free(&a);
	}
	*j = NULL;
}

/* ---- text ---- */

#define NAME_MAX_SHOWN 60

/* Of the column of names: a path is often longer than the heading leaves room for. */
static int
names_width(const struct judgement *j)
{
	size_t own = strlen(j->own.name), other = j->other.p ? strlen(j->other.name) : 0;
	size_t longest = own > other ? own : other;
	return (int)(longest > NAME_MAX_SHOWN ? NAME_MAX_SHOWN : longest > 28 ? longest : 28);
}

static void
side_print(const struct judgement *j, const struct judge_side *s, struct buf *out)
{
	int width = names_width(j);
	const struct metrics *m = &s->metrics;
	if (j->value)
		buf_printf(out, "  %-*.*s %12.6g %12.6g\n", width, NAME_MAX_SHOWN, s->name, s->mean,
			   m->brier);
	else
		buf_printf(out, "  %-*.*s %8.5f %8.5f %9.6f %8.5f %8.5f\n", width, NAME_MAX_SHOWN, s->name,
			   m->auc, m->precision, m->logloss, m->brier, m->ece);
}

static const char *
verdict_text(int verdict)
{
	return verdict > 0 ? "ahead" : verdict < 0 ? "behind" : "no difference to be seen";
}

static void
difference_print(const struct judgement *j, enum metric_kind kind, struct buf *out)
{
	const struct metric_difference *d = &j->against[kind];
	buf_printf(out, "  %-20s %+.6f  SE %.6f  95 %% %+.6f to %+.6f  %s\n", judge_metric_name(j, kind),
		   d->difference, d->se, d->low, d->high, verdict_text(d->verdict));
}

static void
tables_print(const struct judgement *j, struct buf *out)
{
	buf_adds(out, STR("\ncalibration      rows  predicted  observed  95 % interval\n"));
	for (size_t i = 0; i < j->nbins; i++) {
		const struct metric_bin *b = &j->bins[i];
		buf_printf(out, "  %2zu       %10.0f   %8.5f  %8.5f  %.5f to %.5f\n", i + 1, b->rows,
			   b->predicted, b->observed, b->low, b->high);
	}
	buf_adds(out, STR("\nlift   of rows  positives among them  lift\n"));
	for (size_t i = 0; i < j->nlifts; i++)
		buf_printf(out, "       %5.0f %%              %5.1f %%  %5.2f\n", 100 * j->lifts[i].share,
			   100 * j->lifts[i].captured, j->lifts[i].lift);
}

void
judge_print_text(const struct judgement *j, struct buf *out)
{
	buf_printf(out, "%s (%s), %zu %s, mean label %.5g\n\n", j->model->score, j->model->kind->name,
		   j->rows, j->part, j->base);
	if (j->value)
		buf_printf(out, "  %-*s %12s %12s\n", names_width(j), "", "mean", "mean sq. err.");
	else
		buf_printf(out, "  %-*s %8s %8s %9s %8s %8s\n", names_width(j), "", "AUC", "AP", "log-loss",
			   "Brier", "ECE");
	side_print(j, &j->own, out);
	if (j->other.p)
		side_print(j, &j->other, out);
	side_print(j, &j->constant, out);
	buf_printf(out, "\nagainst %s (paired bootstrap, %d draws)\n",
		   j->other.p ? j->other.name : "the constant", JUDGE_DRAWS);
	for (int k = 0; k < METRIC_KINDS; k++)
		if (judge_has(j, (enum metric_kind)k))
			difference_print(j, (enum metric_kind)k, out);
	if (!j->value)
		tables_print(j, out);
}

/* ---- JSON ---- */

static void
put(struct arena *a, struct value *map, const char *key, double v)
{
	value_map_set(a, map, str_of(key), isfinite(v) ? value_real(a, v) : &VALUE_NULL_V);
}

static void
put_text(struct arena *a, struct value *map, const char *key, const char *text)
{
	value_map_set(a, map, str_of(key), value_string(a, arena_str(a, str_of(text))));
}

static const struct value *
side_value(const struct judgement *j, const struct judge_side *s, struct arena *a)
{
	struct value *map = value_map_new(a);
	put_text(a, map, "name", s->name);
	put(a, map, "mean", s->mean);
	if (j->value) {
		put(a, map, "mean_squared_error", s->metrics.brier);
		return map;
	}
	put(a, map, "auc", s->metrics.auc);
	put(a, map, "average_precision", s->metrics.precision);
	put(a, map, "logloss", s->metrics.logloss);
	put(a, map, "brier", s->metrics.brier);
	put(a, map, "ece10", s->metrics.ece);
	return map;
}

const struct value *
judge_figures(const struct judgement *j, struct arena *a)
{
	struct value *map = value_map_new(a);
	put(a, map, "rows", (double)j->rows);
	put(a, map, "label_mean", j->base);
	value_map_set(a, map, STR("model"), side_value(j, &j->own, a));
	value_map_set(a, map, STR("constant"), side_value(j, &j->constant, a));
	return map;
}

static const struct value *
difference_value(const struct judgement *j, enum metric_kind kind, struct arena *a)
{
	const struct metric_difference *d = &j->against[kind];
	struct value *map = value_map_new(a);
	put_text(a, map, "metric", judge_metric_name(j, kind));
	put(a, map, "difference", d->difference);
	put(a, map, "se", d->se);
	put(a, map, "low", d->low);
	put(a, map, "high", d->high);
	put_text(a, map, "verdict", verdict_text(d->verdict));
	return map;
}

static const struct value *
bins_value(const struct judgement *j, struct arena *a)
{
	struct value *list = value_list(a, j->nbins);
	for (size_t i = 0; i < j->nbins; i++) {
		struct value *map = value_map_new(a);
		put(a, map, "rows", j->bins[i].rows);
		put(a, map, "predicted", j->bins[i].predicted);
		put(a, map, "observed", j->bins[i].observed);
		put(a, map, "low", j->bins[i].low);
		put(a, map, "high", j->bins[i].high);
		list->list.items[i] = map;
	}
	return list;
}

static const struct value *
lifts_value(const struct judgement *j, struct arena *a)
{
	struct value *list = value_list(a, j->nlifts);
	for (size_t i = 0; i < j->nlifts; i++) {
		struct value *map = value_map_new(a);
		put(a, map, "share", j->lifts[i].share);
		put(a, map, "captured", j->lifts[i].captured);
		put(a, map, "lift", j->lifts[i].lift);
		list->list.items[i] = map;
	}
	return list;
}

const struct value *
judge_value(const struct judgement *j, struct arena *a)
{
	struct value *map = value_map_new(a);
	size_t n = 0;
	put_text(a, map, "score", j->model->score);
	put_text(a, map, "kind", j->model->kind->name);
	put_text(a, map, "part", j->part);
	put(a, map, "rows", (double)j->rows);
	put(a, map, "label_mean", j->base);
	value_map_set(a, map, STR("model"), side_value(j, &j->own, a));
	if (j->other.p)
		value_map_set(a, map, STR("other"), side_value(j, &j->other, a));
	value_map_set(a, map, STR("constant"), side_value(j, &j->constant, a));
	for (int k = 0; k < METRIC_KINDS; k++)
		n += judge_has(j, (enum metric_kind)k) ? 1 : 0;
	struct value *against = value_list(a, n);
	n = 0;
	for (int k = 0; k < METRIC_KINDS; k++)
		if (judge_has(j, (enum metric_kind)k))
			against->list.items[n++] = difference_value(j, (enum metric_kind)k, a);
	put_text(a, map, "compared_with", j->other.p ? j->other.name : "constant");
	value_map_set(a, map, STR("against"), against);
	value_map_set(a, map, STR("calibration"), bins_value(j, a));
	value_map_set(a, map, STR("lift"), lifts_value(j, a));
	return map;
}

void
judge_print_json(const struct judgement *j, struct buf *out)
{
	struct arena *a = arena_new(16384);
	json_print_pretty(out, judge_value(j, a));
	buf_addc(out, '\n');
	arena_free(&a);
}
