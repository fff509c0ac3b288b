/*
 * gbdt: boosted trees. Margin = base + the value of the leaf that the row falls into, tree after tree.
 *
 * A node splits by one column: to the left what is at most its value, or (categorical) what is not in its
 * set of codes when missing values go left, and what is in it when they go right. So codes that training
 * never saw, and what is no code at all, go where missing values go. A child stands behind its parent, the
 * right one behind the left: there are no cycles.
 *
 * Tensors, n nodes, t trees:
 *   "base" [1], "gain" [columns]   gain: what each column's splits gained in training, not below 0
 *   "trees" [t]                    each tree's first node, ascending from 0; its nodes up to the next's
 *   "nodes.column" [n]             -1: a leaf
 *   "nodes.value" [n]              threshold, or a leaf's value; categorical: 0
 *   "nodes.left" [n]               left child, the right one is the next; leaf: 0
 *   "nodes.missing" [n]            1: missing values go left, else 0
 * and with categorical splits
 *   "nodes.set" [n]                -1, or a categorical node's set
 *   "sets" [s], "codes" [c]        each set's first code (as trees); codes, ascending within a set
 */
#ifndef MT_SCORE_GBDT_H
#define MT_SCORE_GBDT_H

#include "score/model.h"

#define GBDT_MAX_TREES 65536
#define GBDT_MAX_NODES ((size_t)1 << 22)
#define GBDT_MAX_DEPTH 4096
/* Category codes are whole numbers from 0 to this. */
#define GBDT_MAX_CODE 65535

struct gbdt_node {
	double value;
	uint32_t left; /* a leaf: itself */
	uint16_t column;
	uint8_t inner, missing_right; /* 0 or 1 */
};

/* Codes as bits, those from 64 * words on are not in it. */
struct gbdt_set {
	uint32_t first, words;
};

struct gbdt_tree {
	uint32_t root, depth; /* depth: steps to the deepest leaf */
};

struct gbdt_state {
	double base;
	double *gain;
	struct gbdt_tree *trees;
	size_t ntrees;
	struct gbdt_node *nodes;
	size_t nnodes;
	/* Each node's set, -1: it splits by its value. NULL: all do. */
	int32_t *set;
	struct gbdt_set *sets;
	size_t nsets;
	uint64_t *bits;
	size_t nbits; /* words */
};

/* What a trainer gives, as in the tensors; set, sets and codes NULL without categorical splits. Copied. */
struct gbdt_parts {
	double base;
	const double *gain;
	const int32_t *trees, *column, *left, *set, *sets, *codes;
	const double *value;
	const uint8_t *missing;
	size_t ntrees, nnodes, nsets, ncodes;
};

/* m->state from parts, all checked. ERR_INPUT, ERR_LIMIT. */
int gbdt_build(struct model *m, const struct gbdt_parts *p, struct err *e);

#endif
