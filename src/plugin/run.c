/*
 * run: the caller's side of calls: makes the first ones itself as far as their
 * plugins are short; builds a job of the rest, waits for it call by call within
 * the deadlines; takes what is complete and notes what is missing.
 */
#include "base/clock.h"
#include "base/log.h"
#include "plugin/set.h"

/* One plugin_run on its way. */
struct run {
	struct plugin_set *set;
	const struct plugin_request *rq; /* nrows */
	const struct plugin_plan *plan;
	struct arena *a; /* the caller's: results */
	struct job_row *rows;
	size_t nrows;
	struct plugin_result *out;	/* nrows */
	struct value **vars, **sources; /* nrows: the maps of out, to write to */
	struct job_call *calls;
	size_t ncalls;
};

/* For one row, or for ROWS_ALL. */
static void
run_note(struct run *r, const struct plugin *p, size_t row, struct str text)
{
	struct str name = arena_str(r->a, str_of(p->name));
	size_t from = row == ROWS_ALL ? 0 : row, to = row == ROWS_ALL ? r->nrows : row + 1;
	for (size_t i = from; i < to; i++)
		r->out[i].notes[r->out[i].nnotes++] = (struct plugin_note){ name, text };
}

static void
call_note(struct run *r, const struct job_call *c, struct str text)
{
	run_note(r, c->plugin, c->row, text);
}

/* ---- rows, calls, the job ---- */

/* Borrowed: what outlives the caller's arena is copied by job_build. */
static void
rows_fill(struct run *r)
{
	r->rows = ARENA_ARRAY(r->a, struct job_row, r->nrows);
	for (size_t i = 0; i < r->nrows; i++) {
		const struct plugin_request *rq = &r->rq[i];
		struct job_row *row = &r->rows[i];
		struct score_time t;
		score_local_time(rq->now_ms, rq->time_zone, &t);
		*row = (struct job_row){
			.request = {
				.size = sizeof(row->request),
				.campaign = r->plan->campaign,
				.language = rq->language,
				.time_zone = rq->time_zone,
				.now_ms = rq->now_ms,
				.year = t.year,
				.month = t.month,
				.day = t.day,
				.hour = t.hour,
				.minute = t.minute,
				.weekday = t.weekday,
				.known = rq->known,
			},
			.profile = rq->profile,
			.message = rq->message,
			.history = rq->history,
			.events = rq->events,
			.category = str_of(rq->campaign->category),
			.scores = ARENA_ARRAY(r->a, struct plugin_score, r->plan->nscores),
		};
		memcpy(row->request.recipient_key, rq->recipient_key, sizeof(rq->recipient_key));
	}
}

/* A scorer is called once for all rows, a personalizer once for each. */
static void
calls_fill(struct run *r)
{
	r->calls = ARENA_ARRAY(r->a, struct job_call, r->plan->nsteps * r->nrows);
	for (size_t i = 0; i < r->plan->nsteps; i++) {
		struct plugin *p = r->plan->steps[i];
		bool scorer = p->api->kind == MT_KIND_SCORER;
		for (size_t k = 0; k < (scorer ? 1 : r->nrows); k++)
			r->calls[r->ncalls++] =
			    (struct job_call){ .plugin = p, .row = scorer ? ROWS_ALL : k };
	}
}

/* Copies of everything: this job may outlive the caller's arena. */
static struct job *
job_build(struct run *r, size_t from, size_t n)
{
	struct job *j = job_take(r->set);
	struct arena *a = j->arena;
	j->nrows = r->nrows;
	j->rows = ARENA_ARRAY(a, struct job_row, j->nrows);
	for (size_t i = 0; i < j->nrows; i++) {
		const struct job_row *of = &r->rows[i];
		struct job_row *row = &j->rows[i];
		*row = *of;
		row->request.language = arena_cstr(a, str_of(of->request.language));
		row->request.time_zone = arena_cstr(a, str_of(of->request.time_zone));
		row->profile = value_copy(a, of->profile);
		row->message = value_copy(a, of->message);
		row->history = of->history ? value_copy(a, of->history) : NULL;
		row->events = score_behaviour_copy(a, of->events);
		row->category = arena_str(a, of->category);
		row->scores = ARENA_ARRAY(a, struct plugin_score, r->plan->nscores);
		for (size_t k = 0; k < of->nscores; k++)
			row->scores[k] =
			    (struct plugin_score){ arena_str(a, of->scores[k].name), of->scores[k].value };
	}
	const struct value *defaults = r->rq[0].defaults;
	j->defaults = defaults == r->plan->conf_defaults ? r->plan->defaults : value_copy(a, defaults);
	j->ncalls = n;
	j->calls = ARENA_ARRAY(a, struct job_call, n);
	memcpy(j->calls, r->calls + from, n * sizeof(*j->calls));
	return j;
}

/* What a call may take: a scorer that is given n rows has the time of n calls. */
static int64_t
call_time(const struct job_call *c, size_t nrows)
{
	return c->row == ROWS_ALL ? c->plugin->deadline_us * (int64_t)nrows : c->plugin->deadline_us;
}

/* How a wait ended. */
enum wait_end { WAIT_FINISHED, WAIT_LATE, WAIT_BUSY };

/* When waiting for the job ends without it, and as what. j->lock held. */
static int64_t
job_deadline(const struct job *j, int64_t submitted, int64_t budget, enum wait_end *end)
{
	if (!j->started) {
		*end = WAIT_BUSY;
		return submitted + budget;
	}
	*end = WAIT_LATE;
	return j->call_started + call_time(&j->calls[j->current], j->nrows);
}

/*
 * Waits until the job is finished, its current call is late, or no worker took it in the time that all its
 * calls together may need. *done: calls that are complete.
 *
 * Calls begin without waking us, so we look again after the shortest deadline: a call that began meanwhile
 * cannot be late before that.
 */
static enum wait_end
job_wait(struct plugin_set *s, struct job *j, size_t *done)
{
	enum wait_end end = WAIT_FINISHED;
	int64_t submitted = clock_mono_us(), budget = 0, shortest = INT64_MAX;
	for (size_t i = 0; i < j->ncalls; i++) {
		int64_t d = call_time(&j->calls[i], j->nrows);
		budget += d;
		shortest = d < shortest ? d : shortest;
	}

	pthread_mutex_lock(&j->lock);
	while (!j->finished) {
		int64_t now = clock_mono_us(), until = job_deadline(j, submitted, budget, &end);
		if (now >= until)
			break;
		until = until - now > shortest ? now + shortest : until;
		struct timespec ts = clock_mono_timespec(until);
		pthread_cond_timedwait(&j->wake, &j->lock, &ts);
	}
	if (j->finished) {
		end = WAIT_FINISHED;
	} else {
		j->abandoned = true;
		j->stuck = j->started;
		if (j->stuck)
			atomic_fetch_add(&s->nstuck, 1);
	}
	*done = j->current;
	pthread_mutex_unlock(&j->lock);
	return end;
}

/* ---- what came ---- */

/* Sets a dotted name; the maps on its way are all made here. */
static void
vars_set(struct arena *a, struct value *map, struct str name, const struct value *v)
{
	struct str step, rest = name;
	while (str_split(&rest, '.', &step) && rest.p) {
		struct value *child = (struct value *)(uintptr_t)value_map_get(map, step);
		if (!child || child->type != VALUE_MAP) {
			child = value_map_new(a);
			value_map_set(a, map, step, child);
		}
		map = child;
	}
	value_map_set(a, map, step, v);
}

static void
take_vars(struct run *r, const struct job_call *c)
{
	struct str plugin = arena_str(r->a, str_of(c->plugin->name));
	for (size_t i = 0; i < c->nvars; i++) {
		struct str name = arena_str(r->a, c->vars[i].name);
		vars_set(r->a, r->vars[c->row], name, value_copy(r->a, &c->vars[i].v));
		value_map_set(r->a, r->sources[c->row], name, value_string(r->a, plugin));
	}
}

static void
take_bad(struct run *r, const struct job_call *c, const char *kind, _Atomic int64_t *counter)
{
	struct str note = arena_printf(r->a, "%s: %.*s", kind, STR_ARG(c->text));
	atomic_fetch_add(counter, 1);
	call_note(r, c, note);
	plugin_call_bad(c->plugin, note.p);
}

/* What the row's scores came of. */
static void
take_row(struct run *r, const struct job_call *c, size_t i)
{
	size_t n = score_columns_count(c->plugin->columns);
	double *values = ARENA_ARRAY(r->a, double, n);
	memcpy(values, c->matrix + i * n, n * sizeof(*values));
	r->out[i].rows[r->out[i].nrows++] = (struct plugin_row){ c->plugin->columns, values };
}

/* Rows that are no numbers are left out, each for itself; a call that gave none that is has failed. */
static void
take_scores(struct run *r, const struct job_call *c)
{
	struct plugin *p = c->plugin;
	struct str note = STR_NULL;
	size_t nbad = 0;
	for (size_t i = 0; i < r->nrows; i++) {
		const char *bad = scores_bad(c, i);
		if (!bad) {
			take_row(r, c, i);
			continue;
		}
		note = arena_printf(r->a, "bad output: score %s is not a finite number", bad);
		run_note(r, p, i, note);
		nbad++;
	}
	if (nbad > 0)
		atomic_fetch_add(&p->rejected, 1);
	scores_add(c, r->rows, r->nrows, r->a);
	if (nbad < r->nrows)
		plugin_call_good(p);
	else
		plugin_call_bad(p, note.p);
}

static void
take_call(struct run *r, const struct job_call *c)
{
	struct plugin *p = c->plugin;
	if (atomic_load(&p->off)) { /* since this call was begun */
		call_note(r, c, STR("switched off until reload"));
		return;
	}
	atomic_fetch_add(&p->calls, 1);
	if (c->state == CALL_FAILED) {
		take_bad(r, c, "failed", &p->failed);
	} else if (c->state == CALL_REJECTED) {
		take_bad(r, c, "bad output", &p->rejected);
	} else if (c->row == ROWS_ALL) {
		take_scores(r, c);
	} else {
		take_vars(r, c);
		plugin_call_good(p);
	}
}

static void
take_late(struct run *r, const struct job_call *c)
{
	struct plugin *p = c->plugin;
	atomic_fetch_add(&p->calls, 1);
	atomic_fetch_add(&p->late, 1);
	struct str note = arena_printf(r->a, "late (%lldms)", (long long)(call_time(c, r->nrows) / 1000));
	call_note(r, c, note);
	plugin_call_bad(p, note.p);
}

static size_t
take_busy(struct run *r, size_t from, size_t to, struct str why)
{
	for (; from < to; from++)
		call_note(r, &r->calls[from], why);
	return to;
}

/* Has the calls from..to made by a worker; returns the call to go on with. */
static size_t
run_away(struct run *r, size_t from, size_t to)
{
	size_t done = 0;
	struct job *j = job_build(r, from, to - from);
	if (job_submit(r->set, j) != 0) {
		job_unref(r->set, j);
		job_unref(r->set, j); /* the worker's, which it never got */
		return take_busy(r, from, to, STR("busy: no thread could be started"));
	}
	enum wait_end end = job_wait(r->set, j, &done);
	for (size_t i = 0; i < done; i++)
		take_call(r, &j->calls[i]);
	job_unref(r->set, j);
	switch (end) {
	case WAIT_FINISHED:
		return to;
	case WAIT_LATE:
		take_late(r, &r->calls[from + done]);
		return from + done + 1;
	default:
		return take_busy(r, from, to, STR("busy: no plugin thread was free in time"));
	}
}

/* ---- here ---- */

/* A call on our thread took longer than it may: from now on the plugin gets threads that can be left. */
static void
leave_here(struct plugin *p, int64_t took_us)
{
	if (atomic_exchange(&p->here, false))
		log_warn("plugin %s: a call took %lld ms, and mail waited for it; it says it is short "
			 "(MT_SHORT), and runs on threads of its own until the next reload",
			 p->name, (long long)(took_us / 1000));
}

/*
 * Makes the calls from `from` on whose plugins are short, on this thread and in the caller's memory; returns
 * the first that is not. What a late one gave is dropped, as it would be had nobody waited.
 */
static size_t
run_here(struct run *r, size_t from)
{
	struct worker *seat = seat_take(r->set);
	struct job j = { .arena = r->a,
			 .rows = r->rows,
			 .nrows = r->nrows,
			 .defaults = r->rq[0].defaults,
			 .calls = r->calls,
			 .ncalls = r->ncalls };
	if (!seat)
		return take_busy(r, from, from + 1, STR("busy: out of memory"));
	int64_t now = clock_mono_us();
	size_t i = from;
	for (; i < r->ncalls; i++) {
		struct job_call *c = &r->calls[i];
		int64_t start = now;
		if (!atomic_load(&c->plugin->here) || atomic_load(&c->plugin->off))
			break;
		c->state = call_make(seat, &j, i);
		now = clock_mono_us();
		if (now - start <= call_time(c, r->nrows)) {
			take_call(r, c);
			continue;
		}
		leave_here(c->plugin, now - start);
		take_late(r, c);
	}
	seat_put(r->set, seat);
	return i;
}

/* ---- the run ---- */

/* True when so many threads are stuck that plugins have to pause. */
static bool
set_is_paused(struct plugin_set *s)
{
	if (atomic_load(&s->nstuck) >= PLUGIN_MAX_STUCK) {
		if (!atomic_exchange(&s->stuck_logged, true))
			log_error("%d plugin threads are late and have not come back: all plugins that need "
				  "one pause until one does",
				  PLUGIN_MAX_STUCK);
		return true;
	}
	if (atomic_load(&s->stuck_logged) && atomic_exchange(&s->stuck_logged, false))
		log_info("late plugin threads have come back: plugins run again");
	return false;
}

/* Makes the call number `from`, and those behind it that go along; returns the one to go on with. */
static size_t
run_from(struct run *r, size_t from)
{
	struct plugin *p = r->calls[from].plugin;
	size_t to = from;
	if (atomic_load(&p->off))
		return take_busy(r, from, from + 1, STR("switched off until reload"));
	if (atomic_load(&p->here))
		return run_here(r, from);
	if (set_is_paused(r->set))
		return take_busy(r, from, from + 1, STR("paused: too many plugin threads are stuck"));
	while (to < r->ncalls && !atomic_load(&r->calls[to].plugin->off))
		to++;
	return run_away(r, from, to);
}

void
plugin_run(struct plugin_set *s, const struct plugin_request *rq, size_t n, struct arena *a,
	   struct plugin_result *out)
{
	struct run r = { .set = s, .rq = rq, .nrows = n, .a = a, .out = out };
	r.plan = n > 0 ? set_plan_find(s, rq[0].campaign) : NULL;
	size_t nsteps = r.plan ? r.plan->nsteps : 0;
	r.vars = ARENA_ARRAY(a, struct value *, n);
	r.sources = ARENA_ARRAY(a, struct value *, n);
	for (size_t i = 0; i < n; i++) {
		r.vars[i] = value_map_new(a);
		r.sources[i] = value_map_new(a);
		out[i] = (struct plugin_result){ .vars = r.vars[i],
						 .sources = r.sources[i],
						 .rows = ARENA_ARRAY(a, struct plugin_row, nsteps),
						 .notes = ARENA_ARRAY(a, struct plugin_note, nsteps) };
	}
	if (nsteps == 0)
		return;
	rows_fill(&r);
	calls_fill(&r);
	for (size_t from = 0; from < r.ncalls;)
		from = run_from(&r, from);
	for (size_t i = 0; i < n; i++) {
		out[i].scores = r.rows[i].scores;
		out[i].nscores = r.rows[i].nscores;
	}
}
