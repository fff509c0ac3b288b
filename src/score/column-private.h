/*
 * column-private: a compiled column, shared by its compiler (column.c, column-step.c) and its evaluator
 * (row.c). A column is a cell and the steps that its value goes through; cells of crosses have columns below.
 */
#ifndef MT_SCORE_COLUMN_PRIVATE_H
#define MT_SCORE_COLUMN_PRIVATE_H

#include "score/column.h"

#define COLUMN_MAX_DEPTH 8 /* parentheses */
#define COLUMN_MAX_STEPS 16
#define COLUMN_MAX_WORDS 256 /* of one step */
#define COLUMN_MAX_BUCKETS 65536

enum column_source {
	FROM_CLOCK,
	FROM_PROFILE,
	FROM_MESSAGE,
	FROM_EITHER,
	FROM_DECISION,
	FROM_EVENTS,
	FROM_JOIN,    /* left & right */
	FROM_PRODUCT, /* left * right */
};

enum column_hand { HAND_HOUR, HAND_MINUTE, HAND_WEEKDAY, HAND_DAY, HAND_MONTH, HANDS };
enum column_fact { FACT_CAMPAIGN, FACT_CATEGORY, FACT_ARM, FACTS };
enum column_measure { MEASURE_COUNT, MEASURE_VALUE, MEASURE_RECENCY, MEASURE_SINCE_CLICK };

enum column_op {
	OP_ADD,
	OP_MUL,
	OP_DIV,
	OP_LOG,
	OP_LOG1P,
	OP_CLIP,
	OP_NUMBER,
	OP_MISSING,
	OP_IS_MISSING,
	OP_IS,
	OP_CODE,
	OP_HASH,
	OP_BIN,
	OP_QUANTILE,
	OP_EQ,
	/* several columns in one text */
	OP_ONE_HOT,
	OP_HASHES,
	OP_BINS,
	OPS
};

struct column_step {
	enum column_op op;
	double *numbers; /* arguments, where they are numbers */
	struct str *words;
	size_t n;
	size_t from, to; /* where it stands in the text */
};

struct column {
	enum column_source source;
	struct str path; /* of fields; in either, the part behind "profile." or "message." */
	enum column_hand hand;
	enum column_fact fact;
	enum column_measure measure; /* FROM_EVENTS */
	enum score_kind kind;
	int days; /* 0: for ever */
	struct str category;
	bool own_category;
	bool one_hot; /* SOURCE=TEXT */
	struct str text;
	struct column *left, *right;
	struct column_step *steps;
	size_t nsteps;
	size_t open; /* index of the quantile step; nsteps: none */
};

struct score_columns {
	const char **texts;
	struct column **columns;
	size_t n;
	bool need_events;
};

/* A parser's place in one text. */
struct column_parse {
	struct arena *a;
	struct str text;
	size_t at;
	int depth;
	struct err *e;
};
/* "column "TEXT": …"; -1. */
int column_wrong(const struct column_parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* True at the end of the column: of the text, or at ")" within parentheses. */
bool column_at_end(const struct column_parse *p);
/* True at one of the characters of set that stands between spaces (or behind one, at the end). */
bool column_at_mark(const struct column_parse *p, const char *set);
void column_skip_spaces(struct column_parse *p);

/* column-step.c: a step, from its name on. */
int column_step_parse(struct column_parse *p, struct column_step *out);

#endif
