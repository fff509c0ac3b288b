/*
 * compile: the template, its partials (each once, whoever calls it), and what
 * the caller may ask about the result.
 */
#include "template/parse.h"

#include <stdlib.h>

int
compile_partial(struct compile *c, struct str name, uint32_t *program)
{
	const struct tpl_options *o = c->options;
	struct str text;
	*program = TPL_NO_PROGRAM;
	for (size_t i = 1; i < c->nprograms; i++) {
		if (str_eq(c->programs[i].name, name)) {
			*program = (uint32_t)i;
			return 0;
		}
	}
	if (!o->partial || !o->partial(o->partial_ctx, name, &text))
		return 0;
	if (c->nprograms > TPL_MAX_PARTIALS)
		return -1;
	c->programs = parse_grow(c->arena, c->programs, c->nprograms, &c->programs_room, sizeof *c->programs);
	*program = (uint32_t)c->nprograms;
	c->programs[c->nprograms++] = (struct program){ .source = text, .name = arena_str(c->arena, name) };
	return 0;
}

/* ---- variables ---- */

struct names {
	struct arena *arena;
	struct str *all;
	size_t n, room;
};

static void
note_path(struct names *names, const struct path *path)
{
	if (path->kind != PATH_CONTEXT || path->nsegments == 0)
		return;
	struct str name = path->segments[0];
	if (path->nsegments > 1) {
		size_t n = path->nsegments - 1u;
		for (uint16_t i = 0; i < path->nsegments; i++)
			n += path->segments[i].n;
		char *to = arena_alloc(names->arena, n + 1);
		name = str_make(to, n);
		for (uint16_t i = 0; i < path->nsegments; i++) {
			const struct str *seg = &path->segments[i];
			if (i > 0)
				*to++ = '.';
			if (seg->n > 0)
				memcpy(to, seg->p, seg->n);
			to += seg->n;
		}
		*to = '\0';
	}
	names->all = parse_grow(names->arena, names->all, names->n, &names->room, sizeof *names->all);
	names->all[names->n++] = name;
}

static void
note_expr(struct names *names, const struct expr *e)
{
	if (e->kind == EXPR_PATH)
		note_path(names, &e->path);
	if (e->kind != EXPR_CALL)
		return;
	for (uint16_t i = 0; i < e->call.nargs; i++)
		note_expr(names, &e->call.args[i]);
	for (uint16_t i = 0; i < e->call.nhash; i++)
		note_expr(names, e->call.hash[i].value);
}

static void
note_op(struct names *names, const struct op *op)
{
	switch (op->kind) {
	case OP_PRINT:
	case OP_SECTION:
	case OP_IF:
	case OP_EACH:
	case OP_WITH:
		note_expr(names, op->expr);
		break;
	case OP_PARTIAL:
		if (op->partial->context)
			note_expr(names, op->partial->context);
		for (uint16_t i = 0; i < op->partial->nhash; i++)
			note_expr(names, op->partial->hash[i].value);
		break;
	default:
		break;
	}
}

static int
compare_names(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int c = n > 0 ? memcmp(x->p, y->p, n) : 0;
	return c ? c : (x->n > y->n) - (x->n < y->n);
}

static void
collect_variables(const struct compile *c, struct tpl *t)
{
	struct names names = { .arena = c->arena };
	for (size_t i = 0; i < c->nprograms; i++) {
		for (uint32_t k = 0; k < c->programs[i].nops; k++)
			note_op(&names, &c->programs[i].ops[k]);
	}
	if (names.n > 1)
		qsort(names.all, names.n, sizeof *names.all, compare_names);
	for (size_t i = 0; i < names.n; i++) {
		if (t->nvariables == 0 || !str_eq(names.all[t->nvariables - 1], names.all[i]))
			names.all[t->nvariables++] = names.all[i];
	}
	t->variables = names.all;
}

/* ---- the whole ---- */

static int
compare_regions(const void *a, const void *b)
{
	const struct region_note *x = a, *y = b;
	return (x->id > y->id) - (x->id < y->id);
}

/* A missing partial shows now, unless an inline partial may still define it. */
static int
check_partials(const struct compile *c)
{
	if (!c->options->handlebars_strict_partials || c->any_inline)
		return 0;
	for (size_t i = 0; i < c->nprograms; i++) {
		const struct program *g = &c->programs[i];
		for (uint32_t k = 0; k < g->nops; k++) {
			const struct partial_call *p = g->ops[k].partial;
			if (g->ops[k].kind == OP_PARTIAL && p->program == TPL_NO_PROGRAM && !p->is_block &&
			    !p->calls_block)
				return tpl_fail(
				    c->te, g->source, g->name, g->ops[k].at,
				    "the partial \"%.*s\" could not be found; add it, or correct its name",
				    STR_ARG(str_sub(p->name, 0, 80)));
		}
	}
	return 0;
}

static bool
covers_all(const struct compile *c, struct str source)
{
	const struct program *g = &c->programs[0];
	if (c->options->nregions > 0 || c->ntags > 0 || g->nops > 1)
		return false;
	return g->nops == 0 ? source.n == 0
			    : g->ops[0].literal.start == 0 && g->ops[0].literal.end == source.n;
}

struct tpl *
tpl_compile(struct arena *a, struct str source, const struct tpl_options *o, struct tpl_error *te)
{
	struct compile c = { .arena = a, .options = o, .te = te };
	if (te)
		*te = (struct tpl_error){ 0 };
	c.programs = parse_grow(a, NULL, 0, &c.programs_room, sizeof *c.programs);
	c.programs[c.nprograms++] = (struct program){ .source = source };
	for (size_t i = 0; i < c.nprograms; i++) {
		if (parse_program(&c, i) < 0)
			return NULL;
	}
	if (check_partials(&c) < 0)
		return NULL;
	struct tpl *t = ARENA_NEW(a, struct tpl);
	t->programs = c.programs;
	t->nprograms = c.nprograms;
	t->escape = o->escape;
	t->compat = o->compat;
	t->strict_partials = o->handlebars_strict_partials;
	t->literals = c.literals;
	t->nliterals = c.nliterals;
	t->regions = c.regions;
	t->nregions = c.nregions;
	t->is_static = covers_all(&c, source);
	if (t->nregions > 1)
		qsort(t->regions, t->nregions, sizeof *t->regions, compare_regions);
	collect_variables(&c, t);
	return t;
}

bool
tpl_is_static(const struct tpl *t)
{
	return t->is_static;
}

size_t
tpl_literal_count(const struct tpl *t)
{
	return t->nliterals;
}

void
tpl_literal(const struct tpl *t, size_t i, uint32_t *start, uint32_t *end)
{
	*start = t->literals[i].start;
	*end = t->literals[i].end;
}

bool
tpl_region_is_literal(const struct tpl *t, uint32_t id)
{
	struct region_note key = { id, false };
	if (t->nregions == 0)
		return false;
	const struct region_note *hit = bsearch(&key, t->regions, t->nregions, sizeof key, compare_regions);
	return hit && hit->literal;
}

size_t
tpl_variables(const struct tpl *t, struct arena *a, struct str **names)
{
	*names = ARENA_ARRAY(a, struct str, t->nvariables);
	if (t->nvariables > 0)
		memcpy(*names, t->variables, t->nvariables * sizeof **names);
	return t->nvariables;
}
