/*
 * rule: a compiled rule, shared by its compiler (rule.c) and its evaluator
 * (eval.c). A rule is a list of operations in postfix order: tests push one
 * truth, `and` and `or` take two and push one, `not` turns the top.
 */
#ifndef MT_SCORE_RULE_H
#define MT_SCORE_RULE_H

#include "score/score.h"

#define RULE_MAX_BYTES 8192
#define RULE_MAX_DEPTH 32
#define RULE_MAX_OPS 2048
#define RULE_MAX_TESTS 512
/* One level of nesting leaves at most one `or` and one `and` half done. */
#define RULE_MAX_STACK (2 * RULE_MAX_DEPTH + 4)

enum rule_op {
	RULE_TRUE,
	RULE_FALSE,
	RULE_TRUTH,  /* left */
	RULE_EXISTS, /* left */
	RULE_EQ,
	RULE_NE,
	RULE_LT,
	RULE_LE,
	RULE_GT,
	RULE_GE,
	RULE_IN,      /* left in list[0..nlist) */
	RULE_IN_NAME, /* left in the list that right names */
	RULE_AND,
	RULE_OR,
	RULE_NOT,
};

/* A name (looked up) or a literal. */
struct rule_operand {
	bool is_name;
	struct str name;
	struct value literal; /* an int, a real, a string or a bool */
};

struct rule_step {
	enum rule_op op;
	struct rule_operand left, right;
	struct rule_operand *list;
	size_t nlist;
};

struct score_rule {
	struct rule_step *steps;
	size_t nsteps;
};

#endif
