/*
 * shop: POST /v1/events. Shops report what came of a mail: conversions, purchases, views. All of a batch is
 * taken or none; what a shop sends again (same id) counts once.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "token/api.h"
#include "web/private.h"

#define MAX_EVENTS 1000
#define MAX_ID 128
#define MAX_ITEMS 100			    /* of one event */
#define CLOCK_MS ((int64_t)300000)	    /* how far a shop's clock may be off */
#define MAX_AGE_MS ((int64_t)90 * 86400000) /* a report may be late by so much */

/* The answer to a batch that is not taken. */
static void
refuse(struct request *rq, unsigned status, long index, const char *why)
{
	struct buf b = { 0 };
	buf_adds(&b, STR("{\"error\":"));
	json_print_string(&b, str_of(why));
	if (index >= 0)
		buf_printf(&b, ",\"index\":%ld", index);
	buf_adds(&b, STR("}\n"));
	rq->nevents = 0;
	respond_json(rq, status, buf_str(&b));
	buf_free(&b);
}

static const struct conf_shop *
shop_find(const struct conf *c, struct str name)
{
	for (size_t i = 0; i < c->nshops; i++)
		if (str_eq(str_of(c->shops[i].name), name))
			return &c->shops[i];
	return NULL;
}

/* Who cannot sign learns neither which shops there are nor what was wrong. */
static const struct conf_shop *
authenticate(struct request *rq)
{
	const struct epoch *ep = rq->site->epoch;
	struct str name = request_header(rq, "X-Mailtailor-Shop");
	struct str time = request_header(rq, "X-Mailtailor-Time");
	struct str signature = request_header(rq, "X-Mailtailor-Signature");
	const struct conf_shop *s = shop_find(ep->conf, name);
	char secret[API_SECRET_LEN + 1];
	int64_t seconds = 0;
	bool number = time.n > 0 && time.n <= 12;
	for (size_t i = 0; number && i < time.n; i++) {
		number = ascii_isdigit(time.p[i]);
		seconds = seconds * 10 + (time.p[i] - '0');
	}
	api_secret(ep->keys, s != NULL ? name : STR(""), s != NULL ? s->generation : 0, secret);
	bool signed_right = api_verify(secret, time, buf_str(&rq->raw), signature);
	bool now = number && llabs(seconds * 1000 - rq->now_ms) <= CLOCK_MS;
	return s != NULL && signed_right && now ? s : NULL;
}

/* ---- one event ---- */

static struct str
text_of(const struct value *v, const char *key)
{
	const struct value *t = value_map_get(v, str_of(key));
	return t != NULL && t->type == VALUE_STRING ? t->s : STR_NULL;
}

static bool
absent(const struct value *v, const char *key)
{
	return value_map_get(v, str_of(key)) == NULL;
}

/* Of whom it speaks: by click id, which names copy and campaign too, or by address. */
static const char *
read_recipient(struct request *rq, const struct value *v, struct event *ev)
{
	const struct epoch *ep = rq->site->epoch;
	struct str click = text_of(v, "click"), address = text_of(v, "email");
	struct err e = { 0 };
	if ((click.n > 0) == (address.n > 0))
		return "name the recipient by either click (the click id out of the URL) or email";
	if (click.n > 0) {
		struct token t;
		struct worker *w = engine_worker_get(rq->site->epoch);
		int rc = token_open(w->sealer, TOKEN_CLICK_ID, click, rq->arena, &t, &e);
		engine_worker_put(rq->site->epoch, &w);
		if (rc != 0)
			return "click is no click id of ours";
		memcpy(ev->rk, t.recipient.b, sizeof(ev->rk));
		memcpy(ev->copy, t.copy, sizeof(ev->copy));
		ev->campaign = t.campaign;
		ev->arm = t.arm;
		ev->link = t.link == TOKEN_HONEYPOT_LINK ? EVENT_NO_LINK : t.link; /* as track.c has it */
		return NULL;
	}
	struct str normal;
	struct recipient_key rk;
	if (address_normalize(rq->arena, address, &normal, &e) != 0)
		return "email is no mail address";
	recipient_key_of(ep->keys, normal, &rk);
	memcpy(ev->rk, rk.b, sizeof(ev->rk));
	return NULL;
}

static const char *
read_value(const struct value *v, struct event *ev)
{
	const struct value *amount = value_map_get(v, STR("value"));
	bool ok = true;
	if (amount == NULL)
		return absent(v, "currency") ? NULL : "currency stands without a value";
	double number = value_number(amount, &ok);
	struct str c = text_of(v, "currency");
	if (!ok || amount->type == VALUE_BOOL || !isfinite(number) || fabs(number) > 1e9)
		return "value is a number between -1000000000 and 1000000000";
	ok = c.n == 3;
	for (size_t i = 0; ok && i < 3; i++)
		ok = c.p[i] >= 'A' && c.p[i] <= 'Z';
	if (!ok)
		return "a value needs a currency as ISO 4217 spells it, such as EUR";
	ev->currency = c;
	ev->value_micros = llround(number * 1e6);
	return NULL;
}

static const char *
read_time(struct request *rq, const struct value *v, struct event *ev)
{
	struct str at = text_of(v, "at");
	struct err e = { 0 };
	ev->at_ms = rq->now_ms;
	if (absent(v, "at"))
		return NULL;
	if (clock_parse_rfc3339(at, &ev->at_ms, &e) != 0)
		return "at is a time as RFC 3339 has it, such as 2026-03-01T09:30:00Z";
	if (ev->at_ms > rq->now_ms + CLOCK_MS || ev->at_ms < rq->now_ms - MAX_AGE_MS)
		return "at lies in the future, or more than 90 days back";
	return NULL;
}

/* An order of several items, or a list that was looked at. */
static const char *
print_items(const struct value *list, struct buf *b)
{
	buf_adds(b, STR("{\"items\":["));
	if (list->type != VALUE_LIST || list->list.n == 0 || list->list.n > MAX_ITEMS)
		return "items is a list of 1 to 100 items";
	for (size_t i = 0; i < list->list.n; i++) {
		const struct value *item = list->list.items[i];
		if (item->type != VALUE_STRING || item->s.n == 0 || item->s.n > MAX_ID)
			return "each of items is a text of 1 to 128 bytes";
		if (i > 0)
			buf_addc(b, ',');
		json_print_string(b, item->s);
	}
	buf_adds(b, STR("]}"));
	return b->n <= EVENT_MAX_DETAILS ? NULL : "items are longer than 16 KiB together";
}

/* What was bought or looked at, for recommendations: one item or several. */
static const char *
read_item(struct request *rq, const struct value *v, struct event *ev)
{
	const struct value *items = value_map_get(v, STR("items"));
	struct str item = text_of(v, "item");
	struct buf b = { 0 };
	const char *why = NULL;
	if (items == NULL && absent(v, "item"))
		return NULL;
	if (items != NULL && !absent(v, "item"))
		return "name either item or items";
	if (items != NULL) {
		why = print_items(items, &b);
	} else if (item.n == 0 || item.n > MAX_ID) {
		why = "item is a text of 1 to 128 bytes";
	} else {
		buf_adds(&b, STR("{\"item\":"));
		json_print_string(&b, item);
		buf_addc(&b, '}');
	}
	if (why == NULL)
		ev->details = arena_str(rq->arena, buf_str(&b));
	buf_free(&b);
	return why;
}

/* NULL, or why it is none. */
static const char *
read_event(struct request *rq, const struct conf_shop *shop, const struct value *v, struct event *ev)
{
	static const struct {
		struct str name;
		enum event_type type;
	} TYPES[] = {
		{ STR("converted"), EVENT_CONVERTED },
		{ STR("purchased"), EVENT_PURCHASED },
		{ STR("viewed"), EVENT_VIEWED },
	};
	struct str id = text_of(v, "id"), type = text_of(v, "type");
	struct err e = { 0 };
	const char *why;
	*ev = (struct event){ .class = EVENT_HUMAN, .link = EVENT_NO_LINK };
	for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++)
		if (str_eq(type, TYPES[i].name))
			ev->type = TYPES[i].type;
	if (v->type != VALUE_MAP)
		return "an event is an object";
	if (ev->type == 0)
		return "type is converted, purchased or viewed";
	if (id.n == 0 || id.n > MAX_ID)
		return "id is a text of 1 to 128 bytes, your own for this event";
	if ((why = read_recipient(rq, v, ev)) != NULL || (why = read_value(v, ev)) != NULL ||
	    (why = read_time(rq, v, ev)) != NULL || (why = read_item(rq, v, ev)) != NULL)
		return why;
	const struct str parts[] = { str_of(shop->name), type, id };
	keyed_id(rq->site->epoch->keys, "shop event", parts, 3, ev->idem);
	ev->source = arena_printf(rq->arena, "shop:%s", shop->name);
	ev->reason = STR("shop");
	return event_valid(ev, &e) == 0 ? NULL : arena_cstr(rq->arena, str_of(e.text));
}

/* ---- the batch ---- */

static void
take(struct request *rq, const struct conf_shop *shop, const struct value *list)
{
	const struct conf *conf = rq->site->epoch->conf;
	struct store *s = web_store(rq->web);
	struct event *v = ARENA_ARRAY(rq->arena, struct event, list->list.n);
	size_t n = 0;
	for (size_t i = 0; i < list->list.n; i++) {
		const char *why = read_event(rq, shop, list->list.items[i], &v[n]);
		if (why != NULL) {
			refuse(rq, MHD_HTTP_BAD_REQUEST, (long)i, why);
			return;
		}
		/* An order is the shop's own record; what somebody looks at is tracking. The shop need not
		 * know. */
		if (v[n].type != EVENT_VIEWED || !consent_denied(s, conf, v[n].rk, v[n].campaign, rq->arena))
			n++;
	}
	rq->events = v;
	rq->nevents = n;
	rq->must_record = true;
	respond_json(rq, MHD_HTTP_OK, arena_printf(rq->arena, "{\"accepted\":%zu}\n", list->list.n));
}

void
shop_handle(struct request *rq)
{
	static const struct json_limits limits = { .max_bytes = SHOP_MAX_BODY, .max_depth = 8 };
	const struct value *v;
	struct err e = { 0 };
	if (rq->raw.n > SHOP_MAX_BODY) {
		refuse(rq, MHD_HTTP_CONTENT_TOO_LARGE, -1, "a request has at most 1 MiB");
		return;
	}
	const struct conf_shop *shop = authenticate(rq);
	if (shop == NULL) {
		refuse(rq, MHD_HTTP_UNAUTHORIZED, -1,
		       "not signed by a shop that is known here, or not within five minutes of now");
		return;
	}
	if (json_parse(rq->arena, buf_str(&rq->raw), &limits, &v, &e) != 0) {
		refuse(rq, MHD_HTTP_BAD_REQUEST, -1, e.text);
		return;
	}
	if (v->type == VALUE_MAP && value_map_get(v, STR("events")) != NULL)
		v = value_map_get(v, STR("events"));
	if (v->type != VALUE_LIST || v->list.n == 0 || v->list.n > MAX_EVENTS) {
		refuse(rq, MHD_HTTP_BAD_REQUEST, -1, "the body is {\"events\": [ … ]} with 1 to 1000 events");
		return;
	}
	take(rq, shop, v);
}
