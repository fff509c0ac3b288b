/*
 * score: builds the feature matrix for scorers, by name.
 *
 * A scorer names its features ("profile.age", "profile.orders", "hour", "weekday", "message.discount",
 * "profile.country=DE" for one-hot). score_row fills one row: numbers as they are, booleans 0/1, NAN when the value is
 * missing or no number. Layout: row-major, rows × features, double.
 * Threads: safe.
 */
#ifndef MT_SCORE_SCORE_H
#define MT_SCORE_SCORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/value.h"

struct score_facts {
	const struct value *profile;  /* map */
	const struct value *message;  /* merge data of the message; map or NULL */
	int64_t now_ms;
	const char *time_zone;	      /* for hour (0..23) and weekday (1..7, Monday 1) in local time */
};

void score_row(const struct score_facts *f, const char *const *names, size_t n, double *row);

/* "click >= 0.02", "click > 0.1 and churn < 0.5" (and, or, parentheses, not; numbers; names). For send_if and content. */
struct score_rule;
struct score_rule *score_rule_compile(struct arena *a, struct str text, struct err *e); /* text says position */
/* Names the rule reads. */
size_t score_rule_names(const struct score_rule *r, const struct str **names);
/* 1 true, 0 false, -1: a name is unknown (look returns false): *missing says which. */
int score_rule_eval(const struct score_rule *r, bool (*look)(void *ctx, struct str name, double *v), void *ctx,
		    struct str *missing);

#endif
