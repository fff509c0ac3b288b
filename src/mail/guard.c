/*
 * guard: GMime 3.2 takes time with the square of the parameters of a field,
 * with the product of boundaries and lines that begin with "--", and several
 * microseconds for each field and each part. Ordinary mail is far below all
 * of these limits; a 10 MB message built for the purpose takes minutes.
 */
#include <stdlib.h>

#include <gmime/gmime.h>

#include "mail/guard.h"
#include "mail/mail_private.h"

#define SHORT_MESSAGE ((size_t)64 * 1024) /* costs 100 ms at worst */
#define FIELD_MAX ((size_t)16 * 1024)
#define FIELDS_IN_A_ROW 10000
#define DASH_WORK ((size_t)20 * 1000 * 1000)
#define PARTS_FACTOR 4 /* parts inside message/rfc822 are GMime's work too */
#define BOUNDARY_MAX 1000

struct guard {
	struct str bytes;
	char **bounds; /* every boundary that a line anywhere declares */
	size_t nbounds, dashes, delims, row;
};

/* A field at `at` that declares a boundary; false when no field may be that long. */
static bool
content_field(struct guard *g, size_t at)
{
	struct str rest = str_sub(g->bytes, at, at + FIELD_MAX + 1), whole;
	struct mail_field f;
	size_t end = 0;
	GMimeContentType *ct;
	const char *bound;
	char *value;

	if (!mail_field_next(rest, &end, &f, &whole) || !f.name.p)
		return true;
	if (whole.n > FIELD_MAX)
		return false;
	if (!str_caseeq(f.name, STR("Content-Type")) || g->nbounds == BOUNDARY_MAX)
		return true;
	value = g_strndup(f.value.p, f.value.n);
	ct = g_mime_content_type_parse(NULL, value);
	bound = ct ? g_mime_content_type_get_parameter(ct, "boundary") : NULL;
	if (bound)
		g->bounds[g->nbounds++] = g_strdup(bound);
	if (ct)
		g_object_unref(ct);
	g_free(value);
	return true;
}

/* "--" and one of the boundaries declared so far? */
static bool
is_delim(const struct guard *g, struct str line)
{
	for (size_t i = 0; i < g->nbounds; i++) {
		size_t n = strlen(g->bounds[i]);

		if (line.n - 2 >= n && memcmp(line.p + 2, g->bounds[i], n) == 0 &&
		    str_trim(str_sub(line, 2 + n, line.n)).n == 0)
			return true;
	}
	return false;
}

static bool
looks_like_field(struct str line)
{
	size_t i = 0;

	if (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
		return true;
	while (i < line.n && (unsigned char)line.p[i] > ' ' && line.p[i] != ':')
		i++;
	return i > 0 && i < line.n && line.p[i] != '\r';
}

static enum guard_verdict
guard_line(struct guard *g, size_t at, struct str line, size_t max_parts)
{
	g->row = looks_like_field(line) ? g->row + 1 : 0;
	if (g->row > FIELDS_IN_A_ROW)
		return GUARD_ODD;
	if (line.n >= 2 && line.p[0] == '-' && line.p[1] == '-') {
		if (++g->dashes * g->nbounds > DASH_WORK)
			return GUARD_ODD;
		g->delims += is_delim(g, line);
		if (g->delims > max_parts * PARTS_FACTOR)
			return GUARD_PARTS;
	} else if (str_casestarts(line, STR("Content-")) && !content_field(g, at)) {
		return GUARD_ODD;
	}
	return g->nbounds == BOUNDARY_MAX ? GUARD_PARTS : GUARD_OK;
}

enum guard_verdict
mail_guard(struct str bytes, size_t max_parts)
{
	struct guard g = { .bytes = bytes };
	enum guard_verdict v = GUARD_OK;
	size_t at = 0;

	if (bytes.n <= SHORT_MESSAGE)
		return GUARD_OK;
	g.bounds = g_malloc(BOUNDARY_MAX * sizeof(*g.bounds));
	while (at < bytes.n && v == GUARD_OK) {
		const char *nl = memchr(bytes.p + at, '\n', bytes.n - at);
		size_t end = nl ? (size_t)(nl - bytes.p) : bytes.n;

		v = guard_line(&g, at, str_make(bytes.p + at, end - at), max_parts);
		at = end + 1;
	}
	for (size_t i = 0; i < g.nbounds; i++)
		g_free(g.bounds[i]);
	g_free(g.bounds);
	return v;
}
