/*
 * optout: unsubscribe. A GET changes nothing, whoever sends it: link scanners follow every
 * link. A POST with List-Unsubscribe=One-Click (RFC 8058) or with the page's own button does, needs no cookie
 * and is answered 200, never with a redirect.
 */
#include <string.h>

#include "web/private.h"

static void
set_text(struct request *rq, struct value *m, const char *key, struct str s)
{
	value_map_set(rq->arena, m, str_of(key), value_string(rq->arena, s));
}

struct str
optout_link(struct request *rq, enum token_purpose purpose)
{
	struct token t = rq->token;
	struct buf out = { 0 };
	struct err e = { 0 };
	struct worker *w = engine_worker_get(rq->site->epoch);
	t.purpose = purpose;
	t.url = STR_NULL;
	buf_printf(&out, "/%c/", purpose);
	int rc = token_seal(w->sealer, &t, &out, &e);
	engine_worker_put(rq->site->epoch, &w);
	struct str link = rc == 0 ? arena_str(rq->arena, buf_str(&out)) : STR_NULL;
	buf_free(&out);
	return link;
}

#define OPTOUTS_OF_ONE 10 /* at once, and in a minute */
#define OPTOUT_US INT64_C(6000000)

bool
optout_counted(struct request *rq)
{
	struct token t;
	struct err e = { 0 };
	int retry_s;
	if (rq->route.kind != ROUTE_UNSUBSCRIBE || rq->route.method != METHOD_POST)
		return false;
	struct worker *w = engine_worker_get(rq->site->epoch);
	int rc = token_open(w->sealer, TOKEN_UNSUBSCRIBE, rq->route.token, rq->arena, &t, &e);
	engine_worker_put(rq->site->epoch, &w);
	return rc == 0 && limiter_try(rq->web->optouts, t.recipient.b, OPTOUTS_OF_ONE, OPTOUT_US,
				      rq->began_us, &retry_s);
}

struct event *
optout_event(struct request *rq, enum event_type type, struct str reason)
{
	struct event *ev = request_event(rq, type);
	rq->must_record = true;
	/* Nobody but the recipient, or his mail provider at his word, sends these. */
	ev->class = EVENT_HUMAN;
	ev->reason = reason;
	return ev;
}

static struct value *
unsubscribe_values(struct request *rq)
{
	struct value *m = value_map_new(rq->arena);
	set_text(rq, m, "category", rq->token.category);
	set_text(rq, m, "preferences", optout_link(rq, TOKEN_PREFERENCES));
	return m;
}

static void
unsubscribe_do(struct request *rq, bool one_click)
{
	struct event *ev = optout_event(rq, EVENT_UNSUBSCRIBED, one_click ? STR("one-click") : STR("page"));
	bool all = !one_click && form_get(rq->form, STR("all")).n > 0;
	ev->once = true;
	rq->change.suppress = true;
	rq->change.category = all ? STR("") : rq->token.category;
	ev->category = rq->change.category;
	if (one_click)
		respond_text(rq, MHD_HTTP_OK, STR("You are unsubscribed.\n"));
	else
		respond_page(rq, MHD_HTTP_OK, PAGE_UNSUBSCRIBED, unsubscribe_values(rq));
}

void
optout_handle(struct request *rq)
{
	if (!request_token(rq, TOKEN_UNSUBSCRIBE))
		return;
	if (rq->route.method != METHOD_POST) {
		respond_page(rq, MHD_HTTP_OK, PAGE_UNSUBSCRIBE, unsubscribe_values(rq));
		return;
	}
	bool one_click = form_has(rq->form, STR("List-Unsubscribe"), STR("One-Click"));
	if (one_click || form_get(rq->form, STR("confirm")).n > 0)
		unsubscribe_do(rq, one_click);
	else
		respond_page(rq, MHD_HTTP_BAD_REQUEST, PAGE_BAD_REQUEST, NULL);
}
