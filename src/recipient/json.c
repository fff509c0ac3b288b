/* json: a snapshot from a profile given as text, for previews. */
#include "base/json.h"
#include "recipient/recipient-private.h"

static int
take_consents(const struct recipient_source *src, const struct value *map, struct recipient_snapshot *r,
	      const struct conf_cap **wish, struct err *e)
{
	int wished = -1;
	if (map->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "\"_consent\" is not an object of topics");
	for (size_t i = 0; i < value_map_count(map); i++) {
		struct str topic;
		const struct value *v;
		enum consent_state state;
		value_map_entry(map, i, &topic, &v);
		if (!consent_topic_valid(topic))
			return err_set(e, ERR_INPUT,
				       "\"_consent\": no topic \"%.*s\": tracking, mail, mail:CATEGORY, "
				       "at-most:week or at-most:month",
				       STR_ARG(str_sub(topic, 0, 64)));
		if (v->type != VALUE_STRING || consent_state_parse(v->s, &state) != 0)
			return err_set(e, ERR_INPUT,
				       "\"_consent\", \"%.*s\": write granted, denied or unknown",
				       STR_ARG(str_sub(topic, 0, 64)));
		snapshot_consent(src, r, topic, state);
		int w = state == CONSENT_GRANTED ? recipient_wish_find(topic) : -1;
		wished = w > wished ? w : wished;
	}
	*wish = wished >= 0 ? recipient_wish_cap((size_t)wished) : NULL;
	return 0;
}

static int
take_suppressed(const struct value *v, struct arena *a, struct recipient_snapshot *r, struct err *e)
{
	if (v->type == VALUE_NULL || (v->type == VALUE_BOOL && !v->b))
		return 0;
	if (v->type != VALUE_BOOL && v->type != VALUE_STRING)
		return err_set(e, ERR_INPUT, "\"_suppressed\": write true, or the reason as text");
	r->suppressed = true;
	r->suppressed_reason =
	    v->type == VALUE_STRING ? arena_cstr(a, v->s) : suppression_reason_name(SUPPRESS_MANUAL);
	return 0;
}

/* Each name is a cap's; one that does not cover this campaign is of no account. */
static int
caps_known(const struct conf *c, const struct value *map, struct arena *a, struct err *e)
{
	const char **names = ARENA_ARRAY(a, const char *, c->ncaps);
	for (size_t i = 0; i < c->ncaps; i++)
		names[i] = c->caps[i].name;
	for (size_t i = 0; i < value_map_count(map); i++) {
		struct str key;
		const struct value *v;
		size_t k = 0;
		value_map_entry(map, i, &key, &v);
		while (k < c->ncaps && !str_eq(key, str_of(names[k])))
			k++;
		if (k < c->ncaps)
			continue;
		const char *near = conf_nearest(key, names, c->ncaps);
		return err_set(e, ERR_INPUT, "\"_caps\": the configuration has no cap \"%.*s\"%s%s%s",
			       STR_ARG(str_cut(key, 64)), near ? "; did you mean \"" : "", near ? near : "",
			       near ? "\"?" : "");
	}
	return 0;
}

static int
take_caps(const struct conf *c, const struct value *map, int64_t now_ms, struct arena *a,
	  struct recipient_snapshot *r, struct err *e)
{
	if (map->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "\"_caps\" is not an object of cap names");
	if (caps_known(c, map, a, e) != 0)
		return -1;
	for (size_t i = 0; i < r->ncaps; i++) {
		const struct value *v = value_map_get(map, str_of(r->caps[i].cap->name));
		if (!v)
			continue;
		if (v->type != VALUE_INT || v->i < 0)
			return err_set(e, ERR_INPUT, "\"_caps\", \"%s\": write the number of places used",
				       r->caps[i].cap->name);
		r->caps[i].used = v->i;
		if (v->i >= r->caps[i].cap->limit) /* nobody said since when: since now */
			r->caps[i].room_ms = now_ms + r->caps[i].cap->window_ms;
	}
	return 0;
}

static int
take_history(const struct value *map, struct recipient_snapshot *r, struct err *e)
{
	static const struct str LISTS[] = { { "purchased", 9 }, { "viewed", 6 } };
	bool ok = map->type == VALUE_MAP;
	for (size_t i = 0; ok && i < 2; i++) {
		const struct value *v = value_map_get(map, LISTS[i]);
		ok = !v || (v->type == VALUE_LIST && v->list.n <= RECIPIENT_MAX_HISTORY);
		for (size_t k = 0; v && ok && k < v->list.n; k++)
			ok = v->list.items[k]->type == VALUE_STRING;
	}
	if (!ok)
		return err_set(
		    e, ERR_INPUT,
		    "\"_history\": write {\"purchased\": [ids], \"viewed\": [ids]}, at most %d texts "
		    "each, newest first",
		    RECIPIENT_MAX_HISTORY);
	r->history = map;
	return 0;
}

/* A name that begins like ours, and is misspelt, would say nothing. */
static int
name_check(struct str key, struct err *e)
{
	static const char *const names[] = { "_consent", "_suppressed", "_caps", "_history" };
	const char *near =
	    str_starts(key, STR("_")) ? conf_nearest(key, names, sizeof names / sizeof names[0]) : NULL;
	if (!near)
		return 0;
	return err_set(e, ERR_INPUT, "\"%.*s\" says nothing; did you mean \"%s\"?", STR_ARG(str_cut(key, 64)),
		       near);
}

int
recipient_from_json(const struct recipient_source *src, struct str address, struct str message_id,
		    struct str json, int64_t now_ms, struct arena *a, struct recipient_snapshot **out,
		    struct err *e)
{
	const struct json_limits limits = { .max_bytes = 2 * RECIPIENT_MAX_PROFILE };
	struct recipient_snapshot *r;
	const struct value *all;
	const struct conf_cap *wish = NULL;
	struct value *profile = value_map_new(a);
	if (snapshot_begin(src, address, message_id, a, &r, e) != 0)
		return -1;
	if (json_parse(a, json, &limits, &all, e) != 0)
		return err_prefix(e, "profile");
	if (all->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "profile: not a JSON object");
	for (size_t i = 0; i < value_map_count(all); i++) {
		struct str key;
		const struct value *v;
		int rc = 0;
		value_map_entry(all, i, &key, &v);
		if (str_eq(key, STR("_consent")))
			rc = take_consents(src, v, r, &wish, e);
		else if (str_eq(key, STR("_suppressed")))
			rc = take_suppressed(v, a, r, e);
		else if (str_eq(key, STR("_caps")))
			rc = take_caps(src->conf, v, now_ms, a, r, e);
		else if (str_eq(key, STR("_history")))
			rc = take_history(v, r, e);
		else if ((rc = name_check(key, e)) == 0)
			value_map_set(a, profile, key, v);
		if (rc != 0)
			return err_prefix(e, "profile");
	}
	snapshot_wish(r, wish);
	r->known = true;
	r->profile = profile;
	snapshot_locale(src, a, r);
	*out = r;
	return 0;
}
