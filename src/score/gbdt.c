/* gbdt: applying boosted trees, and their files (see gbdt.h). */
#include "score/gbdt.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Trees that are walked side by side: each step waits for memory, and the steps of others need not. */
#define LANES 8
/* Of all sets together: hostile files may name few codes, and far apart. */
#define MAX_WORDS ((size_t)8 << 20)

/* ---- applying ---- */

/* A code that is none (missing, negative, a fraction, too large) is in no set. */
static bool
set_has(const struct gbdt_state *s, size_t node, double x)
{
	const struct gbdt_set *set = &s->sets[s->set[node]];
	if (!(x >= 0 && x <= GBDT_MAX_CODE))
		return false;
	uint32_t code = (uint32_t)x;
	if ((double)code != x || code / 64 >= set->words)
		return false;
	return s->bits[set->first + code / 64] >> code % 64 & 1;
}

/* One step from a node; from a leaf to itself. */
static inline __attribute__((always_inline)) uint32_t
step(const struct gbdt_state *s, uint32_t at, const double *x, bool sets)
{
	const struct gbdt_node *n = &s->nodes[at];
	double v = x[n->column];
	unsigned right = (unsigned)(v > n->value) | ((unsigned)(v != v) & n->missing_right);
	if (sets && s->set[at] >= 0)
		right = set_has(s, at, v) != n->missing_right;
	return n->left + (right & n->inner);
}

static inline __attribute__((always_inline)) double
margin(const struct gbdt_state *s, const double *x, bool sets)
{
	double z = s->base;
	size_t t = 0;
	for (; t + LANES <= s->ntrees; t += LANES) {
		uint32_t at[LANES], depth = 0;
		for (size_t k = 0; k < LANES; k++) {
			at[k] = s->trees[t + k].root;
			depth = s->trees[t + k].depth > depth ? s->trees[t + k].depth : depth;
		}
		for (; depth > 0; depth--)
			for (size_t k = 0; k < LANES; k++)
				at[k] = step(s, at[k], x, sets);
		for (size_t k = 0; k < LANES; k++)
			z += s->nodes[at[k]].value;
	}
	for (; t < s->ntrees; t++) {
		uint32_t at = s->trees[t].root;
		for (uint32_t depth = s->trees[t].depth; depth > 0; depth--)
			at = step(s, at, x, sets);
		z += s->nodes[at].value;
	}
	return z;
}

static void
gbdt_apply(const struct model *m, const double *rows, size_t nrows, void *scratch, double *z)
{
	const struct gbdt_state *s = m->state;
	(void)scratch;
	for (size_t i = 0; i < nrows; i++) {
		const double *x = rows + i * m->ncolumns;
		z[i] = s->set ? margin(s, x, true) : margin(s, x, false);
	}
}

/* ---- building ---- */

static int
node_fail(struct err *e, size_t i, const char *what)
{
	return err_set(e, ERR_INPUT, "node %zu: %s", i, what);
}

static int
node_put(struct gbdt_state *s, const struct model *m, const struct gbdt_parts *p, size_t i, size_t end,
	 struct err *e)
{
	struct gbdt_node *n = &s->nodes[i];
	/* Sums of leaves must stay finite; thresholds are only compared with. */
	if (!(fabs(p->value[i]) <= (p->column[i] == -1 ? MODEL_MAX_INPUT : DBL_MAX)))
		return node_fail(e, i, "its value is out of range");
	if (p->missing[i] > 1)
		return node_fail(e, i, "where missing values go must be 0 or 1");
	*n = (struct gbdt_node){ .value = p->value[i], .left = (uint32_t)i };
	bool set = p->set && p->set[i] >= 0;
	if (p->set && (p->set[i] < -1 || (set && (size_t)p->set[i] >= p->nsets)))
		return node_fail(e, i, "there is no such set");
	if (p->column[i] == -1)
		return p->left[i] == 0 && !p->missing[i] && !set ? 0 : node_fail(e, i, "a leaf has a child");
	if (p->column[i] < 0 || (size_t)p->column[i] >= m->ncolumns)
		return node_fail(e, i, "there is no such column");
	if (p->left[i] <= 0 || (size_t)p->left[i] <= i || (size_t)p->left[i] + 1 >= end)
		return node_fail(e, i, "its children must stand behind it, in its tree");
	if (set && p->value[i] != 0)
		return node_fail(e, i, "it has both a threshold and a set");
	n->inner = true;
	n->left = (uint32_t)p->left[i];
	n->column = (uint16_t)p->column[i];
	n->missing_right = !p->missing[i];
	return 0;
}

/* Each node but the root must be the child of one other; depth by the way. */
static int
tree_check(struct gbdt_state *s, struct gbdt_tree *t, size_t end, uint32_t *depth, struct err *e)
{
	for (size_t i = t->root; i < end; i++)
		depth[i] = UINT32_MAX;
	depth[t->root] = 0;
	for (size_t i = t->root; i < end; i++) {
		const struct gbdt_node *n = &s->nodes[i];
		if (depth[i] == UINT32_MAX)
			return node_fail(e, i, "it is nobody's child");
		t->depth = depth[i] > t->depth ? depth[i] : t->depth;
		for (uint32_t k = 0; n->inner && k < 2; k++) {
			if (depth[n->left + k] != UINT32_MAX)
				return node_fail(e, n->left + k, "it is the child of two");
			depth[n->left + k] = depth[i] + 1;
		}
	}
	if (t->depth > GBDT_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "a tree is deeper than %d", GBDT_MAX_DEPTH);
	return 0;
}

static int
trees_build(struct gbdt_state *s, const struct model *m, const struct gbdt_parts *p, uint32_t *depth,
	    struct err *e)
{
	for (size_t t = 0; t < p->ntrees; t++) {
		size_t end = t + 1 < p->ntrees ? (size_t)p->trees[t + 1] : p->nnodes;
		if (p->trees[t] < 0 || (t == 0 && p->trees[t] != 0) || (size_t)p->trees[t] >= end ||
		    end > p->nnodes)
			return err_set(e, ERR_INPUT, "tree %zu: its nodes are out of order", t);
		s->trees[t].root = (uint32_t)p->trees[t];
		for (size_t i = s->trees[t].root; i < end; i++)
			if (node_put(s, m, p, i, end, e) != 0)
				return -1;
		if (tree_check(s, &s->trees[t], end, depth, e) != 0)
			return -1;
	}
	return 0;
}

/* Where set i ends; 0: it is not in order. */
static size_t
set_end(const struct gbdt_parts *p, size_t i)
{
	size_t end = i + 1 < p->nsets ? (size_t)p->sets[i + 1] : p->ncodes;
	bool ok =
	    p->sets[i] >= 0 && (i > 0 || p->sets[i] == 0) && (size_t)p->sets[i] < end && end <= p->ncodes;
	for (size_t k = ok ? (size_t)p->sets[i] : end; k < end; k++)
		ok &= p->codes[k] >= 0 && p->codes[k] <= GBDT_MAX_CODE &&
		      (k == (size_t)p->sets[i] || p->codes[k] > p->codes[k - 1]);
	return ok ? end : 0;
}

static int
sets_build(struct model *m, struct gbdt_state *s, const struct gbdt_parts *p, struct err *e)
{
	s->set = ARENA_ARRAY(m->arena, int32_t, p->nnodes);
	memcpy(s->set, p->set, p->nnodes * sizeof(*s->set));
	s->sets = ARENA_ARRAY(m->arena, struct gbdt_set, p->nsets);
	s->nsets = p->nsets;
	for (size_t i = 0; i < p->nsets; i++) {
		size_t end = set_end(p, i);
		if (end == 0)
			return err_set(e, ERR_INPUT, "set %zu: its codes are out of order, or of range", i);
		s->sets[i].first = (uint32_t)s->nbits;
		s->sets[i].words = (uint32_t)p->codes[end - 1] / 64 + 1;
		s->nbits += s->sets[i].words;
		if (s->nbits > MAX_WORDS)
			return err_set(e, ERR_LIMIT, "its sets of codes are too large");
	}
	s->bits = ARENA_ARRAY(m->arena, uint64_t, s->nbits);
	for (size_t i = 0; i < p->nsets; i++) {
		size_t end = i + 1 < p->nsets ? (size_t)p->sets[i + 1] : p->ncodes;
		for (size_t k = (size_t)p->sets[i]; k < end; k++)
			s->bits[s->sets[i].first + (uint32_t)p->codes[k] / 64] |= (uint64_t)1
										  << p->codes[k] % 64;
	}
	return 0;
}

int
gbdt_build(struct model *m, const struct gbdt_parts *p, struct err *e)
{
	struct gbdt_state *s = ARENA_NEW(m->arena, struct gbdt_state);
	if (p->ntrees == 0 || p->ntrees > GBDT_MAX_TREES || p->nnodes > GBDT_MAX_NODES)
		return err_set(e, ERR_LIMIT, "there must be 1 to %d trees, and at most %zu nodes",
			       GBDT_MAX_TREES, GBDT_MAX_NODES);
	if (!(fabs(p->base) <= MODEL_MAX_INPUT))
		return err_set(e, ERR_INPUT, "its base is out of range");
	s->gain = ARENA_ARRAY(m->arena, double, m->ncolumns);
	for (size_t i = 0; i < m->ncolumns; i++) {
		if (!(p->gain[i] >= 0 && isfinite(p->gain[i])))
			return err_set(e, ERR_INPUT, "the gain of column %zu is none", i);
		s->gain[i] = p->gain[i];
	}
	s->base = p->base;
	s->ntrees = p->ntrees;
	s->nnodes = p->nnodes;
	s->trees = ARENA_ARRAY(m->arena, struct gbdt_tree, p->ntrees);
	s->nodes = ARENA_ARRAY(m->arena, struct gbdt_node, p->nnodes);
	m->state = s;
	struct arena *a = arena_new(4096);
	int rc = trees_build(s, m, p, ARENA_ARRAY(a, uint32_t, p->nnodes), e);
	arena_free(&a);
	return rc == 0 && p->set ? sets_build(m, s, p, e) : rc;
}

/* ---- files ---- */

/* An I32 tensor of any length (*n 0) or of *n. */
static const int32_t *
ints_read(struct arena *a, const struct safetensors *st, const char *name, size_t *n, struct err *e)
{
	const struct safetensor *t = safetensors_need(st, name, 1, n, e);
	int32_t *out = t ? ARENA_ARRAY(a, int32_t, t->n) : NULL;
	return t && safetensors_ints(t, out, e) == 0 ? out : NULL;
}

static const double *
doubles_read(struct arena *a, const struct safetensors *st, const char *name, size_t n, struct err *e)
{
	const struct safetensor *t = safetensors_need(st, name, 1, &n, e);
	double *out = t ? ARENA_ARRAY(a, double, t->n) : NULL;
	return t && safetensors_doubles(t, out, e) == 0 ? out : NULL;
}

static int
parts_read(struct arena *a, const struct model *m, const struct safetensors *st, struct gbdt_parts *p,
	   struct err *e)
{
	const double *base = doubles_read(a, st, "base", 1, e);
	p->gain = base ? doubles_read(a, st, "gain", m->ncolumns, e) : NULL;
	if (!p->gain || !(p->trees = ints_read(a, st, "trees", &p->ntrees, e)))
		return -1;
	p->base = *base;
	if (!(p->column = ints_read(a, st, "nodes.column", &p->nnodes, e)))
		return -1;
	const int32_t *missing = ints_read(a, st, "nodes.missing", &p->nnodes, e);
	if (!missing || !(p->left = ints_read(a, st, "nodes.left", &p->nnodes, e)) ||
	    !(p->value = doubles_read(a, st, "nodes.value", p->nnodes, e)))
		return -1;
	uint8_t *bytes = ARENA_ARRAY(a, uint8_t, p->nnodes);
	for (size_t i = 0; i < p->nnodes; i++)
		bytes[i] = missing[i] == 0 ? 0 : missing[i] == 1 ? 1 : 2; /* 2 is refused */
	p->missing = bytes;
	if (!safetensors_find(st, "nodes.set"))
		return 0;
	return (p->set = ints_read(a, st, "nodes.set", &p->nnodes, e)) &&
		       (p->sets = ints_read(a, st, "sets", &p->nsets, e)) &&
		       (p->codes = ints_read(a, st, "codes", &p->ncodes, e))
		   ? 0
		   : -1;
}

static int
gbdt_parse(struct model *m, const struct safetensors *st, struct err *e)
{
	struct arena *a = arena_new(65536);
	struct gbdt_parts p = { 0 };
	int rc = parts_read(a, m, st, &p, e);
	if (rc == 0)
		rc = gbdt_build(m, &p, e);
	arena_free(&a);
	return rc;
}

/* Tensors as they are put. */
struct printing {
	struct arena *a;
	struct safetensor *tensors;
	size_t n;
};

static void *
put(struct printing *p, const char *name, enum safetensors_type type, size_t n)
{
	void *data = arena_zalloc(p->a, n * safetensors_size(type));
	p->tensors[p->n++] = (struct safetensor){
		.name = str_of(name), .type = type, .ndim = 1, .shape = { n }, .n = n, .data = data
	};
	return data;
}

static void
put_sets(struct printing *p, const struct gbdt_state *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->nbits; i++)
		n += (size_t)__builtin_popcountll(s->bits[i]);
	memcpy(put(p, "nodes.set", SAFETENSORS_I32, s->nnodes), s->set, s->nnodes * sizeof(*s->set));
	int32_t *sets = put(p, "sets", SAFETENSORS_I32, s->nsets);
	int32_t *codes = put(p, "codes", SAFETENSORS_I32, n);
	n = 0;
	for (size_t i = 0; i < s->nsets; i++) {
		sets[i] = (int32_t)n;
		for (uint32_t code = 0; code < s->sets[i].words * 64; code++)
			if (s->bits[s->sets[i].first + code / 64] >> code % 64 & 1)
				codes[n++] = (int32_t)code;
	}
}

static size_t
gbdt_tensors(const struct model *m, struct arena *a, struct safetensor **out)
{
	const struct gbdt_state *s = m->state;
	struct printing p = { .a = a, .tensors = ARENA_ARRAY(a, struct safetensor, 10) };
	*(double *)put(&p, "base", SAFETENSORS_F64, 1) = s->base;
	memcpy(put(&p, "gain", SAFETENSORS_F64, m->ncolumns), s->gain, m->ncolumns * sizeof(*s->gain));
	double *value = put(&p, "nodes.value", SAFETENSORS_F64, s->nnodes);
	int32_t *trees = put(&p, "trees", SAFETENSORS_I32, s->ntrees);
	int32_t *column = put(&p, "nodes.column", SAFETENSORS_I32, s->nnodes);
	int32_t *left = put(&p, "nodes.left", SAFETENSORS_I32, s->nnodes);
	if (s->set)
		put_sets(&p, s);
	uint8_t *missing = put(&p, "nodes.missing", SAFETENSORS_U8, s->nnodes);
	for (size_t i = 0; i < s->ntrees; i++)
		trees[i] = (int32_t)s->trees[i].root;
	for (size_t i = 0; i < s->nnodes; i++) {
		const struct gbdt_node *n = &s->nodes[i];
		value[i] = n->value;
		column[i] = n->inner ? n->column : -1;
		left[i] = n->inner ? (int32_t)n->left : 0;
		missing[i] = n->inner && !n->missing_right;
	}
	*out = p.tensors;
	return p.n;
}

static void
gbdt_importance(const struct model *m, double *out)
{
	const struct gbdt_state *s = m->state;
	memcpy(out, s->gain, m->ncolumns * sizeof(*out));
}

const struct model_kind model_gbdt = {
	.name = "gbdt",
	.parse = gbdt_parse,
	.apply = gbdt_apply,
	.tensors = gbdt_tensors,
	.importance = gbdt_importance,
};
