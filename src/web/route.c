/* route: see route.h. */
#include "web/route.h"

#define READS "GET, HEAD"
#define BOTH "GET, HEAD, POST"
#define WRITES "POST"

static const struct {
	struct str path;
	enum route_kind kind;
	bool private_listener, token, reads, writes;
	const char *allow, *name;
} ROUTES[] = {
	{ STR("/o/"), ROUTE_OPEN, false, true, true, false, READS, "open" },
	{ STR("/c/"), ROUTE_CLICK, false, true, true, false, READS, "click" },
	{ STR("/u/"), ROUTE_UNSUBSCRIBE, false, true, true, true, BOTH, "unsubscribe" },
	{ STR("/p/"), ROUTE_PREFERENCES, false, true, true, true, BOTH, "preferences" },
	{ STR("/v1/events"), ROUTE_EVENTS, false, false, false, true, WRITES, "events" },
	{ STR("/robots.txt"), ROUTE_ROBOTS, false, false, true, false, READS, "robots" },
	{ STR("/metrics"), ROUTE_METRICS, true, false, true, false, READS, "metrics" },
	{ STR("/healthz"), ROUTE_HEALTH, true, false, true, false, READS, "health" },
	{ STR("/readyz"), ROUTE_READY, true, false, true, false, READS, "ready" },
};
#define NROUTES (sizeof(ROUTES) / sizeof(ROUTES[0]))

static enum route_method
method_of(struct str m)
{
	return str_eq(m, STR("GET"))	? METHOD_GET
	       : str_eq(m, STR("HEAD")) ? METHOD_HEAD
	       : str_eq(m, STR("POST")) ? METHOD_POST
					: METHOD_OTHER;
}

void
route_find(struct str method, struct str path, bool private_listener, struct route *out)
{
	*out = (struct route){ .method = method_of(method) };
	for (size_t i = 0; i < NROUTES; i++) {
		struct str rest = str_sub(path, ROUTES[i].path.n, path.n);
		if (ROUTES[i].private_listener != private_listener || !str_starts(path, ROUTES[i].path))
			continue;
		if (ROUTES[i].token ? rest.n == 0 || rest.n > ROUTE_MAX_TOKEN : rest.n > 0)
			continue;
		out->kind = ROUTES[i].kind;
		out->allow = ROUTES[i].allow;
		out->allowed = out->method == METHOD_POST ? ROUTES[i].writes
							  : ROUTES[i].reads && out->method != METHOD_OTHER;
		if (ROUTES[i].token)
			out->token = rest;
		return;
	}
}

const char *
route_name(enum route_kind k)
{
	for (size_t i = 0; i < NROUTES; i++)
		if (ROUTES[i].kind == k)
			return ROUTES[i].name;
	return "none";
}
