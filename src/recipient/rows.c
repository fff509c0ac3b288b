/* rows: the reading of files row by row, NDJSON, and typed cells. */
#include "recipient/rows-private.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"

struct rows *
rows_new(const struct rows_options *o)
{
	struct rows *r = calloc(1, sizeof *r);
	if (!r)
		abort();
	r->o = *o;
	r->arena = arena_new(4096);
	r->line = 1;
	return r;
}

void
rows_free(struct rows **rp)
{
	struct rows *r = *rp;
	if (!r)
		return;
	buf_free(&r->text);
	arena_free(&r->arena);
	free(r);
	*rp = NULL;
}

uint64_t
rows_bytes(const struct rows *r)
{
	return r->bytes - (r->have - r->at);
}

static int
chunk_read(struct rows *r, struct err *e)
{
	ssize_t n;
	do
		n = r->o.read(r->o.ctx, r->chunk, sizeof r->chunk);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, ERR_IO, "cannot read: %s", strerror(errno)), -2;
	r->at = 0;
	r->have = (size_t)n;
	r->bytes += (uint64_t)n;
	r->ended = n == 0;
	return n == 0 ? -1 : 0;
}

int
rows_byte(struct rows *r, struct err *e)
{
	if (r->at == r->have) {
		int rc = r->ended ? -1 : chunk_read(r, e);
		if (rc != 0)
			return rc;
	}
	char c = r->chunk[r->at++];
	r->line += c == '\n';
	return (unsigned char)c;
}

int
rows_text_check(struct str s, struct err *e)
{
	if (s.n > 0 && memchr(s.p, '\0', s.n))
		return err_set(e, ERR_INPUT, "it holds a NUL byte");
	if (!str_is_utf8(s))
		return err_set(e, ERR_INPUT, "it is not UTF-8 (convert the file: iconv -f … -t UTF-8)");
	return 0;
}

/* ---- typed cells ---- */

/* JSON's grammar for numbers (RFC 8259, 6), so that a number means the same in both formats. */
static bool
number_spelling(struct str s, bool *integer)
{
	size_t i = 0, from;
	*integer = true;
	if (i < s.n && s.p[i] == '-')
		i++;
	for (from = i; i < s.n && ascii_isdigit(s.p[i]); i++)
		;
	if (i == from || (s.p[from] == '0' && i - from > 1))
		return false;
	if (i < s.n && s.p[i] == '.') {
		*integer = false;
		for (from = ++i; i < s.n && ascii_isdigit(s.p[i]); i++)
			;
		if (i == from)
			return false;
	}
	if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
		*integer = false;
		i++;
		if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
			i++;
		for (from = i; i < s.n && ascii_isdigit(s.p[i]); i++)
			;
		if (i == from)
			return false;
	}
	return i == s.n;
}

static int
number_cell(struct arena *a, struct str text, const struct value **out, struct err *e)
{
	bool integer;
	if (text.n > 64 || !number_spelling(text, &integer))
		return err_set(e, ERR_INPUT, "\"%.*s\" is not a number", STR_ARG(str_sub(text, 0, 64)));
	const char *z = arena_cstr(a, text);
	errno = 0;
	if (integer) {
		long long i = strtoll(z, NULL, 10);
		if (errno == ERANGE)
			return err_set(e, ERR_INPUT, "%s does not fit into 64 bits", z);
		*out = value_int(a, i);
		return 0;
	}
	double d = strtod(z, NULL);
	if (!isfinite(d))
		return err_set(e, ERR_INPUT, "%s is too large", z);
	*out = value_real(a, d);
	return 0;
}

static int
bool_cell(struct str text, const struct value **out, struct err *e)
{
	static const struct {
		const char *word;
		bool b;
	} words[] = { { "true", true }, { "false", false }, { "yes", true },
		      { "no", false },	{ "1", true },	    { "0", false } };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (str_caseeq(text, str_of(words[i].word))) {
			*out = value_bool(words[i].b);
			return 0;
		}
	return err_set(e, ERR_INPUT, "\"%.*s\" is none of true, false, yes, no, 1, 0",
		       STR_ARG(str_sub(text, 0, 64)));
}

int
rows_cell(struct arena *a, struct str type, struct str text, const struct value **out, struct err *e)
{
	if (str_eq(type, STR("number")))
		return number_cell(a, str_trim(text), out, e);
	if (str_eq(type, STR("bool")))
		return bool_cell(str_trim(text), out, e);
	if (type.n > 0 && !str_eq(type, STR("string")))
		return err_set(e, ERR_USAGE, "type \"%.*s\" is none of string, number, bool",
			       STR_ARG(str_sub(type, 0, 64)));
	*out = value_string(a, arena_str(a, text));
	return 0;
}

int
rows_set_path(struct arena *a, struct value *map, struct str path, const struct value *v, struct err *e)
{
	struct str rest = path, step;
	struct value *at = map;
	for (int depth = 1; str_split(&rest, '.', &step); depth++) {
		if (step.n == 0)
			return err_set(e, ERR_INPUT, "\"%.*s\": an empty name between dots", STR_ARG(path));
		if (depth > ROWS_MAX_DEPTH)
			return err_set(e, ERR_LIMIT, "\"%.*s\": more than %d names", STR_ARG(path),
				       ROWS_MAX_DEPTH);
		if (!rest.p) {
			value_map_set(a, at, step, v);
			return 0;
		}
		const struct value *next = value_map_get(at, step);
		if (next && next->type != VALUE_MAP)
			return err_set(e, ERR_INPUT, "\"%.*s\": \"%.*s\" is a value, not a group",
				       STR_ARG(path), STR_ARG(step));
		/* Maps on the way were made here, or by the caller for this: they are still being built. */
		struct value *child = next ? (struct value *)(uintptr_t)next : value_map_new(a);
		if (!next)
			value_map_set(a, at, step, child);
		at = child;
	}
	return err_set(e, ERR_INPUT, "an empty name");
}

/* ---- NDJSON ---- */

/* One line without its end; what is over the limit is read, not kept. */
static enum rows_result
line_read(struct rows *r, uint64_t *line, struct err *e)
{
	bool any = false;
	size_t size = 0;
	int byte;
	buf_reset(&r->text);
	*line = r->line;
	while ((byte = rows_byte(r, e)) >= 0) {
		any = true;
		if (byte == '\n')
			break;
		if (++size <= ROWS_MAX_ROW)
			buf_addc(&r->text, (char)byte);
	}
	if (byte == -2)
		return ROWS_FATAL;
	if (!any)
		return ROWS_END;
	if (size > ROWS_MAX_ROW) {
		err_set(e, ERR_LIMIT, "it has more than 1 MiB");
		return ROWS_BAD;
	}
	return ROWS_ROW;
}

static int
object_fill(struct rows *r, struct arena *a, struct row *out, struct err *e)
{
	const struct value *all;
	struct value *map = value_map_new(a);
	if (rows_text_check(buf_str(&r->text), e) != 0 ||
	    json_parse(a, buf_str(&r->text), NULL, &all, e) != 0)
		return -1;
	if (all->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "not a JSON object");
	for (size_t i = 0; i < value_map_count(all); i++) {
		struct str key;
		const struct value *v;
		value_map_entry(all, i, &key, &v);
		if (r->o.address_column.p && out->address.n == 0 && v->type == VALUE_STRING &&
		    str_caseeq(key, r->o.address_column))
			out->address = str_trim(v->s);
		else
			value_map_set(a, map, key, v);
	}
	if (r->o.address_column.p && out->address.n == 0)
		return err_set(e, ERR_INPUT, "no address under \"%.*s\"", STR_ARG(r->o.address_column));
	out->profile = map;
	return 0;
}

static enum rows_result
ndjson_row(struct rows *r, struct arena *a, struct row *out, struct err *e)
{
	for (;;) {
		enum rows_result res = line_read(r, &out->line, e);
		if (res != ROWS_ROW)
			return res;
		if (str_trim(buf_str(&r->text)).n == 0)
			continue;
		return object_fill(r, a, out, e) == 0 ? ROWS_ROW : ROWS_BAD;
	}
}

/* ---- both ---- */

static int
start(struct rows *r, struct err *e)
{
	size_t have = 0;
	r->started = true;
	/* A pipe may hand out the byte-order mark in pieces. */
	while (have < 3) {
		ssize_t n = r->o.read(r->o.ctx, r->chunk + have, sizeof r->chunk - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_IO, "cannot read: %s", strerror(errno));
		if (n == 0)
			break;
		have += (size_t)n;
	}
	r->have = have;
	r->bytes = have;
	r->at = have >= 3 && memcmp(r->chunk, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	return r->o.format == ROWS_CSV ? csv_header(r, e) : 0;
}

int
rows_need(struct rows *r, struct str name, struct err *e)
{
	if (!r->started && start(r, e) != 0)
		return -1;
	return r->o.format == ROWS_CSV ? csv_need(r, name, e) : 0;
}

enum rows_result
rows_next(struct rows *r, struct arena *a, struct row *out, struct err *e)
{
	*out = (struct row){ .line = r->line };
	if (!r->started && start(r, e) != 0)
		return ROWS_FATAL;
	return r->o.format == ROWS_CSV ? csv_row(r, a, out, e) : ndjson_row(r, a, out, e);
}
