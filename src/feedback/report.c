/*
 * report: delivery status reports (RFC 3464, RFC 6533): groups of fields, one for the message and one for
 * each recipient, in a part of their own, or, as some programs have it, in the middle of the text.
 */
#include "feedback/private.h"

#define MAX_GROUPS 400

struct group {
	struct str original, final, action, status, diag;
};

struct groups {
	struct arena *arena;
	struct group *v;
	size_t n;
};

static bool
is(struct str name, const char *word)
{
	return str_caseeq(name, str_of(word));
}

static struct str *
slot_of(struct group *g, struct str name)
{
	return is(name, "Original-Recipient") ? &g->original
	       : is(name, "Final-Recipient")  ? &g->final
	       : is(name, "Action")	      ? &g->action
	       : is(name, "Status")	      ? &g->status
	       : is(name, "Diagnostic-Code")  ? &g->diag
					      : NULL;
}

static bool
is_empty(const struct group *g)
{
	return !g->original.p && !g->final.p && !g->action.p && !g->status.p && !g->diag.p;
}

/* A field that the group has already begins the next one. */
static void
add_field(struct groups *gs, struct str name, struct str value)
{
	struct group *g = &gs->v[gs->n];
	struct str *slot = slot_of(g, name);
	if (!slot)
		return;
	if (slot->p && slot != &g->diag) {
		if (gs->n + 2 > MAX_GROUPS)
			return;
		slot = slot_of(&gs->v[++gs->n], name);
	}
	if (!slot->p)
		*slot = value;
}

static struct str
line_next(struct str *rest)
{
	struct str line = str_sub(*rest, 0, str_find_char(*rest, '\n'));
	*rest = str_sub(*rest, line.n + 1, rest->n);
	return line;
}

/* The value with what is folded below it, one line. */
static struct str
unfold(struct arena *a, struct str value, struct str *rest)
{
	struct buf b = { 0 };
	buf_adds(&b, str_trim(value));
	while (rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t') && b.n < 4096) {
		struct str line = str_trim(line_next(rest));
		if (line.n == 0)
			break;
		buf_addc(&b, ' ');
		buf_adds(&b, line);
	}
	struct str out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

static void
groups_read(struct arena *a, struct str text, struct groups *gs)
{
	*gs = (struct groups){ .arena = a, .v = ARENA_ARRAY(a, struct group, MAX_GROUPS) };
	for (struct str rest = text; rest.n > 0;) {
		struct str line = line_next(&rest);
		size_t colon = str_find_char(line, ':');
		if (str_trim(line).n == 0) {
			if (!is_empty(&gs->v[gs->n]) && gs->n + 2 < MAX_GROUPS)
				gs->n++;
			continue;
		}
		if (colon < line.n)
			add_field(gs, str_trim(str_sub(line, 0, colon)),
				  unfold(a, str_sub(line, colon + 1, line.n), &rest));
	}
	gs->n += !is_empty(&gs->v[gs->n]);
}

/* "smtp; 550 …" without its type. */
static struct str
diagnosis(struct str value)
{
	size_t semi = str_find_char(value, ';');
	if (semi > 24 || semi >= value.n || str_find_char(value, ' ') < semi)
		return value;
	return str_trim(str_sub(value, semi + 1, value.n));
}

/* Status of one group without an address of its own: of the group before it, where a blank line stands too
 * many. */
static void
groups_join(struct groups *gs)
{
	for (size_t i = 1; i < gs->n; i++) {
		struct group *g = &gs->v[i], *before = &gs->v[i - 1];
		if (g->original.p || g->final.p || (!before->original.p && !before->final.p))
			continue;
		if (!before->status.p && !before->action.p) {
			before->status = g->status;
			before->action = g->action;
		}
		if (!before->diag.p)
			before->diag = g->diag;
		*g = (struct group){ 0 };
	}
}

static bool
recipient_of(const struct group *g, struct feedback_item *out, struct arena *a)
{
	struct str original, final;
	bool has_original = address_bare(g->original, &original), has_final = address_bare(g->final, &final);
	if (!has_original && !has_final)
		return false;
	/* what the sender wrote, before anybody forwarded it */
	out->recipient = arena_str(a, has_original ? original : final);
	return true;
}

static void
judge(struct reading *r, const struct group *g, struct feedback_item *it)
{
	struct evidence ev = { .status = g->status, .diag = diagnosis(g->diag), .notice = r->parts.notice };
	struct str about = it->recipient;
	ev.context = r->parts.notice;
	if (about.n > 0)
		ev.context = notice_about(ev.context, about);
	ev.recipient = about;
	if (ev.diag.n == 0)
		ev.diag = reply_of(ev.context);
	ev.delayed = str_casestarts(g->action, STR("delayed"));
	/* a report of success (RFC 3461) is no bounce */
	if (str_casestarts(g->action, STR("deliver")) || str_casestarts(g->action, STR("relayed")) ||
	    str_casestarts(g->action, STR("expanded"))) {
		it->kind = FEEDBACK_NONE;
		it->reason = FEEDBACK_OTHER;
		status_parse(g->status, it->status);
		return;
	}
	reason_judge(r->arena, &ev, it);
}

static size_t
report_read(struct reading *r, struct str text)
{
	struct groups gs;
	size_t before = r->out->n;
	groups_read(r->arena, text, &gs);
	groups_join(&gs);
	for (size_t i = 0; i < gs.n; i++) {
		const struct group *g = &gs.v[i];
		struct feedback_item found = { .kind = FEEDBACK_BOUNCE };
		/* an address alone may be anything: a report says what became of it */
		if (!g->action.p && !g->status.p && !g->diag.p)
			continue;
		if (!recipient_of(g, &found, r->arena)) {
			struct str failed = field_value(r->arena, r->parts.head, "X-Failed-Recipients");
			if (!(g->original.p || g->final.p) || !address_bare(failed, &found.recipient))
				continue;
		}
		struct feedback_item *it = item_add(r, FEEDBACK_BOUNCE);
		if (!it)
			break;
		*it = found;
		judge(r, g, it);
	}
	return r->out->n - before;
}

size_t
report_find(struct reading *r)
{
	size_t n = report_read(r, r->parts.delivery);
	if (n > 0)
		return n;
	/* In the text only with the fields that nobody writes by hand, and from a program. */
	if (!sender_is_system(&r->parts) && !r->parts.report)
		return 0;
	struct str text = r->parts.notice;
	if (str_find(text, STR("-Recipient:")) == text.n && str_find(text, STR("-recipient:")) == text.n)
		return 0;
	return report_read(r, text);
}
