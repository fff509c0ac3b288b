/*
 * decide: whether this recipient gets a copy, and why not. The order is fixed
 * and documented in contrib/DECISIONS.md: what the recipient said comes first,
 * then what the law and the sender's caps say, then what the scores say.
 */
#include "tailor/private.h"

#include "base/clock.h"

static void
decision_set(struct tailor_decision *d, enum tailor_verdict verdict, const char *reason, struct str text)
{
	d->verdict = verdict;
	d->reason = reason;
	d->text = text;
}

/* The first cap that is full, or NULL. A copy that has its place already is never stopped. */
static const struct snapshot_cap *
cap_full(const struct recipient_snapshot *r)
{
	for (size_t i = 0; !r->reserved && i < r->ncaps; i++)
		if (r->caps[i].used >= r->caps[i].cap->limit)
			return &r->caps[i];
	return NULL;
}

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
	return false;
}

void
tailor_decide_cap(const struct conf_cap *cap, int64_t used, struct arena *a, struct tailor_decision *out)
{
	char window[40];
	decision_set(out, cap->action == CONF_CAP_REJECT ? TAILOR_REFUSE : TAILOR_DROP, "cap",
		     arena_printf(a, "cap \"%s\" is full: %lld of %lld in %s", cap->name, (long long)used,
				  (long long)cap->limit, clock_format_duration(cap->window_ms, window)));
}

void
tailor_decide(const struct tailor_message *m, const struct tailor_input *in, struct arena *a,
	      struct tailor_decision *out)
{
	const struct recipient_snapshot *r = in->recipient;
	const struct conf_campaign *c = m->campaign;
	const struct score_rule *rule = cache_send_if(m->cache, c);
	const struct snapshot_cap *full = cap_full(r);
	*out = (struct tailor_decision){ .reason = "send", .arm = "", .propensity = 1.0, .text = STR("") };
	if (r->suppressed) {
		decision_set(out, TAILOR_DROP, "suppressed", str_of(r->suppressed_reason));
	} else if (r->mail_denied) {
		decision_set(out, TAILOR_DROP, "consent", STR("consent to mail is denied"));
	} else if (c->require_consent && !r->mail_granted) {
		decision_set(out, TAILOR_DROP, "consent",
			     STR("no consent is recorded and the campaign requires it"));
	} else if (full != NULL) {
		tailor_decide_cap(full->cap, full->used, a, out);
	} else if (rule != NULL) {
		struct score_look look = { in, a };
		struct str missing = STR_NULL;
		/* An unknown score means that its plugin failed: that costs the plugin's contribution, not
		 * the mail. */
		if (score_rule_eval(rule, look_score, &look, &missing) == 0)
			decision_set(out, TAILOR_DROP, "send-if",
				     arena_printf(a, "send_if is false: %s", c->send_if));
		else if (missing.n > 0)
			out->text = arena_printf(a, "send_if left out: no score \"%.*s\"", STR_ARG(missing));
	}
}
