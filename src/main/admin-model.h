/* admin-model: what the sub-verbs of `mailtailor model` share. */
#ifndef MT_MAIN_ADMIN_MODEL_H
#define MT_MAIN_ADMIN_MODEL_H

#include "learn/dataset.h"
#include "learn/judge.h"
#include "learn/spec.h"
#include "main/admin.h"

#define MODEL_SETTINGS 32

/* The command line. */
struct model_request {
	const char *conf_path;
	const char *csv, *spec;
	const char *out, *to, *html, *against, *kind, *metric, *part, *format;
	const char *features, *campaign, *outcome, *window, *since, *test, *valid, *score, *calibrate;
	const char *recipient, *arm, *by;
	const char *settings[MODEL_SETTINGS]; /* NAME=VALUE */
	size_t nsettings;
	bool json, events, value;
	char **args;
	int nargs;
};

struct model_events;

/* Where rows come from: a table and its specification, or the event log. */
struct model_source {
	struct arena *arena;
	const struct model_request *rq;
	struct spec spec;	     /* with --kind and --set in it; of events only what to train how */
	bool value;		     /* the model is to predict values, not labels */
	const struct value *split;   /* which rows are for what, as it stands in a model's file; a map */
	struct model_events *events; /* or NULL */
};

/* EX_OK, or an exit code; the reason was printed. Always close. */
int model_source_open(struct model_source *s, const struct model_request *rq);
void model_source_close(struct model_source *s);
/*
 * All rows, by the columns given (NULL: those of the specification). The same rows in the same order for any
 * columns. NULL: the reason was printed, and *code holds what to return.
 */
struct learn_set *
model_source_read(struct model_source *s, const char *const *columns, size_t ncolumns, int *code);

/* The same of the event log; model_source_* call them. */
int model_events_open(struct model_source *s);
void model_events_close(struct model_source *s);
struct learn_set *
model_events_read(struct model_source *s, const char *const *columns, size_t ncolumns, int *code);

/* ---- the event log for what needs no model ---- */

struct model_log {
	struct conf *conf;
	struct features_set *features;
	struct keyring *keys;
	struct store *store;
	const struct score_columns *columns; /* of the campaign's features section; NULL: none */
	uint64_t events;		     /* about, for progress */
	struct progress *progress;
	uint64_t walked, last;
};

/* EX_OK, or an exit code; the reason was printed. campaign NULL: all, without features. Always close. */
int model_log_open(struct model_log *l, const char *conf_path, const char *campaign);
void model_log_close(struct model_log *l);
/* Decisions as the request's campaign, outcome, window and since say. NULL: the reason was printed, and *code
 * holds what to return. */
struct dataset *model_log_read(struct model_log *l, const struct model_request *rq, int *code);
/* --since as of now; not given: 0. EX_OK, or EX_USAGE and it was said. */
int model_since(const struct model_request *rq, int64_t now_ms, int64_t *ms);

/* ---- files ---- */

/*
 * PATH.history keeps what was in use before. keep: links the file at path there, as the newest; 0 when there
 * is none at path. back: the newest that loads takes path's place, and what was there is kept as withdrawn;
 * *name (may be NULL) says which. Both survive a crash at any point.
 */
int model_history_keep(const char *path, struct err *e);
int model_history_back(const char *path, struct arena *a, const char **name, struct err *e);
/* Names in PATH.history, oldest first. */
size_t model_history_list(const char *path, struct arena *a, const char *const **names);

/* ---- printing ---- */

/* A judgement as the request asks for it: text or JSON to stdout, HTML to its file. An exit code. */
int model_judgement_show(const struct judgement *j, const struct model_request *rq);

/* ---- sub-verbs; an exit code each ---- */

int model_features(const struct model_request *rq);
int model_dataset(const struct model_request *rq);
int model_fairness(const struct model_request *rq);
int model_train(const struct model_request *rq);
int model_evaluate(const struct model_request *rq);
int model_show(const struct model_request *rq);
int model_export(const struct model_request *rq);
int model_promote(const struct model_request *rq);
int model_rollback(const struct model_request *rq);

#endif
