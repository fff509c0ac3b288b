/*
 * copy-compare [-k KEYFILE]: reads "BEFORE<tab>AFTER" lines, names of a
 * message as submitted and of its copy, and compares the two byte by byte but
 * for what may change: text parts that are not attachments, and the header
 * fields that mailtailor sets. Prints a JSON object a line:
 *
 *	before, after  the two names
 *	failures       texts: what must not have changed, and where
 *	same           how many parts have equal bytes
 *	parts          for each text part: path, subtype, changed, recoded; left (why it cannot be decoded)
 *	               or before and after, each with start, end, cte, charset, text
 *	tokens         of all texts: TOKEN → purpose, url_bytes, link
 *
 * text is UTF-8 in base64url, as mail_text_decode makes it, url_bytes too;
 * offsets are bytes of the whole message. Without -k tokens are opened with
 * the ring of corpus-tailor. Exit status 0; 1 when a file cannot be read.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mail/mail.h"
#include "token/base64url.h"
#include "token/token.h"

#define HOST STR("https://t.shop.example/")

struct side {
	const char *name;
	struct buf bytes;
	struct mail mail;
};

struct pair {
	struct arena *a;
	struct sealer *sealer;
	struct side before, after;
	json_t *failures, *parts, *tokens;
	long same;
	size_t at_before, at_after; /* up to here the bodies are compared */
};

static void __attribute__((format(printf, 2, 3))) fail(struct pair *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_t *s = json_string(text);
	json_array_append_new(p->failures, s ? s : json_string("(not UTF-8)"));
}

static int
side_read(struct side *s, const char *name)
{
	char chunk[65536];
	size_t n;
	FILE *f = fopen(name, "rb");
	s->name = name;
	buf_reset(&s->bytes);
	if (f == NULL) {
		perror(name);
		return -1;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&s->bytes, chunk, n);
	fclose(f);
	return 0;
}

/* ---- header ---- */

static bool
name_in(struct str name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_caseeq(name, str_of(list[i])))
			return true;
	return false;
}

/* What mailtailor sets in the message's header, and in that of a part that was encoded anew. */
static bool
field_may_change(struct str name, bool root, bool recoded)
{
	static const char *const ours[] = { "To", "List-Unsubscribe", "List-Unsubscribe-Post",
					    "Feedback-ID" };
	/* What vouched for the bytes as they came goes with them. */
	static const char *const vouchers[] = { "DKIM-Signature", "DomainKey-Signature",
						"X-Google-DKIM-Signature", "Content-MD5", "Content-Length" };
	static const char *const coding[] = { "MIME-Version", "Content-Type", "Content-Transfer-Encoding" };
	if (root && (name_in(name, ours, 4) || name_in(name, vouchers, 5) ||
		     str_casestarts(name, STR("X-Mailtailor-"))))
		return true;
	return recoded && name_in(name, coding, 3);
}

/* The next field that must stay, from *i on; NULL behind the last. */
static const struct mail_field *
field_next(const struct mail_fields *f, size_t *i, bool root, bool recoded)
{
	while (*i < f->n && field_may_change(f->v[*i].name, root, recoded))
		(*i)++;
	return *i < f->n ? &f->v[(*i)++] : NULL;
}

/* Templates in a field are what a campaign is for. */
static bool
field_same(const struct mail_field *b, const struct mail_field *a, bool root)
{
	if (!str_eq(b->name, a->name))
		return false;
	return str_eq(b->value, a->value) || (root && str_find(b->value, STR("{{")) < b->value.n);
}

/* A Content-Type value without its charset parameter and without white space. */
static struct str
type_bare(struct arena *a, struct str value)
{
	char *p = arena_alloc(a, value.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_isspace(value.p[i]))
			p[n++] = value.p[i];
	struct str all = str_make(p, n), out = { p, 0 }, parameter;
	while (str_split(&all, ';', &parameter)) {
		if (parameter.n == 0 || str_casestarts(parameter, STR("charset=")))
			continue;
		memmove(p + out.n, parameter.p, parameter.n);
		out.n += parameter.n;
	}
	return out;
}

/* Of a part that was encoded anew: its other parameters stand. */
static bool
type_same(struct arena *a, const struct mail_fields *was, const struct mail_fields *is)
{
	const struct mail_field *b = mail_fields_find(was, STR("Content-Type"));
	const struct mail_field *f = mail_fields_find(is, STR("Content-Type"));
	return b == NULL || (f != NULL && str_eq(type_bare(a, b->value), type_bare(a, f->value)));
}

static void
header_compare(struct pair *p, const struct mail_part *b, const struct mail_part *a, bool recoded)
{
	bool root = b->parent == NULL;
	size_t i = 0, k = 0;
	for (;;) {
		const struct mail_field *was = field_next(&b->fields, &i, root, recoded);
		const struct mail_field *is = field_next(&a->fields, &k, root, recoded);
		if (was == NULL && is == NULL)
			break;
		if (was == NULL || is == NULL || !field_same(was, is, root)) {
			struct str name = was ? was->name : is->name;
			fail(p, "part %s: header field %.*s changed", b->path, STR_ARG(name));
			return;
		}
	}
	if (recoded && !type_same(p->a, &b->fields, &a->fields))
		fail(p, "part %s: more of its Content-Type than the charset changed", b->path);
}

/* ---- body ---- */

static struct str
part_bytes(const struct side *s, const struct mail_part *p)
{
	return str_sub(buf_str(&s->bytes), p->body_start, p->body_end);
}

/* Everything from the last changed part up to here must be the same. */
static void
gap_compare(struct pair *p, size_t before, size_t after, const char *where)
{
	struct str b = str_sub(buf_str(&p->before.bytes), p->at_before, before);
	struct str a = str_sub(buf_str(&p->after.bytes), p->at_after, after);
	if (!str_eq(a, b))
		fail(p, "bytes before %s changed", where);
}

/* The token at the start of s, up to the first character that none has. */
static struct str
token_text(struct str s)
{
	size_t n = 0;
	while (n < s.n && (ascii_isalpha(s.p[n]) || ascii_isdigit(s.p[n]) || s.p[n] == '-' || s.p[n] == '_'))
		n++;
	return str_sub(s, 0, n);
}

/* Every "HOST" PURPOSE "/" TOKEN in text. */
static void
tokens_open(struct pair *p, struct str text)
{
	for (size_t at = 0; (at += str_find(str_sub(text, at, text.n), HOST)) < text.n;) {
		at += HOST.n;
		if (text.n - at < 3 || text.p[at + 1] != '/')
			continue;
		struct str token = token_text(str_sub(text, at + 2, text.n));
		struct token t;
		if (token_open(p->sealer, (enum token_purpose)text.p[at], token, p->a, &t, NULL) != 0)
			continue;
		struct buf url = { 0 };
		base64url_encode(&url, t.url.p, t.url.n);
		json_object_setn_new(p->tokens, token.p, token.n,
				     json_pack("{s:s#,s:s,s:i}", "purpose", text.p + at, 1, "url_bytes",
					       url.p ? url.p : "", "link", (int)t.link));
		buf_free(&url);
	}
}

static json_t *
text_describe(const struct mail_part *m, const struct mail_text *t)
{
	static const char *const ctes[] = { "7bit", "8bit", "binary", "quoted-printable", "base64", "other" };
	struct buf b = { 0 };
	base64url_encode(&b, t->utf8.p, t->utf8.n);
	json_t *o = json_pack("{s:I,s:I,s:s,s:s,s:s}", "start", (json_int_t)m->body_start, "end",
			      (json_int_t)m->body_end, "cte", ctes[m->cte], "charset", t->charset, "text",
			      b.p ? b.p : "");
	buf_free(&b);
	return o;
}

static void
text_compare(struct pair *p, const struct mail_part *b, const struct mail_part *a, bool changed, bool recoded)
{
	struct mail_text tb, ta;
	struct err e;
	json_t *o = json_pack("{s:s,s:s#,s:b,s:b}", "path", b->path, "subtype", b->subtype.p,
			      (int)b->subtype.n, "changed", changed, "recoded", recoded);
	if (mail_text_decode(p->a, b, part_bytes(&p->before, b), &tb, &e) != 0) {
		json_object_set_new(o, "left", json_string(e.text));
		if (changed)
			fail(p, "part %s changed, though nothing decodes it", b->path);
	} else if (mail_text_decode(p->a, a, part_bytes(&p->after, a), &ta, &e) != 0) {
		fail(p, "part %s does not decode after: %s", b->path, e.text);
	} else {
		json_object_set_new(o, "before", text_describe(b, &tb));
		json_object_set_new(o, "after", text_describe(a, &ta));
		tokens_open(p, ta.utf8);
	}
	json_array_append_new(p->parts, o);
}

static bool
may_change(const struct mail_part *b)
{
	return (b->role == MAIL_ROLE_TEXT || b->role == MAIL_ROLE_HTML || b->role == MAIL_ROLE_AMP) &&
	       !b->attachment;
}

static void
leaf_compare(struct pair *p, const struct mail_part *b, const struct mail_part *a)
{
	bool root = b->parent == NULL;
	bool changed = !str_eq(part_bytes(&p->before, b), part_bytes(&p->after, a));
	bool recoded = a->cte != b->cte || !str_eq(a->charset, b->charset);
	p->same += !changed && !recoded;
	header_compare(p, b, a, recoded);
	if ((changed || recoded) && !may_change(b))
		fail(p, "part %s (%.*s/%.*s) changed", b->path, STR_ARG(b->type), STR_ARG(b->subtype));
	if (recoded && !changed)
		fail(p, "part %s: new header, old body", b->path);
	if (changed) {
		bool head = recoded && !root;
		if (!root)
			gap_compare(p, head ? b->head_start : b->body_start,
				    head ? a->head_start : a->body_start, b->path);
		p->at_before = b->body_end;
		p->at_after = a->body_end;
	}
	if (may_change(b))
		text_compare(p, b, a, changed, recoded);
}

static const struct mail_part *
part_next(const struct mail_part *p)
{
	if (p->child != NULL)
		return p->child;
	while (p != NULL && p->next == NULL)
		p = p->parent;
	return p ? p->next : NULL;
}

/* A header that nothing follows, not even an empty line, gets one in the copy: then it is a text, of no
 * bytes. */
static bool
kind_kept(const struct mail_part *b, const struct mail_part *a)
{
	bool bare = b->head_end == b->body_end && a->body_start == a->body_end;
	return str_eq(b->type, a->type) && str_eq(b->subtype, a->subtype) &&
	       (b->role == a->role || (bare && b->role == MAIL_ROLE_DATA)) &&
	       (b->child == NULL) == (a->child == NULL);
}

static void
body_compare(struct pair *p)
{
	const struct mail_part *b = p->before.mail.root, *a = p->after.mail.root;
	p->at_before = b->body_start;
	p->at_after = a->body_start;
	if (b->role == MAIL_ROLE_MULTIPART)
		header_compare(p, b, a, false);
	while (b != NULL && a != NULL) {
		if (!kind_kept(b, a)) {
			fail(p, "part %s is another kind of part", b->path);
			return;
		}
		if (b->child == NULL && b->role != MAIL_ROLE_MULTIPART)
			leaf_compare(p, b, a);
		b = part_next(b);
		a = part_next(a);
	}
	if (b != NULL || a != NULL)
		fail(p, "the number of parts changed");
	gap_compare(p, p->before.bytes.n, p->after.bytes.n, "the end");
}

static void
pair_compare(struct pair *p)
{
	struct err e;
	p->failures = json_array();
	p->parts = json_array();
	p->tokens = json_object();
	p->same = 0;
	if (mail_parse(p->a, buf_str(&p->before.bytes), NULL, &p->before.mail, &e) != 0)
		fail(p, "a copy of what does not parse: %s", e.text);
	else if (mail_parse(p->a, buf_str(&p->after.bytes), NULL, &p->after.mail, &e) != 0)
		fail(p, "the copy does not parse: %s", e.text);
	else
		body_compare(p);
	json_t *o =
	    json_pack("{s:s,s:s,s:I,s:o,s:o,s:o}", "before", p->before.name, "after", p->after.name, "same",
		      (json_int_t)p->same, "failures", p->failures, "parts", p->parts, "tokens", p->tokens);
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
	arena_reset(p->a);
}

static struct keyring *
ring_open(int argc, char **argv)
{
	const uint8_t seed[32] = { 1 };
	struct err e;
	if (argc == 1)
		return keyring_ephemeral(seed);
	if (argc != 3 || strcmp(argv[1], "-k") != 0) {
		fprintf(stderr, "usage: copy-compare [-k KEYFILE] <PAIRS\n");
		return NULL;
	}
	struct keyring *k = keyring_load(argv[2], &e);
	if (k == NULL)
		fprintf(stderr, "copy-compare: %s\n", e.text);
	return k;
}

int
main(int argc, char **argv)
{
	struct pair p = { 0 };
	char line[8192];
	int status = 0;
	struct keyring *keys = ring_open(argc, argv);
	if (keys == NULL)
		return 64;
	mail_init();
	p.a = arena_new(1 << 20);
	p.sealer = sealer_new(keys);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		char *tab = strchr(line, '\t');
		if (tab == NULL)
			continue;
		*tab = '\0';
		if (side_read(&p.before, line) != 0 || side_read(&p.after, tab + 1) != 0)
			status = 1;
		else
			pair_compare(&p);
	}
	buf_free(&p.before.bytes);
	buf_free(&p.after.bytes);
	sealer_free(&p.sealer);
	keyring_free(&keys);
	arena_free(&p.a);
	return status;
}
