/*
 * parse: the part tree. GMime says what the parts are and where the content of
 * each leaf lies; this file walks the same structure over the bytes, so that
 * headers and containers get offsets too, and checks every step against
 * GMime's. Where the two disagree, the message is one opaque part: an edit at
 * a wrong offset is worse than no edit.
 */
#include <limits.h>
#include <stdio.h>

#include <gmime/gmime.h>

#include "mail/guard.h"
#include "mail/mail_private.h"
#include "mail/role.h"

#define DEPTH_DEFAULT 30
#define DEPTH_CEILING 200 /* the walk recurses */
#define PARTS_DEFAULT 1000

enum walk_status { WALK_OK, WALK_LIMIT, WALK_LOST };

struct walk {
	struct arena *a;
	struct str bytes;
	ptrdiff_t shift; /* offset in bytes minus offset in what GMime was given */
	struct mail_limits lim;
	bool lf;
	size_t nparts;
	struct str bound[DEPTH_CEILING + 1]; /* boundaries of the containers around, outermost first */
	int depth;
	struct err *e;
};

void
mail_init(void)
{
	/*
	 * What GMime makes of a message. GLib makes a class at its first use, in whatever thread that is, and
	 * our reading of it in another is then ordered only by GLib's own futexes; made here, all are there
	 * before any thread. The references are kept for the life of the process.
	 */
	static GType (*const types[])(void) = {
		g_mime_message_get_type,
		g_mime_message_part_get_type,
		g_mime_message_partial_get_type,
		g_mime_multipart_get_type,
		g_mime_multipart_signed_get_type,
		g_mime_multipart_encrypted_get_type,
		g_mime_part_get_type,
		g_mime_text_part_get_type,
		g_mime_content_type_get_type,
		g_mime_content_disposition_get_type,
		g_mime_parser_get_type,
		g_mime_stream_mem_get_type,
		g_mime_data_wrapper_get_type,
		g_mime_application_pkcs7_mime_get_type,
	};
	g_mime_init();
	for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
		g_type_class_ref(types[i]());
}

/* ---- lines ---- */

static size_t
line_end(struct str s, size_t at)
{
	const char *nl = memchr(s.p + at, '\n', s.n - at);

	return nl ? (size_t)(nl - s.p) : s.n;
}

static size_t
line_behind(struct str s, size_t at)
{
	size_t end = line_end(s, at);

	return end < s.n ? end + 1 : end;
}

void
mail_header_bounds(struct str s, size_t start, size_t *head_end, size_t *body_start)
{
	size_t at = start;

	while (at < s.n) {
		if (s.p[at] == '\n' || (s.p[at] == '\r' && at + 1 < s.n && s.p[at + 1] == '\n')) {
			*head_end = at;
			*body_start = at + (s.p[at] == '\n' ? 1 : 2);
			return;
		}
		at = line_behind(s, at);
	}
	*head_end = *body_start = s.n;
}

enum line_kind { LINE_TEXT, LINE_DELIM, LINE_CLOSE };

static bool
boundary_matches(struct str line, struct str bound, size_t dashes_behind)
{
	size_t n = 2 + bound.n + dashes_behind;

	if (line.n < n || memcmp(line.p + 2, bound.p, bound.n) != 0)
		return false;
	if (dashes_behind > 0 && memcmp(line.p + 2 + bound.n, "--", 2) != 0)
		return false;
	for (size_t i = n; i < line.n; i++)
		if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
			return false;
	return true;
}

/* What the line at `at` is for the containers around; *level: whose it is, counted from the outermost. */
static enum line_kind
line_kind_at(const struct walk *w, size_t at, int *level)
{
	struct str line = str_make(w->bytes.p + at, line_end(w->bytes, at) - at);

	if (line.n < 2 || line.p[0] != '-' || line.p[1] != '-')
		return LINE_TEXT;
	for (int i = w->depth - 1; i >= 0; i--) {
		*level = i;
		if (boundary_matches(line, w->bound[i], 2))
			return LINE_CLOSE;
		if (boundary_matches(line, w->bound[i], 0))
			return LINE_DELIM;
	}
	return LINE_TEXT;
}

/* The next line from `at` on that ends something around it, or the end of the message. */
static size_t
boundary_search(const struct walk *w, size_t at)
{
	int level;

	if (w->depth == 0)
		return w->bytes.n;
	while (at < w->bytes.n && line_kind_at(w, at, &level) == LINE_TEXT)
		at = line_behind(w->bytes, at);
	return at;
}

/* Content that ends at the boundary line at `stop`: the line end before it belongs to the boundary. */
static size_t
content_end(struct str s, size_t body_start, size_t stop)
{
	size_t end = stop;

	if (stop == s.n)
		return stop;
	if (end > body_start && s.p[end - 1] == '\n') {
		end--;
		if (end > body_start && s.p[end - 1] == '\r')
			end--;
	}
	return end;
}

/* ---- the walk ---- */

static enum walk_status
walk_part(struct walk *w, GMimeObject *o, struct mail_part *p, size_t start, size_t *stop);

static enum walk_status
parts_limit(struct walk *w)
{
	err_set(w->e, ERR_LIMIT, "the message has more than %zu parts", w->lim.max_parts);
	return WALK_LIMIT;
}

static enum walk_status
part_new(struct walk *w, struct mail_part *parent, int number, struct mail_part **out)
{
	struct mail_part *p;

	if (++w->nparts > w->lim.max_parts)
		return parts_limit(w);
	p = ARENA_NEW(w->a, struct mail_part);
	p->parent = parent;
	p->lf = w->lf;
	if (!parent)
		snprintf(p->path, sizeof(p->path), "1");
	else if (!parent->parent)
		snprintf(p->path, sizeof(p->path), "%d", number);
	else
		snprintf(p->path, sizeof(p->path), "%.19s.%d", parent->path, number);
	*out = p;
	return WALK_OK;
}

/* A leaf: GMime's offsets, confirmed by what stands around them. */
static enum walk_status
walk_leaf(struct walk *w, GMimePart *o, struct mail_part *p, size_t *stop)
{
	GMimeDataWrapper *content = g_mime_part_get_content(o);
	GMimeStream *stream = content ? g_mime_data_wrapper_get_stream(content) : NULL;
	size_t start, end, at;
	int level;

	if (!stream || stream->bound_start < 0 || stream->bound_end < stream->bound_start)
		return WALK_LOST;
	start = (size_t)(stream->bound_start + w->shift);
	end = (size_t)(stream->bound_end + w->shift);
	if (start != p->body_start || end > w->bytes.n)
		return WALK_LOST;
	if (end == w->bytes.n) {
		p->body_end = *stop = end;
		return WALK_OK;
	}
	/* GMime takes the boundary line's kind of line end for the one before: off by one when they differ */
	for (at = end; at <= end + 2 && at < w->bytes.n; at++)
		if ((at == p->body_start || w->bytes.p[at - 1] == '\n') &&
		    line_kind_at(w, at, &level) != LINE_TEXT)
			break;
	if (at > end + 2 || at >= w->bytes.n)
		return WALK_LOST;
	*stop = at;
	p->body_end = content_end(w->bytes, p->body_start, at);
	return WALK_OK;
}

static enum walk_status
walk_children(struct walk *w, GMimeMultipart *o, struct mail_part *p, size_t *at)
{
	int n = g_mime_multipart_get_count(o), level = 0;
	struct mail_part **link = &p->child;
	enum walk_status st;

	for (int i = 0; i < n; i++) {
		if (*at >= w->bytes.n || line_kind_at(w, *at, &level) != LINE_DELIM || level != w->depth - 1)
			return WALK_LOST;
		if ((st = part_new(w, p, i + 1, link)) != WALK_OK)
			return st;
		st = walk_part(w, g_mime_multipart_get_part(o, i), *link, line_behind(w->bytes, *at), at);
		if (st != WALK_OK)
			return st;
		link = &(*link)->next;
	}
	/* a delimiter with nothing behind it: GMime has given up here, and so everything around ends with the
	 * message */
	if (*at < w->bytes.n && line_kind_at(w, *at, &level) == LINE_DELIM && level == w->depth - 1)
		*at = w->bytes.n;
	return WALK_OK;
}

static enum walk_status
walk_multipart(struct walk *w, GMimeMultipart *o, struct mail_part *p, size_t *stop)
{
	const char *bound = g_mime_object_get_content_type_parameter((GMimeObject *)o, "boundary");
	size_t at = p->body_start;
	enum walk_status st = WALK_OK;
	int level = 0;

	if (!bound) {
		*stop = boundary_search(w, at);
		goto out;
	}
	if (w->depth >= w->lim.max_depth) {
		err_set(w->e, ERR_LIMIT, "the message has parts nested deeper than %d", w->lim.max_depth);
		return WALK_LIMIT;
	}
	w->bound[w->depth++] = str_of(bound);
	at = boundary_search(w, at);
	st = walk_children(w, o, p, &at);
	if (st == WALK_OK && at < w->bytes.n && line_kind_at(w, at, &level) == LINE_CLOSE &&
	    level == w->depth - 1) {
		w->depth--;
		*stop = boundary_search(w, line_behind(w->bytes, at));
	} else {
		w->depth--;
		*stop = at;
	}
out:
	p->body_end = content_end(w->bytes, p->body_start, *stop);
	/* an empty last child's empty line is also the line end before the boundary */
	for (const struct mail_part *c = p->child; c; c = c->next)
		p->body_end = c->body_end > p->body_end ? c->body_end : p->body_end;
	return st;
}

static enum walk_status
walk_part(struct walk *w, GMimeObject *o, struct mail_part *p, size_t start, size_t *stop)
{
	enum walk_status st;

	p->head_start = start;
	mail_header_bounds(w->bytes, start, &p->head_end, &p->body_start);
	mail_fields_split(w->a, str_sub(w->bytes, start, p->head_end), &p->fields);
	if (GMIME_IS_MULTIPART(o)) {
		if (!p->parent)
			p->path[0] = '0';
		mail_role_set(w->a, o, w->bytes, p);
		return walk_multipart(w, (GMimeMultipart *)o, p, stop);
	}
	if (GMIME_IS_PART(o)) {
		st = walk_leaf(w, (GMimePart *)o, p, stop);
		if (st != WALK_OK)
			return st;
	} else { /* message/rfc822: what is inside is not ours to touch */
		*stop = boundary_search(w, p->body_start);
		p->body_end = content_end(w->bytes, p->body_start, *stop);
	}
	mail_role_set(w->a, o, w->bytes, p);
	return WALK_OK;
}

/* The whole body as one part that nobody edits. */
static struct mail_part *
part_opaque(struct arena *a, struct str bytes)
{
	struct mail_part *p = ARENA_NEW(a, struct mail_part);

	mail_header_bounds(bytes, 0, &p->head_end, &p->body_start);
	mail_fields_split(a, str_sub(bytes, 0, p->head_end), &p->fields);
	p->body_end = bytes.n;
	p->role = MAIL_ROLE_DATA;
	p->cte = MAIL_CTE_OTHER;
	p->type = STR("application");
	p->subtype = STR("octet-stream");
	p->charset = STR("us-ascii");
	snprintf(p->path, sizeof(p->path), "1");
	return p;
}

/*
 * An object for each of the header's other fields would be two thirds of GMime's time, and the copy is a
 * fiftieth.
 */
size_t
mail_view(struct str message, size_t head_end, size_t body_start, char *out)
{
	struct str head = str_sub(message, 0, head_end), whole;
	struct mail_field f;
	size_t at = 0, n = 0;

	while (mail_field_next(head, &at, &f, &whole))
		if (str_casestarts(f.name, STR("Content-"))) {
			memcpy(out + n, whole.p, whole.n);
			n += whole.n;
		}
	if (n > 0 && out[n - 1] != '\n')
		out[n++] = '\n';
	out[n++] = '\n';
	if (message.n > body_start)
		memcpy(out + n, message.p + body_start, message.n - body_start);
	return n;
}

static GByteArray
view_make(struct walk *w, const struct mail_part *root)
{
	guint8 *view = g_malloc(w->bytes.n + MAIL_VIEW_EXTRA);
	size_t n = mail_view(w->bytes, root->head_end, root->body_start, (char *)view);

	w->shift = (ptrdiff_t)root->body_start - (ptrdiff_t)n;
	return (GByteArray){ view, (guint)(n + w->bytes.n - root->body_start) };
}

static GMimeObject *
view_parse(GByteArray *view)
{
	GMimeStream *mem = g_mime_stream_mem_new_with_byte_array(view);
	GMimeParser *parser;
	GMimeObject *o;

	g_mime_stream_mem_set_owner((GMimeStreamMem *)mem, FALSE); /* read only, and freed here */
	parser = g_mime_parser_new_with_stream(mem);
	o = g_mime_parser_construct_part(parser, NULL);
	g_object_unref(parser);
	g_object_unref(mem);
	return o;
}

static enum walk_status
walk_message(struct walk *w, struct mail_part **root)
{
	GByteArray view;
	GMimeObject *o;
	enum walk_status st;
	size_t stop;

	if ((st = part_new(w, NULL, 1, root)) != WALK_OK)
		return st;
	mail_header_bounds(w->bytes, 0, &(*root)->head_end, &(*root)->body_start);
	view = view_make(w, *root);
	switch (mail_guard(str_make((const char *)view.data, view.len), w->lim.max_parts)) {
	case GUARD_PARTS:
		st = parts_limit(w);
		goto out;
	case GUARD_ODD:
		st = WALK_LOST;
		goto out;
	case GUARD_OK:
		break;
	}
	o = view_parse(&view);
	st = o ? walk_part(w, o, *root, 0, &stop) : WALK_LOST;
	if (o)
		g_object_unref(o);
out:
	g_free(view.data);
	return st;
}

int
mail_parse(struct arena *a, struct str message, const struct mail_limits *lim, struct mail *out,
	   struct err *e)
{
	struct walk *w;
	enum walk_status st;
	struct mail_part *root = NULL;

	memset(out, 0, sizeof(*out));
	if (message.n > INT_MAX - 2)
		return err_set(e, ERR_LIMIT, "the message is over 2 GB");
	w = ARENA_NEW(a, struct walk);
	w->a = a;
	w->bytes = message;
	w->e = e;
	size_t nl = str_find_char(message, '\n');
	w->lf = nl < message.n && (nl == 0 || message.p[nl - 1] != '\r');
	w->lim.max_depth = lim && lim->max_depth > 0 ? lim->max_depth : DEPTH_DEFAULT;
	w->lim.max_depth = w->lim.max_depth < DEPTH_CEILING ? w->lim.max_depth : DEPTH_CEILING;
	w->lim.max_parts = lim && lim->max_parts > 0 ? lim->max_parts : PARTS_DEFAULT;

	st = walk_message(w, &root);
	if (st == WALK_LIMIT)
		return -1;
	if (st == WALK_LOST) {
		root = part_opaque(a, message);
		w->nparts = 1;
	}
	out->bytes = message;
	out->root = root;
	out->nparts = w->nparts;
	return 0;
}
