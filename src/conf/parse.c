/*
 * parse: statements → libConfuse.
 *
 * Each token goes on a line of its own, so libConfuse's line number names our token. It stops at its first
 * mistake; the statement that holds it is reported in our words, taken out, and it starts again, as often as
 * the budget lets.
 */
#include "conf/conf-private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct conf_parsed {
	cfg_t *root;
};

/* libConfuse's callbacks get no context of ours; set and read under conf.c's lock only. */
static struct {
	struct conf_work *w;
	struct arena *values;
	char message[256];
	int line; /* of the last message; 0: none */
} current;

static void __attribute__((format(printf, 2, 0))) on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	vsnprintf(current.message, sizeof(current.message), fmt, ap);
	current.line = cfg ? cfg->line : 0;
}

static int
on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	(void)opt;
	struct conf_val *v = ARENA_NEW(current.values, struct conf_val);
	v->text = arena_cstr(current.values, str_of(value));
	v->tok = (uint32_t)(cfg->line - 1);
	*(void **)result = v;
	return 0;
}

/* ---- the schema in libConfuse's terms ---- */

static cfg_opt_t *
options_of(struct arena *a, const struct conf_section *section)
{
	const char *parent = section ? section->name : NULL;
	cfg_opt_t *opts = ARENA_ARRAY(a, cfg_opt_t, CONF_NSECTIONS + (section ? section->nkeys : 0) + 2),
		  *o = opts;
	for (size_t i = 0; section && i < section->nkeys; i++) {
		const struct conf_key *k = &section->keys[i];
		cfg_opt_t one = CFG_PTR_CB(k->name, 0, CFGF_NODEFAULT, on_value, NULL);
		cfg_opt_t list = CFG_PTR_LIST_CB(k->name, 0, CFGF_NODEFAULT, on_value, NULL);
		*o++ = k->type >= KEY_LISTS ? list : one;
	}
	if (section && section->free_name) {
		cfg_opt_t *none = ARENA_ARRAY(a, cfg_opt_t, 1);
		cfg_opt_t free_section = CFG_SEC(section->free_name, none, CFGF_KEYSTRVAL | CFGF_NODEFAULT);
		*o++ = free_section;
	}
	for (size_t i = 0; i < CONF_NSECTIONS; i++) {
		const struct conf_section *s = &CONF_SECTIONS[i];
		if (parent ? !s->parent || strcmp(s->parent, parent) != 0 : s->parent != NULL)
			continue;
		cfg_opt_t sec = CFG_SEC(s->name, options_of(a, s),
					CFGF_NODEFAULT | (s->titled ? CFGF_MULTI | CFGF_TITLE : 0));
		*o++ = sec;
	}
	return opts; /* the zeroed rest ends the list: CFG_END is all 0 */
}

/* ---- tokens as text ---- */

static void
emit_string(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < ' ' || c == 0x7f || c == '"' || c == '\\' ||
		    c == '$') /* ${NAME} must stay what it is */
			buf_printf(b, "\\x%02x", c);
		else
			buf_addc(b, (char)c);
	}
	buf_addc(b, '"');
}

/* Returns how many tokens are in it. */
static size_t
emit(const struct conf_work *w, struct buf *b)
{
	size_t n = 0;
	buf_reset(b);
	for (size_t i = 0; i < w->ntoks; i++) {
		const struct tok *t = &w->toks[i];
		if (!t->dropped) {
			n++;
			if (t->kind == TOK_WORD || t->kind == TOK_STRING)
				emit_string(b, t->text);
			else
				buf_adds(b, t->text);
		}
		buf_addc(b, '\n');
	}
	return n;
}

/* ---- what was wrong, in our words ---- */

/* The section where a key or section of this name would be at home; NULL: nowhere. "" is the top level. */
static const char *
home_of(struct str name)
{
	for (size_t i = 0; i < CONF_NSECTIONS; i++) {
		const struct conf_section *s = &CONF_SECTIONS[i];
		if (str_eq(name, str_of(s->name)))
			return s->parent ? s->parent : "";
		if (conf_key_find(s, name) || (s->free_name && str_eq(name, str_of(s->free_name))))
			return s->name;
	}
	return NULL;
}

/* Names that may stand in a section (NULL: top level). */
static size_t
names_of(const struct conf_section *section, const char **out, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; section && i < section->nkeys && n < max; i++)
		out[n++] = section->keys[i].name;
	if (section && section->free_name && n < max)
		out[n++] = section->free_name;
	for (size_t i = 0; i < CONF_NSECTIONS && n < max; i++) {
		const char *parent = CONF_SECTIONS[i].parent;
		if (section ? parent && strcmp(parent, section->name) == 0 : parent == NULL)
			out[n++] = CONF_SECTIONS[i].name;
	}
	return n;
}

static void
explain_unknown(struct conf_work *w, const struct stmt *s, const struct conf_section *section)
{
	const char *names[64], *key = conf_quote(w, s->key),
			       *what = s->kind == STMT_ASSIGN ? "key" : "section";
	struct arena *a = w->scratch;
	const char *in = section ? arena_printf(a, " in section \"%s\"", section->name).p : "";
	const char *near = conf_nearest(s->key, names, names_of(section, names, 64));
	const char *home = home_of(s->key);

	if (home && home[0] == '\0')
		conf_wrong_tok(w, s->first,
			       "section \"%s\" stands within \"%s\"; it belongs at the top level", key,
			       section ? section->name : "");
	else if (home)
		conf_wrong_tok(w, s->first, "unknown %s \"%s\"%s; it belongs in section \"%s\"", what, key,
			       in, home);
	else if (near)
		conf_wrong_tok(w, s->first, "unknown %s \"%s\"%s; did you mean \"%s\"?", what, key, in, near);
	else
		conf_wrong_tok(w, s->first,
			       "unknown %s \"%s\"%s; take it out (mailtailor.conf(5) has all of them)", what,
			       key, in);
}

static void
explain_section(struct conf_work *w, const struct stmt *s, const struct conf_section *known)
{
	const char *key = conf_quote(w, s->key);
	if (s->kind == STMT_ASSIGN)
		conf_wrong_tok(w, s->first, "\"%s\" is a section; write %s%s { … }", key, key,
			       known && known->titled ? " NAME" : "");
	else if (known && known->titled)
		conf_wrong_tok(w, s->first, "section \"%s\" lacks its name; write %s NAME {", key, key);
	else
		conf_wrong_tok(w, s->first, "section \"%s\" has no name; write %s {", key, key);
}

static void
explain_key(struct conf_work *w, const struct stmt *s)
{
	const char *key = conf_quote(w, s->key);
	if (s->kind == STMT_SECTION)
		conf_wrong_tok(w, s->first, "\"%s\" is a setting; write %s = …", key, key);
	else if (s->append)
		conf_wrong_tok(w, s->first, "\"%s\" takes one value; write = instead of +=", key);
	else
		conf_wrong_tok(w, s->first, "\"%s\" takes one value, not a list; write %s = … without { }",
			       key, key);
}

static void
explain(struct conf_work *w, uint32_t stmt)
{
	const struct stmt *s = &w->stmts[stmt],
			  *parent = s->parent == STMT_NONE ? NULL : &w->stmts[s->parent];
	const struct conf_section *section = parent ? conf_section_find(parent->key) : NULL;
	const char *key = conf_quote(w, s->key);

	if (parent && !section) { /* options, defaults */
		conf_wrong_tok(w, s->first, "\"%s\" is no plain value; in section \"%s\" write %s = \"text\"",
			       key, conf_quote(w, parent->key), key);
		return;
	}
	const struct conf_section *known = conf_section_find(s->key);
	if (known && known->parent != NULL && (!section || strcmp(known->parent, section->name) != 0))
		known = NULL;
	if (known && known->parent == NULL && section)
		known = NULL;
	bool is_free = section && section->free_name && str_eq(s->key, str_of(section->free_name));

	if (section && conf_key_find(section, s->key))
		explain_key(w, s);
	else if (known || is_free)
		explain_section(w, s, known);
	else
		explain_unknown(w, s, section);
}

/* ---- rounds ---- */

static int
parse_once(cfg_t *root, const struct buf *text)
{
	current.line = 0;
	current.message[0] = '\0';
	FILE *f = fmemopen(text->p, text->n, "r");
	if (!f)
		return CFG_FILE_ERROR;
	int rc = cfg_parse_fp(root, f);
	fclose(f);
	return rc;
}

static cfg_t *
root_new(struct conf_work *w)
{
	cfg_t *root = cfg_init(options_of(w->scratch, NULL), CFGF_NONE);
	if (root)
		cfg_set_error_function(root, on_error);
	return root;
}

/* Reports what libConfuse stopped at and drops its statement. False: do not try again. */
static bool
recover(struct conf_work *w)
{
	size_t tok = (size_t)current.line - 1;
	if (current.line < 1 || tok >= w->ntoks || w->toks[tok].stmt == STMT_NONE || w->toks[tok].dropped) {
		conf_wrong(w, 0, 0, "cannot be read (%s); mend the other mistakes first", current.message);
		return false;
	}
	explain(w, w->toks[tok].stmt);
	conf_stmt_drop(w, w->toks[tok].stmt);
	return true;
}

struct conf_parsed *
conf_parse(struct conf_work *w)
{
	struct conf_parsed *p = ARENA_NEW(w->scratch, struct conf_parsed);
	struct buf text = { 0 };
	size_t spent = 0;
	current.w = w;
	current.values = w->scratch;
	for (;;) {
		spent += emit(w, &text) + 1;
		p->root = root_new(w);
		if (!p->root || text.n == 0 || parse_once(p->root, &text) == CFG_SUCCESS)
			break;
		bool again = recover(w) && w->nmistakes <= CONF_MAX_MISTAKES;
		cfg_free(p->root);
		p->root = NULL;
		if (again && spent > CONF_MAX_PARSE) {
			conf_wrong(w, 0, 0,
				   "has more mistakes than are looked for at once; mend these first");
			again = false;
		}
		if (!again)
			break;
	}
	buf_free(&text);
	current.w = NULL;
	current.values = NULL;
	return p;
}

cfg_t *
conf_parsed_root(const struct conf_parsed *p)
{
	return p->root;
}

void
conf_parse_free(struct conf_parsed **p)
{
	if (*p && (*p)->root)
		cfg_free((*p)->root);
	*p = NULL;
}
