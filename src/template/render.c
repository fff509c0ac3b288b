/*
 * render: runs a program. Output goes straight to a buffer, or to a sink with
 * captured regions gathered in scratch memory first.
 */
#include "template/render.h"

#include <stdio.h>
#include <stdlib.h>

struct tpl_scratch *
tpl_scratch_new(void)
{
	struct tpl_scratch *s = calloc(1, sizeof *s);
	if (!s)
		abort(); /* as in arena.h */
	s->temp = temp_new();
	return s;
}

void
tpl_scratch_free(struct tpl_scratch **s)
{
	if (!*s)
		return;
	temp_free(&(*s)->temp);
	buf_free(&(*s)->text);
	buf_free(&(*s)->capture);
	buf_free(&(*s)->print);
	buf_free(&(*s)->indent);
	if ((*s)->zone)
		g_time_zone_unref((*s)->zone);
	free(*s);
	*s = NULL;
}

int
render_fail(struct render *r, uint32_t at, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return tpl_fail(r->te, r->program->source, r->program->name, at, "%s", text);
}

int
render_step(struct render *r, uint32_t at)
{
	if (++r->steps > r->max_steps)
		return render_fail(r, at, "more than %zu steps to render this; loop over less", r->max_steps);
	return 0;
}

static int
stopped(struct render *r)
{
	if (r->te)
		r->te->text[0] = '\0';
	return -1;
}

/* Counts what went out, and follows the URL it belongs to. */
static int
note_output(struct render *r, struct str s)
{
	r->out += s.n;
	if (r->out > r->max_output)
		return render_fail(r, 0, "the output is longer than %zu bytes; write less", r->max_output);
	if (r->in_url)
		r->url = escape_url_after(r->url, s);
	return 0;
}

int
render_text(struct render *r, struct str s, bool raw)
{
	if (s.n == 0)
		return 0;
	if (note_output(r, s) < 0)
		return -1;
	if (r->direct)
		buf_adds(r->direct, s);
	else if (r->capturing)
		buf_adds(&r->scratch->capture, s);
	else if (r->sink->text(r->sink, s, raw) < 0)
		return stopped(r);
	return 0;
}

uint8_t
render_place(const struct render *r, const struct op *op)
{
	return op->escape == ESCAPE_OF_CALLER ? r->escape : op->escape;
}

/* ---- literals ---- */

/* Inside an indented partial every line begins with the indentation; it comes with the line's first output.
 */
int
render_begin_line(struct render *r, bool raw)
{
	const struct buf *b = &r->scratch->indent;
	if (!r->line_start || b->n == r->indent_from)
		return 0;
	r->line_start = false;
	return render_text(r, str_make(b->p + r->indent_from, b->n - r->indent_from), raw);
}

static int
indented_literal(struct render *r, struct str s, bool raw)
{
	while (s.n > 0) {
		size_t n = str_find_char(s, '\n');
		n += n < s.n ? 1 : 0;
		if (render_begin_line(r, raw) < 0 || render_text(r, str_sub(s, 0, n), raw) < 0)
			return -1;
		r->line_start = s.p[n - 1] == '\n';
		s = str_sub(s, n, s.n);
	}
	return 0;
}

static int
run_literal(struct render *r, const struct op *op)
{
	struct str s = str_sub(r->program->source, op->literal.start, op->literal.end);
	if (op->literal.index != TPL_NO_INDEX && !r->direct && !r->capturing) {
		if (note_output(r, s) < 0)
			return -1;
		return r->sink->literal(r->sink, op->literal.index) < 0 ? stopped(r) : 0;
	}
	bool raw = render_place(r, op) == TPL_ESC_HTML;
	if (r->scratch->indent.n > r->indent_from)
		return indented_literal(r, s, raw);
	return render_text(r, s, raw);
}

/* ---- {{x}} ---- */

/* The variable that a {{x}} or {{helper x}} is about. */
static const struct path *
first_path(const struct expr *e)
{
	for (int depth = 0; depth <= TPL_MAX_SUBEXPR; depth++) {
		if (e->kind == EXPR_PATH)
			return &e->path;
		if (e->kind != EXPR_CALL || e->call.nargs == 0)
			return NULL;
		e = &e->call.args[0];
	}
	return NULL;
}

static int
check_missing(struct render *r, const struct op *op, const struct value *v, bool empty)
{
	const struct expr *e = op->expr;
	if (r->env->missing != TPL_MISSING_ERROR || !empty || e->kind == EXPR_VALUE)
		return 0;
	/* A helper that answers with "" (an empty default) means it. */
	if (e->kind == EXPR_CALL && (v || e->call.helper->empty_is_ok))
		return 0;
	const struct path *p = first_path(e);
	if (!p)
		return 0;
	return render_fail(r, op->at, "missing variable \"%.*s\"", STR_ARG(str_sub(p->text, 0, 120)));
}

static int
print_escaped(struct render *r, uint8_t place, bool raw, struct str s)
{
	if (escape_is_clean((enum tpl_escape)place, raw, s))
		return render_text(r, s, raw && place == TPL_ESC_HTML);
	struct buf *b = r->direct ? r->direct : r->capturing ? &r->scratch->capture : &r->scratch->text;
	if (b == &r->scratch->text)
		buf_reset(b);
	size_t from = b->n;
	escape_add(b, (enum tpl_escape)place, raw, r->url, s);
	struct str added = str_make(b->p + from, b->n - from);
	if (b == &r->scratch->text)
		return render_text(r, added, false);
	return note_output(r, added);
}

static int
run_print(struct render *r, const struct op *op)
{
	const struct value *v;
	bool raw = op->flags & OP_RAW;
	uint8_t place = render_place(r, op);
	r->printing = true;
	int rc = render_eval(r, op->expr, &v);
	r->printing = false;
	if (rc < 0)
		return -1;
	struct str s = STR_NULL;
	if (v && v->type == VALUE_STRING) {
		s = v->s;
	} else if (v) {
		buf_reset(&r->scratch->print);
		print_value(&r->scratch->print, v);
		s = buf_str(&r->scratch->print);
	}
	if (s.n == 0 && check_missing(r, op, v, true) < 0)
		return -1;
	if (render_begin_line(r, place == TPL_ESC_HTML) < 0)
		return -1;
	return s.n > 0 ? print_escaped(r, place, raw, s) : 0;
}

/* ---- regions ---- */

static void
begin_region(struct render *r, const struct op *op)
{
	uint8_t place = render_place(r, op);
	r->in_url = place == TPL_ESC_URL || place == TPL_ESC_URL_TEXT;
	r->url = URL_START;
	if (op->region.capture && !r->direct && !r->capturing) {
		r->capturing = true;
		buf_reset(&r->scratch->capture);
	}
}

static int
end_region(struct render *r, const struct op *op)
{
	r->in_url = false;
	r->url = URL_START;
	if (!op->region.capture || !r->capturing)
		return 0;
	r->capturing = false;
	return r->sink->region(r->sink, op->region.id, buf_str(&r->scratch->capture)) < 0 ? stopped(r) : 0;
}

static int
run_region_text(struct render *r, const struct op *op)
{
	struct str s = str_sub(r->program->source, op->region.start, op->region.end);
	if (r->direct || r->capturing)
		return render_text(r, s, false);
	if (note_output(r, s) < 0)
		return -1;
	return r->sink->region(r->sink, op->region.id, s) < 0 ? stopped(r) : 0;
}

/* ---- the loop ---- */

static int
run_op(struct render *r, uint32_t i)
{
	const struct op *op = &r->program->ops[i];
	switch ((enum op_kind)op->kind) {
	case OP_LITERAL:
		return run_literal(r, op);
	case OP_PRINT:
		return run_print(r, op);
	case OP_SECTION:
	case OP_IF:
	case OP_EACH:
	case OP_WITH:
		return render_block(r, i);
	case OP_PARTIAL:
		if (!op->partial->standalone && render_begin_line(r, render_place(r, op) == TPL_ESC_HTML) < 0)
			return -1;
		return render_partial(r, i);
	case OP_INLINE:
		return 0;
	case OP_REGION:
		begin_region(r, op);
		return 0;
	case OP_REGION_END:
		return end_region(r, op);
	case OP_REGION_TEXT:
		return run_region_text(r, op);
	}
	return 0;
}

int
render_ops(struct render *r, uint32_t first, uint32_t last)
{
	struct temp *temp = r->scratch->temp;
	for (uint32_t i = first; i < last; i = r->program->ops[i].end) {
		struct temp_mark mark = temp_mark(temp);
		if (render_step(r, r->program->ops[i].at) < 0 || run_op(r, i) < 0)
			return -1;
		temp_release(temp, &mark);
	}
	return 0;
}

static int
render_main(struct render *r)
{
	const struct tpl_env *env = r->env;
	r->max_steps = env->max_steps ? env->max_steps : 1000000;
	r->max_output = env->max_output ? env->max_output : (size_t)16 << 20;
	r->root = (struct value){ .type = VALUE_MAP };
	r->program = &r->t->programs[0];
	r->escape = (uint8_t)r->t->escape;
	r->in_url = r->escape == TPL_ESC_URL || r->escape == TPL_ESC_URL_TEXT;
	r->contexts = r->scratch->contexts;
	buf_reset(&r->scratch->indent);
	const struct value *root = env->root;
	if (!root)
		root = env->nlayers == 1 ? env->layers[0] : &r->root;
	render_push(r, root);
	struct temp_mark mark = temp_mark(r->scratch->temp);
	int rc = render_body(r, 0, r->program->nops, r->program->has_inline);
	temp_release(r->scratch->temp, &mark);
	return rc;
}

int
tpl_render(const struct tpl *t, const struct tpl_env *env, struct tpl_sink *sink, struct tpl_scratch *scratch,
	   struct tpl_error *te)
{
	struct render r = { .t = t, .env = env, .sink = sink, .scratch = scratch, .te = te };
	return render_main(&r);
}

int
tpl_render_buf(const struct tpl *t, const struct tpl_env *env, struct buf *out, struct tpl_scratch *scratch,
	       struct tpl_error *te)
{
	struct render r = { .t = t, .env = env, .direct = out, .scratch = scratch, .te = te };
	size_t before = out->n;
	if (render_main(&r) == 0)
		return 0;
	if (out->p)
		out->p[out->n = before] = '\0';
	return -1;
}
