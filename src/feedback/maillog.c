/* maillog: see maillog.h. */
#include "feedback/maillog.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "feedback/logline.h"
#include "feedback/private.h"
#include "token/verp.h"

#define BATCH 512
#define ASK_US 1000000
/* Moves of a thousand events each when somebody asks for a queue id. */
#define MOVES_MAX 20
#define MOVE 1000

/* A line, without what is an address. */
struct entry {
	uint64_t number;
	int64_t at_ms, until_us;
	enum logline_kind kind;
	struct recipient_key to[2]; /* to=, orig_to= */
	size_t nto;
	char queue_id[EVENT_MAX_QUEUE_ID + 1];
	struct feedback_item item;	/* without recipient */
	struct recipient_key recipient; /* once it is known */
	uint8_t copy[EVENT_COPY_LEN];
};

struct maillog {
	const struct policy_source *src;
	maillog_fn *fn;
	void *ctx;
	struct arena *arena; /* of one line, one batch */
	struct entry batch[BATCH];
	size_t nbatch;
	struct entry *waiting; /* oldest first */
	size_t nwaiting, cap;
	uint64_t next;
	int64_t asked_us, before_ms;
};

struct maillog *
maillog_new(const struct policy_source *src, maillog_fn *fn, void *ctx)
{
	struct maillog *m = calloc(1, sizeof *m);
	if (!m)
		abort();
	m->src = src;
	m->fn = fn;
	m->ctx = ctx;
	m->arena = arena_new(16384);
	return m;
}

void
maillog_free(struct maillog **mp)
{
	struct maillog *m = *mp;
	if (!m)
		return;
	arena_free(&m->arena);
	free(m->waiting);
	free(m);
	*mp = NULL;
}

uint64_t
maillog_next(const struct maillog *m)
{
	return m->next;
}

uint64_t
maillog_oldest(const struct maillog *m)
{
	return m->nwaiting > 0 ? m->waiting[0].number : m->next;
}

/* ---- a line becomes an entry ---- */

/* Nobody's mailbox yet: a content filter, an alias or .forward of local(8). */
static bool
is_on_its_way(const struct maillog *m, const struct logline *l)
{
	const struct conf_list *hosts = &m->src->conf->ignore_relays;
	if (l->kind == LOGLINE_SENT && str_starts(l->text, STR("forwarded as ")))
		return true;
	for (size_t i = 0; i < hosts->n; i++)
		if (l->kind == LOGLINE_SENT && logline_relay_is(l->relay, str_of(hosts->v[i])))
			return true;
	return false;
}

static void
to_add(struct maillog *m, struct entry *en, struct str address)
{
	struct str normal;
	if (address.n > 0 && address_normalize(m->arena, address, &normal, NULL) == 0)
		recipient_key_of(m->src->id.keys, normal, &en->to[en->nto++]);
}

static void
why(struct maillog *m, const struct logline *l, struct entry *en)
{
	struct feedback_item *it = &en->item;
	const struct evidence ev = { .recipient = l->to,
				     .status = l->dsn,
				     .diag = l->text,
				     .context = l->text,
				     .notice = l->text,
				     .delayed = l->kind == LOGLINE_DEFERRED };
	it->kind = FEEDBACK_BOUNCE;
	if (l->kind == LOGLINE_BOUNCED || l->kind == LOGLINE_DEFERRED) {
		reason_judge(m->arena, &ev, it);
	} else if (l->kind == LOGLINE_EXPIRED) {
		it->reason = FEEDBACK_OTHER;
		strcpy(it->status, "4.4.7"); /* RFC 3463: delivery time expired */
	} else if (!status_parse(l->dsn, it->status)) {
		it->status[0] = '\0';
	}
	/* where it came from is an address: it is known already */
	it->recipient = STR_NULL;
}

/* False: it is about no copy of ours. */
static bool
entry_of(struct maillog *m, const struct logline *l, struct entry *en)
{
	struct verp v;
	*en = (struct entry){ .kind = l->kind };
	memcpy(en->queue_id, l->queue_id.p, l->queue_id.n);
	if (l->kind == LOGLINE_EXPIRED) {
		if (verp_find(m->src->id.sealer, l->from, &v, NULL) != 0)
			return false;
		en->to[en->nto++] = v.recipient;
	} else {
		to_add(m, en, l->to);
		to_add(m, en, l->orig_to);
	}
	if (en->nto > 0)
		why(m, l, en);
	return en->nto > 0;
}

/* The copy that had that id was made for a recipient whom the line names. */
static bool
is_for(struct entry *en, const struct recipient_key *rk, const uint8_t copy[EVENT_COPY_LEN])
{
	for (size_t i = 0; i < en->nto; i++)
		if (memcmp(en->to[i].b, rk->b, sizeof rk->b) == 0) {
			en->recipient = *rk;
			memcpy(en->copy, copy, sizeof en->copy);
			return true;
		}
	return false;
}

/* 1 it is a copy of ours, 0 nobody knows that id, 2 somebody else's, -1. */
static int
whose(struct maillog *m, struct entry *en, struct err *e)
{
	struct recipient_key rk = { { 0 } };
	uint8_t copy[EVENT_COPY_LEN];
	int r = event_queue_find(m->src->id.store, str_of(en->queue_id), rk.b, copy, e);
	return r != 1 ? r : is_for(en, &rk, copy) ? 1 : 2;
}

/* ---- what was found ---- */

static void
show(struct maillog *m, const struct entry *en, enum event_type type, bool known, enum policy_outcome outcome)
{
	struct maillog_event ev = {
		.type = type,
		.at_ms = en->at_ms,
		.queue_id = str_of(en->queue_id),
		.status = str_of(en->item.status),
		.recipient = en->recipient,
		.hard = en->item.hard,
		.reason = en->item.reason,
		.known = known,
		.outcome = outcome,
	};
	memcpy(ev.copy, en->copy, sizeof ev.copy);
	m->fn(m->ctx, &ev);
}

static int
bounce(struct maillog *m, struct entry *en, struct err *e)
{
	const struct feedback f = { .items = &en->item, .n = 1 };
	struct identity who = { .proof = PROOF_QUEUE, .recipient = en->recipient, .whole = true };
	enum policy_outcome outcome;
	memcpy(who.copy, en->copy, sizeof who.copy);
	if (policy_apply(m->src, &f, &who, en->at_ms, m->arena, &outcome, e) != 0)
		return -1;
	show(m, en, EVENT_BOUNCED, false, outcome);
	return 0;
}

static void
event_of(struct maillog *m, const struct entry *en, struct event *ev)
{
	bool sent = en->kind == LOGLINE_SENT;
	*ev = (struct event){
		.at_ms = en->at_ms,
		.type = sent ? EVENT_DELIVERED : EVENT_DEFERRED,
		.reason = sent ? STR_NULL : str_of(feedback_reason_name(en->item.reason)),
		.once = true,
		.source = str_of(m->src->source),
		.link = EVENT_NO_LINK,
	};
	memcpy(ev->rk, en->recipient.b, sizeof ev->rk);
	memcpy(ev->copy, en->copy, sizeof ev->copy);
	if (en->item.status[0])
		ev->details = arena_printf(m->arena, "{\"status\":\"%s\"}", en->item.status);
}

static int
batch_write(struct maillog *m, struct err *e)
{
	struct event *v = ARENA_ARRAY(m->arena, struct event, BATCH);
	bool added[BATCH];
	size_t n = 0;
	int rc = 0;
	for (size_t i = 0; i < m->nbatch; i++)
		if (m->batch[i].kind == LOGLINE_SENT || m->batch[i].kind == LOGLINE_DEFERRED)
			event_of(m, &m->batch[i], &v[n++]);
	if (n > 0)
		rc = event_add(m->src->id.store, v, n, added, e);
	n = 0;
	for (size_t i = 0; i < m->nbatch && rc == 0; i++) {
		struct entry *en = &m->batch[i];
		if (en->kind == LOGLINE_SENT || en->kind == LOGLINE_DEFERRED) {
			show(m, en, v[n].type, !added[n], POLICY_RECORDED);
			n++;
		} else {
			rc = bounce(m, en, e);
		}
	}
	if (rc == 0)
		m->nbatch = 0;
	arena_reset(m->arena);
	return rc;
}

static int
batch_add(struct maillog *m, const struct entry *en, struct err *e)
{
	m->batch[m->nbatch++] = *en;
	return m->nbatch < BATCH ? 0 : batch_write(m, e);
}

/* ---- what waits ---- */

static int
waiting_ask(struct maillog *m, struct err *e)
{
	int64_t now_us = clock_mono_us();
	size_t kept = 0, i = 0;
	int rc = 0;
	/* mailtailord moves them, too; it may be down */
	for (int k = 0, moved = MOVE; k < MOVES_MAX && moved >= MOVE; k++)
		if ((moved = event_move(m->src->id.store, MOVE, e)) < 0)
			return -1;
	for (; i < m->nwaiting && rc == 0; i++) {
		struct entry en = m->waiting[i];
		int r = whose(m, &en, e);
		if (r < 0)
			rc = -1;
		else if (r == 1)
			rc = batch_add(m, &en, e);
		/* in any case of failure the line has to be read again */
		if (rc != 0 || (r == 0 && now_us < en.until_us))
			m->waiting[kept++] = m->waiting[i];
	}
	for (; i < m->nwaiting; i++)
		m->waiting[kept++] = m->waiting[i];
	m->nwaiting = kept;
	m->asked_us = now_us;
	return rc;
}

static int
waiting_add(struct maillog *m, const struct entry *en, struct err *e)
{
	if (m->nwaiting == MAILLOG_WAITING_MAX) {
		if (waiting_ask(m, e) != 0)
			return -1;
		if (m->nwaiting == MAILLOG_WAITING_MAX) {
			size_t drop = MAILLOG_WAITING_MAX / 8;
			m->nwaiting -= drop;
			memmove(m->waiting, m->waiting + drop, m->nwaiting * sizeof *m->waiting);
		}
	}
	if (m->nwaiting == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 64;
		m->waiting = realloc(m->waiting, m->cap * sizeof *m->waiting);
		if (!m->waiting)
			abort();
	}
	m->waiting[m->nwaiting] = *en;
	m->waiting[m->nwaiting].number = m->next++;
	m->waiting[m->nwaiting++].until_us = clock_mono_us() + MAILLOG_WAIT_MS * INT64_C(1000);
	return 0;
}

/* ---- for those who read a log ---- */

int
maillog_line(struct maillog *m, struct str line, int64_t newest_ms, int64_t now_ms, struct err *e)
{
	struct logline l;
	struct entry en;
	struct recipient_key rk = { { 0 } };
	uint8_t copy[EVENT_COPY_LEN];
	int64_t at_ms;
	if (!logline_parse(line, &l) || is_on_its_way(m, &l) ||
	    (at_ms = logtime_ms(&l.at, newest_ms, m->before_ms)) < 0)
		return 0;
	m->before_ms = at_ms;
	/* Most of a log is about other mail: what an address is costs more than to look up the id. */
	int r = event_queue_find(m->src->id.store, l.queue_id, rk.b, copy, e);
	bool late = r == 0 && at_ms <= now_ms - MAILLOG_WAIT_MS;
	arena_reset(m->arena); /* no entry has anything in it */
	if (r < 0 || late || !entry_of(m, &l, &en))
		return r < 0 ? -1 : 0;
	en.at_ms = at_ms < now_ms ? at_ms : now_ms;
	if (r == 0)
		return waiting_add(m, &en, e);
	return is_for(&en, &rk, copy) ? batch_add(m, &en, e) : 0;
}

int
maillog_flush(struct maillog *m, bool all, struct err *e)
{
	if (m->nwaiting > 0 && (all || clock_mono_us() - m->asked_us >= ASK_US) && waiting_ask(m, e) != 0)
		return -1;
	return m->nbatch > 0 ? batch_write(m, e) : 0;
}
