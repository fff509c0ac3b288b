/*
 * spool: a message becomes jobs. Everything that can be wrong with the message is found before (it has been
 * prepared); here each recipient's record is read once, to see who must not be mailed and when the others may
 * be. One commit holds all; only then is the MTA told to forget the message.
 */
#include "milter/private.h"

#include "base/clock.h"
#include "base/log.h"
#include "recipient/job.h"

/* Sendmail waits ten seconds for a sign of life. */
#define PROGRESS_US 2000000

struct spooling {
	const struct finish *f;
	struct engine_request rq;
	struct spool_job *jobs;
	const struct event **events; /* of each job; NULL: it goes at once, nothing is to be told */
	size_t njobs;
	size_t now, later, dropped, again;
	uint8_t message_key[16];
	int64_t signed_of_life_us;
};

static void
sign_of_life(struct spooling *sp)
{
	int64_t now = clock_mono_us();
	if (now - sp->signed_of_life_us < PROGRESS_US)
		return;
	sp->signed_of_life_us = now;
	smfi_progress(sp->f->ctx);
}

/* How the job begins: when it is due, or how it has ended already. */
static void
job_decided(struct spooling *sp, struct spool_job *j, const struct tailor_decision *d)
{
	struct arena *a = sp->f->tx->arena;
	stats_decision(d);
	j->state = SPOOL_QUEUED;
	j->due_ms = sp->rq.now_ms;
	j->reason = STR("now");
	switch (d->verdict) {
	case TAILOR_DROP:
		j->state = SPOOL_DROPPED;
		break;
	case TAILOR_LATER:
		j->due_ms = d->due_ms;
		break;
	case TAILOR_SEND:
	case TAILOR_REFUSE: /* asked again when it is due: then its sender gets a report */
		return;
	}
	j->reason = str_of(d->reason);
	j->note = arena_str(a, str_sub(d->text, 0, SPOOL_MAX_NOTE));
}

/* Of a copy that is not made, or waits. */
static const struct event *
event_make(const struct spooling *sp, const struct spool_job *j, const struct engine_copy *copy)
{
	const enum tailor_verdict verdict = copy->plan.decision.verdict;
	struct arena *a = sp->f->tx->arena;
	if (j->state != SPOOL_DROPPED && verdict != TAILOR_LATER)
		return NULL;
	struct event *ev = ARENA_NEW(a, struct event);
	engine_event(&sp->rq, copy, verdict == TAILOR_LATER ? EVENT_HELD : EVENT_SUPPRESSED, "milter", a, ev);
	return ev;
}

static int
payload_make(struct spooling *sp, const struct tx_recipient *to, const struct recipient_snapshot *r,
	     struct spool_job *j, struct err *e)
{
	struct str data = tailor_message_recipient_json(sp->rq.message, r->address);
	struct buf sealed = { 0 };
	const struct job_payload p = { without_brackets(to->address), to->notify, to->orcpt, data };
	int rc = job_payload_seal(sp->rq.worker->sealer, &j->key, &p, &sealed, e);
	j->payload = arena_str(sp->f->tx->arena, buf_str(&sealed));
	buf_free(&sealed);
	return rc;
}

static void
log_recipient(const struct spooling *sp, const struct recipient_snapshot *r, const struct tailor_decision *d)
{
	char hex[33];
	recipient_key_hex(&r->key, hex);
	log_info("%s: campaign=%s recipient=%s dropped reason=%s%s%.*s", sp->f->queue_id,
		 sp->rq.campaign->name, hex, d->reason, d->text.n ? " " : "", STR_ARG(d->text));
}

/* One recipient's job. The worker's arena is this recipient's alone. */
static int
job_make(struct spooling *sp, const struct tx_recipient *to, struct err *e)
{
	struct spool_job *j = &sp->jobs[sp->njobs];
	struct engine_copy copy;
	sp->rq.address = to->address;
	if (engine_decide(&sp->rq, &copy, e) != 0)
		return -1;
	/*
	 * A copy that was made in place has its place in the caps, and the client tries again: whether the
	 * MTA kept it then is not known here (a filter behind us may have refused it), so it is sent.
	 */
	memcpy(j->key.message, sp->message_key, sizeof(j->key.message));
	memcpy(j->key.rk, copy.recipient->key.b, sizeof(j->key.rk));
	spool_campaign_id(str_of(sp->rq.campaign->name), j->campaign_id);
	j->campaign = str_of(sp->rq.campaign->name);
	j->accepted_ms = sp->rq.now_ms;
	job_decided(sp, j, &copy.plan.decision);
	j->first_due_ms = j->due_ms;
	sp->events[sp->njobs] = event_make(sp, j, &copy);
	if (j->state == SPOOL_DROPPED)
		log_recipient(sp, copy.recipient, &copy.plan.decision);
	else if (payload_make(sp, to, copy.recipient, j, e) != 0)
		return -1;
	sp->njobs++;
	return 0;
}

/* After the commit: what was added, by how it begins. */
static void
count_added(struct spooling *sp, const bool *added)
{
	for (size_t i = 0; i < sp->njobs; i++) {
		const struct spool_job *j = &sp->jobs[i];
		if (!added[i])
			sp->again++;
		else if (j->state == SPOOL_DROPPED)
			sp->dropped++;
		else if (j->due_ms > sp->rq.now_ms)
			sp->later++;
		else
			sp->now++;
	}
}

static int
jobs_commit(struct spooling *sp, struct err *e)
{
	const struct tx *tx = sp->f->tx;
	struct buf stripped = { 0 }, sealed = { 0 };
	uint8_t content[16];
	tailor_message_strip(sp->rq.message, &stripped);
	const struct job_message m = {
		.sender = tx->sender,
		.ret = tx->ret,
		.envid = tx->envid,
		.eightbit = tx->eightbit || !str_is_ascii(buf_str(&stripped)),
		.smtputf8 = tx->smtputf8,
		.id = sp->rq.message_id,
		.bytes = buf_str(&stripped),
	};
	int rc = job_message_seal(sp->rq.worker->sealer, sp->rq.epoch->keys, &m, content, &sealed, e);
	for (size_t i = 0; i < sp->njobs; i++)
		memcpy(sp->jobs[i].content, content, sizeof(content));
	struct spool_add add = {
		.content = content,
		.message = buf_str(&sealed),
		.jobs = sp->jobs,
		.njobs = sp->njobs,
		.events = sp->events,
		.keep_ms = sp->rq.epoch->conf->inject.keep_ms,
		.added = ARENA_ARRAY(tx->arena, bool, sp->njobs),
	};
	if (rc == 0 && sp->njobs > 0)
		rc = spool_add(sp->rq.store, &add, e);
	if (rc == 0)
		count_added(sp, add.added);
	buf_free(&stripped);
	buf_free(&sealed);
	return rc;
}

sfsistat
message_spool(const struct finish *f, const struct tailor_message *m, struct worker *w)
{
	struct tx *tx = f->tx;
	struct err e = { 0 };
	struct spooling sp = { .f = f };
	sp.rq = (struct engine_request){
		.epoch = tx->epoch,
		.worker = w,
		.store = milter_service.store,
		.message = m,
		.campaign = tx->campaign,
		.queue_id = str_of(f->mta_id),
		.now_ms = clock_now_ms(),
	};
	sp.rq.message_id = arena_str(tx->arena, engine_message_id(&sp.rq));
	job_message_key(tx->epoch->keys, tx->campaign->name, sp.rq.message_id, sp.message_key);
	sp.jobs = ARENA_ARRAY(tx->arena, struct spool_job, tx->nrecipients);
	sp.events = ARENA_ARRAY(tx->arena, const struct event *, tx->nrecipients);
	sp.signed_of_life_us = clock_mono_us();
	for (size_t i = 0; i < tx->nrecipients; i++) {
		arena_reset(w->arena);
		if (job_make(&sp, &tx->to[i], &e) != 0) {
			if (tx->nrecipients > 1)
				err_prefix(&e, "recipient %zu", i + 1);
			return answer_error(f, &e);
		}
		sign_of_life(&sp);
	}
	if (jobs_commit(&sp, &e) != 0)
		return answer_error(f, &e);
	stats_spooled(sp.now + sp.later);
	log_info("%s: campaign=%s spooled recipients=%zu now=%zu later=%zu dropped=%zu again=%zu",
		 f->queue_id, tx->campaign->name, tx->nrecipients, sp.now, sp.later, sp.dropped, sp.again);
	if (milter_service.options.spooled != NULL && sp.now + sp.later > 0)
		milter_service.options.spooled();
	return SMFIS_DISCARD;
}
