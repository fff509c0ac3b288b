/* mailtailor queue hold, release, retry, drop. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "main/admin-queue.h"

struct steering {
	enum spool_verb verb;
	const char *name, *done; /* "hold", "held" */
	unsigned fits;		 /* states that it changes */
	unsigned usual;		 /* of these, without --state */
	bool asks;		 /* when it is about many */
	enum audit_action action;
};

static const struct steering HOLD = {
	SPOOL_HOLD, "hold",	     "held", QUEUE_STATE(SPOOL_QUEUED), QUEUE_STATE(SPOOL_QUEUED),
	false,	    AUDIT_QUEUE_HOLD
};
static const struct steering RELEASE = {
	SPOOL_RELEASE,		 "release", "released",		QUEUE_STATE(SPOOL_HELD),
	QUEUE_STATE(SPOOL_HELD), false,	    AUDIT_QUEUE_RELEASE
};
static const struct steering RETRY = { SPOOL_RETRY,
				       "retry",
				       "due now",
				       QUEUE_STATE(SPOOL_QUEUED) | QUEUE_STATE(SPOOL_HELD) | QUEUE_BAD,
				       QUEUE_STATE(SPOOL_QUEUED),
				       true,
				       AUDIT_QUEUE_RETRY };
static const struct steering DROP = { SPOOL_DROP,
				      "drop",
				      "dropped",
				      QUEUE_STATE(SPOOL_QUEUED) | QUEUE_STATE(SPOOL_HELD) | QUEUE_BAD,
				      QUEUE_STATE(SPOOL_QUEUED) | QUEUE_STATE(SPOOL_HELD),
				      true,
				      AUDIT_QUEUE_DROP };

static const char *
jobs(size_t n)
{
	return n == 1 ? "job" : "jobs";
}

/* ---- which ---- */

/* -1: go on; else an exit code. */
static int
request_check(const struct steering *s, const struct queue_request *r)
{
	if ((r->nids > 0) + (r->campaign != NULL) + r->all != 1)
		return admin_misuse("queue %s: say which jobs: IDs, or --campaign NAME, or --all", s->name);
	if (r->nids > 0 && r->states)
		return admin_misuse("queue %s: --state chooses among the jobs of --campaign or --all",
				    s->name);
	if (r->states & ~s->fits)
		return admin_misuse("queue %s --state: %s", s->name,
				    s->verb == SPOOL_HOLD      ? "queued only"
				    : s->verb == SPOOL_RELEASE ? "held only"
							       : "queued, held or bad only");
	if (r->campaign && (r->states & QUEUE_BAD))
		return admin_misuse("bad jobs belong to no campaign; use --all --state bad");
	return -1;
}

static int
keys_of_ids(const struct queue *q, const struct queue_request *r, struct queue_keys *keys)
{
	for (int i = 0; i < r->nids; i++) {
		struct spool_key key;
		struct err e = { 0 };
		bool bad, twice = false;
		if (queue_find(q, r->ids[i], &key, &bad, &e) != 0)
			return admin_fail(&e);
		for (size_t k = 0; k < keys->n && !twice; k++)
			twice = memcmp(&keys->v[k], &key, sizeof(key)) == 0;
		if (!twice)
			queue_keys_add(keys, &key);
	}
	return EX_OK;
}

static int
keys_of(const struct steering *s, const struct queue *q, const struct queue_request *r,
	struct queue_keys *keys)
{
	struct err e = { 0 };
	if (r->nids > 0)
		return keys_of_ids(q, r, keys);
	if (queue_select(q, r->campaign, r->states ? r->states : s->usual, keys, &e) != 0)
		return admin_fail(&e);
	return EX_OK;
}

/* ---- whether ---- */

/* -1: go on; else an exit code. */
static int
confirm(const struct steering *s, const struct queue_request *r, size_t n)
{
	char answer[16];
	if (!s->asks || r->nids > 0 || r->yes || n == 0)
		return -1;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return admin_misuse("queue %s of %zu %s: confirm with --yes", s->name, n, jobs(n));
	fprintf(stderr, "%s %zu %s of %s%s? [y/N] ", s->verb == SPOOL_DROP ? "Drop" : "Retry now", n, jobs(n),
		r->campaign ? "campaign " : "all campaigns", r->campaign ? r->campaign : "");
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return -1;
	fputs("mailtailor: nothing was changed\n", stderr);
	return EX_OK;
}

/* ---- doing it ---- */

/* In commits of SPOOL_MAX_BATCH, so that the injector waits for none of them long. */
static int
steer_keys(const struct steering *s, struct queue *q, const struct queue_keys *keys, size_t *changed)
{
	struct progress *bar = progress_start(s->name, keys->n);
	struct err e = { 0 };
	int64_t now = clock_now_ms();
	int rc = EX_OK;
	*changed = 0;
	for (size_t i = 0; i < keys->n && rc == EX_OK; i += SPOOL_MAX_BATCH) {
		size_t n = keys->n - i < SPOOL_MAX_BATCH ? keys->n - i : SPOOL_MAX_BATCH;
		int fitted = spool_steer(q->store, s->verb, keys->v + i, n, now, q->conf->inject.keep_ms, &e);
		if (fitted < 0) {
			progress_end(&bar);
			rc = admin_fail(&e);
		} else {
			*changed += (size_t)fitted;
			progress_update(bar, i + n);
		}
	}
	progress_end(&bar);
	return rc;
}

/* ---- what keeps them all the same ---- */

/* A paused campaign that has queued jobs. meant: some of them are among those that were steered. */
struct pause {
	uint8_t id[8];
	const char *name;
	bool meant;
};
struct pauses {
	struct arena *arena;
	struct pause *v;
	size_t n, cap, nmeant;
};

static bool
pause_add(void *ctx, const struct spool_campaign *c)
{
	struct pauses *p = ctx;
	if (!c->paused || c->count[SPOOL_QUEUED] == 0)
		return true;
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 16;
		p->v = reallocarray(p->v, p->cap, sizeof(*p->v));
		if (!p->v)
			abort();
	}
	p->v[p->n] = (struct pause){ .name = queue_text(p->arena, c->name) };
	memcpy(p->v[p->n++].id, c->id, sizeof(c->id));
	return true;
}

static void
pause_mean(struct pauses *p, const struct spool_job *j)
{
	for (size_t i = 0; i < p->n && j->state == SPOOL_QUEUED; i++)
		if (!p->v[i].meant && memcmp(p->v[i].id, j->campaign_id, sizeof(j->campaign_id)) == 0) {
			p->v[i].meant = true;
			p->nmeant++;
		}
}

/* A job that cannot be read any more is nobody's. */
static int
pauses_find(const struct queue *q, const struct queue_keys *keys, struct pauses *p, struct err *e)
{
	if (spool_campaigns(q->store, pause_add, p, e) != 0)
		return -1;
	struct arena *a = arena_new(4096);
	for (size_t i = 0; i < keys->n && p->nmeant < p->n; i++) {
		struct spool_job j;
		struct err passed = { 0 };
		arena_reset(a);
		if (spool_get(q->store, &keys->v[i], a, &j, &passed) == 1)
			pause_mean(p, &j);
	}
	arena_free(&a);
	return 0;
}

static void
pauses_say(const struct pauses *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].meant)
			printf("campaign %s is paused: its jobs leave after `mailtailor campaign resume "
			       "%s`\n",
			       p->v[i].name, p->v[i].name);
}

/* ---- saying it ---- */

static void
report_json(const struct steering *s, size_t selected, size_t changed, const struct pauses *p)
{
	struct buf b = { 0 };
	buf_printf(&b, "{\"verb\": \"%s\", \"selected\": %zu, \"changed\": %zu", s->name, selected, changed);
	if (s->verb == SPOOL_RETRY) {
		buf_adds(&b, STR(", \"paused\": ["));
		for (size_t i = 0, n = 0; i < p->n; i++) {
			if (!p->v[i].meant)
				continue;
			if (n++ > 0)
				buf_adds(&b, STR(", "));
			json_print_string(&b, str_of(p->v[i].name));
		}
		buf_addc(&b, ']');
	}
	printf("%s}\n", b.p);
	buf_free(&b);
}

static void
report(const struct steering *s, const struct queue_request *r, size_t selected, size_t changed,
       const struct pauses *p)
{
	if (r->json) {
		report_json(s, selected, changed, p);
		return;
	}
	if (changed == selected)
		printf("%zu %s %s\n", changed, jobs(changed), s->done);
	else
		printf("%zu of %zu %s %s; %s not %s%s\n", changed, selected, jobs(selected), s->done,
		       changed > 0     ? "the others are"
		       : selected == 1 ? "it is"
				       : "they are",
		       s->verb == SPOOL_HOLD	  ? "queued"
		       : s->verb == SPOOL_RELEASE ? "held"
						  : "queued or held",
		       r->nids > 0 ? "" : " any more");
	pauses_say(p);
}

static int
steer(const struct steering *s, struct queue *q, const struct queue_request *r)
{
	struct queue_keys keys = { 0 };
	struct pauses pauses = { .arena = q->arena };
	struct err e = { 0 };
	size_t changed = 0;
	int rc = request_check(s, r);
	if (rc >= 0)
		return rc;
	if ((rc = keys_of(s, q, r, &keys)) != EX_OK || (rc = confirm(s, r, keys.n)) >= 0)
		goto out;
	if (keys.n > 0 && (rc = admin_audit(q->conf, s->action, NULL, r->campaign, "%zu %s", keys.n,
					    jobs(keys.n))) != EX_OK)
		goto out;
	rc =
	    keys.n > 0 ? admin_audit_end(q->conf, s->action, NULL, steer_keys(s, q, &keys, &changed)) : EX_OK;
	if (s->verb == SPOOL_RETRY && changed > 0 && pauses_find(q, &keys, &pauses, &e) != 0)
		rc = admin_fail(&e);
	/* After an error, too: what was committed before it stays. */
	if (rc == EX_OK || changed > 0)
		report(s, r, keys.n, changed, &pauses);
	if (rc == EX_OK && r->nids > 0 && changed < keys.n)
		rc = 1;
out:
	free(pauses.v);
	queue_keys_free(&keys);
	return rc;
}

int
queue_hold(struct queue *q, const struct queue_request *r)
{
	return steer(&HOLD, q, r);
}

int
queue_release(struct queue *q, const struct queue_request *r)
{
	return steer(&RELEASE, q, r);
}

int
queue_retry(struct queue *q, const struct queue_request *r)
{
	return steer(&RETRY, q, r);
}

int
queue_drop(struct queue *q, const struct queue_request *r)
{
	return steer(&DROP, q, r);
}
