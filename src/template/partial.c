/*
 * partial: {{> name}}, its context and arguments, its block, its indentation.
 */
#include "template/render.h"

/* What a partial changes, to be put back behind it. */
struct saved {
	const struct program *program;
	const struct params *params;
	const struct inline_def *inlines;
	const struct block_body *block;
	uint8_t escape;
	size_t ncontexts, indent_n, indent_from;
};

static struct saved
save(const struct render *r)
{
	return (struct saved){ r->program, r->params,	 r->inlines,	       r->block,
			       r->escape,  r->ncontexts, r->scratch->indent.n, r->indent_from };
}

static void
restore(struct render *r, const struct saved *s, bool standalone)
{
	struct buf *indent = &r->scratch->indent;
	r->program = s->program;
	r->params = s->params;
	r->inlines = s->inlines;
	r->block = s->block;
	r->escape = s->escape;
	r->ncontexts = s->ncontexts;
	r->indent_from = s->indent_from;
	if (indent->p)
		indent->p[indent->n = s->indent_n] = '\0';
	r->line_start = standalone;
}

/* The context of {{> name context key=value}}. */
static int
push_context(struct render *r, const struct op *op, const struct partial_call *call)
{
	const struct context *top = &r->contexts[r->ncontexts - 1];
	const struct value *v = top->v;
	if (!call->context && call->nhash == 0)
		return 0;
	if (call->context && render_eval(r, call->context, &v) < 0)
		return -1;
	if (r->ncontexts > RENDER_MAX_DEPTH)
		return render_fail(r, op->at, "contexts nest more than %d deep; simplify", RENDER_MAX_DEPTH);
	size_t inherited = call->context ? 0 : top->nhash, n = inherited + call->nhash;
	struct hash_slot *slots = n > 0 ? temp_alloc(r->scratch->temp, n * sizeof *slots) : NULL;
	if (inherited > 0)
		memcpy(slots, top->hash, inherited * sizeof *slots);
	for (uint16_t i = 0; i < call->nhash; i++) {
		struct hash_slot *slot = &slots[inherited + i];
		slot->key = call->hash[i].key;
		if (render_eval(r, call->hash[i].value, &slot->v) < 0)
			return -1;
		if (!slot->v)
			slot->v = &VALUE_NULL_V; /* given, though empty: it hides the outer one */
	}
	r->contexts[r->ncontexts++] = (struct context){ v, slots, n };
	return 0;
}

static void
push_indent(struct render *r, const struct partial_call *call)
{
	struct buf *indent = &r->scratch->indent;
	if (call->standalone) {
		buf_adds(indent, call->indent);
		r->line_start = true;
	} else {
		r->indent_from = indent->n;
		r->line_start = false;
	}
}

/* The body of an inline partial or a partial's block: written elsewhere, run here. */
static int
run_written(struct render *r, const struct op *op, const struct block_body *b, struct str name)
{
	uint8_t place = render_place(r, op);
	if (b->program->name.p == NULL && b->escape != place)
		return render_fail(r, op->at,
				   "\"%.*s\" is written for another kind of place (text, attribute, link …) "
				   "than where it is used; "
				   "write it there",
				   STR_ARG(str_sub(name, 0, 80)));
	if (b->program->name.p == NULL) {
		/* Literals of the template are numbered stretches: only the first line is indented. */
		if (render_begin_line(r, place == TPL_ESC_HTML) < 0)
			return -1;
		r->indent_from = r->scratch->indent.n;
	}
	r->program = b->program;
	r->params = b->params;
	r->escape = place;
	return render_body(r, b->first, b->last, b->has_inline);
}

/* NULL in *out when there is none of that name. */
static int
find_inline(struct render *r, uint32_t at, struct str name, const struct inline_def **out)
{
	for (*out = r->inlines; *out && !str_eq((*out)->name, name); *out = (*out)->outer) {
		if (render_step(r, at) < 0)
			return -1;
	}
	return 0;
}

static int
run_named(struct render *r, uint32_t i, const struct partial_call *call)
{
	const struct op *op = &r->program->ops[i];
	const struct inline_def *d;
	if (find_inline(r, op->at, call->name, &d) < 0)
		return -1;
	struct block_body mine = render_block_of(r, i);
	if (!d && call->program == TPL_NO_PROGRAM) {
		if (call->is_block)
			return render_body(r, mine.first, mine.last, mine.has_inline);
		if (!r->t->strict_partials)
			return 0;
		return render_fail(r, op->at,
				   "the partial \"%.*s\" could not be found; add it, or correct its name",
				   STR_ARG(str_sub(call->name, 0, 80)));
	}
	if (call->is_block) {
		if (mine.has_inline)
			render_define_inlines(r, mine.first, mine.last); /* for the partial it calls */
		r->block = &mine; /* cppcheck-suppress autoVariables ; the caller restores it */
	}
	if (d)
		return run_written(r, op, &d->body, call->name);
	r->escape = render_place(r, op);
	r->program = &r->t->programs[call->program];
	r->params = NULL;
	return render_body(r, 0, r->program->nops, r->program->has_inline);
}

/* {{> @partial-block}} */
static int
run_block_body(struct render *r, const struct op *op)
{
	const struct block_body *b = r->block;
	if (!b) {
		if (!r->t->strict_partials)
			return 0;
		return render_fail(
		    r, op->at, "{{> @partial-block}} stands in a partial that was called without a block");
	}
	r->block = b->outer;
	return run_written(r, op, b, STR("@partial-block"));
}

int
render_partial(struct render *r, uint32_t index)
{
	const struct op *op = &r->program->ops[index];
	const struct partial_call *call = op->partial;
	struct saved s = save(r);
	if (++r->partials > TPL_MAX_PARTIAL_DEPTH)
		return render_fail(r, op->at,
				   "partials call one another more than %d deep; does \"%.*s\" call itself?",
				   TPL_MAX_PARTIAL_DEPTH, STR_ARG(str_sub(call->name, 0, 80)));
	if (push_context(r, op, call) < 0)
		return -1;
	push_indent(r, call);
	int rc = call->calls_block ? run_block_body(r, op) : run_named(r, index, call);
	if (rc < 0)
		return -1;
	restore(r, &s, call->standalone);
	r->partials--;
	return 0;
}
