/* segments-file: segments as JSON, and back. What is read is checked: applying it must not go wrong. */
#include <math.h>

#include "base/json.h"
#include "learn/segments.h"

#define BOUND 1e15 /* of every number */
#define TINY (1 / BOUND)

/* ---- writing ---- */

static void
set_number(struct arena *a, struct value *map, const char *key, double v)
{
	value_map_set(a, map, str_of(key), value_real(a, v));
}

static void
set_count(struct arena *a, struct value *map, const char *key, int64_t v)
{
	value_map_set(a, map, str_of(key), value_int(a, v));
}

static void
set_list(struct arena *a, struct value *map, const char *key, const double *v, size_t n)
{
	struct value *list = value_list(a, n);
	for (size_t i = 0; i < n; i++)
		list->list.items[i] = value_real(a, v[i]);
	value_map_set(a, map, str_of(key), list);
}

/* The fields of a segment that are one number each. */
static const struct {
	const char *name;
	size_t at;
} FIELDS[] = {
	{ "recency_days", offsetof(struct segment, recency_days) },
	{ "purchases", offsetof(struct segment, purchases) },
	{ "value", offsetof(struct segment, value) },
	{ "sent", offsetof(struct segment, sent) },
	{ "opened", offsetof(struct segment, opened) },
	{ "clicked", offsetof(struct segment, clicked) },
};
#define NFIELDS (sizeof(FIELDS) / sizeof(FIELDS[0]))

static double *
field_of(struct segment *s, size_t i)
{
	return (double *)(void *)((char *)s + FIELDS[i].at);
}

static const struct value *
groups_value(const struct segments *s, struct arena *a)
{
	struct value *list = value_list(a, s->groups.k);
	for (size_t g = 0; g < s->groups.k; g++) {
		struct value *one = value_map_new(a);
		set_count(a, one, "size", (int64_t)s->segment[g].size);
		for (size_t i = 0; i < NFIELDS; i++)
			set_number(a, one, FIELDS[i].name, *field_of(&s->segment[g], i));
		set_list(a, one, "centre", s->groups.centres + g * SEGMENTS_COLUMNS, SEGMENTS_COLUMNS);
		set_list(a, one, "hours", s->segment[g].hours, HOURS);
		list->list.items[g] = one;
	}
	return list;
}

static const struct value *
value_value(const struct segments *s, struct arena *a)
{
	struct value *v = value_map_new(a);
	if (!s->has_value)
		return &VALUE_NULL_V;
	set_number(a, v, "r", s->value.r);
	set_number(a, v, "alpha", s->value.alpha);
	set_number(a, v, "a", s->value.a);
	set_number(a, v, "b", s->value.b);
	set_number(a, v, "loglik", s->value.loglik);
	value_map_set(a, v, STR("converged"), value_bool(s->value.converged));
	return v;
}

void
segments_print(const struct segments *s, struct buf *out)
{
	struct arena *a = arena_new(16384);
	struct value *v = value_map_new(a), *columns = value_list(a, SEGMENTS_COLUMNS),
		     *axes = value_map_new(a);
	for (size_t k = 0; k < SEGMENTS_COLUMNS; k++)
		columns->list.items[k] = value_string(a, str_of(segments_columns[k]));
	set_count(a, v, "format", SEGMENTS_FORMAT);
	set_count(a, v, "trained_ms", s->trained_ms);
	set_count(a, v, "horizon_days", s->horizon_days);
	set_count(a, v, "persons", (int64_t)s->persons);
	set_count(a, v, "buyers", (int64_t)s->buyers);
	set_number(a, v, "answers", s->answers);
	set_number(a, v, "hour_weight", s->hour_weight);
	set_list(a, v, "hours", s->hours, HOURS);
	value_map_set(a, v, STR("bgnbd"), value_value(s, a));
	value_map_set(a, v, STR("columns"), columns);
	set_list(a, v, "mean", s->axes.mean, SEGMENTS_COLUMNS);
	set_list(a, v, "scale", s->axes.scale, SEGMENTS_COLUMNS);
	set_list(a, axes, "components", s->axes.components, SEGMENTS_AXES * SEGMENTS_COLUMNS);
	set_list(a, axes, "variance", s->axes.variance, SEGMENTS_AXES);
	set_number(a, axes, "total", s->axes.total);
	value_map_set(a, v, STR("axes"), axes);
	value_map_set(a, v, STR("segments"), groups_value(s, a));
	json_print_pretty(out, v);
	buf_addc(out, '\n');
	arena_free(&a);
}

/* ---- reading ---- */

static bool
get_number(const struct value *map, const char *key, double low, double high, double *out)
{
	bool ok = false;
	const struct value *v = value_map_get(map, str_of(key));
	if (v && (v->type == VALUE_REAL || v->type == VALUE_INT))
		*out = value_number(v, &ok);
	return ok && *out >= low && *out <= high;
}

static bool
get_count(const struct value *map, const char *key, int64_t low, int64_t high, int64_t *out)
{
	const struct value *v = value_map_get(map, str_of(key));
	if (!v || v->type != VALUE_INT || v->i < low || v->i > high)
		return false;
	*out = v->i;
	return true;
}

static bool
get_list(const struct value *map, const char *key, double low, double high, double *out, size_t n)
{
	const struct value *v = value_map_get(map, str_of(key));
	if (!v || v->type != VALUE_LIST || v->list.n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct value *cell = v->list.items[i];
		bool ok = cell->type == VALUE_REAL || cell->type == VALUE_INT;
		out[i] = ok ? value_number(cell, &ok) : 0;
		if (!ok || !(out[i] >= low && out[i] <= high))
			return false;
	}
	return true;
}

static bool
columns_same(const struct value *v)
{
	const struct value *list = value_map_get(v, STR("columns"));
	bool same = list && list->type == VALUE_LIST && list->list.n == SEGMENTS_COLUMNS;
	for (size_t k = 0; same && k < SEGMENTS_COLUMNS; k++)
		same = list->list.items[k]->type == VALUE_STRING &&
		       str_eq(list->list.items[k]->s, str_of(segments_columns[k]));
	return same;
}

static bool
groups_read(const struct value *v, struct arena *a, struct segments *out)
{
	const struct value *list = value_map_get(v, STR("segments"));
	if (!list || list->type != VALUE_LIST || list->list.n < 1 || list->list.n > SEGMENTS_MAX)
		return false;
	out->groups = (struct kmeans){ .k = list->list.n, .cols = SEGMENTS_COLUMNS };
	out->groups.centres = ARENA_ARRAY(a, double, list->list.n *SEGMENTS_COLUMNS);
	out->groups.sizes = ARENA_ARRAY(a, size_t, list->list.n);
	out->segment = ARENA_ARRAY(a, struct segment, list->list.n);
	for (size_t g = 0; g < list->list.n; g++) {
		const struct value *one = list->list.items[g];
		struct segment *s = &out->segment[g];
		int64_t size;
		if (!get_count(one, "size", 0, INT64_C(1) << 40, &size) ||
		    !get_list(one, "centre", -BOUND, BOUND, out->groups.centres + g * SEGMENTS_COLUMNS,
			      SEGMENTS_COLUMNS) ||
		    !get_list(one, "hours", 0, 1, s->hours, HOURS))
			return false;
		s->size = out->groups.sizes[g] = (size_t)size;
		for (size_t i = 0; i < NFIELDS; i++)
			if (!get_number(one, FIELDS[i].name, -BOUND, BOUND, field_of(s, i)))
				return false;
	}
	return true;
}

static bool
axes_read(const struct value *v, struct arena *a, struct pca *p)
{
	const struct value *axes = value_map_get(v, STR("axes"));
	*p = (struct pca){ .cols = SEGMENTS_COLUMNS, .n = SEGMENTS_AXES };
	p->mean = ARENA_ARRAY(a, double, SEGMENTS_COLUMNS);
	p->scale = ARENA_ARRAY(a, double, SEGMENTS_COLUMNS);
	p->components = ARENA_ARRAY(a, double, SEGMENTS_AXES *SEGMENTS_COLUMNS);
	p->variance = ARENA_ARRAY(a, double, SEGMENTS_AXES);
	return get_list(v, "mean", -BOUND, BOUND, p->mean, SEGMENTS_COLUMNS) &&
	       get_list(v, "scale", 1e-12, BOUND, p->scale, SEGMENTS_COLUMNS) &&
	       get_list(axes, "components", -1.01, 1.01, p->components, SEGMENTS_AXES * SEGMENTS_COLUMNS) &&
	       get_list(axes, "variance", -1e-6, BOUND, p->variance, SEGMENTS_AXES) &&
	       get_number(axes, "total", 0, BOUND, &p->total);
}

static bool
value_read(const struct value *v, struct segments *out)
{
	const struct value *m = value_map_get(v, STR("bgnbd")), *converged;
	out->has_value = m && m->type == VALUE_MAP;
	if (!out->has_value)
		return m && m->type == VALUE_NULL;
	converged = value_map_get(m, STR("converged"));
	out->value.converged = converged && converged->type == VALUE_BOOL && converged->b;
	/* A fit is bounded in units of the mean age (bgnbd.c), and alpha has that unit: years of weeks, or
	 * minutes. */
	return get_number(m, "r", 1e-7, 1e7, &out->value.r) &&
	       get_number(m, "alpha", TINY, BOUND, &out->value.alpha) &&
	       get_number(m, "a", 1e-7, 1e7, &out->value.a) && get_number(m, "b", 1e-7, 1e7, &out->value.b) &&
	       get_number(m, "loglik", -BOUND, BOUND, &out->value.loglik);
}

int
segments_parse(struct str text, struct arena *a, struct segments *out, struct err *e)
{
	static const struct json_limits lim = { .max_bytes = SEGMENTS_MAX_FILE };
	const struct value *v;
	int64_t format, persons, buyers;
	*out = (struct segments){ 0 };
	if (json_parse(a, text, &lim, &v, e) != 0) {
		e->kind = ERR_CORRUPT;
		return -1;
	}
	if (!get_count(v, "format", 1, INT64_MAX, &format))
		return err_set(e, ERR_CORRUPT, "no segments: there is no \"format\"");
	if (format != SEGMENTS_FORMAT)
		return err_set(e, ERR_CORRUPT, "segments of format %lld, this program knows %d",
			       (long long)format, SEGMENTS_FORMAT);
	if (!get_count(v, "trained_ms", 0, EVENT_MAX_TIME, &out->trained_ms) ||
	    !get_count(v, "horizon_days", 1, 3650, &out->horizon_days) ||
	    !get_count(v, "persons", 0, INT64_C(1) << 40, &persons) ||
	    !get_count(v, "buyers", 0, INT64_C(1) << 40, &buyers) ||
	    !get_number(v, "answers", 0, BOUND, &out->answers) ||
	    !get_number(v, "hour_weight", 1e-6, BOUND, &out->hour_weight) ||
	    !get_list(v, "hours", 0, 1, out->hours, HOURS) || !columns_same(v) || !value_read(v, out) ||
	    !axes_read(v, a, &out->axes) || !groups_read(v, a, out))
		return err_set(e, ERR_CORRUPT, "segments: something is missing, or a number cannot be");
	out->persons = (size_t)persons;
	out->buyers = (size_t)buyers;
	return 0;
}
