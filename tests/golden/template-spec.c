/*
 * template-spec mustache DIR
 * template-spec handlebars DIR WAIVED
 *
 * Runs the public spec cases in DIR and prints each failing case with what
 * was expected and what came, then "mustache-spec 136/136" or
 * "handlebars-spec N/260 (M waived)". Exits 1 when a case fails that is not
 * waived, or when a waived case passes (the list is stale), 2 on bad usage.
 *
 * WAIVED: one case a line, "file.json#number reason"; lines that begin with
 * "# " are comments. Numbers count from 1, as data-only-cases.json does.
 */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "template/template.h"

struct suite {
	struct tpl_scratch *scratch;
	struct arena *arena;
	json_t *waived; /* id → reason */
	size_t passed, total, nwaived, wrong;
};

struct spec_case {
	const char *name, *source, *expected;
	bool must_fail;
	json_t *partials;
	struct tpl_options options;
	struct tpl_env env;
};

static const struct value *
to_value(struct arena *a, const json_t *j)
{
	const char *key;
	json_t *item;
	size_t i;
	switch (json_typeof(j)) {
	case JSON_TRUE:
	case JSON_FALSE:
		return value_bool(json_is_true(j));
	case JSON_INTEGER:
		return value_int(a, json_integer_value(j));
	case JSON_REAL:
		return value_real(a, json_real_value(j));
	case JSON_STRING:
		return value_string(a, str_make(json_string_value(j), json_string_length(j)));
	case JSON_ARRAY: {
		struct value *list = value_list(a, json_array_size(j));
		json_array_foreach(j, i, item) list->list.items[i] = to_value(a, item);
		return list;
	}
	case JSON_OBJECT: {
		struct value *map = value_map_new(a);
		json_object_foreach((json_t *)j, key, item)
		    value_map_set(a, map, str_of(key), to_value(a, item));
		return map;
	}
	default:
		return &VALUE_NULL_V;
	}
}

static bool
find_partial(void *ctx, struct str name, struct str *text)
{
	const struct spec_case *c = ctx;
	char key[256];
	snprintf(key, sizeof key, "%.*s", STR_ARG(name));
	const json_t *j = json_object_get(c->partials, key);
	if (!json_is_string(j))
		return false;
	*text = str_make(json_string_value(j), json_string_length(j));
	return true;
}

/* True when the case came out right; else *got says what came. */
static bool
run_case(struct suite *s, struct spec_case *c, struct buf *got)
{
	struct tpl_error te = { 0 };
	buf_reset(got);
	c->options.partial = find_partial;
	c->options.partial_ctx = c;
	const struct tpl *t = tpl_compile(s->arena, str_of(c->source), &c->options, &te);
	if (t && tpl_render_buf(t, &c->env, got, s->scratch, &te) == 0)
		return !c->must_fail && str_eq(buf_str(got), str_of(c->expected));
	buf_reset(got);
	buf_printf(got, "error at %d:%d: %s", te.line, te.column, te.text);
	return c->must_fail;
}

static void
judge(struct suite *s, struct spec_case *c, const char *id)
{
	struct buf got = { 0 };
	const char *waived = json_string_value(json_object_get(s->waived, id));
	bool ok = run_case(s, c, &got);
	s->total++;
	s->passed += ok;
	s->nwaived += waived != NULL;
	if (ok && waived) {
		printf("%s passes but is waived; remove it from the list\n", id);
		s->wrong++;
	} else if (!ok && !waived) {
		printf("%s %s\n  template: %s\n  expected: %s\n  got:      %s\n", id, c->name, c->source,
		       c->must_fail ? "(an error)" : c->expected, buf_str(&got).p);
		s->wrong++;
	}
	buf_free(&got);
	arena_reset(s->arena);
}

static const char *
text_of(const json_t *o, const char *key, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : otherwise;
}

static json_t *
load(const char *dir, const char *file)
{
	char path[4096];
	json_error_t e;
	snprintf(path, sizeof path, "%s/%s", dir, file);
	json_t *j = json_load_file(path, 0, &e);
	if (!j)
		fprintf(stderr, "template-spec: %s: %s; give the folder of the spec\n", path, e.text);
	return j;
}

/* ---- Mustache ---- */

static int
mustache_file(struct suite *s, const char *dir, const char *file)
{
	json_t *all = load(dir, file), *test;
	size_t i;
	if (!all)
		return -1;
	json_array_foreach(json_object_get(all, "tests"), i, test)
	{
		struct spec_case c = { .name = text_of(test, "name", ""),
				       .source = text_of(test, "template", ""),
				       .expected = text_of(test, "expected", ""),
				       .partials = json_object_get(test, "partials"),
				       .options = { .escape = TPL_ESC_HTML, .compat = true } };
		c.env.root = to_value(s->arena, json_object_get(test, "data"));
		judge(s, &c, file);
	}
	json_decref(all);
	return 0;
}

static int
core_files(const struct dirent *d)
{
	size_t n = strlen(d->d_name);
	return d->d_name[0] != '~' && n > 5 && strcmp(d->d_name + n - 5, ".json") == 0;
}

static int
run_mustache(struct suite *s, const char *dir)
{
	struct dirent **files;
	int n = scandir(dir, &files, core_files, alphasort), rc = n > 0 ? 0 : -1;
	for (int i = 0; i < n; i++) {
		if (mustache_file(s, dir, files[i]->d_name) < 0)
			rc = -1;
		free(files[i]);
	}
	if (n >= 0)
		free(files);
	printf("mustache-spec %zu/%zu\n", s->passed, s->total);
	return rc;
}

/* ---- Handlebars ---- */

static void
handlebars_case(struct suite *s, const json_t *test, const char *id)
{
	const json_t *o = json_object_get(test, "compileOptions"),
		     *run = json_object_get(test, "runtimeOptions");
	const json_t *data = json_object_get(test, "data"), *runtime = json_object_get(run, "data");
	struct spec_case c = { .name = text_of(test, "it", ""),
			       .source = text_of(test, "template", ""),
			       .expected = text_of(test, "expected", ""),
			       .must_fail = json_object_get(test, "exception") != NULL,
			       .partials = json_object_get(test, "partials"),
			       .options = { .escape = TPL_ESC_HTML, .handlebars_strict_partials = true } };
	c.options.compat = json_is_true(json_object_get(o, "compat"));
	/* The nearest we have to strict mode: a printed variable must be there. */
	c.env.missing = json_is_true(json_object_get(o, "strict")) ? TPL_MISSING_ERROR : TPL_MISSING_EMPTY;
	c.env.root = data ? to_value(s->arena, data) : &VALUE_NULL_V;
	if (json_is_object(runtime))
		c.env.data = to_value(s->arena, runtime);
	judge(s, &c, id);
}

static json_t *
load_waived(const char *path)
{
	char line[1024], id[128];
	int at;
	FILE *f = fopen(path, "r");
	json_t *all = json_object();
	if (!f) {
		fprintf(stderr, "template-spec: %s: cannot be read; give the list of waived cases\n", path);
		json_decref(all);
		return NULL;
	}
	while (fgets(line, sizeof line, f)) {
		if (strncmp(line, "# ", 2) != 0 && sscanf(line, "%127s %n", id, &at) == 1)
			json_object_set_new(all, id, json_string(line + at));
	}
	fclose(f);
	return all;
}

static int
run_handlebars(struct suite *s, const char *dir, const char *waived)
{
	json_t *ids = load(dir, "data-only-cases.json"), *files = json_object(), *id;
	size_t i;
	s->waived = load_waived(waived);
	int rc = ids && s->waived ? 0 : -1;
	json_array_foreach(ids, i, id)
	{
		char file[128];
		const char *text = json_string_value(id), *hash = text ? strchr(text, '#') : NULL;
		if (rc < 0 || !hash)
			break;
		snprintf(file, sizeof file, "%.*s", (int)(hash - text), text);
		if (!json_object_get(files, file))
			json_object_set_new(files, file, load(dir, file));
		const json_t *test =
		    json_array_get(json_object_get(files, file), strtoul(hash + 1, NULL, 10) - 1);
		if (test)
			handlebars_case(s, test, text);
		else
			rc = -1;
	}
	printf("handlebars-spec %zu/%zu (%zu waived)\n", s->passed, s->total, s->nwaived);
	json_decref(ids);
	json_decref(files);
	json_decref(s->waived);
	return rc;
}

int
main(int argc, char **argv)
{
	struct suite s = { .scratch = tpl_scratch_new(), .arena = arena_new(1 << 16) };
	int rc = -1;
	if (argc == 3 && strcmp(argv[1], "mustache") == 0)
		rc = run_mustache(&s, argv[2]);
	else if (argc == 4 && strcmp(argv[1], "handlebars") == 0)
		rc = run_handlebars(&s, argv[2], argv[3]);
	else
		fprintf(stderr, "usage: template-spec mustache DIR | template-spec handlebars DIR WAIVED\n");
	tpl_scratch_free(&s.scratch);
	arena_free(&s.arena);
	return rc < 0 ? 2 : s.wrong > 0;
}
