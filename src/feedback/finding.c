/* finding: struct feedback → JSON → struct feedback, checked as if a stranger had written it. */
#include "feedback/finding.h"

#include "base/json.h"
#include "feedback/private.h"

#define TEXT_MAX 1000

static bool
is_line(struct str s, size_t max)
{
	if (s.n > max || !str_is_utf8(s))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool
is_address(struct str s)
{
	struct str bare;
	return is_line(s, FEEDBACK_MAX_ADDRESS) && address_bare(s, &bare) && bare.n == s.n;
}

/* ---- writing: what would not be taken is left out ---- */

static void
put_text(struct buf *out, const char *key, struct str s, size_t max)
{
	if (s.n == 0 || !is_line(s, max))
		return;
	buf_printf(out, ",\"%s\":", key);
	json_print_string(out, s);
}

static void
put_list(struct buf *out, const char *key, const struct feedback_addresses *l)
{
	bool first = true;
	buf_printf(out, ",\"%s\":[", key);
	for (size_t i = 0; i < l->n; i++) {
		if (!is_address(l->v[i]))
			continue;
		if (!first)
			buf_addc(out, ',');
		first = false;
		json_print_string(out, l->v[i]);
	}
	buf_addc(out, ']');
}

void
finding_write(const struct feedback *f, struct buf *out)
{
	const struct feedback_origin *o = &f->origin;
	buf_adds(out, STR("{\"items\":["));
	for (size_t i = 0; i < f->n; i++) {
		const struct feedback_item *it = &f->items[i];
		buf_printf(out, "%s{\"kind\":\"%s\",\"hard\":%s,\"reason\":\"%s\"", i ? "," : "",
			   feedback_kind_name(it->kind), it->hard ? "true" : "false",
			   feedback_reason_name(it->reason));
		if (is_address(it->recipient))
			put_text(out, "recipient", it->recipient, FEEDBACK_MAX_ADDRESS);
		put_text(out, "status", str_of(it->status), sizeof it->status);
		put_text(out, "type", str_of(it->type), sizeof it->type);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
	put_list(out, "to", &o->to);
	put_list(out, "path", &o->path);
	put_list(out, "of", &o->recipient);
	put_text(out, "unsubscribe", o->unsubscribe, FEEDBACK_MAX_URL);
	put_text(out, "job", o->job, TEXT_MAX);
	put_text(out, "message_id", o->message_id, TEXT_MAX);
	put_text(out, "feedback_id", o->feedback_id, TEXT_MAX);
	buf_addc(out, '}');
}

/* ---- reading ---- */

/* An absent key is an empty text. */
static bool
get_text(const struct value *v, const char *key, size_t max, struct str *out)
{
	const struct value *s = value_map_get(v, str_of(key));
	*out = STR_NULL;
	if (!s)
		return true;
	if (s->type != VALUE_STRING || s->s.n == 0 || !is_line(s->s, max))
		return false;
	*out = s->s;
	return true;
}

static bool
get_address(const struct value *s, struct str *out)
{
	if (s->type != VALUE_STRING || !is_address(s->s))
		return false;
	*out = s->s;
	return true;
}

static bool
get_list(const struct value *v, const char *key, struct feedback_addresses *out)
{
	const struct value *l = value_map_get(v, str_of(key));
	out->n = 0;
	if (!l || l->type != VALUE_LIST || l->list.n > FEEDBACK_MAX_ADDRESSES)
		return false;
	for (size_t i = 0; i < l->list.n; i++)
		if (!get_address(l->list.items[i], &out->v[out->n++]))
			return false;
	return true;
}

static bool
copy_word(struct str s, char *out, size_t size)
{
	if (s.n >= size)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalpha(s.p[i]) && !ascii_isdigit(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
	memcpy(out, s.p ? s.p : "", s.n);
	out[s.n] = '\0';
	return true;
}

static bool
get_item(const struct value *v, struct feedback_item *out)
{
	struct str kind, reason, status, type;
	const struct value *hard = value_map_get(v, STR("hard")),
			   *recipient = value_map_get(v, STR("recipient"));
	if (v->type != VALUE_MAP || !get_text(v, "kind", 16, &kind) || !get_text(v, "reason", 16, &reason) ||
	    !get_text(v, "status", 15, &status) || !get_text(v, "type", 15, &type))
		return false;
	if (feedback_kind_parse(kind, &out->kind) != 0 || feedback_reason_parse(reason, &out->reason) != 0)
		return false;
	if (!hard || hard->type != VALUE_BOOL ||
	    (hard->b && (out->kind != FEEDBACK_BOUNCE || out->reason > FEEDBACK_NO_MAIL)))
		return false;
	out->hard = hard->b;
	if (recipient && !get_address(recipient, &out->recipient))
		return false;
	char checked[16];
	if (status.n > 0 && (!status_parse(status, checked) || strlen(checked) != status.n))
		return false;
	return copy_word(status, out->status, sizeof out->status) &&
	       copy_word(type, out->type, sizeof out->type);
}

static bool
get_items(struct arena *a, const struct value *v, struct feedback *out)
{
	const struct value *l = value_map_get(v, STR("items"));
	if (!l || l->type != VALUE_LIST || l->list.n == 0 || l->list.n > FEEDBACK_MAX_ITEMS)
		return false;
	out->items = ARENA_ARRAY(a, struct feedback_item, l->list.n);
	for (size_t i = 0; i < l->list.n; i++)
		if (!get_item(l->list.items[i], &out->items[out->n++]))
			return false;
	return true;
}

int
finding_read(struct arena *a, struct str text, struct feedback *out, struct err *e)
{
	const struct json_limits limits = { .max_bytes = FINDING_MAX, .max_depth = 4 };
	const struct value *v;
	struct feedback_origin *o = &out->origin;
	*out = (struct feedback){ .n = 0 };
	if (json_parse(a, text, &limits, &v, NULL) == 0 && v->type == VALUE_MAP && get_items(a, v, out) &&
	    get_list(v, "to", &o->to) && get_list(v, "path", &o->path) && get_list(v, "of", &o->recipient) &&
	    get_text(v, "unsubscribe", FEEDBACK_MAX_URL, &o->unsubscribe) &&
	    get_text(v, "job", TEXT_MAX, &o->job) && get_text(v, "message_id", TEXT_MAX, &o->message_id) &&
	    get_text(v, "feedback_id", TEXT_MAX, &o->feedback_id))
		return 0;
	*out = (struct feedback){ .n = 0 };
	return err_set(e, ERR_INPUT, "the reader of the message gave an answer that cannot be");
}
