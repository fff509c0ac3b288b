/*
 * print: struct conf → the file's own grammar, or JSON; all of it, or what differs from the defaults. A
 * default is what fill.c makes of an empty file, so "differs" means: prints differently.
 */
#include "conf/conf-private.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"

/* ---- one value ---- */

static void
print_string(struct buf *b, const char *s)
{
	buf_addc(b, '"');
	for (; *s; s++) {
		if (*s == '\n')
			buf_adds(b, STR("\\n"));
		else if (*s == '\t')
			buf_adds(b, STR("\\t"));
		else if (*s == '"' || *s == '\\')
			buf_printf(b, "\\%c", *s);
		else
			buf_addc(b, *s);
	}
	buf_addc(b, '"');
}

static void
print_size(struct buf *b, int64_t v)
{
	static const char UNITS[] = "TGMK";
	int64_t scale = (int64_t)1 << 40;
	for (const char *u = UNITS; *u; u++, scale >>= 10)
		if (v != 0 && v % scale == 0) {
			buf_printf(b, "%lld%c", (long long)(v / scale), *u);
			return;
		}
	buf_printf(b, "%lld", (long long)v);
}

/* As short as reads back. */
static void
print_real(struct buf *b, double v)
{
	const struct value real = { .type = VALUE_REAL, .r = v };
	value_print(b, &real);
}

/* Entry i of a list; quote stands around what is no string. */
static void
print_entry(struct buf *b, const struct conf_key *k, const void *slot, size_t i, struct str quote)
{
	if (k->type >= KEY_STRINGS) {
		print_string(b, (*(const char **const *)slot)[i]);
		return;
	}
	buf_adds(b, quote);
	if (k->type == KEY_NETS)
		conf_net_print(b, &(*(struct conf_net *const *)slot)[i]);
	else
		conf_window_print(b, &(*(struct conf_window *const *)slot)[i]);
	buf_adds(b, quote);
}

static void
print_list(struct buf *b, const struct conf_key *k, const void *slot)
{
	size_t n = *(const size_t *)((const char *)slot + sizeof(void *));
	buf_addc(b, '{');
	for (size_t i = 0; i < n; i++) {
		buf_adds(b, i ? STR(", ") : STR(" "));
		print_entry(b, k, slot, i, STR("\""));
	}
	buf_adds(b, n ? STR(" }") : STR("}"));
}

/* True for a value that has no default and is not there. */
static bool
is_unset(const struct conf_key *k, const void *slot)
{
	const struct conf_hours *h = slot;
	if (k->type == KEY_HOURS)
		return h->from == h->to;
	return k->type < KEY_LISTS && k->type >= KEY_SOCKET && !*(const char *const *)slot;
}

void
conf_value_print(struct buf *b, const struct conf_key *k, const void *slot)
{
	char text[40];
	const char *s;
	if (k->type >= KEY_LISTS) {
		print_list(b, k, slot);
		return;
	}
	switch (k->type) {
	case KEY_BOOL:
		buf_adds(b, *(const bool *)slot ? STR("yes") : STR("no"));
		break;
	case KEY_INT:
		buf_printf(b, "%lld", (long long)*(const int64_t *)slot);
		break;
	case KEY_SIZE:
		print_size(b, *(const int64_t *)slot);
		break;
	case KEY_DURATION:
		buf_adds(b, str_of(clock_format_duration(*(const int64_t *)slot, text)));
		break;
	case KEY_SHARE:
		print_real(b, (double)*(const int64_t *)slot / 10000);
		buf_addc(b, '%');
		break;
	case KEY_REAL:
		print_real(b, *(const double *)slot);
		break;
	case KEY_MODE:
		buf_printf(b, "0%03llo", (unsigned long long)*(const int64_t *)slot);
		break;
	case KEY_CHOICE:
		buf_adds(b, str_of(k->choices[*(const unsigned *)slot]));
		break;
	case KEY_HOURS:
		if (is_unset(k, slot))
			break;
		buf_addc(b, '"');
		conf_hours_print(b, slot);
		buf_addc(b, '"');
		break;
	default:
		if ((s = *(const char *const *)slot) != NULL)
			print_string(b, s);
	}
}

static const struct value *
value_of(struct arena *a, const struct conf_key *k, const void *slot)
{
	struct buf b = { 0 };
	struct value *v;
	if (k->type >= KEY_LISTS) {
		size_t n = *(const size_t *)((const char *)slot + sizeof(void *));
		v = value_list(a, n);
		for (size_t i = 0; i < n; i++) {
			buf_reset(&b);
			if (k->type >= KEY_STRINGS)
				buf_adds(&b, str_of((*(const char **const *)slot)[i]));
			else
				print_entry(&b, k, slot, i, STR_NULL);
			v->list.items[i] = value_string(a, arena_str(a, buf_str(&b)));
		}
		buf_free(&b);
		return v;
	}
	if (k->type == KEY_BOOL)
		return value_bool(*(const bool *)slot);
	if (k->type == KEY_INT)
		return value_int(a, *(const int64_t *)slot);
	if (k->type == KEY_HOURS) {
		conf_hours_print(&b, slot);
		v = value_string(a, arena_str(a, buf_str(&b)));
		buf_free(&b);
		return is_unset(k, slot) ? &VALUE_NULL_V : v;
	}
	if (k->type == KEY_REAL)
		return value_real(a, *(const double *)slot);
	if (k->type == KEY_SIZE || k->type == KEY_DURATION || k->type == KEY_SHARE || k->type == KEY_MODE ||
	    k->type == KEY_CHOICE) {
		conf_value_print(&b, k, slot);
		v = value_string(a, arena_str(a, buf_str(&b)));
		buf_free(&b);
		return v;
	}
	const char *s = *(const char *const *)slot;
	return s ? value_string(a, str_of(s)) : &VALUE_NULL_V;
}

/* ---- sections ---- */

struct print {
	const struct conf *conf;
	const struct conf *deflt; /* NULL: print everything */
	struct arena *arena;
	struct buf *out; /* text, or: */
	struct value *json;
};

/* A section at its defaults, as deep as it lies. */
static const char *
empty_section(struct print *p, const struct conf_section *s)
{
	const char *holder =
	    s->parent ? empty_section(p, conf_section_find(str_of(s->parent))) : (const char *)p->deflt;
	return s->titled ? *(const char *const *)(const void *)(holder + s->array) : holder;
}

static bool
is_default(struct print *p, const struct conf_section *s, const struct conf_key *k, const char *base)
{
	struct buf mine = { 0 }, theirs = { 0 };
	const char *name = s->titled ? *(const char *const *)(base + s->title) : "";
	bool same;
	if (!p->deflt)
		return is_unset(k, base + k->offset);
	conf_value_print(&mine, k, base + k->offset);
	if (strcmp(s->name, "plugin") == 0 && strcmp(k->name, "path") == 0)
		buf_printf(&theirs, "\"%s.so\"", name);
	else if (strcmp(k->name, "plugin_directory") == 0)
		print_string(&theirs, p->conf->default_plugin_directory);
	else if (k->in_state)
		print_string(&theirs, conf_state_file(p->deflt->arena, p->conf, k));
	else
		conf_value_print(&theirs, k, empty_section(p, s) + k->offset);
	same = str_eq(buf_str(&mine), buf_str(&theirs));
	if ((strcmp(s->name, "cap") == 0 && strcmp(k->name, "limit") == 0) ||
	    strcmp(s->name, "domain") == 0 || strcmp(s->name, "features") == 0)
		same = false; /* have to be there */
	buf_free(&mine);
	buf_free(&theirs);
	return same;
}

static void
put_key(struct print *p, struct value *map, const struct conf_key *k, const char *base, const char *indent)
{
	if (map) {
		value_map_set(p->arena, map, str_of(k->name), value_of(p->arena, k, base + k->offset));
		return;
	}
	buf_printf(p->out, "%s%s = ", indent, k->name);
	conf_value_print(p->out, k, base + k->offset);
	buf_addc(p->out, '\n');
}

static void
put_free(struct print *p, struct value *map, const struct conf_section *s, const char *base,
	 const char *indent)
{
	size_t n = s->free_name ? *(const size_t *)(const void *)(base + s->free_count) : 0;
	if (n == 0)
		return;
	const char *const *names = *(const char *const *const *)(const void *)(base + s->free_names);
	const char *const *values = *(const char *const *const *)(const void *)(base + s->free_values);
	struct value *sub = map ? value_map_new(p->arena) : NULL;
	if (!map)
		buf_printf(p->out, "%s%s {\n", indent, s->free_name);
	for (size_t i = 0; i < n; i++) {
		if (map) {
			value_map_set(p->arena, sub, str_of(names[i]),
				      value_string(p->arena, str_of(values[i])));
			continue;
		}
		buf_printf(p->out, "%s\t%s = ", indent, names[i]);
		print_string(p->out, values[i]);
		buf_addc(p->out, '\n');
	}
	if (map)
		value_map_set(p->arena, map, str_of(s->free_name), sub);
	else
		buf_printf(p->out, "%s}\n", indent);
}

static void put_sections(struct print *p, struct value *map, const struct conf_section *parent,
			 const char *holder, const char *indent);

/* What one section holds. */
static void
put_keys(struct print *p, struct value *map, const struct conf_section *s, const char *base,
	 const char *indent)
{
	for (size_t i = 0; i < s->nkeys; i++)
		if (!is_default(p, s, &s->keys[i], base))
			put_key(p, map, &s->keys[i], base, indent);
	put_free(p, map, s, base, indent);
	put_sections(p, map, s, base, indent);
}

/* The titled sections of one kind. In JSON: an object of objects, named like the section. */
static void
put_titled(struct print *p, struct value *map, const struct conf_section *s, const char *holder,
	   const char *indent)
{
	const char *array = *(const char *const *)(const void *)(holder + s->array);
	size_t n = *(const size_t *)(const void *)(holder + s->count);
	const char *inner = *indent ? "\t\t" : "\t";
	struct value *all = map && n > 0 ? value_map_new(p->arena) : NULL;
	for (size_t i = 0; i < n; i++) {
		const char *base = array + i * s->size,
			   *title = *(const char *const *)(const void *)(base + s->title);
		struct value *one = map ? value_map_new(p->arena) : NULL;
		if (!map)
			buf_printf(p->out, "%s%s \"%s\" {\n", indent, s->name, title);
		put_keys(p, one, s, base, inner);
		if (!map)
			buf_printf(p->out, "%s}\n", indent);
		else
			value_map_set(p->arena, all, str_of(title), one);
	}
	if (all)
		value_map_set(p->arena, map, str_of(s->name), all);
}

static void
put_untitled(struct print *p, struct value *into, const struct conf_section *s, const char *base,
	     const char *indent)
{
	struct value *map = into ? value_map_new(p->arena) : NULL;
	size_t mark = p->out ? p->out->n : 0;
	if (!map)
		buf_printf(p->out, "%s%s {\n", indent, s->name);
	size_t start = p->out ? p->out->n : 0;
	put_keys(p, map, s, base, *indent ? "\t\t" : "\t");
	if (map) {
		if (value_map_count(map) > 0)
			value_map_set(p->arena, into, str_of(s->name), map);
	} else if (p->out->n == start) { /* nothing in it: take the heading back */
		p->out->n = mark;
		p->out->p[mark] = '\0';
	} else {
		buf_printf(p->out, "%s}\n", indent);
	}
}

/* The sections within one; parent NULL: all that stand at the top. */
static void
put_sections(struct print *p, struct value *map, const struct conf_section *parent, const char *holder,
	     const char *indent)
{
	for (size_t i = 0; i < CONF_NSECTIONS; i++) {
		const struct conf_section *s = &CONF_SECTIONS[i];
		if (parent ? !s->parent || strcmp(s->parent, parent->name) != 0 : s->parent != NULL)
			continue;
		if (s->titled)
			put_titled(p, map, s, holder, indent);
		else
			put_untitled(p, map, s, holder, indent);
	}
}

static void
put_all(struct print *p)
{
	put_sections(p, p->json, NULL, (const char *)p->conf, "");
}

/* ---- the face ---- */

/* One section of each kind, all at their defaults. */
static struct conf *
defaults_load(const struct conf *c)
{
	return conf_load_text(
	    "defaults",
	    STR("track { domain d { host = \"https://d\" } }\nplugin p {}\ncap c { limit = 0 }\n"
		"shop s {}\nfeatures f { columns = { hour } }\ncampaign c { arm a {} }\n"),
	    c->default_plugin_directory, NULL, NULL);
}

void
conf_print_all(const struct conf *c, struct buf *out)
{
	struct print p = { .conf = c, .out = out };
	put_all(&p);
}

void
conf_print_diff(const struct conf *c, FILE *out)
{
	struct buf b = { 0 };
	struct conf *d = defaults_load(c);
	struct print p = { .conf = c, .deflt = d, .out = &b };
	put_all(&p);
	fwrite(b.p ? b.p : "", 1, b.n, out);
	buf_free(&b);
	conf_free(&d);
}

void
conf_print_diff_json(const struct conf *c, FILE *out)
{
	struct buf b = { 0 };
	struct conf *d = defaults_load(c);
	struct arena *a = arena_new(16 * 1024);
	struct print p = { .conf = c, .deflt = d, .arena = a, .json = value_map_new(a) };
	put_all(&p);
	json_print_pretty(&b, p.json);
	fwrite(b.p ? b.p : "", 1, b.n, out);
	if (b.n > 0 && b.p[b.n - 1] != '\n')
		fputc('\n', out);
	buf_free(&b);
	arena_free(&a);
	conf_free(&d);
}
