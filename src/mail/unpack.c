/*
 * unpack: a part's content as bytes, whatever it is: transfer encoding undone, gzip (RFC 1952) or zstd (RFC
 * 8878) unpacked. Packed bytes are hostile: a thousandth of its size may be all that is there of a bomb, so
 * what comes out is bounded, and so is the memory that unpacking takes.
 */
#include <zlib.h>
#include <zstd.h>

#include "mail/mail_private.h"

#define STEP ((size_t)256 << 10)
#define QP_CHUNK ((size_t)64 << 10)
#define QP_LINE_MAX ((size_t)1 << 20)
#define ZSTD_WINDOW_LOG 26 /* 64 MB; levels up to 19 need 8 */

/* ---- transfer encoding ---- */

/* In chunks of whole lines: a soft break, and the padding before a line end, lie within one. */
static int
qp_undo(struct str raw, struct buf *out, struct err *e)
{
	struct buf at = { 0 };
	int rc = 0;
	while (raw.n > 0 && rc == 0) {
		size_t n = raw.n <= QP_CHUNK
			       ? raw.n
			       : QP_CHUNK + str_find_char(str_sub(raw, QP_CHUNK, raw.n), '\n') + 1;
		n = n < raw.n ? n : raw.n;
		if (n > QP_CHUNK + QP_LINE_MAX) {
			rc = err_set(e, ERR_INPUT,
				     "a line of its quoted-printable is over 1 MB; send it as base64");
			break;
		}
		buf_reset(&at);
		buf_reserve(&at, (n + 1) * sizeof(uint32_t));
		buf_reserve(out, n + 1);
		out->n += mail_qp_decode(str_sub(raw, 0, n), out->p + out->n, (uint32_t *)(void *)at.p);
		out->p[out->n] = '\0';
		raw = str_sub(raw, n, raw.n);
	}
	buf_free(&at);
	return rc;
}

int
mail_body_decode(const struct mail_part *p, struct str raw, struct buf *out, struct err *e)
{
	size_t n = 0;
	switch (p->cte) {
	case MAIL_CTE_QP:
		return qp_undo(raw, out, e);
	case MAIL_CTE_BASE64:
		buf_reserve(out, raw.n + 1);
		if (mail_base64_decode(raw, out->p + out->n, &n) != 0)
			return err_set(e, ERR_INPUT, "its base64 is cut or damaged; encode it anew");
		out->n += n;
		out->p[out->n] = '\0';
		return 0;
	case MAIL_CTE_OTHER:
		return err_set(
		    e, ERR_INPUT,
		    "its Content-Transfer-Encoding is not known; write base64 or quoted-printable");
	default:
		buf_adds(out, raw);
		return 0;
	}
}

/* ---- gzip ---- */

static int
too_large(size_t max, struct err *e)
{
	return err_set(e, ERR_LIMIT, "unpacked it is over %zu MB; make it smaller", max >> 20);
}

static int
damaged(const char *what, struct err *e)
{
	return err_set(e, ERR_INPUT, "its %s is cut or damaged; pack it anew", what);
}

/* One buffer of output. What inflate says. */
static int
gzip_step(z_stream *z, size_t room, struct buf *out)
{
	size_t step = room < STEP ? room : STEP;
	buf_reserve(out, step);
	z->next_out = (Bytef *)out->p + out->n;
	z->avail_out = (uInt)step;
	int rc = inflate(z, Z_NO_FLUSH);
	out->n += step - z->avail_out;
	return rc;
}

static int
gzip_undo(struct str s, size_t max, struct buf *out, struct err *e)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)s.p, .avail_in = (uInt)s.n };
	size_t start = out->n;
	int rc = inflateInit2(&z, 15 + 16); /* a gzip header and nothing else */
	if (rc != Z_OK)
		return err_set(e, ERR_TEMP, "there is no memory to unpack it");
	do {
		/* one byte more than allowed tells a full buffer from too much */
		rc = gzip_step(&z, start + max + 1 - out->n, out);
		if (rc == Z_STREAM_END &&
		    z.avail_in > 0) /* several members follow one another (RFC 1952, 2.2) */
			rc = inflateReset(&z);
	} while (rc == Z_OK && out->n - start <= max);
	inflateEnd(&z);
	if (out->n - start > max)
		return too_large(max, e);
	return rc == Z_STREAM_END ? 0 : damaged("gzip", e);
}

/* ---- zstd ---- */

static int
zstd_undo(struct str s, size_t max, struct buf *out, struct err *e)
{
	ZSTD_DCtx *d = ZSTD_createDCtx();
	ZSTD_inBuffer in = { s.p, s.n, 0 };
	size_t start = out->n, left = 1, had;
	if (d == NULL)
		return err_set(e, ERR_TEMP, "there is no memory to unpack it");
	ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	do {
		size_t room = start + max + 1 - out->n;
		ZSTD_outBuffer o = { .size = room < STEP ? room : STEP };
		buf_reserve(out, o.size);
		o.dst = out->p + out->n;
		had = in.pos;
		left = ZSTD_decompressStream(d, &o, &in);
		out->n += o.pos;
		had = in.pos - had + o.pos; /* progress: without any it wants bytes that are not there */
	} while (!ZSTD_isError(left) && out->n - start <= max && had > 0 && (left > 0 || in.pos < in.size));
	ZSTD_freeDCtx(d);
	if (out->n - start > max)
		return too_large(max, e);
	return left == 0 && in.pos == in.size ? 0 : damaged("zstd", e);
}

bool
mail_is_packed(struct str s)
{
	return str_starts(s, STR("\x1f\x8b")) || str_starts(s, STR("\x28\xb5\x2f\xfd"));
}

int
mail_unpack(struct str s, size_t max, struct buf *out, struct err *e)
{
	int rc = s.n > UINT32_MAX	     ? too_large(max, e)
		 : s.n > 0 && s.p[0] == 0x1f ? gzip_undo(s, max, out, e)
					     : zstd_undo(s, max, out, e);
	if (out->p)
		out->p[out->n] = '\0';
	return rc;
}
