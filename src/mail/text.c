/*
 * text: a part's encoded body as UTF-8, and for every character the place in
 * the encoded body that it came from; and the literal stretches between edits.
 */
#include "mail/mail_private.h"

#define TEXT_MAX ((size_t)64 * 1024 * 1024)

/* The first line end decides; the message's when there is none. */
static const char *
eol_of(struct str s, bool lf)
{
	size_t nl = str_find_char(s, '\n');

	if (nl < s.n)
		lf = nl == 0 || s.p[nl - 1] != '\r';
	return lf ? "\n" : "\r\n";
}

/* The length of the first encoded line when the source breaks its lines as an encoder does. */
static unsigned
base64_width(struct str raw)
{
	size_t nl = str_find_char(raw, '\n');

	if (nl < raw.n && nl > 0 && raw.p[nl - 1] == '\r')
		nl--;
	if (nl >= raw.n || nl == 0 || nl % 4 != 0 || nl > MAIL_LINE_MAX)
		return MAIL_BASE64_LINE;
	/* the only line of a short text says nothing about the width */
	return str_trim(raw).n <= nl ? MAIL_BASE64_LINE : (unsigned)nl;
}

/* The transfer encoding undone: bytes, and at (NULL when byte i stands at offset i of the wire). */
static int
transfer_undo(struct arena *a, struct mail_text *t, struct str *bytes, uint32_t **at, struct err *e)
{
	char *out;

	*at = NULL;
	t->wire = t->raw;
	t->line_width = MAIL_QP_LINE;
	switch (t->cte) {
	case MAIL_CTE_7BIT:
	case MAIL_CTE_8BIT:
	case MAIL_CTE_BINARY:
		*bytes = t->raw;
		return 0;
	case MAIL_CTE_QP:
		out = arena_alloc(a, t->raw.n + 1);
		*at = arena_alloc(a, (t->raw.n + 1) * sizeof(**at));
		*bytes = str_make(out, mail_qp_decode(t->raw, out, *at));
		return 0;
	case MAIL_CTE_BASE64:
		out = arena_alloc(a, t->raw.n + 1);
		bytes->p = out;
		if (mail_base64_decode(t->raw, out, &bytes->n) < 0)
			return err_set(e, ERR_INPUT, "the part is not well-formed base64");
		t->wire = *bytes;
		t->line_width = base64_width(t->raw);
		return 0;
	case MAIL_CTE_OTHER:
		break;
	}
	return err_set(e, ERR_UNSUPPORTED, "the part's Content-Transfer-Encoding is not one of RFC 2045's");
}

/* WINDOWS-1252 in a part that says ISO-8859-1, and the like: every reader shows the superset. */
static bool
has_c1(struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		if (((unsigned char)bytes.p[i] & 0xe0) == 0x80)
			return true;
	return false;
}

static int
charset_undo(struct arena *a, struct mail_text *t, struct str bytes, uint32_t **at, struct err *e)
{
	const char *superset = mail_charset_superset(t->charset);
	bool latin = strncmp(t->charset, "ISO-8859-", 9) == 0;

	if (superset && latin && has_c1(bytes) &&
	    mail_charset_decode(a, superset, bytes, &t->utf8, at, NULL) == 0) {
		t->charset = superset;
		return 0;
	}
	if (mail_charset_decode(a, t->charset, bytes, &t->utf8, at, e) == 0)
		return 0;
	if (superset && !latin && mail_charset_decode(a, superset, bytes, &t->utf8, at, NULL) == 0) {
		t->charset = superset;
		return 0;
	}
	return -1;
}

/* at1: utf8 → bytes, at2: bytes → wire; either may be NULL (identity). */
static uint32_t *
maps_join(struct arena *a, uint32_t *at1, uint32_t *at2, size_t n)
{
	if (at1 && at2) {
		for (size_t i = 0; i <= n; i++)
			at1[i] = at2[at1[i]];
		return at1;
	}
	if (at1 || at2)
		return at1 ? at1 : at2;
	at1 = arena_alloc(a, (n + 1) * sizeof(*at1));
	for (size_t i = 0; i <= n; i++)
		at1[i] = (uint32_t)i;
	return at1;
}

int
mail_text_decode(struct arena *a, const struct mail_part *p, struct str raw_body, struct mail_text *out,
		 struct err *e)
{
	uint32_t *at_bytes, *at_wire = NULL;
	enum charset_kind kind;
	struct str bytes = STR_NULL;

	memset(out, 0, sizeof(*out));
	if (raw_body.n > TEXT_MAX)
		return err_set(e, ERR_UNSUPPORTED, "the part is over %zu MB; send smaller mail",
			       TEXT_MAX >> 20);
	if (raw_body.n == 0)
		raw_body.p = "";
	out->raw = raw_body;
	out->cte = p->cte;
	out->eol = eol_of(raw_body, p->lf);
	out->charset = p->charset.n > 0 ? mail_charset_name(a, p->charset) : "US-ASCII";
	if (!out->charset)
		return err_set(e, ERR_UNSUPPORTED,
			       "the part's charset %.*s cannot be edited; send it as UTF-8",
			       STR_ARG(str_sub(p->charset, 0, 40)));
	if (transfer_undo(a, out, &bytes, &at_wire, e) < 0)
		return -1;
	kind = mail_charset_kind(out->charset);
	if (kind == CHARSET_ISO2022JP &&
	    p->cte == MAIL_CTE_QP) /* its escapes are escaped: nobody sends that */
		return err_set(e, ERR_UNSUPPORTED,
			       "the part is ISO-2022-JP in quoted-printable; send it as UTF-8");
	if (kind == CHARSET_UTF8 || kind == CHARSET_ASCII) {
		out->utf8 = bytes;
		out->raw_at = maps_join(a, NULL, at_wire, bytes.n);
		return 0;
	}
	if (charset_undo(a, out, bytes, &at_bytes, e) < 0)
		return -1;
	out->raw_at = maps_join(a, at_bytes, at_wire, out->utf8.n);
	return 0;
}

bool
mail_text_holds(struct arena *a, const struct mail_part *p, struct str raw_body, struct str ascii)
{
	struct mail_text t = { .raw = raw_body, .cte = p->cte };
	struct str bytes = raw_body;
	uint32_t *at;
	size_t n = 0;
	char *out;

	/* a reader that finds base64 ill-formed may show it as it is */
	if (str_find(raw_body, ascii) < raw_body.n)
		return true;
	if (raw_body.n == 0 || raw_body.n > TEXT_MAX)
		return false;
	if (transfer_undo(a, &t, &bytes, &at, NULL) < 0 && p->cte != MAIL_CTE_BASE64)
		return false; /* of ill-formed base64 there is what could be read */
	out = arena_alloc(a, bytes.n + 1);
	for (size_t i = 0; i < bytes.n; i++)
		if (bytes.p[i] != '\0')
			out[n++] = bytes.p[i];
	return str_find(str_make(out, n), ascii) < n;
}

/* Lines of the wire, for the writer's line lengths. */
static void
chunk_measure(struct mail_chunk *c)
{
	const char *p = c->wire.p, *end = p + c->wire.n, *nl;

	c->first_line = c->last_line = (uint32_t)c->wire.n;
	while (p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		size_t len = (size_t)(nl - p);

		if (len > 0 && nl[-1] == '\r')
			len--;
		if (!c->has_eol)
			c->first_line = (uint32_t)len;
		else if (len > c->longest_line)
			c->longest_line = (uint32_t)len;
		c->has_eol = true;
		p = nl + 1;
		c->last_line = (uint32_t)(end - p);
	}
}

void
mail_chunk_cut(const struct mail_text *t, size_t start, size_t end, struct mail_chunk *out)
{
	size_t from, to;

	memset(out, 0, sizeof(*out));
	end = end < t->utf8.n ? end : t->utf8.n;
	start = start < end ? start : end;
	/* what decodes to nothing (a soft break on its own) belongs to the first and to the last stretch */
	from = start == 0 ? 0 : t->raw_at[start];
	to = end == t->utf8.n ? t->wire.n : t->raw_at[end];
	if (start == end && t->utf8.n > 0)
		to = from;
	out->wire = str_make(t->wire.p + from, to - from);
	out->utf8 = str_make(t->utf8.p + start, end - start);
	if (t->cte != MAIL_CTE_BASE64)
		chunk_measure(out);
}
