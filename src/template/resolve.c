/*
 * resolve: names to values. Mustache walks up the contexts until one has the
 * first segment; Handlebars looks into the innermost only. The rest of a path
 * never walks.
 */
#include "template/render.h"

#include <math.h>

bool
truth_mustache(const struct value *v)
{
	if (!v || v->type == VALUE_NULL)
		return false;
	if (v->type == VALUE_BOOL)
		return v->b;
	return v->type != VALUE_LIST || v->list.n > 0;
}

bool
truth_handlebars(const struct value *v)
{
	if (!truth_mustache(v))
		return false;
	if (v->type == VALUE_STRING)
		return v->s.n > 0;
	if (v->type == VALUE_INT)
		return v->i != 0;
	return v->type != VALUE_REAL || (v->r != 0 && !isnan(v->r));
}

static void
print_deep(struct buf *b, const struct value *v, int depth)
{
	if (!v || v->type == VALUE_MAP)
		return;
	if (v->type != VALUE_LIST) {
		value_print(b, v);
		return;
	}
	for (size_t i = 0; i < v->list.n && depth < 32; i++) {
		if (i > 0)
			buf_addc(b, ',');
		print_deep(b, v->list.items[i], depth + 1);
	}
}

void
print_value(struct buf *b, const struct value *v)
{
	print_deep(b, v, 0);
}

/* "12" → 12; false when it is no plain number. */
static bool
list_index(struct str name, size_t *i)
{
	if (name.n == 0 || name.n > 9)
		return false;
	*i = 0;
	for (size_t k = 0; k < name.n; k++) {
		if (!ascii_isdigit(name.p[k]))
			return false;
		*i = *i * 10 + (size_t)(name.p[k] - '0');
	}
	return true;
}

static size_t
utf8_length(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

static bool
says_nothing(const struct value *v)
{
	return v->type == VALUE_NULL || (v->type == VALUE_STRING && v->s.n == 0);
}

/*
 * A null or "" in one layer does not hide a value below it: an empty cell of an
 * import must not switch a campaign's default off.
 */
static const struct value *
root_member(const struct render *r, struct str name)
{
	const struct value *first = NULL;
	for (size_t i = 0; i < r->env->nlayers; i++) {
		const struct value *v = value_map_get(r->env->layers[i], name);
		if (v && !says_nothing(v))
			return v;
		if (!first)
			first = v;
	}
	return first;
}

const struct value *
render_member(struct render *r, const struct value *v, struct str name)
{
	size_t i;
	if (!v)
		return NULL;
	if (v == &r->root)
		return root_member(r, name);
	if (v->type == VALUE_MAP)
		return value_map_get(v, name);
	if (v->type == VALUE_LIST && list_index(name, &i))
		return i < v->list.n ? v->list.items[i] : NULL;
	if (v->type == VALUE_LIST && str_eq(name, STR("length")))
		return temp_int(r->scratch->temp, (int64_t)v->list.n);
	if (v->type == VALUE_STRING && str_eq(name, STR("length")))
		return temp_int(r->scratch->temp, (int64_t)utf8_length(v->s));
	return NULL;
}

size_t
render_map_count(const struct render *r, const struct value *v)
{
	if (v != &r->root)
		return value_map_count(v);
	size_t n = 0;
	for (size_t i = 0; i < r->env->nlayers; i++)
		n += value_map_count(r->env->layers[i]);
	return n;
}

static const struct value *
context_member(struct render *r, const struct context *c, struct str name, bool only_maps)
{
	for (size_t i = c->nhash; i-- > 0;) {
		if (str_eq(c->hash[i].key, name))
			return c->hash[i].v;
	}
	/* A walk must not find the length of the string that a loop is at. */
	if (only_maps && c->v && c->v->type != VALUE_MAP)
		return NULL;
	return render_member(r, c->v, name);
}

static int
context_path(struct render *r, const struct path *p, uint32_t at, const struct value **out)
{
	*out = NULL;
	if (p->up >= r->ncontexts)
		return 0;
	size_t i = r->ncontexts - 1 - p->up;
	if (p->nsegments == 0) {
		*out = r->contexts[i].v;
		return 0;
	}
	bool walk = r->t->compat && !p->scoped;
	for (;;) {
		*out = context_member(r, &r->contexts[i], p->segments[0], walk);
		if (*out || !walk || i == 0)
			break;
		i--;
		if (render_step(r, at) < 0)
			return -1;
	}
	return 0;
}

static const struct value *
data_value(struct render *r, const struct path *p)
{
	const struct value *named = r->env->data ? value_map_get(r->env->data, p->segments[0]) : NULL;
	const struct loop *loop = r->loop;
	for (uint16_t i = 0; loop && i < p->up; i++)
		loop = loop->outer;
	switch (p->data) {
	case DATA_ROOT:
		return named ? named : r->contexts[0].v;
	case DATA_INDEX:
		return loop ? &loop->index : named;
	case DATA_KEY:
		return loop ? &loop->key : named;
	case DATA_FIRST:
		return loop ? value_bool(loop->first) : named;
	case DATA_LAST:
		return loop ? value_bool(loop->last) : named;
	case DATA_PARTIAL_BLOCK:
		return r->block ? &VALUE_TRUE_V : NULL;
	default:
		return named;
	}
}

int
render_path(struct render *r, const struct path *p, uint32_t at, const struct value **out)
{
	if (p->kind == PATH_CONTEXT) {
		if (context_path(r, p, at, out) < 0)
			return -1;
	} else if (p->kind == PATH_DATA) {
		*out = data_value(r, p);
	} else {
		const struct params *params = r->params;
		for (uint16_t i = 0; params && i < p->hops; i++)
			params = params->outer;
		*out = params ? params->v[p->slot] : NULL;
	}
	for (uint16_t i = 1; i < p->nsegments && *out; i++)
		*out = render_member(r, *out, p->segments[i]);
	if (r->printing && r->env->on_variable)
		r->env->on_variable(r->env->on_variable_ctx, p->text, *out);
	return 0;
}

static int
eval_call(struct render *r, const struct expr *e, const struct value **out)
{
	const struct value *args[TPL_MAX_ARGS], *hash[TPL_MAX_ARGS];
	const struct call *c = &e->call;
	for (uint16_t i = 0; i < c->nargs; i++) {
		if (render_eval(r, &c->args[i], &args[i]) < 0)
			return -1;
	}
	for (uint16_t i = 0; i < c->nhash; i++) {
		if (render_eval(r, c->hash[i].value, &hash[i]) < 0)
			return -1;
	}
	struct helper_args a = { .call = c, .v = args, .n = c->nargs, .hash = hash, .at = e->at };
	return c->helper->run(r, &a, out);
}

int
render_eval(struct render *r, const struct expr *e, const struct value **out)
{
	*out = NULL;
	if (render_step(r, e->at) < 0)
		return -1;
	switch (e->kind) {
	case EXPR_VALUE:
		*out = e->value;
		return 0;
	case EXPR_PATH:
		return render_path(r, &e->path, e->at, out);
	case EXPR_CALL:
		return eval_call(r, e, out);
	}
	return 0;
}
