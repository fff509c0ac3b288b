/* admin-near: what was typed and is not there, and what was probably meant. */
#include "main/admin.h"

#include <stdlib.h>
#include <string.h>

#include "store/event.h"

const char *
admin_nearest(const char *typed, const char *const *names, size_t n)
{
	return conf_nearest(str_of(typed), names, n);
}

int
admin_no_sub(const char *verb, const char *typed, const char *const *names, size_t n)
{
	const char *near = admin_nearest(typed, names, n);
	if (typed[0] == '-')
		return admin_misuse("say what to do before %s: `mailtailor %s --help` lists it", typed, verb);
	if (near)
		return admin_misuse("%s has no \"%s\"; did you mean \"%s\"?", verb, typed, near);
	return admin_misuse("%s has no \"%s\"; `mailtailor %s --help` lists what it has", verb, typed, verb);
}

int
admin_no_sub_of(const char *verb, const char *typed, const void *subs, size_t n, size_t size)
{
	const char **names = calloc(n, sizeof(*names));
	if (!names)
		abort();
	for (size_t i = 0; i < n; i++)
		memcpy(&names[i], (const char *)subs + i * size, sizeof(names[i]));
	int code = admin_no_sub(verb, typed, names, n);
	free(names);
	return code;
}

int
admin_no_campaign(const struct conf *conf, const char *typed)
{
	const char *near = conf_campaign_nearest(conf, str_of(typed));
	if (near)
		return admin_misuse("there is no campaign \"%s\"; did you mean \"%s\"?", typed, near);
	return admin_misuse("there is no campaign \"%s\"; `mailtailor campaign list` shows them", typed);
}

struct logged {
	struct arena *arena;
	const char **names;
	size_t n, cap;
};

static void
name_add(struct logged *l, struct str name)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 32;
		l->names = reallocarray(l->names, l->cap, sizeof(*l->names));
		if (!l->names)
			abort();
	}
	l->names[l->n++] = arena_cstr(l->arena, name);
}

/* Counters come campaign by campaign. */
static bool
counter_look(void *ctx, const struct event_counter *c)
{
	struct logged *l = ctx;
	if (c->campaign.n > 0 && (l->n == 0 || !str_eq(c->campaign, str_of(l->names[l->n - 1]))))
		name_add(l, c->campaign);
	return true;
}

static bool
counter_found(void *ctx, const struct event_counter *c)
{
	(void)c;
	*(bool *)ctx = true;
	return false;
}

int
admin_campaign_known(const struct conf *conf, struct store *s, const char *name)
{
	struct logged l = { .arena = arena_new(4096) };
	struct err e = { 0 };
	bool found = conf_campaign_find(conf, str_of(name)) != NULL;
	int rc = found ? 0 : event_counter_each(s, str_of(name), 0, 0, counter_found, &found, &e);
	for (size_t i = 0; i < conf->ncampaigns && !found; i++)
		name_add(&l, str_of(conf->campaigns[i].name));
	if (rc == 0 && !found)
		rc = event_counter_each(s, STR_NULL, 0, 0, counter_look, &l, &e);
	const char *near = rc == 0 && !found ? admin_nearest(name, l.names, l.n) : NULL;
	int code = EX_OK;
	if (rc != 0)
		code = admin_fail(&e);
	else if (near)
		code = admin_misuse("no campaign \"%s\" is configured, and no event names it; did you mean "
				    "\"%s\"?",
				    name, near);
	else if (!found)
		code = admin_misuse("no campaign \"%s\" is configured, and no event names it; `mailtailor "
				    "campaign list` shows those there are",
				    name);
	free(l.names);
	arena_free(&l.arena);
	return code;
}

int
admin_category(const struct conf *conf, struct str name, struct err *e)
{
	const char *near;
	if (conf_category_known(conf, name, &near))
		return 0;
	if (near)
		return err_set(e, ERR_USAGE,
			       "no campaign and no cap has the category \"%.*s\"; did you mean \"%s\"?",
			       STR_ARG(str_cut(name, 64)), near);
	return err_set(e, ERR_USAGE,
		       "no campaign and no cap has the category \"%.*s\"; `mailtailor campaign list` shows "
		       "those there are",
		       STR_ARG(str_cut(name, 64)));
}
