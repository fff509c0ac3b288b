/*
 * explain: what `mailtailor render --explain` shows: every variable with its
 * source, scores, caps, links, and the size of what would leave.
 */
#include "base/clock.h"
#include "tailor/private.h"

#define GMAIL_CLIP_BYTES (102 * 1024)

void
explain_begin(struct copy *c)
{
	if (!c->in->explain)
		return;
	c->explain_vars = value_map_new(c->arena);
	c->explain_links = value_map_new(c->arena);
}

/* "plugin NAME": sources name what the plugin set, which may be a map that path leads into. */
static struct str
plugin_source(struct copy *c, struct str path)
{
	while (path.n > 0) {
		const struct value *name = value_map_get(c->in->plugin_sources, path);
		if (name != NULL && name->type == VALUE_STRING)
			return arena_printf(c->arena, "plugin %.*s", STR_ARG(name->s));
		while (path.n > 0 && path.p[--path.n] != '.')
			;
	}
	return STR("plugin");
}

/* Which layer a value came from. Layers may be absent: they are known by what they are, not by where they
 * stand. */
static struct str
variable_source(struct copy *c, struct str path, const struct value *v)
{
	for (size_t i = 0; i < c->nlayers; i++) {
		const struct value *layer = c->layers[i];
		if (v == NULL || value_path(layer, path) != v)
			continue;
		if (c->in->arm.arm != NULL && layer == c->in->arm.arm->values)
			return arena_printf(c->arena, "arm %s", c->in->arm.arm->name);
		if (layer == c->in->plugin_vars)
			return plugin_source(c, path);
		return layer == c->in->data		    ? STR("recipient data")
		       : layer == c->m->data		    ? STR("message data")
		       : layer == c->in->recipient->profile ? STR("profile")
		       : layer == c->m->campaign->defaults  ? STR("campaign defaults")
							    : STR("mailtailor");
	}
	/* What no layer holds under this path belongs to a section: an item of a list, say. */
	return v != NULL ? STR("section") : STR("missing");
}

void
explain_variable(void *ctx, struct str path, const struct value *v)
{
	struct copy *c = ctx;
	struct arena *a = c->arena;
	if (value_map_get(c->explain_vars, path) != NULL)
		return;
	struct value *one = value_map_new(a);
	/* Copied: @index and lengths live no longer than the render. {{.}} at the top is all layers and no
	 * map of its own. */
	bool whole = v != NULL && v->type == VALUE_MAP && v->map == NULL;
	value_map_set(a, one, STR("value"), v != NULL && !whole ? value_copy(a, v) : &VALUE_NULL_V);
	value_map_set(a, one, STR("source"), value_string(a, variable_source(c, path, v)));
	value_map_set(a, c->explain_vars, arena_str(a, path), one);
}

void
explain_link(struct copy *c, uint16_t number, struct str url, const char *what)
{
	struct arena *a = c->arena;
	if (c->explain_links == NULL)
		return;
	struct value *one = value_map_new(a);
	value_map_set(a, one, STR("url"), value_string(a, arena_str(a, url)));
	value_map_set(a, one, STR("what"), value_string(a, str_of(what)));
	value_map_set(a, c->explain_links, arena_printf(a, "%u", number), one);
}

static const struct value *
explain_caps(struct copy *c)
{
	const struct recipient_snapshot *r = c->in->recipient;
	struct arena *a = c->arena;
	struct value *list = value_list(a, r->ncaps);
	char room[40];
	for (size_t i = 0; i < r->ncaps; i++) {
		struct value *one = value_map_new(a);
		value_map_set(a, one, STR("cap"), value_string(a, str_of(r->caps[i].cap->name)));
		value_map_set(a, one, STR("used"), value_int(a, r->caps[i].used));
		value_map_set(a, one, STR("limit"), value_int(a, r->caps[i].cap->limit));
		if (r->caps[i].room_ms > 0)
			value_map_set(a, one, STR("room"),
				      value_string(a, arena_str(a, str_of(clock_format_rfc3339(
								       r->caps[i].room_ms, room)))));
		list->list.items[i] = one;
	}
	return list;
}

static const struct value *
explain_scores(struct copy *c)
{
	struct value *v = value_map_new(c->arena);
	for (size_t i = 0; i < c->in->nscores; i++)
		value_map_set(c->arena, v, c->in->scores[i].name,
			      value_real(c->arena, c->in->scores[i].value));
	return v;
}

void
explain_end(struct copy *c, struct tailor_plan *plan)
{
	static const char *const verdicts[] = { "send", "drop", "later", "refuse" };
	struct arena *a = c->arena;
	char due[40];
	if (c->explain_vars == NULL)
		return;
	struct value *x = value_map_new(a);
	struct str reason = str_of(plan->decision.reason);
	value_map_set(a, x, STR("verdict"), value_string(a, str_of(verdicts[plan->decision.verdict])));
	value_map_set(a, x, STR("reason"), value_string(a, reason));
	value_map_set(a, x, STR("text"), value_string(a, plan->decision.text));
	if (plan->decision.verdict == TAILOR_LATER)
		value_map_set(
		    a, x, STR("due"),
		    value_string(a, arena_str(a, str_of(clock_format_rfc3339(plan->decision.due_ms, due)))));
	value_map_set(a, x, STR("campaign"), value_string(a, str_of(c->m->campaign->name)));
	value_map_set(a, x, STR("arm"),
		      *plan->decision.arm ? value_string(a, str_of(plan->decision.arm)) : &VALUE_NULL_V);
	value_map_set(a, x, STR("propensity"), value_real(a, plan->decision.propensity));
	value_map_set(a, x, STR("recipient_known"), value_bool(c->in->recipient->known));
	value_map_set(a, x, STR("track_opens"), value_bool(c->track_opens));
	value_map_set(a, x, STR("track_clicks"), value_bool(c->track_clicks));
	value_map_set(a, x, STR("variables"), c->explain_vars);
	value_map_set(a, x, STR("scores"), explain_scores(c));
	value_map_set(a, x, STR("caps"), explain_caps(c));
	value_map_set(a, x, STR("links"), c->explain_links);
	value_map_set(a, x, STR("links_wrapped"), value_int(a, (int64_t)c->links_wrapped));
	value_map_set(a, x, STR("urls_refused"), value_int(a, (int64_t)c->urls_refused));
	if (plan->body_changed) {
		value_map_set(a, x, STR("body_bytes"), value_int(a, (int64_t)plan->body.n));
		value_map_set(a, x, STR("gmail_clips"), value_bool(plan->body.n > GMAIL_CLIP_BYTES));
	}
	plan->explain = x;
}
