/*
 * monitor: /metrics, /healthz and /readyz of another daemon, on a listener of its own, which nothing public
 * leads to. One thread of libmicrohttpd, which calls what it is given.
 */
#ifndef MT_WEB_MONITOR_H
#define MT_WEB_MONITOR_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

struct monitor_source {
	void (*metrics)(void *ctx, struct buf *out); /* Prometheus text */
	bool (*ready)(void *ctx);		     /* can it do its work? */
	void *ctx;
};

struct monitor;
/* NULL with *e. The source must outlive it. A unix socket has mode 0660. */
struct monitor *
monitor_start(const struct conf_endpoint *at, const struct monitor_source *source, struct err *e);
/* Takes NULL; leaves NULL. */
void monitor_stop(struct monitor **m);

#endif
