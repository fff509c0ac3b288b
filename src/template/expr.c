/*
 * expr: the inside of a tag. Recursive descent over the tag's bytes, bounded
 * in depth (subexpressions) and in the number of arguments and segments.
 */
#include "template/expr.h"
#include "template/helper.h"

#include <stdlib.h>

#define FAIL(p, at, ...) tpl_fail((p)->te, (p)->source, (p)->partial, (at), __VA_ARGS__)

/* Handlebars' identifiers: everything but white space and the signs the language uses. */
static bool
is_name_byte(char c)
{
	return !ascii_isspace(c) && c != '\0' && !strchr("!\"#%&'()*+,./;<=>@[\\]^`{|}~", c);
}

static void
skip_space(struct expr_parser *p)
{
	while (p->pos < p->end && ascii_isspace(p->source.p[p->pos]))
		p->pos++;
}

static char
peek(const struct expr_parser *p)
{
	return p->pos < p->end ? p->source.p[p->pos] : '\0';
}

static int
unexpected(struct expr_parser *p)
{
	if (p->pos >= p->end)
		return FAIL(p, p->pos, "the tag ends too early; a name is missing");
	struct str rest = str_sub(str_make(p->source.p + p->pos, p->end - p->pos), 0, 1);
	if ((unsigned char)rest.p[0] < 0x20 || (unsigned char)rest.p[0] >= 0x7F)
		return FAIL(p, p->pos,
			    "unexpected character in the tag; write a name, a \"text\" or a number");
	return FAIL(p, p->pos, "unexpected \"%.*s\" in the tag; write a name, a \"text\" or a number",
		    STR_ARG(rest));
}

/* "text" or 'text': \" and \' are the quote itself. */
static int
parse_string(struct expr_parser *p, struct str *out)
{
	size_t at = p->pos;
	char quote = p->source.p[p->pos++];
	size_t from = p->pos;
	bool escapes = false;
	while (p->pos < p->end && p->source.p[p->pos] != quote) {
		if (p->source.p[p->pos] == '\\' && p->pos + 1 < p->end && p->source.p[p->pos + 1] == quote) {
			escapes = true;
			p->pos++;
		}
		p->pos++;
	}
	if (p->pos >= p->end)
		return FAIL(p, at, "a text in quotes is never closed; add %c", quote);
	*out = str_make(p->source.p + from, p->pos - from);
	p->pos++;
	if (escapes) {
		char *copy = arena_alloc(p->arena, out->n + 1);
		size_t n = 0;
		for (size_t i = 0; i < out->n; i++) {
			if (out->p[i] == '\\' && i + 1 < out->n && out->p[i + 1] == quote)
				continue;
			copy[n++] = out->p[i];
		}
		copy[n] = '\0';
		*out = str_make(copy, n);
	}
	return 0;
}

/* [any text] as a segment. */
static int
parse_bracket(struct expr_parser *p, struct str *out)
{
	size_t at = p->pos++, from = p->pos;
	while (p->pos < p->end && p->source.p[p->pos] != ']')
		p->pos++;
	if (p->pos >= p->end)
		return FAIL(p, at, "a name in brackets is never closed; add ]");
	*out = str_make(p->source.p + from, p->pos - from);
	p->pos++;
	return 0;
}

static struct str
take_name(struct expr_parser *p)
{
	size_t from = p->pos;
	while (p->pos < p->end && is_name_byte(p->source.p[p->pos]))
		p->pos++;
	return str_make(p->source.p + from, p->pos - from);
}

static enum data_name
data_name_of(struct str name)
{
	static const char *const names[] = { "", "root", "index", "key", "first", "last", "partial-block" };
	for (size_t i = 1; i < sizeof names / sizeof *names; i++) {
		if (str_eq(name, str_of(names[i])))
			return (enum data_name)i;
	}
	return DATA_NAMED;
}

static void
bind_param(const struct expr_parser *p, struct path *path)
{
	uint16_t hops = 0;
	if (path->kind != PATH_CONTEXT || path->scoped || path->nsegments == 0)
		return;
	for (const struct scope *s = p->scope; s; s = s->outer, hops++) {
		for (uint8_t i = 0; i < s->n; i++) {
			if (str_eq(path->segments[0], s->names[i])) {
				path->kind = PATH_PARAM;
				path->slot = i;
				path->hops = hops;
				return;
			}
		}
	}
}

/* ../ ./ this at the beginning. 1 when the path is complete already. */
static int
parse_scope(struct expr_parser *p, struct path *path)
{
	for (;;) {
		size_t at = p->pos;
		if (peek(p) == '.') {
			p->pos++;
			path->scoped = true;
			if (peek(p) == '.') {
				p->pos++;
				if (++path->up > TPL_MAX_NESTING)
					return FAIL(p, at, "too many ../; blocks nest %d deep at most",
						    TPL_MAX_NESTING);
			}
		} else if (peek(p) == 't' && str_eq(take_name(p), STR("this"))) {
			path->scoped = true;
		} else {
			p->pos = at;
			return 0;
		}
		if (peek(p) != '/' && peek(p) != '.')
			return 1;
		p->pos++;
	}
}

static int
parse_segments(struct expr_parser *p, struct path *path, size_t at)
{
	struct str segments[TPL_MAX_SEGMENTS];
	size_t n = 0;
	for (;;) {
		struct str seg;
		if (peek(p) == '[') {
			if (parse_bracket(p, &seg) < 0)
				return -1;
		} else {
			size_t from = p->pos;
			seg = take_name(p);
			if (seg.n == 0 && peek(p) != '.')
				return unexpected(p);
			if (seg.n == 0 || str_eq(seg, STR("this")))
				return FAIL(
				    p, at,
				    "invalid path: \"%.*s\": this, . and .. may only stand at its beginning",
				    STR_ARG(str_sub(str_make(p->source.p + at, p->end - at), 0,
						    (seg.n ? p->pos : from + 1) - at)));
		}
		if (n == TPL_MAX_SEGMENTS)
			return FAIL(p, at, "a path has more than %d steps; make it shorter",
				    TPL_MAX_SEGMENTS);
		segments[n++] = seg;
		if (peek(p) != '.' && peek(p) != '/')
			break;
		p->pos++;
	}
	struct str *copy = ARENA_ARRAY(p->arena, struct str, n);
	memcpy(copy, segments, n * sizeof *copy);
	path->segments = copy;
	path->nsegments = (uint16_t)n;
	return 0;
}

static int
parse_path(struct expr_parser *p, struct expr *e)
{
	size_t at = p->pos;
	struct path *path = &e->path;
	e->kind = EXPR_PATH;
	e->at = (uint32_t)at;
	path->kind = PATH_CONTEXT;
	if (peek(p) == '@') {
		path->kind = PATH_DATA;
		p->pos++;
	}
	int rc = parse_scope(p, path);
	if (rc < 0)
		return -1;
	if (rc == 0 && parse_segments(p, path, at) < 0)
		return -1;
	if (path->kind == PATH_DATA) {
		if (path->nsegments == 0)
			return FAIL(p, at, "a name is missing after @");
		path->data = (uint8_t)data_name_of(path->segments[0]);
	}
	path->text = str_make(p->source.p + at, p->pos - at);
	bind_param(p, path);
	return 0;
}

/* A word that is a number or one of true false null undefined. */
static bool
parse_word(struct expr_parser *p, const struct value **out)
{
	size_t from = p->pos, i = from;
	struct str src = p->source;
	bool real = false;
	if (i < p->end && src.p[i] == '-')
		i++;
	size_t digits = i;
	while (i < p->end && ascii_isdigit(src.p[i]))
		i++;
	bool number = i > digits;
	if (number && i + 1 < p->end && src.p[i] == '.' && ascii_isdigit(src.p[i + 1])) {
		real = true;
		for (i++; i < p->end && ascii_isdigit(src.p[i]);)
			i++;
	}
	if (!number) {
		for (i = from; i < p->end && is_name_byte(src.p[i]);)
			i++;
	}
	if (i < p->end && !ascii_isspace(src.p[i]) && src.p[i] != ')' && src.p[i] != '|')
		return false;
	struct str word = str_make(src.p + from, i - from);
	if (number) {
		char text[64];
		if (word.n >= sizeof text)
			return false;
		memcpy(text, word.p, word.n);
		text[word.n] = '\0';
		real = real || word.n > 18;
		*out = real ? value_real(p->arena, strtod(text, NULL))
			    : value_int(p->arena, strtoll(text, NULL, 10));
	} else if (str_eq(word, STR("true")) || str_eq(word, STR("false"))) {
		*out = value_bool(word.n == 4);
	} else if (str_eq(word, STR("null"))) {
		*out = &VALUE_NULL_V;
	} else if (str_eq(word, STR("undefined"))) {
		*out = NULL;
	} else {
		return false;
	}
	p->pos = i;
	return true;
}

static int parse_call(struct expr_parser *p, struct str name, size_t at, struct expr *e, bool block);

static int
parse_subexpression(struct expr_parser *p, struct expr *e)
{
	size_t at = p->pos++;
	if (++p->depth > TPL_MAX_SUBEXPR)
		return FAIL(p, at, "subexpressions nest more than %d deep; simplify", TPL_MAX_SUBEXPR);
	skip_space(p);
	size_t name_at = p->pos;
	struct str name = take_name(p);
	if (name.n == 0)
		return unexpected(p);
	if (parse_call(p, name, name_at, e, false) < 0)
		return -1;
	if (peek(p) != ')')
		return FAIL(p, at, "( is never closed; add )");
	p->pos++;
	p->depth--;
	return 0;
}

/* One argument. */
static int
parse_argument(struct expr_parser *p, struct expr *e)
{
	char c = peek(p);
	size_t at = p->pos;
	*e = (struct expr){ .kind = EXPR_VALUE, .at = (uint32_t)at };
	if (c == '(')
		return parse_subexpression(p, e);
	if (c == '"' || c == '\'') {
		struct str s;
		if (parse_string(p, &s) < 0)
			return -1;
		e->value = value_string(p->arena, s);
		return 0;
	}
	const struct value *v;
	if (parse_word(p, &v)) {
		e->value = v;
		return 0;
	}
	return parse_path(p, e);
}

/* name= follows? Takes it. */
static bool
take_hash_key(struct expr_parser *p, struct str *key)
{
	size_t from = p->pos;
	*key = take_name(p);
	if (key->n > 0 && peek(p) == '=') {
		p->pos++;
		skip_space(p);
		return true;
	}
	p->pos = from;
	return false;
}

struct arg_list {
	struct expr args[TPL_MAX_ARGS];
	struct hash_arg hash[TPL_MAX_ARGS];
	uint16_t nargs, nhash;
};

static bool
at_params(const struct expr_parser *p)
{
	size_t i = p->pos;
	if (p->end - i < 4 || memcmp(p->source.p + i, "as", 2) != 0 || !ascii_isspace(p->source.p[i + 2]))
		return false;
	for (i += 2; i < p->end && ascii_isspace(p->source.p[i]);)
		i++;
	return i < p->end && p->source.p[i] == '|';
}

static int
parse_arguments(struct expr_parser *p, struct arg_list *l, bool block)
{
	for (;;) {
		struct str key;
		size_t before = p->pos;
		skip_space(p);
		if (p->pos >= p->end || peek(p) == ')' || (block && at_params(p)))
			return 0;
		if (p->pos == before)
			return unexpected(p);
		if (l->nargs == TPL_MAX_ARGS || l->nhash == TPL_MAX_ARGS)
			return FAIL(p, p->pos, "more than %d arguments", TPL_MAX_ARGS);
		if (take_hash_key(p, &key)) {
			struct expr *e = ARENA_NEW(p->arena, struct expr);
			if (parse_argument(p, e) < 0)
				return -1;
			l->hash[l->nhash++] = (struct hash_arg){ key, e };
		} else if (l->nhash > 0) {
			return FAIL(p, p->pos, "plain arguments come before the named ones (name=value)");
		} else if (parse_argument(p, &l->args[l->nargs++]) < 0) {
			return -1;
		}
	}
}

static void *
copy_array(struct expr_parser *p, const void *from, size_t n, size_t size)
{
	if (n == 0)
		return NULL;
	void *to = arena_zalloc_array(p->arena, size, n);
	memcpy(to, from, n * size);
	return to;
}

static int
check_call(struct expr_parser *p, struct str name, size_t at, const struct call *c, bool block)
{
	const struct helper *h = c->helper;
	if (!block && h->kind != HELPER_VALUE)
		return FAIL(p, at, "\"%.*s\" is a block: write {{#%.*s …}} … {{/%.*s}}", STR_ARG(name),
			    STR_ARG(name), STR_ARG(name));
	if (c->nargs < h->min || c->nargs > h->max) {
		if (h->min == h->max)
			return FAIL(p, at, "\"%.*s\" wants %d argument%s and has %d", STR_ARG(name), h->min,
				    h->min == 1 ? "" : "s", c->nargs);
		return FAIL(p, at, "\"%.*s\" wants %d to %d arguments and has %d", STR_ARG(name), h->min,
			    h->max, c->nargs);
	}
	for (uint16_t i = 0; i < c->nhash; i++) {
		if (!h->hash || (strcmp(h->hash, "*") != 0 && !str_eq(c->hash[i].key, str_of(h->hash))))
			return FAIL(p, c->hash[i].value->at, "\"%.*s\" knows no option \"%.*s\"",
				    STR_ARG(name), STR_ARG(str_sub(c->hash[i].key, 0, 60)));
	}
	return 0;
}

/* The name is taken; the arguments follow. */
static int
parse_call(struct expr_parser *p, struct str name, size_t at, struct expr *e, bool block)
{
	struct arg_list l;
	l.nargs = l.nhash = 0;
	if (parse_arguments(p, &l, block) < 0)
		return -1;
	*e = (struct expr){ .kind = EXPR_CALL, .at = (uint32_t)at };
	e->call.helper = helper_find(name);
	if (!e->call.helper)
		return FAIL(p, at,
			    "unknown helper \"%.*s\"; a variable takes no arguments, and a name with spaces "
			    "is written [so]",
			    STR_ARG(str_sub(name, 0, 60)));
	e->call.nargs = l.nargs;
	e->call.nhash = l.nhash;
	e->call.args = copy_array(p, l.args, l.nargs, sizeof *l.args);
	e->call.hash = copy_array(p, l.hash, l.nhash, sizeof *l.hash);
	return check_call(p, name, at, &e->call, block);
}

/* {{"x"}} {{12}} {{true}} are names when they stand alone. */
static int
literal_name(struct expr_parser *p, struct expr *e, struct str *text)
{
	const struct value *v;
	size_t at = p->pos;
	char c = peek(p);
	if (c == '"' || c == '\'') {
		if (parse_string(p, text) < 0)
			return -1;
	} else if (parse_word(p, &v)) {
		*text = str_make(p->source.p + at, p->pos - at);
	} else {
		return 0;
	}
	*e = (struct expr){ .kind = EXPR_PATH, .at = (uint32_t)at };
	e->path.segments = copy_array(p, text, 1, sizeof *text);
	e->path.nsegments = 1;
	e->path.text = *text;
	return 1;
}

static int
parse_params(struct expr_parser *p, struct expr_head *h)
{
	skip_space(p);
	if (!at_params(p))
		return p->pos < p->end ? unexpected(p) : 0;
	size_t at = p->pos;
	while (peek(p) != '|')
		p->pos++;
	p->pos++;
	for (;;) {
		skip_space(p);
		if (peek(p) == '|' && h->nparams > 0)
			break;
		struct str name = take_name(p);
		if (name.n == 0 || h->nparams == 2)
			return FAIL(p, at, "block parameters are written as |item| or as |item index|");
		h->params[h->nparams++] = name;
	}
	p->pos++;
	skip_space(p);
	return p->pos < p->end ? unexpected(p) : 0;
}

static bool
more_arguments(struct expr_parser *p, bool block)
{
	size_t before = p->pos;
	skip_space(p);
	bool more = p->pos < p->end && !(block && at_params(p));
	p->pos = before;
	return more;
}

int
expr_parse_head(struct expr_parser *p, bool block, struct expr_head *out)
{
	struct expr *e = ARENA_NEW(p->arena, struct expr);
	skip_space(p);
	size_t at = p->pos;
	*out = (struct expr_head){ .expr = e };
	if (p->pos >= p->end)
		return FAIL(p, at, "empty tag; write a name, or remove it");
	int rc = literal_name(p, e, &out->text);
	if (rc < 0 || (rc == 0 && parse_path(p, e) < 0))
		return -1;
	out->text = str_make(p->source.p + at, p->pos - at);
	const struct helper *h =
	    block && e->path.nsegments == 1 && !e->path.scoped ? helper_find(out->text) : NULL;
	if (more_arguments(p, block) || (h && h->kind != HELPER_VALUE)) {
		out->has_args = true;
		if (parse_call(p, out->text, at, e, block) < 0)
			return -1;
	}
	if (block)
		return parse_params(p, out);
	skip_space(p);
	return p->pos < p->end ? unexpected(p) : 0;
}

static int
parse_partial_name(struct expr_parser *p, struct str *name)
{
	skip_space(p);
	char c = peek(p);
	if (p->pos >= p->end)
		return FAIL(p, p->pos, "the name of the partial is missing");
	if (c == '(' || c == '*')
		return FAIL(
		    p, p->pos,
		    "partials are chosen by a fixed name here; use {{#if}} or {{#equals}} around them");
	if (c == '"' || c == '\'')
		return parse_string(p, name);
	if (c == '[')
		return parse_bracket(p, name);
	size_t from = p->pos;
	while (p->pos < p->end && !ascii_isspace(p->source.p[p->pos]))
		p->pos++;
	*name = str_make(p->source.p + from, p->pos - from);
	return 0;
}

int
expr_parse_partial(struct expr_parser *p, struct partial_call *out)
{
	struct arg_list l;
	l.nargs = l.nhash = 0;
	size_t at = p->pos;
	if (parse_partial_name(p, &out->name) < 0 || parse_arguments(p, &l, false) < 0)
		return -1;
	if (p->pos < p->end)
		return unexpected(p);
	if (l.nargs > 1)
		return FAIL(p, at,
			    "unsupported number of partial arguments: %d; one context, then name=value",
			    l.nargs);
	out->context = copy_array(p, l.args, l.nargs, sizeof *l.args);
	out->hash = copy_array(p, l.hash, l.nhash, sizeof *l.hash);
	out->nhash = l.nhash;
	return 0;
}

int
expr_parse_inline(struct expr_parser *p, struct str *name)
{
	struct str word;
	skip_space(p);
	size_t at = p->pos;
	word = take_name(p);
	if (!str_eq(word, STR("inline")))
		return FAIL(p, at, "unknown decorator \"%.*s\"; only {{#*inline \"name\"}} is known",
			    STR_ARG(str_sub(word, 0, 60)));
	skip_space(p);
	if (parse_partial_name(p, name) < 0)
		return -1;
	skip_space(p);
	return p->pos < p->end ? unexpected(p) : 0;
}
