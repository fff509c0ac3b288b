/*
 * bounce: reports for people, in nobody's format. Whether it is one is told by several signs together: who
 * sent it, its subject, a returned message, what the text says; whom it concerns by where addresses stand.
 */
#include "feedback/private.h"

/* ---- is it one? ---- */

static bool
local_part_is_system(struct str addr)
{
	static const char *const names[] = {
		"mailer-daemon",	"mailerdaemon", "postmaster",  "post_master",
		"mail-daemon",		"mdaemon",	"maildaemon",  "mail.delivery.system",
		"mailer.daemon",	"postmaste",	"poostmaster", "mailadmin",
		"mail-delivery-system", "bounce",	"bounces",     "ndr"
	};
	struct str local = str_sub(addr, 0, str_find_char(addr, '@'));
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (str_caseeq(local, str_of(names[i])))
			return true;
	return false;
}

static bool
is_null_path(struct str v)
{
	return v.p && (v.n == 0 || str_eq(v, STR("<>")) || str_casestarts(v, STR("MAILER-DAEMON")) ||
		       str_casestarts(v, STR("<MAILER-DAEMON")));
}

bool
sender_is_system(const struct parts *p)
{
	bool yes = false;
	struct arena *a = arena_new(1024);
	struct str from = field_value(a, p->head, "From"), addr;
	struct words w;
	yes = yes || is_null_path(field_value(a, p->head, "Return-Path"));
	yes = yes || (mail_fields_find(p->head, STR("X-Failed-Recipients")) != NULL);
	if (mail_fields_find(p->head, STR("From")))
		yes = yes || str_eq(from, STR("<>")) || str_ends(from, STR(" <>"));
	if (address_bare(from, &addr))
		yes = yes || local_part_is_system(addr);
	else
		yes = yes || local_part_is_system(from);
	words_of(a, from, &w);
	yes = yes || words_near(&w, "mail|mailer|delivery", "delivery|daemon|subsystem|administrator", 1) !=
			 SIZE_MAX;
	arena_free(&a);
	return yes;
}

static bool
subject_says(struct arena *a, struct str subject)
{
	struct words w;
	words_of(a, subject, &w);
	return words_have(&w, "undeliverable|undelivered|undeliver*|nondeliverable|non delivered|failure "
			      "notice|unzustellbar|"
			      "non remis|mail "
			      "failure|bounced|退信|系统退信|无法投递|未送達|配信不能|配送エラー|配信エラー|"
			      "送信エラー|メールエラー") ||
	       words_near(
		   &w, "mail|message|email|delivery|deliver*|sending|devolución",
		   "fail*|error|returned|return|unable|undeliver*|not|cannot|couldn't|delayed|delay|warning|"
		   "status|problem|rejected|notice",
		   5) != SIZE_MAX;
}

struct signs {
	struct words words;
	bool system, subject, returned, failure, failed_field;
	bool codes, enhanced; /* any code; one that is no telephone number */
};

static void
signs_read(struct reading *r, struct signs *s)
{
	struct codes c;
	codes_find(r->parts.notice, &c);
	words_of(r->arena, r->parts.notice, &s->words);
	s->system = sender_is_system(&r->parts);
	s->subject = subject_says(r->arena, r->parts.subject);
	s->returned = r->parts.has_returned;
	s->enhanced = c.status[0] != '\0';
	s->codes = s->enhanced || c.reply > 0;
	s->failure = reason_failure(&s->words) || reason_delay(&s->words);
	s->failed_field = mail_fields_find(r->parts.head, STR("X-Failed-Recipients")) != NULL;
}

/* An answer of a person who quotes a bounce is none. */
static bool
is_answer(const struct parts *p)
{
	return str_casestarts(p->subject, STR("re:")) && (mail_fields_find(p->head, STR("In-Reply-To")) ||
							  mail_fields_find(p->head, STR("References")));
}

static bool
signs_suffice(const struct signs *s, const struct parts *p)
{
	if (s->failed_field)
		return true;
	if (!s->system && is_answer(p))
		return false;
	if (s->system && s->subject && s->returned)
		return true;
	if (!s->failure && !s->codes)
		return false;
	if (s->system)
		return s->subject || s->returned || s->codes;
	return s->subject && (s->returned || s->enhanced) && (s->failure || p->report);
}

/* ---- whom does it concern? ---- */

enum place {
	PLACE_NOWHERE,
	PLACE_TEXT,   /* somewhere */
	PLACE_HEADER, /* behind "To:" in what is told of the message */
	PLACE_OBJECT, /* "… to ADDRESS", "…: ADDRESS" on a line that says that delivery failed */
	PLACE_LINE,   /* begins a line, as recipients do that a report is about */
	PLACE_RCPT,   /* behind RCPT TO */
};

static struct str
line_before(struct str text, size_t at)
{
	size_t from = at;
	while (from > 0 && text.p[from - 1] != '\n')
		from--;
	return str_sub(text, from, at);
}

static struct str
line_behind(struct str text, size_t at)
{
	struct str rest = str_sub(text, at, text.n);
	return str_sub(rest, 0, str_find_char(rest, '\n'));
}

static bool
ends_with_any(struct str s, const char *list)
{
	struct str rest = str_of(list), one;
	while (str_split(&rest, '|', &one))
		if (s.n >= one.n && str_caseeq(str_sub(s, s.n - one.n, s.n), one))
			return true;
	return false;
}

/* Bullets and quotes before an address that begins a line. */
static struct str
strip_marks(struct str s)
{
	s = str_trim(s);
	while (s.n > 0 && strchr("*>-\"'([|.", s.p[s.n - 1]))
		s = str_trim(str_sub(s, 0, s.n - 1));
	return s;
}

static enum place
place_of(struct reading *r, struct str text, size_t from, size_t to)
{
	struct str before = line_before(text, from), behind = str_trim(line_behind(text, to));
	struct str lead = str_trim(before);
	struct words w;
	if (ends_with_any(lead, "rcpt to:|rcpt to|rcpt:|rejected recipient|rcpt to:<"))
		return PLACE_RCPT;
	if (ends_with_any(
		lead,
		"mail from:|mail from|from:|from|f=[|sender|sender:|message-id:|reply-to:|contact|write to|"
		"mailto:|by|cc:|return-path:|envelope-from|email|e-mail"))
		return PLACE_NOWHERE;
	if (strip_marks(before).n == 0) {
		bool alone = behind.n == 0 || strchr(":.,;(<>-)\"", behind.p[0]);
		return alone ? PLACE_LINE : PLACE_OBJECT;
	}
	if (str_caseeq(lead, STR("to:")))
		return PLACE_HEADER;
	words_of(r->arena, line_before(text, to + behind.n), &w);
	bool told = ends_with_any(
	    lead, "to|to:|for|:|recipient|recipients|user|address|addresses|errors:|t=[|an|para|à|a");
	if (told &&
	    (reason_failure(&w) || ends_with_any(lead, "recipient:|user:|userid:|failed:|size:|errors:|"
						       "attempts:|addressed to:")))
		return PLACE_OBJECT;
	return PLACE_TEXT;
}

struct candidate {
	struct str addr;
	enum place place;
};

struct candidates {
	struct candidate v[FEEDBACK_MAX_ITEMS];
	size_t n;
	enum place best;
};

static void
candidate_add(struct candidates *c, struct str addr, enum place place)
{
	size_t i;
	for (i = 0; i < c->n && !str_caseeq(c->v[i].addr, addr); i++)
		;
	if (i == FEEDBACK_MAX_ITEMS)
		return;
	if (i == c->n)
		c->v[c->n++] = (struct candidate){ addr, place };
	else if (place > c->v[i].place)
		c->v[i].place = place;
	if (place > c->best)
		c->best = place;
}

static void
candidates_read(struct reading *r, struct candidates *c)
{
	struct feedback_addresses own = { .n = 0 };
	struct str text = r->parts.notice, addr;
	size_t at = 0, from, to;
	addresses_of(r->arena, r->parts.head, "To", &own);
	addresses_of(r->arena, r->parts.head, "From", &own);
	for (int left = 500; left > 0 && address_next(text, &at, &addr, &from, &to); left--) {
		enum place place = place_of(r, text, from, to);
		/* the bounce's own addressee is its sender more often than its subject */
		for (size_t i = 0; i < own.n && place < PLACE_LINE; i++)
			if (str_caseeq(own.v[i], addr))
				place = PLACE_NOWHERE;
		if (place != PLACE_NOWHERE)
			candidate_add(c, addr, place);
	}
}

static void
failed_field(struct reading *r, struct candidates *c)
{
	struct feedback_addresses l = { .n = 0 };
	addresses_of(r->arena, r->parts.head, "X-Failed-Recipients", &l);
	for (size_t i = 0; i < l.n; i++)
		candidate_add(c, l.v[i], PLACE_RCPT);
}

/* What the returned message says. */
static void
returned_field(struct reading *r, struct candidates *c)
{
	static const char *const names[] = { "X-Envelope-To", "X-Original-To", "Delivered-To", "To" };
	for (size_t i = 0; i < sizeof names / sizeof names[0] && c->n == 0; i++) {
		struct feedback_addresses l = { .n = 0 };
		addresses_of(r->arena, &r->parts.returned, names[i], &l);
		if (l.n == 1)
			candidate_add(c, l.v[0], PLACE_HEADER);
	}
}

/* ---- what became of it? ---- */

static bool
add_one(struct reading *r, struct str addr, bool delayed, bool alone)
{
	struct feedback_item *it = item_add(r, FEEDBACK_BOUNCE);
	if (!it)
		return false;
	if (addr.n > 0)
		it->recipient = arena_str(r->arena, addr);
	struct evidence ev = { .recipient = addr, .delayed = delayed, .notice = r->parts.notice };
	ev.context = alone || addr.n == 0 ? r->parts.notice : notice_about(r->parts.notice, addr);
	ev.diag = reply_of(ev.context);
	reason_judge(r->arena, &ev, it);
	return true;
}

size_t
bounce_find(struct reading *r)
{
	struct signs s = { 0 };
	struct candidates c = { .n = 0 };
	signs_read(r, &s);
	if (!signs_suffice(&s, &r->parts))
		return 0;
	failed_field(r, &c);
	if (c.n == 0)
		candidates_read(r, &c);
	bool certain = s.codes || r->parts.report || (s.system && s.subject && s.returned && s.failure);
	if (certain && c.best < PLACE_OBJECT)
		returned_field(r, &c);
	/* else there must be somebody where recipients stand: it may be about anything */
	if (!certain && c.best < PLACE_OBJECT)
		return 0;
	struct words subject;
	words_of(r->arena, r->parts.subject, &subject);
	bool delayed = reason_delay(&s.words) || words_have(&subject, "delay|delayed|warning");
	size_t many = 0, before = r->out->n;
	for (size_t i = 0; i < c.n; i++)
		many += c.v[i].place >= PLACE_LINE;
	if (c.best < PLACE_LINE) {
		struct str addr = STR_NULL;
		for (size_t i = c.n; i-- > 0;)
			if (c.v[i].place == c.best)
				addr = c.v[i].addr;
		add_one(r, addr, delayed, true);
		return r->out->n - before;
	}
	for (size_t i = 0; i < c.n; i++)
		if (c.v[i].place >= PLACE_LINE && !add_one(r, c.v[i].addr, delayed, many == 1))
			break;
	return r->out->n - before;
}
