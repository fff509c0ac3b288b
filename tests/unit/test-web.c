/* What of the endpoint is pure, or needs no network: routes, agents, languages, limits, bursts, the queue. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "web/agent.h"
#include "web/language.h"
#include "web/limit.h"
#include "web/queue.h"
#include "web/route.h"
#include "web/watch.h"

static void
test_routes(void **state)
{
	static const struct {
		const char *method, *path;
		bool private;
		enum route_kind kind;
		bool allowed;
		const char *token;
	} V[] = {
		{ "GET", "/o/abc", false, ROUTE_OPEN, true, "abc" },
		{ "HEAD", "/c/abc", false, ROUTE_CLICK, true, "abc" },
		{ "POST", "/c/abc", false, ROUTE_CLICK, false, "abc" },
		{ "POST", "/o/abc", false, ROUTE_OPEN, false, "abc" },
		{ "GET", "/u/abc", false, ROUTE_UNSUBSCRIBE, true, "abc" },
		{ "POST", "/u/abc", false, ROUTE_UNSUBSCRIBE, true, "abc" },
		{ "DELETE", "/u/abc", false, ROUTE_UNSUBSCRIBE, false, "abc" },
		{ "get", "/u/abc", false, ROUTE_UNSUBSCRIBE, false, "abc" },
		{ "POST", "/p/a/b", false, ROUTE_PREFERENCES, true, "a/b" },
		{ "GET", "/o/", false, ROUTE_NONE, false, NULL },
		{ "GET", "/o", false, ROUTE_NONE, false, NULL },
		{ "GET", "", false, ROUTE_NONE, false, NULL },
		{ "GET", "o/abc", false, ROUTE_NONE, false, NULL },
		{ "GET", "//o/abc", false, ROUTE_NONE, false, NULL },
		{ "GET", "/robots.txt", false, ROUTE_ROBOTS, true, NULL },
		{ "GET", "/robots.txt/", false, ROUTE_NONE, false, NULL },
		{ "GET", "/metrics", false, ROUTE_NONE, false, NULL },
		{ "GET", "/metrics", true, ROUTE_METRICS, true, NULL },
		{ "GET", "/healthz", true, ROUTE_HEALTH, true, NULL },
		{ "POST", "/readyz", true, ROUTE_READY, false, NULL },
		{ "GET", "/o/abc", true, ROUTE_NONE, false, NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		struct route r;
		route_find(str_of(V[i].method), str_of(V[i].path), V[i].private, &r);
		if (r.kind != V[i].kind || r.allowed != V[i].allowed ||
		    !str_eq(r.token, str_of(V[i].token)) || (r.kind != ROUTE_NONE) != (r.allow != NULL))
			fail_msg("%s %s", V[i].method, V[i].path);
	}
	char *longest = malloc(ROUTE_MAX_TOKEN + 5);
	struct route r;
	memset(longest, 'a', ROUTE_MAX_TOKEN + 4);
	memcpy(longest, "/c/", 3);
	longest[ROUTE_MAX_TOKEN + 4] = '\0';
	route_find(STR("GET"), str_of(longest), false, &r);
	assert_int_equal(r.kind, ROUTE_NONE);
	longest[ROUTE_MAX_TOKEN + 3] = '\0';
	route_find(STR("GET"), str_of(longest), false, &r);
	assert_int_equal(r.kind, ROUTE_CLICK);
	free(longest);
}

static void
test_agents(void **state)
{
	static const struct {
		struct agent_request rq;
		enum agent_class class;
		const char *reason;
	} V[] = {
#define UA(s) .user_agent = STR(s)
		{ { UA("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 "
		       "Thunderbird/128.5.0") },
		  AGENT_HUMAN,
		  "known-agent" },
		{ { UA("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 "
		       "Thunderbird/128.5.0"),
		    .head = true },
		  AGENT_MACHINE,
		  "head" },
		{ { UA("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"),
		    .purpose = STR("prefetch;anonymous-client-ip") },
		  AGENT_MACHINE,
		  "prefetch" },
		{ { UA("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com "
		       "GoogleImageProxy)") },
		  AGENT_PROXY,
		  "image-proxy" },
		{ { UA("Mozilla/5.0") }, AGENT_PROXY, "apple-privacy" },
		{ { UA("") }, AGENT_MACHINE, "no-user-agent" },
		{ { .head = false }, AGENT_MACHINE, "no-user-agent" },
		{ { UA("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 "
		       "Safari/537.36 Newcomer/1.0") },
		  AGENT_MACHINE,
		  "unknown-agent" },
		{ { UA("Mozilla/5.0 (X11; Newcomer; Linux x86_64) Gecko/20100101 Firefox/130.0") },
		  AGENT_MACHINE,
		  "unknown-agent" },
		{ { UA("Mozilla/5.0 (compatible; AnyBot/1.0)") }, AGENT_MACHINE, "crawler" },
		{ { UA("Mozilla/5.0 (X11; Linux x86_64") }, AGENT_MACHINE, "unknown-agent" },
		{ { UA("Mozilla/5.0 \xc3\xa9") }, AGENT_MACHINE, "odd-user-agent" },
		{ { UA("(((((((") }, AGENT_MACHINE, "unknown-agent" },
#undef UA
	};
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		const char *reason = NULL;
		enum agent_class c = agent_classify(&V[i].rq, &reason);
		if (c != V[i].class || strcmp(reason, V[i].reason) != 0)
			fail_msg("%.*s: %d %s", STR_ARG(V[i].rq.user_agent), c, reason);
	}
}

static void
test_languages(void **state)
{
	static const struct str tags[] = { STR("de"), STR("en"), STR("fr"), STR("zh") };
	static const struct {
		const char *accept;
		const char *tag;
	} V[] = {
		{ NULL, "en" },
		{ "", "en" },
		{ "de", "de" },
		{ "de-AT,de;q=0.9,en;q=0.8", "de" },
		{ "en;q=0.1, fr", "fr" },
		{ "fr;q=0.1, en;q=0.101", "en" },
		{ "zh-Hant-TW, en;q=0.5", "zh" },
		{ "it, es", "en" },
		{ "fr;q=0, *", "en" },
		{ "fr;q=0", "en" },
		{ "FR", "fr" },
		{ ",,,;;;q=,=", "en" },
		{ "de;q=1.0;level=1", "de" },
		{ "de;q=nan, fr;q=0.001", "fr" },
		{ "de;q=9, fr;q=0.001", "fr" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(V) / sizeof(V[0]); i++) {
		size_t at = language_choose(str_of(V[i].accept), tags, 4, 1);
		if (!str_eq(tags[at], str_of(V[i].tag)))
			fail_msg("%s → %s", V[i].accept, tags[at].p);
	}
}

static void
client(uint8_t addr[16], uint32_t n)
{
	memset(addr, 0, 16);
	addr[10] = addr[11] = 0xff;
	memcpy(addr + 12, &n, 4);
}

static void
test_limit(void **state)
{
	struct limiter *l = limiter_new();
	uint8_t a[16], b[16];
	int retry = 0;
	(void)state;
	client(a, 1);
	client(b, 2);
	/* 60 a minute: 15 at once, then one a second. */
	for (int i = 0; i < 15; i++)
		assert_true(limiter_take(l, a, 60, 1000000, &retry));
	assert_false(limiter_take(l, a, 60, 1000000, &retry));
	assert_in_range(retry, 1, 2);
	assert_true(limiter_take(l, b, 60, 1000000, &retry));
	assert_true(limiter_take(l, a, 60, 2000001, &retry));
	assert_false(limiter_take(l, a, 60, 2000001, &retry));
	assert_true(limiter_take(l, a, 0, 2000001, &retry));
	/* IPv6: one /64 is one client. */
	uint8_t c[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 7, 1 }, d[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 7, 2 };
	assert_true(limiter_take(l, c, 4, 1, &retry));
	assert_false(limiter_take(l, d, 4, 1, &retry));
	d[7] = 8;
	assert_true(limiter_take(l, d, 4, 1, &retry));
	/* What is tried rarely: twice at once, then one a minute. */
	client(b, 3);
	for (int i = 0; i < 2; i++)
		assert_true(limiter_try(l, b, 2, 60000000, 1000000, &retry));
	assert_false(limiter_try(l, b, 2, 60000000, 31000000, &retry));
	assert_in_range(retry, 30, 31);
	assert_true(limiter_try(l, b, 2, 60000000, 61000000, &retry));
	/* More addresses than it has room for: nobody is refused for that. */
	for (uint32_t i = 0; i < 200000; i++) {
		client(a, i + 10);
		assert_true(limiter_take(l, a, 60, 3000000, &retry));
	}
	limiter_free(&l);
	assert_null(l);
}

static const char *
look(struct watch *w, uint8_t copy, enum watch_kind kind, int link, uint64_t client, int64_t at,
     struct watch_verdict *v)
{
	const uint8_t id[8] = { copy };
	const struct watch_request rq = {
		.copy = id, .kind = kind, .link = link, .client = client, .human = true, .now_ms = at
	};
	watch_look(w, &rq, v);
	return v->reason;
}

static void
test_burst(void **state)
{
	struct watch *w = watch_new();
	struct watch_verdict v;
	(void)state;
	/* The same link again and again is no burst; four within five seconds are. */
	for (int i = 0; i < 6; i++)
		assert_null(look(w, 1, WATCH_CLICK, 0, 7, 1000 + i, &v));
	assert_null(look(w, 1, WATCH_OPEN, 0, 8, 1050, &v));
	assert_null(look(w, 1, WATCH_CLICK, 1, 7, 1100, &v));
	assert_null(look(w, 1, WATCH_CLICK, 2, 7, 1200, &v));
	assert_null(look(w, 9, WATCH_CLICK, 3, 7, 1200, &v));
	assert_string_equal(look(w, 1, WATCH_CLICK, 3, 7, 1300, &v), "burst");
	/* The clicks before it were the machine's, too, as many as are remembered; another's open was not. */
	assert_int_equal(v.nearlier, WATCH_KEPT - 1);
	for (size_t i = 0; i < v.nearlier; i++)
		assert_int_equal(v.earlier[i].kind, WATCH_CLICK);
	assert_int_equal(v.earlier[6].link, 1);
	/* It goes on until it is quiet; each is told once. */
	assert_string_equal(look(w, 1, WATCH_CLICK, 0, 7, 1300 + WATCH_MS - 1, &v), "burst");
	assert_int_equal(v.nearlier, 0);
	assert_null(look(w, 1, WATCH_CLICK, 0, 7, 1300 + 3 * WATCH_MS, &v));
	/* Nor does one whose clock is set back in the middle click at once what he clicks later. */
	for (int i = 0; i < 20; i++)
		assert_null(look(w, 5, WATCH_CLICK, i, 7, i == 0 ? 90000000 : 100000 + i * 2500, &v));
	/* A reader takes his time. */
	for (int i = 0; i < 20; i++)
		assert_null(look(w, 4, WATCH_CLICK, i, 7, 100000 + i * 2500, &v));
	watch_free(&w);
}

static void
test_scanner(void **state)
{
	struct watch *w = watch_new();
	struct watch_verdict v;
	const uint8_t copy[8] = { 1 };
	(void)state;
	assert_null(look(w, 1, WATCH_OPEN, 0, 7, 1000, &v));
	assert_null(look(w, 1, WATCH_CLICK, 5, 7, 1001, &v));
	assert_null(look(w, 1, WATCH_CLICK, 6, 8, 1002, &v)); /* somebody else */
	const struct watch_request head = {
		.copy = copy, .kind = WATCH_CLICK, .link = 5, .client = 7, .sure = true, .now_ms = 1003
	};
	watch_look(w, &head, &v);
	assert_string_equal(v.reason, "scanner");
	assert_int_equal(v.nearlier, 2);
	assert_int_equal(v.earlier[0].kind, WATCH_OPEN);
	assert_int_equal(v.earlier[1].link, 5);
	assert_string_equal(look(w, 1, WATCH_OPEN, 0, 7, 4000, &v), "scanner");
	assert_null(look(w, 1, WATCH_CLICK, 6, 8, 4001, &v));
	assert_null(look(w, 2, WATCH_CLICK, 6, 7, 4002, &v)); /* another copy */
	assert_null(look(w, 1, WATCH_CLICK, 5, 7, 4001 + WATCH_MS, &v));
	watch_free(&w);
}

/* ---- the queue ---- */

static char path[] = "/tmp/mailtailor-queue-XXXXXX";

static struct event
some_event(int i)
{
	struct event ev = {
		.at_ms = 1764000000000 + i,
		.type = EVENT_CLICKED,
		.class = EVENT_HUMAN,
		.reason = STR("known-agent"),
		.campaign = STR("spring"),
		.arm = STR("blue \"quoted\""),
		.source = STR("trackd"),
		.link = i % 7 - 1,
		.url = STR("https://shop.example/?a=1&b=\xc3\xa9\n"),
	};
	ev.rk[0] = (uint8_t)i;
	ev.copy[7] = 1;
	ev.idem[0] = (uint8_t)(i >> 8);
	ev.idem[1] = 1;
	return ev;
}

struct got {
	size_t n, fail_at, changes;
};

static int
take(void *ctx, const struct queue_entry *v, size_t n, struct err *e)
{
	struct got *g = ctx;
	for (size_t i = 0; i < n; i++) {
		if (g->fail_at > 0 && g->n == g->fail_at)
			return err_set(e, ERR_TEMP, "not now");
		if (!v[i].has_event) {
			assert_true(v[i].erase && v[i].suppress);
			assert_true(str_eq(v[i].category, STR("promo")));
			assert_int_equal(v[i].nconsents, 1);
			assert_int_equal(v[i].consents[0].state, CONSENT_DENIED);
			assert_true(str_eq(v[i].consents[0].topic, STR("tracking")));
			assert_int_equal(v[i].nlifted, 1);
			assert_int_equal(v[i].rk[3], 77);
			g->changes++;
			continue;
		}
		struct event want = some_event((int)g->n), ev = v[i].event;
		assert_int_equal(ev.at_ms, want.at_ms);
		assert_int_equal(ev.type, want.type);
		assert_int_equal(ev.class, want.class);
		assert_int_equal(ev.link, want.link);
		assert_true(str_eq(ev.url, want.url) && str_eq(ev.arm, want.arm) &&
			    str_eq(ev.reason, want.reason));
		assert_memory_equal(ev.rk, want.rk, sizeof(ev.rk));
		assert_memory_equal(ev.copy, want.copy, sizeof(ev.copy));
		assert_memory_equal(ev.idem, want.idem, sizeof(ev.idem));
		g->n++;
	}
	return 0;
}

static void
write_some(struct queue *q, int from, int n)
{
	struct queue_entry v[100];
	struct err e = { 0 };
	for (int i = 0; i < n; i++)
		v[i] = (struct queue_entry){ .has_event = true, .event = some_event(from + i) };
	assert_int_equal(queue_write(q, v, (size_t)n, &e), 0);
}

static void
test_queue(void **state)
{
	struct err e = { 0 };
	struct got g = { 0 };
	struct stat st;
	(void)state;
	close(mkstemp(path));
	struct queue *q = queue_open(path, &e);
	assert_non_null(q);
	assert_true(queue_empty(q));
	write_some(q, 0, 100);
	write_some(q, 100, 50);
	assert_false(queue_empty(q));
	struct queue *second = queue_open(path, &e);
	assert_null(second);
	assert_int_equal(e.kind, ERR_TEMP);
	/* What cannot be taken stays, and is what comes next; who comes after a crash begins anew. */
	g.fail_at = 120;
	assert_int_equal(queue_drain(q, QUEUE_EVENTS, 40, take, &g, &e), -1);
	assert_int_equal(queue_clear(q, &e), 0);
	assert_false(queue_empty(q));
	g = (struct got){ .n = 120 };
	assert_int_equal(queue_drain(q, QUEUE_EVENTS, 40, take, &g, &e), 0);
	assert_int_equal(g.n, 150);
	queue_close(&q);
	q = queue_open(path, &e);
	assert_non_null(q);
	g = (struct got){ 0 };
	assert_int_equal(queue_drain(q, QUEUE_EVENTS, 40, take, &g, &e), 0);
	assert_int_equal(g.n, 150);
	assert_int_equal(queue_clear(q, &e), 0);
	assert_false(queue_empty(q)); /* nobody looked for changes */
	assert_int_equal(queue_drain(q, QUEUE_CHANGES, 40, take, &g, &e), 0);
	assert_int_equal(queue_clear(q, &e), 0);
	assert_true(queue_empty(q));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	/* A half line at the end was never answered; other rubbish does not stop what follows. */
	write_some(q, 0, 3);
	static const struct consent_record c = { STR("tracking"), CONSENT_DENIED, 5, STR("preferences") };
	static const struct str lifted = STR("news");
	struct queue_entry change = { .erase = true,
				      .suppress = true,
				      .category = STR("promo"),
				      .consents = &c,
				      .nconsents = 1,
				      .lifted = &lifted,
				      .nlifted = 1,
				      .at_ms = 5 };
	change.rk[3] = 77;
	assert_int_equal(queue_write(q, &change, 1, &e), 0);
	queue_close(&q);
	int fd = open(path, O_WRONLY | O_APPEND);
	static const char rubbish[] =
	    "rubbish\n{\"type\":\"clicked\"}\n[]\n{\"type\":\"opened\",\"class\":\"hu";
	assert_int_equal(write(fd, rubbish, sizeof(rubbish) - 1), sizeof(rubbish) - 1);
	close(fd);
	q = queue_open(path, &e);
	assert_non_null(q);
	write_some(q, 3, 2);
	g = (struct got){ 0 };
	assert_int_equal(queue_drain(q, QUEUE_CHANGES, 1, take, &g, &e), 0);
	assert_int_equal(g.n, 0);
	assert_int_equal(g.changes, 1);
	assert_int_equal(queue_drain(q, QUEUE_EVENTS, 40, take, &g, &e), 0);
	assert_int_equal(g.n, 5);
	assert_int_equal(g.changes, 1);
	/* What is written now is handed over, and nothing twice. */
	write_some(q, 5, 1);
	assert_int_equal(queue_drain(q, QUEUE_CHANGES, 1, take, &g, &e), 0);
	assert_int_equal(queue_drain(q, QUEUE_EVENTS, 40, take, &g, &e), 0);
	assert_int_equal(g.n, 6);
	assert_int_equal(g.changes, 1);
	assert_int_equal(queue_clear(q, &e), 0);
	assert_true(queue_empty(q));
	queue_close(&q);
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),	  cmocka_unit_test(test_agents),
		cmocka_unit_test(test_languages), cmocka_unit_test(test_limit),
		cmocka_unit_test(test_burst),	  cmocka_unit_test(test_scanner),
		cmocka_unit_test(test_queue),
	};
	return cmocka_run_group_tests_name("web", tests, NULL, NULL);
}
