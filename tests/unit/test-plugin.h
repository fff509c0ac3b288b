/* test-plugin.h: what the plugin tests share: a configuration made by hand, and where the built plugins lie.
 */
#ifndef TEST_PLUGIN_H
#define TEST_PLUGIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "plugin/plugin.h"

/* One campaign, "c", and up to eight plugins. */
struct fixture {
	struct arena *a;
	struct conf conf;
	struct conf_plugin plugins[8];
	struct conf_campaign campaign;
	const char *personalizers[8], *scorers[8];
	char reports[4096]; /* one a line */
	size_t nreports;
	struct plugin_set *set;
	struct plugin_result out;
};

/* $(BUILD), from where the test program lies. */
static inline const char *
build_directory(void)
{
	static char dir[4096];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	assert_true(n > 0);
	dir[n] = '\0';
	*strrchr(dir, '/') = '\0'; /* …/tests */
	*strrchr(dir, '/') = '\0';
	return dir;
}

static inline struct fixture *
fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->a = arena_new(4096);
	f->conf.arena = f->a;
	f->conf.file = "/etc/mailtailor/test.conf";
	f->conf.plugin_directory = build_directory();
	f->conf.plugins = f->plugins;
	f->conf.campaigns = &f->campaign;
	f->conf.ncampaigns = 1;
	f->campaign.name = "c";
	f->campaign.pos = (struct conf_pos){ f->conf.file, 100 };
	f->campaign.personalizers.v = f->personalizers;
	f->campaign.scorers.v = f->scorers;
	return f;
}

static inline void
fixture_free(struct fixture *f)
{
	plugin_set_free(&f->set);
	arena_free(&f->a);
	free(f);
}

/* options: "name=value" …, NULL. path below the build directory. */
static inline void
fixture_add(struct fixture *f, const char *name, const char *path, int64_t deadline_ms, ...)
{
	struct conf_plugin *p = &f->plugins[f->conf.nplugins++];
	va_list ap;
	const char *option;
	p->name = name;
	p->path = path;
	p->deadline_ms = deadline_ms;
	p->pos = (struct conf_pos){ f->conf.file, (int)(10 * f->conf.nplugins) };
	p->option_names = ARENA_ARRAY(f->a, const char *, 8);
	p->option_values = ARENA_ARRAY(f->a, const char *, 8);
	va_start(ap, deadline_ms);
	while ((option = va_arg(ap, const char *))) {
		struct str s = str_of(option);
		size_t eq = str_find_char(s, '=');
		p->option_names[p->noptions] = arena_cstr(f->a, str_sub(s, 0, eq));
		p->option_values[p->noptions++] = arena_cstr(f->a, str_sub(s, eq + 1, s.n));
	}
	va_end(ap);
	if (strstr(path, "score") || strstr(path, "logistic") || strstr(path, "mlp"))
		f->scorers[f->campaign.scorers.n++] = name;
	else
		f->personalizers[f->campaign.personalizers.n++] = name;
}

static inline void
fixture_report(void *ctx, const char *text)
{
	struct fixture *f = ctx;
	size_t n = strlen(f->reports);
	snprintf(f->reports + n, sizeof(f->reports) - n, "%s\n", text);
	f->nreports++;
}

static inline bool
fixture_load(struct fixture *f)
{
	f->reports[0] = '\0';
	f->nreports = 0;
	f->set = plugin_set_load(&f->conf, fixture_report, f);
	return f->set != NULL;
}

/* Must load; prints why not. */
static inline void
fixture_must_load(struct fixture *f)
{
	if (!fixture_load(f))
		fail_msg("%s", f->reports);
}

static inline const struct value *
fixture_json(struct fixture *f, const char *text)
{
	const struct value *v = NULL;
	struct err e = { 0 };
	if (json_parse(f->a, str_of(text), NULL, &v, &e) != 0)
		fail_msg("%s: %s", text, e.text);
	return v;
}

/* 2026-03-02 (a Monday), 08:30 UTC. */
#define TEST_NOW INT64_C(1772440200000)

static inline struct plugin_request
fixture_request(struct fixture *f, const char *profile, const char *language)
{
	return (struct plugin_request){
		.campaign = &f->campaign,
		.profile = fixture_json(f, profile),
		.defaults = f->campaign.defaults,
		.language = language,
		.time_zone = "Europe/Berlin",
		.now_ms = TEST_NOW,
		.recipient_key = "0123456789abcde",
		.known = true,
	};
}

static inline void
fixture_run(struct fixture *f, const struct plugin_request *rq)
{
	plugin_run(f->set, rq, 1, f->a, &f->out);
}

/* A variable as a template prints it; "" when there is none. */
static inline const char *
var_text(struct fixture *f, const char *path)
{
	struct buf b = { 0 };
	value_print(&b, value_path(f->out.vars, str_of(path)));
	const char *s = arena_cstr(f->a, buf_str(&b));
	buf_free(&b);
	return s;
}

/* The note of one plugin; "" when there is none. */
static inline const char *
note_text(struct fixture *f, const char *plugin)
{
	for (size_t i = 0; i < f->out.nnotes; i++) {
		if (str_eq(f->out.notes[i].plugin, str_of(plugin)))
			return arena_cstr(f->a, f->out.notes[i].text);
	}
	return "";
}

static inline struct plugin_counters
counters_of(struct fixture *f, const char *plugin)
{
	struct plugin_counters c[8];
	size_t n = plugin_set_counters(f->set, c, 8);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(c[i].name, plugin) == 0)
			return c[i];
	}
	fail_msg("no counters of %s", plugin);
	return c[0];
}

#endif
