/*
 * route: which page or endpoint a request asks for. Pure: method and path in, a route out; the path is
 * foreign bytes as libmicrohttpd hands it over (decoded, NUL-terminated).
 */
#ifndef MT_WEB_ROUTE_H
#define MT_WEB_ROUTE_H

#include "base/str.h"

enum route_kind {
	ROUTE_NONE,	   /* there is no such page: 404 */
	ROUTE_OPEN,	   /* GET /o/TOKEN: the pixel */
	ROUTE_CLICK,	   /* GET /c/TOKEN: the redirect */
	ROUTE_UNSUBSCRIBE, /* GET, POST /u/TOKEN */
	ROUTE_PREFERENCES, /* GET, POST /p/TOKEN */
	ROUTE_EVENTS,	   /* POST /v1/events */
	ROUTE_ROBOTS,	   /* GET /robots.txt */
	ROUTE_METRICS,	   /* private: GET /metrics */
	ROUTE_HEALTH,	   /* private: GET /healthz */
	ROUTE_READY,	   /* private: GET /readyz */
	ROUTE_KINDS
};

enum route_method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OTHER };

/* A longer token is none: the longest holds a URL of TOKEN_MAX_URL bytes. */
#define ROUTE_MAX_TOKEN 12000

struct route {
	enum route_kind kind;
	enum route_method method;
	bool allowed;	   /* the route takes this method; else 405 with `allow` */
	const char *allow; /* "GET, HEAD" …; NULL for ROUTE_NONE */
	struct str token;  /* of the four token routes; borrows the path; what it holds is not checked */
};

/* listener: does the path arrive on the private listener? The two have no route in common. */
void route_find(struct str method, struct str path, bool private_listener, struct route *out);

/* "open", "click" … for metrics; "none" for ROUTE_NONE. */
const char *route_name(enum route_kind k);

#endif
