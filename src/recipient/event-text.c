/* event-text: events to lines and back. */
#include "recipient/event-text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "token/hex.h"

/* ---- writing ---- */

struct line {
	struct buf *out;
	bool csv, first;
};

static void
csv_cell_add(struct buf *out, struct str s)
{
	bool quote = false;
	for (size_t i = 0; i < s.n && !quote; i++)
		quote = s.p[i] == ',' || s.p[i] == '"' || s.p[i] == '\n' || s.p[i] == '\r';
	if (!quote) {
		buf_adds(out, s);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_addc(out, '"');
		buf_addc(out, s.p[i]);
	}
	buf_addc(out, '"');
}

static void
name_add(struct line *l, const char *name)
{
	if (!l->first)
		buf_addc(l->out, ',');
	l->first = false;
	if (l->csv)
		return;
	buf_addc(l->out, '"');
	buf_adds(l->out, str_of(name));
	buf_adds(l->out, STR("\":"));
}

static void
text_add(struct line *l, const char *name, struct str s)
{
	name_add(l, name);
	if (l->csv)
		csv_cell_add(l->out, s);
	else if (s.n == 0)
		buf_adds(l->out, STR("null"));
	else
		json_print_string(l->out, s);
}

/* A number, true or false; empty: null. */
static void
bare_add(struct line *l, const char *name, struct str s)
{
	name_add(l, name);
	buf_adds(l->out, s.n == 0 && !l->csv ? STR("null") : s);
}

static void
int_add(struct line *l, const char *name, int64_t i)
{
	name_add(l, name);
	buf_printf(l->out, "%lld", (long long)i);
}

static void
bool_add(struct line *l, const char *name, bool b)
{
	bare_add(l, name, b ? STR("true") : STR("false"));
}

static void
hex_column(struct line *l, const char *name, const uint8_t *p, size_t n)
{
	char text[2 * STORE_KEY_LEN];
	static const char digits[] = "0123456789abcdef";
	bool any = false;
	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digits[p[i] >> 4];
		text[2 * i + 1] = digits[p[i] & 15];
		any = any || p[i] != 0;
	}
	text_add(l, name, any ? str_make(text, 2 * n) : STR_NULL);
}

static void
value_column(struct line *l, const struct event *ev)
{
	char text[40];
	uint64_t micros = ev->value_micros < 0 ? -(uint64_t)ev->value_micros : (uint64_t)ev->value_micros;
	if (ev->currency.n == 0) {
		bare_add(l, "value", STR_NULL);
		return;
	}
	int n = snprintf(text, sizeof(text), "%s%llu.%06llu", ev->value_micros < 0 ? "-" : "",
			 (unsigned long long)(micros / 1000000), (unsigned long long)(micros % 1000000));
	while (text[n - 1] == '0')
		n--;
	if (text[n - 1] == '.')
		n--;
	bare_add(l, "value", str_make(text, (size_t)n));
}

static void
columns_add(struct line *l, const struct event_record *r)
{
	const struct event *ev = &r->event;
	char at[40];
	int_add(l, "number", (int64_t)r->number);
	text_add(l, "at", str_of(clock_format_rfc3339(ev->at_ms, at)));
	text_add(l, "type", str_of(event_type_name(ev->type)));
	text_add(l, "class", str_of(event_class_name(ev->class)));
	text_add(l, "reason", ev->reason);
	hex_column(l, "recipient", ev->rk, sizeof(ev->rk));
	hex_column(l, "copy", ev->copy, sizeof(ev->copy));
	text_add(l, "campaign", ev->campaign);
	text_add(l, "arm", ev->arm);
	text_add(l, "domain", ev->domain);
	text_add(l, "segment", ev->segment);
	text_add(l, "category", ev->category);
	text_add(l, "source", ev->source);
	if (ev->link == EVENT_NO_LINK)
		bare_add(l, "link", STR_NULL);
	else
		int_add(l, "link", ev->link);
	hex_column(l, "url_hash", ev->url_hash, sizeof(ev->url_hash));
	value_column(l, ev);
	text_add(l, "currency", ev->currency);
	text_add(l, "queue_id", ev->queue_id);
	bool_add(l, "unique", r->unique);
	bool_add(l, "unique_link", r->unique_link);
	bool_add(l, "forgotten", r->forgotten);
	hex_column(l, "id", ev->idem, sizeof(ev->idem));
	text_add(l, "details", ev->details);
}

void
event_text_json(struct buf *out, const struct event_record *r)
{
	struct line l = { .out = out, .first = true };
	buf_addc(out, '{');
	columns_add(&l, r);
	buf_adds(out, STR("}\n"));
}

void
event_text_csv(struct buf *out, const struct event_record *r)
{
	struct line l = { .out = out, .csv = true, .first = true };
	columns_add(&l, r);
	buf_addc(out, '\n');
}

void
event_text_csv_header(struct buf *out)
{
	buf_adds(out,
		 STR("number,at,type,class,reason,recipient,copy,campaign,arm,domain,segment,category,source,"
		     "link,url_hash,value,currency,queue_id,unique,unique_link,forgotten,id,details\n"));
}

/* ---- reading ---- */

struct parsing {
	const struct keyring *keys;
	struct arena *a;
	struct event *ev;
	struct str id, email;
	bool has_time;
};

static int
bad(struct err *e, const char *what)
{
	return err_set(e, ERR_INPUT, "%s", what);
}

/* The text of a string, number or boolean. */
static int
text_of(struct parsing *p, const struct value *v, struct str *out, struct err *e)
{
	struct buf b = { 0 };
	if (v->type == VALUE_STRING) {
		*out = v->s;
		return 0;
	}
	if (v->type == VALUE_LIST || v->type == VALUE_MAP)
		return bad(e, "a single value is wanted");
	value_print(&b, v);
	*out = arena_str(p->a, buf_str(&b));
	buf_free(&b);
	return 0;
}

static int
set_word(struct parsing *p, const struct value *v, size_t at, struct err *e)
{
	return text_of(p, v, (struct str *)(void *)((char *)p->ev + at), e);
}

static int
set_hex(struct parsing *p, const struct value *v, uint8_t *out, size_t n, struct err *e)
{
	struct str s;
	if (text_of(p, v, &s, e) != 0)
		return -1;
	if (s.n == 0)
		return 0;
	if (hex_parse(s, out, n) != 0)
		return err_set(e, ERR_INPUT, "%zu hexadecimal digits are wanted", 2 * n);
	return 0;
}

static int
set_type(struct parsing *p, const struct value *v, struct err *e)
{
	struct str s;
	int t;
	if (text_of(p, v, &s, e) != 0)
		return -1;
	t = event_type_find(s);
	if (t < 0)
		return err_set(e, ERR_INPUT, "\"%.*s\" is no type of event", STR_ARG(str_sub(s, 0, 64)));
	p->ev->type = (enum event_type)t;
	return 0;
}

static int
set_class(struct parsing *p, const struct value *v, struct err *e)
{
	struct str s;
	int c;
	if (text_of(p, v, &s, e) != 0)
		return -1;
	c = s.n == 0 ? EVENT_UNKNOWN : event_class_find(s);
	if (c < 0)
		return err_set(e, ERR_INPUT, "\"%.*s\" is none of unknown, human, proxy, machine",
			       STR_ARG(str_sub(s, 0, 64)));
	p->ev->class = (enum event_class)c;
	return 0;
}

static int
whole(const struct value *v, int64_t max, int64_t *out, struct err *e)
{
	bool ok;
	double d = value_number(v, &ok);
	/* Integers stay what they are; a double holds all others that are in range. */
	if (v->type == VALUE_INT)
		*out = v->i;
	else if (ok && d >= 0 && d <= (double)max && floor(d) == d)
		*out = (int64_t)d;
	else
		return bad(e, "a whole number is wanted");
	return *out < 0 || *out > max ? bad(e, "the number is out of range") : 0;
}

static int
set_at(struct parsing *p, const struct value *v, struct err *e)
{
	struct str s;
	if (text_of(p, v, &s, e) != 0)
		return -1;
	p->has_time = true;
	return clock_parse_rfc3339(s, &p->ev->at_ms, e);
}

static int
set_at_ms(struct parsing *p, const struct value *v, struct err *e)
{
	p->has_time = true;
	return whole(v, EVENT_MAX_TIME, &p->ev->at_ms, e);
}

static int
set_link(struct parsing *p, const struct value *v, struct err *e)
{
	int64_t link;
	if (v->type == VALUE_STRING && v->s.n == 0)
		return 0;
	if (whole(v, EVENT_MAX_LINK, &link, e) != 0)
		return -1;
	p->ev->link = (int)link;
	return 0;
}

static int
set_value(struct parsing *p, const struct value *v, struct err *e)
{
	bool ok;
	double d;
	if (v->type == VALUE_STRING && v->s.n == 0)
		return 0;
	d = value_number(v, &ok);
	if (!ok || !(fabs(d) <= 9e9))
		return bad(e, "a number up to nine billion is wanted");
	p->ev->value_micros = llround(d * 1e6);
	return 0;
}

/* JSON in a string, as export writes it, or as it is. */
static int
set_details(struct parsing *p, const struct value *v, struct err *e)
{
	const struct value *inner;
	struct buf b = { 0 };
	if (v->type == VALUE_STRING && v->s.n == 0)
		return 0;
	if (v->type == VALUE_STRING) {
		if (json_parse(p->a, v->s, NULL, &inner, e) != 0)
			return -1;
		v = inner;
	}
	if (v->type != VALUE_MAP)
		return bad(e, "a JSON object is wanted");
	json_print(&b, v);
	p->ev->details = arena_str(p->a, buf_str(&b));
	buf_free(&b);
	return 0;
}

#define WORD(name)                                        \
	{                                                 \
#name, NULL, offsetof(struct event, name) \
	}
static const struct {
	const char *name;
	int (*set)(struct parsing *p, const struct value *v, struct err *e); /* NULL: a word */
	size_t at;
} fields[] = {
	{ "at", set_at, 0 },
	{ "at_ms", set_at_ms, 0 },
	{ "type", set_type, 0 },
	{ "class", set_class, 0 },
	{ "link", set_link, 0 },
	{ "value", set_value, 0 },
	{ "details", set_details, 0 },
	WORD(reason),
	WORD(campaign),
	WORD(arm),
	WORD(domain),
	WORD(segment),
	WORD(category),
	WORD(source),
	WORD(currency),
	WORD(queue_id),
	WORD(url),
};

/* 1: that is one of them; 0; -1 */
static int
field_hex(struct parsing *p, struct str key, const struct value *v, struct err *e)
{
	const struct {
		struct str name;
		uint8_t *out;
		size_t n;
	} hex[] = {
		{ STR("recipient"), p->ev->rk, sizeof(p->ev->rk) },
		{ STR("copy"), p->ev->copy, sizeof(p->ev->copy) },
		{ STR("url_hash"), p->ev->url_hash, sizeof(p->ev->url_hash) },
	};
	for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++)
		if (str_eq(key, hex[i].name))
			return set_hex(p, v, hex[i].out, hex[i].n, e) == 0 ? 1 : -1;
	return 0;
}

static int
field_set(struct parsing *p, struct str key, const struct value *v, struct err *e)
{
	static const char *const over[] = { "number", "unique", "unique_link", "forgotten" };
	if (str_eq(key, STR("id")))
		return text_of(p, v, &p->id, e);
	if (str_eq(key, STR("email")))
		return text_of(p, v, &p->email, e);
	for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++)
		if (str_eq(key, str_of(over[i])))
			return 0;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (str_eq(key, str_of(fields[i].name)))
			return fields[i].set ? fields[i].set(p, v, e) : set_word(p, v, fields[i].at, e);
	int hex = field_hex(p, key, v, e);
	return hex != 0 ? (hex > 0 ? 0 : -1) : bad(e, "no event has such a field");
}

static int
recipient_set(struct parsing *p, struct err *e)
{
	static const uint8_t none[STORE_KEY_LEN];
	struct recipient_key rk;
	struct str normal;
	if (p->email.n == 0)
		return 0;
	if (memcmp(p->ev->rk, none, sizeof(none)) != 0)
		return bad(e, "email and recipient: one of them is enough");
	if (p->keys == NULL)
		return bad(e, "email: there is no key ring to hash it with");
	if (address_normalize(p->a, p->email, &normal, e) != 0)
		return err_prefix(e, "email");
	recipient_key_of(p->keys, normal, &rk);
	memcpy(p->ev->rk, rk.b, sizeof(p->ev->rk));
	if (p->ev->domain.n == 0) {
		size_t at = str_find_char(normal, '@');
		for (size_t i = at; i < normal.n; i++)
			if (normal.p[i] == '@')
				at = i;
		p->ev->domain = str_sub(normal, at + 1, normal.n);
	}
	return 0;
}

static int
id_set(struct parsing *p, struct err *e)
{
	const struct str parts[] = { p->ev->source, p->id };
	if (p->id.n == 0)
		return 0;
	if (hex_parse(p->id, p->ev->idem, STORE_KEY_LEN) == 0)
		return 0;
	if (p->keys == NULL)
		return bad(e, "id: there is no key ring to hash it with");
	keyed_id(p->keys, "event", parts, 2, p->ev->idem);
	return 0;
}

int
event_text_parse(const struct keyring *keys, const struct value *row, struct arena *a, struct event *out,
		 struct err *e)
{
	struct parsing p = { .keys = keys, .a = a, .ev = out };
	*out = (struct event){ .link = EVENT_NO_LINK };
	for (size_t i = 0; i < value_map_count(row); i++) {
		struct str key;
		const struct value *v;
		value_map_entry(row, i, &key, &v);
		if (v->type == VALUE_NULL)
			continue;
		if (field_set(&p, key, v, e) != 0)
			return err_prefix(e, "%.*s", STR_ARG(str_sub(key, 0, 64)));
	}
	if (out->type == 0)
		return bad(e, "there is no type");
	if (!p.has_time)
		return bad(e, "there is no time: at or at_ms");
	if (recipient_set(&p, e) != 0 || id_set(&p, e) != 0)
		return -1;
	out->once = out->type == EVENT_INJECTED;
	return 0;
}
