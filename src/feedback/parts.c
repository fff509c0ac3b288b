/*
 * parts: the message taken apart: text for people, report fields, the header of the message that came back.
 * What is no MIME, or is broken, is text as a whole: a report in it is found all the same.
 */
#include "feedback/private.h"

struct gather {
	struct arena *arena;
	struct parts *out;
	struct buf plain, html, delivery, feedback;
	bool done; /* behind the returned message nothing counts */
};

static struct str
cut(struct str s, size_t max)
{
	return str_sub(s, 0, max);
}

/* A body as text: charset undone where that works, else its bytes. */
static struct str
text_of(struct arena *a, const struct mail_part *p, struct str body)
{
	struct mail_text t;
	struct buf b = { 0 };
	if (mail_text_decode(a, p, body, &t, NULL) == 0)
		return t.utf8;
	if (mail_body_decode(p, body, &b, NULL) != 0) {
		buf_free(&b);
		return body;
	}
	struct str out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

/* Lines with LF alone, NUL as a space; at most max bytes. */
static void
add_lines(struct buf *out, struct str text, size_t max)
{
	for (size_t i = 0; i < text.n && out->n < max; i++) {
		char c = text.p[i];
		if (c == '\r')
			c = i + 1 < text.n && text.p[i + 1] == '\n' ? '\0' : '\n';
		else if (c == '\0')
			c = ' ';
		if (c)
			buf_addc(out, c);
	}
	if (out->n > 0 && out->p[out->n - 1] != '\n')
		buf_addc(out, '\n');
	buf_addc(out, '\n');
}

/* Its header: up to the empty line. */
static void
take_returned(struct gather *g, const struct mail_part *p, struct str body)
{
	struct buf lines = { 0 };
	struct str text = text_of(g->arena, p, cut(body, RETURNED_MAX));
	add_lines(&lines, text, RETURNED_MAX);
	struct str s = buf_str(&lines);
	while (s.n > 0 && s.p[0] == '\n')
		s = str_sub(s, 1, s.n);
	s = str_sub(s, 0, str_find(s, STR("\n\n")));
	mail_fields_split(g->arena, arena_str(g->arena, s), &g->out->returned);
	buf_free(&lines);
	g->out->has_returned = true;
	g->done = true;
}

static bool
is_type(const struct mail_part *p, const char *type, const char *subtypes)
{
	struct str rest = str_of(subtypes), one;
	if (!str_eq(p->type, str_of(type)))
		return false;
	while (str_split(&rest, '|', &one))
		if (str_eq(p->subtype, one))
			return true;
	return false;
}

static void
take_part(struct gather *g, const struct mail_part *p)
{
	struct str body = str_sub(g->out->mail.bytes, p->body_start, p->body_end);
	if (is_type(p, "message", "delivery-status|global-delivery-status"))
		add_lines(&g->delivery, text_of(g->arena, p, cut(body, FIELDS_MAX)), FIELDS_MAX);
	else if (is_type(p, "message", "feedback-report"))
		add_lines(&g->feedback, text_of(g->arena, p, cut(body, FIELDS_MAX)), FIELDS_MAX);
	else if (is_type(p, "message", "rfc822|global|global-headers|rfc822-headers|partial") ||
		 is_type(p, "text", "rfc822-headers|rfc822"))
		take_returned(g, p, body);
	else if (is_type(p, "text", "html"))
		notice_from_html(&g->html, text_of(g->arena, p, cut(body, NOTICE_MAX)));
	else if (str_eq(p->type, STR("text")) || p->typeless)
		add_lines(&g->plain, text_of(g->arena, p, cut(body, NOTICE_MAX)), NOTICE_MAX);
}

/* In the order of the message, without recursion. */
static void
walk(struct gather *g, const struct mail_part *root)
{
	for (const struct mail_part *p = root; p && !g->done;) {
		if (!p->child)
			take_part(g, p);
		if (p->child) {
			p = p->child;
			continue;
		}
		while (p && p != root && !p->next)
			p = p->parent;
		p = p && p != root ? p->next : NULL;
	}
}

/* Blank lines and an mbox "From " line in front are no header. */
static struct str
skip_front(struct str m)
{
	for (;;) {
		size_t nl = str_find_char(m, '\n');
		if (nl < m.n && (str_trim(str_sub(m, 0, nl)).n == 0 || str_starts(m, STR("From ")) ||
				 str_starts(m, STR(">From "))))
			m = str_sub(m, nl + 1, m.n);
		else
			return m;
	}
}

/* Mail has a header, and MTAs see to it: what begins otherwise is a file of another kind. */
static bool
begins_with_field(struct str m)
{
	size_t colon = str_find_char(str_sub(m, 0, 200), ':');
	for (size_t i = 0; i < colon; i++)
		if (m.p[i] <= ' ' || (unsigned char)m.p[i] >= 0x7f || m.p[i] == '<')
			return false;
	return colon > 0 && colon < m.n && colon < 200;
}

/* Without MIME: everything behind the header. */
static void
take_whole(struct gather *g, struct str message)
{
	size_t at = str_find(message, STR("\n\n")), crlf = str_find(message, STR("\r\n\r\n"));
	size_t end = at < crlf ? at + 2 : crlf < message.n ? crlf + 4 : message.n;
	add_lines(&g->plain, cut(str_sub(message, end, message.n), NOTICE_MAX), NOTICE_MAX);
}

struct str
field_value(struct arena *a, const struct mail_fields *f, const char *name)
{
	const struct mail_field *field = mail_fields_find(f, str_of(name));
	if (!field)
		return STR_NULL;
	char *v = arena_cstr(a, str_sub(field->value, 0, 16384));
	size_t n = strlen(v);
	for (size_t i = 0; i < n; i++)
		if (v[i] == '\r' || v[i] == '\n' || v[i] == '\t')
			v[i] = ' ';
	return str_trim(str_make(v, n));
}

/* The text ends where the returned message begins; its header may stand there. */
static void
take_notice(struct gather *g)
{
	struct parts *out = g->out;
	struct str text = arena_str(g->arena, buf_str(g->plain.n > 0 ? &g->plain : &g->html));
	size_t returned, end = notice_cut(text, &returned);
	out->notice = str_sub(text, 0, end);
	if (out->has_returned || returned >= text.n)
		return;
	struct str head = str_sub(text, returned, text.n);
	head = str_sub(head, 0, str_find(head, STR("\n\n")));
	mail_fields_split(g->arena, head, &out->returned);
	out->has_returned = true;
	if (str_casestarts(field_value(g->arena, &out->returned, "Content-Type"), STR("multipart/report")))
		out->wrapped = str_sub(text, returned, text.n);
}

void
parts_read(struct arena *a, struct str message, struct parts *out)
{
	static const struct mail_fields none;
	const struct mail_limits limits = { .max_depth = 12, .max_parts = 200 };
	struct gather g = { .arena = a, .out = out };
	*out = (struct parts){ .head = &none };
	message = skip_front(cut(message, FEEDBACK_MAX_MESSAGE));
	if (!begins_with_field(message))
		return;
	if (mail_parse(a, message, &limits, &out->mail, NULL) == 0) {
		const struct mail_part *root = out->mail.root;
		out->head = &root->fields;
		out->report = is_type(root, "multipart", "report");
		walk(&g, root);
	}
	if (str_trim(buf_str(&g.plain)).n == 0 && g.html.n == 0 && g.delivery.n == 0 && g.feedback.n == 0)
		take_whole(&g, message);
	out->subject = STR_NULL;
	const struct mail_field *subject = mail_fields_find(out->head, STR("Subject"));
	if (subject)
		out->subject = mail_header_decode(a, str_sub(subject->value, 0, 4096));
	out->delivery = arena_str(a, buf_str(&g.delivery));
	out->feedback = arena_str(a, buf_str(&g.feedback));
	take_notice(&g);
	buf_free(&g.plain);
	buf_free(&g.html);
	buf_free(&g.delivery);
	buf_free(&g.feedback);
}
