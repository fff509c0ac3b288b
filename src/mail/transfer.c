/*
 * transfer: quoted-printable and base64 (RFC 2045 6.7, 6.8) as byte streams.
 */
#include "mail/mail_private.h"

/* ---- quoted-printable, undone ---- */

int
mail_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Length of the line end at i: 0, 1 (LF) or 2 (CR LF). */
static size_t
eol_at(struct str s, size_t i)
{
	if (i < s.n && s.p[i] == '\n')
		return 1;
	if (i + 1 < s.n && s.p[i] == '\r' && s.p[i + 1] == '\n')
		return 2;
	return 0;
}

static size_t
blanks_end(struct str s, size_t i)
{
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	return i;
}

/* Length of the soft break whose '=' is at i, padding included, or 0. An '=' that ends the body is one. */
static size_t
soft_break_at(struct str s, size_t i)
{
	size_t j = blanks_end(s, i + 1), n = eol_at(s, j);

	return n > 0 || j == s.n ? j + n - i : 0;
}

size_t
mail_qp_decode(struct str raw, char *out, uint32_t *at)
{
	size_t i = 0, n = 0, soft;

	while (i < raw.n) {
		char c = raw.p[i];

		at[n] = (uint32_t)i;
		if (c == '=') {
			if (i + 2 < raw.n && mail_hex_value(raw.p[i + 1]) >= 0 &&
			    mail_hex_value(raw.p[i + 2]) >= 0) {
				out[n++] =
				    (char)(mail_hex_value(raw.p[i + 1]) << 4 | mail_hex_value(raw.p[i + 2]));
				i += 3;
			} else if ((soft = soft_break_at(raw, i)) > 0) {
				i += soft;
			} else {
				out[n++] = c; /* no escape: a literal, as every reader takes it */
				i++;
			}
		} else if (c == ' ' || c == '\t') {
			size_t end = blanks_end(raw, i), eol = eol_at(raw, end);

			if (eol > 0) { /* padding: goes with the line end */
				out[n++] = raw.p[end];
				if (eol == 2) {
					at[n] = (uint32_t)end + 1;
					out[n++] = '\n';
				}
				i = end + eol;
			} else {
				for (; i < end; i++) {
					at[n] = (uint32_t)i;
					out[n++] = raw.p[i];
				}
			}
		} else {
			out[n++] = c;
			i++;
		}
	}
	if (n > 0)
		at[0] = 0;
	at[n] = (uint32_t)raw.n;
	return n;
}

/* ---- quoted-printable, made ---- */

enum { QP_PLAIN, QP_ENCODE, QP_LF, QP_CR };

/* RFC 2045 6.7 rules 1 to 4; white space is plain until a line end follows. */
static const uint8_t qp_class[256] = {
	[0 ... 8] = QP_ENCODE,	 ['\n'] = QP_LF,    [11 ... 12] = QP_ENCODE,   ['\r'] = QP_CR,
	[14 ... 31] = QP_ENCODE, ['='] = QP_ENCODE, [127 ... 255] = QP_ENCODE,
};

/* Length of the escape or character that s ends in. */
static size_t
last_unit(struct str s)
{
	if (s.n >= 3 && s.p[s.n - 3] == '=' && mail_hex_value(s.p[s.n - 2]) >= 0 &&
	    mail_hex_value(s.p[s.n - 1]) >= 0)
		return 3;
	return 1;
}

void
mail_qp_soft_break(struct mail_qp *q)
{
	char unit[3];
	size_t n;

	if (q->col >= MAIL_QP_LINE) {
		/* a literal fills the line: its last character goes over, because the '=' has no room */
		n = last_unit(str_make(q->out->p + q->out->n - q->col, q->col));
		memcpy(unit, q->out->p + q->out->n - n, n);
		q->out->n -= n;
		q->col = 0;
		mail_qp_soft_break(q);
		buf_add(q->out, unit, n);
		q->col = n;
		return;
	}
	buf_addc(q->out, '=');
	buf_add(q->out, q->eol, q->eol_n);
	q->col = 0;
}

static void
qp_encode_byte(struct mail_qp *q, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";
	char x[3] = { '=', hex[c >> 4], hex[c & 15] };

	if (q->col + 3 > MAIL_QP_LINE - 1)
		mail_qp_soft_break(q);
	buf_add(q->out, x, 3);
	q->col += 3;
}

void
mail_qp_protect(struct mail_qp *q)
{
	char last;

	if (q->col == 0 || q->out->n == 0)
		return;
	last = q->out->p[q->out->n - 1];
	if (last != ' ' && last != '\t')
		return;
	q->out->n--;
	q->col--;
	if (q->col + 3 > MAIL_QP_LINE)
		mail_qp_soft_break(q);
	buf_add(q->out, last == ' ' ? "=20" : "=09", 3);
	q->col += 3;
}

static void
qp_hard_break(struct mail_qp *q)
{
	mail_qp_protect(q);
	buf_add(q->out, q->eol, q->eol_n);
	q->col = 0;
}

/* What SMTP dot-stuffing and mbox files may change when it begins a line. */
static bool
qp_fragile_start(struct str s, size_t i)
{
	if (s.p[i] == '.')
		return true;
	return s.n - i >= 5 && memcmp(s.p + i, "From ", 5) == 0;
}

void
mail_qp_text(struct mail_qp *q, struct str s)
{
	size_t i = 0, j, room;

	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];

		if (qp_class[c] == QP_LF || (qp_class[c] == QP_CR && eol_at(s, i) == 2)) {
			qp_hard_break(q);
			i += c == '\n' ? 1 : 2;
		} else if (qp_class[c] != QP_PLAIN || (q->col == 0 && qp_fragile_start(s, i))) {
			qp_encode_byte(q, c);
			i++;
		} else if (q->col >= MAIL_QP_LINE - 1) {
			mail_qp_soft_break(q);
		} else {
			room = MAIL_QP_LINE - 1 - q->col;
			room = s.n - i < room ? s.n - i : room;
			for (j = i; j < i + room && qp_class[(unsigned char)s.p[j]] == QP_PLAIN; j++)
				;
			buf_add(q->out, s.p + i, j - i);
			q->col += j - i;
			i = j;
		}
	}
}

/* ---- base64 ---- */

static const char b64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
b64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int
mail_base64_decode(struct str raw, char *out, size_t *n)
{
	uint32_t acc = 0;
	unsigned have = 0;
	bool padded = false;

	*n = 0;
	for (size_t i = 0; i < raw.n; i++) {
		int v = b64_value(raw.p[i]);

		if (raw.p[i] == '=')
			padded = true;
		if (v < 0)
			continue; /* RFC 2045 6.8: other characters are ignored */
		if (padded)
			return -1;
		acc = acc << 6 | (uint32_t)v;
		if (++have == 4) {
			out[(*n)++] = (char)(acc >> 16);
			out[(*n)++] = (char)(acc >> 8);
			out[(*n)++] = (char)acc;
			have = 0;
		}
	}
	if (have == 1)
		return -1;
	if (have >= 2)
		out[(*n)++] = (char)(have == 2 ? acc >> 4 : acc >> 10);
	if (have == 3)
		out[(*n)++] = (char)(acc >> 2);
	return 0;
}

static void
b64_line_end(struct mail_base64 *b)
{
	if (b->col >= b->width) {
		buf_add(b->out, b->eol, b->eol_n);
		b->col = 0;
	}
}

static void
b64_quads(struct mail_base64 *b, const unsigned char *p, size_t triples)
{
	char *o;

	while (triples > 0) {
		size_t k;

		b64_line_end(b);
		k = (b->width - b->col) / 4;
		k = triples < k ? triples : k;
		buf_reserve(b->out, k * 4);
		o = b->out->p + b->out->n;
		for (size_t i = 0; i < k; i++, p += 3, o += 4) {
			uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

			o[0] = b64_alphabet[v >> 18];
			o[1] = b64_alphabet[v >> 12 & 63];
			o[2] = b64_alphabet[v >> 6 & 63];
			o[3] = b64_alphabet[v & 63];
		}
		b->out->n += k * 4;
		*o = '\0';
		b->col += k * 4;
		triples -= k;
	}
}

void
mail_base64_put(struct mail_base64 *b, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = s.n;

	if (b->ncarry > 0) {
		unsigned char t[3] = { b->carry[0], b->carry[1], 0 };
		unsigned have = b->ncarry;

		while (have < 3 && n > 0) {
			t[have++] = *p++;
			n--;
		}
		if (have < 3) {
			memcpy(b->carry, t, 2);
			b->ncarry = have;
			return;
		}
		b64_quads(b, t, 1);
		b->ncarry = 0;
	}
	b64_quads(b, p, n / 3);
	b->ncarry = (unsigned)(n % 3);
	if (b->ncarry > 0)
		memcpy(b->carry, p + n - b->ncarry, b->ncarry);
}

void
mail_base64_finish(struct mail_base64 *b)
{
	unsigned char t[3] = { 0, 0, 0 };

	if (b->ncarry == 0)
		return;
	memcpy(t, b->carry, b->ncarry);
	b64_quads(b, t, 1);
	memset(b->out->p + b->out->n - (3 - b->ncarry), '=', 3 - b->ncarry);
	b->ncarry = 0;
}
