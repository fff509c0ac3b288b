/*
 * trial: a log of arms and rewards to evaluate policies or uplift on: of each row what was known (columns),
 * which arm it got, with what probability, and the reward. From a table with a specification as spec.h has
 * it, with these keys beside:
 *
 *     "arm": {"field": "segment", "arms": ["No E-Mail", "Mens E-Mail"]}   rows with another arm, or none, are
 *                                            left out and counted; of two arms for uplift the first is
 * control "propensity": 0.5                      of the arm a row got: one number for all, "propensity": "p"
 * a field with it, "propensity": ["p0", "p1"]             a field for each arm, "propensity": "uniform" one
 * over the number of arms
 *
 * "score" may be absent. Reward is the label (1 or 0) or the value. Folds for cross-fitting are two buckets
 * of the specification's hash each (spec_bucket(row) / 2), whatever the split.
 *
 * Threads: safe.
 */
#ifndef MT_LEARN_TRIAL_H
#define MT_LEARN_TRIAL_H

#include "learn/csv.h"
#include "learn/dataset.h"

#define TRIAL_MAX_ARMS 1024
#define TRIAL_FOLDS 5

struct trial_spec {
	struct spec
	    spec; /* columns: the rows' own first (ncolumns), then those that say arm and propensity */
	const struct value *root; /* as it stands in the file */
	size_t ncolumns;
	const char **arms;
	size_t narms;
	double propensity;	  /* of all; 0: of fields; NAN: not given */
	size_t propensity_fields; /* 1, or narms */
	const char *const *more;  /* fields with numbers that the caller wants, too */
	size_t nmore;
};

/*
 * keys: what else the caller reads out of root; others are refused. Memory from a. ERR_INPUT, ERR_LIMIT.
 */
int trial_spec_parse(struct arena *a, struct str text, const char *const *keys, size_t nkeys,
		     struct trial_spec *out, struct err *e);
/* Before reading: numbers of further fields, to be found in trial.more. */
int
trial_spec_more(struct arena *a, struct trial_spec *s, const char *const *fields, size_t n, struct err *e);

struct trial {
	struct arena *arena;
	const char *const *columns;
	struct learn_data data; /* y: rewards; cols may be 0 (from events) */
	const char *const *arms;
	size_t narms;
	uint32_t *arm;		 /* rows */
	double *propensity;	 /* rows; NULL: not given */
	uint8_t *fold;		 /* rows, below TRIAL_FOLDS */
	double *more;		 /* rows × nmore of the specification; NAN is missing */
	bool labels;		 /* rewards are 0 and 1 */
	uint64_t skipped, other; /* rows without a reward; with an arm that was not asked for */
	uint64_t no_propensity;	 /* decisions of the event log whose propensity is not known */
};

/* NULL with e, as csv_read; ERR_INPUT also: a propensity that is missing, or not in (0, 1]. */
struct trial *trial_read(const struct csv_source *source, const struct trial_spec *s, struct err *e);
/*
 * From decisions of the event log (labels: their outcomes, else values), with the arms named; rows of one
 * recipient are in one fold. Decisions without a propensity are counted and left out: any weight would be
 * invented. ERR_INPUT: none is left.
 */
struct trial *
trial_of_dataset(const struct dataset *d, const char *const *arms, size_t narms, bool values, struct err *e);
/* Takes NULL; leaves NULL. */
void trial_free(struct trial **t);

#endif
