/*
 * decide: whether this recipient gets a copy, and why not. The order is fixed
 * and documented in contrib/DECISIONS.md: what the recipient said comes first,
 * then what the clock says, then what the law and the sender's caps say, then
 * what the scores say.
 */
#include "tailor/private.h"

#include "base/clock.h"
#include "tailor/when.h"

static void
decision_set(struct tailor_decision *d, enum tailor_verdict verdict, const char *reason, struct str text)
{
	d->verdict = verdict;
	d->reason = reason;
	d->text = text;
}

/*
 * A cap that is full, or NULL. One that drops or refuses comes before one that waits: there is no waiting for
 * what will not happen. Of several that wait the one that has room last. A copy that has its place already is
 * never stopped.
 */
static const struct snapshot_cap *
cap_full(const struct recipient_snapshot *r)
{
	const struct snapshot_cap *full = NULL;
	for (size_t i = 0; !r->reserved && i < r->ncaps; i++) {
		const struct snapshot_cap *c = &r->caps[i];
		if (c->used < c->cap->limit)
			continue;
		if (c->cap->action != CONF_CAP_DEFER)
			return c;
		if (full == NULL || c->room_ms > full->room_ms)
			full = c;
	}
	return full;
}

/* ---- time ---- */

#define DAY_MS INT64_C(86400000)

/* The arm's; else the campaign's, which may be the recipient's own: then control and who has none go at once.
 * Whose arm is drawn when the copy is made goes there first: his may be an hour before the campaign's. */
static unsigned
hour_wanted(const struct tailor_message *m, const struct tailor_input *in)
{
	const struct conf_arm *arm = in->arm.arm;
	unsigned hour = m->campaign->send_hour;
	if (arm && arm->send_hour != CONF_ANY_HOUR)
		return arm->send_hour;
	if (!arm && conf_arms_have_hours(m->campaign))
		return CONF_ANY_HOUR;
	if (hour != CONF_LEARNED_HOUR)
		return hour;
	const struct value *own = value_path(in->recipient->profile, STR("learned.send_hour"));
	return own && own->type == VALUE_INT && own->i >= 0 && own->i <= 23 && !(arm && arm->control)
		   ? (unsigned)own->i + 1
		   : CONF_ANY_HOUR;
}

static void
when_ask(const struct tailor_message *m, const struct tailor_input *in, struct when *out)
{
	const struct when_ask ask = {
		.campaign = m->campaign,
		.time_zone = in->recipient->time_zone,
		.accepted_ms = in->accepted_ms ? in->accepted_ms : in->now_ms,
		.now_ms = in->now_ms,
		.has_send_at = m->has_send_at,
		.send_at_local = m->send_at_local,
		.send_at_ms = m->send_at_ms,
		.send_hour = hour_wanted(m, in),
	};
	when_due(&ask, out);
}

static bool
too_late(const struct tailor_message *m, const struct tailor_input *in, const struct when *w, int64_t due_ms)
{
	/* An arm's hour comes within a day, or two when the clock skips it; one that is not drawn yet may
	 * want it. */
	bool open = in->arm.arm == NULL && conf_arms_have_hours(m->campaign);
	int64_t latest = w->wanted_ms + (open ? 2 * DAY_MS : 0) + m->campaign->max_delay_ms;
	return !in->attempted && due_ms > latest;
}

/* "2026-03-29T07:00:00Z, more than max_delay (3d) after it was wanted (2026-03-20T09:00:00Z)" */
static struct str
late_text(const struct tailor_message *m, const struct when *w, int64_t due_ms, struct arena *a)
{
	char due[40], wanted[40], delay[40];
	return arena_printf(a, "%s, more than max_delay (%s) after it was wanted (%s)",
			    due_ms == WHEN_NEVER ? "never" : clock_format_rfc3339(due_ms, due),
			    clock_format_duration(m->campaign->max_delay_ms, delay),
			    clock_format_rfc3339(w->wanted_ms, wanted));
}

/* "due 2026-03-29T07:00:00Z, 09:00 in Europe/Berlin" */
static struct str
due_text(int64_t due_ms, const char *zone, struct arena *a)
{
	char due[40];
	struct score_time t;
	score_local_time(due_ms, zone, &t);
	return arena_printf(a, "due %s, %02d:%02d in %s", clock_format_rfc3339(due_ms, due), t.hour, t.minute,
			    zone);
}

/* True when the schedule has the say: later, or too late. */
static bool
decide_when(const struct tailor_message *m, const struct tailor_input *in, struct arena *a,
	    struct tailor_decision *out)
{
	struct when w;
	when_ask(m, in, &w);
	if (too_late(m, in, &w, w.due_ms) || w.due_ms == WHEN_NEVER) {
		decision_set(out, TAILOR_DROP, "too-late",
			     arena_printf(a, "it could leave %.*s", STR_ARG(late_text(m, &w, w.due_ms, a))));
		return true;
	}
	if (w.reason == NULL)
		return false;
	decision_set(out, TAILOR_LATER, w.reason, due_text(w.due_ms, w.zone, a));
	out->due_ms = w.due_ms;
	return true;
}

/* ---- caps ---- */

static int64_t
later_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The copy waits for room, or is dropped when that would be too late. full: which cap, how full. */
static void
decide_defer(const struct tailor_message *m, const struct tailor_input *in, int64_t room_ms, struct str full,
	     struct arena *a, struct tailor_decision *out)
{
	const struct conf_campaign *c = m->campaign;
	struct when w;
	when_ask(m, in, &w);
	int64_t room = when_open(c, w.zone, later_of(room_ms, in->now_ms + 1));
	if (too_late(m, in, &w, room) || room == WHEN_NEVER) {
		decision_set(out, TAILOR_DROP, "cap",
			     arena_printf(a, "%.*s, and has room %.*s", STR_ARG(full),
					  STR_ARG(late_text(m, &w, room, a))));
		return;
	}
	int64_t patience = in->now_ms + (in->now_ms - w.wanted_ms) / 16, last = w.wanted_ms + c->max_delay_ms;
	int64_t due = when_open(c, w.zone, later_of(room, patience < last ? patience : last));
	if (due == WHEN_NEVER || too_late(m, in, &w, due))
		due = room;
	decision_set(out, TAILOR_LATER, "cap",
		     arena_printf(a, "%.*s; %.*s", STR_ARG(full), STR_ARG(due_text(due, w.zone, a))));
	out->due_ms = due;
}

static void
decide_cap(const struct tailor_message *m, const struct tailor_input *in, const struct conf_cap *cap,
	   int64_t used, int64_t room_ms, struct arena *a, struct tailor_decision *out)
{
	char window[40];
	struct str full =
	    arena_printf(a, "cap \"%s\" is full: %lld of %lld in %s", cap->name, (long long)used,
			 (long long)cap->limit, clock_format_duration(cap->window_ms, window));
	if (cap->action == CONF_CAP_DEFER)
		decide_defer(m, in, room_ms, full, a, out);
	else
		decision_set(out, cap->action == CONF_CAP_REJECT ? TAILOR_REFUSE : TAILOR_DROP, "cap", full);
}

/* Where arms have hours, what waits keeps its arm: were only those kept that wait for theirs, the others,
 * drawn anew, would make them more than their propensity says. */
static void
arm_keep(const struct tailor_message *m, const struct tailor_input *in, struct arena *a,
	 struct tailor_decision *out)
{
	const struct tailor_arm *arm = &in->arm;
	if (out->verdict == TAILOR_LATER && arm->arm != NULL &&
	    (arm->kept || conf_arms_have_hours(m->campaign)))
		out->text = tailor_arm_note(arm, out->text, a);
}

void
tailor_decide_cap(const struct tailor_message *m, const struct tailor_input *in, const struct conf_cap *cap,
		  int64_t used, int64_t room_ms, struct arena *a, struct tailor_decision *out)
{
	decide_cap(m, in, cap, used, room_ms, a, out);
	arm_keep(m, in, a, out);
}

/* ---- scores ---- */

struct score_look {
	const struct tailor_input *in;
	struct arena *a;
};

static bool
look_score(void *ctx, struct str name, const struct value **v)
{
	struct score_look *l = ctx;
	for (size_t i = 0; i < l->in->nscores; i++)
		if (str_eq(l->in->scores[i].name, name)) {
			*v = value_real(l->a, l->in->scores[i].value);
			return true;
		}
	*v = str_starts(name, STR("profile."))
		 ? value_path(l->in->recipient->profile, str_sub(name, 8, name.n))
		 : NULL;
	return *v != NULL;
}

/* One more cap, which was learned: it can only hold back. A score that is not there holds nothing back. */
static bool
decide_fatigue(const struct tailor_message *m, const struct tailor_input *in, struct arena *a,
	       struct tailor_decision *out)
{
	const struct conf_campaign *c = m->campaign;
	struct score_look look = { in, a };
	const struct value *v;
	if (c->fatigue == NULL || strcmp(c->category, "transactional") == 0 || in->recipient->reserved ||
	    !look_score(&look, str_of(c->fatigue), &v) || v->type != VALUE_REAL || v->r > 0)
		return false;
	decision_set(
	    out, TAILOR_DROP, "fatigue",
	    arena_printf(a, "score \"%s\" is %g: waiting is worth more than a mail now", c->fatigue, v->r));
	return true;
}

/* An unknown score means that its plugin failed: that costs the plugin's contribution, not the mail. */
static void
decide_scores(const struct tailor_message *m, const struct tailor_input *in, struct arena *a,
	      struct tailor_decision *out)
{
	const struct score_rule *rule = cache_send_if(m->cache, m->campaign);
	struct score_look look = { in, a };
	struct str missing = STR_NULL;
	if (rule == NULL)
		return;
	if (score_rule_eval(rule, look_score, &look, &missing) == 0)
		decision_set(out, TAILOR_DROP, "send-if",
			     arena_printf(a, "send_if is false: %s", m->campaign->send_if));
	else if (missing.n > 0)
		out->text = arena_printf(a, "send_if left out: no score \"%.*s\"", STR_ARG(missing));
}

static void
decide(const struct tailor_message *m, const struct tailor_input *in, struct arena *a,
       struct tailor_decision *out)
{
	const struct recipient_snapshot *r = in->recipient;
	const struct snapshot_cap *full;
	if (r->suppressed) {
		decision_set(out, TAILOR_DROP, "suppressed", str_of(r->suppressed_reason));
	} else if (r->mail_denied) {
		decision_set(out, TAILOR_DROP, "consent", STR("consent to mail is denied"));
	} else if (m->campaign->require_consent && !r->mail_granted) {
		decision_set(out, TAILOR_DROP, "consent",
			     STR("no consent is recorded and the campaign requires it"));
	} else if (decide_when(m, in, a, out)) {
		return;
	} else if ((full = cap_full(r)) != NULL) {
		decide_cap(m, in, full->cap, full->used, full->room_ms, a, out);
	} else if ((in->arm.arm == NULL || !in->arm.arm->control) && !decide_fatigue(m, in, a, out)) {
		decide_scores(m, in, a, out);
	}
}

void
tailor_decide(const struct tailor_message *m, const struct tailor_input *in, struct arena *a,
	      struct tailor_decision *out)
{
	const struct tailor_arm *arm = &in->arm;
	*out = (struct tailor_decision){
		.reason = "send",
		.arm = arm->arm ? arm->arm->name : "",
		.propensity = arm->arm ? arm->propensity : 1.0,
		.text = STR(""),
	};
	decide(m, in, a, out);
	arm_keep(m, in, a, out);
}
