/*
 * fields: a header block cut into its fields (RFC 5322 2.2), by offsets only.
 */
#include "mail/mail_private.h"

static size_t
line_next(struct str s, size_t at)
{
	const char *nl = memchr(s.p + at, '\n', s.n - at);

	return nl ? (size_t)(nl - s.p) + 1 : s.n;
}

/* Without the line end; a CR belongs to it only before a LF or at the very end. */
static struct str
line_strip(struct str s)
{
	if (s.n > 0 && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n > 0 && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

/* Field names are printable ASCII; blanks before the colon are obsolete syntax that MTAs accept. */
static struct str
field_name(struct str line)
{
	size_t colon = 0, n;

	while (colon < line.n && line.p[colon] != ':') {
		unsigned char c = (unsigned char)line.p[colon];

		if (c == '\n' || c == '\r' || (c < 0x20 && c != '\t') || c >= 0x7f)
			return STR_NULL;
		colon++;
	}
	if (colon == line.n)
		return STR_NULL;
	for (n = colon; n > 0 && (line.p[n - 1] == ' ' || line.p[n - 1] == '\t'); n--)
		;
	if (n == 0 || memchr(line.p, ' ', n) || memchr(line.p, '\t', n))
		return STR_NULL;
	return str_make(line.p, n);
}

bool
mail_field_next(struct str block, size_t *at, struct mail_field *f, struct str *whole)
{
	size_t start = *at, end, colon;

	memset(f, 0, sizeof(*f));
	if (start >= block.n)
		return false;
	end = line_next(block, start);
	f->name = field_name(str_make(block.p + start, end - start));
	while (end < block.n && (block.p[end] == ' ' || block.p[end] == '\t'))
		end = line_next(block, end);
	*whole = str_make(block.p + start, end - start);
	*at = end;
	if (f->name.p) {
		colon = f->name.n + str_find_char(str_make(f->name.p + f->name.n, whole->n - f->name.n), ':');
		f->value = line_strip(str_make(whole->p + colon + 1, whole->n - colon - 1));
	}
	return true;
}

static uint32_t
name_hash(struct str name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)ascii_lower(name.p[i])) * 16777619u;
	return h;
}

/* Numbers the fields of one name. A table, because a hostile header has 30,000 fields. */
static void
fields_number(struct arena *a, struct mail_fields *out)
{
	size_t size = 16;
	uint32_t *last; /* 1 + index of the latest field of the name that hashes here */

	while (size < out->n * 2)
		size *= 2;
	last = ARENA_ARRAY(a, uint32_t, size);
	for (size_t i = 0; i < out->n; i++) {
		size_t slot = name_hash(out->v[i].name) & (size - 1);

		while (last[slot] != 0 && !str_caseeq(out->v[last[slot] - 1].name, out->v[i].name))
			slot = (slot + 1) & (size - 1);
		out->v[i].index = last[slot] == 0 ? 1 : out->v[last[slot] - 1].index + 1;
		last[slot] = (uint32_t)i + 1;
	}
}

void
mail_fields_split(struct arena *a, struct str block, struct mail_fields *out)
{
	struct mail_field f;
	struct str whole;
	size_t at = 0, max = 0;

	memset(out, 0, sizeof(*out));
	if (block.n == 0)
		return;
	for (const char *p = block.p, *end = block.p + block.n; p < end; max++) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : end;
	}
	out->v = ARENA_ARRAY(a, struct mail_field, max);
	while (mail_field_next(block, &at, &f, &whole))
		if (f.name.p)
			out->v[out->n++] = f;
	fields_number(a, out);
}

const struct mail_field *
mail_fields_find(const struct mail_fields *f, struct str name)
{
	for (size_t i = 0; i < f->n; i++)
		if (str_caseeq(f->v[i].name, name))
			return &f->v[i];
	return NULL;
}

struct str
mail_value_token(struct str value)
{
	size_t i = 0, start, depth = 0;

	for (; i < value.n; i++) {
		char c = value.p[i];

		if (c == '\\' && depth > 0)
			i++;
		else if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (depth == 0 && !ascii_isspace(c))
			break;
	}
	if (i > value.n)
		i = value.n;
	start = i;
	while (i < value.n && !ascii_isspace(value.p[i]) && value.p[i] != ';' && value.p[i] != '(')
		i++;
	return str_make(value.p + start, i - start);
}
