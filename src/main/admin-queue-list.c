/* mailtailor queue list: a line for each job. They leave as they are made: a million jobs need no table in
 * memory. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "main/admin-queue.h"

#define MIN_CAMPAIGN 8	 /* the heading */
#define ADDRESS_WIDTH 32 /* longer ones move what stands behind them */

struct listing {
	struct queue *q;
	const struct queue_request *r;
	struct arena *arena; /* of one line */
	struct buf line;
	size_t width; /* of the campaign column */
	uint64_t rows, unreadable;
};

static bool
width_look(void *ctx, const struct spool_campaign *c)
{
	struct listing *l = ctx;
	if (c->name.n > l->width)
		l->width = c->name.n;
	return true;
}

static void
line_leave(struct listing *l)
{
	buf_addc(&l->line, '\n');
	fwrite(l->line.p, 1, l->line.n, stdout);
	buf_reset(&l->line);
	l->rows++;
}

static void
heading(struct listing *l)
{
	printf("%-25s %-*s %-7s %-20s %8s %-14s ", "ID", (int)l->width, "CAMPAIGN", "STATE", "DUE OR ENDED",
	       "ATTEMPTS", "REASON");
	if (l->r->addresses)
		printf("%-*s ", ADDRESS_WIDTH, "RECIPIENT");
	printf("NOTE\n");
}

/* A row as it is printed; what is absent is null, or "-". */
struct row {
	const struct spool_key *key;
	struct str campaign, reason, note, address;
	const char *state;
	int64_t due_ms, ended_ms, attempts; /* attempts -1: not known */
};

static void
row_json(struct listing *l, const struct row *w, const char *id)
{
	struct arena *a = l->arena;
	struct value *v = value_map_new(a);
	text_set(a, v, "id", str_of(id));
	text_set(a, v, "campaign", w->campaign);
	text_set(a, v, "state", str_of(w->state));
	text_set_time(a, v, "due", w->due_ms);
	text_set_time(a, v, "ended", w->ended_ms);
	if (w->attempts >= 0)
		text_set_int(a, v, "attempts", w->attempts);
	else
		value_map_set(a, v, STR("attempts"), &VALUE_NULL_V);
	text_set(a, v, "reason", w->reason);
	text_set(a, v, "note", w->note.n > 0 ? w->note : STR_NULL);
	if (l->r->addresses)
		text_set(a, v, "address", w->address);
	buf_adds(&l->line, l->rows == 0 ? STR("[\n") : STR(",\n"));
	json_print(&l->line, v);
	fwrite(l->line.p, 1, l->line.n, stdout);
	buf_reset(&l->line);
	l->rows++;
}

static void
row_print(struct listing *l, const struct row *w)
{
	struct arena *a = l->arena;
	char id[26], when[40], attempts[24] = "-";
	int64_t ms = w->due_ms ? w->due_ms : w->ended_ms;
	spool_id(w->key, id);
	if (l->r->json) {
		row_json(l, w, id);
		return;
	}
	if (l->rows == 0)
		heading(l);
	if (w->attempts >= 0)
		snprintf(attempts, sizeof(attempts), "%lld", (long long)w->attempts);
	buf_printf(&l->line, "%-25s %-*s %-7s %-20s %8s %-14s ", id, (int)l->width,
		   queue_text(a, w->campaign), w->state,
		   ms ? clock_format_rfc3339(ms / 1000 * 1000, when) : "-", attempts,
		   queue_text(a, w->reason));
	if (l->r->addresses)
		buf_printf(&l->line, "%-*s ", ADDRESS_WIDTH, queue_text(a, w->address));
	buf_adds(&l->line, str_of(queue_text(a, w->note)));
	line_leave(l);
}

static struct str
address_of(struct listing *l, const struct spool_job *j)
{
	struct job_payload p;
	struct err e = { 0 };
	if (!l->r->addresses || j->report || j->payload.n == 0)
		return STR_NULL;
	if (job_payload_open(l->q->sealer, &j->key, j->payload, l->arena, &p, &e) == 0)
		return p.address;
	l->unreadable++;
	return STR_NULL;
}

static bool
more(const struct listing *l)
{
	return !ferror(stdout) && (l->r->limit == 0 || l->rows < (uint64_t)l->r->limit);
}

static bool
job_print(void *ctx, const struct spool_job *j)
{
	struct listing *l = ctx;
	bool live = spool_live(j->state);
	const struct row w = {
		.key = &j->key,
		.campaign = j->campaign,
		.state = spool_state_name(j->state),
		.due_ms = live ? j->due_ms : 0,
		.ended_ms = live ? 0 : j->due_ms,
		.attempts = j->attempts,
		.reason = j->reason,
		.note = j->note,
		.address = address_of(l, j),
	};
	row_print(l, &w);
	arena_reset(l->arena);
	return more(l);
}

static bool
bad_print(void *ctx, const struct spool_key *key, struct str reason, int64_t at_ms)
{
	struct listing *l = ctx;
	const struct row w = {
		.key = key,
		.state = "bad",
		.ended_ms = at_ms,
		.attempts = -1,
		.reason = reason,
	};
	row_print(l, &w);
	arena_reset(l->arena);
	return more(l);
}

static int
jobs_print(struct listing *l, unsigned states, struct err *e)
{
	if (queue_each(l->q, l->r->campaign, states, job_print, l, e) != 0)
		return -1;
	if (!l->r->campaign && (states & QUEUE_BAD) && more(l))
		return spool_bad_each(l->q->store, bad_print, l, e);
	return 0;
}

int
queue_list(struct queue *q, const struct queue_request *r)
{
	struct listing l = { .q = q, .r = r, .arena = arena_new(4096), .width = MIN_CAMPAIGN };
	struct err e = { 0 };
	int rc = 0;
	if (r->campaign && (r->states & QUEUE_BAD)) {
		rc = admin_misuse("bad jobs belong to no campaign; `mailtailor queue list --state bad`");
		goto out;
	}
	if (q->store && (spool_campaigns(q->store, width_look, &l, &e) != 0 ||
			 jobs_print(&l, r->states ? r->states : QUEUE_ALL_STATES, &e) != 0))
		rc = admin_fail(&e);
	/* What was printed is JSON also when it ends early. */
	if (r->json)
		fputs(l.rows == 0 ? "[]\n" : "\n]\n", stdout);
	else if (l.rows == 0 && rc == 0)
		admin_say(r->campaign || r->states
			      ? "no such job is in the queue; a copy that left with its message is none"
			      : "the queue is empty");
	if (l.unreadable > 0)
		admin_say(
		    "%llu recipients could not be read: their jobs are damaged, or sealed with a key that is "
		    "no longer in the ring",
		    (unsigned long long)l.unreadable);
out:
	buf_free(&l.line);
	arena_free(&l.arena);
	return rc;
}
