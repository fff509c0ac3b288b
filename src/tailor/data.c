/*
 * data: merge data that came with the message: of the message (X-Mailtailor-Data), and of each recipient (a
 * part application/vnd.mailtailor.data+json, which no copy and nobody else may see).
 *
 * The part is a JSON object, address → object, perhaps packed. It may be large and only a few of its entries
 * may be recipients here, so it is kept as text with an index; every entry is checked at once, and becomes
 * values when it is asked for.
 */
#include "tailor/private.h"

#include <stdlib.h>

#include "base/json.h"

#define TYPE "application/vnd.mailtailor.data+json"
#define SUBTYPE "vnd.mailtailor.data+json"
#define MAX_TEXT ((size_t)64 << 20)
#define MAX_ENTRIES 200000 /* a thousand recipients is what MTAs take */

struct data_entry {
	struct str address; /* normalised */
	struct str json;    /* its object, in the text */
};

struct message_data {
	const struct mail_part *part;
	size_t cut_start, cut_end; /* of the message's bytes: what no copy has */
	struct str cut_put;	   /* instead */
	struct buf text;
	struct data_entry *v; /* malloc'ed; by address */
	size_t n, cap;
};

/* ---- X-Mailtailor-Data ---- */

/* Several fields are an error: which would win? */
static int
field_read(struct tailor_message *m, struct err *e)
{
	const struct mail_fields *f = &m->mail.root->fields;
	const struct mail_field *data = NULL;
	for (size_t i = 0; i < f->n; i++) {
		if (!str_caseeq(f->v[i].name, STR("X-Mailtailor-Data")))
			continue;
		if (data != NULL)
			return err_set(e, ERR_INPUT,
				       "X-Mailtailor-Data: there are two; put all merge data in one");
		data = &f->v[i];
	}
	if (data == NULL)
		return 0;
	/* Folding puts line ends between JSON tokens or behind encoded words; both undo alike. */
	struct str text = mail_header_decode(m->arena, data->value);
	if (json_parse(m->arena, text, NULL, &m->data, e) != 0)
		return err_prefix(e, "X-Mailtailor-Data");
	if (m->data->type != VALUE_MAP)
		return err_set(e, ERR_INPUT,
			       "X-Mailtailor-Data: must be a JSON object like {\"first_name\": \"Ann\"}");
	return 0;
}

/* ---- the entries ---- */

/* A place in the text. Lines and columns are counted on behind it, each byte once. */
struct scan {
	struct str s;
	size_t at, counted;
	int line, column; /* of counted */
};

static void
scan_count(struct scan *c, size_t to)
{
	for (; c->counted < to; c->counted++)
		if (c->s.p[c->counted] == '\n') {
			c->line++;
			c->column = 1;
		} else {
			c->column += ((unsigned char)c->s.p[c->counted] & 0xc0) != 0x80;
		}
}

static int
scan_wrong(struct scan *c, enum err_kind kind, const char *what, struct err *e)
{
	scan_count(c, c->at < c->s.n ? c->at : c->s.n);
	return err_set(e, kind, "JSON, line %d, column %d: %s", c->line, c->column, what);
}

static char
scan_peek(struct scan *c)
{
	while (c->at < c->s.n && strchr(" \t\r\n", c->s.p[c->at]) && c->s.p[c->at] != '\0')
		c->at++;
	return c->at < c->s.n ? c->s.p[c->at] : '\0';
}

/* Behind the string whose quote is at hand; false when it does not end. */
static bool
skip_string(struct scan *c)
{
	for (c->at++; c->at < c->s.n; c->at++) {
		if (c->s.p[c->at] == '\\')
			c->at++;
		else if (c->s.p[c->at] == '"') {
			c->at++;
			return true;
		}
	}
	c->at = c->s.n;
	return false;
}

/* Behind the object whose brace is at hand, by its brackets alone: json_parse sees to the rest. */
static bool
skip_object(struct scan *c)
{
	size_t depth = 0;
	while (c->at < c->s.n) {
		char x = c->s.p[c->at];
		if (x == '"') {
			if (!skip_string(c))
				return false;
			continue;
		}
		c->at++;
		depth += x == '{' || x == '[';
		if ((x == '}' || x == ']') && --depth == 0)
			return true;
	}
	return false;
}

/* From start to where the scan is, as JSON; a mistake is named by its place in the whole text. */
static int
parse_piece(struct scan *c, size_t start, struct arena *a, const struct value **out, struct err *e)
{
	scan_count(c, start);
	const struct json_limits lim = { .max_bytes = MAX_TEXT, .line = c->line, .column = c->column };
	return json_parse(a, str_sub(c->s, start, c->at), &lim, out, e);
}

static struct data_entry *
entry_new(struct message_data *d)
{
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 64;
		d->v = reallocarray(d->v, d->cap, sizeof(*d->v));
		if (d->v == NULL)
			abort(); /* as arenas do */
	}
	return &d->v[d->n++];
}

/* "address": { … }; scratch is emptied. */
static int
entry_read(struct tailor_message *m, struct scan *c, struct arena *scratch, struct err *e)
{
	struct message_data *d = m->recipients;
	const struct value *v;
	struct str address;
	size_t start = c->at;
	if (scan_peek(c) != '"')
		return scan_wrong(c, ERR_INPUT, "a mail address in quotes is expected here", e);
	start = c->at;
	if (d->n >= MAX_ENTRIES)
		return scan_wrong(c, ERR_LIMIT, "there are more than 200000 entries; send several messages",
				  e);
	if (!skip_string(c))
		return scan_wrong(c, ERR_INPUT, "the text ends within a string", e);
	arena_reset(scratch);
	if (parse_piece(c, start, scratch, &v, e) != 0)
		return -1;
	if (address_normalize(m->arena, v->s, &address, NULL) != 0) {
		c->at = start;
		return scan_wrong(c, ERR_INPUT, "this is no mail address; write one like \"ann@example.com\"",
				  e);
	}
	if (scan_peek(c) != ':')
		return scan_wrong(c, ERR_INPUT, "a : is expected here", e);
	c->at++;
	if (scan_peek(c) != '{')
		return scan_wrong(c, ERR_INPUT, "an object like {\"first_name\": \"Ann\"} is expected here",
				  e);
	start = c->at;
	if (!skip_object(c))
		return scan_wrong(c, ERR_INPUT, "the text ends within an object", e);
	arena_reset(scratch);
	if (parse_piece(c, start, scratch, &v, e) != 0)
		return -1;
	*entry_new(d) = (struct data_entry){ address, str_sub(c->s, start, c->at) };
	return 0;
}

static int
entry_order(const void *pa, const void *pb)
{
	struct str a = ((const struct data_entry *)pa)->address, b = ((const struct data_entry *)pb)->address;
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int
entries_sort(struct message_data *d, struct err *e)
{
	if (d->n > 1)
		qsort(d->v, d->n, sizeof(*d->v), entry_order);
	for (size_t i = 1; i < d->n; i++)
		if (entry_order(&d->v[i - 1], &d->v[i]) == 0)
			return err_set(e, ERR_INPUT,
				       "JSON: one address is there twice; put its data in one entry");
	return 0;
}

static int
entries_read(struct tailor_message *m, struct err *e)
{
	struct scan c = { .s = buf_str(&m->recipients->text), .line = 1, .column = 1 };
	struct arena *scratch;
	int rc = 0;
	if (str_starts(c.s, STR("\xef\xbb\xbf")))
		c.s = str_sub(c.s, 3, c.s.n);
	if (scan_peek(&c) != '{')
		return scan_wrong(
		    &c, ERR_INPUT,
		    "an object like {\"ann@example.com\": {\"first_name\": \"Ann\"}} is expected", e);
	c.at++;
	scratch = arena_new(4096);
	if (scan_peek(&c) != '}') {
		do {
			rc = entry_read(m, &c, scratch, e);
		} while (rc == 0 && scan_peek(&c) == ',' && c.at++ < c.s.n);
	}
	arena_free(&scratch);
	if (rc != 0)
		return -1;
	if (scan_peek(&c) != '}')
		return scan_wrong(&c, ERR_INPUT, "a , or } is expected here", e);
	c.at++;
	if (scan_peek(&c) != '\0' || c.at < c.s.n)
		return scan_wrong(&c, ERR_INPUT, "there is more behind the object's end", e);
	return entries_sort(m->recipients, e);
}

/* ---- the part ---- */

static int
text_read(struct tailor_message *m, struct err *e)
{
	struct message_data *d = m->recipients;
	struct str raw = str_sub(m->mail.bytes, d->part->body_start, d->part->body_end);
	struct buf packed = { 0 };
	int rc = mail_body_decode(d->part, raw, &d->text, e);
	if (rc == 0 && mail_is_packed(buf_str(&d->text))) {
		packed = d->text;
		d->text = (struct buf){ 0 };
		rc = mail_unpack(buf_str(&packed), MAX_TEXT, &d->text, e);
		buf_free(&packed);
	}
	if (rc == 0 && d->text.n > MAX_TEXT)
		rc = err_set(e, ERR_LIMIT, "it is over %zu MB; send several messages", MAX_TEXT >> 20);
	return rc;
}

/* Length of the line end at i: 0, 1 or 2. */
static size_t
eol_at(struct str s, size_t i)
{
	if (i < s.n && s.p[i] == '\n')
		return 1;
	return i + 1 < s.n && s.p[i] == '\r' && s.p[i + 1] == '\n' ? 2 : 0;
}

/*
 * What is cut out: from the part's boundary line up to the next, so that the line end before it becomes the
 * next boundary's (RFC 2046, 5.1.1). Of an only child header and body alone: a multipart has at least one
 * part, and this one is then empty. Where the message ends without the closing boundary, the line end goes
 * too.
 */
static void
cut_find(struct tailor_message *m)
{
	struct message_data *d = m->recipients;
	const struct mail_part *p = d->part;
	struct str s = m->mail.bytes;
	if (p->parent->child == p && p->next == NULL) {
		d->cut_start = p->head_start;
		d->cut_end = p->body_end;
		d->cut_put = p->lf ? STR("\n") : STR("\r\n");
		return;
	}
	size_t line = p->head_start - 1;
	while (line > 0 && s.p[line - 1] != '\n')
		line--;
	d->cut_start = line;
	d->cut_end = p->body_end + eol_at(s, p->body_end);
	for (const struct mail_part *q = p->parent->child; d->cut_end == s.n && q != p; q = q->next)
		d->cut_start = q->body_end; /* of the one before, in the end */
}

static bool
holds_caseless(struct str s, struct str what)
{
	for (size_t i = 0; i + what.n <= s.n; i++)
		if (ascii_lower(s.p[i]) == what.p[0] && str_caseeq(str_sub(s, i, i + what.n), what))
			return true;
	return false;
}

/* What is not told apart into parts: a multipart where that failed, or a message within the message. */
static bool
is_undivided(const struct mail_part *p)
{
	const struct mail_field *type = mail_fields_find(&p->fields, STR("Content-Type"));
	return p->child == NULL && type != NULL &&
	       (str_casestarts(str_trim(type->value), STR("multipart/")) ||
		str_casestarts(str_trim(type->value), STR("message/")));
}

/* Of two Content-Type fields either may be the one that counts. */
static bool
is_data(const struct mail_part *p)
{
	for (size_t i = 0; i < p->fields.n; i++)
		if (str_caseeq(p->fields.v[i].name, STR("Content-Type")) &&
		    str_casestarts(str_trim(p->fields.v[i].value), STR(TYPE)))
			return true;
	return str_eq(p->type, STR("application")) && str_eq(p->subtype, STR(SUBTYPE));
}

static int
part_check(const struct tailor_message *m, const struct mail_part *p, struct err *e)
{
	if (m->recipients != NULL)
		return err_set(e, ERR_INPUT, "parts %s and %s are both %s; put all data in one",
			       m->recipients->part->path, p->path, TYPE);
	if (p->parent == NULL)
		return err_set(e, ERR_INPUT,
			       "the message is nothing but %s; make it a part of multipart/mixed", TYPE);
	if (p->role == MAIL_ROLE_PROTECTED)
		return err_set(
		    e, ERR_INPUT,
		    "part %s (%s) is signed or encrypted, so it cannot be taken out; put it beside what "
		    "is signed",
		    p->path, TYPE);
	return 0;
}

/* Where it cannot be cut out it must not leave: it holds what only others may see. */
static int
part_find(struct tailor_message *m, struct err *e)
{
	for (const struct mail_part *p = m->mail.root; p != NULL; p = part_next(p)) {
		if (is_undivided(p) &&
		    holds_caseless(str_sub(m->mail.bytes, p->body_start, p->body_end), STR(TYPE)))
			return err_set(e, ERR_INPUT,
				       "part %s holds %s and cannot be told apart into parts; correct its "
				       "Content-Type and boundaries",
				       p->path, TYPE);
		if (!is_data(p))
			continue;
		if (part_check(m, p, e) != 0)
			return -1;
		m->recipients = ARENA_NEW(m->arena, struct message_data);
		m->recipients->part = p;
	}
	return 0;
}

int
data_prepare(struct tailor_message *m, struct err *e)
{
	if (field_read(m, e) != 0 || part_find(m, e) != 0)
		return -1;
	if (m->recipients == NULL)
		return 0;
	cut_find(m);
	if (text_read(m, e) != 0 || entries_read(m, e) != 0)
		return err_prefix(e, "part %s (%s)", m->recipients->part->path, TYPE);
	return 0;
}

void
data_free(struct tailor_message *m)
{
	if (m->recipients == NULL)
		return;
	buf_free(&m->recipients->text);
	free(m->recipients->v);
}

/* ---- asked for ---- */

const struct value *
tailor_message_data(const struct tailor_message *m)
{
	return m->data;
}

struct str
tailor_message_recipient_json(const struct tailor_message *m, struct str address)
{
	const struct message_data *d = m->recipients;
	const struct data_entry key = { .address = address };
	if (d == NULL || d->n == 0)
		return STR_NULL;
	const struct data_entry *hit = bsearch(&key, d->v, d->n, sizeof(*d->v), entry_order);
	return hit ? hit->json : STR_NULL;
}

const struct value *
tailor_message_recipient_data(const struct tailor_message *m, struct str address, struct arena *a)
{
	const struct json_limits lim = { .max_bytes = MAX_TEXT };
	const struct value *v = NULL;
	struct str json = tailor_message_recipient_json(m, address);
	if (json.p == NULL || json_parse(a, json, &lim, &v, NULL) != 0) /* it was checked */
		return NULL;
	return v;
}

/* ---- the message without it ---- */

bool
data_is_cut(const struct tailor_message *m)
{
	return m->recipients != NULL;
}

static size_t
within(size_t at, size_t from, size_t to)
{
	return at < from ? from : at > to ? to : at;
}

void
source_add(struct buf *out, const struct tailor_message *m, size_t from, size_t to)
{
	const struct message_data *d = m->recipients;
	struct str s = m->mail.bytes;
	size_t start = d ? within(d->cut_start, from, to) : to, end = d ? within(d->cut_end, start, to) : to;
	buf_adds(out, str_sub(s, from, start));
	if (d && from <= d->cut_start && d->cut_start < to)
		buf_adds(out, d->cut_put);
	buf_adds(out, str_sub(s, end, to));
}

void
tailor_message_strip(const struct tailor_message *m, struct buf *out)
{
	const struct mail_part *root = m->mail.root;
	const struct mail_fields *f = &root->fields;
	const char *base = m->mail.bytes.p;
	size_t at = 0;
	for (size_t i = 0; data_is_cut(m) && i < f->n; i++) {
		if (!header_is_stale(f->v[i].name, true))
			continue;
		size_t start = (size_t)(f->v[i].name.p - base);
		buf_adds(out, str_sub(m->mail.bytes, at, start));
		at = i + 1 < f->n ? (size_t)(f->v[i + 1].name.p - base) : root->head_end;
	}
	source_add(out, m, at, m->mail.bytes.n);
}
