/* fatigue-steps: see fatigue-steps.h. */
#include "learn/fatigue-steps.h"

#include <stdlib.h>
#include <string.h>

#include "learn/reco-words.h"
#include "recipient/recipient.h"
#include "score/column.h"

#define DAY_MS 86400000

/* Counts that bend where people tire, and with what they are interested in. */
const char *const fatigue_columns[FATIGUE_COLUMNS] = {
	"events.injected.2d.count | clip 0 10",
	"events.injected.7d.count | clip 0 30",
	"events.injected.30d.count | clip 0 90",
	"(events.injected.7d.count | clip 0 30) * (events.injected.7d.count | clip 0 30)",
	"events.injected.recency | clip 0 90 | missing 90",
	"events.sent-since-click | clip 0 50",
	"events.opened.30d.count | clip 0 50",
	"events.clicked.30d.count | clip 0 20",
	"events.purchased.90d.count | clip 0 20",
	"(events.injected.7d.count | clip 0 30) * (events.clicked.30d.count | clip 0 20)",
};

struct moment {
	uint32_t person;
	enum event_type type;
	int64_t at_ms, micros;
};

struct fatigue_steps {
	struct words ids;
	struct buf moments;
};

struct fatigue_steps *
fatigue_steps_new(void)
{
	struct fatigue_steps *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	return s;
}

void
fatigue_steps_free(struct fatigue_steps **sp)
{
	if (!*sp)
		return;
	words_free(&(*sp)->ids);
	buf_free(&(*sp)->moments);
	free(*sp);
	*sp = NULL;
}

void
fatigue_steps_event(struct fatigue_steps *s, const struct event_record *r)
{
	static const uint8_t nobody[STORE_KEY_LEN];
	const struct event *ev = &r->event;
	if (r->forgotten || memcmp(ev->rk, nobody, sizeof(nobody)) == 0 ||
	    !(FATIGUE_TYPES & EVENT_BIT(ev->type)) || !event_by_person(ev->class))
		return;
	const struct moment m = { words_add(&s->ids, (struct str){ (const char *)ev->rk, sizeof(ev->rk) }),
				  ev->type, ev->at_ms, ev->value_micros };
	buf_add(&s->moments, &m, sizeof(m));
}

static int64_t
day_of(int64_t ms)
{
	return ms / DAY_MS - (ms % DAY_MS < 0);
}

static int
by_person_and_time(const void *pa, const void *pb)
{
	const struct moment *a = pa, *b = pb;
	if (a->person != b->person)
		return a->person < b->person ? -1 : 1;
	if (a->at_ms != b->at_ms)
		return a->at_ms < b->at_ms ? -1 : 1;
	return (a->type > b->type) - (a->type < b->type);
}

/* One recipient's moments, [from, to), and the days on which he had a step: [first, last]. */
struct history {
	const struct moment *from, *to;
	int64_t first, last;
	bool left;
};

static bool
leaves(enum event_type t)
{
	return t == EVENT_UNSUBSCRIBED || t == EVENT_COMPLAINED;
}

/* How many steps he has. */
static size_t
history_find(struct history *h, int64_t end_day)
{
	const struct moment *m = h->from;
	while (m < h->to && m->type != EVENT_INJECTED)
		m++;
	if (m == h->to || day_of(m->at_ms) >= end_day)
		return 0;
	h->first = day_of(m->at_ms);
	h->last = end_day - 1;
	for (; m < h->to && day_of(m->at_ms) < end_day && !h->left; m++)
		if (leaves(m->type)) {
			h->last = day_of(m->at_ms);
			h->left = true;
		}
	return (size_t)(h->last - h->first + 1);
}

/* What the event log counts for him, moment by moment. */
struct counters {
	struct event_total totals[EVENT_TYPES];
	struct event_day *days; /* as many as he has moments */
	size_t ndays;
	int64_t sent_since_click;
};

static void
counters_add(struct counters *c, const struct moment *m)
{
	struct event_total *t = &c->totals[m->type];
	int64_t day = day_of(m->at_ms);
	size_t i = c->ndays;
	t->type = m->type;
	t->class = EVENT_UNKNOWN;
	t->count++;
	t->last_ms = m->at_ms;
	while (i > 0 && c->days[i - 1].day == day && c->days[i - 1].type != m->type)
		i--;
	if (i == 0 || c->days[i - 1].day != day) {
		i = ++c->ndays;
		c->days[i - 1] = (struct event_day){ .day = day, .type = m->type };
	}
	c->days[i - 1].count++;
	c->days[i - 1].micros += m->micros;
	if (m->type == EVENT_CLICKED)
		c->sent_since_click = 0;
	c->sent_since_click += m->type == EVENT_INJECTED;
}

static void
facts_make(const struct counters *c, int64_t day, struct arena *a, struct score_facts *out)
{
	struct event_person p = { .totals = ARENA_ARRAY(a, struct event_total, EVENT_TYPES),
				  .days = c->days,
				  .ndays = c->ndays,
				  .sent_since_click = c->sent_since_click };
	/* Days older than any column looks at cost time only. */
	while (p.ndays > 0 && p.days[0].day < day - EVENT_DAYS) {
		p.days++;
		p.ndays--;
	}
	for (size_t t = 0; t < EVENT_TYPES; t++)
		if (c->totals[t].count > 0)
			p.totals[p.ntotals++] = c->totals[t];
	*out = (struct score_facts){ .now_ms = day * DAY_MS,
				     .time_zone = "UTC",
				     .events = recipient_behaviour(&p, a) };
}

struct filling {
	const struct fatigue_worth *worth;
	const struct score_columns *columns;
	double *state, *next, *reward;
	uint8_t *sent, *ended;
	size_t rows;
};

static void
step_add(struct filling *f, size_t at, const struct moment *m)
{
	double *r = &f->reward[at];
	if (m->type == EVENT_INJECTED) {
		f->sent[at] = 1;
		*r -= f->worth->send;
	} else if (m->type == EVENT_CLICKED) {
		*r += f->worth->click;
	} else if (m->type == EVENT_PURCHASED) {
		*r += f->worth->purchase;
	} else if (leaves(m->type) && !f->ended[at]) {
		f->ended[at] = 1;
		*r -= f->worth->leave;
	}
}

/* His steps: a row for the beginning of each day, and of the one behind the last. */
static void
history_fill(struct filling *f, const struct history *h)
{
	size_t n = (size_t)(h->last - h->first + 1), cols = FATIGUE_COLUMNS;
	struct arena *a = arena_new(65536);
	struct counters c = { .days = ARENA_ARRAY(a, struct event_day, (size_t)(h->to - h->from)) };
	struct score_facts *facts = ARENA_ARRAY(a, struct score_facts, n + 1);
	double *rows = ARENA_ARRAY(a, double, (n + 1) * cols);
	const struct moment *m = h->from;
	for (size_t i = 0; i <= n; i++) {
		for (; m < h->to && day_of(m->at_ms) < h->first + (int64_t)i; m++) {
			if (day_of(m->at_ms) >= h->first)
				step_add(f, f->rows + (size_t)(day_of(m->at_ms) - h->first), m);
			counters_add(&c, m);
		}
		facts_make(&c, h->first + (int64_t)i, a, &facts[i]);
	}
	score_matrix(f->columns, facts, n + 1, a, rows);
	memcpy(f->state + f->rows * cols, rows, n * cols * sizeof(*rows));
	memcpy(f->next + f->rows * cols, rows + cols, n * cols * sizeof(*rows));
	f->rows += n;
	arena_free(&a);
}

/* Of so many recipients one, by his key: keys are as good as random. */
static bool
picked(const struct fatigue_steps *s, const struct history *h, uint32_t of)
{
	uint32_t v;
	memcpy(&v, s->ids.text[h->from->person].p, sizeof(v));
	return v % of == 0;
}

/* All histories that have steps; how many steps in all. */
static struct history *
histories_find(const struct fatigue_steps *s, int64_t end_day, struct arena *a, size_t *n, size_t *steps)
{
	const struct moment *m = (const struct moment *)(const void *)s->moments.p;
	size_t all = s->moments.n / sizeof(*m);
	struct history *v = ARENA_ARRAY(a, struct history, s->ids.n);
	*n = *steps = 0;
	for (size_t from = 0, to; from < all; from = to) {
		for (to = from + 1; to < all && m[to].person == m[from].person; to++)
			;
		v[*n] = (struct history){ .from = m + from, .to = m + to };
		size_t own = history_find(&v[*n], end_day);
		*n += own > 0;
		*steps += own;
	}
	return v;
}

int
fatigue_steps_finish(struct fatigue_steps *s, const struct fatigue_worth *w, int64_t end_ms, size_t max_steps,
		     struct arena *a, struct fatigue_log *out, struct err *e)
{
	size_t n, steps, chosen = 0;
	uint32_t of = 1;
	struct arena *own = arena_new(65536);
	struct score_columns *columns;
	struct filling f = { .worth = w };
	int rc = -1;
	if (s->moments.n > 0)
		qsort(s->moments.p, s->moments.n / sizeof(struct moment), sizeof(struct moment),
		      by_person_and_time);
	struct history *v = histories_find(s, day_of(end_ms), own, &n, &steps);
	while (steps / of > max_steps)
		of++;
	for (size_t i = 0; i < n; i++)
		if (picked(s, &v[i], of))
			chosen += (size_t)(v[i].last - v[i].first + 1);
	if (chosen == 0) {
		err_set(e, ERR_INPUT, "nobody got mail on a day that is over: there are no steps");
	} else if (score_columns_compile(own, fatigue_columns, FATIGUE_COLUMNS, &columns, e) == 0) {
		f.columns = columns;
		f.state = ARENA_ARRAY(a, double, chosen *FATIGUE_COLUMNS);
		f.next = ARENA_ARRAY(a, double, chosen *FATIGUE_COLUMNS);
		f.reward = ARENA_ARRAY(a, double, chosen);
		f.sent = ARENA_ARRAY(a, uint8_t, chosen);
		f.ended = ARENA_ARRAY(a, uint8_t, chosen);
		for (size_t i = 0; i < n; i++)
			if (picked(s, &v[i], of))
				history_fill(&f, &v[i]);
		*out = (struct fatigue_log){ f.rows, FATIGUE_COLUMNS, f.state, f.next,
					     f.sent, f.reward,	      f.ended };
		rc = 0;
	}
	arena_free(&own);
	return rc;
}
