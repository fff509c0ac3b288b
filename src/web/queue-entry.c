/* queue-entry: an entry of the queue as a line of JSON, and back. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "token/hex.h"
#include "web/queue.h"

static void
set_text(struct arena *a, struct value *m, const char *key, struct str s)
{
	if (s.n > 0)
		value_map_set(a, m, str_of(key), value_string(a, s));
}

static void
set_int(struct arena *a, struct value *m, const char *key, int64_t i)
{
	if (i != 0)
		value_map_set(a, m, str_of(key), value_int(a, i));
}

static void
set_bytes(struct arena *a, struct value *m, const char *key, const uint8_t *p, size_t n)
{
	static const uint8_t none[STORE_KEY_LEN];
	struct buf hex = { 0 };
	if (memcmp(p, none, n) == 0)
		return;
	hex_print(&hex, p, n);
	set_text(a, m, key, arena_str(a, buf_str(&hex)));
	buf_free(&hex);
}

static void
print_event(struct arena *a, struct value *m, const struct event *ev)
{
	set_text(a, m, "type", str_of(event_type_name(ev->type)));
	set_text(a, m, "class", str_of(event_class_name(ev->class)));
	set_text(a, m, "reason", ev->reason);
	set_bytes(a, m, "recipient", ev->rk, sizeof(ev->rk));
	set_bytes(a, m, "copy", ev->copy, sizeof(ev->copy));
	set_bytes(a, m, "idem", ev->idem, sizeof(ev->idem));
	if (ev->once)
		value_map_set(a, m, STR("once"), value_bool(true));
	set_text(a, m, "campaign", ev->campaign);
	set_text(a, m, "arm", ev->arm);
	set_text(a, m, "domain", ev->domain);
	set_text(a, m, "segment", ev->segment);
	set_text(a, m, "category", ev->category);
	set_text(a, m, "source", ev->source);
	set_int(a, m, "link", ev->link + 1);
	set_text(a, m, "url", ev->url);
	set_text(a, m, "currency", ev->currency);
	set_int(a, m, "micros", ev->value_micros);
	set_text(a, m, "details", ev->details);
}

static void
print_change(struct arena *a, struct value *m, const struct queue_entry *v)
{
	set_bytes(a, m, "recipient", v->rk, sizeof(v->rk));
	value_map_set(a, m, STR("suppress"), value_bool(v->suppress));
	if (v->erase)
		value_map_set(a, m, STR("erase"), value_bool(true));
	set_text(a, m, "category", v->category);
	struct value *consents = value_list(a, v->nconsents), *lifted = value_list(a, v->nlifted);
	for (size_t i = 0; i < v->nconsents; i++) {
		struct value *c = value_map_new(a);
		set_text(a, c, "topic", v->consents[i].topic);
		set_int(a, c, "state", v->consents[i].state);
		set_int(a, c, "at", v->consents[i].at_ms);
		set_text(a, c, "source", v->consents[i].source);
		consents->list.items[i] = c;
	}
	for (size_t i = 0; i < v->nlifted; i++)
		lifted->list.items[i] = value_string(a, v->lifted[i]);
	value_map_set(a, m, STR("consents"), consents);
	value_map_set(a, m, STR("lifted"), lifted);
}

void
queue_entry_print(const struct queue_entry *v, struct buf *out)
{
	struct arena *a = arena_new(4096);
	struct value *m = value_map_new(a);
	set_int(a, m, "at", v->has_event ? v->event.at_ms : v->at_ms);
	if (v->has_event)
		print_event(a, m, &v->event);
	else
		print_change(a, m, v);
	json_print(out, m);
	arena_free(&a);
}

/* ---- back ---- */

static struct str
get_text(const struct value *m, const char *key)
{
	const struct value *v = value_map_get(m, str_of(key));
	return v != NULL && v->type == VALUE_STRING ? v->s : STR_NULL;
}

static int64_t
get_int(const struct value *m, const char *key)
{
	const struct value *v = value_map_get(m, str_of(key));
	return v != NULL && v->type == VALUE_INT ? v->i : 0;
}

static bool
get_bool(const struct value *m, const char *key)
{
	const struct value *v = value_map_get(m, str_of(key));
	return v != NULL && v->type == VALUE_BOOL && v->b;
}

static bool
get_bytes(const struct value *m, const char *key, uint8_t *p, size_t n)
{
	struct str s = get_text(m, key);
	memset(p, 0, n);
	return s.p == NULL || hex_parse(s, p, n) == 0;
}

static const struct value *
get_list(const struct value *m, const char *key)
{
	static const struct value empty = { .type = VALUE_LIST };
	const struct value *v = value_map_get(m, str_of(key));
	return v != NULL && v->type == VALUE_LIST ? v : &empty;
}

static bool
parse_event(const struct value *m, struct event *ev)
{
	int type = event_type_find(get_text(m, "type")), class = event_class_find(get_text(m, "class"));
	int64_t link = get_int(m, "link") - 1;
	if (type < 0 || class < 0 || link < EVENT_NO_LINK || link > UINT16_MAX)
		return false;
	*ev = (struct event){
		.at_ms = get_int(m, "at"),
		.type = (enum event_type)type,
		.class = (enum event_class) class,
		.reason = get_text(m, "reason"),
		.once = get_bool(m, "once"),
		.campaign = get_text(m, "campaign"),
		.arm = get_text(m, "arm"),
		.domain = get_text(m, "domain"),
		.segment = get_text(m, "segment"),
		.category = get_text(m, "category"),
		.source = get_text(m, "source"),
		.link = (int)link,
		.url = get_text(m, "url"),
		.currency = get_text(m, "currency"),
		.value_micros = get_int(m, "micros"),
		.details = get_text(m, "details"),
	};
	return get_bytes(m, "recipient", ev->rk, sizeof(ev->rk)) &&
	       get_bytes(m, "copy", ev->copy, sizeof(ev->copy)) &&
	       get_bytes(m, "idem", ev->idem, sizeof(ev->idem));
}

static bool
parse_change(const struct value *m, struct arena *a, struct queue_entry *out)
{
	const struct value *consents = get_list(m, "consents"), *lifted = get_list(m, "lifted");
	if (consents->list.n > QUEUE_MAX_LIST || lifted->list.n > QUEUE_MAX_LIST)
		return false;
	struct consent_record *c = ARENA_ARRAY(a, struct consent_record, consents->list.n);
	struct str *l = ARENA_ARRAY(a, struct str, lifted->list.n);
	for (size_t i = 0; i < consents->list.n; i++) {
		const struct value *v = consents->list.items[i];
		int64_t state = get_int(v, "state");
		if (state < CONSENT_UNKNOWN || state > CONSENT_DENIED)
			return false;
		c[i] = (struct consent_record){ get_text(v, "topic"), (enum consent_state)state,
						get_int(v, "at"), get_text(v, "source") };
	}
	for (size_t i = 0; i < lifted->list.n; i++) {
		if (lifted->list.items[i]->type != VALUE_STRING)
			return false;
		l[i] = lifted->list.items[i]->s;
	}
	out->at_ms = get_int(m, "at");
	out->erase = get_bool(m, "erase");
	out->suppress = get_bool(m, "suppress");
	out->category = get_text(m, "category");
	out->consents = c;
	out->nconsents = consents->list.n;
	out->lifted = l;
	out->nlifted = lifted->list.n;
	return get_bytes(m, "recipient", out->rk, sizeof(out->rk));
}

int
queue_entry_parse(struct str line, struct arena *a, struct queue_entry *out, struct err *e)
{
	const struct value *m;
	*out = (struct queue_entry){ 0 };
	if (json_parse(a, line, NULL, &m, e) != 0)
		return err_set(e, ERR_CORRUPT, "a line is no JSON");
	out->has_event = value_map_get(m, STR("type")) != NULL;
	if (m->type != VALUE_MAP || !(out->has_event ? parse_event(m, &out->event) : parse_change(m, a, out)))
		return err_set(e, ERR_CORRUPT, "a line is no event and no change");
	return 0;
}
