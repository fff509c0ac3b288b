/*
 * milter-message: a message as an MTA holds it and hands it to a filter. All
 * memory is the arena's; the body may borrow.
 */
#ifndef MT_TESTS_MILTER_MESSAGE_H
#define MT_TESTS_MILTER_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"

/* One message as an MTA holds it: fields with LF folds and their leading space, and the body. */
struct field {
	struct str name, value;
};
struct message {
	struct field *v;
	size_t n, cap;
	struct str body;
};

static inline void
field_insert(struct arena *a, struct message *m, size_t at, struct str name, struct str value)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 32;
		struct field *v = ARENA_ARRAY(a, struct field, cap);
		if (m->n > 0)
			memcpy(v, m->v, m->n * sizeof(*v));
		m->v = v;
		m->cap = cap;
	}
	memmove(m->v + at + 1, m->v + at, (m->n - at) * sizeof(*m->v));
	m->v[at] = (struct field){ name, value };
	m->n++;
}

/* Length of the field name that line begins with; 0: it is no field. */
static inline size_t
field_name(struct str line)
{
	size_t n = 0;
	while (n < line.n && line.p[n] > ' ' && line.p[n] < 127 && line.p[n] != ':')
		n++;
	size_t colon = n;
	while (colon < line.n && (line.p[colon] == ' ' || line.p[colon] == '\t'))
		colon++;
	return colon < line.n && line.p[colon] == ':' ? n : 0;
}

/* Header bytes without NUL and CR: a field is a C string and its folds are LF. */
static inline struct str
header_clean(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '\0' && s.p[i] != '\r')
			p[n++] = s.p[i];
	return str_make(p, n);
}

static inline struct str
to_crlf(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n * 2 + 2);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
			p[n++] = '\r';
		p[n++] = s.p[i];
	}
	if (n > 0 && p[n - 1] != '\n') { /* SMTP ends with a line end */
		p[n++] = '\r';
		p[n++] = '\n';
	}
	return str_make(p, n);
}

/* Fields up to the first line that is none; a line "From …" before them is a mailbox's and goes. */
static inline void
message_split(struct arena *a, struct str s, struct message *m)
{
	size_t at = 0;
	*m = (struct message){ 0 };
	if (str_starts(s, STR("From ")))
		at = str_find_char(s, '\n') + 1;
	while (at < s.n) {
		size_t end = at + str_find_char(str_sub(s, at, s.n), '\n');
		struct str line = str_sub(s, at, end);
		if (str_trim(line).n == 0 && (line.n == 0 || (line.p[0] != ' ' && line.p[0] != '\t'))) {
			at = end + 1;
			break;
		}
		size_t name = field_name(line);
		if (name == 0)
			break;
		while (end + 1 < s.n && (s.p[end + 1] == ' ' || s.p[end + 1] == '\t'))
			end += 1 + str_find_char(str_sub(s, end + 1, s.n), '\n');
		line = str_sub(s, at, end);
		size_t colon = str_find_char(line, ':');
		field_insert(a, m, m->n, header_clean(a, str_sub(line, 0, name)),
			     header_clean(a, str_sub(line, colon + 1, line.n)));
		at = end + 1;
	}
	m->body = to_crlf(a, str_sub(s, at, s.n));
}

/* The message as bytes, CR LF. */
static inline void
message_write(const struct message *m, struct buf *out)
{
	buf_reset(out);
	for (size_t i = 0; i < m->n; i++) {
		buf_adds(out, m->v[i].name);
		buf_addc(out, ':');
		for (size_t k = 0; k < m->v[i].value.n; k++) {
			if (m->v[i].value.p[k] == '\n')
				buf_addc(out, '\r');
			buf_addc(out, m->v[i].value.p[k]);
		}
		buf_adds(out, STR("\r\n"));
	}
	buf_adds(out, STR("\r\n"));
	buf_adds(out, m->body);
}

/* Takes every field of that name out. */
static inline void
message_remove(struct message *m, struct str name)
{
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++)
		if (!str_caseeq(m->v[i].name, name))
			m->v[n++] = m->v[i];
	m->n = n;
}

#endif
