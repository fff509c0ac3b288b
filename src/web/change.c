/* change: what recipients want to be changed is stored, and the audit log told. */
#include <string.h>

#include "audit/audit.h"
#include "base/log.h"
#include "web/private.h"

bool
is_change(const struct queue_entry *q)
{
	return q->erase || q->suppress || q->nconsents > 0 || q->nlifted > 0;
}

/* A recipient's wish is law, whether the audit log can tell of it or not. */
static void
change_audit(const char *directory, const uint8_t rk[16], const struct queue_entry *q, int64_t at_ms)
{
	struct err e = { 0 };
	const struct audit_entry en = {
		.action = q->erase	? AUDIT_PRIVACY_ERASE
			  : q->suppress ? AUDIT_PRIVACY_UNSUBSCRIBE
					: AUDIT_PRIVACY_PREFERENCES,
		.at_ms = at_ms,
		.actor = STR("recipient"),
		.subject = rk,
		.details = !q->suppress || q->erase ? STR("")
			   : q->category.n > 0	    ? q->category
						    : STR("all mail"),
	};
	if (audit_append(directory, &en, 1, NULL, &e) != 0)
		log_error("a recipient's %s was done, but is not in the audit log: %s",
			  audit_action_name(en.action), e.text);
}

/*
 * What waited in the queue may be older than what was said since, to an administrator, for example. A refusal
 * holds all the same; consent to what was refused later does not. -1: that cannot be read. One whose record
 * is damaged may have been a refusal, too.
 */
static int
overtaken(struct store *s, const uint8_t rk[16], const struct consent_record *c, struct err *e)
{
	struct consent_record now;
	struct arena *a = arena_new(512);
	int found = c->state == CONSENT_GRANTED ? store_consent_get(s, rk, c->topic, a, &now, e) : 0;
	arena_free(&a);
	if (found < 0 && e->kind == ERR_CORRUPT) {
		log_error("a consent that waited in the queue is left out: %s", e->text);
		return 1;
	}
	return found < 0 ? -1 : found == 1 && now.state == CONSENT_DENIED && now.at_ms > c->at_ms;
}

static int
consents_store(struct store *s, const uint8_t rk[16], const struct queue_entry *q, bool waited, struct err *e)
{
	for (size_t i = 0; i < q->nconsents; i++) {
		int late = waited ? overtaken(s, rk, &q->consents[i], e) : 0;
		if (late < 0 || (late == 0 && store_consent_put(s, rk, &q->consents[i], e) != 0))
			return -1;
	}
	return 0;
}

/* Has he unsubscribed from that again since? */
static bool
left_again(const struct store_view *v, struct str category, int64_t at_ms)
{
	for (size_t i = 0; i < v->nsuppressions_own; i++)
		if (v->suppressions[i].reason == SUPPRESS_UNSUBSCRIBE &&
		    str_eq(v->suppressions[i].category, category) && v->suppressions[i].at_ms > at_ms)
			return true;
	return false;
}

static int
lifted_store(struct store *s, const uint8_t rk[16], const struct queue_entry *q, int64_t at_ms, bool waited,
	     struct err *e)
{
	const struct store_view_request rq = { .rk = rk, .now_ms = at_ms };
	struct arena *a = arena_new(1024);
	struct store_view v = { 0 };
	int rc = waited && q->nlifted > 0 ? store_view(s, &rq, a, &v, e) : 0;
	for (size_t i = 0; i < q->nlifted && rc == 0; i++)
		if (!left_again(&v, q->lifted[i], at_ms) &&
		    store_suppression_remove(s, rk, q->lifted[i], SUPPRESS_UNSUBSCRIBE, e) < 0)
			rc = -1;
	arena_free(&a);
	return rc;
}

static int
change_store(struct store *s, const uint8_t rk[16], const struct queue_entry *q, int64_t at_ms, bool waited,
	     struct err *e)
{
	const struct suppression_record sr = {
		.category = q->category,
		.reason = SUPPRESS_UNSUBSCRIBE,
		.at_ms = at_ms,
		.note = STR("by the recipient, over HTTP"),
	};
	/* Suppressions survive an erasure; with it first, no copy is made in between. */
	if (q->suppress && store_suppression_put(s, rk, &sr, e) != 0)
		return -1;
	/* So do refusals: what he clicks meanwhile is not recorded behind his back. */
	if (consents_store(s, rk, q, waited, e) != 0 || (q->erase && store_forget(s, rk, NULL, e) != 0))
		return -1;
	return lifted_store(s, rk, q, at_ms, waited, e);
}

/* He has unsubscribed from that already: whoever sends it again and again fills no log. */
static bool
stands(struct store *s, const uint8_t rk[16], const struct queue_entry *q, int64_t at_ms)
{
	const struct store_view_request rq = { .rk = rk, .now_ms = at_ms };
	struct arena *a = arena_new(1024);
	struct store_view v;
	struct err e = { 0 };
	bool yes = false;
	if (q->suppress && !q->erase && q->nconsents == 0 && q->nlifted == 0 &&
	    store_view(s, &rq, a, &v, &e) == 0)
		for (size_t i = 0; i < v.nsuppressions_own; i++)
			yes = yes || (v.suppressions[i].reason == SUPPRESS_UNSUBSCRIBE &&
				      v.suppressions[i].until_ms == 0 &&
				      str_eq(v.suppressions[i].category, q->category));
	arena_free(&a);
	return yes;
}

int
change_apply(const char *directory, struct store *s, const uint8_t rk[16], const struct queue_entry *q,
	     int64_t at_ms, bool waited, struct err *e)
{
	if (stands(s, rk, q, at_ms))
		return 0;
	int rc = change_store(s, rk, q, at_ms, waited, e);
	if (rc == 0)
		change_audit(directory, rk, q, at_ms);
	return rc;
}
