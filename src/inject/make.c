/*
 * make: due jobs of one message become copies, a batch at a time. Consent, suppression, caps and profile are
 * read now, whatever they were when the message was accepted, in one transaction for the batch, and scored as
 * one matrix; places in caps are taken in one commit, after the copies have been rendered and before any is
 * handed over.
 */
#include "inject/private.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "token/job.h"
#include "token/verp.h"

#define KEPT_MESSAGES 4
#define BATCH_COPIES 64
#define BATCH_BYTES ((size_t)16 << 20)

/* A message out of the spool, prepared. */
struct kept {
	uint8_t content[16], campaign_id[8];
	struct buf plain;
	struct job_message message;
	struct tailor_message *prepared; /* NULL: a report, sent as it is */
	const struct conf_campaign *campaign;
	uint64_t used; /* the least is the oldest */
};

/* Copies that are made together; those that have been rendered move to the front and wait for their places.
 */
struct batch {
	struct item *items[BATCH_COPIES];
	struct engine_request requests[BATCH_COPIES];
	struct engine_copy copies[BATCH_COPIES];
	struct err errors[BATCH_COPIES];
	size_t n, bytes;	  /* bytes: of the message and its merge data, times n */
	size_t nmade, made_bytes; /* of the first nmade: they are to be sent */
};

struct makers {
	struct inject *in;
	struct worker *worker;
	struct kept kept[KEPT_MESSAGES];
	uint64_t clock;
	struct buf sealed, copy;
	struct batch batch;
};

struct makers *
makers_new(struct inject *in)
{
	struct makers *m = calloc(1, sizeof(*m));
	if (m == NULL)
		abort();
	m->in = in;
	m->worker = engine_worker_get(in->epoch);
	return m;
}

static void
kept_clear(struct kept *k)
{
	tailor_message_free(&k->prepared);
	buf_free(&k->plain);
	*k = (struct kept){ 0 };
}

void
makers_free(struct makers **mp)
{
	struct makers *m = *mp;
	for (size_t i = 0; i < KEPT_MESSAGES; i++)
		kept_clear(&m->kept[i]);
	buf_free(&m->sealed);
	buf_free(&m->copy);
	engine_worker_put(m->in->epoch, &m->worker);
	free(m);
	*mp = NULL;
}

/* ---- messages ---- */

static struct kept *
kept_find(struct makers *m, const struct spool_job *j)
{
	struct kept *oldest = &m->kept[0];
	for (size_t i = 0; i < KEPT_MESSAGES; i++) {
		struct kept *k = &m->kept[i];
		if (k->used > 0 && memcmp(k->content, j->content, sizeof(k->content)) == 0 &&
		    memcmp(k->campaign_id, j->campaign_id, sizeof(k->campaign_id)) == 0) {
			k->used = ++m->clock;
			return k;
		}
		if (k->used < oldest->used)
			oldest = k;
	}
	kept_clear(oldest);
	return oldest;
}

/* What stands in the way of a whole message's jobs. */
enum trouble { TROUBLE_NONE, TROUBLE_BAD, TROUBLE_CAMPAIGN, TROUBLE_TEMPLATE, TROUBLE_NOW };

static enum trouble
kept_fill(struct makers *m, struct kept *k, const struct spool_job *j, struct err *e)
{
	struct epoch *ep = m->in->epoch;
	if (k->used > 0)
		return TROUBLE_NONE;
	buf_reset(&m->sealed);
	int found = spool_message(m->in->store, j->content, &m->sealed, e);
	if (found < 0)
		return e->kind == ERR_CORRUPT ? TROUBLE_BAD : TROUBLE_NOW;
	if (found == 0) {
		err_set(e, ERR_CORRUPT, "its message is not in the spool");
		return TROUBLE_BAD;
	}
	if (job_message_open(m->worker->sealer, j->content, buf_str(&m->sealed), &k->plain, &k->message, e) !=
	    0)
		return TROUBLE_BAD;
	if (!j->report) {
		k->campaign = conf_campaign_find(ep->conf, j->campaign);
		if (k->campaign == NULL) {
			err_set(e, ERR_CONFIG, "campaign \"%.*s\" is not configured any more",
				STR_ARG(j->campaign));
			return TROUBLE_CAMPAIGN;
		}
		if (tailor_prepare(ep->cache, ep->conf, k->campaign, k->message.bytes, &k->prepared, e) != 0)
			return TROUBLE_TEMPLATE;
	}
	memcpy(k->content, j->content, sizeof(k->content));
	memcpy(k->campaign_id, j->campaign_id, sizeof(k->campaign_id));
	k->used = ++m->clock;
	return TROUBLE_NONE;
}

/* ---- one copy ---- */

/* The job cannot be read: out of the way, for the administrator to look at. */
static void
job_bad(struct makers *m, struct item **it, const struct err *why)
{
	struct err e = { 0 };
	/* It may be sealed with a key that mailtailord has read since: our successor has it, too. */
	if (inject_ending()) {
		pipeline_release(m->in->pipe, it);
		return;
	}
	log_error("job=%s campaign=%.*s: %s; put aside, see `mailtailor queue list --state bad`", (*it)->id,
		  STR_ARG((*it)->job.campaign), why->text);
	if (spool_set_bad(m->in->store, &(*it)->job.key, why->text, &e) == 0) {
		pipeline_release(m->in->pipe, it);
		return;
	}
	log_error("job=%s: cannot be put aside: %s", (*it)->id, e.text);
	item_later(*it, clock_now_ms() + TROUBLE_MS, false, "trouble", STR("cannot be read"));
	pipeline_done(m->in->pipe, *it);
}

static void
copy_trouble(struct makers *m, struct item *it, const struct err *e)
{
	struct str note = arena_str(it->arena, str_of(e->text));
	switch (e->kind) {
	case ERR_INPUT:
	case ERR_LIMIT:
		item_fail(it, false, "unmakeable", "5.6.0", note);
		break;
	case ERR_CORRUPT:
		item_hold(it, "damaged", note);
		break;
	default:
		item_later(it, clock_now_ms() + TROUBLE_MS, false, "trouble", note);
		break;
	}
	pipeline_done(m->in->pipe, it);
}

/* For a decision that is not to send. */
static void
copy_decided(struct makers *m, struct item *it, const struct engine_request *rq, const struct engine_copy *c)
{
	const struct tailor_decision *d = &c->plan.decision;
	const enum event_type type = d->verdict == TAILOR_DROP	  ? EVENT_SUPPRESSED
				     : d->verdict == TAILOR_LATER ? EVENT_HELD
								  : EVENT_FAILED;
	engine_event(rq, c, type, "injector", it->arena, &it->event);
	switch (d->verdict) {
	case TAILOR_DROP:
		item_end(it, SPOOL_DROPPED, false, d->reason, d->text);
		break;
	case TAILOR_LATER:
		item_later(it, d->due_ms, false, d->reason, d->text);
		break;
	default:
		item_fail(it, false, d->reason, strcmp(d->reason, "missing") == 0 ? "5.6.0" : "5.7.1",
			  d->text);
		break;
	}
	pipeline_done(m->in->pipe, it);
}

static void
item_envelope(struct item *it, const struct kept *k)
{
	it->sender = arena_str(it->arena, k->message.sender);
	it->envelope = (struct smtp_envelope){
		.mail_from = it->sender,
		.rcpt = it->payload.address,
		.ret = arena_str(it->arena, k->message.ret),
		.envid = arena_str(it->arena, k->message.envid),
		.notify = it->payload.notify,
		.orcpt = it->payload.orcpt,
		.eightbit = k->message.eightbit,
		.smtputf8 = k->message.smtputf8,
	};
}

static int
return_path_own(struct makers *m, struct item *it, const struct kept *k, const struct engine_copy *c,
		struct err *e)
{
	struct buf b = { 0 };
	if (k->campaign->return_path == NULL)
		return 0;
	int rc = verp_address(m->worker->sealer, k->campaign->return_path, &c->recipient->key,
			      c->recipient->idem, &b, e);
	if (rc == 0)
		it->envelope.mail_from = arena_str(it->arena, buf_str(&b));
	buf_free(&b);
	return rc;
}

/* The copy as it goes to the MTA, with the mark that tells it from new mail when it meets mailtailor again.
 */
static int
copy_write(struct makers *m, struct item *it, const struct kept *k, const struct engine_copy *c,
	   struct err *e)
{
	buf_reset(&m->copy);
	buf_adds(&m->copy, STR("X-Mailtailor-Job: "));
	if (job_mark_seal(m->in->epoch->keys, c->recipient->idem, clock_now_ms(), &m->copy) != 0)
		return err_set(e, ERR_BUG, "a job mark cannot be made");
	buf_adds(&m->copy, STR("\r\n"));
	tailor_write(k->prepared, &c->plan, &m->copy);
	it->copy = arena_str(it->arena, buf_str(&m->copy));
	memcpy(it->idem, c->recipient->idem, sizeof(it->idem));
	return return_path_own(m, it, k, c, e);
}

static void
request_of(struct makers *m, const struct kept *k, struct item *it, struct engine_request *rq)
{
	*rq = (struct engine_request){
		.epoch = m->in->epoch,
		.worker = m->worker,
		.store = m->in->store,
		.message = k->prepared,
		.campaign = k->campaign,
		.address = it->payload.address,
		.accepted_ms = it->job.accepted_ms,
		.attempted = it->job.attempts > 0,
		.message_id = k->message.id,
		.own_copy = true,
		.now_ms = clock_now_ms(),
	};
	/* Later notes are the MTA's words; then the reservation knows the arm. */
	if (it->job.attempts == 0 && k->campaign->narms > 0)
		tailor_arm_noted(it->job.note, &rq->arm, &rq->propensity);
}

static int
data_parse(struct makers *m, const struct item *it, struct engine_request *rq, struct err *e)
{
	if (it->payload.data.n == 0)
		return 0;
	if (json_parse(m->worker->arena, it->payload.data, NULL, &rq->data, e) != 0) {
		e->kind = ERR_CORRUPT;
		return err_prefix(e, "the job's merge data");
	}
	return 0;
}

static void
copy_ready(struct makers *m, struct item *it, const struct engine_request *rq, const struct engine_copy *c)
{
	engine_event(rq, c, EVENT_INJECTED, "injector", it->arena, &it->event);
	pipeline_put(m->in->pipe, it);
}

/* ---- a batch ---- */

/* Places for what has been rendered; what has one may leave. */
static void
batch_send(struct makers *m)
{
	struct batch *b = &m->batch;
	struct err e = { 0 };
	if (b->nmade == 0)
		return;
	int rc = engine_reserve_many(b->requests, b->copies, b->nmade, &e);
	for (size_t i = 0; i < b->nmade; i++) {
		const struct engine_copy *c = &b->copies[i];
		if (rc != 0)
			copy_trouble(m, b->items[i], &e);
		else if (c->plan.decision.verdict != TAILOR_SEND)
			copy_decided(m, b->items[i], &b->requests[i], c);
		else
			copy_ready(m, b->items[i], &b->requests[i], c);
	}
	b->nmade = b->made_bytes = 0;
}

/* The i-th of the batch is rendered and moves to the front, or goes on when it is not to be sent now. */
static void
copy_make(struct makers *m, struct kept *k, size_t i)
{
	struct batch *b = &m->batch;
	struct item *it = b->items[i];
	struct engine_copy *c = &b->copies[i];
	struct err *e = &b->errors[i];
	if (e->kind != ERR_NONE || engine_render(&b->requests[i], c, e) != 0) {
		copy_trouble(m, it, e);
		return;
	}
	for (size_t n = 0; n < c->plugins.nnotes; n++)
		log_warn("job=%s campaign=%s plugin=%.*s: %.*s; the mail goes on without it", it->id,
			 k->campaign->name, STR_ARG(c->plugins.notes[n].plugin),
			 STR_ARG(c->plugins.notes[n].text));
	if (c->plan.decision.verdict != TAILOR_SEND) {
		copy_decided(m, it, &b->requests[i], c);
		return;
	}
	if (copy_write(m, it, k, c, e) != 0) {
		copy_trouble(m, it, e);
		return;
	}
	b->made_bytes += it->copy.n;
	b->items[b->nmade] = it;
	b->requests[b->nmade] = b->requests[i];
	b->copies[b->nmade++] = *c;
}

static void
batch_make(struct makers *m, struct kept *k)
{
	struct batch *b = &m->batch;
	engine_gather(b->requests, b->n, b->copies, b->errors);
	for (size_t i = 0; i < b->n; i++) {
		copy_make(m, k, i);
		if (b->made_bytes > BATCH_BYTES)
			batch_send(m);
	}
	batch_send(m);
	b->n = b->bytes = 0;
	arena_reset(m->worker->arena);
}

static void
batch_add(struct makers *m, struct kept *k, struct item *it)
{
	struct batch *b = &m->batch;
	struct engine_request *rq = &b->requests[b->n];
	struct err e = { 0 };
	item_envelope(it, k);
	request_of(m, k, it, rq);
	if (data_parse(m, it, rq, &e) != 0) {
		copy_trouble(m, it, &e);
		return;
	}
	b->items[b->n++] = it;
	b->bytes += k->message.bytes.n + it->payload.data.n;
	if (b->n == BATCH_COPIES || b->bytes > BATCH_BYTES)
		batch_make(m, k);
}

/* A report goes as it is. */
static void
report_send(struct makers *m, const struct kept *k, struct item *it)
{
	item_envelope(it, k);
	it->copy = arena_str(it->arena, k->message.bytes);
	pipeline_put(m->in->pipe, it);
}

static void
message_trouble(struct makers *m, struct item *it, enum trouble t, const struct err *e)
{
	struct str note = arena_str(it->arena, str_of(e->text));
	if (t == TROUBLE_BAD) {
		job_bad(m, &it, e);
		return;
	}
	if (t == TROUBLE_NOW)
		item_later(it, clock_now_ms() + TROUBLE_MS, false, "trouble", note);
	else
		item_hold(it, t == TROUBLE_CAMPAIGN ? NO_CAMPAIGN : "template", note);
	pipeline_done(m->in->pipe, it);
}

void
makers_make(struct makers *m, const struct spool_job *jobs, size_t n)
{
	struct kept *k = kept_find(m, &jobs[0]);
	struct err trouble = { 0 };
	enum trouble t = kept_fill(m, k, &jobs[0], &trouble);
	for (size_t i = 0; i < n; i++) {
		struct item *it = item_new(&jobs[i]);
		struct err e = { 0 };
		if (job_payload_open(m->worker->sealer, &jobs[i].key, jobs[i].payload, it->arena,
				     &it->payload, &e) != 0)
			job_bad(m, &it, &e);
		else if (t != TROUBLE_NONE)
			message_trouble(m, it, t, &trouble);
		else if (jobs[i].report)
			report_send(m, k, it);
		else
			batch_add(m, k, it);
	}
	batch_make(m, k);
}
