/*
 * column: feature columns. A column is a text that says where a number comes from and what becomes of it; a
 * list of them, compiled once, makes rows for one recipient online and matrices in training. There is no
 * other way to a feature, so both agree to the last bit.
 *
 *   column := cell { " | " step }
 *   cell   := term | term " & " term      both as text, joined: a cross of categories
 *                  | term " * " term      product of numbers: an interaction
 *   term   := source | source "=" TEXT | "(" column ")"
 *
 * Sources
 *   profile.X, message.X      a field by dotted path
 *   hour minute               0..23 and 0..59 in the recipient's local time
 *   weekday day month         1..7 (Monday is 1, ISO 8601), 1..31, 1..12
 *   decision.campaign, decision.category, decision.arm     of the copy; texts
 *   events.TYPE.Nd.count      events of the last N days (1..90, UTC days, today is one of them) by anybody
 *                             but proxies and machines, less what was taken back
 *   events.TYPE.Nd.value      and their value in currency units (all currencies added)
 *   events.TYPE.recency       days since the last one, with fractions; with a category whole days, missing
 *                             after 90
 *   events.TYPE.count         for ever
 *   events.sent-since-click   copies since the last click
 *   X                         any other name: the message's field, else the profile's
 * TYPE is injected, opened, clicked, converted, purchased, viewed, bounced, complained or unsubscribed.
 * Behind "Nd.count", "Nd.value" and "recency" may follow @CATEGORY; "@campaign" is the category of the copy.
 * SOURCE=TEXT is 1 when the source prints as TEXT, else 0, missing when it is missing (one-hot). TEXT goes up
 * to " | "; in "double quotes" it may hold that, too, and only then a cross may follow.
 *
 * Steps, from left to right. A number is what is a number, a numeric string, or a boolean; else it is
 * missing. add A, mul A, div A       v + A, v · A, v / A log, log1p                natural logarithm of v, of
 * 1 + v; missing where there is none clip LOW HIGH             at least LOW, at most HIGH number nothing but
 * the above missing A                 A where it is missing is-missing                1 where it is missing,
 * else 0 (of a source: absent or null) is TEXT, code TEXT …      of texts: 1 or 0; which of them from 0 on,
 * behind the last for any other hash N                    of texts: which of N buckets bin A B … how many of
 * the ascending edges are at most v: 0 … their number quantile N                as bin, with N-1 edges that
 * training finds; see score_column_fit eq A                      1 when v is A, else 0 Missing stays missing
 * through all but missing and is-missing. A column's last step may instead stand for several columns:
 * `one-hot TEXT …` (is), `hashes N` (hash, eq), `bins A B …` (bin, eq); see score_columns_expand. Words of
 * steps are separated by spaces; in "double quotes" they may have spaces, with
 * \" and \\.
 *
 *   profile.history | log | div 8          profile.zip=Rural         profile.links | missing 0 | div 49
 *   events.purchased.90d.value | log1p     profile.links | is-missing
 *   profile.country & decision.arm | hash 64                         (profile.age | bin 30 50) & weekday |
 * hash 32
 *
 * Values are finite or NAN, which is missing; there is no negative zero, so a value printed and read again is
 * the same.
 *
 * Threads: compiled lists are immutable and may be shared.
 */
#ifndef MT_SCORE_COLUMN_H
#define MT_SCORE_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/value.h"
#include "score/score.h"

#define SCORE_COLUMN_MAX 1024 /* bytes of a column text */
#define SCORE_COLUMNS_MAX 4096

/* ---- what is known of one recipient and copy ---- */

enum score_kind {
	SCORE_INJECTED,
	SCORE_OPENED,
	SCORE_CLICKED,
	SCORE_CONVERTED,
	SCORE_PURCHASED,
	SCORE_VIEWED,
	SCORE_BOUNCED,
	SCORE_COMPLAINED,
	SCORE_UNSUBSCRIBED,
	SCORE_KINDS
};
const char *score_kind_name(enum score_kind k);

struct score_day {
	int32_t day; /* since the epoch, UTC */
	enum score_kind kind;
	struct str category;
	int64_t count, micros;
};
/* What a recipient did, and what was sent to him; proxies and machines left out. */
struct score_behaviour {
	int64_t count[SCORE_KINDS], last_ms[SCORE_KINDS]; /* 0: never */
	int64_t sent_since_click;
	const struct score_day *days; /* the last 91, oldest first */
	size_t ndays;
};
/* A deep copy. Takes NULL. */
const struct score_behaviour *score_behaviour_copy(struct arena *a, const struct score_behaviour *b);

struct score_facts {
	const struct value *profile; /* map or NULL */
	const struct value *message; /* merge data of the message; map or NULL */
	int64_t now_ms;
	const char *time_zone;		      /* IANA name; unknown ones count as UTC */
	const struct score_behaviour *events; /* NULL: not known, then all counters are missing */
	struct str campaign, category, arm;   /* empty: missing */
};

/* ---- columns ---- */

struct score_columns;

/* Memory from a; texts are copied. ERR_INPUT, ERR_LIMIT: "column "TEXT": what is wrong". */
int score_columns_compile(struct arena *a, const char *const *texts, size_t n, struct score_columns **out,
			  struct err *e);
/*
 * A row for each of nrows recipients, in their order, row-major: column k of recipient i goes to rows[i * n
 * + k]. A row depends on its own facts alone. Scratch from a.
 */
void score_matrix(const struct score_columns *c, const struct score_facts *facts, size_t nrows,
		  struct arena *a, double *rows);

size_t score_columns_count(const struct score_columns *c);
/* All texts, as compiled. */
const char *const *score_columns_texts(const struct score_columns *c);
/* True when the column holds codes (last step code, hash, bin or quantile), not amounts. */
bool score_column_is_category(const struct score_columns *c, size_t k);
bool score_columns_need_events(const struct score_columns *c);
/* The first column that reads the arm; -1: none does. */
ptrdiff_t score_columns_find_arm(const struct score_columns *c);
/* The first column that reads the clock (hour, minute, weekday, day, month); -1: none does. */
ptrdiff_t score_columns_find_clock(const struct score_columns *c);
bool score_column_reads_arm(const struct score_columns *c, size_t k);
/* 16 hexadecimal digits that stand for the list of texts (FNV-1a, 64 bits), and NUL. */
#define SCORE_COLUMNS_HASH 17
void score_columns_hash(const struct score_columns *c, char out[SCORE_COLUMNS_HASH]);
/*
 * The first column that reads a field of fields[0..n) or what lies within it; -1: none does. A field is named
 * as in a source: "gender" is that of profile and message, "profile.gender" the profile's alone.
 */
ptrdiff_t score_columns_find_field(const struct score_columns *c, const char *const *fields, size_t n,
				   const char **field);

/* The path of each field of the profile that a column reads, as score_rule_names. */
int score_columns_profile_fields(const struct score_columns *c, score_name_fn *each, void *ctx);

/*
 * One text that may stand for several columns, written out: they are appended to *out (ndone of them there
 * already, grown in a). ERR_INPUT, ERR_LIMIT.
 */
int score_columns_expand(struct arena *a, const char *text, const char ***out, size_t *ndone, struct err *e);

/* ---- columns that training completes ---- */

/* True when the column has a `quantile` step. score_matrix then gives what goes into that step. */
bool score_column_is_open(const struct score_columns *c, size_t k);
/*
 * The text with edges in the place of `quantile N`: of the values (as score_matrix gives them; NAN are left
 * out) the empirical quantiles i/N, equal ones once. ERR_INPUT: all are missing; ERR_LIMIT.
 */
int score_column_fit(struct arena *a, const struct score_columns *c, size_t k, const double *values, size_t n,
		     const char **text, struct err *e);
/*
 * True when column j of `to` can be had from what score_matrix gave of column k of c: the same text, perhaps
 * with its quantiles fitted, perhaps with more steps behind it. Then score_column_finish gives it of such a
 * value, to the last bit.
 */
bool score_column_leads(const struct score_columns *c, size_t k, const struct score_columns *to, size_t j);
double score_column_finish(const struct score_columns *c, size_t k, const struct score_columns *to, size_t j,
			   double v);

#endif
