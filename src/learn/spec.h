/*
 * spec: what to learn from a table, and how: a JSON file.
 *
 *     {
 *       "score": "open",                       the name under which rules read it
 *       "label": "Email_Status >= 1",          a rule (score.h) over the row: 1 or 0
 *       "value": "spend",                      or, instead of a label, the field with the number to predict
 *       "where": "segment != \"No E-Mail\"",   rows to take; absent: all
 *       "weight": "times",                     a field; absent: all 1
 *       "columns": ["profile.history | log | div 8", "profile.zip_code | one-hot Urban Rural"],
 *       "split": {"by": "hash", "test": [0, 1], "valid": [2]},
 *       "model": {"kind": "logistic", "l2": 1},
 *       "calibrate": "none"                    or "platt", "isotonic": on the rows of "valid"
 *     }
 *
 * Fields in rules are the table's columns; in column texts they are profile.X. A row whose label is unknown
 * (a field of the rule is missing) is left out and counted. "split" is one of
 *
 *     {"by": "hash", "test": [B…], "valid": [B…]}   by bucket: ((uint32_t)(i * 2654435761) >> 16) % 10 of the
 *                                                   zero-based row i of the file
 *     {"by": "random", "test": 0.2, "valid": 0.1, "seed": 1}
 *     {"by": "time", "field": "sent_at", "test": 0.2, "valid": 0.1}    the latest rows are the test, those
 *                                                   before them validation; numbers, else texts as ISO dates
 *     {"by": "rule", "test": "year >= 2026", "valid": "year == 2025"}
 *
 * "valid" may be absent everywhere. Options of "model" beside "kind" are its trainer's (train.h). Unknown
 * keys are refused.
 */
#ifndef MT_LEARN_SPEC_H
#define MT_LEARN_SPEC_H

#include "learn/set.h"
#include "score/score.h"

#define SPEC_MAX_BYTES ((size_t)4 << 20)
#define SPEC_BUCKETS 10

enum spec_split { SPEC_HASH, SPEC_RANDOM, SPEC_TIME, SPEC_RULE };
enum spec_calibrate { SPEC_PLAIN, SPEC_PLATT, SPEC_ISOTONIC };

struct spec {
	const char *score;
	struct score_rule *label;   /* NULL: value */
	struct str value, weight;   /* fields; weight may be absent */
	struct score_rule *where;   /* or NULL */
	const char *const *columns; /* written out: each is one column */
	size_t ncolumns;
	enum spec_split split;
	bool test_bucket[SPEC_BUCKETS], valid_bucket[SPEC_BUCKETS];
	double test_share, valid_share;
	uint64_t seed;
	struct str time;			   /* field */
	struct score_rule *test_rule, *valid_rule; /* valid: or NULL */
	struct str kind;
	const struct value *model; /* its options, a map; with "kind" */
	enum spec_calibrate calibrate;
};

/* Memory from a. ERR_INPUT, ERR_LIMIT: what is wrong, by key. */
int spec_parse(struct arena *a, struct str text, struct spec *out, struct err *e);

/* The bucket of the protocol's hash. */
unsigned spec_bucket(uint64_t row);

#endif
