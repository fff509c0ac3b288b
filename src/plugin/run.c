/*
 * run: the caller's side of a call: runs the first steps itself as far as their
 * plugins are short; builds a job of the rest, waits for it step by step within
 * the deadlines; takes what is complete and notes what is missing.
 */
#include "base/clock.h"
#include "base/log.h"
#include "plugin/set.h"

/* One plugin_run on its way. */
struct run {
	struct plugin_set *set;
	const struct plugin_request *rq;
	const struct plugin_plan *plan;
	struct arena *a; /* the caller's: results */
	struct value *vars, *sources;
	struct plugin_result *out;
	struct plugin **steps; /* those that are not switched off */
	size_t nsteps;
};

static void
run_note(struct run *r, const struct plugin *p, struct str text)
{
	r->out->notes[r->out->nnotes++] = (struct plugin_note){ arena_str(r->a, str_of(p->name)), text };
}

/* ---- the job ---- */

/* All but the strings, which somebody has to keep. */
static void
request_fill(const struct run *r, struct mt_request *out)
{
	const struct plugin_request *rq = r->rq;
	struct score_time t;
	score_local_time(rq->now_ms, rq->time_zone, &t);
	*out = (struct mt_request){
		.size = sizeof(*out),
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
	};
	memcpy(out->recipient_key, rq->recipient_key, sizeof(rq->recipient_key));
}

/* Steps from..from+n of the run, and the scores that came before them, from the job's arena. */
static void
steps_fill(const struct run *r, struct job *j, size_t from, size_t n)
{
	struct arena *a = j->arena;
	j->nsteps = n;
	j->steps = ARENA_ARRAY(a, struct job_step, n);
	for (size_t i = 0; i < n; i++)
		j->steps[i].plugin = r->steps[from + i];
	j->scores = ARENA_ARRAY(a, struct plugin_score, r->plan->nscores);
	for (size_t i = 0; i < r->out->nscores; i++)
		j->scores[j->nscores++] =
		    (struct plugin_score){ arena_str(a, r->out->scores[i].name), r->out->scores[i].value };
}

/* Copies of everything: this job may outlive the caller's arena. */
static struct job *
job_build(struct run *r, size_t from)
{
	const struct plugin_request *rq = r->rq;
	struct job *j = job_take(r->set);
	struct arena *a = j->arena;
	request_fill(r, &j->request);
	j->request.language = arena_cstr(a, str_of(rq->language));
	j->request.time_zone = arena_cstr(a, str_of(rq->time_zone));
	j->profile = value_copy(a, rq->profile);
	j->message = value_copy(a, rq->message);
	j->defaults =
	    rq->defaults == r->plan->conf_defaults ? r->plan->defaults : value_copy(a, rq->defaults);
	steps_fill(r, j, from, r->nsteps - from);
	return j;
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
	return j->step_started + j->steps[j->current].plugin->deadline_us;
}

/*
 * Waits until the job is finished, its current step is late, or no worker took it in the time that all its
 * steps together may need. *done: steps that are complete.
 *
 * Steps begin without waking us, so we look again after the shortest deadline: a step that began meanwhile
 * cannot be late before that.
 */
static enum wait_end
job_wait(struct plugin_set *s, struct job *j, size_t *done)
{
	enum wait_end end = WAIT_FINISHED;
	int64_t submitted = clock_mono_us(), budget = 0, shortest = INT64_MAX;
	for (size_t i = 0; i < j->nsteps; i++) {
		int64_t d = j->steps[i].plugin->deadline_us;
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
take_done(struct run *r, const struct job_step *s)
{
	struct str plugin = arena_str(r->a, str_of(s->plugin->name));
	for (size_t i = 0; i < s->nvars; i++) {
		struct str name = arena_str(r->a, s->vars[i].name);
		vars_set(r->a, r->vars, name, value_copy(r->a, &s->vars[i].v));
		value_map_set(r->a, r->sources, name, value_string(r->a, plugin));
	}
	for (size_t i = 0; i < s->nscores; i++) {
		struct plugin_score *to = &r->out->scores[r->out->nscores++];
		to->name = arena_str(r->a, s->scores[i].name);
		to->value = s->scores[i].value;
	}
}

static void
take_step(struct run *r, const struct job_step *s)
{
	struct plugin *p = s->plugin;
	struct str note;
	atomic_fetch_add(&p->calls, 1);
	if (s->state == STEP_DONE) {
		take_done(r, s);
		plugin_call_good(p);
		return;
	}
	if (s->state == STEP_FAILED) {
		atomic_fetch_add(&p->failed, 1);
		note = arena_printf(r->a, "failed: %.*s", STR_ARG(s->text));
	} else {
		atomic_fetch_add(&p->rejected, 1);
		note = arena_printf(r->a, "bad output: %.*s", STR_ARG(s->text));
	}
	run_note(r, p, note);
	plugin_call_bad(p, note.p);
}

static void
take_late(struct run *r, struct plugin *p)
{
	atomic_fetch_add(&p->calls, 1);
	atomic_fetch_add(&p->late, 1);
	struct str note = arena_printf(r->a, "late (%lldms)", (long long)(p->deadline_us / 1000));
	run_note(r, p, note);
	plugin_call_bad(p, note.p);
}

/* Runs the steps from `from` on; returns the step to go on with, or nsteps. */
static size_t
run_from(struct run *r, size_t from)
{
	size_t done = 0;
	struct job *j = job_build(r, from);
	if (job_submit(r->set, j) != 0) {
		for (size_t i = from; i < r->nsteps; i++)
			run_note(r, r->steps[i], STR("busy: no thread could be started"));
		job_unref(r->set, j);
		job_unref(r->set, j); /* the worker's, which it never got */
		return r->nsteps;
	}
	enum wait_end end = job_wait(r->set, j, &done);
	for (size_t i = 0; i < done; i++)
		take_step(r, &j->steps[i]);
	job_unref(r->set, j);
	switch (end) {
	case WAIT_FINISHED:
		return r->nsteps;
	case WAIT_LATE:
		take_late(r, r->steps[from + done]);
		return from + done + 1;
	default:
		for (size_t i = from; i < r->nsteps; i++)
			run_note(r, r->steps[i], STR("busy: no plugin thread was free in time"));
		return r->nsteps;
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
 * Runs the steps from `from` on that are short, on this thread and in the caller's memory; returns the first
 * step that is not. What a late one gave is dropped, as it would be had nobody waited.
 */
static size_t
run_here(struct run *r, size_t from)
{
	const struct plugin_request *rq = r->rq;
	struct worker *seat = seat_take(r->set);
	size_t n = 0;
	struct job j = {
		.arena = r->a, .profile = rq->profile, .message = rq->message, .defaults = rq->defaults
	};
	if (!seat) {
		run_note(r, r->steps[from], STR("busy: out of memory"));
		return from + 1;
	}
	while (from + n < r->nsteps && atomic_load(&r->steps[from + n]->here))
		n++;
	request_fill(r, &j.request);
	steps_fill(r, &j, from, n);
	int64_t now = clock_mono_us();
	for (size_t i = 0; i < n; i++) {
		struct plugin *p = j.steps[i].plugin;
		size_t nscores = j.nscores;
		int64_t start = now;
		j.steps[i].state = call_step(seat, &j, i);
		now = clock_mono_us();
		if (now - start <= p->deadline_us) {
			take_step(r, &j.steps[i]);
			continue;
		}
		j.nscores = nscores;
		leave_here(p, now - start);
		take_late(r, p);
	}
	seat_put(r->set, seat);
	return from + n;
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

int
plugin_run(struct plugin_set *s, const struct plugin_request *rq, struct arena *a, struct plugin_result *out)
{
	struct run r = { .set = s, .rq = rq, .a = a, .out = out };
	*out = (struct plugin_result){ 0 };
	out->vars = r.vars = value_map_new(a);
	out->sources = r.sources = value_map_new(a);
	r.plan = set_plan_find(s, rq->campaign);
	if (!r.plan || r.plan->nsteps == 0)
		return 0;

	out->notes = ARENA_ARRAY(a, struct plugin_note, r.plan->nsteps);
	out->scores = ARENA_ARRAY(a, struct plugin_score, r.plan->nscores);
	r.steps = ARENA_ARRAY(a, struct plugin *, r.plan->nsteps);
	bool paused = set_is_paused(s);
	for (size_t i = 0; i < r.plan->nsteps; i++) {
		struct plugin *p = r.plan->steps[i];
		if (atomic_load(&p->off))
			run_note(&r, p, STR("switched off until reload"));
		else if (paused && !atomic_load(&p->here))
			run_note(&r, p, STR("paused: too many plugin threads are stuck"));
		else
			r.steps[r.nsteps++] = p;
	}
	for (size_t from = 0; from < r.nsteps;)
		from = atomic_load(&r.steps[from]->here) ? run_here(&r, from) : run_from(&r, from);
	return 0;
}
