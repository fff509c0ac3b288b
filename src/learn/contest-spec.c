/* contest-spec: which policies are to be compared (see contest.h). */
#include <math.h>
#include <string.h>

#include "learn/contest.h"

static const char *const KEYS[] = { "policies", "min_ess", "min_events", "max_width", "clip", "shrink" };

static int
number_read(const struct value *map, const char *key, double low, double high, double *out, struct err *e)
{
	const struct value *v = value_map_get(map, str_of(key));
	bool ok = false;
	if (!v)
		return 0;
	double got = v->type == VALUE_STRING || v->type == VALUE_BOOL ? NAN : value_number(v, &ok);
	if (!ok || !(got >= low && got <= high))
		return err_set(e, ERR_INPUT, "\"%s\" must be a number from %g to %g", key, low, high);
	*out = got;
	return 0;
}

static int
options_read(const struct value *root, struct ope_options *o, struct err *e)
{
	return number_read(root, "min_ess", 1, 1e12, &o->min_ess, e) != 0 ||
		       number_read(root, "min_events", 0, 1e12, &o->min_events, e) != 0 ||
		       number_read(root, "max_width", 0, 1e6, &o->max_width, e) != 0 ||
		       number_read(root, "clip", 0, 1e12, &o->clip, e) != 0 ||
		       number_read(root, "shrink", 0, 1e12, &o->shrink, e) != 0
		   ? -1
		   : 0;
}

static struct contestant *
contestant_add(struct contest *c, enum contestant_kind kind, const char *name)
{
	struct contestant *p = &c->all[c->n++];
	*p = (struct contestant){ .kind = kind, .name = name };
	return p;
}

static void
constants_add(struct arena *a, struct contest *c, const char *const *arms, size_t narms, size_t more)
{
	*c = (struct contest){ .arena = a, .options = OPE_DEFAULTS };
	c->all = ARENA_ARRAY(a, struct contestant, narms + more);
	for (size_t k = 0; k < narms; k++)
		contestant_add(c, CONTEST_CONSTANT, arena_printf(a, "always %s", arms[k]).p)->arm = k;
}

static const double *
even_shares(struct arena *a, size_t narms)
{
	double *shares = ARENA_ARRAY(a, double, narms);
	for (size_t k = 0; k < narms; k++)
		shares[k] = 1 / (double)narms;
	return shares;
}

void
contest_defaults(struct arena *a, const char *const *arms, size_t narms, struct contest *c)
{
	constants_add(a, c, arms, narms, 2);
	contestant_add(c, CONTEST_SHARES, "an even split")->shares = even_shares(a, narms);
	contestant_add(c, CONTEST_GREEDY, "by model");
}

/* ---- one policy ---- */

struct reading {
	struct arena *a;
	const struct trial_spec *s;
	const char **fields; /* that policies need */
	size_t nfields;
};

static int
shares_read(struct reading *r, const struct value *list, struct contestant *p, struct err *e)
{
	double *shares = ARENA_ARRAY(r->a, double, r->s->narms), all = 0;
	bool ok = list->type == VALUE_LIST && list->list.n == r->s->narms;
	for (size_t k = 0; ok && k < r->s->narms; k++) {
		shares[k] = value_number(list->list.items[k], &ok);
		ok = ok && shares[k] >= 0 && isfinite(shares[k]);
		all += shares[k];
	}
	if (!ok || !(all > 0 && isfinite(all)))
		return err_set(e, ERR_INPUT,
			       "\"shares\" must be a list of a number for each arm, with a sum above 0");
	for (size_t k = 0; k < r->s->narms; k++)
		shares[k] /= all;
	p->shares = shares;
	return 0;
}

static int
arms_read(struct reading *r, const struct value *list, struct contestant *p, struct err *e)
{
	bool *only = ARENA_ARRAY(r->a, bool, r->s->narms);
	if (!list)
		return 0;
	if (list->type != VALUE_LIST || list->list.n == 0)
		return err_set(e, ERR_INPUT, "\"arms\" must be a list of arms");
	for (size_t i = 0; i < list->list.n; i++) {
		size_t k = 0;
		const struct value *v = list->list.items[i];
		while (k < r->s->narms && !(v->type == VALUE_STRING && str_eq(v->s, str_of(r->s->arms[k]))))
			k++;
		if (k == r->s->narms)
			return err_set(e, ERR_INPUT, "arms: item %zu is no arm", i + 1);
		only[k] = true;
	}
	p->only = only;
	return 0;
}

static int
fields_read(struct reading *r, const struct value *list, struct contestant *p, struct err *e)
{
	if (list->type != VALUE_LIST || list->list.n != r->s->narms)
		return err_set(e, ERR_INPUT, "\"probabilities\" must be a list of a field for each arm");
	p->field = r->nfields;
	for (size_t k = 0; k < list->list.n; k++) {
		const struct value *v = list->list.items[k];
		if (v->type != VALUE_STRING || v->s.n == 0 || memchr(v->s.p, '\0', v->s.n))
			return err_set(e, ERR_INPUT, "probabilities: item %zu is no field", k + 1);
		r->fields[r->nfields++] = arena_cstr(r->a, v->s);
	}
	return 0;
}

static int
replay_read(struct reading *r, const struct value *map, struct contestant *p, struct err *e)
{
	const struct value *name = value_map_get(map, STR("replay"));
	int kind = name->type == VALUE_STRING ? bandit_kind_find(name->s) : -1;
	double seed = 1;
	struct bandit_shape *s = &p->replay;
	if (kind < 0 || kind == BANDIT_GREEDY)
		return err_set(e, ERR_INPUT,
			       "\"replay\" must be fixed, epsilon, thompson, linear-thompson or linucb");
	*s = (struct bandit_shape){
		.kind = (enum bandit_kind)kind, .narms = r->s->narms, .lambda = 1, .alpha = 1, .epsilon = 0.1
	};
	if (kind == BANDIT_LINUCB || kind == BANDIT_LINEAR_THOMPSON)
		s->dim = r->s->ncolumns + 1;
	if (number_read(map, "lambda", 1e-12, 1e12, &s->lambda, e) != 0 ||
	    number_read(map, "alpha", 0, 1e6, &s->alpha, e) != 0 ||
	    number_read(map, "epsilon", 0, 1, &s->epsilon, e) != 0 ||
	    number_read(map, "seed", 0, 9e15, &seed, e) != 0)
		return -1;
	p->seed = (uint64_t)seed;
	return 0;
}

static int
keys_check(const struct value *map, const char *const *keys, struct err *e)
{
	for (size_t i = 0; i < value_map_count(map); i++) {
		struct str key;
		const struct value *v;
		size_t k = 0;
		value_map_entry(map, i, &key, &v);
		while (keys[k] && !str_eq(key, str_of(keys[k])))
			k++;
		if (!keys[k])
			return err_set(e, ERR_INPUT, "key \"%.*s\" is not known here",
				       STR_ARG(str_cut(key, 64)));
	}
	return 0;
}

static int
policy_read(struct reading *r, struct contest *c, const struct value *map, struct err *e)
{
	static const struct {
		const char *key;
		enum contestant_kind kind;
		const char *keys[8];
	} KINDS[] = {
		{ "shares", CONTEST_SHARES, { "name", "shares" } },
		{ "greedy", CONTEST_GREEDY, { "name", "greedy", "arms" } },
		{ "probabilities", CONTEST_FIELDS, { "name", "probabilities" } },
		{ "replay", CONTEST_REPLAY, { "name", "replay", "alpha", "lambda", "epsilon", "seed" } },
	};
	const size_t n = sizeof(KINDS) / sizeof(KINDS[0]);
	const struct value *name = map->type == VALUE_MAP ? value_map_get(map, STR("name")) : NULL;
	size_t k = 0;
	if (!name || name->type != VALUE_STRING || name->s.n == 0)
		return err_set(e, ERR_INPUT, "it must be an object with a \"name\"");
	while (k < n && !value_map_get(map, str_of(KINDS[k].key)))
		k++;
	if (k == n)
		return err_set(e, ERR_INPUT,
			       "it has none of \"shares\", \"greedy\", \"probabilities\", \"replay\"");
	if (keys_check(map, KINDS[k].keys, e) != 0)
		return -1;
	const struct value *v = value_map_get(map, str_of(KINDS[k].key));
	struct contestant *p = contestant_add(c, KINDS[k].kind, arena_cstr(r->a, name->s));
	switch (p->kind) {
	case CONTEST_SHARES:
		return shares_read(r, v, p, e);
	case CONTEST_GREEDY:
		if (v->type != VALUE_BOOL || !v->b)
			return err_set(e, ERR_INPUT, "\"greedy\" must be true");
		return arms_read(r, value_map_get(map, STR("arms")), p, e);
	case CONTEST_FIELDS:
		return fields_read(r, v, p, e);
	default:
		return replay_read(r, map, p, e);
	}
}

static int
policies_read(struct arena *a, struct trial_spec *s, struct contest *c, struct err *e)
{
	const struct value *list = value_map_get(s->root, STR("policies"));
	struct reading r = { .a = a, .s = s };
	if (!list) {
		contest_defaults(a, s->arms, s->narms, c);
		return 0;
	}
	if (list->type != VALUE_LIST || list->list.n > CONTEST_MAX)
		return err_set(e, ERR_INPUT, "\"policies\" must be a list of at most %d", CONTEST_MAX);
	constants_add(a, c, s->arms, s->narms, list->list.n);
	r.fields = ARENA_ARRAY(a, const char *, list->list.n * s->narms);
	for (size_t i = 0; i < list->list.n; i++)
		if (policy_read(&r, c, list->list.items[i], e) != 0)
			return err_prefix(e, "policies: item %zu", i + 1);
	return trial_spec_more(a, s, r.fields, r.nfields, e);
}

int
contest_spec(struct arena *a, struct str text, struct trial_spec *s, struct contest *c, struct err *e)
{
	if (trial_spec_parse(a, text, KEYS, sizeof(KEYS) / sizeof(KEYS[0]), s, e) != 0 ||
	    policies_read(a, s, c, e) != 0)
		return -1;
	return options_read(s->root, &c->options, e);
}
