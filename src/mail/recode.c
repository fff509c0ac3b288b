/*
 * recode: a part's header block with another charset and transfer encoding,
 * every other byte, the order and the folding as they were.
 */
#include "mail/mail_private.h"

static const char *
cte_name(enum mail_cte cte)
{
	switch (cte) {
	case MAIL_CTE_QP:
		return "quoted-printable";
	case MAIL_CTE_BASE64:
		return "base64";
	case MAIL_CTE_8BIT:
		return "8bit";
	case MAIL_CTE_BINARY:
		return "binary";
	default:
		return "7bit";
	}
}

/* Copies s with each line end as eol; a field always ends with one. */
static void
lines_copy(struct buf *out, struct str s, const char *eol)
{
	size_t i = 0;

	while (i < s.n) {
		size_t nl = i + str_find_char(str_make(s.p + i, s.n - i), '\n'), len = nl - i;

		if (nl < s.n && len > 0 && s.p[nl - 1] == '\r')
			len--;
		buf_add(out, s.p + i, len);
		if (nl < s.n)
			buf_add(out, eol, strlen(eol));
		i = nl + 1;
	}
}

/*
 * One parameter of a structured value: from its ';' to before the next one or
 * the end; quoted strings and comments are stepped over. False when none is left.
 */
static bool
param_next(struct str v, size_t *at, struct str *param)
{
	size_t i = *at, depth = 0;
	bool quoted = false;

	if (i >= v.n)
		return false;
	for (i++; i < v.n; i++) {
		char c = v.p[i];

		if (c == '\\' && (quoted || depth > 0))
			i++;
		else if (c == '"' && depth == 0)
			quoted = !quoted;
		else if (c == '(' && !quoted)
			depth++;
		else if (c == ')' && !quoted && depth > 0)
			depth--;
		else if (c == ';' && !quoted && depth == 0)
			break;
	}
	if (i > v.n)
		i = v.n;
	*param = str_make(v.p + *at, i - *at);
	*at = i;
	return true;
}

/* White space, and the other control characters, which become spaces on the way. */
static bool
is_blank(char c)
{
	return (unsigned char)c <= ' ';
}

/* charset=, charset*=, charset*0=, charset*1*= (RFC 2231): the parameter begins with its ';'. */
static bool
param_is_charset(struct str param)
{
	struct str s = str_make(param.p + 1, param.n - 1);
	size_t i = 0;

	while (i < s.n && is_blank(s.p[i]))
		i++;
	s = str_sub(s, i, s.n);
	if (!str_casestarts(s, STR("charset")))
		return false;
	for (i = 7; i < s.n && (s.p[i] == '*' || ascii_isdigit(s.p[i]) || is_blank(s.p[i])); i++)
		;
	return i < s.n && s.p[i] == '=';
}

/* The blanks and folds with which a parameter begins, behind its ';'. */
static struct str
param_lead(struct str param)
{
	size_t i = 1;

	while (i < param.n && is_blank(param.p[i]))
		i++;
	return str_make(param.p, i);
}

static size_t
last_line_len(const struct buf *out)
{
	const char *nl = out->n > 0 ? memrchr(out->p, '\n', out->n) : NULL;

	return nl ? out->n - (size_t)(nl + 1 - out->p) : out->n;
}

static void
content_type_recode(struct buf *out, const struct mail_field *f, struct str whole, const char *charset,
		    const char *eol)
{
	size_t at = 0;
	struct str param, tail;
	bool done = false;

	/* from the name to the first ';' */
	buf_add(out, whole.p, (size_t)(f->value.p - whole.p));
	param_next(str_make(f->value.p - 1, f->value.n + 1), &at, &param);
	at = param.n - 1;
	lines_copy(out, str_sub(f->value, 0, at), eol);
	while (param_next(f->value, &at, &param)) {
		if (!param_is_charset(param)) {
			lines_copy(out, param, eol);
		} else if (!done) {
			lines_copy(out, param_lead(param), eol);
			buf_printf(out, "charset=%s", charset);
			done = true;
		}
	}
	if (!done) {
		tail = str_trim(str_sub(f->value, 0, f->value.n));
		/* the value may end in ';' already, with blanks behind it */
		while (out->n > 0 && (out->p[out->n - 1] == ' ' || out->p[out->n - 1] == '\t'))
			out->n--;
		if (tail.n == 0)
			buf_adds(out, STR(" text/plain"));
		if (!str_ends(tail, STR(";")))
			buf_addc(out, ';');
		if (last_line_len(out) + strlen(charset) + 10 > 76)
			buf_add(out, eol, strlen(eol));
		buf_printf(out, " charset=%s", charset);
	}
	buf_add(out, eol, strlen(eol));
}

void
mail_part_header_recode(struct buf *out, struct str head, const char *charset, enum mail_cte cte,
			const char *eol)
{
	struct mail_field f;
	struct str whole;
	size_t at = 0;
	bool type_seen = false, cte_seen = false;

	while (mail_field_next(head, &at, &f, &whole)) {
		if (!type_seen && str_caseeq(f.name, STR("Content-Type"))) {
			content_type_recode(out, &f, whole, charset, eol);
			type_seen = true;
		} else if (!cte_seen && str_caseeq(f.name, STR("Content-Transfer-Encoding"))) {
			buf_add(out, whole.p, (size_t)(f.value.p - whole.p));
			buf_printf(out, " %s%s", cte_name(cte), eol);
			cte_seen = true;
		} else {
			lines_copy(out, whole, eol);
			if (whole.p[whole.n - 1] != '\n')
				buf_add(out, eol, strlen(eol));
		}
	}
	if (!type_seen)
		buf_printf(out, "Content-Type: text/plain; charset=%s%s", charset, eol);
	if (!cte_seen)
		buf_printf(out, "Content-Transfer-Encoding: %s%s", cte_name(cte), eol);
}
