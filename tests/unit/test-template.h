/*
 * What the template tests share: compile and render from JSON data, and a
 * sink that writes down what it is told.
 */
#ifndef MT_TEST_TEMPLATE_H
#define MT_TEST_TEMPLATE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/json.h"
#include "template/template.h"

struct fixture {
	struct arena *arena;
	struct tpl_scratch *scratch;
	struct buf out;
	struct tpl_options options;
	struct tpl_env env;
	struct tpl_error te;
	struct tpl *tpl;
	const char *const *partials; /* name, text, …, NULL */
};

static int
fixture_open(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	f->arena = arena_new(1 << 14);
	f->scratch = tpl_scratch_new();
	f->options = (struct tpl_options){ .escape = TPL_ESC_HTML, .compat = true };
	*state = f;
	return 0;
}

static int
fixture_close(void **state)
{
	struct fixture *f = *state;
	buf_free(&f->out);
	tpl_scratch_free(&f->scratch);
	arena_free(&f->arena);
	free(f);
	return 0;
}

static inline const struct value *
parse_data(struct fixture *f, const char *json)
{
	struct err e;
	const struct value *v = NULL;
	if (json_parse(f->arena, str_of(json), NULL, &v, &e) != 0)
		fail_msg("test data: %s", e.text);
	return v;
}

static inline bool
find_partial(void *ctx, struct str name, struct str *text)
{
	const struct fixture *f = ctx;
	for (const char *const *p = f->partials; p && *p; p += 2) {
		if (str_eq(name, str_of(*p))) {
			*text = str_of(p[1]);
			return true;
		}
	}
	return false;
}

/* Both steps to f->out; "ERROR line:column text" when one fails. */
static inline const char *
render(struct fixture *f, const char *source, const char *json)
{
	buf_reset(&f->out);
	buf_add(&f->out, "", 0);
	f->options.partial = find_partial;
	f->options.partial_ctx = f;
	f->env.root = parse_data(f, json);
	f->tpl = tpl_compile(f->arena, str_of(source), &f->options, &f->te);
	if (!f->tpl || tpl_render_buf(f->tpl, &f->env, &f->out, f->scratch, &f->te) != 0) {
		buf_reset(&f->out);
		buf_printf(&f->out, "ERROR %d:%d %s", f->te.line, f->te.column, f->te.text);
	}
	return f->out.p;
}

#define GIVES(f, source, json, expected) assert_string_equal(render(f, source, json), expected)
#define FAILS(f, source, json, part)                                                                 \
	do {                                                                                         \
		const char *got_ = render(f, source, json);                                          \
		if (strncmp(got_, "ERROR", 5) != 0 || !strstr(got_, part))                           \
			fail_msg("%s: wanted an error with \"%s\", got \"%s\"", source, part, got_); \
	} while (0)

#endif
