/*
 * event: what became of a copy, as an event. It is queued in the commit that ends the job, so that it is told
 * once whatever is killed when; mailtailord moves it into the log.
 */
#include "inject/private.h"

#include "base/clock.h"

/*
 * The MTA's own name for the copy, out of its last reply: Postfix says "250 2.0.0 Ok: queued as 4WxYz1Q2",
 * Sendmail "250 2.0.0 4AB1c2d3 Message accepted for delivery". Its log speaks of the copy by that name.
 */
static struct str
queue_id_of(const struct smtp_result *r)
{
	static const struct str postfix = { "queued as ", 10 },
				sendmail = { " Message accepted for delivery", 30 };
	struct str text = str_of(r->text);
	size_t at = str_find(text, postfix), end = str_find(text, sendmail);
	if (at < text.n) {
		text = str_sub(text, at + postfix.n, text.n);
	} else if (end < text.n) {
		text = str_sub(text, 0, end);
		for (size_t i = text.n; i > 0; i--)
			if (text.p[i - 1] == ' ') {
				text = str_sub(text, i, text.n);
				break;
			}
	} else {
		return STR_NULL;
	}
	size_t n = 0;
	while (n < text.n && (ascii_isalpha(text.p[n]) || ascii_isdigit(text.p[n])))
		n++;
	return n <= EVENT_MAX_QUEUE_ID ? str_sub(text, 0, n) : STR_NULL;
}

/*
 * That there is no such address: 5.1.x, said of the RCPT, or our own judgement of the envelope. 5.1.7
 * and 5.1.8 are about the sender; and a plain 550 behind DATA, for which 5.1.0 stands in, is a content
 * filter's word.
 */
static bool
is_hard(const struct smtp_result *r)
{
	return (strcmp(r->step, "RCPT") == 0 || strcmp(r->step, "envelope") == 0) &&
	       strncmp(r->enhanced, "5.1.", 4) == 0 && strcmp(r->enhanced, "5.1.7") != 0 &&
	       strcmp(r->enhanced, "5.1.8") != 0;
}

/* The port refused it for good: that is a bounce, though nobody mails one. */
static void
bounced(struct item *it)
{
	struct event *ev = &it->event;
	ev->type = EVENT_BOUNCED;
	/* All else says nothing about the next mail. */
	ev->reason = is_hard(&it->result) ? STR("hard") : STR("rejected");
	ev->details =
	    arena_printf(it->arena, "{\"status\":\"%s\",\"code\":%d}", it->result.enhanced, it->result.code);
}

static void
event_begin(struct item *it, enum event_type type)
{
	struct event *ev = &it->event;
	/* Nobody could say more than the job does: it failed before its recipient was read. */
	if (ev->type == 0) {
		*ev = (struct event){ .link = EVENT_NO_LINK, .campaign = it->job.campaign, .once = true };
		ev->source = STR("injector");
		memcpy(ev->rk, it->job.key.rk, sizeof(ev->rk));
		for (size_t i = 0; i < sizeof(ev->idem); i++)
			ev->idem[i] = it->job.key.rk[i] ^ it->job.key.message[i];
		ev->idem[0] ^= (uint8_t)type;
	}
	ev->at_ms = clock_now_ms();
	if (ev->type != type && type != EVENT_INJECTED)
		ev->details = STR_NULL;
	ev->type = type;
	if (ev->reason.n == 0 && type != EVENT_INJECTED)
		ev->reason = str_of(it->update.reason);
}

void
item_event(struct item *it)
{
	struct spool_update *u = &it->update;
	const enum event_type decided = it->event.type;
	if (it->job.report || u->event != NULL)
		return;
	switch (u->state) {
	case SPOOL_SENT:
		event_begin(it, EVENT_INJECTED);
		it->event.queue_id = arena_str(it->arena, queue_id_of(&it->result));
		break;
	case SPOOL_DROPPED:
		event_begin(it, EVENT_SUPPRESSED);
		break;
	case SPOOL_HELD:
		event_begin(it, EVENT_HELD);
		break;
	case SPOOL_FAILED:
		event_begin(it, EVENT_FAILED);
		if (it->result.status == SMTP_PERMFAIL)
			bounced(it);
		break;
	case SPOOL_QUEUED: /* a decision to wait is told; that the port was busy is not */
		if (decided != EVENT_HELD)
			return;
		event_begin(it, EVENT_HELD);
		break;
	}
	u->event = &it->event;
}
