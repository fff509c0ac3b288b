/*
 * agent: was it a person, an image proxy or a machine that asked? By what the request itself says; what only
 * several requests together show (bursts), or the time since delivery, is judged in watch.h.
 *
 * human    a mail client or a browser, as far as one request can tell
 * proxy    fetches images for mail clients, whether or not the person looks (Gmail's and Yahoo's image
 * proxies, Apple Mail Privacy Protection …): an open by it says nothing about a person machine  crawlers,
 * link scanners of mail gateways, previews, monitors, HTTP libraries
 *
 * Threads: safe.
 */
#ifndef MT_WEB_AGENT_H
#define MT_WEB_AGENT_H

#include "base/str.h"

enum agent_class { AGENT_HUMAN, AGENT_PROXY, AGENT_MACHINE };

/* What of a request the judgement needs; an absent header is STR_NULL. */
struct agent_request {
	bool head;
	struct str user_agent;
	struct str purpose; /* Sec-Purpose, Purpose, X-Purpose or X-Moz: "prefetch", "preview" */
};

#define AGENT_MAX_USER_AGENT 2048 /* what is longer comes from no mail client */

/* reason: a static text such as "head", "no-user-agent", "crawler", "library", "image-proxy", "browser". */
enum agent_class agent_classify(const struct agent_request *rq, const char **reason);

#endif
