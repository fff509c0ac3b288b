/*
 * owndata: "export my data" and "erase me". Mails get forwarded, so a link alone shows nothing: the address
 * has to be typed in, and its keyed hash has to be the token's. Whoever guesses has a few attempts for each
 * recipient and for his network, right ones counted too; a wrong address is told from no address by nothing.
 */
#include "audit/audit.h"
#include "base/json.h"
#include "base/log.h"
#include "web/private.h"

#define HOUR_US INT64_C(3600000000)
#define TRIES_OF_ONE 5	   /* at once, and in an hour */
#define TRIES_FROM_NEAR 20 /* from a /24 of IPv4 or a /48 of IPv6 */

/* Who clicks his own link all day makes a million of them; an administrator can hand out all. */
#define EVENTS_MAX 10000

static void
near(struct request *rq, uint8_t net[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	request_client(rq, net);
	if (memcmp(net, mapped, sizeof(mapped)) == 0)
		net[15] = 0;
	else
		memset(net + 6, 0, 10);
}

static bool
may_try(struct request *rq)
{
	struct web *w = rq->web;
	uint8_t net[16];
	char seconds[16];
	int retry_s = 1;
	near(rq, net);
	if (limiter_try(w->tries_from_near, net, TRIES_FROM_NEAR, HOUR_US / TRIES_FROM_NEAR, rq->began_us,
			&retry_s) &&
	    limiter_try(w->tries_of_one, rq->token.recipient.b, TRIES_OF_ONE, HOUR_US / TRIES_OF_ONE,
			rq->began_us, &retry_s))
		return true;
	atomic_fetch_add(&w->metrics.limited, 1);
	respond_page(rq, MHD_HTTP_TOO_MANY_REQUESTS, PAGE_TRIES, NULL);
	snprintf(seconds, sizeof(seconds), "%d", retry_s);
	respond_header(rq, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	return false;
}

static bool
matches(struct request *rq, struct str address)
{
	struct recipient_key rk;
	struct str normal;
	struct err e = { 0 };
	uint8_t differs = 0;
	bool ok = address_normalize(rq->arena, address, &normal, &e) == 0;
	recipient_key_of(rq->site->epoch->keys, ok ? normal : STR(""), &rk);
	for (size_t i = 0; i < sizeof(rk.b); i++)
		differs |= rk.b[i] ^ rq->token.recipient.b[i];
	return ok && differs == 0;
}

/* Is the typed address the one that this mail was sent to? Telephones begin words with a capital: then
 * *address becomes what matches. */
static bool
is_his(struct request *rq, struct str *address)
{
	if (matches(rq, *address))
		return true;
	char *lower = arena_alloc(rq->arena, address->n + 1);
	for (size_t i = 0; i < address->n; i++)
		lower[i] = ascii_lower(address->p[i]);
	*address = str_make(lower, address->n);
	return matches(rq, *address);
}

static void
tell(struct request *rq, const char *what)
{
	char hex[33];
	recipient_key_hex(&rq->token.recipient, hex);
	log_info("recipient=%s: what is held %s at his own wish", hex, what);
}

/* Reads much, and the audit log may be locked by somebody: not in a thread that others' opens wait for. */
static void
hand_out(struct request *rq)
{
	struct epoch *ep = rq->site->epoch;
	struct store *s = web_store(rq->web);
	struct err e = { 0 };
	struct buf out = { 0 };
	if (s == NULL) {
		respond_unavailable(rq);
		return;
	}
	const struct audit_entry en = { .action = AUDIT_PRIVACY_EXPORT,
					.at_ms = rq->now_ms,
					.actor = STR("recipient"),
					.subject = rq->token.recipient.b };
	if (audit_append(ep->conf->state.directory, &en, 1, NULL, &e) != 0) {
		log_error("nobody's data is handed out while the audit log cannot tell of it: %s", e.text);
		respond_unavailable(rq);
		return;
	}
	/* What happened a moment ago may wait to be moved into the log; it is the mover's own trouble if not.
	 */
	event_settle(s, &e);
	struct worker *w = engine_worker_get(ep);
	const struct recipient_source src = {
		.store = s, .keys = ep->keys, .sealer = w->sealer, .conf = ep->conf
	};
	const struct value *v = recipient_export(&src, rq->address, EVENTS_MAX, rq->arena, &e);
	engine_worker_put(ep, &w);
	if (v == NULL) {
		log_error("a recipient's data cannot be read: %s", e.text);
		respond_unavailable(rq);
		return;
	}
	json_print_pretty(&out, v);
	buf_addc(&out, '\n');
	respond_json(rq, MHD_HTTP_OK, buf_str(&out));
	buf_free(&out);
	respond_header(rq, MHD_HTTP_HEADER_CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\"");
	tell(rq, "is handed out");
}

/*
 * What stays is what keeps mail and recording from starting again: the suppression and the refusal of
 * tracking, under a hash. The event names nobody.
 */
static void
erase(struct request *rq)
{
	struct consent_record *c = ARENA_NEW(rq->arena, struct consent_record);
	struct event *ev = optout_event(rq, EVENT_UNSUBSCRIBED, STR("erased"));
	memset(ev->rk, 0, sizeof(ev->rk));
	memset(ev->copy, 0, sizeof(ev->copy));
	ev->details = STR_NULL;
	*c = (struct consent_record){ STR("tracking"), CONSENT_DENIED, rq->now_ms, STR(CONSENT_ERASED) };
	rq->change = (struct queue_entry){ .erase = true, .suppress = true, .category = STR("") };
	rq->change.consents = c;
	rq->change.nconsents = 1;
	respond_page(rq, MHD_HTTP_OK, PAGE_ERASED, NULL);
	tell(rq, "is erased");
}

bool
owndata_handle(struct request *rq)
{
	bool wants_data = form_get(rq->form, STR("export")).n > 0;
	bool wants_out = form_get(rq->form, STR("erase")).n > 0;
	struct str address = str_trim(form_get(rq->form, STR("address")));
	if (!wants_data && !wants_out)
		return false;
	if (!may_try(rq))
		return true;
	if (!is_his(rq, &address)) {
		struct value *m = value_map_new(rq->arena);
		value_map_set(rq->arena, m, STR("preferences"),
			      value_string(rq->arena, optout_link(rq, TOKEN_PREFERENCES)));
		respond_page(rq, MHD_HTTP_FORBIDDEN, PAGE_WRONG_ADDRESS, m);
	} else if (wants_out) {
		erase(rq);
	} else {
		rq->address = address;
		rq->later = hand_out;
	}
	return true;
}
