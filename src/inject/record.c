/*
 * record: what became of copies, written down: many in one commit, as many as came while the last commit ran.
 * A delivery report is added to the spool before the job that it tells of ends, under a key made of that
 * job's: when the process dies in between, it is made again and found there.
 */
#include "inject/private.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "inject/report.h"

/* ---- what becomes of an item ---- */

/* s with what in place of each caseless occurrence. */
static struct str
replaced(struct arena *a, struct str s, struct str word, struct str what)
{
	struct buf b = { 0 };
	for (size_t at = 0; at < s.n;) {
		bool here = word.n > 0 && s.n - at >= word.n && str_caseeq(str_sub(s, at, at + word.n), word);
		if (here)
			buf_adds(&b, what);
		else
			buf_addc(&b, s.p[at]);
		at += here ? word.n : 1;
	}
	struct str out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

static bool
is_address_char(char c)
{
	return ascii_isalpha(c) || ascii_isdigit(c) || (unsigned char)c > 0x7f ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.[]", c));
}

/* Whatever else looks like one: an alias that the MTA resolved, the sender, an A-label for what came as
 * UTF-8. */
static struct str
without_addresses(struct arena *a, struct str s)
{
	struct buf b = { 0 };
	for (size_t at = 0; at < s.n;) {
		size_t word = at, end;
		while (word < s.n && is_address_char(s.p[word]))
			word++;
		for (end = word; end < s.n && (s.p[end] == '@' || is_address_char(s.p[end])); end++)
			;
		if (word > at && word < s.n && s.p[word] == '@' && end > word + 1)
			buf_adds(&b, STR("(address)"));
		else if (end == at)
			buf_addc(&b, s.p[end++]);
		else
			buf_adds(&b, str_sub(s, at, end));
		at = end;
	}
	struct str out = arena_str(a, buf_str(&b));
	buf_free(&b);
	return out;
}

/* Replies repeat addresses; at rest, and in the log, there are none. */
static struct str
note_clean(struct item *it, struct str note)
{
	struct str s = replaced(it->arena, note, it->payload.address, STR("(recipient)"));
	s = str_sub(without_addresses(it->arena, s), 0, SPOOL_MAX_NOTE);
	str_tame((char *)(uintptr_t)s.p, s.n);
	return s;
}

/*
 * Until it is tried the note alone says which arm was drawn for the copy: whatever else it waits for now.
 * What says so is ours, no reply, and is not cleaned: a recipient's address may be an arm's name.
 */
static struct str
note_armed(struct item *it, enum spool_state state, bool attempted, struct str note)
{
	bool waits = spool_live(state) && !attempted && it->job.attempts == 0;
	struct str name, armed = waits ? tailor_arm_renote(it->job.note, note, it->arena) : note;
	double propensity;
	if (!waits || !tailor_arm_noted(armed, &name, &propensity))
		return note_clean(it, note);
	size_t head = str_find_char(armed, ':') + 1;
	struct str rest = note_clean(it, str_sub(armed, head, armed.n));
	armed = arena_printf(it->arena, "%.*s%.*s", STR_ARG(str_sub(armed, 0, head)), STR_ARG(rest));
	return str_cut(armed, SPOOL_MAX_NOTE);
}

static void
item_set(struct item *it, enum spool_state state, int64_t due_ms, bool attempted, const char *reason,
	 struct str note)
{
	it->update = (struct spool_update){
		.key = it->job.key,
		.state = state,
		.due_ms = due_ms,
		.attempted = attempted,
		.reason = reason,
		.note = note_armed(it, state, attempted, note),
	};
}

void
item_later(struct item *it, int64_t due_ms, bool attempted, const char *reason, struct str note)
{
	item_set(it, SPOOL_QUEUED, due_ms, attempted, reason, note);
}

void
item_hold(struct item *it, const char *reason, struct str note)
{
	item_set(it, SPOOL_HELD, it->job.due_ms, false, reason, note);
}

void
item_end(struct item *it, enum spool_state state, bool attempted, const char *reason, struct str note)
{
	item_set(it, state, clock_now_ms(), attempted, reason, note);
}

void
item_fail(struct item *it, bool attempted, const char *reason, const char *status, struct str note)
{
	item_end(it, SPOOL_FAILED, attempted, reason, note);
	it->status = status;
	it->fail_report = !it->job.report && report_wanted(it->sender, it->payload.notify);
}

/* ---- delivery reports ---- */

/* The copy's header: up to its empty line. */
static struct str
header_of(struct str copy)
{
	return str_sub(copy, 0, str_find(copy, STR("\r\n\r\n")) + 2);
}

static void
report_fill(const struct inject *in, const struct item *it, struct report *r)
{
	struct str recipient = it->envelope.rcpt;
	*r = (struct report){
		.reporting_mta = in->host,
		.from = in->conf->report_from ? in->conf->report_from
					      : arena_printf(it->arena, "MAILER-DAEMON@%s", in->host).p,
		.message_id = arena_printf(it->arena, "<report.%s@%s>", it->id, in->host),
		.now_ms = clock_now_ms(),
		.to = it->sender,
		.recipient = recipient,
		.orcpt = it->payload.orcpt,
		.envid = it->envelope.envid,
		.status = it->status,
		/* The sender knows the address, and is told the reply as it was. */
		.diagnostic = it->result.code > 0 ? str_of(it->result.text) : it->update.note,
		.smtp = it->result.code > 0,
		.expired = strcmp(it->update.reason, "expired") == 0,
		.arrival_ms = it->job.accepted_ms,
		.last_attempt_ms = it->update.attempted ? clock_now_ms() : 0,
		.attempts = it->job.attempts + it->update.attempted,
		.header = header_of(it->copy),
		.full = it->copy,
		.ret = it->envelope.ret,
	};
}

/* The report as a job of its own, which is sent as it is. */
static int
report_spool(const struct inject *in, struct sealer *sealer, const struct item *it, struct err *e)
{
	struct report r;
	struct buf text = { 0 }, sealed = { 0 }, payload = { 0 };
	struct spool_job j = { .state = SPOOL_QUEUED, .report = true, .campaign = it->job.campaign };
	uint8_t content[16];
	bool added;
	const struct str of = { (const char *)&it->job.key, sizeof(it->job.key) };
	report_fill(in, it, &r);
	unsigned needs = report_make(&text, &r);
	const struct job_message m = {
		.id = STR("report"),
		.bytes = buf_str(&text),
		.eightbit = (needs & REPORT_EIGHTBIT) != 0,
		.smtputf8 = (needs & REPORT_SMTPUTF8) != 0,
	};
	const struct job_payload p = { .address = it->sender, .notify = STR("NEVER") };
	keyed_id(in->epoch->keys, "report", &of, 1, j.key.message);
	memcpy(j.key.rk, it->job.key.rk, sizeof(j.key.rk));
	memcpy(j.campaign_id, it->job.campaign_id, sizeof(j.campaign_id));
	j.accepted_ms = j.first_due_ms = j.due_ms = clock_now_ms();
	j.reason = STR("report");
	int rc = job_message_seal(sealer, in->epoch->keys, &m, content, &sealed, e);
	if (rc == 0)
		rc = job_payload_seal(sealer, &j.key, &p, &payload, e);
	j.payload = buf_str(&payload);
	memcpy(j.content, content, sizeof(content));
	const struct spool_add add = { .content = content,
				       .message = buf_str(&sealed),
				       .jobs = &j,
				       .njobs = 1,
				       .keep_ms = in->conf->keep_ms,
				       .owed = true,
				       .added = &added };
	if (rc == 0)
		rc = spool_add(in->store, &add, e);
	buf_free(&text);
	buf_free(&sealed);
	buf_free(&payload);
	return rc;
}

/*
 * Reports may use half of the spool's reserve. When that is used up the job waits, and is tried again with
 * its report: it was refused, so nobody gets it twice; and the copies that do leave are not kept from being
 * written down.
 */
static int
report_or_later(const struct inject *in, struct sealer *sealer, struct item *it, struct err *e)
{
	int rc = report_spool(in, sealer, it, e);
	if (rc == 0 || e->kind != ERR_FULL)
		return rc;
	log_error("job=%s: its sender cannot be told that it failed: %s; trying again later", it->id,
		  e->text);
	item_later(it, clock_now_ms() + TROUBLE_MS, it->update.attempted, "trouble", it->update.note);
	it->fail_report = it->give_back = false;
	*e = (struct err){ 0 };
	return 0;
}

/* ---- the recorder ---- */

static void
log_item(const struct item *it)
{
	static const char *const words[] = { "later", "held", "sent", "dropped", "failed" };
	const struct spool_update *u = &it->update;
	char due[40] = "";
	if (u->state == SPOOL_QUEUED)
		clock_format_rfc3339(u->due_ms, due);
	log_info("job=%s campaign=%.*s recipient=%s %s reason=%s%s%s%s%.*s", it->id,
		 STR_ARG(it->job.campaign), it->hash, words[u->state], u->reason, *due ? " due=" : "", due,
		 u->note.n ? " " : "", STR_ARG(u->note));
}

static int
record(const struct inject *in, struct sealer *sealer, struct item *list, struct err *e)
{
	struct arena *a = arena_new(8192);
	size_t n = 0;
	int rc = 0;
	for (const struct item *it = list; it != NULL; it = it->next)
		n++;
	struct spool_update *v = ARENA_ARRAY(a, struct spool_update, n);
	n = 0;
	for (struct item *it = list; it != NULL && rc == 0; it = it->next) {
		if (it->fail_report)
			rc = report_or_later(in, sealer, it, e);
		if (rc == 0 && it->give_back && store_release(in->store, it->job.key.rk, it->idem, e) < 0)
			rc = -1;
		item_event(it);
		v[n++] = it->update;
	}
	if (rc == 0)
		rc = spool_update(in->store, v, n, in->conf->keep_ms, e);
	if (rc == 0)
		count_updates(in->counts, v, n);
	arena_free(&a);
	return rc;
}

void *
recorder_main(void *arg)
{
	const struct inject *in = arg;
	struct worker *w = engine_worker_get(in->epoch);
	struct item *list;
	while ((list = pipeline_collect(in->pipe)) != NULL) {
		struct err e = { 0 };
		/* The disk is full, say. Nothing more is handed over than there are slots, and this waits. */
		while (record(in, w->sealer, list, &e) != 0) {
			log_error("spool: what became of copies cannot be written: %s; trying again", e.text);
			sleep(1);
		}
		for (const struct item *it = list; it != NULL; it = it->next)
			log_item(it);
		pipeline_recorded(in->pipe, list);
	}
	engine_worker_put(in->epoch, &w);
	return NULL;
}
