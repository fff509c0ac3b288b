/*
 * writer: literal stretches as they stood, and new text encoded for the place
 * where it lands. The encoded body differs from the source only around what
 * was changed.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "mail/mail_private.h"

#define CONVERTERS 4

struct converter {
	char name[48];
	iconv_t cd;
};

struct mail_writer {
	struct buf *out;
	const struct mail_text *t;
	enum charset_kind kind;
	size_t start;	      /* of this body in out */
	const char *prev_end; /* behind the literal just written; NULL after new text */
	bool untouched;	      /* literals only, all in a row from the beginning */
	bool shifted;	      /* QP: the line so far is not the source's own */
	bool open_escape;     /* QP: the last literal ends in an '=' that is no escape */
	size_t col;	      /* identity encodings: bytes on the line so far */
	const char *text_eol; /* base64: line end inside the decoded text */
	struct mail_qp qp;
	struct mail_base64 b64;
	iconv_t cd;			   /* of this body's charset, borrowed from conv */
	struct converter conv[CONVERTERS]; /* kept from body to body */
	unsigned nconv, next;
	struct buf scratch; /* text in the wire's charset */
	struct buf lines;   /* base64: text with its line ends put right */
};

struct mail_writer *
mail_writer_new(void)
{
	struct mail_writer *w = calloc(1, sizeof(*w));

	if (!w) {
		log_error("out of memory");
		abort();
	}
	return w;
}

void
mail_writer_free(struct mail_writer **w)
{
	if (!*w)
		return;
	for (unsigned i = 0; i < (*w)->nconv; i++)
		iconv_close((*w)->conv[i].cd);
	buf_free(&(*w)->scratch);
	buf_free(&(*w)->lines);
	free(*w);
	*w = NULL;
}

static iconv_t
converter_get(struct mail_writer *w, const char *name)
{
	struct converter *c;
	iconv_t cd;

	for (unsigned i = 0; i < w->nconv; i++)
		if (strcmp(w->conv[i].name, name) == 0)
			return w->conv[i].cd;
	cd = iconv_open(name, "UTF-8");
	if (cd == (iconv_t)-1 || strlen(name) >= sizeof(c->name))
		return cd;
	if (w->nconv < CONVERTERS) {
		c = &w->conv[w->nconv++];
	} else {
		c = &w->conv[w->next];
		w->next = (w->next + 1) % CONVERTERS;
		iconv_close(c->cd);
	}
	strcpy(c->name, name);
	c->cd = cd;
	return cd;
}

/* The line end of a decoded text; RFC 2045's canonical CR LF when it has none. */
static const char *
inner_eol(struct str s)
{
	size_t nl = str_find_char(s, '\n');

	return nl < s.n && (nl == 0 || s.p[nl - 1] != '\r') ? "\n" : "\r\n";
}

void
mail_writer_begin(struct mail_writer *w, struct buf *out, const struct mail_text *t)
{
	w->out = out;
	w->t = t;
	w->kind = mail_charset_kind(t->charset);
	w->start = out->n;
	w->prev_end = t->wire.p;
	w->untouched = true;
	w->shifted = false;
	w->open_escape = false;
	w->col = 0;
	w->cd = (iconv_t)-1;
	if (w->kind != CHARSET_ASCII && w->kind != CHARSET_UTF8)
		w->cd = converter_get(w, t->charset);
	if (t->cte == MAIL_CTE_QP) {
		w->qp = (struct mail_qp){ .out = out, .eol = t->eol, .eol_n = strlen(t->eol) };
	} else if (t->cte == MAIL_CTE_BASE64) {
		w->text_eol = inner_eol(t->wire);
		w->b64 = (struct mail_base64){ .out = out, .eol = t->eol, .eol_n = strlen(t->eol) };
		w->b64.width =
		    t->line_width >= 4 && t->line_width % 4 == 0 ? t->line_width : MAIL_BASE64_LINE;
	}
}

/* ---- literals ---- */

/* The state that ISO-2022-JP is in before byte p of the wire: true when ASCII. */
static bool
iso2022_ascii_at(struct str wire, const char *p)
{
	const char *esc = p > wire.p ? memrchr(wire.p, '\033', (size_t)(p - wire.p)) : NULL;

	if (!esc)
		return true;
	return p - esc >= 3 && esc[1] == '(' && (esc[2] == 'B' || esc[2] == 'J');
}

static enum mail_status
chunk_identity(struct mail_writer *w, const struct mail_chunk *c)
{
	if (w->col + c->first_line > MAIL_LINE_MAX || c->longest_line > MAIL_LINE_MAX)
		return MAIL_MISFIT;
	w->col = c->has_eol ? c->last_line : w->col + c->wire.n;
	buf_adds(w->out, c->wire);
	return w->col > MAIL_LINE_MAX ? MAIL_MISFIT : MAIL_OK;
}

/* Nothing but padding before the first hard line end? (A soft break has its '='.) */
static bool
chunk_ends_line(const struct mail_chunk *c)
{
	if (!c->has_eol)
		return false;
	for (size_t i = 0; i < c->first_line; i++)
		if (c->wire.p[i] != ' ' && c->wire.p[i] != '\t')
			return false;
	return true;
}

/* An '=' near the end that begins neither an escape nor a soft break: what follows could make it one. */
static bool
chunk_open_escape(struct str s)
{
	if (s.n >= 1 && s.p[s.n - 1] == '=')
		return true;
	return s.n >= 2 && s.p[s.n - 2] == '=' && s.p[s.n - 1] != '\n';
}

static enum mail_status
chunk_qp(struct mail_writer *w, const struct mail_chunk *c)
{
	struct mail_qp *q = &w->qp;

	w->shifted = w->shifted || c->wire.p != w->prev_end;
	if (w->shifted) {
		if (w->open_escape)
			return MAIL_MISFIT;
		if (chunk_ends_line(c))
			mail_qp_protect(q);
		/* room for the '=' of a soft break when the line goes on behind this literal */
		else if (q->col > 0 &&
			 q->col + c->first_line > (c->has_eol ? MAIL_QP_LINE : MAIL_QP_LINE - 1u))
			mail_qp_soft_break(q);
	}
	if (q->col + c->first_line > MAIL_LINE_MAX || c->longest_line > MAIL_LINE_MAX ||
	    c->last_line > MAIL_LINE_MAX)
		return MAIL_MISFIT;
	buf_adds(w->out, c->wire);
	q->col = c->has_eol ? c->last_line : q->col + c->wire.n;
	w->shifted = w->shifted && !c->has_eol;
	w->open_escape = chunk_open_escape(c->wire);
	return MAIL_OK;
}

enum mail_status
mail_writer_chunk(struct mail_writer *w, const struct mail_chunk *c)
{
	enum mail_status st = MAIL_OK;
	const char *end = c->wire.p + c->wire.n;

	if (c->wire.n == 0)
		return MAIL_OK;
	if (w->prev_end != c->wire.p)
		w->untouched = false;
	if (w->kind == CHARSET_ISO2022JP &&
	    (!iso2022_ascii_at(w->t->wire, c->wire.p) || !iso2022_ascii_at(w->t->wire, end)))
		return MAIL_MISFIT;
	switch (w->t->cte) {
	case MAIL_CTE_QP:
		st = chunk_qp(w, c);
		break;
	case MAIL_CTE_BASE64:
		mail_base64_put(&w->b64, c->wire);
		break;
	default:
		st = chunk_identity(w, c);
		break;
	}
	w->prev_end = end;
	return st;
}

/* ---- new text ---- */

/* Text → the wire's charset, ASCII state at both ends. False when a character is outside. */
static bool
text_convert(struct mail_writer *w, struct str utf8, struct str *wire)
{
	char *in = (char *)utf8.p;
	size_t left = utf8.n;
	struct buf *b = &w->scratch;

	*wire = utf8;
	if (w->kind == CHARSET_UTF8)
		return true;
	if (w->kind == CHARSET_ASCII)
		return str_is_ascii(utf8);
	if (w->kind != CHARSET_ISO2022JP && str_is_ascii(utf8) && !memchr(utf8.p, '\\', utf8.n) &&
	    !memchr(utf8.p, '~', utf8.n))
		return true;
	if (w->cd == (iconv_t)-1)
		return false;
	buf_reset(b);
	iconv(w->cd, NULL, NULL, NULL, NULL);
	for (bool flushed = false; !flushed;) {
		char *o;
		size_t room, rc;

		buf_reserve(b, left + 64);
		o = b->p + b->n;
		room = b->cap - b->n - 1;
		flushed = left == 0; /* the last call brings the state back to ASCII */
		rc = iconv(w->cd, flushed ? NULL : &in, flushed ? NULL : &left, &o, &room);
		b->n = (size_t)(o - b->p);
		if (rc != 0 && !(rc == (size_t)-1 && errno == E2BIG))
			return false; /* outside the charset, or only roughly inside it */
	}
	b->p[b->n] = '\0';
	*wire = buf_str(b);
	return true;
}

static enum mail_status
text_identity(struct mail_writer *w, struct str s)
{
	size_t i = 0, eol_n = strlen(w->t->eol);

	if (memchr(s.p, '\0', s.n) || (w->t->cte == MAIL_CTE_7BIT && !str_is_ascii(s)))
		return MAIL_MISFIT;
	while (i < s.n) {
		const char *nl = memchr(s.p + i, '\n', s.n - i);
		size_t end = nl ? (size_t)(nl - s.p) : s.n, len = end - i;

		if (nl && len > 0 && s.p[end - 1] == '\r')
			len--;
		if (w->col + len > MAIL_LINE_MAX || (len > 0 && memchr(s.p + i, '\r', len)))
			return MAIL_MISFIT;
		buf_add(w->out, s.p + i, len);
		w->col += len;
		if (nl) {
			buf_add(w->out, w->t->eol, eol_n);
			w->col = 0;
			end++;
		}
		i = end;
	}
	return MAIL_OK;
}

static void
text_base64(struct mail_writer *w, struct str s)
{
	size_t i = 0, eol_n = strlen(w->text_eol);

	if (!memchr(s.p, '\n', s.n)) {
		mail_base64_put(&w->b64, s);
		return;
	}
	buf_reset(&w->lines);
	while (i < s.n) {
		const char *nl = memchr(s.p + i, '\n', s.n - i);
		size_t end = nl ? (size_t)(nl - s.p) : s.n, len = end - i;

		if (nl && len > 0 && s.p[end - 1] == '\r')
			len--;
		buf_add(&w->lines, s.p + i, len);
		if (nl)
			buf_add(&w->lines, w->text_eol, eol_n);
		i = nl ? end + 1 : end;
	}
	mail_base64_put(&w->b64, buf_str(&w->lines));
}

enum mail_status
mail_writer_text(struct mail_writer *w, struct str utf8)
{
	struct str wire;

	if (utf8.n == 0)
		return MAIL_OK;
	w->prev_end = NULL;
	w->untouched = false;
	if (w->open_escape || !text_convert(w, utf8, &wire))
		return MAIL_MISFIT;
	switch (w->t->cte) {
	case MAIL_CTE_QP:
		w->shifted = true;
		mail_qp_text(&w->qp, wire);
		return MAIL_OK;
	case MAIL_CTE_BASE64:
		text_base64(w, wire);
		return MAIL_OK;
	default:
		return text_identity(w, wire);
	}
}

/* ---- the end ---- */

/* White space behind the last base64 character, final line end included. */
static struct str
base64_tail(struct str raw)
{
	size_t n = raw.n;

	while (n > 0 && ascii_isspace(raw.p[n - 1]))
		n--;
	return str_make(raw.p + n, raw.n - n);
}

enum mail_status
mail_writer_end(struct mail_writer *w)
{
	bool at_end = w->prev_end == w->t->wire.p + w->t->wire.n;

	if (w->t->cte == MAIL_CTE_QP) {
		if (!at_end && w->open_escape)
			return MAIL_MISFIT;
		if (!at_end)
			mail_qp_protect(&w->qp);
	} else if (w->t->cte == MAIL_CTE_BASE64) {
		if (w->untouched && at_end) { /* irregular line lengths stay too */
			w->out->n = w->start;
			buf_adds(w->out, w->t->raw);
		} else {
			mail_base64_finish(&w->b64);
			buf_adds(w->out, base64_tail(w->t->raw));
		}
	}
	return MAIL_OK;
}

/* Bytes that s takes as quoted-printable and as base64, soft breaks and line ends about right. */
static void
whole_measure(struct str s, size_t *qp, size_t *b64)
{
	size_t encoded = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		encoded += c >= 0x7f || c == '=' || (c < 0x20 && c != '\n' && c != '\r' && c != '\t');
	}
	*qp = s.n + encoded * 2;
	*qp += *qp / 74 * 3;
	*b64 = s.n * 4 / 3 * 78 / 76;
}

void
mail_encode_base64(struct buf *out, struct str utf8, const char *eol)
{
	size_t eol_n = strlen(eol), i = 0;
	struct mail_base64 b = { .out = out, .eol = eol, .eol_n = eol_n, .width = MAIL_BASE64_LINE };

	while (i < utf8.n) {
		size_t end = i + str_find_char(str_make(utf8.p + i, utf8.n - i), '\n'), len = end - i;

		if (end < utf8.n && len > 0 && utf8.p[end - 1] == '\r')
			len--;
		mail_base64_put(&b, str_make(utf8.p + i, len));
		if (end < utf8.n)
			mail_base64_put(&b, str_make(eol, eol_n));
		i = end + 1;
	}
	mail_base64_finish(&b);
}

void
mail_encode_whole(struct buf *out, struct str utf8, const char *eol, enum mail_cte *cte)
{
	size_t qp_n, b64_n;
	struct mail_qp q = { .out = out, .eol = eol, .eol_n = strlen(eol) };

	whole_measure(utf8, &qp_n, &b64_n);
	if (qp_n <= b64_n) {
		*cte = MAIL_CTE_QP;
		mail_qp_text(&q, utf8);
		mail_qp_protect(&q);
		return;
	}
	*cte = MAIL_CTE_BASE64;
	mail_encode_base64(out, utf8, eol);
}
