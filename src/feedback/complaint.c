/*
 * complaint: abuse reports (RFC 5965, RFC 6591, RFC 6692), Outlook.com's reports, which are the message alone
 * with a field in it, and the message by which a mail program unsubscribes (RFC 2369).
 */
#include "feedback/private.h"

static bool
type_known(const char *type)
{
	static const char *const types[] = { "abuse",	     "fraud",	"virus",	"other",
					     "not-spam",     "opt-out", "opt-out-list", "miscategorized",
					     "auth-failure", "dkim" };
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

static void
type_set(struct feedback_item *it, struct str type)
{
	size_t n = 0;
	for (; n < type.n && n < sizeof it->type - 1; n++)
		it->type[n] = ascii_lower(type.p[n]);
	it->type[n] = '\0';
	/* RFC 5965, 3.5: what is not known is taken as "other" */
	if (!type_known(it->type))
		strcpy(it->type, "other");
	if (strcmp(it->type, "not-spam") == 0)
		it->kind = FEEDBACK_NONE;
}

static void
recipients_of(struct reading *r, const struct mail_fields *report, struct feedback_addresses *l)
{
	static const char *const in_report[] = { "Original-Rcpt-To", "Removal-Recipient",
						 "Redacted-Address" };
	static const char *const in_message[] = { "X-HmXmrOriginalRecipient",
						  "X-Original-To",
						  "Delivered-To",
						  "Envelope-To",
						  "X-Apparently-To",
						  "To" };
	for (size_t i = 0; i < report->n; i++)
		for (size_t k = 0; k < sizeof in_report / sizeof in_report[0]; k++) {
			struct str addr;
			if (str_caseeq(report->v[i].name, str_of(in_report[k])) &&
			    address_bare(report->v[i].value, &addr))
				addresses_add(r->arena, l, addr);
		}
	for (size_t k = 0; k < sizeof in_message / sizeof in_message[0] && l->n == 0; k++)
		addresses_of(r->arena, &r->parts.returned, in_message[k], l);
}

static size_t
add_all(struct reading *r, const struct mail_fields *report, struct str type)
{
	struct feedback_addresses l = { .n = 0 };
	size_t before = r->out->n;
	recipients_of(r, report, &l);
	for (size_t i = 0; i < l.n || i == 0; i++) {
		struct feedback_item *it = item_add(r, FEEDBACK_COMPLAINT);
		if (!it)
			break;
		it->recipient = l.n > 0 ? l.v[i] : STR_NULL;
		it->reason = FEEDBACK_OTHER;
		type_set(it, type);
	}
	return r->out->n - before;
}

#define TOKEN_LEAST 40 /* a word behind "unsubscribe" that is shorter is a word */

static bool
looks_like_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalpha(s.p[i]) && !ascii_isdigit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return s.n >= TOKEN_LEAST && s.n <= FEEDBACK_MAX_URL / 2;
}

/*
 * A mail program that unsubscribes by mail writes no more than that. The subject is the one that the copy's
 * List-Unsubscribe gave it: the word, and behind it the token that says whose copy it was.
 */
static bool
is_unsubscribe(struct reading *r, struct str *token)
{
	struct str s = str_trim(r->parts.subject);
	struct str submitted = field_value(r->arena, r->parts.head, "Auto-Submitted");
	size_t end = 0;
	while (end < s.n && !ascii_isspace(s.p[end]))
		end++;
	const struct str word = str_sub(s, 0, end);
	*token = str_trim(str_sub(s, end, s.n));
	if (!str_caseeq(word, STR("unsubscribe")) && !str_caseeq(word, STR("list-unsubscribe")))
		return false;
	if (token->n > 0 && !looks_like_token(*token))
		return false;
	return str_casestarts(submitted, STR("auto-")) || str_trim(r->parts.notice).n < 300;
}

size_t
complaint_find(struct reading *r)
{
	static const struct mail_fields none;
	struct mail_fields report;
	struct str token;
	if (r->parts.feedback.n > 0) {
		struct str text = str_trim(r->parts.feedback);
		mail_fields_split(r->arena, text, &report);
		struct str type = field_value(r->arena, &report, "Feedback-Type");
		if (type.n > 0)
			return add_all(r, &report, type);
	}
	if (mail_fields_find(&r->parts.returned, STR("X-HmXmrOriginalRecipient")))
		return add_all(r, &none, STR("abuse"));
	if (is_unsubscribe(r, &token)) {
		struct feedback_item *it = item_add(r, FEEDBACK_COMPLAINT);
		struct feedback_addresses l = { .n = 0 };
		addresses_of(r->arena, r->parts.head, "From", &l);
		it->recipient = l.n > 0 ? l.v[0] : STR_NULL;
		it->reason = FEEDBACK_OTHER;
		type_set(it, STR("opt-out"));
		if (token.n > 0)
			r->out->origin.unsubscribe = arena_printf(r->arena, "/u/%.*s", STR_ARG(token));
		return 1;
	}
	return 0;
}
