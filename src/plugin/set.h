/*
 * set: the inside of src/plugin. What a loaded plugin, an epoch's set, a job and a worker are, and which file
 * does what:
 *
 *   load.c    one library: file checks, dlopen, versions, create
 *   set.c     the epoch: load all, campaigns' plans, references, counters
 *   host.c    the host table: variables, fields, rules      hostvalue.c  the host table: JSON and values
 *   call.c    one call, its output checked
 *   runner.c  worker threads, the queue, the hand-over; seats for calls on callers' own threads
 *   run.c     the caller's side: builds the job, runs it or waits for it, merges what came
 */
#ifndef MT_PLUGIN_SET_H
#define MT_PLUGIN_SET_H

#include <pthread.h>
#include <stdatomic.h>

#include "mailtailor_plugin.h"
#include "plugin/plugin.h"
#include "score/column.h"
#include "score/score.h"

#define PLUGIN_MAX_WORKERS 64	       /* threads that are not stuck */
#define PLUGIN_MAX_VALUE (256u * 1024) /* bytes of one variable */
#define PLUGIN_MAX_VARS 1000	       /* variables of one call */
#define PLUGIN_MAX_TOTAL (4u << 20)    /* bytes of one call's variables */
#define PLUGIN_MAX_NAME 128
#define PLUGIN_MAX_NAME_STEPS 8
#define PLUGIN_MAX_FEATURES SCORE_COLUMNS_MAX
#define PLUGIN_MAX_SCORES 64

/* One `plugin NAME { … }`: a library and its instance. */
struct plugin {
	struct mt_host host; /* first: host functions get &plugin->host and find the plugin */
	struct plugin_set *set;
	const char *name;
	struct conf_pos pos;
	size_t index; /* in set->plugins */
	int64_t deadline_us;
	void *handle; /* of dlopen */
	const struct mt_plugin *api;
	bool created;
	void *instance;
	struct mt_shape shape;	       /* scorers */
	struct score_columns *columns; /* of shape's features */
	_Atomic int64_t calls, late, failed, rejected;
	atomic_int failures_in_row;
	atomic_bool off;
	bool history;	  /* MT_HISTORY */
	atomic_bool here; /* MT_SHORT and never late so far: runs on the caller's thread */
};

/* A campaign's plugins in the order they run. */
struct plugin_plan {
	const char *campaign;
	struct plugin **steps;
	size_t nsteps;
	size_t nscores;				      /* room for the scores of all its scorers */
	bool needs_events;			      /* one of them reads behaviour */
	bool history;				      /* one of them declares MT_HISTORY */
	const struct value *defaults, *conf_defaults; /* our copy; the value it was copied from */
};

/* ---- jobs ---- */

enum call_state { CALL_WAITING, CALL_DONE, CALL_FAILED, CALL_REJECTED };

struct call_var {
	struct str name;
	struct value v;
};

/* One recipient of the batch. */
struct job_row {
	struct mt_request request;
	const struct value *profile, *message, *history;
	const struct score_behaviour *events; /* or NULL */
	struct str category;
	struct plugin_score *scores; /* known so far; room for all of the plan */
	size_t nscores;
};

#define ROWS_ALL SIZE_MAX

/*
 * One call of one plugin and what it gave: a scorer's for all rows of the job, a personalizer's for one. The
 * worker writes it while the call is current; when the state leaves CALL_WAITING (under the job's lock) it is
 * frozen and the caller may read it.
 */
struct job_call {
	struct plugin *plugin;
	size_t row; /* personalizers; scorers: ROWS_ALL */
	enum call_state state;
	struct call_var *vars;
	size_t nvars, vars_cap, vars_bytes;
	double *matrix;	 /* scorers: what they were given */
	double *scores;	 /* scorers, DONE: rows × scores, row-major; see scores_bad */
	struct str text; /* FAILED, REJECTED: why */
};

struct worker;

struct job {
	pthread_mutex_t lock;
	pthread_cond_t wake; /* the caller waits for finished */
	struct job *next;    /* queue, or list of spare jobs */
	/*
	 * Inputs: copies in arena, the worker's from when it is queued. Of a job that runs on the caller's
	 * thread all is the caller's: his arena, borrowed inputs, no lock, no refs.
	 */
	struct arena *arena;
	struct job_row *rows;
	size_t nrows;
	const struct value *defaults;
	struct job_call *calls; /* in the order they run */
	size_t ncalls;
	/* Under lock. */
	int refs;	      /* caller and worker */
	bool started;	      /* a worker has it */
	bool finished;	      /* nothing more will come */
	bool abandoned;	      /* the caller has left: stop after the current call */
	bool stuck;	      /* abandoned while inside a plugin: counted in set->nstuck */
	size_t current;	      /* the call that runs */
	int64_t call_started; /* clock_mono_us */
};

/* Per worker or seat, and plugin. */
struct worker_context {
	bool ready;
	void *thread;
};

/* A thread of ours; or a seat: what calls on a caller's thread need of it, lent for their duration. */
struct worker {
	struct plugin_set *set;
	struct worker *next; /* idle list, or list of free seats */
	pthread_cond_t wake;
	struct job *job; /* handed over under set->lock */
	struct worker_context *contexts;
};

struct plugin_set {
	struct arena *arena;
	const char *directory; /* of the configuration file: where relative paths of plugins start */
	struct plugin *plugins;
	size_t nplugins;
	struct plugin_plan *plans;
	size_t nplans;
	const struct conf_campaign *conf_campaigns; /* only compared, to find a plan by position */

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t left;  /* a worker has gone */
	int refs;	      /* one for the owner, one per worker */
	bool closing;
	struct worker *idle; /* the last one in goes out first: its stack is warm */
	struct worker *seats;
	size_t nworkers;
	struct job *queue_first, **queue_end;
	struct job *spare;
	size_t nspare;

	atomic_int nstuck;
	atomic_bool stuck_logged;
};

/* load.c: FILE:LINE errors without the prefix. plugin_close takes what plugin_open left half done. */
int plugin_open(struct plugin *p, const struct conf *c, const struct conf_plugin *cp, struct err *e);
void plugin_close(struct plugin *p);

/* set.c */
const struct plugin_plan *set_plan_find(const struct plugin_set *s, const struct conf_campaign *campaign);
/* Drops one of set->refs and releases set->lock, which the caller holds; the last frees everything. */
void set_unref_locked(struct plugin_set *s);
/* Counts a call's end towards the breaker. */
void plugin_call_good(struct plugin *p);
void plugin_call_bad(struct plugin *p, const char *why);

/* host.c, hostvalue.c */
struct call {
	struct mt_request request; /* first: host functions get its address */
	struct job *job;
	const struct job_row *row;
	struct job_call *result;
};
void host_table_fill(struct plugin *p);
void host_values_fill(struct mt_host *h);
/* Marks the call rejected (the first reason stays); returns -1. */
int call_reject(struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* call.c: makes the job's i-th call with this worker; the result is in the call, the state is returned. */
enum call_state call_make(struct worker *w, struct job *j, size_t i);
/* The name of the first score of a row that is no finite number; NULL: all are. */
const char *scores_bad(const struct job_call *c, size_t row);
/* A scorer's good rows become scores that those behind it see. Names are copied to a. */
void scores_add(const struct job_call *c, struct job_row *rows, size_t nrows, struct arena *a);

/* runner.c */
struct job *job_take(struct plugin_set *s);
/* Drops one reference. */
void job_unref(struct plugin_set *s, struct job *j);
/* Hands the job (refs = 2) to a worker or the queue. -1: no thread could be made and there is none. */
int job_submit(struct plugin_set *s, struct job *j);
/* A seat for calls on this thread; NULL when memory is short. To be given back before plugin_run returns. */
struct worker *seat_take(struct plugin_set *s);
void seat_put(struct plugin_set *s, struct worker *seat);
/* Ends all seats; nobody may have one. */
void seats_free(struct plugin_set *s);
/* Tells idle workers to go; set->lock held. */
void workers_dismiss(struct plugin_set *s);

#endif
