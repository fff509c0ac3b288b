/* listener: a listening socket as the configuration names it. */
#ifndef MT_WEB_LISTENER_H
#define MT_WEB_LISTENER_H

#include "base/err.h"
#include "conf/conf.h"

/* The descriptor, or -1 with *e. mode: of a unix socket; one that nobody serves any more is replaced. */
int listener_open(const struct conf_endpoint *at, int64_t mode, struct err *e);

#endif
