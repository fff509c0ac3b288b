/*
 * plugin: loads plugins, keeps an epoch's set of them, calls them under a
 * deadline. The only user of dlopen.
 *
 * A call never trusts its plugin: outputs are checked (sizes, UTF-8, counts, finite
 * scores) and copied out. Calls run on the set's own threads, with inputs that are copied into the call's own
 * arena; a caller waits until the deadline and goes on without the late contribution, which is
 * dropped when it comes. A plugin that declares itself short (MT_SHORT) runs on the caller's thread until it
 * is late for the first time. A plugin that was late or failed `breaker` times in a row is left out until the
 * next epoch (logged once, counted).
 *
 * The late thread itself cannot be stopped: it runs to its end, holding its job, its instance and its
 * library, and is then used again. While PLUGIN_MAX_STUCK threads of a set are late, every plugin that needs
 * a thread is skipped (and noted), so a hanging plugin costs memory and threads up to a bound, never the
 * mail. A plugin that never returns keeps its epoch's memory until the process ends.
 *
 * Threads: plugin_run may be called from any thread.
 */
#ifndef MT_PLUGIN_PLUGIN_H
#define MT_PLUGIN_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/value.h"
#include "conf/conf.h"
#include "score/column.h"

struct plugin_set;

#define PLUGIN_BREAKER 5    /* late or failed calls in a row that switch a plugin off */
#define PLUGIN_MAX_STUCK 16 /* late threads of one set that make it pause */

/*
 * Loads every plugin that conf names: file check (regular, owned by root or the effective user, not writable
 * by group or others, nor its directory), dlopen RTLD_NOW|RTLD_LOCAL, magic, ABI version, struct sizes,
 * create(). Every mistake is reported as "FILE:LINE: plugin "x": …"; NULL when there was any.
 */
struct plugin_set *plugin_set_load(const struct conf *c, conf_report_fn *report, void *ctx);
/*
 * No call may be running. Ends the idle threads, destroys the instances and closes the libraries; waits for
 * threads that are about to return (1 s at most), not for stuck ones: the last of those frees the set when it
 * comes back. Takes NULL, leaves NULL.
 */
void plugin_set_free(struct plugin_set **s);

/* What plugins may see of one recipient's message. All borrowed for the call (and copied). */
struct plugin_request {
	/* of the conf that the set was loaded from: its scorers run in order, then its personalizers */
	const struct conf_campaign *campaign;
	const struct value *profile;	      /* map */
	const struct value *message;	      /* merge data of the message; map or NULL */
	const struct score_behaviour *events; /* NULL: not known */
	const struct value *history;	      /* map as mt_host.get_history says; or NULL */
	const struct value *defaults;	      /* campaign defaults; map or NULL */
	const char *language, *time_zone;     /* never NULL */
	int64_t now_ms;
	uint8_t recipient_key[16];
	bool known;
};

struct plugin_score {
	struct str name; /* "click" */
	double value;
};
struct plugin_note {
	struct str plugin;
	/* "late (50ms)", "failed: …", "bad output: …", "switched off until reload", "paused: …", "busy: …" */
	struct str text;
};

/* What a scorer was given of one recipient. */
struct plugin_row {
	const struct score_columns *columns; /* the set's */
	const double *values;
};

struct plugin_result {
	const struct value *vars;    /* a map, never NULL: what personalizers set, later ones over earlier */
	const struct value *sources; /* dotted names ("content.hero.html") → plugin name, for --explain */
	struct plugin_score *scores;
	size_t nscores;
	struct plugin_row *rows; /* of the scorers that gave scores, in their order */
	size_t nrows;
	struct plugin_note *notes; /* contributions that are missing, and why */
	size_t nnotes;
};

/*
 * For a batch of n recipients of one campaign with the same defaults; rq[i] → out[i], and each gets what it
 * would get alone. Scorers run first, since content rules may read scores: one call of each with a matrix of
 * n rows, and n times its deadline. Then personalizers, a call for each recipient. What fails is missing and
 * noted: a scorer's call that is late or fails in all n; a score that is no number only where it stands.
 * Result memory from a.
 */
void plugin_run(struct plugin_set *s, const struct plugin_request *rq, size_t n, struct arena *a,
		struct plugin_result *out);

/* What a scorer reads; NULL: the plugin is none. Lives as long as the set. */
const struct score_columns *plugin_set_columns(const struct plugin_set *s, const char *plugin);
/* True when a scorer of the campaign reads behaviour (events.…). */
bool plugin_set_needs_events(const struct plugin_set *s, const struct conf_campaign *campaign);

/* Whether a plugin of that campaign asks for plugin_request.history. */
bool plugin_wants_history(const struct plugin_set *s, const struct conf_campaign *campaign);

struct plugin_counters {
	const char *name;
	int64_t calls, late, failed, rejected; /* a scorer's call for a batch is one */
	bool off;
};
size_t plugin_set_counters(const struct plugin_set *s, struct plugin_counters *out, size_t max);

#endif
