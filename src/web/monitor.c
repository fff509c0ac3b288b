/* monitor: see monitor.h. */
#include "web/monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "web/listener.h"
#include "web/private.h"

#define CONNECTIONS 16U
#define IDLE_S 10U

struct monitor {
	struct monitor_source source;
	struct MHD_Daemon *daemon;
	char *unix_path;
};

static enum MHD_Result
send_text(struct MHD_Connection *c, unsigned status, struct str text)
{
	struct MHD_Response *r =
	    MHD_create_response_from_buffer(text.n, (void *)(uintptr_t)text.p, MHD_RESPMEM_MUST_COPY);
	if (r == NULL)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
	enum MHD_Result rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result
send_metrics(struct monitor *m, struct MHD_Connection *c)
{
	struct buf out = { 0 };
	m->source.metrics(m->source.ctx, &out);
	enum MHD_Result rc = send_text(c, MHD_HTTP_OK, buf_str(&out));
	buf_free(&out);
	return rc;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
	   const char *data, size_t *n, void **con_cls)
{
	struct monitor *m = cls;
	struct route route;
	(void)version;
	(void)data;
	/* The first call has the header only. */
	if (*con_cls == NULL) {
		*con_cls = m;
		return MHD_YES;
	}
	if (*n > 0) {
		*n = 0;
		return MHD_YES;
	}
	route_find(str_of(method), str_of(url), true, &route);
	if (route.kind == ROUTE_NONE)
		return send_text(c, MHD_HTTP_NOT_FOUND, STR("/metrics, /healthz and /readyz are here\n"));
	if (!route.allowed)
		return send_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, STR("GET and HEAD only\n"));
	if (route.kind == ROUTE_METRICS)
		return send_metrics(m, c);
	if (route.kind == ROUTE_HEALTH)
		return send_text(c, MHD_HTTP_OK, STR("ok\n"));
	return m->source.ready(m->source.ctx)
		   ? send_text(c, MHD_HTTP_OK, STR("ready\n"))
		   : send_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, STR("not ready\n"));
}

struct monitor *
monitor_start(const struct conf_endpoint *at, const struct monitor_source *source, struct err *e)
{
	struct monitor *m = calloc(1, sizeof(*m));
	if (m == NULL)
		abort();
	m->source = *source;
	int fd = listener_open(at, 0660, e);
	if (fd < 0)
		goto failed;
	if (at->unix_path != NULL)
		m->unix_path = strdup(at->unix_path);
	m->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, m,
				     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
				     MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_END);
	if (m->daemon != NULL)
		return m;
	err_set(e, ERR_IO, "cannot start the HTTP server on %s: %s", at->text, strerror(errno));
	close(fd);
failed:
	monitor_stop(&m);
	return NULL;
}

void
monitor_stop(struct monitor **mp)
{
	struct monitor *m = *mp;
	if (m == NULL)
		return;
	*mp = NULL;
	if (m->daemon != NULL)
		MHD_stop_daemon(m->daemon);
	if (m->unix_path != NULL)
		unlink(m->unix_path);
	free(m->unix_path);
	free(m);
}
