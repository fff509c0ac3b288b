/*
 * prepare: what of a message can be tailored, found once per message: parts,
 * header fields with templates, merge data, ids.
 */
#include "tailor/private.h"

#include <stdlib.h>

#include "base/clock.h"
#include "mail/shape.h"

/* Fields whose text is the sender's to template. Everything else in a header is machinery. */
static const char *const machinery[] = {
	"received",
	"return-path",
	"delivered-to",
	"message-id",
	"in-reply-to",
	"references",
	"date",
	"mime-version",
	"dkim-signature",
	"domainkey-signature",
	"authentication-results",
	"arc-seal",
	"arc-message-signature",
	"arc-authentication-results",
	"list-unsubscribe",
	"list-unsubscribe-post",
	"feedback-id",
};
static const char *const address_fields[] = { "from", "sender", "reply-to", "to", "cc" };

#define MAX_MAILBOXES 100

static bool
name_in(struct str name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_caseeq(name, str_of(list[i])))
			return true;
	return false;
}

static bool
is_machinery(struct str name)
{
	return name_in(name, machinery, sizeof(machinery) / sizeof(machinery[0])) ||
	       str_casestarts(name, STR("content-")) || str_casestarts(name, STR("x-mailtailor-"));
}

static bool
has_template(struct str s)
{
	return str_find(s, STR("{{")) < s.n;
}

const char *
tailor_fields_doubtful(struct arena *a, const struct mail_fields *f)
{
	static const char *const known[] = { "Campaign", "Data", "Send-At", "Job" };
	static const size_t typed = 3; /* nobody writes a Job */
	struct str prefix = STR("X-Mailtailor-");
	for (size_t i = 0; i < f->n; i++) {
		if (!str_casestarts(f->v[i].name, prefix))
			continue;
		struct str rest = str_sub(f->v[i].name, prefix.n, f->v[i].name.n);
		const char *near = name_in(rest, known, sizeof(known) / sizeof(known[0]))
				       ? NULL
				       : conf_nearest(rest, known, typed);
		if (near != NULL)
			return arena_printf(
				   a,
				   "X-Mailtailor-%.*s: there is no such field; did you mean X-Mailtailor-%s?",
				   STR_ARG(rest), near)
			    .p;
	}
	return NULL;
}

/* X-Mailtailor-Send-At → m->send_at_ms. */
static int
send_at_read(struct tailor_message *m, struct err *e)
{
	const struct mail_fields *f = &m->mail.root->fields;
	for (size_t i = 0; i < f->n; i++) {
		if (!str_caseeq(f->v[i].name, STR("X-Mailtailor-Send-At")))
			continue;
		if (m->has_send_at)
			return err_set(e, ERR_INPUT, "X-Mailtailor-Send-At: there are two; keep one");
		m->has_send_at = true;
		struct str text = str_trim(mail_header_decode(m->arena, f->v[i].value));
		if (clock_parse_moment(text, &m->send_at_ms, &m->send_at_local, e) != 0)
			return err_prefix(e, "X-Mailtailor-Send-At");
	}
	if (m->has_send_at && m->conf->inject.target == NULL)
		return err_set(
		    e, ERR_CONFIG,
		    "X-Mailtailor-Send-At makes a copy wait, and there is no port to send it to later; "
		    "set target in inject {}");
	return 0;
}

int
tailor_message_timely(const struct tailor_message *m, int64_t now_ms, struct err *e)
{
	char at[40];
	if (!m->has_send_at || m->send_at_ms <= now_ms + TAILOR_MAX_AHEAD_DAYS * INT64_C(86400000))
		return 0;
	return err_set(
	    e, ERR_INPUT,
	    "X-Mailtailor-Send-At: %s is more than %d days ahead; check the year, or send it later",
	    clock_format_rfc3339(m->send_at_ms, at), TAILOR_MAX_AHEAD_DAYS);
}

static struct cache_entry *
header_compile(struct tailor_message *m, const struct mail_field *f, struct str text, struct err *e)
{
	struct cache_entry *c = cache_get(m->cache, m->campaign, NULL, text, e);
	if (c == NULL) {
		err_prefix(e, "header %.*s", STR_ARG(f->name));
		return NULL;
	}
	m->uses_preferences |= cache_entry_part(c)->uses_preferences;
	return c;
}

/* Only display names are templates; a field that would leave half-rendered is refused here. */
static bool
addresses_fit(const struct tailor_message *m, const struct message_header *h, struct err *e)
{
	bool in_names = h->naddresses > 0;
	if (h->naddresses > MAX_MAILBOXES) {
		err_set(e, ERR_LIMIT, "header %.*s: more than %d addresses beside a template",
			STR_ARG(h->field->name), MAX_MAILBOXES);
		return false;
	}
	for (size_t i = 0; i < h->naddresses; i++)
		in_names &= !has_template(h->addresses[i].addr);
	/* This To is written anew whatever it says. */
	if (in_names || (m->campaign->rewrite_to && str_caseeq(h->field->name, STR("To"))))
		return true;
	err_set(e, ERR_INPUT,
		"header %.*s: only the name before an address can be a template; write \"{{name}}\" "
		"<news@shop.example>",
		STR_ARG(h->field->name));
	return false;
}

/* The sender's own unsubscribe link is no template; with list_unsubscribe it is replaced. */
static int
machinery_check(const struct tailor_message *m, const struct mail_field *f, struct err *e)
{
	if (m->campaign->list_unsubscribe || !str_caseeq(f->name, STR("List-Unsubscribe")) ||
	    !has_template(f->value))
		return 0;
	return err_set(
	    e, ERR_INPUT,
	    "header %.*s: cannot be a template; set list_unsubscribe = yes and mailtailor writes it, or put "
	    "the finished link there",
	    STR_ARG(f->name));
}

/* One field; 0 also when it holds no template. */
static int
header_prepare(struct tailor_message *m, const struct mail_field *f, struct err *e)
{
	struct message_header *h = &m->headers[m->nheaders];
	if (is_machinery(f->name))
		return machinery_check(m, f, e);
	struct str text = mail_header_decode(m->arena, f->value);
	if (!has_template(text))
		return 0;
	h->field = f;
	if (!name_in(f->name, address_fields, sizeof(address_fields) / sizeof(address_fields[0]))) {
		m->nheaders++;
		return (h->entry = header_compile(m, f, text, e)) == NULL ? -1 : 0;
	}
	h->addresses = ARENA_ARRAY(m->arena, struct mail_address, MAX_MAILBOXES + 1);
	h->displays = ARENA_ARRAY(m->arena, struct cache_entry *, MAX_MAILBOXES + 1);
	h->naddresses = mail_addresses(m->arena, f->value, h->addresses, MAX_MAILBOXES + 1);
	m->nheaders++;
	if (!addresses_fit(m, h, e))
		return -1;
	for (size_t i = 0; i < h->naddresses; i++)
		if (has_template(h->addresses[i].display) &&
		    (h->displays[i] = header_compile(m, f, h->addresses[i].display, e)) == NULL)
			return -1;
	return 0;
}

static int
headers_prepare(struct tailor_message *m, struct err *e)
{
	const struct mail_fields *f = &m->mail.root->fields;
	m->headers = ARENA_ARRAY(m->arena, struct message_header, f->n);
	if (!m->campaign->templates)
		return 0;
	for (size_t i = 0; i < f->n; i++)
		if (header_prepare(m, &f->v[i], e) != 0)
			return -1;
	return 0;
}

const struct mail_part *
part_next(const struct mail_part *p)
{
	if (p->child != NULL)
		return p->child;
	while (p != NULL && p->next == NULL)
		p = p->parent;
	return p ? p->next : NULL;
}

/*
 * Text that people see and that is left alone because its header is broken: two Content-Type fields, no empty
 * line, no type, a multipart without a boundary.
 */
static bool
is_broken_text(const struct mail_part *p)
{
	bool text = str_eq(p->type, STR("text")) &&
		    (str_eq(p->subtype, STR("plain")) || str_eq(p->subtype, STR("html")));
	if (p->attachment || (p->parent != NULL && p->parent->role != MAIL_ROLE_MULTIPART))
		return false;
	if (p->role == MAIL_ROLE_MULTIPART)
		return p->child == NULL;
	return p->role == MAIL_ROLE_DATA && (p->typeless || text);
}

/* What holds templates and cannot be tailored would leave half-rendered: it is refused. */
static int
left_alone(const struct tailor_message *m, const struct mail_part *p, struct str raw, struct err *e)
{
	if (!m->campaign->templates || !mail_text_holds(m->arena, p, raw, STR("{{")))
		return 0;
	if (is_broken_text(p))
		return err_set(
		    e, ERR_INPUT,
		    "part %s: its templates cannot be filled in under this header; write one Content-Type "
		    "(text/plain or text/html), one Content-Transfer-Encoding and an empty line",
		    p->path);
	return err_set(
	    e, ERR_INPUT,
	    "part %s (text/%.*s): its templates cannot be read in charset %.*s and this transfer encoding; "
	    "send it as UTF-8",
	    p->path, STR_ARG(p->subtype), STR_ARG(str_sub(p->charset, 0, 40)));
}

static int
parts_prepare(struct tailor_message *m, struct err *e)
{
	bool pixel_done = false;
	m->parts = ARENA_ARRAY(m->arena, struct message_part, m->mail.nparts);
	for (const struct mail_part *p = m->mail.root; p != NULL; p = part_next(p)) {
		struct message_part *mp = &m->parts[m->nparts];
		struct str raw = str_sub(m->mail.bytes, p->body_start, p->body_end);
		if (is_broken_text(p) && left_alone(m, p, raw, e) != 0)
			return -1;
		if (!part_editable(m->campaign, p->role) || p->attachment)
			continue;
		mp->where = p;
		mp->entry = cache_get(m->cache, m->campaign, p, raw, e);
		if (mp->entry == NULL)
			return err_prefix(e, "part %s (text/%.*s)", p->path, STR_ARG(p->subtype));
		const struct part *c = cache_entry_part(mp->entry);
		if (c == NULL && left_alone(m, p, raw, e) != 0) {
			cache_release(m->cache, &mp->entry);
			return -1;
		}
		mp->pixel = c != NULL && c->html && !pixel_done && m->campaign->track_opens;
		if (c == NULL || (c->constant && !mp->pixel)) {
			cache_release(m->cache, &mp->entry);
			continue;
		}
		pixel_done |= mp->pixel;
		m->uses_preferences |= c->uses_preferences;
		m->nparts++;
	}
	return 0;
}

static void
ids_read(struct tailor_message *m)
{
	const struct mail_fields *f = &m->mail.root->fields;
	const struct mail_field *id = mail_fields_find(f, STR("Message-ID"));
	const struct mail_field *from = mail_fields_find(f, STR("From"));
	struct mail_address a;
	m->message_id = id ? str_trim(id->value) : STR_NULL;
	if (from != NULL && mail_addresses(m->arena, from->value, &a, 1) == 1)
		m->from_domain = mail_address_domain(m->arena, a.addr);
	const struct mail_field *date = mail_fields_find(f, STR("Date"));
	if (date != NULL)
		m->date_ms = mail_date(date->value);
	m->track_host = conf_track_host(m->conf, m->campaign, m->from_domain);
}

int
tailor_prepare(struct tailor_cache *cache, const struct conf *conf, const struct conf_campaign *campaign,
	       struct str bytes, struct tailor_message **out, struct err *e)
{
	struct arena *a = arena_new(16384);
	struct tailor_message *m = ARENA_NEW(a, struct tailor_message);
	m->arena = a;
	m->cache = cache;
	m->conf = conf;
	m->campaign = campaign;
	*out = m;
	if (mail_shapes_parse(cache_shapes(cache), a, bytes, &m->mail, e) != 0)
		goto fail;
	ids_read(m);
	if (data_prepare(m, e) != 0 || send_at_read(m, e) != 0 || headers_prepare(m, e) != 0 ||
	    parts_prepare(m, e) != 0)
		goto fail;
	return 0;
fail:
	tailor_message_free(out);
	return -1;
}

void
tailor_message_free(struct tailor_message **mp)
{
	struct tailor_message *m = *mp;
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->nparts; i++)
		cache_release(m->cache, &m->parts[i].entry);
	for (size_t i = 0; i < m->nheaders; i++) {
		cache_release(m->cache, &m->headers[i].entry);
		for (size_t k = 0; k < m->headers[i].naddresses; k++)
			cache_release(m->cache, &m->headers[i].displays[k]);
	}
	data_free(m);
	struct arena *a = m->arena;
	*mp = NULL;
	arena_free(&a);
}

/*
 * An MTA gives a message without a Message-ID one that holds its queue id, and another one when the client
 * tries again: Postfix 3.7 "<QUEUEID@host>" or "<TIME.QUEUEID@host>", Sendmail 8.17 "<TIME.QUEUEID@host>". No
 * client can know the queue id beforehand.
 */
static bool
made_by_mta(struct str id, struct str queue_id)
{
	size_t at = str_find(id, queue_id), end = at + queue_id.n;
	return queue_id.n > 0 && at > 0 && end < id.n && id.p[end] == '@' &&
	       (id.p[at - 1] == '<' || id.p[at - 1] == '.');
}

struct str
tailor_message_id(const struct tailor_message *m, struct str queue_id)
{
	return made_by_mta(m->message_id, queue_id) ? STR_NULL : m->message_id;
}

void
tailor_message_content(const struct tailor_message *m, struct arena *a, struct str parts[2])
{
	static const char *const own[] = {
		"date", "from", "to", "subject", "x-mailtailor-data", "x-mailtailor-send-at"
	};
	const struct mail_fields *f = &m->mail.root->fields;
	const struct mail_field *id = mail_fields_find(f, STR("Message-ID"));
	struct buf b = { 0 };
	for (size_t i = 0; i < f->n; i++) {
		/* Postfix adds a Date that was missing behind the Message-ID that was missing. */
		bool late = id != NULL && &f->v[i] > id && str_caseeq(f->v[i].name, STR("Date"));
		if (late || !name_in(f->v[i].name, own, sizeof(own) / sizeof(own[0])))
			continue;
		buf_adds(&b, f->v[i].name);
		buf_addc(&b, ':');
		buf_adds(&b, f->v[i].value);
		buf_addc(&b, '\n');
	}
	parts[0] = arena_str(a, buf_str(&b));
	parts[1] = str_sub(m->mail.bytes, m->mail.root->head_end, m->mail.bytes.n);
	buf_free(&b);
}

struct str
tailor_message_from_domain(const struct tailor_message *m)
{
	return m->from_domain;
}
