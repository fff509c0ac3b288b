/*
 * parse: one source to one program. Private to src/template.
 */
#ifndef MT_TEMPLATE_PARSE_H
#define MT_TEMPLATE_PARSE_H

#include "template/program.h"

/* What the programs of one template share while they are compiled. */
struct compile {
	struct arena *arena;
	const struct tpl_options *options;
	struct tpl_error *te;
	struct program *programs; /* room for TPL_MAX_PARTIALS + 1 */
	size_t nprograms, programs_room;
	size_t ntags;
	struct tpl_range *literals;
	size_t nliterals, literals_room;
	struct region_note *regions;
	size_t nregions, regions_room;
	bool any_inline; /* a partial may be defined in the template: missing ones show at render */
};

/* An array in the arena that doubles. Returns the array with room for n + 1. */
void *parse_grow(struct arena *a, void *array, size_t n, size_t *room, size_t size);

/* Parses c->programs[index]; may add programs. 0, or -1 with c->te. */
int parse_program(struct compile *c, size_t index);

/* The program of a partial, added when new; TPL_NO_PROGRAM when there is none. -1 with te when there are too
 * many. */
int compile_partial(struct compile *c, struct str name, uint32_t *program);

#endif
