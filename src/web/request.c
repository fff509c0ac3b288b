/* request: what requests have in common. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "token/hex.h"
#include "web/private.h"

struct str
request_header(struct request *rq, const char *name)
{
	return str_of(MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, name));
}

bool
request_token(struct request *rq, enum token_purpose purpose)
{
	struct err e = { 0 };
	struct worker *w = engine_worker_get(rq->site->epoch);
	int opened = token_open(w->sealer, purpose, rq->route.token, rq->arena, &rq->token, &e);
	engine_worker_put(rq->site->epoch, &w);
	if (opened != 0) {
		atomic_fetch_add(&rq->web->metrics.bad_tokens, 1);
		respond_page(rq, MHD_HTTP_NOT_FOUND, PAGE_NOT_FOUND, NULL);
		return false;
	}
	/* Only who holds an authentic token learns that it was one. */
	if (rq->token.expires != 0 && rq->now_ms / 1000 > rq->token.expires) {
		atomic_fetch_add(&rq->web->metrics.bad_tokens, 1);
		respond_page(rq, MHD_HTTP_GONE, PAGE_GONE, NULL);
		return false;
	}
	return true;
}

/* ---- who asks ---- */

/* "203.0.113.9", "2001:db8::1", "[2001:db8::1]:4711", "203.0.113.9:4711", "::ffff:203.0.113.9" → 16 bytes. */
static bool
address_parse(struct str s, uint8_t out[16])
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr four;
	if (s.n > 0 && s.p[0] == '[')
		s = str_sub(s, 1, str_find_char(s, ']'));
	else if (str_find_char(s, '.') < str_find_char(s, ':')) /* "::ffff:203.0.113.9" has it behind */
		s = str_sub(s, 0, str_find_char(s, ':'));
	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET6, text, out) == 1)
		return true;
	if (inet_pton(AF_INET, text, &four) != 1)
		return false;
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, &four, 4);
	return true;
}

/* The peer's own address; false for a unix socket. */
static bool
peer_address(struct request *rq, uint8_t out[16])
{
	const union MHD_ConnectionInfo *i =
	    MHD_get_connection_info(rq->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *sa = i != NULL ? i->client_addr : NULL;
	if (sa != NULL && sa->sa_family == AF_INET6) {
		memcpy(out, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
		return true;
	}
	if (sa != NULL && sa->sa_family == AF_INET) {
		memset(out, 0, 10);
		out[10] = out[11] = 0xff;
		memcpy(out + 12, &((const struct sockaddr_in *)sa)->sin_addr, 4);
		return true;
	}
	memset(out, 0, 16);
	return false;
}

void
request_client(struct request *rq, uint8_t out[16])
{
	const struct conf_track *t = &rq->site->epoch->conf->track;
	bool tcp = peer_address(rq, out);
	struct str list = request_header(rq, "X-Forwarded-For");
	/* From the right: each trusted proxy vouches for the one before it, and for no more. */
	while ((!tcp || conf_nets_hold(t->proxies, t->nproxies, out)) && list.n > 0) {
		size_t comma = list.n;
		uint8_t next[16];
		while (comma > 0 && list.p[comma - 1] != ',')
			comma--;
		if (!address_parse(str_trim(str_sub(list, comma, list.n)), next))
			return;
		memcpy(out, next, 16);
		tcp = true;
		list = str_sub(list, 0, comma > 0 ? comma - 1 : 0);
	}
}

#define CLIENT_LEN 8

/*
 * Tells one client's requests of one day from another's, and nothing more: the key is random, lives in this
 * process only and for that day only.
 */
static void
client_pseudonym(struct request *rq, uint8_t out[CLIENT_LEN])
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static uint8_t key[32];
	static int64_t key_day = -1;
	uint8_t addr[16], salt[32], id[16];
	int64_t day = rq->now_ms / 86400000;
	pthread_mutex_lock(&lock);
	if (day != key_day && getrandom(key, sizeof(key), 0) == sizeof(key))
		key_day = day;
	memcpy(salt, key, sizeof(salt));
	pthread_mutex_unlock(&lock);
	request_client(rq, addr);
	const struct str parts[] = { { (const char *)salt, sizeof(salt) },
				     { (const char *)addr, sizeof(addr) } };
	keyed_id(rq->site->epoch->keys, "client", parts, 2, id);
	memcpy(out, id, CLIENT_LEN);
}

/* ---- what it was ---- */

/* A click or an open within this time of delivery is a gateway's that looks before the reader can. */
#define DELIVERY_MS 2000
/* By so much that machine's clock may be ahead. More, and a clock was set. */
#define CLOCKS_MS 60000

static bool
just_delivered(struct request *rq)
{
	struct store *s = web_store(rq->web);
	struct event_copy copy;
	struct err e = { 0 };
	if (s == NULL || event_copy_get(s, rq->token.recipient.b, rq->token.copy, rq->arena, &copy, &e) != 1)
		return false;
	for (size_t i = 0; i < copy.nfirsts; i++)
		/* Times of delivery are whole seconds of another machine's clock. */
		if (copy.firsts[i].type == EVENT_DELIVERED)
			return rq->now_ms < copy.firsts[i].at_ms + DELIVERY_MS &&
			       rq->now_ms > copy.firsts[i].at_ms - CLOCKS_MS;
	return false;
}

#define KEY_RANDOM (STORE_KEY_LEN - 6)

/*
 * Every request is an event of its own; the key keeps one from being written twice by way of the queue. It
 * begins with the time (as UUID version 7 does, RFC 9562), so that the keys of one commit lie on one page.
 */
static void
idem_make(uint8_t idem[STORE_KEY_LEN], int64_t now_ms)
{
	static _Thread_local uint8_t
	    pool[256 / KEY_RANDOM * KEY_RANDOM]; /* what getrandom gives in one piece */
	static _Thread_local size_t left;
	for (int i = 0; i < 6; i++)
		idem[i] = (uint8_t)(now_ms >> (40 - 8 * i));
	if (left == 0) {
		if (getrandom(pool, sizeof(pool), 0) != sizeof(pool))
			abort();
		left = sizeof(pool);
	}
	left -= KEY_RANDOM;
	memcpy(idem + 6, pool + left, KEY_RANDOM);
}

static bool
is_honeypot(const struct request *rq, const struct event *ev)
{
	return ev->type == EVENT_CLICKED && rq->token.link == TOKEN_HONEYPOT_LINK;
}

/* By this request alone. */
static void
classify_alone(struct request *rq, struct event *ev)
{
	static const enum event_class classes[] = {
		[AGENT_HUMAN] = EVENT_HUMAN, [AGENT_PROXY] = EVENT_PROXY, [AGENT_MACHINE] = EVENT_MACHINE
	};
	struct str purpose = request_header(rq, "Sec-Purpose");
	const char *reason;
	if (purpose.n == 0)
		purpose = request_header(rq, "Purpose");
	if (purpose.n == 0)
		purpose = request_header(rq, "X-Moz");
	const struct agent_request ar = {
		.head = rq->route.method == METHOD_HEAD,
		.user_agent = request_header(rq, "User-Agent"),
		.purpose = purpose,
	};
	ev->class = classes[agent_classify(&ar, &reason)];
	ev->reason = str_of(reason);
	if (is_honeypot(rq, ev)) {
		ev->class = EVENT_MACHINE;
		ev->reason = STR("honeypot");
	}
	if (ev->class == EVENT_HUMAN && (ev->type == EVENT_CLICKED || ev->type == EVENT_OPENED) &&
	    just_delivered(rq)) {
		ev->class = EVENT_MACHINE;
		ev->reason = STR("at-delivery");
	}
}

/* What was told of the copy a moment ago, and was no person's after all, is told again. */
static void
reclassify(struct request *rq, const struct watch_verdict *verdict)
{
	const struct event *ev = rq->events;
	for (size_t i = 0; i < verdict->nearlier; i++) {
		const struct watch_earlier *w = &verdict->earlier[i];
		enum event_type type = w->kind == WATCH_CLICK ? EVENT_CLICKED : EVENT_OPENED;
		struct event *again = &rq->events[rq->nevents++];
		*again = *ev;
		again->type = EVENT_RECLASSIFIED;
		again->class = EVENT_MACHINE;
		again->reason = str_of(verdict->reason);
		again->link = w->kind == WATCH_CLICK ? w->link : EVENT_NO_LINK;
		again->details = arena_printf(rq->arena, "{\"type\":\"%s\"}", event_type_name(type));
		idem_make(again->idem, rq->now_ms);
	}
}

/* By what came before, too. */
static void
classify(struct request *rq, struct event *ev, const uint8_t client[CLIENT_LEN])
{
	classify_alone(rq, ev);
	if (ev->type != EVENT_CLICKED && ev->type != EVENT_OPENED)
		return;
	struct watch_verdict verdict;
	struct watch_request look = {
		.copy = rq->token.copy,
		.kind = ev->type == EVENT_CLICKED ? WATCH_CLICK : WATCH_OPEN,
		.link = rq->token.link,
		.human = ev->class == EVENT_HUMAN,
		.sure = rq->route.method == METHOD_HEAD || is_honeypot(rq, ev),
		.now_ms = rq->now_ms,
	};
	memcpy(&look.client, client, sizeof(look.client));
	watch_look(rq->web->watch, &look, &verdict);
	if (verdict.reason != NULL && ev->class == EVENT_HUMAN) {
		ev->class = EVENT_MACHINE;
		ev->reason = str_of(verdict.reason);
	}
	reclassify(rq, &verdict);
}

struct event *
request_event(struct request *rq, enum event_type type)
{
	struct event *ev = rq->events = ARENA_ARRAY(rq->arena, struct event, 1 + WATCH_KEPT);
	struct buf details = { 0 };
	uint8_t client[CLIENT_LEN];
	client_pseudonym(rq, client);
	buf_adds(&details, STR("{\"client\":\""));
	hex_print(&details, client, sizeof(client));
	buf_adds(&details, STR("\"}"));
	*ev = (struct event){
		.at_ms = rq->now_ms,
		.type = type,
		.campaign = rq->token.campaign,
		.arm = rq->token.arm,
		.category = rq->token.category,
		.source = STR("trackd"),
		.link = EVENT_NO_LINK,
		.details = arena_str(rq->arena, buf_str(&details)),
	};
	buf_free(&details);
	rq->nevents = 1;
	memcpy(ev->rk, rq->token.recipient.b, sizeof(ev->rk));
	memcpy(ev->copy, rq->token.copy, sizeof(ev->copy));
	idem_make(ev->idem, rq->now_ms);
	classify(rq, ev, client);
	return ev;
}
