/*
 * expr: what stands inside a tag: paths, literals, helper calls,
 * subexpressions, hash arguments, block parameters. Private to src/template.
 */
#ifndef MT_TEMPLATE_EXPR_H
#define MT_TEMPLATE_EXPR_H

#include "template/program.h"

/* Block parameters in sight, innermost first. */
struct scope {
	struct str names[2];
	uint8_t n;
	const struct scope *outer;
};

struct expr_parser {
	struct arena *arena;
	struct str source, partial; /* for places */
	size_t pos, end;	    /* the tag's content */
	const struct scope *scope;
	struct tpl_error *te;
	int depth;
};

/* What a mustache or a block begins with. */
struct expr_head {
	struct str text;	 /* the name as written */
	const struct expr *expr; /* a path, or a call when there are arguments */
	bool has_args;
	struct str params[2];
	uint8_t nparams;
};

/* {{name args… hash…}} and, when block, `as |x i|`. 0, or -1 with te. */
int expr_parse_head(struct expr_parser *p, bool block, struct expr_head *out);
/* {{> name [context] hash…}} */
int expr_parse_partial(struct expr_parser *p, struct partial_call *out);
/* {{#*inline "name"}} */
int expr_parse_inline(struct expr_parser *p, struct str *name);

#endif
