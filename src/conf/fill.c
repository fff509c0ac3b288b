/*
 * fill: libConfuse's values → struct conf, section by section along the schema; then what holds between
 * sections.
 */
#include "conf/conf-private.h"

#include <string.h>

#include "base/clock.h"

/* libConfuse's line of a section is that of its closing brace. */
uint32_t
conf_section_stmt(const struct conf_work *w, const cfg_t *sec)
{
	size_t tok = (size_t)sec->line - 1;
	return sec->line >= 1 && tok < w->ntoks ? w->toks[tok].stmt : STMT_NONE;
}

uint32_t
conf_section_tok(const struct conf_work *w, const cfg_t *sec)
{
	uint32_t stmt = conf_section_stmt(w, sec);
	return stmt == STMT_NONE ? 0 : w->stmts[stmt].first;
}

/* ---- values ---- */

static size_t
count_words(const char *s)
{
	size_t n = s && *s ? 1 : 0;
	for (; s && *s; s++)
		n += *s == ' ';
	return n;
}

static void
list_room(struct conf_work *w, const struct conf_key *k, void *slot, size_t n)
{
	size_t size = k->type == KEY_NETS      ? sizeof(struct conf_net)
		      : k->type == KEY_WINDOWS ? sizeof(struct conf_window)
					       : sizeof(char *);
	*(void **)slot = arena_zalloc_array(w->arena, size, n);
	*(size_t *)((char *)slot + sizeof(void *)) = 0;
}

const char *
conf_state_file(struct arena *a, const struct conf *c, const struct conf_key *k)
{
	return arena_printf(a, "%s/%s", c->state.directory, k->deflt).p;
}

/* Defaults are written in the schema as in the file, so they go the same way. */
static void
fill_default(struct conf_work *w, const struct conf_key *k, void *slot)
{
	const char *why;
	struct str rest = str_of(k->deflt), word;
	if (!k->deflt)
		return;
	if (k->in_state) {
		*(const char **)slot = conf_state_file(w->arena, w->conf, k);
		return;
	}
	if (k->type < KEY_LISTS) {
		conf_value(w, k, k->deflt, slot, &why);
		return;
	}
	while (str_split(&rest, ' ', &word))
		conf_value(w, k, arena_cstr(w->scratch, word), slot, &why);
}

static void
add_ref(struct conf_work *w, const struct conf_val *v)
{
	struct conf_ref *r = conf_grow(&w->refs, &w->nrefs, &w->refs_cap, sizeof(*r));
	r->name = v->text;
	r->tok = v->tok;
}

static bool
list_has(const struct conf_list *l, const char *s)
{
	for (size_t i = 0; i + 1 < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

static void
fill_value(struct conf_work *w, const struct conf_key *k, const struct conf_val *v, void *slot)
{
	const char *why = "";
	if (conf_value(w, k, v->text, slot, &why) != 0) {
		conf_wrong_tok(w, v->tok, "%s", why);
		return;
	}
	if (k->type == KEY_PLUGINS)
		add_ref(w, v);
	if (k->type >= KEY_STRINGS) {
		const struct conf_list *l = slot;
		if (list_has(l, l->v[l->n - 1]))
			conf_wrong_tok(w, v->tok, "\"%s\" is in the list \"%s\" twice; keep one",
				       conf_quote(w, str_of(v->text)), k->name);
	}
}

static void
fill_key(struct conf_work *w, cfg_t *sec, const struct conf_key *k, void *base)
{
	void *slot = (char *)base + k->offset;
	cfg_opt_t *opt = sec ? cfg_getopt(sec, k->name) : NULL;
	unsigned n = opt ? cfg_opt_size(opt) : 0;
	bool given = opt && (opt->flags & CFGF_MODIFIED);

	if (k->type >= KEY_LISTS) {
		uint32_t first = given ? conf_stmt_find(w, conf_section_stmt(w, sec), k->name) : STMT_NONE;
		list_room(w, k, slot, n + count_words(k->deflt));
		if (!given || (first != STMT_NONE && w->stmts[first].append))
			fill_default(w, k, slot);
	} else {
		fill_default(w, k, slot);
	}
	for (unsigned i = 0; i < n; i++) {
		const struct conf_val *v = cfg_opt_getnptr(opt, i);
		if (v)
			fill_value(w, k, v, slot);
	}
}

/* options { }, defaults { }, values { }: names as written, values texts. */
static void
fill_free(struct conf_work *w, cfg_t *sec, const struct conf_section *s, char *base)
{
	if (!s->free_name || !sec || cfg_size(sec, s->free_name) == 0)
		return;
	cfg_t *sub = cfg_getsec(sec, s->free_name);
	uint32_t stmt = conf_section_stmt(w, sub);
	unsigned n = cfg_num(sub);
	const char **names = arena_zalloc_array(w->arena, sizeof(*names), n);
	const char **values = arena_zalloc_array(w->arena, sizeof(*values), n);
	for (unsigned i = 0; i < n; i++) {
		cfg_opt_t *o = cfg_getnopt(sub, i);
		const char *text = cfg_opt_getstr(o);
		struct str v = str_of(text ? text : "");
		names[i] = arena_cstr(w->arena, str_of(cfg_opt_name(o)));
		values[i] = arena_cstr(w->arena, v);
		bool bad = v.n > CONF_MAX_VALUE || !str_is_utf8(v);
		for (size_t k = 0; k < v.n; k++)
			bad = bad || ((unsigned char)v.p[k] < ' ' && v.p[k] != '\n' && v.p[k] != '\t') ||
			      v.p[k] == 0x7f;
		uint32_t at = bad || strchr(names[i], '.') ? conf_stmt_find(w, stmt, names[i]) : STMT_NONE;
		if (at == STMT_NONE)
			continue;
		if (bad)
			conf_wrong_tok(w, w->stmts[at].first,
				       "the value of \"%s\" is longer than 8192 bytes, not UTF-8, "
				       "or holds control characters; correct it",
				       names[i]);
		else if (strcmp(s->free_name, "options") != 0)
			conf_wrong_tok(w, w->stmts[at].first,
				       "the field \"%s\" has a dot in its name; write one word", names[i]);
	}
	*(const char ***)(void *)(base + s->free_names) = names;
	*(const char ***)(void *)(base + s->free_values) = values;
	*(size_t *)(void *)(base + s->free_count) = n;
}

static void
fill_title(struct conf_work *w, cfg_t *sec, const struct conf_section *s, char *base)
{
	struct str title = str_of(cfg_title(sec));
	const char *name = s->title_type == KEY_DOMAINS ? conf_domain(w->arena, title)
			   : conf_name_ok(title)	? arena_cstr(w->arena, title)
							: NULL;
	if (!name && s->title_type == KEY_DOMAINS)
		conf_wrong_tok(w, conf_section_tok(w, sec),
			       "\"%s\" is no domain; write %s \"example.com\" "
			       "(other scripts in their xn-- form)",
			       conf_quote(w, title), s->name);
	else if (!name)
		conf_wrong_tok(w, conf_section_tok(w, sec),
			       "\"%s\" is no name for %s %s; "
			       "use 1 to 64 letters, digits, '.', '_' and '-'",
			       conf_quote(w, title), strchr("aeiou", s->name[0]) ? "an" : "a", s->name);
	*(const char **)(void *)(base + s->title) = name ? name : "";
}

static void fill_sections(struct conf_work *w, cfg_t *in, const struct conf_section *s, char *holder);

static void
fill_section(struct conf_work *w, cfg_t *sec, const struct conf_section *s, char *base)
{
	for (size_t i = 0; i < s->nkeys; i++)
		fill_key(w, sec, &s->keys[i], base);
	fill_free(w, sec, s, base);
	for (size_t i = 0; i < CONF_NSECTIONS; i++)
		if (CONF_SECTIONS[i].parent && strcmp(CONF_SECTIONS[i].parent, s->name) == 0)
			fill_sections(w, sec, &CONF_SECTIONS[i], base);
	if (s->pos == NO_OFFSET)
		return;
	struct conf_pos *pos = (void *)(base + s->pos);
	pos->file = w->files[0].name;
	if (sec && conf_section_stmt(w, sec) != STMT_NONE) {
		const struct tok *t = &w->toks[conf_section_tok(w, sec)];
		pos->file = w->files[t->file].name;
		pos->line = t->line;
	}
}

/* All sections of one kind within a parsed section; holder: the struct that they go into. */
static void
fill_sections(struct conf_work *w, cfg_t *in, const struct conf_section *s, char *holder)
{
	unsigned n = in ? cfg_size(in, s->name) : 0;
	if (!s->titled) {
		fill_section(w, n > 0 ? cfg_getsec(in, s->name) : NULL, s, holder);
		return;
	}
	char *array = arena_zalloc_array(w->arena, s->size, n);
	*(void **)(void *)(holder + s->array) = array;
	*(size_t *)(void *)(holder + s->count) = n;
	for (unsigned i = 0; i < n; i++) {
		cfg_t *sec = cfg_getnsec(in, s->name, i);
		fill_title(w, sec, s, array + i * s->size);
		fill_section(w, sec, s, array + i * s->size);
	}
}

/* ---- what holds between settings ---- */

uint32_t
conf_setting_tok(const struct conf_work *w, cfg_t *sec, const char *key)
{
	uint32_t at = conf_stmt_find(w, conf_section_stmt(w, sec), key);
	return at == STMT_NONE ? conf_section_tok(w, sec) : w->stmts[at].first;
}

void
conf_need_target(struct conf_work *w, cfg_t *inject, uint32_t at, const char *what)
{
	bool given = inject && conf_stmt_find(w, conf_section_stmt(w, inject), "target") != STMT_NONE;
	if (!w->conf->inject.target && !given) /* a wrong one is reported already */
		conf_wrong_tok(
		    w, at,
		    "%s makes copies wait, and there is no port to send them to later; add inject { "
		    "target = \"127.0.0.1:10026\" } (mailtailor.conf(5)), or take it out",
		    what);
}

static void
check_schedule(struct conf_work *w, cfg_t *inject, cfg_t *sec, struct conf_campaign *c)
{
	static const char *const WAITS[] = { "quiet_hours", "send_window", "start" };
	uint32_t stmt = conf_section_stmt(w, sec), at;
	c->has_quiet_hours = c->quiet_hours.from != c->quiet_hours.to;
	if (c->start)
		clock_parse_moment(str_of(c->start), &c->start_ms, &c->start_local, &(struct err){ 0 });
	for (size_t i = 0; i < sizeof(WAITS) / sizeof(WAITS[0]); i++)
		if ((at = conf_stmt_find(w, stmt, WAITS[i])) != STMT_NONE)
			conf_need_target(w, inject, w->stmts[at].first, WAITS[i]);
	if (c->send_hour != CONF_ANY_HOUR)
		conf_need_target(w, inject, conf_setting_tok(w, sec, "send_hour"), "send_hour");
	if (c->send_hour != CONF_ANY_HOUR && c->send_hour != CONF_LEARNED_HOUR &&
	    !conf_hour_open(c, (int)c->send_hour - 1))
		conf_wrong_tok(w, conf_setting_tok(w, sec, "send_hour"),
			       "quiet_hours and send_window let nothing leave in hour %u; choose another, or "
			       "change them",
			       c->send_hour - 1);
	if (!conf_campaign_ever_open(c))
		conf_wrong_tok(w, conf_setting_tok(w, sec, "quiet_hours"),
			       "quiet_hours leave campaign \"%s\" no time to send%s; shorten them%s", c->name,
			       c->nsend_windows ? " within its send_window" : "",
			       c->nsend_windows ? ", or widen send_window" : "");
}

static void
check_campaign(struct conf_work *w, cfg_t *sec, struct conf_campaign *c)
{
	struct value *map = value_map_new(w->arena);
	for (size_t i = 0; i < c->ndefaults; i++)
		value_map_set(w->arena, map, str_of(c->default_names[i]),
			      value_string(w->arena, str_of(c->default_values[i])));
	c->defaults = map;
	uint32_t stmt = conf_section_stmt(w, sec);
	bool listed = conf_stmt_find(w, stmt, "scorers") != STMT_NONE;
	/* A rule over the profile alone needs none; which names a rule has is known when it is compiled. */
	if (c->send_if && !listed && !strstr(c->send_if, "profile."))
		conf_wrong_tok(w, conf_setting_tok(w, sec, "send_if"),
			       "send_if needs a score and campaign \"%s\" has no scorers; "
			       "add scorers = { NAME }, or take send_if out",
			       c->name);
	else if (c->send_if && listed && c->scorers.n == 0 && cfg_size(sec, "scorers") == 0)
		conf_wrong_tok(w, conf_setting_tok(w, sec, "send_if"),
			       "send_if needs a score and the list of scorers is empty; "
			       "name one, or take send_if out");
	if (c->fatigue && (!listed || (c->scorers.n == 0 && cfg_size(sec, "scorers") == 0)))
		conf_wrong_tok(w, conf_setting_tok(w, sec, "fatigue"),
			       "fatigue needs a score and campaign \"%s\" has no scorers; "
			       "add scorers = { NAME }, or take fatigue out",
			       c->name);
}

/* On the page of preferences each category is a wish of its own; more do not fit into one record of them. */
#define MAX_CATEGORIES 32

static void
fill_categories(struct conf_work *w, cfg_t *root)
{
	struct conf *c = w->conf;
	struct conf_list *all = &c->categories;
	all->v = arena_zalloc_array(w->arena, sizeof(*all->v), MAX_CATEGORIES);
	for (size_t i = 0; i < c->ncampaigns; i++) {
		const char *name = c->campaigns[i].category;
		bool known = !name || strcmp(name, "transactional") == 0;
		for (size_t k = 0; k < all->n && !known; k++)
			known = strcmp(all->v[k], name) == 0;
		if (known)
			continue;
		if (all->n == MAX_CATEGORIES) {
			conf_wrong_tok(
			    w, conf_setting_tok(w, cfg_getnsec(root, "campaign", (unsigned)i), "category"),
			    "\"%s\" is one category too many: recipients choose among at most %d; use "
			    "one that another campaign has",
			    name, MAX_CATEGORIES);
			return;
		}
		all->v[all->n++] = name;
	}
}

/* Features of campaigns; a section with mistakes of its own counts as there. */
static void
check_features(struct conf_work *w, cfg_t *root)
{
	const struct conf *c = w->conf;
	const char **names = arena_zalloc_array(w->scratch, sizeof(*names), c->nfeatures);
	for (size_t i = 0; i < c->nfeatures; i++) {
		cfg_t *sec = cfg_getnsec(root, "features", (unsigned)i);
		names[i] = c->features[i].name;
		if (c->features[i].columns.n == 0 &&
		    conf_stmt_find(w, conf_section_stmt(w, sec), "columns") == STMT_NONE)
			conf_wrong_tok(w, conf_section_tok(w, sec),
				       "features \"%s\" has no columns; add columns = { \"profile.age\" }",
				       c->features[i].name);
	}
	for (size_t i = 0; i < c->ncampaigns; i++) {
		const char *name = c->campaigns[i].features, *near;
		if (!name || conf_features_find(c, str_of(name)))
			continue;
		uint32_t at = conf_setting_tok(w, cfg_getnsec(root, "campaign", (unsigned)i), "features");
		if ((near = conf_nearest(str_of(name), names, c->nfeatures)) != NULL)
			conf_wrong_tok(w, at, "there is no features section \"%s\"; did you mean \"%s\"?",
				       name, near);
		else
			conf_wrong_tok(w, at, "there is no features section \"%s\"; add features %s { … }",
				       name, name);
	}
}

static void
check_inject(struct conf_work *w, cfg_t *sec, struct conf_inject *i)
{
	struct conf_endpoint to = { 0 };
	if (i->target)
		conf_target_split(w->arena, str_of(i->target), &to);
	i->host = to.host;
	i->port = to.port;
	i->unix_path = to.unix_path;
	if (i->retry_min_ms > i->retry_max_ms)
		conf_wrong_tok(
		    w, conf_setting_tok(w, sec, "retry_min"),
		    "retry_min is longer than retry_max; waits grow from the one to the other: swap "
		    "them, or set both");
}

static void
check_cap(struct conf_work *w, cfg_t *inject, cfg_t *sec, const struct conf_cap *c)
{
	uint32_t stmt = conf_section_stmt(w, sec);
	if (c->action == CONF_CAP_DEFER)
		conf_need_target(w, inject, conf_setting_tok(w, sec, "action"), "action = defer");
	if (conf_stmt_find(w, stmt, "limit") == STMT_NONE)
		conf_wrong_tok(w, conf_section_tok(w, sec),
			       "cap \"%s\" has no limit; add limit = 3 (0 switches it off)", c->name);
	else if (c->limit > 0 && conf_stmt_find(w, stmt, "window") == STMT_NONE)
		conf_wrong_tok(w, conf_section_tok(w, sec), "cap \"%s\" has no window; add window = 7d",
			       c->name);
}

static void
check_plugin(struct conf_work *w, struct conf_plugin *p)
{
	if (!p->path)
		p->path = arena_printf(w->arena, "%s.so", p->name).p;
}

/* Two domain sections may differ in case only. */
static void
check_domains(struct conf_work *w, cfg_t *track)
{
	const struct conf_track *t = &w->conf->track;
	for (size_t i = 0; i < t->ndomains; i++) {
		cfg_t *sec = cfg_getnsec(track, "domain", (unsigned)i);
		uint32_t at = conf_section_tok(w, sec);
		if (!t->domains[i].host && conf_stmt_find(w, conf_section_stmt(w, sec), "host") == STMT_NONE)
			conf_wrong_tok(w, at, "domain \"%s\" has no host; add host = \"https://t.%s\"",
				       t->domains[i].domain, t->domains[i].domain);
		for (size_t k = 0; k < i && w->nmistakes <= CONF_MAX_MISTAKES; k++)
			if (t->domains[k].domain[0] &&
			    strcmp(t->domains[k].domain, t->domains[i].domain) == 0)
				conf_wrong_tok(w, at, "domain \"%s\" is there twice (first at %s); keep one",
					       t->domains[i].domain,
					       conf_where(w, conf_section_tok(w, cfg_getnsec(track, "domain",
											     (unsigned)k))));
	}
}

/* Plugins that campaigns name. A plugin section with other mistakes counts as there. */
static void
check_refs(struct conf_work *w)
{
	const char **names = arena_zalloc_array(w->scratch, sizeof(*names), w->nstmts);
	size_t n = 0;
	for (size_t i = 0; i < w->nstmts; i++)
		if (w->stmts[i].parent == STMT_NONE && w->stmts[i].title.p &&
		    str_eq(w->stmts[i].key, STR("plugin")))
			names[n++] = arena_cstr(w->scratch, w->stmts[i].title);
	for (size_t i = 0; i < w->nrefs; i++) {
		const char *name = w->refs[i].name;
		size_t k = 0;
		while (k < n && strcmp(names[k], name) != 0)
			k++;
		if (k < n)
			continue;
		const char *near = conf_nearest(str_of(name), names, n), *shown = conf_quote(w, str_of(name));
		if (near)
			conf_wrong_tok(w, w->refs[i].tok, "there is no plugin \"%s\"; did you mean \"%s\"?",
				       shown, near);
		else
			conf_wrong_tok(w, w->refs[i].tok, "there is no plugin \"%s\"; add plugin %s { … }",
				       shown, shown);
	}
}

void
conf_fill(struct conf_work *w, cfg_t *root)
{
	struct conf *c = w->conf;
	cfg_t *track = root && cfg_size(root, "track") > 0 ? cfg_getsec(root, "track") : NULL;
	cfg_t *inject = root && cfg_size(root, "inject") > 0 ? cfg_getsec(root, "inject") : NULL;
	if (!root)
		return;
	for (size_t i = 0; i < CONF_NSECTIONS; i++)
		if (!CONF_SECTIONS[i].parent)
			fill_sections(w, root, &CONF_SECTIONS[i], (char *)c);
	for (size_t i = 0; i < c->nplugins; i++)
		check_plugin(w, &c->plugins[i]);
	for (size_t i = 0; i < c->ncaps; i++)
		check_cap(w, inject, cfg_getnsec(root, "cap", (unsigned)i), &c->caps[i]);
	for (size_t i = 0; i < c->ncampaigns; i++) {
		cfg_t *sec = cfg_getnsec(root, "campaign", (unsigned)i);
		check_campaign(w, sec, &c->campaigns[i]);
		check_schedule(w, inject, sec, &c->campaigns[i]);
		conf_check_arms(w, inject, sec, &c->campaigns[i]);
	}
	check_inject(w, inject, &c->inject);
	if (c->milter.metrics.text)
		conf_target_split(w->arena, str_of(c->milter.metrics.text), &c->milter.metrics);
	if (c->track.listen.text)
		conf_target_split(w->arena, str_of(c->track.listen.text), &c->track.listen);
	if (c->track.private.text)
		conf_target_split(w->arena, str_of(c->track.private.text), &c->track.private);
	if (track)
		check_domains(w, track);
	check_refs(w);
	check_features(w, root);
	fill_categories(w, root);
}
