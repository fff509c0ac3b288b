/* mailtailor queue show: all that is known of one job. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "main/admin-queue.h"

/* One job, opened as far as it can be. */
struct sheet {
	struct spool_job job;
	struct job_payload payload;
	struct job_message message;
	bool has_payload, has_message;
	struct buf sealed, plain; /* of the message */
};

static void
sheet_free(struct sheet *s)
{
	buf_free(&s->sealed);
	buf_free(&s->plain);
}

/* EX_OK, or the exit code of what was said: the rest of the sheet is worth showing all the same. */
static int
sheet_open(struct queue *q, struct sheet *s)
{
	struct err e = { 0 };
	int rc = EX_OK, found = 0;
	if (s->job.payload.n > 0) {
		s->has_payload =
		    job_payload_open(q->sealer, &s->job.key, s->job.payload, q->arena, &s->payload, &e) == 0;
		if (!s->has_payload)
			rc = admin_fail(&e);
	}
	if (spool_live(s->job.state))
		found = spool_message(q->store, s->job.content, &s->sealed, &e);
	if (found < 0)
		return admin_fail(&e);
	if (found == 1) {
		s->has_message = job_message_open(q->sealer, s->job.content, buf_str(&s->sealed), &s->plain,
						  &s->message, &e) == 0;
		if (!s->has_message)
			rc = admin_fail(&e);
	} else if (spool_live(s->job.state)) {
		admin_say("the message of this job is not in the spool");
		rc = EX_DATAERR;
	}
	return rc;
}

/* An empty string stands for "was not given". */
static struct str
given(bool opened, struct str s)
{
	return opened && s.n > 0 ? s : STR_NULL;
}

static const struct value *
sheet_value(struct queue *q, const struct sheet *s, bool with_message)
{
	struct arena *a = q->arena;
	struct value *v = value_map_new(a);
	bool m = s->has_message;
	text_set_job(a, v, &s->job, s->has_payload ? &s->payload : NULL);
	text_set(a, v, "sender", m ? s->message.sender : STR_NULL);
	text_set(a, v, "ret", given(m, s->message.ret));
	text_set(a, v, "envid", given(m, s->message.envid));
	value_map_set(a, v, STR("eightbit"), m ? value_bool(s->message.eightbit) : &VALUE_NULL_V);
	value_map_set(a, v, STR("smtputf8"), m ? value_bool(s->message.smtputf8) : &VALUE_NULL_V);
	text_set(a, v, "message_id", given(m, s->message.id));
	if (m)
		text_set_int(a, v, "message_bytes", (int64_t)s->message.bytes.n);
	else
		value_map_set(a, v, STR("message_bytes"), &VALUE_NULL_V);
	text_set_hex(a, v, "message_hash", s->job.content, sizeof(s->job.content));
	if (with_message)
		text_set(a, v, "message", m ? s->message.bytes : STR_NULL);
	return v;
}

static void
value_show(const struct value *v, bool json)
{
	struct buf b = { 0 };
	if (json) {
		json_print_pretty(&b, v);
		buf_addc(&b, '\n');
	}
	for (size_t i = 0; !json && i < value_map_count(v); i++) {
		struct str key;
		struct buf text = { 0 };
		const struct value *item;
		value_map_entry(v, i, &key, &item);
		if (item->type == VALUE_NULL)
			continue;
		if (item->type == VALUE_STRING)
			buf_adds(&text, item->s);
		else
			json_print(&text, item);
		str_tame(text.p, text.n);
		buf_printf(&b, "%.*s:%*s", STR_ARG(key), key.n < 15 ? (int)(15 - key.n) : 1, "");
		buf_adds(&b, buf_str(&text));
		buf_addc(&b, '\n');
		buf_free(&text);
	}
	fwrite(b.p ? b.p : "", 1, b.n, stdout);
	buf_free(&b);
}

static int
bad_show(struct queue *q, const struct queue_request *r, const struct spool_key *key)
{
	struct err e = { 0 };
	struct value *v = value_map_new(q->arena);
	struct str reason;
	int64_t at_ms;
	char id[26];
	if (queue_bad(q, key, &reason, &at_ms, &e) < 0)
		return admin_fail(&e);
	if (r->message) {
		admin_say("a bad job has no message that could be shown");
		return EX_DATAERR;
	}
	spool_id(key, id);
	text_set(q->arena, v, "id", str_of(id));
	text_set(q->arena, v, "state", STR("bad"));
	text_set(q->arena, v, "reason", reason);
	text_set_time(q->arena, v, "ended", at_ms);
	text_set_hex(q->arena, v, "recipient_hash", key->rk, sizeof(key->rk));
	value_show(v, r->json);
	return EX_OK;
}

static int
sheet_print(struct queue *q, const struct queue_request *r, const struct sheet *s)
{
	if (!r->message || r->json) {
		value_show(sheet_value(q, s, r->message), r->json);
		return EX_OK;
	}
	if (!s->has_message) {
		admin_say("this job has %s; its message is kept no longer",
			  spool_live(s->job.state) ? "no readable message" : "ended");
		return EX_NOINPUT;
	}
	fwrite(s->message.bytes.p, 1, s->message.bytes.n, stdout);
	return EX_OK;
}

int
queue_show(struct queue *q, const struct queue_request *r)
{
	struct err e = { 0 };
	struct sheet s = { 0 };
	struct spool_key key;
	bool bad;
	if (queue_find(q, r->ids[0], &key, &bad, &e) != 0)
		return admin_fail(&e);
	if (bad)
		return bad_show(q, r, &key);
	int found = spool_get(q->store, &key, q->arena, &s.job, &e);
	if (found < 0)
		return admin_fail(&e);
	if (found == 0) {
		admin_say("job \"%s\" is gone meanwhile", r->ids[0]);
		return EX_NOINPUT;
	}
	int opened = sheet_open(q, &s), shown = sheet_print(q, r, &s);
	sheet_free(&s);
	return shown == EX_OK ? opened : shown;
}
