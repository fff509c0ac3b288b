/*
 * track: the pixel and the redirect. The answer never depends on what can be recorded: keys are enough.
 */
#include <string.h>

#include "web/private.h"

/* What the recipient said of tracking holds for mail already sent, too. */
static bool
tracking_denied(struct request *rq)
{
	return consent_denied(web_store(rq->web), rq->site->epoch->conf, rq->token.recipient.b,
			      rq->token.campaign, rq->arena);
}

static void
track_open(struct request *rq)
{
	if (!request_token(rq, TOKEN_OPEN))
		return;
	respond_pixel(rq);
	if (!tracking_denied(rq))
		request_event(rq, EVENT_OPENED);
}

/*
 * The sender's URL, with an id of this click if the campaign says so. The id is sealed: it says whose click
 * it was to us only.
 */
static struct str
target_url(struct request *rq)
{
	const struct conf_campaign *k = conf_campaign_find(rq->site->epoch->conf, rq->token.campaign);
	struct str url = rq->token.url;
	struct buf out = { 0 };
	struct err e = { 0 };
	if (k == NULL || k->click_id == NULL)
		return url;
	struct token t = rq->token;
	t.purpose = TOKEN_CLICK_ID;
	t.url = t.category = STR_NULL;
	size_t fragment = str_find_char(url, '#');
	buf_adds(&out, str_sub(url, 0, fragment));
	buf_printf(&out, "%c%s=", str_find_char(buf_str(&out), '?') < out.n ? '&' : '?', k->click_id);
	struct worker *w = engine_worker_get(rq->site->epoch);
	int rc = token_seal(w->sealer, &t, &out, &e);
	engine_worker_put(rq->site->epoch, &w);
	buf_adds(&out, str_sub(url, fragment, url.n));
	if (rc == 0)
		url = arena_str(rq->arena, buf_str(&out));
	buf_free(&out);
	return url;
}

static void
track_click(struct request *rq)
{
	if (!request_token(rq, TOKEN_CLICK))
		return;
	/* The URL is the sender's own, out of an authentic token; whatever else it is, a browser goes to no
	 * other scheme from here. */
	if (!str_casestarts(rq->token.url, STR("https://")) &&
	    !str_casestarts(rq->token.url, STR("http://"))) {
		respond_page(rq, MHD_HTTP_NOT_FOUND, PAGE_NOT_FOUND, NULL);
		return;
	}
	/* An id of his click in the shop's address would be tracking by other means: not while nobody can be
	 * asked, either. */
	bool denied = tracking_denied(rq);
	respond_redirect(rq, denied || web_store(rq->web) == NULL ? rq->token.url : target_url(rq));
	if (denied)
		return;
	struct event *ev = request_event(rq, EVENT_CLICKED);
	if (rq->token.link == TOKEN_HONEYPOT_LINK)
		return;
	ev->link = rq->token.link;
	ev->url = rq->token.url;
}

void
track_handle(struct request *rq)
{
	if (rq->route.kind == ROUTE_OPEN)
		track_open(rq);
	else
		track_click(rq);
}
