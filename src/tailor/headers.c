/*
 * headers: the header edits of a copy: rendered fields, To, List-Unsubscribe
 * (RFC 2369) and its Post (RFC 8058), Feedback-ID, and our own X-Mailtailor
 * fields taken out. Indexes count the message as submitted; among fields of
 * one name the last is edited first, so that no deletion moves another.
 */
#include "tailor/private.h"

#include <stdio.h>

struct edits {
	struct tailor_edit *v;
	size_t n, cap;
	struct copy *c;
};

/* Whatever it was made of, what of a value reaches the MTA has LF for folds, no other LF, and no CR. */
static const char *
edit_value(struct arena *a, struct str s)
{
	char *v = arena_cstr(a, s);
	for (size_t i = 0; i < s.n; i++) {
		bool fold = v[i] == '\n' && (v[i + 1] == ' ' || v[i + 1] == '\t');
		if (v[i] == '\0' || v[i] == '\r' || (v[i] == '\n' && !fold))
			v[i] = ' ';
	}
	return v;
}

static void
edit_add(struct edits *l, enum tailor_edit_op op, struct str name, int index, struct str value)
{
	struct arena *a = l->c->arena;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct tailor_edit *v = ARENA_ARRAY(a, struct tailor_edit, cap);
		if (l->n > 0)
			memcpy(v, l->v, l->n * sizeof(*v));
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = (struct tailor_edit){
		.op = op,
		.name = arena_cstr(a, name),
		.index = index,
		.value = op == TAILOR_HEADER_DELETE ? NULL : edit_value(a, value),
	};
}

/* Changes the first field of that name, or adds one. */
static void
edit_set(struct edits *l, struct str name, struct str value)
{
	const struct mail_field *f = mail_fields_find(&l->c->m->mail.root->fields, name);
	if (f != NULL)
		edit_add(l, TAILOR_HEADER_CHANGE, f->name, f->index, value);
	else
		edit_add(l, TAILOR_HEADER_ADD, name, 0, value);
}

static void
edit_delete_all(struct edits *l, struct str name, bool prefix)
{
	const struct mail_fields *f = &l->c->m->mail.root->fields;
	for (size_t i = f->n; i-- > 0;)
		if (prefix ? str_casestarts(f->v[i].name, name) : str_caseeq(f->v[i].name, name))
			edit_add(l, TAILOR_HEADER_DELETE, f->v[i].name, f->v[i].index, STR_NULL);
}

static enum render_status
unstructured(struct edits *l, const struct message_header *h, struct tpl_error *te, struct err *e)
{
	struct copy *c = l->c;
	enum render_status rc = render_bare(c, cache_entry_part(h->entry), te, e);
	if (rc != RENDER_OK)
		return rc;
	buf_reset(&c->scratch->token);
	mail_header_encode(&c->scratch->token, buf_str(&c->scratch->utf8), h->field->name.n + 2);
	edit_add(l, TAILOR_HEADER_CHANGE, h->field->name, h->field->index, buf_str(&c->scratch->token));
	return RENDER_OK;
}

/* The arm's subject instead of the message's. */
static enum render_status
subject_own(struct edits *l, const struct conf_arm *arm, struct tpl_error *te, struct err *e)
{
	struct copy *c = l->c;
	const struct part *p = cache_subject(c->m->cache, c->m->campaign, arm);
	const struct str name = STR("Subject");
	struct str text = str_of(arm->subject);
	if (p != NULL) {
		enum render_status rc = render_bare(c, p, te, e);
		if (rc != RENDER_OK)
			return rc;
		text = buf_str(&c->scratch->utf8);
	}
	buf_reset(&c->scratch->token);
	mail_header_encode(&c->scratch->token, text, name.n + 2);
	edit_set(l, name, buf_str(&c->scratch->token));
	return RENDER_OK;
}

/* The i-th display name of an address field, rendered. */
static enum render_status
display(struct copy *c, const struct message_header *h, size_t i, struct str *out, struct tpl_error *te,
	struct err *e)
{
	*out = h->addresses[i].display;
	if (h->displays[i] == NULL)
		return RENDER_OK;
	enum render_status rc = render_bare(c, cache_entry_part(h->displays[i]), te, e);
	*out = str_trim(buf_str(&c->scratch->utf8));
	return rc;
}

static enum render_status
addresses(struct edits *l, const struct message_header *h, struct tpl_error *te, struct err *e)
{
	struct buf *b = &l->c->scratch->token;
	buf_reset(b);
	for (size_t i = 0; i < h->naddresses; i++) {
		struct str name;
		enum render_status rc = display(l->c, h, i, &name, te, e);
		if (rc != RENDER_OK)
			return rc;
		if (i > 0)
			buf_adds(b, STR(",\n "));
		mail_address_format(b, name, h->addresses[i].addr, i == 0 ? h->field->name.n + 2 : 1);
	}
	if (h->naddresses > 0)
		edit_add(l, TAILOR_HEADER_CHANGE, h->field->name, h->field->index, buf_str(b));
	return RENDER_OK;
}

/* Where the family name comes first and no space stands between. */
static bool
family_name_first(const char *language)
{
	struct str l = str_sub(str_of(language), 0, 2);
	return str_caseeq(l, STR("zh")) || str_caseeq(l, STR("ja")) || str_caseeq(l, STR("ko"));
}

static bool
has_name(const struct value *v)
{
	return value_map_get(v, STR("name")) || value_map_get(v, STR("first_name")) ||
	       value_map_get(v, STR("last_name"));
}

/* A name for To: "name", or first and last name, of what the message says of this recipient, else the
 * profile. */
static struct str
recipient_name(struct copy *c)
{
	const struct value *p = has_name(c->in->data) ? c->in->data : c->in->recipient->profile;
	const struct value *name = value_map_get(p, STR("name"));
	const struct value *first = value_map_get(p, STR("first_name")),
			   *last = value_map_get(p, STR("last_name"));
	if (name != NULL && name->type == VALUE_STRING)
		return str_trim(name->s);
	struct str f = first && first->type == VALUE_STRING ? str_trim(first->s) : STR("");
	struct str g = last && last->type == VALUE_STRING ? str_trim(last->s) : STR("");
	if (family_name_first(c->in->recipient->language) && !str_is_ascii(f) && !str_is_ascii(g))
		return arena_printf(c->arena, "%.*s%.*s", STR_ARG(g), STR_ARG(f));
	return str_trim(arena_printf(c->arena, "%.*s %.*s", STR_ARG(f), STR_ARG(g)));
}

/* A display name is for people: no links, no addresses, no novels. */
static bool
name_usable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_casestarts(str_sub(s, i, s.n), STR("www.")))
			return false;
	return s.n > 0 && s.n <= 120 && str_is_utf8(s) && str_find(s, STR("://")) == s.n &&
	       str_find_char(s, '@') == s.n && str_find_char(s, '<') == s.n;
}

static enum render_status
to_rewrite(struct edits *l, struct tpl_error *te, struct err *e)
{
	struct copy *c = l->c;
	const struct tailor_message *m = c->m;
	struct str name = STR_NULL;
	struct buf *b = &c->scratch->token;
	const struct mail_field *to = mail_fields_find(&m->mail.root->fields, STR("To"));
	for (size_t i = 0; i < m->nheaders; i++) {
		const struct message_header *h = &m->headers[i];
		if (h->field != to || to == NULL || h->naddresses == 0 || h->displays[0] == NULL)
			continue;
		enum render_status rc = display(c, h, 0, &name, te, e);
		if (rc != RENDER_OK)
			return rc;
	}
	/* A To that already is this recipient's alone stays as the sender wrote it. */
	struct mail_address own[2];
	if (name.n == 0 && to != NULL && mail_addresses(c->arena, to->value, own, 2) == 1 &&
	    str_caseeq(own[0].addr, c->in->recipient->address) &&
	    str_find(own[0].display, STR("{{")) == own[0].display.n)
		return RENDER_OK;
	if (name.n == 0)
		name = recipient_name(c);
	buf_reset(b);
	mail_address_format(b, name_usable(name) ? name : STR_NULL, c->in->recipient->address, 4);
	edit_set(l, STR("To"), buf_str(b));
	/* A second To would still show the list. */
	for (size_t i = m->mail.root->fields.n; i-- > 0;) {
		const struct mail_field *f = &m->mail.root->fields.v[i];
		if (f->index > 1 && str_caseeq(f->name, STR("To")))
			edit_add(l, TAILOR_HEADER_DELETE, f->name, f->index, STR_NULL);
	}
	return RENDER_OK;
}

/*
 * What comes back by mail could be anybody's: the subject says whose copy it was (src/feedback/complaint.c).
 * One that the configuration gives stays as it is.
 */
static struct str
unsubscribe_mailto(const struct copy *c, struct str mailto)
{
	const struct str url = c->unsubscribe_url, before = STR("/u/");
	const size_t at = str_find(url, before);
	if (at == url.n || str_find_char(mailto, '?') < mailto.n)
		return mailto;
	return arena_printf(c->arena, "%.*s?subject=unsubscribe%%20%.*s", STR_ARG(mailto),
			    STR_ARG(str_sub(url, at + before.n, url.n)));
}

static void
list_headers(struct edits *l)
{
	struct copy *c = l->c;
	const struct conf_campaign *k = c->m->campaign;
	struct arena *a = c->arena;
	if (k->list_unsubscribe && c->unsubscribe_url.n > 0) {
		struct str value = arena_printf(a, "<%.*s>", STR_ARG(c->unsubscribe_url));
		if (k->unsubscribe_mailto != NULL)
			value = arena_printf(a, "%.*s,\n <%.*s>", STR_ARG(value),
					     STR_ARG(unsubscribe_mailto(c, str_of(k->unsubscribe_mailto))));
		edit_delete_all(l, STR("List-Unsubscribe"), false);
		edit_delete_all(l, STR("List-Unsubscribe-Post"), false);
		edit_add(l, TAILOR_HEADER_ADD, STR("List-Unsubscribe"), 0, value);
		/* One-click is for https alone (RFC 8058, 3.1); a host without it is for tests. */
		if (str_starts(c->unsubscribe_url, STR("https://")))
			edit_add(l, TAILOR_HEADER_ADD, STR("List-Unsubscribe-Post"), 0,
				 STR("List-Unsubscribe=One-Click"));
	}
	if (k->feedback_id != NULL) {
		edit_delete_all(l, STR("Feedback-ID"), false);
		edit_add(l, TAILOR_HEADER_ADD, STR("Feedback-ID"), 0,
			 arena_printf(a, "%s:%s:mailtailor:%s", k->name, k->category, k->feedback_id));
	}
}

static bool
is_host(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalpha(s.p[i]) && !ascii_isdigit(s.p[i]) && s.p[i] != '.' && s.p[i] != '-')
			return false;
	return s.n > 0 && s.n <= 255;
}

/*
 * A Message-ID of its own (RFC 5322, 3.6.4: one message, one id), made of the idempotency key so that a
 * second attempt has the same.
 */
static void
message_id_own(struct edits *l)
{
	struct copy *c = l->c;
	struct str id = c->m->message_id, host = c->m->from_domain;
	size_t at = str_find_char(id, '@');
	char hex[2 * sizeof(c->in->recipient->idem) + 1];
	if (at + 2 < id.n && id.p[id.n - 1] == '>')
		host = str_sub(id, at + 1, id.n - 1);
	for (size_t i = 0; i < sizeof(c->in->recipient->idem); i++)
		snprintf(hex + 2 * i, 3, "%02x", c->in->recipient->idem[i]);
	edit_set(l, STR("Message-ID"),
		 arena_printf(c->arena, "<%s@%.*s>", hex, STR_ARG(is_host(host) ? host : STR("localhost"))));
}

/* The root is itself the text part that was encoded anew. */
static void
root_recode(struct edits *l, enum mail_cte cte)
{
	static const char *const names[] = { "MIME-Version", "Content-Type", "Content-Transfer-Encoding" };
	const struct mail_part *root = l->c->m->mail.root;
	struct str head = str_sub(l->c->m->mail.bytes, root->head_start, root->head_end);
	struct mail_fields fields;
	struct buf b = { 0 };
	mail_part_header_recode(&b, head, "utf-8", cte, "\n");
	if (mail_fields_find(&root->fields, STR("MIME-Version")) == NULL)
		buf_adds(&b, STR("MIME-Version: 1.0\n"));
	mail_fields_split(l->c->arena, arena_str(l->c->arena, buf_str(&b)), &fields);
	buf_free(&b);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct mail_field *is = mail_fields_find(&fields, str_of(names[i]));
		const struct mail_field *was = mail_fields_find(&root->fields, str_of(names[i]));
		if (is != NULL && (was == NULL || !str_eq(is->value, was->value)))
			edit_set(l, str_of(names[i]), str_trim(is->value));
	}
}

/*
 * What vouches for the bytes as they came does so no longer: a signature over what was edited would only say
 * that the mail was forged (RFC 6376, 3.5), a digest or a length that it was damaged (RFC 1864). The MTA's
 * signer signs anew.
 */
static const char *const stale[] = { "DKIM-Signature", "DomainKey-Signature", "X-Google-DKIM-Signature",
				     "Content-MD5", "Content-Length" };
#define STALE (sizeof(stale) / sizeof(stale[0]))
#define STALE_SIGNATURES 3 /* of them, from the first on */

bool
header_is_stale(struct str name, bool body_changed)
{
	for (size_t i = 0; i < (body_changed ? STALE : STALE_SIGNATURES); i++)
		if (str_caseeq(name, str_of(stale[i])))
			return true;
	return false;
}

static void
stale_delete(struct edits *l, bool body_changed)
{
	size_t n = body_changed ? STALE : l->n > 0 ? STALE_SIGNATURES : 0;
	for (size_t i = 0; i < n; i++)
		edit_delete_all(l, str_of(stale[i]), false);
}

enum render_status
headers_edit(struct copy *c, bool recoded, enum mail_cte cte, struct tailor_plan *plan, struct tpl_error *te,
	     struct err *e)
{
	struct edits l = { .c = c };
	enum render_status rc = RENDER_OK;
	bool own_to = c->m->campaign->rewrite_to;
	const struct conf_arm *arm = c->in->arm.arm;
	bool own_subject = arm != NULL && arm->subject != NULL;
	for (size_t i = 0; i < c->m->nheaders && rc == RENDER_OK; i++) {
		const struct message_header *h = &c->m->headers[i];
		if ((own_to && str_caseeq(h->field->name, STR("To"))) ||
		    (own_subject && str_caseeq(h->field->name, STR("Subject")) && h->field->index == 1))
			continue;
		rc = h->entry != NULL ? unstructured(&l, h, te, e) : addresses(&l, h, te, e);
		if (rc != RENDER_OK)
			err_prefix(e, "header %.*s", STR_ARG(h->field->name));
	}
	if (rc == RENDER_OK && own_subject && (rc = subject_own(&l, arm, te, e)) != RENDER_OK)
		err_prefix(e, "subject of arm %s", arm->name);
	if (rc == RENDER_OK && own_to && (rc = to_rewrite(&l, te, e)) != RENDER_OK)
		err_prefix(e, "header To");
	if (rc != RENDER_OK)
		return rc;
	if (recoded)
		root_recode(&l, cte);
	if (c->in->own_copy)
		message_id_own(&l);
	list_headers(&l);
	stale_delete(&l, plan->body_changed);
	edit_delete_all(&l, STR("X-Mailtailor-"), true);
	plan->edits = l.v;
	plan->nedits = l.n;
	return RENDER_OK;
}
