/*
 * stmt: tokens of one file → statements.
 *
 *     KEY = VALUE      KEY = { VALUE, VALUE }      KEY += …
 *     NAME { … }       NAME TITLE { … }            include "PATTERN"
 *
 * What does not read like one of these is reported and left out, and reading goes on, so that one slip does
 * not hide the others. A section that is never closed is noticed where the next top-level section begins, or
 * at the end.
 */
#include "conf/conf-private.h"

#include <stdlib.h>
#include <string.h>

struct group {
	struct conf_work *w;
	uint32_t file;
	int depth; /* of includes */
	struct tok_list in;
	size_t at;
	uint32_t section; /* the innermost open one */
	bool healed;	  /* a missing } was made up for: do not complain of one too many */
};

static const struct tok *
peek(const struct group *g, size_t ahead)
{
	static const struct tok END = { .kind = TOK_OTHER };
	return g->at + ahead < g->in.n ? &g->in.v[g->at + ahead] : &END;
}

static bool
is_text(const struct tok *t)
{
	return t->kind == TOK_WORD || t->kind == TOK_STRING;
}

/* Moves one token into the work's list, as part of stmt. */
static uint32_t
take(struct group *g, const struct tok *t, uint32_t stmt)
{
	struct conf_work *w = g->w;
	struct tok *to = conf_grow(&w->toks, &w->ntoks, &w->toks_cap, sizeof(*to));
	*to = *t;
	to->stmt = stmt;
	return (uint32_t)(w->ntoks - 1);
}

/* A new statement in the open section. STMT_NONE when there are too many (reported once). */
static uint32_t
stmt_new(struct group *g, enum stmt_kind kind, struct str key)
{
	struct conf_work *w = g->w;
	bool top = g->section == STMT_NONE;
	size_t n = top ? ++w->ntop : ++w->stmts[g->section].nchildren,
	       max = top ? CONF_MAX_SECTIONS : CONF_MAX_CHILDREN;
	if (n > max) {
		if (n == max + 1)
			conf_wrong(w, g->file, peek(g, 0)->line,
				   "too many settings or sections in one place; at most %zu", max);
		return STMT_NONE;
	}
	struct stmt *s = conf_grow(&w->stmts, &w->nstmts, &w->stmts_cap, sizeof(*s));
	s->kind = kind;
	s->key = key;
	s->parent = g->section;
	s->first = s->last = (uint32_t)w->ntoks;
	return (uint32_t)(w->nstmts - 1);
}

static void
close_section(struct group *g, const struct tok *close)
{
	struct stmt *s = &g->w->stmts[g->section];
	s->last = take(g, close, g->section);
	g->section = s->parent;
}

/* "section "campaign spring"" for messages. */
static const char *
section_text(struct group *g, uint32_t stmt)
{
	const struct stmt *s = &g->w->stmts[stmt];
	struct arena *a = g->w->scratch;
	const char *key = conf_quote(g->w, s->key);
	return s->title.p ? arena_printf(a, "%s %s", key, conf_quote(g->w, s->title)).p : key;
}

/* Closes all open sections, and says where they were opened. next: what shows that the brace is missing, or
 * NULL. */
static void
close_missing(struct group *g, const struct tok *next)
{
	while (g->section != STMT_NONE) {
		const struct tok *open = &g->w->toks[g->w->stmts[g->section].first];
		if (next)
			conf_wrong(g->w, g->file, open->line,
				   "section \"%s\" opened here is not closed before line %d; "
				   "add the missing }",
				   section_text(g, g->section), next->line);
		else
			conf_wrong(g->w, g->file, open->line,
				   "section \"%s\" opened here is never closed; "
				   "add the missing }",
				   section_text(g, g->section));
		struct tok close = *open;
		close.kind = TOK_CLOSE;
		close.text = STR("}");
		close_section(g, &close);
		g->healed = true;
	}
}

/* Skips what is left of the line that the token at hand stands on, but no brace. */
static void
skip_line(struct group *g)
{
	int line = peek(g, 0)->line;
	do
		g->at++;
	while (g->at < g->in.n && peek(g, 0)->line == line && peek(g, 0)->kind != TOK_CLOSE &&
	       peek(g, 0)->kind != TOK_OPEN);
}

/* What a misread { … } holds is skipped as a whole. The token at hand is the {. */
static void
skip_braces(struct group *g)
{
	int depth = 0;
	for (; g->at < g->in.n; g->at++) {
		enum tok_kind kind = peek(g, 0)->kind;
		if (kind == TOK_OPEN)
			depth++;
		if (kind == TOK_CLOSE && --depth == 0) {
			g->at++;
			return;
		}
	}
}

static void
broken(struct group *g, const char *what)
{
	const struct tok *t = peek(g, 0);
	conf_wrong(g->w, t->file, t->line, "%s", what);
	if (t->kind != TOK_OPEN)
		skip_line(g);
	if (peek(g, 0)->kind == TOK_OPEN)
		skip_braces(g);
}

/* The list behind KEY =; the token at hand is the {. Returns how many tokens it has, 0 when it is no list
 * (reported). */
static size_t
list_length(struct group *g, size_t from, const struct tok *key)
{
	size_t n = 1, entries = 0;
	bool want_entry = true;
	const struct tok *t;
	for (;; n++) {
		if (g->at + from + n >= g->in.n) {
			conf_wrong(g->w, g->file, key->line,
				   "the list \"%s\" opened here is never closed; "
				   "add the missing }",
				   conf_quote(g->w, key->text));
			return 0;
		}
		t = peek(g, from + n);
		if (t->kind == TOK_CLOSE) /* also behind a comma, as libConfuse has it */
			return n + 1;
		if (want_entry ? !is_text(t) : t->kind != TOK_COMMA)
			break;
		entries += want_entry;
		if (entries > CONF_MAX_LIST) {
			conf_wrong(g->w, g->file, t->line,
				   "the list \"%s\" has more than %d entries; make it shorter",
				   conf_quote(g->w, key->text), CONF_MAX_LIST);
			return 0;
		}
		want_entry = !want_entry;
	}
	conf_wrong(g->w, g->file, t->line,
		   "\"%s\" is out of place in the list \"%s\" (line %d); "
		   "write { a, b } with a comma between the entries and a } behind the last",
		   conf_quote(g->w, t->text), conf_quote(g->w, key->text), key->line);
	return 0;
}

/* Skips a list that could not be read: to its } when there is one before the next setting, else its line. */
static void
skip_list(struct group *g, size_t from)
{
	size_t n = from + 1;
	while (g->at + n < g->in.n && (is_text(peek(g, n)) || peek(g, n)->kind == TOK_COMMA) &&
	       peek(g, n + 1)->kind != TOK_ASSIGN && peek(g, n + 1)->kind != TOK_APPEND)
		n++;
	if (g->at + n < g->in.n && peek(g, n)->kind == TOK_CLOSE)
		n++;
	g->at += n;
}

/* True when the token reads like the beginning of a setting or section. */
static bool
begins_stmt(const struct group *g, size_t i)
{
	enum tok_kind next = peek(g, i + 1)->kind;
	if (peek(g, i)->kind != TOK_WORD)
		return false;
	return next == TOK_ASSIGN || next == TOK_APPEND || next == TOK_OPEN ||
	       (is_text(peek(g, i + 1)) && peek(g, i + 2)->kind == TOK_OPEN);
}

/* KEY = …; the token at hand is the key, a = or += follows. */
static void
read_assign(struct group *g)
{
	const struct tok *key = peek(g, 0), *v = peek(g, 2);
	size_t n = 3;
	if ((!is_text(v) && v->kind != TOK_OPEN) || (v->line != key->line && begins_stmt(g, 2))) {
		conf_wrong(g->w, g->file, key->line,
			   "\"%s\" has no value; write one behind the =", conf_quote(g->w, key->text));
		g->at += 2;
		return;
	}
	if (v->kind == TOK_OPEN) {
		n = list_length(g, 2, key);
		if (n == 0) {
			skip_list(g, 2);
			return;
		}
		n += 2;
	}
	uint32_t stmt = stmt_new(g, STMT_ASSIGN, key->text);
	if (stmt != STMT_NONE) {
		g->w->stmts[stmt].append = peek(g, 1)->kind == TOK_APPEND;
		for (size_t i = 0; i < n; i++)
			g->w->stmts[stmt].last = take(g, peek(g, i), stmt);
	}
	g->at += n;
}

/* NAME { or NAME TITLE {; n tokens with the brace. */
static void
read_section(struct group *g, size_t n)
{
	const struct tok *key = peek(g, 0);
	const struct conf_section *known = conf_section_find(key->text);
	if (g->section != STMT_NONE && known && !known->parent)
		close_missing(g, key);
	int depth = 0;
	for (uint32_t s = g->section; s != STMT_NONE; s = g->w->stmts[s].parent)
		depth++;
	if (depth >= 4) {
		conf_wrong(g->w, g->file, key->line, "sections are nested too deep here; take \"%s\" out",
			   conf_quote(g->w, key->text));
		g->at += n - 1;
		skip_braces(g);
		return;
	}
	uint32_t stmt = stmt_new(g, STMT_SECTION, key->text);
	if (stmt == STMT_NONE) {
		g->at += n - 1;
		skip_braces(g);
		return;
	}
	if (n == 3)
		g->w->stmts[stmt].title = peek(g, 1)->text;
	for (size_t i = 0; i < n; i++)
		take(g, peek(g, i), stmt);
	g->section = stmt;
	g->at += n;
}

/* include "x", include("x"); the token at hand is the word. */
static void
read_include(struct group *g)
{
	const struct tok *word = peek(g, 0);
	bool paren = peek(g, 1)->kind == TOK_OTHER && str_eq(peek(g, 1)->text, STR("("));
	const struct tok *pattern = peek(g, paren ? 2 : 1);
	if (!is_text(pattern) || pattern->line != word->line ||
	    (paren && (peek(g, 3)->kind != TOK_OTHER || !str_eq(peek(g, 3)->text, STR(")"))))) {
		broken(g, "include names no file; write include \"campaigns.d/*.conf\"");
		return;
	}
	g->at += paren ? 4 : 2;
	if (g->section != STMT_NONE) {
		conf_wrong(g->w, g->file, word->line,
			   "include stands within section \"%s\"; "
			   "move it outside, whole sections are included",
			   section_text(g, g->section));
		return;
	}
	conf_include(g->w, g->file, word->line, pattern->text, g->depth);
}

static bool
key_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalpha(s.p[i]) && !ascii_isdigit(s.p[i]) && !strchr("_.-", s.p[i]))
			return false;
	return s.n > 0 && s.n <= 64;
}

static void
read_stmt(struct group *g)
{
	const struct tok *t = peek(g, 0), *next = peek(g, 1);
	const char *text = conf_quote(g->w, t->text);
	struct arena *a = g->w->scratch;

	if (t->kind == TOK_STRING) {
		broken(g, arena_printf(
			      a,
			      "\"%s\" stands where a setting should begin; a setting's name has no quotes, "
			      "and list entries stand in { }",
			      text)
			      .p);
	} else if (t->kind != TOK_WORD || !key_ok(t->text)) {
		broken(g, arena_printf(
			      a,
			      "\"%s\" is out of place; settings read KEY = VALUE, and a value with spaces "
			      "or signs in it stands in quotes",
			      text)
			      .p);
	} else if (next->kind == TOK_ASSIGN || next->kind == TOK_APPEND) {
		read_assign(g);
	} else if (next->kind == TOK_OPEN) {
		read_section(g, 2);
	} else if (is_text(next) && peek(g, 2)->kind == TOK_OPEN && next->line == t->line) {
		read_section(g, 3);
	} else if (str_eq(t->text, STR("include"))) {
		read_include(g);
	} else if (g->at > 0 && is_text(t - 1) && (t - 1)->line == t->line) {
		broken(g, arena_printf(
			      a, "\"%s\" stands behind a value; put a value of several words in quotes", text)
			      .p);
	} else {
		broken(g, arena_printf(a, "\"%s\" lacks an = and a value; write %s = …", text, text).p);
	}
}

void
conf_statements(struct conf_work *w, uint32_t file, struct str text, int depth)
{
	struct group g = { .w = w, .file = file, .depth = depth, .section = STMT_NONE };
	conf_scan(w, file, text, &g.in);
	while (g.at < g.in.n) {
		const struct tok *t = peek(&g, 0);
		if (t->kind != TOK_CLOSE) {
			read_stmt(&g);
			continue;
		}
		if (g.section != STMT_NONE)
			close_section(&g, t);
		else if (!g.healed)
			conf_wrong(w, file, t->line,
				   "this } closes nothing; take it out, or add the { it belongs to");
		g.at++;
	}
	close_missing(&g, NULL);
	free(g.in.v);
}

/* ---- over all statements ---- */

void
conf_stmt_drop(struct conf_work *w, uint32_t stmt)
{
	for (uint32_t i = w->stmts[stmt].first; i <= w->stmts[stmt].last; i++)
		w->toks[i].dropped = true;
}

uint32_t
conf_stmt_find(const struct conf_work *w, uint32_t section, const char *key)
{
	for (uint32_t i = section + 1; i < w->nstmts && w->stmts[i].first <= w->stmts[section].last; i++)
		if (w->stmts[i].parent == section && str_eq(w->stmts[i].key, str_of(key)))
			return i;
	return STMT_NONE;
}

static int
str_order(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int
stmt_order(const void *pa, const void *pb)
{
	const struct stmt *a = *(const struct stmt *const *)pa, *b = *(const struct stmt *const *)pb;
	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	int c = str_order(a->key, b->key);
	c = c ? c : str_order(a->title, b->title);
	return c ? c : (a->first > b->first) - (a->first < b->first);
}

static bool
same_name(const struct stmt *a, const struct stmt *b)
{
	return a->parent == b->parent && a->kind == b->kind && str_eq(a->key, b->key) &&
	       str_eq(a->title, b->title);
}

void
conf_duplicates(struct conf_work *w)
{
	const struct stmt **v = arena_zalloc_array(w->scratch, sizeof(*v), w->nstmts);
	for (size_t i = 0; i < w->nstmts; i++)
		v[i] = &w->stmts[i];
	if (w->nstmts > 1)
		qsort(v, w->nstmts, sizeof(*v), stmt_order);
	for (size_t i = 1, first = 0; i < w->nstmts; i++) {
		if (!same_name(v[i], v[first])) {
			first = i;
			continue;
		}
		const char *key = conf_quote(w, v[i]->key), *where = conf_where(w, v[first]->first);
		if (v[i]->append)
			continue;
		if (v[i]->kind == STMT_ASSIGN)
			conf_wrong_tok(
			    w, v[i]->first, "\"%s\" is set twice (first at %s); keep one%s", key, where,
			    w->toks[v[i]->first + 2].kind == TOK_OPEN ? ", or add to the list with +=" : "");
		else if (v[i]->title.p)
			conf_wrong_tok(w, v[i]->first,
				       "%s \"%s\" is there twice (first at %s); rename one or take it out",
				       key, conf_quote(w, v[i]->title), where);
		else
			conf_wrong_tok(w, v[i]->first,
				       "section \"%s\" is there twice (first at %s); put both together", key,
				       where);
		conf_stmt_drop(w, (uint32_t)(v[i] - w->stmts));
	}
}
