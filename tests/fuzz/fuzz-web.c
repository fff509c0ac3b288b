/*
 * What the endpoint makes of foreign bytes before it knows whose they are. The first byte chooses:
 *   r  method, a line end, path
 *   a  a User-Agent
 *   l  Accept-Language
 *   q  a line of the queue file
 */
#include <stdlib.h>

#include "web/agent.h"
#include "web/language.h"
#include "web/queue.h"
#include "web/route.h"

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
fuzz_route(struct str s)
{
	size_t end = str_find_char(s, '\n');
	struct route r;
	for (int private = 0; private < 2; private ++) {
		route_find(str_sub(s, 0, end), str_sub(s, end + 1, s.n), private, &r);
		check(r.token.n <= ROUTE_MAX_TOKEN);
		check(r.kind == ROUTE_NONE ? !r.allowed : r.allow != NULL);
		check(!r.allowed || r.method != METHOD_OTHER);
	}
}

static void
fuzz_agent(struct str s)
{
	const char *reason = NULL;
	struct agent_request rq = { .user_agent = s, .purpose = s };
	check(agent_classify(&rq, &reason) <= AGENT_MACHINE && reason != NULL);
	rq.purpose = STR_NULL;
	enum agent_class c = agent_classify(&rq, &reason);
	rq.head = true;
	check(agent_classify(&rq, &reason) == AGENT_MACHINE);
	check(c != AGENT_HUMAN || str_is_ascii(s));
}

/* What is read is written as it is read again. */
static void
fuzz_queue(struct str s)
{
	struct arena *a = arena_new(4096);
	struct queue_entry v, again;
	struct buf one = { 0 }, two = { 0 };
	struct err e = { 0 };
	if (queue_entry_parse(s, a, &v, &e) == 0) {
		queue_entry_print(&v, &one);
		check(queue_entry_parse(buf_str(&one), a, &again, &e) == 0);
		queue_entry_print(&again, &two);
		check(str_eq(buf_str(&one), buf_str(&two)));
		check(memchr(one.p, '\n', one.n) == NULL);
	} else {
		check(e.kind == ERR_CORRUPT);
	}
	buf_free(&one);
	buf_free(&two);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct str tags[] = { STR("de"), STR("en"), STR("zh") };
	if (n == 0 || n > 65536)
		return 0;
	struct str rest = str_make((const char *)data + 1, n - 1);
	switch (data[0]) {
	case 'r':
		fuzz_route(rest);
		break;
	case 'a':
		fuzz_agent(rest);
		break;
	case 'l':
		check(language_choose(rest, tags, 3, 1) < 3);
		break;
	case 'q':
		fuzz_queue(rest);
		break;
	}
	return 0;
}
