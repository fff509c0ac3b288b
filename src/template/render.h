/*
 * render: the state of one render. Private to src/template.
 *
 * Values made on the way (helper results) live in `temp` until the op that
 * made them is done, so that loops over large lists do not pile them up.
 */
#ifndef MT_TEMPLATE_RENDER_H
#define MT_TEMPLATE_RENDER_H

#include <glib.h>

#include "template/escape.h"
#include "template/helper.h"
#include "template/program.h"
#include "template/temp.h"

/* Blocks and partials that run inside one another; bounds the C stack. */
#define RENDER_MAX_DEPTH 256

struct hash_slot {
	struct str key;
	const struct value *v;
};

/* One context. hash: a partial's name=value arguments, which go first. */
struct context {
	const struct value *v;
	const struct hash_slot *hash;
	size_t nhash;
};

struct loop {
	const struct loop *outer;
	struct value index, key;
	bool first, last;
};

struct params {
	const struct params *outer;
	const struct value *v[2];
};

struct inline_def;

/* The block of {{#> name}}…{{/name}}, for {{> @partial-block}}. */
struct block_body {
	const struct program *program;
	uint32_t first, last;
	bool has_inline;
	uint8_t escape; /* of the place where it is written */
	const struct params *params;
	const struct block_body *outer;
};

struct inline_def {
	const struct inline_def *outer;
	struct str name;
	struct block_body body;
};

struct tpl_scratch {
	struct temp *temp;
	struct buf text, capture, print, indent;
	GTimeZone *zone; /* of zone_name, kept from render to render */
	char zone_name[64];
	struct context contexts[RENDER_MAX_DEPTH + 1];
};

struct render {
	const struct tpl *t;
	const struct tpl_env *env;
	struct tpl_sink *sink; /* or */
	struct buf *direct;
	struct tpl_scratch *scratch;
	struct tpl_error *te;
	struct value root; /* stands for all layers together; only its address counts */

	const struct program *program;
	uint8_t escape; /* of the place, for ops that take the caller's */
	struct context *contexts;
	size_t ncontexts;
	const struct loop *loop;
	const struct params *params;
	const struct inline_def *inlines;
	const struct block_body *block;

	bool capturing;
	bool in_url;
	enum url_place url;
	bool printing; /* tell on_variable */
	bool line_start;
	size_t indent_from; /* the active indentation is scratch->indent from here on */
	int depth, partials;
	size_t steps, max_steps, out, max_output;
};

/* Fills te; returns -1. */
int render_fail(struct render *r, uint32_t at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* One step; -1 when there were too many. */
int render_step(struct render *r, uint32_t at);
/* Text that is ready for its place. */
int render_text(struct render *r, struct str s, bool raw);

/* The indentation that is due, at the beginning of a line of an indented partial. */
int render_begin_line(struct render *r, bool raw);

/* ops [first, last) of the current program. */
int render_ops(struct render *r, uint32_t first, uint32_t last);
/* The same one level deeper, with its inline partials. */
int render_body(struct render *r, uint32_t first, uint32_t last, bool has_inline);
/* The body of the block that op i begins, as a partial or inline runs it later. */
struct block_body render_block_of(const struct render *r, uint32_t i);
/* Makes the inline partials among ops [first, last) known. */
void render_define_inlines(struct render *r, uint32_t first, uint32_t last);
int render_block(struct render *r, uint32_t index);
int render_partial(struct render *r, uint32_t index);
uint8_t render_place(const struct render *r, const struct op *op);

/* ---- resolve.c ---- */
/* 0, or -1; *out NULL: undefined. */
int render_eval(struct render *r, const struct expr *e, const struct value **out);
int render_path(struct render *r, const struct path *p, uint32_t at, const struct value **out);
const struct value *render_member(struct render *r, const struct value *v, struct str name);
void render_push(struct render *r, const struct value *v);
/* Entries of a map, or of all layers for the root. */
size_t render_map_count(const struct render *r, const struct value *v);

bool truth_mustache(const struct value *v);
bool truth_handlebars(const struct value *v);
/* Appends v as it prints: lists with commas, maps not at all. */
void print_value(struct buf *b, const struct value *v);

#endif
