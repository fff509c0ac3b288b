/* mailtailor campaign pause, resume: whether copies of a campaign leave the spool. */
#include "base/clock.h"
#include "main/admin-queue.h"

static int
pause_one(struct queue *q, const char *name, bool pause)
{
	struct queue_counts counts;
	struct err e = { 0 };
	uint8_t id[8];
	const enum audit_action action = pause ? AUDIT_CAMPAIGN_PAUSE : AUDIT_CAMPAIGN_RESUME;
	int rc = admin_audit(q->conf, action, NULL, name, "%s", "");
	if (rc != EX_OK)
		return rc;
	spool_campaign_id(str_of(name), id);
	int changed = spool_pause(q->store, id, str_of(name), pause, clock_now_ms(), &e);
	if (changed < 0 || queue_counts(q, name, &counts, &e) < 0)
		return admin_audit_end(q->conf, action, NULL, admin_fail(&e));
	printf("%s %s %s", name, changed ? "is" : "was",
	       pause	 ? "paused"
	       : changed ? "resumed"
			 : "not paused");
	if (counts.queued > 0)
		printf("; %lld %s queued", (long long)counts.queued,
		       counts.queued == 1 ? "copy is" : "copies are");
	putchar('\n');
	return EX_OK;
}

int
campaign_pause(const char *conf_path, int n, char **names, bool pause)
{
	struct queue q;
	int rc = queue_open(&q, conf_path, QUEUE_WRITE | QUEUE_CREATE);
	/* All names are looked at before the first is acted on. */
	for (int i = 0; i < n && rc == EX_OK; i++)
		rc = queue_campaign_check(&q, names[i]);
	for (int i = 0; i < n && rc == EX_OK; i++)
		rc = pause_one(&q, names[i], pause);
	queue_close(&q);
	return rc;
}
