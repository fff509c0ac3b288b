/* trial: rows with arms, out of a table or the event log (see trial.h). */
#include "learn/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static const char *const OWN[] = { "arm", "propensity" };

static bool
named(struct str key, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(key, str_of(names[i])))
			return true;
	return false;
}

/* ---- the specification ---- */

/* The column that reads a field; is: 1 where it is that text. */
static const char *
column_text(struct arena *a, struct str field, const char *is)
{
	struct buf b = { 0 };
	buf_printf(&b, "profile.%.*s", STR_ARG(field));
	for (const char *p = is; p; p = NULL) {
		buf_adds(&b, STR(" | is \""));
		for (; *p; p++) {
			if (*p == '"' || *p == '\\')
				buf_addc(&b, '\\');
			buf_addc(&b, *p);
		}
		buf_addc(&b, '"');
	}
	const char *text = arena_cstr(a, buf_str(&b));
	buf_free(&b);
	return text;
}

struct texts {
	const char **p;
	size_t n, cap;
};

static void
texts_add(struct arena *a, struct texts *t, const char *text)
{
	if (t->n == t->cap) {
		const char **grown = ARENA_ARRAY(a, const char *, t->cap ? 2 * t->cap : 64);
		if (t->n > 0)
			memcpy(grown, t->p, t->n * sizeof(*grown));
		t->p = grown;
		t->cap = t->cap ? 2 * t->cap : 64;
	}
	t->p[t->n++] = text;
}

static bool
is_name(const struct value *v)
{
	return v && v->type == VALUE_STRING && v->s.n > 0 && !memchr(v->s.p, '\0', v->s.n);
}

static int
arms_parse(struct arena *a, struct trial_spec *s, struct texts *columns, struct err *e)
{
	const struct value *map = value_map_get(s->root, STR("arm"));
	const struct value *field = map && map->type == VALUE_MAP ? value_map_get(map, STR("field")) : NULL;
	const struct value *list = field ? value_map_get(map, STR("arms")) : NULL;
	if (!is_name(field) || !list || list->type != VALUE_LIST || value_map_count(map) != 2)
		return err_set(e, ERR_INPUT,
			       "\"arm\" must be an object with \"field\" and \"arms\", a list of texts");
	if (list->list.n < 2 || list->list.n > TRIAL_MAX_ARMS)
		return err_set(e, ERR_LIMIT, "there must be 2 to %d arms", TRIAL_MAX_ARMS);
	s->arms = ARENA_ARRAY(a, const char *, list->list.n);
	for (size_t i = 0; i < list->list.n; i++) {
		if (!is_name(list->list.items[i]) || named(list->list.items[i]->s, s->arms, s->narms))
			return err_set(e, ERR_INPUT, "arms: item %zu is no text, or is there twice", i + 1);
		s->arms[s->narms] = arena_cstr(a, list->list.items[i]->s);
		texts_add(a, columns, column_text(a, field->s, s->arms[s->narms++]));
	}
	return 0;
}

static int
propensity_parse(struct arena *a, struct trial_spec *s, struct texts *columns, struct err *e)
{
	const struct value *v = value_map_get(s->root, STR("propensity"));
	bool ok = true;
	s->propensity = v ? 0 : NAN;
	if (v && v->type == VALUE_STRING && str_eq(v->s, STR("uniform"))) {
		s->propensity = 1 / (double)s->narms;
	} else if (is_name(v)) {
		s->propensity_fields = 1;
		texts_add(a, columns, column_text(a, v->s, NULL));
	} else if (v && v->type == VALUE_LIST) {
		ok = v->list.n == s->narms;
		for (size_t i = 0; i < v->list.n && (ok = ok && is_name(v->list.items[i])); i++)
			texts_add(a, columns, column_text(a, v->list.items[i]->s, NULL));
		s->propensity_fields = v->list.n;
	} else if (v) {
		s->propensity = value_number(v, &ok);
		ok = ok && s->propensity > 0 && s->propensity <= 1;
	}
	return ok ? 0
		  : err_set(e, ERR_INPUT,
			    "\"propensity\" must be a number above 0 and at most 1, a field, a field for "
			    "each arm, or \"uniform\"");
}

/* Compiles columns and our own behind them into the specification. */
static int
columns_append(struct arena *a, struct trial_spec *s, const struct texts *more, struct err *e)
{
	struct spec *spec = &s->spec;
	size_t n = spec->ncolumns + more->n;
	const char **all = ARENA_ARRAY(a, const char *, n);
	memcpy(all, spec->columns, spec->ncolumns * sizeof(*all));
	if (more->n > 0)
		memcpy(all + spec->ncolumns, more->p, more->n * sizeof(*all));
	spec->columns = all;
	spec->ncolumns = n;
	return n <= SCORE_COLUMNS_MAX
		   ? 0
		   : err_set(e, ERR_LIMIT, "arms and columns are more than %d together", SCORE_COLUMNS_MAX);
}

/* What is left for spec.h to read: without our keys and the caller's. */
static struct str
spec_text(struct arena *a, const struct value *root, const char *const *keys, size_t nkeys)
{
	struct value *map = value_map_new(a);
	struct buf b = { 0 };
	if (!value_map_get(root, STR("score")))
		value_map_set(a, map, STR("score"), value_string(a, STR("reward")));
	for (size_t i = 0; i < value_map_count(root); i++) {
		struct str key;
		const struct value *v;
		value_map_entry(root, i, &key, &v);
		if (!named(key, keys, nkeys) && !named(key, OWN, sizeof(OWN) / sizeof(OWN[0])))
			value_map_set(a, map, key, v);
	}
	json_print(&b, map);
	struct str s = arena_str(a, buf_str(&b));
	buf_free(&b);
	return s;
}

int
trial_spec_parse(struct arena *a, struct str text, const char *const *keys, size_t nkeys,
		 struct trial_spec *s, struct err *e)
{
	const struct json_limits limits = { .max_bytes = SPEC_MAX_BYTES, .max_depth = 8 };
	struct texts columns = { 0 };
	*s = (struct trial_spec){ 0 };
	if (json_parse(a, text, &limits, &s->root, e) != 0)
		return -1;
	if (s->root->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "the specification must be an object");
	if (spec_parse(a, spec_text(a, s->root, keys, nkeys), &s->spec, e) != 0)
		return -1;
	s->ncolumns = s->spec.ncolumns;
	if (arms_parse(a, s, &columns, e) != 0 || propensity_parse(a, s, &columns, e) != 0)
		return -1;
	return columns_append(a, s, &columns, e);
}

int
trial_spec_more(struct arena *a, struct trial_spec *s, const char *const *fields, size_t n, struct err *e)
{
	struct texts columns = { 0 };
	for (size_t i = 0; i < n; i++)
		texts_add(a, &columns, column_text(a, str_of(fields[i]), NULL));
	s->more = fields;
	s->nmore = n;
	return columns_append(a, s, &columns, e);
}

/* ---- rows ---- */

static struct trial *
trial_new(size_t rows, size_t cols, const char *const *arms, size_t narms, size_t nmore)
{
	struct arena *a = arena_new((size_t)1 << 16);
	struct trial *t = ARENA_NEW(a, struct trial);
	const char **names = ARENA_ARRAY(a, const char *, narms);
	t->arena = a;
	for (size_t i = 0; i < narms; i++)
		names[i] = arena_cstr(a, str_of(arms[i]));
	t->arms = names;
	t->narms = narms;
	t->data.cols = cols;
	t->data.x = ARENA_ARRAY(a, double, rows *cols);
	t->data.y = ARENA_ARRAY(a, double, rows);
	t->arm = ARENA_ARRAY(a, uint32_t, rows);
	t->propensity = ARENA_ARRAY(a, double, rows);
	t->fold = ARENA_ARRAY(a, uint8_t, rows);
	t->more = ARENA_ARRAY(a, double, rows *nmore);
	return t;
}

void
trial_free(struct trial **t)
{
	struct arena *a = *t ? (*t)->arena : NULL;
	*t = NULL;
	arena_free(&a);
}

/* Row i of the set, unless its arm is another. */
static int
row_take(struct trial *t, const struct trial_spec *s, const struct learn_set *set, size_t i, struct err *e)
{
	const double *x = set->data.x + i * set->data.cols, *flag = x + s->ncolumns, *p = flag + s->narms,
		     *more = p + s->propensity_fields;
	size_t arm = 0, to = t->data.rows;
	while (arm < s->narms && flag[arm] != 1)
		arm++;
	if (arm == s->narms) {
		t->other++;
		return 0;
	}
	double propensity = s->propensity_fields ? p[s->propensity_fields > 1 ? arm : 0] : s->propensity;
	if (s->propensity_fields && !(propensity > 0 && propensity <= 1))
		return err_set(e, ERR_INPUT, "row %llu: the propensity must be above 0 and at most 1",
			       (unsigned long long)set->row[i] + 1);
	t->propensity[to] = propensity;
	t->arm[to] = (uint32_t)arm;
	t->fold[to] = (uint8_t)(spec_bucket(set->row[i]) / 2);
	memcpy((double *)(uintptr_t)t->data.x + to * s->ncolumns, x, s->ncolumns * sizeof(*x));
	((double *)(uintptr_t)t->data.y)[to] = set->data.y[i];
	memcpy(t->more + to * s->nmore, more, s->nmore * sizeof(*more));
	t->data.rows++;
	return 0;
}

static struct trial *
trial_of_set(const struct trial_spec *s, const struct learn_set *set, struct err *e)
{
	struct trial *t = trial_new(set->data.rows, s->ncolumns, s->arms, s->narms, s->nmore);
	const char **texts = ARENA_ARRAY(t->arena, const char *, s->ncolumns);
	uint8_t *categorical = ARENA_ARRAY(t->arena, uint8_t, s->ncolumns);
	int rc = 0;
	for (size_t k = 0; k < s->ncolumns; k++) {
		texts[k] = arena_cstr(t->arena, str_of(set->columns[k]));
		categorical[k] = set->data.categorical[k];
	}
	t->columns = texts;
	t->data.categorical = categorical;
	t->labels = s->spec.label != NULL;
	t->skipped = set->skipped;
	for (size_t i = 0; i < set->data.rows && rc == 0; i++)
		rc = row_take(t, s, set, i, e);
	if (isnan(s->propensity))
		t->propensity = NULL;
	if (rc == 0 && t->data.rows == 0)
		rc = err_set(e, ERR_INPUT, "no row has one of the arms");
	if (rc != 0)
		trial_free(&t);
	return t;
}

struct trial *
trial_read(const struct csv_source *source, const struct trial_spec *s, struct err *e)
{
	struct learn_set *set = csv_read(source, &s->spec, e);
	struct trial *t = set ? trial_of_set(s, set, e) : NULL;
	learn_set_free(&set);
	return t;
}

struct trial *
trial_of_dataset(const struct dataset *d, const char *const *arms, size_t narms, bool values, struct err *e)
{
	struct trial *t = trial_new(d->n, d->cols, arms, narms, 0);
	double *x = (double *)(uintptr_t)t->data.x, *y = (double *)(uintptr_t)t->data.y;
	t->labels = !values;
	for (size_t i = 0; i < d->n; i++) {
		const struct dataset_row *r = &d->rows[i];
		size_t arm = 0, to = t->data.rows;
		while (arm < narms && (!r->arm || strcmp(r->arm, arms[arm]) != 0))
			arm++;
		t->other += arm == narms;
		t->no_propensity += arm < narms && isnan(r->propensity);
		if (arm == narms || isnan(r->propensity))
			continue;
		t->arm[to] = (uint32_t)arm;
		t->propensity[to] = r->propensity;
		t->fold[to] = r->group[0] % TRIAL_FOLDS;
		y[to] = values ? r->value : r->outcome;
		if (d->cols > 0)
			memcpy(x + to * d->cols, d->x + i * d->cols, d->cols * sizeof(*x));
		t->data.rows++;
	}
	if (t->data.rows == 0) {
		if (d->n == 0 && d->young > 0)
			err_set(e, ERR_INPUT, "no decision counts yet: %llu are younger than the window",
				(unsigned long long)d->young);
		else
			err_set(e, ERR_INPUT, "no decision has one of the arms, and a propensity");
		trial_free(&t);
	}
	return t;
}
