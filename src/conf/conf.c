/*
 * conf: loading as a whole, the list of mistakes, and what the other libraries ask a configuration.
 */
#include "conf/conf-private.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* libConfuse's scanner is global state of the process. */
static pthread_mutex_t parse_lock = PTHREAD_MUTEX_INITIALIZER;

void *
conf_grow(void *array_pp, size_t *n, size_t *cap, size_t size)
{
	void **array = array_pp;
	if (*n == *cap) {
		*cap = *cap ? *cap * 2 : 64;
		*array = reallocarray(*array, *cap, size);
		if (!*array)
			abort(); /* as arenas do */
	}
	void *e = (char *)*array + (*n)++ * size;
	memset(e, 0, size);
	return e;
}

/* ---- mistakes ---- */

static void __attribute__((format(printf, 4, 0)))
mistake_add(struct conf_work *w, uint32_t file, int line, const char *fmt, va_list ap)
{
	if (w->nmistakes > CONF_MAX_MISTAKES)
		return;
	struct conf_mistake *m = conf_grow(&w->mistakes, &w->nmistakes, &w->mistakes_cap, sizeof(*m));
	m->file = file;
	m->line = line;
	m->order = (uint32_t)w->nmistakes;
	struct buf b = { 0 };
	if (line > 0)
		buf_printf(&b, "%s:%d: ", w->files[file].name, line);
	else
		buf_printf(&b, "%s: ", w->files[file].name);
	buf_vprintf(&b, fmt, ap);
	m->text = arena_cstr(w->scratch, buf_str(&b));
	buf_free(&b);
}

void
conf_wrong(struct conf_work *w, uint32_t file, int line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	mistake_add(w, file, line, fmt, ap);
	va_end(ap);
}

void
conf_wrong_tok(struct conf_work *w, uint32_t tok, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	mistake_add(w, w->toks[tok].file, w->toks[tok].line, fmt, ap);
	va_end(ap);
}

const char *
conf_where(struct conf_work *w, uint32_t tok)
{
	return arena_printf(w->scratch, "%s:%d", w->files[w->toks[tok].file].name, w->toks[tok].line).p;
}

const char *
conf_quote(struct conf_work *w, struct str s)
{
	struct str cut = str_sub(s, 0, 60);
	while (cut.n > 0 && cut.n < s.n && ((unsigned char)s.p[cut.n] & 0xc0) == 0x80)
		cut.n--; /* not within a UTF-8 sequence */
	char *p = arena_cstr(w->scratch, cut);
	str_tame(p, cut.n);
	return cut.n < s.n ? arena_printf(w->scratch, "%s…", p).p : p;
}

static int
mistake_order(const void *pa, const void *pb)
{
	const struct conf_mistake *a = pa, *b = pb;
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return (a->order > b->order) - (a->order < b->order);
}

static void
mistakes_report(struct conf_work *w, conf_report_fn *report, void *ctx)
{
	bool more = w->nmistakes > CONF_MAX_MISTAKES;
	if (more)
		w->nmistakes = CONF_MAX_MISTAKES;
	if (w->nmistakes > 1)
		qsort(w->mistakes, w->nmistakes, sizeof(*w->mistakes), mistake_order);
	for (size_t i = 0; report && i < w->nmistakes; i++)
		report(ctx, w->mistakes[i].text);
	if (report && more)
		report(ctx, arena_printf(w->scratch, "%s: there are more mistakes; mend these first",
					 w->files[0].name)
				.p);
}

/* ---- loading ---- */

static void
work_open(struct conf_work *w, const char *default_plugin_dir)
{
	memset(w, 0, sizeof(*w));
	w->arena = arena_new(16 * 1024);
	w->scratch = arena_new(64 * 1024);
	w->conf = ARENA_NEW(w->arena, struct conf);
	w->conf->arena = w->arena;
	w->conf->plugin_directory =
	    arena_cstr(w->arena, str_of(default_plugin_dir ? default_plugin_dir : ""));
	w->conf->default_plugin_directory = w->conf->plugin_directory;
}

/* Statements are there: the rest of the way. The configuration, or NULL and everything reported. */
static struct conf *
work_finish(struct conf_work *w, bool readable, conf_report_fn *report, void *ctx)
{
	if (readable) {
		conf_duplicates(w);
		pthread_mutex_lock(&parse_lock);
		struct conf_parsed *p = conf_parse(w);
		conf_fill(w, conf_parsed_root(p));
		conf_parse_free(&p);
		pthread_mutex_unlock(&parse_lock);
	}
	struct conf *c = w->conf;
	c->file = w->files[0].name;
	if (w->nmistakes > 0) {
		mistakes_report(w, report, ctx);
		conf_free(&c);
	}
	free(w->files);
	free(w->toks);
	free(w->stmts);
	free(w->mistakes);
	free(w->refs);
	arena_free(&w->scratch);
	return c;
}

struct conf *
conf_load(const char *file, const char *default_plugin_dir, conf_report_fn *report, void *ctx)
{
	struct conf_work w;
	work_open(&w, default_plugin_dir);
	bool readable = conf_read_first(&w, file) == 0;
	return work_finish(&w, readable, report, ctx);
}

struct conf *
conf_load_text(const char *name, struct str text, const char *default_plugin_dir, conf_report_fn *report,
	       void *ctx)
{
	struct conf_work w;
	work_open(&w, default_plugin_dir);
	w.no_files = true;
	struct conf_file *f = conf_grow(&w.files, &w.nfiles, &w.files_cap, sizeof(*f));
	f->name = arena_cstr(w.arena, str_of(name));
	bool fits = text.n <= CONF_MAX_FILE;
	if (fits)
		conf_statements(&w, 0, arena_str(w.scratch, text), 0);
	else
		conf_wrong(&w, 0, 0, "is larger than 4 MB; make it smaller");
	return work_finish(&w, fits, report, ctx);
}

void
conf_free(struct conf **c)
{
	if (!*c)
		return;
	struct arena *a = (*c)->arena;
	arena_free(&a); /* the struct itself lives there */
	*c = NULL;
}

/* ---- questions ---- */

const struct conf_campaign *
conf_campaign_find(const struct conf *c, struct str name)
{
	for (size_t i = 0; i < c->ncampaigns; i++)
		if (str_eq(str_of(c->campaigns[i].name), name))
			return &c->campaigns[i];
	return NULL;
}

const struct conf_features *
conf_features_find(const struct conf *c, struct str name)
{
	for (size_t i = 0; i < c->nfeatures; i++)
		if (str_eq(str_of(c->features[i].name), name))
			return &c->features[i];
	return NULL;
}

static bool
net_holds(const struct conf_net *n, const uint8_t addr[16])
{
	int bytes = n->bits / 8, rest = n->bits % 8;
	if (memcmp(n->addr, addr, (size_t)bytes) != 0)
		return false;
	return rest == 0 || ((n->addr[bytes] ^ addr[bytes]) >> (8 - rest)) == 0;
}

bool
conf_nets_hold(const struct conf_net *nets, size_t n, const uint8_t addr[16])
{
	for (size_t i = 0; i < n; i++)
		if (net_holds(&nets[i], addr))
			return true;
	return false;
}

bool
conf_trusts(const struct conf *c, const uint8_t addr[16])
{
	return conf_nets_hold(c->milter.trusted, c->milter.ntrusted, addr);
}

const char *
conf_track_host(const struct conf *c, const struct conf_campaign *campaign, struct str from_domain)
{
	if (campaign && campaign->track_host)
		return campaign->track_host;
	for (size_t i = 0; i < c->track.ndomains; i++)
		if (str_caseeq(str_of(c->track.domains[i].domain), from_domain))
			return c->track.domains[i].host;
	return c->track.host;
}

bool
conf_splits(const struct conf *c, const struct conf_campaign *campaign)
{
	return campaign->recipients == CONF_RECIPIENTS_SPLIT && c->inject.target != NULL;
}

bool
conf_cap_covers(const struct conf_cap *cap, const char *category)
{
	if (strcmp(category, "transactional") == 0)
		return false;
	for (size_t i = 0; i < cap->categories.n; i++)
		if (strcmp(cap->categories.v[i], category) == 0)
			return true;
	return cap->categories.n == 0;
}
