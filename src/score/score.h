/*
 * score: local time, and the rule language. Feature rows: column.h.
 *
 * Threads: every function is safe; a compiled rule may be evaluated by any number of threads at once.
 */
#ifndef MT_SCORE_SCORE_H
#define MT_SCORE_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/value.h"

/* ---- local time ---- */

struct score_time {
	int year, month, day; /* 1..12, 1..31 */
	int hour, minute;     /* 0..23, 0..59 */
	int weekday;	      /* 1..7, Monday is 1 */
	int offset_s;	      /* east of UTC */
};
/*
 * now_ms (UTC) in an IANA zone. False, and UTC in *out, when the zone is NULL or unknown. Zone names are
 * foreign bytes: names that are absolute, climb, or carry other characters than zone names have never reach
 * the file system.
 */
bool score_local_time(int64_t now_ms, const char *zone, struct score_time *out);

/* ---- rules: one language for send_if and for plugins ---- */

/*
 *   rule    := and { "or" and }          and := unary { "and" unary }        unary := "not" unary | test
 *   test    := "(" rule ")" | "exists" "(" NAME ")" | "true" | "false"
 *            | NAME                                     true unless false, null, 0, "" or empty
 *            | operand ("==" | "!=" | "<" | "<=" | ">" | ">=") operand
 *            | operand ["not"] "in" ( "(" literal { "," literal } ")" | NAME )
 *   operand := NAME | literal            literal := number | "string" | 'string' | true | false
 *
 * NAME is dotted ("profile.country", "click"); letters, digits, _ and - after the first letter. In strings
 * \" \' and \\ stand for themselves; nothing else is escaped.
 *
 * Comparing with a number: the other side as a number (numeric strings count); one that is no number is
 * unequal and neither less nor greater. Comparing with a string: the other side as a template prints it,
 * byte order (so ISO dates order). Two names: as numbers when both are numbers, else as strings. `x in
 * NAME`: NAME's list has x; a NAME that is no list counts as a list of one.
 *
 * A name that is not there makes its test unknown; `and`, `or`, `not` follow Kleene: false and unknown is
 * false, true or unknown is true, else unknown. `exists(x)` is never unknown: false when absent or null.
 *
 * Bounds: 8,192 bytes, 32 parentheses deep, 512 tests. Evaluation is linear and does not recurse.
 */
struct score_rule;

/* Memory from a; text is copied. ERR_INPUT / ERR_LIMIT; the text starts "column N: ". NULL on error. */
struct score_rule *score_rule_compile(struct arena *a, struct str text, struct err *e);
/*
 * Finds a name's value: true and *v, or false when there is none. **v is copied at once (what it points to
 * must live until the evaluation returns), so a callback may hand out one struct of its own again and
 * again.
 */
typedef bool score_look_fn(void *ctx, struct str name, const struct value **v);
/* 1 true, 0 false, -1 unknown: the outcome hangs on a name that is missing: *missing (may be NULL). */
int score_rule_eval(const struct score_rule *r, score_look_fn *look, void *ctx, struct str *missing);

/* One name of those that a rule or a column reads; not 0 ends the walk. */
typedef int score_name_fn(void *ctx, struct str name);
/* Each name of the rule, perhaps more than once; 0, or what ended the walk. */
int score_rule_names(const struct score_rule *r, score_name_fn *each, void *ctx);

#endif
