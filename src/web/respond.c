/* respond: answers. Nothing here may be cached or indexed, and no page may load, run or be framed by
 * anything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "web/private.h"

/* A transparent GIF of one pixel. */
static const uint8_t PIXEL[] = { 'G', 'I', 'F', '8', '9',  'a',	 1, 0, 1, 0,	0x80, 0, 0,    0, 0,
				 0,   0,   0,	0,   0x21, 0xf9, 4, 1, 0, 0,	0,    0, 0x2c, 0, 0,
				 0,   0,   1,	0,   1,	   0,	 0, 2, 2, 0x44, 1,    0, 0x3b };

static struct {
	const char *name, *value;
} SECURITY[] = {
	{ "Cache-Control", "no-store, private" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Robots-Tag", "noindex, nofollow" },
	{ "Referrer-Policy", "no-referrer" },
};
static const char PAGE_POLICY[] = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
				  "frame-ancestors 'none'; base-uri 'none'";

static struct MHD_Response *pixel;

static struct MHD_Response *
response_new(const void *bytes, size_t n, enum MHD_ResponseMemoryMode mode, const char *type)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(n, (void *)(uintptr_t)bytes, mode);
	if (r == NULL)
		abort();
	for (size_t i = 0; i < sizeof(SECURITY) / sizeof(SECURITY[0]); i++)
		MHD_add_response_header(r, SECURITY[i].name, SECURITY[i].value);
	if (type != NULL)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return r;
}

void
respond_static(void)
{
	pixel = response_new(PIXEL, sizeof(PIXEL), MHD_RESPMEM_PERSISTENT, "image/gif");
}

void
respond_static_free(void)
{
	MHD_destroy_response(pixel);
	pixel = NULL;
}

static void
answer(struct request *rq, unsigned status, struct MHD_Response *r)
{
	if (rq->response != NULL && rq->response != pixel)
		MHD_destroy_response(rq->response);
	rq->response = r;
	rq->status = status;
}

void
respond_drop(struct request *rq)
{
	answer(rq, 0, NULL);
}

void
respond_header(struct request *rq, const char *name, const char *value)
{
	MHD_add_response_header(rq->response, name, value);
}

void
respond_pixel(struct request *rq)
{
	answer(rq, MHD_HTTP_OK, pixel);
}

void
respond_redirect(struct request *rq, struct str url)
{
	struct MHD_Response *r = response_new("", 0, MHD_RESPMEM_PERSISTENT, NULL);
	/* It refuses line ends and controls: then the URL was none that a browser could follow. */
	if (MHD_add_response_header(r, MHD_HTTP_HEADER_LOCATION, arena_cstr(rq->arena, url)) != MHD_YES) {
		MHD_destroy_response(r);
		respond_page(rq, MHD_HTTP_NOT_FOUND, PAGE_NOT_FOUND, NULL);
		return;
	}
	answer(rq, MHD_HTTP_FOUND, r);
}

void
respond_text(struct request *rq, unsigned status, struct str text)
{
	answer(rq, status, response_new(text.p, text.n, MHD_RESPMEM_MUST_COPY, "text/plain; charset=utf-8"));
}

void
respond_json(struct request *rq, unsigned status, struct str text)
{
	answer(rq, status, response_new(text.p, text.n, MHD_RESPMEM_MUST_COPY, "application/json"));
}

void
respond_page(struct request *rq, unsigned status, enum page page, const struct value *values)
{
	struct buf out = { 0 };
	struct err e = { 0 };
	const struct pages *p = rq->site->pages;
	size_t language = pages_language(p, request_header(rq, "Accept-Language"));
	if (pages_render(p, page, language, values, &out, &e) != 0) {
		log_error("%s", e.text);
		buf_free(&out);
		respond_text(rq, MHD_HTTP_INTERNAL_SERVER_ERROR, STR("This page cannot be shown now.\n"));
		return;
	}
	struct MHD_Response *r =
	    response_new(out.p, out.n, MHD_RESPMEM_MUST_COPY, "text/html; charset=utf-8");
	MHD_add_response_header(r, "Content-Security-Policy", PAGE_POLICY);
	MHD_add_response_header(r, "X-Frame-Options", "DENY");
	MHD_add_response_header(r, "Content-Language", pages_language_tag(p, language));
	MHD_add_response_header(r, "Vary", "Accept-Language");
	buf_free(&out);
	answer(rq, status, r);
}

void
respond_unavailable(struct request *rq)
{
	respond_page(rq, MHD_HTTP_SERVICE_UNAVAILABLE, PAGE_UNAVAILABLE, NULL);
	respond_header(rq, MHD_HTTP_HEADER_RETRY_AFTER, "60");
}
