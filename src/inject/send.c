/* send: one sender: takes copies, hands them over on its kept connection, judges the answer. */
#include "inject/private.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

int64_t
retry_delay(const struct conf_inject *c, uint32_t attempts)
{
	int64_t d = c->retry_min_ms;
	for (uint32_t i = 1; i < attempts && d < c->retry_max_ms; i++)
		d *= 2;
	d = d < c->retry_max_ms ? d : c->retry_max_ms;
	/* Not all that failed together come again together. */
	return d + (d >= 10 ? (int64_t)(clock_mono_us() % (d / 10)) : 0);
}

/* ---- judging ---- */

/* "RCPT: 550 5.1.1 unknown". */
static struct str
said(struct arena *a, const struct smtp_result *r)
{
	size_t n = strlen(r->step);
	if (strncmp(r->text, r->step, n) == 0 && r->text[n] == ':')
		return arena_str(a, str_of(r->text));
	return arena_printf(a, "%s: %s", r->step, r->text);
}

/*
 * Whether none of its attempts may have left it with the MTA. Of one before the last it is known by the
 * reason, and not any more when another one stands there now: quiet hours came between, say.
 */
static bool
never_left(const struct item *it)
{
	return it->result.status != SMTP_UNCERTAIN &&
	       (it->job.attempts == 0 || str_eq(it->job.reason, STR("retry")));
}

static void
give_up(struct item *it, const char *reason, const char *status, struct str note)
{
	item_fail(it, true, reason, status, note);
	it->give_back = !it->job.report && never_left(it);
}

static void
judge_temporary(const struct inject *in, struct item *it, struct str note)
{
	int64_t now = clock_now_ms();
	uint32_t attempts = it->job.attempts + 1;
	bool uncertain = !never_left(it);
	/* Its lifetime begins with its first attempt, however long caps, a pause or a dead port kept it. */
	if (attempts > 1 && now - it->job.first_due_ms > in->conf->lifetime_ms)
		give_up(it, "expired", "4.4.7", note);
	else
		item_later(it, now + retry_delay(in->conf, attempts), true, uncertain ? "uncertain" : "retry",
			   note);
}

static void
judge(const struct inject *in, struct item *it)
{
	struct str note = said(it->arena, &it->result);
	switch (it->result.status) {
	case SMTP_SENT:
		item_end(it, SPOOL_SENT, true, "sent", note);
		break;
	case SMTP_TEMPFAIL:
	case SMTP_UNCERTAIN: /* the answer to the final dot was lost: perhaps it has left */
		judge_temporary(in, it, note);
		break;
	case SMTP_PERMFAIL:
		give_up(it, "rejected", it->result.enhanced, note);
		break;
	}
}

/* Nothing was said about this copy: the port itself does not work. */
static bool
target_failed(const struct smtp_result *r)
{
	return r->status == SMTP_TEMPFAIL &&
	       (strcmp(r->step, "connect") == 0 || strcmp(r->step, "greeting") == 0 ||
		strcmp(r->step, "EHLO") == 0);
}

static void
target_down(struct inject *in, struct str text)
{
	struct inject_trouble t = { .tried_ms = clock_now_ms() };
	pthread_mutex_lock(&in->said);
	int64_t pause_ms = pipeline_down(in->pipe);
	t.next_ms = t.tried_ms + pause_ms;
	snprintf(t.text, sizeof(t.text), "%.*s", STR_ARG(text));
	if (pause_ms > 0)
		inject_say(in->lock, &t);
	pthread_mutex_unlock(&in->said);
	if (pause_ms > 0)
		log_warn("inject %s: %.*s; trying again in %llds", in->conf->target, STR_ARG(text),
			 (long long)pause_ms / 1000);
}

static void
target_up(struct inject *in)
{
	pthread_mutex_lock(&in->said);
	const bool was_down = pipeline_up(in->pipe);
	if (was_down)
		inject_say(in->lock, NULL);
	pthread_mutex_unlock(&in->said);
	if (was_down)
		log_info("inject %s: works again", in->conf->target);
}

static void
send_one(struct inject *in, struct smtp_conn *c, struct item *it)
{
	smtp_envelope_mend(&it->envelope);
	smtp_send(c, &it->envelope, it->copy, &it->result);
	if (target_failed(&it->result)) {
		target_down(in, said(it->arena, &it->result));
		pipeline_release(in->pipe, &it);
		return;
	}
	target_up(in);
	judge(in, it);
	pipeline_done(in->pipe, it);
}

void *
sender_main(void *arg)
{
	struct inject *in = arg;
	const struct smtp_target t = {
		.host = in->conf->host,
		.port = in->conf->port,
		.unix_path = in->conf->unix_path,
		.helo = in->conf->helo ? in->conf->helo : in->host,
		.connect_timeout_ms = in->conf->connect_timeout_ms,
		.command_timeout_ms = in->conf->command_timeout_ms,
		.data_timeout_ms = in->conf->data_timeout_ms,
	};
	struct smtp_conn *c = smtp_conn_new(&t);
	struct item *it;
	while ((it = pipeline_take(in->pipe)) != NULL) {
		if (!pipeline_slot(in->pipe)) {
			pipeline_release(in->pipe, &it);
			break;
		}
		it->handed_over = true;
		send_one(in, c, it);
	}
	smtp_conn_close(&c);
	return NULL;
}
