/* read: one message → findings: which reading of it holds, and what says whose copy it was. */
#include "feedback/private.h"

struct feedback_item *
item_add(struct reading *r, enum feedback_kind kind)
{
	if (r->out->n == FEEDBACK_MAX_ITEMS)
		return NULL;
	struct feedback_item *it = &r->out->items[r->out->n++];
	*it = (struct feedback_item){ .kind = kind, .reason = FEEDBACK_OTHER };
	return it;
}

/* ---- where it came from ---- */

/* The first https URI of a List-Unsubscribe field (RFC 2369). */
static struct str
unsubscribe_of(struct arena *a, const struct mail_fields *f)
{
	struct str rest = field_value(a, f, "List-Unsubscribe");
	while (rest.n > 0) {
		size_t open = str_find_char(rest, '<');
		if (open == rest.n)
			break;
		rest = str_sub(rest, open + 1, rest.n);
		struct str uri = str_sub(rest, 0, str_find_char(rest, '>'));
		if (str_casestarts(uri, STR("http")) && uri.n <= FEEDBACK_MAX_URL)
			return arena_str(a, uri);
	}
	return STR_NULL;
}

static void
paths_of(struct arena *a, const struct mail_fields *f, struct feedback_addresses *l)
{
	static const char *const names[] = {
		"Return-Path",	      "X-Envelope-From",   "Envelope-From", "X-Postfix-Sender",
		"Original-Mail-From", "X-Original-Sender", "Sender"
	};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct str addr;
		if (address_bare(field_value(a, f, names[i]), &addr))
			addresses_add(a, l, addr);
	}
}

static void
report_paths(struct reading *r, struct str text)
{
	struct mail_fields f;
	struct str block = str_trim(text);
	if (block.n == 0)
		return;
	block = str_sub(block, 0, str_find(block, STR("\n\n")));
	mail_fields_split(r->arena, block, &f);
	paths_of(r->arena, &f, &r->out->origin.path);
}

void
origin_read(struct reading *r)
{
	static const char *const to[] = { "X-Original-To", "Delivered-To", "Envelope-To", "X-Envelope-To",
					  "To" };
	struct feedback_origin *o = &r->out->origin;
	const struct mail_fields *f = &r->parts.returned;
	struct arena *a = r->arena;
	for (size_t i = 0; i < sizeof to / sizeof to[0]; i++)
		addresses_of(a, r->parts.head, to[i], &o->to);
	paths_of(a, f, &o->path);
	report_paths(r, r->parts.delivery);
	report_paths(r, r->parts.feedback);
	addresses_of(a, f, "To", &o->recipient);
	o->unsubscribe = unsubscribe_of(a, f);
	o->job = field_value(a, f, "X-Mailtailor-Job");
	o->message_id = field_value(a, f, "Message-ID");
	o->feedback_id = field_value(a, f, "Feedback-ID");
}

void
feedback_read(struct arena *a, struct str message, struct feedback *out)
{
	struct reading r = { .arena = a, .out = out };
	*out = (struct feedback){ .items = ARENA_ARRAY(a, struct feedback_item, FEEDBACK_MAX_ITEMS) };
	parts_read(a, message, &r.parts);
	if (r.parts.wrapped.n > 0)
		parts_read(a, r.parts.wrapped, &r.parts);
	origin_read(&r);
	if (complaint_find(&r) == 0 && report_find(&r) == 0 && (reply_is_plain(&r) || bounce_find(&r) == 0))
		reply_find(&r);
	if (out->n == 0)
		item_add(&r, FEEDBACK_NONE);
}
