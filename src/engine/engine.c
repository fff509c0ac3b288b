/* engine: from a message and an address to a plan; see engine.h. */
#include "engine/arms.h"
#include "engine/engine-private.h"

#include "base/json.h"
#include "base/log.h"

static struct recipient_source
source_of(const struct engine_request *rq)
{
	return (struct recipient_source){
		.store = rq->store,
		.keys = rq->epoch->keys,
		.sealer = rq->worker->sealer,
		.conf = rq->epoch->conf,
		.campaign = rq->campaign,
	};
}

struct str
engine_message_id(const struct engine_request *rq)
{
	struct str id = rq->message_id.n > 0 ? rq->message_id : tailor_message_id(rq->message, rq->queue_id);
	struct str content[2];
	uint8_t hash[16];
	if (id.n > 0)
		return id;
	/* Two different messages must not share one place in a cap, and a retry of the same one must. */
	tailor_message_content(rq->message, rq->worker->arena, content);
	keyed_id(rq->epoch->keys, "content", content, 2, hash);
	return arena_str(rq->worker->arena, str_make((const char *)hash, sizeof(hash)));
}

/* True when somebody reads what recipients did before. */
static bool
behaviour_is_read(const struct engine_request *rq)
{
	const struct features *f = features_find(rq->epoch->features, rq->campaign->features);
	return (f && score_columns_need_events(f->columns)) ||
	       plugin_set_needs_events(rq->epoch->plugins, rq->campaign);
}

/* Snapshots of n recipients. */
static int
snapshots_read(const struct engine_request *rq, size_t n, bool behaviour, struct engine_copy *out,
	       struct err *e)
{
	struct recipient_source src = source_of(rq);
	src.behaviour = behaviour;
	struct arena *a = rq->worker->arena;
	struct recipient_request *ask = ARENA_ARRAY(a, struct recipient_request, n);
	struct recipient_snapshot **r = ARENA_ARRAY(a, struct recipient_snapshot *, n);
	int rc = 0;
	for (size_t i = 0; i < n; i++) {
		ask[i] = (struct recipient_request){ rq[i].address, engine_message_id(&rq[i]), rq[i].now_ms };
		out[i] = (struct engine_copy){ 0 };
		e[i].kind = ERR_NONE;
	}
	if (rq->profile_json == NULL)
		rc = recipient_read_many(&src, ask, n, a, r, e);
	for (size_t i = 0; i < n && rq->profile_json != NULL; i++)
		if (recipient_from_json(&src, ask[i].address, ask[i].message_id, str_of(rq[i].profile_json),
					ask[i].now_ms, a, &r[i], &e[i]) != 0)
			rc = -1;
	for (size_t i = 0; i < n; i++)
		out[i].recipient = r[i];
	return rc;
}

/* This recipient's own merge data: the caller's, else what the message's data part says. */
static const struct value *
recipient_data(const struct engine_request *rq, const struct engine_copy *out)
{
	return rq->data
		   ? rq->data
		   : tailor_message_recipient_data(rq->message, out->recipient->address, rq->worker->arena);
}

const struct value *
engine_message_data(const struct engine_request *rq, const struct engine_copy *out)
{
	const struct value *under = tailor_message_data(rq->message), *over = out->data, *v;
	struct arena *a = rq->worker->arena;
	struct str key;
	if (under == NULL || over == NULL)
		return over ? over : under;
	struct value *both = value_map_new(a);
	for (size_t i = 0; i < value_map_count(under); i++) {
		value_map_entry(under, i, &key, &v);
		value_map_set(a, both, key, v);
	}
	for (size_t i = 0; i < value_map_count(over); i++) {
		value_map_entry(over, i, &key, &v);
		bool empty = v->type == VALUE_NULL || (v->type == VALUE_STRING && v->s.n == 0);
		if (!empty || value_map_get(both, key) == NULL)
			value_map_set(a, both, key, v);
	}
	return both;
}

static void
plugin_request_fill(const struct engine_request *rq, const struct engine_copy *c, struct plugin_request *out)
{
	const struct recipient_snapshot *r = c->recipient;
	*out = (struct plugin_request){
		.campaign = rq->campaign,
		.profile = r->profile,
		.message = engine_message_data(rq, c),
		.history = r->history,
		.defaults = rq->campaign->defaults,
		.language = r->language,
		.time_zone = r->time_zone,
		.now_ms = rq->now_ms,
		.known = r->known,
		.events = r->behaviour,
	};
	memcpy(out->recipient_key, r->key.b, sizeof(out->recipient_key));
}

/* Without it plugins know less, which is no reason not to send. */
static void
history_read(const struct engine_request *rq, struct recipient_snapshot *r)
{
	struct err e = { 0 };
	const struct recipient_source src = source_of(rq);
	if (rq->profile_json == NULL &&
	    recipient_history(&src, &r->key, rq->worker->arena, &r->history, &e) != 0)
		log_warn("campaign %s: a recipient's history: %s", rq->campaign->name, e.text);
}

/* Plugins run only for copies that may leave: a suppressed recipient costs no work. */
static void
plugins_run(const struct engine_request *rq, size_t n, struct engine_copy *copies, const struct err *e)
{
	struct arena *a = rq->worker->arena;
	struct plugin_request *ask = ARENA_ARRAY(a, struct plugin_request, n);
	struct plugin_result *results = ARENA_ARRAY(a, struct plugin_result, n);
	size_t *of = ARENA_ARRAY(a, size_t, n), nasked = 0;
	if (rq->campaign->personalizers.n == 0 && rq->campaign->scorers.n == 0)
		return;
	bool history = plugin_wants_history(rq->epoch->plugins, rq->campaign);
	for (size_t i = 0; i < n; i++) {
		struct recipient_snapshot *r = copies[i].recipient;
		if (e[i].kind != ERR_NONE || r->suppressed || r->mail_denied)
			continue;
		/* The control is never personalised. */
		if (copies[i].arm.arm != NULL && copies[i].arm.arm->control)
			continue;
		if (history)
			history_read(&rq[i], r);
		plugin_request_fill(&rq[i], &copies[i], &ask[nasked]);
		of[nasked++] = i;
	}
	plugin_run(rq->epoch->plugins, ask, nasked, a, results);
	for (size_t k = 0; k < nasked; k++)
		copies[of[k]].plugins = results[k];
}

/* What is kept of a decision that leads to a copy, as JSON. */
static struct str
decision_json(const struct engine_request *rq, const struct engine_copy *c)
{
	struct arena *a = rq->worker->arena;
	struct value *v = value_map_new(a), *scores = value_map_new(a);
	struct buf b = { 0 };
	for (size_t i = 0; i < c->plugins.nscores; i++)
		value_map_set(a, scores, c->plugins.scores[i].name,
			      value_real(a, c->plugins.scores[i].value));
	value_map_set(a, v, STR("campaign"), value_string(a, str_of(rq->campaign->name)));
	value_map_set(a, v, STR("category"), value_string(a, str_of(rq->campaign->category)));
	value_map_set(a, v, STR("at"), value_int(a, rq->now_ms));
	value_map_set(a, v, STR("arm"), value_string(a, str_of(c->plan.decision.arm)));
	value_map_set(a, v, STR("propensity"), value_real(a, c->plan.decision.propensity));
	value_map_set(a, v, STR("scores"), scores);
	json_print(&b, v);
	struct str out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

static struct tailor_input
input_of(const struct engine_request *rq, const struct engine_copy *c)
{
	struct tailor_score *scores = ARENA_ARRAY(rq->worker->arena, struct tailor_score, c->plugins.nscores);
	for (size_t i = 0; i < c->plugins.nscores; i++)
		scores[i] = (struct tailor_score){ c->plugins.scores[i].name, c->plugins.scores[i].value };
	return (struct tailor_input){
		.recipient = c->recipient,
		.data = c->data,
		.accepted_ms = rq->accepted_ms,
		.attempted = rq->attempted,
		.plugin_vars = c->plugins.vars,
		.plugin_sources = c->plugins.sources,
		.scores = scores,
		.nscores = c->plugins.nscores,
		.arm = c->arm,
		.sealer = rq->worker->sealer,
		.now_ms = rq->now_ms,
		.own_copy = rq->own_copy,
		.explain = rq->explain,
	};
}

int
engine_gather(const struct engine_request *rq, size_t n, struct engine_copy *out, struct err *e)
{
	int rc = n > 0 ? snapshots_read(rq, n, behaviour_is_read(rq), out, e) : 0;
	for (size_t i = 0; i < n; i++)
		if (e[i].kind == ERR_NONE)
			out[i].data = recipient_data(&rq[i], &out[i]);
	if (n == 0)
		return rc;
	arms_early(rq, n, out, e);
	plugins_run(rq, n, out, e);
	arms_choose(rq, n, out, e);
	return rc;
}

int
engine_render(const struct engine_request *rq, struct engine_copy *copy, struct err *e)
{
	const struct tailor_input in = input_of(rq, copy);
	return tailor_render(rq->message, &in, rq->worker->scratch, rq->worker->arena, &copy->plan, e);
}

int
engine_make(const struct engine_request *rq, struct engine_copy *out, struct err *e)
{
	return engine_gather(rq, 1, out, e) == 0 ? engine_render(rq, out, e) : -1;
}

int
engine_decide(const struct engine_request *rq, struct engine_copy *out, struct err *e)
{
	if (snapshots_read(rq, 1, false, out, e) != 0)
		return -1;
	arms_early(rq, 1, out, e);
	const struct tailor_input in = input_of(rq, out);
	tailor_decide(rq->message, &in, rq->worker->arena, &out->plan.decision);
	return 0;
}

/* ---- events ---- */

/* {"propensity":1,"scores":{…},"items":{…},"features":{…}}: what training needs of the decision beside what
 * the event says. */
static struct str
event_details(const struct engine_request *rq, const struct engine_copy *c, struct arena *a)
{
	const struct plugin_result *p = &c->plugins;
	struct buf b = { 0 };
	buf_adds(&b, STR("{\"propensity\":"));
	value_print(&b, value_real(a, c->plan.decision.propensity));
	for (size_t i = 0; i < p->nscores; i++) {
		buf_adds(&b, i == 0 ? STR(",\"scores\":{") : STR(","));
		json_print_string(&b, p->scores[i].name);
		buf_addc(&b, ':');
		json_print(&b, value_real(a, p->scores[i].value));
	}
	if (p->nscores > 0)
		buf_addc(&b, '}');
	engine_items_print(c, &b);
	engine_rows_print(rq, c, &b);
	buf_addc(&b, '}');
	struct str out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

/* Shown in reports; longer or odd ones are no segments. */
static struct str
segment_of(const struct recipient_snapshot *r, struct arena *a)
{
	const struct value *v = value_map_get(r->profile, STR("segment"));
	if (v == NULL || v->type != VALUE_STRING || v->s.n > STORE_MAX_WORD || !str_is_utf8(v->s))
		return STR_NULL;
	for (size_t i = 0; i < v->s.n; i++)
		if ((unsigned char)v->s.p[i] < 0x20 || v->s.p[i] == 0x7f)
			return STR_NULL;
	return arena_str(a, v->s);
}

void
engine_event(const struct engine_request *rq, const struct engine_copy *copy, enum event_type type,
	     const char *source, struct arena *a, struct event *out)
{
	const struct recipient_snapshot *r = copy->recipient;
	const struct tailor_decision *d = &copy->plan.decision;
	bool suppressed = d->reason && strcmp(d->reason, "suppressed") == 0 && r->suppressed_reason;
	*out = (struct event){
		.at_ms = rq->now_ms,
		.type = type,
		.once = true,
		.campaign = arena_str(a, str_of(rq->campaign->name)),
		.category = arena_str(a, str_of(rq->campaign->category)),
		.arm = arena_str(a, str_of(d->arm)),
		.domain = arena_str(a, r->domain),
		.segment = segment_of(r, a),
		.source = str_of(source),
		.link = EVENT_NO_LINK,
	};
	memcpy(out->rk, r->key.b, sizeof(out->rk));
	memcpy(out->copy, r->idem, sizeof(out->copy));
	if (type == EVENT_INJECTED) {
		out->details = event_details(rq, copy, a);
		out->queue_id = rq->queue_id.n <= EVENT_MAX_QUEUE_ID ? arena_str(a, rq->queue_id) : STR_NULL;
	} else {
		out->reason = arena_str(a, str_of(suppressed ? r->suppressed_reason : d->reason));
	}
}

/* What the reservation found instead of what was read before. */
static void
reserve_judge(const struct engine_request *rq, struct engine_copy *copy, const struct reserve_result *res)
{
	/* No cap stops it: who gives all his mail one Message-ID shall see it in the log. */
	if (res->status == RESERVE_AGAIN && copy->plan.decision.text.n == 0)
		copy->plan.decision.text = STR("again: counted when it was first sent");
	if (res->status == RESERVE_CAPPED) {
		const struct conf_cap *cap = copy->recipient->caps[res->capped].cap;
		const struct tailor_input in = input_of(rq, copy);
		tailor_decide_cap(rq->message, &in, cap, cap->limit, res->capped_until_ms, rq->worker->arena,
				  &copy->plan.decision);
	}
}

int
engine_reserve_many(const struct engine_request *rq, struct engine_copy *copies, size_t n, struct err *e)
{
	struct recipient_source src = source_of(rq);
	struct arena *a = rq->worker->arena;
	const struct recipient_snapshot **r = ARENA_ARRAY(a, const struct recipient_snapshot *, n);
	struct str *decisions = ARENA_ARRAY(a, struct str, n);
	struct reserve_result *res = ARENA_ARRAY(a, struct reserve_result, n);
	struct event *events = rq->event_source ? ARENA_ARRAY(a, struct event, n) : NULL;
	for (size_t i = 0; i < n; i++) {
		r[i] = copies[i].recipient;
		decisions[i] = decision_json(&rq[i], &copies[i]);
		if (events)
			engine_event(&rq[i], &copies[i], EVENT_INJECTED, rq->event_source, a, &events[i]);
	}
	if (recipient_reserve_many(&src, r, decisions, events, n, rq->now_ms, a, res, e) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		reserve_judge(&rq[i], &copies[i], &res[i]);
	return 0;
}

int
engine_reserve(const struct engine_request *rq, struct engine_copy *copy, struct err *e)
{
	return engine_reserve_many(rq, copy, 1, e);
}
