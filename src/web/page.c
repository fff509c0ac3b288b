/* page: see page.h. */
#include "web/page.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "template/template.h"
#include "web/language.h"

#define MAX_FILE ((size_t)256 << 10)
#define MAX_LANGUAGES 64

static const char *const NAMES[PAGES] = {
	[PAGE_UNSUBSCRIBE] = "unsubscribe",
	[PAGE_UNSUBSCRIBED] = "unsubscribed",
	[PAGE_PREFERENCES] = "preferences",
	[PAGE_SAVED] = "saved",
	[PAGE_WRONG_ADDRESS] = "wrong-address",
	[PAGE_TRIES] = "tries",
	[PAGE_ERASED] = "erased",
	[PAGE_GONE] = "gone",
	[PAGE_NOT_FOUND] = "not-found",
	[PAGE_BAD_REQUEST] = "bad-request",
	[PAGE_UNAVAILABLE] = "unavailable",
};

struct pages {
	struct arena *arena;
	struct str sources[PAGES];
	struct tpl *compiled[PAGES];
	struct str tags[MAX_LANGUAGES];
	const struct value *texts[MAX_LANGUAGES]; /* {"lang": TAG, "text": {…}} */
	size_t nlanguages, english;
};

static int
read_file(struct arena *a, const char *path, struct str *out, struct err *e)
{
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return err_set(e, errno == ENOENT ? ERR_MISSING : ERR_IO,
			       "%s: %s; pages in section track names the directory of the page templates",
			       path, strerror(errno));
	char *bytes = arena_alloc(a, MAX_FILE + 1);
	size_t n = fread(bytes, 1, MAX_FILE + 1, f);
	bool failed = ferror(f);
	fclose(f);
	if (failed)
		return err_set(e, ERR_IO, "%s: cannot be read", path);
	if (n > MAX_FILE)
		return err_set(e, ERR_LIMIT, "%s: larger than %zu bytes", path, MAX_FILE);
	*out = (struct str){ bytes, n };
	return 0;
}

/* ---- texts ---- */

static const struct value *
merged(struct arena *a, const struct value *own, const struct value *english)
{
	struct value *m = value_map_new(a);
	struct str key;
	const struct value *v;
	for (size_t i = 0; english != NULL && i < value_map_count(english); i++) {
		value_map_entry(english, i, &key, &v);
		value_map_set(a, m, key, v);
	}
	for (size_t i = 0; i < value_map_count(own); i++) {
		value_map_entry(own, i, &key, &v);
		value_map_set(a, m, key, v);
	}
	return m;
}

static int
load_text(struct pages *p, const char *directory, const char *file, const struct value **out, struct err *e)
{
	char path[4096];
	struct str bytes;
	snprintf(path, sizeof(path), "%s/text/%s", directory, file);
	if (read_file(p->arena, path, &bytes, e) != 0)
		return -1;
	if (json_parse(p->arena, bytes, NULL, out, e) != 0)
		return err_prefix(e, "%s", path);
	if ((*out)->type != VALUE_MAP)
		return err_set(e, ERR_CONFIG, "%s: not a JSON object of texts", path);
	return 0;
}

static void
add_language(struct pages *p, struct str tag, const struct value *texts, const struct value *english)
{
	struct value *m = value_map_new(p->arena);
	value_map_set(p->arena, m, STR("lang"), value_string(p->arena, tag));
	value_map_set(p->arena, m, STR("text"), merged(p->arena, texts, english));
	p->tags[p->nlanguages] = tag;
	p->texts[p->nlanguages++] = m;
}

static int
is_text(const struct dirent *d)
{
	struct str s = str_of(d->d_name);
	return s.n > 5 && s.p[0] != '.' && str_ends(s, STR(".json"));
}

static int
load_texts(struct pages *p, const char *directory, struct err *e)
{
	char path[4096];
	struct dirent **list = NULL;
	const struct value *english;
	snprintf(path, sizeof(path), "%s/text", directory);
	int n = scandir(path, &list, is_text, alphasort), rc = 0;
	if (n < 0)
		return err_set(e, ERR_MISSING, "%s: %s", path, strerror(errno));
	rc = load_text(p, directory, "en.json", &english, e);
	for (int i = 0; i < n; i++) {
		const struct value *texts;
		struct str name = str_of(list[i]->d_name);
		if (rc == 0 && p->nlanguages < MAX_LANGUAGES &&
		    (rc = load_text(p, directory, list[i]->d_name, &texts, e)) == 0) {
			struct str tag = arena_str(p->arena, str_sub(name, 0, name.n - 5));
			if (str_eq(tag, STR("en")))
				p->english = p->nlanguages;
			add_language(p, tag, texts, english);
		}
		free(list[i]);
	}
	free(list);
	return rc;
}

/* ---- templates ---- */

static bool
body_partial(void *ctx, struct str name, struct str *text)
{
	const struct str *source = ctx;
	*text = *source;
	return str_eq(name, STR("body"));
}

static int
load_page(struct pages *p, const char *directory, struct str layout, enum page page, struct err *e)
{
	char path[4096];
	struct tpl_error te;
	snprintf(path, sizeof(path), "%s/%s.html", directory, NAMES[page]);
	if (read_file(p->arena, path, &p->sources[page], e) != 0)
		return -1;
	const struct tpl_options o = {
		.escape = TPL_ESC_HTML,
		.partial = body_partial,
		.partial_ctx = &p->sources[page],
		.compat = true,
	};
	p->compiled[page] = tpl_compile(p->arena, layout, &o, &te);
	if (p->compiled[page] == NULL)
		return err_set(e, ERR_CONFIG, "%s: line %d, column %d: %s", path, te.line, te.column,
			       te.text);
	return 0;
}

struct pages *
pages_load(const char *directory, struct err *e)
{
	struct arena *a = arena_new(65536);
	struct pages *p = ARENA_NEW(a, struct pages);
	char path[4096];
	struct str layout;
	p->arena = a;
	snprintf(path, sizeof(path), "%s/layout.html", directory);
	int rc = read_file(a, path, &layout, e);
	for (int i = 0; rc == 0 && i < PAGES; i++)
		rc = load_page(p, directory, layout, (enum page)i, e);
	if (rc == 0)
		rc = load_texts(p, directory, e);
	if (rc != 0)
		pages_free(&p);
	return p;
}

void
pages_free(struct pages **pp)
{
	struct pages *p = *pp;
	if (p == NULL)
		return;
	*pp = NULL;
	struct arena *a = p->arena; /* the struct itself lives there */
	arena_free(&a);
}

size_t
pages_language(const struct pages *p, struct str accept_language)
{
	return language_choose(accept_language, p->tags, p->nlanguages, p->english);
}

const char *
pages_language_tag(const struct pages *p, size_t language)
{
	return p->tags[language].p;
}

int
pages_render(const struct pages *p, enum page page, size_t language, const struct value *values,
	     struct buf *out, struct err *e)
{
	const struct value *layers[] = { p->texts[language], values };
	const struct tpl_env env = {
		.layers = layers,
		.nlayers = values != NULL ? 2 : 1,
		.language = pages_language_tag(p, language),
	};
	struct tpl_error te = { 0 };
	struct tpl_scratch *scratch = tpl_scratch_new();
	int rc = tpl_render_buf(p->compiled[page], &env, out, scratch, &te);
	tpl_scratch_free(&scratch);
	return rc == 0 ? 0
		       : err_set(e, ERR_CONFIG, "page %s: line %d, column %d: %s", NAMES[page], te.line,
				 te.column, te.text);
}
