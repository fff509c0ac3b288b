/*
 * parse: tags to ops. Literals are what remains between tags after standalone
 * lines and ~ took their white space; they are exact stretches of the source.
 * Regions cut literals and must hold whole blocks.
 */
#include "template/parse.h"
#include "template/expr.h"
#include "template/helper.h"
#include "template/scan.h"

enum frame_kind { FRAME_BLOCK, FRAME_PARTIAL, FRAME_INLINE };

/* An open block. */
struct frame {
	enum frame_kind kind;
	uint32_t op, last; /* first of the chain, and the {{else if}} that is open now */
	struct str name;
	bool has_else; /* of `last` */
	uint32_t at;
	struct scope scope; /* of `last`, in use when n > 0 */
	const struct scope *outer;
};

struct parser {
	struct compile *c;
	struct str source, partial;
	bool main; /* the template itself, not a partial */
	struct op *ops;
	size_t nops, ops_room;
	struct frame frames[TPL_MAX_NESTING];
	size_t nframes;
	const struct scope *scope;
	const struct tpl_region *region; /* next, or the open one */
	const struct tpl_region *regions_end;
	bool in_region;
	size_t region_frames; /* nframes where it opened */
	size_t region_op;
	size_t region_tags;
	bool has_inline;
};

#define FAIL(p, at, ...) tpl_fail((p)->c->te, (p)->source, (p)->partial, (at), __VA_ARGS__)

void *
parse_grow(struct arena *a, void *array, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return array;
	size_t more = *room ? *room * 2 : 32;
	void *grown = arena_zalloc_array(a, size, more);
	if (n > 0)
		memcpy(grown, array, n * size);
	*room = more;
	return grown;
}

static struct op *
add_op(struct parser *p, enum op_kind kind, size_t at)
{
	p->ops = parse_grow(p->c->arena, p->ops, p->nops, &p->ops_room, sizeof *p->ops);
	struct op *op = &p->ops[p->nops++];
	*op = (struct op){ .kind = (uint8_t)kind, .at = (uint32_t)at };
	op->escape = ESCAPE_OF_CALLER;
	if (p->main)
		op->escape = (uint8_t)(p->in_region ? p->region->escape : p->c->options->escape);
	op->end = (uint32_t)p->nops;
	return op;
}

static bool
wants_ops(const struct tpl_region *g)
{
	return g->capture || g->escape == TPL_ESC_URL || g->escape == TPL_ESC_URL_TEXT;
}

static void
add_literal(struct parser *p, size_t start, size_t end)
{
	if (start >= end)
		return;
	struct compile *c = p->c;
	struct op *op = add_op(p, OP_LITERAL, start);
	op->literal.start = (uint32_t)start;
	op->literal.end = (uint32_t)end;
	op->literal.index = TPL_NO_INDEX;
	if (!p->main || (p->in_region && p->region->capture))
		return;
	c->literals = parse_grow(c->arena, c->literals, c->nliterals, &c->literals_room, sizeof *c->literals);
	op->literal.index = (uint32_t)c->nliterals;
	c->literals[c->nliterals++] = (struct tpl_range){ (uint32_t)start, (uint32_t)end, TPL_TAG_OTHER };
}

static void
open_region(struct parser *p)
{
	p->in_region = true;
	p->region_frames = p->nframes;
	p->region_tags = 0;
	p->region_op = p->nops;
	if (!wants_ops(p->region))
		return;
	struct op *op = add_op(p, OP_REGION, p->region->start);
	op->region.id = p->region->id;
	op->region.capture = p->region->capture;
}

/* A captured region without tags is one op. True when its text is exactly the source's. */
static bool
end_literal_region(struct parser *p, const struct tpl_region *g)
{
	struct op *op = &p->ops[p->region_op];
	uint32_t start = g->start, end = g->start;
	if (p->nops - p->region_op == 2) {
		start = op[1].literal.start;
		end = op[1].literal.end;
	}
	p->nops = p->region_op + 1;
	op->kind = OP_REGION_TEXT;
	op->end = (uint32_t)p->nops;
	op->region.start = start;
	op->region.end = end;
	return start == g->start && end == g->end;
}

static int
close_region(struct parser *p)
{
	const struct tpl_region *g = p->region;
	struct compile *c = p->c;
	if (p->nframes != p->region_frames) {
		struct frame *f = &p->frames[p->nframes - 1];
		return FAIL(p, f->at,
			    "{{#%.*s}} opens inside an attribute, link or other unit and is not closed "
			    "there; close it "
			    "inside, or put the whole unit into the block",
			    STR_ARG(str_sub(f->name, 0, 60)));
	}
	bool literal = p->region_tags == 0;
	if (wants_ops(g) && g->capture && literal) {
		literal = end_literal_region(p, g);
	} else if (wants_ops(g)) {
		struct op *op = add_op(p, OP_REGION_END, g->end);
		op->region.id = g->id;
		op->region.capture = g->capture;
	}
	if (g->capture) {
		c->regions =
		    parse_grow(c->arena, c->regions, c->nregions, &c->regions_room, sizeof *c->regions);
		c->regions[c->nregions++] = (struct region_note){ g->id, literal };
	}
	p->in_region = false;
	p->region++;
	return 0;
}

/* Literal text [start, end), cut at the borders of regions up to `limit`, where the next tag begins. */
static int
add_text(struct parser *p, size_t start, size_t end, size_t limit)
{
	while (p->region < p->regions_end) {
		size_t border = p->in_region ? p->region->end : p->region->start;
		if (border > limit)
			break;
		if (border > start && start < end) {
			size_t to = border < end ? border : end;
			add_literal(p, start, to);
			start = to;
		}
		if (!p->in_region)
			open_region(p);
		else if (close_region(p) < 0)
			return -1;
	}
	add_literal(p, start, end);
	return 0;
}

static int
check_border(struct parser *p, const struct tag *t)
{
	if (p->region >= p->regions_end)
		return 0;
	size_t border = p->in_region ? p->region->end : p->region->start;
	if (border > t->start && border < t->end)
		return FAIL(p, t->start,
			    "a tag crosses the border of an attribute, link or other unit; write it inside "
			    "or outside");
	return 0;
}

static struct expr_parser
expr_of(struct parser *p, const struct tag *t)
{
	return (struct expr_parser){ .arena = p->c->arena,
				     .source = p->source,
				     .partial = p->partial,
				     .pos = t->content,
				     .end = t->content_end,
				     .scope = p->scope,
				     .te = p->c->te };
}

static int
add_print(struct parser *p, const struct tag *t)
{
	struct expr_head h;
	struct expr_parser e = expr_of(p, t);
	if (t->extra_brace && t->kind == TAG_PRINT && !p->c->options->compat)
		return FAIL(p, t->start, "the tag opens with {{ and closes with }}}; use the same number");
	char sigil = t->content < t->content_end ? p->source.p[t->content] : '\0';
	if (sigil == '*')
		return FAIL(p, t->start, "decorators are not supported; only {{#*inline \"name\"}} is known");
	if (sigil == '<' || sigil == '$')
		return FAIL(p, t->start, "template inheritance is not supported; use partials {{> name}}");
	if (expr_parse_head(&e, false, &h) < 0)
		return -1;
	struct op *op = add_op(p, OP_PRINT, t->start);
	op->expr = h.expr;
	if (t->kind == TAG_RAW)
		op->flags |= OP_RAW;
	return 0;
}

static int
push_frame(struct parser *p, const struct tag *t, enum frame_kind kind, struct str name)
{
	if (p->nframes == TPL_MAX_NESTING)
		return FAIL(p, t->start, "blocks nest more than %d deep; move a part into a partial",
			    TPL_MAX_NESTING);
	struct frame *f = &p->frames[p->nframes++];
	*f = (struct frame){ .kind = kind,
			     .op = (uint32_t)(p->nops - 1),
			     .last = (uint32_t)(p->nops - 1),
			     .name = name,
			     .at = t->start,
			     .outer = p->scope };
	return 0;
}

/* The op of {{#name …}}, {{^name …}} or {{else name …}}. */
static int
add_block_op(struct parser *p, const struct tag *t, struct expr_head *h)
{
	struct expr_parser e = expr_of(p, t);
	if (expr_parse_head(&e, true, h) < 0)
		return -1;
	enum op_kind kind = OP_SECTION;
	uint8_t flags = t->kind == TAG_INVERSE ? OP_INVERT : 0;
	const struct expr *subject = h->expr;
	if (h->has_args) {
		const struct helper *helper = subject->call.helper;
		if (helper->kind == HELPER_IF || helper->kind == HELPER_UNLESS || helper->boolean)
			kind = OP_IF;
		if (helper->kind == HELPER_UNLESS)
			flags ^= OP_INVERT;
		if (helper->kind == HELPER_EACH)
			kind = OP_EACH;
		if (helper->kind == HELPER_WITH)
			kind = OP_WITH;
	}
	struct op *op = add_op(p, kind, t->start);
	op->flags = flags;
	op->expr = subject;
	op->nparams = h->nparams;
	return 0;
}

static void
enter_scope(struct parser *p, struct frame *f, const struct expr_head *h)
{
	p->scope = f->outer;
	if (h->nparams == 0)
		return;
	f->scope = (struct scope){ { h->params[0], h->params[1] }, h->nparams, f->outer };
	p->scope = &f->scope;
}

static int
open_block(struct parser *p, const struct tag *t)
{
	struct expr_head h;
	if (add_block_op(p, t, &h) < 0 || push_frame(p, t, FRAME_BLOCK, h.text) < 0)
		return -1;
	enter_scope(p, &p->frames[p->nframes - 1], &h);
	return 0;
}

static int
check_inside(struct parser *p, const struct tag *t)
{
	if (p->in_region && p->nframes <= p->region_frames)
		return FAIL(p, t->start,
			    "a block that was opened outside an attribute, link or other unit goes on inside "
			    "it; close it before, or "
			    "put the whole unit into the block");
	return 0;
}

static int
add_else(struct parser *p, const struct tag *t)
{
	if (p->nframes == 0)
		return FAIL(p, t->start, "{{else}} stands outside a block");
	struct frame *f = &p->frames[p->nframes - 1];
	if (check_inside(p, t) < 0)
		return -1;
	if (f->kind != FRAME_BLOCK)
		return FAIL(p, t->start, "a partial's block has no {{else}}");
	if (f->has_else)
		return FAIL(p, t->start, "a second {{else}} in {{#%.*s}}; the first one ends it",
			    STR_ARG(str_sub(f->name, 0, 60)));
	p->ops[f->last].mid = (uint32_t)p->nops;
	p->scope = f->outer;
	if (t->content == t->content_end) {
		f->has_else = true;
		return 0;
	}
	struct expr_head h;
	if (add_block_op(p, t, &h) < 0)
		return -1;
	f->last = (uint32_t)(p->nops - 1);
	p->ops[f->last].flags |= OP_CHAINED;
	enter_scope(p, f, &h);
	return 0;
}

static void
close_chain(struct parser *p, struct frame *f)
{
	uint32_t end = (uint32_t)p->nops, i = f->op;
	for (;;) {
		struct op *op = &p->ops[i];
		op->end = end;
		if (i == f->last) {
			if (!f->has_else)
				op->mid = end;
			return;
		}
		i = op->mid; /* the {{else if}} is the first op of the inverse */
	}
}

static int
close_block(struct parser *p, const struct tag *t)
{
	struct str name = { p->source.p + t->content, t->content_end - t->content };
	int line = 0;
	if (p->nframes == 0)
		return FAIL(p, t->start, "{{/%.*s}} closes nothing; remove it, or open the block",
			    STR_ARG(str_sub(name, 0, 60)));
	struct frame *f = &p->frames[p->nframes - 1];
	if (!str_eq(name, f->name)) {
		struct tpl_error open;
		tpl_fail(&open, p->source, p->partial, f->at, "-");
		line = open.line;
		return FAIL(p, t->start,
			    "{{/%.*s}} does not match {{#%.*s}} of line %d; close the inner block first",
			    STR_ARG(str_sub(name, 0, 60)), STR_ARG(str_sub(f->name, 0, 60)), line);
	}
	if (check_inside(p, t) < 0)
		return -1;
	close_chain(p, f);
	p->scope = f->outer;
	p->nframes--;
	return 0;
}

/* An inline partial is announced in the block that holds it, so that the renderer knows to look. */
static void
note_inline(struct parser *p)
{
	p->c->any_inline = true;
	if (p->nframes == 0) {
		p->has_inline = true;
		return;
	}
	struct frame *f = &p->frames[p->nframes - 1];
	p->ops[f->last].flags |= f->has_else ? OP_ELSE_INLINE : OP_HAS_INLINE;
}

static int
add_inline(struct parser *p, const struct tag *t)
{
	struct str *name = ARENA_NEW(p->c->arena, struct str);
	struct expr_parser e = expr_of(p, t);
	if (expr_parse_inline(&e, name) < 0)
		return -1;
	note_inline(p);
	struct op *op = add_op(p, OP_INLINE, t->start);
	op->inline_name = name;
	return push_frame(p, t, FRAME_INLINE, STR("inline"));
}

static int
add_partial(struct parser *p, const struct tag *t, struct str indent, bool standalone)
{
	struct partial_call *call = ARENA_NEW(p->c->arena, struct partial_call);
	struct expr_parser e = expr_of(p, t);
	if (expr_parse_partial(&e, call) < 0)
		return -1;
	call->indent = indent;
	call->standalone = standalone;
	call->program = TPL_NO_PROGRAM;
	call->is_block = t->kind == TAG_PARTIAL_BLOCK;
	call->calls_block = str_eq(call->name, STR("@partial-block"));
	if (!call->calls_block && compile_partial(p->c, call->name, &call->program) < 0)
		return FAIL(p, t->start, "more than %d partials", TPL_MAX_PARTIALS);
	struct op *op = add_op(p, OP_PARTIAL, t->start);
	op->partial = call;
	op->mid = op->end;
	return call->is_block ? push_frame(p, t, FRAME_PARTIAL, call->name) : 0;
}

/* ---- white space ---- */

static bool
can_stand_alone(const struct tag *t)
{
	return t->kind != TAG_PRINT && t->kind != TAG_RAW && t->kind != TAG_RAW_BLOCK &&
	       t->kind != TAG_BACKSLASH;
}

/* Where the text before the tag ends and the text after it begins, given its neighbours. */
struct margins {
	size_t left, right;
	bool standalone;
};

static struct margins
margins_of(struct str src, const struct tag *t, size_t prev_end, size_t next_start)
{
	struct margins m = { t->start, t->end, false };
	size_t left = t->start, right = t->end;
	if (can_stand_alone(t)) {
		while (left > 0 && (src.p[left - 1] == ' ' || src.p[left - 1] == '\t'))
			left--;
		while (right < src.n && (src.p[right] == ' ' || src.p[right] == '\t'))
			right++;
		bool begins = left == 0 || src.p[left - 1] == '\n';
		if (begins && right + 1 < src.n && src.p[right] == '\r' && src.p[right + 1] == '\n')
			right++;
		if (begins && (right == src.n || src.p[right] == '\n')) {
			m.standalone = true;
			m.left = left;
			m.right = right + (right < src.n ? 1 : 0);
		}
	}
	if (t->strip_left) {
		while (m.left > prev_end && ascii_isspace(src.p[m.left - 1]))
			m.left--;
	}
	if (t->strip_right) {
		while (m.right < next_start && ascii_isspace(src.p[m.right]))
			m.right++;
	}
	return m;
}

/* ---- the loop ---- */

static int
add_tag(struct parser *p, const struct tag *t, const struct margins *m)
{
	struct str indent = m->standalone ? str_sub(p->source, m->left, t->start) : STR_NULL;
	if (t->strip_left)
		indent = STR_NULL;
	switch (t->kind) {
	case TAG_PRINT:
	case TAG_RAW:
		return add_print(p, t);
	case TAG_OPEN:
	case TAG_INVERSE:
		return open_block(p, t);
	case TAG_ELSE:
		return add_else(p, t);
	case TAG_CLOSE:
		return close_block(p, t);
	case TAG_PARTIAL:
	case TAG_PARTIAL_BLOCK:
		return add_partial(p, t, indent, m->standalone);
	case TAG_INLINE:
		return add_inline(p, t);
	default:
		return 0;
	}
}

static int
finish(struct parser *p)
{
	if (p->nframes > 0) {
		struct frame *f = &p->frames[p->nframes - 1];
		struct str close = f->kind == FRAME_INLINE ? STR("inline") : f->name;
		struct tpl_error open;
		tpl_fail(&open, p->source, p->partial, f->at, "-");
		return FAIL(p, f->at, "{{#%.*s}} of line %d is never closed; add {{/%.*s}}",
			    STR_ARG(str_sub(close, 0, 60)), open.line, STR_ARG(str_sub(close, 0, 60)));
	}
	if (p->in_region || p->region < p->regions_end)
		return FAIL(p, p->source.n, "a region ends behind the template");
	return 0;
}

static int
parse_tags(struct parser *p)
{
	struct scanner s;
	struct tag now, next;
	struct compile *c = p->c;
	size_t text = 0, prev_end = 0;
	scan_init(&s, p->source, p->partial);
	int rc = scan_next(&s, &now, c->te);
	while (rc > 0) {
		if (++c->ntags > TPL_MAX_TAGS)
			return FAIL(p, now.start, "more than %u tags; make the template smaller",
				    TPL_MAX_TAGS);
		if ((rc = scan_next(&s, &next, c->te)) < 0)
			return -1;
		struct margins m = margins_of(p->source, &now, prev_end, rc > 0 ? next.start : p->source.n);
		if (add_text(p, text, m.left, now.start) < 0 || check_border(p, &now) < 0)
			return -1;
		if (p->in_region)
			p->region_tags++;
		if (add_tag(p, &now, &m) < 0)
			return -1;
		text = m.right;
		prev_end = now.end;
		now = next;
	}
	if (rc < 0 || add_text(p, text, p->source.n, p->source.n) < 0)
		return -1;
	return finish(p);
}

/* The source has no tags, whatever it looks like. */
static int
parse_plain(struct parser *p)
{
	if (p->source.n > TPL_MAX_SOURCE)
		return FAIL(p, 0, "the text is longer than 16 MB; make it shorter");
	if (add_text(p, 0, p->source.n, p->source.n) < 0)
		return -1;
	return finish(p);
}

static int
check_regions(struct parser *p)
{
	uint32_t at = 0;
	for (const struct tpl_region *g = p->region; g < p->regions_end; g++) {
		if (g->start < at || g->end < g->start || g->end > p->source.n)
			return FAIL(p, at, "regions are not sorted, overlap or end behind the template");
		at = g->end;
	}
	return 0;
}

int
parse_program(struct compile *c, size_t index)
{
	struct program *program = &c->programs[index];
	struct parser *p = ARENA_NEW(c->arena, struct parser);
	p->c = c;
	p->source = program->source;
	p->partial = program->name;
	p->main = index == 0;
	if (p->main && c->options->nregions > 0) {
		p->region = c->options->regions;
		p->regions_end = p->region + c->options->nregions;
	}
	bool plain = p->main && c->options->plain;
	if (check_regions(p) < 0 || (plain ? parse_plain(p) : parse_tags(p)) < 0)
		return -1;
	program = &c->programs[index];
	program->ops = p->ops;
	program->nops = (uint32_t)p->nops;
	program->has_inline = p->has_inline;
	return 0;
}
