/*
 * message: end of message. Prepares, makes the one copy, applies it, answers; or hands the message to the
 * spool. Every way out either tailors completely or says clearly why not; a half-made copy never leaves,
 * since the MTA keeps nothing of a message that is refused.
 */
#include "milter/private.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/log.h"
#include "recipient/job.h"
#include "token/job.h"
#include "token/verp.h"

static void
log_plugins(const struct finish *f, const struct engine_copy *copy)
{
	for (size_t i = 0; i < copy->plugins.nnotes; i++)
		log_warn("%s: campaign=%s plugin=%.*s: %.*s; the mail goes on without it", f->queue_id,
			 f->tx->campaign->name, STR_ARG(copy->plugins.notes[i].plugin),
			 STR_ARG(copy->plugins.notes[i].text));
}

static void
log_decision(const struct finish *f, const struct engine_copy *copy)
{
	static const char *const words[] = { "sent", "dropped", "later", "refused" };
	const struct tailor_decision *d = &copy->plan.decision;
	char hex[33];
	stats_decision(d);
	recipient_key_hex(&copy->recipient->key, hex);
	log_info("%s: campaign=%s recipient=%s%s%s %s reason=%s%s%.*s", f->queue_id, f->tx->campaign->name,
		 hex, *d->arm ? " arm=" : "", d->arm, words[d->verdict], d->reason, d->text.n ? " " : "",
		 STR_ARG(d->text));
}

/* No decision about a recipient: the submitter and the log are told the same. */
__attribute__((format(printf, 4, 5))) static sfsistat
refuse(const struct finish *f, const char *code, const char *xcode, const char *fmt, ...)
{
	const struct tx *tx = f->tx;
	char text[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warn("%s: campaign=%s: %s", f->queue_id,
		 tx->campaign	? tx->campaign->name
		 : tx->bad_name ? tx->bad_name
				: "?",
		 text);
	return reply(f->ctx, code, xcode, "%s", text);
}

sfsistat
answer_error(const struct finish *f, const struct err *e)
{
	log_warn("%s: campaign=%s: %s", f->queue_id, f->tx->campaign->name, e->text);
	switch (e->kind) {
	case ERR_INPUT:
		return reply(f->ctx, "550", "5.6.0", "%s", e->text);
	case ERR_LIMIT:
		return reply(f->ctx, "552", "5.3.4", "%s", e->text);
	case ERR_CONFIG:
		return reply(f->ctx, "451", "4.3.5", "%s", e->text);
	case ERR_FULL:
		return reply(f->ctx, "452", "4.3.1", "no room to keep this message now, try again later");
	default:
		return reply(f->ctx, "451", "4.3.0", "this copy cannot be made now, try again later");
	}
}

/* That nothing was sent, and why. The answer does not depend on it. */
static void
post_event(const struct finish *f, const struct engine_request *rq, const struct engine_copy *copy,
	   enum event_type type)
{
	struct event ev;
	struct err e = { 0 };
	engine_event(rq, copy, type, "milter", rq->worker->arena, &ev);
	if (event_post(rq->store, &ev, &e) != 0)
		log_error("%s: campaign=%s: its event is not kept: %s", f->queue_id, f->tx->campaign->name,
			  e.text);
}

static sfsistat
answer_decision(const struct finish *f, const struct engine_request *rq, const struct engine_copy *copy)
{
	const struct tailor_decision *d = &copy->plan.decision;
	log_decision(f, copy);
	switch (d->verdict) {
	case TAILOR_DROP:
		post_event(f, rq, copy, EVENT_SUPPRESSED);
		return SMFIS_DISCARD;
	case TAILOR_REFUSE:
		post_event(f, rq, copy, EVENT_FAILED);
		return reply(f->ctx, "550", str_eq(str_of(d->reason), STR("missing")) ? "5.6.0" : "5.7.1",
			     "%.*s", STR_ARG(d->text));
	case TAILOR_LATER: /* spooled instead; the configuration check lets nothing wait without a spool */
		return SMFIS_TEMPFAIL;
	case TAILOR_SEND:
		break;
	}
	return SMFIS_CONTINUE;
}

/* The envelope sender that brings bounces back to this copy, or NULL when the campaign has none. */
static int
return_path(const struct engine_request *rq, const struct engine_copy *copy, const char **out, struct err *e)
{
	struct buf b = { 0 };
	*out = NULL;
	if (rq->campaign->return_path == NULL)
		return 0;
	int rc = verp_address(rq->worker->sealer, rq->campaign->return_path, &copy->recipient->key,
			      copy->recipient->idem, &b, e);
	if (rc == 0)
		*out = arena_printf(rq->worker->arena, "<%.*s>", STR_ARG(buf_str(&b))).p;
	buf_free(&b);
	return rc;
}

/*
 * What tells this copy from new mail when it meets mailtailor again: it would be tailored twice. Where there
 * is no inject target nothing need be set up that takes the mark off copies which leave, so they have none.
 */
static const char *
mark(const struct engine_request *rq, const struct engine_copy *copy)
{
	struct buf b = { 0 };
	if (rq->epoch->conf->inject.target == NULL ||
	    job_mark_seal(rq->epoch->keys, copy->recipient->idem, rq->now_ms, &b) != 0)
		return NULL;
	const char *out = arena_cstr(rq->worker->arena, buf_str(&b));
	buf_free(&b);
	return out;
}

/*
 * Whether the copy is a job already. A client that missed our answer comes again, perhaps when nothing keeps
 * the copy any more: it would leave here, and out of the spool. 1, 0, or -1.
 */
static int
is_spooled(const struct engine_request *rq, const struct engine_copy *copy, struct err *e)
{
	struct spool_key key;
	job_message_key(rq->epoch->keys, rq->campaign->name, engine_message_id(rq), key.message);
	memcpy(key.rk, copy->recipient->key.b, sizeof(key.rk));
	return spool_known(rq->store, &key, e);
}

/*
 * Hands the copy over, then takes its place in the caps: the MTA works on the new body while the disk works
 * on the reservation, and a copy that cannot be handed over takes none. Nothing leaves before the answer:
 * with any other than SMFIS_CONTINUE the MTA forgets what it was handed.
 */
static sfsistat
hand_over(const struct finish *f, const struct engine_request *rq, struct engine_copy *copy)
{
	struct err e = { 0 };
	const char *sender;
	log_plugins(f, copy);
	if (copy->plan.decision.verdict == TAILOR_LATER)
		return message_spool(f, rq->message, rq->worker);
	if (copy->plan.decision.verdict != TAILOR_SEND)
		return answer_decision(f, rq, copy);
	const int spooled = is_spooled(rq, copy, &e);
	if (spooled < 0)
		return answer_error(f, &e);
	if (spooled > 0)
		return message_spool(f, rq->message, rq->worker);
	if (return_path(rq, copy, &sender, &e) != 0)
		return answer_error(f, &e);
	if (apply_plan(f->ctx, &copy->plan, sender, mark(rq, copy)) != 0) {
		log_warn("%s: campaign=%s: the MTA went away while the copy was handed over", f->queue_id,
			 f->tx->campaign->name);
		return SMFIS_TEMPFAIL;
	}
	if (engine_reserve(rq, copy, &e) != 0)
		return answer_error(f, &e);
	/* A cap that lets wait was filled by another message meanwhile. */
	if (copy->plan.decision.verdict == TAILOR_LATER)
		return message_spool(f, rq->message, rq->worker);
	return answer_decision(f, rq, copy);
}

/* 1, 0, or -1. */
static int
is_paused(const struct finish *f, struct err *e)
{
	uint8_t id[8];
	spool_campaign_id(str_of(f->tx->campaign->name), id);
	return spool_paused(milter_service.store, id, e);
}

/* One recipient: his copy leaves on the spot, or becomes a job when it has to wait. */
static sfsistat
tailor_one(const struct finish *f, const struct tailor_message *m, struct worker *w)
{
	struct tx *tx = f->tx;
	struct engine_copy copy;
	struct err e = { 0 };
	const struct engine_request rq = {
		.epoch = tx->epoch,
		.worker = w,
		.store = milter_service.store,
		.message = m,
		.campaign = tx->campaign,
		.address = tx->to[0].address,
		.queue_id = str_of(f->mta_id),
		.now_ms = clock_now_ms(),
		.event_source = "milter",
	};
	int paused = is_paused(f, &e);
	if (paused == 1 && tx->epoch->conf->inject.target != NULL)
		return message_spool(f, m, w);
	if (paused == 1)
		return refuse(f, "451", "4.3.2",
			      "campaign %s is paused, and there is no inject target; try again later",
			      tx->campaign->name);
	if (paused < 0 || engine_make(&rq, &copy, &e) != 0)
		return answer_error(f, &e);
	return hand_over(f, &rq, &copy);
}

static sfsistat
tailor(const struct finish *f)
{
	struct tx *tx = f->tx;
	struct worker *w = engine_worker_get(tx->epoch);
	struct tailor_message *m = NULL;
	struct err e = { 0 };
	sfsistat answer;
	if (tailor_prepare(tx->epoch->cache, tx->epoch->conf, tx->campaign, buf_str(&tx->bytes), &m, &e) !=
		0 ||
	    tailor_message_timely(m, clock_now_ms(), &e) != 0)
		answer = answer_error(f, &e);
	else
		answer = tx->nrecipients > 1 ? message_spool(f, m, w) : tailor_one(f, m, w);
	tailor_message_free(&m);
	engine_worker_put(tx->epoch, &w);
	return answer;
}

/* What can be said of the recipients' number alone. */
static sfsistat
recipients_refused(const struct finish *f)
{
	struct tx *tx = f->tx;
	if (tx->nrecipients > TX_MAX_RECIPIENTS)
		return refuse(f, "550", "5.5.3",
			      "a campaign message takes %d recipients at most and this one has %zu",
			      TX_MAX_RECIPIENTS, tx->nrecipients);
	return refuse(
	    f, "550", "5.5.3",
	    "campaign %s takes one recipient per message and this one has %zu; send one transaction per "
	    "recipient, let match_sender name the campaign, or set a target in inject {}",
	    tx->campaign->name, tx->nrecipients);
}

sfsistat
message_finish(SMFICTX *ctx, struct session *s)
{
	char queue_id[] = "i";
	const char *id = smfi_getsymval(ctx, queue_id);
	struct tx *tx = &s->tx;
	struct finish f = { ctx, s, tx, id ? id : "NOQUEUE", id };
	if (tx->strip_only)
		return apply_strip(ctx, tx) == 0 ? SMFIS_CONTINUE : SMFIS_TEMPFAIL;
	if (tx->too_large)
		return refuse(&f, "552", "5.3.4", "the message is larger than max_message (%lld bytes)",
			      (long long)tx->epoch->conf->milter.max_message);
	if (tx->bad_campaign != NULL)
		return refuse(&f, "550", "5.6.0", "%s", tx->bad_campaign);
	if (tx->campaign == NULL || tx->nrecipients == 0)
		return SMFIS_CONTINUE;
	if (tx->nrecipients > TX_MAX_RECIPIENTS ||
	    (tx->nrecipients > 1 && !conf_splits(tx->epoch->conf, tx->campaign)))
		return recipients_refused(&f);
	return tailor(&f);
}
