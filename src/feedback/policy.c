/* policy: findings → events → suppressions, in this order: what is suppressed has its reason on record. */
#include "feedback/policy.h"

#include <stdio.h>

#include "base/json.h"
#include "store/event.h"

#define WHY_FULL "mailbox-full"

const char *
policy_outcome_name(enum policy_outcome o)
{
	static const char *const names[] = { "nothing", "unproved", "recorded", "suppressed" };
	return names[o];
}

/* ---- one finding about one recipient ---- */

struct acting {
	const struct policy_source *src;
	const struct feedback_item *item;
	const struct identity *who;
	struct recipient_key rk;
	struct str message_id; /* of the returned message; without a proof it tells findings apart */
	int64_t now_ms;
	struct arena *arena;
	bool hard;     /* believed to be */
	bool believed; /* a complaint counts */
};

static bool
is_optout(const struct feedback_item *it)
{
	return strncmp(it->type, "opt-out", 7) == 0;
}

/* Reports about authentication come from machines and say nothing about what a person wants. */
static bool
is_technical(const struct feedback_item *it)
{
	return strcmp(it->type, "auth-failure") == 0 || strcmp(it->type, "dkim") == 0;
}

static int
type_of(const struct feedback_item *it)
{
	switch (it->kind) {
	case FEEDBACK_BOUNCE:
		return it->reason == FEEDBACK_DELAYED ? EVENT_DEFERRED : EVENT_BOUNCED;
	case FEEDBACK_COMPLAINT:
		return is_technical(it) ? 0 : is_optout(it) ? EVENT_UNSUBSCRIBED : EVENT_COMPLAINED;
	case FEEDBACK_AUTO_REPLY:
		return EVENT_AUTO_REPLY;
	case FEEDBACK_NONE:
		break;
	}
	return 0;
}

static struct str
details_of(const struct acting *x)
{
	const struct feedback_item *it = x->item;
	struct buf b = { 0 };
	buf_printf(&b, "{\"proof\":\"%s\"", identity_proof_name(x->who->proof));
	if (it->kind == FEEDBACK_BOUNCE) {
		buf_printf(&b, ",\"why\":\"%s\"", feedback_reason_name(it->reason));
		if (it->status[0])
			buf_printf(&b, ",\"status\":\"%s\"", it->status);
	}
	buf_addc(&b, '}');
	struct str out = arena_str(x->arena, buf_str(&b));
	buf_free(&b);
	return out;
}

static struct str
reason_of(const struct acting *x)
{
	const struct feedback_item *it = x->item;
	if (it->kind == FEEDBACK_BOUNCE)
		return x->hard ? STR("hard") : STR("soft");
	if (it->kind == FEEDBACK_COMPLAINT)
		return is_optout(it) ? STR("mail") : str_of(it->type);
	return STR_NULL;
}

/* What makes two reports one where the copy is not known. */
static void
key_of(const struct acting *x, int type, uint8_t out[16])
{
	uint8_t t = (uint8_t)type;
	const struct str parts[] = { STR("feedback"),
				     { (const char *)&t, 1 },
				     { (const char *)x->rk.b, sizeof x->rk.b },
				     { (const char *)x->who->copy, sizeof x->who->copy },
				     x->message_id };
	keyed_id(x->src->id.keys, "event", parts, sizeof parts / sizeof parts[0], out);
}

static int
record(const struct acting *x, int type, struct err *e)
{
	struct event v = {
		.at_ms = x->now_ms,
		.type = (enum event_type)type,
		.reason = reason_of(x),
		.campaign = x->who->campaign,
		.category = x->who->category,
		.arm = x->who->arm,
		.source = str_of(x->src->source),
		.link = EVENT_NO_LINK,
		.details = details_of(x),
	};
	memcpy(v.rk, x->rk.b, sizeof v.rk);
	if (x->who->proof != PROOF_NONE && x->who->whole) {
		memcpy(v.copy, x->who->copy, sizeof v.copy);
		v.once = true;
	} else if (x->who->proof != PROOF_NONE || x->message_id.n > 0) {
		key_of(x, type, v.idem);
	}
	return event_add(x->src->id.store, &v, 1, NULL, e);
}

/* ---- counting ---- */

struct count {
	struct arena *arena;
	int64_t since_soft, since_full, soft, full;
};

static bool
is_full(struct arena *a, struct str details)
{
	const struct value *v;
	if (details.n == 0 || json_parse(a, details, NULL, &v, NULL) != 0)
		return false;
	v = value_map_get(v, STR("why"));
	return v && v->type == VALUE_STRING && str_eq(v->s, STR(WHY_FULL));
}

static bool
count_one(void *ctx, const struct event_record *r)
{
	struct count *c = ctx;
	if (!str_eq(r->event.reason, STR("soft")))
		return true;
	bool full = is_full(c->arena, r->event.details);
	c->full += full && r->event.at_ms > c->since_full;
	c->soft += !full && r->event.at_ms > c->since_soft;
	return true;
}

static int
count(const struct acting *x, struct count *c, struct err *e)
{
	const struct conf_feedback *conf = x->src->conf;
	*c = (struct count){ .arena = x->arena,
			     .since_soft = x->now_ms - conf->soft_window_ms,
			     .since_full = x->now_ms - conf->full_window_ms };
	int64_t since = c->since_soft < c->since_full ? c->since_soft : c->since_full;
	const struct event_filter f = { .since_ms = since > 0 ? since : 0,
					.types = EVENT_BIT(EVENT_BOUNCED),
					.rk = x->rk.b };
	return event_each(x->src->id.store, &f, count_one, c, NULL, NULL, e);
}

/* ---- suppressing ---- */

/* One of the same reason and category "" that stands for good, or as long as this one. */
static int
stands(const struct acting *x, enum suppression_reason reason, int64_t until_ms, struct err *e)
{
	const struct store_view_request rq = { .rk = x->rk.b, .now_ms = x->now_ms };
	struct store_view v = { 0 };
	if (store_view(x->src->id.store, &rq, x->arena, &v, e) != 0)
		return -1;
	for (size_t i = 0; i < v.nsuppressions_own; i++) {
		const struct suppression_record *s = &v.suppressions[i];
		if (s->category.n == 0 && s->reason == reason &&
		    (s->until_ms == 0 || (until_ms != 0 && s->until_ms >= until_ms)))
			return 1;
	}
	return 0;
}

static int
suppress(const struct acting *x, enum suppression_reason reason, int64_t until_ms, const char *note,
	 struct err *e)
{
	const struct suppression_record s = {
		.category = STR(""),
		.reason = reason,
		.at_ms = x->now_ms,
		.note = str_of(note),
		.until_ms = until_ms,
	};
	int there = stands(x, reason, until_ms, e);
	if (there != 0)
		return there < 0 ? -1 : 0;
	if (store_suppression_put(x->src->id.store, x->rk.b, &s, e) != 0)
		return -1;
	if (x->src->told)
		x->src->told(x->src->ctx, &x->rk, reason, x->item, x->who);
	return 0;
}

static int
soft(const struct acting *x, enum policy_outcome *out, struct err *e)
{
	const struct conf_feedback *conf = x->src->conf;
	struct count c;
	if (count(x, &c, e) != 0)
		return -1;
	if (conf->soft_limit > 0 && c.soft >= conf->soft_limit) {
		*out = POLICY_SUPPRESSED;
		return suppress(x, SUPPRESS_SOFT_BOUNCE, 0, x->item->status, e);
	}
	if (x->item->reason == FEEDBACK_FULL && conf->full_limit > 0 && c.full >= conf->full_limit) {
		*out = POLICY_SUPPRESSED;
		return suppress(x, SUPPRESS_SOFT_BOUNCE, x->now_ms + conf->full_pause_ms, WHY_FULL, e);
	}
	return 0;
}

static int
act(const struct acting *x, enum policy_outcome *out, struct err *e)
{
	const struct feedback_item *it = x->item;
	int type = type_of(it);
	*out = POLICY_NOTHING;
	if (type == 0)
		return 0;
	if (record(x, type, e) != 0)
		return -1;
	*out = POLICY_RECORDED;
	if (type == EVENT_BOUNCED && x->hard) {
		*out = POLICY_SUPPRESSED;
		return suppress(x, SUPPRESS_HARD_BOUNCE, 0, it->status, e);
	}
	if (type == EVENT_BOUNCED)
		return soft(x, out, e);
	if (it->kind == FEEDBACK_COMPLAINT && x->believed) {
		*out = POLICY_SUPPRESSED;
		return suppress(x, is_optout(it) ? SUPPRESS_UNSUBSCRIBE : SUPPRESS_COMPLAINT, 0, it->type, e);
	}
	return 0;
}

/* ---- one message ---- */

static bool
is_about(const struct feedback_item *it, const struct identity *who, const struct keyring *keys,
	 struct arena *a)
{
	struct str normal;
	struct recipient_key rk;
	if (it->recipient.n == 0 || address_normalize(a, it->recipient, &normal, NULL) != 0)
		return false;
	recipient_key_of(keys, normal, &rk);
	return memcmp(rk.b, who->recipient.b, sizeof rk.b) == 0;
}

size_t
policy_pick(const struct feedback *f, const struct identity *who, const struct keyring *keys, struct arena *a)
{
	size_t mild = FEEDBACK_MAX_ITEMS;
	for (size_t i = 0; i < f->n; i++)
		if (is_about(&f->items[i], who, keys, a))
			return i;
	/*
	 * Nobody by that name: the copy was passed on, perhaps to several. Nothing is concluded from one of
	 * them that does not hold for all.
	 */
	for (size_t i = 0; i < f->n; i++)
		if (mild == FEEDBACK_MAX_ITEMS || (f->items[mild].hard && !f->items[i].hard))
			mild = i;
	return mild;
}

static int
with_proof(const struct policy_source *src, const struct feedback *f, struct acting *x,
	   enum policy_outcome *out, struct err *e)
{
	size_t i = policy_pick(f, x->who, src->id.keys, x->arena);
	if (i >= f->n)
		return 0;
	x->item = &f->items[i];
	x->rk = x->who->recipient;
	x->hard = x->item->hard;
	x->believed = true;
	return act(x, &out[i], e);
}

static int
without_proof(const struct policy_source *src, const struct feedback *f, struct acting *x,
	      enum policy_outcome *out, struct err *e)
{
	enum conf_trust trust = src->conf->trust_untokened;
	for (size_t i = 0; i < f->n; i++) {
		const struct feedback_item *it = &f->items[i];
		struct str normal;
		if (type_of(it) == 0 || it->kind == FEEDBACK_AUTO_REPLY)
			continue;
		out[i] = POLICY_UNPROVED;
		if (trust == CONF_TRUST_NO || it->recipient.n == 0 ||
		    address_normalize(x->arena, it->recipient, &normal, NULL) != 0)
			continue;
		x->item = it;
		recipient_key_of(src->id.keys, normal, &x->rk);
		x->hard = it->hard && trust == CONF_TRUST_YES;
		x->believed = trust == CONF_TRUST_YES;
		if (act(x, &out[i], e) != 0)
			return -1;
	}
	return 0;
}

int
policy_apply(const struct policy_source *src, const struct feedback *f, const struct identity *who,
	     int64_t now_ms, struct arena *a, enum policy_outcome *out, struct err *e)
{
	struct acting x = { .src = src, .who = who, .now_ms = now_ms, .arena = a };
	x.message_id = f->origin.message_id;
	for (size_t i = 0; i < f->n; i++)
		out[i] = POLICY_NOTHING;
	return who->proof != PROOF_NONE ? with_proof(src, f, &x, out, e) : without_proof(src, f, &x, out, e);
}
