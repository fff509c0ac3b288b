/*
 * program: what a compiled template is made of. Private to src/template.
 *
 * A template is one program for its source and one per partial. A program is
 * a flat array of ops in reading order; a block op says where its body and
 * its inverse lie, so that the renderer needs no tree. Everything is
 * immutable after compile and lives in the arena given to tpl_compile.
 */
#ifndef MT_TEMPLATE_PROGRAM_H
#define MT_TEMPLATE_PROGRAM_H

#include "template/template.h"

#define TPL_MAX_SOURCE (16u << 20)
#define TPL_MAX_TAGS 100000u
#define TPL_MAX_NESTING 64
#define TPL_MAX_PARTIALS 1000
#define TPL_MAX_PARTIAL_DEPTH 32
#define TPL_MAX_SUBEXPR 16
#define TPL_MAX_ARGS 32
#define TPL_MAX_SEGMENTS 64
#define TPL_NO_INDEX UINT32_MAX
#define TPL_NO_PROGRAM UINT32_MAX

struct helper;

enum path_kind {
	PATH_CONTEXT, /* looked up in the context stack */
	PATH_DATA,    /* @index, @root … */
	PATH_PARAM    /* a block parameter: as |x i| */
};

enum data_name { DATA_NAMED, DATA_ROOT, DATA_INDEX, DATA_KEY, DATA_FIRST, DATA_LAST, DATA_PARTIAL_BLOCK };

struct path {
	uint8_t kind;  /* enum path_kind */
	uint8_t data;  /* enum data_name */
	uint8_t slot;  /* PATH_PARAM: which of the two */
	bool scoped;   /* begins with this, ./ or ../: never a walk up the stack */
	uint16_t up;   /* how many ../ */
	uint16_t hops; /* PATH_PARAM: how many parameter scopes outwards */
	uint16_t nsegments;
	const struct str *segments;
	struct str text; /* as written */
};

struct expr;

struct hash_arg {
	struct str key;
	const struct expr *value;
};

struct call {
	const struct helper *helper;
	const struct expr *args; /* array */
	const struct hash_arg *hash;
	uint16_t nargs, nhash;
};

enum expr_kind { EXPR_VALUE, EXPR_PATH, EXPR_CALL };

struct expr {
	enum expr_kind kind;
	uint32_t at; /* offset in the program's source, for messages */
	union {
		const struct value *value; /* NULL: undefined */
		struct path path;
		struct call call;
	};
};

enum op_kind {
	OP_LITERAL,
	OP_PRINT,
	OP_SECTION, /* Mustache's {{#x}} and {{^x}}, and helpers that give no boolean */
	OP_IF,	    /* and unless (inverted), and boolean helpers */
	OP_EACH,
	OP_WITH,
	OP_PARTIAL,
	OP_INLINE, /* {{#*inline "name"}}: defines, prints nothing */
	OP_REGION, /* … OP_REGION_END, always in one body */
	OP_REGION_END,
	OP_REGION_TEXT /* a captured region without tags */
};

enum op_flag {
	OP_RAW = 1,	    /* {{{x}}} {{&x}} */
	OP_INVERT = 2,	    /* {{^x}}, unless */
	OP_CHAINED = 4,	    /* {{else if}}: alone in its parent's inverse */
	OP_HAS_INLINE = 8,  /* its body defines inline partials */
	OP_ELSE_INLINE = 16 /* its inverse does */
};

/* TPL_ESC_… of the place, or this: a partial takes the place where it is called. */
#define ESCAPE_OF_CALLER 255

struct partial_call {
	struct str name;
	uint32_t program; /* TPL_NO_PROGRAM: unknown at compile time */
	bool is_block;	  /* {{#> name}}…{{/name}} */
	bool calls_block; /* {{> @partial-block}} */
	bool standalone;
	const struct expr *context; /* NULL: the current one */
	const struct hash_arg *hash;
	uint16_t nhash;
	struct str indent;
};

struct op {
	uint8_t kind, escape, flags;
	uint32_t at;	   /* offset of the tag */
	uint32_t mid, end; /* blocks: body [i+1, mid), inverse [mid, end); end is the next op to run */
	uint8_t nparams;
	const struct str *inline_name;
	union {
		struct {
			uint32_t start, end, index;
		} literal;
		struct {
			uint32_t id, start, end;
			bool capture;
		} region;
		const struct expr *expr;
		const struct partial_call *partial;
	};
};

struct program {
	struct str source;
	struct str name; /* of the partial; absent for the template itself */
	const struct op *ops;
	uint32_t nops;
	bool has_inline; /* at its top level */
};

struct region_note {
	uint32_t id;
	bool literal;
};

struct tpl {
	const struct program *programs; /* [0] is the template */
	size_t nprograms;
	enum tpl_escape escape;
	bool compat, strict_partials, is_static;
	struct tpl_range *literals;
	size_t nliterals;
	struct region_note *regions; /* captured ones, by id */
	size_t nregions;
	struct str *variables; /* sorted, unique */
	size_t nvariables;
};

/* Fills te with line and column of offset; returns -1. partial may be absent. te may be NULL. */
int tpl_fail(struct tpl_error *te, struct str source, struct str partial, size_t offset, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
