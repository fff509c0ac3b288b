/*
 * helper: the functions that templates may call. The table is constant.
 * Private to src/template.
 */
#ifndef MT_TEMPLATE_HELPER_H
#define MT_TEMPLATE_HELPER_H

#include "template/program.h"

struct render;

enum helper_kind {
	HELPER_VALUE, /* run gives a value */
	HELPER_IF,
	HELPER_UNLESS,
	HELPER_EACH,
	HELPER_WITH
};

/* Arguments, evaluated; NULL is undefined. hash is parallel to call->hash. */
struct helper_args {
	const struct call *call;
	const struct value *const *v;
	size_t n;
	const struct value *const *hash;
	uint32_t at;
};

struct helper {
	const char *name;
	uint8_t kind; /* enum helper_kind */
	uint8_t min, max;
	bool boolean;	  /* as a block it is an {{#if}} */
	bool empty_is_ok; /* its nothing is never a missing variable */
	const char *hash; /* the one option it knows, "*" for any, NULL for none */
	/* 0 with *out (NULL: nothing; memory of the render's temp), -1 after render_fail. */
	int (*run)(struct render *r, const struct helper_args *a, const struct value **out);
};

/* NULL when unknown. */
const struct helper *helper_find(struct str name);

#endif
