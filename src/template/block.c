/*
 * block: sections, #if, #each, #with and their inverses.
 */
#include "template/render.h"

void
render_push(struct render *r, const struct value *v)
{
	r->contexts[r->ncontexts++] = (struct context){ .v = v };
}

/* ---- bodies ---- */

struct block_body
render_block_of(const struct render *r, uint32_t i)
{
	const struct op *op = &r->program->ops[i];
	return (struct block_body){ .program = r->program,
				    .first = i + 1,
				    .last = op->mid,
				    .has_inline = op->flags & OP_HAS_INLINE,
				    .escape = render_place(r, op),
				    .params = r->params,
				    .outer = r->block };
}

void
render_define_inlines(struct render *r, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i < last; i = r->program->ops[i].end) {
		const struct op *op = &r->program->ops[i];
		if (op->kind != OP_INLINE)
			continue;
		struct inline_def *d = temp_alloc(r->scratch->temp, sizeof *d);
		*d = (struct inline_def){ .outer = r->inlines, .name = *op->inline_name };
		d->body = render_block_of(r, i);
		r->inlines = d;
	}
}

int
render_body(struct render *r, uint32_t first, uint32_t last, bool has_inline)
{
	const struct inline_def *inlines = r->inlines;
	if (++r->depth > RENDER_MAX_DEPTH)
		return render_fail(r, first > 0 ? r->program->ops[first - 1].at : 0,
				   "blocks and partials run more than %d deep inside one another; simplify",
				   RENDER_MAX_DEPTH);
	if (has_inline)
		render_define_inlines(r, first, last);
	int rc = render_ops(r, first, last);
	r->inlines = inlines;
	r->depth--;
	return rc;
}

/* The body, or the inverse of an inverted block, whichever stands for "true". */
struct part {
	uint32_t first, last;
	bool has_inline;
};

static struct part
part_of(const struct render *r, uint32_t i, bool body)
{
	const struct op *op = &r->program->ops[i];
	if (body)
		return (struct part){ i + 1, op->mid, op->flags & OP_HAS_INLINE };
	return (struct part){ op->mid, op->end, op->flags & OP_ELSE_INLINE };
}

/* Runs the part with v as context when push, and as block parameters when the block names some. */
static int
run_with(struct render *r, uint32_t i, const struct part *p, bool push, const struct value *v,
	 const struct value *key)
{
	const struct op *op = &r->program->ops[i];
	struct params params = { r->params, { v, key } };
	bool named = op->nparams > 0 && p->first == i + 1;
	const struct params *outer = r->params;
	bool pushed = push && v != r->contexts[r->ncontexts - 1].v;
	if (pushed && r->ncontexts > RENDER_MAX_DEPTH)
		return render_fail(r, op->at, "blocks run more than %d deep inside one another; simplify",
				   RENDER_MAX_DEPTH);
	if (named)
		r->params = &params;
	if (pushed)
		render_push(r, v);
	int rc = render_body(r, p->first, p->last, p->has_inline);
	if (pushed)
		r->ncontexts--;
	r->params = outer;
	return rc;
}

/* ---- loops ---- */

static int
run_item(struct render *r, uint32_t i, const struct part *p, struct loop *loop, const struct value *v)
{
	const struct loop *outer = r->loop;
	if (render_step(r, r->program->ops[i].at) < 0)
		return -1;
	r->loop = loop;
	int rc = run_with(r, i, p, true, v, &loop->key);
	r->loop = outer;
	return rc;
}

static int
run_list(struct render *r, uint32_t i, const struct part *p, const struct value *list)
{
	struct loop loop = { .outer = r->loop };
	loop.index.type = loop.key.type = VALUE_INT;
	for (size_t k = 0; k < list->list.n; k++) {
		loop.index.i = loop.key.i = (int64_t)k;
		loop.first = k == 0;
		loop.last = k + 1 == list->list.n;
		if (run_item(r, i, p, &loop, list->list.items[k]) < 0)
			return -1;
	}
	return 0;
}

/* One entry of a map; the root's layers hide the lower ones' entries of the same name. */
static const struct value *
map_entry(struct render *r, const struct value *map, size_t k, struct str *key)
{
	const struct value *v;
	if (map != &r->root) {
		value_map_entry(map, k, key, &v);
		return v;
	}
	for (size_t layer = 0; layer < r->env->nlayers; layer++) {
		size_t n = value_map_count(r->env->layers[layer]);
		if (k >= n) {
			k -= n;
			continue;
		}
		value_map_entry(r->env->layers[layer], k, key, &v);
		for (size_t above = 0; above < layer; above++) {
			if (value_map_get(r->env->layers[above], *key))
				return NULL;
		}
		return render_member(r, map, *key);
	}
	return NULL;
}

static int
run_map(struct render *r, uint32_t i, const struct part *p, const struct value *map)
{
	struct loop loop = { .outer = r->loop };
	size_t n = render_map_count(r, map), last = n, seen = 0;
	struct str key;
	while (last > 0 && !map_entry(r, map, last - 1, &key))
		last--;
	loop.index.type = VALUE_INT;
	loop.key.type = VALUE_STRING;
	for (size_t k = 0; k < last; k++) {
		const struct value *v = map_entry(r, map, k, &loop.key.s);
		if (!v)
			continue;
		loop.index.i = (int64_t)seen;
		loop.first = seen++ == 0;
		loop.last = k + 1 == last;
		if (run_item(r, i, p, &loop, v) < 0)
			return -1;
	}
	return 0;
}

/* ---- what a block decides ---- */

static bool
include_zero(struct render *r, const struct call *c)
{
	const struct value *v;
	if (c->helper->kind == HELPER_VALUE || c->nhash == 0)
		return false;
	return render_eval(r, c->hash[0].value, &v) == 0 && truth_handlebars(v);
}

/* The value that decides, and whether it is true. */
static int
decide(struct render *r, const struct op *op, const struct value **v, bool *truth)
{
	const struct expr *subject = op->expr;
	bool builtin = subject->kind == EXPR_CALL && subject->call.helper->kind != HELPER_VALUE;
	if (builtin)
		subject = &subject->call.args[0];
	if (render_eval(r, subject, v) < 0)
		return -1;
	switch (op->kind) {
	case OP_IF:
		*truth = truth_handlebars(*v);
		if (!*truth && builtin && *v && ((*v)->type == VALUE_INT || (*v)->type == VALUE_REAL))
			*truth = include_zero(r, &op->expr->call);
		break;
	case OP_EACH:
		*truth = *v && (((*v)->type == VALUE_LIST && (*v)->list.n > 0) ||
				((*v)->type == VALUE_MAP && render_map_count(r, *v) > 0));
		break;
	case OP_WITH:
		*truth =
		    truth_handlebars(*v) || (*v && ((*v)->type == VALUE_INT || (*v)->type == VALUE_REAL));
		break;
	default:
		*truth = truth_mustache(*v);
		break;
	}
	return 0;
}

static int
run_true(struct render *r, uint32_t i, const struct value *v)
{
	const struct op *op = &r->program->ops[i];
	struct part p = part_of(r, i, !(op->flags & OP_INVERT));
	if (op->kind == OP_IF)
		return run_with(r, i, &p, false, v, NULL);
	if (v->type == VALUE_LIST && op->kind != OP_WITH)
		return run_list(r, i, &p, v);
	if (op->kind == OP_EACH)
		return run_map(r, i, &p, v);
	return run_with(r, i, &p, v->type != VALUE_BOOL, v, NULL);
}

int
render_block(struct render *r, uint32_t index)
{
	for (uint32_t i = index;;) {
		const struct op *op = &r->program->ops[i];
		const struct value *v;
		bool truth;
		if (decide(r, op, &v, &truth) < 0)
			return -1;
		bool body = truth != ((op->flags & OP_INVERT) != 0);
		if (truth && (body || op->mid == op->end || !(r->program->ops[op->mid].flags & OP_CHAINED)))
			return run_true(r, i, v);
		struct part p = part_of(r, i, body);
		if (body || p.first == p.last || !(r->program->ops[p.first].flags & OP_CHAINED)) {
			if (!body)
				return render_body(r, p.first, p.last, p.has_inline);
			return run_with(r, i, &p, false, v, NULL);
		}
		i = p.first; /* {{else if}}: no deeper, however long the chain */
		if (render_step(r, op->at) < 0)
			return -1;
	}
}
